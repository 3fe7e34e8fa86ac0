//! The recorded run: cuts at random places of it, each mounted and looked at.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use crate::cut::{Cut, Durable, lose, whole};
use crate::dice::Dice;
use crate::log::Log;
use crate::look::{Look, Looked};
use crate::state::State;
use crate::steps::{Step, ends, steps};

/// How many bytes disks write together or not at all, which the file systems need: ext4 and btrfs
/// take no superblock that is torn, and xfs does not mend a block of its own of which the first
/// sector is new and another is not.
const BLOCK: u64 = 4096;

/// Of 100 cuts, how many come while a control runs.
const CONTROLS: usize = 20;

/// Of 100 cuts of ours, after how many the command is run again.
const AGAIN: usize = 25;

/// How many disks are looked at at a time. Each is in memory.
const WORKERS: usize = 2;

/// Where tests/machine/power-cuts.sh notes what has ended: the beginning of the second partition.
const MARKS: u64 = 1_435_648 * 512;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set"))
}

/// Copies what is in a disk, and no more.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["--sparse=always", "--reflink=never"]).arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

/// A run on one file system.
struct Run {
    file_system: String,
    seed: u64,
    log: Log,
    steps: Vec<Step>,
    /// Where each has ended.
    ends: Vec<usize>,
    /// What was on the disk before the first, and after each.
    states: Vec<State>,
    record: PathBuf,
}

/// A cut, and what is to be done with what is left.
struct Planned {
    cut: Cut,
    /// The number of the command that runs then; the first is 1.
    step: usize,
    /// Whether that command is run again.
    again: bool,
}

/// What is found after a cut.
struct Found {
    planned: Planned,
    ours: Vec<String>,
    control: Vec<String>,
}

/// How many cuts there were, and how many lost something.
#[derive(Default)]
struct Figures {
    cuts: usize,
    /// Those in which ours lost something.
    ours: usize,
    /// By control, how many came while it ran, and in how many of these it has lost something.
    controls: BTreeMap<String, (usize, usize)>,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.ours += other.ours;
        for (name, (cuts, lost)) in other.controls {
            let sum = self.controls.entry(name).or_default();
            *sum = (sum.0 + cuts, sum.1 + lost);
        }
    }
}

#[test]
#[ignore = "tests/machine/power-cuts.sh runs it, when it has recorded"]
fn the_log_is_whole() {
    let record = PathBuf::from(variable("STORAGECTL_RECORD"));
    for file_system in variable("STORAGECTL_FILESYSTEMS").split_whitespace() {
        let run = Run::read(file_system, 0, &record);
        let disk = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        copy(&record.join(format!("{file_system}.start")), disk.path());
        whole(&run.log, disk.as_file());
        let disks = [disk.path(), &record.join(format!("{file_system}.disk"))];
        let same = Command::new("cmp").args(disks).status().unwrap();
        assert!(same.success(), "{file_system}: the log has all that was written");
    }
}

#[test]
#[ignore = "tests/machine/power-cuts.sh runs it, with what it has recorded"]
fn nothing_is_lost_by_us_and_something_by_each_control() {
    let number = |name: &str| variable(name).parse::<u64>().expect("it is a number");
    let record = PathBuf::from(variable("STORAGECTL_RECORD"));
    let (seed, cuts) = (number("STORAGECTL_SEED"), number("STORAGECTL_CUTS"));
    let asked = variable("STORAGECTL_FILESYSTEMS");
    let command = std::env::var("STORAGECTL_COMMAND").ok();
    let command = command.as_deref();
    let only = std::env::var("STORAGECTL_CUT").ok();
    let only = only.as_ref().map(|only| only.split_once('/').expect("a file system, a slash and a number"));
    let mut is_well = true;
    let mut all = Figures::default();
    for file_system in asked.split_whitespace() {
        if only.is_some_and(|(only, _)| only != file_system) {
            continue;
        }
        let run = Run::read(file_system, seed, &record);
        let mut planned: Vec<Planned> = match only {
            Some((_, number)) => vec![run.plan(number.parse().expect("the number of a cut"), command)],
            None => (0..cuts).map(|number| run.plan(number, command)).collect(),
        };
        planned.sort_by_key(|planned| planned.cut.told);
        let figures = run.tell(&run.make(planned, only.is_some()), only.is_some());
        is_well &= figures.ours == 0
            && (only.is_some()
                || command.is_some()
                || (!figures.controls.is_empty() && figures.controls.values().all(|(_, lost)| *lost > 0)));
        all.add(figures);
    }
    let (cuts, lost) = all.controls.values().fold((0, 0), |sum, (cuts, lost)| (sum.0 + cuts, sum.1 + lost));
    println!(
        "all: {} cuts, lost by us in {} of {}, by controls in {lost} of {cuts}",
        all.cuts,
        all.ours,
        all.cuts - cuts,
    );
    assert!(is_well, "something of ours is lost, or a control has lost nothing and shows nothing");
}

