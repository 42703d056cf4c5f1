/* SPDX-License-Identifier: BSD-3-Clause */
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

static int arrival;

static void
make_arrival (void)
{
  unit_make_tmp ();
  arrival = open (unit_tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ck_assert_int_ge (arrival, 0);
}

static void
write_note (uint32_t rank, const char *note)
{
  char name[40];

  (void) snprintf (name, sizeof name, "slurm-procid-%u", rank);
  unit_write_text (unit_path (name), note);
}

START_TEST (reads_a_note)
{
  char note[NODES_NOTE_MAX];

  write_note (7, "host=n1 pid=12\n");
  ck_assert (nodes_note_read (arrival, 7, note));
  ck_assert_str_eq (note, "host=n1 pid=12");
}
END_TEST

/* It goes to terminals and logs. */
START_TEST (cleans_a_note)
{
  char note[NODES_NOTE_MAX];

  write_note (0, "host=\033[2Jn1\n");
  ck_assert (nodes_note_read (arrival, 0, note));
  ck_assert_str_eq (note, "host=?[2Jn1");
}
END_TEST

START_TEST (knows_no_note)
{
  char note[NODES_NOTE_MAX], longer[2 * NODES_NOTE_MAX];

  ck_assert (!nodes_note_read (arrival, 0, note));
  write_note (1, "");
  ck_assert (!nodes_note_read (arrival, 1, note));
  write_note (2, "host=n1"); /* cut off: no newline */
  ck_assert (!nodes_note_read (arrival, 2, note));
  memset (longer, 'x', sizeof longer);
  longer[sizeof longer - 2] = '\n';
  longer[sizeof longer - 1] = '\0';
  write_note (3, longer);
  ck_assert (!nodes_note_read (arrival, 3, note));
}
END_TEST

/* The directory is the user's: he can put anything there. */
START_TEST (is_not_held_up_by_other_files)
{
  char note[NODES_NOTE_MAX];

  unit_write_text (unit_path ("elsewhere"), "host=n1\n");
  ck_assert_int_eq (symlink ("elsewhere", unit_path ("slurm-procid-0")), 0);
  ck_assert (!nodes_note_read (arrival, 0, note));
  ck_assert_int_eq (mkfifo (unit_path ("slurm-procid-1"), 0600), 0);
  ck_assert (!nodes_note_read (arrival, 1, note));
  ck_assert_int_eq (mkdir (unit_path ("slurm-procid-2"), 0700), 0);
  ck_assert (!nodes_note_read (arrival, 2, note));
}
END_TEST

/* ------------------------------------------------------------------- lists */

static char visited[4096];

static void
visit (void *context, const char *node, uint32_t tasks)
{
  size_t used = strlen (visited);

  ck_assert_ptr_eq (context, &arrival);
  (void) snprintf (visited + used, sizeof visited - used, "%s%s:%u", used > 0 ? " " : "", node,
                   tasks);
}

static bool
walk (const char *list, const char *per_node)
{
  visited[0] = '\0';
  return nodes_each (list, per_node, visit, &arrival);
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

START_TEST (visits_each_node)
{
  ck_assert (walk (lists[_i].list, lists[_i].per_node));
  ck_assert_str_eq (visited, lists[_i].nodes);
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
};

START_TEST (refuses_nonsense)
{
  ck_assert_msg (!walk (nonsense[_i].list, nonsense[_i].per_node), "\"%s\" and \"%s\" make sense",
                 nonsense[_i].list, nonsense[_i].per_node);
}
END_TEST

START_TEST (has_limits)
{
  char name[200];

  memset (name, 'n', sizeof name);
  name[sizeof name - 1] = '\0';
  ck_assert (!walk (name, "1"));
  memcpy (name + 60, "[10000-10001]", sizeof "[10000-10001]");
  ck_assert (!walk (name, "1(x2)"));
  /* However many nodes somebody announces: it comes to an end. */
  ck_assert (!walk ("n[0-999999999]", "1(x1000000000)"));
  ck_assert (!walk ("n[1-99999999999999999999]", "1(x99999999999)"));
}
END_TEST

/* ----------------------------------------------------------------- missing */

/* NOTES: one letter a task, "-" not arrived, "?" arrived without a note, else
 * the number of its node. */
static const char *
missing (const char *tasks, const char *list, const char *per_node)
{
  static char text[256];
  struct ranks arrived;
  char note[100];

  ck_assert_int_eq (ranks_init (&arrived, (uint32_t) strlen (tasks)), 0);
  for (uint32_t rank = 0; tasks[rank] != '\0'; rank++)
    {
      (void) snprintf (note, sizeof note, "host=h%c pid=1 node=n%c\n", tasks[rank], tasks[rank]);
      if (tasks[rank] == '-')
        continue;
      write_note (rank, tasks[rank] == '?' ? "" : note);
      ranks_add (&arrived, rank);
    }
  memset (text, '#', sizeof text);
  ck_assert_ptr_eq (nodes_missing (arrival, &arrived, list, per_node, text, sizeof text), text);
  ranks_free (&arrived);
  return text;
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

START_TEST (says_nothing_that_is_not_certain)
{
  ck_assert_str_eq (missing ("12?-", "n[1-4]", "1(x4)"), "");
  ck_assert_str_eq (missing ("123-", "", ""), "");
  ck_assert_str_eq (missing ("123-", "n[1-4]", "1(x3)"), "");
  ck_assert_str_eq (missing ("123-", "n[1-4", "1(x4)"), "");
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

START_TEST (cuts_what_does_not_fit)
{
  char text[64];
  struct ranks none;

  ck_assert_int_eq (ranks_init (&none, 100), 0);
  for (size_t size = 8; size < sizeof text; size++)
    {
      memset (text, '#', sizeof text);
      (void) nodes_missing (arrival, &none, "node[100-199]", "1(x100)", text, size);
      ck_assert_uint_lt (strlen (text), size);
      ck_assert_ptr_nonnull (strstr (text, "..."));
      ck_assert_str_eq (strstr (text, "..."), "...");
      ck_assert_int_eq (text[size], '#');
    }
  ck_assert_int_eq (strncmp (text, "node100,node101,", 16), 0);
  ranks_free (&none);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("nodes");
  TCase *tcase = tcase_create ("nodes");

  suite_add_tcase (suite, tcase);
  tcase_add_checked_fixture (tcase, make_arrival, unit_remove_tmp);
  tcase_add_loop_test (tcase, finds_a_value, 0, sizeof values / sizeof *values);
  tcase_add_test (tcase, leaves_out_what_is_too_long);
  tcase_add_test (tcase, reads_a_note);
  tcase_add_test (tcase, cleans_a_note);
  tcase_add_test (tcase, knows_no_note);
  tcase_add_test (tcase, is_not_held_up_by_other_files);
  tcase_add_loop_test (tcase, visits_each_node, 0, sizeof lists / sizeof *lists);
  tcase_add_loop_test (tcase, refuses_nonsense, 0, sizeof nonsense / sizeof *nonsense);
  tcase_add_test (tcase, has_limits);
  tcase_add_test (tcase, says_on_which_nodes_members_are_missing);
  tcase_add_test (tcase, counts_whatever_the_distribution);
  tcase_add_test (tcase, says_nothing_that_is_not_certain);
  tcase_add_test (tcase, does_not_trust_a_list_that_cannot_be);
  tcase_add_test (tcase, cuts_what_does_not_fit);
  return unit_run (suite);
}
