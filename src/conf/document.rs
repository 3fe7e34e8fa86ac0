//! A storage.conf: its text, and where in it everything stands.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use toml_edit::{Item, Key, TableLike, Value};

use super::key_case;
use super::leaves::LeafAt;

/// What is wrong with a text and where, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A stable name for this kind of fault, such as `syntax` or `wrong-type`.
    pub id: &'static str,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// What helps.
    pub hint: String,
    /// The bytes it is about.
    pub span: Range<usize>,
}

impl Fault {
    /// An edit that did not do what it promises: a bug.
    pub(super) fn internal(what: &str) -> Self {
        Self {
            id: "internal",
            message: format!("this file could not be edited safely: {what}"),
            hint: "nothing was changed; please report this file as a bug".to_owned(),
            span: 0..0,
        }
    }

    /// What is no TOML at all.
    pub(super) fn syntax(message: String, span: Range<usize>) -> Self {
        let hint = "fix this line; until then no engine starts with this file".to_owned();
        Self { id: "syntax", message, hint, span }
    }

    /// A key, or a table, that is defined already.
    pub(super) fn defined_twice(span: Range<usize>) -> Self {
        Self {
            id: "duplicate-key",
            message: "a key is set twice here".to_owned(),
            hint: "keep one of the two, with the values of both".to_owned(),
            span,
        }
    }
}

/// One value of a document, for comparing two documents.
#[derive(Debug, Clone, PartialEq)]
pub enum Leaf {
    /// A string.
    String(String),
    /// An integer.
    Integer(i64),
    /// A floating point number, by its bits.
    Float(u64),
    /// A boolean.
    Boolean(bool),
    /// A date or time, as text.
    Datetime(String),
    /// An array.
    Array(Vec<Leaf>),
    /// A table, inline or not.
    Table(BTreeMap<String, Leaf>),
}

/// A parsed storage.conf with its original text.
#[derive(Debug, Clone)]
pub struct Document {
    toml: toml_edit::Document<String>,
    headers: Vec<Range<usize>>,
    values: Vec<Range<usize>>,
    /// Where each line ends, in bytes: every value is asked for its line, by each engine.
    newlines: Vec<usize>,
    /// Its values, once an engine has asked for them.
    pub(super) leaves: OnceLock<Vec<LeafAt>>,
}

impl Leaf {
    /// What kind of value it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Boolean(_) => "boolean",
            Self::Datetime(_) => "datetime",
            Self::Array(_) => "array",
            Self::Table(_) => "table",
        }
    }
}

impl Document {
    /// Parses `text`. A byte order mark is accepted and kept.
    ///
    /// # Errors
    /// A [`Fault`] with id `syntax`, or `duplicate-key` for a key that stands there twice, or
    /// stands in what is no table.
    pub fn parse(text: impl Into<String>) -> Result<Self, Fault> {
        let text = text.into();
        let end = text.len();
        let toml = toml_edit::Document::parse(text).map_err(|error| {
            let (message, span) = (error.message(), error.span().unwrap_or(end..end));
            let twice =
                ["duplicate key", "cannot extend value"].iter().any(|start| message.starts_with(start));
            if twice { Fault::defined_twice(span) } else { Fault::syntax(message.replace('\n', "; "), span) }
        })?;
        let (mut headers, mut values) = (Vec::new(), Vec::new());
        collect(toml.as_item(), &mut headers, &mut values);
        headers.sort_by_key(|span| span.start);
        values.sort_by_key(|span| span.start);
        let newlines = toml.raw().match_indices('\n').map(|(at, _)| at).collect();
        Ok(Self { toml, headers, values, newlines, leaves: OnceLock::new() })
    }

    /// The text, byte for byte.
    pub fn text(&self) -> &str {
        self.toml.raw()
    }

    /// The spans of all `[table]` headers, in the order of the text.
    pub fn headers(&self) -> &[Range<usize>] {
        &self.headers
    }

    /// The spans of all values that are not tables with a header, in the order of the text.
    pub fn values(&self) -> &[Range<usize>] {
        &self.values
    }

    /// The start of the first header behind `at`, or the end of the text.
    pub(super) fn section_end(&self, at: usize) -> usize {
        self.headers.iter().map(|span| span.start).find(|&start| start >= at).unwrap_or(self.text().len())
    }

    /// Whether no key of the document has a value.
    pub fn is_blank(&self) -> bool {
        self.values.is_empty()
    }

    /// The line on which byte `at` stands, counted from 1.
    pub fn line(&self, at: usize) -> usize {
        self.newlines.partition_point(|&newline| newline < at) + 1
    }

    /// All values as a tree, without their layout.
    pub fn to_leaf(&self) -> Leaf {
        table_leaf(self.toml.as_table())
    }

    pub(super) fn root_item(&self) -> &Item {
        self.toml.as_item()
    }

    pub(super) fn root(&self) -> &dyn TableLike {
        self.toml.as_table()
    }

