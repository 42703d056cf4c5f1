/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The steps, as tests/model has them, too:
 *
 *   enter   open the instance that the key names, or make one
 *   arrive  make the own file in arrival, exclusively
 *   look    at the outcome.  Only what is seen after arriving counts.
 *   wait    until there is an outcome.  Member 0 decides: all have arrived and
 *           none of their files is stale, then it releases; one is stale, then
 *           it makes the instance void.  Everybody may call off.
 *   depart  link the own file into departure, exclusively, and remove it from
 *           arrival.  Member 0 waits for all and removes the instance.
 *   yield   the instance is not this hook's: wait until the key names another
 *           one, or none, then enter again.  Only member 0 makes it go.
 *
 * Why it is safe.  The outcome is one name, so it is made once.  A release is
 * made by member 0 alone, after it has seen all files in arrival; a file stays
 * until its owner has departed, and whoever finds his file there, or his
 * departure, knows that the instance belongs to another hook of his task.  A
 * file that nobody has touched for STALE may be a dead run's: the instance is
 * void, and who lives arrives anew.  Instances go by a rename, which members
 * that hold a descriptor do not notice; they are removed only when all have
 * departed, or when nobody who decides can be in there.
 */
#include "barrier.h"

#include "instance.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A member that waits shows every TOUCH that it lives; one that has not done
 * so for STALE is dead, or stopped, and can arrive anew. */
#define TOUCH (20 * SECOND)
#define STALE (60 * SECOND)

/* A later hook of member 0 clears a release away when nobody has departed for
 * this long. */
#define LEFT_OVER (2 * BARRIER_LEAVE)

/* With timeout 0 (for ever): when a call-off is history. */
#define FOREVER_IS (180 * SECOND)

/* How often left-overs may be found before something else must be wrong. */
#define VOIDS_MAX 5

/* Longest times between two looks: of member 0 and of the first on a node, by
 * the number of nodes, so that the file server gets no more than some 1000
 * looks a second from all of them; and of the others, who are woken. */
#define LOOK_NODE (2 * MILLISECOND)
#define LOOK_MIN (10 * MILLISECOND)
#define LOOK_MAX (100 * MILLISECOND)
#define LOOK_RARELY SECOND

/* A member that waits for this long says who it is, for those who look. */
#define DESCRIBE (SECOND / 2)

/* How often member 0 says who is missing, at level info: in the first half
 * minute, until two minutes, and after that. */
#define REPORT (10 * SECOND)
#define REPORT_LATER (30 * SECOND)
#define REPORT_LAST (60 * SECOND)

/* After a directory was listed, it rests this many times as long; but no longer
 * than LOOK_RARELY: a server that was not there for a while, or a SIGSTOP, says
 * nothing of the next time. */
#define LIST_REST 4

/* Above this, the number of members of somebody else's instance is no number. */
#define MEMBERS_MAX (UINT32_C (1) << 24)

/* In a larger barrier only member 0 explains who is missing: it reads the
 * files of all who are there, and all time out at once. */
#define EXPLAIN_MAX 256

/* The reason of a time-out begins with this: its status is another. */
#define TIMEOUT "timeout: "

enum step {
  STEP_ON,    /* go on with this instance */
  STEP_LEFT,  /* met, and left */
  STEP_AGAIN, /* this instance does not count: enter again */
  STEP_YIELD, /* it is another hook's: wait until it goes */
  STEP_FAILED /* the failure says why */
};

/* One stay in one instance. */
struct stay {
  struct barrier *b;
  struct failure *f;
  struct instance in;
  uint32_t members;   /* of the instance; another number than b's is a mistake */
  bool arrived;       /* the own file is this hook's */
  bool settled;       /* stay_settle() has been called: */
  bool alone;         /* nobody but this kernel can change the directory */
  bool noticed;       /* the kernel tells of changes */
  int64_t began;      /* when it was */
  int64_t touched;    /* when the own file was touched last */
  int64_t to_server;  /* file server's clock less waiting_now() */
  ino_t own;          /* member 0: which its own file is */
  struct ranks fresh; /* member 0: whose file it has seen fresh since the touch */
  struct ranks seen;  /* member 0: whose file it has seen at all */
  uint32_t last;      /* of these, who made it last ... */
  int64_t last_time;  /* ... and when, by the server's clock */
  bool described;     /* who waits here stands in the own file */
  int64_t report;     /* member 0: when to say who is missing */
  int64_t rest;       /* until when not to list a directory again */
};

