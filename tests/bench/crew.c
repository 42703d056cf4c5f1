/* SPDX-License-Identifier: BSD-3-Clause */
#include "crew.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C (1000000000)
#define MILLISECOND INT64_C (1000000)

/* Longer than any run takes: the slowest yardstick needs 10 s. */
#define PATIENCE (120 * SECOND)

volatile sig_atomic_t crew_stop;

int64_t
crew_now (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * SECOND + t.tv_nsec;
}

static void
rest (int64_t time)
{
  const struct timespec t = { .tv_sec = time / SECOND, .tv_nsec = time % SECOND };

  (void) nanosleep (&t, NULL);
}

/* What a task is started with. */
struct order {
  char path[SCENE_PATH_MAX], file[SCENE_PATH_MAX];
  char base[SCENE_PATH_MAX + 16], passwd[SCENE_PATH_MAX + 16];
  char tasks[32], procid[32], job[32], timeout[32];
  char *argv[3], *envp[8];
};

static void
crew_order (const struct crew *c, unsigned hook, struct order *o)
{
  const struct scene *s = c->scene;
  const unsigned procid = scene_procid (s, hook);
  char base[SCENE_PATH_MAX];

  scene_base (s, procid, base);
  *o = (struct order){ .argv = { o->path }, .envp = { o->base, o->passwd, o->timeout } };
  (void) snprintf (o->path, sizeof o->path, "%s", c->path[c->program]);
  (void) snprintf (o->base, sizeof o->base, "HOOK_BASE_DIR=%s", base);
  (void) snprintf (o->timeout, sizeof o->timeout, "HOOK_TIMEOUT=110");
  (void) snprintf (o->passwd, sizeof o->passwd, "PASSWD_FILE=%s", s->passwd);
  if (c->program == PROGRAM_POLL)
    {
      (void) snprintf (o->tasks, sizeof o->tasks, "SLURM_NTASKS=%u", scene_hooks (s));
      (void) snprintf (o->procid, sizeof o->procid, "SLURM_PROCID=%u", hook);
      (void) snprintf (o->job, sizeof o->job, "SLURM_JOB_ID=1");
      o->envp[2] = o->tasks;
      o->envp[3] = o->procid;
      o->envp[4] = o->job;
    }
  if (c->program == PROGRAM_FILE)
    {
      if ((size_t) snprintf (o->file, sizeof o->file, "%s/files/slurm-procid-%u", base, procid)
          >= sizeof o->file)
        errx (1, "the path of the directory is too long");
      o->argv[1] = o->file;
    }
}

/* The reading end of a pipe with the container's state, as a runtime gives
 * it: the state is shorter than a pipe. */
static int
crew_state (const struct crew *c, unsigned procid)
{
  char state[4096];
  size_t length = scene_state (c->scene, procid, state, sizeof state);
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) != 0 || write (ends[1], state, length) != (ssize_t) length)
    err (1, "cannot make a pipe");
  (void) close (ends[1]);
  return ends[0];
}

/* A process that traces the task, in the task's place. */
static pid_t
crew_start_traced (const struct order *o, int input, struct count *count)
{
  pid_t pid = fork ();

  if (pid != 0)
    return pid;
  (void) dup2 (input, STDIN_FILENO);
  int status = count_run (o->argv, o->envp, count);
  _exit (WIFEXITED (status) ? WEXITSTATUS (status) : 1);
}

static void
crew_start (struct crew *c, unsigned hook)
{
  struct order o;
  posix_spawn_file_actions_t actions;
  pid_t pid = -1;
  int error;

  crew_order (c, hook, &o);
  int input = crew_state (c, scene_procid (c->scene, hook));
  if (c->counts != NULL)
    {
      pid = crew_start_traced (&o, input, &c->counts[hook]);
      error = pid < 0 ? errno : 0;
    }
  else
    {
      (void) posix_spawn_file_actions_init (&actions);
      error = posix_spawn_file_actions_adddup2 (&actions, input, STDIN_FILENO);
      if (error == 0)
        error = posix_spawn (&pid, o.path, &actions, NULL, o.argv, o.envp);
      (void) posix_spawn_file_actions_destroy (&actions);
    }
  (void) close (input);
  if (error != 0)
    errx (1, "cannot start %s: %s", o.path, strerror (error));
  c->members[hook] = (struct member){ .pid = pid };
  c->started++;
  c->running++;
}

