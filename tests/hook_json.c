/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hook_json FILE - is FILE a hook configuration as oci-hooks(5) has it?
 *
 * Prints hook.path and exits 0 if so; says what is wrong and exits 1 if not.
 * Stricter than podman in one point: an unknown property is an error here,
 * while podman ignores it, and with it what the property was meant to do.
 */
#include <json-c/json.h>

#include <limits.h>
#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *file_name;

__attribute__ ((format (printf, 1, 2), noreturn)) static void
invalid (const char *format, ...)
{
  va_list ap;

  (void) fprintf (stderr, "%s: ", file_name);
  va_start (ap, format);
  (void) vfprintf (stderr, format, ap);
  va_end (ap);
  (void) fputc ('\n', stderr);
  exit (EXIT_FAILURE);
}

static void
check_type (struct json_object *value, enum json_type type, const char *name)
{
  if (json_object_get_type (value) != type)
    invalid ("%s: must be of type %s", name, json_type_to_name (type));
}

/* The member NAME of OBJECT, or NULL if there is none and it may be missing. */
static struct json_object *
member (struct json_object *object, const char *name, enum json_type type, bool required)
{
  struct json_object *value;

  if (!json_object_object_get_ex (object, name, &value))
    {
      if (required)
        invalid ("%s: missing", name);
      return NULL;
    }
  check_type (value, type, name);
  return value;
}

/* Names of OBJECT's members, NULL at the end. */
static void
check_known (struct json_object *object, const char *where, const char *const *names)
{
  json_object_object_foreach (object, key, value)
  {
    size_t i = 0;

    (void) value;
    while (names[i] != NULL && strcmp (names[i], key) != 0)
      i++;
    if (names[i] == NULL)
      invalid ("%s%s: unknown property", where, key);
  }
}

static const char *
string_at (struct json_object *array, size_t i, const char *name)
{
  struct json_object *item = json_object_array_get_idx (array, i);

  if (json_object_get_type (item) != json_type_string)
    invalid ("%s[%zu]: must be a string", name, i);
  if (strlen (json_object_get_string (item)) != (size_t) json_object_get_string_len (item))
    invalid ("%s[%zu]: has a NUL character", name, i);
  return json_object_get_string (item);
}

static void
check_regex (const char *pattern, const char *name)
{
  regex_t regex;

  if (regcomp (&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
    invalid ("%s: \"%s\" is no extended regular expression", name, pattern);
  regfree (&regex);
}

static const char *
check_hook (struct json_object *hook)
{
  static const char *const known[] = { "path", "args", "env", "timeout", NULL };
  struct json_object *args, *env, *timeout;
  const char *path;

  check_known (hook, "hook.", known);
  path = json_object_get_string (member (hook, "path", json_type_string, true));
  if (path[0] != '/')
    invalid ("hook.path: \"%s\" is not absolute", path);

  args = member (hook, "args", json_type_array, false);
  for (size_t i = 0; args != NULL && i < json_object_array_length (args); i++)
    (void) string_at (args, i, "hook.args");
  if (args != NULL && json_object_array_length (args) == 0)
    invalid ("hook.args: must have the program's name at least");

  env = member (hook, "env", json_type_array, false);
  for (size_t i = 0; env != NULL && i < json_object_array_length (env); i++)
    {
      const char *entry = string_at (env, i, "hook.env");

      if (strchr (entry, '=') == NULL || entry[0] == '=')
        invalid ("hook.env: \"%s\" is not NAME=VALUE", entry);
    }

  timeout = member (hook, "timeout", json_type_int, false);
  if (timeout != NULL
      && (json_object_get_int64 (timeout) <= 0 || json_object_get_int64 (timeout) > INT_MAX))
    invalid ("hook.timeout: must be a number of seconds above 0");
  return path;
}

static void
check_when (struct json_object *when)
{
  static const char *const known[] = { "always", "annotations", "commands", "hasBindMounts", NULL };
  struct json_object *annotations, *commands;

  check_known (when, "when.", known);
  if (json_object_object_length (when) == 0)
    invalid ("when: must have a condition at least");
  (void) member (when, "always", json_type_boolean, false);
  (void) member (when, "hasBindMounts", json_type_boolean, false);

  commands = member (when, "commands", json_type_array, false);
  for (size_t i = 0; commands != NULL && i < json_object_array_length (commands); i++)
    check_regex (string_at (commands, i, "when.commands"), "when.commands");

  annotations = member (when, "annotations", json_type_object, false);
  if (annotations == NULL)
    return;
  json_object_object_foreach (annotations, key, value)
  {
    check_regex (key, "when.annotations");
    check_type (value, json_type_string, "when.annotations");
    check_regex (json_object_get_string (value), "when.annotations");
  }
}

static void
check_stages (struct json_object *stages)
{
  /* Those of the runtime specification; podman has no others. */
  static const char *const known[] = { "prestart",       "createRuntime", "createContainer",
                                       "startContainer", "poststart",     "poststop" };
  unsigned seen = 0;

  if (json_object_array_length (stages) == 0)
    invalid ("stages: must have a stage at least");
  for (size_t i = 0; i < json_object_array_length (stages); i++)
    {
      const char *stage = string_at (stages, i, "stages");
      unsigned n = 0;

      while (n < sizeof known / sizeof *known && strcmp (known[n], stage) != 0)
        n++;
      if (n == sizeof known / sizeof *known)
        invalid ("stages: \"%s\" is no stage", stage);
      if (seen & 1U << n)
        invalid ("stages: \"%s\" is there twice", stage);
      seen |= 1U << n;
    }
}

/* json_object_from_file() takes the first value of a file and ignores the
 * rest; podman does not. */
static struct json_object *
read_json (void)
{
  static char text[65536];
  struct json_tokener *tokener = json_tokener_new ();
  struct json_object *root;
  FILE *file = fopen (file_name, "r");
  size_t n;

  if (file == NULL || tokener == NULL)
    invalid ("cannot be read");
  n = fread (text, 1, sizeof text, file);
  if (ferror (file) || n == sizeof text)
    invalid ("cannot be read, or is too long");
  (void) fclose (file);
  json_tokener_set_flags (tokener, JSON_TOKENER_STRICT);
  root = json_tokener_parse_ex (tokener, text, (int) n);
  if (root == NULL)
    invalid ("%s", json_tokener_error_desc (json_tokener_get_error (tokener)));
  json_tokener_free (tokener);
  return root;
}

int
main (int argc, char **argv)
{
  static const char *const known[] = { "version", "hook", "when", "stages", NULL };
  struct json_object *root;
  const char *version;

  if (argc != 2)
    {
      (void) fprintf (stderr, "usage: hook_json FILE\n");
      return EXIT_FAILURE;
    }
  file_name = argv[1];
  root = read_json ();
  check_type (root, json_type_object, "file");
  check_known (root, "", known);
  version = json_object_get_string (member (root, "version", json_type_string, true));
  if (strcmp (version, "1.0.0") != 0)
    invalid ("version: \"%s\" is not 1.0.0", version);
  check_when (member (root, "when", json_type_object, true));
  check_stages (member (root, "stages", json_type_array, true));
  (void) puts (check_hook (member (root, "hook", json_type_object, true)));
  (void) json_object_put (root);
  return EXIT_SUCCESS;
}
