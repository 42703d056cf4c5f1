/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hooks of a node find one leader, which takes each task once, believes no
 * stranger, notices who dies, and tells the outcome to all.
 *
 * The leader is this process, or a child; those who come to it are sockets that
 * say what they like.  What becomes of a gathering is in test_barrier.c.
 */
#include "gather.h"

#include "unit.h"

#include <sys/socket.h>
#include <sys/syscall.h>

#define TASKS 200
#define LONG (20 * SECOND)

static struct instance in;
static struct waiting waiting;
static struct gather g;
static struct failure f;

static void
begin (void)
{
  int dirfd = open (unit_tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  ck_assert_int_eq (instance_open (&in, dirfd, "key", TASKS, false), 0);
  waiting_start (&waiting);
  gather_start (&g, &in, &waiting, unit_ranks (TASKS, "1-4"), 3, 1);
}

static void
lead (void)
{
  ck_assert_int_eq (gather_join (&g, waiting_now () + LONG), GATHER_LEADS);
}

/* The leader answers all who are there. */
static void
serve (void)
{
  while (gather_serve (&g, 0, &f) == WAKE_READY)
    ;
}

/* ------------------------------------------------------------------ messages */

/* As gather.c has them. */
struct hello {
  uint32_t version, rank, tasks, refuses;
};

struct word {
  uint32_t version, word, leader;
  char text[INSTANCE_TEXT_MAX + 100];
};

#define VERSION UINT32_C (0x53594e31)

static int
connect_to_leader (void)
{
  int fd = instance_connect (&in, 3);

  ck_assert_int_ge (fd, 0);
  return fd;
}

static int
say_hello (uint32_t rank, bool refuses)
{
  const struct hello hello = { VERSION, rank, TASKS, refuses };
  int fd = connect_to_leader ();

  ck_assert_int_eq (send (fd, &hello, sizeof hello, 0), sizeof hello);
  serve ();
  return fd;
}

static int
come (uint32_t rank)
{
  return say_hello (rank, false);
}

/* What the leader says next: 0, it has hung up; -1, nothing. */
static int
hear (int fd)
{
  struct word w = { 0 };
  ssize_t n = recv (fd, &w, sizeof w, MSG_DONTWAIT);

  if (n <= 0)
    return n == 0 || errno != EAGAIN ? 0 : -1;
  ck_assert_uint_eq (w.version, VERSION);
  ck_assert_uint_eq (w.leader, 1);
  return (int) w.word;
}

/* --------------------------------------------------------------------- leader */

START_TEST (takes_each_task_once)
{
  lead ();
  int first = come (2);
  ck_assert_int_eq (hear (first), GATHER_TAKEN);
  ck_assert_int_eq (hear (first), -1);
  ck_assert_int_eq (hear (come (2)), GATHER_AWAY);
  ck_assert_int_eq (hear (come (1)), GATHER_AWAY); /* the leader's own */
  ck_assert_uint_eq (g.here.present, 2);
  ck_assert_uint_eq (g.connected, 1);
  ck_assert_int_eq (g.lost, -1);
}
END_TEST

START_TEST (does_not_count_who_will_not_come)
{
  lead ();
  int fd = say_hello (2, true);
  ck_assert_int_eq (hear (fd), GATHER_TAKEN);
  ck_assert_uint_eq (g.here.present, 1);
  ck_assert (!g.woken);
  (void) close (fd);
  serve ();
  ck_assert (g.woken); /* it has called off: a reason to look */
  ck_assert_int_eq (g.lost, -1);
}
END_TEST

static const struct
{
  uint32_t words[6];
  size_t size;
  enum gather_word answer; /* 0: it hangs up without one */
} foreign[] = {
  { { VERSION, 8, TASKS }, sizeof (struct hello), GATHER_AWAY }, /* no such task */
  { { VERSION, UINT32_MAX, TASKS }, sizeof (struct hello), GATHER_AWAY },
  { { VERSION, 0, TASKS }, sizeof (struct hello), GATHER_AWAY }, /* of another node */
  { { VERSION, 5, TASKS }, sizeof (struct hello), GATHER_AWAY },
  { { VERSION, 2, TASKS + 1 }, sizeof (struct hello), GATHER_AWAY }, /* counts otherwise */
  { { VERSION, 2, 0 }, sizeof (struct hello), GATHER_AWAY },
  { { VERSION + 1, 2, TASKS }, sizeof (struct hello), 0 },
  { { VERSION, 2, TASKS }, 11, 0 }, /* half a message */
  { { VERSION, 2, TASKS }, 1, 0 },
  { { VERSION, 2, TASKS }, sizeof (struct hello) + 4, 0 }, /* too much */
};

START_TEST (believes_no_other_message)
{
  lead ();
  int fd = connect_to_leader ();
  ck_assert_int_gt (send (fd, foreign[_i].words, foreign[_i].size, 0), 0);
  serve ();
  if (foreign[_i].answer != 0)
    ck_assert_int_eq (hear (fd), foreign[_i].answer);
  ck_assert_int_eq (hear (fd), 0);
  ck_assert_uint_eq (g.here.present, 1);
  ck_assert_int_eq (hear (come (2)), GATHER_TAKEN);
}
END_TEST

/* Who says nothing, or says too much afterwards, keeps nobody from coming. */
START_TEST (is_not_held_up_by_silence)
{
  char much[100] = "";

  lead ();
  int silent = connect_to_leader (), taken = come (2);
  ck_assert_int_eq (hear (silent), -1);
  ck_assert_int_eq (hear (taken), GATHER_TAKEN);
  ck_assert_int_eq (send (taken, much, sizeof much, 0), sizeof much);
  serve ();
  ck_assert_int_eq (g.lost, -1);
  ck_assert_int_eq (hear (come (3)), GATHER_TAKEN);
  gather_tell (&g, GATHER_RELEASED, "");
  ck_assert_int_eq (hear (silent), 0); /* nobody's */
  ck_assert_int_eq (hear (taken), GATHER_RELEASED);
}
END_TEST

START_TEST (bears_who_only_wakes_it)
{
  lead ();
  for (int i = 0; i < 2000; i++)
    {
      (void) close (connect_to_leader ());
      if (i % 100 == 0)
        serve ();
    }
  serve ();
  ck_assert (g.woken);
  ck_assert_int_lt (g.room, 50);
  ck_assert_int_eq (hear (come (2)), GATHER_TAKEN);
}
END_TEST

/* The number of a connection that has ended may be another file's. */
START_TEST (forgets_who_has_hung_up)
{
  int files[8];

  lead ();
  int silent = connect_to_leader ();
  serve ();
  (void) close (silent);
  serve ();
  for (int i = 0; i < 8; i++)
    ck_assert_int_ge (files[i] = open ("/dev/null", O_RDWR | O_CLOEXEC), 0);
  gather_tell (&g, GATHER_RELEASED, "");
  for (int i = 0; i < 8; i++)
    ck_assert_int_ge (fcntl (files[i], F_GETFD), 0);
}
END_TEST

START_TEST (notices_who_dies)
{
  lead ();
  int fd = come (4);
  ck_assert_int_eq (g.lost, -1);
  (void) close (fd);
  serve ();
  ck_assert_int_eq (g.lost, 4);
  /* It was there, and is not taken again. */
  ck_assert_int_eq (hear (come (4)), GATHER_AWAY);
}
END_TEST

START_TEST (tells_the_outcome_and_waits)
{
  lead ();
  int fds[] = { come (2), come (3) };
  int late = connect_to_leader ();
  gather_tell (&g, GATHER_CALLED_OFF, "procid 7: why");
  ck_assert_int_lt (instance_connect (&in, 3), 0);
  ck_assert_int_eq (hear (late), 0);
  for (int i = 0; i < 2; i++)
    {
      struct word w = { 0 };
      ck_assert_int_eq (hear (fds[i]), GATHER_TAKEN);
      ck_assert_int_gt (recv (fds[i], &w, sizeof w, 0), 0);
      ck_assert_uint_eq (w.word, GATHER_CALLED_OFF);
      ck_assert_str_eq (w.text, "procid 7: why");
    }
  ck_assert (!gather_all_hung_up (&g, waiting_now () + 20 * MILLISECOND));
  (void) close (fds[0]);
  ck_assert (!gather_all_hung_up (&g, waiting_now () + 20 * MILLISECOND));
  (void) close (fds[1]);
  ck_assert (gather_all_hung_up (&g, waiting_now () + LONG));
  ck_assert_int_eq (g.lost, -1);
}
END_TEST

/* Released is released: else its node would not depart. */
START_TEST (waits_until_all_hung_up_whatever_signal_comes)
{
  lead ();
  int fd = come (2);
  gather_tell (&g, GATHER_RELEASED, "");
  ck_assert_int_eq (raise (SIGTERM), 0);
  ck_assert (!gather_all_hung_up (&g, waiting_now () + 20 * MILLISECOND));
  (void) close (fd);
  ck_assert (gather_all_hung_up (&g, waiting_now () + LONG));
}
END_TEST

/* However many at once: the next events are those of the next call. */
START_TEST (hears_all_who_hang_up)
{
  int fds[TASKS], n = 0;

  gather_start (&g, &in, &waiting, unit_ranks (TASKS, "1-199"), 3, 1);
  lead ();
  while (n < _i)
    {
      fds[n] = come ((uint32_t) n + 2);
      n++;
    }
  gather_tell (&g, GATHER_RELEASED, "");
  while (n > 0)
    (void) close (fds[--n]);
  const int64_t began = waiting_now ();
  ck_assert (gather_all_hung_up (&g, began + LONG));
  ck_assert_int_lt (waiting_now () - began, LONG / 2);
}
END_TEST

START_TEST (leaves_nothing)
{
  int next = dup (0);

  (void) close (next);
  lead ();
  ck_assert_int_eq (faccessat (in.top, "node-3", F_OK, 0), 0);
  gather_end (&g);
  gather_end (&g);
  ck_assert_int_ne (faccessat (in.top, "node-3", F_OK, 0), 0);
  int after = dup (0);
  ck_assert_int_eq (after, next);
}
END_TEST

START_TEST (says_when_descriptors_run_out)
{
  struct rlimit limit = { 20, 20 };
  int fds[40], n = 0;

  lead ();
  for (; n < 40 && (fds[n] = instance_connect (&in, 3)) >= 0 && n < 6; n++)
    ;
  limit.rlim_cur = limit.rlim_max = (rlim_t) fds[n - 1] + 1;
  ck_assert_int_eq (setrlimit (RLIMIT_NOFILE, &limit), 0);
  ck_assert_int_eq (gather_serve (&g, waiting_now () + LONG, &f), WAKE_END);
  ck_assert_int_eq (f.status, EX_OSERR);
  unit_assert_match (f.text, "cannot gather the 4 tasks of this node: Too many open files; raise "
                             "the hard limit");
}
END_TEST

/* SO_PEERCRED tells who connected. */
static int
come_as_another (const void *unused)
{
  const struct hello hello = { VERSION, 2, TASKS, 0 };

  (void) unused;
  if (seteuid (54321) != 0)
    return 1;
  int fd = instance_connect (&in, 3);
  /* All of them: what looks for leaks at the end has to be one user. */
  return fd >= 0 && setresuid (54321, 54321, 54321) == 0
             && send (fd, &hello, sizeof hello, 0) == sizeof hello
           ? 0
           : 1;
}

START_TEST (believes_no_other_user)
{
  ck_assert_int_eq (chmod (unit_tmp, 0777), 0);
  ck_assert_int_eq (fchmodat (AT_FDCWD, unit_path ("key"), 0777, 0), 0);
  lead ();
  ck_assert_int_eq (chmod (unit_path ("key/node-3"), 0777), 0);
  ck_assert_int_eq (unit_child (come_as_another, NULL), 0);
  serve ();
  ck_assert_uint_eq (g.here.present, 1);
  ck_assert_int_eq (g.room, 0);
  ck_assert_int_eq (hear (come (2)), GATHER_TAKEN);
}
END_TEST

/* --------------------------------------------------------------------- member */

/* A leader that says WORDS to the first who comes, and hangs up. */
struct speech {
  const char *words;
  size_t size;
  uid_t uid;
};

static pid_t
speak (const struct speech *speech)
{
  int ready[2];
  char byte = 0;

  ck_assert_int_eq (pipe (ready), 0);
  pid_t pid = fork ();
  if (pid == 0)
    {
      struct hello hello;
      if (speech->uid != geteuid () && seteuid (speech->uid) != 0)
        _exit (1);
      int listener = instance_listen (&in, 3), fd = -1;
      (void) chmod (unit_path ("key/node-3"), 0777);
      if (listener < 0 || write (ready[1], &byte, 1) != 1)
        _exit (1);
      while (fd < 0)
        fd = accept (listener, NULL, NULL);
      (void) recv (fd, &hello, sizeof hello, 0);
      _exit (speech->size == 0 || send (fd, speech->words, speech->size, MSG_NOSIGNAL) > 0 ? 0 : 2);
    }
  ck_assert_int_eq (read (ready[0], &byte, 1), 1);
  return pid;
}

static enum gather_result
join_one_who_says (uint32_t version, uint32_t word, size_t size)
{
  const struct word w = { version, word, 1, "why" };
  const struct speech speech = { (const char *) &w, size, geteuid () };
  pid_t pid = speak (&speech);
  enum gather_result result = gather_join (&g, waiting_now () + LONG);

  ck_assert_int_eq (waitpid (pid, NULL, 0), pid);
  return result;
}

/* A leader that answers while this process says hello. */
static int answerer = -1, answered = -1;

ssize_t
send (int fd, const void *data, size_t size, int flags)
{
  const struct word taken = { VERSION, GATHER_TAKEN, 1, "" };
  ssize_t n = syscall (SYS_sendto, fd, data, size, flags, NULL, 0);

  if (answerer >= 0)
    {
      answered = accept (answerer, NULL, NULL);
      answerer = -1;
      ck_assert_int_eq (send (answered, &taken, 12, 0), 12);
    }
  return n;
}

/* The leader calls off when a member hangs up: so who was taken does not, before
 * it has called off with its reason. */
START_TEST (who_was_taken_does_not_hang_up)
{
  struct hello hello;

  answerer = instance_listen (&in, 3);
  ck_assert_int_ge (answerer, 0);
  ck_assert_int_eq (raise (SIGTERM), 0);
  ck_assert_int_eq (waiting_sleep (&waiting, waiting_now () + LONG, -1), WAKE_END);
  ck_assert_int_eq (gather_join (&g, waiting_now () + LONG), GATHER_BELONGS);
  ck_assert_int_eq (recv (answered, &hello, sizeof hello, 0), sizeof hello);
  ck_assert_int_lt (recv (answered, &hello, sizeof hello, MSG_DONTWAIT), 0);
}
END_TEST

START_TEST (hears_the_answer)
{
  ck_assert_int_eq (join_one_who_says (VERSION, GATHER_TAKEN, 12), GATHER_BELONGS);
  ck_assert_uint_eq (g.leader, 1);
}
END_TEST

START_TEST (is_sent_away)
{
  ck_assert_int_eq (join_one_who_says (VERSION, GATHER_AWAY, 12), GATHER_ELSEWHERE);
}
END_TEST

/* Nobody is taken by what is not an answer. */
START_TEST (is_nobodys_without_an_answer)
{
  static const struct
  {
    uint32_t version, word;
    size_t size;
  } rows[] = {
    { VERSION, GATHER_TAKEN, 0 },   { VERSION, GATHER_TAKEN, 11 },
    { VERSION, GATHER_TAKEN, sizeof (struct word) }, { VERSION + 1, GATHER_TAKEN, 12 },
    { VERSION, 0, 12 },             { VERSION, GATHER_CALLED_OFF + 1, 12 },
    { VERSION, UINT32_MAX, 12 },    { VERSION, GATHER_RELEASED, 12 },
  };

  ck_assert_int_eq (join_one_who_says (rows[_i].version, rows[_i].word, rows[_i].size),
                    GATHER_AGAIN);
  ck_assert_int_eq (g.fd, -1);
}
END_TEST

START_TEST (believes_no_other_users_leader)
{
  const struct word w = { VERSION, GATHER_TAKEN, 1, "" };
  const struct speech speech = { (const char *) &w, 12, 54321 };

  ck_assert_int_eq (fchmodat (AT_FDCWD, unit_path ("key"), 0777, 0), 0);
  ck_assert_int_eq (chmod (unit_tmp, 0777), 0);
  pid_t pid = speak (&speech);
  ck_assert_int_eq (gather_join (&g, waiting_now () + LONG), GATHER_AGAIN);
  ck_assert_int_eq (waitpid (pid, NULL, 0), pid);
}
END_TEST

START_TEST (gives_up_where_nobody_answers)
{
  int listener = instance_listen (&in, 3);
  int64_t began = waiting_now ();

  ck_assert_int_ge (listener, 0);
  ck_assert_int_eq (gather_join (&g, began + 50 * MILLISECOND), GATHER_GIVEN_UP);
  ck_assert_int_lt (waiting_now () - began, LONG / 2);
  ck_assert_int_eq (raise (SIGTERM), 0);
  ck_assert_int_eq (gather_join (&g, waiting_now () + LONG), GATHER_GIVEN_UP);
}
END_TEST

/* Words are text of a peer's: for terminals and logs. */
START_TEST (cleans_the_reason)
{
  struct word w = { VERSION, GATHER_CALLED_OFF, 1, "a\033[2Jb" };
  char text[INSTANCE_TEXT_MAX] = "";
  enum gather_word word = 0;
  int ends[2];

  ck_assert_int_eq (socketpair (AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
  g.fd = ends[0];
  ck_assert_int_eq (send (ends[1], &w, 12 + strlen (w.text), 0), 12 + (ssize_t) strlen (w.text));
  ck_assert_int_eq (gather_listen (&g, waiting_now () + LONG, &word, text), WAKE_READY);
  ck_assert_int_eq (word, GATHER_CALLED_OFF);
  ck_assert_str_eq (text, "a?[2Jb");
  (void) close (ends[1]);
  ck_assert_int_eq (gather_listen (&g, waiting_now () + LONG, &word, text), WAKE_READY);
  ck_assert_int_eq (word, 0);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("gather");
  TCase *leader = unit_slow_case (suite, "leader", begin);
  TCase *member = unit_slow_case (suite, "member", begin);
  const bool root = unit_is_root ();

  tcase_add_test (leader, takes_each_task_once);
  tcase_add_test (leader, does_not_count_who_will_not_come);
  unit_add_rows (leader, believes_no_other_message, foreign);
  tcase_add_test (leader, is_not_held_up_by_silence);
  tcase_add_test (leader, bears_who_only_wakes_it);
  tcase_add_test (leader, forgets_who_has_hung_up);
  tcase_add_test (leader, notices_who_dies);
  tcase_add_test (leader, tells_the_outcome_and_waits);
  tcase_add_test (leader, waits_until_all_hung_up_whatever_signal_comes);
  tcase_add_loop_test (leader, hears_all_who_hang_up, 63, 66);
  tcase_add_test (leader, leaves_nothing);
  unit_add_if (leader, says_when_descriptors_run_out, !unit_in_valgrind (),
               "valgrind keeps descriptors of its own");
  unit_add_if (leader, believes_no_other_user, root, "needs root");

  tcase_add_test (member, hears_the_answer);
  tcase_add_test (member, who_was_taken_does_not_hang_up);
  tcase_add_test (member, is_sent_away);
  tcase_add_loop_test (member, is_nobodys_without_an_answer, 0, 8);
  unit_add_if (member, believes_no_other_users_leader, root, "needs root");
  tcase_add_test (member, gives_up_where_nobody_answers);
  tcase_add_test (member, cleans_the_reason);
  return unit_run (suite);
}
