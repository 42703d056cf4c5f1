/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All members meet, or each learns why not: whatever one of them cannot do,
 * whoever dies or is stopped, and whatever an earlier barrier has left.
 *
 * Members are processes here, as they are in life. What they said comes back
 * through shared memory; what others would have done, dead ones or slow ones,
 * is made by hand on disk.
 */
#include "barrier.h"

#include "gather.h"
#include "instance.h"
#include "log.h"
#include "unit.h"

#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define KEY "jobid-17"
#define MEMBERS_MAX 8
#define NOTE "host=n1 pid=1"

/* When a test that would otherwise wait for ever gives up. */
#define LIMIT (20 * SECOND)

struct result {
  bool ended;
  int status; /* 0, or of the failure */
  char text[1024];
  bool passed_on;
  int64_t took;
};

static struct shared {
  struct result results[MEMBERS_MAX];
  int64_t jump; /* what the monotonic clock is ahead */
  int listings; /* of arrival, where it is slow */
  int call_offs; /* tried */
} *shared;

static pid_t pids[MEMBERS_MAX];

/* What is done in the member before it meets the others, with MINE, its barrier. */
typedef void prepare (void);

static struct barrier mine;

static struct barrier model;

/* The set of each member's node, which gathers; NULL: it comes alone. */
static const char *sets[MEMBERS_MAX];

static void
gather (const char *set)
{
  const struct ranks *own = unit_ranks (model.tasks, set);

  for (uint32_t self = 0; self < model.tasks; self++)
    if (ranks_has (own, self))
      sets[self] = set;
}

/* The clock of the whole process can be put forward: 20 s are long. */
int
clock_gettime (clockid_t id, struct timespec *t)
{
  int result = (int) syscall (SYS_clock_gettime, id, t);

  if (id == CLOCK_MONOTONIC && shared != NULL)
    t->tv_sec += shared->jump;
  return result;
}

/* What one call of a kind says, once, in the member that set it. */
static int readlink_error;

static int
fails_once (int *error)
{
  errno = *error;
  *error = 0;
  return errno != 0;
}

ssize_t
readlinkat (int dirfd, const char *path, char *text, size_t size)
{
  return fails_once (&readlink_error) ? -1 : syscall (SYS_readlinkat, dirfd, path, text, size);
}

/* How links fail whose names begin so, in the member that set it. */
static struct
{
  const char *name;
  int error;
  bool made; /* all the same: the answer was lost */
  int spares; /* the first ones */
} link_fault;

/* Just before it arrives the instance is released, and this hook of its task departs. */
static const char *departed_before;

/* Just before it calls off another hook of its task comes, and all are released. */
static bool another_comes;
static void all_are_released (void);

int
symlinkat (const char *target, int dirfd, const char *name)
{
  const char *faulty = link_fault.name;
  bool fails = faulty != NULL && strncmp (name, faulty, strlen (faulty)) == 0;
  if (strcmp (name, "departure") == 0)
    (void) __atomic_add_fetch (&shared->call_offs, 1, __ATOMIC_RELAXED);
  fails = fails && link_fault.spares-- <= 0;
  if (another_comes && strcmp (name, "departure") == 0)
    all_are_released ();
  if (departed_before != NULL && strncmp (name, "slurm-procid-", 13) == 0)
    {
      unit_mkdir (KEY "/departure");
      unit_symlink (NOTE, departed_before);
      departed_before = NULL;
    }
  int result = fails && !link_fault.made ? -1 : (int) syscall (SYS_symlinkat, target, dirfd, name);

  errno = fails ? link_fault.error : errno;
  return fails ? -1 : result;
}

static void
no_links (const char *name, int error, bool made)
{
  link_fault.name = name;
  link_fault.error = error;
  link_fault.made = made;
}

/* Just before it makes the release, this mark of its own becomes another hook's. */
static const char *loses_mark;

int
mkdirat (int dirfd, const char *path, mode_t mode)
{
  if (loses_mark != NULL && strcmp (path, "departure") == 0)
    {
      ck_assert_int_eq (unlink (loses_mark), 0);
      unit_symlink ("host=n2 pid=2", loses_mark);
    }
  return (int) syscall (SYS_mkdirat, dirfd, path, mode);
}

/* As on FUSE file systems without stable inodes: what is bound there is found by
 * nobody. */
static bool loses_sockets;

/* What connecting says, once. */
static int connect_error;

int
connect (int fd, const struct sockaddr *address, socklen_t size)
{
  const char *name = ((const struct sockaddr_un *) address)->sun_path;

  if (fails_once (&connect_error))
    return -1;
  if (loses_sockets)
    errno = access (name, F_OK) == 0 ? ECONNREFUSED : ENOENT;
  return loses_sockets ? -1 : (int) syscall (SYS_connect, fd, address, size);
}

#ifdef SYS_newfstatat
/* As a client of NFS: it remembers a time of member 1's mark that is two minutes old. */
static bool remembers;

int
fstatat (int dirfd, const char *path, struct stat *st, int flags)
{
  const int result = (int) syscall (SYS_newfstatat, dirfd, path, st, flags);

  if (result == 0 && remembers && strcmp (path, "slurm-procid-1") == 0)
    st->st_mtim.tv_sec -= 120;
  return result;
}
#endif

/* As a client of NFS where two changes have the same time: its list of this directory is
 * an older one, OLD, until it gives another time to that. */
static const char *lists_old;
#define OLD "old"

int
utimensat (int dirfd, const char *path, const struct timespec times[2], int flags)
{
  if (times == NULL)
    lists_old = NULL;
  return (int) syscall (SYS_utimensat, dirfd, path, times, flags);
}

/* What the list of those who have departed says, once; and how long that takes, in
 * seconds. */
static int departures_error;
static int departures_take;

/* When it looks who has departed somebody removes the release: its name first.  Then
 * another one that had been left behind makes it void. */
static bool removes_release, then_makes_void;

/* When it lists who has arrived, all have been released, and member 1 has departed. */
static bool departs_when_listed;

/* How long the next listing of arrival takes, in seconds; and what it says, or that of
 * another directory. */
static int listing_takes;
static int listing_error;
static int look_error;

/* Whether the path of DIRFD, with a newline behind it, has PART in it. */
static bool
is_in (int dirfd, const char *part)
{
  char name[32], path[4096];

  (void) snprintf (name, sizeof name, "/proc/self/fd/%d", dirfd);
  ssize_t n = readlink (name, path, sizeof path - 2);
  (void) snprintf (path + (n > 0 ? n : 0), 2, "\n");
  return strstr (path, part) != NULL;
}

static bool
is_arrival (int dirfd)
{
  return is_in (dirfd, "/arrival");
}

int
openat (int dirfd, const char *path, int flags, ...)
{
  mode_t mode = 0;
  va_list ap;

  va_start (ap, flags);
  if ((flags & O_CREAT) != 0)
    mode = va_arg (ap, mode_t);
  va_end (ap);
  if (listing_takes > 0 && strcmp (path, ".") == 0 && is_arrival (dirfd))
    {
      shared->jump += shared->listings == 0 ? listing_takes : 0;
      shared->listings++;
    }
  if (listing_error != 0 && strcmp (path, ".") == 0 && is_arrival (dirfd)
      && fails_once (&listing_error))
    return -1;
  if (departs_when_listed && strcmp (path, ".") == 0 && is_arrival (dirfd))
    {
      departs_when_listed = false;
      unit_mkdir (KEY "/departure");
      ck_assert_int_eq (
        rename (KEY "/arrival/slurm-procid-1", KEY "/departure/slurm-procid-1"), 0);
    }
  if (look_error != 0 && strcmp (path, ".") == 0 && !is_arrival (dirfd) && fails_once (&look_error))
    return -1;
  if (departures_error != 0 && strcmp (path, "departure") == 0)
    {
      shared->jump += departures_take;
      (void) fails_once (&departures_error);
      return -1;
    }
  if (lists_old != NULL && (flags & O_PATH) == 0
      && strcmp (path, lists_old[0] == '/' ? "." : lists_old) == 0
      && (lists_old[0] != '/' || is_in (dirfd, lists_old)))
    {
      char old[PATH_MAX];
      (void) snprintf (old, sizeof old, "%s/" OLD, unit_tmp);
      return (int) syscall (SYS_openat, AT_FDCWD, old, flags, mode);
    }
  if (removes_release && strcmp (path, "departure") == 0)
    {
      ck_assert_int_eq (rename (KEY "/departure", KEY "/departed-0"), 0);
      removes_release = false;
      if (then_makes_void)
        unit_symlink ("void", KEY "/departure");
    }
  return (int) syscall (SYS_openat, dirfd, path, flags, mode);
}

