/* SPDX-License-Identifier: BSD-3-Clause */
/* What the hook needs of a state and its config.json is found, and what cannot be
 * trusted is refused: the user, above all. Broken JSON is in test_json_text.c. */
#include "container.h"

#include "unit.h"

#include <json-c/json.h>
#include <sys/syscall.h>

static struct container c;
static struct failure f;

static int
read_state (const char *text)
{
  int fd = unit_pipe_of (text);
  int result = container_read (&c, fd, &f);
  (void) close (fd);
  return result;
}

static const char *
state_of_bundle (const char *bundle)
{
  static char text[20000];

  (void) snprintf (text, sizeof text, "{\"id\": \"c1\", \"pid\": 1, \"bundle\": \"%s\"}\n", bundle);
  return text;
}

/* Reads a good state whose bundle has the config.json TEXT. */
static int
read_config (const char *text)
{
  unit_write_text (unit_path ("config.json"), text);
  return read_state (state_of_bundle (unit_tmp));
}

static void
assert_refused (int result, const char *says)
{
  ck_assert_int_eq (result, -1);
  ck_assert_int_eq (f.status, EX_DATAERR);
  unit_assert_match (f.text, says);
  ck_assert_ptr_null (c.config);
  container_free (&c); /* allowed */
}

START_TEST (reads_what_runc_says)
{
  static const char state[] = "{\"ociVersion\":\"1.0.2-dev\",\"id\":\"c1\",\"status\":\"creating\","
                              "\"pid\":4711,\"bundle\":";
  char text[600];

  unit_write_text (unit_path ("config.json"), "{}");
  (void) snprintf (text, sizeof text, "%s\"%s\",\"annotations\":{\"a\":\"b\"}}", state, unit_tmp);
  ck_assert_int_eq (read_state (text), 0);
  ck_assert_str_eq (c.id, "c1");
  container_free (&c);
  ck_assert_ptr_null (c.config);
  container_free (&c);
}
END_TEST

START_TEST (the_bundle_is_enough)
{
  char text[300];

  unit_write_text (unit_path ("config.json"), "{}");
  (void) snprintf (text, sizeof text, "{\"bundle\":\"%s\",\"x\":[[{}]],\"id\":null}", unit_tmp);
  ck_assert_int_eq (read_state (text), 0);
  ck_assert_str_eq (c.id, "");
  container_free (&c);
}
END_TEST

START_TEST (cleans_the_id)
{
  char text[600];
  const char *x40 = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

  unit_write_text (unit_path ("config.json"), "{}");
  (void) snprintf (text, sizeof text, "{\"bundle\":\"%s\",\"id\":\"a\\nb%s%s%s%s\"}", unit_tmp, x40,
                   x40, x40, x40);
  ck_assert_int_eq (read_state (text), 0);
  ck_assert_int_eq (strncmp (c.id, "a?bxxx", 6), 0);
  ck_assert_uint_eq (strlen (c.id), sizeof c.id - 1);
  container_free (&c);
}
END_TEST

static const struct
{
  const char *text, *says;
} bad_states[] = {
  { "", "state on standard input is empty" },
  { "{\"bundle\": \"/x\"} x", "state on standard input is not JSON" },
  { "{}", "no \"bundle\"" },
  { "{\"bundle\": null}", "no \"bundle\"" },
  { "{\"bundle\": 7}", "no \"bundle\"" },
  { "{\"bundle\": [\"/x\"]}", "no \"bundle\"" },
  { "{\"bundle\": \"\"}", "not an absolute path" },
  { "{\"bundle\": \"x\"}", "not an absolute path" },
  { "{\"bundle\": \"/nonexistent/x\"}", "cannot open /nonexistent/x/config.json" },
};

START_TEST (refuses_bad_states)
{
  assert_refused (read_state (bad_states[_i].text), bad_states[_i].says);
}
END_TEST

START_TEST (refuses_a_bundle_with_a_long_path)
{
  char path[6000];

  memset (path, '/', sizeof path - 1);
  path[sizeof path - 1] = '\0';
  assert_refused (read_state (state_of_bundle (path)), "5999 bytes");
}
END_TEST

