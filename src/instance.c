/* SPDX-License-Identifier: BSD-3-Clause */
#include "instance.h"

#include "failure.h"
#include "process.h"
#include "waiting.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define MARK "slurm-procid-"
#define CALLED_OFF "called-off: "
#define CONFIRMED "released"
#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define HOLD_DIRECTORY (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* A directory's entry has no longer name. */
#define NAME_MAX_ 256

/* Connections that wait to be taken: the kernel's own limit is 4096 by
 * default. */
#define BACKLOG 4096

/* How deep instance_remove() goes into what somebody put into an instance. */
#define REMOVE_DEPTH 16

/* Of openat2(2); linux/openat2.h may not be there. */
#define RESOLVE_OWN_NO_XDEV 0x01

bool
instance_is_gone (int error)
{
  return error == ENOENT || error == ESTALE;
}

/* Takes FD, which may be -1. */
static DIR *
open_list (int fd)
{
  DIR *dir = fd < 0 ? NULL : fdopendir (fd);

  if (dir == NULL)
    close_one (&fd);
  return dir;
}

DIR *
instance_list (int dirfd, const char *path)
{
  return open_list (openat (dirfd, path, OPEN_DIRECTORY));
}

/* closedir(3), unless DIR is NULL, that leaves errno alone. */
static void
end_list (DIR *dir)
{
  int error = errno;

  if (dir != NULL)
    (void) closedir (dir);
  errno = error;
}

/* Visits the entries in DIR, of instance_list(), that begin with PREFIX, or are called
 * TRACE; ends it. */
static int
each_entry (DIR *dir, const char *prefix, const char *trace, instance_visit *visit, void *context)
{
  const size_t length = strlen (prefix);
  const struct dirent *entry;
  int result = 0;

  if (dir == NULL)
    return -1;
  errno = 0;
  while (result == 0 && (entry = readdir (dir)) != NULL)
    {
      const size_t skip = strncmp (entry->d_name, prefix, length) == 0 ? length : 0;
      if (skip == length || strcmp (entry->d_name, trace) == 0)
        result = visit (context, &(struct instance_mark){ dirfd (dir), entry->d_name,
                                                          entry->d_name + skip, entry->d_type });
      if (result == 0)
        errno = 0;
    }
  if (result == 0 && errno != 0)
    result = -1;
  end_list (dir);
  return result;
}

/* ------------------------------------------------------------ open and make */

/* Makes the number of tasks known, unless it is already. */
static int
instance_write_tasks (int top, uint32_t tasks)
{
  char text[16];

  (void) snprintf (text, sizeof text, "%u", tasks);
  return symlinkat (text, top, "ntasks") == 0 || errno == EEXIST ? 0 : -1;
}

static int
instance_make_arrival (int top, uint32_t tasks)
{
  if (mkdirat (top, "arrival", 0700) != 0 && errno != EEXIST)
    return -1;
  return instance_write_tasks (top, tasks);
}

int
instance_find (struct instance *in, int parent, const char *key)
{
  struct stat st = { 0 };

  *in = (struct instance){ .parent = parent, .key = key, .arrival = -1 };
  in->top = openat (parent, key, HOLD_DIRECTORY);
  if (in->top >= 0 && fstat (in->top, &st) != 0)
    close_one (&in->top);
  in->dev = st.st_dev;
  in->ino = st.st_ino;
  return in->top < 0 ? -1 : 0;
}

int
instance_open (struct instance *in, int parent, const char *key, uint32_t tasks, bool again)
{
  int fresh = again ? openat (parent, ".", OPEN_DIRECTORY) : -1;
  int dirfd = fresh < 0 ? parent : fresh;
  int result = instance_find (in, dirfd, key);

  if (result != 0 && errno == ENOENT)
    {
      bool made = mkdirat (dirfd, key, 0700) == 0;
      if (made || errno == EEXIST)
        result = instance_find (in, dirfd, key);
      if (result == 0 && made && (result = instance_make_arrival (in->top, tasks)) != 0)
        close_one (&in->top);
    }
  in->parent = parent;
  close_one (&fresh);
  return result;
}

