//! The stores that are listed, as they are.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::copy::Source;
use super::snapshot::Host;
use crate::conf::{StoreList, clean};
use crate::engine::Settings;
use crate::host::Kind;
use crate::store::count_images;

/// A listed store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedStore {
    /// Its path, as written.
    pub path: String,
    /// What is there.
    pub state: State,
    /// The driver that engines look for.
    pub driver: String,
    /// How many images it holds; `None` if that cannot be told.
    pub images: Option<usize>,
    /// The file that lists it.
    pub file: String,
    /// The line there, counted from 1.
    pub line: usize,
}

/// What stands at a listed path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A directory whose images can be read.
    Present,
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

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Present => "present",
            Self::Missing => "missing",
            Self::NotDirectory => "not a directory",
            Self::Malformed => "malformed",
            Self::Unreadable => "unreadable",
            Self::Invalid => "invalid",
        })
    }
}

/// The settings that engines read on this host, from the administrator's file or
/// else the vendor's.
///
/// # Errors
/// A [`crate::problem::Problem`] if the file cannot be read or is faulty.
pub fn effective_settings(host: &Host) -> anyhow::Result<Settings> {
    let snapshot = host.snapshot()?;
    Ok(snapshot.settings(host)?)
}

/// The file that engines read, if there is one, and the stores that it lists.
///
/// # Errors
/// A [`crate::problem::Problem`] if the file cannot be read or is faulty.
pub fn list_stores(host: &Host) -> anyhow::Result<(Option<String>, Vec<ListedStore>)> {
    let snapshot = host.snapshot()?;
    if snapshot.source == Source::BuiltIn {
        return Ok((None, Vec::new()));
    }
    let file = host.show(snapshot.file());
    let settings = snapshot.settings(host)?;
    let list = StoreList::of(&snapshot.doc).map_err(|fault| snapshot.problem(host, fault))?;
    let entries = list.map(|list| list.entries).unwrap_or_default();
    let head = snapshot.head_lines();
    let stores = entries
        .into_iter()
        .map(|entry| {
            let (state, images) = look(host, &entry.path, &settings.driver);
            ListedStore {
                path: entry.path,
                state,
                driver: settings.driver.clone(),
                images,
                file: file.clone(),
                line: head + entry.line,
            }
        })
        .collect();
    Ok((Some(file), stores))
}

fn look(host: &Host, path: &str, driver: &str) -> (State, Option<usize>) {
    if !path.starts_with('/') || path.contains(',') {
        return (State::Invalid, None);
    }
    let path = clean(path);
    match host.root.stat(Path::new(&path)) {
        Ok(None) => (State::Missing, None),
        Ok(Some(stat)) if stat.kind != Kind::Directory => (State::NotDirectory, None),
        Err(_) => (State::Unreadable, None),
        Ok(Some(_)) => match count_images(&host.root, Path::new(&path), driver) {
            Ok(count) => (State::Present, Some(count)),
            Err(error) if error.is::<serde_json::Error>() => (State::Malformed, None),
            Err(_) => (State::Unreadable, None),
        },
    }
}
