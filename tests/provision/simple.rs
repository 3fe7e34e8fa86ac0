//! The kinds that are only written.

use serde_json::json;
use storagectl::conf::Position;
use storagectl::provision::{
    DocumentKind, GeneratedDocument, Generations, NodeModel, NodeStore, Preset, SimpleKind,
};

use crate::kinds::{model, request};

/// Of a host with another driver.
const VFS: &str = "[storage]\ndriver = \"vfs\"\nrunroot = \"/run/containers/storage\"\n\
    graphroot = \"/var/lib/containers/storage\"\n";

const KINDS: [SimpleKind; 9] = [
    SimpleKind::Tmpfiles,
    SimpleKind::DropIn,
    SimpleKind::Containerfile,
    SimpleKind::Kickstart,
    SimpleKind::CloudConfig,
    SimpleKind::Ansible,
    SimpleKind::AnsibleCollection,
    SimpleKind::Crio,
    SimpleKind::Osbuild,
];

#[track_caller]
fn written(kind: SimpleKind, model: NodeModel) -> GeneratedDocument {
    request(DocumentKind::Simple(kind), model).write().unwrap()
}

/// The document, and behind it what is said about it.
#[track_caller]
fn shown(kind: SimpleKind, model: NodeModel) -> String {
    let GeneratedDocument { text, warnings } = written(kind, model);
    let warnings: String = warnings.iter().map(|it| format!("\n[warning: {it}]")).collect();
    text + &warnings
}

#[test]
fn plain() {
    for kind in KINDS {
        insta::assert_snapshot!(format!("plain_{kind:?}"), shown(kind, model("none", &[])));
    }
}

#[test]
fn with_a_platforms_store_its_drop_in_labels_and_images() {
    for kind in
        [SimpleKind::Containerfile, SimpleKind::Kickstart, SimpleKind::CloudConfig, SimpleKind::Ansible]
    {
        let model = model("fedora", &["registry.example/app:1"]);
        insta::assert_snapshot!(format!("all_{kind:?}"), shown(kind, model));
    }
}

#[test]
fn with_a_platforms_store_and_drop_in() {
    for kind in [SimpleKind::Tmpfiles, SimpleKind::DropIn, SimpleKind::Crio, SimpleKind::Osbuild] {
        insta::assert_snapshot!(format!("fedora_{kind:?}"), shown(kind, model("fedora", &[])));
    }
}

#[test]
fn a_drop_in_has_the_whole_list_only_where_appending_is_not_enough() {
    let mut first = model("fedora", &[]);
    first.position = Position::First;
    let text = written(SimpleKind::DropIn, first).text;
    assert!(
        text.contains("  \"/var/images\",\n  \"/usr/lib/containers/storage\",\n  {append=false},"),
        "{text}"
    );
    let text = written(SimpleKind::DropIn, model("fedora", &[])).text;
    assert!(text.contains("= [\n  \"/var/images\",\n  {append=true},\n]"), "{text}");
}

#[test]
fn a_store_that_the_platform_lists_is_not_listed_twice() {
    let preset = Preset::named("fedora").unwrap();
    let own = || NodeModel::new(preset, vec![NodeStore::new("/usr/lib/containers/storage", 0o755)]);
    for kind in KINDS {
        let text = written(kind, own()).text;
        let listed = text.matches("\"/usr/lib/containers/storage\"").count();
        // One for each file.
        assert!(listed <= 2, "{kind:?}: {text}");
        assert!(!text.contains("d /usr/lib/containers/storage 0"), "{kind:?}: {text}");
    }
}

#[test]
fn what_cannot_load_images_says_so() {
    for kind in KINDS {
        let result = request(DocumentKind::Simple(kind), model("none", &["registry.example/app:1"])).write();
        match kind {
            SimpleKind::Tmpfiles | SimpleKind::DropIn | SimpleKind::Crio => {
                assert_eq!(result.unwrap_err().id, "kind-lacks", "{kind:?}");
            }
            _ => assert!(result.unwrap().text.contains("registry.example/app:1"), "{kind:?}"),
        }
    }
}

