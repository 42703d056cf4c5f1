/* SPDX-License-Identifier: BSD-3-Clause */
#include "waiting.h"

#include "process.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* podman gives conmon its socket as this descriptor (_OCI_SYNCPIPE). */
#define CONMON_SOCKET 3

static volatile sig_atomic_t end_signal;

static void
waiting_on_signal (int number)
{
  end_signal = number;
}

int64_t
waiting_now (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return nanoseconds (&t);
}

static int
waiting_pidfd (pid_t pid)
{
  return pid > 0 ? (int) syscall (CALL_PIDFD_OPEN, pid, 0) : -1;
}

void
waiting_start (struct waiting *w)
{
  static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
  const struct sigaction action = { .sa_handler = waiting_on_signal };
  sigset_t set;

  (void) sigemptyset (&set);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    (void) sigaddset (&set, signals[i]);
  (void) sigprocmask (SIG_SETMASK, &set, NULL);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    (void) sigaction (signals[i], &action, NULL);

  /* In a pid namespace of the container's own (runc, createContainer) the
   * parent is outside and has no number: getppid(2) says 0 until it dies. */
  w->parent = getppid ();
  w->parent_fd = waiting_pidfd (w->parent);
  w->podman_fd = w->task_fd = w->lock_fd = -1;
  w->gone = NULL;
  w->deaf = false;
  w->noise = (uint32_t) getpid () * 2654435761U + (uint32_t) waiting_now ();
  end_signal = 0;
}

/* Whether the process PID is conmon, and whoever we are is its owner: a user's
 * process can have any name and any descriptor, and the runtime as its child if
 * that is started by a program that is set-user-ID. */
static bool
waiting_is_conmon (pid_t pid)
{
  char text[64];
  struct stat st;

  if (!process_read (pid, "comm", text, sizeof text) || strcmp (text, "conmon\n") != 0)
    return false;
  (void) snprintf (text, sizeof text, "/proc/%d", (int) pid);
  return stat (text, &st) == 0 && st.st_uid == geteuid ();
}

/* A descriptor that can be read when the other end of the socket FD is closed,
 * and that is good for nothing else: who has become the user has no use for a
 * socket between two programs of root's.  An epoll(7) set goes on telling of a
 * file after its descriptor here is closed, as long as others have it open. */
static int
waiting_for_hangup (int fd)
{
  struct epoll_event unasked = { 0 }; /* EPOLLHUP is told unasked */
  int set = epoll_create1 (EPOLL_CLOEXEC);

  if (set >= 0 && epoll_ctl (set, EPOLL_CTL_ADD, fd, &unasked) != 0)
    close_one (&set);
  return set;
}

void
waiting_watch_podman (struct waiting *w)
{
  pid_t conmon = w->parent > 0 ? process_parent (w->parent) : 0;
  int type = 0;
  socklen_t size = sizeof type;

  /* The descriptor first: then the number is that of no other process. */
  int pidfd = waiting_pidfd (conmon);
  if (pidfd < 0)
    return;
  int fd
    = waiting_is_conmon (conmon) ? (int) syscall (CALL_PIDFD_GETFD, pidfd, CONMON_SOCKET, 0) : -1;
  close_one (&pidfd);
  if (fd >= 0 && getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
    w->podman_fd = waiting_for_hangup (fd);
  close_one (&fd);
}

void
waiting_watch_task (struct waiting *w, pid_t task)
{
  char self[16] = "", name[32];

  /* In createContainer the hook can be in the container's pid namespace and still
   * see the host's /proc: there a pidfd would be somebody else's. */
  if (w->podman_fd >= 0 || readlink ("/proc/self", self, sizeof self - 1) <= 0
      || strtol (self, NULL, 10) != getpid ())
    return;
  int fd = waiting_pidfd (task);
  /* The user can say any number. */
  if (fd >= 0 && process_read (process_parent (task), "comm", name, sizeof name)
      && strcmp (name, "slurmstepd\n") == 0)
    w->task_fd = fd;
  else
    close_one (&fd);
}

/* One ppoll(2), at most until UNTIL, which may have passed already.  Returns
 * whether FD, or a lock, has something to say. */
static bool
waiting_poll (struct waiting *w, int64_t until, int fd)
{
  static const char *const gone[]
    = { "the runtime that started the hook is gone", "podman is gone", "the Slurm task has ended" };
  struct pollfd fds[] = {
    { .fd = fd, .events = POLLIN }, /* ppoll passes over an fd of -1 */
    { .fd = w->lock_fd, .events = POLLIN },
    { .fd = w->parent_fd, .events = POLLIN },
    { .fd = w->podman_fd, .events = POLLIN },
    { .fd = w->task_fd, .events = POLLIN },
  };
  int64_t now = waiting_now ();
  sigset_t inside;

  if (w->parent_fd < 0 && until > now + SECOND)
    until = now + SECOND;
  const int64_t left = until > now ? until - now : 0;
  const struct timespec rest = { .tv_sec = left / SECOND, .tv_nsec = left % SECOND };
  (void) sigemptyset (&inside);
  int ready = ppoll (fds, w->deaf ? 2 : 5, until == WAITING_FOREVER ? NULL : &rest, &inside);
  for (int i = 2; ready > 0 && i >= 0; i--)
    w->gone = fds[2 + i].revents != 0 ? gone[i] : w->gone;
  if (w->parent_fd < 0 && getppid () != w->parent)
    w->gone = gone[0];
  return ready > 0 && (fds[0].revents != 0 || fds[1].revents != 0);
}

const char *
waiting_end_reason (const struct waiting *w)
{
  if (w->deaf)
    return NULL;
  if (end_signal != 0)
    return end_signal == SIGTERM  ? "got SIGTERM"
           : end_signal == SIGINT ? "got SIGINT"
                                  : "got SIGHUP";
  return w->gone;
}

enum wake
waiting_sleep (struct waiting *w, int64_t until, int fd)
{
  while (waiting_end_reason (w) == NULL)
    {
      bool ready = waiting_poll (w, until, fd);
      if (waiting_end_reason (w) != NULL)
        break;
      if (ready)
        return WAKE_READY;
      if (until <= waiting_now ())
        return WAKE_TIME;
    }
  return WAKE_END;
}

int64_t
waiting_interval (struct waiting *w, int64_t waited, int64_t longest)
{
  int64_t t = waited / 16;

  if (t < 2 * MILLISECOND)
    t = 2 * MILLISECOND;
  t = earlier (t, longest);
  w->noise = w->noise * 1664525U + 1013904223U; /* Numerical Recipes' generator */
  return t + t / 8 * ((int64_t) (w->noise >> 16) - 32768) / 32768;
}
