//! Memory and time are bounded, whatever is wrong with an input and however often.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests look at their own scratch directories")]

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// The address space that a run may use, in KiB; C16 took gigabytes.
const MEMORY: u32 = 400_000;

/// In an unoptimized build, on a machine that does something else.
const TIME: Duration = Duration::from_secs(60);

#[test]
fn thousands_of_mistakes_take_no_more_than_their_text() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("etc/containers")).unwrap();
    let file = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let mut yaml = "packages:\n".to_owned();
    let mut ignition = "{\"ignition\": {\"version\": \"3.4.0\"}, \"storage\": {".to_owned();
    let mut conf =
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/x\"\ngraphroot = \"/var/x\"\n".to_owned();
    for number in 0..10_000 {
        writeln!(yaml, "- wrong{number}: x").unwrap();
        write!(ignition, "\"wrong{number}\": 1, ").unwrap();
        if number < 3000 {
            writeln!(conf, "wrong{number} = 1").unwrap();
        }
    }
    ignition += "\"last\": 1}}";
    fs::write(tree.join("etc/containers/storage.conf"), conf).unwrap();
    let (yaml, ignition) = (file("packages.yaml", &yaml), file("x.ign", &ignition));
    let root = tree.to_str().unwrap();
    for line in [
        vec!["pack", "rpm", yaml.as_str()],
        vec!["pack", "rpm", "--format", "json", yaml.as_str()],
        vec!["generate", "ignition", "--check", ignition.as_str()],
        vec!["generate", "ignition", "--format", "json", "--check", ignition.as_str()],
        vec!["--root", root, "check-config"],
        vec!["--root", root, "doctor"],
    ] {
        let begin = Instant::now();
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -v {MEMORY}; exec \"$@\""))
            .args(["sh", env!("CARGO_BIN_EXE_storagectl")])
            .args(&line)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let start: String = said.chars().take(2000).collect();
        assert!(output.status.code().is_some_and(|code| code < 3), "{line:?}: {:?} {start}", output.status);
        assert!(begin.elapsed() < TIME, "{line:?} took {:?}", begin.elapsed());
        assert!(output.stdout.len() + output.stderr.len() < 4 << 20, "{line:?} says too much");
    }
}
