//! Seeing to it that every generation of engines sees the same change.
//!
//! The main file serves the legacy generation. A drop-in can hide its array from
//! the modern one, so what that generation would read is computed with the
//! planned main file; if it is not what was asked for, a drop-in of our own makes
//! it so: with `{append=true}` where that changes nothing else, else with the
//! full list and `{append=false}`. Append is sticky and changes what later
//! drop-ins mean, which is why the whole list is compared and not only our entry.

use std::path::PathBuf;

use super::refuse::managed_node;
use super::snapshot::{Host, Snapshot};
use super::{After, FileChange, Note, Plan};
use crate::conf::{Document, clean};
use crate::engine::{Profile, ReadFile, Reading, Settings, View, read};
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

/// The names of our own drop-in: the first that is read behind all others that
/// set the array.
const NAMES: [&str; 3] = ["99-storagectl.conf", "zz-storagectl.conf", "~storagectl.conf"];

const HEAD: &str = "# Written by storagectl, for engines that read drop-ins.\n";

/// What becomes of the list of stores: from what an engine sees to what it shall see.
pub(super) type Wanted<'a> = dyn Fn(&[String]) -> Result<Vec<String>, Problem> + 'a;

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
    (served, force): (Serve, bool),
    edit: impl Fn(&Document) -> Result<Option<Document>, Problem>,
    wanted: &Wanted<'_>,
) -> anyhow::Result<Option<Settings>> {
    let edits_main = snapshot.serves_main(host, served);
    let mut after = None;
    if let Some(edited) = edit(&snapshot.doc)?.filter(|_| edits_main) {
        managed_node(host, snapshot, force)?;
        let finished = snapshot.finish(host, edited, edit)?;
        after = Some(Settings::of(&finished.doc).map_err(|fault| snapshot.problem(host, fault))?);
        host.keep(finished.doc);
        plan.notes.extend(finished.notes);
        plan.changes.push(finished.change);
    }
    let served = if edits_main { served } else { Serve::Modern };
    let (changes, notes) = serve(host, snapshot, plan.changes.first(), served, wanted)?;
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
    wanted: &Wanted<'_>,
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
            check(profile, &before, &after, &mut notes, wanted)?;
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
        check(Profile::Podman6, &before, &before, &mut notes, wanted)?;
        return Ok((Vec::new(), notes));
    }
    let own = OwnDropIn::find(host, &before)?;
    let with_own = |text: Option<&str>| {
        let view = planned(host, own.view(host, text), snapshot, main);
        read(&view, &environment, Profile::Podman6)
    };
    let goal = wanted(&cleaned(&before))?;
    for text in own.candidates(&cleaned(&with_own(None)), &goal) {
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

fn cleaned(reading: &Reading) -> Vec<String> {
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
            let goal = wanted(&cleaned(before))?;
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

/// Whether a file may set the list: its text names the key.
fn names_list(file: &ReadFile) -> bool {
    file.text.to_ascii_lowercase().contains("additionalimagestores")
}

/// Our own drop-in: where it is or would be, and what it holds.
struct OwnDropIn {
    path: PathBuf,
    text: Option<String>,
}

impl OwnDropIn {
    /// The one that is there, or the place for a new one beside those that the
    /// modern generation reads now.
    fn find(host: &Host, now: &Reading) -> Result<Self, Problem> {
        let dir = host.drop_in_dir();
        for name in NAMES {
            let path = dir.join(name);
            let read = host.root.read(&path).map_err(host.cannot("read", &path))?;
            if let Some((bytes, _)) = read {
                return Ok(Self { path, text: Some(String::from_utf8_lossy(&bytes).into_owned()) });
            }
        }
        let last = now
            .files
            .iter()
            .filter(|file| names_list(file))
            .filter_map(|file| file.path.file_name()?.to_str())
            .filter(|name| *name != "storage.conf")
            .max()
            .unwrap_or_default();
        let name = NAMES.into_iter().find(|name| *name > last).unwrap_or(NAMES[2]);
        Ok(Self { path: dir.join(name), text: None })
    }

    fn view<'a>(&self, host: &'a Host, text: Option<&str>) -> View<'a> {
        host.view().with(self.path.clone(), text.map(str::to_owned))
    }

    /// What the file could hold, the least first: what it holds, nothing, what is
    /// missing behind the others, everything.
    fn candidates(&self, without: &[String], goal: &[String]) -> Vec<Option<String>> {
        let missing: Vec<&String> = goal.iter().filter(|path| !without.contains(path)).collect();
        let all: Vec<&String> = goal.iter().collect();
        vec![self.text.clone(), None, Some(list(&missing, true)), Some(list(&all, false))]
    }

    fn change(&self, text: Option<String>) -> Option<FileChange> {
        if text == self.text {
            return None;
        }
        Some(FileChange {
            path: self.path.clone(),
            before: self.text.clone(),
            original: None,
            after: text.map_or(After::Nothing, After::Text),
        })
    }
}

fn list(paths: &[&String], append: bool) -> String {
    let mut text = format!("{HEAD}[storage.options]\nadditionalimagestores = [\n");
    for path in paths {
        text += &format!("  {},\n", crate::conf::quoted(path));
    }
    text + &format!("  {{append={append}}},\n]\n")
}
