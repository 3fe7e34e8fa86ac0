//! Embedded images, and a host to copy them to.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use crate::check::store::checked;
use crate::registry::{images, registry};
use crate::support::{finish, run, storagectl, text};

/// What image builds do, without their pull secret.
const EMBED: &str = r#"for img in "$@"; do
    sha="$(echo "$img" | sha256sum | cut -d' ' -f1)"
    skopeo copy -q --all --preserve-digests "docker://$img" "dir:$DIR/$sha"
    echo "$img,$sha" >>"$DIR/image-list.txt"
done"#;

/// What hosts do at each start.
pub(super) const COPY: &str = r#"while IFS="," read -r img sha; do
    skopeo copy -q --preserve-digests "dir:$DIR/$sha" "containers-storage:$img"
done <"$DIR/image-list.txt""#;

/// All images of the registry, embedded by the shell loop. Nobody changes it.
pub(crate) fn embedded() -> &'static Path {
    static EMBEDDED: OnceLock<PathBuf> = OnceLock::new();
    EMBEDDED.get_or_init(|| {
        let kept = env!("CARGO_TARGET_TMPDIR");
        // Nobody removes it when this process ends, so those of earlier ones go now.
        let old = ["-maxdepth", "1", "-name", "embedded-*", "-mmin", "+120", "-exec", "rm", "-r", "{}", "+"];
        run(Command::new("find").arg(kept).args(old));
        let dir = tempfile::Builder::new().prefix("embedded-").tempdir_in(kept).unwrap().keep();
        let mut command = Command::new("sh");
        command.args(["-euc", EMBED, "sh"]).args(images()).env("DIR", &dir);
        run(registry().serve(&mut command));
        dir
    })
}

/// The reference of an image of the registry.
pub(crate) fn reference(name: &str) -> String {
    registry().reference(name)
}

/// The two places that images are copied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Main,
    Store,
}

/// A host with nothing but a configuration.
pub(super) struct Machine {
    scratch: tempfile::TempDir,
}

impl Machine {
    pub(super) fn new() -> Self {
        let machine = Self { scratch: tempfile::tempdir().unwrap() };
        machine.configure("overlay");
        machine
    }

    pub(super) fn configure(&self, driver: &str) {
        let dir = self.scratch.path().display();
        let conf = format!(
            "[storage]\ndriver = \"{driver}\"\nrunroot = \"{dir}/run\"\ngraphroot = \"{dir}/graph\"\n"
        );
        std::fs::write(self.at("storage.conf"), conf).unwrap();
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.scratch.path().join(path)
    }

    /// The storage that images are copied to.
    pub(super) fn storage(&self, way: Way) -> PathBuf {
        self.at(if way == Way::Main { "graph" } else { "bound" })
    }

    /// A copy of the embedded images that may be changed.
    pub(super) fn source(&self) -> PathBuf {
        let source = self.at("embedded");
        run(Command::new("cp").arg("-a").arg(embedded()).arg(&source));
        source
    }

    /// copy-images, with more arguments.
    pub(super) fn command(&self, way: Way, source: &Path, args: &[&str]) -> Command {
        let mut command = storagectl(&["--config"]);
        command.arg(self.at("storage.conf")).args(["copy-images", "--source"]).arg(source);
        if way == Way::Store {
            command.arg("--store").arg(self.storage(way));
        }
        command.args(args);
        command
    }

    #[track_caller]
    pub(super) fn copy(&self, way: Way, source: &Path) -> Value {
        self.ends(way, source, &[], 0)
    }

    /// Copies, and returns the document after this exit status.
    #[track_caller]
    pub(super) fn ends(&self, way: Way, source: &Path, args: &[&str], status: i32) -> Value {
        let output = finish(self.command(way, source, args).args(["--format", "json"]));
        document(&output, status)
    }

    /// Nothing is wrong with what was copied, to its last byte.
    #[track_caller]
    pub(super) fn assert_sound(&self, way: Way) {
        let answer = checked(&[self.storage(way).to_str().unwrap(), "--deep"]);
        let found: Vec<&Value> =
            answer["findings"].as_array().unwrap().iter().filter(|it| it["severity"] == "error").collect();
        assert!(found.is_empty(), "{found:#?}");
        for dir in ["overlay", "overlay-layers"] {
            let names = crate::tree::names(&self.storage(way).join(dir));
            assert!(!names.iter().any(|name| name.starts_with(".storagectl")), "{names:?}");
        }
    }
}

#[track_caller]
pub(super) fn document(output: &Output, status: i32) -> Value {
    assert_eq!(output.status.code(), Some(status), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

/// The references with this state.
pub(super) fn with_state(document: &Value, state: &str) -> Vec<String> {
    let images = document["images"].as_array().unwrap().iter();
    images
        .filter(|image| image["state"] == state)
        .map(|image| image["reference"].as_str().unwrap().to_owned())
        .collect()
}

/// Removes an image of a list.
pub(super) fn unlist(source: &Path, reference: &str) {
    let file = source.join("image-list.txt");
    let list = std::fs::read_to_string(&file).unwrap();
    let rest: String = list
        .lines()
        .filter(|line| !line.starts_with(&format!("{reference},")))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert_ne!(rest, list);
    std::fs::write(file, rest).unwrap();
}

/// The directory of an image.
pub(super) fn directory(source: &Path, reference: &str) -> PathBuf {
    let list = std::fs::read_to_string(source.join("image-list.txt")).unwrap();
    let line = list.lines().find_map(|line| line.strip_prefix(&format!("{reference},")));
    source.join(line.unwrap())
}
