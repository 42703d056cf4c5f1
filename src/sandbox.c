/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox.h"

#include "calls.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

/* Of linux/landlock.h, which older C libraries do not have. */
#define SANDBOX_VERSION 1U      /* flag: return the ABI's version */
#define SANDBOX_PATH_BENEATH 1U /* type of rule */

/* How many rights on files there are, from execute (bit 0): ABI 2 ends with
 * refer, ABI 3 with truncate, ABI 5 with ioctl_dev. */
#define SANDBOX_RIGHTS_2 14
#define SANDBOX_RIGHTS_3 15
#define SANDBOX_RIGHTS_5 16
#define SANDBOX_EXECUTE (UINT64_C (1) << 0)
#define SANDBOX_READ_FILE (UINT64_C (1) << 2)

struct sandbox_ruleset {
  uint64_t handled;
};

struct sandbox_path {
  uint64_t allowed;
  int32_t fd;
} __attribute__ ((packed));

static long
sandbox_allow (int ruleset, int fd, uint64_t rights)
{
  const struct sandbox_path rule = { rights, fd };

  return syscall (SYS_landlock_add_rule, ruleset, SANDBOX_PATH_BENEATH, &rule, 0);
}

/* It does no harm if that fails. */
static void
sandbox_allow_reading (int ruleset, const char *path)
{
  int fd = open (path, O_PATH | O_CLOEXEC);

  if (fd < 0)
    return;
  (void) sandbox_allow (ruleset, fd, SANDBOX_READ_FILE);
  (void) close (fd);
}

void
sandbox_enter (int dirfd, bool processes)
{
  long version = syscall (SYS_landlock_create_ruleset, NULL, 0, SANDBOX_VERSION);
  int rights = version < 3 ? SANDBOX_RIGHTS_2 : version < 5 ? SANDBOX_RIGHTS_3 : SANDBOX_RIGHTS_5;
  const struct sandbox_ruleset all = { (UINT64_C (1) << rights) - 1 };
  int ruleset = -1;
  long result = -1;

  if (version >= 2)
    ruleset = (int) syscall (SYS_landlock_create_ruleset, &all, sizeof all, 0);
  if (ruleset >= 0)
    {
      /* syslog(3) reads the time zone; to connect to its socket needs no right
       * on files. */
      sandbox_allow_reading (ruleset, "/etc/localtime");
      if (processes)
        sandbox_allow_reading (ruleset, "/proc");
      result = sandbox_allow (ruleset, dirfd, all.handled & ~SANDBOX_EXECUTE);
#ifndef CODE_COVERAGE /* whose data is written at exit, elsewhere */
      if (result == 0)
        result = syscall (SYS_landlock_restrict_self, ruleset, 0);
#endif
      (void) close (ruleset);
    }
  if (result != 0)
    log_message (LOG_DEBUG, "going on without Landlock, which this kernel lacks or refuses");
}
