//! Reading a text in which keys or tables are defined again, as the engines' TOML
//! library (BurntSushi/toml) does.
//!
//! TOML allows no definition twice. The library keeps no record of who has defined what
//! but a set of tables that are *implicit*, and for each path whether the value that was
//! last seen there is an array, and so it takes much that is no TOML: a table may be
//! defined by dotted keys and then by a header, a value may be dropped where a table
//! stands, or replaced. What it makes of a text must be known, since an engine starts
//! with it.
//!
//! This follows `addContext`, `addImplicitContext`, `setValue`, `valueInlineTable` and
//! `valueArray` of its parse.go step by step, with their faults: paths do not say which
//! element of an array of tables they lead through, and an empty key with an array is taken
//! for its table. So even of proper TOML it reads something else now and then, but no key
//! of storage.conf is in such a place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::document::{Fault, Leaf};
use super::leaves::{LeafAt, TomlNode, collect_sorted};
use super::statements::{KeyPart, Pair, Statement, ValueContent, WrittenValue, statements};

/// Versions of BurntSushi/toml, by what they let a text define twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TomlLibrary {
    /// 1.2: a value may be replaced if it, or what replaces it, is an array. A table in an
    /// array knows no dotted keys, only the last parts of them.
    V1_2,
    /// 1.5: as 1.2, without that fault.
    V1_5,
    /// 1.6: of those only what stands where an implicit table was can be replaced.
    V1_6,
}

/// What the library reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Redefined {
    /// The values, as [`Document::leaves`](super::Document::leaves) has them.
    pub leaves: Vec<LeafAt>,
    /// Whether a value was replaced by a later one.
    pub replaced: bool,
    /// Whether a value was dropped, because there was one before it.
    pub dropped: bool,
}

impl Redefined {
    /// Reads `text` as this version of the library does.
    ///
    /// # Errors
    /// A [`Fault`] with id `syntax`, or `duplicate-key` for what the library does not take.
    pub fn read(text: &str, library: TomlLibrary) -> Result<Self, Fault> {
        let reader = TomlReader::read(text, library)?;
        let leaves = collect_sorted(ReadValue { reader: &reader, value: &TomlValue::Table(ROOT) });
        Ok(Self { leaves, replaced: reader.replaced, dropped: reader.dropped })
    }
}

type Path = Vec<String>;

/// A table, by its place among all.
type Id = usize;

const ROOT: Id = 0;

/// More than any configuration has: as deep as a key may be, a few times.
const DEPTH: usize = 400;

#[derive(Default)]
struct TomlTable {
    values: BTreeMap<String, TomlValue>,
    span: Range<usize>,
}

#[derive(Clone)]
enum TomlValue {
    Table(Id),
    /// What `[[a]]` makes; a table in an array makes it, too, until the array is complete.
    Tables(Vec<Id>),
    Array(Vec<TomlValue>, Range<usize>),
    Scalar(Leaf, Range<usize>),
}

/// What has become of a value.
#[derive(PartialEq)]
enum Outcome {
    Inserted,
    Replaced,
    Dropped,
}

/// The library stops with an error.
struct Refused;

struct TomlReader {
    library: TomlLibrary,
    tables: Vec<TomlTable>,
    /// Where the next pairs go to.
    context: Path,
    /// The key whose value is read; nothing in a table that is a value.
    current: String,
    implicit: BTreeSet<Path>,
    /// Where the value that was last seen is an array.
    arrays: BTreeSet<Path>,
    replaced: bool,
    dropped: bool,
}

impl TomlReader {
    fn new(library: TomlLibrary) -> Self {
        Self {
            library,
            tables: vec![TomlTable::default()],
            context: Path::new(),
            current: String::new(),
            implicit: BTreeSet::new(),
            arrays: BTreeSet::new(),
            replaced: false,
            dropped: false,
        }
    }

    fn read(text: &str, library: TomlLibrary) -> Result<Self, Fault> {
        let mut reader = Self::new(library);
        for statement in statements(text)? {
            let key = match &statement {
                Statement::Header { key, .. } | Statement::Pair(Pair { key, .. }) => key.span.clone(),
            };
            reader.define(&statement).map_err(|Refused| Fault::defined_twice(key))?;
        }
        Ok(reader)
    }

