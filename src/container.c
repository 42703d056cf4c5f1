/* SPDX-License-Identifier: BSD-3-Clause */
#include "container.h"

#include "json_text.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Real states are below 10 kB and real config.json below 1 MB; an environment of
 * more than 2 MB is too long for execve(2), usually.  The limits keep a broken
 * producer, and a user with many short variables, from filling the memory:
 * parsed, they take thirty times the room. */
#define STATE_MAX ((size_t) 4 << 20)
#define CONFIG_MAX ((size_t) 8 << 20)
#define ID_MAX INT64_C (4294967294) /* 2^32-1 means "no id" to the kernel */

/* The position behind the string that begins at TEXT[AT], or END. */
static size_t
skip_string (const char *text, size_t at, size_t end)
{
  const char *quote;
  bool escaped = true;

  while (escaped && (quote = memchr (text + at + 1, '"', end - at - 1)) != NULL)
    {
      at = (size_t) (quote - text);
      /* It is, behind an odd number of backslashes. */
      escaped = false;
      for (size_t i = at - 1; text[i] == '\\'; i--)
        escaped = !escaped;
    }
  return escaped ? end : at + 1;
}

/* The position behind the object or array that begins at TEXT[AT], or END. */
static size_t
skip_brackets (const char *text, size_t at, size_t end)
{
  size_t depth = 0;

  while (at < end)
    switch (text[at])
      {
      case '"':
        at = skip_string (text, at, end);
        break;
      case '{':
      case '[':
        depth++;
        at++;
        break;
      case '}':
      case ']':
        at++;
        if (--depth == 0)
          return at;
        break;
      default:
        at++;
        break;
      }
  return end;
}

/* Whether the string TEXT[FROM] .. TEXT[TO-1] names a part of config.json that
 * is large and that nothing here asks for. */
static bool
is_ballast (const char *text, size_t from, size_t to)
{
  static const char *const names[]
    = { "\"mounts\"",  "\"hooks\"",       "\"seccomp\"",       "\"devices\"", "\"capabilities\"",
        "\"rlimits\"", "\"maskedPaths\"", "\"readonlyPaths\"", "\"resources\"" };

  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (to - from == strlen (names[i]) && memcmp (text + from, names[i], to - from) == 0)
      return true;
  return false;
}

/* If the string TEXT[FROM] .. TEXT[AT-1] names ballast, and an object or array
 * follows: where that begins; else 0. */
static size_t
find_ballast (const char *text, size_t from, size_t at)
{
  if (!is_ballast (text, from, at))
    return 0;
  at += strspn (text + at, " \t\r\n");
  if (text[at] != ':')
    return 0;
  at++;
  at += strspn (text + at, " \t\r\n");
  return text[at] == '{' || text[at] == '[' ? at : 0;
}

/* Most of config.json is mounts and system calls.  Parsed, they would cost more
 * than all the rest of the hook.  Puts a 0 in their place in TEXT, and returns
 * the length that is left. */
static size_t
drop_ballast (char *text, size_t end)
{
  const char *quote;
  size_t length = 0, from = 0, at = 0;

  while (at < end && (quote = memchr (text + at, '"', end - at)) != NULL)
    {
      size_t name = (size_t) (quote - text);
      at = skip_string (text, name, end);
      size_t value = find_ballast (text, name, at);
      if (value == 0)
        continue;
      at = skip_brackets (text, value, end);
      memmove (text + length, text + from, value - from);
      length += value - from;
      text[length++] = '0';
      from = at;
    }
  memmove (text + length, text + from, end - from);
  length += end - from;
  text[length] = '\0';
  return length;
}

static json_object *
read_object (const char *what, int fd, size_t max, size_t expected, bool ballast, struct failure *f)
{
  char *text = NULL;
  json_object *object = NULL;
  ssize_t length = json_text_read (what, fd, max, expected, &text, f);

  if (length >= 0)
    object = json_text_parse (what, text,
                              ballast ? drop_ballast (text, (size_t) length) : (size_t) length, f);
  free (text);
  return object;
}

/* The member NAME of OBJECT, NULL if there is none or it is null.  A member of
 * another type than TYPE is an error: returns -1. */
static int
get_member (json_object *object, const char *name, json_type type, json_object **member,
            struct failure *f)
{
  *member = NULL;
  if (object == NULL || !json_object_object_get_ex (object, name, member) || *member == NULL)
    return 0;
  if (json_object_is_type (*member, type))
    return 0;
  return fail (f, EX_DATAERR, "\"%s\" is of type %s, not %s", name,
               json_type_to_name (json_object_get_type (*member)), json_type_to_name (type));
}

/* All entries of the two must be strings, of any content. */
static int
check_strings (json_object *environment, json_object *annotations, struct failure *f)
{
  size_t count = environment == NULL ? 0 : (size_t) json_object_array_length (environment);

  for (size_t i = 0; i < count; i++)
    if (!json_object_is_type (json_object_array_get_idx (environment, i), json_type_string))
      return fail (f, EX_DATAERR, "process.env[%zu] is not a string", i);
  if (annotations == NULL)
    return 0;
  json_object_object_foreach (annotations, key, value)
  {
    if (!json_object_is_type (value, json_type_string))
      return fail (f, EX_DATAERR, "annotation \"%s\" is not a string", key);
  }
  return 0;
}

