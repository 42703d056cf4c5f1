/* SPDX-License-Identifier: BSD-3-Clause */
#include "scene.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOB 4711U
#define ID "45157e153795b23dcadd4099b5db322c43e487859ab0ccf3d265fab0dc4200d8"
#define SYNC SCENE_USER "/.oci-hooks/slurm-global-sync"

static void
make_path (char path[SCENE_PATH_MAX], const char *directory, const char *name)
{
  if ((size_t) snprintf (path, SCENE_PATH_MAX, "%s/%s", directory, name) >= SCENE_PATH_MAX)
    errx (1, "the path of the directory is too long");
}

static void
make_directory (const char *path)
{
  if (mkdir (path, 0755) != 0 && errno != EEXIST)
    err (1, "cannot make %s", path);
}

/* The directory of this round, as SHARED shows it. */
static void
round_path (const struct scene *s, const char *directory, char path[SCENE_PATH_MAX])
{
  if ((size_t) snprintf (path, SCENE_PATH_MAX, "%s/%u", directory, s->round) >= SCENE_PATH_MAX)
    errx (1, "the path of the directory is too long");
}

static void
make_user_directory (const struct scene *s, const char *name, mode_t mode)
{
  char round[SCENE_PATH_MAX], path[SCENE_PATH_MAX];

  round_path (s, s->shared, round);
  make_path (path, round, name);
  make_directory (path);
  if (chmod (path, mode) != 0 || (geteuid () == 0 && chown (path, s->uid, s->gid) != 0))
    err (1, "cannot give %s to the user", path);
}

static void
make_passwd (struct scene *s)
{
  make_path (s->passwd, s->root, "passwd");
  FILE *stream = fopen (s->passwd, "w");
  if (stream == NULL
      || fprintf (stream, "daemon:x:1:1::/:/bin/false\n" SCENE_USER ":x:%u:%u::/:/bin/sh\n",
                  (unsigned) s->uid, (unsigned) s->gid)
           < 0
      || (s->uid != 0 && fputs ("root:x:0:0::/root:/bin/sh\n", stream) == EOF)
      || fclose (stream) != 0)
    err (1, "cannot write %s", s->passwd);
}

/* Asks ext4 to spread what is made in DIRECTORY over the disk, chattr(1) +T.
 * Other file systems have no need of it. */
static void
spread (const char *directory)
{
  int fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), flags;

  if (fd >= 0 && ioctl (fd, FS_IOC_GETFLAGS, &flags) == 0)
    {
      flags |= FS_TOPDIR_FL;
      (void) ioctl (fd, FS_IOC_SETFLAGS, &flags);
    }
  if (fd >= 0)
    (void) close (fd);
}

void
scene_make (struct scene *s, const char *dir, uid_t uid, gid_t gid)
{
  *s = (struct scene){ .uid = uid, .gid = gid, .nodes = 1 };
  if ((size_t) snprintf (s->root, sizeof s->root, "%s/slurm-global-sync-bench.XXXXXX", dir)
      >= sizeof s->root)
    errx (1, "the path of the directory is too long");
  if (mkdtemp (s->root) == NULL || chmod (s->root, 0755) != 0)
    err (1, "cannot make a directory in %s", dir);
  make_path (s->shared, s->root, "shared");
  make_directory (s->shared);
  spread (s->shared);
  memcpy (s->mount[0], s->shared, sizeof s->shared);
  make_passwd (s);
}

static int
remove_one (const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
  (void) st;
  (void) flag;
  (void) ftw;
  return remove (path);
}

