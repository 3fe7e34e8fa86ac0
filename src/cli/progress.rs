//! A bar for work that counts its bytes.

use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::output::Output;
use crate::store::check::Progress;

/// Does `work`, and shows how far it is where somebody waits.
pub(super) fn watched<T>(output: &Output, progress: &Progress, work: impl FnOnce() -> T) -> T {
    let Some(bar) = output.progress() else {
        return work();
    };
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let shown = &bar;
        let shows = move || {
            // Until the other end is dropped.
            while told.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
                shown.set_length(progress.total.load(Ordering::Relaxed));
                shown.set_position(progress.done.load(Ordering::Relaxed));
            }
            shown.finish_and_clear();
        };
        // Without a thread for it there is no bar.
        let _ = std::thread::Builder::new().spawn_scoped(scope, shows);
        let result = work();
        drop(tell);
        result
    })
}
