//! Stores, staging directories and images of strangers: what they plant leads nowhere, and
//! what they break is theirs alone.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::build::image::{Layout, Tar, gzipped};
use crate::interrupt::write;
use crate::strace::tamper;
use crate::support::{copy_store, finish, run, storagectl, text, under};
use crate::tree::{names, stamps};

/// Who attacks.
const USER: u32 = 1000;

/// A directory of an ordinary user's, a place that only root can see, and an image.
pub(crate) struct Scene {
    pub(crate) scratch: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self { scratch: tempfile::tempdir().expect("a scratch directory can be made") };
        mode(scene.scratch.path(), 0o755);
        let secret = scene.secret();
        for file in ["file", "images.lock", "layers.lock", "inner/file", "images.json", "l/link"] {
            write(
                &secret.join(file),
                "a secret of more than sixty-four bytes, so that a lock's id would show\n",
            );
            mode(&secret.join(file), 0o600);
        }
        for dir in ["inner", "l", "."] {
            mode(&secret.join(dir), 0o700);
        }
        std::fs::create_dir(scene.user()).expect("it is new");
        chown(scene.user(), Some(USER), Some(USER)).expect("this is root");
        scene
    }

    pub(crate) fn secret(&self) -> PathBuf {
        self.scratch.path().join("secret")
    }

    pub(crate) fn user(&self) -> PathBuf {
        self.scratch.path().join("user")
    }

    /// What the user does, in the user's directory.
    pub(crate) fn does(&self, script: &str) -> Command {
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={USER}"))
            .arg(format!("--regid={USER}"))
            .args(["--clear-groups", "sh", "-euc", script])
            .current_dir(self.user())
            .env("SECRET", self.secret());
        command
    }

    pub(crate) fn layout(&self, tar: &[u8]) -> Layout {
        let mut layout = Layout::new(&self.scratch.path().join("layout"));
        layout.image("localhost/app:1", "amd64", &[gzipped(tar)]);
        layout
    }

    pub(crate) fn build(&self, layout: &Layout, store: &Path) -> Command {
        storagectl(&[
            "build-store",
            "--arch",
            "amd64",
            "-o",
            &store.to_string_lossy(),
            &layout.source("localhost/app:1"),
        ])
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("this is root");
}

pub(crate) fn small() -> Vec<u8> {
    Tar::default().dir("etc").file("etc/x", b"content").finish()
}

/// Places in a store at which a symlink could lead root elsewhere.
const PLACES: [&str; 10] = [
    "overlay",
    "overlay/l",
    "overlay-images",
    "overlay-layers",
    "overlay-images/images.lock",
    "overlay-layers/layers.lock",
    "overlay-images/images.json",
    "overlay-layers/layers.json",
    "overlay-images/0123",
    ".storagectl-store",
];

#[test]
fn no_symlink_in_a_users_store_leads_root_elsewhere() {
    for place in PLACES {
        for target in ["$SECRET", "$SECRET/file", "$SECRET/new", "$SECRET/inner"] {
            let scene = Scene::new();
            let before = stamps(&scene.secret());
            let layout = scene.layout(&small());
            let store = scene.user().join("store");
            let plant = format!(
                "mkdir -p store/overlay/l store/overlay-images store/overlay-layers
                 rm -rf store/{place}; ln -s \"{target}\" store/{place}"
            );
            run(&mut scene.does(&plant));
            let init = finish(&mut storagectl(&["init-store", &store.to_string_lossy()]));
            let said = text(&init);
            assert!(said.contains("belongs to user 1000"), "{place}: {said}");
            let built = finish(&mut scene.build(&layout, &store));
            let sealed = scene.scratch.path().join("sealed.tar");
            let seal = finish(&mut storagectl(&[
                "seal-store",
                &store.to_string_lossy(),
                "-o",
                &sealed.to_string_lossy(),
                "--no-sync",
            ]));
            assert_eq!(
                stamps(&scene.secret()),
                before,
                "{place} -> {target}: {said}{}{}",
                text(&built),
                text(&seal)
            );
            if let Ok(bytes) = std::fs::read(&sealed) {
                assert!(!bytes.windows(8).any(|part| part == b"a secret"), "{place} -> {target}");
            }
        }
    }
}

