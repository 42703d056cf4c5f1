/* SPDX-License-Identifier: BSD-3-Clause */
#include "podman_trial.h"

#include "admin.h"
#include "instance.h"
#include "json_text.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* All that podman and the hook make is below. */
#define TRIAL_DIR "/tmp/slurm-global-sync-check.XXXXXX"

#define TRIAL_SECONDS 30
#define TRIAL_TEXT_MAX ((size_t) 4 << 20)

/* podman's: the program is not in the container, and that is found out after the
 * hooks have run.  The others are ours. */
#define STATUS_NO_PROGRAM 127
#define STATUS_NO_PODMAN 200
#define STATUS_NONE 255

/* Its own state, so that nothing of the user's changes, not even by the first
 * podman that he ever runs.  The hook's messages come between podman's. */
static const char script[]
  = "command -v podman >/dev/null || exit 200\n"
    "exec >>\"$1/out\" 2>&1\n"
    "[ -O / ] || export XDG_RUNTIME_DIR=\"$1/run\"\n" /* not as root */
    "exec podman ${2:+\"--module=$2\"} --log-level=debug --storage-driver=vfs "
    "--root=\"$1/storage\" "
    "--runroot=\"$1/runroot\" --tmpdir=\"$1/tmp\" --network-config-dir=\"$1/net\" run --rm "
    "--network=host --userns=host --annotation=" PODMAN_TRIAL_ANNOTATION "=true "
    "--annotation=run.oci.hooks.stderr=\"$1/out\" --env=SLURM_JOB_ID=1 --env=SLURM_NTASKS=1 "
    "--env=SLURM_PROCID=0 --rootfs \"$1/root\" x\n";

/* ---------------------------------------------------------- the user's process */

/* As a login would have it: podman needs what the hook must not have, so this
 * is not identity_become(). */
static int
log_in (const struct identity *user)
{
  const char *path = getenv ("PATH");
  char *copy = strdup (path != NULL ? path : "/usr/bin:/bin");

  if (copy == NULL || initgroups (user->name, user->gid) != 0
      || setresgid (user->gid, user->gid, user->gid) != 0
      || setresuid (user->uid, user->uid, user->uid) != 0)
    return -1;
  (void) clearenv ();
  (void) setenv ("PATH", copy, 1);
  (void) setenv ("HOME", user->home, 1);
  (void) setenv ("USER", user->name, 1);
  free (copy);
  return 0;
}

/* Ends what podman has left to us: conmon, and in a user namespace a process
 * that holds it.  As root one of them unmounts what it has mounted. */
static void
end_children (void)
{
  const struct timespec moment = { .tv_nsec = 5000000 };
  const int64_t end = waiting_now () + (geteuid () == 0 ? 5 * SECOND : 0);
  char path[64];
  int pid;

  (void) snprintf (path, sizeof path, "/proc/self/task/%d/children", (int) getpid ());
  while (waitpid (-1, NULL, WNOHANG) >= 0)
    {
      FILE *stream = waiting_now () < end ? NULL : fopen (path, "re");
      while (stream != NULL && fscanf (stream, "%d", &pid) == 1)
        (void) kill (pid, SIGKILL);
      if (stream != NULL)
        (void) fclose (stream);
      (void) nanosleep (&moment, NULL);
    }
}

