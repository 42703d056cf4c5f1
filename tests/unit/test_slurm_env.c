/* SPDX-License-Identifier: BSD-3-Clause */
/* Which task it is, by Slurm's variables, or why there is none; what makes no sense
 * is refused, and the container's and the hook's own are never mixed. */
#include "slurm_env.h"

#include "unit.h"

#include <json-c/json.h>

static struct slurm_task task;
static struct failure f;

/* Reads the task of a container with ENVIRONMENT: NAME=VALUE, ended by NULL. */
static enum slurm_env_result
read_container (const char *const *environment)
{
  struct container c = { .config = json_object_new_object () };
  json_object *process = json_object_new_object (), *list = json_object_new_array ();

  for (; *environment != NULL; environment++)
    json_object_array_add (list, json_object_new_string (*environment));
  json_object_object_add (process, "env", list);
  json_object_object_add (c.config, "process", process);
  enum slurm_env_result result = slurm_env_read (&task, &c, false, &f);
  container_free (&c);
  return result;
}

/* Reads the task with nothing in the hook's own environment. */
#define read_task(...)                                                                             \
  (clearenv (), ranks_free (&task.local),                                                          \
   read_container ((const char *const[]){ __VA_ARGS__, NULL }))

#define assert_task(...) ck_assert_int_eq (read_task (__VA_ARGS__), SLURM_ENV_TASK)
#define assert_absent(...) ck_assert_int_eq (read_task (__VA_ARGS__), SLURM_ENV_ABSENT)

#define THREE "SLURM_JOB_ID=17", "SLURM_NTASKS=4", "SLURM_PROCID=3"
#define STEP THREE, "SLURM_STEP_ID=2"

/* What every complete environment has, within a step and outside. */
#define COMPLETE "SLURM_SUBMIT_DIR=/home/x", "SLURM_JOB_NODELIST=n[1-2]"

static const char *
key (void)
{
  static char text[SLURM_KEY_MAX];

  slurm_env_key (&task, text);
  return text;
}

START_TEST (reads_a_step)
{
  assert_task (STEP, COMPLETE);
  ck_assert_uint_eq (task.job, 17);
  ck_assert (task.has_step);
  ck_assert_uint_eq (task.step, 2);
  ck_assert_uint_eq (task.tasks, 4);
  ck_assert_uint_eq (task.procid, 3);
  ck_assert_uint_eq (task.restarts, 0);
  ck_assert_uint_eq (task.nodes, 0);
  ck_assert_str_eq (task.cluster, "");
  ck_assert_str_eq (task.node, "");
  ck_assert (task.first_on_node);
  ck_assert_uint_eq (task.uid, UINT32_MAX);
  ck_assert_str_eq (key (), "jobid-17-stepid-2");
}
END_TEST

START_TEST (reads_all_that_slurm_tells)
{
  assert_task (STEP, COMPLETE, "SLURM_RESTART_COUNT=1", "SLURM_CLUSTER_NAME=alps.x-1_y",
               "SLURM_STEP_NUM_NODES=2", "SLURM_NNODES=9", "SLURM_LOCALID=1", "SLURM_JOB_UID=2001",
               "SLURMD_NODENAME=n2");
  ck_assert_uint_eq (task.restarts, 1);
  ck_assert_str_eq (task.cluster, "alps.x-1_y");
  ck_assert_uint_eq (task.nodes, 2);
  ck_assert (!task.first_on_node);
  ck_assert_uint_eq (task.uid, 2001);
  ck_assert_str_eq (task.node, "n2");
  ck_assert_str_eq (key (), "jobid-17-stepid-2-restart-1-cluster-alps.x-1_y");
}
END_TEST

START_TEST (three_variables_are_enough)
{
  assert_task (THREE);
  ck_assert (!task.has_step);
  ck_assert_str_eq (key (), "jobid-17");
}
END_TEST

