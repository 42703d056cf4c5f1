/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shim.so, preloaded into a hook: notes what the hook does (see record.h), and
 * makes the world harder for it.  Settings, in the environment:
 *
 *   MURDER_RECORD=FILE    note there what the hook does
 *   MURDER_MALLOC=N       the N-th allocation of the hook fails
 *   MURDER_MALLOC_ALL=1   and all after it; but while json-c parses, not those
 *                         that fit into what was given back just before
 *   MURDER_DELAY=US       each call to the file system takes up to that many
 *                         microseconds longer, before it or after it
 *   MURDER_SEED=N         the random numbers for that
 *   MURDER_LAZY=1         the file system says it is CephFS
 *   MURDER_POOR=1         the file system has no sockets and no links,
 *   MURDER_UNFOUND=1      or nobody can connect to them
 *   MURDER_JUMP=AT,BY     at AT, nanoseconds of CLOCK_REALTIME, the clocks of
 *                         all machines jump by BY: what is younger has times
 *                         that are that much later
 *
 * It calls the kernel itself and not the C library, whose functions it stands
 * in for.
 */
#include "record.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__ ((visibility ("default")))
#define SECOND INT64_C (1000000000)

/* What hooks say to each other begins with this and another number, in a leader's
 * case one of the words: see src/gather.c. */
#define GATHER_VERSION 0x53594e31
#define GATHER_TAKEN 1
#define GATHER_AWAY 2
#define GATHER_VOID 4

static struct
{
  struct record *record;
  unsigned long fail, delay;
  bool fail_all, lazy, poor, unfound, asks, ready;
  struct record_place gathered; /* the instance that its socket is in */
  uint64_t random;
  int64_t jump_at, jump_by;
} shim;

/* For allocations while there is no record. */
static struct record shim_scratch;

static unsigned long
shim_number (const char *name)
{
  const char *text = getenv (name);

  return text == NULL ? 0 : strtoul (text, NULL, 10);
}

