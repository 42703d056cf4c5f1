/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include "admin_check.h"
#include "admin_prune.h"
#include "admin_status.h"
#include "hook_json.h"
#include "log.h"

#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>

/* Takes what CONFIG leaves open from the installed hook JSON. */
static int
admin_settle (struct config *config, json_object **json, struct failure *f)
{
  *json = NULL;
  if (config->base_dir != NULL && config->passwd_file != NULL)
    return 0;
  *json = hook_json_read (HOOK_JSON_INSTALLED, f);
  if (*json != NULL && config->base_dir == NULL)
    config->base_dir = hook_json_setting (*json, "base-dir", "HOOK_BASE_DIR");
  if (*json != NULL && config->passwd_file == NULL)
    config->passwd_file = hook_json_setting (*json, "passwd-file", "PASSWD_FILE");
  if (config->base_dir != NULL)
    return 0;
  if (*json != NULL)
    return fail (f, EX_CONFIG, "%s does not have HOOK_BASE_DIR; give --base-dir=DIR",
                 HOOK_JSON_INSTALLED);
  const struct failure why = *f;
  return fail (f, why.status, "HOOK_BASE_DIR is not known: %.500s; give --base-dir=DIR", why.text);
}

int
admin_run (const struct config *given)
{
  struct config config = *given;
  struct failure f = { 0 };
  json_object *json;
  int result, worst = EX_OK;

  (void) signal (SIGPIPE, SIG_DFL); /* `--status | head` is no error */
  if (config.mode == CONFIG_CHECK)
    return admin_check (&config);
  result = admin_settle (&config, &json, &f);
  if (result == 0)
    result = config.mode == CONFIG_PRUNE ? admin_prune (&config, &worst, &f)
                                         : admin_status (&config, &worst, &f);
  json_object_put (json);
  if (result == 0 && fflush (stdout) != 0)
    result = fail (&f, EX_IOERR, "standard output: %m");
  if (result != 0)
    log_message (LOG_ERR, "%s", f.text);
  return result == 0 ? worst : f.status;
}
