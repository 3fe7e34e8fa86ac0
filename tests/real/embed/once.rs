//! Blobs that several images share are fetched once, and what a run takes is known before.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use storagectl::embedded::EmbeddedLayout;

use super::faulty::{Answer, Faulty};
use super::{assert_clean, directory, embed, results, told};
use crate::registry::{home, images, registry, serve};
use crate::support::{finish, storagectl, text, under};
use crate::tree::names;

/// `embed-images` of images of a registry that notes what it is asked for.
fn embed_from(scratch: &Path, noted: &Faulty, names: &[&str], more: &[&str]) -> Command {
    let dir = scratch.join("images");
    let mut command = storagectl(&["embed-images", "--into", &dir.to_string_lossy()]);
    command.args(more).args(names.iter().map(|name| format!("{}/{name}", noted.address)));
    serve(&home(scratch, &[&noted.address]), &mut command);
    command
}

/// How often each blob was asked for since the last time.
fn blobs_asked(noted: &Faulty) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for path in noted.asked.lock().unwrap().drain(..).filter(|path| path.contains("/blobs/")) {
        *times.entry(path.rsplit('/').next().unwrap().to_owned()).or_default() += 1;
    }
    times
}

fn download(told: &Value) -> u64 {
    told["download"].as_u64().unwrap()
}

#[test]
fn a_blob_is_fetched_once_and_not_again() {
    let noted = Faulty::start(|_, _| Answer::Pass);
    let scratch = tempfile::tempdir().unwrap();
    let apps = ["app-0:1", "app-1:1", "app-2:1", "app-3:1"];
    let dry = told(&mut embed_from(scratch.path(), &noted, &apps, &["--dry-run"]), 0);
    assert!(blobs_asked(&noted).is_empty(), "manifests are enough to know the sizes");
    let done = told(&mut embed_from(scratch.path(), &noted, &apps, &["--jobs", "3"]), 0);
    let asked = blobs_asked(&noted);
    assert!(asked.len() > apps.len() && asked.values().all(|times| *times == 1), "{asked:?}");
    for told in [&dry, &done] {
        assert_eq!((download(told), &told["stored"]), (download(&done), &done["stored"]));
        assert_eq!(told["stored"], download(told), "what is stored was sent");
        assert!(download(told) < told["bytes"].as_u64().unwrap(), "they share layers");
        let each = told["images"].as_array().unwrap().iter().map(|image| image["download"].as_u64().unwrap());
        assert_eq!(each.sum::<u64>(), download(told));
    }

    // What the tree has is not fetched for another image, nor when one is repaired.
    let more = told(&mut embed_from(scratch.path(), &noted, &["app-0:1", "app-4:1"], &[]), 0);
    assert_eq!(results(&more), ["present", "fetched"]);
    assert!(blobs_asked(&noted).keys().all(|blob| !asked.contains_key(blob)));
    let dir = scratch.path().join("images").join(directory(&format!("{}/app-1:1", noted.address)));
    let blobs = names(&dir).into_iter().filter(|name| name.len() == 64);
    let smallest = blobs.min_by_key(|name| dir.join(name).metadata().unwrap().len()).unwrap();
    let mut bytes = fs_err::read(dir.join(&smallest)).unwrap();
    bytes[3] ^= 1;
    fs_err::write(dir.join(&smallest), bytes).unwrap();
    let repaired = told(&mut embed_from(scratch.path(), &noted, &["app-1:1"], &[]), 0);
    assert_eq!(results(&repaired), ["repaired"]);
    assert_eq!(blobs_asked(&noted).into_keys().collect::<Vec<_>>(), [format!("sha256:{smallest}")]);
    assert_clean(&scratch.path().join("images"), 5);
}

