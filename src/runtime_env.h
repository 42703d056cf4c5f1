/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * runtime_env.h - the environment of the runtime that started the hook.
 *
 * A hook gets what its JSON says.  Podman 4.8 and later pass their own
 * environment, with SLURM_* in it, to conmon and the runtime.  In a rootless
 * container both are processes of the user's: what is read here is worth no
 * more than what the container's configuration says.
 */
#ifndef RUNTIME_ENV_H
#define RUNTIME_ENV_H

#include <stddef.h>

struct runtime_env {
  char *text; /* NAME=VALUE, each with a NUL behind it; owned */
  size_t length;
};

/* Reads the environment of the hook's parent (GENERATION 1), of its parent (2),
 * and so on.  A process that is gone, whose environment must not be read, or
 * has more than 2 MB of it, is as if it had none. */
void runtime_env_read (struct runtime_env *env, unsigned int generation);
void runtime_env_free (struct runtime_env *env);

/* The value of NAME, NULL if there is none.  ENV is a struct runtime_env, and
 * owns it. */
const char *runtime_env_get (const void *env, const char *name);

#endif
