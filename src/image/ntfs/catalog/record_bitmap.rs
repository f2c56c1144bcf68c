//! Which records of the $MFT are in use, by the $MFT's own `$BITMAP`.
//!
//! Bit N stands for record N (linux-ntfs documentation, file `$MFT`). It tells what a damaged
//! record was: nothing is lost with a record that was free.

use super::problems::Findings;
use crate::image::Error;
use crate::image::ntfs::{AttributeKind, Value, Volume};

/// The record of the $MFT itself.
const MFT: u64 = 0;

/// The bits of some records.
#[derive(Debug)]
pub(super) struct RecordBitmap {
    /// `None`: the bitmap cannot be read.
    bitmap: Option<Value>,
    first: u64,
    bits: Vec<u8>,
}

impl RecordBitmap {
    /// Finds the bitmap. If there is none, that is a finding, and nothing is known about any
    /// record.
    pub fn open(volume: &Volume, findings: &mut Findings) -> Self {
        let bitmap = find(volume).map_err(|error| unreadable(&error, findings)).ok();
        Self { bitmap, first: 0, bits: Vec::new() }
    }

    /// Reads the bits of `count` records from `first` on, a multiple of 8.
    pub fn load(&mut self, first: u64, count: u64, findings: &mut Findings) {
        let Some(bitmap) = &self.bitmap else { return };
        self.first = first;
        self.bits.clear();
        // Records behind the end of the bitmap are free.
        self.bits.resize(usize::try_from(count.div_ceil(8)).unwrap_or(0), 0);
        let there = bitmap.size().saturating_sub(first / 8);
        let wanted = usize::try_from(there).unwrap_or(usize::MAX).min(self.bits.len());
        let wanted = self.bits.get_mut(..wanted).unwrap_or_default();
        if let Err(error) = bitmap.read(wanted, first / 8) {
            unreadable(&error, findings);
            self.bitmap = None;
        }
    }

    /// Whether a record is in use. `None`: that is unknown.
    pub fn is_in_use(&self, number: u64) -> Option<bool> {
        self.bitmap.as_ref()?;
        let at = number.checked_sub(self.first)?;
        let byte = self.bits.get(usize::try_from(at / 8).ok()?)?;
        Some(byte & 1 << (at % 8) != 0)
    }
}

fn find(volume: &Volume) -> Result<Value, Error> {
    let bitmap = volume.system_value(MFT, AttributeKind::BITMAP)?;
    bitmap.ok_or_else(|| Error::Damaged("there is none".to_owned()))
}

fn unreadable(error: &Error, findings: &mut Findings) {
    findings.general(format!(
        "the $BITMAP of the $MFT cannot be read, so it is unknown whether damaged records were in use: {error}"
    ));
}
