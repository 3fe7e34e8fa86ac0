//! Images that are malicious or broken: each is refused with its name and that of the
//! layer, and nothing is touched.

use std::path::Path;

use serde_json::{Value, json};

use super::image::{Entry, GZIP, Layer, Layout, TAR, Tar, digest, entry, gzip, gzipped, plain, zstandard};
use crate::support::{finish, storagectl, text};
use crate::tree::stamps;

/// A name, what the image is, and the id of the problem.
type Case = (&'static str, Box<dyn Fn(&mut Layout)>, &'static str);

/// An image with this one layer.
fn layer(name: &'static str, tar: fn() -> Vec<u8>) -> Case {
    (name, Box::new(move |layout| layout.image("x", "amd64", &[plain(tar())])), "layer-invalid")
}

fn with(name: &'static str, id: &'static str, make: impl Fn(&mut Layout) + 'static) -> Case {
    (name, Box::new(make), id)
}

fn good() -> Layer {
    gzipped(&Tar::default().dir("etc").file("etc/x", b"content").finish())
}

/// An image of one good layer whose manifest or configuration is changed.
fn changed(name: &'static str, id: &'static str, change: fn(&mut Value)) -> Case {
    with(name, id, move |layout| {
        let mut manifest = layout.manifest(&Layout::config(&[good()], "amd64"), &[good()]);
        change(&mut manifest);
        layout.add("x", &manifest);
    })
}

fn changed_config(name: &'static str, id: &'static str, change: fn(&mut Value)) -> Case {
    with(name, id, move |layout| {
        let mut config = Layout::config(&[good()], "amd64");
        change(&mut config);
        let manifest = layout.manifest(&config, &[good()]);
        layout.add("x", &manifest);
    })
}

fn sized(flag: u8, name: &str, size: u64) -> Entry {
    Entry { size, ..entry(flag, name) }
}

