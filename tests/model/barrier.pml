/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * barrier.pml - the protocol of src/barrier.c and src/instance.c, for spin(1).
 *
 * Lay the three side by side: a label here has the name of the function there,
 * or of its step.  tests/model/check says which configurations are searched,
 * and runs them.
 *
 *   here             barrier.c             instance.c
 *   enter, make_...  barrier_attempt       instance_open
 *   first_look       barrier_wait          instance_outcome
 *   late_...         came_to_call_off,     instance_list_marks, _arrive
 *                    come_alone
 *   members          check_tasks           instance_tasks
 *   arrive           arrive                instance_arrive
 *   look             look                  instance_outcome
 *   wait             look
 *   lock_try         try_lock              lock_try
 *   blocked          wait_a_while          lock_wait
 *   let_go           follow, look          lock_end
 *   wait_key         check_key             instance_is_current
 *   left_...         check_key             instance_void, instance_outcome
 *   touch            touch                 instance_touch
 *   decide           decide, visit_arrival instance_each_arrival
 *   make_void        make_void             instance_void
 *   release          release               instance_release
 *   own_check        release               instance_touched, _is_own
 *   confirm          release               instance_confirm
 *   follow           follow
 *   has_mark         has_mark              instance_touched
 *   has_departed     has_departed          instance_list_marks
 *   still_released   is_released           instance_outcome
 *   call_off, told   call_off              instance_call_off
 *   place            come_alone            instance_list_marks, _refuse
 *   depart           barrier_depart        instance_depart
 *   depart_last      depart_last           instance_list_marks
 *   until_gone       look_whether_gone     instance_is_current
 *   make_it_go       make_it_go            instance_outcome, ...
 *   dead_run         make_void             instance_void
 *   clear_...        clear_away            instance_is_current, instance_go_away
 *   caught_...                             instance_check_catch
 *   find_gone                              instance_find_gone
 *   remove_...                             instance_remove, instance_dismantle
 *   again            barrier_meet: STEP_AGAIN
 *   refuse           refuse
 *   off_elsewhere    call_off; barrier_meet: barrier_call_off
 *   cannot_enter     barrier_attempt: barrier_call_off
 *
 * A member is here a task, or a node for which one hook speaks: gather.pml has
 * what goes on within a node.
 *
 * Each call to the file system is one step, between two of which anybody else
 * may make his.  Path names of two parts are walked in two steps.  What is
 * taken together is taken together because it cannot make a difference:
 *
 *   - decide: the listing of arrival and the stat of each file in it.  What was
 *     seen fresh is kept from one look to the next, so any mixture of times is
 *     there, too.
 *   - remove: the files of departed-N, of which each matters to one task only,
 *     and that directory.
 *   - late, place: the listing of arrival, and what is made if the task has
 *     nothing there: a mark that is exclusive anyway.
 *
 * A hook that waits would look again and again.  Here it looks when there is
 * something to see, so that waiting for nothing is a deadlock, which spin finds;
 * with -DRESTLESS it looks at any time, so that a look may be old news.
 *
 * Time.  No clock: what takes time may happen at any time, or when its cause is
 * there.  A file may be stale as soon as its hook has ended, or left it; that of
 * a live hook only if that was stopped for so long (SIGSTOP, -DSTOPS=n times).
 * Files of an earlier run are stale.  A call-off grows old only in an earlier
 * run.  With -DTIMEOUTS=1 each hook may time out whenever it looks at the clock;
 * a signal has the same effect.  Otherwise they time out when somebody was
 * killed, and nothing else can happen.
 *
 * SIGKILL may come before each step, -DKILLS=n times.  The task may go on with
 * its next hook, or not.
 *
 * -DLOCKS: who waits may ask for the lock of KEY/lock: who gets it watches, and
 * decides as member 0 does; else it is blocked.  LOCKS=RIGHT: it is granted as
 * fcntl(2) says, and this alone makes who is blocked look.  LOCKS=ANYHOW: also to
 * several, who then decide at once, or for nothing.  LOCKS=NEVER: to nobody.  In
 * both who is blocked looks when it touches its mark.  It may come late in any
 * case.  That a read lock is held for a moment is left out: who meets one is
 * blocked, and woken at once.  The file goes with the rest of the instance.
 *
 * -DREFUSALS=n: so many hooks fail before they arrive: barrier_call_off().
 *
 * -DERRORS=n: so many calls fail, for no reason (EIO, EDQUOT and the like).
 *
 * -DMUTANT=... puts an error in, which must be found.
 */

#ifndef MUTANT
#define MUTANT 0
#endif
#define STALE_COUNTS 1     /* procid 0 does not ask how old a file is */
#define TWO_NAMES 2        /* a release is another name than a call-off */
#define TAKES_BACK 3       /* who times out removes its file, and does not call off */
#define LEAVES_ALONE 4     /* who times out just goes */
#define GONE_COUNTS 5      /* a directory that is gone has been a release */
#define LATE_LOOK 6        /* who times out does not look what stands already */
#define NO_LEFT_BEHIND 7   /* nobody asks whom the key names */
#define GOES_ON 8          /* who was left behind goes on where there is an outcome,
                           * and REMOVES_OVER */
#define ALL_OURS 9         /* another hook's arrival counts as the own */
#define NO_HAS_MARK 10     /* who sees a release does not look for its own file */
#define REMOVES_EARLY 11   /* procid 0 does not wait for the others' departure */
#define REMOVES_NEVER 12   /* procid 0 leaves all to the next */
#define FILES_FIRST 13     /* a release is removed after the files of arrival, and
                           * REMOVES_OVER */
#define REFUSAL_COUNTS 14  /* what instance_refuse() makes counts as an arrival */
#define VOID_FAILS 15      /* void is taken for called off */
#define NO_CLEARING 16     /* nobody clears away what another hook left */
#define ANY_MARK 17        /* who could not arrive takes another hook's file for its own */
#define NO_PLACE 18        /* who fails before arriving calls off, whoever is there */
#define REMOVES_OVER 19    /* an outcome is removed while there are arrivals */
#define GRANT_COUNTS 20    /* who is granted its lock takes that for a release */
#define KEEPS_LOCK 21      /* who has seen an outcome keeps its locks until it is gone */
#define BLOCKED_BLIND 22   /* who is blocked does not look when it touches its mark */
#define WATCHES_NOT 23     /* who gets the lock is blocked as well */
#define ALSO_RELEASES 24   /* who comes second with its release takes it for the outcome */
#define WATCHER_BLIND 25   /* who watches only looks, and does not decide */
#define FAILS_UNMARKED 26  /* who will not come leaves no file where it is called off */
#define TELLS_ONCE 27      /* who will not come does not wait for an earlier barrier to go */
#define DEPARTED_COUNTS 28 /* nobody asks whether another hook of the task has departed */
#define ASKS_ONCE 29       /* who asks that does not look again whether it is released */
#define CONFIRMS_BLIND 30  /* who has released confirms that before it looks for its file */
#define OVER_ARRIVALS (MUTANT == REMOVES_OVER || MUTANT == GOES_ON || MUTANT == FILES_FIRST)

