//! Item by item, until each is dealt with.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::{Duration, Instant};

use super::item::{ItemImporter, Verdict, embedded};
use super::look::{ItemLook, look, require_safe};
use super::names::is_ignored;
use super::place::ItemDirs;
use super::{
    Disposal, IMPORTED, ImportEvent, ImportOptions, ImportReport, ImportedLine, ItemLine, ItemState, REFUSED,
};
use crate::copying::copy::target;
use crate::copying::listing::Listing;
use crate::plan::{CommitMode, Host};
use crate::problem::Problem;
use crate::store::builder;
use crate::sys::{LockError, Root, lock};

/// How often it is looked whether what is waited for has changed.
const GLANCE: Duration = Duration::from_millis(500);

/// How long something is left unread after it was changed: whoever writes it may be about to go on.
const CALM: Duration = Duration::from_secs(2);

/// How long another import of the same directory is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Imports the images of a directory.
///
/// # Errors
/// What keeps all of them out: the directory, the store, the engines' configuration. What is wrong with
/// one item stands in its line.
pub fn import_images(
    host: &Host,
    options: &ImportOptions,
    mode: CommitMode,
    on_event: &(dyn Fn(ImportEvent<'_>) + Sync),
) -> anyhow::Result<ImportReport> {
    let dir = options.dir.as_path();
    if mode == CommitMode::Commit && !rustix::process::geteuid().is_root() {
        let message = "only root can import images: their files belong to many users";
        return Err(Problem::new("root-needed", message, "run it as root").into());
    }
    let Some(opened) = host.root.strict(dir).map_err(host.cannot("open", dir))? else {
        let message = format!("there is no directory `{}`", host.show(dir));
        return Err(Problem::new("missing", message, "create it, with mode 0700, or give another").into());
    };
    let private = require_safe(host, dir)?;
    let _lock = match mode {
        CommitMode::Commit => Some(locked(host, dir)?),
        CommitMode::DryRun => None,
    };
    let target = target(host, options.store.as_deref())?;
    let listing = Listing::new(host, &target, mode)?;
    let places = ItemDirs { host, dir, opened: &opened };
    if mode == CommitMode::Commit {
        places.sweep();
        if target.foreign.is_none() {
            builder::clean_up(&host.root, &target.path)?;
        }
    }
    let free = host.root.free_space(&target.path).ok();
    let taker = ItemImporter {
        host,
        mode,
        limits: options.limits,
        target: &target,
        opened: &opened,
        embedded: embedded(host, &options.embedded),
        on_event,
        listing: Some(listing),
    };
    let mut importing = Importing {
        host,
        options,
        mode,
        opened: &opened,
        places,
        private,
        taker,
        on_event,
        items: Vec::new(),
    };
    importing.run()?;
    let Importing { items, taker, .. } = importing;
    let outcome = taker.listing.expect("each item gives it back").finish(host, &target)?;
    Ok(ImportReport { store: target.path, items, outcome, free })
}

fn locked(host: &Host, dir: &Path) -> Result<crate::sys::Lock, Problem> {
    let at = host.root.open(dir, rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY);
    let at = at.map_err(host.cannot("open", dir))?;
    lock(&host.root, &at, PATIENCE).map_err(|error| match error {
        LockError::Io(error) => host.cannot("lock", dir)(error),
        LockError::Busy => {
            let message = format!("another process imports the images of `{}`", host.show(dir));
            Problem::new("busy", message, "wait until it is done")
        }
    })
}

/// An item that is waited for, or was dealt with and stays.
struct Tracked {
    fingerprint: u64,
    /// Since when it is as it is, as far as this run has seen.
    since: Instant,
    /// What is wrong with it, and its images as far as they were copied, if that is known yet.
    unsound: Option<(Problem, Vec<ImportedLine>)>,
    is_done: bool,
}

impl Tracked {
    fn new(fingerprint: u64) -> Self {
        Self { fingerprint, since: Instant::now(), unsound: None, is_done: false }
    }
}

fn line(name: &OsStr, images: Vec<ImportedLine>, state: ItemState) -> ItemLine {
    ItemLine { name: name.to_string_lossy().into_owned(), images, state, moved_to: None }
}

struct Importing<'a> {
    host: &'a Host,
    options: &'a ImportOptions,
    mode: CommitMode,
    opened: &'a Root,
    places: ItemDirs<'a>,
    private: bool,
    taker: ItemImporter<'a>,
    on_event: &'a (dyn Fn(ImportEvent<'_>) + Sync),
    items: Vec<ItemLine>,
}

