//! One page about a host: its engines, what they see, what is wrong, and what a power
//! cut now would do to every image.
//!
//! What decides about an image is a table of rules without a look at the disk
//! ([`forecast`]). Everything else gathers what that table asks for: the engines that
//! are installed, CRI-O's settings and what it left on the disk ([`Crio`]), the
//! directories with images ([`HostStorage`]) and what `check-config` and `check-store` find.
//!
//! On a running host the files that CRI-O leaves (`clean.shutdown` and the version
//! file) are taken as they are: they are what `crio wipe` will look at when the host
//! is up again. In a tree CRI-O is taken to have been started and to run.

mod absent;
mod checked;
mod copies;
mod crio;
mod cure;
mod file_system;
mod fix;
mod forecast;
mod metrics;
mod pinned;
mod problems;
mod remedy;
mod room;
mod shadowed;
mod storage;
mod unit;

use std::path::PathBuf;
use std::rc::Rc;

use crate::engine::{Engines, InstalledProgram, Profile};
use crate::judgement::Judgement;
use crate::plan::{self, Host};
use crate::problem::{Problem, Severity};
use crate::store::check::StoreFinding;

pub use crio::Crio;
pub use cure::{CURES, Cure, CureRow, why_not};
pub use fix::{FixEvent, FixOptions, FixOutcome, FixReport, FixStep, fix};
pub use forecast::{Fate, Forecast, ImageFacts, Remedy, Setting, StoragePlace, Wiper, forecast};
pub use metrics::{METRICS, Metrics};
pub use pinned::PinFile;
pub use problems::FINDINGS;
pub use remedy::commands;
pub use room::of as room_of;
pub use storage::HostStorage;
pub use unit::UnitState;

use absent::Absent;
use checked::CheckFindings;
use problems::problem;

/// What there is to say about a host.
#[derive(Debug, Default)]
pub struct Diagnosis {
    /// The engines that are installed.
    pub programs: Vec<InstalledProgram>,
    /// What each of their generations does; all generations if none is installed.
    pub judgements: Vec<Rc<Judgement>>,
    /// CRI-O, if it is installed.
    pub crio: Option<Crio>,
    /// The directories with images.
    pub storages: Vec<HostStorage>,
    /// Every image, by storage.
    pub images: Vec<ImageLine>,
    /// What is wrong, the worst first.
    pub problems: Vec<Problem>,
    /// What cures what was found, as far as there is one right answer, in the order in which it is done.
    pub cures: Vec<Cure>,
    /// How many warnings `check-config` and `check-store` have.
    pub warnings: (usize, usize),
    /// All that `check-config` found.
    pub configuration: Vec<Problem>,
    /// All that `check-store` found in the storages.
    pub stores: Vec<StoreFinding>,
    /// What doctor itself found.
    pub own: Vec<Problem>,
    /// Images that kubelet may try to remove, and what prevents it.
    pub pin_file: Option<PinFile>,
    /// What could not be looked at.
    pub not_looked: Vec<Problem>,
}

impl Diagnosis {
    /// How bad everything is that was found. Warnings of the two checks are only counted.
    pub fn severities(&self) -> impl Iterator<Item = Severity> {
        let (of_config, of_stores) = self.warnings;
        let counted = std::iter::repeat_n(Severity::Warning, of_config + of_stores);
        self.problems.iter().map(|problem| problem.severity).chain(counted)
    }
}

/// An image and what becomes of it.
#[derive(Debug, Clone)]
pub struct ImageLine {
    /// Its names; none for an image that has lost them.
    pub names: Vec<String>,
    /// Its id.
    pub id: String,
    /// The index of its storage.
    pub storage: usize,
    /// The storage with the layer below one of its own.
    pub built_on: Option<PathBuf>,
    /// What becomes of it.
    pub forecast: Forecast,
}

impl ImageLine {
    /// How a person calls it: its first name, or the start of its id.
    pub fn title(&self) -> String {
        title(&self.names, &self.id)
    }
}

fn title(names: &[String], id: &str) -> String {
    names.iter().find(|name| !name.is_empty()).cloned().unwrap_or_else(|| id.chars().take(12).collect())
}

/// Looks at a host.
///
/// # Errors
/// A [`Problem`] if what everything else rests on cannot be read.
pub fn diagnose(host: &Host) -> anyhow::Result<Diagnosis> {
    diagnose_for(host, None)
}

