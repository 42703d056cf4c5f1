/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include "admin_check.h"
#include "hook_json.h"
#include "log.h"
#include "prune.h"
#include "admin_status.h"
#include "syncdir.h"
#include "waiting.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PASSWD_LINE_MAX ((size_t) 1 << 20)

/* How long to wait for what a user's process has to say, in seconds. */
#define ANSWER_MAX 30

/* The longest age, in seconds: as nanoseconds it must fit into 63 bits. */
#define AGE_MAX INT64_C (8640000000)

void
admin_add_text (json_object *object, const char *key, const char *text)
{
  char *copy = strdup (text);

  json_object_object_add (object, key,
                          json_object_new_string (copy == NULL ? "?" : text_clean (copy)));
  free (copy);
}

bool
admin_find_user (const struct config *config, const char *name, struct identity *id)
{
  char *buffer = malloc (PASSWD_LINE_MAX);
  FILE *stream = config->passwd_file == NULL ? NULL : fopen (config->passwd_file, "re");
  struct passwd entry, *found = NULL;

  *id = (struct identity){ 0 };
  while (buffer != NULL && stream != NULL
         && fgetpwent_r (stream, &entry, buffer, PASSWD_LINE_MAX, &found) == 0
         && strcmp (found->pw_name, name) != 0)
    found = NULL;
  if (stream != NULL)
    (void) fclose (stream);
  if (buffer != NULL && found == NULL)
    (void) getpwnam_r (name, &entry, buffer, PASSWD_LINE_MAX, &found);
  if (found != NULL)
    {
      id->uid = id->host_uid = found->pw_uid;
      id->gid = found->pw_gid;
      (void) snprintf (id->name, sizeof id->name, "%s", name);
    }
  free (buffer);
  return found != NULL;
}

/* The work itself, as the user. */
static json_object *
admin_work_here (const struct config *config, admin_work *work, const struct identity *user,
                 struct failure *f)
{
  char where[4096];
  int dirfd = syncdir_find (config->base_dir, user, f);

  if (dirfd < 0)
    return f->status == 0 ? json_object_new_array () : NULL;
  (void) snprintf (where, sizeof where, "%s/%s/" SYNCDIR_PATH, config->base_dir, user->name);
  json_object *array = work (config, dirfd, where, user, f);
  (void) close (dirfd);
  return array;
}

/* In a child: becomes the user, works, and writes the array to FD. */
static int
admin_child (const struct config *config, admin_work *work, const struct identity *user, int fd)
{
  struct failure f = { 0 };
  json_object *array = NULL;
  FILE *stream = fdopen (fd, "w");

  if (stream == NULL)
    return EX_OSERR;
  if (identity_become (user, &f) == 0)
    array = admin_work_here (config, work, user, &f);
  if (array == NULL)
    {
      log_message (LOG_WARNING, "user %s: %s", user->name, f.text);
      (void) fclose (stream);
      return f.status;
    }
  (void) fputs (json_object_to_json_string_ext (array, JSON_C_TO_STRING_PLAIN), stream);
  json_object_put (array);
  return fclose (stream) == 0 ? EX_OK : EX_IOERR;
}

/* Reads what the child writes to FD, for ANSWER_MAX seconds.  NULL if that is
 * no JSON array, or not all of one by then. */
static json_object *
admin_read_answer (int fd)
{
  json_tokener *tokener = json_tokener_new ();
  const int64_t until = waiting_now () + ANSWER_MAX * SECOND;
  json_object *array = NULL;
  char text[4096];

  while (tokener != NULL && array == NULL)
    {
      struct pollfd answer = { .fd = fd, .events = POLLIN };
      int64_t rest = until - waiting_now ();
      if (rest <= 0 || poll (&answer, 1, (int) (rest / MILLISECOND) + 1) <= 0)
        break;
      ssize_t n = read (fd, text, sizeof text);
      if (n <= 0)
        break;
      array = json_tokener_parse_ex (tokener, text, (int) n);
      if (array == NULL && json_tokener_get_error (tokener) != json_tokener_continue)
        break;
    }
  if (tokener != NULL)
    json_tokener_free (tokener);
  if (json_object_is_type (array, json_type_array))
    return array;
  json_object_put (array);
  return NULL;
}

