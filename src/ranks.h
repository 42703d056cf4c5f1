/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ranks.h - a set of the numbers 0 .. count-1 (procids of a job step), and such
 * sets as text: "0-127", "0-126:2", "0,2-5", as cpulists have them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ranks {
  uint32_t count;   /* how many numbers there are */
  uint32_t present; /* how many of them are in the set */
  uint64_t *bits;
};

/* More tasks than this no step has: a number that is no mistake is below it. */
#define RANKS_MAX (UINT32_C (1) << 24)

/* Makes an empty set of numbers below COUNT.  Returns 0, or -1 with errno
 * ENOMEM.  ranks_free() gives the memory back and may be called twice. */
int ranks_init (struct ranks *set, uint32_t count);
void ranks_free (struct ranks *set);

/* RANK must be below the set's count. */
bool ranks_has (const struct ranks *set, uint32_t rank);
void ranks_add (struct ranks *set, uint32_t rank);
void ranks_add_all (struct ranks *set, const struct ranks *others); /* of the same count */
void ranks_clear (struct ranks *set);
bool ranks_full (const struct ranks *set);

/* The first number at or after FROM that is PRESENT in SET, or is not; its count if
 * there is none. */
uint32_t ranks_next (const struct ranks *set, uint32_t from, bool present);

/* Adds the numbers of TEXT to SET; whether all of them are in SET.  False, and
 * nothing is added, if TEXT makes no sense: it has numbers from the set's count
 * on, or not in ascending order, or anything else in it. */
bool ranks_add_text (struct ranks *set, const char *text);
bool ranks_has_text (const struct ranks *set, const char *text);

/* Writes the numbers of SET from *FROM on into TEXT, as many as fit into SIZE, at
 * least 48, and moves *FROM behind them.  False if there was none: so a loop
 * writes a set in as many pieces as it takes, each the same every time. */
bool ranks_next_text (const struct ranks *set, uint32_t *from, char *text, size_t size);

/* Writes the numbers that are missing from SET into TEXT in the same way:
 * "17,40-41".  What does not fit is replaced by "...".  Returns
 * TEXT; SIZE must be at least 8. */
char *ranks_missing (const struct ranks *set, char *text, size_t size);
