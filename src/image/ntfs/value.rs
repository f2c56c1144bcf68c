//! The value of an attribute, put together from its parts.
//!
//! In: the attributes that describe one value, in the order of an attribute list. Out: a [`Value`]:
//! the bytes themselves, or the clusters that hold them. Parts that are missing, out of order or
//! there twice are errors, and so is a value that is longer than its clusters.

use std::ops::Range;
use std::sync::Arc;

use super::attribute::{Attribute, AttributeFlags, Body, NonResident};
use super::boot::Geometry;
use super::extents::Extents;
use super::runs::{Run, RunError};
use crate::bytes::ReadAt;
use crate::image::Error;

/// The most clusters that Windows lets a value have.
const MAX_CLUSTERS: u64 = 1 << 32;

/// The value of an attribute.
#[derive(Debug, Clone)]
pub enum Value {
    /// The bytes themselves.
    Resident(Vec<u8>),
    /// The value is in clusters.
    NonResident(Clusters),
}

impl Value {
    /// The number of its bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Resident(value) => value.len() as u64,
            Self::NonResident(clusters) => clusters.size,
        }
    }

    /// The byte of the volume where its clusters begin. `None`: it has no clusters.
    pub(super) fn position(&self) -> Option<u64> {
        match self {
            Self::Resident(_) => None,
            Self::NonResident(clusters) => clusters.extents.position(),
        }
    }

    /// Whether its bytes are compressed.
    pub(super) fn is_compressed(&self) -> bool {
        matches!(self, Self::NonResident(clusters) if clusters.flags.compression() != 0)
    }

    /// Whether its bytes are encrypted. Those in a record never are.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::NonResident(clusters) if clusters.flags.is_encrypted())
    }

    /// Whether every byte of it is stored, so that no software keeps a part of it elsewhere.
    pub(super) fn is_here(&self) -> bool {
        match self {
            Self::Resident(_) => true,
            Self::NonResident(clusters) => {
                let is_hole = |run: &Run| run.lcn.is_none();
                clusters.initialized >= clusters.size && !clusters.extents.runs().runs().iter().any(is_hole)
            }
        }
    }

    /// Fills `buffer` with the bytes from `offset` on, which must all be there. If the value is
    /// compressed, these are the compressed bytes.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        match self {
            Self::Resident(value) => {
                let rest =
                    usize::try_from(offset).ok().and_then(|start| value.get(start..)).unwrap_or_default();
                let wanted = rest.get(..buffer.len());
                buffer.copy_from_slice(wanted.ok_or_else(|| Error::Damaged("it is cut off".to_owned()))?);
                Ok(())
            }
            Self::NonResident(clusters) => clusters.read(buffer, offset),
        }
    }

    /// Reads the whole value, unless it has more than `most` bytes. It must not be compressed.
    pub(super) fn read_whole(&self, most: u64) -> Result<Vec<u8>, Error> {
        match self {
            Self::Resident(value) => Ok(value.clone()),
            Self::NonResident(clusters) => {
                let size = usize::try_from(clusters.size).ok().filter(|_| clusters.size <= most);
                let too_long = || Error::Damaged(format!("it has {} bytes, which cannot be", clusters.size));
                let mut value = vec![0; size.ok_or_else(too_long)?];
                clusters.read(&mut value, 0)?;
                Ok(value)
            }
        }
    }
}

/// A value in clusters.
#[derive(Debug, Clone)]
pub struct Clusters {
    /// The clusters.
    pub extents: Extents,
    /// How the value is stored.
    pub flags: AttributeFlags,
    /// Bytes of the value.
    pub size: u64,
    /// Bytes that were ever written; all that follow are zeros.
    pub initialized: u64,
    /// Clusters that are compressed together, as an exponent of two.
    pub compression_unit: u8,
}

impl Clusters {
    /// A value of which only the first part is known.
    fn new(flags: AttributeFlags, part: &NonResident<'_>, on: &On<'_>) -> Result<Self, RunError> {
        let mut extents = Extents::new(on.volume.clone(), on.geometry);
        extents.append(part)?;
        let NonResident { size, initialized, compression_unit, .. } = *part;
        Ok(Self { extents, flags, size, initialized, compression_unit })
    }

