/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h - messages, one line each, to stderr and to syslog(3).
 *
 *   slurm_global_sync_hook: error: job=17 step=0 procid=3 host=n2: WHAT: WHY
 *
 * Both get what is at or above the level.  syslog's connection is made by the first
 * message: a hook that has nothing to say opens nothing.  Never fails; a message that
 * cannot be written is lost.
 */
#pragma once

#include <stdbool.h>
#include <syslog.h>

extern struct log_settings {
  int level;      /* LOG_ERR, LOG_WARNING (the default), LOG_INFO or LOG_DEBUG */
  bool split;     /* those at info and debug level go to standard output, as Sarus has
                   * it, and not to standard error */
  bool no_syslog; /* they are for who has typed a command */
  char subject[200]; /* what each message names, "job=17 step=0 ..."; "": nothing */
} log_settings;

void log_message (int level, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

/* "error", "warning", "info" or "debug", or one digit, 0 (debug) to 3
 * (error), as Sarus writes it.  Returns the level of syslog.h, or -1. */
int log_level_parse (const char *text);
