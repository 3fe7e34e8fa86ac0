//! A host that is a tree: what is installed there, and what its root and its user see
//! of it. Everything is run with the tree as the root directory of a mount and process
//! namespace, so that no `--root` is needed and a normal user can be one.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::engine::{Engine, Who};
use crate::doctor::node::CRIO_CONF;
use crate::hosts::engines::with_helpers;
use crate::podman::IMAGE_LINE;
use crate::support::{STORAGECTL, copy_store, finish, run, scratch_in_memory, text};

/// The normal user of every host, and their home.
const UID: u32 = 1000;
pub(crate) const HOME: &str = "/home/u";

/// Runs a program in the tree $1 as the user $2; $3 says what to do before, as root.
///
/// A chroot would not do: the kernel makes no user namespace there, which a normal
/// user's podman needs. /run is new each time, as after a boot: a podman that is
/// gone with its namespace has left nothing there for the next one to join.
const ENTER: &str = r#"set -e
tree=$1 uid=$2 before=$3
shift 3
mount --bind "$tree" "$tree"
cd "$tree"
# What is installed on the machine, without its engines and their settings.
mount -t overlay -o "lowerdir=/usr,upperdir=usr,workdir=work" none usr
for dir in bin sbin lib lib64; do
  if [ -h "/$dir" ]; then cp -P "/$dir" .; else mkdir -p "$dir"; mount --rbind "/$dir" "$dir"; fi
done
mkdir -p proc dev sys run
mount --rbind /dev dev
mount -t tmpfs tmpfs dev/shm
mount -t proc none proc
mount -t sysfs none sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=0755 none run
mkdir -p run/user/1000 run/lock run/engine/old
chmod 1777 run/lock
chown 1000:1000 run/user/1000
made=run/engine seen=/run/engine
HELPERS
bind() { touch "$2"; mount --bind "$1" "$2"; }
BINDS
eval "$before"
busybox pivot_root . run/engine/old
cd /
umount -l run/engine/old
export CONTAINERS_CONF=/run/engine/containers.conf
[ "$uid" != 0 ] || exec "$@"
export HOME=/home/u XDG_RUNTIME_DIR=/run/user/1000
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
"#;

/// Gives engines a storage of their own that goes with the run: versions of podman do
/// not share one, and what one has left there is not what a test is about.
const OWN_STORAGE: &str = "mkdir -p var/lib/containers home/u/.local/share
chown 1000:1000 home/u/.local home/u/.local/share
mount -t tmpfs -o mode=0755 none var/lib/containers
mount -t tmpfs -o mode=0700,uid=1000,gid=1000 none home/u/.local/share
";

/// The tree of a host.
pub(crate) struct Host {
    tree: tempfile::TempDir,
    installed: Vec<(&'static str, Engine)>,
    before: String,
}

impl Host {
    /// A host without engines: which ones it will have is not known.
    pub(crate) fn without_engines() -> Self {
        Self::with(&[])
    }

