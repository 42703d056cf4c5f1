/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * container.h - what the OCI runtime tells of the container: its state, read
 * from standard input, and config.json of its bundle.
 *
 * config.json is trusted no further than its reader: the user of the
 * container chooses much of it (environment, annotations, user).
 */
#pragma once

#include "failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct json_object;

struct container {
  char id[128];               /* of the state, "" if it has none; cleaned */
  struct json_object *config; /* owned */
};

struct container_user {
  uid_t uid; /* as the host numbers it */
  gid_t gid;
  const gid_t *groups; /* additionalGids, as the host numbers them; until the next call */
  size_t group_count;
};

/* Reads the state from descriptor FD to its end, and the bundle's config.json.
 * EX_DATAERR for whatever does not make sense in either, EX_IOERR or EX_OSERR
 * when reading or memory fails.  On success the caller ends with
 * container_free(), which may also be called on a zeroed container. */
int container_read (struct container *c, int fd, struct failure *f);
void container_free (struct container *c);

/* The value of NAME in process.env, and of the annotation KEY; NULL if there
 * is none.  Owned by the container. */
const char *container_env (const struct container *c, const char *name);
const char *container_annotation (const struct container *c, const char *key);

/* process.user, translated to the ids of the host where the container has a
 * user namespace of its own.  EX_DATAERR if it is missing or makes no sense,
 * EX_NOPERM if an id has no number on the host. */
int container_user (const struct container *c, struct container_user *user, struct failure *f);