static int64_t
nanoseconds (const struct timeval *t)
{
  return t->tv_sec * SECOND + t->tv_usec * 1000;
}

/* Waits for one task; returns false if none has ended, with WNOHANG. */
static bool
crew_reap (struct crew *c, int flags)
{
  struct rusage usage;
  int status;
  if (crew_stop != 0)
    errx (1, "stopped by signal %d", (int) crew_stop);
  pid_t pid = wait4 (-1, &status, flags, &usage);
  int64_t now = crew_now ();
  unsigned hook = 0;

  if (pid == 0)
    return false;
  if (pid < 0 && errno == EINTR)
    return true;
  if (pid < 0)
    err (1, "cannot wait for the tasks");
  while (hook < c->started && c->members[hook].pid != pid)
    hook++;
  if (hook == c->started)
    return true; /* no task */
  struct member *m = &c->members[hook];
  m->pid = 0;
  m->exited = now;
  m->cpu = nanoseconds (&usage.ru_utime) + nanoseconds (&usage.ru_stime);
  m->switches = usage.ru_nvcsw;
  m->memory = usage.ru_maxrss;
  c->running--;
  if (status != 0)
    errx (1, "%s %u of %u: %s %d", c->path[c->program], hook, scene_hooks (c->scene),
          WIFEXITED (status) ? "exit status" : "signal",
          WIFEXITED (status) ? WEXITSTATUS (status) : WTERMSIG (status));
  return true;
}

/* The text of /proc/PID/NAME; "" if it cannot be read. */
static void
read_proc (pid_t pid, const char *name, char *text, size_t size)
{
  char path[64];

  (void) snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, name);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read (fd, text, size - 1);
  if (fd >= 0)
    (void) close (fd);
  text[n > 0 ? n : 0] = '\0';
}

/* The number after NAME in TEXT; -1 if it is not there. */
static long
number_after (const char *text, const char *name)
{
  const char *found = strstr (text, name);

  return found == NULL ? -1 : strtol (found + strlen (name), NULL, 10);
}

static bool
crew_all_asleep (const struct crew *c)
{
  char text[512];

  for (unsigned i = 0; i < c->started; i++)
    {
      if (c->members[i].pid == 0)
        continue;
      read_proc (c->counts == NULL ? c->members[i].pid : c->counts[i].pid, "stat", text,
                 sizeof text);
      const char *state = strrchr (text, ')');
      if (state == NULL || strncmp (state, ") S", 3) != 0)
        return false;
    }
  return true;
}

/* Whether those that were started have done all that they can do by now: who
 * gathers leaves no trace that tells so, but sleeps. */
static bool
crew_is_settled (const struct crew *c)
{
  switch (c->program)
    {
    case PROGRAM_FILE:
      return c->running == 0;
    case PROGRAM_POLL: /* where thousands poll, they are never all asleep */
      return scene_arrived (c->scene, false) == c->started;
    default:
      return crew_all_asleep (c);
    }
}

/* Until all that were started have come and wait; those of bench_file do not
 * wait, they end. */
static void
crew_settle (struct crew *c)
{
  int64_t until = crew_now () + PATIENCE;
  unsigned quiet = 0;

  while (quiet < 5)
    {
      if (crew_now () > until || crew_stop != 0)
        errx (1, "%u have not settled in %lld s", c->started, (long long) (PATIENCE / SECOND));
      rest (10 * MILLISECOND);
      while (c->running > 0 && crew_reap (c, WNOHANG))
        ;
      if (c->program != PROGRAM_FILE && c->running < c->started)
        errx (1, "one of %u did not wait for the last", c->started);
      quiet = crew_is_settled (c) ? quiet + 1 : 0;
    }
  if (c->program == PROGRAM_FILE && scene_arrived (c->scene, true) != c->started)
    errx (1, "bench_file has not made its file");
  /* A random time: else who polls would be met at the same point of his
   * interval each time. */
  rest (20 * MILLISECOND + (int64_t) (random () % 100) * MILLISECOND);
}

