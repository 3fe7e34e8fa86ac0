//! A node that Ignition itself has set up, and the engines that start there.

use std::path::Path;

use super::*;
use crate::hosts::engines::{program, with_helpers};
use crate::podman::IMAGE_LINE;
use crate::support::{IMAGE, copy_program, copy_store};
use crate::unit::system::System;

/// Where Debian keeps Ignition.
const IGNITION: &str = "/usr/lib/dracut/modules.d/30ignition/ignition";

/// Runs Ignition's file stage on the tree $1 with the configuration $2, as in an initrd.
const APPLY: &str = r#"set -e
mount -t tmpfs none /run
mkdir /run/ignition
export IGNITION_CONFIG_FILE="$2"
for stage in fetch-offline files; do
  "$3" --root "$1" --stage $stage --platform file --log-to-stdout \
    --config-cache /run/ignition/config --neednet /run/ignition/neednet
done
"#;

/// Runs an engine with the tree $1 as its root directory, and with the programs and
/// libraries of this machine; what the tree has below /usr/lib is there too.
const ENTER: &str = r#"set -e
engine=$2
mount --bind "$1" "$1"
cd "$1"
mkdir -p usr/lib usr/share
mount -t tmpfs tmpfs mnt
mkdir mnt/upper mnt/work mnt/lower
cp -a usr/lib/. mnt/lower
mount -t overlay -o "lowerdir=$PWD/mnt/lower:/usr/lib,upperdir=$PWD/mnt/upper,workdir=$PWD/mnt/work" none usr/lib
for dir in usr/bin usr/sbin usr/lib64 usr/libexec bin sbin lib lib64 dev proc; do
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
mkdir engine/bin
ln -s /engine/program engine/bin/podman
exec chroot . "$@"
"#;

/// A tree that has what the platform's image has: a storage.conf, and stores.
pub(super) fn image(files: &[(&str, &str)], stores: &[&str]) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path().to_str().unwrap();
    for dir in ["etc/containers", "mnt", "run", "tmp", "var/tmp", "var/lib", "root"] {
        fs_err::create_dir_all(tree.path().join(dir)).unwrap();
    }
    let conf = ("/etc/containers/storage.conf", "# the image's own, which is to be overwritten\n");
    let policy = ("/etc/containers/policy.json", r#"{"default": [{"type": "insecureAcceptAnything"}]}"#);
    for (path, text) in files.iter().chain([&conf, &policy]) {
        let path = tree.path().join(path.trim_start_matches('/'));
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
    for store in stores {
        run(&mut storagectl(&["--root", root, "-q", "init-store", store]));
    }
    tree
}

/// Lets Ignition apply a configuration to a tree.
///
/// As its last step it labels what it wrote for SELinux, which a tree without a policy
/// cannot have: nothing else may go wrong.
#[track_caller]
fn apply(tree: &Path, config: &str) {
    let (applies, said) = applied(tree, config);
    assert!(applies, "{said}");
}

/// Whether Ignition applies a configuration to a tree, and what it says.
pub(super) fn applied(tree: &Path, config: &str) -> (bool, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), config).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", APPLY, "sh"]).arg(tree).arg(file.path()).arg(IGNITION);
    let output = finish(&mut command);
    let said = text(&output);
    let last = said.lines().rfind(|line| line.starts_with("CRITICAL")).unwrap_or_default();
    (output.status.success() || last.contains("failed to handle relabeling"), said)
}

/// Runs a program with a node as its root directory, and an engine at /engine/program.
#[track_caller]
fn enter(node: &Path, engine: &Path, program: &[&str]) -> std::process::Output {
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &with_helpers(ENTER), "sh"]).arg(node).arg(engine).args(program);
    command.env_clear().env("PATH", "/engine/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
    let output = finish(command.env("CONTAINERS_CONF", "/engine/containers.conf"));
    assert!(output.status.success(), "{engine:?} {program:?}: {}", text(&output));
    output
}

/// Runs podman on a copy of a node, since each version has its own storage.
#[track_caller]
fn podman(node: &Path, engine: &Path, args: &[&str]) -> std::process::Output {
    let copy = tempfile::tempdir().unwrap();
    run(Command::new("cp").arg("-a").arg(node.join(".")).arg(copy.path()));
    enter(copy.path(), engine, &[&["podman"], args].concat())
}

