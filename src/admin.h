/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin.h - the commands of an administrator: --status, --prune, --check.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include "config.h"
#include "failure.h"
#include "identity.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Runs the command that CONFIG asks for; prints what it has to say to standard
 * output, and errors to standard error.  Returns the exit status. */
int admin_run (const struct config *config);

/* --status: every barrier that is there.  It only reads, so it never disturbs a
 * barrier; what goes away under it is left out. */
int admin_status (const struct config *config);

/* --check: what would go wrong, before a job finds out.  Prints a line for each
 * finding, with the remedy; the exit status is that of the worst: 0,
 * ADMIN_CHECK_WARNED, or EX_CONFIG. */
#define ADMIN_CHECK_WARNED 1
int admin_check (const struct config *config);

/* Something to be done for one user, as that user, in his directory of
 * barriers DIRFD, whose path is WHERE; prints whole lines to OUT.  Returns an
 * exit status, having logged why, or -1 with F. */
typedef int admin_work (const struct config *config, int dirfd, const char *where,
                        const struct identity *user, FILE *out, struct failure *f);

/* Does WORK for the user of --user, or for all users as root, or for the
 * caller; as root each in a process of its own that becomes the user first,
 * since root has no rights on a file server that squashes it.  Users without
 * such a directory have nothing to say.  Where it fails for one of several
 * users, the others are done all the same.  A user's process that is silent for
 * 30 s is killed: it is the user's, so he can stop it.  Logs what fails; returns
 * the exit status of the last failure, or EX_OK. */
int admin_each_user (const struct config *config, admin_work *work, FILE *out);

/* Fills ID for the user NAME: from PASSWD_FILE, if it is not NULL, else from
 * what this node knows.  False if nobody is called so. */
bool admin_find_user (const char *passwd_file, const char *name, struct identity *id);

/* Waits for the child PID, for SECONDS, and kills it then.  Returns its exit
 * status, or -1 if it has none. */
int admin_wait (pid_t pid, int seconds);

/* "3 d", "12 h" and the like: as much as one wants to know.  Valid until the
 * next call. */
const char *admin_age (int64_t seconds);

#endif
