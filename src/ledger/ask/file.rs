//! Which runs judged a file?

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};

use super::row::moment;
use crate::backup::{escape, relative, unescape};
use crate::history::file::{File, FileHistory, Judgment, Known};
use crate::ledger::error::Error;
use crate::ledger::open::Ledger;
use crate::ledger::picks;
use crate::ledger::times;
use crate::plan::Algorithm;
use crate::platform;
use crate::verify::PickRecord;
use crate::verify::hash::Hash;
use crate::verify::memory::{JudgedPick, PathKey, RunNumber};
use crate::words;

/// The most similar names that are told.
const SIMILAR_MAX: usize = 5;

/// Names less alike than this are not told.
const ALIKE: f64 = 0.85;

/// A path that a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As it was written.
    pub text: String,
    /// As the path of an original on this machine: absolute, in bytes.
    pub original: Vec<u8>,
    /// As a path in a backup, in bytes.
    pub entry: Vec<u8>,
}

/// A backup with its originals.
struct Target {
    id: i64,
    backup: String,
    originals: Vec<String>,
}

/// Every judgment of the file that is meant: in each backup in which it was judged, the latest
/// first.
///
/// # Errors
/// If the ledger cannot be read.
pub fn file(ledger: &Ledger, asked: &Asked) -> Result<FileHistory, Error> {
    read(ledger, asked).map_err(|error| ledger.failed(error))
}

fn read(ledger: &Ledger, asked: &Asked) -> rusqlite::Result<FileHistory> {
    let connection = ledger.connection();
    let sql = "SELECT id, backup, originals FROM targets
               ORDER BY (SELECT max(runs.id) FROM runs WHERE runs.target = targets.id) DESC";
    let mut statement = connection.prepare(sql)?;
    let targets = statement.query_map([], |row| {
        let originals: String = row.get(2)?;
        let originals = originals.lines().map(str::to_owned).collect();
        Ok(Target { id: row.get(0)?, backup: row.get(1)?, originals })
    })?;
    let mut files = Vec::new();
    for target in targets {
        let target = target?;
        for entry in entries(asked, &target.originals) {
            files.extend(of_target(connection, &target, &entry)?);
        }
    }
    let similar = if files.is_empty() { similar(connection, asked)? } else { Vec::new() };
    Ok(FileHistory::new(asked.text.clone(), files, similar))
}

/// Every path that the file may have in a backup of these originals: the path as it was asked for;
/// and for an original, what pairing tries, from the path below its folder to the whole path.
fn entries(asked: &Asked, originals: &[String]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::from([asked.entry.clone()]);
    let path = slashed(asked.original.clone());
    for original in originals {
        // A map is FROM=TO, but a folder may have = in its name, too. So both are tried.
        let folder = slashed(unescape(original));
        if let Some(rest) = below(&path, &folder) {
            let parts: Vec<_> = folder.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).collect();
            // The letter of a drive is the first part without its colon.
            let parts: Vec<_> = parts.iter().map(|part| part.strip_suffix(b":").unwrap_or(part)).collect();
            let prefixes = (0..=parts.len()).map(|count| parts[parts.len() - count..].join(&b'/'));
            found.extend(prefixes.map(|prefix| joined(&prefix, rest)));
        }
        if let Some((from, to)) = original.split_once('=')
            && let Some(rest) = below(&path, &slashed(unescape(to)))
        {
            found.insert(joined(&unescape(from), rest));
        }
    }
    found
}

/// A path of this machine with `/` between its parts.
fn slashed(mut path: Vec<u8>) -> Vec<u8> {
    if std::path::MAIN_SEPARATOR == '\\' {
        path.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
    }
    path
}

/// The rest of a path below a folder.
fn below<'a>(path: &'a [u8], folder: &[u8]) -> Option<&'a [u8]> {
    let folder = folder.strip_suffix(b"/").unwrap_or(folder);
    let (beginning, rest) = path.split_at_checked(folder.len())?;
    rest.strip_prefix(b"/").filter(|_| platform::is_same_name(beginning, folder))
}

/// The path in a backup: the prefix and the rest.
fn joined(prefix: &[u8], rest: &[u8]) -> Vec<u8> {
    let path = [prefix, b"/", rest].concat();
    relative(&path).unwrap_or(path)
}

