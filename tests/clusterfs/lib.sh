# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For the tests in this directory. A test starts with
#
#   . "${0%/*}/lib.sh"
#   on_fs ceph            (or: gluster, fuse)
#
# and from there on has two mounts of such a file system, and all of nodes.sh.
# Two mounts are two clients to it, so they stand for two nodes.

set -u
LC_ALL=C
export LC_ALL

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
program=slurm_global_sync_hook

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$here/../tap.sh"
# shellcheck source-path=SCRIPTDIR source=../nodes.sh
. "$here/../nodes.sh"

on_fs() {
    local missing
    if [ -n "${CLUSTERFS:-}" ]; then
        set_up
        return
    fi
    [ "$(id -u)" -eq 0 ] || skip_all 'needs root'
    missing=$("$here/$1" missing)
    [ -z "$missing" ] || skip_all "not installed: $missing"
    : "${HOOK:=${abs_top_builddir:-$here/../..}/$program}"
    HOOK=$(readlink -f "$HOOK")
    [ -x "$HOOK" ] || skip_all "$HOOK: not there"
    export HOOK
    exec "$here/$1" "$(readlink -f "$0")"
}

# shellcheck disable=SC2034 # for nodes.sh
set_up() {
    tmp=$CLUSTERFS/test bundles=$CLUSTERFS/bundles log=$CLUSTERFS/stamps
    log_on_s=$log home=$CLIENT1/user owner=54321:54322
    mkdir "$tmp" "$bundles" "$log" "$CLUSTERFS/bin" "$home" &&
        chown "$owner" "$home" && chmod 700 "$home" || exit
    # The build tree may be closed to others.
    install -m 755 "$HOOK" "${abs_top_builddir:-$here/../..}/tests/step" \
        "$here/../step-node" "$here/../see" "$CLUSTERFS/bin/" || exit
    PATH=$CLUSTERFS/bin:$PATH
    # Seen only here: the user must have a name.
    printf 'user:x:%s:A user:/nonexistent:/bin/sh\n' "$owner" |
        cat /etc/passwd - >"$CLUSTERFS/passwd" &&
        mount --bind "$CLUSTERFS/passwd" /etc/passwd || exit
}

# For nodes.sh: both clients and the server are this machine.
on() {
    bash -c "$2"
}

hook_for() {
    echo "$CLUSTERFS/bin/$program $CLUSTERFS/c$1"
}

all_wait() {
    see 1 waiting $(($1 + $2)) 2
}
