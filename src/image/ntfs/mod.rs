//! NTFS volumes: records, files, and their content.
//!
//! In: the bytes of a partition. Out: a [`Volume`], whose files are read without mounting it.
//! Nothing is ever written. The layers, each of which knows only those before it:
//!
//! | module | what it is |
//! |---|---|
//! | [`boot`] | the sizes and places on the volume |
//! | [`fixups`] | the update sequence, which tells whether a write was torn |
//! | `reference` | references to files |
//! | [`attribute`], [`attribute_list`] | what a file consists of |
//! | [`record`] | the records of the $MFT |
//! | [`runs`], [`extents`] | which clusters hold a value |
//! | [`value`] | the value of an attribute, put together from its parts |
//! | `mft` | the $MFT itself |
//! | `file` | all attributes of a file |
//! | [`wof`] | the compression of Windows outside of NTFS |
//! | [`lznt1`] | the compression of NTFS |
//! | `wof_file` | files that are compressed in that way |
//! | [`stream`] | the bytes of a value, decompressed |
//! | [`reparse`] | where the content of a file is that other software has a say in |
//! | `content` | the streams of a file |
//! | [`volume`] | the whole |
//! | [`state`] | what the volume says about itself |
//! | [`catalog`] | all files of a volume |
//!
//! Microsoft has not published a specification of NTFS. What is written here follows the
//! linux-ntfs documentation (<https://flatcap.github.io/linux-ntfs/ntfs/>), and where Microsoft
//! documents a part, its documentation. Each module names the part that it follows.

pub mod attribute;
pub mod attribute_list;
pub mod boot;
pub mod catalog;
mod content;
pub mod extents;
pub mod file;
pub mod fixups;
pub mod lznt1;
mod mft;
pub mod record;
pub mod reference;
pub mod reparse;
pub mod runs;
pub mod state;
pub mod stream;
pub mod value;
pub mod volume;
pub mod wof;
mod wof_file;

#[cfg(test)]
mod tests;

pub use attribute::{Attribute, AttributeFlags, AttributeKind, Attributes, Body, Name, NonResident};
pub use boot::Geometry;
pub use file::File;
pub use record::Record;
pub use reference::FileReference;
pub use reparse::ReparsePoint;
pub use state::{LogState, VolumeState};
pub use stream::{Stream, StreamReader};
pub use value::{Clusters, Value};
pub use volume::{RecordBatch, Volume};
