/* SPDX-License-Identifier: BSD-3-Clause */
/* The directory is the user's and nobody else's, or is refused with its reason;
 * nothing is made where it is not his. */
#include "syncdir.h"

#include "unit.h"

#include <sys/syscall.h>

/* Somebody whom no machine knows, and another. */
#define SOMEBODY 54321
#define STRANGER 54399

static struct failure f;

/* The user who calls; as root, after become_user(), SOMEBODY. */
static struct identity user;

static void
set_up_user (void)
{
  user = (struct identity){ .uid = unit_is_root () ? SOMEBODY : geteuid () };
  user.host_uid = user.uid;
  (void) snprintf (user.name, sizeof user.name, "who");
}

/* Makes the directory NAME below the test's, with that owner if root asks. */
static void
make_directory (const char *name, mode_t mode, uid_t owner)
{
  const char *path = unit_path (name);

  unit_mkdir (path);
  if (unit_is_root ())
    ck_assert_int_eq (chown (path, owner, owner), 0);
  ck_assert_int_eq (chmod (path, mode), 0);
}

static void
make_link (const char *target, const char *name, uid_t owner)
{
  const char *path = unit_path (name);

  unit_symlink (target, path);
  if (unit_is_root ())
    ck_assert_int_eq (lchown (path, owner, owner), 0);
}

/* A base directory with the user's in it. */
static void
make_home (void)
{
  make_directory ("base", 0755, 0);
  make_directory ("base/who", 0700, user.uid);
}

static void
become_user (void)
{
  if (geteuid () == 0)
    unit_become (user.uid);
}

#define BASE unit_path ("base")

static char path[SYNCDIR_USER_MAX];

#define HOOKS "base/who/.oci-hooks"
#define SYNC HOOKS "/slurm-global-sync"

static void
assert_opens (const char *name)
{
  struct stat opened, named;

  become_user ();
  int fd = syncdir_open (BASE, &user, true, path, &f);
  ck_assert_msg (fd >= 0, "%s", f.text);
  ck_assert_int_eq (fstat (fd, &opened), 0);
  ck_assert_int_eq (stat (unit_path (name), &named), 0);
  ck_assert (opened.st_ino == named.st_ino && opened.st_dev == named.st_dev);
  ck_assert_uint_eq (opened.st_mode, S_IFDIR | 0700);
  ck_assert_int_eq (fcntl (fd, F_GETFD), FD_CLOEXEC);
  ck_assert_int_eq (mkdirat (fd, "x", 0700), 0);
  ck_assert_int_eq (unlinkat (fd, "x", AT_REMOVEDIR), 0);
  (void) close (fd);
}

static void
assert_refuses (int status, const char *says)
{
  become_user ();
  ck_assert_int_eq (syncdir_open (BASE, &user, true, path, &f), -1);
  ck_assert_int_eq (f.status, status);
  unit_assert_match (f.text, says);
}

static mode_t
mode_of (const char *name)
{
  struct stat st;

  ck_assert_int_eq (lstat (unit_path (name), &st), 0);
  return st.st_mode & 07777;
}

static void
assert_absent (const char *name)
{
  ck_assert_int_ne (access (unit_path (name), F_OK), 0);
}

START_TEST (makes_what_is_missing)
{
  make_home ();
  assert_opens (SYNC);
  ck_assert_uint_eq (mode_of (HOOKS), 0700);
  ck_assert_uint_eq (mode_of (SYNC), 0700);
  assert_opens (SYNC); /* and finds it */
}
END_TEST

START_TEST (lets_nobody_else_in)
{
  make_home ();
  make_directory (HOOKS, 0755, user.uid);
  make_directory (SYNC, 0755, user.uid);
  assert_opens (SYNC);
  /* That one is for other hooks, too. */
  ck_assert_uint_eq (mode_of (HOOKS), 0755);
  ck_assert_uint_eq (mode_of (SYNC), 0700);
}
END_TEST

/* A file system that knows only one mode. */
START_TEST (bears_a_mode_that_stays)
{
  make_home ();
  make_directory (HOOKS, 0755, user.uid);
  make_directory (SYNC, 0755, user.uid);
  become_user ();
  unit_refuse (SYS_fchmod, EPERM);
  int fd = syncdir_open (BASE, &user, true, path, &f);
  ck_assert_int_ge (fd, 0);
  ck_assert_uint_eq (mode_of (SYNC), 0755);
  (void) close (fd);
}
END_TEST

