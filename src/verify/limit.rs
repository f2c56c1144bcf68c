//! How many of the drawn picks are judged: as many as were asked for, and more in place of those
//! that cannot be compared.

use super::arrivals::ArrivalLimit;
use super::memory::PathKey;
use super::schedule::Schedule;

/// How many of the drawn picks are judged.
#[derive(Debug)]
pub enum Limit<'a> {
    /// This number, and one more for each pick that cannot be compared.
    Replaced(usize),
    /// This number.
    Fixed(usize),
    /// As many as hold the arrivals that are wanted.
    Arrivals(ArrivalLimit<'a>),
}

impl Limit<'_> {
    /// How many are judged if all of them can be compared.
    pub fn first(&self) -> usize {
        match self {
            Self::Replaced(number) | Self::Fixed(number) => *number,
            Self::Arrivals(limit) => limit.picks(),
        }
    }

    /// Learns that these picks could not be compared. Returns how many are judged now.
    pub fn replace(&mut self, outside: &[PathKey]) -> usize {
        match self {
            Self::Replaced(number) => {
                *number = number.saturating_add(outside.len());
                *number
            }
            Self::Fixed(number) => *number,
            Self::Arrivals(limit) => {
                limit.replace(outside);
                limit.picks()
            }
        }
    }

    /// How the picks are spread over threads. Files that were handed out and not judged when a run
    /// is ended count as bad with all their arrivals, so as few as possible are handed out.
    pub fn schedule(&self, schedule: Schedule) -> Schedule {
        match self {
            Self::Replaced(_) | Self::Fixed(_) => schedule,
            Self::Arrivals(_) => schedule.one_by_one(),
        }
    }
}
