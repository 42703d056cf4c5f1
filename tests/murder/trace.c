/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#ifdef __x86_64__
#include <sys/user.h>
#endif
#include <sys/wait.h>

#define LIMIT (60 * SECOND)

/* The first number of what hooks say to each other, and of a leader the second:
 * see src/gather.c. */
#define GATHER_VERSION 0x53594e31
#define GATHER_TAKEN 1

/* All keys begin with this. */
#define KEY "jobid-"

static const struct
{
  long nr;
  const char *name;
} trace_names[] = {
#define CALL(name) { SYS_##name, #name }
  CALL (openat),     CALL (openat2),   CALL (read),       CALL (write),    CALL (close),
  CALL (newfstatat), CALL (mkdirat),   CALL (mknodat),    CALL (linkat),   CALL (symlinkat),
  CALL (unlinkat),   CALL (renameat),  CALL (readlinkat), CALL (utimensat), CALL (getdents64),
  CALL (fstatfs),    CALL (fcntl),     CALL (ppoll),      CALL (prctl),    CALL (capset),
  CALL (capget),     CALL (setresuid), CALL (setresgid),  CALL (setgroups), CALL (getresuid),
  CALL (getresgid),  CALL (mmap),      CALL (brk),        CALL (munmap),   CALL (mprotect),
  CALL (getrandom),  CALL (pidfd_open), CALL (rt_sigaction), CALL (rt_sigprocmask), CALL (chdir),
  CALL (prlimit64),  CALL (close_range), CALL (socket),   CALL (connect),  CALL (sendto),
  CALL (lseek),      CALL (uname),     CALL (ioctl),      CALL (fchmod),   CALL (faccessat),
  CALL (faccessat2), CALL (getpid),    CALL (getppid),    CALL (geteuid),  CALL (getegid),
  CALL (exit_group), CALL (statx),     CALL (clock_nanosleep), CALL (umask),  CALL (execve),
  CALL (fstat),      CALL (fchmodat),  CALL (pread64),    CALL (statfs), CALL (getrusage),
  CALL (bind),       CALL (listen),    CALL (accept4),    CALL (recvfrom), CALL (shutdown),
  CALL (getsockopt), CALL (epoll_create1), CALL (epoll_ctl), CALL (epoll_pwait), CALL (fchdir),
  CALL (fsync),      CALL (eventfd2),  CALL (clone),    CALL (futex),    CALL (tgkill),
#ifdef SYS_clone3
  CALL (clone3),
#endif
#ifdef __x86_64__
  CALL (access),     CALL (readlink),  CALL (epoll_wait),
#endif
#undef CALL
};

const char *
trace_name (long nr)
{
  static char number[32];

  for (size_t i = 0; i < sizeof trace_names / sizeof *trace_names; i++)
    if (trace_names[i].nr == nr)
      return trace_names[i].name;
  (void) snprintf (number, sizeof number, "call %ld", nr);
  return number;
}

static long
trace_request (int request, struct trace *t, void *address, void *data)
{
  return ptrace ((enum __ptrace_request) request, t->actor->pid, address, data);
}

/* Waits for its next stop and returns the wait status; -1: it has ended. */
static int
trace_wait (struct trace *t)
{
  struct actor *who = NULL;
  int status = 0;

  while (who != t->actor)
    {
      enum cast_event event = cast_wait (t->cast, t->limit, &who, &status);

      if (event == CAST_DONE || t->actor->done)
        return -1;
      if (event == CAST_TIME)
        stage_die ("a traced hook did not come to its next system call");
    }
  return status;
}

/* Lets it run to its next stop at a system call; -1: it has ended. */
static int
trace_run (struct trace *t)
{
  unsigned long deliver = 0;

  for (;;)
    {
      /* It may be dead already, by SIGKILL: then the wait tells. */
      (void) trace_request (PTRACE_SYSCALL, t, NULL, (void *) deliver);
      int status = trace_wait (t);
      if (status < 0)
        return -1;
      deliver = 0;
      if (WSTOPSIG (status) == (SIGTRAP | 0x80))
        {
          if (trace_request (PTRACE_GET_SYSCALL_INFO, t, (void *) sizeof t->info, &t->info) <= 0)
            continue;
          return 0;
        }
      if (status >> 16 == 0)
        deliver = (unsigned long) WSTOPSIG (status);
    }
}

void
trace_start (struct trace *t, struct cast *c, struct actor *actor, enum trace_from from,
             bool effects)
{
  *t = (struct trace){ .cast = c,
                       .actor = actor,
                       .from = from,
                       .effects = effects,
                       .counts = from == TRACE_START,
                       .limit = stage_now () + LIMIT };
  (void) trace_wait (t);       /* it has become the hook */
  (void) trace_run (t); /* and execve(2) returns */
}

