/* SPDX-License-Identifier: BSD-3-Clause */
/* An instance is made whole and held by a descriptor; marks and outcomes are made
 * once; nobody follows a link; and removing leaves nothing, in its order. */
#include "instance.h"

#include "unit.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>

#define KEY "jobid-17-stepid-0"

/* Where the instances of one test are, and the one it begins with. */
static int parent = -1;
static struct instance in;

/* Some file systems do not tell what an entry is. */
static bool tells_no_types;

struct dirent *
readdir (DIR *dir)
{
  struct dirent *entry = (struct dirent *) (void *) readdir64 (dir);

  if (entry != NULL && tells_no_types)
    entry->d_type = DT_UNKNOWN;
  return entry;
}

/* The reason that its outcome tells, and the name by which it went away. */
static char reason[INSTANCE_TEXT_MAX], gone[256];

static void
begin (void)
{
  ck_assert_int_eq (chdir (unit_tmp), 0);
  parent = open (".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ck_assert_int_ge (parent, 0);
  /* What is not ended by its NUL shows. */
  memset (reason, '#', sizeof reason);
  memset (gone, '#', sizeof gone);
}

/* The set of this one task. */
static const struct ranks *
only (uint32_t rank)
{
  char text[16];

  (void) snprintf (text, sizeof text, "%u", rank);
  return unit_ranks (5000, text);
}

static void
begin_with_instance (void)
{
  begin ();
  ck_assert_int_eq (instance_open (&in, parent, KEY, 3, false), 0);
  ck_assert_int_eq (instance_open_arrival (&in, 3), 0);
}

static void
release (void)
{
  ck_assert_int_eq (instance_release (&in), 0);
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_RELEASED);
}

/* Who of so many TASKS has a mark. */
static const struct ranks *
marks (uint32_t tasks, bool departed)
{
  static struct ranks set;

  ranks_free (&set);
  ck_assert_int_eq (ranks_init (&set, tasks), 0);
  ck_assert_int_eq (instance_list_marks (&in, departed, &set), 0);
  return &set;
}

static mode_t
mode_of (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0 ? st.st_mode : 0;
}

static ino_t
number_of (const char *path)
{
  struct stat st;

  ck_assert_int_eq (lstat (path, &st), 0);
  return st.st_ino;
}

static void
make_file (const char *path)
{
  unit_write_text (path, "");
}

