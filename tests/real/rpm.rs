//! Real packages, through real transactions.
//!
//! rpmbuild builds packages with the macros of scriptlets/macros.storagectl, rpm
//! installs, upgrades and erases them in a tree of its own (`rpm --root`, so the
//! scriptlets run in a chroot without /proc and /dev), and after every step
//! storage.conf has to be exactly the expected bytes, and podman, to which the
//! tree looks like the host, has to start and to list the image exactly if its
//! store is listed.

pub(crate) mod cases;
mod comparison;
mod dist;
mod dnf;
pub(crate) mod machine;
pub(crate) mod packages;
pub(crate) mod real_spec;
mod spec;
pub(crate) mod transactions;

use cases::{CONF, Case};
use machine::Machine;
use packages::Hooks;
pub(crate) use packages::strip_program;
use transactions::*;

#[test]
fn an_installed_package_is_listed_until_it_is_erased() {
    array_over_several_lines().holds();
}

#[test]
fn an_array_on_one_line_stays_on_one_line() {
    array_on_one_line().holds();
}

#[test]
fn an_indented_array_keeps_its_indentation() {
    indented_array().holds();
}

#[test]
fn a_commented_out_array_is_written_out_beside_its_example() {
    commented_out_array().holds();
}

#[test]
fn the_vendors_file_is_copied_for_as_long_as_a_package_needs_it() {
    vendor_file_only().holds();
}

#[test]
fn a_host_without_storage_conf_has_one_for_as_long_as_a_package_needs_it() {
    no_file_at_all().holds();
}

#[test]
fn a_broken_storage_conf_is_left_alone_and_fails_no_transaction() {
    broken_file().holds();
}

#[test]
fn upgrade_reinstall_and_downgrade_change_nothing() {
    same_path().holds();
}

#[test]
fn an_upgrade_to_another_path_unlists_the_old_one() {
    another_path().holds();
}

#[test]
fn a_downgrade_to_another_path_unlists_the_newer_one() {
    Case::new("", BEFORE)
        .rpm(
            "install",
            &["-i", "app-3"],
            r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/app/moved",
]
"#,
        )
        .rpm("downgrade", &["-U", "--oldpackage", "app-1"], WITH_APP)
        .rpm("erase", &["-e", "app"], BEFORE)
        .holds();
}

#[test]
fn erasing_what_was_installed_without_scriptlets_changes_nothing() {
    installed_without_scriptlets().holds();
}

#[test]
fn installing_after_an_erase_without_scriptlets_lists_the_store_once() {
    erased_without_scriptlets().holds();
}

#[test]
fn an_engine_that_starts_while_a_package_is_erased_does_not_see_its_store() {
    meanwhile().holds();
}

#[test]
fn a_shared_store_is_listed_until_its_last_package_is_erased() {
    shared_store().holds();
}

#[test]
fn packages_that_share_a_store_can_be_erased_together() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1", "twin-1"], WITH_APP)
        .rpm("erase", &["-e", "app", "twin"], BEFORE)
        .rpm("install", &["-i", "app-1", "twin-1"], WITH_APP)
        .rpm("erase with storagectl", &["-e", "twin", "storagectl", "app"], BEFORE)
        .holds();
}

#[test]
fn a_package_that_replaces_another_keeps_its_store_listed() {
    replaced_package().holds();
}

#[test]
fn a_package_that_had_sed_scriptlets_can_be_upgraded() {
    let with_app = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
"/opt/app/images",
  "/opt/site", # of this site
]
"#;
    Case::new("", BEFORE)
        .rpm("install", &["-i", "sed/app-1"], with_app)
        .rpm("upgrade", &["-U", "app-2", "storagectl-1"], with_app)
        .rpm("erase", &["-e", "app"], BEFORE)
        .holds_on(&Machine::without_storagectl(Hooks::Storagectl));
}

#[test]
fn an_upgrade_to_another_path_keeps_an_old_store_with_the_administrators_files() {
    let with_both = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/app/images",
  "/opt/app/moved",
]
"#;
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .meanwhile("administrator", |machine| machine.write("/opt/app/images/overlay/notes", ""), WITH_APP)
        .rpm("upgrade", &["-U", "app-3"], with_both)
        .rpm("erase", &["-e", "app"], WITH_APP)
        .holds();
}

#[test]
fn erasing_storagectl_leaves_what_an_administrator_listed() {
    Case::new("", BEFORE)
        .meanwhile("administrator", list_place, WITH_PLACE)
        .rpm("install", &["-i", "place-1"], WITH_PLACE)
        .rpm("erase storagectl", &["-e", "--nodeps", "storagectl"], WITH_PLACE)
        .rpm("install of storagectl", &["-i", "storagectl-1"], WITH_PLACE)
        .rpm("erase", &["-e", "place"], BEFORE)
        .holds();
}

fn list_place(machine: &Machine) {
    fs_err::create_dir(machine.path("/opt/place")).unwrap();
    machine.write(CONF, WITH_PLACE);
}

#[test]
fn storagectl_can_be_reinstalled_together_with_a_package_that_uses_it() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("reinstall", &["--reinstall", "storagectl-1", "app-1"], WITH_APP)
        .rpm("erase", &["-e", "app"], BEFORE)
        .holds();
}

