/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kill - strikes a hook at each of its system calls, and looks at what becomes
 * of the others, and of the next barrier with the same key.
 *
 * One try: one of three hooks, the victim, is traced to the entry of its n-th
 * system call.  There it gets SIGKILL, SIGTERM or SIGSTOP, or the process that
 * started it gets SIGKILL.  All n are tried, for each of the three.
 *
 * What is expected of the others follows from what is on disk at that moment:
 * whether the victim has arrived, and whether the barrier is released.  Where
 * that is not enough, the hooks note what they do; see record.h.
 */
#include "pool.h"
#include "record.h"
#include "stage.h"
#include "trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A hook's timeout; what it may take longer on a busy machine; how long procid
 * 0 waits for the others to leave. */
#define SHORT (2 * SECOND)
#define LONG (6 * SECOND)
#define SLACK (3 * SECOND)
#define LEAVE (10 * SECOND)

/* "At once", when one of the hooks knows better. */
#define AT_ONCE (2 * SECOND)

/* More than what makes a file stale, and a release or a call-off old. */
#define A_WHILE (-120)

enum way {
  WAY_KILL,     /* SIGKILL; a minute later the key comes again */
  WAY_KILL_NOW, /* SIGKILL; the key comes again at once */
  WAY_TERM,     /* SIGTERM */
  WAY_PARENT,   /* SIGKILL for the process above the hook */
  WAY_STOP,     /* SIGSTOP for longer than the timeout */
  WAY_RETURN,   /* SIGSTOP until the next barrier with the key is over */
  WAY_AMIDST    /* SIGSTOP until the next barrier with the key is going on */
};

enum plot {
  PLOT_LAST,  /* the victim comes when the others have arrived */
  PLOT_FIRST, /* the others come when the victim waits, or is struck */
  PLOT_TWICE_LAST,  /* two members, and two hooks of each at once */
  PLOT_TWICE_FIRST,
  PLOT_DEAD,        /* over an instance in which all have arrived and died */
  PLOT_DEAD_OTHERS, /* the same, but procid 0 never came */
  PLOT_RELEASED,    /* over one that was released, and one died before leaving */
  PLOT_CALLED_OFF,  /* over one that was called off */
  PLOT_VOID,        /* over one that is void */
  PLOT_NUMBER,      /* over one for another number of tasks */
  PLOT_HALF,        /* over one of which only the first directory was made */
  PLOTS
};

static const char *const plot_names[PLOTS] = {
  "comes last",
  "comes first",
  "of two hooks a task, comes last",
  "of two hooks a task, comes first",
  "over a dead barrier",
  "over a dead barrier without procid 0",
  "over a released barrier that one died in",
  "over a barrier that was called off",
  "over a void barrier",
  "over a barrier of another number",
  "over the beginning of a barrier",
};

struct play {
  struct verdict *v;
  enum way way;
  enum plot plot;
  struct scene scene;
  struct cast cast;
  struct trace trace;
  struct actor *victim;
  uint32_t procid;        /* the victim's */
  uint32_t tasks;
  int64_t timeout;
  bool recorded;          /* the hooks note what they do */
  bool others;            /* they have been started */
  bool arrived, released; /* what was seen on disk before the strike */
  bool alone;             /* nobody else had been started by then */
  long call;
  int64_t struck, resumed;
  const struct record *record[CAST_MAX];
  char env[CAST_MAX][STAGE_PATH + 20];
};

static bool
plot_is_twice (enum plot plot)
{
  return plot == PLOT_TWICE_LAST || plot == PLOT_TWICE_FIRST;
}

/* -------------------------------------------------------------- the scene */

static struct actor *
play_start (struct play *p, const struct role *what, enum actor_way way)
{
  struct role r = *what;

  if (p->recorded)
    {
      size_t n = p->cast.count;
      char preload[STAGE_PATH + 20], path[STAGE_PATH + 16];

      (void) snprintf (path, sizeof path, "%s/record-%zu", p->scene.base, n);
      p->record[n] = record_make (path);
      (void) snprintf (preload, sizeof preload, "LD_PRELOAD=%s", stage.shim);
      (void) snprintf (p->env[n], sizeof p->env[n], "MURDER_RECORD=%.255s", path);
      r.env[0] = preload;
      r.env[1] = p->env[n];
      return cast_start (&p->cast, &p->scene, &r, way);
    }
  return cast_start (&p->cast, &p->scene, &r, way);
}

