/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * step - starts the hooks of a job step, and checks what they promise.
 *
 *   step [OPTION]... HOOK [ARGUMENT]...
 *
 *     -n TASKS      of the step (default 2)
 *     -r ROUNDS     hooks of each task one after another, with no pause
 *     -a LANES      hooks of each task at once
 *     -d MS         each lane begins after a random time up to this
 *     -p MS         and pauses that long, at random, between two rounds
 *     -l TASK:MS    this task begins later
 *     -w TASK:FILE  this task begins when that file is there
 *     -x TASK       this task does not come
 *     -e TASK:NAME=VALUE   a variable for the hooks of this task
 *     -f CALL=ERROR or TASK:CALL=ERROR   this system call fails in the hooks
 *     -i FILE       their standard input
 *     -b DIR        DIR/TASK/state.json is; a task that has none does not come
 *     -t DIR        for tasks on several machines: each start and end of a hook
 *                   is a directory made there, with the time of the server
 *     -T DIR        no hook is started, but these times are read, and what all
 *                   machines' hooks did is printed and checked
 *     -o DIR        where their messages go: TASK.LANE.ROUND; and the pid of a
 *                   task's latest hook: .pid-TASK
 *     -s SEED       of the random times
 *
 * All other variables are passed on. A lane stands for the runtime: it starts
 * the hook, waits for it, and writes down when it did and when the hook ended,
 * and how. Afterwards there is a line for each hook: task, lane, round, exit
 * status (or "signal N"; or "lost", if the lane was killed before it could
 * tell), and both times in ms since the first start.
 *
 *   Safety     The k-th success of any task does not come before the k-th
 *              start of every task.
 *   Agreement  As many hooks of each task succeed, and of the tasks' k-th
 *              hooks, all or none. Lost and killed hooks do not count.
 *
 * A promise that was broken is a line that begins with "broken: ", and exit
 * status 1.
 */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAULTS_MAX 16
#define VARIABLES_MAX 1024
#define RUNNING (-1)

struct hook {
  int64_t start, end; /* nanoseconds */
  int status;         /* of waitpid(2), or RUNNING */
};

struct fault {
  long task; /* -1: all */
  long call;
  int error;
};

struct variable {
  long task;
  char *text;
};

static struct {
  long tasks, rounds, lanes, delay, pause, seed;
  const char *input, *output, *bundles, *stamps;
  bool reads_stamps;
  struct fault faults[FAULTS_MAX];
  size_t fault_count;
  struct variable variables[VARIABLES_MAX];
  size_t variable_count;
  long *late; /* ms; a task that does not come: -1 */
  char **wait; /* for this file, or NULL */
  char **hook;
} step = { .tasks = 2, .rounds = 1, .lanes = 1, .input = "/dev/null" };

static struct hook *hooks; /* shared with the lanes */

static void __attribute__ ((noreturn))
die (const char *what, const char *which)
{
  (void) fprintf (stderr, "step: %s%s%s\n", what, which != NULL ? ": " : "",
                  which != NULL ? which : "");
  exit (2);
}

static int64_t
now (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C (1000000000) + t.tv_nsec;
}

static void
sleep_ms (long ms)
{
  struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

  while (ms > 0 && nanosleep (&t, &t) != 0)
    ;
}

static struct hook *
hook_of (long task, long lane, long round)
{
  return &hooks[(task * step.lanes + lane) * step.rounds + round];
}

/*
 * The command line
 */

static long
number (const char *text, char **end)
{
  char *rest;
  long n = strtol (text, &rest, 10);

  if (rest == text || n < 0 || (end == NULL && *rest != '\0'))
    die ("not a number", text);
  if (end != NULL)
    *end = rest;
  return n;
}

/* TASK:REST */
static long
task_of (const char *text, char **rest)
{
  long task = number (text, rest);

  if (**rest != ':')
    die ("no TASK:", text);
  (*rest)++;
  return task;
}

static void
parse_fault (char *text)
{
  static const struct
  {
    const char *name;
    long call;
  } calls[] = {
    { "bind", SYS_bind },
    { "close_range", CALL_CLOSE_RANGE },
    { "connect", SYS_connect },
    { "fstatfs", SYS_fstatfs },
    { "mkdirat", SYS_mkdirat },
    { "openat2", CALL_OPENAT2 },
    { "pidfd_open", CALL_PIDFD_OPEN },
    { "symlinkat", SYS_symlinkat },
    { "utimensat", SYS_utimensat },
  };
  static const struct
  {
    const char *name;
    int error;
  } errors[] = {
    { "EDQUOT", EDQUOT },         { "EINVAL", EINVAL }, { "ENOSPC", ENOSPC },
    { "ENOSYS", ENOSYS },         { "EPERM", EPERM },   { "EIO", EIO },
    { "EOPNOTSUPP", EOPNOTSUPP },
  };
  struct fault *fault = &step.faults[step.fault_count++];
  char *error = strchr (text, '=');

  if (step.fault_count > FAULTS_MAX || error == NULL)
    die ("no CALL=ERROR, or too many", text);
  *error++ = '\0';
  fault->task = strchr (text, ':') != NULL ? task_of (text, &text) : -1;
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
    if (strcmp (text, calls[i].name) == 0)
      fault->call = calls[i].call;
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (strcmp (error, errors[i].name) == 0)
      fault->error = errors[i].error;
  if (fault->call == 0 || fault->error == 0)
    die ("unknown call or error", text);
}