START_TEST (counts_the_steps_tasks)
{
  assert_task (STEP, "SLURM_STEP_NUM_TASKS=9");
  ck_assert_uint_eq (task.tasks, 9);
  assert_task ("SLURM_JOB_ID=17", "SLURM_PROCID=3", "SLURM_STEP_ID=2", "SLURM_STEP_NUM_TASKS=9");
  ck_assert_uint_eq (task.tasks, 9);
}
END_TEST

/* An empty optional value is as good as none. */
START_TEST (passes_over_empty_ones)
{
  assert_task (THREE, "SLURM_STEP_ID=", "SLURM_RESTART_COUNT=", "SLURM_CLUSTER_NAME=",
               "SLURM_STEP_NUM_NODES=", "SLURM_NNODES=2", "SLURM_LOCALID=", "SLURM_JOB_UID=",
               "SLURMD_NODENAME=");
  ck_assert_str_eq (key (), "jobid-17");
  ck_assert_uint_eq (task.nodes, 2);
  ck_assert (task.first_on_node);
}
END_TEST

START_TEST (does_not_know_the_nodes_of_a_heterogeneous_step)
{
  assert_task (STEP, "SLURM_STEP_NUM_NODES=2", "SLURM_HET_SIZE=2");
  ck_assert_uint_eq (task.nodes, 0);
}
END_TEST

/* They are only shown: what does not look like a list is left out. */
START_TEST (knows_where_the_tasks_are)
{
  char longer[400] = "SLURM_STEP_NODELIST=";

  assert_task (STEP, "SLURM_STEP_NODELIST=n[1-2,07],gpu-3", "SLURM_STEP_TASKS_PER_NODE=3,1(x2)");
  ck_assert_str_eq (task.node_list, "n[1-2,07],gpu-3");
  ck_assert_str_eq (task.tasks_per_node, "3,1(x2)");
  assert_task (STEP, "SLURM_STEP_NODELIST=n1 n2", "SLURM_STEP_TASKS_PER_NODE=3/1");
  ck_assert_str_eq (task.node_list, "");
  ck_assert_str_eq (task.tasks_per_node, "");
  memset (longer + strlen (longer), 'n', 256);
  assert_task (STEP, longer);
  ck_assert_str_eq (task.node_list, "");
  longer[strlen (longer) - 1] = '\0';
  assert_task (STEP, longer);
  ck_assert_uint_eq (strlen (task.node_list), 255);
}
END_TEST

/* podman's --env 'SLURM_*' does not pass SLURMD_NODENAME on. */
START_TEST (finds_its_node_by_its_number)
{
#define NODES "SLURM_STEP_NODELIST=n[1-3],gpu7", "SLURM_STEP_TASKS_PER_NODE=2(x3),1"
  static const struct
  {
    const char *number, *node;
  } rows[] = { { "SLURM_NODEID=0", "n1" },
               { "SLURM_NODEID=2", "n3" },
               { "SLURM_NODEID=3", "gpu7" },
               { "SLURM_NODEID=4", "" },
               { "SLURM_NODEID=x", "" },
               { "SLURM_NODEID=", "" } };

  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    {
      assert_task (STEP, NODES, rows[i].number);
      ck_assert_str_eq (task.node, rows[i].node);
    }
  assert_task (STEP, NODES, "SLURM_NODEID=1", "SLURMD_NODENAME=n9");
  ck_assert_str_eq (task.node, "n9");
}
END_TEST

static void
assert_local (const char *expected)
{
  char text[64] = "";
  uint32_t from = 0;

  (void) ranks_next_text (&task.local, &from, text, sizeof text);
  ck_assert_str_eq (text, expected);
  ranks_free (&task.local);
}

