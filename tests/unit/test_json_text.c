/* SPDX-License-Identifier: BSD-3-Clause */
#include "json_text.h"

#include "unit.h"

#include <json-c/json.h>
#include <sysexits.h>

/* The linker leads json_text.c's calls here (--wrap), so that every json-c can
 * be 0.18: strict, it refuses bytes above 0x7f. */
struct json_object *__real_json_tokener_parse_ex (struct json_tokener *, const char *, int);
struct json_object *__wrap_json_tokener_parse_ex (struct json_tokener *, const char *, int);

static bool is_018;

struct json_object *
__wrap_json_tokener_parse_ex (struct json_tokener *tokener, const char *text, int length)
{
  if (is_018 && (tokener->flags & JSON_TOKENER_STRICT) != 0)
    for (int i = 0; i < length; i++)
      if ((unsigned char) text[i] > 0x7f)
        {
          tokener->char_offset = i;
          tokener->err = json_tokener_error_parse_string;
          return NULL;
        }
  return __real_json_tokener_parse_ex (tokener, text, length);
}

static struct failure f;

static struct json_object *
parse (const char *text)
{
  f = (struct failure) { 0 };
  return json_text_parse ("it", text, strlen (text), &f);
}

static const char *const good[] = {
  "{\"a\": \"x\"}",
  "{\"a\": \"\xc3\xa4\"}",
  "{\"\xe2\x82\xac\": [\"\xc3\xa4\", {\"b\": \"\xf0\x9f\x98\x80\"}]} \r\n\t",
  "{\"a\": \"\xff\"}", /* an environment is bytes */
};

START_TEST (takes_all_bytes)
{
  is_018 = _i % 2 == 1;
  struct json_object *json = parse (good[_i / 2]);
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
  { "{'a': 'x'}", "not JSON" },
};

START_TEST (refuses_what_is_none)
{
  is_018 = _i % 2 == 1;
  ck_assert_ptr_null (parse (bad[_i / 2].text));
  ck_assert_int_eq (f.status, EX_DATAERR);
  ck_assert_msg (strstr (f.text, bad[_i / 2].says) != NULL, "%s", f.text);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("json_text");
  TCase *tcase = unit_case (suite, "json_text");

  tcase_add_loop_test (tcase, takes_all_bytes, 0, 2 * sizeof good / sizeof *good);
  tcase_add_loop_test (tcase, refuses_what_is_none, 0, 2 * sizeof bad / sizeof *bad);
  return unit_run (suite);
}
