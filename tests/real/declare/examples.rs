//! The specs in scriptlets/examples, built and installed.

use std::path::PathBuf;

use super::BEFORE;
use crate::rpm::cases::Case;
use crate::rpm::machine::Machine;
use crate::rpm::packages::{Hooks, Packages, rpmbuild};
use crate::support::{STORAGECTL, run, text};

/// An example that was built.
pub(super) struct Built {
    dir: tempfile::TempDir,
}

impl Built {
    /// The package.
    pub(super) fn package(&self) -> PathBuf {
        self.dir.path().join("RPMS/app-images-1.0.rpm")
    }
}

/// Builds an example as on a host with storagectl.
pub(super) fn build(example: &str) -> Built {
    let dir = tempfile::tempdir().unwrap();
    fs_err::os::unix::fs::symlink(STORAGECTL, dir.path().join("storagectl")).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let spec = format!("{}/scriptlets/examples/{example}", env!("CARGO_MANIFEST_DIR"));
    run(rpmbuild(dir.path()).args(["--nodeps", &spec]).env("PATH", path));
    Built { dir }
}

/// Builds an example and goes through transactions on a host that has the real
/// package of storagectl.
fn holds(example: &str, entry: &str) {
    let example = build(example);
    let built: &'static str = example.package().to_str().unwrap().to_owned().leak();
    let machine = Machine::without_storagectl(Hooks::Declaration);
    let storagectl = Packages::shared().real().join("storagectl.rpm");
    let installed = machine.rpm(&["-i", "--nodeps", storagectl.to_str().unwrap()]);
    assert!(installed.status.success(), "{}", text(&installed));
    let listed = BEFORE.replace("# of this site\n", &format!("# of this site\n  {entry}\n"));
    Case::new("", BEFORE)
        .rpm("install", Vec::leak(vec!["-i", built]), &*listed)
        .says("added `/usr/lib/app/images` to `/etc/containers/storage.conf`")
        .rpm("reinstall", Vec::leak(vec!["-U", "--replacepkgs", built]), &*listed)
        .rpm("erase", &["-e", "app-images"], BEFORE)
        .rpm("install again", Vec::leak(vec!["-i", built]), &*listed)
        .rpm("erase with storagectl", &["-e", "app-images", "storagectl"], BEFORE)
        .holds_on(&machine);
}

#[test]
fn the_example_of_a_declaration_works() {
    holds("declaration.spec", "\"/usr/lib/app/images\", # storagectl: app-images");
}

#[test]
fn the_example_of_the_macros_works() {
    holds("macros.spec", "\"/usr/lib/app/images\",");
}