/* SLURM_GTIDS lists them, in ascending order; where there is one node they are all. */
START_TEST (knows_the_tasks_of_its_node)
{
  static const struct
  {
    const char *list, *local;
  } rows[] = {
    { "SLURM_GTIDS=2,3", "2-3" },   { "SLURM_GTIDS=3,1", "" },
    { "SLURM_GTIDS=3", "3" },       { "SLURM_GTIDS=3,3", "" },
    { "SLURM_GTIDS=0,1", "" },      { "SLURM_GTIDS=3,4", "" },
    { "SLURM_GTIDS=3,", "" },       { "SLURM_GTIDS=,3", "" },
    { "SLURM_GTIDS=2,,3", "" },     { "SLURM_GTIDS=2 3", "" },
    { "SLURM_GTIDS=-1,3", "" },     { "SLURM_GTIDS=2-3", "2-3" },
    { "SLURM_GTIDS=3,4294967296", "" }, { "SLURM_GTIDS=3,99999999999999999999999", "" },
    { "SLURM_GTIDS=x", "" },        { "SLURM_GTIDS=", "" },
    { "SLURM_LOCALID=0", "" },
  };

  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    {
      assert_task (STEP, "SLURM_STEP_NUM_NODES=2", rows[i].list);
      assert_local (rows[i].local);
      assert_task (STEP, "SLURM_STEP_NUM_NODES=1", rows[i].list);
      assert_local ("0-3");
    }
}
END_TEST

START_TEST (knows_the_number_of_its_node)
{
  assert_task (STEP, "SLURM_NODEID=3");
  ck_assert_uint_eq (task.node_id, 3);
  assert_task (STEP, "SLURM_STEP_NUM_NODES=2");
  ck_assert_uint_eq (task.node_id, UINT32_MAX);
  assert_task (STEP, "SLURM_STEP_NUM_NODES=2", "SLURM_NODEID=x");
  ck_assert_uint_eq (task.node_id, UINT32_MAX);
  /* There is no other. */
  assert_task (STEP, "SLURM_STEP_NUM_NODES=1");
  ck_assert_uint_eq (task.node_id, 0);
}
END_TEST

START_TEST (restarts_above_zero_only)
{
  assert_task (STEP, "SLURM_RESTART_COUNT=0");
  ck_assert_str_eq (key (), "jobid-17-stepid-2");
  assert_task (STEP, "SLURM_RESTART_COUNT=12");
  ck_assert_str_eq (key (), "jobid-17-stepid-2-restart-12");
}
END_TEST

START_TEST (the_longest_key_fits)
{
  char cluster[sizeof "SLURM_CLUSTER_NAME=" + 63] = "SLURM_CLUSTER_NAME=";

  memset (cluster + strlen (cluster), 'c', 63);
  assert_task ("SLURM_JOB_ID=4294967295", "SLURM_STEP_ID=4294967280", "SLURM_NTASKS=16777216",
               "SLURM_PROCID=16777215", "SLURM_RESTART_COUNT=4294967295", cluster);
  unit_assert_match (key (), "jobid-4294967295-stepid-4294967280-restart-4294967295-cluster-ccc");
  ck_assert_str_eq (strrchr (key (), '-') + 1, cluster + strlen ("SLURM_CLUSTER_NAME="));
}
END_TEST

/* Some versions print large ids signed. */
START_TEST (reads_signed_ids)
{
  assert_task ("SLURM_JOB_ID=-2147483648", "SLURM_NTASKS=4", "SLURM_PROCID=0", "SLURM_STEP_ID=-16");
  ck_assert_str_eq (key (), "jobid-2147483648-stepid-4294967280");
}
END_TEST

START_TEST (knows_steps_that_are_no_parallel_step)
{
  static const char *const steps[]
    = { "SLURM_STEP_ID=4294967290", "SLURM_STEP_ID=4294967291", "SLURM_STEP_ID=4294967292",
        "SLURM_STEP_ID=4294967293", "SLURM_STEP_ID=4294967281", "SLURM_STEP_ID=-6",
        "SLURM_STEP_ID=-5",         "SLURM_STEP_ID=-4" };

  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    {
      ck_assert_int_eq (read_task (THREE, steps[i]), SLURM_ENV_NO_TASK);
      ck_assert_int_eq (f.status, 0);
      unit_assert_match (f.text, "not a parallel job step");
    }
}
END_TEST