static const struct
{
  const char *text, *says;
} bad_configs[] = {
  { "", "is empty" },
  { "{} {}", "not JSON" },
  { "{\"process\": 7}", "\"process\" is of type int" },
  { "{\"process\": []}", "\"process\" is of type array" },
  { "{\"process\": {\"env\": {}}}", "env\" is of type object" },
  { "{\"process\": {\"env\": \"A=B\"}}", "env\" is of type string" },
  { "{\"process\": {\"env\": [\"A=B\", 7]}}", "process.env\" are strings" },
  { "{\"process\": {\"env\": [null]}}", "process.env\" are strings" },
  { "{\"process\": {\"env\": [[\"A=B\"]]}}", "process.env\" are strings" },
  { "{\"process\": {\"user\": \"root\"}}", "user\" is of type string" },
  { "{\"linux\": []}", "\"linux\" is of type array" },
  { "{\"annotations\": []}", "\"annotations\" is of type array" },
  { "{\"annotations\": {\"a.b\": 7}}", "annotations\" are strings" },
  { "{\"annotations\": {\"a.b\": null}}", "annotations\" are strings" },
};

START_TEST (refuses_bad_configs)
{
  assert_refused (read_config (bad_configs[_i].text), bad_configs[_i].says);
  unit_assert_match (f.text, "config.json");
}
END_TEST

START_TEST (refuses_what_is_no_file)
{
  const char *path = unit_path ("config.json"), *state = state_of_bundle (unit_tmp);

  (void) unlink (path);
  assert_refused (read_state (state), "config.json");
  unit_mkdir (path);
  assert_refused (read_state (state), "not a regular file");
  ck_assert_int_eq (rmdir (path), 0);
  /* Nobody writes into it: the hook must not wait for that. */
  ck_assert_int_eq (mkfifo (path, 0600), 0);
  assert_refused (read_state (state), "not a regular file");
  ck_assert_int_eq (unlink (path), 0);
}
END_TEST

START_TEST (refuses_a_config_it_may_not_read)
{
  const char *path = unit_path ("config.json"), *state = state_of_bundle (unit_tmp);

  unit_write_text (path, "{}");
  ck_assert_int_eq (chmod (path, 0), 0);
  /* For its first key json-c 0.15 opens /dev/urandom, or ends the process. */
  json_object_put (json_tokener_parse ("{\"key\": 1}"));
  unit_refuse (SYS_openat, EACCES);
  assert_refused (read_state (state), "Permission denied");
}
END_TEST

START_TEST (finds_the_environment)
{
  ck_assert_int_eq (read_config ("{\"process\": {\"env\": [\"A=1\", \"AB=2\", \"A\", \"C=\", \"\","
                                 " \"D=x=y\", \"NOTHING\", \"=z\"]}}"),
                    0);
  ck_assert_str_eq (container_env (&c, "A"), "1");
  ck_assert_str_eq (container_env (&c, "AB"), "2");
  ck_assert_str_eq (container_env (&c, "C"), "");
  ck_assert_str_eq (container_env (&c, "D"), "x=y");
  ck_assert_ptr_null (container_env (&c, "NOTHING"));
  ck_assert_ptr_null (container_env (&c, "B"));
  ck_assert_ptr_null (container_env (&c, "AB=2"));
  container_free (&c);
}
END_TEST

START_TEST (finds_annotations)
{
  ck_assert_int_eq (read_config ("{\"annotations\": {\"a.b\": \"1\", \"c\": \"\"}}"), 0);
  ck_assert_str_eq (container_annotation (&c, "a.b"), "1");
  ck_assert_str_eq (container_annotation (&c, "c"), "");
  ck_assert_ptr_null (container_annotation (&c, "a"));
  container_free (&c);
}
END_TEST

START_TEST (bears_a_config_without_anything)
{
  static const char *const texts[]
    = { "{}", "{\"process\": null, \"linux\": null, \"annotations\": null}",
        "{\"process\": {}, \"linux\": {}, \"annotations\": {}}",
        "{\"process\": {\"env\": null, \"user\": null}}" };
  struct container_user user;

  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    {
      ck_assert_int_eq (read_config (texts[i]), 0);
      ck_assert_ptr_null (container_env (&c, "A"));
      ck_assert_ptr_null (container_annotation (&c, "a"));
      ck_assert_int_eq (container_user (&c, &user, &f), -1);
      ck_assert_int_eq (f.status, EX_DATAERR);
      unit_assert_match (f.text, "process.user.uid");
      container_free (&c);
    }
}
END_TEST

static struct container_user user;

static int
read_user (const char *user_text, const char *linux_text)
{
  char text[2000];

  (void) snprintf (text, sizeof text, "{\"process\": {\"user\": %s}, \"linux\": %s}", user_text,
                   linux_text);
  if (read_config (text) != 0)
    return -1;
  int result = container_user (&c, &user, &f);
  container_free (&c);
  return result;
}

