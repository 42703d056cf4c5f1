/* SPDX-License-Identifier: BSD-3-Clause */
#include "nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE_NAME_MAX 64

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

/* The number of tasks of the next node: walks through "3,1(x2)". */
struct per_node {
  const char *rest;
  unsigned long tasks, repeat;
};

static bool
per_node_next (struct per_node *p, uint32_t *tasks)
{
  char *end;

  if (p->repeat == 0)
    {
      p->tasks = strtoul (p->rest, &end, 10);
      if (end == p->rest)
        return false;
      p->rest = end;
      p->repeat = 1;
      if (strncmp (p->rest, "(x", 2) == 0)
        {
          p->repeat = strtoul (p->rest + 2, &end, 10);
          if (*end != ')' || p->repeat == 0)
            return false;
          p->rest = end + 1;
        }
      p->rest += *p->rest == ',' ? 1 : 0;
    }
  p->repeat--;
  *tasks = (uint32_t) p->tasks;
  return true;
}

struct walk {
  struct per_node per_node;
  nodes_visit *visit;
  void *context;
  unsigned visited;
};

static bool
walk_node (struct walk *w, const char *node)
{
  uint32_t tasks;

  if (w->visited++ >= NODES_MAX || !per_node_next (&w->per_node, &tasks))
    return false;
  w->visit (w->context, node, tasks);
  return true;
}

/* "1-2,07": numbers keep the width of the first of their range. */
static bool
walk_ranges (struct walk *w, const char *prefix, int length, const char *ranges, const char *suffix,
             int suffix_length)
{
  char node[NODE_NAME_MAX], *end;

  for (;;)
    {
      unsigned long first = strtoul (ranges, &end, 10), last = first;
      int width = (int) (end - ranges);
      if (width == 0 || width > 9)
        return false;
      if (*end == '-')
        last = strtoul (end + 1, &end, 10);
      if (last < first)
        return false;
      for (unsigned long n = first; n <= last; n++)
        {
          if (snprintf (node, sizeof node, "%.*s%0*lu%.*s", length, prefix, width, n, suffix_length,
                        suffix)
                >= (int) sizeof node
              || !walk_node (w, node))
            return false;
        }
      if (*end == ']')
        return true;
      if (*end != ',')
        return false;
      ranges = end + 1;
    }
}

bool
nodes_each (const char *list, const char *per_node, nodes_visit *visit, void *context)
{
  struct walk w = { { per_node, 0, 0 }, visit, context, 0 };
  char node[NODE_NAME_MAX];

  while (*list != '\0')
    {
      size_t n = strcspn (list, ",[");
      if (n >= sizeof node)
        return false;
      memcpy (node, list, n);
      node[n] = '\0';
      if (list[n] == '[')
        {
          const char *ranges = list + n + 1, *close = strchr (ranges, ']');
          size_t suffix = close == NULL ? 0 : strcspn (close + 1, ",");
          /* More than one pair of brackets a name is left to Slurm. */
          if (close == NULL || memchr (close + 1, '[', suffix) != NULL
              || !walk_ranges (&w, node, (int) n, ranges, close + 1, (int) suffix))
            return false;
          list = close + 1 + suffix;
        }
      else
        {
          if (!walk_node (&w, node))
            return false;
          list += n;
        }
      list += *list == ',' ? 1 : 0;
    }
  return w.per_node.repeat == 0 && *w.per_node.rest == '\0';
}

/* A node, and how many tasks are there. */
struct there {
  char node[NODE_NAME_MAX];
  uint32_t tasks;
};

struct missing {
  struct ranks seen; /* the tasks of */
  struct there *there;
  size_t count;
  uint64_t tasks;   /* of the nodes visited */
  uint64_t arrived; /* of these */
  char *text;
  size_t size;
};

/* Adds those of whom MARK tells: in its name, or, of a gathering, in its note. */
static int
visit_there (void *context, const struct instance_mark *mark)
{
  struct missing *m = context;
  char note[INSTANCE_NOTE_MAX], ranks[INSTANCE_NOTE_MAX], node[NODE_NAME_MAX];
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
    if (strcmp (m->there[i].node, node) == 0)
      {
        m->there[i].tasks += m->seen.present - before;
        return 0;
      }
  struct there *more = realloc (m->there, (m->count + 1) * sizeof *more);
  if (more == NULL)
    return -1;
  m->there = more;
  more += m->count++;
  (void) snprintf (more->node, sizeof more->node, "%s", node);
  more->tasks = m->seen.present - before;
  return 0;
}

static void
missing_visit (void *context, const char *node, uint32_t tasks)
{
  struct missing *m = context;
  size_t used = strlen (m->text);
  uint32_t there = 0;

  for (size_t i = 0; i < m->count; i++)
    if (strcmp (m->there[i].node, node) == 0)
      there = m->there[i].tasks;
  m->tasks += tasks;
  m->arrived += there;
  if (there >= tasks || strstr (m->text, "...") != NULL)
    return;
  if (used + strlen (node) + sizeof ",,..." > m->size)
    node = "...";
  (void) snprintf (m->text + used, m->size - used, "%s%s", used > 0 ? "," : "", node);
}

char *
nodes_missing (const struct instance *in, uint32_t tasks, const char *list, const char *per_node,
               char *text, size_t size)
{
  struct missing m = { .text = text, .size = size };

  text[0] = '\0';
  bool certain = ranks_init (&m.seen, tasks) == 0
                 && (in->arrival < 0 || instance_each_arrival (in, NULL, visit_there, &m) == 0)
                 && instance_each_gathering (in, visit_there, &m) == 0;
  /* Every task must be on a node of the list, and everybody who arrived, too. */
  if (!certain || !nodes_each (list, per_node, missing_visit, &m) || m.tasks != tasks
      || m.arrived != m.seen.present)
    text[0] = '\0';
  ranks_free (&m.seen);
  free (m.there);
  return text;
}
