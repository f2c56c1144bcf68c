//! The $MFT: the table of all records, which is itself a file.
//!
//! In: the bytes of a volume. Out: its records. Where the $MFT is stands in its first record, and
//! if it is fragmented, in other records of its own, which an attribute list names. `$MFTMirr` has
//! a copy of the first four records. It is used when one of these is damaged (linux-ntfs
//! documentation, files `$MFT` and `$MFTMirr`).

use std::sync::Arc;

use super::attribute::{Attribute, AttributeKind};
use super::attribute_list::{ListEntries, ListEntry, MAX_SIZE};
use super::boot::{self, Geometry};
use super::record::Record;
use super::reference::FileReference;
use super::value::{Assembly, Clusters, On};
use crate::bytes::ReadAt;
use crate::image::Error;

/// The number of records that `$MFTMirr` has copies of.
const MIRRORED: u64 = 4;

/// The $MFT of a volume.
#[derive(Debug)]
pub(super) struct Mft {
    volume: Arc<dyn ReadAt>,
    geometry: Geometry,
    table: Clusters,
}

impl Mft {
    /// Finds the $MFT. The notes say which copies were used instead of damaged originals.
    pub(super) fn open(volume: Arc<dyn ReadAt>, notes: &mut Vec<String>) -> Result<Self, Error> {
        let geometry = boot::read(&*volume, notes)?;
        let mut buffer = Vec::new();
        let first = match read_at_cluster(&*volume, &geometry, geometry.mft_lcn, 0, &mut buffer) {
            Ok(first) => first,
            Err(damage) => {
                let copy = read_at_cluster(&*volume, &geometry, geometry.mirror_lcn, 0, &mut buffer);
                let lost =
                    |copy| Error::Damaged(format!("the $MFT cannot be found: {damage}; in $MFTMirr: {copy}"));
                copy.map_err(lost)?
            }
        };
        let mft = Self::of_first(volume, geometry, &first)?;
        mft.check_mirrored(notes);
        Ok(mft)
    }

    /// Finds all parts of the $MFT from its first record.
    fn of_first(volume: Arc<dyn ReadAt>, geometry: Geometry, first: &Record<'_>) -> Result<Self, Error> {
        let on = On { volume: &volume, geometry: &geometry };
        let mut table = Assembly::default();
        let mut list = Assembly::default();
        for attribute in first.attributes() {
            let attribute = attribute?;
            match attribute.kind {
                AttributeKind::DATA if attribute.name.is_empty() => table.add(&attribute, &on),
                AttributeKind::ATTRIBUTE_LIST => list.add(&attribute, &on),
                _ => Ok(()),
            }
            .map_err(|what| damaged(&what))?;
        }
        let Assembly::NonResident(table) = table else {
            return Err(damaged("its first record does not say where it is"));
        };
        let list = list.finish().map_err(|what| damaged(&what))?;
        let mut mft = Self { volume, geometry, table };
        if let Some(list) = list {
            mft.append_listed(&list.read_whole(MAX_SIZE)?, first.reference())?;
        }
        mft.table.check().map_err(|what| damaged(&what))?;
        Ok(mft)
    }

    /// Adds the parts that other records describe. The parts before each say where its record is.
    fn append_listed(&mut self, list: &[u8], first: FileReference) -> Result<(), Error> {
        let mut buffer = Vec::new();
        for entry in ListEntries::new(list) {
            let entry = entry.map_err(|error| damaged(&error.to_string()))?;
            let is_table = entry.kind == AttributeKind::DATA && entry.name.is_empty();
            if !is_table || entry.reference == first {
                continue;
            }
            let record = self.extension(entry.reference, first, &mut buffer)?;
            let attribute = find(&record, &entry)?;
            self.table.append(&attribute).map_err(|what| damaged(&what))?;
        }
        Ok(())
    }

    /// Notes which of the first records are damaged.
    fn check_mirrored(&self, notes: &mut Vec<String>) {
        let mut buffer = Vec::new();
        for number in 0..MIRRORED.min(self.count()) {
            let Err(damage) = self.read_original(number, &mut buffer) else { continue };
            let copy =
                read_at_cluster(&*self.volume, &self.geometry, self.geometry.mirror_lcn, number, &mut buffer);
            notes.push(match copy {
                Ok(_) => format!("{damage}: its copy in $MFTMirr was used"),
                Err(copy) => format!("{damage}, and so is its copy in $MFTMirr: {copy}"),
            });
        }
    }

    /// The bytes of the volume.
    pub(super) fn volume(&self) -> &Arc<dyn ReadAt> {
        &self.volume
    }

