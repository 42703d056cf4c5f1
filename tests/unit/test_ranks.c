/* SPDX-License-Identifier: BSD-3-Clause */
/* A set of numbers has one text, which is read back; no other text is read. */
#include "ranks.h"

#include "unit.h"

/* That of the test, which is nothing before it is made. */
static struct ranks set = { .count = 7, .present = 7 };

static void
free_set (void)
{
  ranks_free (&set);
}

START_TEST (starts_empty)
{
  ck_assert_int_eq (ranks_init (&set, 5), 0);
  ck_assert_uint_eq (set.count, 5);
  ck_assert_uint_eq (set.present, 0);
  for (uint32_t i = 0; i < 5; i++)
    ck_assert (!ranks_has (&set, i));
  ck_assert (!ranks_full (&set));
}
END_TEST

START_TEST (counts_each_number_once)
{
  ck_assert_int_eq (ranks_init (&set, 3), 0);
  ranks_add (&set, 1);
  ranks_add (&set, 1);
  ck_assert_uint_eq (set.present, 1);
  ck_assert (ranks_has (&set, 1));
  ck_assert (!ranks_has (&set, 0));
  ck_assert (!ranks_has (&set, 2));
  ranks_add (&set, 0);
  ck_assert (!ranks_full (&set));
  ranks_add (&set, 2);
  ck_assert (ranks_full (&set));
}
END_TEST

/* The set is kept in words of 64 bits. */
START_TEST (holds_at_the_edges_of_words)
{
  static const uint32_t counts[] = { 1, 63, 64, 65, 128, 129, 1000 };
  const uint32_t count = counts[_i];

  ck_assert_int_eq (ranks_init (&set, count), 0);
  for (uint32_t i = 0; i < count; i++)
    {
      ck_assert (!ranks_has (&set, i));
      ck_assert (!ranks_full (&set));
      ranks_add (&set, i);
      ck_assert (ranks_has (&set, i));
    }
  ck_assert (ranks_full (&set));
  ranks_clear (&set);
  ck_assert_uint_eq (set.present, 0);
  for (uint32_t i = 0; i < count; i++)
    ck_assert (!ranks_has (&set, i));
}
END_TEST

START_TEST (an_empty_group_is_full)
{
  char text[8];

  ck_assert_int_eq (ranks_init (&set, 0), 0);
  ck_assert (ranks_full (&set));
  ck_assert_str_eq (ranks_missing (&set, text, sizeof text), "");
  ranks_clear (&set);
}
END_TEST

START_TEST (may_be_freed_twice)
{
  ck_assert_int_eq (ranks_init (&set, 100), 0);
  ranks_free (&set);
  ck_assert_ptr_null (set.bits);
  ranks_free (&set);
}
END_TEST

/* "x" for a number that is there, "." for one that is missing. */
static const struct
{
  const char *set, *missing;
} ranges[] = {
  { "xxxx", "" },
  { ".", "0" },
  { "....", "0-3" },
  { "x.x.", "1,3" },
  { ".x..", "0,2-3" },
  { "..xx..", "0-1,4-5" },
  { "x..x.x", "1-2,4" },
  { "x.x.x.", "1-5:2" },
};

/* Makes the set that PATTERN tells, one letter a number. */
static void
make_set (const char *pattern)
{
  ck_assert_int_eq (ranks_init (&set, (uint32_t) strlen (pattern)), 0);
  for (uint32_t i = 0; i < strlen (pattern); i++)
    if (pattern[i] == 'x')
      ranks_add (&set, i);
}

START_TEST (tells_missing_ranges)
{
  char missing[64];

  make_set (ranges[_i].set);
  ck_assert_ptr_eq (ranks_missing (&set, missing, sizeof missing), missing);
  ck_assert_str_eq (missing, ranges[_i].missing);
}
END_TEST

START_TEST (tells_ranges_across_words)
{
  char missing[64];

  ck_assert_int_eq (ranks_init (&set, 512), 0);
  for (uint32_t i = 0; i < 512; i++)
    if (i != 17 && (i < 60 || i > 130) && i != 511)
      ranks_add (&set, i);
  ck_assert_str_eq (ranks_missing (&set, missing, sizeof missing), "17,60-130,511");
}
END_TEST

/* Whatever the size: never beyond it, whole ranges only, and dots where
 * something was left out. */
START_TEST (cuts_what_does_not_fit)
{
  const size_t size = 8 + (size_t) _i;
  char text[80], whole[80];

  ck_assert_int_eq (ranks_init (&set, 30), 0);
  for (uint32_t i = 0; i < 30; i += 3)
    ranks_add (&set, i);
  ck_assert_str_eq (ranks_missing (&set, whole, sizeof whole),
                    "1-2,4-5,7-8,10-11,13-14,16-17,19-20,22-23,25-26,28-29");
  memset (text, '#', sizeof text);
  (void) ranks_missing (&set, text, size);
  ck_assert_uint_lt (strlen (text), size);
  for (size_t i = size; i < sizeof text; i++)
    ck_assert_int_eq (text[i], '#');
  if (strcmp (text, whole) != 0)
    {
      size_t kept = strlen (text) - strlen ("...");
      ck_assert_str_eq (text + kept, "...");
      ck_assert_int_eq (strncmp (text, whole, kept), 0);
      ck_assert (kept == 0 || text[kept - 1] == ',');
    }
  else
    ck_assert_uint_gt (size, strlen (whole));
}
END_TEST

static const struct
{
  const char *set, *text;
} texts[] = {
  { "x", "0" },
  { "xxxx", "0-3" },
  { "xx", "0-1" },
  { ".x.x", "1,3" },
  { "x.x.x.", "0-4:2" },
  { "x.xxxx", "0,2-5" },
  { "x..x..x", "0-6:3" },
  { "xx.x.x", "0-1,3,5" },
  { "xx.x.x.x", "0-1,3-7:2" },
};

