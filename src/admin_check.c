/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include "hook_json.h"
#include "instance.h"
#include "podman_trial.h"
#include "syncdir.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
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

#define BREAKS "this breaks every podman run on this node; correct it, or take the file away"

#define ANNOTATION "the annotation " PODMAN_TRIAL_ANNOTATION "=true"

enum finding { OK, WARNING, ERROR };

static enum finding worst;

static const char *file; /* the hook JSON that is looked at; NULL: something else */

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
  char text[8192];
  int n = file == NULL ? 0 : snprintf (text, sizeof text, "%.4096s: ", file);
  va_list ap;

  va_start (ap, format);
  (void) vsnprintf (text + n, sizeof text - (size_t) n, format, ap);
  va_end (ap);
  (void) printf ("%-7s  %s\n", names[finding], text_clean (text));
  worst = finding > worst ? finding : worst;
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
check_program (const char *program)
{
  struct stat st;
  bool there = program[0] == '/' && stat (program, &st) == 0;

  if (!there)
    say (
      ERROR,
      "hook.path %s is not there, or not absolute: podman skips the hook without a word; install "
      "the program on this node, or correct the path",
      program);
  else if (!S_ISREG (st.st_mode) || access (program, X_OK) != 0)
    say (ERROR,
         "hook.path %s cannot be executed: every container that asks for the hook fails; make it a "
         "program that all users can run",
         program);
  else if ((st.st_mode & S_IWOTH) != 0)
    say (ERROR, "hook.path %s can be changed by everybody; run chmod o-w on it", program);
  else
    say (OK, "hook.path %s can be executed", program);
  return there;
}

static void
check_timeout (const struct config *config, json_object *member)
{
  const long long limit = member == NULL ? 0 : json_object_get_int64 (member); /* 0 is none */
  const double seconds = (double) config->timeout / (double) SECOND;

  if (seconds > 0 && seconds < PODMAN_LIMIT)
    say (OK, "timeout %g s is below podman's %d s", seconds, PODMAN_LIMIT);
  else
    say (
      WARNING,
      "timeout %g s is not below the %d s after which podman gives up and leaves the hook behind; "
      "set HOOK_TIMEOUT to less",
      seconds, PODMAN_LIMIT);
  if (limit != 0 && (seconds <= 0 || seconds >= (double) limit))
    say (
      ERROR,
      "hook.timeout, %lld s, lets the runtime kill the hook before its own timeout, %g s, can say "
      "who is missing; remove the first or lower HOOK_TIMEOUT",
      limit, seconds);
}

/* -------------------------------------------------------------------- the user */

/* Who else could change what the hook relies on. */
static void
check_safety (const char *base, const char *passwd_file)
{
  const mode_t others = S_IWGRP | S_IWOTH;
  struct stat st;

  if (base != NULL && stat (base, &st) == 0 && (st.st_mode & others) != 0
      && (st.st_mode & S_ISVTX) == 0)
    say (
      (st.st_mode & S_IWOTH) != 0 ? ERROR : WARNING,
      "HOOK_BASE_DIR %s: %s can exchange the users' directories; run chmod go-w or chmod +t on it",
      base, (st.st_mode & S_IWOTH) != 0 ? "everybody" : "its group");
  else if (base != NULL && stat (base, &st) == 0 && st.st_uid != 0 && st.st_uid != geteuid ())
    say (WARNING, "HOOK_BASE_DIR %s: uid %u can exchange the users' directories; let it be root's",
         base, st.st_uid);
  if (passwd_file != NULL && stat (passwd_file, &st) == 0 && S_ISREG (st.st_mode)
      && (st.st_mode & others) != 0)
    say (ERROR, "PASSWD_FILE %s can be written by others (mode %04o); run chmod go-w on it",
         passwd_file, st.st_mode & 07777);
}

