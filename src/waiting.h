/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waiting.h - sleep until a socket has something to say, until a time, or until
 * there is a reason to give up.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define SECOND INT64_C (1000000000)
#define MILLISECOND INT64_C (1000000)
#define WAITING_FOREVER INT64_MAX

struct waiting {
  pid_t parent;   /* who started the hook: the runtime */
  int parent_fd;  /* pidfd of it, or -1: then getppid(2) is asked each second */
  int podman_fd;  /* can be read when podman is gone; or -1 */
  int task_fd;    /* pidfd of the Slurm task, or -1 */
  int lock_fd;    /* can be read when a lock is to be had (lock.h), or -1 */
  const char *gone; /* which of them waiting_sleep() has seen end, in words, or NULL */
  bool deaf;        /* set by who has something left to do: hears of no reason to give up */
  uint32_t noise;   /* for jitter */
};

enum wake {
  WAKE_TIME,  /* the time has come */
  WAKE_READY, /* the descriptor has something to say */
  WAKE_END    /* waiting_end_reason() has something to say */
};

int64_t waiting_now (void);

static inline int64_t
nanoseconds (const struct timespec *t)
{
  return t->tv_sec * SECOND + t->tv_nsec;
}

static inline int64_t
earlier (int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* Installs the handlers, makes SIGTERM, SIGINT and SIGHUP the blocked
 * signals (waiting_sleep() alone lets them in) and remembers the parent.
 * Called once, as early as can be: a parent that is gone before goes unnoticed.
 * Cannot fail: without pidfd_open(2), Linux 5.3, getppid(2) is polled. */
void waiting_start (struct waiting *w);

/* Watches podman, too, if that is who wants the container.  It is no ancestor of
 * the hook: the runtime's parent is conmon, which lives on when podman dies, as
 * the hook would.  But conmon has a socket to podman, as descriptor 3, which
 * tells of the end (pidfd_getfd(2), Linux 5.6).  Called with the runtime's
 * rights, before they are given up.  Cannot fail: without it, and where
 * anything looks different, podman is not watched. */
void waiting_watch_podman (struct waiting *w);

/* Watches the Slurm task, too, where podman is not: the process TASK, if that is a
 * child of slurmstepd.  Cannot fail, as above. */
void waiting_watch_task (struct waiting *w, pid_t task);

/* Sleeps until UNTIL at most, or until FD can be read or is hung up; with an FD
 * of -1 only until UNTIL; or until a lock is to be had. */
enum wake waiting_sleep (struct waiting *w, int64_t until, int fd);

/* Why the hook should give up: a signal, or the end of podman, of the runtime that
 * started it or of its Slurm task, in words; NULL if there is none. */
const char *waiting_end_reason (const struct waiting *w);

/* How long to sleep between two looks, having waited WAITED: a sixteenth of
 * that, at least 2 ms, at most LONGEST, and up to an eighth more or less at
 * random. */
int64_t waiting_interval (struct waiting *w, int64_t waited, int64_t longest);
