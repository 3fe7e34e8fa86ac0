//! YAML and JSON are read with the place of everything, written so that the same comes out,
//! and changed without touching anything else.

use storagectl::conf::Fault;
use storagectl::problem::Problem;
use storagectl::provision::document::{
    EditFault, Node, NodeKind, ProvisionDocument, Value, map, merge, text, to_json, to_yaml,
};

use super::edit::is_insertion;
use super::shown::assert_told;

/// A text.
pub fn holds(input: &[u8]) {
    let Ok(given) = std::str::from_utf8(input) else {
        return;
    };
    let doc = match ProvisionDocument::parse(given) {
        Ok(doc) => doc,
        Err(unreadable) => {
            let span = unreadable.at..unreadable.at;
            let fault = Fault { id: "document", message: unreadable.message, hint: String::new(), span };
            return assert_told(&Problem::at(fault, "f".into(), given));
        }
    };
    places(&doc.root, given);
    let _ = doc.root.key_twice();
    assert!(doc.root.same(&doc.root));
    written(&doc.root);
    changed(&doc);
    if !doc.is_json && doc.root.key_twice().is_none() {
        filled(&doc, &doc.root, &mut Vec::new());
    }
}

/// Every place is one in the text.
fn places(node: &Node, text: &str) {
    assert!(text.get(node.span.clone()).is_some(), "{:?} of {text:?}", node.span);
    if let NodeKind::List { flow: true, .. } | NodeKind::Map { flow: true, .. } = node.kind {
        let is_alias = text[node.span.clone()].starts_with('*');
        assert!(is_alias || text[..node.span.end].ends_with([']', '}']), "{:?} of {text:?}", node.span);
    }
    for (key, node) in node.pairs() {
        assert!(text.get(key.span.clone()).is_some(), "{:?} of {text:?}", key.span);
        places(node, text);
    }
    node.items().iter().for_each(|node| places(node, text));
}

/// What was read, written in either language, is read again.
fn written(root: &Node) {
    let value = value(root);
    // An empty document and a lone word are none that anybody writes.
    let Value::Map(pairs) = &value else {
        return;
    };
    if pairs.is_empty() || has_long_key(&value) {
        return;
    }
    for text in [to_json(&value, "", "  "), to_yaml(&value, 0)] {
        let again = ProvisionDocument::parse(&text)
            .unwrap_or_else(|error| panic!("{error:?}: {text:?} of {value:?}"));
        assert!(says(&again.root, &value), "{text:?} of {value:?}");
    }
}

/// Whether a key is longer than YAML lets one be that stands before its value on a line: 1024
/// characters as it is written.
fn has_long_key(value: &Value) -> bool {
    match value {
        Value::Map(pairs) => pairs.iter().any(|(key, value)| key.len() > 150 || has_long_key(value)),
        Value::List(items) => items.iter().any(has_long_key),
        _ => false,
    }
}

/// All that is said, as text.
fn value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar { text: it, .. } => text(it.as_str()),
        NodeKind::List { items, .. } => Value::List(items.iter().map(value).collect()),
        NodeKind::Map { pairs, .. } => {
            Value::Map(pairs.iter().map(|(key, node)| (key.name.clone(), value(node))).collect())
        }
    }
}

/// Whether a document that was read says what was written.
pub fn says(node: &Node, value: &Value) -> bool {
    match value {
        Value::Bool(flag) => node.boolean() == Some(*flag),
        Value::Int(number) => node.number() == Some(*number),
        Value::Mode(mode) => node.number() == Some(i64::from(*mode)),
        Value::Text(text) => node.text() == Some(text),
        Value::List(items) => {
            node.items().len() == items.len()
                && node.items().iter().zip(items).all(|(node, item)| says(node, item))
        }
        Value::Map(pairs) => {
            node.pairs().len() == pairs.len()
                && node
                    .pairs()
                    .iter()
                    .zip(pairs)
                    .all(|((key, node), (name, value))| key.name == *name && says(node, value))
        }
    }
}

/// What is put in is there, once, and everything else stays.
fn changed(doc: &ProvisionDocument) {
    let item = |path: &str| map([("path", text(path)), ("mode", Value::Mode(0o755))]);
    let wanted = map([
        ("fuzzed", map([("files", Value::List(vec![item("/a"), item("/b")])), ("of", text("two\nlines\n"))])),
        ("list", Value::List(vec![text("x"), text("- y")])),
    ]);
    match merge(doc, &wanted) {
        Ok(Some(after)) => {
            let again = merge(&after, &wanted).map(|again| again.map(|doc| doc.text));
            assert_eq!(again, Ok(None), "{:?}", after.text);
            let is_new = doc.root.get("fuzzed").is_none() && doc.root.get("list").is_none();
            if is_new && !doc.root.pairs().is_empty() {
                assert!(is_insertion(&doc.text, &after.text), "{:?} of {:?}", after.text, doc.text);
            }
        }
        Ok(None) => assert!(doc.root.get("fuzzed").is_some()),
        Err(EditFault::Other(span, what)) => {
            assert!(doc.text.get(span.clone()).is_some(), "{what}: {span:?} of {:?}", doc.text);
        }
        Err(EditFault::Internal) => {}
    }
}

/// What is put into any mapping or list, or behind any key without a value, leaves all that stands
/// around it, comments too.
fn filled<'a>(doc: &'a ProvisionDocument, node: &'a Node, path: &mut Vec<&'a str>) {
    if path.len() > 3 {
        return;
    }
    let new = map([("fuzzed", text("two\nlines\n")), ("and", text("one"))]);
    let new = match node.kind {
        NodeKind::List { .. } => Value::List(vec![new]),
        _ => new,
    };
    let wanted = path.iter().rev().fold(new, |value, key| map([(*key, value)]));
    match merge(doc, &wanted) {
        Ok(Some(after)) => {
            let gone = if node.is_null() { node.span.clone() } else { 0..0 };
            let before = doc.text[..gone.start].trim_end_matches([' ', '\t']);
            let stays = [before, &doc.text[gone.end..]].concat();
            // Brackets around nothing go.
            let is_empty = node.pairs().is_empty() && node.items().is_empty() && !node.is_null();
            if is_empty || doc.text.contains('!') {
                assert_eq!(
                    after.text.matches('#').count(),
                    stays.matches('#').count(),
                    "{:?} of {:?}",
                    after.text,
                    doc.text
                );
            } else {
                assert!(is_insertion(&stays, &after.text), "{:?} of {:?}", after.text, doc.text);
            }
        }
        Ok(None) | Err(EditFault::Internal | EditFault::Other(..)) => {}
    }
    for (key, node) in node.pairs().iter().take(3) {
        path.push(&key.name);
        filled(doc, node, path);
        path.pop();
    }
}
