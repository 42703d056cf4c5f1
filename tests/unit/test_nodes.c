/* SPDX-License-Identifier: BSD-3-Clause */
/* On which nodes tasks are missing is told, or nothing where it is not certain. */
#include "nodes.h"

#include "unit.h"

/* ------------------------------------------------------------------- notes */

static const struct
{
  const char *note, *key, *value; /* NULL: there is none */
} values[] = {
  { "host=n1 pid=12", "host", "n1" },
  { "host=n1 pid=12", "pid", "12" },
  { "host=n1 pid=12\n", "pid", "12" },
  { "host=n1  pid=12", "pid", "12" },
  { "host= pid=12", "host", "" },
  { "", "host", NULL },
  { "host", "host", NULL },
  { "host=n1", "hos", NULL },
  { "host=n1", "ost", NULL },
  { "xhost=n1 host=n2", "host", "n2" },
  { "hosts=n1 host=n2", "host", "n2" },
  { "nodes=a=b", "nodes", "a=b" },
};

START_TEST (finds_a_value)
{
  char value[32] = "before";
  bool found = nodes_note_value (values[_i].note, values[_i].key, value, sizeof value);

  ck_assert (found == (values[_i].value != NULL));
  if (found)
    ck_assert_str_eq (value, values[_i].value);
}
END_TEST

START_TEST (leaves_out_what_is_too_long)
{
  char value[4];

  ck_assert (nodes_note_value ("host=abc", "host", value, sizeof value));
  ck_assert_str_eq (value, "abc");
  ck_assert (!nodes_note_value ("host=abcd", "host", value, sizeof value));
}
END_TEST

static struct instance in;