static struct role
play_role (const struct play *p, uint32_t procid)
{
  struct role r = role_of (procid, p->timeout);

  r.tasks = p->tasks;
  return r;
}

static void
play_start_others (struct play *p)
{
  unsigned hooks = plot_is_twice (p->plot) ? 2 : 1;

  p->others = true;
  for (uint32_t procid = 0; procid < p->tasks; procid++)
    for (unsigned i = procid == p->procid ? 1 : 0; i < hooks; i++)
      {
        const struct role r = play_role (p, procid);

        (void) play_start (p, &r, ACTOR_FREE);
      }
}

/* What is left of an earlier run, two minutes ago. */
static void
play_leave_over (const struct play *p)
{
  const struct scene *s = &p->scene;
  char path[64];

  scene_mkdir (s, STAGE_KEY);
  if (p->plot != PLOT_HALF)
    {
      scene_mkdir (s, STAGE_KEY "/arrival");
      scene_link (s, STAGE_KEY "/ntasks", p->plot == PLOT_NUMBER ? "5" : "3");
      for (unsigned i = p->plot == PLOT_DEAD_OTHERS ? 1 : 0; i < STAGE_TASKS; i++)
        if (p->plot != PLOT_RELEASED || i == 2)
          {
            (void) snprintf (path, sizeof path, STAGE_KEY "/arrival/slurm-procid-%u", i);
            scene_file (s, path);
          }
    }
  if (p->plot == PLOT_RELEASED)
    {
      scene_mkdir (s, STAGE_KEY "/departure");
      scene_file (s, STAGE_KEY "/departure/slurm-procid-0");
      scene_file (s, STAGE_KEY "/departure/slurm-procid-1");
    }
  else if (p->plot == PLOT_CALLED_OFF)
    scene_link (s, STAGE_KEY "/departure", "called-off: procid 1: timeout: long ago");
  else if (p->plot == PLOT_VOID)
    scene_link (s, STAGE_KEY "/departure", "void");
  scene_shift (s, STAGE_KEY, A_WHILE);
}

/* Notes what the victim has done so far. */
static void
play_look (struct play *p)
{
  static const char *const marks[] = { "arrival", "departure", "departed-0" };
  DIR *dir = opendir (p->scene.sync);
  const struct dirent *entry;
  char path[STAGE_PATH * 2];
  struct stat st;

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    {
      if (entry->d_name[0] == '.')
        continue;
      for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        {
          (void) snprintf (path, sizeof path, "%s/%s/%s", p->scene.sync, entry->d_name, marks[i]);
          p->released = p->released || (i > 0 && lstat (path, &st) == 0 && S_ISDIR (st.st_mode));
          (void) snprintf (path, sizeof path, "%s/%s/%s/slurm-procid-%u", p->scene.sync,
                           entry->d_name, marks[i], p->procid);
          p->arrived = p->arrived || lstat (path, &st) == 0;
        }
    }
  if (dir != NULL)
    (void) closedir (dir);
}

/* Leads the victim to the entry of its call NUMBER.  Returns false if it has
 * ended before. */
static bool
play_lead (struct play *p, unsigned number)
{
  bool plain = p->plot == PLOT_LAST || p->plot == PLOT_FIRST;
  bool all = p->plot == PLOT_LAST && p->way <= WAY_STOP && p->way != WAY_KILL_NOW;

  trace_start (&p->trace, &p->cast, p->victim, all ? TRACE_START : TRACE_BARRIER);
  while (p->trace.number < number)
    {
      p->call = trace_enter (&p->trace);
      if (p->call < 0)
        return false;
      if (p->trace.sleeps && !p->others)
        play_start_others (p);
      if (plain && p->trace.barrier)
        play_look (p);
    }
  return true;
}

