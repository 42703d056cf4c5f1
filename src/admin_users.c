/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_users.h"

#include "log.h"
#include "syncdir.h"
#include "waiting.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PASSWD_LINE_MAX ((size_t) 1 << 20)

/* How long a user's process may say nothing, in seconds. */
#define ANSWER_MAX 30
#define ANSWER_MAX_TEXT "30"

void
admin_add_text (json_object *object, const char *key, const char *text)
{
  char *copy = strdup (text);

  json_object_object_add (object, key,
                          json_object_new_string (copy == NULL ? "?" : text_clean (copy)));
  free (copy);
}

void
admin_print_age (FILE *out, int64_t seconds)
{
  if (seconds < 120)
    (void) fprintf (out, "%lld s", (long long) (seconds > 0 ? seconds : 0));
  else if (seconds < 7200)
    (void) fprintf (out, "%lld min", (long long) seconds / 60);
  else if (seconds < 172800)
    (void) fprintf (out, "%lld h", (long long) seconds / 3600);
  else
    (void) fprintf (out, "%lld d", (long long) seconds / 86400);
}

static void
admin_set_user (struct identity *id, const struct passwd *entry)
{
  *id = (struct identity){ .uid = entry->pw_uid, .host_uid = entry->pw_uid, .gid = entry->pw_gid };
  (void) snprintf (id->name, sizeof id->name, "%s", entry->pw_name);
  if (entry->pw_dir[0] == '/' && strlen (entry->pw_dir) < sizeof id->home)
    (void) snprintf (id->home, sizeof id->home, "%s", entry->pw_dir);
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
    admin_set_user (id, found);
  free (buffer);
  return found != NULL;
}

void
admin_tell (struct admin_answer *answer, json_object *object)
{
  if (answer->stream == NULL)
    {
      (void) json_object_array_add (answer->found, object);
      return;
    }
  /* At once: it shows that this process is at work. */
  (void) fputs (json_object_to_json_string_ext (object, JSON_C_TO_STRING_PLAIN), answer->stream);
  (void) fflush (answer->stream);
  json_object_put (object);
}

static void
admin_add_problem (struct admin_answer *answer, int status, const char *name, const char *text)
{
  char line[1200];

  (void) snprintf (line, sizeof line, "user %s: %s", name, text);
  (void) json_object_array_add (answer->problems, json_object_new_string (text_clean (line)));
  answer->worst = status;
}

void
admin_print_problems (const struct admin_answer *answer)
{
  for (size_t i = 0; i < (size_t) json_object_array_length (answer->problems); i++)
    log_message (LOG_WARNING, "%s",
                 json_object_get_string (json_object_array_get_idx (answer->problems, i)));
}

void
admin_free (struct admin_answer *answer)
{
  json_object_put (answer->found);
  json_object_put (answer->problems);
  *answer = (struct admin_answer){ 0 };
}

/* The work itself, as the user. */
static int
admin_work_here (const struct config *config, admin_work *work, const struct identity *user,
                 struct admin_answer *answer, struct failure *f)
{
  char where[SYNCDIR_USER_MAX];
  int dirfd = syncdir_find (config->base_dir, user, f);

  if (dirfd < 0)
    return f->status == 0 ? 0 : -1;
  syncdir_path (config->base_dir, user, where);
  int result = work (config, dirfd, where, user, answer, f);
  (void) close (dirfd);
  return result;
}

/* In a child: becomes the user, works, and writes JSON objects to FD, one
 * after another: what is found, and last, should it fail, why. */
static void
admin_child (const struct config *config, admin_work *work, const struct identity *user, int fd)
{
  struct admin_answer answer = { .stream = fdopen (fd, "w") };
  struct failure f = { 0 };

  if (answer.stream == NULL)
    return;
  if (identity_become (user, &f) != 0 || admin_work_here (config, work, user, &answer, &f) != 0)
    {
      json_object *failure = json_object_new_object ();
      json_object_object_add (failure, "failed", json_object_new_int (f.status));
      admin_add_text (failure, "text", f.text);
      admin_tell (&answer, failure);
    }
  admin_tell (&answer, json_object_new_object ()); /* this was all */
  (void) fclose (answer.stream);
}

/* One object of a user's process; returns whether it is the last. */
static bool
admin_take (struct admin_answer *answer, json_object *object, const char *name)
{
  json_object *failed = NULL, *text = NULL;
  bool last = json_object_is_type (object, json_type_object)
              && json_object_object_length (object) == 0;

  if (json_object_object_get_ex (object, "failed", &failed)
      && json_object_object_get_ex (object, "text", &text))
    admin_add_problem (answer, json_object_get_int (failed), name, json_object_get_string (text));
  if (last || failed != NULL)
    json_object_put (object);
  else
    admin_tell (answer, object);
  return last;
}

/* Takes the objects that are complete in TEXT, LENGTH bytes long.  Returns
 * whether the last one was among them; or, in *BROKEN, that it is no JSON. */
static bool
admin_parse (struct admin_answer *answer, json_tokener *tokener, const char *text, size_t length,
             const char *name, bool *broken)
{
  bool last = false;

  for (size_t at = 0; at < length && !last && !*broken;)
    {
      json_object *object = json_tokener_parse_ex (tokener, text + at, (int) (length - at));
      if (object == NULL)
        {
          *broken = json_tokener_get_error (tokener) != json_tokener_continue;
          break;
        }
      at += (size_t) tokener->char_offset;
      last = admin_take (answer, object, name);
    }
  return last;
}

