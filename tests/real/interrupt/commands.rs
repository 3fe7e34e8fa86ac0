//! Every command that writes, with one of its system calls failing: what is said is so, and the
//! next run finishes the work and clears up.
//!
//! Of calls that are alike, the first fails; of kinds, each third one, and in the long run
//! (`make torture`) all.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Output};

use super::fault::{calls, is_looked_at};
use super::{CONF, Scene, write};
use crate::build::image::{Layout, Tar, digest, gzipped};
use crate::strace::{Call, own, tamper, trace, tried};
use crate::support::{finish, run, storagectl, text};
use crate::tree::Tree;

const MAIN: &str = "etc/containers/storage.conf";

fn make(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
}

fn on(dir: &Path, args: &[&str]) {
    run(storagectl(&["--root", &dir.to_string_lossy()]).args(args));
}

/// A host with two stores, one of which is listed.
fn host(dir: &Path) {
    write(&dir.join(MAIN), CONF);
    for store in ["srv", "images"] {
        make(&dir.join(store));
    }
}

/// An image of two layers, in an OCI layout.
fn image(dir: &Path) {
    let layers = ["one", "two"]
        .map(|name| gzipped(&Tar::default().dir("d").file(&format!("d/{name}"), name.as_bytes()).finish()));
    Layout::new(&dir.join("oci")).image("app", "amd64", &layers);
}

#[test]
fn add_store() {
    let scene = Scene::new(host, &["--root", "@DIR@", "add-store", "--init", "/new"]);
    assert_honest_and_finished(&scene);
}

#[test]
fn remove_store() {
    let scene = Scene::new(host, &["--root", "@DIR@", "remove-store", "/srv"]);
    assert_honest_and_finished(&scene);
}

#[test]
fn apply() {
    let declared = |dir: &Path| {
        host(dir);
        make(&dir.join("vendor"));
        write(&dir.join("usr/lib/storagectl/stores.d/app.toml"), "[[store]]\npath = \"/images\"\n");
        let list = "[storage.options]\nadditionalimagestores = [\"/vendor\"]\n";
        write(&dir.join("usr/share/containers/storage.conf.d/00-vendor.conf"), list);
    };
    assert_honest_and_finished(&Scene::new(declared, &["--root", "@DIR@", "apply"]));
}

#[test]
fn init_store() {
    let scene = Scene::new(host, &["--root", "@DIR@", "init-store", "/new", "--declare", "app"]);
    assert_honest_and_finished(&scene);
}

#[test]
fn check_config_fix() {
    let wrong = |dir: &Path| {
        host(dir);
        write(&dir.join(MAIN), &CONF.replace("\"/srv\", # ours", "\"/srv\",\n  \"/srv/\","));
    };
    assert_honest_and_finished(&Scene::new(wrong, &["--root", "@DIR@", "check-config", "--fix"]));
}

#[test]
fn generate() {
    let given = |dir: &Path| write(&dir.join("machine.yaml"), "variant: fcos\nversion: 1.5.0\n");
    let args = ["generate", "butane", "--store", "/var/images", "--from", "@DIR@/machine.yaml"];
    let scene = Scene::new(given, &[&args[..], &["-o", "@DIR@/new.yaml"]].concat());
    assert_honest_and_finished(&scene);
}

#[test]
fn scriptlets() {
    let installed = |dir: &Path| on(dir, &["scriptlet", "post", "1", "/images"]);
    for (args, was_there) in [(["post", "1"], false), (["preun", "0"], true)] {
        let set_up = |dir: &Path| {
            host(dir);
            if was_there {
                installed(dir);
            }
        };
        let scene =
            Scene::new(set_up, &[&["--root", "@DIR@", "scriptlet"], &args[..], &["/images"]].concat());
        // What %preun took off is told to %postun as long as it can be; that it is off counts.
        let record = Path::new("usr/lib/sysimage/storagectl/images.json");
        assert_honest_and_finished_but(&scene, was_there.then_some(record));
    }
}

#[test]
fn build_store() {
    for out in ["store", "store.tar", "store.squashfs"] {
        let to = format!("@DIR@/{out}");
        let args = ["build-store", "--jobs", "1", "-o", &to, "localhost/app:1=oci:@DIR@/oci:app"];
        assert_honest_and_finished(&Scene::new(image, &args));
    }
}

