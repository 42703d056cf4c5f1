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
  for (uint32_t rank = ranks_next (others, 0); rank < others->count; rank = ranks_next (others, rank + 1))
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
ranks_next (const struct ranks *set, uint32_t from)
{
  while (from < set->count && !ranks_has (set, from))
    {
      if (from % 64 == 0 && set->bits[from / 64] == 0)
        from += 64;
      else
        from++;
    }
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

/* Calls VISIT with each number of TEXT, until one returns false. */
static bool
visit_text (struct ranks *set, const char *text, bool (*visit) (struct ranks *set, uint32_t rank))
{
  const char *start = text;
  struct run run;

  while (text == start || *text != '\0')
    {
      if (!read_run (&text, text == start, set->count, &run))
        return false;
      for (uint32_t rank = run.first;; rank += run.step)
        {
          if (!visit (set, rank))
            return false;
          if (rank == run.last)
            break;
        }
    }
  return true;
}

/* In SET only the count is used. */
static bool
text_makes_sense (const struct ranks *set, const char *text)
{
  const char *start = text;
  struct run run = { 0 };
  uint32_t least = 0;

  while (text == start || *text != '\0')
    {
      if (!read_run (&text, text == start, set->count, &run) || run.first < least)
        return false;
      least = run.last + 1;
    }
  return true;
}

static bool
visit_add (struct ranks *set, uint32_t rank)
{
  ranks_add (set, rank);
  return true;
}

static bool
visit_has (struct ranks *set, uint32_t rank)
{
  return ranks_has (set, rank);
}

bool
ranks_add_text (struct ranks *set, const char *text)
{
  return text_makes_sense (set, text) && visit_text (set, text, visit_add);
}

bool
ranks_has_text (const struct ranks *set, const char *text)
{
  struct ranks same = *set; /* visit_has() changes nothing */

  return text_makes_sense (set, text) && visit_text (&same, text, visit_has);
}

/* The longest run of SET that begins at FIRST, which is in it: neighbours, or
 * three and more at the same distance. */
static struct run
find_run (const struct ranks *set, uint32_t first)
{
  uint32_t next = ranks_next (set, first + 1);
  struct run run = { first, first, next - first };
  unsigned length = 1;

  while (next < set->count && next - run.last == run.step)
    {
      run.last = next;
      next = ranks_next (set, next + 1);
      length++;
    }
  if (length == 1 || (length == 2 && run.step > 1))
    return (struct run){ first, first, 1 };
  return run;
}

bool
ranks_next_text (const struct ranks *set, uint32_t *from, char *text, size_t size)
{
  size_t used = 0;

  for (uint32_t rank = ranks_next (set, *from); rank < set->count; rank = ranks_next (set, *from))
    {
      struct run run = find_run (set, rank);
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
  return used > 0;
}

char *
ranks_missing (const struct ranks *set, char *text, size_t size)
{
  size_t used = 0;

  text[0] = '\0';
  for (uint32_t first = 0; first < set->count; first++)
    {
      char range[24];
      uint32_t last = first;

      if (ranks_has (set, first))
        continue;
      while (last + 1 < set->count && !ranks_has (set, last + 1))
        last++;
      int n = first == last ? snprintf (range, sizeof range, "%u", first)
                            : snprintf (range, sizeof range, "%u-%u", first, last);
      /* Room for a comma, this range, and ",..." after it. */
      if (used + (size_t) n + sizeof ",,..." > size)
        {
          (void) snprintf (text + used, size - used, "%s...", used > 0 ? "," : "");
          break;
        }
      used += (size_t) snprintf (text + used, size - used, "%s%s", used > 0 ? "," : "", range);
      first = last;
    }
  return text;
}
