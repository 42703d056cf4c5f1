/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scene.h - what a hook finds on a node: a bundle for each task, as podman
 * makes it, a passwd file, and the directory that all tasks share.
 *
 * Everything is below one temporary directory, which scene_remove() removes.
 * What cannot be made ends the program, with a message.
 */
#ifndef SCENE_H
#define SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SCENE_NODES_MAX 8
#define SCENE_PATH_MAX 512
#define SCENE_USER "bench"

struct scene {
  char root[256];                             /* the temporary directory */
  char mount[SCENE_NODES_MAX][SCENE_PATH_MAX]; /* where each node sees ... */
  char shared[SCENE_PATH_MAX];                /* ... this directory */
  char passwd[SCENE_PATH_MAX];
  unsigned nodes;
  unsigned mounts; /* to be unmounted; 0: all nodes are one directory */
  unsigned tasks;  /* of the step */
  bool for_node;   /* one container, and so one bundle, a node */
  unsigned round;  /* counts scene_renew() */
  uid_t uid;
  gid_t gid;
};

/* Makes the temporary directory in DIR. */
void scene_make (struct scene *s, const char *dir, uid_t uid, gid_t gid);
void scene_remove (struct scene *s);

/* Makes the bundles of a step of TASKS tasks on NODES nodes, each node with a
 * block of them, and with one container of them all if FOR_NODE.  Their Slurm
 * task is the calling process. */
void scene_set_tasks (struct scene *s, unsigned tasks, unsigned nodes, bool for_node);
unsigned scene_node (const struct scene *s, unsigned procid);

/* How many containers, and so hooks, the step has; and the task of one. */
unsigned scene_hooks (const struct scene *s);
unsigned scene_procid (const struct scene *s, unsigned hook);

/* The container's state as a runtime tells it to the hook of PROCID. */
size_t scene_state (const struct scene *s, unsigned procid, char *text, size_t size);

/* Mounts SHARED once for each of NODES nodes, by mergerfs(1) or bindfs(1), such
 * that attributes and absent names are cached for TIMEOUT seconds and no
 * mount is told of what the others do.  Checks that this is so, and that absent
 * names are really cached. */
void scene_mount (struct scene *s, unsigned nodes, const char *program, unsigned timeout);
void scene_unmount (struct scene *s);

/* Makes the directories anew in which the tasks will meet, and removes those of
 * the time before.  Exits if a barrier was left in them.
 *
 * New ones each time because of ext4: it does not use the inode of a file again
 * for minutes after the file was removed, and looks at each such inode when it
 * makes a file near by.  A benchmark would measure that after a while, and
 * little else. */
void scene_renew (struct scene *s);

/* HOOK_BASE_DIR of PROCID; bench_file's directory is "files" in it. */
void scene_base (const struct scene *s, unsigned procid, char path[SCENE_PATH_MAX]);

/* How many of the tasks have made their file.  FILES: those of bench_file;
 * else those of bench_poll. */
unsigned scene_arrived (const struct scene *s, bool files);

/* Type of the file system of the scene, as "ext4" or a number. */
const char *scene_fs_type (const struct scene *s);

#endif