#ifndef MEMBERS /* 2 or 3 */
#define MEMBERS 2
#endif
#ifndef ROUNDS /* hooks of a task, one after another */
#define ROUNDS 1
#endif
#ifndef AT_ONCE /* the same, at once; 2 only for 2 members */
#define AT_ONCE 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#ifndef ERRORS
#define ERRORS 0
#endif
#ifndef REFUSALS
#define REFUSALS 0
#endif
#ifndef LEFT_OVERS /* what the key may name at the start: see init */
#define LEFT_OVERS 0
#endif
#ifndef NTASKS /* model KEY/ntasks, too */
#define NTASKS 0
#endif
#define RIGHT 1
#define ANYHOW 2
#define NEVER 3
#ifndef LOCKS
#define LOCKS 0
#endif
#ifndef RESTLESS
#define RESTLESS 0
#endif

#define SLOTS (MEMBERS * AT_ONCE)
#ifndef INSTANCES
#define INSTANCES (SLOTS + 2)
#endif

#define ALL ((1 << MEMBERS) - 1)
#define SELF (1 << task)

/* Whose file: NOBODY's (there is none), that of the hook in slot F - 1, which
 * is in this instance; what instance_refuse() makes, and the same when its hook
 * has ended; of a hook that has ended or left; of an earlier run. */
#define NOBODY 0
#define MINE (me + 1)
#define REFUSED 12
#define GIVEN_UP 13
#define DEAD 14
#define OLD 15
#define IS_LIVE(f) ((f) != NOBODY && (f) < REFUSED)

/* outcome */
#define NONE 0
#define RELEASED 1
#define VOID 2
#define OFF 3
#define OFF_LONG_AGO 4

/* opens: what arrival is opened for */
#define ARRIVES 0
#define IS_LATE 1
#define REFUSES 2

#define SEPARATES (REFUSALS > 0 && ROUNDS > 1)

typedef Instance {
  unsigned there : 1;    /* the directory is */
  unsigned arrival : 1;  /* KEY/arrival is */
  unsigned departed : 1; /* a renamed KEY/departure is */
  unsigned ntasks : 2;   /* KEY/ntasks: 0 is not there, 1 right, 2 wrong */
  unsigned outcome : 3;
  unsigned confirmed : 1; /* KEY/released is there */
  unsigned refs : 4;               /* hooks that hold it */
  unsigned in_departure : MEMBERS; /* KEY/departure/slurm-procid-P */
  /* For the assertions.  Of which tasks a hook */
  unsigned came : MEMBERS; /* has arrived here */
  unsigned met : MEMBERS;  /* got MET here */
  unsigned left : MEMBERS; /* had arrived and went without MET */
  unsigned round : 2;      /* of those who met, plus 1 */
#if SEPARATES
  unsigned known : MEMBERS; /* has failed here after it was called off */
#endif
  byte file[MEMBERS];      /* KEY/arrival/slurm-procid-P */
#if LOCKS > 0
  unsigned watcher : 4; /* the slot that has the lock of KEY/lock, plus 1 */
#endif
};

Instance inst[INSTANCES + 1]; /* 0 is not used */
byte key;                     /* which instance the key names, 0: none */
byte in[SLOTS];               /* which one the hook in the slot holds */
byte opened;       /* bit by slot: its in->arrival is open, */
byte arrival_gone; /* and of a removed directory */
byte ended;        /* slots whose hooks have all ended */
bit litter;        /* something was left that prune has to remove */
#if KILLS > 0
byte kills = KILLS;
#endif
#if STOPS > 0
byte stops = STOPS;
#endif
#if REFUSALS > 0
byte refusals = REFUSALS;
#endif
#define MAY_REFUSE (REFUSALS > 0 || ERRORS > 0 || TIMEOUTS)
#if ERRORS > 0
byte errors = ERRORS;
#endif

#if KILLS > 0
#define NOBODY_DIED (kills == KILLS)
#define MAY_DIE :: atomic { kills > 0 -> kills--; goto killed }
#else
#define NOBODY_DIED true
#define MAY_DIE
#endif

#if ERRORS > 0
#define NOTHING_FAILED (errors == ERRORS)
#else
#define NOTHING_FAILED true
#endif

#if TIMEOUTS
#define TIME_IS_UP true
#elif KILLS > 0 || ERRORS > 0
#define TIME_IS_UP (timeout && !(NOBODY_DIED && NOTHING_FAILED))
#else
#define TIME_IS_UP false
#endif

#if ERRORS > 0
#define MAY_FAIL(label) :: atomic { errors > 0 -> errors--; printf ("fails\n"); goto label }
#else
#define MAY_FAIL(label)
#endif

#if STOPS > 0
#define MAY_BE_STOPPED (stops > 0)
#define SOME_ARE_SLOW true
#else
#define MAY_BE_STOPPED false
#define SOME_ARE_SLOW false
#endif

/* If all is well, all must get MET.  And nothing must be left, unless there
 * was something before, or somebody was taken for dead. */
#define ALL_WELL (NOBODY_DIED && !TIMEOUTS && !ERRORS && !REFUSALS)
#define CLEAN (!LEFT_OVERS && !STOPS)

#define X inst[in[me]]

/* What is being removed: what was caught by mistake, or else the own one. */
#define GOING (caught != 0 -> caught : in[me])
#define R inst[GOING]

#define IS_CURRENT (key == in[me])
#define ARRIVAL_IS_GONE (arrival_gone & (1 << me))
#define MAY_BE_STALE(f) ((f) >= DEAD || (IS_LIVE (f) && MAY_BE_STOPPED))

/* The own file, through in->arrival. */
#define OWN_IS_MISSING (!ARRIVAL_IS_GONE && X.file[task] == NOBODY)
#define OWN_IS_THERE (!ARRIVAL_IS_GONE && X.file[task] != NOBODY)

