/* SPDX-License-Identifier: BSD-3-Clause */
#include "process.h"

#include "calls.h"
#include "log.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* signal(7); SIGRTMIN is what the C library leaves of them. */
#define FIRST_REAL_TIME 32

#define HEAP (1 << 20)

/* Of linux/landlock.h, which older C libraries do not have. */
#define LANDLOCK_VERSION 1U /* flag: return the ABI's version */
#define LANDLOCK_PATH_BENEATH 1U /* type of rule */

/* How many rights on files there are, from execute (bit 0): ABI 2 ends with
 * refer, ABI 3 with truncate, ABI 5 with ioctl_dev. */
#define LANDLOCK_RIGHTS_2 14
#define LANDLOCK_RIGHTS_3 15
#define LANDLOCK_RIGHTS_5 16
#define LANDLOCK_EXECUTE (UINT64_C (1) << 0)
#define LANDLOCK_READ_FILE (UINT64_C (1) << 2)

/* For kernels before 5.9, which have no close_range(2). */
static void
process_close_listed (void)
{
  const struct dirent *entry;

  /* Without one of them there is room for the directory, whatever the limit. */
  (void) close (STDERR_FILENO + 1);
  DIR *dir = opendir ("/proc/self/fd");
  if (dir == NULL)
    return;
  while ((entry = readdir (dir)) != NULL)
    {
      int fd = atoi (entry->d_name); /* 0 for "." and ".." */
      if (fd > STDERR_FILENO && fd != dirfd (dir))
        (void) close (fd);
    }
  (void) closedir (dir);
}

int
process_prepare (void)
{
  /* Nobody sends real-time signals here: those stay as they are. */
  for (int s = 1; s < FIRST_REAL_TIME; s++)
    (void) signal (s, s == SIGPIPE || s == SIGXFSZ ? SIG_IGN : SIG_DFL);
  if (syscall (SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0)
    process_close_listed ();
  (void) umask (077);
  /* One brk(2) for all that a usual config.json takes, and none to give it back;
   * only what is used of it takes memory. */
  (void) mallopt (M_TOP_PAD, HEAP);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    /* open(2) takes the lowest number that is free: this one. */
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", O_RDWR) != fd)
      return -1;
  return 0;
}

bool
process_read (pid_t pid, const char *name, char *text, size_t size)
{
  char path[40];

  if (pid == 0)
    (void) snprintf (path, sizeof path, "/proc/self/%s", name);
  else
    (void) snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, name);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read (fd, text, size - 1);
  if (fd >= 0)
    (void) close (fd);
  text[n > 0 ? n : 0] = '\0';
  return n > 0;
}

pid_t
process_parent (pid_t pid)
{
  char text[512];
  int parent;

  if (!process_read (pid, "stat", text, sizeof text))
    return 0;
  /* proc(5): pid (comm) state ppid; comm may have anything in it. */
  const char *after = strrchr (text, ')');
  return after != NULL && sscanf (after + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static long
process_allow (int ruleset, int fd, uint64_t rights)
{
  const struct {
    uint64_t rights;
    int32_t fd;
  } __attribute__ ((packed)) rule = { rights, fd };

  return syscall (SYS_landlock_add_rule, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0);
}

void
process_confine (int dirfd)
{
  long version = syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
  int rights = version < 3   ? LANDLOCK_RIGHTS_2
               : version < 5 ? LANDLOCK_RIGHTS_3
                             : LANDLOCK_RIGHTS_5;
  const uint64_t all = (UINT64_C (1) << rights) - 1;
  int ruleset = -1;
  long result = -1;

  if (version >= 2)
    ruleset = (int) syscall (SYS_landlock_create_ruleset, &all, sizeof all, 0);
  if (ruleset >= 0)
    {
      /* syslog(3) reads the time zone, if it can; to connect to its socket needs
       * no right on files. */
      int zone = open ("/etc/localtime", O_PATH | O_CLOEXEC);
      if (zone >= 0)
        {
          (void) process_allow (ruleset, zone, LANDLOCK_READ_FILE);
          (void) close (zone);
        }
      result = process_allow (ruleset, dirfd, all & ~LANDLOCK_EXECUTE);
#ifndef CODE_COVERAGE /* whose data is written at exit, elsewhere */
      if (result == 0)
        result = syscall (SYS_landlock_restrict_self, ruleset, 0);
#endif
      (void) close (ruleset);
    }
  if (result != 0)
    log_message (LOG_DEBUG, "going on without Landlock, which this kernel lacks or refuses");
}

#ifdef CODE_COVERAGE /* whose data is written at exit */
void __gcov_dump (void);
#endif

void
process_exit (int status)
{
#ifdef CODE_COVERAGE
  __gcov_dump ();
#endif
  _exit (status);
}
