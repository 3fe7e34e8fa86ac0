//! The documents of a file, which are several where YAML has several.

use std::path::Path;

use super::Generate;
use crate::problem::{Problem, series};
use crate::provision::ExistingDocument;
use crate::provision::document::{OneOfSeveral, several};

/// A document of a file.
pub(super) struct DocumentOfFile {
    pub(super) document: ExistingDocument,
    /// Where it stands, if the file holds several.
    part: Option<OneOfSeveral>,
}

impl DocumentOfFile {
    /// The line on which it starts, from 1, if the file holds several.
    pub(super) fn line(&self) -> Option<usize> {
        self.part.as_ref().map(OneOfSeveral::line)
    }

    /// The text of the file, `whole` until now, with `edited` in place of this document.
    pub(super) fn put_back(&self, whole: &str, edited: String) -> String {
        match &self.part {
            Some(part) => part.put_back(whole, &edited),
            None => edited,
        }
    }
}

impl Generate {
    /// The documents of a text: of several those of a known kind, or of the one that is named; else
    /// all of it.
    pub(super) fn documents(&self, text: String) -> Vec<DocumentOfFile> {
        let named = self.kind.and_then(|kind| kind.kind().format().ok());
        let known = several(&text).into_iter().filter_map(|mut part| {
            let document = ExistingDocument::parse(std::mem::take(&mut part.text));
            let is_known = document.format().is_some_and(|it| named.is_none_or(|named| named == it));
            is_known.then_some(DocumentOfFile { document, part: Some(part) })
        });
        let mut known: Vec<DocumentOfFile> = known.collect();
        if known.is_empty() {
            known.push(DocumentOfFile { document: ExistingDocument::parse(text), part: None });
        }
        known
    }

    /// The document that a run changes or compares: of several the only one, or the only one that an
    /// earlier run has made or changed.
    ///
    /// # Errors
    /// `document-conflict` if that cannot be told.
    pub(super) fn document(&self, text: String, file: &Path) -> Result<DocumentOfFile, Problem> {
        let mut all = self.documents(text);
        if all.len() > 1 {
            let lines: Vec<String> =
                all.iter().filter_map(|it| Some(format!("line {}", it.line()?))).collect();
            all.retain(|it| it.document.is_own());
            if all.len() != 1 {
                return Err(Problem::new(
                    "document-conflict",
                    format!(
                        "`{}` has several documents that may be meant: at {}",
                        file.display(),
                        series(&lines)
                    ),
                    "name the kind, as in `storagectl generate machineconfig`, or give one alone",
                ));
            }
        }
        Ok(all.pop().expect("there is one at least"))
    }
}
