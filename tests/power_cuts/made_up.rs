//! Logs that were made up: what must be there is there, and what may be lost is lost.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, Write as _};

use crate::cut::{Cut, Durable, lose};
use crate::log::Log;

const BLOCK: usize = 512;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// An entry: where, in blocks, what each byte of it is, how many blocks, flags.
type Made = (u64, u8, u64, u64);

/// A flush.
const SYNC: Made = (0, 0, 0, FLUSH);

fn bytes(entries: &[Made]) -> Vec<u8> {
    let block = |words: [u64; 4]| {
        let mut block: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        block.resize(BLOCK, 0);
        block
    };
    let mut log = block([0x6a_7366_7773_6872, 1, entries.len() as u64, BLOCK as u64]);
    for &(to, fill, blocks, flags) in entries {
        log.extend(block([to, blocks, flags, 0]));
        if flags & DISCARD == 0 {
            log.extend(std::iter::repeat_n(fill, BLOCK * usize::try_from(blocks).unwrap()));
        }
    }
    log
}

fn read(bytes: &[u8]) -> Result<Log, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Log::read(file)
}

fn log(entries: &[Made]) -> Log {
    read(&bytes(entries)).unwrap()
}

/// The first byte of each of the first 16 blocks after a cut of an empty disk.
fn after(log: &Log, told: usize, number: u64, unit: u64) -> Vec<u8> {
    let disk = tempfile::tempfile().unwrap();
    disk.set_len(16 * BLOCK as u64).unwrap();
    Durable::new(log, disk.try_clone().unwrap()).advance(told);
    lose(log, &Cut { number, told }, 1, unit, &disk);
    firsts(disk)
}

fn firsts(mut disk: File) -> Vec<u8> {
    let mut all = Vec::new();
    disk.rewind().unwrap();
    disk.read_to_end(&mut all).unwrap();
    all.chunks(BLOCK)
        .map(|block| {
            assert!(block.iter().all(|byte| *byte == block[0]), "a block is never torn");
            block[0]
        })
        .collect()
}

/// What 500 cuts leave of the first `blocks` blocks.
fn all_after(log: &Log, told: usize, unit: u64, blocks: usize) -> BTreeSet<Vec<u8>> {
    (0..500).map(|number| after(log, told, number, unit)[..blocks].to_vec()).collect()
}

#[test]
fn what_was_flushed_is_there_and_what_was_not_may_be() {
    let log = log(&[(0, 1, 1, 0), SYNC, (1, 2, 1, 0), (2, 3, 1, 0)]);
    let all = all_after(&log, 4, 512, 3);
    // A later write may be there without an earlier one.
    let expected: BTreeSet<Vec<u8>> =
        [[1, 0, 0], [1, 2, 0], [1, 0, 3], [1, 2, 3]].map(Vec::from).into_iter().collect();
    assert_eq!(all, expected);
    // Before the flush nothing is certain.
    assert_eq!(all_after(&log, 1, 512, 1), [vec![0], vec![1]].into_iter().collect());
    // What came after the cut is never there.
    assert_eq!(all_after(&log, 2, 512, 3), [vec![1, 0, 0]].into_iter().collect());
}

#[test]
fn what_was_written_through_is_there_without_a_flush() {
    let log = log(&[(0, 1, 1, 0), (1, 2, 2, FUA)]);
    let all = all_after(&log, 2, 512, 3);
    assert_eq!(all, [vec![0, 2, 2], vec![1, 2, 2]].into_iter().collect());
}

#[test]
fn a_flush_with_data_is_one_for_what_came_before() {
    let log = log(&[(0, 1, 1, 0), (1, 2, 1, FLUSH)]);
    assert_eq!(all_after(&log, log.entries.len(), 512, 2), [vec![1, 0], vec![1, 2]].into_iter().collect());
}

#[test]
fn a_write_is_torn_where_the_disk_may_tear_it() {
    let log = log(&[(4, 1, 8, 0), SYNC, (4, 2, 8, 0)]);
    let torn = |unit: u64| -> BTreeSet<Vec<u8>> {
        let all = (0..500).map(|number| after(&log, 3, number, unit)[4..12].to_vec());
        all.filter(|blocks| blocks.contains(&1) && blocks.contains(&2)).collect()
    };
    assert!(torn(512).len() > 20);
    // One of 4096 bytes that begins in the middle of the disk's has two parts.
    let halves = [[1, 1, 1, 1, 2, 2, 2, 2], [2, 2, 2, 2, 1, 1, 1, 1]].map(Vec::from);
    assert_eq!(torn(4096), halves.into_iter().collect());
}

#[test]
fn a_cut_can_be_made_again_by_its_number() {
    let log = log(&[(0, 1, 8, 0), (3, 2, 8, 0), (6, 3, 8, 0)]);
    for number in 0..50 {
        assert_eq!(after(&log, 3, number, 512), after(&log, 3, number, 512));
    }
    assert!(all_after(&log, 3, 512, 16).len() > 50);
}

#[test]
fn one_durable_disk_serves_all_cuts_in_turn() {
    let log = log(&[(0, 1, 1, 0), SYNC, (1, 2, 1, 0), (0, 3, 1, 0), SYNC, (2, 4, 1, 0)]);
    let disk = tempfile::tempfile().unwrap();
    disk.set_len(4 * BLOCK as u64).unwrap();
    let mut durable = Durable::new(&log, disk.try_clone().unwrap());
    for (told, expected) in [(1, [0, 0]), (4, [1, 0]), (4, [1, 0]), (6, [3, 2])] {
        durable.advance(told);
        assert_eq!(firsts(disk.try_clone().unwrap())[..2], expected);
    }
}

/// What was acknowledged is lost if it was not flushed, and never if it was: a run without such
/// losses of those who do not flush has shown nothing.
#[test]
fn who_does_not_flush_loses_what_was_acknowledged() {
    let unflushed = log(&[(0, 1, 1, 0), (8, 9, 1, 0)]);
    let flushed = log(&[(0, 1, 1, 0), SYNC, (8, 9, 1, 0)]);
    let lost =
        |log: &Log| (0..500).filter(|number| after(log, log.entries.len(), *number, 512)[0] != 1).count();
    assert!((150..350).contains(&lost(&unflushed)), "{}", lost(&unflushed));
    assert_eq!(lost(&flushed), 0);
}

#[test]
fn what_cannot_be_replayed_is_refused() {
    let refused = |bytes: &[u8]| read(bytes).err().unwrap();
    assert!(refused(&[1; 4096]).starts_with("this is no log of writes"));
    assert!(refused(&[]).starts_with("at byte 0: "));
    let whole = bytes(&[(0, 1, 1, 0), SYNC, (1, 2, 8, 0)]);
    assert!(refused(&whole[..whole.len() - 1]).starts_with("it ends at byte "));
    assert!(refused(&whole[..2048 - 500]).starts_with("at byte "));
    assert!(refused(&bytes(&[(0, 1, 1, 0), (0, 0, 8, DISCARD)])).contains("no write and no flush"));
}
