//! What a plan would do to the engines, compared with what they do now.

use super::generations::planned;
use super::host::Host;
use super::snapshot::Snapshot;
use super::{Note, Plan};
use crate::engine::{Effect, Profile, Reason};
use crate::judgement::{Reader, gather, names, sentence};
use crate::problem::Problem;

/// Verifies that no engine of anybody has a reason to stop after the plan that it does not
/// have before, and returns a warning for each one that stays. `expected` are stores that are
/// there only later.
///
/// # Errors
/// A [`Problem`] that names the first new reason.
pub(super) fn verify(
    host: &Host,
    snapshot: &Snapshot,
    plan: &Plan,
    expected: &[String],
) -> Result<Vec<Note>, Problem> {
    let inits = plan.inits.iter().map(|(path, _)| path.display().to_string());
    let later: Vec<String> = inits.chain(expected.iter().cloned()).collect();
    let before = host.view().expecting(later.clone());
    let after = planned(host, host.view(), snapshot, &plan.changes).expecting(later);
    let (mut new, mut stays) = (Vec::new(), Vec::new());
    for reader in host.readers() {
        let old = reader.judge(&before);
        for reason in &reader.judge(&after).reasons {
            let is_new = !old.reasons.iter().any(|other| other.is_like(reason));
            match reason.effect {
                Effect::Stops | Effect::StopsUse(..) if is_new => gather(&mut new, &reader, reason),
                Effect::Stops => gather(&mut stays, &reader, reason),
                Effect::StopsUse(..) | Effect::Loses(..) => {}
            }
        }
    }
    match new.first() {
        Some((reason, readers)) => Err(refused(reason, readers)),
        None => {
            let told = stays.iter().filter(|(reason, readers)| is_told(host, reason, readers));
            Ok(told.map(|(reason, readers)| warning(host, reason, readers)).collect())
        }
    }
}

/// Whether a reason that was there before is told at every change: what stops only engines that
/// may not be there, or only those of users, `check-config` tells.
fn is_told(host: &Host, reason: &Reason, readers: &[Reader]) -> bool {
    let may_be_elsewhere = |reader: &Reader| !host.knows_engines() && reader.profile == Profile::Podman4;
    !readers.iter().all(Reader::is_of_users)
        && (reason.store.is_some() || !readers.iter().all(may_be_elsewhere))
}

/// A reason as an error of what would bring it.
pub(super) fn refused(reason: &Reason, readers: &[Reader]) -> Problem {
    let message = match reason.effect {
        Effect::Stops => format!("{}: {} would stop", reason.message, names(readers)),
        effect => format!("{}: {}", reason.message, sentence(readers, effect)),
    };
    Problem::new(reason.id, message, reason.hint.clone())
}

fn warning(host: &Host, reason: &Reason, readers: &[Reader]) -> Note {
    let place = reason.place.as_ref().map(|site| format!("`{}` line {}: ", host.show(&site.file), site.line));
    let stop = sentence(readers, reason.effect);
    let message = format!("{}{}: {stop}, before and after this", place.unwrap_or_default(), reason.message);
    Note::warning(reason.id, message, reason.hint.clone())
}
