//! What was read from the host before anything is planned.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::copy::{TextSource, VendorCopy};
use super::generations::ServedEngines;
use super::host::Host;
use crate::conf::{Document, Essentials, Fault, StoreList};
use crate::engine::{self, Engines};
use crate::problem::Problem;
use crate::sys::{FileKind, Resolved, Root, Stat, absent};

/// The main file as it was found, and what it takes to write it.
#[derive(Debug)]
pub struct Snapshot {
    /// The file as engines name it.
    pub path: PathBuf,
    /// Where it is written: behind a symlink, unless that leads to vendor files.
    /// `None` if its directory does not exist.
    pub target: Option<Resolved>,
    /// The identity of the file at the target, `None` if it is not there.
    pub found: Option<Stat>,
    /// The bytes of the file at the target, as text.
    pub before: Option<String>,
    /// Where the text to edit comes from.
    pub source: TextSource,
    /// What is edited: the file without the head of a copy.
    pub doc: Rc<Document>,
    /// The head that a copy starts with, if this file is one.
    pub head: Option<VendorCopy>,
    /// What a file without settings is given.
    pub essentials: Essentials,
    /// Whether the document is what a copy is made from anew, and not what stands there.
    pub(super) renewed: bool,
}

/// Where the main file is written.
#[derive(Debug)]
pub(super) struct Located {
    /// The file as engines name it.
    pub(super) path: PathBuf,
    /// Where it is written; `None` if that directory does not exist.
    pub(super) target: Option<Resolved>,
    /// If it is a symlink to a vendor's file: what the symlink says, and the file.
    vendor: Option<(String, PathBuf)>,
}

impl Host {
    /// Finds out where the main file is written, without reading it.
    ///
    /// # Errors
    /// A [`Problem`] if it must not be written there.
    pub(super) fn locate(&self) -> anyhow::Result<Located> {
        let path = self.main_file()?;
        let cannot_read = |error| self.cannot("read", &path)(error);
        let Some(place) = absent(self.root.resolve_link(&path)).map_err(cannot_read)? else {
            refuse_vendor_file(self, &path)?;
            return Ok(Located { path, target: None, vendor: None });
        };
        let Some(link) = self.root.read_link_at(&place).map_err(cannot_read)? else {
            refuse_vendor_file(self, &place.path)?;
            return Ok(Located { path, target: Some(place), vendor: None });
        };
        let behind = absent(self.root.resolve(&path)).map_err(cannot_read)?;
        match behind {
            Some(behind) if engine::is_vendor_path(&behind.path) => {
                let vendor = Some((link.to_string_lossy().into_owned(), behind.path));
                Ok(Located { path, target: Some(place), vendor })
            }
            target => Ok(Located { path, target, vendor: None }),
        }
    }

    /// Reads the main file, or what it is to be made from.
    ///
    /// # Errors
    /// A [`Problem`] if it cannot be read or must not be written.
    pub fn snapshot(&self) -> anyhow::Result<Snapshot> {
        self.cache.forget_files();
        let Located { path, target, vendor } = self.locate()?;
        let essentials = self.essentials();
        let snapshot = |source, doc| Snapshot {
            path: path.clone(),
            target: None,
            found: None,
            before: None,
            source,
            doc,
            head: None,
            essentials: essentials.clone(),
            renewed: false,
        };
        if let Some((link, file)) = vendor {
            let (text, _) = read_text(&self.root, &file)?.ok_or_else(|| self.dangling(&path, &link))?;
            let doc = self.parse(&file, text)?;
            let link_itself = target.as_ref().map(|target| self.root.stat_link(target)).transpose();
            let found = link_itself.map_err(self.cannot("read", &path))?.flatten();
            return Ok(Snapshot { target, found, ..snapshot(TextSource::Link { target: link, file }, doc) });
        }
        let real = target.as_ref().map_or(path.as_path(), |target| &target.path);
        if let Some((before, found)) = read_text(&self.root, real)? {
            let split = VendorCopy::split(&before);
            let (head, doc) = match split {
                // If the rest is faulty, the whole is, and has the right line numbers.
                Some((head, rest)) => match Document::parse(rest) {
                    Ok(doc) => (Some(head), Rc::new(doc)),
                    Err(_) => (None, self.parse(&path, before.clone())?),
                },
                None => (None, self.parse(&path, before.clone())?),
            };
            let (found, before) = (Some(found), Some(before));
            return Ok(Snapshot { target, found, before, head, ..snapshot(TextSource::Itself, doc) });
        }
        if let Some(link) = self.root.read_link(&path).map_err(self.cannot("read", &path))? {
            return Err(self.dangling(&path, &link.to_string_lossy()).into());
        }
        let vendor = Path::new(engine::VENDOR_FILE);
        // A normal user's engines take nothing but what they find in that user's own file.
        let follows = self.config.is_none() && !self.is_rootless();
        let copied = if follows { read_text(&self.root, vendor)? } else { None };
        Ok(match copied {
            Some((text, _)) => {
                let doc = self.parse(vendor, text)?;
                Snapshot { target, ..snapshot(TextSource::Vendor(vendor.to_owned()), doc) }
            }
            None => Snapshot { target, ..snapshot(TextSource::BuiltIn, self.parse(&path, String::new())?) },
        })
    }