const PODMANS: [&str; 3] = ["podman-4", "podman-5", "podman-6"];

/// Every podman starts on a node, sees these stores, and lists the image of /var/images.
#[track_caller]
fn serves(node: &Path, stores: &[&str]) {
    for engine in PODMANS.map(program) {
        let listed = podman(node, &engine, &["images", "--format", IMAGE_LINE]);
        assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), format!("{IMAGE} true"), "{engine:?}");
        let info = podman(node, &engine, &["--log-level=debug", "info"]);
        let log = String::from_utf8_lossy(&info.stderr).into_owned();
        let seen: Vec<&str> = log
            .lines()
            .filter_map(|line| Some(line.split_once("overlay: imagestore=")?.1.trim_end_matches('"')))
            .collect();
        assert_eq!(seen, stores, "{engine:?}: {log}");
    }
}

#[test]
fn engines_of_every_generation_serve_the_stores_of_a_node_that_ignition_has_set_up() {
    let vendor = (
        "/usr/share/containers/storage.rootful.conf.d/00-vendor-additional-store.conf",
        "[storage.options]\nadditionalimagestores = [\"/usr/lib/containers/storage\"]\n",
    );
    type Case<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);
    let usr = "/usr/lib/containers/storage";
    let cases: [Case<'_>; 5] = [
        ("none", &[], &[], &[], &["/var/images"]),
        ("ocne", &["--first"], &[], &["/usr/ock/containers"], &["/var/images", "/usr/ock/containers"]),
        ("fedora", &[], &[], &[usr], &[usr, "/var/images"]),
        ("fedora", &["--first"], &[vendor], &[usr], &["/var/images", usr]),
        (
            "image-builder",
            &[],
            &[],
            &["/usr/share/containers/storage"],
            &["/usr/share/containers/storage", "/var/images"],
        ),
    ];
    for (preset, more, files, stores, expected) in cases {
        let node = image(files, stores);
        let config = generate("ignition", &["--preset", preset, "--store", "/var/images"], more);
        apply(node.path(), &config);
        let root = node.path();
        // The image of the store, in the directory that Ignition has made.
        let store = root.join("var/images");
        assert!(store.is_dir(), "{config}");
        copy_store(&root.join("copied"));
        run(Command::new("cp").arg("-a").arg(root.join("copied/.")).arg(&store));
        serves(root, expected);
    }
}

/// The commands of a unit, as systemd would start them: its quotes and escapes undone.
fn commands(unit: &str) -> Vec<Vec<String>> {
    let lines = unit.lines().filter_map(|line| line.strip_prefix("ExecStart="));
    let command = |line: &str| {
        let line = line.trim_start_matches('-').replace("$$", "$").replace("%%", "%");
        match line.split_once(" \"") {
            Some((words, script)) => {
                let script = script.trim_end_matches('"').replace("\\\"", "\"").replace("\\\\", "\\");
                words.split(' ').map(str::to_owned).chain([script]).collect()
            }
            None => line.split(' ').map(str::to_owned).collect(),
        }
    };
    lines.map(command).collect()
}

#[test]
fn the_unit_loads_images_into_the_listed_store_with_every_podman() {
    let archive = tempfile::tempdir().unwrap();
    let image_tar = archive.path().join("image.tar");
    save_image(&image_tar);
    let config =
        generate("ignition", &["--store", "/var/images", "--image", "docker-archive:/image.tar"], &[]);
    for engine in PODMANS.map(program) {
        let node = image(&[], &[]);
        apply(node.path(), &config);
        fs_err::copy(&image_tar, node.path().join("image.tar")).unwrap();
        let unit = node.path().join("etc/systemd/system/storagectl-load.service");
        let commands = commands(&fs_err::read_to_string(unit).unwrap());
        assert_eq!(commands.len(), 4, "{commands:?}");
        for command in &commands {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            enter(node.path(), &engine, &words);
        }
        for made in ["overlay-images/images.lock", "overlay-layers/layers.lock"] {
            assert!(node.path().join("var/images").join(made).is_file(), "{made}");
        }
        // The same podman serves it; what podman 6 makes is not for podman 4 to read.
        let listed = podman(node.path(), &engine, &["images", "--format", IMAGE_LINE]);
        assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), format!("{IMAGE} true"), "{engine:?}");
    }
}