static void
set_time (const char *path, time_t seconds)
{
  const struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };

  ck_assert_int_eq (utimensat (AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static int64_t
real_now (void)
{
  struct timespec now;

  (void) clock_gettime (CLOCK_REALTIME, &now);
  return now.tv_sec * INT64_C (1000000000) + now.tv_nsec;
}

#define assert_fails(call, error)                                                                  \
  do                                                                                               \
    {                                                                                              \
      errno = 0;                                                                                   \
      ck_assert_int_eq (call, -1);                                                                 \
      ck_assert_int_eq (errno, error);                                                             \
    }                                                                                              \
  while (0)

/* Everything that is no member's. */
static void
litter (const char *dir)
{
  char path[500];

#define IN_DIR(name) (snprintf (path, sizeof path, "%s/%s", dir, name), path)
  make_file (IN_DIR (".nfs000000000000002a00000001"));
  make_file (IN_DIR ("slurm-procid-1"));
  unit_symlink ("note", IN_DIR ("slurm-procid-99"));
  unit_symlink ("note", IN_DIR ("slurm-procid-01"));
  unit_symlink ("note", IN_DIR ("slurm-procid-1~"));
  unit_symlink ("note", IN_DIR ("slurm-procid-"));
  make_file (IN_DIR ("two\nlines"));
  make_file (IN_DIR ("\xff\xfe"));
  ck_assert_int_eq (mkfifo (IN_DIR ("fifo"), 0600), 0);
  unit_symlink ("/", IN_DIR ("link"));
  unit_mkdir (IN_DIR ("dir"));
  make_file (IN_DIR ("dir/slurm-procid-0"));
  unit_mkdir (IN_DIR ("dir/dir"));
  unit_symlink ("/", IN_DIR ("dir/dir/link"));
  ck_assert_int_eq (mknod (IN_DIR ("socket"), S_IFSOCK | 0600, 0), 0);
#undef IN_DIR
}

START_TEST (gone_is_what_a_removed_directory_says)
{
  ck_assert (instance_is_gone (ENOENT));
  ck_assert (instance_is_gone (ESTALE));
  ck_assert (!instance_is_gone (0));
  ck_assert (!instance_is_gone (EACCES));
  ck_assert (!instance_is_gone (EIO));
}
END_TEST

/*
 * Opening
 */

static void
assert_whole (void)
{
  ck_assert_int_eq (mode_of (KEY), S_IFDIR | 0700);
  ck_assert_int_eq (mode_of (KEY "/arrival"), S_IFDIR | 0700);
  ck_assert (S_ISLNK (mode_of (KEY "/ntasks")));
}

START_TEST (open_makes_what_is_not_there)
{
  ck_assert_int_eq (instance_open (&in, parent, KEY, 4711, false), 0);
  assert_whole ();
  ck_assert_str_eq (unit_link_of (KEY "/ntasks"), "4711");
  ck_assert_uint_eq (unit_entries (KEY), 2);
  ck_assert_uint_eq (unit_entries ("."), 1);
  ck_assert_int_eq (in.arrival, -1);
  ck_assert_int_ne (fcntl (in.top, F_GETFD) & FD_CLOEXEC, 0);
  ck_assert_int_eq (instance_open_arrival (&in, 4711), 0);
  ck_assert_int_ne (fcntl (in.arrival, F_GETFD) & FD_CLOEXEC, 0);
}
END_TEST

START_TEST (open_takes_what_is_there)
{
  struct instance second;
  uint32_t members;

  ck_assert_int_eq (instance_open (&second, parent, KEY, 5, false), 0);
  ck_assert (second.ino == in.ino && second.dev == in.dev);
  ck_assert_int_eq (instance_tasks (&second, 5, &members), 0);
  ck_assert_uint_eq (members, 3);
  instance_close (&second);
}
END_TEST

/* Somebody may have been killed at any step of making it. */
START_TEST (open_completes_what_was_begun)
{
  uint32_t members;

  unit_mkdir (KEY);
  if (_i > 0)
    unit_mkdir (KEY "/arrival");
  ck_assert_int_eq (instance_open (&in, parent, KEY, 3, false), 0);
  ck_assert_int_eq (instance_open_arrival (&in, 3), 0);
  ck_assert_int_eq (instance_tasks (&in, 3, &members), 0);
  ck_assert_uint_eq (members, 3);
  assert_whole ();
}
END_TEST

static void
assert_refuses_to_open (void)
{
  errno = 0;
  ck_assert (instance_open (&in, parent, KEY, 3, false) != 0
             || instance_open_arrival (&in, 3) != 0);
  ck_assert_msg (errno == ELOOP || errno == ENOTDIR, "%s", strerror (errno));
  instance_close (&in);
}

START_TEST (open_follows_no_links)
{
  unit_mkdir ("elsewhere");
  unit_symlink ("elsewhere", KEY);
  assert_refuses_to_open ();
  unit_mkdir ("elsewhere/arrival");
  assert_refuses_to_open ();
  ck_assert_uint_eq (unit_entries ("elsewhere"), 1);
  ck_assert_int_eq (unlink (KEY), 0);

  unit_symlink ("nowhere", KEY);
  assert_refuses_to_open ();
  ck_assert_int_eq (unlink (KEY), 0);

  unit_mkdir (KEY);
  unit_symlink ("../elsewhere", KEY "/arrival");
  assert_refuses_to_open ();
  ck_assert_uint_eq (unit_entries (KEY), 1);
}
END_TEST

/* It is being removed, and has another name already. */
START_TEST (nobody_completes_what_is_gone)
{
  unit_mkdir (KEY);
  ck_assert_int_eq (instance_open (&in, parent, KEY, 3, false), 0);
  ck_assert_int_eq (rename (KEY, "away"), 0);
  assert_fails (instance_open_arrival (&in, 3), ENOENT);
  ck_assert_uint_eq (unit_entries ("away"), 0);
}
END_TEST

START_TEST (open_refuses_what_is_no_directory)
{
  make_file (KEY);
  assert_refuses_to_open ();
  ck_assert_int_eq (unlink (KEY), 0);
  unit_mkdir (KEY);
  ck_assert_int_eq (mkfifo (KEY "/arrival", 0600), 0);
  assert_refuses_to_open ();
}
END_TEST

static const struct
{
  long number;
  int error;
} open_errors[] = {
  { SYS_mkdirat, ENOSPC },
  { SYS_mkdirat, EDQUOT },
  { SYS_symlinkat, EROFS },
  { SYS_openat, EIO },
  { SYS_openat, EMFILE },
};

START_TEST (open_says_what_went_wrong)
{
  unit_refuse (open_errors[_i].number, open_errors[_i].error);
  assert_fails (instance_open (&in, parent, KEY, 3, false), open_errors[_i].error);
  instance_close (&in);
}
END_TEST

START_TEST (close_may_be_called_twice)
{
  const int fds[] = { in.arrival, in.top };

  instance_close (&in);
  for (size_t i = 0; i < 2; i++)
    assert_fails (fcntl (fds[i], F_GETFD), EBADF);
  instance_close (&in);
  ck_assert_int_eq (in.arrival, -1);
  ck_assert_int_eq (in.top, -1);
}
END_TEST

/* It stays the same one, wherever the name goes. */
START_TEST (an_instance_is_held_not_named)
{
  ck_assert_int_eq (rename (KEY, "away"), 0);
  ck_assert_int_eq (instance_arrive (&in, only (2), "note"), 0);
  ck_assert_int_eq (instance_void (&in), 0);
  ck_assert (unit_is_there ("away/arrival/slurm-procid-2"));
  ck_assert_str_eq (unit_link_of ("away/departure"), "void");
}
END_TEST

/*
 * The number of members
 */

START_TEST (members_are_what_the_first_said)
{
  uint32_t members = 99;

  ck_assert_int_eq (instance_tasks (&in, 7, &members), 0);
  ck_assert_uint_eq (members, 3);
  ck_assert_int_eq (unlink (KEY "/ntasks"), 0);
  ck_assert_int_eq (instance_tasks (&in, 7, &members), 0);
  ck_assert_uint_eq (members, 7);
  ck_assert_str_eq (unit_link_of (KEY "/ntasks"), "7");
}
END_TEST

static const char *const nonsense[] = {
  "0", "abc", "-1", "+3", " 3", "3x", "3 ", "03", "4294967299", "18446744073709551619",
  "3333333333333333333333333333333333333333",
};

START_TEST (members_that_make_no_sense_are_0)
{
  uint32_t members = 99;

  ck_assert_int_eq (unlink (KEY "/ntasks"), 0);
  unit_symlink (nonsense[_i], KEY "/ntasks");
  ck_assert_int_eq (instance_tasks (&in, 3, &members), 0);
  ck_assert_uint_eq (members, 0);
  ck_assert_str_eq (unit_link_of (KEY "/ntasks"), nonsense[_i]);
}
END_TEST

START_TEST (members_in_no_link_are_0)
{
  uint32_t members = 99;

  ck_assert_int_eq (unlink (KEY "/ntasks"), 0);
  unit_write_text (KEY "/ntasks", "3");
  ck_assert_int_eq (instance_tasks (&in, 3, &members), 0);
  ck_assert_uint_eq (members, 0);
  ck_assert_int_eq (unlink (KEY "/ntasks"), 0);
  unit_mkdir (KEY "/ntasks");
  members = 99;
  ck_assert_int_eq (instance_tasks (&in, 3, &members), 0);
  ck_assert_uint_eq (members, 0);
}
END_TEST

START_TEST (members_says_what_went_wrong)
{
  uint32_t members;

  if (_i == 0)
    {
      unit_refuse (SYS_readlinkat, EIO);
      assert_fails (instance_tasks (&in, 3, &members), EIO);
      return;
    }
  ck_assert_int_eq (unlink (KEY "/ntasks"), 0);
  unit_refuse (SYS_symlinkat, EDQUOT);
  assert_fails (instance_tasks (&in, 3, &members), EDQUOT);
}
END_TEST

/*
 * A member's file
 */

START_TEST (arriving_is_exclusive)
{
  ck_assert_int_eq (instance_arrive (&in, only (1), "host=n1 pid=1"), 0);
  ck_assert_str_eq (unit_link_of (KEY "/arrival/slurm-procid-1"), "host=n1 pid=1");
  assert_fails (instance_arrive (&in, only (1), "note"), EEXIST);
  ck_assert_int_eq (mkfifo (KEY "/arrival/slurm-procid-2", 0600), 0);
  assert_fails (instance_arrive (&in, only (2), "note"), EEXIST);
  make_file (KEY "/arrival/slurm-procid-0");
  assert_fails (instance_arrive (&in, only (0), "note"), EEXIST);
  ck_assert_str_eq (unit_link_of (KEY "/arrival/slurm-procid-1"), "host=n1 pid=1");
}
END_TEST

START_TEST (one_mark_is_of_a_whole_set)
{
  ck_assert_int_eq (instance_arrive (&in, unit_ranks (3, "0,2"), "note"), 0);
  ck_assert_str_eq (unit_link_of (KEY "/arrival/slurm-procid-0,2"), "note");
  ck_assert_uint_eq (unit_entries (KEY "/arrival"), 1);
}
END_TEST

/* 600 numbers without any order. */
static const struct ranks *
scattered (void)
{
  static struct ranks set;

  ck_assert_int_eq (ranks_init (&set, 5000), 0);
  for (uint32_t rank = 4000, noise = 1; set.present < 600; rank = (rank + noise) % 5000)
    {
      noise = noise * 1103515245 % 4999;
      ranks_add (&set, rank);
    }
  return &set;
}

START_TEST (a_long_set_is_several_marks)
{
  const struct ranks *own = scattered (), *set;
  int64_t time;

  ck_assert_int_eq (instance_arrive (&in, own, "note"), 0);
  ck_assert_uint_gt (unit_entries (KEY "/arrival"), 1);
  set = marks (5000, false);
  ck_assert_uint_eq (set->present, own->present);
  for (uint32_t rank = 0; rank < 5000; rank++)
    ck_assert (ranks_has (set, rank) == ranks_has (own, rank));
  ck_assert_int_eq (instance_touch (&in, own, true), 0);
  ck_assert_int_eq (instance_touched (&in, own, &time), 0);

  release ();
  ck_assert_int_eq (instance_depart (&in, own, "note", true), 0);
  ck_assert_uint_eq (marks (5000, true)->present, own->present);
  ck_assert_uint_eq (unit_entries (KEY "/arrival"), 0);
}
END_TEST

/* The last of its marks is there: none of the others may look like an arrival. */
START_TEST (a_long_set_arrives_whole_or_not_at_all)
{
  const struct ranks *own = scattered ();
  char name[256] = "", path[512];
  uint32_t from = 0;

  while (ranks_next_text (own, &from, name, 256 - strlen ("slurm-procid-")))
    ;
  (void) snprintf (path, sizeof path, KEY "/arrival/slurm-procid-%s", name);
  make_file (path);
  assert_fails (instance_arrive (&in, own, "note"), EEXIST);
  ck_assert_uint_eq (unit_entries (KEY "/arrival"), 1);
  ck_assert (unit_is_there (path));
}
END_TEST

START_TEST (arriving_says_what_went_wrong)
{
  static const int errors[] = { ENOSPC, EDQUOT, EROFS, ESTALE, EACCES };

  unit_refuse (SYS_symlinkat, errors[_i]);
  assert_fails (instance_arrive (&in, only (1), "note"), errors[_i]);
}
END_TEST

/* No arrival: it completes nothing. */
START_TEST (who_refuses_takes_the_place)
{
  ck_assert_int_eq (instance_refuse (&in, only (1)), 0);
  assert_fails (instance_arrive (&in, only (1), "note"), EEXIST);
  assert_fails (instance_refuse (&in, only (1)), EEXIST);
  const struct ranks *set = marks (3, false);
  ck_assert_uint_eq (set->present, 1);
  ck_assert (ranks_has (set, 1)); /* it knows how the barrier ends */
  ck_assert_int_eq (instance_arrive (&in, only (2), "note"), 0);
  assert_fails (instance_refuse (&in, only (2)), EEXIST);
}
END_TEST

START_TEST (nobody_arrives_in_what_is_removed)
{
  ck_assert_int_eq (rmdir (KEY "/arrival"), 0);
  assert_fails (instance_arrive (&in, only (1), "note"), ENOENT);
  assert_fails (instance_touch (&in, only (1), true), ENOENT);
}
END_TEST

START_TEST (touch_and_expire_set_the_time)
{
  struct stat st;
  int64_t time;

  ck_assert_int_eq (instance_arrive (&in, only (1), "note"), 0);
  set_time (KEY "/arrival/slurm-procid-1", 1000000);
  ck_assert_int_eq (instance_touch (&in, only (1), true), 0);
  ck_assert_int_eq (instance_touched (&in, only (1), &time), 0);
  ck_assert_int_le (llabs (real_now () - time), 5 * SECOND);
  ck_assert_int_eq (lstat (KEY "/arrival/slurm-procid-1", &st), 0);
  ck_assert_int_eq (st.st_atime, 1000000); /* still when it came */
  (void) instance_touch (&in, only (1), false);
  ck_assert_int_eq (instance_touched (&in, only (1), &time), 0);
  ck_assert_int_eq (time, 0);
  (void) instance_touch (&in, only (2), false);
  ck_assert (!unit_is_there (KEY "/arrival/slurm-procid-2"));
  assert_fails (instance_touch (&in, only (2), true), ENOENT);
}
END_TEST

/*
 * The outcome
 */

START_TEST (there_is_none_at_first)
{
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_NONE);
  assert_fails (instance_time (&in, INSTANCE_OUTCOME, &(int64_t){ 0 }), ENOENT);
}
END_TEST

START_TEST (released_is_a_directory)
{
  ck_assert_int_eq (instance_release (&in), 0);
  ck_assert_int_eq (mode_of (KEY "/departure"), S_IFDIR | 0700);
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_RELEASED);
}
END_TEST

