/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "log.h"
#include "prune.h"
#include "waiting.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const char config_help[]
  = "Usage: slurm_global_sync_hook [OPTION]...\n"
    "  or:  slurm_global_sync_hook --status [--user=NAME] [--job=JOB] [--json]\n"
    "  or:  slurm_global_sync_hook --prune [--user=NAME] [--older-than=AGE] [--dry-run]\n"
    "  or:  slurm_global_sync_hook --check [--user=NAME] [--module=MODULE]\n"
    "                                      [HOOK_JSON]...\n"
    "An OCI hook: lets the container start when the containers of all other tasks\n"
    "of the Slurm job step are there, too.  The OCI runtime runs it, with the\n"
    "container's state on standard input.\n"
    "\n"
    "      --base-dir=DIR      meet in DIR/<user name>/.oci-hooks; default is the\n"
    "                            user's home; all nodes share it [HOOK_BASE_DIR]\n"
    "      --passwd-file=FILE  passwd(5) file with the users; default is the\n"
    "                            node's name service             [PASSWD_FILE]\n"
    "      --timeout=SECONDS   give up after SECONDS, 0: never; default " CONFIG_TIMEOUT_DEFAULT "\n"
    "                                                          [HOOK_TIMEOUT]\n"
    "      --log-level=LEVEL   error, warning, info or debug; default warning\n"
    "                                                          [HOOK_LOG_LEVEL]\n"
    "\n"
    "An administrator's commands:\n"
    "      --status            show the barriers that are there; as root, of all\n"
    "                            users\n"
    "      --prune             remove what killed and failed jobs have left\n"
    "      --check             say what would go wrong, before a job finds out\n"
    "      --user=NAME         of this user only\n"
    "      --job=JOB           of this job only\n"
    "      --json              as JSON\n"
    "      --older-than=AGE    what has not changed for AGE: a number and s, m, h\n"
    "                            or d; default 1d\n"
    "      --dry-run           only say what would be removed\n"
    "      --module=MODULE     with this --module of podman's\n"
    "\n"
    "      --help              print this help and exit\n"
    "      --version           print the version and exit\n"
    "\n"
    "The environment variables in brackets do the same as the options.\n"
    "The manual page slurm_global_sync_hook(8) tells the rest.\n";

/* What getopt_long(3) says for an option that sets a member: where that is, from
 * CONFIG_TEXT on if it is a text, from CONFIG_FLAG on if it is a bool.  For a
 * command it says the mode. */
#define TEXT(member) (CONFIG_TEXT + (int) offsetof (struct config, member))
#define FLAG(member) (CONFIG_FLAG + (int) offsetof (struct config, member))
enum { CONFIG_TEXT = 1024, CONFIG_FLAG = 2048 };

static const struct option config_options[] = {
  { "base-dir", required_argument, NULL, TEXT (base_dir) },
  { "passwd-file", required_argument, NULL, TEXT (passwd_file) },
  { "timeout", required_argument, NULL, TEXT (timeout_text) },
  { "log-level", required_argument, NULL, TEXT (log_level_text) },
  { "status", no_argument, NULL, CONFIG_STATUS },
  { "prune", no_argument, NULL, CONFIG_PRUNE },
  { "check", no_argument, NULL, CONFIG_CHECK },
  { "user", required_argument, NULL, TEXT (user) },
  { "job", required_argument, NULL, TEXT (job) },
  { "json", no_argument, NULL, FLAG (json) },
  { "older-than", required_argument, NULL, TEXT (older_than) },
  { "dry-run", no_argument, NULL, FLAG (dry_run) },
  { "module", required_argument, NULL, TEXT (module) },
  { "help", no_argument, NULL, CONFIG_HELP },
  { "version", no_argument, NULL, CONFIG_VERSION },
  { NULL, 0, NULL, 0 },
};

static void
config_take_option (struct config *config, int option)
{
  if (option >= CONFIG_FLAG)
    *(bool *) ((char *) config + (option - CONFIG_FLAG)) = true;
  else if (option >= CONFIG_TEXT)
    memcpy ((char *) config + (option - CONFIG_TEXT), &optarg, sizeof optarg);
  else
    config->mode = (enum config_mode) option;
}

