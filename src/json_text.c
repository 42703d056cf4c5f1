/* SPDX-License-Identifier: BSD-3-Clause */
#include "json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 32

/* Real states are below 10 kB and real config.json below 1 MB; an environment of
 * more than 2 MB is too long for execve(2), usually.  The limit keeps a broken
 * producer, and a user with many short variables, from filling the memory:
 * parsed, they take thirty times the room. */
#define TEXT_MAX ((size_t) 8 << 20)

/* Reads FD to its end into TEXT, with a NUL behind it.  Returns the length, or -1. */
static ssize_t
read_text (const char *what, int fd, char text[TEXT_MAX + 2], struct failure *f)
{
  size_t used = 0;
  ssize_t n;

  while ((n = read (fd, text + used, TEXT_MAX + 1 - used)) > 0 || (n < 0 && errno == EINTR))
    used += n < 0 ? 0 : (size_t) n;
  if (n < 0)
    return fail (f, errno == ENOMEM ? EX_OSERR : EX_IOERR, "cannot read %s: %m", what);
  if (used > TEXT_MAX)
    return fail (f, EX_DATAERR, "%s is larger than %zu MB", what, TEXT_MAX >> 20);
  text[used] = '\0';
  return (ssize_t) used;
}

/* The position behind the string that begins at AT. */
static char *
behind_string (char *at)
{
  for (at++; *at != '"' && *at != '\0'; at++)
    if (*at == '\\' && at[1] != '\0')
      at++; /* what is escaped is no quote */
  return *at == '"' ? at + 1 : at;
}

/* The position behind the object or array that begins at AT. */
static char *
behind_brackets (char *at)
{
  size_t depth = 0;

  do
    {
      if (*at == '{' || *at == '[')
        depth++;
      else if (*at == '}' || *at == ']')
        depth--;
      at = *at == '"' ? behind_string (at) : at + 1;
    }
  while (*at != '\0' && depth > 0);
  return at;
}

/* Whether the LENGTH bytes at STRING, with its quotes, name what nothing here asks
 * for. */
static bool
is_ballast (const char *string, size_t length)
{
  static const char *const names[]
    = { "\"mounts\"",  "\"seccomp\"",     "\"hooks\"",         "\"devices\"", "\"capabilities\"",
        "\"rlimits\"", "\"maskedPaths\"", "\"readonlyPaths\"", "\"resources\"" };
  size_t i = 0;

  while (i < sizeof names / sizeof *names && strncmp (names[i], string, length) != 0)
    i++;
  return i < sizeof names / sizeof *names;
}

/* Most of config.json is mounts and system calls.  Parsed, they would cost more than
 * all the rest of the hook.  Puts a 0 and blanks in their place: what is behind them
 * stays at its byte. */
static void
blank_ballast (char *text)
{
  while ((text = strchr (text, '"')) != NULL)
    {
      const char *const string = text;
      text = behind_string (text);
      const size_t length = (size_t) (text - string);
      char *from = text + strspn (text, " \t\r\n:");
      if ((*from == '{' || *from == '[') && is_ballast (string, length))
        {
          text = behind_brackets (from);
          memset (from, ' ', (size_t) (text - from));
          *from = '0';
        }
    }
}

/* Whether there is memory for all that json-c makes of TEXT.  Where there is
 * none, json-c 0.16 leaves members out without a word, or crashes: so what it
 * can need at most is asked for at once, and given back.  The figures are the
 * sizes of its structures, generously: an object has a table of 16 entries, an
 * array a list of 32, and both grow by half-empty doubling. */
static bool
has_memory_for (const char *text)
{
  size_t need = 65536 + 8 * strlen (text);

  for (; *(text += strcspn (text, "{[,:")) != '\0'; text++)
    need += *text == '{' || *text == '[' ? 1024 : 256;
  void *volatile all = malloc (need); /* else the compiler leaves the pair out */
  const bool there = all != NULL;
  free (all);
  return there;
}

static json_object *
parse (const char *what, const char *text, size_t length, struct failure *f)
{
  json_tokener *tokener = has_memory_for (text) ? json_tokener_new_ex (DEPTH_MAX) : NULL;

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
json_text_read (const char *what, int fd, struct failure *f)
{
  static char text[TEXT_MAX + 2]; /* only what is used of it takes memory */
  const ssize_t length = read_text (what, fd, text, f);

  if (length < 0)
    return NULL;
  blank_ballast (text);
  return parse (what, text, (size_t) length, f);
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
