//! The stores that are listed, as they are.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::copy::TextSource;
use super::drop_in::OwnDropIn;
use super::host::Host;
use super::snapshot::Snapshot;
use crate::conf::{self, Mark, StoreList, clean};
use crate::engine::{FileRole, Profile, ValueOrigin};
use crate::store::{DecodeError, awaited, count_images};
use crate::sys::FileKind;

/// A listed store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedStore {
    /// Its path, as written.
    pub path: String,
    /// What is there.
    pub state: StoreState,
    /// The driver that engines look for.
    pub driver: String,
    /// How many images it holds; `None` if that cannot be told.
    pub images: Option<usize>,
    /// The file that lists it.
    pub file: String,
    /// The line there, counted from 1.
    pub line: usize,
    /// The engines that see it, if the whole host was looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<Profile>,
    /// The declaration that it is listed for; `None` if somebody listed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared_by: Option<String>,
}

/// What stands at a listed path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreState {
    /// A directory whose images can be read.
    Present,
    /// The mount point of a sealed store that is not mounted: engines find no image.
    NotMounted,
    /// Nothing: engines stop.
    Missing,
    /// No directory: engines stop.
    NotDirectory,
    /// A directory whose images.json is malformed: engines stop.
    Malformed,
    /// It may not be looked at.
    Unreadable,
    /// Not an absolute path: engines stop.
    Invalid,
}

impl fmt::Display for StoreState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Present => "present",
            Self::NotMounted => "not mounted",
            Self::Missing => "missing",
            Self::NotDirectory => "not a directory",
            Self::Malformed => "malformed",
            Self::Unreadable => "unreadable",
            Self::Invalid => "invalid",
        })
    }
}

/// The storage driver that this host's engines use, for what is to be made for them.
///
/// # Errors
/// A [`crate::problem::Problem`] if the main file cannot be read or is faulty: what they
/// will use once it is mended, nobody knows.
pub fn driver_in_force(host: &Host) -> anyhow::Result<String> {
    host.snapshot()?.stores(host)?;
    Ok(host.driver())
}

/// The stores that are listed, in the order in which the engines of the modern
/// generation search them and then those that only others see; and whether there
/// is any configuration.
///
/// # Errors
/// A [`crate::problem::Problem`] if the main file cannot be read or is faulty, and no engine goes
/// on with it.
pub fn list_stores(host: &Host) -> anyhow::Result<(Option<String>, Vec<ListedStore>)> {
    if host.config.is_some() {
        return list_one_file(host);
    }
    let judged: Vec<_> =
        Profile::ALL.into_iter().rev().map(|profile| (profile, host.judge(profile))).collect();
    let (file, marks) = match host.snapshot().and_then(|snapshot| read_main_file(host, &snapshot)) {
        Err(error) if judged.iter().all(|(_, judged)| judged.reading.failure().is_some()) => {
            return Err(error);
        }
        // What they see is told. Whose it is stands in what cannot be read here.
        Err(_) => {
            let mut files = judged.iter().flat_map(|(_, judged)| &judged.reading.files);
            let main = files.find(|file| file.kind == FileRole::Main);
            (main.map(|file| host.show(&file.path)), Vec::new())
        }
        Ok(found) => found,
    };
    let mut stores: Vec<ListedStore> = Vec::new();
    for (profile, judged) in judged {
        for store in &judged.reading.stores {
            let place = match &store.origin {
                ValueOrigin::File(site) => Some((host.show(&site.file), site.line)),
                ValueOrigin::Environment(_) | ValueOrigin::Default => None,
            };
            let same = |other: &&mut ListedStore| other.path == store.value && other.place() == place;
            match stores.iter_mut().find(same) {
                Some(other) if !other.engines.contains(&profile) => other.engines.insert(0, profile),
                Some(_) => {}
                None => stores.push(listed(host, store.value.clone(), &judged.driver, place, vec![profile])),
            }
        }
    }
    name_declarations(&mut stores, &marks);
    Ok((file, stores))
}