START_TEST (finds_the_user)
{
  ck_assert_int_eq (
    read_user ("{\"uid\": 2001, \"gid\": 2002, \"additionalGids\": [3, 4]}", "null"), 0);
  ck_assert_uint_eq (user.uid, 2001);
  ck_assert_uint_eq (user.gid, 2002);
  ck_assert_uint_eq (user.group_count, 2);
  ck_assert_uint_eq (user.groups[0], 3);
  ck_assert_uint_eq (user.groups[1], 4);
  ck_assert_int_eq (read_user ("{\"uid\": 4294967294, \"gid\": 0}", "{}"), 0);
  ck_assert_uint_eq (user.uid, 4294967294);
  ck_assert_uint_eq (user.gid, 0);
  ck_assert_uint_eq (user.group_count, 0);
}
END_TEST

static const struct
{
  const char *user, *linux_text, *says;
} bad_users[] = {
  { "{}", "{}", "process.user.uid" },
  { "{\"uid\": 1}", "{}", "process.user.gid" },
  { "{\"gid\": 1}", "{}", "process.user.uid" },
  { "{\"uid\": \"1\", \"gid\": 1}", "{}", "process.user.uid" },
  { "{\"uid\": 1.5, \"gid\": 1}", "{}", "process.user.uid" },
  { "{\"uid\": true, \"gid\": 1}", "{}", "process.user.uid" },
  { "{\"uid\": null, \"gid\": 1}", "{}", "process.user.uid" },
  { "{\"uid\": -1, \"gid\": 1}", "{}", "process.user.uid" },
  { "{\"uid\": 1, \"gid\": -1}", "{}", "process.user.gid" },
  { "{\"uid\": 4294967295, \"gid\": 1}", "{}", "process.user.uid" },
  { "{\"uid\": 4294967296, \"gid\": 1}", "{}", "process.user.uid" },
  /* json-c 0.18 takes these for no JSON, others for the largest number. */
  { "{\"uid\": 18446744073709551616, \"gid\": 1}", "{}", "" },
  { "{\"uid\": 99999999999999999999999999, \"gid\": 1}", "{}", "" },
  { "{\"uid\": 1, \"gid\": 4294967295}", "{}", "process.user.gid" },
  { "{\"uid\": 1, \"gid\": 1, \"additionalGids\": [5, \"6\"]}", "{}", "additionalGids" },
  { "{\"uid\": 1, \"gid\": 1, \"additionalGids\": [-5]}", "{}", "additionalGids" },
  { "{\"uid\": 1, \"gid\": 1}", "{\"namespaces\": {\"type\": \"user\"}}", "namespaces" },
  { "{\"uid\": 1, \"gid\": 1}", "{\"uidMappings\": \"all\"}", "uidMappings" },
  { "{\"uid\": 1, \"gid\": 1}", "{\"uidMappings\": [7]}", "uidMappings[0]" },
  { "{\"uid\": 1, \"gid\": 1}", "{\"uidMappings\": [{}]}", "uidMappings[0]: containerID" },
  { "{\"uid\": 1, \"gid\": 1}", "{\"uidMappings\": [{\"containerID\": 0}]}", "hostID" },
  { "{\"uid\": 1, \"gid\": 1}",
    "{\"uidMappings\": [{\"containerID\": 0, \"hostID\": 1}]}", "size" },
  { "{\"uid\": 1, \"gid\": 1}",
    "{\"uidMappings\": [{\"containerID\": 0, \"hostID\": -1, \"size\": 2}]}", "hostID" },
  { "{\"uid\": 1, \"gid\": 1}",
    "{\"uidMappings\": [{\"containerID\": 0, \"hostID\": 4294967294, \"size\": 2}]}",
    "beyond the last id" },
};

START_TEST (refuses_bad_users)
{
  ck_assert_int_eq (read_user (bad_users[_i].user, bad_users[_i].linux_text), -1);
  ck_assert_int_eq (f.status, EX_DATAERR);
  unit_assert_match (f.text, "config.json");
  unit_assert_match (f.text, bad_users[_i].says);
}
END_TEST

#define UID_MAP                                                                                    \
  "\"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 1000},"                    \
  " {\"containerID\": 1000, \"hostID\": 2001, \"size\": 1},"                                       \
  " {\"containerID\": 1001, \"hostID\": 101000, \"size\": 64535}]"
#define GID_MAP "\"gidMappings\": [{\"containerID\": 0, \"hostID\": 200000, \"size\": 65536}]"
#define USER_NS "\"namespaces\": [{\"type\": \"mount\"}, {\"type\": \"user\"}]"

