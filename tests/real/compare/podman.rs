//! Real engines on some of the generated hosts: what the loaders cannot see, they do.
//!
//! podman 4 as root, and podman 6 as a user, each with the host as its root directory. Only
//! whether it stops is compared: with the whole judgement, and not as far as loaders go.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use storagectl::engine::{Profile, ReadCache, View};
use storagectl::judgement::judge;
use storagectl::sys::Root;

use super::host::{self, Host, Identity};
use super::{generate, number, text};
use crate::hosts::engines::{program, with_helpers};
use crate::support::{SHELL, finish, scratch_in_memory, text as printed};

/// Runs a program with the tree $1 as its root directory, as the user $2. Not in a chroot,
/// in which the kernel makes no user namespaces.
const ENTER: &str = r#"set -e
user=$2 engine=$3
mount --rbind "$1" "$1"
cd "$1"
for dir in usr/bin usr/sbin usr/lib usr/lib64 usr/libexec bin sbin lib lib64 dev proc; do
  if [ -e "/$dir" ]; then mkdir -p "$dir"; mount --rbind "/$dir" "$dir"; fi
done
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mkdir -p sys engine .old
mount -t sysfs sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=0755 tmpfs engine
touch engine/program
mount --bind "$engine" engine/program
made=engine seen=/engine
HELPERS
NO_PACKAGES
echo u:100000:65536 >etc/subuid
echo u:100000:65536 >etc/subgid
shift 3
busybox pivot_root . .old
umount -l .old
rmdir .old
exec /usr/bin/setpriv --reuid "$user" --regid "$user" --clear-groups /engine/program "$@"
"#;

/// An engine, and who runs it.
const PODMANS: [(Profile, &str, Identity); 2] =
    [(Profile::Podman4, "/usr/bin/podman", Identity::Root), (Profile::Podman6, "podman-6", Identity::User)];

/// Why an engine stops on the host in `tree`, if it does.
fn stops(tree: &Path, host: &Host, name: &str, identity: Identity) -> Option<String> {
    let mut command = Command::new("unshare");
    command.arg("-m").args(SHELL).args(["-c", &with_helpers(ENTER), "sh"]).arg(tree);
    command.arg(identity.uid().to_string()).arg(program(name)).args(["info", "--format", "json"]);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TMPDIR", "/tmp");
    command.env("CONTAINERS_CONF", "/engine/containers.conf").envs(host.variables(identity));
    let output = finish(&mut command);
    (!output.status.success()).then(|| printed(&output))
}

#[test]
fn podman_stops_where_storagectl_says_so() {
    let (hosts, seed) = (number("STORAGECTL_PODMANS", 0), number("STORAGECTL_SEED", 1));
    let mut report = String::new();
    for number in 0..hosts {
        let host = generate::host(seed ^ 0x9d, number);
        for (profile, name, identity) in PODMANS {
            let dir = scratch_in_memory();
            let tree = dir.path();
            host.make(tree);
            for store in host::STORES {
                usable(&tree.join(&store[1..]));
            }
            let root = Root::tree(tree).unwrap();
            let judgement =
                judge(&View::of(&root, &ReadCache::default()), &host.environment(identity), profile);
            let ours = judgement.stop().map(|reason| format!("{}: {}", reason.id, reason.message));
            let theirs = stops(tree, &host, name, identity);
            if ours.is_some() != theirs.is_some() {
                let said = |why: Option<String>| why.unwrap_or_else(|| "works".to_owned());
                let (theirs, ours) = (said(theirs), said(ours));
                writeln!(
                    report,
                    "\n{name} of {identity:?}: {theirs}\nstoragectl: {ours}\n{}",
                    text::write(&host)
                )
                .unwrap();
            }
        }
    }
    if hosts > 0 {
        println!("{hosts} hosts, podman 4 of root and podman 6 of a user");
    }
    assert!(report.is_empty(), "{report}");
}

/// Makes a store in which everybody finds what engines want to make.
fn usable(store: &Path) {
    if !store.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return;
    }
    for dir in ["overlay", "overlay-images", "overlay-layers"] {
        let dir = store.join(dir);
        fs_err::create_dir_all(&dir).unwrap();
    }
    fs_err::write(store.join("overlay-images/images.lock"), "").unwrap();
    fs_err::write(store.join("overlay-layers/layers.lock"), "").unwrap();
}
