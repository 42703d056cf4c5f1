/* SPDX-License-Identifier: BSD-3-Clause */
#include "slurm_env.h"

#include "log.h"
#include "nodes.h"
#include "process.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* slurm.h: SLURM_MAX_NORMAL_STEP_ID; what is above are the batch script, the
 * extern and the interactive step, and steps that are not there yet. */
#define STEP_MAX_NORMAL UINT32_C (0xfffffff0)

/* As in json_text.c: more is too long for execve(2), usually. */
#define ENVIRONMENT_MAX ((size_t) 2 << 20)

/* What the names of nodes and clusters are made of. */
#define NAME "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

/* What is read.  Of several names the first that is there counts: newer ones come
 * before older ones.  SLURM_STEP_NUM_TASKS is always the step's; `srun
 * --preserve-env` leaves SLURM_NTASKS at what it was outside of the step. */
enum { JOB, STEP, TASKS, PROCID, RESTARTS, CLUSTER, NODES, NODE_ID, NODE_NAME, NODE_LIST,
       TASKS_PER_NODE, LOCAL_ID, LOCAL_TASKS, TASK_PID, UID, HET_SIZE, SUBMIT_DIR,
       JOB_NODE_LIST, VARIABLES };

static const char *const names[VARIABLES][4] = {
  [JOB] = { "SLURM_JOB_ID", "SLURM_JOBID" },
  [STEP] = { "SLURM_STEP_ID", "SLURM_STEPID" },
  [TASKS] = { "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS" },
  [PROCID] = { "SLURM_PROCID" },
  [RESTARTS] = { "SLURM_RESTART_COUNT" },
  [CLUSTER] = { "SLURM_CLUSTER_NAME" },
  [NODES] = { "SLURM_STEP_NUM_NODES", "SLURM_NNODES" },
  [NODE_ID] = { "SLURM_NODEID" },
  [NODE_NAME] = { "SLURMD_NODENAME" },
  [NODE_LIST] = { "SLURM_STEP_NODELIST" },
  [TASKS_PER_NODE] = { "SLURM_STEP_TASKS_PER_NODE" },
  [LOCAL_ID] = { "SLURM_LOCALID" },
  [LOCAL_TASKS] = { "SLURM_GTIDS" },
  [TASK_PID] = { "SLURM_TASK_PID" },
  [UID] = { "SLURM_JOB_UID" },
  [HET_SIZE] = { "SLURM_HET_SIZE" },
  [SUBMIT_DIR] = { "SLURM_SUBMIT_DIR" },
  [JOB_NODE_LIST] = { "SLURM_JOB_NODELIST" },
};

struct variable {
  const char *name, *value;
};

/* Looks all of them up in the container's environment, or in the hook's own where
 * C is NULL.  What is empty is as if it were not set: NULL. */
static void
look_up (struct variable v[VARIABLES], const struct container *c)
{
  for (size_t i = 0; i < VARIABLES; i++)
    {
      v[i] = (struct variable){ 0 };
      for (const char *const *name = names[i]; v[i].value == NULL && *name != NULL; name++)
        {
          const char *value = c != NULL ? container_env (c, *name) : getenv (*name);
          if (value != NULL && value[0] != '\0')
            v[i] = (struct variable){ *name, value };
        }
    }
}

/* Puts the variables of Slurm's that the hook's parent has (GENERATION 1), or its
 * parent (2), in the place of the hook's environment.  A process that is gone, or
 * whose environment cannot be read, counts as having none.  In a rootless container
 * both are the user's processes: what they say is worth no more than what the
 * container's configuration says. */