/* The file system of DIR, and who sees it. */
static void
check_file_system (const char *dir)
{
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool local = false;
  const char *name = fd < 0 ? NULL : instance_file_system (fd, &local);

  if (fd < 0)
    say (WARNING, "%s: which file system that is cannot be told: %s", dir, strerror (errno));
  else if (local)
    say (WARNING,
         "%s is on a local file system (%s), which other nodes do not see: only job steps on one "
         "node will be synchronised",
         dir, name);
  else
    say (name != NULL ? OK : WARNING, "%s is on %s; make sure that all nodes have it", dir,
         name != NULL ? name : "a file system that is not known here, and may be local");
  (void) close (fd);
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
  else if (fd < 0 && access (path, W_OK | X_OK) != 0)
    say (ERROR, "user %s cannot make %s/" SYNCDIR_PATH ": %s; make %s writable for the user",
         user.name, path, strerror (errno), path);
  else
    say (OK, "user %s %s %s/" SYNCDIR_PATH, user.name, fd < 0 ? "can make" : "has", path);
  if (fd >= 0)
    (void) close (fd);
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
  bool by_file = config->passwd_file != NULL && !user.by_nss;
  say (OK, "uid %u is user %s by %s%s", user.uid, user.name,
       by_file ? "PASSWD_FILE " : "this node's name service", by_file ? config->passwd_file : "");
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
    say (WARNING, "podman is not installed here: whether it takes the JSON could not be found out");
  else if (trial.hook != NULL)
    say (ERROR, "the hook fails in a trial container: %s", trial.hook);
  else if (!trial.done && trial.count == 0 && strstr (trial.error, "OCI Hooks") != NULL)
    say (ERROR, "podman: %s: " BREAKS, trial.error);
  else if (!trial.done)
    say (WARNING, "what podman does could not be found out: its trial container ended with: %s",
         trial.error);
}

/* What podman says of the file. */
static void
check_podman (void)
{
  const int first = (int) strcspn (trial.dirs, ",");
  char real[PATH_MAX];
  size_t i = 0;

  if (!trial.installed || (!trial.done && trial.count == 0))
    return;
  while (i < trial.count && strcmp (basename (trial.jsons[i].path), basename (file)) != 0)
    i++;
  const char *path = trial.jsons[i].path, *stages = trial.jsons[i].stages;
  if (i == trial.count && first == 0)
    say (ERROR, "podman does not read it, nor any other: hooks_dir in containers.conf is empty");
  else if (i == trial.count)
    say (
      ERROR,
      "podman does not read it: it reads %s; make a symbolic link there: mkdir -p %.*s && ln -s %s "
      "%.*s/",
      trial.dirs, first, trial.dirs, realpath (file, real), first, trial.dirs);
  else if (!is_same_file (path, file))
    say (ERROR, "podman reads %s in its place; remove one of the two", path);
  else if (stages == NULL)
    say (WARNING,
         "podman reads it, but " ANNOTATION ", which users are told, does not ask for the hook: "
         "\"when\" has another condition, or \"always\": false");
  else if (stages[0] == '\0' || strchr (stages, ' ') != NULL
           || strstr ("prestart createRuntime createContainer", stages) == NULL)
    say (ERROR, "the stages are [%s], but should be one, and one for this hook; write prestart",
         stages);
  else
    say (OK, "podman runs the hook in stage %s for containers with " ANNOTATION, stages);
}

/* ------------------------------------------------------------------------ files */

/* What podman says of the file, and what it says nothing of. */
static void
check_json (json_object *json)
{
  const size_t length = strlen (file);
  struct failure f;
  struct config config;
  bool there = check_program (program_of (json));

  if (length < 5 || strcmp (file + length - 5, ".json") != 0)
    say (ERROR, "podman reads only files whose names end in .json; rename it");
  else if (there)
    check_podman ();
  if (hook_json_settings (json, &config, &f) != 0 || config_settle (&config, NULL, NULL, &f) != 0)
    say (ERROR, "%s", f.text);
  else
    check_timeout (&config, hook_json_member (json, "timeout", json_type_int));
  file = NULL;
  if (config.usable)
    check_safety (config.base_dir, config.passwd_file);
  if (config.usable && !nobody)
    check_user (&config);
  else if (config.usable && config.base_dir != NULL)
    check_file_system (config.base_dir);
}

static void
check_file (const char *path)
{
  struct failure f;
  json_object *json = hook_json_read (path, &f);

  file = path;
  if (json != NULL)
    check_json (json);
  file = NULL;
  if (json == NULL && f.status == EX_NOINPUT)
    say (ERROR, "%s; make install puts it there, or name the file", f.text);
  else if (json == NULL)
    say (ERROR, "%s: " BREAKS, f.text);
  json_object_put (json);
}

/* Whether the JSON is for this hook. */
static bool
is_ours (const char *path)
{
  struct failure unused;
  json_object *json = hook_json_read (path, &unused);
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
  for (char **path = config.files; *path != NULL; path++)
    check_file (*path);
  free (trial.text);
  return worst == ERROR ? EX_CONFIG : worst == WARNING ? ADMIN_CHECK_WARNED : EX_OK;
}
