/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include "hook_json.h"
#include "log.h"
#include "process.h"
#include "prune.h"
#include "syncdir.h"
#include "waiting.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long a user's process may say nothing, in seconds. */
#define SILENCE_MAX 30

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
  admin_work *work;
  unsigned lines; /* that were printed */
  int status;     /* of the last failure */
};

static void
set_user (struct identity *id, const struct passwd *entry)
{
  *id = (struct identity){ .uid = entry->pw_uid, .host_uid = entry->pw_uid, .gid = entry->pw_gid };
  (void) snprintf (id->name, sizeof id->name, "%s", entry->pw_name);
  if (entry->pw_dir[0] == '/' && strlen (entry->pw_dir) < sizeof id->home)
    (void) snprintf (id->home, sizeof id->home, "%s", entry->pw_dir);
}

static bool
find_user (const char *passwd_file, const char *name, struct identity *id)
{
  FILE *stream = passwd_file == NULL ? NULL : fopen (passwd_file, "re");
  const struct passwd *entry = NULL;

  while (stream != NULL && (entry = fgetpwent (stream)) != NULL
         && strcmp (entry->pw_name, name) != 0)
    ;
  if (stream != NULL)
    (void) fclose (stream);
  if (entry == NULL)
    entry = getpwnam (name);
  if (entry != NULL)
    set_user (id, entry);
  return entry != NULL;
}

int
admin_user (const struct config *config, struct identity *user, struct failure *f)
{
  const uid_t me = geteuid ();

  *user = (struct identity){ .uid = me, .gid = getegid (), .host_uid = me };
  if (config->user != NULL && !find_user (config->passwd_file, config->user, user))
    return fail (f, EX_NOUSER, "user %s is not known", config->user);
  if (me != 0 && user->uid != me)
    return fail (f, EX_NOPERM, "only root can do this for another user");
  return 0;
}

int
admin_become (const struct identity *user, struct failure *f)
{
  struct identity with = *user;
  int count = 0;

  if (geteuid () != 0)
    return 0;
  (void) getgrouplist (user->name, user->gid, NULL, &count);
  with.groups = calloc ((size_t) count + 1, sizeof *with.groups);
  if (with.groups == NULL)
    return fail (f, EX_OSERR, "out of memory");
  with.group_count
    = getgrouplist (user->name, user->gid, with.groups, &count) < 0 ? 0 : (size_t) count;
  int result = identity_become (&with, f);
  free (with.groups);
  return result;
}

/* In a child: becomes the user, and works.  Returns the exit status. */
static int
work_in_child (const struct job *job, const struct identity *user)
{
  const char *base = job->config->base_dir;
  char where[SYNCDIR_USER_MAX];
  struct failure f = { 0 };
  int dirfd = -1, status = -1;

  if (admin_become (user, &f) == 0)
    dirfd = syncdir_find (base, user, &f);
  if (dirfd >= 0)
    {
      syncdir_path (base, user, where);
      status = job->work (job->config, dirfd, where, user, &f);
      (void) fflush (stdout);
    }
  if (status >= 0 || f.status == EX_OK)
    return status >= 0 ? status : EX_OK;
  log_message (LOG_ERR, "user %s: %s", user->name, f.text);
  return f.status;
}

/* Prints the lines that a user's process writes to FD, but none that it was
 * killed in; as an array, if they are JSON.  Returns why it did not go on to
 * their end, or NULL. */
static const char *
print_lines (struct job *job, int fd)
{
  const struct timeval limit = { .tv_sec = SILENCE_MAX };
  bool limited = setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0;
  FILE *in = limited ? fdopen (fd, "r") : NULL;
  char *line = NULL;
  size_t size = 0;
  ssize_t length;

  if (in == NULL)
    {
      const char *why = strerror (errno);
      (void) close (fd);
      return why;
    }
  while ((length = getline (&line, &size, in)) > 0 && line[length - 1] == '\n')
    {
      const char *before = job->lines++ == 0 ? "[" : ",";
      (void) printf ("%s%s", job->config->json ? before : "", line);
    }
  const char *problem = ferror (in) ? "no answer within 30 s" : NULL;
  free (line);
  (void) fclose (in);
  return problem;
}