#define IS_THERE(p) (X.file[p] != NOBODY)
#define IS_LEFT(p) (R.file[p] != NOBODY)
#define COUNT(p) \
  (X.file[p] != NOBODY && ((X.file[p] != REFUSED && X.file[p] != GIVEN_UP) || MUTANT == REFUSAL_COUNTS))
#define IS_UNSEEN(p) (p != task && !(fresh & (1 << p)))
#define IS_SEEN(p) (p != task && (fresh & (1 << p)))
#if MEMBERS > 2
#define THERE (IS_THERE (0) | (IS_THERE (1) << 1) | (IS_THERE (2) << 2))
#define REST (IS_LEFT (0) | (IS_LEFT (1) << 1) | (IS_LEFT (2) << 2))
#define COUNTS (COUNT (0) | (COUNT (1) << 1) | (COUNT (2) << 2))
#define SOME(condition, f) (condition (0, f) || condition (1, f) || condition (2, f))
#define SOME_LIVE (IS_LIVE (X.file[0]) || IS_LIVE (X.file[1]) || IS_LIVE (X.file[2]))
#define SOME_STALE (MAY_BE_STALE (X.file[0]) || MAY_BE_STALE (X.file[1]) || \
                    MAY_BE_STALE (X.file[2]))
#else
#define THERE (IS_THERE (0) | (IS_THERE (1) << 1))
#define REST (IS_LEFT (0) | (IS_LEFT (1) << 1))
#define COUNTS (COUNT (0) | (COUNT (1) << 1))
#define SOME(condition, f) (condition (0, f) || condition (1, f))
#define SOME_STALE (MAY_BE_STALE (X.file[0]) || MAY_BE_STALE (X.file[1]))
#define SOME_LIVE (IS_LIVE (X.file[0]) || IS_LIVE (X.file[1]))
#endif
#define IS_UNSEEN_OF(p, f) (IS_UNSEEN (p) && X.file[p] == f)
#define IS_UNSEEN_LIVE(p, f) (IS_UNSEEN (p) && IS_LIVE (X.file[p]))
#define IS_SEEN_STALE(p, f) (IS_SEEN (p) && MAY_BE_STALE (X.file[p]))
#define UNSEEN(f) (MUTANT != STALE_COUNTS && SOME (IS_UNSEEN_OF, f))
#define UNSEEN_LIVE SOME (IS_UNSEEN_LIVE, 0)
#define SEEN_STALE SOME (IS_SEEN_STALE, 0)

/* Who decides: is there something to see? */
#define WORTH_LISTING (RESTLESS || (COUNTS & ~fresh) != 0 || fresh == ALL)
#define WORTH_TOUCHING (RESTLESS || !OWN_IS_THERE || (DECIDES && SEEN_STALE))
#define WORTH_CLEARING \
  (RESTLESS || IS_LEFT_OVER || X.outcome == VOID || X.outcome == OFF_LONG_AGO || \
   (X.outcome == OFF && THERE == ALL) || \
   (X.outcome == RELEASED && ((!IS_AT_WORK && X.in_departure == ALL) || RELEASE_IS_OLD)))
/* by who has not arrived */
#define MAY_BE_CALLED_OFF (X.outcome >= OFF || (X.outcome == NONE && IS_CURRENT))
#define IS_LEFT_OVER (X.outcome == NONE && (SOME_STALE || (THERE == 0 && WRONG_NTASKS)))
#define IS_AT_WORK (IS_LIVE (X.file[0]) && !RELEASE_IS_OLD)
#define RELEASE_IS_OLD (TIMEOUTS || SOME_ARE_SLOW || !SOME_LIVE) /* nobody departs any more */

#if LOCKS > 0
#define DECIDES (task == 0 || (watches && MUTANT != WATCHER_BLIND))
#define WORTH_LOOKING (X.outcome != NONE || !OWN_IS_THERE || (task == 0 && WORTH_LISTING))
#else
#define DECIDES (task == 0)
#define let_go depart
#endif

#define ALL_HAVE_DEPARTED (X.outcome == RELEASED && X.in_departure == ALL)

#if NTASKS
#define WRONG_NTASKS (X.ntasks == 2)
#else
#define WRONG_NTASKS false
#endif

/* -------------------------------------------------------------- book-keeping */

/* Nobody can get at instance X any more: what is left of it is the same
 * whatever it was. */
inline forget (x)
{
  litter = litter | inst[x].there;
  inst[x].there = 0;
  inst[x].arrival = 0;
  inst[x].departed = 0;
  inst[x].ntasks = 0;
  inst[x].outcome = NONE;
  inst[x].confirmed = 0;
  inst[x].in_departure = 0;
  inst[x].came = 0;
  inst[x].met = 0;
  inst[x].left = 0;
  inst[x].round = 0;
#if SEPARATES
  inst[x].known = 0;
#endif
  inst[x].file[0] = NOBODY;
  inst[x].file[1] = NOBODY;
#if MEMBERS > 2
  inst[x].file[2] = NOBODY;
#endif
#if LOCKS > 0
  inst[x].watcher = NOBODY;
#endif
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

/* lock_end, or the kernel's */
inline unlock ()
{
#if LOCKS > 0
  watches = 0;
  X.watcher = (X.watcher == MINE -> NOBODY : X.watcher)
#else
  skip
#endif
}

/* attempt_end: instance_close */
inline close_all ()
{
  d_step {
    if
    :: in[me] != 0 ->
       unlock ();
       if
       :: X.file[task] == MINE -> X.file[task] = DEAD
       :: refuses -> X.file[task] = (X.file[task] == REFUSED -> GIVEN_UP : X.file[task])
       :: else
       fi;
       put (in[me]);
       in[me] = 0
    :: else
    fi;
    arrival_gone = arrival_gone & ~(1 << me);
    opened = opened & ~(1 << me);
    member = 0;
    refuses = 0;
    first = 0;
    tried = 0;
    waited = 0;
    sure = 0;
    opens = ARRIVES;
    fresh = 0
  }
}

/* mkdir KEY: any number that is free will do, so it is always the first. */
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
    key = n;
    n = 0
  }
}

/* For all hooks that hold the instance that is being removed, and for which
 * CONDITION (n) holds. */
#define FOR_ALL_THERE(condition, action) \
  n = 0; \
  do \
  :: n < SLOTS -> \
     if \
     :: in[n] == GOING && condition -> action \
     :: else \
     fi; \
     n++ \
  :: else -> break \
  od; \
  n = 0

