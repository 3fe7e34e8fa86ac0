//! The images that files name: every kind of file, and its traps. A case is the file's name, its
//! text, and what is found: `LINE:COLUMN REFERENCE`, `LINE:COLUMN ? REMARK`, or an error.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests make the files that are read")]

use std::path::Path;

use storagectl::embedded::EmbeddedLayout;
use storagectl::problem::Problem;
use storagectl::references::{References, references_at, references_in};
use storagectl::sys::Root;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn told(found: Result<References, Problem>) -> String {
    let position = |place: Option<(usize, usize)>| {
        let (line, column) = place.unwrap_or_default();
        format!("{line}:{column}")
    };
    let told = |problem: &Problem| {
        let place = problem.place.as_ref().and_then(|place| place.position());
        format!("{} ? {}: {}\n", position(place), problem.id, problem.message)
    };
    match found {
        Ok(found) => {
            let images = found.images.iter();
            let images = images.map(|it| format!("{} {}\n", position(it.place.position()), it.reference));
            images.chain(found.remarks.iter().map(told)).collect()
        }
        Err(problem) => format!("error at {}", told(&problem)),
    }
}

/// A text from standard input.
#[track_caller]
fn text(text: &str, expected: &str) {
    let found = told(references_in(&text.replace("DIGEST", DIGEST), Path::new("-")));
    assert_eq!(found, expected.replace("DIGEST", DIGEST), "{text}");
}

/// Files in a directory, of which one, or with `.` all, are read.
#[track_caller]
fn files(files: &[(&str, &str)], given: &str, expected: &str) {
    let scratch = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = scratch.path().join("d").join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => fs_err::write(path, text).unwrap(),
        }
    }
    let root = Root::tree(scratch.path()).unwrap();
    let given = if given == "." { "/d".to_owned() } else { format!("/d/{given}") };
    let found = told(references_at(&root, Path::new(&given), &EmbeddedLayout::LISTS));
    let top = scratch.path().display().to_string();
    assert_eq!(found.replace(&format!("{top}/d"), "D").replace(&top, ""), expected, "{files:?}");
}

#[test]
fn a_list_has_one_reference_a_line() {
    text(
        "\u{feff}# all\r\nexample.com/a:1\r\n\n  example.com/b # the other\nexample.com/a:1\n",
        "2:1 example.com/a:1\n4:3 example.com/b\n",
    );
    text("example.com/a@DIGEST", "1:1 example.com/a@DIGEST\n");
    text("docker://example.com/a:1\n", "1:1 example.com/a:1\n");
    text("localhost:5000/a/b__c:V.1\nalpine\n", "1:1 localhost:5000/a/b__c:V.1\n2:1 alpine\n");
}

#[test]
fn the_lists_of_embedded_images_name_their_directories_too() {
    text("example.com/a:1,0f31\nexample.com/b:1,77ab\n", "1:1 example.com/a:1\n2:1 example.com/b:1\n");
    text(
        "example.com/a,b:1\n",
        "error at 1:1 ? reference-invalid: the reference `example.com/a,b:1` has a comma, which the list cannot hold\n",
    );
}

#[test]
fn what_is_no_reference_is_an_error_with_its_place() {
    let grammar = "is not `REGISTRY/PATH:TAG`, with a path in lower-case letters, digits, `.`, `_` and `-`";
    for bad in ["example.com/A:1", "example.com/a:", "example.com//a", "example.com/a:1:2", &"a".repeat(64)] {
        text(
            &format!("example.com/a\n{bad}\n"),
            &format!("error at 2:1 ? reference-invalid: the reference `{bad}` {grammar}\n"),
        );
    }
    text(
        "example.com/a@sha256:12",
        "error at 1:1 ? reference-invalid: the reference `example.com/a@sha256:12` has a digest that is not `sha256:` and 64 hexadecimal digits\n",
    );
    text("", "error at 0:0 ? no-references: `-` names no image\n");
    text("# nothing\n", "error at 0:0 ? no-references: `-` names no image\n");
}

#[test]
fn what_has_no_known_kind_is_an_error() {
    for unknown in
        ["{}", "{\"images\": [\"a\"]}", "some words: here\n", "key = 1\n", "[1, 2]", "--- a\n--- b\n"]
    {
        text(unknown, "error at 0:0 ? document: `-` is of no kind that names images\n");
    }
    text("{", "error at 1:1 ? document: `-`: EOF while parsing an object\n");
    text(
        "apiVersion: v1\nkind: Pod\n{{- if .x }}\n",
        "error at 3:3 ? document: `-`: \"-\" is only valid inside a block; it looks like a template: give what comes of it\n",
    );
}

