/* SPDX-License-Identifier: BSD-3-Clause */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/linux/proc_ns.h: PROC_USER_INIT_INO, the same on every kernel. */
#define INITIAL_USER_NAMESPACE UINT64_C (0xEFFFFFFD)

#define PASSWD_LINE_MAX ((size_t) 1 << 20)

int
identity_guard (bool runs_others, struct failure *f)
{
  /* A program that takes rights from its file would take its orders, the
   * container's state, from the user. */
  if (getauxval (AT_SECURE) != 0)
    return fail (f, EX_NOPERM, "the hook must not be set-user-id, set-group-id or have file "
                               "capabilities");
  /* Not dumpable: no core dump, and no ptrace(2) by other processes of the user's. */
  if (!runs_others
      && (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) != 0))
    return fail (f, EX_NOPERM, "cannot give up new privileges, or hide from other processes: %m");
  return 0;
}

/* Translates ID by the mapping in the file MAP of /proc: TO_OUTSIDE, from this
 * user namespace's numbers to its parent's, or back.  Returns false if the id
 * has no number there. */
static bool
identity_map (const char *map, bool to_outside, uint32_t id, uint32_t *mapped)
{
  FILE *stream = fopen (map, "re");
  unsigned long inside, outside, size;
  bool found = false;

  if (stream == NULL)
    return false;
  while (!found && fscanf (stream, "%lu %lu %lu", &inside, &outside, &size) == 3)
    {
      unsigned long from = to_outside ? inside : outside;
      unsigned long to = to_outside ? outside : inside;
      if (id < from || id - from >= size)
        continue;
      *mapped = (uint32_t) (to + (id - from));
      found = true;
    }
  (void) fclose (stream);
  return found;
}

/* In a user namespace: its owner.  The uid that its parent namespace gives him
 * is the host's, unless that namespace is one of his own, too, where he is 0
 * (rootless podman's --userns=keep-id in createContainer). */
static int
identity_find_owner (struct identity *id, int namespace_fd, uid_t job_uid,
                     struct failure *f)
{
  uint32_t outside;
  struct stat st;

  if (ioctl (namespace_fd, NS_GET_OWNER_UID, &id->uid) != 0)
    return fail (f, EX_NOPERM, "cannot tell who owns this user namespace: %m");
  if (id->uid == OVERFLOW_ID || !identity_map ("/proc/self/uid_map", true, id->uid, &outside))
    return fail (f, EX_NOPERM, "the owner of this user namespace has no number in it; "
                               "run the hook in stage prestart or createRuntime");
  /* A container of root's, in createContainer, with root's own uid mapped: it
   * has a user, too, and root's files are not for him.  Those of /proc that tell
   * of the kernel are real root's, whoever has mounted it. */
  if (stat ("/proc/version", &st) == 0 && id->uid == st.st_uid)
    return fail (f, EX_NOPERM, "this user namespace is root's, so its owner is not the user; "
                               "run the hook in stage prestart or createRuntime");
  id->in_namespace = true;
  id->gid = getegid ();
  id->host_uid = outside;
  id->host_hidden = outside == 0;
  if (id->host_hidden)
    id->host_uid = job_uid != (uid_t) -1 ? job_uid : id->uid;
  return 0;
}

int
identity_find (struct identity *id, const struct container *c, uid_t job_uid,
               struct failure *f)
{
  const char path[] = "/proc/self/ns/user";
  struct stat st;

  struct container_user user = { .uid = geteuid (), .gid = getegid () };

  *id = (struct identity){ 0 };
  if (stat (path, &st) != 0)
    return fail (f, EX_NOPERM, "cannot tell the user namespace: %s: %m", path);
  if (st.st_ino == INITIAL_USER_NAMESPACE)
    {
      if (user.uid == 0 && container_user (c, &user, f) != 0)
        return -1;
      id->uid = id->host_uid = user.uid;
      id->gid = user.gid;
      id->groups = user.groups;
      id->group_count = user.group_count;
      return 0;
    }
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail (f, EX_NOPERM, "cannot open the user namespace: %s: %m", path);
  int result = identity_find_owner (id, fd, job_uid, f);
  (void) close (fd);
  return result;
}

/* Looks NAME, or UID if that is NULL, up in the file PATH.  1: found, 0: not in it. */
static int
identity_search_file (const char *name, uid_t uid, const char *path, struct passwd *entry,
                      char *buffer, struct failure *f)
{
  /* O_NONBLOCK: a FIFO in its place must not hold the container up. */
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  FILE *stream = fd < 0 ? NULL : fdopen (fd, "r");
  struct passwd *found = NULL;
  int error;

  if (stream == NULL)
    return fail (f, errno == ENOMEM ? EX_OSERR : EX_CONFIG,
                 "cannot open PASSWD_FILE %s: %m; it must be on all nodes, and all users must be "
                 "able to read it",
                 path);
  do
    error = fgetpwent_r (stream, entry, buffer, PASSWD_LINE_MAX, &found);
  /* "+::::::" and the like are old NIS syntax, parsed as uid 0: no user. */
  while (error == 0
         && ((name != NULL ? strcmp (found->pw_name, name) != 0 : found->pw_uid != uid)
             || strchr ("+-", found->pw_name[0]) != NULL));
  bool broken = ferror (stream) != 0;
  /* glibc 2.31 says ERANGE of a read error, too; the next read(2) says which. */
  if (error == ERANGE && broken)
    error = read (fd, buffer, 1) < 0 ? errno : EIO;
  (void) fclose (stream);
  if (error == 0)
    return 1;
  if (error == ENOENT && !broken)
    return 0;
  return fail (f, error == ENOMEM ? EX_OSERR : EX_CONFIG, "cannot read PASSWD_FILE %s: %s", path,
               error == ERANGE ? "a line is too long" : strerror (error));
}

