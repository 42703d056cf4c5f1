/* SPDX-License-Identifier: BSD-3-Clause */
#include "slurm_env.h"

#include "nodes.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* slurm.h: SLURM_MAX_NORMAL_STEP_ID; what is above are the batch script, the
 * extern and the interactive step, and steps that are not there yet. */
#define STEP_MAX_NORMAL UINT32_C (0xfffffff0)

/* Where variables are looked up. */
struct variables {
  slurm_env_get *get;
  const void *source;
};

static const char *
look_up (const struct variables *v, const char *name)
{
  return v->get (v->source, name);
}

/* The same, but an empty value counts as none. */
static const char *
look_up_optional (const struct variables *v, const char *name)
{
  const char *value = look_up (v, name);

  return value == NULL || value[0] == '\0' ? NULL : value;
}

const char *
slurm_env_own (const void *source, const char *name)
{
  (void) source;
  return getenv (name);
}

static int
parse_failed (const char *name, const char *value, const char *want, struct failure *f)
{
  return fail (f, EX_DATAERR, "%s=\"%.80s\": not %s", name, value, want);
}

/* Decimal digits only, from MIN to MAX. */
static int
parse_number (const char *name, const char *value, uint32_t min, uint32_t max, uint32_t *number,
              struct failure *f)
{
  char want[64];
  uint64_t n = 0;
  size_t digits = strspn (value, "0123456789");

  for (size_t i = 0; i < digits && n <= UINT32_MAX; i++)
    n = n * 10 + (uint64_t) (value[i] - '0');
  if (digits > 0 && value[digits] == '\0' && n >= min && n <= max)
    {
      *number = (uint32_t) n;
      return 0;
    }
  (void) snprintf (want, sizeof want, "a number from %u to %u", min, max);
  return parse_failed (name, value, want, f);
}

/* A job or step id: some versions print those above 2^31 as negative. */
static int
parse_id (const char *name, const char *value, uint32_t min, uint32_t *id, struct failure *f)
{
  uint32_t n;

  if (value[0] != '-')
    return parse_number (name, value, min, UINT32_MAX, id, f);
  if (parse_number (name, value + 1, 1, UINT32_C (1) << 31, &n, f) != 0)
    return parse_failed (name, value, "an id", f);
  *id = 0 - n;
  return 0;
}

/* Letters, digits, '-', '_' and single dots: no path can be made of it. */
static int
parse_word (const char *name, const char *value, char *word, size_t size, struct failure *f)
{
  size_t length = strlen (value);

  for (size_t i = 0; i < length; i++)
    if (!isalnum ((unsigned char) value[i]) && strchr ("-_.", value[i]) == NULL)
      return parse_failed (name, value, "a name of letters, digits, '-', '_' and '.'", f);
  if (value[0] == '.' || strstr (value, "..") != NULL || length >= size)
    return parse_failed (name, value, "a name, or too long for one", f);
  memcpy (word, value, length + 1);
  return 0;
}

/* SLURM_STEP_NUM_TASKS is always the step's; `srun --preserve-env` leaves
 * SLURM_NTASKS at what it was outside of the step. */
static const char *
name_of_tasks (const struct variables *v)
{
  return look_up (v, "SLURM_STEP_NUM_TASKS") != NULL ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
}

static bool
has_all_needed (const struct variables *v)
{
  return look_up (v, "SLURM_JOB_ID") != NULL && look_up (v, "SLURM_PROCID") != NULL
         && look_up (v, name_of_tasks (v)) != NULL;
}

/* A batch script, and the shell of an salloc, have the job's variables and no
 * step id: one process, however many tasks it announces.  The submit
 * directory and the node list tell them from a container that was given only
 * the three variables. */
static bool
is_outside_a_step (const struct variables *v)
{
  return look_up_optional (v, "SLURM_STEP_ID") == NULL
         && look_up_optional (v, "SLURM_SUBMIT_DIR") != NULL
         && look_up_optional (v, "SLURM_JOB_NODELIST") != NULL;
}

