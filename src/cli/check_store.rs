//! `check-store`: what [`crate::store::check`] finds in stores, quickly or down to every byte.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::any_engine::AnyEngine;
use super::byte_size::byte_size;
use super::counted::{counted, found};
use super::defaults::jobs;
use super::output::Output;
use super::progress::{ProgressDisplay, ProgressOption};
use super::rules::{RuleJson, print_rules};
use super::status::Strict;
use super::{Common, Status, inside};
use crate::conf::clean;
use crate::engine::{Effect, Profile, Reason};
use crate::judgement::{RUN, Reader, gather, judge_store};
use crate::plan::{Host, list_stores};
use crate::problem::{Problem, Severity, size};
use crate::store::check::{
    self, CheckRequest, Progress, RULES, RoundProgress, Scope, StoreFinding, StoreReport, Tally, Verification,
};
use crate::store::{Timestamp, short_id};

/// Find damage in image stores
///
/// Reads the stores itself, without an engine, and changes and locks nothing. It
/// works on mounted images, on stores of other architectures and under --root. Each
/// finding says which engines do what because of it.
#[derive(Debug, Args)]
pub(super) struct CheckStore {
    /// The stores; all that are listed if none is given
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,
    /// Read every byte: digests, layers against the tar streams that they came
    /// from, and files, modes, owners, times and attributes that no engine looks at
    #[arg(long)]
    deep: bool,
    /// Read at most this much, such as 10GB, and go on where the last run stopped; a
    /// larger layer is read by itself. What was read is noted in
    /// /var/lib/storagectl/deep-check, or below ~/.local/state for a normal user
    #[arg(long, value_name = "SIZE", requires = "deep", value_parser = byte_size)]
    budget: Option<u64>,
    /// How many layers are read at a time; as many as there are processors if not
    /// given, and one with --budget
    #[arg(long, value_name = "N", conflicts_with = "budget", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Report only findings for this engine, or generation of engines
    #[arg(long, value_name = "ENGINE", default_value = "all")]
    engine: AnyEngine,
    /// Leave out the rule with this name; may be given several times
    #[arg(long, value_name = "ID", value_parser = PossibleValuesParser::new(RULES.iter().map(|rule| rule.id)),
          hide_possible_values = true)]
    skip: Vec<String>,
    #[command(flatten)]
    strict: Strict,
    #[command(flatten)]
    progress: ProgressOption,
    /// List the rules, and check nothing
    #[arg(long, conflicts_with_all = ["paths", "deep", "budget", "skip"])]
    list: bool,
}

#[derive(Serialize)]
pub(super) struct CheckStoreJson<'a> {
    version: u32,
    deep: bool,
    stores: Vec<String>,
    images: usize,
    layers: usize,
    artifacts: usize,
    assembled: Assembled,
    verification: Option<Verification>,
    round: Option<RoundJson>,
    findings: Vec<StoreFindingJson<'a>>,
    not_looked: &'a [Problem],
}

#[derive(Serialize)]
struct Assembled {
    layers: usize,
    bytes: u64,
}

/// How far a check with a budget is. Times are those of RFC 3339.
#[derive(Serialize)]
struct RoundJson {
    budget: u64,
    bytes_read: u64,
    started: Option<String>,
    complete: bool,
    parts: usize,
    parts_checked: usize,
    bytes: u64,
    bytes_checked: u64,
    oldest_check: Option<String>,
}

#[derive(Serialize)]
struct StoreFindingJson<'a> {
    #[serde(flatten)]
    problem: &'a Problem,
    scope: check::Scope,
    effects: Vec<EffectJson>,
    users_only: bool,
    store: String,
    path: Option<String>,
    layer: Option<&'a str>,
    images: &'a [String],
    files: &'a [String],
}

#[derive(Serialize)]
struct EffectJson {
    scope: check::Scope,
    engines: Vec<Profile>,
}

