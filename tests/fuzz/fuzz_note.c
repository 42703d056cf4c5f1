/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands in an arrival file, and names of files in a barrier. */
#include "fuzz.h"
#include "instance.h"
#include "nodes.h"

static void
visit (void *context, const char *node, uint32_t tasks)
{
  uint64_t *sum = context;

  *sum += tasks + strlen (node);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char *text = fuzz_text (data, size), list[NODES_NOTE_MAX], per_node[NODES_NOTE_MAX];
  uint64_t sum = 0;

  if (nodes_note_value (text, "nodes", list, sizeof list)
      && nodes_note_value (text, "tasks", per_node, sizeof per_node))
    (void) nodes_each (list, per_node, visit, &sum);
  int64_t rank = instance_rank (text, 1000);
  FUZZ_EXPECT (rank >= -1 && rank < 1000);
  free (text);
  return 0;
}
