/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json_text.h - JSON from a file or a pipe, with errors that say where.
 */
#pragma once

#include "failure.h"

#include <json-c/json.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads FD to its end.  *TEXT gets what was read, with a NUL behind it, and is
 * the caller's to free, also after an error.  EX_DATAERR if there is more than MAX,
 * EX_IOERR or EX_OSERR when reading or memory fails.  Returns the length, or -1.
 * WHAT names the source in messages. */
ssize_t json_text_read (const char *what, int fd, size_t max, char **text, struct failure *f);

/* Parses TEXT, which must be one JSON object and nothing else, nested no deeper
 * than 32.  Returns it, for json_object_put(), or NULL: EX_DATAERR, EX_OSERR. */
struct json_object *json_text_parse (const char *what, const char *text, size_t length,
                                     struct failure *f);

/* The part of OBJECT at PATH, "process.user", which OBJECT keeps; NULL if there is none,
 * or if it is not of TYPE; json_type_null stands for any. */
struct json_object *json_text_part (struct json_object *object, const char *path,
                                    enum json_type type);