static void
take_environment (int generation)
{
  static char texts[2][ENVIRONMENT_MAX]; /* only what is used of them takes memory */
  char *text = texts[generation - 1];
  pid_t pid = 0;

  (void) clearenv ();
  for (int i = 0; i < generation; i++)
    {
      pid = process_parent (pid);
      if (pid <= 1) /* an orphan's parent tells nothing */
        return;
    }
  (void) process_read (pid, "environ", text, ENVIRONMENT_MAX);
  /* Of one that is too long the last may be a part only. */
  const char *end = text + ENVIRONMENT_MAX - 1;
  for (char *at = text, *next; *at != '\0'; at = next)
    {
      next = at + strlen (at) + 1;
      if (strncmp (at, "SLURM", strlen ("SLURM")) == 0 && next <= end)
        (void) putenv (at);
    }
}

static int
parse_failed (const struct variable *v, const char *want, struct failure *f)
{
  return fail (f, EX_DATAERR, "%s=\"%.80s\": not %s", v->name, v->value, want);
}

/* Decimal digits only, from MIN to MAX.  What is not set leaves *NUMBER as it is. */
static int
parse_number (const struct variable *v, uint32_t min, uint32_t max, uint32_t *number,
              struct failure *f)
{
  char want[64];

  if (v->value == NULL)
    return 0;
  size_t digits = strspn (v->value, "0123456789");
  unsigned long long n = digits == 0 ? ULLONG_MAX : strtoull (v->value, NULL, 10);

  if (v->value[digits] == '\0' && n >= min && n <= max)
    {
      *number = (uint32_t) n;
      return 0;
    }
  (void) snprintf (want, sizeof want, "a number from %u to %u", min, max);
  return parse_failed (v, want, f);
}

/* A job or step id: some versions print those above 2^31 as negative. */
static int
parse_id (const struct variable *v, uint32_t min, uint32_t *id, struct failure *f)
{
  if (v->value == NULL || v->value[0] != '-')
    return parse_number (v, min, UINT32_MAX, id, f);
  const struct variable positive = { v->name, v->value + 1 };
  if (parse_number (&positive, 1, UINT32_C (1) << 31, id, f) != 0)
    return -1;
  *id = 0 - *id;
  return 0;
}

/* Of the characters ALPHABET, no dot at its head nor two in a row: no path can be made
 * of it. */
static int
parse_word (const struct variable *v, const char *alphabet, char *word, size_t size,
            struct failure *f)
{
  if (v->value == NULL)
    return 0;
  if (strspn (v->value, alphabet) != strlen (v->value) || v->value[0] == '.'
      || strstr (v->value, "..") != NULL || strlen (v->value) >= size)
    return parse_failed (v, "a word of letters, digits, and . _ - , [ ] ( ), or too long", f);
  memcpy (word, v->value, strlen (v->value) + 1);
  return 0;
}

/* Nothing depends on a hint: F is why this one is passed over. */
static void
pass_over (const struct failure *f)
{
  log_message (LOG_INFO, "passed over: %s", f->text);
}

/* A hint that is a number; OTHERWISE where it is not there or no good. */
static uint32_t
read_hint (const struct variable *v, uint32_t min, uint32_t max, uint32_t otherwise)
{
  struct failure f;

  if (parse_number (v, min, max, &otherwise, &f) != 0)
    pass_over (&f);
  return otherwise;
}

/* A hint that is shown, or compared; "" as above. */
static void
read_word (const struct variable *v, const char *alphabet, char *word, size_t size)
{
  struct failure f;

  if (parse_word (v, alphabet, word, size, &f) != 0)
    pass_over (&f);
}

/* A batch script, and the shell of an salloc, have the job's variables and no
 * step id: one process, however many tasks it announces.  The submit
 * directory and the node list tell them from a container that was given only
 * the three variables.  An ssh session that Slurm has adopted may have the job
 * id only; but so may a container for which a user has PICKED it. */
static bool
is_outside_a_step (const struct variable *v, bool picked)
{
  return v[STEP].value == NULL
         && ((v[SUBMIT_DIR].value != NULL && v[JOB_NODE_LIST].value != NULL)
             || (!picked && v[JOB].value != NULL && v[PROCID].value == NULL));
}

