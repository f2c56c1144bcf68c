//! What file memory hangs on: a backup with its originals, whatever the job is called.

use rusqlite::{Connection, OptionalExtension, params};

use crate::backup::escape;
use crate::plan::Target;
use crate::platform::path_to_bytes;

/// A number for the backup and its originals: the same for every job that verifies them, in
/// whatever order they are named.
///
/// BLAKE3 in its key derivation mode, with the context string `bkverify 2026 ledger target v1`,
/// over the text of the backup and the lines of its originals, each ended by a zero byte.
pub fn fingerprint(target: &Target) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("bkverify 2026 ledger target v1");
    for line in std::iter::once(target.backup.text()).chain(originals(target)) {
        hasher.update(line.as_bytes());
        hasher.update(&[0]);
    }
    *hasher.finalize().as_bytes()
}

/// The originals as sorted text: `/home` for a folder, `home=/srv/home` for a map.
pub(super) fn originals(target: &Target) -> Vec<String> {
    let sources = target.sources.iter().map(|path| escape(&path_to_bytes(path)).into_owned());
    let maps =
        target.maps.iter().map(|map| format!("{}={}", escape(&map.from), escape(&path_to_bytes(&map.to))));
    let mut all: Vec<_> = sources.chain(maps).collect();
    all.sort();
    all.dedup();
    all
}

/// The number of the target's row, which is made if there is none.
pub(super) fn find_or_insert(connection: &Connection, target: &Target) -> rusqlite::Result<i64> {
    if let Some(id) = find(connection, &fingerprint(target))? {
        return Ok(id);
    }
    connection.execute(
        "INSERT INTO targets (fingerprint, backup, originals) VALUES (?, ?, ?)",
        params![fingerprint(target), target.backup.text(), originals(target).join("\n")],
    )?;
    Ok(connection.last_insert_rowid())
}

/// The rows whose files are those of a target: its own. Without originals, those of all runs on the
/// same backup, because such a run lives on what runs with originals recorded.
pub(super) fn all_with_files_of(connection: &Connection, target: &Target) -> rusqlite::Result<Vec<i64>> {
    if target.originals().next().is_some() {
        return Ok(find(connection, &fingerprint(target))?.into_iter().collect());
    }
    let mut statement = connection.prepare("SELECT id FROM targets WHERE backup = ? ORDER BY id DESC")?;
    let ids = statement.query_map([target.backup.text()], |row| row.get(0))?;
    ids.collect()
}

/// The number of the row with this fingerprint, if there is one.
pub(super) fn find(connection: &Connection, fingerprint: &[u8; 32]) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare("SELECT id FROM targets WHERE fingerprint = ?")?;
    statement.query_row([fingerprint], |row| row.get(0)).optional()
}
