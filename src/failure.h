/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * failure.h - the one rule for errors.
 *
 * A function that can fail takes a `struct failure *` as its last argument.
 * It returns 0 (or a descriptor, or a count) when it succeeds; it returns -1
 * when it fails, and then, and only then, has filled the failure:
 *
 *   status  the exit status of the program, one of sysexits(3)
 *   text    "WHAT: WHY", or "WHAT: WHY; REMEDY" where one is known; one line,
 *           without the program's name and without a newline
 *
 * So a caller either passes a failure on as it is, or deals with it.  Nobody
 * prints on the way down: main() says it once.  Text that comes from outside
 * (names, values, messages of other tasks) is cleaned by fail(): control
 * characters never reach a terminal or a log.
 *
 * Functions that cannot fail, or whose failure changes nothing, say so.
 */
#pragma once

#include <stddef.h>
#include <sysexits.h>

struct failure {
  int status;
  char text[1024];
};

/* Fills F and returns -1, so that `return fail (f, ...)` reads well.  The
 * result is cleaned; what does not fit is cut.  "%m" prints errno, as in
 * syslog(3). */
int fail (struct failure *f, int status, const char *format, ...)
  __attribute__ ((format (printf, 3, 4)));

/* Tells compilers and analyzers, which do not look into it, that it is -1. */
#define fail(...) ((void) (fail) (__VA_ARGS__), -1)

/* What to do about errno's ERROR of a file: "; make room there" and the like, to
 * stand behind "%m"; "" where nothing is known. */
const char *failure_remedy (int error);

/* Replaces all but printable ASCII in TEXT by '?', in place: nothing else is the
 * same on each terminal and in each log.  Returns TEXT. */
char *text_clean (char *text);
