//! Each kind of document, whole.

use storagectl::provision::butane::{Dialect, Machine};
use storagectl::provision::container_runtime_config::OtherStores;
use storagectl::provision::ignition::SpecVersion;
use storagectl::provision::{DocumentKind, GenerateRequest, NodeModel, NodeStore, Preset, Removals};

/// What a node of a platform shall have: /var/images and what else is given.
pub(crate) fn model(preset: &str, images: &[&str]) -> NodeModel {
    let preset = Preset::named(preset).unwrap();
    let mut model = NodeModel::new(preset, vec![NodeStore::new("/var/images", 0o755)]);
    model.images = images.iter().map(|&image| image.to_owned()).collect();
    model
}

/// A request for a kind of document.
pub(crate) fn request(kind: DocumentKind, model: NodeModel) -> GenerateRequest {
    GenerateRequest {
        kind,
        model,
        spec: SpecVersion::DEFAULT,
        dialect: Dialect::named("fcos", "1.5.0").unwrap(),
        machine: Machine { name: "99-worker-stores".to_owned(), role: "worker".to_owned() },
        has_base: false,
        has_authfile: false,
        removed: Removals::default(),
        others: OtherStores::default(),
        made_by: "# Made by a test\n".to_owned(),
    }
}

/// An image as the API of PinnedImageSets takes it.
pub(crate) fn pinned(which: usize) -> String {
    format!("registry.example/team/app{which}@sha256:{}", format!("0{which}").repeat(32))
}

#[track_caller]
fn written(kind: DocumentKind, preset: &str, images: &[&str]) -> String {
    request(kind, model(preset, images)).write().unwrap().text
}

#[test]
fn ignition() {
    insta::assert_snapshot!(written(DocumentKind::Ignition, "none", &[]));
}

#[test]
fn ignition_with_a_platforms_drop_in_and_images() {
    insta::assert_snapshot!(written(DocumentKind::Ignition, "fedora", &["registry.example/app:1"]));
}

#[test]
fn butane() {
    insta::assert_snapshot!(written(DocumentKind::Butane, "ocne", &[]));
}

#[test]
fn butane_for_openshift() {
    let mut request = request(DocumentKind::Butane, model("rhcos", &[]));
    request.dialect = Dialect::named("openshift", "4.14").unwrap();
    insta::assert_snapshot!(request.write().unwrap().text);
}

#[test]
fn machineconfig() {
    insta::assert_snapshot!(written(DocumentKind::MachineConfig, "rhcos", &["registry.example/app:1"]));
}

#[test]
fn containerruntimeconfig() {
    insta::assert_snapshot!(written(DocumentKind::ContainerRuntimeConfig, "rhcos", &[]));
}

#[test]
fn pinnedimageset() {
    let images = [pinned(0), pinned(1)];
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    insta::assert_snapshot!(written(DocumentKind::PinnedImageSet, "rhcos", &images));
}

#[test]
fn containerruntimeconfig_of_all_kinds_of_stores() {
    let mut request = request(DocumentKind::ContainerRuntimeConfig, model("rhcos", &[]));
    let paths = |what: &str| vec![format!("/var/{what}"), format!("/srv/{what}")];
    request.others = OtherStores { layers: paths("layers"), artifacts: paths("artifacts") };
    insta::assert_snapshot!(request.write().unwrap().text);
    request.others.layers = (0..6).map(|number| format!("/l/{number}")).collect();
    assert_eq!(request.write().unwrap_err().id, "store-refused");
    request.others = OtherStores { layers: vec!["/a".to_owned(); 2], artifacts: Vec::new() };
    assert_eq!(request.write().unwrap_err().id, "store-refused");
    request.kind = DocumentKind::MachineConfig;
    assert_eq!(request.write().unwrap_err().id, "kind-lacks");
}

#[test]
fn blueprint() {
    insta::assert_snapshot!(written(DocumentKind::Blueprint, "fedora", &["registry.example/app:1"]));
}

#[test]
fn ocne() {
    insta::assert_snapshot!(written(DocumentKind::Ocne, "ocne", &["registry.example/app:1"]));
}

#[test]
fn the_configuration_of_ocnes_guide_is_what_one_command_writes() {
    use storagectl::conf::{Document, Position};
    use storagectl::provision::read::ParsedDocument;
    // What the guide sets: docs of OCNE, "Environments with no Container Image Registry".
    let guide = "storage.driver = 'overlay'\n\
        storage.runroot = '/run/containers/storage'\n\
        storage.graphroot = '/var/lib/containers/storage'\n\
        storage.options.additionalimagestores = ['/var/images', '/usr/ock/containers']\n\
        storage.options.pull_options = {enable_partial_images='false', use_hard_links='false', ostree_repos=''}\n\
        storage.options.overlay.mountopt = 'nodev,metacopy=on'\n";
    let mut request = request(DocumentKind::Ocne, model("ocne", &[]));
    request.model.position = Position::First;
    let read = ParsedDocument::parse(&request.write().unwrap().text).unwrap();
    let config = read.config.unwrap();
    assert_eq!(config.dialect, Dialect::named("fcos", "1.5.0"));
    let directories: Vec<&str> = config.directories.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(directories, ["/var/images"]);
    let [(path, text)] = &config.texts()[..] else { panic!("one file") };
    assert_eq!(path, "/etc/containers/storage.conf");
    assert_eq!(config.files[0].node.get("overwrite").unwrap().boolean(), Some(true));
    assert_eq!(Document::parse(text.as_str()).unwrap().to_leaf(), Document::parse(guide).unwrap().to_leaf());
}
