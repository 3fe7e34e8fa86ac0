//! Putting values into a document that somebody else wrote, by splices.
//!
//! A mapping gets the keys that it lacks, a list the items that it lacks, and a
//! scalar that differs is replaced. Items of a list are the same if they have the
//! same `path` or `name`, or else if they are equal. Nothing is taken out, and every
//! byte of what is not replaced stays.

use std::ops::Range;

use super::node::{Kind, Node};
use super::value::Value;
use super::write_json::{quoted, to_json};
use super::write_yaml::{block, plain_or_quoted, to_yaml};
use super::{Document, Unreadable};
use crate::conf::Splice;

/// Why a document cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditFault {
    /// Something else stands where a mapping or a list is needed: where, and what is needed.
    Other(Range<usize>, &'static str),
    /// The text that came out does not say what it should.
    Internal,
}

impl From<Unreadable> for EditFault {
    fn from(_: Unreadable) -> Self {
        Self::Internal
    }
}

/// Puts `value` into `doc`. `None` if it holds all of that already.
///
/// # Errors
/// [`EditFault`] if it cannot be done so that everything else stays.
pub fn merge(doc: &Document, value: &Value) -> Result<Option<Document>, EditFault> {
    let mut edited: Option<Document> = None;
    // One splice at a time: places change with each.
    for _ in 0..10_000 {
        let doc = edited.as_ref().unwrap_or(doc);
        let mut next = Err(EditFault::Internal);
        // Blank lines at the end of a block belong to it, or stand between things: what
        // is new goes before them, unless that changes the block.
        for behind_blanks in [false, true] {
            let Some(splice) = first(&At { doc, behind_blanks }, &doc.root, value, None)? else {
                return Ok(edited);
            };
            next = spliced(doc, splice, value);
            if next.is_ok() {
                break;
            }
        }
        edited = Some(next?);
    }
    Err(EditFault::Internal)
}

/// Applies a splice and proves that everything else stays.
fn spliced(doc: &Document, mut splice: Splice, value: &Value) -> Result<Document, EditFault> {
    if doc.text.contains("\r\n") {
        splice.text = splice.text.replace('\n', "\r\n");
    }
    let after = Document::parse(&Splice::apply(&doc.text, vec![splice]))?;
    if keeps(&doc.root, &after.root, value) { Ok(after) } else { Err(EditFault::Internal) }
}

/// A document, and where in it new lines go.
struct At<'a> {
    doc: &'a Document,
    behind_blanks: bool,
}

/// The first splice that brings `node` nearer to `value`; `key_end` is where the key
/// before it ends.
fn first(
    at: &At<'_>,
    node: &Node,
    value: &Value,
    key_end: Option<usize>,
) -> Result<Option<Splice>, EditFault> {
    let doc = at.doc;
    let is_nothing = match &node.kind {
        Kind::Scalar { .. } => node.is_null(),
        // `[]` and `{}` become blocks among blocks.
        Kind::List { items, .. } => items.is_empty() && !doc.is_json && matches!(value, Value::List(_)),
        Kind::Map { pairs, .. } => pairs.is_empty() && !doc.is_json && matches!(value, Value::Map(_)),
    };
    if let Some(key_end) = key_end.filter(|_| is_nothing && !value.is_empty()) {
        return Ok(Some(in_place_of_nothing(doc, node, value, key_end)));
    }
    match (&node.kind, value) {
        (Kind::Map { pairs, flow }, Value::Map(wanted)) => {
            for (name, value) in wanted {
                let Some((key, child)) = pairs.iter().find(|(key, _)| key.name == *name) else {
                    return Ok(Some(new_pair(at, node, *flow, name, value)));
                };
                // No block can stand in braces.
                let key_end = Some(key.span.end).filter(|_| !flow || doc.is_json);
                let splice = first(at, child, value, key_end)?;
                if splice.is_some() {
                    return Ok(splice);
                }
            }
            Ok(None)
        }
        (Kind::List { items, flow }, Value::List(wanted)) => {
            for value in wanted {
                let splice = match items.iter().find(|item| is_same_thing(item, value)) {
                    Some(item) => first(at, item, value, None)?,
                    None => Some(new_item(at, node, *flow, value)),
                };
                if splice.is_some() {
                    return Ok(splice);
                }
            }
            Ok(None)
        }
        (Kind::Scalar { .. }, Value::Map(_)) => Err(EditFault::Other(node.span.clone(), "a mapping")),
        (Kind::Scalar { .. }, Value::List(_)) => Err(EditFault::Other(node.span.clone(), "a list")),
        (Kind::Scalar { .. }, value) if holds(node, value) => Ok(None),
        (Kind::Scalar { .. }, value) => Ok(Some(other_scalar(doc, node, value))),
        (_, Value::Map(_)) => Err(EditFault::Other(node.span.clone(), "a mapping")),
        (_, Value::List(_)) => Err(EditFault::Other(node.span.clone(), "a list")),
        _ => Err(EditFault::Other(node.span.clone(), "a single value")),
    }
}

