//! Registries that could not be reached, however often it was tried.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use super::options::EmbedOptions;
use crate::problem::Problem;
use crate::registry::RetryLimits;

/// Those that a run has met, each with what came of it.
#[derive(Debug, Default)]
pub(super) struct UnreachableRegistries(Mutex<HashMap<String, Problem>>);

impl UnreachableRegistries {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Problem>> {
        self.0.lock().expect("no thread panics with the lock")
    }

    /// Why the registry of a reference could not be reached, if that was tried.
    pub(super) fn why(&self, reference: &str) -> Option<Problem> {
        self.all().get(registry_of(reference)).cloned()
    }

    /// How often the registry of a reference is asked again. Other images need not wait as long
    /// for one that cannot be reached.
    pub(super) fn retry_limits(&self, reference: &str, options: &EmbedOptions) -> RetryLimits {
        let retries = if self.why(reference).is_some() { 0 } else { options.retries };
        RetryLimits { retries, delay: options.retry_delay }
    }

    /// Notes why an image was not fetched.
    pub(super) fn note(&self, reference: &str, problem: &Problem) {
        if problem.id == "registry-unreachable" {
            self.all().insert(registry_of(reference).to_owned(), problem.clone());
        }
    }
}

fn registry_of(reference: &str) -> &str {
    reference.split('/').next().unwrap_or_default()
}
