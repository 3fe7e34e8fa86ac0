//! A store that buildah made, and ways to damage copies of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{finish, run, storagectl, text};

/// The image with three layers. It has two names.
pub(crate) const IMAGE: &str = "localhost/app:2";

/// An image that shares no layer with it.
pub(crate) const OTHER: &str = "localhost/other:1";

/// An image in another store.
pub(crate) const CONTROL: &str = "localhost/control:1";

/// A store that buildah made with this driver. Made once, and kept in the target directory.
pub(crate) fn made_by_buildah(driver: &'static str) -> PathBuf {
    static OVERLAY: OnceLock<PathBuf> = OnceLock::new();
    static VFS: OnceLock<PathBuf> = OnceLock::new();
    let made = if driver == "vfs" { &VFS } else { &OVERLAY };
    made.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/check/store.sh");
        let version = fs_err::metadata(script).unwrap().len();
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{driver}-{version}"));
        if !kept.exists() {
            let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            // Podman wants a short path for what it keeps while it runs.
            let running = tempfile::tempdir().unwrap();
            let store = dir.path().join("store");
            run(Command::new("unshare").args(["-m", script]).arg(&store).arg(running.path()).arg(driver));
            fs_err::rename(store.with_file_name("store-control"), control(&kept)).unwrap();
            fs_err::rename(store, &kept).unwrap();
        }
        kept
    })
    .clone()
}

/// The store with [`CONTROL`] beside the one that buildah made.
pub(crate) fn control(made: &Path) -> PathBuf {
    let name = made.file_name().unwrap().to_str().unwrap();
    made.with_file_name(format!("{name}-control"))
}

/// A copy of a store.
pub(crate) struct Store {
    _scratch: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Store {
    pub(crate) fn copy_of(original: &Path) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("store");
        run(Command::new("cp").arg("-a").arg(original).arg(&path));
        Self { _scratch: scratch, path }
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.at(path), content).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.at(path);
        let is_dir = path.symlink_metadata().unwrap().is_dir();
        if is_dir { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }

    /// Runs shell in the store.
    pub(crate) fn shell(&self, script: &str) {
        run(Command::new("sh").args(["-euc", script]).current_dir(&self.path));
    }

    pub(crate) fn records(&self, what: &str) -> Vec<Value> {
        let file = self.at(&format!("overlay-{what}/{what}.json"));
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    pub(crate) fn edit(&self, what: &str, edit: impl FnOnce(&mut Vec<Value>)) {
        let mut records = self.records(what);
        edit(&mut records);
        self.write(&format!("overlay-{what}/{what}.json"), Value::from(records).to_string());
    }

    /// The index of the image in images.json.
    pub(crate) fn image_index(&self, name: &str) -> usize {
        let has = |image: &Value| image["names"].as_array().unwrap().iter().any(|other| other == name);
        self.records("images").iter().position(has).unwrap()
    }

    /// Where the image keeps its documents, in the store.
    pub(crate) fn image_dir(&self, name: &str) -> String {
        let image = &self.records("images")[self.image_index(name)];
        format!("overlay-images/{}", image["id"].as_str().unwrap())
    }

    /// The file of the image's configuration, in the store.
    pub(crate) fn config_file(&self, name: &str) -> String {
        let dir = self.image_dir(name);
        let is_config = |name: &str| name.starts_with("=c2hhMjU2O");
        let files = std::fs::read_dir(self.at(&dir)).unwrap();
        let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        format!("{dir}/{}", names.find(|name| is_config(name)).unwrap())
    }

    /// The ids of [`IMAGE`]'s layers, the topmost first.
    pub(crate) fn layers(&self) -> Vec<String> {
        let images = self.records("images");
        let layers = self.records("layers");
        let mut next = images[self.image_index(IMAGE)]["layer"].as_str().map(str::to_owned);
        let mut chain = Vec::new();
        while let Some(id) = next {
            let layer = layers.iter().find(|layer| layer["id"] == id.as_str()).unwrap();
            next = layer["parent"].as_str().filter(|parent| !parent.is_empty()).map(str::to_owned);
            chain.push(id);
        }
        chain
    }

    /// What stands in the file `name` of a layer.
    pub(crate) fn layer_file(&self, id: &str, name: &str) -> String {
        std::fs::read_to_string(self.at(&format!("overlay/{id}/{name}"))).unwrap()
    }

    /// What `storagectl check-store --format json` says, with these arguments more.
    pub(crate) fn checked(&self, args: &[&str]) -> Value {
        checked(&[&[self.path.to_str().unwrap()], args].concat())
    }
}

/// What `storagectl check-store --format json` says. No host's configuration is read.
pub(crate) fn checked(args: &[&str]) -> Value {
    let none = tempfile::NamedTempFile::new().unwrap();
    let conf = format!(
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/none\"\ngraphroot = \"{}/none\"\n",
        std::env::temp_dir().display()
    );
    std::fs::write(none.path(), conf).unwrap();
    checked_with(none.path(), args)
}

/// The same with this storage.conf.
pub(crate) fn checked_with(conf: &Path, args: &[&str]) -> Value {
    let conf = conf.to_str().unwrap();
    let output =
        finish(&mut storagectl(&[&["--config", conf, "--format", "json", "check-store"], args].concat()));
    let answer: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    let errors = answer["findings"].as_array().unwrap().iter().any(|finding| finding["severity"] == "error");
    let looked = answer["not_looked"].as_array().unwrap().is_empty();
    let expected = if errors {
        1
    } else if looked {
        0
    } else {
        2
    };
    assert_eq!(output.status.code(), Some(expected), "{}", text(&output));
    answer
}
