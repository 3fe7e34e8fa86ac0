//! What `storagectl generate` writes, given to the programs that apply it.
//!
//! Debian's ignition-validate and a current one judge every document, Butane translates
//! those that are for it, Ignition itself lays the files out in a tree, and real engines
//! start there and list what is in the stores. tests/validators/build.sh builds what
//! Debian does not have.

mod butane;
mod ignition;
mod node;
mod objects;
mod parts;
mod quadlet;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{finish, run, storagectl, text};

/// What a node shall have, as arguments: without and with a platform, stores and images.
const MODELS: [&[&str]; 5] = [
    &["--store", "/var/images"],
    &["--preset", "ocne", "--first", "--store", "/var/images"],
    &["--preset", "fedora", "--store", "/var/images", "--image", "registry.example/app:1"],
    &["--preset", "rhel10", "--store", "/var/images", "--store", "/var/lib/more stores/a 100%"],
    &["--preset", "image-builder", "--store", "/usr/lib/app", "--mode", "0700", "--engine", "legacy"],
];

/// What `storagectl generate KIND` prints.
#[track_caller]
fn generate(kind: &str, model: &[&str], more: &[&str]) -> String {
    run(storagectl(&["-q", "generate", kind]).args(model).args(more))
}

/// A program that tests/validators/build.sh has built.
fn validator(name: &str) -> PathBuf {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/validators/build.sh");
    DIR.get_or_init(|| PathBuf::from(run(&mut Command::new(script)).trim())).join(name)
}

/// Gives `input` to a program, which has to accept it without a word on standard error.
#[track_caller]
fn accepted(program: PathBuf, args: &[&str], input: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), input).unwrap();
    let output = finish(Command::new(&program).args(args).arg(file.path()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{program:?}: {}\n{input}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Replaces what encodes a file's content by the content, and checks its hash.
fn decode_files(config: &mut Value) {
    use storagectl::provision::data_url;
    let Some(files) = config.pointer_mut("/storage/files").and_then(Value::as_array_mut) else {
        return;
    };
    for file in files {
        let contents = &mut file["contents"];
        let source = contents["source"].as_str().unwrap();
        // Old versions of Butane's variants do not say that there is none.
        let compression = contents["compression"].as_str().unwrap_or_default();
        let bytes = data_url::decompress(data_url::decode(source).unwrap(), compression).unwrap();
        if let Some(hash) = contents.pointer("/verification/hash") {
            assert_eq!(hash.as_str().unwrap(), data_url::sha256(&bytes));
        }
        *contents = Value::String(String::from_utf8(bytes).unwrap());
    }
}
