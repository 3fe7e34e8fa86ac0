//! What is made on one processor is, byte for byte, what is made on every other one.
//!
//! `STORAGECTL_PROCESSORS` has a word `NAME=PROGRAM` for each other processor, as `make
//! processors` gives them, whose programs qemu runs. Without it, the program is its own other.
#![allow(clippy::disallowed_macros, reason = "the long run prints its figures")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::image::{Layout, everything, gzipped};
use crate::build::listing::fingerprint;
use crate::pack::images::with_images;
use crate::registry::{images, registry};
use crate::support::{STORAGECTL, run};

/// The programs of other processors, by name.
fn others() -> Vec<(String, PathBuf)> {
    let given = std::env::var("STORAGECTL_PROCESSORS").unwrap_or_else(|_| format!("this={STORAGECTL}"));
    let other = |word: &str| {
        let (name, program) = word.split_once('=').expect("a word is `NAME=PROGRAM`");
        (name.to_owned(), PathBuf::from(program))
    };
    given.split_whitespace().map(other).collect()
}

/// Everything that is made of the same images, as a program makes it in `dir`: a name and a
/// digest each.
struct Made<'a> {
    program: &'a Path,
    dir: &'a Path,
    digests: Vec<(String, String)>,
}

impl Made<'_> {
    fn storagectl(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(args).current_dir(self.dir).env("SOURCE_DATE_EPOCH", "1700000000");
        registry().serve(&mut command);
        command
    }

    fn keep(&mut self, name: &str) {
        let path = self.dir.join(name);
        let digest = match path.is_dir() {
            true => fingerprint(&path),
            false => run(Command::new("sha256sum")
                .arg("--")
                .stdin(fs_err::File::open(&path).unwrap().into_parts().0)),
        };
        self.digests.push((name.to_owned(), digest));
    }

    fn say(&mut self, name: &str, said: String) {
        self.digests.push((name.to_owned(), said));
    }
}

fn make(program: &Path, dir: &Path, sources: &[String]) -> Vec<(String, String)> {
    let mut made = Made { program, dir, digests: Vec::new() };
    for output in ["store", "store.tar", "store.squashfs"] {
        let args = ["build-store", "-q", "--no-sync", "--arch", "amd64", "-o", output];
        run(made.storagectl(&args).args(sources));
        made.keep(output);
    }
    run(&mut made.storagectl(&["seal-store", "-q", "--no-sync", "-o", "sealed.squashfs", "store"]));
    made.keep("sealed.squashfs");
    let checked = run(&mut made.storagectl(&["check-store", "--deep", "--format", "json", "store"]));
    made.say("what check-store says", checked);

    // A tree has its storage.conf to itself.
    fs_err::create_dir_all(dir.join("tree/etc/containers")).unwrap();
    run(made.storagectl(&["--root", "tree", "embed-images", "-q", "--no-sync", "--all"]).args(images()));
    // Images are fetched when they are.
    run(Command::new("find").arg(dir.join("tree")).args(["-exec", "touch", "-hd", "@0", "{}", "+"]));
    made.keep("tree/usr/lib/containers/storage");
    // An image of several platforms is copied for this one alone.
    let apps: Vec<String> = images().into_iter().filter(|image| !image.contains("/multi")).collect();
    run(made
        .storagectl(&["--root", "tree", "embed-images", "-q", "--no-sync", "--all", "--prune"])
        .args(apps));
    run(&mut made.storagectl(&["--root", "tree", "copy-images", "-q", "--store", "/var/copied"]));
    let checked =
        run(&mut made.storagectl(&["check-store", "--deep", "--format", "json", "tree/var/copied"]));
    made.say("what check-store says of what was copied", checked);

    let yaml = ["sealed", "embedded", "store"].map(|payload| {
        format!(
            "  - name: {payload}-images\n    version: 1.0.0\n    path: /usr/lib/{payload}/1.0.0\n    payload: {payload}\n    \
             arch:\n      - {{name: x86_64, images: [REGISTRY/pack-owned:1, REGISTRY/app-1:1]}}\n"
        )
    });
    let yaml = format!("packages:\n{}", yaml.concat()).replace("REGISTRY", &with_images().address);
    fs_err::write(dir.join("packages.yaml"), yaml).unwrap();
    for part in ["cache", "tmp", "out"] {
        fs_err::create_dir(dir.join(part)).unwrap();
    }
    let pack = ["--cache", "cache", "--tmp", "tmp", "--output", "out", "-q"];
    run(made.storagectl(&["pack", "rpm", "packages.yaml", "fedora-41-x86_64"]).args(pack));
    run(made.storagectl(&["pack", "srpm", "packages.yaml"]).args(pack));
    for package in crate::tree::names(&dir.join("out")) {
        made.keep(&format!("out/{package}"));
    }
    for kind in ["ignition", "machineconfig", "ocne"] {
        let document = run(&mut made.storagectl(&["generate", kind, "--store", "/var/images"]));
        made.say(kind, document);
    }
    made.digests
}

#[test]
fn stores_trees_and_packages_are_the_same_bytes_on_every_processor() {
    let scratch = tempfile::tempdir().unwrap();
    let mut layout = Layout::new(&scratch.path().join("oci"));
    layout.image("all", "amd64", &everything());
    layout.image("one", "amd64", &[gzipped(b"")]);
    let sources = ["all", "one"].map(|name| format!("localhost/{name}:1={}", layout.source(name)));
    // Paths stand in what is told.
    let dir = scratch.path().join("made");
    let made = |program: &Path| {
        fs_err::create_dir(&dir).unwrap();
        let made = make(program, &dir, &sources);
        fs_err::remove_dir_all(&dir).unwrap();
        made
    };
    let ours = made(Path::new(STORAGECTL));
    for (name, program) in others() {
        let theirs = made(&program);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for ((what, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{what} of {name}");
        }
        println!("{name}: {} outputs are the same", ours.len());
    }
}
