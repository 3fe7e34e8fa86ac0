//! Files in which several YAML documents stand.

use std::path::Path;

use super::Generate;
use crate::problem::{Problem, series};
use crate::provision::document::{OneOfSeveral, several};
use crate::provision::is_own;
use crate::provision::read::DocumentFormat;

impl Generate {
    /// The documents of a file with several that are of a known kind, or of the one that is named;
    /// nothing if it holds one, or none of those.
    pub(super) fn several(&self, text: &str) -> Vec<OneOfSeveral> {
        let named = self.kind.and_then(|kind| kind.kind().format().ok());
        let mut all = several(text);
        all.retain(|one| {
            DocumentFormat::of(&one.text).is_some_and(|it| named.is_none_or(|named| named == it))
        });
        all
    }

    /// The one of several that a run changes or compares: the only one, or the only one that an earlier
    /// run has made or changed. `None` if the file holds one document.
    ///
    /// # Errors
    /// `document-conflict` if that cannot be told.
    pub(super) fn one_of_several(&self, text: &str, file: &Path) -> Result<Option<OneOfSeveral>, Problem> {
        let mut all = self.several(text);
        if all.len() > 1 {
            let lines: Vec<String> = all.iter().map(|one| format!("line {}", one.line())).collect();
            all.retain(|one| is_own(&one.text));
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
        Ok(all.pop())
    }
}