#[test]
fn osbuild_gets_a_stage_for_each_image_with_what_osbuild_mpp_resolves() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let by_digest = format!("registry.example:5000/app:1@{digest}");
    let model = model("image-builder", &["registry.example:5000/app:1", &by_digest, "app"]);
    let GeneratedDocument { text, warnings } =
        written(SimpleKind::Osbuild, NodeModel { base: VFS.to_owned(), ..model });
    let stages: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let stages = &stages[stages.len() - 3..];
    let images: Vec<_> =
        stages.iter().map(|stage| &stage["inputs"]["images"]["mpp-resolve-images"]["images"][0]).collect();
    let source = "registry.example:5000/app";
    assert_eq!(*images[0], json!({"source": source, "tag": "1", "name": "registry.example:5000/app:1"}));
    let name = format!("{source}@{digest}");
    assert_eq!(*images[1], json!({"source": source, "digest": digest, "name": name}));
    assert_eq!(*images[2], json!({"source": "app", "name": "app"}));
    for stage in stages {
        assert_eq!(stage["type"], "org.osbuild.skopeo");
        let destination =
            json!({"type": "containers-storage", "storage-path": "/var/images", "storage-driver": "vfs"});
        assert_eq!(stage["options"]["destination"], destination);
    }
    assert!(warnings.iter().any(|it| it.contains("osbuild-mpp")), "{warnings:?}");
    assert!(warnings.iter().any(|it| it.contains("\"index\": true")), "{warnings:?}");
}

#[test]
fn osbuild_takes_images_of_registries_alone() {
    for (image, id) in [
        ("oci:/var/app", "kind-lacks"),
        ("registry.example/app@sha256:12", "image-name-invalid"),
        ("registry.example/app@sha512:12", "image-name-invalid"),
    ] {
        let result = request(DocumentKind::Simple(SimpleKind::Osbuild), model("none", &[image])).write();
        assert_eq!(result.unwrap_err().id, id, "{image}");
    }
}

#[test]
fn a_kind_of_one_file_is_for_engines_that_read_it() {
    for (kind, generations) in
        [(SimpleKind::DropIn, Generations::Legacy), (SimpleKind::Osbuild, Generations::Modern)]
    {
        let mut model = model("none", &[]);
        model.generations = generations;
        assert_eq!(
            request(DocumentKind::Simple(kind), model).write().unwrap_err().id,
            "kind-lacks",
            "{kind:?}"
        );
    }
}

#[test]
fn a_containerfile_makes_no_store_that_a_booted_host_cannot() {
    let preset = Preset::named("none").unwrap();
    let of = |path, create| {
        let mut store = NodeStore::new(path, 0o755);
        store.create = create;
        request(DocumentKind::Simple(SimpleKind::Containerfile), NodeModel::new(preset, vec![store])).write()
    };
    assert_eq!(of("/data/images", true).unwrap_err().id, "kind-lacks");
    assert!(of("/data/images", false).unwrap().text.contains("RUN [ -d /data/images ] ||"));
}

#[test]
fn a_containerfile_puts_nothing_into_var() {
    for preset in ["none", "fedora"] {
        let text = written(SimpleKind::Containerfile, model(preset, &["registry.example/app:1"])).text;
        for line in text.lines().filter(|line| line.starts_with("RUN") || line.contains('>')) {
            assert!(!line.contains(">/var") && !line.contains("mkdir -p /var"), "{line}");
        }
        assert!(text.contains("'d /var/images 0755 root root -'"), "{text}");
    }
}

