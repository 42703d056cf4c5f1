/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.h - the settings: options win over the environment of the hook, the
 * environment over the annotations of the container.
 */
#pragma once

#include "failure.h"

#include <stdbool.h>
#include <stdint.h>

/* podman gives a container up after 240 s, whatever is done before. */
#define CONFIG_TIMEOUT_DEFAULT "180"
#define CONFIG_TIMEOUT_MAX 1e9

enum config_mode {
  CONFIG_HOOK, /* none of the others */
  CONFIG_HELP,
  CONFIG_VERSION,
  CONFIG_STATUS,
  CONFIG_CHECK,
  CONFIG_PRUNE
};

struct config {
  enum config_mode mode;

  /* Borrowed from argv or the environment; NULL: not given. */
  const char *base_dir;    /* NULL: the user's home */
  const char *passwd_file; /* NULL: the node's name service */
  const char *timeout_text;
  const char *log_level_text;

  /* For an administrator's commands. */
  const char *user;    /* --user, NULL: all, or oneself */
  const char *job;     /* --job, NULL: all */
  const char *dry_run; /* --dry-run, NULL: not given */
  char **files;        /* of --check, ends with NULL; borrowed from argv */

  /* What they mean, after config_complete(). */
  bool usable;     /* the two paths are absolute */
  int64_t timeout; /* nanoseconds; 0: for ever */
  int log_level;   /* of syslog(3) */
};

/* Reads the options and then, for what they leave open, HOOK_BASE_DIR,
 * PASSWD_FILE, HOOK_TIMEOUT and HOOK_LOG_LEVEL; an empty value is as if it were
 * not set.  EX_USAGE for a bad option, or one that does not go with the command.
 * Values are looked at by config_complete() only. */
int config_read (struct config *config, int argc, char **argv, struct failure *f);

/* Takes for what is still open the annotations' TIMEOUT and LOG_LEVEL (NULL:
 * none) and then the defaults, and checks all four: EX_CONFIG for what is
 * wrong.  It still sets what it can then: log_level and timeout are
 * valid in any case, and if only they were wrong, usable is true: the hook can
 * tell the others that it does not come. */
int config_complete (struct config *config, const char *timeout, const char *log_level,
                     struct failure *f);

/* The text of --help. */
extern const char config_help[];