START_TEST (one_task_has_nobody_to_wait_for)
{
  ck_assert_int_eq (
    read_task ("SLURM_JOB_ID=17", "SLURM_STEP_ID=0", "SLURM_NTASKS=1", "SLURM_PROCID=0"),
    SLURM_ENV_NO_TASK);
  unit_assert_match (f.text, "one task");
}
END_TEST

START_TEST (knows_a_batch_script)
{
  ck_assert_int_eq (read_task ("SLURM_JOB_ID=17", "SLURM_NTASKS=4", "SLURM_PROCID=0", COMPLETE),
                    SLURM_ENV_NO_TASK);
  ck_assert_int_eq (f.status, 0);
  unit_assert_match (f.text, "batch script");
  /* One of the two is not enough to tell. */
  assert_task (THREE, "SLURM_SUBMIT_DIR=/x");
  assert_task (THREE, "SLURM_JOB_NODELIST=n1");
  assert_task (THREE, COMPLETE, "SLURM_STEP_ID=0");
}
END_TEST

START_TEST (knows_an_salloc_shell)
{
  ck_assert_int_eq (read_task ("SLURM_JOB_ID=17", "SLURM_NTASKS=3", COMPLETE), SLURM_ENV_NO_TASK);
  unit_assert_match (f.text, "salloc");
}
END_TEST

START_TEST (says_how_to_get_the_variables)
{
  assert_absent ("HOME=/root");
  ck_assert_int_eq (f.status, 0);
  unit_assert_match (f.text, "--env 'SLURM_*'");
  assert_absent ("SLURM_JOB_ID=17", "SLURM_PROCID=0");
  unit_assert_match (f.text, "--env 'SLURM_*'");
}
END_TEST

START_TEST (knows_a_slurm_that_does_not_tell_the_task)
{
  assert_absent ("SLURM_JOB_ID=17", "SLURM_NTASKS=2", "SLURM_STEP_ID=0");
  unit_assert_match (f.text, "no SLURM_PROCID: srun --container of Slurm 22.05");
}
END_TEST

START_TEST (takes_the_hooks_own_environment)
{
  static const char *const none[] = { NULL };

  clearenv ();
  (void) setenv ("SLURM_JOB_ID", "18", 1);
  (void) setenv ("SLURM_NTASKS", "5", 1);
  (void) setenv ("SLURM_PROCID", "4", 1);
  (void) setenv ("SLURM_STEP_ID", "1", 1);
  ck_assert_int_eq (read_container (none), SLURM_ENV_TASK);
  ck_assert_str_eq (key (), "jobid-18-stepid-1");
  ck_assert_uint_eq (task.tasks, 5);
  ck_assert_uint_eq (task.procid, 4);
}
END_TEST

static void
set_own (void)
{
  clearenv ();
  (void) setenv ("SLURM_JOB_ID", "18", 1);
  (void) setenv ("SLURM_NTASKS", "5", 1);
  (void) setenv ("SLURM_PROCID", "4", 1);
  (void) setenv ("SLURM_RESTART_COUNT", "3", 1);
  (void) setenv ("SLURM_STEP_NUM_TASKS", "6", 1);
}

START_TEST (never_mixes_the_two)
{
  static const char *const whole[] = { THREE, NULL };
  static const char *const part[]
    = { "SLURM_JOB_ID=17", "SLURM_NTASKS=9", "SLURM_STEP_ID=7", "SLURM_LOCALID=1", NULL };

  set_own ();
  ck_assert_int_eq (read_container (whole), SLURM_ENV_TASK);
  ck_assert_str_eq (key (), "jobid-17");
  ck_assert_uint_eq (task.tasks, 4);
  ranks_free (&task.local);
  set_own ();
  ck_assert_int_eq (read_container (part), SLURM_ENV_TASK);
  ck_assert_str_eq (key (), "jobid-18-restart-3");
  ck_assert_uint_eq (task.tasks, 6);
  ck_assert (task.first_on_node);
}
END_TEST