void
instance_close (struct instance *in)
{
  close_one (&in->arrival);
  close_one (&in->top);
}

int
instance_open_arrival (struct instance *in, uint32_t tasks)
{
  if (in->arrival >= 0)
    return 0;
  in->arrival = openat (in->top, "arrival", HOLD_DIRECTORY);
  if (in->arrival < 0 && errno == ENOENT)
    {
      /* Whoever made the instance was killed before he made this; or it is being
       * removed, and nobody shall arrive there. */
      const bool current = instance_is_current (in) == 1;
      if (!current)
        errno = ENOENT;
      if (!current || instance_make_arrival (in->top, tasks) != 0)
        return -1;
      in->arrival = openat (in->top, "arrival", HOLD_DIRECTORY);
    }
  return in->arrival < 0 ? -1 : 0;
}

int
instance_tasks (const struct instance *in, uint32_t mine, uint32_t *tasks)
{
  char text[16], canonical[16];
  ssize_t n = readlinkat (in->top, "ntasks", text, sizeof text);

  if (n < 0 && errno == ENOENT && !in->reads_only)
    {
      if (instance_write_tasks (in->top, mine) != 0)
        return -1;
      n = readlinkat (in->top, "ntasks", text, sizeof text);
    }
  *tasks = 0;
  if (n < 0)
    return errno == EINVAL ? 0 : -1; /* not a link */
  if ((size_t) n >= sizeof text)
    return 0;
  text[n] = '\0';
  uint32_t number = (uint32_t) strtoul (text, NULL, 10);
  (void) snprintf (canonical, sizeof canonical, "%u", number);
  if (strcmp (text, canonical) == 0 && number <= RANKS_MAX)
    *tasks = number;
  return 0;
}

/* --------------------------------------------------------------------- marks */

/* CephFS shows other clients a change only when its server writes its journal,
 * every 5 s, unless somebody asks for it, and what has moved even then.  Elsewhere this
 * would wait for a disk.  The client of NFS 4.0 asks for a lock again after up to 30 s.
 * Lustre before 2.16 moves one file at a time in the whole file system. */
static void
instance_find_mount (struct instance *in)
{
  char mount[PROCESS_MOUNT_MAX];

  process_find_mount (in->dev, mount);
  in->lazy = strncmp (mount, "ceph ", 5) == 0 || strncmp (mount, "fuse", 4) == 0;
  in->late_locks = strstr (mount, ",vers=4.0,") != NULL;
  in->moves = !in->lazy && strncmp (mount, "lustre ", 7) != 0;
}

static void
instance_sync (const struct instance *in, int dirfd, const char *path)
{
  int fd = in->lazy ? openat (dirfd, path, OPEN_DIRECTORY) : -1;

  if (fd < 0)
    return;
  (void) fsync (fd);
  close_one (&fd);
}

/* The name of the next mark of the set OWN; false if there is none. */
static bool
next_mark (const struct ranks *own, uint32_t *from, char name[NAME_MAX_])
{
  const size_t prefix = strlen (MARK);

  (void) snprintf (name, NAME_MAX_, "%s", MARK);
  return ranks_next_text (own, from, name + prefix, NAME_MAX_ - prefix);
}

static const char *
first_mark (const struct ranks *own, char name[NAME_MAX_])
{
  uint32_t from = 0;

  (void) next_mark (own, &from, name);
  return name;
}

/* Whether the link NAME says NOTE: 1, 0, or -1 if it cannot be read. */
static int
link_says (int dirfd, const char *name, const char *note)
{
  char there[INSTANCE_NOTE_MAX + 1];
  ssize_t n = readlinkat (dirfd, name, there, sizeof there);

  if (n < 0)
    return -1;
  return n == (ssize_t) strlen (note) && memcmp (there, note, (size_t) n) == 0;
}

/* Makes the mark NAME; also if the file system says EEXIST of one that says what
 * this does: that is the answer to a request that was sent again. */
