/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stress - job steps of 2 to 32 tasks on up to 8 nodes at once in one directory:
 * several rounds of containers, second containers beside the first, one
 * container a node, hooks that are killed, ended or stopped, file systems that
 * are slow or lazy or have no sockets, files that get other times, and somebody
 * else who uses the processors.
 *
 *   --seconds=N  for how long (180)      --seed=N  the random numbers
 *   --jobs=N     steps at once (10)      --calm    without load from others
 *
 * All hooks note what they do.  When the last hook of a step has ended, the
 * notes are checked (record.h).  A step that nobody was murdered in must have
 * synchronised every time, and must have left nothing.
 */
#include "record.h"
#include "stage.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MAX 64
#define TASKS_MAX 32
#define PLAYERS_MAX 160
#define BARRIERS_WANTED 2000

#define LEAVE (10 * SECOND)
#define SLACK (15 * SECOND) /* the machine is busy on purpose */
#define CALM_TIMEOUT (90 * SECOND)

/* Shown of each kind of failure. */
#define SHOWN_MAX 5

enum murder { MURDER_NONE, MURDER_KILL, MURDER_TERM, MURDER_STOP };

/* One hook. */
struct player {
  struct actor actor;
  const struct record *record;
  enum { PLAYER_PLANNED, PLAYER_RUNNING, PLAYER_ENDED } state;
  int after;         /* the player who has to end before, or -1 */
  int64_t gap;       /* and how long before */
  int64_t start_at;  /* INT64_MAX: not known yet */
  enum murder murder;
  int64_t murder_at, resume_at; /* after the start, then as times */
  int64_t stopped;   /* for how long in all */
  bool struck;
  char env[7][STAGE_PATH + 32];
};

struct step {
  unsigned number; /* 0: not in use */
  uint32_t tasks;
  uint32_t nodes;  /* 0: the tasks are not told where they are */
  uint32_t node[TASKS_MAX]; /* of each task */
  bool whole;      /* one container a node */
  bool murders, shifts;
  int64_t shift_at;
  size_t count, ended;
  struct player player[PLAYERS_MAX];
  char dir[STAGE_PATH], key[64];
};

static struct step *steps;
static unsigned steps_at_once = 10, steps_started;
static int64_t run_until, run_latest;
static uint64_t seed, noise;
static struct scene scene;
static pid_t burner;

static struct {
  unsigned steps, hooks, met, barriers, killed, ended, stopped, shifted;
  unsigned nodes, gathered; /* of all steps; and hooks that a leader has taken */
  unsigned broken, hung, odd, unmet, left; /* what must be 0 */
} total;

/* ------------------------------------------------------------ random plans */

/* From 0 to BELOW - 1; xorshift64*, Vigna. */
static uint64_t
dice (uint64_t below)
{
  noise ^= noise >> 12;
  noise ^= noise << 25;
  noise ^= noise >> 27;
  return (noise * 2685821657736338717U >> 11) % below;
}

static bool
chance (unsigned percent)
{
  return dice (100) < percent;
}

static int64_t
dice_time (int64_t below)
{
  return (int64_t) dice ((uint64_t) below);
}

static void
player_setenv (struct player *p, size_t n, const char *name, uint64_t value)
{
  (void) snprintf (p->env[n], sizeof p->env[n], "%s=%llu", name, (unsigned long long) value);
  p->actor.role.env[n] = p->env[n];
}

/* What kind of file system the step is on: 0 as it is. */
struct ground {
  bool slow, lazy, poor, unfound;
};

static void
player_equip (struct player *p, const struct step *s, const struct ground *g, size_t number)
{
  size_t n = 2;

  (void) snprintf (p->env[0], sizeof p->env[0], "LD_PRELOAD=%s", stage.shim);
  (void) snprintf (p->env[1], sizeof p->env[1], "MURDER_RECORD=%.200s/record-%zu", s->dir, number);
  p->actor.role.env[0] = p->env[0];
  p->actor.role.env[1] = p->env[1];
  if (g->slow)
    player_setenv (p, n++, "MURDER_DELAY", 200 + dice (20000));
  if (g->lazy)
    player_setenv (p, n++, "MURDER_LAZY", 1);
  if (g->poor)
    player_setenv (p, n++, "MURDER_POOR", 1);
  if (g->unfound)
    player_setenv (p, n++, "MURDER_UNFOUND", 1);
  (void) snprintf (p->actor.errors, sizeof p->actor.errors, "%.200s/stderr-%zu", s->dir, number);
}

