//! What Butane takes from beside a document, put into it as Butane would (`translateResource`,
//! `translateUnit` and `processTrees` in base/v0_6 of its repository).

use super::local::{LocalEntry, NotRead, TreeKind};
use super::render::{Follower, pair, string, too_much};
use crate::limits;
use crate::provision::check::concerns_stores;
use crate::provision::data_url;
use crate::provision::document::{Node, NodeKind};
use crate::provision::read::{ConfigEntry, FileContent};

impl Follower<'_> {
    /// A configuration with what lies beside it.
    pub(super) fn resolved(&mut self, node: &Node, is_butane: bool) -> Node {
        let mut whole = node.with_values(|key, value| match key {
            "storage" => value.with_values(|key, list| match key {
                "files" => list.with_items(|file| self.file(file, is_butane)),
                _ => list.clone(),
            }),
            "systemd" if is_butane => value.with_values(|key, list| match key {
                "units" => list.with_items(|unit| self.unit(unit)),
                _ => list.clone(),
            }),
            "ignition" if is_butane => value.with_values(|key, config| match key {
                "config" => config.with_values(|key, others| match key {
                    "merge" => others
                        .with_items(|other| self.resource(other, "is merged into this", "merged-elsewhere")),
                    "replace" => self.resource(others, "replaces this", "merged-elsewhere"),
                    _ => others.clone(),
                }),
                _ => config.clone(),
            }),
            _ => value.clone(),
        });
        let trees = node.at(&["storage", "trees"]).filter(|_| is_butane);
        for tree in trees.map(Node::items).unwrap_or_default() {
            self.tree(&mut whole, tree);
        }
        whole
    }

    fn file(&mut self, file: &Node, is_butane: bool) -> Node {
        let path = file.get("path").and_then(Node::raw).unwrap_or_default().to_owned();
        let does = format!("is the content of `{path}`");
        let id = content_rule(&path);
        let file = match is_butane {
            true => file.with_values(|key, value| match key {
                "contents" => self.resource(value, &does, id),
                "append" => value.with_items(|item| self.resource(item, &does, id)),
                _ => value.clone(),
            }),
            false => file.clone(),
        };
        let entry = ConfigEntry { name: path, node: file };
        // What lies beside the document was looked for.
        if entry.node.at(&["contents", "local"]).is_none() {
            self.content(&entry);
        }
        entry.node
    }

    /// Notes a content that is fetched.
    pub(super) fn content(&mut self, entry: &ConfigEntry) {
        if let FileContent::Elsewhere(place) = entry.content() {
            let message =
                format!("what `{}` holds is fetched from `{place}`, and was not checked", entry.name);
            let at = entry.node.get("contents").unwrap_or(&entry.node);
            self.note(content_rule(&entry.name), Some(at), message, "put the content into the document");
        }
    }

    /// A unit, or a drop-in of one.
    fn unit(&mut self, unit: &Node) -> Node {
        let mut unit = unit.with_values(|key, value| match key {
            "dropins" => value.with_items(|drop_in| self.unit(drop_in)),
            _ => value.clone(),
        });
        let Some(local) =
            unit.get("contents_local").filter(|it| it.text().is_some_and(|it| !it.is_empty())).cloned()
        else {
            return unit;
        };
        let name = unit.get("name").and_then(Node::raw).unwrap_or_default();
        let what = format!("`{}` is the content of `{name}`", local.raw().unwrap_or_default());
        let text = self.local(local.raw().unwrap_or_default()).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| NotRead::Refused("it is not UTF-8".to_owned()))
        });
        match (text, &mut unit.kind) {
            (Ok(text), NodeKind::Map { pairs, .. }) => {
                pairs.retain(|(key, _)| !matches!(key.name.as_str(), "contents" | "contents_local"));
                pairs.push(pair("contents", &local, string(&local, text)));
            }
            (Err(why), _) => self.not_read("not-read", Some(&local), &what, &why),
            _ => {}
        }
        unit
    }

    /// A resource as Ignition takes it. `does` is what it is for, and `id` the rule that says that it
    /// was not read.
    fn resource(&mut self, resource: &Node, does: &str, id: &'static str) -> Node {
        let found = |key: &str| resource.get(key).filter(|node| !node.is_null());
        let (at, bytes) = match (found("local"), found("inline")) {
            (Some(local), _) => {
                let path = local.raw().unwrap_or_default();
                match self.local(path) {
                    Ok(bytes) => {
                        self.files.insert(resource.span.start, path.to_owned());
                        (local.clone(), bytes)
                    }
                    Err(why) => {
                        self.not_read(id, Some(local), &format!("`{path}` {does}"), &why);
                        return resource.clone();
                    }
                }
            }
            (None, Some(inline)) => {
                let Some(text) = inline.raw() else {
                    return resource.clone();
                };
                (inline.clone(), text.as_bytes().to_vec())
            }
            (None, None) => return resource.clone(),
        };
        let mut resource = resource.clone();
        let said = resource.get("compression").and_then(Node::raw).is_some_and(|it| !it.is_empty());
        let (source, compression) = data_url_of(&bytes, !said);
        if let NodeKind::Map { pairs, .. } = &mut resource.kind {
            let gone =
                |key: &str| matches!(key, "local" | "inline" | "source") || (key == "compression" && !said);
            pairs.retain(|(key, _)| !gone(&key.name));
            pairs.push(pair("source", &at, string(&at, source)));
            if !said {
                // Always said, so that what is merged with it cannot lend its own.
                pairs.push(pair("compression", &at, string(&at, compression.to_owned())));
            }
        }
        resource
    }

    /// The files and links of a directory.
    fn tree(&mut self, whole: &mut Node, tree: &Node) {
        let local = tree.get("local").and_then(Node::raw).unwrap_or_default();
        let onto = tree.get("path").filter(|node| !node.is_null()).and_then(Node::raw).unwrap_or("/");
        let what = format!("the directory `{local}` is copied to `{onto}`");
        let entries = match self.is_ocne {
            true => Err(no_directory()),
            false => self.beside.tree(local, self.left),
        };
        let entries = match entries {
            Ok(entries) => entries,
            Err(why) => return self.not_read("not-read", Some(tree), &what, &why),
        };
        self.entries += entries.len();
        let size: usize = entries.iter().map(LocalEntry::size).sum();
        self.left = self.left.saturating_sub(size as u64);
        if self.entries > limits::BESIDE_FILES {
            let why = NotRead::Refused(format!("there are more than {} files", limits::BESIDE_FILES));
            return self.not_read("not-read", Some(tree), &what, &why);
        }
        let (files, links): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| matches!(entry.kind, TreeKind::File(..)));
        for (list, entries) in [("files", files), ("links", links)] {
            put(whole, tree, list, onto, entries);
        }
    }

    /// The bytes of a file beside the document.
    fn local(&mut self, path: &str) -> Result<Vec<u8>, NotRead> {
        if self.is_ocne {
            return Err(no_directory());
        }
        let bytes = self.beside.file(path, self.left).map_err(|why| match why {
            NotRead::Refused(_) if self.left == 0 => NotRead::Refused(too_much()),
            why => why,
        })?;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(bytes)
    }
}

