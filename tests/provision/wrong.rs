//! Wrong documents, each named after the rule that finds what is wrong with it, and
//! nothing else is found.

use std::collections::BTreeSet;
use std::path::Path;

use storagectl::problem::Severity;
use storagectl::provision::check::{ExpectedNode, RULES, check};
use storagectl::provision::read::DocumentFormat;
use storagectl::provision::sources::NoFilesBeside;
use storagectl::provision::{ExistingDocument, Preset};

/// The kind and the platform of a document, by what its name ends in.
fn kind(name: &str) -> (DocumentFormat, &'static str) {
    let ends = |end: &str| name.ends_with(end);
    match () {
        () if name == "drop-in-hides-main.fedora.ign" => (DocumentFormat::Ignition, "fedora"),
        () if ends(".ign") => (DocumentFormat::Ignition, "none"),
        () if ends(".bu") => (DocumentFormat::Butane, "none"),
        () if ends(".ocne.yaml") => (DocumentFormat::Ocne, "ocne"),
        () if ends(".mc.yaml") => (DocumentFormat::MachineConfig, "rhcos"),
        () if ends(".bp.toml") => (DocumentFormat::Blueprint, "none"),
        () if ends(".pis.yaml") => (DocumentFormat::PinnedImageSet, "rhcos"),
        () if ends(".crc.yaml") => (DocumentFormat::ContainerRuntimeConfig, "rhcos"),
        () => panic!("{name}"),
    }
}

#[test]
fn in_every_wrong_document_that_is_found_which_is_wrong() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provision/wrong");
    let (mut wrong, mut found_rules) = (Vec::new(), BTreeSet::new());
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs_err::read_to_string(&path).unwrap();
        let (format, preset) = kind(&name);
        let findings = check(
            &ExistingDocument::parse(&text),
            format,
            Path::new("f"),
            &ExpectedNode::of(Preset::named(preset).unwrap()),
            &NoFilesBeside,
        );
        let ids: BTreeSet<&str> = findings.iter().map(|finding| finding.id).collect();
        let rule = name.split('.').next().unwrap();
        if ids != BTreeSet::from([rule]) {
            let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
            wrong.push(format!("{name}: {ids:?} {messages:?}"));
        }
        found_rules.insert(rule.to_owned());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A store that was asked for is given on the command line; tests/cmd has that one.
    let without: Vec<&str> =
        RULES.iter().map(|rule| rule.id).filter(|id| !found_rules.contains(*id)).collect();
    assert_eq!(without, ["extra-ignored", "store-unlisted", "users-stop"], "every rule has a document");
}

#[test]
fn what_only_looks_wrong_is_not_told() {
    let found = |text: &str, format: DocumentFormat, preset: &str| -> Vec<String> {
        let expected = ExpectedNode::of(Preset::named(preset).unwrap());
        check(&ExistingDocument::parse(text), format, Path::new("f"), &expected, &NoFilesBeside)
            .into_iter()
            .map(|it| it.message)
            .collect()
    };
    // Fedora CoreOS has storage.conf in /usr/share alone, where nothing has to be replaced.
    let document = include_str!("wrong/no-overwrite.butane.bu")
        .replace("[\"/var/images\"]", "[\"/usr/lib/containers/storage\"]");
    assert_eq!(found(&document, DocumentFormat::Butane, "rhel9").len(), 1);
    assert!(!found(&document, DocumentFormat::Butane, "fedora").iter().any(|it| it.contains("overwrite")));
    // What the operator has rendered is of a pool, and has no role.
    let document = include_str!("wrong/metadata-missing.role.mc.yaml");
    let rendered = document.replace("99-worker-stores", "rendered-worker-5a1f0e");
    assert_eq!(
        (
            found(document, DocumentFormat::MachineConfig, "rhcos").len(),
            found(&rendered, DocumentFormat::MachineConfig, "rhcos").len()
        ),
        (1, 0)
    );
    let owned = document
        .replace("  name:", "  ownerReferences:\n  - kind: MachineConfigPool\n    name: worker\n  name:");
    assert_eq!(found(&owned, DocumentFormat::MachineConfig, "rhcos"), [""; 0]);
    // Stores of layers and artifacts alone are no mistake, and ten are not too many.
    let ten: String = (0..10).map(|number| format!("    - path: /a/{number}\n")).collect();
    let document = include_str!("wrong/store-refused.artifacts-relative.crc.yaml")
        .replace("    - path: artifacts\n", &ten);
    assert_eq!(found(&document, DocumentFormat::ContainerRuntimeConfig, "rhcos"), [""; 0]);
}

#[test]
fn in_right_documents_nothing_is_found() {
    let conf = "[storage]\ndriver=\"overlay\"\nrunroot=\"/r\"\ngraphroot=\"/g\"\n\
        [storage.options]\nadditionalimagestores=[\"/srv/a\"]\n";
    let file = |path: &str, text: &str| {
        let indented: String = text.lines().map(|line| format!("        {line}\n")).collect();
        format!("  - path: {path}\n    overwrite: true\n    contents:\n      inline: |\n{indented}")
    };
    let main = file("/etc/containers/storage.conf", conf);
    let document = |rest: &str| format!("variant: fcos\nversion: 1.5.0\nstorage:\n  files:\n{rest}");
    let right = [
        // Whatever makes the directory.
        document(&main) + "  directories:\n  - path: /srv/a/b\n",
        document(&main) + "  filesystems:\n  - path: /srv/a\n    device: /dev/vdb\n    format: ext4\n",
        document(&main) + "  links:\n  - path: /srv/a\n    target: /usr/lib/a\n",
        document(&(main.clone() + &file("/etc/tmpfiles.d/a.conf", "d /srv/a 0755 root root -"))),
        document(&main) + "systemd:\n  units:\n  - name: srv-a.mount\n    contents: |\n      [Mount]\n      Where=/srv/a\n",
        // A quadlet makes and fills the store, and another has podman start from it.
        document(&(main.clone()
            + &file("/etc/containers/systemd/a.image", "[Image]\nImage=r.e/a:1\nGlobalArgs=--root /srv/a\n")
            + &file("/etc/containers/systemd/b.container", "[Container]\nImage=r.e/a:1\nPull=never\n")
            + &file("/etc/containers/systemd/c.container", "[Container]\nImage=a.image\n"))),
        // CRI-O alone.
        document(&file("/etc/crio/crio.conf.d/50.conf", "[crio]\nstorage_option = [\"overlay.imagestore=/usr/lib/a\"]")),
        // A store of the image, in a drop-in beside the image's own storage.conf.
        document(&file(
            "/etc/containers/storage.conf.d/50.conf",
            "[storage.options]\nadditionalimagestores = [\"/usr/lib/a\", {append=true}]",
        )),
        // What it is merged with may have the stores.
        "variant: fcos\nversion: 1.5.0\nignition:\n  config:\n    merge:\n    - source: https://config.example/a.ign\n".to_owned(),
    ];
    for text in right {
        let mut expected = ExpectedNode::of(Preset::named("none").unwrap());
        expected.kept.push("/usr/lib/vendor".to_owned());
        let of_main = text.contains("path: /etc/containers/storage.conf\n");
        if of_main {
            expected.kept.clear();
        }
        let findings = check(
            &ExistingDocument::parse(&text),
            DocumentFormat::Butane,
            Path::new("f"),
            &expected,
            &NoFilesBeside,
        );
        let told = findings.iter().filter(|finding| finding.severity != Severity::Note);
        let messages: Vec<&str> = told.map(|finding| finding.message.as_str()).collect();
        assert_eq!(messages, [""; 0], "{text}");
    }
}
