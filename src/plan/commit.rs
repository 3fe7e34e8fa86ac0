//! Carrying a plan out, under the lock.

use std::path::Path;
use std::time::Duration;

use super::directory;
use super::host::Host;
use super::snapshot::{Snapshot, refuse_vendor_file};
use super::{After, Note, Plan, StoreResult};
use crate::problem::{Problem, words};
use crate::store;
use crate::sys::{self, Lock, LockError, NewContent, ReplaceError, Resolved, Stat};

/// Whether a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitMode {
    /// Carry it out.
    Commit,
    /// Stop before that.
    DryRun,
}

/// What was planned, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOutcome {
    /// The plan.
    pub plan: Plan,
    /// Whether anything on disk is different now.
    pub committed: bool,
    /// Extended attributes that the new file could not be given.
    pub lost_attributes: Vec<String>,
}

/// How long another writer is waited for. Each holds the lock for some
/// milliseconds, so this many are a sign that something is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the file may be changed by somebody else, who knows no lock, while
/// we plan.
const ATTEMPTS: usize = 10;

/// Makes a plan and, unless `mode` is a dry run, carries it out: read, plan and
/// write happen under the lock of the directory that holds the file.
///
/// # Errors
/// Those of `plan`, and a [`Problem`] if the file cannot be replaced. The old
/// file is intact then.
pub(super) fn change(
    host: &Host,
    mode: CommitMode,
    plan: impl Fn(&Snapshot) -> anyhow::Result<Plan>,
) -> anyhow::Result<PlanOutcome> {
    let plan = |snapshot: &Snapshot| -> anyhow::Result<Plan> {
        let mut planned = plan(snapshot)?;
        host.is_reliable()?;
        planned.notes.extend(left_by_updates(host, &planned)?);
        Ok(planned)
    };
    let outcome = |plan, committed| Ok(PlanOutcome { plan, committed, lost_attributes: Vec::new() });
    if mode == CommitMode::DryRun {
        return outcome(plan(&host.snapshot()?)?, false);
    }
    let result = attempts(host, plan);
    if result.is_err()
        && let Ok(main) = host.main_file()
    {
        directory::settle(host, &main);
    }
    result
}

/// What there is to say of stores that come with an image and do not come with its updates, when
/// they are listed.
fn left_by_updates(host: &Host, plan: &Plan) -> anyhow::Result<Vec<Note>> {
    let mut notes = Vec::new();
    for (path, _) in plan.stores.iter().filter(|(_, result)| *result == StoreResult::Added) {
        let is_made = plan.inits.iter().any(|(made, _)| made == Path::new(path));
        let looked = store::left_by_updates(&host.root, Path::new(path), is_made);
        if let Some(real) = looked.map_err(host.cannot("look at", Path::new(path)))? {
            let (message, hint) = store::in_var_message(path, &real);
            notes.push(Note::warning("store-in-var", message, hint));
        }
    }
    Ok(notes)
}

/// Plans and makes the changes as often as somebody else comes in between.
fn attempts(host: &Host, plan: impl Fn(&Snapshot) -> anyhow::Result<Plan>) -> anyhow::Result<PlanOutcome> {
    let outcome = |plan, committed| Ok(PlanOutcome { plan, committed, lost_attributes: Vec::new() });
    let mut has_made = false;
    for _ in 0..ATTEMPTS {
        let main = host.main_file()?;
        let Some(dir) = host.locate()?.target else {
            directory::settle(host, &main);
            // Nothing to lock yet. Make the directory only if there is something to write.
            let planned = plan(&host.snapshot()?)?;
            if planned.changes.is_empty() {
                let committed = carry_out_inits(host, &planned, &mut Done::default())?;
                return outcome(planned, committed);
            }
            let parent = main.parent().unwrap_or(Path::new("/"));
            if let Err(error) = directory::make(host, parent) {
                directory::settle(host, &main);
                return Err(Problem::io("create the directory", &host.show(parent), &error).into());
            }
            has_made = true;
            continue;
        };
        let lock = lock(host, &dir)?;
        if !std::mem::take(&mut has_made) {
            directory::settle(host, &main);
        }
        let carried_out = carry_out(host, &dir, &plan);
        directory::settle(host, &main);
        drop(lock);
        if let Some(outcome) = carried_out? {
            return Ok(outcome);
        }
    }
    Err(busy(host)?.into())
}

