//! One pass over the $MFT: what its records say about files, folders and their names.
//!
//! In: all records, front to back, in large reads. Out: a [`Scan`]. A file can have several
//! records: attributes that do not fit into its base record are in other records, which may come
//! before it or after it. What those say is put aside and joined at the end. Nothing is looked up
//! on the way, so a disk reads the table as fast as it can.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use super::found::{Found, KnownFile, flags};
use super::index::{Flaw, Root};
use super::index_parts::Parts;
use super::names::{FileName, Namespace};
use super::parts_of_files::{Belongs, listed_records};
use super::pieces::Pieces;
use super::problems::Findings;
use super::record_bitmap::RecordBitmap;
use super::tree::{Folder, Head, Names, short_number};
use crate::image::Error;
use crate::image::ntfs::attribute::{Attribute, AttributeKind, Body, NonResident};
use crate::image::ntfs::extents::Extents;
use crate::image::ntfs::record::Record;
use crate::image::ntfs::reparse::{ReparsePoint, WOF_STREAM};
use crate::image::ntfs::runs::{self, Run};
use crate::image::ntfs::{FileReference, RecordBatch, Volume};

/// Bytes of the $MFT that are read at once. If that fails, smaller pieces are read, down to single
/// records: one bad place must not cost all records around it. A disk may take seconds for each
/// read that fails, so there are few sizes.
const PIECE: u64 = 4 << 20;
const SMALL_PIECE: u64 = 64 << 10;
/// Records below this one are reserved for the file system. They may be marked as in use although
/// they have never been used.
pub(super) const RESERVED: u64 = 24;
/// The most records that a volume has (Microsoft, "NTFS overview": 4,294,967,295 files).
const MAX_RECORDS: u64 = u32::MAX as u64;
/// The name of a folder's index.
pub(super) const I30: [u16; 4] = [b'$' as u16, b'I' as u16, b'3' as u16, b'0' as u16];

/// What the records of a volume say.
#[derive(Debug)]
pub(super) struct Scan {
    /// Everything but folders, in the order of the base records.
    pub files: Pieces<KnownFile>,
    /// Folders, in the order of their base records.
    pub folders: Pieces<Folder>,
    pub names: Names,
    /// The number of all names, in every namespace.
    pub names_found: u64,
    /// For each record that is named as a folder: fingerprints of the names in it, less those in
    /// its index. The sum is 0 if both agree.
    pub sums: HashMap<u32, u64>,
    /// Reparse tags, in the order of the base records once the scan is over.
    pub tags: Vec<(u32, u32)>,
    /// Reparse tags that the indexes of folders state.
    pub tags_by_folders: Vec<(u32, u32)>,
    /// For files of which the number of names differs from the one that the base record counts: how
    /// many are missing. Once the scan is over, the names in all records were counted.
    pub missing_names: HashMap<u32, i64>,
    /// The indexes of folders, as far as they are not in records.
    pub parts: Parts,
    /// Records that say to which file they belong.
    pub claims: Pieces<Belongs>,
    /// Records that attribute lists name.
    pub listed: Pieces<Belongs>,
    pub findings: Findings,
    /// Whether it ended before all records were read.
    pub is_cancelled: bool,
    /// What records other than base records say about files.
    pub extensions: Vec<(FileReference, Found)>,
    /// Reparse points that are in clusters, and their sizes.
    pub tags_elsewhere: Vec<(u32, Extents, u64)>,
    /// Attribute lists that are in clusters, and their sizes.
    pub lists_elsewhere: Vec<(FileReference, Extents, u64)>,
    /// Room to work in.
    runs: Vec<Run>,
    name: Vec<u8>,
    volume: Volume,
}

