//! Points in time and stretches of time for people.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Now, and the time zone in which a person reads times.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The time of the question.
    pub now: Timestamp,
    /// The time zone of the person.
    pub zone: TimeZone,
}

/// A time further ahead than this is not explained by two clocks that differ a little: the clock
/// was set back.
const AHEAD: Duration = Duration::from_secs(5 * 60);

impl Clock {
    /// A time on the person's clock, to the minute: `2026-11-28 02:31`.
    pub fn minute(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// A date on the person's calendar: `2026-11-28`.
    pub fn day(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d").to_string()
    }

    /// How long ago a time was; nothing if it lies ahead.
    pub fn since(&self, time: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(time)).unwrap_or_default()
    }

    /// Whether a time that has been lies ahead, so that the clock must have been set back.
    pub fn is_ahead(&self, time: Timestamp) -> bool {
        Duration::try_from(time.duration_since(self.now)).is_ok_and(|ahead| ahead > AHEAD)
    }
}

/// A long stretch of time, in the two units that matter: `3 d 4 h`, `9 h 12 min`, `40 min`.
pub fn long(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) if minutes == 0 => format!("{hours} h"),
        (0, _) => format!("{hours} h {minutes} min"),
        (_, 0) => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(zone: &str) -> Clock {
        Clock { now: "2026-11-28T12:00:00Z".parse().unwrap(), zone: TimeZone::get(zone).unwrap() }
    }

    #[test]
    fn times_are_shown_on_the_clock_of_the_person() {
        let time = "2026-11-27T23:31:59Z".parse().unwrap();
        assert_eq!(clock("UTC").minute(time), "2026-11-27 23:31");
        assert_eq!(clock("Europe/Berlin").minute(time), "2026-11-28 00:31");
        assert_eq!(clock("Europe/Berlin").day(time), "2026-11-28");
    }

    #[test]
    fn only_a_time_that_is_clearly_ahead_means_that_the_clock_was_set_back() {
        let clock = clock("UTC");
        assert!(!clock.is_ahead("2026-11-28T12:04:00Z".parse().unwrap()));
        assert!(clock.is_ahead("2026-11-28T12:06:00Z".parse().unwrap()));
        assert!(!clock.is_ahead("2025-11-28T12:06:00Z".parse().unwrap()));
        assert_eq!(clock.since("2027-11-28T12:06:00Z".parse().unwrap()), Duration::ZERO);
    }

    #[test]
    fn long_stretches_have_two_units() {
        let minutes = |minutes: u64| long(Duration::from_secs(minutes * 60));
        assert_eq!(minutes(0), "0 min");
        assert_eq!(minutes(59), "59 min");
        assert_eq!(minutes(60), "1 h");
        assert_eq!(minutes(61), "1 h 1 min");
        assert_eq!(minutes(24 * 60 + 59), "1 d");
        assert_eq!(minutes(76 * 60), "3 d 4 h");
    }
}
