/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * identity.h - who the user is, and becoming him for good.
 *
 *   the hook runs                       the user is
 *   as root, initial user namespace     process.user of config.json
 *   in another user namespace           the owner of that namespace
 *   as an ordinary user                 himself
 */
#pragma once

#include "container.h"
#include "failure.h"

#include <pwd.h>
#include <stdbool.h>
#include <sys/types.h>

/* What an id reads as that has no number in this user namespace. */
#define OVERFLOW_ID 65534

struct identity {
  uid_t uid;       /* as this process's user namespace numbers it */
  gid_t gid;
  const gid_t *groups; /* supplementary groups to have; borrowed */
  size_t group_count;
  bool in_namespace; /* in a user namespace other than the initial one */
  bool host_hidden;  /* in one that does not tell the uid of the host */
  uid_t host_uid;  /* as the host, and the passwd file, number it */
  char name[256];  /* the user's, after identity_name() */
  char home[1024]; /* the user's directory by the same entry; "" if it is no absolute path */
};

/* Finds out whom to become.  JOB_UID is SLURM_JOB_UID, or -1: it is used only where
 * a user namespace hides the uid of the host, where the hook has no more rights
 * than the user, so nothing can be won with it.  EX_NOPERM where that user has no
 * number here, and where nothing can be found out; what container_user() says where
 * that is asked. */
int identity_find (struct identity *id, const struct container *c, uid_t job_uid,
                   struct failure *f);

/* Finds the user's name and home by his host uid: in PASSWD_FILE, if it is not
 * NULL, and if he is not there by getpwuid_r(3).  EX_NOUSER if neither knows him,
 * EX_CONFIG if the file cannot be read, EX_NOPERM for a name that cannot be a
 * directory's.
 * In a user namespace it also sets the gid to the entry's, if that is mapped:
 * so there it comes before identity_become(), elsewhere after. */
int identity_name (struct identity *id, const char *passwd_file, struct failure *f);

/* Fills ID for the user NAME, whom PASSWD_FILE or else getpwnam_r(3) knows.  As
 * above. */
int identity_by_name (struct identity *id, const char *name, const char *passwd_file,
                      struct failure *f);

/* Fills ID with what ENTRY says.  EX_NOPERM as above. */
int identity_take (struct identity *id, const struct passwd *entry, struct failure *f);

/* Becomes the user: groups, gid and uid (real, effective, saved), no
 * capabilities in any set, and still not to be traced.  In a user namespace the
 * groups stay, since they are the user's own.  Tries to return.  EX_NOPERM if
 * any of it fails: then the process must end. */
int identity_become (const struct identity *id, struct failure *f);

/* Shrinks what the process can do before it knows whom to become: no new
 * privileges, no core dump, no ptrace(2) by the user; none of that if it RUNS_OTHERS
 * that need these, as podman does.  EX_NOPERM; and where the program has taken
 * rights from its file. */
int identity_guard (bool runs_others, struct failure *f);
