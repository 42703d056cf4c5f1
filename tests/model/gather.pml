/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gather.pml - both levels of the barrier, for spin(1): the hooks of a node
 * gather at a socket, and their leader arrives for all of them.  barrier.pml has
 * one level only, and in it what this one leaves out: how a directory is made
 * and removed file by file, calls that fail, hooks that refuse, NTASKS.
 *
 * Lay it beside src/barrier.c and src/gather.c: a label here is a step there.
 *
 *   here               barrier.c                    gather.c
 *   enter              barrier_attempt
 *   connect            barrier_gather               gather_join, leader_begin
 *   await_answer                                    follower_ask
 *   await_word         barrier_listen               gather_listen
 *   lost_leader        barrier_listen
 *   dead               barrier_gather, make_void    follower_is_refused
 *   first_...          barrier_wait
 *   late_...           came_to_call_off
 *   gather             look, wait_a_while           gather_serve, leader_answer
 *   arrive             arrive
 *   wait               look, decide, wait_a_while
 *   left_...           check_key
 *   make_void          make_void
 *   release, own_check release
 *   has_mark           has_mark
 *   has_departed       has_departed
 *   still_released     is_released
 *   call_off_...       call_off
 *   tell, tell_...     tell                         gather_tell
 *   hang_up            tell                         gather_all_hung_up
 *   end_..., unlisten  tell                         gather_end
 *   depart, ..._last   barrier_depart, depart_last
 *   until_gone         look_whether_gone
 *   make_it_go, ..._   make_it_go
 *   clear_..., ...     clear_away (instance_go_away, _check_catch, _find_gone)
 *   remove_...         instance_remove, instance_dismantle
 *
 * Each call to the file system or to a socket is one step, between two of which
 * anybody else may make his.  What is taken together cannot make a difference:
 *
 *   - connect, and bind and listen if there is no socket: whoever binds looks at
 *     the outcome after it, and who is refused in between tries again.
 *   - connect and send: who has connected and said nothing is not answered.
 *   - accept, recv and send of an answer: nobody but the leader knows of the
 *     first two.
 *   - the listing of arrival and the look at each mark; the marks that a removal
 *     unlinks.
 *
 * Nobody looks in vain: who waits takes a step when there is something to see,
 * so that waiting for nothing is a deadlock, which spin finds.
 *
 * Time.  No clock: what takes time may happen at any time, or when its cause is
 * there.  A mark may be stale as soon as its hook has ended; marks of an earlier
 * run are.  A socket that refuses is known for a dead leader's after the second
 * in which whoever had been taken by it calls off.  With -DTIMEOUTS=1 each hook
 * may time out whenever it waits; a signal has the same effect.  Otherwise they
 * time out when somebody was killed or stays away, and nothing else can happen;
 * in a single round not even then, if somebody has seen it and has to tell the
 * others.
 *
 * SIGKILL may come before each step, -DKILLS=n times: to the hook alone, and the
 * task goes on with its next one; or with its container.
 *
 * -DMUTANT=... puts an error in, which must be found.
 */

#ifndef MUTANT
#define MUTANT 0
#endif
#define BLIND_LEADER 1     /* who has bound does not look at the outcome again */
#define DEAD_IS_FREE 2     /* a dead leader's socket is unlinked, and nothing void */
#define ORPHAN_GOES 3      /* who loses its leader arrives anew, and does not call off */
#define LOSES_NOBODY 4     /* a leader does not notice that a member is gone */
#define DEPARTS_AT_ONCE 5  /* a leader does not wait until all have hung up */
#define DEPARTS_UNHEARD 6  /* it waits, but when that is over it departs all the same */
#define DEPARTS_FOR_DEAD 7 /* who loses its leader after the release departs for it */
#define BACKLOG_COUNTS 8   /* who was not answered takes the outcome for its own */
#define CLOSES_BLIND 9     /* who leaves unanswered does not read what was said */
#define TAKES_TWICE 10     /* a task is taken though another hook of it is */
#define RELEASE_IS_FREE 11 /* procid 0's next hook clears away what is being removed */
#define LATE_LOOK 12       /* who times out does not look what stands already */
#define NO_LATE_MARK 13    /* a call-off before the arrival leaves no marks */
#define TELLS_FIRST 14     /* ... or after it was told */
#define NO_LEFT_BEHIND 15  /* nobody asks whom the key names */
#define STALE_COUNTS 16    /* nobody asks how old a mark is */
#define NO_OWN_CHECK 17    /* who sees a release does not look for its own mark */
#define REMOVES_EARLY 18   /* who has released does not wait for the others' departure */
#define REMOVES_NEVER 19   /* procid 0 leaves what it finds void to prune */
#define NO_OWN_MARK 20     /* who calls off without having arrived leaves no mark */
#define DEPARTED_COUNTS 21 /* nobody asks whether another hook's member has departed */

/* The tasks: at most 4, procid 0 and more on node 0, FIRST of them; from SECOND
 * on they are on node 2.  A node of one task does not gather. */
#ifndef TASKS
#define TASKS 3
#endif
#ifndef FIRST
#define FIRST 2
#endif
#ifndef SECOND
#define SECOND TASKS
#endif
#ifndef ALONE /* bits of tasks that do not gather, as where it is impossible */
#define ALONE 0
#endif
#ifndef ABSENT /* a task that never comes */
#define ABSENT 9
#endif
#ifndef HOOKS /* at once: one a task, and second ones of EXTRA and the next */
#define HOOKS TASKS
#endif
#ifndef EXTRA
#define EXTRA 0
#endif
#ifndef ROUNDS /* hooks of a task, one after another */
#define ROUNDS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#ifndef STOPS /* so often a live mark may be stale, and a live leader refuse */
#define STOPS 0
#endif
#ifndef ANY /* all who have arrived may decide, as with the lock: barrier.pml */
#define ANY 0
#endif
#ifndef LEFT_OVERS /* what the key may name at the start: see init; 2: no outcome, or void */
#define LEFT_OVERS 0
#endif
#ifndef INSTANCES
#define INSTANCES (HOOKS + 2)
#endif