static int
make_mark (const struct instance *in, const char *name, const char *note)
{
  if (symlinkat (note, in->arrival, name) == 0)
    return 0;
  const int error = errno;
  if (error == EEXIST && link_says (in->arrival, name, note) == 1)
    return 0;
  errno = error;
  return -1;
}

int
instance_arrive (struct instance *in, const struct ranks *own, const char *note)
{
  char name[NAME_MAX_];
  uint32_t from = 0;

  while (next_mark (own, &from, name))
    if (make_mark (in, name, note) != 0)
      {
        /* One that was made just now must not look like an arrival. */
        uint32_t upto = from;
        int error = errno;
        for (from = 0; next_mark (own, &from, name) && from < upto;)
          (void) unlinkat (in->arrival, name, 0);
        errno = error;
        return -1;
      }
  instance_find_mount (in);
  instance_sync (in, in->arrival, ".");
  return 0;
}

int
instance_touch (const struct instance *in, const struct ranks *own, bool lives)
{
  /* The other time goes on telling when the member came. */
  const struct timespec now[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };
  const struct timespec epoch[2] = { { 0 }, { 0 } };
  char name[NAME_MAX_];
  uint32_t from = 0;

  while (next_mark (own, &from, name))
    if (utimensat (in->arrival, name, lives ? now : epoch, AT_SYMLINK_NOFOLLOW) != 0)
      return -1;
  return 0;
}

int
instance_refuse (const struct instance *in, const struct ranks *own)
{
  char name[NAME_MAX_];
  uint32_t from = 0;

  while (next_mark (own, &from, name))
    if (mkdirat (in->arrival, name, 0700) != 0)
      return -1;
  return 0;
}

int
instance_is_own (const struct instance *in, const struct ranks *own, const char *note)
{
  char name[NAME_MAX_];

  return link_says (in->arrival, first_mark (own, name), note);
}

/* As the server has it now. */
static int
time_now (int dirfd, const char *name, int64_t *time)
{
  struct statx st;
  int result = statx (dirfd, name, AT_SYMLINK_NOFOLLOW | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS,
                      &st);

  /* The C library has its own statx(2) where the kernel, or a container, has none,
   * but not this flag. */
  if (result != 0 && errno == EINVAL)
    result = statx (dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st);
  *time = result == 0 ? st.stx_mtime.tv_sec * SECOND + st.stx_mtime.tv_nsec : 0;
  return result;
}

int
instance_touched (const struct instance *in, const struct ranks *own, int64_t *time)
{
  char name[NAME_MAX_];

  return time_now (in->arrival, first_mark (own, name), time);
}

int
instance_mark_time (const struct instance_mark *mark, int64_t *time)
{
  return time_now (mark->dirfd, mark->name, time);
}

/* Opens departure, after RELEASED was seen; ENOENT if it is none any more. */
static int
open_departure (struct instance *in)
{
  int fd = openat (in->top, "departure", HOLD_DIRECTORY);

  /* It is there, or was, but this node's cache may still have it as absent; EEXIST
   * puts that right.  Where it is removed, void is what that means. */
  if (fd < 0 && errno == ENOENT)
    {
      (void) instance_void (in);
      fd = openat (in->top, "departure", HOLD_DIRECTORY);
    }
  if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
    errno = ENOENT;
  return fd;
}

int
instance_depart (struct instance *in, const struct ranks *own, const char *note, bool move)
{
  int departure = open_departure (in), result = departure < 0 ? -1 : 0;
  char name[NAME_MAX_];
  uint32_t from = 0;

  /* A mark that moves leaves less to remove.  A second name for it takes no room of its
   * own either, so that a full file system holds up nobody who has arrived; but CephFS
   * shows that to others late, and some (BeeGFS, AFS) have none from one directory to
   * another. */
  move = move && in->moves;
  while (result == 0 && next_mark (own, &from, name))
    if ((!move || renameat (in->arrival, name, departure, name) != 0)
        && symlinkat (note, departure, name) != 0 && errno != EEXIST
        && ((errno != ENOSPC && errno != EDQUOT)
            || (linkat (in->arrival, name, departure, name, 0) != 0 && errno != EEXIST)))
      result = -1;
  close_one (&departure);
  if (result == 0)
    instance_sync (in, in->top, "departure");
  return result;
}

