/* SPDX-License-Identifier: BSD-3-Clause */
#include "process.h"

#include "calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* signal(7); SIGRTMIN is what the C library leaves of them. */
#define FIRST_REAL_TIME 32

#define HEAP (1 << 20)

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

static void
process_close_inherited (void)
{
  if (syscall (SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0)
    process_close_listed ();
}

static int
process_open_standard (void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    /* open(2) takes the lowest number that is free: this one. */
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", O_RDWR) != fd)
      return -1;
  return 0;
}

static void
process_limit (int resource, rlim_t soft)
{
  struct rlimit limit;

  if (getrlimit ((__rlimit_resource_t) resource, &limit) != 0)
    return;
  limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
  (void) setrlimit ((__rlimit_resource_t) resource, &limit);
}

int
process_prepare (void)
{
  /* Nobody sends real-time signals here: those stay as they are. */
  for (int s = 1; s < FIRST_REAL_TIME; s++)
    (void) signal (s, s == SIGPIPE || s == SIGXFSZ ? SIG_IGN : SIG_DFL);
  process_close_inherited ();
  (void) umask (077);
  process_limit (RLIMIT_CORE, 0);
  process_limit (RLIMIT_FSIZE, RLIM_INFINITY);
  /* One brk(2) for all that a usual config.json takes, and none to give it back;
   * only what is used of it takes memory. */
  (void) mallopt (M_TOP_PAD, HEAP);
  return process_open_standard ();
}

void
process_leave_directory (void)
{
  if (chdir ("/") != 0)
    {
      /* See process.h. */
    }
}
