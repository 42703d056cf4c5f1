/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * syncdir.h - the directory where a user's barriers are:
 * .oci-hooks/slurm-global-sync in <base>/<user name>, or in the user's home.
 */
#pragma once

#include "failure.h"
#include "identity.h"

#define SYNCDIR_PATH ".oci-hooks/slurm-global-sync"

#define SYNCDIR_USER_MAX 4096

/* The path of the user's directory: <BASE>/<user name>; or his home, where BASE
 * is NULL.  EX_CONFIG if it is too long, or he has none. */
int syncdir_user (const char *base, const struct identity *id, char path[SYNCDIR_USER_MAX],
                  struct failure *f);

/* Opens that directory and returns its descriptor, which the caller closes; PATH
 * gets its path, cut if it is too long.  Called as the user.
 *
 * The user's directory must be there and belong to the user or to root; it may
 * be a symbolic link of either.  What is below must be the user's own directories,
 * which nobody else may write, with no links on the way; everything is checked
 * through the descriptor that is used.  With MAKE it is made where it is not there;
 * else it is -1 with f->status 0 then.
 *
 * EX_CONFIG if BASE is no directory or as above, EX_CANTCREAT if something cannot be made
 * or opened, EX_NOPERM if an owner or a mode is not safe. */
int syncdir_open (const char *base, const struct identity *id, bool make,
                  char path[SYNCDIR_USER_MAX], struct failure *f);
