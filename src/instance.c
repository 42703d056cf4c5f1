/* SPDX-License-Identifier: BSD-3-Clause */
#include "instance.h"

#include "calls.h"
#include "failure.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define FILE_PREFIX "slurm-procid-"
#define CALLED_OFF "called-off: "
#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* How deep instance_remove() goes into what somebody put into an instance. */
#define REMOVE_DEPTH 16

/* Of openat2(2); linux/openat2.h may not be there. */
#define RESOLVE_OWN_NO_XDEV 0x01
#define RESOLVE_OWN_NO_SYMLINKS 0x04
#define RESOLVE_OWN_BENEATH 0x08

bool
instance_is_gone (int error)
{
  return error == ENOENT || error == ESTALE;
}

static void
instance_name (char name[INSTANCE_NAME_MAX], uint32_t rank)
{
  (void) snprintf (name, INSTANCE_NAME_MAX, FILE_PREFIX "%u", rank);
}

int64_t
instance_rank (const char *name, uint32_t count)
{
  const size_t prefix = strlen (FILE_PREFIX);
  char canonical[INSTANCE_NAME_MAX];

  if (strncmp (name, FILE_PREFIX, prefix) != 0)
    return -1;
  unsigned long rank = strtoul (name + prefix, NULL, 10);
  if (rank >= count)
    return -1;
  /* No sign, space, leading zero, or anything behind it. */
  instance_name (canonical, (uint32_t) rank);
  return strcmp (name, canonical) == 0 ? (int64_t) rank : -1;
}

/* Opens the directory PATH below DIRFD with no link followed on the way; -1 with
 * ENOSYS also where it is refused to all. */
static int
instance_open_below (int dirfd, const char *path, uint64_t resolve)
{
  const struct
  {
    uint64_t flags, mode, resolve;
  } how = { OPEN_DIRECTORY, 0, resolve | RESOLVE_OWN_NO_SYMLINKS | RESOLVE_OWN_BENEATH };
  int fd = (int) syscall (SYS_openat2, dirfd, path, &how, sizeof how);

  if (fd < 0 && (errno == EPERM || errno == EAGAIN))
    errno = ENOSYS;
  return fd;
}

static int
instance_open_arrival (int parent, const char *key)
{
  char path[256];

  (void) snprintf (path, sizeof path, "%s/arrival", key);
  int fd = instance_open_below (parent, path, 0);
  if (fd >= 0 || errno != ENOSYS)
    return fd;
  int top = openat (parent, key, OPEN_DIRECTORY);
  if (top < 0)
    return -1;
  fd = openat (top, "arrival", OPEN_DIRECTORY);
  int error = errno;
  (void) close (top);
  errno = error;
  return fd;
}

/* Makes the number of members known, unless it is already. */
static int
instance_announce (int dirfd, const char *path, uint32_t members)
{
  char text[16];

  (void) snprintf (text, sizeof text, "%u", members);
  return symlinkat (text, dirfd, path) == 0 || errno == EEXIST ? 0 : -1;
}

static int
instance_make (int parent, const char *key, uint32_t members)
{
  int result = -1;

  if (mkdirat (parent, key, 0700) != 0 && errno != EEXIST)
    return -1;
  int top = openat (parent, key, OPEN_DIRECTORY);
  if (top < 0)
    return -1;
  if (mkdirat (top, "arrival", 0700) == 0 || errno == EEXIST)
    result = instance_announce (top, "ntasks", members);
  int error = errno;
  (void) close (top);
  errno = error;
  return result;
}

int
instance_open (struct instance *in, int parent, const char *key, uint32_t members)
{
  *in = (struct instance){ .parent = parent, .key = key, .departure = -1, .top = -1 };
  in->arrival = instance_open_arrival (parent, key);
  if (in->arrival < 0 && errno == ENOENT)
    {
      if (instance_make (parent, key, members) != 0)
        return -1;
      in->arrival = instance_open_arrival (parent, key);
    }
  return in->arrival < 0 ? -1 : 0;
}