static void
begin (void)
{
  ck_assert_int_eq (chdir (unit_tmp), 0);
  shared = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ck_assert (shared != MAP_FAILED);
  model = (struct barrier){
    .dirfd = open (".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
    .where = "/where",
    .key = KEY,
    .tasks = 2,
    .timeout = LIMIT,
    .nodes = 2,
    .note = NOTE,
  };
}

/*
 * Members
 */

static void
speak_for (uint32_t self, int64_t deadline)
{
  static struct waiting waiting;
  char alone[16];

  waiting_start (&waiting);
  (void) snprintf (alone, sizeof alone, "%u", self);
  mine = model;
  mine.waiting = &waiting;
  mine.deadline = deadline;
  mine.self = self;
  mine.own = unit_ranks (mine.tasks, sets[self] != NULL ? sets[self] : alone);
  mine.gathers = sets[self] != NULL;
  mine.node = ranks_next (mine.own, 0, true);
}

static void __attribute__ ((noreturn))
member (uint32_t self, prepare *before)
{
  struct result *result = &shared->results[self];
  struct failure f = { 0 };
  int64_t began = waiting_now ();

  speak_for (self, model.timeout > 0 ? began + model.timeout : WAITING_FOREVER);
  if (before != NULL)
    before ();
  result->status = barrier_meet (&mine, &f) == 0 ? 0 : f.status;
  (void) snprintf (result->text, sizeof result->text, "%s", f.text);
  result->passed_on = mine.passed_on;
  result->took = waiting_now () - began;
  result->ended = true;
  _exit (0);
}

static void
start (uint32_t self, prepare *before)
{
  pids[self] = fork ();
  if (pids[self] == 0)
    member (self, before);
  ck_assert_int_gt (pids[self], 0);
}

/* Waits for the member; its result is left. */
static const struct result *
end (uint32_t self)
{
  ck_assert_int_eq (waitpid (pids[self], NULL, 0), pids[self]);
  ck_assert (shared->results[self].ended);
  return &shared->results[self];
}

static const struct result *
meet (uint32_t self, prepare *before)
{
  start (self, before);
  return end (self);
}

static void
assert_says (const struct result *result, int status, const char *text)
{
  ck_assert_int_eq (result->status, status);
  unit_assert_match (result->text, text);
}

static void
assert_all_meet (void)
{
  for (uint32_t self = 0; self < model.tasks; self++)
    {
      const struct result *result = end (self);
      ck_assert_msg (result->status == 0, "%u: %s", self, result->text);
      ck_assert (!result->passed_on);
    }
}

#define assert_nothing_left() ck_assert_uint_eq (unit_entries ("."), 0)

static void
assert_all_meet_and_go (void)
{
  assert_all_meet ();
  assert_nothing_left ();
}

/*
 * The disk
 */

static void
wait_until (bool (*condition) (const char *path), const char *path)
{
  bool met;

  for (int i = 0; !(met = condition (path)) && i < 5000; i++)
    unit_sleep (2 * MILLISECOND);
  ck_assert_msg (met, "waited in vain for %s", path);
}

/* Starts the member, and waits until it has arrived. */
static void
arrive (uint32_t self, prepare *before)
{
  char mark[60];

  (void) snprintf (mark, sizeof mark, KEY "/arrival/slurm-procid-%u", self);
  start (self, before);
  wait_until (unit_is_there, mark);
}

/* Starts member 0, and waits until others can gather with it. */
static void
lead (void)
{
  start (0, NULL);
  wait_until (unit_is_there, KEY "/node-0");
}

static void
start_all_from (uint32_t first)
{
  for (uint32_t self = first; self < model.tasks; self++)
    start (self, NULL);
}

/* Another hook's: its own note is what a hook knows its mark by. */
static void
make_mark (const char *path)
{
  unit_symlink ("host=n2 pid=2", path);
}

static void
make_instance (const char *members)
{
  unit_mkdir (KEY);
  unit_mkdir (KEY "/arrival");
  unit_symlink (members, KEY "/ntasks");
}

static time_t
age_of (const char *path)
{
  struct stat st;

  ck_assert_int_eq (lstat (path, &st), 0);
  return time (NULL) - st.st_mtim.tv_sec;
}

static bool
is_fresh (const char *path)
{
  return unit_is_there (path) && age_of (path) < 30;
}

static bool
has_text (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0 && st.st_size > 0;
}

static bool
is_removed (const char *path)
{
  return !unit_is_there (path);
}

static bool
is_asleep (const char *path)
{
  return strncmp (strrchr (unit_read_text (path), ')'), ") S", 3) == 0;
}

static void
wait_until_asleep (uint32_t self)
{
  char path[40];

  (void) snprintf (path, sizeof path, "/proc/%d/stat", (int) pids[self]);
  wait_until (is_asleep, path);
}

/* Puts the clock forward while the member sleeps: it has written down by then what
 * time it was before. */
static void
jump (uint32_t self, int64_t seconds)
{
  wait_until_asleep (self);
  shared->jump = seconds;
}

/*
 * All come
 */

START_TEST (all_meet)
{
  model.tasks = (uint32_t[]){ 1, 2, 3, MEMBERS_MAX }[_i];
  for (uint32_t self = model.tasks; self-- > 0;)
    start (self, NULL);
  assert_all_meet_and_go ();
}
END_TEST

START_TEST (all_meet_without_a_timeout)
{
  model.timeout = 0;
  arrive (1, NULL);
  start (0, NULL);
  assert_all_meet_and_go ();
}
END_TEST

/* A second barrier under the same key, while the first is being removed. */
START_TEST (meets_again)
{
  model.tasks = 3;
  for (int round = 0; round < 20; round++)
    {
      start_all_from (0);
      /* Not in order: the next round begins before member 0 is ready. */
      for (uint32_t self = 3; self-- > 0;)
        ck_assert_int_eq (end (self)->status, 0);
    }
  assert_nothing_left ();
}
END_TEST

/*
 * Not all come
 */

START_TEST (a_missing_member_is_named)
{
  model.tasks = 4;
  arrive (2, NULL);
  model.timeout = SECOND / 5;
  start (0, NULL);
  const struct result *first = end (0), *second = end (2);
  assert_says (first, EX_TEMPFAIL, "2 of 4 tasks did not arrive within 0.2 s: procid 1,3");
  ck_assert (!first->passed_on);
  assert_says (second, EX_TEMPFAIL,
               "called off: procid 0: timeout: 2 of 4 tasks did not arrive within 0.2 s: "
               "procid 1,3");
  ck_assert (second->passed_on);
  ck_assert_str_eq (unit_link_of (KEY "/departure"),
                    "called-off: procid 0: timeout: 2 of 4 tasks did not arrive within 0.2 s: "
                    "procid 1,3");
}
END_TEST

START_TEST (a_late_member_learns_it_at_once)
{
  const bool timeout = _i == 0;

  make_instance ("2");
  unit_symlink (timeout ? "called-off: procid 0: timeout: why" : "called-off: procid 0: why",
             KEY "/departure");
  const struct result *late = meet (1, NULL);
  assert_says (late, timeout ? EX_TEMPFAIL : EX_PROTOCOL,
               timeout ? "called off: procid 0: timeout: why" : "called off: procid 0: why");
  ck_assert (late->passed_on);
  ck_assert (unit_is_there (KEY "/arrival/slurm-procid-1"));
  ck_assert_int_lt (late->took, LIMIT / 2);
}
END_TEST

/* It has been stopped, or the clock was set: its file's time says nothing. */
START_TEST (a_call_off_is_for_all_who_wait)
{
  const char *own = KEY "/arrival/slurm-procid-1";

  start (1, NULL);
  wait_until (unit_is_there, own);
  unit_set_age (own, _i == 0 ? 1000 : -1000);
  unit_symlink ("called-off: procid 0: why", KEY "/departure");
  assert_says (end (1), EX_PROTOCOL, "called off: procid 0: why");
}
END_TEST

START_TEST (all_there_and_no_release_is_no_release)
{
  make_instance ("2");
  make_mark (KEY "/arrival/slurm-procid-0");
  model.timeout = SECOND / 5;
  assert_says (meet (1, NULL), EX_TEMPFAIL,
               "all 2 tasks arrived, but the hook that speaks for procid 0 did not let them go "
               "within 0.2 s");
}
END_TEST

START_TEST (more_is_said_of_who_is_missing)
{
  model.timeout = SECOND / 5;
  model.note = "host=h1 pid=1 node=n1 nodes=n[1-2] tasks=1(x2)";
  assert_says (meet (0, NULL), EX_TEMPFAIL, "procid 1 on n2");
}
END_TEST

static void
got_sigterm (void)
{
  ck_assert_int_eq (raise (SIGTERM), 0);
}

START_TEST (a_reason_calls_off)
{
  model.tasks = 3;
  arrive (0, NULL);
  arrive (2, NULL);
  start (1, got_sigterm);
  /* It may be released before it has looked. */
  const struct result *own = end (1);
  if (own->status != 0)
    {
      assert_says (own, EX_PROTOCOL, "got SIGTERM");
      ck_assert (!own->passed_on);
    }
  for (uint32_t self = 0; self < 3; self += 2)
    {
      const struct result *other = end (self);
      ck_assert_int_eq (other->status, own->status);
      if (own->status != 0)
        assert_says (other, EX_PROTOCOL, "called off: procid 1: got SIGTERM");
      ck_assert (other->passed_on == (own->status != 0));
    }
}
END_TEST

START_TEST (a_signal_while_waiting_calls_off)
{
  model.tasks = 3;
  start (_i == 0 ? 0 : 1, NULL);
  arrive (2, NULL);
  ck_assert_int_eq (kill (pids[2], SIGTERM), 0);
  assert_says (end (2), EX_PROTOCOL, "got SIGTERM");
  assert_says (end (_i == 0 ? 0 : 1), EX_PROTOCOL, "called off: procid 2: got SIGTERM");
}
END_TEST

/*
 * What a member cannot do
 */

static const struct
{
  long call;
  int error, status;
} troubles[] = {
  { SYS_mkdirat, ENOSPC, EX_CANTCREAT },  { SYS_mkdirat, EDQUOT, EX_CANTCREAT },
  { SYS_mkdirat, EROFS, EX_CANTCREAT },   { SYS_mkdirat, EACCES, EX_CANTCREAT },
  { SYS_mkdirat, EIO, EX_IOERR },         { SYS_openat, ENOMEM, EX_OSERR },
  { SYS_openat, EIO, EX_IOERR },          { SYS_symlinkat, EDQUOT, EX_CANTCREAT },
  { SYS_symlinkat, EIO, EX_IOERR },
};
static int trouble;

static void
in_trouble (void)
{
  unit_refuse (troubles[trouble].call, troubles[trouble].error);
}

START_TEST (what_cannot_be_done_is_said)
{
  trouble = _i;
  const struct result *result = meet (1, in_trouble);
  assert_says (result, troubles[_i].status, "/where/" KEY ": ");
  unit_assert_match (result->text, strerror (troubles[_i].error));
  ck_assert (!result->passed_on);
  ck_assert_int_lt (result->took, LIMIT / 2);
}
END_TEST

static void
cannot_arrive (void)
{
  no_links ("slurm-procid-", ENOSPC, false);
}

START_TEST (the_others_are_told)
{
  arrive (0, NULL);
  assert_says (meet (1, cannot_arrive), EX_CANTCREAT, "cannot arrive in /where/" KEY);
  assert_says (end (0), EX_PROTOCOL, "called off: procid 1: cannot arrive in /where/" KEY);
}
END_TEST

static void
cannot_read_once (void)
{
  readlink_error = EIO;
}

START_TEST (the_others_are_told_before_arriving)
{
  arrive (0, NULL);
  assert_says (meet (1, cannot_read_once), EX_IOERR,
               "cannot read the number of tasks in /where/" KEY);
  assert_says (end (0), EX_PROTOCOL, "called off: procid 1: cannot read the number of tasks in");
}
END_TEST

static void
cannot_tell (void)
{
  no_links ("departure", ENOSPC, false);
  got_sigterm ();
}

/* Who cannot tell says at least that nobody is there any more. */
START_TEST (who_cannot_tell_expires_its_mark)
{
  make_instance ("2");
  assert_says (meet (1, cannot_tell), EX_PROTOCOL, "got SIGTERM");
  ck_assert_int_eq (age_of (KEY "/arrival/slurm-procid-1"), time (NULL));
  start (0, NULL);
  wait_until (is_removed, KEY "/arrival/slurm-procid-1");
  start (1, NULL);
  assert_all_meet ();
}
END_TEST

static bool
is_expired (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0 && st.st_mtim.tv_sec == 0;
}

static void
cannot_call_off (void)
{
  no_links ("departure", EDQUOT, false);
}

/* What made it fail has gone since; who decides has counted its mark before. */
START_TEST (who_was_counted_goes_with_the_others)
{
  make_instance ("2");
  unit_write_text (KEY "/arrival/slurm-procid-0", ""); /* an earlier version's */
  start (1, cannot_call_off);
  wait_until (is_expired, KEY "/arrival/slurm-procid-1");
  ck_assert_int_eq (unlink (KEY "/arrival/slurm-procid-0"), 0);
  make_mark (KEY "/arrival/slurm-procid-0");
  unit_mkdir (KEY "/departure");
  ck_assert_int_eq (end (1)->status, 0);
}
END_TEST

static void
cannot_depart (void)
{
  no_links ("slurm-procid-", EIO, false);
  link_fault.spares = 1;
  unit_refuse (SYS_linkat, EIO);
#ifdef SYS_renameat
  unit_refuse (SYS_renameat, EIO);
#endif
  unit_refuse (SYS_renameat2, EIO);
  log_settings.level = LOG_ERR;
}

START_TEST (released_is_released)
{
  arrive (1, cannot_depart);
  unit_mkdir (KEY "/departure");
  ck_assert_int_eq (end (1)->status, 0);
  ck_assert (!unit_is_there (KEY "/departure/slurm-procid-1"));
}
END_TEST

static void
arrival_is_not_confirmed (void)
{
  no_links ("slurm-procid-", EIO, true);
}

/* His mark was made: so the others may have been released. */
START_TEST (who_may_have_arrived_goes_with_the_others)
{
  make_instance ("2");
  arrive (0, NULL);
  start (1, arrival_is_not_confirmed);
  ck_assert_int_eq (end (0)->status == 0, end (1)->status == 0);
}
END_TEST

static void
always_gone (void)
{
  no_links ("slurm-procid-", ENOENT, false);
}

START_TEST (what_goes_each_time_is_not_waited_for_at_full_speed)
{
  model.timeout = SECOND / 2;
  assert_says (meet (1, always_gone), EX_TEMPFAIL, "went away each time this task arrived");
}
END_TEST

/*
 * Calling off without coming
 */

static int
call_off (const void *reason)
{
  speak_for (1, waiting_now () + LIMIT);
  barrier_call_off (&mine, reason);
  return 0;
}

START_TEST (who_will_not_come_tells_it)
{
  int64_t before = waiting_now ();

  arrive (0, NULL);
  ck_assert_int_eq (unit_child (call_off, "bad setting"), 0);
  ck_assert_int_lt (waiting_now () - before, LIMIT / 2);
  assert_says (end (0), EX_PROTOCOL, "called off: procid 1: bad setting");
}
END_TEST

START_TEST (who_will_not_come_may_be_the_first)
{
  ck_assert_int_eq (unit_child (call_off, "bad setting"), 0);
  ck_assert_str_eq (unit_link_of (KEY "/departure"), "called-off: procid 1: bad setting");
  assert_says (meet (0, NULL), EX_PROTOCOL, "called off: procid 1: bad setting");
}
END_TEST

/* Member 0 releases as soon as it sees the last one arrive. */
START_TEST (who_will_not_come_completes_nothing)
{
  if (_i == 1)
    gather ("0-1");
  for (int i = 0; i < 20; i++)
    {
      start (0, NULL);
      wait_until (unit_is_there, _i == 1 ? KEY "/node-0" : KEY "/arrival/slurm-procid-0");
      ck_assert_int_eq (unit_child (call_off, "bad setting"), 0);
      ck_assert_int_eq (end (0)->status, EX_PROTOCOL);
      ck_assert_int_lt (shared->results[0].took, 3 * SECOND); /* not by the look every 5 s */
      ck_assert (unit_is_there (_i == 1 ? KEY "/arrival/slurm-procid-0-1"
                                   : KEY "/arrival/slurm-procid-1")); /* they know it */
      ck_assert_int_eq (rename (KEY, (char[]){ 'a', (char) ('a' + i), '\0' }), 0);
    }
}
END_TEST

/* Both know that it was called off, so it makes way. */
START_TEST (after_a_refusal_all_meet_again)
{
  arrive (0, NULL);
  ck_assert_int_eq (unit_child (call_off, "bad setting"), 0);
  ck_assert_int_eq (end (0)->status, EX_PROTOCOL);
  start (0, NULL);
  start (1, NULL);
  assert_all_meet ();
  ck_assert_int_lt (shared->results[1].took, LIMIT / 2);
}
END_TEST

static void
all_are_released (void)
{
  another_comes = false;
  ck_assert_int_eq (chdir (unit_tmp), 0);
  start (1, NULL);
  wait_until_asleep (1);
  ck_assert_int_eq (kill (pids[1], SIGSTOP), 0);
  start (2, NULL);
  wait_until (unit_is_there, KEY "/departure");
  if (fork () == 0)
    {
      unit_sleep (SECOND / 5);
      _exit (kill (pids[1], SIGCONT));
    }
  ck_assert_int_eq (chdir ("/"), 0);
}

static int
call_off_while_another_comes (const void *reason)
{
  another_comes = true;
  return call_off (reason);
}

/* The leader has answered it, but arrives for the other one, which is stopped before it
 * has heard of the release.  So it tells the next barrier. */
START_TEST (who_will_not_come_takes_no_release_of_another)
{
  model.tasks = 3;
  gather ("0-2");
  lead ();
  ck_assert_int_eq (unit_child (call_off_while_another_comes, "bad setting"), 0);
  ck_assert_int_eq (end (0)->status, 0);
  ck_assert_int_eq (shared->results[1].status + shared->results[2].status, 0);
  ck_assert_str_eq (unit_link_of (KEY "/departure"), "called-off: procid 1: bad setting");
}
END_TEST

/* Its next hook shall not take that for its own. */
START_TEST (who_will_not_come_knows_of_a_call_off)
{
  make_instance ("2");
  unit_symlink ("called-off: procid 0: why", KEY "/departure");
  ck_assert_int_eq (unit_child (call_off, "bad setting"), 0);
  ck_assert (unit_is_there (KEY "/arrival/slurm-procid-1"));
}
END_TEST

/* It was called off, or released, and goes when procid 0 comes. */
START_TEST (who_will_not_come_waits_until_an_earlier_barrier_goes)
{
  const struct timespec given_up[2] = { { 0 }, { 0 } }; /* by the hook that made the release */

  make_instance ("2");
  make_mark (KEY "/arrival/slurm-procid-0");
  make_mark (KEY "/arrival/slurm-procid-1");
  if (_i == 0)
    unit_symlink ("called-off: procid 0: why", KEY "/departure");
  else
    {
      unit_mkdir (KEY "/departure");
      make_mark (KEY "/departure/slurm-procid-0");
      ck_assert_int_eq (utimensat (AT_FDCWD, KEY "/arrival/slurm-procid-0", given_up,
                                   AT_SYMLINK_NOFOLLOW),
                        0);
    }
  pids[1] = fork ();
  if (pids[1] == 0)
    _exit (call_off ("bad setting"));
  unit_sleep (SECOND / 5);
  if (_i == 1)
    make_mark (KEY "/departure/slurm-procid-1");
  assert_says (meet (0, NULL), EX_PROTOCOL, "called off: procid 1: bad setting");
  ck_assert_int_eq (waitpid (pids[1], NULL, 0), pids[1]);
}
END_TEST

static void
make_earlier_barrier (void)
{
  make_instance ("2");
  make_mark (KEY "/arrival/slurm-procid-1");
}

START_TEST (an_earlier_barrier_is_not_called_off)
{
  make_earlier_barrier ();
  switch (_i)
    {
    case 0:
      ck_assert_int_eq (unit_child (call_off, "bad setting"), 0);
      break;
    case 1:
      model.timeout = SECOND / 5;
      assert_says (meet (1, NULL), EX_TEMPFAIL,
                   "an earlier barrier of this task, /where/" KEY ", did not end within 0.2 s");
      break;
    default:
      assert_says (meet (1, got_sigterm), EX_PROTOCOL,
                   "got SIGTERM, while an earlier barrier of this task went on");
      break;
    }
  ck_assert (!unit_is_there (KEY "/departure"));
  ck_assert (is_fresh (KEY "/arrival/slurm-procid-1"));
}
END_TEST

/* Its task has departed from that while it looked whether it had arrived there. */
START_TEST (who_will_not_come_takes_no_place_of_who_has_gone)
{
  make_earlier_barrier ();
  make_mark (KEY "/arrival/slurm-procid-0");
  departs_when_listed = true;
  ck_assert_int_eq (unit_child (call_off, "bad setting"), 0);
  ck_assert (unit_is_there (KEY "/departure/slurm-procid-1"));
  ck_assert (!unit_is_there (KEY "/arrival/slurm-procid-1"));
}
END_TEST

/* The reason is told all the same: perhaps it was waited for. */
START_TEST (comes_long_after_the_end)
{
  const struct timespec old[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };

  make_instance ("2");
  unit_symlink ("called-off: procid 0: timeout: why", KEY "/departure");
  ck_assert_int_eq (utimensat (AT_FDCWD, KEY "/departure", old, AT_SYMLINK_NOFOLLOW), 0);
  model.timeout = SECOND / 5;
  assert_says (meet (1, NULL), EX_TEMPFAIL,
               "/where/" KEY " was called off, and still there after 0.2 s: procid 0's hook makes "
               "way for a new barrier when all tasks know of it; it was called off by procid 0: "
               "timeout: why");
}
END_TEST

static void
cannot_read (void)
{
  unit_refuse (SYS_readlinkat, EIO);
}

/* It does not know yet whose barrier it is. */
START_TEST (a_failure_before_arriving_calls_no_earlier_barrier_off)
{
  make_earlier_barrier ();
  if (_i == 2) /* as their node's mark */
    ck_assert_int_eq (rename (KEY "/arrival/slurm-procid-1", KEY "/arrival/slurm-procid-0-1"), 0);
  if (_i == 0)
    assert_says (meet (1, cannot_read), EX_IOERR, "/where/" KEY ": ");
  else
    {
      if (_i == 1)
        cannot_read ();
      listing_error = EIO;
      ck_assert_int_eq (unit_child (call_off, "bad setting"), 0);
    }
  ck_assert (!unit_is_there (KEY "/departure"));
}
END_TEST

/*
 * Barriers that are not this hook's
 */

START_TEST (waits_until_an_earlier_barrier_goes)
{
  make_earlier_barrier ();
  start (1, NULL);
  start (0, NULL);
  wait_until (unit_is_there, KEY "/departure");
  /* Here the earlier hook of member 1 departs. */
  make_mark (KEY "/departure/slurm-procid-1");
  ck_assert_int_eq (end (0)->status, 0);
  start (0, NULL);
  assert_all_meet_and_go ();
}
END_TEST

START_TEST (who_has_departed_waits_for_the_next)
{
  make_instance ("2");
  unit_mkdir (KEY "/departure");
  make_mark (KEY "/departure/slurm-procid-1");
  model.timeout = SECOND / 5;
  assert_says (meet (1, NULL), EX_TEMPFAIL, "an earlier barrier of this task");
  ck_assert_uint_eq (unit_entries (KEY "/arrival"), 0);
}
END_TEST

/* Somebody was killed before it departed, 25 s ago: of so many nodes that they look
 * every 40 s, others may have been released and not know it yet. */
START_TEST (an_old_release_makes_way)
{
  const bool many = _i == 1;
  struct timespec times[2];

  make_instance ("2");
  unit_mkdir (KEY "/departure");
  make_mark (KEY "/departure/slurm-procid-0");
  make_mark (KEY "/arrival/slurm-procid-0");
  make_mark (KEY "/arrival/slurm-procid-1");
  (void) clock_gettime (CLOCK_REALTIME, &times[1]);
  times[1].tv_sec -= 25;
  times[0] = times[1];
  ck_assert_int_eq (utimensat (AT_FDCWD, KEY "/departure", times, 0), 0);
  model.nodes = many ? 64 : 2;
  model.timeout = many ? SECOND : LIMIT;
  start (0, NULL);
  if (many)
    {
      assert_says (end (0), EX_TEMPFAIL, "an earlier barrier of this task");
      return;
    }
  wait_until (is_removed, KEY "/departure");
  start (1, NULL);
  assert_all_meet ();
}
END_TEST

static void
is_the_last (void)
{
  departed_before = KEY "/departure/slurm-procid-0";
}

static void
comes_after_another (void)
{
  departed_before = KEY "/departure/slurm-procid-1";
}

#ifdef SYS_newfstatat
static void
has_a_cache (void)
{
  remembers = true;
}

START_TEST (what_a_client_remembers_is_not_stale)
{
  arrive (1, NULL);
  start (0, has_a_cache);
  assert_all_meet_and_go ();
  ck_assert_int_eq (shared->call_offs, 0); /* nor void */
}
END_TEST
#endif

static void
comes_after_another_and_asks_twice (void)
{
  comes_after_another ();
  departures_error = EIO;
}

static void
comes_after_another_and_is_slow (void)
{
  comes_after_another_and_asks_twice ();
  departures_take = 3;
}

/* The other one's mark has moved from arrival, so that it has arrived in the same. */
START_TEST (who_departs_meanwhile_was_another_hook)
{
  static prepare *const comes[] = { comes_after_another, comes_after_another_and_asks_twice,
                                    comes_after_another_and_is_slow };

  make_instance ("2");
  model.timeout = 4 * SECOND;
  assert_says (meet (1, comes[_i]), EX_TEMPFAIL, "an earlier barrier of this task");
}
END_TEST

static void
comes_when_that_is_removed (void)
{
  departed_before = KEY "/departure/slurm-procid-1";
  removes_release = true;
}

static void
comes_when_that_is_made_void (void)
{
  comes_when_that_is_removed ();
  then_makes_void = true;
}

START_TEST (a_release_that_is_removed_is_none)
{
  make_instance ("2");
  model.timeout = SECOND;
  if (_i == 0)
    assert_says (meet (1, comes_when_that_is_removed), EX_TEMPFAIL, "1 of 2 tasks did not arrive");
  else
    assert_says (meet (1, comes_when_that_is_made_void), EX_TEMPFAIL,
                 "only its hook makes way for a new barrier where /where/" KEY " was given up");
}
END_TEST

static void
has_old_list (void)
{
  lists_old = "/" KEY "\n";
}

static void
has_old_arrivals (void)
{
  lists_old = "/arrival\n";
}

static void
has_old_departures (void)
{
  lists_old = "departure";
}

static void
make_old_list (time_t changed)
{
  const struct timespec times[2] = { { .tv_sec = changed, .tv_nsec = 1 }, { changed, 1 } };

  unit_mkdir (OLD);
  make_mark (OLD "/ntasks");
  ck_assert_int_eq (utimensat (AT_FDCWD, OLD, times, 0), 0);
}

/* Two changes have the same time, and a client of NFS knows the first one only: who waits
 * for more finds out. */
START_TEST (a_list_that_may_be_old_is_renewed)
{
  prepare *const first[] = { has_old_arrivals, NULL, has_old_departures };

  make_old_list (time (NULL) + 1);
  arrive (1, _i == 1 ? has_old_list : NULL);
  start (0, first[_i]);
  assert_all_meet ();
  ck_assert_int_lt (shared->results[_i == 1].took, 3 * SECOND);
  ck_assert (!unit_is_there (KEY));
}
END_TEST

/* It finds out by calling off, and renews the lists of the others. */
START_TEST (who_calls_off_believes_no_list)
{
  const struct timespec old[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };

  make_old_list (1000000);
  arrive (1, has_old_list);
  make_mark (KEY "/arrival/slurm-procid-0");
  unit_mkdir (KEY "/departure");
  ck_assert_int_eq (utimensat (AT_FDCWD, KEY, old, 0), 0);
  ck_assert_int_eq (kill (pids[1], SIGTERM), 0);
  ck_assert_int_eq (end (1)->status, 0);
  ck_assert (is_fresh (KEY));
}
END_TEST

START_TEST (who_comes_just_before_the_release_goes)
{
  make_instance ("2");
  ck_assert_int_eq (meet (1, is_the_last)->status, 0);
}
END_TEST

START_TEST (another_number_of_members_is_not_ours)
{
  make_instance ("3");
  model.timeout = SECOND / 5;
  assert_says (meet (1, NULL), EX_TEMPFAIL,
               "this task counts 2 tasks, but the barrier /where/" KEY " is one of 3");
  ck_assert_uint_eq (unit_entries (KEY "/arrival"), 0);
  ck_assert (!unit_is_there (KEY "/departure"));
}
END_TEST

/*
 * Left behind
 */

/* When it touches its mark. */
START_TEST (who_is_left_behind_comes_again)
{
  model.timeout = 100 * SECOND;
  arrive (1, NULL);
  ck_assert_int_eq (rename (KEY, "away"), 0);
  jump (1, 21);
  start (0, NULL);
  assert_all_meet ();
  ck_assert_str_eq (unit_link_of ("away/departure"), "void");
  ck_assert (!unit_is_there (KEY));
}
END_TEST

static void
finds_an_outcome (void)
{
  no_links ("departure", EEXIST, false);
}

/* Somebody removes it: its outcome is there for member 0's void, and gone then. */
static void
has_lost_its_mark (void)
{
  loses_mark = KEY "/arrival/slurm-procid-0";
}

/* It was stopped while somebody removed the instance, and another hook came to it. */
START_TEST (a_release_without_the_own_mark_is_none)
{
  make_instance ("2");
  make_mark (KEY "/arrival/slurm-procid-1");
  model.timeout = SECOND / 2;
  assert_says (meet (0, has_lost_its_mark), EX_TEMPFAIL, "an earlier barrier of this task");
}
END_TEST

START_TEST (who_is_left_behind_decides_nothing)
{
  model.timeout = 100 * SECOND;
  arrive (0, finds_an_outcome);
  ck_assert_int_eq (rename (KEY, "away"), 0);
  jump (0, 21);
  wait_until (unit_is_there, KEY "/arrival/slurm-procid-0");
  ck_assert (!unit_is_there ("away/departure"));
  start (1, NULL);
  assert_all_meet ();
}
END_TEST

START_TEST (who_lost_its_instance_comes_again)
{
  arrive (1, NULL);
  ck_assert_int_eq (instance_remove (model.dirfd, KEY), 0);
  start (0, NULL);
  assert_all_meet_and_go ();
}
END_TEST

/* Nobody else is in it to leave a word. */
START_TEST (member_0_alone_notices_that_its_instance_is_lost)
{
  arrive (0, NULL);
  ck_assert_int_eq (rename (KEY, "away"), 0);
  ck_assert_int_eq (instance_remove (model.dirfd, "away"), 0);
  start (1, NULL);
  assert_all_meet_and_go ();
}
END_TEST

START_TEST (void_means_come_again)
{
  arrive (1, NULL);
  unit_symlink (_i == 0 ? "void" : "nonsense", KEY "/departure");
  start (0, NULL);
  assert_all_meet_and_go ();
}
END_TEST

/*
 * Signs of life
 */

START_TEST (who_waits_touches_its_file)
{
  model.timeout = 100 * SECOND;
  start ((uint32_t) _i, NULL);
  const char *own = _i == 0 ? KEY "/arrival/slurm-procid-0" : KEY "/arrival/slurm-procid-1";
  wait_until (unit_is_there, own);
  unit_set_age (own, 50);
  ck_assert (!is_fresh (own));
  jump ((uint32_t) _i, 21);
  wait_until (is_fresh, own);
  ck_assert_int_eq (kill (pids[_i], SIGTERM), 0);
  (void) end ((uint32_t) _i);
}
END_TEST

static void
lists_slowly (void)
{
  listing_takes = 3;
}

static bool
was_listed (const char *unused)
{
  (void) unused;
  return shared->listings > 0;
}

static bool
was_listed_again (const char *unused)
{
  (void) unused;
  return shared->listings > 1;
}

/* The file server was not there for a while, or the hook was stopped. */
START_TEST (a_listing_that_was_held_up_is_not_rested_from)
{
  model.timeout = 300 * SECOND;
  start (0, lists_slowly);
  wait_until (was_listed, "a list");
  const int64_t began = waiting_now ();
  wait_until (was_listed_again, "another list");
  ck_assert_int_lt (waiting_now () - began, 4 * SECOND / 5);
  start (1, NULL);
  assert_all_meet ();
}
END_TEST

START_TEST (a_long_list_is_rested_from)
{
  char name[64];

  model.timeout = 300 * SECOND;
  model.tasks = 100;
  make_instance ("100");
  for (uint32_t i = 2; i < 100; i++)
    {
      (void) snprintf (name, sizeof name, KEY "/arrival/slurm-procid-%u", i);
      make_mark (name);
    }
  start (0, lists_slowly);
  wait_until (was_listed, "a list");
  const int64_t began = waiting_now ();
  wait_until (was_listed_again, "another list");
  ck_assert_int_gt (waiting_now () - began, SECOND / 2);
  ck_assert_int_lt (waiting_now () - began, 3 * SECOND);
  ck_assert_int_eq (kill (pids[0], SIGTERM), 0);
  (void) end (0);
}
END_TEST

/* Member 1 is stopped while the others arrive anew, who came before that or after, or
 * as its leader; it has to end when it goes on, and they hear of that at once. */
START_TEST (who_ends_in_a_void_instance_calls_off_the_next)
{
  struct stat before, after;

  model.tasks = 3;
  if (_i == 2)
    gather ("0-1");
  start (1, NULL);
  wait_until (unit_is_there, _i == 2 ? KEY "/node-0" : KEY "/arrival/slurm-procid-1");
  if (_i == 0)
    arrive (0, NULL);
  wait_until_asleep (1); /* where it hears the signal */
  ck_assert_int_eq (kill (pids[1], SIGSTOP), 0);
  ck_assert_int_eq (lstat (KEY, &before), 0);
  unit_symlink ("void", KEY "/departure");
  (void) mkdir (KEY "/arrival/ended", 0700);
  if (_i > 0)
    start (0, NULL);
  do
    wait_until (unit_is_there, _i == 2 ? KEY "/node-0" : KEY "/arrival/slurm-procid-0");
  while (lstat (KEY, &after) != 0 || after.st_ino == before.st_ino);
  ck_assert_int_eq (kill (pids[1], SIGTERM), 0);
  ck_assert_int_eq (kill (pids[1], SIGCONT), 0);
  assert_says (end (1), EX_PROTOCOL, "got SIGTERM");
  const struct result *result = end (0);
  assert_says (result, EX_PROTOCOL, "procid 1: got SIGTERM");
  ck_assert_int_lt (result->took, LIMIT / 2);
}
END_TEST

/* Who was fresh once may be dead now. */
/* It was given up, and procid 0 is not there yet to make way for the next one. */
START_TEST (who_ends_before_procid_0_comes_calls_off_the_next)
{
  make_instance ("2");
  unit_symlink ("void", KEY "/departure");
  start (1, NULL);
  wait_until_asleep (1);
  unit_sleep (50 * MILLISECOND);
  ck_assert_int_eq (kill (pids[1], SIGTERM), 0);
  start (0, NULL);
  assert_says (end (0), EX_PROTOCOL, "called off: procid 1: got SIGTERM");
  ck_assert_int_eq (end (1)->status, EX_PROTOCOL);
}
END_TEST

START_TEST (freshness_does_not_last)
{
  model.tasks = 3;
  model.timeout = 100 * SECOND;
  make_instance ("3");
  make_mark (KEY "/arrival/slurm-procid-1");
  arrive (0, NULL);
  jump (0, 1); /* it has listed them */
  unit_set_age (KEY "/arrival/slurm-procid-1", 100);
  jump (0, 21);
  make_mark (KEY "/arrival/slurm-procid-2");
  wait_until (is_removed, KEY "/arrival/slurm-procid-2");
  start (1, NULL);
  start (2, NULL);
  assert_all_meet_and_go ();
}
END_TEST

/*
 * Departing
 */

START_TEST (member_0_waits_for_all_to_depart)
{
  make_instance ("2");
  make_mark (KEY "/arrival/slurm-procid-1");
  start (0, NULL);
  wait_until (unit_is_there, KEY "/departure/slurm-procid-0");
  ck_assert (!shared->results[0].ended);
  if (_i == 0)
    {
      make_mark (KEY "/departure/slurm-procid-1");
      ck_assert_int_eq (end (0)->status, 0);
      assert_nothing_left ();
      return;
    }
  /* It is released: a signal ends this wait, and nothing else. */
  ck_assert_int_eq (kill (pids[0], SIGTERM), 0);
  ck_assert_int_eq (end (0)->status, 0);
  ck_assert (unit_is_there (KEY "/departure/slurm-procid-0"));
}
END_TEST

/* A member that died after the release. */
START_TEST (member_0_does_not_wait_for_ever)
{
  make_instance ("2");
  make_mark (KEY "/arrival/slurm-procid-1");
  start (0, NULL);
  wait_until (unit_is_there, KEY "/departure/slurm-procid-0");
  jump (0, BARRIER_LEAVE / SECOND);
  ck_assert_int_eq (end (0)->status, 0);
  ck_assert (unit_is_there (KEY "/departure/slurm-procid-0"));
}
END_TEST

/* By another hook of member 0, whose rename was for the instance before. */
START_TEST (member_0_removes_what_was_caught_by_mistake)
{
  make_instance ("2");
  make_mark (KEY "/arrival/slurm-procid-1");
  start (0, NULL);
  wait_until (unit_is_there, KEY "/departure/slurm-procid-0");
  ck_assert_int_eq (rename (KEY, INSTANCE_GONE "host-1-0-" KEY), 0);
  unit_sleep (100 * MILLISECOND);
  ck_assert (!shared->results[0].ended);
  make_mark (INSTANCE_GONE "host-1-0-" KEY "/departure/slurm-procid-1");
  ck_assert_int_eq (end (0)->status, 0);
  assert_nothing_left ();
}
END_TEST

/* What somebody has removed, nobody departs from. */
START_TEST (member_0_does_not_wait_for_what_is_removed)
{
  int64_t began;

  make_instance ("2");
  make_mark (KEY "/arrival/slurm-procid-1");
  start (0, NULL);
  wait_until (unit_is_there, KEY "/departure/slurm-procid-0");
  began = waiting_now ();
  ck_assert_int_eq (rename (KEY, "away"), 0);
  ck_assert_int_eq (instance_remove (model.dirfd, "away"), 0);
  ck_assert_int_eq (end (0)->status, 0);
  ck_assert_int_lt (waiting_now () - began, BARRIER_LEAVE / 2);
  assert_nothing_left ();
}
END_TEST

/*
 * Nodes that gather
 */

static const char *const nodes[][3] = {
  { "0-3" },
  { "0-1", "2-3" },
  { "0,2", "1,3" },
  { "0-2", "3" },
};

static void
gather_nodes (int which)
{
  model.tasks = 4;
  for (int i = 0; i < 3 && nodes[which][i] != NULL; i++)
    gather (nodes[which][i]);
  model.nodes = nodes[which][1] == NULL ? 1 : 2;
}

START_TEST (nodes_meet)
{
  gather_nodes (_i);
  for (int round = 0; round < 5; round++)
    {
      for (uint32_t self = 0; self < 4; self++)
        start ((self + (uint32_t) round) % 4, NULL);
      assert_all_meet_and_go ();
    }
}
END_TEST

/* Two hooks of each task at once; the ends come back in any order. */
START_TEST (nodes_meet_twice_at_once)
{
  pid_t first[4];

  gather_nodes (_i);
  for (uint32_t self = 0; self < 4; self++)
    {
      start (self, NULL);
      first[self] = pids[self];
    }
  start_all_from (0);
  for (uint32_t self = 0; self < 4; self++)
    ck_assert_int_eq (waitpid (first[self], NULL, 0), first[self]);
  assert_all_meet_and_go ();
}
END_TEST

/* One by one, so that 0 and 2 lead; and all are there but one. */
static void
start_two_nodes (uint32_t but)
{
  gather_nodes (1);
  for (uint32_t self = 0; self < 4; self++)
    if (self != but)
      {
        start (self, NULL);
        wait_until (unit_is_there, self < 2 ? KEY "/node-0" : KEY "/node-2");
      }
}

static bool
is_said (const char *path)
{
  return strstr (unit_link_of (path), "procid=0-1 ") != NULL
         || strstr (unit_link_of (path), "procid=2 ") != NULL;
}

START_TEST (a_time_out_names_who_is_missing_on_a_node)
{
  model.timeout = 3 * SECOND;
  start_two_nodes (3);
  const struct result *result;
  unsigned own = 0;
  for (uint32_t self = 0; self < 3; self++)
    {
      result = end (self);
      assert_says (result, EX_TEMPFAIL, "1 of 4 tasks did not arrive within 3 s: procid 3");
      own += !result->passed_on;
    }
  ck_assert_uint_ge (own, 1);
}
END_TEST

START_TEST (who_is_gathered_is_said_after_a_moment)
{
  start_two_nodes (3);
  wait_until (is_said, KEY "/gathering-2");
  ck_assert_str_eq (unit_link_of (KEY "/gathering-2"), "procid=2 " NOTE);
  start (3, NULL);
  assert_all_meet_and_go ();
}
END_TEST

static bool
two_are_gathered (const char *path)
{
  return strstr (unit_link_of (path), "procid=0-1 ") != NULL;
}

/* A leader or its member, while they gather or when they have arrived: the kernel
 * tells those of their node, and these all others. */
START_TEST (who_is_killed_ends_it_for_all)
{
  static const char *const reasons[] = {
    "the hook of procid 0, which spoke for this node, is gone; was it killed?",
    "the hook of procid 1 is gone before all tasks had come; was it killed?",
  };
  const uint32_t victim = (uint32_t) _i % 2, missing = 2 + (uint32_t) _i / 2;

  gather_nodes (3);
  lead ();
  for (uint32_t self = 1; self < 4; self++)
    if (self != missing)
      start (self, NULL);
  if (missing == 2)
    wait_until (two_are_gathered, KEY "/gathering-0");
  else
    wait_until (unit_is_there, KEY "/arrival/slurm-procid-0-2");
  unit_kill (pids[victim]);
  for (uint32_t self = 0; self < 4; self++)
    if (self != victim && self != missing)
      {
        const struct result *result = end (self);
        assert_says (result, EX_PROTOCOL, reasons[victim]);
        ck_assert_int_lt (result->took, LIMIT / 2);
      }
}
END_TEST

/* All of a node get SIGTERM, the leader last; or the time of the others is over before
 * the leader's: that one calls off for all of them.  But who alone gets SIGTERM does it
 * itself. */
START_TEST (one_hook_of_a_node_calls_off)
{
  const bool timed = _i == 1, alone = _i == 2;
  const char *reason = timed ? "procid 4" : "got SIGTERM";

  model.tasks = 5;
  gather ("0-3");
  model.timeout = timed ? 2 * SECOND : LIMIT;
  lead ();
  model.timeout = timed ? SECOND : LIMIT;
  for (uint32_t self = 1; self < 4; self++)
    start (self, NULL);
  wait_until (unit_is_there, KEY "/arrival/slurm-procid-0-3");
  const int64_t before = waiting_now ();
  bool slow = false; /* the leader, on a busy machine: they do not wait for ever */
  for (uint32_t self = 3; !timed && self < 4; self = alone ? UINT32_MAX : self - 1)
    ck_assert_int_eq (kill (pids[self], SIGTERM), 0);
  for (uint32_t self = 0; self < 4; self++)
    {
      const struct result *result = end (self);
      slow = slow || (!timed && !alone && waiting_now () - before > SECOND / 4);
      assert_says (result, timed ? EX_TEMPFAIL : EX_PROTOCOL, reason);
      ck_assert (slow || result->passed_on == (self != (alone ? 3 : 0)));
      ck_assert_int_lt (result->took, LIMIT / 2);
    }
  ck_assert (slow || shared->call_offs == 1);
}
END_TEST

static void
stop (uint32_t self)
{
  ck_assert_int_eq (kill (pids[self], SIGSTOP), 0);
  ck_assert_int_eq (waitpid (pids[self], NULL, WUNTRACED), pids[self]);
}

/* It is stopped for longer than the timeout; whoever is released by then is not
 * by it. */
START_TEST (a_stopped_leader_stops_nobody_for_ever)
{
  gather_nodes (3);
  lead ();
  model.timeout = 4 * SECOND;
  start (1, NULL);
  start (3, NULL);
  wait_until (two_are_gathered, KEY "/gathering-0");
  stop (0);
  assert_says (end (1), EX_TEMPFAIL, "tasks did not arrive within 4 s: procid ");
  ck_assert_int_eq (end (3)->status, EX_TEMPFAIL);
  ck_assert_int_eq (kill (pids[0], SIGCONT), 0);
  ck_assert_int_eq (end (0)->status, EX_TEMPFAIL);
}
END_TEST

/* Member 0 leads, and is stopped: who comes to it gets no answer. */
static void
lead_stopped (void)
{
  lead ();
  wait_until_asleep (0); /* it listens */
  stop (0);
}

/* A follower leaves without an answer, and just then its leader, who was stopped, takes
 * it, and arrives; and all may be released before the follower goes on. */
static enum taken { IS_NOT_TAKEN, IS_TAKEN, IS_RELEASED } is_late;

int
shutdown (int fd, int how)
{
  const enum taken how_late = is_late;

  if (how_late != IS_NOT_TAKEN)
    {
      ck_assert_int_eq (fchdir (model.dirfd), 0);
      ck_assert_int_eq (kill (pids[0], SIGCONT), 0);
      wait_until (unit_is_there, KEY "/arrival/slurm-procid-0-1");
      ck_assert_int_eq (kill (pids[0], SIGSTOP), 0);
      unit_sleep (50 * MILLISECOND);
    }
  const int result = (int) syscall (SYS_shutdown, fd, how);
  if (how_late == IS_RELEASED)
    {
      unit_mkdir (KEY "/departure");
      make_mark (KEY "/departure/slurm-procid-2");
    }
  if (how_late != IS_NOT_TAKEN)
    ck_assert_int_eq (kill (pids[0], SIGCONT), 0);
  for (int i = 0; how_late != IS_NOT_TAKEN && i < 50 && unit_is_there (KEY); i++)
    unit_sleep (10 * MILLISECOND);
  return result;
}

static void
is_taken_late (void)
{
  is_late = IS_TAKEN;
}

static void
is_released_late (void)
{
  is_late = IS_RELEASED;
}

static void
is_released_with_sigterm (void)
{
  is_late = IS_RELEASED;
  got_sigterm ();
}

START_TEST (who_was_taken_while_it_left_goes_with_the_others)
{
  static prepare *const late[] = { is_taken_late, is_released_late, is_released_with_sigterm };

  model.tasks = 3;
  model.nodes = 2;
  gather ("0-1");
  lead_stopped ();
  model.timeout = SECOND / 2;
  start (1, late[_i]);
  if (_i == 0)
    {
      assert_says (end (1), EX_TEMPFAIL, "1 of 3 tasks did not arrive within 0.5 s: procid 2");
      assert_says (end (0), EX_TEMPFAIL, "called off: procid 1: timeout: ");
      return;
    }
  ck_assert_int_eq (end (1)->status, 0);
  ck_assert_int_eq (end (0)->status, 0);
  assert_nothing_left ();
}
END_TEST

static void
looks_at_what_is_stale (void)
{
  look_error = ESTALE;
}

/* Its leader answers late, and meanwhile the server says of what is there that it is
 * not. */
START_TEST (who_waits_for_an_answer_believes_no_stale_handle)
{
  model.nodes = 1;
  gather ("0-1");
  lead_stopped ();
  start (1, looks_at_what_is_stale);
  for (int64_t end = waiting_now () + GATHER_PATIENCE * 3 / 2; waiting_now () < end;)
    unit_sleep (100 * MILLISECOND);
  ck_assert_int_eq (kill (pids[0], SIGCONT), 0);
  assert_all_meet_and_go ();
}
END_TEST

/* Killed before the leader, who is stopped, could answer what it has said. */
START_TEST (who_is_killed_unanswered_ends_it_too)
{
  const struct sockaddr_un address = { AF_UNIX, KEY "/node-0" };

  gather_nodes (1);
  lead_stopped ();
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const uint32_t hello[] = { 0x53594e31, 1, model.tasks, 0 }; /* as gather.c has it */
  ck_assert_int_eq (connect (fd, (const struct sockaddr *) &address, sizeof address), 0);
  ck_assert_int_eq (send (fd, hello, sizeof hello, 0), sizeof hello);
  (void) close (fd);
  ck_assert_int_eq (kill (pids[0], SIGCONT), 0);
  assert_says (end (0), EX_PROTOCOL,
               "the hook of procid 1 is gone before all tasks had come; was it killed?");
}
END_TEST

static void
cannot_connect (void)
{
  connect_error = ENOMEM;
}

/* Its leader, who makes no look while it waits, learns it from the socket. */
START_TEST (who_cannot_gather_tells_the_others)
{
  model.nodes = 1;
  gather ("0-1");
  lead ();
  assert_says (meet (1, cannot_connect), EX_OSERR, "cannot gather in /where/" KEY);
  assert_says (end (0), EX_PROTOCOL, "called off: procid 1: cannot gather in ");
  ck_assert_int_lt (shared->results[0].took, LIMIT / 2);
}
END_TEST

/* It cannot even find out whether the key still names its instance. */
START_TEST (a_leader_without_descriptors_tells_the_others)
{
  const struct rlimit none = { 0, 0 };

  gather_nodes (1);
  lead ();
  wait_until_asleep (0);
  ck_assert_int_eq (prlimit (pids[0], RLIMIT_NOFILE, &none, NULL), 0);
  assert_says (end (0), EX_OSERR, "Too many open files");
  ck_assert_ptr_nonnull (strstr (unit_link_of (KEY "/departure"), "called-off: procid 0: cannot "));
}
END_TEST

/* The last one came, and the time ran out, while who decides was stopped. */
START_TEST (who_decides_looks_before_it_times_out)
{
  make_instance ("2");
  arrive (0, NULL);
  wait_until_asleep (0);
  stop (0);
  make_mark (KEY "/arrival/slurm-procid-1");
  shared->jump = 2 * LIMIT / SECOND;
  ck_assert_int_eq (kill (pids[0], SIGCONT), 0);
  wait_until (unit_is_there, KEY "/departure");
  make_mark (KEY "/departure/slurm-procid-1");
  ck_assert_int_eq (end (0)->status, 0);
}
END_TEST

/* Before anybody came to it: the others' time-out names it. */
START_TEST (a_leader_that_dies_alone_is_missed)
{
  gather_nodes (1);
  lead ();
  unit_kill (pids[0]);
  model.timeout = 3 * SECOND;
  start_all_from (1);
  for (uint32_t self = 1; self < 4; self++)
    assert_says (end (self), EX_TEMPFAIL, "procid 0");
}
END_TEST

/* What a killed run has left: sockets at which nobody listens, of this node or of
 * all, whatever else is there. */
START_TEST (dead_sockets_hold_nobody_up)
{
  struct sockaddr_un address = { AF_UNIX, KEY "/node-0" };

  gather_nodes (1);
  make_instance ("4");
  if (_i > 1)
    make_mark (KEY "/arrival/slurm-procid-2-3");
  for (int n = 0; n < 1 + _i % 2; n++, address.sun_path[strlen (KEY "/node-")] = '2')
    {
      int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
      ck_assert_int_eq (bind (fd, (struct sockaddr *) &address, sizeof address), 0);
      (void) close (fd);
    }
  start_all_from (0);
  assert_all_meet_and_go ();
  ck_assert_int_lt (shared->results[3].took, LIMIT / 2);
}
END_TEST

/* Something else has the name of the socket. */
START_TEST (what_is_no_socket_holds_nobody_up)
{
  gather_nodes (1);
  make_instance ("4");
  if (_i == 0)
    unit_write_text (KEY "/node-0", "");
  else if (_i == 1)
    unit_mkdir (KEY "/node-0");
  else
    unit_symlink (_i == 2 ? "nowhere" : "node-0", KEY "/node-0");
  start_all_from (0);
  assert_all_meet_and_go ();
  ck_assert_int_lt (shared->results[3].took, LIMIT / 2);
}
END_TEST

/* The file system, or a container, refuses sockets, or finds them by no name: each
 * comes alone. */
static const struct
{
  long call;
  int error;
} refusals[] = {
  { SYS_bind, EPERM },           { SYS_bind, EOPNOTSUPP },  { SYS_bind, EACCES },
  { SYS_bind, EINVAL },          { SYS_listen, EOPNOTSUPP }, { SYS_connect, EOPNOTSUPP },
  { SYS_connect, EACCES },       { SYS_socket, EPERM },     { SYS_socket, EAFNOSUPPORT },
  { 0, 0 }, /* no name leads to its socket */
};
static int refusal;

static void
refused (void)
{
  loses_sockets = refusals[refusal].call == 0;
  if (!loses_sockets)
    unit_refuse (refusals[refusal].call, refusals[refusal].error);
}

START_TEST (without_sockets_each_comes_alone)
{
  refusal = _i;
  gather_nodes (1);
  for (uint32_t self = 0; self < 4; self++)
    start (self, refused);
  assert_all_meet_and_go ();
  ck_assert_int_lt (shared->results[0].took, LIMIT / 2);
}
END_TEST

/* One hook speaks for all of its node. */
static void
speaks_for_all (void)
{
  mine.gathers = false;
}

START_TEST (one_hook_a_node_is_enough)
{
  gather_nodes (1);
  start (1, speaks_for_all);
  wait_until (unit_is_there, KEY "/arrival/slurm-procid-0-1");
  start (2, speaks_for_all);
  ck_assert_int_eq (end (1)->status, 0);
  ck_assert_int_eq (end (2)->status, 0);
  assert_nothing_left ();
}
END_TEST

/* When all know of a call-off it makes way: so it is marked for all of them. */
START_TEST (one_hook_a_node_knows_for_all)
{
  gather_nodes (1);
  make_instance ("4");
  unit_symlink ("called-off: procid 0: why", KEY "/departure");
  assert_says (meet (2, speaks_for_all), EX_PROTOCOL, "called off: procid 0: why");
  ck_assert (unit_is_there (KEY "/arrival/slurm-procid-2-3"));
}
END_TEST

/* The mark is its leader's, who is dead: nobody may be released by it any more. */
START_TEST (a_follower_that_cannot_tell_expires_the_mark)
{
  gather_nodes (1);
  start (2, NULL);
  wait_until (unit_is_there, KEY "/node-2");
  start (3, cannot_call_off);
  wait_until (unit_is_there, KEY "/arrival/slurm-procid-2-3");
  unit_kill (pids[2]);
  wait_until (is_expired, KEY "/arrival/slurm-procid-2-3");
  unit_sleep (SECOND / 5);
  ck_assert (!shared->results[3].ended); /* somebody may have counted it before */
  shared->jump += 22;
  assert_says (end (3), EX_PROTOCOL, "the hook of procid 2, which spoke for this node, is gone");
}
END_TEST

/* Marks of versions before 2 are regular files: who decides tells it at once, the
 * others soon. */
START_TEST (an_earlier_version_is_named)
{
  make_instance ("2");
  unit_write_text (_i == 0 ? KEY "/arrival/slurm-procid-1" : KEY "/arrival/slurm-procid-0", "");
  const struct result *result = meet ((uint32_t) _i, NULL);
  assert_says (result, EX_PROTOCOL, _i == 0 ? "procid 1 runs an earlier version"
                                            : "procid 0 runs an earlier version");
  ck_assert_int_lt (result->took, LIMIT / 2);
}
END_TEST

/*
 * The lock that members wait for
 */

/* Enough nodes for a lock. */
static void
begin_with_lock (void)
{
  begin ();
  model.nodes = 8;
}

/* Whether a thread of process PATH waits for the lock. */
static bool
is_blocked (const char *path)
{
  char tasks[64];

  (void) snprintf (tasks, sizeof tasks, "/proc/%s/task", path);
  return unit_entries (tasks) == 2;
}

static void
wait_until_blocked (uint32_t self)
{
  char pid[16];

  (void) snprintf (pid, sizeof pid, "%d", (int) pids[self]);
  wait_until (is_blocked, pid);
}

/* Stands for the runtime that has started a hook. */
static pid_t runtime;

static void
has_runtime (void)
{
  mine.waiting->parent_fd = (int) syscall (CALL_PIDFD_OPEN, runtime, 0);
}

/* Whether somebody has the lock. */
static bool
is_locked (const char *path)
{
  struct flock f = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  int fd = open (path, O_RDWR | O_CLOEXEC);

  ck_assert (fd < 0 || fcntl (fd, F_OFD_GETLK, &f) == 0);
  (void) close (fd);
  return fd >= 0 && f.l_type != F_UNLCK;
}

static bool
is_unlocked (const char *path)
{
  return !is_locked (path);
}

/* Starts member 1, which watches, and those after it, which are blocked; 0 is not
 * there. */
static void
start_blocked (void)
{
  for (uint32_t self = 1; self < model.tasks; self++)
    {
      start (self, self == 1 && runtime > 0 ? has_runtime : NULL);
      if (self == 1)
        wait_until (is_locked, KEY "/lock");
      else
        wait_until_blocked (self);
    }
}

/* SIGTERM for one that is blocked, for the one that watches; or none comes. */
START_TEST (who_is_blocked_hears_of_the_end)
{
  static const struct
  {
    uint32_t victim;
    int status;
    const char *says;
  } ends[] = { { 2, EX_PROTOCOL, "got SIGTERM" },
               { 1, EX_PROTOCOL, "got SIGTERM" },
               { 0, EX_TEMPFAIL, "procid 0" } };

  model.tasks = 4;
  if (ends[_i].victim == 0)
    model.timeout = 2 * SECOND;
  start_blocked ();
  if (ends[_i].victim > 0)
    ck_assert_int_eq (kill (pids[ends[_i].victim], SIGTERM), 0);
  for (uint32_t self = 1; self < model.tasks; self++)
    {
      const struct result *result = end (self);
      assert_says (result, ends[_i].status, ends[_i].says);
      ck_assert_int_lt (result->took, LIMIT / 2);
    }
}
END_TEST

START_TEST (the_runtime_of_who_watches_may_be_killed)
{
  model.tasks = 4;
  runtime = fork ();
  if (runtime == 0)
    unit_stay ();
  start_blocked ();
  ck_assert_int_eq (kill (runtime, SIGKILL), 0);
  for (uint32_t self = 1; self < model.tasks; self++)
    assert_says (end (self), EX_PROTOCOL, "the runtime that started the hook is gone");
}
END_TEST

/* A leader that is blocked, and one of its members. */
START_TEST (who_is_blocked_hears_of_its_members)
{
  model.tasks = 4;
  gather ("2-3");
  start (1, NULL);
  wait_until (is_locked, KEY "/lock");
  start (2, NULL);
  wait_until (unit_is_there, KEY "/node-2");
  start (3, NULL);
  wait_until_blocked (2);
  ck_assert_int_eq (kill (pids[3], SIGKILL), 0);
  assert_says (end (2), EX_PROTOCOL, "procid 3 is gone");
  assert_says (end (1), EX_PROTOCOL, "procid 3 is gone");
}
END_TEST

/* Who watches came first, mostly, and says who is missing: the others, of which one leads
 * a node, leave that to it for a moment after their own time is over; but no longer, should
 * it be stopped. */
START_TEST (who_watches_says_who_is_missing)
{
  const bool stopped = _i == 1;

  model.tasks = 5;
  gather ("2-3");
  model.timeout = 2 * SECOND;
  start (1, NULL);
  wait_until (is_locked, KEY "/lock");
  if (stopped)
    ck_assert_int_eq (kill (pids[1], SIGSTOP), 0);
  model.timeout = SECOND;
  for (uint32_t self = 2; self < model.tasks; self++)
    start (self, NULL);
  for (uint32_t self = 2; self < model.tasks; self++)
    {
      const struct result *result = end (self);
      assert_says (result, EX_TEMPFAIL, stopped ? "procid 0" : "called off: procid 1: timeout");
      ck_assert_int_lt (result->took, model.timeout + 3 * SECOND);
    }
  ck_assert_int_eq (kill (pids[1], SIGCONT), 0);
  assert_says (end (1), EX_TEMPFAIL, "procid 0");
}
END_TEST

/* Who watches is killed: another one does, and wakes the others. */
START_TEST (who_watches_may_be_killed)
{
  model.tasks = 4;
  start_blocked ();
  int64_t before = waiting_now ();
  unit_kill (pids[1]);
  start (0, NULL);
  ck_assert_int_eq (end (2)->status, 0);
  ck_assert_int_eq (end (3)->status, 0);
  ck_assert_int_lt (waiting_now () - before, LIMIT / 4);
  ck_assert_int_eq (kill (pids[0], SIGKILL), 0); /* it would wait for member 1 */
}
END_TEST

/* Who watches decides: member 0 is stopped, and goes on when all have met. */
START_TEST (who_watches_releases)
{
  model.tasks = 3;
  start (1, NULL);
  wait_until (is_locked, KEY "/lock");
  start (0, NULL);
  wait_until_blocked (0);
  ck_assert_int_eq (kill (pids[0], SIGSTOP), 0);
  start (2, NULL);
  ck_assert_int_eq (end (1)->status, 0);
  ck_assert_int_eq (end (2)->status, 0);
  ck_assert (has_text (KEY "/released")); /* confirmed */
  ck_assert_int_eq (kill (pids[0], SIGCONT), 0);
  ck_assert_int_eq (end (0)->status, 0);
  ck_assert (!unit_is_there (KEY));
}
END_TEST

static void
watcher_has_lost_its_mark (void)
{
  loses_mark = KEY "/arrival/slurm-procid-1";
}

/* It was stopped while somebody removed the instance: nobody goes by its release. */
START_TEST (who_watches_confirms_no_release_without_its_mark)
{
  model.tasks = 3;
  model.timeout = SECOND;
  start (1, watcher_has_lost_its_mark);
  wait_until (is_locked, KEY "/lock");
  start (0, NULL);
  wait_until_blocked (0);
  ck_assert_int_eq (kill (pids[0], SIGSTOP), 0);
  make_mark (KEY "/arrival/slurm-procid-2");
  ck_assert_int_eq (end (1)->status, EX_TEMPFAIL);
  ck_assert (unit_is_there (KEY "/departure"));
  ck_assert (!unit_is_there (KEY "/released"));
}
END_TEST

/* By a release that is confirmed who has waited goes, whatever has become of its mark;
 * by another one it does not. */
START_TEST (a_confirmed_release_counts)
{
  const bool confirmed = _i == 0;

  model.tasks = 3;
  model.timeout = SECOND;
  start_blocked ();
  ck_assert_int_eq (unlink (KEY "/arrival/slurm-procid-2"), 0);
  if (confirmed)
    unit_symlink (NOTE, KEY "/released");
  unit_mkdir (KEY "/departure");
  ck_assert_int_eq (end (2)->status, confirmed ? 0 : EX_TEMPFAIL);
  ck_assert_int_eq (end (1)->status, 0);
}
END_TEST

/* Another one has released, and all others have departed before this one has listed
 * them: it does not wait for their marks. */
START_TEST (who_watches_hears_that_others_go)
{
  model.tasks = 3;
  start (0, NULL);
  wait_until (has_text, KEY "/watcher");
  for (int i = 0; i < 2; i++)
    unit_sleep (600 * MILLISECOND); /* it has asked whether it alone watches */
  const int64_t before = waiting_now ();
  make_mark (KEY "/arrival/slurm-procid-1");
  unit_mkdir (KEY "/departure");
  make_mark (KEY "/departure/slurm-procid-1");
  make_mark (KEY "/departure/slurm-procid-2");
  (void) unlink (KEY "/arrival/slurm-procid-1"); /* or who watches has */
  ck_assert_int_eq (end (0)->status, 0);
  ck_assert_int_lt (waiting_now () - before, 3 * SECOND);
  assert_nothing_left ();
}
END_TEST

/* One that was blocked is killed, and its mark grows old: who watches does not count
 * it, and leaves it to member 0 to make all arrive anew. */
START_TEST (who_watches_does_not_count_the_dead)
{
  model.tasks = 3;
  model.timeout = 3 * LIMIT;
  start_blocked ();
  unit_kill (pids[2]);
  unit_set_age (KEY "/arrival/slurm-procid-2", 100);
  unit_set_age (KEY "/arrival/slurm-procid-1", 50);
  shared->jump += 21; /* it touches its own, and asks again how old the others are */
  wait_until (is_fresh, KEY "/arrival/slurm-procid-1");
  make_mark (KEY "/arrival/slurm-procid-0");
  unit_sleep (500 * MILLISECOND);
  ck_assert (!unit_is_there (KEY "/departure"));
  ck_assert_int_eq (unlink (KEY "/arrival/slurm-procid-0"), 0);
  start (2, NULL);
  start (0, NULL);
  assert_all_meet ();
}
END_TEST

/* Its lock is of this node only, or the server has taken it away. */
START_TEST (who_watches_lets_go_if_another_one_does)
{
  start (1, NULL);
  wait_until (has_text, KEY "/watcher");
  unit_sleep (200 * MILLISECOND);
  ck_assert (is_locked (KEY "/lock"));
  ck_assert_int_eq (unlink (KEY "/watcher"), 0);
  unit_symlink ("host=n2 pid=2", KEY "/watcher");
  wait_until (is_unlocked, KEY "/lock");
  start (0, NULL);
  assert_all_meet_and_go ();
}
END_TEST

/* As some file systems do it: all who ask get the lock, and decide at once. */
static void
gets_any_lock (void)
{
  unit_refuse_when (SYS_fcntl, 1, F_OFD_SETLK, 0);
}

START_TEST (all_may_watch)
{
  model.tasks = 4;
  for (uint32_t self = 0; self < 3; self++)
    start (self, gets_any_lock);
  wait_until (unit_is_there, KEY "/lock");
  unit_sleep (300 * MILLISECOND);
  start (3, gets_any_lock);
  assert_all_meet ();
  ck_assert (!unit_is_there (KEY));
}
END_TEST

static void
cannot_end_it (void)
{
  no_links ("departure", EDQUOT, false);
  unit_refuse (SYS_mkdirat, EDQUOT);
}

/* All have come, and it can neither release them nor call off: it goes with them, if
 * another one that decides releases. */
START_TEST (who_can_tell_nobody_goes_with_the_others)
{
  make_instance ("2");
  make_mark (KEY "/arrival/slurm-procid-1");
  start (0, cannot_end_it);
  wait_until (is_expired, KEY "/arrival/slurm-procid-0");
  unit_mkdir (KEY "/departure");
  make_mark (KEY "/departure/slurm-procid-1");
  ck_assert_int_eq (end (0)->status, 0);
}
END_TEST

/* Somebody else of this user has locked the file, and keeps it. */
START_TEST (a_lock_that_is_never_free_delays_a_while)
{
  struct flock f = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

  model.tasks = 3;
  make_instance ("3");
  int fd = open (KEY "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_eq (fcntl (fd, F_OFD_SETLK, &f), 0);
  model.timeout = 3 * LIMIT;
  start (1, NULL);
  wait_until_blocked (1);
  start (2, NULL);
  wait_until_blocked (2);
  start (0, NULL); /* decides when it comes, before it is blocked */
  wait_until (unit_is_there, KEY "/departure");
  shared->jump += 6; /* less than the 20 s after which all look */
  int64_t before = waiting_now ();
  for (uint32_t self = 1; self < model.tasks; self++)
    ck_assert_int_eq (syscall (SYS_tgkill, pids[self], pids[self], SIGALRM), 0);
  ck_assert_int_eq (end (1)->status, 0);
  ck_assert_int_eq (end (2)->status, 0);
  ck_assert_int_lt (waiting_now () - before, LIMIT / 4);
  ck_assert_int_eq (end (0)->status, 0);
}
END_TEST

/* The same: member 0 would look too late, but for its deadline. */
START_TEST (who_is_blocked_looks_before_its_time_is_over)
{
  struct flock f = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

  model.nodes = 32;
  make_instance ("2");
  int fd = open (KEY "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_eq (fcntl (fd, F_OFD_SETLK, &f), 0);
  model.timeout = 4 * SECOND;
  start (0, NULL);
  wait_until_blocked (0);
  model.timeout = 3 * LIMIT;
  start (1, NULL);
  wait_until (unit_is_there, KEY "/departure");
  (void) close (fd);
  ck_assert_int_eq (end (0)->status, 0);
  ck_assert_int_eq (end (1)->status, 0);
}
END_TEST

/* What the file system says of locks; and a lock that is none. */
static const int lock_errors[] = { ENOLCK, ENOSYS, EOPNOTSUPP, EDEADLK, EINVAL };

static void
no_locks (void)
{
  unit_refuse_when (SYS_fcntl, 1, F_OFD_SETLK, lock_errors[shared->jump]);
}

START_TEST (without_locks_each_looks)
{
  shared->jump = _i; /* the clock may as well */
  model.tasks = 3;
  start (1, no_locks);
  start (2, no_locks);
  wait_until (unit_is_there, KEY "/lock");
  start (0, no_locks);
  assert_all_meet ();
  ck_assert (!unit_is_there (KEY));
}
END_TEST

/* Nobody watches then: it does not leave the time-out to another one. */
START_TEST (without_locks_each_keeps_to_its_time)
{
  model.timeout = SECOND;
  const struct result *result = meet (1, no_locks);
  assert_says (result, EX_TEMPFAIL, "1 of 2 tasks did not arrive within 1 s: procid 0");
  ck_assert_int_lt (result->took, 2 * SECOND + SECOND / 2);
}
END_TEST

START_TEST (what_is_no_file_to_lock_holds_nobody_up)
{
  make_instance ("2");
  if (_i == 0)
    unit_mkdir (KEY "/lock");
  else if (_i == 1)
    unit_symlink ("/etc/passwd", KEY "/lock");
  else
    ck_assert_int_eq (mkfifo (KEY "/lock", 0600), 0);
  arrive (1, NULL);
  unit_sleep (200 * MILLISECOND);
  start (0, NULL);
  assert_all_meet ();
  ck_assert (!unit_is_there (KEY));
}
END_TEST

/* A few nodes look for themselves. */
START_TEST (few_nodes_make_no_lock)
{
  model.nodes = 7;
  arrive (1, NULL);
  unit_sleep (300 * MILLISECOND);
  ck_assert (!unit_is_there (KEY "/lock"));
  start (0, NULL);
  assert_all_meet ();
}
END_TEST

static void
add_meeting (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "meeting", begin);

  tcase_add_loop_test (tcase, all_meet, 0, 4);
  tcase_add_test (tcase, all_meet_without_a_timeout);
  tcase_add_test (tcase, meets_again);
  tcase_add_loop_test (tcase, member_0_waits_for_all_to_depart, 0, 2);
  tcase_add_test (tcase, member_0_does_not_wait_for_ever);
  tcase_add_test (tcase, member_0_removes_what_was_caught_by_mistake);
  tcase_add_test (tcase, member_0_does_not_wait_for_what_is_removed);
}

static void
add_failing (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "failing", begin);

  tcase_add_test (tcase, a_missing_member_is_named);
  tcase_add_loop_test (tcase, a_late_member_learns_it_at_once, 0, 2);
  tcase_add_loop_test (tcase, a_call_off_is_for_all_who_wait, 0, 2);
  tcase_add_test (tcase, all_there_and_no_release_is_no_release);
  tcase_add_test (tcase, more_is_said_of_who_is_missing);
  tcase_add_test (tcase, a_reason_calls_off);
  tcase_add_loop_test (tcase, a_signal_while_waiting_calls_off, 0, 2);
  unit_add_rows (tcase, what_cannot_be_done_is_said, troubles);
  tcase_add_test (tcase, the_others_are_told);
  tcase_add_test (tcase, the_others_are_told_before_arriving);
  tcase_add_test (tcase, who_cannot_tell_expires_its_mark);
  tcase_add_test (tcase, who_was_counted_goes_with_the_others);
  tcase_add_test (tcase, released_is_released);
  tcase_add_loop_test (tcase, who_may_have_arrived_goes_with_the_others, 0, 10);
  tcase_add_test (tcase, what_goes_each_time_is_not_waited_for_at_full_speed);
  tcase_add_test (tcase, who_will_not_come_tells_it);
  tcase_add_test (tcase, who_will_not_come_may_be_the_first);
  tcase_add_loop_test (tcase, who_will_not_come_completes_nothing, 0, 2);
  tcase_add_test (tcase, after_a_refusal_all_meet_again);
  tcase_add_test (tcase, who_will_not_come_takes_no_release_of_another);
  tcase_add_test (tcase, who_will_not_come_knows_of_a_call_off);
  tcase_add_loop_test (tcase, who_will_not_come_waits_until_an_earlier_barrier_goes, 0, 2);
  tcase_add_test (tcase, who_will_not_come_takes_no_place_of_who_has_gone);
}

static void
add_others (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "others", begin);

  tcase_add_test (tcase, comes_long_after_the_end);
  tcase_add_loop_test (tcase, an_earlier_barrier_is_not_called_off, 0, 3);
  tcase_add_loop_test (tcase, a_failure_before_arriving_calls_no_earlier_barrier_off, 0, 3);
  tcase_add_test (tcase, waits_until_an_earlier_barrier_goes);
  tcase_add_test (tcase, who_has_departed_waits_for_the_next);
#ifdef SYS_newfstatat
  tcase_add_test (tcase, what_a_client_remembers_is_not_stale);
#endif
  tcase_add_loop_test (tcase, an_old_release_makes_way, 0, 2);
  tcase_add_loop_test (tcase, who_departs_meanwhile_was_another_hook, 0, 3);
  tcase_add_loop_test (tcase, a_release_that_is_removed_is_none, 0, 2);
  tcase_add_loop_test (tcase, a_list_that_may_be_old_is_renewed, 0, 3);
  tcase_add_test (tcase, who_calls_off_believes_no_list);
  tcase_add_test (tcase, who_comes_just_before_the_release_goes);
  tcase_add_test (tcase, another_number_of_members_is_not_ours);
  tcase_add_test (tcase, who_is_left_behind_comes_again);
  tcase_add_test (tcase, a_release_without_the_own_mark_is_none);
  tcase_add_test (tcase, who_is_left_behind_decides_nothing);
  tcase_add_test (tcase, who_lost_its_instance_comes_again);
  tcase_add_test (tcase, member_0_alone_notices_that_its_instance_is_lost);
  tcase_add_loop_test (tcase, void_means_come_again, 0, 2);
  tcase_add_loop_test (tcase, who_ends_in_a_void_instance_calls_off_the_next, 0, 3);
  tcase_add_loop_test (tcase, who_waits_touches_its_file, 0, 2);
  tcase_add_test (tcase, a_listing_that_was_held_up_is_not_rested_from);
  tcase_add_test (tcase, a_long_list_is_rested_from);
  tcase_add_test (tcase, who_ends_before_procid_0_comes_calls_off_the_next);
  tcase_add_test (tcase, freshness_does_not_last);
}

