/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_check.h"

#include "admin_users.h"
#include "failure.h"
#include "hook_json.h"
#include "identity.h"
#include "instance.h"
#include "podman_trial.h"
#include "syncdir.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

/* podman's own limit for creating a container, in seconds: no option of podman
 * changes it. */
#define PODMAN_LIMIT 240

/* linux/fuse.h does not have it; linux/magic.h does where it is new enough. */
#define FUSE_MAGIC 0x65735546

#define BREAKS "breaks every podman run on this node; correct it, or take the file away"

enum finding {
  OK,
  WARNING,
  ERROR
};

static enum finding worst;

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

/* The member NAME of OBJECT if it is of TYPE, else NULL. */
static json_object *
member_of (json_object *object, const char *name, json_type type)
{
  json_object *member = NULL;

  if (object != NULL)
    (void) json_object_object_get_ex (object, name, &member);
  return json_object_is_type (member, type) ? member : NULL;
}

/* Returns false if podman passes over the hook, without a word. */
static bool
check_program (const char *file, json_object *hook)
{
  json_object *path = member_of (hook, "path", json_type_string);
  const char *program = path == NULL ? "" : json_object_get_string (path);
  struct stat st;

  if (program[0] != '/' || stat (program, &st) != 0)
    {
      say (ERROR, "%s: hook.path %s is not there%s; podman skips the hook without a word; install the "
                  "program on this node, or correct the path",
           file, program, program[0] == '/' ? "" : ", or not an absolute path");
      return false;
    }
  if (!S_ISREG (st.st_mode) || access (program, X_OK) != 0)
    say (ERROR, "%s: hook.path %s cannot be executed; every container that asks for the hook fails; make "
                "it a program that all users can run",
         file, program);
  else if ((st.st_mode & S_IWOTH) != 0)
    say (ERROR, "%s: hook.path %s can be changed by everybody; run chmod o-w on it", file, program);
  else
    say (OK, "%s: hook.path %s can be executed", file, program);
  return true;
}

static void
check_timeout (const char *file, json_object *json, json_object *hook)
{
  json_object *member = member_of (hook, "timeout", json_type_int);
  long long limit = member == NULL ? 0 : json_object_get_int64 (member); /* 0 is none */
  struct config config = {
    .base_dir = hook_json_setting (json, "base-dir", "HOOK_BASE_DIR"),
    .passwd_file = hook_json_setting (json, "passwd-file", "PASSWD_FILE"),
    .timeout_text = hook_json_setting (json, "timeout", "HOOK_TIMEOUT"),
    .log_level_text = hook_json_setting (json, "log-level", "HOOK_LOG_LEVEL"),
  };
  struct failure f;

  if (config_complete (&config, NULL, NULL, &f) != 0)
    {
      say (ERROR, "%s: %s", file, f.text);
      return;
    }
  double seconds = (double) config.timeout / (double) SECOND;
  if (config.timeout == 0 || seconds >= PODMAN_LIMIT)
    say (WARNING, "%s: timeout %g s is not below the %d s after which podman gives up and leaves the "
                  "hook behind; set HOOK_TIMEOUT to less",
         file, seconds, PODMAN_LIMIT);
  else
    say (OK, "%s: timeout %g s is below podman's %d s", file, seconds, PODMAN_LIMIT);
  if (limit != 0 && (config.timeout == 0 || seconds >= (double) limit))
    say (ERROR, "%s: the runtime kills the hook after hook.timeout, %lld s, before its own timeout, "
                "%g s, can say who is missing; remove the first or lower HOOK_TIMEOUT",
         file, limit, seconds);
}

/* The file system of DIR, who sees it, and whether it has room. */
static void
check_file_system (const char *dir)
{
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct statfs st;
  bool local;

  if (fd < 0 || fstatfs (fd, &st) != 0)
    {
      say (WARNING, "%s: which file system that is cannot be told: %s", dir, strerror (errno));
      if (fd >= 0)
        (void) close (fd);
      return;
    }
  const char *name = instance_file_system (fd, &local);
  (void) close (fd);
  if (local)
    say (WARNING, "%s is on a local file system (%s), which other nodes do not see: only job steps on "
                  "one node will be synchronised",
         dir, name);
  else if (name != NULL)
    say (OK, "%s is on %s; make sure that all nodes have it", dir, name);
  else
    say (WARNING, "%s is on a file system of type 0x%lx%s, which may be local or not; make sure that "
                  "all nodes share it",
         dir, (unsigned long) st.f_type, st.f_type == FUSE_MAGIC ? " (FUSE)" : "");
  if ((st.f_blocks > 0 && st.f_bavail == 0) || (st.f_files > 0 && st.f_ffree == 0))
    say (ERROR, "%s is on a file system that is full (%s); remove something", dir,
         st.f_bavail == 0 ? "no blocks left" : "no inodes left");
}

