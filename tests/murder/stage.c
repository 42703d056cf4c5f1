/* SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define USER "victim"

/* Nobody's number on most systems; root's hooks become it. */
#define OTHER_ID 59321

/* Directories that scenes are spread over. */
#define SCENES_APART 64U

struct stage stage;
static pid_t stage_owner;

int64_t
stage_now (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * SECOND + t.tv_nsec;
}

void
stage_nap (int64_t duration)
{
  struct timespec t = { .tv_sec = duration / SECOND, .tv_nsec = duration % SECOND };

  while (nanosleep (&t, &t) != 0 && errno == EINTR)
    ;
}

void
stage_die (const char *format, ...)
{
  const char *why = strerror (errno);
  va_list ap;

  (void) fputs ("# ", stderr);
  va_start (ap, format);
  (void) vfprintf (stderr, format, ap);
  va_end (ap);
  (void) fprintf (stderr, ": %s\n", why);
  exit (EXIT_FAILURE);
}

/* printf into a path; too long is fatal. */
__attribute__ ((format (printf, 2, 3))) static char *
path_of (char path[STAGE_PATH], const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  int n = vsnprintf (path, STAGE_PATH, format, ap);
  va_end (ap);
  if (n < 0 || n >= STAGE_PATH)
    {
      errno = ENAMETOOLONG;
      stage_die ("%s", path);
    }
  return path;
}

static void
stage_write (const char *path, const char *text)
{
  FILE *stream = fopen (path, "we");

  if (stream == NULL || fputs (text, stream) < 0 || fclose (stream) != 0 || chmod (path, 0644) != 0)
    stage_die ("cannot write %s", path);
}

static void
stage_mkdir (const char *path, mode_t mode)
{
  if (mkdir (path, 0700) != 0 || chmod (path, mode) != 0)
    stage_die ("cannot make %s", path);
}

/* The bundle NAME with the variables VARIABLES, and the state that names it. */
static void
stage_bundle (const char *name, const char *variables, bool whole)
{
  char path[STAGE_PATH], text[1500];

  stage_mkdir (path_of (path, "%s/%s", stage.dir, name), 0755);
  (void) snprintf (text, sizeof text,
                   "{\"ociVersion\": \"1.0.2\", \"process\": {\"user\": {\"uid\": %u, \"gid\": %u, "
                   "\"additionalGids\": [%u]}, \"args\": [\"true\"], "
                   "\"env\": [\"PATH=/bin\"%s]}, \"annotations\": {\"%s\": \"%s\"}}\n",
                   stage.uid, stage.gid, stage.gid, variables,
                   whole ? "com.hooks.slurm-global-sync.containers" : "a", whole ? "node" : "b");
  stage_write (path_of (path, "%s/%s/config.json", stage.dir, name), text);
  (void) snprintf (text, sizeof text,
                   "{\"ociVersion\": \"1.0.2\", \"id\": \"c%s\", \"status\": \"creating\", "
                   "\"pid\": 1, \"bundle\": \"%s/%s\"}\n",
                   name, stage.dir, name);
  stage_write (path_of (path, "%s/%s.state", stage.dir, name), text);
}

/* The bundle of a hook, with all of its variables. */
/* Hooks of several nodes are told of more: with few they would not go for the lock. */
static uint32_t
told_nodes (const struct role *r)
{
  return r->nodes > 1 ? r->nodes + 8 : r->nodes;
}

static void
stage_role_bundle (const struct role *r)
{
  char name[32], text[600];
  int n;

  n = snprintf (text, sizeof text,
                ", \"SLURM_JOB_ID=%d\", \"SLURM_STEP_ID=%d\", \"SLURM_NTASKS=%d\", "
                "\"SLURM_STEP_NUM_TASKS=%d\", \"SLURM_PROCID=%u\"",
                STAGE_JOB, STAGE_STEP, STAGE_TASKS, STAGE_TASKS, r->procid);
  if (r->nodes > 0)
    (void) snprintf (text + n, sizeof text - (size_t) n,
                     ", \"SLURM_STEP_NUM_NODES=%u\", \"SLURM_NODEID=%u\", \"SLURM_GTIDS=%s\"",
                     told_nodes (r), r->node, r->gtids);
  (void) snprintf (name, sizeof name, "%d-%u", (int) r->layout, r->procid);
  stage_bundle (name, text, r->whole);
}