impl Run {
    fn read(file_system: &str, seed: u64, record: &Path) -> Self {
        let text = |path: String| fs_err::read_to_string(record.join(path)).unwrap();
        let steps = steps(&text("tree/usr/local/lib/power-cuts/steps".to_owned()));
        let log = File::open(record.join(format!("{file_system}.log"))).expect("it was recorded");
        let log = Log::read(log).unwrap();
        let ends = ends(&log, MARKS, steps.len());
        let states = (0..ends.len()).map(|number| State::parse(&text(format!("{file_system}/{number}"))));
        let states = states.collect();
        Self {
            file_system: file_system.to_owned(),
            seed,
            log,
            steps,
            ends,
            states,
            record: record.to_owned(),
        }
    }

    /// Where a cut comes follows from its number, and what it loses, too. With `command` only
    /// those come that have this in them.
    fn plan(&self, number: u64, command: Option<&str>) -> Planned {
        let mut dice = Dice::new(self.seed.rotate_left(32), number);
        let is_control = dice.chance(CONTROLS);
        let by_length = dice.chance(50);
        let mut controls: Vec<&str> =
            self.steps.iter().filter(|step| step.is_control()).map(|step| &step.whose[..]).collect();
        controls.dedup();
        let whose = if is_control { dice.one(&controls) } else { "ours" };
        let is_asked = |step: &Step| match command {
            Some(command) => step.command.contains(command),
            None => step.whose == whose,
        };
        let asked: Vec<usize> =
            (1..=self.steps.len()).filter(|step| is_asked(&self.steps[step - 1])).collect();
        let length = |step: usize| self.ends[step] - self.ends[step - 1];
        let step = if by_length && !is_control {
            let mut at = dice.below(asked.iter().map(|&step| length(step)).sum());
            let is_there = |&&step: &&usize| {
                let is_there = at < length(step);
                at = at.saturating_sub(length(step));
                is_there
            };
            *asked.iter().find(is_there).expect("it is less than all of them")
        } else {
            asked[dice.below(asked.len())]
        };
        let told = self.ends[step - 1] + 1 + dice.below(length(step));
        let again = self.steps[step - 1].is_finished_by_itself() && dice.chance(AGAIN);
        Planned { cut: Cut { number, told }, step, again }
    }

