/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock.h - a file that one member of a barrier locks, so that the kernel, or a file
 * server, wakes who waits when there is an outcome: not all need to look for it.
 *
 * Who has the lock watches.  It lets go when it has made or seen an outcome, or is
 * killed; if its node dies, after the file server's lease.  All others are blocked
 * until then.
 *
 * The lock says when to look, and no more.  Where it is granted to several, or late,
 * or never, members look sooner or later than need be.
 */
#pragma once

#include "waiting.h"

#include <pthread.h>
#include <stdbool.h>

struct lock {
  struct waiting *waiting; /* borrowed: wakes when this hook is not blocked any more */
  int fd;                  /* the file, or -1 */
  bool watches;            /* has the lock */
  bool blocked;            /* a thread waits until it is free */
  pthread_t thread;        /* then */
};

/* Goes for the lock, or is blocked.  False if that does not work here: errno says
 * why. */
bool lock_try (struct lock *l);

/* Whether who was blocked is not any more. */
bool lock_is_over (struct lock *l);

/* Lets go, and closes the file; leaves errno alone.  May be called twice. */
void lock_end (struct lock *l);
