//! The packages that `make dist` makes, for rpm and for dpkg.

use std::path::Path;
use std::process::Command;

use super::machine::Machine;
use super::packages::{Hooks, strip_program};
use super::real_spec::{HERE, make_archive};
use crate::support::{finish, run, storagectl, text};

/// Makes them in `dir`, of the program of this test, and returns where they are.
fn make_dist(dir: &Path) -> std::path::PathBuf {
    fs_err::create_dir_all(dir).unwrap();
    strip_program(&dir.join("program"));
    let dist = make_archive(&dir.join("target"), "true");
    run(Command::new(format!("{HERE}/packaging/dist.sh"))
        .arg(&dist)
        .args([env!("CARGO_PKG_VERSION"), std::env::consts::ARCH])
        .env("STORAGECTL_BUILT", dir.join("program"))
        .env("SOURCE_DATE_EPOCH", "1700000000"));
    fs_err::remove_dir_all(dist.join(concat!("storagectl-", env!("CARGO_PKG_VERSION")))).unwrap();
    dist
}

/// The one file of which this is a part of the name.
fn one(dist: &Path, part: &str) -> std::path::PathBuf {
    let mut found: Vec<String> = crate::tree::names(dist);
    found.retain(|name| name.contains(part));
    assert_eq!(found.len(), 1, "{part}: {found:?}");
    dist.join(&found[0])
}

#[test]
fn packages_for_rpm_and_dpkg_have_the_same_files_and_do_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let dist = make_dist(dir.path());
    let again = dir.path().join("again");
    run(Command::new("diff").arg("-r").arg(&dist).arg(make_dist(&again)));

    let [rpm, deb] =
        [&format!(".{}.rpm", std::env::consts::ARCH), "storagectl_"].map(|part| one(&dist, part));
    let of_rpm = run(Command::new("rpm")
        .args(["-qp", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]"])
        .arg(&rpm));
    let of_deb =
        run(Command::new("sh").args(["-c", "dpkg-deb --fsys-tarfile \"$1\" | tar -tv", "sh"]).arg(&deb));
    let mut ours: Vec<String> = of_rpm.lines().map(|line| line.replacen(" /", " ", 1)).collect();
    let mut theirs: Vec<String> = Vec::new();
    for line in of_deb.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        theirs.push(format!("{} {}", words[0], words[5].trim_start_matches("./").trim_end_matches('/')));
    }
    // dpkg has every directory that leads to a file.
    let is_file = |line: &String| !line.starts_with('d');
    ours.retain(is_file);
    theirs.retain(is_file);
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    // And what `make install` installs is what they have, with those for macros and greenboot.
    let packages = crate::tree::names(&dist).into_iter().filter(|name| name.ends_with(".rpm"));
    let all: Vec<String> = packages
        .flat_map(|package| {
            let files = run(Command::new("rpm").arg("-qpl").arg(dist.join(package)));
            files.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let root = dir.path().join("root");
    crate::unit::system::install(&root, "/usr");
    for file in
        run(Command::new("find").arg(root.join("usr")).args(["-not", "-type", "d", "-printf", "usr/%P\n"]))
            .lines()
    {
        assert!(all.contains(&format!("/{file}")), "{file}: {all:#?}");
    }

    let machine = Machine::without_storagectl(Hooks::Declaration);
    let installed = machine.rpm(&["-i", "--nodeps", rpm.to_str().unwrap()]);
    assert!(installed.status.success(), "{}", text(&installed));
    assert_eq!(text(&machine.rpm(&["-V", "--nodeps", "storagectl"])), "exit status: 0");

    // dpkg's triggers do what rpm's do, and its script what rpm's does.
    let machine = Machine::without_storagectl(Hooks::Declaration);
    let tree = machine.path("/");
    for part in ["updates", "info"] {
        fs_err::create_dir_all(tree.join("var/lib/dpkg").join(part)).unwrap();
    }
    for file in ["status", "available"] {
        fs_err::write(tree.join("var/lib/dpkg").join(file), "").unwrap();
    }
    let app = dir.path().join("app");
    fs_err::create_dir_all(app.join("DEBIAN")).unwrap();
    let control = "Package: app\nVersion: 1\nArchitecture: all\nMaintainer: test\nDescription: test\n";
    fs_err::write(app.join("DEBIAN/control"), control).unwrap();
    run(storagectl(&["-q", "init-store", "--declare", "app", "/usr/lib/app/images", "--root"]).arg(&app));
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(&app)
        .arg(dir.path().join("app.deb")));
    let dpkg = |args: &[&str]| {
        let output = finish(Command::new("dpkg").arg("--root").arg(&tree).arg("--force-not-root").args(args));
        assert!(output.status.success(), "{}", text(&output));
    };
    let listed = || {
        machine.read("/etc/containers/storage.conf").is_some_and(|conf| conf.contains("/usr/lib/app/images"))
    };
    dpkg(&["-i", deb.to_str().unwrap()]);
    assert!(!listed());
    dpkg(&["-i", dir.path().join("app.deb").to_str().unwrap()]);
    assert!(listed());
    dpkg(&["-r", "app"]);
    assert!(!listed());
    dpkg(&["-i", dir.path().join("app.deb").to_str().unwrap()]);
    assert!(listed());
    dpkg(&["-r", "storagectl"]);
    assert!(!listed());
    assert!(!machine.has("/usr/bin/storagectl"));
}
