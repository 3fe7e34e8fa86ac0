//! Stores of images that podmans have pulled from a registry: whole and in parts, for composefs,
//! and into storage that is split. Every podman of `podmans` does it, this machine's own among them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::engine::podmans;
use super::healthy::{found, in_private};
use super::store::checked_with;
use crate::build::image::{Entry, Layer, Layout, Tar, entry, gzipped};
use crate::registry::Registry;
use crate::support::{finish, run, storagectl, text};

/// A podman, and what it says its version is.
struct Podman {
    name: &'static str,
    program: PathBuf,
    version: (u32, u32),
}

/// A registry with an image of two layers, as each new podman pushes it to be pulled in parts.
struct Pushed {
    registry: Registry,
    podmans: Vec<Podman>,
}

/// Storage into which a podman has pulled it.
struct Pulled {
    scratch: tempfile::TempDir,
    conf: PathBuf,
    stores: Vec<PathBuf>,
}

/// What a layer can hold and be pulled in parts: names are UTF-8 then.
fn layers() -> [Layer; 2] {
    let busybox = fs_err::read("/bin/busybox").unwrap();
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let long = vec!["d".repeat(99); 5].join("/");
    let base = Tar::default()
        .dir("bin/")
        .header(&Entry { mode: 0o4755, size: busybox.len() as u64, ..entry(b'0', "bin/sh") })
        .bytes(&busybox)
        .link(b'1', "bin/cat", "bin/sh")
        .dir("etc/")
        .file("etc/gone", b"gone")
        .file("etc/Grüße", b"umlaut")
        .file("etc/empty", b"")
        .link(b'2', "etc/link", "/no/where")
        .file("mark", b"base")
        .dir("opaque/")
        .file("opaque/hidden", b"hidden")
        .dir("dev/")
        .header(&Entry { device: (1, 3), mode: 0o666, ..entry(b'3', "dev/null") })
        .header(&entry(b'6', "dev/fifo"))
        .header(&Entry { uid: 3_000_000, gid: 4_000_000, ..entry(b'0', "ids") })
        .pax(&[("mtime", b"1500000000.123456789")])
        .file("time", b"x")
        .pax(&[("SCHILY.xattr.user.one", b"a=b"), ("SCHILY.xattr.security.capability", &capability)])
        .file("attributes", b"x")
        .header(&Entry { mode: 0o1777, ..entry(b'5', "tmp/") })
        .pax(&[("path", long.as_bytes())])
        .file("long", b"a long name");
    let above = Tar::default()
        .dir("etc/")
        .file("etc/.wh.gone", b"")
        .file("mark", b"above")
        .dir("opaque/")
        .file("opaque/.wh..wh..opq", b"")
        .file("opaque/new", b"new")
        .header(&Entry { mode: 0o640, uid: 7, ..entry(b'0', "one") });
    [gzipped(&base.finish()), gzipped(&above.finish())]
}

impl Podman {
    fn new(name: &'static str, program: PathBuf) -> Self {
        let said = run(Command::new(&program).arg("--version"));
        let numbers = said.trim().rsplit(' ').next().unwrap().splitn(3, '.');
        let numbers: Vec<u32> = numbers.take(2).map(|number| number.parse().unwrap()).collect();
        Self { name, program, version: (numbers[0], numbers[1]) }
    }

    /// Podman 4 pulls whole what newer ones push, and no engine can save what it pulls in parts.
    fn is_old(&self) -> bool {
        self.version.0 < 5
    }
}

fn pushed() -> &'static Pushed {
    static PUSHED: OnceLock<Pushed> = OnceLock::new();
    PUSHED.get_or_init(|| {
        let podmans = podmans().map(|(name, program)| Podman::new(name, program)).into();
        let pushed = Pushed { registry: Registry::start(&[]), podmans };
        let scratch = tempfile::tempdir().unwrap();
        let oci = scratch.path().join("oci");
        Layout::new(&oci).image("app", "amd64", &layers());
        // Podman makes a name of the directory, which must be one.
        let script = "cp -r \"$OCI\" /run/oci
            podman() { \"$ENGINE\" --root /run/store --runroot /run/r \"$@\"; }
            image=$(podman pull -q oci:/run/oci:app)
            podman push -q --compression-format zstd:chunked $image $IMAGE";
        for podman in pushed.newer() {
            pushed.run(script, podman, podman, &[("OCI", &oci)]);
        }
        pushed
    })
}

