/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_check.h"

#include "admin_users.h"
#include "failure.h"
#include "hook_json.h"
#include "identity.h"
#include "instance.h"
#include "podman_conf.h"
#include "syncdir.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <json-c/json.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <regex.h>
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

/* What asks for the hook in the shipped JSON, and what users are told. */
#define ANNOTATION "com.hooks.slurm-global-sync.enabled"

#define BREAKS "breaks every podman run on this node; correct it, or take the file away"

/* More arguments than this no hook has. */
#define ARGUMENTS_MAX 32

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

static void
check_program (const char *file, json_object *hook)
{
  json_object *path = member_of (hook, "path", json_type_string);
  const char *program = path == NULL ? "" : json_object_get_string (path);
  struct stat st;

  if (program[0] == '\0')
    say (ERROR, "%s: \"hook\" has no \"path\": " BREAKS, file);
  else if (program[0] != '/')
    say (ERROR, "%s: hook.path \"%s\" is not an absolute path; podman skips the hook without a word",
         file, program);
  else if (stat (program, &st) != 0 && errno == ENOENT)
    say (ERROR, "%s: hook.path %s is not there; podman skips the hook without a word; install the "
                "program on this node, or correct the path",
         file, program);
  else if (access (program, X_OK) != 0)
    say (ERROR, "%s: hook.path %s: %s; every container that asks for the hook fails; make it a "
                "program that all users can run",
         file, program, strerror (errno));
  else if (!S_ISREG (st.st_mode))
    say (ERROR, "%s: hook.path %s is not a program; every container that asks for the hook fails",
         file, program);
  else if ((st.st_mode & S_IWOTH) != 0)
    say (ERROR, "%s: hook.path %s can be changed by everybody; run chmod o-w on it", file, program);
  else
    say (OK, "%s: hook.path %s can be executed", file, program);
}

static void
check_stage (const char *file, const char *stage)
{
  static const char *const good[] = { "prestart", "createRuntime", "createContainer" };
  size_t k = 0;

  while (k < 3 && strcmp (stage, good[k]) != 0)
    k++;
  if (k == 3)
    say (ERROR, "%s: stage %s is not one for this hook, and one that podman does not know breaks "
                "every podman run on this node; use prestart",
         file, stage);
  else if (k == 2)
    say (WARNING, "%s: stage createContainer does not work with --userns=auto and nomap; prestart "
                  "does",
         file);
  else
    say (OK, "%s: stage %s", file, stage);
}

static void
check_stages (const char *file, json_object *json)
{
  json_object *stages = member_of (json, "stages", json_type_array);
  size_t count = stages == NULL ? 0 : (size_t) json_object_array_length (stages);

  if (stages == NULL)
    say (ERROR, "%s: \"stages\" is missing or no list: " BREAKS, file);
  else if (count == 0)
    say (ERROR, "%s: \"stages\" is empty: the hook never runs; write prestart into it", file);
  else if (count > 1)
    say (ERROR, "%s: \"stages\" has %zu entries: the hook runs as often; leave one, prestart", file,
         count);
  for (size_t i = 0; i < count; i++)
    {
      json_object *entry = json_object_array_get_idx (stages, i);
      if (json_object_is_type (entry, json_type_string))
        check_stage (file, json_object_get_string (entry));
      else
        say (ERROR, "%s: \"stages\" is not a list of strings: " BREAKS, file);
    }
}

/* Whether the regular expression PATTERN matches TEXT; -1 if it is none.  Go's
 * are not POSIX's, but what is broken here is broken there, too, and simple ones
 * mean the same. */
static int
matches (const char *pattern, const char *text)
{
  regex_t expression;

  if (regcomp (&expression, pattern, REG_EXTENDED | REG_NOSUB) != 0)
    return -1;
  int result = regexec (&expression, text, 0, NULL, 0) == 0 ? 1 : 0;
  regfree (&expression);
  return result;
}

/* One condition on annotations. */
static void
check_annotation (const char *file, const char *key, json_object *value)
{
  const char *text = json_object_is_type (value, json_type_string) ? json_object_get_string (value)
                                                                   : NULL;

  if (text == NULL)
    {
      say (ERROR, "%s: the condition for annotation \"%s\" is not a string: " BREAKS, file, key);
      return;
    }
  int keys = matches (key, ANNOTATION), values = matches (text, "true");
  if (keys < 0 || values < 0)
    say (ERROR, "%s: \"%s\" is not a regular expression: " BREAKS, file, keys < 0 ? key : text);
  else if (keys == 1 && values == 1)
    say (OK, "%s: containers with the annotation " ANNOTATION "=true get the hook", file);
  else
    say (WARNING, "%s: the annotation " ANNOTATION "=true, which the documentation tells users, does "
                  "not ask for the hook, but one that matches \"%s\" and \"%s\"; tell them, or "
                  "correct \"when\"",
         file, key, text);
}

