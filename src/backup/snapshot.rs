//! Which of several backups at one location is meant.

use std::cmp::Reverse;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::platform::Timestamp;
use crate::words;

/// One of several backups at the same location.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The name by which it is opened.
    pub name: String,
    /// The hexadecimal digits that identify it, if the format has them. The first few are enough to
    /// name it.
    pub id: Option<String>,
    /// When it was taken, if the format records that.
    pub taken: Option<Timestamp>,
}

impl Snapshot {
    /// When it was taken, as a part of a sentence; empty if that is not known.
    pub(super) fn taken_at(&self) -> String {
        let time = self.taken.and_then(words::rfc3339);
        time.map_or_else(String::new, |time| format!(", taken at {time}"))
    }

    /// What a person should know if its time is after `now`.
    pub(super) fn note_of_future(&self, now: Timestamp) -> Option<String> {
        let time = words::rfc3339(self.taken.filter(|&taken| taken > now)?)?;
        Some(format!(
            "{} was taken at {time}, which is still to come: dated in the future, it stays the newest until then, although others may follow",
            words::printable(&self.name)
        ))
    }
}

/// The word for the newest snapshot.
const LATEST: &str = "latest";

/// The fewest digits that are taken for the beginning of an id.
const ID_DIGITS: usize = 4;

/// How many names an error lists.
const NAMES: usize = 5;

/// Finds the snapshot that a person means: as `latest`, by its name, by the first digits of its id,
/// by a pattern of names such as `web-*` (the newest of them), or by a time (the newest one that
/// was taken until then). Times without a zone are those of `zone`.
///
/// # Errors
/// A sentence that says what there is instead.
pub(super) fn choose<'a>(
    snapshots: &'a [Snapshot],
    asked: &str,
    zone: &TimeZone,
) -> Result<&'a Snapshot, String> {
    if snapshots.is_empty() {
        return Err("it holds no snapshots".to_owned());
    }
    // Before any name: a snapshot may be called like that, and would stay the newest for ever.
    if asked == LATEST {
        return newest(snapshots, |_| true).ok_or_else(|| none(snapshots, asked));
    }
    if let Some(named) = snapshots.iter().find(|snapshot| snapshot.name == asked) {
        return Ok(named);
    }
    if let Some(found) = by_id(snapshots, asked)? {
        return Ok(found);
    }
    if let Some(until) = until(asked, zone) {
        let found = newest(snapshots, |snapshot| snapshot.taken.is_some_and(|taken| taken <= until));
        return found.ok_or_else(|| {
            let oldest = snapshots.iter().filter_map(|snapshot| snapshot.taken).min();
            let oldest = oldest.and_then(words::rfc3339).unwrap_or_default();
            format!("no snapshot was taken until {asked}; the oldest is from {oldest}")
        });
    }
    let is_like = |snapshot: &Snapshot| is_match(asked.as_bytes(), snapshot.name.as_bytes());
    newest(snapshots, is_like).ok_or_else(|| none(snapshots, asked))
}

/// Several snapshots that a person means, the newest first.
#[derive(Debug)]
pub(super) struct Range<'a> {
    pub(super) snapshots: Vec<&'a Snapshot>,
    /// How many there are to choose from.
    of: usize,
}

/// The word for all snapshots, and how the newest few are asked for: `last:7`.
const ALL: &str = "all";
const LAST: &str = "last:";

/// The snapshots that a person means by `all` or `last:7`. `None` for everything else.
///
/// # Errors
/// If there are none, or the number is not one.
pub(super) fn range<'a>(snapshots: &'a [Snapshot], asked: &str) -> Result<Option<Range<'a>>, String> {
    let most = match (asked == ALL, asked.strip_prefix(LAST)) {
        (true, _) => snapshots.len(),
        (false, Some(number)) => number.parse().ok().filter(|&number| number > 0).ok_or_else(|| {
            format!("--snapshot {}: write how many, such as {LAST}7", words::printable(asked))
        })?,
        (false, None) => return Ok(None),
    };
    if snapshots.is_empty() {
        return Err("it holds no snapshots".to_owned());
    }
    let mut chosen: Vec<_> = snapshots.iter().collect();
    chosen.sort_by_key(|snapshot| Reverse(snapshot.taken));
    chosen.truncate(most);
    Ok(Some(Range { snapshots: chosen, of: snapshots.len() }))
}