impl Pushed {
    /// Those that push and pull in parts as it is done today.
    fn newer(&self) -> impl Iterator<Item = &Podman> {
        self.podmans.iter().filter(|podman| !podman.is_old())
    }

    /// Runs shell with a podman as `$ENGINE` and the image that another has pushed as `$IMAGE`.
    fn run(&self, script: &str, podman: &Podman, by: &Podman, variables: &[(&str, &Path)]) -> String {
        let script = format!(
            "export IMAGE={} CONTAINERS_REGISTRIES_CONF={}\n{script}",
            self.registry.reference(&format!("{}:1", by.name)),
            self.registry.home.join(".config/containers/registries.conf").display()
        );
        in_private(&script, &[variables, &[("ENGINE", podman.program.as_path())]].concat())
    }

    /// Has a podman pull the image of another, with these lines behind the ones of every
    /// storage.conf. The other part of a split storage is `@IMAGES@` there.
    fn pull(&self, podman: &Podman, by: &Podman, settings: &str) -> Pulled {
        let pulled = Pulled::with(settings);
        let script = "export CONTAINERS_STORAGE_CONF=\"$CONF\"
            \"$ENGINE\" pull -q $IMAGE; umount \"$STORE/overlay\" 2>/dev/null || :";
        self.run(script, podman, by, &[("CONF", &pulled.conf), ("STORE", &pulled.stores[0])]);
        pulled
    }
}

impl Pulled {
    /// Before it is there.
    fn with(settings: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        let mut stores = vec![at("storage")];
        if settings.contains("@IMAGES@") {
            stores.push(at("images"));
        }
        let (graphroot, images) = (at("storage"), at("images"));
        let text = format!(
            "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/r\"\ngraphroot = {graphroot:?}\n{}",
            settings.replace("@IMAGES@", images.to_str().unwrap())
        );
        let conf = at("storage.conf");
        fs_err::write(&conf, text).unwrap();
        Self { scratch, conf, stores }
    }

    /// Runs shell where all of it is, and returns what it prints.
    fn shell(&self, script: &str) -> String {
        run(Command::new("sh").args(["-euc", script]).current_dir(self.scratch.path()))
    }

    fn check(&self) -> Value {
        let mut args: Vec<&str> = self.stores.iter().map(|store| store.to_str().unwrap()).collect();
        args.push("--deep");
        checked_with(&self.conf, &args)
    }

    /// The ids of what is found.
    fn found(&self) -> Vec<String> {
        let ids = |finding: String| finding.split(':').next().unwrap().to_owned();
        found(&self.check()).into_iter().map(ids).collect()
    }

    #[track_caller]
    fn assert_verified(&self, what: &str) {
        let answer = self.check();
        assert_eq!(found(&answer), [""; 0], "{what}");
        assert_eq!(answer["verification"]["layers"]["verified"], 2, "{what}: {answer}");
        assert_eq!(answer["verification"]["images"]["verified"], 1, "{what}: {answer}");
        self.shell("for file in */overlay/*/diff/mark; do echo planted >$file; done");
        assert!(self.found().contains(&"file-content".to_owned()), "{what}: {:?}", self.found());
    }
}

const IN_PARTS: &str = "[storage.options]\npull_options = {enable_partial_images = \"true\"}\n";

