/* SPDX-License-Identifier: BSD-3-Clause */
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Whether the three bytes at TEXT, UTF-8, are a character that breaks the line
 * or turns the direction of what follows: U+2028 to U+202E, U+200E, U+200F, and
 * U+2066 to U+2069. */
static bool
text_misleads (const unsigned char *text)
{
  if (text[0] != 0xe2)
    return false;
  return (text[1] == 0x80 && ((text[2] >= 0xa8 && text[2] <= 0xae) || (text[2] | 1) == 0x8f))
         || (text[1] == 0x81 && text[2] >= 0xa6 && text[2] <= 0xa9);
}

/* The length of the UTF-8 character at TEXT, or 0 if it is none that may be
 * shown: a control character, or no UTF-8. */
static size_t
text_character (const unsigned char *text)
{
  size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

  if (length == 1)
    return text[0] >= 0x20 && text[0] != 0x7f;
  /* 0x80-0xc1 begin none, above 0xf4 is none; 0xc2 0x80-0x9f are controls. */
  if (text[0] < 0xc2 || text[0] > 0xf4 || (text[0] == 0xc2 && text[1] < 0xa0))
    return 0;
  /* Overlong forms, surrogates, and above U+10FFFF. */
  if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f)
      || (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
    return 0;
  for (size_t i = 1; i < length; i++)
    if ((text[i] & 0xc0) != 0x80) /* a NUL, too */
      return 0;
  return length == 3 && text_misleads (text) ? 0 : length;
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
