# What the scripts in the machine share. They are read by sh, from their own directory.
export LC_ALL=C.UTF-8 NO_COLOR=1
failed=0
count=0
# What SELinux has denied so far to what we start, and to what systemd starts for us: in
# auditd's log, and before that ran. What else a policy keeps from its own system is not ours.
ours='unconfined_t|init_t|initrc_t|mount_t|rpm_t|rpm_script_t|container_t|container_engine_t|podman_t|crio_t|conmon_t'
denials() {
    { cat /var/log/audit/audit.log; dmesg; } 2>/dev/null | grep -aE "denied.* scontext=[a-z_]*:[a-z_]*:($ours):" | sort
}
denials >/tmp/denials
denied_to_storagectl() { denials | grep -aE 'comm="(storagectl|mksquashfs|mkfs.erofs|rpmbuild|skopeo)"'; }

# check WHAT COMMAND…: the command must succeed, and nothing may be denied meanwhile.
check() {
    what=$1
    shift
    count=$((count + 1))
    if ! "$@" >/tmp/said 2>&1; then
        failed=$((failed + 1))
        echo "FAILED: $what"
        sed 's/^/    /' /tmp/said
    fi
    denials >/tmp/denials.new
    denied=$(comm -13 /tmp/denials /tmp/denials.new)
    mv /tmp/denials.new /tmp/denials
    if [ -n "$denied" ]; then
        failed=$((failed + 1))
        echo "FAILED: $what: SELinux denies"
        echo "$denied" | sed 's/^/    /'
    fi
}

# says TEXT COMMAND…: the command prints TEXT, whatever its exit status.
says() {
    text=$1
    shift
    "$@" >/tmp/words 2>&1 || true
    grep -qF -e "$text" /tmp/words || { cat /tmp/words && return 1; }
}

# same WANTED COMMAND…: the command prints this and nothing else.
same() {
    wanted=$1
    shift
    found=$("$@" 2>&1) || true
    [ "$found" = "$wanted" ] || { echo "$found" && return 1; }
}

# no COMMAND…: the command fails.
no() { ! "$@"; }

# in_journal PATTERN: this boot has logged such a line.
in_journal() { journalctl -b --no-pager -o cat | grep -iE "$@"; }

# The list of stores, as it stands in storage.conf.
listed() { sed -n '/additionalimagestores/,/]/p' /etc/containers/storage.conf; }

# runs IMAGE: a container of it reads its own files, and runs as one that is confined. What it
# would print cannot go to an administrator's pipe, by Debian's policy.
runs() {
    podman run --rm --network none --log-driver passthrough "$1" sh -c \
        'ls -l /bin/busybox && cat /etc/image && grep -q :container_t: /proc/self/attr/current' </dev/null >/dev/null 2>&1
}

# The same with CRI-O.
cri() { /usr/local/bin/cri /run/crio/crio.sock "$@"; }
cri_runs() { says "$1" cri run "$1" cat /etc/image; }

# The times at which unit $1 began to start, or was there.
began() { systemctl show -P InactiveExitTimestampMonotonic "$1"; }
active() { systemctl show -P ActiveEnterTimestampMonotonic "$1"; }
before() { [ "$(active "$1")" -gt 0 ] && [ "$(began "$2")" -gt 0 ] && [ "$(active "$1")" -le "$(began "$2")" ]; }

# Ends the script as `finish` does, and the machine as a loss of power does: what nobody has synced
# may be lost.
power_cut() {
    echo "$count checks, $failed failed"
    echo "exit status: $((failed > 0))"
    sleep 2
    echo b >/proc/sysrq-trigger
}

# Ends the script, with a line that says how many checks there were.
finish() {
    echo "$count checks, $failed failed"
    [ "$failed" = 0 ]
    exit
}
