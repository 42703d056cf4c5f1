/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slurm_global_sync_hook: an OCI hook that lets the containers of a Slurm job
 * step start together.
 *
 * The story: read the container's state, find the Slurm task, find the user,
 * become the user, meet the hooks of the other tasks.
 */
#include "admin.h"
#include "barrier.h"
#include "config.h"
#include "container.h"
#include "failure.h"
#include "identity.h"
#include "log.h"
#include "process.h"
#include "prune.h"
#include "slurm_env.h"
#include "syncdir.h"
#include "waiting.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANNOTATION_ENABLED "com.hooks.slurm-global-sync.enabled"
#define ANNOTATION_TIMEOUT "com.hooks.slurm-global-sync.timeout"
#define ANNOTATION_CONTAINERS "com.hooks.slurm-global-sync.containers"
#define ANNOTATION_LOG_LEVEL "com.hooks.logging.level"
#define ANNOTATION_STDOUT "com.hooks.logging.stdoutfd"
#define ANNOTATION_STDERR "com.hooks.logging.stderrfd"

struct hook {
  int64_t started; /* the timeout counts from here */
  struct config config;
  struct waiting waiting;
  struct container container;
  struct slurm_task task;
  struct identity user;
  char host[64];
  struct failure wrong; /* with a setting, which the others are told; status 0: nothing */
  bool for_node; /* the container is the only one of its node */
  bool passed_on; /* its failure is another task's, which somebody else reports */
};

/* From here on each message names the host, and the task where it is known. */
static void
hook_name_itself (struct hook *h)
{
  const struct slurm_task *task = &h->task;
  char *const subject = log_settings.subject, step[16] = "none";
  const size_t size = sizeof log_settings.subject;

  if (task->node[0] != '\0')
    (void) snprintf (h->host, sizeof h->host, "%s", task->node);
  else
    (void) gethostname (h->host, sizeof h->host - 1);
  /* A container's host name may hold any byte, and becomes a word of a note. */
  for (char *c = h->host; *c != '\0'; c++)
    if (!isgraph ((unsigned char) *c))
      *c = '?';
  if (task->has_step)
    (void) snprintf (step, sizeof step, "%u", task->step);
  if (task->tasks > 0)
    (void) snprintf (subject, size, "job=%u step=%s procid=%u host=%s", task->job, step,
                     task->procid, h->host);
  else
    (void) snprintf (subject, size, "host=%s", h->host);
}

/* Sarus says in annotations where a hook's messages should go.  The user
 * chooses them, so the files are opened after he is all that we are.
 * O_NONBLOCK: a FIFO that nobody reads must not hold the container up. */
static void
hook_open_stream (const struct hook *h, const char *annotation, int stream)
{
  const char *path = container_annotation (&h->container, annotation);

  if (path == NULL)
    return;
  const int flags = O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
  int fd = path[0] == '/' ? open (path, flags) : -1;
  if (fd < 0)
    log_message (LOG_DEBUG, "annotation %s ignored: %s cannot be opened, or is no absolute path",
                 annotation, path);
  else if (dup2 (fd, stream) == STDOUT_FILENO)
    log_settings.split = true;
  close_one (&fd);
}

/* Finds the user and becomes him.  In a user namespace his name comes first,
 * since his gid is in the same line; elsewhere it comes last, as the user. */
static int
hook_become_user (struct hook *h, struct failure *f)
{
  struct identity *user = &h->user;

  if (identity_find (user, &h->container, h->task.uid, f) != 0)
    return -1;
  if (user->in_namespace && identity_name (user, h->config.passwd_file, f) != 0)
    return -1;
  if (identity_become (user, f) != 0)
    return -1;
  return user->in_namespace ? 0 : identity_name (user, h->config.passwd_file, f);
}

/* What the task's mark points to, for --status and for who looks for a missing
 * task. */
static void
hook_write_note (const struct hook *h, char note[BARRIER_NOTE_MAX])
{
  const struct slurm_task *task = &h->task;
  size_t n = (size_t) snprintf (note, BARRIER_NOTE_MAX, "host=%s pid=%ld since=%lld", h->host,
                                (long) getpid (), (long long) time (NULL));

  if (h->container.id[0] != '\0' && strpbrk (h->container.id, " ") == NULL)
    n += (size_t) snprintf (note + n, BARRIER_NOTE_MAX - n, " container=%s", h->container.id);
  if (task->node[0] != '\0')
    n += (size_t) snprintf (note + n, BARRIER_NOTE_MAX - n, " node=%s", task->node);
  if (task->node_list[0] != '\0' && task->tasks_per_node[0] != '\0')
    (void) snprintf (note + n, BARRIER_NOTE_MAX - n, " nodes=%s tasks=%s", task->node_list,
                     task->tasks_per_node);
}

