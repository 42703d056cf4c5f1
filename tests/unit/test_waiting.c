/* SPDX-License-Identifier: BSD-3-Clause */
/* A wait ends at its time, at a word, at a signal, or when the runtime, the task or
 * podman is gone; nothing else ends it. */
#include "waiting.h"

#include "unit.h"

#include <sys/socket.h>
#include <sys/syscall.h>

/* A wait that something should end, and one that nothing should. */
#define LONG (20 * SECOND)
#define SHORT (30 * MILLISECOND)

static struct waiting w;

static void
begin (void)
{
  waiting_start (&w);
}

static enum wake
sleep_for (int64_t time, int fd)
{
  return waiting_sleep (&w, waiting_now () + time, fd);
}

static void
assert_nothing_happens (void)
{
  ck_assert_int_eq (sleep_for (SHORT, -1), WAKE_TIME);
}

/*
 * Time
 */

START_TEST (time_is_monotonic_in_nanoseconds)
{
  struct timespec t;
  int64_t before, now;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  before = t.tv_sec * INT64_C (1000000000) + t.tv_nsec;
  now = waiting_now ();
  ck_assert_int_ge (now, before);
  ck_assert_int_lt (now - before, 10 * SECOND);
  ck_assert_int_ge (waiting_now (), now);
}
END_TEST

START_TEST (sleeps_until_the_time)
{
  int64_t until = waiting_now () + SHORT;

  ck_assert_int_eq (waiting_sleep (&w, until, -1), WAKE_TIME);
  ck_assert_int_ge (waiting_now (), until);
}
END_TEST

START_TEST (does_not_sleep_until_what_has_passed)
{
  const int64_t past[] = { 0, -1, INT64_MIN, waiting_now () };
  int64_t before = waiting_now ();

  ck_assert_int_eq (waiting_sleep (&w, past[_i], -1), WAKE_TIME);
  ck_assert_int_lt (waiting_now () - before, 10 * SECOND);
}
END_TEST

START_TEST (intervals_grow_with_what_was_waited)
{
  static const struct
  {
    int64_t waited, longest, expected;
  } cases[] = {
    { 0, 100 * MILLISECOND, 2 * MILLISECOND },
    { 32 * MILLISECOND, 100 * MILLISECOND, 2 * MILLISECOND },
    { 160 * MILLISECOND, 100 * MILLISECOND, 10 * MILLISECOND },
    { 1600 * MILLISECOND, 100 * MILLISECOND, 100 * MILLISECOND },
    { 1600 * SECOND, 100 * MILLISECOND, 100 * MILLISECOND },
    { 1600 * SECOND, SECOND, SECOND },
    { INT64_MAX / 2, SECOND, SECOND },
  };
  const int64_t expected = cases[_i].expected;
  int64_t least = INT64_MAX, most = 0;

  for (int i = 0; i < 1000; i++)
    {
      int64_t t = waiting_interval (&w, cases[_i].waited, cases[_i].longest);
      ck_assert_int_ge (t, expected - expected / 8);
      ck_assert_int_le (t, expected + expected / 8);
      least = t < least ? t : least;
      most = t > most ? t : most;
    }
  /* Nodes that started together must not look together. */
  ck_assert_int_lt (least, expected - expected / 10);
  ck_assert_int_gt (most, expected + expected / 10);
}
END_TEST

static int
first_interval (const void *data)
{
  (void) data;
  waiting_start (&w);
  return (int) (waiting_interval (&w, 1600 * MILLISECOND, SECOND) / MILLISECOND / 2);
}

START_TEST (each_process_has_its_own_intervals)
{
  int different = 0, first = unit_child (first_interval, NULL);

  for (int i = 0; i < 10; i++)
    different += unit_child (first_interval, NULL) != first;
  ck_assert_int_gt (different, 3);
}
END_TEST

/*
 * A socket
 */

