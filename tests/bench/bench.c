/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench: what the hook costs, beside two yardsticks (bench_file, bench_poll).
 *
 * It starts real hook processes, with input as podman and Slurm make it, in
 * two ways: all but one wait and the last is started ("last"), and all at once
 * ("once").  `bench --help` tells the options.
 */
#include "crew.h"
#include "scene.h"
#include "table.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZES_MAX 16
#define GOALS_MAX 64

/* Tasks of a node that has one container; and of one that gathers them, and up to
 * how many such nodes. */
#define ONE_CONTAINER_TASKS 128
#define GATHERED_TASKS 16
#define GATHERED_NODES_MAX 64

/* getrlimit(2), RLIMIT_NOFILE: what systemd gives, and so Slurm. */
#define SOFT_DESCRIPTORS 1024

/* Without --uid, when started as root. */
#define USER_UID 1000

struct options {
  const char *hook, *other, *dir, *mount_by;
  FILE *json;
  unsigned sizes[SIZES_MAX], size_count;
  unsigned scales[SIZES_MAX], scale_count;
  unsigned reps, wait, nodes, cache, uid;
  bool table, poll, strict;
};

static const char help[]
  = "Usage: bench --hook=FILE [OPTION]...\n"
    "Measures the program FILE beside two yardsticks, which are looked for beside\n"
    "bench: bench_file reads its input and makes a file, bench_poll lists a\n"
    "directory every 0.1 s until all have come.\n"
    "\n"
    "  --other=FILE     also measure FILE, another build of the hook\n"
    "  --sizes=N,...    numbers of tasks on one node; default 2,16,64,256,512,1024,2048\n"
    "  --scale=N,...    numbers of nodes, all on this machine and in one directory:\n"
    "                     with 128 tasks and one container each; up to 64 of them\n"
    "                     also with 16 tasks that gather; default 4,16,64,250,1000\n"
    "  --reps=N         repetitions of each; default 5\n"
    "  --dir=DIR        work below DIR; default $TMPDIR or /tmp\n"
    "  --wait=SECONDS   also CPU and memory of 63 tasks that wait SECONDS, and of\n"
    "                     the greatest number of nodes (10 s at most)\n"
    "  --nodes=N        also up to 64 tasks on N nodes, 2 to 8, each a FUSE mount\n"
    "                     of one directory that caches what it has seen\n"
    "  --mount-by=NAME  mergerfs (the default) or bindfs\n"
    "  --cache=SECONDS  how long those mounts cache; default 10\n"
    "  --no-table       only what --wait and --nodes say\n"
    "  --no-poll        without bench_poll\n"
    "  --uid=UID        whom the hook becomes, if root runs it; default 1000\n"
    "  --json=FILE      write each figure to FILE as well, one JSON object a line\n"
    "  --strict         exit with 2 if a figure to reach is missed\n"
    "  --help           print this help and exit\n";

static struct scene scene;
static struct crew crew;
static struct series series[WAYS];
static FILE *roles; /* what leaders and members call, for behind the table */
static unsigned missed;
static pid_t task; /* see become_task() */

/* Figures to reach, for the end of the output. */
static struct {
  char what[96];
  double measured, goal;
  const char *unit;
} goals[GOALS_MAX];
static unsigned goal_count;

static void
clean_up (void)
{
  crew_kill (&crew);
  scene_remove (&scene);
}

static void
on_signal (int number)
{
  crew_stop = number;
}

static void
pass_signal (int number)
{
  (void) kill (task, number);
}

static void
handle_signals (void (*handler) (int))
{
  const struct sigaction action = { .sa_handler = handler };

  (void) sigaction (SIGINT, &action, NULL);
  (void) sigaction (SIGTERM, &action, NULL);
  (void) sigaction (SIGHUP, &action, NULL);
}

static void
note_goal (double measured, double goal, const char *unit, const char *format, ...)
  __attribute__ ((format (printf, 4, 5)));

