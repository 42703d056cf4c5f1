/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin_prune.h - --prune: removes what killed and failed jobs have left.
 */
#ifndef ADMIN_PRUNE_H
#define ADMIN_PRUNE_H

#include "config.h"
#include "failure.h"

/* Prunes as CONFIG asks for, and prints a line for each barrier.  *WORST is
 * admin_each_user()'s. */
int admin_prune (const struct config *config, int *worst, struct failure *f);

#endif
