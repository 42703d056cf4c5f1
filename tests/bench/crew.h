/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crew.h - the hooks of one step: processes, one for each container, that are
 * started, waited for and measured.  A process that fails ends the benchmark.
 *
 * Times are nanoseconds; since a point in time means CLOCK_MONOTONIC.
 */
#ifndef CREW_H
#define CREW_H

#include "count.h"
#include "scene.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CREW_MAX 4096

enum program {
  PROGRAM_FILE,
  PROGRAM_HOOK,
  PROGRAM_OTHER, /* another build of the hook */
  PROGRAM_POLL,
  PROGRAMS
};

enum way {
  WAY_LAST, /* all but one have come and wait, then the last is started */
  WAY_ONCE, /* all are started as fast as can be */
  WAYS
};

struct member {
  pid_t pid; /* 0: not running */
  int64_t exited;
  int64_t cpu;      /* user and system */
  long switches;    /* voluntary context switches: it slept */
  long memory;      /* peak resident set, KiB; at least the benchmark's own */
};

struct crew {
  struct scene *scene;
  const char *path[PROGRAMS]; /* NULL: not measured */
  enum program program;
  struct member members[CREW_MAX];
  struct count *counts; /* CREW_MAX, shared with the tracers of all; or NULL: no tracers */
  int64_t began, last_started, ended;
  unsigned started, running;
};

/* Set by a signal handler: the run ends. */
extern volatile sig_atomic_t crew_stop;

int64_t crew_now (void);

/* What the waiting ones use, measured from a while after they began to wait. */
struct idle {
  int64_t seconds;   /* to be measured for */
  int64_t cpu;       /* of all of them, in that time */
  int64_t cpu_worst; /* of one: the leader */
  int64_t switches;  /* of all of them */
  long peak, resident, proportional; /* KiB: largest VmHWM, mean RSS and PSS; -1: not told */
  unsigned members;
};

/* Runs the scene's hooks once.  With IDLE not NULL, and WAY_LAST, it measures
 * the waiting ones before the last is started.  With counts, the first has come
 * and waits before the others are started: so it is the leader of its node. */
void crew_run (struct crew *c, enum program program, enum way way, struct idle *idle);

/* Kills what still runs. */
void crew_kill (struct crew *c);

#endif
