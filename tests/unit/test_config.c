/* SPDX-License-Identifier: BSD-3-Clause */
/* Where each setting comes from, which one wins, and what is refused. */
#include "config.h"

#include "unit.h"
#include "waiting.h"

#include <getopt.h>
#include <syslog.h>

static struct config config;
static struct failure f;

static int
read_argv (char **argv)
{
  int argc = 0;

  while (argv[argc] != NULL)
    argc++;
  optind = 0; /* getopt(3): start again */
  return config_read (&config, argc, argv, &f);
}

/* Reads these options, with the environment as it is. */
#define read_options(...) read_argv ((char *[]){ O ("hook"), ##__VA_ARGS__, NULL })

/* One of them. */
#define O(text) ((char[]){ text })

/* Reads OPTIONS, up to three, ended by NULL. */
static int
read_list (const char *const *options)
{
  static char texts[3][40];
  char *argv[5] = { O ("hook"), NULL, NULL, NULL, NULL };

  for (int i = 0; i < 3 && options[i] != NULL; i++)
    {
      (void) snprintf (texts[i], sizeof texts[i], "%s", options[i]);
      argv[i + 1] = texts[i];
    }
  return read_argv (argv);
}

static void
set_environment (void)
{
  (void) setenv ("HOOK_BASE_DIR", "/env/base", 1);
  (void) setenv ("PASSWD_FILE", "/env/passwd", 1);
  (void) setenv ("HOOK_TIMEOUT", "7", 1);
  (void) setenv ("HOOK_LOG_LEVEL", "info", 1);
}

/* The settings, with these annotations, are these. */
#define assert_settings(timeout_text, level_text, base, passwd, seconds, level)                    \
  do                                                                                               \
    {                                                                                              \
      ck_assert_int_eq (config_complete (&config, timeout_text, level_text, &f), 0);               \
      ck_assert (config.usable);                                                                   \
      ck_assert_pstr_eq (config.base_dir, base);                                                   \
      ck_assert_pstr_eq (config.passwd_file, passwd);                                              \
      ck_assert_int_eq (config.timeout, seconds);                                                  \
      ck_assert_int_eq (config.log_level, level);                                                  \
    }                                                                                              \
  while (0)

START_TEST (has_defaults)
{
  clearenv ();
  ck_assert_int_eq (read_options (), 0);
  ck_assert_int_eq (config.mode, CONFIG_HOOK);
  assert_settings (NULL, NULL, NULL, NULL, 180 * SECOND, LOG_WARNING);
}
END_TEST

START_TEST (an_empty_value_is_none)
{
  set_environment ();
  (void) setenv ("HOOK_BASE_DIR", "", 1);
  (void) setenv ("PASSWD_FILE", "", 1);
  (void) setenv ("HOOK_TIMEOUT", "", 1);
  ck_assert_int_eq (read_options (O ("--log-level=")), 0);
  assert_settings ("9", NULL, NULL, NULL, 9 * SECOND, LOG_WARNING);
}
END_TEST

START_TEST (reads_the_environment)
{
  set_environment ();
  ck_assert_int_eq (read_options (), 0);
  assert_settings (NULL, NULL, "/env/base", "/env/passwd", 7 * SECOND, LOG_INFO);
}
END_TEST

START_TEST (options_win_over_the_environment)
{
  set_environment ();
  ck_assert_int_eq (read_options (O ("--base-dir=/b"), O ("--passwd-file"), O ("/p"),
                                  O ("--timeout=0.5"), O ("--log-level=debug")),
                    0);
  assert_settings ("9", "error", "/b", "/p", SECOND / 2, LOG_DEBUG);
}
END_TEST

START_TEST (the_environment_wins_over_annotations)
{
  set_environment ();
  ck_assert_int_eq (read_options (), 0);
  assert_settings ("9", "error", "/env/base", "/env/passwd", 7 * SECOND, LOG_INFO);
}
END_TEST

START_TEST (annotations_win_over_defaults)
{
  clearenv ();
  ck_assert_int_eq (read_options (O ("--base-dir=/b"), O ("--passwd-file=/p")), 0);
  assert_settings ("9", "0", "/b", "/p", 9 * SECOND, LOG_DEBUG);
}
END_TEST

