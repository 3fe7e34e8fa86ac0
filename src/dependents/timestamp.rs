//! A name for a backup.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::store::Timestamp;

/// The present time in UTC, such as `20261121T141252Z`.
pub(super) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    of(i64::try_from(since.as_secs()).unwrap_or_default())
}

/// A time in seconds since 1970 in UTC, in the basic format of ISO 8601.
fn of(seconds: i64) -> String {
    Timestamp(seconds, 0).text().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_the_date_that_they_are() {
        for (seconds, date) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_795_270_490, "20261121T141450Z"),
            (4_107_542_400, "21000301T000000Z"),
            (4_107_542_399, "21000228T235959Z"),
        ] {
            assert_eq!(of(seconds), date);
        }
    }
}
