/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record.h - what each hook did, as it writes it down itself, and whether that
 * keeps the promises.
 *
 * The hook runs with shim.so preloaded, which notes the few calls that count
 * in a file that it maps: a note is a store to memory, costs no system call,
 * and is still there when the hook is killed right after it.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_EVENTS 1000

enum record_what {
  RECORD_NOTHING,
  RECORD_ARRIVE,   /* makes a mark in arrival */
  RECORD_WITHDRAW, /* removes it again */
  RECORD_DEPART,   /* makes a mark in departure */
  RECORD_RELEASE,  /* makes departure as a directory */
  RECORD_OUTCOME,  /* makes departure as a link */
  RECORD_LEAD,     /* makes the socket of its node */
  RECORD_ASK,      /* tells a leader who it is */
  RECORD_JOIN,     /* hears that it was taken, */
  RECORD_LEAVE     /* or that there is nothing here for it */
};

/* Which instance: an inode number may come again, with another birth time. */
struct record_place {
  uint64_t inode, generation;
  int64_t born;
};

struct record_event {
  uint32_t what;
  int32_t result; /* 0, -errno, or RECORD_UNKNOWN: killed on the way */
  uint64_t ranks; /* in the mark's name, as bits; or who asks */
  int64_t before, after; /* CLOCK_MONOTONIC, nanoseconds */
  struct record_place place;
};

#define RECORD_UNKNOWN 1

struct record {
  uint32_t loaded;      /* the shim has seen main() begin */
  uint32_t used;        /* events */
  uint32_t allocations; /* how many there were */
  uint32_t failed;      /* how many of them were made to fail */
  struct record_event event[RECORD_EVENTS];
};

/* A hook and its record. */
struct recorded {
  uint32_t procid, tasks;
  uint64_t ranks; /* the tasks that it comes for, as bits */
  int status;     /* exit status, 128 + signal, or -1 if it never ended */
  bool murdered;  /* was sent a signal that it cannot catch */
  int64_t ended;
  const struct record *record;
};

/* Makes the file PATH for a record, which the shim of a hook is to be given as
 * MURDER_RECORD, and maps it. */
const struct record *record_make (const char *path);
/* Whether a leader has taken the hook. */
bool record_has_joined (const struct record *r);
void record_free (const struct record *r);

/* Checks all hooks of one key.  Returns true if safety, agreement and
 * exclusion hold; else WHY says what does not, and what was done in that
 * instance, by whom and when.  *BARRIERS, if not NULL, gets the number of
 * instances that were released. */
bool record_check (const struct recorded *list, size_t count, unsigned *barriers, char *why,
                   size_t size);

#endif
