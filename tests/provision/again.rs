//! What an earlier run has put into a document is found again.

use std::path::Path;

use storagectl::conf::Position;
use storagectl::problem::Problem;
use storagectl::provision::butane::Dialect;
use storagectl::provision::sources::{FollowedDocument, NoFilesBeside};
use storagectl::provision::{
    DocumentKind, ExistingDocument, GenerateRequest, GeneratedDocument, NodeModel, NodeStore, Preset,
    Removals, merge,
};

use crate::kinds::{model, request};

const KIND: DocumentKind = DocumentKind::MachineConfig;

fn stores(preset: &str, paths: &[&str]) -> NodeModel {
    NodeModel::new(
        Preset::named(preset).unwrap(),
        paths.iter().map(|path| NodeStore::new(path, 0o755)).collect(),
    )
}

fn into(request: &GenerateRequest, text: &str) -> Result<GeneratedDocument, Problem> {
    merge(request, &ExistingDocument::parse(text), Path::new("given"), &NoFilesBeside)
}

fn removing(request: &GenerateRequest, stores: &[&str], images: &[&str]) -> GenerateRequest {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let model = NodeModel { stores: Vec::new(), images: Vec::new(), ..request.model.clone() };
    GenerateRequest {
        model,
        removed: Removals { stores: owned(stores), images: owned(images) },
        ..request.clone()
    }
}

/// D1: the unit that makes the first store was replaced, and no engine started on any node.
#[test]
fn a_second_run_adds_and_replaces_nothing() {
    let mut openshift = request(DocumentKind::Butane, model("rhcos", &[]));
    openshift.dialect = Dialect::named("openshift", "4.14").unwrap();
    let kinds = [
        request(KIND, model("rhcos", &[])),
        openshift,
        request(DocumentKind::Butane, model("fedora", &[])),
        request(DocumentKind::Ignition, model("fedora", &[])),
        request(DocumentKind::Ocne, model("ocne", &[])),
    ];
    for base in kinds {
        let with = |paths: &[&str], images: &[&str]| {
            let mut model = NodeModel { stores: Vec::new(), ..base.model.clone() };
            for path in paths {
                let selinux = base.model.stores[0].selinux;
                model.stores.push(NodeStore { selinux, ..NodeStore::new(path, 0o755) });
            }
            model.images = images.iter().map(|&image| image.to_owned()).collect();
            GenerateRequest { model, ..base.clone() }
        };
        let first = with(&["/var/images"], &["example.com/a:1"]).write().unwrap().text;
        let second = into(&with(&["/var/apps"], &["example.com/b:1"]), &first).unwrap();
        let whole = with(&["/var/images", "/var/apps"], &["example.com/a:1", "example.com/b:1"]);
        assert_eq!(second.text, whole.write().unwrap().text);
        // And back.
        let back = into(&removing(&base, &["/var/apps"], &["example.com/b:1"]), &second.text).unwrap();
        assert_eq!(back.text, first);
    }
}

#[test]
fn what_is_first_comes_behind_what_was_first() {
    let with = |paths: &[&str]| {
        let mut request = request(DocumentKind::Ocne, stores("ocne", paths));
        request.model.position = Position::First;
        request
    };
    let first = with(&["/var/a"]).write().unwrap().text;
    let second = into(&with(&["/var/b"]), &first).unwrap().text;
    assert_eq!(second, with(&["/var/a", "/var/b"]).write().unwrap().text);
    // What was put last by hand stays there.
    assert_eq!(into(&with(&["/var/a"]), &second).unwrap().text, second);
}

#[test]
fn a_drop_in_follows_the_list_whatever_the_platform_is_said_to_be() {
    let first = request(DocumentKind::Ignition, stores("fedora", &["/var/a"])).write().unwrap().text;
    let second = into(&request(DocumentKind::Ignition, stores("none", &["/var/b"])), &first).unwrap().text;
    let read = storagectl::provision::read::ParsedDocument::parse(&second).unwrap().config.unwrap().texts();
    let lists: Vec<&String> =
        read.iter().map(|(_, text)| text).filter(|text| text.contains("/var/")).collect();
    assert_eq!(lists.len(), 2);
    for text in lists.iter().filter(|text| text.contains("/var/a")) {
        assert!(text.contains("\"/var/b\"") && text.contains("\"/usr/lib/containers/storage\""), "{text}");
    }
}

/// What `oc get -o json` and `jq` leave: other quotes, other order of keys, no comments.
#[test]
fn what_is_ours_is_found_behind_the_formats_own_tools() {
    let with = |paths: &[&str]| request(KIND, stores("rhcos", paths));
    let text = with(&["/var/a"]).write().unwrap().text;
    let config = storagectl::provision::document::ProvisionDocument::parse(&text).unwrap();
    let json = sorted(&config.root).to_string();
    let second = into(&with(&["/var/b"]), &json).unwrap();
    for unit in ["install -d -m 0755 /var/a", "install -d -m 0755 /var/b", "restorecon -RF /var/a;"] {
        assert!(second.text.contains(unit), "{unit}: {}", second.text);
    }
    assert_eq!(second.text.matches("storagectl-stores.service\"").count(), 1);
}

