/* SPDX-License-Identifier: BSD-3-Clause */
#include "podman_conf.h"

#include <glob.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PODMAN_DEFAULT "/usr/share/containers/oci/hooks.d"

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

/* Reads hooks_dir of the file PATH; false if it does not have it. */
static bool
read_hooks_dirs (const char *path, char dirs[PODMAN_CONF_MAX][PATH_MAX], size_t *count)
{
  FILE *stream = fopen (path, "re");
  bool found = false, inside = false;
  char line[PATH_MAX];

  while (stream != NULL && fgets (line, sizeof line, stream) != NULL)
    {
      const char *text = line + strspn (line, " \t");
      if (!inside && strncmp (text, "hooks_dir", strlen ("hooks_dir")) == 0
          && strchr (text, '[') != NULL)
        {
          found = inside = true;
          *count = 0;
          text = strchr (text, '[') + 1;
        }
      if (inside)
        inside = !take_strings (text, dirs, count);
    }
  if (stream != NULL)
    (void) fclose (stream);
  return found;
}

size_t
podman_conf_hooks_dirs (char dirs[PODMAN_CONF_MAX][PATH_MAX], const char **source)
{
  static char found[PATH_MAX];
  char own[2][PATH_MAX] = { "", "" };
  const char *patterns[] = { "/usr/share/containers/containers.conf",
                             "/etc/containers/containers.conf",
                             "/etc/containers/containers.conf.d/*.conf", own[0], own[1] };
  const struct passwd *user = geteuid () == 0 ? NULL : getpwuid (geteuid ());
  size_t count = 1;

  if (user != NULL)
    {
      (void) snprintf (own[0], PATH_MAX, "%s/.config/containers/containers.conf", user->pw_dir);
      (void) snprintf (own[1], PATH_MAX, "%s/.config/containers/containers.conf.d/*.conf",
                       user->pw_dir);
    }
  (void) snprintf (dirs[0], PATH_MAX, "%s", PODMAN_DEFAULT);
  *source = "podman's default";
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
    {
      glob_t files;
      if (glob (patterns[i], 0, NULL, &files) != 0)
        continue;
      for (size_t k = 0; k < files.gl_pathc; k++)
        if (read_hooks_dirs (files.gl_pathv[k], dirs, &count))
          {
            (void) snprintf (found, sizeof found, "%s", files.gl_pathv[k]);
            *source = found;
          }
      globfree (&files);
    }
  return count;
}