    pub(super) fn parse(&self, path: &Path, text: String) -> Result<Rc<Document>, Problem> {
        let parsed = self.cache.parse(&text);
        parsed.map_err(|fault| Problem::at(fault, self.root.show(path), &text))
    }

    fn dangling(&self, path: &Path, link: &str) -> Problem {
        Problem::new(
            "dangling-link",
            format!("`{}` is a symlink to `{link}`, which does not exist", self.show(path)),
            "create the file that it names, or remove the symlink",
        )
    }
}

impl Snapshot {
    /// Whether the main file is edited: it serves the legacy generation, and is not
    /// made on a host that has modern engines only.
    pub(super) fn serves_main(&self, host: &Host, serve: ServedEngines) -> bool {
        let needless = self.creates()
            && !self.renewed
            && host.config.is_none()
            && host.engines().and(Engines::LEGACY).is_empty();
        serve == ServedEngines::Legacy || (serve == ServedEngines::All && !needless)
    }

    /// The text of the file that a copy was made from.
    pub(super) fn original_text(&self, host: &Host) -> Option<String> {
        let from = self.head.as_ref()?.from.as_ref()?;
        Some(read_text(&host.root, Path::new(from)).ok()??.0)
    }

    /// The file that the document's text stands in.
    pub fn file(&self) -> &Path {
        match &self.source {
            TextSource::Vendor(file) | TextSource::Link { file, .. } => file,
            TextSource::Itself | TextSource::BuiltIn => &self.path,
        }
    }

    /// How many lines of the file stand before the document: the head of a copy.
    pub(super) fn head_lines(&self) -> usize {
        let lines = |text: &str| text.matches('\n').count();
        self.before.as_deref().map_or(0, |whole| lines(whole) - lines(self.doc.text()))
    }

    /// A fault of the document, in its file.
    pub(super) fn problem(&self, host: &Host, mut fault: Fault) -> Problem {
        let shown = host.root.show(self.file());
        match &self.before {
            Some(whole) if !self.renewed => {
                let head = whole.len() - self.doc.text().len();
                fault.span = fault.span.start + head..fault.span.end + head;
                Problem::at(fault, shown, whole)
            }
            _ => Problem::at(fault, shown, self.doc.text()),
        }
    }

    /// The stores that the main file lists, as written.
    ///
    /// # Errors
    /// A [`Problem`] for a key of the wrong type.
    pub(super) fn stores(&self, host: &Host) -> Result<Vec<String>, Problem> {
        StoreList::paths(&self.doc).map_err(|fault| self.problem(host, fault))
    }

    /// Whether committing makes a file that was not there as such.
    pub fn creates(&self) -> bool {
        !matches!(self.source, TextSource::Itself)
    }
}

pub(super) fn refuse_vendor_file(host: &Host, path: &Path) -> anyhow::Result<()> {
    if !path.starts_with("/usr/share") {
        return Ok(());
    }
    Err(Problem::new(
        "vendor-file",
        format!("`{}` belongs to the vendor and is never edited", host.show(path)),
        "leave out `--config`: /etc/containers/storage.conf is made from a copy of it",
    )
    .into())
}

/// Reads a configuration file; `None` if there is nothing.
///
/// # Errors
/// A [`Problem`] if it is not UTF-8, else why it cannot be read.
pub(super) fn read_text(root: &Root, path: &Path) -> anyhow::Result<Option<(String, Stat)>> {
    let shown = root.show(path);
    let read = root.read(path).map_err(|error| Problem::io("read", &shown.display().to_string(), &error))?;
    let Some((bytes, stat)) = read else {
        return Ok(None);
    };
    debug_assert_eq!(stat.kind, FileKind::File);
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some((text, stat))),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count() + 1;
            Err(Problem::new(
                "not-utf8",
                format!("`{}` is not UTF-8, first at line {line}", shown.display()),
                "save the file as UTF-8; no engine reads it as it is",
            )
            .into())
        }
    }
}