/* Returns podman's exit status, or one of ours. */
static int
try_podman (const char *dir, const char *module, const struct identity *user)
{
  if ((geteuid () == 0 && user->uid != 0 && log_in (user) != 0) || chdir (dir) != 0
      || mkdir ("root", 0700) != 0 || mkdir ("run", 0700) != 0
      || prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
    return STATUS_NONE;
  pid_t pid = fork ();
  if (pid == 0)
    {
      (void) signal (SIGPIPE, SIG_DFL);
      (void) execl ("/bin/sh", "sh", "-c", script, "sh", dir, module, (char *) NULL);
      _exit (STATUS_NONE);
    }
  int status = pid < 0 ? -1 : admin_wait (pid, TRIAL_SECONDS);
  end_children ();
  /* As the user: root must not follow what he may exchange meanwhile. */
  (void) instance_remove (AT_FDCWD, dir);
  return status < 0 ? STATUS_NONE : status;
}

/* ------------------------------------------------------------------ its answer */

/* The text behind PREFIX in TEXT, NULL if it does not begin so. */
static char *
after (char *text, const char *prefix)
{
  size_t length = strlen (prefix);

  return strncmp (text, prefix, length) == 0 ? text + length : NULL;
}

/* The index of the JSON of that name, or of the next one if there was none. */
static size_t
index_of (const struct podman_trial *trial, const char *name)
{
  size_t i = 0;

  while (i < trial->count && strcmp (basename (trial->jsons[i].path), name) != 0)
    i++;
  return i;
}

/* One of podman's debugging messages. */
static void
take_message (struct podman_trial *trial, char *text)
{
  const size_t length = strlen (trial->dirs);
  char *end = strrchr (text, '"'), *found;

  if (end != NULL)
    *end = '\0';
  if ((found = after (text, "reading hooks from ")) != NULL)
    (void) snprintf (trial->dirs + length, sizeof trial->dirs - length, "%s%s",
                     length > 0 ? ", " : "", found);
  else if ((found = after (text, "added hook ")) != NULL)
    {
      size_t i = index_of (trial, basename (found));
      trial->jsons[i].path = found;
      trial->jsons[i].stages = NULL;
      if (i == trial->count && i < PODMAN_TRIAL_MAX)
        trial->count++;
    }
  else if ((found = after (text, "hook ")) != NULL
           && (end = strstr (found, " matched; adding to stages [")) != NULL)
    {
      *end = '\0';
      char *stages = strchr (end + 1, '[') + 1;
      stages[strcspn (stages, "]")] = '\0';
      trial->jsons[index_of (trial, found)].stages = stages;
    }
}

static void
take_answer (struct podman_trial *trial, int status, int out)
{
  struct failure unused;
  char *rest, *message;

  trial->installed = status != STATUS_NO_PODMAN;
  trial->error = "no answer";
  if (lseek (out, 0, SEEK_SET) != 0
      || json_text_read ("podman", out, TRIAL_TEXT_MAX, 65536, &trial->text, &unused) < 0)
    return;
  for (char *line = strtok_r (trial->text, "\n", &rest); line != NULL;
       line = strtok_r (NULL, "\n", &rest))
    if ((message = strstr (line, " msg=\"")) != NULL)
      take_message (trial, message + strlen (" msg=\""));
    else if (after (line, "slurm_global_sync_hook: error: ") != NULL)
      trial->hook = line;
    else if (strncmp (trial->error, "Error: ", 7) != 0)
      trial->error = line; /* should there be no "Error: ...": its last words */
  trial->done = status == STATUS_NO_PROGRAM;
  if (trial->done)
    trial->error = trial->hook = NULL;
}

void
podman_trial_run (struct podman_trial *trial, const struct identity *user, const char *module)
{
  char dir[] = TRIAL_DIR, name[sizeof dir + 8];

  *trial = (struct podman_trial){ .installed = true };
  if (mkdtemp (dir) == NULL)
    {
      trial->error = "cannot make a directory in /tmp";
      return;
    }
  (void) snprintf (name, sizeof name, "%s/out", dir);
  int out = open (name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  /* The directory goes last: from then on it is his. */
  bool given
    = out >= 0
      && (geteuid () != 0
          || (fchown (out, user->uid, user->gid) == 0 && chown (dir, user->uid, user->gid) == 0));
  (void) fflush (NULL);
  pid_t pid = given ? fork () : -1;
  if (pid == 0)
    _exit (try_podman (dir, module, user));
  /* It is the user's, so he can stop it. */
  int status = pid < 0 ? -1 : admin_wait (pid, 2 * TRIAL_SECONDS);
  take_answer (trial, status, out);
  (void) close (out);
  (void) rmdir (dir);
}
