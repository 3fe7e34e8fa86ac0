//! Every kind of damage of docs/damage-table.md, with the damaged store listed: doctor says so, or says
//! which command reads more, and `--fix` makes none of it worse.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::check::cases::{Case, all};
use crate::check::store::{Store, made_by_buildah};
use crate::judged::main_with;
use crate::support::{finish, storagectl, text};
use crate::tree::stamps;

#[test]
fn doctor_leads_from_every_damage_to_what_helps() {
    let original = made_by_buildah("overlay");
    let cases: Vec<Case> = all().into_iter().filter(|case| !case.read_only).collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let store = Store::copy_of(&original);
                    (case.damage)(&store);
                    let found = leads(case, &store);
                    wrong.lock().unwrap().extend(found.into_iter().map(|it| format!("{}: {it}", case.name)));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where doctor does not lead on.
fn leads(case: &Case, store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    let tree = store.path.parent().unwrap();
    let name = store.path.file_name().unwrap().to_str().unwrap();
    let conf = tree.join("etc/containers/storage.conf");
    fs_err::create_dir_all(conf.parent().unwrap()).unwrap();
    fs_err::write(&conf, main_with(&format!("\"/{name}\""))).unwrap();
    let at = tree.to_str().unwrap();
    let doctor = |args: &[&str]| finish(&mut storagectl(&[&["--root", at, "doctor"], args].concat()));
    let page: Value = serde_json::from_slice(&doctor(&["--format", "json"]).stdout).unwrap();
    let told = |key: &str| page[key].as_array().unwrap().clone();
    let findings = told("findings");
    let is_told =
        |id: &Value| findings.iter().any(|it| it["id"] == *id && !it["hint"].as_str().unwrap().is_empty());
    let checked = store.checked(&[]);
    for finding in checked["findings"].as_array().unwrap() {
        let id = &finding["id"];
        let is_counted = finding["severity"] != "error" || finding["for_users"] == true;
        let is_in_the_count = is_counted && page["warnings"]["check_store"] != 0;
        if !is_told(id) && !is_in_the_count && finding["severity"] != "note" {
            wrong.push(format!("{id} is not told"));
        }
    }
    // What is not found so quickly is found by the command that the page names.
    let text_of = text(&doctor(&[]));
    let is_readable = told("storages").iter().any(|it| it["images"].as_u64().is_some_and(|count| count > 0));
    if is_readable && !text_of.contains("`storagectl check-store --deep`") {
        wrong.push("the page does not lead to --deep".to_owned());
    }
    if !case.harmless && findings.is_empty() && page["warnings"]["check_store"] == 0 && !is_readable {
        wrong.push("nothing is said".to_owned());
    }
    let now = || store.path.is_dir().then(|| stamps(&store.path));
    let before = now();
    let fixed = doctor(&["--fix", "--remove"]);
    if fixed.status.code().is_none_or(|code| code > 1) {
        wrong.push(text(&fixed));
    }
    if before != now() {
        wrong.push("--fix has changed the store".to_owned());
    }
    wrong
}