/* Reads SIZE bytes of the actor's at ADDRESS. */
static bool
trace_peek (const struct trace *t, uint64_t address, void *to, size_t size)
{
  struct iovec here = { to, size }, there = { (void *) (uintptr_t) address, size };

  return process_vm_readv (t->actor->pid, &here, 1, &there, 1, 0) == (ssize_t) size;
}

/* The barrier begins, or begins anew, when the key is opened, without its
 * contents. */
static bool
trace_is_at_key (const struct trace *t)
{
  char name[sizeof KEY - 1];

  return t->call == SYS_openat && (t->info.entry.args[2] & O_PATH) != 0
         && trace_peek (t, t->info.entry.args[1], name, sizeof name)
         && memcmp (name, KEY, sizeof name) == 0;
}

/* Whether call NR changes what others can see, or waits for them.  Who ends
 * between two of these might as well have ended before the second. */
static bool
trace_has_effect (long nr)
{
  static const long calls[] = {
    SYS_mkdirat, SYS_symlinkat, SYS_linkat, SYS_unlinkat, SYS_renameat, SYS_utimensat,
    SYS_bind,    SYS_listen,  SYS_connect,   SYS_accept4,  SYS_sendto,   SYS_recvfrom,  SYS_shutdown,
    SYS_ppoll,   SYS_exit_group,
  };

  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
    if (calls[i] == nr)
      return true;
  return false;
}

/* What it has done at the socket of its node, now that its call returns RESULT. */
static void
trace_follow (struct trace *t, const uint64_t args[6], int64_t result)
{
  uint32_t said[2];

  if (t->call == SYS_bind && result == 0)
    t->leads = true;
  if (t->call != SYS_sendto || result <= (int64_t) sizeof said
      || !trace_peek (t, args[1], said, sizeof said) || said[0] != GATHER_VERSION)
    return;
  t->asked = t->asked || !t->leads;
  t->taken += t->leads && said[1] == GATHER_TAKEN ? 1 : 0;
}

long
trace_enter (struct trace *t)
{
  uint64_t args[6];

  memcpy (args, t->info.entry.args, sizeof args);
  do
    {
      if (trace_run (t) != 0)
        return -1;
      if (t->info.op == PTRACE_SYSCALL_INFO_EXIT)
        trace_follow (t, args, t->info.exit.rval);
    }
  while (t->info.op != PTRACE_SYSCALL_INFO_ENTRY);
  t->call = (long) t->info.entry.nr;
  if (trace_is_at_key (t))
    {
      t->barrier = true;
      t->leads = t->asked = false;
      t->taken = 0;
    }
  /* main() sets signals first. */
  t->counts = t->counts || (t->from == TRACE_MAIN && t->call == SYS_rt_sigaction)
              || (t->from == TRACE_BARRIER && t->barrier);
  t->number += t->counts && (!t->effects || trace_has_effect (t->call)) ? 1 : 0;
  t->sleeps = t->call == SYS_ppoll;
  return t->call;
}

bool
trace_leave (struct trace *t)
{
  return trace_run (t) == 0 && t->info.op == PTRACE_SYSCALL_INFO_EXIT;
}

#ifdef __x86_64__
static void
trace_set (struct trace *t, bool skip, long result)
{
  struct user_regs_struct registers;

  if (trace_request (PTRACE_GETREGS, t, NULL, &registers) != 0)
    stage_die ("cannot read the registers of a traced hook");
  if (skip)
    registers.orig_rax = (unsigned long) -1;
  else
    registers.rax = (unsigned long) result;
  if (trace_request (PTRACE_SETREGS, t, NULL, &registers) != 0)
    stage_die ("cannot set the registers of a traced hook");
}
#else
static void
trace_set (struct trace *t, bool skip, long result)
{
  (void) t;
  (void) skip;
  (void) result;
  trace_need_registers ();
}
#endif

void
trace_need_registers (void)
{
#ifndef __x86_64__
  printf ("1..0 # SKIP only the registers of x86-64 are known\n");
  exit (77);
#endif
}

void
trace_skip (struct trace *t)
{
  trace_set (t, true, 0);
}

void
trace_return (struct trace *t, long result)
{
  trace_set (t, false, result);
}

void
trace_end (struct trace *t, int signal)
{
  (void) trace_request (PTRACE_DETACH, t, NULL, (void *) (unsigned long) signal);
}
