//! Times as the ledger stores them.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::platform::Timestamp;

/// Milliseconds since 1970; 0 for a clock that was never set.
pub(super) fn to_millis(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Milliseconds since 1970.
pub(super) fn millis_of(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX)
}

/// The time that is this many milliseconds after 1970.
pub(super) fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_nanos(i128::from(millis) * 1_000_000)
}

/// Nanoseconds since 1970, if they fit into 64 bits (from 1677 to 2262). A file with another time
/// has no known version.
pub(super) fn to_nanos(time: Timestamp) -> Option<i64> {
    i64::try_from(time.as_nanos()).ok()
}

/// The time that is this many nanoseconds after 1970.
pub(super) fn from_nanos(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(i128::from(nanos))
}
