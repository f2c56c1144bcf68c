//! Checks where entries are in the archive: whether two claim the same bytes, whether one reaches
//! into the directory, or whether there is one that the directory does not list.
//!
//! A record says where its entry begins and how long its data is. It does not say how long the
//! local header and the data descriptor are. Reading each local header would cost one read for each
//! entry. But nearly every program writes the directory in the order of the entries, and all local
//! headers in the same form. So the distance from an entry to the next, minus what the record says,
//! takes only a few values in the whole archive. Only the first entry with each value is looked at.
//! If the order is broken, a new run of entries begins. At the end, the runs must be adjacent.
//!
//! Memory is limited by [`RUNS_MAX`], and reads by [`LOOKS_MAX`] and [`INSPECTED_MAX`]. For an
//! archive that exceeds these limits (written in random order, or with padding of many lengths),
//! only the sum of the bytes that its entries claim is checked.
//!
//! The local headers of files are checked when the files are restored. Those of folders are not.
//! But other programs read them, and some refuse the whole archive because of one. So the first
//! ones are inspected here, as is the local header of the very first entry. The same is done for
//! empty files: nothing there shows that the data begins elsewhere.
//!
//! Gaps are damage only if a local header begins there. Programs leave space for growth, align
//! data, leave old directories behind when they append, and put signatures before the directory
//! (Android). Local headers without a name are padding, too (Android's zipflinger).

use rawzip::ZipFileHeaderRecord;

use super::MORE;
use super::extract::{contradiction, read_more};
use super::local::{DESCRIPTOR_MAX, LOCAL_HEADER, Local, descriptor_length};
use super::stored::Stored;
use crate::backup::damage_lines::DamageLines;
use crate::backup::{Damage, Lost, RestoreError, escape, relative};
use crate::bytes::ReadAt;

/// The most runs that are stored.
const RUNS_MAX: usize = 4096;

/// The most local headers that are looked at, with one read each.
const LOOKS_MAX: u32 = 1024;

/// The most distances that are remembered.
const PATTERNS_MAX: usize = 32;

/// A gap shorter than a local header contains no entry.
const GAP_MIN: u64 = LOCAL_HEADER as u64;

/// The most folders, links, empty files and the like whose local headers are inspected.
const INSPECTED_MAX: u32 = 256;

/// The most bytes of a name and an extra field that are read at first.
const NAME_READ: usize = 512;

/// The extents of all entries, collected in one walk over the directory.
pub(super) struct Extents<'a> {
    archive: &'a dyn ReadAt,
    /// The offset where the directory begins. Entries must end before it.
    directory: u64,
    last: Option<EntryExtent>,
    /// Where the current run begins; where each earlier run began and ended.
    run: Option<u64>,
    runs: Vec<(u64, u64)>,
    patterns: Vec<HeaderPattern>,
    looks: u32,
    inspections: u32,
    /// Whether some runs or entries were not checked because of the limits.
    is_partial: bool,
    /// The least number of bytes that all entries claim.
    claimed: u128,
    damage: DamageLines,
}

/// What is known of an entry without looking at it.
#[derive(Clone, Copy)]
struct EntryExtent {
    stored: Stored,
    /// The length of its local header without the extra field, plus its data. Assumes that both
    /// headers have the same name.
    least: u64,
    extra: u64,
    /// Where it ends, if it was inspected.
    end: Option<u64>,
}

/// The distance from one entry to the next beyond [`EntryExtent::least`], and the values that it
/// depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct HeaderPattern {
    distance: u64,
    extra: u64,
    flags: u16,
}

/// Where an entry begins and ends, after its local header was read.
struct EntryBounds {
    start: u64,
    end: u64,
}

impl<'a> Extents<'a> {
    /// Starts a walk over the directory of `archive`, which begins at the byte `directory`.
    pub(super) fn new(archive: &'a dyn ReadAt, directory: u64) -> Self {
        Self {
            archive,
            directory,
            last: None,
            run: None,
            runs: Vec::new(),
            patterns: Vec::new(),
            looks: LOOKS_MAX,
            inspections: INSPECTED_MAX,
            is_partial: false,
            claimed: 0,
            damage: DamageLines::new(MORE),
        }
    }

