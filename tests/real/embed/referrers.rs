//! What refers to an image comes with it, and goes with it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::signatures::signed;
use super::told;

use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::copy::artifact::Artifact;
use crate::registry::Registry;
use crate::support::{run, storagectl};

/// An SBOM that refers to the image `app:1`, as registries without a referrers API have it. Returns its
/// digest.
fn attach(registry: &Registry, dir: &Path) -> String {
    let image = registry.digest("app:1");
    let sbom = Artifact::new("application/spdx+json", &[("sbom", b"all that is in it")]).edited(|manifest| {
        let kind = "application/vnd.oci.image.manifest.v1+json";
        manifest["subject"] = json!({"mediaType": kind, "digest": image, "size": 1});
    });
    let at = dir.join("sbom");
    sbom.write(&at);
    let bytes = fs_err::read(at.join("manifest.json")).unwrap();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": sbom.digest(), "size": bytes.len(),
        }],
    });
    fs_err::rename(
        at.join("manifest.json"),
        at.join(format!("{}.manifest.json", &sbom.digest()["sha256:".len()..])),
    )
    .unwrap();
    fs_err::write(at.join("manifest.json"), index.to_string()).unwrap();
    let tag = image.replace(':', "-");
    registry.push(&format!("dir:{}", at.display()), &format!("app:{tag}"), &["--preserve-digests"]);
    sbom.digest()
}

fn references(told: &Value, key: &str) -> Vec<String> {
    let lines = told["images"].as_array().unwrap().iter();
    let mut references: Vec<String> = lines
        .filter(|line| line["result"] == key || line["state"] == key)
        .map(|line| line["reference"].as_str().unwrap().to_owned())
        .collect();
    references.sort();
    references
}