/* Ends the child PID, which has ANSWERED, or not in time; returns its status. */
static int
admin_end_child (pid_t pid, bool answered, const char *name)
{
  siginfo_t info = { 0 };
  int status = 0;

  /* Without an answer it gets a moment to say why, and to end by itself. */
  for (int i = 0; !answered && i < 100 && info.si_pid == 0; i++)
    {
      const struct timespec moment = { .tv_nsec = 10000000 };
      (void) nanosleep (&moment, NULL);
      (void) waitid (P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT);
    }
  if (info.si_pid == 0)
    (void) kill (pid, SIGKILL);
  (void) waitpid (pid, &status, 0);
  if (answered)
    return EX_OK;
  if (WIFEXITED (status) && WEXITSTATUS (status) != EX_OK)
    return WEXITSTATUS (status); /* it has said why */
  log_message (LOG_WARNING, "user %s: no answer within %d s", name, ANSWER_MAX);
  return EX_IOERR;
}

/* Does the work in a child, and moves what it says to the end of ALL.  Returns
 * its status. */
static int
admin_as_user (const struct config *config, admin_work *work, const struct identity *user,
               json_object *all)
{
  int fds[2];

  if (pipe (fds) != 0)
    return EX_OSERR;
  (void) fflush (NULL);
  pid_t pid = fork ();
  if (pid == 0)
    {
      (void) close (fds[0]);
      _exit (admin_child (config, work, user, fds[1]));
    }
  (void) close (fds[1]);
  json_object *array = pid < 0 ? NULL : admin_read_answer (fds[0]);
  (void) close (fds[0]);
  size_t count = array == NULL ? 0 : (size_t) json_object_array_length (array);
  for (size_t i = 0; i < count; i++)
    (void) json_object_array_add (all, json_object_get (json_object_array_get_idx (array, i)));
  int status = pid < 0 ? EX_OSERR : admin_end_child (pid, array != NULL, user->name);
  json_object_put (array);
  return status;
}

/* As root: everybody who has a directory in BASE_DIR. */
static int
admin_all_users (const struct config *config, admin_work *work, json_object *all, int *worst,
                 struct failure *f)
{
  DIR *dir = opendir (config->base_dir);
  const struct dirent *entry;
  struct identity user;

  if (dir == NULL)
    return fail (f, EX_CONFIG, "HOOK_BASE_DIR %s: %m", config->base_dir);
  while ((entry = readdir (dir)) != NULL)
    if (entry->d_name[0] != '.' && admin_find_user (config, entry->d_name, &user))
      {
        int status = admin_as_user (config, work, &user, all);
        if (status != EX_OK)
          *worst = status;
      }
  (void) closedir (dir);
  return 0;
}

/* As an ordinary user: only himself, as the hook would find him. */
static json_object *
admin_myself (const struct config *config, admin_work *work, struct failure *f)
{
  struct identity user = { .uid = geteuid (), .gid = getegid (), .host_uid = geteuid () };

  if (config->user != NULL && !admin_find_user (config, config->user, &user))
    {
      (void) fail (f, EX_NOUSER, "user %s is not known", config->user);
      return NULL;
    }
  if (user.uid != geteuid ())
    {
      (void) fail (f, EX_NOPERM, "only root can do this for another user");
      return NULL;
    }
  if (user.name[0] == '\0'
      && identity_name (&user, config->passwd_file != NULL ? config->passwd_file : "/etc/passwd", f) != 0)
    return NULL;
  return admin_work_here (config, work, &user, f);
}

json_object *
admin_each_user (const struct config *config, admin_work *work, int *worst, struct failure *f)
{
  json_object *all;
  struct identity user;
  int result = 0;

  *worst = EX_OK;
  if (geteuid () != 0)
    return admin_myself (config, work, f);
  all = json_object_new_array ();
  if (all == NULL)
    result = fail (f, EX_OSERR, "no memory");
  else if (config->user == NULL)
    result = admin_all_users (config, work, all, worst, f);
  else if (admin_find_user (config, config->user, &user))
    *worst = admin_as_user (config, work, &user, all);
  else
    result = fail (f, EX_NOUSER, "user %s is not known", config->user);
  if (result == 0)
    return all;
  json_object_put (all);
  return NULL;
}

/* Takes what CONFIG leaves open from the installed hook JSON. */
static int
admin_settle (struct config *config, json_object **json, struct failure *f)
{
  *json = NULL;
  if (config->base_dir != NULL && config->passwd_file != NULL)
    return 0;
  *json = hook_json_read (HOOK_JSON_INSTALLED, f);
  if (*json != NULL && config->base_dir == NULL)
    config->base_dir = hook_json_setting (*json, "base-dir", "HOOK_BASE_DIR");
  if (*json != NULL && config->passwd_file == NULL)
    config->passwd_file = hook_json_setting (*json, "passwd-file", "PASSWD_FILE");
  if (config->base_dir != NULL)
    return 0;
  if (*json != NULL)
    (void) fail (f, EX_CONFIG, "%s does not say where HOOK_BASE_DIR is", HOOK_JSON_INSTALLED);
  fail_prefix (f, "where are the barriers? Give --base-dir");
  return -1;
}

