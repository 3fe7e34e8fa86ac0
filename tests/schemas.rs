//! The schemas of docs/schemas are of what the commands write as JSON.
//!
//! The documents of tests/cmd run every command with --format json over real trees and stores.
//! All that is written is held against the schema of its command, in which no key may be missing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests set up their own scratch directories")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The schemas, by the name of the file.
fn schemas() -> BTreeMap<String, Value> {
    let files = fs_err::read_dir(here("docs/schemas")).unwrap().map(|entry| entry.unwrap().path());
    let schema = |path: PathBuf| {
        let text = fs_err::read_to_string(&path).unwrap();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), serde_json::from_str(&text).unwrap())
    };
    files.map(schema).collect()
}

/// The same schema that takes no key which it does not name: one that is added to a command
/// and not to its schema is found. A part of `allOf` is closed by what it is a part of.
fn closed(schema: &Value, is_part: bool) -> Value {
    match schema {
        Value::Object(object) => {
            let part = |(key, value): (&String, &Value)| (key.clone(), closed(value, key == "allOf"));
            let mut object: serde_json::Map<_, _> = object.iter().map(part).collect();
            let names = ["properties", "$ref"].iter().any(|key| object.contains_key(*key));
            if names && !is_part && !object.contains_key("additionalProperties") {
                object.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            Value::Object(object)
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| closed(item, is_part)).collect()),
        other => other.clone(),
    }
}

/// Every JSON document that commands of tests/cmd write, with its command and where it is. All
/// that stands before it is run, too.
fn written() -> Vec<(String, Value, String)> {
    let program = Path::new(env!("CARGO_BIN_EXE_storagectl")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut documents = Vec::new();
    let mut run = |line: &str, dir: &Path, file: &Path| {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(dir).env("PATH", &path).env("NO_COLOR", "1");
        let output = command.output().unwrap();
        let name = line.split(' ').find(|word| NAMES.contains(word));
        let Some(name) = name.filter(|_| line.contains("--format json")) else { return };
        let at = format!("{}: {line}", file.display());
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{at}: {error}"));
        documents.push((name.to_owned(), document, at));
    };
    let empty = tempfile::tempdir().unwrap();
    MORE.iter().for_each(|line| run(line, empty.path(), Path::new(file!())));
    for entry in fs_err::read_dir(here("tests/cmd")).unwrap() {
        let file = entry.unwrap().path();
        let text = if file.is_file() { fs_err::read_to_string(&file).unwrap() } else { String::new() };
        if !text.contains("--format json") {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let copied =
            Command::new("cp").arg("-a").arg(file.with_extension("in").join(".")).arg(dir.path()).status();
        assert!(copied.unwrap().success());
        for line in text.lines().filter_map(|line| line.strip_prefix("$ ")) {
            run(line, dir.path(), &file);
        }
    }
    documents
}

/// The commands, whose schemas have their names.
const NAMES: &[&str] = &[
    "add-store",
    "apply",
    "build-store",
    "check-config",
    "check-store",
    "clean-dependents",
    "copy-images",
    "doctor",
    "embed-images",
    "generate",
    "import-images",
    "init-store",
    "list-images",
    "list-stores",
    "pack",
    "remove-images",
    "remove-store",
    "seal-store",
    "show-config",
    "show-image",
    "verify-images",
];

/// What tests/cmd shows without JSON, since it would be long.
const MORE: &[&str] = &[
    "storagectl check-config --list --format json",
    "storagectl check-store --list --format json",
    "storagectl generate ignition --store /var/images --format json",
    "storagectl --root . check-store /gone --deep --format json",
    "storagectl --root . show-config --format json",
    "storagectl --root gone list-stores --format json",
];

#[test]
fn every_command_has_a_schema() {
    let parts = ["error", "problem"].map(str::to_owned);
    let expected: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).chain(parts).collect();
    assert_eq!(schemas().into_keys().collect::<BTreeSet<_>>(), expected);
    for command in storagectl::cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(NAMES.contains(&name) || ["completions", "scriptlet", "help"].contains(&name), "{name}");
    }
}

#[test]
fn what_commands_write_is_what_their_schemas_say() {
    let schemas = schemas();
    let mut registry = Registry::new();
    for (name, schema) in &schemas {
        jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("{name}.json: {error}"));
        registry = registry.add(format!("file:///{name}.json"), closed(schema, name == "problem")).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let validator = |name: &str| -> Validator {
        let schema = json!({ "$ref": format!("file:///{name}.json") });
        jsonschema::options().with_registry(&registry).build(&schema).unwrap()
    };
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for (command, document, at) in written() {
        if let Err(error) = validator(&command).validate(&document) {
            wrong.push(format!("{at}\n  {error}"));
        }
        seen.insert(command);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen, NAMES.iter().map(|name| (*name).to_owned()).collect(), "commands that wrote JSON");
}
