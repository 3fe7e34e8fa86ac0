//! `scriptlet`: what the RPM macros call; it never fails a transaction.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::output::Output;
use super::{Common, keep_layers, report};
use crate::dependents::{KeepOptions, keep_layers};
use crate::plan::{CommitMode, Host, PlanOutcome, StoreResult};
use crate::rpm::{self, Phase};
use crate::store::store_path;

/// Do what an RPM scriptlet must do for a package's stores
///
/// The macros in macros.storagectl call this. It always exits with 0, so that no
/// transaction fails, and reports what it could not do.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct Scriptlet {
    /// The scriptlet
    phase: Which,
    /// The scriptlet's first argument: how many of the package will be installed
    #[arg(default_value = "0")]
    count: String,
    /// The package's stores
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    /// %post
    Post,
    /// %preun
    Preun,
    /// %postun
    Postun,
    /// %preun of storagectl itself
    SelfPreun,
}

impl Scriptlet {
    pub(super) fn run(&self, common: &Common, output: &Output) {
        let phase = match self.phase {
            Which::Post => Phase::Post,
            Which::Preun => Phase::Preun,
            Which::Postun => Phase::Postun,
            Which::SelfPreun => {
                if !self.each(common, output, rpm::unlist_all) {
                    output.warning(
                        "stores of packages are still listed, and nothing will remove them from the list when these \
                         packages are erased: every engine stops then",
                    );
                }
                return;
            }
        };
        // Without a count RPM did not call this; take it for an installation.
        let count = self.count.parse().unwrap_or(1);
        for path in &self.paths {
            if (phase, count) == (Phase::Preun, 0) {
                self.keep_layers(common, output, Some(path));
            }
            let done =
                self.each(common, output, |host| rpm::scriptlet(host, phase, count, &store_path(path)?));
            let is_listed = || {
                let listed = common.host().and_then(|host| rpm::is_listed(&host, &store_path(path)?));
                listed.unwrap_or(true)
            };
            if !done && (phase, count) == (Phase::Preun, 0) && is_listed() {
                // RPM goes on all the same.
                let path = path.display();
                output.warning(&format!(
                    "`{path}` is still listed while its package is erased: every engine stops until it is not; \
                     %postun tries that again, and `storagectl remove-store {path}` does it by hand"
                ));
            }
        }
        // Of the old package's store all is there yet, but for its records.
        if phase == Phase::Post && count > 1 {
            self.keep_layers(common, output, None);
        }
    }

    /// Keeps what containers need, of a store that is `leaving` or of those that were replaced.
    fn keep_layers(&self, common: &Common, output: &Output, leaving: Option<&OsString>) {
        let leaving = leaving.map(PathBuf::from).into_iter().collect();
        let options = KeepOptions { leaving, ..KeepOptions::default() };
        let kept = common.host().and_then(|host| {
            let kept = keep_layers(&host, &options, CommitMode::Commit)?;
            keep_layers::print(common, &host, &kept, output);
            Ok(())
        });
        if let Err(error) = kept {
            output.error(&error);
        }
    }

    /// Returns whether it was done; what was not is said.
    fn each(
        &self,
        common: &Common,
        output: &Output,
        run: impl Fn(&Host) -> anyhow::Result<Vec<PlanOutcome>>,
    ) -> bool {
        let result = common.host().and_then(|host| {
            for mut outcome in run(&host)? {
                // On every upgrade the old package's store still holds something: no news.
                outcome.plan.stores.retain(|(_, result)| *result != StoreResult::Kept);
                report::report(common, &host, &outcome, false, output)?;
            }
            Ok(())
        });
        if let Err(error) = &result {
            output.error(error);
        }
        result.is_ok()
    }
}
