/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fail - lets each system call of a hook fail once, with each error that it can
 * plausibly give, on a local file system or on NFS.
 *
 * The call is either not executed, or executed and reported as failed: that is
 * what a request looks like that was sent again because its answer was lost
 * (EEXIST and ENOENT for one's own success), or that timed out on a soft mount
 * (EIO).  And once as when the disk is full from then on.
 *
 * A call is named by what it is and how often it was made before: that varies
 * less from run to run than its number among all calls.
 */
#include "calls.h"
#include "ordeal.h"
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Landlock's three calls have these numbers everywhere. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446

enum mode {
  MODE_INSTEAD, /* the call is not executed */
  MODE_AFTER,   /* it is, and then reported as failed */
  MODE_ON       /* from that call on nothing can be made: the disk is full */
};

#define ERRORS_MAX 12

struct failing {
  long nr;
  int instead[ERRORS_MAX], after[ERRORS_MAX / 2];
};

#define MAKES EACCES, EDQUOT, EINTR, EIO, ENOMEM, ENOSPC, EROFS, ESTALE
#define REMOVES EACCES, EINTR, EIO, ENOMEM, EROFS, ESTALE
#define OPENS EACCES, EINTR, EIO, ENFILE, ENOMEM, ESTALE
#define LOOKS EACCES, EIO, ENOMEM, ESTALE

static const struct failing failings[] = {
  { SYS_openat, { OPENS }, { 0 } },
  { SYS_openat2, { OPENS, ENOSYS, EAGAIN }, { 0 } },
  { SYS_newfstatat, { LOOKS }, { 0 } },
  { SYS_fstat, { LOOKS }, { 0 } },
  { SYS_statx, { LOOKS }, { 0 } },
  { SYS_readlinkat, { LOOKS }, { 0 } },
#ifdef SYS_readlink
  { SYS_readlink, { LOOKS }, { 0 } },
#endif
  { SYS_faccessat, { LOOKS }, { 0 } },
  { SYS_faccessat2, { LOOKS }, { 0 } },
  { SYS_read, { EIO, EINTR, ENOMEM, ESTALE }, { 0 } },
  { SYS_lseek, { EIO }, { 0 } },
  { SYS_getdents64, { EINTR, EIO, ENOMEM, ESTALE }, { 0 } },
  { SYS_mkdirat, { MAKES }, { EEXIST, EIO } },
  /* Not EEXIST for its own success: NFS clients make regular files with a
   * verifier, by which the server knows a request that was sent again. */
  { SYS_mknodat, { MAKES, EPERM, ENOSYS }, { EIO } },
  { SYS_symlinkat, { MAKES }, { EEXIST, EIO } },
  { SYS_linkat, { MAKES, EPERM, EXDEV, EMLINK }, { EEXIST, EIO } },
  { SYS_unlinkat, { REMOVES }, { ENOENT, EIO } },
  { SYS_renameat, { REMOVES, EDQUOT, ENOSPC }, { ENOENT, EIO } },
  { SYS_utimensat, { REMOVES, EDQUOT, ENOSPC }, { EIO } },
  { SYS_fchmod, { EIO, EPERM, EROFS, ESTALE }, { 0 } },
  { SYS_write, { EDQUOT, EINTR, EIO, ENOSPC }, { 0 } },
  { SYS_close, { 0 }, { EDQUOT, EINTR, EIO, ENOSPC } },
  { SYS_fstatfs, { EINTR, EIO, ENOMEM, ESTALE }, { 0 } },
  { SYS_fcntl, { EINVAL, ENOMEM }, { 0 } },
  { SYS_ppoll, { EINTR, ENOMEM }, { 0 } },
  { SYS_clock_nanosleep, { EINTR }, { 0 } },
  { SYS_prctl, { EINVAL, EPERM }, { 0 } },
  { SYS_capset, { EPERM }, { 0 } },
  { SYS_capget, { EPERM }, { 0 } },
  { SYS_setresuid, { EAGAIN, ENOMEM, EPERM }, { 0 } },
  { SYS_setresgid, { EPERM }, { 0 } },
  { SYS_setgroups, { ENOMEM, EPERM }, { 0 } },
  { SYS_getresuid, { EPERM }, { 0 } },
  { SYS_getresgid, { EPERM }, { 0 } },
  { SYS_ioctl, { ENOTTY, EPERM }, { 0 } },
  { SYS_mmap, { ENOMEM }, { 0 } },
  { SYS_pidfd_open, { EMFILE, ENOMEM, ENOSYS, ESRCH }, { 0 } },
  { SYS_getrandom, { EINTR, ENOSYS }, { 0 } },
  { SYS_chdir, { EACCES, EIO, ESTALE }, { 0 } },
  { SYS_prlimit64, { EPERM }, { 0 } },
  { SYS_close_range, { ENOSYS }, { 0 } },
  { SYS_socket, { EACCES, EMFILE }, { 0 } },
  { SYS_connect, { EACCES, ECONNREFUSED }, { 0 } },
  { SYS_sendto, { EAGAIN, ECONNREFUSED }, { 0 } },
  { CREATE_RULESET, { EOPNOTSUPP, ENOSYS, ENOMEM }, { 0 } },
  { ADD_RULE, { ENOMEM, EINVAL }, { 0 } },
  { RESTRICT_SELF, { EPERM, ENOMEM }, { 0 } },
};
#define FAILINGS (sizeof failings / sizeof *failings)

/* One thing to try; all that a series tries are in a row. */
struct injection {
  enum ordeal_plot plot;
  long nr;
  unsigned occurrence; /* from 1 */
};

#define INJECTIONS_MAX 20000
#define CALLS_MAX 600 /* above all numbers of system calls */
#define SERIES_MAX 300

static struct injection injection[INJECTIONS_MAX];
static size_t injections;
static struct series all[SERIES_MAX];
static size_t all_count;

/* How often the victim makes each call; by plot and procid. */
static unsigned calls[3][STAGE_TASKS][CALLS_MAX];

/* ------------------------------------------------------------- the victim */

/* What it is at, by the first call of each part. */
static void
phase_follow (enum ordeal_phase *phase, long nr, const struct __ptrace_syscall_info *info)
{
  enum ordeal_phase now = ORDEAL_PREPARING;

  if (nr == SYS_read && info->entry.args[0] == 0)
    now = ORDEAL_READING;
  else if (nr == SYS_geteuid)
    now = ORDEAL_IDENTITY;
  else if (nr == SYS_openat && (info->entry.args[2] & O_PATH) != 0 && *phase == ORDEAL_IDENTITY)
    now = ORDEAL_SYNCDIR;
  else if (nr == SYS_openat2)
    now = ORDEAL_BARRIER;
  if (now > *phase)
    *phase = now;
}

struct watch {
  struct ordeal *o;
  struct trace trace;
  enum ordeal_phase phase;
  unsigned count[CALLS_MAX];
};

/* The entry of the next call that counts; -1: it has ended. */
static long
watch_enter (struct watch *w)
{
  for (;;)
    {
      long nr = trace_enter (&w->trace);

      if (nr < 0)
        return -1;
      if (w->trace.sleeps && !w->o->others)
        ordeal_start_others (w->o);
      phase_follow (&w->phase, nr, &w->trace.info);
      /* Of fcntl(2) only F_NOTIFY is one that the kernel may refuse. */
      if (w->trace.counts && nr < CALLS_MAX
          && (nr != SYS_fcntl || w->trace.info.entry.args[1] == F_NOTIFY))
        {
          w->count[nr]++;
          return nr;
        }
    }
}

static void
watch_start (struct watch *w, struct ordeal *o)
{
  const struct role r = role_of (o->procid, ORDEAL_TIMEOUT);

  memset (w, 0, sizeof *w);
  w->o = o;
  o->victim = cast_start (&o->cast, &o->scene, &r, ACTOR_TRACED);
  trace_start (&w->trace, &o->cast, o->victim,
               o->plot == ORDEAL_LAST ? TRACE_MAIN : TRACE_BARRIER);
}

/* Counts the calls of a victim that nothing is done to. */
static void
learn (enum ordeal_plot plot, uint32_t procid)
{
  struct verdict v = { .count = 0 };
  struct ordeal o;
  struct watch w;

  ordeal_begin (&o, &v, plot, procid);
  watch_start (&w, &o);
  while (watch_enter (&w) >= 0)
    ;
  memcpy (calls[plot][procid], w.count, sizeof w.count);
  ordeal_wait (&o);
  ordeal_end (&o, "learning");
}

/* --------------------------------------------------------------- the plays */

static bool
call_makes (long nr)
{
  return nr == SYS_mkdirat || nr == SYS_mknodat || nr == SYS_symlinkat || nr == SYS_linkat;
}

static void
inject (struct watch *w, enum mode mode, int error)
{
  if (mode != MODE_AFTER)
    trace_skip (&w->trace);
  if (trace_leave (&w->trace))
    trace_return (&w->trace, -error);
}

/* Everything that it wants to make, from here on. */
static void
inject_more (struct watch *w, int error)
{
  long nr;

  while ((nr = watch_enter (w)) >= 0)
    if (call_makes (nr) && trace_leave (&w->trace))
      trace_return (&w->trace, -error);
    else if (call_makes (nr))
      break;
}

static void
play (const struct series *series, unsigned number, struct verdict *v)
{
  const struct injection *what = &injection[(size_t) series->kind[2] + number - 1];
  enum mode mode = (enum mode) series->kind[1];
  int error = series->kind[0];
  struct ordeal o;
  struct watch w;
  char text[100];
  long nr;

  ordeal_begin (&o, v, what->plot, (uint32_t) series->kind[3]);
  watch_start (&w, &o);
  do
    nr = watch_enter (&w);
  while (nr >= 0 && (nr != what->nr || w.count[nr] < what->occurrence));
  if (nr >= 0)
    {
      o.phase = w.phase;
      o.lasting = mode == MODE_ON;
      o.mute = nr == SYS_write;
      for (size_t i = 0; i < o.cast.count; i++)
        if (o.plot != ORDEAL_ABSENT && o.cast.actor[i].done
            && actor_status (&o.cast.actor[i]) != 0)
          verdict_again (v, "the others gave up before");
      inject (&w, mode, error);
      if (mode == MODE_ON)
        inject_more (&w, error);
      else
        trace_end (&w.trace, 0);
    }
  ordeal_wait (&o);
  /* All had departed, and procid 0 had removed everything, between the link, or
   * its repetition, and the look that tells whose it is.  Nothing is left then
   * that could tell a hook that did not wait.  It happens seldom, or it is
   * wrong. */
  if (nr == SYS_linkat && mode == MODE_AFTER && o.plot == ORDEAL_LAST
      && actor_status (o.victim) == EX_TEMPFAIL)
    verdict_again (v, "the barrier was gone before the victim could look");
  ordeal_check (&o, nr >= 0 ? error : 0);
  if (o.phase == ORDEAL_BARRIER)
    ordeal_repeat (&o);
  v->unreached = nr < 0;
  (void) snprintf (text, sizeof text, "%s %u, %s, %s%s", trace_name (what->nr), what->occurrence,
                   ordeal_plots[what->plot], strerrorname_np (error),
                   mode == MODE_AFTER ? " though done" : "");
  ordeal_end (&o, text);
}

/* -------------------------------------------------------------- the series */

static bool
failing_has (const struct failing *f, enum mode mode, int error)
{
  if (mode == MODE_ON)
    return call_makes (f->nr);
  for (size_t i = 0; mode == MODE_INSTEAD && i < ERRORS_MAX && f->instead[i] != 0; i++)
    if (f->instead[i] == error)
      return true;
  for (size_t i = 0; mode == MODE_AFTER && i < ERRORS_MAX / 2 && f->after[i] != 0; i++)
    if (f->after[i] == error)
      return true;
  return false;
}

static void
add_injections (enum ordeal_plot plot, uint32_t procid, const struct failing *f, struct series *s)
{
  for (unsigned n = 1; n <= calls[plot][procid][f->nr]; n++)
    if (injections < INJECTIONS_MAX)
      {
        injection[injections++] = (struct injection){ plot, f->nr, n };
        s->last++;
      }
}

static void
add (int error, enum mode mode, uint32_t procid)
{
  struct series *s = &all[all_count];

  s->kind[0] = error;
  s->kind[1] = (int) mode;
  s->kind[2] = (int) injections;
  s->kind[3] = (int) procid;
  for (int plot = ORDEAL_LAST; plot <= ORDEAL_ABSENT; plot++)
    for (size_t f = 0; f < FAILINGS; f++)
      if (failing_has (&failings[f], mode, error))
        add_injections ((enum ordeal_plot) plot, procid, &failings[f], s);
  (void) snprintf (s->name, sizeof s->name, "%s%s, procid %u", strerrorname_np (error),
                   mode == MODE_AFTER ? " though it was done"
                   : mode == MODE_ON  ? " for everything from then on"
                                      : "",
                   procid);
  if (s->last > 0 && all_count < SERIES_MAX - 1)
    all_count++;
}

int
main (int argc, char **argv)
{
  static const int errors[] = { EACCES, EAGAIN, ECONNREFUSED, EDQUOT,     EEXIST, EINTR,  EINVAL,
                                EIO,    EMFILE, EMLINK,       ENFILE,     ENOENT, ENOMEM, ENOSPC,
                                ENOSYS, ENOTTY, EOPNOTSUPP,   EPERM,      EROFS,  ESRCH,  ESTALE,
                                EXDEV };
  sigset_t child;

  (void) pool_options (argc, argv, 48);
  trace_need_registers ();
  stage_open ();
  (void) sigemptyset (&child);
  (void) sigaddset (&child, SIGCHLD);
  (void) sigprocmask (SIG_BLOCK, &child, NULL);
  for (uint32_t procid = 0; procid < STAGE_TASKS; procid++)
    for (int plot = ORDEAL_LAST; plot <= ORDEAL_ABSENT; plot++)
      if (plot != ORDEAL_ABSENT || procid < STAGE_TASKS - 1)
        learn ((enum ordeal_plot) plot, procid);
  for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
    for (uint32_t procid = 0; procid < STAGE_TASKS; procid++)
      {
        add (errors[e], MODE_INSTEAD, procid);
        add (errors[e], MODE_AFTER, procid);
        if (errors[e] == ENOSPC || errors[e] == EDQUOT)
          add (errors[e], MODE_ON, procid);
      }
  return pool_run (all, all_count, play, "injected errors");
}