static void
remove_tree (const char *path)
{
  /* FTW_MOUNT: what could not be unmounted is left alone. */
  if (nftw (path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
    warn ("cannot remove %s", path);
}

void
scene_remove (struct scene *s)
{
  if (s->root[0] == '\0')
    return;
  scene_unmount (s);
  remove_tree (s->root);
  s->root[0] = '\0';
}

/* Whether no barrier is in the directories of this round. */
static bool
is_clean (const struct scene *s)
{
  char round[SCENE_PATH_MAX], path[SCENE_PATH_MAX];
  const struct dirent *entry;
  unsigned left = 0;

  round_path (s, s->shared, round);
  make_path (path, round, SYNC);
  DIR *dir = opendir (path);
  while (dir != NULL && (entry = readdir (dir)) != NULL)
    left += entry->d_name[0] != '.';
  if (dir != NULL)
    (void) closedir (dir);
  return left == 0;
}

void
scene_renew (struct scene *s)
{
  char path[SCENE_PATH_MAX], link[SCENE_PATH_MAX];

  round_path (s, s->shared, path);
  if (s->round > 0)
    {
      if (!is_clean (s))
        errx (1, "something was left in %s", path);
      remove_tree (path);
    }
  s->round++;
  round_path (s, s->shared, path);
  make_directory (path);
  make_user_directory (s, "files", 0755);
  make_user_directory (s, SCENE_USER, 0755);
  make_user_directory (s, SCENE_USER "/.oci-hooks", 0700);
  make_user_directory (s, SYNC, 0700);
  /* Started as root, the hook becomes the user; bench_poll stays root. */
  make_path (link, path, "root");
  if (symlink (SCENE_USER, link) != 0)
    err (1, "cannot make %s", link);
}

void
scene_base (const struct scene *s, unsigned procid, char path[SCENE_PATH_MAX])
{
  round_path (s, s->mounts > 0 ? s->mount[scene_node (s, procid)] : s->shared, path);
}

unsigned
scene_node (const struct scene *s, unsigned procid)
{
  return (unsigned) ((unsigned long) procid * s->nodes / s->tasks);
}

/* Procid of the first task of NODE: the first that scene_node() puts there. */
static unsigned
scene_first (const struct scene *s, unsigned node)
{
  return (unsigned) (((unsigned long) node * s->tasks + s->nodes - 1) / s->nodes);
}

unsigned
scene_hooks (const struct scene *s)
{
  return s->for_node ? s->nodes : s->tasks;
}

unsigned
scene_procid (const struct scene *s, unsigned hook)
{
  return s->for_node ? scene_first (s, hook) : hook;
}

static void
write_gtids (const struct scene *s, unsigned node, FILE *out)
{
  unsigned procid = scene_first (s, node), end = scene_first (s, node + 1);

  (void) fprintf (out, "\"SLURM_GTIDS=%u", procid);
  while (++procid < end)
    (void) fprintf (out, ",%u", procid);
  (void) fputs ("\",", out);
}

/* What srun gives its tasks, in numbers and length. */
static void
write_slurm_variables (const struct scene *s, unsigned procid, FILE *out)
{
  static const char *const others[] = {
    "SLURM_CONF=/etc/slurm/slurm.conf",
    "SLURM_CPUS_ON_NODE=64",
    "SLURM_CPU_BIND=quiet,mask_cpu:0x0000000000000001",
    "SLURM_CPU_BIND_LIST=0x0000000000000001",
    "SLURM_CPU_BIND_TYPE=mask_cpu:",
    "SLURM_CPU_BIND_VERBOSE=quiet",
    "SLURM_DISTRIBUTION=cyclic",
    "SLURM_JOB_ACCOUNT=physics",
    "SLURM_JOB_CPUS_PER_NODE=64(x4)",
    "SLURM_JOB_GID=1000",
    "SLURM_JOB_NAME=bench",
    "SLURM_JOB_NODELIST=n[1-4]",
    "SLURM_JOB_NUM_NODES=4",
    "SLURM_JOB_PARTITION=normal",
    "SLURM_JOB_QOS=normal",
    "SLURM_JOB_USER=bench",
    "SLURM_LAUNCH_NODE_IPADDR=192.0.2.17",
    "SLURM_MPI_TYPE=none",
    "SLURM_NODELIST=n[1-4]",
    "SLURM_PRIO_PROCESS=0",
    "SLURM_SRUN_COMM_HOST=192.0.2.17",
    "SLURM_SRUN_COMM_PORT=43211",
    "SLURM_STEP_LAUNCHER_PORT=43211",
    "SLURM_STEP_NODELIST=n[1-4]",
    "SLURM_STEP_TASKS_PER_NODE=64(x4)",
    "SLURM_SUBMIT_DIR=/home/bench",
    "SLURM_SUBMIT_HOST=login1",
    "SLURM_TASKS_PER_NODE=64(x4)",
    "SLURM_TOPOLOGY_ADDR=n1",
    "SLURM_TOPOLOGY_ADDR_PATTERN=node",
    "SLURM_UMASK=0022",
  };
  unsigned node = scene_node (s, procid);

  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    (void) fprintf (out, "\"%s\",", others[i]);
  (void) fprintf (out,
                  "\"SLURM_CLUSTER_NAME=bench\",\"SLURM_JOB_ID=%u\",\"SLURM_JOBID=%u\","
                  "\"SLURM_STEP_ID=0\",\"SLURM_STEPID=0\",\"SLURM_NTASKS=%u\","
                  "\"SLURM_NPROCS=%u\",\"SLURM_STEP_NUM_TASKS=%u\",\"SLURM_PROCID=%u\","
                  "\"SLURM_LOCALID=%u\",\"SLURM_NODEID=%u\",\"SLURM_NNODES=%u\","
                  "\"SLURM_STEP_NUM_NODES=%u\",\"SLURMD_NODENAME=n%u\",\"SLURM_JOB_UID=%u\",",
                  JOB, JOB, s->tasks, s->tasks, s->tasks, procid, procid - scene_first (s, node),
                  node, s->nodes, s->nodes, node + 1, (unsigned) s->uid);
  write_gtids (s, node, out);
}

static void
write_capabilities (FILE *out)
{
  static const char *const sets[] = { "bounding", "effective", "permitted" };

  (void) fputs ("\"capabilities\":{", out);
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
    (void) fprintf (out,
                    "%s\"%s\":[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FOWNER\",\"CAP_FSETID\","
                    "\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\",\"CAP_SETFCAP\",\"CAP_SETGID\","
                    "\"CAP_SETPCAP\",\"CAP_SETUID\",\"CAP_SYS_CHROOT\"]",
                    i == 0 ? "" : ",", sets[i]);
  (void) fputs ("},", out);
}

static void
write_mounts (FILE *out)
{
  static const char *const mounts[] = {
    "/proc",     "/dev",          "/sys",
    "/dev/pts",  "/dev/mqueue",   "/dev/shm",
    "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
    "/run/.containerenv", "/sys/fs/cgroup", "/home", "/scratch",
  };

  (void) fputs ("\"mounts\":[", out);
  for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
    (void) fprintf (out,
                    "%s{\"destination\":\"%s\",\"type\":\"bind\",\"source\":"
                    "\"/run/containers/storage/overlay-containers/" ID "/userdata%s\","
                    "\"options\":[\"bind\",\"rprivate\",\"nosuid\",\"noexec\",\"nodev\"]}",
                    i == 0 ? "" : ",", mounts[i], mounts[i]);
  (void) fputs ("],", out);
}

/* Podman's default profile has some 420 names of calls, a third of them in
 * rules with arguments. */
static void
write_seccomp (FILE *out)
{
  (void) fputs ("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,"
                "\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],"
                "\"syscalls\":[{\"names\":[\"accept\"",
                out);
  for (unsigned i = 0; i < 380; i++)
    (void) fprintf (out, ",\"%.*s_%u\"", (int) (3 + i % 8), "getattribute", i);
  (void) fputs ("],\"action\":\"SCMP_ACT_ALLOW\"}", out);
  for (unsigned i = 0; i < 20; i++)
    (void) fprintf (out,
                    ",{\"names\":[\"call_%u\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1,"
                    "\"args\":[{\"index\":0,\"value\":%u,\"op\":\"SCMP_CMP_EQ\"}]}",
                    i, i);
  (void) fputs ("]},", out);
}

static void
write_config (const struct scene *s, unsigned procid, FILE *out)
{
  (void) fprintf (out,
                  "{\"ociVersion\":\"1.0.2-dev\",\"process\":{\"user\":{\"uid\":%u,\"gid\":%u,"
                  "\"umask\":18,\"additionalGids\":[%u]},\"args\":[\"/bin/sh\",\"-c\",\"true\"],"
                  "\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\","
                  "\"TERM=xterm\",\"container=podman\",",
                  (unsigned) s->uid, (unsigned) s->gid, (unsigned) s->gid);
  write_slurm_variables (s, procid, out);
  (void) fputs ("\"HOSTNAME=n1\"],\"cwd\":\"/\",", out);
  write_capabilities (out);
  (void) fputs ("\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024},"
                "{\"type\":\"RLIMIT_NPROC\",\"hard\":1024,\"soft\":1024}]},"
                "\"root\":{\"path\":\"/var/lib/containers/storage/overlay/" ID "/merged\"},"
                "\"hostname\":\"n1\",",
                out);
  write_mounts (out);
  (void) fprintf (out, "\"annotations\":{%s",
                  s->for_node ? "\"com.hooks.slurm-global-sync.containers\":\"node\"," : "");
  (void) fputs ("\"com.hooks.slurm-global-sync.enabled\":\"true\","
                "\"io.container.manager\":\"libpod\","
                "\"io.kubernetes.cri-o.Created\":\"2024-01-01T12:00:00.123456789Z\","
                "\"io.podman.annotations.autoremove\":\"TRUE\","
                "\"org.opencontainers.image.stopSignal\":\"15\"},"
                "\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}],"
                "\"pids\":{\"limit\":2048}},\"cgroupsPath\":\"/libpod_parent/libpod-" ID "\","
                "\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"mount\"}],",
                out);
  write_seccomp (out);
  (void) fputs ("\"maskedPaths\":[\"/proc/acpi\",\"/proc/kcore\",\"/proc/keys\","
                "\"/proc/timer_list\",\"/proc/sched_debug\","
                "\"/proc/scsi\",\"/sys/firmware\",\"/sys/fs/selinux\"],"
                "\"readonlyPaths\":[\"/proc/asound\",\"/proc/bus\",\"/proc/fs\",\"/proc/sys\"]}}",
                out);
}

static void
scene_bundle (const struct scene *s, unsigned procid, char path[SCENE_PATH_MAX])
{
  if ((size_t) snprintf (path, SCENE_PATH_MAX, "%s/bundle/%u", s->root, procid) >= SCENE_PATH_MAX)
    errx (1, "the path of the directory is too long");
}

void
scene_set_tasks (struct scene *s, unsigned tasks, unsigned nodes, bool for_node)
{
  char path[SCENE_PATH_MAX], file[SCENE_PATH_MAX];

  s->tasks = tasks;
  s->nodes = nodes;
  s->for_node = for_node;
  make_path (path, s->root, "bundle");
  make_directory (path);
  for (unsigned hook = 0; hook < scene_hooks (s); hook++)
    {
      unsigned procid = scene_procid (s, hook);

      scene_bundle (s, procid, path);
      make_directory (path);
      make_path (file, path, "config.json");
      FILE *out = fopen (file, "w");
      if (out == NULL)
        err (1, "cannot make %s", file);
      write_config (s, procid, out);
      if (ferror (out) != 0 || fclose (out) != 0)
        err (1, "cannot write %s", file);
    }
}

size_t
scene_state (const struct scene *s, unsigned procid, char *text, size_t size)
{
  char path[SCENE_PATH_MAX];

  scene_bundle (s, procid, path);
  int n = snprintf (text, size,
                    "{\"ociVersion\":\"1.0.2-dev\",\"id\":\"" ID "\",\"status\":\"created\","
                    "\"pid\":21728,\"root\":\"/var/lib/containers/storage/overlay/" ID "/merged\","
                    "\"bundle\":\"%s\",\"annotations\":{"
                    "\"com.hooks.slurm-global-sync.enabled\":\"true\","
                    "\"io.container.manager\":\"libpod\","
                    "\"io.kubernetes.cri-o.Created\":\"2024-01-01T12:00:00.123456789Z\","
                    "\"io.podman.annotations.autoremove\":\"TRUE\","
                    "\"org.opencontainers.image.stopSignal\":\"15\"}}",
                    path);
  if (n < 0 || (size_t) n >= size)
    errx (1, "the container's state is too long");
  return (size_t) n;
}

static int
run (const char *const argv[])
{
  pid_t pid;
  int status = -1;
  /* It changes none of them, but is declared as if it could. */
  int error = posix_spawnp (&pid, argv[0], NULL, NULL, (char *const *) (uintptr_t) argv, environ);

  if (error != 0)
    errx (1, "cannot run %s: %s; is it installed?", argv[0], strerror (error));
  while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
    ;
  return status;
}

static void
mount_one (struct scene *s, const char *program, unsigned timeout)
{
  char options[256], node[16], mountpoint[SCENE_PATH_MAX];

  (void) snprintf (node, sizeof node, "node%u", s->mounts);
  make_path (mountpoint, s->root, node);
  make_directory (mountpoint);
  if (strcmp (program, "bindfs") == 0)
    (void) snprintf (options, sizeof options,
                     "attr_timeout=%u,entry_timeout=%u,negative_timeout=%u", timeout, timeout,
                     timeout);
  else
    /* devino-hash: a directory keeps its number when it is renamed. */
    (void) snprintf (options, sizeof options,
                     "cache.attr=%u,cache.entry=%u,cache.negative_entry=%u,"
                     "inodecalc=devino-hash,category.create=ff",
                     timeout, timeout, timeout);
  if (geteuid () == 0)
    (void) strncat (options, ",allow_other", sizeof options - strlen (options) - 1);
  const char *const argv[] = { program, "-o", options, s->shared, mountpoint, NULL };
  if (run (argv) != 0)
    errx (1, "%s -o %s failed", program, options);
  memcpy (s->mount[s->mounts++], mountpoint, sizeof mountpoint);
}

/* Node 0 has looked for a name, node 1 makes it, node 0 looks again. */
static void
check_caching (const struct scene *s)
{
  const struct timespec moment = { .tv_nsec = 200000000 };
  char here[SCENE_PATH_MAX], there[SCENE_PATH_MAX];
  struct stat st;

  make_path (here, s->mount[0], "probe");
  make_path (there, s->mount[1], "probe");
  bool absent = stat (here, &st) != 0 && errno == ENOENT;
  if (mkdir (there, 0755) != 0)
    err (1, "cannot make %s", there);
  (void) nanosleep (&moment, NULL);
  bool still = stat (here, &st) != 0 && errno == ENOENT;
  if (rmdir (there) != 0)
    err (1, "cannot remove %s", there);
  if (!absent || !still)
    errx (1, "absent names are not cached by these mounts: they tell nothing about several nodes");
}

void
scene_mount (struct scene *s, unsigned nodes, const char *program, unsigned timeout)
{
  if (nodes < 2 || nodes > SCENE_NODES_MAX)
    errx (1, "from 2 to %d nodes", SCENE_NODES_MAX);
  while (s->mounts < nodes)
    mount_one (s, program, timeout);
  check_caching (s);
}

void
scene_unmount (struct scene *s)
{
  while (s->mounts > 0)
    {
      const char *const argv[] = { "fusermount", "-u", "-z", s->mount[--s->mounts], NULL };
      if (run (argv) != 0)
        warnx ("cannot unmount %s", s->mount[s->mounts]);
    }
  memcpy (s->mount[0], s->shared, sizeof s->shared);
}

/* The one barrier's directory of arrivals: "" if there is no barrier. */
static void
find_arrival (const struct scene *s, char path[SCENE_PATH_MAX])
{
  char round[SCENE_PATH_MAX], sync[SCENE_PATH_MAX];
  const struct dirent *entry;

  path[0] = '\0';
  round_path (s, s->shared, round);
  make_path (sync, round, SYNC);
  DIR *dir = opendir (sync);
  if (dir == NULL)
    return;
  while ((entry = readdir (dir)) != NULL)
    if (strncmp (entry->d_name, "jobid-", 6) == 0
        && (size_t) snprintf (path, SCENE_PATH_MAX, "%s/%s/arrival", sync, entry->d_name)
             >= SCENE_PATH_MAX)
      errx (1, "the path of the directory is too long");
  (void) closedir (dir);
}

unsigned
scene_arrived (const struct scene *s, bool files)
{
  char round[SCENE_PATH_MAX], path[SCENE_PATH_MAX];
  const struct dirent *entry;
  unsigned count = 0;

  find_arrival (s, path);
  if (files)
    {
      round_path (s, s->shared, round);
      make_path (path, round, "files");
    }
  DIR *dir = path[0] == '\0' ? NULL : opendir (path);
  if (dir == NULL)
    return 0;
  while ((entry = readdir (dir)) != NULL)
    count += strncmp (entry->d_name, "slurm-procid-", 13) == 0;
  (void) closedir (dir);
  return count;
}

const char *
scene_fs_type (const struct scene *s)
{
  static const struct
  {
    unsigned magic; /* linux/magic.h, statfs(2) */
    const char *name;
  } types[] = {
    { 0xef53, "ext4" },       { 0x58465342, "xfs" }, { 0x9123683e, "btrfs" },
    { 0x01021994, "tmpfs" },  { 0x6969, "nfs" },     { 0x65735546, "fuse" },
    { 0x794c7630, "overlay" }, { 0x0bd00bd0, "lustre" },
  };
  static char number[16];
  struct statfs st;

  if (statfs (s->shared, &st) != 0)
    return "unknown";
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if ((unsigned) st.f_type == types[i].magic)
      return types[i].name;
  (void) snprintf (number, sizeof number, "0x%x", (unsigned) st.f_type);
  return number;
}