static void
parse_variable (char *text)
{
  struct variable *variable = &step.variables[step.variable_count++];

  if (step.variable_count > VARIABLES_MAX)
    die ("too many variables", NULL);
  variable->task = task_of (text, &variable->text);
}

/* -n comes first. */
static long
known (long task)
{
  if (task >= step.tasks)
    die ("no such task", optarg);
  return task;
}

static void
set_tasks (const char *text)
{
  step.tasks = number (text, NULL);
  free (step.late);
  free (step.wait);
  step.late = calloc ((size_t) step.tasks, sizeof *step.late);
  step.wait = calloc ((size_t) step.tasks, sizeof *step.wait);
  if (step.late == NULL || step.wait == NULL)
    die ("no memory", NULL);
}

static void
parse_option (int option)
{
  char *rest;
  long task;

  switch (option)
    {
    case 'n':
      set_tasks (optarg);
      break;
    case 'r':
      step.rounds = number (optarg, NULL);
      break;
    case 'a':
      step.lanes = number (optarg, NULL);
      break;
    case 'd':
      step.delay = number (optarg, NULL);
      break;
    case 'p':
      step.pause = number (optarg, NULL);
      break;
    case 's':
      step.seed = number (optarg, NULL);
      break;
    case 'l':
      task = known (task_of (optarg, &rest));
      step.late[task] = number (rest, NULL);
      break;
    case 'w':
      task = known (task_of (optarg, &rest));
      step.wait[task] = rest;
      break;
    case 'x':
      step.late[known (number (optarg, NULL))] = -1;
      break;
    case 'e':
      parse_variable (optarg);
      break;
    case 'f':
      parse_fault (optarg);
      break;
    case 'i':
      step.input = optarg;
      break;
    case 'b':
      step.bundles = optarg;
      break;
    case 't':
    case 'T':
      step.stamps = optarg;
      step.reads_stamps = option == 'T';
      break;
    case 'o':
      step.output = optarg;
      break;
    default:
      die ("see the comment in step.c", NULL);
    }
}

static void
parse (int argc, char **argv)
{
  int option;

  set_tasks ("2");
  while ((option = getopt (argc, argv, "+n:r:a:d:p:l:w:x:e:f:i:b:t:T:o:s:")) != -1)
    parse_option (option);
  if (optind >= argc && !step.reads_stamps)
    die ("no hook", NULL);
  step.hook = argv + optind;
}

/*
 * The hooks
 */

/* No file system and no privilege is needed for this way to make calls fail. */
static void
refuse (const struct fault *fault)
{
  struct sock_filter code[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (uint32_t) offsetof (struct seccomp_data, nr)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) fault->call, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t) fault->error),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { .len = sizeof code / sizeof *code, .filter = code };

  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
      || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    die ("seccomp", strerror (errno));
}

static void
redirect (const char *path, int flags, int to)
{
  int fd = open (path, flags | O_CLOEXEC, 0644);

  if (fd < 0 || dup2 (fd, to) != to)
    die (path, strerror (errno));
}

static void
set_number (const char *name, long n)
{
  char text[32];

  (void) snprintf (text, sizeof text, "%ld", n);
  (void) setenv (name, text, 1);
}

static void
state_of (long task, char *path, size_t size)
{
  (void) snprintf (path, size, "%s/%ld/state.json", step.bundles, task);
}

/* Its time is the file server's: not after the hook's start, not before its
 * end. */
static void
stamp (const char *what, long task, long lane, long round, int status)
{
  char path[4096];

  if (step.stamps == NULL)
    return;
  (void) snprintf (path, sizeof path, "%s/%s.%ld.%ld.%ld.%d", step.stamps, what, task, lane, round,
                   status);
  if (mkdir (path, 0755) != 0)
    die (path, strerror (errno));
}