/* The last of three variables, and what is wrong with it. */
#define BAD_JOB(value)                                                                             \
  { "SLURM_JOB_ID", { "SLURM_JOB_ID=" value, "SLURM_NTASKS=4", "SLURM_PROCID=0" } }
#define BAD_TASKS(value)                                                                           \
  { "SLURM_NTASKS", { "SLURM_JOB_ID=17", "SLURM_NTASKS=" value, "SLURM_PROCID=0" } }
#define BAD_PROCID(value)                                                                          \
  { "SLURM_PROCID", { "SLURM_JOB_ID=17", "SLURM_NTASKS=4", "SLURM_PROCID=" value } }
#define BAD_STEP(value) { "SLURM_STEP_ID", { THREE, "SLURM_STEP_ID=" value } }
#define BAD(name, value) { "SLURM_" name, { STEP, "SLURM_" name "=" value } }

static const struct
{
  const char *name;
  const char *environment[6];
} bad[] = {
  BAD_JOB ("abc"), BAD_JOB ("0"), BAD_JOB ("-0"), BAD_JOB ("-2147483649"), BAD_JOB ("--1"),
  BAD_JOB ("-"), BAD_JOB ("4294967296"), BAD_JOB ("12345678901234567890"), BAD_JOB ("1/2"),
  BAD_JOB (".."), BAD_JOB ("../1"), BAD_JOB ("1/.."), BAD_JOB ("17\n"), BAD_JOB ("1 "),
  BAD_JOB ("0x11"), BAD_JOB ("17_3"),
  BAD_TASKS ("abc"), BAD_TASKS ("0"), BAD_TASKS ("-1"), BAD_TASKS ("4x"), BAD_TASKS (" 4"),
  BAD_TASKS ("4 "), BAD_TASKS ("+4"), BAD_TASKS ("0x4"), BAD_TASKS ("4.0"), BAD_TASKS ("16777217"),
  BAD_TASKS ("12345678901234567890"),
  BAD_TASKS ("18446744073709551620"), /* 2^64 + 4 */
  BAD_PROCID ("abc"), BAD_PROCID ("-1"), BAD_PROCID ("0x0"), BAD_PROCID ("4x"), BAD_PROCID (" 0"),
  BAD_PROCID ("4"), BAD_PROCID ("5"), BAD_PROCID ("4294967296"),
  BAD_PROCID ("12345678901234567890"),
  BAD_PROCID ("18446744073709551616"), /* 2^64 */
  BAD ("STEP_NUM_TASKS", "3"), /* procid 3 */
  BAD ("STEP_NUM_TASKS", "abc"), BAD ("STEP_NUM_TASKS", "0"), BAD ("STEP_NUM_TASKS", "-1"),
  BAD ("STEP_NUM_TASKS", "4x"), BAD ("STEP_NUM_TASKS", " 4"), BAD ("STEP_NUM_TASKS", "+4"),
  BAD ("STEP_NUM_TASKS", "0x4"), BAD ("STEP_NUM_TASKS", "16777217"),
  BAD ("STEP_NUM_TASKS", "12345678901234567890"),
  BAD_STEP ("4294967296"), BAD_STEP ("12345678901234567890"), BAD_STEP ("batch"), BAD_STEP ("1/2"),
  BAD_STEP ("0/.."), BAD_STEP (".."), BAD_STEP ("../../x"), BAD_STEP ("1 "),
  BAD ("RESTART_COUNT", "-1"), BAD ("RESTART_COUNT", "abc"), BAD ("RESTART_COUNT", "1/2"),
  BAD ("RESTART_COUNT", "1/.."), BAD ("RESTART_COUNT", ".."), BAD ("RESTART_COUNT", "../../x"),
  BAD ("RESTART_COUNT", "1 "), BAD ("RESTART_COUNT", "12345678901234567890"),
  BAD ("CLUSTER_NAME", "a/b"), BAD ("CLUSTER_NAME", ".."), BAD ("CLUSTER_NAME", "../x"),
  BAD ("CLUSTER_NAME", "a..b"), BAD ("CLUSTER_NAME", "."), BAD ("CLUSTER_NAME", ".a"),
  BAD ("CLUSTER_NAME", "a b"), BAD ("CLUSTER_NAME", "a\tb"), BAD ("CLUSTER_NAME", "a\n"),
  BAD ("CLUSTER_NAME", "a;b"), BAD ("CLUSTER_NAME", "*"), BAD ("CLUSTER_NAME", "gr\xc3\xbcn"),
  BAD ("CLUSTER_NAME",
       "0123456789012345678901234567890123456789012345678901234567890123"), /* 64 */
  { "SLURM_STEPID", { THREE, "SLURM_STEPID=batch" } },
  { "SLURM_NPROCS", { "SLURM_JOB_ID=17", "SLURM_NPROCS=x", "SLURM_PROCID=0" } },
  { "SLURM_JOBID", { "SLURM_JOBID=x", "SLURM_NTASKS=4", "SLURM_PROCID=0" } },
};

