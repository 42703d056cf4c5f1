/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime_env.h"

#include "json_text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As in container.c: more is too long for execve(2), usually. */
#define ENVIRONMENT_MAX ((size_t) 2 << 20)

/* The parent of the process that PATH, "/proc/PID/status", tells of; 0 if it
 * cannot be told.  Not getppid(2): in a pid namespace of the container's own
 * (runc, createContainer) the parent has no number, but /proc is the host's. */
static int
runtime_env_parent (const char *path)
{
  FILE *stream = fopen (path, "re");
  char line[256];
  int parent = 0;

  while (stream != NULL && fgets (line, sizeof line, stream) != NULL
         && sscanf (line, "PPid: %d", &parent) != 1)
    ;
  if (stream != NULL)
    (void) fclose (stream);
  return parent;
}

void
runtime_env_read (struct runtime_env *env, unsigned int generation)
{
  char path[64] = "/proc/self/status";
  struct failure unused;
  int pid = 0;

  *env = (struct runtime_env){ 0 };
  while (generation-- > 0)
    {
      pid = runtime_env_parent (path);
      if (pid <= 1) /* an orphan's parent tells nothing */
        return;
      (void) snprintf (path, sizeof path, "/proc/%d/status", pid);
    }
  (void) snprintf (path, sizeof path, "/proc/%d/environ", pid);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  ssize_t length = json_text_read (path, fd, ENVIRONMENT_MAX, 16384, &env->text, &unused);
  env->length = length > 0 ? (size_t) length : 0;
  (void) close (fd);
}

void
runtime_env_free (struct runtime_env *env)
{
  free (env->text);
  *env = (struct runtime_env){ 0 };
}

const char *
runtime_env_get (const void *source, const char *name)
{
  const struct runtime_env *env = source;
  size_t length = strlen (name);

  for (size_t at = 0; at < env->length; at += strlen (env->text + at) + 1)
    if (strncmp (env->text + at, name, length) == 0 && env->text[at + length] == '=')
      return env->text + at + length + 1;
  return NULL;
}
