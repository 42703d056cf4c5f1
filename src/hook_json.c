/* SPDX-License-Identifier: BSD-3-Clause */
#include "hook_json.h"

#include "json_text.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOOK_JSON_MAX ((size_t) 1 << 20)

struct json_object *
hook_json_read (const char *path, struct failure *f)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  json_object *json = NULL;
  char *text = NULL;

  if (fd < 0)
    {
      (void) fail (f, EX_NOINPUT, "%s: %m", path);
      return NULL;
    }
  ssize_t length = json_text_read (path, fd, HOOK_JSON_MAX, 4096, &text, f);
  if (length >= 0)
    json = json_text_parse (path, text, (size_t) length, f);
  free (text);
  (void) close (fd);
  return json;
}

/* The strings of the array NAME in "hook"; others count as "". */
static const char *
string_in (struct json_object *json, const char *name, size_t i)
{
  json_object *hook, *list, *entry;

  if (json == NULL || !json_object_object_get_ex (json, "hook", &hook)
      || !json_object_object_get_ex (hook, name, &list)
      || !json_object_is_type (list, json_type_array)
      || i >= (size_t) json_object_array_length (list))
    return NULL;
  entry = json_object_array_get_idx (list, i);
  return json_object_is_type (entry, json_type_string) ? json_object_get_string (entry) : "";
}

/* What follows "NAME=" in TEXT, or NULL. */
static const char *
value_of (const char *text, const char *name)
{
  size_t length = strlen (name);

  return strncmp (text, name, length) == 0 && text[length] == '=' ? text + length + 1 : NULL;
}

/* The value of OPTION ("base-dir") or else of VARIABLE ("HOOK_BASE_DIR"), unless
 * SETTING has one. */
static void
take_setting (const char **setting, struct json_object *json, const char *option,
              const char *variable)
{
  const char *text, *value, *found = NULL;

  /* args[0] is the program's name.  Of an option given twice the last counts,
   * of a variable the first, as getopt_long(3) and getenv(3) have it. */
  for (size_t i = 1; (text = string_in (json, "args", i)) != NULL; i++)
    {
      if (strncmp (text, "--", 2) != 0)
        continue;
      if ((value = value_of (text + 2, option)) != NULL)
        found = value;
      else if (strcmp (text + 2, option) == 0)
        found = string_in (json, "args", i + 1);
    }
  for (size_t i = 0; found == NULL && (text = string_in (json, "env", i)) != NULL; i++)
    found = value_of (text, variable);
  if (*setting == NULL && found != NULL && found[0] != '\0')
    *setting = found;
}

void
hook_json_settings (struct json_object *json, struct config *config)
{
  take_setting (&config->base_dir, json, "base-dir", "HOOK_BASE_DIR");
  take_setting (&config->passwd_file, json, "passwd-file", "PASSWD_FILE");
  take_setting (&config->timeout_text, json, "timeout", "HOOK_TIMEOUT");
  take_setting (&config->log_level_text, json, "log-level", "HOOK_LOG_LEVEL");
}
