/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include "instance.h"
#include "json_text.h"
#include "process.h"
#include "syncdir.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* podman's own limit for creating a container, in seconds: no option of podman
 * changes it. */
#define PODMAN_LIMIT 240

/* How much longer than its timeout a hook may take to end, in seconds: two, until it is
 * told of a release that was made at the last moment; twice BARRIER_LEAVE, if another one
 * is stopped then; and to prune. */
#define MORE 23

#define BREAKS "this breaks every podman run on this node; correct it, or take the file away"

/* What asks for the hook in the shipped JSON, and what users are told. */
#define ANNOTATION "com.hooks.slurm-global-sync.enabled=true"

#define TRIAL_SECONDS 30
#define TRIAL_TEXT_MAX ((size_t) 4 << 20)

/* podman's: the program is not in the container, and that is found out after the
 * hooks have run.  The others are ours. */
#define STATUS_NO_PROGRAM 127
#define STATUS_NO_PODMAN 200
#define STATUS_NONE 255

/* Before podman's debugging messages; and before what the hook says if it fails. */
#define MESSAGE " msg=\""
#define HOOK_FAILED "slurm_global_sync_hook: error: "

enum finding { OK, WARNING, ERROR };

static enum finding worst;

static const char *file; /* the hook JSON that is looked at; NULL: something else */

/* For whom it is checked. */
static struct identity user;
static bool as_root;
static bool nobody; /* the user is root, who has not named another */

/* What podman itself says of the hook's JSON. */
static struct {
  const char *error; /* podman's last word; NULL: the hooks have run, or there was none */
  const char *hook;  /* the hook's, if it failed; NULL if not */
  char *text, *end;  /* all lines, each ended by NUL */
} trial = { .error = "it could not be run, or did not answer" };

__attribute__ ((format (printf, 2, 3))) static void
say (enum finding finding, const char *format, ...)
{
  static const char *const names[] = { "ok", "warning", "error" };
  char text[8192];
  int n = file == NULL ? 0 : snprintf (text, sizeof text, "%.4096s: ", file);
  va_list ap;

  va_start (ap, format);
  (void) vsnprintf (text + n, sizeof text - (size_t) n, format, ap);
  va_end (ap);
  (void) printf ("%-7s  %s\n", names[finding], text_clean (text));
  worst = finding > worst ? finding : worst;
}

/* ------------------------------------------------------------ a trial of podman's */

/* A container that asks for the hook, from an empty directory, without an image:
 * podman's debugging messages tell which hooks it reads, and it runs them, before
 * the container fails because there is no program in it.  The hook takes it for a
 * step of one task; its messages come between podman's.  With a state of its own,
 * so that nothing of the user's changes, not even by the first podman that he ever
 * runs. */
static const char script[]
  = "command -v podman >/dev/null || exit 200\n"
    "exec >>\"$1/out\" 2>&1 </dev/null\n"
    "[ -O / ] || export XDG_RUNTIME_DIR=\"$1/run\"\n" /* not as root */
    "net=--network-config-dir\n" /* before podman 4: */
    "podman --help | grep -q -e \"$net\" || net=--cni-config-dir\n"
    "exec podman --log-level=debug --storage-driver=vfs"
    " --root=\"$1/storage\" --runroot=\"$1/runroot\" --tmpdir=\"$1/tmp\""
    " \"$net=$1/net\" run --rm --network=host --userns=host"
    " --annotation=" ANNOTATION " --annotation=run.oci.hooks.stderr=\"$1/out\""
    " --env=SLURM_JOB_ID=1 --env=SLURM_NTASKS=1 --env=SLURM_PROCID=0 --rootfs \"$1/root\" x\n";

