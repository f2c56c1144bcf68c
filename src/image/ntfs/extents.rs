//! The bytes of a value that is stored in clusters of the volume.
//!
//! In: a [`RunList`] and the bytes of the volume. Out: bytes of the value. They go straight from
//! the volume into the caller's buffer, with one read for each run.

use std::sync::Arc;

use super::attribute::NonResident;
use super::boot::Geometry;
use super::runs::{Run, RunError, RunList};
use crate::bytes::ReadAt;
use crate::image::Error;

/// Where a value is, and the volume that it is on.
#[derive(Debug, Clone)]
pub struct Extents {
    volume: Arc<dyn ReadAt>,
    cluster_size: u64,
    /// The number of clusters on the volume.
    clusters: u64,
    runs: RunList,
}

impl Extents {
    /// A value of which no part is known yet.
    pub(super) fn new(volume: Arc<dyn ReadAt>, geometry: &Geometry) -> Self {
        let Geometry { cluster_size, clusters, .. } = *geometry;
        Self { volume, cluster_size: cluster_size.into(), clusters, runs: RunList::default() }
    }

    /// Adds the next part. After an error, the extents are unspecified.
    pub(super) fn append(&mut self, part: &NonResident<'_>) -> Result<(), RunError> {
        self.runs.append(part, self.clusters)
    }

    /// The runs of the value.
    pub fn runs(&self) -> &RunList {
        &self.runs
    }

    /// Bytes in a cluster.
    pub fn cluster_size(&self) -> u64 {
        self.cluster_size
    }

    /// The number of bytes that the runs hold. `None`: more than can be counted.
    pub(super) fn size(&self) -> Option<u64> {
        self.runs.end_vcn().checked_mul(self.cluster_size)
    }

    /// The byte of the volume where the value begins. `None`: it is one hole.
    pub(super) fn position(&self) -> Option<u64> {
        let first = self.runs.runs().iter().find_map(|run| run.lcn)?;
        first.checked_mul(self.cluster_size)
    }

    /// The byte of the volume where the byte at `offset` of the value is. `None`: in a hole, or
    /// behind the last cluster.
    pub(super) fn position_of(&self, offset: u64) -> Option<u64> {
        let run = self.runs.from(offset / self.cluster_size).first()?;
        let inside = offset.checked_sub(run.vcn.checked_mul(self.cluster_size)?)?;
        run.lcn?.checked_mul(self.cluster_size)?.checked_add(inside)
    }

    /// Reads the bytes of the value from `offset` on until `buffer` is full. The bytes of a hole
    /// are zeros. It is an error if the runs end before.
    pub fn read(&self, mut buffer: &mut [u8], mut offset: u64) -> Result<(), Error> {
        for run in self.runs.from(offset / self.cluster_size) {
            if buffer.is_empty() {
                return Ok(());
            }
            let got = self.read_run(run, buffer, offset)?;
            buffer = buffer.get_mut(got..).unwrap_or_default();
            offset = offset.saturating_add(got as u64);
        }
        if buffer.is_empty() {
            return Ok(());
        }
        Err(Error::Damaged(format!("no cluster holds byte {offset} of the value")))
    }

    /// Reads what one run holds of the wanted bytes, and returns their number.
    fn read_run(&self, run: &Run, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
        let too_far = || Error::Damaged(format!("cluster {} of the value is too far away", run.vcn));
        let bytes = |clusters: u64| clusters.checked_mul(self.cluster_size).ok_or_else(too_far);
        let inside = offset.checked_sub(bytes(run.vcn)?).ok_or_else(too_far)?;
        let left = bytes(run.length)?.saturating_sub(inside);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        let Some(lcn) = run.lcn else {
            piece.fill(0);
            return Ok(wanted);
        };
        let at = bytes(lcn)?.checked_add(inside).ok_or_else(too_far)?;
        let got = self.volume.read_full_at(piece, at)?;
        if got < wanted {
            return Err(Error::Damaged(format!(
                "the volume ends at byte {} before its clusters do",
                self.volume.len()
            )));
        }
        Ok(wanted)
    }
}
