//! Signatures that came with an image are in the store, as engines put them there.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::image::{Layout, Tar, digest, plain};
use super::same::{assert_same_store, build, now, records, skopeo};
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::check::store::checked;
use crate::support::{finish, run, storagectl, text};

/// What starts as an OpenPGP message does.
const SIMPLE: &[u8] = b"\xa3\x01signed by one";
const OTHER: &[u8] = b"\x90\x0dsigned by another";
const SIGSTORE: &[u8] = b"\0sigstore-json\n{\"mimeType\":\"application/vnd.dev.cosign.simplesigning.v1+json\",\"payload\":\"e30=\",\"annotations\":{\"dev.cosignproject.cosign/signature\":\"c2lnbmVk\"}}";

/// An image as `dir:` directory: alone, and in a list.
struct Images {
    scratch: tempfile::TempDir,
    /// The digits of the digest of the one in the list.
    listed: String,
}

impl Images {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut layout = Layout::new(&scratch.path().join("oci"));
        layout.image("one", "amd64", &[plain(Tar::default().file("one", b"one").finish())]);
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let layers = [plain(Tar::default().file("listed", b"listed").finish())];
        let manifest = layout.manifest(&Layout::config(&layers, arch), &layers).to_string();
        let mut entry = layout.blob(manifest.as_bytes(), "application/vnd.oci.image.manifest.v1+json");
        entry["platform"] = json!({"os": "linux", "architecture": arch});
        let kind = "application/vnd.oci.image.index.v1+json";
        layout.add("list", &json!({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]}));
        for name in ["one", "list"] {
            let to = format!("dir:{}", scratch.path().join(name).display());
            run(Command::new("skopeo").args(["copy", "-q", "--all", &layout.source(name), &to]));
        }
        Self { scratch, listed: digest(manifest.as_bytes())["sha256:".len()..].to_owned() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Puts signatures beside an image; those that were there go.
    fn sign(&self, image: &str, prefix: &str, signatures: &[&[u8]]) {
        for name in crate::tree::names(&self.at(image)) {
            if name.contains("signature-") {
                std::fs::remove_file(self.at(image).join(name)).unwrap();
            }
        }
        for (index, signature) in signatures.iter().enumerate() {
            let file = format!("{image}/{prefix}signature-{}", index + 1);
            std::fs::write(self.at(&file), signature).unwrap();
        }
    }

    fn source(&self, image: &str) -> String {
        format!("dir:{}", self.at(image).display())
    }

    /// The signatures that an engine gets out of a store.
    fn copied_out(&self, store: &Path, engine: Engine, name: &str) -> Vec<Vec<u8>> {
        let out = tempfile::tempdir_in(self.scratch.path()).unwrap();
        // The engine changes the store that it opens.
        let script = "cp -a \"$STORE\" /run/store
            \"$ENGINE\" --root /run/store --runroot /run/r push -q \"$NAME\" dir:\"$OUT\" 2>&1";
        let out = out.path().join("out");
        let variables =
            [("STORE", store), ("ENGINE", &engine.program()), ("NAME", Path::new(name)), ("OUT", &out)];
        in_private(script, &variables);
        let files = (1..).map(|index| std::fs::read(out.join(format!("signature-{index}"))));
        files.map_while(Result::ok).collect()
    }

    fn assert_sound(store: &Path) {
        let answer = checked(&[store.to_str().unwrap(), "--deep"]);
        let findings = answer["findings"].as_array().unwrap();
        let found: Vec<&Value> = findings.iter().filter(|one| one["severity"] != "note").collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn signatures_are_kept_as_skopeo_keeps_them_and_every_engine_gives_them_back() {
    let images = Images::new();
    images.sign("one", "", &[SIMPLE, SIGSTORE]);
    images.sign("list", &format!("{}.", images.listed), &[OTHER]);
    // Of the list itself, which engines do not store.
    std::fs::write(images.at("list/signature-1"), SIMPLE).unwrap();
    let all = [(images.source("one"), "localhost/one:1"), (images.source("list"), "localhost/list:1")];
    let (ours, theirs) = (images.at("ours"), images.at("theirs"));
    let latest = now();
    skopeo(&theirs, &all);
    build(&ours, &all);
    assert_same_store(&ours, &theirs, latest);
    let record = &records(&ours, "overlay-images/images.json")
        .into_iter()
        .find(|record| record["names"][0] == "localhost/one:1")
        .unwrap();
    let metadata: Value = serde_json::from_str(record["metadata"].as_str().unwrap()).unwrap();
    let sizes = json!([SIMPLE.len(), SIGSTORE.len()]);
    let by_digest = json!({record["digest"].as_str().unwrap(): sizes});
    assert_eq!(metadata, json!({"signature-sizes": sizes, "signatures-sizes": by_digest}));
    Images::assert_sound(&ours);
    for engine in [Engine::Podman4, Engine::Podman5, Engine::Podman6] {
        let out = images.copied_out(&ours, engine, "localhost/one:1");
        assert_eq!(out, [SIMPLE, SIGSTORE], "{}", engine.name());
        assert_eq!(images.copied_out(&ours, engine, "localhost/list:1"), [OTHER], "{}", engine.name());
    }
    // Archives have no signatures, which keeps no engine from saving.
    for engine in [Engine::Podman4, Engine::Podman5, Engine::Podman6] {
        let save = "cp -a \"$STORE\" /run/store
            \"$ENGINE\" --root /run/store --runroot /run/r save -q -o /run/archive localhost/one:1 2>&1; echo saved";
        let said = in_private(save, &[("STORE", &ours), ("ENGINE", &engine.program())]);
        assert_eq!(said, "saved\n", "{}", engine.name());
    }
    // A store as a stream has them, too.
    let stream = storagectl(&["build-store", "-o", "-"])
        .arg(format!("localhost/one:1={}", images.source("one")))
        .output()
        .unwrap();
    assert!(stream.status.success(), "{}", text(&stream));
    let unpacked = images.at("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    std::fs::write(images.at("stream.tar"), stream.stdout).unwrap();
    run(Command::new("tar").arg("-C").arg(&unpacked).arg("-xf").arg(images.at("stream.tar")));
    assert_eq!(images.copied_out(&unpacked, Engine::Podman4, "localhost/one:1"), [SIMPLE, SIGSTORE]);
}

#[test]
fn an_image_that_the_store_has_keeps_its_signatures_and_gets_those_that_come() {
    let images = Images::new();
    let store = images.at("store");
    images.sign("one", "", &[SIMPLE]);
    skopeo(&store, &[(images.source("one"), "localhost/one:1")]);
    let before = records(&store, "overlay-images/images.json");
    // Without any.
    images.sign("one", "", &[]);
    build(&store, &[(images.source("one"), "localhost/one:1")]);
    assert_eq!(records(&store, "overlay-images/images.json"), before);
    build(&store, &[(images.source("one"), "localhost/one:2")]);
    assert_eq!(images.copied_out(&store, Engine::Podman4, "localhost/one:2"), [SIMPLE]);
    // With another one, and again.
    for signatures in [&[OTHER][..], &[OTHER, SIMPLE], &[]] {
        images.sign("one", "", signatures);
        build(&store, &[(images.source("one"), "localhost/one:1")]);
        Images::assert_sound(&store);
        for engine in [Engine::Podman4, Engine::Podman5, Engine::Podman6] {
            assert_eq!(images.copied_out(&store, engine, "localhost/one:1"), [OTHER, SIMPLE]);
        }
    }
}

#[test]
fn two_sources_of_one_image_give_it_the_signatures_of_both_in_any_order() {
    let images = Images::new();
    run(Command::new("cp").arg("-a").arg(images.at("one")).arg(images.at("other")));
    images.sign("one", "", &[SIMPLE]);
    images.sign("other", "", &[OTHER]);
    let mut seen = Vec::new();
    for (store, order) in [("a", ["one", "other"]), ("b", ["other", "one"])] {
        let store = images.at(store);
        build(
            &store,
            &order.map(|name| {
                (images.source(name), if name == "one" { "localhost/one:1" } else { "localhost/other:1" })
            }),
        );
        Images::assert_sound(&store);
        assert_eq!(images.copied_out(&store, Engine::Podman4, "localhost/one:1"), [OTHER, SIMPLE]);
        seen.push(records(&store, "overlay-images/images.json"));
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn a_signature_that_engines_refuse_keeps_the_image_out() {
    let images = Images::new();
    let sigstore = |json: &str| [b"\0sigstore-json\n", json.as_bytes()].concat();
    let bad: [&[u8]; 5] =
        [b"", b"-----BEGIN PGP MESSAGE-----", b"\0other\n", &sigstore("{"), &sigstore(r#"{"payload":1}"#)];
    for bytes in bad {
        images.sign("one", "", &[SIMPLE, bytes]);
        let mut copy = Command::new("skopeo");
        copy.args(["copy", "-q", &images.source("one")]).arg(format!("dir:{}", images.at("out").display()));
        let said = text(&finish(&mut copy));
        assert!(said.contains("parsing signature"), "{said}");
        let output =
            finish(storagectl(&["build-store", "-o"]).arg(images.at("store")).arg(images.source("one")));
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("its signature `signature-2` "), "{said}");
        assert!(!images.at("store").exists());
    }
    // More than anybody signs.
    images.sign("one", "", &[SIMPLE; 129]);
    let output = finish(storagectl(&["build-store", "-o"]).arg(images.at("store")).arg(images.source("one")));
    assert!(text(&output).contains("too many signatures"), "{}", text(&output));
}

#[test]
fn signatures_that_engines_cannot_read_are_told() {
    let images = Images::new();
    let made = images.at("made");
    images.sign("one", "", &[SIMPLE, OTHER]);
    build(&made, &[(images.source("one"), "localhost/one:1")]);
    let (first, second) = (SIMPLE.len(), OTHER.len());
    for (sizes, id) in [
        (json!([first, second + 1]), "big-data-size"),
        (json!([first, second - 1]), "big-data-size"),
        (json!([first]), "big-data-size"),
        (json!([first, second, 0]), "big-data-malformed"),
        (json!([first + 1, second - 1]), "big-data-malformed"),
        (json!([first + second]), ""),
        (json!([first, second]), ""),
    ] {
        let store = images.at(&format!("store-{sizes}"));
        run(Command::new("cp").arg("-a").arg(&made).arg(&store));
        let file = store.join("overlay-images/images.json");
        let mut records: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let by_digest = json!({records[0]["digest"].as_str().unwrap(): sizes});
        let metadata = json!({"signature-sizes": sizes, "signatures-sizes": by_digest});
        records[0]["metadata"] = metadata.to_string().into();
        std::fs::write(&file, records.to_string()).unwrap();
        let answer = checked(&[store.to_str().unwrap()]);
        let findings = answer["findings"].as_array().unwrap();
        let errors: Vec<&str> = findings
            .iter()
            .filter(|one| one["severity"] == "error")
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        // Those of the manifest by its digest, and those of the image.
        let expected = if id.is_empty() { vec![] } else { vec![id; 2] };
        assert_eq!(errors, expected, "{sizes}: {findings:?}");
        for engine in [Engine::Podman4, Engine::Podman5, Engine::Podman6] {
            let script = "cp -a \"$STORE\" /run/store
                \"$ENGINE\" --root /run/store --runroot /run/r push -q localhost/one:1 dir:/run/out >/run/said 2>&1 && echo good || cat /run/said";
            let said = in_private(script, &[("STORE", &store), ("ENGINE", &engine.program())]);
            assert_eq!(said == "good\n", id.is_empty(), "{sizes} {}: {said}", engine.name());
        }
    }
}