static void
note_goal (double measured, double goal, const char *unit, const char *format, ...)
{
  va_list ap;

  if (goal_count == GOALS_MAX)
    return;
  va_start (ap, format);
  (void) vsnprintf (goals[goal_count].what, sizeof goals[goal_count].what, format, ap);
  va_end (ap);
  goals[goal_count].measured = measured;
  goals[goal_count].goal = goal;
  goals[goal_count++].unit = unit;
  missed += measured > goal;
}

static void
note_goals (const struct series *s)
{
  double worst = table_median (s, PROGRAM_HOOK, VALUE_WORST);

  if (scene.mounts > 0 && s->tasks == 64 && s->way == WAY_LAST)
    note_goal (table_median (s, PROGRAM_HOOK, VALUE_MEDIAN), 60, " ms",
               "median of last start to exit, 64 tasks on %u nodes", s->nodes);
  if (s->nodes > 1)
    return;
  if (s->way == WAY_ONCE && s->tasks >= 64)
    {
      double goal = s->tasks < 256 ? 1.4 : 1.25;
      note_goal (table_median (s, PROGRAM_HOOK, VALUE_CPU_FILE), goal, "",
                 "CPU to bench_file's, %u tasks", s->tasks);
      note_goal (table_median (s, PROGRAM_HOOK, VALUE_WALL_FILE), goal, "",
                 "wall to bench_file's, %u tasks", s->tasks);
    }
  if (s->way == WAY_LAST && (s->tasks == 16 || s->tasks == 64))
    note_goal (worst, s->tasks == 16 ? 6 : 18, " ms", "last start to last exit, %u tasks",
               s->tasks);
}

/* Ticks that the machine's CPUs have worked, and that they could have. */
static void
read_work (double *worked, double *could)
{
  FILE *stream = fopen ("/proc/stat", "re");
  unsigned long long t[8] = { 0 };

  if (stream != NULL)
    {
      /* proc(5): user nice system idle iowait irq softirq steal */
      if (fscanf (stream, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
                  &t[4], &t[5], &t[6], &t[7])
          != 8)
        memset (t, 0, sizeof t);
      (void) fclose (stream);
    }
  *worked = (double) (t[0] + t[1] + t[2] + t[5] + t[6] + t[7]);
  *could = *worked + (double) (t[3] + t[4]);
}

