/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * barrier.h - the tasks of a group meet in a directory that all of them share,
 * and go on only when all have come.
 *
 * What it promises, as long as the file system lets exactly one of two makers
 * of a name win:
 *
 *   Safety     Nobody gets MET before each of task 0 .. tasks-1 has arrived
 *              in the same barrier.
 *   Agreement  A barrier ends one way for all: everybody who is still alive
 *              gets MET, or nobody does.
 *   Progress   If all come, all get MET.  If not, all get an error by their
 *              deadline, or at most 2 s after it, since one finds out for the
 *              others who is missing; or at once if one calls the barrier off.
 *   Again      A task may come again, or twice at once, under the same key:
 *              each time is a barrier of its own.  What a killed run left
 *              behind releases nobody and holds nobody up for ever.
 *   Clean      When all have left, nothing of the barrier is left; after one
 *              that was called off, its reason stays.
 *
 * A member is one task, or all tasks of a node, whose hooks gather first
 * (gather.h).  It knows directories and sets of numbers, not Slurm.  What it is
 * on disk is written in instance.h, the steps and why each is safe in barrier.c.
 */
#pragma once

#include "failure.h"
#include "instance.h"
#include "ranks.h"
#include "waiting.h"

#include <stdbool.h>
#include <stdint.h>

/* The longest note of a mark: INSTANCE_NOTE_MAX has room for more. */
#define BARRIER_NOTE_MAX 720

struct barrier {
  int dirfd;         /* directory of the barriers, the user's own; borrowed */
  const char *where; /* its path, for messages */
  const char *key;   /* name of the barrier in it: no '/', at most 160 bytes */
  uint32_t tasks;    /* 2 or more */
  uint32_t self;     /* the own task, below that; if a node has one hook, its first */
  const struct ranks *own; /* for whom this hook comes: itself, or all tasks of its
                            * node, itself among them; borrowed.  Who has 0
                            * among them removes what is left */
  bool gathers;      /* each of these has a hook of its own; else there is this one */
  uint32_t node;     /* then: the number of the node */
  int64_t deadline;  /* of waiting_now(), or WAITING_FOREVER */
  int64_t timeout;   /* how long that is after the start, 0 if for ever */
  uint32_t nodes;    /* on how many nodes the tasks run, 0: not known */
  const char *note;  /* for those who look; not empty */
  struct waiting *waiting; /* borrowed */

  /* Set by barrier_meet(). */
  bool passed_on; /* its error is what another one said ... */
  bool leads;     /* it leads its node, */
  bool follows;   /* or follows a leader that lives */
};

/* Arrives and waits for the others.  Returns 0 when all have come, or -1:
 *
 *   EX_TEMPFAIL    somebody did not come in time, or an earlier barrier of
 *                  this task did not end in time
 *   EX_PROTOCOL    called off for another reason: by this hook, because
 *                  waiting_end_reason() had one, because one of its node has
 *                  died, or by another
 *   EX_CANTCREAT, EX_IOERR, EX_OSERR   what this hook could not do; the
 *                  others have been told, if that was possible
 *
 * Who leads comes back when its followers have left, but waits no longer for them than
 * BARRIER_LEAVE; who has task 0, when all others have, and no longer than that again. */
int barrier_meet (struct barrier *b, struct failure *f);

/* Calls the barrier off because of REASON, for a task that knows that it cannot
 * come, in its place.  Waits some seconds at most.  What cannot be done is not done: an
 * earlier barrier of this task is left alone. */
void barrier_call_off (struct barrier *b, const char *reason);

#define BARRIER_LEAVE (10 * SECOND)
