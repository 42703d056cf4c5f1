/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include "instance.h"
#include "nodes.h"
#include "prune.h"
#include "waiting.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Of so many members it says where they are. */
#define MEMBERS_SHOWN 16

static void
print_time (FILE *out, const char *before, int64_t when)
{
  const time_t seconds = (time_t) (when / SECOND);
  struct tm parts;
  char text[32];

  if (localtime_r (&seconds, &parts) != NULL
      && strftime (text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts) > 0)
    (void) fprintf (out, "%s%s", before, text);
}

static int
compare_members (const void *a, const void *b)
{
  return strverscmp (((const struct nodes_member *) a)->ranks,
                     ((const struct nodes_member *) b)->ranks);
}

/* Who is there, and on which node. */
static void
print_members (FILE *out, struct nodes_survey *s)
{
  if (s->count > 0)
    qsort (s->members, s->count, sizeof *s->members, compare_members);
  for (size_t i = 0; i < s->count && i < MEMBERS_SHOWN; i++)
    (void) fprintf (out, "%s procid %s%s%s", i == 0 ? "\n  there:" : ";", s->members[i].ranks,
                    s->members[i].node[0] != '\0' ? " on " : "", s->members[i].node);
  if (s->count > MEMBERS_SHOWN)
    (void) fputs ("; ...", out);
}

/* Who is missing; or, after a release, who has not departed. */
static void
print_missing (FILE *out, const struct instance *in, struct nodes_survey *s, bool released)
{
  char text[NODES_TEXT_MAX];

  if (released)
    {
      ranks_clear (&s->there);
      (void) instance_list_marks (in, true, &s->there);
      s->list[0] = '\0'; /* and it says nothing of where these are */
    }
  if (!ranks_full (&s->there))
    (void) fprintf (out, "\n  %s: %s", released ? "released, not departed" : "missing",
                    nodes_tell_missing (s, text));
}

/* Prints how the barrier IN stands, with the members that were there before. */
static void
print_state (FILE *out, struct instance *in, struct nodes_survey *s)
{
  static const char *const states[] = {
    [OUTCOME_RELEASED] = "released", [OUTCOME_VOID] = "void", [OUTCOME_CALLED_OFF] = "called-off"
  };
  char reason[INSTANCE_TEXT_MAX] = "";
  const enum outcome outcome = instance_outcome (in, reason);
  const bool released = outcome == OUTCOME_RELEASED;
  const bool ended = outcome != OUTCOME_NONE && outcome != OUTCOME_ERROR;
  /* One that is being removed has lost its outcome first. */
  const bool waits = !ended && !prune_is_remains (in->key);
  int64_t when;

  /* A release says that all have come, also who came after the list. */
  (void) fprintf (out, "\n  %u/%u %s", released ? s->there.count : s->there.present,
                  s->there.count, ended ? states[outcome] : waits ? "waiting" : "void");
  if (instance_time (in, INSTANCE_BEGAN, &when) == 0)
    print_time (out, ", began ", when);
  if (ended && instance_time (in, INSTANCE_OUTCOME, &when) == 0)
    print_time (out, ", ended ", when);
  if (outcome == OUTCOME_CALLED_OFF)
    (void) fprintf (out, "\n  %s", reason);
  /* Not by the server's clock: to ask it would be a change. */
  when = time (NULL) - prune_last_change (in->parent, in->key, PRUNE_DEPTH) / SECOND;
  if (waits && when > STALE / SECOND)
    (void) fprintf (out, "\n  looks dead: nobody has shown a sign of life for %lld s",
                    (long long) when);
  if (waits)
    print_members (out, s);
  if (waits || ended) /* who has departed before it was removed is not missing */
    print_missing (out, in, s, released);
}

/* Prints IN.  Arrivals are read before the outcome, and departures last: who moves
 * on meanwhile is in one of the two.  False if it has gone while we looked: then
 * what was seen is no picture of it. */
static bool
print_barrier (FILE *out, struct instance *in, const char *user)
{
  struct nodes_survey survey;
  char name[NAME_MAX + 1];
  struct stat st;
  uint32_t tasks = 0;

  (void) snprintf (name, sizeof name, "%s", in->key);
  (void) fprintf (out, "%s: %s", user, text_clean (name)); /* who made it chose its name */
  (void) instance_tasks (in, 0, &tasks);
  const bool listed = nodes_survey (&survey, in, tasks) == 0;
  if (listed)
    print_state (out, in, &survey);
  nodes_survey_free (&survey);
  return listed && fstatat (in->parent, in->key, &st, AT_SYMLINK_NOFOLLOW) == 0
         && st.st_ino == in->ino && fstat (in->arrival, &st) == 0 && st.st_nlink > 0;
}

/* The barrier NAME, unless it is gone by now, or only just being made: then false. */
static bool
show_barrier (int dirfd, const char *name, const char *user)
{
  struct instance in;
  char *text = NULL;
  bool shown = false;
  size_t size;

  if (instance_find (&in, dirfd, name) != 0)
    return false;
  in.reads_only = true;
  in.arrival = openat (in.top, "arrival", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  FILE *out = in.arrival < 0 ? NULL : open_memstream (&text, &size);
  if (out != NULL)
    {
      const bool seen = print_barrier (out, &in, user);
      shown = fclose (out) == 0 && seen && puts (text) != EOF;
      free (text);
    }
  instance_close (&in);
  return shown;
}

int
admin_status (const struct config *config, int dirfd, const char *where,
              const struct identity *user, struct failure *f)
{
  struct dirent **names;
  int count = scandirat (dirfd, ".", &names, NULL, versionsort), shown = 0;

  if (count < 0)
    return fail (f, EX_IOERR, "cannot read %s: %m", where);
  for (int i = 0; i < count; i++)
    {
      const char *key = strstr (names[i]->d_name, "jobid-");
      long long job = -1;
      (void) sscanf (key != NULL ? key : "", "jobid-%lld", &job);
      if (prune_is_barrier (names[i]->d_name)
          && (config->job == NULL || strtoll (config->job, NULL, 10) == job)
          && show_barrier (dirfd, names[i]->d_name, user->name))
        shown++;
      free (names[i]);
    }
  free (names);
  return shown;
}