typedef int stay_lister (const struct instance *in, struct ranks *set);

static bool
stay_decides (const struct stay *s)
{
  return s->b->self == 0;
}

static int64_t
earlier (int64_t a, int64_t b)
{
  return a < b ? a : b;
}

static double
timeout_in_seconds (const struct barrier *b)
{
  return (double) b->timeout / (double) SECOND;
}

/* Fills the failure with what could not be done and errno: files that cannot
 * be made are EX_CANTCREAT, all else is EX_IOERR. */
static enum step
stay_failed (struct stay *s, const char *what)
{
  int status = EX_IOERR;

  if (errno == ENOMEM)
    status = EX_OSERR;
  else if (errno == ENOSPC || errno == EDQUOT || errno == EROFS || errno == EACCES || errno == EPERM
           || errno == ELOOP || errno == ENOTDIR)
    status = EX_CANTCREAT;
  (void) fail (s->f, status, "cannot %s %s/%s: %m%s", what, s->b->where, s->b->key,
               failure_remedy (errno));
  return STEP_FAILED;
}

/* Whether errno means that somebody has removed the instance.  A file server
 * that comes back after a failure may say ESTALE of what is there: who has
 * arrived touches his file, which no cache can answer, to find out. */
static bool
stay_is_gone (const struct stay *s)
{
  int error = errno;
  bool gone = instance_is_gone (error)
              && !(error == ESTALE && s->arrived && instance_touch (&s->in, s->b->self) == 0);

  errno = error;
  return gone;
}

/* The same, but somebody may have removed the instance: then it is over. */
static enum step
stay_failed_or_gone (struct stay *s, const char *what)
{
  return stay_is_gone (s) ? STEP_AGAIN : stay_failed (s, what);
}

/* Asks the server what time it is; seldom, since it costs a change. */
static void
stay_ask_time (struct stay *s)
{
  s->to_server = instance_server_time (s->b->dirfd) - waiting_now ();
}

static int64_t
stay_age (const struct stay *s, const struct timespec *t)
{
  return waiting_now () + s->to_server - (t->tv_sec * SECOND + t->tv_nsec);
}

/* Whether something of that AGE is older than LIMIT.  What is from the future
 * was made before the clock was set back, or by a clock that is wrong. */
static bool
is_history (int64_t age, int64_t limit)
{
  return age > limit || age < -STALE;
}

/* What a stay of more than a moment needs. */
static enum step
stay_settle (struct stay *s)
{
  struct stat st;

  if (instance_hold (&s->in) != 0)
    return stay_failed_or_gone (s, "open");
  s->alone = s->b->nodes == 1 || instance_is_local (s->b->dirfd);
  s->noticed = waiting_notice (s->in.top, true);
  s->began = s->touched = waiting_now ();
  s->settled = true;
  if (!stay_decides (s))
    return STEP_ON;
  stay_ask_time (s);
  s->report = s->began + REPORT;
  if (ranks_init (&s->fresh, s->b->members) != 0 || ranks_init (&s->seen, s->b->members) != 0)
    return stay_failed (s, "keep track of");
  s->noticed = waiting_notice (s->in.arrival, false) && s->noticed;
  /* Before arriving, to yield, there may be none; then it is not asked for. */
  if (!s->arrived)
    return STEP_ON;
  if (instance_stat (&s->in, 0, &st) != 0)
    return stay_failed_or_gone (s, "find the own file in");
  s->own = st.st_ino;
  return STEP_ON;
}

/* Sleeps until a change; or, where changes may go unnoticed, until it is time
 * to look; or until UNTIL. */
static enum wake
stay_sleep (struct stay *s, int64_t until)
{
  struct barrier *b = s->b;
  bool often = stay_decides (s) || b->first_on_node || !s->noticed;
  int64_t now = waiting_now (), longest = LOOK_RARELY;

  if (often)
    {
      longest = b->nodes > 0 ? b->nodes * LOOK_NODE : LOOK_MAX;
      longest = longest < LOOK_MIN ? LOOK_MIN : earlier (longest, LOOK_MAX);
    }
  /* The others of a node are woken by its first; should that be dead, they look
   * for themselves. */
  if (!s->alone || !s->noticed)
    until = earlier (until, now
                              + waiting_interval (b->waiting,
                                                  often ? now - s->began : WAITING_FOREVER, longest));
  if (until < s->rest)
    until = s->rest;
  enum wake wake = waiting_sleep (b->waiting, earlier (until, b->deadline), true);
  /* A directory of many entries is not read again at every change. */
  if (wake == WAKE_CHANGE && waiting_now () < s->rest
      && waiting_sleep (b->waiting, earlier (s->rest, b->deadline), false) == WAKE_END)
    wake = WAKE_END;
  return wake;
}

