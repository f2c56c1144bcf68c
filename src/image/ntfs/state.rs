//! Whether a volume was closed properly.
//!
//! In: the files `$Volume` and `$LogFile`. Out: a [`VolumeState`]. The fields are those of the
//! linux-ntfs documentation, files `$Volume` and `$LogFile`. The log is not replayed: a change of
//! records or folders that stood only in the log when the image was made is missing from the
//! listing, or is there in half. The content of files is never in the log.

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

/// Whether a volume was closed properly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeState {
    /// Whether Windows wants to check the volume before it is used: it has found damage itself.
    pub is_dirty: bool,
    /// Whether all changes of records and folders are in their places.
    pub log: LogState,
}

/// Whether all changes of records and folders were in their places when the image was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogState {
    /// The volume was closed properly, or its log is empty.
    Clean,
    /// The volume was in use. In a copy of a running computer's disk, changes may stand only in the
    /// log. In a shadow copy, and so in a Windows image backup, none do: Windows writes all of them
    /// to their places first. But the log looks the same.
    InUse,
    /// The log is not one that is known here, or is damaged.
    Unknown,
}

impl Volume {
    /// Whether the volume was closed properly. This reads two records and two pages.
    pub fn state(&self) -> Result<VolumeState, Error> {
        let information = self.system_value(VOLUME, AttributeKind::VOLUME_INFORMATION)?;
        let flags = match &information {
            Some(Value::Resident(information)) => u16_le(information, 10),
            _ => None,
        };
        let flags = flags.ok_or_else(|| {
            Error::Damaged(format!("MFT record {VOLUME}: the information of the volume is damaged"))
        })?;
        Ok(VolumeState { is_dirty: flags & IS_DIRTY != 0, log: self.log_state()? })
    }

    /// Reads both restart pages of `$LogFile`, and trusts the newer one. If both are as new, the
    /// log is clean only if both say so.
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
        Ok(match newest {
            None => LogState::Unknown,
            Some((_, is_in_use)) if is_in_use => LogState::InUse,
            Some(_) => LogState::Clean,
        })
    }
}

/// The size of a restart page.
const PAGE: usize = 4096;

/// The sequence number of a restart page, and whether it says that the volume was in use. `None`:
/// it is not such a page, or it is torn.
fn restart_page(page: &mut [u8]) -> Option<(u64, bool)> {
    // mkntfs and ntfsfix empty the log, and chkdsk marks it.
    if page.iter().all(|byte| *byte == 0xFF) {
        return Some((0, false));
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
    Some((sequence, !(is_checked || has_no_client || flags & RESTART_IS_CLEAN != 0)))
}

/// The restart area of a volume that was closed properly (`RESTART_VOLUME_IS_CLEAN`).
const RESTART_IS_CLEAN: u16 = 0x0002;
