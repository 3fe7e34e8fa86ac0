//! Tar streams, as layers of images are: their entries, and what of them is kept so
//! that they can be assembled again. Pure: readers and writers come from outside.
//!
//! [`Entries`] is strict: what Go's archive/tar refuses is refused, since engines read
//! layers with it.

mod entries;
mod header;
mod path;
mod split;
mod split_writer;
mod writer;

pub use entries::{Entries, EntryError};
pub(crate) use header::Headers;
pub use header::{EntryKind, Header, NotTar};
pub(crate) use path::clean_path;
pub use split::{SplitPiece, TarSplit};
pub use split_writer::SplitWriter;
pub(crate) use writer::{EntryContent, TarEntry, TarWriter};