static int
check_config (json_object *config, struct failure *f)
{
  json_object *process, *environment, *annotations, *unused;

  if (get_member (config, "process", json_type_object, &process, f) != 0
      || get_member (process, "env", json_type_array, &environment, f) != 0
      || get_member (process, "user", json_type_object, &unused, f) != 0
      || get_member (config, "linux", json_type_object, &unused, f) != 0
      || get_member (config, "annotations", json_type_object, &annotations, f) != 0)
    return -1;
  return check_strings (environment, annotations, f);
}

static json_object *
read_config (const char *bundle, struct failure *f)
{
  char path[4096];
  struct stat st;
  json_object *config = NULL;

  if ((size_t) snprintf (path, sizeof path, "%s/config.json", bundle) >= sizeof path)
    {
      (void) fail (f, EX_DATAERR, "the state's bundle has a path of %zu bytes", strlen (bundle));
      return NULL;
    }
  /* O_NONBLOCK: a FIFO in its place must not hold the container up. */
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0 || fstat (fd, &st) != 0)
    (void) fail (f, EX_DATAERR, "cannot open %s: %m", path);
  else if (!S_ISREG (st.st_mode))
    (void) fail (f, EX_DATAERR, "%s is not a regular file", path);
  else
    {
      size_t expected = (size_t) (st.st_size < 65536 ? st.st_size : 65535) + 1;
      config = read_object (path, fd, CONFIG_MAX, expected, true, f);
      /* Whatever is wrong with it: the message tells the byte in the whole text. */
      if (config == NULL && lseek (fd, 0, SEEK_SET) == 0)
        config = read_object (path, fd, CONFIG_MAX, expected, false, f);
    }
  if (fd >= 0)
    (void) close (fd);
  if (config != NULL && check_config (config, f) != 0)
    {
      fail_prefix (f, "%s", path);
      json_object_put (config);
      config = NULL;
    }
  return config;
}

static int
read_bundle (struct container *c, json_object *state, struct failure *f)
{
  json_object *bundle, *id;

  if (get_member (state, "bundle", json_type_string, &bundle, f) != 0
      || get_member (state, "id", json_type_string, &id, f) != 0)
    {
      fail_prefix (f, "the container's state");
      return -1;
    }
  /* podman's stage precreate lets hooks change it. */
  if (bundle == NULL && json_object_object_get_ex (state, "process", NULL))
    return fail (f, EX_DATAERR, "standard input has a container's config.json, not its state: the hook is "
                                "in the wrong stage; write prestart into the hook's JSON file");
  if (bundle == NULL)
    return fail (f, EX_DATAERR, "the container's state has no \"bundle\"");
  if (json_object_get_string (bundle)[0] != '/')
    return fail (f, EX_DATAERR, "the state's bundle \"%s\" is not an absolute path",
                 json_object_get_string (bundle));
  if (id != NULL)
    (void) snprintf (c->id, sizeof c->id, "%s", json_object_get_string (id));
  (void) text_clean (c->id);
  c->config = read_config (json_object_get_string (bundle), f);
  return c->config == NULL ? -1 : 0;
}

int
container_read (struct container *c, int fd, struct failure *f)
{
  *c = (struct container){ 0 };
  json_object *state = read_object ("the container's state on standard input", fd, STATE_MAX, 4096, false, f);
  if (state == NULL)
    return -1;
  int result = read_bundle (c, state, f);
  json_object_put (state);
  return result;
}

void
container_free (struct container *c)
{
  json_object_put (c->config);
  c->config = NULL;
}

/* A member that check_config() has found to be of the right type. */
static json_object *
checked_member (json_object *object, const char *name)
{
  json_object *member = NULL;

  if (object != NULL)
    (void) json_object_object_get_ex (object, name, &member);
  return member;
}

const char *
container_env (const struct container *c, const char *name)
{
  json_object *list = checked_member (checked_member (c->config, "process"), "env");
  size_t count = list == NULL ? 0 : (size_t) json_object_array_length (list);
  size_t length = strlen (name);

  for (size_t i = 0; i < count; i++)
    {
      const char *entry = json_object_get_string (json_object_array_get_idx (list, i));
      /* Most begin with another letter. */
      if (entry[0] == name[0] && strncmp (entry, name, length) == 0 && entry[length] == '=')
        return entry + length + 1;
    }
  return NULL;
}

const char *
container_annotation (const struct container *c, const char *key)
{
  json_object *value = checked_member (checked_member (c->config, "annotations"), key);

  return value == NULL ? NULL : json_object_get_string (value);
}

/* A number from 0 to ID_MAX; NULL counts as missing. */
static int
get_id (json_object *number, const char *name, int64_t *id, struct failure *f)
{
  if (!json_object_is_type (number, json_type_int))
    return fail (f, EX_DATAERR, "%s is missing or not a whole number", name);
  *id = json_object_get_int64 (number);
  if (*id < 0 || *id > ID_MAX)
    return fail (f, EX_DATAERR, "%s is not between 0 and %lld", name, (long long) ID_MAX);
  return 0;
}