#[rustfmt::skip]
fn corpus() -> Vec<Case> {
    vec![
        // Names that lead elsewhere.
        layer("a name with ..", || Tar::default().file("../outside", b"x").finish()),
        layer("a name with .. inside", || Tar::default().dir("a").file("a/../../outside", b"x").finish()),
        layer("a name that is ..", || Tar::default().dir("..").finish()),
        layer("a long name with ..", || Tar::default().gnu_name(b'L', b"a/../../outside").file("x", b"x").finish()),
        layer("a PAX name with ..", || Tar::default().pax(&[("path", b"../outside")]).file("x", b"x").finish()),
        layer("a file below an absolute symlink", || Tar::default().link(b'2', "a", "/").file("a/outside", b"x").finish()),
        layer("a file below a relative symlink", || Tar::default().dir("d").link(b'2', "d/a", "../..").file("d/a/outside", b"x").finish()),
        layer("a directory below a symlink", || Tar::default().link(b'2', "a", "..").dir("a/outside").finish()),
        layer("a whiteout below a symlink", || Tar::default().link(b'2', "a", "..").file("a/.wh.outside", b"").finish()),
        layer("an opaque marker below a symlink", || Tar::default().link(b'2', "a", "..").file("a/.wh..wh..opq", b"").finish()),
        layer("a symlink that is opened as a file", || Tar::default().link(b'2', "a", "/outside").file("a", b"x").finish()),
        layer("a hard link with ..", || Tar::default().link(b'1', "a", "../outside").finish()),
        layer("a hard link to what is not there", || Tar::default().link(b'1', "a", "/etc/passwd").finish()),
        layer("a hard link through a symlink", || Tar::default().link(b'2', "s", "/").link(b'1', "a", "s/etc/passwd").finish()),
        layer("a hard link to a directory", || Tar::default().dir("d").link(b'1', "a", "d").finish()),
        layer("a hard link to itself", || Tar::default().link(b'1', "a", "a").finish()),
        // Whiteouts of what is not theirs.
        layer("a whiteout of ..", || Tar::default().dir("d").file("d/.wh...", b"").finish()),
        layer("a whiteout of .", || Tar::default().file(".wh..", b"").finish()),
        layer("a whiteout of nothing", || Tar::default().file(".wh.", b"").finish()),
        layer("a whiteout of what is in the layer", || Tar::default().file("a", b"x").file(".wh.a", b"").finish()),
        layer("a file below a whiteout", || Tar::default().file(".wh.a", b"").file("a/b", b"x").finish()),
        layer("a whiteout with content", || Tar::default().file(".wh.a", b"content").finish()),
        layer("a whiteout that is a directory", || Tar::default().dir(".wh.a").finish()),
        layer("a hard link to a whiteout", || Tar::default().file(".wh.a", b"").link(b'1', "b", ".wh.a").finish()),
        // What cannot be assembled again, or stands for two things.
        layer("a name twice", || Tar::default().file("a", b"x").file("a", b"y").finish()),
        layer("a name twice in two spellings", || Tar::default().file("a", b"x").file("./a", b"y").finish()),
        layer("a file in place of a directory", || Tar::default().file("a/b", b"x").file("a", b"y").finish()),
        layer("a file below a file", || Tar::default().file("a", b"x").file("a/b", b"y").finish()),
        layer("a file that is the root", || Tar::default().file("./", b"x").finish()),
        layer("the driver's attribute", || Tar::default().pax(&[("SCHILY.xattr.trusted.overlay.redirect", b"/etc")]).dir("d").finish()),
        layer("a zero byte in a name", || Tar::default().pax(&[("path", b"a\0b")]).file("x", b"x").finish()),
        layer("a name of 256 bytes", || Tar::default().pax(&[("path", &[b'n'; 256])]).file("x", b"x").finish()),
        layer("a path of 5,000 bytes", || Tar::default().pax(&[("path", "dir/".repeat(1250).as_bytes())]).file("x", b"x").finish()),
        layer("a symlink that leads nowhere", || Tar::default().link(b'2', "a", "").finish()),
        layer("an owner beyond 32 bits", || Tar::default().header(&Entry { uid: 1 << 32, ..entry(b'0', "a") }).finish()),
        layer("a device beyond 32 bits", || Tar::default().header(&Entry { device: (0x1f_ffff, 0), ..entry(b'3', "a") }).finish()),
        // Streams that are none.
        layer("a sparse file of GNU", || Tar::default().header(&sized(b'S', "a", 0)).finish()),
        layer("a sparse file of PAX", || Tar::default().pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")]).file("a", b"1\n0\n").finish()),
        layer("an unknown type of entry", || Tar::default().header(&entry(b'Z', "a")).finish()),
        layer("a PAX record that lies about its length", || Tar::default().raw_pax(b"99 path=x\n").file("a", b"").finish()),
        layer("a PAX size that is no number", || Tar::default().pax(&[("size", b"many")]).file("a", b"x").finish()),
        layer("an entry that is larger than the stream", || Tar::default().header(&sized(b'0', "a", 1 << 40)).finish()),
        layer("a header that is cut", || { let mut tar = Tar::default().file("a", b"x").finish(); tar.truncate(300); tar }),
        layer("an entry behind the end mark", || { let mut tar = Tar::default().file("a", b"x").0; tar.resize(tar.len() + 512, 0); tar.extend(Tar::default().file("b", b"x").finish()); tar }),
        layer("a wrong checksum", || { let mut tar = Tar::default().file("a", b"x").finish(); tar[0] = b'b'; tar }),
        layer("a PAX header of 2 MiB", || Tar::default().raw_pax(&vec![b'x'; 2 << 20]).file("a", b"x").finish()),
        layer("no tar at all", || vec![b'x'; 2000]),
        // Blobs.
        with("a gzip that is cut", "layer-invalid", |layout| {
            let tar = Tar::default().file("a", &[7; 100_000]).finish();
            let blob = gzip(&tar);
            layout.image("x", "amd64", &[(blob[..blob.len() - 20].to_vec(), GZIP, digest(&tar))]);
        }),
        with("a zstd that is cut", "layer-invalid", |layout| {
            let (blob, kind, diff_id) = super::image::zstandard(&Tar::default().file("a", &[7; 100_000]).finish());
            layout.image("x", "amd64", &[(blob[..blob.len() - 4].to_vec(), kind, diff_id)]);
        }),
        with("a bomb", "layer-too-large", |layout| {
            layout.image("x", "amd64", &[gzipped(&Tar::default().file("a", &vec![0; 3 << 20]).finish())]);
        }),
        with("another diff id", "layer-digest", |layout| {
            let (blob, kind, _) = good();
            layout.image("x", "amd64", &[(blob, kind, digest(b"other"))]);
        }),
        with("xz", "layer-unsupported", |layout| {
            layout.image("x", "amd64", &[(b"\xfd7zXZ\0rest".to_vec(), TAR, digest(b""))]);
        }),
        with("another blob of the same size", "blob-digest", |layout| {
            let (blob, ..) = good();
            layout.image("x", "amd64", &[good()]);
            let mut other = blob.clone();
            *other.last_mut().unwrap() ^= 1;
            fs_err::write(layout.blob_file(&digest(&blob)), other).unwrap();
        }),
        with("a longer blob", "blob-digest", |layout| {
            let (blob, ..) = good();
            layout.image("x", "amd64", &[good()]);
            fs_err::write(layout.blob_file(&digest(&blob)), [blob.as_slice(), b"more"].concat()).unwrap();
        }),
        with("a missing blob", "blob-missing", |layout| {
            layout.image("x", "amd64", &[good()]);
            fs_err::remove_file(layout.blob_file(&digest(&good().0))).unwrap();
        }),
        with("a blob that is a FIFO", "io", |layout| {
            layout.image("x", "amd64", &[good()]);
            let blob = layout.blob_file(&digest(&good().0));
            fs_err::remove_file(&blob).unwrap();
            crate::support::run(std::process::Command::new("mkfifo").arg(blob));
        }),
        // Documents.
        with("no index", "image-missing", |_| {}),
        with("an index that is no JSON", "image-invalid", |layout| fs_err::write(layout.dir.join("index.json"), "{").unwrap()),
        changed("a manifest that is an artifact", "image-unsupported", |manifest| manifest["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json")),
        changed("schema 1", "image-unsupported", |manifest| manifest["schemaVersion"] = json!(1)),
        changed("a digest that is a path", "image-invalid", |manifest| manifest["layers"][0]["digest"] = json!("sha256:../../../../../../etc/passwd")),
        changed("another algorithm", "image-invalid", |manifest| manifest["layers"][0]["digest"] = json!(format!("sha512:{}", "0".repeat(128)))),
        changed("another size", "blob-digest", |manifest| manifest["layers"][0]["size"] = json!(1)),
        changed("an encrypted layer", "layer-unsupported", |manifest| manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip+encrypted")),
        changed("a foreign layer", "layer-unsupported", |manifest| manifest["layers"][0]["mediaType"] = json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")),
        changed("no layer of an image", "image-unsupported", |manifest| manifest["layers"][0]["mediaType"] = json!("text/plain")),
        changed("an unknown layer", "layer-unsupported", |manifest| { let mut other = manifest["layers"][0].clone(); other["mediaType"] = json!("text/plain"); manifest["layers"].as_array_mut().unwrap().insert(0, other); }),
        changed("more layers than the configuration", "image-invalid", |manifest| { let one = manifest["layers"][0].clone(); manifest["layers"].as_array_mut().unwrap().push(one); }),
        changed_config("no layers in the configuration", "image-invalid", |config| config["rootfs"] = json!(null)),
        changed_config("Windows", "image-platform", |config| config["os"] = json!("windows")),
        with("a list without this machine", "image-platform", |layout| {
            let list = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{"mediaType": "x", "digest": digest(b""), "size": 0, "platform": {"os": "linux", "architecture": "mips"}}]});
            layout.add("x", &list);
        }),
        with("a list of itself", "image-invalid", |layout| {
            // A digest cannot be its own, but lists can be nested.
            let platform = json!({"os": "linux", "architecture": super::refused::host_arch()});
            let mut inner = layout.manifest(&Layout::config(&[good()], "amd64"), &[good()]);
            for _ in 0..6 {
                let mut entry = layout.blob(inner.to_string().as_bytes(), "application/vnd.oci.image.index.v1+json");
                entry["platform"] = platform.clone();
                inner = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]});
            }
            layout.add("x", &inner);
        }),
        with("501 layers", "image-unsupported", |layout| {
            let layers: Vec<Layer> = (0..501).map(|_| plain(vec![0; 1024])).collect();
            layout.image("x", "amd64", &layers);
        }),
    ]
}