#[test]
fn a_blob_that_another_directory_of_the_tree_has_is_copied_and_verified() {
    let noted = Faulty::start(|_, _| Answer::Pass);
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path().join("tree");
    fs_err::create_dir(&tree).unwrap();
    let homes = [EmbeddedLayout::ImageCache, EmbeddedLayout::MicroShift].map(EmbeddedLayout::home);
    let embed = |into: &str, more: &[&str]| {
        let mut command = storagectl(&["--root", tree.to_str().unwrap(), "embed-images", "--into", into]);
        command.args(more).args(["app-0:1", "app-1:1"].map(|name| format!("{}/{name}", noted.address)));
        serve(&home(scratch.path(), &[&noted.address]), &mut command);
        told(&mut command, 0)
    };
    let first = embed(homes[0], &[]);
    let all = blobs_asked(&noted);
    let dry = embed(homes[1], &["--dry-run"]);
    assert_eq!((results(&dry), download(&dry)), (results(&first), 0));

    // What only seems to be there is fetched.
    let dir = tree.join(&homes[0][1..]).join(directory(&format!("{}/app-1:1", noted.address)));
    let blobs = names(&dir).into_iter().filter(|name| name.len() == 64);
    let alone = |name: &String| dir.join(name).metadata().unwrap().nlink() == 1;
    let own: Vec<String> = blobs.filter(alone).collect();
    assert!(!own.is_empty());
    for name in &own {
        let size = dir.join(name).metadata().unwrap().len();
        fs_err::write(dir.join(name), vec![0; usize::try_from(size).unwrap()]).unwrap();
    }
    let second = embed(homes[1], &[]);
    assert_eq!(results(&second), results(&first));
    let asked: Vec<String> = blobs_asked(&noted).into_keys().collect();
    assert_eq!(asked, own.iter().map(|name| format!("sha256:{name}")).collect::<Vec<_>>());
    assert!(asked.len() < all.len());
    assert_clean(&tree.join(&homes[1][1..]), 2);
}

#[test]
fn progress_is_told_to_programs_in_lines_of_json() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, images) = (scratch.path().join("images"), &images()[..4]);
    let output = finish(embed(&dir, images, &["--progress", "json"]).args(["--format", "json"]));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let last = |output: &std::process::Output| -> Value {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = said.lines().rfind(|line| line.starts_with('{')).expect("there is one").to_owned();
        serde_json::from_str(&line).unwrap()
    };
    let line = last(&output);
    assert_eq!((&line["event"], &line["doing"]), (&"progress".into(), &"fetching".into()));
    assert_eq!((&line["bytes"], &line["total_bytes"]), (&told["download"], &told["download"]));
    assert_eq!((&line["images"], &line["total_images"]), (&4.into(), &4.into()));

    let mut verify = storagectl(&["verify-images", "--progress", "json", "--source", dir.to_str().unwrap()]);
    let line = last(&finish(&mut verify));
    assert_eq!((&line["doing"], &line["bytes"]), (&"verifying".into(), &told["stored"]));
    assert_eq!(line.get("total_images"), None);
}

#[test]
fn a_broken_connection_costs_the_blob_that_it_carried() {
    let noted = Faulty::start(|path, before| match before {
        0 if path.contains("/blobs/") => Answer::Cut(2_000),
        _ => Answer::Pass,
    });
    let scratch = tempfile::tempdir().unwrap();
    let apps = ["app-0:1", "app-1:1", "app-2:1"];
    told(&mut embed_from(scratch.path(), &noted, &apps, &["--retry-delay", "0", "--jobs", "1"]), 0);
    let asked = blobs_asked(&noted);
    // Newer skopeo goes on by itself where a connection ended.
    assert!(asked.values().all(|times| *times <= 2), "{asked:?}");
    assert_clean(&scratch.path().join("images"), 3);
}

#[test]
fn what_one_registry_does_not_have_another_may() {
    let lacks = Faulty::start(|path, _| match path.contains("/blobs/") {
        true => Answer::Status(404),
        false => Answer::Pass,
    });
    let whole = Faulty::start(|_, _| Answer::Pass);
    let scratch = tempfile::tempdir().unwrap();
    let references = [format!("{}/app-0:1", lacks.address), format!("{}/app-0:1", whole.address)];
    let dir = scratch.path().join("images");
    let mut command = storagectl(&["embed-images", "--into", &dir.to_string_lossy()]);
    serve(&home(scratch.path(), &[&lacks.address, &whole.address]), command.args(&references));
    assert_eq!(results(&told(&mut command, 0)), ["fetched", "fetched"]);
    assert_clean(&dir, 2);
}

