/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nodes.h - which nodes a job step has, and what the notes of its members
 * say: so that somebody who is missing can be looked for.
 */
#ifndef NODES_H
#define NODES_H

#include "instance.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A note is made of words "key=value".  Copies the value of KEY to VALUE; false if there is none, or if it
 * is longer than SIZE. */
bool nodes_note_value (const char *note, const char *key, char *value, size_t size);

/* Calls VISIT with each node of LIST ("n[1-2,07],gpu3", as in
 * SLURM_STEP_NODELIST) and its number of tasks of PER_NODE ("3,1(x2)", as in
 * SLURM_STEP_TASKS_PER_NODE).  False if the two do not make sense; nodes
 * before that have been visited then. */
typedef void nodes_visit (void *context, const char *node, uint32_t tasks);
bool nodes_each (const char *list, const char *per_node, nodes_visit *visit, void *context);

/* Writes into TEXT, as "n3,n7", on which nodes tasks are missing from the
 * instance IN of TASKS: those that have fewer there, by the notes of those who
 * are, than Slurm has put there.  "" if it cannot be told for certain: one has no
 * note.  What does not fit is replaced by "...". */
char *nodes_missing (const struct instance *in, uint32_t tasks, const char *list,
                     const char *per_node, char *text, size_t size);

#endif