#define ALL ((1 << TASKS) - 1)
#define TASK(hook) ((hook) < TASKS -> (hook) : ((hook) - TASKS + EXTRA) % TASKS)
#define NODE(t) ((t) < FIRST -> 0 : ((t) < SECOND -> 1 : 2))
#define NODE_0 ((1 << FIRST) - 1)
#define NODE_1 (((1 << SECOND) - 1) & ~NODE_0)
#define NODE_2 (ALL & ~NODE_0 & ~NODE_1)
#define NODE_SET(n) ((n) == 0 -> NODE_0 : ((n) == 1 -> NODE_1 : NODE_2))
#define IS_ALONE(t) ((ALONE & (1 << (t))) || NODE_SET (NODE (t)) == (1 << (t)))
#define SELF (1 << task)
#define SET (alone -> SELF : NODE_SET (node))
#define REMOVES (SET & 1) /* procid 0's member */
#define DECIDES (REMOVES || ANY)
#define EXTRA_HOOKS (HOOKS % TASKS != 0)

/* Marks: 0 to 3 are of one task, 4 to 6 of a node.  Each is NOBODY's (there is
 * none), of the live hook F - 1, of one that has ended, or of an earlier run. */
#define MARKS 7
#define OWN (alone -> task : 4 + node)
#define OWN_0 (IS_ALONE (0) -> 0 : 4)
#define NOBODY 0
#define MINE (me + 1)
#define DEAD 14
#define OLD 15
#define IS_LIVE(f) ((f) != NOBODY && (f) < DEAD)

/* The outcome of an instance; and what a leader says, which may also be AWAY. */
#define NONE 0
#define RELEASED 1
#define VOID 2
#define OFF 3
#define OFF_LONG_AGO 4
#define AWAY 5

/* A hook's connection to the leader peer - 1, as it finds it: nobody has answered
 * yet; the leader has closed it before that; has sent it away; is gone without a
 * word; has taken it; has told the outcome, which is added. */
#define CLOSED 0
#define ASKS 1
#define RESET 2
#define SENT_AWAY 3
#define LOST 4
#define TAKEN 5
#define TOLD 5

/* KEY/node-N: there is none, nobody listens, or hook S - 1 does. */
#define NO_SOCKET 0
#define REFUSES 15
#define LISTENS(s) ((s) != NO_SOCKET && (s) != REFUSES)

typedef Instance {
  unsigned there : 1;    /* the directory is */
  unsigned arrival : 1;  /* KEY/arrival is */
  unsigned departed : 1; /* a renamed KEY/departure is */
  unsigned outcome : 3;
  unsigned refs : 4;             /* hooks that hold it */
  unsigned in_departure : MARKS; /* and in what it was renamed to */
  byte mark[MARKS];
  byte sock[3];
  /* For the assertions.  Of which tasks a hook */
  unsigned came : 4;   /* has arrived, or was taken here */
  unsigned met : 4;    /* has left from here with success */
  unsigned failed : 4; /* has failed because this was called off */
  unsigned round : 2;  /* of those who met, plus 1 */
};

Instance inst[INSTANCES + 1]; /* 0 is not used */
byte key;                     /* which instance the key names, 0: none */
byte in[5];                   /* which one the hook holds */
byte conn[5], peer[5];
byte here[5];                 /* a leader's g->here: whom it has taken, and itself */
byte ended; /* hooks that have all ended */
bit litter; /* something was left that prune has to remove */
#if KILLS > 0
byte kills = KILLS;
bit unseen; /* somebody was killed, and nobody can know */
#endif
#if STOPS > 0
byte stops = STOPS;
#endif
/* For the assertions: in which instance a mark stands for the hook; and, once
 * that was released, whether it is among those who may go, and must. */
byte in_mark[5];
byte counted;

#if KILLS > 0
#define NOBODY_DIED (kills == KILLS)
#define MAY_DIE :: atomic { kills > 0 -> kills--; goto killed }
#define TIME_PASSES (TIMEOUTS || unseen)
#else
#define NOBODY_DIED true
#define MAY_DIE
#define TIME_PASSES true
#endif

#if STOPS > 0
#define MAY_BE_STOPPED (stops > 0)
#else
#define MAY_BE_STOPPED false
#endif

/* The wait for the others' arrival; and that for those who leave. */
#define STAYS_AWAY (EXTRA_HOOKS || (ABSENT < TASKS && NOBODY_DIED))
#define TIME_IS_UP (TIMEOUTS || (timeout && (STAYS_AWAY || (!NOBODY_DIED && TIME_PASSES))))
#define LEAVE_IS_OVER (TIMEOUTS || STOPS || (timeout && (EXTRA_HOOKS || !NOBODY_DIED)))

/* If all is well, all must get MET.  And nothing must be left, unless there
 * was something before, or somebody was taken for dead. */
#define ALL_WELL (NOBODY_DIED && !TIMEOUTS && !EXTRA_HOOKS && ABSENT >= TASKS)
#define CLEAN (LEFT_OVERS != 1 && !STOPS)

#define X inst[in[me]]

/* What is being removed: what was caught by mistake, or else the own one. */
#define GOING (caught != 0 -> caught : in[me])
#define R inst[GOING]

#define IS_CURRENT (key == in[me])
#define MAY_BE_STALE(f) ((f) >= DEAD || (IS_LIVE (f) && MAY_BE_STOPPED))

#define HAS(m) (X.mark[m] != NOBODY)
#define THERE \
  (HAS (0) | (HAS (1) << 1) | (HAS (2) << 2) | (HAS (3) << 3) | (HAS (4) -> NODE_0 : 0) | \
   (HAS (5) -> NODE_1 : 0) | (HAS (6) -> NODE_2 : 0))
#define LEFT(m) ((X.in_departure & (1 << (m))) != 0)
#define ALL_HAVE_LEFT \
  (((X.in_departure & 15) | (LEFT (4) -> NODE_0 : 0) | (LEFT (5) -> NODE_1 : 0) | \
    (LEFT (6) -> NODE_2 : 0)) == ALL)
