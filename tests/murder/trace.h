/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace.h - stops a hook at each of its system calls, by ptrace(2).
 */
#ifndef TRACE_H
#define TRACE_H

#include "stage.h"

#include <sys/ptrace.h>

/* From which call on they are counted. */
enum trace_from {
  TRACE_START,  /* the first of the program: the loader's */
  TRACE_MAIN,   /* the first of main() */
  TRACE_BARRIER /* the first of the barrier: it opens what the key names */
};

struct trace {
  struct cast *cast;
  struct actor *actor;
  enum trace_from from;
  bool effects;    /* only calls that others can notice are counted, or that wait */
  bool counts;     /* it has come that far */
  bool barrier;    /* it has come to the barrier */
  unsigned number; /* of the call that it is in, from 1 */
  bool sleeps;     /* that call waits: the actor is in ppoll(2) */
  long call;       /* which call that is */
  bool leads;      /* it has made the socket of its node, */
  unsigned taken;  /* and has let so many know that it has taken them */
  bool asked;      /* it has told a leader who it is */
  int64_t limit;   /* this process gives up then */
  struct __ptrace_syscall_info info; /* of its last stop, with the arguments */
};

/* ACTOR: just started, traced. */
void trace_start (struct trace *t, struct cast *c, struct actor *actor, enum trace_from from,
                  bool effects);

/* Lets it run to the entry of its next call.  Returns the call's number in
 * <sys/syscall.h>, or -1 if the actor has ended. */
long trace_enter (struct trace *t);

/* From there to the exit of that call.  Returns false if the actor has ended. */
bool trace_leave (struct trace *t);

/* Where trace_skip() and trace_return() do not know the machine's registers:
 * says that all is skipped, and exits with 77. */
void trace_need_registers (void);

/* At the entry: the call will not be executed. */
void trace_skip (struct trace *t);

/* At the exit: the call returns RESULT, -errno for an error. */
void trace_return (struct trace *t, long result);

/* Lets go of it, giving it the signal SIGNAL if that is not 0. */
void trace_end (struct trace *t, int signal);

/* The name of call NR, or "call NR"; in a static buffer. */
const char *trace_name (long nr);

#endif
