/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_check.h"

#include "admin.h"
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

  if (program[0] != '/')
    say (ERROR, "%s: hook.path \"%s\" is not an absolute path; podman skips the hook", file, program);
  else if (stat (program, &st) == 0 && !S_ISREG (st.st_mode))
    say (ERROR, "%s: hook.path %s is not a program", file, program);
  else if (access (program, X_OK) != 0)
    say (ERROR, "%s: hook.path %s: %s; podman skips the hook without a word", file, program,
         strerror (errno));
  else
    say (OK, "%s: hook.path %s can be executed", file, program);
}

static void
check_stages (const char *file, json_object *json)
{
  static const char *const known[] = { "prestart", "createRuntime", "createContainer" };
  json_object *stages = member_of (json, "stages", json_type_array);
  size_t count = stages == NULL ? 0 : (size_t) json_object_array_length (stages);

  if (count != 1)
    say (ERROR, "%s: \"stages\" has %zu entries; the hook belongs into one: prestart", file, count);
  for (size_t i = 0; i < count; i++)
    {
      json_object *entry = json_object_array_get_idx (stages, i);
      const char *stage = json_object_is_type (entry, json_type_string) ? json_object_get_string (entry)
                                                                       : "?";
      size_t k = 0;
      while (k < 3 && strcmp (stage, known[k]) != 0)
        k++;
      if (k == 3)
        say (ERROR, "%s: stage %s is not one for this hook, and one that podman does not know breaks "
                    "every podman run on this node; use prestart",
             file, stage);
      else if (k == 2)
        say (WARNING, "%s: stage createContainer: does not work with --userns=auto and nomap; "
                      "prestart does",
             file);
      else
        say (OK, "%s: stage %s", file, stage);
    }
}

/* Go's regular expressions are not POSIX's, but what is broken here is broken
 * there, too. */
static void
check_expression (const char *file, const char *text)
{
  regex_t expression;

  if (regcomp (&expression, text, REG_EXTENDED | REG_NOSUB) != 0)
    {
      say (ERROR, "%s: \"%s\" is not a regular expression: breaks every podman run on this node", file,
           text);
      return;
    }
  regfree (&expression);
}

static void
check_when (const char *file, json_object *json)
{
  json_object *when = member_of (json, "when", json_type_object);
  json_object *version = member_of (json, "version", json_type_string);
  json_object *annotations = member_of (when, "annotations", json_type_object);
  json_object *always = member_of (when, "always", json_type_boolean);

  if (version == NULL || strcmp (json_object_get_string (version), "1.0.0") != 0)
    say (ERROR, "%s: \"version\" is not \"1.0.0\": breaks every podman run on this node", file);
  if (when == NULL || json_object_object_length (when) == 0)
    say (ERROR, "%s: \"when\" is missing or empty: the hook never runs", file);
  else if (always != NULL && !json_object_get_boolean (always))
    say (WARNING, "%s: \"when\" has \"always\": false: the hook is switched off on this node", file);
  else if (always != NULL)
    say (WARNING, "%s: \"when\" has \"always\": the hook runs in every container of this node", file);
  else if (annotations == NULL)
    say (WARNING, "%s: \"when\" has no \"annotations\": users cannot ask for the hook", file);
  else
    {
      json_object_object_foreach (annotations, key, value)
      {
        check_expression (file, key);
        check_expression (file, json_object_is_type (value, json_type_string)
                                  ? json_object_get_string (value)
                                  : "(not a string");
      }
      say (OK, "%s: users ask for the hook by an annotation", file);
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
        say (ERROR, "%s: hook.%s is not a list of strings: breaks every podman run on this node", file,
             lists[i]);
    }
  optind = 0; /* getopt_long(3) starts anew */
  if (argc > 0 && (config_read (&config, argc, argv, &f) != 0 || config.mode != CONFIG_HOOK))
    say (ERROR, "%s: hook.args: %s", file, config.mode == CONFIG_HOOK ? f.text : "not the hook's");
  while (argc > 0)
    free (argv[--argc]);
  if (hook != NULL && json_object_object_get_ex (hook, "timeout", &timeout)
      && !json_object_is_type (timeout, json_type_int))
    say (ERROR, "%s: hook.timeout is not a number: breaks every podman run on this node", file);
}

static void
check_timeout (const char *file, json_object *json, json_object *hook)
{
  json_object *limit = member_of (hook, "timeout", json_type_int);
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
  if (limit != NULL && (config.timeout == 0 || seconds >= (double) json_object_get_int64 (limit)))
    say (ERROR, "%s: the runtime kills the hook after hook.timeout, %lld s, before its own timeout, "
                "%g s, can say who is missing; raise the first or lower HOOK_TIMEOUT",
         file, (long long) json_object_get_int64 (limit), seconds);
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
        say (ERROR, "%s: podman reads %s in its place (%s)", file, path, source);
    }
  if (!found)
    say (ERROR, "%s: podman does not read it: by %s it reads %s%s; make a symbolic link there: "
                "mkdir -p %s && ln -s %s %s/",
         file, source, count > 0 ? dirs[0] : "no directory", count > 1 ? " and others" : "",
         count > 0 ? dirs[0] : PODMAN_CONF_DEFAULT, real, count > 0 ? dirs[0] : PODMAN_CONF_DEFAULT);
}