/* Without types, what is no link has to be looked at; EIO is no void. */
START_TEST (a_release_that_cannot_be_looked_at_is_an_error)
{
  release ();
  tells_no_types = true;
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_RELEASED);
  unit_refuse_when (SYS_newfstatat, 3, AT_SYMLINK_NOFOLLOW, EIO);
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_ERROR);
}
END_TEST

START_TEST (void_says_void)
{
  ck_assert_int_eq (instance_void (&in), 0);
  ck_assert_str_eq (unit_link_of (KEY "/departure"), "void");
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_VOID);
  /* Who decides looks here. */
  ck_assert (S_ISLNK (mode_of (KEY "/arrival/ended")));
}
END_TEST

START_TEST (called_off_says_why)
{
  ck_assert_int_eq (instance_call_off (&in, "procid 1: got SIGTERM"), 0);
  ck_assert_str_eq (unit_link_of (KEY "/departure"), "called-off: procid 1: got SIGTERM");
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_CALLED_OFF);
  ck_assert_str_eq (reason, "procid 1: got SIGTERM");
  ck_assert (S_ISLNK (mode_of (KEY "/arrival/ended")));
}
END_TEST

/* What others wrote reaches terminals and logs. */
START_TEST (the_reason_is_cleaned)
{
  unit_symlink ("called-off: a\nb\033[31m\177", KEY "/departure");
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_CALLED_OFF);
  ck_assert_str_eq (reason, "a?b?[31m?");
}
END_TEST

