# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests with several nodes on two clients of a shared file system, after
# tap.sh. Who reads it sets or has:
#
#   on MACHINE COMMAND   a shell runs it on client 1, on client 2, or on the
#                        server, s; step, step-node and see are in its PATH
#   hook_for CLIENT      prints the hook's path there, and its HOOK_BASE_DIR
#   all_wait HOOKS HOOKS waits until so many hooks of node 0, which is on client
#                        1, and of node 1 can only wait any more
#   $tmp      a directory of the test's
#   $bundles  one on each client, for bundles
#   $log $log_on_s   one that both clients share, there and on the server
#   $home     the user's directory, on the server
#   $owner    UID:GID of the user
#
# Variables that a test may use:
#
#   $job      of the step that follows; new_job takes the next one
#   $results  what step printed: task, lane, round, exit status, start, end; the
#             times are the server's, in ms
#   $messages what the hooks said, each line after TASK.LANE.ROUND:
#   $left     the files that are left in the user's directory, without those of
#             other jobs; what links say follows them
#   $timeout  HOOK_TIMEOUT; few tests wait for the usual one
#   $variables more variables of the hooks

# shellcheck disable=SC2154 # these

timeout=60
late=0
variables=()

# see MACHINE CONDITION...: waits until it holds there
see() {
    on "$1" "TASKS=$bundles/$job-$run see $limit ${*:2}"
}

job=100
run=0

# new_job TASKS NODES [OPTION...]: what follows is a step of that size; -r ROUNDS
# and -a LANES are options.
new_job() {
    job=$((job + 1))
    again "$@"
}

# again TASKS NODES [OPTION...]: the same job once more
again() {
    size=("$1" "$2")
    shape=("${@:3}")
    run=$((run + 1))
    started=()
}

# start CLIENT NODEID[,NODEID...] [OPTION...]: starts the tasks of these nodes.
start() {
    local name=$job-$run-${2//,/-} hook base
    read -r hook base < <(hook_for "$1")
    on "$1" "mkdir -p $log/$job-$run $bundles/$name && cd $bundles/$name &&
        HOOK_BASE_DIR=$base PASSWD_FILE=/etc/passwd HOOK_TIMEOUT=$timeout \
        HOOK_LOG_LEVEL=info ${variables[*]} HOOK=$hook STEP=step \
        STEP_USER=$owner STEP_DIR=$bundles/$name STEP_STAMPS=$log/$job-$run \
        step-node $job ${size[*]} $2 ${shape[*]} ${*:3}" >"$tmp/$name" 2>&1 &
    started+=("$name:$!")
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
    on s "step -n ${size[0]} ${shape[*]} -T $log_on_s/$job-$run
        echo \"exit \$?\"
        find $home -mindepth 1 -printf 'left %P %l\\n'" >"$tmp/all"
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
    saved[$1]=$(declare -p job size shape run started late)
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

# Of a barrier that was called off files may stay, for who asks why; but none that
# a client still has open.
nothing_open_is_left() {
    ! grep -F '/.nfs' <<<"$left" | sed 's/^/# left: /' | grep .
}

# When the next step has succeeded they have a name that is no barrier's.
nothing_alive_is_left() {
    nothing_open_is_left &&
        ! grep -E '/slurm-global-sync/jobid-|^[^.]' <<<"$left" | sed 's/^/# left: /' | grep .
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

# named_on NODEID PROCIDS: what the hooks there said names these, and no others.
named_on() {
    grep -qE "procid ($2)([,-]?[^0-9,-]|\$)" "$tmp/$job-$run-$1" && return
    diag "not said on node $1: procid $2"
    tell
    return 1
}

named_by_both() {
    named_on 0 "$1" && named_on 1 "$1"
}

#
# Hooks that die
#

# waits LATE: a step of 8 on two nodes, as far as it goes without that task, which
# late_one lets come
waits() {
    new_job 8 2
    late=$1
    start 1 0 -w "$late:$bundles/go-$job"
    start 2 1 -w "$late:$bundles/go-$job"
    all_wait $((4 - (late < 4))) $((4 - (late > 3)))
}

late_one() {
    on $((late / 4 + 1)) "touch $bundles/go-$job"
}

# next_step NAME: the same job's next one, which has all tasks
next_step() {
    again 8 2
    start 1 0
    start 2 1
    went "$1: the next step" '0*8'
    ok "$1: the next step leaves nothing alive" nothing_alive_is_left
}

# all_die: all its hooks at once, before one of them can tell the others; and those
# who have started them.
all_die() {
    local client
    for client in 1 2; do
        on "$client" 'pkill -STOP -x slurm_global_sy; pkill -KILL -x slurm_global_sy
            pkill -KILL -x step'
    done
}

# dies NAME NODEID leader|member: a hook of the step that waits. Who comes later
# learns it, too.
dies() {
    local client=$(($2 + 1)) pid procid
    pid=$(on "$client" "TASKS=$bundles/$job-$run see 0 $3 $2")
    procid=$(on "$client" "TASKS=$bundles/$job-$run see 0 procid $pid")
    ok "$1: there is one" [ -n "$procid" ] && on "$client" "kill -KILL $pid"
    see 1 gone
    see 2 gone
    late_one
    went "$1" '76*7 signal*1'
    ok "$1: nothing open is left" nothing_open_is_left
    ok "$1: both nodes name it" named_by_both "$procid"
    next_step "$1"
}

# latency: from the last start to the last end, in ms
latency() {
    printf '%s\n' "$results" | awk '$5 > a { a = $5 } $6 > z { z = $6 }
        END { printf "%d\n", z - a }'
}