#[test]
fn the_policy_of_a_quadlet_is_content_with_a_listed_store_and_asks_nobody_else() {
    let node = image(&[], &[]);
    apply(node.path(), &generate("ignition", &["--store", "/var/images"], &[]));
    copy_store(&node.path().join("copied"));
    run(Command::new("cp").arg("-a").arg(node.path().join("copied/.")).arg(node.path().join("var/images")));
    // podman 4 does not have it.
    for engine in ["podman-5", "podman-6"].map(program) {
        podman(node.path(), &engine, &["image", "pull", "--policy", "never", IMAGE]);
        let fails = "! podman image pull --policy never localhost/other:1";
        let said = enter(node.path(), &engine, &["sh", "-c", fails]);
        assert!(!text(&said).contains("Trying to pull"), "{engine:?}: {}", text(&said));
    }
}

/// The image of the tests as a file that podman loads.
fn save_image(to: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    copy_store(&store);
    // podman's own database knows where it was made.
    fs_err::remove_dir_all(store.join("libpod")).unwrap();
    run(Command::new("unshare")
        .arg("-m")
        .arg(program("podman-4"))
        .arg("--root")
        .arg(&store)
        .arg("--runroot")
        .arg(dir.path().join("run"))
        .args(["save", "--quiet", "-o"])
        .arg(to)
        .arg(IMAGE));
}

/// The units of a MachineConfig, by name.
fn units(model: &[&str]) -> Vec<(String, String)> {
    let generated = generate("machineconfig", model, &[]);
    let doc = storagectl::provision::document::ProvisionDocument::parse(&generated).unwrap();
    let unit = |unit: &storagectl::provision::document::Node| {
        let text = |key: &str| unit.get(key).unwrap().raw().unwrap().to_owned();
        (text("name"), text("contents"))
    };
    doc.root.at(&["spec", "config", "systemd", "units"]).unwrap().items().iter().map(unit).collect()
}

/// systemd's measure goes from 0 to 10. A pull talks to the network, and podman mounts.
#[test]
fn the_units_may_do_little_beside_their_work() {
    let dir = tempfile::tempdir().unwrap();
    let units = units(&["--preset", "fedora", "--store", "/var/images", "--image", "registry.example/app:1"]);
    let limits: Vec<(&str, &str)> = units
        .iter()
        .map(|(name, text)| {
            fs_err::write(dir.path().join(name), text).unwrap();
            let limit = match name.as_str() {
                "storagectl-stores.service" => "20",
                "storagectl-label.service" => "25",
                "storagectl-load.service" => "42",
                _ => panic!("how much may {name} do?"),
            };
            (name.as_str(), limit)
        })
        .collect();
    assert_eq!(limits.len(), 3);
    for (name, limit) in limits {
        run(Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={limit}"))
            .arg(dir.path().join(name)));
    }
}

#[test]
fn what_the_units_may_do_is_enough_for_every_podman() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image.tar");
    save_image(&image);
    let model = ["--preset", "fedora", "--store", "/var/images", "--image", "docker-archive:/var/image.tar"];
    let units = units(&model);
    let seen = "[Unit]\nAfter=storagectl-load.service\nDefaultDependencies=no\n[Service]\nType=oneshot\n\
        ExecStart=sh -c 'systemctl is-failed storagectl-stores storagectl-load >/result/failed; \
        podman --root /var/images images --format {{.Repository}}:{{.Tag}} >/result/images 2>&1'\n";
    for engine in PODMANS.map(program) {
        let system = System::new();
        system.write("etc/containers/policy.json", r#"{"default": [{"type": "insecureAcceptAnything"}]}"#);
        fs_err::create_dir_all(system.path("var/tmp")).unwrap();
        fs_err::copy(&image, system.path("var/image.tar")).unwrap();
        copy_program(&engine, system.path("usr/bin/podman"));
        for helper in ["netavark", "aardvark-dns"] {
            system.write(&format!("usr/lib/podman/{helper}"), "#!/bin/sh\n");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs_err::set_permissions(system.path(&format!("usr/lib/podman/{helper}")), mode).unwrap();
        }
        for (name, text) in &units {
            // It is tried once, since it has to work at once.
            let text = text.replace("seq 10", "seq 1").replace("Restart=on-failure", "Restart=no");
            system.unit(name, &text);
            system.start(name);
        }
        system.unit("seen.service", seen);
        system.start("seen.service");
        let booted = system.boot();
        assert_eq!(system.read("result/failed"), "inactive\nactive\n", "{engine:?}: {}", booted.journal);
        assert_eq!(system.read("result/images").trim(), IMAGE, "{engine:?}: {}", booted.journal);
        assert!(system.path("var/images/overlay-layers/layers.lock").is_file());
    }
}