START_TEST (the_reason_is_cut)
{
  const size_t length = (size_t[]){ 498, 499, 500, 2000 }[_i];
  const size_t kept = length < INSTANCE_TEXT_MAX ? length : INSTANCE_TEXT_MAX - 1;
  char longer[2001];

  memset (longer, 'x', length);
  longer[length] = '\0';
  ck_assert_int_eq (instance_call_off (&in, longer), 0);
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_CALLED_OFF);
  ck_assert_uint_eq (strlen (reason), kept);
  ck_assert_int_eq (strncmp (reason, longer, kept), 0);
}
END_TEST

/* No hook makes this: it must not be longer than the buffer, either. */
START_TEST (a_foreign_reason_is_cut)
{
  char longer[3000] = "called-off: ";

  memset (longer + strlen (longer), 'y', 2500);
  unit_symlink (longer, KEY "/departure");
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_CALLED_OFF);
  ck_assert_uint_eq (strlen (reason), INSTANCE_TEXT_MAX - 1);
}
END_TEST

static const char *const other_links[]
  = { "arrival", ".", "called-off", "called-off:x", "VOID", "void ", "/" };

/* Links are not followed, so one to a directory is no release. */
START_TEST (nobody_is_released_by_a_link)
{
  unit_symlink (other_links[_i], KEY "/departure");
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_VOID);
}
END_TEST

START_TEST (what_is_neither_releases_nobody)
{
  if (_i == 0)
    make_file (KEY "/departure");
  else
    ck_assert_int_eq (mkfifo (KEY "/departure", 0600), 0);
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_VOID);
}
END_TEST

START_TEST (a_listing_that_fails_is_an_error)
{
  struct ranks set;

  unit_refuse (SYS_getdents64, ESTALE);
  errno = 0;
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_ERROR);
  ck_assert_int_eq (errno, ESTALE);
  ck_assert_int_eq (ranks_init (&set, 3), 0);
  assert_fails (instance_list_marks (&in, false, &set), ESTALE);
  ranks_free (&set);
}
END_TEST

START_TEST (a_removed_instance_is_gone)
{
  ck_assert_int_eq (unlink (KEY "/ntasks"), 0);
  ck_assert_int_eq (rmdir (KEY "/arrival"), 0);
  ck_assert_int_eq (rmdir (KEY), 0);
  ck_assert_int_eq (instance_is_current (&in), 0);
  errno = 0;
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_ERROR);
  ck_assert (instance_is_gone (errno));
  ck_assert_int_eq (instance_void (&in), -1);
  ck_assert (instance_is_gone (errno));
  ck_assert_int_eq (instance_release (&in), -1);
  ck_assert (instance_is_gone (errno));
  ck_assert_int_eq (instance_call_off (&in, "why"), -1);
  ck_assert (instance_is_gone (errno));
}
END_TEST

static int
make_outcome (int which)
{
  switch (which)
    {
    case 0:
      return instance_release (&in);
    case 1:
      return instance_void (&in);
    default:
      return instance_call_off (&in, "procid 1: why");
    }
}

START_TEST (the_outcome_is_made_once)
{
  static const enum outcome made[] = { OUTCOME_RELEASED, OUTCOME_VOID, OUTCOME_CALLED_OFF };

  ck_assert_int_eq (make_outcome (_i / 3), 0);
  assert_fails (make_outcome (_i % 3), EEXIST);
  ck_assert_int_eq (instance_outcome (&in, reason), made[_i / 3]);
}
END_TEST

START_TEST (the_outcome_has_a_time)
{
  int64_t time = 0;

  ck_assert_int_eq (make_outcome (_i), 0);
  ck_assert_int_eq (instance_time (&in, INSTANCE_OUTCOME, &time), 0);
  ck_assert_int_le (llabs (real_now () - time), INT64_C (5000000000));
  set_time (KEY "/departure", 1234567);
  ck_assert_int_eq (instance_time (&in, INSTANCE_OUTCOME, &time), 0);
  ck_assert_int_eq (time, INT64_C (1234567000000000));
}
END_TEST

START_TEST (the_instance_has_a_beginning)
{
  int64_t time = 0;

  set_time (KEY "/ntasks", 1234567);
  ck_assert_int_eq (instance_arrive (&in, only (0), "note"), 0);
  ck_assert_int_eq (instance_touch (&in, only (0), true), 0);
  ck_assert_int_eq (instance_void (&in), 0);
  ck_assert_int_eq (instance_time (&in, INSTANCE_BEGAN, &time), 0);
  ck_assert_int_eq (time, INT64_C (1234567000000000));
  ck_assert_int_eq (unlink (KEY "/ntasks"), 0);
  assert_fails (instance_time (&in, INSTANCE_BEGAN, &time), ENOENT);
}
END_TEST

/* A release is as old as the last departure. */
START_TEST (departures_count_as_changes)
{
  int64_t time;

  ck_assert_int_eq (instance_arrive (&in, only (1), "note"), 0);
  release ();
  set_time (KEY "/departure", 1234567);
  ck_assert_int_eq (instance_depart (&in, only (1), "note", false), 0);
  ck_assert_int_eq (instance_time (&in, INSTANCE_OUTCOME, &time), 0);
  ck_assert_int_le (llabs (real_now () - time), INT64_C (5000000000));
}
END_TEST

/* Where the server tells other nodes late, and so perhaps in another order, nothing is
 * confirmed. */
START_TEST (a_release_is_confirmed)
{
  release ();
  ck_assert_int_eq (instance_outcome (&in, NULL), OUTCOME_RELEASED);
  ck_assert (!in.confirmed);
  in.lazy = _i == 1;
  instance_confirm (&in, "note");
  ck_assert_int_eq (instance_outcome (&in, NULL), OUTCOME_RELEASED);
  ck_assert (in.confirmed == !in.lazy);
}
END_TEST

/* So clients of NFS list it anew; others need not. */
START_TEST (a_directory_gets_another_time)
{
  int64_t time = 0;

  set_time (KEY "/arrival", 1000000);
  ck_assert_int_eq (instance_renew (&in, "arrival", &time), -1);
  ck_assert_int_eq (instance_time (&in, "arrival", &time), 0);
  ck_assert_int_eq (time, 1000000 * SECOND);
  in.moves = true;
  ck_assert_int_eq (instance_renew (&in, "arrival", &time), 0);
  ck_assert_int_le (llabs (real_now () - time), 5 * SECOND);
  assert_fails (instance_renew (&in, "none", &time), ENOENT);
}
END_TEST

/*
 * Departing
 */

START_TEST (departing_marks_the_member)
{
  ck_assert_int_eq (instance_arrive (&in, only (1), "note"), 0);
  ck_assert_int_eq (instance_arrive (&in, only (2), "note"), 0);
  release ();
  ck_assert_int_eq (instance_depart (&in, only (1), "note", false), 0);
  ck_assert_str_eq (unit_link_of (KEY "/departure/slurm-procid-1"), "note");
  ck_assert_uint_eq (unit_entries (KEY "/departure"), 1);
  ck_assert_uint_eq (unit_entries (KEY "/arrival"), 2);
}
END_TEST

