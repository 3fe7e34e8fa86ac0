//! Doing what has one right answer.
//!
//! Nothing here is a repair of its own: each step is an operation that a command does, under its own
//! locks, and it leaves what that command leaves. After each step the host is looked at again, since
//! one may cure more than it was for, and what it shows is what counts then. So a run that was killed
//! is finished by the next, and a run that finds nothing to do does nothing.

mod undo;

use std::path::{Path, PathBuf};

use super::cure::{CopyRoute, Cure};
use super::{Diagnosis, diagnose};
use crate::copying::{self, CopyEvent, CopyLimits, CopyOptions, CopyReport, CopyState};
use crate::dependents::{CleanReport, KeepOptions, KeptStorage, clean_dependents, keep_layers};
use crate::embedded::homes;
use crate::lint::{self, LintInput};
use crate::plan::{self, ApplyOptions, CommitMode, FileChange, Host, PlanOutcome, driver_in_force};
use crate::problem::{Problem, shell_word};
use crate::sealed;
use crate::store::{self, OpenedUp};

use undo::FileBackup;

/// How far it goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct FixOptions {
    /// Also what removes images or containers.
    pub remove: bool,
}

/// What was done in one step, or in a dry run would be.
#[derive(Debug)]
pub struct FixStep {
    /// What it was.
    pub cure: Cure,
    /// The findings that it is for.
    pub findings: Vec<&'static str>,
    /// What came of it.
    pub work: FixOutcome,
    /// What could not be done.
    pub problems: Vec<Problem>,
    /// What undoes it: commands, or a sentence where there is none.
    pub undo: Vec<String>,
}

