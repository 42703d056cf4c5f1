/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include "hook_json.h"
#include "instance.h"
#include "podman_trial.h"
#include "syncdir.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* podman's own limit for creating a container, in seconds: no option of podman
 * changes it. */
#define PODMAN_LIMIT 240

#define BREAKS "breaks every podman run on this node; correct it, or take the file away"

enum finding { OK, WARNING, ERROR };

static enum finding worst;

/* For whom it is checked. */
static struct identity user;
static bool nobody; /* the user is root, who has not named another */

static struct podman_trial trial;

static void say (enum finding finding, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

static void
say (enum finding finding, const char *format, ...)
{
  static const char *const names[] = { "ok", "warning", "error" };
  char text[2048];
  va_list ap;

  va_start (ap, format);
  (void) vsnprintf (text, sizeof text, format, ap);
  va_end (ap);
  (void) printf ("%-7s  %s\n", names[finding], text_clean (text));
  if (finding > worst)
    worst = finding;
}

/* ---------------------------------------------------------------- the hook JSON */

/* The program that JSON runs, "" if none. */
static const char *
program_of (json_object *json)
{
  json_object *path = hook_json_member (json, "path", json_type_string);

  return path == NULL ? "" : json_object_get_string (path);
}

/* Returns false if podman passes over the hook, without a word. */
static bool
check_program (const char *file, const char *program)
{
  struct stat st;

  if (program[0] != '/' || stat (program, &st) != 0)
    {
      say (
        ERROR,
        "%s: hook.path %s is not there, or not an absolute path; podman skips the hook without a "
        "word; install the program on this node, or correct the path",
        file, program);
      return false;
    }
  if (!S_ISREG (st.st_mode) || access (program, X_OK) != 0)
    say (
      ERROR,
      "%s: hook.path %s cannot be executed; every container that asks for the hook fails; make it "
      "a program that all users can run",
      file, program);
  else if ((st.st_mode & S_IWOTH) != 0)
    say (ERROR, "%s: hook.path %s can be changed by everybody; run chmod o-w on it", file, program);
  else
    say (OK, "%s: hook.path %s can be executed", file, program);
  return true;
}

static void
check_timeout (const char *file, const struct config *config, json_object *member)
{
  const long long limit = member == NULL ? 0 : json_object_get_int64 (member); /* 0 is none */
  const double seconds = (double) config->timeout / (double) SECOND;

  if (seconds > 0 && seconds < PODMAN_LIMIT)
    say (OK, "%s: timeout %g s is below podman's %d s", file, seconds, PODMAN_LIMIT);
  else
    say (WARNING,
         "%s: timeout %g s is not below the %d s after which podman gives up and leaves the hook "
         "behind; set HOOK_TIMEOUT to less",
         file, seconds, PODMAN_LIMIT);
  if (limit != 0 && (seconds <= 0 || seconds >= (double) limit))
    say (ERROR,
         "%s: the runtime kills the hook after hook.timeout, %lld s, before its own timeout, %g s, "
         "can "
         "say who is missing; remove the first or lower HOOK_TIMEOUT",
         file, limit, seconds);
}

/* Who else could change what the hook relies on. */
static void
check_safety (const struct config *config)
{
  const char *base = config->base_dir, *file = config->passwd_file;
  struct stat st;

  if (base != NULL && stat (base, &st) == 0 && (st.st_mode & S_ISVTX) == 0
      && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    say (
      (st.st_mode & S_IWOTH) != 0 ? ERROR : WARNING,
      "HOOK_BASE_DIR %s: %s can exchange the directories of users there; run chmod go-w or chmod "
      "+t on it",
      base, (st.st_mode & S_IWOTH) != 0 ? "everybody" : "its group");
  else if (base != NULL && stat (base, &st) == 0 && st.st_uid != 0 && st.st_uid != geteuid ())
    say (WARNING,
         "HOOK_BASE_DIR %s belongs to uid %u, who can exchange the directories of users there; it "
         "should be root's",
         base, st.st_uid);
  if (file != NULL && stat (file, &st) == 0 && S_ISREG (st.st_mode)
      && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    say (ERROR, "PASSWD_FILE %s can be written by others (mode %04o); run chmod go-w on it", file,
         st.st_mode & 07777);
}

/* ------------------------------------------------------ the user's directory */

/* The file system of DIR, and who sees it. */
static void
check_file_system (const char *dir)
{
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool local;

  if (fd < 0)
    {
      say (WARNING, "%s: which file system that is cannot be told: %s", dir, strerror (errno));
      return;
    }
  const char *name = instance_file_system (fd, &local);
  (void) close (fd);
  if (local)
    say (WARNING,
         "%s is on a local file system (%s), which other nodes do not see: only job steps on one "
         "node will be synchronised",
         dir, name);
  else
    say (name != NULL ? OK : WARNING, "%s is on %s; make sure that all nodes have it", dir,
         name != NULL ? name : "a file system that is not known here, and may be local");
}

/* By now this process is the user. */
static void
check_user_directory (const char *base)
{
  struct failure f = { 0 };
  char path[SYNCDIR_USER_MAX];

  if (syncdir_user (base, &user, path, &f) == 0)
    check_file_system (access (path, F_OK) == 0 || base == NULL ? path : base);
  int fd = syncdir_find (base, &user, &f);
  if (fd < 0 && f.status != 0)
    say (ERROR, "user %s: %s", user.name, f.text);
  else if (fd >= 0)
    say (OK, "user %s has %s/" SYNCDIR_PATH, user.name, path);
  else if (access (path, W_OK | X_OK) != 0)
    say (ERROR, "user %s cannot make %s/" SYNCDIR_PATH ": %s; make %s writable for the user",
         user.name, path, strerror (errno), path);
  else
    say (OK, "user %s can make %s/" SYNCDIR_PATH, user.name, path);
}

static void
check_user (const struct config *config)
{
  struct failure f;

  user.by_nss = false;
  if (identity_name (&user, config->passwd_file, &f) != 0)
    {
      say (ERROR, "%s", f.text);
      return;
    }
  if (config->passwd_file == NULL || user.by_nss)
    say (OK, "uid %u is user %s by this node's name service", user.uid, user.name);
  else
    say (OK, "uid %u is user %s by PASSWD_FILE %s", user.uid, user.name, config->passwd_file);
  /* As root for a user: from here on all is looked at with his rights; this
   * process ends soon. */
  if (geteuid () == 0 && user.uid != 0 && identity_become (&user, &f) != 0)
    say (ERROR, "%s", f.text);
  else
    check_user_directory (config->base_dir);
}

/* ---------------------------------------------------------------------- podman */

static bool
is_same_file (const char *one, const char *other)
{
  struct stat a, b;

  return stat (one, &a) == 0 && stat (other, &b) == 0 && a.st_dev == b.st_dev
         && a.st_ino == b.st_ino;
}

/* What podman says of all of them. */
static void
check_trial (void)
{
  if (!trial.installed)
    say (WARNING,
         "podman is not installed here: whether it takes the hook's JSON could not be found out");
  else if (trial.hook != NULL)
    say (ERROR, "the hook fails in a trial container: %s", trial.hook);
  else if (trial.count == 0 && trial.error != NULL
           && strstr (trial.error, "setting up OCI Hooks") != NULL)
    say (ERROR, "podman: %s: this " BREAKS, trial.error);
  else if (!trial.done)
    say (WARNING, "what podman does could not be found out: its trial container ended with: %s",
         trial.error);
}

/* FILE is not among the JSONs that podman has. */
static void
check_absent (const char *file)
{
  const int first = (int) strcspn (trial.dirs, ",");
  char real[PATH_MAX];

  if (first == 0)
    say (ERROR, "%s: podman does not read it, nor any other: hooks_dir in containers.conf is empty",
         file);
  else if (realpath (file, real) != NULL)
    say (ERROR,
         "%s: podman does not read it: it reads %s; make a symbolic link there: mkdir -p %.*s && "
         "ln -s %s %.*s/",
         file, trial.dirs, first, trial.dirs, real, first, trial.dirs);
}

/* What podman says of FILE. */
static void
check_podman (const char *file)
{
  size_t i = 0;

  if (!trial.installed || (!trial.done && trial.count == 0))
    return;
  while (i < trial.count && strcmp (basename (trial.jsons[i].path), basename (file)) != 0)
    i++;
  const char *path = trial.jsons[i].path, *stages = trial.jsons[i].stages;
  if (i == trial.count)
    check_absent (file);
  else if (!is_same_file (path, file))
    say (ERROR, "%s: podman reads %s in its place; remove one of the two", file, path);
  else if (stages == NULL)
    say (WARNING,
         "%s: podman reads it, but the annotation " PODMAN_TRIAL_ANNOTATION
         "=true, which users are "
         "told, does not ask for the hook: \"when\" has another condition, or \"always\": false",
         file);
  else if (stages[0] == '\0' || strchr (stages, ' ') != NULL
           || strstr ("prestart createRuntime createContainer", stages) == NULL)
    say (ERROR, "%s: the stages are [%s], but should be one, and one for this hook; write prestart",
         file, stages);
  else
    say (OK,
         "%s: podman runs the hook in stage %s for containers with the "
         "annotation " PODMAN_TRIAL_ANNOTATION "=true",
         file, stages);
}

/* ------------------------------------------------------------------------ files */

/* What podman says of FILE, and what it says nothing of. */
static void
check_file (const char *file)
{
  const size_t length = strlen (file);
  struct failure f;
  struct config config;
  json_object *json = hook_json_read (file, &f);

  if (json == NULL)
    {
      say (ERROR, "%s%s", f.text,
           f.status == EX_NOINPUT ? "; make install puts it there, or name the file"
                                  : ": this " BREAKS);
      return;
    }
  bool there = check_program (file, program_of (json));
  if (length < 5 || strcmp (file + length - 5, ".json") != 0)
    say (ERROR, "%s: podman reads only files whose names end in .json; rename it", file);
  else if (there)
    check_podman (file);
  if (hook_json_settings (json, &config, &f) != 0 || config_settle (&config, NULL, NULL, &f) != 0)
    say (ERROR, "%s: %s", file, f.text);
  else
    check_timeout (file, &config, hook_json_member (json, "timeout", json_type_int));
  if (config.usable)
    check_safety (&config);
  if (config.usable && !nobody)
    check_user (&config);
  else if (config.usable && config.base_dir != NULL)
    check_file_system (config.base_dir);
  json_object_put (json);
}

/* Whether the JSON is for this hook. */
static bool
is_ours (const char *file)
{
  struct failure unused;
  json_object *json = hook_json_read (file, &unused);
  bool ours = json != NULL && strcmp (basename (program_of (json)), "slurm_global_sync_hook") == 0;

  json_object_put (json);
  return ours;
}

/* Those that podman has, or else the installed one. */
static void
check_installed (void)
{
  const char *runs = NULL;
  bool found = false;

  for (size_t i = 0; i < trial.count; i++)
    if (is_ours (trial.jsons[i].path))
      {
        if (runs != NULL && trial.jsons[i].stages != NULL)
          say (ERROR, "%s and %s: podman runs the hook for both; remove one", runs,
               trial.jsons[i].path);
        if (trial.jsons[i].stages != NULL)
          runs = trial.jsons[i].path;
        found = true;
        check_file (trial.jsons[i].path);
      }
  if (!found && (trial.error == NULL || access (HOOK_JSON_INSTALLED, F_OK) == 0))
    check_file (HOOK_JSON_INSTALLED);
}

int
admin_check (const struct config *given)
{
  struct config config = *given;
  struct failure f;

  nobody = config.user == NULL && geteuid () == 0;
  (void) admin_take_settings (&config,
                              config.files[0] != NULL ? config.files[0] : HOOK_JSON_INSTALLED, &f);
  if (admin_user (&config, &user, &f) != 0)
    {
      say (ERROR, "%s", f.text);
      return EX_CONFIG;
    }
  podman_trial_run (&trial, &user, config.module);
  check_trial ();
  if (nobody)
    say (WARNING, "this is for root's containers; what users get is told with --user=NAME");
  if (config.files[0] == NULL)
    check_installed ();
  for (char **file = config.files; *file != NULL; file++)
    check_file (*file);
  free (trial.text);
  return worst == ERROR ? EX_CONFIG : worst == WARNING ? ADMIN_CHECK_WARNED : EX_OK;
}