/// What the schema of the stage allows: stages/org.osbuild.containers.storage.conf.meta.json
/// in osbuild's repository, and the same for tmpfilesd.
#[track_caller]
fn check_stage(stage: &serde_json::Value) {
    let keys = |value: &serde_json::Value, allowed: &[&str]| {
        let map = value.as_object().unwrap_or_else(|| panic!("{value} is no object"));
        assert!(!map.is_empty(), "an object needs at least one key");
        for key in map.keys() {
            assert!(allowed.contains(&key.as_str()), "the stage does not take `{key}`");
        }
    };
    keys(stage, &["type", "options"]);
    let options = &stage["options"];
    if stage["type"] == "org.osbuild.tmpfilesd" {
        keys(options, &["filename", "config"]);
        assert!(options["filename"].as_str().unwrap().ends_with(".conf"));
        for line in options["config"].as_array().unwrap() {
            keys(line, &["type", "path", "mode", "user", "group", "age", "argument"]);
            let mode = line["mode"].as_str().unwrap();
            assert!(mode.len() == 4 && u32::from_str_radix(mode, 8).is_ok(), "{line}");
        }
        return;
    }
    assert_eq!(stage["type"], "org.osbuild.containers.storage.conf");
    keys(options, &["filename", "filebase", "comment", "config"]);
    assert_eq!(options["filename"], "/etc/containers/storage.conf");
    assert!(options["comment"].as_array().unwrap().iter().all(serde_json::Value::is_string));
    keys(&options["config"], &["storage"]);
    let storage = &options["config"]["storage"];
    keys(storage, &["driver", "graphroot", "runroot", "transient_store", "options"]);
    assert!(
        storage["driver"].is_string() && storage["graphroot"].is_string() && storage["runroot"].is_string()
    );
    assert!(storage.get("transient_store").is_none_or(serde_json::Value::is_boolean));
    let options = &storage["options"];
    keys(options, &["additionalimagestores", "pull_options", "overlay"]);
    assert!(options["additionalimagestores"].as_array().unwrap().iter().all(serde_json::Value::is_string));
    if let Some(pull) = options.get("pull_options") {
        keys(pull, &["enable_partial_images", "use_hard_links", "convert_images"]);
        assert!(pull.as_object().unwrap().values().all(|it| *it == "true" || *it == "false"), "{pull}");
    }
    if let Some(overlay) = options.get("overlay") {
        keys(overlay, &["mountopt"]);
        assert!(overlay["mountopt"].is_string());
    }
}

#[test]
fn osbuild_gets_nothing_that_its_stages_refuse_and_is_told_what_was_left_out() {
    for preset in storagectl::provision::PRESETS {
        let written = written(SimpleKind::Osbuild, model(preset.name, &[]));
        let stages: Vec<serde_json::Value> = serde_json::from_str(&written.text).unwrap();
        assert_eq!(stages.len(), 2);
        stages.iter().for_each(check_stage);
    }
    let mut odd = model("none", &[]);
    odd.base = "[storage]\ntransient_store = true\nrootless_storage_path = \"/x\"\n\
        [storage.options]\npull_options = {use_hard_links = \"maybe\", convert_images = \"true\"}\n\
        [storage.options.overlay]\nforce_mask = \"shared\"\nmountopt = \"nodev\"\n"
        .to_owned();
    let written = written(SimpleKind::Osbuild, odd);
    let stages: Vec<serde_json::Value> = serde_json::from_str(&written.text).unwrap();
    stages.iter().for_each(check_stage);
    let options = &stages[1]["options"]["config"]["storage"]["options"];
    assert_eq!(options["pull_options"]["convert_images"], "true");
    for name in [
        "storage.rootless_storage_path",
        "storage.options.pull_options.use_hard_links",
        "storage.options.overlay.force_mask",
    ] {
        let said = written.warnings.iter().any(|it| it.contains(&format!("`{name}`")));
        assert!(said, "{name}: {:?}", written.warnings);
    }
}

#[test]
fn a_play_is_not_read_as_a_template() {
    let mut odd = model("none", &[]);
    odd.stores.push(NodeStore::new("/var/{{ now }}", 0o755));
    odd.base = "# {% raw %}\n".to_owned();
    let text = written(SimpleKind::Ansible, odd).text;
    // What stands in names is shown only.
    let used: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("- name:")).collect();
    for line in used {
        let template = line.contains("{%") || (line.contains("{{") && !line.contains("b64decode }}"));
        assert!(!template, "{line}");
    }
}