impl CheckStore {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        if self.list {
            return list(output).map(|()| Status::Done);
        }
        let host = common.host()?;
        let request = self.request(&host, output)?;
        if request.stores.is_empty() {
            output.status("no image store is listed");
        }
        let report = self.check(&host, &request, output)?;
        if let Some(round) = &report.round {
            print_round(round, self.budget.unwrap_or_default(), output);
        }
        if output.json {
            output.print_json(&self.document(&host, &report))?;
        } else {
            print(&report, output)?;
        }
        let found = report.findings.iter().map(|finding| finding.severity);
        Ok(self.strict.answer(found, report.not_looked.is_empty()))
    }

    fn request(&self, host: &Host, output: &Output) -> anyhow::Result<CheckRequest> {
        let given =
            self.paths.iter().map(|path| inside(host, Path::new(path))).collect::<Result<Vec<_>, _>>()?;
        let listed = match list_stores(host) {
            Ok((_, listed)) => listed,
            Err(error) if given.is_empty() => return Err(error),
            Err(error) => {
                output.warning(&format!("other stores were not checked: {error:#}"));
                Vec::new()
            }
        };
        let listed: Vec<PathBuf> = listed
            .into_iter()
            .filter(|store| store.path.starts_with('/'))
            .map(|store| PathBuf::from(clean(&store.path)))
            .collect();
        let mut own: Vec<PathBuf> = Vec::new();
        for judgement in Profile::ALL.map(|profile| host.judge(profile)) {
            own.extend(judgement.own_storage().parts().map(Path::to_owned));
        }
        let stores = if self.paths.is_empty() { listed.clone() } else { given };
        // This reads the limits of the process, so it is asked only where it is needed.
        Ok(CheckRequest {
            unreadable: stores.iter().flat_map(|store| unreadable(host, store)).collect(),
            stores,
            listed,
            own,
            driver: host.driver(),
            engines: self.engine.engines(),
            deep: self.deep,
            layers: None,
            jobs: if self.jobs.is_none() && !self.deep { 1 } else { jobs(self.jobs) },
            skip: self.skip.clone(),
        })
    }

    fn check(&self, host: &Host, request: &CheckRequest, output: &Output) -> anyhow::Result<StoreReport> {
        if !self.deep {
            return Ok(check::check(&host.root, request, &Progress::default()));
        }
        let watch = ProgressDisplay::new(output, &self.progress, None);
        match self.budget {
            None => Ok(watch.run(|progress| check::check(&host.root, request, progress))),
            Some(budget) => {
                let state = host.state_dir()?;
                Ok(watch
                    .run(|progress| check::check_within(&host.root, request, budget, &state, progress))?)
            }
        }
    }

    /// A report as data.
    fn document<'a>(&self, host: &Host, report: &'a StoreReport) -> CheckStoreJson<'a> {
        let time = |seconds: u64| Timestamp(i64::try_from(seconds).unwrap_or_default(), 0).text();
        let round = report.round.as_ref().map(|round| RoundJson {
            budget: self.budget.unwrap_or_default(),
            bytes_read: round.bytes_read,
            started: (round.parts > 0).then(|| time(round.started)),
            complete: round.is_complete(),
            parts: round.parts,
            parts_checked: round.parts_checked,
            bytes: round.bytes,
            bytes_checked: round.bytes_checked,
            oldest_check: round.oldest.map(time),
        });
        document(host, self.deep, report, round)
    }
}

/// What keeps engines of a normal user from a store, as the judgement has it. What root cannot
/// look at is no matter of permissions, and told by the check.
fn unreadable(host: &Host, store: &Path) -> Vec<StoreFinding> {
    if !host.is_rootless() {
        return Vec::new();
    }
    let mut reasons: Vec<(Reason, Vec<Reader>)> = Vec::new();
    for reader in host.own_readers() {
        for reason in
            judge_store(&host.view(), &reader.environment, reader.profile, &clean(&store.to_string_lossy()))
        {
            gather(&mut reasons, &reader, &reason);
        }
    }
    reasons.retain(|(reason, _)| reason.id == "store-unreadable");
    let finding = |(reason, readers): (Reason, Vec<Reader>)| {
        let engines = readers.iter().map(|reader| reader.profile).collect();
        let scope = match reason.effect {
            Effect::Stops => Scope::All,
            RUN => Scope::Image,
            Effect::StopsUse(..) | Effect::Loses(..) => Scope::Layers,
        };
        StoreFinding::unreadable(store, reason.message, reason.hint, engines, scope)
    };
    reasons.into_iter().map(finding).collect()
}

