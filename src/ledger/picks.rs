//! Which files a run judged, and how: 25 bytes a pick.
//!
//! A row of the table holds up to 32,768 picks, sorted by key. Each is the key (16 bytes), the number
//! of the version that was judged (8 bytes, [`version_number`](crate::verify::memory::version_number)),
//! both big-endian, and one byte: the number of the verdict, plus 128 if the pick was comparable as
//! far as was known when it was judged, plus 64 if the newest time in the backup could make it
//! comparable afterwards. Only the report of the run counts that.

use rusqlite::Connection;

use crate::verify::memory::{JudgedPick, PathKey, RunNumber};
use crate::verify::verdict::Verdict;

/// The most picks in one row of the table.
pub(super) const ROW_MAX: usize = 32_768;

/// Bytes of one pick.
const SIZE: usize = 25;

/// Where the byte of the verdict is.
const FLAGS: usize = 24;
const COMPARABLE: u8 = 0x80;
const PENDING: u8 = 0x40;

fn write(pick: JudgedPick, out: &mut Vec<u8>) {
    out.extend_from_slice(&pick.key.0.to_be_bytes());
    out.extend_from_slice(&pick.version.to_be_bytes());
    let (comparable, pending) = (u8::from(pick.comparable) * COMPARABLE, u8::from(pick.pending) * PENDING);
    out.push(pick.verdict as u8 | comparable | pending);
}

/// `None` if a newer version wrote a verdict that this one does not know.
fn read(bytes: &[u8]) -> Option<JudgedPick> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (version, rest) = rest.split_first_chunk()?;
    let flags = *rest.first()?;
    Some(JudgedPick {
        key: PathKey(u128::from_be_bytes(*key)),
        version: u64::from_be_bytes(*version),
        verdict: verdict(i64::from(flags & !(COMPARABLE | PENDING)))?,
        comparable: flags & COMPARABLE != 0,
        pending: flags & PENDING != 0,
    })
}

/// The verdict with this number.
pub(super) fn verdict(number: i64) -> Option<Verdict> {
    Verdict::ALL.get(usize::try_from(number).ok()?).copied()
}

/// Picks, sorted by key, as they are stored.
pub(super) fn encode(picks: impl ExactSizeIterator<Item = JudgedPick>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(picks.len() * SIZE);
    picks.for_each(|pick| write(pick, &mut bytes));
    bytes
}

/// The picks of a stored row.
pub(super) fn decode(bytes: &[u8]) -> impl Iterator<Item = JudgedPick> {
    bytes.chunks_exact(SIZE).filter_map(read)
}

/// Picks that version 1 of the ledger stored, without the numbers of their versions.
pub(super) fn of_version_1(bytes: &[u8]) -> Vec<u8> {
    let (picks, _) = bytes.as_chunks::<17>();
    picks.iter().flat_map(|pick| [&pick[..16], &[0; 8], &pick[16..]].concat()).collect()
}

/// Whether a stored row is whole and sorted, and knows only verdicts that this version knows.
pub(super) fn is_sound(bytes: &[u8]) -> bool {
    let mut last = None;
    bytes.len().is_multiple_of(SIZE)
        && bytes.chunks_exact(SIZE).all(|bytes| {
            let key = read(bytes).map(|pick| pick.key.0);
            let sorted = key.is_some() && last <= key;
            last = key;
            sorted
        })
}

/// Calls `each` for every pick of a run, in the order of the rows.
pub(super) fn of_run(
    connection: &Connection,
    run: RunNumber,
    each: &mut dyn FnMut(JudgedPick),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT picks FROM picks WHERE run = ? ORDER BY id")?;
    let mut rows = statement.query([run.cast_signed()])?;
    while let Some(row) = rows.next()? {
        decode(row.get_ref(0)?.as_blob()?).for_each(&mut *each);
    }
    Ok(())
}

/// How a run judged one file, if it did.
pub(super) fn find(
    connection: &Connection,
    run: RunNumber,
    key: PathKey,
) -> rusqlite::Result<Option<JudgedPick>> {
    let mut statement = connection.prepare("SELECT picks FROM picks WHERE run = ? ORDER BY id")?;
    let mut rows = statement.query([run.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(0)?.as_blob()?;
        if let Some(at) = position(bytes, key) {
            return Ok(read(&bytes[at * SIZE..]));
        }
    }
    Ok(None)
}

/// Where a stored row has this key.
fn position(bytes: &[u8], key: PathKey) -> Option<usize> {
    let (picks, _) = bytes.as_chunks::<SIZE>();
    picks.binary_search_by(|pick| pick[..16].cmp(&key.0.to_be_bytes())).ok()
}

/// Gives a pick of a run another verdict, and makes it comparable: its backup turned out to have
/// newer content than was known when it was judged.
pub(super) fn rejudge(
    connection: &Connection,
    run: RunNumber,
    key: PathKey,
    verdict: Verdict,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT id, picks FROM picks WHERE run = ?")?;
    let mut rows = statement.query([run.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(1)?.as_blob()?;
        let Some(at) = position(bytes, key) else { continue };
        let (id, mut bytes) = (row.get::<_, i64>(0)?, bytes.to_vec());
        bytes[at * SIZE + FLAGS] = verdict as u8 | COMPARABLE;
        drop(rows);
        connection.prepare("UPDATE picks SET picks = ? WHERE id = ?")?.execute((bytes, id))?;
        return Ok(());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(key: u128, verdict: Verdict, comparable: bool) -> JudgedPick {
        JudgedPick { key: PathKey(key), version: u64::MAX - 7, verdict, comparable, pending: !comparable }
    }

    #[test]
    fn every_verdict_is_read_back_as_it_was_written() {
        let picks: Vec<_> = Verdict::ALL
            .iter()
            .enumerate()
            .map(|(at, &verdict)| pick(at as u128 * 1000, verdict, at % 2 == 0))
            .collect();
        let bytes = encode(picks.iter().copied());
        assert_eq!(decode(&bytes).collect::<Vec<_>>(), picks);
        assert!(is_sound(&bytes));
        assert_eq!(position(&bytes, PathKey(3000)), Some(3));
        assert_eq!(position(&bytes, PathKey(3001)), None);
    }

    #[test]
    fn a_row_that_is_cut_or_in_disorder_or_unknown_is_not_sound() {
        let bytes = encode([pick(1, Verdict::Verified, true), pick(2, Verdict::Stale, true)].into_iter());
        assert!(!is_sound(&bytes[..2 * SIZE - 1]));
        let turned = [&bytes[SIZE..], &bytes[..SIZE]].concat();
        assert!(!is_sound(&turned));
        let mut unknown = bytes;
        unknown[FLAGS] = 0x3f;
        assert!(!is_sound(&unknown));
    }

    #[test]
    fn picks_of_version_1_keep_their_verdicts() {
        let old: Vec<u8> = [(5_u128, Verdict::Corrupt as u8 | COMPARABLE), (9, Verdict::Verified as u8)]
            .iter()
            .flat_map(|(key, flags)| [&key.to_be_bytes()[..], &[*flags]].concat())
            .collect();
        let new = of_version_1(&old);
        let read: Vec<_> =
            decode(&new).map(|pick| (pick.key.0, pick.verdict, pick.comparable, pick.pending)).collect();
        assert_eq!(read, [(5, Verdict::Corrupt, true, false), (9, Verdict::Verified, false, false)]);
        assert!(is_sound(&new));
    }
}
