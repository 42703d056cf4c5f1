/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin.h - the commands of an administrator: --status, --prune, --check.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include "config.h"

/* Runs the command that CONFIG asks for; prints what it has to say to standard
 * output, and errors to standard error.  Returns the exit status. */
int admin_run (const struct config *config);

#endif
