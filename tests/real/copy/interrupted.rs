//! copy-images killed at any time.

use std::process::{Command, Stdio};
use std::time::Instant;

use super::machine::{Machine, Way, unlist, with_state};
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::registry::images;
use crate::strace::tries_all;
use crate::support::run;

/// How often it is killed, each way; no multiple of 7.
fn kills() -> u32 {
    if tries_all() { 20 } else { 10 }
}

#[test]
fn killed_at_any_time_the_next_run_completes_it_and_the_engine_starts() {
    for way in [Way::Main, Way::Store] {
        let machine = Machine::new();
        let source = machine.source();
        let (some, others): (Vec<String>, Vec<String>) =
            images().into_iter().partition(|image| image.contains("multi") || image.contains("app-1"));
        others.iter().for_each(|image| unlist(&source, image));
        let original = std::fs::read(machine.at("storage.conf")).unwrap();
        let clear = || {
            for dir in ["graph", "bound"] {
                run(Command::new("rm").arg("-rf").arg(machine.at(dir)));
            }
            std::fs::write(machine.at("storage.conf"), &original).unwrap();
        };
        // The fastest, since others use the disk, too.
        let whole = (0..3).map(|_| {
            clear();
            let start = Instant::now();
            machine.copy(way, &source);
            start.elapsed()
        });
        let whole = whole.min().unwrap();
        let (mut killed, kills) = (0, kills());
        for step in 0..kills {
            // Every other time what is there is what the last kill has left.
            if step % 2 == 0 {
                clear();
            }
            let mut command = machine.command(way, &source, &["--jobs", "2"]);
            let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
            // What goes on with what is left has less to do.
            let part = if step % 2 == 0 { 0.9 } else { 0.4 };
            std::thread::sleep(whole.mul_f64(part * f64::from(step * 7 % kills) / f64::from(kills)));
            child.kill().unwrap();
            killed += u32::from(!child.wait().unwrap().success());
            if step % 2 == 0 {
                continue;
            }
            let document = machine.copy(way, &source);
            assert!(with_state(&document, "failed").is_empty());
            machine.assert_sound(way);
            assert_eq!(with_state(&machine.copy(way, &source), "present"), some);
            let list = "export CONTAINERS_STORAGE_CONF=\"$CONF\"; \"$ENGINE\" images -q | sort -u | wc -l; umount \"$GRAPH/overlay\" || :";
            let said = in_private(
                list,
                &[
                    ("CONF", &machine.at("storage.conf")),
                    ("ENGINE", &Engine::Podman4.program()),
                    ("GRAPH", &machine.at("graph")),
                ],
            );
            // The list stands there by tag and by digest.
            assert_eq!(said, format!("{}\n", some.len() - 1), "{way:?}");
        }
        assert!(killed > kills / 3, "{killed}");
    }
}