fn host_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[track_caller]
fn assert_refused(name: &str, layout: &Layout, out: &Path, wanted: &str) {
    let source = format!("localhost/bad:1={}", layout.source("x"));
    let mut command = storagectl(&["build-store", "--format", "json", "--max-layer-size", "2", "-o"]);
    let output = finish(command.arg(out).arg(&source));
    assert_eq!(output.status.code(), Some(2), "{name}: {}", text(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["error"]["id"], wanted, "{name}: {answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(wanted == "io" || message.contains("localhost/bad:1"), "{name}: {message}");
    if wanted.starts_with("layer-") {
        assert!(message.contains("layer 1"), "{name}: {message}");
    }
    assert!(!answer["error"]["hint"].as_str().unwrap().is_empty());
}

#[test]
fn bad_images_are_refused_and_nothing_outside_is_touched() {
    let corpus = corpus();
    assert!(corpus.len() >= 60);
    for (name, make, wanted) in corpus {
        let scratch = tempfile::tempdir().unwrap();
        let mut layout = Layout::new(&scratch.path().join("oci"));
        make(&mut layout);
        let place = scratch.path().join("place");
        fs_err::create_dir_all(place.join("outside/inner")).unwrap();
        fs_err::write(place.join("outside/file"), "precious").unwrap();
        let before = stamps(&place.join("outside"));
        for out in ["store", "store.tar"] {
            assert_refused(name, &layout, &place.join(out), wanted);
        }
        assert_eq!(stamps(&place.join("outside")), before, "{name}");
        assert_eq!(crate::tree::names(&place), ["outside"], "{name}");
    }
}

#[test]
fn a_bad_image_leaves_a_store_that_is_there_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let mut layout = Layout::new(&scratch.path().join("oci"));
    layout.image("good", "amd64", &[good()]);
    let bad = plain(Tar::default().file("fine", b"x").file("../outside", b"x").finish());
    layout.image("x", "amd64", &[gzipped(&Tar::default().file("new", b"x").finish()), bad]);
    let store = scratch.path().join("store");
    let mut command = storagectl(&["build-store", "-o"]);
    crate::support::run(command.arg(&store).arg(format!("localhost/good:1={}", layout.source("good"))));
    let before = super::listing::fingerprint(&store);
    let mut command = storagectl(&["build-store", "-o"]);
    let output = finish(command.arg(&store).arg(format!("localhost/bad:1={}", layout.source("x"))));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("layer 2 of 2"), "{}", text(&output));
    let names = |dir: &str| crate::tree::names(&store.join(dir));
    assert_eq!(
        (names("overlay").len(), names("overlay-layers").len(), names("overlay-images").len()),
        (2, 3, 3)
    );
    let records = |store: &Path| {
        super::listing::listing(store, f64::MAX)
            .into_iter()
            .filter(|(path, _)| path.ends_with("json") || path.ends_with("lock"))
            .collect::<Vec<_>>()
    };
    assert_eq!(records(&store).len(), 4);
    assert!(!before.is_empty());
}