START_TEST (finds_without_making)
{
  make_home ();
  become_user ();
  ck_assert_int_eq (syncdir_open (BASE, &user, false, path, &f), -1);
  ck_assert_int_eq (f.status, 0);
  assert_absent (HOOKS);
  make_directory (HOOKS, 0755, user.uid);
  ck_assert_int_eq (syncdir_open (BASE, &user, false, path, &f), -1);
  ck_assert_int_eq (f.status, 0);
  assert_absent (SYNC);
  make_directory (SYNC, 0755, user.uid);
  int fd = syncdir_open (BASE, &user, false, path, &f);
  ck_assert_int_ge (fd, 0);
  ck_assert_uint_eq (mode_of (SYNC), 0755);
  (void) close (fd);
}
END_TEST

START_TEST (refuses_a_missing_base)
{
  assert_refuses (EX_CONFIG, "base: No such file");
}
END_TEST

START_TEST (refuses_a_base_that_is_a_file)
{
  unit_write_text (BASE, "");
  assert_refuses (EX_CONFIG, "base is not a directory");
}
END_TEST

START_TEST (refuses_a_base_with_a_long_path)
{
  char base[5000];

  memset (base, '/', sizeof base - 1);
  base[sizeof base - 1] = '\0';
  ck_assert_int_eq (syncdir_open (base, &user, true, path, &f), -1);
  ck_assert_int_eq (f.status, EX_CONFIG);
  unit_assert_match (f.text, "the user's directory is a path of");
}
END_TEST

START_TEST (refuses_a_missing_user)
{
  make_directory ("base", 0755, 0);
  assert_refuses (EX_CANTCREAT, "base/who: No such file");
  assert_absent ("base/who");
}
END_TEST

START_TEST (refuses_a_user_that_is_a_file)
{
  make_directory ("base", 0755, 0);
  unit_write_text (unit_path ("base/who"), "");
  assert_refuses (EX_CANTCREAT, "base/who: Not a directory");
}
END_TEST

START_TEST (refuses_a_user_that_belongs_to_another)
{
  make_home ();
  if (unit_is_root ())
    ck_assert_int_eq (chown (unit_path ("base/who"), STRANGER, STRANGER), 0);
  else
    user.uid++;
  ck_assert_int_eq (chmod (unit_path ("base/who"), 0777), 0);
  assert_refuses (EX_NOPERM, "base/who belongs to uid");
  assert_absent (HOOKS);
}
END_TEST

/* A base directory where the user's is a link of OWNER's to TARGET, and elsewhere. */
static void
make_linked_home (const char *target, uid_t owner)
{
  make_directory ("base", 0755, 0);
  make_directory ("elsewhere", 0700, user.uid);
  make_link (target, "base/who", owner);
}

START_TEST (follows_the_users_link)
{
  make_linked_home ("../elsewhere", user.uid);
  assert_opens ("elsewhere/.oci-hooks/slurm-global-sync");
}
END_TEST

START_TEST (follows_roots_link)
{
  make_linked_home (unit_path ("elsewhere"), 0);
  assert_opens ("elsewhere/.oci-hooks/slurm-global-sync");
}
END_TEST

START_TEST (refuses_a_strangers_link)
{
  make_linked_home ("../elsewhere", STRANGER);
  ck_assert_int_eq (chmod (BASE, 01777), 0);
  if (!unit_is_root ())
    user.uid++;
  assert_refuses (EX_NOPERM, "link");
  assert_absent ("elsewhere/.oci-hooks");
}
END_TEST

START_TEST (refuses_a_link_to_a_strangers_directory)
{
  make_directory ("base", 0755, 0);
  make_directory ("elsewhere", 0777, STRANGER);
  make_link ("../elsewhere", "base/who", user.uid);
  assert_refuses (EX_NOPERM, "belongs to uid 54399");
  assert_absent ("elsewhere/.oci-hooks");
}
END_TEST

START_TEST (refuses_a_link_that_leads_nowhere)
{
  make_directory ("base", 0755, 0);
  make_link ("nowhere", "base/who", user.uid);
  assert_refuses (EX_CANTCREAT, "base/who: No such file");
}
END_TEST

/* Root's directory is as good as the user's, if only what the user has to own
 * is there. */
