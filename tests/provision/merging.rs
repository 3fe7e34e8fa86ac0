//! Stores that are put into documents which are there already.

use std::path::Path;

use storagectl::provision::butane::Dialect;
use storagectl::provision::sources::NoFilesBeside;
use storagectl::provision::{DocumentKind, ExistingDocument, GenerateRequest, merge};

use crate::kinds::{model, request};

/// What becomes of a document, as a unified diff; and the proof that doing it again
/// changes nothing.
#[track_caller]
fn merged(kind: DocumentKind, preset: &str, images: &[&str], before: &str) -> String {
    merged_by(&request(kind, model(preset, images)), before)
}

#[track_caller]
fn merged_by(request: &GenerateRequest, before: &str) -> String {
    let mut request = request.clone();
    request.machine = ExistingDocument::parse(before).machine().unwrap_or(request.machine);
    let after =
        merge(&request, &ExistingDocument::parse(before), Path::new("given"), &NoFilesBeside).unwrap().text;
    let again =
        merge(&request, &ExistingDocument::parse(&after), Path::new("given"), &NoFilesBeside).unwrap().text;
    assert_eq!(again, after, "doing it again changes the document");
    let diff = similar::TextDiff::from_lines(before, &after);
    diff.unified_diff().context_radius(2).to_string()
}

#[track_caller]
fn refused(kind: DocumentKind, before: &str) -> String {
    let problem = merge(
        &request(kind, model("none", &[])),
        &ExistingDocument::parse(before),
        Path::new("given"),
        &NoFilesBeside,
    )
    .unwrap_err();
    let place = problem.place.as_ref().and_then(|place| place.position()).unwrap_or_default();
    format!("{}: {} {place:?}", problem.id, problem.message)
}

const BUTANE: &str = r#"# my node
variant: fcos
version: 1.5.0
passwd:
  users:
    - name: core   # me
      ssh_authorized_keys: [ "ssh-ed25519 AAAA" ]
storage:
  files:
    - path: /etc/hostname
      mode: 0644
      contents:
        inline: "node1"
    # engines
    - path: /etc/containers/storage.conf
      overwrite: false
      user: {name: root}
      contents:
        inline: |
          # ours, by hand
          [storage]
          driver = "overlay"
          runroot = "/run/containers/storage"
          graphroot = "/srv/containers"   # the large disk

systemd:
  units: []   # none
# the end"#;

#[test]
fn butane_keeps_comments_and_what_its_own_storage_conf_says() {
    insta::assert_snapshot!(merged(DocumentKind::Butane, "ocne", &[], BUTANE));
}

#[test]
fn butane_gets_units_in_place_of_an_empty_list() {
    insta::assert_snapshot!(merged(DocumentKind::Butane, "none", &["registry.example/app:1"], BUTANE));
}

#[test]
fn an_indentation_of_four_stays_that_of_what_is_there() {
    insta::assert_snapshot!(merged(
        DocumentKind::Butane,
        "none",
        &[],
        "variant: fcos\nversion: 1.5.0\nstorage:\n    directories:\n        -   path: /srv\n            mode: 0755\n    files: ~  # nothing yet\n"
    ));
}

#[test]
fn a_document_without_storage_gets_it() {
    insta::assert_snapshot!(merged(DocumentKind::Butane, "none", &[], "variant: fcos\nversion: 1.5.0"));
}

#[test]
fn ignition_keeps_its_layout() {
    let before = r#"{
    "ignition": { "version": "3.1.0" },
    "storage": {
        "files": [
            { "path": "/etc/hostname", "mode": 420, "contents": { "source": "data:,node1" } }
        ]
    },
    "passwd": {"users": [{"name": "core"}]}
}
"#;
    insta::assert_snapshot!(merged(DocumentKind::Ignition, "ocne", &[], before));
}

#[test]
fn ignition_on_one_line_stays_there_and_its_hash_follows() {
    let conf = "%5Bstorage%5D%0Adriver%3D%22overlay%22%0Arunroot%3D%22/r%22%0Agraphroot%3D%22/g%22%0A";
    let before = format!(
        "{{\"ignition\":{{\"version\":\"3.0.0\"}},\"storage\":{{\"files\":[{{\"path\":\"/etc/containers/storage.conf\",\"contents\":{{\"source\":\"data:,{conf}\",\"verification\":{{\"hash\":\"sha512-00\"}}}}}}]}}}}"
    );
    insta::assert_snapshot!(merged(DocumentKind::Ignition, "none", &[], &before));
}

#[test]
fn a_machineconfig_keeps_its_name_and_gets_a_unit_for_the_directory() {
    let before = "\
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata:
  labels:
    machineconfiguration.openshift.io/role: infra
  name: 50-infra   # ours
spec:
  kernelArguments: [quiet]
  config:
    ignition: {version: 3.4.0}
";
    insta::assert_snapshot!(merged(DocumentKind::MachineConfig, "rhcos", &[], before));
}

