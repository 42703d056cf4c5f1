/* SPDX-License-Identifier: BSD-3-Clause */
/* The passwd file. */
#include "fuzz.h"
#include "identity.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  /* No node knows this one, so the file alone decides. */
  struct identity id = { .uid = 3999999999U, .host_uid = 3999999999U };
  struct failure f = { 0 };
  char path[64];

  (void) snprintf (path, sizeof path, "%s/passwd", fuzz_directory ());
  fuzz_write (path, data, size);
  if (identity_name (&id, path, &f) == 0)
    {
      FUZZ_EXPECT (id.name[0] != '\0' && strchr (id.name, '/') == NULL);
      FUZZ_EXPECT (strcmp (id.name, ".") != 0 && strcmp (id.name, "..") != 0);
      FUZZ_EXPECT (id.name[0] != '+' && id.name[0] != '-');
    }
  else
    FUZZ_EXPECT (f.status != 0 && strchr (f.text, '\n') == NULL);
  return 0;
}