fn sorted(node: &storagectl::provision::document::Node) -> serde_json::Value {
    use storagectl::provision::document::NodeKind;
    match &node.kind {
        NodeKind::Map { pairs, .. } => {
            pairs.iter().map(|(key, node)| (key.name.clone(), sorted(node))).collect()
        }
        NodeKind::List { items, .. } => items.iter().map(sorted).collect(),
        NodeKind::Scalar { text, .. } => match (node.boolean(), node.number()) {
            (Some(flag), _) => flag.into(),
            (_, Some(number)) => number.into(),
            _ => text.as_str().into(),
        },
    }
}

#[test]
fn other_credentials_hold_for_all_images_and_that_is_told() {
    let with = |image: &str, authfile: Option<&str>| {
        let mut request = request(KIND, stores("rhcos", &["/var/a"]));
        request.model.images = vec![image.to_owned()];
        request.has_authfile = authfile.is_some();
        request.model.authfile = authfile.map(str::to_owned).or(request.model.authfile);
        request
    };
    let first = with("example.com/a:1", None).write().unwrap().text;
    let told = |authfile| into(&with("example.com/b:1", authfile), &first).unwrap().warnings;
    let what = "the images that were there are pulled with `/etc/auth.json`, too".to_owned();
    assert!(told(Some("/etc/auth.json")).contains(&what));
    assert!(!told(None).iter().any(|it| it.contains("pulled with")));
}

#[test]
fn what_was_edited_by_hand_stays_and_is_told() {
    let with = |paths: &[&str]| request(KIND, stores("rhcos", paths));
    let first = with(&["/var/a"]).write().unwrap().text;
    let line = "          ExecStart=/usr/bin/install -d -m 0755 /var/a\n";
    assert!(first.contains(line));
    let edited = first.replace(line, &format!("{line}          ExecStart=/usr/bin/install -d /srv/ours\n"));
    let second = into(&with(&["/var/b"]), &edited).unwrap();
    let after = format!(
        "{line}          ExecStart=/usr/bin/install -d -m 0755 /var/b\n          ExecStart=/usr/bin/install -d /srv/ours\n"
    );
    assert!(second.text.contains(&after), "{}", second.text);
    assert!(
        second.warnings.contains(
            &"`storagectl-stores.service` was edited by hand: what was changed in it stays".to_owned()
        ),
        "{:?}",
        second.warnings
    );
    // It runs something else, too.
    let gone = into(&removing(&with(&[]), &["/var/a"], &[]), &edited).unwrap();
    assert!(
        gone.text.contains("install -d /srv/ours") && !gone.text.contains("label.service"),
        "{}",
        gone.text
    );
    assert!(gone.warnings.iter().any(|it| it.contains("stays in the document")), "{:?}", gone.warnings);
    // Where both change the same line, nothing is guessed.
    let edited = first.replace("RequiresMountsFor=/var/a\n", "RequiresMountsFor=/var/a /srv\n");
    let problem = into(&with(&["/var/b"]), &edited).unwrap_err();
    assert_eq!((problem.id, problem.message.contains("edited by hand")), ("document-conflict", true));
}

#[test]
fn with_the_last_store_goes_all_that_came_with_it() {
    let before = "variant: fcos\nversion: 1.5.0\nstorage:\n  files:\n  # who\n  - path: /etc/hostname\n    contents:\n      inline: a\n";
    for preset in ["none", "fedora"] {
        let base = request(DocumentKind::Butane, stores(preset, &["/var/a"]));
        let with = into(&base, before).unwrap().text;
        let gone = into(&removing(&base, &["/var/a"], &[]), &with).unwrap();
        assert_eq!(gone.text, before);
        assert_eq!(gone.warnings, ["no store is left in the document"]);
    }
    // A storage.conf of somebody else's stays, with what else it lists.
    let conf = "  - path: /etc/containers/storage.conf\n    overwrite: true\n    contents:\n      inline: |\n        # ours\n        [storage]\n        driver = \"overlay\"\n        runroot = \"/r\"\n        graphroot = \"/g\"\n        [storage.options]\n        additionalimagestores = [\"/usr/lib/x\"]\n";
    let before = format!("{before}{conf}");
    let base = request(DocumentKind::Butane, stores("none", &["/var/a"]));
    let with = into(&base, &before).unwrap().text;
    let gone = into(&removing(&base, &["/var/a"], &[]), &with).unwrap().text;
    assert!(gone.contains("additionalimagestores = [\"/usr/lib/x\"]") && !gone.contains("/var/a"), "{gone}");
}

#[test]
fn what_is_not_there_cannot_be_removed() {
    let base = request(DocumentKind::Ignition, stores("fedora", &["/var/a"]));
    let text = base.write().unwrap().text;
    let id = |stores: &[&str], images: &[&str]| into(&removing(&base, stores, images), &text).unwrap_err().id;
    assert_eq!(id(&["/var/b"], &[]), "not-listed");
    assert_eq!(id(&["/usr/lib/containers/storage"], &[]), "store-of-platform");
    assert_eq!(id(&[], &["example.com/a:1"]), "image-missing");
}

