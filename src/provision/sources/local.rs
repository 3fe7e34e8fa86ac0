//! What lies beside a document.

/// A file or link in a directory beside a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalEntry {
    /// Its path in the directory.
    pub path: String,
    /// What it is.
    pub kind: TreeKind,
}

impl LocalEntry {
    /// The bytes that it has.
    pub(super) fn size(&self) -> usize {
        match &self.kind {
            TreeKind::File(bytes, _) => bytes.len(),
            TreeKind::Link(target) => target.len(),
        }
    }
}

/// What is in a directory beside a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeKind {
    /// A file with these bytes, and whether somebody may execute it.
    File(Vec<u8>, bool),
    /// A link to this.
    Link(String),
}

/// Why something beside a document was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRead {
    /// It is not known what lies beside the document.
    Unknown,
    /// It is not there.
    Missing,
    /// It is not to be read, or cannot be; why.
    Refused(String),
}

/// What lies beside a document: the directory of Butane's `--files-dir`, no path out of which is
/// followed.
pub trait FilesBeside {
    /// The bytes of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// [`NotRead`] also if it is larger.
    fn file(&self, path: &str, limit: u64) -> Result<Vec<u8>, NotRead>;

    /// All files and links in a directory, whose files have `limit` bytes together at most.
    ///
    /// # Errors
    /// [`NotRead`] also if it has anything else in it.
    fn tree(&self, path: &str, limit: u64) -> Result<Vec<LocalEntry>, NotRead>;

    /// The path in the directory that a path of this host is, if it starts with `/`.
    ///
    /// # Errors
    /// [`NotRead`] if it is none.
    fn below(&self, path: &str) -> Result<String, NotRead>;

    /// The names of the files right in a directory; `None` if it is none.
    ///
    /// # Errors
    /// [`NotRead`] if it is not there.
    fn names(&self, path: &str) -> Result<Option<Vec<String>>, NotRead>;
}

/// Nothing is known of it.
#[derive(Debug, Clone, Copy)]
pub struct NoFilesBeside;

impl FilesBeside for NoFilesBeside {
    fn file(&self, _: &str, _: u64) -> Result<Vec<u8>, NotRead> {
        Err(NotRead::Unknown)
    }

    fn tree(&self, _: &str, _: u64) -> Result<Vec<LocalEntry>, NotRead> {
        Err(NotRead::Unknown)
    }

    fn below(&self, _: &str) -> Result<String, NotRead> {
        Err(NotRead::Unknown)
    }

    fn names(&self, _: &str) -> Result<Option<Vec<String>>, NotRead> {
        Err(NotRead::Unknown)
    }
}
