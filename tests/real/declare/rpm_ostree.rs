//! rpm-ostree, as far as its sources say what it does with packages.
//!
//! It is not in Debian, so its sandbox is put together here from the parts that it
//! uses itself, bubblewrap and rofiles-fuse, with the arguments that its sources
//! give them. Read in coreos/rpm-ostree at d5ef5f0cb5ac.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use super::{BEFORE, examples, machine};
use crate::rpm::cases::CONF;
use crate::rpm::machine::{Machine, image};
use crate::rpm::packages::Packages;
use crate::support::{finish, run, storagectl, text};
use crate::tree::tree;

/// What it runs: src/libpriv/rpmostree-scripts.cxx, `pre_script`, `post_script`,
/// `posttrans_script` and `rpmostree_transfiletriggers_run_sync`.
const RUN: [&str; 4] = ["preinstall", "postinstall", "posttrans", "transfiletriggerin"];

/// What it does not look at: ibidem, `ignored_scripts`, and everything else that
/// belongs to an erase, or to one package of a transaction: a new deployment has no store that
/// goes. `unsupported_scripts`, %triggerin and %triggerprein, make it reject a package.
const IGNORED: [&str; 7] = [
    "preuninstall",
    "postuninstall",
    "pretrans",
    "verify",
    "filetriggerin",
    "transfiletriggerun",
    "transfiletriggerpostun",
];

/// The scripts and triggers of a package, each with its interpreter.
fn scripts(package: &Path) -> BTreeSet<(String, String)> {
    let query = ["-qp", "--scripts", "--triggers", "--filetriggers"];
    let printed = run(Command::new("rpm").args(query).arg(package));
    let heads = printed.lines().filter_map(|line| line.split_once(" scriptlet (using "));
    heads.map(|(kind, rest)| (kind.to_owned(), rest.split(')').next().unwrap().to_owned())).collect()
}

#[test]
fn rpm_ostree_accepts_every_script_and_trigger() {
    let packages = Packages::shared();
    let own = ["storagectl", "storagectl-rpm-macros"].map(|name| packages.real().join(format!("{name}.rpm")));
    let built = ["declaration.spec", "macros.spec"].map(examples::build);
    let examples = built.iter().map(examples::Built::package);
    for package in own.into_iter().chain(examples) {
        for (kind, interpreter) in scripts(&package) {
            assert!(
                RUN.contains(&&*kind) || IGNORED.contains(&&*kind),
                "rpm-ostree would reject or skip the %{kind} of {}",
                package.display()
            );
            // `fail_if_interp_is_lua`
            assert_eq!(interpreter, "/bin/sh", "%{kind} of {}", package.display());
        }
    }
    let own = scripts(&packages.real().join("storagectl.rpm"));
    assert!(own.iter().any(|(kind, _)| kind == "transfiletriggerin"), "{own:?}");
}

/// Runs the script $2 in the tree $1 as rpm-ostree runs the %transfiletriggerin for
/// files below the remaining arguments, with the scratch directory $3.
///
/// rust/src/bwrap.rs: `Bubblewrap::new`, `setup_rofiles`, `setup_compat_var`;
/// src/libpriv/rpmostree-scripts.cxx: `rpmostree_run_script_in_bwrap_container` and,
/// for the list of files, `find_and_write_matching_files`; rust/src/core.rs:
/// `prepare_tempetc_guard`.
const SANDBOX: &str = r#"set -e
cd "$1"
mv usr/etc etc
ln -s ../etc usr/etc
for entry in alternatives vagrant; do ln -sfn ../../usr/lib/$entry var/lib/$entry; done
for dir in usr etc; do
  mkdir -p "$3/$dir"
  rofiles-fuse --copyup $dir "$3/$dir"
