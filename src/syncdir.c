/* SPDX-License-Identifier: BSD-3-Clause */
#include "syncdir.h"

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The two parts of SYNCDIR_PATH. */
#define HOOKS ".oci-hooks"
#define BARRIERS "slurm-global-sync"

/* In a user namespace root's files read as nobody's, like everybody else's.
 * They are taken for root's only where nobody but the owner of the directory
 * above PATH, which the administrator chose, can have put them. */
static bool
syncdir_owner_is_safe (const struct stat *st, const char *path, const struct identity *id)
{
  char parent[SYNCDIR_USER_MAX];
  struct stat parent_st;

  if (st->st_uid == id->uid || (st->st_uid == 0 && !id->in_namespace))
    return true;
  if (!id->in_namespace || st->st_uid != OVERFLOW_ID)
    return false;
  (void) snprintf (parent, sizeof parent, "%s", path);
  return stat (dirname (parent), &parent_st) == 0 && parent_st.st_uid == OVERFLOW_ID
         && (parent_st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int
syncdir_open_user (const char *base, const char *path, const struct identity *id, struct failure *f)
{
  struct stat st;
  const char *what = "symbolic link";
  int fd = open (path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const bool link = fd < 0 && lstat (path, &st) == 0 && S_ISLNK (st.st_mode);
  bool safe = !link || syncdir_owner_is_safe (&st, path, id);

  if (link && safe)
    fd = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && fstat (fd, &st) == 0)
    {
      what = "directory";
      safe = syncdir_owner_is_safe (&st, path, id);
      if (safe)
        return fd;
    }
  const int error = errno;
  const bool opened = fd >= 0;
  close_one (&fd);
  if (!safe)
    return fail (f, EX_NOPERM, "%s %s belongs to uid %u, not to the user or root; change its owner",
                 what, path, st.st_uid);
  if (!opened && base != NULL && stat (base, &st) != 0)
    return fail (f, EX_CONFIG, "HOOK_BASE_DIR %s: %m; is it mounted on this node?", base);
  if (!opened && base != NULL && !S_ISDIR (st.st_mode))
    return fail (f, EX_CONFIG, "HOOK_BASE_DIR %s is not a directory", base);
  errno = error;
  return fail (f, EX_CANTCREAT, "cannot open the user's %s %s: %m; %s",
               base != NULL ? "directory" : "home directory", path,
               error == EACCES && id->in_namespace
                 ? "if one of the user's groups opens it, run the hook in stage prestart, or "
                   "podman with --group-add keep-groups"
                 : "it must be there on all nodes");
}

/* Opens NAME in PARENT, making it with MAKE if it is not there, and checks that it
 * is the user's own.  PATH is the parent's, for messages, and gets "/NAME" behind it. */
static int
syncdir_open_own (int parent, const char *name, bool make, char path[SYNCDIR_USER_MAX],
                  const struct identity *id, struct failure *f)
{
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  struct stat st;
  int fd = openat (parent, name, flags);
  const size_t length = strlen (path);

  (void) snprintf (path + length, SYNCDIR_USER_MAX - length, "/%s", name);
  if (fd < 0 && errno == ENOENT && make)
    {
      if (mkdirat (parent, name, 0700) != 0 && errno != EEXIST)
        return fail (f, EX_CANTCREAT, "cannot make %s: %m%s", path, failure_remedy (errno));
      fd = openat (parent, name, flags);
    }
  int error = errno;
  bool seen = (fd >= 0 ? fstat (fd, &st) : fstatat (parent, name, &st, AT_SYMLINK_NOFOLLOW)) == 0;
  if (fd >= 0)
    error = errno;
  if (fd >= 0 && seen && st.st_uid == id->uid && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
    {
      /* Where nobody else can pass, nobody can reach what is below, whatever
       * its modes are: so the barrier need not check them.  File systems that
       * force a mode may refuse; that nobody else may write was seen. */
      if (make && strcmp (name, BARRIERS) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        (void) fchmod (fd, S_IRWXU);
      return fd;
    }
  if (fd < 0 && error == ENOENT && !make)
    return fail (f, 0, "there is no %s", path);
  close_one (&fd);
  if (seen && !S_ISDIR (st.st_mode))
    return fail (f, EX_NOPERM, "%s is a symbolic link, or not a directory; remove it", path);
  if (seen && st.st_uid != id->uid)
    return fail (f, EX_NOPERM, "%s belongs to uid %u, not to uid %u; remove it if nobody uses it",
                 path, st.st_uid, id->uid);
  if (seen && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail (f, EX_NOPERM, "%s is writable by others (mode %04o); run chmod go-w on it", path,
                 st.st_mode & 07777);
  errno = error;
  return fail (f, EX_CANTCREAT, "cannot open %s: %m", path);
}

int
syncdir_user (const char *base, const struct identity *id, char path[SYNCDIR_USER_MAX],
              struct failure *f)
{
  int length = base != NULL ? snprintf (path, SYNCDIR_USER_MAX, "%s/%s", base, id->name)
                            : snprintf (path, SYNCDIR_USER_MAX, "%s", id->home);

  if (length == 0)
    return fail (f, EX_CONFIG, "user %s has no home directory, by passwd; set HOOK_BASE_DIR in the "
                               "hook's JSON file",
                 id->name);
  if (length >= SYNCDIR_USER_MAX)
    return fail (f, EX_CONFIG, "the user's directory is a path of %d bytes", length);
  while (length > 1 && path[length - 1] == '/') /* would follow a link in its place */
    path[--length] = '\0';
  return 0;
}

int
syncdir_open (const char *base, const struct identity *id, bool make, char path[SYNCDIR_USER_MAX],
              struct failure *f)
{
  if (syncdir_user (base, id, path, f) != 0)
    return -1;
  int user = syncdir_open_user (base, path, id, f);
  int hooks = user < 0 ? -1 : syncdir_open_own (user, HOOKS, make, path, id, f);
  int fd = hooks < 0 ? -1 : syncdir_open_own (hooks, BARRIERS, make, path, id, f);
  close_one (&hooks);
  close_one (&user);
  return fd;
}