/* CPU time and voluntary context switches of a task, up to now. */
static void
crew_usage (const struct member *m, int64_t *cpu, int64_t *switches)
{
  char text[4096];

  /* proc(5): /proc/PID/schedstat, in nanoseconds; stat has only ticks. */
  read_proc (m->pid, "schedstat", text, sizeof text);
  *cpu = strtoll (text, NULL, 10);
  read_proc (m->pid, "status", text, sizeof text);
  *switches = number_after (text, "\nvoluntary_ctxt_switches:");
}

static void
crew_memory (const struct crew *c, struct idle *idle)
{
  long resident = 0, proportional = 0;
  bool told = true;
  char text[4096];

  idle->peak = idle->resident = idle->proportional = -1;
  for (unsigned hook = 0; hook < c->started; hook++)
    {
      read_proc (c->members[hook].pid, "status", text, sizeof text);
      long peak = number_after (text, "VmHWM:");
      idle->peak = peak > idle->peak ? peak : idle->peak;
      resident += number_after (text, "VmRSS:");
      read_proc (c->members[hook].pid, "smaps_rollup", text, sizeof text);
      long pss = number_after (text, "\nPss:");
      told = told && pss >= 0; /* the hook lets only root look */
      proportional += pss;
    }
  if (c->started == 0)
    return;
  idle->resident = resident / (long) c->started;
  if (told)
    idle->proportional = proportional / (long) c->started;
}

static void
crew_measure_idle (const struct crew *c, struct idle *idle)
{
  static int64_t cpu[CREW_MAX], switches[CREW_MAX];

  /* After a second each looks for its Slurm task, once. */
  rest (2 * SECOND);
  idle->members = c->started;
  idle->cpu = idle->cpu_worst = idle->switches = 0;
  crew_memory (c, idle);
  for (unsigned hook = 0; hook < c->started; hook++)
    crew_usage (&c->members[hook], &cpu[hook], &switches[hook]);
  rest (idle->seconds * SECOND);
  for (unsigned hook = 0; hook < c->started; hook++)
    {
      int64_t cpu_now, switches_now;

      crew_usage (&c->members[hook], &cpu_now, &switches_now);
      cpu_now -= cpu[hook];
      idle->cpu += cpu_now;
      idle->cpu_worst = cpu_now > idle->cpu_worst ? cpu_now : idle->cpu_worst;
      idle->switches += switches_now - switches[hook];
    }
}

void
crew_run (struct crew *c, enum program program, enum way way, struct idle *idle)
{
  unsigned hooks = scene_hooks (c->scene);

  c->program = program;
  c->started = c->running = 0;
  scene_renew (c->scene);
  c->began = crew_now ();
  while (c->started + 1 < hooks)
    {
      crew_start (c, c->started);
      if (c->counts != NULL && c->started == 1)
        crew_settle (c);
    }
  if (way == WAY_LAST)
    {
      crew_settle (c);
      if (idle != NULL)
        crew_measure_idle (c, idle);
    }
  c->last_started = crew_now ();
  crew_start (c, c->started);
  while (c->running > 0)
    (void) crew_reap (c, 0);
  c->ended = crew_now ();
}

void
crew_kill (struct crew *c)
{
  for (unsigned hook = 0; hook < c->started; hook++)
    if (c->members[hook].pid > 0)
      (void) kill (c->members[hook].pid, SIGKILL);
  for (unsigned hook = 0; hook < c->started; hook++)
    if (c->members[hook].pid > 0)
      (void) waitpid (c->members[hook].pid, NULL, 0);
  c->running = 0;
}
