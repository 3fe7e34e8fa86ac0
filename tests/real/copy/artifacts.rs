//! Artifacts are copied to where engines find them, and go from there, like images.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::artifact::Artifact;
use super::machine::{Machine, Way, embedded, reference, unlist, with_state};
use crate::build::image::digest;
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::check::store::checked;
use crate::cri::{START, STOP, client};
use crate::hosts::program;
use crate::strace::{changes, own, tamper, trace, tried};
use crate::support::{finish, run, storagectl, text};

const MODEL: &str = "registry.example.com/team/model:1";
const NOTES: &str = "registry.example.com/team/notes:2";

fn model() -> Artifact {
    Artifact::new("application/vnd.example.model", &[("weights", b"heavy"), ("words", b"light")])
}

fn notes() -> Artifact {
    Artifact::new("application/vnd.example.notes", &[("notes", b"to be read"), ("words", b"light")])
}

/// A machine with an image and two artifacts to copy.
fn machine() -> (Machine, PathBuf) {
    let machine = Machine::new();
    let source = machine.at("embedded");
    fs_err::create_dir(&source).unwrap();
    let image = reference("app-0:1");
    let dir = super::machine::directory(embedded(), &image);
    run(Command::new("cp").arg("-a").args([&dir, &source]));
    model().embed(&source, MODEL);
    let list = fs_err::read_to_string(source.join("image-list.txt")).unwrap();
    let line = format!("{image},{}\n", dir.file_name().unwrap().to_str().unwrap());
    fs_err::write(source.join("image-list.txt"), list + &line).unwrap();
    notes().embed(&source, NOTES);
    (machine, source)
}

