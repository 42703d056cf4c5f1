/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "slurm_global_sync_hook"

static const struct {
  const char *name, *digit;
  int level;
} log_levels[] = {
  { "error", "3", LOG_ERR },
  { "warning", "2", LOG_WARNING },
  { "info", "1", LOG_INFO },
  { "debug", "0", LOG_DEBUG },
};

#define LEVELS (sizeof log_levels / sizeof *log_levels)

struct log_settings log_settings = { .level = LOG_WARNING };

void
log_message (int level, const char *format, ...)
{
  char text[1024], line[1400];
  const char *subject = log_settings.subject;
  size_t i = 0;
  va_list ap;

  if (level > log_settings.level)
    return;
  va_start (ap, format);
  (void) vsnprintf (text, sizeof text, format, ap);
  va_end (ap);
  while (i < LEVELS - 1 && log_levels[i].level != level)
    i++;
  (void) snprintf (line, sizeof line, PROGRAM ": %s: %s%s%s", log_levels[i].name, subject,
                   subject[0] != '\0' ? ": " : "", text);

  /* One write(2) a line: lines of many tasks that share a terminal stay
   * whole.  The last byte's place is kept for the newline. */
  size_t n = strlen (text_clean (line));
  line[n] = '\n';
  int fd = log_settings.split && level > LOG_WARNING ? STDOUT_FILENO : STDERR_FILENO;
  (void) !write (fd, line, n + 1); /* nobody is left to tell but syslog */
  if (log_settings.no_syslog)
    return;
  openlog (PROGRAM, LOG_PID, LOG_USER);
  line[n] = '\0';
  syslog (level, "%s", line + sizeof PROGRAM + 1);
  closelog ();
}

int
log_level_parse (const char *text)
{
  for (size_t i = 0; i < LEVELS; i++)
    if (strcmp (text, log_levels[i].name) == 0 || strcmp (text, log_levels[i].digit) == 0)
      return log_levels[i].level;
  return -1;
}