/* --------------------------------------------------------------- what must hold */

/* Never set: so that what spin prints of a broken assertion begins with the
 * name of the property. */
hidden byte safety, agreement, progress, cleanliness, separation;
#define must(property, condition) assert (property || (condition))

/* Safety, and each instance for one hook of each task.  Agreement: nobody has
 * left, or will leave, otherwise.  If all is well, a task's k-th hook meets the
 * k-th hooks of the others. */
inline check_met ()
{
  d_step {
    printf ("MET in %d\n", in[me]);
    must (safety, member);
    must (safety, X.came == ALL);
    must (safety, !(X.met & SELF));
    X.met = X.met | SELF;
    must (agreement, (X.left & ~X.met) == 0);
#if ROUNDS > 1 && AT_ONCE == 1
    must (safety, !ALL_WELL || X.round == 0 || X.round == round + 1);
    X.round = round + 1
#endif
  }
}

/* A member that had arrived leaves without MET, and will not get it here. */
inline check_left ()
{
  d_step {
    if
    :: member ->
       X.left = X.left | SELF;
       must (agreement, X.met == 0 || (X.met & SELF))
    :: else
    fi
  }
}

inline check_all_ended ()
{
  d_step {
    if
    :: ended == SLOTS && ALL_WELL ->
       must (cleanliness, STOPS || key == 0);
       must (cleanliness, !CLEAN || !litter)
    :: else
    fi
  }
}

/* There is an outcome, after arriving. */
inline follow ()
{
  if
  :: X.outcome == RELEASED -> sure = X.confirmed; goto has_mark
  :: X.outcome == VOID && MUTANT == VOID_FAILS -> goto fails
  :: X.outcome == VOID && task == 0 && MUTANT != VOID_FAILS -> removes = 1; goto clear_away
  :: X.outcome == VOID && task != 0 && MUTANT != VOID_FAILS -> goto again
  :: X.outcome >= OFF -> goto fails
  fi
}

/* -------------------------------------------------------------------- the hooks */

