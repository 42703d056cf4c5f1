/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin.h - the commands of an administrator: --status, --prune, --check; --help and
 * --version.
 */
#pragma once

#include "config.h"
#include "failure.h"
#include "identity.h"

#include <json-c/json.h>
#include <sys/types.h>

/* Runs the command that CONFIG asks for: for the user of --user, or for all users
 * as root, or for the caller.  Users without a directory of barriers have nothing
 * to say; where it fails for one user, the others are done all the same.  Prints
 * errors to standard error.  Returns the exit status, of the last failure. */
int admin_run (const struct config *config);

/* --status, as USER: every barrier in his directory of them, DIRFD, whose path is WHERE.
 * It only reads, so it never disturbs a barrier; what goes away under it is left
 * out.  Returns how many it has shown, or -1: EX_IOERR. */
int admin_status (const struct config *config, int dirfd, const char *where,
                  const struct identity *user, struct failure *f);

/* --check: what would go wrong, before a job finds out.  Prints a line for each
 * finding, with the remedy; the exit status is that of the worst: 0,
 * ADMIN_CHECK_WARNED, or EX_CONFIG. */
#define ADMIN_CHECK_WARNED 1
int admin_check (const struct config *config);

/* Fills USER for the one of --user, whom only root may name, or else for the
 * caller, who has no name and no home then.  EX_NOUSER, EX_NOPERM. */
int admin_user (const struct config *config, struct identity *user, struct failure *f);

/* As root: becomes USER, with the groups that this node knows of him. */
int admin_become (const struct identity *user, struct failure *f);

/* Reads a hook's JSON file, oci-hooks(5); ours is HOOK_JSON_INSTALLED, of the Makefile.
 * EX_NOINPUT if it is not there, EX_IOERR if it cannot be read, EX_DATAERR if it is not a
 * JSON object.  The caller ends with json_object_put(). */
struct json_object *hook_json_read (const char *path, struct failure *f);

/* Reads into CONFIG the settings that the hook will get: the options in hook.args,
 * or else the variables in hook.env.  They are owned by JSON, which may be NULL:
 * then there are none.  As config_read(). */
int hook_json_settings (struct json_object *json, struct config *config, struct failure *f);

/* Takes the paths that CONFIG leaves open from the hook JSON FILE; they are valid
 * until the next call.  EX_NOINPUT if it is not there. */
int admin_take_settings (struct config *config, const char *file, struct failure *f);

/* Waits for the child PID, for SECONDS, and kills it then.  Returns its exit
 * status, or -1 if it has none. */
int admin_wait (pid_t pid, int seconds);
