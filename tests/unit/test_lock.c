/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who waits for the lock is woken when it is free or its owner dies, and hears
 * signals meanwhile; where locks do not work, each looks for itself.
 *
 * Who has a lock is another process, as in life.
 */
#include "lock.h"

#include "instance.h"
#include "unit.h"

#include <sys/syscall.h>

/* A wait that something should end, and one that nothing should. */
#define LONG (20 * SECOND)
#define SHORT (100 * MILLISECOND)

static struct waiting waiting;
static struct lock lock;

static int
open_file (void)
{
  return open (unit_path ("lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void
begin (void)
{
  waiting_start (&waiting);
  lock = (struct lock){ .waiting = &waiting, .fd = open_file () };
  ck_assert_int_ge (lock.fd, 0);
}

/* A process that has the lock, until it is killed. */
static pid_t
holder (short type)
{
  struct flock f = { .l_type = type, .l_whence = SEEK_SET };
  int ready[2];
  char c;

  ck_assert_int_eq (pipe (ready), 0);
  pid_t pid = fork ();
  if (pid == 0)
    {
      if (fcntl (open_file (), F_OFD_SETLK, &f) == 0)
        (void) !write (ready[1], "", 1);
      unit_stay ();
    }
  (void) close (ready[1]);
  ck_assert_int_eq (read (ready[0], &c, 1), 1);
  (void) close (ready[0]);
  return pid;
}

static enum wake
sleep_for (int64_t time)
{
  return waiting_sleep (&waiting, waiting_now () + time, -1);
}

static void
assert_blocked (void)
{
  ck_assert (lock.blocked);
  ck_assert_int_eq (sleep_for (SHORT), WAKE_TIME);
  ck_assert (!lock_is_over (&lock));
}

static void
assert_woken (void)
{
  ck_assert_int_eq (sleep_for (LONG), WAKE_READY);
  ck_assert (lock_is_over (&lock));
  ck_assert (!lock.blocked);
}

/* Whether nobody has a lock of the file. */
static bool
is_free (void)
{
  struct flock f = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  int fd = open_file ();

  ck_assert_int_eq (fcntl (fd, F_OFD_GETLK, &f), 0);
  (void) close (fd);
  return f.l_type == F_UNLCK;
}

START_TEST (who_comes_first_watches)
{
  ck_assert (lock_try (&lock));
  ck_assert (lock.watches && !lock.blocked);
  ck_assert (!is_free ());
  lock_end (&lock);
  lock_end (&lock);
  ck_assert (!lock.watches);
  ck_assert_int_eq (lock.fd, -1);
  ck_assert (is_free ());
}
END_TEST

/* Killed before it was waited for, or after. */
START_TEST (who_watches_dies)
{
  pid_t pid = holder (F_WRLCK);

  ck_assert (lock_try (&lock));
  assert_blocked ();
  unit_kill (pid);
  assert_woken ();
  /* It did not stay locked: the next one watches. */
  ck_assert (is_free ());
  ck_assert (lock_try (&lock));
  ck_assert (lock.watches && !lock.blocked);
}
END_TEST

/* One that reads has it only for a moment, in life. */
START_TEST (who_is_woken_stops_nobody_else)
{
  pid_t pid = holder (F_RDLCK);

  ck_assert (lock_try (&lock));
  ck_assert (!lock.watches);
  assert_woken ();
  unit_kill (pid);
}
END_TEST

START_TEST (who_is_blocked_can_let_go)
{
  pid_t pid = holder (F_WRLCK);
  int64_t before = waiting_now ();

  ck_assert (lock_try (&lock));
  ck_assert (lock.blocked);
  errno = ENOENT;
  lock_end (&lock);
  ck_assert_int_eq (errno, ENOENT); /* why its caller has looked no further */
  ck_assert_int_lt (waiting_now () - before, LONG / 4);
  ck_assert (!lock.blocked && !lock.watches);
  ck_assert_int_eq (waiting.lock_fd, -1);
  unit_kill (pid);
  ck_assert (is_free ());
  /* And again. */
  lock.fd = open_file ();
  ck_assert (lock_try (&lock));
  ck_assert (lock.watches);
}
END_TEST

/* The thread leaves signals, and all that the hook waits for, to the hook. */
START_TEST (who_is_blocked_hears_signals)
{
  static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
  pid_t pid = holder (F_WRLCK);

  ck_assert (lock_try (&lock));
  assert_blocked ();
  ck_assert_int_eq (kill (getpid (), signals[_i]), 0);
  ck_assert_int_eq (sleep_for (LONG), WAKE_END);
  ck_assert_ptr_nonnull (waiting_end_reason (&waiting));
  lock_end (&lock);
  unit_kill (pid);
}
END_TEST

START_TEST (who_is_blocked_can_exit)
{
  pid_t pid = holder (F_WRLCK);
  int64_t before = waiting_now ();
  int status;

  pid_t child = fork ();
  if (child == 0)
    {
      lock.fd = open_file ();
      exit (lock_try (&lock) && lock.blocked ? 7 : 1);
    }
  ck_assert_int_eq (waitpid (child, &status, 0), child);
  ck_assert_int_eq (WEXITSTATUS (status), 7);
  ck_assert_int_lt (waiting_now () - before, LONG / 4);
  unit_kill (pid);
}
END_TEST

/* As file systems and kernels say that there are none. */
static const int errors[] = { ENOLCK, ENOSYS, EOPNOTSUPP, EDEADLK, EINVAL, EIO };

START_TEST (without_locks_each_looks)
{
  unit_refuse_when (SYS_fcntl, 1, F_OFD_SETLK, errors[_i]);
  ck_assert (!lock_try (&lock));
  ck_assert_int_eq (errno, errors[_i]);
  ck_assert (!lock.watches && !lock.blocked);
  lock_end (&lock);
}
END_TEST

/* What says so only to one who waits: ends the wait, once and for all. */
START_TEST (without_a_wait_each_looks)
{
  pid_t pid = holder (F_WRLCK);

  unit_refuse_when (SYS_fcntl, 1, F_OFD_SETLKW, errors[_i]);
  ck_assert (lock_try (&lock));
  assert_woken ();
  ck_assert (!lock.watches);
  ck_assert (!lock_try (&lock));
  ck_assert (!lock.blocked);
  unit_kill (pid);
}
END_TEST

/* eventfd2(2), and what makes a thread. */
START_TEST (without_a_thread_each_looks)
{
  pid_t pid = holder (F_WRLCK);

  if (_i == 0)
    unit_refuse (SYS_eventfd2, EMFILE);
  else
    {
#ifdef SYS_clone3
      unit_refuse (SYS_clone3, ENOSYS);
#endif
      unit_refuse (SYS_clone, EAGAIN);
    }
  ck_assert (!lock_try (&lock));
  ck_assert (!lock.blocked);
  ck_assert_int_eq (waiting.lock_fd, -1);
  lock_end (&lock);
  unit_kill (pid);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("lock");
  TCase *tcase = unit_slow_case (suite, "locks", begin);

  tcase_add_test (tcase, who_comes_first_watches);
  tcase_add_test (tcase, who_watches_dies);
  tcase_add_test (tcase, who_is_woken_stops_nobody_else);
  tcase_add_test (tcase, who_is_blocked_can_let_go);
  tcase_add_loop_test (tcase, who_is_blocked_hears_signals, 0, 3);
  tcase_add_test (tcase, who_is_blocked_can_exit);
  unit_add_rows (tcase, without_locks_each_looks, errors);
  unit_add_rows (tcase, without_a_wait_each_looks, errors);
  /* What watches memory needs a thread itself, at the end. */
  tcase_add_loop_test (tcase, without_a_thread_each_looks, 0, unit_may_take_memory () ? 2 : 1);
  return unit_run (suite);
}