/* Translates *ID of the container by the mappings NAME of config.json. */
static int
map_id (json_object *mappings, const char *name, int64_t *id, struct failure *f)
{
  size_t count = (size_t) json_object_array_length (mappings);

  for (size_t i = 0; i < count; i++)
    {
      json_object *mapping = json_object_array_get_idx (mappings, i);
      int64_t inside, outside, size;

      if (!json_object_is_type (mapping, json_type_object))
        return fail (f, EX_DATAERR, "linux.%s[%zu] is not an object", name, i);
      if (get_id (checked_member (mapping, "containerID"), "containerID", &inside, f) != 0
          || get_id (checked_member (mapping, "hostID"), "hostID", &outside, f) != 0
          || get_id (checked_member (mapping, "size"), "size", &size, f) != 0)
        {
          fail_prefix (f, "linux.%s[%zu]", name, i);
          return -1;
        }
      if (*id < inside || *id - inside >= size)
        continue;
      *id = outside + (*id - inside);
      if (*id > ID_MAX)
        return fail (f, EX_DATAERR, "linux.%s[%zu] maps beyond the last id", name, i);
      return 0;
    }
  return fail (f, EX_NOPERM, "id %lld of the container has no number on the host: linux.%s lacks it",
               (long long) *id, name);
}

/* Whether the container gets a user namespace; *PATH: one that is there
 * already. */
static int
find_user_namespace (json_object *linux_object, bool *own, bool *path, struct failure *f)
{
  json_object *list;

  *own = *path = false;
  if (get_member (linux_object, "namespaces", json_type_array, &list, f) != 0)
    return -1;
  size_t count = list == NULL ? 0 : (size_t) json_object_array_length (list);
  for (size_t i = 0; i < count; i++)
    {
      json_object *entry = json_object_array_get_idx (list, i);
      json_object *type;

      if (!json_object_is_type (entry, json_type_object))
        return fail (f, EX_DATAERR, "linux.namespaces[%zu] is not an object", i);
      if (get_member (entry, "type", json_type_string, &type, f) != 0)
        return -1;
      if (type == NULL || strcmp (json_object_get_string (type), "user") != 0)
        continue;
      *own = true;
      *path = checked_member (entry, "path") != NULL;
    }
  return 0;
}

/* The list of mappings NAME that counts: NULL where ids need no translation. */
static int
find_mappings (json_object *linux_object, const char *name, json_object **mappings,
               struct failure *f)
{
  bool own, path;

  if (get_member (linux_object, name, json_type_array, mappings, f) != 0
      || find_user_namespace (linux_object, &own, &path, f) != 0)
    return -1;
  if (*mappings != NULL && json_object_array_length (*mappings) == 0)
    *mappings = NULL;
  if (*mappings == NULL && own)
    return fail (f, EX_NOPERM, "the container has a user namespace%s and linux.%s is missing: "
                 "who its user is on the host cannot be told",
                 path ? " made by somebody else" : "", name);
  return 0;
}

static int
get_groups (json_object *list, json_object *mappings, struct container_user *user,
            struct failure *f)
{
  size_t count = list == NULL ? 0 : (size_t) json_object_array_length (list);

  user->groups = calloc (count + 1, sizeof *user->groups);
  if (user->groups == NULL)
    return fail (f, EX_OSERR, "process.user.additionalGids: %m");
  for (size_t i = 0; i < count; i++)
    {
      int64_t id;

      if (get_id (json_object_array_get_idx (list, i), "process.user.additionalGids", &id, f) != 0
          || (mappings != NULL && map_id (mappings, "gidMappings", &id, f) != 0))
        return -1;
      user->groups[user->group_count++] = (gid_t) id;
    }
  return 0;
}

int
container_user (const struct container *c, struct container_user *user, struct failure *f)
{
  json_object *linux_object = checked_member (c->config, "linux");
  json_object *process_user = checked_member (checked_member (c->config, "process"), "user");
  json_object *uid_maps, *gid_maps, *groups;
  int64_t uid, gid;

  *user = (struct container_user){ 0 };
  if (find_mappings (linux_object, "uidMappings", &uid_maps, f) != 0
      || find_mappings (linux_object, "gidMappings", &gid_maps, f) != 0
      || get_id (checked_member (process_user, "uid"), "process.user.uid", &uid, f) != 0
      || get_id (checked_member (process_user, "gid"), "process.user.gid", &gid, f) != 0
      || get_member (process_user, "additionalGids", json_type_array, &groups, f) != 0
      || (uid_maps != NULL && map_id (uid_maps, "uidMappings", &uid, f) != 0)
      || (gid_maps != NULL && map_id (gid_maps, "gidMappings", &gid, f) != 0)
      || get_groups (groups, gid_maps, user, f) != 0)
    {
      fail_prefix (f, "config.json");
      free (user->groups);
      *user = (struct container_user){ 0 };
      return -1;
    }
  user->uid = (uid_t) uid;
  user->gid = (gid_t) gid;
  return 0;
}
