/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * time - the wall clock jumps by a day, to and fro, while hooks wait.
 *
 * What jumps is the clock that puts times on files.  It is shown in two ways:
 * the times of files that are there already are set a day back, which is a
 * jump forward, or a day ahead; and by the shim, which lets every time that is
 * younger than a moment of the try be a day later or earlier.
 */
#include "pool.h"
#include "stage.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY 86400
#define TIMEOUT (4 * SECOND)
#define SLACK (5 * SECOND)
#define LEAVE (10 * SECOND)

enum scheme {
  SCHEME_WAIT,     /* two wait, files get other times, the third comes */
  SCHEME_TO_FRO,   /* the same, with several jumps */
  SCHEME_CLOCK,    /* the same, by the shim */
  SCHEME_LEAVE,    /* procid 0 waits for one to leave, who is stopped */
  SCHEME_LATE,     /* two have timed out, files get other times, the third comes */
  SCHEME_LEFT,     /* what an earlier run has left is from another day */
  SCHEME_OTHER_KEY /* two wait, and another barrier comes and goes meanwhile */
};

/* Whose times, below the directory of the barriers; what is not there has
 * none. */
static const char *const what_names[] = {
  "",
  STAGE_KEY,
  STAGE_KEY "/arrival",
  STAGE_KEY "/arrival/slurm-procid-0",
  STAGE_KEY "/arrival/slurm-procid-1",
  STAGE_KEY "/arrival/slurm-procid-2",
};
#define WHATS (int) (sizeof what_names / sizeof *what_names)

/* The same where procid 0 and 1 share a node, and where 1 and 2 do. */
static const char *const node_what_names[] = {
  "",
  STAGE_KEY,
  STAGE_KEY "/node-0",
  STAGE_KEY "/node-1",
  STAGE_KEY "/arrival/slurm-procid-0-1",
  STAGE_KEY "/arrival/slurm-procid-1-2",
};

/* What was left. */
static const char *const left_names[] = {
  "a dead barrier", "a barrier released, one did not leave", "a barrier that all have left",
  "a barrier called off", "a void barrier",
};
#define LEFTS (int) (sizeof left_names / sizeof *left_names)

struct play {
  struct verdict *v;
  struct scene scene;
  struct cast cast;
  enum layout layout;
  int days;    /* that files become older: the clock has jumped ahead */
  int what;
  uint32_t late; /* who comes last */
};

static struct actor *
start (struct play *p, uint32_t procid)
{
  const struct role r = role_of (p->layout, STAGE_TASKS, procid, TIMEOUT);

  return cast_start (&p->cast, &p->scene, &r, ACTOR_FREE);
}

static void
start_early (struct play *p)
{
  for (uint32_t procid = 0; procid < STAGE_TASKS; procid++)
    if (procid != p->late)
      (void) start (p, procid);
  cast_settle (&p->cast);
}

static const char *
what_name (const struct play *p)
{
  return p->layout == LAYOUT_APART ? what_names[p->what] : node_what_names[p->what];
}

static void
jump (struct play *p)
{
  scene_shift (&p->scene, what_name (p), -(int64_t) p->days * DAY);
}

static void
finish (struct play *p)
{
  if (cast_wait (&p->cast, stage_now () + TIMEOUT + LEAVE + SLACK, NULL, NULL) != CAST_DONE)
    verdict_fail (p->v, "not all hooks have ended");
  for (size_t i = 0; i < p->cast.count; i++)
    {
      const struct actor *a = &p->cast.actor[i];
      int64_t limit = TIMEOUT + SLACK
                      + (a->role.node == 0 && actor_status (a) == 0 ? LEAVE : 0);

      if (a->done && a->ended - a->started > limit)
        verdict_again (p->v, "procid %u took %.1f s", a->role.procid,
                      (double) (a->ended - a->started) / 1e9);
    }
}

/* Whether A was released before another task of its step had come. */
static bool
is_early (const struct play *p, const struct actor *a)
{
  for (size_t i = 0; i < p->cast.count; i++)
    if (p->cast.actor[i].role.step == a->role.step && p->cast.actor[i].started > a->ended)
      return true;
  return false;
}

/* All, or from number FROM on, have synchronised, and nothing is left. */
static void
check_met (struct play *p, size_t from)
{
  char why[STAGE_PATH * 2];

  for (size_t i = from; i < p->cast.count; i++)
    if (actor_status (&p->cast.actor[i]) != 0)
      verdict_fail (p->v, "procid %u exited %d", p->cast.actor[i].role.procid,
                    actor_status (&p->cast.actor[i]));
    else if (is_early (p, &p->cast.actor[i]))
      verdict_fail (p->v, "procid %u exited 0 before all had come", p->cast.actor[i].role.procid);
  if (!scene_is_clean (&p->scene, false, why, sizeof why))
    verdict_fail (p->v, "%s", why);
}

