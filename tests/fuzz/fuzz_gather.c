/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes to the leader of a node's hooks, and what a leader says. */
#include "fuzz.h"
#include "gather.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TASKS 8

static struct instance in;
static struct waiting waiting;
static struct ranks own;
static struct gather leader;
static int here; /* what is done at a socket ends in the root directory */

static void
begin (void)
{
  int dirfd = open (fuzz_directory (), O_RDONLY | O_DIRECTORY);

  here = open (".", O_RDONLY | O_DIRECTORY);
  FUZZ_EXPECT (dirfd >= 0 && instance_open (&in, dirfd, "gather", TASKS, false) == 0);
  FUZZ_EXPECT (ranks_init (&own, TASKS) == 0 && ranks_add_text (&own, "1-4"));
  waiting_start (&waiting);
  gather_start (&leader, &in, &waiting, &own, 0, 1);
  FUZZ_EXPECT (gather_join (&leader, WAITING_FOREVER) == GATHER_LEADS);
}

/* One may come by it, and then it is one of this node. */
static void
say_to_leader (const uint8_t *data, size_t size)
{
  struct failure f = { 0 };
  uint32_t before = leader.here.present;
  int fd = instance_connect (&in, 0);

  FUZZ_EXPECT (fd >= 0);
  (void) send (fd, data, size, MSG_NOSIGNAL);
  while (gather_serve (&leader, 0, &f) == WAKE_READY)
    ;
  FUZZ_EXPECT (leader.here.present - before <= 1 && !ranks_has (&leader.here, 0)
               && ranks_next (&leader.here, 5, true) == TASKS);
  (void) close (fd);
  while (gather_serve (&leader, 0, &f) == WAKE_READY)
    ;
  FUZZ_EXPECT (leader.connected == 0);
}

static void
say_to_member (const uint8_t *data, size_t size)
{
  struct gather member;
  enum gather_word word = 0;
  char text[INSTANCE_TEXT_MAX] = "";
  int ends[2];

  gather_start (&member, &in, &waiting, &own, 0, 2);
  FUZZ_EXPECT (socketpair (AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
  member.fd = ends[0];
  (void) send (ends[1], data, size, MSG_NOSIGNAL);
  (void) close (ends[1]);
  FUZZ_EXPECT (gather_listen (&member, WAITING_FOREVER, &word, text) == WAKE_READY);
  FUZZ_EXPECT ((int) word >= 0 && word <= GATHER_CALLED_OFF && strpbrk (text, "\n\033\177") == NULL);
  gather_end (&member);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (leader.set <= 0)
    begin ();
  say_to_leader (data, size);
  say_to_member (data, size);
  FUZZ_EXPECT (fchdir (here) == 0);
  return 0;
}
