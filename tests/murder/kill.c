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

/* A hook's timeout; how much longer it leaves it to another one; what it may take longer
 * with that, on a busy machine; how long procid 0 waits for the others to leave. */
#define SHORT (3 * SECOND)
#define LONG (6 * SECOND)
#define LEFT (2 * SECOND)
#define SLACK (5 * SECOND)
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
  PLOT_DEAD_LEADER, /* over one in which leaders have died */
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
  "over a barrier of dead leaders",
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
  enum layout layout;
  struct scene scene;
  struct cast cast;
  struct trace trace;
  struct actor *victim;
  uint32_t procid;        /* the victim's */
  uint32_t tasks;
  int64_t timeout;
  bool whole_life;        /* of the victim; else it is struck in the barrier only */
  bool effects;           /* only at calls that others notice */
  bool recorded;          /* the hooks note what they do */
  bool others;            /* they have been started */
  bool arrived, released; /* what was seen on disk before the strike */
  bool leads, asked;      /* at the socket of its node: what it had done by then */
  bool noticed;           /* somebody there knows of it, and has to miss it */
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
  return role_of (p->layout, p->tasks, procid, p->timeout);
}

static void
play_start_others (struct play *p)
{
  unsigned hooks = plot_is_twice (p->plot) ? 2 : 1;

  p->others = true;
  for (uint32_t procid = 0; procid < p->tasks; procid++)
    for (unsigned i = procid == p->procid ? 1 : 0;
         i < hooks && layout_has_hook (p->layout, procid); i++)
      {
        const struct role r = play_role (p, procid);

        (void) play_start (p, &r, ACTOR_FREE);
      }
}

/* One node of an earlier run, whose tasks are RANKS, which has arrived, and has
 * left if LEFT. */
static void
play_leave_node (const struct play *p, uint32_t node, const char *ranks, bool left)
{
  char path[80];

  scene_mark (&p->scene, "arrival", ranks);
  if (left)
    scene_mark (&p->scene, "departure", ranks);
  (void) snprintf (path, sizeof path, STAGE_KEY "/node-%u", node);
  if (strpbrk (ranks, "-,") != NULL && !left)
    scene_socket (&p->scene, path);
}

/* The instance of an earlier run, with what its hooks have made. */
static void
play_leave_marks (const struct play *p)
{
  const char *const first = p->layout == LAYOUT_LAST ? "0" : "0-1";
  const char *const last = p->layout == LAYOUT_LAST ? "1-2" : "2";
  const struct scene *s = &p->scene;

  scene_mkdir (s, STAGE_KEY "/arrival");
  scene_link (s, STAGE_KEY "/ntasks", p->plot == PLOT_NUMBER ? "5" : "3");
  if (p->plot == PLOT_RELEASED)
    scene_mkdir (s, STAGE_KEY "/departure");
  if (p->plot == PLOT_DEAD_LEADER)
    {
      scene_socket (s, STAGE_KEY "/node-0");
      scene_socket (s, STAGE_KEY "/node-1");
    }
  else if (p->plot != PLOT_VOID)
    {
      if (p->plot != PLOT_DEAD_OTHERS)
        play_leave_node (p, 0, first, p->plot == PLOT_RELEASED);
      play_leave_node (p, 1, last, false);
    }
  if (p->plot == PLOT_CALLED_OFF)
    scene_link (s, STAGE_KEY "/departure", "called-off: procid 1: timeout: long ago");
  else if (p->plot == PLOT_VOID)
    scene_link (s, STAGE_KEY "/departure", "void");
}

/* What is left of an earlier run, two minutes ago. */
static void
play_leave_over (const struct play *p)
{
  scene_mkdir (&p->scene, STAGE_KEY);
  if (p->plot != PLOT_HALF)
    play_leave_marks (p);
  scene_shift (&p->scene, STAGE_KEY, A_WHILE);
}

