//! What cures a finding: commands that exist, each the one right answer to what it is offered for.
//!
//! A hint names the command of its [`Cure`], and `doctor --fix` does what that command does, so what
//! is advised and what is done are one thing. What has more than one answer has no cure here.

use std::path::{Path, PathBuf};

use crate::lint;
use crate::problem::{Problem, Severity, shell_word};
use crate::store::check;

/// A command that cures something, in the order in which they are run: what stops engines first, then
/// what is about to be lost, then what is missing, and last what is too much.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cure {
    /// `check-config --fix`.
    FixConfig,
    /// `apply --set-aside`, which applies, too.
    SetAside,
    /// `apply`.
    Apply,
    /// `init-store` of this store.
    InitStore(PathBuf),
    /// `keep-layers`.
    KeepLayers,
    /// `clean-dependents`.
    CleanDependents,
    /// `copy-images`.
    CopyImages(CopyRoute),
    /// `copy-images --prune`.
    PruneImages(CopyRoute),
}

/// From where to where embedded images are copied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct CopyRoute {
    /// The directory with the list, if it is not the first that has one.
    pub source: Option<PathBuf>,
    /// The store, if it is not the engines' own storage.
    pub store: Option<PathBuf>,
    /// The storage for artifacts, if it is not that of the images.
    pub artifact_store: Option<PathBuf>,
}

/// A row of [`CURES`].
#[derive(Debug)]
pub struct CureRow {
    /// The name of the step.
    pub id: &'static str,
    /// What it is offered for, by the names of findings; or a word about those that it is.
    pub findings: &'static [&'static str],
    /// Whether it removes images or containers, so that it has to be asked for.
    pub removes: bool,
    /// Why it is the one right answer.
    pub why: &'static str,
}

/// Every cure, in the order of [`Cure`].
pub const CURES: &[CureRow] = &[
    CureRow {
        id: "fix-config",
        findings: &["what check-config can repair"],
        removes: false,
        why: "each fix was tried: no engine that works stops or sees anything else afterwards",
    },
    CureRow {
        id: "set-aside",
        findings: &["store-missing", "store-not-directory"],
        removes: false,
        why: "every engine stops on the entry; it becomes a comment, and is listed again when the directory is there",
    },
    CureRow {
        id: "apply",
        findings: &["not-applied", "not-mounted", "store-missing"],
        removes: false,
        why: "packages and the administrator have declared what is to be listed",
    },
    CureRow {
        id: "init-store",
        findings: &["lock-missing"],
        removes: false,
        why: "engines would create the same empty files if they could",
    },
    CureRow {
        id: "keep-layers",
        findings: &["layers-gone"],
        removes: false,
        why: "what containers and images build on is still on this host, and is only added",
    },
    CureRow {
        id: "clean-dependents",
        findings: &["layers-gone"],
        removes: true,
        why: "nothing on this host has the layers, and what builds on them can never be used",
    },
    CureRow {
        id: "copy-images",
        findings: &["images-not-copied", "what check-store finds of images that are embedded"],
        removes: false,
        why: "what is embedded is verified, and meant to be in the store",
    },
    CureRow {
        id: "prune-images",
        findings: &["images-not-pruned"],
        removes: true,
        why: "they were copied from a list that has them no more, and nothing uses them",
    },
];