/// Whether an item of a list is what `value` is about.
fn is_same_thing(item: &Node, value: &Value) -> bool {
    for key in ["path", "name"] {
        if let Some(Value::Text(name)) = value.get(key) {
            return item.get(key).and_then(Node::raw) == Some(name);
        }
    }
    holds(item, value)
}

/// Whether `node` says at least what `value` says.
fn holds(node: &Node, value: &Value) -> bool {
    match value {
        Value::Bool(flag) => node.boolean() == Some(*flag),
        Value::Int(number) => node.number() == Some(*number),
        Value::Mode(mode) => node.number() == Some(i64::from(*mode)),
        Value::Text(text) => node.text() == Some(text),
        Value::List(wanted) => wanted
            .iter()
            .all(|value| node.items().iter().any(|item| is_same_thing(item, value) && holds(item, value))),
        Value::Map(wanted) => {
            wanted.iter().all(|(key, value)| node.get(key).is_some_and(|child| holds(child, value)))
        }
    }
}

/// Whether everything of `before` that `value` does not speak of is in `after`.
fn keeps(before: &Node, after: &Node, value: &Value) -> bool {
    match (&before.kind, value) {
        (Kind::Map { pairs, .. }, Value::Map(_)) => pairs.iter().all(|(key, old)| {
            let Some(new) = after.get(&key.name) else {
                return false;
            };
            value.get(&key.name).map_or_else(|| old.same(new), |value| keeps(old, new, value))
        }),
        (Kind::List { items, .. }, Value::List(wanted)) => {
            items
                .iter()
                .zip(after.items())
                .filter(|(old, new)| match wanted.iter().find(|value| is_same_thing(old, value)) {
                    Some(value) => keeps(old, new, value),
                    None => old.same(new),
                })
                .count()
                == items.len()
        }
        _ => true,
    }
}

