//! The engines' own storage, and whether images can be put there without an engine.

use std::path::PathBuf;

use super::presence::CopyTarget;
use crate::conf::{Leaf, clean};
use crate::engine::{self, Profile, Reading};
use crate::judgement::Judgement;
use crate::plan::{Host, list_stores};
use crate::problem::Problem;

/// Options with which the overlay driver lays out layers in a way of its own, by the last
/// part of their names.
const SPECIAL: [&str; 4] = ["force_mask", "ignore_chown_errors", "mount_program", "use_composefs"];

/// What one engine takes for its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Own {
    driver: String,
    path: PathBuf,
    graphroot: PathBuf,
    special: Option<String>,
}

/// The one storage that the engines of this host have, and what of it keeps from putting images
/// there without an engine.
///
/// # Errors
/// `engine-stops` if no engine would start, `storages-differ` if they have several.
pub(super) fn main_storage(host: &Host) -> anyhow::Result<CopyTarget> {
    let own = own(host)?;
    let foreign = match (own.driver.as_str(), own.special) {
        _ if !rustix::process::geteuid().is_root() => {
            Some("its owner is a normal user, whose engine maps ids".to_owned())
        }
        ("overlay", None) => None,
        ("overlay", Some(option)) => Some(format!("the option `{option}` is set")),
        (driver, _) => Some(format!("its driver is {driver}")),
    };
    Ok(CopyTarget {
        path: own.path,
        artifacts: own.graphroot,
        driver: own.driver,
        own: true,
        listed: listed(host),
        foreign,
    })
}

/// The stores that engines list. What is wrong with the list is told where it is written.
pub(super) fn listed(host: &Host) -> Vec<PathBuf> {
    let stores = list_stores(host).map(|(_, stores)| stores).unwrap_or_default();
    let paths = stores.iter().map(|store| clean(&store.path)).filter(|path| path.starts_with('/'));
    paths.map(PathBuf::from).collect()
}

fn own(host: &Host) -> anyhow::Result<Own> {
    let judgements = Profile::ALL.map(|profile| host.judge(profile));
    let all: Vec<(Profile, Own)> = judgements
        .iter()
        .filter_map(|judgement| Some((judgement.reading.profile, of_engine(judgement)?)))
        .collect();
    let Some((_, first)) = all.first() else {
        let why = judgements.iter().find_map(|judgement| judgement.reading.failure());
        let why = why.map(|why| format!(": {}", why.message)).unwrap_or_default();
        let message = format!("no engine can read this host's configuration{why}");
        let hint = "`storagectl check-config` shows what is wrong with it";
        return Err(Problem::new("engine-stops", message, hint).into());
    };
    if all.iter().all(|(_, own)| own == first) {
        return Ok(first.clone());
    }
    // Programs are large, so they are looked at only where it counts which are there.
    let programs = host.programs_unasked().map_err(Problem::cannot("read", "/usr/bin"))?;
    let installed: Vec<Profile> = programs.iter().map(engine::InstalledProgram::profile).collect();
    let mut theirs: Vec<&(Profile, Own)> = all.iter().filter(|(of, _)| installed.contains(of)).collect();
    if theirs.is_empty() {
        theirs = all.iter().collect();
    }
    let (_, first) = theirs[0];
    match theirs.iter().find(|(_, own)| own.path != first.path || own.driver != first.driver) {
        None => {
            let special = theirs.iter().find_map(|(_, own)| own.special.clone());
            Ok(Own { special, ..first.clone() })
        }
        Some((profile, other)) => {
            let message = format!(
                "the engines of this host have different storages: `{}` ({}) and `{}` ({})",
                first.path.display(),
                theirs[0].0.name(),
                other.path.display(),
                profile.name()
            );
            let hint = "copy to a store that all of them read, with --store, such as /var/lib/containers/bound-images";
            Err(Problem::new("storages-differ", message, hint).into())
        }
    }
}

/// What an engine that starts takes for its own.
fn of_engine(judgement: &Judgement) -> Option<Own> {
    if judgement.reading.failure().is_some() {
        return None;
    }
    let own = judgement.own_storage();
    let path = own.imagestore.unwrap_or_else(|| own.graphroot.clone());
    Some(Own { driver: own.driver, path, graphroot: own.graphroot, special: special(&judgement.reading) })
}

/// The option that makes layers other than usual, if one is set.
fn special(reading: &Reading) -> Option<String> {
    let is_special = |name: &str| SPECIAL.contains(&name.rsplit('.').next().unwrap_or(name));
    let is_set = |leaf: &Leaf| match leaf {
        Leaf::String(text) => !matches!(text.as_str(), "" | "false" | "0"),
        Leaf::Boolean(set) => *set,
        _ => true,
    };
    let of_storage = reading.values.iter().filter(|(name, _)| name.starts_with("storage.options."));
    let mut set = of_storage.filter(|(name, value)| is_special(name) && is_set(&value.value));
    if let Some((name, _)) = set.next() {
        return Some(name.clone());
    }
    let options = reading.crio.get("crio.storage_option").map(|value| format!("{:?}", value.value));
    let options = options.unwrap_or_default();
    SPECIAL.into_iter().find(|name| options.contains(&format!("{name}="))).map(str::to_owned)
}