static void
play_wait (struct play *p, bool to_fro)
{
  start_early (p);
  jump (p);
  for (int i = 0; to_fro && i < 4; i++)
    {
      stage_nap (100 * MILLISECOND);
      p->days = -p->days;
      jump (p);
    }
  (void) start (p, p->late);
  finish (p);
  check_met (p, 0);
}

/* The clock that all hooks see jumps when two have arrived, and once more. */
static void
play_clock (struct play *p)
{
  char preload[STAGE_PATH + 20], text[80];
  struct timespec now;

  (void) clock_gettime (CLOCK_REALTIME, &now);
  (void) snprintf (preload, sizeof preload, "LD_PRELOAD=%s", stage.shim);
  (void) snprintf (text, sizeof text, "MURDER_JUMP=%" PRId64 ",%" PRId64,
                   now.tv_sec * SECOND + now.tv_nsec + 300 * MILLISECOND, p->days * DAY * SECOND);
  for (uint32_t i = 0; i < STAGE_TASKS; i++)
    {
      uint32_t procid = (p->late + 1 + i) % STAGE_TASKS;
      struct role r = role_of (p->layout, STAGE_TASKS, procid, TIMEOUT);

      r.env[0] = preload;
      r.env[1] = text;
      if (i == STAGE_TASKS - 1)
        stage_nap (400 * MILLISECOND);
      (void) cast_start (&p->cast, &p->scene, &r, ACTOR_FREE);
    }
  finish (p);
  check_met (p, 0);
}

/* One is stopped after it has arrived; the others go, and procid 0 waits. */
static void
play_leave (struct play *p)
{
  p->late = 2;
  start_early (p);
  const struct actor *stopped = &p->cast.actor[1]; /* procid 1 */
  (void) kill (stopped->pid, SIGSTOP);
  (void) start (p, p->late);
  cast_settle (&p->cast);
  scene_shift (&p->scene, p->what == 0 ? "" : STAGE_KEY "/departure", -(int64_t) p->days * DAY);
  stage_nap (200 * MILLISECOND);
  (void) kill (stopped->pid, SIGCONT);
  finish (p);
  check_met (p, 0);
  for (size_t i = 0; i < p->cast.count; i++)
    if (p->cast.actor[i].ended - p->cast.actor[i].started > TIMEOUT)
      verdict_again (p->v, "procid %u waited for somebody who had left",
                    p->cast.actor[i].role.procid);
}

/* Who comes late to a barrier that was called off is not synchronised. */
static void
play_late (struct play *p)
{
  for (uint32_t procid = 0; procid < STAGE_TASKS; procid++)
    if (procid != p->late)
      {
        struct role r = role_of (p->layout, STAGE_TASKS, procid, SECOND);

        (void) cast_start (&p->cast, &p->scene, &r, ACTOR_FREE);
      }
  (void) cast_wait (&p->cast, stage_now () + 5 * SECOND, NULL, NULL);
  jump (p);
  (void) start (p, p->late);
  finish (p);
  for (size_t i = 0; i < p->cast.count; i++)
    if (actor_status (&p->cast.actor[i]) != 75 && actor_status (&p->cast.actor[i]) != 76)
      verdict_fail (p->v, "procid %u exited %d", p->cast.actor[i].role.procid,
                    actor_status (&p->cast.actor[i]));
}

static void
leave_over (const struct play *p, int what)
{
  static const char *const marks[LAYOUTS][STAGE_TASKS] = {
    [LAYOUT_APART] = { "0", "1", "2" },
    [LAYOUT_FIRST] = { "0-1", "2" },
    [LAYOUT_LAST] = { "0", "1-2" },
  };
  const struct scene *s = &p->scene;

  scene_mkdir (s, STAGE_KEY);
  scene_mkdir (s, STAGE_KEY "/arrival");
  scene_link (s, STAGE_KEY "/ntasks", "3");
  if (what == 1 || what == 2)
    scene_mkdir (s, STAGE_KEY "/departure");
  for (int i = 0; i < STAGE_TASKS && marks[p->layout][i] != NULL; i++)
    {
      scene_mark (s, "arrival", marks[p->layout][i]);
      if (what == 2 || (what == 1 && i != 1))
        scene_mark (s, "departure", marks[p->layout][i]);
    }
  if (p->layout != LAYOUT_APART)
    scene_socket (s, p->layout == LAYOUT_FIRST ? STAGE_KEY "/node-0" : STAGE_KEY "/node-1");
  if (what == 3)
    scene_link (s, STAGE_KEY "/departure", "called-off: procid 1: timeout: on another day");
  else if (what == 4)
    scene_link (s, STAGE_KEY "/departure", "void");
}

