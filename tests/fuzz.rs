//! What `make fuzz` tries for long, for some seconds: every input that was kept, and some made of
//! them. `STORAGECTL_INPUTS=100000` makes so many, `STORAGECTL_SEED=2` others, and
//! `STORAGECTL_PROPERTY=edit` tries one property alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests set up their own scratch directories")]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use storagectl_properties::{ALL, Property};

/// How long inputs are made for a property, if nobody has said how many. Some work on whole trees.
const PATIENCE: Duration = Duration::from_secs(1);

#[test]
fn every_property_holds_for_what_was_kept() {
    for property in asked_for() {
        let kept = kept(property);
        assert!(!kept.is_empty(), "there are no inputs for `{}`", property.name);
        for (file, input) in kept {
            tried(property, &input, || file);
        }
    }
}

#[test]
fn every_property_holds_for_what_is_made_of_it() {
    let mut random = Random(number("STORAGECTL_SEED", 1));
    let asked = std::env::var_os("STORAGECTL_INPUTS").is_some();
    for property in asked_for() {
        let kept: Vec<Vec<u8>> = kept(property).into_iter().map(|(_, input)| input).collect();
        let begun = Instant::now();
        for _ in 0..number("STORAGECTL_INPUTS", 100) {
            if !asked && begun.elapsed() > PATIENCE {
                break;
            }
            let input = random.input(&kept);
            tried(property, &input, || {
                let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broken-{}", property.name));
                fs::write(&file, &input).unwrap();
                file
            });
        }
    }
}

/// All properties, or the one that somebody has named.
fn asked_for() -> Vec<&'static Property> {
    let name = std::env::var("STORAGECTL_PROPERTY").ok();
    let asked: Vec<_> = ALL.iter().filter(|it| name.as_ref().is_none_or(|name| it.name == name)).collect();
    assert!(!asked.is_empty(), "there is no property of this name: {name:?}");
    asked
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// The inputs of a property, with their files.
fn kept(property: &Property) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(property.name);
    let mut files: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

fn tried(property: &Property, input: &[u8], file: impl FnOnce() -> PathBuf) {
    // What it has said is above this.
    assert!(
        catch_unwind(|| (property.holds)(input)).is_ok(),
        "`{}` does not hold for {}; docs/fuzzing.md says what to do",
        property.name,
        file().display()
    );
}

/// Numbers that look random: xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit.max(1)
    }

    /// One of the inputs, changed in some places.
    fn input(&mut self, kept: &[Vec<u8>]) -> Vec<u8> {
        let mut input = kept[self.below(kept.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            let end = (at + self.below(9)).min(input.len());
            match self.below(5) {
                0 => drop(input.drain(at..end)),
                1 => input.insert(at, u8::try_from(self.below(256)).unwrap()),
                2 => input.truncate(input.len() - self.below(input.len() / 4 + 1)),
                3 => input[at..end].iter_mut().for_each(|byte| *byte ^= 1 << (at % 8)),
                // A part of another one.
                _ => {
                    let other = &kept[self.below(kept.len())];
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(64)).min(other.len());
                    input.splice(at..end, other[from..to].iter().copied());
                }
            }
        }
        input
    }
}
