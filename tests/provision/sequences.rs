//! Runs after each other end in what one run makes.

use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;
use storagectl::provision::butane::Dialect;
use storagectl::provision::check::{ExpectedNode, check};
use storagectl::provision::container_runtime_config::OtherStores;
use storagectl::provision::document::{Node, NodeKind, ProvisionDocument};
use storagectl::provision::read::DocumentFormat;
use storagectl::provision::sources::NoFilesBeside;
use storagectl::provision::{
    DocumentKind, ExistingDocument, GenerateRequest, NodeModel, NodeStore, Preset, Removals, merge,
};

use crate::kinds::{pinned, request};

/// Kinds with a platform, and the variant of Butane that they are of.
const KINDS: [(DocumentKind, &str, &str); 7] = [
    (DocumentKind::Ignition, "none", "fcos"),
    (DocumentKind::Ignition, "fedora", "fcos"),
    (DocumentKind::Butane, "fedora", "fcos"),
    (DocumentKind::Butane, "rhcos", "openshift"),
    (DocumentKind::MachineConfig, "rhcos", "openshift"),
    (DocumentKind::ContainerRuntimeConfig, "rhcos", "openshift"),
    (DocumentKind::Ocne, "ocne", "fcos"),
];

/// One change of a fleet.
#[derive(Debug, Clone)]
enum Step {
    Add(usize),
    Remove(usize),
    Pull(usize),
    Drop(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..4usize, 0..5usize).prop_map(|(what, which)| match what {
        0 => Step::Add(which),
        1 => Step::Remove(which),
        2 => Step::Pull(which),
        _ => Step::Drop(which),
    });
    proptest::collection::vec(step, 1..9)
}

/// A store of the nodes; one of them is in their image, and one needs quotes.
fn store(which: usize, preset: &str) -> NodeStore {
    let path = ["/var/a", "/srv/b", "/usr/lib/c", "/opt/d-e.f", "/var/g"][which];
    let mode = [0o755, 0o700, 0o755, 0o711, 0o755][which];
    NodeStore { selinux: Preset::named(preset).unwrap().selinux, ..NodeStore::new(path, mode) }
}

fn image(which: usize) -> String {
    format!("registry.example/app{which}:1")
}

