//! What the list command prints, read in one of the forms of [`ListForm`].

use std::time::Instant;

use serde::Deserialize;

use super::{ByCommand, LastWords, ListForm};
use crate::backup::{CatalogSink, Context, Damage, Entry, EntryBatch, Error, Listing};
use crate::platform::Timestamp;
use crate::program::{Line, ProgramError};
use crate::words;

/// How many entries are passed on at once.
const BATCH: usize = 512;

/// Lists all files to `sink`.
pub(super) fn catalog(
    backup: &ByCommand,
    context: &Context,
    sink: &dyn CatalogSink,
) -> Result<Listing, Error> {
    let commands = &backup.commands;
    let deadline = Instant::now().checked_add(commands.time_limit);
    let cannot_run = |error: &ProgramError| backup.cannot_run("list", error);
    let started = commands.list.call().start(commands.form.end(), deadline, &context.cancel);
    let mut running = started.map_err(|error| cannot_run(&error))?;
    let (mut batch, mut last_words) = (EntryBatch::new(), LastWords::default());
    let (mut listed, mut odd, mut passed_over) = (0_u64, 0_u64, 0);
    loop {
        let line = match running.next_line() {
            Ok(None) => break,
            Ok(Some(Line::Output(line))) => line,
            Ok(Some(Line::Complaint(line))) => {
                last_words.hear(&line);
                continue;
            }
            Err(ProgramError::Cancelled(_)) => return Ok(Listing::Stopped),
            Err(error) => return Err(cannot_run(&error)),
        };
        match read(commands.form, &line) {
            Some(Found::File { path, size, mtime }) => {
                let rest = Entry { size, mtime, position: listed, ..Entry::named(b"") };
                batch.push_stored(&path, &rest);
                listed += 1;
            }
            Some(Found::Folder) => passed_over += 1,
            Some(Found::Nothing) => {}
            None => odd += 1,
        }
        if batch.len() >= BATCH {
            if sink.take(&batch).is_break() {
                return Ok(Listing::Stopped);
            }
            batch.clear();
        }
    }
    let code = running.code();
    let mut damage = Vec::new();
    if code != Some(0) {
        let problem = format!("the command list failed: {}", last_words.told(code));
        if listed == 0 {
            return Err(backup.failed(problem));
        }
        damage.push(Damage::from(problem));
    }
    if odd > 0 {
        let form = commands.form.name();
        let records = words::counted(odd, "line");
        let problem = format!(
            "{records} of what the command list printed cannot be read as the form {form}: see list-form"
        );
        if listed == 0 {
            return Err(backup.failed(problem));
        }
        // The backup is not to blame.
        damage.push(Damage::gap(problem, None));
    }
    if !batch.is_empty() && sink.take(&batch).is_break() {
        return Ok(Listing::Stopped);
    }
    sink.pass_over(passed_over);
    Ok(Listing::ended(damage))
}

/// What a record is.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    File {
        path: Vec<u8>,
        size: Option<u64>,
        mtime: Option<Timestamp>,
    },
    Folder,
    /// A part of the form, such as the bracket of a JSON array.
    Nothing,
}

impl ListForm {
    /// The byte behind each record.
    fn end(self) -> u8 {
        match self {
            Self::Json | Self::Lines => b'\n',
            Self::Find | Self::Nul => 0,
        }
    }
}

/// Reads a record. `None` if it cannot be read.
fn read(form: ListForm, record: &[u8]) -> Option<Found> {
    match form {
        ListForm::Json => json(record),
        ListForm::Find => find(record),
        ListForm::Nul => Some(path(record)),
        ListForm::Lines => Some(path(record.strip_suffix(b"\r").unwrap_or(record))),
    }
}

fn path(record: &[u8]) -> Found {
    match record {
        [] => Found::Nothing,
        [.., b'/'] => Found::Folder,
        path => Found::File { path: path.to_vec(), size: None, mtime: None },
    }
}

/// `SIZE TIME PATH`.
fn find(record: &[u8]) -> Option<Found> {
    if record.is_empty() {
        return Some(Found::Nothing);
    }
    let mut fields = record.splitn(3, |&byte| byte == b' ');
    let mut next = || fields.next();
    let (size, time, path) = (next()?, next()?, next()?);
    let text = |field| std::str::from_utf8(field).ok();
    let size = text(size)?.parse().ok()?;
    let mtime = seconds(text(time)?)?;
    Some(Found::File { path: path.to_vec(), size: Some(size), mtime: Some(mtime) })
}