impl Scan {
    /// Reads all records of the volume.
    pub fn of(volume: &Volume, is_cancelled: &dyn Fn() -> bool) -> Result<Self, Error> {
        let count = volume.record_count();
        if count > MAX_RECORDS {
            return Err(Error::Damaged(format!("the $MFT has {count} records, more than NTFS allows")));
        }
        let mut scan = Self {
            files: Pieces::new(),
            folders: Pieces::new(),
            names: Names::new(),
            names_found: 0,
            sums: HashMap::new(),
            tags: Vec::new(),
            tags_by_folders: Vec::new(),
            missing_names: HashMap::new(),
            parts: Parts::new(volume),
            claims: Pieces::new(),
            listed: Pieces::new(),
            findings: Findings::default(),
            is_cancelled: false,
            extensions: Vec::new(),
            tags_elsewhere: Vec::new(),
            lists_elsewhere: Vec::new(),
            runs: Vec::new(),
            name: Vec::new(),
            volume: volume.clone(),
        };
        scan.is_cancelled = scan.read(volume, count, is_cancelled).is_break();
        Ok(scan)
    }

    fn read(&mut self, volume: &Volume, count: u64, is_cancelled: &dyn Fn() -> bool) -> ControlFlow<()> {
        let mut bitmap = RecordBitmap::open(volume, &mut self.findings);
        let mut batch = RecordBatch::new();
        let size = u64::from(volume.geometry().record_size).max(1);
        let pieces = [PIECE, SMALL_PIECE, 0].map(|bytes| (bytes / size).max(1));
        for first in (0..count).step_by(usize::try_from(pieces[0]).unwrap_or(1)) {
            let all = first..count.min(first + pieces[0]);
            bitmap.load(first, all.end - first, &mut self.findings);
            self.read_pieces(volume, all, &pieces, &bitmap, &mut batch, is_cancelled)?;
        }
        ControlFlow::Continue(())
    }

    /// Reads records in pieces of the first of `sizes`, and in those that follow if that fails.
    fn read_pieces(
        &mut self,
        volume: &Volume,
        records: Range<u64>,
        sizes: &[u64],
        bitmap: &RecordBitmap,
        batch: &mut RecordBatch,
        is_cancelled: &dyn Fn() -> bool,
    ) -> ControlFlow<()> {
        let Some((size, smaller)) = sizes.split_first() else { return ControlFlow::Continue(()) };
        let mut first = records.start;
        while first < records.end {
            if is_cancelled() {
                return ControlFlow::Break(());
            }
            let end = records.end.min(first + size);
            match volume.records(first, usize::try_from(end - first).unwrap_or(0), batch) {
                Ok(()) => batch.iter().for_each(|(number, record)| self.record(number, record, bitmap)),
                Err(error) if smaller.is_empty() => self.record(first, Err(error), bitmap),
                Err(_) => self.read_pieces(volume, first..end, smaller, bitmap, batch, is_cancelled)?,
            }
            first = end;
        }
        ControlFlow::Continue(())
    }

    fn record(&mut self, number: u64, record: Result<Option<Record<'_>>, Error>, bitmap: &RecordBitmap) {
        let in_use = bitmap.is_in_use(number);
        match record {
            Ok(Some(record)) if record.is_in_use() => {
                if in_use == Some(false) {
                    self.findings.used_but_free.add_record(number);
                }
                if let Err(error) = self.parse(&record) {
                    self.record_lost(number, &error);
                }
            }
            Ok(record) => {
                if in_use == Some(true) && number >= RESERVED {
                    // A record that was freed says so itself. One of zeros may be lost.
                    let tally = match record {
                        Some(_) => &mut self.findings.free_but_used,
                        None => &mut self.findings.zero_but_used,
                    };
                    tally.add_record(number);
                }
            }
            // What a deleted file left may be damaged.
            Err(_) if in_use == Some(false) => {}
            Err(error) => self.record_lost(number, &error),
        }
    }

    /// A record is damaged that is in use, or may be.
    fn record_lost(&mut self, number: u64, error: &Error) {
        let record = u32::try_from(number).unwrap_or(u32::MAX);
        let place = match error {
            Error::Read(_) => format!("MFT record {number} cannot be read: "),
            _ => String::new(),
        };
        self.findings.about(record, format!("{place}{error}; the file that it belongs to may be lost"));
    }

