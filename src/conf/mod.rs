//! storage.conf as text and as values. Pure: text in, text and values out, no disk.
//!
//! `toml_edit` is the parser, never the printer. Its mutable document drops a
//! byte order mark, rewrites CRLF, adds a final newline and hands comments of a
//! removed item to its neighbour. So a [`Document`] keeps the original text
//! beside the spans of the immutable parse, an edit is a list of [`Splice`]s on
//! that text, and whoever edits parses the result again and compares.
//!
//! # Which comment belongs to which item
//!
//! A comment behind an item on its line belongs to that item, and so does the
//! run of comment lines directly above it. It leaves with the item and moves
//! with it. A blank line ends the run, and so does a commented-out entry
//! (`# "/some/path",`): both stay where they are.
//!
//! # Entries that storagectl owns
//!
//! Such an entry has a [`Mark`] behind it and a line of its own, even in an array
//! on one line. It comes as an insertion and nothing else, and taking it out gives
//! back every byte: what was inserted says by itself how much of the commas and
//! line breaks around it came with it (array/marked.rs). [`set_aside`] comments
//! entries out in the same manner.
//!
//! # Known differences from the engines' reader
//!
//! - Engines match key names without regard to case (`AdditionalImageStores`
//!   works), and so does this module; a key that stands there in two spellings
//!   is refused, since engines then pick one at random.
//! - A key or a table that is defined twice is an error here, as TOML has it. The
//!   engines' library takes much of that; [`Redefined`] reads it as they do, but
//!   nothing is edited in such a text.

mod array;
mod aside;
mod beside_ours;
mod document;
mod edit;
mod essentials;
mod key_case;
mod layouts;
mod leaves;
mod made;
mod mark;
mod owned;
mod place;
mod redefined;
pub mod schema;
mod set_key;
mod splice;
mod statements;
mod stores;
mod style;

/// `path` as a TOML string that every engine reads alike.
pub fn quoted(path: &str) -> String {
    style::quote(path, None)
}
pub mod toml11;
mod types;

pub use array::CutItem;
pub use aside::{Aside, asides, put_back, set_aside};
pub use document::{Document, Fault, Leaf};
pub use edit::{EditError, Position, add, add_to_list, copy, remove, restore};
pub use essentials::{Essentials, OWN_ROOTS, OWN_ROOTS_NAME, add_essentials};
pub use layouts::layouts;
pub use leaves::{AttributedList, LeafAt};
pub use made::{as_own, without_essentials};
pub use mark::Mark;
pub use owned::{MarkedEntry, arrange, commented_items, listed, without_marked};
pub use redefined::{Redefined, TomlLibrary};
pub use set_key::SetKey;
pub use splice::Splice;
pub use stores::{StoreEntry, StoreList, clean, clean_path};
pub use types::type_fault;
