/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * process.h - the process itself: a known state at the start, whatever the
 * runtime, or a user's shell, has left.
 */
#ifndef PROCESS_H
#define PROCESS_H

/* Closes inherited descriptors above 2, opens 0 to 2 on /dev/null where they
 * are closed, and sets: the standard signals to their defaults but SIGPIPE and
 * SIGXFSZ (ignored, so that a write fails instead), umask 077, no core dumps, and
 * as much file size as may be had.  Called first in main().  Returns 0; or -1, if
 * a descriptor below 3 cannot be opened, with errno set. */
int process_prepare (void);

/* Makes / the working directory, which pins no file system.  Cannot fail:
 * where / cannot be entered, where we stand is as good as any. */
void process_leave_directory (void);

#endif