#[test]
fn what_engines_pull_in_parts_is_verified() {
    let pushed = pushed();
    for by in pushed.newer() {
        for podman in &pushed.podmans {
            let what = format!("{}, pushed by {}", podman.name, by.name);
            let pulled = pushed.pull(podman, by, IN_PARTS);
            let parts = pulled.shell("grep -o '\"toc-digest\"' storage/overlay-layers/layers.json | wc -l");
            let expected = if podman.is_old() { "0" } else { "2" };
            assert_eq!(parts.trim(), expected, "{what}");
            pulled.assert_verified(&what);
        }
    }
}

/// Podman 5.4 and 5.8 keep different things where. `imagestore` came with podman 4.7.
#[test]
fn what_engines_pull_into_split_storage_is_verified() {
    let pushed = pushed();
    for podman in pushed.podmans.iter().filter(|podman| podman.version >= (4, 7)) {
        for by in pushed.newer() {
            let what = format!("{}, pushed by {}", podman.name, by.name);
            let pulled = pushed.pull(podman, by, &format!("imagestore = \"@IMAGES@\"\n{IN_PARTS}"));
            pulled.shell("test -e images/overlay-images/images.json; test -e storage/overlay-layers");
            pulled.assert_verified(&what);
        }
    }
}

/// Without `convert_images`, only what comes in parts is kept for composefs.
const FOR_COMPOSEFS: &str = "[storage.options]
pull_options = {enable_partial_images = \"true\", convert_images = \"true\"}
[storage.options.overlay]
use_composefs = \"true\"
";

/// Where this machine has no mkcomposefs, engines say so, and so does storagectl.
#[test]
fn what_engines_pull_for_composefs_is_told_and_read_by_those_that_mount_it() {
    let pushed = pushed();
    let by = pushed.podmans.iter().find(|podman| podman.name == "podman6").unwrap();
    let helper = finish(Command::new("sh").args(["-c", "command -v mkcomposefs"])).status.success();
    for podman in pushed.newer() {
        if !helper {
            let refused = Pulled::with(FOR_COMPOSEFS);
            let script = "export CONTAINERS_STORAGE_CONF=\"$CONF\"; \"$ENGINE\" info 2>&1 || :";
            let said = pushed.run(script, podman, by, &[("CONF", &refused.conf)]);
            assert!(said.contains("mkcomposefs"), "{}: {said}", podman.name);
            let config = refused.conf.to_str().unwrap();
            let ours = finish(&mut storagectl(&["--config", config, "check-config", "--engine", "podman6"]));
            assert!(text(&ours).contains("[composefs]"), "{}", text(&ours));
            continue;
        }
        let pulled = pushed.pull(podman, by, FOR_COMPOSEFS);
        pulled.shell("test $(ls storage/overlay/*/composefs-data/composefs.blob | wc -l) = 2");
        let ids = pulled.found();
        assert_eq!(ids, ["composefs-layer", "composefs-layer", "not-verified"], "{}", podman.name);
        for reader in &pushed.podmans {
            let script = "printf '[storage]\\ndriver = \"overlay\"\\nrunroot = \"/run/r\"\\ngraphroot = \"/run/g\"\\n[storage.options]\\nadditionalimagestores = [\"%s\"]\\n' \"$STORE\" >/run/storage.conf
                export CONTAINERS_STORAGE_CONF=/run/storage.conf
                container=$(\"$ENGINE\" create --network none --security-opt seccomp=unconfined --cgroups=disabled --pull=never $IMAGE /bin/sh)
                cd \"$(\"$ENGINE\" mount \"$container\")\"
                cat mark 2>/dev/null || ls
                if \"$ENGINE\" save -q -o /run/archive $IMAGE 2>/dev/null; then echo saved; fi
                cd /; umount /run/g/overlay 2>/dev/null || :";
            let said = pushed.run(script, reader, by, &[("STORE", &pulled.stores[0])]);
            // Podman 4 serves files named by digests, in directories of two digits.
            let is_served = if reader.is_old() {
                said.lines().count() > 1 && said.lines().all(|line| line.len() == 2)
            } else {
                said.trim_end() == "abovesaved"
            };
            assert!(is_served, "{} read by {}: {said}", podman.name, reader.name);
        }
    }
}
