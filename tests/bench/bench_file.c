/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_file: a yardstick for the benchmark.  It reads standard input to its
 * end and makes the file that is its argument: the least that a program can do
 * that has to be told something and to leave a trace.
 */
#include <fcntl.h>
#include <unistd.h>

int
main (int argc, char **argv)
{
  char text[4096];
  ssize_t n;

  if (argc != 2)
    return 64;
  while ((n = read (STDIN_FILENO, text, sizeof text)) > 0)
    ;
  if (n < 0)
    return 74;
  int fd = open (argv[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  return fd < 0 || close (fd) != 0 ? 73 : 0;
}
