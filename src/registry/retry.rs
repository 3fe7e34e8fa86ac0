//! Trying again what may pass.

use std::thread;
use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};

use super::Failure;

/// The longest time between two tries.
const LONGEST: Duration = Duration::from_secs(60);

/// How often something is tried again, and after how long.
#[derive(Debug, Clone, Copy)]
pub struct RetryLimits {
    /// How often.
    pub retries: u32,
    /// How long to wait before the first; twice as long before each further one, up to a
    /// minute, and up to a half less, so that many builds do not come back at once.
    pub delay: Duration,
}

/// Does `work`, which is told how often it failed before, until it succeeds, fails for
/// good, or failed too often.
///
/// # Errors
/// The last failure.
pub fn with_retries<T>(
    patience: RetryLimits,
    mut work: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut tried = 0;
    loop {
        match work() {
            Err(failure) if failure.may_pass && tried < patience.retries => {
                thread::sleep(pause(patience.delay, tried));
                tried += 1;
            }
            Err(mut failure) if tried > 0 => {
                let times = if tried == 1 { "once".to_owned() } else { format!("{tried} times") };
                failure.problem.message.push_str(&format!(" (tried again {times})"));
                return Err(failure);
            }
            result => return result,
        }
    }
}

fn pause(first: Duration, tried: u32) -> Duration {
    let whole = first.saturating_mul(1 << tried.min(16)).min(LONGEST);
    let mut lot = [0; 1];
    // Without randomness all of the time is waited.
    let part = match getrandom(&mut lot, GetRandomFlags::NONBLOCK) {
        Ok(1) => f64::from(lot[0]) / 255.0,
        _ => 1.0,
    };
    whole.mul_f64(0.5 + part / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    fn failure(may_pass: bool) -> Failure {
        Failure { problem: Problem::new("registry-busy", "busy", "wait"), may_pass }
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_not_for_ever() {
        let patience = RetryLimits { retries: 2, delay: Duration::ZERO };
        let mut tries = 0;
        let mut after = |successes: u32, may_pass: bool| {
            tries = 0;
            let result = with_retries(patience, || {
                tries += 1;
                if tries > successes { Ok(()) } else { Err(failure(may_pass)) }
            });
            (tries, result.map_err(|failure| failure.problem.message))
        };
        assert_eq!(after(2, true), (3, Ok(())));
        assert_eq!(after(9, true), (3, Err("busy (tried again 2 times)".to_owned())));
        assert_eq!(after(1, false), (1, Err("busy".to_owned())));
    }

    #[test]
    fn pauses_grow_to_a_minute_and_differ() {
        for tried in 0..40 {
            let whole = Duration::from_secs(2).saturating_mul(1 << tried.min(16)).min(LONGEST);
            let pause = pause(Duration::from_secs(2), tried);
            assert!(pause <= whole && pause >= whole / 2, "{pause:?} after {tried}");
        }
    }
}