impl Importing<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        let mut known: BTreeMap<OsString, Tracked> = BTreeMap::new();
        let mut ignored: BTreeSet<OsString> = BTreeSet::new();
        loop {
            let mut is_waiting = false;
            for (name, look) in self.list(&mut ignored)? {
                is_waiting |= self.deal_with(&name, &look, &mut known)?;
            }
            if !is_waiting {
                return Ok(());
            }
            std::thread::sleep(GLANCE.min(self.options.settle));
        }
    }

    /// The items that are there, the one that was changed last at the end: of two with one name that is
    /// the one that counts.
    fn list(&self, ignored: &mut BTreeSet<OsString>) -> anyhow::Result<Vec<(OsString, ItemLook)>> {
        let dir = self.options.dir.as_path();
        let names = self.opened.list(Path::new("/")).map_err(self.host.cannot("read", dir))?;
        let mut items = Vec::new();
        for name in names.unwrap_or_default() {
            if is_ignored(&name) {
                if ignored.insert(name.clone()) {
                    (self.on_event)(ImportEvent::Ignored(&name.to_string_lossy()));
                }
            } else if let Some(look) = look(self.opened, Path::new(&name), self.private)? {
                items.push((name, look));
            }
        }
        items.sort_by(|(one, a), (other, b)| (a.changed, one).cmp(&(b.changed, other)));
        Ok(items)
    }

    /// Deals with an item, as it is now. Returns whether it is waited for.
    fn deal_with(
        &mut self,
        name: &OsStr,
        look: &ItemLook,
        known: &mut BTreeMap<OsString, Tracked>,
    ) -> anyhow::Result<bool> {
        let settle = self.options.settle;
        let before = known.get(name).filter(|item| item.fingerprint == look.fingerprint);
        if before.is_some_and(|item| item.is_done) {
            return Ok(false);
        }
        // What has changed may be about to change again; what is new is looked at.
        let is_calm =
            !known.contains_key(name) || before.is_some_and(|item| item.since.elapsed() >= CALM.min(settle));
        if before.is_none() {
            known.insert(name.to_owned(), Tracked::new(look.fingerprint));
        }
        let item = known.get_mut(name).expect("it is there now");
        if item.unsound.is_none() && is_calm {
            match self.taker.take(name, look)? {
                (Verdict::Unsound(problem), images) => {
                    if self.mode == CommitMode::Commit && settle > Duration::ZERO {
                        (self.on_event)(ImportEvent::Waiting(&name.to_string_lossy(), &problem));
                    }
                    item.unsound = Some((problem, images));
                }
                (Verdict::Taken(is_new), images) => {
                    let state = if is_new { ItemState::Imported } else { ItemState::Present };
                    item.is_done = self.take(name, look, line(name, images, state))?;
                    return Ok(!item.is_done);
                }
                (Verdict::Stays(problem), images) => {
                    item.is_done = true;
                    // Whoever has taken it away again has no problem.
                    if self.places.identity(name)?.is_some() {
                        self.done(line(name, images, ItemState::Left(problem)));
                    }
                    return Ok(false);
                }
            }
        }
        let is_over = self.mode == CommitMode::DryRun || item.since.elapsed() >= settle;
        if let Some((problem, images)) = item.unsound.take_if(|_| is_over) {
            item.is_done = self.refuse(name, look, &problem, images)?;
        }
        Ok(!item.is_done)
    }

    fn done(&mut self, line: ItemLine) {
        (self.on_event)(ImportEvent::Item(&line));
        self.items.push(line);
    }

    /// Puts an item whose images are there out of the way. Returns whether it is done: if it was changed
    /// meanwhile it is another one.
    fn take(&mut self, name: &OsStr, look: &ItemLook, mut line: ItemLine) -> anyhow::Result<bool> {
        if self.mode == CommitMode::Commit && self.options.disposal != Disposal::Keep {
            let Some(id) = self.unchanged(name, look)? else { return Ok(false) };
            let done = match self.options.disposal {
                Disposal::Remove => self.places.remove(name, id).map(|is_done| (is_done, None)),
                _ => self.places.move_to(name, id, IMPORTED).map(|to| (to.is_some(), to)),
            };
            match done {
                Ok((true, to)) => line.moved_to = to,
                Ok((false, _)) => return Ok(false),
                Err(problem) => line.state = ItemState::Left(problem),
            }
        }
        self.done(line);
        Ok(true)
    }

    /// Puts an item that is not taken out of the way, as [`Importing::take`] does.
    fn refuse(
        &mut self,
        name: &OsStr,
        look: &ItemLook,
        problem: &Problem,
        images: Vec<ImportedLine>,
    ) -> anyhow::Result<bool> {
        let mut line = line(name, images, ItemState::Refused(problem.clone()));
        if look.is_half_written {
            line.state = ItemState::Left(problem.clone());
        } else if self.mode == CommitMode::Commit && self.options.disposal != Disposal::Keep {
            let Some(id) = self.unchanged(name, look)? else { return Ok(false) };
            match self.places.move_to(name, id, REFUSED) {
                Ok(None) => return Ok(false),
                Ok(Some(to)) => {
                    self.places.give_reason(&to, problem)?;
                    line.moved_to = Some(to);
                }
                Err(problem) => line.state = ItemState::Left(problem),
            }
        }
        self.done(line);
        Ok(true)
    }

    /// The identity of an item that is as it was looked at.
    fn unchanged(&self, name: &OsStr, before: &ItemLook) -> Result<Option<(u64, u64)>, Problem> {
        let now = look(self.opened, Path::new(name), self.private)?;
        if now.is_none_or(|now| now.fingerprint != before.fingerprint) {
            return Ok(None);
        }
        self.places.identity(name)
    }
}
