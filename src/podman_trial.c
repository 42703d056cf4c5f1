/* SPDX-License-Identifier: BSD-3-Clause */
#include "podman_trial.h"

#include "json_text.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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

/* Where podman and the hook write; and all that they make is below. */
#define TRIAL_DIR "/tmp/slurm-global-sync-check.XXXXXX"

#define TRIAL_SECONDS 30
#define TRIAL_TEXT_MAX ((size_t) 4 << 20)

/* podman's: the program is not in the container, and that is found out after the
 * hooks have run.  The others are ours. */
#define STATUS_NO_PROGRAM 127
#define STATUS_NO_PODMAN 200
#define STATUS_NONE 255

/* ---------------------------------------------------------- the user's process */

/* As a login would have it: podman needs what the hook must not have, so this
 * is not identity_become(). */
static int
become (const struct identity *user)
{
  const char *path = getenv ("PATH");

  if (geteuid () != 0 || user->uid == 0)
    return 0;
  if (initgroups (user->name, user->gid) != 0 || setresgid (user->gid, user->gid, user->gid) != 0
      || setresuid (user->uid, user->uid, user->uid) != 0)
    return -1;
  char *copy = strdup (path != NULL ? path : "/usr/bin:/bin");
  (void) clearenv ();
  (void) setenv ("PATH", copy != NULL ? copy : "/usr/bin:/bin", 1);
  (void) setenv ("HOME", user->home, 1);
  (void) setenv ("USER", user->name, 1);
  free (copy);
  return 0;
}

static const char *
in_dir (const char *option, const char *dir, const char *name)
{
  static char texts[8][200];
  static size_t next;
  char *text = texts[next++ % 8];

  (void) snprintf (text, sizeof texts[0], "%s%s/%s", option, dir, name);
  return text;
}

static void
execute (const char *dir, const char *module)
{
  char with[256] = "--log-level=debug"; /* twice does no harm */

  if (module != NULL)
    (void) snprintf (with, sizeof with, "--module=%s", module);
  if (geteuid () != 0)
    (void) setenv ("XDG_RUNTIME_DIR", in_dir ("", dir, "run"), 1);
  (void) signal (SIGPIPE, SIG_DFL);
  /* Its own state, so that nothing of the user's changes, not even by the first
   * podman that he ever runs. */
  (void) execlp ("podman", "podman", with, "--log-level=debug", "--storage-driver=vfs",
                 in_dir ("--root=", dir, "storage"), in_dir ("--runroot=", dir, "runroot"),
                 in_dir ("--tmpdir=", dir, "tmp"), in_dir ("--network-config-dir=", dir, "net"), "run",
                 "--rm", "--network=host", "--userns=host",
                 "--annotation=" PODMAN_TRIAL_ANNOTATION "=true",
                 in_dir ("--annotation=run.oci.hooks.stderr=", dir, "hook"), "--env=SLURM_JOB_ID=1",
                 "--env=SLURM_NTASKS=1", "--env=SLURM_PROCID=0", "--rootfs", in_dir ("", dir, "root"),
                 "x", (char *) NULL);
}

/* Waits for PID, or, if that is -1, for all children, for SECONDS at most;
 * returns its status, or -1. */
static int
wait_for (pid_t pid, int seconds)
{
  const struct timespec moment = { .tv_nsec = 5000000 };
  const int64_t end = waiting_now () + seconds * SECOND;
  int status = -1;

  for (;;)
    {
      pid_t ended = waitpid (pid, &status, WNOHANG);
      if (ended > 0 && pid > 0)
        return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
      if (ended < 0 || waiting_now () > end)
        return -1;
      if (ended == 0)
        (void) nanosleep (&moment, NULL);
    }
}

/* What podman has left to us: conmon, and in a user namespace a process that
 * holds it. */
static void
end_children (void)
{
  char path[64];
  int pid;

  /* As root, what it has mounted is unmounted by one of them. */
  if (geteuid () == 0)
    (void) wait_for (-1, 5);
  (void) snprintf (path, sizeof path, "/proc/self/task/%d/children", (int) getpid ());
  do
    {
      FILE *stream = fopen (path, "re");
      while (stream != NULL && fscanf (stream, "%d", &pid) == 1)
        (void) kill (pid, SIGKILL);
      if (stream != NULL)
        (void) fclose (stream);
    }
  while (waitpid (-1, NULL, 0) > 0);
}

static int
remove_entry (const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
  (void) st;
  (void) flag;
  (void) ftw;
  (void) remove (path);
  return 0;
}

