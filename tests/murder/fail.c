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
#include "process.h"
#include "ordeal.h"
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

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
  { CALL_OPENAT2, { OPENS, ENOSYS, EAGAIN }, { 0 } },
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
  { SYS_symlinkat, { MAKES }, { EEXIST, EIO } },
  { SYS_linkat, { MAKES, EPERM, EXDEV, EMLINK }, { EEXIST, EIO } },
  { SYS_unlinkat, { REMOVES }, { ENOENT, EIO } },
  { SYS_renameat, { REMOVES, EDQUOT, ENOSPC, EXDEV }, { ENOENT, EIO } },
  { SYS_utimensat, { REMOVES, EDQUOT, ENOSPC }, { EIO } },
  { SYS_fchmod, { EIO, EPERM, EROFS, ESTALE }, { 0 } },
  { SYS_write, { EDQUOT, EINTR, EIO, ENOSPC }, { 0 } },
  { SYS_close, { 0 }, { EDQUOT, EINTR, EIO, ENOSPC } },
  { SYS_fstatfs, { EINTR, EIO, ENOMEM, ESTALE }, { 0 } },
  { SYS_fcntl, { EAGAIN, EDEADLK, EINTR, EINVAL, EIO, ENOLCK, ENOSYS, EOPNOTSUPP, ESTALE }, { EIO } },
  { SYS_eventfd2, { EMFILE, ENFILE, ENOMEM }, { 0 } },
  { SYS_clone, { EAGAIN, ENOMEM }, { 0 } },
#ifdef SYS_clone3
  { SYS_clone3, { EAGAIN, ENOMEM, ENOSYS }, { 0 } },
#endif
  { SYS_ppoll, { EINTR, ENOMEM }, { 0 } },
  { SYS_clock_nanosleep, { EINTR }, { 0 } },
  { SYS_prctl, { EINVAL, EPERM }, { 0 } },
  { SYS_capset, { EPERM }, { 0 } },
  { SYS_setresuid, { EAGAIN, ENOMEM, EPERM }, { 0 } },
  { SYS_setresgid, { EPERM }, { 0 } },
  { SYS_setgroups, { ENOMEM, EPERM }, { 0 } },
  { SYS_ioctl, { ENOTTY, EPERM }, { 0 } },
  { SYS_mmap, { ENOMEM }, { 0 } },
  { CALL_PIDFD_OPEN, { EMFILE, ENOMEM, ENOSYS, ESRCH }, { 0 } },
  { SYS_getrandom, { EINTR, ENOSYS }, { 0 } },
  { SYS_chdir, { EIO, ESTALE }, { 0 } },
  { SYS_prlimit64, { EPERM }, { 0 } },
  { CALL_CLOSE_RANGE, { ENOSYS }, { 0 } },
  { SYS_fchdir, { EIO, ENOMEM, ESTALE }, { 0 } },
  /* Not what says that there are no sockets here: all hooks of a node hear
   * that, each time. */
  { SYS_socket, { EMFILE, ENFILE, ENOBUFS, ENOMEM }, { 0 } },
  { SYS_bind, { EADDRINUSE, EDQUOT, EINTR, EIO, ENOMEM, ENOSPC, EROFS, ESTALE }, { EADDRINUSE, EIO } },
  { SYS_listen, { EADDRINUSE }, { 0 } },
  { SYS_connect, { EAGAIN, EINTR, EIO, ENOMEM, ESTALE }, { 0 } },
  { SYS_accept4, { ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM }, { 0 } },
  { SYS_getsockopt, { EACCES }, { 0 } },
  { SYS_sendto, { EAGAIN, ECONNREFUSED, ECONNRESET, ENOBUFS, ENOMEM, EPIPE }, { 0 } },
  { SYS_recvfrom, { ECONNRESET, EINTR, ENOMEM }, { 0 } },
  { SYS_shutdown, { ENOTCONN }, { 0 } },
  { SYS_epoll_create1, { EMFILE, ENFILE, ENOMEM }, { 0 } },
  { SYS_epoll_ctl, { ENOMEM, ENOSPC }, { 0 } },
  { SYS_epoll_pwait, { EINTR }, { 0 } },
