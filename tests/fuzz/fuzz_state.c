/* SPDX-License-Identifier: BSD-3-Clause */
/* The container's state on standard input. */
#include "container.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct container c;
  struct failure f = { 0 };
  int fd = memfd_create ("state", 0);

  if (fd < 0 || write (fd, data, size) != (ssize_t) size || lseek (fd, 0, SEEK_SET) != 0)
    abort ();
  if (container_read (&c, fd, &f) != 0)
    FUZZ_EXPECT (f.status != 0 && f.text[0] != '\0' && strchr (f.text, '\n') == NULL);
  container_free (&c);
  (void) close (fd);
  return 0;
}