#[test]
fn a_store_with_the_administrators_images_stays_listed_with_its_comment() {
    administrators_images().holds();
}

#[test]
fn lock_files_that_engines_leave_behind_do_not_keep_a_store_listed() {
    let machine = Machine::new(Hooks::Storagectl);
    Case::new("", BEFORE)
        .rpm(
            "install",
            &["-i", "lockless-1"],
            r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/lockless",
]
"#,
        )
        .rpm("erase", &["-e", "lockless"], BEFORE)
        .holds_on(&machine);
    assert!(machine.has("/opt/lockless/overlay-layers/layers.lock"), "no engine left a lock file behind");
}

#[test]
fn a_package_can_have_several_stores() {
    let with_pair = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/pair/one",
  "/opt/pair/two",
]
"#;
    Case::new("", BEFORE)
        .rpm("install", &["-i", "pair-1"], with_pair)
        .rpm("reinstall", &["--reinstall", "pair-1"], with_pair)
        .rpm("erase", &["-e", "pair"], BEFORE)
        .holds();
}

#[test]
fn a_quoted_path_may_hold_a_blank() {
    let with_blank = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/opt/with blank",
]
"#;
    Case::new("", BEFORE)
        .rpm("install", &["-i", "blank-1"], with_blank)
        .rpm("erase storagectl", &["-e", "--nodeps", "storagectl"], BEFORE)
        .rpm("erase", &["-e", "blank"], BEFORE)
        .says("warning: storagectl is not installed: %preun did not unlist /opt/with blank\n")
        .holds();
}

#[test]
fn a_store_that_a_package_forgot_to_ship_is_not_listed() {
    Case::new("", BEFORE)
        .rpm("install", &["-i", "forgotten-1"], BEFORE)
        .says("error: the store `/opt/forgotten` is not listed: its directory does not exist")
        .rpm("erase", &["-e", "forgotten"], BEFORE)
        .holds();
}

#[test]
fn storagectl_is_installed_before_and_erased_after_the_packages_that_use_it() {
    for install in [&["-i", "app-1", "storagectl-1"], &["-i", "storagectl-1", "app-1"]] {
        for erase in [&["-e", "app", "storagectl"], &["-e", "storagectl", "app"]] {
            Case::new("", BEFORE)
                .rpm("install", install, WITH_APP)
                .rpm("erase", erase, BEFORE)
                .holds_on(&Machine::without_storagectl(Hooks::Storagectl));
        }
    }
}

#[test]
fn storagectl_erased_before_a_package_that_uses_it_unlists_what_it_listed() {
    for erase in [&["-e", "--noorder", "app", "storagectl"], &["-e", "--noorder", "storagectl", "app"]] {
        Case::new("", BEFORE).rpm("install", &["-i", "app-1"], WITH_APP).rpm("erase", erase, BEFORE).holds();
    }
}

#[test]
fn a_package_without_storagectl_is_erased_with_a_warning() {
    let machine = Machine::new(Hooks::Storagectl);
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("erase storagectl", &["-e", "--nodeps", "storagectl"], BEFORE)
        .says("removed `/opt/app/images` from `/etc/containers/storage.conf`")
        .rpm("erase", &["-e", "app"], BEFORE)
        .says("warning: storagectl is not installed")
        .holds_on(&machine);
    assert!(!machine.has("/usr/lib/sysimage/storagectl"), "records were left behind");
}

#[test]
fn storagectl_cannot_be_erased_while_a_package_needs_it() {
    let machine = Machine::new(Hooks::Storagectl);
    machine.write(CONF, BEFORE);
    assert!(machine.rpm(&["-i", "app-1"]).status.success());
    let refused = machine.rpm(&["-e", "storagectl"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("storagectl is needed by (installed) app-1"));
    assert_eq!(machine.read(CONF).as_deref(), Some(WITH_APP));
}

#[test]
fn under_rpm_ostree_a_store_that_nothing_provides_is_left_to_boot() {
    ostree_unprovided().holds();
}

#[test]
fn under_rpm_ostree_a_store_that_appears_at_boot_is_listed() {
    let with_var = r#"[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"

[storage.options]
additionalimagestores = [
  "/opt/site", # of this site
  "/var/images",
]
"#;
    Case::new("", BEFORE)
        .under_ostree()
        .rpm("install", &["-i", "provided-1"], with_var)
        // The tree is not booted yet.
        .engines_are_stopped()
        .meanwhile("boot", |machine| fs_err::create_dir(machine.path("/var/images")).unwrap(), with_var)
        .rpm("erase elsewhere", &["-e", "provided"], BEFORE)
        .holds();
}

#[test]
fn a_package_that_replaces_another_leaves_nothing_for_users() {
    let both = WITH_APP.replace("  \"/opt/app/images\",\n", "  \"/opt/app/images\",\n  \"/opt/lockless\",\n");
    let other = WITH_APP.replace("/opt/app/images", "/opt/lockless");
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("install the other", &["-i", "lockless-1"], both.as_str())
        .rpm("erase", &["-e", "app"], other.as_str())
        .rpm("erase the other", &["-e", "lockless"], BEFORE)
        .holds();
}
