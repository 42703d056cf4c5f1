/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line, a word a line, and what the settings mean. */
#include "config.h"
#include "fuzz.h"

#include <getopt.h>

#define WORDS_MAX 32

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char *text = fuzz_text (data, size), program[] = "slurm_global_sync_hook";
  char *argv[WORDS_MAX + 2] = { program };
  struct config config;
  struct failure f = { 0 };
  int argc = 1;

  for (char *word = strtok (text, "\n"); word != NULL && argc <= WORDS_MAX;
       word = strtok (NULL, "\n"))
    argv[argc++] = word;
  optind = 0; /* glibc: forget the last command line */
  if (config_read (&config, argc, argv, &f) == 0)
    {
      if (config_complete (&config, NULL, NULL, &f) == 0)
        FUZZ_EXPECT (config.usable && config.timeout >= 0);
      else
        FUZZ_EXPECT (f.status == EX_CONFIG && strchr (f.text, '\n') == NULL);
    }
  else
    FUZZ_EXPECT (f.status == EX_USAGE && strchr (f.text, '\n') == NULL);
  free (text);
  return 0;
}
