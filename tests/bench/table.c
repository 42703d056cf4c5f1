/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* Beyond these, the machine had other things to do. */
#define NOISY_SPREAD 0.35
#define NOISY_FOREIGN 0.15

static const char *const program_names[PROGRAMS] = { "bench_file", "hook", "other", "bench_poll" };
static const char *const way_names[WAYS] = { "last", "once" };
static const char *const value_names[VALUES]
  = { "median_ms", "p99_ms", "worst_ms", "wall_ms", "cpu_ms_per_hook", "memory_kib",
      "sleeps_per_hook", "cpu_to_file", "wall_to_file", "poll_worst_to_this",
      "poll_cpu_to_this" };

static double
milliseconds (int64_t time)
{
  return (double) time / 1e6;
}

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Of COUNT sorted values: the least that is not below SHARE of them. */
static double
quantile (const double *sorted, unsigned count, double share)
{
  unsigned index = (unsigned) (share * count);

  if (count == 0)
    return 0;
  return sorted[index < count ? index : count - 1];
}

void
table_take (struct series *s, const struct crew *c, unsigned rep)
{
  static double late[CREW_MAX];
  double cpu = 0, switches = 0, memory = 0;
  unsigned count = 0;

  for (unsigned procid = 0; procid < c->started; procid++)
    {
      const struct member *m = &c->members[procid];

      cpu += milliseconds (m->cpu);
      switches += (double) m->switches;
      memory = (double) m->memory > memory ? (double) m->memory : memory;
      if (m->exited >= c->last_started)
        late[count++] = milliseconds (m->exited - c->last_started);
    }
  qsort (late, count, sizeof late[0], compare);
  double (*value)[TABLE_REPS_MAX] = s->value[c->program];
  value[VALUE_MEDIAN][rep] = quantile (late, count, 0.5);
  value[VALUE_P99][rep] = quantile (late, count, 0.99);
  value[VALUE_WORST][rep] = quantile (late, count, 1);
  value[VALUE_WALL][rep]
    = milliseconds (c->ended - (s->way == WAY_ONCE ? c->began : c->last_started));
  value[VALUE_CPU][rep] = cpu / c->started;
  value[VALUE_MEMORY][rep] = memory;
  value[VALUE_SLEEPS][rep] = switches / c->started;
  s->has[c->program] = true;
}

void
table_take_counts (struct series *s, const struct crew *c)
{
  double calls = 0, changes = 0;

  for (unsigned hook = 0; hook < c->started; hook++)
    {
      calls += c->counts[hook].calls;
      changes += c->counts[hook].changes;
    }
  s->calls[c->program] = calls / c->started;
  s->changes[c->program] = changes / c->started;
}

void
table_compare (struct series *s, unsigned rep)
{
  double (*file)[TABLE_REPS_MAX] = s->value[PROGRAM_FILE];
  double (*poll)[TABLE_REPS_MAX] = s->value[PROGRAM_POLL];

  for (enum program program = 0; program < PROGRAMS; program++)
    {
      double (*value)[TABLE_REPS_MAX] = s->value[program];

      if (!s->has[program])
        continue;
      value[VALUE_CPU_FILE][rep] = value[VALUE_CPU][rep] / file[VALUE_CPU][rep];
      value[VALUE_WALL_FILE][rep] = value[VALUE_WALL][rep] / file[VALUE_WALL][rep];
      if (!s->has[PROGRAM_POLL])
        continue;
      value[VALUE_WORST_POLL][rep] = poll[VALUE_WORST][rep] / value[VALUE_WORST][rep];
      value[VALUE_CPU_POLL][rep] = poll[VALUE_CPU][rep] / value[VALUE_CPU][rep];
    }
}

static void
table_sort (const struct series *s, enum program program, enum value value,
            double sorted[TABLE_REPS_MAX])
{
  memcpy (sorted, s->value[program][value], sizeof s->value[program][value]);
  qsort (sorted, s->reps, sizeof *sorted, compare);
}

double
table_median (const struct series *s, enum program program, enum value value)
{
  double sorted[TABLE_REPS_MAX];

  table_sort (s, program, value, sorted);
  return (sorted[(s->reps - 1) / 2] + sorted[s->reps / 2]) / 2;
}

static double
table_least (const struct series *s, enum program program, enum value value)
{
  double sorted[TABLE_REPS_MAX];

  table_sort (s, program, value, sorted);
  return sorted[0];
}