/// Plans under the lock of `dir`, and makes the changes; `None` if somebody else has changed
/// something meanwhile.
fn carry_out(
    host: &Host,
    dir: &Resolved,
    plan: impl Fn(&Snapshot) -> anyhow::Result<Plan>,
) -> anyhow::Result<Option<PlanOutcome>> {
    let snapshot = host.snapshot()?;
    let Some(target) = &snapshot.target else {
        return Ok(None);
    };
    if !target.is_same(dir).map_err(host.cannot("look at", &target.path))? {
        // The symlink was switched, or the directory made anew, while we waited.
        return Ok(None);
    }
    sys::clean_up(&target.dir, target.name());
    let planned = plan(&snapshot)?;
    let mut done = Done::default();
    let has_inits = carry_out_inits(host, &planned, &mut done)?;
    let main = (&*snapshot.path, target, snapshot.found);
    let Some(lost_attributes) = write(host, &planned, Some(main), &mut done)? else { return Ok(None) };
    let committed = has_inits || !planned.changes.is_empty();
    Ok(Some(PlanOutcome { plan: planned, committed, lost_attributes }))
}

/// Makes the changes of a plan, each only while its file is still what was planned from; `None` if
/// one is not. Gives the extended attributes that were lost. Of the `main` file it is known where
/// it is written, and what stood there before it was read.
fn write(
    host: &Host,
    planned: &Plan,
    main: Option<(&Path, &Resolved, Option<Stat>)>,
    done: &mut Done,
) -> anyhow::Result<Option<Vec<String>>> {
    let mut lost_attributes = Vec::new();
    for change in &planned.changes {
        let other;
        let (target, found) = match main.filter(|(path, ..)| *path == change.path) {
            Some((_, target, found)) => (target, found),
            None => {
                other = place(host, &change.path).map_err(|problem| done.with_what_was_done(problem))?;
                refuse_vendor_file(host, &other.0.path)?;
                // Looked at before it is read again: a change in between shows in `replace`.
                let now = host.root.read(&other.0.path).map_err(host.cannot("read", &other.0.path))?;
                if now.as_ref().map(|(bytes, _)| bytes.as_slice())
                    != change.before.as_deref().map(str::as_bytes)
                {
                    return Ok(None);
                }
                (&other.0, other.1)
            }
        };
        let content = match &change.after {
            After::Text(text) => NewContent::File(text.as_bytes()),
            After::Link(link) => NewContent::Symlink(link),
            After::Nothing => {
                directory::leave(host, &change.path, change.before.as_deref().unwrap_or_default());
                NewContent::Nothing
            }
        };
        match sys::replace(&target.dir, target.name(), found.as_ref(), content) {
            Ok(replaced) => lost_attributes.extend(replaced.lost_attributes),
            Err(ReplaceError::Changed) => return Ok(None),
            Err(error) => {
                return Err(done.with_what_was_done(replace_problem(host, &target.path, error)).into());
            }
        }
        done.push(host.show(&change.path), "was changed");
    }
    Ok(Some(lost_attributes))
}

/// Makes a plan that needs no snapshot of the main file, since that may be what
/// is wrong, and carries it out under the same lock.
///
/// # Errors
/// Those of `plan`, and a [`Problem`] if a file cannot be replaced.
pub fn rewrite(
    host: &Host,
    mode: CommitMode,
    plan: impl Fn() -> anyhow::Result<Plan>,
) -> anyhow::Result<PlanOutcome> {
    if mode == CommitMode::DryRun {
        return Ok(PlanOutcome { plan: plan()?, committed: false, lost_attributes: Vec::new() });
    }
    for _ in 0..ATTEMPTS {
        let dir = host.locate()?.target;
        let _lock = dir.as_ref().map(|dir| lock(host, dir)).transpose()?;
        if let Some(dir) = &dir {
            sys::clean_up(&dir.dir, dir.name());
            directory::settle(host, &host.main_file()?);
        }
        let planned = plan()?;
        if let Some(lost_attributes) = write(host, &planned, None, &mut Done::default())? {
            let committed = !planned.changes.is_empty();
            return Ok(PlanOutcome { plan: planned, committed, lost_attributes });
        }
    }
    Err(busy(host)?.into())
}

fn lock(host: &Host, dir: &Resolved) -> anyhow::Result<Lock> {
    sys::lock(&host.root, &dir.dir, PATIENCE).map_err(|error| lock_problem(host, dir, error))
}