/// Those of the one file that was named, whoever reads it.
fn list_one_file(host: &Host) -> anyhow::Result<(Option<String>, Vec<ListedStore>)> {
    let snapshot = host.snapshot()?;
    let (file, marks) = read_main_file(host, &snapshot)?;
    let list = StoreList::of(&snapshot.doc).map_err(|fault| snapshot.problem(host, fault))?;
    let head = snapshot.head_lines();
    let driver = host.driver();
    let entries = list.map(|list| list.entries).unwrap_or_default();
    let mut stores: Vec<ListedStore> = entries
        .into_iter()
        .map(|entry| {
            let place = (file.clone().unwrap_or_default(), head + entry.line);
            listed(host, entry.path, &driver, Some(place), Vec::new())
        })
        .collect();
    name_declarations(&mut stores, &marks);
    Ok((file, stores))
}

/// An entry that is listed for a declaration: file, path as written, and mark.
type Marked = (String, String, Mark);

fn name_declarations(stores: &mut [ListedStore], marks: &[Marked]) {
    for store in stores {
        let marked = marks.iter().find(|(file, path, _)| *file == store.file && *path == store.path);
        store.declared_by = marked.map(|(.., mark)| mark.name.clone());
    }
}

/// The main file, if there is any, and what is listed there and in our own drop-in for
/// declarations.
fn read_main_file(host: &Host, snapshot: &Snapshot) -> anyhow::Result<(Option<String>, Vec<Marked>)> {
    let file = (snapshot.source != TextSource::BuiltIn).then(|| host.show(snapshot.file()));
    let main = conf::listed(&snapshot.doc).map_err(|fault| snapshot.problem(host, fault))?;
    let main = main.into_iter().map(|entry| (snapshot.file().to_owned(), entry.path, entry.mark));
    let own = match host.config {
        Some(_) => None,
        None => Some(OwnDropIn::find(host, &host.reading(Profile::Podman6), host.identity())?),
    };
    let items =
        own.iter().flat_map(|own| own.items().into_iter().filter_map(|item| Some((own.path.clone()?, item))));
    let items = items.map(|(file, item)| {
        let mark = item.mark();
        (file, item.path, mark)
    });
    let marks =
        main.chain(items).filter_map(|(file, path, mark)| Some((host.show(&file), path, mark?))).collect();
    Ok((file, marks))
}

fn listed(
    host: &Host,
    path: String,
    driver: &str,
    place: Option<(String, usize)>,
    engines: Vec<Profile>,
) -> ListedStore {
    let (state, images) = look(host, &path, driver);
    let (file, line) = place.unwrap_or_default();
    let declared_by = None;
    ListedStore { path, state, driver: driver.to_owned(), images, file, line, engines, declared_by }
}

impl ListedStore {
    fn place(&self) -> Option<(String, usize)> {
        (self.line > 0).then(|| (self.file.clone(), self.line))
    }
}

fn look(host: &Host, path: &str, driver: &str) -> (StoreState, Option<usize>) {
    if !path.starts_with('/') || path.contains(',') {
        return (StoreState::Invalid, None);
    }
    let path = clean(path);
    match host.root.stat(Path::new(&path)) {
        Ok(None) => (StoreState::Missing, None),
        Ok(Some(stat)) if stat.kind != FileKind::Directory => (StoreState::NotDirectory, None),
        Err(_) => (StoreState::Unreadable, None),
        Ok(Some(_)) if awaited(&host.root, Path::new(&path)).is_ok_and(|file| file.is_some()) => {
            (StoreState::NotMounted, None)
        }
        Ok(Some(_)) => match count_images(&host.root, Path::new(&path), driver) {
            Ok(count) => (StoreState::Present, Some(count)),
            Err(error) if error.is::<DecodeError>() => (StoreState::Malformed, None),
            Err(_) => (StoreState::Unreadable, None),
        },
    }
}
