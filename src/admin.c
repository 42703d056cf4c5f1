/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include "json_text.h"
#include "log.h"
#include "process.h"
#include "prune.h"
#include "syncdir.h"
#include "waiting.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* More arguments, or variables, than this are not looked at. */
#define WORDS_MAX 256

/* How long a user's process may take, in seconds: he can stop it, and his file server
 * may be dead. */
#define WORK_SECONDS 60

/* What work_in_child() returns where there was nothing to show. */
#define NOTHING 1

int
admin_wait (pid_t pid, int seconds)
{
  const struct timespec moment = { .tv_nsec = 5000000 };
  const int64_t end = waiting_now () + seconds * SECOND;
  int status;
  pid_t ended;

  while ((ended = waitpid (pid, &status, WNOHANG)) == 0 && waiting_now () < end)
    (void) nanosleep (&moment, NULL);
  if (ended == 0)
    (void) kill (pid, SIGKILL);
  return ended > 0 && WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

/* ------------------------------------------------------------------- the users */

/* What is to be done for each user. */
struct job {
  const struct config *config;
  bool homes;   /* of everybody whom passwd has, in his home */
  bool printed; /* by one of them */
  int status;   /* of the last failure */
};

int
admin_user (const struct config *config, struct identity *user, struct failure *f)
{
  const uid_t me = geteuid ();

  *user = (struct identity){ .uid = me, .gid = getegid (), .host_uid = me };
  if (config->user != NULL && identity_by_name (user, config->user, config->passwd_file, f) != 0)
    return -1;
  if (me != 0 && user->uid != me)
    return fail (f, EX_NOPERM, "only root can do this for another user");
  return 0;
}

int
admin_become (const struct identity *user, struct failure *f)
{
  static gid_t groups[NGROUPS_MAX]; /* only what is used of it takes memory */
  struct identity with = *user;
  int count = NGROUPS_MAX;

  if (geteuid () != 0)
    return 0;
  with.groups = groups;
  if (getgrouplist (user->name, user->gid, groups, &count) >= 0)
    with.group_count = (size_t) count;
  return identity_become (&with, f);
}

/* Whether USER may have barriers at home: many homes in passwd are not there, or are
 * somebody else's, as operator's is root's. */
static bool
may_have_barriers (const struct identity *user)
{
  char path[SYNCDIR_USER_MAX];
  struct stat st;

  (void) snprintf (path, sizeof path, "%s/.oci-hooks", user->home);
  if (lstat (path, &st) == 0)
    return st.st_uid == user->uid;
  return errno != ENOENT && errno != ENOTDIR && errno != EACCES;
}

/* Ends what was printed.  Returns STATUS, or EX_IOERR; but that the reader of a pipe
 * has gone is no failure: --status | head. */
static int
end_output (int status)
{
  if ((fflush (stdout) == 0 && ferror (stdout) == 0) || errno == EPIPE)
    return status;
  log_message (LOG_ERR, "standard output: %m");
  return EX_IOERR;
}

/* In a child: becomes the user, since root has no rights on a file server that
 * squashes it, and works.  Returns the exit status. */
static int
work_in_child (const struct job *job, const struct identity *user)
{
  const struct config *config = job->config;
  char where[SYNCDIR_USER_MAX];
  struct prune prune = { .where = where, .dry_run = config->dry_run != NULL };
  struct failure f = { 0 };
  int result = admin_become (user, &f);

  /* By a child: the file server of a home may be dead. */
  if (result == 0 && job->homes && !may_have_barriers (user))
    return NOTHING;
  if (result == 0)
    result = prune.dirfd = syncdir_open (config->base_dir, user, false, where, &f);
  if (result >= 0 && config->mode == CONFIG_PRUNE)
    result = prune_run (&prune, &f);
  else if (result >= 0)
    result = admin_status (config, prune.dirfd, where, user, &f);
  if (result < 0 && f.status != EX_OK)
    log_message (LOG_ERR, "user %s: %s", user->name, f.text);
  if (result > 0)
    return end_output (EX_OK);
  return end_output (result == 0 || f.status == EX_OK ? NOTHING : f.status);
}

/* Does the work in a child, which becomes the user. */
static void
work_as_user (struct job *job, const struct identity *user)
{
  int status = -1;

  (void) fflush (NULL);
  const pid_t pid = fork ();
  if (pid == 0)
    process_exit (work_in_child (job, user));
  if (pid > 0)
    status = admin_wait (pid, WORK_SECONDS);
  if (status < 0)
    {
      log_message (LOG_ERR, "user %s: the process that looks was ended, or took more than %d s",
                   user->name, WORK_SECONDS);
      status = EX_IOERR;
    }
  job->printed = job->printed || status == EX_OK;
  job->status = status > NOTHING ? status : job->status;
}

/* As root, where the barriers are at home: everybody whom passwd has with a home. */
static int
work_in_homes (struct job *job, struct failure *f)
{
  const char *file = job->config->passwd_file;
  FILE *stream = NULL;
  const struct passwd *entry;
  struct identity user;
  struct failure bad;

  job->homes = true;
  if (file != NULL && (stream = fopen (file, "re")) == NULL)
    return fail (f, EX_CONFIG, "cannot open PASSWD_FILE %s: %m", file);
  while ((entry = stream != NULL ? fgetpwent (stream) : getpwent ()) != NULL)
    if (identity_take (&user, entry, &bad) == 0 && user.home[0] != '\0')
      work_as_user (job, &user);
  if (stream != NULL)
    (void) fclose (stream);
  return 0;
}

/* As root: everybody who has a directory in HOOK_BASE_DIR. */
static int
work_in_base (struct job *job, struct failure *f)
{
  const struct config *config = job->config;
  struct dirent **names;
  struct identity user;
  int count = scandir (config->base_dir, &names, NULL, alphasort), result = 0;

  if (count < 0)
    return fail (f, EX_CONFIG, "HOOK_BASE_DIR %s: %m; is it mounted on this node?",
                 config->base_dir);
  for (int i = 0; i < count; i++)
    {
      if (result == 0 && names[i]->d_name[0] != '.' && names[i]->d_type != DT_REG)
        {
          if (identity_by_name (&user, names[i]->d_name, config->passwd_file, f) == 0)
            work_as_user (job, &user);
          else if (f->status != EX_NOUSER && f->status != EX_NOPERM)
            result = -1; /* nobody can be known */
        }
      free (names[i]);
    }
  free (names);
  return result;
}

/* Does it for the user of --user, or for all users as root, or for the caller. */
static int
work_for_users (struct job *job, struct failure *f)
{
  const struct config *config = job->config;
  struct identity user;

  if (admin_user (config, &user, f) != 0)
    return -1;
  if (geteuid () == 0 && config->user == NULL)
    return config->base_dir == NULL ? work_in_homes (job, f) : work_in_base (job, f);
  if (config->user == NULL && identity_name (&user, config->passwd_file, f) != 0)
    return -1;
  work_as_user (job, &user);
  return 0;
}

/* --------------------------------------------------------------- the hook JSON */

struct json_object *
hook_json_read (const char *path, struct failure *f)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

  if (fd < 0)
    {
      (void) fail (f, errno == ENOENT ? EX_NOINPUT : EX_IOERR, "%s: %m", path);
      return NULL;
    }
  json_object *json = json_text_read (path, fd, f);
  close_one (&fd);
  return json;
}

