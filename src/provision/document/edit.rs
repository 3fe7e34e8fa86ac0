//! Putting values into a document that somebody else wrote, by splices.
//!
//! A mapping gets the keys that it lacks, a list the items that it lacks, and a
//! scalar that differs is replaced. Items of a list are the same if they have the
//! same `path` or `name`, or else if they are equal. Nothing is taken out, and every
//! byte of what is not replaced stays.

use std::ops::Range;

use super::node::{MappingKey, Node, NodeKind};
use super::value::Value;
use super::write_json::{quoted, to_json};
use super::write_yaml::{block, plain_or_quoted, to_yaml};
use super::{ProvisionDocument, Unreadable};
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
pub fn merge(doc: &ProvisionDocument, value: &Value) -> Result<Option<ProvisionDocument>, EditFault> {
    let mut edited: Option<ProvisionDocument> = None;
    // One thing at a time: places change with each.
    for _ in 0..10_000 {
        let doc = edited.as_ref().unwrap_or(doc);
        let mut next = Err(EditFault::Internal);
        // Blank lines at the end of a block belong to it, or stand between things: what
        // is new goes before them, unless that changes the block.
        for behind_blanks in [false, true] {
            let Some(splices) = first(&InsertionPoint { doc, behind_blanks }, &doc.root, value, None)? else {
                return Ok(edited);
            };
            next = spliced(doc, splices, value);
            if next.is_ok() {
                break;
            }
        }
        edited = Some(next?);
    }
    Err(EditFault::Internal)
}

/// Applies splices and proves that they put in what they should and leave everything else.
fn spliced(
    doc: &ProvisionDocument,
    mut splices: Vec<Splice>,
    value: &Value,
) -> Result<ProvisionDocument, EditFault> {
    if doc.text.contains("\r\n") {
        splices.iter_mut().for_each(|splice| splice.text = splice.text.replace('\n', "\r\n"));
    }
    let after = ProvisionDocument::parse(&Splice::apply(&doc.text, splices))?;
    if is_between(&doc.root, &after.root, value) { Ok(after) } else { Err(EditFault::Internal) }
}

/// A document, and where in it new lines go.
struct InsertionPoint<'a> {
    doc: &'a ProvisionDocument,
    behind_blanks: bool,
}

/// The first splices that bring `node` nearer to `value`; `key` is the one before it, where a
/// block may stand behind it.
fn first(
    at: &InsertionPoint<'_>,
    node: &Node,
    value: &Value,
    key: Option<&MappingKey>,
) -> Result<Option<Vec<Splice>>, EditFault> {
    let doc = at.doc;
    // `[]` and `{}` become blocks among blocks.
    let is_bare = !doc.is_json && is_blank_inside(&doc.text[node.span.clone()]);
    let is_nothing = match &node.kind {
        NodeKind::Scalar { .. } => node.is_null(),
        NodeKind::List { items, .. } => items.is_empty() && is_bare && matches!(value, Value::List(_)),
        NodeKind::Map { pairs, .. } => pairs.is_empty() && is_bare && matches!(value, Value::Map(_)),
    };
    if let Some(key) = key.filter(|_| is_nothing && !value.is_empty()) {
        return Ok(Some(in_place_of_nothing(at, node, value, key)));
    }
    if is_alias(doc, node) {
        // What it stands for stands elsewhere, and is not this thing's alone.
        return if holds(node, value) { Ok(None) } else { Err(other(node, value)) };
    }
    match (&node.kind, value) {
        (NodeKind::Map { pairs, flow }, Value::Map(wanted)) => {
            for (name, value) in wanted {
                let Some((key, child)) = pairs.iter().find(|(key, _)| key.name == *name) else {
                    return Ok(Some(new_pair(at, node, *flow, name, value)));
                };
                // No block can stand in braces.
                let splices = first(at, child, value, Some(key).filter(|_| !flow || doc.is_json))?;
                if splices.is_some() {
                    return Ok(splices);
                }
            }
            Ok(None)
        }
        (NodeKind::List { items, flow }, Value::List(wanted)) => {
            for value in wanted {
                let splices = match items.iter().find(|item| is_same_thing(item, value)) {
                    Some(item) => first(at, item, value, None)?,
                    None => Some(new_item(at, node, *flow, value)),
                };
                if splices.is_some() {
                    return Ok(splices);
                }
            }
            Ok(None)
        }
        (NodeKind::Scalar { .. }, Value::Map(_) | Value::List(_)) => Err(other(node, value)),
        (NodeKind::Scalar { .. }, value) if holds(node, value) => Ok(None),
        (NodeKind::Scalar { .. }, value) => Ok(Some(vec![other_scalar(doc, node, value)])),
        _ => Err(other(node, value)),
    }
}

