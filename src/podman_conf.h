/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * podman_conf.h - where podman looks for hooks, containers.conf(5).
 */
#ifndef PODMAN_CONF_H
#define PODMAN_CONF_H

#include <limits.h>
#include <stddef.h>

#define PODMAN_CONF_MAX 8
#define PODMAN_CONF_DEFAULT "/usr/share/containers/oci/hooks.d"

/* Puts the directories of "hooks_dir" into NAMES and returns how many there are:
 * those of the last file that has it, as podman reads them (/usr/share,
 * /etc, containers.conf.d, and the caller's own), or podman's default.  *SOURCE
 * gets the name of that file, or "podman's default"; static. */
size_t podman_conf_hooks_dirs (char names[PODMAN_CONF_MAX][PATH_MAX], const char **source);

#endif
