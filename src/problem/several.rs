//! Several problems at once.

use std::fmt;

use super::Problem;

/// All that is wrong with something, in the order in which a reader meets it. There is at
/// least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Several(Vec<Problem>);

impl Several {
    /// These; `None` if there is none.
    pub fn new(problems: Vec<Problem>) -> Option<Self> {
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// The first, and those behind it.
    pub fn split(&self) -> (&Problem, &[Problem]) {
        self.0.split_first().expect("there is one")
    }
}

impl fmt::Display for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, more) = self.split();
        write!(f, "{first}")?;
        more.iter().try_for_each(|problem| write!(f, "; {problem}"))
    }
}

impl std::error::Error for Several {}
