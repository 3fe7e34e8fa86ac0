//! What one file names.

use std::ops::Range;
use std::path::PathBuf;

use super::grammar::check_reference;
use crate::problem::{Place, Problem, Severity};

/// A reference, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// The reference, without a transport.
    pub reference: String,
    /// The first place in which it stands.
    pub place: Place,
}

/// What files name.
#[derive(Debug, Clone, Default)]
pub struct References {
    /// Each reference once, in the order in which they were found.
    pub images: Vec<ImageReference>,
    /// What names an image that is not known here, with its place.
    pub remarks: Vec<Problem>,
}

impl References {
    pub(super) fn push(&mut self, image: ImageReference) {
        if !self.images.iter().any(|known| known.reference == image.reference) {
            self.images.push(image);
        }
    }

    pub(super) fn extend(&mut self, other: Self) {
        other.images.into_iter().for_each(|image| self.push(image));
        self.remarks.extend(other.remarks);
    }
}

/// A file that is read, and what was found in it so far.
pub(super) struct SourceFile<'a> {
    /// As the person named it.
    pub(super) shown: PathBuf,
    pub(super) text: &'a str,
    pub(super) found: References,
}

impl<'a> SourceFile<'a> {
    pub(super) fn new(shown: PathBuf, text: &'a str) -> Self {
        Self { shown, text, found: References::default() }
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place::new(self.shown.clone(), self.text, span)
    }

    /// A text at a place in which an image is named.
    ///
    /// # Errors
    /// `reference-invalid`.
    pub(super) fn image(&mut self, text: &str, span: Range<usize>) -> Result<(), Problem> {
        let text = text.trim();
        if text.contains('$') || text.contains("{{") {
            self.unknown(
                format!("`{}` is not known before something fills it in", text.escape_debug()),
                span,
            );
            return Ok(());
        }
        let reference = text.strip_prefix("docker://").unwrap_or(text);
        if let Some((transport, _)) = transport(reference) {
            let message =
                format!("`{}` is not in a registry: it comes from {transport}", text.escape_debug());
            self.unknown(message, span);
            return Ok(());
        }
        let place = self.place(span);
        match check_reference(reference) {
            Ok(()) => self.found.push(ImageReference { reference: reference.to_owned(), place }),
            Err(problem) => return Err(Problem { place: Some(Box::new(place)), ..problem }),
        }
        Ok(())
    }

    /// Something names an image, and which cannot be told.
    pub(super) fn unknown(&mut self, message: String, span: Range<usize>) {
        let hint = "give the reference itself, as an argument or in a list";
        let problem = Problem::found("reference-unknown", Severity::Warning, message, hint);
        self.found.remarks.push(Problem { place: Some(Box::new(self.place(span))), ..problem });
    }

    /// The file is not what it starts as.
    pub(super) fn malformed(&self, message: String, at: usize) -> Problem {
        let hint = "give a list of references, or a file that engines or Kubernetes would read";
        let problem = Problem::new("document", message, hint);
        Problem { place: Some(Box::new(self.place(at..at))), ..problem }
    }
}

/// The transports of images that are not in a registry (containers-transports(5)).
fn transport(text: &str) -> Option<(&str, &str)> {
    const OTHERS: [&str; 8] = [
        "containers-storage",
        "dir",
        "docker-archive",
        "docker-daemon",
        "oci",
        "oci-archive",
        "ostree",
        "sif",
    ];
    let (name, rest) = text.split_once(':')?;
    // `oci:1` is an image of that name; a path tells them apart.
    (OTHERS.contains(&name) && rest.contains('/')).then_some((name, rest))
}
