/* SPDX-License-Identifier: BSD-3-Clause */
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Characters that must not be shown: controls, what breaks the line or turns the
 * direction of text, and what is none (surrogates, and beyond the last). */
static const uint32_t hidden[][2]
  = { { 0, 0x1f },          { 0x7f, 0x9f },     { 0x200e, 0x200f },       { 0x2028, 0x202e },
      { 0x2066, 0x2069 }, { 0xd800, 0xdfff }, { 0x110000, UINT32_MAX } };

/* The length of the UTF-8 character at TEXT, or 0 if it is none that may be
 * shown. */
static size_t
text_character (const unsigned char *text)
{
  static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 }; /* less is an overlong form */
  size_t length = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
  uint32_t c = length == 1 ? text[0] : text[0] & (0x7fU >> length);

  if ((text[0] & 0xc0) == 0x80 || text[0] >= 0xf8) /* begin none */
    return 0;
  for (size_t i = 1; i < length; i++)
    {
      if ((text[i] & 0xc0) != 0x80) /* a NUL, too */
        return 0;
      c = c << 6 | (text[i] & 0x3f);
    }
  for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
    if (c >= hidden[i][0] && c <= hidden[i][1])
      return 0;
  return c < least[length] ? 0 : length;
}

char *
text_clean (char *text)
{
  for (size_t i = 0, length; text[i] != '\0'; i += length)
    {
      length = text_character ((unsigned char *) text + i);
      if (length == 0)
        {
          text[i] = '?';
          length = 1;
        }
    }
  return text;
}

const char *
failure_remedy (int error)
{
  switch (error)
    {
    case ENOSPC:
      return "; make room there: blocks or inodes";
    case EDQUOT:
      return "; the user is over quota there";
    case EROFS:
      return "; it is mounted read-only on this node";
    case EACCES:
    case EPERM:
      return "; look at owners and modes there";
    case EIO:
    case ESTALE:
    case ETIMEDOUT:
    case ENOTCONN:
      return "; look at the file server, and at the mount on this node";
    default:
      return "";
    }
}

int
(fail) (struct failure *f, int status, const char *format, ...)
{
  va_list ap;

  f->status = status;
  va_start (ap, format);
  (void) vsnprintf (f->text, sizeof f->text, format, ap);
  va_end (ap);
  (void) text_clean (f->text);
  return -1;
}

void
fail_prefix (struct failure *f, const char *format, ...)
{
  char old[sizeof f->text];
  va_list ap;
  int n;

  memcpy (old, f->text, sizeof old);
  va_start (ap, format);
  n = vsnprintf (f->text, sizeof f->text, format, ap);
  va_end (ap);
  if (n >= 0 && (size_t) n < sizeof f->text)
    (void) snprintf (f->text + n, sizeof f->text - (size_t) n, ": %s", old);
  (void) text_clean (f->text);
}