/* An option that would do nothing is an error. */
static int
config_check_mode (struct config *config, struct failure *f)
{
  enum config_mode mode = config->mode;

  if (mode == CONFIG_HELP || mode == CONFIG_VERSION)
    return 0;
  if ((config->job != NULL || config->json) && mode != CONFIG_STATUS)
    return fail (f, EX_USAGE, "--job and --json go with --status; try --help");
  if ((config->older_than != NULL || config->dry_run) && mode != CONFIG_PRUNE)
    return fail (f, EX_USAGE, "--older-than and --dry-run go with --prune; try --help");
  config->age = PRUNE_AGE_DEFAULT;
  if (config->older_than != NULL && prune_parse_age (config->older_than, &config->age, f) != 0)
    return -1;
  if (config->module != NULL && mode != CONFIG_CHECK)
    return fail (f, EX_USAGE, "--module goes with --check; try --help");
  if (config->user != NULL && mode == CONFIG_HOOK)
    return fail (f, EX_USAGE, "--user goes with --status, --prune and --check; try --help");
  if (config->job != NULL
      && (config->job[0] == '\0' || strspn (config->job, "0123456789") != strlen (config->job)))
    return fail (f, EX_USAGE, "--job=%s is not a job id; try --help", config->job);
  if ((config->timeout_text != NULL || config->log_level_text != NULL) && mode != CONFIG_HOOK)
    return fail (f, EX_USAGE, "--timeout and --log-level are the hook's; try --help");
  if ((config->base_dir != NULL || config->passwd_file != NULL) && mode == CONFIG_CHECK)
    return fail (f, EX_USAGE, "--check takes --base-dir and --passwd-file from the hook's JSON; "
                              "try --help");
  if (config->files[0] != NULL && mode != CONFIG_CHECK)
    return fail (f, EX_USAGE, "argument %s is not an option; try --help", config->files[0]);
  return 0;
}

/* Takes for what no option has set the environment's VARIABLE. */
static void
config_default (const char **setting, const char *variable)
{
  if (*setting == NULL)
    *setting = getenv (variable);
  if (*setting != NULL && (*setting)[0] == '\0')
    *setting = NULL;
}

int
config_read (struct config *config, int argc, char **argv, struct failure *f)
{
  int option;

  *config = (struct config){ 0 };
  opterr = 0; /* the message is ours: one line, with our name */
  while ((option = getopt_long (argc, argv, "", config_options, NULL)) != -1)
    {
      if (option == '?' && optopt > 0 && optopt < CONFIG_HELP)
        return fail (f, EX_USAGE, "option -%c is unknown; try --help", optopt);
      if (option == '?')
        return fail (f, EX_USAGE,
                     "option %s is unknown or ambiguous, lacks its value, or takes none; "
                     "try --help",
                     argv[optind - 1]);
      config_take_option (config, option);
    }
  /* With no argv[0] at all optind is 1 all the same. */
  config->files = argv + (optind < argc ? optind : argc);
  if (config_check_mode (config, f) != 0)
    return -1;
  if (config->mode == CONFIG_CHECK)
    return 0;
  config_default (&config->base_dir, "HOOK_BASE_DIR");
  config_default (&config->passwd_file, "PASSWD_FILE");
  config_default (&config->timeout_text, "HOOK_TIMEOUT");
  config_default (&config->log_level_text, "HOOK_LOG_LEVEL");
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

int
config_complete (struct config *config, const char *timeout, const char *log_level,
                 struct failure *f)
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
  if (config->base_dir != NULL && config->base_dir[0] != '/')
    return fail (f, EX_CONFIG, "HOOK_BASE_DIR \"%s\" is not an absolute path", config->base_dir);
  if (config->passwd_file != NULL && config->passwd_file[0] != '/')
    return fail (f, EX_CONFIG, "PASSWD_FILE \"%s\" is not an absolute path", config->passwd_file);
  config->usable = true;
  if (config_parse_timeout (config, f) != 0)
    return -1;
  if (level < 0)
    return fail (f, EX_CONFIG,
                 "log level \"%.80s\" is not error, warning, info or debug (see HOOK_LOG_LEVEL)",
                 config->log_level_text);
  return 0;
}