#ifdef SYS_epoll_wait
  { SYS_epoll_wait, { EINTR }, { 0 } },
#endif
};
#define FAILINGS (sizeof failings / sizeof *failings)

/* Whose calls fail.  Of a node's hooks the first one leads, the last one is a
 * member. */
enum who { WHO_ALONE, WHO_MEMBER, WHO_LEADER, WHO_NODE, WHOS };

static const char *const who_names[WHOS] = {
  [WHO_ALONE] = "who comes alone",
  [WHO_MEMBER] = "a member",
  [WHO_LEADER] = "a leader",
  [WHO_NODE] = "who comes for a node",
};

static const struct
{
  enum who who;
  enum layout layout;
  uint32_t procid;
  enum ordeal_plot plot;
  bool whole_life; /* not only in the barrier: the same for all */
} victims[] = {
  { WHO_ALONE, LAYOUT_FIRST, 2, ORDEAL_LAST, true },
  { WHO_ALONE, LAYOUT_LAST, 0, ORDEAL_FIRST, false },
  { WHO_ALONE, LAYOUT_LAST, 0, ORDEAL_ABSENT, false },
  { WHO_MEMBER, LAYOUT_FIRST, 0, ORDEAL_LAST, false },
  { WHO_MEMBER, LAYOUT_LAST, 1, ORDEAL_LAST, false },
  { WHO_MEMBER, LAYOUT_ONE, 1, ORDEAL_LAST, false },
  { WHO_LEADER, LAYOUT_FIRST, 1, ORDEAL_FIRST, false },
  { WHO_LEADER, LAYOUT_LAST, 1, ORDEAL_FIRST, false },
  { WHO_LEADER, LAYOUT_FIRST, 0, ORDEAL_ABSENT, false },
  { WHO_LEADER, LAYOUT_ONE, 1, ORDEAL_ABSENT, false },
  { WHO_NODE, LAYOUT_WHOLE_FIRST, 0, ORDEAL_LAST, false },
};
#define VICTIMS (sizeof victims / sizeof *victims)

/* One thing to try; all that a series tries are in a row. */
struct injection {
  size_t victim;
  long nr;
  unsigned occurrence; /* from 1 */
};

#define INJECTIONS_MAX 40000
#define CALLS_MAX 600 /* above all numbers of system calls */
#define SERIES_MAX 500

static struct injection injection[INJECTIONS_MAX];
static size_t injections;
static struct series all[SERIES_MAX];
static size_t all_count;

/* How often each victim makes each call, and of how many of these one fails: who
 * looks, looks again. */
static unsigned calls[VICTIMS][CALLS_MAX];
static unsigned most = 10;

/* ------------------------------------------------------------- the victim */

/* What it is at, by the first call of each part. */
static void
phase_follow (enum ordeal_phase *phase, long nr, const struct __ptrace_syscall_info *info,
              bool barrier)
{
  enum ordeal_phase now = ORDEAL_PREPARING;

  if (nr == SYS_read && info->entry.args[0] == 0)
    now = ORDEAL_READING;
  else if (nr == SYS_geteuid)
    now = ORDEAL_IDENTITY;
  else if (nr == SYS_openat && (info->entry.args[2] & O_PATH) != 0 && *phase == ORDEAL_IDENTITY)
    now = ORDEAL_SYNCDIR;
  else if (barrier)
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
      phase_follow (&w->phase, nr, &w->trace.info, w->trace.barrier);
      /* Of fcntl(2) the locks only. */
      if (w->trace.counts && nr < CALLS_MAX
          && (nr != SYS_fcntl || w->trace.info.entry.args[1] >= F_OFD_GETLK))
        {
          w->count[nr]++;
          return nr;
        }
    }
}

