# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For the tests in this directory. A test starts with
#
#   . "${0%/*}/lib.sh"
#   in_cluster crun        (or: runc)
#
# and from there on runs as root inside a cluster of its own (see ./cluster),
# which is taken down when the test ends. Variables that a test may use:
#
#   $work     a directory that every user can write to, gone with the cluster
#   $homes    HOOK_BASE_DIR: the users' homes
#   $hook     the program under test, where every user can run it
#   $image    ./image, likewise
#   $passwd   PASSWD_FILE: the users' entries without dave's

set -u
umask 022
LC_ALL=C
export LC_ALL

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
cluster=$here/cluster
program=slurm_global_sync_hook
hook='' image=''
annotation=com.hooks.slurm-global-sync.enabled=true

log_seen=0

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$here/../tap.sh"

unlike() {
    ok "$1" differs "$2" "$3"
}

differs() {
    ! [[ $1 =~ $2 ]] && return
    diag "          got: $1"
    diag "not expected: $2"
    return 1
}

# Without what they need tests are skipped; in CI that is a failure.
skip() {
    if [ "${CI:-}" = true ]; then
        ok "$*" false
        return
    fi
    tests=$((tests + 1))
    echo "ok $tests - # SKIP $*"
}

# cannot TEST REASON: skipped, in CI as well: what this release has cannot do it.
cannot() {
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# since_version VERSION COMMAND...: what the first line that COMMAND prints ends
# with is that version or a later one.
since_version() {
    local version=$1 has
    shift
    has=$("$@" 2>&1 | sed -n '1s/.*[ -]//p')
    printf '%s\n%s\n' "$version" "$has" | sort -V -C
}

wait_gone() {
    wait_for not "$@"
}

uptime_now() {
    local now
    read -r now _ </proc/uptime
    echo "$now"
}

# since UPTIME: seconds that have passed since then
since() {
    awk -v then="$1" '{ printf "%.1f\n", $1 - then }' /proc/uptime
}

less() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }' && return
    diag "$1 is not less than $2"
    return 1
}

#
# The cluster
#

# in_cluster crun|runc: runs this test once more, inside a cluster that suits
# that runtime.
in_cluster() {
    local missing mounts=()
    if [ -n "${TEST_CLUSTER:-}" ]; then
        set_up "$1"
        return
    fi
    [ "$(id -u)" -eq 0 ] || skip_all "needs root"
    missing=$("$cluster" missing)
    [ -z "$missing" ] || skip_all "not installed: $missing"
    : "${HOOK:=${abs_top_builddir:-${abs_builddir:-$here/../..}}/$program}"
    HOOK=$(readlink -f "$HOOK")
    [ -x "$HOOK" ] || skip_all "$HOOK: not there"
    export HOOK
    [ "$1" = runc ] || mounts=(--cgroup2)
    # One that hangs is not to take the time of the others.
    exec timeout -k 60 900 "$cluster" with "${mounts[@]}" -- "$(readlink -f "$0")"
}

set_up() {
    work=$TEST_CLUSTER/work
    homes=$TEST_CLUSTER/home
    passwd=$TEST_CLUSTER/passwd
    # The build tree and the source may be closed to others.
    hook=$TEST_CLUSTER/bin/$program
    image=$TEST_CLUSTER/bin/image
    mkdir -p "$work" "${hook%/*}" && chmod 1777 "$work" &&
        install "$HOOK" "$here/image" "${hook%/*}" || exit
    grep -v '^dave:' /etc/passwd >"$passwd"
    cd "$work" || exit 1
    write_task
    export HOOKS='' GATE=none STAGGER=0 ENABLE=$annotation
    export work
}

# as USER COMMAND...
as() {
    "$cluster" become "$@"
}

# images USER...: localhost/busybox for each of them
images() {
    local user
    for user in "$@"; do
        as "$user" "$image" >"$work/image.log" 2>&1 ||
            { diag "$(cat "$work/image.log")"; return 1; }
    done
}

# make_hooks NAME STAGE [VARIABLE=VALUE...]: a directory for podman's
# --hooks-dir, chosen for the tasks from now on.
make_hooks() {
    local name=$1 stage=$2 setting env='' given=' '
    shift 2
    HOOKS=$work/hooks.$name
    # What the caller sets comes first and replaces the usual.
    for setting in "$@" "HOOK_BASE_DIR=$homes" "PASSWD_FILE=$passwd" \
        HOOK_TIMEOUT=60 HOOK_LOG_LEVEL=info; do
        [[ $given != *" ${setting%%=*} "* ]] || continue
        given+="${setting%%=*} "
        env+="${env:+, }\"$setting\""
    done
    hook_json "$stage" "\"env\": [$env]" "$HOOKS/hook.json"
}

