//! `seal-store`: a checked store as one read-only file.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::build_store::{OutputKind, SELINUX};
use super::defaults::jobs;
use super::output::Output;
use super::{Common, Status, inside};
use crate::problem::{Problem, Severity, size, total};
use crate::store::check::{self, CheckRequest, Progress};
use crate::store::{self, StoreStamps, StoredLayer, seal};

/// Pack an image store into one read-only image file
///
/// DIR is checked first, every byte of it, as `check-store --deep` does; a store with
/// errors is not sealed. The file holds only what engines read of a store.
///
/// The image has no SELinux labels: where SELinux is enforcing, mount it with
/// `-o ro,context=system_u:object_r:container_ro_file_t:s0`.
#[derive(Debug, Args)]
pub(super) struct SealStore {
    /// The store
    #[arg(value_name = "DIR")]
    store: PathBuf,
    /// The file, which ends in .squashfs, .erofs or .tar; an existing one is replaced
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// What to write, whatever FILE's name is
    #[arg(long = "as", value_name = "KIND")]
    kind: Option<OutputKind>,
    /// How many layers are checked at a time; as many as there are processors if not
    /// given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Seal what cannot be verified, too, such as layers for composefs
    #[arg(long)]
    unverified: bool,
    /// Do not wait until everything is on the disk
    #[arg(long)]
    no_sync: bool,
}

#[derive(Serialize)]
struct SealStoreJson<'a> {
    version: u32,
    changed: bool,
    dry_run: bool,
    output: String,
    entries: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u64>,
    /// Why it was not sealed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<&'a Problem>,
}

impl SealStore {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        let (store, file) = (inside(&host, &self.store)?, inside(&host, &self.output)?);
        let kind = self.kind.unwrap_or_else(|| match OutputKind::of(&self.output) {
            OutputKind::Dir => OutputKind::Squashfs,
            kind => kind,
        });
        let Some(packed) = kind.packed().filter(|_| self.output != Path::new("-")) else {
            let message = "a store is sealed in a file";
            return Err(Problem::new("output-exists", message, "give a file that ends in .squashfs").into());
        };
        let request = CheckRequest {
            deep: true,
            jobs: jobs(self.jobs),
            ..CheckRequest::quick(vec![store.clone()], "overlay")
        };
        let stamps = StoreStamps::of(&host.root, [store.as_path()]);
        let report = check::check(&host.root, &request, &Progress::default());
        let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
        for finding in errors.filter(|_| !output.json) {
            output.print_finding(finding, true)?;
        }
        if let Some(problem) = report.not_looked.first() {
            return Err(problem.clone().into());
        }
        if let Some(problem) = report.unverified().filter(|_| !self.unverified) {
            return Err(problem.into());
        }
        let shown = host.show(&file);
        if report.count(Severity::Error) > 0 {
            output.status(&format!("`{}` has errors and was not sealed", host.show(&store)));
            if output.json {
                let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
                output.print_json(&SealStoreJson {
                    version: 1,
                    changed: false,
                    dry_run: common.dry_run,
                    output: shown,
                    entries: 0,
                    bytes: 0,
                    free: None,
                    errors: errors.map(|finding| &finding.problem).collect(),
                })?;
            }
            return Ok(Status::No);
        }
        let free = host.root.free_space(&file).ok().map(|free| free.bytes);
        if common.dry_run {
            let layers = store::layers(&host.root, &store, "overlay")?;
            let bytes = size(total(layers.iter().filter_map(StoredLayer::size)));
            let free = free.map_or_else(String::new, |free| format!(", and {} are free", size(free)));
            let what = format!("would have sealed `{}` in `{shown}`", host.show(&store));
            output.status(&format!("{what}; its layers have {bytes}{free}"));
        }
        let sealed = if common.dry_run {
            seal::SealedStore::default()
        } else {
            let sealed = seal::seal(&host.root, &store, &file, packed, !self.no_sync, &stamps)?;
            output.status(&format!("sealed `{}` in `{shown}`", host.show(&store)));
            sealed
        };
        if kind != OutputKind::Tar {
            output.detail(SELINUX);
        }
        if output.json {
            output.print_json(&SealStoreJson {
                version: 1,
                changed: true,
                dry_run: common.dry_run,
                output: shown,
                entries: sealed.entries,
                bytes: sealed.bytes,
                free,
                errors: Vec::new(),
            })?;
        }
        Ok(Status::Done)
    }
}
