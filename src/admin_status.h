/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin_status.h - --status: every barrier that is there, for those who look.
 *
 * It only reads, so it never disturbs a barrier; what goes away under it is
 * left out.
 */
#ifndef ADMIN_STATUS_H
#define ADMIN_STATUS_H

#include "config.h"
#include "failure.h"

/* Prints the barriers that CONFIG asks for, once, or with --watch again and
 * again until a signal ends it.  *WORST is admin_each_user()'s. */
int admin_status (const struct config *config, int *worst, struct failure *f);

#endif
