//! The head of a storage.conf that storagectl made: where it came from, and what
//! it is when nobody needs it any more.

use std::path::PathBuf;

use super::directory;
use crate::conf::{Document, layouts, without_marked};
use crate::hex::sha256;

/// Where the text of the main file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextSource {
    /// The file is there.
    Itself,
    /// It is not; the vendor's file is copied.
    Vendor(PathBuf),
    /// It is a symlink into the vendor's files; the file behind it is copied.
    Link {
        /// What the symlink says.
        target: String,
        /// The file that it leads to.
        file: PathBuf,
    },
    /// Neither is there.
    BuiltIn,
}

/// The head of a copy: six comment lines at most, of this exact form.
///
/// A copy stops following the vendor's file, so it goes as soon as it holds
/// nothing that the vendor's does not: when the rest of the file has one of the
/// two digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorCopy {
    /// The file that was copied; `None` for the built-in default.
    pub from: Option<String>,
    /// The symlink that stood here, if one did.
    pub link: Option<String>,
    /// SHA-256 of the text that was copied, in hexadecimal.
    pub digest: String,
    /// SHA-256 of this file without any added store, where that differs: where
    /// the array, or settings that older engines need, had to be made.
    pub emptied: Option<String>,
    /// The topmost directory that was made for this file.
    pub directory: Option<PathBuf>,
}

const BUILT_IN: &str = "# Created by storagectl: this host had no storage.conf.";
const FROM: &str = "# Copied by storagectl from ";
const LINK: &str = "# In place of a symlink to ";
const DIGEST: &str = "# sha256:";
const EMPTIED: &str = "# sha256 without added stores:";
const NOTE: &str = "# Removing the last added store removes this file again.";
const NOTE_IMAGE: &str = "# Removing the last added store makes it the image's own again.";
const MARK: char = '\u{feff}';

impl VendorCopy {
    /// The head for a copy of `original` from `source`, whose text without any
    /// added store is `emptied`; `None` if nothing is copied.
    pub fn new(source: &TextSource, original: &str, emptied: &str) -> Option<Self> {
        let (from, link) = match source {
            TextSource::Itself => return None,
            TextSource::Vendor(file) => (Some(file.display().to_string()), None),
            TextSource::Link { target, file } => (Some(file.display().to_string()), Some(target.clone())),
            TextSource::BuiltIn => (None, None),
        };
        let digest = sha256(original);
        let emptied = Some(sha256(emptied)).filter(|other| *other != digest);
        Some(Self { from, link, digest, emptied, directory: None })
    }

    /// The text of the head, ending in an empty line.
    fn text(&self, newline: &str) -> String {
        let mut lines = vec![match &self.from {
            Some(from) => format!("{FROM}{from}"),
            None => BUILT_IN.to_owned(),
        }];
        lines.extend(self.link.as_ref().map(|link| format!("{LINK}{link}")));
        lines.push(format!("{DIGEST}{}", self.digest));
        lines.extend(self.emptied.as_ref().map(|digest| format!("{EMPTIED}{digest}")));
        lines.extend(self.directory.as_deref().map(directory::line));
        lines.push(if self.follows_image() { NOTE_IMAGE } else { NOTE }.to_owned());
        lines.push(String::new());
        lines.into_iter().flat_map(|line| [line, newline.to_owned()]).collect()
    }

    /// `rest` with this head on top, behind a byte order mark if it has one.
    pub fn join(&self, rest: &str) -> String {
        let newline =
            if rest.find('\n').is_some_and(|at| rest[..at].ends_with('\r')) { "\r\n" } else { "\n" };
        match rest.strip_prefix(MARK) {
            Some(rest) => format!("{MARK}{}{rest}", self.text(newline)),
            None => format!("{}{rest}", self.text(newline)),
        }
    }

    /// Splits a file into its head and the rest; `None` if it has no head of
    /// this exact form, because storagectl did not make it or somebody edited it.
    pub fn split(text: &str) -> Option<(Self, String)> {
        let body = text.strip_prefix(MARK).unwrap_or(text);
        let mut lines = body.lines();
        let mut line = lines.next()?;
        let from = if line == BUILT_IN { None } else { Some(line.strip_prefix(FROM)?.to_owned()) };
        line = lines.next()?;
        let link = line.strip_prefix(LINK).map(str::to_owned);
        if link.is_some() {
            line = lines.next()?;
        }
        let digest = line.strip_prefix(DIGEST)?.to_owned();
        line = lines.next()?;
        let emptied = line.strip_prefix(EMPTIED).map(str::to_owned);
        if emptied.is_some() {
            line = lines.next()?;
        }
        let directory = directory::named(line).map(PathBuf::from);
        let head = Self { from, link, digest, emptied, directory };
        let newline =
            if body.find('\n').is_some_and(|at| body[..at].ends_with('\r')) { "\r\n" } else { "\n" };
        let rest = body.strip_prefix(&head.text(newline))?;
        let mark = if body.len() == text.len() { String::new() } else { MARK.to_string() };
        Some((head, mark + rest))
    }

    /// Whether `original` is what was copied: as it is, or, as for the image's own
    /// /etc, without the entries that have an owner.
    pub fn is_made_from(&self, original: &str) -> bool {
        let is_it = |text: &str| sha256(text) == self.digest;
        let unmarked = || without_marked(&Document::parse(original).ok()?).ok();
        is_it(original) || unmarked().is_some_and(|unmarked| is_it(unmarked.text()))
    }

    /// Whether the original is the image's own /etc, which ostree keeps in /usr/etc.
    pub fn follows_image(&self) -> bool {
        self.from.as_ref().is_some_and(|from| from.starts_with("/usr/etc/"))
    }

    /// Whether a file with this head and `rest` behind it holds nothing that the
    /// original does not, in whichever layout its array was left.
    pub fn is_spent(&self, rest: &str) -> bool {
        let is_original = |text: &str| {
            let now = sha256(text);
            now == self.digest || self.emptied.as_ref() == Some(&now)
        };
        let others = || Document::parse(rest).ok().and_then(|doc| layouts(&doc).ok()).unwrap_or_default();
        is_original(rest) || others().iter().any(|text| is_original(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_found_again_only_in_its_exact_form() {
        for rest in ["[storage]\n", "[storage]\r\n", "\u{feff}[storage]\n", "", "\n"] {
            let source = TextSource::Link { target: "../x".to_owned(), file: "/usr/x".into() };
            for emptied in [rest, "other"] {
                let mut head = VendorCopy::new(&source, rest, emptied).unwrap();
                head.directory = (emptied == "other").then(|| "/etc/containers".into());
                let text = head.join(rest);
                assert_eq!(VendorCopy::split(&text), Some((head, rest.to_owned())));
                assert_eq!(VendorCopy::split(&text.replace("Removing", "removing")), None);
            }
        }
        assert_eq!(VendorCopy::split("[storage]\n"), None);
    }
}
