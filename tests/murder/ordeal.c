/* SPDX-License-Identifier: BSD-3-Clause */
#include "ordeal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define SLACK (5 * SECOND)
#define LEAVE (10 * SECOND) /* procid 0 waits as long for the others to leave */
#define A_WHILE (-120)      /* what is that old is stale */

const char *const ordeal_plots[] = {
  [ORDEAL_LAST] = "comes last",
  [ORDEAL_FIRST] = "comes first",
  [ORDEAL_ABSENT] = "one does not come",
};

void
ordeal_start_others (struct ordeal *o)
{
  o->others = true;
  for (uint32_t procid = 0; procid < STAGE_TASKS; procid++)
    if (procid != o->procid && (o->plot != ORDEAL_ABSENT || procid != STAGE_TASKS - 1)
        && layout_has_hook (o->layout, procid))
      {
        const struct role r = role_of (o->layout, STAGE_TASKS, procid, ORDEAL_TIMEOUT);

        (void) cast_start (&o->cast, &o->scene, &r, ACTOR_FREE);
      }
}

void
ordeal_begin (struct ordeal *o, struct verdict *v, enum ordeal_plot plot, enum layout layout,
              uint32_t procid)
{
  *o = (struct ordeal){
    .v = v, .plot = plot, .phase = ORDEAL_UNKNOWN, .layout = layout, .procid = procid
  };
  scene_make (&o->scene, pool_scene ());
  if (plot != ORDEAL_LAST)
    return;
  ordeal_start_others (o);
  cast_settle (&o->cast);
}

void
ordeal_wait (struct ordeal *o)
{
  if (!o->others)
    ordeal_start_others (o);
  if (cast_wait (&o->cast, stage_now () + ORDEAL_TIMEOUT + LEAVE + SLACK, NULL, NULL) != CAST_DONE)
    verdict_fail (o->v, "not all hooks have ended");
}

/* What takes too long is tried again: a busy machine is slow once, a hook that
 * waits too long does it each time. */
static void
check_time (struct ordeal *o, const struct actor *a)
{
  int64_t limit = a->role.timeout + SLACK;

  /* Who decides waits for the others to leave, who leads for his node. */
  if (actor_status (a) == 0 && (a->role.node == 0 || a->role.node == o->victim->role.node))
    limit += LEAVE;
  if (a->done && a->ended - a->started > limit)
    verdict_again (o->v, "procid %u took %.1f s", a->role.procid,
                  (double) (a->ended - a->started) / 1e9);
}

/* One way for all; and only when all have come. */
static void
check_agreement (struct ordeal *o)
{
  unsigned released = 0;

  for (size_t i = 0; i < o->cast.count; i++)
    {
      const struct actor *a = &o->cast.actor[i];
      int status = actor_status (a);

      if (status < 0 || status > 125)
        verdict_fail (o->v, "procid %u ended with %d", a->role.procid, status);
      released += status == 0;
      for (size_t j = 0; status == 0 && j < o->cast.count; j++)
        if (o->cast.actor[j].started > a->ended)
          verdict_fail (o->v, "procid %u exited 0 before all had come", a->role.procid);
    }
  if (released > 0 && o->plot == ORDEAL_ABSENT)
    verdict_fail (o->v, "a hook exited 0, and one never came");
  if (released > 0 && released < o->cast.count)
    verdict_fail (o->v, "some exited 0, some did not");
}

/* What a hook's own failure is called, by when and why it failed. */
static bool
status_is_right (enum ordeal_phase phase, int error, int status)
{
  bool refused = error == ENOSPC || error == EDQUOT || error == EROFS || error == EACCES
                 || error == EPERM;
  bool few = error == ENOMEM || error == ENOBUFS || error == EMFILE || error == ENFILE;

  switch (phase)
    {
    case ORDEAL_PREPARING:
      return status == EX_OSERR || status == EX_NOPERM;
    case ORDEAL_READING:
      return status == (error == ENOMEM ? EX_OSERR : EX_IOERR) || status == EX_DATAERR;
    case ORDEAL_IDENTITY:
      return status == EX_NOPERM || status == EX_CONFIG || status == EX_OSERR;
    case ORDEAL_SYNCDIR:
      return status == EX_CANTCREAT || status == EX_NOPERM || status == EX_CONFIG
             || status == EX_OSERR;
    case ORDEAL_BARRIER:
      return status == (few ? EX_OSERR : refused ? EX_CANTCREAT : EX_IOERR);
    default:
      return status == EX_OSERR;
    }
}