proctype hook (byte me; byte task)
{
  byte n, caught, round;
  unsigned fresh : MEMBERS; /* a->fresh */
  unsigned list : MEMBERS;  /* what instance_empty() has listed */
  bit member;               /* has arrived, and the instance is its */
  bit refuses;              /* REFUSED is its */
  bit first;                /* look at the key at the next look */
  bit tried;                /* to arrive */
  bit waited;               /* has seen no outcome since then */
  bit sure;                 /* has seen a release that was confirmed */
#if LOCKS > 0
  bit watches;              /* the lock is its */
#endif
  unsigned opens : 2;
  bit gives_up;             /* will not come, or could not enter: tells the others */
  bit made;                 /* the instance is its own to fill */
  bit removes, leaves;      /* after clear_away: remove; then MET, else again */

enter: /* openat KEY */
  if
  :: atomic { key != 0 -> hold (key); goto entered }
  :: key == 0
  :: atomic { TIME_IS_UP -> goto fails }
  MAY_FAIL (cannot_enter)
  MAY_DIE
  fi;

make_key: /* mkdir KEY */
  if
  :: atomic { key == 0 -> make_directory (); made = 1 }
  :: key != 0
  MAY_FAIL (cannot_enter)
  MAY_DIE
  fi;

make_open: /* openat KEY */
  if
  :: atomic {
       key != 0 ->
       hold (key);
       if
       :: made -> made = 0
       :: else -> goto entered
       fi
     }
  :: atomic { key == 0 -> made = 0; goto again }
  MAY_FAIL (cannot_enter)
  MAY_DIE
  fi;

make_arrival: /* mkdir arrival */
  if
  :: atomic { X.there -> X.arrival = 1 }
  :: atomic { !X.there -> goto again }
  MAY_FAIL (cannot_enter)
  MAY_DIE
  fi;

#if NTASKS
make_ntasks: /* symlink ntasks */
  if
  :: atomic { X.there -> X.ntasks = (X.ntasks == 0 -> 1 : X.ntasks) }
  :: atomic { !X.there -> goto again }
  MAY_FAIL (cannot_enter)
  MAY_DIE
  fi;
#endif

entered:
#if REFUSALS > 0
  if
  :: true
  :: atomic { refusals > 0 && !gives_up -> refusals--; gives_up = 1; goto refuse }
  fi;
#endif
#if MAY_REFUSE
  if
  :: gives_up -> goto refuse
  :: else
  fi;
#endif

first_look: /* at the outcome */
  if
  :: X.outcome == NONE
  :: atomic { (X.outcome == RELEASED || X.outcome == VOID) -> goto not_ours }
  :: atomic { X.outcome >= OFF -> opens = IS_LATE; goto open_arrival }
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

open_arrival: /* openat arrival */
  if
  :: atomic { X.arrival -> opened = opened | (1 << me); goto arrival_is_open }
  :: !X.arrival
  MAY_FAIL (open_failed)
  MAY_DIE
  fi;

open_current: /* its maker was killed, or it is being removed */
  if
  :: IS_CURRENT
  :: atomic { !IS_CURRENT -> goto open_is_gone }
  MAY_FAIL (open_failed)
  MAY_DIE
  fi;

open_make: /* mkdir arrival */
  if
  :: atomic { X.there -> X.arrival = 1 }
  :: atomic { !X.there -> goto open_is_gone }
  MAY_FAIL (open_failed)
  MAY_DIE
  fi;

#if NTASKS
open_ntasks: /* symlink ntasks */
  if
  :: atomic { X.there -> X.ntasks = (X.ntasks == 0 -> 1 : X.ntasks) }
  :: atomic { !X.there -> goto open_is_gone }
  MAY_FAIL (open_failed)
  MAY_DIE
  fi;
#endif

open_again: /* openat arrival */
  if
  :: atomic { X.arrival -> opened = opened | (1 << me) }
  :: atomic { !X.arrival -> goto open_is_gone }
  MAY_FAIL (open_failed)
  MAY_DIE
  fi;

arrival_is_open:
  if
  :: opens == ARRIVES
  :: opens == IS_LATE -> goto late
  :: opens == REFUSES -> goto place
  fi;

#if NTASKS
members: /* readlink ntasks */
  if
  :: atomic { X.ntasks == 2 -> goto not_ours }
  :: atomic { X.ntasks == 1 -> goto arrive }
  :: X.ntasks == 0
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

members_write_tasks: /* symlink ntasks */
  if
  :: atomic { X.there -> X.ntasks = (X.ntasks == 0 -> 1 : X.ntasks) }
  :: atomic { !X.there -> goto again }
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

members_again:
  if
  :: atomic { X.ntasks == 2 -> goto not_ours }
  :: atomic { X.ntasks == 1 -> goto arrive }
  :: atomic { X.ntasks == 0 -> goto again }
  MAY_FAIL (call_off)
  MAY_DIE
  fi;
#endif

arrive: /* symlink arrival/P */
  if
  :: atomic { ARRIVAL_IS_GONE -> goto again }
  :: atomic { !ARRIVAL_IS_GONE && X.file[task] != NOBODY && MUTANT != ALL_OURS -> goto not_ours }
  :: atomic {
       !ARRIVAL_IS_GONE && (X.file[task] == NOBODY || MUTANT == ALL_OURS) ->
       printf ("arrives in %d\n", in[me]);
       X.file[task] = MINE;
       X.came = X.came | SELF;
       tried = 1;
       member = 1;
       first = 1;
       goto look
     }
  MAY_FAIL (tried_to_arrive)
  MAY_DIE
  fi;

#if ERRORS > 0
  atomic {
    false;
tried_to_arrive: /* it may have been done */
    tried = 1;
    if
    :: OWN_IS_MISSING ->
       printf ("arrives in %d\n", in[me]);
       X.file[task] = MINE;
       X.came = X.came | SELF;
       member = 1
    :: true
    fi;
    goto call_off
  };
#endif

look: /* at the outcome */
  if
  :: atomic { X.outcome != NONE -> follow () }
  :: atomic { X.outcome == NONE -> waited = 1 }
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

wait: /* look at the outcome */
  if
  :: atomic { X.outcome != NONE -> follow () }
  :: atomic { X.outcome == NONE && (RESTLESS || first || !IS_CURRENT || WORTH_TOUCHING) ->
              goto wait_key }
  :: atomic { X.outcome == NONE && DECIDES && !first && WORTH_LISTING -> goto decide }
  :: atomic { X.outcome == NONE && !first && TIME_IS_UP -> goto call_off }
#if LOCKS > 0
  :: atomic { X.outcome == NONE && !first && !watches -> goto lock_try }
  :: atomic { X.outcome == NONE && !first && watches && LOCKS == ANYHOW -> unlock (); goto wait }
#endif
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

#if LOCKS > 0
lock_try: /* F_OFD_SETLK */
  if
  :: atomic { LOCKS != NEVER && (X.watcher == NOBODY || LOCKS == ANYHOW) ->
              X.watcher = (X.watcher == NOBODY -> MINE : X.watcher);
              watches = 1;
              if
              :: MUTANT == WATCHES_NOT -> goto blocked
              :: else -> goto look
              fi }
  :: atomic { X.watcher != NOBODY || LOCKS != RIGHT -> goto blocked }
  :: atomic { LOCKS == ANYHOW -> goto wait }
  MAY_DIE
  fi;

blocked: /* F_OFD_SETLKW, to read */
progress_blocked:
  if
  :: atomic { (X.watcher == NOBODY && LOCKS == RIGHT) || LOCKS == ANYHOW -> goto woken }
  :: atomic { LOCKS != RIGHT && WORTH_LOOKING && MUTANT != BLOCKED_BLIND -> goto wait }
  :: atomic { TIME_IS_UP -> goto call_off }
  MAY_DIE
  fi;

  atomic {
    false;
woken: /* looks */
    if
    :: MUTANT == GRANT_COUNTS -> goto depart
    :: else -> goto wait
    fi
  };
#endif

wait_key:
  if
  :: atomic { (IS_CURRENT || MUTANT == NO_LEFT_BEHIND) && !first -> goto touch }
  :: atomic { (IS_CURRENT || MUTANT == NO_LEFT_BEHIND) && first && task == 0 ->
              first = 0; goto decide }
  :: atomic { (IS_CURRENT || MUTANT == NO_LEFT_BEHIND) && first && task != 0 ->
              first = 0; goto wait }
  :: atomic { !IS_CURRENT && MUTANT != NO_LEFT_BEHIND -> goto left_behind }
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

left_behind: /* symlink void */
  if
  :: atomic { X.there && X.outcome == NONE -> X.outcome = VOID; goto again }
#if MUTANT == GOES_ON
  :: atomic { X.outcome != NONE && member && task == 0 -> first = 0; goto decide }
  :: atomic { X.outcome != NONE && member && task != 0 -> first = 0; goto wait }
  :: X.outcome != NONE && !member
#else
  :: X.outcome != NONE
#endif
  :: atomic { !X.there -> goto again }
  MAY_DIE
  fi;

left_look: /* at the outcome; who has not arrived enters again in any case */
  if
  :: atomic { X.outcome != NONE && member -> waited = 0; follow () }
  :: atomic { X.outcome == NONE || !member -> goto gone }
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

gone: /* the instance has been removed, or is being */
#if MUTANT == GONE_COUNTS
  atomic { check_met (); goto left };
#else
  atomic { goto again };
#endif

touch:
progress_touch:
  if
  :: atomic { !OWN_IS_THERE -> goto gone }
  :: atomic { OWN_IS_THERE && DECIDES -> first = 0; fresh = 0; goto decide }
  :: atomic { OWN_IS_THERE && !DECIDES -> first = 0; goto wait }
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

decide: /* list arrival, and stat each file that was not seen fresh */
  if
  :: atomic { ARRIVAL_IS_GONE -> goto again }
  :: atomic {
       !ARRIVAL_IS_GONE && !UNSEEN (OLD) ->
       fresh = fresh | COUNTS;
       if
       :: fresh == ALL -> goto release
       :: else -> goto wait
       fi
     }
  :: atomic { !ARRIVAL_IS_GONE && (UNSEEN (OLD) || UNSEEN (DEAD)) && task == 0 ->
              printf ("finds remains in %d\n", in[me]); goto make_void }
  :: atomic { !ARRIVAL_IS_GONE && (UNSEEN (OLD) || UNSEEN (DEAD)) && task != 0 -> goto wait }
#if STOPS > 0
  :: atomic { !ARRIVAL_IS_GONE && UNSEEN_LIVE && stops > 0 && task == 0 ->
              printf ("finds one stopped in %d\n", in[me]); stops--; goto make_void }
#endif
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

make_void: /* symlink void */
  if
  :: atomic { X.there && X.outcome == NONE -> X.outcome = VOID; goto wait }
  :: atomic { X.outcome != NONE -> goto wait }
  :: atomic { !X.there -> goto again }
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

release: /* mkdir departure */
  if
  :: atomic { X.there && (X.outcome == NONE || MUTANT == TWO_NAMES) ->
              printf ("releases %d\n", in[me]); X.outcome = RELEASED;
              if
              :: MUTANT == CONFIRMS_BLIND -> goto confirm
              :: else -> goto own_check
              fi }
  :: atomic { X.outcome != NONE && MUTANT == ALSO_RELEASES -> goto own_check }
  :: atomic { X.outcome != NONE && MUTANT != TWO_NAMES -> goto wait }
  :: atomic { !X.there -> goto again }
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

own_check: /* fstatat arrival/P, of who has released */
  if
  :: OWN_IS_THERE && MUTANT != CONFIRMS_BLIND
  :: atomic { OWN_IS_THERE -> goto let_go } /* it does not watch */
  :: atomic { !OWN_IS_THERE -> goto again }
  MAY_FAIL (let_go)
  MAY_DIE
  fi;

confirm: /* symlink released */
  if
  :: atomic { X.there && MUTANT != CONFIRMS_BLIND -> X.confirmed = 1; goto let_go }
  :: atomic { X.there && MUTANT == CONFIRMS_BLIND -> X.confirmed = 1; goto own_check }
  :: atomic { !X.there -> goto let_go }
  MAY_FAIL (let_go)
  MAY_DIE
  fi;

has_mark: /* fstatat arrival/P, but of who has waited for a release that is confirmed */
  if
  :: atomic { sure && waited -> goto let_go }
  :: atomic { (OWN_IS_THERE && (waited || MUTANT == DEPARTED_COUNTS)) || MUTANT == NO_HAS_MARK ->
              goto let_go }
  :: OWN_IS_THERE && !waited && MUTANT != DEPARTED_COUNTS && MUTANT != NO_HAS_MARK
  :: atomic { !OWN_IS_THERE && MUTANT != NO_HAS_MARK -> goto again }
#if ERRORS > 0
  :: atomic { errors > 0 -> errors--; printf ("fails\n");
              if
              :: waited -> goto let_go
              :: else
              fi }
#endif
  MAY_DIE
  fi;

has_departed: /* list departure, of who has not seen it unreleased; again if it fails,
               * which the code does for ASK_DEPARTED */
  if
  :: atomic { X.outcome == RELEASED && (X.in_departure & SELF) -> goto again }
  :: X.outcome != RELEASED || !(X.in_departure & SELF)
  MAY_FAIL (has_departed)
  MAY_DIE
  fi;

still_released: /* look at the outcome: else that may have been removed */
  if
  :: atomic { X.outcome == RELEASED || MUTANT == ASKS_ONCE -> goto let_go }
  :: atomic { X.outcome != RELEASED && MUTANT != ASKS_ONCE -> goto again }
  MAY_FAIL (has_departed)
  MAY_DIE
  fi;

call_off: /* who has not arrived looks at the key, and the outcome */
#if MUTANT == TAKES_BACK || MUTANT == LEAVES_ALONE
  if
  :: atomic { MUTANT == TAKES_BACK -> X.file[task] = NOBODY; goto fails }
  :: atomic { MUTANT == LEAVES_ALONE -> goto fails }
  fi;
#endif
  if
  :: atomic { tried || MUTANT == NO_PLACE -> goto call_off_link }
  :: atomic { !tried && MAY_BE_CALLED_OFF && MUTANT != NO_PLACE ->
              opens = REFUSES;
              if
              :: opened & (1 << me) -> goto place
              :: else -> goto open_arrival
              fi }
  :: atomic { !tried && !MAY_BE_CALLED_OFF && MUTANT != NO_PLACE -> goto off_elsewhere }
  MAY_DIE
  fi;

place: /* come_alone: is the task known there? mkdir arrival/P */
  if
  :: atomic { !ARRIVAL_IS_GONE && X.file[task] != NOBODY ->
              if
              :: gives_up && MUTANT != TELLS_ONCE -> goto until_gone
              :: else -> goto fails
              fi }
  :: atomic { !ARRIVAL_IS_GONE && X.file[task] == NOBODY -> X.file[task] = REFUSED; refuses = 1 }
  :: ARRIVAL_IS_GONE
  MAY_FAIL (fails) /* to list */
#if ERRORS > 0
  :: atomic { errors > 0 && !ARRIVAL_IS_GONE && X.file[task] == NOBODY ->
              errors--; printf ("fails\n"); goto call_off_link } /* to make */
#endif
  MAY_DIE
  fi;

call_off_link: /* symlink called-off */
  if
  :: atomic { X.there && X.outcome == NONE ->
              printf ("calls %d off\n", in[me]);
              must (separation, tried || refuses || !NOTHING_FAILED || !IS_CURRENT);
              X.outcome = OFF;
              goto fails }
  :: atomic { X.outcome != NONE -> goto told }
  :: atomic { !X.there -> goto off_elsewhere }
  MAY_DIE
  fi;

told: /* look at the outcome */
  if
  :: atomic { X.outcome == RELEASED && member && MUTANT != LATE_LOOK ->
              waited = 0; goto has_mark }
  :: atomic { X.outcome == RELEASED && !member && MUTANT != LATE_LOOK ->
              if
              :: MUTANT == ANY_MARK && tried -> goto has_mark
              :: else -> goto again
              fi }
  :: atomic { X.outcome >= OFF || MUTANT == LATE_LOOK -> goto fails }
  :: atomic { (X.outcome == VOID || X.outcome == NONE) && MUTANT != LATE_LOOK ->
              goto off_elsewhere }
  MAY_DIE
  fi;

#if MAY_REFUSE
refuse: /* look at the outcome */
  if
  :: atomic { X.outcome == NONE -> goto call_off }
  :: atomic { X.outcome == RELEASED || X.outcome == VOID -> goto until_gone }
  :: atomic { X.outcome >= OFF && MUTANT == FAILS_UNMARKED -> goto fails }
  :: atomic { X.outcome >= OFF && MUTANT != FAILS_UNMARKED ->
              opens = REFUSES;
              if
              :: opened & (1 << me) -> goto place
              :: else -> goto open_arrival
              fi }
  MAY_FAIL (fails)
  MAY_DIE
  fi;
#endif

late: /* came_to_call_off: is the task known there? symlink arrival/P */
  if
  :: atomic { ARRIVAL_IS_GONE -> goto again }
  :: atomic { !ARRIVAL_IS_GONE && X.file[task] != NOBODY -> goto not_ours }
  :: atomic {
       !ARRIVAL_IS_GONE && X.file[task] == NOBODY ->
       X.file[task] = MINE;
#if SEPARATES
       must (separation, !(X.known & SELF));
#endif
       if
       :: X.outcome == OFF_LONG_AGO -> goto not_ours
       :: else -> goto fails
       fi
     }
  MAY_FAIL (call_off)
  MAY_DIE
  fi;

#if LOCKS > 0
let_go: /* closes KEY/lock */
  if
  :: atomic { MUTANT != KEEPS_LOCK -> unlock () }
  :: MUTANT == KEEPS_LOCK
  MAY_DIE
  fi;
#endif

depart: /* rename arrival/P departure/P, or symlink departure/P; released is released */
  if
  :: atomic {
       true ->
       check_met ();
       if
       :: X.outcome == RELEASED && task != 0 && OWN_IS_THERE ->
          X.in_departure = X.in_departure | SELF;
          X.file[task] = NOBODY
       :: X.outcome == RELEASED -> X.in_departure = X.in_departure | SELF
       :: else
       fi;
       if
       :: task == 0 -> goto depart_last
       :: else -> goto left
       fi
     }
#if ERRORS > 0
  MAY_FAIL (depart_failed)
#endif
  MAY_DIE
  fi;

#if ERRORS > 0
  atomic {
    false;
depart_failed:
    check_met ();
    if
    :: task == 0
    :: else -> goto left
    fi
  };
#endif

depart_last: /* list departure */
  if
  :: atomic { (ALL_HAVE_DEPARTED || MUTANT == REMOVES_EARLY) && MUTANT != REMOVES_NEVER ->
              removes = 1; leaves = 1; goto clear_away }
  :: atomic { TIME_IS_UP || SOME_ARE_SLOW || X.outcome != RELEASED || MUTANT == REMOVES_NEVER ->
              goto left }
  MAY_FAIL (left)
  MAY_DIE
  fi;

until_gone:
  if
  :: atomic { !IS_CURRENT -> goto again }
  :: atomic { IS_CURRENT && task == 0 && WORTH_CLEARING && MUTANT != NO_CLEARING ->
              goto make_it_go }
  :: atomic { TIME_IS_UP -> goto fails }
#if MAY_REFUSE
  :: atomic { TIME_IS_UP && !gives_up -> goto cannot_enter } /* with a signal */
  :: atomic { gives_up && timeout -> goto fails } /* after CALL_OFF_WITHIN */
#endif
  MAY_DIE
  fi;

make_it_go: /* look at the outcome, and list arrival or departure */
  if
  :: atomic { IS_LEFT_OVER -> goto dead_run }
#if STOPS > 0
  :: atomic { X.outcome == NONE && IS_LIVE (X.file[0]) && stops > 0 ->
              printf ("finds procid 0 stopped in %d\n", in[me]); stops--; goto dead_run }
#endif
  :: atomic { X.outcome == NONE && !IS_LEFT_OVER -> goto until_gone }
  :: atomic { X.outcome == RELEASED && ALL_HAVE_DEPARTED && !IS_AT_WORK -> removes = 1; goto clear_away }
  :: atomic { X.outcome == RELEASED && RELEASE_IS_OLD -> goto clear_away }
  :: atomic { X.outcome == RELEASED && !RELEASE_IS_OLD && (!ALL_HAVE_DEPARTED || IS_AT_WORK) ->
              goto until_gone }
  :: atomic { X.outcome == VOID -> removes = 1; goto clear_away }
  :: atomic { X.outcome == OFF_LONG_AGO || (X.outcome == OFF && THERE == ALL) -> goto clear_away }
  :: atomic { X.outcome == OFF && THERE != ALL -> goto until_gone }
  MAY_DIE
  fi;

dead_run: /* symlink void */
  if
  :: atomic { X.there && X.outcome == NONE -> X.outcome = VOID; goto until_gone }
  :: atomic { X.outcome != NONE -> goto until_gone }
  :: atomic { !X.there -> goto again }
  MAY_DIE
  fi;

clear_away: /* does the key name it? */
  if
  :: IS_CURRENT
  :: atomic { !IS_CURRENT -> goto find_gone }
  MAY_FAIL (find_gone)
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
       caught = key;
       inst[caught].refs++;
       key = 0
     }
  MAY_FAIL (find_gone)
  MAY_DIE
  fi;