#[test]
fn a_lock_with_a_second_name_is_not_written_to() {
    let scene = Scene::new();
    let store = scene.user().join("store");
    run(&mut scene.build(&scene.layout(&small()), &store));
    let lock = store.join("overlay-layers/layers.lock");
    std::fs::remove_file(&lock).expect("it is there");
    std::fs::hard_link(scene.secret().join("file"), &lock).expect("root may");
    let before = std::fs::read(&lock).expect("root may");
    let other = scene.layout(&Tar::default().file("other", b"x").finish());
    let output = finish(&mut scene.build(&other, &store));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert_eq!(std::fs::read(&lock).expect("root may"), before);
}

/// Root's own storage in a directory of somebody else, or files that root put into a store.
#[test]
fn what_is_not_the_store_owners_stays_closed() {
    let scene = Scene::new();
    let store = scene.user().join("store");
    run(&mut scene.does(
        "mkdir -p store/overlay-images/own store/overlay-layers store/overlay/layer/diff
         touch store/overlay-images/images.json store/overlay/layer/link; chmod -R go= store",
    ));
    write(&store.join("overlay-images/roots/manifest"), "root's");
    write(&store.join("overlay-layers/roots.tar-split.gz"), "root's");
    mode(&store.join("overlay-images/roots"), 0o700);
    mode(&store.join("overlay-layers/roots.tar-split.gz"), 0o600);
    let report = run(&mut storagectl(&["init-store", "--format", "json", &store.to_string_lossy()]));
    let report: serde_json::Value = serde_json::from_str(&report).expect("it is JSON");
    let foreign = report["stores"][0]["foreign"].as_array().expect("some are").len();
    assert_eq!(foreign, 2, "{report}");
    let bits = |path: &str| {
        std::fs::symlink_metadata(store.join(path)).expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!((bits("overlay-images/roots"), bits("overlay-layers/roots.tar-split.gz")), (0o700, 0o600));
    assert_eq!((bits("overlay-images/own"), bits("overlay/layer/link")), (0o755, 0o644));
}

/// A tight loop that swaps directories of a store for symlinks.
pub(crate) const SWAP: &str = "cd store; while :; do
    for name in overlay overlay-images overlay-layers; do
        mv -T $name .$name 2>/dev/null || continue
        ln -s \"$SECRET\" $name 2>/dev/null || :
        rm -f $name 2>/dev/null || :
        mv -T .$name $name 2>/dev/null || :
    done
done";

/// While root works there.
#[test]
fn swapping_a_directory_for_a_symlink_opens_nothing() {
    let scene = Scene::new();
    let before = stamps(&scene.secret());
    let layout = scene.layout(&small());
    let store = scene.user().join("store");
    run(&mut scene.does("mkdir -p store/overlay-images store/overlay-layers store/overlay/l"));
    let mut swapper = scene.does(SWAP).stderr(Stdio::null()).spawn().expect("it can be started");
    for _ in 0..60 {
        let _ = finish(&mut storagectl(&["init-store", &store.to_string_lossy()]));
        let _ = finish(&mut scene.build(&layout, &store));
    }
    swapper.kill().expect("it runs");
    swapper.wait().expect("it was killed");
    assert_eq!(stamps(&scene.secret()), before);
}

/// What was made is swapped before its mode is set: the window is as wide as strace makes it.
#[test]
fn a_mode_is_set_on_what_was_made_and_not_on_what_has_its_name() {
    let scene = Scene::new();
    let before = stamps(&scene.secret());
    // With --root, the tree's owner has every directory.
    let tree = scene.user().join("tree");
    run(&mut scene.does("mkdir -p tree/store/overlay tree/store/overlay-images tree/store/overlay-layers"));
    let layout = scene.layout(&small());
    run(Command::new("cp").arg("-a").arg(&layout.dir).arg(tree.join("layout")));
    let swap = "cd tree/store/overlay; while :; do
        for name in l .storagectl-new-*; do
            [ -d $name ] && ! [ -L $name ] || continue
            mv -T $name ../.aside-$$ 2>/dev/null && ln -s \"$SECRET\" $name && exit
        done
    done";
    let mut swapper = scene.does(swap).stderr(Stdio::null()).spawn().expect("it can be started");
    let tree = tree.to_string_lossy().into_owned();
    let mut command = storagectl(&["--root", &tree, "build-store", "--arch", "amd64", "-o", "/store"]);
    command.arg("oci:/layout:localhost/app:1");
    let delays = ["inject=mkdirat:delay_exit=20000", "inject=fchownat:delay_exit=20000"];
    let output = tamper(&delays, &command);
    let _ = swapper.kill();
    swapper.wait().expect("it was started");
    assert_eq!(stamps(&scene.secret()), before, "{}", text(&output));
}

/// A path of 1,100 directories and then an entry that is refused.
#[test]
fn a_staging_directory_goes_however_deep_it_is() {
    let scene = Scene::new();
    let store = scene.scratch.path().join("store");
    let (mut tar, mut path) = (Tar::default(), String::new());
    for _ in 0..1100 {
        path.push_str("d/");
        tar = tar.pax(&[("path", path.as_bytes())]).dir("d");
    }
    let bad = scene.layout(&tar.file("../outside", b"x").finish());
    let limited = |command: &Command| {
        let mut outer = Command::new("prlimit");
        outer.args(["--nofile=256", "--"]);
        finish(&mut under(outer, command))
    };
    let output = limited(&scene.build(&bad, &store));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("outside"), "what is wrong with the image is told: {}", text(&output));
    let good = scene.layout(&small());
    let output = limited(&scene.build(&good, &store));
    assert!(output.status.success(), "{}", text(&output));
    assert_nothing_left(&store);
}

