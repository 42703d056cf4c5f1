# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests of the barrier, after lib.sh: steps whose tasks start hooks, as
# step.c has them, and a look at what they leave.
#
#   $job      of the step that follows; new_job takes the next one, so that
#             steps that are still there do not meet
#   $key      the directory of its barrier
#   $go       a file that its tasks can wait for; go makes it
#   $results  what step printed: task, lane, round, exit status, start, end
#   $messages what the hooks said

# shellcheck disable=SC2154 # of lib.sh
step_program=${abs_top_builddir:-${abs_builddir:-.}}/tests/step
[ -x "$step_program" ] || bail_out "$step_program: not there"

job=100

new_job() {
    job=$((job + 1))
    # shellcheck disable=SC2154
    key=$sync/jobid-$job-stepid-0
    logs=$tmp/logs-$job
    go=$tmp/go-$job
    mkdir -p "$logs"
}

# on_nodes TASKS...: the step that follows has these nodes, each with a list of
# tasks, "0 2"; with its options "${nodes[@]}"
on_nodes() {
    local tasks task id=0 localid counts=() names=()
    nodes=()
    for tasks in "$@"; do
        localid=0
        for task in $tasks; do
            nodes+=(-e "$task:SLURM_GTIDS=${tasks// /,}" -e "$task:SLURM_NODEID=$id"
                -e "$task:SLURM_LOCALID=$localid" -e "$task:SLURMD_NODENAME=n$id")
            localid=$((localid + 1))
        done
        counts+=("$localid") names+=("n$id")
        id=$((id + 1))
    done
    step_variables=(SLURM_STEP_ID=0 "SLURM_STEP_NUM_NODES=$id"
        "SLURM_STEP_NODELIST=$(IFS=,; echo "${names[*]}")"
        "SLURM_STEP_TASKS_PER_NODE=$(IFS=,; echo "${counts[*]}")")
}

# on_one_node: that has all tasks
on_one_node() {
    step_variables=(SLURM_STEP_ID=0 SLURM_STEP_NUM_NODES=1)
}

# alone: each task comes alone, as on nodes that Slurm says nothing of
alone() {
    # shellcheck disable=SC2034
    step_variables=(SLURM_STEP_ID=0 SLURM_STEP_NUM_NODES=2)
}

on_one_node
# shellcheck disable=SC2154
mk_bundle step "$uid" "$gid"

# step OPTION...: runs a step; false if it broke a promise.
step() {
    start_step "$@"
    end_step
}

# start_step OPTION...: starts it; its pid is $step_pid.
start_step() {
    rm -f "$logs"/* "$logs"/.pid*
    env -i "${hook_env[@]}" "SLURM_JOB_ID=$job" "${step_variables[@]}" \
        "$step_program" -i "$tmp/bundles/step/state.json" -o "$logs" "$@" \
        "$HOOK" >"$logs.out" 2>&1 &
    step_pid=$!
}

# end_step: waits for it; false if it broke a promise.
end_step() {
    local broken=0
    wait "$step_pid" || broken=1
    # shellcheck disable=SC2034
    results=$(<"$logs.out") messages=$(cat "$logs"/*)
    grep '^broken:\|^step:' "$logs.out" | sed 's/^/# /'
    return "$broken"
}

# The exit statuses, in the order of tasks, lanes and rounds.
statuses() {
    printf '%s\n' "$results" | awk '/^[0-9]/ { printf "%s%s", s, $4; s = " " }'
}

# all_said STATUS COUNT: so many hooks, and each exited so.
all_said() {
    printf '%s\n' "$results" | awk -v status="$1" -v count="$2" '
        /^[0-9]/ { all++; n += $4 == status }
        END { if (n != count || all != count) { print "# " n " of " all; exit 1 } }' ||
        { diag "$results"; diag "$messages"; return 1; }
}

# slowest: the longest time in ms from a hook's start to its end
slowest() {
    printf '%s\n' "$results" |
        awk '/^[0-9]/ && $6 - $5 > t { t = $6 - $5 } END { printf "%d\n", t }'
}

# span: the time in ms from the first hook's end to the last one's
span() {
    printf '%s\n' "$results" |
        awk '$6 < 0 { next }
             /^[0-9]/ && (a == 0 || $6 < a) { a = $6 }
             /^[0-9]/ && $6 > z { z = $6 }
             END { printf "%d\n", z - a }'
}

# What is left of the barriers of $job.
remains() {
    find "$sync" -mindepth 1 -maxdepth 1 -name "*jobid-$job-*" -printf '%f\n'
}

nothing_is_left() {
    same "$(remains)" ''
}

# in_set SET TASK: "0-4:2,7" has it.
in_set() {
    local run step
    for run in ${1//,/ }; do
        step=1
        [[ $run != *:* ]] || step=${run#*:}
        run=${run%:*}
        (($2 >= ${run%-*} && $2 <= ${run#*-} && ($2 - ${run%-*}) % step == 0)) && return
    done
    return 1
}

# All of these tasks have arrived, or are gathered on their node; who gathers says
# so after a second. (Marks are links that lead nowhere.)
have_arrived() {
    local mark sets=() set task
    for mark in "$key"/arrival/slurm-procid-*; do
        sets+=("${mark##*slurm-procid-}")
    done
    for mark in "$key"/gathering-*; do
        set=$(readlink "$mark") && set=${set#procid=} && sets+=("${set%% *}")
    done
    for task in "$@"; do
        for set in "${sets[@]}"; do
            [[ $set != [0-9]* ]] || ! in_set "$set" "$task" || continue 2
        done
        return 1
    done
}

# pid_of TASK: of its hook, which has arrived
pid_of() {
    wait_for [ -s "$logs/.pid-$1" ]
    cat "$logs/.pid-$1"
}

# go: lets the tasks go that wait for the file $go (option -w).
go() {
    touch "$go"
}

# parent_of PID
parent_of() {
    awk '/^PPid:/ { print $2 }' "/proc/$1/status"
}
