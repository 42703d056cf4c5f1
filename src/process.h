/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * process.h - the process itself: a known state at the start, whatever the
 * runtime, or a user's shell, has left; and calls that its system may lack.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

/* System calls that the oldest C libraries, of Debian 11 (2.31) or RHEL 8 (2.28), do
 * not name.  From 424 on, a call has the same number on all architectures but alpha
 * and mips.  A kernel that lacks a call, and some sandboxes that forbid it, say
 * ENOSYS: who makes one of these has to do without it then. */
enum {
  CALL_PIDFD_OPEN = 434,  /* Linux 5.3 */
  CALL_CLOSE_RANGE = 436, /* Linux 5.9 */
  CALL_OPENAT2 = 437,     /* Linux 5.6 */
  CALL_PIDFD_GETFD = 438  /* Linux 5.6 */
};

/* Closes inherited descriptors above 2, opens 0 to 2 on /dev/null where they
 * are closed, and sets: umask 077; SIGPIPE and SIGXFSZ ignored, so that a write
 * fails instead; SIGCHLD to its default, which wait(2) needs.  Called first in
 * main().  Returns 0; or -1, if a descriptor below 3 cannot be opened, with errno
 * set. */
int process_prepare (void);

/* close(2), unless *FD is -1, which it is then; leaves errno alone. */
void close_one (int *fd);

/* Reads the start of the file NAME in /proc of the process PID, 0: this one. */
bool process_read (pid_t pid, const char *name, char *text, size_t size);

/* The parent of the process PID, 0: this one; 0 if it cannot be told.  Not
 * getppid(2): in a pid namespace of the container's own (runc, createContainer)
 * the parent has no number, but /proc is the host's. */
pid_t process_parent (pid_t pid);

/* What /proc/self/mountinfo says of the file system on the device DEV: its type, a
 * space, its source, a space and its options, proc(5); "" if it is not there.  This asks
 * no file server, as statfs(2) would. */
#define PROCESS_MOUNT_MAX 4096
void process_find_mount (dev_t dev, char text[PROCESS_MOUNT_MAX]);

/* Ends a child by _exit(2): exit(3) would move the place in files that it shares
 * with its parent. */
_Noreturn void process_exit (int status);