static void
stage_find (char found[STAGE_PATH], const char *variable, const char *name)
{
  const char *path = getenv (variable), *build = getenv ("abs_top_builddir");
  char guess[STAGE_PATH], real[PATH_MAX];

  if (path == NULL || path[0] == '\0')
    path = path_of (guess, "%s/%s", build == NULL ? "." : build, name);
  if (realpath (path, real) == NULL || access (real, R_OK) != 0)
    {
      printf ("1..0 # SKIP there is no %s: run make first, or set %s\n", path, variable);
      exit (EXIT_SUCCESS);
    }
  (void) path_of (found, "%s", real);
}

void
stage_open (void)
{
  const char *tmp = getenv ("TMPDIR");
  char path[STAGE_PATH], text[400];
  bool root = geteuid () == 0;

  stage_find (stage.hook, "HOOK", "slurm_global_sync_hook");
  stage_find (stage.shim, "MURDER_SHIM", "tests/murder/shim.so");
  stage_owner = getpid ();
  stage.uid = root ? OTHER_ID : geteuid ();
  stage.gid = root ? OTHER_ID : getegid ();
  (void) snprintf (stage.dir, sizeof stage.dir, "%s/murder-XXXXXX", tmp == NULL ? "/tmp" : tmp);
  if (mkdtemp (stage.dir) == NULL || chmod (stage.dir, 0711) != 0)
    stage_die ("cannot make %s", stage.dir);
  (void) atexit (stage_close);
  (void) snprintf (text, sizeof text, USER ":x:%u:%u::/:/bin/sh\n", stage.uid, stage.gid);
  stage_write (path_of (path, "%s/passwd", stage.dir), text);
  for (int layout = 0; layout < LAYOUTS; layout++)
    for (uint32_t procid = 0; procid < STAGE_TASKS; procid++)
      if (layout_has_hook ((enum layout) layout, procid))
        {
          const struct role r = role_of ((enum layout) layout, STAGE_TASKS, procid, 0);

          stage_role_bundle (&r);
        }
  stage_bundle ("plain", "", false);
  stage_bundle ("plain-whole", "", true);
}

void
stage_remove (const char *path)
{
  DIR *dir;
  const struct dirent *entry;

  if (unlink (path) == 0 || errno == ENOENT || (dir = opendir (path)) == NULL)
    return;
  while ((entry = readdir (dir)) != NULL)
    {
      char below[STAGE_PATH * 2];

      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        continue;
      (void) snprintf (below, sizeof below, "%s/%s", path, entry->d_name);
      stage_remove (below);
    }
  (void) closedir (dir);
  (void) rmdir (path);
}

void
stage_close (void)
{
  if (stage_owner == getpid () && getenv ("MURDER_KEEP") == NULL)
    stage_remove (stage.dir);
}

/* ----------------------------------------------------------------- scenes */

static void
scene_own (const char *path)
{
  if (lchown (path, stage.uid, stage.gid) != 0)
    stage_die ("cannot give %s away", path);
}

void
scene_make (struct scene *s, unsigned number)
{
  char path[STAGE_PATH];

  *s = (struct scene){ 0 };
  /* Not all in one directory: its entries are made and removed one by one, and
   * a hundred plays wait for each other. */
  (void) path_of (path, "%s/scenes-%u", stage.dir, number % SCENES_APART);
  if (mkdir (path, 0711) != 0 && errno != EEXIST)
    stage_die ("cannot make %s", path);
  stage_mkdir (path_of (s->base, "%s/%u", path, number), 0711);
  stage_mkdir (path_of (path, "%s/" USER, s->base), 0700);
  scene_own (path);
  (void) path_of (s->sync, "%s/.oci-hooks/slurm-global-sync", path);
}

void
scene_remove (const struct scene *s)
{
  if (getenv ("MURDER_KEEP") == NULL)
    stage_remove (s->base);
}

static void
scene_mkdir_if_none (const char *path)
{
  if (mkdir (path, 0700) != 0 && errno != EEXIST)
    stage_die ("cannot make %s", path);
  scene_own (path);
}

void
scene_mkdir (const struct scene *s, const char *path)
{
  char whole[STAGE_PATH];

  scene_mkdir_if_none (path_of (whole, "%s/" USER "/.oci-hooks", s->base));
  scene_mkdir_if_none (s->sync);
  scene_mkdir_if_none (path_of (whole, "%s/%s", s->sync, path));
}

