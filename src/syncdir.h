/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * syncdir.h - the directory where a user's barriers are:
 * <base>/<user name>/.oci-hooks/slurm-global-sync.
 */
#ifndef SYNCDIR_H
#define SYNCDIR_H

#include "failure.h"
#include "identity.h"

#define SYNCDIR_PATH ".oci-hooks/slurm-global-sync"

/* Opens that directory, making what is below <user name>, and returns its
 * descriptor, which the caller closes.  Called as the user.
 *
 * <user name> must be there and belong to the user or to root; it may be a
 * symbolic link of either.  What is below must be the user's own directories,
 * which nobody else may write, with no links on the way; everything is checked
 * through the descriptor that is used.
 *
 * EX_CONFIG if BASE is no directory, EX_CANTCREAT if something cannot be made
 * or opened, EX_NOPERM if an owner or a mode is not safe. */
int syncdir_open (const char *base, const struct identity *id, struct failure *f);

/* The same, but makes nothing: -1 with f->status 0 if it is not there. */
int syncdir_find (const char *base, const struct identity *id, struct failure *f);

#endif