fn of_target(connection: &Connection, target: &Target, entry: &[u8]) -> rusqlite::Result<Option<File>> {
    let key = PathKey::of(entry);
    let sql = "SELECT size, mtime, verified_at, algorithm, hash
               FROM files JOIN versions ON versions.id = files.version WHERE target = ? AND key = ? AND path = ?";
    let known = connection.query_row(sql, (target.id, key.0.to_be_bytes(), entry), |row| {
        let Some(at) = row.get::<_, Option<i64>>(2)? else { return Ok(None) };
        let mtime: Option<i64> = row.get(1)?;
        let algorithm: Option<i64> = row.get(3)?;
        let algorithm = algorithm.and_then(|at| Algorithm::ALL.get(usize::try_from(at).ok()?));
        Ok(Some(Known {
            at: moment(at),
            size: row.get::<_, Option<i64>>(0)?.and_then(|size| u64::try_from(size).ok()),
            mtime: mtime.and_then(|nanos| words::moment(times::from_nanos(nanos))),
            algorithm: algorithm.map(|algorithm| algorithm.name().to_owned()),
            hash: row.get::<_, Option<[u8; 32]>>(4)?.map(|bytes| Hash::of_bytes(bytes).to_string()),
        }))
    });
    let Some(verified) = known.optional()? else { return Ok(None) };
    let judged = judgments(connection, target.id, key, verified.as_ref())?;
    Ok(Some(File {
        path: escape(entry).into_owned(),
        backup: target.backup.clone(),
        originals: target.originals.clone(),
        verified,
        judged,
    }))
}

/// The judgments of all runs on this backup, the newest first.
fn judgments(
    connection: &Connection,
    target: i64,
    key: PathKey,
    verified: Option<&Known>,
) -> rusqlite::Result<Vec<Judgment>> {
    let mut statement =
        connection.prepare("SELECT id, job, started FROM runs WHERE target = ? ORDER BY id DESC")?;
    let mut rows = statement.query([target])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let run = row.get::<_, i64>(0)?.cast_unsigned();
        let Some(pick) = picks::find(connection, run, key)? else { continue };
        let started = moment(row.get(2)?);
        let record = record(connection, run, key)?;
        found.push(judgment((run, row.get(1)?, started), pick, record, verified));
    }
    Ok(found)
}

fn judgment(
    (run, job, started): (RunNumber, Option<String>, jiff::Timestamp),
    pick: JudgedPick,
    record: Option<PickRecord>,
    verified: Option<&Known>,
) -> Judgment {
    let JudgedPick { verdict, comparable, .. } = pick;
    let bare = Judgment {
        run,
        job,
        started,
        verdict,
        comparable,
        size: None,
        mtime: None,
        restored_hash: None,
        original_hash: None,
        reason: String::new(),
    };
    if let Some(record) = record {
        let hashes = record.hashes.as_ref();
        return Judgment {
            size: record.restored_size,
            mtime: record.recorded_mtime.and_then(words::moment),
            restored_hash: hashes.map(|hashes| hashes.restored.to_string()),
            original_hash: hashes.and_then(|hashes| hashes.original).map(|hash| hash.to_string()),
            reason: record.difference.map_or(record.reason.clone(), |difference| {
                if record.reason.is_empty() {
                    difference.to_string()
                } else {
                    format!("{difference}; {}", record.reason)
                }
            }),
            ..bare
        };
    }
    // Of all runs that verified the file, the last one's version is known.
    match verified
        .filter(|known| pick.verdict == crate::verify::verdict::Verdict::Verified && known.at == started)
    {
        Some(known) => Judgment {
            size: known.size,
            mtime: known.mtime,
            restored_hash: known.hash.clone(),
            original_hash: known.hash.clone(),
            ..bare
        },
        None => bare,
    }
}

/// The record of a pick that is not verified, if it was kept.
fn record(connection: &Connection, run: RunNumber, key: PathKey) -> rusqlite::Result<Option<PickRecord>> {
    let sql = "SELECT record FROM findings WHERE run = ? AND key = ?";
    let packed: Option<Vec<u8>> =
        connection.query_row(sql, (run.cast_signed(), key.0.to_be_bytes()), |row| row.get(0)).optional()?;
    let json = packed.and_then(|packed| zstd::decode_all(packed.as_slice()).ok());
    Ok(json.and_then(|json| serde_json::from_slice(&json).ok()))
}

/// Paths whose last part is like that of the path that was asked for, the most alike first. Reads
/// all paths that there are.
fn similar(connection: &Connection, asked: &Asked) -> rusqlite::Result<Vec<String>> {
    let name = |path: &[u8]| {
        String::from_utf8_lossy(path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)).into_owned()
    };
    let (wanted, whole) = (name(&asked.entry), String::from_utf8_lossy(&asked.entry).into_owned());
    let mut best: Vec<(f64, f64, Vec<u8>)> = Vec::new();
    let mut statement = connection.prepare("SELECT path FROM versions")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let path = row.get_ref(0)?.as_blob()?;
        let likeness = strsim::jaro_winkler(&wanted, &name(path));
        let is_worse = best.len() == SIMILAR_MAX && best.last().is_some_and(|worst| likeness < worst.0);
        if likeness < ALIKE || is_worse {
            continue;
        }
        // Of the same name in many folders, the one in the most similar folder is meant.
        let paths = strsim::jaro_winkler(&whole, &String::from_utf8_lossy(path));
        if best.iter().all(|(_, _, other)| other != path) {
            best.push((likeness, paths, path.to_vec()));
            best.sort_by(|one, other| other.0.total_cmp(&one.0).then(other.1.total_cmp(&one.1)));
            best.truncate(SIMILAR_MAX);
        }
    }
    Ok(best.into_iter().map(|(_, _, path)| escape(&path).into_owned()).collect())
}
