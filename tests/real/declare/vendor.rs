//! Packages that change what a vendor says, beside a package with a declaration.

use super::{WITH_APP, WITH_MOVED, machine};
use crate::hosts::engines::program;
use crate::rpm::cases::{CONF, Case};
use crate::rpm::machine::{Machine, image};
use crate::rpm::transactions::BEFORE;

/// Our drop-in, for engines from podman 6 on.
const DROP_IN: &str = "/etc/containers/storage.conf.d/99-storagectl.conf";

const NO_DROP_IN: Option<&str> = None;

/// Does a transaction; then storage.conf and our drop-in have these bytes, and every
/// version of podman lists the images of `stores`.
#[track_caller]
fn step(machine: &Machine, arguments: &[&str], files: [Option<&str>; 2], stores: [&[&str]; 2]) {
    let output = machine.rpm(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    for (path, expected) in [CONF, DROP_IN].into_iter().zip(files) {
        assert_eq!(machine.read(path).as_deref(), expected, "{path} after {arguments:?}, which said: {said}");
    }
    for (podman, stores) in [(program("podman-4"), stores[0]), (program("podman-6"), stores[1])] {
        let mut images: Vec<String> = stores.iter().map(|path| image(path)).collect();
        images.sort();
        assert_eq!(machine.images_of(&podman), Ok(images), "{} after {arguments:?}", podman.display());
    }
}

fn both(stores: &'static [&'static str]) -> [&'static [&'static str]; 2] {
    [stores, stores]
}

#[test]
fn a_vendors_drop_in_that_hides_the_list_does_not_hide_a_declared_store() {
    let machine = machine();
    machine.fill_store("/opt/site");
    machine.write(CONF, BEFORE);
    let drop_in = r#"# Written by storagectl, for engines that read drop-ins.
[storage.options]
additionalimagestores = [
  "/opt/app/images", # storagectl: app
  {append=true},
]
# Made with the directory /etc/containers/storage.conf.d, which goes with it.
"#;
    let moved = &*drop_in.replace("images\"", "moved\"");
    let with_moved = both(&["/opt/app/moved", "/opt/site"]);
    let with_app = both(&["/opt/app/images", "/opt/site"]);
    step(&machine, &["-i", "app-1"], [Some(WITH_APP), NO_DROP_IN], with_app);
    step(&machine, &["-i", "hiding-1"], [Some(WITH_APP), Some(drop_in)], with_app);
    step(&machine, &["-U", "app-3"], [Some(WITH_MOVED), Some(moved)], with_moved);
    step(&machine, &["-e", "hiding"], [Some(WITH_MOVED), NO_DROP_IN], with_moved);
    step(&machine, &["-i", "hiding-1"], [Some(WITH_MOVED), Some(moved)], with_moved);
    step(&machine, &["-e", "app"], [Some(BEFORE), NO_DROP_IN], both(&["/opt/site"]));
    step(&machine, &["-i", "app-1"], [Some(WITH_APP), Some(drop_in)], with_app);
    step(&machine, &["-e", "app", "hiding"], [Some(BEFORE), NO_DROP_IN], both(&["/opt/site"]));
    step(&machine, &["-i", "hiding-1", "app-1"], [Some(WITH_APP), Some(drop_in)], with_app);
    step(&machine, &["-e", "--nodeps", "storagectl"], [Some(BEFORE), NO_DROP_IN], both(&["/opt/site"]));
    assert_eq!(machine.list("/etc/containers"), ["storage.conf"]);
}

#[test]
fn a_copy_of_the_vendors_file_follows_that_file() {
    let copy = r#"# Copied by storagectl from /usr/share/containers/storage.conf
# sha256:9719319f7cca364fa689752886922076dc935dab3f29abd44bc6852e83ecc055
# Removing the last added store removes this file again.

[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/app/images", # storagectl: app
]  # storagectl: added this table
"#;
    let moved = &*copy.replace("images\"", "moved\"");
    let next = r#"# Copied by storagectl from /usr/share/containers/storage.conf
# sha256:41a5f452dbf21d969ee79d01e89cab5e5cd54856ec5264a9fc4db04ecac8ef51
# Removing the last added store removes this file again.

[storage]
driver = "overlay" # as before
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/app/images", # storagectl: app
]  # storagectl: added this table
"#;
    let created = r#"# Created by storagectl: this host had no storage.conf.
# sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
# sha256 without added stores:3a80b2e3d9e2e7245994ba2efca1c40af2983aa27e22a2ead4247a05f98ab2fa
# Removing the last added store removes this file again.

[storage]
# Engines before podman 5 stop without driver, runroot and graphroot.
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/app/images", # storagectl: app
]  # storagectl: added this table
"#;
    Case::without_conf("", None)
        .rpm("install of the vendor's file", &["-i", "vendor-1"], None)
        .rpm("install", &["-i", "app-1"], copy)
        .rpm("update of the vendor's file", &["-U", "vendor-2"], next)
        .rpm("downgrade of both", &["-U", "--oldpackage", "vendor-1", "app-3"], moved)
        .rpm("erase", &["-e", "app"], None)
        .rpm("install again", &["-i", "app-1"], copy)
        // rpm deletes what the package has as %ghost.
        .rpm("erase of the vendor's file", &["-e", "vendor"], created)
        .rpm("install of the vendor's file", &["-i", "vendor-2"], next)
        .rpm("erase", &["-e", "app"], None)
        .holds_on(&machine());
}