/* ------------------------------------------------------------- the strike */

/* Waits until the victim has stopped by SIGSTOP, or ended. */
static void
play_await_stop (struct play *p)
{
  siginfo_t info;

  for (int i = 0; i < 5000; i++)
    {
      info.si_pid = 0;
      if (waitid (P_PID, (id_t) p->victim->pid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT) != 0
          || info.si_pid != 0)
        return;
      stage_nap (MILLISECOND);
    }
  verdict_fail (p->v, "the victim did not stop");
}

static void
play_strike (struct play *p)
{
  pid_t pid = p->victim->pid;

  for (size_t i = 0; i < p->cast.count; i++)
    if (p->cast.actor[i].done && actor_status (&p->cast.actor[i]) != 0)
      verdict_again (p->v, "the others gave up before the victim was struck");
  p->struck = stage_now ();
  p->alone = !p->others;
  switch (p->way)
    {
    case WAY_KILL:
    case WAY_KILL_NOW:
      (void) kill (pid, SIGKILL);
      break;
    case WAY_TERM:
      trace_end (&p->trace, SIGTERM);
      break;
    case WAY_PARENT:
      (void) kill (p->victim->runtime, SIGKILL);
      (void) waitpid (p->victim->runtime, NULL, 0);
      p->victim->runtime = 0;
      trace_end (&p->trace, 0);
      break;
    default:
      (void) kill (pid, SIGSTOP);
      trace_end (&p->trace, 0);
      play_await_stop (p);
      play_look (p); /* the call has been executed */
      break;
    }
}

static void
play_resume (struct play *p)
{
  p->resumed = stage_now ();
  if (!p->victim->done)
    (void) kill (p->victim->pid, SIGCONT);
}

/* Waits for all but the victim, or for UNTIL. */
static void
play_wait_others (struct play *p, int64_t until)
{
  struct actor *who;
  int status;

  for (;;)
    {
      bool all = true;

      for (size_t i = 0; i < p->cast.count; i++)
        all = all && (&p->cast.actor[i] == p->victim || p->cast.actor[i].done);
      if (all || cast_wait (&p->cast, until, &who, &status) != CAST_STOPPED)
        return;
    }
}

static void
play_wait (struct play *p)
{
  int64_t limit = p->timeout + LEAVE + SLACK;

  if (cast_wait (&p->cast, stage_now () + limit, NULL, NULL) != CAST_DONE)
    verdict_fail (p->v, "not all hooks have ended within %.0f s", (double) limit / 1e9);
}

/* ------------------------------------------------------- what should be so */

/* How long each may have taken.  On a busy machine a process may not run for
 * seconds, so what takes too long is tried again: if it is the hook's doing, it
 * does the same each time. */
static void
check_times (struct play *p)
{
  for (size_t i = 0; i < p->cast.count; i++)
    {
      const struct actor *a = &p->cast.actor[i];
      int64_t limit = a->role.timeout + SLACK;

      if (a->role.procid == 0 && actor_status (a) == 0)
        limit += LEAVE;
      if (a == p->victim && p->resumed > 0)
        limit += p->resumed - p->struck;
      if (a->done && actor_status (a) < 128 && a->ended - a->started > limit)
        verdict_again (p->v, "procid %u took %.1f s", a->role.procid,
                      (double) (a->ended - a->started) / 1e9);
    }
}

/* Everybody else exits STATUS, and says TEXT about the victim. */
static void
check_others (struct play *p, int status, const char *text)
{
  for (size_t i = 0; i < p->cast.count; i++)
    {
      const struct actor *a = &p->cast.actor[i];

      if (a == p->victim)
        continue;
      if (actor_status (a) != status)
        verdict_fail (p->v, "procid %u exited %d, not %d", a->role.procid, actor_status (a), status);
      else if (text != NULL && strstr (actor_errors (a), text) == NULL)
        verdict_fail (p->v, "procid %u does not say \"%s\"", a->role.procid, text);
    }
}