/* Lists arrival or departure into SET, and finds out how long to leave it
 * alone then. */
static int
stay_list (struct stay *s, stay_lister *list, struct ranks *set)
{
  int64_t before = waiting_now ();
  int result = list (&s->in, set);
  int error = errno;
  int64_t after = waiting_now ();

  s->rest = after + earlier (LIST_REST * (after - before), LOOK_RARELY);
  errno = error;
  return result;
}

/* Takes the key away from the instance, and removes it if REMOVE: only where
 * nobody can be in it who could still decide.  Another hook of member 0 may
 * have taken the key away before. */
static void
stay_clear_away (struct stay *s, bool remove)
{
  char name[256];
  int gone = 1;

  if (instance_hold (&s->in) != 0)
    return;
  /* A rename that comes too late catches the next instance, and costs everybody
   * in it another arrival: so look just before. */
  if (instance_is_current (&s->in, !s->alone) == 1)
    gone = instance_go_away (&s->in, name);
  if (remove && (gone == 0 || instance_find_gone (&s->in, name)))
    (void) instance_remove (s->b->dirfd, name);
}

/* Called off by somebody, with TEXT, "procid P: REASON".  One who came long
 * after that is not meant; who waits here came before, whatever the times of the
 * files say: it may have been stopped, or the clock set. */
static enum step
stay_is_called_off (struct stay *s, const char *text)
{
  int64_t after = s->b->timeout > 0 ? s->b->timeout : FOREVER_IS;
  const char *reason = strstr (text, ": ");
  struct stat own;
  int64_t made;
  bool late = false;

  if (!s->settled && instance_outcome_time (&s->in, &made) == 0
      && instance_stat (&s->in, s->b->self, &own) == 0
      && is_history (own.st_mtim.tv_sec * SECOND + own.st_mtim.tv_nsec - made, after))
    return STEP_YIELD;
  if (reason != NULL)
    late = strncmp (reason + 2, TIMEOUT, strlen (TIMEOUT)) == 0;
  s->b->passed_on = true;
  (void) fail (s->f, late ? EX_TEMPFAIL : EX_PROTOCOL, "called off: %s", text);
  return STEP_FAILED;
}

/* What to do now that there is an outcome.  STEP_ON: released. */
static enum step
stay_follow (struct stay *s, enum outcome outcome, const char *text)
{
  switch (outcome)
    {
    case OUTCOME_RELEASED:
      return STEP_ON;
    case OUTCOME_VOID:
      /* Who has arrived here as member 0 is the only one who could decide. */
      if (stay_decides (s))
        stay_clear_away (s, true);
      return STEP_AGAIN;
    case OUTCOME_CALLED_OFF:
      return stay_is_called_off (s, text);
    default:
      return stay_failed_or_gone (s, "look at");
    }
}

/* Calls the barrier off because of what the failure says.  But an outcome that
 * stands already counts: STEP_ON if that is a release, STEP_AGAIN if it is one
 * of an earlier barrier of this task.  After EIO and its like the arrival may
 * have been done. */
static enum step
stay_call_off (struct stay *s)
{
  const struct failure own = *s->f;
  char text[INSTANCE_TEXT_MAX], told[INSTANCE_TEXT_MAX];

  (void) snprintf (text, sizeof text, "procid %u: %s%.*s", s->b->self,
                   own.status == EX_TEMPFAIL ? TIMEOUT : "", INSTANCE_TEXT_MAX - 48, own.text);
  if (instance_call_off (&s->in, text) == 0)
    return STEP_FAILED;
  if (errno != EEXIST)
    {
      instance_disown (&s->in, s->b->self);
      return STEP_FAILED;
    }
  enum outcome outcome = instance_outcome (&s->in, s->in.top >= 0, told);
  if (outcome == OUTCOME_RELEASED)
    return s->arrived || own.status == EX_IOERR ? STEP_ON : STEP_AGAIN;
  if (outcome == OUTCOME_CALLED_OFF && stay_is_called_off (s, told) == STEP_FAILED)
    return STEP_FAILED;
  *s->f = own;
  return STEP_FAILED;
}