static void
instance_close_one (int *fd)
{
  if (*fd >= 0)
    (void) close (*fd);
  *fd = -1;
}

void
instance_close (struct instance *in)
{
  instance_close_one (&in->arrival);
  instance_close_one (&in->departure);
  instance_close_one (&in->top);
}

int
instance_hold (struct instance *in)
{
  struct stat st;

  if (in->top >= 0)
    return 0;
  int fd = openat (in->arrival, "..", OPEN_DIRECTORY);
  if (fd < 0 || fstat (fd, &st) != 0)
    {
      instance_close_one (&fd);
      return -1;
    }
  in->top = fd;
  in->dev = st.st_dev;
  in->ino = st.st_ino;
  return 0;
}

int
instance_members (const struct instance *in, uint32_t mine, uint32_t *members)
{
  char text[16], canonical[16];
  ssize_t n = readlinkat (in->arrival, "../ntasks", text, sizeof text);

  if (n < 0 && errno == ENOENT)
    {
      if (instance_announce (in->arrival, "../ntasks", mine) != 0)
        return -1;
      n = readlinkat (in->arrival, "../ntasks", text, sizeof text);
    }
  *members = 0;
  if (n < 0)
    return errno == EINVAL ? 0 : -1; /* not a link */
  if ((size_t) n >= sizeof text)
    return 0;
  text[n] = '\0';
  uint32_t number = (uint32_t) strtoul (text, NULL, 10);
  (void) snprintf (canonical, sizeof canonical, "%u", number);
  if (strcmp (text, canonical) == 0)
    *members = number;
  return 0;
}

/* Makes the regular file NAME, exclusively.  mknod(2) does it without leaving
 * a descriptor to close, which NFS would turn into another request and, if the
 * file is removed first, into a ".nfs" file.  Some FUSE file systems lack it. */
