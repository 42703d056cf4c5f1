/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include "instance.h"
#include "nodes.h"
#include "prune.h"
#include "waiting.h"

#include <dirent.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A waiting member touches its file every 20 s. */
#define DEAD_AFTER 60

/* Of so many members a text says where they are; --json has all. */
#define MEMBERS_SHOWN 16

#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* ------------------------------------------------------------ a barrier as JSON */

/* Adds TEXT, cleaned: who made a file chose its name. */
static void
add_text (json_object *object, const char *key, const char *text)
{
  char *copy = strdup (text);

  json_object_object_add (object, key,
                          json_object_new_string (copy == NULL ? "?" : text_clean (copy)));
  free (copy);
}

static void
add_number (json_object *object, const char *key, int64_t number)
{
  json_object_object_add (object, key, json_object_new_int64 (number));
}

static void
add_truth (json_object *object, const char *key, bool truth)
{
  json_object_object_add (object, key, json_object_new_boolean (truth));
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

/* NAME is KEY, or gone-HOST-PID-N-KEY; a host may have a strange name, so the key
 * is the last of its kind.  Returns it. */
static const char *
key_of (const char *name)
{
  const char *key = name;

  if (prune_is_remains (name))
    for (const char *next = name; (next = strstr (next, "jobid-")) != NULL; next++)
      key = next;
  return key;
}

/* Adds what NAME says; a key is jobid-J[-stepid-S][-restart-R][-cluster-C]. */
static void
add_name (json_object *object, const char *name)
{
  static const char *const parts[][2]
    = { { "jobid-", "job" }, { "-stepid-", "step" }, { "-restart-", "restart" } };
  const char *key = key_of (name), *cluster = strstr (key, "-cluster-");

  add_text (object, "name", name);
  add_truth (object, "gone", prune_is_remains (name));
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    {
      const char *part = strstr (key, parts[i][0]);
      if (part != NULL && (cluster == NULL || part < cluster))
        add_number (object, parts[i][1], strtol (part + strlen (parts[i][0]), NULL, 10));
    }
  if (cluster != NULL)
    add_text (object, "cluster", cluster + strlen ("-cluster-"));
}

/* Adds the outcome; whether it is a release. */
static bool
add_outcome (json_object *object, const struct instance *in)
{
  static const char *const states[] = {
    [OUTCOME_RELEASED] = "released", [OUTCOME_VOID] = "void", [OUTCOME_CALLED_OFF] = "called-off"
  };
  char text[INSTANCE_TEXT_MAX] = "";
  int64_t ended;
  enum outcome outcome = instance_outcome (in, text);

  if (outcome == OUTCOME_NONE || outcome == OUTCOME_ERROR)
    {
      /* One that is being removed has lost its outcome first. */
      add_text (object, "state", prune_is_remains (in->key) ? "void" : "waiting");
      return false;
    }
  add_text (object, "state", states[outcome]);
  if (outcome == OUTCOME_CALLED_OFF)
    add_text (object, "reason", text);
  if (instance_outcome_time (in, &ended) == 0)
    add_number (object, "ended", ended / SECOND);
  return outcome == OUTCOME_RELEASED;
}

/* What is collected of one instance. */
struct members {
  json_object *array;
  struct ranks there; /* who has arrived, or is gathered on his node */
  char nodes[INSTANCE_NOTE_MAX], tasks[INSTANCE_NOTE_MAX]; /* as one of the notes says */
};

static void
add_note (json_object *member, const char *note)
{
  static const char *const keys[] = { "host", "node", "container", "pid", "since" };
  char value[INSTANCE_NOTE_MAX];

  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (!nodes_note_value (note, keys[i], value, sizeof value))
      continue;
    else if (i < 3)
      add_text (member, keys[i], value);
    else
      add_number (member, keys[i], strtoll (value, NULL, 10));
}

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
  add_text (member, "procid", ranks);
  add_number (member, "tasks", m->there.present - before);
  add_truth (member, "gathers", gathers);
  /* One that has left without success says 1970. */
  if (fstatat (mark->dirfd, mark->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtim.tv_sec > 0)
    add_number (member, "seen", time (NULL) - st.st_mtim.tv_sec);
  add_note (member, note);
  (void) json_object_array_add (m->array, member);
  (void) nodes_note_value (note, "nodes", m->nodes, sizeof m->nodes);
  (void) nodes_note_value (note, "tasks", m->tasks, sizeof m->tasks);
  return 0;
}

/* Who is missing, or has not departed after a release: that says that all have
 * come, also who came after the list. */
static void
add_missing (json_object *object, const struct instance *in, const struct members *m, bool released)
{
  const uint32_t tasks = m->there.count;
  struct ranks departed;
  char text[256] = "";

  if (ranks_init (&departed, tasks) != 0)
    return;
  if (released)
    (void) instance_list_departure (in, &departed);
  add_number (object, "arrived", released ? tasks : m->there.present);
  add_number (object, "departed", departed.present);
  add_text (object, "missing", released ? "" : ranks_missing (&m->there, text, sizeof text));
  if (released)
    add_text (object, "not_departed", ranks_missing (&departed, text, sizeof text));
  else if (*nodes_missing (in, tasks, m->nodes, m->tasks, text, sizeof text) != '\0')
    add_text (object, "missing_nodes", text);
  ranks_free (&departed);
}

static int
compare_members (const void *a, const void *b)
{
  return strverscmp (get_text (*(json_object *const *) a, "procid"),
                     get_text (*(json_object *const *) b, "procid"));
}

/* Who is there, who is missing, how it ended.  Arrivals are read before the
 * outcome, and departures last: who moves on meanwhile is in one of the two. */
static void
add_members (json_object *object, const struct instance *in, uint32_t tasks)
{
  struct members m = { .array = json_object_new_array () };

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
add_barrier (json_object *object, const struct instance *in)
{
  uint32_t tasks = 0;
  int64_t began;

  add_name (object, in->key);
  (void) instance_tasks (in, 0, &tasks);
  add_number (object, "tasks", tasks);
  add_members (object, in, tasks);
  if (instance_began (in, &began) == 0)
    add_number (object, "since", began / SECOND);
  /* Not by the server's clock: to ask it would be a change. */
  const int64_t unchanged
    = time (NULL) - prune_last_change (in->parent, in->key, PRUNE_DEPTH) / SECOND;
  add_number (object, "unchanged", unchanged);
  add_truth (object, "dead",
             unchanged > DEAD_AFTER && strcmp (get_text (object, "state"), "waiting") == 0);
}

/* The barrier NAME of the directory DIRFD, or NULL if it is gone by now, or
 * only just being made. */
static json_object *
new_barrier (int dirfd, const char *name)
{
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  struct instance in;
  json_object *object = NULL;
  struct stat st;

  if (instance_find (&in, dirfd, name) != 0)
    return NULL;
  in.reads_only = true;
  in.arrival = openat (in.top, "arrival", flags);
  if (in.arrival >= 0)
    {
      object = json_object_new_object ();
      add_barrier (object, &in);
      /* It has gone while we looked: then what was seen is no picture of it. */
      if (fstatat (dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_ino != in.ino
          || fstat (in.arrival, &st) != 0 || st.st_nlink == 0)
        {
          json_object_put (object);
          object = NULL;
        }
    }
  instance_close (&in);
  return object;
}

/* -------------------------------------------------------------------- as a text */

/* Prints BEFORE and the text KEY of OBJECT, if it has one. */
static void
print_text (json_object *object, const char *before, const char *key)
{
  const char *text = get_text (object, key);

  if (text[0] != '\0')
    (void) printf ("%s%s", before, text);
}

static void
print_time (json_object *object, const char *before, const char *key)
{
  const time_t when = (time_t) get_number (object, key);
  struct tm parts;
  char text[32];

  if (when != 0 && localtime_r (&when, &parts) != NULL
      && strftime (text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts) > 0)
    (void) printf ("%s%s", before, text);
}

/* Who is there, and on which node. */
static void
print_members (json_object *barrier)
{
  json_object *members = json_object_object_get (barrier, "members");
  const size_t count = json_object_array_length (members);

  for (size_t i = 0; i < count && i < MEMBERS_SHOWN; i++)
    {
      json_object *member = json_object_array_get_idx (members, i);
      print_text (member, i == 0 ? "\n  there: procid " : "; procid ", "procid");
      print_text (member, " on ", *get_text (member, "node") != '\0' ? "node" : "host");
    }
  if (count > MEMBERS_SHOWN)
    (void) printf ("; ...");
}

static void
print_barrier (json_object *barrier)
{
  print_text (barrier, "", "user");
  print_text (barrier, ": job ", "job");
  print_text (barrier, " step ", "step");
  print_text (barrier, " restart ", "restart");
  print_text (barrier, " cluster ", "cluster");
  print_text (barrier, "\n  ", "arrived");
  print_text (barrier, "/", "tasks");
  print_text (barrier, " ", "state");
  print_time (barrier, ", began ", "since");
  print_time (barrier, ", ended ", "ended");
  print_text (barrier, "\n  ", "reason");
  if (strcmp (get_text (barrier, "dead"), "true") == 0)
    (void) printf ("\n  looks dead: nobody has shown a sign of life for %s s",
                   get_text (barrier, "unchanged"));
  if (prune_is_remains (get_text (barrier, "name")))
    print_text (barrier, "\n  remains, until they are pruned: ", "name");
  if (strcmp (get_text (barrier, "state"), "waiting") == 0)
    print_members (barrier);
  print_text (barrier, "\n  missing: procid ", "missing");
  print_text (barrier, " on ", "missing_nodes");
  print_text (barrier, "\n  released, not departed: procid ", "not_departed");
  (void) putchar ('\n');
}

/* ------------------------------------------------------------------ the command */

static int
is_barrier (const struct dirent *entry)
{
  return prune_is_barrier (entry->d_name);
}

/* By job and step, and the living before what is left. */
static int
compare_names (const struct dirent **a, const struct dirent **b)
{
  int order = strverscmp (key_of ((*a)->d_name), key_of ((*b)->d_name));

  return order != 0 ? order : strcmp ((*b)->d_name, (*a)->d_name);
}

int
admin_status_work (const struct config *config, int dirfd, const char *where,
                   const struct identity *user, struct failure *f)
{
  const long long job = config->job == NULL ? -1 : strtoll (config->job, NULL, 10);
  struct dirent **names;
  int count = scandirat (dirfd, ".", &names, is_barrier, compare_names);

  if (count < 0)
    return fail (f, EX_IOERR, "cannot read %s: %m", where);
  for (int i = 0; i < count; i++)
    {
      json_object *barrier = new_barrier (dirfd, names[i]->d_name);
      if (barrier != NULL && (job < 0 || job == get_number (barrier, "job")))
        {
          add_text (barrier, "user", user->name);
          add_text (barrier, "directory", where);
          if (config->json)
            (void) puts (json_object_to_json_string_ext (barrier, JSON_FLAGS));
          else
            print_barrier (barrier);
        }
      (void) fflush (stdout);
      json_object_put (barrier);
      free (names[i]);
    }
  free (names);
  return EX_OK;
}