static enum step
stay_time_out (struct stay *s)
{
  double seconds = timeout_in_seconds (s->b);
  char missing[200], more[200] = "";
  struct ranks set;

  if (ranks_init (&set, s->b->members) != 0 || instance_list_arrival (&s->in, &set) != 0)
    (void) fail (s->f, EX_TEMPFAIL, "not all tasks arrived within %g s", seconds);
  else if (ranks_full (&set))
    (void) fail (s->f, EX_TEMPFAIL,
                 "all %u tasks arrived, but procid 0 did not let them go within %g s; was its hook "
                 "killed or stopped?",
                 set.count, seconds);
  else
    {
      if (s->b->explain != NULL && (stay_decides (s) || set.count <= EXPLAIN_MAX))
        s->b->explain (s->b->context, s->in.arrival, &set, more, sizeof more);
      (void) fail (s->f, EX_TEMPFAIL, "%u of %u tasks did not arrive within %g s: procid %s%s",
                   set.count - set.present, set.count, seconds,
                   ranks_missing (&set, missing, sizeof missing), more);
    }
  ranks_free (&set);
  return STEP_FAILED;
}

/* Makes the instance void, because of WHY found in it, as member 0. */
static enum step
stay_void (struct stay *s, const char *why)
{
  if (++s->b->voids > VOIDS_MAX)
    {
      (void) fail (s->f, EX_PROTOCOL,
                   "found %s %d times in %s/%s; do the tasks count the same number of tasks, and "
                   "do the clocks of the nodes agree?",
                   why, VOIDS_MAX, s->b->where, s->b->key);
      return STEP_FAILED;
    }
  log_message (LOG_INFO, "arriving anew: found %s in %s/%s", why, s->b->where, s->b->key);
  if (instance_void (&s->in) == 0 || errno == EEXIST)
    return STEP_ON;
  return stay_failed_or_gone (s, "make void");
}

/* enter */
static enum step
barrier_enter (struct stay *s)
{
  struct barrier *b = s->b;

  if (instance_open (&s->in, b->dirfd, b->key, b->members) != 0)
    return stay_failed_or_gone (s, "open");
  if (instance_members (&s->in, b->members, &s->members) != 0)
    return stay_failed_or_gone (s, "read the number of tasks in");
  return STEP_ON;
}

/* arrive; or take the place of who would, with instance_refuse(). */
static enum step
barrier_arrive (struct stay *s, int (*how) (const struct instance *in, uint32_t rank))
{
  if (s->members != s->b->members && !stay_decides (s))
    return STEP_YIELD;
  if (how (&s->in, s->b->self) == 0)
    {
      s->arrived = true;
      return STEP_ON;
    }
  return errno == EEXIST ? STEP_YIELD : stay_failed_or_gone (s, "arrive in");
}

/* A file's first times are when its member arrived.  Later it is touched, which
 * changes st_mtim alone, or read, which may change st_atim alone; where a
 * member 0 that comes last finds many files, some have just been. */
static void
decide_who_is_last (struct stay *s, uint32_t rank, const struct stat *st)
{
  int64_t time = earlier (st->st_mtim.tv_sec * SECOND + st->st_mtim.tv_nsec,
                          st->st_atim.tv_sec * SECOND + st->st_atim.tv_nsec);

  if (!ranks_has (&s->seen, rank) && time >= s->last_time)
    {
      s->last = rank;
      s->last_time = time;
    }
  ranks_add (&s->seen, rank);
}

/* How long after a report at WAITED the next one is due: 10 s, 20 s, 30 s,
 * 60 s, 90 s, 120 s, and then each minute. */
static int64_t
report_interval (int64_t waited)
{
  if (waited < REPORT_LATER)
    return REPORT;
  return waited < 2 * REPORT_LAST ? REPORT_LATER : REPORT_LAST;
}

/* Says who is missing, when that is due, for those who watch the log. */
static void
decide_report (struct stay *s)
{
  int64_t now = waiting_now (), waited = now - s->began;
  char missing[200], more[200] = "";

  if (now < s->report)
    return;
  if (s->b->explain != NULL)
    s->b->explain (s->b->context, s->in.arrival, &s->fresh, more, sizeof more);
  s->report += report_interval (s->report - s->began);
  if (s->report <= now) /* it was stopped */
    s->report = now + REPORT;
  log_message (LOG_INFO, "still waiting after %lld s for %u of %u tasks: procid %s%s",
               (long long) (waited / SECOND), s->fresh.count - s->fresh.present, s->fresh.count,
               ranks_missing (&s->fresh, missing, sizeof missing), more);
}

