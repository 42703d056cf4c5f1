/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hook_json.h - a hook's JSON file, oci-hooks(5), as far as the administrator's
 * commands need it.
 */
#ifndef HOOK_JSON_H
#define HOOK_JSON_H

#include "failure.h"

struct json_object;

/* Where make install puts ours. */
#ifndef HOOK_JSON_INSTALLED
#define HOOK_JSON_INSTALLED "/etc/containers/oci/hooks.d/slurm-global-sync.json"
#endif

/* Reads PATH.  EX_NOINPUT if it cannot be opened, EX_DATAERR if it is not a
 * JSON object.  The caller ends with json_object_put(). */
struct json_object *hook_json_read (const char *path, struct failure *f);

/* A setting that the hook will get: the value of OPTION ("base-dir") in
 * hook.args, else of VARIABLE ("HOOK_BASE_DIR") in hook.env; NULL if neither
 * has it, or it is empty.  Owned by JSON. */
const char *hook_json_setting (struct json_object *json, const char *option, const char *variable);

#endif
