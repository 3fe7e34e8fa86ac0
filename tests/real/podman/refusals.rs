//! Stores that storagectl refuses, shown to stop a real podman.
//!
//! Each is refused first, with the file untouched to its time stamp, and then
//! listed by hand. Scopes and generations are those of the storage library's
//! versions: 1.43 is podman 4.3, 1.44 and later podman 4.4 and later.

use std::path::Path;
use std::process::{Command, Output};
use std::time::SystemTime;

use serde_json::Value;

use super::{Bench, IMAGE_LINE, assert_nothing_served, assert_served, hermetic_podman, path};
use crate::support::{IMAGE, finish, run, text, under};

const CONF: &str = "[storage]\ndriver = \"overlay\"\nrunroot = \"@RUNROOT@\"\ngraphroot = \"@GRAPHROOT@\"\n
[storage.options]\nadditionalimagestores = [\n  \"@OTHER@\",\n]\n";

/// What podman 4.3 does once the entry is there by force.
enum Podman4 {
    /// Every command fails, saying this.
    Stops(&'static str),
    /// Commands that look at a layer fail, saying this; others work.
    StopsAtLayers(&'static str),
    /// It keeps quiet and sees no image. Later generations stop.
    SeesNothing,
}

#[test]
fn a_malformed_images_json_is_refused() {
    // Before storage 1.44 such a file is silently an empty store; since then
    // every command stops: `loading "…/images.json": …`.
    for content in ["[{", "{}", "[{\"id\": 7}]", "nonsense"] {
        assert_refused(
            |store| write(store, "overlay-images/images.json", content),
            "the store `@STORE@` cannot be opened: its `overlay-images/images.json` is malformed: ",
            &Podman4::SeesNothing,
        );
    }
}

#[test]
fn a_malformed_layers_json_is_refused() {
    for content in ["[{", "{}", "nonsense"] {
        assert_refused(
            |store| write(store, "overlay-layers/layers.json", content),
            "the store `@STORE@` cannot be opened: its `overlay-layers/layers.json` is malformed: ",
            // Podman 4 prints its JSON parser's words, without the file's name.
            &Podman4::StopsAtLayers("Error: "),
        );
    }
}

#[test]
fn one_name_given_to_two_images_is_refused() {
    assert_refused(
        |store| {
            edit_images(store, |images| {
                let mut twin = images[0].clone();
                twin["id"] = Value::from("f".repeat(64));
                images.push(twin);
            });
        },
        "the store `@STORE@` cannot be opened: its images.json gives the name `localhost/app:1` to two images",
        &Podman4::Stops("read-only image store assigns the same name to multiple images"),
    );
}

#[test]
fn an_invalid_digest_is_refused() {
    assert_refused(
        |store| edit_images(store, |images| images[0]["digest"] = Value::from("sha256:short")),
        "the store `@STORE@` cannot be opened: its images.json gives image `",
        &Podman4::Stops("validating image digest \"sha256:short\""),
    );
}

#[test]
fn an_invalid_manifest_digest_is_refused() {
    assert_refused(
        |store| {
            edit_images(store, |images| {
                images[0]["big-data-digests"]["manifest"] =
                    Value::from("md5:d41d8cd98f00b204e9800998ecf8427e");
            });
        },
        "the store `@STORE@` cannot be opened: its images.json gives image `",
        &Podman4::Stops("validating digest"),
    );
}

#[test]
fn one_name_given_to_two_layers_is_refused() {
    assert_refused(
        |store| {
            let file = store.join("overlay-layers/layers.json");
            let mut layers = records(&file);
            layers[0]["names"] = Value::from(vec!["twice"]);
            let mut twin = layers[0].clone();
            twin["id"] = Value::from("f".repeat(64));
            layers.push(twin);
            std::fs::write(file, Value::from(layers).to_string()).expect("the store is writable");
        },
        "the store `@STORE@` cannot be opened: its layers.json gives the name `twice` to two layers",
        &Podman4::StopsAtLayers("read-only layer store assigns the same name to multiple layers"),
    );
}

#[test]
fn a_directory_in_place_of_a_lock_file_is_refused() {
    for (lock, podman) in [
        ("overlay-images/images.lock", Podman4::Stops("images.lock: is a directory")),
        ("overlay-layers/layers.lock", Podman4::StopsAtLayers("layers.lock: is a directory")),
    ] {
        assert_refused(
            |store| {
                std::fs::remove_file(store.join(lock)).expect("podman made the lock file");
                std::fs::create_dir(store.join(lock)).expect("the store is writable");
            },
            &format!("the store `@STORE@` cannot be opened: its `{lock}` is not a file: "),
            &podman,
        );
    }
}

#[test]
fn a_directory_that_does_not_exist_is_refused() {
    assert_refused(
        |store| std::fs::remove_dir_all(store).expect("the store is writable"),
        "`@STORE@` does not exist: ",
        &Podman4::Stops("no such file or directory"),
    );
}

#[test]
fn a_file_is_refused() {
    assert_refused(
        |store| {
            std::fs::remove_dir_all(store).expect("the store is writable");
            std::fs::write(store, "").expect("the scratch directory is writable");
        },
        "`@STORE@` is not a directory: ",
        &Podman4::Stops("must be a directory"),
    );
}

#[test]
fn paths_that_engines_read_otherwise_are_refused() {
    let bench = Bench::new(CONF);
    let comma = bench.dir().join("a,b");
    std::fs::rename(bench.store(), &comma).expect("the scratch directory is writable");
    let podman = Podman4::Stops("can't stat imageStore dir");
    let message = format!("the path `{}` holds a comma, at which engines split it", comma.display());
    refuse_and_force(&bench, path(&comma), &message, &podman, &|command| command);

    let podman = Podman4::Stops("is not absolute");
    for (given, what) in [
        ("relative/store", "is not absolute"),
        ("~/store", "starts with `~`, which engines do not expand"),
        ("$HOME/store", "holds a variable, which engines do not expand here"),
    ] {
        let message = format!("the path `{given}` {what}");
        refuse_and_force(&Bench::new(CONF), given, &message, &podman, &|command| command);
    }
}

#[test]
fn a_read_only_store_without_its_image_lock_is_refused() {
    // Since storage 1.52 this is worse than an error: all images of the store
    // silently vanish.
    assert_refused_on_squashfs(
        "overlay-images/images.lock",
        "the store `@STORE@` cannot be opened: its `overlay-images/images.lock` is missing and its file system is read-only, so that no engine can create it",
        &Podman4::Stops("images.lock: read-only file system"),
    );
}

#[test]
fn a_read_only_store_without_its_layer_lock_is_refused() {
    assert_refused_on_squashfs(
        "overlay-layers/layers.lock",
        "the store `@STORE@` cannot be opened: its `overlay-layers/layers.lock` is missing and its file system is read-only, so that no engine can create it",
        &Podman4::StopsAtLayers("layers.lock: read-only file system"),
    );
}

#[test]
fn a_read_only_store_with_both_locks_is_accepted_and_served() {
    let bench = Bench::new(CONF);
    let image = seal(&bench);
    run(&mut mounted(&image, &bench.store(), &bench.storagectl(&["add-store", path(&bench.store())])));
    assert_served(
        &podman(&bench, &["images", "--format", IMAGE_LINE], &|command| {
            mounted(&image, &bench.store(), &command)
        }),
        "squashfs",
    );
}

/// Missing lock files are no reason to refuse a store that engines can write to.
#[test]
fn a_writable_store_without_locks_is_accepted_and_served() {
    let bench = Bench::new(CONF);
    for lock in ["overlay-images/images.lock", "overlay-layers/layers.lock"] {
        std::fs::remove_file(bench.store().join(lock)).expect("podman made the lock file");
    }
    run(&mut bench.storagectl(&["add-store", path(&bench.store())]));
    assert_served(&bench.images(), "writable");
}

/// How a command is brought to where it sees the store.
type Wrap<'a> = &'a dyn Fn(Command) -> Command;

/// Damages a copy of the store, checks that storagectl refuses it with
/// `message`, and that podman does not like it once it is listed.
#[track_caller]
fn assert_refused(damage: impl Fn(&Path), message: &str, podman: &Podman4) {
    let bench = Bench::new(CONF);
    damage(&bench.store());
    let message = bench.fill_in(message);
    refuse_and_force(&bench, path(&bench.store()), &message, podman, &|command| command);
}

/// The same for a store in a squashfs image that lacks a file.
#[track_caller]
fn assert_refused_on_squashfs(lacking: &str, message: &str, podman: &Podman4) {
    let bench = Bench::new(CONF);
    std::fs::remove_file(bench.store().join(lacking)).expect("podman made the lock file");
    let image = seal(&bench);
    let message = bench.fill_in(message);
    refuse_and_force(&bench, path(&bench.store()), &message, podman, &|command| {
        mounted(&image, &bench.store(), &command)
    });
}

#[track_caller]
fn refuse_and_force(bench: &Bench, entry: &str, message: &str, podman: &Podman4, wrap: Wrap<'_>) {
    let before = (bench.bytes(), modified(&bench.conf()));
    let output = finish(&mut wrap(bench.storagectl(&["add-store", entry])));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with(&format!("error: {message}")), "wanted {message}, got {stderr}");
    assert!(stderr.contains("\n\nhint: "), "{stderr}");
    assert_eq!(before, (bench.bytes(), modified(&bench.conf())), "a refusal changes nothing");

    let forced = bench.fill_in(CONF).replace("[\n", &format!("[\n  \"{entry}\",\n"));
    std::fs::write(bench.conf(), forced).expect("the scratch directory is writable");
    assert_podman(bench, podman, wrap);
}

#[track_caller]
fn assert_podman(bench: &Bench, podman: &Podman4, wrap: Wrap<'_>) {
    let ps = self::podman(bench, &["ps"], wrap);
    let images = self::podman(bench, &["images", "--format", IMAGE_LINE], wrap);
    match podman {
        Podman4::Stops(why) => {
            for output in [&ps, &images] {
                assert_eq!(output.status.code(), Some(125), "{}", text(output));
                assert!(text(output).contains(why), "{}", text(output));
            }
        }
        Podman4::StopsAtLayers(why) => {
            assert!(ps.status.success(), "{}", text(&ps));
            assert_eq!(images.status.code(), Some(125), "{}", text(&images));
            assert!(text(&images).contains(why), "{}", text(&images));
        }
        Podman4::SeesNothing => {
            assert!(ps.status.success(), "{}", text(&ps));
            assert_nothing_served(&images, "silent");
        }
    }
}

fn podman(bench: &Bench, args: &[&str], wrap: Wrap<'_>) -> Output {
    finish(&mut wrap(hermetic_podman(&bench.conf(), args)))
}

/// Packs the store into a squashfs image and leaves an empty directory in its place.
fn seal(bench: &Bench) -> std::path::PathBuf {
    let image = bench.dir().join("store.squashfs");
    run(Command::new("mksquashfs").arg(bench.store()).arg(&image).args([
        "-quiet",
        "-no-progress",
        "-noI",
        "-noD",
    ]));
    std::fs::remove_dir_all(bench.store()).expect("the scratch directory is writable");
    std::fs::create_dir(bench.store()).expect("the scratch directory is writable");
    image
}

/// `command` in a mount namespace in which `image` is mounted on `dir`.
fn mounted(image: &Path, dir: &Path, command: &Command) -> Command {
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", "mount -t squashfs -o loop,ro \"$0\" \"$1\" && shift && exec \"$@\""]);
    outer.arg(image).arg(dir);
    under(outer, command)
}

fn edit_images(store: &Path, edit: impl Fn(&mut Vec<Value>)) {
    let file = store.join("overlay-images/images.json");
    let mut images = records(&file);
    assert_eq!(images[0]["names"][0], IMAGE);
    edit(&mut images);
    std::fs::write(file, Value::from(images).to_string()).expect("the store is writable");
}

fn records(file: &Path) -> Vec<Value> {
    let bytes = std::fs::read(file).expect("podman made the store");
    serde_json::from_slice(&bytes).expect("podman writes JSON")
}

fn write(store: &Path, file: &str, content: &str) {
    std::fs::write(store.join(file), content).expect("the store is writable");
}

fn modified(file: &Path) -> SystemTime {
    std::fs::metadata(file).and_then(|metadata| metadata.modified()).expect("the file is there")
}
