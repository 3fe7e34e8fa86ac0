//! Making the configuration follow the declarations.
//!
//! Whose an entry is stands behind it in the file, so that it is known after
//! ostree's merge of /etc, a rollback or a factory reset, when a record elsewhere
//! would speak of another system. An entry with a mark that nobody declares any
//! more goes; one without a mark is somebody's own and stays.

mod decide;
mod known;
mod main_file;
mod modern;
mod results;

use super::commit::{CommitMode, PlanOutcome, change};
use super::drop_in::OwnDropIn;
use super::generations::{self, ListChange, SeenList, ServedEngines};
use super::host::Host;
use super::rebase::Basis;
use super::snapshot::Snapshot;
use super::verify::verify;
use super::{Note, Plan, StoreResult};
use crate::conf::{self, Document, Mark, MarkedEntry, clean};
use crate::declare::Declarations;
use decide::Decision;
use known::CurrentStores;
use main_file::followed;

/// How declarations are followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApplyOptions {
    /// The system is starting and no engine runs yet: what would keep every engine
    /// from starting is set aside.
    pub boot: bool,
    /// That is set aside also while the system runs: somebody says that it does not come.
    pub set_aside: bool,
}

impl ApplyOptions {
    /// Whether entries are set aside whose directories are gone.
    fn sets_aside(self) -> bool {
        self.boot || self.set_aside
    }
}

/// Lists the stores that are declared and there, and takes off those that were
/// listed for a declaration that is gone.
///
/// # Errors
/// A [`crate::problem::Problem`] if the configuration cannot be read or an engine would not
/// follow; nothing is written then.
pub fn apply(
    host: &Host,
    declarations: &Declarations,
    options: ApplyOptions,
    mode: CommitMode,
) -> anyhow::Result<PlanOutcome> {
    change(host, mode, |snapshot| plan(host, snapshot, declarations, options))
}

/// The stores whose entries `apply` has set aside, since their directories are gone.
pub fn set_aside(host: &Host) -> anyhow::Result<Vec<String>> {
    let snapshot = host.snapshot()?;
    let asides = conf::asides(&snapshot.doc).map_err(|fault| snapshot.problem(host, fault))?;
    let mut paths: Vec<String> = asides.into_iter().map(|aside| clean(&aside.path)).collect();
    if host.config.is_none() {
        for reader in host.readers().into_iter().filter(|reader| reader.profile.is_modern()) {
            let own = OwnDropIn::find(host, &reader.read(&host.view()), reader.identity)?;
            let missing = own.missing().into_iter().filter(|path| !paths.contains(path));
            paths.extend(missing.collect::<Vec<_>>());
        }
    }
    Ok(paths)
}

fn plan(
    host: &Host,
    snapshot: &Snapshot,
    declarations: &Declarations,
    options: ApplyOptions,
) -> anyhow::Result<Plan> {
    let follow = |basis: &Snapshot, by_hand: &[String]| {
        ApplyInputs { host, snapshot, basis, by_hand, declarations, options }.plan()
    };
    let path = host.show(&snapshot.path);
    let warn = |plan: &mut Plan, from: &str, why: String| {
        let message = format!("`{path}` does not follow `{from}`, which has changed: {why}");
        plan.notes.push(Note::warning("stale-copy", message, format!("`diff {from} {path}` shows both")));
    };
    match snapshot.basis(host)? {
        Basis::Same => follow(snapshot.adopted(host)?.as_ref().unwrap_or(snapshot), &[]),
        Basis::Renewed(renewed, by_hand) => follow(&renewed, &by_hand).or_else(|error| {
            let mut plan = follow(snapshot, &[])?;
            let file = host.show(renewed.file());
            warn(&mut plan, &file, error.to_string());
            Ok(plan)
        }),
        Basis::Diverged(from) => {
            let mut plan = follow(snapshot, &[])?;
            warn(&mut plan, &from, "somebody edited both the copy and the original".to_owned());
            Ok(plan)
        }
    }
}

/// Everything that one plan is made from.
struct ApplyInputs<'a> {
    host: &'a Host,
    /// The main file as it is.
    snapshot: &'a Snapshot,
    /// What is edited.
    basis: &'a Snapshot,
    /// Stores that an administrator had added to a file that is made anew.
    by_hand: &'a [String],
    declarations: &'a Declarations,
    options: ApplyOptions,
}

/// What is planned for the list.
struct Planned<'a> {
    decided: &'a Decision,
    /// What the main file is going to list.
    main_after: Vec<MarkedEntry>,
    /// The stores without an owner that are left out while they are gone.
    gone: Vec<String>,
}

impl ApplyInputs<'_> {
    fn plan(&self) -> anyhow::Result<Plan> {
        let Self { host, basis, .. } = *self;
        let known = self.current_stores()?;
        let CurrentStores { before, marks, .. } = &known;
        let decided = self.decide(&known)?;
        let edit =
            |doc: &Document| self.edit(doc, &decided.wants).map_err(|fault| basis.problem(host, fault));
        let main_before: Vec<String> = before.iter().map(|path| clean(path)).collect();
        let edited = edit(&basis.doc)?;
        let main_after = conf::listed(edited.as_ref().unwrap_or(&basis.doc))
            .map_err(|fault| basis.problem(host, fault))?;
        let planned = Planned { decided: &decided, main_after, gone: self.gone(&known) };
        let shall_see = |seen: &SeenList<'_>| {
            Ok(match seen.own {
                Some(own) => self.modern(seen, own, &known, &planned),
                None => followed(seen.now, &main_before, &planned.main_after),
            })
        };
        let comment = |own: &OwnDropIn, path: &str| {
            // It is written where nothing else lists the store for this reader.
            let by_hand = own.lists_by_hand(path);
            match decided.wants.iter().find(|want| want.path == path && !by_hand) {
                Some(want) => Some(want.mark.text()),
                None => marks.get(path)?.as_ref().map(Mark::text),
            }
        };
        let mut plan = Plan::default();
        let change = ListChange {
            serve: ServedEngines::All,
            force: false,
            edit: &edit,
            wanted: &shall_see,
            comment: Some(&comment),
            missing: &planned.gone,
            expected: &decided.expected,
        };
        generations::apply(host, basis, &mut plan, &change)?;
        plan.notes.extend(verify(host, basis, &plan, &decided.expected)?);
        plan.stores = self.results(&known, &planned);
        plan.notes.extend(self.seen_again(&plan, &known));
        let tells = |(_, result): &(String, StoreResult)| {
            use StoreResult::{Added, Moved, PutBack, Removed, SetAside};
            matches!(result, Added | Moved | Removed | SetAside | PutBack)
        };
        if !plan.stores.iter().any(tells)
            && !plan.notes.iter().any(|note| matches!(note, Note::First(_) | Note::Then(_)))
        {
            for file in &plan.changes {
                plan.notes.push(Note::Then(format!("brought `{}` up to date", host.show(&file.path))));
            }
        }
        Ok(plan)
    }

    /// Whether the declaration of this name could not be read: what it had declared stays.
    fn keeps(&self, mark: &Mark) -> bool {
        self.declarations.faulty.contains(&mark.name)
    }
}
