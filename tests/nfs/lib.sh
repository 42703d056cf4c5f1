# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For the tests in this directory. A test starts with
#
#   . "${0%/*}/lib.sh"
#   in_lab
#
# and from there on has the machines of ./lab, those that NFS_LAB names or its
# own, with the hook and what starts it in /usr/local/bin, and all of nodes.sh.

set -u
LC_ALL=C
export LC_ALL

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
lab=$here/lab
program=slurm_global_sync_hook

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$here/../tap.sh"
# shellcheck source-path=SCRIPTDIR source=../nodes.sh
. "$here/../nodes.sh"

# shellcheck disable=SC2034 # for nodes.sh
bundles=/tmp/bundles log=/log log_on_s=/srv/log home=/srv/home/user owner=1000:1000

in_lab() {
    local missing client
    [ "$(id -u)" -eq 0 ] || skip_all 'needs root'
    missing=$("$lab" missing)
    [ -z "$missing" ] || skip_all "not installed: $missing"
    : "${HOOK:=${abs_top_builddir:-$here/../..}/$program}"
    HOOK=$(readlink -f "$HOOK")
    [ -x "$HOOK" ] || skip_all "$HOOK: not there"
    export HOOK
    [ -n "${NFS_LAB:-}" ] || exec "$lab" with "$(readlink -f "$0")"
    tmp=$(mktemp -d) || exit
    trap clean_up EXIT
    trap 'exit 1' HUP INT TERM
    put_programs || exit
    # What a test that was interrupted has left.
    for client in 1 2; do
        on $client 'pkill -KILL -x step; pkill -KILL -x slurm_global_sy
            rm -rf /tmp/bundles /log/*; mkdir /tmp/bundles'
    done
    on s "rm -rf $home/.oci-hooks"
}

# What a machine that was started anew has lost.
put_programs() {
    "$lab" put "$HOOK" "${abs_top_builddir:-$here/../..}/tests/step" \
        "$here/../step-node" "$here/../see"
}

clean_up() {
    local jobs
    mapfile -t jobs < <(jobs -p)
    [ ${#jobs[@]} -eq 0 ] || kill "${jobs[@]}" 2>/dev/null
    rm -rf "$tmp"
}

# For nodes.sh.
on() {
    "$lab" run "$@"
}

hook_for() {
    echo "/usr/local/bin/$program" /home
}

all_wait() {
    see 1 waiting "$1" 1
    see 2 waiting "$2" 1
}

#
# RPCs
#

# count_rpcs FILE: what both clients have sent for /home, by operation
count_rpcs() {
    local client
    for client in 1 2; do
        on "$client" see 0 rpcs
    done >"$1"
}

# rpcs BEFORE AFTER: sets $all_rpcs and $changing_rpcs.
rpcs() {
    read -r all_rpcs changing_rpcs by_operation < <(awk '
        BEGIN {
            split("OPEN OPEN_NOATTR CREATE SETATTR REMOVE RENAME LINK SYMLINK " \
                "MKDIR RMDIR WRITE MKNOD", names)
            for (i in names)
                changes[names[i]] = 1
        }
        { n[$1] += (FILENAME == ARGV[1] ? -$2 : $2) }
        END {
            for (name in n) {
                all += n[name]
                changing += (name in changes) * n[name]
                if (n[name] != 0)
                    list = list " " name "=" n[name]
            }
            print all, changing + 0 list
        }' "$1" "$2")
    diag "$all_rpcs RPCs, $changing_rpcs of them changing: $by_operation"
}
