//! How commands end: the one table of exit statuses, and what decides which of them it is.

use std::process::ExitCode;

use clap::Args;

use crate::problem::Severity;

/// Every exit status and what it means, of whichever command.
pub const EXIT_STATUS: [(u8, &str); 3] = [
    (0, "done, or already so; a check found no problems"),
    (1, "a negative answer: a check found problems, or a part could not be done"),
    (2, "an error or wrong usage: it could not be done, or not be checked"),
];

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Done,
    No,
    Failed,
}

impl Status {
    /// What a command answers that deals with `all` things, of which `failed` could not be dealt
    /// with.
    pub(super) fn of_parts(failed: usize, all: usize) -> Self {
        match failed {
            0 => Self::Done,
            _ if failed < all => Self::No,
            _ => Self::Failed,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Done => 0,
            Status::No => 1,
            Status::Failed => 2,
        })
    }
}

/// What a check answers.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Strict {
    /// Exit with status 1 for warnings, too
    #[arg(long)]
    strict: bool,
}

impl Strict {
    /// The answer after what was found. A problem is one whatever else could not be looked at; but
    /// what could not be looked at is not without problems.
    pub(super) fn answer(self, found: impl IntoIterator<Item = Severity>, all_looked: bool) -> Status {
        let worst = if self.strict { Severity::Warning } else { Severity::Error };
        match (found.into_iter().any(|severity| severity <= worst), all_looked) {
            (true, _) => Status::No,
            (false, false) => Status::Failed,
            (false, true) => Status::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAX: Strict = Strict { strict: false };
    const STRICT: Strict = Strict { strict: true };

    #[test]
    fn a_warning_is_a_negative_answer_with_strict_alone_and_a_note_never() {
        assert_eq!(LAX.answer([Severity::Warning], true), Status::Done);
        assert_eq!(STRICT.answer([Severity::Note, Severity::Warning], true), Status::No);
        assert_eq!(STRICT.answer([Severity::Note], true), Status::Done);
    }

    #[test]
    fn what_could_not_be_looked_at_is_no_yes_and_takes_no_problem_away() {
        assert_eq!(LAX.answer([], false), Status::Failed);
        assert_eq!(LAX.answer([Severity::Error], false), Status::No);
    }

    #[test]
    fn a_part_that_failed_is_a_negative_answer_and_the_whole_an_error() {
        let answers = [(0, 0), (0, 2), (1, 2), (2, 2)].map(|(failed, all)| Status::of_parts(failed, all));
        assert_eq!(answers, [Status::Done, Status::Done, Status::No, Status::Failed]);
    }
}