    /// Adds the next part. The error says what is wrong with it.
    pub(super) fn append(&mut self, part: &Attribute<'_>) -> Result<(), String> {
        match part.body {
            Body::NonResident(place) => self.extents.append(&place).map_err(|error| error.to_string()),
            Body::Resident(_) => Err("a part of it is in a record".to_owned()),
        }
    }

    /// Checks the value when all of its parts are known.
    pub(super) fn check(&self) -> Result<(), String> {
        let runs = self.extents.runs();
        if runs.end_vcn() > MAX_CLUSTERS {
            return Err("it has more clusters than Windows allows".to_owned());
        }
        if let Some(lcn) = runs.overlap() {
            return Err(format!("two places in it claim cluster {lcn} of the volume"));
        }
        // A hole in any other value would be read as zeros that nobody has written.
        let may_have_holes = self.flags.is_sparse() || self.flags.compression() != 0;
        if !may_have_holes && let Some(hole) = runs.runs().iter().find(|run| run.lcn.is_none()) {
            return Err(format!("cluster {} of it is not allocated, but it is not sparse", hole.vcn));
        }
        if self.extents.size().is_none_or(|held| held < self.size) {
            return Err(format!("its clusters end before its {} bytes do", self.size));
        }
        Ok(())
    }

    /// The first range at byte `from` or behind it that may hold something but zeros. `None`: the
    /// rest is holes, or was never written. Where `unit` bytes are compressed together, they are
    /// one.
    pub(super) fn next_data(&self, from: u64, unit: u64) -> Option<Range<u64>> {
        let cluster = self.extents.cluster_size();
        let end = self.size.min(self.initialized);
        let is_stored = |run: &&Run| run.lcn.is_some();
        let mut stored = self.extents.runs().from(from / cluster).iter().filter(is_stored).map(|run| {
            let (start, end) = (run.vcn.saturating_mul(cluster), run.end_vcn().saturating_mul(cluster));
            (start - start % unit, end.div_ceil(unit).saturating_mul(unit))
        });
        let (start, mut data_end) = stored.next()?;
        let start = start.max(from);
        for (next, next_end) in stored {
            if next > data_end {
                break;
            }
            data_end = data_end.max(next_end);
        }
        (start < end).then(|| start..data_end.min(end))
    }

    /// Fills `buffer` with the bytes of the value from `offset` on, which must all be there. What
    /// was never written is zeros. If the value is compressed, these are the compressed bytes.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > self.size) {
            return Err(Error::Damaged(format!("it ends at byte {}", self.size)));
        }
        let written = self.initialized.saturating_sub(offset);
        let written = usize::try_from(written).unwrap_or(usize::MAX).min(buffer.len());
        let (written, rest) = buffer.split_at_mut(written);
        rest.fill(0);
        if written.is_empty() { Ok(()) } else { self.extents.read(written, offset) }
    }
}

/// The volume that a value is on.
#[derive(Debug, Clone, Copy)]
pub(super) struct On<'a> {
    pub(super) volume: &'a Arc<dyn ReadAt>,
    pub(super) geometry: &'a Geometry,
}

/// A value that is being put together.
#[derive(Debug, Default)]
pub(super) enum Assembly {
    /// No part was found yet.
    #[default]
    Empty,
    Resident(Vec<u8>),
    NonResident(Clusters),
}

impl Assembly {
    /// Adds the next part. The error says what is wrong with it.
    pub(super) fn add(&mut self, part: &Attribute<'_>, on: &On<'_>) -> Result<(), String> {
        match (&mut *self, part.body) {
            (Self::Empty, Body::Resident(value)) => *self = Self::Resident(value.to_vec()),
            (Self::Empty, Body::NonResident(place)) => {
                let clusters = Clusters::new(part.flags, &place, on).map_err(|error| error.to_string())?;
                *self = Self::NonResident(clusters);
            }
            (Self::NonResident(clusters), _) => clusters.append(part)?,
            (Self::Resident(_), _) => return Err("it is there twice".to_owned()),
        }
        Ok(())
    }

    /// The whole value. `None`: there was no part.
    pub(super) fn finish(self) -> Result<Option<Value>, String> {
        match self {
            Self::Empty => Ok(None),
            Self::Resident(value) => Ok(Some(Value::Resident(value))),
            Self::NonResident(clusters) => {
                clusters.check()?;
                Ok(Some(Value::NonResident(clusters)))
            }
        }
    }
}
