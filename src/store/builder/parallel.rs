//! Several layers at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::sys::on_threads;

/// Calls `work` for every task, `jobs` at a time, the largest first, and returns the
/// results in the order of the tasks. After a failure no further task is begun.
///
/// # Errors
/// That of the first task in the order that failed.
pub(crate) fn run<T: Sync, R: Send, E: Send>(
    tasks: &[T],
    jobs: usize,
    size: impl Fn(&T) -> u64,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    // What was not begun is behind a failure, which ends this.
    each(tasks, jobs, size, work, |_| true).into_iter().flatten().collect()
}

/// As [`run`], with the result of each task; nothing for those that were not begun since
/// a failure `is_last`.
pub(super) fn each<T: Sync, R: Send, E: Send>(
    tasks: &[T],
    jobs: usize,
    size: impl Fn(&T) -> u64,
    work: impl Fn(&T) -> Result<R, E> + Sync,
    is_last: impl Fn(&E) -> bool + Sync,
) -> Vec<Option<Result<R, E>>> {
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(size(&tasks[index])), index));
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results: Mutex<Vec<Option<Result<R, E>>>> = Mutex::new(tasks.iter().map(|_| None).collect());
    on_threads(jobs.min(tasks.len()), || {
        while !failed.load(Ordering::Relaxed) {
            let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            let result = work(&tasks[index]);
            if result.as_ref().is_err_and(&is_last) {
                failed.store(true, Ordering::Relaxed);
            }
            results.lock().expect("no thread panics with the lock")[index] = Some(result);
        }
    });
    results.into_inner().expect("no thread panics with the lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_the_first_failure_is_told() {
        let tasks: Vec<u64> = (0..50).collect();
        let doubled = run(&tasks, 4, |task| *task, |task| Ok::<u64, ()>(task * 2)).unwrap();
        assert_eq!(doubled, tasks.iter().map(|task| task * 2).collect::<Vec<_>>());
        let failed = run(&tasks, 1, |task| *task, |&task| if task == 7 { Err(task) } else { Ok(()) });
        assert_eq!(failed.err(), Some(7));
        assert!(run(&Vec::<u64>::new(), 3, |task| *task, |_| Ok::<(), ()>(())).unwrap().is_empty());
    }
}
