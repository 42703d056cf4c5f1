/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "log.h"
#include "waiting.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char config_help[]
  = "Usage: slurm_global_sync_hook [OPTION]...\n"
    "An OCI hook: lets the container start when the containers of all other tasks\n"
    "of the Slurm job step are there, too.  The OCI runtime runs it, with the\n"
    "container's state on standard input.\n"
    "\n"
    "      --base-dir=DIR      meet in DIR/<user name>/.oci-hooks; all nodes must\n"
    "                            share it                      [HOOK_BASE_DIR]\n"
    "      --passwd-file=FILE  passwd(5) file with the user's name  [PASSWD_FILE]\n"
    "      --timeout=SECONDS   give up after SECONDS, 0: never; default " CONFIG_TIMEOUT_DEFAULT "\n"
    "                                                          [HOOK_TIMEOUT]\n"
    "      --log-level=LEVEL   error, warning, info or debug; default warning\n"
    "                                                          [HOOK_LOG_LEVEL]\n"
    "      --help              print this help and exit\n"
    "      --version           print the version and exit\n"
    "\n"
    "The environment variables in brackets do the same as the options.\n"
    "The manual page slurm_global_sync_hook(8) tells the rest.\n";

static const struct option config_options[] = {
  { "base-dir", required_argument, NULL, 'b' },
  { "passwd-file", required_argument, NULL, 'p' },
  { "timeout", required_argument, NULL, 't' },
  { "log-level", required_argument, NULL, 'l' },
  { "help", no_argument, NULL, 'h' },
  { "version", no_argument, NULL, 'v' },
  { NULL, 0, NULL, 0 },
};

static int
config_read_options (struct config *config, int argc, char **argv, struct failure *f)
{
  int option;

  opterr = 0; /* the message is ours: one line, with our name */
  while ((option = getopt_long (argc, argv, "", config_options, NULL)) != -1)
    switch (option)
      {
      case 'b':
        config->base_dir = optarg;
        break;
      case 'p':
        config->passwd_file = optarg;
        break;
      case 't':
        config->timeout_text = optarg;
        break;
      case 'l':
        config->log_level_text = optarg;
        break;
      case 'h':
        config->help = true;
        break;
      case 'v':
        config->version = true;
        break;
      default:
        return fail (f, EX_USAGE, "option %s is unknown, ambiguous, or lacks or has a value; "
                                  "try --help",
                     optind > 0 && optind <= argc ? argv[optind - 1] : "?");
      }
  if (optind < argc)
    return fail (f, EX_USAGE, "argument %s is not an option; try --help", argv[optind]);
  return 0;
}

int
config_read (struct config *config, int argc, char **argv, struct failure *f)
{
  *config = (struct config){ 0 };
  if (config_read_options (config, argc, argv, f) != 0)
    return -1;
  if (config->base_dir == NULL)
    config->base_dir = getenv ("HOOK_BASE_DIR");
  if (config->passwd_file == NULL)
    config->passwd_file = getenv ("PASSWD_FILE");
  if (config->timeout_text == NULL)
    config->timeout_text = getenv ("HOOK_TIMEOUT");
  if (config->log_level_text == NULL)
    config->log_level_text = getenv ("HOOK_LOG_LEVEL");
  return 0;
}

/* Digits with a point among them or not; strtod(3) alone would also take
 * "inf", "0x10", "1e3" and a sign. */
static int
config_parse_timeout (struct config *config, struct failure *f)
{
  const char *text = config->timeout_text;
  size_t whole = strspn (text, "0123456789");
  size_t point = text[whole] == '.' ? 1 : 0;
  size_t part = strspn (text + whole + point, "0123456789");
  double seconds = strtod (text, NULL);

  if (whole + part == 0 || text[whole + point + part] != '\0' || seconds > CONFIG_TIMEOUT_MAX)
    return fail (f, EX_CONFIG,
                 "timeout \"%.80s\" is not a number of seconds (0 waits for ever; see "
                 "HOOK_TIMEOUT)",
                 text);
  config->timeout = (int64_t) (seconds * (double) SECOND);
  if (seconds > 0 && config->timeout == 0)
    config->timeout = 1; /* less than a nanosecond is not for ever */
  return 0;
}

static int
config_check_path (const char *name, const char *path, struct failure *f)
{
  if (path == NULL || path[0] == '\0')
    return fail (f, EX_CONFIG, "%s is not set; set it in the hook's JSON file", name);
  if (path[0] != '/')
    return fail (f, EX_CONFIG, "%s \"%s\" is not an absolute path", name, path);
  return 0;
}

int
config_settle (struct config *config, const char *timeout, const char *log_level, struct failure *f)
{
  config->timeout = strtol (CONFIG_TIMEOUT_DEFAULT, NULL, 10) * SECOND;
  config->log_level = LOG_WARNING;
  if (config->timeout_text == NULL)
    config->timeout_text = timeout != NULL ? timeout : CONFIG_TIMEOUT_DEFAULT;
  if (config->log_level_text == NULL)
    config->log_level_text = log_level != NULL ? log_level : "warning";

  int level = log_level_parse (config->log_level_text);
  if (level >= 0)
    config->log_level = level;
  if (config_check_path ("HOOK_BASE_DIR", config->base_dir, f) != 0
      || config_check_path ("PASSWD_FILE", config->passwd_file, f) != 0)
    return -1;
  config->usable = true;
  if (config_parse_timeout (config, f) != 0)
    return -1;
  if (level < 0)
    return fail (f, EX_CONFIG,
                 "log level \"%.80s\" is not error, warning, info or debug (see HOOK_LOG_LEVEL)",
                 config->log_level_text);
  return 0;
}