static int
instance_mark (int dirfd, const char *name)
{
  if (mknodat (dirfd, name, S_IFREG | 0600, 0) == 0)
    return 0;
  if (errno != ENOSYS && errno != EOPNOTSUPP && errno != EPERM && errno != EINVAL)
    return -1;
  int fd = openat (dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  return fd < 0 ? -1 : close (fd);
}

int
instance_arrive (const struct instance *in, uint32_t rank)
{
  char name[INSTANCE_NAME_MAX];

  instance_name (name, rank);
  return instance_mark (in->arrival, name);
}

int
instance_refuse (const struct instance *in, uint32_t rank)
{
  char name[INSTANCE_NAME_MAX];

  instance_name (name, rank);
  return symlinkat ("does-not-come", in->arrival, name);
}

int
instance_withdraw (const struct instance *in, uint32_t rank)
{
  char name[INSTANCE_NAME_MAX];

  instance_name (name, rank);
  return unlinkat (in->arrival, name, 0);
}

/* For file systems without links from one directory to another (BeeGFS, AFS).
 * A rename would go over the file of another hook of this member, but that can
 * only have departed before this one arrived. */
static int
instance_depart_unlinked (const struct instance *in, const char *name)
{
  struct stat st;

  if (fstatat (in->departure, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
    errno = EEXIST;
  return errno == ENOENT ? renameat (in->arrival, name, in->departure, name) : -1;
}

/* What an error, in errno, of a departure means.  EEXIST may be the answer to
 * the repetition of a request that was done, and so may any other error be; or
 * it was not this hook's to do.  Departure is looked at first: who removes an
 * instance begins with arrival. */
static int
instance_explain_departure (const struct instance *in, const char *name)
{
  struct stat own, there;
  int error = errno;
  bool departed = fstatat (in->departure, name, &there, AT_SYMLINK_NOFOLLOW) == 0;

  if (departed && fstatat (in->arrival, name, &own, AT_SYMLINK_NOFOLLOW) == 0
      && own.st_ino == there.st_ino && own.st_dev == there.st_dev)
    return 0;
  errno = departed ? EEXIST : error;
  return -1;
}

int
instance_depart (const struct instance *in, uint32_t rank)
{
  char name[INSTANCE_NAME_MAX];

  instance_name (name, rank);
  if (linkat (in->arrival, name, in->departure, name, 0) == 0)
    return 0;
  if ((errno == EPERM || errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK)
      && instance_depart_unlinked (in, name) == 0)
    return 0;
  return instance_explain_departure (in, name);
}

int
instance_touch (const struct instance *in, uint32_t rank)
{
  /* The other time goes on telling when the member came. */
  const struct timespec now[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };
  char name[INSTANCE_NAME_MAX];

  instance_name (name, rank);
  return utimensat (in->arrival, name, now, AT_SYMLINK_NOFOLLOW);
}

void
instance_disown (const struct instance *in, uint32_t rank)
{
  const struct timespec epoch[2] = { { 0 }, { 0 } };
  char name[INSTANCE_NAME_MAX];

  instance_name (name, rank);
  (void) utimensat (in->arrival, name, epoch, AT_SYMLINK_NOFOLLOW);
}

void
instance_describe (const struct instance *in, uint32_t rank, const char *text)
{
  char name[INSTANCE_NAME_MAX];

  instance_name (name, rank);
  int fd = openat (in->arrival, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0)
    return;
  if (write (fd, text, strlen (text)) < 0)
    {
      /* Over quota, say: it is only for those who look. */
    }
  (void) close (fd);
}

int
instance_stat (const struct instance *in, uint32_t rank, struct stat *st)
{
  char name[INSTANCE_NAME_MAX];

  instance_name (name, rank);
  if (fstatat (in->arrival, name, st, AT_SYMLINK_NOFOLLOW) != 0)
    return -1;
  if (S_ISREG (st->st_mode))
    return 0;
  errno = EINVAL;
  return -1;
}

/* A new look at the directory DIRFD; the caller ends it with closedir(3). */
static DIR *
instance_list (int dirfd)
{
  int fd = openat (dirfd, ".", OPEN_DIRECTORY);
  DIR *dir = fd < 0 ? NULL : fdopendir (fd);

  if (dir == NULL)
    {
      int error = errno;
      instance_close_one (&fd);
      errno = error;
    }
  return dir;
}

/* What the link at PATH says. */
static enum outcome
instance_read_outcome (int dirfd, const char *path, char text[INSTANCE_TEXT_MAX])
{
  char target[sizeof CALLED_OFF + INSTANCE_TEXT_MAX];
  ssize_t n = readlinkat (dirfd, path, target, sizeof target - 1);

  if (n < 0)
    return OUTCOME_ERROR;
  target[n] = '\0';
  if (strncmp (target, CALLED_OFF, strlen (CALLED_OFF)) != 0)
    return OUTCOME_VOID; /* no outcome that we make; nobody can be released by it */
  (void) snprintf (text, INSTANCE_TEXT_MAX, "%.*s", INSTANCE_TEXT_MAX - 1,
                   target + strlen (CALLED_OFF));
  (void) text_clean (text);
  return OUTCOME_CALLED_OFF;
}

static enum outcome
instance_look (struct instance *in, int dirfd, const char *path, char text[INSTANCE_TEXT_MAX])
{
  if (in->departure >= 0)
    return OUTCOME_RELEASED;
  in->departure = openat (dirfd, path, OPEN_DIRECTORY);
  if (in->departure >= 0)
    return OUTCOME_RELEASED;
  if (errno == ENOENT)
    return OUTCOME_NONE;
  if (errno != ELOOP && errno != ENOTDIR)
    return OUTCOME_ERROR;
  return instance_read_outcome (dirfd, path, text);
}

/* Whether the name "departure" is in the directory DIRFD: 1, 0 or -1. */
static int
instance_lists_outcome (int dirfd)
{
  DIR *dir = instance_list (dirfd);
  const struct dirent *entry;
  int found = 0;

  if (dir == NULL)
    return -1;
  errno = 0;
  while (found == 0 && (entry = readdir (dir)) != NULL)
    found = strcmp (entry->d_name, "departure") == 0;
  if (found == 0 && errno != 0)
    found = -1;
  int error = errno;
  (void) closedir (dir);
  errno = error;
  return found;
}

enum outcome
instance_outcome (struct instance *in, bool fresh, char text[INSTANCE_TEXT_MAX])
{
  if (!fresh)
    return instance_look (in, in->arrival, "../departure", text);
  int found = instance_lists_outcome (in->top);
  if (found < 0)
    return OUTCOME_ERROR;
  if (found == 0)
    return OUTCOME_NONE;
  enum outcome outcome = instance_look (in, in->top, "departure", text);
  if (outcome != OUTCOME_NONE)
    return outcome;
  /* It is there, but this node's cache still has it as absent.  An EEXIST
   * puts the cache right; should it have been removed just now, void is what
   * that means. */
  if (instance_void (in) != 0 && errno != EEXIST)
    return OUTCOME_ERROR;
  return instance_look (in, in->top, "departure", text);
}

int
instance_release (const struct instance *in)
{
  return mkdirat (in->top, "departure", 0700);
}

static int
instance_void_at (int dirfd, const char *path)
{
  return symlinkat ("void", dirfd, path);
}

int
instance_void (const struct instance *in)
{
  return in->top >= 0 ? instance_void_at (in->top, "departure")
                      : instance_void_at (in->arrival, "../departure");
}

int
instance_call_off (const struct instance *in, const char *text)
{
  char target[sizeof CALLED_OFF + INSTANCE_TEXT_MAX];

  (void) snprintf (target, sizeof target, CALLED_OFF "%.*s", INSTANCE_TEXT_MAX - 1, text);
  return symlinkat (target, in->arrival, "../departure");
}

static int64_t
instance_time (const struct timespec *t)
{
  return t->tv_sec * INT64_C (1000000000) + t->tv_nsec;
}

static int
instance_time_of (const struct instance *in, const char *path, int64_t *time)
{
  struct stat st;

  if (fstatat (in->arrival, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return -1;
  *time = instance_time (&st.st_mtim);
  return 0;
}

int
instance_outcome_time (const struct instance *in, int64_t *time)
{
  return instance_time_of (in, "../departure", time);
}

int
instance_began (const struct instance *in, int64_t *time)
{
  /* Made with the instance, and never touched. */
  return instance_time_of (in, "../ntasks", time);
}

const char *
instance_file_system (int dirfd, bool *local)
{
  /* linux/magic.h, and for the others their own sources. */
  static const struct
  {
    uint32_t magic;
    bool local; /* only one kernel changes it */
    const char *name;
  } known[] = {
    { 0xef53, true, "ext4" }, /* and ext2, ext3 */
    { 0x58465342, true, "XFS" },
    { 0x9123683e, true, "Btrfs" },
    { 0x01021994, true, "tmpfs" },
    { 0x858458f6, true, "ramfs" },
    { 0xf2f52010, true, "F2FS" },
    { 0x2fc12fc1, true, "ZFS" },
    { 0xca451a4e, true, "bcachefs" },
    { 0x794c7630, true, "overlay" }, /* its layers belong to one kernel */
    { 0x6969, false, "NFS" },
    { 0x0bd00bd0, false, "Lustre" },
    { 0x47504653, false, "GPFS (Storage Scale)" },
    { 0x19830326, false, "BeeGFS" },
    { 0x00c36400, false, "CephFS" },
    { 0xff534d42, false, "SMB" },
    { 0xfe534d42, false, "SMB" },
    { 0x01021997, false, "9p" },
    { 0x5346414f, false, "AFS" },
    { 0x7461636f, false, "OCFS2" },
    { 0x01161970, false, "GFS2" },
    { 0xaad7aaea, false, "PanFS" },
  };
  struct statfs st;

  *local = false;
  if (fstatfs (dirfd, &st) != 0)
    return NULL;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if ((uint32_t) st.f_type == known[i].magic)
      {
        *local = known[i].local;
        return known[i].name;
      }
  return NULL;
}

bool
instance_is_local (int dirfd)
{
  bool local;

  (void) instance_file_system (dirfd, &local);
  return local;
}

int64_t
instance_server_time (int dirfd)
{
  struct timespec now;
  struct stat st;

  if (futimens (dirfd, NULL) == 0 && fstat (dirfd, &st) == 0)
    return instance_time (&st.st_mtim);
  (void) clock_gettime (CLOCK_REALTIME, &now);
  return instance_time (&now);
}

void
instance_poke (const struct instance *in)
{
  (void) utimensat (in->arrival, "../departure", NULL, AT_SYMLINK_NOFOLLOW);
}

static int
instance_list_ranks (int dirfd, struct ranks *set)
{
  DIR *dir = instance_list (dirfd);
  const struct dirent *entry;

  if (dir == NULL)
    return -1;
  errno = 0;
  while ((entry = readdir (dir)) != NULL)
    {
      int64_t rank = instance_rank (entry->d_name, set->count);
      if (rank >= 0)
        ranks_add (set, (uint32_t) rank);
    }
  int error = errno;
  (void) closedir (dir);
  errno = error;
  return error == 0 ? 0 : -1;
}

int
instance_list_arrival (const struct instance *in, struct ranks *set)
{
  return instance_list_ranks (in->arrival, set);
}

int
instance_list_departure (const struct instance *in, struct ranks *set)
{
  return instance_list_ranks (in->departure, set);
}

static bool
instance_is (const struct instance *in, const struct stat *st)
{
  return st->st_dev == in->dev && st->st_ino == in->ino;
}

int
instance_is_current (const struct instance *in, bool fresh)
{
  int dirfd = fresh ? openat (in->parent, ".", OPEN_DIRECTORY) : in->parent;
  struct stat st;
  int result;

  if (dirfd < 0)
    return -1;
  result = fstatat (dirfd, in->key, &st, AT_SYMLINK_NOFOLLOW) == 0 ? instance_is (in, &st) : -1;
  int error = errno;
  if (fresh)
    (void) close (dirfd);
  errno = error;
  if (result < 0)
    return instance_is_gone (errno) ? 0 : -1;
  if (result == 0 || !fresh)
    return result;
  /* A removed directory's number may be given to the next: the same number is
   * the same directory only while the held descriptor still answers. */
  int held = openat (in->top, ".", OPEN_DIRECTORY);
  if (held < 0)
    return instance_is_gone (errno) ? 0 : -1;
  (void) close (held);
  return 1;
}

static bool
instance_is_void_at (int dirfd)
{
  char target[8];

  return readlinkat (dirfd, "departure", target, sizeof target) == 4
         && memcmp (target, "void", 4) == 0;
}

/* Looks at what was renamed to NAME.  0: this instance.  1: another one, which
 * members may live in: they are told to arrive anew.  It is removed like any
 * that is void, since no member 0 may have come to it who would do so. */
static int
instance_check_catch (const struct instance *in, const char *name)
{
  struct stat st;
  int fd = openat (in->parent, name, OPEN_DIRECTORY);

  if (fd < 0)
    return 1;
  int result = fstat (fd, &st) == 0 && instance_is (in, &st) ? 0 : 1;
  if (result == 1)
    (void) instance_void_at (fd, "departure");
  bool remove = result == 1 && instance_is_void_at (fd);
  (void) close (fd);
  if (remove)
    (void) instance_remove (in->parent, name);
  return result;
}

int
instance_go_away (const struct instance *in, char name[256])
{
  static unsigned counter;
  char host[33] = "";

  /* In createContainer it is the container's, which may have anything in it. */
  (void) gethostname (host, sizeof host - 1);
  for (char *c = host; *c != '\0'; c++)
    if (!isalnum ((unsigned char) *c) && strchr ("-._", *c) == NULL)
      *c = '_';
  for (int tries = 0; tries < 100; tries++)
    {
      (void) snprintf (name, 256, INSTANCE_GONE "%s-%ld-%u-%s", host, (long) getpid (), counter++,
                       in->key);
      if (renameat (in->parent, in->key, in->parent, name) == 0)
        return instance_check_catch (in, name);
      /* A name left by a process of the same number: the next one. */
      if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
        continue;
      /* ENOENT may be the answer to the repetition of a request that was
       * done: then it is here under its new name. */
      return errno == ENOENT ? instance_check_catch (in, name) : -1;
    }
  return -1;
}

bool
instance_find_gone (const struct instance *in, char name[256])
{
  DIR *dir = instance_list (in->parent);
  const struct dirent *entry;
  bool found = false;
  struct stat st;

  while (dir != NULL && !found && (entry = readdir (dir)) != NULL)
    {
      found = strncmp (entry->d_name, INSTANCE_GONE, strlen (INSTANCE_GONE)) == 0
              && fstatat (in->parent, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
              && instance_is (in, &st);
      if (found)
        (void) snprintf (name, 256, "%s", entry->d_name);
    }
  if (dir != NULL)
    (void) closedir (dir);
  return found;
}

static bool instance_remove_entry (int dirfd, const char *name, int depth);

/* Removes what is in DIRFD, but for KEEP. */
static void
instance_empty (int dirfd, const char *keep, int depth)
{
  DIR *dir = instance_list (dirfd);
  const struct dirent *entry;

  if (dir == NULL)
    return;
  while ((entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0
        && strcmp (entry->d_name, keep) != 0)
      (void) instance_remove_entry (dirfd, entry->d_name, depth);
  (void) closedir (dir);
}

/* Whether NAME is not there any more. */
static bool
instance_remove_entry (int dirfd, const char *name, int depth)
{
  if (unlinkat (dirfd, name, 0) == 0 || errno == ENOENT)
    return true;
  if (errno != EISDIR || depth >= REMOVE_DEPTH)
    return false;
  /* What is mounted there is not a part of it. */
  int fd = instance_open_below (dirfd, name, RESOLVE_OWN_NO_XDEV);
  if (fd < 0 && errno == ENOSYS)
    fd = openat (dirfd, name, OPEN_DIRECTORY);
  if (fd >= 0)
    {
      instance_empty (fd, "", depth + 1);
      (void) close (fd);
    }
  return unlinkat (dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* The order matters.  A release vanishes at once, by a rename, before any of
 * its files: else a late-comer could find it without his own and take it for
 * his.  Any other outcome stays until nobody can arrive any more, and no file
 * is left of those who have: else a procid 0 that was stopped before its release
 * could still make it, and they would go. */
static void
instance_dismantle (int top, int round)
{
  char name[32];

  (void) snprintf (name, sizeof name, "departed-%d", round);
  int fd = openat (top, "departure", OPEN_DIRECTORY);
  if (fd >= 0)
    {
      (void) close (fd);
      (void) renameat (top, "departure", top, name);
    }
  if (!instance_remove_entry (top, "arrival", 0))
    return; /* somebody has just arrived: once more */
  instance_empty (top, "departure", 0);
  (void) instance_remove_entry (top, "departure", 0);
}

int
instance_remove (int parent, const char *name)
{
  const struct timespec moment = { .tv_nsec = 1000000 };
  int top = openat (parent, name, OPEN_DIRECTORY);
  int result = -1;

  if (top < 0)
    return errno == ENOENT ? 0 : -1;
  for (int round = 0; round < 10 && result != 0; round++)
    {
      if (round > 1)
        (void) nanosleep (&moment, NULL);
      instance_dismantle (top, round);
      result = unlinkat (parent, name, AT_REMOVEDIR);
      if (result != 0 && errno == ENOENT)
        result = 0; /* somebody else was faster */
      if (result != 0 && errno != ENOTEMPTY && errno != EEXIST)
        break;
    }
  (void) close (top);
  return result;
}
