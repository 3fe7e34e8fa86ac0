//! Runs the checks of /usr/lib/greenboot and /etc/greenboot, and fails if greenboot would call the
//! boot failed.

fn main() -> std::process::ExitCode {
    pretty_env_logger::init();
    match greenboot::run_diagnostics() {
        Ok(()) => {
            println!("green");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            println!("red: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
