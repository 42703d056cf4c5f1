/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool.h - plays many scenes at once and reports them as TAP.
 *
 * A series is one kind of murder: its plays are numbered from 1 (where to
 * strike), until there is nothing more to strike at.  Each play has a process
 * of its own, so that it can trace, and wait for, nobody but its own hooks.
 */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>
#include <stddef.h>

/* What a play found.  A new one has passed. */
struct verdict {
  enum verdict_what { PLAY_PASSED, PLAY_FAILED, PLAY_AGAIN } what;
  bool unreached; /* there was nothing to strike at */
  unsigned count; /* of what the series counts, 1 if not set */
  char text[3000];
};

struct series {
  char name[160];
  int kind[6];    /* the program's own */
  unsigned last;  /* how many plays there are; 0: until some strike at nothing */
  bool stopped;   /* the pool's from here on */
  unsigned next, running, unreached, counted, failed, again;
};

typedef void pool_play (const struct series *series, unsigned number, struct verdict *v);

/* Makes the verdict FAILED, with the first text that it gets; or AGAIN: what
 * was to be tried did not come to pass, since the machine was too slow. */
__attribute__ ((format (printf, 2, 3))) void verdict_fail (struct verdict *v, const char *format,
                                                           ...);
__attribute__ ((format (printf, 2, 3))) void verdict_again (struct verdict *v, const char *format,
                                                            ...);

/* The options that these programs have in common: --jobs=N plays at once,
 * --only=TEXT in the name of a series, --number=N, one play of each, --full,
 * which is returned.  Others end the process. */
bool pool_options (int argc, char **argv, unsigned at_once);

/* A number, different for all plays, to name a scene by. */
unsigned pool_scene (void);

/* Plays all, prints one test line a series, the plan and how many THINGS there
 * were.  Returns the exit status. */
int pool_run (struct series *list, size_t count, pool_play *play, const char *things);

#endif
