/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage.h - where hooks are started in order to be murdered.
 *
 * A temporary directory has what all of them read: a passwd file, container
 * states, bundles.  Each try has a scene of its own, which is a HOOK_BASE_DIR,
 * and a cast: the hooks that play in it.
 *
 * What cannot fail in a healthy system ends the process with a message, so
 * callers have no errors to pass on.  Times are nanoseconds of
 * CLOCK_MONOTONIC.
 */
#ifndef STAGE_H
#define STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SECOND INT64_C (1000000000)
#define MILLISECOND INT64_C (1000000)

/* The step that the bundles are written for. */
#define STAGE_JOB 7
#define STAGE_STEP 3
#define STAGE_TASKS 3
#define STAGE_KEY "jobid-7-stepid-3"

#define STAGE_PATH 256
#define CAST_MAX 16

struct stage {
  char dir[96];
  char hook[STAGE_PATH], shim[STAGE_PATH]; /* absolute paths */
  uid_t uid;                               /* whom the hooks become */
  gid_t gid;
};

extern struct stage stage;

/* On which nodes the tasks run. */
enum layout {
  LAYOUT_APART, /* nothing says which tasks share a node: each hook comes alone */
  LAYOUT_ONE,   /* all on one node */
  LAYOUT_FIRST, /* 0 and 1 on one node, the others on another */
  LAYOUT_LAST,  /* 0 on a node of its own, the others on another */
  LAYOUT_WHOLE_FIRST, /* the same, with one container a node */
  LAYOUT_WHOLE_LAST,
  LAYOUTS
};

extern const char *const layout_names[LAYOUTS];

/* Which node task PROCID is on, and whether it has a hook: with one container a
 * node only the first there has. */
uint32_t layout_node (enum layout layout, uint32_t procid);
bool layout_has_hook (enum layout layout, uint32_t procid);

/* A task, and the settings of its hook. */
struct role {
  uint32_t procid, tasks;
  uint32_t nodes, node; /* of the step, and the task's; no nodes: not told */
  char gtids[128];      /* the tasks of that, as Slurm lists them */
  bool whole;           /* one container a node: this hook comes for all of it */
  bool bundled;         /* config.json has all that; else the hook's environment */
  enum layout layout;
  uint32_t job;
  int64_t step;      /* -1: none, as in a container that was told only the job */
  uint32_t restarts; /* 0: not set */
  int64_t timeout;
  const char *env[8]; /* more of the hook's environment, up to a NULL */
};

struct scene {
  char base[STAGE_PATH]; /* HOOK_BASE_DIR */
  char sync[STAGE_PATH]; /* the directory of the barriers */
  unsigned actors;       /* how many hooks have been started in it */
};

/* A hook that was started. */
struct actor {
  struct role role;
  pid_t pid, runtime;    /* runtime: the process above it, 0: this process */
  int64_t started, ended;
  bool done;
  int status;            /* of waitpid(2), when done */
  char errors[STAGE_PATH]; /* the file that its stderr goes to */
};

struct cast {
  struct actor actor[CAST_MAX];
  size_t count;
};

enum actor_way {
  ACTOR_FREE,
  ACTOR_TRACED,      /* stops before its first call, traced by this process */
  ACTOR_TRACED_BELOW /* the same, with a process between it and this one */
};

enum cast_event {
  CAST_DONE,    /* all have ended */
  CAST_STOPPED, /* a traced one has stopped, or any one has ended */
  CAST_TIME     /* the time is over */
};

int64_t stage_now (void);
void stage_nap (int64_t duration);
__attribute__ ((format (printf, 1, 2), noreturn)) void stage_die (const char *format, ...);

/* Makes the stage; prints a TAP plan that skips all and exits if there is no
 * program to test.  stage_close() removes it, but not in forked processes. */
void stage_open (void);
void stage_close (void);

/* Removes PATH and what is below it. */
void stage_remove (const char *path);

void scene_make (struct scene *s, unsigned number);
void scene_remove (const struct scene *s);

/* Below the scene's directory of barriers, which is made if it is not there. */
void scene_mkdir (const struct scene *s, const char *path);
void scene_file (const struct scene *s, const char *path);
void scene_link (const struct scene *s, const char *path, const char *target);

/* The mark of RANKS in the directory WHERE of the instance of STAGE_KEY. */
void scene_mark (const struct scene *s, const char *where, const char *ranks);

/* A socket that somebody has left: nobody listens. */
void scene_socket (const struct scene *s, const char *path);

/* Moves the times of everything at and below SYNC/PATH by SECONDS. */
void scene_shift (const struct scene *s, const char *path, int64_t seconds);

/* Everything in the scene is what a hook may leave there, and belongs to the
 * user; a key's directory only if KEYS.  Else writes what is wrong to WHY and
 * returns false. */
bool scene_is_clean (const struct scene *s, bool keys, char *why, size_t size);

/* The hook of PROCID of the step that the bundles are for; or, with other TASKS,
 * of one with the same layout. */
struct role role_of (enum layout layout, uint32_t tasks, uint32_t procid, int64_t timeout);

/* The tasks of TEXT, "0-3,6" as in the name of a mark; those that the hook comes
 * for, itself or those of its node; and all of its node: as bits. */
uint64_t stage_ranks (const char *text);
uint64_t role_ranks (const struct role *r);
uint64_t role_node_ranks (const struct role *r);

/* Starts the hook of an actor whose role and errors are set. */
void actor_start (struct actor *a, const struct scene *s, enum actor_way way);

/* Starts a hook.  The cast is the one that cast_wait() will be called with. */
struct actor *cast_start (struct cast *c, struct scene *s, const struct role *r,
                          enum actor_way way);

/* Waits until all have ended, or until UNTIL; with STOPPED also until a traced
 * one has stopped or any one has ended (*STOPPED, with *STATUS). */
enum cast_event cast_wait (struct cast *c, int64_t until, struct actor **stopped, int *status);

/* Waits until all that were started have come as far as they can. */
void cast_settle (struct cast *c);

/* Kills and reaps whoever is left; returns how many that were. */
unsigned cast_end (struct cast *c);

/* The exit status, or 128 + the number of the signal that ended it. */
int actor_status (const struct actor *a);

/* What it has written to stderr; in a static buffer. */
const char *actor_errors (const struct actor *a);

/* Whether A says TEXT, or another of its node, in whose name he may be silent. */
bool cast_says (const struct cast *c, const struct actor *a, const char *text);

/* The states of everybody, for messages; in a static buffer. */
const char *cast_describe (const struct cast *c);

#endif
