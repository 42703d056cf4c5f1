/* SPDX-License-Identifier: BSD-3-Clause */
#include "failure.h"

#include "unit.h"

START_TEST (fills_the_failure_and_returns_minus_one)
{
  struct failure f = { 0 };

  ck_assert_int_eq (fail (&f, EX_CONFIG, "%s: %d", "what", 42), -1);
  ck_assert_int_eq (f.status, EX_CONFIG);
  ck_assert_str_eq (f.text, "what: 42");
}
END_TEST

START_TEST (prints_errno)
{
  struct failure f;
  char expected[200];

  (void) snprintf (expected, sizeof expected, "what: %s", strerror (ENOSPC));
  errno = ENOSPC;
  (void) fail (&f, EX_IOERR, "what: %m");
  ck_assert_str_eq (f.text, expected);
}
END_TEST

/* It stands behind what errno says. */
START_TEST (knows_remedies)
{
  static const int known[] = { ENOSPC, EDQUOT, EROFS, EACCES, EPERM, EIO, ESTALE, ETIMEDOUT };

  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    ck_assert_int_eq (strncmp (failure_remedy (known[i]), "; ", 2), 0);
  unit_assert_match (failure_remedy (EDQUOT), "quota");
  unit_assert_match (failure_remedy (ENOSPC), "room");
  ck_assert_str_eq (failure_remedy (ENOENT), "");
  ck_assert_str_eq (failure_remedy (0), "");
}
END_TEST

START_TEST (keeps_control_characters_out)
{
  struct failure f;

  (void) fail (&f, EX_DATAERR, "name \"%s\"", "a\nb\tc\033[31m\177d\001e\r");
  ck_assert_str_eq (f.text, "name \"a?b?c?[31m?d?e?\"");
}
END_TEST

START_TEST (leaves_other_languages_alone)
{
  char text[] = "Gr\xc3\xbc\xc3\x9f\n";

  ck_assert_ptr_eq (text_clean (text), text);
  ck_assert_str_eq (text, "Gr\xc3\xbc\xc3\x9f?");
}
END_TEST

/* What a terminal would take for control characters, or choke on. */
static const struct
{
  const char *text, *clean;
} encodings[] = {
  { "\xc2\xa0\xdf\xbf|", "\xc2\xa0\xdf\xbf|" },                 /* U+00A0, U+07FF */
  { "\xe0\xa0\x80\xef\xbf\xbd|", "\xe0\xa0\x80\xef\xbf\xbd|" }, /* U+0800, U+FFFD */
  { "\xed\x9f\xbf\xee\x80\x80|", "\xed\x9f\xbf\xee\x80\x80|" }, /* beside the surrogates */
  { "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf|", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf|" },
  { "\xc2\x9b|", "??|" },         /* U+009B begins a control sequence */
  { "\xc2\x80\xc2\x9f|", "????|" },
  { "\x9b|", "?|" },             /* as ISO 8859-1 has it */
  { "\xe4\xf6\xfc|", "???|" },
  { "\xc0\x8a|", "??|" },         /* overlong forms of a newline */
  { "\xe0\x80\x8a|", "???|" },
  { "\xf0\x80\x80\x8a|", "????|" },
  { "\xed\xa0\x80|", "???|" },     /* a surrogate */
  { "\xf4\x90\x80\x80|", "????|" }, /* above U+10FFFF */
  { "\xff\xfe|", "??|" },
  { "\xe2\x80\xa8\xe2\x80\xa9|", "??????|" }, /* U+2028 and 2029 break lines */
  { "\xe2\x80\xaa\xe2\x80\xae|", "??????|" }, /* U+202A to 202E turn text */
  { "\xe2\x81\xa6\xe2\x81\xa9|", "??????|" }, /* so do U+2066 to 2069 */
  { "\xe2\x80\x8e\xe2\x80\x8f|", "??????|" }, /* and U+200E and 200F */
  { "\xe2\x80\xa7\xe2\x80\xaf|", "\xe2\x80\xa7\xe2\x80\xaf|" },
  { "\xe2\x81\xa5\xe2\x81\xaa|", "\xe2\x81\xa5\xe2\x81\xaa|" },
  { "\xe2\x80\x8d\xe2\x80\x90|", "\xe2\x80\x8d\xe2\x80\x90|" },
  { "\xc3", "?" },               /* cut off */
  { "\xe2\x82", "??" },
  { "\xf0\x9f\x98", "???" },
  { "\xc3\n", "??" },
  { "\xe2\x82\x1b[", "???[" },
};

START_TEST (knows_utf_8)
{
  char text[20];

  (void) snprintf (text, sizeof text, "%s", encodings[_i].text);
  ck_assert_str_eq (text_clean (text), encodings[_i].clean);
}
END_TEST

START_TEST (cleans_every_control_character)
{
  char text[2] = { (char) _i, '\0' };
  const bool control = _i < 0x20 || _i == 0x7f;

  (void) text_clean (text);
  ck_assert_int_eq (text[0], control ? '?' : (char) _i);
}
END_TEST

START_TEST (cuts_what_is_too_long)
{
  char longer[3000];
  struct failure f;

  memset (longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  ck_assert_int_eq (fail (&f, EX_DATAERR, "%s", longer), -1);
  ck_assert_uint_eq (strlen (f.text), sizeof f.text - 1);
}
END_TEST

START_TEST (prefix_keeps_the_status)
{
  struct failure f;

  (void) fail (&f, EX_NOPERM, "why");
  fail_prefix (&f, "%s[%d]", "list", 3);
  ck_assert_int_eq (f.status, EX_NOPERM);
  ck_assert_str_eq (f.text, "list[3]: why");
  fail_prefix (&f, "a\nb");
  ck_assert_str_eq (f.text, "a?b: list[3]: why");
}
END_TEST

START_TEST (prefix_cuts_what_is_too_long)
{
  char longer[3000];
  struct failure f;

  memset (longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  (void) fail (&f, EX_NOPERM, "%s", longer);
  fail_prefix (&f, "what");
  ck_assert_uint_eq (strlen (f.text), sizeof f.text - 1);
  ck_assert_int_eq (strncmp (f.text, "what: xxx", 9), 0);

  (void) fail (&f, EX_NOPERM, "why");
  fail_prefix (&f, "%s", longer);
  ck_assert_uint_eq (strlen (f.text), sizeof f.text - 1);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("failure");
  TCase *tcase = tcase_create ("failure");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, fills_the_failure_and_returns_minus_one);
  tcase_add_test (tcase, prints_errno);
  tcase_add_test (tcase, knows_remedies);
  tcase_add_test (tcase, keeps_control_characters_out);
  tcase_add_test (tcase, leaves_other_languages_alone);
  tcase_add_loop_test (tcase, knows_utf_8, 0, sizeof encodings / sizeof *encodings);
  tcase_add_loop_test (tcase, cleans_every_control_character, 1, 128);
  tcase_add_test (tcase, cuts_what_is_too_long);
  tcase_add_test (tcase, prefix_keeps_the_status);
  tcase_add_test (tcase, prefix_cuts_what_is_too_long);
  return unit_run (suite);
}
