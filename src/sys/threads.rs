//! Threads, as many as the system lets us have: limits of users and of control groups are
//! met in the middle of work.

use std::thread;

/// Calls `work` on `count` threads at the same time, of which this is one; on fewer where
/// some cannot be started. Each takes what there is to do until nothing is left.
pub fn on_threads(count: usize, work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 1..count {
            if thread::Builder::new().spawn_scoped(scope, &work).is_err() {
                break;
            }
        }
        work();
    });
}
