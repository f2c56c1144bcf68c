//! Manifests: lists of the hashes of originals. One that was made before a backup tells what the
//! backup should hold, whatever happens to the originals later.
//!
//! Reading: a file in one of the forms of [`form`]. Out: a [`Manifest`], which answers by name. Its
//! size does not matter for memory: [`sort`] orders the hashes of all names in a private temporary
//! file of ours below the restore folder, and [`index`] looks names up in it. The user's file is
//! read once, from front to back.
//!
//! Writing: [`write`](mod@write) hashes originals in parallel.
//!
//! A manifest speaks for the time at which hashing began, because a file may be modified as soon as
//! it was hashed. That time is the modification time of a file that `bkverify manifest` wrote. A
//! file that a shell made (`b3sum ... > FILE`) was modified last when hashing ended, but it was
//! created when hashing began. So the earlier of both times counts.

mod error;
pub mod form;
pub mod index;
mod name;
mod probe;
mod read;
pub mod sort;
pub mod write;

pub use error::Error;
pub use name::clean;
pub use read::{Manifest, looks_like};
