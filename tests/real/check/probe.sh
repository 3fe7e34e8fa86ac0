#!/bin/sh
# Asks a real engine what it makes of image stores: probe.sh ENGINE STORES IMAGE OTHER.
# Prints a line for each question: its name, the exit status, and the answer.
#
#   info     does it start?
#   images   what is listed
#   use      the files of IMAGE in a mounted container, as one number
#   other    the same of OTHER, which is in another store
#   save     IMAGE as an archive
#   check    with the variable CHECK set: what its own check says
#
# With the variable EXPLAIN set to storagectl, what failed is explained on a host that has this engine and
# these stores: a line with `explained-` before the name of the question, and JSON.
#
# Runs in mount and process namespaces of its own (`unshare -mpf`), with everything
# that engines keep in memory. With the variable READ_ONLY set the first store is so.
set -u
engine=$1 store=$2 image=$3 other=$4
mount -t tmpfs none /run
mount -t tmpfs none /var/lib
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null
mkdir -p /run/helpers /run/g
for helper in netavark aardvark-dns; do
    printf '#!/bin/sh\n' >/run/helpers/$helper
    chmod +x /run/helpers/$helper
done
printf '[engine]\nhelper_binaries_dir = ["/run/helpers"]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n' >/run/containers.conf
cat >/run/storage.conf <<EOF
[storage]
driver = "${DRIVER:-overlay}"
runroot = "/run/r"
graphroot = "/run/g"
[storage.options]
additionalimagestores = [$(for path in $store; do printf '"%s",' "$path"; done)]
EOF
export CONTAINERS_CONF=/run/containers.conf CONTAINERS_STORAGE_CONF=/run/storage.conf
# `info` asks which packages its programs are, for longer than it does anything else.
for program in rpm dpkg-query; do
    ! [ -e "/usr/bin/$program" ] || mount --bind /dev/null "/usr/bin/$program"
done
if [ -n "${READ_ONLY:-}" ]; then
    first=${store%% *}
    mount --bind "$first" "$first"
    mount -o remount,bind,ro "$first"
fi

if [ -n "${EXPLAIN:-}" ]; then
    mkdir /run/etc
    cp /run/storage.conf /run/etc
    ! [ -e /etc/containers/policy.json ] || cp /etc/containers/policy.json /run/etc
    mount --bind /run/etc /etc/containers
    mount --bind "$engine" /usr/bin/podman
fi

# What fails stays failed: no question takes longer than this.
e() { timeout 20 "$engine" --log-level=error "$@"; }
answer() {
    printf '%s %s ' "$1" "$2"
    tail -c 3000 /run/said | tr '\n' ' '
    echo
    if [ -n "${EXPLAIN:-}" ] && [ "$2" != 0 ]; then
        "$EXPLAIN" --format json explain </run/said >/run/explained 2>/run/explaining
        printf 'explained-%s %s ' "$1" $?
        cat /run/explained /run/explaining | tr '\n' ' '
        echo
    fi
}
ask() {
    name=$1
    shift
    e "$@" </dev/null >/run/said 2>&1
    status=$?
    answer "$name" $status
    return $status
}
use() {
    container=$(e create --network none --security-opt seccomp=unconfined --cgroups=disabled --pull=never "$2" /bin/sh 2>/run/said) &&
        mounted=$(e mount "$container" 2>/run/said) &&
        (cd "$mounted" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum) >/run/said 2>&1
    status=$?
    answer "$1" $status
    [ -z "${container:-}" ] || e rm -f "$container" >/dev/null 2>&1
    return $status
}

ask images images --format '{{.Repository}}:{{.Tag}}' || all=failed
if ! use use "$image" || [ -n "${all:-}" ]; then
    use other "$other"
    ask info info --format ok
else
    ask save save -q -o /run/archive "$image"
fi
if [ -n "${CHECK:-}" ]; then
    ask check system check
fi
exit 0