/* Meets the others in the directory DIRFD, at WHERE; or tells them what is wrong. */
static int
hook_meet (struct hook *h, int dirfd, const char *where, struct failure *f)
{
  char note[BARRIER_NOTE_MAX], key[SLURM_KEY_MAX];

  slurm_env_key (&h->task, key);
  hook_write_note (h, note);
  container_free (&h->container); /* not to be kept in memory while waiting */

  struct barrier barrier = {
    .dirfd = dirfd,
    .where = where,
    .key = key,
    .tasks = h->task.tasks,
    .self = h->task.procid,
    .own = &h->task.local,
    .gathers = h->task.local.present > 1 && !h->for_node,
    .node = h->task.node_id,
    .deadline = h->config.timeout > 0 ? h->started + h->config.timeout : WAITING_FOREVER,
    .timeout = h->config.timeout,
    .nodes = h->task.nodes,
    .note = note,
    .waiting = &h->waiting,
  };
  int result = h->wrong.status == 0 ? barrier_meet (&barrier, f) : -1;
  if (h->wrong.status != 0)
    barrier_call_off (&barrier, h->wrong.text);
  /* One hook of the node says so at level error. */
  const bool speaks
    = barrier.leads || h->for_node || (h->task.first_on_node && !barrier.follows);
  h->passed_on = barrier.passed_on && !speaks;
  if (result == 0)
    log_message (LOG_INFO, "synchronised %u tasks, having waited %.3f s", h->task.tasks,
                 (double) (waiting_now () - h->started) / (double) SECOND);
  /* Everybody is on his way: time to remove what failed barriers of this user have
   * left, a few at a time.  Should it fail, the next one does it. */
  const struct prune prune = { .dirfd = dirfd, .until = waiting_now () + SECOND / 2 };
  if (result == 0 && h->task.procid == 0)
    (void) prune_run (&prune, f);
  return result;
}

static int
hook_synchronise (struct hook *h, struct failure *f)
{
  char where[SYNCDIR_USER_MAX];

  waiting_watch_podman (&h->waiting);
  if (hook_become_user (h, f) != 0)
    return -1;
  hook_open_stream (h, ANNOTATION_STDOUT, STDOUT_FILENO);
  hook_open_stream (h, ANNOTATION_STDERR, STDERR_FILENO);
  waiting_watch_task (&h->waiting, h->task.pid);
  int dirfd = syncdir_open (h->config.base_dir, &h->user, true, where, f);
  if (dirfd < 0)
    return -1;
  int result = hook_meet (h, dirfd, where, f);
  (void) close (dirfd);
  return result;
}

/* Whether each task has a container, or each node. */
static void
hook_read_containers (struct hook *h)
{
  const char *value = container_annotation (&h->container, ANNOTATION_CONTAINERS);

  h->for_node = value != NULL && strcmp (value, "node") == 0;
  if (value != NULL && !h->for_node && strcmp (value, "task") != 0)
    (void) fail (&h->wrong, EX_DATAERR,
                 "annotation " ANNOTATION_CONTAINERS "=%.80s: not task or node", value);
  if (h->for_node && h->task.local.present == 0)
    (void) fail (&h->wrong, EX_CONFIG, "annotation " ANNOTATION_CONTAINERS "=node needs "
                                       "SLURM_GTIDS, which is not set, or makes no sense");
}

static int
hook_run (struct hook *h, struct failure *f)
{
  if (isatty (STDIN_FILENO))
    return fail (f, EX_USAGE, "the OCI runtime runs this, with the state of a container on "
                              "standard input; try --help");
  if (container_read (&h->container, STDIN_FILENO, f) != 0)
    return -1;
  const char *timeout = container_annotation (&h->container, ANNOTATION_TIMEOUT);
  const char *level = container_annotation (&h->container, ANNOTATION_LOG_LEVEL);
  (void) config_complete (&h->config, timeout, level, &h->wrong);
  log_settings.level = h->config.log_level;
  if (!h->config.usable)
    return -1;
  const char *enabled = container_annotation (&h->container, ANNOTATION_ENABLED);
  bool asked = enabled != NULL && strcmp (enabled, "true") == 0;
  enum slurm_env_result result = slurm_env_read (&h->task, &h->container, asked, f);
  if (result == SLURM_ENV_FAILED || (result != SLURM_ENV_TASK && h->wrong.status != 0))
    return -1;
  if (result != SLURM_ENV_TASK)
    {
      log_message (result == SLURM_ENV_ABSENT ? LOG_WARNING : LOG_INFO, "%s", f->text);
      return 0;
    }
  hook_read_containers (h);
  /* Whichever task has started a node's container, it is known by the first. */
  if (h->for_node && h->task.local.present > 0)
    h->task.procid = ranks_next (&h->task.local, 0, true);
  hook_name_itself (h);
  /* Where a node cannot gather each hook comes for itself. */
  if (h->task.local.present == 0 || (!h->for_node && h->task.node_id == UINT32_MAX))
    {
      ranks_clear (&h->task.local);
      ranks_add (&h->task.local, h->task.procid);
    }
  return hook_synchronise (h, f);
}

int
main (int argc, char **argv)
{
  struct hook h = { .started = waiting_now () };
  struct failure f = { 0 };
  int result;

  if (process_prepare () != 0)
    return EX_OSERR;
  result = config_read (&h.config, argc, argv, &f);
  if (identity_guard (h.config.mode == CONFIG_CHECK, &f) != 0)
    result = -1;
  if (h.config.mode != CONFIG_HOOK)
    {
      log_settings.no_syslog = true;
      if (result == 0)
        return admin_run (&h.config);
      log_message (LOG_ERR, "%s", f.text);
      return f.status;
    }
  (void) unsetenv ("TZ"); /* syslog(3) would open what it names */
  hook_name_itself (&h);
  (void) !chdir ("/"); /* pins no file system; it would only be better */
  waiting_start (&h.waiting);
  if (result == 0)
    result = hook_run (&h, &f);
  if (result != 0 && h.wrong.status != 0)
    f = h.wrong; /* whatever came of it */
  if (result != 0)
    log_message (h.passed_on ? LOG_INFO : LOG_ERR, "%s", f.text);
  container_free (&h.container);
  ranks_free (&h.task.local);
  return result == 0 ? EX_OK : f.status;
}
