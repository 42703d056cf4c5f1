/* SPDX-License-Identifier: BSD-3-Clause */
#include "lock.h"

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

/* How often, each ms, the thread is told to end: it may not be in its call yet. */
#define TELL_MOST 250

/* What the thread uses: there is one at a time. */
static struct
{
  int fd, event;
  bool useless; /* it got no lock, or did not end when told to */
} job;

/* Returns 0; or 1, another has the lock; or -1.  The locks are the open file's: those
 * of a process would go when it closes any descriptor of the file. */
static int
lock_call (int fd, int command, short type)
{
  struct flock f = { .l_type = type, .l_whence = SEEK_SET };

  if (fcntl (fd, command, &f) == 0)
    return 0;
  return errno == EAGAIN || errno == EACCES ? 1 : -1;
}

static void *
lock_wait (void *unused)
{
  if (lock_call (job.fd, F_OFD_SETLKW, F_RDLCK) == 0)
    (void) lock_call (job.fd, F_OFD_SETLK, F_UNLCK);
  else if (errno != EINTR)
    job.useless = true;
  (void) eventfd_write (job.event, 1);
  return unused;
}

static void
lock_on_signal (int number)
{
  (void) number; /* fcntl(2) ends with EINTR */
}

static bool
lock_block (struct lock *l)
{
  const struct sigaction action = { .sa_handler = lock_on_signal }; /* no SA_RESTART */

  errno = ENOLCK;
  if (job.useless)
    return false;
  /* A signal that does nothing else, and that Lustre lets end the wait: it does so only
   * for those which end a process.  The thread inherits that all those which end this
   * hook are blocked. */
  (void) sigaction (SIGALRM, &action, NULL);
  job.fd = l->fd;
  job.event = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int error = job.event < 0 ? errno : pthread_create (&l->thread, NULL, lock_wait, NULL);
  l->blocked = error == 0;
  if (l->blocked)
    l->waiting->lock_fd = job.event;
  else
    close_one (&job.event);
  errno = error;
  return l->blocked;
}

bool
lock_try (struct lock *l)
{
  const int other = lock_call (l->fd, F_OFD_SETLK, F_WRLCK);

  l->watches = other == 0;
  return other == 0 || (other == 1 && lock_block (l));
}

bool
lock_is_over (struct lock *l)
{
  eventfd_t unused;

  if (!l->blocked || eventfd_read (job.event, &unused) != 0)
    return false;
  (void) pthread_join (l->thread, NULL);
  close_one (&l->waiting->lock_fd);
  l->blocked = false;
  return true;
}

void
lock_end (struct lock *l)
{
  const int error = errno;
  struct pollfd event = { .fd = job.event, .events = POLLIN };

  for (int tries = 0; l->blocked && !lock_is_over (l) && tries < TELL_MOST; tries++)
    {
      (void) pthread_kill (l->thread, SIGALRM);
      (void) poll (&event, 1, 1);
    }
  /* A file system may not let go of it before this process ends. */
  job.useless = job.useless || l->blocked;
  if (l->blocked) /* it may have one by now */
    (void) lock_call (l->fd, F_OFD_SETLK, F_UNLCK);
  else
    close_one (&l->fd);
  l->waiting->lock_fd = l->fd = -1;
  l->watches = l->blocked = false;
  errno = error;
}
