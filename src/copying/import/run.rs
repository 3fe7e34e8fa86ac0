//! Item by item, until each is dealt with.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::{Duration, Instant};

use super::find::find;
use super::look::{ItemLook, look, require_safe};
use super::names::is_ignored;
use super::place::Places;
use super::{
    Disposal, IMPORTED, ImportEvent, ImportOptions, ImportReport, ImportedLine, ItemLine, ItemState, REFUSED,
};
use crate::copying::copy::{CopyEvent, CopyLine, CopyState, target};
use crate::copying::copy_record::CopyRecord;
use crate::copying::listing::Listing;
use crate::copying::presence::{CopyTarget, Presence};
use crate::copying::run::Copying;
use crate::copying::wanted::{self, WantedImage};
use crate::embedded::List;
use crate::images::{Image, Platform, Source, Transport, read_all};
use crate::plan::{Host, Mode};
use crate::problem::Problem;
use crate::registry::{accepts_anything, copy_if_accepted};
use crate::store::builder;
use crate::sys::{LockError, PrivateDir, Root, lock};

/// How often it is looked whether what is waited for has changed.
const GLANCE: Duration = Duration::from_millis(500);

/// How long something is left unread after it was changed: whoever writes it may be about to go on.
const CALM: Duration = Duration::from_secs(2);

/// How long another import of the same directory is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What makes an item one that is not taken as it is, and not the store, or the system, one that cannot
/// take it now.
const UNSOUND: [&str; 22] = [
    "blob-digest",
    "blob-missing",
    "embedded-missing",
    "embedded-other",
    "image-ambiguous",
    "image-invalid",
    "image-missing",
    "image-name-invalid",
    "image-name-twice",
    "image-platform",
    "image-unsupported",
    "layer-digest",
    "layer-invalid",
    "layer-too-large",
    "layer-unsupported",
    "list-invalid",
    "list-missing",
    "list-twice",
    "lists-several",
    "reference-invalid",
    "signature-policy",
    "symlink-loop",
];

