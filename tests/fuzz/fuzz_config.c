/* SPDX-License-Identifier: BSD-3-Clause */
/* config.json of the bundle, and all that is asked of it. */
#include "container.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct container c;
  struct container_user user;
  struct failure f = { 0 };
  char path[64], state[96];
  int fd = memfd_create ("state", 0);

  (void) snprintf (path, sizeof path, "%s/config.json", fuzz_directory ());
  int n = snprintf (state, sizeof state, "{\"bundle\":\"%s\"}", fuzz_directory ());
  fuzz_write (path, data, size);
  if (fd < 0 || write (fd, state, (size_t) n) != n || lseek (fd, 0, SEEK_SET) != 0)
    abort ();
  if (container_read (&c, fd, &f) == 0)
    {
      (void) container_env (&c, "SLURM_JOB_ID");
      (void) container_annotation (&c, "com.hooks.logging.level");
      if (container_user (&c, &user, &f) == 0)
        FUZZ_EXPECT (user.uid != (uid_t) -1 && user.gid != (gid_t) -1);
      else
        FUZZ_EXPECT (f.status != 0);
    }
  else
    FUZZ_EXPECT (f.status != 0 && strchr (f.text, '\n') == NULL);
  container_free (&c);
  (void) close (fd);
  return 0;
}