START_TEST (refuses_what_makes_no_sense)
{
  const char *const *set = bad[_i].environment;

  clearenv ();
  ck_assert_msg (read_container (set) == SLURM_ENV_FAILED, "%s %s %s %s %s", set[0], set[1], set[2],
                 set[3] != NULL ? set[3] : "", set[3] != NULL && set[4] != NULL ? set[4] : "");
  ck_assert_int_eq (f.status, EX_DATAERR);
  unit_assert_match (f.text, bad[_i].name);
  ck_assert_ptr_null (strchr (f.text, '\n'));
}
END_TEST

/* Nothing depends on a hint: one that makes no sense is as if it were not
 * set. */
START_TEST (passes_over_hints_that_make_no_sense)
{
  static const char *const hints[]
    = { "SLURM_STEP_NUM_NODES=0",       "SLURM_STEP_NUM_NODES=two", "SLURM_NNODES=two",
        "SLURM_LOCALID=-1",             "SLURM_LOCALID=x",          "SLURM_JOB_UID=4294967295",
        "SLURM_JOB_UID=root",           "SLURMD_NODENAME=n1/..",    "SLURM_NODEID=-1",
        "SLURM_STEP_TASKS_PER_NODE=x/y", "SLURM_STEP_NODELIST=n 1" };

  for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
    {
      assert_task (STEP, hints[i]);
      ck_assert_str_eq (key (), "jobid-17-stepid-2");
      ck_assert_uint_eq (task.nodes, 0);
      ck_assert (task.first_on_node && task.uid == UINT32_MAX);
      ck_assert_str_eq (task.node, "");
      ck_assert_str_eq (task.node_list, "");
      ck_assert_str_eq (task.tasks_per_node, "");
    }
  assert_task (STEP, "SLURMD_NODENAME=n1/..", "SLURM_NODEID=0", "SLURM_STEP_NODELIST=n3",
               "SLURM_STEP_TASKS_PER_NODE=4");
  ck_assert_str_eq (task.node, "n3");
}
END_TEST

