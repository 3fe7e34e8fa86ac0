//! Reading mappings strictly: every key is known, stands once and has a value of its type.

use std::ops::Range;

use crate::conf::Fault;
use crate::conf::schema::nearest;
use crate::limits;
use crate::provision::document::{MappingKey, Node, NodeKind};

/// What is wrong with a text, in its order.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(super) fn add(
        &mut self,
        id: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        match self.0.len() {
            ..limits::SHOWN_FINDINGS => {
                self.0.push(Fault { id, message: message.into(), hint: hint.into(), span })
            }
            limits::SHOWN_FINDINGS => self.0.push(Fault {
                id,
                message: "there are more mistakes than are reported".to_owned(),
                hint: "fix what is reported first".to_owned(),
                span,
            }),
            _ => {}
        }
    }
}

/// A mapping of which keys are taken.
pub(super) struct RecipeTable<'a> {
    node: &'a Node,
    /// What it is, such as "a package".
    what: &'static str,
    keys: &'static [&'static str],
}

impl<'a> RecipeTable<'a> {
    /// Reads `node` as a mapping with none but these `keys`.
    pub(super) fn read(
        node: &'a Node,
        what: &'static str,
        keys: &'static [&'static str],
        faults: &mut Faults,
    ) -> Option<Self> {
        if !matches!(node.kind, NodeKind::Map { .. }) {
            let list = keys.join("`, `");
            faults.add(
                "pack-type",
                first_line(node),
                format!("{what} must be a mapping, not {}", kind(node)),
                format!("give it keys: `{list}`"),
            );
            return None;
        }
        let mut seen: Vec<&str> = Vec::new();
        for (key, _) in node.pairs() {
            if seen.contains(&key.name.as_str()) {
                let message = format!("the key `{}` is set twice in {what}", shown(&key.name));
                faults.add("pack-key", key.span.clone(), message, "remove one of the two");
            } else if !keys.contains(&key.name.as_str()) {
                unknown(key, what, keys, faults);
            }
            seen.push(&key.name);
        }
        Some(Self { node, what, keys })
    }

    /// The value of a key; one that is left empty is not there.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(self.keys.contains(&key), "the key is in the table");
        self.node.get(key).filter(|node| !node.is_null())
    }

    /// The place that stands for the whole mapping: its first line.
    pub(super) fn span(&self) -> Range<usize> {
        match self.node.pairs().first() {
            Some((key, _)) => key.span.clone(),
            None => self.node.span.clone(),
        }
    }

    /// A key that must be there.
    pub(super) fn required(&self, key: &'static str, hint: &str, faults: &mut Faults) -> Option<&'a Node> {
        let found = self.get(key);
        if found.is_none() {
            let empty = self.node.pairs().iter().find(|(it, _)| it.name == key);
            let (span, message) = match empty {
                Some((it, _)) => (it.span.clone(), format!("the key `{key}` of {} has no value", self.what)),
                None => (self.span(), format!("{} has no key `{key}`", self.what)),
            };
            faults.add("pack-key", span, message, hint);
        }
        found
    }

    /// The text of a scalar. A number counts as it is written: `version: 1.10` is 1.10.
    pub(super) fn text(&self, key: &'static str, faults: &mut Faults) -> Option<(&'a str, Range<usize>)> {
        let node = self.get(key)?;
        text(node, &format!("`{key}`"), faults).map(|text| (text, node.span.clone()))
    }

    /// A boolean, false if it is not there.
    pub(super) fn flag(&self, key: &'static str, faults: &mut Faults) -> bool {
        let Some(node) = self.get(key) else {
            return false;
        };
        node.boolean().unwrap_or_else(|| {
            let message = format!("`{key}` must be `true` or `false`, not {}", kind(node));
            faults.add("pack-type", first_line(node), message, "write it without quotes");
            false
        })
    }

    /// The items of a list; none if it is not there.
    pub(super) fn list(&self, key: &'static str, faults: &mut Faults) -> &'a [Node] {
        let Some(node) = self.get(key) else {
            return &[];
        };
        if !matches!(node.kind, NodeKind::List { .. }) {
            let message = format!("`{key}` must be a list, not {}", kind(node));
            faults.add(
                "pack-type",
                first_line(node),
                message,
                "put each item on a line of its own after `- `",
            );
        }
        node.items()
    }
}

/// The text of a scalar.
pub(super) fn text<'a>(node: &'a Node, what: &str, faults: &mut Faults) -> Option<&'a str> {
    let found = node.raw().filter(|_| !node.is_null());
    if found.is_none() {
        let message = format!("{what} must be a string, not {}", kind(node));
        faults.add("pack-type", first_line(node), message, "write it on one line, in quotes if need be");
    }
    found
}

fn unknown(key: &MappingKey, what: &str, keys: &[&'static str], faults: &mut Faults) {
    let message = format!("{what} has an unknown key `{}`", shown(&key.name));
    let hint = match nearest(&key.name, keys.iter().copied()) {
        Some(near) => format!("`{near}` was probably meant"),
        None => format!("known are `{}`", keys.join("`, `")),
    };
    faults.add("pack-key", key.span.clone(), message, hint);
}

/// What a value is, for messages.
pub(super) fn kind(node: &Node) -> &'static str {
    match &node.kind {
        _ if node.is_null() => "empty",
        NodeKind::Scalar { .. } if node.boolean().is_some() => "a boolean",
        NodeKind::Scalar { .. } if node.number().is_some() => "a number",
        NodeKind::Scalar { .. } => "a string",
        NodeKind::List { .. } => "a list",
        NodeKind::Map { .. } => "a mapping",
    }
}

/// The place of a value that may have many lines.
fn first_line(node: &Node) -> Range<usize> {
    match &node.kind {
        NodeKind::Map { pairs, .. } if !pairs.is_empty() => pairs[0].0.span.clone(),
        NodeKind::List { items, .. } if !items.is_empty() => first_line(&items[0]),
        _ => node.span.clone(),
    }
}

/// A name from the text, for a message.
fn shown(name: &str) -> String {
    name.escape_debug().to_string()
}
