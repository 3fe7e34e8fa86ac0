//! How far a long work is, for who waits for it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is being done, and how much of it is.
#[derive(Debug, Default)]
pub struct Progress {
    doing: Mutex<&'static str>,
    /// How many bytes there are.
    total: AtomicU64,
    /// How many of them are done.
    done: AtomicU64,
}

impl Progress {
    /// Begins with something else, such as `fetching`, that has `total` bytes.
    pub fn begin(&self, doing: &'static str, total: u64) {
        *self.doing.lock().expect("no thread panics with the lock") = doing;
        self.total.store(total, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    /// So many more bytes are done.
    pub fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes are to be done again.
    pub fn take_back(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What is being done; nothing before it begins.
    pub fn doing(&self) -> &'static str {
        *self.doing.lock().expect("no thread panics with the lock")
    }

    /// How many bytes are done, and how many there are.
    pub fn bytes(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}
