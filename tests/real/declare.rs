//! Declared stores, through real packages and real transactions.
//!
//! The packages have no scriptlet: they ship a file in /usr/lib/storagectl/stores.d,
//! and the file triggers and the %preun of scriptlets/storagectl.spec do the rest.
//! As with the macros (tests/real/rpm), after every step storage.conf has to be
//! exactly the expected bytes, and podman has to start and to list the images of
//! exactly the listed stores.

mod examples;
pub(crate) mod packages;
mod rpm_ostree;
mod vendor;

use crate::rpm::cases::{CONF, Case};
use crate::rpm::machine::Machine;
use crate::rpm::packages::Hooks;
use crate::rpm::transactions::BEFORE;

/// The host of [`BEFORE`] with the store of the package `app`.
const WITH_APP: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/app/images", # storagectl: app
]
"#;

/// The same with the store of the third version of `app`.
const WITH_MOVED: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/app/moved", # storagectl: app
]
"#;

/// The same when only `twin` is left of the two packages with that store.
const WITH_TWIN: &str = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/app/images", # storagectl: twin
]
"#;

fn machine() -> Machine {
    Machine::new(Hooks::Declaration)
}

fn bare_machine() -> Machine {
    Machine::without_storagectl(Hooks::Declaration)
}

#[test]
fn a_declared_store_is_listed_while_its_package_is_installed() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .says("added `/opt/app/images` to `/etc/containers/storage.conf`")
        .rpm("upgrade", &["-U", "app-2"], WITH_APP)
        .rpm("reinstall", &["--reinstall", "app-2"], WITH_APP)
        .rpm("downgrade", &["-U", "--oldpackage", "app-1"], WITH_APP)
        .rpm("erase", &["-e", "app"], BEFORE)
        .says("removed `/opt/app/images` from `/etc/containers/storage.conf`")
        .rpm("install again", &["-i", "app-1"], WITH_APP)
        .rpm("erase again", &["-e", "app"], BEFORE)
        .holds_on(&machine());
}

#[test]
fn an_upgrade_that_declares_another_path_moves_the_entry() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("upgrade", &["-U", "app-3"], WITH_MOVED)
        .rpm("downgrade", &["-U", "--oldpackage", "app-1"], WITH_APP)
        .rpm("erase", &["-e", "app"], BEFORE)
        .holds_on(&machine());
}

#[test]
fn a_store_that_two_packages_declare_is_listed_once_until_both_are_gone() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("install of the other", &["-i", "twin-1"], WITH_APP)
        .rpm("erase", &["-e", "app"], WITH_TWIN)
        .rpm("erase of the other", &["-e", "twin"], BEFORE)
        .rpm("install of both", &["-i", "twin-1", "app-1"], WITH_APP)
        .rpm("erase of both", &["-e", "twin", "app"], BEFORE)
        .rpm("install of both", &["-i", "twin-1", "app-1"], WITH_APP)
        .rpm("erase with storagectl", &["-e", "twin", "storagectl", "app"], BEFORE)
        .holds_on(&machine());
}

#[test]
fn storagectl_lists_what_was_declared_before_it_was_installed() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "--nodeps", "app-1"], BEFORE)
        .rpm("install of storagectl", &["-i", "storagectl-1"], WITH_APP)
        .rpm("erase", &["-e", "app"], BEFORE)
        .holds_on(&bare_machine());
}

#[test]
fn storagectl_comes_and_goes_in_one_transaction_with_a_package_that_declares() {
    for install in [&["-i", "app-1", "storagectl-1"], &["-i", "storagectl-1", "app-1"]] {
        for erase in [&["-e", "--noorder", "app", "storagectl"], &["-e", "--noorder", "storagectl", "app"]] {
            Case::new("", BEFORE)
                .rpm("install", install, WITH_APP)
                .rpm("erase", erase, BEFORE)
                .holds_on(&bare_machine());
        }
    }
}

#[test]
fn erasing_storagectl_unlists_what_it_listed_and_installing_it_lists_it_again() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("erase storagectl", &["-e", "--nodeps", "storagectl"], BEFORE)
        .says("removed `/opt/app/images` from `/etc/containers/storage.conf`")
        .rpm("install of storagectl", &["-i", "storagectl-1"], WITH_APP)
        .rpm("erase storagectl", &["-e", "--nodeps", "storagectl"], BEFORE)
        .rpm("erase", &["-e", "app"], BEFORE)
        .holds_on(&machine());
}

#[test]
fn an_upgrade_of_storagectl_keeps_declared_stores_listed() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("upgrade of storagectl", &["-U", "storagectl-2"], WITH_APP)
        .rpm("upgrade of both", &["-U", "--oldpackage", "storagectl-1", "app-3"], WITH_MOVED)
        .rpm("erase", &["-e", "app"], BEFORE)
        .holds_on(&machine());
}

#[test]
fn a_host_with_the_vendors_file_alone_has_a_copy_while_a_store_is_declared() {
    let copy = r#"# Copied by storagectl from /usr/share/containers/storage.conf
# sha256:63ad30fccabcc7f8ec7134b089783056187c1367c0d2bca7870d8c8a211dc774
# Removing the last added store removes this file again.

[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/app/images", # storagectl: app
]
"#;
    Case::without_conf("", Some(BEFORE))
        .rpm("install", &["-i", "app-1"], copy)
        .rpm("upgrade", &["-U", "app-2"], copy)
        .rpm("erase", &["-e", "app"], None)
        .holds_on(&machine());
}

