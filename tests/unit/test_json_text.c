/* SPDX-License-Identifier: BSD-3-Clause */
/* One JSON object of at most 8 MB is read from anything; all else is refused, in
 * one line that says where. */
#include "json_text.h"

#include "unit.h"

#include <json-c/json.h>

static struct failure f;

static struct json_object *
parse_bytes (const void *text, size_t size)
{
  unit_write (unit_path ("text"), text, size);
  int fd = open (unit_path ("text"), O_RDONLY | O_CLOEXEC);
  ck_assert_int_ge (fd, 0);
  f = (struct failure){ 0 };
  struct json_object *json = json_text_read ("it", fd, &f);
  (void) close (fd);
  return json;
}

static struct json_object *
parse (const char *text)
{
  return parse_bytes (text, strlen (text));
}

static void
assert_refused (struct json_object *json, const char *says)
{
  ck_assert_ptr_null (json);
  ck_assert_int_eq (f.status, EX_DATAERR);
  unit_assert_match (f.text, says);
  ck_assert_ptr_null (strchr (f.text, '\n'));
  /* What is wrong, not what the library calls its functions. */
  ck_assert_msg (strstr (f.text, "json_") == NULL, "%s", f.text);
}

static const char *const good[] = {
  "{\"a\": \"x\"}",
  "{\"a\": \"\xc3\xa4\"}",
  "{\"\xe2\x82\xac\": [\"\xc3\xa4\", {\"b\": \"\xf0\x9f\x98\x80\"}]} \r\n\t",
  "{\"a\": \"\xff\"}", /* an environment is bytes */
};

START_TEST (takes_all_bytes)
{
  struct json_object *json = parse (good[_i]);
  ck_assert_msg (json != NULL, "%s", f.text);
  json_object_put (json);
}
END_TEST

/* Pipes are written to in one go, but nobody promises that. */
START_TEST (reads_pieces)
{
  int ends[2];

  /* O_DIRECT: no read(2) gets more than one write(2) has written. */
  ck_assert_int_eq (pipe2 (ends, O_CLOEXEC | O_DIRECT), 0);
  ck_assert_int_eq (write (ends[1], "{\"a\": \"", 7), 7);
  ck_assert_int_eq (write (ends[1], "b", 1), 1);
  ck_assert_int_eq (write (ends[1], "c\"}", 3), 3);
  (void) close (ends[1]);
  struct json_object *json = json_text_read ("it", ends[0], &f);
  ck_assert_msg (json != NULL, "%s", f.text);
  ck_assert_str_eq (json_object_get_string (json_text_part (json, "a", json_type_string)), "bc");
  json_object_put (json);
  (void) close (ends[0]);
}
END_TEST

/* At which a buffer may be just full. */
static const size_t sizes[]
  = { 2, 3, 4095, 4096, 65534, 65535, 65536, 131071, 131072, 3000000, 8 << 20 };

START_TEST (reads_any_size)
{
  const size_t size = sizes[_i];
  char *text = malloc (size);

  ck_assert_ptr_nonnull (text);
  memset (text, ' ', size);
  text[0] = '{';
  text[size - 1] = '}';
  struct json_object *json = parse_bytes (text, size);
  ck_assert_msg (json != NULL, "%s", f.text);
  json_object_put (json);
  free (text);
}
END_TEST

START_TEST (refuses_a_huge_one)
{
  const size_t size = (8 << 20) + 1;
  char *text = malloc (size);

  ck_assert_ptr_nonnull (text);
  memset (text, ' ', size);
  assert_refused (parse_bytes (text, size), "larger than 8 MB");
  free (text);
}
END_TEST

static const struct
{
  const char *text, *says;
} bad[] = {
  { "", "it is empty" },
  { " \n", "cut off" },
  { "hello", "not JSON" },
  { "{", "cut off" },
  { "{\"bundle\": \"/x\"", "cut off after 15 bytes" },
  { "{\"bundle\": \"/x", "cut off" },
  { "{\"bundle\": \"/x\"} x", "not JSON" },
  { "{\"bundle\": \"/x\"}{}", "not JSON" },
  { "{\"bundle\": \"/x\"} {}", "not JSON" },
  { "{\"bundle\": \"/x\"} }", "not JSON" },
  { "{\"bundle\" \"/x\"}", "not JSON" },
  { "{bundle: \"/x\"}", "not JSON" },
  { "# comment\n{\"bundle\": \"/x\"}", "not JSON" },
  { "[]", "not a JSON object" },
  { "null", "not a JSON object" },
  { "\"x\"", "not a JSON object" },
  { "7", "not a JSON object" },
  { "{\"a\": \"\xc3\xa4\"} x", "not JSON" },
  { "{\"a\": \"\xc3\xa4\"}{}", "not JSON" },
  { "{\"a\": \"\xc3\xa4", "cut off" },
  { "{\"a\": \"\xc3\xa4\"", "cut off" },
  { "{\"a\": \"\xc3\xa4\" \"b\"}", "not JSON" },
  { "[\"\xc3\xa4\"]", "not a JSON object" },
  /* Behind what nobody asks for. */
  { "{\"mounts\": [{\"a\": [1, 2]}], \"process\" 7}", "at byte 38" },
  { "{\"mounts\": [{\"a\": [1, 2]", "cut off after 24 bytes" },
  { "{\"mounts\": [\"a", "cut off after 14 bytes" },
  { "{\"mounts\": [\"\\", "cut off after 14 bytes" },
  { "{\"mounts\"", "cut off after 9 bytes" },
  { "{\"mounts\":", "cut off after 10 bytes" },
};

