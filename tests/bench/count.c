/* SPDX-License-Identifier: BSD-3-Clause */
#include "count.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
/* After sys/ptrace.h, which would not have its names taken. */
#include <linux/ptrace.h>

#define TRACE_SYSCALL_STOP (SIGTRAP | 0x80)

static bool
is_one_of (uint64_t number, const long *list, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if ((uint64_t) list[i] == number)
      return true;
  return false;
}

static bool
is_change (uint64_t number, const __u64 *arguments)
{
  static const long changes[] = {
    SYS_mkdirat, SYS_mknodat, SYS_linkat, SYS_unlinkat, SYS_symlinkat, SYS_renameat2, SYS_utimensat,
    SYS_fchmod, SYS_bind,
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_mkdir
    SYS_mkdir, SYS_unlink, SYS_rmdir, SYS_rename, SYS_link, SYS_symlink, SYS_mknod,
#endif
  };

  if (number == SYS_openat)
    return (arguments[2] & O_CREAT) != 0;
  return is_one_of (number, changes, sizeof changes / sizeof *changes);
}

static bool
is_sleep (uint64_t number)
{
  static const long sleeps[] = {
    SYS_ppoll, SYS_pselect6, SYS_nanosleep, SYS_clock_nanosleep, SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend, SYS_epoll_pwait,
#ifdef SYS_poll
    SYS_poll, SYS_select, SYS_pause, SYS_epoll_wait,
#endif
  };

  return is_one_of (number, sleeps, sizeof sleeps / sizeof *sleeps);
}

static void
count_stop (pid_t pid, struct count *count)
{
#ifdef PTRACE_GET_SYSCALL_INFO
  struct ptrace_syscall_info info;

  if (ptrace ((enum __ptrace_request) PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0)
    return;
  count->known = true;
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
    return;
  count->calls++;
  count->changes += is_change (info.entry.nr, info.entry.args);
  count->sleeps += is_sleep (info.entry.nr);
#else
  (void) pid;
  (void) count;
#endif
}

int
count_run (char *const argv[], char *const envp[], struct count *count)
{
  int status, signal_number = 0;

  *count = (struct count){ 0 };
  pid_t pid = fork ();
  if (pid == 0)
    {
      if (ptrace (PTRACE_TRACEME, 0, NULL, NULL) == 0)
        (void) execve (argv[0], argv, envp);
      _exit (127);
    }
  /* The first stop is the one after execve(2). */
  if (pid < 0 || waitpid (pid, &status, 0) != pid || !WIFSTOPPED (status))
    _exit (127);
  count->pid = pid;
  (void) ptrace (PTRACE_SETOPTIONS, pid, NULL,
                 (void *) (uintptr_t) (PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
  while (ptrace (PTRACE_SYSCALL, pid, NULL, (void *) (uintptr_t) signal_number) == 0)
    {
      while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
        ;
      if (!WIFSTOPPED (status))
        break;
      signal_number = WSTOPSIG (status) == TRACE_SYSCALL_STOP ? 0 : WSTOPSIG (status);
      if (WSTOPSIG (status) == TRACE_SYSCALL_STOP)
        count_stop (pid, count);
    }
  return status;
}
