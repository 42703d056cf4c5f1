/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandbox.h - least power while waiting.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

/* From here on the process can open, make and remove files only below the
 * directory DIRFD, whatever the user's own rights are, and read files in /proc
 * if it watches PROCESSES; descriptors that are open stay as they are.
 * Landlock does that, landlock(7), where the kernel has it with ABI 2 (Linux
 * 5.19: links and renames between directories).  Cannot fail: without it the
 * hook goes on, and says so at level debug. */
void sandbox_enter (int dirfd, bool processes);

#endif
