//! The coverage as a page for a terminal.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

use super::Clock;
use super::coverage::{Amount, BackupCoverage, Coverage, Folder, How, Rotation};
use super::table::{self, Column};
use crate::words;

/// How many folders are shown.
const FOLDERS_SHOWN: usize = 15;

const COLUMNS: [Column; 5] =
    [("verified", false), ("files", true), ("of all", true), ("bytes", true), ("of all", true)];

const FOLDER_COLUMNS: [Column; 4] =
    [("files", true), ("of", true), ("bytes", true), ("never verified in", false)];

/// The page, with sentences wrapped at this width.
pub fn page(coverage: &Coverage, clock: &Clock, width: usize) -> String {
    let pages: Vec<_> = coverage.backups.iter().map(|backup| of_backup(backup, clock, width)).collect();
    pages.join("\n")
}

fn of_backup(backup: &BackupCoverage, clock: &Clock, width: usize) -> String {
    // Writing to a String cannot fail.
    let mut page = String::new();
    let jobs: Vec<_> =
        backup.jobs.iter().map(|job| crate::backup::escape(job.as_bytes()).into_owned()).collect();
    let jobs = if jobs.is_empty() { String::new() } else { format!("{}: ", jobs.join(", ")) };
    let _ = writeln!(page, "{jobs}{}", backup.backup);
    let _ = writeln!(page, "{}\n", words::wrap(&population(backup, clock), width, 0));
    page.push_str(&windows(backup));
    for line in
        [oldest(backup, clock), gone(backup), rotation(backup, clock), limits(backup)].into_iter().flatten()
    {
        let _ = writeln!(page, "\n{}", words::wrap(&line, width, 0));
    }
    page.push_str(&folders(backup.folders.as_deref().unwrap_or_default()));
    page
}

fn population(backup: &BackupCoverage, clock: &Clock) -> String {
    let (Some(all), Some(at)) = (backup.population, backup.counted) else {
        return "No run has listed the whole backup yet, so the number of files is not known.".to_owned();
    };
    let size = all.bytes.map(|bytes| format!(", {}", words::bytes(bytes))).unwrap_or_default();
    let files = words::counted(all.files, "file");
    match backup.how {
        How::Listed => format!("{files}{size}, listed now."),
        How::Remembered => format!("{files}{size}, as listed on {}.", clock.minute(at)),
    }
}

fn windows(backup: &BackupCoverage) -> String {
    let all = backup.population;
    let row = |name: String, amount: Amount, percent: fn(u64, u64) -> String| {
        let bytes_share = all.and_then(|all| Some(percent(amount.bytes?, all.bytes?)));
        vec![
            name,
            words::count(amount.files),
            all.map(|all| percent(amount.files, all.files)).unwrap_or_default(),
            amount.bytes.map(words::bytes).unwrap_or_default(),
            bytes_share.unwrap_or_default(),
        ]
    };
    let mut rows: Vec<_> = backup
        .windows
        .iter()
        .map(|window| row(format!("in the last {} days", window.days), window.verified, percent))
        .collect();
    rows.push(row("ever".to_owned(), backup.ever, percent));
    let never = match backup.how {
        How::Listed => "never",
        How::Remembered => "never, at least",
    };
    rows.extend(backup.never.map(|amount| row(never.to_owned(), amount, percent_up)));
    table::render(&COLUMNS, &rows)
}

/// A share with two decimals, never rounded up: 100% means all.
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let units = u128::from(part.min(whole)) * 10_000 / u128::from(whole);
    format!("{}.{:02}%", units / 100, units % 100)
}

/// The same, but never rounded down: 0% means none.
fn percent_up(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let units = (u128::from(part.min(whole)) * 10_000).div_ceil(u128::from(whole));
    format!("{}.{:02}%", units / 100, units % 100)
}

fn oldest(backup: &BackupCoverage, clock: &Clock) -> Option<String> {
    let oldest = backup.oldest.as_ref()?;
    let perhaps = match backup.how {
        How::Listed => "",
        How::Remembered => " (it may have left the backup since)",
    };
    let when = clock.minute(oldest.verified);
    Some(format!("Verified the longest ago, on {when}: {}{perhaps}", oldest.path))
}

fn gone(backup: &BackupCoverage) -> Option<String> {
    let gone = backup.gone.filter(|&gone| gone > 0)?;
    let files = words::counted_as(gone, "file that was judged is", "files that were judged are");
    Some(format!("{files} no longer in the backup, and in none of these numbers."))
}

fn rotation(backup: &BackupCoverage, clock: &Clock) -> Option<String> {
    let Rotation { files_a_run, runs, again_after_runs } = backup.rotation.as_ref()?;
    let each = format!(
        "Each run verifies the {} that were verified the longest ago",
        words::counted(*files_a_run, "file")
    );
    let again = words::counted(*again_after_runs, "run");
    Some(match (backup.how, runs) {
        (How::Listed, 0) => {
            format!("{each}. All have been verified, and each is verified again within {again}.")
        }
        (How::Listed, runs) => format!(
            "{each}. If the backup stays as it is, all will have been verified after {}: at one a night, on {}.",
            words::counted_as(*runs, "more run", "more runs"),
            clock.day(after_nights(clock.now, *runs))
        ),
        (How::Remembered, _) => {
            format!("{each}. If the backup stays as it is, each file is verified once within {again}.")
        }
    })
}

fn after_nights(now: Timestamp, nights: u64) -> Timestamp {
    let hours = i64::try_from(nights).unwrap_or(i64::MAX).saturating_mul(24);
    let time = SignedDuration::try_from_hours(hours).and_then(|time| now.checked_add(time).ok());
    time.unwrap_or(Timestamp::MAX)
}

/// What the numbers are not.
fn limits(backup: &BackupCoverage) -> Option<String> {
    let text = "These are upper limits from the ledger alone: files that have left the backup since they were verified are \
                counted, too. For exact numbers, and what was never verified by folder, list the backup: \
                bkverify coverage --list";
    (backup.how == How::Remembered).then(|| text.to_owned())
}

fn folders(folders: &[Folder]) -> String {
    if folders.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = folders.iter().take(FOLDERS_SHOWN).map(folder_row).collect();
    let mut page = format!("\n{}", table::render(&FOLDER_COLUMNS, &rows));
    if folders.len() > FOLDERS_SHOWN {
        let more = words::counted((folders.len() - FOLDERS_SHOWN) as u64, "more folder");
        let _ = writeln!(page, "{more}: see --json");
    }
    page
}

fn folder_row(folder: &Folder) -> Vec<String> {
    vec![
        words::count(folder.never.files),
        words::count(folder.all.files),
        folder.never.bytes.map(words::bytes).unwrap_or_default(),
        if folder.path.is_empty() { "(in no folder)".to_owned() } else { folder.path.clone() },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up_to_all() {
        assert_eq!(percent(1, 3), "33.33%");
        assert_eq!(percent(99_999, 100_000), "99.99%");
        assert_eq!(percent(3, 3), "100.00%");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.00%");
        assert_eq!(percent(0, 0), "");
        assert_eq!(percent_up(1, 1_000_000), "0.01%");
        assert_eq!(percent_up(1, 3), "33.34%");
    }

    #[test]
    fn nights_beyond_the_calendar_end_at_its_end() {
        assert_eq!(after_nights(Timestamp::UNIX_EPOCH, u64::MAX), Timestamp::MAX);
        assert_eq!(after_nights(Timestamp::UNIX_EPOCH, 2).to_string(), "1970-01-03T00:00:00Z");
    }
}
