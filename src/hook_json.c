/* SPDX-License-Identifier: BSD-3-Clause */
#include "hook_json.h"

#include "json_text.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOOK_JSON_MAX ((size_t) 1 << 20)

/* More arguments, or variables, than this are not looked at. */
#define WORDS_MAX 256

struct json_object *
hook_json_read (const char *path, struct failure *f)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  json_object *json = NULL;
  char *text = NULL;

  if (fd < 0)
    {
      (void) fail (f, errno == ENOENT ? EX_NOINPUT : EX_IOERR, "%s: %m", path);
      return NULL;
    }
  ssize_t length = json_text_read (path, fd, HOOK_JSON_MAX, &text, f);
  if (length >= 0)
    json = json_text_parse (path, text, (size_t) length, f);
  free (text);
  (void) close (fd);
  return json;
}

/* Makes LIST the strings of the array at NAME, others as "", and a NULL at
 * the end; returns how many there are. */
static int
list_strings (struct json_object *json, const char *name, char *list[WORDS_MAX + 1])
{
  json_object *array = json_text_part (json, name, json_type_array);
  size_t count = array == NULL ? 0 : (size_t) json_object_array_length (array);

  count = count < WORDS_MAX ? count : WORDS_MAX;
  for (size_t i = 0; i < count; i++)
    {
      json_object *entry = json_object_array_get_idx (array, i);
      const char *text
        = json_object_is_type (entry, json_type_string) ? json_object_get_string (entry) : "";
      /* What is const stays so: getopt(3) and getenv(3) change none of them. */
      memcpy (&list[i], &text, sizeof text);
    }
  list[count] = NULL;
  return (int) count;
}

int
hook_json_settings (struct json_object *json, struct config *config, struct failure *f)
{
  char *args[WORDS_MAX + 1], *env[WORDS_MAX + 1], **own = environ;
  int count = list_strings (json, "hook.args", args);

  (void) list_strings (json, "hook.env", env);
  environ = env;
  optind = 0; /* getopt(3) starts anew */
  int result = config_read (config, count, args, f);
  environ = own;
  config->files = NULL;
  return result;
}