/* What the kernel says of the process: cgroup(7), as Slurm names them. */
struct place {
  bool in_job, in_step; /* in_step: of a parallel step */
  char job[16], step[16];
};

static void
read_place (struct place *place)
{
  char text[8192];
  const char *at = text;

  *place = (struct place){ 0 };
  (void) process_read (0, "cgroup", text, sizeof text);
  for (; !place->in_job && (at = strstr (at, "/job_")) != NULL; at++)
    place->in_job = sscanf (at, "/job_%15[0-9]/step_%15[^/\n]", place->job, place->step) == 2;
  place->in_step = place->in_job && strspn (place->step, "0123456789") == strlen (place->step);
}

/* Nothing names the task, though SOME variables may be there.  That is as it
 * should be outside of a step; within one a container that ASKED for it must not
 * start unsynchronised in silence. */
static enum slurm_env_result
explain_absence (const struct place *place, bool outside, bool some, bool asked, struct failure *f)
{
  const char *missing = some ? "the container got only some of SLURM_JOB_ID, SLURM_NTASKS and "
                               "SLURM_PROCID (no SLURM_PROCID: srun --container of Slurm 22.05)"
                             : "the container has no SLURM_* variables";

  if (place->in_step && asked)
    {
      (void) fail (f, EX_CONFIG,
                   "this is job %s step %s, but %s, so which task it is cannot be told; "
                   "start it with podman run --env 'SLURM_*', or without the annotation",
                   place->job, place->step, missing);
      return SLURM_ENV_FAILED;
    }
  if (place->in_step || (!place->in_job && !outside))
    {
      (void) fail (f, 0,
                   "not synchronised: %s; start it with podman run --env 'SLURM_*', in a job "
                   "step (srun)",
                   missing);
      return SLURM_ENV_ABSENT;
    }
  (void) fail (f, 0, "nothing to synchronise: this is a batch script, an salloc shell or the like, "
                     "not a task of a parallel job step");
  return SLURM_ENV_NO_TASK;
}

/* What names the task, and tells steps, requeued jobs and clusters apart. */
static int
read_needed (struct slurm_task *task, const struct variable *v, struct failure *f)
{
  task->has_step = v[STEP].value != NULL;
  if (parse_id (&v[JOB], 1, &task->job, f) != 0
      || parse_number (&v[TASKS], 1, RANKS_MAX, &task->tasks, f) != 0
      || parse_number (&v[PROCID], 0, UINT32_MAX, &task->procid, f) != 0
      || parse_id (&v[STEP], 0, &task->step, f) != 0
      || parse_number (&v[RESTARTS], 0, UINT32_MAX, &task->restarts, f) != 0
      || parse_word (&v[CLUSTER], NAME, task->cluster, sizeof task->cluster, f) != 0)
    return -1;
  if (task->procid >= task->tasks)
    return fail (f, EX_DATAERR, "SLURM_PROCID=%u: not below %s=%u", task->procid, v[TASKS].name,
                 task->tasks);
  return 0;
}

/* The tasks of this node.  Where the step has one node they are all; else
 * SLURM_GTIDS lists them. */
static int
read_local (struct slurm_task *task, const struct variable *list, struct failure *f)
{
  if (ranks_init (&task->local, task->tasks) != 0)
    return fail (f, EX_OSERR, "cannot keep track of %u tasks: %m", task->tasks);
  for (uint32_t rank = 0; task->nodes == 1 && rank < task->tasks; rank++)
    ranks_add (&task->local, rank);
  if (task->nodes != 1 && list->value != NULL
      && (!ranks_add_text (&task->local, list->value) || !ranks_has (&task->local, task->procid)))
    {
      (void) parse_failed (list, "a list of tasks with this one among them", f);
      pass_over (f);
      ranks_clear (&task->local);
    }
  return 0;
}