START_TEST (translates_to_the_hosts_ids)
{
  static const struct
  {
    const char *user;
    uid_t uid;
    gid_t gid;
  } rows[] = {
    { "{\"uid\": 0, \"gid\": 0}", 100000, 200000 },
    { "{\"uid\": 999, \"gid\": 5}", 100999, 200005 },
    { "{\"uid\": 1000, \"gid\": 65535}", 2001, 265535 },
    { "{\"uid\": 1001, \"gid\": 1}", 101000, 200001 },
    { "{\"uid\": 65535, \"gid\": 1}", 165534, 200001 },
  };

  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    {
      ck_assert_int_eq (read_user (rows[i].user, "{" UID_MAP ", " GID_MAP ", " USER_NS "}"), 0);
      ck_assert_uint_eq (user.uid, rows[i].uid);
      ck_assert_uint_eq (user.gid, rows[i].gid);
    }
}
END_TEST

START_TEST (translates_the_groups)
{
  ck_assert_int_eq (read_user ("{\"uid\": 0, \"gid\": 0, \"additionalGids\": [7, 0]}",
                               "{" UID_MAP ", " GID_MAP "}"),
                    0);
  ck_assert_uint_eq (user.group_count, 2);
  ck_assert_uint_eq (user.groups[0], 200007);
  ck_assert_uint_eq (user.groups[1], 200000);
}
END_TEST

START_TEST (refuses_ids_without_a_number_on_the_host)
{
  static const char *const users[]
    = { "{\"uid\": 65536, \"gid\": 0}", "{\"uid\": 0, \"gid\": 65536}",
        "{\"uid\": 0, \"gid\": 0, \"additionalGids\": [65536]}" };

  for (size_t i = 0; i < sizeof users / sizeof *users; i++)
    {
      ck_assert_int_eq (read_user (users[i], "{" UID_MAP ", " GID_MAP ", " USER_NS "}"), -1);
      ck_assert_int_eq (f.status, EX_NOPERM);
      unit_assert_match (f.text, "65536");
    }
}
END_TEST

/* Else uid 0 of such a container would be taken for root. */
START_TEST (refuses_a_user_namespace_without_mappings)
{
  static const char *const texts[]
    = { "{" USER_NS "}", "{" USER_NS ", " UID_MAP "}", "{" USER_NS ", " GID_MAP "}",
        "{" USER_NS ", \"uidMappings\": [], \"gidMappings\": []}",
        "{\"namespaces\": [{\"type\": \"user\", \"path\": \"/proc/1/ns/user\"}]}" };

  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    {
      ck_assert_int_eq (read_user ("{\"uid\": 0, \"gid\": 0}", texts[i]), -1);
      ck_assert_int_eq (f.status, EX_NOPERM);
    }

}
END_TEST

START_TEST (other_namespaces_change_no_id)
{
  ck_assert_int_eq (read_user ("{\"uid\": 5, \"gid\": 6}",
                               "{\"namespaces\": [{\"type\": \"pid\"}], \"uidMappings\": []}"),
                    0);
  ck_assert_uint_eq (user.uid, 5);
  ck_assert_uint_eq (user.gid, 6);
}
END_TEST

static void
add_reading_tests (Suite *suite)
{
  TCase *tcase = unit_case (suite, "reading");

  tcase_add_test (tcase, reads_what_runc_says);
  tcase_add_test (tcase, the_bundle_is_enough);
  tcase_add_test (tcase, cleans_the_id);
  unit_add_rows (tcase, refuses_bad_states, bad_states);
  tcase_add_test (tcase, refuses_a_bundle_with_a_long_path);
  unit_add_rows (tcase, refuses_bad_configs, bad_configs);
  tcase_add_test (tcase, refuses_what_is_no_file);
  tcase_add_test (tcase, refuses_a_config_it_may_not_read);
  tcase_add_test (tcase, finds_the_environment);
  tcase_add_test (tcase, finds_annotations);
  tcase_add_test (tcase, bears_a_config_without_anything);
}

static void
add_user_tests (Suite *suite)
{
  TCase *tcase = unit_case (suite, "user");

  tcase_add_test (tcase, finds_the_user);
  unit_add_rows (tcase, refuses_bad_users, bad_users);
  tcase_add_test (tcase, translates_to_the_hosts_ids);
  tcase_add_test (tcase, translates_the_groups);
  tcase_add_test (tcase, refuses_ids_without_a_number_on_the_host);
  tcase_add_test (tcase, refuses_a_user_namespace_without_mappings);
  tcase_add_test (tcase, other_namespaces_change_no_id);
}

int
main (void)
{
  Suite *suite = suite_create ("container");

  add_reading_tests (suite);
  add_user_tests (suite);
  return unit_run (suite);
}