/* Whether somebody has arrived for the victim in the instance at PATH. */
static bool
play_look_for_mark (const struct play *p, const char *path)
{
  static const char mark[] = "slurm-procid-";
  DIR *dir = opendir (path);
  const struct dirent *entry;
  bool found = false;

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    found = found
            || (strncmp (entry->d_name, mark, strlen (mark)) == 0
                && (stage_ranks (entry->d_name + strlen (mark)) >> p->procid & 1) != 0);
  if (dir != NULL)
    (void) closedir (dir);
  return found;
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
          p->arrived = p->arrived || play_look_for_mark (p, path);
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

  trace_start (&p->trace, &p->cast, p->victim, p->whole_life ? TRACE_START : TRACE_BARRIER,
               p->effects);
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
  if (!p->victim->done && actor_errors (p->victim)[0] != '\0')
    verdict_again (p->v, "the victim was too slow, and gave up before it was struck");
  p->struck = stage_now ();
  p->alone = !p->others;
  p->leads = p->trace.leads;
  p->asked = p->trace.asked;
  p->noticed = p->leads ? p->trace.taken > 0 : p->asked;
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

static uint32_t
node_of (const struct play *p, uint32_t procid)
{
  return layout_node (p->layout, procid);
}

/* Whether the victim's word is that of its node, or it comes alone; */
static bool
play_speaks (const struct play *p)
{
  const struct role *r = &p->victim->role;
  uint64_t node = role_node_ranks (r);

  return p->leads || r->whole || (node & (node - 1)) == 0;
}

/* and it has procid 0's, too, which decides; others only if they have the lock. */
static bool
play_decides (const struct play *p)
{
  return play_speaks (p) && (role_node_ranks (&p->victim->role) & 1) != 0;
}

/* How long each may have taken.  On a busy machine a process may not run for
 * seconds, so what takes too long is tried again: if it is the hook's doing, it
 * does the same each time. */
static void
check_times (struct play *p)
{
  for (size_t i = 0; i < p->cast.count; i++)
    {
      const struct actor *a = &p->cast.actor[i];
      uint32_t node = node_of (p, a->role.procid);
      int64_t limit = a->role.timeout + SLACK;

      /* Who decides waits for the others to leave, who leads for his node. */
      if (actor_status (a) == 0 && (node == 0 || node == node_of (p, p->procid)))
        limit += LEAVE;
      if (a == p->victim && p->resumed > 0)
        limit += p->resumed - p->struck;
      if (a->done && actor_status (a) < 128 && a->ended - a->started > limit)
        verdict_again (p->v, "procid %u took %.1f s", a->role.procid,
                      (double) (a->ended - a->started) / 1e9);
    }
}

/* Everybody else exits STATUS, and says TEXT about the victim.  Whom a hook misses
 * may be right to be missed, on a machine that is too slow to have him there. */
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
      else if (text != NULL && !cast_says (&p->cast, a, text))
        verdict_again (p->v, "procid %u does not say \"%s\"", a->role.procid, text);
    }
}

/* What one of the others exits: the same as all, as check_others() shows then. */
static int
status_of_others (const struct play *p)
{
  return actor_status (&p->cast.actor[&p->cast.actor[0] == p->victim ? 1 : 0]);
}

/* All others have ended soon after they, or some of them, could know. */
static void
check_at_once (struct play *p)
{
  for (size_t i = 0; i < p->cast.count; i++)
    {
      const struct actor *a = &p->cast.actor[i];
      int64_t from = a->started > p->struck ? a->started : p->struck;

      if (a->ended - from > AT_ONCE)
        verdict_again (p->v, "procid %u took %.1f s to end", a->role.procid,
                      (double) (a->ended - from) / 1e9);
    }
}

/* The victim could tell the others: they end at once.  On its node it may be the
 * one who says it; and who was to answer it may only see that it is gone. */
static void
check_told (struct play *p, const char *reason)
{
  char text[100], gone[64];

  (void) snprintf (text, sizeof text, "called off: procid %u: %s", p->procid, reason);
  (void) snprintf (gone, sizeof gone, "the hook of procid %u", p->procid);
  check_others (p, 76, NULL);
  for (size_t i = 0; i < p->cast.count; i++)
    {
      const struct actor *a = &p->cast.actor[i];
      bool near = a->role.node == p->victim->role.node;

      if (a != p->victim && !cast_says (&p->cast, a, near ? reason : text)
          && !(p->call != SYS_ppoll && !p->leads && cast_says (&p->cast, a, gone)))
        verdict_again (p->v, "procid %u does not say \"%s\"", a->role.procid, text);
    }
  if (strstr (actor_errors (p->victim), reason) == NULL)
    verdict_fail (p->v, "the victim does not say \"%s\"", reason);
  check_at_once (p);
}

/* The victim has died, and somebody of its node has been waiting for it: they
 * end at once; but if all had come by then, they may have gone on. */
