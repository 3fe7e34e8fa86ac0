//! One table of exit statuses is true of all commands.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests set up their own scratch directories")]

use std::path::Path;
use std::process::Command;

/// Command lines and how they end, run one after the other in a directory for each command. There
/// is a healthy host in `sound`, one with a broken storage.conf in `broken`, one about which there
/// is a warning in `odd`, and in the other directories what the documents in tests/cmd have.
const ENDS: &[(&str, &[(i32, &str)])] = &[
    (
        "add-store",
        &[
            (0, "--root sound add-store /srv/a"),
            (0, "--root sound add /srv/b --init"),
            (2, "--root sound add-store /srv/none"),
            (2, "--root broken add-store /srv/a"),
        ],
    ),
    (
        "remove-store",
        &[
            (0, "--root sound remove-store /srv/a"),
            (0, "--root sound rm /srv/a"),
            (2, "--root broken remove-store /srv/a"),
        ],
    ),
    (
        "list-stores",
        &[
            (0, "--root sound list-stores"),
            (0, "--root gone ls"),
            (2, "--root broken list-stores"),
            (2, "--root appending list-stores"),
        ],
    ),
    ("apply", &[(0, "--root sound apply"), (1, "--root declared apply"), (2, "--root broken apply")]),
    (
        "doctor",
        &[
            (0, "--root sound doctor"),
            (0, "--root odd doctor"),
            (1, "--root odd doctor --strict"),
            (0, "--root odd doctor --stopped-only"),
            (0, "--root sound doctor --format prometheus"),
            (1, "--root broken doctor --format prometheus --output /doctor.prom"),
            (1, "--root broken doctor --stopped-only"),
            (2, "--root sound doctor --output /doctor.prom"),
            (2, "--root nowhere doctor --stopped-only"),
            (1, "--root broken doctor"),
            (1, "--root gone doctor"),
            (2, "--root nowhere doctor"),
            (0, "--root gone doctor --fix -n"),
            (1, "--root broken doctor --fix -n"),
            (0, "--root sound doctor --fix"),
        ],
    ),
    (
        "explain",
        &[
            (0, "--root broken explain layer not known"),
            (0, "explain --list"),
            (1, "--root sound explain what nobody says"),
            (2, "--root nowhere explain layer not known"),
        ],
    ),
    (
        "check-config",
        &[
            (0, "--root sound check-config --strict"),
            (0, "--root odd check-config"),
            (1, "--root odd check-config --strict"),
            (1, "--root broken check-config"),
            (1, "--root gone check-config"),
            (0, "check-config --list"),
            (2, "--root nowhere check-config"),
            (2, "--root sound check-config --skip nonsense"),
        ],
    ),
    (
        "check-store",
        &[
            (0, "--root sound check-store --strict"),
            (0, "--root lax check-store"),
            (1, "--root lax check-store --strict"),
            (1, "--root gone check-store"),
            (0, "--root sound check-store --deep --budget 1GB"),
            (1, "--root gone check-store --deep --budget 1GB"),
            (2, "--root sound check-store --budget 1GB"),
            (2, "--root sound check-store --deep --budget 1G"),
            (2, "--root sound check-store --deep --budget 1GB --jobs 2"),
            (2, "--root sound check-store --format prometheus"),
            // Which stores there are, nobody knows.
            (2, "--root broken check-store"),
            (0, "--root broken check-store /srv/a"),
        ],
    ),
    (
        "show-config",
        &[
            (0, "--root sound show-config"),
            // There is nothing to show of an engine that stops.
            (1, "--root broken show-config"),
            (1, "--root gone show-config"),
            (2, "--root nowhere show-config"),
        ],
    ),
    ("keep-layers", &[(0, "--root sound keep-layers"), (2, "--root broken keep-layers")]),
    ("clean-dependents", &[(0, "--root sound clean-dependents"), (2, "--root broken clean-dependents")]),
    ("init-store", &[(0, "--root sound init-store /srv/new"), (2, "--root sound init-store relative")]),
    (
        "build-store",
        &[(0, "build-store -q oci:build-store.in/app -o store.tar"), (2, "build-store oci:none -o none.tar")],
    ),
    (
        "seal-store",
        &[
            (0, "--root sound seal-store -n /srv/a -o /srv/a.tar"),
            (1, "--root damaged seal-store -n /srv/a -o /srv/a.tar"),
            (2, "--root sound seal-store -n /srv/a -o -"),
        ],
    ),
    (
        "embed-images",
        &[
            (0, "embed-images --into copy-images.in/host/images"),
            (2, "embed-images --into none"),
            // Without skopeo nothing can be fetched.
            (2, "embed-images --into new registry.example.com/app:1"),
        ],
    ),
    (
        "verify-images",
        &[
            (0, "verify-images --source copy-images.in/host/images"),
            (1, "verify-images --source embedded-images.in/images"),
            (2, "verify-images --source embedded-images.in/wrong"),
        ],
    ),
    (
        "list-images",
        &[
            (0, "--root copy-images.in/host list-images --source /images"),
            // It shows them; verify-images judges.
            (0, "list-images --source embedded-images.in/images"),
            (2, "list-images --source none"),
            // Which stores have them, nobody knows.
            (2, "--root damaged list-images --source /images"),
            (0, "--root stored-images.in/host list-images --store"),
            (2, "--root damaged list-images --store"),
        ],
    ),
    (
        "show-image",
        &[
            (0, "--root stored-images.in/host show-image registry.example.com/app:1"),
            (1, "--root stored-images.in/host show-image registry.example.com/none:1"),
            // Whether a store has it, nobody knows.
            (2, "--root damaged show-image registry.example.com/app:1"),
        ],
    ),
    (
        "remove-images",
        &[
            (0, "--root stored-images.in/host remove-images /srv/second none:1"),
            // One of them is no name.
            (1, "--root stored-images.in/host remove-images /srv/second registry.example.com/app:1 App"),
            (2, "--root stored-images.in/host remove-images /srv/none app:1"),
        ],
    ),
    (
        "import-images",
        &[
            (0, "--root import-images.in/host import-images -n --store /var/images /sound"),
            (1, "--root import-images.in/host import-images -n --store /var/images /mixed"),
            (2, "--root import-images.in/host import-images -n --store /var/images /bad"),
            (2, "--root import-images.in/host import-images -n --store /var/images /none"),
        ],
    ),
    (
        "copy-images",
        &[
            (0, "--root copy-images.in/host copy-images -n --source /images --store /var/images"),
            (2, "--root copy-images.in/host copy-images -n --source /none --store /var/images"),
        ],
    ),
    ("pack", &[(0, "pack rpm -n pack.in/manifests.yaml"), (2, "pack rpm -n pack.in/wrong.yaml")]),
    (
        "generate",
        &[
            (0, "generate ignition --store /var/images"),
            (1, "generate ignition --check generate-check.in/node.ign"),
            (0, "generate ignition --check late.ign"),
            (1, "generate ignition --check late.ign --strict"),
            (2, "generate ignition --check none.ign"),
            (1, "generate --check generate-check.in/node.ign"),
            (2, "generate --store /var/images"),
            (0, "generate --list generate-check.in/node.ign"),
            (0, "generate --diff late.ign late.ign"),
            (1, "generate --diff late.ign generate-check.in/node.ign"),
            (2, "generate --diff late.ign none.ign"),
            (2, "generate --from late.ign --remove /var/none"),
            (2, "generate ignition --remove /var/images"),
            (2, "generate ignition --store /var/images --strict"),
        ],
    ),
    ("completions", &[(0, "completions bash"), (2, "completions nonsense")]),
    // No transaction fails because of it.
    ("scriptlet", &[(0, "--root broken scriptlet post 1 /srv/a"), (2, "scriptlet nonsense")]),
];

