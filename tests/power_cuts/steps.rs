//! The commands of a run, and where in its log each has ended.

use crate::log::{Entry, Log};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// `ours`, `given`, or a control.
    pub(crate) whose: String,
    pub(crate) command: String,
}

impl Step {
    pub(crate) fn is_ours(&self) -> bool {
        self.whose == "ours"
    }

    pub(crate) fn is_control(&self) -> bool {
        !self.is_ours() && self.whose != "given"
    }

    /// Whether what is left of it is finished by running it again. rpm runs no scriptlet again, and
    /// those of an erase go by what the one before has noted.
    pub(crate) fn is_finished_by_itself(&self) -> bool {
        self.is_ours() && !["scriptlet preun", "scriptlet postun"].iter().any(|it| self.command.contains(it))
    }

    /// The name of our command, or of the control.
    pub(crate) fn name(&self) -> &str {
        if self.is_control() {
            return &self.whose;
        }
        let words = self.command.split(' ').skip(1);
        let mut words = words.skip_while(|word| word.starts_with('-') || word.starts_with('/'));
        words.next().unwrap_or_default()
    }
}

/// Reads the commands.
pub(crate) fn steps(text: &str) -> Vec<Step> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let step = |(whose, command): (&str, &str)| Step { whose: whose.to_owned(), command: command.to_owned() };
    lines.map(|line| step(line.split_once(' ').unwrap())).collect()
}

/// How many entries of the log there are when each command has ended, that with number 0 being
/// what was there before them: what notes it is written after that, at or behind the byte
/// `marks` of the disk.
pub(crate) fn ends(log: &Log, marks: u64, steps: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    for (index, entry) in log.entries.iter().enumerate() {
        let Entry::Write(write) = entry else { continue };
        if write.to < marks {
            continue;
        }
        let data = log.data(write);
        let text = data.split(|byte| *byte == b'\n').next().unwrap();
        let number = text
            .strip_prefix(b"ended ")
            .and_then(|number| std::str::from_utf8(number).ok()?.parse::<usize>().ok());
        if let Some(number) = number {
            assert_eq!(ends.len(), number, "commands end in turn");
            ends.push(index);
        }
    }
    assert_eq!(ends.len(), steps + 1, "the run has come to its end");
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_named_by_what_it_does() {
        let text = "# A comment\n\nours storagectl --config /a/b.conf clean-dependents\ngiven rm a && sync\nsed sed -i x y\n";
        let steps = steps(text);
        assert_eq!(steps.iter().map(Step::name).collect::<Vec<_>>(), ["clean-dependents", "a", "sed"]);
        assert_eq!(
            steps.iter().map(|step| (step.is_ours(), step.is_control())).collect::<Vec<_>>(),
            [(true, false), (false, false), (false, true)]
        );
    }
}