    fn define(&mut self, statement: &Statement) -> Result<(), Refused> {
        match statement {
            Statement::Header { tables, key, is_array, span } => {
                let path: Path = tables.iter().chain([key]).map(|key| key.name.clone()).collect();
                let outcome = self.add_context(&path, tables, *is_array, span)?;
                if outcome == Outcome::Dropped {
                    // The table was there without a header of its own.
                    if let Some(table) = self.table_at(&self.context) {
                        self.tables[table].span = span.clone();
                    }
                }
                self.note_type("", false);
            }
            Statement::Pair(pair) => {
                let outer = self.context.clone();
                self.pair(pair)?;
                self.context = outer;
                self.current.clear();
            }
        }
        Ok(())
    }

    /// Defines a pair below the context, which is another one afterwards.
    fn pair(&mut self, pair: &Pair) -> Result<TomlValue, Refused> {
        let key = &pair.key.name;
        for table in &pair.tables {
            let path = joined(&self.context, &table.name);
            self.implicit.insert(path.clone());
            self.add_context(&path, &[], false, &table.span)?;
        }
        let table = self.table_at(&self.context);
        let was_there = table.is_some_and(|table| self.tables[table].values.contains_key(key));
        self.current.clone_from(key);
        let (value, is_array) = self.value(&pair.value, false)?;
        match self.set_value(key, value.clone())? {
            // The pairs of a table in braces are in their place already.
            Outcome::Dropped => self.dropped |= !matches!(pair.value.value, ValueContent::Table(_)),
            Outcome::Replaced => self.replaced |= was_there,
            Outcome::Inserted => {}
        }
        self.note_type(key, is_array);
        Ok(value)
    }

    fn value(&mut self, written: &WrittenValue, is_item: bool) -> Result<(TomlValue, bool), Refused> {
        let span = written.span.clone();
        match &written.value {
            ValueContent::Scalar(leaf) => Ok((TomlValue::Scalar(leaf.clone(), span), false)),
            ValueContent::Array(items) => {
                let key = self.current.clone();
                self.note_type(&key, true);
                let mut values = Vec::new();
                for item in items {
                    values.push(self.value(item, true)?.0);
                }
                Ok((TomlValue::Array(values, span), true))
            }
            ValueContent::Table(pairs) => {
                Ok((TomlValue::Table(self.inline_table(pairs, &span, is_item)?), false))
            }
        }
    }

    /// A table in braces: its pairs are defined where it stands, and in a table beside, which
    /// counts in an array, and where it replaces something.
    fn inline_table(&mut self, pairs: &[Pair], span: &Range<usize>, is_item: bool) -> Result<Id, Refused> {
        let (outer, key) = (self.context.clone(), self.current.clone());
        let path = joined(&outer, &key);
        self.implicit.insert(path.clone());
        self.add_context(&path, &[], is_item, span)?;
        let beside = self.new_table(span);
        for pair in pairs {
            let value = self.pair(pair)?;
            let mut table = beside;
            if self.library > TomlLibrary::V1_2 {
                for KeyPart { name, span } in &pair.tables {
                    table = match self.tables[table].values.get(name) {
                        Some(TomlValue::Table(below)) => *below,
                        Some(_) => return Err(Refused),
                        None => {
                            let below = self.new_table(span);
                            self.tables[table].values.insert(name.clone(), TomlValue::Table(below));
                            below
                        }
                    };
                }
            }
            self.tables[table].values.insert(pair.key.name.clone(), value);
            self.context.clone_from(&path);
        }
        (self.context, self.current) = (outer, key);
        Ok(beside)
    }

    /// Makes `path` the context, with tables on the way that are not there; `keys` are those on
    /// the way, if there can be such.
    fn add_context(
        &mut self,
        path: &Path,
        keys: &[KeyPart],
        is_array: bool,
        span: &Range<usize>,
    ) -> Result<Outcome, Refused> {
        let (last, parents) = path.split_last().ok_or(Refused)?;
        if path.len() > DEPTH {
            return Err(Refused);
        }
        let mut table = ROOT;
        for (index, name) in parents.iter().enumerate() {
            if !self.tables[table].values.contains_key(name) {
                self.implicit.insert(parents[..=index].to_vec());
                let made = self.new_table(keys.get(index).map_or(span, |key| &key.span));
                self.tables[table].values.insert(name.clone(), TomlValue::Table(made));
            }
            table = self.below(table, name).ok_or(Refused)?;
        }
        self.context = parents.to_vec();
        let made = self.new_table(span);
        let outcome = if is_array {
            let values = &mut self.tables[table].values;
            match values.entry(last.clone()).or_insert_with(|| TomlValue::Tables(Vec::new())) {
                TomlValue::Tables(tables) => tables.push(made),
                _ => return Err(Refused),
            }
            Outcome::Inserted
        } else {
            self.set_value(last, TomlValue::Table(made))?
        };
        self.replaced |= outcome == Outcome::Replaced;
        self.context.push(last.clone());
        Ok(outcome)
    }

