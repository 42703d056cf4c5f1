/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * podman_trial.h - what podman itself says of the hook's JSON.
 *
 * A container that asks for the hook, from an empty directory, without an
 * image: podman's debugging messages tell which hooks it reads, and it runs
 * them, before the container fails because there is no program in it.  The hook
 * takes it for a step of one task.
 */
#ifndef PODMAN_TRIAL_H
#define PODMAN_TRIAL_H

#include "identity.h"

#include <stdbool.h>
#include <stddef.h>

/* What asks for the hook in the shipped JSON, and what users are told. */
#define PODMAN_TRIAL_ANNOTATION "com.hooks.slurm-global-sync.enabled"

#define PODMAN_TRIAL_MAX 64

struct podman_trial {
  bool installed;
  bool done;       /* the hooks have run, or there was none */
  char dirs[2048]; /* what podman reads, with ", " between them */
  struct {
    const char *path;
    const char *stages; /* with blanks between them; NULL: the annotation does not ask for it */
  } jsons[PODMAN_TRIAL_MAX + 1]; /* of one name only the last counts */
  size_t count;
  const char *error; /* podman's last word, if the container failed otherwise; NULL if not */
  const char *hook;  /* the hook's, if it failed; NULL if not */
  char *text;        /* all of this is in it; the caller's to free */
};

/* Runs podman as USER, as whom root may do it; everybody else does it as what he
 * is.  MODULE is an argument for podman's --module, or NULL.  Leaves no file and
 * no process behind.  Without podman, or where it could not be tried, which
 * error tells, nothing else is known. */
void podman_trial_run (struct podman_trial *trial, const struct identity *user, const char *module);

#endif
