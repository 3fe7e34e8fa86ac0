//! The collection in `ansible/`, run by Ansible on trees and as a user, and judged by its linters.

mod control;

use std::path::Path;
use std::process::Command;

use control::{Control, python_command};
use serde_json::{Value, json};

use crate::generations::seen;
use crate::support::{STORAGECTL, finish, run, storagectl, text};
use crate::tree::tree;

/// The diff of a result, as it is shown.
fn diff(result: &Value) -> String {
    let files = result["diff"].as_array().unwrap_or_else(|| panic!("{result}"));
    files.iter().map(|file| file["prepared"].as_str().unwrap()).collect()
}

fn failed(result: &Value) -> &str {
    assert_eq!(result["failed"], true, "{result}");
    result["msg"].as_str().unwrap()
}

#[test]
fn the_modules_do_in_order_what_their_tasks_say_and_nothing_twice() {
    let control = Control::new();
    let root = control.path("tree");
    fs_err::create_dir_all(format!("{root}/usr/lib/own")).unwrap();
    let conf = format!("{root}/etc/containers/storage.conf");
    let add = json!({"path": ["/var/a", "/var/b"], "init": true, "root": root});
    let first = json!({"path": "/var/b", "position": "first", "root": root});
    let before = json!({"path": "/usr/lib/own", "before": "/var/a", "root": root});
    let absent = json!({"path": "/var/b", "state": "absent", "root": root});
    let results = control.results(&[
        control.check("image_store", &add),
        json!({"ansible.builtin.stat": {"path": conf}}),
        control.task("image_store", &add),
        control.task("image_store", &add),
        control.task("image_store", &first),
        control.task("image_store", &first),
        control.task("image_store", &before),
        control.check("image_store", &absent),
        control.task("image_store_info", &json!({"root": root})),
        control.task("image_store", &absent),
        control.task("image_store", &absent),
        control.task("image_store_info", &json!({"root": root})),
        control.task("image_store", &json!({"path": [], "root": root})),
    ]);
    let changed: Vec<bool> = results.iter().map(|result| result["changed"].as_bool().unwrap()).collect();
    let wanted = [true, false, true, false, true, false, true, true, false, true, false, false, false];
    assert_eq!(changed, wanted, "{results:#?}");
    assert_eq!(results[1]["stat"]["exists"], false, "check mode writes nothing");
    assert!(diff(&results[0]).contains("+  \"/var/a\",\n+  \"/var/b\",\n"), "{results:#?}");
    assert_eq!(diff(&results[0]), diff(&results[2]));
    assert_eq!(diff(&results[3]), "");
    assert_eq!(diff(&results[7]), diff(&results[9]));
    assert_eq!(results[4]["stores"], json!([{"path": "/var/b", "result": "moved"}]));
    assert_eq!(results[2]["files"][0], json!({"path": conf, "action": "create"}));
    let listed = |result: &Value| -> Vec<String> {
        let stores = result["stores"].as_array().unwrap().iter();
        stores.map(|store| store["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&results[8]), ["/var/b", "/usr/lib/own", "/var/a"], "check mode removes nothing");
    assert_eq!(listed(&results[11]), ["/usr/lib/own", "/var/a"]);
    for engine in ["legacy4", "legacy", "modern"] {
        assert_eq!(seen(engine, Path::new(&root)), ["/usr/lib/own", "/var/a"], "{engine}");
    }
}

#[test]
fn what_the_program_refuses_fails_in_its_words_and_changes_nothing() {
    let control = Control::new();
    let root = control.path("tree");
    fs_err::create_dir_all(format!("{root}/etc/containers")).unwrap();
    fs_err::create_dir_all(format!("{root}/var/images")).unwrap();
    fs_err::write(format!("{root}/etc/containers/storage.conf"), "[storage\ndriver = \"overlay\"\n").unwrap();
    let before = tree(Path::new(&root));
    let store = |more: Value| {
        let mut options = json!({"path": "/var/images", "root": root});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    };
    let odd = |executable: &str| json!({"storagectl.storagectl.image_store": store(json!({"executable": executable}))});
    fs_err::write(control.path("silent"), "#!/bin/sh\nexit 3\n").unwrap();
    run(Command::new("chmod").args(["+x", &control.path("silent")]));
    let results = control.results(&[
        control.task("image_store", &store(json!({}))),
        control.check("image_store", &store(json!({}))),
        control.task("image_store", &store(json!({"path": "images"}))),
        control.task("image_store", &store(json!({"state": "absent", "init": true}))),
        control.task("image_store", &store(json!({"position": "first", "after": "/var/b"}))),
        odd("no-such-program"),
        odd("/no/such/program"),
        odd(&control.path("silent")),
        // Nothing takes it for an option, or expands it.
        control.task("image_store", &store(json!({"path": ["--init", "$HOME"]}))),
    ]);
    let said = finish(&mut storagectl(&["--format", "json", "--root", &root, "add-store", "/var/images"]));
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    let message = said["error"]["message"].as_str().unwrap();
    let wanted = format!("{message}; {}", said["error"]["hint"].as_str().unwrap());
    assert_eq!(failed(&results[0]).lines().next(), wanted.lines().next());
    assert_eq!(results[0]["problems"][0], said["error"]);
    assert_eq!(failed(&results[1]), failed(&results[0]));
    for (result, words) in results[2..].iter().zip([
        "`images`",
        "`init` means nothing with `state: absent`",
        "mutually exclusive",
        "`no-such-program` is not installed on this host; install the package `storagectl`",
        "`/no/such/program` is no program on this host",
        "it said nothing",
        "`--init`",
    ]) {
        assert!(failed(result).contains(words), "{words}: {result:#}");
    }
    assert_eq!(tree(Path::new(&root)), before);
}

#[test]
fn a_warning_of_the_program_is_one_of_ansibles() {
    let control = Control::new();
    let root = control.path("tree");
    fs_err::create_dir_all(format!("{root}/var/images")).unwrap();
    fs_err::create_dir_all(format!("{root}/etc/containers")).unwrap();
    // A store that went earlier.
    let conf = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\n\
        graphroot = \"/var/lib/containers/storage\"\n[storage.options]\nadditionalimagestores = [\"/var/gone\"]\n";
    fs_err::write(format!("{root}/etc/containers/storage.conf"), conf).unwrap();
    let args = ["--format", "json", "--root", &root, "add-store", "-n", "/var/images"];
    let said: Value = serde_json::from_str(&run(&mut storagectl(&args))).unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let warning = words(said["warnings"][0]["message"].as_str().unwrap());
    let task = control.task("image_store", &json!({"path": "/var/images", "root": root}));
    let output = finish(&mut control.play(&[task], &[]));
    let shown = words(&text(&output));
    assert!(output.status.success() && shown.contains(&warning), "{warning}: {shown}");
}

#[test]
fn as_a_user_the_module_edits_that_users_own_file() {
    let control = Control::new();
    let home = control.path("home");
    fs_err::create_dir_all(format!("{home}/images")).unwrap();
    run(Command::new("chown").args(["-R", "nobody", &home]));
    run(Command::new("chmod").args(["0755", &control.path("")]));
    let mut task = control.task("image_store", &json!({"path": format!("{home}/images"), "init": true}));
    let settings = json!({
        "become": true, "become_method": "su", "become_user": "nobody", "become_flags": "-s /bin/sh",
        "environment": {"HOME": home},
    });
    task.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let results = control.results(&[task.clone(), task]);
    assert_eq!(
        (&results[0]["changed"], &results[1]["changed"]),
        (&json!(true), &json!(false)),
        "{results:#?}"
    );
    let conf = fs_err::read_to_string(format!("{home}/.config/containers/storage.conf")).unwrap();
    assert!(conf.contains(&format!("\"{home}/images\"")), "{conf}");
}

/// A play of the role.
fn role(control: &Control, vars: &Value) -> Vec<Value> {
    let mut vars = vars.clone();
    vars["image_stores_executable"] = json!(control.program());
    vec![json!({
        "ansible.builtin.include_role": {"name": "storagectl.storagectl.image_stores"}, "vars": vars,
    })]
}

/// How many tasks of a run changed something.
#[track_caller]
fn changes(control: &Control, tasks: &[Value], arguments: &[&str]) -> (String, usize) {
    let said = run(&mut control.play(tasks, arguments));
    let count = said.split("changed=").nth(1).and_then(|rest| rest.split_whitespace().next());
    (said.clone(), count.unwrap_or_else(|| panic!("{said}")).parse().unwrap())
}

#[test]
fn the_role_lists_copies_and_verifies_once() {
    let control = Control::new();
    let root = control.path("tree");
    fs_err::create_dir_all(format!("{root}/usr")).unwrap();
    let tasks = role(
        &control,
        &json!({
            "image_stores_present": ["/var/b", "/var/a"],
            "image_stores_absent": ["/var/old"],
            "image_stores_copy_to": "/var/bound",
            "image_stores_copy_from": "/usr/lib/embedded",
            "image_stores_restart_crio": true,
            "image_stores_root": root,
        }),
    );
    let embedded = format!("{root}/usr/lib/embedded");
    fs_err::create_dir_all(format!("{root}/usr/lib")).unwrap();
    run(Command::new("cp").arg("-a").arg(crate::copy::machine::embedded()).arg(&embedded));
    let before = tree(Path::new(&root));
    let (said, count) = changes(&control, &tasks, &["--check", "--diff"]);
    assert!(count == 2 && said.contains("+  \"/var/b\",\n+  \"/var/a\",\n"), "{said}");
    assert_eq!(tree(Path::new(&root)), before, "check mode");
    assert_eq!(changes(&control, &tasks, &[]).1, 2);
    let (said, count) = changes(&control, &tasks, &[]);
    assert_eq!(count, 0, "{said}");
    assert_eq!(seen("legacy", Path::new(&root)), ["/var/b", "/var/a", "/var/bound"]);
    let images = run(&mut storagectl(&["--root", &root, "list-stores", "--format", "json"]));
    let images: Value = serde_json::from_str(&images).unwrap();
    assert!(images["stores"][2]["images"].as_u64().unwrap() > 0, "{images}");

    fs_err::remove_dir_all(format!("{root}/var/b")).unwrap();
    let mut again = role(&control, &json!({"image_stores_root": root}));
    let said = text(&finish(&mut control.play(&again, &[])));
    assert!(said.contains("failed=1") && said.contains("/var/b"), "{said}");
    again[0]["vars"]["image_stores_verify"] = json!(false);
    assert_eq!(changes(&control, &again, &[]).1, 0);
    again[0]["vars"]["image_stores_engine"] = json!("podman");
    let said = text(&finish(&mut control.play(&again, &[])));
    assert!(said.contains("image_stores_engine must be one of"), "{said}");
}

#[test]
fn the_linters_of_ansible_find_nothing_and_it_builds() {
    let control = Control::new();
    let collection = control.path("collections/ansible_collections/storagectl/storagectl");
    let lint = |dir: &str, arguments: &[&str]| {
        let mut command = python_command("ansible-lint");
        command.args(["--offline", "--nocolor", "--profile", "production"]).args(arguments).current_dir(dir);
        run(command
            .env("ANSIBLE_COLLECTIONS_PATH", control.path("collections"))
            .env("HOME", control.path("")));
    };
    lint(&collection, &[]);
    let generated = control.path("generated");
    fs_err::create_dir(&generated).unwrap();
    for (name, more) in [("plain.yml", None), ("collection.yml", Some("--collection"))] {
        let mut command =
            storagectl(&["generate", "ansible", "--store", "/var/images", "--preset", "fedora"]);
        command.args(["--image", "registry.example/app:1", "--store", "/usr/lib/own"]).args(more);
        run(command.arg("--output").arg(format!("{generated}/{name}")));
    }
    // How YAML is laid out is the same for all kinds.
    lint(&generated, &["--skip-list", "yaml", "plain.yml", "collection.yml"]);

    let build = ["collection", "build", "--output-path", &generated, &collection];
    run(python_command("ansible-galaxy").args(build).env("HOME", control.path("")));
    let archive = format!("{generated}/storagectl-storagectl-{}.tar.gz", env!("CARGO_PKG_VERSION"));
    let files = run(Command::new("tar").args(["-tf", &archive]));
    assert!(files.lines().any(|file| file == "plugins/modules/image_store.py"), "{files}");
}

#[test]
#[expect(clippy::disallowed_macros, reason = "what is not tested is told")]
fn what_the_modules_document_is_what_they_take() {
    let control = Control::new();
    let collection = control.path("collections/ansible_collections/storagectl/storagectl");
    let mut command = python_command("ansible-test");
    command.args(["sanity", "--color", "no", "--python", "default"]);
    for test in ["validate-modules", "runtime-metadata", "ignores", "shebang", "use-argspec-type-path"] {
        command.args(["--test", test]);
    }
    let checked = finish(
        command.env("HOME", control::ansible_test_home()).env("LC_ALL", "C.UTF-8").current_dir(collection),
    );
    if text(&checked).contains("cannot be executed with Python version") {
        // It lags behind Python by a year or so.
        println!("{}", text(&checked));
    } else {
        assert!(checked.status.success(), "{}", text(&checked));
    }
    let version = run(Command::new(STORAGECTL).arg("--version"));
    let galaxy = include_str!("../../ansible/galaxy.yml");
    assert!(galaxy.contains(&format!("\nversion: {}\n", version.trim_start_matches("storagectl ").trim())));
}
