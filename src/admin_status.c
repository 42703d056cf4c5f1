/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_status.h"

#include "admin.h"
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
add_text (json_object *object, const char *key, const char *text)
{
  json_object_object_add (object, key, json_object_new_string (text));
}

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

/* NAME is KEY, or gone-HOST-PID-N-KEY. */
static void
add_key (json_object *object, const char *name)
{
  const char *key = strstr (name, "jobid-"), *cluster = strstr (name, "-cluster-"), *part;
  unsigned number;

  add_text (object, "name", name);
  json_object_object_add (object, "gone", json_object_new_boolean (prune_is_remains (name)));
  if (key != NULL && sscanf (key, "jobid-%u", &number) == 1)
    add_number (object, "job", number);
  if (key != NULL && (part = strstr (key, "-stepid-")) != NULL
      && sscanf (part, "-stepid-%u", &number) == 1)
    add_number (object, "step", number);
  if (key != NULL && (part = strstr (key, "-restart-")) != NULL
      && sscanf (part, "-restart-%u", &number) == 1)
    add_number (object, "restart", number);
  if (cluster != NULL)
    add_text (object, "cluster", cluster + strlen ("-cluster-"));
}

/* Adds the outcome, and opens in->departure after a release. */
static void
add_outcome (json_object *object, struct instance *in)
{
  char text[INSTANCE_TEXT_MAX] = "";

  switch (instance_outcome (in, false, text))
    {
    case OUTCOME_RELEASED:
      add_text (object, "state", "released");
      break;
    case OUTCOME_VOID:
      add_text (object, "state", "void");
      break;
    case OUTCOME_CALLED_OFF:
      add_text (object, "state", "called-off");
      add_text (object, "reason", text);
      break;
    default:
      add_text (object, "state", "waiting");
    }
}

static void
add_note (json_object *object, const char *note, const char *key)
{
  char value[NODES_NOTE_MAX];

  if (nodes_note_value (note, key, value, sizeof value))
    add_text (object, key, value);
}

/* One member that is in arrival. */
static json_object *
new_member (const struct instance *in, uint32_t rank, int64_t now)
{
  json_object *member = json_object_new_object ();
  char note[NODES_NOTE_MAX];
  struct stat st;

  add_number (member, "procid", rank);
  if (instance_stat (in, rank, &st) == 0)
    add_number (member, "seen", (now - st.st_mtim.tv_sec * NANOSECONDS) / NANOSECONDS);
  if (!nodes_note_read (in->arrival, rank, note))
    return member;
  add_note (member, note, "host");
  add_note (member, note, "pid");
  add_note (member, note, "container");
  add_note (member, note, "since");
  return member;
}

/* Who is there, and who is missing. */
static void
add_members (json_object *object, struct instance *in, uint32_t tasks, int64_t now)
{
  json_object *members = json_object_new_array ();
  char text[256], note[NODES_NOTE_MAX], list[NODES_NOTE_MAX], per_node[NODES_NOTE_MAX];
  struct ranks arrived, departed;

  json_object_object_add (object, "members", members);
  if (tasks == 0 || tasks > TASKS_MAX || ranks_init (&arrived, tasks) != 0)
    return;
  if (ranks_init (&departed, tasks) == 0 && in->departure >= 0)
    (void) instance_list_departure (in, &departed);
  (void) instance_list_arrival (in, &arrived);
  for (uint32_t rank = 0; rank < tasks; rank++)
    if (ranks_has (&arrived, rank))
      (void) json_object_array_add (members, new_member (in, rank, now));
    else if (departed.bits != NULL && ranks_has (&departed, rank))
      ranks_add (&arrived, rank);
  add_number (object, "arrived", arrived.present);
  add_number (object, "departed", departed.present);
  add_text (object, "missing", ranks_missing (&arrived, text, sizeof text));
  for (uint32_t rank = 0; departed.present == 0 && rank < tasks; rank++)
    if (ranks_has (&arrived, rank) && nodes_note_read (in->arrival, rank, note)
        && nodes_note_value (note, "nodes", list, sizeof list)
        && nodes_note_value (note, "tasks", per_node, sizeof per_node))
      {
        add_text (object, "missing_nodes",
                  nodes_missing (in->arrival, &arrived, list, per_node, text, sizeof text));
        break;
      }
  ranks_free (&arrived);
  ranks_free (&departed);
}