int
instance_each_arrival (const struct instance *in, int64_t *changed, instance_visit *visit,
                       void *context)
{
  DIR *dir = instance_list (in->arrival, ".");
  struct stat st;

  if (dir != NULL && changed != NULL && fstat (dirfd (dir), &st) == 0)
    {
      int64_t time = nanoseconds (&st.st_mtim);
      if (time == *changed)
        {
          end_list (dir);
          return 0;
        }
      *changed = time;
    }
  return each_entry (dir, MARK, changed != NULL ? INSTANCE_TRACE : "", visit, context);
}

int
instance_each_gathering (const struct instance *in, instance_visit *visit, void *context)
{
  return each_entry (instance_list (in->top, "."), INSTANCE_GATHERING, "", visit, context);
}

bool
instance_is_mark (const struct instance_mark *mark)
{
  return mark->type == DT_LNK || mark->type == DT_UNKNOWN;
}

/* What is no set of this size is passed over. */
static int
visit_departed (void *context, const struct instance_mark *mark)
{
  if (instance_is_mark (mark))
    (void) ranks_add_text (context, mark->ranks);
  return 0;
}

static int
visit_known (void *context, const struct instance_mark *mark)
{
  if (instance_is_mark (mark) || mark->type == DT_DIR)
    (void) ranks_add_text (context, mark->ranks);
  return 0;
}

int
instance_list_marks (const struct instance *in, bool departed, struct ranks *set)
{
  DIR *dir = departed ? instance_list (in->top, "departure") : instance_list (in->arrival, ".");

  return each_entry (dir, MARK, "", departed ? visit_departed : visit_known, set);
}

bool
instance_read_note (int dirfd, const char *name, char note[INSTANCE_NOTE_MAX])
{
  ssize_t n = readlinkat (dirfd, name, note, INSTANCE_NOTE_MAX - 1);

  note[n > 0 ? n : 0] = '\0';
  (void) text_clean (note);
  return n > 0;
}

/* -------------------------------------------------------------------- outcome */

/* What a list of the instance has shown so far. */
struct listed {
  bool any, outcome, confirmed;
  unsigned char type; /* of the outcome, as readdir(3) says it */
};

/* Returns whether no other entry would say more. */
static int
visit_outcome (void *context, const struct instance_mark *entry)
{
  struct listed *l = context;

  l->any = true;
  l->confirmed = l->confirmed || strcmp (entry->name, CONFIRMED) == 0;
  if (strcmp (entry->name, "departure") == 0)
    {
      l->outcome = true;
      l->type = entry->type;
    }
  return l->outcome && (l->confirmed || l->type != DT_DIR);
}

/* What "departure" says; NONE if it is not there. */
static enum outcome
instance_read_outcome (const struct instance *in, char *text)
{
  char target[sizeof CALLED_OFF + INSTANCE_TEXT_MAX];
  ssize_t n = readlinkat (in->top, "departure", target, sizeof target - 1);
  struct stat st;

  if (n < 0 && errno == ENOENT)
    return OUTCOME_NONE;
  if (n < 0 && (errno != EINVAL || fstatat (in->top, "departure", &st, AT_SYMLINK_NOFOLLOW) != 0))
    return OUTCOME_ERROR;
  /* It is no link.  What is no directory either is nobody's release. */
  if (n < 0)
    return S_ISDIR (st.st_mode) ? OUTCOME_RELEASED : OUTCOME_VOID;
  target[n] = '\0';
  if (strncmp (target, CALLED_OFF, strlen (CALLED_OFF)) != 0)
    return OUTCOME_VOID; /* no outcome that we make; nobody can be released by it */
  if (text != NULL)
    (void) snprintf (text, INSTANCE_TEXT_MAX, "%.*s", INSTANCE_TEXT_MAX - 1,
                     text_clean (target) + strlen (CALLED_OFF));
  return OUTCOME_CALLED_OFF;
}

