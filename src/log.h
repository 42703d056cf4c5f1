/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h - messages, one line each, to stderr and to syslog(3).
 *
 *   slurm_global_sync_hook: error: job=17 step=0 procid=3 host=n2: WHAT: WHY
 *
 * Both get what is at or above the level of log_set_level().  syslog's
 * connection is made by the first message, not before: a hook that has
 * nothing to say opens nothing.  Never fails; a message that cannot be
 * written is lost.
 */
#pragma once

#include <stdbool.h>
#include <syslog.h>

/* LEVEL is LOG_ERR, LOG_WARNING (the default), LOG_INFO or LOG_DEBUG. */
void log_set_level (int level);
bool log_enabled (int level);

/* From now on each message names what TEXT says ("job=17 step=0 ..."); TEXT
 * is copied, and cut at 200 bytes. */
void log_set_subject (const char *text);

/* From now on messages at info and debug level go to standard output, as
 * Sarus has it, and no longer to standard error. */
void log_split_streams (void);

/* From now on no message goes to syslog: it is for who has typed a command. */
void log_leave_syslog_alone (void);

void log_message (int level, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

/* "error", "warning", "info" or "debug", or one digit, 0 (debug) to 3
 * (error), as Sarus writes it.  Returns the level of syslog.h, or -1. */
int log_level_parse (const char *text);