static int
check_missed (struct play *p)
{
  char text[64];

  (void) snprintf (text, sizeof text, "the hook of procid %u", p->procid);
  if (status_of_others (p) == 0 && (p->arrived || !play_decides (p)))
    {
      check_others (p, 0, NULL);
      return 0;
    }
  check_others (p, 76, text);
  check_at_once (p);
  return 76;
}

/* What the others do when the victim does nothing any more, for the time of
 * the timeout at least; DEAD: never again. */
static int
check_silence (struct play *p, bool dead)
{
  const struct role *r = &p->victim->role;
  char text[64];
  int status = 75;

  (void) snprintf (text, sizeof text, "did not arrive within %g s: procid %s",
                   (double) p->timeout / 1e9, p->tasks > 2 && r->whole ? r->procid == 0 ? "0-1" : "1-2"
                                              : r->procid == 0         ? "0"
                                              : r->procid == 1         ? "1"
                                                                       : "2");
  if (!p->released && dead && p->noticed)
    return check_missed (p);
  if (p->leads && p->procid == 0)
    (void) snprintf (text, sizeof text, "procid 0 did not arrive within %g s",
                     (double) p->timeout / 1e9);
  /* That call may have been executed in the end. */
  if (!p->released && !dead && !p->leads && p->call == SYS_sendto && !p->asked)
    status = status_of_others (p);
  else if (p->released || (!dead && p->asked && !p->leads) || (p->arrived && !play_decides (p)))
    status = 0;
  else if (p->arrived && status_of_others (p) == 0)
    status = 0; /* one that has the lock */
  check_others (p, status,
                status == 0                 ? NULL
                : p->leads && !dead         ? "within"
                : p->arrived                ? "did not let them go"
                : p->call == SYS_sendto || p->call == SYS_bind ? NULL
                                            : text);
  return status;
}