caught_other: /* symlink void */
  if
  :: atomic { R.there && R.outcome == NONE -> R.outcome = VOID }
  :: !R.there || R.outcome != NONE
  MAY_DIE
  fi;

caught_void: /* readlink */
  if
  :: atomic { R.outcome == VOID -> goto remove_outcome }
  :: atomic { R.outcome != VOID -> d_step { put (caught); caught = 0 }; goto find_gone }
  MAY_DIE
  fi;

find_gone: /* list the directory above */
  if
  :: atomic { removes && X.there && !IS_CURRENT -> goto remove_outcome }
  :: atomic { !removes || !X.there || IS_CURRENT -> goto cleared }
  MAY_DIE
  fi;

remove_outcome: /* rename departure, if it is a directory */
#if MUTANT == FILES_FIRST
  if
  :: R.file[0] != NOBODY || R.file[1] != NOBODY -> goto remove_list
  :: else
  fi;
#endif
  if
  :: atomic {
       true ->
       d_step {
         if
         :: R.outcome == RELEASED ->
            assert (!R.departed);
            R.outcome = NONE;
            R.in_departure = 0;
            R.departed = 1
         :: else
         fi
       }
     }
  MAY_DIE
  fi;

remove_list: /* list arrival */
  if
  :: atomic { true -> list = REST }
  MAY_DIE
  fi;

