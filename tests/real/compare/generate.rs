//! Hosts as they might be: most of them work, and most that do not fail for one reason.

use storagectl::conf::schema::{KEYS, SchemaKey};

use super::document::Document;
use super::host::{Content, Host, Node};
use super::{grammar, oddities, values};
use crate::dice::Dice;

/// Where drop-ins are read, by somebody.
const DROP_INS: [&str; 10] = [
    "/etc/containers/storage.conf.d",
    "/etc/containers/storage.conf.d",
    "/etc/containers/storage.rootful.conf.d",
    "/etc/containers/storage.rootless.conf.d",
    "/etc/containers/storage.rootless.conf.d/1000",
    "/usr/share/containers/storage.conf.d",
    "/usr/share/containers/storage.rootful.conf.d",
    "/usr/share/containers/storage.rootless.conf.d",
    "/home/u/.config/containers/storage.conf.d",
    "/root/.config/containers/storage.conf.d",
];

const NAMES: [&str; 5] = ["10-a.conf", "50-b.conf", "9.conf", "99-storagectl.conf", "A.conf"];

/// What a drop-in of storagectl may be named.
const OURS: [&str; 3] = ["99-storagectl.conf", "zz-storagectl.conf", "~storagectl.conf"];

/// Host number `number` of a run.
pub(super) fn host(seed: u64, number: u64) -> Host {
    let dice = &mut Dice::new(seed, number);
    let mut documents: Vec<(String, Document)> = Vec::new();
    if dice.chance(85) {
        documents.push(("/etc/containers/storage.conf".to_owned(), main(dice)));
    }
    if dice.chance(30) {
        documents.push(("/usr/share/containers/storage.conf".to_owned(), main(dice)));
    }
    if dice.chance(20) {
        documents.push(("/home/u/.config/containers/storage.conf".to_owned(), main(dice)));
    }
    if dice.chance(8) {
        documents.push(("/root/.config/containers/storage.conf".to_owned(), main(dice)));
    }
    while dice.chance(40) {
        let path = format!("{}/{}", dice.one(&DROP_INS), dice.one(&NAMES));
        documents.push((path, drop_in(dice)));
    }
    if dice.chance(3) {
        let dir = dice.one(&DROP_INS[..4]);
        documents.extend(OURS.map(|name| (format!("{dir}/{name}"), drop_in(dice))));
    }
    let mut host = Host::default();
    places(&mut host);
    if dice.chance(50) {
        let ranges = dice.one(&["u:100000:65536\nroot:1:65536\n", "u:100000\n", "# none\n", "1000:1:1\n"]);
        host.file("/etc/subuid", ranges);
        host.file("/etc/subgid", ranges);
    }
    let oddities = [0, 0, 0, 0, 1, 1, 1, 1, 2, 3][dice.below(10)];
    let mut texts = 0;
    for _ in 0..oddities {
        match dice.below(10) {
            0..=5 if !documents.is_empty() => {
                let at = dice.below(documents.len());
                oddities::document(dice, &mut documents[at].1);
            }
            0..=6 => texts += 1,
            _ => oddities::host(dice, &mut host),
        }
    }
    let mut nodes: Vec<Node> = documents
        .iter()
        .map(|(path, doc)| {
            let content = Content::File(doc.text().into_bytes());
            Node { path: path.clone(), content, mode: None }
        })
        .collect();
    for _ in 0..texts.min(nodes.len()) {
        let at = dice.below(nodes.len());
        if let Content::File(text) = &mut nodes[at].content {
            oddities::text(dice, text);
        }
    }
    if !nodes.is_empty() && dice.chance(4) {
        let at = dice.below(nodes.len());
        nodes[at].content = Content::File(grammar::text(dice).into_bytes());
    }
    // What is odd on the disk stands behind, and so takes the place of a file.
    nodes.append(&mut host.nodes);
    host.nodes = nodes;
    host
}

/// Places that an entry may name, and that are no good stores, or not at once.
fn places(host: &mut Host) {
    let mut node = |path: &str, content, mode| host.nodes.push(Node { path: path.to_owned(), content, mode });
    node("/file", Content::File(Vec::new()), None);
    node("/link", Content::Link("/a".to_owned()), None);
    node("/dangling", Content::Link("/nowhere".to_owned()), None);
    node("/loop", Content::Link("/loop".to_owned()), None);
    node("/closed/below", Content::Directory, None);
    node("/closed", Content::Directory, Some(0o700));
}

fn main(dice: &mut Dice) -> Document {
    let mut doc = Document::default();
    if dice.chance(3) {
        return doc;
    }
    for (name, percent) in [("driver", 93), ("runroot", 95), ("graphroot", 95)] {
        let key = known("storage", name);
        if dice.chance(percent) {
            // What engines ship.
            let value = match name {
                _ if dice.chance(30) => values::right(dice, key),
                "driver" => "\"overlay\"".to_owned(),
                "runroot" => "\"/run/containers/storage\"".to_owned(),
                _ => "\"/var/lib/containers/storage\"".to_owned(),
            };
            doc.set("storage", name, value);
        }
    }
    if dice.chance(75) {
        doc.set("storage.options", "additionalimagestores", values::array(&values::list(dice)));
    }
    more_keys(dice, &mut doc, 35);
    doc
}

fn drop_in(dice: &mut Dice) -> Document {
    let mut doc = Document::default();
    if dice.chance(80) {
        let mut items = values::list(dice);
        if dice.chance(50) {
            let attribute = dice.one(&["{append = true}", "{append=true}", "{append=false}"]).to_owned();
            items.insert(dice.below(items.len() + 1), attribute);
        }
        doc.set("storage.options", "additionalimagestores", values::array(&items));
    }
    if dice.chance(15) {
        let key = known("storage", dice.one(&["driver", "runroot", "graphroot"]));
        doc.set(key.table, key.name, values::right(dice, key));
    }
    if dice.chance(8) {
        doc.set("storage", "graphroot", "\"\"");
        doc.set("storage", "runroot", "\"\"");
    }
    more_keys(dice, &mut doc, 15);
    doc
}

fn more_keys(dice: &mut Dice, doc: &mut Document, percent: usize) {
    while dice.chance(percent) {
        let key = &KEYS[dice.below(KEYS.len())];
        doc.set(key.table, key.name, values::right(dice, key));
    }
}

fn known(table: &str, name: &str) -> &'static SchemaKey {
    KEYS.iter().find(|key| key.table == table && key.name == name).expect("engines know it")
}
