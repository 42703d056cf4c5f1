# shellcheck shell=bash disable=SC2034 # variables are for the tests
# SPDX-License-Identifier: BSD-3-Clause
#
# For the tests of the packages, on top of ../integration/lib.sh. They find the
# packages in $packages, where `make deb` and `make rpm` have put them.

# shellcheck source=tests/integration/lib.sh
. "${BASH_SOURCE[0]%/*}/../integration/lib.sh"

self=$(readlink -f "$0")
source=$(readlink -f "${BASH_SOURCE[0]%/*}/../..")
name=slurm-global-sync-hook
json=/etc/containers/oci/hooks.d/slurm-global-sync.json
link=/usr/share/containers/oci/hooks.d/slurm-global-sync.json
binary=/usr/bin/slurm_global_sync_hook
packages=${PACKAGES:-${1:-packages}}

# need COMMAND...
need() {
    local command
    for command; do
        command -v "$command" >/dev/null || skip_all "not installed: $command"
    done
}

# one FILE: the pattern for a package named exactly one.
one() {
    [ $# -eq 1 ] && [ -e "$1" ] && return
    skip_all "$packages: no package, or several: $* (make deb rpm)"
}

# in_machine: runs this test once more, as root inside a cluster (see
# ../integration/cluster) on what looks like this machine and is the test's own:
# the cluster has its own /etc, /var/lib and /usr/share/containers, and here are
# its own /usr and /var. Packages are installed there and nowhere else, so tests
# that run at the same time see nothing of them.
in_machine() {
    local machine status missing
    if [ -n "${TEST_CLUSTER:-}" ]; then
        set_up crun
        enter_machine
        return
    fi
    if [ -n "${MACHINE:-}" ]; then
        own_directory /usr && own_directory /var ||
            bail_out 'cannot mount an overlay file system'
        exec "$cluster" with --cgroup2 -- "$self" "$packages"
    fi
    [ "$(id -u)" -eq 0 ] || skip_all 'needs root'
    missing=$("$cluster" missing)
    [ -z "$missing" ] || skip_all "not installed: $missing"
    packages=$(readlink -f "$packages")
    HOOK=$(readlink -f "${HOOK:-$program}")
    export HOOK PACKAGES=$packages
    machine=$(mktemp -d)
    chmod 755 "$machine"
    # shellcheck disable=SC2064 # the directory of now
    trap "rm -rf '$machine'" EXIT
    MACHINE=$machine unshare --mount --propagation private -- "$self"
    status=$?
    exit "$status"
}

bail_out() {
    echo "Bail out! $*"
    exit 1
}

own_directory() {
    mkdir -p "$MACHINE$1/upper" "$MACHINE$1/work" && mount -t overlay -o \
        "lowerdir=$1,upperdir=$MACHINE$1/upper,workdir=$MACHINE$1/work" overlay "$1"
}

# The users have no other settings for podman than those of the cluster: which of them do, is in the tests.
enter_machine() {
    mount --bind "$homes" /home
    images alice
    HOOKS=''
}

# every_file ROOT PATH...: mode, owner and path of each, and where links lead
every_file() {
    local root=$1 path
    shift
    for path; do
        stat -c '%A %U:%G %N' "$root$path"
    done | sed "s|'$root/|'/|; s|'||g" | sort -k3
}

# What is on the machine; files that only cache are left out.
machine_files() {
    find /etc /usr /usr/share/containers /var/lib/dpkg/info -xdev \
        ! -name ld.so.cache | sort -u
}

# unchanged FILE: the machine has the files that FILE lists, and no others.
unchanged() {
    machine_files | diff "$1" - >"$work/difference" && return
    diag "$(cat "$work/difference")"
    return 1
}

# man_finds_the_page: man(1), as a user types it
man_finds_the_page() {
    local page
    page=$(man -w slurm_global_sync_hook) || return
    diag "$page"
    man slurm_global_sync_hook 2>/dev/null | grep -qi '^slurm_global_sync_hook(8)'
}

# edit_off: an administrator turns the hook off, as packaging/README says.
edit_off() {
    sed -i 's/"when": {/&\n        "always": false,/' "$json"
}

# step_of_four: four containers of one user in a job step, that ask for the hook
# by nothing but the annotation. With podman 3.0 (Debian 11) podman run now and then
# does not end when its container has: then once more.
step_of_four() {
    local try
    for try in first second third; do
        STAGGER=1 step alice srun -N4 -n4 "$work/task"
        [ "$status" -eq 124 ] && [ "$(grep -c '^began ' "$work/out")" -eq 4 ] || break
        diag "$description, $try try: podman did not end"
    done
    is "$description: exit status" "$status" 0 || diag "$out"
}

# synchronises DESCRIPTION: and they meet
synchronises() {
    local description=$1
    step_of_four
    ok "$description: began together" together 4
    ok "$description: the hook was there, and left nothing" wait_for clean alice
    rm -rf "$(sync_dir alice)"
}

# without_hook DESCRIPTION: they run, and do not wait for each other
without_hook() {
    local description=$1
    step_of_four
    is "$description: all ran" "$(grep -c '^began ' "$work/out")" 4
    ok "$description: no hook was there" test ! -e "$(sync_dir alice)"
}

# The site lists /etc/containers/oci/hooks.d in containers.conf as well.
podman_reads_etc() {
    mkdir -p /etc/containers/containers.conf.d
    printf '[engine]\nhooks_dir = ["%s", "%s"]\n' "${link%/*}" "${json%/*}" \
        >/etc/containers/containers.conf.d/50-hooks.conf
}
podman_reads_its_own() {
    rm -r /etc/containers/containers.conf.d
}
