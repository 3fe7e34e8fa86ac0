//! The `additionalimagestores` array as values.

use std::ops::Range;

use super::document::{Document, Fault, article, wrong_type};

/// The key path of the array.
pub(super) const KEY: [&str; 3] = ["storage", "options", "additionalimagestores"];

/// One item of the array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEntry {
    /// The path as the engine reads it, unescaped.
    pub path: String,
    /// Its bytes in the file, with quotes.
    pub span: Range<usize>,
    /// Its line, counted from 1.
    pub line: usize,
}

impl StoreEntry {
    /// The path as engines use it: cleaned lexically, as Go's `filepath.Clean` does.
    pub fn clean(&self) -> String {
        clean(&self.path)
    }
}

/// The array, where the document has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreList {
    /// The array's bytes, brackets included.
    pub span: Range<usize>,
    /// Its items, in the order in which engines search them.
    pub entries: Vec<StoreEntry>,
}

impl StoreList {
    /// Finds the array in `doc`; `None` if the document has no such key.
    ///
    /// # Errors
    /// A [`Fault`] `wrong-type` if the key is not an array of strings or one of
    /// its tables is not a table, `duplicate-key` for two spellings of a key.
    pub fn of(doc: &Document) -> Result<Option<Self>, Fault> {
        let Some((_, item)) = doc.find(&KEY)? else {
            return Ok(None);
        };
        let Some(array) = item.as_array() else {
            return Err(wrong_type(&KEY.join("."), "an array of strings", item));
        };
        let mut entries = Vec::with_capacity(array.len());
        for value in array.iter() {
            let span = value.span().expect("a parsed value has a span");
            let Some(path) = value.as_str() else {
                return Err(Fault {
                    id: "wrong-type",
                    message: format!(
                        "an item of `additionalimagestores` must be a string, but is {}",
                        article(value.type_name())
                    ),
                    hint: if value.is_inline_table() {
                        "`{append=…}` belongs in drop-in files only; in a main file it stops every engine of the legacy generation".to_owned()
                    } else {
                        "fix this item; every engine stops on it".to_owned()
                    },
                    span,
                });
            };
            entries.push(StoreEntry { path: path.to_owned(), line: doc.line(span.start), span });
        }
        Ok(Some(Self { span: array.span().expect("a parsed array has a span"), entries }))
    }

    /// The paths of the array in `doc`, empty if there is no array.
    ///
    /// # Errors
    /// As [`StoreList::of`].
    pub fn paths(doc: &Document) -> Result<Vec<String>, Fault> {
        Ok(Self::of(doc)?
            .map(|list| list.entries.into_iter().map(|entry| entry.path).collect())
            .unwrap_or_default())
    }
}

/// An entry as engines use it: without blanks around it, and normalised as by [`clean_path`].
pub fn clean(entry: &str) -> String {
    clean_path(entry.trim())
}

/// Normalises `path` lexically, as the engines do (Go's `filepath.Clean`):
/// `/a//b/`, `/a/./b` and `/a/c/../b` all become `/a/b`.
pub fn clean_path(path: &str) -> String {
    let absolute = path.starts_with('/');
    let is_clean = |rest: &str| rest.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if path.strip_prefix('/').is_some_and(is_clean) {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_the_engines_clean_them() {
        for (given, wanted) in [
            ("/a/b/", "/a/b"),
            ("/a//b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/c/../b", "/a/b"),
            ("/../a", "/a"),
            ("//", "/"),
            ("", "."),
            ("a/../..", ".."),
            ("../../a", "../../a"),
            (" /a/ ", "/a"),
        ] {
            assert_eq!(clean(given), wanted, "{given}");
        }
    }

    #[test]
    fn items_keep_their_order_spelling_and_place() {
        let doc =
            Document::parse("[storage.options]\nadditionalimagestores = ['/b/', \"\\u002fa\"]\n").unwrap();
        let list = StoreList::of(&doc).unwrap().unwrap();
        let seen: Vec<_> =
            list.entries.iter().map(|e| (e.path.as_str(), e.line, &doc.text()[e.span.clone()])).collect();
        assert_eq!(seen, [("/b/", 2, "'/b/'"), ("/a", 2, "\"\\u002fa\"")]);
    }
}