enum outcome
instance_outcome (struct instance *in, char *text)
{
  struct listed l = { 0 };
  DIR *dir = instance_list (in->top, ".");
  struct stat st;

  in->listed = dir != NULL && fstat (dirfd (dir), &st) == 0 ? nanoseconds (&st.st_mtim) : 0;
  const int found = each_entry (dir, "", "", visit_outcome, &l);
  int error = errno;

  in->confirmed = l.confirmed;
  if (l.outcome && l.type == DT_DIR)
    return OUTCOME_RELEASED;
  if (found == 0 && !l.outcome)
    {
      /* A directory that was removed has nothing in it, not even itself: readdir(3)
       * does not say more of it. */
      errno = ENOENT;
      if (!l.any)
        return OUTCOME_ERROR;
      /* There is one: the times of two changes are the same, so that a client of NFS
       * keeps an older list.  Another time renews that, everywhere. */
      if (!in->ended || in->lazy)
        return OUTCOME_NONE;
      (void) instance_renew (in, ".", &in->listed);
      return instance_read_outcome (in, text);
    }
  if (found < 0 && instance_is_gone (error))
    return OUTCOME_ERROR;
  /* A release that is there is not to be missed for want of a list, but what is not
   * there may be in a cache only. */
  enum outcome outcome = instance_read_outcome (in, text);
  if (found < 0 && outcome == OUTCOME_NONE)
    {
      errno = error;
      return OUTCOME_ERROR;
    }
  if (outcome != OUTCOME_NONE || in->reads_only)
    return outcome;
  /* As in open_departure(). */
  if (instance_void (in) != 0 && errno != EEXIST)
    return OUTCOME_ERROR;
  return instance_read_outcome (in, text);
}

/* Makes the outcome: a link to TEXT, and its trace in arrival, where who decides looks; or
 * a release, where TEXT is NULL. */
static int
end_as (struct instance *in, const char *text)
{
  if ((text == NULL ? mkdirat (in->top, "departure", 0700)
                    : symlinkat (text, in->top, "departure"))
      != 0)
    {
      in->ended = in->ended || errno == EEXIST;
      return -1;
    }
  int arrival = text == NULL ? -1 : openat (in->top, "arrival", HOLD_DIRECTORY);
  if (arrival >= 0 && symlinkat ("../departure", arrival, INSTANCE_TRACE) == 0)
    instance_sync (in, in->top, "arrival");
  close_one (&arrival);
  instance_sync (in, in->top, ".");
  return 0;
}

int
instance_release (struct instance *in)
{
  return end_as (in, NULL);
}

int
instance_void (struct instance *in)
{
  return end_as (in, "void");
}

void
instance_confirm (const struct instance *in, const char *note)
{
  /* Without it each looks for its own mark. */
  if (!in->lazy)
    (void) !symlinkat (note, in->top, CONFIRMED);
}

int
instance_call_off (struct instance *in, const char *text)
{
  char target[sizeof CALLED_OFF + INSTANCE_TEXT_MAX];

  (void) snprintf (target, sizeof target, CALLED_OFF "%.*s", INSTANCE_TEXT_MAX - 1, text);
  instance_find_mount (in);
  return end_as (in, target);
}