/* Fills in what ENTRY says beside the ids. */
static int
identity_set_name (struct identity *id, const struct passwd *entry, struct failure *f)
{
  const char *name = entry->pw_name;
  bool good = name[0] != '\0' && strlen (name) < sizeof id->name;
  uint32_t gid = id->host_hidden ? 0 : entry->pw_gid;

  for (const char *p = name; good && *p != '\0'; p++)
    good = *p != '/' && (unsigned char) *p >= 0x20 && *p != 0x7f;
  if (!good || strcmp (name, ".") == 0 || strcmp (name, "..") == 0)
    return fail (f, EX_NOPERM, "the user name \"%.80s\" of uid %u cannot be a directory's", name,
                 id->host_uid);
  (void) snprintf (id->name, sizeof id->name, "%s", name);
  if (entry->pw_dir[0] == '/' && strlen (entry->pw_dir) < sizeof id->home)
    (void) snprintf (id->home, sizeof id->home, "%s", entry->pw_dir);
  /* What the host calls his gid is found only where it is not hidden; in a
   * namespace within one of his own, it is that one's 0. */
  if (id->in_namespace && identity_map ("/proc/self/gid_map", false, gid, &gid))
    id->gid = gid;
  return 0;
}

int
identity_take (struct identity *id, const struct passwd *entry, struct failure *f)
{
  *id = (struct identity){ .uid = entry->pw_uid, .host_uid = entry->pw_uid, .gid = entry->pw_gid };
  return identity_set_name (id, entry, f);
}

/* Finds the ENTRY of NAME, or of UID if that is NULL. */
static int
identity_look_up (const char *name, uid_t uid, const char *passwd_file, struct passwd *entry,
                  struct failure *f)
{
  static char buffer[PASSWD_LINE_MAX]; /* only what is used of it takes memory */
  struct passwd *found = NULL;
  int in_file = 0;

  if (passwd_file != NULL)
    in_file = identity_search_file (name, uid, passwd_file, entry, buffer, f);
  if (in_file != 0)
    return in_file < 0 ? -1 : 0;
  int error = name != NULL ? getpwnam_r (name, entry, buffer, sizeof buffer, &found)
                           : getpwuid_r (uid, entry, buffer, sizeof buffer, &found);
  if (found != NULL)
    return 0;
  if (name != NULL)
    return fail (f, error == 0 || error == ENOENT ? EX_NOUSER : EX_OSERR,
                 "user %s is not known%s%s", name, error == 0 ? "" : ": ",
                 error == 0 ? "" : strerror (error));
  return fail (f, EX_NOUSER,
               "uid %u is %s%s%sknown to this node%s%s; add the user, or repair the node's name "
               "service (LDAP, SSSD)",
               uid, passwd_file != NULL ? "neither in PASSWD_FILE " : "not ",
               passwd_file != NULL ? passwd_file : "", passwd_file != NULL ? " nor " : "",
               error == 0 ? "" : ": ", error == 0 ? "" : strerror (error));
}

int
identity_name (struct identity *id, const char *passwd_file, struct failure *f)
{
  struct passwd entry;
  int result = identity_look_up (NULL, id->host_uid, passwd_file, &entry, f);

  return result == 0 ? identity_set_name (id, &entry, f) : -1;
}

int
identity_by_name (struct identity *id, const char *name, const char *passwd_file, struct failure *f)
{
  struct passwd entry;
  int result = identity_look_up (name, 0, passwd_file, &entry, f);

  return result == 0 ? identity_take (id, &entry, f) : -1;
}

int
identity_become (const struct identity *id, struct failure *f)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[2] = { { 0 } };
  bool root = geteuid () == 0;

  /* In a user namespace the groups are the user's own, and perhaps the only way
   * to his home; those without a number here could not be taken back. */
  if (root && !id->in_namespace && setgroups (id->group_count, id->groups) != 0)
    return fail (f, EX_NOPERM, "cannot set the user's groups: %m");
  if (setresgid (id->gid, id->gid, id->gid) != 0)
    return fail (f, EX_NOPERM, "cannot become gid %u: %m", id->gid);
  if (setresuid (id->uid, id->uid, id->uid) != 0)
    return fail (f, EX_NOPERM, "cannot become uid %u: %m", id->uid);
  /* Other ids have set that to fs.suid_dumpable, see prctl(2).  Who can trace
   * the process has the descriptors and the memory that it got as root. */
  if (prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return fail (f, EX_NOPERM, "cannot hide from other processes: %m");
  /* The ambient set loses what is not in these, capabilities(7). */
  if (syscall (SYS_capset, &header, none) != 0)
    return fail (f, EX_NOPERM, "cannot give up capabilities: %m");
  /* What works now, or is only said to, as a fake root's calls are, shows that one of
   * the above has not. */
  if ((id->uid != 0 && setresuid ((uid_t) -1, 0, (uid_t) -1) == 0)
      || (id->gid != 0 && setresgid ((gid_t) -1, 0, (gid_t) -1) == 0)
      || setgroups (0, NULL) == 0)
    return fail (f, EX_NOPERM, "the process could still return to root");
  return 0;
}
