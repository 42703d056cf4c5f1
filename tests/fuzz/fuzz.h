/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz.h - what the harnesses share.  Each is a libFuzzer target: it gives one
 * input to the code that reads such input in the hook, and expects no more
 * than that it comes back, and that what it returns keeps its promise.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* A promise that does not hold ends the run. */
#define FUZZ_EXPECT(condition)                                                                     \
  do                                                                                               \
    if (!(condition))                                                                              \
      {                                                                                            \
        (void) fprintf (stderr, "broken promise: %s\n", #condition);                               \
        abort ();                                                                                  \
      }                                                                                            \
  while (0)

/* A copy of the input with a NUL behind it; the caller frees it. */
static inline char *
fuzz_text (const uint8_t *data, size_t size)
{
  char *text = malloc (size + 1);

  if (text == NULL)
    abort ();
  memcpy (text, data, size);
  text[size] = '\0';
  return text;
}

/* A directory for the files that an input becomes; `run` makes it. */
static inline const char *
fuzz_directory (void)
{
  const char *path = getenv ("FUZZ_DIR");

  if (path == NULL || strlen (path) > 32)
    {
      (void) fprintf (stderr, "FUZZ_DIR is not set, or too long\n");
      exit (1);
    }
  return path;
}

static inline void
fuzz_write (const char *path, const uint8_t *data, size_t size)
{
  FILE *stream = fopen (path, "w");

  if (stream == NULL || fwrite (data, 1, size, stream) != size || fclose (stream) != 0)
    abort ();
}

#endif