/* Returns podman's exit status, or STATUS_NONE. */
static int
keep (const char *dir, const char *module, const struct identity *user, int out)
{
  static const char *const made[] = { "root", "run" };

  if (become (user) != 0 || chdir (dir) != 0 || prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
    return STATUS_NONE;
  for (size_t i = 0; i < sizeof made / sizeof *made; i++)
    (void) mkdir (made[i], 0700);
  pid_t pid = fork ();
  if (pid == 0)
    {
      (void) dup2 (out, STDOUT_FILENO);
      (void) dup2 (out, STDERR_FILENO);
      execute (dir, module);
      _exit (errno == ENOENT ? STATUS_NO_PODMAN : STATUS_NONE);
    }
  int status = pid < 0 ? -1 : wait_for (pid, TRIAL_SECONDS);
  if (status < 0 && pid > 0)
    (void) kill (pid, SIGKILL);
  end_children ();
  /* As the user: root must not follow what he may exchange meanwhile. */
  (void) nftw (dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  return status < 0 ? STATUS_NONE : status;
}

/* ------------------------------------------------------------------ its answer */

/* The text behind PREFIX in TEXT, NULL if it does not begin so. */
static const char *
after (const char *text, const char *prefix)
{
  size_t length = strlen (prefix);

  return strncmp (text, prefix, length) == 0 ? text + length : NULL;
}

/* Undoes the quotes of msg="..." in LINE, in place; returns what is in them. */
static char *
unquote (char *line)
{
  char *from = strstr (line, " msg=\""), *to, *start;

  if (from == NULL)
    return line;
  start = to = from + strlen (" msg=\"");
  for (from = start; *from != '\0' && *from != '"'; from++)
    {
      if (*from == '\\' && from[1] != '\0')
        from++;
      *to++ = *from;
    }
  *to = '\0';
  return start;
}

static const char *
name_of (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash == NULL ? path : slash + 1;
}

/* The JSON of that name, a new one if there was none; NULL if there are too
 * many. */
static struct podman_trial_json *
json_of (struct podman_trial *trial, const char *name)
{
  size_t i = 0;

  while (i < trial->count && strcmp (name_of (trial->jsons[i].path), name) != 0)
    i++;
  if (i == PODMAN_TRIAL_MAX)
    return NULL;
  if (i == trial->count)
    trial->count++;
  return &trial->jsons[i];
}

/* "hook NAME matched; adding to stages [prestart]" */
static void
take_match (struct podman_trial *trial, char *text)
{
  char *end = strstr (text, " matched; adding to stages [");

  if (end == NULL)
    return;
  *end = '\0';
  struct podman_trial_json *json = json_of (trial, text);
  const char *stages = strchr (end + 1, '[') + 1;
  if (json == NULL)
    return;
  json->matched = true;
  (void) snprintf (json->stages, sizeof json->stages, "%.*s", (int) strcspn (stages, "]"), stages);
}

static void
take_line (struct podman_trial *trial, char *line)
{
  char *text = unquote (line);
  const char *found;
  size_t length = strlen (trial->dirs);

  if ((found = after (text, "reading hooks from ")) != NULL)
    (void) snprintf (trial->dirs + length, sizeof trial->dirs - length, "%s%s",
                     length > 0 ? ", " : "", found);
  else if ((found = after (text, "added hook ")) != NULL)
    {
      struct podman_trial_json *json = json_of (trial, name_of (found));
      if (json != NULL)
        (void) snprintf (json->path, sizeof json->path, "%s", found);
    }
  else if (after (text, "hook ") != NULL)
    take_match (trial, text + strlen ("hook "));
  else if (text == line && after (trial->error, "Error: ") == NULL)
    /* Should there be no "Error: ...": its last words. */
    (void) snprintf (trial->error, sizeof trial->error, "%s", line);
}

static void
take_answer (struct podman_trial *trial, int status, int out, int hook)
{
  char *text = NULL, *rest;
  struct failure unused;

  trial->installed = status != STATUS_NO_PODMAN;
  (void) lseek (out, 0, SEEK_SET);
  if (json_text_read ("podman", out, TRIAL_TEXT_MAX, 65536, &text, &unused) < 0)
    status = STATUS_NONE;
  else
    for (char *line = strtok_r (text, "\n", &rest); line != NULL; line = strtok_r (NULL, "\n", &rest))
      take_line (trial, line);
  free (text);
  trial->done = status == STATUS_NO_PROGRAM;
  if (trial->done)
    trial->error[0] = '\0';
  else if (trial->error[0] == '\0')
    (void) snprintf (trial->error, sizeof trial->error, "no answer within %d s", TRIAL_SECONDS);
  ssize_t n = pread (hook, trial->hook, sizeof trial->hook - 1, 0);
  trial->hook[n > 0 && !trial->done ? n : 0] = '\0';
  trial->hook[strcspn (trial->hook, "\n")] = '\0';
}

void
podman_trial_run (struct podman_trial *trial, const struct identity *user, const char *module)
{
  char dir[] = TRIAL_DIR;

  *trial = (struct podman_trial){ .installed = true };
  if (mkdtemp (dir) == NULL)
    {
      (void) snprintf (trial->error, sizeof trial->error, "%s: %s", dir, strerror (errno));
      return;
    }
  const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  int out = open (in_dir ("", dir, "out"), flags, 0600);
  int hook = open (in_dir ("", dir, "hook"), flags, 0600);
  /* The directory goes last: from then on it is his. */
  bool given = out >= 0 && hook >= 0
               && (geteuid () != 0
                   || (fchown (hook, user->uid, user->gid) == 0 && chown (dir, user->uid, user->gid) == 0));
  (void) fflush (NULL);
  pid_t pid = given ? fork () : -1;
  if (pid == 0)
    _exit (keep (dir, module, user, out));
  /* It is the user's, so he can stop it. */
  int status = pid < 0 ? -1 : wait_for (pid, 2 * TRIAL_SECONDS);
  if (status < 0 && pid > 0)
    (void) kill (pid, SIGKILL);
  take_answer (trial, status, out, hook);
  (void) close (out);
  (void) close (hook);
  (void) rmdir (dir);
}
