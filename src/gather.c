/* SPDX-License-Identifier: BSD-3-Clause */
#include "gather.h"

#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Another number for each change of the messages. */
#define VERSION UINT32_C (0x53594e31)

/* Descriptors that a hook has open besides those of its followers. */
#define DESCRIPTORS 32

/* The task of a connection that has not said it; and of what is none. */
#define UNKNOWN UINT32_MAX
#define NOBODY (UINT32_MAX - 1)

/* What a hook says when it has come, */
struct hello {
  uint32_t version, rank, tasks;
  uint32_t refuses; /* not 0: it will not come, and must not count */
};

/* and what the leader says to it: TEXT without what is behind its NUL. */
struct word {
  uint32_t version, word, leader;
  char text[INSTANCE_TEXT_MAX];
};

/* SO_PEERCRED says the peer's uid as this user namespace names it. */
static bool
is_own (int fd)
{
  struct ucred peer;
  socklen_t size = sizeof peer;

  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid ();
}

void
gather_start (struct gather *g, struct instance *in, struct waiting *waiting,
              const struct ranks *own, uint32_t node, uint32_t self)
{
  *g = (struct gather){ .in = in, .waiting = waiting, .own = own, .node = node, .self = self };
  g->lost = g->fd = g->listener = g->set = -1;
}

void
gather_end (struct gather *g)
{
  bool leads = g->set >= 0;

  close_one (&g->fd);
  close_one (&g->listener);
  for (int fd = 0; fd < g->room; fd++)
    if (g->ranks[fd] != NOBODY)
      (void) close (fd);
  free (g->ranks);
  g->ranks = NULL;
  g->room = 0;
  close_one (&g->set);
  ranks_free (&g->here);
  /* Last: NFS keeps the file of a socket that is open under another name. */
  if (leads)
    instance_unlisten (g->in, g->node);
}

/* ------------------------------------------------------------------ the leader */

static int
leader_watch (struct gather *g, int fd)
{
  struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data = { .fd = fd } };

  return epoll_ctl (g->set, EPOLL_CTL_ADD, fd, &event);
}

/* Whether others can find the socket that this hook has made: on FUSE file
 * systems without stable inodes nobody can. */
static bool
leader_can_be_found (struct gather *g)
{
  int fd = instance_connect (g->in, g->node);
  bool found = fd >= 0 || (errno != ECONNREFUSED && errno != EACCES && errno != EPERM);
  int taken = fd < 0 ? -1 : accept4 (g->listener, NULL, NULL, SOCK_CLOEXEC);

  close_one (&taken);
  close_one (&fd);
  return found;
}

/* This hook has made the socket. */
static enum gather_result
leader_begin (struct gather *g)
{
  const rlim_t wanted = (rlim_t) g->own->present + DESCRIPTORS;
  enum gather_result result = GATHER_IMPOSSIBLE;
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted)
    {
      limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
      (void) setrlimit (RLIMIT_NOFILE, &limit);
    }
  if (leader_can_be_found (g))
    {
      g->set = epoll_create1 (EPOLL_CLOEXEC);
      result = g->set >= 0 && leader_watch (g, g->listener) == 0
                   && ranks_init (&g->here, g->own->count) == 0
                 ? GATHER_LEADS
                 : GATHER_FAILED;
    }
  if (result == GATHER_LEADS)
    ranks_add (&g->here, g->self);
  else
    {
      close_one (&g->set); /* no leader: gather_end() leaves the next one's socket alone */
      close_one (&g->listener);
      instance_unlisten (g->in, g->node);
    }
  return result;
}