fn no_directory() -> NotRead {
    NotRead::Refused("OCNE translates Butane without a directory of files".to_owned())
}

/// The smallest URL, as Butane chooses it; of what is large, the one that is made fast.
fn data_url_of(bytes: &[u8], may_compress: bool) -> (String, &'static str) {
    match bytes.len() as u64 <= limits::DOCUMENT {
        true => {
            let url = data_url::encode(bytes, may_compress);
            (url.source, url.compression)
        }
        false => (data_url::base64(bytes), ""),
    }
}

/// Puts the entries of a tree into a list of a configuration. One that is there and says nothing of what
/// it holds gets it; one that says it stands there twice then, which Butane refuses.
fn put(whole: &mut Node, tree: &Node, list: &str, onto: &str, entries: Vec<LocalEntry>) {
    let Some(items) = items_of(whole, tree, list) else {
        return;
    };
    let key = if list == "files" { "contents" } else { "target" };
    let is_open = |item: &Node| match list {
        "files" => item.at(&["contents", "source"]).is_none_or(|it| it.raw().is_none_or(str::is_empty)),
        _ => item.get("target").is_none_or(Node::is_null),
    };
    let mut open = std::collections::BTreeMap::new();
    for (number, item) in items.iter().enumerate().filter(|(_, item)| is_open(item)) {
        open.insert(item.get("path").and_then(Node::raw).unwrap_or_default().to_owned(), number);
    }
    for entry in entries {
        let path = format!("{}/{}", onto.trim_end_matches('/'), entry.path);
        let (value, mode) = match entry.kind {
            TreeKind::File(bytes, executable) => {
                (contents(tree, &bytes), if executable { 0o755 } else { 0o644 })
            }
            TreeKind::Link(target) => (string(tree, target), 0),
        };
        let at = open.get(&path).copied().unwrap_or_else(|| {
            let pairs = vec![pair("path", tree, string(tree, path))];
            items.push(Node { span: tree.span.clone(), kind: NodeKind::Map { pairs, flow: true } });
            items.len() - 1
        });
        if let NodeKind::Map { pairs, .. } = &mut items[at].kind {
            pairs.retain(|(old, _)| old.name != key);
            pairs.push(pair(key, tree, value));
            if list == "files" && pairs.iter().all(|(old, node)| old.name != "mode" || node.is_null()) {
                pairs.retain(|(old, _)| old.name != "mode");
                let number = NodeKind::Scalar { text: format!("0{mode:o}"), plain: true };
                pairs.push(pair("mode", tree, Node { span: tree.span.clone(), kind: number }));
            }
        }
    }
}

fn contents(at: &Node, bytes: &[u8]) -> Node {
    let (source, compression) = data_url_of(bytes, true);
    let pairs = vec![
        pair("source", at, string(at, source)),
        pair("compression", at, string(at, compression.to_owned())),
    ];
    Node { span: at.span.clone(), kind: NodeKind::Map { pairs, flow: true } }
}

/// The items of a list of `storage`, which is made if it is not there.
fn items_of<'a>(whole: &'a mut Node, at: &Node, list: &str) -> Option<&'a mut Vec<Node>> {
    let NodeKind::Map { pairs, .. } = &mut whole.kind else {
        return None;
    };
    let storage = pairs.iter_mut().find(|(key, _)| key.name == "storage")?;
    let NodeKind::Map { pairs, .. } = &mut storage.1.kind else {
        return None;
    };
    let is_list = |node: &Node| matches!(node.kind, NodeKind::List { .. });
    pairs.retain(|(key, node)| key.name != list || is_list(node));
    if pairs.iter().all(|(key, _)| key.name != list) {
        let empty = NodeKind::List { items: Vec::new(), flow: true };
        pairs.push(pair(list, at, Node { span: at.span.clone(), kind: empty }));
    }
    let (_, node) = pairs.iter_mut().find(|(key, _)| key.name == list)?;
    match &mut node.kind {
        NodeKind::List { items, .. } => Some(items),
        _ => None,
    }
}

/// The rule that says of the file at `path` that its content was not read.
fn content_rule(path: &str) -> &'static str {
    if concerns_stores(path) { "content-elsewhere" } else { "not-read" }
}