#[test]
fn a_mistake_in_one_declaration_stops_neither_the_others_nor_the_transaction() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1", "faulty-1"], WITH_APP)
        .says(" --> /usr/lib/storagectl/stores.d/faulty.toml:2:1")
        .rpm("erase", &["-e", "faulty"], WITH_APP)
        .rpm("install again", &["-i", "faulty-1"], WITH_APP)
        .rpm("erase of the other", &["-e", "app"], BEFORE)
        .holds_on(&machine());
}

#[test]
fn an_update_with_a_mistake_keeps_the_entry_of_the_version_before() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("upgrade", &["-U", "app-4"], WITH_APP)
        .says(" --> /usr/lib/storagectl/stores.d/app.toml:2:1")
        .rpm("erase", &["-e", "app"], BEFORE)
        .holds_on(&machine());
}

#[test]
fn an_entry_that_an_administrator_wrote_outlives_the_declaration_of_its_store() {
    let by_hand = BEFORE.replace("\"/opt/site\",", "\"/opt/shared\", # ours\n  \"/opt/site\",");
    let by_hand: &'static str = by_hand.leak();
    let machine = machine();
    fs_err::create_dir_all(machine.path("/opt/shared/of-the-administrator")).unwrap();
    Case::new("", by_hand)
        .rpm("install", &["-i", "shared-1"], by_hand)
        .rpm("erase", &["-e", "shared"], by_hand)
        .holds_on(&machine);
}

#[test]
fn a_store_that_tmpfiles_makes_is_listed_in_an_image_build() {
    let with_var = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/var/images", # storagectl: provided
]
"#;
    Case::new("", BEFORE)
        .rpm("install", &["-i", "provided-1"], with_var)
        // The image is not booted yet.
        .engines_are_stopped()
        .meanwhile("tmpfiles", |machine| fs_err::create_dir(machine.path("/var/images")).unwrap(), with_var)
        .meanwhile("boot", Machine::boot, with_var)
        .rpm("erase", &["-e", "provided"], BEFORE)
        .holds_on(&machine());
}

#[test]
fn a_store_that_tmpfiles_makes_is_listed_at_once_on_a_running_system() {
    let with_var = WITH_APP.replace("/opt/app/images", "/var/images").replace(": app", ": provided");
    let machine = machine();
    fs_err::create_dir_all(machine.path("/run/systemd/system")).unwrap();
    Case::new("", BEFORE)
        .rpm("install of systemd", &["-i", "tmpfiles-1"], BEFORE)
        .rpm("install", &["-i", "provided-1"], &*with_var)
        .rpm("erase", &["-e", "provided"], BEFORE)
        .holds_on(&machine);
}

#[test]
fn the_boot_makes_up_for_transactions_without_triggers() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "--noscripts", "app-1"], BEFORE)
        .meanwhile("boot", Machine::boot, WITH_APP)
        .rpm("erase", &["-e", "--noscripts", "app"], WITH_APP)
        .engines_are_stopped()
        .meanwhile("boot", Machine::boot, BEFORE)
        .rpm("install", &["-i", "--notriggers", "app-1"], BEFORE)
        .meanwhile("boot", Machine::boot, WITH_APP)
        .rpm("upgrade", &["-U", "--notriggers", "app-3"], WITH_APP)
        .engines_are_stopped()
        .meanwhile("boot", Machine::boot, WITH_MOVED)
        .rpm("erase", &["-e", "--notriggers", "app"], WITH_MOVED)
        .engines_are_stopped()
        .meanwhile("boot", Machine::boot, BEFORE)
        .holds_on(&machine());
}

#[test]
fn a_package_that_had_the_macros_can_be_upgraded_to_a_declaration() {
    let declared = WITH_APP.replace("/opt/app/images", "/opt/lockless").replace(": app", ": lockless");
    let listed = declared.replace(" # storagectl: lockless", "");
    Case::new("", BEFORE)
        .rpm("install", &["-i", "macros/lockless-1"], &*listed)
        .rpm("upgrade", &["-U", "lockless-2"], &*declared)
        .rpm("erase", &["-e", "lockless"], BEFORE)
        .rpm("install", &["-i", "lockless-2"], &*declared)
        .rpm("downgrade", &["-U", "--oldpackage", "macros/lockless-1"], &*listed)
        .rpm("erase", &["-e", "lockless"], BEFORE)
        .holds_on(&machine());
}

#[test]
fn a_store_of_macros_and_of_a_declaration_is_listed_until_both_are_gone() {
    let by_macros = WITH_APP.replace(" # storagectl: app", "");
    Case::new("", BEFORE)
        .rpm("install", &["-i", "macros/app-1"], &*by_macros)
        .rpm("install of the other", &["-i", "twin-1"], &*by_macros)
        .rpm("erase", &["-e", "app"], WITH_TWIN)
        .rpm("install again", &["-i", "macros/app-1"], &*by_macros)
        .rpm("erase of the other", &["-e", "twin"], &*by_macros)
        .rpm("erase", &["-e", "app"], BEFORE)
        .rpm("install of both", &["-i", "twin-1", "macros/app-1"], &*by_macros)
        .rpm("erase of both", &["-e", "twin", "app"], BEFORE)
        .holds_on(&machine());
}

#[test]
fn a_broken_storage_conf_is_left_alone_until_it_is_mended() {
    let broken = "[storage]\ndriver = overlay\n";
    Case::new("", broken)
        .rpm("install", &["-i", "app-1"], broken)
        .says(" --> /etc/containers/storage.conf:2:10")
        .engines_are_stopped()
        .meanwhile("mend", |machine| machine.write(CONF, BEFORE), BEFORE)
        .rpm("upgrade", &["-U", "app-2"], WITH_APP)
        .rpm("erase", &["-e", "app"], BEFORE)
        .holds_on(&machine());
}