/* The barrier NAME of the directory DIRFD, or NULL if it is gone by now. */
static json_object *
new_barrier (int dirfd, const char *name, int64_t now)
{
  struct instance in = { .parent = dirfd, .key = name, .departure = -1, .top = -1 };
  int top = openat (dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  char text[16] = "";
  struct stat st;

  in.arrival = top < 0 ? -1 : openat (top, "arrival", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  json_object *object = in.arrival < 0 ? NULL : json_object_new_object ();
  if (object != NULL)
    {
      int64_t change = prune_last_change (dirfd, name);

      add_key (object, name);
      if (readlinkat (top, "ntasks", text, sizeof text - 1) < 0)
        text[0] = '\0';
      uint32_t tasks = (uint32_t) strtoul (text, NULL, 10);
      add_number (object, "tasks", tasks);
      add_outcome (object, &in);
      add_members (object, &in, tasks, now);
      /* The link is made when the barrier begins, and never touched. */
      if (fstatat (top, "ntasks", &st, AT_SYMLINK_NOFOLLOW) == 0)
        add_number (object, "since", st.st_mtim.tv_sec);
      add_number (object, "unchanged", change < 0 ? 0 : (now - change) / NANOSECONDS);
      json_object_object_add (
        object, "dead",
        json_object_new_boolean (strcmp (get_text (object, "state"), "waiting") == 0
                                 && get_number (object, "unchanged") > DEAD_AFTER));
    }
  if (top >= 0)
    (void) close (top);
  instance_close (&in);
  return object;
}

/* As the user: all barriers in his directory. */
static json_object *
status_work (const struct config *config, int dirfd, const char *where, const struct identity *user,
             struct failure *f)
{
  struct timespec now;
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir (fd);
  const struct dirent *entry;
  json_object *array;

  if (dir == NULL)
    {
      (void) fail (f, EX_IOERR, "cannot read %s: %m", where);
      return NULL;
    }
  /* Not the server's clock: to ask it would be a change. */
  (void) clock_gettime (CLOCK_REALTIME, &now);
  array = json_object_new_array ();
  while ((entry = readdir (dir)) != NULL)
    {
      json_object *object;

      if (!prune_is_barrier (entry->d_name) && !prune_is_remains (entry->d_name))
        continue;
      object = new_barrier (dirfd, entry->d_name, now.tv_sec * NANOSECONDS + now.tv_nsec);
      if (object == NULL)
        continue;
      add_text (object, "user", user->name);
      add_text (object, "directory", where);
      if (config->job != NULL && strtoul (config->job, NULL, 10) != (unsigned long) get_number (object, "job"))
        json_object_put (object);
      else
        (void) json_object_array_add (array, object);
    }
  (void) closedir (dir);
  return array;
}

static void
print_bar (int64_t arrived, int64_t tasks)
{
  int full = tasks > 0 ? (int) (arrived * BAR_WIDTH / tasks) : 0;

  (void) putchar ('[');
  for (int i = 0; i < BAR_WIDTH; i++)
    (void) putchar (i < full ? '#' : '.');
  (void) printf ("] %lld/%lld", (long long) arrived, (long long) tasks);
}

static void
print_time (int64_t seconds)
{
  time_t when = (time_t) seconds;
  struct tm parts;
  char text[32] = "?";

  if (localtime_r (&when, &parts) != NULL)
    (void) strftime (text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  (void) printf ("%s", text);
}

static void
print_members (json_object *members)
{
  size_t count = (size_t) json_object_array_length (members);

  for (size_t i = 0; i < count && i < LISTED_MAX; i++)
    {
      json_object *member = json_object_array_get_idx (members, i);
      (void) printf ("    procid %lld: host %s, pid %s, container %s, seen %lld s ago\n",
                     (long long) get_number (member, "procid"), get_text (member, "host"),
                     get_text (member, "pid"), get_text (member, "container"),
                     (long long) get_number (member, "seen"));
    }
  if (count > LISTED_MAX)
    (void) printf ("    and %zu more: see --json\n", count - LISTED_MAX);
}

static void
print_barrier (json_object *barrier)
{
  const char *state = get_text (barrier, "state"), *nodes = get_text (barrier, "missing_nodes");
  json_object *step = json_object_object_get (barrier, "step");

  (void) printf ("%s: job %lld", get_text (barrier, "user"), (long long) get_number (barrier, "job"));
  if (step != NULL)
    (void) printf (" step %lld", (long long) json_object_get_int64 (step));
  if (json_object_object_get (barrier, "restart") != NULL)
    (void) printf (" restart %lld", (long long) get_number (barrier, "restart"));
  if (get_text (barrier, "cluster")[0] != '\0')
    (void) printf (" cluster %s", get_text (barrier, "cluster"));
  (void) printf ("\n  ");
  print_bar (get_number (barrier, "arrived"), get_number (barrier, "tasks"));
  (void) printf (" %s, since ", state);
  print_time (get_number (barrier, "since"));
  (void) printf ("\n");
  if (get_text (barrier, "reason")[0] != '\0')
    (void) printf ("  %s\n", get_text (barrier, "reason"));
  if (json_object_get_boolean (json_object_object_get (barrier, "dead")))
    (void) printf ("  looks dead: nobody has shown a sign of life for %lld s\n",
                   (long long) get_number (barrier, "unchanged"));
  if (json_object_get_boolean (json_object_object_get (barrier, "gone")))
    (void) printf ("  remains, until they are pruned: %s\n", get_text (barrier, "name"));
  if (get_text (barrier, "missing")[0] != '\0')
    (void) printf ("  missing: procid %s%s%s\n", get_text (barrier, "missing"),
                   nodes[0] != '\0' ? " on " : "", nodes);
  if (strcmp (state, "waiting") == 0)
    print_members (json_object_object_get (barrier, "members"));
}

static int
status_print (const struct config *config, struct failure *f)
{
  json_object *all = admin_each_user (config, status_work, f);

  if (all == NULL)
    return -1;
  if (config->json)
    (void) printf ("%s\n", json_object_to_json_string_ext (all, JSON_C_TO_STRING_PRETTY));
  else if (json_object_array_length (all) == 0)
    (void) printf ("no barriers in %s\n", config->base_dir);
  for (size_t i = 0; !config->json && i < (size_t) json_object_array_length (all); i++)
    print_barrier (json_object_array_get_idx (all, i));
  json_object_put (all);
  return 0;
}

int
admin_status (const struct config *config, struct failure *f)
{
  const struct timespec second = { .tv_sec = 1 };
  int result;

  do
    {
      /* Home and clear, as every terminal since the VT100 knows them. */
      if (config->watch && isatty (STDOUT_FILENO))
        (void) printf ("\033[H\033[J");
      result = status_print (config, f);
      if (fflush (stdout) != 0)
        return fail (f, EX_IOERR, "standard output: %m");
    }
  while (config->watch && result == 0 && nanosleep (&second, NULL) == 0);
  return result;
}