#[test]
fn a_containerruntimeconfig_gets_one_more_store() {
    let before = "\
apiVersion: machineconfiguration.openshift.io/v1
kind: ContainerRuntimeConfig
metadata:
  name: ours
spec:
  containerRuntimeConfig:
    pidsLimit: 4096
    additionalImageStores:
    - path: /opt/store # from the image
";
    insta::assert_snapshot!(merged(DocumentKind::ContainerRuntimeConfig, "rhcos", &[], before));
}

const OCNE: &str = "\
name: demo   # a cluster
extraIgnitionInline: |
  variant: fcos
  version: 1.5.0
  storage:
    files:
    # the resolver
    - path: /etc/resolv.conf
      mode: 0644
      contents:
        inline: |
          nameserver 192.0.2.1
provider: libvirt
";

#[test]
fn ocne_has_its_string_edited() {
    insta::assert_snapshot!(merged(DocumentKind::Ocne, "ocne", &[], OCNE));
}

#[test]
fn ocne_without_a_string_gets_one() {
    insta::assert_snapshot!(merged(
        DocumentKind::Ocne,
        "ocne",
        &[],
        "name: demo\nprovider: libvirt # here\nworkerNodes: 2\n"
    ));
}

#[test]
fn ocne_may_have_ignition_in_its_string() {
    let before = "name: demo\nextraIgnitionInline: |\n  {\"ignition\": {\"version\": \"3.4.0\"}}\n";
    insta::assert_snapshot!(merged(DocumentKind::Ocne, "ocne", &[], before));
}

