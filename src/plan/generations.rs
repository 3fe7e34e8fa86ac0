//! Seeing to it that every engine, of every user, sees the same change.
//!
//! The main file serves the legacy generation. A drop-in can hide its array from
//! the modern one, so what that generation would read is computed with the
//! planned main file; if it is not what was asked for, a drop-in of our own makes
//! it so: with `{append=true}` where that changes nothing else, else with the
//! full list and `{append=false}`. Append is sticky and changes what later
//! drop-ins mean, which is why the whole list is compared and not only our entry.
//!
//! The modern generation applies the system's files to normal users, too. They are asked by
//! themselves: what they cannot use they are not given, and where that makes two lists, root
//! and users get a drop-in each, in the directory that is read for them alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::slice;

use super::drop_in::{OwnDropIn, hides_main, names_list};
use super::host::Host;
use super::refuse::managed_node;
use super::snapshot::Snapshot;
use super::{After, FileChange, Note, Plan, roots};
use crate::conf::{self, Document, StoreList, clean};
use crate::engine::{Effect, Profile, Reading, View};
use crate::judgement::{Identity, Reader};
use crate::problem::Problem;

/// Which engines are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServedEngines {
    /// All of them: the main file, and a drop-in where it is needed.
    #[default]
    All,
    /// Those that read the main file alone; drop-ins stay as they are.
    Legacy,
    /// Those that read drop-ins; the main file stays as it is.
    Modern,
}

/// The list of one engine as it is.
pub(super) struct SeenList<'a> {
    /// Our own drop-in as this reader finds it; `None` for the generation that reads none.
    pub(super) own: Option<&'a OwnDropIn>,
    /// The stores that it sees now, cleaned.
    pub(super) now: &'a [String],
    /// Those that it would see with the planned main file and without our own drop-in.
    pub(super) without: &'a [String],
    /// Whether a vendor's drop-in hides the main file's list from it.
    pub(super) hidden_by_vendor: bool,
    /// The stores that drop-ins of others list, whether this reader sees them or not.
    pub(super) theirs: &'a [String],
}

/// What becomes of the list of stores: from what an engine sees to what it shall see.
pub(super) type Wanted<'a> = dyn Fn(&SeenList<'_>) -> Result<Vec<String>, Problem> + 'a;

/// The comment behind a store's entry in this drop-in of ours.
pub(super) type Comment<'a> = dyn Fn(&OwnDropIn, &str) -> Option<String> + 'a;

/// A change of the list, for every engine that is served.
pub(super) struct ListChange<'a> {
    /// The engines.
    pub(super) serve: ServedEngines,
    /// Edit a node that the Machine Config Operator manages.
    pub(super) force: bool,
    /// What is done to the main file; `None` if nothing.
    pub(super) edit: &'a dyn Fn(&Document) -> Result<Option<Document>, Problem>,
    /// What it does to the list that an engine sees.
    pub(super) wanted: &'a Wanted<'a>,
    /// The comment behind an entry of our own drop-in, if it shall be another one
    /// than before.
    pub(super) comment: Option<&'a Comment<'a>>,
    /// The stores that are left out only until they are there again.
    pub(super) missing: &'a [String],
    /// The stores that are there only later.
    pub(super) expected: &'a [String],
}

impl<'a> ListChange<'a> {
    /// A change that somebody asked for.
    pub(super) fn by_hand(
        serve: ServedEngines,
        force: bool,
        edit: &'a dyn Fn(&Document) -> Result<Option<Document>, Problem>,
        wanted: &'a Wanted<'a>,
    ) -> Self {
        Self { serve, force, edit, wanted, comment: None, missing: &[], expected: &[] }
    }
}

/// Plans a change of the list for every engine that is served: `edit` is made in
/// the main file, unless nothing reads it, and `wanted` is what it does to the
/// list that an engine sees. Returns the stores that the main file lists then, if it changes.
///
/// # Errors
/// Those of `edit` and `wanted`, and a [`Problem`] if an engine would not see it.
pub(super) fn apply(
    host: &Host,
    snapshot: &Snapshot,
    plan: &mut Plan,
    change: &ListChange<'_>,
) -> anyhow::Result<Option<Vec<String>>> {
    let edits_main = snapshot.serves_main(host, change.serve);
    let mut after = None;
    if let Some(edited) = (change.edit)(&snapshot.doc)?.filter(|_| edits_main) {
        managed_node(host, snapshot, change.force)?;
        let finished = snapshot.finish(host, edited, change.edit)?;
        after = Some(StoreList::paths(&finished.doc).map_err(|fault| snapshot.problem(host, fault))?);
        host.cache_document(finished.doc);
        plan.notes.extend(finished.notes);
        plan.changes.push(finished.change);
    }
    let serve = if edits_main { change.serve } else { ServedEngines::Modern };
    let marked = conf::listed(&snapshot.doc).unwrap_or_default().into_iter();
    let marks = marked.filter_map(|entry| Some((clean(&entry.path), entry.mark?.text()))).collect();
    Served { host, snapshot, change, serve, marks }.plan(plan)?;
    Ok(after)
}

