//! Making the configuration follow the declarations.
//!
//! Whose an entry is stands behind it in the file, so that it is known after
//! ostree's merge of /etc, a rollback or a factory reset, when a record elsewhere
//! would speak of another system. An entry with a mark that nobody declares any
//! more goes; one without a mark is somebody's own and stays.

use std::collections::BTreeMap;
use std::path::Path;

use super::add::{AddOptions, alias_of};
use super::commit::{Mode, Outcome, change};
use super::drop_in::{Item, OwnDropIn};
use super::generations::{self, Change, Seen, Serve, cleaned};
use super::rebase::Basis;
use super::snapshot::{Host, Snapshot};
use super::verify::verify;
use super::{After, Note, Plan, StoreResult, refuse};
use crate::conf::{self, Document, Listed, Mark, Position, clean};
use crate::declare::{Declarations, Declared, Want, arranged};
use crate::engine::{self, FileKind, Profile, Settings, entry_harm};
use crate::host::is_booted;
use crate::problem::Problem;
use crate::store::provided_at_boot;

/// How declarations are followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApplyOptions {
    /// The system is starting and no engine runs yet: what would keep every engine
    /// from starting is set aside.
    pub boot: bool,
}

/// Lists the stores that are declared and there, and takes off those that were
/// listed for a declaration that is gone.
///
/// # Errors
/// A [`Problem`] if the configuration cannot be read or an engine would not
/// follow; nothing is written then.
pub fn apply(
    host: &Host,
    declarations: &Declarations,
    options: ApplyOptions,
    mode: Mode,
) -> anyhow::Result<Outcome> {
    change(host, mode, |snapshot| plan(host, snapshot, declarations, options))
}

/// The stores whose entries `apply` has set aside, since their directories are gone.
///
/// # Errors
/// A [`Problem`] if the configuration cannot be read.
pub fn set_aside(host: &Host) -> anyhow::Result<Vec<String>> {
    let snapshot = host.snapshot()?;
    let asides = conf::asides(&snapshot.doc).map_err(|fault| snapshot.problem(host, fault))?;
    let mut paths: Vec<String> = asides.into_iter().map(|aside| clean(&aside.path)).collect();
    if host.config.is_none() {
        paths.extend(OwnDropIn::find(host, &host.reading(Profile::Podman6))?.missing());
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
        Follow { host, snapshot, basis, by_hand, declarations, options }.plan()
    };
    let warn = |plan: &mut Plan, what: String| plan.notes.push(Note::Warning("stale-copy", what));
    let path = host.show(&snapshot.path);
    match snapshot.basis(host)? {
        Basis::Same => match snapshot.adopted(host)? {
            Some(head) => follow(&snapshot.with_head(head), &[]),
            None => follow(snapshot, &[]),
        },
        Basis::Renewed(renewed, by_hand) => follow(&renewed, &by_hand).or_else(|error| {
            let mut plan = follow(snapshot, &[])?;
            let file = host.show(renewed.file());
            warn(&mut plan, format!("`{path}` does not follow `{file}`, which has changed: {error}"));
            Ok(plan)
        }),
        Basis::Diverged(from) => {
            let mut plan = follow(snapshot, &[])?;
            let what = format!(
                "`{path}` does not follow `{from}`, which has changed: somebody edited both the copy and the original (`diff {from} {path}`)"
            );
            warn(&mut plan, what);
            Ok(plan)
        }
    }
}

/// Everything that one plan is made from.
struct Follow<'a> {
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

/// What shall be listed, and what becomes of each declaration.
#[derive(Default)]
struct Decided {
    wants: Vec<Want>,
    /// Those that are not there yet, but will be when the system has started.
    expected: Vec<String>,
    results: Vec<(String, StoreResult)>,
}

