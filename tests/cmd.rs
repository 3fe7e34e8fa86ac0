//! Every command and every refusal, as documents that are run: tests/cmd/*.md,
//! and the console blocks of README.md.

/// `TRYCMD=overwrite cargo test --test cmd` writes what the commands print now
/// into the documents; read the difference before you commit it.
#[test]
fn documents_say_what_the_program_does() {
    let cases = trycmd::TestCases::new();
    for tool in ["cat", "chmod", "cp", "find", "grep", "ln", "ls", "mkdir", "mv", "rm", "rmdir", "stat", "touch"] {
        let path = ["/usr/bin", "/bin"]
            .iter()
            .map(|dir| std::path::Path::new(dir).join(tool))
            .find(|path| path.is_file())
            .unwrap_or_else(|| panic!("{tool} is not installed"));
        cases.register_bin(tool, trycmd::schema::Bin::Path(path));
    }
    cases.env("NO_COLOR", "1").env("TERM", "dumb");
    cases.case("tests/cmd/*.md").case("README.md");
}