    /// The value of a string key such as `["storage", "driver"]`.
    ///
    /// # Errors
    /// A [`Fault`] if it, or a table on the way, has another type, or if it is
    /// spelt in two ways.
    pub fn string(&self, path: &[&str]) -> Result<Option<String>, Fault> {
        let Some((_, item)) = self.find(path)? else {
            return Ok(None);
        };
        match item.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(wrong_type(&path.join("."), "a string", item)),
        }
    }

    pub(super) fn find(&self, path: &[&str]) -> Result<Option<(&Key, &Item)>, Fault> {
        let (leaf, tables) = path.split_last().expect("a key path has at least one part");
        let mut table = self.root();
        for (depth, name) in tables.iter().enumerate() {
            let Some((_, item)) = find_key(table, name)? else {
                return Ok(None);
            };
            table =
                item.as_table_like().ok_or_else(|| wrong_type(&path[..=depth].join("."), "a table", item))?;
        }
        find_key(table, leaf)
    }
}

/// Looks `name` up as the engines' decoder does: without regard to case.
pub(super) fn find_key<'a>(
    table: &'a dyn TableLike,
    name: &str,
) -> Result<Option<(&'a Key, &'a Item)>, Fault> {
    let mut found: Option<(&Key, &Item)> = None;
    for (key, _) in table.iter() {
        if !key_case::is_same(key, name) {
            continue;
        }
        let pair = table.get_key_value(key).expect("the key was just listed");
        if let Some((first, _)) = found {
            return Err(Fault {
                id: "duplicate-key",
                message: format!("`{name}` is spelled in two ways here, `{}` and `{key}`", first.get()),
                hint: "keep one; engines ignore the case of keys and take either".to_owned(),
                span: pair.0.span().unwrap_or_default(),
            });
        }
        found = Some(pair);
    }
    Ok(found)
}

pub(super) fn wrong_type(name: &str, wanted: &str, item: &Item) -> Fault {
    Fault {
        id: "wrong-type",
        message: format!("`{name}` must be {wanted}, but is {}", article(item.type_name())),
        hint: "fix this value; every engine stops on it".to_owned(),
        span: item.span().unwrap_or_default(),
    }
}

pub(super) fn article(kind: &str) -> String {
    let an = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if an { "an" } else { "a" })
}

fn collect(item: &Item, headers: &mut Vec<Range<usize>>, values: &mut Vec<Range<usize>>) {
    match item {
        Item::None => {}
        Item::Value(value) => values.extend(value.span()),
        Item::Table(table) => {
            if !table.is_implicit() && !table.is_dotted() {
                headers.extend(table.span().filter(|span| !span.is_empty()));
            }
            for (_, child) in table.iter() {
                collect(child, headers, values);
            }
        }
        Item::ArrayOfTables(tables) => {
            for table in tables.iter() {
                headers.extend(table.span());
                for (_, child) in table.iter() {
                    collect(child, headers, values);
                }
            }
        }
    }
}

fn table_leaf(table: &dyn TableLike) -> Leaf {
    Leaf::Table(table.iter().filter_map(|(key, item)| Some((key.to_owned(), item_leaf(item)?))).collect())
}

pub(super) fn item_leaf(item: &Item) -> Option<Leaf> {
    Some(match item {
        Item::None => return None,
        Item::Value(value) => value_leaf(value),
        Item::Table(table) => table_leaf(table),
        Item::ArrayOfTables(tables) => Leaf::Array(tables.iter().map(|table| table_leaf(table)).collect()),
    })
}

pub(super) fn value_leaf(value: &Value) -> Leaf {
    match value {
        Value::String(text) => Leaf::String(text.value().clone()),
        Value::Integer(number) => Leaf::Integer(*number.value()),
        Value::Float(number) => Leaf::Float(number.value().to_bits()),
        Value::Boolean(flag) => Leaf::Boolean(*flag.value()),
        Value::Datetime(time) => Leaf::Datetime(time.value().to_string()),
        Value::Array(array) => Leaf::Array(array.iter().map(value_leaf).collect()),
        Value::InlineTable(table) => table_leaf(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_whatever_their_case() {
        let doc = Document::parse("[Storage]\nDriver = 'overlay'\n").unwrap();
        assert_eq!(doc.string(&["storage", "driver"]).unwrap().as_deref(), Some("overlay"));
    }

    #[test]
    fn a_key_in_two_spellings_is_a_duplicate() {
        let doc = Document::parse("[storage]\ndriver = 'a'\nDRIVER = 'b'\n").unwrap();
        let fault = doc.string(&["storage", "driver"]).unwrap_err();
        assert_eq!((fault.id, fault.span), ("duplicate-key", 23..29));
    }

    #[test]
    fn a_table_on_the_way_must_be_a_table() {
        let doc = Document::parse("storage = 1\n").unwrap();
        let fault = doc.string(&["storage", "driver"]).unwrap_err();
        assert_eq!((fault.id, fault.span), ("wrong-type", 10..11));
    }

    #[test]
    fn lines_are_counted_from_one() {
        let doc = Document::parse("a = 1\r\nb = 2\r\n").unwrap();
        assert_eq!((doc.line(0), doc.line(7), doc.line(14)), (1, 2, 3));
    }
}
