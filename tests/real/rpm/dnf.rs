//! The same transactions by dnf 4 or dnf5, from a repository, which decides on its own what
//! one transaction is made of. `make hosts` runs them, in releases that have a dnf.

use std::process::{Command, Output};

use super::cases::Case;
use super::machine::Machine;
use super::packages::Hooks;
use super::transactions::{BEFORE, WITH_APP};
use crate::support::{finish, run};

impl Machine {
    /// dnf on that system, with a repository of these packages alone.
    pub(super) fn dnf(&self, packages: &[&str], arguments: &[&str]) -> Output {
        let dir = tempfile::tempdir().unwrap();
        let repository = dir.path().join("repository");
        fs_err::create_dir(&repository).unwrap();
        for package in packages {
            run(Command::new("cp").arg(self.package(package)).arg(&repository));
        }
        run(Command::new("createrepo_c").arg("--quiet").arg(&repository));
        // dnf asks rpm's macros where the database is.
        fs_err::write(dir.path().join(".rpmmacros"), "%_dbpath /usr/lib/sysimage/rpm\n").unwrap();
        let has_dnf5 = Command::new("dnf5").arg("--version").output().is_ok();
        let mut command = Command::new(if has_dnf5 { "dnf5" } else { "dnf" });
        command.env("HOME", dir.path()).args(["--assumeyes", "--releasever", "1", "--installroot"]);
        command.arg(self.path("/")).arg(format!("--repofrompath=tests,file://{}", repository.display()));
        command.args(["--repo=tests", "--setopt=tests.gpgcheck=0", "--setopt=install_weak_deps=0"]);
        command.args(arguments);
        finish(&mut command)
    }
}

/// A repository, and what dnf is to do with it.
type Dnf = (&'static [&'static str], &'static [&'static str]);

const INSTALL: Dnf = (&["app-1"], &["install", "app"]);
const UPGRADE: Dnf = (&["app-1", "app-2"], &["upgrade", "app"]);
const DOWNGRADE: Dnf = (&["app-1"], &["downgrade", "app"]);
const REINSTALL: Dnf = (&["app-1"], &["reinstall", "app"]);
const REMOVE: Dnf = (&[], &["remove", "app"]);

#[test]
#[ignore = "dnf: `make hosts` has it"]
fn a_package_is_listed_from_its_installation_to_its_removal() {
    Case::new("", BEFORE)
        .dnf("install", INSTALL, WITH_APP)
        .dnf("upgrade", UPGRADE, WITH_APP)
        .dnf("downgrade", DOWNGRADE, WITH_APP)
        .dnf("reinstall", REINSTALL, WITH_APP)
        .dnf("remove", REMOVE, BEFORE)
        .holds();
}

#[test]
#[ignore = "dnf: `make hosts` has it"]
fn one_transaction_upgrades_the_program_and_a_package_that_moves_its_store() {
    let moved = WITH_APP.replace("/opt/app/images", "/opt/app/moved");
    let both: Dnf = (&["app-3", "storagectl-2"], &["upgrade"]);
    Case::new("", BEFORE)
        .dnf("install", INSTALL, WITH_APP)
        .dnf("upgrade both", both, moved.as_str())
        .dnf("remove both", (&[], &["remove", "app", "storagectl"]), BEFORE)
        .holds();
}

#[test]
#[ignore = "dnf: `make hosts` has it"]
fn a_store_that_a_successor_has_too_stays_listed() {
    Case::new("", BEFORE)
        .dnf("install", INSTALL, WITH_APP)
        .dnf("what obsoletes it", (&["heir-1"], &["upgrade"]), WITH_APP)
        .dnf("remove", (&[], &["remove", "heir"]), BEFORE)
        .holds();
}

#[test]
#[ignore = "dnf: `make hosts` has it"]
fn a_package_that_replaces_another_in_one_transaction_is_listed_in_its_place() {
    let other = WITH_APP.replace("/opt/app/images", "/opt/lockless");
    Case::new("", BEFORE)
        .dnf("install", INSTALL, WITH_APP)
        .dnf("swap", (&["lockless-1"], &["swap", "app", "lockless"]), other.as_str())
        .dnf("remove", (&[], &["remove", "lockless"]), BEFORE)
        .holds();
}

#[test]
#[ignore = "dnf: `make hosts` has it"]
fn a_declared_store_is_listed_too() {
    let declared =
        BEFORE.replace("# of this site\n", "# of this site\n  \"/opt/app/images\", # storagectl: app\n");
    Case::new("", BEFORE)
        .dnf("install", INSTALL, declared.as_str())
        .dnf("upgrade", UPGRADE, declared.as_str())
        .dnf("remove", REMOVE, BEFORE)
        .holds_on(&Machine::new(Hooks::Declaration));
}
