//! What the simple kinds of documents make of a node, when what reads them does so:
//! systemd-tmpfiles, buildah, anaconda's parser and a shell, a YAML parser, Ansible,
//! CRI-O. Then real podman starts on the node, and the library of every generation
//! sees exactly the stores.

mod node;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use node::Node;
use serde_json::Value;
use storagectl::provision::{NodeModel, NodeStore, Preset, SimpleKind};

use crate::registry::registry;
use crate::support::{IMAGE, STORAGECTL, copy_program, copy_store, run, storagectl};

/// Everything that some language would take for something else, in lines.
const ODD: &str = "# END {{ x }} {% raw %} {# c #} $(false) `false` $HOME \\x41 \\n %% %h 'q' \"q\" <<END\n\
    \t# a tab, and blanks behind  \n\
    \u{20}# indented: yes\n\n\
    [storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\n\
    graphroot = \"/var/lib/containers/storage\" # \u{fc}\n\n\
    [other]\ntext = '''\nEND\n---\n- a: b\n\\\n'''\n\
    [storage.options]\nadditionalimagestores = []\n";

/// What no here-document can hold: carriage returns, the end of a section, no final newline.
const ODDER: &str = "[storage]\r\ndriver = \"overlay\"\r\nrunroot = \"/run/containers/storage\"\r\n\
    graphroot = \"/var/lib/containers/storage\"\r\n[other]\r\ntext = '''\r\n%end\r\n'''\r\n\
    [storage.options]\r\nadditionalimagestores = []";

/// A path that has to be quoted in all of them.
const ODD_STORE: &str = "/var/odd 'name' 100% {{ x }} \\x41 \"q\" \u{fc} #1";

/// The nodes that each kind has to set up.
fn models() -> Vec<(&'static str, NodeModel)> {
    let model = |preset: &str, stores: &[(&str, u32)]| {
        let stores = stores.iter().map(|&(path, mode)| NodeStore::new(path, mode)).collect();
        NodeModel::new(Preset::named(preset).unwrap(), stores)
    };
    let mut odd = model("none", &[(ODD_STORE, 0o711), ("/var/images", 0o755)]);
    odd.base = ODD.to_owned();
    let mut fedora = model("fedora", &[("/var/images", 0o755)]);
    fedora.images = vec!["registry.example/app:1".to_owned()];
    let mut odder = model("none", &[("/var/images", 0o750)]);
    odder.base = ODDER.to_owned();
    vec![
        ("plain", model("none", &[("/var/images", 0o755)])),
        ("fedora", fedora),
        ("odd", odd),
        ("odder", odder),
    ]
}

#[track_caller]
fn written(kind: SimpleKind, model: &NodeModel) -> String {
    kind.write(model, "# Made by a test\n").unwrap().text
}

/// Has `apply` set up a node for each model by a document of `kind`, and looks at it.
#[track_caller]
fn check(kind: SimpleKind, apply: impl Fn(&Node, &str)) {
    for (name, mut model) in models() {
        let with_units = kind != SimpleKind::Tmpfiles;
        if !with_units {
            model.images.clear();
        }
        let node = Node::new(&model);
        apply(&node, &written(kind, &model));
        let what = format!("{kind:?}, {name}");
        node.check(&what);
        if with_units {
            node.check_units(&what);
        }
        node.check_podman(&what);
    }
}

/// A program that tests/python/install.sh has installed.
pub(crate) fn python(program: &str) -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    let bin = BIN.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/install.sh");
        run(&mut Command::new(script)).trim_end().into()
    });
    bin.join(program)
}