fn index(storage: &Path) -> Vec<(String, String)> {
    let bytes = fs_err::read(storage.join("artifacts/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&bytes).unwrap();
    let entries = index["manifests"].as_array().unwrap().iter();
    let name =
        |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().map(str::to_owned);
    entries.map(|entry| (name(entry).unwrap(), entry["digest"].as_str().unwrap().to_owned())).collect()
}

fn blobs(storage: &Path) -> Vec<String> {
    crate::tree::names(&storage.join("artifacts/blobs/sha256"))
}

/// Runs podman with the configuration of the machine.
#[track_caller]
fn podman(machine: &Machine, engine: Engine, script: &str) -> String {
    let script = format!(
        "export CONTAINERS_STORAGE_CONF=\"$CONF\"\n{script}\numount \"$GRAPH/overlay\" 2>/dev/null || :"
    );
    let variables = [
        ("CONF", machine.at("storage.conf")),
        ("GRAPH", machine.at("graph")),
        ("ENGINE", engine.program()),
        ("OUT", machine.at("out")),
    ];
    let variables: Vec<(&str, &Path)> =
        variables.iter().map(|(name, path)| (*name, path.as_path())).collect();
    in_private(&script, &variables)
}

const LIST: &str = "$ENGINE artifact ls --noheading --format '{{.Repository}}:{{.Tag}}' | sort";

/// podman lists what was copied, and takes its files out again; what it adds itself is left alone,
/// and what it removes is copied again.
#[test]
fn podman_finds_artifacts_in_its_own_storage_and_keeps_its_own() {
    for engine in [Engine::Podman5, Engine::Podman6] {
        let (machine, source) = machine();
        let copied = machine.copy(Way::Main, &source);
        assert_eq!(with_state(&copied, "copied"), [MODEL, &reference("app-0:1"), NOTES]);
        let of = |index: usize, key: &str| copied["images"][index][key].clone();
        assert_eq!(
            (of(0, "artifact"), of(1, "artifact"), of(2, "artifact")),
            (true.into(), false.into(), true.into())
        );
        assert_eq!(podman(&machine, engine, LIST), format!("{MODEL}\n{NOTES}\n"), "{}", engine.name());
        if engine == Engine::Podman6 {
            // podman 5 makes a digest up, of what it would have written.
            let digests = "$ENGINE artifact ls --noheading --no-trunc --format '{{.Digest}}' | sort";
            let mut expected = [model(), notes()].map(|it| it.digest()["sha256:".len()..].to_owned() + "\n");
            expected.sort();
            assert_eq!(podman(&machine, engine, digests), expected.concat());
        }
        let script = format!(
            "rm -rf $OUT; mkdir $OUT; $ENGINE artifact extract {MODEL} $OUT; cat $OUT/weights $OUT/words; echo
            $ENGINE artifact inspect {NOTES} | grep -c vnd.example.notes
            $ENGINE artifact extract --title notes {NOTES} $OUT/by-title; cat $OUT/by-title; echo",
        );
        assert_eq!(podman(&machine, engine, &script), "heavylight\n1\nto be read\n", "{}", engine.name());
        // Their own, which shares a blob with one of ours, and one of ours that they remove.
        let script = "printf light >$OUT/words; $ENGINE artifact add localhost/mine:1 $OUT/words >/dev/null
            $ENGINE artifact rm registry.example.com/team/model:1 >/dev/null";
        podman(&machine, engine, script);
        let again = machine.copy(Way::Main, &source);
        assert_eq!(with_state(&again, "copied"), [MODEL], "{}", engine.name());
        assert_eq!(with_state(&machine.copy(Way::Main, &source), "copied"), [""; 0]);
        machine.assert_sound(Way::Main);
        // A new list: what was copied goes, with the blobs that nobody else needs.
        unlist(&source, MODEL);
        unlist(&source, NOTES);
        let would = machine.ends(Way::Main, &source, &["--prune", "--dry-run"], 0);
        let pruned = machine.ends(Way::Main, &source, &["--prune"], 0);
        assert_eq!(would["pruned"], pruned["pruned"]);
        assert_eq!(pruned["pruned"], json!([MODEL, NOTES]));
        let said = podman(
            &machine,
            engine,
            &format!("{LIST}; $ENGINE artifact extract localhost/mine:1 $OUT/again; cat $OUT/again"),
        );
        assert!(said == "localhost/mine:1\nlight", "{}: {said}", engine.name());
        assert_eq!(blobs(&machine.at("graph")).len(), 3, "manifest, configuration and file of theirs");
    }
}

#[test]
fn a_store_has_them_beside_its_images_and_every_command_knows() {
    let (machine, source) = machine();
    machine.copy(Way::Store, &source);
    let store = machine.storage(Way::Store);
    assert_eq!(index(&store).len(), 2);
    assert!(!machine.at("graph/artifacts").exists());
    let config = machine.at("storage.conf");
    let said = |args: &[&str]| {
        let mut command = storagectl(&["--config"]);
        text(&finish(command.arg(&config).args(args)))
    };
    let path = store.to_str().unwrap();
    let listed = said(&["list-images", "--store", path]);
    assert!(listed.contains(MODEL) && listed.contains("application/vnd.example.notes"), "{listed}");
    let embedded = said(&["list-images", "--source", source.to_str().unwrap()]);
    let line = embedded.lines().find(|line| line.starts_with(MODEL)).unwrap();
    assert!(line.contains(" artifact ") && line.trim_end().ends_with(path), "{embedded}");
    let answer = checked(&[path, "--deep"]);
    assert_eq!(answer["artifacts"], 2, "{answer}");
    // One by its name, one by its digest, and one that is not there.
    let by_digest = format!("registry.example.com/team/notes@{}", notes().digest());
    for (args, expected) in [
        (vec!["--dry-run", path, MODEL], format!("would have removed the artifact `{MODEL}`")),
        (vec![path, "registry.example.com/team/none:1"], "is not in".to_owned()),
        (vec![path, MODEL], format!("removed the artifact `{MODEL}`")),
        (vec![path, &by_digest], format!("removed the artifact `{NOTES}`")),
    ] {
        let output = said(&[&["remove-images"], args.as_slice()].concat());
        assert!(output.contains(&expected), "{args:?}: {output}");
    }
    assert!(index(&store).is_empty() && blobs(&store).is_empty());
    assert_eq!(with_state(&machine.copy(Way::Store, &source), "copied"), [MODEL, NOTES]);
    // Elsewhere than the images: where podman finds them.
    let graph = machine.at("graph");
    let elsewhere = ["--artifact-store", graph.to_str().unwrap()];
    machine.ends(Way::Store, &source, &elsewhere, 0);
    assert_eq!(index(&graph).len(), 2);
    assert!(podman(&machine, Engine::Podman6, LIST).starts_with(MODEL));
}

/// Each damage is found, and the next run repairs what it copies.
#[test]
fn damage_is_found_and_copied_again() {
    let (machine, source) = machine();
    machine.copy(Way::Store, &source);
    let store = machine.storage(Way::Store);
    let weights = store.join("artifacts/blobs/sha256").join(&digest(b"heavy")["sha256:".len()..]);
    let manifest = store.join("artifacts/blobs/sha256").join(&model().digest()["sha256:".len()..]);
    let index_json = store.join("artifacts/index.json");
    let found = |args: &[&str]| {
        let answer = checked(&[&[store.to_str().unwrap()], args].concat());
        let findings = answer["findings"].as_array().unwrap().clone();
        let ids = findings.iter().map(|it| it["id"].as_str().unwrap().to_owned());
        ids.filter(|id| id.starts_with("artifact")).collect::<Vec<_>>()
    };
    assert_eq!(found(&["--deep"]), [""; 0]);
    type Damage<'a> = (&'a str, &'a [&'a str], &'a dyn Fn());
    let damages: [Damage<'_>; 5] = [
        ("artifact-blob", &[], &|| fs_err::remove_file(&weights).unwrap()),
        ("artifact-blob", &[], &|| fs_err::write(&weights, "cut").unwrap()),
        ("artifact-digest", &["--deep"], &|| fs_err::write(&weights, "HEAVY").unwrap()),
        ("artifact-damaged", &[], &|| fs_err::remove_file(&manifest).unwrap()),
        ("artifact-damaged", &[], &|| fs_err::write(&manifest, "{}").unwrap()),
    ];
    for (id, args, damage) in damages {
        damage();
        assert_eq!(found(args), [id]);
        assert_eq!(with_state(&machine.copy(Way::Store, &source), "copied"), [MODEL], "{id}");
        assert_eq!(found(&["--deep"]), [""; 0], "{id}");
    }
    // Nobody knows what a torn index had: it is not replaced by one that lacks that.
    fs_err::write(&index_json, "{\"manifests\": [").unwrap();
    assert_eq!(found(&[]), ["artifacts-malformed"]);
    let failed = machine.ends(Way::Store, &source, &[], 1);
    assert_eq!(with_state(&failed, "failed"), [MODEL, NOTES]);
    assert_eq!(failed["images"][0]["error"]["id"], "artifacts-malformed");
    fs_err::remove_file(&index_json).unwrap();
    assert_eq!(with_state(&machine.copy(Way::Store, &source), "copied"), [MODEL, NOTES]);
}

/// What would keep engines from listing any artifact is refused, and so is what is not the artifact
/// that was embedded.
#[test]
fn what_would_stop_engines_is_not_copied() {
    let (machine, source) = machine();
    let of = |name: &str| format!("registry.example.com/team/{name}:1");
    model()
        .edited(|it| it["annotations"]["org.opencontainers.image.created"] = json!("today"))
        .embed(&source, &of("time"));
    model()
        .edited(|it| it["mediaType"] = json!("application/vnd.docker.distribution.manifest.v2+json"))
        .embed(&source, &of("docker"));
    model().edited(|it| it["layers"][0]["digest"] = json!(digest(b"other"))).embed(&source, &of("missing"));
    let lying =
        super::artifact::Artifact::new("application/vnd.example.model", &[("a", b"lies about itself")]);
    lying.embed(&source, &of("lying"));
    let blob = super::machine::directory(&source, &of("lying"))
        .join(&digest(b"lies about itself")["sha256:".len()..]);
    fs_err::write(&blob, "LIES about itself").unwrap();
    let linked = super::artifact::Artifact::new("application/vnd.example.model", &[("a", b"elsewhere")]);
    linked.embed(&source, &of("linked"));
    let blob =
        super::machine::directory(&source, &of("linked")).join(&digest(b"elsewhere")["sha256:".len()..]);
    fs_err::rename(&blob, machine.at("elsewhere")).unwrap();
    std::os::unix::fs::symlink(machine.at("elsewhere"), &blob).unwrap();
    let document = machine.ends(Way::Main, &source, &["--retries", "0"], 1);
    let bad = ["time", "docker", "missing", "lying", "linked"].map(of);
    assert_eq!(with_state(&document, "failed"), bad);
    let ids: Vec<&str> =
        (3..8).map(|place| document["images"][place]["error"]["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        ["image-unsupported", "image-unsupported", "blob-missing", "blob-digest", "symlink-loop"]
    );
    assert_eq!(index(&machine.at("graph")).len(), 2);
    for engine in [Engine::Podman5, Engine::Podman6] {
        assert_eq!(podman(&machine, engine, LIST).lines().count(), 2);
    }
    let verified = finish(storagectl(&["verify-images", "--source"]).arg(&source));
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
    // No store of images is built from one, and a container cannot be started from one.
    let from = format!("dir:{}", super::machine::directory(&source, MODEL).display());
    let built = finish(
        storagectl(&["build-store", "--output"]).arg(machine.at("built")).arg(format!("{MODEL}={from}")),
    );
    assert_eq!(built.status.code(), Some(2));
    assert!(text(&built).contains("is an artifact, not an image"), "{}", text(&built));
    fs_err::write(machine.at("app.container"), format!("[Container]\nImage={MODEL}\n")).unwrap();
    let mut command = storagectl(&["verify-images", "--source"]);
    let needed = finish(command.arg(&source).arg("--needed-by").arg(machine.at("app.container")));
    assert_eq!(needed.status.code(), Some(0), "{}", text(&needed));
    assert!(text(&needed).contains("is an artifact, not an image"), "{}", text(&needed));
}

/// Killed at any system call that changes something, engines find what was there before or what is
/// to be there, and the next run completes it.
#[test]
fn killed_anywhere_the_index_names_what_is_there() {
    let (machine, source) = machine();
    unlist(&source, &reference("app-0:1"));
    let store = machine.storage(Way::Store);
    let original = machine.at("original");
    // What is to be replaced, and to be pruned: both share a blob with what stays.
    let other = Artifact::new("application/vnd.example.model", &[("words", b"light"), ("old", b"old")]);
    other.embed(&source, MODEL);
    other.embed(&source, "registry.example.com/team/former:1");
    notes().embed(&source, NOTES);
    machine.copy(Way::Store, &source);
    model().embed(&source, MODEL);
    unlist(&source, "registry.example.com/team/former:1");
    run(Command::new("cp").arg("-a").args([&store, &original]));
    let restore = || {
        run(Command::new("rm").arg("-rf").arg(&store));
        run(Command::new("cp").arg("-a").args([&original, &store]));
    };
    let command = machine.command(Way::Store, &source, &["--prune", "--jobs", "1"]);
    let (output, calls) = trace(&command);
    assert!(output.status.success(), "{}", text(&output));
    let there = format!("{}/artifacts", store.display());
    let calls = own(&calls).iter().filter(|call| changes(call) && call.line.contains(&there));
    let calls: Vec<_> = calls.collect();
    assert!(calls.len() > 20, "{calls:#?}");
    for call in tried(calls, 10) {
        restore();
        let output = tamper(&[&call.inject("signal=KILL")], &command);
        assert!(!output.status.success(), "{call:?}");
        let names: Vec<String> = index(&store).into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&MODEL.to_owned()) && names.contains(&NOTES.to_owned()), "{names:?}");
        let answer = checked(&[store.to_str().unwrap(), "--deep"]);
        let bad =
            answer["findings"].as_array().unwrap().iter().filter(|it| it["severity"] == "error").count();
        assert_eq!(bad, 0, "{call:?}: {answer}");
        let output = finish(&mut machine.command(Way::Store, &source, &["--prune"]));
        assert!(output.status.success(), "{}", text(&output));
        let mut found = index(&store);
        found.sort();
        let expected = [(MODEL, model().digest()), (NOTES, notes().digest())];
        assert_eq!(found, expected.map(|(name, digest)| (name.to_owned(), digest)));
        let files = crate::tree::names(&store.join("artifacts"));
        let left: Vec<&String> =
            files.iter().filter(|name| name.contains("-new-") || name.contains("removing")).collect();
        assert!(left.is_empty(), "{call:?}: {left:?}");
        // Two manifests, the configuration, and four files, of which one is shared.
        assert_eq!(blobs(&store).len(), 6, "{call:?}: {:?}", blobs(&store));
    }
}