impl Range<'_> {
    /// Which they are, for a person.
    pub(super) fn note(&self) -> String {
        let name =
            |snapshot: &Snapshot| format!("{}{}", words::printable(&snapshot.name), snapshot.taken_at());
        let ends = match &*self.snapshots {
            [only] => name(only),
            [newest, .., oldest] => format!("{} to {}", name(oldest), name(newest)),
            [] => String::new(),
        };
        let count = words::counted(self.snapshots.len() as u64, "snapshot");
        format!(
            "{count} of {}: {ends}; each path begins with the newest of them that holds this version of the file",
            self.of
        )
    }
}

/// The newest of those that pass. One without a time is older than all others.
fn newest(snapshots: &[Snapshot], passes: impl Fn(&Snapshot) -> bool) -> Option<&Snapshot> {
    snapshots.iter().filter(|snapshot| passes(snapshot)).max_by_key(|snapshot| snapshot.taken)
}

fn by_id<'a>(snapshots: &'a [Snapshot], asked: &str) -> Result<Option<&'a Snapshot>, String> {
    if asked.len() < ID_DIGITS || !asked.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let asked = asked.to_ascii_lowercase();
    let begins = |snapshot: &&Snapshot| snapshot.id.as_ref().is_some_and(|id| id.starts_with(&asked));
    let mut found = snapshots.iter().filter(begins);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => {
            Err(format!("the ids of several snapshots begin with {asked}: write more digits"))
        }
        (found, _) => Ok(found),
    }
}

/// The last moment that belongs to a time: a date lasts until its midnight.
fn until(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let moment = if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        moment
    } else if let (Ok(date), 10) = (text.parse::<Date>(), text.len()) {
        let next = date.tomorrow().ok()?.to_zoned(zone.clone()).ok()?.timestamp();
        next.checked_sub(jiff::SignedDuration::from_nanos(1)).ok()?
    } else {
        text.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok()?.timestamp()
    };
    Some(Timestamp::from_nanos(moment.as_nanosecond()))
}

