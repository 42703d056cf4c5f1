/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock.h - a file that members of a barrier lock, so that the kernel, or a file
 * server, wakes who waits when there is an outcome: not all need to look for it.
 *
 * A lock says when to look, and no more.  Where it is granted to several, or late,
 * or never, members look sooner or later than need be.
 *
 * Byte 1 is locked by who decides, byte 0 by who watches: who decides as well, or
 * who came to it before that did.  All others are blocked until byte 0 is free; who
 * watches, until byte 1 is, while it is locked.  Who has locked one lets go when it
 * has made or seen an outcome, or is killed; if its node dies, after the file
 * server's lease.
 */
#pragma once

#include "waiting.h"

#include <pthread.h>
#include <stdbool.h>

struct lock {
  struct waiting *waiting; /* borrowed: wakes when this hook is not blocked any more */
  int fd;                  /* the file, or -1 */
  bool decides, watches;   /* has locked byte 1, or 0 */
  bool blocked;            /* a thread waits for the lock of another */
  pthread_t thread;        /* then */
};

/* Goes for a lock, or is blocked; again by who watches, to be blocked when who
 * decides has come.  False if that does not work here: errno says why. */
bool lock_try (struct lock *l, bool decides);

/* Whether who was blocked is not any more. */
bool lock_is_over (struct lock *l);

/* Lets go, and closes the file; leaves errno alone.  May be called twice. */
void lock_end (struct lock *l);

/* Whether the client of the file system of DIRFD learns late that a lock is free:
 * that of NFS 4.0 asks again, after up to 30 s. */
bool lock_is_slow (int dirfd);