/// What a line starts with, up to its first character.
fn margin(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = &text[start..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// How many characters stand before `at` on its line.
fn column(text: &str, at: usize) -> usize {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[start..at].chars().count()
}

/// One level of a JSON document's indentation: what its first pair has.
fn step(doc: &Document) -> String {
    let first = doc.root.pairs().first().map(|(key, _)| margin(&doc.text, key.span.start));
    first.filter(|margin| !margin.is_empty()).unwrap_or("  ").to_owned()
}

fn splice(span: Range<usize>, text: String) -> Splice {
    Splice { range: span, text }
}

impl At<'_> {
    /// Where a new line can start behind a block that ends at `end`, and what has to stand
    /// before it.
    fn below(&self, end: usize) -> (usize, &'static str) {
        let text = &self.doc.text;
        // A literal block ends where the next line starts, and so may an empty value.
        if self.behind_blanks && text[..end].ends_with('\n') {
            return (end, "");
        }
        let filled = text[..end].trim_end_matches([' ', '\t', '\n', '\r']).len();
        match text[filled..].find('\n') {
            Some(newline) => (filled + newline + 1, ""),
            None => (text.len(), "\n"),
        }
    }
}

/// A new pair of a mapping, behind the others.
fn new_pair(at: &At<'_>, node: &Node, flow: bool, name: &str, value: &Value) -> Splice {
    let doc = at.doc;
    let text = &doc.text;
    let pairs = node.pairs();
    if flow {
        let step = step(doc);
        let Some((last_key, last)) = pairs.last() else {
            let indent = margin(text, node.span.start);
            let whole = Value::Map(vec![(name.to_owned(), value.clone())]);
            return splice(node.span.clone(), to_json(&whole, indent, &step));
        };
        let end = last.span.end;
        // On lines of their own, or all on one.
        let own_lines = text[node.span.start..last_key.span.start].contains('\n');
        let indent = margin(text, last_key.span.start);
        let separator = if own_lines { format!(",\n{indent}") } else { ", ".to_owned() };
        let pair = format!("{}: {}", quoted(name), to_json(value, indent, &step));
        return splice(end..end, separator + &pair);
    }
    let indent = pairs.first().map_or(0, |(key, _)| column(text, key.span.start));
    let (at, newline) = at.below(node.span.end);
    let pair = Value::Map(vec![(name.to_owned(), value.clone())]);
    splice(at..at, newline.to_owned() + &to_yaml(&pair, indent))
}

/// A new item of a list, behind the others.
fn new_item(at: &At<'_>, node: &Node, flow: bool, value: &Value) -> Splice {
    let doc = at.doc;
    let text = &doc.text;
    if flow {
        let step = step(doc);
        let Some(last) = node.items().last() else {
            let indent = margin(text, node.span.start);
            let whole = Value::List(vec![value.clone()]);
            return splice(node.span.clone(), to_json(&whole, indent, &step));
        };
        let end = last.span.end;
        let own_lines = text[node.span.start..last.span.start].contains('\n');
        let indent = margin(text, last.span.start);
        let separator = if own_lines { format!(",\n{indent}") } else { ", ".to_owned() };
        return splice(end..end, separator + &to_json(value, indent, &step));
    }
    let (at, newline) = at.below(node.span.end);
    let item = Value::List(vec![value.clone()]);
    splice(at..at, newline.to_owned() + &to_yaml(&item, column(text, node.span.start)))
}

/// A value behind a key that has none.
fn in_place_of_nothing(doc: &Document, node: &Node, value: &Value, key_end: usize) -> Splice {
    let text = &doc.text;
    if doc.is_json {
        return splice(node.span.clone(), to_json(value, margin(text, key_end), &step(doc)));
    }
    let colon = key_end + text[key_end..].find(':').map_or(0, |at| at + 1);
    let end = colon + text[colon..].find('\n').unwrap_or(text.len() - colon);
    let end = end - usize::from(text[..end].ends_with('\r'));
    // What stands behind it, `~` or `null`, goes; a comment stays.
    let comment = text[colon..end].find(" #").map_or(end, |at| colon + at);
    let indent = margin(text, key_end).chars().count();
    let dash =
        usize::from(text[..key_end].lines().last().is_some_and(|line| line.trim_start().starts_with("- ")))
            * 2;
    let inner = match value {
        Value::Map(_) | Value::List(_) if !value.is_empty() => {
            let block = to_yaml(value, indent + dash + 2);
            return splice(colon..end, format!("{}\n{}", &text[comment..end], block.trim_end_matches('\n')));
        }
        Value::Text(text) if text.contains('\n') => quoted(text),
        scalar => to_yaml(scalar, 0).trim_end().to_owned(),
    };
    splice(colon..comment, format!(" {inner}"))
}

/// A scalar in place of another one.
fn other_scalar(doc: &Document, node: &Node, value: &Value) -> Splice {
    let text = &doc.text;
    if doc.is_json {
        return splice(node.span.clone(), to_json(value, "", ""));
    }
    let Value::Text(new) = value else {
        return splice(node.span.clone(), to_yaml(value, 0).trim_end().to_owned());
    };
    let old = &text[node.span.clone()];
    if !old.starts_with(['|', '>']) {
        return splice(node.span.clone(), plain_or_quoted(new));
    }
    // A literal block stays one, at its indentation.
    let body = old.find('\n').map_or("", |newline| &old[newline + 1..]);
    let first = body.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let indent = first.len() - first.trim_start().len();
    let indent = if indent > 0 { indent } else { margin(text, node.span.start).chars().count() + 2 };
    let end = node.span.start + old.trim_end().len();
    splice(node.span.start..end, block(new, indent).trim_start().trim_end_matches('\n').to_owned())
}
