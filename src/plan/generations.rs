//! Seeing to it that every generation of engines sees the same change.
//!
//! The main file serves the legacy generation. A drop-in can hide its array from
//! the modern one, so what that generation would read is computed with the
//! planned main file; if it is not what was asked for, a drop-in of our own makes
//! it so: with `{append=true}` where that changes nothing else, else with the
//! full list and `{append=false}`. Append is sticky and changes what later
//! drop-ins mean, which is why the whole list is compared and not only our entry.

use super::drop_in::{OwnDropIn, hides_main, names_list};
use super::refuse::managed_node;
use super::snapshot::{Host, Snapshot};
use super::{After, FileChange, Note, Plan};
use crate::conf::{Document, clean};
use crate::engine::{Profile, Reading, Settings, View, read};
use crate::problem::Problem;

/// Which engines are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Serve {
    /// All of them: the main file, and a drop-in where it is needed.
    #[default]
    All,
    /// Those that read the main file alone; drop-ins stay as they are.
    Legacy,
    /// Those that read drop-ins; the main file stays as it is.
    Modern,
}

/// The list of one engine as it is.
pub(super) struct Seen<'a> {
    /// Whether it is the generation that reads drop-ins.
    pub(super) modern: bool,
    /// The stores that it sees now, cleaned.
    pub(super) now: &'a [String],
    /// Those that it would see with the planned main file and without our own drop-in.
    pub(super) without: &'a [String],
    /// Whether a vendor's drop-in hides the main file's list from it.
    pub(super) hidden_by_vendor: bool,
}

/// What becomes of the list of stores: from what an engine sees to what it shall see.
pub(super) type Wanted<'a> = dyn Fn(&Seen<'_>) -> Result<Vec<String>, Problem> + 'a;

/// The comment behind a store's entry.
pub(super) type Comment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A change of the list, for every engine that is served.
pub(super) struct Change<'a> {
    /// The engines.
    pub(super) serve: Serve,
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
}

impl<'a> Change<'a> {
    /// A change that somebody asked for.
    pub(super) fn by_hand(
        serve: Serve,
        force: bool,
        edit: &'a dyn Fn(&Document) -> Result<Option<Document>, Problem>,
        wanted: &'a Wanted<'a>,
    ) -> Self {
        Self { serve, force, edit, wanted, comment: None, missing: &[] }
    }
}

/// Plans a change of the list for every engine that is served: `edit` is made in
/// the main file, unless nothing reads it, and `wanted` is what it does to the
/// list that an engine sees. Returns what the main file says then, if it changes.
///
/// # Errors
/// Those of `edit` and `wanted`, and a [`Problem`] if an engine would not see it.
pub(super) fn apply(
    host: &Host,
    snapshot: &Snapshot,
    plan: &mut Plan,
    change: &Change<'_>,
) -> anyhow::Result<Option<Settings>> {
    let edits_main = snapshot.serves_main(host, change.serve);
    let mut after = None;
    if let Some(edited) = (change.edit)(&snapshot.doc)?.filter(|_| edits_main) {
        managed_node(host, snapshot, change.force)?;
        let finished = snapshot.finish(host, edited, change.edit)?;
        after = Some(Settings::of(&finished.doc).map_err(|fault| snapshot.problem(host, fault))?);
        host.keep(finished.doc);
        plan.notes.extend(finished.notes);
        plan.changes.push(finished.change);
    }
    let served = if edits_main { change.serve } else { Serve::Modern };
    let (changes, notes) = serve(host, snapshot, plan.changes.first(), served, change)?;
    plan.changes.extend(changes);
    plan.notes.extend(notes);
    Ok(after)
}

