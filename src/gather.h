/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gather.h - the hooks of a node gather at a Unix socket in the instance: one
 * of them, whoever makes the socket, leads and speaks for all of them, so that
 * the file server hears one voice a node.
 *
 * A hook connects and says which task it is.  The leader answers: TAKEN, it will
 * arrive for that task, unless the hook said that it will not come; or AWAY, this
 * instance is not for it, it has to wait until this one goes.  Whoever was taken
 * follows: waits for the leader's word, how the barrier ended.  Whoever was not answered is
 * nobody's and may start over.
 *
 * The kernel closes the sockets of who dies: so each side knows at once.  Peers
 * of another user are not believed, nor what is not just these messages.
 */
#pragma once

#include "failure.h"
#include "instance.h"
#include "ranks.h"
#include "waiting.h"

#include <stdbool.h>
#include <stdint.h>

enum gather_word {
  GATHER_TAKEN = 1,
  GATHER_AWAY,
  GATHER_RELEASED,
  GATHER_VOID,
  GATHER_CALLED_OFF /* with the reason */
};

enum gather_result {
  GATHER_LEADS,     /* this hook made the socket */
  GATHER_BELONGS,   /* it was taken */
  GATHER_ELSEWHERE, /* it was sent away */
  GATHER_AGAIN,     /* the leader, or the instance, went before it answered */
  GATHER_ENDED,     /* there is an outcome already */
  GATHER_DEAD,      /* nobody has listened at the socket for GATHER_PATIENCE, or who
                       does is stopped */
  GATHER_IMPOSSIBLE, /* this file system has no sockets that can be connected to */
  GATHER_GIVEN_UP,  /* waiting_end_reason(), or the deadline */
  GATHER_RETRY,     /* nothing yet; inside gather_join() only */
  GATHER_FAILED     /* errno says why */
};

/* A leader listens as soon as it has made the socket, and goes on until there is
 * an outcome. */
#define GATHER_PATIENCE SECOND

struct gather {
  struct instance *in; /* borrowed, as all pointers here but ranks */
  struct waiting *waiting;
  const struct ranks *own; /* the tasks of this node */
  uint32_t node;           /* its number, of the socket's name */
  uint32_t self;           /* this hook's task */
  bool refuses;            /* it will not come: asks only whether it is expected */

  int fd;          /* a follower's connection to its leader, or -1 */
  uint32_t leader; /* whom it leads to */

  int listener;      /* the leader's socket; -1: it takes nobody any more */
  int set;           /* epoll(7) of it and of the connections, or -1 */
  struct ranks here; /* who was taken, and the leader itself */
  bool woken;      /* somebody has come and gone: a reason to look */
  int64_t lost;      /* a task that was taken and is gone, or -1 */
  uint32_t *ranks;   /* of the connections, by their descriptors */
  int room;          /* in that */
  size_t connected;  /* taken and not hung up */
};

/* Fills G.  gather_end() hangs up, frees, and removes the socket if this hook
 * leads; it may be called twice. */
void gather_start (struct gather *g, struct instance *in, struct waiting *waiting,
                   const struct ranks *own, uint32_t node, uint32_t self);
void gather_end (struct gather *g);

/* Comes to the socket of the node; waits until DEADLINE at most to be answered. */
enum gather_result gather_join (struct gather *g, int64_t deadline);

/* A follower: waits until UNTIL for the leader's word.  WAKE_READY: *WORD is what
 * it said, with the reason in TEXT; or 0, the leader is gone without a word. */
enum wake gather_listen (struct gather *g, int64_t until, enum gather_word *word,
                         char text[INSTANCE_TEXT_MAX]);

/* The leader: waits until UNTIL, answers who comes, and notices who goes
 * (g->lost, g->woken).  WAKE_READY: something has changed.  EX_OSERR in F, and
 * WAKE_END, if there are no descriptors left for those who come. */
enum wake gather_serve (struct gather *g, int64_t until, struct failure *f);

/* The leader: stops listening and tells WORD to all whom it has taken. */
void gather_tell (struct gather *g, enum gather_word word, const char *text);

/* The leader: waits until all whom it has told have hung up, whatever signal
 * comes; false if some have not at UNTIL. */
bool gather_all_hung_up (struct gather *g, int64_t until);
