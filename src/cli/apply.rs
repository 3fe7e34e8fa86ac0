//! `apply`: storage.conf follows the declarations, and sealed stores are mounted.

use clap::Args;

use super::output::Output;
use super::report::OutcomeExtras;
use super::{Common, Status, report};
use crate::dependents::{self, BootOutcome};
use crate::plan::{self, ApplyOptions, Host, PlanOutcome, StoreResult};
use crate::problem::Problem;
use crate::sealed;

const AFTER_HELP: &str = "\
Declarations are read from /usr/lib/storagectl/stores.d (packages),
/run/storagectl/stores.d and /etc/storagectl/stores.d (administrator). A file
counts instead of one of the same name in a directory named before; a symlink
to /dev/null masks it. A normal user's are read from
~/.local/share/storagectl/stores.d, $XDG_RUNTIME_DIR/storagectl/stores.d and
~/.config/storagectl/stores.d, and listed for that user alone. A declaration,
such as app.toml:

  [[store]]
  path = \"/usr/lib/app/images\"
  # The rest is optional.
  comment = \"images of the app\"
  position = \"first\"         # or \"last\"; or before = \"/p\", or after = \"/p\"
  condition = { path-exists = \"/usr/bin/app\", architecture = [\"x86_64\"] }

A sealed store is a squashfs file that a unit of systemd's mounts:

  [[store]]
  path = \"/run/storagectl/stores/app-1.0-1\"
  sealed = \"/usr/lib/app/containers/1.0-1.squashfs\"

On a running system it is mounted now, else when the system starts, and listed
then. One that is not declared any more stays mounted, and listed behind the
others, while something is built on it, and goes at the next boot at the latest.

`storagectl init-store --declare NAME PATH` writes one.";

/// Update storage.conf from the declared stores
///
/// Lists the stores that packages and the administrator (or, for a normal user,
/// that user) declare and that exist, and removes those whose declaration is gone.
/// A comment after an entry names its declaration; an entry without one was
/// written by somebody else and is never changed. A copy of the vendor's file that
/// storagectl created is renewed when that file has changed.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Apply {
    /// The system is starting: set aside entries whose directory is missing, on
    /// which every engine would stop, and do what keep-layers and clean-dependents do if a
    /// store has changed since the last start
    #[arg(long)]
    boot: bool,
    /// Set aside entries whose directory is missing, and nothing else of what the boot does; they
    /// are listed again by the first `apply` that finds the directory
    #[arg(long, conflicts_with = "boot")]
    set_aside: bool,
}

impl Apply {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        if self.boot && host.is_rootless() {
            return Err(Problem::new(
                "permission",
                "a normal user's engines may be running: nothing of theirs is set aside at boot",
                "leave out `--boot`",
            )
            .into());
        }
        let declarations = host.declarations()?;
        let options = ApplyOptions { boot: self.boot, set_aside: self.set_aside };
        let (outcome, not_mounted) = sealed::apply(&host, &declarations, options, common.mode())?;
        let settled = if self.boot { dependents(common, &host, &outcome, output) } else { None };
        let problems = [declarations.problems, not_mounted].concat();
        let besides = OutcomeExtras { problems: &problems, settled: settled.as_ref(), restart: false };
        report::report_all(common, &host, &outcome, &besides, output)?;
        let refused = |(_, result): &(String, StoreResult)| matches!(result, StoreResult::Skipped { id, .. } if *id != "store-missing");
        let negative = !problems.is_empty() || outcome.plan.stores.iter().any(refused);
        Ok(if negative { Status::No } else { Status::Done })
    }
}

/// What was kept or removed since a store was replaced. While a store is missing, what
/// depends on it is not lost: nothing is looked for then.
fn dependents(common: &Common, host: &Host, outcome: &PlanOutcome, output: &Output) -> Option<BootOutcome> {
    let is_missing = |(_, result): &(String, StoreResult)| {
        matches!(result, StoreResult::SetAside | StoreResult::Skipped { .. })
    };
    if host.config.is_some() || outcome.plan.stores.iter().any(is_missing) {
        return None;
    }
    let settled = plan::set_aside(host).and_then(|aside| match aside.as_slice() {
        [] => dependents::at_boot(host, common.mode()),
        _ => Ok(None),
    });
    settled.unwrap_or_else(|error| {
        output.warning(&format!("what depends on replaced stores was not searched for: {error:#}"));
        None
    })
}
