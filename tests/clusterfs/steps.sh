# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# After lib.sh: the steps that any of these file systems must be good for.

# What lib.sh has:
# shellcheck disable=SC2034,SC2154

# both: starts the tasks of both nodes.
both() {
    start 1 0
    start 2 1
}

test_steps() {
    local size victim
    for size in 2 8 32; do
        new_job "$size" 2
        both
        succeeds "$size tasks"
    done

    new_job 8 2 -r 2
    both
    succeeds 'two rounds'

    for victim in leader member; do
        waits 7
        dies "a $victim is killed" 0 $victim
    done

    waits 5
    all_die
    finish
    ok 'all hooks are killed: their sockets are left' \
        [ "$(grep -c '/node-[01]$' <<<"$left")" = 2 ]
    again 8 2
    # Less than the minute after which a mark of a dead hook shows by its age.
    timeout=50
    both
    succeeds 'what killed hooks left holds nobody up'
}