/// CRI-O finds them in a store that it has as one of `additional_artifact_stores`, and in its own
/// storage.
#[test]
fn crio_lists_artifacts_of_its_additional_stores() {
    let list = "\"$CRI\" /run/crio.sock images | grep -o '^[^ ]*/team/[^ ]*' | sort";
    let script = format!("{START}{list}{STOP}");
    for way in [Way::Store, Way::Main] {
        let (machine, source) = machine();
        machine.copy(way, &source);
        let stores = match way {
            Way::Store => format!("\"{}\"", machine.storage(way).display()),
            Way::Main => String::new(),
        };
        let variables = [
            ("CONF", machine.at("storage.conf")),
            ("GRAPH", machine.at("graph")),
            ("LOG", machine.at("log")),
            ("ARTIFACT_STORES", stores.into()),
            ("ENGINE", program("crio")),
            ("CRI", client()),
            ("CRUN", crate::build::CRUN.into()),
        ];
        let variables: Vec<(&str, &Path)> =
            variables.iter().map(|(name, path)| (*name, path.as_path())).collect();
        let log = || fs_err::read_to_string(machine.at("log")).unwrap_or_default();
        assert_eq!(in_private(&script, &variables), format!("{MODEL}\n{NOTES}\n"), "{way:?}: {}", log());
    }
}
