/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * swap - what security.test needs and the shell cannot do.
 *
 *   swap SECONDS PATH OTHER [PATH OTHER]...
 *
 * exchanges each PATH with its OTHER, over and over: a directory with a
 * symbolic link, say, while hooks work with it. What is not there now is tried
 * again later. SIGTERM ends it, too. Prints how many exchanges were made.
 *
 *   swap socket PATH
 *
 * makes a socket that nobody listens to.
 *
 *   swap files PREFIX COUNT
 *
 * makes empty files PREFIX1, PREFIX2 and so on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1U << 1)
#endif

static volatile sig_atomic_t swap_ended;

static void
swap_on_signal (int number)
{
  (void) number;
  swap_ended = 1;
}

static int
swap_make_socket (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (strlen (path) >= sizeof address.sun_path)
    return 1;
  (void) snprintf (address.sun_path, sizeof address.sun_path, "%s", path);
  if (fd < 0 || bind (fd, (struct sockaddr *) &address, sizeof address) != 0)
    {
      perror (path);
      return 1;
    }
  return close (fd) == 0 ? 0 : 1;
}

static int
swap_make_files (const char *prefix, long count)
{
  char name[256];

  for (long i = 1; i <= count; i++)
    {
      (void) snprintf (name, sizeof name, "%s%ld", prefix, i);
      if (mknod (name, S_IFREG | 0600, 0) != 0)
        {
          perror (name);
          return 1;
        }
    }
  return 0;
}

static double
swap_now (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

int
main (int argc, char **argv)
{
  /* Hooks must get some way between two exchanges, each time another one. */
  struct timespec pause = { .tv_nsec = 0 };
  unsigned long count = 0;
  long step = 0;

  if (argc == 3 && strcmp (argv[1], "socket") == 0)
    return swap_make_socket (argv[2]);
  if (argc == 4 && strcmp (argv[1], "files") == 0)
    return swap_make_files (argv[2], atol (argv[3]));
  if (argc < 4)
    return 1;
  (void) signal (SIGTERM, swap_on_signal);
  double end = swap_now () + strtod (argv[1], NULL);
  while (!swap_ended && swap_now () < end)
    for (int i = 2; i + 1 < argc; i += 2)
      {
        if (renameat2 (AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], RENAME_EXCHANGE) == 0)
          count++;
        else if (errno != ENOENT)
          {
            perror (argv[i]);
            return 1;
          }
        step = (step + 7) % 97;
        pause.tv_nsec = step * 10000;
        (void) nanosleep (&pause, NULL);
      }
  printf ("%lu\n", count);
  return 0;
}