#[test]
fn every_command_ends_as_the_table_of_exit_statuses_says() {
    let mut wrong = Vec::new();
    let hosts = scratch();
    for (name, ends) in ENDS {
        let scratch = tempfile::tempdir().unwrap();
        copy(&hosts.path().join("."), scratch.path());
        for (status, line) in *ends {
            let words: Vec<&str> = line.split(' ').collect();
            let (found, said) = run(scratch.path(), &words);
            if found != Some(*status) {
                wrong.push(format!("{line}: {found:?} and not {status}\n{said}"));
            }
        }
        let (found, said) = run(scratch.path(), &[name, "--nonsense"]);
        assert_eq!(found, Some(2), "{name}: {said}");
        assert_eq!(run(scratch.path(), &[name, "--help"]).0, Some(0), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_command_and_no_status_is_left_out() {
    for command in storagectl::cli::command().get_subcommands() {
        let name = command.get_name();
        let (_, ends) = ENDS.iter().find(|(other, _)| *other == name).unwrap_or_else(|| panic!("{name}"));
        for status in [0, 2] {
            assert!(ends.iter().any(|(end, _)| *end == status), "{name} never ends with {status}");
        }
        let strict = command.get_arguments().any(|argument| argument.get_id() == "strict");
        assert!(!strict || ends.iter().any(|(end, _)| *end == 1), "{name} never answers no");
    }
}

#[test]
fn the_page_has_the_table() {
    let page = fs_err::read_to_string("docs/exit-status.md").unwrap();
    for (status, meaning) in storagectl::cli::EXIT_STATUS {
        assert!(page.contains(&format!("| {status} | {meaning} |\n")), "{status}");
    }
}

fn scratch() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let cases_of = [
        "build-store",
        "copy-images",
        "embedded-images",
        "generate-check",
        "import-images",
        "pack",
        "stored-images",
    ];
    for case in cases_of {
        copy(&cases.join(format!("{case}.in")), dir);
    }
    for host in ["sound", "odd", "gone", "lax", "damaged", "declared", "broken", "appending"] {
        fs_err::create_dir_all(dir.join(host)).unwrap();
        for words in [["init-store", "/srv/a"], ["add-store", "/srv/a"]] {
            let (status, said) = run(dir, &[&["--root", host], &words[..]].concat());
            assert_eq!(status, Some(0), "{said}");
        }
    }
    let edit = |host: &str, file: &str, change: &dyn Fn(String) -> String| {
        let path = dir.join(host).join(file);
        let text = fs_err::read_to_string(&path).unwrap_or_default();
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, change(text)).unwrap();
    };
    let conf = "etc/containers/storage.conf";
    edit("broken", conf, &|text| format!("{text}= what\n"));
    edit("appending", conf, &|text| text.replace("/srv/a\",", "/srv/a\", {append=true},"));
    edit("odd", conf, &|text| text.replace("/srv/a\",", "/srv/a\", \"/srv/a\","));
    edit("damaged", "srv/a/overlay-images/images.json", &|_| "[{".to_owned());
    edit("declared", "usr/lib/storagectl/stores.d/app.toml", &|_| "[[store]]\n".to_owned());
    fs_err::remove_dir_all(dir.join("gone/srv/a")).unwrap();
    fs_err::set_permissions(dir.join("lax/srv/a"), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    let image = "embedded-images.in/images/9ca8696940fcbc92afc777650cbbc5d9a5c98ed378933d03807bb787dba2f7e7";
    fs_err::write(dir.join(image).join("manifest.json"), "{").unwrap();
    copy(&dir.join("copy-images.in/host/images"), &dir.join("damaged"));
    fs_err::copy(cases.join("../provision/wrong/unit-late.load.ign"), dir.join("late.ign")).unwrap();
    scratch
}

fn copy(what: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([what, to]).status().unwrap().success());
}

fn run(dir: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_storagectl"))
        .args(words)
        .current_dir(dir)
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}