/* A later run with the key gets through: at the latest the third. */
static void
play_left (struct play *p)
{
  bool met = false;

  leave_over (p, p->what);
  scene_shift (&p->scene, STAGE_KEY, -(int64_t) p->days * DAY);
  for (int run = 0; run < 3 && !met; run++)
    {
      size_t from = p->cast.count;
      unsigned good = 0;

      for (uint32_t procid = 0; procid < STAGE_TASKS; procid++)
        (void) start (p, procid);
      finish (p);
      for (size_t i = from; i < p->cast.count; i++)
        good += actor_status (&p->cast.actor[i]) == 0;
      if (good != 0 && good != STAGE_TASKS)
        verdict_fail (p->v, "some exited 0, some did not");
      met = good == STAGE_TASKS;
    }
  if (!met)
    verdict_fail (p->v, "three runs, and the left-overs still hold the key up");
}

/* The other barrier's procid 0 clears away what is old. */
static void
play_other_key (struct play *p)
{
  start_early (p);
  jump (p);
  for (uint32_t procid = 0; procid < STAGE_TASKS; procid++)
    {
      struct role r = role_of (p->layout, STAGE_TASKS, procid, TIMEOUT);

      r.bundled = false;
      r.step++;
      (void) cast_start (&p->cast, &p->scene, &r, ACTOR_FREE);
    }
  cast_settle (&p->cast);
  (void) start (p, p->late);
  finish (p);
  check_met (p, 0);
}

static void
play (const struct series *series, unsigned number, struct verdict *v)
{
  enum scheme scheme = (enum scheme) series->kind[0];
  struct play p = { .v = v, .layout = (enum layout) series->kind[1] };
  char all[sizeof v->text];

  /* The number says which files, who is last, and which way. */
  number--;
  p.days = number % 2 == 0 ? 1 : -1;
  p.late = number / 2 % STAGE_TASKS;
  p.what = (int) number / 2 / STAGE_TASKS;
  scene_make (&p.scene, pool_scene ());
  switch (scheme)
    {
    case SCHEME_WAIT:
    case SCHEME_TO_FRO:
      play_wait (&p, scheme == SCHEME_TO_FRO);
      break;
    case SCHEME_CLOCK:
      play_clock (&p);
      break;
    case SCHEME_LEAVE:
      play_leave (&p);
      break;
    case SCHEME_LATE:
      play_late (&p);
      break;
    case SCHEME_LEFT:
      p.what = (int) number / 2;
      play_left (&p);
      break;
    default:
      play_other_key (&p);
      break;
    }
  (void) cast_end (&p.cast);
  if (v->what != PLAY_PASSED)
    {
      (void) snprintf (all, sizeof all, "%.400s [%s%s, %+d day, procid %u last, %s]%s", v->text,
                       scheme == SCHEME_LEFT ? left_names[p.what] : "times of sync/",
                       scheme == SCHEME_LEFT ? "" : what_name (&p), -p.days, p.late,
                       layout_names[p.layout],
                       cast_describe (&p.cast));
      memcpy (v->text, all, sizeof all);
    }
  scene_remove (&p.scene);
}

int
main (int argc, char **argv)
{
  static const struct series schemes[] = {
    { .name = "times change while two wait", .kind = { SCHEME_WAIT }, .last = 2 * 3 * WHATS },
    { .name = "times change to and fro", .kind = { SCHEME_TO_FRO }, .last = 2 * 3 * WHATS },
    { .name = "the clock jumps while two wait", .kind = { SCHEME_CLOCK }, .last = 2 * 3 },
    { .name = "times change while who decides waits for one to leave",
      .kind = { SCHEME_LEAVE },
      .last = 2 * 3 * 2 },
    { .name = "times change before one comes late", .kind = { SCHEME_LATE }, .last = 2 * 3 * WHATS },
    { .name = "left-overs are from another day", .kind = { SCHEME_LEFT }, .last = 2 * LEFTS },
    { .name = "times change, and another barrier clears up",
      .kind = { SCHEME_OTHER_KEY },
      .last = 2 * 3 * WHATS },
  };
  static const enum layout layouts[] = { LAYOUT_APART, LAYOUT_FIRST, LAYOUT_LAST };
  static struct series all[sizeof schemes / sizeof *schemes * 3];
  size_t count = 0;

  (void) pool_options (argc, argv, 32);
  stage_open ();
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
    for (size_t l = 0; l < 3; l++)
      {
        struct series *s = &all[count++];

        *s = schemes[i];
        s->kind[1] = layouts[l];
        (void) snprintf (s->name, sizeof s->name, "%s, %s", schemes[i].name, layout_names[layouts[l]]);
      }
  return pool_run (all, count, play, "jumps");
}
