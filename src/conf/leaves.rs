//! A document's values by name, and the array of stores with its attributes.

use std::ops::Range;

use toml_edit::{Item, TableLike, Value};

use super::document::{Document, Fault, Leaf, article, item_leaf};
use super::key_case;
use super::schema;
use super::stores::KEY;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct LeafAt {
    /// Its dotted name, in lower case: engines ignore the case of keys.
    pub name: String,
    /// The value.
    pub value: Leaf,
    /// The bytes of the value; of a table with a header those of the header.
    pub span: Range<usize>,
    /// The bytes of each item, if it is an array.
    pub items: Vec<Range<usize>>,
}

/// The array of stores as the modern generation reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributedList {
    /// The paths and the bytes at which they start.
    pub items: Vec<(String, usize)>,
    /// The bytes of the tables among them, such as `{append=true}`.
    pub attributes: Vec<Range<usize>>,
    /// What the last of them says.
    pub append: Option<bool>,
}

impl Document {
    /// All values that are not tables, in the order of the text; and tables where engines
    /// want something else.
    pub fn leaves(&self) -> &[LeafAt] {
        self.leaves.get_or_init(|| collect_sorted(Keyed { item: self.root_item(), key: None }))
    }

    /// The array of stores, where attributes are allowed (pkg/configfile/slice.go
    /// of the storage library).
    ///
    /// # Errors
    /// A [`Fault`] for an item that is neither a string nor a table that engines know.
    pub fn attributed_list(&self) -> Result<Option<AttributedList>, Fault> {
        let Some((_, item)) = self.find(&KEY)? else {
            return Ok(None);
        };
        let fault = |message: String, span: Option<Range<usize>>| Fault {
            id: "wrong-type",
            message,
            hint: "fix this value; engines stop on it".to_owned(),
            span: span.unwrap_or_default(),
        };
        let Some(array) = item.as_array() else {
            let what = article(item.type_name());
            return Err(fault(
                format!("`additionalimagestores` must be an array of strings, but is {what}"),
                item.span(),
            ));
        };
        let mut list = AttributedList { items: Vec::new(), attributes: Vec::new(), append: None };
        for value in array.iter() {
            match value {
                Value::String(path) => {
                    let start = value.span().unwrap_or_default().start;
                    list.items.push((path.value().clone(), start));
                }
                Value::InlineTable(table) => {
                    list.attributes.extend(value.span());
                    for (key, attribute) in table.iter() {
                        if key != "append" {
                            return Err(fault(
                                format!("unsupported key `{key}` in an attribute"),
                                value.span(),
                            ));
                        }
                        let Some(append) = attribute.as_bool() else {
                            return Err(fault("`append` must be a boolean".to_owned(), value.span()));
                        };
                        list.append = Some(append);
                    }
                }
                _ => {
                    let what = article(value.type_name());
                    return Err(fault(
                        format!("an item of `additionalimagestores` must be a string, but is {what}"),
                        value.span(),
                    ));
                }
            }
        }
        Ok(Some(list))
    }
}

/// A value in a tree of values, whoever has read it.
pub(super) trait TomlNode<'a>: Copy {
    /// What is in it, if it is a table.
    fn pairs(self) -> Option<Vec<(&'a str, Self)>>;
    /// The value without its place.
    fn leaf(self) -> Option<Leaf>;
    /// Its bytes; of a table with a header those of the header, of one without those of its key.
    fn span(self) -> Option<Range<usize>>;
    /// The bytes of each item, if it is an array.
    fn items(self) -> Vec<Range<usize>>;
}

/// A value of a document, with the key that it has in its table.
#[derive(Clone, Copy)]
struct Keyed<'a> {
    item: &'a Item,
    key: Option<(&'a dyn TableLike, &'a str)>,
}

impl<'a> TomlNode<'a> for Keyed<'a> {
    fn pairs(self) -> Option<Vec<(&'a str, Self)>> {
        let table = self.item.as_table_like()?;
        Some(table.iter().map(|(key, item)| (key, Keyed { item, key: Some((table, key)) })).collect())
    }

    fn leaf(self) -> Option<Leaf> {
        item_leaf(self.item)
    }

    fn span(self) -> Option<Range<usize>> {
        let key_span = || self.key.and_then(|(table, key)| table.get_key_value(key)?.0.span());
        self.item.span().or_else(key_span)
    }

    fn items(self) -> Vec<Range<usize>> {
        match self.item {
            Item::Value(Value::Array(array)) => array.iter().filter_map(Value::span).collect(),
            _ => Vec::new(),
        }
    }
}

/// The leaves of a tree, in the order of the text.
pub(super) fn collect_sorted<'a>(root: impl TomlNode<'a>) -> Vec<LeafAt> {
    let mut leaves = Vec::new();
    collect("", root.pairs().unwrap_or_default(), &mut leaves);
    leaves.sort_by_key(|leaf| leaf.span.start);
    leaves
}

fn collect<'a, N: TomlNode<'a>>(prefix: &str, pairs: Vec<(&'a str, N)>, leaves: &mut Vec<LeafAt>) {
    for (key, node) in pairs {
        let key = key_case::folded(key);
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let is_value = schema::known(prefix, &key).is_some() || schema::is_map(prefix);
        match node.pairs() {
            Some(inner) if !is_value => collect(&name, inner, leaves),
            _ => {
                let (Some(value), Some(span)) = (node.leaf(), node.span()) else {
                    continue;
                };
                leaves.push(LeafAt { name, value, span, items: node.items() });
            }
        }
    }
}