    /// Makes these cuts, which come in the order of the log.
    fn make(&self, planned: Vec<Planned>, is_kept: bool) -> Vec<Found> {
        let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
        let open = |path: &Path| File::options().read(true).write(true).open(path).unwrap();
        let durable = scratch.path().join("durable");
        copy(&self.record.join(format!("{}.start", self.file_system)), &durable);
        let mut disk = Durable::new(&self.log, open(&durable));
        let (tell, told) = sync_channel::<(Planned, PathBuf)>(0);
        let told = Mutex::new(told);
        let found = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some((planned, image)) = next(&told) {
                        let one = self.look(planned, &image);
                        if is_kept {
                            println!("the disk is kept as {}", image.display());
                        } else {
                            fs_err::remove_file(image).unwrap();
                        }
                        found.lock().unwrap_or_else(PoisonError::into_inner).push(one);
                    }
                });
            }
            for planned in planned {
                disk.advance(planned.cut.told);
                let name = format!("{}-{}-{}", self.file_system, self.seed, planned.cut.number);
                let dir = if is_kept { &self.record } else { scratch.path() };
                let image = dir.join(name);
                copy(&durable, &image);
                lose(&self.log, &planned.cut, self.seed, BLOCK, &open(&image));
                tell.send((planned, image)).unwrap();
            }
            drop(tell);
        });
        found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the disk that a cut has left.
    fn look(&self, planned: Planned, image: &Path) -> Found {
        let step = &self.steps[planned.step - 1];
        let (before, after) = (&self.states[planned.step - 1], &self.states[planned.step]);
        let look = Look { record: &self.record, image, file_system: &self.file_system };
        let mut ours = Vec::new();
        let mut control = Vec::new();
        match look.at(planned.again.then_some(&step.command[..])) {
            Err(said) => ours.push(said),
            Ok(Looked { first, control: of_skopeo, again }) => {
                let is_control = |place: &str| place.starts_with("/srv/controls");
                ours.extend(first.state.losses(before, after, |place| !is_control(place)));
                ours.extend(first.errors);
                let file = match &step.whose[..] {
                    "sed" => "/srv/controls/sed.conf",
                    "rewrite" => "/srv/controls/in-place.conf",
                    _ => "/srv/controls/skopeo",
                };
                let is_its = |loss: &String| loss.contains(file);
                control.extend(first.state.losses(before, after, is_control).into_iter().filter(is_its));
                if step.whose == "skopeo" {
                    control.extend(of_skopeo);
                }
                if let Some((status, said, then)) = again {
                    let mut wrong = Vec::new();
                    if status != 0 {
                        wrong.push(format!("it ends with {status}"));
                    }
                    wrong.extend(then.state.losses(after, after, |place| !is_control(place)));
                    wrong.extend(then.errors);
                    let left =
                        then.state.left(before, after).into_iter().map(|left| format!("`{left}` is left"));
                    wrong.extend(left);
                    ours.extend(wrong.into_iter().map(|wrong| format!("run again: {wrong}: {said}")));
                }
            }
        }
        Found { planned, ours, control }
    }

    /// Says what was found, also where it `is_one` and nothing is lost.
    fn tell(&self, found: &[Found], is_one: bool) -> Figures {
        let mut figures = Figures { cuts: found.len(), ..Figures::default() };
        let mut again = 0;
        let mut commands: BTreeMap<&str, usize> = BTreeMap::new();
        for Found { planned, ours: lost, control } in found {
            let step = &self.steps[planned.step - 1];
            if !lost.is_empty() || is_one {
                let (number, seed) = (planned.cut.number, self.seed);
                println!(
                    "{0}: cut {number} of seed {seed}, while `{1}` runs (make power-cuts CUT={0}/{number} SEED={seed})",
                    self.file_system, step.command
                );
                lost.iter().chain(control).for_each(|lost| println!("  {lost}"));
            }
            figures.ours += usize::from(!lost.is_empty());
            again += usize::from(planned.again);
            if step.is_control() {
                let (cuts, losses) = figures.controls.entry(step.name().to_owned()).or_default();
                *cuts += 1;
                *losses += usize::from(!control.is_empty());
            } else {
                *commands.entry(step.name()).or_default() += 1;
            }
        }
        let said: String = figures
            .controls
            .iter()
            .map(|(name, (cuts, lost))| format!("; {name} has lost in {lost} of {cuts}"))
            .collect();
        println!(
            "{}: {} cuts of {} writes and flushes, a command run again after {again}: lost by us in {}{said}",
            self.file_system,
            figures.cuts,
            self.log.entries.len(),
            figures.ours,
        );
        let commands: Vec<String> = commands.iter().map(|(name, cuts)| format!("{name} {cuts}")).collect();
        println!("  {}", commands.join(", "));
        figures
    }
}

fn next<T>(told: &Mutex<Receiver<T>>) -> Option<T> {
    told.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
