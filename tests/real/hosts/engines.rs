//! Real engines, with a host's tree as their root directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, OnceLock};

use serde_json::Value;

use super::host::{Answer, Host, Profile, Seen, UID};
use crate::support::{SHELL, finish, run, text};

/// Runs a program with the tree $1 as its root directory, and with the test
/// machine's programs and libraries in it. The mounts go with the process.
const ENTER: &str = r#"set -e
engine=$2
cd "$1"
for dir in usr/bin usr/sbin usr/lib usr/lib64 usr/libexec bin sbin lib lib64 dev proc; do
  if [ -e "/$dir" ]; then mkdir -p "$dir"; mount --rbind "/$dir" "$dir"; fi
done
mount -t tmpfs tmpfs dev/shm
mkdir -p sys engine
mount -t sysfs sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs tmpfs engine
touch engine/program
mount --bind "$engine" engine/program
made=engine seen=/engine
HELPERS
NO_PACKAGES
shift 2
exec chroot . /engine/program "$@"
"#;

/// Makes what podmans do not start without, in the directory `$made`, which they see as
/// `$seen`: network programs, and a containers.conf that names them, whatever the machine has.
const HELPERS: &str = r#"mkdir -p "$made/helpers"
for helper in netavark aardvark-dns; do
  printf '#!/bin/sh\n' >"$made/helpers/$helper"
  chmod +x "$made/helpers/$helper"
done
printf '[engine]\nhelper_binaries_dir = ["%s/helpers"]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n[network]\nnetwork_backend = "netavark"\n' "$seen" >"$made/containers.conf"
"#;

/// Takes away what `podman info` asks which packages its programs are, for four times as long as all
/// else that it does takes.
const NO_PACKAGES: &str = r#"for program in rpm dpkg-query; do
  if [ -e "usr/bin/$program" ]; then mount --bind /dev/null "usr/bin/$program"; fi
done
"#;

/// A script in which the lines `HELPERS` and `NO_PACKAGES` stand for these.
pub(crate) fn with_helpers(script: &str) -> String {
    script.replace("HELPERS", HELPERS).replace("NO_PACKAGES", NO_PACKAGES)
}

#[derive(Clone, Copy)]
enum Engine {
    /// `podman info`, which opens the store.
    Podman(&'static str),
    /// A few lines of Go around the storage library.
    Loader(&'static str),
    ContainersStorage,
    Crio,
}

/// Where a podman 4 may be that Debian has built, with a storage library that stops where
/// others fill in their defaults.
pub(crate) const DEBIANS: &str = "/usr/bin/podman";

/// Whether this machine has it.
pub(crate) fn has_debians_podman_4() -> bool {
    static HAS: LazyLock<bool> = LazyLock::new(|| {
        let version = Command::new(DEBIANS).arg("--version").output();
        version.is_ok_and(|output| text(&output).contains("podman version 4."))
    });
    *HAS
}

/// What the real engines of a profile say, each with its name.
///
/// podman as a normal user runs itself again in a user namespace, for which a
/// test machine may not be set up: the library answers for it.
pub(super) fn ask(host: &Host, profile: Profile) -> Vec<(&'static str, Answer)> {
    use Engine::{ContainersStorage, Crio, Loader, Podman};
    let engines: &[Engine] = match (profile, host.is_rootless()) {
        (Profile::Podman4, false) if has_debians_podman_4() => &[Podman("podman-4"), Podman(DEBIANS)],
        (Profile::Podman4, false) => &[Podman("podman-4")],
        (Profile::Podman5, false) => &[Podman("podman-5"), Loader("legacy")],
        (Profile::Crio, _) => &[Crio],
        (Profile::Podman6, false) => &[Podman("podman-6"), ContainersStorage, Loader("modern")],
        (Profile::Podman4, true) => &[Loader("legacy4")],
        (Profile::Podman5, true) => &[Loader("legacy")],
        (Profile::Podman6, true) => &[Loader("modern")],
    };
    engines.iter().map(|engine| engine.ask(host)).collect()
}

impl Engine {
    fn ask(self, host: &Host) -> (&'static str, Answer) {
        let tree = host.tree();
        let (name, args): (_, &[&str]) = match self {
            Self::Podman(name) => (name, &["--log-level=debug", "info", "--format", "json"]),
            Self::Loader(name) => return (name, loader(host, tree.path(), name)),
            Self::ContainersStorage => ("containers-storage", &["config"]),
            Self::Crio => ("crio", &["config"]),
        };
        let mut command = Command::new("unshare");
        command.arg("-m").args(SHELL).args(["-c", &with_helpers(ENTER), "sh"]);
        command.arg(tree.path()).arg(program(name)).args(args);
        let output = finish(with_variables(&mut command, host));
        let answer = match self {
            _ if !output.status.success() => Err(text(&output)),
            Self::Podman(_) => Ok(from_podman(&output)),
            Self::Crio => Ok(from_crio(&output)),
            _ => Ok(from_containers_storage(&output)),
        };
        (name, answer)
    }
}

/// Gives a command the variables of a host, and none of those of the test.
fn with_variables<'command>(command: &'command mut Command, host: &Host) -> &'command mut Command {
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("CONTAINERS_CONF", "/engine/containers.conf")
        .envs(host.variables())
}