/// The same for these engines, whichever are installed, if any are given.
///
/// # Errors
/// As [`diagnose`].
pub fn diagnose_for(host: &Host, asked: Option<Engines>) -> anyhow::Result<Diagnosis> {
    if host.config.is_some() {
        return Err(Problem::new(
            "whole-host",
            "doctor checks a whole host; `--config` is not supported",
            "leave out `--config`; `storagectl check-config` checks one file",
        )
        .into());
    }
    let programs = host.programs().map_err(Problem::cannot("read", "the engines"))?;
    let (installed, has_crio) = host.engines_of(&programs);
    let engines = asked.unwrap_or(installed);
    let judgements: Vec<Rc<Judgement>> = engines.list().map(|profile| host.judge(profile)).collect();
    let mut not_looked = Vec::new();
    let mut readings = judgements.iter().map(|judgement| &judgement.reading);
    let crio = match readings.find(|reading| reading.profile == Profile::Crio) {
        Some(reading) if has_crio => {
            let program = programs.iter().find(|program| program.profile() == Profile::Crio).cloned();
            Some(
                Crio::read(&host.root, program, reading)
                    .map_err(Problem::cannot("look at", "CRI-O's state"))?,
            )
        }
        _ => None,
    };
    let crio_own: Vec<String> = crio.iter().flat_map(Crio::own_storage).collect();
    let storages = storage::storages(&host.root, &judgements, &programs, &crio_own, &mut not_looked);

    let mut absent = Absent::find(host);
    not_looked.append(&mut absent.not_looked);
    let cures = std::mem::take(&mut absent.cures);
    let mut checked = CheckFindings::new(absent);
    checked.cures = cures;
    checked.configuration(host, engines, &mut not_looked)?;
    checked.declarations(host, &mut not_looked);
    checked.missing_stores(host);
    checked.stores(host, &storages, engines, &mut not_looked);
    if let Some(crio) = &crio {
        checked.crio(host, crio);
    }
    checked.problems.extend(file_system::file_systems(host, &judgements));
    checked.problems.extend(room::room(host, &storages));
    checked.problems.append(&mut checked.absent.problems);
    if plan::is_managed(host) {
        checked.problems.push(problem(
            "mco-managed",
            "OpenShift's Machine Config Operator owns this node's storage.conf",
            "a local edit degrades the node; change it in a MachineConfig",
        ));
    }
    let images = {
        let stops = checked.stops(Profile::Crio);
        let wiper = Wiper { crio: crio.as_ref(), stops, unreadable: checked.unreadable.as_deref() };
        images(host, &storages, &checked, &wiper)
    };
    repair_deletes(&images, &storages, crio.as_ref(), &mut checked);
    let pin_file = crio.as_ref().and_then(|crio| PinFile::needed(crio, &storages));
    if let Some(pin_file) = &pin_file {
        let message = match pin_file.images.as_slice() {
            [one] => format!("kubelet's garbage collection may try to remove `{one}` again and again"),
            several => format!(
                "kubelet's garbage collection may try to remove {} images of additional stores again and again",
                several.len()
            ),
        };
        let hint = format!("pin them with `{}`", host.show(&pin_file.path));
        checked.problems.push(problem("images-not-pinned", message, hint));
    }
    // What stops engines comes first.
    checked.problems.sort_by_key(|problem| (problem.severity, problem.stops.is_empty()));
    checked.cures.sort();
    checked.cures.dedup();
    if checked.cures.contains(&Cure::SetAside) {
        checked.cures.retain(|cure| *cure != Cure::Apply);
    }
    not_looked.dedup();
    let is_own = |problem: &&Problem| FINDINGS.iter().any(|(id, ..)| *id == problem.id);
    Ok(Diagnosis {
        own: checked.problems.iter().filter(is_own).cloned().collect(),
        configuration: checked.config_findings,
        stores: checked.store_findings,
        warnings: (checked.config_warnings, checked.store_warnings),
        problems: checked.problems,
        cures: checked.cures,
        programs,
        judgements,
        crio,
        storages,
        images,
        pin_file,
        not_looked,
    })
}

impl Diagnosis {
    /// The findings that `cure` cures, each once.
    pub fn findings_of(&self, cure: &Cure) -> Vec<&'static str> {
        let all = self.problems.iter().chain(&self.configuration);
        let mut ids: Vec<_> = all.filter(|it| cure.covers(it)).map(|it| it.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// The forecast of every image.
fn images(
    host: &Host,
    storages: &[HostStorage],
    checked: &CheckFindings,
    wiper: &Wiper<'_>,
) -> Vec<ImageLine> {
    let mut lines = Vec::new();
    for (index, storage) in storages.iter().enumerate() {
        for image in storage.images.iter().flatten() {
            let names = image.names.clone().unwrap_or_default();
            let id = image.id.clone().unwrap_or_default();
            let built_on = storage.built_on(image, storages);
            let kept = ImageFacts {
                place: storage.place,
                is_other_main: !storage.own_of.is_empty(),
                in_memory: storage.in_memory,
                damage: checked.damage(&storage.path, &title(&names, &id)),
                built_on,
                unsynced: storage.unsynced(&host.root, image),
            };
            let forecast = forecast(wiper, &kept);
            let built_on = built_on.map(std::path::Path::to_path_buf);
            lines.push(ImageLine { names, id, storage: index, built_on, forecast });
        }
    }
    lines
}

/// The danger of repairs (`Check` in the library's check.go): an image of main storage
/// that is built on one of an additional store is taken for damaged and deleted.
fn repair_deletes(
    images: &[ImageLine],
    storages: &[HostStorage],
    crio: Option<&Crio>,
    checked: &mut CheckFindings,
) {
    if storages.iter().all(|storage| storage.listed_by.is_empty()) {
        return;
    }
    let repair = match crio {
        Some(crio) if crio.mends() => {
            "`podman system check --repair`, and CRI-O's own after an unclean stop,"
        }
        _ => "`podman system check --repair`",
    };
    let built: Vec<String> = images
        .iter()
        .filter(|image| image.built_on.is_some())
        .map(|image| format!("`{}`", image.title()))
        .collect();
    let message = match built.as_slice() {
        // Nobody has to act on what is not there.
        [] => return,
        [one] => format!("{repair} would delete {one}, which is sound"),
        [one, rest @ ..] => {
            format!("{repair} would delete {one} and {} other images, which are sound", rest.len())
        }
    };
    let hint = "do not repair here: an image that is built on one of an additional store counts as damaged";
    checked.problems.push(problem("repair-deletes", message, hint));
}