/// What a Python program prints as JSON about a file.
#[track_caller]
fn parsed(program: &str, file: &Path) -> Value {
    let printed = run(Command::new(python("python3")).arg("-c").arg(program).arg(file));
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn systemd_makes_of_a_tmpfiles_file_what_the_model_says() {
    check(SimpleKind::Tmpfiles, |node, text| {
        node.tmpfiles(text);
        // As at the next boot.
        node.tmpfiles(text);
    });
}

/// What anaconda reads, and how it runs it.
const KICKSTART: &str = "import json, sys
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion
parser = KickstartParser(makeVersion())
parser.readKickstart(sys.argv[1])
print(json.dumps([[it.interp, it.inChroot, it.errorOnFail, it.script] for it in parser.handler.scripts]))
";

#[test]
fn anaconda_reads_one_section_which_a_shell_runs_in_the_new_system() {
    check(SimpleKind::Kickstart, |node, text| {
        let file = node.job().join("stores.ks");
        fs_err::write(&file, text).unwrap();
        let scripts = parsed(KICKSTART, &file);
        let [script] = scripts.as_array().unwrap().as_slice() else { panic!("{scripts}") };
        assert!(script[1] == true && script[2] == true, "in the new system, and an error counts: {script}");
        fs_err::write(node.job().join("script"), script[3].as_str().unwrap()).unwrap();
        let run = format!("{} /run/job/script", script[0].as_str().unwrap());
        node.run(&run);
        node.run(&run);
    });
}

#[test]
fn a_kickstart_section_stops_if_the_platform_lacks_its_store() {
    let model = &models()[1].1;
    let node = Node::new(model);
    fs_err::remove_dir(node.path("/usr/lib/containers/storage")).unwrap();
    let text = written(SimpleKind::Kickstart, model);
    let script = text.split_once("%post --erroronfail\n").unwrap().1.split_once("%end").unwrap().0;
    fs_err::write(node.job().join("script"), script).unwrap();
    let said = node.run("! sh /run/job/script 2>&1");
    assert!(said.contains("/usr/lib/containers/storage is missing"), "{said}");
    assert!(!node.path("/etc/containers/storage.conf").exists());
}

#[test]
fn buildah_builds_an_image_that_boots_into_what_the_model_says() {
    check(SimpleKind::Containerfile, |node, text| {
        let context = node.job().join("context");
        fs_err::create_dir_all(context.join("rootfs/bin")).unwrap();
        run(Command::new("cp").arg("-a").arg(node.tree()).arg(context.join("rootfs/tree")));
        fs_err::copy("/bin/busybox", context.join("rootfs/bin/busybox")).unwrap();
        let start = "FROM scratch\nCOPY rootfs/bin /bin\nCOPY rootfs/tree /\n\
            RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
        fs_err::write(context.join("Containerfile"), format!("{start}{text}")).unwrap();
        let output = node.job().join("image");
        let build = "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec buildah \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", build, "buildah", "bud", "--isolation", "chroot", "--layers=false"]);
        // A container may not be allowed more.
        command.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
        command.args(["--storage-driver", "vfs", "--quiet", "--output"]).arg(&output).arg(&context);
        run(command.env("TMPDIR", node.job()));
        let var = fs_err::read_dir(output.join("var")).map(Iterator::count).unwrap_or_default();
        assert_eq!(var, 0, "an image has nothing in /var");
        for dir in ["etc", "usr"] {
            run(Command::new("cp").arg("-a").arg(output.join(dir)).arg(node.tree()));
        }
        let lines = fs_err::read_to_string(node.path("/usr/lib/tmpfiles.d/storagectl-stores.conf")).unwrap();
        node.tmpfiles(&lines);
    });
}

/// As cloud-init reads it.
const YAML: &str = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";