/// Each of these stops engines, see docs/damage-table.md.
#[test]
fn nothing_is_added_to_a_store_with_malformed_records() {
    let scratch = tempfile::tempdir().unwrap();
    let mut layout = Layout::new(&scratch.path().join("oci"));
    layout.image("x", "amd64", &[good()]);
    let store = scratch.path().join("store");
    let build = || {
        let mut command = storagectl(&["build-store", "--format", "json", "-o"]);
        command.arg(&store).arg(format!("localhost/x:1={}", layout.source("x")));
        finish(&mut command)
    };
    assert!(build().status.success());
    for file in
        ["overlay-images/images.json", "overlay-layers/layers.json", "overlay-layers/volatile-layers.json"]
    {
        let place = store.join(file);
        let good = fs_err::read(&place).ok();
        fs_err::write(&place, "[{").unwrap();
        let before = crate::tree::tree(&store);
        let output = build();
        assert_eq!(output.status.code(), Some(2), "{file}: {}", text(&output));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["error"]["id"], "store-damaged", "{file}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(file), "{file}: {answer}");
        assert_eq!(crate::tree::tree(&store), before, "{file}");
        match good {
            Some(good) => fs_err::write(&place, good).unwrap(),
            None => fs_err::remove_file(&place).unwrap(),
        }
    }
}