static void
player_plan_murder (struct player *p)
{
  unsigned r = (unsigned) dice (100);

  p->murder = r < 6 ? MURDER_KILL : r < 9 ? MURDER_TERM : r < 15 ? MURDER_STOP : MURDER_NONE;
  /* Most are struck while they start, meet or leave. */
  p->murder_at = dice_time (chance (70) ? 20 * MILLISECOND : 500 * MILLISECOND);
  p->resume_at = dice_time (chance (50) ? 300 * MILLISECOND : 4 * SECOND);
}

/* Tells the hook of task PROCID on which node it is, and who else is there. */
static void
step_place (const struct step *s, struct role *r)
{
  size_t n = 0;

  r->nodes = s->nodes;
  r->node = s->node[r->procid];
  r->whole = s->whole;
  for (uint32_t procid = 0; s->nodes > 0 && procid < s->tasks; procid++)
    if (s->node[procid] == r->node)
      n += (size_t) snprintf (r->gtids + n, sizeof r->gtids - n, "%s%u", n > 0 ? "," : "", procid);
}

/* One hook of task PROCID, after hook AFTER or, if that is -1, from the start. */
static int
step_add (struct step *s, uint32_t procid, int after, int64_t gap, int64_t timeout,
          const struct ground *g)
{
  size_t n = s->count++;
  struct player *p = &s->player[n];

  *p = (struct player){ .after = after, .gap = gap };
  p->start_at = after < 0 ? stage_now () + gap : INT64_MAX;
  p->actor.role = (struct role){
    .procid = procid, .tasks = s->tasks, .job = 1000 + s->number, .step = 0, .timeout = timeout
  };
  step_place (s, &p->actor.role);
  player_equip (p, s, g, n);
  if (s->murders)
    player_plan_murder (p);
  return (int) n;
}

/* Distributes the tasks over nodes: in blocks, in turn, or at random. */
static void
step_plan_nodes (struct step *s)
{
  uint64_t way = dice (3);

  if (chance (15))
    return;
  s->nodes = 1 + (uint32_t) dice (s->tasks < 8 ? s->tasks : 8);
  s->whole = s->nodes > 1 && chance (15);
  for (uint32_t procid = 0; procid < s->tasks; procid++)
    if (way == 0)
      s->node[procid] = procid * s->nodes / s->tasks;
    else
      s->node[procid] = way == 1 ? procid % s->nodes : (uint32_t) dice (s->nodes);
  total.nodes += s->nodes;
}

/* With one container a node its first task has it. */
static bool
step_has_hook (const struct step *s, uint32_t procid)
{
  for (uint32_t p = 0; s->whole && p < procid; p++)
    if (s->node[p] == s->node[procid])
      return false;
  return true;
}

static void
step_plan (struct step *s)
{
  static const int64_t spreads[] = { 2 * MILLISECOND, 30 * MILLISECOND, 400 * MILLISECOND };
  struct ground g
    = { .slow = chance (25), .lazy = chance (10), .poor = chance (8), .unfound = chance (5) };
  int64_t spread = spreads[dice (3)];
  uint64_t r = dice (31);

  s->tasks = 2 + (uint32_t) (chance (70) ? r * r / 100 : r);
  s->murders = chance (50);
  s->shifts = chance (15);
  s->shift_at = s->shifts ? stage_now () + dice_time (600 * MILLISECOND) : INT64_MAX;
  step_plan_nodes (s);
  unsigned chains = chance (25) ? 2 : 1;
  unsigned rounds = 1 + (unsigned) dice (PLAYERS_MAX / s->tasks / chains < 4
                                           ? PLAYERS_MAX / s->tasks / chains
                                           : 4);
  int64_t timeout = CALM_TIMEOUT;
  if (s->murders) /* so short, too, that many give up just when others meet */
    timeout = chance (40) ? 20 * MILLISECOND + dice_time (300 * MILLISECOND)
                          : SECOND + dice_time (3 * SECOND);

  for (unsigned chain = 0; chain < chains; chain++)
    for (uint32_t procid = 0; procid < s->tasks; procid++)
      {
        int last = -1;

        for (unsigned round = 0; round < rounds && step_has_hook (s, procid); round++)
          last = step_add (s, procid, last, dice_time (spread), timeout, &g);
      }
}

/* ------------------------------------------------------------------ a step */

