//! A diagnosis as numbers that are watched over time: what each is called, what it means, and what
//! it is now. Prometheus' rules for names hold: base units, and labels of which a host has few.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Diagnosis, Fate, HostStorage};
use crate::conf::clean;
use crate::plan::Host;
use crate::problem::{Problem, Severity};
use crate::store::check::{DeepRecord, StoreRecord};

/// Names and values of labels.
type Labels = Vec<(&'static str, String)>;

/// What can be watched, in this order: the name without `storagectl_`, and what it means.
pub const METRICS: &[(&str, &str)] = &[
    ("build_info", "The version of storagectl, which is always 1."),
    ("doctor_success", "Whether the host could be looked at: 1, or else 0 and nothing more is told."),
    ("doctor_run_timestamp_seconds", "When it was looked at."),
    ("doctor_duration_seconds", "How long that took."),
    ("doctor_unseen", "How many things could not be looked at."),
    ("findings", "What doctor, check-config and check-store find, by severity."),
    ("engine_stopped", "Whether this engine stops with an error, whatever the command."),
    ("stores_listed", "How many additional image stores engines have listed."),
    ("stores_set_aside", "How many are not listed, since their directories were missing at boot."),
    ("store_present", "Whether the directory of a listed store exists."),
    (
        "store_sound",
        "Whether a check finds no error in a listed store: the quick one now, or the last deep one.",
    ),
    ("images", "How many images a storage holds."),
    (
        "images_forecast",
        "How many of them survive a power cut now, would be wiped, are at risk, or it is unknown.",
    ),
    ("filesystem_free_bytes", "What is free on the file system of a storage."),
    ("filesystem_size_bytes", "How large the file system of a storage is."),
    ("filesystem_free_inodes", "How many inodes are free on the file system of a storage."),
    ("filesystem_inodes", "How many inodes the file system of a storage has."),
    ("filesystem_read_only", "Whether nothing can be written there."),
    ("deep_check_run_timestamp_seconds", "When check-store --deep --budget last ended."),
    ("deep_check_round_timestamp_seconds", "When it began to read a store anew."),
    (
        "deep_check_oldest_timestamp_seconds",
        "When the layer was read that was read longest ago, once all have been.",
    ),
    ("deep_check_bytes", "How many bytes a store has for it to read."),
    ("deep_check_checked_bytes", "How many of them it has read since it began anew."),
];

/// A value, with its labels.
type Sample = (Labels, f64);

/// What is watched, with its values now: the name, what it means, and the samples.
#[derive(Debug, Default)]
pub struct Metrics(BTreeMap<&'static str, BTreeMap<Labels, f64>>);

impl Metrics {
    /// All that have a value, in their order.
    pub fn list(&self) -> impl Iterator<Item = (&'static str, &'static str, Vec<Sample>)> {
        METRICS.iter().filter_map(|(name, help)| {
            let samples = self.0.get(name)?;
            Some((*name, *help, samples.iter().map(|(labels, value)| (labels.clone(), *value)).collect()))
        })
    }

    /// What is told of a host that could, or could not, be looked at, which took so long.
    pub fn of_run(success: bool, took: Duration) -> Self {
        let mut metrics = Self::default();
        metrics.put("build_info", vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1);
        metrics.put("doctor_success", vec![], u64::from(success));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        metrics.put("doctor_run_timestamp_seconds", vec![], now.as_secs());
        metrics.seconds("doctor_duration_seconds", took);
        metrics
    }

    /// What is told of a diagnosis, which took so long. Also returns what is wrong with what deep
    /// checks have noted.
    pub fn of(host: &Host, diagnosis: &Diagnosis, took: Duration) -> (Self, Option<Problem>) {
        let mut metrics = Self::of_run(true, took);
        metrics.put("doctor_unseen", vec![], count(diagnosis.not_looked.len()));
        metrics.findings(diagnosis);
        for judgement in &diagnosis.judgements {
            let engine = judgement.reading.profile.name().to_owned();
            metrics.put("engine_stopped", vec![("engine", engine)], u64::from(judgement.stops()));
        }
        let (record, problem) = match host.state_dir().and_then(|state| DeepRecord::read(&host.root, &state))
        {
            Ok(record) => (record, None),
            Err(problem) => (None, Some(problem)),
        };
        metrics.stores(host, diagnosis, record.as_ref());
        for (index, storage) in diagnosis.storages.iter().enumerate() {
            metrics.storage(host, diagnosis, index, storage);
        }
        if let Some(ended) = record.and_then(|record| record.ended) {
            metrics.put("deep_check_run_timestamp_seconds", vec![], ended);
        }
        (metrics, problem)
    }

    fn put(&mut self, name: &'static str, labels: Labels, value: u64) {
        debug_assert!(METRICS.iter().any(|(known, _)| *known == name), "`{name}` is not in the table");
        #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are of this kind")]
        self.0.entry(name).or_default().insert(labels, value as f64);
    }

    fn seconds(&mut self, name: &'static str, value: Duration) {
        self.0.entry(name).or_default().insert(Vec::new(), value.as_secs_f64());
    }

    /// As the exit status counts them.
    fn findings(&mut self, diagnosis: &Diagnosis) {
        let mut counts = [(Severity::Error, 0), (Severity::Warning, 0), (Severity::Note, 0)];
        for severity in diagnosis.severities() {
            counts.iter_mut().filter(|(of, _)| *of == severity).for_each(|(_, count)| *count += 1);
        }
        for (severity, count) in counts {
            self.put("findings", vec![("severity", severity.name().to_owned())], count);
        }
    }

    fn stores(&mut self, host: &Host, diagnosis: &Diagnosis, record: Option<&DeepRecord>) {
        let there = diagnosis.storages.iter().filter(|storage| !storage.listed_by.is_empty());
        let mut listed: BTreeMap<PathBuf, Option<&HostStorage>> =
            there.map(|storage| (storage.path.clone(), Some(storage))).collect();
        for judgement in &diagnosis.judgements {
            for path in judgement.reading.paths() {
                let path = PathBuf::from(clean(path));
                let is_there = host.root.stat(&path).is_ok_and(|stat| stat.is_some());
                // One that is there is a storage, by this name or another.
                if !is_there {
                    listed.insert(path, None);
                }
            }
        }
        self.put("stores_listed", vec![], count(listed.len()));
        let aside = diagnosis.problems.iter().filter(|problem| problem.id == "set-aside");
        self.put("stores_set_aside", vec![], count(aside.count()));
        let bad: BTreeSet<&Path> = diagnosis
            .stores
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .filter(|finding| !finding.for_users || host.is_rootless())
            .map(|finding| finding.store.as_path())
            .collect();
        for (path, storage) in listed {
            let label = || ("path", host.show(&path));
            self.put("store_present", vec![label()], u64::from(storage.is_some()));
            let is_sound =
                storage.is_some_and(|storage| storage.images.is_ok()) && !bad.contains(path.as_path());
            let of = |check: &str| vec![label(), ("check", check.to_owned())];
            self.put("store_sound", of("quick"), u64::from(is_sound));
            let Some(record) = record.and_then(|record| record.stores.get(path.to_str()?)) else { continue };
            self.put("store_sound", of("deep"), u64::from(record.is_sound()));
            self.deep(&label, record);
        }
    }

    fn deep(&mut self, label: &dyn Fn() -> (&'static str, String), record: &StoreRecord) {
        self.put("deep_check_round_timestamp_seconds", vec![label()], record.started);
        self.put("deep_check_bytes", vec![label()], record.bytes_in_all);
        self.put("deep_check_checked_bytes", vec![label()], record.checked().1);
        if let Some(oldest) = record.oldest() {
            self.put("deep_check_oldest_timestamp_seconds", vec![label()], oldest);
        }
    }

    fn storage(&mut self, host: &Host, diagnosis: &Diagnosis, index: usize, storage: &HostStorage) {
        let label = || ("path", host.show(&storage.path));
        let images = || diagnosis.images.iter().filter(|image| image.storage == index);
        self.put("images", vec![label()], count(images().count()));
        for (fate, name) in [
            (Fate::Survives, "survives"),
            (Fate::Wiped, "wiped"),
            (Fate::AtRisk, "at_risk"),
            (Fate::Unknown, "unknown"),
        ] {
            let images = images().filter(|image| image.forecast.answer == fate);
            let labels = vec![label(), ("outcome", name.to_owned())];
            self.put("images_forecast", labels, count(images.count()));
        }
        // What is free where a tree lies is not what its host will have.
        let Some(free) = host.root.free_space(&storage.path).ok().filter(|_| !host.root.is_tree()) else {
            return;
        };
        let read_only = host.root.is_read_only(&storage.path).unwrap_or_default();
        self.put("filesystem_read_only", vec![label()], u64::from(read_only));
        self.put("filesystem_free_bytes", vec![label()], free.bytes);
        self.put("filesystem_size_bytes", vec![label()], free.of_bytes);
        if let Some((inodes, of)) = free.inodes.zip(free.of_inodes) {
            self.put("filesystem_free_inodes", vec![label()], inodes);
            self.put("filesystem_inodes", vec![label()], of);
        }
    }
}

fn count(things: usize) -> u64 {
    u64::try_from(things).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_metric_with_its_words_and_no_other() {
        let page = include_str!("../../docs/monitoring.md");
        let rows: Vec<(&str, &str)> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `storagectl_")?.split_once('`'))
            .filter_map(|(name, rest)| Some((name, rest.trim_end_matches(" |").rsplit_once("| ")?.1)))
            .collect();
        assert_eq!(rows, METRICS);
    }

    #[test]
    fn names_are_those_of_prometheus() {
        for (name, help) in METRICS {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            // `_total` and `_count` are of other kinds, and a time has its unit.
            assert!(!name.ends_with("_total") && !name.ends_with("_count"), "{name}");
            assert!(!name.contains("timestamp") || name.ends_with("_timestamp_seconds"), "{name}");
            assert!(help.ends_with('.') && !help.contains(['\\', '\n']), "{help}");
        }
    }
}
