/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_status.h"

#include "admin_users.h"
#include "instance.h"
#include "nodes.h"
#include "prune.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS INT64_C (1000000000)

/* A waiting member touches its file every 20 s. */
#define DEAD_AFTER 60

/* Above this a number of tasks is none. */
#define TASKS_MAX (UINT32_C (1) << 24)

/* More members than this are counted on the terminal, not listed. */
#define LISTED_MAX 64

#define BAR_WIDTH 20

static void
add_number (json_object *object, const char *key, int64_t number)
{
  json_object_object_add (object, key, json_object_new_int64 (number));
}

static const char *
get_text (json_object *object, const char *key)
{
  json_object *member = json_object_object_get (object, key);

  return member == NULL ? "" : json_object_get_string (member);
}

static int64_t
get_number (json_object *object, const char *key)
{
  return json_object_get_int64 (json_object_object_get (object, key));
}

/* Adds the number behind MARK in KEY, if it is before END. */
static void
add_key_number (json_object *object, const char *key, const char *mark, const char *end,
                const char *name)
{
  const char *part = strstr (key, mark);

  if (part != NULL && (end == NULL || part < end))
    add_number (object, name, strtol (part + strlen (mark), NULL, 10));
}

/* NAME is KEY, or gone-HOST-PID-N-KEY; KEY is jobid-J[-stepid-S][-restart-R]
 * [-cluster-C]. */
static void
add_key (json_object *object, const char *name)
{
  bool gone = prune_is_remains (name);
  const char *key = strstr (name, "jobid-");

  /* A host may have a strange name; the key is the last of its kind. */
  for (const char *next = key; gone && next != NULL; next = strstr (next + 1, "jobid-"))
    key = next;
  admin_add_text (object, "name", name);
  json_object_object_add (object, "gone", json_object_new_boolean (gone));
  if (key == NULL)
    return;
  const char *cluster = strstr (key, "-cluster-");
  add_key_number (object, key, "jobid-", cluster, "job");
  add_key_number (object, key, "-stepid-", cluster, "step");
  add_key_number (object, key, "-restart-", cluster, "restart");
  if (cluster != NULL)
    admin_add_text (object, "cluster", cluster + strlen ("-cluster-"));
}

/* Adds the outcome; whether it is a release. */
static bool
add_outcome (json_object *object, const struct instance *in)
{
  char text[INSTANCE_TEXT_MAX] = "";
  bool released = false;
  int64_t ended;

  switch (instance_outcome (in, text))
    {
    case OUTCOME_RELEASED:
      admin_add_text (object, "state", "released");
      released = true;
      break;
    case OUTCOME_VOID:
      admin_add_text (object, "state", "void");
      break;
    case OUTCOME_CALLED_OFF:
      admin_add_text (object, "state", "called-off");
      admin_add_text (object, "reason", text);
      break;
    default:
      /* One that is being removed has lost its outcome first. */
      admin_add_text (object, "state", prune_is_remains (in->key) ? "void" : "waiting");
      return false;
    }
  if (instance_outcome_time (in, &ended) == 0)
    add_number (object, "ended", ended / NANOSECONDS);
  return released;
}

static void
add_note (json_object *object, const char *note, const char *key, bool number)
{
  char value[INSTANCE_NOTE_MAX];

  if (!nodes_note_value (note, key, value, sizeof value))
    return;
  if (number)
    add_number (object, key, strtoll (value, NULL, 10));
  else
    admin_add_text (object, key, value);
}

/* The server's clock may be ahead of this node's. */
static int64_t
seconds_since (int64_t now, int64_t then)
{
  return now > then ? (now - then) / NANOSECONDS : 0;
}

/* What is collected of one instance. */
struct members {
  json_object *array;
  struct ranks there; /* who has arrived, or is gathered on his node */
  int64_t now;
  char nodes[INSTANCE_NOTE_MAX], tasks[INSTANCE_NOTE_MAX]; /* as one of the notes says */
};