/// A run that was killed in an empty store leaves files that no list names, and no damage.
#[test]
fn a_build_that_was_killed_leaves_no_damage() {
    let empty = |dir: &Path| {
        image(dir);
        run(storagectl(&["init-store"]).arg(dir.join("store")));
    };
    let args = ["build-store", "--jobs", "1", "-o", "@DIR@/store", "localhost/app:1=oci:@DIR@/oci:app"];
    let scene = Scene::new(empty, &args);
    let (_, calls) = trace(&scene.command());
    let names = ["mkdirat", "renameat", "renameat2"];
    let calls: Vec<&Call> = own(&calls).iter().filter(|call| names.contains(&call.name.as_str())).collect();
    assert!(calls.len() > 10, "{calls:?}");
    for call in calls {
        scene.reset();
        tamper(&[&call.inject("signal=KILL")], &scene.command());
        let checked = finish(storagectl(&["check-store", "--deep"]).arg(scene.dir().join("store")));
        assert!(checked.status.success(), "killed at {}\n{}", call.line, text(&checked));
    }
}

#[test]
fn seal_store() {
    let built = |dir: &Path| {
        image(dir);
        let image = format!("localhost/app:1=oci:{}:app", dir.join("oci").display());
        run(storagectl(&["build-store", "-o"]).arg(dir.join("store")).arg(image));
    };
    for out in ["sealed.tar", "sealed.squashfs"] {
        let to = format!("@DIR@/{out}");
        let args = ["seal-store", "--jobs", "1", "@DIR@/store", "-o", &to];
        assert_honest_and_finished(&Scene::new(built, &args));
    }
}

/// Two images, embedded as skopeo writes them.
fn embedded(dir: &Path) {
    image(dir);
    for name in ["app", "other"] {
        let reference = format!("example.com/{name}:1");
        let directory = hex(format!("{reference}\n").as_bytes());
        let from = format!("oci:{}:app", dir.join("oci").display());
        let to = format!("dir:{}", dir.join("embedded").join(&directory).display());
        make(&dir.join("embedded"));
        run(Command::new("skopeo").args(["copy", "-q", "--preserve-digests", &from, &to]));
        let list = dir.join("embedded/image-list.txt");
        let before = std::fs::read_to_string(&list).unwrap_or_default();
        write(&list, &format!("{before}{reference},{directory}\n"));
    }
    // Where it is used, not where it is made.
    let host = dir.with_file_name("host").display().to_string();
    let roots = format!("runroot = \"{host}/run\"\ngraphroot = \"{host}/graph\"\n");
    write(&dir.join("storage.conf"), &format!("[storage]\ndriver = \"overlay\"\n{roots}"));
}

fn hex(bytes: &[u8]) -> String {
    digest(bytes).trim_start_matches("sha256:").to_owned()
}

#[test]
fn copy_images() {
    let args = ["--config", "@DIR@/storage.conf", "copy-images", "--source", "@DIR@/embedded"];
    let more = ["--store", "@DIR@/bound", "--jobs", "1", "--retries", "0"];
    assert_honest_and_finished(&Scene::new(embedded, &[&args[..], &more].concat()));
}

/// A host with a store of two images that share a layer, one of which is to go.
fn with_images(dir: &Path) {
    let layer = |name: &str| gzipped(&Tar::default().file(name, name.as_bytes()).finish());
    let mut layout = Layout::new(&dir.join("oci"));
    layout.image("app", "amd64", &[layer("base"), layer("app"), layer("more")]);
    layout.image("other", "amd64", &[layer("base"), layer("other")]);
    let conf = CONF.replace("/srv", "/store");
    write(&dir.join(MAIN), &conf);
    let sources =
        ["app", "other"].map(|name| format!("localhost/{name}:1=oci:{}:{name}", dir.join("oci").display()));
    run(storagectl(&["build-store", "-o"]).arg(dir.join("store")).args(sources));
}

const REMOVE: [&str; 5] = ["--root", "@DIR@", "remove-images", "/store", "localhost/app:1"];

#[test]
fn remove_images() {
    assert_honest_and_finished(&Scene::new(with_images, &REMOVE));
}

/// At every instant the store is sound, and the next run leaves nothing behind.
#[test]
fn remove_images_that_is_killed_leaves_no_damage_and_is_finished() {
    let scene = Scene::new(with_images, &REMOVE);
    let (_, after) = scene.before_and_after();
    let after = settled(after);
    let mut killed = 0;
    super::kill::at_each_call(&scene, &mut |call| {
        let checked = finish(storagectl(&["check-store", "--deep"]).arg(scene.dir().join("store")));
        assert!(checked.status.success(), "killed at {}\n{}", call.line, text(&checked));
        run(&mut scene.command());
        let finished = settled(scene.tree());
        assert!(finished == after, "killed at {}\n{}", call.line, differences(&finished, &after));
        killed += 1;
    });
    assert!(killed > 30, "{killed}");
}

