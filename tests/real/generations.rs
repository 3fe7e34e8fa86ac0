//! A store that is added on a host with a vendor's drop-in is seen by the real
//! storage library of every generation, whatever the form of the main file.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::hosts::program;
use crate::podman::forms;
use crate::support::{run, scratch_in_memory, storagectl};

/// What reads a host as podman 4, podman 5 and podman 6 do.
pub(crate) const ENGINES: [&str; 3] = ["legacy4", "legacy", "modern"];

const VENDOR: &str = "[storage.options]\nadditionalimagestores = [\"/srv/vendor\"]\n";

/// The stores that an engine sees on the host below `root`.
#[track_caller]
pub(crate) fn seen(engine: &str, root: &Path) -> Vec<String> {
    let printed = run(Command::new(program(engine)).arg(root).arg("0"));
    let settings: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(settings["error"], Value::Null, "{engine}: {printed}");
    let stores = settings["stores"].as_array().cloned().unwrap_or_default();
    stores.iter().map(|store| store.as_str().unwrap().to_owned()).collect()
}

fn host(form: &str) -> tempfile::TempDir {
    let tree = scratch_in_memory();
    let root = tree.path().display().to_string();
    for store in ["/srv/store", "/srv/other", "/srv/vendor"] {
        run(&mut storagectl(&["--root", &root, "--quiet", "init-store", store]));
    }
    let text = form
        .replace("@OTHER@", "/srv/other")
        .replace("@RUNROOT@", "/run/storage")
        .replace("@GRAPHROOT@", "/var/storage");
    fs_err::create_dir_all(tree.path().join("etc/containers")).unwrap();
    fs_err::write(tree.path().join("etc/containers/storage.conf"), text).unwrap();
    let drop_ins = tree.path().join("usr/share/containers/storage.rootful.conf.d");
    fs_err::create_dir_all(&drop_ins).unwrap();
    fs_err::write(drop_ins.join("00-vendor.conf"), VENDOR).unwrap();
    tree
}

#[test]
fn every_engine_sees_a_store_whatever_the_form_of_the_main_file() {
    let bom = ("a_byte_order_mark", "\u{feff}[storage.options]\nadditionalimagestores = []\n".to_owned());
    for (name, form) in forms::all().into_iter().chain([bom]) {
        let tree = host(&form);
        let root = tree.path().display().to_string();
        // podman 4 stops at a byte order mark, and on a file that sets nothing, before.
        let engines = if name == "a_byte_order_mark" { &ENGINES[1..] } else { &ENGINES };
        let modern_before = seen("modern", tree.path());
        assert_eq!(modern_before, ["/srv/vendor"], "{name}");

        run(&mut storagectl(&["--root", &root, "add-store", "/srv/store"]));
        for engine in engines {
            let stores = seen(engine, tree.path());
            let times = stores.iter().filter(|store| *store == "/srv/store").count();
            assert_eq!(times, 1, "{name}, {engine}: {stores:?}");
        }
        assert_eq!(seen("modern", tree.path()), ["/srv/vendor", "/srv/store"], "{name}");

        run(&mut storagectl(&["--root", &root, "remove-store", "/srv/store"]));
        for engine in engines {
            assert!(!seen(engine, tree.path()).contains(&"/srv/store".to_owned()), "{name}, {engine}");
        }
        assert_eq!(seen("modern", tree.path()), modern_before, "{name}");
    }
}
