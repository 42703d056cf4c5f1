/* SPDX-License-Identifier: BSD-3-Clause */
#include "ranks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t
ranks_words (const struct ranks *set)
{
  return ((size_t) set->count + 63) / 64;
}

int
ranks_init (struct ranks *set, uint32_t count)
{
  *set = (struct ranks){ .count = count };
  set->bits = calloc (ranks_words (set) + 1, sizeof *set->bits);
  return set->bits == NULL ? -1 : 0;
}

void
ranks_free (struct ranks *set)
{
  free (set->bits);
  set->bits = NULL;
}

bool
ranks_has (const struct ranks *set, uint32_t rank)
{
  return (set->bits[rank / 64] >> (rank % 64) & 1) != 0;
}

void
ranks_add (struct ranks *set, uint32_t rank)
{
  if (!ranks_has (set, rank))
    set->present++;
  set->bits[rank / 64] |= UINT64_C (1) << (rank % 64);
}

void
ranks_add_all (struct ranks *set, const struct ranks *others)
{
  for (uint32_t rank = 0; (rank = ranks_next (others, rank, true)) < others->count; rank++)
    ranks_add (set, rank);
}

void
ranks_clear (struct ranks *set)
{
  memset (set->bits, 0, ranks_words (set) * sizeof *set->bits);
  set->present = 0;
}

bool
ranks_full (const struct ranks *set)
{
  return set->present == set->count;
}

uint32_t
ranks_next (const struct ranks *set, uint32_t from, bool present)
{
  const uint64_t none = present ? 0 : UINT64_MAX;

  while (from < set->count && ranks_has (set, from) != present)
    from += from % 64 == 0 && set->bits[from / 64] == none ? 64 : 1;
  return from < set->count ? from : set->count;
}

/* The numbers FIRST, FIRST+STEP .. LAST. */
struct run {
  uint32_t first, last, step;
};

/* Reads a number below COUNT, without sign, space or leading zero. */
static bool
read_number (const char **text, uint32_t count, uint32_t *number)
{
  const char *digit = *text;
  uint64_t n = 0;

  for (; *digit >= '0' && *digit <= '9' && n < count; digit++)
    n = n * 10 + (uint64_t) (*digit - '0');
  if (digit == *text || n >= count || (**text == '0' && digit != *text + 1))
    return false;
  *number = (uint32_t) n;
  *text = digit;
  return true;
}

/* Reads "A", "A-B" or "A-B:STEP", and the comma before it unless FIRST. */
static bool
read_run (const char **text, bool first, uint32_t count, struct run *run)
{
  if (!first && *(*text)++ != ',')
    return false;
  if (!read_number (text, count, &run->first))
    return false;
  run->last = run->first;
  run->step = 1;
  if (**text != '-')
    return true;
  ++*text;
  if (!read_number (text, count, &run->last) || run->last <= run->first)
    return false;
  if (**text != ':')
    return true;
  ++*text;
  return read_number (text, count, &run->step) && run->step > 1
         && (run->last - run->first) % run->step == 0;
}

/* What to do with the numbers of a text. */
enum deed { CHECK_SENSE, ADD, LOOK_UP };

/* Does that with each number of TEXT.  False if TEXT makes no sense, or if a
 * number that is looked up is not in SET; what was read before is done then. */
static bool
walk_text (struct ranks *set, const char *text, enum deed deed)
{
  const char *at = text;
  uint32_t least = 0;
  struct run run;

  do
    {
      if (!read_run (&at, at == text, set->count, &run) || run.first < least)
        return false;
      for (uint64_t rank = run.first; deed != CHECK_SENSE && rank <= run.last; rank += run.step)
        if (deed == ADD)
          ranks_add (set, (uint32_t) rank);
        else if (!ranks_has (set, (uint32_t) rank))
          return false;
      least = run.last + 1;
    }
  while (*at != '\0');
  return true;
}

bool
ranks_add_text (struct ranks *set, const char *text)
{
  return walk_text (set, text, CHECK_SENSE) && walk_text (set, text, ADD);
}

bool
ranks_has_text (const struct ranks *set, const char *text)
{
  struct ranks same = *set; /* to look up changes nothing */

  return walk_text (&same, text, LOOK_UP);
}

/* The longest run that begins at FIRST, of numbers that are PRESENT in SET like
 * that one, or like it are not: neighbours, or three and more at the same
 * distance. */
static struct run
find_run (const struct ranks *set, uint32_t first, bool present)
{
  uint32_t next = ranks_next (set, first + 1, present);
  struct run run = { first, first, next - first };
  unsigned length = 1;

  while (next < set->count && next - run.last == run.step)
    {
      run.last = next;
      next = ranks_next (set, next + 1, present);
      length++;
    }
  if (length == 1 || (length == 2 && run.step > 1))
    return (struct run){ first, first, 1 };
  return run;
}

/* ranks_next_text() for numbers that are PRESENT in SET, or are not.  Returns how
 * much is written. */
static size_t
write_runs (const struct ranks *set, bool present, uint32_t *from, char *text, size_t size)
{
  size_t used = 0;

  while ((*from = ranks_next (set, *from, present)) < set->count)
    {
      struct run run = find_run (set, *from, present);
      char word[40];
      int n = snprintf (word, sizeof word, "%s%u", used > 0 ? "," : "", run.first);
      if (run.last > run.first)
        n += snprintf (word + n, sizeof word - (size_t) n, "-%u", run.last);
      if (run.step > 1)
        n += snprintf (word + n, sizeof word - (size_t) n, ":%u", run.step);
      if (used + (size_t) n >= size)
        break;
      memcpy (text + used, word, (size_t) n + 1);
      used += (size_t) n;
      *from = run.last + 1;
    }
  return used;
}

bool
ranks_next_text (const struct ranks *set, uint32_t *from, char *text, size_t size)
{
  return write_runs (set, true, from, text, size) > 0;
}

char *
ranks_missing (const struct ranks *set, char *text, size_t size)
{
  uint32_t from = 0;

  text[0] = '\0';
  size_t used = write_runs (set, false, &from, text, size - strlen (",..."));

  if (from < set->count)
    (void) snprintf (text + used, size - used, "%s...", used > 0 ? "," : "");
  return text;
}