/* Member 0, about the files that are in arrival and not known to be fresh. */
static enum step
decide_whether_fresh (struct stay *s, const struct ranks *there)
{
  char why[64];
  struct stat st;

  for (uint32_t rank = 0; rank < there->count; rank++)
    {
      if (!ranks_has (there, rank) || ranks_has (&s->fresh, rank))
        continue;
      bool counts = instance_stat (&s->in, rank, &st) == 0;
      if (!counts && errno != EINVAL)
        {
          if (stay_is_gone (s))
            continue;
          return stay_failed (s, "look at an arrival in");
        }
      int64_t age = stay_age (s, &st.st_mtim);
      if (rank != 0 && is_history (age, STALE))
        {
          (void) snprintf (why, sizeof why, "the remains of procid %u", rank);
          return stay_void (s, why);
        }
      if (!counts)
        continue; /* not a regular file: nobody arrives by it */
      decide_who_is_last (s, rank, &st);
      ranks_add (&s->fresh, rank);
    }
  return STEP_ON;
}

static enum step
decide_to_release (struct stay *s)
{
  struct stat st;

  if (instance_release (&s->in) != 0)
    return errno == EEXIST ? STEP_ON : stay_failed_or_gone (s, "release");
  /* If somebody has removed the instance in the meantime, its outcome last,
   * this was no release of anybody.  Otherwise it stands, whatever fails now. */
  if (instance_stat (&s->in, 0, &st) != 0 && errno != EINVAL)
    return stay_is_gone (s) ? STEP_AGAIN : STEP_ON;
  return st.st_ino == s->own ? STEP_ON : STEP_AGAIN;
}

/* Member 0: have all arrived?  STEP_ON: there is an outcome now, or nothing to
 * decide yet. */
static enum step
barrier_decide (struct stay *s)
{
  struct ranks there;
  struct stat st;
  enum step step;

  if (s->members != s->b->members)
    return stay_void (s, "another number of tasks");
  if (ranks_init (&there, s->b->members) != 0)
    return stay_failed (s, "keep track of");
  if (stay_list (s, instance_list_arrival, &there) != 0)
    step = stay_failed_or_gone (s, "list the arrivals in");
  /* A directory that was removed is listed as an empty one, readdir(3). */
  else if (!ranks_has (&there, 0) && instance_stat (&s->in, 0, &st) != 0 && stay_is_gone (s))
    step = STEP_AGAIN;
  else
    step = decide_whether_fresh (s, &there);
  ranks_free (&there);
  if (step == STEP_ON && ranks_full (&s->fresh))
    return decide_to_release (s);
  if (step == STEP_ON && log_enabled (LOG_INFO))
    decide_report (s);
  return step;
}

/* Shows that this member lives, every TOUCH. */
static enum step
wait_touch (struct stay *s)
{
  s->touched = waiting_now ();
  if (instance_touch (&s->in, s->b->self) != 0)
    return stay_failed_or_gone (s, "touch the own file in");
  if (stay_decides (s))
    {
      ranks_clear (&s->fresh);
      stay_ask_time (s);
    }
  return STEP_ON;
}

/* A member that sees no outcome while the key names another directory has
 * been left behind, and nobody else may know.  STEP_ON: it has not, or *OUTCOME
 * says what was made in the meantime. */
static enum step
wait_check_key (struct stay *s, enum outcome *outcome, char text[INSTANCE_TEXT_MAX])
{
  int current = instance_is_current (&s->in, !s->alone);
  struct stat st;

  if (current < 0)
    return stay_failed (s, "look for");
  /* Somebody removes it under its name, by hand: what comes last, the name, is
   * told to nobody in here. */
  if (current == 1 && instance_stat (&s->in, s->b->self, &st) != 0 && stay_is_gone (s))
    return STEP_AGAIN;
  if (current == 1)
    return STEP_ON;
  if (instance_void (&s->in) == 0 || errno != EEXIST)
    return STEP_AGAIN;
  /* What is there may go at any time, if somebody removes the instance.  To
   * wait on, or to decide, would then be to take part in what is over. */
  *outcome = instance_outcome (&s->in, !s->alone, text);
  return *outcome == OUTCOME_NONE ? STEP_AGAIN : STEP_ON;
}

/* One look around, also at the key if CHECK.  STEP_ON: *RELEASED says whether
 * all may go. */
