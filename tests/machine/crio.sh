#!/bin/sh
# CRI-O with SELinux enforcing: it starts with stores listed, before and after a power cut, whose
# next boot wipes its own storage. CRI-O is that of tests/engines, since Debian has none.
#
#   tests/machine/crio.sh RELEASE
set -eu
here=$(cd "$(dirname "$0")" && pwd)
release=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program=${STORAGECTL_PROGRAM:?"the program under test"}
failed=0

engines=$("$here/../engines/build.sh" crio cri)
tree=$work/tree
install -D -m 0755 "$engines/crio" "$tree/usr/bin/crio"
install -D -m 0755 "$engines/cri" "$tree/usr/local/bin/cri"
# What makes the namespaces of a pod; it comes with CRI-O, in C.
pinns=$(cd "$here/../engines/crio" && go list -m -f '{{.Dir}}' github.com/cri-o/cri-o)/pinns/src
gcc -Os -static -o "$tree/usr/local/bin/pinns" "$pinns"/*.c

# Debian's policy has a domain for conmon, whose processes it does not let CRI-O see. What is
# not where packages have it runs in CRI-O's.
install -m 0755 "$(command -v conmon)" "$tree/usr/local/bin/conmon"

for tag in 1 2 3; do "$here/image.sh" "$tree/root/images/$tag" "localhost/app:$tag"; done
cd "$tree"
"$program" --quiet init-store --root . --declare app /usr/lib/app/images
"$program" --quiet build-store -o usr/lib/app/images localhost/app:1=oci:root/images/1:localhost/app:1
mkdir -p etc/selinux/default/contexts/files etc/containers etc/crio/crio.conf.d etc/systemd/system/multi-user.target.wants
echo '/usr/lib/app/images(/.*)? system_u:object_r:container_ro_file_t:s0' \
    >etc/selinux/default/contexts/files/file_contexts.local
cat >etc/containers/storage.conf <<'END'
[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
END
cat >etc/crio/crio.conf.d/10-machine.conf <<'END'
[crio.runtime]
selinux = true
default_runtime = "crun"
[crio.runtime.runtimes.crun]
runtime_path = "/usr/bin/crun"
monitor_path = "/usr/local/bin/conmon"
[crio.image]
pause_image = "localhost/app:1"
pause_command = "/bin/sleep 1000000"
END
# CRI-O makes those of its directories that are not there, which the policy forbids: packages have them.
mkdir -p usr/share/containers/oci/hooks.d opt/cni/bin etc/cni/net.d
# As packages of CRI-O have them, as far as it matters here.
cat >etc/systemd/system/crio-wipe.service <<'END'
[Unit]
Before=crio.service
RequiresMountsFor=/var/lib/containers
[Service]
Type=oneshot
ExecStart=/usr/bin/crio wipe
END
cat >etc/systemd/system/crio.service <<'END'
[Unit]
Wants=network-online.target
After=network-online.target
[Service]
Type=notify
ExecStart=/usr/bin/crio
TimeoutStartSec=10min
END
for unit in crio-wipe crio; do
    ln -s "../$unit.service" etc/systemd/system/multi-user.target.wants/
done
mkdir etc/modules-load.d
echo overlay >etc/modules-load.d/overlay.conf
cd "$here"

echo "== CRI-O, until the power goes"
"$here/boot.sh" --tree "$tree" --disk "$work/disk" "$release" "$here/inside/crio" || failed=1
echo "== the next boot"
"$here/boot.sh" --disk "$work/disk" "$release" "$here/inside/crio-after-power-cut" || failed=1
exit "$failed"