static void __attribute__ ((noreturn))
become_hook (long task, long lane, long round)
{
  char path[4096];

  set_number ("SLURM_NTASKS", step.tasks);
  set_number ("SLURM_PROCID", task);
  for (size_t i = 0; i < step.variable_count; i++)
    if (step.variables[i].task == task)
      (void) putenv (step.variables[i].text);
  if (step.bundles != NULL)
    state_of (task, path, sizeof path);
  redirect (step.bundles != NULL ? path : step.input, O_RDONLY, STDIN_FILENO);
  if (step.output != NULL)
    {
      (void) snprintf (path, sizeof path, "%s/%ld.%ld.%ld", step.output, task, lane, round);
      redirect (path, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    }
  for (size_t i = 0; i < step.fault_count; i++)
    if (step.faults[i].task < 0 || step.faults[i].task == task)
      refuse (&step.faults[i]);
  (void) execv (step.hook[0], step.hook);
  die (step.hook[0], strerror (errno));
}

static void
tell_pid (long task, pid_t pid)
{
  char path[4096];

  (void) snprintf (path, sizeof path, "%s/.pid-%ld", step.output, task);
  FILE *stream = fopen (path, "we");
  if (stream == NULL || fprintf (stream, "%ld\n", (long) pid) < 0 || fclose (stream) != 0)
    die (path, strerror (errno));
}

static void
run_hook (long task, long lane, long round)
{
  struct hook *h = hook_of (task, lane, round);

  stamp ("start", task, lane, round, 0);
  h->start = now ();
  pid_t pid = fork ();
  if (pid == 0)
    become_hook (task, lane, round);
  if (step.output != NULL)
    tell_pid (task, pid);
  int status = 2 << 8;
  while (pid > 0 && waitpid (pid, &status, 0) < 0 && errno == EINTR)
    ;
  h->end = now ();
  h->status = status;
  stamp ("end", task, lane, round, status);
}

static long
random_up_to (long most)
{
  return most > 0 ? random () % (most + 1) : 0;
}

/* Begins when all are there: GO is closed by step then. */
static void __attribute__ ((noreturn))
become_lane (long task, long lane, const int go[2])
{
  char none;

  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  srandom ((unsigned) (step.seed * 1000003 + task * 1009 + lane));
  (void) close (go[1]);
  if (read (go[0], &none, 1) != 0)
    _exit (2);
  (void) close (go[0]);
  while (step.wait[task] != NULL && access (step.wait[task], F_OK) != 0)
    sleep_ms (5);
  sleep_ms (step.late[task] + random_up_to (step.delay));
  for (long round = 0; round < step.rounds; round++)
    {
      if (round > 0)
        sleep_ms (random_up_to (step.pause));
      run_hook (task, lane, round);
    }
  _exit (0);
}

static bool
comes (long task)
{
  char path[4096];

  if (step.bundles == NULL)
    return step.late[task] >= 0;
  state_of (task, path, sizeof path);
  return step.late[task] >= 0 && access (path, F_OK) == 0;
}

static void
run_step (void)
{
  int go[2];

  if (pipe2 (go, O_CLOEXEC) != 0)
    die ("pipe", strerror (errno));
  for (long task = 0; task < step.tasks; task++)
    for (long lane = 0; lane < step.lanes && comes (task); lane++)
      {
        pid_t pid = fork ();
        if (pid == 0)
          become_lane (task, lane, go);
        if (pid < 0)
          die ("fork", strerror (errno));
      }
  (void) close (go[0]);
  (void) close (go[1]);
  while (wait (NULL) > 0 || errno == EINTR)
    ;
}

static void
read_stamp (const char *name, int64_t time)
{
  char what[8];
  long task, lane, round;
  int status;

  if (sscanf (name, "%7[a-z].%ld.%ld.%ld.%d", what, &task, &lane, &round, &status) != 5
      || task >= step.tasks || lane >= step.lanes || round >= step.rounds)
    die ("no stamp of this step", name);
  struct hook *h = hook_of (task, lane, round);
  if (strcmp (what, "start") == 0)
    h->start = time;
  else
    {
      h->end = time;
      h->status = status;
    }
}

static void
read_stamps (void)
{
  DIR *directory = opendir (step.stamps);
  struct dirent *entry;
  struct stat st;

  if (directory == NULL)
    die (step.stamps, strerror (errno));
  while ((entry = readdir (directory)) != NULL)
    {
      if (entry->d_name[0] == '.')
        continue;
      if (fstatat (dirfd (directory), entry->d_name, &st, 0) != 0)
        die (entry->d_name, strerror (errno));
      read_stamp (entry->d_name, st.st_mtim.tv_sec * INT64_C (1000000000) + st.st_mtim.tv_nsec);
    }
  (void) closedir (directory);
}

/*
 * The promises
 */

static bool
has_ended (const struct hook *h)
{
  return h->status != RUNNING && WIFEXITED (h->status);
}

static bool
has_succeeded (const struct hook *h)
{
  return has_ended (h) && WEXITSTATUS (h->status) == 0;
}

static int
compare (const void *a, const void *b)
{
  const int64_t *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

/* The times of TASK's successes, or of its starts, in order; returns how many
 * there are. */
static size_t
times_of (long task, bool successes, int64_t *times)
{
  size_t n = 0;

  for (long i = 0; i < step.lanes * step.rounds; i++)
    {
      const struct hook *h = hook_of (task, 0, i);
      if (successes ? has_succeeded (h) : h->start != 0)
        times[n++] = successes ? h->end : h->start;
    }
  qsort (times, n, sizeof *times, compare);
  return n;
}

static int
check_safety (void)
{
  const size_t most = (size_t) (step.lanes * step.rounds);
  int64_t *successes = calloc (most, sizeof *successes), *starts = calloc (most, sizeof *starts);
  int broken = 0;

  if (successes == NULL || starts == NULL)
    die ("no memory", NULL);
  for (long task = 0; task < step.tasks; task++)
    {
      size_t n = times_of (task, true, successes);
      for (long other = 0; other < step.tasks; other++)
        {
          size_t started = times_of (other, false, starts);
          for (size_t k = 0; k < n; k++)
            if (k >= started || successes[k] < starts[k])
              {
                (void) printf ("broken: success %zu of task %ld before start %zu of task %ld\n",
                               k + 1, task, k + 1, other);
                broken++;
              }
        }
    }
  free (successes);
  free (starts);
  return broken;
}

/* Of the tasks' k-th hooks, if each has but one at a time. */
static int
check_agreement_of_round (long round)
{
  long good = 0, bad = 0;

  for (long task = 0; task < step.tasks; task++)
    {
      const struct hook *h = hook_of (task, 0, round);
      good += has_succeeded (h);
      bad += has_ended (h) && !has_succeeded (h);
    }
  if (good == 0 || bad == 0)
    return 0;
  (void) printf ("broken: in round %ld %ld succeeded and %ld did not\n", round, good, bad);
  return 1;
}

static int
check_agreement (void)
{
  int broken = 0;
  long first = -1;

  for (long round = 0; round < step.rounds && step.lanes == 1; round++)
    broken += check_agreement_of_round (round);
  for (long task = 0; task < step.tasks; task++)
    {
      long good = 0, unknown = 0;
      for (long i = 0; i < step.lanes * step.rounds; i++)
        {
          good += has_succeeded (hook_of (task, 0, i));
          unknown += !has_ended (hook_of (task, 0, i));
        }
      if (unknown != 0)
        continue;
      if (first >= 0 && good != first)
        {
          (void) printf ("broken: %ld hooks of task %ld succeeded, but %ld of others\n", good, task,
                         first);
          broken++;
        }
      first = good;
    }
  return broken;
}

static void
print_hook (long task, long lane, long round, int64_t first)
{
  const struct hook *h = hook_of (task, lane, round);
  char status[32] = "lost";

  if (h->start == 0)
    return;
  if (has_ended (h))
    (void) snprintf (status, sizeof status, "%d", WEXITSTATUS (h->status));
  else if (h->status != RUNNING)
    (void) snprintf (status, sizeof status, "signal %d", WTERMSIG (h->status));
  double end = h->end != 0 ? (double) (h->end - first) / 1e6 : -1;
  (void) printf ("%ld %ld %ld %s %.3f %.3f\n", task, lane, round, status,
                 (double) (h->start - first) / 1e6, end);
}

static void
print_hooks (void)
{
  const long count = step.tasks * step.lanes * step.rounds;
  int64_t first = INT64_MAX;

  for (long i = 0; i < count; i++)
    if (hooks[i].start != 0 && hooks[i].start < first)
      first = hooks[i].start;
  for (long task = 0; task < step.tasks; task++)
    for (long lane = 0; lane < step.lanes; lane++)
      for (long round = 0; round < step.rounds; round++)
        print_hook (task, lane, round, first);
}

int
main (int argc, char **argv)
{
  parse (argc, argv);
  const size_t count = (size_t) (step.tasks * step.lanes * step.rounds);
  hooks = mmap (NULL, count * sizeof *hooks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                0);
  if (hooks == MAP_FAILED)
    die ("mmap", strerror (errno));
  for (size_t i = 0; i < count; i++)
    hooks[i] = (struct hook){ .status = RUNNING };
  if (step.reads_stamps)
    read_stamps ();
  else
    run_step ();
  if (step.stamps != NULL && !step.reads_stamps)
    return 0;
  print_hooks ();
  int broken = check_safety () + check_agreement ();
  return broken == 0 ? 0 : 1;
}
