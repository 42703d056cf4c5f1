/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hook_json.h - a hook's JSON file, oci-hooks(5), as far as the administrator's
 * commands need it.
 */
#ifndef HOOK_JSON_H
#define HOOK_JSON_H

#include "config.h"
#include "failure.h"

#include <json-c/json.h>

/* Where make install puts ours. */
#ifndef HOOK_JSON_INSTALLED
#define HOOK_JSON_INSTALLED "/etc/containers/oci/hooks.d/slurm-global-sync.json"
#endif

/* Reads PATH.  EX_NOINPUT if it cannot be opened, EX_DATAERR if it is not a
 * JSON object.  The caller ends with json_object_put(). */
struct json_object *hook_json_read (const char *path, struct failure *f);

/* Reads into CONFIG the settings that the hook will get: the options in hook.args,
 * or else the variables in hook.env.  They are owned by JSON, which may be NULL:
 * then there are none.  As config_read(). */
int hook_json_settings (struct json_object *json, struct config *config, struct failure *f);

#endif