/* As a login would have it. */
static int
log_in (void)
{
  const char *path = getenv ("PATH"); /* the string stays */
  struct failure unused;

  if (admin_become (&user, &unused) != 0)
    return -1;
  (void) clearenv ();
  (void) setenv ("PATH", path != NULL ? path : "/usr/bin:/bin", 1);
  (void) setenv ("HOME", user.home, 1);
  return setenv ("USER", user.name, 1);
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

/* Has what podman and the hook say in TRIAL.  Returns podman's exit status, or one of
 * ours. */
static int
try_podman (void)
{
  char dir[] = "/tmp/slurm-global-sync-check.XXXXXX";

  /* What the user has podman run must not reach root's terminal. */
  if (setsid () < 0 || (geteuid () == 0 && user.uid != 0 && log_in () != 0) || mkdtemp (dir) == NULL
      || chdir (dir) != 0 || mkdir ("root", 0700) != 0 || mkdir ("run", 0700) != 0
      || prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
    return STATUS_NONE;
  pid_t pid = fork ();
  if (pid == 0)
    {
      (void) signal (SIGPIPE, SIG_DFL);
      (void) execl ("/bin/sh", "sh", "-c", script, "sh", dir, (char *) NULL);
      _exit (STATUS_NONE);
    }
  int status = pid < 0 ? -1 : admin_wait (pid, TRIAL_SECONDS);
  end_children ();
  int said = open ("out", O_RDONLY | O_CLOEXEC);
  (void) !read (said, trial.text, TRIAL_TEXT_MAX);
  (void) instance_remove (AT_FDCWD, dir);
  return status < 0 ? STATUS_NONE : status;
}

static void
take_answer (int status)
{
  char *rest, *quote;

  if (status == STATUS_NO_PODMAN)
    trial.error = "it is not installed here";
  trial.end = trial.text + strlen (trial.text);
  for (char *line = strtok_r (trial.text, "\n", &rest); line != NULL;
       line = strtok_r (NULL, "\n", &rest))
    if (strstr (line, MESSAGE) != NULL && (quote = strrchr (line, '"')) != NULL)
      *quote = '\0';
    else if (strncmp (line, HOOK_FAILED, strlen (HOOK_FAILED)) == 0)
      trial.hook = line;
    else if (strncmp (trial.error, "Error: ", 7) != 0)
      trial.error = line; /* should there be no "Error: ...": its last words */
  if (status == STATUS_NO_PROGRAM)
    trial.error = trial.hook = NULL;
}

/* Runs podman as the user.  Leaves no file and no process behind. */
static void
run_trial (void)
{
  /* What the child writes there is seen here. */
  void *text = mmap (NULL, TRIAL_TEXT_MAX + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                     -1, 0);

  if (text == MAP_FAILED)
    return;
  trial.text = text;
  (void) fflush (NULL);
  pid_t pid = fork ();
  if (pid == 0)
    process_exit (try_podman ());
  /* It is the user's, so he can stop it. */
  if (pid > 0)
    take_answer (admin_wait (pid, 2 * TRIAL_SECONDS));
}

/* What is behind PREFIX in the next of podman's debugging messages from LINE on that
 * begins so; NULL: none. */
static const char *
next_message (const char **line, const char *prefix)
{
  const size_t length = strlen (prefix);

  while (*line < trial.end)
    {
      const char *message = strstr (*line, MESSAGE);
      *line += strlen (*line) + 1;
      if (message != NULL && strncmp (message + strlen (MESSAGE), prefix, length) == 0)
        return message + strlen (MESSAGE) + length;
    }
  return NULL;
}

/* The JSON of the name of PATH that podman has read, of several the last, which
 * counts; NULL: none. */
static const char *
added (const char *path)
{
  const char *found, *last = NULL;

  for (const char *at = trial.text; (found = next_message (&at, "added hook ")) != NULL;)
    if (strcmp (basename (found), basename (path)) == 0)
      last = found;
  return last;
}

/* The stages in which podman runs the hook of that name, "prestart]"; NULL: the
 * annotation does not ask for it. */
static const char *
stages_of (const char *path)
{
  char prefix[NAME_MAX + 64];
  const char *at = trial.text;

  (void) snprintf (prefix, sizeof prefix, "hook %s matched; adding to stages [", basename (path));
  return next_message (&at, prefix);
}

/* ---------------------------------------------------------------- the hook JSON */

/* Who else could change WHAT, at PATH, or a directory that it is in: the hook relies on
 * it. */
static void
check_safety (const char *what, const char *path)
{
  char at[PATH_MAX];
  struct stat st;
  bool safe = path != NULL && strlen (path) < sizeof at;

  (void) snprintf (at, sizeof at, "%s", safe ? path : "");
  for (char *end = strchr (at, '\0'); safe && end != NULL; end = strrchr (at, '/'))
    {
      *end = '\0';
      if (stat (at[0] == '\0' ? "/" : at, &st) != 0
          || (!S_ISREG (st.st_mode) && !S_ISDIR (st.st_mode)))
        continue;
      const mode_t others = st.st_mode & (S_IWGRP | S_IWOTH);
      const bool sticky = S_ISDIR (st.st_mode) && (st.st_mode & S_ISVTX) != 0;
      safe = false;
      if (others != 0 && !sticky)
        say ((others & S_IWOTH) != 0 ? ERROR : WARNING,
             "%s %s: %s can change %s; run chmod go-w%s on that", what, path,
             (others & S_IWOTH) != 0 ? "everybody" : "its group", at,
             S_ISDIR (st.st_mode) ? " or chmod +t" : "");
      else if (st.st_uid != 0 && (as_root || st.st_uid != geteuid ()))
        say (WARNING, "%s %s: its owner, uid %u, can change %s; let it be root's", what, path,
             st.st_uid, at);
      else
        safe = true;
    }
}

/* The program that JSON runs.  Returns false if podman passes over the hook, without
 * a word. */
static bool
check_program (json_object *json)
{
  json_object *path = json_text_part (json, "hook.path", json_type_string);
  const char *program = path == NULL ? "" : json_object_get_string (path);
  struct stat st;
  bool there = program[0] == '/' && stat (program, &st) == 0;

  if (!there)
    say (ERROR,
         "hook.path %s is not there, or not absolute: podman skips the hook without a word; "
         "install the program on this node, or correct the path",
         program);
  else if (!S_ISREG (st.st_mode) || access (program, X_OK) != 0)
    say (ERROR,
         "hook.path %s cannot be executed: every container that asks for the hook fails; let all "
         "users run it",
         program);
  else
    say (OK, "hook.path %s can be executed", program);
  check_safety ("hook.path", program);
  return there;
}

static void
check_timeout (const struct config *config, json_object *member)
{
  const long long limit = member == NULL ? 0 : json_object_get_int64 (member); /* 0 is none */
  const double seconds = (double) config->timeout / (double) SECOND;

  if (seconds > 0 && seconds + MORE <= PODMAN_LIMIT)
    say (OK, "timeout %g s is below podman's %d s", seconds, PODMAN_LIMIT);
  else
    say (WARNING,
         "timeout %g s is not %d s below the %d s after which podman gives up; lower HOOK_TIMEOUT",
         seconds, MORE, PODMAN_LIMIT);
  if (limit != 0 && (seconds <= 0 || seconds + MORE > (double) limit))
    say (ERROR,
         "hook.timeout, %lld s, lets the runtime kill the hook, which may take %d s longer than "
         "its own timeout, %g s; remove the first or lower HOOK_TIMEOUT",
         limit, MORE, seconds);
}

/* -------------------------------------------------------------------- the user */

/* Whether all nodes see the directory DIR. */
static void
check_file_system (const char *dir)
{
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const char *local = fd < 0 ? NULL : instance_local_file_system (fd);

  if (fd < 0)
    say (WARNING, "%s: which file system that is cannot be told: %s", dir, strerror (errno));
  else if (local != NULL)
    say (WARNING, "%s is on a local file system (%s): only job steps on one node are synchronised",
         dir, local);
  else
    say (OK, "%s is on no local file system, as it seems; make sure that all nodes have it", dir);
  close_one (&fd);
}

/* By now this process is the user. */
static void
check_user (const struct config *config)
{
  const char *base = config->base_dir;
  char home[SYNCDIR_USER_MAX], path[SYNCDIR_USER_MAX];
  struct failure f = { 0 };

  if (identity_name (&user, config->passwd_file, &f) != 0)
    {
      say (ERROR, "%s", f.text);
      return;
    }
  say (OK, "uid %u is user %s", user.uid, user.name);
  if (syncdir_user (base, &user, home, &f) == 0)
    check_file_system (access (home, F_OK) == 0 || base == NULL ? home : base);
  int fd = syncdir_open (base, &user, false, path, &f);
  if (fd < 0 && f.status != 0)
    say (ERROR, "user %s: %s", user.name, f.text);
  else if (fd < 0 && access (home, W_OK | X_OK) != 0)
    say (ERROR, "user %s cannot make %s/" SYNCDIR_PATH ": %s; make %s writable for the user",
         user.name, home, strerror (errno), home);
  else
    say (OK, "user %s %s %s/" SYNCDIR_PATH, user.name, fd < 0 ? "can make" : "has", home);
  close_one (&fd);
}

/* ---------------------------------------------------------------------- podman */

/* What podman says of all of them. */
static void
check_trial (void)
{
  if (trial.hook != NULL)
    say (ERROR, "the hook fails in a trial container: %s", trial.hook);
  else if (trial.error != NULL && strstr (trial.error, "OCI Hooks") != NULL)
    say (ERROR, "podman: %s: " BREAKS, trial.error);
  else if (trial.error != NULL)
    say (WARNING, "what podman does could not be found out: %s", trial.error);
}

/* What podman says of the file. */
static void
check_podman (void)
{
  char real[PATH_MAX] = "", other[PATH_MAX] = "";
  const char *path = added (file), *stages = stages_of (file), *any = trial.text, *at = any;
  const char *dir = next_message (&at, "reading hooks from ");

  if (trial.error != NULL && next_message (&any, "added hook ") == NULL)
    return;
  const bool known
    = realpath (file, real) != NULL && path != NULL && realpath (path, other) != NULL;
  if (path == NULL && dir == NULL)
    say (ERROR, "podman does not read it, nor any other: hooks_dir in containers.conf is empty");
  else if (path == NULL)
    say (ERROR,
         "podman does not read it: it reads %s; make a link there: mkdir -p %s && ln -s %s %s/",
         dir, dir, real, dir);
  else if (!known || strcmp (other, real) != 0)
    say (ERROR, "podman reads %s in its place; remove one of the two", path);
  else if (stages == NULL)
    say (WARNING, "podman reads it, but the annotation " ANNOTATION " does not ask for the hook: "
                  "\"when\" has another condition, or \"always\": false");
  else if (strcmp (stages, "prestart]") != 0 && strcmp (stages, "createRuntime]") != 0
           && strcmp (stages, "createContainer]") != 0)
    say (ERROR, "the stages are [%s, but should be one, and one for this hook; write prestart",
         stages);
  else
    say (OK, "podman runs the hook in stage %.*s for containers with the annotation " ANNOTATION,
         (int) strcspn (stages, "]"), stages);
}

/* ------------------------------------------------------------------------ files */

/* What podman says of the file, and what it says nothing of. */
static void
check_file (const char *path)
{
  const char *dot = strrchr (path, '.');
  struct failure f;
  struct config config;
  json_object *json = hook_json_read (path, &f);

  if (json == NULL)
    {
      say (ERROR, "%s: %s", f.text,
           f.status == EX_NOINPUT ? "is the package installed? Or name the file" : BREAKS);
      return;
    }
  file = path;
  bool there = check_program (json);
  if (dot == NULL || strcmp (dot, ".json") != 0)
    say (ERROR, "podman reads only files whose names end in .json; rename it");
  else if (there)
    check_podman ();
  if (hook_json_settings (json, &config, &f) != 0 || config_complete (&config, NULL, NULL, &f) != 0)
    say (ERROR, "%s", f.text);
  else
    check_timeout (&config, json_text_part (json, "hook.timeout", json_type_int));
  file = NULL;
  if (config.usable)
    {
      check_safety ("HOOK_BASE_DIR", config.base_dir);
      check_safety ("PASSWD_FILE", config.passwd_file);
    }
  if (config.usable && !nobody)
    check_user (&config);
  else if (config.usable && config.base_dir != NULL)
    check_file_system (config.base_dir);
  json_object_put (json);
}

int
admin_check (const struct config *given)
{
  struct config config = *given;
  struct failure f;

  as_root = geteuid () == 0;
  nobody = config.user == NULL && as_root;
  (void) admin_take_settings (&config,
                              config.files[0] != NULL ? config.files[0] : HOOK_JSON_INSTALLED, &f);
  bool known = admin_user (&config, &user, &f) == 0;
  if (known)
    run_trial ();
  /* As root for a user: from here on all is looked at with his rights, also what
   * podman has named, since he can have podman name anything. */
  if (!known || (user.uid != 0 && admin_become (&user, &f) != 0))
    {
      say (ERROR, "%s", f.text);
      return EX_CONFIG;
    }
  check_trial ();
  if (nobody)
    say (WARNING, "this is for root's containers; what users get is told with --user=NAME");
  /* The one that podman has by the name of the installed one, or else that. */
  const char *installed = added (HOOK_JSON_INSTALLED);
  if (config.files[0] == NULL
      && (installed != NULL || trial.error == NULL || access (HOOK_JSON_INSTALLED, F_OK) == 0))
    check_file (installed != NULL ? installed : HOOK_JSON_INSTALLED);
  for (char **path = config.files; *path != NULL; path++)
    check_file (*path);
  return worst == ERROR ? EX_CONFIG : worst == WARNING ? ADMIN_CHECK_WARNED : EX_OK;
}
