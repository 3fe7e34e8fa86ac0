//! Every command and every refusal, as documents that are run: tests/cmd/*.md,
//! the console blocks of README.md, and docs/fleet.md.
//!
//! A document `x.md` starts in a copy of the directory `x.in`; that there is a
//! directory `x.out` is what makes trycmd copy it. Outside a document, nothing
//! is set: no colour, no terminal.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests set up their own scratch directories")]

use std::path::Path;

/// `TRYCMD=overwrite cargo test --test cmd` writes what the commands print now
/// into the documents; read the difference before you commit it.
#[test]
fn documents_say_what_the_program_does() {
    let cases = cases();
    cases.case("tests/cmd/*.md");
}

#[test]
fn the_readme_says_what_the_program_does() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    for part in ["README.in", "README.out"] {
        fs_err::create_dir_all(dir.join(part)).unwrap();
        fs_err::write(dir.join(part).join(".keep"), "").unwrap();
    }
    let vendor = "[storage.options]\nadditionalimagestores = [\"/usr/lib/containers/vendor\"]\n";
    fs_err::write(dir.join("README.in/vendor.conf"), vendor).unwrap();
    fs_err::copy("README.md", dir.join("README.md")).unwrap();
    let cases = cases();
    cases.case(dir.join("README.md"));
}

/// docs/fleet.md starts in a copy of tests/fleet. With `TRYCMD=overwrite` it is written.
#[test]
fn a_year_of_a_fleet_goes_as_the_document_says() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet");
    let _ = fs_err::remove_dir_all(&dir);
    copy_tree(Path::new("tests/fleet"), &dir.join("fleet.in"));
    fs_err::create_dir_all(dir.join("fleet.out")).unwrap();
    fs_err::write(dir.join("fleet.out/.keep"), "").unwrap();
    fs_err::copy("docs/fleet.md", dir.join("fleet.md")).unwrap();
    let cases = cases();
    cases.case(dir.join("fleet.md"));
    drop(cases);
    if std::env::var_os("TRYCMD").is_some_and(|value| value == "overwrite") {
        fs_err::copy(dir.join("fleet.md"), "docs/fleet.md").unwrap();
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_tree(&entry.path(), &target),
            false => drop(fs_err::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn the_readme_shows_the_comparison_with_sed_as_it_came_out() {
    let readme = fs_err::read_to_string("README.md").unwrap();
    let came_out = fs_err::read_to_string("docs/sed-comparison.md").unwrap();
    let table: Vec<&str> = came_out.lines().filter(|line| line.starts_with('|')).collect();
    assert!(table.len() > 10 && readme.contains(&table.join("\n")), "paste the table into README.md");
}

fn cases() -> trycmd::TestCases {
    let cases = trycmd::TestCases::new();
    for tool in ["cat", "chmod", "cp", "find", "grep", "ln", "ls", "mkdir", "mv", "rm", "stat", "touch"] {
        let path = ["/usr/bin", "/bin"]
            .iter()
            .map(|dir| Path::new(dir).join(tool))
            .find(|path| path.is_file())
            .unwrap_or_else(|| panic!("{tool} is not installed"));
        cases.register_bin(tool, trycmd::schema::Bin::Path(path));
    }
    cases.env("NO_COLOR", "1").env("TERM", "dumb");
    cases
}