/* By now this process is the user. */
static void
check_user_directory (const char *base, const struct identity *user)
{
  struct failure f = { 0 };
  char path[SYNCDIR_USER_MAX];

  if (syncdir_user (base, user, path, &f) == 0 && (base != NULL || access (path, F_OK) == 0))
    check_file_system (access (path, F_OK) == 0 ? path : base);
  int fd = syncdir_find (base, user, &f);
  if (fd < 0 && f.status != 0)
    say (ERROR, "user %s: %s", user->name, f.text);
  else if (fd >= 0)
    {
      (void) close (fd);
      say (OK, "user %s has %s/" SYNCDIR_PATH, user->name, path);
    }
  else if (access (path, W_OK | X_OK) != 0)
    say (ERROR, "user %s cannot make %s/" SYNCDIR_PATH ": %s; make %s writable for the user",
         user->name, path, strerror (errno), path);
  else
    say (OK, "user %s can make %s/" SYNCDIR_PATH, user->name, path);
}

/* Whether it is there; and who else could exchange what is in it. */
static bool
check_base (const char *file, const char *dir)
{
  struct stat st;

  if (stat (dir, &st) != 0 || !S_ISDIR (st.st_mode))
    {
      say (ERROR, "%s: HOOK_BASE_DIR %s is not a directory of this node; mount or make it, or correct "
                  "hook.env",
           file, dir);
      return false;
    }
  if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0)
    say (ERROR, "HOOK_BASE_DIR %s: everybody can remove the directories of users there; run chmod o-w "
                "or chmod +t on it",
         dir);
  else if ((st.st_mode & S_IWGRP) != 0 && (st.st_mode & S_ISVTX) == 0)
    say (WARNING, "HOOK_BASE_DIR %s: its group can exchange the directories of users there; run chmod "
                  "g-w or chmod +t on it",
         dir);
  else if (st.st_uid != 0 && st.st_uid != geteuid ())
    say (WARNING, "HOOK_BASE_DIR %s belongs to uid %u, who can remove the directories of users there; "
                  "it should be root's",
         dir, st.st_uid);
  return true;
}