/* The victim could tell the others: they end at once. */
static void
check_told (struct play *p, const char *reason)
{
  char text[100];

  (void) snprintf (text, sizeof text, "called off: procid %u: %s", p->procid, reason);
  check_others (p, 76, text);
  if (strstr (actor_errors (p->victim), reason) == NULL)
    verdict_fail (p->v, "the victim does not say \"%s\"", reason);
  for (size_t i = 0; i < p->cast.count; i++)
    {
      const struct actor *a = &p->cast.actor[i];
      int64_t from = a->started > p->struck ? a->started : p->struck;

      if (a->ended - from > AT_ONCE)
        verdict_again (p->v, "procid %u took %.1f s to end", a->role.procid,
                      (double) (a->ended - from) / 1e9);
    }
}

/* What the others do when the victim does nothing any more, for the time of
 * the timeout at least. */
static int
check_silence (struct play *p)
{
  char text[64];

  (void) snprintf (text, sizeof text, "did not arrive within %g s: procid %u",
                   (double) p->timeout / 1e9, p->procid);
  if (!p->arrived)
    check_others (p, 75, text);
  else if (p->procid == 0 && !p->released)
    check_others (p, 75, "procid 0 did not let them go");
  else
    {
      check_others (p, 0, NULL);
      return 0;
    }
  return 75;
}

static void
check_plain (struct play *p)
{
  int status = actor_status (p->victim);

  if (p->way == WAY_KILL || status == 128 + SIGTERM)
    {
      if (status != 128 + (p->way == WAY_KILL ? SIGKILL : SIGTERM))
        verdict_fail (p->v, "the victim ended with %d", status);
      (void) check_silence (p);
    }
  else if (p->way == WAY_STOP)
    {
      int expected = check_silence (p);

      if (status != expected)
        verdict_fail (p->v, "the victim exited %d, not %d, after it went on", status, expected);
    }
  else if (status == 0 && !p->alone)
    check_others (p, 0, NULL);
  else if (status == 76)
    check_told (p, p->way == WAY_TERM ? "got SIGTERM" : "the runtime that started the hook is gone");
  else
    verdict_fail (p->v, "the victim exited %d", status);
}

static void
check_records (struct play *p)
{
  struct recorded list[CAST_MAX];
  char why[2000];

  for (size_t i = 0; i < p->cast.count; i++)
    {
      const struct actor *a = &p->cast.actor[i];
      int status = actor_status (a);
      bool killed = a == p->victim && status == 128 + SIGKILL;

      list[i] = (struct recorded){ .procid = a->role.procid,
                                   .tasks = p->tasks,
                                   .status = status,
                                   .murdered = killed,
                                   .ended = a->ended,
                                   .record = p->record[i] };
      if (status != 0 && status != 75 && status != 76 && !killed)
        verdict_fail (p->v, "procid %u ended with %d", a->role.procid, status);
    }
  if (!record_check (list, p->cast.count, NULL, why, sizeof why))
    verdict_fail (p->v, "%s", why);
}

static void
check_scene (struct play *p, bool keys)
{
  char why[STAGE_PATH * 2];

  if (!scene_is_clean (&p->scene, keys, why, sizeof why))
    verdict_fail (p->v, "%s", why);
}

/* --------------------------------------------------------- what comes next */

/* All hooks from number FROM on have synchronised.  A time-out may be the
 * machine's, as in check_times(). */
static void
next_check (struct play *p, size_t from)
{
  for (size_t i = from; i < p->cast.count; i++)
    {
      const struct actor *a = &p->cast.actor[i];
      int status = actor_status (a);

      if (status == 75 && a != p->victim)
        verdict_again (p->v, "a later hook of procid %u timed out", a->role.procid);
      else if (status != 0 && a != p->victim)
        verdict_fail (p->v, "a later hook of procid %u exited %d", a->role.procid, status);
    }
}