static void
make_instance (void)
{
  int dirfd = open (unit_tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  ck_assert_int_eq (instance_open (&in, dirfd, "key", 4, false), 0);
  ck_assert_int_eq (instance_open_arrival (&in, 4), 0);
}

static void
write_note (const char *name, const char *note)
{
  ck_assert_int_eq (symlinkat (note, in.top, name), 0);
}

/* ------------------------------------------------------------------- lists */

static char expanded[4096];

/* Lists them in EXPANDED. */
static bool
expand (const char *list, const char *per_node)
{
  struct node *nodes;
  size_t count = nodes_expand (list, per_node, &nodes), used = 0;

  for (size_t i = 0; i < count; i++)
    used += (size_t) snprintf (expanded + used, sizeof expanded - used, "%s%s:%u",
                               used > 0 ? " " : "", nodes[i].name, nodes[i].tasks);
  free (nodes);
  return count > 0;
}

static const struct
{
  const char *list, *per_node, *nodes;
} lists[] = {
  { "n1", "1", "n1:1" },
  { "n1,n2", "2,1", "n1:2 n2:1" },
  { "n1,n2", "3(x2)", "n1:3 n2:3" },
  { "n[1-3]", "3,1(x2)", "n1:3 n2:1 n3:1" },
  { "n[1-2,07]", "1(x3)", "n1:1 n2:1 n07:1" },
  { "n[08-11]", "1(x4)", "n08:1 n09:1 n10:1 n11:1" },
  { "n[1-2],gpu3", "1(x2),8", "n1:1 n2:1 gpu3:8" },
  { "a,n[1-2],b", "1,2,3,4", "a:1 n1:2 n2:3 b:4" },
  { "n[1-2]-ib", "1(x2)", "n1-ib:1 n2-ib:1" },
  { "n[1-2]-ib,m[5]", "1(x3)", "n1-ib:1 n2-ib:1 m5:1" },
  { "[1-2]", "1(x2)", "1:1 2:1" },
};

START_TEST (lists_each_node)
{
  ck_assert (expand (lists[_i].list, lists[_i].per_node));
  ck_assert_str_eq (expanded, lists[_i].nodes);
}
END_TEST

static const struct
{
  const char *list, *per_node;
} nonsense[] = {
  { "n1", "" },
  { "n1", "x" },
  { "n1,n2", "1" },
  { "n[1-3]", "1(x2)" },
  { "n1", "1(x0)" },
  { "n1", "1(x" },
  { "n1", "1(x1" },
  { "n1", "1(xx)" },
  { "n[1-2", "1(x2)" },
  { "n[", "1" },
  { "n[]", "1" },
  { "n[x]", "1" },
  { "n[1-x]", "1(x2)" },
  { "n[1x]", "1" },
  { "n[1;2]", "1(x2)" },
  { "n[1-2]r[1-2]", "1(x4)" }, /* Slurm's, but not understood here */
  { "n[0000000001]", "1" },
  { "n1", "1,1" },    /* more counts than nodes */
  { "n1", "1(x2)" },
  { "n[2-1]", "1" },  /* a range backwards */
  { "n[1-]", "1" },
  { ",n1", "1(x2)" }, /* a node without a name */
  { "n1,,n2", "1(x3)" },
};

START_TEST (refuses_nonsense)
{
  ck_assert_msg (!expand (nonsense[_i].list, nonsense[_i].per_node), "\"%s\" and \"%s\" make sense",
                 nonsense[_i].list, nonsense[_i].per_node);
}
END_TEST

START_TEST (has_limits)
{
  char name[200];

  memset (name, 'n', sizeof name);
  name[sizeof name - 1] = '\0';
  ck_assert (!expand (name, "1"));
  memcpy (name + 60, "[10000-10001]", sizeof "[10000-10001]");
  ck_assert (!expand (name, "1(x2)"));
  /* However many nodes somebody announces: it comes to an end. */
  ck_assert (!expand ("n[0-999999999]", "1(x1000000000)"));
  ck_assert (!expand ("n[1-99999999999999999999]", "1(x99999999999)"));
}
END_TEST

/* ----------------------------------------------------------------- missing */

/* A file server that takes two seconds for each note. */
static int64_t slow_notes;

ssize_t
readlinkat (int dirfd, const char *path, char *text, size_t size)
{
  slow_notes += slow_notes > 0 ? 2 : 0;
  return (ssize_t) syscall (SYS_readlinkat, dirfd, path, text, size);
}

int
clock_gettime (clockid_t clock, struct timespec *t)
{
  const int result = (int) syscall (SYS_clock_gettime, clock, t);

  t->tv_sec += slow_notes;
  return result;
}

/* What is behind the missing tasks: their nodes, or "". */
static const char *
missing_of (uint32_t tasks, const char *list, const char *per_node)
{
  static char text[NODES_TEXT_MAX];
  struct nodes_survey survey;

  memset (text, '#', sizeof text);
  ck_assert_int_eq (nodes_survey (&survey, &in, tasks), 0);
  (void) snprintf (survey.list, sizeof survey.list, "%s", list);
  (void) snprintf (survey.per_node, sizeof survey.per_node, "%s", per_node);
  ck_assert_ptr_eq (nodes_tell_missing (&survey, text), text);
  nodes_survey_free (&survey);
  ck_assert_int_eq (strncmp (text, "procid ", 7), 0);
  const char *on = strstr (text, " on ");
  return on == NULL ? "" : on + 4;
}

/* TASKS: one letter a task, "-" not there, "?" arrived without a note, else the
 * number of its node. */
static const char *
missing (const char *tasks, const char *list, const char *per_node)
{
  char note[100], name[40];

  for (uint32_t rank = 0; tasks[rank] != '\0'; rank++)
    {
      (void) snprintf (name, sizeof name, "arrival/slurm-procid-%u", rank);
      (void) unlinkat (in.top, name, 0);
      (void) snprintf (note, sizeof note, "host=h%c pid=1 node=n%c", tasks[rank], tasks[rank]);
      if (tasks[rank] != '-')
        write_note (name, tasks[rank] == '?' ? "x" : note);
    }
  return missing_of ((uint32_t) strlen (tasks), list, per_node);
}

START_TEST (says_on_which_nodes_members_are_missing)
{
  ck_assert_str_eq (missing ("123-", "n[1-4]", "1(x4)"), "n4");
  ck_assert_str_eq (missing ("1-3-", "n[1-4]", "1(x4)"), "n2,n4");
  ck_assert_str_eq (missing ("11-2", "n[1-2]", "2(x2)"), "n2");
  ck_assert_str_eq (missing ("1-2-", "n[1-2]", "2(x2)"), "n1,n2");
  ck_assert_str_eq (missing ("1234", "n[1-4]", "1(x4)"), "");
  ck_assert_str_eq (missing ("----", "n[1-2]", "2(x2)"), "n1,n2");
}
END_TEST

/* Slurm may give the ranks to the nodes in turn. */
START_TEST (counts_whatever_the_distribution)
{
  ck_assert_str_eq (missing ("12-2", "n[1-2]", "2(x2)"), "n1");
}
END_TEST

/* A mark may be of several tasks; and who is only gathered is there, too. */
START_TEST (counts_sets_and_gatherings)
{
  write_note ("arrival/slurm-procid-0-4:2", "host=h1 node=n1");
  ck_assert_str_eq (missing_of (8, "n[1-3]", "3,3,2"), "n2,n3");
  write_note ("gathering-1", "procid=1,3 host=h2 node=n2");
  ck_assert_str_eq (missing_of (8, "n[1-3]", "3,3,2"), "n2,n3");
  write_note ("gathering-2", "procid=6-7 host=h3 node=n3");
  ck_assert_str_eq (missing_of (8, "n[1-3]", "3,3,2"), "n2");
  /* It has just arrived, and is named twice. */
  write_note ("arrival/slurm-procid-6-7", "host=h3 node=n3");
  ck_assert_str_eq (missing_of (8, "n[1-3]", "3,3,2"), "n2");
}
END_TEST

START_TEST (passes_over_what_is_no_mark)
{
  write_note ("arrival/slurm-procid-0", "node=n1");
  write_note ("arrival/slurm-procid-9", "node=n1");
  write_note ("arrival/slurm-procid-1-0", "node=n1");
  write_note ("gathering-x", "procid=nonsense node=n1");
  write_note ("gathering-y", "node=n1");
  ck_assert_int_eq (mkdirat (in.top, "gathering-z", 0700), 0);
  ck_assert_int_eq (mkdirat (in.top, "arrival/slurm-procid-2", 0700), 0);
  ck_assert_str_eq (missing_of (4, "n[1-4]", "1(x4)"), "n2,n3,n4");
}
END_TEST

START_TEST (says_nothing_that_is_not_certain)
{
  ck_assert_str_eq (missing ("12?-", "n[1-4]", "1(x4)"), "");
  ck_assert_str_eq (missing ("123-", "", ""), "");
  ck_assert_str_eq (missing ("123-", "n[1-4]", "1(x3)"), "");
  ck_assert_str_eq (missing ("123-", "n[1-4", "1(x4)"), "");
}
END_TEST

/* Others wait: after a second it names the missing tasks without their nodes. */
START_TEST (reads_no_notes_for_long)
{
  slow_notes = 1;
  ck_assert_str_eq (missing ("123-", "n[1-4]", "1(x4)"), "");
  ck_assert_int_eq (slow_notes, 3); /* it has read one */
  write_note ("gathering-4", "procid=3 node=n4");
  (void) unlinkat (in.top, "arrival/slurm-procid-0", 0);
  ck_assert_str_eq (missing_of (4, "n[1-4]", "1(x4)"), "");
  ck_assert_int_eq (slow_notes, 7); /* who is gathered is always read */
}
END_TEST

START_TEST (does_not_trust_a_list_that_cannot_be)
{
  /* A task that has arrived from a node that is not in the list: the names
   * are others than Slurm's. */
  ck_assert_str_eq (missing ("129-", "n[1-4]", "1(x4)"), "");
  /* The counts are those of another step. */
  ck_assert_str_eq (missing ("123-", "n[1-4]", "2(x4)"), "");
  ck_assert_str_eq (missing ("11--", "n[1-2]", "1,2"), "");
}
END_TEST

/* Tasks in no order, on nodes whose names are of each length. */
START_TEST (cuts_what_does_not_fit)
{
  char text[NODES_TEXT_MAX + 1], list[64];
  struct nodes_survey survey;

  for (int width = 1; width < 30; width++)
    {
      ck_assert_int_eq (nodes_survey (&survey, &in, 200), 0);
      for (uint32_t rank = 0; rank < 200; rank++)
        if (rank * rank % 7 < 3)
          ranks_add (&survey.there, rank);
      (void) snprintf (list, sizeof list, "%.*s[100-299]", width, "nodenodenodenodenodenodenodenode");
      (void) snprintf (survey.list, sizeof survey.list, "%s", list);
      (void) snprintf (survey.per_node, sizeof survey.per_node, "1(x200)");
      memset (text, '#', sizeof text);
      (void) nodes_tell_missing (&survey, text);
      ck_assert_uint_lt (strlen (text), NODES_TEXT_MAX);
      ck_assert_ptr_nonnull (strstr (text, ",... on n"));
      ck_assert_str_eq (strrchr (text, ','), ",...");
      ck_assert_int_eq (text[NODES_TEXT_MAX], '#');
      nodes_survey_free (&survey);
    }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("nodes");
  TCase *tcase = unit_case_with (suite, "nodes", make_instance);

  unit_add_rows (tcase, finds_a_value, values);
  tcase_add_test (tcase, leaves_out_what_is_too_long);
  unit_add_rows (tcase, lists_each_node, lists);
  unit_add_rows (tcase, refuses_nonsense, nonsense);
  tcase_add_test (tcase, has_limits);
  tcase_add_test (tcase, says_on_which_nodes_members_are_missing);
  tcase_add_test (tcase, reads_no_notes_for_long);
  tcase_add_test (tcase, counts_whatever_the_distribution);
  tcase_add_test (tcase, counts_sets_and_gatherings);
  tcase_add_test (tcase, passes_over_what_is_no_mark);
  tcase_add_test (tcase, says_nothing_that_is_not_certain);
  tcase_add_test (tcase, does_not_trust_a_list_that_cannot_be);
  tcase_add_test (tcase, cuts_what_does_not_fit);
  return unit_run (suite);
}
