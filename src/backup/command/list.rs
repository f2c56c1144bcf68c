//! What the list command prints, read in one of the forms of [`ListForm`].

use std::ops::ControlFlow;
use std::time::Instant;

use serde::Deserialize;

use super::{ByCommand, LastWords, ListForm};
use crate::backup::repeats::NamePass;
use crate::backup::{CatalogSink, Context, Damage, Entry, EntryBatch, Error, Listing};
use crate::platform::Timestamp;
use crate::program::{Line, ProgramError, Running};
use crate::words;

/// How many entries are passed on at once.
const BATCH: usize = 512;

/// Lists all files to `sink`. `None` if paths were listed more than once: then it is to be called
/// again, and passes the last file of each such path on.
pub(super) fn catalog(
    backup: &ByCommand,
    context: &Context,
    sink: &dyn CatalogSink,
) -> Result<Option<Listing>, Error> {
    let commands = &backup.commands;
    let deadline = Instant::now().checked_add(commands.time_limit);
    let cannot_run = |error: &ProgramError| backup.cannot_run("list", error);
    let started = commands.list.call().start(Some(commands.form.end()), deadline, &context.cancel);
    let mut running = started.map_err(|error| cannot_run(&error))?;
    let mut list = List {
        form: commands.form,
        names: backup.repeats.pass(),
        batch: EntryBatch::new(),
        last_words: LastWords::default(),
        listed: 0,
        odd: 0,
        passed_over: 0,
        replaced: 0,
    };
    loop {
        match running.next_line() {
            Ok(None) => break,
            Ok(Some(Line::Output(line))) => list.record(&line),
            Ok(Some(Line::Complaint(line))) => list.last_words.hear(&line),
            Err(ProgramError::Cancelled(_)) => return Ok(Some(Listing::Stopped)),
            Err(error) => return Err(cannot_run(&error)),
        }
        if list.batch.len() >= BATCH && list.flush(sink).is_break() {
            return Ok(Some(Listing::Stopped));
        }
    }
    let damage = list.damage(backup, &running)?;
    if list.flush(sink).is_break() {
        return Ok(Some(Listing::Stopped));
    }
    if list.names.finish() {
        return Ok(None);
    }
    sink.pass_over(list.passed_over);
    Ok(Some(Listing::ended(damage)))
}

/// One call of the list command.
struct List<'a> {
    form: ListForm,
    names: NamePass<'a>,
    batch: EntryBatch,
    last_words: LastWords,
    listed: u64,
    /// Records that cannot be read.
    odd: u64,
    passed_over: u64,
    /// Files that a later record of the same path replaces.
    replaced: u64,
}

impl List<'_> {
    fn record(&mut self, record: &[u8]) {
        match read(self.form, record) {
            Some(Found::File { path, size, mtime }) => {
                let rest = Entry { size, mtime, position: self.listed, ..Entry::named(b"") };
                self.batch.push_stored(&path, &rest);
                self.listed += 1;
                // By the path as it is compared: `a//b` is `a/b`.
                let last = self.batch.len() - 1;
                if !self.names.stays(self.batch.get(last).path) {
                    self.batch.truncate(last);
                    self.replaced += 1;
                }
            }
            Some(Found::Folder) => self.passed_over += 1,
            Some(Found::Nothing) => {}
            None => self.odd += 1,
        }
    }

    fn flush(&mut self, sink: &dyn CatalogSink) -> ControlFlow<()> {
        let flow = if self.batch.is_empty() { ControlFlow::Continue(()) } else { sink.take(&self.batch) };
        self.batch.clear();
        flow
    }

    /// What keeps the list from being whole. An error if nothing was listed.
    fn damage(&self, backup: &ByCommand, running: &Running) -> Result<Vec<Damage>, Error> {
        let mut damage = Vec::new();
        let code = running.code();
        if code != Some(0) {
            let problem = format!("the command list failed: {}", self.last_words.told(code));
            damage.push(Damage::from(problem));
        } else if let Some(words) = self.last_words.text().filter(|_| self.listed == 0) {
            return Err(backup.failed(format!("the command list printed no files, but: {words}")));
        }
        if running.is_cut() {
            let problem = "the command list has ended, but something that it started still prints: lines may be missing";
            damage.push(Damage::gap(problem.to_owned(), None));
        }
        if self.odd > 0 {
            let form = self.form.name();
            let records = words::counted(self.odd, "line");
            let problem = format!(
                "{records} of what the command list printed cannot be read as the form {form}: see list-form"
            );
            // The backup is not to blame.
            damage.push(Damage::gap(problem, None));
        }
        if self.replaced > 0 {
            let paths = words::counted(self.replaced, "line");
            let problem = format!(
                "{paths} of the command list name a path that is listed again later: which of the files is restored is not known"
            );
            damage.push(Damage::gap(problem, None));
        }
        match damage.first() {
            Some(first) if self.listed == 0 => Err(backup.failed(first.to_string())),
            _ => Ok(damage),
        }
    }
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

/// The longest record in bytes. No system has paths of half that length.
const RECORD_MAX: usize = 1 << 17;

/// Reads a record. `None` if it cannot be read.
fn read(form: ListForm, record: &[u8]) -> Option<Found> {
    if record.len() > RECORD_MAX {
        return None;
    }
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

/// What programs call that which is no regular file.
const OTHER_KINDS: &[&str] = &[
    "dir",
    "directory",
    "folder",
    "d",
    "symlink",
    "symbolic link",
    "link",
    "l",
    "fifo",
    "p",
    "socket",
    "s",
    "device",
    "dev",
    "chardev",
    "character special file",
    "c",
    "blockdev",
    "block special file",
    "b",
];

/// A JSON object. The objects may be those of an array, one in each line.
fn json(record: &[u8]) -> Option<Found> {
    let record = record.trim_ascii();
    let record = record.strip_suffix(b",").unwrap_or(record);
    if matches!(record, b"" | b"[" | b"]") {
        return Some(Found::Nothing);
    }
    let file: JsonFile = serde_json::from_slice(record).ok()?;
    // A word that is not known may be another program's word for a file.
    let is_file = match file.kind.as_deref() {
        None | Some("file" | "f" | "-" | "regular" | "regular file" | "regular empty file" | "hardlink") => {
            true
        }
        Some(kind) if OTHER_KINDS.contains(&kind) => false,
        Some(_) => return None,
    };
    if file.is_folder || !is_file || file.path.ends_with('/') {
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
            (ListForm::Json, br#"{"path":"x/","size":7}"#, Some(Found::Folder)),
            (ListForm::Json, br#"{"path":"x","type":"regular file"}"#, file(b"x", None, None)),
            (ListForm::Json, br#"{"path":"x","type":"fichier"}"#, None),
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