#[test]
fn a_cloud_config_is_one_and_does_what_the_model_says() {
    check(SimpleKind::CloudConfig, |node, text| {
        assert!(text.starts_with("#cloud-config\n"));
        let file = node.job().join("user-data");
        fs_err::write(&file, text).unwrap();
        let config = parsed(YAML, &file);
        let commands = |key: &str| {
            let lines = config[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
            format!("set -e\n{}\n", lines.collect::<Vec<_>>().join("\n"))
        };
        let run = |key: &str| {
            fs_err::write(node.job().join(key), commands(key)).unwrap();
            node.run(&format!("sh /run/job/{key}"));
        };
        // At each boot.
        run("bootcmd");
        run("bootcmd");
        for file in config["write_files"].as_array().unwrap() {
            assert_eq!(file["permissions"], "0644");
            node.put(file["path"].as_str().unwrap(), file["content"].as_str().unwrap());
        }
        run("runcmd");
    });
}

/// Runs the playbook of a node's job twice, in an environment with `exports`: the first run changes
/// something, the second one nothing.
#[track_caller]
fn plays_once(node: &Node, ansible: &Path, exports: &str, what: &str) {
    let play = format!(
        "export ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_PYTHON_INTERPRETER={} ANSIBLE_NOCOLOR=1 ANSIBLE_PIPELINING=1
        {exports}
        {} --inventory localhost, --connection local --extra-vars ansible_become=false /run/job/play.yml",
        python("python3").display(),
        ansible.display(),
    );
    let said = node.run(&format!("{play}\necho ==\n{play}"));
    let (first, second) = said.split_once("==").unwrap();
    assert!(first.contains("failed=0") && !first.contains("changed=0 "), "{what}: {first}");
    assert!(second.contains("failed=0") && second.contains("changed=0 "), "{what}: {second}");
}

#[test]
fn ansible_changes_nothing_when_it_runs_again() {
    let ansible = python("ansible-playbook");
    // It takes its time; the other two test nothing but YAML, which cloud-config is too.
    for (name, model) in models().into_iter().filter(|(name, _)| ["fedora", "odd"].contains(name)) {
        let node = Node::new(&model).with(ansible.parent().and_then(Path::parent).unwrap());
        fs_err::write(node.job().join("play.yml"), written(SimpleKind::Ansible, &model)).unwrap();
        plays_once(&node, &ansible, "", name);
        node.check(&format!("ansible, {name}"));
        node.check_units(&format!("ansible, {name}"));
        node.check_podman(&format!("ansible, {name}"));
    }
}

#[test]
fn the_collections_playbook_makes_of_a_hosts_own_file_what_the_plain_one_writes() {
    let ansible = python("ansible-playbook");
    let (_, model) = models().into_iter().find(|(name, _)| *name == "odd").unwrap();
    let node = Node::new(&model).with(ansible.parent().and_then(Path::parent).unwrap());
    node.put("/etc/containers/storage.conf", &model.base);
    let place = node.job().join("collections/ansible_collections/storagectl");
    fs_err::create_dir_all(&place).unwrap();
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/ansible");
    run(Command::new("cp").arg("-a").arg(ours).arg(place.join("storagectl")));
    copy_program(STORAGECTL, node.job().join("storagectl"));
    fs_err::write(node.job().join("play.yml"), written(SimpleKind::AnsibleCollection, &model)).unwrap();
    let exports = "export PATH=/run/job:$PATH ANSIBLE_COLLECTIONS_PATH=/run/job/collections";
    plays_once(&node, &ansible, exports, "the collection");
    node.check_stores("the collection");
    let wanted = storagectl::provision::Configuration::of(&model).unwrap().files;
    let (_, wanted) = wanted.iter().find(|(path, _)| path.ends_with("storage.conf")).unwrap();
    assert_eq!(fs_err::read_to_string(node.path("/etc/containers/storage.conf")).unwrap(), *wanted);
    node.check_podman("the collection");
}

#[test]
fn a_file_that_osbuild_makes_lists_the_same_stores() {
    for (name, model) in models() {
        // There is no drop-in, so that the vendor's would hide the list.
        let model = NodeModel { platform_versions: vec![Vec::new()], images: Vec::new(), ..model };
        let node = Node::new(&model);
        let stages: Vec<Value> = serde_json::from_str(&written(SimpleKind::Osbuild, &model)).unwrap();
        for line in stages[0]["options"]["config"].as_array().unwrap() {
            let field = |name: &str| line[name].as_str().unwrap().to_owned();
            let fields = ["type", "path", "mode", "user", "group"].map(field);
            node.tmpfiles(&format!("{}\n", fields.join(" ")));
        }
        let options = &stages[1]["options"];
        node.put(options["filename"].as_str().unwrap(), &toml("", &options["config"]));
        node.check_stores(&format!("osbuild, {name}"));
        node.check_podman(&format!("osbuild, {name}"));
    }
}

/// What osbuild-mpp, the source and the stage do with skopeo: the manifest is looked up, and an image of
/// a list chosen; its copy in a directory is put into the store under its name.
#[test]
fn images_that_osbuild_copies_are_in_the_store_under_their_names() {
    let registry = registry();
    let digest = registry.digest("app-3:1");
    let mut model =
        NodeModel::new(Preset::named("none").unwrap(), vec![NodeStore::new("/usr/lib/app/images", 0o755)]);
    model.images = ["app-4:1", "multi:1", &format!("app-3:1@{digest}")]
        .iter()
        .map(|name| registry.reference(name))
        .collect();
    let stages: Vec<Value> = serde_json::from_str(&written(SimpleKind::Osbuild, &model)).unwrap();
    let copies: Vec<&Value> = stages.iter().filter(|stage| stage["type"] == "org.osbuild.skopeo").collect();
    assert_eq!(copies.len(), model.images.len());
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let skopeo = |arguments: &[&str]| run(registry.serve(Command::new("skopeo").args(arguments)));
    for (index, stage) in copies.iter().enumerate() {
        let image = &stage["inputs"]["images"]["mpp-resolve-images"]["images"][0];
        let field = |name: &str| image[name].as_str();
        let source = field("source").unwrap();
        let from = match (field("digest"), field("tag")) {
            (Some(digest), _) => format!("docker://{source}@{digest}"),
            (None, tag) => format!("docker://{source}:{}", tag.unwrap()),
        };
        let copy = format!("dir:{}", at(&format!("image-{index}")));
        skopeo(&["copy", "-q", &from, &copy]);
        let destination = &stage["options"]["destination"];
        let path = destination["storage-path"].as_str().unwrap();
        let store = format!("[overlay@{}{path}+{}]", at("tree"), at("run"));
        skopeo(&["copy", "-q", &copy, &format!("containers-storage:{store}{}", field("name").unwrap())]);
    }
    let images = Path::new(&at("tree")).join("usr/lib/app/images/overlay-images/images.json");
    let records: Vec<Value> = serde_json::from_slice(&fs_err::read(images).unwrap()).unwrap();
    let mut names: Vec<&str> = records
        .iter()
        .flat_map(|it| it["names"].as_array().unwrap())
        .map(|it| it.as_str().unwrap())
        .collect();
    names.sort_unstable();
    let wanted = [format!("app-3@{digest}"), "app-4:1".to_owned(), "multi:1".to_owned()];
    assert_eq!(names, wanted.map(|name| registry.reference(&name)));
}

/// Tables as TOML, as the stage prints them. Strings are quoted as in JSON.
fn toml(name: &str, table: &Value) -> String {
    let (tables, values): (Vec<_>, Vec<_>) =
        table.as_object().unwrap().iter().partition(|(_, it)| it.is_object());
    let mut out = if name.is_empty() { String::new() } else { format!("[{name}]\n") };
    for (key, value) in values {
        out += &format!("{key} = {value}\n");
    }
    for (key, value) in tables {
        out += &toml(&if name.is_empty() { key.clone() } else { format!("{name}.{key}") }, value);
    }
    out
}

#[test]
fn a_drop_in_shows_the_stores_to_engines_that_read_such() {
    for (name, mut model) in models() {
        model.images.clear();
        let node = Node::new(&model);
        node.make_stores();
        node.put("/etc/containers/storage.conf", &model.base);
        let text = written(SimpleKind::DropIn, &model);
        let path = text.lines().find_map(|line| line.strip_prefix("# For ")?.strip_suffix('.')).unwrap();
        node.put(path, &text);
        let stores = crate::generations::seen("modern", &node.tree());
        let wanted = storagectl::provision::Configuration::of(&model).unwrap().stores;
        assert_eq!(stores, wanted, "{name}");
    }
}

#[test]
fn crio_sees_the_stores_of_its_own_file_behind_those_of_storage_conf() {
    for (name, mut model) in models() {
        model.images.clear();
        let node = Node::new(&model);
        node.make_stores();
        node.put("/etc/containers/storage.conf", &model.base);
        node.put("/etc/crio/crio.conf.d/50-stores.conf", &written(SimpleKind::Crio, &model));
        let listed = crio_config(&node, "storage_option");
        let ours: Vec<String> =
            model.stores.iter().map(|store| format!("overlay.imagestore={}", store.path)).collect();
        assert!(listed.ends_with(&ours), "{name}: {listed:?}");
        let others: Vec<&String> =
            listed[..listed.len() - ours.len()].iter().filter(|it| it.contains("imagestore")).collect();
        assert_eq!(others.len(), usize::from(name == "fedora"), "{name}: {listed:?}");
    }
}

#[test]
fn crio_pins_the_images_that_a_store_holds() {
    let node = Node::new(&models()[0].1);
    copy_store(&node.path("/var/images"));
    let root = node.tree().display().to_string();
    let text = run(&mut storagectl(&[
        "generate",
        "crio",
        "--root",
        &root,
        "--store",
        "/var/images",
        "--pin-images",
    ]));
    node.put("/etc/crio/crio.conf.d/50-pins.conf", &text);
    assert_eq!(crio_config(&node, "pinned_images"), [IMAGE]);
}

/// A list in what `crio config` prints: the values that CRI-O has read.
fn crio_config(node: &Node, key: &str) -> Vec<String> {
    let printed = node.run("crio config 2>/dev/null");
    let lines = printed.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let start = format!("{key} = [");
    let items = lines.skip_while(|line| *line != start).skip(1).take_while(|line| *line != "]");
    items
        .map(|line| {
            serde_json::from_str(line.trim().trim_end_matches(',')).unwrap_or_else(|_| panic!("{printed}"))
        })
        .collect()
}