START_TEST (a_mark_moves_from_arrival)
{
  ck_assert_int_eq (instance_arrive (&in, only (1), "note"), 0);
  ck_assert_int_eq (instance_arrive (&in, only (2), "note"), 0);
  release ();
  ck_assert_int_eq (instance_depart (&in, only (1), "other", true), 0);
  ck_assert_str_eq (unit_link_of (KEY "/departure/slurm-procid-1"), "note");
  ck_assert_uint_eq (unit_entries (KEY "/departure"), 1);
  ck_assert_uint_eq (unit_entries (KEY "/arrival"), 1);
}
END_TEST

/* The same where marks do not move, and for a mark that somebody has removed. */
START_TEST (a_mark_that_cannot_move_is_made)
{
  if (_i < 2)
    ck_assert_int_eq (instance_arrive (&in, only (1), "note"), 0);
  release ();
  if (_i == 0)
    {
#ifdef SYS_renameat
      unit_refuse (SYS_renameat, EXDEV);
#endif
      unit_refuse (SYS_renameat2, EXDEV);
    }
  in.moves = _i != 1;
  ck_assert_int_eq (instance_depart (&in, only (1), "other", true), 0);
  ck_assert_str_eq (unit_link_of (KEY "/departure/slurm-procid-1"), "other");
  ck_assert_uint_eq (unit_entries (KEY "/arrival"), _i < 2 ? 1 : 0);
}
END_TEST

START_TEST (nobody_departs_from_what_is_removed)
{
  ck_assert_int_eq (instance_arrive (&in, only (1), "note"), 0);
  release ();
  ck_assert_int_eq (rmdir (KEY "/departure"), 0);
  assert_fails (instance_depart (&in, only (1), "note", false), ENOENT);
}
END_TEST

/* An answer that was lost on the way makes a client ask twice. */
START_TEST (a_departure_told_twice_is_one)
{
  ck_assert_int_eq (instance_arrive (&in, only (1), "note"), 0);
  release ();
  for (int i = 0; i < 2; i++)
    ck_assert_int_eq (instance_depart (&in, only (1), "note", _i == 1), 0);
  ck_assert_uint_eq (unit_entries (KEY "/departure"), 1);
}
END_TEST

START_TEST (departing_says_what_went_wrong)
{
  ck_assert_int_eq (instance_arrive (&in, only (1), "note"), 0);
  release ();
  unit_refuse (SYS_symlinkat, EDQUOT);
  unit_refuse (SYS_linkat, EDQUOT);
  assert_fails (instance_depart (&in, only (1), "note", false), EDQUOT);
}
END_TEST

/*
 * Notes and gatherings
 */

/* It goes to terminals and logs; and anything may lie there. */
START_TEST (a_note_is_cleaned)
{
  char note[INSTANCE_NOTE_MAX], longer[2000] = "";

  ck_assert_int_eq (symlinkat ("host=\033[2Jn1", in.arrival, "a"), 0);
  ck_assert (instance_read_note (in.arrival, "a", note));
  ck_assert_str_eq (note, "host=?[2Jn1");
  ck_assert (!instance_read_note (in.arrival, "none", note));
  ck_assert_str_eq (note, "");
  unit_write_text (KEY "/arrival/b", "host=n1");
  ck_assert (!instance_read_note (in.arrival, "b", note));
  memset (longer, 'x', sizeof longer - 1);
  ck_assert_int_eq (symlinkat (longer, in.arrival, "c"), 0);
  ck_assert (instance_read_note (in.arrival, "c", note));
  ck_assert_uint_eq (strlen (note), INSTANCE_NOTE_MAX - 1);
}
END_TEST

static int
visit_gathering (void *context, const struct instance_mark *mark)
{
  char *all = context;

  ck_assert (instance_is_mark (mark));
  ck_assert (instance_read_note (mark->dirfd, mark->name, all + strlen (all)));
  return 0;
}

START_TEST (a_gathering_says_who_is_there_last)
{
  char all[2 * INSTANCE_NOTE_MAX] = "";

  instance_tell_gathering (&in, 7, "procid=1 x");
  instance_tell_gathering (&in, 7, "procid=1,3 x");
  ck_assert_int_eq (instance_each_gathering (&in, visit_gathering, all), 0);
  ck_assert_str_eq (all, "procid=1,3 x");
  ck_assert_uint_eq (unit_entries (KEY), 3);
  instance_tell_gathering (&in, 7, NULL);
  ck_assert_uint_eq (unit_entries (KEY), 2);
  /* Best effort: what is in its way stays. */
  unit_mkdir (KEY "/gathering-7");
  instance_tell_gathering (&in, 7, "procid=1");
  ck_assert_uint_eq (unit_entries (KEY), 3);
}
END_TEST

/*
 * Sockets
 */

/* What is done at a socket ends in the root directory. */
static int
back (int result)
{
  int error = errno;

  ck_assert_int_eq (fchdir (parent), 0);
  errno = error;
  return result;
}

START_TEST (one_socket_a_node)
{
  assert_fails (back (instance_connect (&in, 3)), ENOENT);
  int fd = back (instance_listen (&in, 3));
  ck_assert_int_ge (fd, 0);
  ck_assert (S_ISSOCK (mode_of (KEY "/node-3")));
  assert_fails (back (instance_listen (&in, 3)), EADDRINUSE);
  assert_fails (accept (fd, NULL, NULL), EAGAIN);
  int other = back (instance_connect (&in, 3));
  ck_assert_int_ge (other, 0);
  ck_assert_int_ge (accept (fd, NULL, NULL), 0);
  ck_assert_int_ne (fcntl (fd, F_GETFD) & fcntl (other, F_GETFD) & FD_CLOEXEC, 0);
  (void) close (fd);
  assert_fails (back (instance_connect (&in, 3)), ECONNREFUSED);
  instance_unlisten (&in, 3);
  ck_assert (!unit_is_there (KEY "/node-3"));
}
END_TEST

START_TEST (all_leaders_are_woken)
{
  int fds[] = { back (instance_listen (&in, 0)), back (instance_listen (&in, 10)) };

  instance_wake_leaders (&in);
  (void) back (0);
  for (size_t i = 0; i < 2; i++)
    ck_assert_int_ge (accept (fds[i], NULL, NULL), 0);
  /* And by whoever has come late to what is removed. */
  ck_assert_int_eq (back (instance_remove (parent, KEY)), 0);
  for (size_t i = 0; i < 2; i++)
    ck_assert_int_ge (accept (fds[i], NULL, NULL), 0);
}
END_TEST

static const char *const in_the_way[] = { "file", "directory", "link", "stream" };

