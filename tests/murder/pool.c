/* SPDX-License-Identifier: BSD-3-Clause */
#include "pool.h"

#include "stage.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE_MAX 256

/* A series has ended when this many of its plays struck at nothing: the number
 * of calls varies a little from run to run. */
#define UNREACHED_MAX 6

/* A series of so few plays may come to none of them. */
#define FEW 8

/* How often a play may go wrong for want of time, and failures shown in full. */
#define AGAIN_MAX 8
#define SHOWN_MAX 5

struct slot {
  pid_t pid;
  struct series *series;
  unsigned number, tries;
  struct verdict verdict;
};

static struct slot *pool_slot; /* shared with the processes that play */
static unsigned pool_at_once, pool_number, pool_scenes;
static const char *pool_only;

__attribute__ ((format (printf, 3, 0))) static void
verdict_set (struct verdict *v, enum verdict_what what, const char *format, va_list ap)
{
  if (v->what == PLAY_FAILED || v->what == PLAY_AGAIN)
    return;
  v->what = what;
  (void) vsnprintf (v->text, sizeof v->text, format, ap);
}

void
verdict_fail (struct verdict *v, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  verdict_set (v, PLAY_FAILED, format, ap);
  va_end (ap);
}

void
verdict_again (struct verdict *v, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  verdict_set (v, PLAY_AGAIN, format, ap);
  va_end (ap);
}