/// The host with a plan laid over it.
pub(super) fn planned<'a>(
    host: &Host,
    view: View<'a>,
    snapshot: &Snapshot,
    changes: &[FileChange],
) -> View<'a> {
    changes.iter().fold(view, |view, change| {
        let text = match &change.after {
            After::Text(text) => Some(text.clone()),
            After::Nothing => None,
            // It leads to the file that the document was copied from, all but the added stores.
            After::Link(_) => snapshot.original_text(host),
        };
        view.with(change.path.clone(), text)
    })
}

/// What is planned for every engine beside the change of the main file.
struct Served<'a> {
    host: &'a Host,
    snapshot: &'a Snapshot,
    change: &'a ListChange<'a>,
    serve: ServedEngines,
    /// The comments behind entries of the main file that are a declaration's.
    marks: BTreeMap<String, String>,
}

impl Served<'_> {
    /// Adds the changes that make engines see what is wanted, and what there is to say.
    ///
    /// # Errors
    /// A [`Problem`] if an engine would not see it, or would see anything else change.
    fn plan(&self, plan: &mut Plan) -> Result<(), Problem> {
        let (modern, legacy): (Vec<Reader>, Vec<Reader>) =
            self.host.readers().into_iter().partition(|reader| reader.profile.is_modern());
        if self.serve != ServedEngines::Modern {
            for reader in legacy {
                let before = reader.read(&self.host.view());
                let after = reader.read(&planned(self.host, self.host.view(), self.snapshot, &plan.changes));
                self.compare(&reader, &before, &after)?;
                if reader.profile == Profile::Podman5 {
                    plan.notes.extend(twice(&after));
                }
            }
        }
        if self.host.config.is_some() {
            return Ok(());
        }
        if let Some(user) = modern.iter().find(|reader| reader.is_of_users()) {
            plan.changes.extend(roots::restored_roots(self.host, self.snapshot, &plan.changes, user)?);
        }
        if self.serve == ServedEngines::Legacy {
            return Ok(());
        }
        let main = plan.changes.clone();
        let mut found: Vec<(OwnDropIn, Option<String>)> = Vec::new();
        for reader in &modern {
            found.push(self.of_reader(reader, &main, plan)?);
        }
        let texts: Vec<(&OwnDropIn, Option<String>)> =
            found.iter().map(|(own, text)| (own, text.clone())).collect();
        // What keeps a store from users is there before the store is listed.
        let of_users = found.iter().zip(&modern).filter(|(_, reader)| reader.is_of_users());
        let for_users: Vec<PathBuf> = of_users.filter_map(|((own, _), _)| own.alone.clone()).collect();
        let (first, then): (Vec<_>, Vec<_>) = OwnDropIn::changes(self.host, &texts)?
            .into_iter()
            .partition(|change| change.after != After::Nothing && for_users.contains(&change.path));
        plan.changes.splice(0..0, first);
        plan.changes.extend(then);
        Ok(())
    }

    /// What our own drop-in shall hold for one reader.
    fn of_reader(
        &self,
        reader: &Reader,
        main: &[FileChange],
        plan: &mut Plan,
    ) -> Result<(OwnDropIn, Option<String>), Problem> {
        let host = self.host;
        let before = reader.read(&host.view());
        let own = OwnDropIn::find(host, &before, reader.identity)?;
        if before.failure().is_some() {
            let text = own.text.clone();
            return Ok((own, text));
        }
        let inits = plan.inits.iter().map(|(path, _)| path.display().to_string());
        let later: Vec<String> = inits.chain(self.change.expected.iter().cloned()).collect();
        let with_own = |text: Option<&str>| {
            planned(host, own.view(host, text), self.snapshot, main).expecting(later.clone())
        };
        let alone = reader.read(&with_own(None));
        let without = cleaned(&alone);
        // What a user's own file hides of the system's cannot follow it: a copy would stay
        // when the system's entry goes, and stop that user's engines.
        let hides =
            reader.identity == Identity::ThisUser && main.iter().any(|change| change.before.is_none());
        let now = if hides { without.clone() } else { cleaned(&before) };
        for path in cleaned(&before).iter().filter(|path| !now.contains(path)) {
            let message = format!(
                "`{}` hides the system's list from podman 6, which does not see `{path}` any more",
                host.show(&self.snapshot.path)
            );
            let hint = "`storagectl show-config` shows which file sets the list";
            plan.notes.push(Note::warning("store-unseen", message, hint));
        }
        let seen = SeenList {
            own: Some(&own),
            now: &now,
            without: &without,
            hidden_by_vendor: hides_main(&alone, &own).is_some_and(|file| file.starts_with("/usr")),
            theirs: &own.others(&before),
        };
        let mut goal = (self.change.wanted)(&seen)?;
        // What was left out for this reason is so still, unless this very change takes it off.
        let mut closed: Vec<String> = Vec::new();
        for path in own.closed().into_iter().filter(|path| !goal.contains(path)) {
            let now = [now.as_slice(), slice::from_ref(&path)].concat();
            if (self.change.wanted)(&SeenList { now: &now, ..seen })?.contains(&path) {
                closed.push(path);
            }
        }
        // What this user cannot use is left out, one after the other; nothing that was there is.
        loop {
            let text = self.text_for(reader, &own, &without, (&goal, &closed), &with_own)?;
            let judged = reader.judge(&with_own(text.as_deref()));
            let useless = |path: &&String| {
                !now.contains(path)
                    && judged.about(path).any(|reason| !matches!(reason.effect, Effect::Loses(..)))
            };
            match goal.iter().find(useless).cloned() {
                Some(path) if reader.is_of_users() => {
                    goal.retain(|other| *other != path);
                    closed.push(path);
                }
                _ => {
                    plan.notes.extend(twice(&judged.reading));
                    return Ok((own, text));
                }
            }
        }
    }

    /// The least that makes a reader see exactly `goal`.
    fn text_for<'v>(
        &self,
        reader: &Reader,
        own: &OwnDropIn,
        without: &[String],
        (goal, closed): (&[String], &[String]),
        with_own: &dyn Fn(Option<&str>) -> View<'v>,
    ) -> Result<Option<String>, Problem> {
        for text in own.candidates(without, goal, closed, self.change, &self.marks) {
            let after = reader.read(&with_own(text.as_deref()));
            if after.failure().is_none() && cleaned(&after) == goal {
                return Ok(text);
            }
        }
        let after = reader.read(&with_own(own.text.as_deref()));
        Err(own.refused().unwrap_or_else(|| unseen(self.host, own, &after)))
    }

    /// Compares what an engine that reads the main file alone sees with what it should. Of
    /// one that stops, the judgement says more.
    fn compare(&self, reader: &Reader, before: &Reading, after: &Reading) -> Result<(), Problem> {
        if before.failure().is_some() || after.failure().is_some() {
            return Ok(());
        }
        let now = cleaned(before);
        let seen = SeenList { own: None, now: &now, without: &now, hidden_by_vendor: false, theirs: &[] };
        if cleaned(after) == (self.change.wanted)(&seen)? {
            return Ok(());
        }
        let profile = reader.profile;
        Err(Problem::new(
            "store-unseen",
            format!("{profile} would not see that change: it reads {:?}", after.paths()),
            format!("`storagectl show-config --engine {profile} --origin` shows where its list comes from"),
        ))
    }
}