struct prune_list {
  json_object *array;
  const char *user, *where;
};

static void
prune_report (void *context, const char *name, int64_t age, int error)
{
  const struct prune_list *list = context;
  json_object *entry = json_object_new_object ();

  admin_add_text (entry, "user", list->user);
  admin_add_text (entry, "directory", list->where);
  admin_add_text (entry, "name", name);
  json_object_object_add (entry, "age", json_object_new_int64 (age / SECOND));
  if (error != 0)
    admin_add_text (entry, "error", strerror (error));
  (void) json_object_array_add (list->array, entry);
}

/* AGE: a number and s, m, h or d; seconds if it has no unit. */
static int
prune_parse_age (const char *text, int64_t *age, struct failure *f)
{
  static const char units[] = "smhd";
  static const int64_t seconds[] = { 1, 60, 3600, 86400 };
  size_t digits = text == NULL ? 0 : strspn (text, "0123456789");
  const char *unit = text != NULL && text[digits] != '\0' ? strchr (units, text[digits]) : units;

  *age = PRUNE_AGE_DEFAULT;
  if (text == NULL)
    return 0;
  int64_t number = digits > 0 && digits <= 10 ? strtoll (text, NULL, 10) : AGE_MAX + 1;
  if (digits == 0 || unit == NULL || (text[digits] != '\0' && text[digits + 1] != '\0')
      || number > AGE_MAX / seconds[unit - units])
    return fail (f, EX_USAGE, "--older-than=%s is not an age like 12h or 2d; try --help", text);
  *age = number * seconds[unit - units] * SECOND;
  if (*age < PRUNE_AGE_MIN)
    return fail (f, EX_USAGE, "--older-than=%s is less than 2 minutes: such a barrier may be alive",
                 text);
  return 0;
}

static json_object *
prune_work (const struct config *config, int dirfd, const char *where, const struct identity *user,
            struct failure *f)
{
  struct prune_list list = { json_object_new_array (), user->name, where };
  struct prune prune = { .dirfd = dirfd, .dry_run = config->dry_run, .report = prune_report };

  prune.context = &list;
  if (prune_parse_age (config->older_than, &prune.age, f) == 0 && prune_run (&prune, f) >= 0)
    return list.array;
  json_object_put (list.array);
  return NULL;
}

/* "3 d", "12 h": as much as one wants to know. */
static void
print_age (int64_t seconds)
{
  if (seconds < 120)
    (void) printf ("%lld s", (long long) seconds);
  else if (seconds < 7200)
    (void) printf ("%lld min", (long long) seconds / 60);
  else if (seconds < 172800)
    (void) printf ("%lld h", (long long) seconds / 3600);
  else
    (void) printf ("%lld d", (long long) seconds / 86400);
}

static int
admin_prune (const struct config *config, int *worst, struct failure *f)
{
  int64_t age;

  if (prune_parse_age (config->older_than, &age, f) != 0)
    return -1;
  json_object *all = admin_each_user (config, prune_work, worst, f);
  if (all == NULL)
    return -1;
  for (size_t i = 0; i < (size_t) json_object_array_length (all); i++)
    {
      json_object *entry = json_object_array_get_idx (all, i);
      json_object *error = json_object_object_get (entry, "error");
      const char *where = json_object_get_string (json_object_object_get (entry, "directory"));
      const char *name = json_object_get_string (json_object_object_get (entry, "name"));

      if (error != NULL)
        {
          log_message (LOG_WARNING, "cannot remove %s/%s: %s", where, name,
                       json_object_get_string (error));
          *worst = EX_IOERR;
          continue;
        }
      (void) printf ("%s %s/%s, unchanged for ", config->dry_run ? "would remove" : "removed", where,
                     name);
      print_age (json_object_get_int64 (json_object_object_get (entry, "age")));
      (void) printf ("\n");
    }
  json_object_put (all);
  return 0;
}

int
admin_run (const struct config *given)
{
  struct config config = *given;
  struct failure f = { 0 };
  json_object *json;
  int result, worst = EX_OK;

  (void) signal (SIGPIPE, SIG_DFL); /* `--status | head` is no error */
  if (config.mode == CONFIG_CHECK)
    return admin_check (&config);
  result = admin_settle (&config, &json, &f);
  if (result == 0)
    result = config.mode == CONFIG_PRUNE ? admin_prune (&config, &worst, &f)
                                         : admin_status (&config, &worst, &f);
  json_object_put (json);
  if (result == 0 && fflush (stdout) != 0)
    result = fail (&f, EX_IOERR, "standard output: %m");
  if (result != 0)
    log_message (LOG_ERR, "%s", f.text);
  return result == 0 ? worst : f.status;
}
