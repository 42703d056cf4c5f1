/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * instance.h - what one barrier is on disk, and each thing that can be done
 * with it.  The rules that put these together are barrier.c's.
 *
 *   KEY/ntasks                     symbolic link to the number of members
 *   KEY/arrival/slurm-procid-P     member P has arrived
 *   KEY/departure                  the outcome; made once, by whoever comes first:
 *       a directory                       released
 *       symbolic link "void"              no barrier happened here
 *       symbolic link "called-off: ..."   called off, and why
 *   KEY/departure/slurm-procid-P   member P has seen the release
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
 * FUSE file systems only in its listing; so FRESH looks open anew and list,
 * others just look.
 */
#ifndef INSTANCE_H
#define INSTANCE_H

#include "ranks.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Longer reasons are cut: XFS takes 1023 bytes as a link, and a status line
 * has to be read by somebody. */
#define INSTANCE_TEXT_MAX 500

/* The name of a member's file, "slurm-procid-4294967295" and its NUL. */
#define INSTANCE_NAME_MAX 24

/* Names of instances that went away begin with this. */
#define INSTANCE_GONE "gone-"

struct instance {
  int parent;      /* the directory that KEY is in; borrowed */
  const char *key; /* borrowed */
  int arrival;     /* descriptor of KEY/arrival */
  int departure;   /* descriptor of KEY/departure once it was seen released, or -1 */
  int top;         /* descriptor of KEY, -1 until instance_hold() */
  dev_t dev;       /* with ino: which one it is, after instance_hold() */
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

/* Opens the instance that KEY names in PARENT; makes it, for MEMBERS, if there
 * is none.  ELOOP or ENOTDIR if KEY names something else.  instance_close()
 * ends it, and may be called twice. */
int instance_open (struct instance *in, int parent, const char *key, uint32_t members);
void instance_close (struct instance *in);

/* Opens what a longer stay needs: the descriptor top, and which one it is. */
int instance_hold (struct instance *in);

/* How many members it is for: what the first who came said.  MINE is written
 * down if nobody did yet.  0 in *MEMBERS if that makes no sense. */
int instance_members (const struct instance *in, uint32_t mine, uint32_t *members);

/* Makes the file of member RANK in arrival; exclusively: EEXIST if there is
 * one.  instance_refuse() takes its place by something that is listed, but does
 * not count: the member will not come.  instance_touch() shows that the member
 * is alive, instance_disown() that it is not, instance_withdraw() removes the
 * file, instance_describe() writes TEXT into it (best effort). */
int instance_arrive (const struct instance *in, uint32_t rank);
int instance_refuse (const struct instance *in, uint32_t rank);
int instance_touch (const struct instance *in, uint32_t rank);
void instance_disown (const struct instance *in, uint32_t rank);
int instance_withdraw (const struct instance *in, uint32_t rank);
void instance_describe (const struct instance *in, uint32_t rank, const char *text);

/* The file of member RANK in arrival; EINVAL if it is not a regular file, but
 * *ST is filled then, too. */
int instance_stat (const struct instance *in, uint32_t rank, struct stat *st);

/* Looks at the outcome.  For CALLED_OFF, TEXT gets what follows
 * "called-off: ", cleaned.  For RELEASED in->departure is open afterwards.
 * FRESH needs instance_hold(). */
enum outcome instance_outcome (struct instance *in, bool fresh, char text[INSTANCE_TEXT_MAX]);

/* Make the outcome.  EEXIST: there is one already, and that one counts. */
int instance_release (const struct instance *in);
int instance_void (const struct instance *in);
int instance_call_off (const struct instance *in, const char *text);

/* When the outcome was made, or for a release when a member departed last, in
 * nanoseconds of the file server's clock. */
int instance_outcome_time (const struct instance *in, int64_t *time);

/* When the instance was made, by the same clock. */
int instance_began (const struct instance *in, int64_t *time);

/* Wakes the members on this node that wait for the kernel's notice. */
void instance_poke (const struct instance *in);

/* Moves on: links the own file of member RANK, which must be in arrival, into
 * departure as well.  After RELEASED was seen.  EEXIST: this or another hook of
 * this member has departed from here; ENOENT or ESTALE: the own file is gone, so
 * the instance is being removed; others: it may be done, or not, or not have
 * been this hook's to do.  instance_withdraw() comes next. */
int instance_depart (const struct instance *in, uint32_t rank);

/* Adds to SET the members whose files are in arrival, or departure.  Foreign
 * entries are passed over. */
int instance_list_arrival (const struct instance *in, struct ranks *set);
int instance_list_departure (const struct instance *in, struct ranks *set);

/* Whether KEY still names this instance: 1, 0, or -1.  After
 * instance_hold(). */
int instance_is_current (const struct instance *in, bool fresh);

/* Takes the name KEY away from this instance: 0; or, when it named another or
 * none by then, 1: that other one is made void, and removed, so that its members
 * arrive anew.  NAME gets the name that the instance has now.  After
 * instance_hold(). */
int instance_go_away (const struct instance *in, char name[256]);

/* Whether this instance is in the directory under the name of one that went
 * away, and under which: NAME.  After instance_hold(). */
bool instance_find_gone (const struct instance *in, char name[256]);

/* Removes the instance PARENT/NAME that went away, and all that is in it.
 * Late-comers may go on making files for a moment.  -1 if it is still there
 * afterwards. */
int instance_remove (int parent, const char *name);

/* The name of the file system that the directory DIRFD is on, NULL if it is not
 * known here; and whether only this kernel changes it. */
const char *instance_file_system (int dirfd, bool *local);
bool instance_is_local (int dirfd);

/* The time of the server that has DIRFD, by touching it, in nanoseconds since
 * 1970; its clock, because that is what sets the times of files. */
int64_t instance_server_time (int dirfd);

/* The number N if NAME is "slurm-procid-N" and nothing else, with N below
 * COUNT; -1 if not. */
int64_t instance_rank (const char *name, uint32_t count);

#endif