impl FixStep {
    /// Whether all of it was done, or would be.
    pub fn is_done(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What came of a step.
#[derive(Debug)]
pub enum FixOutcome {
    /// It was not done at all.
    Nothing,
    /// Files of the configuration were repaired.
    Repaired(PlanOutcome),
    /// The configuration follows the declarations.
    Applied(PlanOutcome),
    /// A directory was made a store.
    Initialised {
        /// The store.
        store: PathBuf,
        /// What was created.
        created: Vec<PathBuf>,
        /// What everyone may read now.
        opened: Vec<PathBuf>,
    },
    /// Layers were kept.
    Kept(Vec<KeptStorage>),
    /// What was lost was removed.
    Cleaned(CleanReport),
    /// Images were copied or removed.
    Copied(Box<CopyReport>),
}

impl FixOutcome {
    /// The files of the configuration that it changes.
    pub fn changes(&self) -> &[FileChange] {
        let outcome = match self {
            Self::Repaired(outcome) | Self::Applied(outcome) => Some(outcome),
            Self::Copied(report) => report.outcome.as_ref(),
            _ => None,
        };
        outcome.map_or(&[], |outcome| &outcome.plan.changes)
    }
}

/// What happens while it goes on.
#[derive(Debug, Clone, Copy)]
pub enum FixEvent<'a> {
    /// This is done now, for these findings.
    Begins(&'a Cure, &'a [&'static str]),
    /// This became of it.
    Ended(&'a FixStep),
}

/// All that was done, and what is left.
#[derive(Debug)]
pub struct FixReport {
    /// The steps, in their order.
    pub steps: Vec<FixStep>,
    /// The host afterwards; after a dry run, as it is.
    pub diagnosis: Diagnosis,
    /// What is left of what was found.
    pub left: Vec<Problem>,
}

/// Does what cures the findings of doctor, one step after the other.
///
/// # Errors
/// Those of [`diagnose`]. What keeps one step from being done stands there, and keeps only those from
/// being done that build on it.
pub fn fix(
    host: &Host,
    options: FixOptions,
    mode: CommitMode,
    on_event: &dyn Fn(FixEvent<'_>),
) -> anyhow::Result<FixReport> {
    let mut diagnosis = diagnose(host)?;
    let mut steps: Vec<FixStep> = Vec::new();
    loop {
        let is_broken = steps.iter().any(|step| step.cure.configures() && !step.is_done());
        let may_run = |cure: &&Cure| {
            let is_asked_for = options.remove || !cure.row().removes;
            let has_base = cure.configures() || !is_broken;
            is_asked_for && has_base && steps.iter().all(|step| step.cure != **cure)
        };
        let Some(cure) = diagnosis.cures.iter().filter(may_run).min().cloned() else { break };
        let findings = diagnosis.findings_of(&cure);
        on_event(FixEvent::Begins(&cure, &findings));
        let mut step =
            FixStep { cure, findings, work: FixOutcome::Nothing, problems: Vec::new(), undo: Vec::new() };
        if let Err(error) = step.run(host, mode) {
            step.problems.push(match error.downcast::<Problem>() {
                Ok(problem) => problem,
                Err(error) => {
                    Problem::new("io", format!("{error:#}"), "fix what the system reports and try again")
                }
            });
        }
        on_event(FixEvent::Ended(&step));
        steps.push(step);
        if mode == CommitMode::Commit {
            host.forget_files();
            diagnosis = diagnose(host)?;
        }
    }
    let cured = |problem: &&Problem| {
        mode == CommitMode::DryRun && steps.iter().any(|step| step.is_done() && step.cure.covers(problem))
    };
    let left = diagnosis.problems.iter().filter(|problem| !cured(problem)).cloned().collect();
    Ok(FixReport { steps, diagnosis, left })
}

impl FixStep {
    fn run(&mut self, host: &Host, mode: CommitMode) -> anyhow::Result<()> {
        match self.cure.clone() {
            Cure::FixConfig => self.configure(host, mode, &|mode| {
                let outcome =
                    plan::rewrite(host, mode, || Ok(lint::plan_fixes(LintInput::read(host, None)?, &[])))?;
                Ok((FixOutcome::Repaired(outcome), Vec::new()))
            }),
            Cure::SetAside => {
                self.apply(host, ApplyOptions { set_aside: true, ..ApplyOptions::default() }, mode)
            }
            Cure::Apply => self.apply(host, ApplyOptions::default(), mode),
            Cure::InitStore(store) => self.init(host, &store, mode),
            Cure::KeepLayers => {
                let kept = keep_layers(host, &KeepOptions::default(), mode)?;
                if kept.iter().any(|storage| !storage.layers.is_empty()) {
                    self.undo
                        .push("engines remove them as any other image, when nothing uses them".to_owned());
                }
                // What nobody has any more is told with what removes it.
                let is_lost = |problem: &&Problem| problem.id == "layer-lost";
                let problems = kept.iter().flat_map(|storage| &storage.not_kept);
                self.problems.extend(problems.filter(|problem| !is_lost(problem)).cloned());
                self.work = FixOutcome::Kept(kept);
                Ok(())
            }
            Cure::CleanDependents => {
                let cleaned = clean_dependents(host, mode)?;
                for dir in cleaned.storages.iter().flat_map(|storage| &storage.backups) {
                    self.undo.push(format!("what was removed is in `{}`, and `storagectl apply --boot` puts it back when the layers are there again", host.show(dir)));
                }
                self.work = FixOutcome::Cleaned(cleaned);
                Ok(())
            }
            Cure::CopyImages(copies) => self.copy(host, copies, false, mode),
            Cure::PruneImages(copies) => self.copy(host, copies, true, mode),
        }
    }

    fn apply(&mut self, host: &Host, options: ApplyOptions, mode: CommitMode) -> anyhow::Result<()> {
        let declarations = host.declarations()?;
        self.configure(host, mode, &|mode| {
            let (outcome, problems) = sealed::apply(host, &declarations, options, mode)?;
            Ok((FixOutcome::Applied(outcome), problems))
        })
    }

    /// Changes the configuration, after a backup of the files that a dry run would change.
    fn configure(
        &mut self,
        host: &Host,
        mode: CommitMode,
        change: &dyn Fn(CommitMode) -> anyhow::Result<(FixOutcome, Vec<Problem>)>,
    ) -> anyhow::Result<()> {
        let (would, problems) = change(CommitMode::DryRun)?;
        if mode == CommitMode::DryRun {
            (self.work, self.problems) = (would, problems);
            return Ok(());
        }
        let mut backup = FileBackup::make(host, would.changes())?;
        host.forget_files();
        (self.work, self.problems) = change(CommitMode::Commit)?;
        // Somebody may have changed a file in between.
        if self.work.changes() != would.changes() {
            backup = FileBackup::make(host, self.work.changes())?;
        }
        self.undo = backup.commands(host);
        Ok(())
    }

    fn init(&mut self, host: &Host, path: &Path, mode: CommitMode) -> anyhow::Result<()> {
        let shown = host.show(path);
        let dry_run = mode == CommitMode::DryRun;
        let driver = driver_in_force(host)?;
        let driver =
            store::driver_of(&host.root, path, &driver).map_err(Problem::cannot("look at", &shown))?;
        let created = store::init(&host.root, path, &driver, dry_run)?;
        let OpenedUp { opened, .. } = store::open_up(&host.root, path, &driver, dry_run)?;
        if !created.is_empty() && !dry_run {
            let files = created.iter().map(|file| shell_word(&host.show(file)));
            self.undo.push(format!("rm {}", files.collect::<Vec<_>>().join(" ")));
        }
        self.work = FixOutcome::Initialised { store: path.to_owned(), created, opened };
        Ok(())
    }

    fn copy(&mut self, host: &Host, copies: CopyRoute, prune: bool, mode: CommitMode) -> anyhow::Result<()> {
        let first = || Ok::<_, Problem>(homes(&host.root)?.first().map(|home| home.to_path_buf()));
        let source = match copies.source {
            Some(source) => source,
            None => first()?.unwrap_or_default(),
        };
        let options = CopyOptions {
            source,
            store: copies.store,
            artifact_store: copies.artifact_store,
            limits: CopyLimits::default(),
            required: Vec::new(),
            prune,
        };
        let ignore = |_: CopyEvent<'_>| {};
        let report = copying::copy(host, &options, mode, &ignore)?;
        self.problems.extend(report.not_pruned.clone());
        let mut copied = Vec::new();
        for line in &report.lines {
            match &line.state {
                CopyState::Failed(problem) => self.problems.push(problem.clone()),
                CopyState::Copied => copied.push(shell_word(&line.reference)),
                CopyState::Present | CopyState::Replaced => {}
            }
        }
        if mode == CommitMode::Commit && !copied.is_empty() {
            let copied = copied.join(" ");
            self.undo.push(match &options.store {
                Some(store) => format!("storagectl remove-images {} {copied}", shell_word(&host.show(store))),
                None => format!("podman rmi {copied}"),
            });
        }
        if mode == CommitMode::Commit && !report.pruned.names.is_empty() {
            self.undo.push("a pull gets removed images again".to_owned());
        }
        self.work = FixOutcome::Copied(Box::new(report));
        Ok(())
    }
}
