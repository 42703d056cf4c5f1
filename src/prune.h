/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * prune.h - removes what killed and failed jobs have left in a user's
 * directory of barriers.
 */
#ifndef PRUNE_H
#define PRUNE_H

#include "failure.h"

#include <stdbool.h>
#include <stdint.h>

#define PRUNE_AGE_DEFAULT (INT64_C (86400) * 1000000000)

/* Waiting hooks touch their files every 20 s, so what is older than this is no
 * barrier that may be alive. */
#define PRUNE_AGE_MIN (INT64_C (120) * 1000000000)

struct prune {
  int dirfd;         /* the directory of barriers; borrowed */
  const char *where; /* its path, NULL: say nothing */
  int64_t age;       /* nanoseconds; nothing changed for this long: remains */
  unsigned most;     /* how many to remove at most, 0: no limit */
  bool dry_run;      /* only say what would be removed */
  bool failed;       /* set if something could not be removed, which is logged */
};

/* Removes what is old, and prints a line for each.  Returns how many there were,
 * or with dry_run would be; -1 and EX_IOERR if the directory cannot be read.  What
 * cannot be removed is passed over. */
int prune_run (struct prune *p, struct failure *f);

/* Reads TEXT, a number of seconds, or a number and s, m, h or d, as an age in
 * nanoseconds.  EX_USAGE for anything else, and below PRUNE_AGE_MIN. */
int prune_parse_age (const char *text, int64_t *age, struct failure *f);

/* Whether NAME is a barrier's (jobid-...), or of the remains of one (gone-...);
 * and whether it is one of these. */
bool prune_is_barrier (const char *name);
bool prune_is_remains (const char *name);

/* When something was last changed in the barrier NAME of the directory DIRFD,
 * in nanoseconds of the file server's clock: a member came, or touched its
 * file, or left.  DEPTH: how deep it is looked into, PRUNE_DEPTH for its key,
 * arrival and marks.  -1 with errno if there is none. */
#define PRUNE_DEPTH 2
int64_t prune_last_change (int dirfd, const char *name, int depth);

#endif
