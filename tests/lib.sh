# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For the tests in this directory that run the program. A test starts with
#
#   . "${0%/*}/lib.sh"
#
# and ends with done_testing. It needs neither root nor a server; run by root,
# it makes the hook become an ordinary user. Variables that a test may use:
#
#   $HOOK     the program, where every user can run it
#   $tmp      a directory that every user can pass, gone when the test ends
#   $base     HOOK_BASE_DIR
#   $passwd   PASSWD_FILE, with $user in it
#   $user $uid $gid    whose containers they are
#   $home     the user's directory in $base
#   $sync     where his barriers are, once a hook was there
#   $hook_env the hooks' environment: add VARIABLE=VALUE, or change it
#   $hook_as  a command that runs a hook, as_user for one; usually none

set -u
# A hook looks for its task in the environment of this script, too.
# shellcheck disable=SC2046
[ -z "${!SLURM_*}" ] || exec env $(printf -- '-u %s ' "${!SLURM_@}") "$0" "$@"
LC_ALL=C
export LC_ALL
umask 022

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"

# skip DESCRIPTION REASON
skip() {
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

skip_all() {
    echo "1..0 # SKIP $*"
    exit 0
}

bail_out() {
    echo "Bail out! $*"
    exit 1
}

#
# Users and directories
#

# The hooks and other background jobs that are left; and what they made.
clean_up() {
    local jobs mounted
    mapfile -t jobs < <(jobs -p)
    [ ${#jobs[@]} -eq 0 ] || kill -KILL "${jobs[@]}" 2>/dev/null
    wait 2>/dev/null
    # At once: the list changes with each that is taken away.
    mapfile -t mounted < <(awk -v top="$tmp/" \
        'index($2, top) == 1 { print $2 }' /proc/self/mounts)
    [ ${#mounted[@]} -eq 0 ] || umount "${mounted[@]}"
    rm -rf "$tmp"
}

am_root() {
    [ "$(id -u)" -eq 0 ]
}

# as_user COMMAND...: as $user if root runs the test.
as_user() {
    if am_root; then
        setpriv --reuid "$uid" --regid "$gid" --clear-groups "$@"
    else
        "$@"
    fi
}

# own PATH...: gives them to $user if root runs the test.
own() {
    ! am_root || chown -hR "$uid:$gid" "$@"
}

set_up() {
    local program
    program=${HOOK:-${abs_top_builddir:-${abs_builddir:-.}}/slurm_global_sync_hook}
    [ -x "$program" ] || bail_out "$program: not there"
    tmp=$(mktemp -d) || bail_out 'no temporary directory'
    trap clean_up EXIT
    trap 'exit 1' HUP INT TERM
    tmp=$(cd "$tmp" && pwd -P)
    chmod 755 "$tmp"
    HOOK=$tmp/bin/slurm_global_sync_hook
    base=$tmp/home
    passwd=$tmp/passwd
    user=tester
    if am_root; then
        uid=54321
        gid=54322
    else
        uid=$(id -u)
        gid=$(id -g)
    fi
    home=$base/$user
    # shellcheck disable=SC2034 # for the tests
    sync=$home/.oci-hooks/slurm-global-sync
    hook_as=()
    # No test waits for this time-out. A busy machine can take half a minute to
    # do what a test does while its hooks wait.
    # A hook of --enable-sanitizer cannot look for leaks: it lets nobody trace
    # it, and in the end opens no file.
    hook_env=("HOOK_BASE_DIR=$base" "PASSWD_FILE=$passwd" 'HOOK_TIMEOUT=120'
        'ASAN_OPTIONS=detect_leaks=0')
    # The build tree may be closed to others.
    mkdir "$tmp/bin" "$base" "$home" "$tmp/bundles" || bail_out 'disk full?'
    install "$program" "$HOOK" || bail_out 'disk full?'
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' \
        "$user:x:$uid:$gid:A tester:/nonexistent:/bin/sh" >"$passwd"
    own "$home"
}

#
# Bundles and hooks
#

# json_strings TEXT...: as the entries of a JSON array
json_strings() {
    local text comma=''
    for text in "$@"; do
        text=${text//\\/\\\\}
        text=${text//\"/\\\"}
        text=${text//$'\t'/\\t}
        printf '%s"%s"' "$comma" "$text"
        comma=', '
    done
}

# mk_bundle NAME UID GID [VARIABLE=VALUE...]: a bundle whose container has that
# user and environment, and its state, for run_hook NAME.
mk_bundle() {
    local dir=$tmp/bundles/$1
    mkdir -p "$dir"
    printf '{"ociVersion": "1.0.2", "id": "%s", "status": "creating", "pid": 1, "bundle": "%s"}\n' \
        "$1" "$dir" >"$dir/state.json"
    printf '{"ociVersion": "1.0.2", "process": {"user": {"uid": %s, "gid": %s}, "env": [%s]}}\n' \
        "$2" "$3" "$(json_strings "${@:4}")" >"$dir/config.json"
}

# mk_task NAME NTASKS PROCID [VARIABLE=VALUE...]: a bundle of that task of the
# user's; the variables come first, so they win.
mk_task() {
    mk_bundle "$1" "$uid" "$gid" "${@:4}" SLURM_JOB_ID=17 SLURM_STEP_ID=0 \
        "SLURM_NTASKS=$2" "SLURM_PROCID=$3"
}

# A hook's arguments, in any order: VARIABLE=VALUE and --OPTION.
split_arguments() {
    local argument
    variables=("${hook_env[@]}")
    options=()
    for argument in "$@"; do
        case $argument in
        -*) options+=("$argument") ;;
        *) variables+=("$argument") ;;
        esac
    done
}

# run_hook NAME [ARGUMENT...]: runs a hook for that bundle; sets $status, $out
# and $err.
run_hook() {
    feed_hook "$tmp/bundles/$1/state.json" "${@:2}"
}

# feed_hook FILE [ARGUMENT...]: the same, with the state in FILE.
feed_hook() {
    local variables options
    split_arguments "${@:2}"
    "${hook_as[@]}" env -i "${variables[@]}" "$HOOK" "${options[@]}" \
        <"$1" >"$tmp/out" 2>"$tmp/err"
    # shellcheck disable=SC2034 # for the tests
    status=$? out=$(<"$tmp/out") err=$(<"$tmp/err")
}

# start_hook NAME [ARGUMENT...]: starts a hook for that bundle; its pid is $!,
# its parent the test. Its output goes to $tmp/bundles/NAME/{out,err}.
start_hook() {
    local variables options dir=$tmp/bundles/$1
    split_arguments "${@:2}"
    env -i "${variables[@]}" "$HOOK" "${options[@]}" \
        <"$dir/state.json" >"$dir/out" 2>"$dir/err" &
}

set_up