/* Makes LIST the strings of the array at NAME, others as "", and a NULL at
 * the end; returns how many there are. */
static int
list_strings (struct json_object *json, const char *name, char *list[WORDS_MAX + 1])
{
  json_object *array = json_text_part (json, name, json_type_array);
  size_t count = array == NULL ? 0 : (size_t) json_object_array_length (array);

  count = count < WORDS_MAX ? count : WORDS_MAX;
  for (size_t i = 0; i < count; i++)
    {
      json_object *entry = json_object_array_get_idx (array, i);
      const char *text
        = json_object_is_type (entry, json_type_string) ? json_object_get_string (entry) : "";
      /* What is const stays so: getopt(3) and getenv(3) change none of them. */
      memcpy (&list[i], &text, sizeof text);
    }
  list[count] = NULL;
  return (int) count;
}

int
hook_json_settings (struct json_object *json, struct config *config, struct failure *f)
{
  char *args[WORDS_MAX + 1], *env[WORDS_MAX + 1], **own = environ;
  int count = list_strings (json, "hook.args", args);

  (void) list_strings (json, "hook.env", env);
  environ = env;
  optind = 0; /* getopt(3) starts anew */
  int result = config_read (config, count, args, f);
  environ = own;
  config->files = NULL;
  if (result == 0 && count > 0 && args[0][0] == '-')
    return fail (f, EX_CONFIG, "hook.args: %s is taken for the program's name, which comes first",
                 args[0]);
  if (result == 0 && config->mode != CONFIG_HOOK)
    return fail (f, EX_CONFIG, "hook.args have an administrator's command: no container would be "
                               "synchronised");
  return result;
}

int
admin_take_settings (struct config *config, const char *file, struct failure *f)
{
  static json_object *json; /* the settings are in it */
  struct config hook;

  json_object_put (json);
  json = hook_json_read (file, f);
  if (json == NULL || hook_json_settings (json, &hook, f) != 0)
    return -1;
  if (config->base_dir == NULL)
    config->base_dir = hook.base_dir;
  if (config->passwd_file == NULL)
    config->passwd_file = hook.passwd_file;
  return 0;
}

/* -------------------------------------------------------------------- commands */

int
admin_run (const struct config *given)
{
  struct config config = *given;
  struct job job = { .config = &config };
  struct failure f = { 0 };

  if (config.mode == CONFIG_HELP)
    (void) fputs (config_help, stdout);
  else if (config.mode == CONFIG_VERSION)
    (void) puts ("slurm_global_sync_hook " PACKAGE_VERSION);
  else if (config.mode == CONFIG_CHECK)
    job.status = admin_check (&config);
  else if (((config.base_dir == NULL || config.passwd_file == NULL)
            && admin_take_settings (&config, HOOK_JSON_INSTALLED, &f) != 0
            && f.status != EX_NOINPUT)
           || (config_complete (&config, NULL, NULL, &f) != 0 && !config.usable)
           || work_for_users (&job, &f) != 0)
    {
      log_message (LOG_ERR, "%s", f.text);
      return f.status;
    }
  if (config.mode == CONFIG_STATUS && !job.printed && job.status == EX_OK)
    (void) printf ("no barriers in %s\n",
                   config.base_dir == NULL ? "the users' homes" : config.base_dir);
  return end_output (job.status);
}
