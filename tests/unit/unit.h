/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unit.h - what the unit tests share.
 *
 * Each test runs in a process of its own (libcheck's fork mode), so it may
 * change its user, its descriptors or its limits.
 */
#ifndef UNIT_H
#define UNIT_H

#include "process.h"

#include <check.h>
/* Ours is that of failure.h; libcheck has one of old. */
#undef fail

#include "ranks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Not every test program uses all of it. */
#define UNIT_UNUSED __attribute__ ((unused))

/* A directory that every user can pass: that of the test case, gone when that
 * ends; in a test, a fresh one of its own below it. */
static char unit_tmp[250];

static void
unit_make_tmp (void)
{
  const char *top = getenv ("TMPDIR");

  (void) snprintf (unit_tmp, sizeof unit_tmp, "%s/unit-XXXXXX",
                   top != NULL && strlen (top) < 150 ? top : "/tmp");
  ck_assert_ptr_nonnull (mkdtemp (unit_tmp));
  ck_assert_int_eq (chmod (unit_tmp, 0755), 0);
}

static int
unit_remove (const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
  (void) st;
  (void) flag;
  (void) ftw;
  return remove (path);
}

static void
unit_remove_tmp (void)
{
  (void) nftw (unit_tmp, unit_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* In the test's own process: libcheck's keeps its unit_tmp. */
static void
unit_make_own_tmp (void)
{
  (void) strcat (unit_tmp, "/XXXXXX");
  ck_assert_ptr_nonnull (mkdtemp (unit_tmp));
  ck_assert_int_eq (chmod (unit_tmp, 0755), 0);
}

static UNIT_UNUSED TCase *
unit_case (Suite *suite, const char *name)
{
  TCase *tcase = tcase_create (name);

  suite_add_tcase (suite, tcase);
  tcase_add_unchecked_fixture (tcase, unit_make_tmp, unit_remove_tmp);
  tcase_add_checked_fixture (tcase, unit_make_own_tmp, NULL);
  return tcase;
}

/* The same, and SETUP prepares each test. */
static UNIT_UNUSED TCase *
unit_case_with (Suite *suite, const char *name, SFun setup)
{
  TCase *tcase = unit_case (suite, name);

  tcase_add_checked_fixture (tcase, setup, NULL);
  return tcase;
}

/* The same, of tests that wait for other processes. */
static UNIT_UNUSED TCase *
unit_slow_case (Suite *suite, const char *name, SFun setup)
{
  TCase *tcase = unit_case_with (suite, name, setup);

  tcase_set_timeout (tcase, 60);
  return tcase;
}

/* unit_tmp/NAME; a few of the last results stay valid. */
static UNIT_UNUSED const char *
unit_path (const char *name)
{
  static char paths[8][400];
  static unsigned next;
  char *path = paths[next++ % 8];

  (void) snprintf (path, sizeof paths[0], "%s/%s", unit_tmp, name);
  return path;
}

/* A file that anybody can read, whatever the umask is. */
static UNIT_UNUSED void
unit_write (const char *path, const void *data, size_t size)
{
  FILE *stream = fopen (path, "we");

  ck_assert_ptr_nonnull (stream);
  ck_assert_int_eq (fchmod (fileno (stream), 0644), 0);
  ck_assert_uint_eq (fwrite (data, 1, size, stream), size);
  ck_assert_int_eq (fclose (stream), 0);
}

static UNIT_UNUSED void
unit_write_text (const char *path, const char *text)
{
  unit_write (path, text, strlen (text));
}

/* The text of a small file. */
static UNIT_UNUSED char *
unit_read_text (const char *path)
{
  static char text[8192];
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n;

  ck_assert_int_ge (fd, 0);
  n = read (fd, text, sizeof text - 1);
  ck_assert_int_ge (n, 0);
  text[n] = '\0';
  (void) close (fd);
  return text;
}

static UNIT_UNUSED bool
unit_is_there (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0;
}

static UNIT_UNUSED void
unit_mkdir (const char *path)
{
  ck_assert_int_eq (mkdir (path, 0700), 0);
}

static UNIT_UNUSED void
unit_symlink (const char *target, const char *path)
{
  ck_assert_int_eq (symlink (target, path), 0);
}

/* Where a link leads to; "" if there is none. */
static UNIT_UNUSED const char *
unit_link_of (const char *path)
{
  static char text[2000];
  ssize_t n = readlink (path, text, sizeof text - 1);

  text[n > 0 ? n : 0] = '\0';
  return text;
}

/* Last changed so long ago. */
static UNIT_UNUSED void
unit_set_age (const char *path, time_t seconds)
{
  struct timespec times[2];

  ck_assert_int_eq (clock_gettime (CLOCK_REALTIME, &times[0]), 0);
  times[0].tv_sec -= seconds;
  times[1] = times[0];
  ck_assert_int_eq (utimensat (AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* How many entries a directory has. */
static UNIT_UNUSED unsigned
unit_entries (const char *path)
{
  DIR *dir = opendir (path);
  unsigned n = 0;

  ck_assert_ptr_nonnull (dir);
  while (readdir (dir) != NULL)
    n++;
  (void) closedir (dir);
  return n - 2;
}

/* The set TEXT of numbers below COUNT; a few of the last ones stay valid. */
static UNIT_UNUSED const struct ranks *
unit_ranks (uint32_t count, const char *text)
{
  static struct ranks sets[8];
  static unsigned next;
  struct ranks *set = &sets[next++ % 8];

  ranks_free (set);
  ck_assert_int_eq (ranks_init (set, count), 0);
  ck_assert (ranks_add_text (set, text));
  return set;
}

/* A pipe from which TEXT can be read, and then no more. */
static UNIT_UNUSED int
unit_pipe_of (const char *text)
{
  const size_t size = strlen (text);
  int ends[2];

  ck_assert_int_eq (pipe2 (ends, O_CLOEXEC), 0);
  ck_assert (write (ends[1], text, size) == (ssize_t) size);
  (void) close (ends[1]);
  return ends[0];
}

/* Sends standard output to a file, until unit_printed (). */
static UNIT_UNUSED int
unit_capture (void)
{
  int saved = dup (STDOUT_FILENO);
  int file = open (unit_path ("out"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  (void) fflush (stdout);
  ck_assert_int_ge (saved, 0);
  ck_assert_int_eq (dup2 (file, STDOUT_FILENO), STDOUT_FILENO);
  (void) close (file);
  return saved;
}

/* What was printed since unit_capture () returned SAVED. */
static UNIT_UNUSED const char *
unit_printed (int saved)
{
  (void) fflush (stdout);
  ck_assert_int_eq (dup2 (saved, STDOUT_FILENO), STDOUT_FILENO);
  (void) close (saved);
  return unit_read_text (unit_path ("out"));
}

/* Does *ACTION, if there is one, the first time: what another process does at a
 * certain moment. */
static UNIT_UNUSED void
unit_once (void (**action) (void))
{
  void (*now) (void) = *action;

  *action = NULL;
  if (now != NULL)
    now ();
}

#define unit_assert_match(text, part)                                                              \
  ck_assert_msg (strstr (text, part) != NULL, "\"%s\" does not say \"%s\"", text, part)

/* CALL fails, and has filled the failure f. */
#define unit_assert_refused(call, expected_status, says)                                           \
  do                                                                                               \
    {                                                                                              \
      ck_assert_int_eq (call, -1);                                                                 \
      ck_assert_int_eq (f.status, expected_status);                                                \
      unit_assert_match (f.text, says);                                                            \
    }                                                                                              \
  while (0)

static UNIT_UNUSED void
unit_filter (struct sock_filter *code, unsigned short length)
{
  struct sock_fprog program = { .len = length, .filter = code };

  ck_assert_int_eq (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ck_assert_int_eq (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* From now on the system call NUMBER fails with ERROR in this process: an old
 * kernel, or a strict container.  Cannot be undone. */
static UNIT_UNUSED void
unit_refuse (long number, int error)
{
  struct sock_filter code[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (uint32_t) offsetof (struct seccomp_data, nr)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) number, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t) error),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };

  unit_filter (code, sizeof code / sizeof *code);
}

/* The same, but only where its argument ARGUMENT, of 32 bits, is VALUE. */
static UNIT_UNUSED void
unit_refuse_when (long number, unsigned argument, uint32_t value, int error)
{
  const uint32_t low = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof (uint32_t) : 0;
  struct sock_filter code[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (uint32_t) offsetof (struct seccomp_data, nr)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) number, 0, 3),
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS,
              (uint32_t) offsetof (struct seccomp_data, args) + 8 * argument + low),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t) error),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };

  unit_filter (code, sizeof code / sizeof *code);
}

/* The same for all that stat(2) and its kind call, by the C library's version
 * and the architecture. */
static UNIT_UNUSED void
unit_refuse_stat (int error)
{
#ifdef SYS_stat
  unit_refuse (SYS_stat, error);
#endif
#ifdef SYS_fstat
  unit_refuse (SYS_fstat, error);
#endif
#ifdef SYS_newfstatat
  unit_refuse (SYS_newfstatat, error);
#endif
#ifdef SYS_fstatat64
  unit_refuse (SYS_fstatat64, error);
#endif
#ifdef SYS_statx
  unit_refuse (SYS_statx, error);
#endif
}

static UNIT_UNUSED void
unit_sleep (long nanoseconds)
{
  (void) nanosleep (&(struct timespec){ .tv_nsec = nanoseconds }, NULL);
}

/* What a child does that is only there to be killed. */
static UNIT_UNUSED void __attribute__ ((noreturn))
unit_stay (void)
{
  for (;;)
    (void) pause ();
}

/* Ends a child, and waits for that. */
static UNIT_UNUSED void
unit_kill (pid_t pid)
{
  ck_assert_int_eq (kill (pid, SIGKILL), 0);
  ck_assert_int_eq (waitpid (pid, NULL, 0), pid);
}

/* Runs RUN(DATA) in a child; returns its result, which must be 0 to 99. */
static int
unit_child (int (*run) (const void *data), const void *data)
{
  int status;

  (void) fflush (NULL);
  pid_t pid = fork ();
  if (pid == 0)
    exit (run (data)); /* not _exit(2): gcov(1) writes its data then */
  if (pid < 0 || waitpid (pid, &status, 0) != pid)
    return 255;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 100 + WTERMSIG (status);
}

static int
unit_can_unshare (const void *flags)
{
  return unshare (*(const int *) flags) == 0 ? 0 : 1;
}

/* Whether unshare(2) with FLAGS is allowed here. */
static UNIT_UNUSED bool
unit_may_unshare (int flags)
{
  return unit_child (unit_can_unshare, &flags) == 0;
}

/* A user namespace's mappings, see user_namespaces(7). */
struct unit_maps
{
  const char *uid, *gid;
  bool setgroups; /* allowed inside; an ordinary user may not allow it */
  uid_t owner;    /* of the namespace: as root, root or another user */
};

static int
unit_write_proc (pid_t pid, const char *name, const char *text)
{
  char path[64];

  (void) snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, name);
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : write (fd, text, strlen (text));
  return n == (ssize_t) strlen (text) && close (fd) == 0 ? 0 : -1;
}

static int
unit_can_become (const void *unused)
{
  const uid_t anybody = 54321;

  (void) unused;
  return syscall (SYS_setresgid, anybody, anybody, anybody) == 0
             && syscall (SYS_setresuid, anybody, anybody, anybody) == 0
           ? 0
           : 1;
}

/* Whether this is, or was when it was asked first, root with all his rights:
 * asked of the kernel, since fakeroot(1) says yes to everything. */
static UNIT_UNUSED bool
unit_is_root (void)
{
  static int known = -1;

  if (known < 0)
    known = geteuid () == 0 && unit_child (unit_can_become, NULL) == 0;
  return known == 1;
}

/* Becomes uid and gid ID, which takes the rights of root. */
static UNIT_UNUSED void
unit_become (uid_t id)
{
  ck_assert_int_eq (setresgid (id, id, id), 0);
  ck_assert_int_eq (setresuid (id, id, id), 0);
}

/* Moves this process to a new user namespace with MAPS, which a child that
 * stays outside, and what it was, writes. */
static UNIT_UNUSED void
unit_enter_namespace (const struct unit_maps *maps)
{
  const pid_t self = getpid ();
  int ready[2], status;
  char byte = 0;

  ck_assert_int_eq (pipe2 (ready, O_CLOEXEC), 0);
  pid_t pid = fork ();
  ck_assert_int_ge (pid, 0);
  if (pid == 0)
    _exit (read (ready[0], &byte, 1) == 1
               && (maps->setgroups || unit_write_proc (self, "setgroups", "deny") == 0)
               && unit_write_proc (self, "gid_map", maps->gid) == 0
               && unit_write_proc (self, "uid_map", maps->uid) == 0
             ? 0
             : 1);
  if (maps->owner != geteuid ())
    unit_become (maps->owner);
  ck_assert_int_eq (unshare (CLONE_NEWUSER), 0);
  /* Else the files in /proc belong to root after a change of the user. */
  ck_assert_int_eq (prctl (PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
  ck_assert_int_eq (write (ready[1], &byte, 1), 1);
  ck_assert_int_eq (waitpid (pid, &status, 0), pid);
  ck_assert_msg (status == 0, "cannot write the mappings");
  (void) close (ready[0]);
  (void) close (ready[1]);
}

/* The same, with no other than this process's ids, as 0: that is allowed to
 * ordinary users. */
static UNIT_UNUSED void
unit_enter_own_namespace (void)
{
  char uid_map[40], gid_map[40];
  const struct unit_maps maps = { uid_map, gid_map, false, geteuid () };

  (void) snprintf (uid_map, sizeof uid_map, "0 %u 1", (unsigned) geteuid ());
  (void) snprintf (gid_map, sizeof gid_map, "0 %u 1", (unsigned) getegid ());
  unit_enter_namespace (&maps);
}

/* Leaves this process no memory but small pieces.  Not allowed where a tool
 * watches memory, and uses it itself. */
static UNIT_UNUSED void
unit_take_memory (void)
{
  const struct rlimit none = { 0, 0 };
  void *volatile piece;

  ck_assert_int_eq (setrlimit (RLIMIT_AS, &none), 0);
  do
    piece = malloc (65536);
  while (piece != NULL);
}

static UNIT_UNUSED bool
unit_may_take_memory (void)
{
#if defined __SANITIZE_ADDRESS__
  return false;
#elif defined __has_feature
#if __has_feature(address_sanitizer)
  return false;
#endif
#endif
  const char *preload = getenv ("LD_PRELOAD");
  return preload == NULL || strstr (preload, "vgpreload") == NULL;
}

/* valgrind 3.19 does not know openat2(2) and pidfd_open(2), and makes system
 * calls of its own, which would be refused as well. */
__attribute__ ((unused)) static bool
unit_in_valgrind (void)
{
  const char *preload = getenv ("LD_PRELOAD");

  return preload != NULL && strstr (preload, "vgpreload") != NULL;
}

static UNIT_UNUSED void
unit_skip (const char *test, const char *reason)
{
  (void) printf ("# skipped: %s: %s\n", test, reason);
  (void) fflush (stdout);
}

/* libcheck cannot skip a test: it is left out, with a line that says why. */
#define unit_add_if(tcase, test, condition, reason)                                                \
  do                                                                                               \
    {                                                                                              \
      if (condition)                                                                               \
        tcase_add_test (tcase, test);                                                              \
      else                                                                                         \
        unit_skip (#test, reason);                                                                 \
    }                                                                                              \
  while (0)

#define unit_add_loop_if(tcase, test, start, end, condition, reason)                               \
  do                                                                                               \
    {                                                                                              \
      if (condition)                                                                               \
        tcase_add_loop_test (tcase, test, start, end);                                             \
      else                                                                                         \
        unit_skip (#test, reason);                                                                 \
    }                                                                                              \
  while (0)

#define COUNT(array) ((int) (sizeof (array) / sizeof *(array)))

/* The test of each row of a table. */
#define unit_add_rows(tcase, test, rows) tcase_add_loop_test (tcase, test, 0, COUNT (rows))

/* Runs the suite; for main() to return. */
static UNIT_UNUSED int
unit_run (Suite *suite)
{
  SRunner *runner = srunner_create (suite);
  int failed;

  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
