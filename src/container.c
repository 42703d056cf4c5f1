/* SPDX-License-Identifier: BSD-3-Clause */
#include "container.h"

#include "json_text.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_MAX INT64_C (4294967294) /* 2^32-1 means "no id" to the kernel */

static size_t
get_length (json_object *list)
{
  return list == NULL ? 0 : (size_t) json_object_array_length (list);
}

/* Whether all in LIST, an array or an object or NULL, are strings. */
static bool
are_strings (json_object *list)
{
  bool are = true;

  for (size_t i = 0; json_object_is_type (list, json_type_array) && i < get_length (list); i++)
    are = are && json_object_is_type (json_object_array_get_idx (list, i), json_type_string);
  if (json_object_is_type (list, json_type_object))
    {
      json_object_object_foreach (list, key, value)
        are = are && key != NULL && json_object_is_type (value, json_type_string);
    }
  return are;
}

/* What is asked for later has the type that the runtime specification says, or is
 * missing: a hook that takes a mistake for nothing there would let its container go
 * alone. */
static int
check_types (json_object *config, const char *where, struct failure *f)
{
  static const struct
  {
    const char *path;
    json_type type;
    bool of_strings;
  } parts[] = {
    { "process", json_type_object, false },
    { "process.env", json_type_array, true },
    { "process.user", json_type_object, false },
    { "process.user.additionalGids", json_type_array, false },
    { "annotations", json_type_object, true },
    { "linux", json_type_object, false },
    { "linux.namespaces", json_type_array, false },
    { "linux.uidMappings", json_type_array, false },
    { "linux.gidMappings", json_type_array, false },
  };

  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    {
      json_object *part = json_text_part (config, parts[i].path, json_type_null);
      if (part != NULL && !json_object_is_type (part, parts[i].type))
        return fail (f, EX_DATAERR, "%s: \"%s\" is of type %s, not %s", where, parts[i].path,
                     json_type_to_name (json_object_get_type (part)),
                     json_type_to_name (parts[i].type));
      if (parts[i].of_strings && !are_strings (part))
        return fail (f, EX_DATAERR, "%s: not all in \"%s\" are strings", where, parts[i].path);
    }
  return 0;
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
  /* In createContainer the hook may have no number in the user namespace. */
  if (fd < 0 || fstat (fd, &st) != 0)
    (void) fail (f, EX_DATAERR, "cannot open %s: %m%s", path,
                 errno != EACCES ? ""
                                 : "; --userns=nomap and auto need another stage than "
                                   "createContainer");
  else if (!S_ISREG (st.st_mode))
    (void) fail (f, EX_DATAERR, "%s is not a regular file", path);
  else if ((config = json_text_read (path, fd, f)) != NULL && check_types (config, path, f) != 0)
    {
      json_object_put (config);
      config = NULL;
    }
  close_one (&fd);
  return config;
}

