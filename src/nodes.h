/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nodes.h - which nodes a job step has, and what the notes of its members
 * say: so that somebody who is missing can be looked for.
 */
#pragma once

#include "instance.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node {
  char name[64];
  uint32_t tasks;
};

/* A note is made of words "key=value".  Copies the value of KEY to VALUE; false
 * if there is none, or if it is longer than SIZE. */
bool nodes_note_value (const char *note, const char *key, char *value, size_t size);

/* Makes *NODES of LIST ("n[1-2,07],gpu3", as in SLURM_STEP_NODELIST) and the
 * numbers of tasks in PER_NODE ("3,1(x2)", as in SLURM_STEP_TASKS_PER_NODE).
 * Returns how many they are, 0 if the two do not make sense or memory fails.
 * The caller frees *NODES, which may be NULL. */
size_t nodes_expand (const char *list, const char *per_node, struct node **nodes);

/* As long as the name of a mark, and more: who is gathered may be half a node, whose
 * numbers make no range.  What does not fit even here reads as missing. */
#define NODES_RANKS_MAX 440

/* Who has arrived, or is gathered on its node, as marks and notes say. */
struct nodes_survey {
  struct ranks there;
  struct nodes_member {
    char ranks[NODES_RANKS_MAX]; /* as text */
    uint32_t tasks;
    char node[64]; /* or the host; "" if it has no note */
    bool by_slurm; /* it is the node as Slurm calls it */
  } *members;
  size_t count;
  /* What one of them says of the step: SLURM_STEP_NODELIST, and _TASKS_PER_NODE. */
  char list[INSTANCE_NOTE_MAX], per_node[INSTANCE_NOTE_MAX];
  int64_t until; /* when to read no more notes of marks */
};

/* Lists the members of the instance IN of TASKS.  Notes of marks are read for NODES_READ at
 * most, since others wait for what comes of it: each may be a request to a file server.  -1 if it
 * fails, or memory.  In any case the caller ends with nodes_survey_free(). */
#define NODES_READ SECOND
int nodes_survey (struct nodes_survey *s, const struct instance *in, uint32_t tasks);
void nodes_survey_free (struct nodes_survey *s);

/* Writes into TEXT who is missing, as "procid 3,17-18 on n3,n7".  The nodes are those of
 * the list that have fewer tasks there than Slurm has put there; none are named if it
 * cannot be told for certain: there is no list, or one has no note.  What does not fit is
 * replaced by "...".  Returns TEXT. */
#define NODES_TEXT_MAX 380
char *nodes_tell_missing (const struct nodes_survey *s, char text[NODES_TEXT_MAX]);
