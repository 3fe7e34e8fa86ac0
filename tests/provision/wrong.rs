//! Wrong documents, each named after the rule that finds what is wrong with it, and
//! nothing else is found.

use std::collections::BTreeSet;
use std::path::Path;

use storagectl::provision::Preset;
use storagectl::provision::check::{Expected, RULES, check};
use storagectl::provision::read::Format;

/// The kind and the platform of a document, by what its name ends in.
fn kind(name: &str) -> (Format, &'static str) {
    let ends = |end: &str| name.ends_with(end);
    match () {
        () if name == "drop-in-hides-main.fedora.ign" => (Format::Ignition, "fedora"),
        () if ends(".ign") => (Format::Ignition, "none"),
        () if ends(".bu") => (Format::Butane, "none"),
        () if ends(".ocne.yaml") => (Format::Ocne, "ocne"),
        () if ends(".mc.yaml") => (Format::MachineConfig, "rhcos"),
        () if ends(".crc.yaml") => (Format::ContainerRuntimeConfig, "rhcos"),
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
        let findings = check(&text, format, Path::new("f"), &Expected::of(Preset::named(preset).unwrap()));
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
    assert_eq!(without, ["store-unlisted", "users-stop"], "every rule has a document");
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
        let mut expected = Expected::of(Preset::named("none").unwrap());
        expected.kept.push("/usr/lib/vendor".to_owned());
        let of_main = text.contains("path: /etc/containers/storage.conf\n");
        if of_main {
            expected.kept.clear();
        }
        let findings = check(&text, Format::Butane, Path::new("f"), &expected);
        let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(messages, [""; 0], "{text}");
    }
}
