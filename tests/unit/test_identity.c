/* SPDX-License-Identifier: BSD-3-Clause */
/* The hook is the user, and root no more, in any namespace; who cannot be told,
 * or not become, is refused. His name is that of his uid. */
#include "identity.h"

#include "unit.h"

#include <grp.h>
#include <pwd.h>
#include <sys/syscall.h>

#define INITIAL_USER_NAMESPACE UINT64_C (0xEFFFFFFD)

/* Somebody whom no machine knows. */
#define SOMEBODY 54321

static struct identity id;

/* SLURM_JOB_UID is not told. */
#define NO_UID ((uid_t) -1)
static struct failure f;

static const struct container *
container_with (const char *config)
{
  static struct container c;
  char state[300];

  container_free (&c);
  unit_write_text (unit_path ("config.json"), config);
  (void) snprintf (state, sizeof state, "{\"bundle\": \"%s\"}", unit_tmp);
  int fd = unit_pipe_of (state);
  ck_assert_msg (container_read (&c, fd, &f) == 0, "%s", f.text);
  (void) close (fd);
  return &c;
}

/* For those who need none. */
static const struct container no_container;

#define assert_works(call) ck_assert_msg ((call) == 0, "%s", f.text)

/* The value of NAME in /proc/self/status. */
static const char *
process_status (const char *name)
{
  char *value = strstr (unit_read_text ("/proc/self/status"), name);

  ck_assert_ptr_nonnull (value);
  value += strlen (name) + strlen (":\t");
  value[strcspn (value, "\n")] = '\0';
  return value;
}

#define NO_CAPABILITIES "0000000000000000"

static void
assert_is (uid_t uid, gid_t gid)
{
  uid_t r, e, s;
  gid_t rg, eg, sg;

  ck_assert_int_eq (getresuid (&r, &e, &s), 0);
  ck_assert_int_eq (getresgid (&rg, &eg, &sg), 0);
  ck_assert (r == uid && e == uid && s == uid);
  ck_assert (rg == gid && eg == gid && sg == gid);
  ck_assert_str_eq (process_status ("CapInh"), NO_CAPABILITIES);
  ck_assert_str_eq (process_status ("CapPrm"), NO_CAPABILITIES);
  ck_assert_str_eq (process_status ("CapEff"), NO_CAPABILITIES);
  ck_assert_str_eq (process_status ("CapAmb"), NO_CAPABILITIES);
}

/*
 * identity_guard
 */