#[test]
fn embed_images_prunes() {
    let args = ["embed-images", "--into", "@DIR@/embedded", "--jobs", "1", "--prune", "example.com/app:1"];
    assert_honest_and_finished(&Scene::new(embedded, &args));
}

#[track_caller]
fn assert_honest_and_finished(scene: &Scene) {
    assert_honest_and_finished_but(scene, None);
}

/// Lets calls fail in turn, and collects what is wrong then; what is in `record` does not count.
#[track_caller]
fn assert_honest_and_finished_but(scene: &Scene, record: Option<&Path>) {
    let settled = |mut tree: Tree| {
        if let Some(record) = record {
            tree.remove(record);
        }
        settled(tree)
    };
    let (before, after) = scene.before_and_after();
    let (before, after) = (settled(before), settled(after));
    let mut wrong = Vec::new();
    let calls = of_each_kind(calls(scene));
    for call in &calls {
        scene.reset();
        let output = tamper(&[&call.inject("error=EIO")], &scene.command());
        let found = settled(scene.tree());
        if let Some(what) = untruth(&output, &found, &before, &after) {
            wrong.push(format!("{what}: EIO from {}\n{}", call.line, text(&output)));
        }
        if found == after {
            continue;
        }
        let again = finish(&mut scene.command());
        let mut finished = settled(scene.tree());
        // A directory that is empty and could not be removed is in nobody's way.
        finished.retain(|path, node| node.content.is_some() || after.contains_key(path));
        if !again.status.success() || finished != after {
            let differ = differences(&finished, &after);
            let again = text(&again);
            wrong.push(format!("not finished: EIO from {}\n{}\n{again}{differ}", call.line, text(&output)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), calls.len(), wrong.join("\n"));
}

/// Without what differs from run to run: who has written last, when files were made, in which
/// order images came.
fn settled(mut tree: Tree) -> Tree {
    for (path, node) in &mut tree {
        let is_own = path.extension().is_some_and(|end| end == "lock");
        if is_own || path.ends_with(".storagectl-images.json") {
            node.content = Some(String::new());
        }
        if path.ends_with("images.json") || path.ends_with("layers.json") {
            let text = node.content.take().unwrap_or_default();
            let mut parts: Vec<&str> = text.split(['[', ']', '{', '}', ',']).collect();
            parts.sort_unstable();
            node.content = Some(parts.join(","));
        }
    }
    tree
}

fn differences(found: &Tree, wanted: &Tree) -> String {
    let paths = found.keys().chain(wanted.keys()).collect::<std::collections::BTreeSet<_>>();
    let differ = paths.into_iter().filter(|path| found.get(*path) != wanted.get(*path));
    differ.map(|path| format!("  {}\n", path.display())).collect()
}

/// What is said and is not so.
fn untruth(output: &Output, found: &Tree, before: &Tree, after: &Tree) -> Option<&'static str> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let is_left = found.keys().any(|path| path.to_string_lossy().contains("storagectl-new"));
    let said = text(output);
    let is_told = ["error: ", "error[", "warning: "].iter().any(|word| said.contains(word));
    match output.status.code() {
        Some(0) if found == after => None,
        Some(0) if stderr.is_empty() => Some("success is said, and it is not so"),
        Some(0) => None,
        Some(1 | 2) if !is_told => Some("the error is not said"),
        Some(1 | 2) if is_left => Some("a temporary file is left"),
        Some(1 | 2) => {
            let is_told = stderr.contains("; before that, ") || said.contains("copied `");
            let is_old = stderr.contains("as it was") && !is_told;
            let is_old = is_old || stderr.contains("nothing was changed");
            (is_old && !same_files(found, before)).then_some("`as it was` is said, and it is not so")
        }
        _ => Some("neither success nor an error"),
    }
}

/// Directories may have been made before a file could not be.
fn same_files(one: &Tree, other: &Tree) -> bool {
    let files = |tree: &Tree| {
        let files = tree.iter().filter(|(_, node)| node.content.is_some());
        files.map(|(path, node)| (path.clone(), node.clone())).collect::<Tree>()
    };
    files(one) == files(other)
}

/// The calls whose failure is worth a look: one of each kind.
fn of_each_kind(calls: Vec<Call>) -> Vec<Call> {
    let mut seen = HashSet::new();
    let is_new = |call: &Call| {
        let kind: String = call.line.chars().filter(|it| !it.is_ascii_hexdigit()).take(160).collect();
        seen.insert(kind)
    };
    tried(calls.into_iter().filter(is_looked_at).filter(is_new).collect(), 40)
}