static void
add_nodes (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "nodes", begin);

  unit_add_rows (tcase, nodes_meet, nodes);
  unit_add_rows (tcase, nodes_meet_twice_at_once, nodes);
  tcase_add_test (tcase, a_time_out_names_who_is_missing_on_a_node);
  tcase_add_test (tcase, who_is_gathered_is_said_after_a_moment);
  tcase_add_loop_test (tcase, one_hook_of_a_node_calls_off, 0, 3);
  tcase_add_loop_test (tcase, who_is_killed_ends_it_for_all, 0, 4);
  tcase_add_test (tcase, a_stopped_leader_stops_nobody_for_ever);
  tcase_add_loop_test (tcase, who_was_taken_while_it_left_goes_with_the_others, 0, 3);
  tcase_add_test (tcase, who_is_killed_unanswered_ends_it_too);
  tcase_add_test (tcase, who_waits_for_an_answer_believes_no_stale_handle);
  tcase_add_test (tcase, who_cannot_gather_tells_the_others);
  tcase_add_test (tcase, a_leader_without_descriptors_tells_the_others);
  tcase_add_test (tcase, who_decides_looks_before_it_times_out);
  tcase_add_test (tcase, a_leader_that_dies_alone_is_missed);
  tcase_add_loop_test (tcase, dead_sockets_hold_nobody_up, 0, 4);
  tcase_add_loop_test (tcase, what_is_no_socket_holds_nobody_up, 0, 4);
  unit_add_rows (tcase, without_sockets_each_comes_alone, refusals);
  tcase_add_test (tcase, one_hook_a_node_is_enough);
  tcase_add_test (tcase, one_hook_a_node_knows_for_all);
  tcase_add_test (tcase, a_follower_that_cannot_tell_expires_the_mark);
  tcase_add_loop_test (tcase, an_earlier_version_is_named, 0, 2);
}

