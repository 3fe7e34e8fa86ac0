//! A host: this machine's system with a layer over it that takes all changes, a database
//! of rpm's own, and a storagectl that was not installed by rpm.

use std::path::Path;

use crate::check::healthy::in_private;
use crate::hosts::engines;
use crate::support::{RPM_HERE, STORAGECTL};

/// Enters the host and runs `script` there. `r` is rpm, `p ENGINE STORE …` an engine with
/// a store listed, `/pk` the directory with the packages.
const ENTER: &str = r#"
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/host
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none /mnt/host
for dir in /dev /proc /sys /run; do mount --rbind "$dir" "/mnt/host$dir"; done
mount -t tmpfs none /mnt/host/var/lib
mkdir /mnt/host/pk /mnt/host/engines
mount --bind "$PACKAGES" /mnt/host/pk
mount --bind "$ENGINES" /mnt/host/engines
cp "$STORAGECTL" /mnt/host/usr/bin/storagectl
cp "$CRUN" /mnt/host/crun
cat >/mnt/host/go.sh <<'SCRIPT'
set -e
r() { rpm_here --dbpath /rpmdb --nodeps --nosignature "$@"; }
p() {
    program=$1 store=$2
    shift 2
    printf '[storage]\ndriver = "overlay"\ngraphroot = "/var/lib/%s"\nrunroot = "/run/%s"\n[storage.options]\nadditionalimagestores = ["%s"]\n' \
        "${program##*/}" "${program##*/}" "$store" >/run/storage.conf
    CONTAINERS_STORAGE_CONF=/run/storage.conf "$program" --runtime /crun "$@"
}
rpm --dbpath /rpmdb --initdb
SCRIPT
printf '%s\n' "$SCRIPT" >>/mnt/host/go.sh
chroot /mnt/host sh /go.sh
"#;

/// What `script` prints on the host, whose packages are those in `packages`.
#[track_caller]
pub(crate) fn on_host(packages: &Path, script: &str) -> String {
    in_private(
        ENTER,
        &[
            ("PACKAGES", packages),
            ("ENGINES", engines()),
            ("STORAGECTL", Path::new(STORAGECTL)),
            ("CRUN", Path::new(crate::build::CRUN)),
            ("SCRIPT", Path::new(&format!("{RPM_HERE}{script}"))),
        ],
    )
}
