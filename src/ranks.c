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
