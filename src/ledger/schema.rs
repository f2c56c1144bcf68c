//! The tables of the ledger, version 2.
//!
//! The file is an SQLite database with the application number [`APPLICATION`] and the number of its
//! version in `user_version`. Times are milliseconds since 1970 (UTC), except `mtime` and `newest`,
//! which are in nanoseconds as file systems record them. Rows are ordered by number and never by
//! clock: a clock can be set back.
//!
//! - `targets`: a backup with its originals ([`fingerprint`](super::fingerprint)). Files hang on
//!   it and not on a job, so a job that gets another name keeps its memory. `backup` and
//!   `originals` are text for people; passwords are masked.
//! - `runs`: one row for every run, from its start on. `ended` and `exit` are empty while it runs.
//!   If it was killed, they stay empty, and the next run of the same job sets `died`. What is only
//!   known at the end (`bytes` to `bad`) is empty until then; `files` and `digest` are known once the
//!   backup is listed, if that happens before files are judged. `sample` is JSON, as in the report's
//!   plan. `strategy` is its name, or `recheck` if the run looked only at files that were bad before.
//!   `draw` identifies what decides the draw beside the seed, so that only a run that draws
//!   the same can take this one up, and `resumable` says whether one should. `backup_id` identifies
//!   the backup, if anything does, so that a run is not continued on another one. `report` is the whole
//!   JSON report, compressed with zstd. `lock` is the name of the file whose lock the run holds.
//! - `files`: one narrow row for every file that was ever judged. `run` judged it last, and
//!   `verdict` is the number of that verdict; a verdict that proves nothing does not take the place
//!   of an alarm. It is small because the strategy `coverage` reads all
//!   of it. The index `alarms` finds the few whose verdict is an alarm.
//! - `versions`: the rest about a file. `size`, `mtime`, `algorithm` and `hash` are of the version
//!   that was last found equal to its original, by the run that started at `verified_at`; all but
//!   `size` are empty if none ever was. `algorithm` counts
//!   [`Algorithm::ALL`](crate::plan::Algorithm::ALL).
//! - `picks`: which files a run judged. Each row has up to 32,768 of them
//!   ([`picks`](super::picks) reads them), and the newest modification time of them that an original
//!   confirms.
//! - `findings`: the whole record of each pick that is not verified, or that may turn out to be
//!   comparable, as JSON compressed with zstd; for each run up to 10,000 alarms, 10,000 undecided
//!   picks and 100,000 that may turn out to be comparable.
//!
//! A verified file takes about 173 bytes if its path has 50: some 30 in `files` (and a third more
//! because the keys arrive in no order), 112 in `versions`, which grows at its end only, and 25 in
//! `picks`. Verifying it again takes 25 more. A test measures this.

/// `application_id` of a ledger: `bkvf`.
pub const APPLICATION: i32 = 0x626b_7666;

/// The version that this program writes.
pub const VERSION: i32 = 2;

/// What was added since version 1, and what was dropped. Each list of picks is written again, too.
pub(super) const V2: &str = "
ALTER TABLE runs ADD COLUMN backup_id TEXT;
ALTER TABLE picks DROP COLUMN pending;
ALTER TABLE picks DROP COLUMN versions;
UPDATE runs SET resumable = 0;
";

/// Everything of version 1.
pub(super) const V1: &str = "
CREATE TABLE targets (
    id INTEGER PRIMARY KEY,
    fingerprint BLOB NOT NULL UNIQUE,
    backup TEXT NOT NULL,
    originals TEXT NOT NULL
) STRICT;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target INTEGER NOT NULL REFERENCES targets (id),
    job TEXT,
    lock TEXT,
    started INTEGER NOT NULL,
    ended INTEGER,
    exit INTEGER,
    died INTEGER NOT NULL DEFAULT 0,
    session INTEGER NOT NULL DEFAULT 1,
    resumes INTEGER,
    seed TEXT NOT NULL,
    strategy TEXT NOT NULL,
    sample TEXT NOT NULL,
    draw BLOB NOT NULL,
    resumable INTEGER NOT NULL DEFAULT 0,
    files INTEGER,
    bytes INTEGER,
    digest TEXT,
    wanted INTEGER,
    judged INTEGER,
    verified INTEGER,
    bad INTEGER,
    report BLOB
) STRICT;
CREATE INDEX runs_by_job ON runs (job, id);
CREATE TABLE files (
    target INTEGER NOT NULL,
    key BLOB NOT NULL,
    run INTEGER NOT NULL,
    verdict INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (target, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarms ON files (target) WHERE verdict BETWEEN 1 AND 4;
CREATE TABLE versions (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL,
    size INTEGER,
    mtime INTEGER,
    verified_at INTEGER,
    algorithm INTEGER,
    hash BLOB
) STRICT;
CREATE TABLE picks (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    newest INTEGER,
    pending INTEGER NOT NULL,
    versions BLOB NOT NULL,
    picks BLOB NOT NULL
) STRICT;
CREATE INDEX picks_by_run ON picks (run);
CREATE TABLE findings (
    run INTEGER NOT NULL,
    key BLOB NOT NULL,
    verdict INTEGER NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
";
