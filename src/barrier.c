/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A member is a node whose hooks gather, for which their leader speaks; or a task
 * that comes alone.  Who has procid 0 among its ranks decides, and who watches:
 * who has the lock, if there are many nodes.
 *
 * The steps, as tests/model has them, too
 *
 *   enter   open the instance that the key names, or make one
 *   gather  at the socket of the node: be taken, or lead.  Who was taken waits
 *           for the leader's word; all else is the leader's to do
 *   look    at the outcome, and whether the key still names the instance
 *   arrive  make the mark of all of the member's tasks in arrival, exclusively
 *   look    again.  Only a release that is seen after arriving counts
 *   wait    until there is an outcome.  With many nodes, who waits longer than a
 *           moment goes for the lock (lock.h): then one watches, and wakes the others.
 *           Who decides: all have arrived and no mark is stale, then it releases;
 *           one is stale, then procid 0's member makes the instance void.  Everybody
 *           may call off, those whom a leader has taken as well
 *   tell    the leader stops listening, tells the outcome to all whom it has
 *           taken, after a release waits until they have hung up, and removes the socket
 *   depart  move the mark to departure, or make the same there.  Procid 0's member
 *           waits for all, and removes the instance
 *   wait until gone   the instance is not this hook's: until the key names
 *           another one, or none; then enter again.  Only procid 0 makes it go
 *
 * What is on disk, and who makes it and takes it away
 *
 *   KEY              made by who comes first; renamed, then removed by procid 0's
 *                    member, or by a later hook of procid 0; after a call-off only
 *                    renamed, and pruned when it is a day old
 *   KEY/ntasks       symbolic link to the number of tasks
 *   KEY/arrival/slurm-procid-RANKS
 *                    the tasks RANKS have arrived.  Made by their member, or by who
 *                    will not come; after a call-off by whom it has reached, for
 *                    later hooks of its tasks.  Its time is touched by the member
 *                    only, and set to 0 by who leaves and could tell nobody.  It stays
 *                    until its member departs; procid 0's as long as the instance
 *   KEY/arrival/ended
 *                    trace of an outcome that is no release
 *   KEY/departure    the outcome; made once, by whoever comes first:
 *                      a directory, by who decides: released
 *                      symbolic link "void": no barrier happened here
 *                      symbolic link "called-off: ...": called off, and why
 *   KEY/departure/slurm-procid-RANKS
 *                    the tasks RANKS have seen the release
 *   KEY/node-NODE    socket at which the hooks of a node gather; its leader makes
 *                    and removes it
 *   KEY/gathering-NODE
 *                    symbolic link by that leader, if not all of its node are
 *                    there after a second: who is.  Removed when all are
 *   KEY/lock         empty file that one member locks (lock.h), made by who waits first
 *   KEY/watcher      symbolic link by that member: who it is.  Where several can have
 *                    the lock, who finds another one named lets go
 *   KEY/released     the same, when it has released and found its mark after that: the
 *                    release is confirmed
 *
 * Why the promises hold
 *
 *   Safety     The outcome is one name, so it is made once, even if several decide
 *              at once.  A release is made after marks of all tasks were seen.
 *              Whoever finds a mark of its task when it arrives, or is sent away by
 *              the leader who has that task, knows that the instance is another
 *              hook's; so does who has arrived and finds it released at once, and
 *              its task among those who have departed.
 *   Agreement  All follow the one outcome.  Until all have departed nobody removes
 *              a release; a leader departs when all whom it has told have hung up.
 *              A release that is removed vanishes by a rename, before any mark.
 *   Progress   The kernel tells who has died, see below, on the same node.  Across
 *              nodes the timeout does.  Who is blocked by the lock looks all the
 *              same.  A list that may lack what was made in the same tick of the
 *              server's clock is renewed (renew()).
 *   Left-overs A mark that nobody has touched for STALE may be a dead run's, and a
 *              socket at which nobody listens is a dead leader's: the instance is
 *              void, and who lives arrives anew.  Instances go by a rename, which
 *              who holds a descriptor does not notice.  They are removed only when
 *              all have departed; when there is another outcome, which stays until
 *              nobody can arrive any more; or when nothing has changed for a day.
 *
 * What happens when a hook is killed
 *
 *   who was taken, before an outcome   its leader loses the connection: calls off
 *   a leader, before an outcome        those it has taken lose theirs: call off.
 *                                      If it had taken nobody, who comes next is
 *                                      refused at the socket for a second: makes
 *                                      the instance void
 *   a member of one hook, after its    its mark counts until it is stale; then
 *   arrival                            procid 0's makes the instance void, and the
 *                                      time-out names its task
 *   who decides, before the release    as above on its node; elsewhere the timeout.
 *                                      Its lock is free: another one watches
 *   anybody after the release          the others go.  Its node does not depart:
 *                                      procid 0's waits for BARRIER_LEAVE.  A
 *                                      later hook of procid 0 renames what stays,
 *                                      after LEFT_OVER, and prunes it when it is a
 *                                      day old
 *   who removes                        --prune or procid 0's hook, after a day
 *
 * Who is stopped for longer than STALE is taken for dead.  When it goes on it finds
 * the outcome that others have made, or its mark gone, and arrives anew: a release
 * counts only if it is confirmed, for who has waited, or while the own mark is there
 * (is_released(), release()).
 *
 * Words
 *
 *   release    the outcome "all have come"       call off   the outcome "we fail"
 *   void       the outcome "no barrier happened here: arrive anew"
 *   taken      a leader has answered: it arrives for that hook, too, its follower
 *   stale      touched longer ago than STALE, by the file server's clock
 *   blocked    waits for the lock; looks when that is free, and else seldom, and
 *              decides then if it has procid 0
 */
#include "barrier.h"

#include "gather.h"
#include "lock.h"
#include "log.h"
#include "nodes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* A member that waits shows every TOUCH that it lives, or every LOOK_BLOCKED_MAX. */
#define TOUCH (20 * SECOND)

/* A later hook of procid 0 clears a release away when nobody has departed for this
 * long, and with so many nodes that they look as seldom for LOOK_BLOCKED_MAX. */
#define LEFT_OVER (2 * BARRIER_LEAVE)

/* With timeout 0 (for ever): when a call-off is history. */
#define FOREVER_IS (180 * SECOND)

/* Longest time between two looks; with many nodes longer, so that the file
 * server gets no more than LOOKS_A_SECOND from all of them. */
#define LOOK_MAX (SECOND / 2)
#define LOOKS_A_SECOND 400

/* The same for the first looks of all nodes but that of who decides. */
#define FIRST_LOOKS_A_SECOND 10000

/* From so many nodes on members go for the lock: fewer ask the file server for less
 * when each looks for itself. */
#define LOCK_FROM 8

/* Who has waited for so long goes for it: if all come at once it is not worth its
 * while. */
#define LOCK_AFTER (SECOND / 50)

/* Longest time between two looks of who watches: nobody else looks. */
#define LOOK_FOR_ALL (SECOND / 6)

/* For each node, between two looks of who is blocked: some NFS servers do not wake
 * their clients, which ask again after up to 30 s, and who watches may be stopped.
 * It also touches that seldom with more than 32 nodes, unless it has procid 0: so the
 * file server gets no more from them.  At most LOOK_BLOCKED_MAX. */
#define LOOK_BLOCKED (SECOND * 5 / 8)
#define LOOK_BLOCKED_MAX (2 * TOUCH)

/* To say who is missing takes a request for each member.  A follower leaves that to its
 * leader for so long after its own deadline, and with many nodes a leader to who watches,
 * which came first, mostly. */
#define LEAVE_TO_OTHERS (2 * SECOND)

/* The same for the end of a follower for another reason: its leader may have it, too. */
#define LEAVE_TO_LEADER (SECOND / 2)

/* Who decides looks at arrival, where an outcome leaves a trace, but for a release,
 * which is found by trying to make it.  Should that have failed, it sees the outcome
 * itself after this; and whether another one watches, for the first time sooner. */
