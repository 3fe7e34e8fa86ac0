//! What manifests and quadlets name is embedded, and shown to be there.

use std::path::Path;

use super::{embed, told};
use crate::registry::{images, registry};
use crate::support::{copy_store, finish, storagectl, text};

/// A directory with a quadlet, the YAML of another, and a list.
fn manifests(dir: &Path, references: &[String]) {
    fs_err::create_dir_all(dir.join("web")).unwrap();
    let [container, pod, listed] = references else { panic!("{references:?}") };
    fs_err::write(dir.join("app.container"), format!("[Container]\nImage={container}\n")).unwrap();
    fs_err::write(dir.join("web.kube"), "[Kube]\nYaml=web/pod.yml\n").unwrap();
    let pod = format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {pod}\n");
    fs_err::write(dir.join("web/pod.yml"), pod).unwrap();
    fs_err::write(dir.join("image-list.txt"), format!("{listed},0a\n")).unwrap();
}

fn verify(source: &Path, needed_by: &Path, arch: &str) -> std::process::Command {
    let mut command = storagectl(&["verify-images", "--arch", arch, "--source"]);
    command.arg(source).arg("--needed-by").arg(needed_by);
    command
}

#[test]
fn what_a_directory_of_manifests_names_is_embedded_and_verified() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, source) = (scratch.path().join("systemd"), scratch.path().join("images"));
    let references = &images()[..3];
    manifests(&dir, references);
    let report = told(&mut embed(&source, &[], &["--from", dir.to_str().unwrap()]), 0);
    assert_eq!(report["images"].as_array().unwrap().len(), 3, "{report}");
    let output = finish(&mut verify(&source, &dir, "amd64"));
    assert!(output.status.success(), "{}", text(&output));

    let mut generate = storagectl(&["generate", "ignition", "--store", "/var/images", "--image-from"]);
    let output = finish(generate.arg(&dir));
    assert!(output.status.success(), "{}", text(&output));
    references.iter().for_each(|image| assert!(text(&output).contains(image.as_str()), "{}", text(&output)));

    // Another manifest comes.
    let missing = registry().reference("nowhere:1");
    fs_err::write(
        dir.join("b.container"),
        format!("[Container]\nImage={missing}\nMount=type=image,source=x/%m,target=/x\n"),
    )
    .unwrap();
    let found = told(&mut verify(&source, &dir, "amd64"), 1);
    let of = |id: &str| -> Vec<&serde_json::Value> {
        found["findings"].as_array().unwrap().iter().filter(|finding| finding["id"] == id).collect()
    };
    let [finding] = of("image-missing")[..] else { panic!("{found}") };
    assert_eq!((&finding["reference"], &finding["line"]), (&missing.as_str().into(), &2.into()), "{found}");
    assert!(finding["file"].as_str().unwrap().ends_with("systemd/b.container"), "{found}");
    assert_eq!(of("reference-unknown").len(), 1, "{found}");

    // What a list does not have is told, too: the image is there, and not for that machine.
    fs_err::remove_file(dir.join("b.container")).unwrap();
    let found = told(&mut verify(&source, &dir, "s390x"), 1);
    assert!(
        found["findings"].as_array().unwrap().iter().all(|finding| finding["id"] == "image-platform"),
        "{found}"
    );
}

#[test]
fn an_image_in_a_store_is_there_by_its_name_and_by_its_digest() {
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path().join("tree");
    copy_store(&tree.join("usr/lib/app"));
    fs_err::create_dir_all(tree.join("etc/containers")).unwrap();
    let conf = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\n\
        graphroot = \"/var/lib/containers/storage\"\n[storage.options]\nadditionalimagestores = [\"/usr/lib/app\"]\n";
    fs_err::write(tree.join("etc/containers/storage.conf"), conf).unwrap();
    let records = fs_err::read(tree.join("usr/lib/app/overlay-images/images.json")).unwrap();
    let records: serde_json::Value = serde_json::from_slice(&records).unwrap();
    let (name, digest) = (records[0]["names"][0].as_str().unwrap(), records[0]["digest"].as_str().unwrap());
    let repository = name.rsplit_once(':').unwrap().0;
    let other = format!("{repository}@sha256:{}", "0".repeat(64));
    for (reference, code) in
        [(name, 0), (&format!("{repository}@{digest}"), 0), (&format!("{name}x"), 1), (&other, 1)]
    {
        fs_err::write(tree.join("a.container"), format!("[Container]\nImage={reference}\n")).unwrap();
        let mut command = storagectl(&["verify-images", "--needed-by", "/a.container", "--root"]);
        let output = finish(command.arg(&tree));
        assert_eq!(output.status.code(), Some(code), "{reference}: {}", text(&output));
    }
}

#[test]
fn a_store_is_built_of_what_quadlets_name() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, source) = (scratch.path().join("systemd"), scratch.path().join("images"));
    let by_digest = registry().reference(&format!("app-3@{}", registry().digest("app-3:1")));
    manifests(&dir, &[images()[0].clone(), images()[1].clone(), by_digest.clone()]);
    told(&mut embed(&source, &images()[..4], &["--from", dir.to_str().unwrap()]), 0);
    let store = scratch.path().join("store");
    let build = |from: Option<&Path>| {
        let mut command = storagectl(&["build-store", "--embedded"]);
        command.arg(&source).arg("-o").arg(&store);
        from.into_iter().for_each(|from| _ = command.arg("--from").arg(from));
        command
    };
    let names = || {
        let records: serde_json::Value =
            serde_json::from_slice(&fs_err::read(store.join("overlay-images/images.json")).unwrap()).unwrap();
        let records = records.as_array().unwrap().iter();
        let names = records.flat_map(|image| image["names"].as_array().unwrap().clone());
        let mut names: Vec<String> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let output = finish(&mut build(Some(&dir)));
    assert!(output.status.success(), "{}", text(&output));
    let mut expected = vec![images()[0].clone(), images()[1].clone(), by_digest];
    expected.sort();
    assert_eq!(names(), expected);
    assert!(finish(&mut build(None)).status.success());
    assert_eq!(names().len(), 5, "all of the list");

    fs_err::write(dir.join("b.image"), "[Image]\nImage=registry.example.com/not:1\n").unwrap();
    let output = finish(&mut build(Some(&dir)));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("`registry.example.com/not:1` is not in `"), "{}", text(&output));
}