#[test]
fn a_release_file_has_a_name_for_each() {
    text(
        r#"{"release": {"base": "4.20"}, "images": {"etcd": "example.com/b:2", "cli": "example.com/a@DIGEST"}}"#,
        "1:50 example.com/b:2\n1:76 example.com/a@DIGEST\n",
    );
    text(r#"{"images": {"a": 1}}"#, "error at 1:18 ? document: `images.a` is not text\n");
}

#[test]
fn every_container_of_a_pod_is_found_wherever_its_template_stands() {
    let pod = "\
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers:
      - name: i
        image: example.com/init:1
      containers:
      - {name: a, image: \"example.com/a:1\"}
      - name: b
        image: &b example.com/b@DIGEST
      volumes:
      - name: v
        image:
          reference: example.com/volume:1
          pullPolicy: Never
      - name: w
        emptyDir: {}
---
# Nothing here.
---
apiVersion: batch/v1
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: example.com/a:1}, {image: example.com/c:1}]}}}}}
";
    text(
        pod,
        "8:16 example.com/init:1\n10:26 example.com/a:1\n12:16 example.com/b@DIGEST\n16:22 example.com/volume:1\n25:94 example.com/c:1\n",
    );
}

#[test]
fn what_nodes_of_openshift_have_pinned_is_named() {
    text(
        "apiVersion: machineconfiguration.openshift.io/v1\nkind: PinnedImageSet\nspec:\n  pinnedImages:\n  - name: example.com/p@DIGEST\n",
        "5:11 example.com/p@DIGEST\n",
    );
}

#[test]
fn lists_and_debug_containers_and_json_are_read_too() {
    text(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec:\n    ephemeralContainers:\n    - image: example.com/d:1\n",
        "8:14 example.com/d:1\n",
    );
    text(
        r#"{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": "example.com/j:1"}]}}"#,
        "1:71 example.com/j:1\n",
    );
    text(
        "- {apiVersion: v1, kind: Pod, spec: {containers: [{image: example.com/l:1}]}}\n",
        "1:59 example.com/l:1\n",
    );
}

#[test]
fn an_alias_is_the_image_that_it_stands_for() {
    text(
        "apiVersion: v1\nkind: Pod\nx: &i example.com/a:1\nspec: {containers: [{image: *i}]}\n",
        "4:29 example.com/a:1\n",
    );
}

#[test]
fn a_quadlet_in_yaml_does_not_hide_what_the_yaml_names() {
    text(
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: example.com/a:1}]}\nunit: |\n  [Container]\n  Image=example.com/b:1\n",
        "3:29 example.com/a:1\n",
    );
}

#[test]
fn a_long_chain_of_units_ends() {
    let units: Vec<(String, String)> =
        (0..5000).map(|it| (format!("{it}.image"), format!("[Image]\nImage={}.image\n", it + 1))).collect();
    let units: Vec<(&str, &str)> = units.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files(&units, "0.image", "2:7 ? reference-unknown: `D/17.image` names no image, or does not exist\n");
}

#[test]
fn what_looks_like_an_image_and_is_none_is_not_taken() {
    text(
        "apiVersion: v1\nkind: ConfigMap\ndata: {image: example.com/x:1, containers: many}\n",
        "error at 0:0 ? no-references: `-` names no image\n",
    );
    // The schema of a kind.
    text(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {containers: {type: array, items: {image: {type: string}}}}\n",
        "error at 0:0 ? no-references: `-` names no image\n",
    );
}

#[test]
fn variables_and_templates_are_told_and_not_guessed() {
    text(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: \"{{ .Values.image }}\"\n  - image: $(REGISTRY)/a:1\n  - image: example.com/a:${TAG}\n",
        "5:12 ? reference-unknown: `{{ .Values.image }}` is not known before something fills it in\n\
         6:12 ? reference-unknown: `$(REGISTRY)/a:1` is not known before something fills it in\n\
         7:12 ? reference-unknown: `example.com/a:${TAG}` is not known before something fills it in\n",
    );
}

#[test]
fn a_template_that_is_no_yaml_is_an_error_where_it_starts() {
    text(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {{ .Values.b }}\n",
        "error at 5:13 ? document: `-`: a key must be a string; it looks like a template: give what comes of it\n",
    );
}

#[test]
fn what_kustomize_would_change_is_told() {
    text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\nimages:\n- name: app\n  newTag: v2\n",
        "5:1 ? reference-unknown: kustomize changes images here\n",
    );
}

#[test]
fn compose_files_name_images_and_build_some() {
    text(
        "services:\n  a:\n    image: example.com/a:1\n    volumes:\n    - {type: image, source: \"example.com/data:1\", target: /d}\n    - ./x:/x\n  b:\n    build: .\n    image: example.com/b:1\n  c:\n    image: ${C:-example.com/c:1}\n  d:\n    extends: {file: other.yaml, service: d}\n  e:\n    extends: {service: a}\ninclude: [more.yaml]\n",
        "3:12 example.com/a:1\n5:29 example.com/data:1\n\
         16:10 ? reference-unknown: what this file includes is not read\n\
         8:12 ? reference-unknown: the image of `b` is built, not pulled\n\
         11:12 ? reference-unknown: `${C:-example.com/c:1}` is not known before something fills it in\n\
         13:14 ? reference-unknown: the image of `d` is that of another file\n",
    );
}