#define LOOK_AT_OUTCOME (5 * SECOND)
#define LOOK_AT_WATCHER SECOND

/* When a leader says for the first time who is there, if not all are; then after
 * twice as long, and so on, up to TOUCH. */
#define TELL_GATHERING SECOND

/* For how long who cannot find out who has departed tries again, and how often at least. */
#define ASK_DEPARTED (2 * SECOND)
#define ASK_TIMES 3

/* For how long a hook that will not come waits for its leader to answer. */
#define CALL_OFF_WITHIN (5 * SECOND)

/* How soon to look for hooks of an earlier version, and for how long to wait for
 * another hook's instance to go without asking its leader again. */
#define LOOK_AT_OTHERS (2 * SECOND)

/* After so many marks were listed, arrival rests LIST_REST times as long; but no
 * longer than a second: a server that was not there for a while, or a SIGSTOP, says
 * nothing of the next time.  Fewer are a request or two, however long these take. */
#define MANY_MARKS 64
#define LIST_REST 4

/* The times of a directory tell of all changes only when they are older than
 * this: some file systems count in seconds. */
#define TIMES_ARE (2 * SECOND)

/* A client of NFS keeps its list of a directory for as long as the time of that is the
 * same.  Of two changes in one tick of the server's clock it may miss the second one: so
 * who waits gives a directory that was listed within a tick of its last change another
 * time, after RENEW; or after that for each member, where all of them look. */
#define TICK (SECOND / 50)
#define RENEW (SECOND / 8)

/* The reason of a time-out begins with this: its status is another. */
#define TIMEOUT "timeout: "

enum step {
  STEP_ON,       /* go on with this instance */
  STEP_RELEASED, /* all have come */
  STEP_AGAIN,    /* this instance does not count: enter again */
  STEP_NOT_OURS, /* it is another hook's: wait until it is gone */
  STEP_FAILED    /* the failure says why */
};

/* fail(), for who returns a step. */
#define fail_step(...) ((void) fail (__VA_ARGS__), (enum step) STEP_FAILED)

/* A list of a directory that may lack a change. */
struct doubt {
  int64_t time;  /* of the directory */
  int64_t until; /* when to renew the lists of it; never, if they are complete */
  int64_t after; /* how long after the list that is; twice as long each time */
};

/* One try at one instance. */
struct attempt {
  struct barrier *b;
  struct failure *f;
  int64_t began; /* when the hook came to its first */
  struct instance in;
  struct gather gather;
  struct lock lock;
  bool leads, belongs; /* at the socket of its node */
  bool led;            /* there: its leader has told it how it ended */
  bool unanswered;     /* there: the instance may be another hook's of its task */
  struct ranks single; /* of one who comes for itself alone */
  const struct ranks *own; /* for whom this hook arrives */
  bool tried;          /* to make the marks of these; */
  bool arrived;        /* they are this hook's, */
  bool waited;         /* and it has seen no outcome since then */

  bool look;            /* at everything, now; or else */
  int64_t next;         /* when to look again */
  int64_t looked;       /* when look() has looked at the outcome last */
  int64_t touched;      /* when it has shown last that it lives */
  int64_t tell;         /* when a leader says who is gathered: never, if all are; and */
  int64_t tell_again;   /* after how long it says it again */
  int64_t others;       /* when to look for hooks of another version */
  int64_t lock_after;   /* when to go for the lock */
  struct doubt doubt;   /* of the instance */
  int64_t rest;         /* until when not to look without a reason */
  char off[INSTANCE_TEXT_MAX]; /* how it was called off, if it was */

  int64_t to_server;    /* file server's clock less waiting_now() */

  /* Who decides. */
  struct doubt doubt_arrival;
  int64_t changed;      /* arrival has not since it was listed; 0: not known */
  struct ranks listed;  /* whose marks were in the last list, */
  uint32_t marks;       /* and how many; */
  uint32_t listed_tasks; /* of so many tasks, */
  int64_t listed_time;  /* when arrival had changed last; */
  bool differs;         /* from the list before */
  struct ranks fresh;   /* whose mark it has seen fresh since the touch */
  bool others_came;     /* to an instance that is not this hook's */
};

/* Speaks for procid 0: decides from its arrival on, and removes. */
static bool
is_first (const struct attempt *a)
{
  return ranks_has (a->own, 0);
}

static bool
decides (const struct attempt *a)
{
  return a->arrived && (is_first (a) || a->lock.watches);
}

/* When it is over for this hook, if nobody has said anything. */
static int64_t
last_moment (const struct attempt *a)
{
  const struct barrier *b = a->b;
  const bool blocked = a->arrived && !a->lock.watches && a->lock_after < WAITING_FOREVER;
  const bool leaves_it = a->belongs || blocked; /* or about to be */

  return leaves_it && b->deadline < WAITING_FOREVER ? b->deadline + LEAVE_TO_OTHERS : b->deadline;
}

static enum step look_at_outcome (struct attempt *a, bool all);

static double
timeout_in_seconds (const struct barrier *b)
{
  return (double) b->timeout / (double) SECOND;
}

/* Fills the failure with what could not be done and errno: files that cannot
 * be made are EX_CANTCREAT, all else is EX_IOERR. */
static enum step
failed (struct attempt *a, const char *what)
{
  int status = EX_IOERR;

  if (errno == ENOMEM || errno == ENOBUFS || errno == EMFILE || errno == ENFILE)
    status = EX_OSERR;
  else if (errno == ENOSPC || errno == EDQUOT || errno == EROFS || errno == EACCES || errno == EPERM
           || errno == ELOOP || errno == ENOTDIR)
    status = EX_CANTCREAT;
  return fail_step (a->f, status, "cannot %s %s/%s: %m%s", what, a->b->where, a->b->key,
                    failure_remedy (errno));
}

/* Whether errno means that somebody has removed the instance.  A file server
 * that comes back after a failure may say ESTALE of what is there: who has
 * arrived touches his mark, which no cache can answer, to find out. */
static bool
is_gone (const struct attempt *a)
{
  int error = errno;
  bool gone = instance_is_gone (error)
              && !(error == ESTALE && a->arrived && instance_touch (&a->in, a->own, true) == 0);

  errno = error;
  return gone;
}

/* As failed(); but if somebody has removed the instance, it is over: enter again. */
static enum step
failed_or_gone (struct attempt *a, const char *what)
{
  return is_gone (a) ? STEP_AGAIN : failed (a, what);
}

/* Finds out what time it is at the server: by the own mark, if that was TOUCHED less than a
 * second ago; or else by a change. */
static void
ask_time (struct attempt *a, bool touched)
{
  int64_t time;

  if (!touched || waiting_now () - a->touched > SECOND
      || instance_own_time (&a->in, a->own, &time) != 0)
    time = instance_server_time (a->b->dirfd);
  a->to_server = time - waiting_now ();
  a->changed = 0; /* who decides looks at all marks after that */
}

static int64_t
age_of (const struct attempt *a, int64_t time)
{
  return waiting_now () + a->to_server - time;
}

/* Whether something of that AGE is older than LIMIT.  What is from the future
 * was made before the clock was set back, or by a clock that is wrong. */
static bool
is_older (int64_t age, int64_t limit)
{
  return age > limit || age < -STALE;
}

/* The directory PATH was listed when its time was TIME.  If that list may lack a change,
 * and AFTER so long there was no other time, the lists of all clients are renewed: the next
 * look, a tick later, is at all that has changed until then.  The first list may be one
 * that this client had before. */
static void
renew (struct attempt *a, const char *path, int64_t time, struct doubt *d, int64_t after)
{
  const int64_t now = waiting_now (), tick = time % SECOND == 0 ? SECOND : TICK;

  if (time != d->time)
    {
      const bool complete = a->arrived && d->time != 0 && age_of (a, time) >= tick;
      d->after = d->after > after ? d->after : after;
      d->until = complete ? WAITING_FOREVER : now + tick + d->after;
      d->time = time;
    }
  else if (a->arrived && now >= d->until && instance_renew (&a->in, path, &d->time) == 0)
    {
      d->until = WAITING_FOREVER;
      d->after = earlier (2 * d->after, TOUCH);
      a->rest = a->rest > now + tick ? a->rest : now + tick;
    }
}