#define SOME(what) \
  (what (X.mark[0]) || what (X.mark[1]) || what (X.mark[2]) || what (X.mark[3]) || \
   what (X.mark[4]) || what (X.mark[5]) || what (X.mark[6]))
#define IS_OLD(f) ((f) == OLD)
#define IS_DEAD(f) ((f) == DEAD)
#define SOME_LEFT \
  (R.mark[0] || R.mark[1] || R.mark[2] || R.mark[3] || R.mark[4] || R.mark[5] || R.mark[6])
#define SOCKETS (R.sock[0] || R.sock[1] || R.sock[2])

/* Whether the task has a mark here, by itself or with its node. */
#define IS_KNOWN (HAS (task) || HAS (4 + node))

/* A leader: who asks it, whom it has not told, who of those taken is there. */
#define FROM(h, state) (peer[h] == me + 1 && conn[h] == state)
#define SOME_ASK \
  (FROM (0, ASKS) || FROM (1, ASKS) || FROM (2, ASKS) || FROM (3, ASKS) || FROM (4, ASKS))
#define SOME_UNTOLD \
  (FROM (0, TAKEN) || FROM (1, TAKEN) || FROM (2, TAKEN) || FROM (3, TAKEN) || FROM (4, TAKEN))
#define HOLDS(h) (peer[h] == me + 1 && conn[h] >= TAKEN)
#define HELD(h) (HOLDS (h) -> 1 << TASK (h) : 0)
#define CONNECTED (HELD (0) | HELD (1) | HELD (2) | HELD (3) | HELD (4))
#define HAS_LOST (CONNECTED != (here[me] & ~SELF) && MUTANT != LOSES_NOBODY)

/* Somebody has lost its leader, and is about to call off. */
#define ORPHANS \
  (conn[0] == LOST || conn[1] == LOST || conn[2] == LOST || conn[3] == LOST || conn[4] == LOST)
#define IS_DEAD_SOCKET \
  ((X.sock[node] == REFUSES && (TIME_PASSES || !ORPHANS)) || \
   (LISTENS (X.sock[node]) && MAY_BE_STOPPED))

/* A release is old when nobody who lives can still be about to depart. */
#define IN_USE(h) (in[h] == in[me] && ((counted & (1 << h)) || in_mark[h] == in[me]))
#define IS_IN_USE (IN_USE (0) || IN_USE (1) || IN_USE (2) || IN_USE (3) || IN_USE (4))
#define RELEASE_IS_OLD (TIMEOUTS || STOPS || !(IS_IN_USE || SOME (IS_LIVE)))
#define IS_AT_WORK (IS_LIVE (X.mark[OWN_0]) && !RELEASE_IS_OLD && MUTANT != RELEASE_IS_FREE)

/* Procid 0, which waits until it is gone: is there something to do? */
#define WORTH_CLEARING \
  ((X.outcome == NONE && SOME (MAY_BE_STALE)) || X.outcome == VOID || \
   X.outcome == OFF_LONG_AGO || (X.outcome == OFF && THERE == ALL) || \
   (X.outcome == RELEASED && (RELEASE_IS_OLD || (ALL_HAVE_LEFT && !IS_AT_WORK))))

/* -------------------------------------------------------------- book-keeping */

inline no_marks (x)
{
  inst[x].mark[0] = NOBODY;
  inst[x].mark[1] = NOBODY;
  inst[x].mark[2] = NOBODY;
  inst[x].mark[3] = NOBODY;
  inst[x].mark[4] = NOBODY;
  inst[x].mark[5] = NOBODY;
  inst[x].mark[6] = NOBODY
}

inline no_sockets (x)
{
  inst[x].sock[0] = NO_SOCKET;
  inst[x].sock[1] = NO_SOCKET;
  inst[x].sock[2] = NO_SOCKET
}

/* Nobody can get at instance X any more: what is left of it is the same
 * whatever it was. */
inline forget (x)
{
  litter = litter | inst[x].there;
  inst[x].there = 0;
  inst[x].arrival = 0;
  inst[x].departed = 0;
  inst[x].outcome = NONE;
  inst[x].in_departure = 0;
  no_marks (x);
  no_sockets (x);
  inst[x].came = 0;
  inst[x].met = 0;
  inst[x].failed = 0;
  inst[x].round = 0
}

inline hold (x)
{
  in[me] = x;
  inst[x].refs++
}

inline put (x)
{
  inst[x].refs--;
  if
  :: inst[x].refs == 0 && key != x -> forget (x)
  :: else
  fi
}

#define FOR_ALL_HOOKS(condition, action) \
  n = 0; \
  do \
  :: n < HOOKS -> \
     if \
     :: condition -> action \
     :: else \
     fi; \
     n++ \
  :: else -> break \
  od; \
  n = 0

/* The kernel closes the sockets, by gather_end() or by SIGKILL. */
inline hang_up_all ()
{
  FOR_ALL_HOOKS (peer[n] == me + 1,
                 peer[n] = 0;
                 conn[n] = (conn[n] == ASKS -> RESET : (conn[n] == TAKEN -> LOST : conn[n])));
  if
  :: in[me] != 0 && X.sock[node] == MINE -> X.sock[node] = REFUSES
  :: else
  fi;
  conn[me] = CLOSED;
  peer[me] = 0;
  here[me] = 0;
  leads = 0
}

/* The hook is not at work here any more. */
inline let_go ()
{
  in_mark[me] = 0;
  counted = counted & ~(1 << me);
  if
  :: in[me] != 0 && X.mark[OWN] == MINE -> X.mark[OWN] = DEAD
  :: else
  fi;
  arrived = 0;
  waited = 0;
  belongs = 0;
  off = 0;
  said = NONE
}

inline close_all ()
{
  d_step {
    hang_up_all ();
    let_go ();
    if
    :: in[me] != 0 -> put (in[me]); in[me] = 0
    :: else
    fi;
    alone = IS_ALONE (task)
  }
}

/* mkdir KEY, arrival: any number that is free will do, so it is always the
 * first. */