    /// The reparse tag of a record. The scan must be over.
    pub fn tag_of(&self, record: u32) -> Option<u32> {
        let at = self.tags.binary_search_by_key(&record, |(other, _)| *other).ok()?;
        self.tags.get(at).map(|(_, tag)| *tag)
    }

    fn parse(&mut self, record: &Record<'_>) -> Result<(), Error> {
        // Either all of a record is used, or nothing of it.
        if let Some(error) = record.attributes().find_map(Result::err) {
            return Err(error);
        }
        let file = record.base().unwrap_or_else(|| record.reference());
        let names_before = self.names_found;
        let mut found = Found::default();
        for attribute in record.attributes() {
            self.attribute(file, &attribute?, &mut found)
                .map_err(|what| Error::Damaged(format!("MFT record {} {what}", record.number())))?;
        }
        if found.position.is_none() && (record.base().is_none() || found.flags & flags::DATA != 0) {
            found.position = self.volume.record_position(record.number());
        }
        let names = i64::try_from(self.names_found - names_before).unwrap_or(0);
        let counted = if record.base().is_some() { 0 } else { i64::from(record.links()) };
        if names != counted {
            *self.missing_names.entry(short_number(file)).or_default() += counted - names;
        }
        match record.base() {
            Some(base) => {
                self.claims.push(Belongs { base, record: record.reference() });
                if found.flags != 0 {
                    self.extensions.push((base, found));
                }
            }
            None if record.is_folder() => {
                let has_index = found.flags & flags::INDEX != 0;
                self.folders.push(Folder::new(file, has_index));
            }
            None => self.files.push(KnownFile::new(file, &found)),
        }
        Ok(())
    }

    /// Reads one attribute of `file`. The error completes "MFT record 35 ...".
    fn attribute(
        &mut self,
        file: FileReference,
        attribute: &Attribute<'_>,
        found: &mut Found,
    ) -> Result<(), String> {
        match (attribute.kind, attribute.body) {
            (AttributeKind::STANDARD_INFORMATION, Body::Resident(value)) => {
                found.standard_information(value)?;
            }
            (AttributeKind::FILE_NAME, Body::Resident(value)) => self.name(file, value, found)?,
            (AttributeKind::STANDARD_INFORMATION | AttributeKind::FILE_NAME, _) => {
                return Err(format!("has a {} that is not in a record", attribute.kind));
            }
            (AttributeKind::DATA, _) if attribute.name.is_empty() => self.data(attribute, found)?,
            (AttributeKind::DATA, _) if attribute.name.units().eq(WOF_STREAM.encode_utf16()) => {
                found.flags |= flags::WOF_STREAM;
            }
            (AttributeKind::ATTRIBUTE_LIST, body) => self.list(file, body)?,
            (AttributeKind::REPARSE_POINT, _) if !attribute.name.is_empty() => {
                return Err("has a reparse point with a name, which cannot be".to_owned());
            }
            (AttributeKind::REPARSE_POINT, body) => {
                found.flags |= flags::REPARSE;
                self.reparse_point(file, body)?;
            }
            (AttributeKind::INDEX_ROOT, Body::Resident(value)) if attribute.name.is(&I30) => {
                found.flags |= flags::INDEX;
                if let Err(what) = self.index_root(file, value) {
                    self.parts.broken(short_number(file), what);
                }
            }
            (AttributeKind::INDEX_ALLOCATION, Body::NonResident(place)) if attribute.name.is(&I30) => {
                match self.decode(&place) {
                    Ok(()) => self.parts.extents(short_number(file), &self.runs),
                    Err(_) => {
                        self.parts.broken(short_number(file), "the blocks of its index cannot be found");
                    }
                }
            }
            (AttributeKind::BITMAP, Body::Resident(bits)) if attribute.name.is(&I30) => {
                self.parts.bits(short_number(file), bits);
            }
            (AttributeKind::BITMAP, Body::NonResident(place)) if attribute.name.is(&I30) => {
                match self.decode(&place) {
                    Ok(()) => self.parts.bits_elsewhere(short_number(file), &self.runs, &place),
                    Err(_) => {
                        self.parts.broken(short_number(file), "the bitmap of its index cannot be found");
                    }
                }
            }
            // It was another one before, which is lost now.
            (kind, _) if !kind.is_known() => {
                let problem = format!("{file} has an {kind}, a type that NTFS does not have");
                self.findings.about(short_number(file), problem);
            }
            _ => {}
        }
        Ok(())
    }

