//! The packages of storagectl itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cases::{CONF, Case};
use super::machine::Machine;
use super::packages::{MACROS, REAL_SPEC, rpmbuild, strip_program};
use super::transactions::{BEFORE, WITH_APP};
use crate::support::{finish, run, text};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Stands in for cargo in %build, since a real one takes minutes with the release
/// profile: it hands over the program that was built for this test. Everything
/// else of the spec and the Makefile is real.
const CARGO: &str = r#"#!/bin/sh
set -e
[ "$*" = "build --release --offline --locked" ]
install -D "${0%/*}/program" target/release/storagectl
"#;

/// `make dist` with its results in `target`; git also accepts a checkout of
/// somebody else.
fn make_dist(target: &Path, cargo: &str) -> PathBuf {
    let mut make = Command::new("make");
    make.args(["-C", HERE, "dist", &format!("CARGO={cargo}")])
        .arg(format!("CARGO_TARGET_DIR={}", target.display()));
    make.envs([
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", "*"),
    ]);
    run(&mut make);
    target.join("dist")
}

#[test]
fn the_archive_holds_every_crate_that_the_build_needs() {
    let dir = tempfile::tempdir().unwrap();
    let dist = make_dist(dir.path(), "cargo --offline");
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
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    fs_err::create_dir(&bin).unwrap();
    strip_program(&bin.join("program"));
    fs_err::write(bin.join("cargo"), CARGO).unwrap();
    run(Command::new("chmod").arg("+x").arg(bin.join("cargo")));
    let dist = make_dist(dir.path(), "true");

    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut build = rpmbuild(&dir.path().join("top"));
    build.arg("--define").arg(format!("_sourcedir {}", dist.display()));
    build.args(["--nodeps", "--define", "_rpmfilename %%{NAME}.rpm", REAL_SPEC]).env("PATH", path);
    // cargo tells tests where it is, and the Makefile would listen.
    build.env_remove("CARGO").env_remove("CARGO_TARGET_DIR");
    run(&mut build);
    let [program, macros] =
        ["storagectl", "storagectl-rpm-macros"].map(|name| dir.path().join(format!("top/RPMS/{name}.rpm")));

    let files = run(Command::new("rpm").arg("-qlp").arg(&program));
    for file in [
        "/usr/bin/storagectl",
        "/usr/lib/sysimage/storagectl",
        "/usr/share/bash-completion/completions/storagectl",
        "/usr/share/fish/vendor_completions.d/storagectl.fish",
        "/usr/share/man/man1/storagectl-add-store.1",
        "/usr/share/man/man1/storagectl.1",
        "/usr/share/zsh/site-functions/_storagectl",
    ] {
        assert!(files.lines().any(|line| line.trim_end_matches(".gz") == file), "no {file} in {files}");
    }
    let query = ["-qp", "--queryformat", "%{ARCH}\n[%{FILENAMES}\n]"];
    let macros = run(Command::new("rpm").args(query).arg(macros));
    assert!(macros.starts_with("noarch\n"), "{macros}");
    assert!(macros.contains("/macros.d/macros.storagectl\n"), "{macros}");

    let machine = Machine::without_storagectl();
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
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--offline", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none"]);
    for licence in run(tree.args(["--format", "{l}"]).current_dir(HERE)).lines() {
        // Alternatives are written in any order.
        let alternatives = |text: &str| {
            let mut words: Vec<String> = text.split(" OR ").map(|word| word.trim().to_owned()).collect();
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
