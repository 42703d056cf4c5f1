/* SPDX-License-Identifier: BSD-3-Clause */
#include "podman_conf.h"

#include <glob.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Takes the strings, "..." or '...', of a TOML array from TEXT, up to its end.
 * Returns whether the end was in TEXT. */
static bool
take_strings (const char *text, char dirs[PODMAN_CONF_MAX][PATH_MAX], size_t *count)
{
  while (*text != '\0' && *text != ']' && *text != '#')
    {
      char quote = *text++;
      if (quote != '"' && quote != '\'')
        continue;
      const char *end = strchr (text, quote);
      if (end == NULL)
        return true;
      if (*count < PODMAN_CONF_MAX && (size_t) (end - text) < PATH_MAX)
        {
          memcpy (dirs[*count], text, (size_t) (end - text));
          dirs[*count][end - text] = '\0';
          ++*count;
        }
      text = end + 1;
    }
  return *text == ']';
}

/* Whether LINE begins "hooks_dir = [" of TOML; *AFTER gets what follows. */
static bool
is_hooks_dir (const char *line, const char **after)
{
  const char key[] = "hooks_dir";

  if (strncmp (line, key, strlen (key)) != 0)
    return false;
  line += strlen (key);
  line += strspn (line, " \t");
  if (*line != '=')
    return false;
  line += 1 + strspn (line + 1, " \t");
  *after = line + 1;
  return *line == '[';
}

/* Reads hooks_dir of the table [engine] in the file PATH; false if it does not
 * have it. */
static bool
read_hooks_dirs (const char *path, char dirs[PODMAN_CONF_MAX][PATH_MAX], size_t *count)
{
  FILE *stream = fopen (path, "re");
  bool found = false, inside = false, engine = false;
  char line[PATH_MAX];

  while (stream != NULL && fgets (line, sizeof line, stream) != NULL)
    {
      const char *text = line + strspn (line, " \t");
      if (!inside && *text == '[')
        engine = strncmp (text, "[engine]", strlen ("[engine]")) == 0;
      else if (!inside && engine && is_hooks_dir (text, &text))
        {
          found = inside = true;
          *count = 0;
        }
      if (inside)
        inside = !take_strings (text, dirs, count);
    }
  if (stream != NULL)
    (void) fclose (stream);
  return found;
}

/* The caller's own containers directory, or "" as root. */
static void
own_directory (char dir[PATH_MAX])
{
  const char *xdg = getenv ("XDG_CONFIG_HOME");
  const struct passwd *user = geteuid () == 0 ? NULL : getpwuid (geteuid ());

  dir[0] = '\0';
  if (user != NULL && xdg != NULL && xdg[0] == '/')
    (void) snprintf (dir, PATH_MAX, "%s/containers", xdg);
  else if (user != NULL)
    (void) snprintf (dir, PATH_MAX, "%s/.config/containers", user->pw_dir);
}

size_t
podman_conf_hooks_dirs (char dirs[PODMAN_CONF_MAX][PATH_MAX], const char **source)
{
  static char found[PATH_MAX];
  char dir[PATH_MAX], own[2][PATH_MAX + 32] = { "", "" };
  const char *usual[] = { "/usr/share/containers/containers.conf",
                          "/etc/containers/containers.conf",
                          "/etc/containers/containers.conf.d/*.conf", own[0], own[1] };
  const char *only = getenv ("CONTAINERS_CONF"), *last = getenv ("CONTAINERS_CONF_OVERRIDE");
  const char *patterns[8];
  size_t files = 0, count = 1;

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
  (void) snprintf (dirs[0], PATH_MAX, "%s", PODMAN_CONF_DEFAULT);
  *source = "podman's default";
  for (size_t i = 0; i < files; i++)
    {
      glob_t names;
      if (glob (patterns[i], 0, NULL, &names) != 0)
        continue;
      for (size_t k = 0; k < names.gl_pathc; k++)
        if (read_hooks_dirs (names.gl_pathv[k], dirs, &count))
          {
            (void) snprintf (found, sizeof found, "%s", names.gl_pathv[k]);
            *source = found;
          }
      globfree (&names);
    }
  return count;
}
