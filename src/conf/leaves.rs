//! A document's values by name, and the array of stores with its attributes.

use std::ops::Range;

use toml_edit::{Item, TableLike, Value};

use super::document::{Document, Fault, Leaf, article, item_leaf};
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
    pub fn leaves(&self) -> Vec<LeafAt> {
        let mut leaves = Vec::new();
        collect("", self.root(), &mut leaves);
        leaves.sort_by_key(|leaf| leaf.span.start);
        leaves
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
            hint: "mend this value; engines stop on it".to_owned(),
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

    /// Parses as podman 4 and 5 do: of an array that stands there twice the last one
    /// wins; any other key twice is an error to them too. The earlier one is made a
    /// key that nobody knows, of the same length, so that everything stays in its place.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_last_wins(text: &str) -> Result<Self, Fault> {
        let mut text = text.to_owned();
        loop {
            let fault = match Self::parse(text.as_str()) {
                Ok(doc) => return Ok(doc),
                Err(fault) if fault.id == "duplicate-key" => fault,
                Err(fault) => return Err(fault),
            };
            let Some(at) = earlier_key(&text, &fault.span) else {
                return Err(fault);
            };
            let key = &text[at.clone()];
            let unknown: String = std::iter::repeat_n('_', key.len()).collect();
            if key == unknown {
                return Err(fault);
            }
            text.replace_range(at, &unknown);
        }
    }
}

/// Where the key at `later` stood before on a line of its own, in the same table.
fn earlier_key(text: &str, later: &Range<usize>) -> Option<Range<usize>> {
    let key = text.get(later.clone())?;
    let mut end = text[..later.start].rfind('\n')? + 1;
    while end > 0 {
        let start = text[..end - 1].rfind('\n').map_or(0, |newline| newline + 1);
        let line = &text[start..end];
        let indent = line.len() - line.trim_start().len();
        let body = line.trim_start();
        if body.starts_with('[') && !key.starts_with('[') {
            return None;
        }
        let value = body.strip_prefix(key).and_then(|rest| rest.trim_start().strip_prefix('='));
        if let Some(value) = value {
            return value.trim_start().starts_with('[').then_some(start + indent..start + indent + key.len());
        }
        end = start;
    }
    None
}

fn collect(prefix: &str, table: &dyn TableLike, leaves: &mut Vec<LeafAt>) {
    for (key, item) in table.iter() {
        let written = key;
        let key = key.to_ascii_lowercase();
        // Made so by `parse_last_wins`.
        if !item.is_table() && key.bytes().all(|byte| byte == b'_') {
            continue;
        }
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let is_value = schema::known(prefix, &key).is_some() || schema::is_map(prefix);
        match item.as_table_like() {
            Some(inner) if !is_value => collect(&name, inner, leaves),
            _ => {
                let key_span = || table.get_key_value(written)?.0.span();
                let (Some(value), Some(span)) = (item_leaf(item), item.span().or_else(key_span)) else {
                    continue;
                };
                let items = match item {
                    Item::Value(Value::Array(array)) => array.iter().filter_map(Value::span).collect(),
                    _ => Vec::new(),
                };
                leaves.push(LeafAt { name, value, span, items });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_array_that_stands_twice_the_last_one_wins() {
        let doc = Document::parse_last_wins(
            "[storage.options]\nadditionalimagestores = ['/a']\n additionalimagestores = ['/b']\n",
        )
        .unwrap();
        assert_eq!(super::super::StoreList::paths(&doc).unwrap(), ["/b"]);
        assert_eq!(doc.leaves().len(), 1);
        assert!(Document::parse_last_wins("[storage]\ndriver = 'a'\ndriver = 'b'\n").is_err());
    }

    #[test]
    fn a_table_that_stands_twice_is_an_error_for_all() {
        assert!(Document::parse_last_wins("[a]\nx = 1\n[a]\nx = 2\n").is_err());
    }
}
