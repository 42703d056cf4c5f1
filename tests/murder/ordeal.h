/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ordeal.h - one of three hooks, the victim, has something go wrong, and goes
 * on living: what it does then, and what becomes of the others.
 */
#ifndef ORDEAL_H
#define ORDEAL_H

#include "pool.h"
#include "stage.h"

/* Longer than it takes to find a leader dead, on a busy machine. */
#define ORDEAL_TIMEOUT (4 * SECOND)

enum ordeal_plot {
  ORDEAL_LAST,  /* the victim comes when the others have arrived */
  ORDEAL_FIRST, /* the others come when the victim waits, or has ended */
  ORDEAL_ABSENT /* as the first, but one of the others never comes: nobody may
                   synchronise */
};

extern const char *const ordeal_plots[];

/* How far the victim had come when it happened. */
enum ordeal_phase {
  ORDEAL_PREPARING,
  ORDEAL_READING,  /* the state and config.json */
  ORDEAL_IDENTITY, /* finding the user and becoming him */
  ORDEAL_SYNCDIR,  /* opening the directory of the barriers */
  ORDEAL_BARRIER,
  ORDEAL_UNKNOWN
};

struct ordeal {
  struct verdict *v;
  enum ordeal_plot plot;
  enum ordeal_phase phase;
  enum layout layout;
  uint32_t procid; /* the victim's */
  struct scene scene;
  struct cast cast;
  struct actor *victim;
  bool others;     /* they have been started */
  bool lasting;    /* what went wrong did so from then on: it may not even be
                      able to tell the others */
  bool mute;       /* it was its message that could not be written */
};

/* Makes the scene, and starts the others if the plot says so. */
void ordeal_begin (struct ordeal *o, struct verdict *v, enum ordeal_plot plot, enum layout layout,
                   uint32_t procid);

void ordeal_start_others (struct ordeal *o);

/* Starts the others if they have not been, and waits for all. */
void ordeal_wait (struct ordeal *o);

/* Checks what all of them did.  ERROR is what the victim was told, as in
 * errno; 0: nothing went wrong, all must have synchronised. */
void ordeal_check (struct ordeal *o, int error);

/* A minute later the key comes again: all hooks synchronise. */
void ordeal_repeat (struct ordeal *o);

/* Ends whoever is left; adds WHAT and the states of all to a bad verdict. */
void ordeal_end (struct ordeal *o, const char *what);

#endif