/// Whether a name matches a pattern, in which `*` stands for any text and `?` for one byte.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    // Where to go on if what follows the last `*` does not match.
    let mut star: Option<(usize, usize)> = None;
    while next < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, next));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[next] => {
                at += 1;
                next += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    (at, next) = (after, from + 1);
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

fn none(snapshots: &[Snapshot], asked: &str) -> String {
    let mut newest: Vec<&Snapshot> = snapshots.iter().collect();
    newest.sort_by_key(|snapshot| Reverse(snapshot.taken));
    let names: Vec<_> = newest.iter().take(NAMES).map(|snapshot| words::printable(&snapshot.name)).collect();
    let more = if newest.len() > NAMES { "the newest are" } else { "there are" };
    format!("it has no snapshot {}; {more} {}", words::printable(asked), names.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn snapshots() -> Vec<Snapshot> {
        let snapshot = |name: &str, id: &str, time: &str| Snapshot {
            name: name.to_owned(),
            id: Some(id.to_owned()),
            taken: Some(Timestamp::from_nanos(time.parse::<jiff::Timestamp>().unwrap().as_nanosecond())),
        };
        vec![
            snapshot("web-1", "abcd01", "2026-11-25T02:00:00Z"),
            snapshot("web-2", "abcd02", "2026-11-26T02:00:00Z"),
            snapshot("mail-1", "beef01", "2026-11-27T02:00:00Z"),
            snapshot("2026-11-24", "0123ff", "2026-11-24T02:00:00Z"),
        ]
    }

    fn chosen(asked: &str) -> Result<String, String> {
        choose(&snapshots(), asked, &TimeZone::UTC).map(|snapshot| snapshot.name.clone())
    }

    #[test]
    fn a_snapshot_is_found_by_name_id_pattern_time_or_as_the_latest() {
        for (asked, name) in [
            ("web-1", "web-1"),
            ("latest", "mail-1"),
            ("beef", "mail-1"),
            ("ABCD02", "web-2"),
            ("web-*", "web-2"),
            ("*-1", "mail-1"),
            ("web-?", "web-2"),
            // A name comes before a time.
            ("2026-11-24", "2026-11-24"),
            ("2026-11-25", "web-1"),
            ("2026-11-26T01:59", "web-1"),
            ("2026-11-26T02:00:00Z", "web-2"),
            ("2027-01-01", "mail-1"),
        ] {
            assert_eq!(chosen(asked).as_deref(), Ok(name), "{asked}");
        }
    }

    #[test]
    fn latest_is_the_newest_even_if_an_older_one_is_called_so() {
        let mut snapshots = snapshots();
        snapshots[0].name = LATEST.to_owned();
        let chosen = choose(&snapshots, LATEST, &TimeZone::UTC).unwrap();
        assert_eq!(chosen.name, "mail-1");
    }

    #[test]
    fn several_snapshots_come_newest_first_and_never_more_than_asked_for() {
        let snapshots = snapshots();
        let names = |asked| {
            let range = range(&snapshots, asked).unwrap().unwrap();
            range.snapshots.iter().map(|snapshot| snapshot.name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("all"), "mail-1 web-2 web-1 2026-11-24");
        assert_eq!(names("last:2"), "mail-1 web-2");
        assert_eq!(names("last:9"), names("all"));
        assert!(range(&snapshots, "latest").unwrap().is_none());
        for asked in ["last:", "last:0", "last:-1", "last:x"] {
            let error = range(&snapshots, asked).unwrap_err();
            assert!(error.contains("write how many, such as last:7"), "{error}");
        }
        assert_eq!(range(&[], "all").unwrap_err(), "it holds no snapshots");
        let note = range(&snapshots, "last:2").unwrap().unwrap().note();
        assert!(
            note.starts_with("2 snapshots of 4: web-2, taken at 2026-11-26T02:00:00Z to mail-1"),
            "{note}"
        );
    }

    #[test]
    fn a_snapshot_from_the_future_is_told() {
        let [snapshot, ..] = &snapshots()[..] else { return };
        let taken = snapshot.taken.unwrap();
        let before = Timestamp { seconds: taken.seconds - 1, ..taken };
        assert_eq!(snapshot.note_of_future(taken), None);
        let note = snapshot.note_of_future(before).unwrap();
        assert!(note.contains("web-1 was taken at 2026-11-25T02:00:00Z, which is still to come"), "{note}");
    }

    #[test]
    fn whatever_is_not_found_is_an_error_that_says_what_there_is() {
        for (asked, words) in [
            ("abcd", "several snapshots begin with abcd"),
            ("db-*", "it has no snapshot db-*; there are mail-1, web-2, web-1, 2026-11-24"),
            ("2026-11-23", "the oldest is from 2026-11-24"),
            ("\u{1b}x", "it has no snapshot ?x"),
        ] {
            let error = chosen(asked).unwrap_err();
            assert!(error.contains(words), "{asked}: {error}");
        }
        assert_eq!(choose(&[], "latest", &TimeZone::UTC).unwrap_err(), "it holds no snapshots");
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_a_slow_search_finds(
            pattern in "[ab*?]{0,7}", name in "[ab]{0,7}",
        ) {
            fn slow(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|skip| slow(rest, &name[skip..])),
                    Some((&byte, rest)) => name.split_first()
                        .is_some_and(|(&first, left)| (byte == b'?' || byte == first) && slow(rest, left)),
                }
            }
            let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(is_match(pattern, name), slow(pattern, name));
        }
    }
}
