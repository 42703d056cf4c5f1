/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * prune.h - removes what killed and failed jobs have left in a user's
 * directory of barriers.
 */
#pragma once

#include "failure.h"

#include <stdbool.h>
#include <stdint.h>

struct prune {
  int dirfd;         /* the directory of barriers; borrowed */
  const char *where; /* its path, NULL: say nothing */
  int64_t until;     /* no longer than this time of waiting_now(); 0: as long as it takes */
  bool dry_run;      /* only say what would be removed */
};

/* Removes what has not changed for a day, and empty remains, and prints a line for each.
 * Returns how many there were, or with dry_run would be; -1 and EX_IOERR if the directory
 * cannot be read, or one of them cannot be removed: then the others are all the same. */
int prune_run (const struct prune *p, struct failure *f);

/* Whether NAME is a barrier's (jobid-...), or of the remains of one (gone-...);
 * and whether it is one of these. */
bool prune_is_barrier (const char *name);
bool prune_is_remains (const char *name);

/* When something was last changed in the barrier NAME of the directory PARENT,
 * in nanoseconds of the file server's clock: a member came, or touched its
 * file, or left.  DEPTH: how deep it is looked into, PRUNE_DEPTH for its key,
 * arrival and marks.  -1 with errno if there is none. */
#define PRUNE_DEPTH 2
int64_t prune_last_change (int parent, const char *name, int depth);