remove_file: /* unlink arrival/P */
  if
  :: atomic { list & 1 -> R.file[0] = NOBODY; list = list & ~1;
              goto remove_file }
  :: atomic { list & 2 -> R.file[1] = NOBODY; list = list & ~2;
              goto remove_file }
#if MEMBERS > 2
  :: atomic { list & 4 -> R.file[2] = NOBODY; list = list & ~4;
              goto remove_file }
#endif
  :: list == 0
  MAY_DIE
  fi;

remove_arrival: /* rmdir arrival; if somebody has just arrived, once more */
  if
  :: atomic {
       !R.arrival || REST == 0 || OVER_ARRIVALS ->
       d_step {
         if
         :: R.arrival && REST == 0 ->
            R.arrival = 0;
            FOR_ALL_THERE (opened & (1 << n), arrival_gone = arrival_gone | (1 << n))
         :: else
         fi
       }
     }
  :: atomic { R.arrival && REST != 0 && !OVER_ARRIVALS -> goto remove_outcome }
  MAY_DIE
  fi;

remove_departed: /* the rest: departed-N with its files, ntasks */
  if
  :: atomic {
       true ->
       d_step {
         R.departed = 0;
         R.confirmed = 0;
         R.ntasks = 0
       }
     }
  MAY_DIE
  fi;