/* Does the work in a child, which becomes the user. */
static void
work_as_user (struct job *job, const struct identity *user)
{
  const char *problem = NULL;
  int fds[2], status = EX_IOERR;

  (void) fflush (NULL);
  pid_t pid = socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0 ? -1 : fork ();
  if (pid < 0)
    problem = strerror (errno);
  else if (pid == 0)
    process_exit (dup2 (fds[1], STDOUT_FILENO) < 0 || close (fds[0]) != 0 || close (fds[1]) != 0
                    ? EX_OSERR
                    : work_in_child (job, user));
  else
    {
      (void) close (fds[1]);
      problem = print_lines (job, fds[0]);
      /* A file server that is dead may keep it from ending. */
      status = admin_wait (pid, problem == NULL ? 1 : 0);
      if (status < 0 && problem == NULL)
        problem = "the process that looked was ended";
    }
  if (problem != NULL)
    {
      log_message (LOG_ERR, "user %s: %s", user->name, problem);
      status = EX_IOERR;
    }
  job->status = status != EX_OK ? status : job->status;
}

/* As root, where the barriers are at home: everybody whom passwd has with a home
 * that is there. */
static int
work_in_homes (struct job *job, struct failure *f)
{
  const char *file = job->config->passwd_file;
  FILE *stream = file == NULL ? NULL : fopen (file, "re");
  const struct passwd *entry;
  struct identity user;

  if (file != NULL && stream == NULL)
    return fail (f, EX_CONFIG, "cannot open PASSWD_FILE %s: %m", file);
  while ((entry = stream != NULL ? fgetpwent (stream) : getpwent ()) != NULL)
    {
      set_user (&user, entry);
      if (user.home[0] != '\0' && (access (user.home, F_OK) == 0 || errno != ENOENT))
        work_as_user (job, &user);
    }
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
  int count = scandir (config->base_dir, &names, NULL, alphasort);

  if (count < 0)
    return fail (f, EX_CONFIG, "HOOK_BASE_DIR %s: %m; is it mounted on this node?",
                 config->base_dir);
  for (int i = 0; i < count; i++)
    {
      if (names[i]->d_name[0] != '.' && names[i]->d_type != DT_REG
          && find_user (config->passwd_file, names[i]->d_name, &user))
        work_as_user (job, &user);
      free (names[i]);
    }
  free (names);
  return 0;
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

/* -------------------------------------------------------------------- commands */

static int
prune_work (const struct config *config, int dirfd, const char *where, const struct identity *user,
            struct failure *f)
{
  struct prune prune
    = { .dirfd = dirfd, .where = where, .age = config->age, .dry_run = config->dry_run };

  (void) user;
  if (prune_run (&prune, f) < 0)
    return -1;
  return prune.failed ? EX_IOERR : EX_OK;
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

int
admin_run (const struct config *given)
{
  struct config config = *given;
  struct job job = { .config = &config, .work = admin_status_work };
  struct failure f = { 0 };

  (void) signal (SIGPIPE, SIG_DFL); /* `--status | head` is no error */
  if (config.mode == CONFIG_PRUNE)
    job.work = prune_work;
  if (config.mode == CONFIG_CHECK)
    job.status = admin_check (&config);
  else if (((config.base_dir == NULL || config.passwd_file == NULL)
            && admin_take_settings (&config, HOOK_JSON_INSTALLED, &f) != 0
            && f.status != EX_NOINPUT)
           || work_for_users (&job, &f) != 0)
    {
      log_message (LOG_ERR, "%s", f.text);
      return f.status;
    }
  if (config.json)
    (void) puts (job.lines == 0 ? "[]" : "]");
  else if (config.mode == CONFIG_STATUS && job.lines == 0 && job.status == EX_OK)
    (void) printf ("no barriers in %s\n",
                   config.base_dir == NULL ? "the users' homes" : config.base_dir);
  if (fflush (stdout) == 0)
    return job.status;
  log_message (LOG_ERR, "standard output: %m");
  return EX_IOERR;
}