static void
step_begin (struct step *s)
{
  memset (s, 0, sizeof *s);
  s->number = ++steps_started;
  noise = seed * 1000003 + s->number * 7919 + 1; /* a plan depends on no other */
  for (int i = 0; i < 8; i++)
    (void) dice (2);
  (void) snprintf (s->dir, sizeof s->dir, "%s/step-%u", stage.dir, s->number);
  (void) snprintf (s->key, sizeof s->key, "jobid-%u-stepid-0", 1000 + s->number);
  if (mkdir (s->dir, 0711) != 0)
    stage_die ("cannot make %s", s->dir);
  step_plan (s);
}

static void
player_start (struct player *p)
{
  p->record = record_make (strchr (p->env[1], '=') + 1);
  actor_start (&p->actor, &scene, ACTOR_FREE);
  p->state = PLAYER_RUNNING;
  p->murder_at += p->actor.started;
  total.hooks++;
}

static void
player_strike (struct player *p, int64_t now)
{
  p->struck = true;
  switch (p->murder)
    {
    case MURDER_KILL:
      total.killed++;
      (void) kill (p->actor.pid, SIGKILL);
      break;
    case MURDER_TERM:
      total.ended++;
      (void) kill (p->actor.pid, SIGTERM);
      break;
    default:
      total.stopped++;
      (void) kill (p->actor.pid, SIGSTOP);
      p->stopped = p->resume_at;
      p->resume_at += now;
      break;
    }
}

/* Prints what the hooks of a step did, for the first failures of a kind. */
static void
step_complain (const struct step *s, unsigned *failures, const char *what)
{
  int64_t first = INT64_MAX;

  if (++*failures > SHOWN_MAX)
    return;
  printf ("# step %u (%u tasks on %u nodes%s, %zu hooks, %s%s): %s\n", s->number, s->tasks,
          s->nodes, s->whole ? ", one container each" : "", s->count,
          s->murders ? "murders" : "calm", s->shifts ? ", shifted times" : "", what);
  for (size_t i = 0; i < s->count; i++)
    if (s->player[i].actor.started > 0 && s->player[i].actor.started < first)
      first = s->player[i].actor.started;
  for (size_t i = 0; i < s->count; i++)
    {
      const struct player *p = &s->player[i];
      const char *said = actor_errors (&p->actor);

      printf ("#   procid %u of %s, %.3f to %.3f, murder %d, %s %s %s %s, status %d: %.*s\n",
              p->actor.role.procid, p->actor.role.gtids, (double) (p->actor.started - first) / 1e9,
              (double) (p->actor.ended - first) / 1e9, (int) p->murder, p->env[2], p->env[3],
              p->env[4], p->env[5], actor_status (&p->actor), (int) strcspn (said, "\n"), said);
    }
}

/* What is due, now; returns when something will be. */
static int64_t
step_advance (struct step *s, int64_t now)
{
  int64_t next = INT64_MAX;

  if (s->shift_at <= now)
    {
      s->shift_at = INT64_MAX;
      total.shifted++;
      scene_shift (&scene, s->key, chance (50) ? -120 : (chance (50) ? 86400 : -86400));
    }
  for (size_t i = 0; i < s->count; i++)
    {
      struct player *p = &s->player[i];
      bool strikes = p->murder != MURDER_NONE && !p->struck;

      if (p->state == PLAYER_PLANNED && p->start_at <= now)
        player_start (p);
      else if (p->state == PLAYER_RUNNING && strikes && p->murder_at <= now)
        player_strike (p, now);
      else if (p->state == PLAYER_RUNNING && p->struck && p->murder == MURDER_STOP
               && p->resume_at <= now)
        {
          (void) kill (p->actor.pid, SIGCONT);
          p->resume_at = INT64_MAX;
        }
      else if (p->state == PLAYER_RUNNING
               && now - p->actor.started > p->actor.role.timeout + p->stopped + LEAVE + SLACK)
        {
          step_complain (s, &total.hung, "a hook hangs");
          p->actor.started = INT64_MAX / 2;
          (void) kill (p->actor.pid, SIGKILL);
        }
      if (p->state == PLAYER_PLANNED && p->start_at < next)
        next = p->start_at;
      if (p->state == PLAYER_RUNNING && strikes && p->murder_at < next)
        next = p->murder_at;
    }
  return next;
}

/* Reaps the process PID. */
static void
step_reap (struct step *s, pid_t pid, int status, int64_t now)
{
  for (size_t i = 0; i < s->count; i++)
    {
      struct player *p = &s->player[i];

      if (p->state != PLAYER_RUNNING || p->actor.pid != pid)
        continue;
      p->state = PLAYER_ENDED;
      p->actor.done = true;
      p->actor.status = status;
      p->actor.ended = now;
      s->ended++;
      for (size_t j = 0; j < s->count; j++)
        if (s->player[j].after == (int) i)
          s->player[j].start_at = now + s->player[j].gap;
    }
}

