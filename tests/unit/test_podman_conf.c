/* SPDX-License-Identifier: BSD-3-Clause */
#include "podman_conf.h"

#include "unit.h"

#include <sys/mount.h>

/*
 * The places of containers.conf are fixed, so each test gets a file system of
 * its own for them: empty directories over /etc and /usr/share, in name spaces
 * of its own.  USER is the number that this process has there, 0 or another.
 */

#define HOME "/usr/share/home"
#define DEFAULT "/usr/share/containers/oci/hooks.d"

static int
hide_directories (void)
{
  return unshare (CLONE_NEWNS) == 0 && mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0
             && mount ("none", "/etc", "tmpfs", 0, NULL) == 0
             && mount ("none", "/usr/share", "tmpfs", 0, NULL) == 0
           ? 0
           : 1;
}

static int
can_hide_directories (const void *unused)
{
  (void) unused;
  return unshare (CLONE_NEWUSER) == 0 ? hide_directories () : 1;
}

static void
be (unsigned user)
{
  char uid_map[40], gid_map[40];
  const struct unit_maps maps = { .uid = uid_map, .gid = gid_map };

  (void) snprintf (uid_map, sizeof uid_map, "%u %u 1", user, (unsigned) geteuid ());
  (void) snprintf (gid_map, sizeof gid_map, "%u %u 1", user, (unsigned) getegid ());
  unit_enter_namespace (&maps);
  ck_assert_int_eq (hide_directories (), 0);
  unit_write_text ("/etc/passwd", "root:x:0:0::/root:/bin/sh\n"
                                  "alice:x:1000:1000::" HOME ":/bin/sh\n");
  ck_assert_int_eq (unsetenv ("XDG_CONFIG_HOME"), 0);
  ck_assert_int_eq (unsetenv ("CONTAINERS_CONF"), 0);
  ck_assert_int_eq (setenv ("HOME", HOME, 1), 0);
}

/* Writes TEXT to PATH, and makes the directories above it. */
static void
conf (const char *path, const char *text)
{
  char above[PATH_MAX];

  for (const char *slash = strchr (path + 1, '/'); slash != NULL; slash = strchr (slash + 1, '/'))
    {
      (void) snprintf (above, sizeof above, "%.*s", (int) (slash - path), path);
      if (mkdir (above, 0755) != 0)
        ck_assert_int_eq (errno, EEXIST);
    }
  unit_write_text (path, text);
}

static const char *source;

/* The directories, one after another with a space between them. */
static const char *
hooks_dirs (void)
{
  static char dirs[PODMAN_CONF_MAX][PATH_MAX], text[PODMAN_CONF_MAX * PATH_MAX];
  size_t count = podman_conf_hooks_dirs (dirs, &source);

  ck_assert_uint_le (count, PODMAN_CONF_MAX);
  text[0] = '\0';
  for (size_t i = 0; i < count; i++)
    (void) strcat (strcat (text, i > 0 ? " " : ""), dirs[i]);
  return text;
}

START_TEST (has_a_default)
{
  be (0);
  ck_assert_str_eq (hooks_dirs (), DEFAULT);
  ck_assert_str_eq (source, "podman's default");
}
END_TEST

