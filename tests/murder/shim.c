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
 *   MURDER_REMOTE=1       the file system says it is NFS
 *   MURDER_DEAF=1         the kernel tells of no changes (no dnotify)
 *   MURDER_POOR=1         no mknod(2) of files, and no links
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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__ ((visibility ("default")))
#define SECOND INT64_C (1000000000)
#define NFS_MAGIC 0x6969

static struct
{
  struct record *record;
  unsigned long fail, delay;
  bool fail_all, remote, deaf, poor, ready;
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
  shim.remote = shim_number ("MURDER_REMOTE") != 0;
  shim.deaf = shim_number ("MURDER_DEAF") != 0;
  shim.poor = shim_number ("MURDER_POOR") != 0;
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

/* Notes what is about to be done; NULL if that is nothing that counts. */
static struct record_event *
shim_before (enum record_what what, int dirfd, const char *instance, const char *name)
{
  const char *prefix = "slurm-procid-";
  struct record *r = shim.record;

  if (r->used >= RECORD_EVENTS)
    return NULL;
  struct record_event *e = &r->event[r->used];
  e->rank = 0;
  if (strncmp (name, prefix, strlen (prefix)) == 0)
    e->rank = (uint32_t) strtoul (name + strlen (prefix), NULL, 10);
  e->result = RECORD_UNKNOWN;
  shim_place (dirfd, instance, &e->place);
  e->what = what;
  e->before = shim_now ();
  __atomic_store_n (&r->used, r->used + 1, __ATOMIC_SEQ_CST);
  return e;
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

/* A member's file is made in, or removed from, DIRFD. */
static struct record_event *
shim_before_mark (int dirfd, const char *name, bool removed)
{
  char directory[32];

  if (strncmp (name, "slurm-procid-", 13) != 0)
    return NULL;
  shim_directory (dirfd, directory);
  if (strncmp (directory, "arrival", 7) == 0)
    return shim_before (removed ? RECORD_WITHDRAW : RECORD_ARRIVE, dirfd, "..", name);
  if (strncmp (directory, "depart", 6) == 0 && !removed)
    return shim_before (RECORD_DEPART, dirfd, "..", name);
  return NULL;
}

static int
shim_refuse (void)
{
  errno = EPERM;
  return -1;
}

PUBLIC int
mknodat (int dirfd, const char *name, mode_t mode, dev_t dev)
{
  if (shim.poor)
    return shim_refuse ();
  struct record_event *e = shim_before_mark (dirfd, name, false);

  return shim_after (e, SLOWLY (syscall (SYS_mknodat, dirfd, name, mode, dev)));
}

PUBLIC int
linkat (int from, const char *name, int to, const char *other, int flags)
{
  if (shim.poor)
    return shim_refuse ();
  struct record_event *e = shim_before_mark (to, other, false);

  return shim_after (e, SLOWLY (syscall (SYS_linkat, from, name, to, other, flags)));
}

PUBLIC int
unlinkat (int dirfd, const char *name, int flags)
{
  struct record_event *e = shim_before_mark (dirfd, name, true);

  return shim_after (e, SLOWLY (syscall (SYS_unlinkat, dirfd, name, flags)));
}

PUBLIC int
mkdirat (int dirfd, const char *name, mode_t mode)
{
  struct record_event *e = NULL;

  if (strcmp (name, "departure") == 0)
    e = shim_before (RECORD_RELEASE, dirfd, ".", "");
  else if (strcmp (name, "../departure") == 0)
    e = shim_before (RECORD_RELEASE, dirfd, "..", "");
  return shim_after (e, SLOWLY (syscall (SYS_mkdirat, dirfd, name, mode)));
}

PUBLIC int
symlinkat (const char *target, int dirfd, const char *name)
{
  struct record_event *e = NULL;

  if (strcmp (name, "departure") == 0)
    e = shim_before (RECORD_OUTCOME, dirfd, ".", "");
  else if (strcmp (name, "../departure") == 0)
    e = shim_before (RECORD_OUTCOME, dirfd, "..", "");
  return shim_after (e, SLOWLY (syscall (SYS_symlinkat, target, dirfd, name)));
}

PUBLIC int
openat (int dirfd, const char *name, int flags, ...)
{
  struct record_event *e = NULL;
  mode_t mode = 0;
  va_list ap;

  if ((flags & O_CREAT) != 0)
    {
      va_start (ap, flags);
      mode = va_arg (ap, mode_t);
      va_end (ap);
      if ((flags & O_EXCL) != 0)
        e = shim_before_mark (dirfd, name, false);
    }
  return shim_after (e, SLOWLY (syscall (SYS_openat, dirfd, name, flags, mode)));
}

PUBLIC int
renameat (int from, const char *name, int to, const char *other)
{
  struct record_event *e = shim_before_mark (to, other, false);

  return shim_after (e, SLOWLY (syscall (SYS_renameat, from, name, to, other)));
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

PUBLIC int
clock_gettime (clockid_t clock, struct timespec *t)
{
  int result = (int) syscall (SYS_clock_gettime, clock, t);

  if (result == 0 && clock == CLOCK_REALTIME)
    shim_jump (t);
  return result;
}

/* ----------------------------------------------------- what file system it is */

PUBLIC int
fstatfs (int fd, struct statfs *st)
{
  int result = (int) SLOWLY (syscall (SYS_fstatfs, fd, st));

  if (result == 0 && shim.remote)
    st->f_type = NFS_MAGIC;
  return result;
}

PUBLIC int
fcntl (int fd, int command, ...)
{
  va_list ap;

  va_start (ap, command);
  void *argument = va_arg (ap, void *);
  va_end (ap);
  if (command == F_NOTIFY && shim.deaf)
    {
      errno = EINVAL;
      return -1;
    }
  return (int) syscall (SYS_fcntl, fd, command, argument);
}