START_TEST (refuses_what_is_none)
{
  assert_refused (parse (bad[_i].text), bad[_i].says);
}
END_TEST

START_TEST (refuses_a_nul)
{
  static const char text[] = "{\"bundle\": \"/x\"}\0 more";

  assert_refused (parse_bytes (text, sizeof text), "NUL byte at byte 16");
  assert_refused (parse_bytes ("{}\0", 4), "NUL byte at byte 2");
}
END_TEST

START_TEST (refuses_deep_nesting)
{
  char text[20001];

  memset (text, '[', sizeof text / 2);
  memset (text + sizeof text / 2, ']', sizeof text / 2);
  assert_refused (parse_bytes (text, sizeof text - 1), "nesting too deep");
  for (size_t i = 0; i < sizeof text - 6; i += 5)
    memcpy (text + i, "{\"a\":", 5);
  assert_refused (parse_bytes (text, sizeof text - 1), "nesting too deep");
}
END_TEST

/* Large parts that nobody asks for are not parsed; what stands around them is. */
static const char *const with_ballast[] = {
  "\"mounts\": [{\"a\": [1, {}]}, {}]",
  "\"mounts\" : \n\t {\"a\": 1}",
  "\"mounts\": [\"]\", \"\\\"]\", \"\\\\\", \"{\"]",
  "\"mounts\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
  "\"mounts\": [\"\\\"]\", [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
  "\"mounts\": \"hooks\"",
  "\"mounts\": null",
  "\"mounts\": [], \"hooks\": {}, \"seccomp\": {}, \"devices\": [], \"resources\": {\"a\": [0]}",
  "\"x\": [\"mounts\", \"hooks\"]",
  "\"x\": \"\\\"mounts\\\": [\"",
  "\"x\": \"mounts\", \"\": [\"mounts\", {\"mounts\": {}}]",
};

START_TEST (passes_over_ballast)
{
  char text[1000];

  (void) snprintf (text, sizeof text, "{%s, \"a\": [\"\\\"mounts\\\": [1]\", \"b\"], \"y\": 1}",
                   with_ballast[_i]);
  struct json_object *json = parse (text);
  ck_assert_msg (json != NULL, "%s", f.text);
  ck_assert_str_eq (json_object_get_string (json_text_part (json, "a", json_type_array)),
                    "[ \"\\\"mounts\\\": [1]\", \"b\" ]");
  json_object_put (json);
}
END_TEST

START_TEST (says_when_it_cannot_be_read)
{
  int fd = open (unit_tmp, O_RDONLY | O_CLOEXEC);

  ck_assert_ptr_null (json_text_read ("it", fd, &f));
  ck_assert_int_eq (f.status, EX_IOERR);
  unit_assert_match (f.text, "cannot read it");
  (void) close (fd);
}
END_TEST

/* json-c would go on without a part of it, or crash. */
START_TEST (parses_nothing_if_memory_is_short)
{
  unit_take_memory ();
  ck_assert_ptr_null (parse ("{\"bundle\": \"/\"}"));
  ck_assert_int_eq (f.status, EX_OSERR);
  unit_assert_match (f.text, "cannot parse it: Cannot allocate");
}
END_TEST

START_TEST (finds_parts)
{
  struct json_object *json = parse ("{\"a\": {\"b\": {\"c\": 7}}, \"d\": null}");

  ck_assert_int_eq (json_object_get_int (json_text_part (json, "a.b.c", json_type_int)), 7);
  ck_assert_ptr_nonnull (json_text_part (json, "a.b", json_type_object));
  ck_assert_ptr_null (json_text_part (json, "a.b", json_type_array));
  ck_assert_ptr_null (json_text_part (json, "a.b.c.d", json_type_int));
  ck_assert_ptr_null (json_text_part (json, "x.b", json_type_int));
  ck_assert_ptr_null (json_text_part (json, "d", json_type_int));
  ck_assert_ptr_null (json_text_part (NULL, "d", json_type_int));
  json_object_put (json);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("json_text");
  TCase *tcase = unit_case (suite, "json_text");

  unit_add_rows (tcase, takes_all_bytes, good);
  tcase_add_test (tcase, reads_pieces);
  unit_add_rows (tcase, reads_any_size, sizes);
  tcase_add_test (tcase, refuses_a_huge_one);
  unit_add_rows (tcase, refuses_what_is_none, bad);
  tcase_add_test (tcase, refuses_a_nul);
  tcase_add_test (tcase, refuses_deep_nesting);
  unit_add_rows (tcase, passes_over_ballast, with_ballast);
  tcase_add_test (tcase, says_when_it_cannot_be_read);
  unit_add_if (tcase, parses_nothing_if_memory_is_short, unit_may_take_memory (),
               "memory is watched");
  tcase_add_test (tcase, finds_parts);
  return unit_run (suite);
}