static enum step
wait_look (struct stay *s, bool check, bool *released)
{
  char text[INSTANCE_TEXT_MAX];
  bool tick = waiting_now () - s->touched >= TOUCH;
  enum outcome outcome = instance_outcome (&s->in, !s->alone || tick, text);
  enum step step = STEP_ON;

  if (outcome == OUTCOME_NONE && (check || tick))
    step = wait_check_key (s, &outcome, text);
  if (step == STEP_ON && outcome == OUTCOME_NONE)
    {
      if (tick)
        step = wait_touch (s);
      if (step == STEP_ON && stay_decides (s))
        step = barrier_decide (s);
      if (step == STEP_ON && stay_decides (s))
        outcome = instance_outcome (&s->in, false, text);
    }
  *released = outcome == OUTCOME_RELEASED;
  return step != STEP_ON || outcome == OUTCOME_NONE ? step : stay_follow (s, outcome, text);
}

/* Writes into the own file who waits here, once; it costs as much as to arrive,
 * so who goes at once does it only for the message that says who was last.
 * Returns when to look again, should nothing happen. */
static int64_t
wait_describe (struct stay *s)
{
  int64_t until = s->touched + TOUCH;

  if (stay_decides (s) && log_enabled (LOG_INFO))
    until = earlier (until, s->report);
  if (s->described)
    return until;
  if (!log_enabled (LOG_INFO) && waiting_now () - s->began < DESCRIBE)
    return earlier (until, s->began + DESCRIBE);
  instance_describe (&s->in, s->b->self, s->b->note);
  s->described = true;
  return until;
}

/* look, wait.  STEP_ON: released. */
static enum step
barrier_wait (struct stay *s)
{
  char text[INSTANCE_TEXT_MAX];
  enum outcome outcome = instance_outcome (&s->in, false, text);
  bool released = false, check = true;

  if (outcome != OUTCOME_NONE)
    return stay_follow (s, outcome, text);
  enum step step = stay_settle (s);
  while (step == STEP_ON && (step = wait_look (s, check, &released)) == STEP_ON && !released)
    {
      const char *reason = waiting_end_reason (s->b->waiting);
      if (reason != NULL)
        {
          (void) fail (s->f, EX_PROTOCOL, "%s", reason);
          return STEP_FAILED;
        }
      if (waiting_now () >= s->b->deadline)
        return stay_time_out (s);
      /* Who is not told of changes cannot know that the key has moved on. */
      check = stay_sleep (s, wait_describe (s)) == WAKE_CHANGE && !stay_decides (s);
      check = check || !s->noticed;
    }
  return step;
}

/* Whether nobody can depart any more, because somebody has removed the instance.
 * Under another name it is there, and to be removed here: another hook of member
 * 0 has caught it by mistake. */
static bool
depart_is_over (struct stay *s)
{
  char name[256];

  return instance_is_current (&s->in, !s->alone) == 0 && !instance_find_gone (&s->in, name);
}

/* Member 0, after the release: waits for the others, and removes what is
 * left. */
static void
depart_last (struct stay *s)
{
  int64_t until = waiting_now () + BARRIER_LEAVE, began;
  struct ranks left;
  char text[200];

  if (ranks_init (&left, s->b->members) != 0)
    return;
  /* What it does here itself must not wake it. */
  waiting_unnotice (s->in.top);
  waiting_unnotice (s->in.arrival);
  s->noticed = waiting_notice (s->in.departure, false);
  s->began = waiting_now ();
  /* The deadline was for the others' arrival; this wait has its own. */
  s->b->deadline = until;
  while (waiting_end_reason (s->b->waiting) == NULL
         && stay_list (s, instance_list_departure, &left) == 0 && !ranks_full (&left)
         && waiting_now () < until && !depart_is_over (s))
    (void) stay_sleep (s, until);
  if (s->b->released != NULL && log_enabled (LOG_INFO)
      && instance_began (&s->in, &began) == 0)
    s->b->released (s->b->context, s->in.departure, s->last, s->last_time - began);
  if (ranks_full (&left))
    stay_clear_away (s, true);
  else
    {
      (void) instance_withdraw (&s->in, s->b->self);
      log_message (LOG_INFO, "released, but procid %s did not go on, killed perhaps; %s/%s stays "
                             "until a later barrier or --prune removes it",
                   ranks_missing (&left, text, sizeof text), s->b->where, s->b->key);
    }
  ranks_free (&left);
}