/* The victim's status, and what it says. */
static void
check_victim (struct ordeal *o, int error)
{
  const char *said = actor_errors (o->victim);
  int status = actor_status (o->victim);

  if (status <= 0)
    return;
  /* Its leader may say it for it. */
  if (said[0] == '\0' && (o->mute || cast_says (&o->cast, o->victim, ": error: ")))
    return;
  if (strncmp (said, "slurm_global_sync_hook: error: ", 31) != 0
      || strchr (said, '\n') != said + strlen (said) - 1)
    verdict_fail (o->v, "the victim does not say one line about an error");
  /* All have come, and can write: what went wrong once is either borne or said,
   * and not waited for. */
  if (status == EX_TEMPFAIL && o->plot != ORDEAL_ABSENT && !o->lasting)
    verdict_again (o->v, "what went wrong once became a time-out");
  if (status == EX_TEMPFAIL || status == EX_PROTOCOL)
    return;
  if (!status_is_right (o->phase, error, status))
    verdict_fail (o->v, "the victim exited %d", status);
  /* "cannot WHAT: WHY". */
  if (strstr (said, strerror (error)) == NULL && strstr (said, "Cannot allocate") == NULL)
    verdict_fail (o->v, "the victim does not say why it failed");
}

/* A was told why the victim has failed, and ended at once. */
static void
check_told_one (struct ordeal *o, const struct actor *a)
{
  int64_t from = a->started > o->victim->ended ? a->started : o->victim->ended;
  char text[64];

  /* Who leads says it in his own words. */
  (void) snprintf (text, sizeof text, "called off: procid %u: cannot ", o->procid);
  if (actor_status (a) == EX_TEMPFAIL)
    verdict_again (o->v, "procid %u timed out before it was told", a->role.procid);
  else if (actor_status (a) != EX_PROTOCOL
           || !cast_says (&o->cast, a, a->role.node == o->victim->role.node ? "cannot " : text))
    verdict_fail (o->v, "procid %u was not told", a->role.procid);
  else if (a->ended - from > SECOND)
    verdict_again (o->v, "procid %u did not end at once", a->role.procid);
}

/* A victim that failed in the barrier has told the others why. */
static void
check_told (struct ordeal *o)
{
  int status = actor_status (o->victim);
  bool own = status != EX_TEMPFAIL && status != EX_PROTOCOL && status != 0;

  if (!own || o->phase != ORDEAL_BARRIER || o->lasting || o->plot == ORDEAL_ABSENT)
    return;
  for (size_t i = 0; i < o->cast.count; i++)
    if (&o->cast.actor[i] != o->victim)
      check_told_one (o, &o->cast.actor[i]);
}

static void
check_scene (struct ordeal *o, bool keys)
{
  char why[STAGE_PATH * 2];

  if (!scene_is_clean (&o->scene, keys, why, sizeof why))
    verdict_fail (o->v, "%s", why);
}

void
ordeal_check (struct ordeal *o, int error)
{
  for (size_t i = 0; i < o->cast.count; i++)
    check_time (o, &o->cast.actor[i]);
  check_agreement (o);
  check_scene (o, true);
  if (error == 0 && o->plot != ORDEAL_ABSENT && actor_status (o->victim) != 0)
    verdict_again (o->v, "nothing went wrong, and the victim exited %d", actor_status (o->victim));
  if (error == 0)
    return;
  check_victim (o, error);
  check_told (o);
}

void
ordeal_repeat (struct ordeal *o)
{
  size_t from = o->cast.count;

  if (o->v->what != PLAY_PASSED)
    return;
  scene_shift (&o->scene, STAGE_KEY, A_WHILE);
  for (uint32_t procid = 0; procid < STAGE_TASKS; procid++)
    if (layout_has_hook (o->layout, procid))
      {
        const struct role r = role_of (o->layout, STAGE_TASKS, procid, 4 * ORDEAL_TIMEOUT);

        (void) cast_start (&o->cast, &o->scene, &r, ACTOR_FREE);
      }
  if (cast_wait (&o->cast, stage_now () + 4 * ORDEAL_TIMEOUT + LEAVE + SLACK, NULL, NULL)
      != CAST_DONE)
    verdict_fail (o->v, "not all later hooks have ended");
  for (size_t i = from; i < o->cast.count; i++)
    if (actor_status (&o->cast.actor[i]) == EX_TEMPFAIL)
      verdict_again (o->v, "a later hook of procid %u timed out", o->cast.actor[i].role.procid);
    else if (actor_status (&o->cast.actor[i]) != 0)
      verdict_fail (o->v, "a later hook of procid %u exited %d", o->cast.actor[i].role.procid,
                    actor_status (&o->cast.actor[i]));
  check_scene (o, false);
}

void
ordeal_end (struct ordeal *o, const char *what)
{
  char all[sizeof o->v->text];

  if (cast_end (&o->cast) > 0)
    verdict_fail (o->v, "a hook had to be killed");
  if (getenv ("MURDER_LIST") != NULL)
    (void) fprintf (stderr, "LIST %s phase %d, procid %u, %s, %s: %d: %s\n",
                    o->v->what == PLAY_FAILED ? o->v->text : "-", (int) o->phase, o->procid,
                    layout_names[o->layout], what, actor_status (o->victim), actor_errors (o->victim));
  if (o->v->what != PLAY_PASSED)
    {
      (void) snprintf (all, sizeof all, "%.400s [%s]%s", o->v->text, what,
                       cast_describe (&o->cast));
      memcpy (o->v->text, all, sizeof all);
    }
  scene_remove (&o->scene);
}