#[test]
fn referrers_are_embedded_copied_and_pruned_with_their_image() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let (own, reference) = signed(scratch.path());
    let sbom = attach(&own, scratch.path());
    let signature = own.digest(&format!("app:{}.sig", own.digest("app:1").replace(':', "-")));
    let mut all = vec![reference.clone()];
    all.extend([&sbom, &signature].map(|digest| own.reference(&format!("app@{digest}"))));
    all.sort();
    // oras is not among them, whatever this machine has.
    let programs = at("bin");
    fs_err::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink("/usr/bin/skopeo", programs.join("skopeo")).unwrap();
    let embed = |more: &[&str]| {
        let mut command = storagectl(&["embed-images", "--into"]);
        command.arg(at("embedded")).args(more);
        own.serve(&mut command).env("PATH", &programs);
        told(&mut command, 0)
    };
    let would = embed(&["--referrers", "--dry-run", &reference]);
    assert_eq!(references(&would, "fetched"), all);
    let done = embed(&["--referrers", &reference]);
    assert_eq!(references(&done, "fetched"), all);
    let remarks: Vec<&str> =
        done["remarks"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(remarks, ["referrers-unasked"]);
    assert_eq!(references(&embed(&["--referrers", &reference]), "present"), all);
    // They stay as long as it does, also where nobody asks for them.
    let kept = embed(&["--prune", &reference]);
    assert_eq!((kept["unlisted"].clone(), kept["removed"].clone()), (json!([]), json!([])));
    let conf = format!(
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/r\"\ngraphroot = \"{}\"\n",
        at("graph").display()
    );
    fs_err::write(at("storage.conf"), conf).unwrap();
    let copy = |more: &[&str]| {
        let mut command = storagectl(&["--config"]);
        command.arg(at("storage.conf")).args(["copy-images", "--source"]).arg(at("embedded")).args(more);
        told(&mut command, 0)
    };
    assert_eq!(references(&copy(&[]), "copied"), all);
    let list = "export CONTAINERS_STORAGE_CONF=\"$CONF\"
        $ENGINE artifact ls --noheading --no-trunc --format '{{.Digest}}' | sort
        $ENGINE artifact inspect \"$SBOM\" | grep -A 3 '\"subject\"' | grep -o 'sha256:[0-9a-f]*'
        umount \"$GRAPH/overlay\" 2>/dev/null || :";
    let said = in_private(
        list,
        &[
            ("CONF", &at("storage.conf")),
            ("GRAPH", &at("graph")),
            ("ENGINE", &Engine::Podman6.program()),
            ("SBOM", Path::new(&own.reference(&format!("app@{sbom}")))),
        ],
    );
    let mut digests = [&sbom, &signature].map(|digest| digest["sha256:".len()..].to_owned());
    digests.sort();
    assert_eq!(said, format!("{}\n{}\n{}\n", digests[0], digests[1], own.digest("app:1")));
    // With their image they go: from the list, from the directory, and from the storage.
    let list = at("embedded/image-list.txt");
    let text = fs_err::read_to_string(&list).unwrap();
    let without: String =
        text.lines().filter(|line| !line.starts_with(&reference)).map(|line| format!("{line}\n")).collect();
    fs_err::write(&list, without).unwrap();
    let pruned = embed(&["--prune"]);
    let gone: Vec<&String> = all.iter().filter(|it| **it != reference).collect();
    let mut unlisted: Vec<&str> =
        pruned["unlisted"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    unlisted.sort_unstable();
    assert_eq!(unlisted, gone);
    assert_eq!(crate::tree::names(&at("embedded")), ["image-list.txt"]);
    let said = copy(&["--prune"]);
    let mut names: Vec<&str> =
        said["pruned"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, all.iter().map(String::as_str).collect::<Vec<_>>());
    let blobs = crate::tree::names(&at("graph/artifacts/blobs/sha256"));
    assert!(blobs.is_empty(), "{blobs:?}");
}

/// What a registry has by its API alone, oras says: what it prints has another key from version 1.3 on.
#[test]
fn oras_is_asked_where_it_is_installed() {
    let scratch = tempfile::tempdir().unwrap();
    let (own, reference) = signed(scratch.path());
    let model = Artifact::new("application/vnd.example.model", &[("a", b"a")]);
    model.write(&scratch.path().join("model"));
    let source = format!("dir:{}", scratch.path().join("model").display());
    own.push(&source, "app:unrelated", &["--preserve-digests"]);
    let bin = scratch.path().join("bin");
    fs_err::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/usr/bin/skopeo", bin.join("skopeo")).unwrap();
    for (index, key) in ["manifests", "referrers"].into_iter().enumerate() {
        let said = json!({key: [{"reference": "x", "mediaType": "y", "digest": model.digest(), "size": 1}]});
        let expected =
            format!("discover --format json {}", own.reference(&format!("app@{}", own.digest("app:1"))));
        let script = format!("#!/bin/sh\n[ \"$*\" = '{expected}' ] && printf '%s' '{said}'\n");
        fs_err::write(bin.join("oras"), script).unwrap();
        run(Command::new("chmod").arg("0755").arg(bin.join("oras")));
        let mut command = storagectl(&["embed-images", "--referrers", "--into"]);
        command.arg(scratch.path().join(format!("embedded-{index}"))).arg(&reference);
        own.serve(&mut command).env("PATH", format!("{}:/bin", bin.display()));
        let done = told(&mut command, 0);
        assert_eq!(done["remarks"], json!([]));
        let fetched = references(&done, "fetched");
        assert_eq!(fetched.len(), 3, "the image, its signature, and what oras said");
        assert!(fetched.contains(&own.reference(&format!("app@{}", model.digest()))), "{fetched:?}");
    }
}

/// A registry that does not say its tags is told, and the image is there all the same.
#[test]
fn what_is_unknown_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let (own, reference) = signed(scratch.path());
    let bin = scratch.path().join("bin");
    fs_err::create_dir(&bin).unwrap();
    let script = "#!/bin/sh\ncase $1 in list-tags) echo 'unauthorized: authentication required' >&2; exit 1;; esac\nexec /usr/bin/skopeo \"$@\"\n";
    fs_err::write(bin.join("skopeo"), script).unwrap();
    run(Command::new("chmod").arg("0755").arg(bin.join("skopeo")));
    let mut command = storagectl(&["embed-images", "--referrers", "--into"]);
    command.arg(scratch.path().join("embedded")).arg(&reference);
    own.serve(&mut command).env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let done = told(&mut command, 1);
    assert_eq!(references(&done, "fetched"), [reference.as_str()]);
    assert_eq!(done["remarks"][0]["id"], "referrers-unknown");
}