/* Whether MARK, of which the client says ST, is stale.  A client of NFS may remember
 * times for a minute, and with actimeo for longer: then the server is asked. */
static bool
is_stale (const struct attempt *a, const struct instance_mark *mark, const struct stat *st)
{
  int64_t time = nanoseconds (&st->st_mtim);

  return is_older (age_of (a, time), STALE) && instance_mark_time (mark, &time) == 0
         && is_older (age_of (a, time), STALE);
}

/* From now on this hook speaks for itself alone. */
static enum step
be_alone (struct attempt *a)
{
  if (!a->b->gathers)
    return STEP_ON; /* it speaks for all whose only hook it is */
  gather_end (&a->gather);
  a->leads = a->belongs = false;
  ranks_free (&a->single);
  if (ranks_init (&a->single, a->b->tasks) != 0)
    return failed (a, "keep track of");
  ranks_add (&a->single, a->b->self);
  a->own = &a->single;
  return STEP_ON;
}

/* Takes the key away from the instance, and removes it if REMOVE: only one that all
 * have departed from, or that is void.  With SEEN this hook has released it: others of procid 0
 * leave it alone meanwhile, make_it_go(), so that the key names it.  Else one of them may
 * have been faster. */
static void
clear_away (struct attempt *a, bool remove, bool seen)
{
  char name[256];
  int gone = 1;

  /* A rename that comes too late catches the next instance, and costs everybody
   * in it another arrival: so look just before. */
  if (seen || instance_is_current (&a->in) == 1)
    gone = instance_go_away (&a->in, name);
  if (remove && (gone == 0 || instance_find_gone (&a->in, name)))
    (void) instance_remove (a->b->dirfd, name);
}

/* ---------------------------------------------------------------- called off */

/* Called off by somebody, with TEXT, "procid P: REASON". */
static enum step
called_off (struct attempt *a, const char *text)
{
  const char *reason = strstr (text, ": ");
  bool late = reason != NULL && strncmp (reason + 2, TIMEOUT, strlen (TIMEOUT)) == 0;

  (void) snprintf (a->off, sizeof a->off, "%s", text);
  a->b->passed_on = true;
  return fail_step (a->f, late ? EX_TEMPFAIL : EX_PROTOCOL, "called off: %s", text);
}

/* Speaks for itself alone from now on, and makes its mark; or, if it REFUSES to come,
 * takes the place of that.  STEP_NOT_OURS: its task has arrived already, or it REFUSES
 * and cannot tell. */
static enum step
come_alone (struct attempt *a, bool refuses)
{
  struct ranks there;
  enum step step = be_alone (a);

  a->b->leads = a->b->follows = false;
  if (step != STEP_ON)
    return step;
  if (instance_open_arrival (&a->in, a->b->tasks) != 0)
    return failed_or_gone (a, "open");
  if (ranks_init (&there, a->b->tasks) != 0)
    return failed (a, "keep track of");
  const bool listed = instance_list_marks (&a->in, false, &there) == 0;
  const int error = errno;
  (void) instance_list_marks (&a->in, true, &there); /* if it has been released since */
  const bool known = listed && ranks_has (&there, a->b->self);
  ranks_free (&there);
  errno = error;
  if (!listed && (!refuses || is_gone (a)))
    return failed_or_gone (a, "list the arrivals in");
  if (!listed || known)
    return STEP_NOT_OURS;
  if ((refuses ? instance_refuse (&a->in, a->own)
               : instance_arrive (&a->in, a->own, a->b->note)) == 0)
    return STEP_ON;
  return errno == EEXIST ? STEP_NOT_OURS : failed_or_gone (a, "arrive in");
}

/* It is called off when this hook comes.  Who comes long after that is not meant,
 * nor one whose task knows it already: whose mark is there. */
static enum step
came_to_call_off (struct attempt *a, const char *text)
{
  int64_t after = a->b->timeout > 0 ? a->b->timeout : FOREVER_IS, made, came;
  enum step step = come_alone (a, false);

  if (step != STEP_ON)
    return step;
  if (instance_time (&a->in, INSTANCE_OUTCOME, &made) == 0
      && instance_touched (&a->in, a->own, &came) == 0 && is_older (came - made, after))
    return STEP_NOT_OURS;
  return called_off (a, text);
}

/* Whether the mark of those for whom this hook comes is there, or that cannot be
 * found out: without it, a release is none.  Who decides, and was stopped while the
 * instance was removed, may have made that release after it; but marks go before
 * anything else. */
static bool
has_mark (struct attempt *a)
{
  int64_t time;

  if (instance_open_arrival (&a->in, a->b->tasks) == 0
      && instance_touched (&a->in, a->own, &time) == 0)
    return true;
  return !is_gone (a);
}

/* Whether another hook of this task has departed: its mark went from arrival, so that
 * this hook could arrive in what was released without it.  -1: not known. */
static int
has_departed (struct attempt *a)
{
  struct ranks gone;
  int found = ranks_init (&gone, a->b->tasks);

  if (found == 0)
    found = instance_list_marks (&a->in, true, &gone);
  if (found == 0)
    found = ranks_has (&gone, a->b->self);
  ranks_free (&gone);
  return found;
}

/* Whether a release that was seen is this hook's; or that cannot be found out.  One
 * that is being removed is nobody's any more: it vanishes before its files. */
static bool
is_released (struct attempt *a)
{
  if (a->waited && a->in.confirmed)
    return true;
  if (!has_mark (a))
    return false;
  if (a->waited)
    return true;
  const int64_t end = waiting_now () + ASK_DEPARTED;
  for (int asked = 1;; asked++)
    {
      const int departed = has_departed (a);
      if (departed > 0)
        return false;
      const enum outcome outcome = instance_outcome (&a->in, NULL);
      if (outcome == OUTCOME_ERROR ? is_gone (a) : outcome != OUTCOME_RELEASED)
        return false;
      if (departed == 0 && outcome == OUTCOME_RELEASED)
        return true;
      const int64_t again = waiting_now () + ASK_DEPARTED / 20;
      const bool over = waiting_sleep (a->b->waiting, again, -1) == WAKE_END || again >= end;
      if (over && asked >= ASK_TIMES)
        return true;
    }
}

/* Nobody could be told that this hook leaves, because of OWN: its mark shall not count
 * any more.  But another one that decides may have counted it, and release, until it
 * looks at all marks anew: who left now could leave those who are released. */
static enum step
leave_untold (struct attempt *a, const struct failure *own)
{
  struct barrier *b = a->b;
  int64_t now = waiting_now ();
  /* Whom a leader has taken is in that one's mark. */
  const bool marked = a->arrived || (a->belongs && has_mark (a));
  const bool counted = marked && (!is_first (a) || b->nodes >= LOCK_FROM);
  const int64_t end = counted ? now + TOUCH + SECOND : now;
  enum step step = STEP_ON;

  if (marked)
    (void) instance_touch (&a->in, a->own, false);
  lock_end (&a->lock); /* so that another one decides */
  while (step == STEP_ON && now < earlier (end, last_moment (a))
         && waiting_end_reason (b->waiting) == NULL)
    {
      const int64_t pause = waiting_interval (b->waiting, now - a->began, LOOK_MAX);
      (void) waiting_sleep (b->waiting, now + pause, -1);
      step = look_at_outcome (a, false);
      now = waiting_now ();
    }
  if (step != STEP_ON)
    return step;
  *a->f = *own;
  return STEP_FAILED;
}

/* Calls the barrier off because of what the failure says.  But an outcome that
 * stands already counts.  Who has not arrived, nor was taken by a leader, has nothing to
 * call off in an instance that the key does not name any more, or that is void, or was
 * released without it. */
