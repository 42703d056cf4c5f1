# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For the tests in this directory. A test starts with
#
#   . "${0%/*}/lib.sh"
#   in_lab
#
# and from there on has the machines of ./lab, those that NFS_LAB names or its
# own, with the hook and what starts it in /usr/local/bin. Variables that a test
# may use:
#
#   $job      of the step that follows; new_job takes the next one
#   $key      the directory of its barrier, on the server
#   $results  what step printed: task, lane, round, exit status, start, end; the
#             times are the server's, in ms
#   $messages what the hooks said, each line after TASK.LANE.ROUND:
#   $left     the files that are left in the user's directory
#   $timeout  HOOK_TIMEOUT; no test waits for the usual one

set -u
LC_ALL=C
export LC_ALL

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
lab=$here/lab
program=slurm_global_sync_hook

# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$here/../tap.sh"

# Without what they need tests are skipped; in CI that is a failure.
skip_all() {
    if [ "${CI:-}" = true ]; then
        echo "Bail out! $*"
        exit 1
    fi
    echo "1..0 # SKIP $*"
    exit 0
}

in_lab() {
    local missing
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
    "$lab" put "$HOOK" "${abs_top_builddir:-$here/../..}/tests/step" \
        "$here/../step-node" "$here/guest-see" || exit
    timeout=200
    job=$(cat "$NFS_LAB/job" 2>/dev/null || echo 100)
}

clean_up() {
    local jobs
    mapfile -t jobs < <(jobs -p)
    [ ${#jobs[@]} -eq 0 ] || kill "${jobs[@]}" 2>/dev/null
    rm -rf "$tmp"
}

# on MACHINE COMMAND: as root, by a shell there
on() {
    "$lab" run "$@"
}

# see MACHINE CONDITION...: waits until it holds there; see guest-see.
see() {
    on "$1" "guest-see $limit ${*:2}"
}

#
# Steps
#

# new_job TASKS NODES [OPTION...]: what follows is a step of that size; -r ROUNDS
# and -a LANES are options.
new_job() {
    job=$((job + 1))
    echo "$job" >"$NFS_LAB/job"
    again "$@"
}

# again TASKS NODES [OPTION...]: the same job once more
again() {
    # shellcheck disable=SC2034
    key=/srv/home/user/.oci-hooks/slurm-global-sync/jobid-$job-stepid-0
    size=("$1" "$2")
    shape=("${@:3}")
    run=${run:-0}
    run=$((run + 1))
    started=()
}

# start CLIENT NODEID[,NODEID...] [OPTION...]: starts the tasks of these nodes.
start() {
    local dir=/tmp/tasks/$job-$run-${2//,/-}
    on "$1" "find /tmp/tasks -mindepth 1 -maxdepth 1 ! -name '$job-$run-*' \
            -exec rm -rf {} + 2>/dev/null
        mkdir -p $dir /log/$job-$run &&
        ${variables[*]-} HOOK_BASE_DIR=/home PASSWD_FILE=/etc/passwd HOOK_TIMEOUT=$timeout \
        HOOK_LOG_LEVEL=info HOOK=/usr/local/bin/$program STEP=step \
        STEP_USER=1000:1000 STEP_DIR=$dir STEP_STAMPS=/log/$job-$run \
        step-node $job ${size[*]} $2 ${shape[*]-} ${*:3}" \
        >"$tmp/$job-$run-${2//,/-}" 2>&1 &
    started+=("$job-$run-${2//,/-}:$!")
}

# finish: waits for them; false if a promise was broken. A machine that was
# killed has none to keep.
finish() {
    local one broken=0
    messages=''
    for one in "${started[@]}"; do
        wait "${one#*:}"
        messages+=$(<"$tmp/${one%%:*}")$'\n'
    done
    on s "step -n ${size[0]} ${shape[*]-} -T /srv/log/$job-$run
        echo \"exit \$?\"
        find /srv/home/user -mindepth 1 -printf 'left %P %l\\n'" >"$tmp/all"
    results=$(grep '^[0-9]' "$tmp/all")
    left=$(sed -n 's/ *$//; s/^left //p' "$tmp/all" | sort |
        awk -v mine="jobid-$job-" '!/jobid-/ || index($0, mine)')
    grep -q '^exit 0' "$tmp/all" || broken=1
    grep '^broken:\|^step:' "$tmp/all" | sed 's/^/# /'
    [ "$broken" = 0 ] || tell
    return "$broken"
}

tell() {
    diag "$results"
    diag "$messages"
}

# save NAME, load NAME: several steps at once
declare -A saved
save() {
    saved[$1]=$(declare -p job key size shape run started)
}

load() {
    eval "${saved[$1]//declare -/declare -g -}"
}

# outcomes: how many of the hooks exited how, as 76*3 signal*1
outcomes() {
    printf '%s\n' "$results" | awk '{ n[$4]++ } END { for (o in n) print o "*" n[o] }' |
        sort | tr '\n' ' ' | sed 's/ $//'
}

# went NAME OUTCOMES: the step keeps the promises and ends so.
went() {
    ok "$1: nobody early, all alike" finish
    is "$1: exit statuses" "$(outcomes)" "$2" || tell
}

nothing_is_left() {
    same "$left" $'.oci-hooks\n.oci-hooks/slurm-global-sync'
}

# Why the last barrier of this job, or one before, was called off; and no mark,
# no socket and no file that a client still has open.
at_most_the_reason_is_left() {
    ! grep -vE "^\.oci-hooks(/slurm-global-sync(/(gone-[^/]*)?jobid-$job-stepid-0(/departure called-off: .*)?)?)?\$" <<<"$left" |
        sed 's/^/# left: /' | grep .
}

# succeeds NAME: all hooks of a step that needs none of the above do.
succeeds() {
    local hooks=$((size[0])) i
    for ((i = 0; i < ${#shape[@]}; i += 2)); do
        hooks=$((hooks * shape[i + 1]))
    done
    went "$1" "0*$hooks"
    ok "$1: nothing is left" nothing_is_left
}

# named_by_all PROCIDS: somebody in each start says that it was these.
named_by_all() {
    local one
    for one in "${started[@]}"; do
        grep -qE "procid $1([^0-9-]|\$)" "$tmp/${one%%:*}" ||
            { diag "not in ${one%%:*}: procid $1"; tell; return 1; }
    done
}

# latency: from the last start to the last end, in ms
latency() {
    printf '%s\n' "$results" | awk '$5 > a { a = $5 } $6 > z { z = $6 }
        END { printf "%d\n", z - a }'
}

#
# RPCs
#

# count_rpcs FILE: what both clients have sent for /home, by operation
count_rpcs() {
    local client
    for client in 1 2; do
        on "$client" guest-see 0 rpcs
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