START_TEST (knows_the_older_names)
{
  assert_task ("SLURM_JOBID=17", "SLURM_NPROCS=4", "SLURM_PROCID=3", "SLURM_STEPID=2", COMPLETE);
  ck_assert_str_eq (key (), "jobid-17-stepid-2");
  ck_assert_uint_eq (task.tasks, 4);
  assert_task (STEP, "SLURM_JOBID=18", "SLURM_NPROCS=5", "SLURM_STEPID=3");
  ck_assert_str_eq (key (), "jobid-17-stepid-2");
  ck_assert_uint_eq (task.tasks, 4);
  assert_task ("SLURM_JOB_ID=", "SLURM_JOBID=17", "SLURM_STEP_NUM_TASKS=", "SLURM_NTASKS=",
               "SLURM_NPROCS=4", "SLURM_PROCID=3", "SLURM_STEP_ID=", "SLURM_STEPID=2");
  ck_assert_str_eq (key (), "jobid-17-stepid-2");
}
END_TEST

/* What is needed and empty is not there. */
START_TEST (does_not_need_what_is_empty)
{
  assert_absent ("SLURM_JOB_ID=", "SLURM_NTASKS=4", "SLURM_PROCID=0");
  assert_absent ("SLURM_JOB_ID=17", "SLURM_NTASKS=", "SLURM_PROCID=0");
  assert_absent ("SLURM_JOB_ID=17", "SLURM_NTASKS=4", "SLURM_PROCID=");
}
END_TEST

/* A value that makes no sense is not replaced by the hook's own. */
START_TEST (does_not_look_elsewhere_for_a_bad_value)
{
  static const char *const container[]
    = { "SLURM_JOB_ID=17", "SLURM_NTASKS=x", "SLURM_PROCID=0", NULL };

  set_own ();
  ck_assert_int_eq (read_container (container), SLURM_ENV_FAILED);
}
END_TEST

START_TEST (a_long_value_makes_a_short_message)
{
  static char value[100000] = "SLURM_NTASKS=";

  memset (value + strlen (value), '9', sizeof value - strlen (value) - 1);
  ck_assert_int_eq (read_task ("SLURM_JOB_ID=17", "SLURM_PROCID=0", value), SLURM_ENV_FAILED);
  ck_assert_uint_lt (strlen (f.text), 200);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("slurm_env");
  TCase *tcase = unit_case (suite, "slurm_env");

  tcase_add_test (tcase, reads_a_step);
  tcase_add_test (tcase, reads_all_that_slurm_tells);
  tcase_add_test (tcase, three_variables_are_enough);
  tcase_add_test (tcase, counts_the_steps_tasks);
  tcase_add_test (tcase, passes_over_empty_ones);
  tcase_add_test (tcase, does_not_know_the_nodes_of_a_heterogeneous_step);
  tcase_add_test (tcase, knows_where_the_tasks_are);
  tcase_add_test (tcase, finds_its_node_by_its_number);
  tcase_add_test (tcase, knows_the_tasks_of_its_node);
  tcase_add_test (tcase, knows_the_number_of_its_node);
  tcase_add_test (tcase, restarts_above_zero_only);
  tcase_add_test (tcase, the_longest_key_fits);
  tcase_add_test (tcase, reads_signed_ids);
  tcase_add_test (tcase, knows_steps_that_are_no_parallel_step);
  tcase_add_test (tcase, one_task_has_nobody_to_wait_for);
  tcase_add_test (tcase, knows_a_batch_script);
  tcase_add_test (tcase, knows_an_salloc_shell);
  tcase_add_test (tcase, says_how_to_get_the_variables);
  tcase_add_test (tcase, knows_a_slurm_that_does_not_tell_the_task);
  tcase_add_test (tcase, takes_the_hooks_own_environment);
  tcase_add_test (tcase, never_mixes_the_two);
  unit_add_rows (tcase, refuses_what_makes_no_sense, bad);
  tcase_add_test (tcase, passes_over_hints_that_make_no_sense);
  tcase_add_test (tcase, knows_the_older_names);
  tcase_add_test (tcase, does_not_need_what_is_empty);
  tcase_add_test (tcase, does_not_look_elsewhere_for_a_bad_value);
  tcase_add_test (tcase, a_long_value_makes_a_short_message);
  return unit_run (suite);
}