static double
seconds_used (int who)
{
  struct rusage usage;

  (void) getrusage (who, &usage);
  return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
         + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double
own_work (void)
{
  return (seconds_used (RUSAGE_SELF) + seconds_used (RUSAGE_CHILDREN))
         * (double) sysconf (_SC_CLK_TCK);
}

static void
count_calls (struct series *s, FILE *json)
{
  const size_t size = CREW_MAX * sizeof *crew.counts;

  crew.counts = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (crew.counts == MAP_FAILED)
    err (1, "mmap");
  for (enum program program = 0; program < PROGRAMS; program++)
    if (crew.path[program] != NULL)
      {
        crew_run (&crew, program, WAY_ONCE, NULL);
        table_take_counts (s, &crew);
        if (s->nodes == 1)
          table_print_counts (&crew, roles, json);
      }
  (void) munmap (crew.counts, size);
  crew.counts = NULL;
}

/* One number of tasks: all programs in both ways, in turn, in another order
 * each time. */
static void
measure (const struct options *o, unsigned tasks, unsigned nodes, bool for_node)
{
  double worked, could, worked_then, could_then, own = own_work ();

  scene_set_tasks (&scene, tasks, nodes, for_node);
  for (enum way way = 0; way < WAYS; way++)
    {
      memset (&series[way], 0, sizeof series[way]);
      series[way].tasks = tasks;
      series[way].nodes = nodes;
      series[way].hooks = scene_hooks (&scene);
      series[way].reps = o->reps;
      series[way].way = way;
    }
  read_work (&worked_then, &could_then);
  for (unsigned rep = 0; rep < o->reps; rep++)
    for (enum way way = 0; way < WAYS; way++)
      {
        for (unsigned i = 0; i < PROGRAMS; i++)
          {
            enum program program = (enum program) ((i + rep) % PROGRAMS);
            if (crew.path[program] == NULL)
              continue;
            crew_run (&crew, program, way, NULL);
            table_take (&series[way], &crew, rep);
          }
        table_compare (&series[way], rep);
      }
  read_work (&worked, &could);
  count_calls (&series[WAY_ONCE], o->json);
  /* FUSE's daemons work for us, but are not our children. */
  double foreign = (worked - worked_then - (own_work () - own)) / (could - could_then);
  for (enum way way = 0; way < WAYS; way++)
    {
      series[way].foreign = scene.mounts > 0 || foreign < 0 ? 0 : foreign;
      table_print (&series[way], o->json);
      note_goals (&series[way]);
    }
}

static void
bench_one_node (const struct options *o)
{
  char *text = NULL;
  size_t size;

  roles = open_memstream (&text, &size);
  if (roles == NULL)
    err (1, "open_memstream");
  table_print_head ("All tasks on one node");
  for (unsigned i = 0; i < o->size_count; i++)
    measure (o, o->sizes[i], 1, false);
  if (fclose (roles) != 0)
    err (1, "open_memstream");
  (void) printf ("\nSystem calls of one task, from its execve(2) to its exit\n\n%s", text);
  free (text);
}

/* How the least and the greatest number of nodes compare. */
static void
note_growth (const struct series *least, const struct series *greatest, const char *what)
{
  unsigned nodes = greatest->nodes;
  double calls = greatest->calls[PROGRAM_HOOK] / least->calls[PROGRAM_HOOK];
  double cpu = table_median (greatest, PROGRAM_HOOK, VALUE_CPU)
               / table_median (least, PROGRAM_HOOK, VALUE_CPU);

  note_goal (calls, 2, " times", "calls a hook, from %u to %u nodes %s", least->nodes, nodes,
             what);
  note_goal (cpu, 2, " times", "CPU a hook, from %u to %u nodes %s", least->nodes, nodes, what);
  note_goal (table_median (greatest, PROGRAM_HOOK, VALUE_WALL_FILE), 2, "",
             "wall to bench_file's, %u nodes %s", nodes, what);
}

/* "Nodes" of this machine, which differ only in what Slurm calls them. */
static void
bench_scale (const struct options *o, unsigned tasks, bool for_node)
{
  static struct series least;
  const char *what = for_node ? "of one container" : "that gather";
  char title[160];
  unsigned nodes = 0;

  (void) snprintf (title, sizeof title, "Nodes of %u tasks %s, in one directory of this machine",
                   tasks, what);
  table_print_head (title);
  for (unsigned i = 0; i < o->scale_count; i++)
    {
      if (!for_node && o->scales[i] > GATHERED_NODES_MAX)
        continue;
      measure (o, o->scales[i] * tasks, o->scales[i], for_node);
      if (nodes == 0)
        least = series[WAY_ONCE];
      nodes = o->scales[i];
    }
  if (nodes > least.nodes)
    note_growth (&least, &series[WAY_ONCE], what);
}

/* One hook a node, for the greatest --scale: those that wait for a lock sleep. */
static void
bench_wait_nodes (const struct options *o)
{
  struct idle idle = { .seconds = o->wait > 10 ? 10 : o->wait };
  unsigned nodes = 0;

  for (unsigned i = 0; i < o->scale_count; i++)
    nodes = o->scales[i] > nodes ? o->scales[i] : nodes;
  if (nodes < 2)
    return;
  (void) printf ("\nThe same, each on a node of its own\n\n");
  scene_set_tasks (&scene, nodes, nodes, true);
  for (enum program program = PROGRAM_HOOK; program <= PROGRAM_OTHER; program++)
    if (crew.path[program] != NULL)
      {
        crew_run (&crew, program, WAY_LAST, &idle);
        table_print_idle (program, &idle, o->json);
      }
}

static void
bench_wait (const struct options *o)
{
  struct idle idle = { .seconds = o->wait };

  (void) printf ("\nWaiting\n\n");
  (void) fflush (stdout);
  scene_set_tasks (&scene, 64, 1, false);
  crew_run (&crew, PROGRAM_HOOK, WAY_LAST, &idle);
  table_print_idle (PROGRAM_HOOK, &idle, o->json);
  note_goal ((double) (idle.cpu - idle.cpu_worst) / 1e6, 0, " ms",
             "CPU of 62 that wait %u s for their leader's word", o->wait);
  /* It says who is there, more and more rarely. */
  note_goal ((double) idle.cpu_worst / 1e6, 0.5 + 0.05 * o->wait, " ms",
             "CPU of a leader that waits %u s for the last", o->wait);
  note_goal ((double) idle.peak, 4096, " KiB", "peak memory of a waiting task");
  if (!o->poll)
    return;
  idle.seconds = o->wait > 10 ? 10 : o->wait;
  crew_run (&crew, PROGRAM_POLL, WAY_LAST, &idle);
  table_print_idle (PROGRAM_POLL, &idle, o->json);
}

static void
bench_nodes (const struct options *o)
{
  char title[160];
  unsigned tasks = o->nodes;

  scene_mount (&scene, o->nodes, o->mount_by, o->cache);
  (void) snprintf (title, sizeof title,
                   "Tasks on %u nodes: separate %s mounts that cache attributes and absent names "
                   "for %u s",
                   o->nodes, o->mount_by, o->cache);
  table_print_head (title);
  for (; tasks < 64; tasks *= 4)
    measure (o, tasks, o->nodes, false);
  measure (o, 64, o->nodes, false);
  scene_unmount (&scene);
}

static unsigned
parse_number (const char *text, unsigned max)
{
  char *end;
  unsigned long n = strtoul (text, &end, 10);

  if (*text < '0' || *text > '9' || *end != '\0' || n > max)
    errx (64, "\"%s\" is not a number up to %u", text, max);
  return (unsigned) n;
}

/* Numbers from 2 to MAX; returns how many. */
static unsigned
parse_list (char *text, unsigned max, unsigned list[SIZES_MAX])
{
  char *rest, *word = strtok_r (text, ",", &rest);
  unsigned count = 0;

  for (; word != NULL && count < SIZES_MAX; count++)
    {
      list[count] = parse_number (word, max);
      if (list[count] < 2)
        errx (64, "a barrier needs 2");
      word = strtok_r (NULL, ",", &rest);
    }
  return count;
}

static FILE *
open_json (const char *path)
{
  FILE *stream = fopen (path, "we");

  if (stream == NULL)
    err (1, "cannot make %s", path);
  return stream;
}

static void
parse_option (struct options *o, int option)
{
  switch (option)
    {
    case 'k': o->hook = optarg; break;
    case 's': o->size_count = parse_list (optarg, CREW_MAX, o->sizes); break;
    case 'N': o->scale_count = parse_list (optarg, CREW_MAX, o->scales); break;
    case 'r': o->reps = parse_number (optarg, TABLE_REPS_MAX); break;
    case 'o': o->other = optarg; break;
    case 'd': o->dir = optarg; break;
    case 'w': o->wait = parse_number (optarg, 100); break;
    case 'n': o->nodes = parse_number (optarg, SCENE_NODES_MAX); break;
    case 'm': o->mount_by = optarg; break;
    case 'c': o->cache = parse_number (optarg, 3600); break;
    case 'T': o->table = false; break;
    case 'P': o->poll = false; break;
    case 'u': o->uid = parse_number (optarg, INT_MAX); break;
    case 'j': o->json = open_json (optarg); break;
    case 'S': o->strict = true; break;
    case 'h': (void) fputs (help, stdout); exit (0);
    default: exit (64);
    }
}

static void
parse_options (struct options *o, int argc, char **argv)
{
  static const struct option options[] = {
    { "hook", required_argument, NULL, 'k' },     { "sizes", required_argument, NULL, 's' },
    { "reps", required_argument, NULL, 'r' },     { "dir", required_argument, NULL, 'd' },
    { "wait", required_argument, NULL, 'w' },     { "nodes", required_argument, NULL, 'n' },
    { "mount-by", required_argument, NULL, 'm' }, { "cache", required_argument, NULL, 'c' },
    { "no-table", no_argument, NULL, 'T' },       { "no-poll", no_argument, NULL, 'P' },
    { "uid", required_argument, NULL, 'u' },      { "json", required_argument, NULL, 'j' },
    { "strict", no_argument, NULL, 'S' },         { "help", no_argument, NULL, 'h' },
    { "other", required_argument, NULL, 'o' },    { "scale", required_argument, NULL, 'N' },
    { NULL, 0, NULL, 0 },
  };
  int option;

  while ((option = getopt_long (argc, argv, "", options, NULL)) != -1)
    parse_option (o, option);
  if (o->hook == NULL || optind < argc)
    errx (64, "give --hook=FILE and no other argument; see --help");
  if (o->reps == 0)
    errx (64, "at least one repetition");
}

static char *
beside_self (const char *name)
{
  char self[PATH_MAX], *path;
  ssize_t n = readlink ("/proc/self/exe", self, sizeof self - 1);

  if (n < 0)
    err (1, "/proc/self/exe");
  self[n] = '\0';
  *(strrchr (self, '/') + 1) = '\0';
  if (asprintf (&path, "%s%s", self, name) < 0 || access (path, X_OK) != 0)
    err (1, "%s%s", self, name);
  return path;
}

static char *
real_path (const char *path)
{
  char *real = realpath (path, NULL);

  if (real == NULL)
    err (1, "%s", path);
  return real;
}

static void
set_up (const struct options *o)
{
  bool root = geteuid () == 0;

  crew.scene = &scene;
  crew.path[PROGRAM_FILE] = beside_self ("bench_file");
  crew.path[PROGRAM_HOOK] = real_path (o->hook);
  if (o->other != NULL)
    crew.path[PROGRAM_OTHER] = real_path (o->other);
  if (o->poll)
    crew.path[PROGRAM_POLL] = beside_self ("bench_poll");
  (void) atexit (clean_up);
  scene_make (&scene, o->dir, root ? o->uid : getuid (), root ? o->uid : getgid ());
}

/* Slurm's task is a child of slurmstepd, and the hook looks whether it is: so
 * the benchmark runs as a child of a process of that name.  Returns in the
 * child only. */
static void
become_task (void)
{
  int status;

  task = fork ();
  if (task < 0)
    err (1, "fork");
  handle_signals (task == 0 ? on_signal : pass_signal);
  if (task == 0)
    {
      (void) prctl (PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
      return;
    }
  (void) prctl (PR_SET_NAME, "slurmstepd", 0, 0, 0);
  while (waitpid (task, &status, 0) != task)
    if (errno != EINTR)
      _exit (1);
  _exit (WIFEXITED (status) ? WEXITSTATUS (status) : 1);
}

/* As nodes have it: a leader of more tasks has to raise it. */
static void
limit_descriptors (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < CREW_MAX)
    warnx ("the hard limit of open files is too low for some sizes");
  limit.rlim_cur = SOFT_DESCRIPTORS;
  (void) setrlimit (RLIMIT_NOFILE, &limit);
}

int
main (int argc, char **argv)
{
  const char *tmp = getenv ("TMPDIR");
  struct options o = { .sizes = { 2, 16, 64, 256, 512, 1024, 2048 },
                       .size_count = 7,
                       .scales = { 4, 16, 64, 250, 1000 },
                       .scale_count = 5,
                       .reps = 5,
                       .cache = 10,
                       .uid = USER_UID,
                       .dir = tmp != NULL ? tmp : "/tmp",
                       .mount_by = "mergerfs",
                       .table = true,
                       .poll = true };

  parse_options (&o, argc, argv);
  limit_descriptors ();
  become_task ();
  set_up (&o);
  table_print_machine (&scene, o.reps, o.json);
  if (o.table)
    bench_one_node (&o);
  if (o.table && o.scale_count > 0)
    {
      bench_scale (&o, GATHERED_TASKS, false);
      bench_scale (&o, ONE_CONTAINER_TASKS, true);
    }
  if (o.wait > 0)
    {
      bench_wait (&o);
      bench_wait_nodes (&o);
    }
  if (o.nodes > 0)
    bench_nodes (&o);
  (void) printf ("\nFigures to reach\n\n");
  for (unsigned i = 0; i < goal_count; i++)
    table_print_goal (goals[i].what, goals[i].measured, goals[i].goal, goals[i].unit, o.json);
  if (o.json != NULL && fclose (o.json) != 0)
    err (1, "cannot write the JSON file");
  return o.strict && missed > 0 ? 2 : 0;
}
