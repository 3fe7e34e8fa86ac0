//! What show-image, list-images --store and remove-images say and do, held against real engines.

mod removed;
mod shown;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::build::CRUN;
use crate::build::image::{Layer, Layout, Tar, gzipped};
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::cri::{START, STOP, client};
use crate::hosts::program;
use crate::support::{finish, run, storagectl, text};

/// Shell that puts the directories of a host in their places, before an engine is asked.
const PLACE: &str =
    "mkdir -p /var/lib/containers; mount --bind \"$HOST/var/lib/containers\" /var/lib/containers
    mount --bind \"$HOST/srv\" /srv
    export CONTAINERS_STORAGE_CONF=\"$HOST/etc/containers/storage.conf\"\n";

/// What an engine has mounted there would be in the way of removing it.
const CLEAR: &str = "\numount /var/lib/containers/storage/overlay 2>/dev/null || :";

/// A tree with an own storage and stores below /srv, for all engines.
struct Host {
    scratch: tempfile::TempDir,
    layout: Layout,
}

fn layer(name: &str) -> Layer {
    gzipped(&Tar::default().file(name, name.as_bytes()).finish())
}

impl Host {
    /// It lists `stores`, in this order.
    fn new(stores: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        run(Command::new("chmod").arg("0755").arg(scratch.path()));
        let mut layout = Layout::new(&scratch.path().join("oci"));
        for (name, more) in [("one", "one"), ("two", "two"), ("three", "three"), ("four", "four")] {
            layout.image(name, "amd64", &[layer("base"), layer(more)]);
        }
        let host = Self { scratch, layout };
        for dir in ["etc/containers", "var/lib/containers/storage", "srv"] {
            fs_err::create_dir_all(host.at(dir)).unwrap();
        }
        for store in stores {
            run(storagectl(&["init-store", "-q"]).arg(host.at("srv").join(store)));
        }
        host.list(stores);
        host
    }

    fn list(&self, stores: &[&str]) {
        let stores: Vec<String> = stores.iter().map(|store| format!("\"/srv/{store}\"")).collect();
        let conf = format!(
            "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/c\"\ngraphroot = \"/var/lib/containers/storage\"\n
[storage.options]\nadditionalimagestores = [{}]\n",
            stores.join(", ")
        );
        fs_err::write(self.at("etc/containers/storage.conf"), conf).unwrap();
    }

    fn at(&self, path: &str) -> PathBuf {
        self.scratch.path().join(path)
    }

    /// Adds an image under a name to a store, or to the own storage.
    fn add(&self, store: &str, name: &str, image: &str) {
        let source = format!("{name}={}", self.layout.source(image));
        run(storagectl(&["build-store", "-q", "--no-sync", "-o"]).arg(self.at(store)).arg(source));
    }

    fn storagectl(&self, args: &[&str]) -> Command {
        let mut command = storagectl(&["--root"]);
        command.arg(self.scratch.path()).args(args);
        command
    }

    /// The JSON that a command writes.
    #[track_caller]
    fn json(&self, args: &[&str], statuses: &[i32]) -> Value {
        let output = finish(self.storagectl(args).args(["--format", "json"]));
        assert!(statuses.contains(&output.status.code().unwrap()), "{args:?}: {}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
    }

    /// What CRI-O finds for each reference: id, size and names, or nothing. It has listed its images
    /// before, as kubelets have it do all the time.
    fn ask_crio(&self, references: &[String]) -> Vec<Value> {
        let conf = self.at("etc/containers/storage.conf");
        let variables: [(&str, &Path); 8] = [
            ("HOST", self.scratch.path()),
            ("CONF", &conf),
            ("GRAPH", Path::new("/var/lib/containers/storage")),
            ("LOG", Path::new("/dev/null")),
            ("ARTIFACT_STORES", Path::new("")),
            ("ENGINE", &program("crio")),
            ("CRI", &client()),
            ("CRUN", Path::new(CRUN)),
        ];
        let find = format!(
            "\"$CRI\" /run/crio.sock images >/dev/null; \"$CRI\" /run/crio.sock find {}",
            references.join(" ")
        );
        let said = in_private(&format!("{PLACE}{START}{find}{STOP}"), &variables);
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What an engine answers to shell in which it is `$ENGINE`.
    fn ask(&self, engine: Engine, script: &str) -> String {
        let variables: [(&str, &Path); 2] = [("HOST", self.scratch.path()), ("ENGINE", &engine.program())];
        in_private(&format!("{PLACE}{script}{CLEAR}"), &variables)
    }
}
