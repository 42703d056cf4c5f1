/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * count.h - counts the system calls of one process, by ptrace(2).
 */
#ifndef COUNT_H
#define COUNT_H

#include <stdbool.h>
#include <sys/types.h>

struct count {
  pid_t pid;        /* the process */
  unsigned calls;   /* all, from the program's first to its last */
  unsigned changes; /* those that make, remove or change a name or a file */
  unsigned sleeps;  /* those that wait for a time or an event */
  bool known;       /* the kernel told, Linux 5.3 and later */
};

/* Runs ARGV with ENVP in a child, counts its calls and returns its wait
 * status.  Does not return if that is not possible. */
int count_run (char *const argv[], char *const envp[], struct count *count);

#endif
