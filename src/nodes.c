/* SPDX-License-Identifier: BSD-3-Clause */
#include "nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No step has more nodes. */
#define NODES_MAX 65536

bool
nodes_note_value (const char *note, const char *key, char *value, size_t size)
{
  size_t length = strlen (key);

  for (const char *word = note; word != NULL; word = strpbrk (word, " \n"))
    {
      word += strspn (word, " \n");
      if (strncmp (word, key, length) != 0 || word[length] != '=')
        continue;
      size_t n = strcspn (word + length + 1, " \n");
      if (n >= size)
        return false;
      memcpy (value, word + length + 1, n);
      value[n] = '\0';
      return true;
    }
  return false;
}

/* The nodes so far, and what follows of "3,1(x2)". */
struct expansion {
  struct node *nodes;
  size_t count;
  const char *per_node;
  unsigned long tasks, repeat;
};

static bool
next_tasks (struct expansion *e)
{
  char *end;

  if (e->repeat == 0)
    {
      e->tasks = strtoul (e->per_node, &end, 10);
      if (end == e->per_node)
        return false;
      e->repeat = 1;
      if (strncmp (end, "(x", 2) == 0)
        {
          e->repeat = strtoul (end + 2, &end, 10);
          if (*end++ != ')' || e->repeat == 0)
            return false;
        }
      e->per_node = end + (*end == ',' ? 1 : 0);
    }
  e->repeat--;
  return true;
}

/* Adds PREFIX, NUMBER in WIDTH digits (none for 0), and SUFFIX as one name. */
static bool
add_node (struct expansion *e, const char *prefix, int length, int width, unsigned long number,
          const char *suffix, int suffix_length)
{
  if (e->count >= NODES_MAX || !next_tasks (e))
    return false;
  if ((e->count & (e->count - 1)) == 0) /* 0, 1, 2, 4, 8: it is full */
    {
      struct node *more = realloc (e->nodes, (e->count * 2 + 1) * sizeof *more);
      if (more == NULL)
        return false;
      e->nodes = more;
    }
  struct node *node = &e->nodes[e->count++];
  char digits[24] = "";
  *node = (struct node){ .tasks = (uint32_t) e->tasks };
  if (width > 0)
    (void) snprintf (digits, sizeof digits, "%0*lu", width, number);
  int size = snprintf (node->name, sizeof node->name, "%.*s%s%.*s", length, prefix, digits,
                       suffix_length, suffix);
  return size > 0 && size < (int) sizeof node->name;
}

/* Adds the nodes "n1-ib,n2-ib,n07-ib" of "n[1-2,07]-ib": numbers keep the width
 * of the first of their range.  RANGES is behind the bracket, and moves behind
 * them all. */
static bool
add_ranges (struct expansion *e, const char *prefix, int length, const char **ranges)
{
  const char *at = *ranges, *close = strchr (at, ']');
  char *end;

  if (close == NULL)
    return false;
  int suffix_length = (int) strcspn (close + 1, ",");
  /* More than one pair of brackets a name is left to Slurm. */
  if (memchr (close + 1, '[', (size_t) suffix_length) != NULL)
    return false;
  *ranges = close + 1 + suffix_length;
  do
    {
      unsigned long first = strtoul (at, &end, 10), last = first;
      int width = (int) (end - at);
      if (width == 0 || width > 9)
        return false;
      if (*end == '-')
        last = strtoul (end + 1, &end, 10);
      if (last < first)
        return false;
      for (unsigned long n = first; n <= last; n++)
        if (!add_node (e, prefix, length, width, n, close + 1, suffix_length))
          return false;
      at = end + 1;
    }
  while (*end == ',');
  return end == close;
}

size_t
nodes_expand (const char *list, const char *per_node, struct node **nodes)
{
  struct expansion e = { .per_node = per_node };
  bool good = true;

  while (good && *list != '\0')
    {
      const char *prefix = list;
      int length = (int) strcspn (list, ",[");
      list += length;
      if (*list == '[')
        {
          list++;
          good = add_ranges (&e, prefix, length, &list);
        }
      else
        good = add_node (&e, prefix, length, 0, 0, "", 0);
      list += *list == ',' ? 1 : 0;
    }
  *nodes = e.nodes;
  return good && e.repeat == 0 && *e.per_node == '\0' ? e.count : 0;
}

struct missing {
  struct ranks seen; /* the tasks that are there */
  struct node *nodes;
  size_t count;
};

/* Adds those of whom MARK tells: in its name, or, of a gathering, in its note. */
static int
visit_there (void *context, const struct instance_mark *mark)
{
  struct missing *m = context;
  char note[INSTANCE_NOTE_MAX], ranks[INSTANCE_NOTE_MAX], node[sizeof m->nodes->name];
  uint32_t before = m->seen.present;

  if (!instance_is_mark (mark))
    return 0;
  if (!instance_read_note (mark->dirfd, mark->name, note)
      || !nodes_note_value (note, "node", node, sizeof node))
    return -1;
  if (!nodes_note_value (note, "procid", ranks, sizeof ranks))
    (void) snprintf (ranks, sizeof ranks, "%s", mark->ranks);
  if (!ranks_add_text (&m->seen, ranks))
    return 0;
  for (size_t i = 0; i < m->count; i++)
    if (strcmp (m->nodes[i].name, node) == 0)
      {
        m->nodes[i].arrived += m->seen.present - before;
        return 0;
      }
  return -1; /* the names are others than Slurm's */
}

char *
nodes_missing (const struct instance *in, uint32_t tasks, const char *list, const char *per_node,
               char *text, size_t size)
{
  struct missing m = { .count = 0 };
  uint64_t all = 0;
  size_t used = 0;

  m.count = nodes_expand (list, per_node, &m.nodes);
  for (size_t i = 0; i < m.count; i++)
    all += m.nodes[i].tasks;
  /* Every task must be on a node of the list, and everybody who arrived, too. */
  bool certain = all == tasks && ranks_init (&m.seen, tasks) == 0
                 && (in->arrival < 0 || instance_each_arrival (in, NULL, visit_there, &m) == 0)
                 && instance_each_gathering (in, visit_there, &m) == 0;
  text[0] = '\0';
  for (size_t i = 0; certain && i < m.count; i++)
    {
      const char *node = m.nodes[i].name;
      if (m.nodes[i].arrived >= m.nodes[i].tasks)
        continue;
      certain = used + strlen (node) + sizeof ",,..." <= size;
      used += (size_t) snprintf (text + used, size - used, "%s%s", used > 0 ? "," : "",
                                 certain ? node : "...");
    }
  ranks_free (&m.seen);
  free (m.nodes);
  return text;
}