fn other(node: &Node, needed: &Value) -> EditFault {
    let needed = match needed {
        Value::Map(_) => "a mapping",
        Value::List(_) => "a list",
        _ => "a single value",
    };
    EditFault::Other(node.span.clone(), needed)
}

/// Whether `*name` stands there.
fn is_alias(doc: &ProvisionDocument, node: &Node) -> bool {
    let text = &doc.text[node.span.clone()];
    !doc.is_json && text.starts_with('*') && !text.contains([' ', '\t', '\n', '\r'])
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

/// Whether `after` is `before` with a part of `value` in it, and nothing else.
fn is_between(before: &Node, after: &Node, value: &Value) -> bool {
    match (&before.kind, value) {
        (NodeKind::Map { pairs, .. }, Value::Map(wanted)) => {
            let stays = pairs.iter().all(|(key, old)| {
                let Some(new) = after.get(&key.name) else {
                    return false;
                };
                value.get(&key.name).map_or_else(|| old.same(new), |value| is_between(old, new, value))
            });
            let is_new = |name: &str| before.get(name).is_none();
            let put_in = after.pairs().iter().filter(|(key, _)| is_new(&key.name));
            stays
                && put_in.into_iter().all(|(key, new)| {
                    wanted.iter().any(|(name, value)| *name == key.name && holds(new, value))
                })
        }
        (NodeKind::List { items, .. }, Value::List(wanted)) => {
            let stays =
                |(old, new): (&Node, &Node)| match wanted.iter().find(|value| is_same_thing(old, value)) {
                    Some(value) => is_between(old, new, value),
                    None => old.same(new),
                };
            let put_in = after.items().iter().skip(items.len());
            after.items().len() >= items.len()
                && items.iter().zip(after.items()).all(stays)
                && put_in.into_iter().all(|new| wanted.iter().any(|value| holds(new, value)))
        }
        _ => before.same(after) || holds(after, value),
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
fn step(doc: &ProvisionDocument) -> String {
    let first = doc.root.pairs().first().map(|(key, _)| margin(&doc.text, key.span.start));
    first.filter(|margin| !margin.is_empty()).unwrap_or("  ").to_owned()
}

impl InsertionPoint<'_> {
    /// New lines behind a block that ends at `end`. Its comments are those below it that are
    /// indented deeper than the new lines: between these they would become text of a literal
    /// block, or be taken for theirs.
    fn below(&self, end: usize, value: &Value, column: usize) -> Splice {
        let text = &self.doc.text;
        // YAML does not say how deep a tab is.
        let is_deeper = |blanks: &str| blanks.len() > column || blanks.contains('\t');
        let mut at = self.next_line(end);
        let mut rest = at;
        for line in text[at..].split_inclusive('\n') {
            rest += line.len();
            match line.trim_start_matches([' ', '\t']) {
                blank if blank.trim_end().is_empty() => {}
                comment if comment.starts_with('#') && is_deeper(&line[..line.len() - comment.len()]) => {
                    at = rest;
                }
                _ => break,
            }
        }
        let newline = if text[..at].ends_with('\n') { "" } else { "\n" };
        Splice::insert(at, newline.to_owned() + &to_yaml(value, column))
    }

    /// Where the line behind a block starts that ends at `end`.
    fn next_line(&self, end: usize) -> usize {
        let text = &self.doc.text;
        // A literal block ends where the next line starts, and so may an empty value.
        if self.behind_blanks && text[..end].ends_with('\n') {
            return end;
        }
        let filled = text[..end].trim_end_matches([' ', '\t', '\n', '\r']).len();
        text[filled..].find('\n').map_or(text.len(), |newline| filled + newline + 1)
    }
}

/// A new pair of a mapping, behind the others.
fn new_pair(at: &InsertionPoint<'_>, node: &Node, flow: bool, name: &str, value: &Value) -> Vec<Splice> {
    let doc = at.doc;
    let pairs = node.pairs();
    let whole = Value::Map(vec![(name.to_owned(), value.clone())]);
    if flow {
        let Some((key, last)) = pairs.last() else {
            return vec![inside_brackets(doc, node, &whole)];
        };
        let pair = |indent: &str| format!("{}: {}", quoted(name), to_json(value, indent, &step(doc)));
        return behind_last(doc, node, key.span.start..last.span.end, pair);
    }
    let column = pairs.first().map_or(0, |(key, _)| column(&doc.text, key.span.start));
    vec![at.below(node.span.end, &whole, column)]
}

/// A new item of a list, behind the others.
fn new_item(at: &InsertionPoint<'_>, node: &Node, flow: bool, value: &Value) -> Vec<Splice> {
    let doc = at.doc;
    let whole = Value::List(vec![value.clone()]);
    if flow {
        let Some(last) = node.items().last() else {
            return vec![inside_brackets(doc, node, &whole)];
        };
        return behind_last(doc, node, last.span.clone(), |indent| to_json(value, indent, &step(doc)));
    }
    vec![at.below(node.span.end, &whole, column(&doc.text, node.span.start))]
}

/// The first thing between two brackets. A comment stays behind it.
fn inside_brackets(doc: &ProvisionDocument, node: &Node, whole: &Value) -> Splice {
    let text = &doc.text[node.span.clone()];
    let new = to_json(whole, margin(&doc.text, node.span.start), &step(doc));
    if is_blank_inside(text) {
        return Splice { range: node.span.clone(), text: new };
    }
    Splice::insert(node.span.start + 1, &new[1..new.len() - 1])
}

/// Whether nothing stands between two brackets.
fn is_blank_inside(text: &str) -> bool {
    text.get(1..text.len().saturating_sub(1)).is_none_or(|inside| inside.trim().is_empty())
}

/// One more thing between brackets, behind the `last` one and the comment on its line.
fn behind_last(
    doc: &ProvisionDocument,
    node: &Node,
    last: Range<usize>,
    new: impl Fn(&str) -> String,
) -> Vec<Splice> {
    let text = &doc.text;
    let indent = margin(text, last.start);
    let rest = text[last.end..].lines().next().unwrap_or_default();
    let behind = rest.trim_start_matches([' ', '\t', ',']);
    if behind.starts_with('#') {
        let comma = rest[..rest.len() - behind.len()].contains(',');
        let (first, second) = if comma { ("", ",") } else { (",", "") };
        return vec![
            Splice::insert(last.end, first),
            Splice::insert(last.end + rest.len(), format!("\n{indent}{}{second}", new(indent))),
        ];
    }
    // On lines of their own, or all on one.
    let own_lines = text[node.span.start..last.start].contains('\n');
    let separator = if own_lines { format!(",\n{indent}") } else { ", ".to_owned() };
    vec![Splice::insert(last.end, separator + &new(indent))]
}

/// A value behind a key that has none. What says so, `~` or `null`, goes; a comment stays.
fn in_place_of_nothing(at: &InsertionPoint<'_>, node: &Node, value: &Value, key: &MappingKey) -> Vec<Splice> {
    let doc = at.doc;
    let text = &doc.text;
    if doc.is_json {
        let new = to_json(value, margin(text, key.span.start), &step(doc));
        return vec![Splice { range: node.span.clone(), text: new }];
    }
    let colon = key.span.end + text[key.span.end..].find(':').map_or(0, |at| at + 1);
    let line = text[colon..].lines().next().unwrap_or_default();
    let nothing = if node.span.is_empty() {
        let comment = [" #", "\t#"].iter().filter_map(|mark| line.find(mark)).min();
        colon..colon + line[..comment.unwrap_or(line.len())].trim_end().len()
    } else if node.span.start <= colon + line.len() {
        colon..node.span.end
    } else {
        node.span.clone()
    };
    let inner = match value {
        Value::Map(_) | Value::List(_) if !value.is_empty() => {
            let column = column(text, key.span.start) + 2;
            return vec![Splice::delete(nothing.clone()), at.below(nothing.end, value, column)];
        }
        Value::Text(text) if text.contains('\n') => quoted(text),
        scalar => to_yaml(scalar, 0).trim_end().to_owned(),
    };
    vec![Splice { range: nothing, text: format!(" {inner}") }]
}

/// A scalar in place of another one.
fn other_scalar(doc: &ProvisionDocument, node: &Node, value: &Value) -> Splice {
    let text = &doc.text;
    if doc.is_json {
        return Splice { range: node.span.clone(), text: to_json(value, "", "") };
    }
    let Value::Text(new) = value else {
        return Splice { range: node.span.clone(), text: to_yaml(value, 0).trim_end().to_owned() };
    };
    let old = &text[node.span.clone()];
    if !old.starts_with(['|', '>']) {
        return Splice { range: node.span.clone(), text: plain_or_quoted(new) };
    }
    // A literal block stays one, at its indentation.
    let body = old.find('\n').map_or("", |newline| &old[newline + 1..]);
    let first = body.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let indent = first.len() - first.trim_start().len();
    let indent = if indent > 0 { indent } else { margin(text, node.span.start).chars().count() + 2 };
    let end = node.span.start + old.trim_end().len();
    let new = block(new, indent).trim_start().trim_end_matches('\n').to_owned();
    Splice { range: node.span.start..end, text: new }
}