#[test]
fn blueprints_and_crios_configuration_are_toml() {
    text(
        "name = \"edge\"\n[[containers]]\nsource = \"example.com/a:1\"\nname = \"x\"\n\n[[containers]]\nsource = \"example.com/b@DIGEST\"\n",
        "3:10 example.com/a:1\n7:10 example.com/b@DIGEST\n",
    );
    text(
        "[crio.image]\npause_image = \"example.com/pause:3\"\npinned_images = [\"example.com/p:1\", \"example.com/*\"]\n",
        "2:15 example.com/pause:3\n3:18 example.com/p:1\n3:37 ? reference-unknown: `example.com/*` is a pattern\n",
    );
    text("[crio.image] # of CRI-O\npause_image = \"example.com/pause:3\"\n", "2:15 example.com/pause:3\n");
    text(
        "[crio.image]\npause_image = 1\n",
        "error at 2:15 ? document: `-`: invalid type: integer `1`, expected a string\n",
    );
}

#[test]
fn what_skopeo_syncs_is_a_registry_with_tags() {
    text(
        "example.com:\n  images:\n    a: [\"1\", latest]\n    b/c:\n    - DIGEST\n    all: []\n  images-by-tag-regex:\n    d: ^v1\n  tls-verify: false\nother.example.com:\n  images-by-semver: {e: \">= 1\"}\n",
        "3:9 example.com/a:1\n3:14 example.com/a:latest\n5:7 example.com/b/c@DIGEST\n\
         6:5 ? reference-unknown: all tags of `example.com/all` are meant\n\
         8:8 ? reference-unknown: which tags of `d` are meant, the registry says\n\
         11:25 ? reference-unknown: which tags of `e` are meant, the registry says\n",
    );
}

#[test]
fn quadlets_name_images_by_what_they_are() {
    text(
        "[Unit]\nDescription=a\n[Container]\n# Image=example.com/x\nImage = example.com/a:1\n",
        "5:9 example.com/a:1\n",
    );
    text("[Image]\nImage=docker://example.com/a:1\n", "2:7 example.com/a:1\n");
    text("[Volume]\nDriver=image\nImage=example.com/v:1\n", "3:7 example.com/v:1\n");
    // Of another driver it reports nothing.
    text("[Volume]\nImage=example.com/v:1\n", "error at 0:0 ? no-references: `-` names no image\n");
    text(
        "[Container]\nImage=example.com/a:1\nMount=type=image,source=example.com/m:1,destination=/m\nMount=type=bind,source=/x,destination=/x\n",
        "2:7 example.com/a:1\n3:7 example.com/m:1\n",
    );
    text("[Build]\nImageTag=localhost/a\n", "2:10 ? reference-unknown: `localhost/a` is built, not pulled\n");
    text(
        "[Container]\nImage=app.build\n",
        "2:7 ? reference-unknown: the image of `app.build` is built, not pulled\n",
    );
    text(
        "[Container]\nImage=oci-archive:/var/a.tar\n",
        "2:7 ? reference-unknown: `oci-archive:/var/a.tar` is not in a registry: it comes from oci-archive\n",
    );
}

#[test]
fn the_last_value_counts_and_lines_continue() {
    text("[Container]\nImage=example.com/a:1\nImage=\nImage=example.com/b:1\n", "4:7 example.com/b:1\n");
    text(
        "[Container]\nMount=type=image, \\\n# in between\n  source=example.com/m:1\nImage=example.com/a:1\n",
        "5:7 example.com/a:1\n2:7 example.com/m:1\n",
    );
}

#[test]
fn the_drop_ins_of_a_quadlet_count() {
    let unit = "[Container]\nImage=example.com/a:1\n";
    files(
        &[
            ("my-app.container", unit),
            ("my-app.container.d/20.conf", "[Container]\nImage=example.com/own:1\n"),
            ("my-.container.d/10.conf", "[Container]\nImage=example.com/prefix:1\n"),
            ("container.d/30.conf", "[Service]\nRestart=no\n"),
        ],
        "my-app.container",
        "2:7 example.com/own:1\n",
    );
    files(
        &[("a.container", unit), ("container.d/10.conf", "[Container]\nImage=example.com/all:1\n")],
        ".",
        "2:7 example.com/all:1\n",
    );
}