/// The names that programs give to what is needed of a file. Others are left out.
#[derive(Deserialize)]
struct JsonFile {
    #[serde(alias = "Path")]
    path: String,
    #[serde(default, alias = "Size")]
    size: Option<i64>,
    #[serde(default, alias = "ModTime")]
    mtime: Option<Time>,
    #[serde(default, rename = "type", alias = "Type")]
    kind: Option<String>,
    #[serde(default, rename = "IsDir")]
    is_folder: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Text(String),
    Seconds(serde_json::Number),
}

/// A JSON object. The objects may be those of an array, one in each line.
fn json(record: &[u8]) -> Option<Found> {
    let record = record.trim_ascii();
    let record = record.strip_suffix(b",").unwrap_or(record);
    if matches!(record, b"" | b"[" | b"]") {
        return Some(Found::Nothing);
    }
    let file: JsonFile = serde_json::from_slice(record).ok()?;
    let is_file = file.kind.as_deref().is_none_or(|kind| matches!(kind, "file" | "f" | "-"));
    if file.is_folder || !is_file {
        return Some(Found::Folder);
    }
    let mtime = match file.mtime {
        None => None,
        Some(Time::Seconds(number)) => Some(seconds(&number.to_string())?),
        Some(Time::Text(text)) => {
            Some(Timestamp::from_nanos(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()))
        }
    };
    // A negative size means that it is not known.
    let size = file.size.and_then(|size| u64::try_from(size).ok());
    Some(Found::File { path: file.path.into_bytes(), size, mtime })
}

/// Seconds since 1970 with a decimal fraction, which is cut off at nanoseconds.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = fraction.bytes().all(|digit| digit.is_ascii_digit());
    let seconds: i64 = whole.parse().ok()?;
    let digits = fraction.get(..fraction.len().min(9)).filter(|_| is_digits)?;
    let nanos: i128 = format!("{digits:0<9}").parse().ok()?;
    let whole_nanos = i128::from(seconds) * 1_000_000_000;
    // The fraction of a negative number leads away from zero, too.
    let nanos = if whole.starts_with('-') { -nanos } else { nanos };
    Some(Timestamp::from_nanos(whole_nanos + nanos))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(path: &[u8], size: Option<u64>, nanos: Option<i128>) -> Option<Found> {
        Some(Found::File { path: path.to_vec(), size, mtime: nanos.map(Timestamp::from_nanos) })
    }

    #[test]
    fn what_programs_print_is_read() {
        for (form, record, found) in [
            (ListForm::Find, &b"12 1700000000.5000000000 a b\n\xff"[..], file(b"a b\n\xff", Some(12), Some(1_700_000_000_500_000_000))),
            (ListForm::Find, b"0 -1.25 x", file(b"x", Some(0), Some(-1_250_000_000))),
            (ListForm::Find, b"", Some(Found::Nothing)),
            (ListForm::Find, b"x", None),
            (ListForm::Nul, b"a\nb", file(b"a\nb", None, None)),
            (ListForm::Lines, b"a b\r", file(b"a b", None, None)),
            (ListForm::Lines, b"folder/", Some(Found::Folder)),
            (ListForm::Json, b"[", Some(Found::Nothing)),
            // rclone lsjson
            (
                ListForm::Json,
                br#"{"Path":"a/b","Name":"b","Size":5,"MimeType":"x","ModTime":"2026-11-27T10:00:00.25Z","IsDir":false},"#,
                file(b"a/b", Some(5), Some(1_795_773_600_250_000_000)),
            ),
            (ListForm::Json, br#"{"Path":"a","Size":-1,"ModTime":"2026-11-27T10:00:00Z","IsDir":true}"#, Some(Found::Folder)),
            (ListForm::Json, br#"{"path":"x","size":7,"mtime":1700000000.125}"#, file(b"x", Some(7), Some(1_700_000_000_125_000_000))),
            (ListForm::Json, br#"{"path":"x","type":"symlink"}"#, Some(Found::Folder)),
            (ListForm::Json, b"{\"size\":7}", None),
            (ListForm::Json, b"{\"path\":\"x\",\"mtime\":\"yesterday\"}", None),
        ] {
            assert_eq!(read(form, record), found, "{}", String::from_utf8_lossy(record));
        }
    }

    proptest! {
        #[test]
        fn no_record_makes_a_reader_panic(record in prop::collection::vec(any::<u8>(), 0..40)) {
            ListForm::ALL.iter().for_each(|&form| drop(read(form, &record)));
        }

        #[test]
        fn find_gives_back_every_path(path in prop::collection::vec(1_u8.., 1..30), size in any::<u64>()) {
            let record = [format!("{size} 5.000000001 ").as_bytes(), &path].concat();
            prop_assert_eq!(read(ListForm::Find, &record), file(&path, Some(size), Some(5_000_000_001)));
        }
    }
}