static void
read_hints (struct slurm_task *task, const struct variable *v)
{
  /* A heterogeneous step spans components whose nodes are counted apart. */
  bool heterogeneous = v[HET_SIZE].value != NULL;

  if (!heterogeneous)
    task->nodes = read_hint (&v[NODES], 1, RANKS_MAX, 0);
  task->first_on_node = read_hint (&v[LOCAL_ID], 0, UINT32_MAX, 0) == 0;
  task->pid = (pid_t) read_hint (&v[TASK_PID], 1, INT32_MAX, 0);
  task->uid = read_hint (&v[UID], 0, UINT32_MAX - 1, UINT32_MAX);
  read_word (&v[NODE_LIST], NAME ",[]", task->node_list, sizeof task->node_list);
  read_word (&v[TASKS_PER_NODE], "0123456789x,()", task->tasks_per_node,
             sizeof task->tasks_per_node);
  read_word (&v[NODE_NAME], NAME, task->node, sizeof task->node);
  /* There is no other node than the first. */
  task->node_id = read_hint (&v[NODE_ID], 0, UINT32_MAX - 1, task->nodes == 1 ? 0 : UINT32_MAX);
  /* SLURMD_NODENAME is not in podman's SLURM_*; SLURM_NODEID is the place of the
   * node in the list of the step's, but for a heterogeneous step, whose list is
   * sorted and whose ids are not. */
  if (task->node[0] == '\0' && !heterogeneous)
    {
      struct node *nodes;
      const size_t count = nodes_expand (task->node_list, task->tasks_per_node, &nodes);
      if (task->node_id < count)
        (void) snprintf (task->node, sizeof task->node, "%s", nodes[task->node_id].name);
      free (nodes);
    }
}

static enum slurm_env_result
read_task (struct slurm_task *task, const struct variable *v, struct failure *f)
{
  if (read_needed (task, v, f) != 0)
    return SLURM_ENV_FAILED;
  read_hints (task, v);
  if (task->has_step && task->step > STEP_MAX_NORMAL)
    (void) fail (f, 0, "nothing to synchronise: step id %u is not a parallel job step",
                 task->step);
  else if (task->tasks == 1)
    (void) fail (f, 0, "nothing to synchronise: the job step has one task");
  else
    return read_local (task, &v[LOCAL_TASKS], f) == 0 ? SLURM_ENV_TASK : SLURM_ENV_FAILED;
  return SLURM_ENV_NO_TASK;
}

enum slurm_env_result
slurm_env_read (struct slurm_task *task, const struct container *c, bool asked, struct failure *f)
{
  struct variable v[VARIABLES] = { { 0 } };
  struct place place = { 0 };
  bool outside = false, some = false, all = false;

  *task = (struct slurm_task){ 0 };
  for (int i = 0; !all && i < 4; i++)
    {
      if (i >= 2)
        take_environment (i - 1);
      look_up (v, i == 0 ? c : NULL);
      some = some || v[JOB].value != NULL;
      all = v[JOB].value != NULL && v[TASKS].value != NULL && v[PROCID].value != NULL;
      outside = (!all && outside) || is_outside_a_step (v, i == 0);
    }
  if (!all || outside)
    read_place (&place);
  enum slurm_env_result result = !all || (outside && !place.in_step)
                                   ? explain_absence (&place, outside, some, asked, f)
                                   : read_task (task, v, f);
  (void) clearenv (); /* nothing later, like NSS, should depend on it */
  return result;
}

void
slurm_env_key (const struct slurm_task *task, char key[SLURM_KEY_MAX])
{
  size_t n = (size_t) snprintf (key, SLURM_KEY_MAX, "jobid-%u", task->job);

  if (task->has_step)
    n += (size_t) snprintf (key + n, SLURM_KEY_MAX - n, "-stepid-%u", task->step);
  if (task->restarts > 0)
    n += (size_t) snprintf (key + n, SLURM_KEY_MAX - n, "-restart-%u", task->restarts);
  if (task->cluster[0] != '\0')
    (void) snprintf (key + n, SLURM_KEY_MAX - n, "-cluster-%s", task->cluster);
}
