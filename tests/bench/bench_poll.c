/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_poll: a yardstick for the benchmark.  It does what the documentation
 * of Sarus says of the hook that synchronises its containers: an arrival file
 * for each task, every 0.1 s a look whether the files of all others are there,
 * a departure file, and procid 0 waits for all of those and removes the
 * directory.  It is made from that description alone and keeps none of this
 * package's promises.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "slurm-procid-"

static unsigned tasks, procid;
static char sync_dir[4096], arrival[4160], departure[4160];

static bool
read_environment (const char **base, const char **job, const char **passwd)
{
  const char *count = getenv ("SLURM_NTASKS"), *own = getenv ("SLURM_PROCID");

  *job = getenv ("SLURM_JOB_ID");
  *base = getenv ("HOOK_BASE_DIR");
  *passwd = getenv ("PASSWD_FILE");
  if (count == NULL || own == NULL || *job == NULL || *base == NULL || *passwd == NULL)
    return false;
  tasks = (unsigned) strtoul (count, NULL, 10);
  procid = (unsigned) strtoul (own, NULL, 10);
  return true;
}

static const char *
user_name (const char *passwd)
{
  FILE *stream = fopen (passwd, "re");
  const struct passwd *entry = NULL;

  while (stream != NULL && (entry = fgetpwent (stream)) != NULL && entry->pw_uid != getuid ())
    ;
  if (stream != NULL)
    (void) fclose (stream);
  return entry == NULL ? NULL : entry->pw_name;
}

static bool
make_directories (const char *base, const char *user, const char *job)
{
  const char *const paths[] = { sync_dir, arrival, departure };

  (void) snprintf (sync_dir, sizeof sync_dir, "%s/%s/.oci-hooks", base, user);
  if (mkdir (sync_dir, 0700) != 0 && errno != EEXIST)
    return false;
  (void) snprintf (sync_dir, sizeof sync_dir, "%s/%s/.oci-hooks/slurm-global-sync", base, user);
  if (mkdir (sync_dir, 0700) != 0 && errno != EEXIST)
    return false;
  (void) snprintf (sync_dir, sizeof sync_dir, "%s/%s/.oci-hooks/slurm-global-sync/jobid-%s", base,
                   user, job);
  (void) snprintf (arrival, sizeof arrival, "%s/arrival", sync_dir);
  (void) snprintf (departure, sizeof departure, "%s/departure", sync_dir);
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    if (mkdir (paths[i], 0700) != 0 && errno != EEXIST)
      return false;
  return true;
}

static bool
signal_in (const char *directory)
{
  char path[4200];

  (void) snprintf (path, sizeof path, "%s/" PREFIX "%u", directory, procid);
  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  return fd >= 0 && close (fd) == 0;
}

/* Lists the directory and checks that the files of all tasks are in it. */
static bool
all_in (const char *directory)
{
  bool *there = calloc (tasks, sizeof *there);
  DIR *dir = opendir (directory);
  const struct dirent *entry;
  unsigned count = 0;

  while (there != NULL && dir != NULL && (entry = readdir (dir)) != NULL)
    {
      if (strncmp (entry->d_name, PREFIX, strlen (PREFIX)) != 0)
        continue;
      unsigned long rank = strtoul (entry->d_name + strlen (PREFIX), NULL, 10);
      if (rank < tasks && !there[rank])
        {
          there[rank] = true;
          count++;
        }
    }
  if (dir != NULL)
    (void) closedir (dir);
  free (there);
  return count == tasks;
}

static void
wait_for_all_in (const char *directory)
{
  const struct timespec interval = { .tv_nsec = 100000000 };

  while (!all_in (directory))
    (void) nanosleep (&interval, NULL);
}

static void
remove_all (const char *directory)
{
  DIR *dir = opendir (directory);
  const struct dirent *entry;

  while (dir != NULL && (entry = readdir (dir)) != NULL)
    if (entry->d_name[0] != '.')
      (void) unlinkat (dirfd (dir), entry->d_name, 0);
  if (dir != NULL)
    (void) closedir (dir);
  (void) rmdir (directory);
}

int
main (void)
{
  const char *base, *job, *passwd, *user;
  char text[4096];

  while (read (STDIN_FILENO, text, sizeof text) > 0)
    ;
  if (!read_environment (&base, &job, &passwd) || (user = user_name (passwd)) == NULL)
    return 78;
  if (!make_directories (base, user, job) || !signal_in (arrival))
    return 73;
  wait_for_all_in (arrival);
  if (!signal_in (departure))
    return 73;
  if (procid == 0)
    {
      wait_for_all_in (departure);
      remove_all (arrival);
      remove_all (departure);
      (void) rmdir (sync_dir);
    }
  return 0;
}