#[test]
fn systemd_finds_nothing_wrong_in_the_units_and_enables_them() {
    let model =
        ["--preset", "fedora", "--store", "/var/lib/more stores/a 100%", "--image", "registry.example/app:1"];
    for (kind, count) in [("ignition", 2), ("machineconfig", 3)] {
        let generated = generate(kind, &model, &[]);
        let doc = storagectl::provision::document::ProvisionDocument::parse(&generated).unwrap();
        let config = doc.root.at(&["spec", "config"]).unwrap_or(&doc.root);
        let units = config.at(&["systemd", "units"]).unwrap().items();
        assert_eq!(units.len(), count);
        let tree = tempfile::tempdir().unwrap();
        let dir = tree.path().join("etc/systemd/system");
        fs_err::create_dir_all(&dir).unwrap();
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--recursive-errors=no", "--man=no"]);
        for unit in units {
            let (name, text) = (unit.get("name").unwrap().raw().unwrap(), unit.get("contents").unwrap());
            // What is not on this machine is on a node.
            let text = text.raw().unwrap().replace("/usr/sbin/restorecon", "/bin/true");
            fs_err::write(dir.join(name), text).unwrap();
            command.arg(dir.join(name));
            run(Command::new("systemctl").arg("--root").arg(tree.path()).args(["enable", name]));
            let wanted = |target: &str| dir.join(format!("{target}.target.wants")).join(name).is_symlink();
            assert!(wanted("multi-user") || wanted("basic"), "{name}");
        }
        let output = finish(&mut command);
        assert!(output.status.success() && output.stderr.is_empty(), "{}\n{generated}", text(&output));
    }
}

/// Services of a node that are not on this machine, as their packages order them.
const SERVICES: [(&str, &str); 3] = [
    ("crio-wipe.service", "Before=crio.service\nRequiresMountsFor=/var/lib/containers"),
    ("crio.service", "Wants=network-online.target\nAfter=network-online.target\nBefore=kubelet.service"),
    ("kubelet.service", "Wants=network-online.target crio.service\nAfter=network-online.target crio.service"),
];

#[test]
fn the_units_are_in_no_cycle_with_what_starts_on_a_node() {
    let model = ["--preset", "fedora", "--store", "/var/images", "--image", "registry.example/app:1"];
    let tree = tempfile::tempdir().unwrap();
    let dir = tree.path().join("etc/systemd/system");
    fs_err::create_dir_all(&dir).unwrap();
    fs_err::create_dir_all(tree.path().join("usr/lib/systemd")).unwrap();
    run(Command::new("cp").args(["-a", "/usr/lib/systemd/system"]).arg(tree.path().join("usr/lib/systemd")));
    let mut names = vec!["podman.socket".to_owned()];
    for (name, order) in SERVICES {
        let text = format!(
            "[Unit]\n{order}\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
        );
        fs_err::write(dir.join(name), text).unwrap();
        names.push(name.to_owned());
    }
    for (name, text) in units(&model) {
        fs_err::write(dir.join(&name), text).unwrap();
        names.push(name);
    }
    run(Command::new("systemctl").arg("--root").arg(tree.path()).arg("enable").args(&names));
    let verify = || {
        let mut command = Command::new("systemd-analyze");
        command.arg("--root").arg(tree.path()).args(["--man=no", "verify", "multi-user.target"]);
        text(&finish(&mut command))
    };
    let said = verify();
    assert!(!said.contains("cycle"), "{said}");
    // What the test would see: a socket starts before every service with usual dependencies.
    let load = dir.join("storagectl-load.service");
    let unit = fs_err::read_to_string(&load).unwrap();
    fs_err::write(&load, unit.replace("Before=podman.service", "Before=podman.socket podman.service"))
        .unwrap();
    let said = verify();
    assert!(said.contains("cycle"), "{said}");
}
