/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json_text.h - JSON from a file or a pipe, with errors that say where.
 */
#pragma once

#include "failure.h"

#include <json-c/json.h>

/* Reads FD to its end, and parses that: one JSON object and nothing else, nested no
 * deeper than 32.  What of config.json nothing here asks for reads as 0.  WHAT names
 * the source in messages.  Returns the object, for json_object_put(), or NULL:
 * EX_DATAERR; EX_IOERR or EX_OSERR when reading or memory fails. */
struct json_object *json_text_read (const char *what, int fd, struct failure *f);

/* The part of OBJECT at PATH, "process.user", which OBJECT keeps; NULL if there is none,
 * or if it is not of TYPE; json_type_null stands for any. */
struct json_object *json_text_part (struct json_object *object, const char *path,
                                    enum json_type type);