static enum step
call_off (struct attempt *a)
{
  /* In an instance that does not count there is nobody to tell: the others meet anew.
   * Who has to end tells them there, barrier_meet(); who has timed out just fails. */
  const bool ends = a->gather.refuses || waiting_end_reason (a->b->waiting) != NULL;
  const enum step elsewhere = ends ? STEP_AGAIN : STEP_FAILED;
  const struct failure own = *a->f;
  char text[INSTANCE_TEXT_MAX];

  if (!a->arrived && !a->belongs)
    {
      const enum outcome there = instance_outcome (&a->in, NULL);
      const bool released = there == OUTCOME_RELEASED;
      if (there == OUTCOME_VOID || (released && !a->tried)
          || (there != OUTCOME_CALLED_OFF && !released && instance_is_current (&a->in) == 0))
        return elsewhere;
    }
  if (!a->tried && !a->leads && !a->belongs)
    {
      enum step step = come_alone (a, true);
      *a->f = own;
      if (step == STEP_NOT_OURS) /* an earlier barrier is not to be called off */
        return a->gather.refuses ? STEP_NOT_OURS : STEP_FAILED;
    }
  (void) snprintf (text, sizeof text, "procid %u: %s%.*s", a->b->self,
                   own.status == EX_TEMPFAIL ? TIMEOUT : "", INSTANCE_TEXT_MAX - 48, own.text);
  if (instance_call_off (&a->in, text) == 0)
    {
      (void) snprintf (a->off, sizeof a->off, "%s", text);
      return STEP_FAILED;
    }
  if (errno != EEXIST)
    {
      if (is_gone (a))
        return elsewhere;
      return leave_untold (a, &own);
    }
  lock_end (&a->lock);
  a->waited = false; /* by a list that was too old, perhaps */
  enum outcome outcome = instance_outcome (&a->in, text);
  /* After EIO and its like the arrival may have been done; what is there may also be
   * the mark of an earlier hook of this task. */
  bool mine = a->arrived || (a->belongs && !a->gather.refuses)
              || (a->tried && instance_is_own (&a->in, a->own, a->b->note) == 1);
  if (outcome == OUTCOME_RELEASED)
    return mine && is_released (a) ? STEP_RELEASED : STEP_AGAIN;
  if (outcome == OUTCOME_CALLED_OFF)
    return called_off (a, text);
  return elsewhere;
}

static void
explain_missing (struct attempt *a, const struct nodes_survey *s)
{
  const struct ranks *there = &s->there;
  char missing[NODES_TEXT_MAX];
  uint32_t others = 0;

  (void) fail (a->f, EX_TEMPFAIL, "%u of %u tasks did not arrive within %g s: %s",
               there->count - there->present, there->count, timeout_in_seconds (a->b),
               nodes_tell_missing (s, missing));
  while (others < there->count && ranks_has (there, others) == ranks_has (a->own, others))
    others++;
  if (a->b->nodes < 2 || a->own != a->b->own || others < there->count)
    return;
  const char *local = instance_local_file_system (a->b->dirfd);
  size_t n = strlen (a->f->text);
  (void) snprintf (a->f->text + n, sizeof a->f->text - n,
                   "; nobody of another node came: do all nodes share %s, which is on %s?",
                   a->b->where, local != NULL ? local : "no local file system");
}

static enum step
time_out (struct attempt *a)
{
  double seconds = timeout_in_seconds (a->b);
  struct nodes_survey s;

  /* Who follows a leader has not needed it so far. */
  (void) instance_open_arrival (&a->in, a->b->tasks);
  const bool known = nodes_survey (&s, &a->in, a->b->tasks) == 0;
  /* Who is gathered only is there, too. */
  if (known && a->leads)
    ranks_add_all (&s.there, &a->gather.here);
  if (known && (a->belongs || a->unanswered))
    ranks_add (&s.there, a->b->self);
  if (known && a->belongs && a->gather.leader < a->b->tasks)
    ranks_add (&s.there, a->gather.leader);
  if (!known)
    (void) fail (a->f, EX_TEMPFAIL, "not all tasks arrived within %g s", seconds);
  else if (ranks_full (&s.there))
    (void) fail (a->f, EX_TEMPFAIL,
                 "all %u tasks arrived, but the hook that speaks for procid 0 did not let them go "
                 "within %g s; was it killed or stopped?",
                 a->b->tasks, seconds);
  else
    explain_missing (a, &s);
  nodes_survey_free (&s);
  return STEP_FAILED;
}

/* -------------------------------------------------------------------- look */

/* What to do now that there is an outcome. */
static enum step
follow (struct attempt *a, enum outcome outcome, const char *text)
{
  lock_end (&a->lock); /* the others shall see it, and nobody remove an open file */
  if (outcome == OUTCOME_ERROR)
    return failed_or_gone (a, "look at");
  if (outcome == OUTCOME_CALLED_OFF)
    return a->arrived || a->leads || a->belongs ? called_off (a, text)
                                                : came_to_call_off (a, text);
  if (!a->arrived && !a->belongs)
    return STEP_NOT_OURS;
  if (outcome == OUTCOME_RELEASED)
    return is_released (a) ? STEP_RELEASED : STEP_AGAIN;
  /* Void.  Before the others hear of it: else a follower that has procid 0 would clear
   * it away as well, and one of the two catch the next. */
  if (a->arrived && is_first (a))
    clear_away (a, true, false);
  return STEP_AGAIN;
}

/* A member that sees no outcome while the key names another directory has
 * been left behind, and nobody else may know.  STEP_ON: it has not, or *OUTCOME
 * says what was made in the meantime. */
static enum step
check_key (struct attempt *a, enum outcome *outcome, char text[INSTANCE_TEXT_MAX])
{
  int current = instance_is_current (&a->in);

  if (current != 0)
    return current < 0 ? failed (a, "look for") : STEP_ON;
  if (instance_void (&a->in) == 0 || errno != EEXIST)
    return STEP_AGAIN;
  /* What is there may go at any time, if somebody removes the instance.  To
   * wait on, or to decide, would then be to take part in what is over. */
  a->waited = false;
  *outcome = instance_outcome (&a->in, text);
  return *outcome == OUTCOME_NONE ? STEP_AGAIN : STEP_ON;
}

/* A hook of a version before 2: its mark is a regular file, and it does not count
 * ours.  It reads the reason, too. */
static enum step
other_version (struct attempt *a, const char *ranks)
{
  return fail_step (a->f, EX_PROTOCOL,
                    "procid %s runs an earlier version of slurm_global_sync_hook; install the "
                    "same on all nodes",
                    ranks);
}

/* -------------------------------------------------------------------- decide */

/* Makes the instance void, because of the remains of WHOM found in it; THEN is what
 * to do after that. */
static enum step
make_void (struct attempt *a, const char *whom, enum step then)
{
  log_message (LOG_INFO, "arriving anew: found the remains of %s in %s/%s", whom, a->b->where,
               a->b->key);
  if (instance_void (&a->in) == 0 || errno == EEXIST)
    return then;
  return failed_or_gone (a, "make void");
}

/* One mark in arrival, or the trace of an outcome.  Who does not decide asks only
 * for another version.  Returns a step, STEP_ON being 0. */