START_TEST (writes_and_reads_a_set)
{
  struct ranks same;
  uint32_t from = 0;
  char text[48];

  make_set (texts[_i].set);
  ck_assert (ranks_next_text (&set, &from, text, sizeof text));
  ck_assert_str_eq (text, texts[_i].text);
  ck_assert (!ranks_next_text (&set, &from, text, sizeof text));
  ck_assert_int_eq (ranks_init (&same, set.count), 0);
  ck_assert (!ranks_has_text (&same, texts[_i].text));
  ck_assert (ranks_add_text (&same, texts[_i].text));
  ck_assert (ranks_has_text (&same, texts[_i].text));
  ck_assert_uint_eq (same.present, set.present);
  for (uint32_t i = 0; i < set.count; i++)
    ck_assert (ranks_has (&same, i) == ranks_has (&set, i));
  ranks_free (&same);
}
END_TEST

/* The names of marks are anybody's: nothing but what is written counts, or one
 * set could have two names. */
static const char *const no_sets[] = {
  "",      "x",     "64",   "4294967295", "4294967296", "18446744073709551617",
  "01",    "00",    "+1",   "-1",         " 1",         "1 ",
  "1\n",   "1~",    "0x1",  "1,",         ",1",         "1,,2",
  "1-",    "1-1",   "2-1",  "1,1",        "2,1",        "1-3,3",
  "0-64",  "1-2-3", "0-4:", "0-4:0",      "0-4:1",      "0-4:3",
  "0-4:9", "3:2",   "0-4:2:2",
  "99999999999999999999999999999999999999999999999999",
};

START_TEST (reads_no_nonsense)
{
  ck_assert_int_eq (ranks_init (&set, 64), 0);
  ck_assert (!ranks_add_text (&set, no_sets[_i]));
  ck_assert (!ranks_has_text (&set, no_sets[_i]));
  ck_assert_uint_eq (set.present, 0);
}
END_TEST

START_TEST (reads_the_largest_number)
{
  /* Not in it: nothing is written where there is no memory for it. */
  set = (struct ranks){ .count = UINT32_MAX };
  ck_assert (!ranks_add_text (&set, "0,4294967295"));
  ck_assert (!ranks_add_text (&set, "4294967294-4294967295"));
  ck_assert_int_eq (ranks_init (&set, 70), 0);
  ck_assert (ranks_add_text (&set, "69"));
  ck_assert (!ranks_has_text (&set, "69-70"));
}
END_TEST

/* Pieces as long as there is room, which together are the set, each time the
 * same ones. */
START_TEST (writes_what_does_not_fit_in_pieces)
{
  struct ranks same;
  uint32_t from = 0, again = 0;
  char text[48], second[48];
  int pieces = 0;

  ck_assert_int_eq (ranks_init (&set, 1000), 0);
  ck_assert_int_eq (ranks_init (&same, 1000), 0);
  for (uint32_t i = 0; i < 1000; i = i * 5 / 4 + 1)
    ranks_add (&set, i);
  for (; ranks_next_text (&set, &from, text, sizeof text); pieces++)
    {
      ck_assert (ranks_next_text (&set, &again, second, sizeof second));
      ck_assert_str_eq (text, second);
      ck_assert (ranks_add_text (&same, text));
    }
  ck_assert_int_gt (pieces, 1);
  ck_assert_uint_eq (same.present, set.present);
  ranks_free (&same);
}
END_TEST

START_TEST (finds_the_next)
{
  ck_assert_int_eq (ranks_init (&set, 300), 0);
  ck_assert_uint_eq (ranks_next (&set, 0, true), 300);
  ranks_add (&set, 0);
  ranks_add (&set, 191);
  ck_assert_uint_eq (ranks_next (&set, 0, true), 0);
  ck_assert_uint_eq (ranks_next (&set, 1, true), 191);
  ck_assert_uint_eq (ranks_next (&set, 191, true), 191);
  ck_assert_uint_eq (ranks_next (&set, 192, true), 300);
  ck_assert_uint_eq (ranks_next (&set, 300, true), 300);
}
END_TEST

START_TEST (says_when_memory_is_short)
{
  unit_take_memory ();
  ck_assert_int_eq (ranks_init (&set, UINT32_MAX), -1);
  ck_assert_int_eq (errno, ENOMEM);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("ranks");
  TCase *tcase = unit_case (suite, "ranks");

  tcase_add_checked_fixture (tcase, NULL, free_set);
  tcase_add_test (tcase, starts_empty);
  tcase_add_test (tcase, counts_each_number_once);
  tcase_add_loop_test (tcase, holds_at_the_edges_of_words, 0, 7);
  tcase_add_test (tcase, an_empty_group_is_full);
  tcase_add_test (tcase, may_be_freed_twice);
  unit_add_rows (tcase, tells_missing_ranges, ranges);
  unit_add_rows (tcase, writes_and_reads_a_set, texts);
  unit_add_rows (tcase, reads_no_nonsense, no_sets);
  tcase_add_test (tcase, reads_the_largest_number);
  tcase_add_test (tcase, writes_what_does_not_fit_in_pieces);
  tcase_add_test (tcase, finds_the_next);
  tcase_add_test (tcase, tells_ranges_across_words);
  tcase_add_loop_test (tcase, cuts_what_does_not_fit, 0, 60);
  unit_add_if (tcase, says_when_memory_is_short, unit_may_take_memory (), "memory is watched");
  return unit_run (suite);
}