static int
known_time (int dirfd, const char *path, int64_t *time)
{
  struct stat st;

  if (fstatat (dirfd, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return -1;
  *time = nanoseconds (&st.st_mtim);
  return 0;
}

int
instance_time (const struct instance *in, const char *path, int64_t *time)
{
  return known_time (in->top, path, time);
}

int
instance_own_time (const struct instance *in, const struct ranks *own, int64_t *time)
{
  char name[NAME_MAX_];

  return known_time (in->arrival, first_mark (own, name), time);
}

int
instance_renew (const struct instance *in, const char *path, int64_t *time)
{
  return in->moves && utimensat (in->top, path, NULL, AT_SYMLINK_NOFOLLOW) == 0
           ? instance_time (in, path, time)
           : -1;
}

/* ------------------------------------------------------------------- sockets */

/* A socket, by bind(2) or connect(2) at NAME in the instance: by its name alone,
 * since a socket's path holds 107 bytes. */
static int
instance_socket (int top, const char *name,
                 int (*call) (int fd, const struct sockaddr *address, socklen_t size))
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  (void) snprintf (address.sun_path, sizeof address.sun_path, "%s", name);
  if (fd >= 0
      && (fchdir (top) != 0 || call (fd, (const struct sockaddr *) &address, sizeof address) != 0))
    close_one (&fd);
  int error = errno;
  if (chdir ("/") != 0)
    close_one (&fd);
  else
    errno = error;
  return fd;
}

static const char *
node_name (char name[32], const char *prefix, uint32_t node)
{
  (void) snprintf (name, 32, "%s%u", prefix, node);
  return name;
}

int
instance_connect (const struct instance *in, uint32_t node)
{
  char name[32];

  return instance_socket (in->top, node_name (name, INSTANCE_NODE, node), connect);
}

int
instance_listen (const struct instance *in, uint32_t node)
{
  char name[32], target[1];
  int fd = instance_socket (in->top, node_name (name, INSTANCE_NODE, node), bind);

  /* connect(2) follows a link, bind(2) does not. */
  if (fd < 0 && errno == EADDRINUSE)
    errno = readlinkat (in->top, name, target, sizeof target) >= 0 ? ELOOP : EADDRINUSE;
  if (fd >= 0 && listen (fd, BACKLOG) != 0)
    {
      instance_unlisten (in, node);
      close_one (&fd);
    }
  return fd;
}

void
instance_unlisten (const struct instance *in, uint32_t node)
{
  char name[32];
  int error = errno;

  (void) unlinkat (in->top, node_name (name, INSTANCE_NODE, node), 0);
  errno = error;
}

/* Connects to NAME, if that is a node's socket, and hangs up. */
static void
wake_leader (int top, const char *name)
{
  int fd = -1;

  if (strncmp (name, INSTANCE_NODE, strlen (INSTANCE_NODE)) == 0)
    fd = instance_socket (top, name, connect);
  close_one (&fd);
}

void
instance_wake_leaders (const struct instance *in)
{
  DIR *dir = instance_list (in->top, ".");
  const struct dirent *entry;

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    wake_leader (in->top, entry->d_name);
  end_list (dir);
}

/* Makes or replaces the link NAME, or removes it. */
static void
instance_tell (const struct instance *in, const char *name, const char *note)
{
  char new[64];

  (void) snprintf (new, sizeof new, "%s.new", name);
  if (note == NULL)
    (void) unlinkat (in->top, name, 0);
  else if (symlinkat (note, in->top, name) != 0 && errno == EEXIST
           && (symlinkat (note, in->top, new) != 0 || renameat (in->top, new, in->top, name) != 0))
    (void) unlinkat (in->top, new, 0);
}

void
instance_tell_gathering (const struct instance *in, uint32_t node, const char *note)
{
  char name[32];

  instance_tell (in, node_name (name, INSTANCE_GATHERING, node), note);
}

void
instance_tell_watcher (const struct instance *in, const char *note)
{
  instance_tell (in, "watcher", note);
}

bool
instance_watches (const struct instance *in, const char *note)
{
  return link_says (in->top, "watcher", note) != 0;
}

int
instance_open_lock (const struct instance *in)
{
  return openat (in->top, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
}

int64_t
instance_leader_age (const struct instance *in, uint32_t node, const struct ranks *own)
{
  char paths[3][sizeof "arrival/" + NAME_MAX_], name[NAME_MAX_];
  const int64_t odd = 30 * SECOND;
  int64_t seen = INT64_MIN, time;
  struct timespec now;

  (void) node_name (paths[0], INSTANCE_NODE, node);
  (void) node_name (paths[1], INSTANCE_GATHERING, node);
  (void) snprintf (paths[2], sizeof paths[2], "arrival/%s", first_mark (own, name));
  for (int i = 0; i < 3; i++)
    if (instance_time (in, paths[i], &time) == 0 && time > seen)
      seen = time;
  if (seen == INT64_MIN)
    return 0; /* no socket: it has just gone */
  /* To ask the server costs a change: only if this node's clock finds it odd. */
  (void) clock_gettime (CLOCK_REALTIME, &now);
  int64_t age = nanoseconds (&now) - seen;
  return age > -odd && age < odd ? age : instance_server_time (in->parent) - seen;
}

/* --------------------------------------------------------------- file system */

const char *
instance_local_file_system (int dirfd)
{
  /* linux/magic.h, and for the others their own sources. */
  static const struct
  {
    uint32_t magic;
    const char *name;
  } local[] = {
    { 0xef53, "ext4" }, /* and ext2, ext3 */
    { 0x58465342, "XFS" },
    { 0x9123683e, "Btrfs" },
    { 0x01021994, "tmpfs" },
    { 0x2fc12fc1, "ZFS" },
    { 0x794c7630, "overlay" }, /* its layers belong to one kernel */
  };
  struct statfs st = { 0 };

  (void) fstatfs (dirfd, &st);
  for (size_t i = 0; i < sizeof local / sizeof *local; i++)
    if ((uint32_t) st.f_type == local[i].magic)
      return local[i].name;
  return NULL;
}

int64_t
instance_server_time (int dirfd)
{
  struct timespec now;
  struct stat st;

  if (futimens (dirfd, NULL) == 0 && fstat (dirfd, &st) == 0)
    return nanoseconds (&st.st_mtim);
  (void) clock_gettime (CLOCK_REALTIME, &now);
  return nanoseconds (&now);
}

/* -------------------------------------------------------------- come and go */

/* Whether ST is of this instance: 1, 0, or -1.  A removed directory's number may be
 * given to the next: the same number is the same directory only while the held
 * descriptor still answers. */
static int
instance_is (const struct instance *in, const struct stat *st)
{
  if (st->st_dev != in->dev || st->st_ino != in->ino)
    return 0;
  int fd = openat (in->top, ".", OPEN_DIRECTORY);
  if (fd < 0)
    return instance_is_gone (errno) ? 0 : -1;
  close_one (&fd);
  return 1;
}

int
instance_is_current (const struct instance *in)
{
  int fd = openat (in->parent, ".", OPEN_DIRECTORY);
  struct stat st;

  if (fd < 0)
    return -1;
  const int seen = fstatat (fd, in->key, &st, AT_SYMLINK_NOFOLLOW);
  close_one (&fd);
  if (seen != 0)
    return instance_is_gone (errno) ? 0 : -1;
  return instance_is (in, &st);
}

/* Looks at what was renamed to NAME.  0: this instance.  1: another one, which
 * members may live in: they are told to arrive anew.  It is removed like any
 * that is void, since nobody may have come to it who would do so. */
static int
instance_check_catch (const struct instance *in, const char *name)
{
  struct instance other;
  struct stat st;

  if (fstatat (in->parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return 1;
  const int same = instance_is (in, &st);
  if (same != 0 || instance_find (&other, in->parent, name) != 0)
    return same == 1 ? 0 : 1;
  (void) instance_void (&other);
  instance_wake_leaders (&other);
  const bool remove = instance_outcome (&other, NULL) == OUTCOME_VOID;
  close_one (&other.top);
  if (remove)
    (void) instance_remove (in->parent, name);
  return 1;
}

int
instance_go_away (const struct instance *in, char name[256])
{
  /* No two hooks of a user, on whatever nodes, make the same at the same nanosecond. */
  (void) snprintf (name, 256, INSTANCE_GONE "%ld-%lld-%s", (long) getpid (),
                   (long long) waiting_now (), in->key);
  /* ENOENT may be the answer to the repetition of a request that was done: then it
   * is here under its new name. */
  if (renameat (in->parent, in->key, in->parent, name) != 0 && errno != ENOENT)
    return -1;
  return instance_check_catch (in, name);
}

bool
instance_find_gone (const struct instance *in, char name[256])
{
  DIR *dir = instance_list (in->parent, ".");
  const struct dirent *entry;
  bool found = false;
  struct stat st;

  while (!found && dir != NULL && (entry = readdir (dir)) != NULL)
    if (strncmp (entry->d_name, INSTANCE_GONE, strlen (INSTANCE_GONE)) == 0
        && fstatat (dirfd (dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
        && instance_is (in, &st) == 1)
      found = snprintf (name, 256, "%s", entry->d_name) > 0;
  end_list (dir);
  return found;
}

static bool instance_remove_entry (int dirfd, const char *name, unsigned char type, int depth);

/* Removes what is in DIR, but for KEEP.  Returns whether that is there. */
static bool
instance_empty (DIR *dir, const char *keep, int depth)
{
  const struct dirent *entry;
  bool kept = false;

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, keep) == 0)
      kept = true;
    else if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      {
        /* A leader of this node may have come late, and not look by himself. */
        if (depth == 0)
          wake_leader (dirfd (dir), entry->d_name);
        (void) instance_remove_entry (dirfd (dir), entry->d_name, entry->d_type, depth);
      }
  return kept;
}

/* Whether NAME, of that TYPE of readdir(3)'s, is not there any more. */
static bool
instance_remove_entry (int dirfd, const char *name, unsigned char type, int depth)
{
  if (type != DT_DIR && (unlinkat (dirfd, name, 0) == 0 || errno == ENOENT))
    return true;
  if ((type != DT_DIR && errno != EISDIR) || depth >= REMOVE_DEPTH)
    return false;
  /* What is mounted there is not a part of it. */
  const struct
  {
    uint64_t flags, mode, resolve;
  } how = { OPEN_DIRECTORY, 0, RESOLVE_OWN_NO_XDEV };
  int fd = (int) syscall (CALL_OPENAT2, dirfd, name, &how, sizeof how);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EAGAIN))
    fd = openat (dirfd, name, OPEN_DIRECTORY);
  DIR *dir = open_list (fd);
  (void) instance_empty (dir, "", depth + 1);
  end_list (dir);
  if (unlinkat (dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
    return true;
  return errno == ENOTDIR && unlinkat (dirfd, name, 0) == 0;
}

/* The order matters.  A release vanishes at once, by a rename, before any of
 * its files: else a late-comer could find it without his own and take it for
 * his.  Any other outcome stays until nobody can arrive any more, and no file
 * is left of those who have: else a procid 0 that was stopped before its release
 * could still make it, and they would go. */
static void
instance_dismantle (DIR *dir, int round)
{
  int top = dirfd (dir);
  char name[32];

  (void) snprintf (name, sizeof name, "departed-%d", round);
  /* The slash: only if it is a directory. */
  (void) renameat (top, "departure/", top, name);
  /* Unless somebody has just arrived: then once more. */
  if (instance_remove_entry (top, "arrival", DT_DIR, 0) && instance_empty (dir, "departure", 0))
    (void) instance_remove_entry (top, "departure", DT_UNKNOWN, 0);
}

int
instance_remove (int parent, const char *name)
{
  const struct timespec moment = { .tv_nsec = 1000000 };

  for (int round = 0; round < 10; round++)
    {
      DIR *dir = instance_list (parent, name);
      if (dir == NULL)
        return errno == ENOENT ? 0 : -1;
      if (round > 1)
        (void) nanosleep (&moment, NULL);
      instance_dismantle (dir, round);
      end_list (dir);
      if (unlinkat (parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0; /* or somebody else was faster */
      if (errno != ENOTEMPTY && errno != EEXIST)
        break;
    }
  return -1;
}