/* The key comes again, and with EVERY two others. */
static void
next_barrier (struct play *p, bool every)
{
  size_t from = p->cast.count;

  scene_shift (&p->scene, STAGE_KEY, A_WHILE);
  p->timeout = LONG;
  for (uint32_t procid = 0; procid < p->tasks; procid++)
    {
      struct role r = play_role (p, procid);

      (void) play_start (p, &r, ACTOR_FREE);
      r.restarts = 1;
      if (every)
        (void) play_start (p, &r, ACTOR_FREE);
      r.restarts = 0;
      r.step = -1;
      if (every)
        (void) play_start (p, &r, ACTOR_FREE);
    }
  if (p->way == WAY_RETURN && !p->victim->done)
    play_wait_others (p, stage_now () + p->timeout + LEAVE + SLACK);
  else
    play_wait (p);
  next_check (p, from);
}

/* The key comes again at once: nobody can tell, but nothing hangs, and it ends
 * one way for all. */
static void
next_at_once (struct play *p)
{
  for (uint32_t procid = 0; procid < p->tasks; procid++)
    {
      const struct role r = play_role (p, procid);

      (void) play_start (p, &r, ACTOR_FREE);
    }
  play_wait (p);
}

/* The victim goes on when two hooks of the next barrier have arrived. */
static void
next_amidst (struct play *p)
{
  uint32_t late = (p->procid + 1) % p->tasks;

  scene_shift (&p->scene, STAGE_KEY, A_WHILE);
  for (uint32_t procid = 0; procid < p->tasks; procid++)
    if (procid != late)
      {
        const struct role r = play_role (p, procid);

        (void) play_start (p, &r, ACTOR_FREE);
      }
  play_wait_others (p, stage_now () + 200 * MILLISECOND);
  play_resume (p);
  (void) cast_wait (&p->cast, stage_now () + 100 * MILLISECOND, NULL, NULL);
  const struct role r = play_role (p, late);
  (void) play_start (p, &r, ACTOR_FREE);
  play_wait (p);
}

/* ------------------------------------------------------------------ a play */

/* Whether the others can do nothing without the victim. */
static bool
play_is_waited_for (const struct play *p)
{
  return !p->arrived || (p->procid == 0 && !p->released);
}

static void
play_aftermath (struct play *p)
{
  switch (p->way)
    {
    case WAY_STOP:
      /* Those who have to give up because of it do so first, however slow. */
      play_wait_others (p, p->struck + p->timeout
                             + (play_is_waited_for (p) ? LEAVE + SLACK : 700 * MILLISECOND));
      if (stage_now () < p->victim->started + p->timeout + 300 * MILLISECOND)
        stage_nap (p->victim->started + p->timeout + 300 * MILLISECOND - stage_now ());
      play_resume (p);
      break;
    case WAY_RETURN:
      play_wait_others (p, p->struck + p->timeout + LEAVE + SLACK);
      next_barrier (p, false);
      play_resume (p);
      break;
    case WAY_AMIDST:
      play_wait_others (p, p->struck + p->timeout + LEAVE + SLACK);
      next_amidst (p);
      break;
    default:
      break;
    }
  play_wait (p);
  if (p->way == WAY_KILL_NOW)
    next_at_once (p);
}

static void
play_check (struct play *p)
{
  check_times (p);
  if (p->recorded)
    check_records (p);
  else
    check_plain (p);
  check_scene (p, true);
  if (!plot_is_twice (p->plot) && p->v->what == PLAY_PASSED)
    {
      next_barrier (p, p->way == WAY_KILL && !p->recorded);
      check_scene (p, false);
    }
}

static void
play_end (struct play *p, unsigned number)
{
  char all[sizeof p->v->text];

  if (cast_end (&p->cast) > 0)
    verdict_fail (p->v, "a hook had to be killed");
  if (p->v->what == PLAY_FAILED || p->v->what == PLAY_AGAIN)
    {
      (void) snprintf (all, sizeof all, "%.400s [call %u, %s%s%s]%s", p->v->text, number,
                       trace_name (p->call), p->arrived ? ", arrived" : "",
                       p->released ? ", released" : "", cast_describe (&p->cast));
      memcpy (p->v->text, all, sizeof all);
    }
  for (size_t i = 0; i < p->cast.count; i++)
    record_free (p->record[i]);
  scene_remove (&p->scene);
}