/* Reads what the child writes to FD.  Returns NULL when it has said that this
 * is all, else why not. */
static const char *
admin_read_answer (struct admin_answer *answer, int fd, const char *name)
{
  json_tokener *tokener = json_tokener_new ();
  const char *problem = tokener == NULL ? "no memory" : NULL;
  bool all = false, broken = false;
  char text[4096];

  while (!all && problem == NULL)
    {
      struct pollfd input = { .fd = fd, .events = POLLIN };
      if (poll (&input, 1, ANSWER_MAX * 1000) <= 0)
        problem = "no answer within " ANSWER_MAX_TEXT " s";
      ssize_t n = problem == NULL ? read (fd, text, sizeof text) : -1;
      if (n > 0)
        all = admin_parse (answer, tokener, text, (size_t) n, name, &broken);
      if (problem == NULL && (n <= 0 || broken))
        problem = "the process that looked was ended";
    }
  if (tokener != NULL)
    json_tokener_free (tokener);
  return problem;
}

static void
admin_end_child (pid_t pid)
{
  const struct timespec moment = { .tv_nsec = 10000000 };

  (void) kill (pid, SIGKILL);
  /* A file server that is dead may keep it from ending. */
  for (int i = 0; i < 100 && waitpid (pid, NULL, WNOHANG) == 0; i++)
    (void) nanosleep (&moment, NULL);
}

/* Does the work in a child, which becomes the user. */
static void
admin_as_user (const struct config *config, admin_work *work, const struct identity *user,
               struct admin_answer *answer)
{
  int fds[2];

  (void) fflush (NULL);
  pid_t pid = pipe (fds) != 0 ? -1 : fork ();
  if (pid < 0)
    {
      admin_add_problem (answer, EX_OSERR, user->name, strerror (errno));
      return;
    }
  if (pid == 0)
    {
      (void) close (fds[0]);
      admin_child (config, work, user, fds[1]);
      _exit (0);
    }
  (void) close (fds[1]);
  const char *problem = admin_read_answer (answer, fds[0], user->name);
  (void) close (fds[0]);
  admin_end_child (pid);
  if (problem != NULL)
    admin_add_problem (answer, EX_IOERR, user->name, problem);
}

/* As root, where the barriers are at home: everybody whom passwd has with a home
 * that is there. */
static int
admin_all_homes (const struct config *config, admin_work *work, struct admin_answer *answer,
                 struct failure *f)
{
  FILE *stream = config->passwd_file == NULL ? NULL : fopen (config->passwd_file, "re");
  const struct passwd *entry;
  struct identity user;

  if (config->passwd_file != NULL && stream == NULL)
    return fail (f, EX_CONFIG, "cannot open PASSWD_FILE %s: %m", config->passwd_file);
  setpwent ();
  while ((entry = stream != NULL ? fgetpwent (stream) : getpwent ()) != NULL)
    {
      admin_set_user (&user, entry);
      if (user.home[0] != '\0' && (access (user.home, F_OK) == 0 || errno != ENOENT))
        admin_as_user (config, work, &user, answer);
    }
  endpwent ();
  if (stream != NULL)
    (void) fclose (stream);
  return 0;
}

/* As root: everybody who has a directory in BASE_DIR. */
static int
admin_all_users (const struct config *config, admin_work *work, struct admin_answer *answer,
                 struct failure *f)
{
  DIR *dir = opendir (config->base_dir);
  const struct dirent *entry;
  struct identity user;

  if (dir == NULL)
    return fail (f, EX_CONFIG, "HOOK_BASE_DIR %s: %m; is it mounted on this node?", config->base_dir);
  while ((entry = readdir (dir)) != NULL)
    if (entry->d_name[0] != '.' && entry->d_type != DT_REG
        && admin_find_user (config, entry->d_name, &user))
      admin_as_user (config, work, &user, answer);
  (void) closedir (dir);
  return 0;
}

/* As an ordinary user: only himself, as the hook would find him. */
static int
admin_myself (const struct config *config, admin_work *work, struct admin_answer *answer,
              struct failure *f)
{
  struct identity user = { .uid = geteuid (), .gid = getegid (), .host_uid = geteuid () };

  if (config->user != NULL && !admin_find_user (config, config->user, &user))
    return fail (f, EX_NOUSER, "user %s is not known", config->user);
  if (user.uid != geteuid ())
    return fail (f, EX_NOPERM, "only root can do this for another user");
  if (user.name[0] == '\0'
      && identity_name (&user, config->passwd_file, f) != 0)
    return -1;
  return admin_work_here (config, work, &user, answer, f);
}

int
admin_each_user (const struct config *config, admin_work *work, struct admin_answer *answer,
                 struct failure *f)
{
  struct identity user;

  *answer = (struct admin_answer){ .found = json_object_new_array (),
                                   .problems = json_object_new_array () };
  if (answer->found == NULL || answer->problems == NULL)
    return fail (f, EX_OSERR, "no memory");
  if (geteuid () != 0)
    return admin_myself (config, work, answer, f);
  if (config->user == NULL)
    return (config->base_dir == NULL ? admin_all_homes : admin_all_users) (config, work, answer, f);
  if (!admin_find_user (config, config->user, &user))
    return fail (f, EX_NOUSER, "user %s is not known", config->user);
  admin_as_user (config, work, &user, answer);
  return 0;
}
