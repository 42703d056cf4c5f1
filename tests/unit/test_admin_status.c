/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What --status shows of a barrier that changes just while it looks; the rest
 * of it is in tests/admin.test.
 */
#include "admin.h"

#include "unit.h"

#include <stdarg.h>
#include <sys/syscall.h>

#define USER "tester"
#define BARRIERS "base/" USER "/.oci-hooks/slurm-global-sync"
#define BARRIER BARRIERS "/jobid-17-stepid-0"

/* ------------------------------------------------------------ what is there */

static void
mark (const char *where, int procid)
{
  char name[100];

  (void) snprintf (name, sizeof name, BARRIER "/%s/slurm-procid-%d", where, procid);
  unit_symlink ("host=n1 pid=1", unit_path (name));
}

/* A barrier of 3, with nobody in it. */
static void
make_barrier (void)
{
  char line[100];

  (void) snprintf (line, sizeof line, USER ":x:%u:%u::/:/bin/sh\n", (unsigned) geteuid (),
                   (unsigned) getegid ());
  unit_write_text (unit_path ("passwd"), line);
  unit_mkdir (unit_path ("base"));
  unit_mkdir (unit_path ("base/" USER));
  unit_mkdir (unit_path ("base/" USER "/.oci-hooks"));
  unit_mkdir (unit_path (BARRIERS));
  unit_mkdir (unit_path (BARRIER));
  unit_mkdir (unit_path (BARRIER "/arrival"));
  unit_symlink ("3", unit_path (BARRIER "/ntasks"));
}

/* Procid 2 is slow to go on, so that the barrier stays. */
static void
release (void)
{
  unit_mkdir (unit_path (BARRIER "/departure"));
  mark ("departure", 0);
  mark ("departure", 1);
}

static void
the_last_comes_and_it_is_released (void)
{
  mark ("arrival", 2);
  release ();
}

static void
it_is_removed (void)
{
  ck_assert_int_eq (nftw (unit_path (BARRIER), unit_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void
it_is_called_off (void)
{
  unit_symlink ("called-off: procid 1: got SIGTERM", unit_path (BARRIER "/departure"));
}

/* --------------------------------------------------------------- the others */

/* What the hooks do before, or after, this process looks at the outcome: in the
 * third directory that it lists.  The library is linked statically, so this
 * stands in for the C library's. */
static void (*before_look) (void), (*after_look) (void);

int
openat (int fd, const char *path, int flags, ...)
{
  static int lists;
  unsigned mode;
  va_list ap;

  va_start (ap, flags);
  mode = (flags & O_CREAT) != 0 ? va_arg (ap, unsigned) : 0;
  va_end (ap);
  lists = strcmp (path, "arrival") == 0 ? 0 : lists + (strcmp (path, ".") == 0);
  if (lists == 3)
    unit_once (&before_look);
  /* It looks when something was changed last. */
  if (lists >= 3 && strcmp (path, "jobid-17-stepid-0") == 0)
    unit_once (&after_look);
  return (int) syscall (SYS_openat, fd, path, flags, mode);
}

/* ---------------------------------------------------------------- the status */

static const char *
look (void)
{
  char base[400], passwd_file[400];
  char *no_files[] = { NULL };
  const struct config config = {
    .mode = CONFIG_STATUS,
    .base_dir = strcpy (base, unit_path ("base")),
    .passwd_file = strcpy (passwd_file, unit_path ("passwd")),
    .user = USER,
    .files = no_files,
  };
  int saved = unit_capture (), status = admin_run (&config);
  const char *text = unit_printed (saved);

  ck_assert_int_eq (status, EX_OK);
  return text;
}

#define ck_assert_shows(part) unit_assert_match (text, part)
#define ck_assert_hides(part)                                                                      \
  ck_assert_msg (strstr (text, part) == NULL, "\"%s\" says \"%s\"", text, part)

START_TEST (shows_a_barrier_that_waits)
{
  mark ("arrival", 0);
  mark ("arrival", 2);
  const char *text = look ();
  ck_assert_shows (" 2/3 waiting");
  ck_assert_shows ("missing: procid 1\n");
}
END_TEST

START_TEST (shows_nobody_as_missing_who_has_just_gone_on)
{
  mark ("arrival", 0);
  mark ("arrival", 1);
  mark ("arrival", 2);
  if (_i == 0)
    before_look = release;
  else
    after_look = release;
  const char *text = look ();
  ck_assert_shows (_i == 0 ? " 3/3 released" : " 3/3 waiting");
  ck_assert_hides ("missing");
}
END_TEST

START_TEST (shows_nobody_as_missing_who_has_just_come)
{
  mark ("arrival", 0);
  mark ("arrival", 1);
  before_look = the_last_comes_and_it_is_released;
  const char *text = look ();
  ck_assert_shows (" 3/3 released");
  ck_assert_hides ("missing");
  ck_assert_shows ("not departed: procid 2\n");
}
END_TEST

START_TEST (leaves_out_what_is_removed_meanwhile)
{
  unit_symlink ("host=n1 pid=1 node=n1 nodes=n1 tasks=3",
                unit_path (BARRIER "/arrival/slurm-procid-0"));
  if (_i == 0)
    before_look = it_is_removed;
  else
    after_look = it_is_removed;
  const char *text = look ();
  ck_assert_shows ("no barriers in ");
}
END_TEST

START_TEST (shows_the_reason_that_has_just_been_given)
{
  mark ("arrival", 0);
  before_look = it_is_called_off;
  const char *text = look ();
  ck_assert_shows (" 1/3 called-off");
  ck_assert_shows ("procid 1: got SIGTERM\n");
}
END_TEST

/* A mark of a whole node, and one that has gathered only some of its tasks. */
START_TEST (shows_sets_and_gatherings)
{
  ck_assert_int_eq (unlink (unit_path (BARRIER "/ntasks")), 0);
  unit_symlink ("8", unit_path (BARRIER "/ntasks"));
  unit_symlink ("host=h1 pid=11 node=n1 nodes=n[1-2] tasks=4(x2)",
                unit_path (BARRIER "/arrival/slurm-procid-0-6:2"));
  unit_symlink ("procid=1,5 host=h2 pid=12 node=n2 nodes=n[1-2] tasks=4(x2)",
                unit_path (BARRIER "/gathering-1"));
  const char *text = look ();
  ck_assert_shows (" 6/8 waiting");
  ck_assert_shows ("there: procid 0-6:2 on n1; procid 1,5 on n2\n  missing: procid 3,7 on n2\n");
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("admin_status");
  TCase *tcase = unit_case_with (suite, "admin_status", make_barrier);

  tcase_add_test (tcase, shows_a_barrier_that_waits);
  tcase_add_test (tcase, shows_sets_and_gatherings);
  tcase_add_loop_test (tcase, shows_nobody_as_missing_who_has_just_gone_on, 0, 2);
  tcase_add_test (tcase, shows_nobody_as_missing_who_has_just_come);
  tcase_add_loop_test (tcase, leaves_out_what_is_removed_meanwhile, 0, 2);
  tcase_add_test (tcase, shows_the_reason_that_has_just_been_given);
  return unit_run (suite);
}
