//! `bkverify facts --json`: what another machine needs to know about this one to compare itself
//! with it.
//!
//! The facts are written on the destination. `bkverify checklist clock --against facts.json` reads
//! them on the source. They contain names, versions, the clock, the time zone and the room
//! on the disks, and nothing secret. This module knows nothing of the checklist.

pub mod sntp;

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

/// The name and version of the schema.
pub const SCHEMA: &str = "bkverify-facts/1";

/// Facts of one machine at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// [`SCHEMA`].
    pub schema: String,
    /// The machine's name.
    pub name: String,
    /// Its operating system, with the version.
    pub system: String,
    /// The version of bkverify that wrote this.
    pub bkverify: String,
    /// The time of its clock when this was written, in UTC.
    pub time: Timestamp,
    /// The same time as its users see it, with the offset from UTC.
    pub local_time: String,
    /// Its time zone.
    pub zone: Zone,
    /// How far its clock was from that of an NTP server, if one was asked.
    pub ntp: Option<NtpFact>,
    /// What is used and free on its disks. Empty if that is not known, or was written by a version
    /// without this field.
    #[serde(default)]
    pub volumes: Vec<Volume>,
}

/// One file system or drive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Where it is mounted, or its letter.
    pub place: String,
    /// Bytes in use.
    pub used: u64,
    /// Bytes that are free for programs.
    pub free: u64,
}

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Its IANA name, if the system has one.
    pub name: Option<String>,
    /// Seconds east of UTC at noon UTC on the first day of each month, from January on. Zones that
    /// agree in all twelve show the same time all year.
    pub offsets: Vec<i32>,
}

/// A comparison with an NTP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NtpFact {
    /// The server, as the person named it.
    pub server: String,
    /// The server's clock minus the machine's clock, in seconds.
    pub offset: f64,
}

/// Why facts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The text is not a file of facts.
    #[error(
        "{place} is not a file of facts ({source}); make one on that machine with `bkverify facts --json`"
    )]
    Unreadable {
        /// The file that was read.
        place: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The facts have a version that this program does not know.
    #[error(
        "{place} holds `{schema}`, but this bkverify reads `{SCHEMA}`; use the same version on both machines"
    )]
    Version {
        /// The file that was read.
        place: String,
        /// The version that was found.
        schema: String,
    },
}

impl Facts {
    /// Reads facts that were written as JSON. `place` is the file's name in errors.
    pub fn parse(text: &str, place: &str) -> Result<Self, FactsError> {
        let facts: Self = serde_json::from_str(text)
            .map_err(|source| FactsError::Unreadable { place: place.to_owned(), source })?;
        if facts.schema != SCHEMA {
            return Err(FactsError::Version { place: place.to_owned(), schema: facts.schema });
        }
        Ok(facts)
    }
}

impl Zone {
    /// The zone's offsets in the year of `now`.
    pub fn of(zone: &TimeZone, now: Timestamp) -> Self {
        let year = now.to_zoned(TimeZone::UTC).year();
        let noon = |month| civil::date(year, month, 1).at(12, 0, 0, 0).to_zoned(TimeZone::UTC);
        let offsets = (1..=12).filter_map(|month| noon(month).ok());
        let offsets = offsets.map(|noon| zone.to_offset(noon.timestamp()).seconds()).collect();
        Self { name: zone.iana_name().map(str::to_owned), offsets }
    }

    /// Whether both zones show the same time all year.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.offsets == other.offsets && !self.offsets.is_empty()
    }

    /// The zone in words: `Europe/Berlin (UTC+01:00, in July UTC+02:00)`.
    pub fn words(&self) -> String {
        let name = self.name.as_deref().unwrap_or("unnamed zone");
        let (Some(&winter), Some(&summer)) = (self.offsets.first(), self.offsets.get(6)) else {
            return name.to_owned();
        };
        if winter == summer {
            format!("{name} ({})", offset_words(winter))
        } else {
            format!("{name} ({}, in July {})", offset_words(winter), offset_words(summer))
        }
    }
}

fn offset_words(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Gathers the facts of this machine. `ntp` names a server to compare the clock with.
///
/// # Errors
/// Why the server gave no time.
pub fn gather(name: String, system: String, ntp: Option<&str>) -> Result<Facts, String> {
    let ntp = match ntp {
        None => None,
        Some(server) => Some(NtpFact { server: server.to_owned(), offset: sntp::measure(server)?.offset }),
    };
    let now = Zoned::now();
    Ok(Facts {
        schema: SCHEMA.to_owned(),
        name,
        system,
        bkverify: env!("CARGO_PKG_VERSION").to_owned(),
        time: now.timestamp(),
        local_time: now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        zone: Zone::of(now.time_zone(), now.timestamp()),
        ntp,
        volumes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::of(&TimeZone::get(name).unwrap(), "2026-03-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn facts_survive_writing_and_reading() {
        let facts = gather("dc01".into(), "Linux".into(), None).unwrap();
        let text = serde_json::to_string_pretty(&facts).unwrap();
        assert_eq!(Facts::parse(&text, "x").unwrap(), facts);
    }

    #[test]
    fn zones_agree_by_the_time_they_show_all_year_not_by_name() {
        assert!(zone("Europe/Berlin").agrees_with(&zone("Europe/Paris")));
        assert!(!zone("Europe/Berlin").agrees_with(&zone("Africa/Lagos")), "same in winter, not in summer");
        assert_eq!(zone("Europe/Berlin").words(), "Europe/Berlin (UTC+01:00, in July UTC+02:00)");
        assert_eq!(zone("Asia/Kolkata").words(), "Asia/Kolkata (UTC+05:30)");
    }

    #[test]
    fn a_file_without_facts_says_how_to_make_one() {
        let error = Facts::parse("{}", "dc.json").unwrap_err().to_string();
        assert!(error.contains("dc.json") && error.contains("bkverify facts --json"), "{error}");
        let mut facts = gather("a".into(), "b".into(), None).unwrap();
        facts.schema = "bkverify-facts/9".into();
        let error = Facts::parse(&serde_json::to_string(&facts).unwrap(), "x").unwrap_err().to_string();
        assert!(error.contains("bkverify-facts/9"), "{error}");
    }
}
