//! Where entries lie in the archive: whether two claim the same bytes, one reaches into the directory, or one lies there
//! that the directory does not know.
//!
//! A record tells where its entry begins and how long its data is, but not how long the local header and the data
//! descriptor are. Reading each local header would cost a read an entry. But nearly every program writes the directory in
//! the order of the file, and all its local headers by one pattern: so the distance from an entry to the next, less what
//! the record tells, takes a few values in the whole archive. The first entry of each value is looked at, and the
//! others are believed. Where the order breaks, a new run begins; at the end the runs must lie side by side.
//!
//! Memory is bounded by [`RUNS_MAX`], and reads by [`LOOKS_MAX`]. An archive that exceeds them (written in random order,
//! or with padding of many lengths) is only held against the sum of what its entries claim.
//!
//! Gaps are no damage unless a local header begins there: programs leave room for growth, align data, keep old
//! directories where they append, and put signatures before the directory (Android). Local headers without a name
//! are such padding too (Android's zipflinger).

use std::fs::File;

use rawzip::ZipFileHeaderRecord;

use super::MORE;
use super::extract::Stored;
use super::local::{DESCRIPTOR_MAX, LOCAL_HEADER, Local, descriptor_length};
use crate::backup::error::note_damage;
use crate::backup::{Damage, Lost, escape, relative};
use crate::platform;

/// So many runs are kept.
const RUNS_MAX: usize = 4096;

/// So many local headers are looked at, each for one read.
const LOOKS_MAX: u32 = 1024;

/// So many distances are known by heart.
const PATTERNS_MAX: usize = 32;

/// A gap shorter than a local header holds no entry.
const GAP_MIN: u64 = LOCAL_HEADER as u64;

/// Of a name, so much is told.
const NAME_READ: usize = 256;

/// The extents of all entries, gathered in one walk over the directory.
pub(super) struct Extents<'a> {
    file: &'a File,
    /// Where the directory begins, and entries end.
    directory: u64,
    last: Option<Extent>,
    /// Where the current run begins, and where each earlier one began and ended.
    run: Option<u64>,
    runs: Vec<(u64, u64)>,
    patterns: Vec<Pattern>,
    looks: u32,
    /// Whether there were more runs or looks than are kept.
    is_partial: bool,
    /// Bytes that all entries claim, at least.
    claimed: u128,
    damage: Vec<Damage>,
}

/// What is known of an entry without looking at it.
#[derive(Clone, Copy)]
struct Extent {
    stored: Stored,
    /// Its local header without extra field, and its data; where both headers give the same name.
    least: u64,
    extra: u64,
}

/// A distance from one entry to the next beyond [`Extent::least`], and what it depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pattern {
    distance: u64,
    extra: u64,
    flags: u16,
}

/// What looking at an entry shows.
struct Seen {
    name: String,
    end: u64,
}

impl<'a> Extents<'a> {
    /// Starts a walk over the directory at the byte `directory` of the archive in `file`.
    pub(super) fn new(file: &'a File, directory: u64) -> Self {
        Self {
            file,
            directory,
            last: None,
            run: None,
            runs: Vec::new(),
            patterns: Vec::new(),
            looks: LOOKS_MAX,
            is_partial: false,
            claimed: 0,
            damage: Vec::new(),
        }
    }

    /// Notes the next entry.
    pub(super) fn add(&mut self, record: &ZipFileHeaderRecord<'_>, stored: Stored) {
        let name = record.file_path();
        let extra = record.extra_fields().remaining_bytes().len() as u64;
        let least = (LOCAL_HEADER + name.as_ref().len()) as u64 + stored.compressed.min(u64::MAX / 2);
        let this = Extent { stored, least, extra };
        self.claimed += u128::from(least);
        self.run.get_or_insert(stored.header);
        if stored.header.saturating_add(least) > self.directory {
            let lost = relative(name.as_ref()).ok().map(Lost::Either);
            let problem = format!(
                "{}: its data reaches beyond byte {}, where the directory begins",
                escape(name.as_ref()),
                self.directory
            );
            note_damage(&mut self.damage, Damage { problem, lost }, MORE);
            // Where it ends is not known.
            self.last = None;
            return;
        }
        match self.last.replace(this) {
            None => {}
            Some(last) if stored.header > last.stored.header => self.compare(last, stored.header),
            Some(last) => self.break_run(last, stored.header),
        }
    }

