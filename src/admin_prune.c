/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_prune.h"

#include "admin_users.h"
#include "log.h"
#include "prune.h"
#include "waiting.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest age, in seconds: as nanoseconds it must fit into 63 bits. */
#define AGE_MAX INT64_C (8640000000)

struct prune_list {
  struct admin_answer *answer;
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
  admin_tell (list->answer, entry);
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

static int
prune_work (const struct config *config, int dirfd, const char *where, const struct identity *user,
            struct admin_answer *answer, struct failure *f)
{
  struct prune_list list = { answer, user->name, where };
  struct prune prune = { .dirfd = dirfd, .dry_run = config->dry_run, .report = prune_report };

  prune.context = &list;
  if (prune_parse_age (config->older_than, &prune.age, f) != 0)
    return -1;
  return prune_run (&prune, f) < 0 ? -1 : 0;
}

/* Says what was, or would be, removed; *WORST if it could not be. */
static void
prune_print (const struct config *config, json_object *entry, int *worst)
{
  json_object *error = json_object_object_get (entry, "error");
  const char *where = json_object_get_string (json_object_object_get (entry, "directory"));
  const char *name = json_object_get_string (json_object_object_get (entry, "name"));

  if (error != NULL)
    {
      log_message (LOG_WARNING, "cannot remove %s/%s: %s", where, name,
                   json_object_get_string (error));
      *worst = EX_IOERR;
      return;
    }
  (void) printf ("%s %s/%s, unchanged for ", config->dry_run ? "would remove" : "removed", where,
                 name);
  admin_print_age (stdout, json_object_get_int64 (json_object_object_get (entry, "age")));
  (void) printf ("\n");
}

int
admin_prune (const struct config *config, int *worst, struct failure *f)
{
  struct admin_answer answer;
  int64_t age;

  if (prune_parse_age (config->older_than, &age, f) != 0)
    return -1;
  int result = admin_each_user (config, prune_work, &answer, f);
  *worst = answer.worst;
  for (size_t i = 0; result == 0 && i < (size_t) json_object_array_length (answer.found); i++)
    prune_print (config, json_object_array_get_idx (answer.found, i), worst);
  if (result == 0)
    admin_print_problems (&answer);
  admin_free (&answer);
  return result;
}