    /// A host with these engines alone, each with the place where it is installed.
    pub(crate) fn with(installed: &[(&'static str, Engine)]) -> Self {
        let host = Self { tree: scratch_in_memory(), installed: installed.to_vec(), before: String::new() };
        host.system();
        host
    }

    /// A host with this podman alone.
    pub(crate) fn with_podman(engine: Engine) -> Self {
        Self::with(&[("/usr/bin/podman", engine)])
    }

    /// With the user's own directories back, where the main file sets root's.
    pub(crate) fn with_users_own(self) -> Self {
        self.write(
            "/etc/containers/storage.rootless.conf.d/00-own.conf",
            "[storage]\ngraphroot = \"\"\nrunroot = \"\"\n",
        );
        self
    }

    /// With what is done as root before each run, in the tree.
    pub(crate) fn before(mut self, script: &str) -> Self {
        self.before += script;
        self.before += "\n";
        self
    }

    fn system(&self) {
        for (dir, mode) in [
            ("", 0o755),
            ("etc/containers", 0o755),
            ("root", 0o700),
            ("srv", 0o755),
            ("tmp", 0o1777),
            ("usr/bin", 0o755),
            ("usr/local/bin", 0o755),
            ("usr/share/containers", 0o755),
            ("var/lib", 0o755),
            ("var/tmp", 0o1777),
            ("work", 0o700),
            ("home/u", 0o755),
        ] {
            fs_err::create_dir_all(self.at(dir)).unwrap();
            fs_err::set_permissions(self.at(dir), PermissionsExt::from_mode(mode)).unwrap();
        }
        if self.installed.iter().any(|(_, engine)| *engine == Engine::Crio) {
            self.write("/etc/crio/crio.conf", CRIO_CONF);
        }
        chown(self.at(HOME), Some(UID), Some(UID)).unwrap();
        // The machine's engines, their helper and their settings are hidden from this host.
        run(Command::new("setfattr")
            .args(["-n", "trusted.overlay.opaque", "-v", "y"])
            .arg(self.at("usr/share/containers")));
        let engines =
            ["podman", "buildah", "skopeo", "crio", "mkcomposefs"].map(|name| format!("/usr/bin/{name}"));
        for engine in engines {
            match self.installed.iter().find(|(place, _)| **place == *engine) {
                Some(_) => self.write(&engine, ""),
                None => drop(run(Command::new("mknod").arg(self.at(&engine)).args(["c", "0", "0"]))),
            }
        }
        for (name, user) in [
            ("passwd", "root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n"),
            ("group", "root:x:0:\nu:x:1000:\n"),
            ("subuid", "u:100000:65536\n"),
            ("subgid", "u:100000:65536\n"),
            ("containers/policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#),
        ] {
            self.write(&format!("/etc/{name}"), user);
        }
    }

    /// Where a place of the host is outside of it.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.tree.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs_err::read_to_string(self.at(path)).ok()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    /// Writes a file below the user's ~/.config/containers.
    pub(crate) fn write_own(&self, name: &str, text: &str) {
        self.write(&format!("{HOME}/.config/containers/{name}"), text);
        self.own_by_user(&format!("{HOME}/.config"));
    }

    /// Makes what is at `path` and below it the user's.
    pub(crate) fn own_by_user(&self, path: &str) {
        run(Command::new("chown").args(["-R", "1000:1000"]).arg(self.at(path)));
    }

    /// A store with an image, as root's podman has made it: for root alone.
    pub(crate) fn store(&self, path: &str) {
        copy_store(&self.at(path));
        fs_err::set_permissions(self.at(path), PermissionsExt::from_mode(0o700)).unwrap();
    }

    /// A store with an image that everybody may read.
    pub(crate) fn open_store(&self, path: &str) {
        self.store(path);
        run(Command::new("chmod").args(["-R", "a+rX"]).arg(self.at(path)));
    }

    /// Runs a program of the host to its end. `script` is what to do before, as root.
    fn enter(&self, who: Who, script: &str, program: &[&str]) -> Output {
        let mut binds = format!("bind '{STORAGECTL}' run/engine/storagectl\n");
        for engine in Engine::ALL {
            binds += &bind(&engine.program(), &format!("run/engine/{}", engine.name()));
        }
        for (place, engine) in &self.installed {
            binds += &bind(&engine.program(), place.trim_start_matches('/'));
        }
        let enter = with_helpers(ENTER).replace("BINDS", &binds);
        let mut command = Command::new("unshare");
        command.args(["-m", "-p", "-f", "sh", "-c", &enter, "sh"]).arg(self.tree.path());
        command.arg(if who == Who::Root { "0" } else { "1000" });
        command.arg(format!("{}{script}", self.before)).args(program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TERM", "dumb");
        finish(&mut command)
    }

    /// Runs an engine with a storage of its own that is new.
    pub(crate) fn engine(&self, who: Who, engine: Engine, args: &[&str]) -> Output {
        let program = format!("/run/engine/{}", engine.name());
        self.enter(who, OWN_STORAGE, &[&[program.as_str()], args].concat())
    }

    /// Runs an engine with the host's storage, which keeps what it does.
    pub(crate) fn engine_that_stays(&self, who: Who, engine: Engine, args: &[&str]) -> Output {
        let program = format!("/run/engine/{}", engine.name());
        self.enter(who, "", &[&[program.as_str()], args].concat())
    }

    /// The images that an engine lists, or why it stops.
    pub(crate) fn images(&self, who: Who, engine: Engine) -> Result<Vec<String>, String> {
        listed(&self.engine(who, engine, &["images", "--format", IMAGE_LINE]))
    }

    /// Whether CRI-O serves, or what it says when it stops.
    pub(crate) fn crio_serves(&self) -> Result<(), String> {
        let script = "mkdir -p /run/crio /etc/cni/net.d
            /run/engine/crio --disable-hostport-mapping >/run/crio.log 2>&1 & crio=$!
            for _ in $(seq 200); do
                ! /run/engine/crio status info >/dev/null 2>&1 || exit 0
                kill -0 $crio 2>/dev/null || break
                sleep 0.05
            done
            cat /run/crio.log
            exit 1";
        let output = self.enter(Who::Root, OWN_STORAGE, &["sh", "-c", script]);
        if output.status.success() { Ok(()) } else { Err(text(&output)) }
    }

    /// Runs storagectl on this host.
    pub(crate) fn storagectl(&self, who: Who, args: &[&str]) -> Output {
        self.enter(who, "", &[&["/run/engine/storagectl"], args].concat())
    }

    /// Runs a script on this host, as root; storagectl is at /run/engine/storagectl.
    pub(crate) fn script(&self, script: &str) -> Output {
        self.enter(Who::Root, "", &["sh", "-ec", script])
    }

    /// Runs `command` once for each text that /etc/containers/storage.conf may have, all in
    /// one run of the host; `$row` is its number. Returns the exit status and what was
    /// printed of each.
    pub(crate) fn on_each(&self, who: Who, texts: &[String], command: &str) -> Vec<(i32, String)> {
        for (row, text) in texts.iter().enumerate() {
            self.write(&format!("/rows/{row}.conf"), text);
        }
        let user = match who {
            Who::Root => "",
            Who::User => {
                "setpriv --reuid 1000 --regid 1000 --clear-groups \\
                env HOME=/home/u XDG_RUNTIME_DIR=/run/user/1000"
            }
        };
        let script = format!(
            "for row in $(seq 0 {last}); do
                cp /rows/$row.conf /etc/containers/storage.conf
                {user} row=$row sh -c '{command}' >/rows/$row.out 2>/rows/$row.err && status=0 || status=$?
                echo $status >/rows/$row.status
            done",
            last = texts.len() - 1,
            user = if user.is_empty() { "env" } else { user },
        );
        run_to_end(&self.enter(Who::Root, OWN_STORAGE, &["sh", "-ec", &script]));
        let read = |row: usize, what: &str| self.read(&format!("/rows/{row}.{what}")).unwrap();
        (0..texts.len())
            .map(|row| (read(row, "status").trim().parse().unwrap(), read(row, "out") + &read(row, "err")))
            .collect()
    }
}

#[track_caller]
fn run_to_end(output: &Output) {
    assert!(output.status.success(), "{}", text(output));
}

fn bind(program: &Path, place: &str) -> String {
    format!("bind '{}' {place}\n", program.display())
}

/// The lines of what a successful command printed, or all that a failed one said.
pub(crate) fn listed(output: &Output) -> Result<Vec<String>, String> {
    if !output.status.success() {
        return Err(text(output));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(printed.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}