#[test]
fn what_a_units_name_says_is_filled_in() {
    let unit = "[Container]\nImage=example.com/%p:%i\n";
    files(
        &[("app@.container", unit), ("app@v2.container", "-> app@.container")],
        "app@v2.container",
        "2:7 example.com/app:v2\n",
    );
    files(
        &[("app@.container", unit)],
        "app@.container",
        "2:7 ? reference-unknown: `example.com/%p:%i` is not known before systemd fills it in\n",
    );
    let unit = format!("{unit}[Install]\nDefaultInstance=v1\n");
    files(&[("app@.container", &unit)], "app@.container", "2:7 example.com/app:v1\n");
    files(
        &[("a.container", "[Container]\nImage=example.com/a:%m\n")],
        ".",
        "2:7 ? reference-unknown: `example.com/a:%m` is not known before systemd fills it in\n",
    );
}

#[test]
fn quadlets_refer_to_what_is_beside_them() {
    files(
        &[
            ("web.kube", "[Kube]\nYaml=web/pod.yml\n"),
            ("web/pod.yml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: example.com/web:1}]}\n"),
            ("a.container", "[Container]\nImage=base.image\n"),
            ("base.image", "[Image]\nImage=example.com/base:1\n"),
        ],
        ".",
        "2:7 example.com/base:1\n3:29 example.com/web:1\n",
    );
    files(
        &[("web.kube", "[Kube]\nYaml=/gone.yml\n")],
        "web.kube",
        "2:6 ? reference-unknown: `/gone.yml` names no image, or does not exist\n",
    );
    // In a circle, or again and again.
    files(
        &[("a.image", "[Image]\nImage=b.image\n"), ("b.image", "[Image]\nImage=a.image\n")],
        "a.image",
        "error at 0:0 ? no-references: `D/a.image` names no image\n",
    );
    let mounts = "Mount=type=image,source=base.image,target=/x\n".repeat(50);
    let again = format!("[Container]\nImage=c.image\n{mounts}");
    let chain: Vec<(String, String)> = ('c'..='j')
        .map(|it| {
            (
                format!("{it}.image"),
                again
                    .replace("c.image", &format!("{}.image", (it as u8 + 1) as char))
                    .replace("base", &format!("{}", (it as u8 + 1) as char)),
            )
        })
        .collect();
    let mut all: Vec<(&str, &str)> =
        chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    all.extend([
        ("start.container", again.as_str()),
        ("k.image", "[Image]\nImage=example.com/k:1\n"),
        ("base.image", "[Image]\nImage=example.com/base:1\n"),
    ]);
    files(&all, "start.container", "2:7 example.com/k:1\n2:7 example.com/base:1\n");
}

#[test]
fn bootcs_bound_images_are_quadlets_behind_symlinks() {
    files(
        &[
            (
                "systemd/app.container",
                "[Container]\nImage=example.com/app:1\nGlobalArgs=--storage-opt=additionalimagestore=/usr/lib/bootc/storage\n",
            ),
            ("bound-images.d/app.container", "-> ../systemd/app.container"),
            ("bound-images.d/gone.image", "-> ../nothing"),
        ],
        "bound-images.d",
        "2:7 example.com/app:1\n",
    );
}

#[test]
fn a_directory_is_searched_for_what_may_name_images() {
    files(
        &[
            ("a/image-list.txt", "example.com/listed:1,0a\n"),
            ("a/mapping.txt", "# system_role:podman\nexample.com/mapped:1,0b\n"),
            ("a/notes.txt", "numpy\n"),
            ("b/blueprint.toml", "[[containers]]\nsource = \"example.com/b:1\"\n"),
            ("b/other.toml", "x = 1\n"),
            ("b/10-crio.conf", "[crio.image]\npause_image = \"example.com/pause:3\"\n"),
            ("b/podman.conf", "words that are nothing\n"),
            ("b/modules.conf", "overlay\nbr_netfilter\n"),
            ("c/chart.yaml", "{{ if }}\n"),
            ("c/values.yaml", "image: example.com/x:1\n"),
            ("c/binary.json", "\u{0}"),
            ("b/loop", "-> ."),
            ("b/again", "-> .."),
        ],
        "b",
        "2:15 example.com/pause:3\n1:1 example.com/listed:1\n2:1 example.com/mapped:1\n2:10 example.com/b:1\n\
         1:2 ? document: `D/b/again/c/chart.yaml`: key must be a string; it looks like a template: give what comes of it\n",
    );
    files(
        &[
            ("c/chart.yaml", "{{ if }}\nkind: Pod\n"),
            ("c/pod.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: example.com/x:1}]}\n"),
        ],
        ".",
        "3:29 example.com/x:1\n1:2 ? document: `D/c/chart.yaml`: key must be a string; it looks like a template: give what comes of it\n",
    );
    files(&[("notes.txt", "numpy\n")], ".", "error at 0:0 ? no-references: `D` names no image\n");
    files(&[], "missing", "error at 0:0 ? missing: `D/missing` does not exist\n");
}
