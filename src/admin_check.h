/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin_check.h - --check: what would go wrong, before a job finds out.
 */
#ifndef ADMIN_CHECK_H
#define ADMIN_CHECK_H

#include "config.h"

/* Checks the hook JSON files that CONFIG names, or the installed one, and what
 * they say; prints a line for each finding, with the remedy.  Returns the exit
 * status, by the worst of them: 0, ADMIN_CHECK_WARNED, or EX_CONFIG. */
#define ADMIN_CHECK_WARNED 1
int admin_check (const struct config *config);

#endif