static void
check_plain (struct play *p)
{
  int status = actor_status (p->victim);

  if (p->way == WAY_KILL || status == 128 + SIGTERM)
    {
      if (status != 128 + (p->way == WAY_KILL ? SIGKILL : SIGTERM))
        verdict_fail (p->v, "the victim ended with %d", status);
      (void) check_silence (p, true);
    }
  else if (p->way == WAY_STOP)
    {
      int expected = check_silence (p, false);

      /* Who leads may see first that the others have left. */
      if (status != expected && !(p->leads && expected == 75 && status == 76))
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
                                   .ranks = role_ranks (&a->role),
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

/* One hook for each task, or node, but for LATE. */
static void
next_start (struct play *p, uint32_t late)
{
  for (uint32_t procid = 0; procid < p->tasks; procid++)
    if (procid != late && layout_has_hook (p->layout, procid))
      {
        const struct role r = play_role (p, procid);

        (void) play_start (p, &r, ACTOR_FREE);
      }
}

/* The same for another step of the job, and for the job, requeued. */
static void
next_start_keys (struct play *p)
{
  for (uint32_t procid = 0; procid < p->tasks; procid++)
    if (layout_has_hook (p->layout, procid))
      {
        struct role r = play_role (p, procid);

        r.bundled = false;
        r.restarts = 1;
        (void) play_start (p, &r, ACTOR_FREE);
        r.restarts = 0;
        r.step = -1;
        (void) play_start (p, &r, ACTOR_FREE);
      }
}

/* The key comes again, and with EVERY two others. */
static void
next_barrier (struct play *p, bool every)
{
  size_t from = p->cast.count;

  scene_shift (&p->scene, STAGE_KEY, A_WHILE);
  p->timeout = LONG;
  next_start (p, p->tasks);
  if (every)
    next_start_keys (p);
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
  next_start (p, p->tasks);
  play_wait (p);
}

/* The victim goes on when the hooks of the next barrier have arrived, but for
 * one. */
static void
next_amidst (struct play *p)
{
  uint32_t late = (p->procid + 1) % p->tasks;

  while (!layout_has_hook (p->layout, late))
    late = (late + 1) % p->tasks;
  scene_shift (&p->scene, STAGE_KEY, A_WHILE);
  next_start (p, late);
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
  return !p->released && (p->leads || !p->asked) && (!p->arrived || play_decides (p));
}

static void
play_aftermath (struct play *p)
{
  switch (p->way)
    {
    case WAY_STOP:
      /* Those who have to give up because of it do so first, however slow. */
      play_wait_others (p, p->struck + p->timeout
                             + (play_is_waited_for (p) ? LEAVE + SLACK : LEFT + 700 * MILLISECOND));
      if (stage_now () < p->victim->started + p->timeout + LEFT + 300 * MILLISECOND)
        stage_nap (p->victim->started + p->timeout + LEFT + 300 * MILLISECOND - stage_now ());
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
      (void) snprintf (all, sizeof all, "%.400s [call %u, %s%s%s%s%s%s]%s", p->v->text, number,
                       trace_name (p->call), p->leads ? ", leads" : "", p->asked ? ", asked" : "",
                       p->noticed ? ", noticed" : "", p->arrived ? ", arrived" : "",
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
                    .procid = (uint32_t) series->kind[2],
                    .layout = (enum layout) series->kind[3],
                    .whole_life = series->kind[4] != 0,
                    .effects = series->kind[5] != 0 };
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

static struct series all[400];
static size_t all_count;

static bool full;

/* What happens to it earlier than in the barrier is the same for all, and SIGKILL
 * is before each call; of the others, all ways. */
static void
add (enum way way, enum plot plot, enum layout layout, uint32_t procid)
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
  s->kind[3] = (int) layout;
  s->kind[4] = plot == PLOT_LAST && layout == LAYOUT_FIRST && procid == 2 && way <= WAY_STOP
               && way != WAY_KILL_NOW;
  s->kind[5] = !full && s->kind[4] == 0 && (way != WAY_KILL || plot > PLOT_FIRST);
  (void) snprintf (s->name, sizeof s->name, "%s: procid %u, %s, %s", ways[way], procid,
                   layout_names[layout], plot_names[plot]);
}

/* Who is struck.  Of a node's hooks the first one leads, the last one is a
 * member. */
static const struct
{
  enum layout layout;
  uint32_t procid;
  enum plot plot;
  bool full; /* much like another: only with --full */
} victims[] = {
  { LAYOUT_FIRST, 0, PLOT_LAST, false },
  { LAYOUT_FIRST, 0, PLOT_FIRST, true },
  { LAYOUT_FIRST, 1, PLOT_LAST, true },
  { LAYOUT_FIRST, 1, PLOT_FIRST, false },
  { LAYOUT_FIRST, 2, PLOT_LAST, false },
  { LAYOUT_FIRST, 2, PLOT_FIRST, true },
  { LAYOUT_LAST, 0, PLOT_LAST, true },
  { LAYOUT_LAST, 0, PLOT_FIRST, false },
  { LAYOUT_LAST, 1, PLOT_LAST, false },
  { LAYOUT_LAST, 1, PLOT_FIRST, false },
  { LAYOUT_ONE, 0, PLOT_LAST, true },
  { LAYOUT_ONE, 0, PLOT_FIRST, false },
  { LAYOUT_ONE, 1, PLOT_LAST, false },
  { LAYOUT_ONE, 1, PLOT_FIRST, true },
  { LAYOUT_WHOLE_FIRST, 0, PLOT_LAST, false },
  { LAYOUT_WHOLE_LAST, 1, PLOT_FIRST, false },
  { LAYOUT_APART, 0, PLOT_FIRST, true },
  { LAYOUT_APART, 1, PLOT_LAST, true },
};

static void
add_twice (enum way way)
{
  for (int plot = PLOT_TWICE_LAST; plot <= PLOT_TWICE_FIRST; plot++)
    for (uint32_t procid = 0; procid < 2; procid++)
      {
        add (way, (enum plot) plot, LAYOUT_ONE, procid);
        if (full)
          add (way, (enum plot) plot, LAYOUT_APART, procid);
      }
}

static void
add_over (enum way way)
{
  for (int plot = PLOT_DEAD; plot < PLOTS; plot++)
    for (uint32_t procid = 0; procid < (full ? STAGE_TASKS : 2); procid++)
      add (way, (enum plot) plot, procid == 0 ? LAYOUT_FIRST : LAYOUT_LAST, procid);
}

int
main (int argc, char **argv)
{
  full = pool_options (argc, argv, 96);
  stage_open ();
  for (int way = WAY_KILL; way <= WAY_AMIDST; way++)
    for (size_t i = 0; i < sizeof victims / sizeof *victims; i++)
      if (full || !victims[i].full)
        add ((enum way) way, victims[i].plot, victims[i].layout, victims[i].procid);
  add_twice (WAY_KILL);
  add_over (WAY_KILL);
  if (full)
    {
      add_twice (WAY_STOP);
      add_over (WAY_STOP);
    }
  return pool_run (all, all_count, play, "kill points");
}
