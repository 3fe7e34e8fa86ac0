//! Killed at any point: what has its name is complete, and the next run does the rest.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{assert_clean, directory, embed, results, told};
use crate::registry::images;
use crate::strace::tries_all;
use crate::tree::names;

#[test]
fn the_next_run_completes_what_a_killed_one_began() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let all = images();
    let images: Vec<String> = all[..3].iter().chain(&all[all.len() - 2..]).cloned().collect();
    let kills = if tries_all() { 60 } else { 24 };
    let start = Instant::now();
    told(&mut embed(&dir, &images, &[]), 0);
    let mut whole = start.elapsed();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut interrupted = 0;
    for round in 0..kills {
        // From nothing, and from a part with some damage.
        if round % 3 == 0 {
            fs_err::remove_dir_all(&dir).unwrap();
        } else {
            fs_err::remove_dir_all(dir.join(directory(&images[0]))).unwrap();
            fs_err::remove_file(dir.join(directory(&images[1])).join("manifest.json")).unwrap();
        }
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let delay = whole.mul_f64(f64::from((state >> 40) as u32 % 1000) / 900.0);
        let mut command = embed(&dir, &images, &["-q"]);
        let mut child = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(delay);
        let pid = Pid::from_child(&child);
        // With what it has started, and alone.
        let killed = if round % 2 == 0 {
            kill_process_group(pid, Signal::KILL)
        } else {
            kill_process(pid, Signal::KILL)
        };
        killed.unwrap();
        if child.wait().unwrap().code().is_none() {
            interrupted += 1;
        } else {
            // Too late: the machine is quicker now.
            whole = whole.mul_f64(0.85);
        }
        if dir.metadata().is_ok() {
            let found = told(&mut embed(&dir, &images, &["--dry-run"]), 0);
            for (index, result) in results(&found).into_iter().enumerate() {
                let was_damaged = index == 1 && round % 3 != 0;
                assert!(result != "repaired" || was_damaged, "round {round}: {found:#}");
            }
        }
        told(&mut embed(&dir, &images, &[]), 0);
        let lasting = |name: &String| name.len() == 64 || name == "image-list.txt";
        assert_eq!(names(&dir).iter().filter(|name| lasting(name)).count(), images.len() + 1);
    }
    assert!(interrupted > kills / 3, "only {interrupted} runs were interrupted");
    // A child that outlives its run keeps its directory until then.
    let start = Instant::now();
    while names(&dir).len() > images.len() + 1 && start.elapsed() < Duration::from_secs(20) {
        told(&mut embed(&dir, &images, &[]), 0);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_clean(&dir, images.len());
}