remove_link: /* unlink departure; if it is a directory again, what is in it */
  if
  :: atomic { R.outcome == RELEASED -> R.in_departure = 0 }
  :: atomic { R.outcome != RELEASED -> R.outcome = NONE; goto remove_top }
  MAY_DIE
  fi;

remove_again: /* rmdir departure */
  if
  :: atomic {
       true ->
       d_step {
         if
         :: R.in_departure == 0 ->
            R.outcome = NONE
         :: else
         fi
       }
     }
  MAY_DIE
  fi;

remove_top: /* rmdir */
  if
  :: atomic {
       !R.arrival && !R.departed && !R.confirmed && R.ntasks == 0 && R.outcome == NONE ->
       R.there = 0;
       printf ("has removed %d\n", GOING);
       if
       :: caught != 0 -> put (caught); caught = 0; goto find_gone
       :: else -> goto cleared
       fi
     }
  :: atomic { R.arrival || R.departed || R.confirmed || R.ntasks != 0 || R.outcome != NONE ->
              goto remove_outcome }
  MAY_DIE
  fi;

  atomic {
    false;
open_is_gone:
    if
    :: opens == REFUSES -> goto call_off_link
    :: else -> goto again
    fi
  };

#if ERRORS > 0
  atomic {
    false;
open_failed:
    if
    :: opens == REFUSES -> goto call_off_link
    :: else -> goto call_off
    fi
  };
#endif

  atomic {
    false;
off_elsewhere: /* barrier_meet: with a reason, once; who is late just fails */
    if
#if MAY_REFUSE
    :: !gives_up -> check_left (); goto cannot_enter
    :: gives_up -> goto again
#endif
    :: !gives_up -> goto fails
    fi
  };

#if MAY_REFUSE
cannot_enter: /* barrier_attempt: barrier_call_off, once, and some tries of that */
  if
  :: atomic { !gives_up -> made = 0; gives_up = 1; close_all (); goto enter }
  :: atomic { true -> goto fails }
  MAY_DIE
  fi;
#endif

#if KILLS > 0
killed:
  atomic {
    printf ("is killed in %d\n", in[me]);
    d_step {
      if
      :: caught != 0 -> put (caught); caught = 0
      :: else
      fi;
      removes = 0;
      leaves = 0;
      made = 0;
      list = 0
    };
    if
    :: round = ROUNDS
    :: ROUNDS > 1 && round < ROUNDS - 1
    fi;
    goto left
  };
#endif

/* ----------------------------------------------------- what follows from a step
 *
 * Each of these belongs to the step before it.  A jump into an atomic sequence
 * goes on with the atomic step, but one to its beginning does not, hence the
 * `false' where nobody comes along. */

  atomic {
    false;
cleared:
    removes = 0;
    if
    :: leaves -> leaves = 0; goto left
    :: else -> goto again
    fi
  };

  atomic {
    false;
again: /* STEP_AGAIN */
    printf ("again, from %d\n", in[me]);
    check_left ();
    close_all ();
    if
    :: goto enter
    :: gives_up && TIME_IS_UP -> goto left
#if MAY_REFUSE
    :: !gives_up && TIME_IS_UP -> goto cannot_enter
#endif
    fi
  };

  atomic {
    false;
not_ours: /* STEP_NOT_OURS */
    printf ("waits until %d is gone\n", in[me]);
    if
    :: gives_up -> goto left
    :: else
    fi;
    member = 0;
    first = 0;
    tried = 0;
    waited = 0;
    sure = 0;
    opens = ARRIVES;
    fresh = 0;
    if
    :: X.file[task] == MINE -> X.file[task] = DEAD
    :: else
    fi;
    goto until_gone
  };

  atomic {
    false;
fails: /* STEP_FAILED */
    printf ("FAILED in %d\n", in[me]);
#if SEPARATES
    X.known = (X.outcome >= OFF && in[me] != 0 -> X.known | SELF : X.known);
#endif
    must (progress, !ALL_WELL);
    made = 0;
    check_left ();
    goto left
  };

  atomic {
    false;
left: /* the task goes on with its next hook */
    close_all ();
    gives_up = 0;
    round++;
    if
    :: round < ROUNDS -> goto enter
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

/* A killed run may have left anything that a run can leave, but all its files
 * are old. */
#define L inst[1]

inline leave_file (p)
{
  if
  :: L.outcome != RELEASED
  :: L.file[p] = OLD
  :: L.outcome == RELEASED -> L.in_departure = L.in_departure | (1 << p)
  :: L.outcome == RELEASED ->
     L.file[p] = OLD;
     L.in_departure = L.in_departure | (1 << p)
  fi
}

inline leave_instance ()
{
  L.there = 1;
  key = 1;
  if
  :: true /* only made */
  :: L.arrival = 1;
     if
     :: true
     :: NTASKS -> L.ntasks = 1
     :: NTASKS -> L.ntasks = 2
     fi;
     if
     :: true
     :: !NTASKS || L.ntasks != 0 -> L.outcome = RELEASED
     :: L.outcome = VOID
     :: L.outcome = OFF_LONG_AGO
     :: TIMEOUTS -> L.outcome = OFF
     fi;
     leave_file (0);
     leave_file (1);
#if MEMBERS > 2
     leave_file (2);
#endif
  fi
}

init
{
  atomic {
#if LEFT_OVERS
    leave_instance ();
#endif
    run hook (0, 0);
    run hook (1, 1);
#if SLOTS > 2
    run hook (2, 2 % MEMBERS);
#endif
#if SLOTS > 3
    run hook (3, 3 % MEMBERS);
#endif
  }
}