START_TEST (guards_itself)
{
  assert_works (identity_guard (false, &f));
  ck_assert_int_eq (prctl (PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
  ck_assert_int_eq (prctl (PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}
END_TEST

START_TEST (says_when_it_cannot_guard_itself)
{
  unit_refuse (SYS_prctl, EPERM);
  unit_assert_refused (identity_guard (false, &f), EX_NOPERM, "Operation not permitted");
}
END_TEST

/*
 * Who it is, in the initial user namespace
 */

START_TEST (an_ordinary_user_is_himself)
{
  const uid_t job_uid = 7;

  /* What the container says counts for root only. */
  const struct container *c = container_with ("{\"process\": {\"user\": {\"uid\": -3}}}");

  if (unit_is_root ())
    unit_become (SOMEBODY);
  const uid_t uid = geteuid ();
  const gid_t gid = getegid ();
  assert_works (identity_find (&id, c, job_uid, &f));
  ck_assert_uint_eq (id.uid, uid);
  ck_assert_uint_eq (id.gid, gid);
  ck_assert_uint_eq (id.host_uid, uid);
  ck_assert (!id.in_namespace);
  ck_assert (!id.host_hidden);
  assert_works (identity_become (&id, &f));
  assert_is (uid, gid);
}
END_TEST

#define USER(uid, gid, groups)                                                                     \
  "{\"process\": {\"user\": {\"uid\": " uid ", \"gid\": " gid ", \"additionalGids\": " groups "}}"

START_TEST (root_looks_at_the_container)
{
  const uid_t job_uid = 7;

  assert_works (
    identity_find (&id, container_with (USER ("2001", "2002", "[3, 4]") "}"), job_uid, &f));
  ck_assert_uint_eq (id.uid, 2001);
  ck_assert_uint_eq (id.host_uid, 2001);
  ck_assert_uint_eq (id.gid, 2002);
  ck_assert_uint_eq (id.group_count, 2);
  ck_assert_uint_eq (id.groups[1], 4);
  ck_assert (!id.in_namespace);
}
END_TEST

START_TEST (root_translates_the_containers_ids)
{
  const char *config
    = USER ("0", "0", "[1]")
      ", \"linux\": {\"namespaces\": [{\"type\": \"user\"}],"
      " \"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 9}],"
      " \"gidMappings\": [{\"containerID\": 0, \"hostID\": 200000, \"size\": 9}]}}";

  assert_works (identity_find (&id, container_with (config), NO_UID, &f));
  ck_assert_uint_eq (id.uid, 100000);
  ck_assert_uint_eq (id.host_uid, 100000);
  ck_assert_uint_eq (id.gid, 200000);
  ck_assert_uint_eq (id.groups[0], 200001);
}
END_TEST

START_TEST (root_refuses_a_bad_user)
{
  unit_assert_refused (identity_find (&id, container_with ("{}"), NO_UID, &f), EX_DATAERR,
                       "process.user");
  unit_assert_refused (identity_find (&id, container_with (USER ("-1", "0", "[]") "}"), NO_UID, &f),
                       EX_DATAERR, "process.user.uid");
}
END_TEST

START_TEST (says_when_it_cannot_see_the_namespace)
{
  unit_refuse_stat (EACCES);
  unit_assert_refused (identity_find (&id, &no_container, NO_UID, &f), EX_NOPERM, "user namespace");
}
END_TEST

/*
 * Becoming him, as root
 */

static gid_t user_groups[] = { 3, 4 };

static struct identity
a_user (uid_t uid, gid_t gid)
{
  return (struct identity){
    .uid = uid, .gid = gid, .host_uid = uid, .groups = user_groups, .group_count = 2
  };
}

/* A program of root's that runs with his rights, whoever starts it. */
static void
make_set_user_id (const char *path)
{
  char command[600];

  (void) snprintf (command, sizeof command, "cp /bin/cat '%s' && chmod 4755 '%s'", path, path);
  ck_assert_int_eq (system (command), 0);
}

/* What it has of them, started by this process. */
static void
assert_gains_nothing (const char *path)
{
  char command[600], line[200];
  unsigned seen = 0;

  (void) snprintf (command, sizeof command, "'%s' /proc/self/status", path);
  FILE *stream = popen (command, "r");
  ck_assert_ptr_nonnull (stream);
  while (fgets (line, sizeof line, stream) != NULL)
    if (strncmp (line, "Uid:", 4) == 0 || strncmp (line, "CapPrm:", 7) == 0
        || strncmp (line, "CapEff:", 7) == 0)
      {
        seen++;
        ck_assert_msg (strcmp (line, "Uid:\t54321\t54321\t54321\t54321\n") == 0
                         || strstr (line, ":\t" NO_CAPABILITIES "\n") != NULL,
                       "%s", line);
      }
  ck_assert_int_eq (pclose (stream), 0);
  ck_assert_uint_eq (seen, 3);
}

START_TEST (becomes_the_user_for_good)
{
  const struct identity user = a_user (SOMEBODY, SOMEBODY + 1);
  gid_t groups[10];
  struct stat st;

  char program[4096];

  (void) snprintf (program, sizeof program, "%s", unit_path ("cat"));
  ck_assert_int_eq (chmod (unit_tmp, 0777), 0);
  make_set_user_id (program);
  assert_works (identity_guard (false, &f));
  assert_works (identity_become (&user, &f));
  assert_is (SOMEBODY, SOMEBODY + 1);
  assert_gains_nothing (program);
  ck_assert_str_eq (process_status ("NoNewPrivs"), "1");
  ck_assert_int_eq (getgroups (10, groups), 2);
  ck_assert (groups[0] == 3 && groups[1] == 4);
  ck_assert_int_ne (setuid (0), 0);
  ck_assert_int_ne (setgid (0), 0);
  ck_assert_int_ne (setgroups (0, NULL), 0);
  unit_write_text (unit_path ("user's"), "");
  ck_assert_int_eq (stat (unit_path ("user's"), &st), 0);
  ck_assert_uint_eq (st.st_uid, SOMEBODY);
  ck_assert_uint_eq (st.st_gid, SOMEBODY + 1);
}
END_TEST

/* Root has jobs, too; he keeps no rights but those of the owner of his files. */
START_TEST (becomes_root_without_rights)
{
  const struct identity user = a_user (0, 0);

  ck_assert_int_eq (prctl (PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
  assert_works (identity_become (&user, &f));
  assert_is (0, 0);
  ck_assert_int_eq (prctl (PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
  ck_assert_str_eq (process_status ("CapPrm"), NO_CAPABILITIES);
  ck_assert_int_ne (setuid (SOMEBODY), 0);
}
END_TEST

START_TEST (loses_the_groups_of_root)
{
  const gid_t roots[] = { 0, 1, 2 };
  struct identity user = a_user (SOMEBODY, SOMEBODY);

  user.group_count = 0;
  ck_assert_int_eq (setgroups (3, roots), 0);
  assert_works (identity_become (&user, &f));
  ck_assert_int_eq (getgroups (0, NULL), 0);
}
END_TEST

static const struct
{
  long number;
  int error; /* 0: it does nothing and says it did */
  uid_t uid;
  const char *says;
} obstacles[] = {
  { SYS_setgroups, EPERM, SOMEBODY, "groups" },
  { SYS_setgroups, 0, SOMEBODY, "could still return to root" },
  { SYS_setresgid, EPERM, SOMEBODY, "cannot become gid 54321" },
  { SYS_setresgid, 0, SOMEBODY, "could still return to root" },
  { SYS_setresuid, EAGAIN, SOMEBODY, "cannot become uid 54321" },
  { SYS_setresuid, 0, SOMEBODY, "could still return to root" },
  { SYS_prctl, EPERM, SOMEBODY, "cannot hide" },
  { SYS_capset, EPERM, SOMEBODY, "cannot give up capabilities" },
  { SYS_capset, 0, 0, "could still return to root" },
};

START_TEST (stops_where_it_cannot_become_the_user)
{
  const struct identity user = a_user (obstacles[_i].uid, obstacles[_i].uid);

  unit_refuse (obstacles[_i].number, obstacles[_i].error);
  unit_assert_refused (identity_become (&user, &f), EX_NOPERM, obstacles[_i].says);
  /* What a sanitizer does at exit needs some of these calls, too. */
  _exit (EXIT_SUCCESS);
}
END_TEST

/*
 * In user namespaces
 */

#define ROOTLESS_MAP "0 2001 1\n1 100000 65536\n"
static const struct unit_maps rootless = { ROOTLESS_MAP, ROOTLESS_MAP, true, 2001 };

#define KEEP_ID_MAP "0 1 2001\n2001 0 1\n2002 2002 63535\n"

static void
make_home (uid_t uid)
{
  const char *home = unit_path ("home");

  unit_mkdir (home);
  ck_assert_int_eq (chown (home, uid, uid), 0);
}

/* Whoever it is now, he is at home. */
static void
assert_is_at_home (uid_t uid)
{
  const char *file = unit_path ("home/file");
  struct stat st;

  unit_write_text (file, "");
  ck_assert_int_eq (stat (file, &st), 0);
  ck_assert_uint_eq (st.st_uid, uid);
}

/* Any rootless runtime: 0 inside is the user outside. */
START_TEST (is_the_owner_of_the_namespace)
{
  const uid_t job_uid = 7;

  make_home (2001);
  unit_enter_namespace (&rootless);
  assert_works (identity_find (&id, &no_container, job_uid, &f));
  ck_assert_uint_eq (id.uid, 0);
  ck_assert_uint_eq (id.gid, 0);
  ck_assert (id.in_namespace);
  ck_assert (!id.host_hidden);
  ck_assert_uint_eq (id.host_uid, 2001);
  assert_works (identity_become (&id, &f));
  assert_is (0, 0);
  assert_is_at_home (0);
}
END_TEST

/* They are his own, and those without a number there could not be taken back:
 * his home may be reached through one of them only. */
START_TEST (keeps_the_groups_of_the_owner)
{
  const gid_t shared[] = { 7777 };
  const char *home = unit_path ("group/home");
  gid_t groups[10];

  unit_mkdir (unit_path ("group"));
  unit_mkdir (home);
  ck_assert_int_eq (chown (home, 2001, 2001), 0);
  ck_assert_int_eq (chown (unit_path ("group"), 0, shared[0]), 0);
  ck_assert_int_eq (chmod (unit_path ("group"), 02750), 0);
  ck_assert_int_eq (setgroups (1, shared), 0);
  unit_enter_namespace (&rootless);
  assert_works (identity_find (&id, &no_container, NO_UID, &f));
  assert_works (identity_become (&id, &f));
  ck_assert_int_eq (getgroups (10, groups), 1);
  unit_mkdir (unit_path ("group/home/.oci-hooks"));
}
END_TEST

/* A process that the runtime runs as another uid of that namespace. */
START_TEST (returns_to_the_owner)
{
  make_home (2001);
  unit_enter_namespace (&rootless);
  ck_assert_int_eq (setgroups (0, NULL), 0);
  ck_assert_int_eq (setresgid (5, 5, 0), 0);
  ck_assert_int_eq (setresuid (0, 0, 0), 0);
  assert_works (identity_find (&id, &no_container, NO_UID, &f));
  ck_assert_uint_eq (id.gid, 5);
  assert_works (identity_become (&id, &f));
  assert_is (0, 5);
  assert_is_at_home (0);
}
END_TEST

/* podman --userns=keep-id in createContainer: a namespace in the user's own,
 * where the hook is somebody else. */
static void
enter_keep_id (void)
{
  const struct unit_maps inner = { KEEP_ID_MAP, KEEP_ID_MAP, true, 0 };

  make_home (2001);
  unit_enter_namespace (&rootless);
  unit_enter_namespace (&inner);
  ck_assert_int_eq (setresgid (0, 0, 0), 0);
  ck_assert_int_eq (setresuid (0, 0, 0), 0);
}

START_TEST (finds_the_owner_with_keep_id)
{
  const uid_t job_uid = 2001;

  enter_keep_id ();
  assert_works (identity_find (&id, &no_container, job_uid, &f));
  ck_assert_uint_eq (id.uid, 2001);
  ck_assert (id.in_namespace);
  ck_assert (id.host_hidden);
  ck_assert_uint_eq (id.host_uid, 2001);
  id.gid = 2001;
  assert_works (identity_become (&id, &f));
  assert_is (2001, 2001);
  assert_is_at_home (2001);
}
END_TEST

/* The host's uid is told by nobody but Slurm, or is the inner one. */
START_TEST (a_hint_names_who_is_hidden)
{
  const uid_t job_uid = 4711;

  enter_keep_id ();
  assert_works (identity_find (&id, &no_container, job_uid, &f));
  ck_assert_uint_eq (id.uid, 2001);
  ck_assert_uint_eq (id.host_uid, 4711);
  assert_works (identity_find (&id, &no_container, NO_UID, &f));
  ck_assert_uint_eq (id.uid, 2001);
  ck_assert_uint_eq (id.host_uid, 2001);
}
END_TEST

/* The hint is not for those who can know better: nobody becomes root by it. */
START_TEST (a_hint_is_only_a_hint)
{
  const uid_t job_uid = 0;

  enter_keep_id ();
  assert_works (identity_find (&id, &no_container, job_uid, &f));
  ck_assert_uint_eq (id.uid, 2001);
}
END_TEST

/* podman --userns=nomap in createContainer, or a rootful container with
 * mappings: the owner has no number inside. */
START_TEST (refuses_an_owner_without_a_number)
{
  const uid_t owner = _i == 0 ? 0 : 2001;
  const struct unit_maps maps = { "0 100000 65536\n", "0 100000 65536\n", true, owner };

  unit_enter_namespace (&maps);
  unit_assert_refused (identity_find (&id, &no_container, NO_UID, &f), EX_NOPERM, "no number");
  unit_assert_match (f.text, "prestart or createRuntime");
}
END_TEST

/* A rootful container in whose namespace real root has a number: what it is
 * the owner of is not its user's. */
START_TEST (refuses_root_as_the_owner)
{
  static const char *const maps[] = { "0 0 65536\n", "0 1000 1\n1 0 1000\n" };
  const struct unit_maps of_root = { maps[_i], maps[_i], true, 0 };

  unit_enter_namespace (&of_root);
  unit_assert_refused (identity_find (&id, &no_container, NO_UID, &f), EX_NOPERM, "is root's");
  unit_assert_match (f.text, "prestart or createRuntime");
}
END_TEST

/* unshare --user: nobody has a number. */
START_TEST (refuses_a_namespace_without_mappings)
{
  ck_assert_int_eq (unshare (CLONE_NEWUSER), 0);
  unit_assert_refused (identity_find (&id, &no_container, NO_UID, &f), EX_NOPERM, "no number");
}
END_TEST

/* unshare --user --map-root-user, where setgroups(2) is denied. */
START_TEST (is_the_user_in_his_own_namespace)
{
  const uid_t uid = unit_is_root () ? SOMEBODY : geteuid ();
  char line[100];

  if (unit_is_root ())
    {
      make_home (uid);
      unit_become (uid);
    }
  else
    unit_mkdir (unit_path ("home"));
  const gid_t gid = getegid ();
  (void) snprintf (line, sizeof line, "tester:x:%u:%u::/:/bin/sh\n", uid, gid);
  unit_write_text (unit_path ("home/passwd"), line);
  unit_enter_own_namespace ();
  assert_works (identity_find (&id, &no_container, NO_UID, &f));
  ck_assert_uint_eq (id.uid, 0);
  ck_assert_uint_eq (id.host_uid, uid);
  assert_works (identity_name (&id, unit_path ("home/passwd"), &f));
  ck_assert_str_eq (id.name, "tester");
  ck_assert_uint_eq (id.gid, 0);
  assert_works (identity_become (&id, &f));
  assert_is (0, 0);
  assert_is_at_home (0);
}
END_TEST

START_TEST (says_when_it_cannot_open_the_namespace)
{
  unit_enter_own_namespace ();
  unit_refuse (SYS_openat, EACCES);
  unit_assert_refused (identity_find (&id, &no_container, NO_UID, &f), EX_NOPERM, "user namespace");
}
END_TEST

START_TEST (says_when_the_owner_cannot_be_told)
{
  unit_enter_own_namespace ();
  unit_refuse (SYS_ioctl, ENOTTY);
  unit_assert_refused (identity_find (&id, &no_container, NO_UID, &f), EX_NOPERM,
                  "owns this user namespace");
}
END_TEST

/* The gid of the user's passwd entry, where it has a number. */
START_TEST (takes_the_gid_of_the_entry)
{
  static const struct
  {
    const char *gid;
    gid_t inside;
  } rows[] = { { "2001", 0 }, { "100009", 10 }, { "77", 5 } };
  char line[100];

  (void) snprintf (line, sizeof line, "tester:x:2001:%s::/:/bin/sh\n", rows[_i].gid);
  unit_write_text (unit_path ("passwd"), line);
  unit_enter_namespace (&rootless);
  ck_assert_int_eq (setresgid (5, 5, 5), 0);
  assert_works (identity_find (&id, &no_container, NO_UID, &f));
  assert_works (identity_name (&id, unit_path ("passwd"), &f));
  ck_assert_uint_eq (id.gid, rows[_i].inside);
}
END_TEST

/* His gid on the host cannot be asked for; in the middle it is 0. */
START_TEST (takes_the_owners_gid_with_keep_id)
{
  const uid_t job_uid = 2001;

  unit_write_text (unit_path ("passwd"), "tester:x:2001:2001::/:/bin/sh\n");
  enter_keep_id ();
  assert_works (identity_find (&id, &no_container, job_uid, &f));
  assert_works (identity_name (&id, unit_path ("passwd"), &f));
  ck_assert_str_eq (id.name, "tester");
  ck_assert_uint_eq (id.gid, 2001);
}
END_TEST

/*
 * The user's name
 */

static int
find_name (uid_t uid, const void *text, size_t size)
{
  id = (struct identity){ .uid = uid, .gid = 9, .host_uid = uid };
  unit_write (unit_path ("passwd"), text, size);
  return identity_name (&id, unit_path ("passwd"), &f);
}

#define REST ":x:54321:54321:Some Body:/nonexistent:/bin/sh"

static const struct
{
  const char *text;
  int status;
  const char *name; /* or what the message says */
} passwds[] = {
  { "root:x:0:0:root:/root:/bin/sh\nwho" REST "\n", 0, "who" },
  { "who" REST "\nwho2" REST "\n", 0, "who" },
  { "who" REST, 0, "who" }, /* no last newline */
  { "\n\n  \n# who is who\n#no" REST "\nwho" REST "\n", 0, "who" },
  { "+::::::\nwho" REST "\n", 0, "who" },
  { "+" REST "\n-" REST "\n+no" REST "\n-no" REST "\nwho" REST "\n", 0, "who" },
  { "who\nwho:x\nwho:x:54321\nwhy" REST "\n", 0, "why" },
  { "no:x:x54321:1:::\nno:x::1:::\nwho" REST "\n", 0, "who" },
  { "who" REST "\r\nroot:x:0:0::/:/bin/sh\r\n", 0, "who" },
  { "\r\n# no\r\nwho" REST "\r\n", 0, "who" },
  { "Gr\xc3\xbc\xc3\x9f" REST "\n", 0, "Gr\xc3\xbc\xc3\x9f" },
  { "a.b-c_d$" REST "\n", 0, "a.b-c_d$" },
  { "...x" REST "\n", 0, "...x" },
  { "", EX_NOUSER, "uid 54321" },
  { "root:x:0:0:root:/root:/bin/sh\n", EX_NOUSER, "uid 54321" },
  { "+" REST "\n", EX_NOUSER, "uid 54321" },
  { REST "\n", EX_NOUSER, "uid 54321" }, /* no name */
  { "\0who" REST "\n", EX_NOUSER, "uid 54321" },
  { ".." REST "\n", EX_NOPERM, "\"..\"" },
  { "." REST "\n", EX_NOPERM, "\".\"" },
  { "a/b" REST "\n", EX_NOPERM, "a/b" },
  { "/" REST "\n", EX_NOPERM, "/" },
  { "../root" REST "\n", EX_NOPERM, "../root" },
  { "a\tb" REST "\n", EX_NOPERM, "a?b" },
  { "a\033[2Jb" REST "\n", EX_NOPERM, "a?[2Jb" },
  { "a\177" REST "\n", EX_NOPERM, "a?" },
};

START_TEST (reads_passwd_files)
{
  const char *name = passwds[_i].name;

  if (passwds[_i].status == 0)
    {
      assert_works (find_name (SOMEBODY, passwds[_i].text, strlen (passwds[_i].text)));
      ck_assert_str_eq (id.name, name);
      ck_assert_str_eq (id.home, "/nonexistent");
      ck_assert_uint_eq (id.gid, 9);
    }
  else
    unit_assert_refused (find_name (SOMEBODY, passwds[_i].text, strlen (passwds[_i].text)),
                    passwds[_i].status, name);
}
END_TEST

/* Neither one that nobody writes to nor one that is written to never holds it
 * up. */
START_TEST (does_not_wait_for_a_fifo)
{
  const char *fifo = unit_path ("fifo");

  id = (struct identity){ .uid = SOMEBODY, .host_uid = SOMEBODY };
  ck_assert_int_eq (mkfifo (fifo, 0600), 0);
  unit_assert_refused (identity_name (&id, fifo, &f), EX_NOUSER, "uid 54321");
  int fd = open (fifo, O_RDWR | O_CLOEXEC);
  ck_assert_int_ge (fd, 0);
  unit_assert_refused (identity_name (&id, fifo, &f), EX_CONFIG, "temporarily unavailable");
}
END_TEST

/* Root is nobody special, and not who the syntax of NIS seems to name. */
START_TEST (finds_root)
{
  static const char text[] = "+::::::\n+\nroot2:x:0:0::/:/bin/sh\n";

  assert_works (find_name (0, text, strlen (text)));
  ck_assert_str_eq (id.name, "root2");
}
END_TEST

/* A line of LENGTH bytes of somebody else, and then ours. */
static int
find_after_long_line (size_t length)
{
  static const char start[] = "other:x:1:1:", ours[] = ":/:/bin/sh\nwho" REST "\n";
  char *text = malloc (length + sizeof ours);

  ck_assert_ptr_nonnull (text);
  memset (text, 'x', length);
  memcpy (text, start, strlen (start));
  memcpy (text + length - strlen (":/:/bin/sh"), ours, strlen (ours));
  int result = find_name (SOMEBODY, text, length + strlen ("\nwho" REST "\n"));
  free (text);
  return result;
}

START_TEST (reads_long_lines)
{
  assert_works (find_after_long_line (5000));
  ck_assert_str_eq (id.name, "who");
  assert_works (find_after_long_line (500000));
  ck_assert_str_eq (id.name, "who");
  unit_assert_refused (find_after_long_line (2000000), EX_CONFIG, "a line is too long");
}
END_TEST

START_TEST (limits_the_name)
{
  char text[400];
  const size_t length = sizeof id.name - 1 + (size_t) _i;

  memset (text, 'n', length);
  (void) snprintf (text + length, sizeof text - length, "%s\n", REST);
  if (_i == 0)
    {
      assert_works (find_name (SOMEBODY, text, strlen (text)));
      ck_assert_uint_eq (strlen (id.name), length);
    }
  else
    unit_assert_refused (find_name (SOMEBODY, text, strlen (text)), EX_NOPERM, "nnnnn");
}
END_TEST

/* The linker leads identity.c's calls here (--wrap), so that every C library can
 * be glibc 2.31: it says ERANGE of a read error, too. */
int __real_fgetpwent_r (FILE *, struct passwd *, char *, size_t, struct passwd **);
int __wrap_fgetpwent_r (FILE *, struct passwd *, char *, size_t, struct passwd **);

static bool is_231;

int
__wrap_fgetpwent_r (FILE *stream, struct passwd *entry, char *buffer, size_t size,
                    struct passwd **found)
{
  int error = __real_fgetpwent_r (stream, entry, buffer, size, found);

  return is_231 && error != 0 && ferror (stream) != 0 ? ERANGE : error;
}

START_TEST (refuses_a_file_that_cannot_be_read)
{
  is_231 = _i == 1;
  id = (struct identity){ .host_uid = SOMEBODY };
  unit_assert_refused (identity_name (&id, unit_path ("nowhere"), &f), EX_CONFIG, "nowhere");
  unit_assert_match (f.text, "No such file");
  unit_assert_refused (identity_name (&id, unit_tmp, &f), EX_CONFIG, unit_tmp);
  unit_assert_match (f.text, "Is a directory");
}
END_TEST

START_TEST (asks_the_node_for_others)
{
  static const char text[] = "who" REST "\n";
  const struct passwd *root = getpwuid (0);

  assert_works (find_name (0, text, strlen (text)));
  ck_assert_str_eq (id.name, root->pw_name);
  ck_assert_str_eq (id.home, root->pw_dir);
  id = (struct identity){ 0 };
  assert_works (identity_name (&id, NULL, &f));
  ck_assert_str_eq (id.name, root->pw_name);
  id = (struct identity){ .host_uid = 4000000001 };
  unit_assert_refused (identity_name (&id, NULL, &f), EX_NOUSER,
                       "uid 4000000001 is not known to this node");
}
END_TEST

static bool
is_initial_namespace (void)
{
  struct stat st;

  return stat ("/proc/self/ns/user", &st) == 0 && st.st_ino == INITIAL_USER_NAMESPACE;
}

static void
add_initial_tests (Suite *suite)
{
  const bool initial = is_initial_namespace (), root = initial && unit_is_root ();
  const char *why = "needs root, in the initial user namespace";
  TCase *tcase = unit_case (suite, "initial");

  tcase_add_test (tcase, guards_itself);
  tcase_add_test (tcase, says_when_it_cannot_guard_itself);
  unit_add_if (tcase, an_ordinary_user_is_himself, initial, "needs the initial user namespace");
  unit_add_if (tcase, root_looks_at_the_container, root, why);
  unit_add_if (tcase, root_translates_the_containers_ids, root, why);
  unit_add_if (tcase, root_refuses_a_bad_user, root, why);
  tcase_add_test (tcase, says_when_it_cannot_see_the_namespace);
  unit_add_if (tcase, becomes_the_user_for_good, root, why);
  unit_add_if (tcase, becomes_root_without_rights, root, why);
  unit_add_if (tcase, loses_the_groups_of_root, root, why);
  unit_add_loop_if (tcase, stops_where_it_cannot_become_the_user, 0, COUNT (obstacles), root,
                    why);
}

static void
add_namespace_tests (Suite *suite)
{
  const bool allowed = unit_may_unshare (CLONE_NEWUSER), root = allowed && unit_is_root ();
  const char *why = "needs root and user namespaces", *why_not = "no user namespaces here";
  TCase *tcase = unit_case (suite, "namespaces");

  unit_add_if (tcase, is_the_owner_of_the_namespace, root, why);
  unit_add_if (tcase, keeps_the_groups_of_the_owner, root, why);
  unit_add_if (tcase, returns_to_the_owner, root, why);
  unit_add_if (tcase, finds_the_owner_with_keep_id, root, why);
  unit_add_if (tcase, a_hint_names_who_is_hidden, root, why);
  unit_add_if (tcase, a_hint_is_only_a_hint, root, why);
  unit_add_if (tcase, refuses_a_namespace_without_mappings, allowed, why_not);
  unit_add_if (tcase, is_the_user_in_his_own_namespace, allowed, why_not);
  unit_add_if (tcase, says_when_it_cannot_open_the_namespace, allowed, why_not);
  unit_add_if (tcase, says_when_the_owner_cannot_be_told, allowed, why_not);
  unit_add_if (tcase, takes_the_owners_gid_with_keep_id, root, why);
  unit_add_loop_if (tcase, refuses_an_owner_without_a_number, 0, 2, root, why);
  unit_add_loop_if (tcase, refuses_root_as_the_owner, 0, 2, root, why);
  unit_add_loop_if (tcase, takes_the_gid_of_the_entry, 0, 3, root, why);
}

static void
add_name_tests (Suite *suite)
{
  TCase *tcase = unit_case (suite, "name");

  unit_add_rows (tcase, reads_passwd_files, passwds);
  tcase_add_test (tcase, finds_root);
  tcase_add_test (tcase, reads_long_lines);
  tcase_add_loop_test (tcase, limits_the_name, 0, 2);
  tcase_add_loop_test (tcase, refuses_a_file_that_cannot_be_read, 0, 2);
  tcase_add_test (tcase, does_not_wait_for_a_fifo);
  unit_add_if (tcase, asks_the_node_for_others, getpwuid (0) != NULL, "this node knows no root");
}

int
main (void)
{
  Suite *suite = suite_create ("identity");

  add_initial_tests (suite);
  add_namespace_tests (suite);
  add_name_tests (suite);
  return unit_run (suite);
}