pub(super) fn cleaned(reading: &Reading) -> Vec<String> {
    reading.paths().into_iter().map(clean).collect()
}

/// Whether everybody whose engine works with this copy has one that works without it: podman 4
/// stops on an original that lacks what the copy was given.
pub(super) fn can_do_without(host: &Host, snapshot: &Snapshot) -> bool {
    if host.config.is_some() {
        return true;
    }
    let original = match &snapshot.head {
        Some(head) if head.link.is_some() => snapshot.original_text(host),
        _ => None,
    };
    let without = host.view().with(snapshot.path.clone(), original);
    host.goes_on_working(&without)
}

/// A warning for each store that an engine sees more than once.
fn twice(reading: &Reading) -> Vec<Note> {
    let paths = cleaned(reading);
    let mut seen = std::collections::BTreeSet::new();
    let again = paths.iter().filter(|path| !seen.insert(*path));
    let warning = |path: &String| {
        let message = format!("{} sees `{path}` twice and lists each of its images twice", reading.profile);
        Note::warning("store-twice", message, "`storagectl check-config --fix` removes what is too much")
    };
    again.map(warning).collect()
}

fn unseen(host: &Host, own: &OwnDropIn, after: &Reading) -> Problem {
    let hides = after.files.iter().rfind(|file| !own.is_at(&file.path) && names_list(file));
    let what = match hides {
        Some(file) => format!(
            "podman 6 would not see that change: `{}` sets the list after everything else",
            host.show(&file.path)
        ),
        None => "podman 6 would not see that change".to_owned(),
    };
    Problem::new(
        "store-unseen",
        what,
        "add the store there, or give that file `{append=true}`; `--engine legacy` leaves podman 6 out",
    )
}
