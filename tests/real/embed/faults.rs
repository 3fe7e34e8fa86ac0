//! Registries that refuse, are busy, fail, or stop in the middle.

use std::path::Path;
use std::process::Command;

use super::faulty::{Answer, Faulty};
use super::{assert_clean, results, told};
use crate::registry::{Registry, home, registry, serve};
use crate::support::{finish, run, storagectl, text};
use crate::tree::names;

fn embed(scratch: &Path, faulty: &Faulty, images: &[&str], more: &[&str]) -> Command {
    let dir = scratch.join("images");
    let mut command = storagectl(&["embed-images", "--retry-delay", "0", "--into", &dir.to_string_lossy()]);
    command.args(more);
    command.args(images.iter().map(|name| format!("{}/{name}", faulty.address)));
    serve(&home(scratch, &[&faulty.address]), &mut command);
    command
}

#[test]
fn each_failure_has_a_name_and_does_not_stop_the_others() {
    let faulty = Faulty::start(|path, _| {
        let is_blob = path.contains("/blobs/");
        match path.split('/').nth(2).unwrap_or_default() {
            "app-10" => Answer::Status(401),
            "app-11" => Answer::Status(403),
            "app-12" => Answer::Status(404),
            "app-13" => Answer::Status(429),
            "app-14" => Answer::Status(500),
            "app-15" if is_blob => Answer::Cut(2_000),
            "app-16" => Answer::Drop,
            "app-17" if is_blob => Answer::Status(503),
            _ => Answer::Pass,
        }
    });
    let images: Vec<String> = (9..19).map(|index| format!("app-{index}:1")).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let scratch = tempfile::tempdir().unwrap();
    let told = told(&mut embed(scratch.path(), &faulty, &images, &["--retries", "1"]), 1);
    let ids: Vec<&str> = told["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["problem"]["id"].as_str().unwrap_or("none"))
        .collect();
    let expected = [
        "none",
        "registry-denied",
        "registry-denied",
        "image-not-found",
        "registry-busy",
        "registry-broken",
        "registry-broken",
        "registry-broken",
        "registry-broken",
        "none",
    ];
    assert_eq!(ids, expected);
    // What may pass was tried again, and nothing else.
    let asked = faulty.asked.lock().unwrap();
    let times =
        |name: &str| asked.iter().filter(|path| path.contains(&format!("/{name}/manifests/"))).count();
    for refused in ["app-10", "app-11", "app-12"] {
        assert_eq!(times(refused), 1, "{refused}");
    }
    for busy in ["app-13", "app-14", "app-15", "app-16", "app-17"] {
        assert!(times(busy) > 1, "{busy}");
    }
    assert_clean(&scratch.path().join("images"), 2);
}

/// No container could be started from it at boot.
#[test]
fn an_artifact_is_told_before_it_is_fetched() {
    let scratch = tempfile::tempdir().unwrap();
    let chart = scratch.path().join("chart");
    let copy = |from: &str, to: &str| {
        run(registry().serve(Command::new("skopeo").args(["copy", "-q", "--preserve-digests", from, to])))
    };
    let chart_at = format!("dir:{}", chart.display());
    copy(&format!("docker://{}", registry().reference("app-0:1")), &chart_at);
    let manifest = fs_err::read_to_string(chart.join("manifest.json")).unwrap();
    let other = manifest.replace("oci.image.config.v1+json", "cncf.helm.config.v1+json");
    assert_ne!(manifest, other);
    fs_err::write(chart.join("manifest.json"), other).unwrap();
    let artifact = Registry::start(&[]);
    let target = format!("docker://{}", artifact.reference("chart:1"));
    run(artifact.serve(Command::new("skopeo").args([
        "copy",
        "-q",
        "--preserve-digests",
        &chart_at,
        &target,
    ])));
    let faulty = Faulty { address: artifact.address.clone(), asked: std::sync::Arc::default() };
    let told = told(&mut embed(scratch.path(), &faulty, &["chart:1"], &[]), 2);
    let problem = &told["images"][0]["problem"];
    assert_eq!((&problem["id"], &told["download"]), (&"image-unsupported".into(), &0.into()), "{told}");
    assert!(problem["message"].as_str().unwrap().contains("is an artifact of the type"), "{told}");
    // On request it is an image like others, for any platform.
    for more in [&["--artifacts"][..], &["--artifacts", "--arch", "arm64"]] {
        let scratch = tempfile::tempdir().unwrap();
        let done = self::told(&mut embed(scratch.path(), &faulty, &["chart:1"], more), 0);
        assert_eq!(results(&done), ["fetched"]);
        assert_clean(&scratch.path().join("images"), 1);
    }
}

#[test]
fn a_registry_that_recovers_is_asked_until_then() {
    let faulty = Faulty::start(|path, before| match (path.contains("/manifests/"), before) {
        (true, 0) => Answer::Status(429),
        (true, 1) => Answer::Status(502),
        (true, 2) => Answer::Drop,
        (false, 0) if path.contains("/blobs/") => Answer::Cut(1_000),
        (false, 1) if path.contains("/blobs/") => Answer::Status(500),
        _ => Answer::Pass,
    });
    let scratch = tempfile::tempdir().unwrap();
    let done = told(&mut embed(scratch.path(), &faulty, &["multi:1"], &["--retries", "20"]), 0);
    assert_eq!(results(&done), ["fetched"]);
    assert_clean(&scratch.path().join("images"), 1);
    // The parts of a list, too.
    let scratch = tempfile::tempdir().unwrap();
    let more = ["--retries", "20", "--arch", "amd64,arm64"];
    told(&mut embed(scratch.path(), &faulty, &["multi:1"], &more), 0);
    assert_clean(&scratch.path().join("images"), 1);
}

#[test]
fn a_registry_that_falls_silent_is_tried_again() {
    let faulty = Faulty::start(|path, before| match before {
        0 if path.contains("/blobs/") => Answer::Stall(1_000),
        _ => Answer::Pass,
    });
    let scratch = tempfile::tempdir().unwrap();
    let silent = ["--stall-timeout", "2", "--retries", "0"];
    let failed = told(&mut embed(scratch.path(), &faulty, &["app-7:1"], &silent), 2);
    assert_eq!(failed["images"][0]["problem"]["id"], "registry-broken");
    assert!(failed["images"][0]["problem"]["message"].as_str().unwrap().ends_with("nothing for 2 seconds"));
    // Once more for each blob that was not asked for by then.
    let patient = ["--stall-timeout", "3", "--retries", "10"];
    told(&mut embed(scratch.path(), &faulty, &["app-7:1"], &patient), 0);
    assert_clean(&scratch.path().join("images"), 1);
}

#[test]
fn what_fails_leaves_what_was_there() {
    let works = Faulty::start(|_, _| Answer::Pass);
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    told(&mut embed(scratch.path(), &works, &["app-0:1"], &[]), 0);
    let image = dir.join(names(&dir).into_iter().find(|name| name.len() == 64).unwrap());
    fs_err::remove_file(image.join("manifest.json")).unwrap();
    let before = (names(&image), fs_err::read(dir.join("image-list.txt")).unwrap());
    // Nobody serves that name but this test, and now nobody does.
    let mut command = embed(scratch.path(), &works, &[], &["--retries", "0"]);
    fs_err::remove_file(scratch.path().join("home/.config/containers/registries.conf")).unwrap();
    let output = finish(&mut command);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("the registry uses HTTP, not HTTPS"), "{}", text(&output));
    assert_eq!((names(&image), fs_err::read(dir.join("image-list.txt")).unwrap()), before);
    assert_eq!(names(&dir).len(), 2);
}

#[test]
fn a_registry_that_is_not_there_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let gone = Faulty { address: "127.0.0.1:1".to_owned(), asked: std::sync::Arc::default() };
    let more = ["--retries", "1", "--jobs", "1"];
    let done = told(&mut embed(scratch.path(), &gone, &["app:1", "app:2"], &more), 2);
    assert_eq!(done["images"][0]["problem"]["id"], "registry-unreachable");
    let message = done["images"][0]["problem"]["message"].as_str().unwrap();
    assert!(message.ends_with("(tried again once)"), "{message}");
    let message = done["images"][1]["problem"]["message"].as_str().unwrap();
    assert!(message.ends_with("connection refused"), "the next image need not wait for it: {message}");
    let dir = scratch.path().join("images");
    assert!(names(&dir).is_empty(), "nothing is half-done: {:?}", names(&dir));
    // Without skopeo nothing is begun.
    let mut command = embed(scratch.path(), &gone, &["app:1"], &[]);
    let output = finish(command.env("PATH", "/nowhere"));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("install the package skopeo"), "{}", text(&output));
    assert!(names(&dir).is_empty(), "{:?}", names(&dir));
}
