/* SPDX-License-Identifier: BSD-3-Clause */
/* A hook JSON is taken where podman takes it, and its settings are the hook's. */
#include "admin.h"

#include "unit.h"

#include <json-c/json.h>

static struct failure f;

/* As if another hook's had been read before. */
static struct config config = { .base_dir = "/another" };

static struct json_object *
read_text (const char *text)
{
  unit_write_text (unit_path ("hook.json"), text);
  return hook_json_read (unit_path ("hook.json"), &f);
}

START_TEST (reads_an_object)
{
  struct json_object *json = read_text ("\n{\"version\": \"1.0.0\"}\n");

  ck_assert_ptr_nonnull (json);
  ck_assert (json_object_is_type (json, json_type_object));
  ck_assert_int_eq (f.status, 0);
  json_object_put (json);
}
END_TEST

/* Each of these breaks every `podman run` of a node, and so does all that
 * test_json_text refuses. */
static const char *const bad[] = { "", "{\"version\": \"1.0.0\"} x", "[]" };

START_TEST (refuses_what_podman_refuses)
{
  struct json_object *json = read_text (bad[_i]);

  ck_assert_msg (json == NULL, "%s is taken", bad[_i]);
  ck_assert_int_eq (f.status, EX_DATAERR);
  unit_assert_match (f.text, unit_path ("hook.json"));
}
END_TEST

START_TEST (refuses_what_is_no_file)
{
  ck_assert_ptr_null (hook_json_read (unit_path ("absent"), &f));
  ck_assert_int_eq (f.status, EX_NOINPUT);
  unit_assert_match (f.text, "No such file or directory");
  ck_assert_ptr_null (hook_json_read (unit_tmp, &f));
  ck_assert_int_ne (f.status, 0);
  unit_assert_match (f.text, "directory");
  /* Nor does one that nobody writes to hold it up. */
  ck_assert_int_eq (mkfifo (unit_path ("fifo"), 0600), 0);
  ck_assert_ptr_null (hook_json_read (unit_path ("fifo"), &f));
}
END_TEST

/* ------------------------------------------------------------------ settings */

static const struct
{
  const char *hook, *value; /* NULL: there is none */
} settings[] = {
  { "", NULL },
  { "\"env\": []", NULL },
  { "\"env\": [\"HOOK_BASE_DIR=/home\"]", "/home" },
  { "\"env\": [\"A=B\", \"HOOK_BASE_DIR=/home\"]", "/home" },
  { "\"env\": [\"HOOK_BASE_DIR=\"]", NULL },
  { "\"env\": [\"HOOK_BASE_DIR\"]", NULL },
  { "\"env\": [\"HOOK_BASE_DIRS=/home\"]", NULL },
  { "\"env\": [\"XHOOK_BASE_DIR=/home\"]", NULL },
  { "\"env\": [\"HOOK_BASE_DIR=a=b\"]", "a=b" },
  { "\"env\": [1, \"HOOK_BASE_DIR=/home\"]", "/home" },
  { "\"env\": \"HOOK_BASE_DIR=/home\"", NULL },
  { "\"args\": []", NULL },
  { "\"args\": [\"hook\", \"--base-dir=/data\"]", "/data" },
  { "\"args\": [\"hook\", \"--base-dir\", \"/data\"]", "/data" },
  { "\"args\": [\"hook\", \"--base-dir\"]", NULL },
  { "\"args\": [\"hook\", \"--base-directory=/data\"]", NULL },
  { "\"args\": [\"hook\", \"base-dir=/data\"]", NULL },
  { "\"args\": [\"hook\", \"--timeout=9\", \"--base-dir=/data\"]", "/data" },
  /* args[0] is the program's name, whatever it looks like. */
  { "\"args\": [\"--base-dir=/data\"]", NULL },
  { "\"args\": [\"--base-dir=/data\"], \"env\": [\"HOOK_BASE_DIR=/home\"]", "/home" },
  /* Options win over the environment. */
  { "\"args\": [\"hook\", \"--base-dir=/data\"], \"env\": [\"HOOK_BASE_DIR=/home\"]", "/data" },
  { "\"args\": [\"hook\", \"--timeout=9\"], \"env\": [\"HOOK_BASE_DIR=/home\"]", "/home" },
  /* The last one wins, as with getopt_long(3). */
  { "\"args\": [\"hook\", \"--base-dir=/a\", \"--base-dir=/b\"]", "/b" },
};