/// As skopeo older than 1.5 answers, and another that speaks a protocol of its own.
#[test]
fn without_an_image_proxy_skopeo_copies() {
    for proxy in ["echo 'unknown command' >&2; exit 1", "cat >/dev/null; exit 0", "exec sleep 60"] {
        let scratch = tempfile::tempdir().unwrap();
        let bin = scratch.path().join("bin");
        fs_err::create_dir(&bin).unwrap();
        let path = std::env::var("PATH").unwrap();
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = experimental-image-proxy ]; then {proxy}; fi\nPATH='{path}' exec skopeo \"$@\"\n"
        );
        fs_err::write(bin.join("skopeo"), script).unwrap();
        fs_err::set_permissions(bin.join("skopeo"), PermissionsExt::from_mode(0o755)).unwrap();
        let (copied, fetched) = (scratch.path().join("copied"), scratch.path().join("fetched"));
        let images = [images()[0].clone(), images()[1].clone(), registry().reference("multi:1")];
        let more = ["--stall-timeout", "2"];
        let mut without = embed(&copied, &images, &more);
        without.env("PATH", format!("{}:{path}", bin.display()));
        assert_eq!(results(&told(&mut without, 0)), ["fetched"; 3], "{proxy}");
        told(&mut embed(&fetched, &images, &more), 0);
        assert_clean(&copied, 3);
        let mut diff = Command::new("diff");
        let output = finish(diff.arg("-r").arg(&copied).arg(&fetched));
        assert!(output.status.success(), "both ways give the same: {}", text(&output));
    }
}

#[test]
fn a_policy_holds_for_what_comes_over_the_proxy() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let refuses = |policy: &str| {
        let home = home(scratch.path(), &[&registry().address]);
        fs_err::write(home.join(".config/containers/policy.json"), policy).unwrap();
        let mut command = storagectl(&["embed-images", "--into", &dir.to_string_lossy(), &images()[0]]);
        let told = told(serve(&home, &mut command), 2);
        told["images"][0]["problem"]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(refuses(r#"{"default": [{"type": "reject"}]}"#), "signature-policy");
    let scoped = format!(
        r#"{{"default": [{{"type": "insecureAcceptAnything"}}], "transports": {{"docker": {{"{}": [{{"type": "reject"}}]}}}}}}"#,
        registry().address
    );
    assert_eq!(refuses(&scoped), "signature-policy");
}

#[test]
fn a_run_that_cannot_fit_is_refused_before_it_starts() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    fs_err::create_dir(&dir).unwrap();
    let images = &images()[..5];
    let needed = download(&told(&mut embed(&dir, images, &["--dry-run"]), 0));
    // In pages, of which each file needs whole ones.
    let within = |options: &str| {
        let script = "mount -t tmpfs -o \"$1\" none \"$0\" || exit 99; dir=$0; shift
            \"$@\"; code=$?; ls -A \"$dir\"; exit $code";
        let mut outer = Command::new("unshare");
        outer.args(["-m", "sh", "-c", script]).arg(&dir).arg(options);
        let mut command = embed(&dir, images, &["--jobs", "1"]);
        finish(&mut under(outer, command.env_remove("TMPDIR")))
    };
    for options in [format!("size={}k", needed / 1024 / 2), "size=100m,nr_inodes=12".to_owned()] {
        let refused = within(&options);
        assert_eq!(refused.status.code(), Some(2), "{options}: {}", text(&refused));
        assert!(text(&refused).contains("error: `") && text(&refused).contains("nothing was begun"));
        assert!(refused.stdout.is_empty(), "nothing is made: {}", text(&refused));
    }
    // Whatever file systems need for themselves, a little more is enough.
    let fits = within(&format!("size={}k", needed / 1024 + 400));
    assert!(fits.status.success(), "{}", text(&fits));
}

/// The image proxy sends none, so skopeo copies such images whole.
#[test]
fn signatures_come_along_where_skopeo_is_told_of_some() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, registry) = (scratch.path().join("images"), registry());
    let home = home(scratch.path(), &[&registry.address]);
    let lookaside = scratch.path().join("signatures");
    let signature =
        lookaside.join(format!("app-0@{}/signature-1", registry.digest("app-0:1").replace(':', "=")));
    fs_err::create_dir_all(signature.parent().unwrap()).unwrap();
    fs_err::write(&signature, b"\x88signed").unwrap();
    let configuration =
        format!("docker:\n  {}:\n    lookaside: file://{}\n", registry.address, lookaside.display());
    fs_err::create_dir_all(home.join(".config/containers/registries.d")).unwrap();
    fs_err::write(home.join(".config/containers/registries.d/a.yaml"), configuration).unwrap();
    let mut command = storagectl(&["embed-images", "--into", &dir.to_string_lossy()]);
    command.args([registry.reference("app-0:1"), registry.reference("app-1:1")]);
    assert_eq!(results(&told(serve(&home, &mut command), 0)), ["fetched", "fetched"]);
    let embedded = dir.join(directory(&registry.reference("app-0:1"))).join("signature-1");
    assert_eq!(fs_err::read(embedded).unwrap(), b"\x88signed");
    assert_clean(&dir, 2);
}