/* One member that has arrived, or a gathering of a node. */
static int
visit_member (void *context, const struct instance_mark *mark)
{
  struct members *m = context;
  char note[INSTANCE_NOTE_MAX], ranks[INSTANCE_NOTE_MAX];
  struct stat st;

  if (!instance_is_mark (mark) || !instance_read_note (mark->dirfd, mark->name, note))
    return 0;
  bool gathers = nodes_note_value (note, "procid", ranks, sizeof ranks);
  if (!gathers)
    (void) snprintf (ranks, sizeof ranks, "%s", mark->ranks);
  uint32_t before = m->there.present;
  if (!ranks_add_text (&m->there, ranks))
    return 0;
  json_object *member = json_object_new_object ();
  admin_add_text (member, "procid", ranks);
  add_number (member, "tasks", m->there.present - before);
  json_object_object_add (member, "gathers", json_object_new_boolean (gathers));
  /* One that has left without success says 1970. */
  if (fstatat (mark->dirfd, mark->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtim.tv_sec > 0)
    add_number (member, "seen", seconds_since (m->now, st.st_mtim.tv_sec * NANOSECONDS));
  add_note (member, note, "host", false);
  add_note (member, note, "node", false);
  add_note (member, note, "pid", true);
  add_note (member, note, "container", false);
  add_note (member, note, "since", true);
  (void) json_object_array_add (m->array, member);
  (void) nodes_note_value (note, "nodes", m->nodes, sizeof m->nodes);
  (void) nodes_note_value (note, "tasks", m->tasks, sizeof m->tasks);
  return 0;
}

/* Who is missing, or has not departed after a release. */
static void
add_missing (json_object *object, const struct instance *in, struct members *m, bool released)
{
  struct ranks departed;
  char text[256];

  if (ranks_init (&departed, m->there.count) != 0)
    return;
  if (released)
    (void) instance_list_departure (in, &departed);
  /* A release says that all have come, also who came after the list. */
  for (uint32_t rank = 0; released && rank < m->there.count; rank++)
    ranks_add (&m->there, rank);
  add_number (object, "arrived", m->there.present);
  add_number (object, "departed", departed.present);
  admin_add_text (object, "missing", ranks_missing (&m->there, text, sizeof text));
  if (released)
    admin_add_text (object, "not_departed", ranks_missing (&departed, text, sizeof text));
  ranks_free (&departed);
  if (!released && *nodes_missing (in, m->there.count, m->nodes, m->tasks, text, sizeof text) != '\0')
    admin_add_text (object, "missing_nodes", text);
}

static int
compare_members (const void *a, const void *b)
{
  unsigned long first[2];
  const void *const members[] = { a, b };

  for (int i = 0; i < 2; i++)
    first[i] = strtoul (get_text (*(json_object *const *) members[i], "procid"), NULL, 10);
  return first[0] < first[1] ? -1 : first[0] > first[1];
}

/* Who is there, who is missing, how it ended.  Arrivals are read before the
 * outcome, and departures last: who moves on meanwhile is in one of the two. */
static void
add_members (json_object *object, const struct instance *in, uint32_t tasks, int64_t now)
{
  struct members m = { .array = json_object_new_array (), .now = now };

  if (ranks_init (&m.there, tasks) == 0)
    {
      (void) instance_each_arrival (in, NULL, visit_member, &m);
      (void) instance_each_gathering (in, visit_member, &m);
      json_object_array_sort (m.array, compare_members);
      add_missing (object, in, &m, add_outcome (object, in));
    }
  ranks_free (&m.there);
  json_object_object_add (object, "members", m.array);
}

static void
add_barrier (json_object *object, const struct instance *in, int64_t now)
{
  char text[16] = "";
  int64_t began;

  add_key (object, in->key);
  if (readlinkat (in->top, "ntasks", text, sizeof text - 1) < 0)
    text[0] = '\0';
  unsigned long tasks = strtoul (text, NULL, 10);
  add_number (object, "tasks", tasks <= TASKS_MAX ? (int64_t) tasks : 0);
  add_members (object, in, tasks <= TASKS_MAX ? (uint32_t) tasks : 0, now);
  if (instance_began (in, &began) == 0)
    add_number (object, "since", began / NANOSECONDS);
  int64_t change = prune_last_change (in->parent, in->key);
  add_number (object, "unchanged", change < 0 ? 0 : seconds_since (now, change));
  json_object_object_add (
    object, "dead",
    json_object_new_boolean (strcmp (get_text (object, "state"), "waiting") == 0
                             && get_number (object, "unchanged") > DEAD_AFTER));
}

/* The barrier NAME of the directory DIRFD, or NULL if it is gone by now, or
 * only just being made. */
static json_object *
new_barrier (int dirfd, const char *name, int64_t now)
{
  struct instance in = { .parent = dirfd, .key = name, .reads_only = true };
  json_object *object = NULL;
  struct stat st, top;

  in.top = openat (dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  in.arrival = in.top < 0 ? -1
                          : openat (in.top, "arrival", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (in.arrival >= 0)
    {
      object = json_object_new_object ();
      add_barrier (object, &in, now);
      /* It has gone while we looked: then what was seen is no picture of it. */
      if (fstat (in.top, &top) != 0 || fstatat (dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0
          || st.st_ino != top.st_ino || fstat (in.arrival, &st) != 0 || st.st_nlink == 0)
        {
          json_object_put (object);
          object = NULL;
        }
    }
  instance_close (&in);
  return object;
}

/* As the user: all barriers in his directory. */
static int
status_work (const struct config *config, int dirfd, const char *where, const struct identity *user,
             struct admin_answer *answer, struct failure *f)
{
  struct timespec now;
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir (fd);
  const struct dirent *entry;

  if (dir == NULL)
    return fail (f, EX_IOERR, "cannot read %s: %m", where);
  /* Not the server's clock: to ask it would be a change. */
  (void) clock_gettime (CLOCK_REALTIME, &now);
  while ((entry = readdir (dir)) != NULL)
    {
      json_object *object;

      if (!prune_is_barrier (entry->d_name) && !prune_is_remains (entry->d_name))
        continue;
      object = new_barrier (dirfd, entry->d_name, now.tv_sec * NANOSECONDS + now.tv_nsec);
      if (object == NULL)
        continue;
      admin_add_text (object, "user", user->name);
      admin_add_text (object, "directory", where);
      if (config->job != NULL
          && strtoll (config->job, NULL, 10) != (long long) get_number (object, "job"))
        json_object_put (object);
      else
        admin_tell (answer, object);
    }
  (void) closedir (dir);
  return 0;
}

static void
print_bar (FILE *out, int64_t arrived, int64_t tasks)
{
  int full = tasks > 0 ? (int) (arrived * BAR_WIDTH / tasks) : 0;

  (void) fputc ('[', out);
  for (int i = 0; i < BAR_WIDTH; i++)
    (void) fputc (i < full ? '#' : '.', out);
  (void) fprintf (out, "] %lld/%lld", (long long) arrived, (long long) tasks);
}

/* A time of day, and if AGO how long ago that is. */
static void
print_time (FILE *out, json_object *object, const char *before, const char *key, bool ago)
{
  const time_t when = (time_t) get_number (object, key);
  struct tm parts;
  char text[32] = "?";

  if (when == 0)
    return;
  if (localtime_r (&when, &parts) != NULL)
    (void) strftime (text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  (void) fprintf (out, "%s%s", before, text);
  if (!ago)
    return;
  (void) fprintf (out, " (");
  admin_print_age (out, time (NULL) - when);
  (void) fprintf (out, " ago)");
}

/* Prints BEFORE and the text KEY of OBJECT, if it has one, WIDTH at most. */
static void
print_text (FILE *out, json_object *object, const char *before, const char *key, int width)
{
  const char *text = get_text (object, key);

  if (text[0] != '\0')
    (void) fprintf (out, "%s%.*s", before, width, text);
}

static void
print_member (FILE *out, json_object *member)
{
  const int64_t since = get_number (member, "since");

  (void) fprintf (out, "    procid %s", get_text (member, "procid"));
  if (json_object_get_boolean (json_object_object_get (member, "gathers")))
    (void) fprintf (out, " gathered");
  print_text (out, member, " on ", "host", 64);
  print_text (out, member, ", pid ", "pid", 16);
  /* podman's container ids have 64 digits; it shows 12 of them itself. */
  print_text (out, member, ", container ", "container", 12);
  if (since > 0)
    {
      (void) fprintf (out, ", waiting for ");
      admin_print_age (out, time (NULL) - since);
    }
  if (json_object_object_get (member, "seen") != NULL)
    {
      (void) fprintf (out, ", seen ");
      admin_print_age (out, get_number (member, "seen"));
      (void) fprintf (out, " ago");
    }
  (void) fputc ('\n', out);
}

static void
print_members (FILE *out, json_object *members)
{
  size_t count = (size_t) json_object_array_length (members);

  for (size_t i = 0; i < count && i < LISTED_MAX; i++)
    print_member (out, json_object_array_get_idx (members, i));
  if (count > LISTED_MAX)
    (void) fprintf (out, "    and %zu more: see --json\n", count - LISTED_MAX);
}

/* Whose it is, and what its name says. */
static void
print_name (FILE *out, json_object *barrier)
{
  json_object *job = json_object_object_get (barrier, "job");
  json_object *step = json_object_object_get (barrier, "step");

  (void) fprintf (out, "%s:", get_text (barrier, "user"));
  if (job != NULL)
    (void) fprintf (out, " job %lld", (long long) json_object_get_int64 (job));
  if (step != NULL)
    (void) fprintf (out, " step %lld", (long long) json_object_get_int64 (step));
  if (json_object_object_get (barrier, "restart") != NULL)
    (void) fprintf (out, " restart %lld", (long long) get_number (barrier, "restart"));
  print_text (out, barrier, " cluster ", "cluster", 64);
  (void) fputc ('\n', out);
}

static void
print_barrier (FILE *out, json_object *barrier)
{
  const char *state = get_text (barrier, "state"), *nodes = get_text (barrier, "missing_nodes");

  print_name (out, barrier);
  (void) fprintf (out, "  ");
  print_bar (out, get_number (barrier, "arrived"), get_number (barrier, "tasks"));
  (void) fprintf (out, " %s", state);
  print_time (out, barrier, ", began ", "since", json_object_object_get (barrier, "ended") == NULL);
  print_time (out, barrier, ", ended ", "ended", true);
  (void) fputc ('\n', out);
  if (get_text (barrier, "reason")[0] != '\0')
    (void) fprintf (out, "  %s\n", get_text (barrier, "reason"));
  if (json_object_get_boolean (json_object_object_get (barrier, "dead")))
    {
      (void) fprintf (out, "  looks dead: nobody has shown a sign of life for ");
      admin_print_age (out, get_number (barrier, "unchanged"));
      (void) fputc ('\n', out);
    }
  if (json_object_get_boolean (json_object_object_get (barrier, "gone")))
    (void) fprintf (out, "  remains, until they are pruned: %s\n", get_text (barrier, "name"));
  if (get_text (barrier, "missing")[0] != '\0')
    (void) fprintf (out, "  missing: procid %s%s%s\n", get_text (barrier, "missing"),
                    nodes[0] != '\0' ? " on " : "", nodes);
  if (get_text (barrier, "not_departed")[0] != '\0')
    (void) fprintf (out, "  released, not departed: procid %s\n", get_text (barrier, "not_departed"));
  if (strcmp (state, "waiting") == 0)
    print_members (out, json_object_object_get (barrier, "members"));
}

/* By user, job and step, and the living before what is left. */
static int
compare_barriers (const void *a, const void *b)
{
  json_object *x = *(json_object *const *) a, *y = *(json_object *const *) b;
  int order = strcmp (get_text (x, "user"), get_text (y, "user"));
  static const char *const keys[] = { "job", "step", "restart", "gone" };

  for (size_t i = 0; order == 0 && i < sizeof keys / sizeof *keys; i++)
    order = (get_number (x, keys[i]) > get_number (y, keys[i]))
            - (get_number (x, keys[i]) < get_number (y, keys[i]));
  return order != 0 ? order : strcmp (get_text (x, "name"), get_text (y, "name"));
}

static void
status_write (FILE *out, const struct config *config, const struct admin_answer *answer)
{
  size_t count = (size_t) json_object_array_length (answer->found);

  if (config->json)
    (void) fprintf (out, "%s\n",
                    json_object_to_json_string_ext (answer->found, JSON_C_TO_STRING_PRETTY
                                                                     | JSON_C_TO_STRING_NOSLASHESCAPE));
  else if (count == 0 && answer->worst == EX_OK)
    (void) fprintf (out, "no barriers in %s\n",
                    config->base_dir == NULL ? "the users' homes" : config->base_dir);
  for (size_t i = 0; !config->json && i < count; i++)
    print_barrier (out, json_object_array_get_idx (answer->found, i));
}

/* The length of the line TEXT in bytes, and of what of it fits into COLUMNS. */
static size_t
line_length (const char *text, unsigned columns, size_t *fits)
{
  size_t length = strcspn (text, "\n");

  *fits = 0;
  for (unsigned column = 0; *fits < length; (*fits)++)
    /* In UTF-8 all bytes of a character but the first are 10xxxxxx. */
    if (((unsigned char) text[*fits] & 0xc0) != 0x80 && column++ == columns)
      break;
  return length;
}

/* Prints a line of text, and of that what fits into WIDTH. */
static const char *
status_redraw_line (const char *text, unsigned width)
{
  size_t fits, length = line_length (text, width, &fits);

  (void) printf ("%.*s\n", (int) fits, text);
  return text + length + (text[length] == '\n' ? 1 : 0);
}

/* Shows PAGE on the terminal, from its top, and as much of it as there is room
 * for: were it to scroll, the next one would not come to the same place. */
static void
status_redraw (const char *page)
{
  struct winsize size = { .ws_row = 0 };
  char text[64] = "";
  time_t now = time (NULL);
  struct tm parts;
  unsigned hidden = 0;

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 4 || size.ws_col < 10)
    size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
  const unsigned width = size.ws_col - 1U;
  if (localtime_r (&now, &parts) != NULL)
    (void) strftime (text, sizeof text, "%Y-%m-%d %H:%M:%S, every second until ^C", &parts);
  /* Home, and clear what is below, as every terminal since the VT100 does. */
  (void) printf ("\033[H\033[J");
  (void) status_redraw_line (text, width);
  for (int row = 0; *page != '\0' && row < size.ws_row - 3; row++)
    page = status_redraw_line (page, width);
  for (; *page != '\0'; page++)
    hidden += *page == '\n';
  (void) snprintf (text, sizeof text, "and %u more lines, see --status without --watch", hidden);
  if (hidden > 0)
    (void) status_redraw_line (text, width);
}

/* Adds the problems to the page: on standard error they would be cleared. */
static void
status_write_problems (FILE *out, const struct admin_answer *answer)
{
  for (size_t i = 0; i < (size_t) json_object_array_length (answer->problems); i++)
    (void) fprintf (out, "warning: %s\n",
                    json_object_get_string (json_object_array_get_idx (answer->problems, i)));
}

static int
status_print (const struct config *config, int *worst, struct failure *f)
{
  struct admin_answer answer;
  char *page = NULL;
  size_t size;
  int result = admin_each_user (config, status_work, &answer, f);

  *worst = answer.worst;
  if (result == 0)
    {
      bool redraw = config->watch && isatty (STDOUT_FILENO);
      FILE *out = redraw ? open_memstream (&page, &size) : stdout;

      json_object_array_sort (answer.found, compare_barriers);
      if (out != NULL)
        status_write (out, config, &answer);
      if (out != NULL && redraw)
        {
          status_write_problems (out, &answer);
          if (fclose (out) == 0)
            status_redraw (page);
          free (page);
        }
      else
        admin_print_problems (&answer);
    }
  admin_free (&answer);
  return result;
}

int
admin_status (const struct config *config, int *worst, struct failure *f)
{
  const struct timespec second = { .tv_sec = 1 };
  static char buffer[65536]; /* a page at once, else it flickers */
  int result;

  if (config->watch)
    (void) setvbuf (stdout, buffer, _IOFBF, sizeof buffer);
  do
    {
      result = status_print (config, worst, f);
      if (fflush (stdout) != 0)
        return fail (f, EX_IOERR, "standard output: %m");
    }
  while (config->watch && result == 0 && nanosleep (&second, NULL) == 0);
  return result;
}
