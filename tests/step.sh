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

# The variables of a step on one node; SLURM_LOCALID and the like come with
# the option -e.
# shellcheck disable=SC2034,SC2154
step_variables=(SLURM_STEP_ID=0 SLURM_STEP_NUM_NODES=1)
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

# All of these tasks have arrived.
have_arrived() {
    local task
    for task in "$@"; do
        [ -e "$key/arrival/slurm-procid-$task" ] || return
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
