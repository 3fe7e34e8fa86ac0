//! In what a layer differs from its stream.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// In what something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileDifference {
    Added,
    Content,
    /// Content that is in no stream, so that no engine ever reads it back.
    Copy,
    Missing,
    /// As `Missing`, of a file with content.
    MissingContent,
    Mode,
    /// Of the first layer's root, one with which containers work.
    RootMode,
    Owner,
    Time,
    /// Of what is no file: ostree gives it none.
    TimeOfOther,
    Type,
    Attributes,
    WhiteoutAdded,
    WhiteoutMissing,
    /// It hides what is below from the engines of the store's owner, and not from others'.
    WhiteoutMissingForOthers,
    /// The reverse, and should not.
    WhiteoutAddedForOthers,
}

/// What differs in one way.
#[derive(Debug, Default, Clone)]
pub(super) struct Issue {
    pub(super) count: usize,
    /// The first of them, with what is wrong.
    pub(super) first: Vec<(OsString, String)>,
}

/// Everything that differs in a layer.
#[derive(Debug, Default)]
pub(super) struct Issues {
    pub(super) by_kind: BTreeMap<FileDifference, Issue>,
    pub(super) times: Times,
    /// Of what is no file.
    pub(super) other_times: Times,
}

/// Times that agree, and the one time of those that do not. Some ways to carry a
/// store (ostree, squashfs with `-all-time`) give everything one time.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Times {
    pub(super) agree: usize,
    pub(super) differ: usize,
    pub(super) one: Option<i64>,
    pub(super) several: bool,
}

/// How many files a finding names.
pub(super) const NAMED: usize = 20;

impl Issues {
    pub(super) fn put(&mut self, way: FileDifference, path: &OsStr, detail: String) {
        let issue = self.by_kind.entry(way).or_default();
        issue.count += 1;
        if issue.first.len() < NAMED {
            issue.first.push((path.to_owned(), detail));
        }
    }

    pub(super) fn count(&mut self, way: FileDifference, more: usize) {
        if more > 0 {
            self.by_kind.entry(way).or_default().count += more;
        }
    }
}

impl Times {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        let one = self.one.or(other.one);
        Self {
            agree: self.agree + other.agree,
            differ: self.differ + other.differ,
            one,
            several: self.several || other.several || other.one.is_some_and(|other| Some(other) != one),
        }
    }

    /// Whether what carried the store keeps times at all.
    pub(super) fn are_kept(self) -> bool {
        self.agree > 0 || self.several || self.differ < 2
    }
}