static int
pair (int ends[2])
{
  ck_assert_int_eq (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  return ends[0];
}

static void
speak (int end)
{
  ck_assert_int_eq (send (end, "x", 1, MSG_NOSIGNAL), 1);
}

/* A socket that has something to say. */
static int
said (void)
{
  int ends[2], fd = pair (ends);

  speak (ends[1]);
  (void) close (ends[1]);
  return fd;
}

START_TEST (wakes_when_a_socket_has_something_to_say)
{
  int ends[2], fd = pair (ends);
  pid_t pid = fork ();

  if (pid == 0)
    {
      unit_sleep (SHORT);
      speak (ends[1]);
      _exit (0);
    }
  ck_assert_int_eq (waiting_sleep (&w, WAITING_FOREVER, fd), WAKE_READY);
  /* It is said as long as nobody has listened. */
  ck_assert_int_eq (sleep_for (LONG, fd), WAKE_READY);
  ck_assert_int_eq (recv (fd, &(char){ 0 }, 1, 0), 1);
  ck_assert_int_eq (sleep_for (SHORT, fd), WAKE_TIME);
  ck_assert_int_eq (waitpid (pid, NULL, 0), pid);
}
END_TEST

START_TEST (wakes_when_the_other_end_is_gone)
{
  int ends[2], fd = pair (ends);
  pid_t pid = fork ();

  if (pid == 0)
    unit_stay ();
  (void) close (ends[1]);
  ck_assert_int_eq (sleep_for (SHORT, fd), WAKE_TIME);
  ck_assert_int_eq (kill (pid, SIGKILL), 0);
  ck_assert_int_eq (waiting_sleep (&w, WAITING_FOREVER, fd), WAKE_READY);
  ck_assert_int_eq (waitpid (pid, NULL, 0), pid);
}
END_TEST

START_TEST (what_was_said_before_counts_without_time)
{
  ck_assert_int_eq (waiting_sleep (&w, 0, said ()), WAKE_READY);
}
END_TEST

/*
 * Reasons to end
 */

static const struct
{
  int number;
  const char *reason;
} signals[] = {
  { SIGTERM, "got SIGTERM" },
  { SIGINT, "got SIGINT" },
  { SIGHUP, "got SIGHUP" },
};

START_TEST (there_is_no_reason_at_first)
{
  ck_assert_ptr_null (waiting_end_reason (&w));
  assert_nothing_happens ();
  ck_assert_ptr_null (waiting_end_reason (&w));
}
END_TEST

/* They are blocked but while it sleeps, so none comes at a bad moment. */
START_TEST (a_signal_before_the_sleep_ends_it)
{
  ck_assert_int_eq (raise (signals[_i].number), 0);
  ck_assert_ptr_null (waiting_end_reason (&w));
  ck_assert_int_eq (waiting_sleep (&w, WAITING_FOREVER, -1), WAKE_END);
  ck_assert_str_eq (waiting_end_reason (&w), signals[_i].reason);
  /* It stays a reason, at once. */
  int64_t before = waiting_now ();
  ck_assert_int_eq (sleep_for (SECOND, -1), WAKE_END);
  ck_assert_int_lt (waiting_now () - before, SECOND / 2);
}
END_TEST

START_TEST (a_signal_ends_the_sleep)
{
  pid_t self = getpid (), pid = fork ();

  if (pid == 0)
    {
      unit_sleep (SHORT);
      _exit (kill (self, signals[_i].number) == 0 ? 0 : 1);
    }
  ck_assert_int_eq (waiting_sleep (&w, WAITING_FOREVER, -1), WAKE_END);
  ck_assert_str_eq (waiting_end_reason (&w), signals[_i].reason);
  ck_assert_int_eq (waitpid (pid, NULL, 0), pid);
}
END_TEST

/* ppoll(2) lets no signal in where something was said: the next one does. */
START_TEST (a_signal_counts_more_than_time_and_is_not_lost_by_a_word)
{
  int fd = said ();

  ck_assert_int_eq (raise (SIGTERM), 0);
  (void) waiting_sleep (&w, 0, fd);
  ck_assert_int_eq (waiting_sleep (&w, 0, -1), WAKE_END);
}
END_TEST

/* A runtime may start hooks with signals blocked or ignored. */
START_TEST (what_was_inherited_does_not_matter)
{
  sigset_t all;

  (void) sigfillset (&all);
  (void) sigprocmask (SIG_BLOCK, &all, NULL);
  (void) signal (SIGTERM, SIG_IGN);
  waiting_start (&w);
  ck_assert_int_eq (raise (SIGTERM), 0);
  ck_assert_int_eq (sleep_for (LONG, -1), WAKE_END);
  (void) sigprocmask (SIG_SETMASK, NULL, &all);
  for (int s = 1; s < SIGRTMIN; s++)
    ck_assert_int_eq (sigismember (&all, s), s == SIGTERM || s == SIGINT || s == SIGHUP);
}
END_TEST

/* A family: the test, a process of the kind that is watched, and below it or
 * beside it who watches. */
static int told[2];

static void
tell (char what)
{
  ck_assert_int_eq (write (told[1], &what, 1), 1);
}

static char
hear (void)
{
  char what = '?';

  ck_assert_int_eq (read (told[0], &what, 1), 1);
  return what;
}

static void
sleep_and_tell (const char *reason)
{
  const char *seen;

  tell ('r');
  if (sleep_for (LONG, -1) != WAKE_END)
    tell ('t');
  seen = waiting_end_reason (&w);
  tell (seen != NULL && strcmp (seen, reason) == 0 ? '=' : '!');
  _exit (0);
}

static pid_t
start_runtime (bool refuse)
{
  pid_t runtime = fork ();

  if (runtime != 0)
    return runtime;
  if (fork () == 0)
    {
      if (refuse)
        unit_refuse (CALL_PIDFD_OPEN, ENOSYS);
      waiting_start (&w);
      ck_assert (!refuse || w.parent_fd < 0);
      sleep_and_tell ("the runtime that started the hook is gone");
    }
  unit_stay ();
}

/* Linux before 5.3 has no pidfd_open(2), and seccomp may forbid it. */
START_TEST (the_end_of_the_runtime_ends_it)
{
  int64_t before;
  pid_t runtime;

  ck_assert_int_eq (pipe (told), 0);
  runtime = start_runtime (_i == 1);
  ck_assert_int_eq (hear (), 'r');
  before = waiting_now ();
  ck_assert_int_eq (kill (runtime, SIGKILL), 0);
  ck_assert_int_eq (hear (), '=');
  ck_assert_int_lt (waiting_now () - before, LONG / 2);
  ck_assert_int_eq (waitpid (runtime, NULL, 0), runtime);
}
END_TEST

START_TEST (a_living_runtime_is_no_reason)
{
  unit_refuse (CALL_PIDFD_OPEN, ENOSYS);
  waiting_start (&w);
  ck_assert_int_eq (w.parent_fd, -1);
  assert_nothing_happens ();
  ck_assert_ptr_null (waiting_end_reason (&w));
}
END_TEST

START_TEST (nothing_is_left_to_children)
{
  if (w.parent_fd >= 0)
    ck_assert_int_ne (fcntl (w.parent_fd, F_GETFD) & FD_CLOEXEC, 0);
}
END_TEST

/*
 * The Slurm task
 */

/* A process NAMED so, with a child that is NAMED otherwise; tells the child's
 * pid, and reaps it. */
static pid_t
start_stepd (const char *named, pid_t *task)
{
  int numbers[2];
  pid_t stepd;

  ck_assert_int_eq (pipe (numbers), 0);
  stepd = fork ();
  if (stepd == 0)
    {
      (void) prctl (PR_SET_NAME, named);
      pid_t child = fork ();
      if (child == 0)
        {
          /* proc(5) puts the name in parentheses, whatever is in it. */
          (void) prctl (PR_SET_NAME, "a) S 1 (");
          (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
          ck_assert_int_eq (write (numbers[1], &(pid_t){ getpid () }, sizeof child), sizeof child);
          unit_stay ();
        }
      (void) waitpid (child, NULL, 0);
      unit_stay ();
    }
  ck_assert_int_eq (read (numbers[0], task, sizeof *task), sizeof *task);
  return stepd;
}

/* waiting_start() leaves SIGTERM blocked for children: SIGKILL it is. */
START_TEST (the_end_of_the_task_ends_it)
{
  pid_t task, stepd = start_stepd ("slurmstepd", &task);

  waiting_start (&w);
  waiting_watch_task (&w, task);
  assert_nothing_happens ();
  ck_assert_ptr_null (waiting_end_reason (&w));
  int64_t before = waiting_now ();
  ck_assert_int_eq (kill (task, SIGKILL), 0);
  ck_assert_int_eq (sleep_for (LONG, -1), WAKE_END);
  ck_assert_int_lt (waiting_now () - before, LONG / 2);
  ck_assert_str_eq (waiting_end_reason (&w), "the Slurm task has ended");
  unit_kill (stepd);
}
END_TEST

/* The user can say any number. */
START_TEST (only_slurmstepd_s_child_is_a_task)
{
  static const char *const others[] = { "slurmstepd2", "slurmd", "Slurmstepd", "slurmstep", "sh" };
  pid_t task, stepd = start_stepd (others[_i], &task);

  waiting_watch_task (&w, task);
  ck_assert_int_eq (w.task_fd, -1);
  ck_assert_int_eq (kill (task, SIGKILL), 0);
  assert_nothing_happens ();
  ck_assert_ptr_null (waiting_end_reason (&w));
  unit_kill (stepd);
}
END_TEST

START_TEST (a_task_that_is_not_there_is_not_watched)
{
  static const pid_t pids[] = { 0, -1, INT32_MAX };

  waiting_watch_task (&w, pids[_i]);
  ck_assert_int_eq (w.task_fd, -1);
  assert_nothing_happens ();
}
END_TEST

/*
 * podman
 */

/* podman starts conmon, with a socket as descriptor 3; conmon the runtime, the
 * runtime the hook. */
static struct
{
  const char *conmon;
  int type, descriptor;
  int error;       /* of pidfd_getfd(2) */
  bool of_another; /* user; which takes root */
} families[] = {
  { "conmon", SOCK_SEQPACKET, 3, 0, false }, /* this is what podman does */
  { "conmon", SOCK_SEQPACKET, 4, 0, false },
  { "conmon", SOCK_STREAM, 3, 0, false },
  { "conmon2", SOCK_SEQPACKET, 3, 0, false },
  { "common", SOCK_SEQPACKET, 3, 0, false },
  { "conmon", SOCK_SEQPACKET, 3, ENOSYS, false }, /* Linux before 5.6 */
  { "conmon", SOCK_SEQPACKET, 3, EPERM, false },
  { "conmon", SOCK_SEQPACKET, 3, 0, true },
};

/* Yama and containers may forbid to look into a process that is no child. */
static bool
may_copy_from (pid_t pid, int descriptor)
{
  int pidfd = (int) syscall (CALL_PIDFD_OPEN, pid, 0);
  int fd = (int) syscall (CALL_PIDFD_GETFD, pidfd, descriptor, 0);

  (void) close (pidfd);
  return fd >= 0 && close (fd) == 0;
}

/* Who is not root any more belongs to root in /proc all the same, unless it can
 * be dumped. */
#define ANOTHER 54321

static void
become_another (void)
{
  unit_become (ANOTHER);
  (void) prctl (PR_SET_DUMPABLE, 1, 0, 0, 0);
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static bool
belongs_to_another (pid_t pid)
{
  char path[40];
  struct stat st;

  (void) snprintf (path, sizeof path, "/proc/%d", (int) pid);
  return stat (path, &st) == 0 && st.st_uid == ANOTHER;
}

static int
count_descriptors (void)
{
  int count = 0;

  for (int fd = 0; fd < 1024; fd++)
    count += fcntl (fd, F_GETFD) >= 0;
  return count;
}

static void __attribute__ ((noreturn))
be_hook (pid_t conmon, int which)
{
  const int descriptor = families[which].descriptor;

  while (families[which].of_another && !belongs_to_another (conmon))
    (void) sched_yield ();
  if (!may_copy_from (conmon, descriptor))
    {
      tell ('n');
      _exit (0);
    }
  if (families[which].error != 0)
    unit_refuse (CALL_PIDFD_GETFD, families[which].error);
  waiting_start (&w);
  const int before = count_descriptors ();
  waiting_watch_podman (&w);
  tell (w.podman_fd >= 0 ? 'w' : '-');
  if (w.podman_fd >= 0)
    {
      /* It is not to be used for anything else. */
      bool only_tells = send (w.podman_fd, "", 0, 0) < 0 && errno == ENOTSOCK
                        && count_descriptors () == before + 1;
      tell ((fcntl (w.podman_fd, F_GETFD) & FD_CLOEXEC) != 0 && only_tells ? '='
                                                                                          : '!');
      sleep_and_tell ("podman is gone");
    }
  assert_nothing_happens ();
  _exit (0);
}

/* Out of the way of descriptor 3. */
static int
move_away (int fd)
{
  int away = fcntl (fd, F_DUPFD, 20);

  (void) close (fd);
  return away;
}

/* Returns podman's end of the socket. */
static int
start_conmon (int which, pid_t *conmon)
{
  int ends[2];

  ck_assert_int_eq (pipe (told), 0);
  ck_assert_int_eq (socketpair (AF_UNIX, families[which].type, 0, ends), 0);
  for (size_t i = 0; i < 2; i++)
    {
      told[i] = move_away (told[i]);
      ends[i] = move_away (ends[i]);
    }
  *conmon = fork ();
  if (*conmon != 0)
    {
      (void) close (ends[1]);
      return ends[0];
    }
  (void) close (ends[0]);
  (void) close (3);
  (void) dup2 (ends[1], families[which].descriptor);
  (void) prctl (PR_SET_NAME, families[which].conmon);
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  const pid_t self = getpid ();
  if (fork () == 0)
    {
      if (fork () == 0)
        be_hook (self, which);
      (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
      unit_stay ();
    }
  if (families[which].of_another)
    become_another ();
  unit_stay ();
}

START_TEST (the_end_of_podman_ends_it)
{
  pid_t conmon;
  int podman = start_conmon (_i, &conmon);
  char watched = hear ();

  if (watched == 'w')
    {
      ck_assert_int_eq (_i, 0);
      ck_assert_int_eq (hear (), '=');
      ck_assert_int_eq (hear (), 'r');
      (void) close (podman);
      ck_assert_int_eq (hear (), '=');
    }
  else
    ck_assert (watched == 'n' || _i > 0);
  unit_kill (conmon);
}
END_TEST

START_TEST (without_podman_it_is_not_watched)
{
  waiting_watch_podman (&w);
  ck_assert_int_eq (w.podman_fd, -1);
  unit_refuse (CALL_PIDFD_OPEN, ENOSYS);
  waiting_start (&w);
  waiting_watch_podman (&w);
  ck_assert_int_eq (w.podman_fd, -1);
  assert_nothing_happens ();
}
END_TEST

static void
add_time (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "time", begin);

  tcase_add_test (tcase, time_is_monotonic_in_nanoseconds);
  tcase_add_test (tcase, sleeps_until_the_time);
  tcase_add_loop_test (tcase, does_not_sleep_until_what_has_passed, 0, 4);
  tcase_add_loop_test (tcase, intervals_grow_with_what_was_waited, 0, 7);
  tcase_add_test (tcase, each_process_has_its_own_intervals);
}

static void
add_socket (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "socket", begin);

  tcase_add_test (tcase, wakes_when_a_socket_has_something_to_say);
  tcase_add_test (tcase, wakes_when_the_other_end_is_gone);
  tcase_add_test (tcase, what_was_said_before_counts_without_time);
}

static void
add_reasons (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "reasons", begin);

  tcase_add_test (tcase, there_is_no_reason_at_first);
  tcase_add_loop_test (tcase, a_signal_before_the_sleep_ends_it, 0, 3);
  tcase_add_loop_test (tcase, a_signal_ends_the_sleep, 0, 3);
  tcase_add_test (tcase, a_signal_counts_more_than_time_and_is_not_lost_by_a_word);
  tcase_add_test (tcase, what_was_inherited_does_not_matter);
  tcase_add_loop_test (tcase, the_end_of_the_runtime_ends_it, 0, 2);
  tcase_add_test (tcase, a_living_runtime_is_no_reason);
  unit_add_if (tcase, the_end_of_the_task_ends_it, !unit_in_valgrind (),
               "valgrind knows no pidfd_open(2)");
  tcase_add_loop_test (tcase, only_slurmstepd_s_child_is_a_task, 0, 5);
  tcase_add_loop_test (tcase, a_task_that_is_not_there_is_not_watched, 0, 3);
  tcase_add_test (tcase, nothing_is_left_to_children);
  /* The last takes root. */
  tcase_add_loop_test (tcase, the_end_of_podman_ends_it, 0,
                       COUNT (families) - (unit_is_root () ? 0 : 1));
  tcase_add_test (tcase, without_podman_it_is_not_watched);
}

int
main (void)
{
  Suite *suite = suite_create ("waiting");

  add_time (suite);
  add_socket (suite);
  add_reasons (suite);
  return unit_run (suite);
}