/// The changes that make engines see what is wanted, beside the one of the main
/// file (`main`), and what there is to say.
///
/// # Errors
/// A [`Problem`] if an engine would not see it, or would see anything else change.
fn serve(
    host: &Host,
    snapshot: &Snapshot,
    main: Option<&FileChange>,
    serve: Serve,
    change: &Change<'_>,
) -> Result<(Vec<FileChange>, Vec<Note>), Problem> {
    if host.config.is_some() {
        return Ok((Vec::new(), Vec::new()));
    }
    let environment = host.environment();
    let mut notes = Vec::new();
    if serve != Serve::Modern {
        for profile in [Profile::Podman4, Profile::Podman5, Profile::Crio] {
            let before = host.reading(profile);
            let after = read(&planned(host, host.view(), snapshot, main), &environment, profile);
            check(profile, &before, &after, &mut notes, change.wanted)?;
            if profile == Profile::Podman5 {
                notes.extend(twice(&after));
            }
        }
    }
    if serve == Serve::Legacy {
        return Ok((Vec::new(), notes));
    }
    let before = host.reading(Profile::Podman6);
    if before.failure.is_some() {
        check(Profile::Podman6, &before, &before, &mut notes, change.wanted)?;
        return Ok((Vec::new(), notes));
    }
    let own = OwnDropIn::find(host, &before)?;
    let with_own = |text: Option<&str>| {
        let view = planned(host, own.view(host, text), snapshot, main);
        read(&view, &environment, Profile::Podman6)
    };
    let alone = with_own(None);
    let without = cleaned(&alone);
    let seen = Seen {
        modern: true,
        now: &cleaned(&before),
        without: &without,
        hidden_by_vendor: hides_main(&alone, &own.path).is_some_and(|file| file.starts_with("/usr")),
    };
    let goal = (change.wanted)(&seen)?;
    for text in own.candidates(&without, &goal, change) {
        let after = with_own(text.as_deref());
        if after.failure.is_none() && cleaned(&after) == goal {
            notes.extend(twice(&after));
            return Ok((own.change(text).into_iter().collect(), notes));
        }
    }
    Err(unseen(host, &own, &with_own(own.text.as_deref())))
}

/// The files as they would be with the main file changed.
fn planned<'a>(host: &Host, view: View<'a>, snapshot: &Snapshot, main: Option<&FileChange>) -> View<'a> {
    let Some(change) = main else {
        return view;
    };
    let text = match &change.after {
        After::Text(text) => Some(text.clone()),
        After::Nothing => None,
        // It leads to the file that the document was copied from, all but the added stores.
        After::Link(_) => snapshot.original_text(host),
    };
    view.with(change.path.clone(), text)
}

pub(super) fn cleaned(reading: &Reading) -> Vec<String> {
    reading.paths().into_iter().map(clean).collect()
}

/// Whether every engine that starts with this copy starts without it: podman 4
/// stops on an original that lacks what the copy was given.
pub(super) fn can_do_without(host: &Host, snapshot: &Snapshot) -> bool {
    if host.config.is_some() {
        return true;
    }
    let original = match &snapshot.head {
        Some(head) if head.link.is_some() => snapshot.original_text(host),
        _ => None,
    };
    Profile::ALL.into_iter().all(|profile| {
        let without = host.view().with(snapshot.path.clone(), original.clone());
        host.reading(profile).failure.is_some()
            || read(&without, &host.environment(), profile).failure.is_none()
    })
}

/// A warning for each store that an engine sees more than once.
fn twice(reading: &Reading) -> Vec<Note> {
    let paths = cleaned(reading);
    let mut seen = std::collections::BTreeSet::new();
    let again = paths.iter().filter(|path| !seen.insert(*path));
    let warning = |path: &String| {
        let what = format!("{} sees `{path}` twice and lists each of its images twice", reading.profile);
        Note::Warning(
            "store-twice",
            format!("{what}: `storagectl check-config --fix` removes what is too much"),
        )
    };
    again.map(warning).collect()
}

/// Compares what one engine sees with what it should.
fn check(
    profile: Profile,
    before: &Reading,
    after: &Reading,
    notes: &mut Vec<Note>,
    wanted: &Wanted<'_>,
) -> Result<(), Problem> {
    match (&before.failure, &after.failure) {
        // What stops podman 4 alone, check-config tells: most hosts do not have it.
        (Some(_), Some(_)) if profile == Profile::Podman4 => Ok(()),
        (Some(old), Some(_)) => {
            let place = old.place.as_ref().map(|(file, line)| format!(" (`{}` line {line})", file.display()));
            let what = format!(
                "{profile} stops on this host, before and after: {}{}",
                old.message,
                place.unwrap_or_default()
            );
            notes.push(Note::Warning("engine-stops", what));
            Ok(())
        }
        (None, Some(new)) => Err(Problem::new(
            "engine-stops",
            format!("{profile} would stop: {}", new.message),
            "nothing was changed; `storagectl show-config` shows what each engine reads",
        )),
        (Some(_), None) => Ok(()),
        (None, None) => {
            let now = cleaned(before);
            let seen = Seen { modern: false, now: &now, without: &now, hidden_by_vendor: false };
            let goal = wanted(&seen)?;
            if cleaned(after) == goal {
                return Ok(());
            }
            Err(Problem::new(
                "store-unseen",
                format!("{profile} would not see that change: it reads {:?}", after.paths()),
                format!(
                    "`storagectl show-config --engine {profile} --origin` shows where its list comes from"
                ),
            ))
        }
    }
}

fn unseen(host: &Host, own: &OwnDropIn, after: &Reading) -> Problem {
    let hides = after.files.iter().rfind(|file| file.path != own.path && names_list(file));
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
