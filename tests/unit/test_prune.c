/* SPDX-License-Identifier: BSD-3-Clause */
/* Old barriers are removed whole; nothing that may be alive is, nor anything else,
 * whatever hooks and other prunes do meanwhile. */
#include "prune.h"

#include "unit.h"

#include <glob.h>
#include <sys/syscall.h>

#define SECONDS INT64_C (1000000000)
#define DAY 86400

static int barriers;

static void
begin (void)
{
  barriers = open (unit_tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ck_assert_int_ge (barriers, 0);
}

/* ------------------------------------------------------------ what is there */

/* NAME/PART; a few of the last results stay valid. */
static const char *
in (const char *name, const char *part)
{
  char path[150];

  (void) snprintf (path, sizeof path, "%s/%s", name, part);
  return unit_path (path);
}

static void
make_directory_in (const char *name, const char *part)
{
  unit_mkdir (in (name, part));
}

static void
make_file_in (const char *name, const char *part)
{
  unit_write_text (in (name, part), "host=n1 pid=1\n");
}

/* A barrier of 4 with two members. */
static void
make_barrier (const char *name)
{
  make_directory_in (name, "");
  make_directory_in (name, "arrival");
  make_file_in (name, "arrival/slurm-procid-0");
  make_file_in (name, "arrival/slurm-procid-2");
  unit_symlink ("4", in (name, "ntasks"));
}

static time_t age_of_all;

static int
set_age_of (const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
  (void) st;
  (void) flag;
  (void) ftw;
  unit_set_age (path, age_of_all);
  return 0;
}

/* NAME, and all that is in it, last changed so long ago. */
static void
let_age (const char *name, time_t seconds)
{
  age_of_all = seconds;
  ck_assert_int_eq (nftw (unit_path (name), set_age_of, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void
make_old_barrier (const char *name)
{
  make_barrier (name);
  let_age (name, 2 * DAY);
}

/* --------------------------------------------------------------- the others */

static bool refuse_removal; /* as if somebody held it fast */

/* What another process does just before this one renames, or removes, for the
 * first time.  The library is linked statically, so these stand in for the C
 * library's. */
static void (*before_rename) (void), (*before_unlink) (void);

int
renameat (int from_fd, const char *from, int to_fd, const char *to)
{
  unit_once (&before_rename);
  return (int) syscall (SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int
unlinkat (int fd, const char *name, int flags)
{
  unit_once (&before_unlink);
  if (refuse_removal)
    {
      errno = EACCES;
      return -1;
    }
  return (int) syscall (SYS_unlinkat, fd, name, flags);
}

/* ---------------------------------------------------------------- the pruning */

/* What was printed, and why it failed. */
static char reported[1000], reported_failed[sizeof ((struct failure *) NULL)->text];

static int
prune_with (const struct prune *how)
{
  struct prune p = *how;
  struct failure f = { 0 };

  p.dirfd = barriers;
  p.where = "here";
  int out = unit_capture ();
  int result = prune_run (&p, &f);
  (void) strcpy (reported, unit_printed (out));
  (void) strcpy (reported_failed, f.text);
  ck_assert_int_eq (result < 0, reported_failed[0] != '\0');
  return result;
}

static int
prune (void)
{
  return prune_with (&(struct prune){ .until = 0 });
}

START_TEST (knows_the_names)
{
  ck_assert (prune_is_barrier ("jobid-17-stepid-0"));
  ck_assert (prune_is_barrier ("gone-n1-4711-0-jobid-17"));
  ck_assert (!prune_is_barrier ("jobid"));
  ck_assert (!prune_is_barrier (".jobid-17"));
  ck_assert (prune_is_remains ("gone-n1-4711-0-jobid-17"));
  ck_assert (!prune_is_remains ("jobid-17"));
  ck_assert (!prune_is_remains ("gone"));
}
END_TEST

START_TEST (finds_nothing_in_an_empty_directory)
{
  ck_assert_int_eq (prune (), 0);
  ck_assert_str_eq (reported, "");
}
END_TEST

START_TEST (removes_an_old_barrier)
{
  make_old_barrier ("jobid-17-stepid-0");
  ck_assert_int_eq (prune (), 1);
  ck_assert (!unit_is_there (unit_path ("jobid-17-stepid-0")));
  ck_assert_str_eq (reported, "removed here/jobid-17-stepid-0\n");
}
END_TEST

static const char *const outcomes[] = { "called-off: procid 3: got SIGTERM", "void" };

START_TEST (removes_it_however_it_ended)
{
  make_barrier ("jobid-17");
  unit_symlink (outcomes[_i], unit_path ("jobid-17/departure"));
  let_age ("jobid-17", 2 * DAY);
  ck_assert_int_eq (prune (), 1);
  ck_assert (!unit_is_there (unit_path ("jobid-17")));
}
END_TEST

START_TEST (removes_a_release)
{
  make_barrier ("jobid-17");
  make_directory_in ("jobid-17", "departure");
  make_file_in ("jobid-17", "departure/slurm-procid-1");
  let_age ("jobid-17", 2 * DAY);
  ck_assert_int_eq (prune (), 1);
  ck_assert (!unit_is_there (unit_path ("jobid-17")));
}
END_TEST

START_TEST (removes_old_remains)
{
  make_old_barrier ("gone-n1-4711-0-jobid-17-stepid-0");
  ck_assert_int_eq (prune (), 1);
  ck_assert (!unit_is_there (unit_path ("gone-n1-4711-0-jobid-17-stepid-0")));
}
END_TEST

/* Of some remains only the directory is left, however young: on NFS the leader that
 * removed them had its socket still open.  A barrier is something else. */
START_TEST (removes_empty_remains_at_once)
{
  make_directory_in ("gone-n1-1-0-jobid-1", "");
  make_barrier ("gone-n1-1-0-jobid-2");
  make_directory_in ("jobid-3", "");
  ck_assert_int_eq (prune_with (&(struct prune){ .dry_run = true }), 1);
  ck_assert_str_eq (reported, "would remove here/gone-n1-1-0-jobid-1\n");
  ck_assert_int_eq (prune (), 1);
  ck_assert (!unit_is_there (unit_path ("gone-n1-1-0-jobid-1")));
  ck_assert (unit_is_there (unit_path ("gone-n1-1-0-jobid-2/arrival/slurm-procid-2")));
  ck_assert (unit_is_there (unit_path ("jobid-3")));
}
END_TEST

/* An editor's file, somebody's directory, what NFS leaves. */
START_TEST (removes_what_else_is_in_it)
{
  make_barrier ("jobid-17");
  make_file_in ("jobid-17", ".nfs0001");
  make_file_in ("jobid-17", "arrival/notes~");
  make_directory_in ("jobid-17", "arrival/d");
  make_directory_in ("jobid-17", "arrival/d/e");
  make_file_in ("jobid-17", "arrival/d/e/f");
  let_age ("jobid-17", 2 * DAY);
  ck_assert_int_eq (prune (), 1);
  ck_assert (!unit_is_there (unit_path ("jobid-17")));
}
END_TEST

static const char *const names_of_remains[] = { "jobid-17", "gone-n1-1-0-jobid-17" };

/* A sign of life of one member is enough, and so is an outcome. */
static const char *const signs_of_life[]
  = { "arrival/slurm-procid-2", "arrival/slurm-procid-0", "arrival", "ntasks", "departure",
      "departure/slurm-procid-1", "" };

START_TEST (leaves_what_may_be_alive)
{
  const char *name = names_of_remains[_i % 2], *sign = signs_of_life[_i / 2];

  make_barrier (name);
  make_directory_in (name, "departure");
  make_file_in (name, "departure/slurm-procid-1");
  let_age (name, 2 * DAY);
  unit_set_age (in (name, sign), 1);
  ck_assert_int_eq (prune (), 0);
  ck_assert_str_eq (reported, "");
  ck_assert (unit_is_there (unit_path (name)));
  ck_assert_int_eq (access (in (name, "arrival/slurm-procid-2"), F_OK), 0);
}
END_TEST

START_TEST (leaves_other_names)
{
  make_directory_in ("jobs", "");
  make_file_in ("jobs", "jobid-17");
  make_file_in ("", "notes");
  make_directory_in (".gone-n1", "");
  let_age ("jobs", 20 * DAY);
  let_age ("notes", 20 * DAY);
  let_age (".gone-n1", 20 * DAY);
  ck_assert_int_eq (prune (), 0);
  ck_assert (unit_is_there (unit_path ("jobs/jobid-17")));
  ck_assert (unit_is_there (unit_path ("notes")));
  ck_assert (unit_is_there (unit_path (".gone-n1")));
}
END_TEST

/* A link with the name of a barrier must not lead the removal elsewhere. */
START_TEST (follows_no_link)
{
  make_directory_in ("elsewhere", "");
  make_file_in ("elsewhere", "precious");
  unit_symlink ("elsewhere", unit_path ("jobid-17"));
  unit_symlink ("elsewhere", unit_path ("gone-1"));
  make_barrier ("jobid-18");
  unit_symlink ("../../elsewhere", unit_path ("jobid-18/arrival/link"));
  let_age ("elsewhere", 2 * DAY);
  let_age ("jobid-18", 2 * DAY);
  unit_set_age (unit_path ("jobid-17"), 2 * DAY);
  unit_set_age (unit_path ("gone-1"), 2 * DAY);
  (void) prune ();
  ck_assert (unit_is_there (unit_path ("elsewhere/precious")));
  ck_assert (!unit_is_there (unit_path ("jobid-18")));
}
END_TEST

START_TEST (follows_the_age)
{
  make_barrier ("jobid-1");
  let_age ("jobid-1", DAY - 600);
  make_barrier ("jobid-2");
  let_age ("jobid-2", DAY + 600);
  ck_assert_int_eq (prune (), 1);
  ck_assert_str_eq (reported, "removed here/jobid-2\n");
}
END_TEST

/* A file server's clock that was set back. */
START_TEST (leaves_what_is_from_the_future)
{
  make_barrier ("jobid-1");
  let_age ("jobid-1", -2 * DAY);
  ck_assert_int_eq (prune (), 0);
  ck_assert (unit_is_there (unit_path ("jobid-1")));
}
END_TEST

START_TEST (can_only_say_what_it_would_do)
{
  make_old_barrier ("jobid-1");
  make_old_barrier ("gone-n1-1-0-jobid-1");
  ck_assert_int_eq (prune_with (&(struct prune){ .dry_run = true }), 2);
  ck_assert_ptr_nonnull (strstr (reported, "would remove here/jobid-1\n"));
  ck_assert_ptr_nonnull (strstr (reported, "would remove here/gone-n1-1-0-jobid-1\n"));
  ck_assert (unit_is_there (unit_path ("jobid-1/arrival/slurm-procid-2")));
  ck_assert (unit_is_there (unit_path ("gone-n1-1-0-jobid-1/arrival/slurm-procid-2")));
}
END_TEST

START_TEST (stops_when_its_time_is_over)
{
  make_old_barrier ("jobid-1");
  ck_assert_int_eq (prune_with (&(struct prune){ .until = 1 }), 0);
  ck_assert_int_eq (prune_with (&(struct prune){ .until = INT64_MAX }), 1);
}
END_TEST

START_TEST (can_say_nothing)
{
  struct prune p = { .dirfd = barriers };
  struct failure f;

  make_old_barrier ("jobid-1");
  ck_assert_int_eq (prune_run (&p, &f), 1);
  ck_assert (!unit_is_there (unit_path ("jobid-1")));
}
END_TEST

START_TEST (says_what_it_cannot_read)
{
  struct prune p = { .dirfd = -1 };
  struct failure f = { 0 };

  ck_assert_int_eq (prune_run (&p, &f), -1);
  ck_assert_int_eq (f.status, EX_IOERR);
  unit_assert_match (f.text, "cannot read");
}
END_TEST

START_TEST (says_what_it_cannot_remove)
{
  make_old_barrier (names_of_remains[_i]);
  refuse_removal = true;
  ck_assert_int_eq (prune (), -1);
  ck_assert_str_eq (reported, "");
  unit_assert_match (reported_failed, names_of_remains[_i]);
  unit_assert_match (reported_failed, "Permission denied");
}
END_TEST

/* ------------------------------------------------------- while hooks arrive */

/* How many remains are void and still have that MEMBER in them. */
static unsigned
count_void_with (const char *member)
{
  unsigned count = 0;
  char arrived[300];
  glob_t found;

  if (glob (unit_path ("gone-*/departure"), 0, NULL, &found) != 0)
    return 0;
  for (size_t i = 0; i < found.gl_pathc; i++)
    {
      const char *outcome = found.gl_pathv[i];
      char target[20] = "";
      ck_assert_int_gt (readlink (outcome, target, sizeof target - 1), 0);
      (void) snprintf (arrived, sizeof arrived, "%.*s/arrival/%s",
                       (int) (strrchr (outcome, '/') - outcome), outcome, member);
      count += strcmp (target, "void") == 0 && access (arrived, F_OK) == 0 ? 1 : 0;
    }
  globfree (&found);
  return count;
}

static void
a_member_arrives (void)
{
  unit_write_text (unit_path ("jobid-17/arrival/slurm-procid-3"), "");
}

/* Between the look and the rename: the member lives in what was renamed, so
 * that is void, and stays. */
START_TEST (leaves_a_barrier_that_somebody_comes_to)
{
  make_old_barrier ("jobid-17");
  before_rename = a_member_arrives;
  ck_assert_int_eq (prune (), 0);
  ck_assert (before_rename == NULL);
  ck_assert_str_eq (reported, "");
  ck_assert_str_eq (reported_failed, "");
  ck_assert (!unit_is_there (unit_path ("jobid-17")));
  ck_assert_uint_eq (count_void_with ("slurm-procid-3"), 1);
}
END_TEST

/* Epilogs of many nodes prune at once. */
static void
another_prune_removes_it (void)
{
  const char *name = unit_is_there (unit_path ("jobid-17")) ? "jobid-17" : "gone-n1-1-0-jobid-17";

  /* It may have been as fast before the rename. */
  if (unit_is_there (unit_path (name)))
    ck_assert_int_eq (nftw (unit_path (name), unit_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

START_TEST (bears_that_another_prune_is_faster)
{
  make_old_barrier (names_of_remains[_i]);
  before_rename = another_prune_removes_it;
  before_unlink = another_prune_removes_it;
  (void) prune ();
  ck_assert_str_eq (reported_failed, "");
  ck_assert (!unit_is_there (unit_path (names_of_remains[_i])));
}
END_TEST

static int held;

static void
a_member_arrives_late (void)
{
  int fd = openat (held, "slurm-procid-3", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  ck_assert_int_ge (fd, 0);
  (void) close (fd);
}

/* After the last look: its arrival is removed with the rest, and the member,
 * which finds that the key does not name what it holds, arrives anew. */
START_TEST (removes_what_somebody_comes_to_too_late)
{
  struct stat st;

  make_old_barrier ("jobid-17");
  held = open (unit_path ("jobid-17/arrival"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ck_assert_int_ge (held, 0);
  before_unlink = a_member_arrives_late;
  ck_assert_int_eq (prune (), 1);
  ck_assert (before_unlink == NULL);
  ck_assert (!unit_is_there (unit_path ("jobid-17")));
  ck_assert_int_eq (fstatat (held, "slurm-procid-3", &st, 0), -1);
  ck_assert_int_eq (errno, ENOENT);
  (void) close (held);
}
END_TEST

static void
a_new_barrier_begins (void)
{
  ck_assert_int_eq (rename (unit_path ("jobid-17"), unit_path ("gone-n1-1-0-jobid-17")), 0);
  make_barrier ("jobid-17");
}

/* The name went to another barrier just before the rename: who is in that one
 * finds it void, or removed, and arrives anew.  What was meant stays. */
START_TEST (removes_a_barrier_caught_by_mistake)
{
  make_old_barrier ("jobid-17");
  before_rename = a_new_barrier_begins;
  (void) prune ();
  ck_assert (before_rename == NULL);
  ck_assert (!unit_is_there (unit_path ("jobid-17")));
  ck_assert_uint_eq (count_void_with ("slurm-procid-2"), 0);
  ck_assert (unit_is_there (unit_path ("gone-n1-1-0-jobid-17/arrival")));
}
END_TEST

/* --------------------------------------------------------------- last change */

START_TEST (tells_the_last_change)
{
  struct stat st;
  int64_t change;

  make_barrier ("jobid-17");
  let_age ("jobid-17", 5000);
  unit_set_age (unit_path ("jobid-17/arrival/slurm-procid-2"), 100);
  ck_assert_int_eq (stat (unit_path ("jobid-17/arrival/slurm-procid-2"), &st), 0);
  change = prune_last_change (barriers, "jobid-17", PRUNE_DEPTH);
  ck_assert_int_eq (change, st.st_mtim.tv_sec * SECONDS + st.st_mtim.tv_nsec);
}
END_TEST

START_TEST (tells_that_there_is_none)
{
  ck_assert_int_eq (prune_last_change (barriers, "jobid-17", PRUNE_DEPTH), -1);
  ck_assert_int_eq (errno, ENOENT);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("prune");
  TCase *tcase = unit_case_with (suite, "prune", begin);

  tcase_add_test (tcase, knows_the_names);
  tcase_add_test (tcase, finds_nothing_in_an_empty_directory);
  tcase_add_test (tcase, removes_an_old_barrier);
  tcase_add_loop_test (tcase, removes_it_however_it_ended, 0, 2);
  tcase_add_test (tcase, removes_a_release);
  tcase_add_test (tcase, removes_old_remains);
  tcase_add_test (tcase, removes_empty_remains_at_once);
  tcase_add_test (tcase, removes_what_else_is_in_it);
  tcase_add_loop_test (tcase, leaves_what_may_be_alive, 0, 2 * COUNT (signs_of_life));
  tcase_add_test (tcase, leaves_other_names);
  tcase_add_test (tcase, follows_no_link);
  tcase_add_test (tcase, follows_the_age);
  tcase_add_test (tcase, leaves_what_is_from_the_future);
  tcase_add_test (tcase, can_only_say_what_it_would_do);
  tcase_add_test (tcase, stops_when_its_time_is_over);
  tcase_add_test (tcase, can_say_nothing);
  tcase_add_test (tcase, says_what_it_cannot_read);
  tcase_add_loop_test (tcase, says_what_it_cannot_remove, 0, 2);
  tcase_add_test (tcase, leaves_a_barrier_that_somebody_comes_to);
  tcase_add_loop_test (tcase, bears_that_another_prune_is_faster, 0, 2);
  tcase_add_test (tcase, removes_what_somebody_comes_to_too_late);
  tcase_add_test (tcase, removes_a_barrier_caught_by_mistake);
  tcase_add_test (tcase, tells_the_last_change);
  tcase_add_test (tcase, tells_that_there_is_none);
  return unit_run (suite);
}