/* All conditions must be met; with none the hook never runs. */
static void
check_when (const char *file, json_object *json)
{
  json_object *when = member_of (json, "when", json_type_object), *always = NULL, *annotations = NULL;
  json_object *version = member_of (json, "version", json_type_string);

  if (version == NULL || strcmp (json_object_get_string (version), "1.0.0") != 0)
    say (ERROR, "%s: \"version\" is not \"1.0.0\": " BREAKS, file);
  if (when != NULL)
    {
      (void) json_object_object_get_ex (when, "always", &always);
      (void) json_object_object_get_ex (when, "annotations", &annotations);
    }
  if (when == NULL || json_object_object_length (when) == 0)
    say (ERROR, "%s: \"when\" is missing or empty: the hook never runs; take it from the installed "
                "JSON",
         file);
  else if ((always != NULL && !json_object_is_type (always, json_type_boolean))
           || (annotations != NULL && !json_object_is_type (annotations, json_type_object)))
    say (ERROR, "%s: \"always\" must be true or false, and \"annotations\" an object: " BREAKS, file);
  else if (always != NULL && !json_object_get_boolean (always))
    say (WARNING, "%s: \"when\" has \"always\": false: the hook is switched off on this node", file);
  else if (annotations == NULL || json_object_object_length (annotations) == 0)
    say (WARNING, "%s: \"when\" has no \"annotations\": %s", file,
         always != NULL ? "the hook runs in every container of this node"
                        : "users cannot ask for the hook");
  else
    {
      json_object_object_foreach (annotations, key, value)
      {
        check_annotation (file, key, value);
      }
    }
}

/* hook.args as the hook will read them, and the types of what else it has. */
static void
check_arguments (const char *file, json_object *hook)
{
  static const char *const lists[] = { "args", "env" };
  char *argv[ARGUMENTS_MAX + 1] = { NULL };
  json_object *timeout = NULL;
  struct config config;
  struct failure f;
  int argc = 0;

  for (size_t i = 0; i < 2; i++)
    {
      json_object *list = NULL;
      if (hook == NULL || !json_object_object_get_ex (hook, lists[i], &list))
        continue;
      size_t count = json_object_is_type (list, json_type_array)
                       ? (size_t) json_object_array_length (list)
                       : 0;
      bool strings = count > 0 || json_object_is_type (list, json_type_array);
      for (size_t k = 0; k < count; k++)
        {
          json_object *entry = json_object_array_get_idx (list, k);
          strings = strings && json_object_is_type (entry, json_type_string);
          if (i == 0 && argc < ARGUMENTS_MAX && json_object_is_type (entry, json_type_string))
            argv[argc++] = strdup (json_object_get_string (entry));
        }
      if (!strings)
        say (ERROR, "%s: hook.%s is not a list of strings: " BREAKS, file, lists[i]);
    }
  optind = 0; /* getopt_long(3) starts anew */
  if (argc > 0 && (config_read (&config, argc, argv, &f) != 0 || config.mode != CONFIG_HOOK))
    say (ERROR, "%s: hook.args: %s", file, config.mode == CONFIG_HOOK ? f.text : "not the hook's");
  while (argc > 0)
    free (argv[--argc]);
  if (hook != NULL && json_object_object_get_ex (hook, "timeout", &timeout)
      && !json_object_is_type (timeout, json_type_int))
    say (ERROR, "%s: hook.timeout is not a whole number: " BREAKS, file);
}