# hook_json STAGE MEMBERS FILE
hook_json() {
    mkdir -p "${3%/*}"
    cat >"$3" <<END
{ "version": "1.0.0",
  "hook": { "path": "$hook", $2 },
  "when": { "annotations": {
    "^com\\\\.hooks\\\\.slurm-global-sync\\\\.enabled$": "^true$" } },
  "stages": ["$1"] }
END
}

# What every task of a step does: waits until its turn, says when it starts
# podman, and becomes it. The program in the container says when it began.
# Its clock, /proc/uptime, is the same inside and outside.
#
#   STAGGER  the tasks start podman over that many seconds
#   GATE     this task starts podman only when the test has made $work/go,
#            or the file that GO names
#   ENABLE   the annotation that asks for the hook
write_task() {
    cat >"$work/task" <<'END'
#!/bin/sh
if [ "$STAGGER" != 0 ]; then
    sleep "$(awk "BEGIN { n = $SLURM_NTASKS - 1
        print $SLURM_PROCID * $STAGGER / (n > 0 ? n : 1) }")"
fi
if [ "$GATE" = "$SLURM_PROCID" ]; then
    until [ -e "${GO:-$work/go}" ]; do sleep 0.1; done
fi
read -r now _ </proc/uptime
echo "launched ${SLURM_PROCID:-none} $now"
exec podman ${HOOKS:+--hooks-dir "$HOOKS"} run --rm --env 'SLURM_*' \
    --annotation "$ENABLE" "$@" ${IMAGE:-localhost/busybox} \
    sh -c 'read -r now _ </proc/uptime; echo "began ${SLURM_PROCID:-none} $now"'
END
    chmod 755 "$work/task"
    # The same one task after another, for podmans that must not meet.
    cat >"$work/in-turn" <<'END'
#!/bin/sh
until [ "$(cat "$work/turn")" = "$SLURM_PROCID" ]; do sleep 0.1; done
"$work/task" "$@"
status=$?
echo $((SLURM_PROCID + 1)) >"$work/turn"
exit $status
END
    chmod 755 "$work/in-turn"
}

# step USER COMMAND...: runs COMMAND, an srun as a rule, as USER. Sets $status
# and $out, what it printed, which stays in the file $work/out as well.
step() {
    local user=$1
    shift
    as "$user" timeout -k 5 120 "$@" >"$work/out" 2>&1 </dev/null
    status=$?
    read_out
}

# together N [FILE]: N containers ran, none began before the last task had
# started podman, and all began within short time. After the hook podman needs
# about 0.1 s of a CPU for each container, which few CPUs do one by one. Other work
# on the machine slows down what comes before the hook as much as what comes after:
# so they may take as long as it took from the first launch until one began.
# Of four and more one may say nothing: now and then that was lost, by podman or by
# srun, though both had exited with 0, which callers look at. Why is not known.
together() {
    awk -v n="$1" '
        $1 == "launched" && $3 > last { last = $3 }
        $1 == "launched" && (!launched++ || $3 < first) { first = $3 }
        $1 == "began" && (!began++ || $3 < min) { min = $3 }
        $1 == "began" && $3 > max { max = $3 }
        END {
            printf "# %d containers: launched over %.2f s, began over" \
                " %.2f s, first %.2f s after the last launch\n",
                began, last - first, max - min, min - last
            exit !(began >= n - (n > 3) && launched == n && min >= last &&
                max - min < 1 + n / 4 + min - first)
        }' "${2:-$work/out}" && return
    diag "$(cat "${2:-$work/out}")"
    return 1
}

# podman prints what it got from a killed conmon, bytes of value 0 and all.
read_out() {
    tr -d '\0' <"$work/out" >"$work/out.text"
    cat "$work/out.text" >"$work/out"
    out=$(cat "$work/out")
}

sync_dir() {
    echo "$homes/$1/.oci-hooks/slurm-global-sync"
}

# clean USER: the directory of the sync files is there, and empty.
clean() {
    local dir left
    dir=$(sync_dir "$1")
    left=$(find "$dir" -mindepth 1 2>&1)
    [ -d "$dir" ] && [ -z "$left" ] && return
    diag "left in $dir: $left"
    return 1
}

# What syslog got since the last call of forget_log.
syslog() {
    tail -n "+$((log_seen + 1))" "$TEST_CLUSTER/log/syslog"
}

forget_log() {
    log_seen=$(wc -l <"$TEST_CLUSTER/log/syslog" 2>/dev/null)
}

# logged REGEX: a message of the hook matches
logged() {
    syslog | grep -qE "$program\[[0-9]*\]: .*$1" && return
    diag "$(syslog)"
    diag "expected: $1"
    return 1
}

not_logged() {
    ! syslog | grep -E "$program.*$1" | sed 's/^/# /' | grep .
}

