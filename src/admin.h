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

struct json_object;

/* Runs the command that CONFIG asks for; prints what it has to say to standard
 * output, and errors to standard error.  Returns the exit status. */
int admin_run (const struct config *config);

/* Something to be done for one user, as that user, in his directory of
 * barriers DIRFD, whose path is WHERE: returns a new JSON array of what there
 * is to say, or NULL with the failure filled. */
typedef struct json_object *admin_work (const struct config *config, int dirfd, const char *where,
                                        const struct identity *user, struct failure *f);

/* Does WORK for the user of --user, or for all users as root, or for the
 * caller; each in a process of its own that becomes the user first, since root
 * has no rights on a file server that squashes it.  Returns all arrays as one,
 * which the caller owns, or NULL.  Users without such a directory have nothing
 * to say.  Where it fails for a user a warning is printed, and *WORST gets the
 * status, which is 0 if it fails for nobody.  A user's process that does not
 * answer within 30 s is killed: it is the user's, so he can stop it. */
struct json_object *admin_each_user (const struct config *config, admin_work *work, int *worst,
                                     struct failure *f);

/* Fills ID for the user NAME: from the passwd file, if CONFIG has one, else
 * from what this node knows.  False if nobody is called so. */
bool admin_find_user (const struct config *config, const char *name, struct identity *id);

/* Adds TEXT to OBJECT, cleaned: who made a file chose its name. */
void admin_add_text (struct json_object *object, const char *key, const char *text);

#endif