/* Another's entry is no leader's socket; nobody goes where a link leads. */
START_TEST (other_entries_are_no_sockets)
{
  const char *what = in_the_way[_i];
  int fd = -1;

  if (strcmp (what, "file") == 0)
    make_file (KEY "/node-0");
  else if (strcmp (what, "directory") == 0)
    unit_mkdir (KEY "/node-0");
  else if (strcmp (what, "link") == 0)
    unit_symlink ("nowhere", KEY "/node-0");
  else
    {
      struct sockaddr_un address = { AF_UNIX, KEY "/node-0" };
      fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      ck_assert_int_eq (bind (fd, (struct sockaddr *) &address, sizeof address), 0);
      ck_assert_int_eq (listen (fd, 5), 0);
    }
  ck_assert_int_eq (back (instance_connect (&in, 0)), -1);
  assert_fails (back (instance_listen (&in, 0)), strcmp (what, "link") == 0 ? ELOOP : EADDRINUSE);
  ck_assert_uint_eq (unit_entries (KEY), 3);
}
END_TEST

/*
 * Listing
 */

START_TEST (lists_members_not_files)
{
  const struct ranks *set;

  litter (KEY "/arrival");
  ck_assert_uint_eq (marks (3, false)->present, 0);
  ck_assert_int_eq (instance_arrive (&in, only (0), "note"), 0);
  ck_assert_int_eq (instance_arrive (&in, only (2), "note"), 0);
  ck_assert_int_eq (instance_arrive (&in, only (3), "note"), 0);
  set = marks (3, false);
  ck_assert_uint_eq (set->present, 2);
  ck_assert (ranks_has (set, 0) && ranks_has (set, 2));

  release ();
  litter (KEY "/departure");
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_RELEASED);
  ck_assert_uint_eq (marks (3, true)->present, 0);
  ck_assert_int_eq (instance_depart (&in, only (2), "note", false), 0);
  set = marks (3, true);
  ck_assert_uint_eq (set->present, 1);
  ck_assert (ranks_has (set, 2));
}
END_TEST

/* Listing adds: who has been seen stays seen. */
START_TEST (listing_adds_to_the_set)
{
  struct ranks set;

  ck_assert_int_eq (ranks_init (&set, 3), 0);
  ranks_add (&set, 1);
  ck_assert_int_eq (instance_arrive (&in, only (2), "note"), 0);
  ck_assert_int_eq (instance_list_marks (&in, false, &set), 0);
  ck_assert_uint_eq (set.present, 2);
  ck_assert (ranks_has (&set, 1) && ranks_has (&set, 2));
  ranks_free (&set);
}
END_TEST

START_TEST (lists_more_than_one_buffer)
{
  char name[64];

  for (uint32_t rank = 0; rank < 1500; rank++)
    {
      ck_assert_int_eq (instance_arrive (&in, only (rank), "note"), 0);
      (void) snprintf (name, sizeof name, KEY "/arrival/foreign-%u", rank);
      if (rank % 3 == 0)
        make_file (name);
    }
  ck_assert (ranks_full (marks (1500, false)));
}
END_TEST

/*
 * Going away
 */

START_TEST (current_is_what_the_key_names)
{
  ck_assert_int_eq (instance_is_current (&in), 1);
  ck_assert_int_eq (rename (KEY, "away"), 0);
  ck_assert_int_eq (instance_is_current (&in), 0);
  unit_mkdir (KEY);
  ck_assert_int_eq (instance_is_current (&in), 0);
  ck_assert_int_eq (rmdir (KEY), 0);
  make_file (KEY);
  ck_assert_int_eq (instance_is_current (&in), 0);
  ck_assert_int_eq (unlink (KEY), 0);
  unit_symlink ("away", KEY);
  ck_assert_int_eq (instance_is_current (&in), 0);
  ck_assert_int_eq (unlink (KEY), 0);
  ck_assert_int_eq (rename ("away", KEY), 0);
  ck_assert_int_eq (instance_is_current (&in), 1);
}
END_TEST

START_TEST (a_stale_descriptor_is_not_current)
{
  unit_refuse (SYS_newfstatat, ESTALE);
  ck_assert_int_eq (instance_is_current (&in), 0);
}
END_TEST

START_TEST (going_away_takes_the_key)
{
  ck_assert_int_eq (instance_arrive (&in, only (1), "note"), 0);
  ck_assert_int_eq (instance_go_away (&in, gone), 0);
  ck_assert (!unit_is_there (KEY));
  ck_assert_uint_eq (number_of (gone), in.ino);
  ck_assert_int_eq (instance_is_current (&in), 0);
  ck_assert_int_eq (instance_touch (&in, only (1), true), 0);

  /* The name is no key. */
  ck_assert_int_eq (strncmp (gone, INSTANCE_GONE, strlen (INSTANCE_GONE)), 0);
  ck_assert_str_eq (gone + strlen (gone) - strlen (KEY), KEY);
}
END_TEST

/* Two hooks of one task may both find an instance that should go; the slower
 * one catches another.  Who lives in that one has to notice. */
START_TEST (a_wrong_catch_is_removed)
{
  struct instance second;

  ck_assert_int_eq (rename (KEY, "away"), 0);
  ck_assert_int_eq (instance_open (&second, parent, KEY, 3, false), 0);
  ck_assert_int_eq (instance_open_arrival (&second, 3), 0);
  ck_assert_int_eq (instance_arrive (&second, only (1), "note"), 0);
  ck_assert_int_eq (instance_go_away (&in, gone), 1);
  assert_fails (instance_touch (&second, only (1), true), ENOENT);
  ck_assert (!unit_is_there (KEY));
  ck_assert (!unit_is_there (gone));
  ck_assert_int_eq (instance_outcome (&in, reason), OUTCOME_NONE);
  instance_close (&second);
}
END_TEST

START_TEST (a_wrong_catch_keeps_its_outcome)
{
  struct instance second;

  ck_assert_int_eq (rename (KEY, "away"), 0);
  ck_assert_int_eq (instance_open (&second, parent, KEY, 3, false), 0);
  ck_assert_int_eq (instance_release (&second), 0);
  ck_assert_int_eq (instance_go_away (&in, gone), 1);
  ck_assert_int_eq (instance_outcome (&second, reason), OUTCOME_RELEASED);
  instance_close (&second);
}
END_TEST

START_TEST (none_to_catch_is_no_catch)
{
  ck_assert_int_eq (rename (KEY, "away"), 0);
  ck_assert_int_eq (instance_go_away (&in, gone), 1);
  make_file (KEY);
  ck_assert_int_eq (instance_go_away (&in, gone), 1);
  ck_assert (unit_is_there ("away"));
}
END_TEST