static void
add_lock (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "lock", begin_with_lock);

  /* valgrind does not know that F_OFD_SETLKW waits: no other thread runs then. */
  unit_add_loop_if (tcase, who_is_blocked_hears_of_the_end, 0, 3, !unit_in_valgrind (), "valgrind");
  unit_add_loop_if (tcase, who_watches_says_who_is_missing, 0, 2, !unit_in_valgrind (), "valgrind");
  unit_add_if (tcase, the_runtime_of_who_watches_may_be_killed, !unit_in_valgrind (), "valgrind");
  unit_add_if (tcase, who_is_blocked_hears_of_its_members, !unit_in_valgrind (), "valgrind");
  unit_add_if (tcase, who_watches_may_be_killed, !unit_in_valgrind (), "valgrind");
  unit_add_if (tcase, who_watches_releases, !unit_in_valgrind (), "valgrind");
  unit_add_if (tcase, who_watches_confirms_no_release_without_its_mark, !unit_in_valgrind (),
               "valgrind");
  unit_add_loop_if (tcase, a_confirmed_release_counts, 0, 2, !unit_in_valgrind (), "valgrind");
  tcase_add_test (tcase, who_watches_hears_that_others_go);
  tcase_add_test (tcase, who_watches_lets_go_if_another_one_does);
  tcase_add_test (tcase, who_can_tell_nobody_goes_with_the_others);
  unit_add_if (tcase, who_watches_does_not_count_the_dead, !unit_in_valgrind (), "valgrind");
  tcase_add_test (tcase, all_may_watch);
  unit_add_if (tcase, a_lock_that_is_never_free_delays_a_while, !unit_in_valgrind (), "valgrind");
  unit_add_if (tcase, who_is_blocked_looks_before_its_time_is_over, !unit_in_valgrind (),
               "valgrind");
  unit_add_rows (tcase, without_locks_each_looks, lock_errors);
  tcase_add_test (tcase, without_locks_each_keeps_to_its_time);
  tcase_add_loop_test (tcase, what_is_no_file_to_lock_holds_nobody_up, 0, 3);
  tcase_add_test (tcase, few_nodes_make_no_lock);
}

int
main (void)
{
  Suite *suite = suite_create ("barrier");

  add_meeting (suite);
  add_failing (suite);
  add_others (suite);
  add_nodes (suite);
  add_lock (suite);
  return unit_run (suite);
}