    fn set_value(&mut self, key: &str, value: TomlValue) -> Result<Outcome, Refused> {
        let table = self.table_at(&self.context).ok_or(Refused)?;
        let path = joined(&self.context, key);
        let values = &mut self.tables[table].values;
        if !values.contains_key(key) {
            values.insert(key.to_owned(), value);
            return Ok(Outcome::Inserted);
        }
        let was_implicit = self.implicit.remove(&path);
        if self.arrays.contains(&path) && (was_implicit || self.library < TomlLibrary::V1_6) {
            values.insert(key.to_owned(), value);
            return Ok(Outcome::Replaced);
        }
        if was_implicit { Ok(Outcome::Dropped) } else { Err(Refused) }
    }

    /// Notes whether the value of a key below the context is an array; without a key, that the
    /// context is one. The library cannot tell the two if the key is empty.
    fn note_type(&mut self, key: &str, is_array: bool) {
        let mut path = self.context.clone();
        if !key.is_empty() || path.is_empty() {
            path.push(key.to_owned());
        }
        if is_array {
            self.arrays.insert(path);
        } else {
            self.arrays.remove(&path);
        }
    }

    fn new_table(&mut self, span: &Range<usize>) -> Id {
        self.tables.push(TomlTable { values: BTreeMap::new(), span: span.clone() });
        self.tables.len() - 1
    }

    fn table_at(&self, path: &[String]) -> Option<Id> {
        path.iter().try_fold(ROOT, |table, name| self.below(table, name))
    }

    /// A table in a table; of an array of tables the last one.
    fn below(&self, table: Id, name: &str) -> Option<Id> {
        match self.tables[table].values.get(name)? {
            TomlValue::Table(below) => Some(*below),
            TomlValue::Tables(tables) => tables.last().copied(),
            TomlValue::Array(..) | TomlValue::Scalar(..) => None,
        }
    }

    fn leaf(&self, value: &TomlValue) -> Leaf {
        match value {
            TomlValue::Table(table) => self.table_leaf(*table),
            TomlValue::Tables(tables) => {
                Leaf::Array(tables.iter().map(|table| self.table_leaf(*table)).collect())
            }
            TomlValue::Array(items, _) => Leaf::Array(items.iter().map(|item| self.leaf(item)).collect()),
            TomlValue::Scalar(leaf, _) => leaf.clone(),
        }
    }

    fn table_leaf(&self, table: Id) -> Leaf {
        let values = self.tables[table].values.iter();
        Leaf::Table(values.map(|(key, value)| (key.clone(), self.leaf(value))).collect())
    }

    fn span(&self, value: &TomlValue) -> Range<usize> {
        match value {
            TomlValue::Table(table) => self.tables[*table].span.clone(),
            TomlValue::Tables(tables) => {
                let start = tables.first().map_or(0, |first| self.tables[*first].span.start);
                start..tables.last().map_or(start, |last| self.tables[*last].span.end)
            }
            TomlValue::Array(_, span) | TomlValue::Scalar(_, span) => span.clone(),
        }
    }
}

fn joined(path: &[String], key: &str) -> Path {
    path.iter().cloned().chain([key.to_owned()]).collect()
}

/// A value of what was read.
#[derive(Clone, Copy)]
struct ReadValue<'a> {
    reader: &'a TomlReader,
    value: &'a TomlValue,
}

