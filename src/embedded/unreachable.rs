//! Registries that could not be reached, however often it was tried.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

use super::options::EmbedOptions;
use crate::problem::Problem;
use crate::registry::RetryLimits;

/// Those that a run has met.
#[derive(Debug, Default)]
pub(super) struct UnreachableRegistries(Mutex<HashSet<String>>);

impl UnreachableRegistries {
    fn all(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().expect("no thread panics with the lock")
    }

    /// Whether the registry of a reference is one.
    pub(super) fn has(&self, reference: &str) -> bool {
        self.all().contains(registry_of(reference))
    }

    /// How often the registry of a reference is asked again. Other images need not wait as long
    /// for one that cannot be reached.
    pub(super) fn retry_limits(&self, reference: &str, options: &EmbedOptions) -> RetryLimits {
        let retries = if self.has(reference) { 0 } else { options.retries };
        RetryLimits { retries, delay: options.retry_delay }
    }

    /// Notes why an image was not fetched.
    pub(super) fn note(&self, reference: &str, problem: &Problem) {
        if problem.id == "registry-unreachable" {
            self.all().insert(registry_of(reference).to_owned());
        }
    }
}

fn registry_of(reference: &str) -> &str {
    reference.split('/').next().unwrap_or_default()
}