static void
step_check_statuses (struct step *s)
{
  unsigned unmet = 0, odd = 0, slow = 0;

  for (size_t i = 0; i < s->count; i++)
    {
      const struct player *p = &s->player[i];
      int status = actor_status (&p->actor);
      bool killed = p->struck && status == 128 + (p->murder == MURDER_KILL ? SIGKILL : SIGTERM);
      int64_t limit = p->actor.role.timeout + p->stopped + SLACK;

      total.met += status == 0;
      unmet += status != 0;
      odd += status != 0 && status != 75 && status != 76 && !killed;
      /* Procid 0 comes back late only with success. */
      slow += status != 0 && p->actor.ended - p->actor.started > limit;
    }
  if (odd > 0)
    step_complain (s, &total.odd, "a hook ended in an odd way");
  if (slow > 0)
    step_complain (s, &total.hung, "a hook took too long");
  if (unmet > 0 && !s->murders)
    step_complain (s, &total.unmet, "nobody was murdered, and not all synchronised");
}

/* Who was stopped while the clock went a day ahead was stopped for a day: its
 * barrier may have been removed meanwhile, by a hook that cleans up. */
static bool
player_slept_for_a_day (const struct step *s, const struct player *p)
{
  return s->shifts && p->struck && p->murder == MURDER_STOP;
}

static void
step_check_records (struct step *s)
{
  struct recorded list[PLAYERS_MAX];
  static char why[16384];
  unsigned barriers = 0;

  for (size_t i = 0; i < s->count; i++)
    {
      const struct player *p = &s->player[i];
      int status = actor_status (&p->actor);

      list[i] = (struct recorded){ .procid = p->actor.role.procid,
                                   .tasks = s->tasks,
                                   .ranks = role_ranks (&p->actor.role),
                                   .status = status,
                                   .murdered = status >= 128 || player_slept_for_a_day (s, p),
                                   .ended = p->actor.ended,
                                   .record = p->record };
    }
  for (size_t i = 0; i < s->count; i++)
    total.gathered += record_has_joined (s->player[i].record);
  if (!record_check (list, s->count, &barriers, why, sizeof why))
    step_complain (s, &total.broken, why);
  total.barriers += barriers;
}

/* Appends what is in PATH, a directory, to TEXT. */
static void
list_tree (const char *path, char *text, size_t size)
{
  DIR *dir = opendir (path);
  const struct dirent *entry;

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    {
      char below[STAGE_PATH * 2];
      size_t n = strlen (text);

      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        continue;
      (void) snprintf (text + n, size - n, " %s", entry->d_name);
      (void) snprintf (below, sizeof below, "%s/%s", path, entry->d_name);
      list_tree (below, text, size);
    }
  if (dir != NULL)
    (void) closedir (dir);
}

/* Removes what the step has left; in a calm one that must be nothing. */
static void
step_clear (struct step *s)
{
  DIR *dir = opendir (scene.sync);
  const struct dirent *entry;
  char left[1000] = "";

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    {
      size_t length = strlen (entry->d_name), key = strlen (s->key);
      char path[STAGE_PATH * 2];

      if (length < key || strcmp (entry->d_name + length - key, s->key) != 0)
        continue;
      (void) snprintf (left, sizeof left, "%s is left:", entry->d_name);
      (void) snprintf (path, sizeof path, "%s/%s", scene.sync, entry->d_name);
      list_tree (path, left, sizeof left);
      stage_remove (path);
    }
  if (dir != NULL)
    (void) closedir (dir);
  if (left[0] != '\0' && !s->murders && !s->shifts)
    step_complain (s, &total.left, left);
  stage_remove (s->dir);
}

static void
step_end (struct step *s)
{
  total.steps++;
  step_check_statuses (s);
  step_check_records (s);
  step_clear (s);
  for (size_t i = 0; i < s->count; i++)
    record_free (s->player[i].record);
  s->number = 0;
}

/* ----------------------------------------------------------------- all of it */

/* A process that uses one processor, for ten seconds of twenty. */
static void
burner_start (void)
{
  burner = fork ();
  if (burner != 0)
    return;
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  for (volatile uint64_t i = 0;; i = i + 1)
    if (stage_now () / SECOND % 20 >= 10)
      stage_nap (SECOND / 2);
}