/// The directory of the engines that Debian does not have. Those that are not there yet
/// are built.
pub(crate) fn engines() -> &'static Path {
    static ENGINES: OnceLock<PathBuf> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/build.sh");
        run(&mut Command::new(script)).trim_end().into()
    })
}

/// Where an engine is; an absolute path stays what it is.
pub(crate) fn program(name: &str) -> PathBuf {
    engines().join(name)
}

/// The loader `name`, which reads the host in `tree` as root. A directory for temporary files that the
/// tests have is not there.
pub(crate) fn loader_in(tree: &Path, name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.arg(tree).arg("0").env_remove("TMPDIR");
    command
}

fn loader(host: &Host, tree: &Path, name: &str) -> Answer {
    let uid = if host.is_rootless() { UID } else { 0 };
    let mut command = Command::new(program(name));
    let output = finish(with_variables(command.arg(tree).arg(uid.to_string()), host));
    if !output.status.success() {
        return Err(text(&output));
    }
    let json = json(&output);
    Ok(Seen {
        driver: string(&json["driver"]),
        graphroot: string(&json["graphroot"]),
        runroot: string(&json["runroot"]),
        imagestore: string(&json["imagestore"]),
        stores: Some(strings(&json["stores"])),
    })
}

/// podman names the driver that it picked in the end, and podman 4 lists stores
/// in debug messages only.
fn from_podman(output: &Output) -> Seen {
    let json = json(output);
    let store = &json["store"];
    let log = String::from_utf8_lossy(&output.stderr);
    let values = log.lines().filter_map(|line| Some(line.split_once("overlay: imagestore=")?.1));
    let stores = values.flat_map(|value| paths(value.trim_end_matches('"'))).collect();
    Seen {
        driver: None,
        graphroot: string(&store["graphRoot"]),
        runroot: string(&store["runRoot"]),
        imagestore: None,
        stores: (store["graphDriverName"] == "overlay").then_some(stores),
    }
}

fn from_containers_storage(output: &Output) -> Seen {
    let json = json(output);
    let value = |key: &str| Some(json[key].as_str().unwrap_or_default().to_owned());
    Seen {
        driver: value("driver"),
        graphroot: value("root"),
        runroot: value("runroot"),
        imagestore: value("imagestore"),
        stores: Some(from_options(&strings(&json["driver-options"]))),
    }
}

/// `crio config` prints a file in which what was not set in CRI-O's own is a comment.
fn from_crio(output: &Output) -> Seen {
    let printed = String::from_utf8_lossy(&output.stdout);
    let own = printed.split_once("[crio.api]").unwrap().0;
    let lines = || own.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let value =
        |key: &str| lines().find_map(|line| Some(unquoted(line.strip_prefix(key)?.strip_prefix(" = ")?)));
    let options = lines().skip_while(|line| !line.starts_with("storage_option = ")).skip(1);
    let options: Vec<String> = options.take_while(|line| *line != "]").map(unquoted).collect();
    Seen {
        driver: value("storage_driver"),
        graphroot: value("root"),
        runroot: value("runroot"),
        imagestore: value("imagestore"),
        stores: Some(from_options(&options)),
    }
}

fn unquoted(value: &str) -> String {
    value.trim().trim_end_matches(',').trim_matches('"').to_owned()
}

/// The stores in the options of a driver, where an engine does not say what the driver makes of them.
fn from_options(options: &[String]) -> Vec<String> {
    let pairs = options.iter().filter_map(|option| option.split_once('='));
    let stores = pairs.filter(|(key, _)| {
        let key = key.rsplit_once('.').map_or(*key, |(_, key)| key).to_ascii_lowercase();
        key == "imagestore" || key == "additionalimagestore"
    });
    stores.flat_map(|(_, value)| paths(value)).collect()
}

/// The stores in one option, as the overlay driver splits and cleans them.
pub(crate) fn paths(value: &str) -> Vec<String> {
    value.trim().split(',').filter(|path| !path.is_empty()).map(clean).collect()
}

fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// podman 4 prints warnings before what it was asked for.
fn json(output: &Output) -> Value {
    let printed = String::from_utf8_lossy(&output.stdout);
    let start = printed.lines().take_while(|line| !line.starts_with('{')).map(|line| line.len() + 1).sum();
    let json: &str = printed.get(start..).unwrap_or_default();
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

fn string(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(string).collect()
}
