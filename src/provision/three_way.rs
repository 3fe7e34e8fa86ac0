//! A text that somebody has edited, brought up to date: what changed between the text that we
//! wrote and the one that we would write now is changed in theirs, line by line.

use similar::{DiffOp, TextDiff};

/// `theirs` with what makes `new` of `old`. `None` if they changed the same lines, or what stands
/// around new ones.
pub(super) fn apply(old: &str, new: &str, theirs: &str) -> Option<String> {
    if theirs == old {
        return Some(new.to_owned());
    }
    let lines = |text: &'_ str| text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
    let (new_lines, their_lines) = (lines(new), lines(theirs));
    let kept = kept_lines(old, theirs);
    // What goes, and what comes before each line of theirs.
    let mut gone = vec![false; their_lines.len()];
    let mut come: Vec<Vec<&str>> = vec![Vec::new(); their_lines.len() + 1];
    for op in TextDiff::from_lines(old, new).ops() {
        let (old_range, new_range) = (op.old_range(), op.new_range());
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let mut at = None;
        for line in old_range.clone() {
            let place = kept[line]?;
            gone[place] = true;
            at.get_or_insert(place);
        }
        let before = old_range.start.checked_sub(1).and_then(|line| kept[line]).map(|place| place + 1);
        let behind = kept.get(old_range.end).copied().flatten();
        let at = at.or(before).or(behind)?;
        come[at].extend(new_lines[new_range].iter().map(String::as_str));
    }
    let mut out = String::new();
    for (at, line) in their_lines.iter().enumerate() {
        come[at].iter().for_each(|line| out += line);
        if !gone[at] {
            out += line;
        }
    }
    come[their_lines.len()].iter().for_each(|line| out += line);
    Some(out)
}

/// What of `theirs` is not in `old`.
pub(super) fn added<'a>(old: &str, theirs: &'a str) -> Vec<&'a str> {
    let kept = kept_lines(old, theirs);
    let lines = theirs.split_inclusive('\n').enumerate();
    lines.filter(|(at, _)| !kept.contains(&Some(*at))).map(|(_, line)| line).collect()
}

/// For each line of `old`, where it stands in `theirs`.
fn kept_lines(old: &str, theirs: &str) -> Vec<Option<usize>> {
    let mut kept = vec![None; old.split_inclusive('\n').count()];
    for op in TextDiff::from_lines(old, theirs).ops() {
        if let DiffOp::Equal { old_index, new_index, len } = *op {
            (0..len).for_each(|line| kept[old_index + line] = Some(new_index + line));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "[Unit]\nA=1\n[Service]\nRun=a\nKeep=1\n";
    const NEW: &str = "[Unit]\nA=1 2\n[Service]\nRun=a\nRun=b\nKeep=1\n";

    #[test]
    fn what_was_not_edited_becomes_the_new_text() {
        assert_eq!(apply(OLD, NEW, OLD).as_deref(), Some(NEW));
    }

    #[test]
    fn what_was_edited_stays_and_gets_what_is_new() {
        let theirs = "# ours\n[Unit]\nA=1\n[Service]\nRun=a\nRun=x\nKeep=2\n";
        let after = "# ours\n[Unit]\nA=1 2\n[Service]\nRun=a\nRun=b\nRun=x\nKeep=2\n";
        assert_eq!(apply(OLD, NEW, theirs).as_deref(), Some(after));
        assert_eq!(apply(NEW, OLD, after).as_deref(), Some(theirs));
        assert_eq!(added(OLD, theirs), ["# ours\n", "Run=x\n", "Keep=2\n"]);
    }

    #[test]
    fn a_line_that_both_changed_is_a_conflict() {
        assert_eq!(apply(OLD, NEW, "[Unit]\nA=3\n[Service]\nRun=a\nKeep=1\n"), None);
        assert_eq!(apply(OLD, NEW, "another\n"), None);
    }
}