/* depart */
static enum step
barrier_depart (struct stay *s)
{
  struct stat st;

  /* Who has waited here is the only hook of this member that can have departed:
   * then EEXIST is the answer to the repetition of a request that was done. */
  if (instance_depart (&s->in, s->b->self) == 0 || (errno == EEXIST && s->settled))
    {
      /* Not before it was found to be the own barrier: an old release that is
       * given a new time is not old any more, and would never be cleared
       * away. */
      if (s->b->first_on_node && (s->settled ? !s->alone : s->b->nodes != 1))
        instance_poke (&s->in);
      /* Member 0's file stays as long as it is at work here, so that another
       * hook of it does not take that over. */
      if (stay_decides (s))
        depart_last (s);
      else
        (void) instance_withdraw (&s->in, s->b->self);
      return STEP_LEFT;
    }
  if (errno == EEXIST)
    {
      (void) instance_withdraw (&s->in, s->b->self);
      s->arrived = false;
      return STEP_YIELD;
    }
  if (stay_is_gone (s))
    return STEP_AGAIN;
  /* Released is released: the others go, and so does this one; but not who may
   * have come to an earlier barrier of his task. */
  if (!s->settled && instance_stat (&s->in, s->b->self, &st) != 0)
    return STEP_AGAIN;
  log_message (LOG_WARNING, "cannot depart from %s/%s: %m; it stays for a while", s->b->where,
               s->b->key);
  return STEP_LEFT;
}

/* Whether all members of the instance are listed by LIST. */
static bool
yield_is_complete (struct stay *s, stay_lister *list)
{
  struct ranks set;
  bool complete = false;

  if (s->members == 0 || s->members > MEMBERS_MAX || ranks_init (&set, s->members) != 0)
    return false;
  complete = list (&s->in, &set) == 0 && ranks_full (&set);
  ranks_free (&set);
  return complete;
}

/* Member 0 makes an instance go that another hook of its task has, or had.  A
 * release that all have departed from is left to the hook that made it, as
 * long as that can be at work.  STEP_ON: not yet. */
static enum step
yield_clear (struct stay *s)
{
  int64_t after = s->b->timeout > 0 ? s->b->timeout : FOREVER_IS, made;
  char text[INSTANCE_TEXT_MAX];
  struct stat st;
  enum outcome outcome = instance_outcome (&s->in, !s->alone, text);
  if (outcome == OUTCOME_NONE)
    {
      /* Its hook is dead, or stopped: then it will arrive anew. */
      if ((instance_stat (&s->in, 0, &st) == 0 || errno == EINVAL)
          && is_history (stay_age (s, &st.st_mtim), STALE))
        return stay_void (s, "the remains of procid 0");
      return STEP_ON;
    }
  if (outcome == OUTCOME_ERROR)
    return stay_failed_or_gone (s, "look at");
  if (instance_outcome_time (&s->in, &made) != 0)
    return STEP_ON;
  int64_t age = waiting_now () + s->to_server - made;
  if (outcome == OUTCOME_RELEASED
      && (instance_stat (&s->in, 0, &st) != 0 || is_history (age, BARRIER_LEAVE + SECOND))
      && yield_is_complete (s, instance_list_departure))
    stay_clear_away (s, true);
  else if (outcome == OUTCOME_VOID || (outcome == OUTCOME_RELEASED && is_history (age, LEFT_OVER))
           || (outcome == OUTCOME_CALLED_OFF
               && (is_history (age, after) || yield_is_complete (s, instance_list_arrival))))
    stay_clear_away (s, false);
  else
    return STEP_ON;
  return STEP_AGAIN;
}

static enum step
yield_time_out (struct stay *s)
{
  char text[INSTANCE_TEXT_MAX] = "";

  if (s->members != s->b->members)
    (void) fail (s->f, EX_TEMPFAIL,
                 "this task counts %u tasks, but the barrier %s/%s is one of %u; it did not end "
                 "within %g s",
                 s->b->members, s->b->where, s->b->key, s->members, timeout_in_seconds (s->b));
  else if (instance_outcome (&s->in, false, text) == OUTCOME_CALLED_OFF)
    /* It may have been meant for this very task, but was called off too long
     * before it came. */
    (void) fail (s->f, EX_TEMPFAIL,
                 "came long after %s/%s had been called off, and met nobody within %g s: %s",
                 s->b->where, s->b->key, timeout_in_seconds (s->b), text);
  else
    (void) fail (s->f, EX_TEMPFAIL,
                 "an earlier barrier of this task, %s/%s, did not end within %g s; do all tasks start "
                 "as many containers?",
                 s->b->where, s->b->key, timeout_in_seconds (s->b));
  return STEP_FAILED;
}