static ssize_t
leader_say (const struct gather *g, int fd, enum gather_word word, const char *text)
{
  struct word w = { VERSION, word, g->self, "" };
  size_t length = strnlen (text, sizeof w.text - 1);

  memcpy (w.text, text, length);
  return send (fd, &w, offsetof (struct word, text) + length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A connection ends. */
static void
leader_drop (struct gather *g, int fd)
{
  if (g->ranks[fd] == UNKNOWN)
    g->woken = true;
  else
    {
      g->connected--;
      g->lost = g->listener < 0 ? g->lost : (int64_t) g->ranks[fd];
    }
  g->ranks[fd] = NOBODY;
  (void) close (fd);
}

/* Answers one who has said who he is, or has not. */
static void
leader_answer (struct gather *g, int fd)
{
  struct hello hello;
  ssize_t n = recv (fd, &hello, sizeof hello, MSG_DONTWAIT | MSG_TRUNC);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  const bool fits = n == (ssize_t) sizeof hello && hello.version == VERSION;
  const bool taken = fits && g->listener >= 0 && hello.tasks == g->own->count
                     && hello.rank < hello.tasks && ranks_has (g->own, hello.rank)
                     && !ranks_has (&g->here, hello.rank);
  /* Who refuses is answered and not counted: when it hangs up it has called off. */
  if (taken && hello.refuses == 0)
    {
      g->ranks[fd] = hello.rank;
      g->connected++;
    }
  /* Who is gone before the answer counts as lost: it was killed, or has given up. */
  if (!fits || leader_say (g, fd, taken ? GATHER_TAKEN : GATHER_AWAY, "") <= 0 || !taken)
    leader_drop (g, fd);
  else if (hello.refuses == 0)
    ranks_add (&g->here, hello.rank);
}

/* Somebody has come at FD.  False if there is no memory for that. */
static bool
leader_let_in (struct gather *g, int fd)
{
  const int room = fd < g->room ? g->room : fd + (int) g->own->present;
  uint32_t *ranks = room == g->room ? g->ranks : realloc (g->ranks, (size_t) room * sizeof *ranks);

  if (ranks == NULL)
    return false;
  for (g->ranks = ranks; g->room < room; g->room++)
    ranks[g->room] = NOBODY;
  ranks[fd] = UNKNOWN;
  return true;
}

/* Takes those who wait in the socket's queue.  -1: somebody is there who cannot
 * be let in. */
static int
leader_accept (struct gather *g)
{
  for (;;)
    {
      int fd = accept4 (g->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0)
        return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? 0 : -1;
      if (!is_own (fd) || leader_watch (g, fd) != 0 || !leader_let_in (g, fd))
        (void) close (fd);
      else
        leader_answer (g, fd);
    }
}

/* One event of a connection. */
static void
leader_hear (struct gather *g, int fd)
{
  char more;

  if (g->ranks[fd] == UNKNOWN)
    leader_answer (g, fd);
  /* Who was taken has nothing more to say: an end, or what is not ours. */
  else if (g->ranks[fd] != NOBODY && recv (fd, &more, 1, MSG_DONTWAIT) <= 0 && errno != EAGAIN
           && errno != EINTR)
    leader_drop (g, fd);
}

/* Deals with all that has happened by now, or does in the next TIMEOUT ms. */
static int
leader_hear_all (struct gather *g, int timeout)
{
  struct epoll_event events[64];
  const int n = epoll_wait (g->set, events, 64, timeout);
  int result = 0;

  for (int i = 0; i < n && result == 0; i++)
    {
      errno = 0;
      if (events[i].data.fd == g->listener)
        result = leader_accept (g);
      else
        leader_hear (g, events[i].data.fd);
    }
  return result;
}

enum wake
gather_serve (struct gather *g, int64_t until, struct failure *f)
{
  enum wake wake = waiting_sleep (g->waiting, until, g->set);

  if (wake == WAKE_READY && leader_hear_all (g, 0) != 0)
    {
      (void) fail (f, EX_OSERR, "cannot gather the %u tasks of this node: %m%s", g->own->present,
                   errno == EMFILE ? "; raise the hard limit of open files (ulimit -Hn)" : "");
      close_one (&g->listener); /* to call off takes a descriptor, too */
      return WAKE_END;
    }
  return wake;
}

void
gather_tell (struct gather *g, enum gather_word word, const char *text)
{
  /* Those in its queue see that nobody has answered them. */
  close_one (&g->listener);
  for (int fd = 0; fd < g->room; fd++)
    if (g->ranks[fd] == UNKNOWN)
      leader_drop (g, fd);
    else if (g->ranks[fd] != NOBODY)
      (void) leader_say (g, fd, word, text);
}

bool
gather_all_hung_up (struct gather *g, int64_t until)
{
  int64_t now;

  while (g->connected > 0 && (now = waiting_now ()) < until)
    (void) leader_hear_all (g, (int) ((until - now) / MILLISECOND) + 1);
  return g->connected == 0;
}

/* ------------------------------------------------------------------ the others */

/* Reads what the leader says: its word, 0 if he is gone, -1 if he has said
 * nothing yet. */
static int
follower_read (struct gather *g, char *text)
{
  struct word w;
  ssize_t n = recv (g->fd, &w, sizeof w - 1, MSG_DONTWAIT | MSG_TRUNC);

  /* recv(2) tells a pending error once, before what is in the queue: read again. */
  if (n < 0 && errno != EAGAIN)
    n = recv (g->fd, &w, sizeof w - 1, MSG_DONTWAIT | MSG_TRUNC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return -1;
  if (n < (ssize_t) offsetof (struct word, text) || n >= (ssize_t) sizeof w || w.version != VERSION
      || w.word > GATHER_CALLED_OFF)
    return 0;
  ((char *) &w)[n] = '\0';
  if (text != NULL)
    (void) snprintf (text, INSTANCE_TEXT_MAX, "%s", text_clean (w.text));
  g->leader = w.leader;
  return (int) w.word;
}

/* Waits for the leader's answer.  One that is stopped does not give any, and the
 * instance may be over long since: so with patience only.  GATHER_BELONGS: there
 * may be an answer now. */
static enum gather_result
follower_await (struct gather *g, int64_t deadline)
{
  for (;;)
    {
      int64_t now = waiting_now ();
      enum wake wake = waiting_sleep (g->waiting, earlier (deadline, now + GATHER_PATIENCE), g->fd);
      if (wake == WAKE_READY)
        return GATHER_BELONGS;
      if (wake == WAKE_END || waiting_now () >= deadline)
        return GATHER_GIVEN_UP;
      enum outcome outcome = instance_outcome (g->in, NULL);
      /* A server that comes back after a failure may say ESTALE of what is there. */
      if (outcome == OUTCOME_ERROR
          && !(instance_is_gone (errno) && instance_is_current (g->in) == 0))
        continue;
      if (outcome != OUTCOME_NONE)
        return outcome == OUTCOME_ERROR ? GATHER_AGAIN : GATHER_ENDED;
      /* Of times from the future the clock was set back since. */
      int64_t age = instance_leader_age (g->in, g->node, g->own);
      if (age > STALE || age < -STALE)
        return GATHER_DEAD;
    }
}

/* Has come to a leader: says who this is, and waits for the answer. */
static enum gather_result
follower_ask (struct gather *g, int64_t deadline)
{
  const struct hello hello = { VERSION, g->self, g->own->count, g->refuses };
  enum gather_result result = GATHER_AGAIN;
  int answer = 0;

  if (is_own (g->fd) && send (g->fd, &hello, sizeof hello, MSG_NOSIGNAL) == (ssize_t) sizeof hello)
    {
      result = follower_await (g, deadline);
      answer = follower_read (g, NULL);
      /* Who leaves now must know whether it was taken: after this the leader cannot
       * answer any more.  It has not hung up by that: if it was taken it may be
       * released, and the leader waits until it has seen that. */
      if (result != GATHER_BELONGS && answer < 0)
        {
          (void) shutdown (g->fd, SHUT_RD);
          answer = follower_read (g, NULL);
        }
    }
  if (answer == GATHER_TAKEN)
    return GATHER_BELONGS;
  close_one (&g->fd);
  if (result != GATHER_BELONGS)
    return result;
  return answer == GATHER_AWAY ? GATHER_ELSEWHERE : GATHER_AGAIN;
}

/* Nobody listens at the socket, since a while.  A leader that has just made it
 * is about to; one that tells an outcome does not any more; one that was killed
 * never will. */
static enum gather_result
follower_is_refused (const struct gather *g, int64_t since)
{
  enum outcome outcome = instance_outcome (g->in, NULL);

  if (outcome == OUTCOME_ERROR)
    return instance_is_gone (errno) ? GATHER_AGAIN : GATHER_FAILED;
  if (outcome != OUTCOME_NONE)
    return GATHER_ENDED;
  return waiting_now () - since > GATHER_PATIENCE ? GATHER_DEAD : GATHER_RETRY;
}

/* What errno says of a socket that this hook could neither connect to nor make. */
static enum gather_result
no_socket (void)
{
  switch (errno)
    {
    case EADDRINUSE: /* somebody else was faster */
    case EAGAIN:     /* too many at once */
    case EINTR:
      return GATHER_RETRY;
    case ELOOP:
      return GATHER_DEAD;
    case ENOENT:
    case ESTALE:
      return GATHER_AGAIN;
    case EPERM:
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EINVAL:
    case EACCES:
      return GATHER_IMPOSSIBLE;
    default:
      return GATHER_FAILED;
    }
}

enum gather_result
gather_join (struct gather *g, int64_t deadline)
{
  const int64_t began = waiting_now ();
  int64_t refused = 0;
  enum gather_result result;

  for (;;)
    {
      g->fd = instance_connect (g->in, g->node);
      if (g->fd >= 0)
        return follower_ask (g, deadline);
      if (errno == ECONNREFUSED || errno == EPROTOTYPE)
        {
          refused = refused == 0 ? waiting_now () : refused;
          result = follower_is_refused (g, refused);
        }
      else
        {
          refused = 0;
          if (errno == ENOENT)
            g->listener = instance_listen (g->in, g->node);
          result = g->listener >= 0 ? leader_begin (g) : no_socket ();
        }
      if (result != GATHER_RETRY)
        return result;
      int64_t now = waiting_now ();
      int64_t pause = waiting_interval (g->waiting, now - began, SECOND / 20);
      if (now >= deadline
          || waiting_sleep (g->waiting, earlier (now + pause, deadline), -1) == WAKE_END)
        return GATHER_GIVEN_UP;
    }
}

enum wake
gather_listen (struct gather *g, int64_t until, enum gather_word *word,
               char text[INSTANCE_TEXT_MAX])
{
  enum wake wake = waiting_sleep (g->waiting, until, g->fd);
  int said = follower_read (g, text);

  /* A word that is there counts, even for who is about to leave. */
  if (said < 0)
    return wake == WAKE_READY ? WAKE_TIME : wake;
  *word = (enum gather_word) said;
  return WAKE_READY;
}