void
scene_file (const struct scene *s, const char *path)
{
  char whole[STAGE_PATH];
  int fd = open (path_of (whole, "%s/%s", s->sync, path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  if (fd < 0 || close (fd) != 0)
    stage_die ("cannot make %s", whole);
  scene_own (whole);
}

void
scene_link (const struct scene *s, const char *path, const char *target)
{
  char whole[STAGE_PATH];

  if (symlink (target, path_of (whole, "%s/%s", s->sync, path)) != 0)
    stage_die ("cannot make %s", whole);
  scene_own (whole);
}

void
scene_mark (const struct scene *s, const char *where, const char *ranks)
{
  char path[80];

  (void) snprintf (path, sizeof path, STAGE_KEY "/%s/slurm-procid-%s", where, ranks);
  scene_link (s, path, "host=gone pid=1");
}

void
scene_socket (const struct scene *s, const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  char whole[STAGE_PATH];
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

  (void) path_of (whole, "%s/%s", s->sync, path);
  if (strlen (whole) >= sizeof address.sun_path)
    stage_die ("the path %s is too long for a socket", whole);
  memcpy (address.sun_path, whole, strlen (whole));
  if (fd < 0 || bind (fd, (const struct sockaddr *) &address, sizeof address) != 0
      || close (fd) != 0)
    stage_die ("cannot make %s", whole);
  scene_own (whole);
}

/* The contents first: changing them does not touch the directory's times, but
 * it reads better from the outside in. */
static void
shift_tree (const char *path, int64_t seconds)
{
  struct stat st;
  DIR *dir;
  const struct dirent *entry;

  /* A hook may be removing it. */
  if (lstat (path, &st) != 0)
    return;
  if (S_ISDIR (st.st_mode) && (dir = opendir (path)) != NULL)
    {
      while ((entry = readdir (dir)) != NULL)
        {
          char below[STAGE_PATH];

          if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
            shift_tree (path_of (below, "%s/%s", path, entry->d_name), seconds);
        }
      (void) closedir (dir);
    }
  const struct timespec times[2] = {
    { .tv_sec = st.st_atim.tv_sec + seconds, .tv_nsec = st.st_atim.tv_nsec },
    { .tv_sec = st.st_mtim.tv_sec + seconds, .tv_nsec = st.st_mtim.tv_nsec },
  };
  (void) utimensat (AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

void
scene_shift (const struct scene *s, const char *path, int64_t seconds)
{
  char whole[STAGE_PATH];

  shift_tree (path_of (whole, "%s/%s", s->sync, path), seconds);
}

/* ------------------------------------------------------- what was left there */

struct inspection {
  bool keys;
  char *why;
  size_t size;
};

static bool
inspect_entry (const char *path, const char *relative, const struct inspection *i)
{
  static const char *const expected[] = { USER, USER "/.oci-hooks",
                                          USER "/.oci-hooks/slurm-global-sync" };
  const char *below = USER "/.oci-hooks/slurm-global-sync/";
  struct stat st;

  if (lstat (path, &st) != 0)
    return true;
  if (st.st_uid != stage.uid)
    {
      (void) snprintf (i->why, i->size, "%s belongs to uid %u", relative, st.st_uid);
      return false;
    }
  if (S_ISREG (st.st_mode) && (st.st_mode & 07077) != 0)
    {
      (void) snprintf (i->why, i->size, "%s has mode %04o", relative, st.st_mode & 07777);
      return false;
    }
  for (size_t e = 0; e < sizeof expected / sizeof *expected; e++)
    if (strcmp (relative, expected[e]) == 0 && S_ISDIR (st.st_mode)
        && (st.st_mode & 07777) == 0700)
      return true;
  if (strncmp (relative, below, strlen (below)) == 0)
    {
      const char *name = relative + strlen (below);

      if (strncmp (name, "gone-", 5) == 0 || (i->keys && strncmp (name, "jobid-", 6) == 0))
        return true;
    }
  (void) snprintf (i->why, i->size, "%s is left", relative);
  return false;
}

static bool
inspect_tree (const char *path, size_t base, const struct inspection *i)
{
  DIR *dir = opendir (path);
  const struct dirent *entry;
  bool good = true;

  while (good && dir != NULL && (entry = readdir (dir)) != NULL)
    {
      char below[STAGE_PATH];

      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0
          || strncmp (entry->d_name, "stderr-", 7) == 0 || strncmp (entry->d_name, "record-", 7) == 0)
        continue;
      (void) path_of (below, "%s/%s", path, entry->d_name);
      good = inspect_entry (below, below + base, i) && inspect_tree (below, base, i);
    }
  if (dir != NULL)
    (void) closedir (dir);
  return good;
}

bool
scene_is_clean (const struct scene *s, bool keys, char *why, size_t size)
{
  const struct inspection i = { keys, why, size };

  return inspect_tree (s->base, strlen (s->base) + 1, &i);
}

/* ------------------------------------------------------------------ actors */

const char *const layout_names[LAYOUTS] = {
  [LAYOUT_APART] = "each alone",
  [LAYOUT_ONE] = "on one node",
  [LAYOUT_FIRST] = "0-1 on a node",
  [LAYOUT_LAST] = "1-2 on a node",
  [LAYOUT_WHOLE_FIRST] = "one container for 0-1",
  [LAYOUT_WHOLE_LAST] = "one container for 1-2",
};

static bool
layout_is_whole (enum layout layout)
{
  return layout == LAYOUT_WHOLE_FIRST || layout == LAYOUT_WHOLE_LAST;
}

uint32_t
layout_node (enum layout layout, uint32_t procid)
{
  switch (layout)
    {
    case LAYOUT_APART:
      return procid;
    case LAYOUT_ONE:
      return 0;
    case LAYOUT_FIRST:
    case LAYOUT_WHOLE_FIRST:
      return procid < 2 ? 0 : 1;
    default:
      return procid < 1 ? 0 : 1;
    }
}

bool
layout_has_hook (enum layout layout, uint32_t procid)
{
  return !layout_is_whole (layout) || procid == 0
         || layout_node (layout, procid) != layout_node (layout, procid - 1);
}

struct role
role_of (enum layout layout, uint32_t tasks, uint32_t procid, int64_t timeout)
{
  struct role r = { .procid = procid,
                    .tasks = tasks,
                    .node = layout_node (layout, procid),
                    .whole = layout_is_whole (layout),
                    .bundled = tasks == STAGE_TASKS,
                    .layout = layout,
                    .job = STAGE_JOB,
                    .step = STAGE_STEP,
                    .timeout = timeout };
  size_t n = 0;

  if (layout != LAYOUT_APART)
    r.nodes = layout_node (layout, tasks - 1) + 1;
  for (uint32_t p = 0; r.nodes > 0 && p < tasks; p++)
    if (layout_node (layout, p) == r.node)
      n += (size_t) snprintf (r.gtids + n, sizeof r.gtids - n, "%s%u", n > 0 ? "," : "", p);
  return r;
}

uint64_t
stage_ranks (const char *text)
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

uint64_t
role_node_ranks (const struct role *r)
{
  return UINT64_C (1) << r->procid | stage_ranks (r->gtids);
}

uint64_t
role_ranks (const struct role *r)
{
  return r->whole ? role_node_ranks (r) : UINT64_C (1) << r->procid;
}

__attribute__ ((format (printf, 1, 2))) static void
actor_setenv (const char *format, ...)
{
  char text[STAGE_PATH + 32];
  va_list ap;

  va_start (ap, format);
  (void) vsnprintf (text, sizeof text, format, ap);
  va_end (ap);
  char *copy = strdup (text);
  if (copy == NULL || putenv (copy) != 0)
    _exit (125);
}

static void
actor_environment (const struct role *r, const struct scene *s)
{
  (void) clearenv ();
  actor_setenv ("HOOK_BASE_DIR=%s", s->base);
  actor_setenv ("PASSWD_FILE=%s/passwd", stage.dir);
  actor_setenv ("HOOK_TIMEOUT=%.3f", (double) r->timeout / (double) SECOND);
  if (!r->bundled)
    {
      actor_setenv ("SLURM_JOB_ID=%u", r->job);
      actor_setenv ("SLURM_NTASKS=%u", r->tasks);
      actor_setenv ("SLURM_PROCID=%u", r->procid);
      if (r->step >= 0)
        actor_setenv ("SLURM_STEP_ID=%" PRId64, r->step);
      if (r->restarts > 0)
        actor_setenv ("SLURM_RESTART_COUNT=%u", r->restarts);
      if (r->nodes > 0)
        {
          actor_setenv ("SLURM_STEP_NUM_NODES=%u", told_nodes (r));
          actor_setenv ("SLURM_NODEID=%u", r->node);
          actor_setenv ("SLURM_GTIDS=%s", r->gtids);
        }
    }
  for (size_t i = 0; i < sizeof r->env / sizeof *r->env && r->env[i] != NULL; i++)
    actor_setenv ("%s", r->env[i]);
}

static void
actor_open (const char *path, int flags, int to)
{
  int fd = open (path, flags, 0600);

  if (fd < 0 || dup2 (fd, to) != to || (fd != to && close (fd) != 0))
    _exit (125);
}

/* In the new process; GO: a pipe to read a byte from first, or -1. */
__attribute__ ((noreturn)) static void
actor_become_hook (const struct actor *a, const struct scene *s, int go)
{
  char path[STAGE_PATH], byte;
  sigset_t none;

  if (a->role.bundled)
    (void) path_of (path, "%s/%d-%u.state", stage.dir, (int) a->role.layout, a->role.procid);
  else
    (void) path_of (path, "%s/plain%s.state", stage.dir, a->role.whole ? "-whole" : "");
  actor_open (path, O_RDONLY, STDIN_FILENO);
  actor_open ("/dev/null", O_WRONLY, STDOUT_FILENO);
  actor_open (a->errors, O_WRONLY | O_CREAT | O_APPEND, STDERR_FILENO);
  actor_environment (&a->role, s);
  (void) sigemptyset (&none);
  (void) sigprocmask (SIG_SETMASK, &none, NULL);
  if (go >= 0 && read (go, &byte, 1) != 1)
    _exit (125);
  (void) execl (stage.hook, stage.hook, (char *) NULL);
  _exit (125);
}

/* Forks a process that stands for the runtime; it starts the hook and stays
 * until it is killed. */
static void
actor_fork_below (struct actor *a, const struct scene *s, int go)
{
  int told[2];

  if (pipe (told) != 0 || (a->runtime = fork ()) < 0)
    stage_die ("cannot start a process");
  if (a->runtime == 0)
    {
      pid_t pid = fork ();

      if (pid == 0)
        actor_become_hook (a, s, go);
      if (write (told[1], &pid, sizeof pid) != sizeof pid)
        _exit (125);
      for (;;)
        (void) pause ();
    }
  if (read (told[0], &a->pid, sizeof a->pid) != sizeof a->pid || a->pid < 0)
    stage_die ("cannot start a process");
  (void) close (told[0]);
  (void) close (told[1]);
}

void
actor_start (struct actor *a, const struct scene *s, enum actor_way way)
{
  bool traced = way == ACTOR_TRACED || way == ACTOR_TRACED_BELOW;
  int go[2] = { -1, -1 };

  if (traced && pipe (go) != 0)
    stage_die ("cannot start a hook");
  a->started = stage_now ();
  if (way == ACTOR_TRACED_BELOW)
    actor_fork_below (a, s, go[0]);
  else if ((a->pid = fork ()) == 0)
    actor_become_hook (a, s, go[0]);
  if (a->pid < 0)
    stage_die ("cannot start a process");
  if (!traced)
    return;
  /* It stops by itself when it has become the hook. */
  if (ptrace (PTRACE_SEIZE, a->pid, NULL,
              (void *) (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL))
        != 0
      || write (go[1], "", 1) != 1)
    stage_die ("cannot trace a process");
  (void) close (go[0]);
  (void) close (go[1]);
}

struct actor *
cast_start (struct cast *c, struct scene *s, const struct role *r, enum actor_way way)
{
  if (c->count == CAST_MAX)
    stage_die ("too many hooks");
  struct actor *a = &c->actor[c->count++];
  *a = (struct actor){ .role = *r };
  (void) path_of (a->errors, "%s/stderr-%u", s->base, s->actors++);
  actor_start (a, s, way);
  return a;
}

static struct actor *
cast_find (struct cast *c, pid_t pid)
{
  for (size_t i = 0; i < c->count; i++)
    if (c->actor[i].pid == pid && !c->actor[i].done)
      return &c->actor[i];
  return NULL;
}

static bool
cast_is_done (const struct cast *c)
{
  for (size_t i = 0; i < c->count; i++)
    if (!c->actor[i].done)
      return false;
  return true;
}

enum cast_event
cast_wait (struct cast *c, int64_t until, struct actor **stopped, int *status)
{
  sigset_t child;
  int st;

  /* Blocked since the pool started this process. */
  (void) sigemptyset (&child);
  (void) sigaddset (&child, SIGCHLD);
  for (;;)
    {
      pid_t pid = waitpid (-1, &st, WNOHANG | __WALL);
      struct actor *a = pid > 0 ? cast_find (c, pid) : NULL;

      if (a != NULL && WIFSTOPPED (st) && stopped != NULL)
        {
          *stopped = a;
          *status = st;
          return CAST_STOPPED;
        }
      if (a != NULL && !WIFSTOPPED (st))
        {
          a->ended = stage_now ();
          a->status = st;
          a->done = true;
          if (stopped != NULL)
            {
              *stopped = a;
              *status = st;
              return CAST_STOPPED;
            }
        }
      if (pid > 0)
        continue;
      int64_t left = until - stage_now ();
      if (cast_is_done (c))
        return CAST_DONE;
      if (left <= 0)
        return CAST_TIME;
      const struct timespec t = { .tv_sec = left / SECOND, .tv_nsec = left % SECOND };
      (void) sigtimedwait (&child, NULL, &t);
    }
}

static bool
actor_sleeps (const struct actor *a)
{
  char path[64], text[512];

  (void) snprintf (path, sizeof path, "/proc/%d/stat", (int) a->pid);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read (fd, text, sizeof text - 1);
  if (fd >= 0)
    (void) close (fd);
  text[n > 0 ? n : 0] = '\0';
  const char *after = strrchr (text, ')');
  return after != NULL && strncmp (after, ") S", 3) == 0;
}

void
cast_settle (struct cast *c)
{
  int64_t until = stage_now () + 1500 * MILLISECOND;

  for (unsigned quiet = 0; quiet < 3 && stage_now () < until;)
    {
      bool asleep = true;

      (void) cast_wait (c, stage_now () + 3 * MILLISECOND, NULL, NULL);
      for (size_t i = 0; i < c->count; i++)
        asleep = asleep && (c->actor[i].done || actor_sleeps (&c->actor[i]));
      quiet = asleep ? quiet + 1 : 0;
    }
}

unsigned
cast_end (struct cast *c)
{
  unsigned left = 0;

  for (size_t i = 0; i < c->count; i++)
    {
      struct actor *a = &c->actor[i];

      if (a->runtime > 0)
        (void) kill (a->runtime, SIGKILL);
      a->runtime = 0;
      if (a->done)
        continue;
      left++;
      (void) kill (a->pid, SIGKILL);
    }
  (void) cast_wait (c, stage_now () + 10 * SECOND, NULL, NULL);
  return left;
}

int
actor_status (const struct actor *a)
{
  if (!a->done)
    return -1;
  return WIFEXITED (a->status) ? WEXITSTATUS (a->status) : 128 + WTERMSIG (a->status);
}

const char *
actor_errors (const struct actor *a)
{
  static char text[4096];
  int fd = open (a->errors, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read (fd, text, sizeof text - 1);

  if (fd >= 0)
    (void) close (fd);
  text[n > 0 ? n : 0] = '\0';
  return text;
}

bool
cast_says (const struct cast *c, const struct actor *a, const char *text)
{
  if (actor_errors (a)[0] != '\0')
    return strstr (actor_errors (a), text) != NULL;
  for (size_t i = 0; i < c->count; i++)
    if (c->actor[i].role.node == a->role.node && strstr (actor_errors (&c->actor[i]), text) != NULL)
      return true;
  return false;
}

const char *
cast_describe (const struct cast *c)
{
  static char text[8192];
  size_t n = 0;
  int64_t first = c->count > 0 ? c->actor[0].started : 0;

  text[0] = '\0';
  for (size_t i = 0; i < c->count && n < sizeof text; i++)
    {
      const struct actor *a = &c->actor[i];

      n += (size_t) snprintf (text + n, sizeof text - n,
                              "\n#     procid %u, started %.3f, ended %.3f, status %d: %.300s",
                              a->role.procid, (double) (a->started - first) / 1e9,
                              a->done ? (double) (a->ended - first) / 1e9 : -1.0, actor_status (a),
                              actor_errors (a));
      while (n > 0 && n < sizeof text && text[n - 1] == '\n')
        text[--n] = '\0';
    }
  return text;
}
