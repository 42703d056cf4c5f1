/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "log.h"
#include "waiting.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const char config_help[]
  = "Usage: slurm_global_sync_hook [OPTION]...\n"
    "  or:  slurm_global_sync_hook --status [--user=NAME] [--job=JOB]\n"
    "  or:  slurm_global_sync_hook --prune [--user=NAME] [--dry-run]\n"
    "  or:  slurm_global_sync_hook --check [--user=NAME] [HOOK_JSON]...\n"
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
    "      --prune             remove what killed and failed jobs have left,\n"
    "                            and nobody has changed for a day\n"
    "      --check             say what would go wrong, before a job finds out\n"
    "      --user=NAME         of this user only\n"
    "      --job=JOB           of this job only\n"
    "      --dry-run           only say what would be removed\n"
    "\n"
    "      --help              print this help and exit\n"
    "      --version           print the version and exit\n"
    "\n"
    "The environment variables in brackets do the same as the options.\n"
    "The manual page slurm_global_sync_hook(8) tells the rest.\n";

#define WITH(mode) (1U << (mode))
#define WITH_COMMANDS (WITH (CONFIG_STATUS) | WITH (CONFIG_PRUNE) | WITH (CONFIG_CHECK))
/* --check takes these from the hook's JSON. */
#define NOT_WITH_CHECK (WITH (CONFIG_HOOK) | WITH (CONFIG_STATUS) | WITH (CONFIG_PRUNE))

/* What getopt_long(3) says for an option that sets a member: where that is in struct
 * config, and above that with which modes it goes.  For a command: the mode. */
#define MODES 16
#define MEMBER(member, modes) ((int) (offsetof (struct config, member) | (modes) << MODES))

static const struct option config_options[] = {
  { "base-dir", required_argument, NULL, MEMBER (base_dir, NOT_WITH_CHECK) },
  { "passwd-file", required_argument, NULL, MEMBER (passwd_file, NOT_WITH_CHECK) },
  { "timeout", required_argument, NULL, MEMBER (timeout_text, WITH (CONFIG_HOOK)) },
  { "log-level", required_argument, NULL, MEMBER (log_level_text, WITH (CONFIG_HOOK)) },
  { "status", no_argument, NULL, CONFIG_STATUS },
  { "prune", no_argument, NULL, CONFIG_PRUNE },
  { "check", no_argument, NULL, CONFIG_CHECK },
  { "user", required_argument, NULL, MEMBER (user, WITH_COMMANDS) },
  { "job", required_argument, NULL, MEMBER (job, WITH (CONFIG_STATUS)) },
  { "dry-run", no_argument, NULL, MEMBER (dry_run, WITH (CONFIG_PRUNE)) },
  { "help", no_argument, NULL, CONFIG_HELP },
  { "version", no_argument, NULL, CONFIG_VERSION },
  { NULL, 0, NULL, 0 },
};

static const char **
config_member (struct config *config, int option)
{
  return (const char **) (void *) ((char *) config + (option & ((1 << MODES) - 1)));
}

/* An option that would do nothing is an error. */
static int
config_check_mode (struct config *config, struct failure *f)
{
  if (config->mode == CONFIG_HELP || config->mode == CONFIG_VERSION)
    return 0;
  for (const struct option *o = config_options; o->name != NULL; o++)
    {
      unsigned modes = (unsigned) o->val >> MODES;
      if (modes != 0 && *config_member (config, o->val) != NULL
          && (modes & WITH (config->mode)) == 0)
        return fail (f, EX_USAGE, "--%s does not go %s; try --help", o->name,
                     config->mode == CONFIG_HOOK ? "without a command" : "with this command");
    }
  if (config->job != NULL
      && (config->job[0] == '\0' || strspn (config->job, "0123456789") != strlen (config->job)))
    return fail (f, EX_USAGE, "--job=%s is not a job id; try --help", config->job);
  if (config->files[0] != NULL && config->mode != CONFIG_CHECK)
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
      if (option == '?' && optopt >= ' ' && optopt <= '~')
        return fail (f, EX_USAGE, "option -%c is unknown; try --help", optopt);
      if (option == '?')
        return fail (f, EX_USAGE,
                     "option %s is unknown or ambiguous, lacks its value, or takes none; "
                     "try --help",
                     argv[optind - 1]);
      if (option >> MODES == 0 && config->mode != CONFIG_HOOK && (int) config->mode != option)
        return fail (f, EX_USAGE, "one command at a time; try --help");
      if (option >> MODES == 0)
        config->mode = (enum config_mode) option;
      else
        *config_member (config, option) = optarg != NULL ? optarg : "";
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
  char *end;
  const double seconds = strtod (text, &end);

  if (end == text || *end != '\0' || text[strspn (text, "0123456789.")] != '\0'
      || seconds > CONFIG_TIMEOUT_MAX)
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
    return fail (f, EX_CONFIG, "HOOK_BASE_DIR \"%.400s\" is not an absolute path",
                 config->base_dir);
  if (config->passwd_file != NULL && config->passwd_file[0] != '/')
    return fail (f, EX_CONFIG, "PASSWD_FILE \"%.400s\" is not an absolute path",
                 config->passwd_file);
  config->usable = true;
  if (config_parse_timeout (config, f) != 0)
    return -1;
  if (level < 0)
    return fail (f, EX_CONFIG,
                 "log level \"%.80s\" is not error, warning, info or debug (see HOOK_LOG_LEVEL)",
                 config->log_level_text);
  return 0;
}