#[test]
fn another_drop_in_of_the_document_does_not_hide_the_stores() {
    let before = "\
variant: fcos
version: 1.5.0
storage:
  directories:
  - path: /var/site
  files:
  - path: /etc/containers/storage.conf.d/10-site.conf
    contents:
      inline: |
        [storage.options]
        additionalimagestores = [\"/var/site\"]
";
    insta::assert_snapshot!(merged(DocumentKind::Butane, "none", &[], before));
}

#[test]
fn a_variant_of_openshift_is_merged_into_without_directories() {
    let mut request = request(DocumentKind::Butane, model("rhcos", &[]));
    request.dialect = Dialect::named("openshift", "4.14").unwrap();
    let before = "\
variant: openshift
version: 4.14.0
metadata:
  name: 99-worker-ours
  labels:
    machineconfiguration.openshift.io/role: worker
";
    let diff = merged_by(&request, before);
    assert!(
        diff.contains("/usr/bin/install -d -m 0755 /var/images") && !diff.contains("directories:"),
        "{diff}"
    );
}

#[test]
fn what_stands_in_the_way_is_said_with_its_place() {
    let file = |more: &str| {
        format!(
            "variant: fcos\nversion: 1.5.0\nstorage:\n  files:\n  - path: /etc/containers/storage.conf\n{more}"
        )
    };
    let cases = [
        file("  - path: /etc/containers/storage.conf\n"),
        file("    contents:\n      local: storage.conf\n"),
        file("    contents:\n      source: https://config.example/storage.conf\n"),
        file("    append:\n    - inline: x\n"),
        file("    contents:\n      inline: '[storage'\n"),
        "variant: fcos\nversion: 1.5.0\nstorage:\n  files: many\n".to_owned(),
        "variant: fcos\nversion: 1.5.0\nstorage:\n  links:\n  - path: /etc/containers/storage.conf\n"
            .to_owned(),
        "variant: fcos\nversion: 9.9.0\n".to_owned(),
        "variant: fcos\nvariant: fcos\nversion: 1.5.0\n".to_owned(),
        "variant: [\n".to_owned(),
        "kind: MachineConfig\n".to_owned(),
    ];
    let said: Vec<String> = cases.iter().map(|case| refused(DocumentKind::Butane, case)).collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn carriage_returns_and_explicit_starts_stay() {
    let crlf = BUTANE.replace('\n', "\r\n");
    let request = request(DocumentKind::Butane, model("none", &["registry.example/app:1"]));
    let lf =
        merge(&request, &ExistingDocument::parse(BUTANE), Path::new("given"), &NoFilesBeside).unwrap().text;
    let after =
        merge(&request, &ExistingDocument::parse(&crlf), Path::new("given"), &NoFilesBeside).unwrap().text;
    assert_eq!(after, lf.replace('\n', "\r\n"));
    let before = "---\n# first\nvariant: fcos\nversion: 1.5.0\n...\n";
    let after =
        merge(&request, &ExistingDocument::parse(before), Path::new("given"), &NoFilesBeside).unwrap().text;
    assert!(after.starts_with("---\n# first\nvariant: fcos\nversion: 1.5.0\nstorage:\n"), "{after}");
    assert!(after.ends_with("...\n"), "{after}");
}

#[test]
fn a_containerruntimeconfig_gets_and_loses_stores_of_every_kind() {
    use storagectl::provision::Removals;
    use storagectl::provision::container_runtime_config::OtherStores;
    let kind = DocumentKind::ContainerRuntimeConfig;
    let alone = |layers: &[&str], artifacts: &[&str]| {
        let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let mut request = request(kind, model("rhcos", &[]));
        request.model.stores.clear();
        request.others = OtherStores { layers: owned(layers), artifacts: owned(artifacts) };
        request
    };
    let first = request(kind, model("rhcos", &[])).write().unwrap().text;
    let second = merge(
        &alone(&["/l"], &["/a", "/b"]),
        &ExistingDocument::parse(&first),
        Path::new("f"),
        &NoFilesBeside,
    )
    .unwrap()
    .text;
    let mut wanted = alone(&["/l"], &["/a", "/b"]);
    wanted.model.stores = request(kind, model("rhcos", &[])).model.stores;
    let paths = |text: &str| {
        let mut paths: Vec<String> =
            text.lines().filter(|it| it.contains("path:")).map(str::to_owned).collect();
        paths.sort();
        paths
    };
    assert_eq!(paths(&second), paths(&wanted.write().unwrap().text));
    let mut less = alone(&[], &[]);
    less.removed = Removals { stores: vec!["/l".to_owned(), "/a".to_owned()], images: Vec::new() };
    let third = merge(&less, &ExistingDocument::parse(&second), Path::new("f"), &NoFilesBeside).unwrap().text;
    assert_eq!(paths(&third), ["    - path: /b", "    - path: /var/images"]);
    assert!(!third.contains("additionalLayerStores"), "{third}");
    less.removed.stores = vec!["/b".to_owned(), "/var/images".to_owned()];
    let none = merge(&less, &ExistingDocument::parse(&third), Path::new("f"), &NoFilesBeside).unwrap();
    assert_eq!(paths(&none.text), [""; 0]);
    assert!(none.warnings.contains(&"no store is left in the document".to_owned()), "{:?}", none.warnings);
    // The only one goes, and another comes, in one run.
    let mut other = request(kind, model("rhcos", &[]));
    other.removed.stores = vec!["/var/images".to_owned()];
    other.model.stores[0].path = "/var/other".to_owned();
    assert_eq!(
        paths(&merge(&other, &ExistingDocument::parse(&first), Path::new("f"), &NoFilesBeside).unwrap().text),
        ["    - path: /var/other"]
    );
}

#[test]
fn what_the_operator_has_rendered_is_read_and_not_merged_into() {
    use storagectl::provision::check::{ExpectedNode, check};
    use storagectl::provision::data_url::encode;
    use storagectl::provision::read::{DocumentFormat, ParsedDocument};
    use storagectl::provision::sources::FollowedDocument;
    use storagectl::provision::{GivenToNode, Preset};
    let node = model("rhcos", &["registry.example/app:1"]);
    let own = request(DocumentKind::MachineConfig, node.clone()).write().unwrap().text;
    let conf = ParsedDocument::parse(&own).unwrap().config.unwrap().texts()[0].1.clone();
    // As the operator writes it: everything of the pool in one, with what older operators do not read.
    let long = format!("{conf}{}", "# A comment that gets shorter when it is compressed.\n".repeat(20));
    let url = encode(long.as_bytes(), true);
    assert_eq!(url.compression, "gzip");
    let old = encode(conf.as_bytes(), false).source;
    let rendered = own
        .replace(&old, &url.source.replace("data:;base64,", "data:text/plain;charset=utf-8;base64,"))
        .replacen("compression: \"\"", "compression: gzip", 1)
        .replace("  name: \"99-worker-stores\"\n  labels:\n    machineconfiguration.openshift.io/role: worker\n",
            "  name: rendered-worker-5a1f0e\n  ownerReferences:\n  - kind: MachineConfigPool\n    name: worker\n")
        .replace("mode: 0644", "mode: 420")
        .replace("spec:\n", "spec:\n  osImageURL: registry.example/os@sha256:0a\n  kernelArguments:\n  - quiet\n  extensions: []\n  fips: false\n  kernelType: default\n");
    let rendered: String = rendered
        .lines()
        .filter(|it| !it.trim_start().starts_with("hash:") && !it.contains("verification:"))
        .map(|it| format!("{it}\n"))
        .collect();
    let expected = ExpectedNode::of(Preset::named("rhcos").unwrap());
    let found = check(
        &ExistingDocument::parse(&rendered),
        DocumentFormat::MachineConfig,
        Path::new("f"),
        &expected,
        &NoFilesBeside,
    );
    assert!(found.is_empty(), "{found:?}\n{rendered}");
    let gives = |text: &str| {
        GivenToNode::of(&FollowedDocument::of(&ParsedDocument::parse(text).unwrap(), &NoFilesBeside), &node)
    };
    let (one, other) = (gives(&own), gives(&rendered));
    assert_eq!((&one.stores, &one.images), (&other.stores, &other.images));
    assert!(other.entries.iter().any(|entry| entry.text == long), "files are shown as they will be");
    let problem = merge(
        &request(DocumentKind::MachineConfig, node),
        &ExistingDocument::parse(&rendered),
        Path::new("f"),
        &NoFilesBeside,
    )
    .unwrap_err();
    assert_eq!(problem.id, "document-rendered");
}
