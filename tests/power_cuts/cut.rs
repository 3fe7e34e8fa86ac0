//! A power cut: what a disk that was told this much still has afterwards.
//!
//! All that was written before the last flush is there, and so is what was written with FUA.
//! Of each later write it is drawn by lot whether it is there, is not, or is torn: some of its
//! blocks are there. So a disk may forget an earlier write and have a later one.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::dice::Dice;
use crate::log::{Entry, Log, Write};

/// How much in 100 is torn, of what is not flushed.
const TORN: usize = 15;

/// How much in 100 of the rest is kept: another part in each cut, since what is nearly all
/// there and what is nearly all lost show different faults.
const KEPT: [usize; 5] = [0, 15, 50, 85, 100];

/// A cut of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// With the run's seed, what decides everything about it.
    pub(crate) number: u64,
    /// How many entries of the log the disk was told.
    pub(crate) told: usize,
}

/// A disk with what it can not lose any more.
pub(crate) struct Durable<'a> {
    log: &'a Log,
    disk: File,
    /// How many entries are on it.
    done: usize,
}

impl<'a> Durable<'a> {
    /// `disk` is as it was before the first entry.
    pub(crate) fn new(log: &'a Log, disk: File) -> Self {
        Self { log, disk, done: 0 }
    }

    /// Goes on to what is durable when the disk was told `told` entries. It never goes back.
    pub(crate) fn advance(&mut self, told: usize) {
        let flushed = flushed(self.log, told);
        assert!(self.done <= flushed, "cuts are made in the order of the log");
        for write in writes(self.log, self.done..flushed) {
            let data = self.log.data(&write);
            self.disk.write_all_at(&data, write.to).expect("there is space for the disk");
        }
        self.done = flushed;
    }
}

/// Writes all that was written to `disk`.
pub(crate) fn whole(log: &Log, disk: &File) {
    for write in writes(log, 0..log.entries.len()) {
        disk.write_all_at(&log.data(&write), write.to).expect("there is space for the disk");
    }
}

/// Loses on `disk`, which has what is durable at that point, what `cut` loses. `block` is how
/// many bytes the disk writes together or not at all.
pub(crate) fn lose(log: &Log, cut: &Cut, seed: u64, block: u64, disk: &File) {
    let mut dice = Dice::new(seed, cut.number);
    let kept = KEPT[dice.below(KEPT.len())];
    for write in writes(log, flushed(log, cut.told)..cut.told) {
        let is_torn = dice.chance(TORN);
        let is_kept = write.fua || dice.chance(kept);
        if is_torn && !write.fua {
            put(log, disk, &write, block, || dice.chance(50));
        } else if is_kept {
            put(log, disk, &write, block, || true);
        }
    }
}

/// How many of the first `told` entries came before the last flush among them.
fn flushed(log: &Log, told: usize) -> usize {
    log.entries[..told].iter().rposition(|entry| *entry == Entry::Flush).unwrap_or(0)
}

fn writes(log: &Log, entries: Range<usize>) -> impl Iterator<Item = Write> {
    log.entries[entries].iter().filter_map(|entry| match entry {
        Entry::Write(write) => Some(*write),
        Entry::Flush => None,
    })
}

/// Writes those blocks of the disk for which `is_kept` says so.
fn put(log: &Log, disk: &File, write: &Write, block: u64, mut is_kept: impl FnMut() -> bool) {
    let data = log.data(write);
    let mut rest = &data[..];
    let mut to = write.to;
    while !rest.is_empty() {
        let length = (block - to % block).min(rest.len() as u64);
        let (now, later) = rest.split_at(usize::try_from(length).expect("it is no more than the rest"));
        if is_kept() {
            disk.write_all_at(now, to).expect("there is space for the disk");
        }
        (rest, to) = (later, to + length);
    }
}