/* One look at an instance that is not ours.  STEP_ON: it is still there. */
static enum step
yield_look (struct stay *s)
{
  int current = instance_is_current (&s->in, !s->alone);
  const char *reason;
  enum step step = STEP_ON;

  if (current <= 0)
    return current == 0 ? STEP_AGAIN : stay_failed (s, "look for");
  if (stay_decides (s))
    step = yield_clear (s);
  if (step != STEP_ON)
    return step;
  reason = waiting_end_reason (s->b->waiting);
  if (reason != NULL)
    {
      (void) fail (s->f, EX_PROTOCOL, "%s, while an earlier barrier of this task went on", reason);
      return STEP_FAILED;
    }
  return waiting_now () >= s->b->deadline ? yield_time_out (s) : STEP_ON;
}

/* yield */
static enum step
barrier_yield (struct stay *s)
{
  struct barrier *b = s->b;
  enum step step = s->settled ? STEP_ON : stay_settle (s);

  /* The key is an entry of the directory above. */
  s->noticed = waiting_notice (b->dirfd, false) && s->noticed;
  while (step == STEP_ON && (step = yield_look (s)) == STEP_ON)
    (void) stay_sleep (s, waiting_now () + (stay_decides (s) ? LOOK_RARELY : TOUCH));
  waiting_unnotice (b->dirfd);
  return step;
}

static void
stay_begin (struct stay *s, struct barrier *b, struct failure *f)
{
  *s = (struct stay){ .b = b, .f = f, .in = { .arrival = -1, .departure = -1, .top = -1 } };
}

static void
stay_end (struct stay *s)
{
  instance_close (&s->in);
  ranks_free (&s->fresh);
  ranks_free (&s->seen);
}

/* Goes through the steps once. */
static enum step
barrier_stay (struct barrier *b, struct failure *f)
{
  struct stay s;
  enum step step;

  stay_begin (&s, b, f);
  step = barrier_enter (&s);
  bool entered = step == STEP_ON;
  if (step == STEP_ON)
    step = barrier_arrive (&s, instance_arrive);
  if (step == STEP_ON)
    step = barrier_wait (&s);
  /* The instance is this hook's, unless it yields. */
  if (step == STEP_FAILED && entered && !b->passed_on)
    step = stay_call_off (&s);
  if (step == STEP_ON)
    step = barrier_depart (&s);
  if (step == STEP_YIELD)
    step = barrier_yield (&s);
  stay_end (&s);
  /* What could not be entered may be another hook's: with care. */
  if (step == STEP_FAILED && !entered)
    barrier_call_off (b, f->text);
  return step;
}

int
barrier_meet (struct barrier *b, struct failure *f)
{
  int64_t began = waiting_now ();
  enum step step;

  b->passed_on = false;
  b->voids = 0;
  for (unsigned stays = 1; (step = barrier_stay (b, f)) == STEP_AGAIN; stays++)
    {
      const char *reason = waiting_end_reason (b->waiting);
      if (reason != NULL)
        return fail (f, EX_PROTOCOL, "%s", reason);
      if (waiting_now () >= b->deadline)
        return fail (f, EX_TEMPFAIL, "%s/%s went away each time this task arrived, for %g s; does something "
                     "remove it?",
                     b->where, b->key, timeout_in_seconds (b));
      /* Something keeps removing it: not at full speed. */
      if (stays > 3)
        (void) waiting_sleep (
          b->waiting,
          earlier (b->deadline, waiting_now ()
                                  + waiting_interval (b->waiting, waiting_now () - began, LOOK_MAX)),
          false);
    }
  return step == STEP_LEFT ? 0 : -1;
}

void
barrier_call_off (struct barrier *b, const char *reason)
{
  struct failure f = { 0 };
  enum step step = STEP_AGAIN;

  for (int tries = 0; tries < 3 && step == STEP_AGAIN; tries++)
    {
      struct stay s;

      stay_begin (&s, b, &f);
      step = barrier_enter (&s);
      /* What could not be entered may be an earlier barrier of this member. */
      bool entered = step == STEP_ON;
      /* An arrival could complete the barrier before it is called off. */
      if (entered)
        step = barrier_arrive (&s, instance_refuse);
      if (entered && (step == STEP_ON || step == STEP_FAILED))
        {
          (void) fail (&f, EX_PROTOCOL, "%s", reason);
          (void) stay_call_off (&s);
        }
      stay_end (&s);
    }
}