static void
check_timeout (const char *file, json_object *json, json_object *hook)
{
  json_object *member = member_of (hook, "timeout", json_type_int);
  long long limit = member == NULL ? 0 : json_object_get_int64 (member); /* 0 is none */
  struct config config = {
    .base_dir = "/",
    .passwd_file = "/",
    .timeout_text = hook_json_setting (json, "timeout", "HOOK_TIMEOUT"),
    .log_level_text = hook_json_setting (json, "log-level", "HOOK_LOG_LEVEL"),
  };
  struct failure f;

  if (config_settle (&config, NULL, NULL, &f) != 0)
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

/* Whether there is a program NAME in $PATH. */
static bool
is_installed (const char *name)
{
  const char *path = getenv ("PATH");
  char program[PATH_MAX];

  for (const char *dir = path == NULL ? "/usr/bin" : path; dir != NULL; dir = strchr (dir, ':'))
    {
      dir += *dir == ':' ? 1 : 0;
      (void) snprintf (program, sizeof program, "%.*s/%s", (int) strcspn (dir, ":"), dir, name);
      if (access (program, X_OK) == 0)
        return true;
    }
  return false;
}

/* podman reads FILE if its directory is one of podman's, or if one of those has
 * a file of the same name that leads to it. */
static void
check_podman_reads (const char *file)
{
  char dirs[PODMAN_CONF_MAX][PATH_MAX], real[PATH_MAX], other[PATH_MAX], copy[PATH_MAX], path[PATH_MAX];
  const char *source;
  size_t count = podman_conf_hooks_dirs (dirs, &source);
  bool found = false;

  if (realpath (file, real) == NULL)
    return;
  (void) snprintf (copy, sizeof copy, "%s", file);
  const char *name = basename (copy);
  /* Of several files of one name podman takes that of the last directory. */
  for (size_t i = count; i > 0 && !found; i--)
    {
      if ((size_t) snprintf (path, sizeof path, "%s/%s", dirs[i - 1], name) >= sizeof path
          || realpath (path, other) == NULL)
        continue;
      found = true;
      if (strcmp (real, other) == 0)
        say (OK, "%s: podman reads it in %s (%s)", file, dirs[i - 1], source);
      else
        say (ERROR, "%s: podman reads %s in its place (%s); remove one of the two", file, path, source);
    }
  if (!found && !is_installed ("podman"))
    say (WARNING, "%s: podman is not installed here, and would not read it; for Sarus it belongs into "
                  "the directory hooksDir of sarus.json",
         file);
  else if (!found && count == 0)
    say (ERROR, "%s: podman does not read it: by %s it reads no directory; add this file's to hooks_dir",
         file, source);
  else if (!found)
    say (ERROR, "%s: podman does not read it: by %s it reads %s%s; make a symbolic link there: "
                "mkdir -p %s && ln -s %s %s/",
         file, source, dirs[0], count > 1 ? " and others" : "", dirs[0], real, dirs[0]);
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
  char path[PATH_MAX];
  int fd = syncdir_find (base, user, &f);

  (void) snprintf (path, sizeof path, "%s/%s", base, user->name);
  check_file_system (access (path, F_OK) == 0 ? path : base);
  if (fd >= 0)
    {
      (void) close (fd);
      say (OK, "user %s has %s/" SYNCDIR_PATH, user->name, path);
    }
  else if (f.status != 0)
    say (ERROR, "user %s: %s", user->name, f.text);
  else if (access (path, W_OK | X_OK) != 0)
    say (ERROR, "user %s cannot make %s/" SYNCDIR_PATH ": %s; make %s writable for the user",
         user->name, path, strerror (errno), path);
  else
    say (OK, "user %s can make %s/" SYNCDIR_PATH, user->name, path);
}

static void
check_base (const char *file, const char **base)
{
  const char *dir = *base;
  struct stat st;

  *base = NULL;
  if (dir == NULL || dir[0] != '/')
    say (ERROR, "%s: HOOK_BASE_DIR is %s; set it in hook.env to a directory that all nodes share",
         file, dir == NULL ? "missing" : "not an absolute path");
  else if (stat (dir, &st) != 0 || !S_ISDIR (st.st_mode))
    say (ERROR, "%s: HOOK_BASE_DIR %s is not a directory of this node; mount or make it, or correct "
                "hook.env",
         file, dir);
  else
    {
      *base = dir;
      if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0)
        say (ERROR, "HOOK_BASE_DIR %s: everybody can remove the directories of users there; run chmod "
                    "o-w or chmod +t on it",
             dir);
      else if ((st.st_mode & S_IWGRP) != 0 && (st.st_mode & S_ISVTX) == 0)
        say (WARNING, "HOOK_BASE_DIR %s: its group can exchange the directories of users there; run "
                      "chmod g-w or chmod +t on it",
             dir);
      else if (st.st_uid != 0 && st.st_uid != geteuid ())
        say (WARNING, "HOOK_BASE_DIR %s belongs to uid %u, who can remove the directories of users "
                      "there; it should be root's",
             dir, st.st_uid);
    }
}

/* Whether PASSWD_FILE has a line that getpwent(3) takes. */
static bool
has_entries (const char *passwd_file)
{
  FILE *stream = fopen (passwd_file, "re");
  bool found = stream != NULL && fgetpwent (stream) != NULL;

  if (stream != NULL)
    (void) fclose (stream);
  return found;
}

static void
check_passwd_file (const char *file, const char **passwd_file)
{
  const char *path = *passwd_file;
  struct stat st;

  *passwd_file = NULL;
  if (path == NULL || path[0] != '/')
    say (ERROR, "%s: PASSWD_FILE is %s; set it in hook.env to a passwd(5) file", file,
         path == NULL ? "missing" : "not an absolute path");
  else if (access (path, R_OK) != 0 || stat (path, &st) != 0)
    say (ERROR, "%s: PASSWD_FILE %s: %s; all users must be able to read it", file, path,
         strerror (errno));
  else
    {
      *passwd_file = path;
      if (!S_ISREG (st.st_mode) || !has_entries (path))
        say (WARNING, "PASSWD_FILE %s has no passwd(5) entry: all users are looked up as this node does "
                      "it (NSS); fill it by getent passwd on a node that knows them",
             path);
      else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        say (ERROR, "PASSWD_FILE %s can be written by others (mode %04o); run chmod go-w on it", path,
             st.st_mode & 07777);
    }
}