static const struct
{
  const char *text;
  int64_t timeout; /* -1: refused */
} timeouts[] = {
  { "0", 0 },
  { "0.0", 0 },
  { "1", SECOND },
  { "180", 180 * SECOND },
  { "0.25", SECOND / 4 },
  { ".5", SECOND / 2 },
  { "2.", 2 * SECOND },
  { "007", 7 * SECOND },
  { "0.0000000001", 1 }, /* less than a nanosecond, but not for ever */
  { "1000000000", 1000000000 * SECOND },
  { "1000000001", -1 },
  { "99999999999999999999", -1 },
  { ".", -1 },
  { "-1", -1 },
  { "+1", -1 },
  { " 1", -1 },
  { "1 ", -1 },
  { "1s", -1 },
  { "1,5", -1 },
  { "1.5.5", -1 },
  { "1e3", -1 },
  { "0x10", -1 },
  { "inf", -1 },
  { "nan", -1 },
  { "abc", -1 },
};

START_TEST (reads_timeouts)
{
  set_environment ();
  (void) setenv ("HOOK_TIMEOUT", timeouts[_i].text, 1);
  ck_assert_int_eq (read_options (), 0);
  if (timeouts[_i].timeout >= 0)
    {
      ck_assert_int_eq (config_complete (&config, NULL, NULL, &f), 0);
      ck_assert_int_eq (config.timeout, timeouts[_i].timeout);
      return;
    }
  /* The others can still be told. */
  unit_assert_refused (config_complete (&config, NULL, NULL, &f), EX_CONFIG, "HOOK_TIMEOUT");
  unit_assert_match (f.text, timeouts[_i].text);
  ck_assert (config.usable);
  ck_assert_int_eq (config.timeout, 180 * SECOND);
  ck_assert_int_eq (config.log_level, LOG_INFO);
}
END_TEST

START_TEST (refuses_a_bad_annotation)
{
  set_environment ();
  (void) unsetenv ("HOOK_TIMEOUT");
  (void) unsetenv ("HOOK_LOG_LEVEL");
  ck_assert_int_eq (read_options (), 0);
  unit_assert_refused (config_complete (&config, "soon", NULL, &f), EX_CONFIG, "\"soon\"");
  ck_assert (config.usable);
  ck_assert_int_eq (read_options (), 0);
  unit_assert_refused (config_complete (&config, NULL, "loud", &f), EX_CONFIG, "\"loud\"");
  ck_assert (config.usable);
}
END_TEST

START_TEST (refuses_a_bad_log_level)
{
  set_environment ();
  (void) setenv ("HOOK_LOG_LEVEL", "loud", 1);
  ck_assert_int_eq (read_options (), 0);
  unit_assert_refused (config_complete (&config, NULL, NULL, &f), EX_CONFIG, "HOOK_LOG_LEVEL");
  unit_assert_match (f.text, "loud");
  ck_assert (config.usable);
  ck_assert_int_eq (config.timeout, 7 * SECOND);
  ck_assert_int_eq (config.log_level, LOG_WARNING);
}
END_TEST

static const struct
{
  const char *base, *passwd, *says;
} paths[] = {
  { "b", "/p", "HOOK_BASE_DIR \"b\" is not an absolute path" },
  { "./b", "/p", "HOOK_BASE_DIR \"./b\" is not an absolute path" },
  { "/b", "etc/passwd", "PASSWD_FILE \"etc/passwd\" is not an absolute path" },
};

START_TEST (refuses_bad_paths)
{
  clearenv ();
  if (paths[_i].base != NULL)
    (void) setenv ("HOOK_BASE_DIR", paths[_i].base, 1);
  if (paths[_i].passwd != NULL)
    (void) setenv ("PASSWD_FILE", paths[_i].passwd, 1);
  ck_assert_int_eq (read_options (O ("--timeout=3"), O ("--log-level=debug")), 0);
  unit_assert_refused (config_complete (&config, NULL, NULL, &f), EX_CONFIG, paths[_i].says);
  ck_assert (!config.usable);
  /* What says so is heard, at that level. */
  ck_assert_int_eq (config.log_level, LOG_DEBUG);
}
END_TEST

/* Each its own test: getopt(3) is not made to be called again after an error. */
static const struct
{
  const char *options[3], *says;
} bad_options[] = {
  { { "--foo" }, "--foo" },
  { { "--timeout" }, "--timeout" },
  { { "--help=x" }, "--help" },
  { { "-x" }, "-x" },
  { { "-xy" }, "-x" },
  { { "-t5" }, "-t" },
  { { "--base-dir=/b", "--bar=/x" }, "--bar" },
  { { "argument" }, "argument" },
  { { "--base-dir=/b", "argument" }, "argument" },
  { { "--", "argument" }, "argument" },
};