START_TEST (takes_a_directory_of_roots)
{
  make_directory ("base", 0755, 0);
  make_directory ("base/who", 0755, 0);
  make_directory (HOOKS, 0700, user.uid);
  assert_opens (SYNC);
}
END_TEST

START_TEST (refuses_a_closed_directory)
{
  make_directory ("base", 0755, 0);
  make_directory ("base/who", unit_is_root () ? 0755 : 0500, 0);
  assert_refuses (EX_CANTCREAT, "cannot make");
  unit_assert_match (f.text, "base/who/.oci-hooks: Permission denied");
}
END_TEST

/* Names of what is below, one after the other. */
static const char *const below[] = { HOOKS, SYNC };

static void
make_home_above (const char *name)
{
  make_home ();
  if (strcmp (name, SYNC) == 0)
    make_directory (HOOKS, 0700, user.uid);
}

START_TEST (refuses_links_below)
{
  make_home_above (below[_i]);
  make_directory ("elsewhere", 0700, user.uid);
  make_link (unit_path ("elsewhere"), below[_i], user.uid);
  assert_refuses (EX_NOPERM, strrchr (below[_i], '/'));
  unit_assert_match (f.text, "symbolic link");
  assert_absent ("elsewhere/slurm-global-sync");
}
END_TEST

START_TEST (refuses_files_below)
{
  make_home_above (below[_i]);
  unit_write_text (unit_path (below[_i]), "");
  assert_refuses (EX_NOPERM, strrchr (below[_i], '/'));
  unit_assert_match (f.text, "not a directory");
}
END_TEST

START_TEST (refuses_what_others_may_write)
{
  static const mode_t modes[] = { 0720, 0702, 0777, 01777 };

  make_home_above (below[_i % 2]);
  make_directory (below[_i % 2], modes[_i / 2], user.uid);
  assert_refuses (EX_NOPERM, strrchr (below[_i % 2], '/'));
  unit_assert_match (f.text, "writable by others");
  ck_assert_uint_eq (mode_of (below[_i % 2]), modes[_i / 2]);
}
END_TEST

/* Not even root's will do. */
START_TEST (refuses_what_belongs_to_another)
{
  static const uid_t owners[] = { 0, STRANGER };
  static const mode_t modes[] = { 0755, 0700 };
  const uid_t owner = owners[_i / 2 % 2];
  char says[40];

  make_home_above (below[_i % 2]);
  make_directory (below[_i % 2], modes[_i / 4], owner);
  (void) snprintf (says, sizeof says, "belongs to uid %u", owner);
  assert_refuses (EX_NOPERM, says);
  unit_assert_match (f.text, strrchr (below[_i % 2], '/'));
}
END_TEST

static const int full[] = { ENOSPC, EDQUOT, EROFS, EIO };

START_TEST (says_why_it_cannot_make_it)
{
  make_home ();
  become_user ();
  unit_refuse (SYS_mkdirat, full[_i]);
  assert_refuses (EX_CANTCREAT, "cannot make");
  unit_assert_match (f.text, strerror (full[_i]));
}
END_TEST

/* It was made, they say, and it is not there. */
START_TEST (says_when_it_cannot_open_what_was_made)
{
  make_home ();
  become_user ();
  unit_refuse (SYS_mkdirat, EEXIST);
  assert_refuses (EX_CANTCREAT, "cannot open");
}
END_TEST

START_TEST (says_when_it_cannot_open_what_is_there)
{
  make_home ();
  make_directory (HOOKS, 0, user.uid);
  assert_refuses (EX_CANTCREAT, "cannot open");
  unit_assert_match (f.text, ".oci-hooks: Permission denied");
}
END_TEST

START_TEST (says_when_it_cannot_look)
{
  make_home ();
  become_user ();
  unit_refuse_stat (EIO);
  assert_refuses (EX_CANTCREAT, "cannot open");
}
END_TEST

/*
 * In a user namespace root is one of many without a number.
 */

static const struct unit_maps rootless = { "0 54321 1\n", "0 54321 1\n", true, SOMEBODY };

static void
enter_namespace (void)
{
  unit_enter_namespace (&rootless);
  user.uid = 0;
  user.in_namespace = true;
}

/* As an ordinary user, too. */
START_TEST (works_in_a_namespace)
{
  make_home ();
  if (unit_is_root ())
    unit_become (SOMEBODY);
  unit_enter_own_namespace ();
  user.uid = 0;
  user.in_namespace = true;
  assert_opens (SYNC);
}
END_TEST