#[track_caller]
fn assert_nothing_left(store: &Path) {
    for part in ["overlay", "overlay-layers"] {
        let left: Vec<String> =
            names(&store.join(part)).into_iter().filter(|name| name.starts_with(".storagectl")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Left over, and immutable: nobody removes it.
#[test]
fn what_cannot_be_removed_blocks_no_run() {
    let scene = Scene::new();
    let store = scene.scratch.path().join("store");
    run(&mut scene.build(&scene.layout(&small()), &store));
    let left = store.join("overlay/.storagectl-new-1-0");
    write(&left.join("diff/file"), "x");
    let output = tamper(
        &["inject=unlinkat:error=EPERM:when=1+"],
        &scene.build(&scene.layout(&Tar::default().file("other", b"x").finish()), &store),
    );
    let said = text(&output);
    // The directory of the run itself cannot be removed either, and that is no reason to fail.
    assert!(!said.contains("clean up"), "{said}");
    assert!(left.exists());
    let output = finish(&mut scene.build(&scene.layout(&small()), &store));
    assert!(output.status.success(), "{}", text(&output));
    assert_nothing_left(&store);
}

/// openat2 is missing on old kernels, and forbidden by some filters.
#[test]
fn stores_are_built_without_openat2() {
    for error in ["ENOSYS", "EPERM"] {
        let scene = Scene::new();
        let store = scene.scratch.path().join("store");
        let inject = format!("inject=openat2:error={error}");
        let output = tamper(&[&inject], &scene.build(&scene.layout(&small()), &store));
        assert!(output.status.success(), "{error}: {}", text(&output));
        let store = store.to_string_lossy().into_owned();
        let output = tamper(&[&inject], &storagectl(&["init-store", &store]));
        assert!(output.status.success(), "{error}: {}", text(&output));
        let output = tamper(&[&inject], &storagectl(&["check-store", "--deep", &store]));
        assert!(output.status.success(), "{error}: {}", text(&output));
    }
}

/// The system has no thread left: RLIMIT_NPROC, or pids.max of a control group.
#[test]
fn threads_that_cannot_be_started_are_fewer_threads() {
    let scene = Scene::new();
    let (store, sealed) = (scene.scratch.path().join("store"), scene.scratch.path().join("sealed.tar"));
    let none = |command: &Command| -> Output { tamper(&["inject=clone3,clone:error=EAGAIN"], command) };
    let mut layout = Layout::new(&scene.scratch.path().join("layout"));
    let layers: Vec<_> = (0..6)
        .map(|number| gzipped(&Tar::default().file(&format!("f{number}"), &vec![b'x'; 3 << 20]).finish()))
        .collect();
    layout.image("localhost/app:1", "amd64", &layers);
    let output = none(&scene.build(&layout, &store));
    assert!(output.status.success(), "{}", text(&output));
    let shown = store.to_string_lossy().into_owned();
    for args in [
        &["check-store", "--deep", "--jobs", "8", &shown][..],
        &["seal-store", &shown, "-o", &sealed.to_string_lossy()],
    ] {
        let output = none(&storagectl(args));
        assert!(output.status.success(), "{args:?}: {}", text(&output));
    }
}

/// NFS locks only what is open for writing, which a directory cannot be.
#[test]
fn a_lock_that_a_directory_cannot_have_is_that_of_a_file_in_it() {
    let scene = Scene::new();
    let store = scene.scratch.path().join("store");
    let tree = scene.scratch.path().to_string_lossy().into_owned();
    let build = |layout: &Layout| {
        let source = layout.source("localhost/app:1").replace(&tree, "");
        storagectl(&["--root", &tree, "build-store", "--arch", "amd64", "-o", "/store", &source])
    };
    let left = store.join("overlay/.storagectl-new-1-0");
    write(&left.join("file"), "x");
    // Every second call is that for the file.
    let output = tamper(&["inject=flock:error=EBADF:when=1+2"], &build(&scene.layout(&small())));
    assert!(output.status.success(), "{}", text(&output));
    assert!(!left.exists(), "that nobody works there could be told");
    // Where there are no locks, nothing is known to be left over.
    write(&left.join("file"), "x");
    let other = scene.layout(&Tar::default().file("other", b"x").finish());
    let output = tamper(&["inject=flock:error=ENOLCK"], &build(&other));
    assert!(output.status.success() && left.join("file").exists(), "{}", text(&output));
    // Anything else is what it is.
    let output = tamper(&["inject=flock:error=EIO"], &build(&other));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(left.join("file").exists(), "{}", text(&output));
}

/// Embeds these images of a layout, and makes a configuration.
fn embed(scene: &Scene, layout: &Layout, wanted: &[&str]) {
    let embedded = scene.scratch.path().join("embedded");
    let mut list = String::new();
    for name in wanted {
        std::fs::create_dir_all(&embedded).expect("it can be made");
        run(Command::new("skopeo")
            .args(["copy", "-q", "--insecure-policy", &layout.source(&format!("localhost/{name}:1"))])
            .arg(format!("dir:{}", embedded.join(name).display())));
        list.push_str(&format!("localhost/{name}:1,{name}\n"));
    }
    std::fs::write(embedded.join("image-list.txt"), list).expect("it can be written");
    write(
        &scene.scratch.path().join("conf/storage.conf"),
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/none\"\ngraphroot = \"/var/none\"\n",
    );
}

/// There is no space for a store: none was made, and none is listed.
#[test]
fn a_store_that_was_not_made_is_not_said_to_be_listed() {
    let scene = Scene::new();
    let mut layout = Layout::new(&scene.scratch.path().join("layout"));
    layout.image("localhost/app:1", "amd64", &[gzipped(&small())]);
    embed(&scene, &layout, &["app"]);
    let script = "cd \"$HERE\"; mkdir disk; mount -t tmpfs -o nr_inodes=2 none disk
        touch disk/full
        \"$PROGRAM\" --config conf/storage.conf copy-images --source \"$HERE/embedded\" --store \"$HERE/disk/store\" || echo status $?";
    let said = with_mounts(&scene, script);
    assert!(said.contains("status 2") && said.contains("No space left"), "{said}");
    assert!(!said.contains("added `") && !said.contains("made `"), "{said}");
    let conf = std::fs::read_to_string(scene.scratch.path().join("conf/storage.conf")).expect("it is there");
    assert!(!conf.contains("disk/store"), "{conf}");
}

/// Runs a script that may mount, and takes what it says.
fn with_mounts(scene: &Scene, script: &str) -> String {
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-euc", script]).env("HERE", scene.scratch.path());
    text(&finish(command.env("PROGRAM", crate::support::STORAGECTL)))
}

/// ext4 has room for attributes of some kilobytes, and says that it is full.
#[test]
fn an_image_with_a_large_attribute_is_lost_alone() {
    let scene = Scene::new();
    let large = vec![b'x'; 60 << 10];
    let bad = Tar::default().pax(&[("SCHILY.xattr.user.large", &large)]).file("f", b"x").finish();
    let mut layout = Layout::new(&scene.scratch.path().join("layout"));
    layout.image("localhost/bad:1", "amd64", &[gzipped(&bad)]);
    layout.image("localhost/good:1", "amd64", &[gzipped(&small())]);
    embed(&scene, &layout, &["bad", "good"]);
    let script = "cd \"$HERE\"; mkdir disk; truncate -s 64M image; mkfs.ext4 -q image
        mount -o loop image disk
        \"$PROGRAM\" --config conf/storage.conf copy-images --source \"$HERE/embedded\" --store \"$HERE/disk/store\" || echo status $?
        \"$PROGRAM\" list-images \"$HERE/disk/store\"";
    let said = with_mounts(&scene, script);
    assert!(said.contains("status 1") && said.contains("no room for its attribute `user.large`"), "{said}");
    assert!(said.contains("1 of 2 images could not be copied; 1 were copied"), "{said}");
}

/// Engines work on the store while it is sealed.
#[test]
fn a_store_that_changes_is_not_sealed_by_halves() {
    let scene = Scene::new();
    let store = scene.scratch.path().join("store");
    copy_store(&store);
    run(&mut storagectl(&["init-store", &store.to_string_lossy()]));
    let records = store.join("overlay-layers/layers.json");
    let bytes = std::fs::read(&records).expect("it is there");
    // Whenever something is written, the records are replaced, as engines do.
    let ready = scene.scratch.path().join("sealed.tar");
    let mut child = Command::new("sh")
        .args(["-c", "while :; do cp \"$1\" \"$1.new\"; mv \"$1.new\" \"$1\"; sleep 0.02; done", "sh"])
        .arg(&records)
        .spawn()
        .expect("it can be started");
    // Slow enough that it happens in between.
    let output = tamper(
        &["inject=getdents64:delay_enter=50000"],
        &storagectl(&["seal-store", &store.to_string_lossy(), "-o", &ready.to_string_lossy(), "--no-sync"]),
    );
    child.kill().expect("it runs");
    child.wait().expect("it was killed");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("while it was sealed"), "{}", text(&output));
    assert!(!ready.exists());
    std::fs::write(&records, bytes).expect("it can be written");
    run(&mut storagectl(&["seal-store", &store.to_string_lossy(), "-o", &ready.to_string_lossy()]));
}

#[test]
fn a_stream_that_nobody_reads_to_its_end_is_an_error() {
    let scene = Scene::new();
    let layout = scene.layout(&Tar::default().file("f", &vec![b'x'; 4 << 20]).finish());
    let mut command =
        storagectl(&["build-store", "--arch", "amd64", "-o", "-", &layout.source("localhost/app:1")]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is built");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it was started");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(!text(&output).contains("wrote"), "{}", text(&output));
}

/// A power cut in the first build: what is there is a store.
#[test]
fn a_first_build_that_is_killed_leaves_an_empty_store() {
    let scene = Scene::new();
    let store = scene.scratch.path().join("store");
    let build = scene.build(&scene.layout(&small()), &store);
    let shown = store.to_string_lossy().into_owned();
    for call in ["fsync:signal=KILL:when=1", "renameat2:signal=KILL:when=1", "syncfs:signal=KILL:when=1"] {
        let _ = std::fs::remove_dir_all(&store);
        let _ = tamper(&[&format!("inject={call}")], &build);
        if store.join("overlay-images/images.json").exists() {
            let output = finish(&mut storagectl(&["check-store", &shown]));
            assert!(output.status.success(), "{call}: {}", text(&output));
        }
        run(&mut scene.build(&scene.layout(&small()), &store));
        let output = finish(&mut storagectl(&["check-store", "--deep", &shown]));
        assert!(output.status.success(), "{call}: {}", text(&output));
        assert_nothing_left(&store);
    }
}
