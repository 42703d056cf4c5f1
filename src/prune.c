/* SPDX-License-Identifier: BSD-3-Clause */
#include "prune.h"

#include "instance.h"
#include "waiting.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What has not changed for so long is pruned.  Waiting hooks touch their files every
 * 20 s. */
#define AGE (86400 * SECOND)

bool
prune_is_barrier (const char *name)
{
  return strncmp (name, "jobid-", strlen ("jobid-")) == 0 || prune_is_remains (name);
}

bool
prune_is_remains (const char *name)
{
  return strncmp (name, INSTANCE_GONE, strlen (INSTANCE_GONE)) == 0;
}

int64_t
prune_last_change (int parent, const char *name, int depth)
{
  const struct dirent *entry;
  struct stat st;

  if (fstatat (parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return -1;
  int64_t last = nanoseconds (&st.st_mtim);
  DIR *dir = S_ISDIR (st.st_mode) && depth > 0 ? instance_list (parent, name) : NULL;
  while (dir != NULL && (entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      {
        int64_t change = prune_last_change (dirfd (dir), entry->d_name, depth - 1);
        last = change > last ? change : last;
      }
  if (dir != NULL)
    (void) closedir (dir);
  return last;
}

/* Removes the barrier KEY, which was found old at BEFORE.  Its name is taken
 * from it first; should a member have come meanwhile, he is told to arrive
 * anew, and what he came to stays for the next time: -1 with EBUSY. */
static int
prune_barrier (int dirfd, const char *key, int64_t before)
{
  struct instance in;
  char name[256];

  int result = instance_find (&in, dirfd, key);
  if (result == 0)
    result = instance_go_away (&in, name);
  int error = result < 0 ? errno : result > 0 ? ENOENT : 0;
  if (error == 0 && prune_last_change (dirfd, name, PRUNE_DEPTH) > before)
    {
      (void) instance_void (&in);
      instance_wake_leaders (&in);
      error = EBUSY;
    }
  instance_close (&in);
  errno = error;
  return error == 0 ? instance_remove (dirfd, name) : -1;
}

/* Whether nothing is in the directory NAME. */
static bool
prune_is_empty (int dirfd, const char *name)
{
  const struct dirent *entry;
  DIR *dir = instance_list (dirfd, name);
  bool empty = dir != NULL;

  errno = 0;
  while (empty && (entry = readdir (dir)) != NULL)
    empty = strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0;
  empty = empty && errno == 0;
  if (dir != NULL)
    (void) closedir (dir);
  return empty;
}

/* True if it is removed, or would be.  F says of what cannot be removed why. */
static bool
prune_entry (const struct prune *p, const char *name, int64_t *now, struct failure *f)
{
  struct stat st;
  int64_t last = 0;
  char path[4096];

  /* What is no directory is no barrier, whatever it is called. */
  if (!prune_is_barrier (name) || fstatat (p->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0
      || !S_ISDIR (st.st_mode))
    return false;
  /* To ask the server costs a change: only if there is something. */
  *now = *now == 0 ? instance_server_time (p->dirfd) : *now;
  /* Remains that are empty need not be old.  NFS keeps a socket that is removed until
   * it is closed: its leader could not remove the directory. */
  const bool empty
    = prune_is_remains (name) && st.st_nlink <= 2 && prune_is_empty (p->dirfd, name);
  /* The directory alone first: a young one need not be walked through. */
  for (int depth = 0; !empty && depth <= PRUNE_DEPTH; depth += PRUNE_DEPTH)
    if ((last = prune_last_change (p->dirfd, name, depth)) < 0 || *now - last < AGE)
      return false;
  if (!p->dry_run
      && (prune_is_remains (name) ? instance_remove (p->dirfd, name)
                                  : prune_barrier (p->dirfd, name, last))
           != 0)
    {
      /* Somebody came meanwhile, or somebody else was faster: no failure. */
      if (errno != EBUSY && errno != ENOENT)
        (void) fail (f, EX_IOERR, "cannot remove %s: %m", name);
      return false;
    }
  if (p->where == NULL)
    return true;
  (void) snprintf (path, sizeof path, "%s/%s", p->where, name);
  (void) printf ("%s %s\n", p->dry_run ? "would remove" : "removed", text_clean (path));
  (void) fflush (stdout); /* it is seen at once */
  return true;
}

int
prune_run (const struct prune *p, struct failure *f)
{
  int64_t now = 0;
  DIR *dir = instance_list (p->dirfd, ".");
  const struct dirent *entry;
  unsigned count = 0;

  if (dir == NULL)
    return fail (f, EX_IOERR, "cannot read the directory of barriers: %m");
  f->status = EX_OK;
  while ((p->until == 0 || waiting_now () < p->until) && (entry = readdir (dir)) != NULL)
    if (prune_entry (p, entry->d_name, &now, f))
      count++;
  (void) closedir (dir);
  return f->status == EX_OK ? (int) count : -1;
}