#[test]
fn without_root_a_directory_is_refused_with_what_works_instead() {
    let scratch = tempfile::tempdir().unwrap();
    crate::support::run(std::process::Command::new("chmod").arg("0777").arg(scratch.path()));
    let mut layout = Layout::new(&scratch.path().join("oci"));
    layout.image("x", "amd64", &[good()]);
    let mut user = std::process::Command::new("setpriv");
    user.args(["--reuid", "4321", "--regid", "4321", "--clear-groups"]);
    let mut command = storagectl(&["build-store", "-o"]);
    command.arg(scratch.path().join("store")).arg(format!("localhost/x:1={}", layout.source("x")));
    let output = finish(&mut crate::support::under(user, &command));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("`.tar` or `.squashfs`"), "{}", text(&output));
}

#[test]
fn a_full_disk_is_told_and_leaves_the_store_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let mut layout = Layout::new(&scratch.path().join("oci"));
    layout.image("good", "amd64", &[good()]);
    let big = Tar::default().file("big", &vec![7; 4 << 20]).finish();
    layout.image("big", "amd64", &[gzipped(&big)]);
    // Its end does not tell how large it is.
    layout.image("silent", "amd64", &[zstandard(&big)]);
    let script = "mkdir /run/small; mount -t tmpfs -o size=2m none /run/small; cd /run/small
        \"$STORAGECTL\" -q build-store -o store localhost/good:1=oci:$DIR/oci:good
        before=$(find store | sort | sha256sum; cat store/*/*.json)
        \"$STORAGECTL\" build-store -o store localhost/big:1=oci:$DIR/oci:big 2>&1 || echo status $?
        \"$STORAGECTL\" build-store -o store localhost/big:1=oci:$DIR/oci:silent 2>&1 || echo status $?
        [ \"$before\" = \"$(find store | sort | sha256sum; cat store/*/*.json)\" ] && echo unchanged
        \"$STORAGECTL\" build-store -o store.tar localhost/big:1=oci:$DIR/oci:big 2>&1 || echo status $?
        ls -A";
    let program = Path::new(crate::support::STORAGECTL);
    let said = crate::check::healthy::in_private(script, &[("STORAGECTL", program), ("DIR", scratch.path())]);
    assert!(said.contains("does not have enough space: 4.2 MB are needed and "), "{said}");
    assert!(said.contains("cannot be written: No space left on device"), "{said}");
    assert!(said.contains("status 2\nunchanged\n"), "{said}");
    assert!(said.ends_with("status 2\nstore\n"), "{said}");
}