    fn note(&mut self, problem: String) {
        note_damage(&mut self.damage, problem.into(), MORE);
    }

    /// Whether `last` ends where the next entry, or the directory, begins.
    fn compare(&mut self, last: Extent, next: u64) {
        let distance = (next - last.stored.header).wrapping_sub(last.least);
        let pattern = Pattern { distance, extra: last.extra, flags: last.stored.flags };
        if self.patterns.contains(&pattern) {
            return;
        }
        let Some(seen) = self.look(&last) else { return };
        if seen.end > next {
            self.overlap(&seen, next);
        } else if next - seen.end >= GAP_MIN {
            self.search_gap(seen.end, next);
        } else if self.patterns.len() < PATTERNS_MAX {
            self.patterns.push(pattern);
        }
    }

    fn break_run(&mut self, last: Extent, next: u64) {
        if self.runs.len() == RUNS_MAX {
            self.is_partial = true;
        } else {
            let least = last.stored.header + last.least;
            let end = self.look(&last).map_or(least, |seen| seen.end);
            self.runs.push((self.run.unwrap_or(end), end));
        }
        self.run = Some(next);
    }

    fn overlap(&mut self, seen: &Seen, next: u64) {
        self.note(format!(
            "{}: its data reaches beyond byte {next}, where another entry or the directory begins; some programs restore \
             neither",
            seen.name
        ));
    }

    /// Looks for an entry in what no record of the directory claims.
    fn search_gap(&mut self, from: u64, to: u64) {
        let mut bytes = [0; LOCAL_HEADER + NAME_READ];
        let got = platform::read_at(self.file, &mut bytes, from).unwrap_or_default();
        let Some(local) = Local::parse(&bytes[..got]) else { return };
        if local.name().is_empty() || local.length() > to - from {
            return;
        }
        self.note(format!(
            "at byte {from} lies an entry {} that the directory does not list: a file may be lost from the directory",
            escape(local.name())
        ));
    }

    /// Reads an entry's local header and data descriptor; nothing where that is damaged, which a restore tells, or where enough
    /// was looked at.
    fn look(&mut self, extent: &Extent) -> Option<Seen> {
        let Some(left) = self.looks.checked_sub(1) else {
            self.is_partial = true;
            return None;
        };
        self.looks = left;
        let mut bytes = [0; LOCAL_HEADER + NAME_READ];
        let got = platform::read_at(self.file, &mut bytes, extent.stored.header).ok()?;
        let local = Local::parse(&bytes[..got])?;
        let mut end = extent.stored.header + local.length() + extent.stored.compressed;
        if local.has_descriptor() {
            let mut descriptor = [0; DESCRIPTOR_MAX];
            let got = platform::read_at(self.file, &mut descriptor, end).ok()?;
            end += descriptor_length(&descriptor[..got], &extent.stored).unwrap_or_default() as u64;
        }
        Some(Seen { name: escape(local.name()).into_owned(), end })
    }

    /// Ends the walk: where the first entry begins, and what is damaged.
    pub(super) fn finish(mut self) -> (u64, Vec<Damage>) {
        let last = self.last.take();
        if self.runs.is_empty() {
            if let Some(last) = last {
                self.compare(last, self.directory);
            }
            return (self.run.unwrap_or(self.directory), self.damage);
        }
        match last {
            Some(last) => self.break_run(last, self.directory),
            None => self.is_partial = true,
        }
        self.runs.push((self.directory, self.directory));
        let mut runs = std::mem::take(&mut self.runs);
        runs.sort_unstable();
        let first = runs.first().map_or(self.directory, |run| run.0);
        if !self.is_partial {
            runs.windows(2).for_each(|pair| self.compare_runs(pair[0].1, pair[1].0));
        } else if self.claimed > u128::from(self.directory) {
            self.note("its entries claim more bytes than there are: some of them overlap".to_owned());
        }
        (first, self.damage)
    }

    /// Whether one run ends where the next begins.
    fn compare_runs(&mut self, end: u64, next: u64) {
        if end > next {
            self.note(format!(
                "two entries of the directory claim the same bytes before byte {end}: one of their records is damaged, and \
                 a file may be lost"
            ));
        } else if next - end >= GAP_MIN {
            self.search_gap(end, next);
        }
    }
}