static void
play (const struct series *series, unsigned number, struct verdict *v)
{
  struct play p = { .v = v,
                    .way = (enum way) series->kind[0],
                    .plot = (enum plot) series->kind[1],
                    .procid = (uint32_t) series->kind[2] };
  bool first = p.plot == PLOT_FIRST || p.plot == PLOT_TWICE_FIRST;

  p.tasks = plot_is_twice (p.plot) ? 2 : STAGE_TASKS;
  p.timeout = p.way == WAY_TERM || p.way == WAY_PARENT ? LONG : SHORT;
  p.recorded = p.plot > PLOT_FIRST || p.way == WAY_KILL_NOW || p.way > WAY_STOP;
  scene_make (&p.scene, pool_scene ());
  if (p.plot >= PLOT_DEAD)
    play_leave_over (&p);
  if (!first)
    {
      play_start_others (&p);
      cast_settle (&p.cast);
    }
  const struct role r = play_role (&p, p.procid);
  p.victim = play_start (&p, &r, p.way == WAY_PARENT ? ACTOR_TRACED_BELOW : ACTOR_TRACED);
  if (play_lead (&p, number))
    {
      play_strike (&p);
      /* A victim that is alone cannot but call off what it waits for. */
      if (!p.others && (p.way == WAY_TERM || p.way == WAY_PARENT))
        (void) cast_wait (&p.cast, stage_now () + AT_ONCE, NULL, NULL);
      if (!p.others)
        play_start_others (&p);
      play_aftermath (&p);
      play_check (&p);
    }
  else
    {
      /* Nothing was done to anybody.  If they did not synchronise, the victim
       * was too slow, being traced. */
      v->unreached = true;
      play_wait (&p);
      for (size_t i = 0; i < p.cast.count; i++)
        if (actor_status (&p.cast.actor[i]) == 75)
          verdict_again (v, "the victim came too late");
      next_check (&p, 0);
      check_scene (&p, false);
    }
  play_end (&p, number);
}

/* --------------------------------------------------------------- the series */

static struct series all[200];
static size_t all_count;

static void
add (enum way way, enum plot plot, uint32_t procid)
{
  static const char *const ways[] = {
    [WAY_KILL] = "SIGKILL",
    [WAY_KILL_NOW] = "SIGKILL, the key comes again at once",
    [WAY_TERM] = "SIGTERM",
    [WAY_PARENT] = "SIGKILL for the process above",
    [WAY_STOP] = "SIGSTOP for longer than the timeout",
    [WAY_RETURN] = "SIGSTOP until after the next barrier",
    [WAY_AMIDST] = "SIGSTOP until amidst the next barrier",
  };
  struct series *s = &all[all_count++];

  s->kind[0] = (int) way;
  s->kind[1] = (int) plot;
  s->kind[2] = (int) procid;
  (void) snprintf (s->name, sizeof s->name, "%s: procid %u, %s", ways[way], procid,
                   plot_names[plot]);
}

int
main (int argc, char **argv)
{
  bool full = pool_options (argc, argv, 96);

  stage_open ();
  for (int way = WAY_KILL; way <= WAY_AMIDST; way++)
    for (uint32_t procid = 0; procid < STAGE_TASKS; procid++)
      {
        add ((enum way) way, PLOT_LAST, procid);
        add ((enum way) way, PLOT_FIRST, procid);
      }
  for (int plot = PLOT_TWICE_LAST; plot < PLOTS; plot++)
    for (uint32_t procid = 0; procid < (plot_is_twice ((enum plot) plot) ? 2 : STAGE_TASKS); procid++)
      {
        /* Procid 2 does what procid 1 does, unless it is the one that died. */
        if (full || procid < 2 || plot == PLOT_RELEASED)
          add (WAY_KILL, (enum plot) plot, procid);
        if (full)
          add (WAY_STOP, (enum plot) plot, procid);
      }
  return pool_run (all, all_count, play, "kill points");
}
