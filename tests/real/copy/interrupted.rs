//! copy-images killed at any time.

use std::process::{Command, Stdio};
use std::time::Instant;

use super::machine::{Machine, Way, embedded, with_state};
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::registry::images;
use crate::support::run;

/// How often it is killed, each way.
const KILLS: u32 = 20;

#[test]
fn killed_at_any_time_the_next_run_completes_it_and_the_engine_starts() {
    for way in [Way::Main, Way::Store] {
        let machine = Machine::new();
        let original = std::fs::read(machine.at("storage.conf")).unwrap();
        let start = Instant::now();
        machine.copy(way, embedded());
        let whole = start.elapsed();
        let clear = || {
            for dir in ["graph", "bound"] {
                run(Command::new("rm").arg("-rf").arg(machine.at(dir)));
            }
            std::fs::write(machine.at("storage.conf"), &original).unwrap();
        };
        let mut killed = 0;
        for step in 0..KILLS {
            // Every other time what is there is what the last kill has left.
            if step % 2 == 0 {
                clear();
            }
            let mut command = machine.command(way, embedded(), &["--jobs", "2"]);
            let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(f64::from(step * 7 % KILLS) / f64::from(KILLS)));
            child.kill().unwrap();
            killed += u32::from(!child.wait().unwrap().success());
            if step % 2 == 0 {
                continue;
            }
            let document = machine.copy(way, embedded());
            assert!(with_state(&document, "failed").is_empty());
            machine.assert_sound(way);
            assert_eq!(with_state(&machine.copy(way, embedded()), "present"), images());
            let list = "export CONTAINERS_STORAGE_CONF=\"$CONF\"; \"$ENGINE\" images -q | sort -u | wc -l; umount \"$GRAPH/overlay\" || :";
            let said = in_private(
                list,
                &[
                    ("CONF", &machine.at("storage.conf")),
                    ("ENGINE", &Engine::Podman4.program()),
                    ("GRAPH", &machine.at("graph")),
                ],
            );
            assert_eq!(said, "21\n", "{way:?}");
        }
        assert!(killed > KILLS / 3, "{killed}");
    }
}
