/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a runtime hands down, a hook starts with its descriptors, signals and
 * umask right. */
#include "process.h"

#include "unit.h"

#include <sys/syscall.h>

/* Each test spoils what process_prepare() has to put right, and looks at it in
 * a child: libcheck needs its own descriptors.  A child's result is 0, or the
 * number of what is wrong. */

static int
look_at_descriptors (const void *unused)
{
  const int high = 200;

  (void) unused;
  (void) dup2 (STDERR_FILENO, high);
  (void) dup2 (STDERR_FILENO, 3);
  (void) close (STDIN_FILENO);
  (void) close (STDERR_FILENO);
  if (process_prepare () != 0)
    return 1;
  for (int fd = 0; fd <= STDERR_FILENO; fd++)
    if (fcntl (fd, F_GETFD) < 0)
      return 2;
  for (int fd = STDERR_FILENO + 1; fd <= high + 10; fd++)
    if (fcntl (fd, F_GETFD) >= 0)
      return 3;
  return 0;
}

static int
look_on_an_old_kernel (const void *unused)
{
  unit_refuse (CALL_CLOSE_RANGE, ENOSYS);
  return look_at_descriptors (unused);
}

/* As many as there may be: nothing more can be opened. */
static int
look_at_full_table (const void *unused)
{
  const struct rlimit few = { 20, 20 };

  (void) unused;
  unit_refuse (CALL_CLOSE_RANGE, ENOSYS);
  if (setrlimit (RLIMIT_NOFILE, &few) != 0)
    return 1;
  while (dup (STDERR_FILENO) >= 0)
    ;
  if (process_prepare () != 0)
    return 2;
  for (int fd = STDERR_FILENO + 1; fd < 20; fd++)
    if (fcntl (fd, F_GETFD) >= 0)
      return 3;
  return 0;
}

static int
look_at_standard_descriptors (const void *unused)
{
  const char text[] = "x";
  struct stat null, st;
  char byte;

  (void) unused;
  for (int fd = 0; fd <= STDERR_FILENO; fd++)
    (void) close (fd);
  if (process_prepare () != 0 || stat ("/dev/null", &null) != 0)
    return 1;
  for (int fd = 0; fd <= STDERR_FILENO; fd++)
    if (fstat (fd, &st) != 0 || st.st_rdev != null.st_rdev || !S_ISCHR (st.st_mode))
      return 2;
  return read (0, &byte, 1) == 0 && write (1, text, 1) == 1 && write (2, text, 1) == 1 ? 0 : 3;
}

static int
look_at_kept_descriptors (const void *unused)
{
  struct stat before[3], after;

  (void) unused;
  if (dup2 (open (unit_path ("in"), O_RDWR | O_CREAT, 0600), STDIN_FILENO) != STDIN_FILENO)
    return 1;
  for (int fd = 0; fd <= STDERR_FILENO; fd++)
    if (fstat (fd, &before[fd]) != 0)
      return 2;
  if (process_prepare () != 0)
    return 3;
  for (int fd = 0; fd <= STDERR_FILENO; fd++)
    if (fstat (fd, &after) != 0 || after.st_ino != before[fd].st_ino
        || after.st_dev != before[fd].st_dev)
      return 4;
  return 0;
}

static int
fail_to_open (const void *unused)
{
  (void) unused;
  (void) close (STDIN_FILENO);
  unit_refuse (SYS_openat, EMFILE);
  errno = 0;
  return process_prepare () == -1 && errno == EMFILE ? 0 : 1;
}

static int
look_at_signals (const void *unused)
{
  static const struct
  {
    int number;
    void (*before) (int), (*after) (int);
  } signals[] = {
    { SIGPIPE, SIG_DFL, SIG_IGN }, { SIGXFSZ, SIG_DFL, SIG_IGN }, { SIGCHLD, SIG_IGN, SIG_DFL },
    { SIGHUP, SIG_IGN, SIG_IGN }, /* nohup(1) of a command */
  };
  struct sigaction action;

  (void) unused;
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    (void) signal (signals[i].number, signals[i].before);
  if (process_prepare () != 0)
    return 1;
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    if (sigaction (signals[i].number, NULL, &action) != 0
        || action.sa_handler != signals[i].after)
      return signals[i].number;
  return 0;
}

static int
look_at_umask (const void *unused)
{
  (void) unused;
  (void) umask (0);
  if (process_prepare () != 0)
    return 1;
  return umask (0) == 077 ? 0 : 2;
}

static const struct
{
  const char *promise;
  int (*look) (const void *unused);
} promises[] = {
  { "closes what was inherited", look_at_descriptors },
  { "closes it on old kernels", look_on_an_old_kernel },
  { "opens standard descriptors", look_at_standard_descriptors },
  { "keeps standard descriptors", look_at_kept_descriptors },
  { "says when it cannot open", fail_to_open },
  { "puts signals right", look_at_signals },
  { "puts the umask right", look_at_umask },
};

START_TEST (puts_right_what_was_inherited)
{
  const int wrong = unit_child (promises[_i].look, NULL);

  ck_assert_msg (wrong == 0, "%s: %d", promises[_i].promise, wrong);
}
END_TEST

START_TEST (closes_a_full_table_on_old_kernels)
{
  ck_assert_int_eq (unit_child (look_at_full_table, NULL), 0);
}
END_TEST

/* That asks no file server, so it needs no other call than to read a file. */
START_TEST (finds_what_is_mounted)
{
  char text[PROCESS_MOUNT_MAX];
  struct stat st;

  ck_assert_int_eq (stat ("/proc/self", &st), 0);
  process_find_mount (st.st_dev, text);
  ck_assert_msg (strncmp (text, "proc ", 5) == 0, "%s", text);
  process_find_mount (st.st_dev + 0x7fff, text);
  ck_assert_str_eq (text, "");
}
END_TEST

static int
find_no_mount (const void *unused)
{
  char text[PROCESS_MOUNT_MAX] = "as before";
  struct stat st;

  (void) unused;
  if (stat ("/proc/self", &st) != 0)
    return 1;
  unit_refuse (SYS_openat, EMFILE);
  process_find_mount (st.st_dev, text);
  return text[0] == '\0' ? 0 : 2;
}

START_TEST (bears_that_mounts_are_not_told)
{
  ck_assert_int_eq (unit_child (find_no_mount, NULL), 0);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("process");
  TCase *tcase = unit_case (suite, "process");

  unit_add_rows (tcase, puts_right_what_was_inherited, promises);
  unit_add_if (tcase, closes_a_full_table_on_old_kernels, !unit_in_valgrind (),
               "valgrind keeps descriptors of its own");
  tcase_add_test (tcase, finds_what_is_mounted);
  tcase_add_test (tcase, bears_that_mounts_are_not_told);
  return unit_run (suite);
}