impl<'a> TomlNode<'a> for ReadValue<'a> {
    fn pairs(self) -> Option<Vec<(&'a str, Self)>> {
        let TomlValue::Table(table) = self.value else {
            return None;
        };
        let values = self.reader.tables[*table].values.iter();
        Some(values.map(|(key, value)| (key.as_str(), Self { value, ..self })).collect())
    }

    fn leaf(self) -> Option<Leaf> {
        Some(self.reader.leaf(self.value))
    }

    fn span(self) -> Option<Range<usize>> {
        Some(self.reader.span(self.value))
    }

    fn items(self) -> Vec<Range<usize>> {
        match self.value {
            TomlValue::Array(items, _) => items.iter().map(|item| self.reader.span(item)).collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;

    const ALL: [TomlLibrary; 3] = [TomlLibrary::V1_2, TomlLibrary::V1_5, TomlLibrary::V1_6];

    fn shown(leaf: &Leaf) -> String {
        match leaf {
            Leaf::Integer(number) => number.to_string(),
            Leaf::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
            Leaf::Table(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| format!("{key}={}", shown(value)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
            }
            other => format!("{other:?}"),
        }
    }

    /// What a version reads, as one line; `error` if it does not take the text.
    fn read(text: &str, library: TomlLibrary) -> String {
        match TomlReader::read(text, library) {
            Ok(reader) => shown(&reader.table_leaf(ROOT)),
            Err(fault) => {
                assert_eq!(fault.id, "duplicate-key", "{text}: {fault:?}");
                "error".to_owned()
            }
        }
    }

    #[track_caller]
    fn all_read(rows: &[(&str, &str)]) {
        for (text, wanted) in rows {
            for library in ALL {
                assert_eq!(read(text, library), *wanted, "{library:?}: {text}");
            }
        }
    }

    /// The three are podman 4, podman 5, and CRI-O and podman 6.
    #[track_caller]
    fn each_reads(rows: &[(&str, [&str; 3])]) {
        for (text, wanted) in rows {
            assert_eq!(ALL.map(|library| read(text, library)), *wanted, "{text}");
        }
    }

    #[test]
    fn a_table_of_dotted_keys_may_get_a_header_and_the_reverse() {
        all_read(&[
            ("a.x=1\n[a]\ny=2", "{a={x=1,y=2}}"),
            ("a.x=1\na.y=2\n[a]", "error"),
            ("a.b.x=1\na.c=1\n[a.b]", "{a={b={x=1},c=1}}"),
            ("a.b.x=1\na.c=1\n[a]", "error"),
            ("a.b.x=1\n[a.b]\n[a]", "{a={b={x=1}}}"),
            ("a.b.x=1\n[a]\n[a.b]", "{a={b={x=1}}}"),
            ("[a]\nb.x=1\n[a.b]\ny=2", "{a={b={x=1,y=2}}}"),
            ("[a]\nb.x=1\nb.y=1\n[a.b]", "error"),
            ("[a.b]\nx=1\n[a]\nb.y=2", "{a={b={x=1,y=2}}}"),
            ("[a.b.c]\n[a]\nb.c.y=2", "{a={b={c={y=2}}}}"),
        ]);
    }

    #[test]
    fn a_value_for_an_implicit_table_is_dropped_and_an_array_replaces_it() {
        all_read(&[
            ("[a.b.c]\n[a]\nb=2", "{a={b={c={}}}}"),
            ("a.x=1\na=2", "{a={x=1}}"),
            ("a.x=1\na=\"s\"", "{a={x=1}}"),
            ("a.x=1\na={}", "error"),
            ("a.x=1\na={y=1}", "error"),
            ("a.x=1\na=[1]", "{a=[1]}"),
            ("[a.b.c]\n[a]\nb=[1]", "{a={b=[1]}}"),
        ]);
        each_reads(&[("a.x=1\na.y=1\na=[1]", ["{a=[1]}", "{a=[1]}", "error"])]);
    }

    #[test]
    fn a_table_in_braces_may_be_added_to() {
        all_read(&[
            ("a={x=1}\na.y=1", "{a={x=1,y=1}}"),
            ("a={x=1}\n[a.b]\ny=1", "{a={b={y=1},x=1}}"),
            ("a={}\n[a]", "error"),
            ("a={b={}}\n[a.b]", "error"),
            ("a={b={}}\n[a.b.c]", "{a={b={c={}}}}"),
            ("a={b.x=1}\n[a.b]", "{a={b={x=1}}}"),
            ("a={b={x=1},b.y=2}", "{a={b={x=1,y=2}}}"),
            ("a={b.x=1,b=2}", "{a={b={x=1}}}"),
            ("a={b.x=1,b=[2]}", "{a={b=[2]}}"),
        ]);
    }

    #[test]
    fn of_two_values_the_last_one_wins_if_one_is_an_array() {
        each_reads(&[
            ("a=[1]\na=[2]", ["{a=[2]}", "{a=[2]}", "error"]),
            ("a=1\na=[2]", ["{a=[2]}", "{a=[2]}", "error"]),
            ("a=[1]\na=2", ["{a=2}", "{a=2}", "error"]),
            ("a=[1]\na={}", ["{a={}}", "{a={}}", "error"]),
            ("a={}\na=[2]", ["{a=[2]}", "{a=[2]}", "error"]),
            ("x={a=[1],\"a\"=[2]}", ["{x={a=[2]}}", "{x={a=[2]}}", "error"]),
            ("x.a=[1]\nx.a=[2]", ["{x={a=[2]}}", "{x={a=[2]}}", "error"]),
            ("a=[]\n[a]", ["{a={}}", "{a={}}", "error"]),
            ("a=[{x=1}]\na=[2]", ["{a=[2]}", "{a=[2]}", "error"]),
            ("a=[1]\na={b.x=1}", ["{a={x=1}}", "{a={b={x=1}}}", "error"]),
        ]);
        all_read(&[
            ("a=[1]\na.x=1", "{a={x=1}}"),
            ("a=[{x=1}]\na.y=1", "{a={y=1}}"),
            ("a=[2]\na=[{x=1}]", "error"),
            ("a=[{x=1}]\na=[{y=1}]", "error"),
        ]);
    }

    #[test]
    fn what_no_version_takes_is_an_error() {
        for text in ["a=[]\n[a.b]", "a=[]\n[[a]]", "[[a]]\n[a]", "[a]\n[[a]]", "[a]\n[a]", "a=1\na=2"] {
            all_read(&[(text, "error")]);
        }
        for text in ["a=", "[a", "a=[1", "a={b", "a=1e400", "\"\\q\"=1", "a=1 2", "=", "]"] {
            assert_eq!(Redefined::read(text, TomlLibrary::V1_5).unwrap_err().id, "syntax", "{text}");
        }
    }

    #[test]
    fn a_table_in_an_array_loses_dotted_keys_in_podman_4() {
        each_reads(&[("a=[{b.x=1}]", ["{a=[{x=1}]}", "{a=[{b={x=1}}]}", "{a=[{b={x=1}}]}"])]);
    }

    #[test]
    fn places_are_those_of_what_counts() {
        let text = "[storage.options]\nsize = 's'\nadditionalimagestores = ['/a']\n\
                    \"additionalimagestores\" = ['/b', '/c']\n[storage]\noptions.Nobody = 1\n";
        let read = Redefined::read(text, TomlLibrary::V1_5).unwrap();
        let found = |leaf: &LeafAt| {
            let items = leaf.items.iter().map(|item| &text[item.clone()]).collect::<Vec<_>>().join(" ");
            format!("{} {} {items}", leaf.name, &text[leaf.span.clone()])
        };
        assert_eq!(
            read.leaves.iter().map(found).collect::<Vec<_>>(),
            [
                "storage.options.size 's' ",
                "storage.options.additionalimagestores ['/b', '/c'] '/b' '/c'",
                "storage.options.nobody 1 ",
            ]
        );
        assert_eq!((read.replaced, read.dropped), (true, false));
    }

    #[test]
    fn an_ordinary_text_is_read_as_ever() {
        for text in [
            "\u{feff}a = 1 # one\r\n[b]\r\nc.d = [ 1, 'x', {y = 2} ]\r\n",
            "[[a]]\nx = 1\n[[a]]\ny = 2.5\n[a.b]\nz = 1979-05-27 07:32:00Z\n",
            "[storage.driver.x]\ny = 1\n[storage.options.pull_options]\nA = 'b'\n",
            "storage.graphroot.x = 1\nstorage.graphroot.y = nan\n",
            "storage = { driver = { a.b = inf }, options.size = '''\nx''' }\n",
            "[storage.options.overlay.size]\n[storage.options]\nsize = {}\n",
            "\"\" = [1]\n'a.b'.\"c\\u0041\" = \"\\t\"\n",
            "",
        ] {
            let wanted = Document::parse(text).unwrap().leaves().to_vec();
            for library in ALL {
                let read = Redefined::read(text, library).unwrap();
                assert_eq!(read.leaves, wanted, "{text}");
                assert!(!read.replaced && !read.dropped, "{text}");
            }
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = format!("a={}1{}", "[".repeat(5000), "]".repeat(5000));
        let dotted = format!("{}a=1", "a.".repeat(5000));
        let both = format!("{}1{}", "a.a.a.a.a.a.a.a.a={".repeat(79), "}".repeat(79));
        for text in [nested, dotted, both] {
            assert!(Redefined::read(&text, TomlLibrary::V1_6).is_err());
        }
    }
}
