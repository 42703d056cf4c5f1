/* SPDX-License-Identifier: BSD-3-Clause */
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

char *
text_clean (char *text)
{
  for (char *c = text; *c != '\0'; c++)
    if (*c < ' ' || *c > '~')
      *c = '?';
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
