//! What the last run of a job reported, and which files were bad when they were last judged:
//! someone who is told of changes is told what is new since then.

use rusqlite::{OptionalExtension, params};

use crate::plan::Plan;
use crate::report::Model;
use crate::verify::record::UNLIKE;

use super::error::Error;
use super::open::Ledger;
use super::{picks, run, target};

/// The report of the last run of this job that came to its end; `None` if there was none, or if
/// this version cannot read its report. A run without a job is compared with the last one on the
/// same backup and originals.
///
/// # Errors
/// If the ledger cannot be read.
pub fn last_report(ledger: &Ledger, plan: &Plan) -> Result<Option<Model>, Error> {
    let read = || -> rusqlite::Result<Option<Vec<u8>>> {
        let connection = ledger.connection();
        let job = plan.origin.job.as_deref();
        let target = target::find(connection, &target::fingerprint(&plan.target))?;
        let sql =
            "SELECT id FROM runs WHERE job IS ?1 AND (?1 IS NOT NULL OR target = ?2) AND ended IS NOT NULL
                   ORDER BY id DESC LIMIT 1";
        let last: Option<i64> =
            connection.query_row(sql, params![job, target], |row| row.get(0)).optional()?;
        last.map_or(Ok(None), |last| run::report(connection, last.cast_unsigned()))
    };
    let json = read().map_err(|error| ledger.failed(error))?;
    Ok(json.and_then(|json| Model::read(&String::from_utf8_lossy(&json)).ok()))
}

/// The files of the plan's backup whose last verdict that proves something is an alarm, sorted by
/// path, each with its word. A run that did not draw such a file says nothing about it: the alarm
/// stands. So does a file whose sides are equal, but not to what the ledger has of this version.
///
/// # Errors
/// If the ledger cannot be read.
pub fn standing_alarms(ledger: &Ledger, plan: &Plan) -> Result<Vec<(Vec<u8>, &'static str)>, Error> {
    let read = || -> rusqlite::Result<Vec<(Vec<u8>, &'static str)>> {
        let connection = ledger.connection();
        let target = target::find(connection, &target::fingerprint(&plan.target))?;
        let sql =
            "SELECT path, verdict FROM files INDEXED BY alarms JOIN versions ON versions.id = files.version
                   WHERE target = ? AND verdict BETWEEN 1 AND 4 ORDER BY path";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([target])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let path: Vec<u8> = row.get(0)?;
            found.extend(picks::verdict(row.get(1)?).map(|verdict| (path, verdict.word())));
        }
        // A version that the last run found equal has that run's time, unless the run found other bytes.
        let sql = "SELECT path FROM findings
                   JOIN files ON files.target = ?1 AND files.key = findings.key AND files.run = findings.run
                   JOIN versions ON versions.id = files.version JOIN runs ON runs.id = files.run
                   WHERE findings.verdict = 0 AND files.verdict = 0 AND verified_at <> started";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([target])?;
        while let Some(row) = rows.next()? {
            found.push((row.get(0)?, UNLIKE));
        }
        found.sort();
        Ok(found)
    };
    read().map_err(|error| ledger.failed(error))
}

/// The files of the plan's backup that were bad when they were last judged, and that no run ever
/// found good: how many, and the first one's path. Without originals, nothing can tell whether they
/// are good now.
///
/// # Errors
/// If the ledger cannot be read.
pub fn never_good(ledger: &Ledger, plan: &Plan) -> Result<Option<(u64, Vec<u8>)>, Error> {
    let read = || -> rusqlite::Result<Option<(u64, Vec<u8>)>> {
        let connection = ledger.connection();
        let sql = "SELECT path FROM files INDEXED BY alarms JOIN versions ON versions.id = files.version
                   WHERE target = ? AND verdict BETWEEN 1 AND 4 AND verdict < 4 AND hash IS NULL ORDER BY path";
        let mut statement = connection.prepare(sql)?;
        let mut found: Option<(u64, Vec<u8>)> = None;
        for target in target::all_with_files_of(connection, &plan.target)? {
            let mut rows = statement.query([target])?;
            while let Some(row) = rows.next()? {
                let (count, first) = found.take().unwrap_or((0, row.get(0)?));
                found = Some((count + 1, first));
            }
        }
        Ok(found)
    };
    read().map_err(|error| ledger.failed(error))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{plan, record, verified};
    use super::*;
    use crate::verify::PickRecord;
    use crate::verify::verdict::Verdict;

    #[test]
    fn an_alarm_stands_until_the_file_is_judged_again() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan("/b", Some("nightly"));
        let standing = || standing_alarms(&Ledger::open_read_only(dir.path()).unwrap(), &plan).unwrap();
        let bad = |path: &[u8], verdict| PickRecord::new(path, verdict);
        record(
            dir.path(),
            &plan,
            &[bad(b"z", Verdict::Corrupt), bad(b"a", Verdict::OriginalCorrupt), bad(b"m", Verdict::Changed)],
        );
        let both = [(b"a".to_vec(), "original-corrupt"), (b"z".to_vec(), "corrupt")];
        assert_eq!(standing(), both);
        record(dir.path(), &plan, &[verified("elsewhere")]);
        assert_eq!(standing(), both);
        record(dir.path(), &plan, &[verified("z")]);
        assert_eq!(standing(), both[..1]);
    }

    #[test]
    fn a_verdict_that_proves_nothing_does_not_end_an_alarm() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan("/b", Some("nightly"));
        let standing = || standing_alarms(&Ledger::open_read_only(dir.path()).unwrap(), &plan).unwrap();
        record(dir.path(), &plan, &[PickRecord::new(b"a", Verdict::Corrupt)]);
        for nothing in [Verdict::Changed, Verdict::Deleted, Verdict::Unreadable] {
            record(dir.path(), &plan, &[PickRecord::new(b"a", nothing)]);
            assert_eq!(standing(), [(b"a".to_vec(), "corrupt")], "{nothing:?}");
        }
        record(dir.path(), &plan, &[PickRecord::new(b"a", Verdict::OriginalCorrupt)]);
        assert_eq!(standing(), [(b"a".to_vec(), "original-corrupt")]);
        record(dir.path(), &plan, &[verified("a")]);
        assert_eq!(standing(), []);
    }

    #[test]
    fn the_index_of_alarms_covers_exactly_the_verdicts_that_are_alarms() {
        for verdict in Verdict::ALL {
            assert_eq!((1..=4).contains(&(verdict as u8)), verdict.is_alarm(), "{verdict:?}");
        }
    }
}