/// What has been done before something else could not be.
#[derive(Default)]
struct Done(Vec<String>);

impl Done {
    fn push(&mut self, shown: impl std::fmt::Display, what: &str) {
        self.0.push(format!("`{shown}` {what}"));
    }

    fn with_what_was_done(&self, mut problem: Problem) -> Problem {
        if !self.0.is_empty() {
            problem.message.push_str(&format!("; before that, {}", self.0.join(" and ")));
        }
        problem
    }
}

fn busy(host: &Host) -> anyhow::Result<Problem> {
    let file = host.show(&host.main_file()?);
    Ok(Problem::new(
        "busy",
        format!("another process keeps changing `{file}`"),
        "stop what writes to it and try again",
    ))
}

/// Where a drop-in is written, in a directory that is made if it is missing, and
/// what stands there.
fn place(host: &Host, path: &Path) -> Result<(Resolved, Option<Stat>), Problem> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    directory::make(host, dir).map_err(host.cannot("create the directory", dir))?;
    let at = host.root.resolve(path).map_err(host.cannot("look at", path))?;
    let found = host.root.stat_link(&at).map_err(host.cannot("look at", path))?;
    Ok((at, found))
}

fn carry_out_inits(host: &Host, plan: &Plan, done: &mut Done) -> anyhow::Result<bool> {
    let mut made = false;
    for (path, driver) in &plan.inits {
        if !store::init(&host.root, path, driver, false)?.is_empty() {
            done.push(host.show(path), "became an image store");
            made = true;
        }
    }
    Ok(made)
}

fn lock_problem(host: &Host, dir: &Resolved, error: LockError) -> anyhow::Error {
    let shown = host.show(dir.parent());
    match error {
        LockError::Busy => Problem::new(
            "busy",
            format!("another process has kept `{shown}` locked for {} seconds", PATIENCE.as_secs()),
            format!("`fuser {shown}` or `lslocks` shows which one"),
        )
        .into(),
        LockError::Io(error) => Problem::io("lock", &shown, &error).into(),
    }
}

fn replace_problem(host: &Host, path: &Path, error: ReplaceError) -> Problem {
    let shown = host.show(path);
    let (doing, error) = match error {
        ReplaceError::Io(doing, error) => (doing, error),
        ReplaceError::Unsynced(error) => {
            return Problem::new(
                "not-synced",
                format!("`{shown}` is changed, but its directory could not be synced: {}", words(&error)),
                "check the disk: after a power cut the old file may be back",
            );
        }
        ReplaceError::Mounted | ReplaceError::Changed => {
            return Problem::new(
                "file-mounted",
                format!("`{shown}` cannot be replaced: another file is mounted over it"),
                "edit the file where it is mounted from: on the host, if this is a container",
            );
        }
    };
    let mut problem = Problem::io(doing, &shown, &error);
    problem.message.push_str("; it is as it was");
    problem
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::plan::FileChange;
    use crate::sys::Root;

    #[test]
    fn a_file_that_somebody_changes_meanwhile_is_planned_again() {
        let tree = tempfile::tempdir().unwrap();
        let host = Host::new(Root::tree(tree.path()).unwrap(), None);
        std::fs::create_dir_all(tree.path().join("etc/containers/storage.conf.d")).unwrap();
        let path = Path::new("/etc/containers/storage.conf.d/own.conf");
        let file = tree.path().join("etc/containers/storage.conf.d/own.conf");
        let add_line = |tries: &Cell<usize>| {
            tries.set(tries.get() + 1);
            let before = std::fs::read_to_string(&file).unwrap();
            if tries.get() == 1 {
                std::fs::write(&file, "# theirs\n").unwrap();
            }
            let after = After::Text(format!("{before}# ours\n"));
            let change = FileChange { path: path.to_owned(), before: Some(before), original: None, after };
            Ok(Plan { changes: vec![change], ..Plan::default() })
        };
        for is_fix in [false, true] {
            std::fs::write(&file, "").unwrap();
            let tries = Cell::new(0);
            let outcome = match is_fix {
                false => change(&host, CommitMode::Commit, |_| add_line(&tries)),
                true => rewrite(&host, CommitMode::Commit, || add_line(&tries)),
            };
            assert!(outcome.unwrap().committed);
            assert_eq!(tries.get(), 2);
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "# theirs\n# ours\n");
        }
    }
}