/* Another hook of the same member took it away: by which name? */
START_TEST (finds_what_went_away)
{
  struct instance second;
  char found[256] = "";

  unit_mkdir (INSTANCE_GONE "other");
  make_file (INSTANCE_GONE "file");
  ck_assert (!instance_find_gone (&in, found));
  ck_assert_int_eq (rename (KEY, "not-" INSTANCE_GONE "this"), 0);
  ck_assert (!instance_find_gone (&in, found));
  ck_assert_int_eq (rename ("not-" INSTANCE_GONE "this", KEY), 0);
  ck_assert_int_eq (instance_go_away (&in, gone), 0);
  ck_assert (instance_find_gone (&in, found));
  ck_assert_str_eq (found, gone);
  ck_assert_int_eq (instance_open (&second, parent, KEY, 3, false), 0);
  ck_assert (!instance_find_gone (&second, found));
  instance_close (&second);
  unit_refuse (SYS_getdents64, EIO);
  ck_assert (!instance_find_gone (&in, found));
}
END_TEST

START_TEST (going_away_says_what_went_wrong)
{
#ifdef SYS_renameat
  unit_refuse (SYS_renameat, EROFS);
#endif
  unit_refuse (SYS_renameat2, EROFS);
  assert_fails (instance_go_away (&in, gone), EROFS);
  ck_assert_int_eq (instance_is_current (&in), 1);
}
END_TEST

/*
 * Removing
 */

START_TEST (removing_leaves_nothing)
{
  litter (KEY);
  litter (KEY "/arrival");
  for (uint32_t rank = 0; rank < 300; rank++)
    ck_assert (instance_arrive (&in, only (rank), "note") == 0 || errno == EEXIST);
  if (_i == 0)
    {
      ck_assert_int_eq (instance_release (&in), 0);
      litter (KEY "/departure");
    }
  else
    ck_assert_int_eq (make_outcome (_i), 0);
  ck_assert_int_eq (instance_go_away (&in, gone), 0);
  ck_assert_int_eq (instance_remove (parent, gone), 0);
  ck_assert_uint_eq (unit_entries ("."), 0);
  ck_assert_int_eq (access ("/", F_OK), 0);
}
END_TEST

START_TEST (removing_follows_no_links)
{
  unit_mkdir ("elsewhere");
  make_file ("elsewhere/precious");
  unit_symlink ("../../elsewhere", KEY "/arrival/link");
  unit_symlink ("../elsewhere", KEY "/departure");
  ck_assert_int_eq (instance_remove (parent, KEY), 0);
  ck_assert (unit_is_there ("elsewhere/precious"));
  unit_symlink ("elsewhere", KEY);
  ck_assert_int_eq (instance_remove (parent, KEY), -1);
  ck_assert (unit_is_there ("elsewhere/precious"));
}
END_TEST

/* A file, or a link, in the place of arrival. */
START_TEST (removing_takes_what_is_no_arrival)
{
  unit_mkdir ("elsewhere");
  ck_assert_int_eq (unlink (KEY "/ntasks"), 0);
  ck_assert_int_eq (rmdir (KEY "/arrival"), 0);
  if (_i == 0)
    make_file (KEY "/arrival");
  else
    unit_symlink ("../elsewhere", KEY "/arrival");
  ck_assert_int_eq (instance_remove (parent, KEY), 0);
  ck_assert (!unit_is_there (KEY));
  ck_assert (unit_is_there ("elsewhere"));
}
END_TEST

START_TEST (removing_what_is_not_there_is_done)
{
  ck_assert_int_eq (instance_remove (parent, "nothing"), 0);
}
END_TEST

static void
assert_cannot_remove (void)
{
  ck_assert_int_eq (instance_remove (parent, KEY), -1);
  ck_assert (unit_is_there (KEY));
}

START_TEST (removing_says_what_it_could_not)
{
  char path[4096] = KEY;

  switch (_i)
    {
    case 0:
      unit_refuse (SYS_unlinkat, EIO);
      break;
    case 1: /* a program that goes down for ever would end up in a bad place */
      for (int depth = 0; depth < 40; depth++)
        {
          (void) strcat (path, "/d");
          unit_mkdir (path);
        }
      break;
    default:
      unit_refuse (SYS_openat, EMFILE);
      break;
    }
  assert_cannot_remove ();
}
END_TEST

/* A release vanishes before its files: a late-comer must not find it without
 * his own.  Any other outcome stays to the end. */
START_TEST (removing_keeps_to_its_order)
{
  ck_assert_int_eq (make_outcome (_i), 0);
  unit_refuse (SYS_unlinkat, EIO);
  assert_cannot_remove ();
  ck_assert (unit_is_there (KEY "/departure") == (_i != 0));
}
END_TEST

/* As if each time somebody had just arrived: he must not find it without. */
START_TEST (an_outcome_outlives_all_arrivals)
{
  ck_assert_int_eq (make_outcome (_i), 0);
  unit_refuse_when (SYS_unlinkat, 2, AT_REMOVEDIR, ENOTEMPTY);
  assert_cannot_remove ();
  ck_assert (unit_is_there (KEY "/departure"));
}
END_TEST

static int64_t
monotonic_ms (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C (1000) + t.tv_nsec / 1000000;
}

/* For 6 ms members that come late go on arriving, by links, since ext4 may take
 * long for a new file; it is tried for 8 ms at least. */
START_TEST (removing_outlives_late_comers)
{
  char own[64];
  int64_t time;
  int status;

  ck_assert_int_eq (instance_release (&in), 0);
  ck_assert_int_eq (instance_go_away (&in, gone), 0);
  make_file ("file");
  const int64_t until = monotonic_ms () + 6;
  const pid_t late = fork ();
  if (late == 0)
    {
      uint32_t rank = 0;
      do
        {
          errno = 0;
          (void) snprintf (own, sizeof own, "slurm-procid-%u", rank++ % 500);
        }
      while ((linkat (parent, "file", in.arrival, own, 0) == 0 || errno == EEXIST)
             && monotonic_ms () < until);
      _exit (errno == 0 || errno == EEXIST || instance_is_gone (errno) ? 0 : 1);
    }
  while (instance_touched (&in, only (0), &time) != 0)
    ;
  ck_assert_int_eq (instance_remove (parent, gone), 0);
  ck_assert_int_eq (waitpid (late, &status, 0), late);
  ck_assert_int_eq (status, 0);
  ck_assert_int_eq (unlink ("file"), 0);
  ck_assert_uint_eq (unit_entries ("."), 0);
}
END_TEST

/*
 * The file system
 */