/* Whether it can be read; and who else could write it. */
static bool
check_passwd_file (const char *file, const char *path)
{
  struct stat st;

  if (access (path, R_OK) != 0 || stat (path, &st) != 0)
    {
      say (ERROR, "%s: PASSWD_FILE %s: %s; all users must be able to read it", file, path,
           strerror (errno));
      return false;
    }
  if (S_ISREG (st.st_mode) && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    say (ERROR, "PASSWD_FILE %s can be written by others (mode %04o); run chmod go-w on it", path,
         st.st_mode & 07777);
  return true;
}

/* The user's name, and whether the settings BASE and PASSWD_FILE are needed to
 * find it and his directory. */
static bool
check_name (struct identity *user, const char *base, const char *passwd_file)
{
  struct identity plain = *user;
  struct failure f;
  char with[SYNCDIR_USER_MAX];

  if (identity_name (user, passwd_file, &f) != 0)
    {
      say (ERROR, "%s", f.text);
      return false;
    }
  say (OK, "uid %u is user %s by %s%s", user->uid, user->name,
       passwd_file == NULL || user->by_nss ? "this node's name service" : "PASSWD_FILE ",
       passwd_file == NULL || user->by_nss ? "" : passwd_file);
  if (passwd_file != NULL && identity_name (&plain, NULL, &f) == 0
      && strcmp (plain.name, user->name) == 0 && strcmp (plain.home, user->home) == 0)
    say (OK, "PASSWD_FILE is not needed for user %s: this node's name service says the same", user->name);
  if (base != NULL && syncdir_user (base, user, with, &f) == 0 && strcmp (with, user->home) == 0)
    say (OK, "HOOK_BASE_DIR is not needed for user %s: it leads to his home", user->name);
  return true;
}

/* As root for a user: from here on all is looked at with his rights; this
 * process ends soon. */
static int
become (const struct identity *user)
{
  struct failure f;

  if (geteuid () != 0 || user->uid == 0 || identity_become (user, &f) == 0)
    return 0;
  say (ERROR, "%s", f.text);
  return -1;
}

/* NOBODY: the user is root, who has not named another. */
static void
check_settings (const char *file, json_object *json, const struct identity *given, bool nobody)
{
  const char *base = hook_json_setting (json, "base-dir", "HOOK_BASE_DIR");
  const char *passwd_file = hook_json_setting (json, "passwd-file", "PASSWD_FILE");
  struct identity user = *given;

  if ((base != NULL && (base[0] != '/' || !check_base (file, base)))
      || (passwd_file != NULL && (passwd_file[0] != '/' || !check_passwd_file (file, passwd_file))))
    return;
  if (nobody && base != NULL)
    check_file_system (base);
  else if (!nobody && check_name (&user, base, passwd_file) && become (&user) == 0)
    check_user_directory (base, &user);
}

/* ---------------------------------------------------------------------- podman */

static bool
is_same_file (const char *one, const char *other)
{
  struct stat a, b;

  return stat (one, &a) == 0 && stat (other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static const char *
name_of (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash == NULL ? path : slash + 1;
}

/* What podman says of all of them. */
static void
check_trial (const struct podman_trial *trial)
{
  if (!trial->installed)
    say (WARNING, "podman is not installed here: whether it takes the hook's JSON could not be found out; "
                  "for Sarus that belongs into the directory hooksDir of sarus.json");
  else if (trial->hook[0] != '\0')
    say (ERROR, "the hook fails in a trial container: %s", trial->hook);
  else if (trial->count == 0 && strstr (trial->error, "setting up OCI Hooks") != NULL)
    say (ERROR, "podman: %s: this " BREAKS, trial->error);
  else if (!trial->done)
    say (WARNING, "what podman does could not be found out: its trial container ended with: %s",
         trial->error);
}

/* FILE is not among the JSONs that podman has. */
static void
check_absent (const struct podman_trial *trial, const char *file, bool other)
{
  int first = (int) strcspn (trial->dirs, ",");
  char real[PATH_MAX];

  if (realpath (file, real) == NULL)
    return;
  if (first == 0)
    say (ERROR, "%s: podman does not read it, nor any other: hooks_dir in containers.conf is empty", file);
  else
    say (other ? WARNING : ERROR, "%s: podman does not read it: it reads %s; make a symbolic link there: "
                                  "mkdir -p %.*s && ln -s %s %.*s/",
         file, trial->dirs, first, trial->dirs, real, first, trial->dirs);
}

static void
check_stages (const char *file, const char *stages)
{
  if (stages[0] == '\0')
    say (ERROR, "%s: \"stages\" is empty: the hook never runs; write prestart into it", file);
  else if (strchr (stages, ' ') != NULL)
    say (ERROR, "%s: the hook runs in each of these stages: %s; leave one, prestart", file, stages);
  else if (strstr ("prestart createRuntime createContainer", stages) == NULL)
    say (ERROR, "%s: stage %s is not one for this hook; use prestart", file, stages);
  else if (strcmp (stages, "createContainer") == 0)
    say (WARNING, "%s: stage createContainer does not work with --userns=auto and nomap; prestart does",
         file);
  else
    say (OK, "%s: podman runs the hook in stage %s for containers with the annotation "
         PODMAN_TRIAL_ANNOTATION "=true", file, stages);
}

/* What podman says of FILE.  OTHER: it has another one that runs the hook. */
static void
check_podman (const struct podman_trial *trial, const char *file, bool other)
{
  if (!trial->installed || (!trial->done && trial->count == 0))
    return;
  for (size_t i = 0; i < trial->count; i++)
    {
      const struct podman_trial_json *json = &trial->jsons[i];
      if (strcmp (name_of (json->path), name_of (file)) != 0)
        continue;
      if (!is_same_file (json->path, file))
        say (ERROR, "%s: podman reads %s in its place; remove one of the two", file, json->path);
      else if (!json->matched)
        say (WARNING, "%s: podman reads it, but the annotation " PODMAN_TRIAL_ANNOTATION "=true, which the "
                      "documentation tells users, does not ask for the hook: \"when\" has another "
                      "condition, or \"always\": false",
             file);
      else
        check_stages (file, json->stages);
      return;
    }
  check_absent (trial, file, other);
}

/* ------------------------------------------------------------------------ files */

/* What podman says of FILE, and what it says nothing of. */
static void
check_file (const char *file, const struct podman_trial *trial, bool other,
            const struct identity *user, bool nobody)
{
  size_t length = strlen (file);
  struct failure f;
  json_object *json = hook_json_read (file, &f);

  if (json == NULL && f.status == EX_NOINPUT)
    say (ERROR, "%s; make install puts it there, or name the file", f.text);
  else if (json == NULL)
    say (ERROR, "%s: this " BREAKS, f.text);
  if (json == NULL)
    return;
  json_object *hook = member_of (json, "hook", json_type_object);
  bool there = check_program (file, hook);
  if (length < 5 || strcmp (file + length - 5, ".json") != 0)
    say (ERROR, "%s: podman reads only files whose names end in .json; rename it", file);
  else if (there)
    check_podman (trial, file, other);
  check_timeout (file, json, hook);
  check_settings (file, json, user, nobody);
  json_object_put (json);
}

/* Whether the JSON is for this hook. */
static bool
is_ours (const struct podman_trial_json *json)
{
  struct failure unused;
  json_object *text = hook_json_read (json->path, &unused);
  json_object *path = member_of (member_of (text, "hook", json_type_object), "path", json_type_string);
  bool ours = path != NULL
              && strcmp (name_of (json_object_get_string (path)), "slurm_global_sync_hook") == 0;

  json_object_put (text);
  return ours;
}

/* syslog(3) takes the one that is there, too. */
static int
open_syslog (int type)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
  int fd = socket (AF_UNIX, type | SOCK_CLOEXEC, 0);

  if (fd < 0 || connect (fd, (const struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  int error = errno;
  (void) close (fd);
  errno = error;
  return -1;
}

static void
check_syslog (void)
{
  int fd = open_syslog (SOCK_DGRAM);

  if (fd < 0 && errno == EPROTOTYPE)
    fd = open_syslog (SOCK_STREAM);
  if (fd >= 0)
    say (OK, "syslog can be reached: journalctl -t slurm_global_sync_hook shows the messages");
  else
    say (WARNING, "/dev/log: %s: with crun the hook's messages are lost then; start a system log "
                  "(systemd-journald, rsyslog)",
         strerror (errno));
  if (fd >= 0)
    (void) close (fd);
}

/* Those that podman uses, and the installed one. */
static void
check_installed (const struct podman_trial *trial, const struct identity *user, bool nobody)
{
  const char *first = NULL;
  bool ours = false, installed = false;

  for (size_t i = 0; i < trial->count; i++)
    if (is_ours (&trial->jsons[i]))
      {
        const char *path = trial->jsons[i].path;
        if (first != NULL && trial->jsons[i].matched)
          say (ERROR, "%s and %s: podman runs the hook for both; remove one", first, path);
        if (trial->jsons[i].matched)
          first = path;
        ours = true;
        installed = installed || is_same_file (path, HOOK_JSON_INSTALLED);
        check_file (path, trial, false, user, nobody);
      }
  bool there = access (HOOK_JSON_INSTALLED, F_OK) == 0;
  if (!installed && (there || (!ours && trial->error[0] == '\0')))
    check_file (HOOK_JSON_INSTALLED, trial, first != NULL, user, nobody);
}

/* The calling user, or as root that of --user. */
static int
find_user (const struct config *config, struct identity *user)
{
  const char *file = config->files[0] != NULL ? config->files[0] : HOOK_JSON_INSTALLED;
  struct failure unused;
  json_object *json = hook_json_read (file, &unused);
  const struct config hook
    = { .passwd_file = json != NULL ? hook_json_setting (json, "passwd-file", "PASSWD_FILE") : NULL };
  bool found = config->user != NULL && admin_find_user (&hook, config->user, user);

  json_object_put (json);

  if (config->user == NULL)
    *user = (struct identity){ .uid = geteuid (), .gid = getegid (), .host_uid = geteuid () };
  if (config->user == NULL || (found && (geteuid () == 0 || user->uid == geteuid ())))
    return 0;
  if (geteuid () == 0)
    say (ERROR, "user %s is not known to this node, nor in PASSWD_FILE", config->user);
  else
    say (ERROR, "user %s is not the caller; only root can check for others", config->user);
  return -1;
}

int
admin_check (const struct config *config)
{
  static struct podman_trial trial;
  struct identity user;
  bool nobody = config->user == NULL && geteuid () == 0;

  worst = OK;
  check_syslog ();
  if (find_user (config, &user) == 0)
    {
      podman_trial_run (&trial, &user, config->module);
      check_trial (&trial);
      if (nobody)
        say (WARNING, "this is for root's containers; what users get, and what their podman reads, is told "
                      "with --user=NAME");
      if (config->files[0] == NULL)
        check_installed (&trial, &user, nobody);
      for (char **file = config->files; *file != NULL; file++)
        check_file (*file, &trial, false, &user, nobody);
    }
  if (fflush (stdout) != 0)
    return EX_IOERR;
  return worst == ERROR ? EX_CONFIG : worst == WARNING ? ADMIN_CHECK_WARNED : EX_OK;
}