static enum slurm_env_result
explain_absence (const struct variables *container, const struct variables *own, struct failure *f)
{
  if (is_outside_a_step (container) || is_outside_a_step (own))
    (void) fail (f, 0, "nothing to synchronise: this is a batch script or an salloc shell, "
                       "not a task of a job step");
  else if (look_up (container, "SLURM_JOB_ID") != NULL || look_up (own, "SLURM_JOB_ID") != NULL)
    {
      (void) fail (f, 0, "not synchronised: of SLURM_JOB_ID, SLURM_NTASKS and SLURM_PROCID "
                         "the container got only some; start it with podman run --env 'SLURM_*'");
      return SLURM_ENV_ABSENT;
    }
  else
    {
      (void) fail (f, 0, "not synchronised: the container has no SLURM_* variables; "
                         "start it with podman run --env 'SLURM_*', in a job step (srun)");
      return SLURM_ENV_ABSENT;
    }
  return SLURM_ENV_NO_TASK;
}

static int
read_needed (struct slurm_task *task, const struct variables *v, struct failure *f)
{
  const char *tasks = name_of_tasks (v);

  if (parse_id ("SLURM_JOB_ID", look_up (v, "SLURM_JOB_ID"), 1, &task->job, f) != 0
      || parse_number (tasks, look_up (v, tasks), 1, SLURM_TASKS_MAX, &task->tasks, f) != 0
      || parse_number ("SLURM_PROCID", look_up (v, "SLURM_PROCID"), 0, UINT32_MAX, &task->procid, f)
           != 0)
    return -1;
  if (task->procid >= task->tasks)
    return fail (f, EX_DATAERR, "SLURM_PROCID=%u: not below %s=%u", task->procid, tasks,
                 task->tasks);
  return 0;
}

/* A value that is only shown, or compared: left out if it has anything but
 * letters, digits and MARKS in it. */
static void
read_list (const struct variables *v, const char *name, const char *marks, char *list, size_t size)
{
  const char *value = look_up_optional (v, name);
  size_t length = value == NULL ? 0 : strlen (value);

  if (length >= size)
    return;
  for (size_t i = 0; i < length; i++)
    if (!isalnum ((unsigned char) value[i]) && strchr (marks, value[i]) == NULL)
      return;
  if (length > 0)
    memcpy (list, value, length + 1);
}

struct node_search {
  char *name;
  size_t size;
  uint32_t rest; /* nodes before the one that is looked for */
};

static void
find_node (void *context, const char *node, uint32_t tasks)
{
  struct node_search *search = context;

  (void) tasks;
  if (search->rest-- == 0)
    (void) snprintf (search->name, search->size, "%s", node);
}

/* SLURMD_NODENAME is not in podman's SLURM_*; SLURM_NODEID is the place of the
 * node in the list of the step's, but for a heterogeneous step, whose list is
 * sorted and whose ids are not. */
static void
read_node_by_id (struct slurm_task *task, const struct variables *v)
{
  const char *text = look_up_optional (v, "SLURM_NODEID");
  struct node_search search = { task->node, sizeof task->node, 0 };
  struct failure unused;

  if (text != NULL && task->node[0] == '\0' && look_up_optional (v, "SLURM_HET_SIZE") == NULL
      && parse_number ("SLURM_NODEID", text, 0, UINT32_MAX, &search.rest, &unused) == 0)
    (void) nodes_each (task->node_list, task->tasks_per_node, find_node, &search);
}

/* Adds the numbers of the list TEXT, "0,2,3", to SET.  False if that makes no
 * sense. */
static bool
add_list (struct ranks *set, const char *text)
{
  while (isdigit ((unsigned char) *text))
    {
      char *end;
      unsigned long rank = strtoul (text, &end, 10);
      if (rank >= set->count || (*end != ',' && *end != '\0'))
        return false;
      ranks_add (set, (uint32_t) rank);
      if (*end == '\0')
        return true;
      text = end + 1;
    }
  return false;
}

/* The tasks of this node.  Where the step has one node they are all; else
 * SLURM_GTIDS lists them. */
static int
read_local (struct slurm_task *task, const struct variables *v, struct failure *f)
{
  const char *list = look_up_optional (v, "SLURM_GTIDS");
  bool told = task->nodes == 1;

  if (ranks_init (&task->local, task->tasks) != 0)
    return fail (f, EX_OSERR, "cannot keep track of %u tasks: %m", task->tasks);
  if (!told && list != NULL)
    told = add_list (&task->local, list) && ranks_has (&task->local, task->procid);
  for (uint32_t rank = 0; task->nodes == 1 && rank < task->tasks; rank++)
    ranks_add (&task->local, rank);
  if (!told)
    ranks_clear (&task->local);
  return 0;
}