static int
read_bundle (struct container *c, json_object *state, struct failure *f)
{
  json_object *bundle = json_text_part (state, "bundle", json_type_string);
  json_object *id = json_text_part (state, "id", json_type_string);

  /* podman's stage precreate lets hooks change it. */
  if (bundle == NULL && json_text_part (state, "process", json_type_object) != NULL)
    return fail (f, EX_DATAERR,
                 "standard input has a container's config.json, not its state: the hook is in the "
                 "wrong stage; write prestart into the hook's JSON file");
  if (bundle == NULL)
    return fail (f, EX_DATAERR, "the container's state has no \"bundle\"");
  if (json_object_get_string (bundle)[0] != '/')
    return fail (f, EX_DATAERR, "the state's bundle \"%.400s\" is not an absolute path",
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
  json_object *state = json_text_read ("the container's state on standard input", fd, f);
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

const char *
container_env (const struct container *c, const char *name)
{
  json_object *list = json_text_part (c->config, "process.env", json_type_array);
  size_t count = get_length (list), length = strlen (name);

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
  json_object *value = NULL;

  (void) json_object_object_get_ex (json_text_part (c->config, "annotations", json_type_object),
                                    key, &value);
  return json_object_get_string (value);
}

/* The number at PATH of OBJECT, from 0 to ID_MAX.  WHERE is before it in messages. */
static int
get_id (json_object *object, const char *where, const char *path, int64_t *id, struct failure *f)
{
  json_object *number = json_text_part (object, path, json_type_int);

  if (number == NULL)
    return fail (f, EX_DATAERR, "config.json: %s%s is missing or not a whole number", where, path);
  *id = json_object_get_int64 (number);
  if (*id < 0 || *id > ID_MAX)
    return fail (f, EX_DATAERR, "config.json: %s%s is not between 0 and %lld", where, path,
                 (long long) ID_MAX);
  return 0;
}

/* Whether the container gets a user namespace. */
static bool
has_own_namespace (const struct container *c)
{
  json_object *list = json_text_part (c->config, "linux.namespaces", json_type_array);
  bool own = false;

  for (size_t i = 0; i < get_length (list); i++)
    {
      json_object *type
        = json_text_part (json_object_array_get_idx (list, i), "type", json_type_string);
      own = own || (type != NULL && strcmp (json_object_get_string (type), "user") == 0);
    }
  return own;
}

/* Translates *ID of the container by the mappings NAME of config.json; it has some
 * if it has a user namespace of its own. */
static int
map_id (const struct container *c, const char *name, int64_t *id, struct failure *f)
{
  json_object *mappings = json_text_part (c->config, name, json_type_array);
  size_t count = get_length (mappings);

  for (size_t i = 0; i < count; i++)
    {
      json_object *mapping = json_object_array_get_idx (mappings, i);
      int64_t inside, outside, size;
      char where[64];

      (void) snprintf (where, sizeof where, "%s[%zu]: ", name, i);
      if (get_id (mapping, where, "containerID", &inside, f) != 0
          || get_id (mapping, where, "hostID", &outside, f) != 0
          || get_id (mapping, where, "size", &size, f) != 0)
        return -1;
      if (*id < inside || *id - inside >= size)
        continue;
      *id = outside + (*id - inside);
      if (*id > ID_MAX)
        return fail (f, EX_DATAERR, "config.json: %s[%zu] maps beyond the last id", name, i);
      return 0;
    }
  if (count == 0 && !has_own_namespace (c))
    return 0;
  return fail (f, EX_NOPERM,
               "config.json: id %lld of the user namespace has no number on the host: %s %s",
               (long long) *id, name, count == 0 ? "is missing" : "lacks it");
}

int
container_user (const struct container *c, struct container_user *user, struct failure *f)
{
  static gid_t host_groups[NGROUPS_MAX]; /* only what is used of it takes memory */
  json_object *groups
    = json_text_part (c->config, "process.user.additionalGids", json_type_array);
  const size_t count = get_length (groups);
  int64_t id;

  *user = (struct container_user){ .groups = host_groups };
  if (get_id (c->config, "", "process.user.uid", &id, f) != 0
      || map_id (c, "linux.uidMappings", &id, f) != 0)
    return -1;
  user->uid = (uid_t) id;
  if (get_id (c->config, "", "process.user.gid", &id, f) != 0
      || map_id (c, "linux.gidMappings", &id, f) != 0)
    return -1;
  user->gid = (gid_t) id;
  if (count > NGROUPS_MAX)
    return fail (f, EX_DATAERR, "config.json: process.user.additionalGids are %zu", count);
  for (; user->group_count < count; user->group_count++)
    {
      json_object *group = json_object_array_get_idx (groups, user->group_count);
      if (get_id (group, "process.user.additionalGids", "", &id, f) != 0
          || map_id (c, "linux.gidMappings", &id, f) != 0)
        return -1;
      host_groups[user->group_count] = (gid_t) id;
    }
  return 0;
}
