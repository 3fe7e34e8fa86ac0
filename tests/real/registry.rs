//! A real registry on loopback, with images that share layers.
//!
//! It speaks HTTP on a port that the kernel chose, and goes with this process. skopeo and
//! the engines are told so by a registries.conf of its own, see [`Registry::serve`].

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::build::image::{Layer, Layout, Tar, entry, gzipped};
use crate::support::run;

/// How many images [`images`] has that are named by their tags, for one platform each.
pub(crate) const APPS: usize = 20;

/// A registry.
pub(crate) struct Registry {
    /// Host and port.
    pub(crate) address: String,
    /// A home directory whose registries.conf allows HTTP to it.
    pub(crate) home: PathBuf,
}

/// The registry of this process, with [`images`] in it.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let registry = Registry::start(&[]);
        fill(&registry);
        registry
    })
}

/// References to all that is in the registry: `app-0:1` to `app-19:1`, the list of two
/// platforms `multi:1`, and some of them by their digests.
pub(crate) fn images() -> Vec<String> {
    let registry = registry();
    let mut images: Vec<String> =
        (0..APPS).map(|index| registry.reference(&format!("app-{index}:1"))).collect();
    images.push(registry.reference("multi:1"));
    for name in ["app-3", "app-4", "multi"] {
        let digest = registry.digest(&format!("{name}:1"));
        images.push(registry.reference(&format!("{name}@{digest}")));
    }
    images
}

impl Registry {
    /// Starts an empty one, with more settings as variables of its environment.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let config = json!({
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": dir.path().join("registry")}},
            "http": {"addr": "127.0.0.1:0"},
        });
        let file = dir.path().join("config.json");
        fs_err::write(&file, config.to_string()).unwrap();
        let log = dir.path().join("log");
        // The signal comes when the thread ends that has started it, so one is kept for it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "docker-registry", "serve"]).arg(&file);
        command.envs(settings.iter().copied()).env("OTEL_TRACES_EXPORTER", "none");
        let out = fs_err::File::create(&log).unwrap().into_parts().0;
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let (tell, told) = mpsc::channel();
        let serve = move || {
            let child = command.spawn();
            tell.send(child.as_ref().map(|_| ()).map_err(ToString::to_string)).unwrap();
            if let Ok(mut child) = child {
                let _ = child.wait();
            }
        };
        std::thread::Builder::new().spawn(serve).expect("a thread can be started");
        told.recv().unwrap().expect("setpriv is installed");
        let port = listening_port(&log);
        let address = format!("127.0.0.1:{port}");
        let home = home(dir.path(), &[&address]);
        // The directory is small, and is used until the process ends.
        let _ = dir.keep();
        Self { address, home }
    }

    /// A reference to an image in it.
    pub(crate) fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Lets the programs that `command` runs talk to it.
    pub(crate) fn serve<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        serve(&self.home, command)
    }

    /// Copies an image with everything in it, such as `oci:DIR:REF`, into it.
    #[track_caller]
    pub(crate) fn push(&self, source: &str, name: &str, more: &[&str]) {
        let mut command = Command::new("skopeo");
        command.args(["copy", "-q", "--all"]).args(more).arg(source);
        run(self.serve(command.arg(format!("docker://{}", self.reference(name)))));
    }

    /// The digest of an image's manifest, or of its list.
    #[track_caller]
    pub(crate) fn digest(&self, name: &str) -> String {
        let mut command = Command::new("skopeo");
        command.args(["inspect", "--raw"]).arg(format!("docker://{}", self.reference(name)));
        crate::build::image::digest(run(self.serve(&mut command)).as_bytes())
    }
}