static void
read_node_id (struct slurm_task *task, const struct variables *v)
{
  const char *text = look_up_optional (v, "SLURM_NODEID");
  struct failure unused;

  task->has_node_id
    = text != NULL && parse_number ("SLURM_NODEID", text, 0, UINT32_MAX, &task->node_id, &unused) == 0;
  /* There is no other than the first. */
  task->has_node_id = task->has_node_id || task->nodes == 1;
}

static int
read_optional (struct slurm_task *task, const struct variables *v, struct failure *f)
{
  const char *step = look_up_optional (v, "SLURM_STEP_ID");
  const char *restarts = look_up_optional (v, "SLURM_RESTART_COUNT");
  const char *cluster = look_up_optional (v, "SLURM_CLUSTER_NAME");
  const char *nodes_name
    = look_up_optional (v, "SLURM_STEP_NUM_NODES") != NULL ? "SLURM_STEP_NUM_NODES" : "SLURM_NNODES";
  const char *nodes = look_up_optional (v, nodes_name);
  const char *local = look_up_optional (v, "SLURM_LOCALID");
  const char *uid = look_up_optional (v, "SLURM_JOB_UID");
  const char *node = look_up_optional (v, "SLURMD_NODENAME");
  const char *pid = look_up_optional (v, "SLURM_TASK_PID");
  uint32_t localid = 0, job_uid = 0, task_pid = 0;

  /* A heterogeneous step spans components whose nodes are counted apart. */
  if (look_up_optional (v, "SLURM_HET_SIZE") != NULL)
    nodes = NULL;
  if ((step != NULL && parse_id ("SLURM_STEP_ID", step, 0, &task->step, f) != 0)
      || (restarts != NULL
          && parse_number ("SLURM_RESTART_COUNT", restarts, 0, UINT32_MAX, &task->restarts, f) != 0)
      || (cluster != NULL
          && parse_word ("SLURM_CLUSTER_NAME", cluster, task->cluster, sizeof task->cluster, f) != 0)
      || (nodes != NULL
          && parse_number (nodes_name, nodes, 1, UINT32_MAX, &task->nodes, f) != 0)
      || (local != NULL
          && parse_number ("SLURM_LOCALID", local, 0, UINT32_MAX, &localid, f) != 0)
      || (uid != NULL
          && parse_number ("SLURM_JOB_UID", uid, 0, UINT32_MAX - 1, &job_uid, f) != 0)
      || (pid != NULL && parse_number ("SLURM_TASK_PID", pid, 1, INT32_MAX, &task_pid, f) != 0)
      || (node != NULL
          && parse_word ("SLURMD_NODENAME", node, task->node, sizeof task->node, f) != 0))
    return -1;
  read_list (v, "SLURM_STEP_NODELIST", "-_.,[]", task->node_list, sizeof task->node_list);
  read_list (v, "SLURM_STEP_TASKS_PER_NODE", ",()", task->tasks_per_node,
             sizeof task->tasks_per_node);
  read_node_by_id (task, v);
  read_node_id (task, v);
  task->has_step = step != NULL;
  task->first_on_node = localid == 0;
  task->has_uid = uid != NULL;
  task->uid = job_uid;
  task->pid = (pid_t) task_pid;
  return 0;
}

enum slurm_env_result
slurm_env_read (struct slurm_task *task, slurm_env_get *container, const void *source,
                struct failure *f)
{
  const struct variables inside = { container, source }, own = { slurm_env_own, NULL };
  const struct variables *v = &inside;

  *task = (struct slurm_task){ 0 };
  if (!has_all_needed (v))
    v = &own;
  if (!has_all_needed (v))
    return explain_absence (&inside, &own, f);
  if (is_outside_a_step (v))
    return explain_absence (v, v, f);
  if (read_needed (task, v, f) != 0 || read_optional (task, v, f) != 0)
    return SLURM_ENV_FAILED;
  if (task->has_step && task->step > STEP_MAX_NORMAL)
    {
      (void) fail (f, 0, "nothing to synchronise: step id %u is not a parallel job step",
                   task->step);
      return SLURM_ENV_NO_TASK;
    }
  if (task->tasks == 1)
    {
      (void) fail (f, 0, "nothing to synchronise: the job step has one task");
      return SLURM_ENV_NO_TASK;
    }
  return read_local (task, v, f) == 0 ? SLURM_ENV_TASK : SLURM_ENV_FAILED;
}

void
slurm_env_free (struct slurm_task *task)
{
  ranks_free (&task->local);
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
