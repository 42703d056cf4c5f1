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
#include <unistd.h>

/* Takes what CONFIG leaves open from the installed hook JSON, if it is there. */
static int
admin_settle (struct config *config, json_object **json, struct failure *f)
{
  *json = NULL;
  if ((config->base_dir != NULL && config->passwd_file != NULL)
      || access (HOOK_JSON_INSTALLED, F_OK) != 0)
    return 0;
  *json = hook_json_read (HOOK_JSON_INSTALLED, f);
  if (*json == NULL && config->base_dir == NULL)
    {
      fail_prefix (f, "HOOK_BASE_DIR is not known, give --base-dir=DIR");
      return -1;
    }
  if (*json != NULL && config->base_dir == NULL)
    config->base_dir = hook_json_setting (*json, "base-dir", "HOOK_BASE_DIR");
  if (*json != NULL && config->passwd_file == NULL)
    config->passwd_file = hook_json_setting (*json, "passwd-file", "PASSWD_FILE");
  return 0;
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