double
table_spread (const struct series *s, enum program program, enum value value)
{
  double sorted[TABLE_REPS_MAX];

  table_sort (s, program, value, sorted);
  return (sorted[s->reps - 1] - sorted[0]) / table_median (s, program, value);
}

bool
table_is_noisy (const struct series *s)
{
  return s->foreign > NOISY_FOREIGN || table_spread (s, PROGRAM_FILE, VALUE_CPU) > NOISY_SPREAD;
}

/* The text after the colon of the first line of /proc/FILE that begins with
 * NAME. */
static void
read_proc_value (const char *file, const char *name, char *value, size_t size)
{
  FILE *stream = fopen (file, "re");
  char line[256];

  (void) snprintf (value, size, "unknown");
  while (stream != NULL && fgets (line, sizeof line, stream) != NULL)
    {
      const char *text = strchr (line, ':');
      if (text == NULL || strncmp (line, name, strlen (name)) != 0)
        continue;
      line[strcspn (line, "\n")] = '\0';
      (void) snprintf (value, size, "%s", text + 1 + strspn (text + 1, " \t"));
      break;
    }
  if (stream != NULL)
    (void) fclose (stream);
}

void
table_print_machine (const struct scene *scene, unsigned reps, FILE *json)
{
  char model[128], memory[64], date[32];
  time_t now = time (NULL);
  double load = 0;
  struct utsname name;

  (void) uname (&name);
  (void) getloadavg (&load, 1);
  (void) strftime (date, sizeof date, "%Y-%m-%d %H:%M", localtime (&now));
  read_proc_value ("/proc/cpuinfo", "model name", model, sizeof model);
  read_proc_value ("/proc/meminfo", "MemTotal", memory, sizeof memory);
  long cpus = sysconf (_SC_NPROCESSORS_ONLN);
  (void) printf ("%s, Linux %s, %ld x %s, %s memory, %s, load %.2f before\n", date, name.release,
                 cpus, model, memory, scene_fs_type (scene), load);
  (void) printf ("Each figure is the median of %u repetitions. The programs run in turn, and a\n"
                 "ratio is the median of the ratios of the repetitions.\n",
                 reps);
  if (json != NULL)
    (void) fprintf (json,
                    "{\"what\":\"machine\",\"date\":\"%s\",\"kernel\":\"%s\",\"cpus\":%ld,"
                    "\"model\":\"%s\",\"memory\":\"%s\",\"fs\":\"%s\",\"load\":%.2f,"
                    "\"repetitions\":%u}\n",
                    date, name.release, cpus, model, memory, scene_fs_type (scene), load, reps);
}

void
table_print_head (const char *title)
{
  (void) printf ("\n%s\n\n"
                 "                               ms from the last start    wall   CPU ms ratio to file "
                 "memory sleeps  calls changes\n"
                 " tasks nodes way  program      to exit: median,  worst     ms   a hook    CPU   wall "
                 "   KiB a hook a hook  a hook\n",
                 title);
}

static void
table_print_json (const struct series *s, enum program program, FILE *json)
{
  (void) fprintf (json,
                  "{\"what\":\"run\",\"nodes\":%u,\"tasks\":%u,\"hooks\":%u,"
                  "\"way\":\"%s\",\"program\":\"%s\"",
                  s->nodes, s->tasks, s->hooks, way_names[s->way], program_names[program]);
  if (s->calls[program] > 0)
    (void) fprintf (json, ",\"calls_per_hook\":%.2f,\"changes_per_hook\":%.3f",
                    s->calls[program], s->changes[program]);
  for (enum value value = 0; value < VALUES; value++)
    {
      if (value >= VALUE_WORST_POLL && !s->has[PROGRAM_POLL])
        break;
      (void) fprintf (json, ",\"%s\":%.4g,\"%s_least\":%.4g", value_names[value],
                      table_median (s, program, value), value_names[value],
                      table_least (s, program, value));
    }
  (void) fprintf (json, ",\"cpu_spread\":%.3f,\"others_cpu\":%.3f,\"noisy\":%s}\n",
                  table_spread (s, program, VALUE_CPU), s->foreign,
                  table_is_noisy (s) ? "true" : "false");
}