    /// Notes the next entry.
    pub(super) fn add(&mut self, record: &ZipFileHeaderRecord<'_>, stored: Stored) {
        let name = record.file_path();
        let extra = record.extra_fields().remaining_bytes().len() as u64;
        let least = (LOCAL_HEADER + name.as_ref().len()) as u64 + stored.compressed.min(u64::MAX / 2);
        let this = EntryExtent { stored, least, extra, end: None };
        self.claimed += u128::from(least);
        self.run.get_or_insert(stored.header);
        if stored.header.saturating_add(least) > self.directory {
            let lost = relative(name.as_ref()).ok().map(Lost::Either);
            let problem = format!(
                "{}: its data reaches beyond byte {}, where the directory begins",
                escape(name.as_ref()),
                self.directory
            );
            self.damage.note(Damage::loss(problem, lost));
            // Its end is not known.
            self.last = None;
            return;
        }
        match self.last.replace(this) {
            None => self.run = self.run.map(|run| run.min(stored.header)),
            Some(last) if stored.header > last.stored.header => self.compare(last, stored.header),
            Some(last) => self.break_run(last, stored.header),
        }
    }

    /// Compares the local header of an entry that no restore reads with its record. `name` is the
    /// name in the record.
    pub(super) fn inspect(&mut self, stored: &Stored, name: &[u8]) {
        let Some(left) = self.inspections.checked_sub(1) else { return };
        self.inspections = left;
        let problem = match self.contradiction(stored, name) {
            Ok(Ok(end)) => {
                self.last.iter_mut().for_each(|last| last.end = Some(end));
                return;
            }
            Ok(Err(problem)) => problem,
            // An unreadable header is a problem of the disk, which is found when files are read.
            Err(_) => return,
        };
        let problem = format!("{}: {problem}; some programs will not restore the archive", escape(name));
        let lost = relative(name).ok().map(Lost::Either);
        self.damage.note(Damage::loss(problem, lost));
    }

    /// The end of the entry that was noted last, or what in its local header contradicts its
    /// record.
    fn contradiction(&self, stored: &Stored, name: &[u8]) -> Result<Result<u64, String>, RestoreError> {
        let mut bytes = vec![0; LOCAL_HEADER + NAME_READ];
        let mut filled = read_more(self.archive, u64::MAX, stored.header, &mut bytes, 0, LOCAL_HEADER)?;
        let Some(local) = Local::parse(&bytes[..filled]) else {
            return Ok(Err(format!("its local header at byte {} is damaged", stored.header)));
        };
        let (start, has_descriptor) = (stored.header + local.length(), local.has_descriptor());
        let mut end = start.saturating_add(stored.compressed);
        if end > self.directory {
            return Ok(Err("its local header reaches beyond the archive's directory".to_owned()));
        }
        // Name and extra field have at most 64 KiB each.
        let whole = usize::try_from(local.length()).unwrap_or_default();
        if filled < whole {
            bytes.resize(whole, 0);
            filled = read_more(self.archive, u64::MAX, stored.header, &mut bytes, filled, whole)?;
        }
        let path = relative(name).unwrap_or_default();
        if let Some(problem) = contradiction(self.archive, start, &bytes[..filled], stored, &path)? {
            return Ok(Err(problem));
        }
        if has_descriptor {
            end += self.descriptor_length(stored, end);
        }
        Ok(Ok(end))
    }

    fn descriptor_length(&self, stored: &Stored, end: u64) -> u64 {
        let mut descriptor = [0; DESCRIPTOR_MAX];
        let got = self.archive.read_full_at(&mut descriptor, end).unwrap_or_default();
        descriptor_length(&descriptor[..got], stored).unwrap_or_default() as u64
    }

    /// Whether no entry was noted yet.
    pub(super) fn is_empty(&self) -> bool {
        self.run.is_none()
    }

    fn note(&mut self, problem: String) {
        self.damage.note(problem);
    }

