/* SPDX-License-Identifier: BSD-3-Clause */
#include "json_text.h"

#include "unit.h"

#include <json-c/json.h>

static struct failure f;

static struct json_object *
parse (const char *text)
{
  int fd = unit_pipe_of (text);

  f = (struct failure){ 0 };
  struct json_object *json = json_text_read ("it", fd, &f);
  (void) close (fd);
  return json;
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

static const struct
{
  const char *text, *says;
} bad[] = {
  { "{\"a\": \"\xc3\xa4\"} x", "not" },
  { "{\"a\": \"\xc3\xa4\"}{}", "not" },
  { "{\"a\": \"\xc3\xa4", "cut off" },
  { "{\"a\": \"\xc3\xa4\"", "cut off" },
  { "{\"a\": \"\xc3\xa4\" \"b\"}", "not JSON" },
  { "[\"\xc3\xa4\"]", "not a JSON object" },
};

START_TEST (refuses_what_is_none)
{
  ck_assert_ptr_null (parse (bad[_i].text));
  ck_assert_int_eq (f.status, EX_DATAERR);
  unit_assert_match (f.text, bad[_i].says);
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
  unit_add_rows (tcase, refuses_what_is_none, bad);
  unit_add_if (tcase, parses_nothing_if_memory_is_short, unit_may_take_memory (),
               "memory is watched");
  tcase_add_test (tcase, finds_parts);
  return unit_run (suite);
}
