//! Taking an item out of a list of a document, by splices.
//!
//! With the last item goes the list's key, and `storage`, `systemd` or `containerRuntimeConfig` with the last key in it: they
//! came with what was put in. The comment directly above an item belongs to it.

use std::ops::Range;

use super::ProvisionDocument;
use super::edit::EditFault;
use super::node::{Node, NodeKind};
use crate::conf::Splice;

/// What is of no use when nothing is in it.
const CONTAINERS: [&str; 3] = ["storage", "systemd", "containerRuntimeConfig"];

/// Removes from the list at the end of `path` the items whose `key` is `name`. `None` if there is none.
///
/// # Errors
/// [`EditFault`] if it cannot be done so that everything else stays.
pub fn remove(
    doc: &ProvisionDocument,
    path: &[&str],
    key: &str,
    name: &str,
) -> Result<Option<ProvisionDocument>, EditFault> {
    let mut edited: Option<ProvisionDocument> = None;
    loop {
        let doc = edited.as_ref().unwrap_or(doc);
        let items = doc.root.at(path).map(Node::items).unwrap_or_default();
        let is_it = |item: &Node| item.get(key).and_then(Node::raw) == Some(name);
        let Some(index) = items.iter().position(is_it) else {
            return Ok(edited);
        };
        // What goes: the item, or the last key that leads to it alone.
        let mut depth = path.len() - usize::from(items.len() == 1);
        let holds_one = |path: &[&str]| doc.root.at(path).is_some_and(|node| node.pairs().len() == 1);
        while depth < path.len()
            && depth > 0
            && CONTAINERS.contains(&path[depth - 1])
            && holds_one(&path[..depth])
        {
            depth -= 1;
        }
        let parent = doc.root.at(&path[..depth]).expect("the item stands in it");
        let index = match path.get(depth) {
            None => index,
            Some(key) => parent.pairs().iter().position(|(it, _)| it.name == *key).expect("it leads there"),
        };
        let splice = cut(doc, parent, index);
        let after = ProvisionDocument::parse(&Splice::apply(&doc.text, vec![splice]))?;
        let mut expected = doc.root.clone();
        take_out(&mut expected, &path[..depth], index);
        if !expected.same(&after.root) {
            return Err(EditFault::Internal);
        }
        edited = Some(after);
    }
}

/// Takes the thing at `index` out of what stands at the end of `path`.
fn take_out(node: &mut Node, path: &[&str], index: usize) {
    match (&mut node.kind, path.split_first()) {
        (NodeKind::Map { pairs, .. }, Some((key, rest))) => {
            if let Some((_, child)) = pairs.iter_mut().find(|(it, _)| it.name == *key) {
                take_out(child, rest, index);
            }
        }
        (NodeKind::Map { pairs, .. }, None) => drop(pairs.remove(index)),
        (NodeKind::List { items, .. }, None) => drop(items.remove(index)),
        _ => {}
    }
}

/// The bytes of the thing at `index` with what separates it from others.
fn cut(doc: &ProvisionDocument, parent: &Node, index: usize) -> Splice {
    let text = &doc.text;
    let (spans, flow): (Vec<Range<usize>>, bool) = match &parent.kind {
        NodeKind::List { items, flow } => (items.iter().map(|item| item.span.clone()).collect(), *flow),
        NodeKind::Map { pairs, flow } => {
            (pairs.iter().map(|(key, node)| key.span.start..node.span.end.max(key.span.end)).collect(), *flow)
        }
        NodeKind::Scalar { .. } => (Vec::new(), false),
    };
    let span = spans[index].clone();
    if flow || doc.is_json {
        return Splice::delete(match (index.checked_sub(1), spans.get(index + 1)) {
            (Some(previous), _) => spans[previous].end..span.end,
            (None, Some(next)) => span.start..next.start,
            (None, None) => span,
        });
    }
    let line = |at: usize| text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let is_list = matches!(parent.kind, NodeKind::List { .. });
    let start = if is_list { text[..span.start].rfind('-').unwrap_or(span.start) } else { span.start };
    // The first pair of a mapping in a list stands behind the dash.
    let first = line(start);
    let margin = &text[first..start];
    let end = match text[..span.end].ends_with('\n') {
        true => span.end,
        false => text[span.end..].find('\n').map_or(text.len(), |newline| span.end + newline + 1),
    };
    if !margin.trim().is_empty() {
        return Splice::delete(start..spans.get(index + 1).map_or(end, |next| next.start));
    }
    let mut from = first;
    while let Some(above) = from.checked_sub(1).map(line) {
        let comment = text[above..from].strip_prefix(margin);
        if !comment.is_some_and(|comment| comment.starts_with('#')) || above == 0 {
            break;
        }
        from = above;
    }
    Splice::delete(from..end)
}