inline make_directory ()
{
  d_step {
    n = 1;
    do
    :: n <= INSTANCES && (inst[n].there || inst[n].refs > 0) -> n++
    :: else -> break
    od;
    assert (n <= INSTANCES);
    inst[n].there = 1;
    inst[n].arrival = 1;
    key = n;
    n = 0
  }
}

/* --------------------------------------------------------------- what must hold */

/* Never set: so that what spin prints of a broken assertion begins with the
 * name of the property. */
hidden byte safety, agreement, progress, cleanliness, separation, thrift;
#define must(property, condition) assert (property || (condition))

/* A release is made, while marks of all are there: those for whom they stand may
 * go, and have to, if they live. */
inline count_all ()
{
  d_step {
    must (safety, X.came == ALL);
    FOR_ALL_HOOKS (in_mark[n] == in[me], counted = counted | (1 << n))
  }
}

/* Safety, and each instance for one hook of each task.  If all is well, a task's
 * k-th hook meets the k-th hooks of the others. */
inline check_met ()
{
  d_step {
    printf ("MET in %d\n", in[me]);
    must (safety, counted & (1 << me));
    must (safety, X.came == ALL);
    must (safety, !(X.met & SELF));
    X.met = X.met | SELF;
#if ROUNDS > 1 && HOOKS == TASKS
    must (safety, !ALL_WELL || X.round == 0 || X.round == round + 1);
    X.round = round + 1;
#endif
    counted = counted & ~(1 << me)
  }
}

/* Agreement: nobody who was counted leaves without MET. */
inline check_left ()
{
  must (agreement, !(counted & (1 << me)))
}

/* A call-off makes one hook of each task fail, not the next one, too. */
inline check_failed ()
{
#if HOOKS == TASKS && KILLS == 0 && !LEFT_OVERS
  d_step {
    if
    :: off ->
       must (separation, !(X.failed & SELF));
       X.failed = X.failed | SELF
    :: else
    fi
  }
#else
  skip
#endif
}

inline check_all_ended ()
{
  d_step {
    if
    :: ended == HOOKS && ALL_WELL ->
       must (cleanliness, STOPS || key == 0);
       must (cleanliness, !CLEAN || !litter)
    :: else
    fi
  }
}

/* -------------------------------------------------------------------- the hooks */

/* Accepts, reads the task, and answers. */
inline answer (h)
{
  d_step {
    if
    :: (here[me] & (1 << TASK (h))) && MUTANT != TAKES_TWICE -> conn[h] = SENT_AWAY; peer[h] = 0
    :: else ->
       conn[h] = TAKEN;
       here[me] = here[me] | (1 << TASK (h));
       X.came = X.came | (1 << TASK (h))
    fi
  }
}

inline serve ()
{
  if
  :: FROM (0, ASKS) -> answer (0)
  :: FROM (1, ASKS) -> answer (1)
  :: FROM (2, ASKS) -> answer (2)
#if HOOKS > 3
  :: FROM (3, ASKS) -> answer (3)
#endif
#if HOOKS > 4
  :: FROM (4, ASKS) -> answer (4)
#endif
  fi
}

/* Marks for all who are here, since nobody arrives for them. */
inline mark_here ()
{
  d_step {
    n = 0;
    do
    :: n < TASKS ->
       if
       :: X.arrival && (here[me] & (1 << n)) && X.mark[n] == NOBODY -> X.mark[n] = DEAD
       :: else
       fi;
       n++
    :: else -> break
    od;
    n = 0
  }
}

/* after: what comes when it was cleared away */
#define ENTERS 0
#define LEAVES 1
#define TELLS 2

/* There is an outcome. */
inline follow ()
{
  if
  :: X.outcome == RELEASED && arrived -> goto has_mark
  :: X.outcome == VOID && arrived && REMOVES -> removes = 1; after = TELLS; goto clear_away
  :: X.outcome == VOID && arrived && !REMOVES -> said = VOID; goto tell
  :: X.outcome <= VOID && !arrived -> said = AWAY; goto tell
  :: X.outcome >= OFF && (arrived || leads) -> said = OFF; off = 1; goto tell
  :: X.outcome >= OFF && !arrived && !leads -> said = OFF; off = 1; goto own_mark
  fi
}