/* Begins the ordeal O of victim number WHICH. */
static void
watch_start (struct watch *w, struct ordeal *o, struct verdict *v, size_t which)
{
  ordeal_begin (o, v, victims[which].plot, victims[which].layout, victims[which].procid);
  const struct role r = role_of (o->layout, STAGE_TASKS, o->procid, ORDEAL_TIMEOUT);

  memset (w, 0, sizeof *w);
  w->o = o;
  o->victim = cast_start (&o->cast, &o->scene, &r, ACTOR_TRACED);
  trace_start (&w->trace, &o->cast, o->victim,
               victims[which].whole_life ? TRACE_MAIN : TRACE_BARRIER, false);
}

/* Counts the calls of a victim that nothing is done to. */
static void
learn (size_t which)
{
  struct verdict v = { .count = 0 };
  struct ordeal o;
  struct watch w;

  watch_start (&w, &o, &v, which);
  while (watch_enter (&w) >= 0)
    ;
  memcpy (calls[which], w.count, sizeof w.count);
  ordeal_wait (&o);
  ordeal_end (&o, "learning");
}

/* --------------------------------------------------------------- the plays */

static bool
call_makes (long nr)
{
  return nr == SYS_mkdirat || nr == SYS_symlinkat || nr == SYS_linkat
         || nr == SYS_bind;
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

  watch_start (&w, &o, v, what->victim);
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
  ordeal_check (&o, nr >= 0 ? error : 0);
  if (o.phase == ORDEAL_BARRIER)
    ordeal_repeat (&o);
  v->unreached = nr < 0;
  (void) snprintf (text, sizeof text, "%s %u, %s, %s, %s%s", trace_name (what->nr), what->occurrence,
                   layout_names[o.layout], ordeal_plots[o.plot], strerrorname_np (error),
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
add_injections (size_t victim, const struct failing *f, struct series *s)
{
  for (unsigned n = 1; n <= calls[victim][f->nr] && n <= most; n++)
    if (injections < INJECTIONS_MAX)
      {
        injection[injections++] = (struct injection){ victim, f->nr, n };
        s->last++;
      }
}

static void
add (int error, enum mode mode, enum who who)
{
  struct series *s = &all[all_count];

  s->kind[0] = error;
  s->kind[1] = (int) mode;
  s->kind[2] = (int) injections;
  for (size_t victim = 0; victim < VICTIMS; victim++)
    for (size_t f = 0; victims[victim].who == who && f < FAILINGS; f++)
      if (failing_has (&failings[f], mode, error))
        add_injections (victim, &failings[f], s);
  (void) snprintf (s->name, sizeof s->name, "%s%s, %s", strerrorname_np (error),
                   mode == MODE_AFTER ? " though it was done"
                   : mode == MODE_ON  ? " for everything from then on"
                                      : "",
                   who_names[who]);
  if (s->last > 0 && all_count < SERIES_MAX - 1)
    all_count++;
}

/* Each error that one of the calls may give, once. */
static void
add_all (enum mode mode)
{
  static const int errors[]
    = { EACCES, EADDRINUSE, EAGAIN, ECONNABORTED, ECONNREFUSED, ECONNRESET, EDEADLK, EDQUOT,
        EEXIST, EINTR,      EINVAL,       EIO,    EMFILE,       ENFILE,       ENOBUFS,    ENOENT,
        ENOLCK, ENOMEM,     ENOSPC,       ENOSYS,       ENOTCONN, ENOTTY,     EOPNOTSUPP,   EPERM,      EPIPE,
        EROFS,  ESRCH,      ESTALE,       EXDEV,  EMLINK };

  for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
    for (int who = 0; who < WHOS; who++)
      if (mode != MODE_ON || errors[e] == ENOSPC || errors[e] == EDQUOT)
        add (errors[e], mode, (enum who) who);
}

int
main (int argc, char **argv)
{
  sigset_t child;

  if (pool_options (argc, argv, 48))
    most = UINT_MAX;
  trace_need_registers ();
  stage_open ();
  (void) sigemptyset (&child);
  (void) sigaddset (&child, SIGCHLD);
  (void) sigprocmask (SIG_BLOCK, &child, NULL);
  for (size_t victim = 0; victim < VICTIMS; victim++)
    learn (victim);
  add_all (MODE_INSTEAD);
  add_all (MODE_AFTER);
  add_all (MODE_ON);
  return pool_run (all, all_count, play, "injected errors");
}