static bool
steps_may_begin (int64_t now)
{
  if (now >= run_latest)
    return false;
  return now < run_until || total.barriers < BARRIERS_WANTED;
}

static void
reap_all (void)
{
  int status;
  pid_t pid;

  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    for (unsigned i = 0; i < steps_at_once; i++)
      if (steps[i].number > 0)
        step_reap (&steps[i], pid, status, stage_now ());
}

/* Goes on until all steps have ended; true if one still runs. */
static bool
run_once (void)
{
  int64_t now = stage_now (), next = now + 50 * MILLISECOND;
  bool running = false;

  reap_all ();
  for (unsigned i = 0; i < steps_at_once; i++)
    {
      struct step *s = &steps[i];

      if (s->number > 0 && s->ended == s->count)
        step_end (s);
      if (s->number == 0 && steps_may_begin (now))
        step_begin (s);
      if (s->number == 0)
        continue;
      running = true;
      int64_t due = step_advance (s, now);
      next = due < next ? due : next;
    }
  now = stage_now ();
  if (running && next > now)
    {
      const struct timespec t = { .tv_nsec = next - now };
      sigset_t child;

      (void) sigemptyset (&child);
      (void) sigaddset (&child, SIGCHLD);
      (void) sigtimedwait (&child, NULL, &t);
    }
  return running;
}

static int
test (unsigned failures, const char *what)
{
  static unsigned number;

  printf ("%sok %u - %s\n", failures > 0 ? "not " : "", ++number, what);
  return failures > 0;
}

static int
report (int64_t seconds)
{
  char text[100];
  int failed = 0;

  printf ("1..7\n");
  failed += test (total.broken, "safety, agreement, and one hook of a task in each barrier");
  failed += test (total.hung, "nobody waited beyond the timeout");
  failed += test (total.odd, "no status but 0, 75 and 76");
  failed += test (total.unmet, "without murders all synchronised");
  failed += test (total.left, "without murders nothing was left");
  (void) snprintf (text, sizeof text, "%u hooks were members of a leader", total.gathered);
  failed += test (total.gathered == 0, text);
  (void) snprintf (text, sizeof text, "%u barriers", total.barriers);
  failed += test (total.barriers < (seconds < 180 ? 1 : BARRIERS_WANTED), text);
  printf ("# %u steps on %u nodes, %u barriers, %u hooks: %u synchronised, %u killed, "
          "%u got SIGTERM, %u stopped; %u times shifted\n",
          total.steps, total.nodes, total.barriers, total.hooks, total.met,
          total.killed, total.ended, total.stopped, total.shifted);
  return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int64_t
options (int argc, char **argv, bool *calm)
{
  static const struct option known[] = {
    { "seconds", required_argument, NULL, 's' }, { "seed", required_argument, NULL, 'e' },
    { "jobs", required_argument, NULL, 'j' },    { "calm", no_argument, NULL, 'c' },
    { NULL, 0, NULL, 0 },
  };
  int64_t seconds = 180;
  int option;

  while ((option = getopt_long (argc, argv, "", known, NULL)) != -1)
    switch (option)
      {
      case 's':
        seconds = strtol (optarg, NULL, 10);
        break;
      case 'e':
        seed = strtoull (optarg, NULL, 10);
        break;
      case 'j':
        steps_at_once = (unsigned) strtoul (optarg, NULL, 10);
        break;
      case 'c':
        *calm = true;
        break;
      default:
        exit (2);
      }
  if (steps_at_once < 1 || steps_at_once > STEPS_MAX)
    steps_at_once = 10;
  return seconds;
}

int
main (int argc, char **argv)
{
  bool calm = false;
  sigset_t child;

  seed = (uint64_t) stage_now () % 1000000;
  int64_t seconds = options (argc, argv, &calm);
  stage_open ();
  (void) setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("# seed %llu\n", (unsigned long long) seed);
  (void) sigemptyset (&child);
  (void) sigaddset (&child, SIGCHLD);
  (void) sigprocmask (SIG_BLOCK, &child, NULL);
  scene_make (&scene, 0);
  steps = calloc (steps_at_once, sizeof *steps);
  if (steps == NULL)
    stage_die ("no memory");
  if (!calm)
    burner_start ();
  run_until = stage_now () + seconds * SECOND;
  /* A machine that is busy with other things as well gets that long for them. */
  run_latest = stage_now () + 3 * seconds * SECOND;
  while (run_once ())
    ;
  if (burner > 0)
    (void) kill (burner, SIGKILL);
  return report (seconds);
}
