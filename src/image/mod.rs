//! Disk images: virtual disks, the partitions in them, and the NTFS volumes in those.
//!
//! In: the bytes of an image file ([`ReadAt`](crate::bytes::ReadAt)). Out: the files of its
//! volumes, as a stream of entries, and their content. Nothing is mounted, nothing is written, and
//! no administrator's rights are needed. The layers know only the one below them:
//!
//! ```text
//! file ─▶ container (VHD, VHDX, raw) ─▶ partitions (GPT, MBR, none) ─▶ ntfs (records, streams, catalog)
//! ```
//!
//! Everything in an image is untrusted. A length, an offset or a count is checked before anything
//! is read or allocated by it. What contradicts the format is an error or a damage line, and never
//! zeros: whoever reads a wrong byte without an error would take a bad backup for a good one.

pub mod container;
mod error;
mod fields;
mod file_system;
mod guid;
pub mod ntfs;
pub mod partition;

pub use error::Error;
pub use file_system::FileSystem;
pub use guid::Guid;