/// What a document says, whatever the order of its keys and entries.
fn said(node: &Node) -> String {
    match &node.kind {
        NodeKind::Scalar { text, .. } => format!("{text:?}"),
        NodeKind::List { items, .. } => {
            let mut items: Vec<String> = items.iter().map(said).collect();
            items.sort();
            format!("[{}]", items.join(", "))
        }
        NodeKind::Map { pairs, .. } => {
            let mut pairs: Vec<String> = pairs
                .iter()
                .map(|(key, value)| match (key.name.as_str(), value.text()) {
                    // The order of stores counts, that in a string of OCNE's not.
                    ("extraIgnitionInline", Some(text)) => {
                        said(&ProvisionDocument::parse(text).unwrap().root)
                    }
                    _ => format!("{}: {}", key.name, said(value)),
                })
                .collect();
            pairs.sort();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

fn one_run(base: &GenerateRequest, stores: &[NodeStore], images: &[String], others: &OtherStores) -> String {
    let model = NodeModel { stores: stores.to_vec(), images: images.to_vec(), ..base.model.clone() };
    GenerateRequest { model, others: others.clone(), ..base.clone() }.write().unwrap().text
}

/// What only a ContainerRuntimeConfig lists: layers and artifacts, by turns.
fn others(which: usize) -> OtherStores {
    let path = vec![format!("/var/other{which}")];
    match which % 2 {
        0 => OtherStores { layers: path, ..OtherStores::default() },
        _ => OtherStores { artifacts: path, ..OtherStores::default() },
    }
}

/// Takes the steps one by one, and compares with one run after each.
fn follow((kind, preset, variant): (DocumentKind, &str, &str), steps: &[Step]) -> Result<(), TestCaseError> {
    let model = NodeModel::new(Preset::named(preset).unwrap(), Vec::new());
    let mut base = request(kind, model);
    if variant == "openshift" {
        base.dialect = Dialect::named(variant, "4.14").unwrap();
    }
    let (mut stores, mut images) = (vec![store(0, preset)], Vec::<String>::new());
    let mut beside = OtherStores::default();
    let mut text = one_run(&base, &stores, &images, &beside);
    for step in steps {
        let mut next = base.clone();
        let is_object = kind == DocumentKind::ContainerRuntimeConfig;
        match step {
            Step::Add(which) if stores.iter().all(|it| *it != store(*which, preset)) => {
                next.model.stores = vec![store(*which, preset)];
                stores.push(store(*which, preset));
            }
            Step::Remove(which) if stores.len() > 1 || !(stores.is_empty() || beside.is_empty()) => {
                let store = stores.remove(which % stores.len());
                next.removed = Removals { stores: vec![store.path.clone()], images: Vec::new() };
                if pulled_into(&text).is_some_and(|path| path == store.path) {
                    images.clear();
                }
            }
            Step::Pull(which) if !is_object && stores.iter().any(|it| it.create) => {
                next.model.images = vec![image(*which)];
                if !images.contains(&image(*which)) {
                    images.push(image(*which));
                }
            }
            Step::Pull(which) if is_object => {
                next.others = others(*which);
                for (all, new) in [
                    (&mut beside.layers, &next.others.layers),
                    (&mut beside.artifacts, &next.others.artifacts),
                ] {
                    all.extend(new.iter().filter(|it| !all.contains(it)).cloned().collect::<Vec<_>>());
                }
            }
            Step::Drop(which) if is_object && !stores.is_empty() => {
                let gone = [others(*which).layers, others(*which).artifacts].concat();
                let before = beside.clone();
                beside.layers.retain(|it| !gone.contains(it));
                beside.artifacts.retain(|it| !gone.contains(it));
                if beside == before {
                    continue;
                }
                next.removed = Removals { stores: gone, images: Vec::new() };
            }
            Step::Drop(which) if !images.is_empty() => {
                let image = images.remove(which % images.len());
                next.removed = Removals { stores: Vec::new(), images: vec![image] };
            }
            _ => continue,
        }
        text = merge(&next, &ExistingDocument::parse(&text), Path::new("given"), &NoFilesBeside)
            .map_err(|it| TestCaseError::fail(format!("{it:?}\n{text}")))?
            .text;
        let wanted = one_run(&base, &stores, &images, &beside);
        let [is, should] = [&text, &wanted].map(|it| said(&ProvisionDocument::parse(it).unwrap().root));
        prop_assert_eq!(is, should, "{}\n---\n{}", text, wanted);
        let expected = ExpectedNode {
            stores: stores.iter().map(|store| store.path.clone()).collect(),
            podman6: base.model.podman6,
            ..ExpectedNode::of(Preset::named(preset).unwrap())
        };
        let findings = check(
            &ExistingDocument::parse(&text),
            kind.format().unwrap(),
            Path::new("f"),
            &expected,
            &NoFilesBeside,
        );
        prop_assert!(findings.is_empty(), "{findings:?}\n{text}");
    }
    Ok(())
}

/// The same of images that are pinned.
fn follow_images(steps: &[Step]) -> Result<(), TestCaseError> {
    let base =
        request(DocumentKind::PinnedImageSet, NodeModel::new(Preset::named("rhcos").unwrap(), Vec::new()));
    let mut images = vec![pinned(0)];
    let mut text = one_run(&base, &[], &images, &OtherStores::default());
    for step in steps {
        let mut next = base.clone();
        match step {
            Step::Add(which) | Step::Pull(which) => {
                next.model.images = vec![pinned(*which)];
                if !images.contains(&pinned(*which)) {
                    images.push(pinned(*which));
                }
            }
            Step::Remove(which) | Step::Drop(which) if images.len() > 1 => {
                next.removed.images = vec![images.remove(which % images.len())];
            }
            _ => continue,
        }
        text = merge(&next, &ExistingDocument::parse(&text), Path::new("given"), &NoFilesBeside)
            .map_err(|it| TestCaseError::fail(format!("{it:?}\n{text}")))?
            .text;
        let wanted = one_run(&base, &[], &images, &OtherStores::default());
        let [is, should] = [&text, &wanted].map(|it| said(&ProvisionDocument::parse(it).unwrap().root));
        prop_assert_eq!(is, should, "{}\n---\n{}", text, wanted);
        let expected = ExpectedNode::of(Preset::named("rhcos").unwrap());
        let findings = check(
            &ExistingDocument::parse(&text),
            DocumentFormat::PinnedImageSet,
            Path::new("f"),
            &expected,
            &NoFilesBeside,
        );
        prop_assert!(findings.is_empty(), "{findings:?}\n{text}");
    }
    Ok(())
}

/// The store that images are pulled into.
fn pulled_into(text: &str) -> Option<String> {
    let rest = text.split_once("podman --root=")?.1;
    Some(rest.split_whitespace().next()?.to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn additions_and_removals_end_in_what_one_run_makes(steps in steps(), kind in 0..KINDS.len()) {
        follow(KINDS[kind], &steps)?;
    }

    #[test]
    fn so_do_images_that_are_pinned(steps in steps()) {
        follow_images(&steps)?;
    }
}

/// Many of each kind: `SEQUENCES=1000 cargo test --test provision -- --ignored --nocapture thousand`.
#[test]
#[ignore = "a thousand of each kind take many minutes"]
fn a_thousand_sequences_of_each_kind() {
    let cases = std::env::var("SEQUENCES").map_or(1_000, |cases| cases.parse().unwrap());
    type Follow = Box<dyn Fn(&[Step]) -> Result<(), TestCaseError> + Send>;
    let kinds = KINDS.map(|kind| -> (String, Follow) {
        (format!("{:?} {}", kind.0, kind.1), Box::new(move |steps| follow(kind, steps)))
    });
    let images: (String, Follow) = ("PinnedImageSet".to_owned(), Box::new(follow_images));
    std::thread::scope(|scope| {
        for (name, follow) in kinds.into_iter().chain([images]) {
            scope.spawn(move || {
                let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
                let begin = std::time::Instant::now();
                let mut runner = proptest::test_runner::TestRunner::new(config);
                runner.run(&steps(), |steps| follow(&steps)).unwrap();
                let seconds = begin.elapsed().as_secs();
                writeln!(std::io::stderr(), "{name}: {cases} sequences in {seconds} s").unwrap();
            });
        }
    });
}
