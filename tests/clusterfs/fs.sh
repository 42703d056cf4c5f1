# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For ceph, gluster and fuse.

self=$(readlink -f "$0")
address=10.77.0.1
start_limit=120

die() {
    echo "${self##*/}: error: $*" >&2
    [ ! -s "${work:-}/log" ] || tail -n 20 "$work/log" >&2
    exit 1
}

# needs COMMAND...
needs() {
    needed=("$@" unshare ip pgrep)
}

missing_commands() {
    local c missing=()
    for c in "${needed[@]}"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$c" >/dev/null || missing+=("$c")
    done
    [ ${#missing[@]} -eq 0 ] || echo "${missing[*]}"
}

# in_namespaces ARG...: runs this program once more, in a directory and in
# namespaces of its own.
in_namespaces() {
    if [ "${1:-}" = missing ]; then
        missing_commands
        exit
    fi
    if [ -z "${CLUSTERFS:-}" ]; then
        work=$(mktemp -d /tmp/clusterfs.XXXXXX) || exit
        # Tests become other users.
        chmod 755 "$work"
        trap 'rm -rf "$work"' EXIT
        trap 'exit 1' HUP INT TERM
        CLUSTERFS=$work unshare -m -n -p -i -f --kill-child --mount-proc \
            --propagation private "$self" "$@"
        exit
    fi
    work=$CLUSTERFS
    mkdir -p "$work"/{c1,c2,run}
    export CLIENT1=$work/c1 CLIENT2=$work/c2
    ip link set lo up && ip addr add "$address/32" dev lo || die 'no network'
}

quietly() {
    "$@" >>"$work/log" 2>&1 </dev/null || die "$*"
}

# wait_for WHAT COMMAND...
wait_for() {
    local end=$((SECONDS + start_limit))
    until "${@:2}"; do
        [ "$SECONDS" -lt "$end" ] || die "$1 does not start"
        sleep 0.1
    done
}

# The first process of the namespace: all others end with it.
run_it() {
    "$@"
    exit
}