proctype hook (byte me; byte task)
{
  byte n, caught, round;
  byte said;             /* the leader's word, or what would be: AWAY to fail alone, too */
  unsigned after : 2;
  unsigned node : 2;
  bit alone;             /* own is the task itself */
  bit leads, belongs, arrived;
  bit waited;            /* has seen no outcome since it arrived */
  bit off;               /* a->off: fails because it was called off */
  bit fails;             /* the step is STEP_FAILED, whatever was said */
  bit removes;           /* clear_away: remove, too */

  d_step { node = NODE (task); alone = IS_ALONE (task) };
  goto enter;

  atomic {
    false;
again: /* STEP_AGAIN */
    check_left ();
    close_all ();
    goto enter
  };

enter:
  if
  :: atomic {
       true ->
       if
       :: key == 0 -> make_directory ()
       :: else
       fi;
       hold (key);
       if
       :: alone -> goto first_look
       :: else
       fi
     }
  :: atomic { TIME_IS_UP -> fails = 1; goto failed }
  MAY_DIE
  fi;

connect: /* or bind, if there is no socket */
  if
  :: atomic { !X.there -> goto again }
  :: atomic { X.there && LISTENS (X.sock[node]) -> conn[me] = ASKS; peer[me] = X.sock[node];
              goto await_answer }
  :: atomic { X.there && X.sock[node] == NO_SOCKET ->
              printf ("leads in %d\n", in[me]);
              X.sock[node] = MINE;
              leads = 1;
              here[me] = SELF;
              X.came = X.came | SELF;
              goto first_look }
  :: atomic { X.there && X.sock[node] == REFUSES && X.outcome != NONE -> alone = 1; goto first_look }
  :: atomic { X.there && X.outcome == NONE && IS_DEAD_SOCKET -> goto dead }
  :: atomic { TIME_IS_UP -> fails = 1; goto failed }
  MAY_DIE
  fi;

dead: /* symlink void, since nobody has listened for a while */
  if
  :: atomic { X.there && X.outcome == NONE && MUTANT != DEAD_IS_FREE ->
              printf ("finds a dead leader in %d\n", in[me]);
#if STOPS > 0
              stops = (LISTENS (X.sock[node]) && stops > 0 -> stops - 1 : stops);
#endif
              X.outcome = VOID;
              goto not_ours }
  :: atomic { X.there && MUTANT == DEAD_IS_FREE -> X.sock[node] = NO_SOCKET; goto connect }
  :: atomic { X.outcome != NONE && MUTANT != DEAD_IS_FREE -> goto not_ours }
  :: atomic { !X.there -> goto again }
  MAY_DIE
  fi;

/* ---------------------------------------------------- at the socket of another */

await_answer: /* who leaves shuts down and reads: so it was taken or not; then it
               * calls nothing off, since this may be another hook's */
  if
  :: atomic { conn[me] >= TAKEN || conn[me] == LOST -> belongs = 1 }
  :: atomic { conn[me] == SENT_AWAY -> goto not_ours }
  :: atomic { conn[me] == RESET && MUTANT != BACKLOG_COUNTS -> goto again }
  :: atomic { conn[me] == RESET && MUTANT == BACKLOG_COUNTS -> belongs = 1; goto lost_leader }
  :: atomic { (conn[me] == ASKS || MUTANT == CLOSES_BLIND) && TIME_IS_UP ->
              conn[me] = CLOSED; peer[me] = 0; fails = 1; goto failed }
  MAY_DIE
  fi;

await_word:
  if
  :: atomic {
       conn[me] > TAKEN ->
       said = conn[me] - TOLD;
       conn[me] = CLOSED;
       peer[me] = 0;
       if
       :: said == RELEASED -> goto met
       :: said == VOID -> goto again
       :: said == OFF -> off = 1; fails = 1; goto failed
       :: said == AWAY -> goto not_ours
       fi
     }
  :: atomic { conn[me] == LOST -> goto lost_leader }
  :: atomic { conn[me] == TAKEN && TIME_IS_UP -> goto call_off }
  MAY_DIE
  fi;

lost_leader: /* without a word: look at the outcome */
  if
  :: atomic { X.outcome == NONE && MUTANT != ORPHAN_GOES -> goto call_off }
  :: atomic { X.outcome == NONE && MUTANT == ORPHAN_GOES -> goto again }
  :: atomic { X.outcome == RELEASED -> goto has_mark }
  :: atomic { X.outcome == VOID -> goto again }
  :: atomic { X.outcome >= OFF -> off = 1; goto own_mark }
  MAY_DIE
  fi;

/* ------------------------------------------------- a leader, or who is alone */

first_look: /* at the outcome */
  if
  :: X.outcome == NONE || MUTANT == BLIND_LEADER
  :: atomic { (X.outcome == RELEASED || X.outcome == VOID) && MUTANT != BLIND_LEADER ->
              said = AWAY; goto tell }
  :: atomic { X.outcome >= OFF && MUTANT != BLIND_LEADER ->
              d_step { hang_up_all (); alone = 1 };
              goto late_list }
  MAY_DIE
  fi;

first_key: /* who is alone arrives next, and looks then */
  if
  :: IS_CURRENT || alone || MUTANT == NO_LEFT_BEHIND
  :: atomic { !IS_CURRENT && !alone && MUTANT != NO_LEFT_BEHIND -> goto left_behind }
  MAY_DIE
  fi;

gather:
  if
  :: atomic { here[me] == SET || alone }
  :: atomic { SOME_ASK -> serve (); goto gather }
  :: atomic { X.outcome != NONE -> follow () }
  :: atomic { X.outcome == NONE && !IS_CURRENT && MUTANT != NO_LEFT_BEHIND -> goto left_behind }
  :: atomic { leads && HAS_LOST -> goto call_off }
  :: atomic { here[me] != SET && !alone && TIME_IS_UP -> goto call_off }
  MAY_DIE
  fi;

arrive: /* symlink arrival/SET, exclusively */
  if
  :: atomic { !X.arrival -> said = VOID; goto tell }
  :: atomic { X.arrival && HAS (OWN) -> said = AWAY; goto tell }
  :: atomic {
       X.arrival && !HAS (OWN) ->
       printf ("arrives in %d\n", in[me]);
       X.mark[OWN] = MINE;
       arrived = 1;
       d_step {
         X.came = X.came | SELF;
         in_mark[me] = in[me];
         FOR_ALL_HOOKS (HOLDS (n), in_mark[n] = in[me])
       }
     }
  MAY_DIE
  fi;

look: /* at the outcome */
  if
  :: atomic { X.outcome != NONE -> follow () }
  :: atomic { X.outcome == NONE -> waited = 1 }
  MAY_DIE
  fi;

look_key:
  if
  :: IS_CURRENT || MUTANT == NO_LEFT_BEHIND
  :: atomic { !IS_CURRENT && MUTANT != NO_LEFT_BEHIND -> goto left_behind }
  MAY_DIE
  fi;

wait:
  if
  :: atomic { X.outcome != NONE -> follow () }
  :: atomic { X.outcome == NONE && !IS_CURRENT && MUTANT != NO_LEFT_BEHIND -> goto left_behind }
  :: atomic { X.outcome == NONE && X.mark[OWN] == NOBODY -> said = VOID; goto tell }
  :: atomic { X.outcome == NONE && DECIDES && MUTANT != STALE_COUNTS &&
              (SOME (IS_OLD) || (SOME (IS_DEAD) && TIME_PASSES)) ->
              printf ("finds remains in %d\n", in[me]); goto make_void }
#if STOPS > 0
  :: atomic { X.outcome == NONE && DECIDES && stops > 0 -> stops--; goto make_void }
#endif
  :: atomic { X.outcome == NONE && DECIDES && THERE == ALL &&
              (!SOME (IS_OLD) || MUTANT == STALE_COUNTS) -> goto release }
  :: atomic { leads && X.outcome == NONE && HAS_LOST -> goto call_off }
  :: atomic { leads && SOME_ASK -> serve (); goto wait }
  :: atomic { X.outcome == NONE && TIME_IS_UP -> goto call_off }
  MAY_DIE
  fi;

make_void: /* symlink void */
  if
  :: atomic { X.there && X.outcome == NONE -> X.outcome = VOID; goto wait }
  :: atomic { X.outcome != NONE -> goto wait }
  :: atomic { !X.there -> said = VOID; goto tell }
  MAY_DIE
  fi;

release: /* mkdir departure */
  if
  :: atomic {
       X.there && X.outcome == NONE ->
       printf ("releases %d\n", in[me]);
       X.outcome = RELEASED;
       if
       :: X.mark[OWN] == MINE -> count_all ()
       :: else
       fi
     }
  :: atomic { X.outcome != NONE -> goto wait }
  :: atomic { !X.there -> said = VOID; goto tell }
  MAY_DIE
  fi;

own_check: /* of who has released */
  if
  :: atomic { X.mark[OWN] == MINE || MUTANT == NO_OWN_CHECK -> said = RELEASED; goto tell }
  :: atomic { X.mark[OWN] != MINE && MUTANT != NO_OWN_CHECK -> said = VOID; goto tell }
  MAY_DIE
  fi;

has_mark: /* of who sees a release */
  if
  :: HAS (OWN) && !waited && MUTANT != NO_OWN_CHECK && MUTANT != DEPARTED_COUNTS
  :: atomic { (HAS (OWN) && (waited || MUTANT == DEPARTED_COUNTS)) || MUTANT == NO_OWN_CHECK ->
              goto is_released }
  :: atomic { !HAS (OWN) && MUTANT != NO_OWN_CHECK -> goto is_void }
  MAY_DIE
  fi;

has_departed: /* list departure, of who has not seen it unreleased */
  if
  :: atomic { X.outcome == RELEASED && LEFT (OWN) -> goto is_void }
  :: X.outcome != RELEASED || !LEFT (OWN)
  MAY_DIE
  fi;

still_released: /* look at the outcome: else that may have been removed */
  if
  :: atomic { X.outcome == RELEASED ->
is_released:
              said = RELEASED;
              if
#if MUTANT == DEPARTS_FOR_DEAD
              :: belongs -> X.in_departure = X.in_departure | (1 << OWN); goto met
#else
              :: belongs -> goto met
#endif
              :: else -> goto tell
              fi }
  :: atomic { X.outcome != RELEASED ->
is_void:
              said = VOID;
              if
              :: belongs -> goto again
              :: else -> goto tell
              fi }
  MAY_DIE
  fi;

left_behind: /* symlink void */
  if
  :: atomic { X.there && X.outcome == NONE -> X.outcome = VOID; said = VOID; goto tell }
  :: X.outcome != NONE
  :: atomic { !X.there -> said = VOID; goto tell }
  MAY_DIE
  fi;

left_look:
  if
  :: atomic { X.outcome != NONE -> follow () }
  :: atomic { X.outcome == NONE -> said = VOID; goto tell }
  MAY_DIE
  fi;

/* ------------------------------------------------------------------ call off */

call_off: /* who has not arrived looks at the key, and at the outcome */
  if
  :: arrived || IS_CURRENT || X.outcome != NONE
  :: atomic { !arrived && !IS_CURRENT && X.outcome == NONE ->
              said = AWAY; fails = 1; goto tell }
  MAY_DIE
  fi;

call_off_link: /* symlink called-off */
  if
  :: atomic { X.there && X.outcome == NONE ->
              printf ("calls %d off\n", in[me]); X.outcome = OFF; said = OFF; off = arrived || belongs || leads;
              goto own_mark }
  :: atomic { X.outcome != NONE && MUTANT == LATE_LOOK -> said = AWAY; fails = 1; goto tell }
  :: X.outcome != NONE && MUTANT != LATE_LOOK
  :: atomic { !X.there -> said = AWAY; fails = 1; goto tell }
  :: atomic { !X.there -> said = VOID; goto tell } /* to call off where the others are */
  MAY_DIE
  fi;

call_off_look:
  if
  :: atomic { X.outcome == RELEASED && (arrived || belongs) -> goto has_mark }
  :: atomic { X.outcome == RELEASED && !arrived && !belongs -> said = VOID; goto tell }
  :: atomic { X.outcome >= OFF -> said = OFF; off = arrived || belongs || leads; goto own_mark }
  :: atomic { X.outcome == VOID || X.outcome == NONE -> said = AWAY; fails = 1; goto tell }
  :: atomic { X.outcome == VOID || X.outcome == NONE -> said = VOID; goto tell }
  MAY_DIE
  fi;

own_mark: /* know_that_it_is_off: of who has neither arrived nor leads */
  if
  :: leads || arrived || MUTANT == NO_OWN_MARK
  :: atomic {
       !leads && !arrived && MUTANT != NO_OWN_MARK ->
       if
       :: X.arrival && !IS_KNOWN -> X.mark[task] = DEAD
       :: else
       fi
     }
  MAY_DIE
  fi;
  atomic {
    if
    :: leads || arrived -> goto tell
    :: else -> fails = 1; goto failed
    fi
  };

late_list: /* came_to_call_off: is it known to the task already? */
  if
  :: atomic { IS_KNOWN -> goto not_ours }
  :: !IS_KNOWN
  MAY_DIE
  fi;

late_mark: /* symlink arrival/P */
  if
  :: atomic { X.arrival && HAS (task) -> goto not_ours }
  :: atomic { !X.arrival -> goto again }
  :: atomic {
       X.arrival && !HAS (task) ->
       X.mark[task] = DEAD;
       if
       :: X.outcome == OFF_LONG_AGO -> goto not_ours
       :: else -> off = 1; fails = 1; goto failed
       fi
     }
  MAY_DIE
  fi;

/* ---------------------------------------------------------------------- tell */

tell: /* nobody is taken any more: close the listener */
  if
  :: atomic { !leads -> goto told }
  :: atomic {
       leads ->
       d_step {
         FOR_ALL_HOOKS (FROM (n, ASKS), conn[n] = RESET; peer[n] = 0);
         if
         :: X.sock[node] == MINE -> X.sock[node] = REFUSES
         :: else
         fi
       }
     }
  MAY_DIE
  fi;

#if MUTANT != TELLS_FIRST
tell_marks: /* of all who are here, for their next hooks */
  if
  :: said != OFF || arrived || MUTANT == NO_LATE_MARK
  :: atomic { said == OFF && !arrived && MUTANT != NO_LATE_MARK -> mark_here () }
  MAY_DIE
  fi;
#endif

tell_each: /* send the word */
  if
  :: atomic {
       SOME_UNTOLD ->
       d_step {
         n = 0;
         do
         :: n < HOOKS && !FROM (n, TAKEN) -> n++
         :: else -> break
         od;
         conn[n] = TOLD + said;
         n = 0
       };
       goto tell_each
     }
  :: !SOME_UNTOLD
  MAY_DIE
  fi;

#if MUTANT == TELLS_FIRST
tell_marks:
  if
  :: said != OFF || arrived
  :: atomic { said == OFF && !arrived -> mark_here () }
  MAY_DIE
  fi;
#endif

hang_up: /* whom it has told of a release */
  if
  :: said != RELEASED || CONNECTED == 0 || MUTANT == DEPARTS_AT_ONCE
  :: atomic { said == RELEASED && CONNECTED != 0 && LEAVE_IS_OVER -> fails = 1 }
  MAY_DIE
  fi;

end_close:
  if
  :: atomic { true -> d_step { hang_up_all () } }
  MAY_DIE
  fi;

unlisten: /* unlink node-N */
  if
  :: atomic { true -> X.sock[node] = (X.there -> NO_SOCKET : X.sock[node]); goto told }
  MAY_DIE
  fi;

  atomic {
    false;
told:
    if
    :: said == RELEASED && fails && MUTANT != DEPARTS_UNHEARD -> fails = 0; goto met
    :: said == RELEASED && (!fails || MUTANT == DEPARTS_UNHEARD) -> fails = 0; goto depart
    :: said == VOID -> goto again
    :: said == OFF -> fails = 1; goto failed
    :: said == AWAY && fails -> goto failed
    :: said == AWAY && !fails -> goto not_ours
    fi
  };

depart: /* rename arrival/SET departure/SET, or symlink departure/SET */
  if
  :: atomic { X.outcome == RELEASED || X.departed ->
              X.in_departure = X.in_departure | (1 << OWN);
              if
              :: !REMOVES && X.mark[OWN] == MINE -> X.mark[OWN] = NOBODY
              :: true
              fi;
              if
              :: REMOVES -> check_met (); goto depart_last
              :: else -> goto met
              fi }
  :: atomic { X.outcome != RELEASED && !X.departed -> goto met }
  MAY_DIE
  fi;

depart_last: /* list departure */
  if
  :: atomic { ALL_HAVE_LEFT || MUTANT == REMOVES_EARLY -> removes = 1; after = LEAVES; goto clear_away }
  :: atomic { LEAVE_IS_OVER || !X.there -> X.mark[OWN] = (X.mark[OWN] == MINE -> DEAD : X.mark[OWN]);
              goto leave }
  MAY_DIE
  fi;

  atomic {
    false;
met: /* STEP_RELEASED */
    check_met ();
    goto leave
  };

/* ----------------------------------------------------------- wait until it is gone */

  atomic {
    false;
not_ours: /* STEP_NOT_OURS */
    check_left ();
    d_step { hang_up_all (); let_go () }
  };

until_gone:
  if
  :: atomic { !IS_CURRENT -> goto again }
  :: atomic { IS_CURRENT && task == 0 && WORTH_CLEARING -> goto make_it_go }
  :: atomic { IS_CURRENT && !IS_ALONE (task) && X.outcome == NONE &&
              ((X.sock[node] == REFUSES && IS_DEAD_SOCKET) ||
               (LISTENS (X.sock[node]) && !(here[X.sock[node] - 1] & SELF))) -> goto again }
  :: atomic { TIME_IS_UP -> fails = 1; goto failed }
  MAY_DIE
  fi;

make_it_go: /* look at the outcome, and what else it takes */
  if
  :: atomic { X.outcome == NONE && SOME (MAY_BE_STALE) }
  :: atomic { X.outcome == NONE && !SOME (MAY_BE_STALE) -> goto until_gone }
  :: atomic { X.outcome == RELEASED && ALL_HAVE_LEFT && !IS_AT_WORK -> removes = 1; goto clear_away }
  :: atomic { X.outcome == RELEASED && !ALL_HAVE_LEFT && RELEASE_IS_OLD -> goto clear_away }
  :: atomic { X.outcome == RELEASED && ((ALL_HAVE_LEFT && IS_AT_WORK) ||
                                       (!ALL_HAVE_LEFT && !RELEASE_IS_OLD)) -> goto until_gone }
  :: atomic { X.outcome == VOID -> removes = (MUTANT != REMOVES_NEVER); goto clear_away }
  :: atomic { X.outcome == OFF_LONG_AGO || (X.outcome == OFF && THERE == ALL) -> goto clear_away }
  :: atomic { X.outcome == OFF && THERE != ALL -> goto until_gone }
  MAY_DIE
  fi;

make_it_void: /* symlink void */
  if
  :: atomic { X.there && X.outcome == NONE -> X.outcome = VOID; goto until_gone }
  :: atomic { !X.there || X.outcome != NONE -> goto until_gone }
  MAY_DIE
  fi;

/* ------------------------------------------------------------ clear away, remove */

clear_away: /* does the key name it? */
  if
  :: IS_CURRENT
  :: atomic { !IS_CURRENT -> goto find_gone }
  MAY_DIE
  fi;

clear_rename: /* rename KEY, and look what was caught */
  if
  :: atomic { key == 0 -> goto find_gone }
  :: atomic {
       IS_CURRENT ->
       printf ("clears %d away\n", in[me]);
       key = 0;
       if
       :: removes -> goto remove_outcome
       :: else -> goto cleared
       fi
     }
  :: atomic {
       key != 0 && !IS_CURRENT ->
       printf ("catches %d, but means %d\n", key, in[me]);
       /* Nobody has to arrive anew for nothing. */
       must (thrift, !ALL_WELL || !CLEAN || HOOKS != TASKS);
       caught = key;
       inst[caught].refs++;
       key = 0
     }
  MAY_DIE
  fi;

caught_other: /* symlink void; look at the outcome */
  if
  :: atomic {
       true ->
       if
       :: R.there && R.outcome == NONE -> R.outcome = VOID
       :: else
       fi;
       if
       :: R.outcome == VOID -> goto remove_outcome
       :: else -> d_step { put (caught); caught = 0 }; goto find_gone
       fi
     }
  MAY_DIE
  fi;

find_gone: /* list the directory above */
  if
  :: atomic { removes && X.there && !IS_CURRENT -> goto remove_outcome }
  :: atomic { !removes || !X.there || IS_CURRENT -> goto cleared }
  MAY_DIE
  fi;

remove_outcome: /* rename departure, if it is a directory */
  if
  :: atomic {
       true ->
       if
       :: R.outcome == RELEASED -> R.outcome = NONE; R.departed = 1
       :: else
       fi
     }
  MAY_DIE
  fi;

remove_marks: /* list arrival, and unlink each */
  if
  :: atomic { true -> d_step { n = GOING; no_marks (n); n = 0 } }
  MAY_DIE
  fi;

remove_arrival: /* rmdir arrival; if somebody has just arrived, once more */
  if
  :: atomic { SOME_LEFT -> goto remove_outcome }
  :: atomic { !SOME_LEFT -> R.arrival = 0 }
  MAY_DIE
  fi;

remove_sockets: /* and departed-N */
  if
  :: atomic { true -> d_step { n = GOING; no_sockets (n); n = 0; R.in_departure = 0; R.departed = 0 } }
  MAY_DIE
  fi;

remove_link: /* unlink or rmdir departure */
  if
  :: atomic { true -> R.outcome = NONE }
  MAY_DIE
  fi;

remove_top: /* rmdir */
  if
  :: atomic {
       R.outcome == NONE && !SOCKETS && !R.departed ->
       R.there = 0;
       printf ("has removed %d\n", GOING);
       if
       :: caught != 0 -> d_step { put (caught); caught = 0 }; goto find_gone
       :: else -> goto cleared
       fi
     }
  :: atomic { R.outcome != NONE || SOCKETS || R.departed -> goto remove_outcome }
  MAY_DIE
  fi;

  atomic {
    false;
cleared:
    removes = 0;
    if
    :: after == ENTERS -> goto again
    :: after == LEAVES -> after = ENTERS; goto leave
    :: after == TELLS -> after = ENTERS; said = VOID; goto tell
    fi
  };

/* ------------------------------------------------------------------- the end */

#if KILLS > 0
killed:
  atomic {
    printf ("is killed in %d\n", in[me]);
    /* Does somebody on its node, or its leader, see it, where it matters? */
    if
    :: ROUNDS == 1 && HOOKS == TASKS && IS_CURRENT && X.outcome == NONE &&
       ((leads && CONNECTED != 0) || conn[me] == TAKEN)
    :: else -> unseen = 1
    fi;
    d_step {
      if
      :: caught != 0 -> put (caught); caught = 0
      :: else
      fi;
      removes = 0;
      after = ENTERS
    };
    if
    :: round = ROUNDS
    :: ROUNDS > 1 && round < ROUNDS - 1
    fi;
    goto leave
  };
#endif

  atomic {
    false;
failed: /* STEP_FAILED */
    printf ("FAILED in %d\n", in[me]);
    must (progress, !ALL_WELL);
    check_left ();
    check_failed ();
    goto leave
  };

  atomic {
    false;
leave: /* the task goes on with its next hook */
    close_all ();
    fails = 0;
    round++;
    if
    :: round < ROUNDS -> goto again
    :: else
    fi;
    round = 0;
    ended++;
    check_all_ended ();
    goto end_of_task
  };

end_of_task:
  false
}

