//! embed-images and verify-images, with a real registry and a real skopeo, held against the
//! shell loop that image builds have used so far.

mod faults;
mod faulty;
mod kept;
mod kill;
mod layouts;
mod needed;
mod once;
mod referrers;
mod same;
mod secret;
mod signatures;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::registry::registry;
use crate::support::{finish, storagectl, text};
use crate::tree::names;

/// The shell loop of MicroShift's image builds: its references are lines of its input.
const LOOP: &str = r#"set -e
mkdir -p "$0"
while read -r ref; do
    hex=$(echo "$ref" | sha256sum | cut -d ' ' -f 1)
    skopeo copy -q --all --preserve-digests "docker://$ref" "dir:$0/$hex"
    echo "$ref,$hex" >>"$0/image-list.txt"
done
"#;

/// Embeds `references` into `dir` as MicroShift's image builds do.
fn by_the_loop(dir: &Path, references: &[String]) {
    by_script(LOOP, dir, references);
}

/// Runs a script whose `$0` is `dir`, and whose input are the references.
fn by_script(script: &str, dir: &Path, references: &[String]) {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(dir);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = registry().serve(&mut command).spawn().unwrap();
    let lines: String = references.iter().map(|reference| format!("{reference}\n")).collect();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

/// `embed-images` with the registry of this process.
fn embed(dir: &Path, references: &[String], more: &[&str]) -> Command {
    let mut command = storagectl(&["embed-images", "--into", &dir.to_string_lossy()]);
    command.args(more).args(references);
    registry().serve(&mut command);
    command
}

/// What a command with `--format json` says; panics unless it exits with `code`.
#[track_caller]
fn told(command: &mut Command, code: i32) -> Value {
    let output = finish(command.args(["--format", "json"]));
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The result of each image, in the order of the references.
fn results(told: &Value) -> Vec<&str> {
    told["images"].as_array().unwrap().iter().map(|image| image["result"].as_str().unwrap()).collect()
}

fn verify(dir: &Path) -> Output {
    finish(&mut storagectl(&["verify-images", "-v", "--source", &dir.to_string_lossy()]))
}

/// Everything that is listed is sound, and nothing else lies there.
#[track_caller]
fn assert_clean(dir: &Path, images: usize) {
    let output = verify(dir);
    assert!(output.status.success(), "{}", text(&output));
    assert!(!text(&output).contains("warning"), "{}", text(&output));
    let names = names(dir);
    assert_eq!(names.len(), images + 1, "{names:?}");
    let is_known = |name: &String| name == "image-list.txt" || name.len() == 64;
    assert!(names.iter().all(is_known), "{names:?}");
}

/// The directory of a reference, by the shell.
fn directory(reference: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", "echo \"$0\" | sha256sum | cut -c 1-64", reference]);
    crate::support::run(&mut command).trim().to_owned()
}
