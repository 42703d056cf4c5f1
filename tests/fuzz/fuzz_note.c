/* SPDX-License-Identifier: BSD-3-Clause */
/* What a mark points to, and the set of tasks that its name tells. */
#include "fuzz.h"
#include "nodes.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char *text = fuzz_text (data, size), list[INSTANCE_NOTE_MAX], per_node[INSTANCE_NOTE_MAX];
  struct node *nodes = NULL;

  if (nodes_note_value (text, "nodes", list, sizeof list)
      && nodes_note_value (text, "tasks", per_node, sizeof per_node))
    FUZZ_EXPECT (nodes_expand (list, per_node, &nodes) == 0 || nodes[0].name[0] != '\0');
  free (nodes);

  /* Who is added is there, and nobody is if it makes no sense. */
  struct ranks set;
  FUZZ_EXPECT (ranks_init (&set, 1000) == 0);
  bool added = ranks_add_text (&set, text);
  FUZZ_EXPECT (added == ranks_has_text (&set, text) && added == (set.present > 0));
  ranks_free (&set);
  free (text);
  return 0;
}