    fn name(&mut self, file: FileReference, value: &[u8], found: &mut Found) -> Result<(), String> {
        let name = FileName::parse(value).ok_or("has a name that cannot be read")?;
        self.names_found += 1;
        if name.namespace == Namespace::Dos {
            return Ok(());
        }
        found.flags |= flags::NAME;
        let sum = self.sums.entry(short_number(name.parent)).or_default();
        *sum = sum.wrapping_add(name.fingerprint(file));
        self.name.clear();
        name.append_to(&mut self.name);
        let head = Head::new(file, name.parent);
        self.names.push(head.to_bytes(), &self.name).ok_or("has a name that is too long")?;
        Ok(())
    }

    fn data(&mut self, attribute: &Attribute<'_>, found: &mut Found) -> Result<(), String> {
        let place = match attribute.body {
            Body::Resident(value) => return found.data(value.len() as u64, None),
            Body::NonResident(place) => place,
        };
        // The other parts of a content say nothing about its size.
        if place.first_vcn != 0 {
            return Ok(());
        }
        // Damage of the content is found when it is read.
        let first = self.decode(&place).ok().and_then(|()| self.runs.iter().find_map(|run| run.lcn));
        let position = first.and_then(|lcn| lcn.checked_mul(self.volume.geometry().cluster_size.into()));
        found.data(place.size, position)
    }

    fn list(&mut self, file: FileReference, body: Body<'_>) -> Result<(), String> {
        match body {
            Body::Resident(list) => listed_records(file, list, &mut self.listed),
            Body::NonResident(place) => {
                let runs = self.whole(&place)?;
                self.lists_elsewhere.push((file, runs, place.size));
                Ok(())
            }
        }
    }

    fn reparse_point(&mut self, file: FileReference, body: Body<'_>) -> Result<(), String> {
        match body {
            Body::Resident(value) => {
                let point = ReparsePoint::parse(value).ok_or("has a damaged reparse point")?;
                self.tags.push((short_number(file), point.tag));
            }
            Body::NonResident(place) => {
                let runs = self.whole(&place)?;
                self.tags_elsewhere.push((short_number(file), runs, place.size));
            }
        }
        Ok(())
    }

    fn index_root(&mut self, file: FileReference, value: &[u8]) -> Result<(), Flaw> {
        let folder = short_number(file);
        let root = Root::parse(value)?;
        let mut names = 0_u64;
        let mut has_children = false;
        for entry in root.node.entries() {
            let entry = entry?;
            if let Some((file, name)) = entry.file {
                names = names.wrapping_add(name.fingerprint(file));
                self.tags_by_folders.extend(name.reparse_tag.map(|tag| (short_number(file), tag)));
            }
            if let Some(child) = entry.child {
                has_children = true;
                self.parts.root_child(folder, child);
            }
        }
        if names != 0 {
            let sum = self.sums.entry(folder).or_default();
            *sum = sum.wrapping_sub(names);
        }
        if has_children {
            self.parts.block_size(folder, root.block_size);
        }
        Ok(())
    }

    /// Puts the runs of a part of a value into `runs`.
    fn decode(&mut self, place: &NonResident<'_>) -> Result<(), String> {
        self.runs.clear();
        runs::decode(
            place.mapping,
            place.first_vcn,
            place.end_vcn,
            self.volume.geometry().clusters,
            &mut self.runs,
        )
        .map_err(|error| format!("has a value that cannot be found: {error}"))
    }

    /// Where a value is that has one part.
    fn whole(&self, place: &NonResident<'_>) -> Result<Extents, String> {
        let mut extents = Extents::new(self.volume.bytes().clone(), self.volume.geometry());
        extents.append(place).map_err(|error| format!("has a value that cannot be found: {error}"))?;
        Ok(extents)
    }
}
