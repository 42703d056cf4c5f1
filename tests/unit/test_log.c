/* SPDX-License-Identifier: BSD-3-Clause */
/* A message is one clean line with its level and task, on the stream it belongs to,
 * and in the system's log. */
#include "log.h"

#include "unit.h"

#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NAME "slurm_global_sync_hook: "

/* Sends standard output and error to files. */
static void
redirect (void)
{
  const char *names[] = { "out", "err" };

  for (int i = 0; i < 2; i++)
    {
      int fd = open (unit_path (names[i]), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      ck_assert_int_ge (fd, 0);
      ck_assert_int_eq (dup2 (fd, i + 1), i + 1);
      (void) close (fd);
    }
}

static const char *
written (int fd)
{
  return unit_read_text (unit_path (fd == STDOUT_FILENO ? "out" : "err"));
}

static void
set_subject (const char *text)
{
  (void) snprintf (log_settings.subject, sizeof log_settings.subject, "%s", text);
}

START_TEST (writes_one_line_to_stderr)
{
  log_message (LOG_ERR, "%s: %d", "what", 42);
  ck_assert_str_eq (written (STDERR_FILENO), NAME "error: what: 42\n");
  ck_assert_str_eq (written (STDOUT_FILENO), "");
}
END_TEST

START_TEST (names_the_levels)
{
  log_settings.level = LOG_DEBUG;
  log_message (LOG_ERR, "a");
  log_message (LOG_WARNING, "b");
  log_message (LOG_INFO, "c");
  log_message (LOG_DEBUG, "d");
  ck_assert_str_eq (written (STDERR_FILENO),
                    NAME "error: a\n" NAME "warning: b\n" NAME "info: c\n" NAME "debug: d\n");
}
END_TEST

START_TEST (warning_is_the_default)
{
  ck_assert (log_settings.level >= LOG_ERR);
  ck_assert (log_settings.level >= LOG_WARNING);
  ck_assert (log_settings.level < LOG_INFO);
  ck_assert (log_settings.level < LOG_DEBUG);
  log_message (LOG_WARNING, "a");
  log_message (LOG_INFO, "b");
  ck_assert_str_eq (written (STDERR_FILENO), NAME "warning: a\n");
}
END_TEST

START_TEST (keeps_quiet_below_the_level)
{
  static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
  int lines = 0;

  log_settings.level = levels[_i];
  for (int i = 0; i < 4; i++)
    {
      ck_assert_int_eq (levels[i] <= log_settings.level, i <= _i);
      log_message (levels[i], "x");
    }
  for (const char *p = written (STDERR_FILENO); *p != '\0'; p++)
    lines += *p == '\n';
  ck_assert_int_eq (lines, _i + 1);
}
END_TEST

START_TEST (names_the_task)
{
  set_subject ("job=17 step=0 procid=3 host=n2");
  log_message (LOG_ERR, "a");
  set_subject ("x\ny");
  log_message (LOG_ERR, "b");
  set_subject ("");
  log_message (LOG_ERR, "c");
  ck_assert_str_eq (written (STDERR_FILENO), NAME "error: job=17 step=0 procid=3 host=n2: a\n" NAME
                                                  "error: x?y: b\n" NAME "error: c\n");
}
END_TEST

START_TEST (stays_one_line)
{
  log_message (LOG_ERR, "%s", "a\nerror: b\r\033[2J");
  ck_assert_str_eq (written (STDERR_FILENO), NAME "error: a?error: b??[2J\n");
}
END_TEST

START_TEST (cuts_what_is_too_long)
{
  char longer[5000];

  memset (longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  set_subject (longer);
  log_message (LOG_ERR, "%s", longer);
  const char *text = written (STDERR_FILENO);
  ck_assert_uint_gt (strlen (text), 1000);
  ck_assert_uint_lt (strlen (text), 1500);
  ck_assert_ptr_eq (strchr (text, '\n'), text + strlen (text) - 1);
  /* The subject does not take the message's place. */
  unit_assert_match (text, "x: xxx");
}
END_TEST

START_TEST (splits_the_streams)
{
  log_settings.level = LOG_DEBUG;
  log_settings.split = true;
  log_message (LOG_ERR, "a");
  log_message (LOG_WARNING, "b");
  log_message (LOG_INFO, "c");
  log_message (LOG_DEBUG, "d");
  ck_assert_str_eq (written (STDERR_FILENO), NAME "error: a\n" NAME "warning: b\n");
  ck_assert_str_eq (written (STDOUT_FILENO), NAME "info: c\n" NAME "debug: d\n");
}
END_TEST

START_TEST (bears_a_closed_stderr)
{
  (void) close (STDERR_FILENO);
  log_message (LOG_ERR, "a");
}
END_TEST

START_TEST (reads_levels)
{
  static const struct
  {
    const char *text;
    int level;
  } levels[] = {
    { "error", LOG_ERR },  { "warning", LOG_WARNING }, { "info", LOG_INFO },
    { "debug", LOG_DEBUG }, { "3", LOG_ERR },          { "2", LOG_WARNING },
    { "1", LOG_INFO },     { "0", LOG_DEBUG },         { "", -1 },
    { "4", -1 },           { "-1", -1 },               { "Error", -1 },
    { "warn", -1 },        { "errors", -1 },           { " info", -1 },
    { "00", -1 },
  };

  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
    ck_assert_msg (log_level_parse (levels[i].text) == levels[i].level, "\"%s\"", levels[i].text);
}
END_TEST

/* A syslog of our own, at /dev/log in a mount namespace of our own. */
static int
serve_syslog (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
  const struct timeval limit = { .tv_sec = 10 };
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  if (!unit_is_root ())
    unit_enter_own_namespace ();
  ck_assert_int_eq (unshare (CLONE_NEWNS), 0);
  ck_assert_int_eq (mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
  ck_assert_int_eq (mount ("none", "/dev", "tmpfs", 0, NULL), 0);
  ck_assert_int_ge (fd, 0);
  ck_assert_int_eq (bind (fd, (struct sockaddr *) &address, sizeof address), 0);
  ck_assert_int_eq (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
  redirect (); /* away with what was said on the way */
  return fd;
}

START_TEST (tells_syslog)
{
  char text[2000], end[200];
  int fd = serve_syslog ();
  ssize_t n;

  set_subject ("job=17");
  log_message (LOG_INFO, "not this");
  log_message (LOG_WARNING, "this");
  n = recv (fd, text, sizeof text - 1, 0);
  ck_assert_int_gt (n, 0);
  text[n] = '\0';
  ck_assert_int_eq (strncmp (text, "<12>", 4), 0); /* user, warning: RFC 3164 */
  (void) snprintf (end, sizeof end, "slurm_global_sync_hook[%ld]: warning: job=17: this",
                   (long) getpid ());
  unit_assert_match (text, end);
  ck_assert_str_eq (strstr (text, end), end);
}
END_TEST

/* Who types a command sees what is wrong with it; nobody else need. */
START_TEST (leaves_syslog_alone)
{
  char text[2000];
  int fd = serve_syslog ();

  log_settings.no_syslog = true;
  log_message (LOG_ERR, "this");
  ck_assert_int_eq (recv (fd, text, sizeof text, MSG_DONTWAIT), -1);
  ck_assert_str_eq (written (STDERR_FILENO), NAME "error: this\n");
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("log");
  TCase *tcase = unit_case_with (suite, "log", redirect);

  tcase_add_test (tcase, writes_one_line_to_stderr);
  tcase_add_test (tcase, names_the_levels);
  tcase_add_test (tcase, warning_is_the_default);
  tcase_add_loop_test (tcase, keeps_quiet_below_the_level, 0, 4);
  tcase_add_test (tcase, names_the_task);
  tcase_add_test (tcase, stays_one_line);
  tcase_add_test (tcase, cuts_what_is_too_long);
  tcase_add_test (tcase, splits_the_streams);
  tcase_add_test (tcase, bears_a_closed_stderr);
  tcase_add_test (tcase, reads_levels);
  unit_add_if (tcase, tells_syslog, unit_may_unshare (CLONE_NEWUSER | CLONE_NEWNS),
               "no user namespaces here");
  unit_add_if (tcase, leaves_syslog_alone, unit_may_unshare (CLONE_NEWUSER | CLONE_NEWNS),
               "no user namespaces here");
  return unit_run (suite);
}