START_TEST (knows_local_file_systems)
{
  int proc = open ("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int shm = open ("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct statfs st;

  ck_assert_ptr_null (instance_local_file_system (proc));
  ck_assert_ptr_null (instance_local_file_system (-1));
  if (shm >= 0 && fstatfs (shm, &st) == 0 && st.f_type == 0x01021994)
    ck_assert_str_eq (instance_local_file_system (shm), "tmpfs");
  unit_refuse (SYS_fstatfs, ENOSYS);
  ck_assert_ptr_null (instance_local_file_system (shm));
}
END_TEST

START_TEST (asks_the_server_for_the_time)
{
  int64_t before = real_now (), time;
  struct stat st;

  set_time (".", 1234567);
  time = instance_server_time (parent);
  /* The times of files lag behind by a tick. */
  ck_assert_int_gt (time, before - 100000000);
  ck_assert_int_le (time, real_now ());
  ck_assert_int_eq (fstat (parent, &st), 0);
  ck_assert_int_eq (time / 1000000000, st.st_mtim.tv_sec);

  before = real_now ();
  time = instance_server_time (-1);
  ck_assert_int_ge (time, before);
  ck_assert_int_le (time, real_now ());
}
END_TEST

static void
add_opening (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "opening", begin);

  tcase_add_test (tcase, gone_is_what_a_removed_directory_says);
  tcase_add_test (tcase, open_makes_what_is_not_there);
  tcase_add_loop_test (tcase, open_completes_what_was_begun, 0, 2);
  tcase_add_test (tcase, open_follows_no_links);
  tcase_add_test (tcase, nobody_completes_what_is_gone);
  tcase_add_test (tcase, open_refuses_what_is_no_directory);
  unit_add_rows (tcase, open_says_what_went_wrong, open_errors);
  tcase_add_test (tcase, removing_what_is_not_there_is_done);
}

static void
add_members (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "members", begin_with_instance);

  tcase_add_test (tcase, open_takes_what_is_there);
  tcase_add_test (tcase, close_may_be_called_twice);
  tcase_add_test (tcase, an_instance_is_held_not_named);
  tcase_add_test (tcase, members_are_what_the_first_said);
  unit_add_rows (tcase, members_that_make_no_sense_are_0, nonsense);
  tcase_add_test (tcase, members_in_no_link_are_0);
  tcase_add_loop_test (tcase, members_says_what_went_wrong, 0, 2);
  tcase_add_test (tcase, arriving_is_exclusive);
  tcase_add_test (tcase, one_mark_is_of_a_whole_set);
  tcase_add_test (tcase, a_long_set_is_several_marks);
  tcase_add_test (tcase, a_long_set_arrives_whole_or_not_at_all);
  tcase_add_loop_test (tcase, arriving_says_what_went_wrong, 0, 5);
  tcase_add_test (tcase, who_refuses_takes_the_place);
  tcase_add_test (tcase, nobody_arrives_in_what_is_removed);
  tcase_add_test (tcase, touch_and_expire_set_the_time);
}

static void
add_outcome (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "outcome", begin_with_instance);

  tcase_add_test (tcase, there_is_none_at_first);
  tcase_add_test (tcase, released_is_a_directory);
  tcase_add_test (tcase, a_release_that_cannot_be_looked_at_is_an_error);
  tcase_add_test (tcase, void_says_void);
  tcase_add_test (tcase, called_off_says_why);
  tcase_add_test (tcase, the_reason_is_cleaned);
  tcase_add_loop_test (tcase, the_reason_is_cut, 0, 4);
  tcase_add_test (tcase, a_foreign_reason_is_cut);
  unit_add_rows (tcase, nobody_is_released_by_a_link, other_links);
  tcase_add_loop_test (tcase, what_is_neither_releases_nobody, 0, 2);
  tcase_add_test (tcase, a_listing_that_fails_is_an_error);
  tcase_add_test (tcase, a_removed_instance_is_gone);
  tcase_add_loop_test (tcase, the_outcome_is_made_once, 0, 9);
  tcase_add_loop_test (tcase, the_outcome_has_a_time, 0, 3);
  tcase_add_test (tcase, the_instance_has_a_beginning);
  tcase_add_test (tcase, departures_count_as_changes);
  tcase_add_loop_test (tcase, a_release_is_confirmed, 0, 2);
  tcase_add_test (tcase, a_directory_gets_another_time);
  tcase_add_test (tcase, departing_marks_the_member);
  tcase_add_test (tcase, a_mark_moves_from_arrival);
  tcase_add_loop_test (tcase, a_mark_that_cannot_move_is_made, 0, 3);
  tcase_add_test (tcase, nobody_departs_from_what_is_removed);
  tcase_add_test (tcase, a_departure_told_twice_is_one);
  tcase_add_test (tcase, departing_says_what_went_wrong);
}

static void
add_the_rest (Suite *suite)
{
  TCase *tcase = unit_slow_case (suite, "the rest", begin_with_instance);

  tcase_add_test (tcase, a_note_is_cleaned);
  tcase_add_test (tcase, a_gathering_says_who_is_there_last);
  tcase_add_test (tcase, one_socket_a_node);
  tcase_add_test (tcase, all_leaders_are_woken);
  unit_add_rows (tcase, other_entries_are_no_sockets, in_the_way);
  tcase_add_test (tcase, lists_members_not_files);
  tcase_add_test (tcase, listing_adds_to_the_set);
  tcase_add_test (tcase, lists_more_than_one_buffer);
  tcase_add_test (tcase, current_is_what_the_key_names);
  tcase_add_test (tcase, a_stale_descriptor_is_not_current);
  tcase_add_test (tcase, going_away_takes_the_key);
  tcase_add_test (tcase, a_wrong_catch_is_removed);
  tcase_add_test (tcase, a_wrong_catch_keeps_its_outcome);
  tcase_add_test (tcase, none_to_catch_is_no_catch);
  tcase_add_test (tcase, finds_what_went_away);
  tcase_add_test (tcase, going_away_says_what_went_wrong);
  tcase_add_loop_test (tcase, removing_leaves_nothing, 0, 3);
  tcase_add_test (tcase, removing_follows_no_links);
  tcase_add_loop_test (tcase, removing_takes_what_is_no_arrival, 0, 2);
  tcase_add_loop_test (tcase, removing_says_what_it_could_not, 0, 3);
  tcase_add_loop_test (tcase, removing_keeps_to_its_order, 0, 3);
  tcase_add_loop_test (tcase, an_outcome_outlives_all_arrivals, 1, 3);
  tcase_add_loop_test (tcase, removing_outlives_late_comers, 0, 10);
  tcase_add_test (tcase, knows_local_file_systems);
  tcase_add_test (tcase, asks_the_server_for_the_time);
}

int
main (void)
{
  Suite *suite = suite_create ("instance");

  add_opening (suite);
  add_members (suite);
  add_outcome (suite);
  add_the_rest (suite);
  return unit_run (suite);
}
