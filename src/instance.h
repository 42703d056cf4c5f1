/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * instance.h - what one barrier is on disk, and each thing that can be done
 * with it.  At the head of barrier.c stand the files, and the rules.
 *
 * RANKS is a set as ranks.h writes it.  Its files are the marks of a member: a
 * node, or a task where its node does not gather.  A set that is too long for
 * a name is several marks.  A mark is a symbolic link: made exclusively, in
 * one request, with right times; NFS shows other nodes a nonsense time for a
 * moment for regular files that are made so.  What it points to is a note for
 * those who look.
 *
 * An instance is held by descriptor: it stays the same one when the name KEY
 * goes to another.  Everything is done below held descriptors, with no link
 * followed.
 *
 * Functions return -1 with errno set, unless they say something else.  ENOENT
 * and ESTALE mean that somebody has removed the instance, or is about to:
 * instance_is_gone() tells these two.
 *
 * NFS and other network file systems cache names that are there and names
 * that are not, for up to a minute.  What a process on another node did is
 * seen at once only in a directory that has just been opened anew, and on
 * FUSE file systems only in its listing; so every look opens anew and lists.
 */
#pragma once

#include "ranks.h"
#include "waiting.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Longer reasons are cut: XFS takes 1023 bytes as a link, and a status line
 * has to be read by somebody.  The same for notes. */
#define INSTANCE_TEXT_MAX 500
#define INSTANCE_NOTE_MAX 1000

/* What an outcome other than a release leaves in arrival. */
#define INSTANCE_TRACE "ended"

/* Names of instances that went away begin with this. */
#define INSTANCE_GONE "gone-"

/* Names of sockets, and of the links that say who is at them. */
#define INSTANCE_NODE "node-"
#define INSTANCE_GATHERING "gathering-"

/* A member that has not shown for so long that it lives is dead, or stopped, and can
 * arrive anew. */
#define STALE (60 * SECOND)

struct instance {
  int parent;      /* the directory that KEY is in; borrowed */
  const char *key; /* borrowed */
  int top;         /* descriptor of KEY (O_PATH) */
  int arrival;     /* descriptor of KEY/arrival, -1 until instance_open_arrival() */
  bool lazy;       /* known to whoever has arrived: the server tells other nodes late,
                    * unless asked by fsync(2); */
  bool late_locks; /* and its client learns late that a lock is free */
  bool moves;      /* marks may be moved: others see that at once, and it is cheap; and lists
                    * may be renewed */
  bool reads_only; /* for --status: nothing is made to get past a cache */
  bool confirmed;  /* the last look has seen that the release was confirmed */
  bool ended;      /* somebody else had made an outcome when this hook tried to */
  int64_t listed;  /* the time of its directory at the last look, of which the client says
                    * only what it knows; 0: not known */
  dev_t dev;       /* with ino: which one it is */
  ino_t ino;
};

enum outcome {
  OUTCOME_NONE,
  OUTCOME_RELEASED,
  OUTCOME_VOID,
  OUTCOME_CALLED_OFF,
  OUTCOME_ERROR /* errno says which */
};

bool instance_is_gone (int error);

/* A new look at the directory PATH below DIRFD, for closedir(3). */
DIR *instance_list (int dirfd, const char *path);

/* Opens the instance that KEY names in PARENT; makes it, for TASKS, if there is
 * none.  AGAIN: a look at the name before has shown that what this node has
 * cached of it is no good.  ELOOP or ENOTDIR if KEY names something else.
 * instance_close() ends it, and may be called twice. */
int instance_open (struct instance *in, int parent, const char *key, uint32_t tasks, bool again);
void instance_close (struct instance *in);

/* As instance_open(), but makes nothing: ENOENT if there is none. */
int instance_find (struct instance *in, int parent, const char *key);

/* Opens what a member needs that arrives: in->arrival. */
int instance_open_arrival (struct instance *in, uint32_t tasks);

/* How many tasks it is for: what the first who came said, RANKS_MAX at most.
 * MINE is written down if nobody did yet, unless in->reads_only.  0 in *TASKS
 * if it makes no sense. */
int instance_tasks (const struct instance *in, uint32_t mine, uint32_t *tasks);

/* Makes the marks of the set OWN in arrival; exclusively: EEXIST if there is
 * one.  NOTE is what they point to.  instance_touch() shows that the member LIVES,
 * or that it does not any more. */
int instance_arrive (struct instance *in, const struct ranks *own, const char *note);
int instance_touch (const struct instance *in, const struct ranks *own, bool lives);

/* Takes the place of the marks of OWN by something that does not count: they will not
 * come.  EEXIST as above. */
int instance_refuse (const struct instance *in, const struct ranks *own);

/* Whether the (first) mark of the set OWN in arrival says NOTE, as this hook's
 * would: 1, 0, or -1. */
int instance_is_own (const struct instance *in, const struct ranks *own, const char *note);

/* When the (first) mark of the set OWN in arrival was touched last, as the server has it
 * now, in nanoseconds of its clock; and as this client knows it, which costs nothing. */
int instance_touched (const struct instance *in, const struct ranks *own, int64_t *time);
int instance_own_time (const struct instance *in, const struct ranks *own, int64_t *time);

/* Looks at the outcome.  For CALLED_OFF, TEXT gets what follows "called-off: ",
 * cleaned, unless it is NULL. */