static const struct
{
  const char *text, *dirs;
} texts[] = {
  { "[engine]\nhooks_dir = [\"/a\"]\n", "/a" },
  { "[engine]\nhooks_dir = ['/a']\n", "/a" },
  { "[engine]\nhooks_dir=[\"/a\",\"/b\"]\n", "/a /b" },
  { "[engine]\n\t hooks_dir  =  [ \"/a\" , \"/b\" ] # both\n", "/a /b" },
  { "[engine]\nhooks_dir = [\n  \"/a\",\n  \"/b\",\n]\n", "/a /b" },
  { "[engine]\nhooks_dir = [\n  \"/a\", # \"/c\"\n  # \"/d\",\n  \"/b\" ]\n", "/a /b" },
  { "[engine]\nhooks_dir = [\"/a ]#b\"]\n", "/a ]#b" },
  { "[engine]\nhooks_dir = []\n", "" },
  { "[engine]\nhooks_dir = [\"/a\"]", "/a" },
  { "[engine]\r\nhooks_dir = [\"/a\"]\r\n", "/a" },
  { "[containers]\nenv = []\n[engine]\nhooks_dir = [\"/a\"]\n[network]\n", "/a" },
  /* All of these podman 4.3 takes. */
  { "engine.hooks_dir = [\"/a\"]\n", "/a" },
  { "\"engine\" . 'hooks_dir' = [\"/a\"]\n[network]\n", "/a" },
  { "[ engine ]\n\"hooks_dir\" = [\"/a\"]\n", "/a" },
  { "[Engine]\nHooks_Dir = [\"/a\"]\n", "/a" },
  /* And newer ones this. */
  { "[engine]\nhooks_dir = [\"/a\", {append=true}]\n", DEFAULT " /a" },
  { "[engine]\nhooks_dir = [\"/a\",\n  {append = true},\n]\n", DEFAULT " /a" },
  { "[engine]\nhooks_dir = [\"/a\", {append=false}]\n", "/a" },
  /* None of these says anything of it. */
  { "", DEFAULT },
  { "[engine]\n", DEFAULT },
  { "[engine]\n#hooks_dir = [\"/a\"]\n", DEFAULT },
  { "[engine]\n# hooks_dir = [\n#  \"/a\",\n# ]\n", DEFAULT },
  { "[engine]\nhooks_dirs = [\"/a\"]\n", DEFAULT },
  { "[engine]\nother_hooks_dir = [\"/a\"]\n", DEFAULT },
  { "[containers]\nhooks_dir = [\"/a\"]\n", DEFAULT },
  { "[containers]\nengine.hooks_dir = [\"/a\"]\n", DEFAULT },
  { "engine.hooks_dir2 = [\"/a\"]\n", DEFAULT },
  { "[engine]\n[engine.runtimes]\nhooks_dir = [\"/a\"]\n", DEFAULT },
};

START_TEST (reads_containers_conf)
{
  be (0);
  conf ("/etc/containers/containers.conf", texts[_i].text);
  const char *dirs = hooks_dirs ();
  ck_assert_msg (strcmp (dirs, texts[_i].dirs) == 0, "\"%s\" gives \"%s\"", texts[_i].text, dirs);
  if (strcmp (dirs, DEFAULT) != 0)
    ck_assert_str_eq (source, "/etc/containers/containers.conf");
}
END_TEST

START_TEST (survives_what_is_no_toml)
{
  be (0);
  conf ("/etc/containers/containers.conf", "[engine]\nhooks_dir = [\"/a\nhooks_dir = [\"/b\n");
  (void) hooks_dirs ();
  conf ("/etc/containers/containers.conf", "[engine]\nhooks_dir = [");
  (void) hooks_dirs ();
  conf ("/etc/containers/containers.conf", "[engine]\nhooks_dir = \"/a\"\n");
  (void) hooks_dirs ();
}
END_TEST

START_TEST (has_a_limit)
{
  char text[4000] = "[engine]\nhooks_dir = [";

  be (0);
  for (int i = 0; i < 100; i++)
    (void) strcat (text, "\"/abcdefghijklmn\",\n");
  (void) strcat (text, "]\n");
  conf ("/etc/containers/containers.conf", text);
  ck_assert_uint_eq (strlen (hooks_dirs ()), PODMAN_CONF_MAX * strlen (" /abcdefghijklmn") - 1);
}
END_TEST

#define IN(dir) "[engine]\nhooks_dir = [\"" dir "\"]\n"