static int
visit_arrival (void *context, const struct instance_mark *mark)
{
  struct attempt *a = context;
  struct stat st;

  a->marks++;
  /* At the outcome at once; should that not be seen yet, at each look. */
  if (strcmp (mark->ranks, INSTANCE_TRACE) == 0)
    {
      a->look = a->look || !a->in.ended;
      a->in.ended = true;
    }
  if (!ranks_add_text (&a->listed, mark->ranks))
    return STEP_ON;
  if (mark->type == DT_REG)
    return (int) other_version (a, mark->ranks);
  if (!decides (a) || ranks_has_text (&a->fresh, mark->ranks))
    return STEP_ON;
  if (fstatat (mark->dirfd, mark->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return is_gone (a) ? STEP_ON : (int) failed (a, "look at an arrival in");
  if (S_ISREG (st.st_mode))
    return (int) other_version (a, mark->ranks);
  if (!S_ISLNK (st.st_mode) && !S_ISDIR (st.st_mode))
    return STEP_ON; /* nobody arrives by it */
  /* Only who can make the instance go makes it void: until it comes nobody is
   * released, and who waits here can be told what happens.  After the deadline nobody
   * could arrive anew. */
  if (is_stale (a, mark, &st))
    return is_first (a) && waiting_now () < a->b->deadline
             ? (int) make_void (a, mark->name, STEP_NOT_OURS)
             : STEP_ON;
  if (!S_ISDIR (st.st_mode)) /* who will not come is about to call off */
    (void) ranks_add_text (&a->fresh, mark->ranks);
  return STEP_ON;
}

static enum step
release (struct attempt *a)
{
  int64_t time;

  if (instance_release (&a->in) != 0)
    return errno == EEXIST ? STEP_ON : failed_or_gone (a, "release");
  /* If somebody has removed the instance in the meantime, its outcome last, this
   * was no release of anybody: the mark has gone, or is another hook's.  Otherwise
   * it stands, whatever fails now. */
  const int mine = instance_touched (&a->in, a->own, &time) != 0
                     ? -1
                     : instance_is_own (&a->in, a->own, a->b->note);
  if (mine > 0 && a->lock.watches)
    instance_confirm (&a->in, a->b->note);
  lock_end (&a->lock); /* wakes the others */
  return mine == 0 || (mine < 0 && is_gone (a)) ? STEP_AGAIN : STEP_RELEASED;
}

/* Lists the arrivals, if there were any since the last list, and finds out how
 * long to leave them alone then.  STEP_NOT_OURS: one of them is stale. */
static enum step
list_arrivals (struct attempt *a)
{
  int64_t before = waiting_now ();
  int64_t changed = a->changed;

  ranks_clear (&a->listed);
  a->marks = 0;
  int step = instance_each_arrival (&a->in, &a->changed, visit_arrival, a);
  int64_t after = waiting_now ();
  if (step < 0)
    return failed_or_gone (a, "list the arrivals in");
  const bool listed = changed == 0 || changed != a->changed;
  if (a->marks > MANY_MARKS && listed)
    a->rest = after + earlier (LIST_REST * (after - before), SECOND);
  a->differs = listed && (a->changed != a->listed_time || a->listed.present != a->listed_tasks);
  if (listed)
    a->listed_tasks = a->listed.present;
  a->listed_time = a->changed;
  if (step == STEP_ON && decides (a))
    renew (a, "arrival", a->changed, &a->doubt_arrival, 2 * RENEW);
  /* What has changed just now may go on changing without another time. */
  if (step != STEP_ON || age_of (a, a->changed) < TIMES_ARE)
    a->changed = 0;
  return (enum step) step;
}

/* Have all arrived?  STEP_ON: there is an outcome now, or nothing to decide yet. */
static enum step
decide (struct attempt *a)
{
  enum step step = list_arrivals (a);

  a->look = a->look || step == STEP_NOT_OURS; /* at what was made of it */
  if (step != STEP_ON)
    return step == STEP_NOT_OURS ? STEP_ON : step;
  /* A directory that was removed is listed as an empty one, readdir(3). */
  if (a->listed.present == 0 && a->changed == 0 && !has_mark (a))
    return STEP_AGAIN;
  /* Another one that decides may have released, and marks have gone since. */
  if (!ranks_full (&a->fresh))
    return a->differs && a->b->nodes >= LOCK_FROM ? look_at_outcome (a, false) : STEP_ON;
  /* At what another one has made; where this is not seen at once, not all the time. */
  a->look = a->look || !a->in.ended;
  return release (a);
}

/* ---------------------------------------------------------- gather and arrive */

/* The members count alike: another number is a mistake, or another run's. */
static enum step
check_tasks (struct attempt *a)
{
  uint32_t tasks;

  if (instance_open_arrival (&a->in, a->b->tasks) != 0)
    return failed_or_gone (a, "open");
  if (instance_tasks (&a->in, a->b->tasks, &tasks) != 0)
    return failed_or_gone (a, "read the number of tasks in");
  return tasks == a->b->tasks ? STEP_ON : STEP_NOT_OURS;
}

/* There is a reason to leave, or the time is over. */
static enum step
given_up (struct attempt *a)
{
  const char *reason = waiting_end_reason (a->b->waiting);

  return reason == NULL ? time_out (a) : fail_step (a->f, EX_PROTOCOL, "%s", reason);
}

/* Comes to the socket of the node.  STEP_ON: leads, belongs, or is alone. */
static enum step
barrier_gather (struct attempt *a)
{
  if (!a->b->gathers)
    return STEP_ON;
  const enum gather_result result = gather_join (&a->gather, a->b->deadline);
  a->leads = a->b->leads = result == GATHER_LEADS;
  a->belongs = a->b->follows = result == GATHER_BELONGS;
  a->unanswered = result == GATHER_GIVEN_UP || result == GATHER_FAILED;
  switch (result)
    {
    case GATHER_LEADS:
    case GATHER_BELONGS:
      return STEP_ON;
    case GATHER_ELSEWHERE:
      return STEP_NOT_OURS;
    case GATHER_AGAIN:
      return STEP_AGAIN;
    case GATHER_ENDED:
    case GATHER_IMPOSSIBLE:
      return be_alone (a);
    case GATHER_DEAD:
      return make_void (a, "a dead leader", STEP_NOT_OURS); /* this run's or another's */
    case GATHER_GIVEN_UP:
      return given_up (a);
    default:
      return failed_or_gone (a, "gather in");
    }
}

/* One whom a leader has taken: waits for his word. */
static enum step
barrier_listen (struct attempt *a)
{
  char text[INSTANCE_TEXT_MAX] = "";
  enum gather_word word = 0;
  enum wake wake;

  do
    wake = gather_listen (&a->gather, last_moment (a), &word, text);
  while (wake == WAKE_TIME && waiting_now () < last_moment (a));
  if (wake == WAKE_END)
    {
      a->b->waiting->deaf = true;
      wake = gather_listen (&a->gather, waiting_now () + LEAVE_TO_LEADER, &word, text);
      a->b->waiting->deaf = false;
    }
  if (wake != WAKE_READY)
    return given_up (a);
  a->led = word != 0;
  a->b->follows = a->led;
  switch (word)
    {
    case GATHER_RELEASED:
      return STEP_RELEASED;
    case GATHER_CALLED_OFF:
      return called_off (a, text);
    case GATHER_VOID:
      return STEP_AGAIN;
    case GATHER_AWAY:
      return STEP_NOT_OURS;
    default: /* it has died without one */
      break;
    }
  enum outcome outcome = instance_outcome (&a->in, text);
  if (outcome != OUTCOME_NONE)
    return follow (a, outcome, text);
  /* Or it was taken while it left. */
  if (waiting_end_reason (a->b->waiting) != NULL || waiting_now () >= a->b->deadline)
    return given_up (a);
  return fail_step (a->f, EX_PROTOCOL,
                    "the hook of procid %u, which spoke for this node, is gone; was it killed?",
                    a->gather.leader);
}

/* Says who is gathered, when that is due. */
static void
tell_gathering (struct attempt *a)
{
  char ranks[NODES_RANKS_MAX] = "", note[INSTANCE_NOTE_MAX];
  uint32_t from = 0;

  (void) ranks_next_text (&a->gather.here, &from, ranks, sizeof ranks);
  (void) snprintf (note, sizeof note, "procid=%s %s", ranks, a->b->note);
  instance_tell_gathering (&a->in, a->b->node, note);
  a->tell_again = earlier (2 * a->tell_again, TOUCH);
  a->tell = waiting_now () + a->tell_again;
}

/* Makes the marks, if all for whom this hook speaks are there.  STEP_ON: look
 * again now, or go on waiting for them. */
static enum step
arrive (struct attempt *a)
{
  if (a->leads && a->gather.here.present < a->own->present)
    return STEP_ON;
  /* First: who has arrived must not fail for want of memory. */
  if (ranks_init (&a->listed, a->b->tasks) != 0 || ranks_init (&a->fresh, a->b->tasks) != 0)
    return failed (a, "keep track of");
  a->tried = true;
  a->touched = waiting_now ();
  if (instance_arrive (&a->in, a->own, a->b->note) != 0)
    return errno == EEXIST ? STEP_NOT_OURS : failed_or_gone (a, "arrive in");
  a->arrived = a->look = true;
  a->lock_after = a->b->nodes < LOCK_FROM ? WAITING_FOREVER : waiting_now () + LOCK_AFTER;
  a->tell = WAITING_FOREVER;
  if (a->tell_again > TELL_GATHERING)
    instance_tell_gathering (&a->in, a->b->node, NULL);
  ask_time (a, true);
  return STEP_ON;
}

/* ---------------------------------------------------------------------- wait */

/* Shows that this member lives, when next_touch() says so.  It also tells whether
 * somebody removes the instance by hand: rm(1) takes the marks first, and the name,
 * which check_key() looks at, last. */
static enum step
touch (struct attempt *a)
{
  a->touched = waiting_now ();
  if (!a->arrived)
    return STEP_ON; /* tell_gathering() shows it */
  if (instance_touch (&a->in, a->own, true) != 0)
    return failed_or_gone (a, "touch the own mark in");
  ask_time (a, true);
  ranks_clear (&a->fresh);
  return STEP_ON;
}

/* Looks at the outcome, and at the key if ALL.  STEP_ON: there is none. */
static enum step
look_at_outcome (struct attempt *a, bool all)
{
  char text[INSTANCE_TEXT_MAX];
  enum outcome outcome = instance_outcome (&a->in, text);
  enum step step = STEP_ON;

  a->waited = a->waited || (outcome == OUTCOME_NONE && a->arrived);
  if (outcome == OUTCOME_NONE && !a->lock.blocked) /* who is blocked is told */
    renew (a, ".", a->in.listed, &a->doubt,
           earlier (a->b->tasks / a->b->own->present * RENEW, BARRIER_LEAVE / 2));
  if (outcome == OUTCOME_NONE && all)
    step = check_key (a, &outcome, text);
  return step != STEP_ON || outcome == OUTCOME_NONE ? step : follow (a, outcome, text);
}

/* How long who is blocked does not look. */
static int64_t
blocked_for (const struct attempt *a)
{
  return earlier (a->b->nodes * LOOK_BLOCKED, is_first (a) ? TOUCH : LOOK_BLOCKED_MAX);
}

/* When this member has to show next that it lives. */
static int64_t
next_touch (const struct attempt *a)
{
  const int64_t pause = a->lock.blocked ? blocked_for (a) : TOUCH;

  return a->touched + (pause > TOUCH ? pause : TOUCH);
}

/* When to look again, should nobody say anything.  A node that is the only one
 * hears of everything at its socket. */
static int64_t
next_look (struct attempt *a)
{
  const struct barrier *b = a->b;
  int64_t now = waiting_now (), until = next_touch (a), longest = LOOK_MAX;
  int64_t waited = now - a->began;

  /* Who could release all does not let the time run out without a look. */
  if (a->lock.blocked && is_first (a) && now < b->deadline - SECOND)
    until = earlier (until, b->deadline - SECOND);
  if (a->lock.blocked)
    return earlier (until, now + blocked_for (a));
  if (!decides (a)) /* the interval is a sixteenth of what was waited */
    waited += SECOND * 16 * b->nodes / FIRST_LOOKS_A_SECOND;
  if (longest * LOOKS_A_SECOND < b->nodes * SECOND)
    longest = b->nodes * SECOND / LOOKS_A_SECOND;
  if (a->lock.watches)
    longest = LOOK_FOR_ALL;
  if (!a->leads || b->nodes != 1)
    until = earlier (until, now + waiting_interval (b->waiting, waited, longest));
  return until < a->rest ? a->rest : until;
}

/* The lock does not work here, for REASON: each looks for itself. */
static void
look_without_lock (struct attempt *a, const char *reason)
{
  log_message (LOG_DEBUG, "looking without a lock: %s", reason);
  lock_end (&a->lock);
  a->lock_after = WAITING_FOREVER;
}

/* Goes for the lock: from then on one watches, and wakes the others. */
static void
try_lock (struct attempt *a)
{
  if (a->lock.fd < 0 && !a->in.late_locks)
    a->lock.fd = instance_open_lock (&a->in);
  if (a->lock.fd < 0 || !lock_try (&a->lock))
    look_without_lock (a, a->in.late_locks ? "it is slow here" : strerror (errno));
  if (a->lock.watches)
    {
      a->changed = 0;
      instance_tell_watcher (&a->in, a->b->note);
      a->looked = waiting_now () - LOOK_AT_OUTCOME + LOOK_AT_WATCHER;
    }
}

/* One look around; one that is blocked leaves most of it to who is not.  STEP_ON:
 * go on waiting. */
static enum step
look (struct attempt *a)
{
  int64_t now = waiting_now ();
  bool tick = now >= next_touch (a), all = a->look || (tick && !a->lock.blocked);
  enum step step = STEP_ON;

  a->look = false;
  const bool due = all || !decides (a) || a->in.ended || now - a->looked >= LOOK_AT_OUTCOME;
  if (due)
    {
      step = look_at_outcome (a, all);
      a->looked = now;
    }
  if (step == STEP_ON && a->lock.watches && due
      && !instance_watches (&a->in, a->b->note))
    look_without_lock (a, "another one watches as well");
  if (step == STEP_ON && tick)
    step = touch (a);
  if (step == STEP_ON && decides (a))
    step = decide (a);
  else if (step == STEP_ON && a->arrived && !a->lock.blocked && now >= a->others)
    {
      a->others = now + TOUCH;
      step = list_arrivals (a);
    }
  if (step == STEP_ON && a->arrived && now >= a->lock_after && !a->lock.watches
      && !a->lock.blocked)
    try_lock (a);
  a->next = next_look (a);
  return step;
}

/* Sleeps until it is time to look, or somebody has come or gone. */
static enum step
wait_a_while (struct attempt *a)
{
  struct barrier *b = a->b;
  struct gather *g = &a->gather;
  int64_t until = earlier (earlier (a->next, a->tell), last_moment (a));
  enum wake wake = a->leads ? gather_serve (g, until, a->f) : waiting_sleep (b->waiting, until, -1);

  if (wake == WAKE_END)
    return waiting_end_reason (b->waiting) == NULL ? STEP_FAILED : given_up (a);
  if (a->leads && g->lost >= 0)
    {
      enum step step = look_at_outcome (a, false); /* it may have called off */
      if (step == STEP_ON)
        (void) fail (a->f, EX_PROTOCOL,
                     "the hook of procid %u is gone before all tasks had come; was it killed?",
                     (unsigned) g->lost);
      return step == STEP_ON ? STEP_FAILED : step;
    }
  a->look = a->look || g->woken;
  g->woken = false;
  if (lock_is_over (&a->lock))
    {
      /* If there is no outcome, who had the lock is dead: not all at once. */
      a->look = true;
      a->lock_after = waiting_now () + LOCK_AFTER;
    }
  if (a->leads && !a->arrived && g->here.present == a->own->present)
    return STEP_ON;
  if (waiting_now () >= last_moment (a))
    {
      const enum step step = look (a); /* the last one may have come since */
      return step == STEP_ON ? time_out (a) : step;
    }
  if (waiting_now () >= a->tell)
    tell_gathering (a);
  return STEP_ON;
}

/* look, arrive, look, wait: for all whom this hook speaks for. */
static enum step
barrier_wait (struct attempt *a)
{
  char text[INSTANCE_TEXT_MAX];
  enum outcome outcome = instance_outcome (&a->in, text);
  enum step step;

  /* What is there before anybody was taken is known to all who came in time. */
  if (outcome == OUTCOME_CALLED_OFF)
    return came_to_call_off (a, text);
  if (outcome != OUTCOME_NONE)
    return follow (a, outcome, text);
  /* Who leads may have to wait before it arrives.  All others arrive now, and look at
   * the key after that. */
  step = a->leads ? check_key (a, &outcome, text) : STEP_ON;
  if (step == STEP_ON)
    step = outcome == OUTCOME_NONE ? check_tasks (a) : STEP_AGAIN;
  a->touched = waiting_now ();
  a->others = a->touched + LOOK_AT_OTHERS;
  a->tell = a->leads ? a->began + TELL_GATHERING : WAITING_FOREVER;
  a->tell_again = TELL_GATHERING;
  a->next = next_look (a);
  while (step == STEP_ON)
    {
      if (a->look || waiting_now () >= a->next)
        step = look (a);
      if (step == STEP_ON && !a->arrived)
        step = arrive (a);
      if (step == STEP_ON && !a->look)
        step = wait_a_while (a);
    }
  return step;
}

/* -------------------------------------------------------------- tell and depart */

/* A follower that knows without its leader's word that the barrier is called off
 * says so itself, for a leader that died as well: their tasks' next hooks shall not
 * take that for their own. */
static void
know_that_it_is_off (struct attempt *a)
{
  if (a->off[0] == '\0' || be_alone (a) != STEP_ON
      || instance_open_arrival (&a->in, a->b->tasks) != 0)
    return;
  if (a->gather.leader < a->b->tasks)
    ranks_add (&a->single, a->gather.leader);
  (void) instance_arrive (&a->in, a->own, a->b->note);
}

/* The leader tells how it ended, STEP says how.  Whoever is told of a release
 * has to hang up before this node may depart: false if one has not. */
static bool
tell (struct attempt *a, enum step step)
{
  enum gather_word word = step == STEP_RELEASED ? GATHER_RELEASED
                          : step == STEP_AGAIN  ? GATHER_VOID
                                                : GATHER_AWAY;
  if (step == STEP_FAILED && a->belongs && !a->led)
    know_that_it_is_off (a);
  if (!a->leads)
    return true;
  if (step == STEP_FAILED && a->off[0] != '\0')
    {
      word = GATHER_CALLED_OFF;
      /* The marks say that these tasks have learned of the call-off.  They come first:
       * the next hooks of who is told may come at once. */
      if (!a->arrived && instance_open_arrival (&a->in, a->b->tasks) == 0)
        (void) instance_arrive (&a->in, &a->gather.here, a->b->note);
    }
  gather_tell (&a->gather, word, a->off);
  const bool all = step != STEP_RELEASED
                   || gather_all_hung_up (&a->gather, waiting_now () + BARRIER_LEAVE);
  gather_end (&a->gather);
  a->leads = false;
  return all;
}

/* All have come, and go: waits for that, and removes what is left. */
static void
depart_last (struct attempt *a)
{
  struct barrier *b = a->b;
  const int64_t start = waiting_now ();
  int64_t over = start + SECOND, unseen = SECOND / 16, time;
  char text[256];

  ranks_clear (&a->listed);
  for (;;)
    {
      if (instance_list_marks (&a->in, true, &a->listed) == 0 && ranks_full (&a->listed))
        {
          clear_away (a, true, true);
          return;
        }
      int64_t now = waiting_now ();
      if (now >= start + BARRIER_LEAVE || waiting_end_reason (b->waiting) != NULL)
        break;
      /* Nobody can depart any more if somebody has removed the instance.  Under
       * another name it is there, and to be removed here: another hook of procid 0
       * has caught it by mistake. */
      if (now >= over && instance_is_current (&a->in) == 0 && !instance_find_gone (&a->in, text))
        return;
      over = now >= over ? now + SECOND : over;
      /* Perhaps two have departed in one tick. */
      if (now - start >= unseen)
        {
          (void) instance_renew (&a->in, INSTANCE_OUTCOME, &time);
          unseen *= 4;
        }
      const int64_t pause = waiting_interval (b->waiting, now - start, LOOK_MAX);
      (void) waiting_sleep (b->waiting, now + pause, -1);
    }
  /* Nobody is at work here any more: procid 0's next hook may clear it away. */
  (void) instance_touch (&a->in, a->own, false);
  log_message (LOG_INFO, "released, but procid %s did not go on, killed perhaps; %s/%s stays "
                         "until a later barrier or --prune removes it",
               ranks_missing (&a->listed, text, sizeof text), b->where, b->key);
}

/* depart */
static void
barrier_depart (struct attempt *a)
{
  /* Released is released: the others go, and so does this one. */
  if (instance_depart (&a->in, a->own, a->b->note, !is_first (a)) != 0
      && !instance_is_gone (errno))
    log_message (LOG_WARNING, "cannot depart from %s/%s: %m; it stays for a while", a->b->where,
                 a->b->key);
  if (is_first (a))
    depart_last (a);
}

/* ------------------------------------------------------------- wait until gone */

/* Whether all tasks of the instance are in arrival, or in departure. */
static bool
is_complete (struct attempt *a, bool departed)
{
  struct ranks set;
  uint32_t tasks;

  if (instance_tasks (&a->in, a->b->tasks, &tasks) != 0 || tasks == 0
      || ranks_init (&set, tasks) != 0)
    return false;
  const bool complete = instance_list_marks (&a->in, departed, &set) == 0 && ranks_full (&set);
  ranks_free (&set);
  return complete;
}

static int
visit_left_over (void *context, const struct instance_mark *mark)
{
  struct attempt *a = context;
  struct stat st;

  /* A directory is of one who will not come. */
  if ((!instance_is_mark (mark) && mark->type != DT_DIR)
      || fstatat (mark->dirfd, mark->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return 0;
  a->others_came = true;
  return is_stale (a, mark, &st);
}

/* Whether a mark is stale, of whatever task; or there is no mark, and the instance is
 * old: its maker was killed. */
static bool
is_left_over (struct attempt *a)
{
  int64_t began;

  a->others_came = false;
  const int stale = instance_each_arrival (&a->in, NULL, visit_left_over, a);
  return stale > 0
         || (stale == 0 && !a->others_came && !a->b->gathers
             && instance_time (&a->in, INSTANCE_BEGAN, &began) == 0
             && is_older (age_of (a, began), STALE));
}

/* Procid 0 makes an instance go that another hook of its task has, or had.  A
 * release that all have departed from is left to the hook that made it, as
 * long as that can be at work.  STEP_ON: not yet. */
static enum step
make_it_go (struct attempt *a)
{
  int64_t after = a->b->timeout > 0 ? a->b->timeout : FOREVER_IS, made, touched;
  char text[INSTANCE_TEXT_MAX];
  enum outcome outcome = instance_outcome (&a->in, text);

  if (outcome == OUTCOME_ERROR || instance_open_arrival (&a->in, a->b->tasks) != 0)
    return failed_or_gone (a, "look at");
  if (outcome == OUTCOME_NONE)
    /* Whoever is stopped, and lives, will arrive anew. */
    return is_left_over (a) ? make_void (a, "a dead run", STEP_ON) : STEP_ON;
  if (instance_time (&a->in, INSTANCE_OUTCOME, &made) != 0)
    return STEP_ON;
  int64_t age = age_of (a, made);
  const int64_t left = a->b->nodes * LOOK_BLOCKED > LEFT_OVER ? LOOK_BLOCKED_MAX : LEFT_OVER;
  bool at_work = (instance_touched (&a->in, a->b->own, &touched) == 0
                  || instance_touched (&a->in, a->own, &touched) == 0)
                 && touched != 0 && !is_older (age, BARRIER_LEAVE + SECOND);
  if (outcome == OUTCOME_RELEASED && !at_work && is_complete (a, true))
    clear_away (a, true, false);
  else if (outcome == OUTCOME_VOID || (outcome == OUTCOME_RELEASED && is_older (age, left))
           || (outcome == OUTCOME_CALLED_OFF
               && (is_older (age, after) || is_complete (a, false))))
    clear_away (a, outcome == OUTCOME_VOID, false);
  else
    return STEP_ON;
  return STEP_AGAIN;
}

static enum step
was_not_gone (struct attempt *a)
{
  const struct barrier *b = a->b;
  char text[INSTANCE_TEXT_MAX] = "";
  uint32_t tasks = b->tasks;
  enum outcome outcome = instance_outcome (&a->in, text);
  const double seconds = timeout_in_seconds (b);

  if (instance_tasks (&a->in, b->tasks, &tasks) == 0 && tasks != b->tasks)
    return fail_step (a->f, EX_TEMPFAIL,
                      "this task counts %u tasks, but the barrier %s/%s is one of %u; it did not "
                      "end within %g s",
                      b->tasks, b->where, b->key, tasks, seconds);
  if (outcome == OUTCOME_VOID)
    return fail_step (a->f, EX_TEMPFAIL,
                      "procid 0 did not arrive within %g s, or was killed; only its hook makes way "
                      "for a new barrier where %s/%s was given up",
                      seconds, b->where, b->key);
  /* That may have been meant for this very task, but came too long before it. */
  if (outcome == OUTCOME_CALLED_OFF)
    return fail_step (a->f, EX_TEMPFAIL,
                      "%s/%s was called off, and still there after %g s: procid 0's hook makes way "
                      "for a new barrier when all tasks know of it; it was called off by %s",
                      b->where, b->key, seconds, text);
  return fail_step (a->f, EX_TEMPFAIL,
                    "an earlier barrier of this task, %s/%s, did not end within %g s; do all tasks "
                    "start the same number of containers?",
                    b->where, b->key, seconds);
}

/* One look at an instance that is not ours.  STEP_ON: it is still there. */
static enum step
look_whether_gone (struct attempt *a)
{
  int current = instance_is_current (&a->in);

  if (current <= 0)
    return current == 0 ? STEP_AGAIN : failed (a, "look for");
  const enum step step = a->b->self == 0 ? make_it_go (a) : STEP_ON;
  if (step != STEP_ON)
    return step;
  const char *reason = waiting_end_reason (a->b->waiting);
  if (reason != NULL)
    return fail_step (a->f, EX_PROTOCOL, "%s, while an earlier barrier of this task went on",
                      reason);
  return waiting_now () >= a->b->deadline ? was_not_gone (a) : STEP_ON;
}

/* The instance is not this hook's. */
static enum step
barrier_wait_until_gone (struct attempt *a)
{
  struct barrier *b = a->b;
  int64_t start = waiting_now ();
  enum step step;

  gather_end (&a->gather);
  if (b->self == 0)
    ask_time (a, false);
  while ((step = look_whether_gone (a)) == STEP_ON)
    {
      int64_t now = waiting_now ();
      /* Its leader may be dead meanwhile: the next try finds that out. */
      if (b->gathers && now - start > LOOK_AT_OTHERS && now < b->deadline - SECOND)
        return STEP_AGAIN;
      int64_t until = now + waiting_interval (b->waiting, now - a->began, LOOK_MAX);
      (void) waiting_sleep (b->waiting, earlier (until, b->deadline), -1);
    }
  /* It may have gone just now: too late to arrive anew. */
  return step == STEP_AGAIN && waiting_now () >= b->deadline ? was_not_gone (a) : step;
}

/* -------------------------------------------------------------------- all of it */

/* Tells, in the instance that is there now, that this hook will not come, for REASON. */
static enum step
refuse (struct attempt *a, const char *reason)
{
  /* Its leader says whether the instance is this hook's to call off; or else there is
   * no outcome, and call_off() finds out. */
  const enum outcome outcome = a->belongs ? OUTCOME_NONE : instance_outcome (&a->in, NULL);

  if (outcome == OUTCOME_ERROR)
    return failed_or_gone (a, "look at");
  if (outcome == OUTCOME_CALLED_OFF)
    return come_alone (a, true) == STEP_NOT_OURS ? STEP_NOT_OURS : STEP_FAILED;
  if (outcome != OUTCOME_NONE)
    return STEP_NOT_OURS;
  (void) fail (a->f, EX_PROTOCOL, "%s", reason);
  const enum step step = call_off (a);
  instance_wake_leaders (&a->in);
  return step;
}

/* Goes through the steps once; or, with a REFUSAL, tells that it will not come: for that
 * reason. */
static enum step
barrier_attempt (struct barrier *b, int64_t began, bool again, const char *refusal,
                 struct failure *f)
{
  struct attempt a
    = { .b = b, .f = f, .began = began, .own = b->own, .in = { .arrival = -1, .top = -1 } };

  f->text[0] = '\0';
  b->passed_on = b->leads = b->follows = false;
  gather_start (&a.gather, &a.in, b->waiting, b->own, b->node, b->self);
  a.gather.refuses = refusal != NULL;
  a.lock = (struct lock){ .waiting = b->waiting, .fd = -1 };
  enum step step = STEP_ON;
  if (instance_open (&a.in, b->dirfd, b->key, b->tasks, again) != 0)
    step = failed_or_gone (&a, "open");
  const bool entered = step == STEP_ON;
  if (step == STEP_ON)
    step = barrier_gather (&a);
  if (step == STEP_ON)
    step = refusal != NULL ? refuse (&a, refusal)
           : a.belongs     ? barrier_listen (&a)
                           : barrier_wait (&a);
  if (step == STEP_FAILED && refusal == NULL && entered && !b->passed_on && !a.unanswered)
    step = call_off (&a);
  lock_end (&a.lock); /* by now there is an outcome to be seen */
  const bool all_know = tell (&a, step);
  /* One that was told may be stopped, and not have seen it: as long as it is,
   * nobody shall remove the release. */
  if (step == STEP_RELEASED && all_know && !a.belongs)
    barrier_depart (&a);
  if (step == STEP_NOT_OURS) /* the others meet when that has gone */
    step = barrier_wait_until_gone (&a);
  /* Where this hook was nobody's the others may meet anew, or be another hook's: with
   * care. */
  const bool untold = step == STEP_FAILED && refusal == NULL
                      && (!entered || (a.unanswered && waiting_now () < b->deadline)
                          || (a.off[0] == '\0' && waiting_end_reason (b->waiting) != NULL));
  gather_end (&a.gather);
  instance_close (&a.in);
  ranks_free (&a.single);
  ranks_free (&a.fresh);
  ranks_free (&a.listed);
  if (untold)
    barrier_call_off (b, f->text);
  return step;
}

int
barrier_meet (struct barrier *b, struct failure *f)
{
  int64_t began = waiting_now ();
  enum step step;

  for (bool anew = false; (step = barrier_attempt (b, began, anew, NULL, f)) == STEP_AGAIN;
       anew = true)
    {
      const int64_t now = waiting_now ();
      const int64_t pause = waiting_interval (b->waiting, now - began, SECOND / 10);

      /* Something may keep removing it: not at full speed.  And signals may have come. */
      if (waiting_sleep (b->waiting, earlier (b->deadline, now + pause), -1) == WAKE_END)
        {
          (void) fail (f, EX_PROTOCOL, "%s", waiting_end_reason (b->waiting));
          barrier_call_off (b, f->text);
          return -1;
        }
      if (now >= b->deadline)
        return fail (f, EX_TEMPFAIL,
                     "%s/%s went away each time this task arrived, for %g s; does something remove "
                     "it?",
                     b->where, b->key, timeout_in_seconds (b));
    }
  return step == STEP_RELEASED ? 0 : -1;
}

void
barrier_call_off (struct barrier *b, const char *reason)
{
  const int64_t began = waiting_now ();
  struct failure f = { 0 };
  struct barrier now = *b;

  b->waiting->deaf = true;
  now.deadline = began + CALL_OFF_WITHIN;
  while (barrier_attempt (&now, began, true, reason, &f) == STEP_AGAIN
         && waiting_now () < now.deadline)
    {
      /* Also a leader that connects to itself, and takes this hook for that. */
      const int64_t t = waiting_now ();
      const int64_t pause = waiting_interval (b->waiting, t - began, SECOND / 2);
      (void) waiting_sleep (b->waiting, t + pause, -1);
    }
  b->waiting->deaf = false;
}
