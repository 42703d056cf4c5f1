/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * barrier.h - the members of a group meet in a directory that all of them
 * share, and go on only when all have come.
 *
 * What it promises, as long as the file system lets exactly one of two makers
 * of a name win:
 *
 *   Safety     Nobody gets MET before each of member 0 .. members-1 has arrived
 *              in the same barrier.
 *   Agreement  A barrier ends one way for all: everybody who is still alive
 *              gets MET, or nobody does.
 *   Progress   If all come, all get MET.  If not, all get an error by their
 *              deadline, or at once if one calls the barrier off.
 *   Again      A member may come again, or twice at once, under the same key:
 *              each time is a barrier of its own.  What a killed run left
 *              behind releases nobody and holds nobody up for ever.
 *   Clean      When all have left, nothing of the barrier is left; after one
 *              that was called off, its reason stays.
 *
 * It knows directories and numbers, not Slurm.  What it is on disk is written
 * in instance.h, the steps and why each is safe in barrier.c.
 */
#ifndef BARRIER_H
#define BARRIER_H

#include "failure.h"
#include "ranks.h"
#include "waiting.h"

#include <stdbool.h>
#include <stdint.h>

struct barrier {
  int dirfd;         /* directory of the barriers, the user's own; borrowed */
  const char *where; /* its path, for messages */
  const char *key;   /* name of the barrier in it: no '/', at most 160 bytes */
  uint32_t members;  /* 1 or more */
  uint32_t self;     /* below members; 0 decides for all */
  int64_t deadline;  /* of waiting_now(), or WAITING_FOREVER */
  int64_t timeout;   /* how long that is after the start, 0 if for ever */
  uint32_t nodes;    /* how many kernels the members run on, 0: not known */
  bool first_on_node; /* looks often, and wakes the others of its node */
  const char *note;  /* written into the member's file for those who look */
  struct waiting *waiting; /* borrowed */

  /* Says more of who is missing than their numbers: writes it into TEXT, to
   * stand behind them.  ARRIVAL is the directory of the files of those in
   * ARRIVED.  May be NULL. */
  void (*explain) (void *context, int arrival, const struct ranks *arrived, char *text,
                   size_t size);

  /* Member 0 after a release: LAST arrived last, SPREAD nanoseconds after the
   * first; the files of all are in the directory DEPARTURE.  May be NULL. */
  void (*released) (void *context, int departure, uint32_t last, int64_t spread);
  void *context; /* of these two */

  /* Set by barrier_meet(). */
  bool passed_on; /* its error is what another member said */
  unsigned voids; /* how often this member found left-overs */
};

/* Arrives and waits for the others.  Returns 0 when all have come, or -1:
 *
 *   EX_TEMPFAIL    somebody did not come in time, or an earlier barrier of
 *                  this member did not end in time
 *   EX_PROTOCOL    called off for another reason: by this member, because
 *                  waiting_end_reason() had one, or by another
 *   EX_CANTCREAT, EX_IOERR, EX_OSERR   what this member could not do; the
 *                  others have been told, if that was possible
 *
 * Member 0 comes back when the others have left, too, but no later than
 * BARRIER_LEAVE after the release. */
int barrier_meet (struct barrier *b, struct failure *f);

/* Calls the barrier off because of REASON, for a member that knows that it
 * cannot come, in its place.  Does not wait.  What cannot be done is not done:
 * an earlier barrier of this member is left alone. */
void barrier_call_off (struct barrier *b, const char *reason);

#define BARRIER_LEAVE (10 * SECOND)

#endif
