/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nodes.h - which nodes a job step has, and what its members have written
 * down of themselves: so that somebody who is missing can be looked for.
 */
#ifndef NODES_H
#define NODES_H

#include "ranks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a member that waits writes into its file in arrival: "key=value" words,
 * ended by a newline. */
#define NODES_NOTE_MAX 768

/* Copies the value of KEY in NOTE to VALUE; false if there is none, or if it
 * is longer than SIZE. */
bool nodes_note_value (const char *note, const char *key, char *value, size_t size);

/* Reads the note of member RANK, whose file is in the directory ARRIVAL.
 * False if it has none (yet). */
bool nodes_note_read (int arrival, uint32_t rank, char note[NODES_NOTE_MAX]);

/* Calls VISIT with each node of LIST ("n[1-2,07],gpu3", as in
 * SLURM_STEP_NODELIST) and its number of tasks of PER_NODE ("3,1(x2)", as in
 * SLURM_STEP_TASKS_PER_NODE).  False if the two do not make sense; nodes
 * before that have been visited then. */
typedef void nodes_visit (void *context, const char *node, uint32_t tasks);
bool nodes_each (const char *list, const char *per_node, nodes_visit *visit, void *context);

/* Writes into TEXT, as "n3,n7", on which nodes members are missing: those that
 * have fewer members in ARRIVED with a note than Slurm has put there.  "" if
 * it cannot be told for certain: a member that arrived has no note.  What does
 * not fit is replaced by "...". */
char *nodes_missing (int arrival, const struct ranks *arrived, const char *list,
                     const char *per_node, char *text, size_t size);

#endif
