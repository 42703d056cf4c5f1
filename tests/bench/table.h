/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table.h - what was measured, as lines for people and as JSON lines.
 */
#ifndef TABLE_H
#define TABLE_H

#include "crew.h"

#include <stddef.h>
#include <stdio.h>

#define TABLE_REPS_MAX 99

enum value {
  VALUE_MEDIAN, /* last start to exit: of the hooks, ms */
  VALUE_P99,
  VALUE_WORST,
  VALUE_WALL,     /* first start to last exit, ms */
  VALUE_CPU,      /* a hook, ms */
  VALUE_MEMORY,   /* peak of a hook, KiB */
  VALUE_SLEEPS,   /* voluntary context switches a hook */
  VALUE_CPU_FILE, /* ratio to bench_file, of the same repetition */
  VALUE_WALL_FILE,
  VALUE_WORST_POLL, /* ratio of bench_poll to this */
  VALUE_CPU_POLL,
  VALUES
};

/* All repetitions of one number of tasks, in one way. */
struct series {
  unsigned tasks, nodes, hooks, reps;
  enum way way;
  bool has[PROGRAMS];
  double calls[PROGRAMS], changes[PROGRAMS]; /* system calls a hook; 0: not counted */
  double value[PROGRAMS][VALUES][TABLE_REPS_MAX];
  double foreign; /* share of the machine's CPU time that others used */
};

/* Takes the figures of the run that C has just made as repetition REP. */
void table_take (struct series *s, const struct crew *c, unsigned rep);
/* Takes the system calls that C has just counted in all its hooks. */
void table_take_counts (struct series *s, const struct crew *c);
/* When all programs have run repetition REP. */
void table_compare (struct series *s, unsigned rep);

double table_median (const struct series *s, enum program program, enum value value);
/* (greatest - least) / median of all repetitions. */
double table_spread (const struct series *s, enum program program, enum value value);
/* Whether the figures should not be trusted. */
bool table_is_noisy (const struct series *s);

/* The machine, and what the numbers mean. */
void table_print_machine (const struct scene *scene, unsigned reps, FILE *json);
void table_print_head (const char *title);
void table_print (const struct series *s, FILE *json);
/* Of the run of a step on one node that C has just counted: the hook that came
 * first and leads, and the middle one of the others. */
void table_print_counts (const struct crew *c, FILE *out, FILE *json);
void table_print_idle (enum program program, const struct idle *idle, FILE *json);

/* One figure to reach. */
void table_print_goal (const char *what, double measured, double goal, const char *unit,
                       FILE *json);

#endif