START_TEST (knows_roots_directory_by_where_it_is)
{
  make_directory ("base", 0755, 0);
  make_directory ("elsewhere", 0755, 0);
  make_directory ("elsewhere/.oci-hooks", 0700, user.uid);
  make_link ("../elsewhere", "base/who", 0);
  enter_namespace ();
  assert_opens ("elsewhere/.oci-hooks/slurm-global-sync");
}
END_TEST

static const struct
{
  mode_t mode;
  uid_t owner;
} bases_of_others[] = { { 01777, 0 }, { 0775, 0 }, { 0755, SOMEBODY } };

START_TEST (knows_no_root_where_others_write)
{
  make_directory ("base", bases_of_others[_i].mode, bases_of_others[_i].owner);
  make_directory ("base/who", 0777, STRANGER);
  enter_namespace ();
  assert_refuses (EX_NOPERM, "base/who belongs to uid 65534");
  assert_absent (HOOKS);
}
END_TEST

START_TEST (wants_the_rest_to_be_the_users)
{
  make_directory ("base", 0755, 0);
  make_directory ("base/who", 0755, user.uid);
  make_directory (HOOKS, 0755, 0);
  enter_namespace ();
  assert_refuses (EX_NOPERM, ".oci-hooks belongs to uid 65534");
}
END_TEST

static void
add_owner_tests (Suite *suite)
{
  const bool root = unit_is_root ();
  const char *why = "needs root";
  TCase *tcase = unit_case_with (suite, "owners", set_up_user);

  tcase_add_test (tcase, refuses_a_user_that_belongs_to_another);
  tcase_add_test (tcase, follows_the_users_link);
  unit_add_if (tcase, follows_roots_link, root, why);
  tcase_add_test (tcase, refuses_a_strangers_link);
  unit_add_if (tcase, refuses_a_link_to_a_strangers_directory, root, why);
  tcase_add_test (tcase, refuses_a_link_that_leads_nowhere);
  unit_add_if (tcase, takes_a_directory_of_roots, root, why);
  tcase_add_test (tcase, refuses_a_closed_directory);
  tcase_add_loop_test (tcase, refuses_links_below, 0, 2);
  tcase_add_loop_test (tcase, refuses_files_below, 0, 2);
  tcase_add_loop_test (tcase, refuses_what_others_may_write, 0, 8);
  unit_add_loop_if (tcase, refuses_what_belongs_to_another, 0, 8, root, why);
}

static void
add_directory_tests (Suite *suite)
{
  TCase *tcase = unit_case_with (suite, "directories", set_up_user);

  tcase_add_test (tcase, makes_what_is_missing);
  tcase_add_test (tcase, lets_nobody_else_in);
  tcase_add_test (tcase, bears_a_mode_that_stays);
  tcase_add_test (tcase, finds_without_making);
  tcase_add_test (tcase, refuses_a_missing_base);
  tcase_add_test (tcase, refuses_a_base_that_is_a_file);
  tcase_add_test (tcase, refuses_a_base_with_a_long_path);
  tcase_add_test (tcase, refuses_a_missing_user);
  tcase_add_test (tcase, refuses_a_user_that_is_a_file);
  unit_add_rows (tcase, says_why_it_cannot_make_it, full);
  tcase_add_test (tcase, says_when_it_cannot_open_what_was_made);
  tcase_add_test (tcase, says_when_it_cannot_open_what_is_there);
  tcase_add_test (tcase, says_when_it_cannot_look);
}

static void
add_namespace_tests (Suite *suite)
{
  const bool allowed = unit_may_unshare (CLONE_NEWUSER), root = allowed && unit_is_root ();
  const char *why = "needs root and user namespaces";
  TCase *tcase = unit_case_with (suite, "namespaces", set_up_user);

  unit_add_if (tcase, works_in_a_namespace, allowed, "no user namespaces here");
  unit_add_if (tcase, knows_roots_directory_by_where_it_is, root, why);
  unit_add_if (tcase, wants_the_rest_to_be_the_users, root, why);
  unit_add_loop_if (tcase, knows_no_root_where_others_write, 0, COUNT (bases_of_others), root, why);
}

int
main (void)
{
  Suite *suite = suite_create ("syncdir");

  add_directory_tests (suite);
  add_owner_tests (suite);
  add_namespace_tests (suite);
  return unit_run (suite);
}
