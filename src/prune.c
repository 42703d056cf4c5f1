/* SPDX-License-Identifier: BSD-3-Clause */
#include "prune.h"

#include "instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How deep an instance is looked into: KEY, arrival, its files. */
#define PRUNE_DEPTH 2

bool
prune_is_barrier (const char *name)
{
  return strncmp (name, "jobid-", strlen ("jobid-")) == 0;
}

bool
prune_is_remains (const char *name)
{
  return strncmp (name, INSTANCE_GONE, strlen (INSTANCE_GONE)) == 0;
}

static int64_t
prune_later (int64_t a, int64_t b)
{
  return a > b ? a : b;
}

static int64_t
prune_last_change_below (int dirfd, const char *name, int depth)
{
  const struct dirent *entry;
  struct stat st;

  if (fstatat (dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return -1;
  int64_t last = st.st_mtim.tv_sec * INT64_C (1000000000) + st.st_mtim.tv_nsec;
  if (!S_ISDIR (st.st_mode) || depth == 0)
    return last;
  int fd = openat (dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir (fd);
  if (dir == NULL)
    {
      if (fd >= 0)
        (void) close (fd);
      return last;
    }
  while ((entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      last = prune_later (last, prune_last_change_below (fd, entry->d_name, depth - 1));
  (void) closedir (dir);
  return last;
}

int64_t
prune_last_change (int dirfd, const char *name)
{
  return prune_last_change_below (dirfd, name, PRUNE_DEPTH);
}

/* Removes the barrier KEY, which was found old at BEFORE.  Its name is taken
 * from it first; should a member have come meanwhile, he is told to arrive
 * anew, and what he came to stays for the next time. */
static bool
prune_barrier (int dirfd, const char *key, int64_t before)
{
  struct instance in = { .parent = dirfd, .key = key, .arrival = -1 };
  struct stat st;
  char name[256];
  bool done = false;

  in.top = openat (dirfd, key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (in.top < 0)
    return false;
  if (fstat (in.top, &st) == 0)
    {
      in.dev = st.st_dev;
      in.ino = st.st_ino;
      errno = ENOENT;
      if (instance_go_away (&in, name) == 0)
        {
          done = prune_last_change (dirfd, name) <= before;
          if (!done)
            {
              (void) instance_void (&in);
              instance_wake_leaders (&in);
            }
          errno = EBUSY;
        }
    }
  int error = errno;
  instance_close (&in);
  errno = error;
  return done && instance_remove (dirfd, name) == 0;
}

static bool
prune_entry (const struct prune *p, const char *name, int64_t now)
{
  struct stat st;
  int64_t last;

  if (!prune_is_barrier (name) && !prune_is_remains (name))
    return false;
  /* What is no directory is no barrier, whatever it is called. */
  if (fstatat (p->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR (st.st_mode))
    return false;
  /* The directory alone first: a young one need not be walked through. */
  last = prune_last_change_below (p->dirfd, name, 0);
  if (last < 0 || now - last < p->age)
    return false;
  last = prune_last_change (p->dirfd, name);
  if (last < 0 || now - last < p->age)
    return false;
  bool done = p->dry_run
              || (prune_is_remains (name) ? instance_remove (p->dirfd, name) == 0
                                          : prune_barrier (p->dirfd, name, last));
  /* Somebody came meanwhile, or somebody else was faster: no failure. */
  if (p->report != NULL && (done || (errno != EBUSY && errno != ENOENT)))
    p->report (p->context, name, now - last, done ? 0 : errno);
  return done;
}

int
prune_run (const struct prune *p, struct failure *f)
{
  int64_t now = instance_server_time (p->dirfd);
  int fd = openat (p->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir (fd);
  const struct dirent *entry;
  unsigned count = 0;

  if (dir == NULL)
    {
      (void) fail (f, EX_IOERR, "cannot read the directory of barriers: %m");
      if (fd >= 0)
        (void) close (fd);
      return -1;
    }
  while ((p->most == 0 || count < p->most) && (entry = readdir (dir)) != NULL)
    if (prune_entry (p, entry->d_name, now))
      count++;
  (void) closedir (dir);
  return (int) count;
}