/* The file system of DIR, and who sees it. */
static void
check_file_system (const char *dir)
{
  static const struct
  {
    uint32_t magic;
    const char *name;
  } shared[] = {
    { 0x6969, "NFS" },       { 0x0bd00bd0, "Lustre" }, { 0x47504653, "GPFS (Storage Scale)" },
    { 0x19830326, "BeeGFS" }, { 0x00c36400, "CephFS" }, { 0xff534d42, "SMB" },
    { 0xfe534d42, "SMB" },   { 0x01021997, "9p" },     { 0x5346414f, "AFS" },
    { 0x7461636f, "OCFS2" }, { 0x01161970, "GFS2" },   { 0xaad7aaea, "PanFS" },
    { 0x65735546, "FUSE" },
  };
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct statfs st;

  if (fd < 0 || fstatfs (fd, &st) != 0)
    {
      say (WARNING, "%s: which file system that is cannot be told: %s", dir, strerror (errno));
      if (fd >= 0)
        (void) close (fd);
      return;
    }
  bool local = instance_is_local (fd);
  (void) close (fd);
  for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
    if ((uint32_t) st.f_type == shared[i].magic)
      {
        say (OK, "%s is on %s; make sure that all nodes have it", dir, shared[i].name);
        return;
      }
  if (local)
    say (WARNING, "%s is on a local file system, which other nodes do not see: only job steps on one "
                  "node will be synchronised",
         dir);
  else
    say (WARNING, "%s is on a file system of type 0x%lx, which is not known here; make sure that all "
                  "nodes share it",
         dir, (unsigned long) st.f_type);
}

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
    say (ERROR, "user %s cannot make %s/" SYNCDIR_PATH ": %s", user->name, path, strerror (errno));
  else
    say (OK, "user %s can make %s/" SYNCDIR_PATH, user->name, path);
}

/* The calling user, or as root that of --user, as the hook would find him. */
static void
check_user (const struct config *config, const char *base, const char *passwd_file)
{
  struct identity user = { .uid = geteuid (), .gid = getegid (), .host_uid = geteuid () };
  const struct config hook = { .passwd_file = passwd_file };
  struct failure f;

  if (config->user != NULL
      && (!admin_find_user (&hook, config->user, &user)
          || (geteuid () != 0 && user.uid != geteuid ())))
    {
      say (ERROR, "user %s is not known, or not the caller; root can check for others", config->user);
      return;
    }
  if (config->user == NULL && geteuid () == 0)
    {
      check_file_system (base);
      say (WARNING, "which directory users get is not checked for root; give --user=NAME");
      return;
    }
  if (identity_name (&user, passwd_file, &f) != 0)
    {
      say (ERROR, "%s; a site with LDAP or SSSD makes the file by: getent passwd > %s", f.text,
           passwd_file);
      return;
    }
  say (OK, "uid %u is user %s", user.uid, user.name);
  /* The rest is looked at with the user's rights; this process ends soon. */
  if (geteuid () == 0 && identity_become (&user, &f) != 0)
    say (ERROR, "%s", f.text);
  else
    check_user_directory (base, &user);
}

static void
check_settings (const struct config *config, const char *file, json_object *json)
{
  const char *base = hook_json_setting (json, "base-dir", "HOOK_BASE_DIR");
  const char *passwd_file = hook_json_setting (json, "passwd-file", "PASSWD_FILE");
  struct stat st;

  if (base == NULL || base[0] != '/')
    {
      say (ERROR, "%s: HOOK_BASE_DIR is %s; set it in hook.env to a directory that all nodes share",
           file, base == NULL ? "missing" : "not an absolute path");
      base = NULL;
    }
  else if (stat (base, &st) != 0 || !S_ISDIR (st.st_mode))
    {
      say (ERROR, "%s: HOOK_BASE_DIR %s is not a directory of this node", file, base);
      base = NULL;
    }
  if (passwd_file == NULL || passwd_file[0] != '/')
    say (ERROR, "%s: PASSWD_FILE is %s; set it in hook.env to a passwd(5) file", file,
         passwd_file == NULL ? "missing" : "not an absolute path");
  else if (access (passwd_file, R_OK) != 0)
    say (ERROR, "%s: PASSWD_FILE %s: %s", file, passwd_file, strerror (errno));
  else if (base != NULL)
    check_user (config, base, passwd_file);
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
    say (ERROR, "%s: breaks every podman run on this node", f.text);
  if (json == NULL)
    return;
  if (length < 5 || strcmp (file + length - 5, ".json") != 0)
    say (ERROR, "%s: podman reads only files whose names end in .json", file);
  json_object *hook = member_of (json, "hook", json_type_object);
  if (hook == NULL)
    say (ERROR, "%s: \"hook\" is missing", file);
  check_when (file, json);
  check_program (file, hook);
  check_arguments (file, hook);
  check_stages (file, json);
  check_timeout (file, json, hook);
  check_podman_reads (file);
  check_settings (config, file, json);
  json_object_put (json);
}

static void
check_syslog (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  if (fd >= 0 && connect (fd, (const struct sockaddr *) &address, sizeof address) == 0)
    say (OK, "syslog can be reached: journalctl -t slurm_global_sync_hook shows the messages");
  else
    say (WARNING, "/dev/log: %s: with crun the hook's messages are lost then", strerror (errno));
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
  return worst == ERROR ? EX_CONFIG : EX_OK;
}
