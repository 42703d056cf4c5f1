/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slurm_env.h - what Slurm tells a task of itself, in SLURM_* variables.
 *
 * Wherever the values come from, the user can forge them: they name a barrier of
 * his own and never a right.  Each value is checked against its own alphabet before
 * it becomes part of a path.
 */
#pragma once

#include "container.h"
#include "failure.h"
#include "ranks.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct slurm_task {
  uint32_t job;
  uint32_t step; /* only if has_step: a bare three variables have none */
  bool has_step;
  uint32_t restarts;  /* of the job, 0: none, or not told */
  char cluster[64];   /* "" if not told */
  uint32_t tasks;     /* of the step, 1 .. RANKS_MAX */
  uint32_t procid;    /* below tasks */
  uint32_t nodes;     /* of the step, 0 if not told */
  bool first_on_node; /* SLURM_LOCALID is 0 or not told */
  uint32_t node_id;   /* SLURM_NODEID: the number of the node in the step; -1 if not told */
  struct ranks local; /* the tasks of this node, this one among them; none at all
                       * if it cannot be told: SLURM_GTIDS, a hint as well.  Owned,
                       * ranks_free() */
  pid_t pid;     /* SLURM_TASK_PID, a hint: the process above the containers; 0 if not told */
  uid_t uid;     /* SLURM_JOB_UID, a hint and no more; -1 if not told */
  char node[64]; /* SLURMD_NODENAME, or by SLURM_NODEID; "" if not told */
  char node_list[256];      /* SLURM_STEP_NODELIST, "" if not told or longer */
  char tasks_per_node[128]; /* SLURM_STEP_TASKS_PER_NODE, the same */
};

enum slurm_env_result {
  SLURM_ENV_FAILED = -1,
  SLURM_ENV_TASK = 0,   /* a task of a parallel step: *task is filled */
  SLURM_ENV_NO_TASK = 1, /* not a task: nothing to synchronise, as it should be */
  SLURM_ENV_ABSENT = 2   /* nothing names the task: perhaps it was not passed on */
};

/* Reads the task from the first of these that has all the variables that are
 * needed (SLURM_JOB_ID, SLURM_PROCID, and SLURM_STEP_NUM_TASKS or SLURM_NTASKS,
 * or their older names), never from a mix: the container's, the hook's own, the
 * environment of the runtime that started it, and that of the runtime's parent.
 * An empty value is as if it were not set; a hint that makes no sense is passed
 * over.  EX_DATAERR for any other value that makes no sense; EX_CONFIG if
 * nothing names the task, the container has ASKED for the hook, and the kernel
 * says that this is a job step.  For NO_TASK and ABSENT f->text says why, and
 * f->status is 0.  The hook's own environment is cleared. */
enum slurm_env_result slurm_env_read (struct slurm_task *task, const struct container *c,
                                      bool asked, struct failure *f);

/* The name of the step's barrier: jobid-J[-stepid-S][-restart-R][-cluster-C].
 * At most SLURM_KEY_MAX bytes with the final NUL. */
#define SLURM_KEY_MAX 160
void slurm_env_key (const struct slurm_task *task, char key[SLURM_KEY_MAX]);
