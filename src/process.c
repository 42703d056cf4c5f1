/* SPDX-License-Identifier: BSD-3-Clause */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

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

int
process_prepare (void)
{
  (void) signal (SIGPIPE, SIG_IGN);
  (void) signal (SIGXFSZ, SIG_IGN);
  (void) signal (SIGCHLD, SIG_DFL);
  if (syscall (CALL_CLOSE_RANGE, STDERR_FILENO + 1, ~0U, 0) != 0)
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

void
close_one (int *fd)
{
  int error = errno;

  if (*fd >= 0)
    (void) close (*fd);
  *fd = -1;
  errno = error;
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
  close_one (&fd);
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

void
process_find_mount (dev_t dev, char text[PROCESS_MOUNT_MAX])
{
  FILE *mounts = fopen ("/proc/self/mountinfo", "re");
  const char *found = NULL;
  unsigned major, minor;

  while (found == NULL && mounts != NULL && fgets (text, PROCESS_MOUNT_MAX, mounts) != NULL)
    if (sscanf (text, "%*d %*d %u:%u", &major, &minor) == 2 && makedev (major, minor) == dev)
      found = strstr (text, " - ");
  if (mounts != NULL)
    (void) fclose (mounts);
  if (found != NULL)
    memmove (text, found + strlen (" - "), strlen (found + strlen (" - ")) + 1);
  else
    text[0] = '\0';
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