fn document<'a>(
    host: &Host,
    deep: bool,
    report: &'a StoreReport,
    round: Option<RoundJson>,
) -> CheckStoreJson<'a> {
    let line = |finding: &'a StoreFinding| StoreFindingJson {
        problem: &finding.problem,
        scope: finding.scope(),
        effects: finding
            .effects
            .iter()
            .map(|effect| EffectJson { scope: effect.scope, engines: effect.engines.list().collect() })
            .collect(),
        users_only: finding.for_users,
        store: host.show(&finding.store),
        path: finding.path.as_ref().map(|path| host.show(path)),
        layer: finding.layer.as_deref(),
        images: &finding.images,
        files: &finding.files,
    };
    CheckStoreJson {
        version: 1,
        deep,
        stores: report.stores.iter().map(|store| host.show(store)).collect(),
        images: report.images,
        layers: report.layers,
        artifacts: report.artifacts,
        assembled: Assembled { layers: report.assembled.0, bytes: report.assembled.1 },
        verification: report.verification,
        round,
        findings: report.findings.iter().map(line).collect(),
        not_looked: &report.not_looked,
    }
}

/// What is to be said of a check with a budget besides what it found.
fn print_round(round: &RoundProgress, budget: u64, output: &Output) {
    if let Some(problem) = &round.begun_anew {
        output.warning(&format!("{}; everything is read again", problem.message));
    }
    if let Some((name, bytes)) = &round.larger {
        let what =
            format!("`{}` has {}, more than the {} of the budget", short(name), size(*bytes), size(budget));
        output.status(&format!("{what}, and was read by itself"));
    }
}

/// A layer as people call it; a digest stays what it is.
fn short(name: &str) -> &str {
    if name.contains(':') { name } else { short_id(name) }
}

fn print(report: &StoreReport, output: &Output) -> anyhow::Result<()> {
    for finding in &report.findings {
        output.print_finding(finding, true)?;
    }
    for problem in &report.not_looked {
        output.print_unchecked(problem);
    }
    if !report.stores.is_empty() {
        output.status(&summary(report));
    }
    Ok(())
}

fn summary(report: &StoreReport) -> String {
    let found =
        found(report.count(Severity::Error), report.count(Severity::Warning), report.not_looked.is_empty());
    let notes = match report.count(Severity::Note) {
        0 => String::new(),
        count => format!(" ({} with -v)", counted(count, "note")),
    };
    let stores = counted(report.stores.len(), "store");
    let verified = match (&report.verification, &report.round) {
        (Some(all), _) => format!("; {}", verified(all)),
        (None, Some(round)) => format!("; {}", checked(round)),
        (None, None) => String::new(),
    };
    let artifacts = match report.artifacts {
        0 => String::new(),
        count => format!(", {}", counted(count, "artifact")),
    };
    format!("{stores}, {}{artifacts}, {found}{notes}{verified}", counted(report.images, "image"))
}

/// `read 1.2 GB; 34.0 GB of 80.0 GB checked since 2026-11-20T10:00:00Z`.
fn checked(round: &RoundProgress) -> String {
    let since = Timestamp(i64::try_from(round.started).unwrap_or_default(), 0).text();
    let what = match round.is_complete() {
        true => format!("all {}", size(round.bytes)),
        false => format!("{} of {}", size(round.bytes_checked), size(round.bytes)),
    };
    format!("read {}; {what} checked since {since}", size(round.bytes_read))
}

/// `verified 3 of 4 layers, 1 of 2 images, all 2 record files`.
fn verified(all: &Verification) -> String {
    let part = |tally: &Tally, what: &str| {
        let count = tally.verified + tally.damaged + tally.not_verified;
        if tally.verified == count {
            format!("all {}", counted(count, what))
        } else {
            format!("{} of {}", tally.verified, counted(count, what))
        }
    };
    let (layers, images) = (part(&all.layers, "layer"), part(&all.images, "image"));
    format!("verified {layers}, {images} and {}", part(&all.records, "record file"))
}

fn list(output: &Output) -> anyhow::Result<()> {
    let rules = RULES.iter().map(|rule| RuleJson {
        id: rule.id,
        severity: rule.severity,
        deep: Some(rule.deep),
        description: rule.description,
    });
    print_rules(output, &rules.collect::<Vec<_>>())
}
