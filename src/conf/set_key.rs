//! Every key that a document sets, with the places of its name and its value.

use std::ops::Range;

use toml_edit::{Item, TableLike, Value};

use super::array::ArraySpans;
use super::document::{Document, Leaf, item_leaf};
use super::key_case::folded;
use super::splice::Splice;
use super::stores::{StoreEntry, StoreList};

/// A key of a document, or a table with all that is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct SetKey {
    /// The dotted name of the table that it stands in, in lower case; empty at the top.
    pub table: String,
    /// Its name, as written.
    pub name: String,
    /// The bytes of its name. For a table the name in its header.
    pub key: Range<usize>,
    /// The bytes of its value. For a table with a header those of the header.
    pub span: Range<usize>,
    /// The value.
    pub value: Leaf,
    /// The bytes of each item, if it is an array.
    pub items: Vec<Range<usize>>,
    /// What a table holds, in the order of the text.
    pub inner: Vec<SetKey>,
    /// Whether it is a table, and not an array of them.
    pub is_table: bool,
}

impl SetKey {
    /// The dotted name: in lower case but for the last part, which is as written.
    pub fn dotted(&self) -> String {
        if self.table.is_empty() { self.name.clone() } else { format!("{}.{}", self.table, self.name) }
    }
}

impl Document {
    /// The keys at the top of the document, with all that is in them.
    pub fn set_keys(&self) -> Vec<SetKey> {
        collect("", self.root())
    }

    /// The splices that take the item at `index` out of an array, with the
    /// comments that belong to it and one comma.
    pub fn without_item(&self, array: &SetKey, index: usize) -> Vec<Splice> {
        let entries = array.items.iter().map(|span| StoreEntry {
            path: String::new(),
            span: span.clone(),
            line: self.line(span.start),
        });
        let list = StoreList { span: array.span.clone(), entries: entries.collect() };
        ArraySpans::new(self.text(), &list).remove(index)
    }
}

fn collect(table: &str, keys: &dyn TableLike) -> Vec<SetKey> {
    let mut found = Vec::new();
    for (name, item) in keys.iter() {
        let (Some(value), Some((key, _))) = (item_leaf(item), keys.get_key_value(name)) else {
            continue;
        };
        let lower = folded(name);
        let dotted = if table.is_empty() { lower } else { format!("{table}.{lower}") };
        let inner = item.as_table_like().map_or_else(Vec::new, |inner| collect(&dotted, inner));
        // A table that stands only in the headers of others has no place of its own.
        let first = inner.first().map_or(0..0, |first: &SetKey| first.key.clone());
        let span = match item {
            Item::Table(table) if table.is_implicit() || table.is_dotted() => None,
            other => other.span(),
        };
        let key = key.span().unwrap_or_else(|| first.clone());
        found.push(SetKey {
            table: table.to_owned(),
            name: name.to_owned(),
            span: span.unwrap_or_else(|| key.clone()),
            key,
            value,
            items: match item {
                Item::Value(Value::Array(array)) => array.iter().filter_map(Value::span).collect(),
                _ => Vec::new(),
            },
            inner,
            is_table: item.as_table_like().is_some(),
        });
    }
    found.sort_by_key(|key| key.key.start);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_every_form_of_table() {
        let text = "a.b = 1\n[Storage.options]\nSize = '1'\npull_options = { x = 'y' }\n[[t]]\nz = 1\n";
        let keys = Document::parse(text).unwrap().set_keys();
        let mut all = Vec::new();
        let mut left: Vec<&SetKey> = keys.iter().rev().collect();
        while let Some(key) = left.pop() {
            all.push((key.dotted(), &text[key.key.clone()]));
            left.extend(key.inner.iter().rev());
        }
        let wanted = [
            ("a", "a"),
            ("a.b", "b"),
            ("Storage", "Storage"),
            ("storage.options", "options"),
            ("storage.options.Size", "Size"),
            ("storage.options.pull_options", "pull_options"),
            ("storage.options.pull_options.x", "x"),
            ("t", "t"),
        ];
        assert_eq!(all, wanted.map(|(name, text)| (name.to_owned(), text)));
    }

    #[test]
    fn an_item_leaves_with_its_comma() {
        let doc = Document::parse("a = [\"/x\", {append=true}]\n").unwrap();
        let keys = doc.set_keys();
        let text = Splice::apply(doc.text(), doc.without_item(&keys[0], 1));
        assert_eq!(text, "a = [\"/x\"]\n");
    }
}