/// Imports the images of a directory.
///
/// # Errors
/// What keeps all of them out: the directory, the store, the engines' configuration. What is wrong with
/// one item stands in its line.
pub fn import_images(
    host: &Host,
    options: &ImportOptions,
    mode: Mode,
    tell: &(dyn Fn(ImportEvent<'_>) + Sync),
) -> anyhow::Result<ImportReport> {
    let dir = options.dir.as_path();
    if mode == Mode::Commit && !rustix::process::geteuid().is_root() {
        let message = "only root can import images: their files belong to many users";
        return Err(Problem::new("root-needed", message, "run it as root").into());
    }
    let Some(opened) = host.root.strict(dir).map_err(host.cannot("open", dir))? else {
        let message = format!("there is no directory `{}`", host.show(dir));
        return Err(Problem::new("missing", message, "create it, with mode 0700, or give another").into());
    };
    let private = require_safe(host, dir)?;
    let _lock = match mode {
        Mode::Commit => Some(locked(host, dir)?),
        Mode::DryRun => None,
    };
    let target = target(host, options.store.as_deref())?;
    let listing = Listing::new(host, &target, mode)?;
    let places = Places { host, dir, opened: &opened };
    if mode == Mode::Commit {
        places.sweep();
        if target.foreign.is_none() {
            builder::clean_up(&host.root, &target.path)?;
        }
    }
    let free = host.root.free_space(&target.path).ok();
    let embedded = embedded(host, &options.embedded);
    let mut importing = Importing {
        host,
        options,
        mode,
        target: &target,
        opened: &opened,
        places,
        private,
        embedded: &embedded,
        tell,
        listing: Some(listing),
        items: Vec::new(),
    };
    importing.run()?;
    let Importing { items, listing, .. } = importing;
    let outcome = listing.expect("each item gives it back").finish(host, &target)?;
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

/// The ids of the images of the list of embedded ones, by name. An image that cannot be read is none.
fn embedded(host: &Host, dir: &Path) -> BTreeMap<String, String> {
    let Ok(Some(list)) = List::find_in(&host.root, dir) else { return BTreeMap::new() };
    let wanted = wanted::read(host, dir, list, &[]);
    let id = |image: &WantedImage| Some(image.image.as_ref().ok()?.config_digest.hex().to_owned());
    wanted.iter().filter_map(|image| Some((image.name()?.to_owned(), id(image)?))).collect()
}

/// An item that is waited for, or was dealt with and stays.
struct Tracked {
    fingerprint: u64,
    /// Since when it is as it is, as far as this run has seen.
    since: Instant,
    /// What was wrong with it as it is, and its images as far as they were copied; not known yet if it was
    /// changed since.
    problem: Option<(Problem, Vec<ImportedLine>)>,
    is_done: bool,
}

/// What an item is.
enum Verdict {
    /// Its images are there: some are new, or none is.
    Taken(bool),
    /// It is not as it should be, or not yet.
    Unsound(Problem),
    /// It cannot be taken now.
    Stays(Problem),
}

struct Importing<'a> {
    host: &'a Host,
    options: &'a ImportOptions,
    mode: Mode,
    target: &'a CopyTarget,
    opened: &'a Root,
    places: Places<'a>,
    private: bool,
    embedded: &'a BTreeMap<String, String>,
    tell: &'a (dyn Fn(ImportEvent<'_>) + Sync),
    listing: Option<Listing>,
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
                    (self.tell)(ImportEvent::Ignored(&name.to_string_lossy()));
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
        let is_new = !known.contains_key(name);
        let item = known.entry(name.to_owned()).or_insert_with(|| Tracked {
            fingerprint: look.fingerprint,
            since: Instant::now(),
            problem: None,
            is_done: false,
        });
        if item.fingerprint != look.fingerprint {
            *item = Tracked {
                fingerprint: look.fingerprint,
                since: Instant::now(),
                problem: None,
                is_done: false,
            };
        } else if item.is_done {
            return Ok(false);
        }
        let is_calm = is_new || item.since.elapsed() >= CALM.min(settle);
        if item.problem.is_none() && is_calm {
            let mut line = ItemLine {
                name: name.to_string_lossy().into_owned(),
                images: Vec::new(),
                state: ItemState::Present,
                moved_to: None,
            };
            match self.verdict(name, look, &mut line)? {
                Verdict::Unsound(problem) => {
                    if self.mode == Mode::Commit && settle > Duration::ZERO {
                        (self.tell)(ImportEvent::Waiting(&line.name, &problem));
                    }
                    item.problem = Some((problem, line.images));
                }
                Verdict::Taken(is_new) => {
                    line.state = if is_new { ItemState::Imported } else { ItemState::Present };
                    item.is_done = self.take(name, look, line)?;
                    return Ok(!item.is_done);
                }
                Verdict::Stays(problem) => {
                    line.state = ItemState::Left(problem);
                    self.done(line);
                    item.is_done = true;
                    return Ok(false);
                }
            }
        }
        match item.problem.take() {
            Some((problem, images)) if self.mode == Mode::DryRun || item.since.elapsed() >= settle => {
                let state = ItemState::Refused(problem.clone());
                let name_of = name.to_string_lossy().into_owned();
                let line = ItemLine { name: name_of, images, state, moved_to: None };
                item.is_done = self.refuse(name, look, problem, line)?;
                Ok(!item.is_done)
            }
            problem => {
                item.problem = problem;
                Ok(true)
            }
        }
    }

    fn done(&mut self, line: ItemLine) {
        (self.tell)(ImportEvent::Item(&line));
        self.items.push(line);
    }

    /// Puts an item whose images are there out of the way. Returns whether it is done: if it was changed
    /// meanwhile it is another one.
    fn take(&mut self, name: &OsStr, look: &ItemLook, mut line: ItemLine) -> anyhow::Result<bool> {
        if self.mode == Mode::Commit && self.options.disposal != Disposal::Keep {
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
        problem: Problem,
        mut line: ItemLine,
    ) -> anyhow::Result<bool> {
        if look.is_half_written {
            line.state = ItemState::Left(problem);
        } else if self.mode == Mode::Commit && self.options.disposal != Disposal::Keep {
            let Some(id) = self.unchanged(name, look)? else { return Ok(false) };
            match self.places.move_to(name, id, REFUSED) {
                Ok(None) => return Ok(false),
                Ok(Some(to)) => {
                    self.places.give_reason(&to, &problem)?;
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

    /// Copies the images of an item.
    fn verdict(&mut self, name: &OsStr, look: &ItemLook, line: &mut ItemLine) -> anyhow::Result<Verdict> {
        if let Some(fault) = &look.fault {
            return Ok(Verdict::Unsound(fault.clone()));
        }
        let images = match find(self.opened, Path::new(name)) {
            Ok(images) => images,
            Err(problem) => return Ok(verdict_of(problem)),
        };
        // What skopeo has copied goes with these.
        let mut judged = Vec::new();
        let mut wanted = Vec::new();
        for (source, image) in images {
            let (text, image) = match self.judge(&source, image, &mut judged) {
                Ok(image) => image,
                Err(problem) if matches!(problem.id, "disk-full" | "io" | "missing" | "skopeo-missing") => {
                    return Ok(Verdict::Stays(problem));
                }
                Err(problem) => return Ok(Verdict::Unsound(problem)),
            };
            let reference = image.names.first().expect("each has one").to_string();
            wanted.push(WantedImage { reference, source: text, required: false, image: Ok(image) });
        }
        let lines = self.copy(&wanted)?;
        for (image, copied) in wanted.iter().filter_map(|it| it.image.as_ref().ok()).zip(&lines) {
            line.images.push(ImportedLine {
                names: image.names.iter().map(ToString::to_string).collect(),
                id: image.config_digest.hex().to_owned(),
                bytes: copied.bytes,
                is_there: !matches!(copied.state, CopyState::Failed(_)),
            });
        }
        let failed = |line: &CopyLine| match &line.state {
            CopyState::Failed(problem) => Some(verdict_of(problem.clone())),
            _ => None,
        };
        // What keeps the item here counts more than what is wrong with another part of it.
        let mut failed: Vec<Verdict> = lines.iter().filter_map(failed).collect();
        failed.sort_by_key(|verdict| matches!(verdict, Verdict::Unsound(_)));
        let is_new = lines.iter().any(|line| line.state == CopyState::Copied);
        Ok(failed.into_iter().next().unwrap_or(Verdict::Taken(is_new)))
    }

    /// The image as the policy for signatures lets it in, and where it is.
    fn judge(
        &self,
        source: &Source,
        image: Image,
        judged: &mut Vec<PrivateDir>,
    ) -> Result<(String, Image), Problem> {
        let transport = source.transport.prefix().trim_end_matches(':');
        // skopeo, which copies to such storage, judges then.
        if self.target.foreign.is_some() || accepts_anything(&self.host.root, transport) {
            return Ok((source.text.clone(), image));
        }
        let within = std::env::temp_dir();
        let cannot = |error| Problem::io("create a directory in", &within.display().to_string(), &error);
        let staging = PrivateDir::new(&within, "storagectl-").map_err(cannot)?;
        copy_if_accepted(&self.host.root, &source.text, staging.path())?;
        let root = staging.root().map_err(cannot)?;
        let found = read_all(&root, Path::new("/"), &image.names, &Platform::host())?;
        let copied = found.into_iter().next().ok_or_else(|| {
            let message = format!("skopeo has left nothing of `{}`", source.text);
            Problem::new("skopeo-failed", message, "update skopeo")
        })?;
        judged.push(staging);
        debug_assert_eq!(copied.source.transport, Transport::Dir);
        Ok((copied.source.text, copied.image?))
    }

    /// Copies images that are not there.
    fn copy(&mut self, wanted: &[WantedImage]) -> anyhow::Result<Vec<CopyLine>> {
        let tell = self.tell;
        let forward = |event: CopyEvent<'_>| match event {
            CopyEvent::Total(bytes) => tell(ImportEvent::Total(bytes)),
            CopyEvent::Read(bytes) => tell(ImportEvent::Read(bytes)),
            CopyEvent::Image(_) | CopyEvent::LeftOut(..) | CopyEvent::Again(_) => {}
        };
        let before = CopyRecord::read(self.host, &self.target.path);
        let mut record = before.clone();
        let images: Vec<&Image> = wanted.iter().filter_map(|wanted| wanted.image.as_ref().ok()).collect();
        let limits = self.options.limits;
        let presence = Presence::read(self.host, self.target, &images, limits.jobs, &mut record)?;
        let mut copying = Copying {
            host: self.host,
            limits,
            target: self.target,
            presence,
            record,
            before: &before,
            embedded: Some(self.embedded),
            tell: &forward,
            lines: Vec::new(),
            listing: self.listing.take().expect("each item gives it back"),
        };
        let to_do = copying.look(wanted)?;
        if self.mode == Mode::DryRun {
            for index in copying.fit(wanted, to_do).0 {
                copying.lines[index].state = CopyState::Copied;
            }
        } else {
            copying.run(wanted, to_do);
            for (index, wanted) in wanted.iter().enumerate() {
                if let (Ok(image), CopyState::Present) = (&wanted.image, &copying.lines[index].state) {
                    copying.remember(image);
                }
            }
        }
        let Copying { lines, record, listing, .. } = copying;
        self.listing = Some(listing);
        if self.mode == Mode::Commit && record != before {
            record.write(self.host, &self.target.path, &before)?;
        }
        Ok(lines)
    }
}

fn verdict_of(problem: Problem) -> Verdict {
    match UNSOUND.contains(&problem.id) {
        true => Verdict::Unsound(problem),
        false => Verdict::Stays(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_an_item_unsound_is_in_the_table_of_problems() {
        assert!(UNSOUND.is_sorted());
        for id in UNSOUND {
            assert!(crate::problem::IDS.iter().any(|(known, _)| *known == id), "{id}");
        }
    }
}