impl Follow<'_> {
    fn plan(&self) -> anyhow::Result<Plan> {
        let Self { host, snapshot, basis, .. } = *self;
        let before = snapshot.settings(host)?;
        let reading = (host.config.is_none()).then(|| host.reading(Profile::Podman6));
        let now = reading.as_ref().map(cleaned).unwrap_or_default();
        let own = reading.as_ref().map(|now| OwnDropIn::find(host, now)).transpose()?;
        let items = own.as_ref().map(OwnDropIn::items).unwrap_or_default();
        let marks = self.marks(&items)?;
        let listed: Vec<String> = before.stores.iter().map(|path| clean(path)).chain(now.clone()).collect();
        let decided = self.decide(&before, &listed, &marks)?;
        let edit = |doc: &Document| {
            self.edit(doc, &decided.wants, &before).map_err(|fault| basis.problem(host, fault))
        };
        let main_before: Vec<String> = before.stores.iter().map(|path| clean(path)).collect();
        let edited = edit(&basis.doc)?;
        let main_after = conf::listed(edited.as_ref().unwrap_or(&basis.doc))
            .map_err(|fault| basis.problem(host, fault))?;
        let gone = self.gone(&listed, own.as_ref(), &marks, &before);
        let shall_see = |seen: &Seen<'_>| {
            Ok(match (&own, seen.modern) {
                (Some(own), true) => {
                    self.modern(seen, own, &items, &marks, &main_after, &decided.wants, &gone)
                }
                _ => followed(seen.now, &main_before, &main_after),
            })
        };
        let comment = |path: &str| {
            let want = decided.wants.iter().find(|want| want.path == path && marks.get(path) != Some(&None));
            match want {
                Some(want) => Some(want.mark.text()),
                None => marks.get(path)?.as_ref().map(Mark::text),
            }
        };
        let mut plan = Plan::default();
        let change = Change {
            serve: Serve::All,
            force: false,
            edit: &edit,
            wanted: &shall_see,
            comment: Some(&comment),
            missing: &gone,
        };
        let after = generations::apply(host, basis, &mut plan, &change)?;
        plan.notes.extend(verify(
            host,
            &snapshot.path,
            &before,
            after.as_ref().unwrap_or(&before),
            &decided.expected,
        )?);
        plan.stores = self.results(decided, own.as_ref(), &listed, &marks, &main_after, &gone)?;
        plan.notes.extend(self.seen_again(&plan, own.as_ref(), &now));
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

    /// The listed stores and whose they are: nobody's or a declaration's. What is
    /// listed by hand anywhere is that.
    fn marks(&self, items: &[Item]) -> Result<BTreeMap<String, Option<Mark>>, Problem> {
        let mut marks = BTreeMap::new();
        for item in items.iter().filter(|item| !item.is_elsewhere()) {
            marks.insert(item.path.clone(), item.comment.as_deref().and_then(Mark::parse));
        }
        // What is set aside is still whose it was.
        let main = conf::put_back(&self.snapshot.doc, |_| true)
            .and_then(|whole| conf::listed(whole.as_ref().unwrap_or(&self.snapshot.doc)))
            .map_err(|fault| self.snapshot.problem(self.host, fault))?;
        for entry in main {
            let path = clean(&entry.path);
            if entry.mark.is_none() || !marks.contains_key(&path) {
                marks.insert(path, entry.mark);
            }
        }
        Ok(marks)
    }

    /// Which declared stores shall be listed.
    fn decide(
        &self,
        before: &Settings,
        listed: &[String],
        marks: &BTreeMap<String, Option<Mark>>,
    ) -> anyhow::Result<Decided> {
        let host = self.host;
        let serves_main = self.basis.serves_main(host, Serve::All);
        // With what is put back in this run.
        let main = conf::put_back(&self.snapshot.doc, |path| !self.is_gone(before, path))
            .and_then(|whole| conf::listed(whole.as_ref().unwrap_or(&self.snapshot.doc)))
            .map_err(|fault| self.snapshot.problem(host, fault))?;
        let mut decided = Decided::default();
        for declared in &self.declarations.stores {
            let path = &declared.path;
            let by_hand = |entry: &String| !matches!(marks.get(entry), Some(Some(_)));
            let in_main = main.iter().any(|entry| clean(&entry.path) == *path);
            // A drop-in of others serves new engines only.
            let everywhere = in_main || !serves_main;
            if (listed.contains(path) || in_main) && by_hand(path) && everywhere {
                decided.results.push((path.clone(), StoreResult::Listed { alias: None }));
                continue;
            }
            let others = listed.iter().filter(|entry| *entry != path && by_hand(entry));
            if let Some(alias) = alias_of(host, others, path) {
                decided.results.push((path.clone(), StoreResult::Listed { alias: Some(alias) }));
                continue;
            }
            // /run is no part of an image, so there it would be an entry for nothing.
            if let Some(file) = &declared.sealed
                && !self.is_there(path)?
                && self.is_offline()
                && !listed.contains(path)
            {
                let sealed = file.clone();
                decided.results.push((path.clone(), StoreResult::AtBoot { sealed }));
                continue;
            }
            match self.refusal(before, declared) {
                Ok(expected) => {
                    decided.wants.push(declared.into());
                    decided.expected.extend(expected.then(|| path.clone()));
                }
                Err(error) => {
                    let (id, hint) = match error.downcast_ref::<Problem>() {
                        Some(problem) => (problem.id, format!("; {}", problem.hint)),
                        None => ("io", String::new()),
                    };
                    let reason = format!("{error:#}{hint}");
                    decided.results.push((path.clone(), StoreResult::Skipped { id, reason }));
                }
            }
        }
        for path in &self.declarations.former {
            // Behind all others: engines take an image from the first store that has its name.
            let mark = match marks.get(path) {
                Some(None) => continue,
                Some(Some(mark)) => mark.clone(),
                None => former_mark(path),
            };
            decided.wants.push(Want { path: path.clone(), position: Position::Last, mark });
        }
        for (declared, reason) in &self.declarations.unmet {
            decided.results.push((declared.path.clone(), StoreResult::Unmet { reason: reason.clone() }));
        }
        Ok(decided)
    }

    /// Why a declared store is not listed, or whether it is only there later.
    fn refusal(&self, settings: &Settings, declared: &Declared) -> anyhow::Result<bool> {
        let host = self.host;
        let there = self.is_there(&declared.path)?;
        let offline = self.is_offline();
        // What is sealed is there at boot, or as soon as this is no dry run.
        let expected = !there
            && (declared.sealed.is_some() || (offline && provided_at_boot(&host.root, &declared.path)?));
        if !there && !expected {
            let (message, hint) = if offline {
                (
                    "its directory does not exist, and no tmpfiles.d line or mount unit here provides it",
                    "`storagectl apply --boot` lists it if it is there when the system starts",
                )
            } else {
                ("its directory does not exist", "run `storagectl apply` when it is there")
            };
            return Err(Problem::new("store-missing", message, hint).into());
        }
        refuse::store(
            host,
            settings,
            &declared.path,
            &AddOptions { allow_missing: true, ..AddOptions::default() },
        )?;
        Ok(expected)
    }

    fn is_there(&self, path: &str) -> anyhow::Result<bool> {
        let path = Path::new(path);
        Ok(self.host.root.stat(path).map_err(self.host.cannot("look at", path))?.is_some())
    }

    /// Whether this is a system that does not run: what boot brings is not there.
    fn is_offline(&self) -> bool {
        !self.options.boot && (self.host.root.is_tree() || !is_booted())
    }

    /// The main file's text with all of this done to it.
    fn edit(
        &self,
        doc: &Document,
        wants: &[Want],
        settings: &Settings,
    ) -> Result<Option<Document>, conf::Fault> {
        let mut edited: Option<Document> = None;
        let there = |path: &str| !self.is_gone(settings, path);
        if let Some(doc) = conf::put_back(doc, there)? {
            edited = Some(doc);
        }
        if !self.by_hand.is_empty() {
            let doc = edited.as_ref().unwrap_or(doc);
            let added = conf::add(doc, self.by_hand, &Position::Any).map_err(|error| match error {
                conf::EditError::Fault(fault) => fault,
                conf::EditError::NotListed(_) => unreachable!("no neighbour was named"),
            })?;
            edited = added.or(edited);
        }
        let current = edited.as_ref().unwrap_or(doc);
        let target = arranged(&self.in_former_order(conf::listed(current)?)?, wants, |mark| self.keeps(mark));
        if let Some(doc) = conf::arrange(current, &target)? {
            edited = Some(doc);
        }
        let current = edited.as_ref().unwrap_or(doc);
        let were_aside = if self.basis.renewed { conf::asides(&self.snapshot.doc)? } else { Vec::new() };
        let goes = |path: &str| self.options.boot || were_aside.iter().any(|aside| aside.path == path);
        if let Some(doc) = conf::set_aside(current, |path| goes(path) && self.is_gone(settings, path))? {
            edited = Some(doc);
        }
        // A file that is made anew is so also if nothing is added to it.
        Ok(edited.or_else(|| self.basis.renewed.then(|| doc.clone())))
    }

    /// `list` with the entries that a file which is made anew had had, so that they
    /// stand as they stood.
    fn in_former_order(&self, mut list: Vec<Listed>) -> Result<Vec<Listed>, conf::Fault> {
        if !self.basis.renewed {
            return Ok(list);
        }
        let is_added = |entry: &Listed| entry.mark.is_some() || self.by_hand.contains(&entry.path);
        list.retain(|entry| !is_added(entry));
        let whole = conf::put_back(&self.snapshot.doc, |_| true)?;
        let former = conf::listed(whole.as_ref().unwrap_or(&self.snapshot.doc))?;
        list.extend(former.into_iter().filter(is_added));
        Ok(list)
    }

    /// Whether the declaration of this name could not be read: what it had declared stays.
    fn keeps(&self, mark: &Mark) -> bool {
        self.declarations.faulty.contains(&mark.name)
    }

    /// Whether engines stop on this entry because nothing is there.
    fn is_gone(&self, settings: &Settings, path: &str) -> bool {
        let harm = entry_harm(&self.host.root, settings, path);
        harm.is_some_and(|harm| matches!(harm.id, "store-missing" | "store-not-directory"))
    }

    /// The stores without an owner that are left out while they are gone.
    fn gone(
        &self,
        listed: &[String],
        own: Option<&OwnDropIn>,
        marks: &BTreeMap<String, Option<Mark>>,
        settings: &Settings,
    ) -> Vec<String> {
        let mut candidates = own.map(OwnDropIn::missing).unwrap_or_default();
        if self.options.boot {
            candidates.extend(listed.iter().cloned());
            let host = self.host;
            let without =
                own.map(|own| engine::read(&own.view(host, None), &host.environment(), Profile::Podman6));
            candidates.extend(without.as_ref().map(cleaned).unwrap_or_default());
        }
        // What a drop-in of others lists, they own, whoever declares it.
        let theirs = own.map(|own| self.in_other_drop_ins(own)).unwrap_or_default();
        let unowned = |path: &String| theirs.contains(path) || !matches!(marks.get(path), Some(Some(_)));
        let mut gone: Vec<String> = Vec::new();
        for path in candidates {
            if unowned(&path) && !gone.contains(&path) && self.is_gone(settings, &path) {
                gone.push(path);
            }
        }
        gone
    }

    /// What the generation that reads drop-ins shall see.
    #[allow(clippy::too_many_arguments, reason = "each is one part of what is known of a host")]
    fn modern(
        &self,
        seen: &Seen<'_>,
        own: &OwnDropIn,
        items: &[Item],
        marks: &BTreeMap<String, Option<Mark>>,
        main_after: &[Listed],
        wants: &[Want],
        gone: &[String],
    ) -> Vec<String> {
        let taken_off = own.taken_off();
        // What stood in our file for the order alone, and is not listed elsewhere any more.
        let spent = |path: &String| {
            items.iter().any(|item| item.path == *path && item.is_elsewhere()) && !seen.without.contains(path)
        };
        // Without a file of our own, other files say in which order stores stand.
        let start = if own.text.is_some() { seen.now } else { seen.without };
        let mut list: Vec<String> = start.iter().filter(|path| !spent(path)).cloned().collect();
        let mut behind: Option<&String> = None;
        for path in seen.without {
            if !list.contains(path) && !taken_off.contains(path) && !gone.contains(path) {
                let at = behind.and_then(|other| list.iter().position(|path| path == other));
                list.insert(at.map_or(0, |at| at + 1).min(list.len()), path.clone());
            }
            behind = Some(path);
        }
        // A vendor's drop-in that came later hides what an administrator listed.
        let by_hand = main_after.iter().filter(|entry| entry.mark.is_none()).map(|entry| clean(&entry.path));
        for path in by_hand.filter(|_| seen.hidden_by_vendor) {
            if !list.contains(&path) && !taken_off.contains(&path) {
                list.push(path);
            }
        }
        list.retain(|path| !gone.contains(path));
        // What stands in our file and, by now, elsewhere too.
        let count = |list: &[String], path: &String| list.iter().filter(|other| *other == path).count();
        let mut once: Vec<String> = Vec::new();
        for path in list {
            let is_declared = wants.iter().any(|want| want.path == path);
            let times = if is_declared { 1 } else { count(seen.without, &path).max(1) };
            if count(&once, &path) < times {
                once.push(path);
            }
        }
        let list = once;
        // What the main file lists from now on, nobody could have listed before. What a drop-in
        // of others lists is theirs, and has its place there.
        let theirs = self.in_other_drop_ins(own);
        let new = |path: &str| main_after.iter().find(|entry| clean(&entry.path) == path)?.mark.clone();
        let mark = |path: &String| match marks.get(path) {
            _ if theirs.contains(path) && seen.without.contains(path) => None,
            Some(mark) => mark.clone(),
            None => new(path),
        };
        let listed: Vec<Listed> = list.into_iter().map(|path| Listed { mark: mark(&path), path }).collect();
        arranged(&listed, wants, |mark| self.keeps(mark))
            .into_iter()
            .map(|entry| clean(&entry.path))
            .collect()
    }

    /// The stores that drop-ins of others list, whether engines see them or not.
    fn in_other_drop_ins(&self, own: &OwnDropIn) -> Vec<String> {
        let reading = self.host.reading(Profile::Podman6);
        let others =
            reading.files.iter().filter(|file| file.kind == FileKind::DropIn && file.path != own.path);
        let docs = others.filter_map(|file| Document::parse(file.text.clone()).ok());
        docs.flat_map(|doc| conf::commented_items(&doc).unwrap_or_default())
            .map(|(path, _)| clean(&path))
            .collect()
    }

    /// What there is to say of stores that a drop-in of ours shows again.
    fn seen_again(&self, plan: &Plan, own: Option<&OwnDropIn>, now: &[String]) -> Vec<Note> {
        let change = own.and_then(|own| plan.changes.iter().find(|change| change.path == own.path));
        let Some((own, After::Text(text))) = own.zip(change.map(|change| &change.after)) else {
            return Vec::new();
        };
        let after = OwnDropIn { path: own.path.clone(), text: Some(text.clone()) };
        let told = |path: &String| plan.stores.iter().any(|(other, _)| other == path);
        let hidden =
            after.items().into_iter().map(|item| item.path).filter(|path| !now.contains(path) && !told(path));
        hidden
            .map(|path| {
                Note::Then(format!("podman 6 sees `{path}` again, which another drop-in had hidden from it"))
            })
            .collect()
    }

    /// What became of everything that this was about.
    fn results(
        &self,
        decided: Decided,
        own: Option<&OwnDropIn>,
        listed: &[String],
        marks: &BTreeMap<String, Option<Mark>>,
        main_after: &[Listed],
        gone: &[String],
    ) -> anyhow::Result<Vec<(String, StoreResult)>> {
        let mut results = Vec::new();
        let asides =
            conf::asides(&self.snapshot.doc).map_err(|fault| self.snapshot.problem(self.host, fault))?;
        for (path, mark) in marks {
            let stays = mark.is_none()
                || decided.wants.iter().any(|want| want.path == *path)
                || mark.as_ref().is_some_and(|mark| self.keeps(mark));
            if !stays {
                results.push((path.clone(), StoreResult::Removed));
            }
        }
        let set_aside = gone.iter().filter(|path| listed.contains(path));
        results.extend(set_aside.map(|path| (path.clone(), StoreResult::SetAside)));
        for aside in asides {
            let path = clean(&aside.path);
            if main_after.iter().any(|entry| clean(&entry.path) == path) {
                results.push((path, StoreResult::PutBack));
            }
        }
        for path in own.map(OwnDropIn::missing).unwrap_or_default() {
            if !gone.contains(&path) {
                results.push((path, StoreResult::PutBack));
            }
        }
        let main_before = conf::listed(&self.snapshot.doc).unwrap_or_default();
        for want in &decided.wants {
            let result = if !listed.contains(&want.path) {
                StoreResult::Added
            } else if rank(&main_before, main_after, &want.path) != rank(main_after, &main_before, &want.path)
            {
                StoreResult::Moved
            } else {
                StoreResult::Listed { alias: None }
            };
            results.push((want.path.clone(), result));
        }
        results.extend(decided.results);
        let mut told: Vec<(String, StoreResult)> = Vec::new();
        for (path, result) in results {
            // A store that is gone is removed because of that: both are told.
            let other = told.iter().find(|(other, _)| *other == path).map(|(_, other)| other);
            match (other, &result) {
                (None, _) | (Some(StoreResult::Removed), StoreResult::Skipped { .. }) => {}
                _ => continue,
            }
            told.push((path, result));
        }
        Ok(told)
    }
}