    /// The sizes and places of the volume.
    pub(super) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The volume, for values that are on it.
    pub(super) fn on(&self) -> On<'_> {
        On { volume: &self.volume, geometry: &self.geometry }
    }

    /// The number of records that the table has room for.
    pub(super) fn count(&self) -> u64 {
        self.table.size / u64::from(self.geometry.record_size)
    }

    /// The byte of the volume where a record begins.
    pub(super) fn position(&self, number: u64) -> Option<u64> {
        let offset =
            number.checked_mul(self.geometry.record_size.into()).filter(|_| number < self.count())?;
        self.table.extents.position_of(offset)
    }

    /// Reads records as they are on the volume until `buffer` is full.
    pub(super) fn read_raw(&self, first: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let size = u64::from(self.geometry.record_size);
        let end = (buffer.len() as u64 / size).checked_add(first);
        let start = first.checked_mul(size).filter(|_| end.is_some_and(|end| end <= self.count()));
        let start = start.ok_or_else(|| {
            Error::Damaged(format!(
                "MFT record {first} does not exist: the $MFT has {} records",
                self.count()
            ))
        })?;
        self.table
            .read(buffer, start)
            .map_err(|error| error.about(&format!("MFT record {first} cannot be read")))
    }

    /// Reads a record that was used before. If it is one of the first and damaged, its copy is read.
    pub(super) fn read<'b>(&self, number: u64, buffer: &'b mut Vec<u8>) -> Result<Record<'b>, Error> {
        // The borrow of a record that is returned would last beyond the error: hence two reads.
        let Err(damage) = self.read_original(number, buffer) else {
            return Record::parse_header(buffer, number);
        };
        if number >= MIRRORED {
            return Err(damage);
        }
        let lcn = self.geometry.mirror_lcn;
        read_at_cluster(&*self.volume, &self.geometry, lcn, number, buffer).map_err(|_| damage)
    }

    fn read_original<'b>(&self, number: u64, buffer: &'b mut Vec<u8>) -> Result<Record<'b>, Error> {
        buffer.clear();
        buffer.resize(self.geometry.record_size as usize, 0);
        self.read_raw(number, buffer)?;
        used(buffer, number)
    }

    /// Reads a record that holds attributes of the file with this base record.
    pub(super) fn extension<'b>(
        &self,
        reference: FileReference,
        base: FileReference,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Record<'b>, Error> {
        let record = self.read(reference.record, buffer)?;
        if !record.is_in_use() || record.reference() != reference || record.base() != Some(base) {
            return Err(Error::Damaged(format!(
                "{base}: its attribute list names {reference}, which does not belong to it"
            )));
        }
        Ok(record)
    }
}

/// The attribute of a record that an entry of an attribute list names.
pub(super) fn find<'a>(record: &Record<'a>, entry: &ListEntry<'_>) -> Result<Attribute<'a>, Error> {
    for attribute in record.attributes() {
        let attribute = attribute?;
        let is_wanted =
            attribute.id == entry.id && attribute.kind == entry.kind && attribute.name == entry.name;
        if is_wanted && attribute.first_vcn() == entry.first_vcn {
            return Ok(attribute);
        }
    }
    Err(Error::Damaged(format!(
        "MFT record {}: the {} with number {} that an attribute list names is not in it",
        record.number(),
        entry.kind,
        entry.id
    )))
}

/// Reads the record with this number of a table that begins at a cluster.
fn read_at_cluster<'b>(
    volume: &dyn ReadAt,
    geometry: &Geometry,
    lcn: u64,
    number: u64,
    buffer: &'b mut Vec<u8>,
) -> Result<Record<'b>, Error> {
    buffer.clear();
    buffer.resize(geometry.record_size as usize, 0);
    let start = lcn.checked_mul(geometry.cluster_size.into());
    let inside = number.checked_mul(geometry.record_size.into());
    let at = start.zip(inside).and_then(|(start, inside)| start.checked_add(inside));
    let at = at.ok_or_else(|| damaged("it is too far away"))?;
    let got = volume.read_full_at(buffer, at)?;
    if got < buffer.len() {
        return Err(damaged("the volume ends before it"));
    }
    used(buffer, number)
}

/// A record that was used before.
fn used(bytes: &mut [u8], number: u64) -> Result<Record<'_>, Error> {
    let blank = || Error::Damaged(format!("MFT record {number} was never used: it is all zeros"));
    Record::parse(bytes, number)?.ok_or_else(blank)
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("MFT record 0: the $MFT is damaged: {what}"))
}
