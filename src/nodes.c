/* SPDX-License-Identifier: BSD-3-Clause */
#include "nodes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No step has more nodes. */
#define NODES_MAX 65536

/* So much of NODES_TEXT_MAX is for the missing tasks, at most. */
#define NODES_RANKS_TOLD 160

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

__attribute__ ((format (printf, 2, 3))) static bool
add_node (struct expansion *e, const char *format, ...)
{
  va_list ap;

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
  *node = (struct node){ .tasks = (uint32_t) e->tasks };
  va_start (ap, format);
  int size = vsnprintf (node->name, sizeof node->name, format, ap);
  va_end (ap);
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
        if (!add_node (e, "%.*s%0*lu%.*s", length, prefix, width, n, suffix_length, close + 1))
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
        good = add_node (&e, "%.*s", length, prefix);
      list += *list == ',' ? 1 : 0;
    }
  *nodes = e.nodes;
  return good && e.repeat == 0 && *e.per_node == '\0' ? e.count : 0;
}

/* Notes what MARK tells of tasks: in its name, or, of a gathering, in its note. */
static int
visit_mark (void *context, const struct instance_mark *mark)
{
  struct nodes_survey *s = context;
  struct nodes_member m = { .tasks = s->there.present };
  const bool gathering = strncmp (mark->name, INSTANCE_GATHERING, strlen (INSTANCE_GATHERING)) == 0;
  char note[INSTANCE_NOTE_MAX] = "";

  if (!instance_is_mark (mark))
    return 0;
  if (gathering || waiting_now () < s->until)
    (void) instance_read_note (mark->dirfd, mark->name, note);
  if (!nodes_note_value (note, "procid", m.ranks, sizeof m.ranks) && !gathering)
    (void) snprintf (m.ranks, sizeof m.ranks, "%s", mark->ranks);
  if (!ranks_add_text (&s->there, m.ranks))
    return 0;
  m.tasks = s->there.present - m.tasks;
  m.by_slurm = nodes_note_value (note, "node", m.node, sizeof m.node);
  if (!m.by_slurm)
    (void) nodes_note_value (note, "host", m.node, sizeof m.node);
  (void) nodes_note_value (note, "nodes", s->list, sizeof s->list);
  (void) nodes_note_value (note, "tasks", s->per_node, sizeof s->per_node);
  struct nodes_member *more = realloc (s->members, (s->count + 1) * sizeof *more);
  if (more == NULL)
    return -1;
  s->members = more;
  more[s->count++] = m;
  return 0;
}

int
nodes_survey (struct nodes_survey *s, const struct instance *in, uint32_t tasks)
{
  *s = (struct nodes_survey){ .until = waiting_now () + NODES_READ };
  return ranks_init (&s->there, tasks) == 0
             && (in->arrival < 0 || instance_each_arrival (in, NULL, visit_mark, s) == 0)
             && instance_each_gathering (in, visit_mark, s) == 0
           ? 0
           : -1;
}

void
nodes_survey_free (struct nodes_survey *s)
{
  free (s->members);
  ranks_free (&s->there);
}

char *
nodes_tell_missing (const struct nodes_survey *s, char text[NODES_TEXT_MAX])
{
  struct node *nodes;
  const size_t count = nodes_expand (s->list, s->per_node, &nodes);
  const char *before = " on ";
  uint64_t all = 0;

  for (size_t i = 0; i < count; i++)
    all += nodes[i].tasks;
  /* Every task must be on a node of the list, and everybody who arrived, too: else
   * the names are others than Slurm's. */
  bool certain = all == s->there.count;
  for (size_t at = 0; certain && at < s->count; at++)
    {
      const struct nodes_member *m = &s->members[at];
      size_t i = 0;
      while (i < count && strcmp (nodes[i].name, m->node) != 0)
        i++;
      certain = i < count && m->by_slurm;
      if (certain)
        nodes[i].tasks -= m->tasks < nodes[i].tasks ? m->tasks : nodes[i].tasks;
    }
  size_t used = (size_t) snprintf (text, NODES_TEXT_MAX, "procid ");
  used += strlen (ranks_missing (&s->there, text + used, NODES_RANKS_TOLD));
  for (size_t i = 0; certain && i < count; i++)
    if (nodes[i].tasks > 0)
      {
        certain = used + strlen (nodes[i].name) + sizeof " on ,..." <= NODES_TEXT_MAX;
        used += (size_t) snprintf (text + used, NODES_TEXT_MAX - used, "%s%s", before,
                                   certain ? nodes[i].name : "...");
        before = ",";
      }
  free (nodes);
  return text;
}
