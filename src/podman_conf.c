/* SPDX-License-Identifier: BSD-3-Clause */
#include "podman_conf.h"

#include <glob.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct dirs {
  char (*names)[PATH_MAX]; /* PODMAN_CONF_MAX of them */
  size_t count;
};

/* hooks_dir of one file. */
struct array {
  char names[PODMAN_CONF_MAX][PATH_MAX];
  struct dirs dirs; /* these */
  bool append;      /* has {append=true}, which newer podmans know */
};

static bool
is_append (const char *text)
{
  const char key[] = "append";

  if (strncmp (text, key, strlen (key)) != 0)
    return false;
  text += strlen (key);
  text += strspn (text, " \t");
  return *text == '=' && strncmp (text + 1 + strspn (text + 1, " \t"), "true", strlen ("true")) == 0;
}

/* Takes the strings, "..." or '...', of a TOML array from TEXT, up to its end.
 * Returns whether the end was in TEXT. */
static bool
take_strings (const char *text, struct array *array)
{
  struct dirs *dirs = &array->dirs;

  while (*text != '\0' && *text != ']' && *text != '#')
    {
      array->append = array->append || is_append (text);
      char quote = *text++;
      if (quote != '"' && quote != '\'')
        continue;
      const char *end = strchr (text, quote);
      if (end == NULL)
        return true;
      if (dirs->count < PODMAN_CONF_MAX && (size_t) (end - text) < PATH_MAX)
        {
          memcpy (dirs->names[dirs->count], text, (size_t) (end - text));
          dirs->names[dirs->count++][end - text] = '\0';
        }
      text = end + 1;
    }
  return *text == ']';
}

/* Puts the ARRAY in the place of DIRS, or behind them. */
static void
use_array (const struct array *array, struct dirs *dirs)
{
  if (!array->append)
    dirs->count = 0;
  for (size_t i = 0; i < array->dirs.count && dirs->count < PODMAN_CONF_MAX; i++)
    memcpy (dirs->names[dirs->count++], array->names[i], PATH_MAX);
}

/* What follows KEY in TEXT, and blanks before and behind it; NULL if it is not
 * there.  Podman takes it in quotes, and in letters of any size, too. */
static const char *
after_key (const char *text, const char *key)
{
  text += strspn (text, " \t");
  char quote = *text;
  if (quote == '"' || quote == '\'')
    text++;
  else
    quote = '\0';
  if (strncasecmp (text, key, strlen (key)) != 0)
    return NULL;
  text += strlen (key);
  if (quote != '\0' && *text++ != quote)
    return NULL;
  return text + strspn (text, " \t");
}

/* Whether TEXT begins with the table [engine]. */
static bool
is_engine (const char *text)
{
  const char *after = after_key (text + 1, "engine");

  return after != NULL && *after == ']';
}

/* What follows "hooks_dir = [" in TEXT, a line of the table [engine], or
 * "engine.hooks_dir = [" in one of before all tables; NULL if it is not that. */
static const char *
after_hooks_dir (const char *text, bool engine)
{
  if (!engine)
    text = after_key (text, "engine");
  if (!engine && (text == NULL || *text++ != '.'))
    return NULL;
  text = after_key (text, "hooks_dir");
  if (text == NULL || *text++ != '=')
    return NULL;
  text += strspn (text, " \t");
  return *text == '[' ? text + 1 : NULL;
}

/* Reads hooks_dir of the table [engine] in the file PATH into DIRS; false if it
 * does not have it. */
static bool
read_hooks_dirs (const char *path, struct dirs *dirs)
{
  static struct array array;
  FILE *stream = fopen (path, "re");
  bool found = false, inside = false, engine = false, top = true;
  char line[PATH_MAX];

  while (stream != NULL && fgets (line, sizeof line, stream) != NULL)
    {
      const char *text = line + strspn (line, " \t");
      if (!inside && *text == '[')
        {
          engine = is_engine (text);
          top = false;
        }
      else if (!inside && (engine || top) && (text = after_hooks_dir (text, engine)) != NULL)
        {
          found = inside = true;
          array.dirs = (struct dirs){ .names = array.names };
          array.append = false;
        }
      if (inside)
        inside = !take_strings (text, &array);
    }
  if (found)
    use_array (&array, dirs);
  if (stream != NULL)
    (void) fclose (stream);
  return found;
}

/* The caller's own containers directory, or "" as root: of root, podman reads
 * none. */
static void
own_directory (char dir[PATH_MAX])
{
  const char *xdg = getenv ("XDG_CONFIG_HOME"), *home = getenv ("HOME");
  const struct passwd *user = home == NULL ? getpwuid (geteuid ()) : NULL;

  dir[0] = '\0';
  if (user != NULL)
    home = user->pw_dir;
  if (geteuid () == 0)
    return;
  if (xdg != NULL && xdg[0] != '\0')
    (void) snprintf (dir, PATH_MAX, "%s/containers", xdg);
  else if (home != NULL)
    (void) snprintf (dir, PATH_MAX, "%s/.config/containers", home);
}

size_t
podman_conf_hooks_dirs (char names[PODMAN_CONF_MAX][PATH_MAX], const char **source)
{
  static char found[PATH_MAX];
  char dir[PATH_MAX], own[2][PATH_MAX + 32] = { "", "" };
  const char *usual[] = { "/usr/share/containers/containers.conf",
                          "/etc/containers/containers.conf",
                          "/etc/containers/containers.conf.d/*.conf", own[0], own[1] };
  const char *only = getenv ("CONTAINERS_CONF"), *last = getenv ("CONTAINERS_CONF_OVERRIDE");
  struct dirs dirs = { .names = names, .count = 1 };
  const char *patterns[8];
  size_t files = 0;

  own_directory (dir);
  if (dir[0] != '\0')
    {
      (void) snprintf (own[0], sizeof own[0], "%s/containers.conf", dir);
      (void) snprintf (own[1], sizeof own[1], "%s/containers.conf.d/*.conf", dir);
    }
  if (only != NULL)
    patterns[files++] = only;
  for (size_t i = 0; only == NULL && i < sizeof usual / sizeof *usual; i++)
    patterns[files++] = usual[i];
  if (last != NULL)
    patterns[files++] = last;
  (void) snprintf (names[0], PATH_MAX, "%s", PODMAN_CONF_DEFAULT);
  *source = "podman's default";
  for (size_t i = 0; i < files; i++)
    {
      glob_t paths;
      if (glob (patterns[i], 0, NULL, &paths) != 0)
        continue;
      for (size_t k = 0; k < paths.gl_pathc; k++)
        if (read_hooks_dirs (paths.gl_pathv[k], &dirs))
          {
            (void) snprintf (found, sizeof found, "%s", paths.gl_pathv[k]);
            *source = found;
          }
      globfree (&paths);
    }
  return dirs.count;
}
