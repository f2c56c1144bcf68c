//! What a volume says about itself: its label, its version, and whether it was closed properly.
//!
//! In: the files `$Volume` and `$LogFile`. Out: a [`VolumeState`]. The fields are those of the
//! linux-ntfs documentation, files `$Volume` and `$LogFile`. The log is not replayed: what a
//! volume's owner had not yet written to its place when the image was made is missing from the
//! image. The content of files is not in the log.

use super::attribute::AttributeKind;
use super::fixups;
use super::value::Value;
use super::volume::Volume;
use crate::image::Error;
use crate::image::fields::{u16_le, u32_le, u64_le};

/// The record of `$LogFile`.
const LOG_FILE: u64 = 2;
/// The record of `$Volume`.
const VOLUME: u64 = 3;

/// The volume must be checked before it is used: `VOLUME_IS_DIRTY`.
const IS_DIRTY: u16 = 0x0001;

/// What a volume says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeState {
    /// Its label: 16-bit units that need not be valid UTF-16.
    pub label: Vec<u16>,
    /// Its serial number.
    pub serial: u64,
    /// The version of NTFS, such as 3 and 1.
    pub version: (u8, u8),
    /// Whether Windows wants to check the volume before it is used.
    pub is_dirty: bool,
    /// Whether all changes of records and folders are in their places.
    pub log: LogState,
}

/// Whether all changes of records and folders were in their places when the image was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogState {
    /// The volume was closed properly, or its log is empty.
    Clean,
    /// The volume was in use: changes may be only in the log. This is so in every image of
    /// a computer that was running.
    InUse,
    /// The log is not one that is known here.
    Unknown,
}

impl Volume {
    /// What the volume says about itself.
    pub fn state(&self) -> Result<VolumeState, Error> {
        let damaged =
            |what: &str| Error::Damaged(format!("MFT record {VOLUME}: {what} of the volume is damaged"));
        let name = self.system_value(VOLUME, AttributeKind::VOLUME_NAME)?;
        let label = name.map(|name| name.read_whole(MAX_LABEL)).transpose()?.unwrap_or_default();
        let label = label.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        let information = self.system_value(VOLUME, AttributeKind::VOLUME_INFORMATION)?;
        let Some(Value::Resident(information)) = information else { return Err(damaged("the information")) };
        let byte = |at: usize| information.get(at).copied().ok_or_else(|| damaged("the information"));
        let version = (byte(8)?, byte(9)?);
        let is_dirty = u16::from_le_bytes([byte(10)?, byte(11)?]) & IS_DIRTY != 0;
        Ok(VolumeState { label, serial: self.geometry().serial, version, is_dirty, log: self.log_state()? })
    }

    /// Reads both restart pages of `$LogFile`, and trusts the newer one.
    fn log_state(&self) -> Result<LogState, Error> {
        let value = self.system_value(LOG_FILE, AttributeKind::DATA)?;
        let Some(Value::NonResident(log)) = value else { return Ok(LogState::Unknown) };
        let mut newest = None;
        for start in [0, PAGE as u64] {
            let mut page = vec![0; PAGE];
            if log.size < start + PAGE as u64 {
                return Ok(LogState::Unknown);
            }
            log.read(&mut page, start)?;
            newest = newest.max(restart_page(&mut page));
        }
        Ok(newest.map_or(
            LogState::Unknown,
            |(_, is_clean)| if is_clean { LogState::Clean } else { LogState::InUse },
        ))
    }
}

/// The most bytes that the label of a volume may have: 128 units.
const MAX_LABEL: u64 = 256;

/// The size of a restart page.
const PAGE: usize = 4096;

/// The sequence number of a restart page, and whether it says that the volume was closed properly.
/// `None`: it is not such a page, or it is torn.
fn restart_page(page: &mut [u8]) -> Option<(u64, bool)> {
    // mkntfs and ntfsfix empty the log, and chkdsk marks it.
    if page.iter().all(|byte| *byte == 0xFF) {
        return Some((0, true));
    }
    let is_checked = page.starts_with(b"CHKD");
    if !is_checked && !page.starts_with(b"RSTR") {
        return None;
    }
    // A log of another page size has a restart page of that size.
    if u32_le(page, 16)? as usize != PAGE {
        return None;
    }
    fixups::apply(page).ok()?;
    let area = page.get(usize::from(u16_le(page, 24)?)..)?;
    let sequence = u64_le(area, 0)?;
    let has_no_client = u16_le(area, 12)? == u16::MAX;
    let flags = u16_le(area, 14)?;
    Some((sequence, is_checked || has_no_client || flags & RESTART_IS_CLEAN != 0))
}

/// The restart area of a volume that was closed properly (`RESTART_VOLUME_IS_CLEAN`).
const RESTART_IS_CLEAN: u16 = 0x0002;