#[test]
fn in_a_list_of_ours_alone_first_is_first() {
    let with = |paths: &[&str], position| {
        let mut request = request(KIND, stores("rhcos", paths));
        request.model.position = position;
        request
    };
    let first = with(&["/var/a"], Position::Any).write().unwrap().text;
    let second = into(&with(&["/var/b"], Position::First), &first).unwrap().text;
    let read = storagectl::provision::read::ParsedDocument::parse(&second).unwrap().config.unwrap().texts();
    assert!(read[0].1.contains("  \"/var/b\",\n  \"/var/a\",\n"), "{}", read[0].1);
    // The directory that images would go to is still the first one that was made.
    assert!(second.contains("/var/a\n          ExecStart=/usr/bin/install -d -m 0755 /var/b\n"), "{second}");
}

#[test]
fn what_is_first_once_more_stands_in_the_order_in_which_it_is_given() {
    use storagectl::provision::read::ParsedDocument;
    let listed = |text: &str| -> Vec<String> {
        let texts = ParsedDocument::parse(text).unwrap().config.unwrap().texts();
        let doc = storagectl::conf::Document::parse(texts[0].1.as_str()).unwrap();
        storagectl::conf::StoreList::paths(&doc).unwrap()
    };
    let with = |preset: &str, paths: &[&str], position| {
        let mut request = request(DocumentKind::Ignition, stores(preset, paths));
        request.model.position = position;
        request
    };
    let first = with("none", &["/var/x", "/var/b"], Position::Any).write().unwrap().text;
    for order in [["/var/a", "/var/b"], ["/var/b", "/var/a"]] {
        let second = into(&with("none", &order, Position::First), &first).unwrap().text;
        assert_eq!(listed(&second), [order[0], order[1], "/var/x"]);
        assert_eq!(into(&with("none", &order, Position::First), &second).unwrap().text, second);
    }
    let usr = "/usr/ock/containers";
    let first = with("ocne", &["/var/x", "/var/b"], Position::First).write().unwrap().text;
    let second = into(&with("ocne", &["/var/c", "/var/b"], Position::First), &first).unwrap().text;
    assert_eq!(listed(&second), ["/var/x", "/var/c", "/var/b", usr]);
}

#[test]
fn the_comment_of_the_first_run_says_that_others_came() {
    let by = |paths: &[&str]| {
        let made_by = "# Made by `storagectl generate`\n".to_owned();
        GenerateRequest { made_by, ..request(DocumentKind::Butane, stores("none", paths)) }
    };
    let first = by(&["/var/a"]).write().unwrap().text;
    assert_eq!(into(&by(&["/var/a"]), &first).unwrap().text, first);
    let second = into(&by(&["/var/b"]), &first).unwrap().text;
    assert!(
        second.starts_with("# Made by `storagectl generate`, and changed since\nvariant: fcos\n"),
        "{second}"
    );
    assert_eq!(into(&by(&["/var/b"]), &second).unwrap().text, second);
}

#[test]
fn what_a_document_gives_is_the_same_in_every_kind() {
    use storagectl::provision::read::ParsedDocument;
    use storagectl::provision::{EntryOrigin, GivenToNode, differences};
    let gives = |kind, preset: &str, paths: &[&str]| {
        let request = request(kind, stores(preset, paths));
        {
            let read = ParsedDocument::parse(&request.write().unwrap().text).unwrap();
            GivenToNode::of(&FollowedDocument::of(&read, &NoFilesBeside), &request.model)
        }
    };
    let ignition = gives(DocumentKind::Ignition, "fedora", &["/var/a", "/var/b"]);
    assert_eq!(differences(&ignition, &gives(DocumentKind::Butane, "fedora", &["/var/a", "/var/b"])), []);
    let said: Vec<(&str, EntryOrigin)> =
        ignition.stores.iter().map(|it| (it.path.as_str(), it.origin)).collect();
    let vendor = ("/usr/lib/containers/storage", EntryOrigin::Platform);
    assert_eq!(said, [vendor, ("/var/a", EntryOrigin::Generate), ("/var/b", EntryOrigin::Generate)]);
    assert!(ignition.engines.iter().all(|engine| engine.stops.is_none()));
    let names = |all: Vec<storagectl::provision::DocumentDifference>| -> Vec<String> {
        all.into_iter().map(|it| format!("{:?} {} {}", it.how, it.what, it.name)).collect()
    };
    let fewer = gives(DocumentKind::Ignition, "fedora", &["/var/b"]);
    assert_eq!(names(differences(&ignition, &fewer)), ["Removed store /var/a"]);
    let turned = gives(DocumentKind::Ignition, "fedora", &["/var/b", "/var/a"]);
    assert_eq!(names(differences(&ignition, &turned)), ["Changed order of stores"]);
    // An object of which the operator makes the file.
    let object = gives(DocumentKind::ContainerRuntimeConfig, "rhcos", &["/var/a"]);
    assert_eq!(object.stores[0].created_by, None);
    assert!(object.engines.iter().filter(|it| !it.users).all(|it| it.stores == ["/var/a"]), "{object:?}");
}