/* A killed run may have left anything that a run can leave, but all its marks
 * are old, and nobody listens. */
#define L inst[1]

inline leave_mark (m)
{
  if
  :: true
  :: L.mark[m] = OLD
  :: L.outcome == RELEASED -> L.mark[m] = OLD; L.in_departure = L.in_departure | (1 << m)
  fi
}

inline leave_node (n, first, set)
{
  if
  :: set == 0
  :: set != 0 ->
     m = 4 + n;
     if
     :: IS_ALONE (first) -> m = first
     :: else
     fi;
     leave_mark (m);
     if
     :: true
     :: m > 3 -> L.sock[n] = REFUSES
     fi
  fi
}

inline leave_instance ()
{
  L.there = 1;
  L.arrival = 1;
  key = 1;
  if
  :: true
  :: LEFT_OVERS == 1 -> L.outcome = RELEASED
  :: L.outcome = VOID
  :: LEFT_OVERS == 1 -> L.outcome = OFF_LONG_AGO
  :: TIMEOUTS -> L.outcome = OFF
  fi;
  leave_node (0, 0, NODE_0);
  leave_node (1, FIRST, NODE_1);
  leave_node (2, SECOND, NODE_2);
  m = 0
}

init
{
  byte m;

  atomic {
    m = 0;
#if LEFT_OVERS
    leave_instance ();
#endif
#if ABSENT != 0
    run hook (0, 0);
#endif
#if ABSENT != 1
    run hook (1, 1);
#endif
#if HOOKS > 2 && ABSENT != 2
    run hook (2, TASK (2));
#endif
#if HOOKS > 3
    run hook (3, TASK (3));
#endif
#if HOOKS > 4
    run hook (4, TASK (4));
#endif
  }
}