    /// Checks that `last` ends before the next entry or the directory, which begins at `next`.
    fn compare(&mut self, last: EntryExtent, next: u64) {
        let distance = (next - last.stored.header).wrapping_sub(last.least);
        let pattern = HeaderPattern { distance, extra: last.extra, flags: last.stored.flags };
        if last.end.is_none() && self.patterns.contains(&pattern) {
            return;
        }
        let Some(bounds) = self.look(&last) else { return };
        if bounds.end > next {
            self.overlap(&bounds, next);
        } else if next - bounds.end >= GAP_MIN {
            if self.name_in_gap(bounds.end, next).is_some() {
                // Usually this entry has a later record: the order is broken.
                self.end_run(bounds.end, next);
            }
        } else if self.patterns.len() < PATTERNS_MAX {
            self.patterns.push(pattern);
        }
    }

    fn break_run(&mut self, last: EntryExtent, next: u64) {
        let least = last.stored.header + last.least;
        let end = self.look(&last).map_or(least, |bounds| bounds.end);
        self.end_run(end, next);
    }

    /// Ends the current run at `end` and begins another one at `next`.
    fn end_run(&mut self, end: u64, next: u64) {
        if self.runs.len() == RUNS_MAX {
            self.is_partial = true;
        } else {
            self.runs.push((self.run.unwrap_or(end), end));
        }
        self.run = Some(next);
    }

    fn overlap(&mut self, bounds: &EntryBounds, next: u64) {
        self.note(format!(
            "the entry at byte {} reaches beyond byte {next}, where another entry or the directory begins; some programs \
             restore neither",
            bounds.start
        ));
    }

    /// The name of the entry in a gap, if there is one. No record of the directory lists it there.
    fn name_in_gap(&self, from: u64, to: u64) -> Option<String> {
        let mut bytes = [0; LOCAL_HEADER + NAME_READ];
        let got = self.archive.read_full_at(&mut bytes, from).ok()?;
        let local = Local::parse(&bytes[..got])?;
        let is_entry = !local.name().is_empty() && local.length() <= to - from;
        is_entry.then(|| escape(local.name()).into_owned())
    }

    /// Reads the local header and the data descriptor of an entry, unless that was done before.
    /// `None` if they are damaged, which a restore reports, or if the limit of looks is reached.
    fn look(&mut self, extent: &EntryExtent) -> Option<EntryBounds> {
        let Some(left) = self.looks.checked_sub(u32::from(extent.end.is_none())) else {
            self.is_partial = true;
            return None;
        };
        self.looks = left;
        if let Some(end) = extent.end {
            return Some(EntryBounds { start: extent.stored.header, end });
        }
        let mut bytes = [0; LOCAL_HEADER];
        let got = self.archive.read_full_at(&mut bytes, extent.stored.header).ok()?;
        let local = Local::parse(&bytes[..got])?;
        let mut end = extent.stored.header + local.length() + extent.stored.compressed;
        if local.has_descriptor() {
            end += self.descriptor_length(&extent.stored, end);
        }
        Some(EntryBounds { start: extent.stored.header, end })
    }

    /// Ends the walk. Returns where the first entry begins, and the damage.
    pub(super) fn finish(mut self) -> (u64, Vec<Damage>) {
        match self.last.take() {
            Some(last) => self.break_run(last, self.directory),
            // The end of the last entry is not known, or there are no entries.
            None => self.is_partial = self.run.is_some(),
        }
        let mut runs = std::mem::take(&mut self.runs);
        runs.extend([(self.directory, self.directory)]);
        runs.sort_unstable();
        let first = runs.iter().map(|run| run.0).chain(self.run).min().unwrap_or(self.directory);
        if !self.is_partial {
            runs.windows(2).for_each(|pair| self.compare_runs(pair[0].1, pair[1].0));
        } else if self.claimed > u128::from(self.directory) {
            self.note("its entries claim more bytes than the archive has: some of them overlap".to_owned());
        }
        (first, self.damage.into_lines())
    }

    /// Checks that one run, which ends at `end`, is adjacent to the next one.
    fn compare_runs(&mut self, end: u64, next: u64) {
        if end > next && next == self.directory {
            self.note(format!("an entry reaches beyond byte {next}, where the directory begins"));
        } else if end > next {
            self.note(format!(
                "two entries of the directory claim the same bytes before byte {end}: one of their records is damaged, and \
                 a file may be lost"
            ));
        } else if next - end >= GAP_MIN
            && let Some(name) = self.name_in_gap(end, next)
        {
            self.note(format!(
                "the entry {name} at byte {end} is not listed in the directory, which may have lost a file"
            ));
        }
    }
}
