//! The packages of storagectl itself.

use std::process::Command;

use super::cases::{CONF, Case};
use super::machine::Machine;
use super::packages::{Hooks, MACROS, Packages, REAL_SPEC};
use super::real_spec::{HERE, make_archive};
use super::transactions::{BEFORE, WITH_APP};
use crate::support::{finish, run, text};

#[test]
fn the_archive_holds_every_crate_that_the_build_needs() {
    let dir = tempfile::tempdir().unwrap();
    let dist = make_archive(dir.path(), "cargo --offline");
    let unpacked = dir.path().join("unpacked");
    fs_err::create_dir(&unpacked).unwrap();
    let archive = dist.join(concat!("storagectl-", env!("CARGO_PKG_VERSION"), ".tar.gz"));
    run(Command::new("tar").arg("-C").arg(&unpacked).arg("-xzf").arg(archive).arg("--strip-components=1"));
    // Nothing is in the cache of this cargo, and it may not fetch anything.
    run(Command::new("cargo")
        .args(["fetch", "--offline", "--locked"])
        .current_dir(&unpacked)
        .env("CARGO_HOME", dir.path().join("cargo-home")));
}

#[test]
fn the_spec_makes_packages_that_work() {
    let packages = Packages::shared();
    let [program, macros] =
        ["storagectl", "storagectl-rpm-macros"].map(|name| packages.real().join(format!("{name}.rpm")));

    let files = run(Command::new("rpm").arg("-qlp").arg(&program));
    for file in [
        "/etc/storagectl/stores.d",
        "/usr/bin/storagectl",
        "/usr/lib/storagectl/stores.d",
        "/usr/lib/sysimage/storagectl",
        "/usr/lib/systemd/system/basic.target.wants/storagectl-apply.service",
        "/usr/lib/systemd/system/multi-user.target.wants/storagectl-copy-images.service",
        "/usr/lib/systemd/system/storagectl-apply.service",
        "/usr/lib/systemd/system/storagectl-check.service",
        "/usr/lib/systemd/system/storagectl-check.timer",
        "/usr/lib/systemd/system/storagectl-copy-images.service",
        "/usr/lib/systemd/system/storagectl-import-images-start.service",
        "/usr/lib/systemd/system/storagectl-import-images.path",
        "/usr/lib/systemd/system/storagectl-import-images.service",
        "/usr/lib/systemd/system/storagectl-metrics.service",
        "/usr/lib/systemd/system/storagectl-metrics.timer",
        "/usr/lib/systemd/user/basic.target.wants/storagectl-keep-layers.service",
        "/usr/lib/systemd/user/storagectl-keep-layers.service",
        "/usr/share/bash-completion/completions/storagectl",
        "/usr/share/fish/vendor_completions.d/storagectl.fish",
        "/usr/share/man/man1/storagectl-add-store.1",
        "/usr/share/man/man1/storagectl.1",
        "/usr/share/storagectl/schemas/problem.json",
        "/usr/share/zsh/site-functions/_storagectl",
    ] {
        assert!(files.lines().any(|line| line.trim_end_matches(".gz") == file), "no {file} in {files}");
    }
    // Greenboot's directories are greenboot's.
    assert!(!files.contains("greenboot"), "{files}");
    let checks = packages.real().join("storagectl-greenboot.rpm");
    let query = ["-qp", "--queryformat", "%{ARCH}\n[%{FILEMODES:perms} %{FILENAMES}\n][%{REQUIRENAME}\n]"];
    let checks = run(Command::new("rpm").args(query).arg(checks));
    for line in [
        "noarch",
        "-rwxr-xr-x /usr/lib/greenboot/check/required.d/40_storagectl_engines.sh",
        "-rwxr-xr-x /usr/lib/greenboot/check/wanted.d/40_storagectl_warnings.sh",
        "greenboot",
        "storagectl",
    ] {
        assert!(checks.lines().any(|it| it == line), "no {line} in {checks}");
    }
    let collection = packages.real().join("ansible-collection-storagectl-storagectl.rpm");
    let collection = run(Command::new("rpm").args(query).arg(collection));
    let at = "/usr/share/ansible/collections/ansible_collections/storagectl/storagectl";
    for line in [
        "noarch",
        "ansible-core",
        &format!("-rw-r--r-- {at}/galaxy.yml"),
        &format!("-rw-r--r-- {at}/meta/runtime.yml"),
        &format!("-rw-r--r-- {at}/plugins/modules/image_store.py"),
        &format!("-rw-r--r-- {at}/roles/image_stores/meta/argument_specs.yml"),
    ] {
        assert!(collection.lines().any(|it| it == line), "no {line} in {collection}");
    }
    let query = ["-qp", "--queryformat", "%{ARCH}\n[%{FILENAMES}\n]"];
    let macros = run(Command::new("rpm").args(query).arg(macros));
    assert!(macros.starts_with("noarch\n"), "{macros}");
    assert!(macros.contains("/macros.d/macros.storagectl\n"), "{macros}");

    let machine = Machine::without_storagectl(Hooks::Storagectl);
    let installed = machine.rpm(&["-i", "--nodeps", program.to_str().unwrap()]);
    assert!(installed.status.success(), "{}", text(&installed));
    Case::new("", BEFORE)
        .rpm("install", &["-i", "app-1"], WITH_APP)
        .rpm("erase", &["-e", "app"], BEFORE)
        .rpm("install again", &["-i", "app-1"], WITH_APP)
        .rpm("erase storagectl", &["-e", "--nodeps", "storagectl"], BEFORE)
        .holds_on(&machine);
    assert_eq!(machine.read(CONF).as_deref(), Some(BEFORE));
}

#[test]
fn the_spec_names_the_licence_of_every_linked_crate() {
    let spec = fs_err::read_to_string(REAL_SPEC).unwrap();
    let named = spec.lines().find_map(|line| line.strip_prefix("License:")).unwrap();
    let named = named.split("%{?prebuilt").next().unwrap();
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--offline", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none"]);
    for licence in run(tree.args(["--format", "{l}"]).current_dir(HERE)).lines() {
        // Alternatives are written in any order.
        let alternatives = |text: &str| {
            let mut words: Vec<String> =
                text.replace('/', " OR ").split(" OR ").map(|word| word.trim().to_owned()).collect();
            words.sort();
            words
        };
        let ours = alternatives(licence.trim_end_matches(" (*)"));
        let listed = named.split(" AND ").map(|part| alternatives(part.trim().trim_matches(['(', ')'])));
        assert!(listed.into_iter().any(|theirs| theirs == ours), "`{licence}` is not in `License:{named}`");
    }
}

#[test]
fn a_macro_without_a_store_fails_the_build() {
    for name in ["post", "preun", "postun"] {
        let output =
            finish(Command::new("rpm").args(["--load", MACROS, "--eval", &format!("%storagectl_{name}")]));
        let said = text(&output);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains(&format!("%storagectl_{name} needs the path of a store")), "{said}");
    }
}
