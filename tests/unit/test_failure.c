/* SPDX-License-Identifier: BSD-3-Clause */
/* A failure is a status and one line, clean and cut, with errno and a remedy. */
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

START_TEST (shows_ascii_only)
{
  char text[2] = { (char) _i, '\0' };
  const bool shown = _i >= 0x20 && _i < 0x7f;

  ck_assert_ptr_eq (text_clean (text), text);
  ck_assert_int_eq (text[0], shown ? (char) _i : '?');
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

int
main (void)
{
  Suite *suite = suite_create ("failure");
  TCase *tcase = unit_case (suite, "failure");

  tcase_add_test (tcase, fills_the_failure_and_returns_minus_one);
  tcase_add_test (tcase, prints_errno);
  tcase_add_test (tcase, knows_remedies);
  tcase_add_test (tcase, keeps_control_characters_out);
  tcase_add_loop_test (tcase, shows_ascii_only, 1, 256);
  tcase_add_test (tcase, cuts_what_is_too_long);
  return unit_run (suite);
}