enum outcome instance_outcome (struct instance *in, char *text);

/* Make the outcome.  EEXIST: there is one already, and that one counts.
 * The last two leave a trace in arrival, too, where who decides looks. */
int instance_release (struct instance *in);
int instance_void (struct instance *in);
int instance_call_off (struct instance *in, const char *text);

/* Confirms the own release: the own mark was there after it.  Best effort. */
void instance_confirm (const struct instance *in, const char *note);

/* The time of the file PATH in the instance, in nanoseconds of the file server's
 * clock: when the outcome was made, or for a release when a member departed last; and
 * when the instance was made. */
#define INSTANCE_OUTCOME "departure"
#define INSTANCE_BEGAN "ntasks"
int instance_time (const struct instance *in, const char *path, int64_t *time);

/* Gives the directory PATH in the instance another time, *TIME: so clients of NFS list it
 * anew.  -1 also where all clients see the same (Lustre), or a change is told late. */
int instance_renew (const struct instance *in, const char *path, int64_t *time);

/* Makes the marks of OWN in departure, after RELEASED was seen; with MOVE those of
 * arrival go there, if in->moves.  Those that are there already are as good.  ENOENT
 * or ESTALE: the instance is being removed. */
int instance_depart (struct instance *in, const struct ranks *own, const char *note,
                     bool move);

/* A mark, or what says who is gathered, as the lists below tell of it. */
struct instance_mark {
  int dirfd; /* the directory that it is in */
  const char *name;
  const char *ranks;  /* the part of a mark's name that should say which; unchecked */
  unsigned char type; /* as readdir(3) says it: DT_LNK, or DT_UNKNOWN, or foreign */
};

/* Calls VISIT with each mark in arrival, or with each gathering, until that returns
 * other than 0; returns what that was.  With CHANGED, a time
 * of the directory's in *CHANGED: nothing is listed while that is the same, and
 * it is brought up to date; and the trace of an outcome is visited, too, which
 * says INSTANCE_TRACE for its ranks. */
typedef int instance_visit (void *context, const struct instance_mark *mark);
int instance_each_arrival (const struct instance *in, int64_t *changed, instance_visit *visit,
                           void *context);
int instance_each_gathering (const struct instance *in, instance_visit *visit, void *context);

/* The same of MARK. */
int instance_mark_time (const struct instance_mark *mark, int64_t *time);

/* Whether it may be one: a link, or what the file system does not tell. */
bool instance_is_mark (const struct instance_mark *mark);

/* Adds to SET the tasks whose marks are in departure; or in arrival, with those that
 * will not come. */
int instance_list_marks (const struct instance *in, bool departed, struct ranks *set);

/* Reads the note that the link NAME in DIRFD points to, cleaned.  False if there
 * is none. */
bool instance_read_note (int dirfd, const char *name, char note[INSTANCE_NOTE_MAX]);

/* Says in NOTE who is gathered on NODE: replaces what it said before.  Best
 * effort; with NULL there is nothing to say any more. */
void instance_tell_gathering (const struct instance *in, uint32_t node, const char *note);

/* The same: who watches.  instance_watches(): whether nothing else than NOTE is said. */
void instance_tell_watcher (const struct instance *in, const char *note);
bool instance_watches (const struct instance *in, const char *note);

/* The socket of NODE: connects to it, or makes and listens at it; returns a
 * descriptor (SOCK_SEQPACKET, non-blocking), or -1.  From instance_connect()
 * ENOENT: nobody has made it; ECONNREFUSED: nobody listens, here at least;
 * EAGAIN: too many at once.  From instance_listen() EADDRINUSE: somebody else
 * has; ELOOP from both: a link has its name; others: there can be none here. */
int instance_connect (const struct instance *in, uint32_t node);
int instance_listen (const struct instance *in, uint32_t node);
void instance_unlisten (const struct instance *in, uint32_t node);

/* Opens the file that members lock; makes it if there is none. */
int instance_open_lock (const struct instance *in);

/* How long ago the leader of NODE, who speaks for OWN, has shown that it lives: by
 * making its socket, saying who is gathered, or touching its mark; by the file
 * server's clock, in nanoseconds. */
int64_t instance_leader_age (const struct instance *in, uint32_t node, const struct ranks *own);

/* Wakes all who listen at sockets here, on this node. */
void instance_wake_leaders (const struct instance *in);

/* Whether KEY still names this instance: 1, 0, or -1. */
int instance_is_current (const struct instance *in);

/* Takes the name KEY away from this instance: 0; or, when it named another or
 * none by then, 1: that other one is made void, and removed, so that its members
 * arrive anew.  NAME gets the name that the instance has now. */
int instance_go_away (const struct instance *in, char name[256]);

/* Whether this instance is in the directory under the name of one that went
 * away, and under which: NAME. */
bool instance_find_gone (const struct instance *in, char name[256]);

/* Removes the instance PARENT/NAME that went away, and all that is in it.
 * Late-comers may go on making files for a moment.  -1 if it is still there
 * afterwards. */
int instance_remove (int parent, const char *name);

/* The name of the file system that the directory DIRFD is on, if only this kernel
 * changes it; NULL: other nodes may, or it is not known here. */
const char *instance_local_file_system (int dirfd);

/* The time of the server that has DIRFD, by touching it, in nanoseconds since
 * 1970; its clock, because that is what sets the times of files. */
int64_t instance_server_time (int dirfd);