done
scratch=$3 script=$2
trap 'for dir in usr etc; do fusermount -u "$scratch/$dir"; done; rm usr/etc; mv etc usr/etc' EXIT
shift 3
for pattern; do
  # A path and not a prefix, and only there.
  case $pattern in
    /usr/local*) ;;
    /usr/*) find "${pattern#/}" ! -type d 2>/dev/null || : ;;
  esac
done >"$scratch/files"
# Without a match it would not run.
[ -s "$scratch/files" ]
links=
for link in lib lib32 lib64 bin sbin; do
  [ ! -L $link ] || links="$links --symlink usr/$link /$link"
done
[ ! -d usr/lib/opt ] || links="$links --symlink usr/lib/opt /opt"
env -i LANG=C PATH=/usr/sbin:/usr/bin SYSTEMD_OFFLINE=1 bwrap \
  --dev /dev --proc /proc --dir /run --dir /tmp --chdir / --die-with-parent \
  --unshare-pid --unshare-uts --unshare-ipc --unshare-cgroup-try \
  --ro-bind /sys/block /sys/block --ro-bind /sys/bus /sys/bus --ro-bind /sys/class /sys/class \
  --ro-bind /sys/dev /sys/dev --ro-bind /sys/devices /sys/devices \
  --unshare-net --cap-drop ALL \
  --cap-add cap_chown --cap-add cap_dac_override --cap-add cap_fowner --cap-add cap_fsetid \
  --cap-add cap_kill --cap-add cap_setgid --cap-add cap_setuid --cap-add cap_setpcap \
  --cap-add cap_sys_chroot --cap-add cap_setfcap \
  $links --bind "$scratch/usr" /usr --bind "$scratch/etc" /etc --ro-bind ./var /var --tmpfs /var/tmp \
  --ro-bind usr/share/empty usr/share/rpm --tmpfs /run --ro-bind-data 3 /run/ostree-booted \
  /bin/sh /proc/self/fd/5 3</dev/null 5<"$script" <"$scratch/files"
"#;

/// A tree as rpm-ostree has it when scripts run, but for the objects in its
/// repository that its files are hard links of.
fn make_ostree_tree(machine: &Machine) {
    let script = r#"set -e
cd "$0"
for dir in bin sbin lib lib64; do
  if [ -d $dir ]; then
    mkdir -p usr/$dir
    cp -a $dir/. usr/$dir/
    rm -r $dir
    ln -s usr/$dir $dir
  fi
done
mkdir -p usr/share/empty usr/share/rpm var/lib
mv etc usr/etc
mv opt usr/lib/opt
"#;
    run(Command::new("sh").args(["-c", script]).arg(machine.path("/")));
}

/// Runs storagectl's %transfiletriggerin in the sandbox.
fn trigger(machine: &Machine) -> Output {
    let scratch = tempfile::tempdir().unwrap();
    let query = |format: &str| {
        let package = Packages::shared().real().join("storagectl.rpm");
        run(Command::new("rpm").args(["-qp", "--queryformat", format]).arg(package))
    };
    let body = query("%{TRANSFILETRIGGERSCRIPTS}");
    assert!(body.contains("storagectl apply"), "{body}");
    let patterns = query("[%{TRANSFILETRIGGERINDEX} %{TRANSFILETRIGGERNAME}\n]");
    let patterns = patterns.lines().filter_map(|line| line.strip_prefix("0 "));
    // What the trigger swallows, the test must not.
    let script = scratch.path().join("script");
    fs_err::write(&script, body.replace("|| :", "")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", SANDBOX, "sh"]).arg(machine.path("/"));
    finish(command.arg(script).arg(scratch.path()).args(patterns))
}

const TREE_CONF: &str = "/usr/etc/containers/storage.conf";

#[test]
fn the_trigger_lists_declared_stores_in_rpm_ostrees_sandbox() {
    let with_stores = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/usr/lib/app/images", # storagectl: app
  "/opt/other", # storagectl: other
  "/var/images", # storagectl: provided
]
"#;
    let machine = machine();
    let root = machine.path("/").display().to_string();
    make_ostree_tree(&machine);
    run(&mut storagectl(&["--root", &root, "-q", "init-store", "--declare", "app", "/usr/lib/app/images"]));
    machine.fill_store("/usr/lib/app/images");
    // rpm-ostree puts there what packages have in /opt.
    run(&mut storagectl(&["--root", &root, "-q", "init-store", "/usr/lib/opt/other"]));
    machine.write("/usr/lib/storagectl/stores.d/other.toml", "[[store]]\npath = '/opt/other'\n");
    machine.write("/usr/lib/storagectl/stores.d/later.toml", "[[store]]\npath = '/var/later'\n");
    machine.write("/usr/lib/storagectl/stores.d/provided.toml", "[[store]]\npath = '/var/images'\n");
    machine.write("/usr/lib/tmpfiles.d/provided.conf", "d /var/images 0755 root root -\n");
    machine.write(TREE_CONF, BEFORE);
    let object = machine.path("/object");
    fs_err::hard_link(machine.path(TREE_CONF), &object).unwrap();
    let var = tree(&machine.path("/var"));

    let output = trigger(&machine);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(machine.read(TREE_CONF).as_deref(), Some(with_stores), "{}", text(&output));
    assert_eq!(machine.list("/usr/etc/containers"), ["storage.conf", "storage.rootless.conf.d"]);
    assert_eq!(fs_err::read_to_string(&object).unwrap(), BEFORE, "a file of the repository was changed");
    let var_after: Vec<_> =
        tree(&machine.path("/var")).into_iter().filter(|(path, _)| !path.starts_with("lib")).collect();
    assert_eq!(var_after, var.into_iter().filter(|(path, _)| !path.starts_with("lib")).collect::<Vec<_>>());

    // Packages are layered again on every update, on a tree that may have been through it.
    let again = trigger(&machine);
    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(machine.read(TREE_CONF).as_deref(), Some(with_stores), "{}", text(&again));

    // ostree makes /etc from it, and tmpfiles.d the rest.
    run(Command::new("cp").arg("-a").arg(machine.path("/usr/etc")).arg(machine.path("/etc")));
    fs_err::create_dir(machine.path("/var/images")).unwrap();
    fs_err::os::unix::fs::symlink("usr/lib/opt", machine.path("/opt")).unwrap();
    machine.boot();
    assert_eq!(machine.read(CONF).as_deref(), Some(with_stores));
    assert_eq!(machine.images(), Ok(vec![image("/usr/lib/app/images")]));
}
