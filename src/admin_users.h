/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin_users.h - an administrator's command is carried out for each user, as
 * that user, and its answer is put together.
 */
#ifndef ADMIN_USERS_H
#define ADMIN_USERS_H

#include "config.h"
#include "failure.h"
#include "identity.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_object;

/* What there is to say of all users. */
struct admin_answer {
  struct json_object *found;    /* an array */
  struct json_object *problems; /* an array of texts: what could not be done */
  int worst;                    /* the status of the last of these, or EX_OK */
  FILE *stream;                 /* in a user's process: to the one that prints */
};

/* Adds OBJECT to what was found, and takes it over. */
void admin_tell (struct admin_answer *answer, struct json_object *object);

/* Something to be done for one user, as that user, in his directory of
 * barriers DIRFD, whose path is WHERE; tells ANSWER what there is to say. */
typedef int admin_work (const struct config *config, int dirfd, const char *where,
                        const struct identity *user, struct admin_answer *answer,
                        struct failure *f);

/* Does WORK for the user of --user, or for all users as root, or for the
 * caller; as root each in a process of its own that becomes the user first,
 * since root has no rights on a file server that squashes it.  Users without
 * such a directory have nothing to say.  Where it fails for one of several
 * users, or for another one as root, that is a problem of the answer.  A user's
 * process that is silent for 30 s is killed: it is the user's, so he can stop
 * it.  The caller ends with admin_free(), also after a failure. */
int admin_each_user (const struct config *config, admin_work *work, struct admin_answer *answer,
                     struct failure *f);
void admin_free (struct admin_answer *answer);

/* Prints the problems to standard error. */
void admin_print_problems (const struct admin_answer *answer);

/* Fills ID for the user NAME: from the passwd file, if CONFIG has one, else
 * from what this node knows.  False if nobody is called so. */
bool admin_find_user (const struct config *config, const char *name, struct identity *id);

/* Prints "3 d", "12 h" and the like: as much as one wants to know. */
void admin_print_age (FILE *out, int64_t seconds);

/* Adds TEXT to OBJECT, cleaned: who made a file chose its name. */
void admin_add_text (struct json_object *object, const char *key, const char *text);

#endif
