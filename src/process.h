/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * process.h - the process itself: a known state at the start, whatever the
 * runtime, or a user's shell, has left.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Closes inherited descriptors above 2, opens 0 to 2 on /dev/null where they
 * are closed, and sets: the standard signals to their defaults but SIGPIPE and
 * SIGXFSZ (ignored, so that a write fails instead), and umask 077.  Called first
 * in main().  Returns 0; or -1, if a descriptor below 3 cannot be opened, with
 * errno set. */
int process_prepare (void);

/* close(2), unless *FD is -1, which it is then; leaves errno alone. */
void close_one (int *fd);

/* Reads the start of the file NAME in /proc of the process PID, 0: this one. */
bool process_read (pid_t pid, const char *name, char *text, size_t size);

/* The parent of the process PID, 0: this one; 0 if it cannot be told.  Not
 * getppid(2): in a pid namespace of the container's own (runc, createContainer)
 * the parent has no number, but /proc is the host's. */
pid_t process_parent (pid_t pid);

/* Ends a child by _exit(2): exit(3) would move the place in files that it shares
 * with its parent. */
_Noreturn void process_exit (int status);

#endif