__attribute__ ((constructor)) static void
shim_start (void)
{
  const char *path = getenv ("MURDER_RECORD"), *jump = getenv ("MURDER_JUMP");

  shim.record = &shim_scratch;
  if (path != NULL)
    {
      int fd = (int) syscall (SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
      void *map = mmap (NULL, sizeof *shim.record, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (fd < 0 || map == MAP_FAILED)
        _exit (124);
      (void) syscall (SYS_close, fd);
      shim.record = map;
    }
  shim.fail = shim_number ("MURDER_MALLOC");
  shim.fail_all = shim_number ("MURDER_MALLOC_ALL") != 0;
  shim.delay = shim_number ("MURDER_DELAY");
  shim.lazy = shim_number ("MURDER_LAZY") != 0;
  shim.poor = shim_number ("MURDER_POOR") != 0;
  shim.unfound = shim_number ("MURDER_UNFOUND") != 0;
  shim.random = shim_number ("MURDER_SEED") + (uint64_t) getpid () * 0x9e3779b97f4a7c15U;
  if (jump != NULL && sscanf (jump, "%ld,%ld", &shim.jump_at, &shim.jump_by) != 2)
    _exit (124);
  shim.record->loaded = 1;
  shim.ready = true;
}

static int64_t
shim_now (void)
{
  struct timespec t;

  (void) syscall (SYS_clock_gettime, CLOCK_MONOTONIC, &t);
  return t.tv_sec * SECOND + t.tv_nsec;
}

/* ------------------------------------------------------------------- memory */

/* Memory that the hook was given, and gave back untouched, is there: this much,
 * until json_tokener_parse_ex() returns.  What else does, would make json-c
 * crash, which no hook can help. */
static size_t shim_reserved;
static bool shim_parses;
static void *shim_last; /* the last allocation, and its size */
static size_t shim_last_size;

extern void __libc_free (void *);
extern void *__libc_malloc (size_t);
extern void *__libc_calloc (size_t, size_t);
extern void *__libc_realloc (void *, size_t);

static bool
shim_fails (size_t size)
{
  if (!shim.ready)
    return false;
  if (shim_parses && size <= shim_reserved)
    {
      shim_reserved -= size;
      return false;
    }
  shim.record->allocations++;
  if (shim.fail == 0 || shim.record->allocations < shim.fail
      || (shim.record->allocations > shim.fail && !shim.fail_all))
    return false;
  shim.record->failed++;
  errno = ENOMEM;
  return true;
}

PUBLIC void *
malloc (size_t size)
{
  if (shim_fails (size))
    return NULL;
  shim_last = __libc_malloc (size);
  shim_last_size = size;
  return shim_last;
}

PUBLIC void *
calloc (size_t count, size_t size)
{
  shim_last = NULL;
  return shim_fails (count * size) ? NULL : __libc_calloc (count, size);
}

PUBLIC void *
realloc (void *old, size_t size)
{
  shim_last = NULL;
  return shim_fails (size) ? NULL : __libc_realloc (old, size);
}

PUBLIC void
free (void *p)
{
  if (p != NULL && !shim_parses)
    shim_reserved = p == shim_last ? shim_last_size : 0;
  shim_last = NULL;
  __libc_free (p);
}

struct json_object;
struct json_tokener;
extern struct json_object *json_tokener_parse_ex (struct json_tokener *, const char *, int);

PUBLIC struct json_object *
json_tokener_parse_ex (struct json_tokener *tokener, const char *text, int length)
{
  struct json_object *(*parse) (struct json_tokener *, const char *, int);

  *(void **) &parse = dlsym (RTLD_NEXT, "json_tokener_parse_ex");
  shim_parses = true;
  struct json_object *object = parse (tokener, text, length);
  shim_parses = false;
  shim_reserved = 0;
  return object;
}

/* ------------------------------------------------------------------- delays */

static void
shim_sleep (void)
{
  if (shim.delay == 0)
    return;
  /* Knuth's MMIX generator; most calls are quick, some are not. */
  shim.random = shim.random * 6364136223846793005U + 1442695040888963407U;
  uint64_t r = shim.random >> 33;
  if (r % 4 != 0)
    return;
  const struct timespec t = { .tv_nsec = (long) (r / 4 % shim.delay) * 1000 % 1000000000 };
  int error = errno;
  (void) syscall (SYS_nanosleep, &t, NULL);
  errno = error;
}

#define SLOWLY(call)                                                                               \
  __extension__ ({                                                                                 \
    shim_sleep ();                                                                                 \
    long slow_result = (call);                                                                     \
    shim_sleep ();                                                                                 \
    slow_result;                                                                                   \
  })

/* -------------------------------------------------------------------- notes */

/* The last part of the name of the directory DIRFD. */
static void
shim_directory (int dirfd, char name[32])
{
  char path[64], target[4096];

  (void) snprintf (path, sizeof path, "/proc/self/fd/%d", dirfd);
  ssize_t n = syscall (SYS_readlinkat, AT_FDCWD, path, target, sizeof target - 1);
  target[n > 0 ? n : 0] = '\0';
  const char *slash = strrchr (target, '/');
  (void) snprintf (name, 32, "%.31s", slash == NULL ? target : slash + 1);
}

/* The instance whose directory is PATH below DIRFD. */
static void
shim_place (int dirfd, const char *path, struct record_place *place)
{
  struct
  {
    struct file_handle head;
    unsigned char rest[128];
  } handle = { .head = { .handle_bytes = 128 } };
  struct statx stx = { 0 };
  int mount;

  (void) syscall (SYS_statx, dirfd, path, 0, STATX_INO | STATX_BTIME, &stx);
  place->inode = stx.stx_ino;
  place->born = stx.stx_btime.tv_sec * SECOND + stx.stx_btime.tv_nsec;
  place->generation = 0;
  if (syscall (SYS_name_to_handle_at, dirfd, path, &handle, &mount, 0) == 0)
    for (unsigned i = 0; i < handle.head.handle_bytes; i++)
      place->generation = place->generation * 31 + handle.rest[i];
}

/* The tasks that are in the name of a mark: "0-3,6,8-12:2". */
static uint64_t
shim_ranks (const char *text)
{
  uint64_t ranks = 0;
  char *end;

  for (; *text != '\0'; text = *end == ',' ? end + 1 : end)
    {
      unsigned long from = strtoul (text, &end, 10), to = from, step = 1;

      if (end == text)
        return 0;
      if (*end == '-')
        to = strtoul (end + 1, &end, 10);
      if (*end == ':')
        step = strtoul (end + 1, &end, 10);
      for (unsigned long rank = from; rank <= to && rank < 64; rank += step)
        ranks |= UINT64_C (1) << rank;
    }
  return ranks;
}

/* Notes what is about to be done; NULL if there is no room. */
static struct record_event *
shim_note (enum record_what what, const struct record_place *place, uint64_t ranks)
{
  struct record *r = shim.record;

  if (r->used >= RECORD_EVENTS)
    return NULL;
  struct record_event *e = &r->event[r->used];
  e->ranks = ranks;
  e->result = RECORD_UNKNOWN;
  e->place = *place;
  e->what = what;
  e->before = shim_now ();
  __atomic_store_n (&r->used, r->used + 1, __ATOMIC_SEQ_CST);
  return e;
}

/* The same in the instance that is INSTANCE below DIRFD. */
static struct record_event *
shim_before (enum record_what what, int dirfd, const char *instance, const char *ranks)
{
  struct record_place place;

  shim_place (dirfd, instance, &place);
  return shim_note (what, &place, shim_ranks (ranks));
}

static int
shim_after (struct record_event *e, long result)
{
  int error = errno;

  if (e != NULL)
    {
      e->after = shim_now ();
      __atomic_store_n (&e->result, result < 0 ? -error : 0, __ATOMIC_SEQ_CST);
    }
  errno = error;
  return (int) result;
}

#define MARK "slurm-procid-"

/* A mark is made in, or removed from, DIRFD; NULL if it is none. */
static struct record_event *
shim_before_mark (enum record_what what, int dirfd, const char *name)
{
  char directory[32];

  if (strncmp (name, MARK, strlen (MARK)) != 0)
    return NULL;
  shim_directory (dirfd, directory);
  if (what == RECORD_ARRIVE && strcmp (directory, "departure") == 0)
    what = RECORD_DEPART;
  else if (strcmp (directory, "arrival") != 0)
    return NULL;
  return shim_before (what, dirfd, "..", name + strlen (MARK));
}

PUBLIC int
unlinkat (int dirfd, const char *name, int flags)
{
  struct record_event *e = shim_before_mark (RECORD_WITHDRAW, dirfd, name);

  return shim_after (e, SLOWLY (syscall (SYS_unlinkat, dirfd, name, flags)));
}

PUBLIC int
mkdirat (int dirfd, const char *name, mode_t mode)
{
  struct record_event *e = NULL;

  if (strcmp (name, "departure") == 0)
    e = shim_before (RECORD_RELEASE, dirfd, ".", "");
  return shim_after (e, SLOWLY (syscall (SYS_mkdirat, dirfd, name, mode)));
}

PUBLIC int
symlinkat (const char *target, int dirfd, const char *name)
{
  struct record_event *e = NULL;

  if (strcmp (name, "departure") == 0)
    e = shim_before (RECORD_OUTCOME, dirfd, ".", "");
  else
    e = shim_before_mark (RECORD_ARRIVE, dirfd, name);
  return shim_after (e, SLOWLY (syscall (SYS_symlinkat, target, dirfd, name)));
}

/* Marks in departure are links to those in arrival, where there are such. */
PUBLIC int
linkat (int from, const char *name, int to, const char *other, int flags)
{
  if (shim.poor)
    {
      errno = EPERM;
      return -1;
    }
  struct record_event *e = shim_before_mark (RECORD_ARRIVE, to, other);

  return shim_after (e, SLOWLY (syscall (SYS_linkat, from, name, to, other, flags)));
}

PUBLIC int
openat (int dirfd, const char *name, int flags, ...)
{
  mode_t mode = 0;
  va_list ap;

  if ((flags & O_CREAT) != 0)
    {
      va_start (ap, flags);
      mode = va_arg (ap, mode_t);
      va_end (ap);
    }
  return (int) SLOWLY (syscall (SYS_openat, dirfd, name, flags, mode));
}

PUBLIC int
renameat (int from, const char *name, int to, const char *other)
{
  return (int) SLOWLY (syscall (SYS_renameat, from, name, to, other));
}

/* It has either name, by the size of off_t. */
PUBLIC int
fcntl64 (int fd, int command, ...)
{
  va_list ap;

  va_start (ap, command);
  void *argument = va_arg (ap, void *);
  va_end (ap);
  return (int) SLOWLY (syscall (SYS_fcntl, fd, command, argument));
}

PUBLIC int fcntl (int fd, int command, ...) __attribute__ ((alias ("fcntl64")));

/* ------------------------------------------------------------------ sockets */

static int
shim_refuse (int error)
{
  errno = error;
  return -1;
}

/* Whether it is the address of a socket in an instance, which is then the
 * working directory. */
static bool
shim_gathers (const struct sockaddr *address)
{
  return address->sa_family == AF_UNIX
         && strncmp (((const struct sockaddr_un *) address)->sun_path, "node-", 5) == 0;
}

PUBLIC int
bind (int fd, const struct sockaddr *address, socklen_t size)
{
  struct record_event *e = NULL;

  if (shim_gathers (address))
    {
      if (shim.poor)
        return shim_refuse (EPERM);
      shim_place (AT_FDCWD, ".", &shim.gathered);
      e = shim_note (RECORD_LEAD, &shim.gathered, 0);
    }
  return shim_after (e, SLOWLY (syscall (SYS_bind, fd, address, size)));
}

PUBLIC int
listen (int fd, int backlog)
{
  return (int) SLOWLY (syscall (SYS_listen, fd, backlog));
}

PUBLIC int
connect (int fd, const struct sockaddr *address, socklen_t size)
{
  struct stat st;

  if (shim_gathers (address))
    {
      if (shim.unfound
          && fstatat (AT_FDCWD, ((const struct sockaddr_un *) address)->sun_path, &st, 0) == 0)
        return shim_refuse (ECONNREFUSED);
      shim_place (AT_FDCWD, ".", &shim.gathered);
      shim.asks = true;
    }
  return (int) SLOWLY (syscall (SYS_connect, fd, address, size));
}

/* It is the leader: it has only tried whether it can be found. */
PUBLIC int
accept4 (int fd, struct sockaddr *address, socklen_t *size, int flags)
{
  shim.asks = false;
  return (int) SLOWLY (syscall (SYS_accept4, fd, address, size, flags));
}

PUBLIC ssize_t
send (int fd, const void *data, size_t size, int flags)
{
  const uint32_t *hello = data;
  struct record_event *e = NULL;

  /* The fourth number says that it will not come. */
  shim.asks = shim.asks && size == 4 * sizeof *hello && hello[0] == GATHER_VERSION && hello[3] == 0;
  if (shim.asks)
    e = shim_note (RECORD_ASK, &shim.gathered, UINT64_C (1) << hello[1] % 64);
  return shim_after (e, SLOWLY (syscall (SYS_sendto, fd, data, size, flags, NULL, 0)));
}

PUBLIC ssize_t
recv (int fd, void *data, size_t size, int flags)
{
  ssize_t n = SLOWLY (syscall (SYS_recvfrom, fd, data, size, flags, NULL, NULL));
  const uint32_t *word = data;

  /* A leader does not ask, and makes room for no more than what comers say. */
  if (n < (ssize_t) (3 * sizeof *word) || !shim.asks || word[0] != GATHER_VERSION)
    return n;
  if (word[1] == GATHER_TAKEN)
    (void) shim_after (shim_note (RECORD_JOIN, &shim.gathered, 0), 0);
  else if (word[1] == GATHER_AWAY || word[1] == GATHER_VOID)
    (void) shim_after (shim_note (RECORD_LEAVE, &shim.gathered, 0), 0);
  return n;
}

/* -------------------------------------------------------------------- times */

/* What the clock shows when it would have shown T had it not jumped. */
static void
shim_jump (struct timespec *t)
{
  int64_t time = t->tv_sec * SECOND + t->tv_nsec;

  if (shim.jump_at == 0 || time < shim.jump_at)
    return;
  time += shim.jump_by;
  t->tv_sec = time / SECOND;
  t->tv_nsec = time % SECOND;
}

static int
shim_stat (int dirfd, const char *name, struct stat *st, int flags)
{
  int result = (int) SLOWLY (syscall (SYS_newfstatat, dirfd, name, st, flags));

  if (result == 0)
    {
      shim_jump (&st->st_atim);
      shim_jump (&st->st_mtim);
      shim_jump (&st->st_ctim);
    }
  return result;
}

PUBLIC int
fstatat (int dirfd, const char *name, struct stat *st, int flags)
{
  return shim_stat (dirfd, name, st, flags);
}

PUBLIC int
fstat (int fd, struct stat *st)
{
  return shim_stat (fd, "", st, AT_EMPTY_PATH);
}

static void
shim_jump_x (struct statx_timestamp *t)
{
  struct timespec time = { .tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec };

  shim_jump (&time);
  t->tv_sec = time.tv_sec;
  t->tv_nsec = (uint32_t) time.tv_nsec;
}

PUBLIC int
statx (int dirfd, const char *name, int flags, unsigned mask, struct statx *st)
{
  int result = (int) SLOWLY (syscall (SYS_statx, dirfd, name, flags, mask, st));

  if (result == 0)
    {
      shim_jump_x (&st->stx_atime);
      shim_jump_x (&st->stx_mtime);
      shim_jump_x (&st->stx_ctime);
    }
  return result;
}

PUBLIC int
clock_gettime (clockid_t clock, struct timespec *t)
{
  int result = (int) syscall (SYS_clock_gettime, clock, t);

  if (result == 0 && clock == CLOCK_REALTIME)
    shim_jump (t);
  return result;
}

/* ----------------------------------------------------- what file system it is */

/* As in /proc/self/mountinfo, but all of them are CephFS. */
static FILE *
lazy_mounts (FILE *mounts)
{
  char line[4096], *text = NULL;
  size_t size = 0;
  FILE *lazy = open_memstream (&text, &size);

  while (fgets (line, sizeof line, mounts) != NULL)
    {
      char *type = strstr (line, " - ");
      if (type != NULL)
        *type = '\0';
      (void) fprintf (lazy, "%s - ceph none rw\n", line);
    }
  (void) fclose (mounts);
  (void) fclose (lazy);
  return fmemopen (text, size, "r");
}

PUBLIC FILE *
fopen (const char *path, const char *mode)
{
  FILE *(*next) (const char *path, const char *mode);
  void *symbol = dlsym (RTLD_NEXT, "fopen");

  memcpy (&next, &symbol, sizeof next);
  FILE *stream = next (path, mode);
  return shim.lazy && stream != NULL && strcmp (path, "/proc/self/mountinfo") == 0
           ? lazy_mounts (stream)
           : stream;
}
