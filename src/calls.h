/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls.h - system calls that the oldest C libraries and kernels do not have.
 *
 * The C library of Debian 11 (2.31) or RHEL 8 (2.28) lacks the names of calls
 * that a newer kernel below it may well have, and none has wrappers for all of
 * them.  From 424 on, a call has the same number on all architectures but alpha
 * and mips; there the names of the C library are right, and a wrong number is
 * one that no call has.
 *
 * A kernel that lacks a call, and some sandboxes that forbid it, say ENOSYS: who
 * makes one of these has to do without it then.
 */
#ifndef CALLS_H
#define CALLS_H

#include <sys/syscall.h>

#ifndef SYS_pidfd_open /* Linux 5.3 */
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range /* Linux 5.9 */
#define SYS_close_range 436
#endif
#ifndef SYS_openat2 /* Linux 5.6 */
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd /* Linux 5.6 */
#define SYS_pidfd_getfd 438
#endif

#endif