/* The calling user, or as root that of --user, as the hook would find him. */
static int
find_user (const struct config *config, const char *passwd_file, struct identity *user)
{
  const struct config hook = { .passwd_file = passwd_file };

  *user = (struct identity){ .uid = geteuid (), .gid = getegid (), .host_uid = geteuid () };
  if (config->user == NULL
      || (admin_find_user (&hook, config->user, user)
          && (geteuid () == 0 || user->uid == geteuid ())))
    return 0;
  if (geteuid () == 0)
    say (ERROR, "user %s is neither in PASSWD_FILE nor known to this node", config->user);
  else
    say (ERROR, "user %s is not the caller; only root can check for others", config->user);
  return -1;
}

static void
check_name (struct identity *user, const char *passwd_file)
{
  struct failure f;

  if (identity_name (user, passwd_file, &f) != 0)
    /* Not "getent passwd >PASSWD_FILE", which may be /etc/passwd. */
    say (ERROR, "%s; or run getent passwd >FILE on a node that knows all users, and set PASSWD_FILE to a "
                "copy of that FILE",
         f.text);
  else if (user->by_nss)
    say (OK, "uid %u is user %s by this node's name service (NSS), not by PASSWD_FILE %s", user->uid,
         user->name, passwd_file);
  else
    say (OK, "uid %u is user %s by PASSWD_FILE %s", user->uid, user->name, passwd_file);
}

/* As root for a user: from here on all is looked at with his rights, and as his
 * podman would; this process ends soon. */
static int
become (const struct identity *user)
{
  struct failure f;

  if (geteuid () != 0 || user->uid == 0)
    return 0;
  if (identity_become (user, &f) != 0)
    {
      say (ERROR, "%s", f.text);
      return -1;
    }
  (void) unsetenv ("HOME");
  (void) unsetenv ("XDG_CONFIG_HOME");
  return 0;
}

static void
check_settings (const struct config *config, const char *file, json_object *json)
{
  const char *base = hook_json_setting (json, "base-dir", "HOOK_BASE_DIR");
  const char *passwd_file = hook_json_setting (json, "passwd-file", "PASSWD_FILE");
  struct identity user;

  check_base (file, &base);
  check_passwd_file (file, &passwd_file);
  if (find_user (config, passwd_file, &user) == 0)
    {
      bool nobody = config->user == NULL && geteuid () == 0;

      if (!nobody && passwd_file != NULL)
        check_name (&user, passwd_file);
      if (become (&user) != 0)
        return;
      if (base != NULL && nobody)
        check_file_system (base);
      else if (base != NULL && user.name[0] != '\0')
        check_user_directory (base, &user);
      if (nobody)
        say (WARNING, "which directory users get, and what their podman reads, is not checked for root; "
                      "give --user=NAME");
    }
  check_podman_reads (file);
}

static void
check_file (const struct config *config, const char *file)
{
  size_t length = strlen (file);
  struct failure f;
  json_object *json = hook_json_read (file, &f);

  if (json == NULL && f.status == EX_NOINPUT)
    say (ERROR, "%s; make install puts it there, or name the file", f.text);
  else if (json == NULL)
    say (ERROR, "%s: " BREAKS, f.text);
  if (json == NULL)
    return;
  if (length < 5 || strcmp (file + length - 5, ".json") != 0)
    say (ERROR, "%s: podman reads only files whose names end in .json; rename it", file);
  json_object *hook = member_of (json, "hook", json_type_object);
  if (hook == NULL)
    say (ERROR, "%s: \"hook\" is missing: " BREAKS, file);
  check_when (file, json);
  if (hook != NULL)
    check_program (file, hook);
  check_arguments (file, hook);
  check_stages (file, json);
  check_timeout (file, json, hook);
  check_settings (config, file, json);
  json_object_put (json);
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

int
admin_check (const struct config *config)
{
  worst = OK;
  check_syslog ();
  if (config->files[0] == NULL)
    check_file (config, HOOK_JSON_INSTALLED);
  for (char **file = config->files; *file != NULL; file++)
    check_file (config, *file);
  if (fflush (stdout) != 0)
    return EX_IOERR;
  return worst == ERROR ? EX_CONFIG : worst == WARNING ? ADMIN_CHECK_WARNED : EX_OK;
}
