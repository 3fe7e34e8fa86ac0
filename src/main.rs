//! The `storagectl` program; everything is in the library.

fn main() -> std::process::ExitCode {
    storagectl::cli::run()
}