/* Each of these wins over those before it. */
static const struct
{
  const char *path, *text, *dirs;
} places[] = {
  { "/usr/share/containers/containers.conf", IN ("/1"), "/1" },
  { "/etc/containers/containers.conf", IN ("/2"), "/2" },
  { "/etc/containers/containers.conf.d/10-site.conf", IN ("/3"), "/3" },
  { "/etc/containers/containers.conf.d/20-site.conf", IN ("/4"), "/4" },
  { HOME "/.config/containers/containers.conf", IN ("/5"), "/5" },
  { HOME "/.config/containers/containers.conf.d/x.conf", IN ("/6"), "/6" },
};

START_TEST (the_last_file_wins)
{
  be (1000);
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    {
      conf (places[i].path, places[i].text);
      ck_assert_str_eq (hooks_dirs (), places[i].dirs);
      ck_assert_str_eq (source, places[i].path);
    }
  /* One that does not mention it changes nothing. */
  conf (HOME "/.config/containers/containers.conf.d/y.conf", "[engine]\nruntime = \"crun\"\n");
  ck_assert_str_eq (hooks_dirs (), "/6");
}
END_TEST

START_TEST (reads_drop_ins_in_order)
{
  be (0);
  conf ("/etc/containers/containers.conf.d/20-b.conf", IN ("/b"));
  conf ("/etc/containers/containers.conf.d/10-a.conf", IN ("/a"));
  conf ("/etc/containers/containers.conf.d/30-c.conf.off", IN ("/c"));
  ck_assert_str_eq (hooks_dirs (), "/b");
  ck_assert_str_eq (source, "/etc/containers/containers.conf.d/20-b.conf");
}
END_TEST

/* Rootful podman does not read root's own. */
START_TEST (root_has_none_of_his_own)
{
  be (0);
  unit_write_text ("/etc/passwd", "root:x:0:0::" HOME ":/bin/sh\n"); /* and $HOME */
  conf (HOME "/.config/containers/containers.conf", IN ("/5"));
  ck_assert_str_eq (hooks_dirs (), DEFAULT);
}
END_TEST

START_TEST (asks_the_environment)
{
  be (1000);
  conf (HOME "/.config/containers/containers.conf", IN ("/home"));
  conf (HOME "/xdg/containers/containers.conf", IN ("/xdg"));
  conf (HOME "/only.conf", IN ("/only"));
  ck_assert_str_eq (hooks_dirs (), "/home");
  /* As podman does, and only without it what the passwd file says. */
  conf (HOME "/moved/.config/containers/containers.conf", IN ("/moved"));
  ck_assert_int_eq (setenv ("HOME", HOME "/moved", 1), 0);
  ck_assert_str_eq (hooks_dirs (), "/moved");
  ck_assert_int_eq (unsetenv ("HOME"), 0);
  ck_assert_str_eq (hooks_dirs (), "/home");
  ck_assert_int_eq (setenv ("XDG_CONFIG_HOME", HOME "/xdg", 1), 0);
  ck_assert_str_eq (hooks_dirs (), "/xdg");
  ck_assert_int_eq (setenv ("CONTAINERS_CONF", HOME "/only.conf", 1), 0);
  ck_assert_str_eq (hooks_dirs (), "/only");
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("podman_conf");
  TCase *tcase = tcase_create ("podman_conf");
  bool allowed = unit_is_root () && unit_child (can_hide_directories, NULL) == 0;
  const char *reason = "needs root, and user and mount name spaces";

  suite_add_tcase (suite, tcase);
  unit_add_if (tcase, has_a_default, allowed, reason);
  if (allowed)
    tcase_add_loop_test (tcase, reads_containers_conf, 0, sizeof texts / sizeof *texts);
  unit_add_if (tcase, survives_what_is_no_toml, allowed, reason);
  unit_add_if (tcase, has_a_limit, allowed, reason);
  unit_add_if (tcase, the_last_file_wins, allowed, reason);
  unit_add_if (tcase, reads_drop_ins_in_order, allowed, reason);
  unit_add_if (tcase, root_has_none_of_his_own, allowed, reason);
  unit_add_if (tcase, asks_the_environment, allowed, reason);
  return unit_run (suite);
}
