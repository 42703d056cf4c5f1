/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json_get [NAME|INDEX]... - prints a part of the JSON on standard input.
 *
 * `json_get 0 members 1 host` prints the member "host" of the second element
 * of "members" of the first element.  Strings are printed without quotes,
 * `length` instead of a name or an index is the number of elements.  Exits 1,
 * and says why, if the input is not JSON as RFC 8259 has it, UTF-8 and nothing
 * behind it, or if there is no such part.
 */
#include <json-c/json.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX ((size_t) 64 << 20)

#ifndef JSON_TOKENER_VALIDATE_UTF8 /* json-c 0.14 has it */
#define JSON_TOKENER_VALIDATE_UTF8 0
#endif

static struct json_object *
read_json (void)
{
  char *text = malloc (INPUT_MAX);
  struct json_tokener *tokener = json_tokener_new ();
  struct json_object *json = NULL;
  size_t n;

  if (text == NULL || tokener == NULL)
    return NULL;
  n = fread (text, 1, INPUT_MAX - 1, stdin);
  text[n] = '\0';
  /* json-c 0.18 refuses what is not ASCII if it is to be strict. */
  bool strict = json_c_version_num () != 18 << 8;
  json_tokener_set_flags (tokener, (strict ? JSON_TOKENER_STRICT : 0) | JSON_TOKENER_VALIDATE_UTF8);
  json = json_tokener_parse_ex (tokener, text, (int) n);
  size_t end = (size_t) tokener->char_offset;
  if (json == NULL || end + strspn (text + end, " \t\r\n") != n)
    {
      (void) fprintf (stderr, "not JSON at byte %zu: %s\n", end,
                      json == NULL ? json_tokener_error_desc (json_tokener_get_error (tokener))
                                   : "something behind it");
      json_object_put (json);
      json = NULL;
    }
  json_tokener_free (tokener);
  free (text);
  return json;
}

static struct json_object *
part (struct json_object *whole, const char *name)
{
  struct json_object *member = NULL;

  if (json_object_is_type (whole, json_type_array))
    return json_object_array_get_idx (whole, strtoul (name, NULL, 10));
  (void) json_object_object_get_ex (whole, name, &member);
  return member;
}

static void
print (struct json_object *there)
{
  (void) printf ("%s\n", json_object_is_type (there, json_type_string)
                           ? json_object_get_string (there)
                           : json_object_to_json_string_ext (there, JSON_C_TO_STRING_PLAIN));
}

int
main (int argc, char **argv)
{
  struct json_object *json = read_json (), *there = json;
  bool counted = false;

  if (json == NULL)
    return EXIT_FAILURE;
  for (int i = 1; i < argc && there != NULL && !counted; i++)
    if (json_object_is_type (there, json_type_array) && strcmp (argv[i], "length") == 0)
      counted = printf ("%zu\n", (size_t) json_object_array_length (there)) > 0;
    else
      there = part (there, argv[i]);
  if (there == NULL)
    (void) fprintf (stderr, "no such part\n");
  else if (!counted)
    print (there);
  json_object_put (json);
  return there == NULL ? EXIT_FAILURE : EXIT_SUCCESS;
}