START_TEST (finds_a_setting)
{
  char text[500];

  (void) snprintf (text, sizeof text, "{\"hook\": {%s}}", settings[_i].hook);
  struct json_object *json = read_text (text);
  ck_assert_msg (json != NULL, "%s", f.text);
  (void) hook_json_settings (json, &config, &f);
  const char *value = config.base_dir;
  if (settings[_i].value == NULL)
    ck_assert_msg (value == NULL, "%s: %s", text, value);
  else
    {
      ck_assert_msg (value != NULL, "%s: none", text);
      ck_assert_str_eq (value, settings[_i].value);
    }
  json_object_put (json);
}
END_TEST

START_TEST (finds_all_settings)
{
  struct json_object *json
    = read_text ("{\"hook\": {\"env\": [\"HOOK_BASE_DIR=/a\", \"PASSWD_FILE=/b\", "
                 "\"HOOK_TIMEOUT=3\", \"HOOK_LOG_LEVEL=info\"]}}");

  ck_assert_int_eq (setenv ("HOOK_TIMEOUT", "9", 1), 0);
  ck_assert_int_eq (hook_json_settings (json, &config, &f), 0);
  ck_assert_str_eq (config.base_dir, "/a");
  ck_assert_str_eq (config.passwd_file, "/b");
  ck_assert_str_eq (config.timeout_text, "3");
  ck_assert_str_eq (config.log_level_text, "info");
  json_object_put (json);
  /* Those of this process are not the hook's, and stay. */
  ck_assert_int_eq (hook_json_settings (NULL, &config, &f), 0);
  ck_assert_ptr_null (config.timeout_text);
  ck_assert_str_eq (getenv ("HOOK_TIMEOUT"), "9");
}
END_TEST

static const struct
{
  const char *args;
  int status;
  const char *says;
} wrong[] = {
  { "\"hook\", \"--foo\"", EX_USAGE, "--foo" },
  { "\"--base-dir=/data\"", EX_CONFIG, "--base-dir=/data is taken for the program's name" },
  { "\"hook\", \"--help\"", EX_CONFIG, "no container would be synchronised" },
  { "\"hook\", \"--status\"", EX_CONFIG, "no container would be synchronised" },
};

START_TEST (says_which_argument_is_wrong)
{
  char text[500];

  (void) snprintf (text, sizeof text, "{\"hook\": {\"args\": [%s]}}", wrong[_i].args);
  struct json_object *json = read_text (text);
  ck_assert_int_eq (hook_json_settings (json, &config, &f), -1);
  ck_assert_int_eq (f.status, wrong[_i].status);
  unit_assert_match (f.text, wrong[_i].says);
  json_object_put (json);
}
END_TEST

static const char *const without_settings[] = { "{}", "{\"hook\": 1}", "{\"hook\": []}",
                                                "{\"env\": [\"HOOK_BASE_DIR=/home\"]}" };

START_TEST (finds_nothing_elsewhere)
{
  struct json_object *json = read_text (without_settings[_i]);

  ck_assert_ptr_nonnull (json);
  ck_assert_int_eq (hook_json_settings (json, &config, &f), 0);
  ck_assert_ptr_null (config.base_dir);
  json_object_put (json);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("hook_json");
  TCase *tcase = unit_case (suite, "hook_json");

  tcase_add_test (tcase, reads_an_object);
  unit_add_rows (tcase, refuses_what_podman_refuses, bad);
  tcase_add_test (tcase, refuses_what_is_no_file);
  unit_add_rows (tcase, finds_a_setting, settings);
  tcase_add_test (tcase, finds_all_settings);
  unit_add_rows (tcase, says_which_argument_is_wrong, wrong);
  unit_add_rows (tcase, finds_nothing_elsewhere, without_settings);
  return unit_run (suite);
}