/// A home directory whose registries.conf allows HTTP to these registries. Older skopeo
/// knows no variable for that file.
pub(crate) fn home(dir: &Path, addresses: &[&str]) -> PathBuf {
    let home = dir.join("home");
    fs_err::create_dir_all(home.join(".config/containers")).unwrap();
    let conf: String = addresses
        .iter()
        .map(|address| format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n"))
        .collect();
    fs_err::write(home.join(".config/containers/registries.conf"), conf).unwrap();
    home
}

/// Lets `command` use such a home directory.
pub(crate) fn serve<'a>(home: &Path, command: &'a mut Command) -> &'a mut Command {
    command
        .env("HOME", home)
        .env("CONTAINERS_REGISTRIES_CONF", home.join(".config/containers/registries.conf"))
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("REGISTRY_AUTH_FILE")
}

fn listening_port(log: &Path) -> String {
    let start = Instant::now();
    loop {
        let mut text = String::new();
        fs_err::File::open(log).unwrap().read_to_string(&mut text).unwrap();
        // What ends the number says that all of it is there.
        let rest = text.split_once("listening on 127.0.0.1:").map(|(_, rest)| rest);
        if let Some((port, _)) = rest.and_then(|rest| rest.split_once(|it: char| !it.is_ascii_digit())) {
            return port.to_owned();
        }
        assert!(start.elapsed() < Duration::from_secs(30), "the registry does not start: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A layer that every image has: one that runs.
pub(crate) fn base() -> Layer {
    let busybox = fs_err::read("/bin/busybox").unwrap();
    let program =
        crate::build::image::Entry { mode: 0o755, size: busybox.len() as u64, ..entry(b'0', "bin/sh") };
    // A hard link gives its mode to the file.
    let link =
        crate::build::image::Entry { mode: 0o755, target: b"bin/sh".to_vec(), ..entry(b'1', "bin/cat") };
    let tar = Tar::default().dir("bin/").header(&program).bytes(&busybox).header(&link);
    gzipped(&tar.dir("proc/").dir("dev/").dir("sys/").dir("etc/").dir("run/").dir("tmp/").finish())
}

/// A layer with one file, whose content does not shrink when it is compressed.
pub(crate) fn layer(name: &str, size: usize) -> Layer {
    let mut state = name.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let noise: Vec<u8> = (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32).to_le_bytes()[0]
        })
        .collect();
    gzipped(&Tar::default().file(name, &noise).file("name", name.as_bytes()).finish())
}

fn fill(registry: &Registry) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut layout = Layout::new(&dir.path().join("layout"));
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let base = base();
    let shared: Vec<Layer> = (0..3).map(|index| layer(&format!("shared-{index}"), 300_000)).collect();
    let mut names = Vec::new();
    for index in 0..APPS {
        let name = format!("app-{index}");
        let own = layer(&name, 20_000);
        layout.image(&name, arch, &[base.clone(), shared[index % 3].clone(), own]);
        names.push(name);
    }
    let list: Vec<_> = ["amd64", "arm64"]
        .into_iter()
        .map(|arch| {
            let layers = [base.clone(), layer(&format!("multi-{arch}"), 20_000)];
            let manifest = layout.manifest(&Layout::config(&layers, arch), &layers);
            let kind = "application/vnd.oci.image.manifest.v1+json";
            let mut entry = layout.blob(manifest.to_string().as_bytes(), kind);
            entry["platform"] = json!({"architecture": arch, "os": "linux"});
            entry
        })
        .collect();
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": list,
    });
    layout.add("multi", &index);
    names.push("multi".to_owned());
    for name in &names {
        // Some as Docker writes them.
        let more: &[&str] = match name.as_str() {
            "app-1" | "app-2" => &["--format", "v2s2"],
            _ => &["--preserve-digests"],
        };
        registry.push(&layout.source(name), &format!("{name}:1"), more);
    }
}

#[test]
fn the_registry_serves_what_was_pushed() {
    assert_eq!(images().len(), APPS + 4);
    let registry = registry();
    let mut command = Command::new("skopeo");
    command.args(["inspect", "--raw"]).arg(format!("docker://{}", registry.reference("multi:1")));
    let list: serde_json::Value = serde_json::from_str(&run(registry.serve(&mut command))).unwrap();
    assert_eq!(list["manifests"][1]["platform"]["architecture"], "arm64");
}