impl Cure {
    /// Its row.
    pub fn row(&self) -> &'static CureRow {
        let index = match self {
            Self::FixConfig => 0,
            Self::SetAside => 1,
            Self::Apply => 2,
            Self::InitStore(_) => 3,
            Self::KeepLayers => 4,
            Self::CleanDependents => 5,
            Self::CopyImages(_) => 6,
            Self::PruneImages(_) => 7,
        };
        &CURES[index]
    }

    /// The command, as a person types it.
    pub fn command(&self) -> String {
        let command = match self {
            Self::FixConfig => "check-config --fix".to_owned(),
            Self::SetAside => "apply --set-aside".to_owned(),
            Self::Apply => "apply".to_owned(),
            Self::InitStore(path) => format!("init-store {}", word(path)),
            Self::KeepLayers => "keep-layers".to_owned(),
            Self::CleanDependents => "clean-dependents".to_owned(),
            Self::CopyImages(copies) => format!("copy-images{}", copies.options()),
            Self::PruneImages(copies) => format!("copy-images --prune{}", copies.options()),
        };
        format!("storagectl {command}")
    }

    /// A hint that names the command, and says what that does: "copies them".
    pub(super) fn hint(&self, does: &str) -> String {
        format!("`{}` {does}", self.command())
    }

    /// Whether the hint of `problem` names it.
    fn is_named_by(&self, problem: &Problem) -> bool {
        problem.hint.contains(&format!("`{}`", self.command()))
    }

    /// Whether it cures `problem`: its hint names it, or a command that it does, too.
    pub fn covers(&self, problem: &Problem) -> bool {
        self.is_named_by(problem) || (*self == Self::SetAside && Self::Apply.is_named_by(problem))
    }

    /// Whether it changes the configuration, on which everything else builds.
    pub(super) fn configures(&self) -> bool {
        matches!(self, Self::FixConfig | Self::SetAside | Self::Apply)
    }
}

impl CopyRoute {
    fn options(&self) -> String {
        let options =
            [("source", &self.source), ("store", &self.store), ("artifact-store", &self.artifact_store)];
        let given = options.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?)));
        given.map(|(name, path)| format!(" --{name} {}", word(path))).collect()
    }
}

fn word(path: &Path) -> String {
    shell_word(&path.display().to_string())
}

/// Why nothing is done about some findings.
const FOR_PEOPLE: &[(&str, &str)] = &[
    ("crio-older-config", "when CRI-O may be restarted is not known"),
    ("declaration", "what was meant is not known"),
    ("disk-full", "which images may go is not known"),
    ("disk-nearly-full", "which images may go is not known"),
    ("file-system", "storage has to be moved"),
    ("image-shadowed", "which of the two is meant is not known"),
    ("mco-managed", "the node's configuration is made elsewhere"),
    ("repair-deletes", "nothing is to be done"),
    ("root-closed", "whether users shall have engines here is not known"),
    ("set-aside", "its directory is still missing"),
    ("store-emptied", "where its images come from is not known"),
];

/// Why `--fix` does nothing about a finding that has no cure.
pub fn why_not(problem: &Problem) -> &'static str {
    let row = FOR_PEOPLE.iter().find(|(id, _)| *id == problem.id);
    match row {
        Some((_, why)) => why,
        None if check::RULES.iter().any(|rule| rule.id == problem.id && rule.severity == Severity::Error)
            && !lint::RULES.iter().any(|rule| rule.id == problem.id) =>
        {
            "what is lost is only where it came from"
        }
        None => "there is more than one answer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_in_the_order_of_the_cures() {
        let copies = CopyRoute { store: Some("/var/lib/a b".into()), ..CopyRoute::default() };
        let all = [
            Cure::FixConfig,
            Cure::SetAside,
            Cure::Apply,
            Cure::InitStore("/s".into()),
            Cure::KeepLayers,
            Cure::CleanDependents,
            Cure::CopyImages(copies.clone()),
            Cure::PruneImages(copies),
        ];
        assert!(all.is_sorted());
        assert_eq!(
            all.each_ref().map(|cure| cure.row().id).to_vec(),
            CURES.iter().map(|it| it.id).collect::<Vec<_>>()
        );
        assert_eq!(all[7].command(), "storagectl copy-images --prune --store '/var/lib/a b'");
    }

    #[test]
    fn what_is_for_people_is_sorted_and_no_cure_is_offered_for_it() {
        assert!(FOR_PEOPLE.is_sorted());
        let offered = |id: &str| CURES.iter().any(|row| row.findings.contains(&id));
        assert!(FOR_PEOPLE.iter().all(|(id, _)| !offered(id)));
    }
}
