//! The packages that scriptlets/storagectl.spec makes.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::packages::{REAL_SPEC, rpmbuild, strip_program};
use crate::support::run;

/// The checkout.
pub(crate) const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Stands in for cargo in %build, since a real one takes minutes with the release
/// profile: it hands over the program that was built for this test. Everything
/// else of the spec and the Makefile is real.
const CARGO: &str = r#"#!/bin/sh
set -e
[ "$*" = "build --release --offline --locked" ]
install -D "${0%/*}/program" target/release/storagectl
"#;

/// `make archive` with its results in `target`; git also accepts a checkout of
/// somebody else.
pub(crate) fn make_archive(target: &Path, cargo: &str) -> PathBuf {
    let mut make = Command::new("make");
    make.args(["-C", HERE, "archive", &format!("CARGO={cargo}")])
        .arg(format!("CARGO_TARGET_DIR={}", target.display()));
    make.envs([
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", "*"),
    ]);
    run(&mut make);
    target.join("dist")
}

/// Builds the packages below `dir`, and returns the directory that has them.
pub(crate) fn build(dir: &Path) -> PathBuf {
    let bin = dir.join("bin");
    fs_err::create_dir_all(&bin).unwrap();
    strip_program(&bin.join("program"));
    fs_err::write(bin.join("cargo"), CARGO).unwrap();
    run(Command::new("chmod").arg("+x").arg(bin.join("cargo")));
    let dist = make_archive(dir, "true");

    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut build = rpmbuild(&dir.join("top"));
    build.arg("--define").arg(format!("_sourcedir {}", dist.display()));
    build.args(["--nodeps", "--define", "_rpmfilename %%{NAME}.rpm", REAL_SPEC]).env("PATH", path);
    // cargo tells tests where it is, and the Makefile would listen.
    build.env_remove("CARGO").env_remove("CARGO_TARGET_DIR");
    run(&mut build);
    dir.join("top/RPMS")
}