/// Whose a store is that is not declared any more and has lost its entry.
fn former_mark(path: &str) -> Mark {
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
    Mark { name: name.replace(['~', '^'], "_"), comment: None }
}

/// How many entries stand before the one for `path` in `here`, of those that `there` has too.
fn rank(here: &[Listed], there: &[Listed], path: &str) -> usize {
    let is_common = |entry: &&Listed| there.iter().any(|other| clean(&other.path) == clean(&entry.path));
    here.iter().take_while(|entry| clean(&entry.path) != path).filter(is_common).count()
}

/// The list `now` of an engine that reads the main file, when that changes: what
/// else it sees keeps its place.
fn followed(now: &[String], before: &[String], after: &[Listed]) -> Vec<String> {
    let after: Vec<String> = after.iter().map(|entry| clean(&entry.path)).collect();
    let at = (0..=now.len().saturating_sub(before.len())).find(|&at| now[at..].starts_with(before));
    match at {
        Some(at) => [&now[..at], &after, &now[at + before.len()..]].concat(),
        None => {
            // CRI-O drops the earlier one of two.
            let others: Vec<String> = now.iter().filter(|path| !before.contains(path)).cloned().collect();
            let ahead: Vec<String> = after.into_iter().filter(|path| !others.contains(path)).collect();
            [ahead, others].concat()
        }
    }
}