void
table_print (const struct series *s, FILE *json)
{
  for (enum program program = 0; program < PROGRAMS; program++)
    {
      if (!s->has[program])
        continue;
      double median[VALUES];
      for (enum value value = 0; value < VALUES; value++)
        median[value] = table_median (s, program, value);
      (void) printf ("%6u %5u %s %-10s %16.2f %7.2f %7.2f %8.3f %6.2f %6.2f %6.0f %6.1f",
                     s->tasks, s->nodes, way_names[s->way], program_names[program],
                     median[VALUE_MEDIAN], median[VALUE_WORST], median[VALUE_WALL],
                     median[VALUE_CPU], median[VALUE_CPU_FILE], median[VALUE_WALL_FILE],
                     median[VALUE_MEMORY], median[VALUE_SLEEPS]);
      if (s->calls[program] > 0)
        (void) printf (" %6.1f %7.2f", s->calls[program], s->changes[program]);
      (void) printf ("\n");
      if (json != NULL)
        table_print_json (s, program, json);
    }
  if (table_is_noisy (s))
    (void) printf ("      NOISY: others used %.0f %% of the machine's time, bench_file's CPU "
                   "varied by %.0f %%\n",
                   100 * s->foreign, 100 * table_spread (s, PROGRAM_FILE, VALUE_CPU));
  (void) fflush (stdout);
}

static int
compare_counts (const void *a, const void *b)
{
  const struct count *x = a, *y = b;

  return (x->calls > y->calls) - (x->calls < y->calls);
}

void
table_print_counts (const struct crew *c, FILE *out, FILE *json)
{
  static const char *const roles[] = { "the leader", "a member" };
  const char *program = program_names[c->program];
  unsigned tasks = c->scene->tasks;

  qsort (c->counts + 1, c->started - 1, sizeof *c->counts, compare_counts);
  for (unsigned i = 0; i < 2; i++)
    {
      const struct count *count = &c->counts[i == 0 ? 0 : c->started / 2];

      if (!count->known)
        continue;
      (void) fprintf (out, "%5u %-10s %-10s: %u calls, %u that change something, %u sleeps\n", tasks,
                      program, roles[i], count->calls, count->changes, count->sleeps);
      if (json != NULL)
        (void) fprintf (json,
                        "{\"what\":\"calls\",\"tasks\":%u,\"program\":\"%s\",\"role\":\"%s\","
                        "\"calls\":%u,\"changes\":%u,\"sleeps\":%u}\n",
                        tasks, program, roles[i], count->calls, count->changes, count->sleeps);
    }
}

void
table_print_idle (enum program program, const struct idle *idle, FILE *json)
{
  unsigned others = idle->members - 1;
  double rest = milliseconds (idle->cpu - idle->cpu_worst) / others;

  (void) printf ("%-10s %u tasks wait %lld s: CPU %.3f ms the one with the most, %.6f ms each of "
                 "the others, %.1f sleeps a task\n",
                 program_names[program], idle->members, (long long) idle->seconds,
                 milliseconds (idle->cpu_worst), rest,
                 (double) idle->switches / idle->members);
  (void) printf ("%-10s memory of a waiting task: peak %ld KiB, resident %ld KiB", "", idle->peak,
                 idle->resident);
  if (idle->proportional >= 0)
    (void) printf (", its own share of that (PSS) %ld KiB", idle->proportional);
  (void) printf ("\n");
  if (json != NULL)
    (void) fprintf (json,
                    "{\"what\":\"wait\",\"program\":\"%s\",\"tasks\":%u,\"seconds\":%lld,"
                    "\"cpu_ms\":%.3f,\"cpu_ms_worst\":%.3f,\"cpu_ms_of_another\":%.6f,"
                    "\"sleeps\":%lld,\"peak_kib\":%ld,\"resident_kib\":%ld,\"pss_kib\":%ld}\n",
                    program_names[program], idle->members, (long long) idle->seconds,
                    milliseconds (idle->cpu), milliseconds (idle->cpu_worst), rest,
                    (long long) idle->switches, idle->peak, idle->resident, idle->proportional);
}

void
table_print_goal (const char *what, double measured, double goal, const char *unit, FILE *json)
{
  bool met = measured <= goal;

  (void) printf ("%-6s %s: %.4g%s, goal %.4g%s\n", met ? "met" : "MISSED", what, measured, unit,
                 goal, unit);
  if (json != NULL)
    (void) fprintf (json,
                    "{\"what\":\"goal\",\"name\":\"%s\",\"measured\":%.4g,\"goal\":%.4g,"
                    "\"met\":%s}\n",
                    what, measured, goal, met ? "true" : "false");
}