# hooks [USER]: pids of the hooks that run. By the name that the kernel keeps:
# a hook in a container's mount namespace may have no path.
hooks() {
    local stat pid
    for stat in /proc/[0-9]*/stat; do
        read -r pid stat 2>/dev/null <"$stat" || continue
        [[ $stat = "(${program:0:15})"* ]] || continue
        [ $# -eq 0 ] || [ "$(owner_of "$pid")" = "$1" ] || continue
        echo "$pid"
    done
}

owner_of() {
    stat -c %U "/proc/$1/task" 2>/dev/null
}

count_hooks() {
    hooks | wc -l
}

hooks_wait() {
    [ "$(count_hooks)" -eq "$1" ]
}

no_hook() {
    [ -z "$(hooks "$@")" ]
}

parent() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    echo "$2"
}

# hook_of USER PROCID: the pid of that task's hook. The container's directory,
# which conmon is started with, knows its environment.
hook_of() {
    local pid conmon bundle
    for pid in $(hooks "$1"); do
        conmon=$(parent "$(parent "$pid")")
        bundle=$(tr '\0' '\n' <"/proc/$conmon/cmdline" | grep -A1 -x -e -b |
            tail -n 1)
        grep -q "\"SLURM_PROCID=$2\"" "$bundle/config.json" || continue
        echo "$pid"
        return
    done
    return 1
}

# podman_of USER PROCID: the podman that the task has become or started
podman_of() {
    local pid
    for pid in $(pgrep -u "$1" -x podman); do
        tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" |
            grep -qx "SLURM_PROCID=$2" || continue
        echo "$pid"
        return
    done
    return 1
}

# arrived USER N: N tasks of that user wait, whether their nodes have arrived or
# have gathered only some of their tasks.
arrived() {
    local there
    there=$("$hook" --status --user="$1" --base-dir="$homes" \
        --passwd-file=/etc/passwd 2>/dev/null |
        awk '/^  [0-9]+\// { n += $1 } END { print n + 0 }')
    [ "$there" -eq "$2" ]
}

# gated USER N COMMAND...: starts a step of N tasks of which the last holds
# back, and returns when the others wait.
gated() {
    local user=$1 n=$2
    shift 2
    rm -f "$work/go"
    GATE=$((n - 1)) as "$user" timeout -k 5 120 "$@" \
        >"$work/out" 2>&1 </dev/null &
    background=$!
    wait_for arrived "${owner:-$user}" $((n - 1)) || diag "$(cat "$work/out")"
}

# What "gated" started goes on, and has ended when this returns.
open_gate() {
    touch "$work/go"
    await_step
}

await_step() {
    wait "$background"
    status=$?
    read_out
}

# What the kernel says of a process: its ids, groups and capabilities.
credentials() {
    awk '
        /^(Uid|Gid|Groups):/ { $1 = tolower($1); gsub(/[\t ]+/, " ")
            sub(/ $/, ""); line = line $0 " " }
        /^Cap(Prm|Eff):/ { caps += ($2 !~ /^0+$/) }
        /^NoNewPrivs:/ { nnp = $2 }
        END { print line (caps ? "capabilities" : "no capabilities"),
            nnp ? "no_new_privs" : "" }' "/proc/$1/status"
}

# runs_as CREDENTIALS: all hooks have these, one line of "credentials".
runs_as() {
    local seen
    seen=$(for pid in $(hooks); do credentials "$pid"; done | sort -u)
    diag "$seen"
    matches "$seen" "^($1)\$"
}

# owns USER: all that the hooks made belongs to that user and his group, is
# closed to others, and nothing else was made.
owns() {
    local odd
    odd=$(find "$homes/$1/.oci-hooks" -printf '%u:%g %m %y %P\n' |
        grep -vE "^$1:$1 (700 d|777 l|700 s) ")
    [ -z "$odd" ] || diag "$odd"
    [ -z "$odd" ]
}

# tell_what_was_seen: what a user and an administrator get to see of a step,
# each line once.
tell_what_was_seen() {
    diag "$(grep -vE '^(launched|began) ' "$work/out" |
        sed "s|$TEST_CLUSTER|...|g" | sort -u)"
    diag "$(syslog | grep -oE "$program.*: (error|warning): .*" |
        sed -E "s|$TEST_CLUSTER|...|g; s/\[[0-9]+\]//" | sort -u)"
}

# fresh USER: nothing of an earlier failure is left, and the log is new.
fresh() {
    rm -rf "$(sync_dir "$1")"
    forget_log
}

# first_turn USER: before a step that runs $work/in-turn
first_turn() {
    rm -f "$work/turn"
    echo 0 >"$work/turn"
    chown "$1" "$work/turn"
}

# good_step DESCRIPTION USER N COMMAND...: the usual case, in one line of a
# test: the step succeeds, its containers begin together, nothing is left.
good_step() {
    local description=$1 user=$2 n=$3
    shift 3
    step "$user" "$@"
    is "$description: exit status" "$status" 0 || diag "$out"
    ok "$description: began together" together "$n"
    ok "$description: nothing left" wait_for clean "$user"
}