bool
pool_options (int argc, char **argv, unsigned at_once)
{
  static const struct option options[] = {
    { "jobs", required_argument, NULL, 'j' },
    { "only", required_argument, NULL, 'o' },
    { "number", required_argument, NULL, 'n' },
    { "full", no_argument, NULL, 'f' },
    { NULL, 0, NULL, 0 },
  };
  bool full = false;
  int option;

  pool_at_once = at_once;
  while ((option = getopt_long (argc, argv, "", options, NULL)) != -1)
    switch (option)
      {
      case 'j':
        pool_at_once = (unsigned) strtoul (optarg, NULL, 10);
        break;
      case 'o':
        pool_only = optarg;
        break;
      case 'n':
        pool_number = (unsigned) strtoul (optarg, NULL, 10);
        break;
      case 'f':
        full = true;
        break;
      default:
        exit (2);
      }
  if (pool_at_once < 1 || pool_at_once > AT_ONCE_MAX)
    pool_at_once = at_once;
  pool_slot = mmap (NULL, AT_ONCE_MAX * sizeof *pool_slot, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (pool_slot == MAP_FAILED)
    stage_die ("no memory");
  return full;
}

unsigned
pool_scene (void)
{
  return pool_scenes;
}

static void
pool_start (struct slot *slot, pool_play *play)
{
  slot->verdict = (struct verdict){ .count = 1 };
  pool_scenes++;
  (void) fflush (stdout);
  pid_t pid = fork ();
  if (pid < 0)
    stage_die ("cannot start a process");
  if (pid > 0)
    {
      slot->pid = pid;
      return;
    }
  /* Hooks whose runtime was killed come to this process, which counts them.
   * Should this program die, nothing of it stays. */
  (void) prctl (PR_SET_CHILD_SUBREAPER, 1);
  (void) prctl (PR_SET_PDEATHSIG, SIGTERM);
  play (slot->series, slot->number, &slot->verdict);
  _exit (EXIT_SUCCESS);
}

/* The next play of some series; they take turns. */
static struct series *
pool_next (struct series *list, size_t count)
{
  static size_t turn;

  for (size_t i = 0; i < count; i++)
    {
      struct series *s = &list[(turn + i) % count];

      if (s->stopped || (s->last > 0 && s->next >= s->last))
        continue;
      turn = (turn + i + 1) % count;
      s->next++;
      return s;
    }
  return NULL;
}

static bool
pool_collect_again (struct slot *slot, pool_play *play)
{
  struct verdict *v = &slot->verdict;

  if (++slot->series->again <= SHOWN_MAX)
    printf ("# once more: %s, number %u: %.*s\n", slot->series->name, slot->number,
            (int) (getenv ("MURDER_LIST") != NULL ? strlen (v->text) : strcspn (v->text, "\n")), v->text);
  if (++slot->tries < AGAIN_MAX)
    {
      pool_start (slot, play);
      return true;
    }
  v->what = PLAY_FAILED;
  return false;
}

/* Enters the verdict; starts the play once more if it was no good. */
static void
pool_collect (struct slot *slot, int status, pool_play *play)
{
  struct series *s = slot->series;
  struct verdict *v = &slot->verdict;

  if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
    verdict_fail (v, "the play itself ended with status 0x%x", (unsigned) status);
  if (v->what == PLAY_AGAIN && pool_collect_again (slot, play))
    return;
  slot->pid = 0;
  s->running--;
  s->unreached += v->unreached;
  s->stopped = s->stopped || (s->last == 0 && s->unreached >= UNREACHED_MAX);
  s->counted += v->unreached ? 0 : v->count;
  if (v->what == PLAY_FAILED && ++s->failed <= SHOWN_MAX)
    printf ("# %s, number %u: %s\n", s->name, slot->number, v->text);
}

static void
pool_wait (pool_play *play)
{
  int status;
  pid_t pid = waitpid (-1, &status, 0);

  for (unsigned i = 0; pid > 0 && i < pool_at_once; i++)
    if (pool_slot[i].pid == pid)
      {
        pool_collect (&pool_slot[i], status, play);
        return;
      }
}

static struct slot *
pool_free_slot (void)
{
  for (unsigned i = 0; i < pool_at_once; i++)
    if (pool_slot[i].pid == 0)
      return &pool_slot[i];
  return NULL;
}

static void
pool_play_all (struct series *list, size_t count, pool_play *play)
{
  unsigned running;

  do
    {
      struct series *s;
      struct slot *slot;

      while ((slot = pool_free_slot ()) != NULL && (s = pool_next (list, count)) != NULL)
        {
          slot->series = s;
          slot->number = pool_number > 0 ? pool_number : s->next;
          slot->tries = 0;
          s->running++;
          pool_start (slot, play);
        }
      running = 0;
      for (size_t i = 0; i < count; i++)
        running += list[i].running;
      if (running > 0)
        pool_wait (play);
    }
  while (running > 0);
}

int
pool_run (struct series *list, size_t count, pool_play *play, const char *things)
{
  unsigned tests = 0, total = 0, failed = 0, again = 0;
  int64_t start = stage_now ();
  sigset_t child;

  (void) setvbuf (stdout, NULL, _IOLBF, 0);
  (void) sigemptyset (&child);
  (void) sigaddset (&child, SIGCHLD);
  (void) sigprocmask (SIG_BLOCK, &child, NULL);
  for (size_t i = 0; i < count; i++)
    {
      list[i].stopped = pool_only != NULL && strstr (list[i].name, pool_only) == NULL;
      if (pool_number > 0)
        list[i].last = 1;
    }
  pool_play_all (list, count, play);
  for (size_t i = 0; i < count; i++)
    {
      struct series *s = &list[i];

      if (pool_only != NULL && strstr (s->name, pool_only) == NULL)
        continue;
      /* Who comes first makes some calls in the others' place. */
      bool wrong = s->failed > 0 || (s->counted == 0 && (s->last == 0 || s->last > FEW));
      if (s->counted == 0)
        printf ("# %s: there was nothing to strike at\n", s->name);
      printf ("%sok %u - %s: %u %s, %u wrong\n", wrong ? "not " : "", ++tests, s->name,
              s->counted, things, s->failed);
      total += s->counted;
      failed += wrong;
      again += s->again;
    }
  printf ("1..%u\n# %u %s in all, %u plays repeated, %.0f s\n", tests, total, things, again,
          (double) (stage_now () - start) / 1e9);
  return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
