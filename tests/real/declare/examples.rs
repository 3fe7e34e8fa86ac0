//! The specs in scriptlets/examples, built and installed.

use std::path::{Path, PathBuf};

use super::BEFORE;
use crate::rpm::cases::Case;
use crate::rpm::machine::Machine;
use crate::rpm::packages::{Hooks, Packages, rpmbuild};
use crate::support::{STORAGECTL, copy_store, run, text};

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

/// The search path of a host with storagectl, which is put into `dir`.
fn path_with_storagectl(dir: &Path) -> String {
    fs_err::os::unix::fs::symlink(STORAGECTL, dir.join("storagectl")).unwrap();
    format!("{}:{}", dir.display(), std::env::var("PATH").unwrap())
}

/// Where an example is.
fn example(name: &str) -> String {
    format!("{}/scriptlets/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Builds an example.
pub(super) fn build(name: &str) -> Built {
    let dir = tempfile::tempdir().unwrap();
    let path = path_with_storagectl(dir.path());
    run(rpmbuild(dir.path()).args(["--nodeps", &example(name)]).env("PATH", path));
    Built { dir }
}

/// A host that has the real package of storagectl.
fn host() -> Machine {
    let machine = Machine::without_storagectl(Hooks::Declaration);
    let storagectl = Packages::shared().real().join("storagectl.rpm");
    let installed = machine.rpm(&["-i", "--nodeps", storagectl.to_str().unwrap()]);
    assert!(installed.status.success(), "{}", text(&installed));
    machine
}

/// The recipe of the README for a package that ships a declaration, with what every spec has.
fn recipe() -> String {
    let readme = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let lines = readme.lines().skip_while(|line| !line.starts_with("    Requires(post,preun,postun)"));
    let recipe = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let recipe: String = recipe.map(|line| line.trim_start().to_owned() + "\n").collect();
    assert!(recipe.contains("%files\n"), "{recipe}");
    let head = "Name: recipe\nVersion: 1.0\nRelease: 1\nSummary: Of the README\nLicense: Apache-2.0\n";
    head.to_owned() + &recipe.replace("%install\n", "%description\n%{summary}.\n\n%install\n")
}

/// Images with a program in a base that all of them have, of which rpmbuild would make links
/// in one place, and which it does not let into packages for every architecture.
#[test]
fn packages_of_real_images_that_share_a_base_are_built_and_installed_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_with_storagectl(dir.path());
    let filled = dir.path().join("SOURCES/filled");
    copy_store(&filled);
    let text_of = |name| fs_err::read_to_string(example(name)).unwrap();
    let other =
        text_of("macros.spec").replace("app-images", "other-images").replace("lib/app/", "lib/other/");
    let specs = [("app-images", text_of("declaration.spec")), ("other-images", other), ("recipe", recipe())];
    let machine = host();
    let mut built = vec!["-i".to_owned(), "--nodeps".to_owned()];
    for (name, spec) in &specs {
        let file = dir.path().join(format!("{name}.spec"));
        fs_err::write(&file, spec).unwrap();
        let mut build = rpmbuild(dir.path());
        build.args(["--nodeps", "--define"]).arg(format!("filled {}", filled.display()));
        run(build.arg(&file).env("PATH", &path));
        built.push(dir.path().join(format!("RPMS/{name}-1.0.rpm")).display().to_string());
    }
    let installed = machine.rpm(&built.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(installed.status.success(), "{}", text(&installed));
    let conf = machine.read("/etc/containers/storage.conf").unwrap();
    for store in ["/usr/lib/app/images", "/usr/lib/other/images", "/usr/lib/containers/app"] {
        assert!(conf.contains(&format!("\"{store}\",")), "{conf}");
        let mut check = crate::support::storagectl(&["check-store", "--deep", "--format", "json", "--root"]);
        let answer = run(check.arg(machine.path("/")).arg(store));
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let errors = answer["findings"].as_array().unwrap().iter().filter(|it| it["severity"] == "error");
        assert_eq!(errors.count(), 0, "{answer}");
    }
    let verified = machine.rpm(&["-V", "--nodeps", "app-images", "other-images", "recipe"]);
    assert_eq!(text(&verified), "exit status: 0");
}

/// Builds an example and goes through transactions on a host that has the real
/// package of storagectl.
fn holds(example: &str, entry: &str) {
    let example = build(example);
    let built: &'static str = example.package().to_str().unwrap().to_owned().leak();
    let machine = host();
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
