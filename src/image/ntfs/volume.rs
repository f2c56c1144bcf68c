//! An NTFS volume.
//!
//! In: the bytes of a partition. Out: its records and its files. Any number of threads may use
//! a volume at once: nothing in it changes after it was opened.

use std::sync::Arc;

use super::attribute::AttributeKind;
use super::boot::Geometry;
use super::file::File;
use super::mft::Mft;
use super::record::Record;
use super::reference::FileReference;
use super::value::Value;
use crate::bytes::ReadAt;
use crate::image::Error;

/// An NTFS volume. A clone is the same volume, and costs nothing.
#[derive(Debug, Clone)]
pub struct Volume {
    mft: Arc<Mft>,
    notes: Arc<[String]>,
}

impl Volume {
    /// Opens the volume that these bytes are. Another file system is [`Error::Unsupported`].
    pub fn open(bytes: Arc<dyn ReadAt>) -> Result<Self, Error> {
        let mut notes = Vec::new();
        let mft = Arc::new(Mft::open(bytes, &mut notes)?);
        Ok(Self { mft, notes: notes.into() })
    }

    /// What was damaged when the volume was opened, and which copies were used instead.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Its sizes and places.
    pub fn geometry(&self) -> &Geometry {
        self.mft.geometry()
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Arc<dyn ReadAt> {
        self.mft.volume()
    }

    /// The number of records in the $MFT, used or not.
    pub fn record_count(&self) -> u64 {
        self.mft.count()
    }

    /// The byte of the volume where a record begins. `None`: there is no such record.
    pub fn record_position(&self, number: u64) -> Option<u64> {
        self.mft.position(number)
    }

    /// Reads one record, whether a file uses it or not. A record that was never used is an error.
    /// If one of the first four records is damaged, its copy in `$MFTMirr` is read.
    pub fn record<'b>(&self, number: u64, buffer: &'b mut Vec<u8>) -> Result<Record<'b>, Error> {
        self.mft.read(number, buffer)
    }

    /// Reads `count` records from `first` on at once. After an error, the batch is empty; then the
    /// records can still be read one by one.
    pub fn records(&self, first: u64, count: usize, batch: &mut RecordBatch) -> Result<(), Error> {
        let size = self.geometry().record_size as usize;
        batch.first = first;
        batch.record_size = size;
        batch.bytes.resize(count.saturating_mul(size), 0);
        let read = self.mft.read_raw(first, &mut batch.bytes);
        if read.is_err() {
            batch.bytes.clear();
        }
        read
    }

    /// Opens the file with this reference. It is an error if the record does not belong to that
    /// file any more.
    pub fn file(&self, reference: FileReference) -> Result<File, Error> {
        File::open(&self.mft, reference)
    }

    /// A value of one of the file system's own files, whose sequence number nobody states.
    pub(super) fn system_value(&self, record: u64, kind: AttributeKind) -> Result<Option<Value>, Error> {
        let mut buffer = Vec::new();
        let reference = self.record(record, &mut buffer)?.reference();
        self.file(reference)?.value(kind, &[])
    }
}

/// Records that were read at once.
#[derive(Debug, Default)]
pub struct RecordBatch {
    bytes: Vec<u8>,
    first: u64,
    record_size: usize,
}

impl RecordBatch {
    /// An empty batch. It can be filled any number of times.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands out all records in order, with their numbers. `None` stands for a record that was
    /// never used. Call this once: the update sequences are applied in place.
    pub fn iter(&mut self) -> impl Iterator<Item = (u64, Result<Option<Record<'_>>, Error>)> {
        let records = self.bytes.chunks_exact_mut(self.record_size.max(1));
        (self.first..).zip(records).map(|(number, bytes)| (number, Record::parse(bytes, number)))
    }
}