START_TEST (refuses_bad_options)
{
  unit_assert_refused (read_list (bad_options[_i].options), EX_USAGE, bad_options[_i].says);
  unit_assert_match (f.text, "--help");
}
END_TEST

/* Kernels before 5.18 do that, and then the environment follows. */
START_TEST (bears_an_empty_argv)
{
  char *argv[] = { NULL, O ("HOME=/"), NULL };

  set_environment ();
  ck_assert_int_eq (config_read (&config, 0, argv, &f), 0);
  ck_assert_str_eq (config.base_dir, "/env/base");
}
END_TEST

START_TEST (knows_help_and_version)
{
  clearenv ();
  ck_assert_int_eq (read_options (O ("--help")), 0);
  ck_assert_int_eq (config.mode, CONFIG_HELP);
  ck_assert_int_eq (read_options (O ("--version")), 0);
  ck_assert_int_eq (config.mode, CONFIG_VERSION);
}
END_TEST

START_TEST (explains_itself)
{
  static const char *const words[]
    = { "Usage: slurm_global_sync_hook", "--base-dir", "--passwd-file", "--timeout", "--log-level",
        "--help", "--version", "HOOK_BASE_DIR", "PASSWD_FILE", "HOOK_TIMEOUT", "HOOK_LOG_LEVEL",
        "180" };

  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    unit_assert_match (config_help, words[i]);
  ck_assert_int_eq (config_help[strlen (config_help) - 1], '\n');
}
END_TEST

START_TEST (knows_an_administrators_commands)
{
  clearenv ();
  ck_assert_int_eq (read_options (O ("--status"), O ("--user=who"), O ("--job=7")), 0);
  ck_assert_int_eq (config.mode, CONFIG_STATUS);
  ck_assert_str_eq (config.user, "who");
  ck_assert_str_eq (config.job, "7");
  ck_assert_int_eq (read_options (O ("--prune"), O ("--dry-run")), 0);
  ck_assert_int_eq (config.mode, CONFIG_PRUNE);
  ck_assert_ptr_nonnull (config.dry_run);
  ck_assert_int_eq (read_options (O ("--check"), O ("/a.json"), O ("/b.json")), 0);
  ck_assert_int_eq (config.mode, CONFIG_CHECK);
  ck_assert_str_eq (config.files[0], "/a.json");
  ck_assert_str_eq (config.files[1], "/b.json");
  ck_assert_ptr_null (config.files[2]);
}
END_TEST

static const struct
{
  const char *options[3], *says;
} misplaced[] = {
  { { "--user=who" }, "--user" },       { { "--check", "--job=7" }, "--job" },
  { { "--job=7" }, "--job" },           { { "--prune", "--job=7" }, "--job" },
  { { "--status", "--job=x" }, "job" }, { { "--status", "--job=" }, "job" },
  { { "--status", "--timeout=1" }, "--timeout" },
  { { "--check", "--base-dir=/b" }, "--base-dir" },
  { { "--dry-run" }, "--dry-run" }, { { "--status", "--dry-run" }, "--dry-run" },
};

START_TEST (refuses_options_of_other_commands)
{
  unit_assert_refused (read_list (misplaced[_i].options), EX_USAGE, misplaced[_i].says);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("config");
  TCase *tcase = unit_case (suite, "config");

  tcase_add_test (tcase, has_defaults);
  tcase_add_test (tcase, an_empty_value_is_none);
  tcase_add_test (tcase, reads_the_environment);
  tcase_add_test (tcase, options_win_over_the_environment);
  tcase_add_test (tcase, the_environment_wins_over_annotations);
  tcase_add_test (tcase, annotations_win_over_defaults);
  unit_add_rows (tcase, reads_timeouts, timeouts);
  tcase_add_test (tcase, refuses_a_bad_annotation);
  tcase_add_test (tcase, refuses_a_bad_log_level);
  unit_add_rows (tcase, refuses_bad_paths, paths);
  unit_add_rows (tcase, refuses_bad_options, bad_options);
  tcase_add_test (tcase, bears_an_empty_argv);
  tcase_add_test (tcase, knows_help_and_version);
  tcase_add_test (tcase, explains_itself);
  tcase_add_test (tcase, knows_an_administrators_commands);
  unit_add_rows (tcase, refuses_options_of_other_commands, misplaced);
  return unit_run (suite);
}
