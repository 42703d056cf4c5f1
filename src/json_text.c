/* SPDX-License-Identifier: BSD-3-Clause */
#include "json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 32

/* Few states and config.json are larger; only what is used of it takes memory. */
#define USUAL_SIZE ((size_t) 1 << 16)

ssize_t
json_text_read (const char *what, int fd, size_t max, char **text, struct failure *f)
{
  size_t used = 0, size = 0;
  ssize_t n;

  *text = NULL;
  do
    {
      if (used == size)
        {
          size = size == 0 ? USUAL_SIZE : size * 2;
          char *more = realloc (*text, size + 1);
          if (more == NULL)
            return fail (f, EX_OSERR, "cannot read %s: %m", what);
          *text = more;
        }
      n = read (fd, *text + used, size - used);
      if (n < 0 && errno != EINTR)
        return fail (f, errno == ENOMEM ? EX_OSERR : EX_IOERR, "cannot read %s: %m", what);
      used += n < 0 ? 0 : (size_t) n;
    }
  while (n != 0 && used <= max);
  if (used > max)
    return fail (f, EX_DATAERR, "%s is larger than %zu MB", what, max >> 20);
  (*text)[used] = '\0';
  return (ssize_t) used;
}

/* Whether there is memory for all that json-c makes of TEXT.  Where there is
 * none, json-c 0.16 leaves members out without a word, or crashes: so what it
 * can need at most is asked for at once, and given back.  The figures are the
 * sizes of its structures, generously: an object has a table of 16 entries, an
 * array a list of 32, and both grow by half-empty doubling. */
static bool
has_memory_for (const char *text, size_t length)
{
  size_t need = 65536 + 8 * length;

  for (size_t i = 0; i < length; i++)
    if (text[i] == '{' || text[i] == '[')
      need += 1024;
    else if (text[i] == ',' || text[i] == ':')
      need += 256;
  void *volatile all = malloc (need); /* else the compiler leaves the pair out */
  bool there = all != NULL;
  free (all);
  return there;
}

json_object *
json_text_parse (const char *what, const char *text, size_t length, struct failure *f)
{
  json_tokener *tokener = has_memory_for (text, length) ? json_tokener_new_ex (DEPTH_MAX) : NULL;

  if (tokener == NULL)
    {
      (void) fail (f, EX_OSERR, "cannot parse %s: %s", what, strerror (ENOMEM));
      return NULL;
    }
  /* Not JSON_TOKENER_STRICT: json-c 0.18 takes every byte above 0x7f of a string for
   * a control character then (json-c's issue 875), and an environment may have such
   * bytes.  Length + 1: the final NUL tells the parser that nothing follows. */
  json_object *object = json_tokener_parse_ex (tokener, text, (int) length + 1);
  const enum json_tokener_error error = json_tokener_get_error (tokener);
  const size_t end = (size_t) tokener->char_offset;
  json_tokener_free (tokener);
  if (strlen (text) != length)
    (void) fail (f, EX_DATAERR, "%s has a NUL byte at byte %zu", what, strlen (text));
  else if (length == 0)
    (void) fail (f, EX_DATAERR, "%s is empty", what);
  else if (error == json_tokener_continue || error == json_tokener_error_parse_eof)
    (void) fail (f, EX_DATAERR, "%s is cut off after %zu bytes", what, length);
  else if (error != json_tokener_success)
    (void) fail (f, EX_DATAERR, "%s is not JSON: %s at byte %zu", what,
                 json_tokener_error_desc (error), end);
  else if (end < length && text[end + strspn (text + end, " \t\r\n")] != '\0')
    (void) fail (f, EX_DATAERR, "%s is not JSON: something follows at byte %zu", what, end);
  else if (!json_object_is_type (object, json_type_object))
    (void) fail (f, EX_DATAERR, "%s is not a JSON object", what);
  else
    return object;
  json_object_put (object);
  return NULL;
}

json_object *
json_text_part (json_object *object, const char *path, json_type type)
{
  char name[32];

  for (size_t n; *path != '\0'; path += path[n] == '.' ? n + 1 : n)
    {
      n = strcspn (path, ".");
      (void) snprintf (name, sizeof name, "%.*s", (int) n, path);
      if (!json_object_object_get_ex (object, name, &object))
        return NULL;
    }
  return type == json_type_null || json_object_is_type (object, type) ? object : NULL;
}
