# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# TAP for the scripts here and below; lib.sh of each directory reads it.

# Seconds. A machine that compiles something else at the same time is slow;
# only a test that is going to fail ever waits that long.
limit=60

tests=0
failed=0

diag() {
    printf '%s\n' "$*" | sed 's/^/# /'
}

# skip_all WHY: without what they need tests are skipped; in CI that is a failure.
skip_all() {
    if [ "${CI:-}" = true ]; then
        echo "Bail out! $*"
        exit 1
    fi
    echo "1..0 # SKIP $*"
    exit 0
}

# ok DESCRIPTION COMMAND...: passes if COMMAND succeeds.
ok() {
    local description=$1
    shift
    tests=$((tests + 1))
    if "$@"; then
        echo "ok $tests - $description"
    else
        echo "not ok $tests - $description"
        diag "failed: $*"
        failed=$((failed + 1))
        return 1
    fi
}

# is DESCRIPTION GOT EXPECTED
is() {
    ok "$1" same "$2" "$3"
}

same() {
    [ "$1" = "$2" ] && return
    diag "     got: $1"
    diag "expected: $2"
    return 1
}

# like DESCRIPTION TEXT REGEX
like() {
    ok "$1" matches "$2" "$3"
}

matches() {
    [[ $1 =~ $2 ]] && return
    diag "     got: $1"
    diag "expected: $2"
    return 1
}

not() {
    ! "$@"
}

done_testing() {
    echo "1..$tests"
    [ "$failed" -eq 0 ]
    exit
}

# wait_for COMMAND...: until COMMAND succeeds; false if it does not in time.
# What the last try had to say is printed.
wait_for() {
    local end=$((SECONDS + limit))
    until "$@" >/dev/null; do
        [ "$SECONDS" -lt "$end" ] || { "$@"; return; }
        sleep 0.02
    done
}
