//! bkverify proves that a backup restores: it picks random files from a backup, restores them to
//! another place, confirms that each is the same as the original by hashing both, and says exactly
//! what that proves about the whole backup.
//!
//! ```text
//! arguments + config ─▶ Plan ─▶ catalog ─▶ sample ─▶ restore ─▶ hash both ─▶ verdict ─▶ assurance ─▶ report
//! ```
//!
//! # Rooms
//! - [`cli`]: the only room that knows the command line, the configuration file and the
//!   environment. It makes a [`plan::Plan`], which is immutable and complete: no later stage asks
//!   for a setting, a terminal or the date.
//! - [`backup`]: formats behind one small trait. A format lists its entries as a stream, and
//!   restores the wanted ones below a scratch folder. It knows nothing of samples and verdicts.
//! - [`verify`]: the flow, a file a stage. The draw, the verdict, the assurance are pure; only
//!   `judge`, `hash` and `work` touch files and threads.
//! - [`mod@bench`]: what a verification costs on these disks: probes, a model, and a run that
//!   checks it.
//! - [`report`] and [`progress`]: what people and programs get to see.
//! - [`platform`]: the only room that asks which operating system this is.
//!
//! # What holds everywhere
//! 1. Originals and backups are opened read-only and never written. All writing happens below the
//!    restore folder and to the named report files.
//! 2. Doubt is never "verified": nothing counts but bytes that were restored, read back and found
//!    equal. Whether a pick is in the statement is decided by times, before its content is looked
//!    at ([`verify::comparable`]). What cannot be compared is replaced from the reserve; what stays
//!    undecided counts as bad in the statement; too much of either is no pass.
//! 3. One bad file hides no other: findings are data, and a run goes on.
//! 4. A run can be drawn again: seed, strategy, filters, number and digest of the population are in
//!    every report ([`verify::sample`] says how, byte by byte).
//! 5. Nothing restored outlives the run unless asked for; what a killed run left is recognised and
//!    removed by the next.
//! 6. Memory grows with the sample, not with the backup. (The first listing of a tar keeps 8 bytes
//!    for each entry until it ends, to find names that occur twice, and up to 16 for each link,
//!    device or pipe.)
//!
//! # Decisions that differ from the first sketch
//! - Restored files are not deleted one by one: a scratch file is emptied when its content is
//!   judged, and filled again with the next ([`backup::Scratch`] says what that saves).
//! - Formats do not use threads of their own to restore. They say how they can be reached
//!   ([`backup::Access`]), and the flow spreads the work: picks in small handfuls, everything as a
//!   stream fed by the listing, or one pass with judges beside it.
//! - A file that differs though its original looks *older* than the backup's record is settled by
//!   the original's change time: [`verify::comparable`] says why. If that is later, nobody can tell
//!   whose fault it is: the pick stays undecided, and as it could be compared by its modification
//!   time, it counts as bad in the statement.
//! - What has no room in the restore folder is not left out of the statement, though it proves
//!   nothing: rot can make up a size.
//! - Once every file of the population was looked at, a run is not incomplete because some
//!   originals had changed: there is nothing left to draw. It passes if no larger share than
//!   `--max-undecided` proved nothing.
//! - Nothing is mapped into memory, though restored copies could be. A large file is hashed by all
//!   threads that are free, in segments that are subtrees of BLAKE3's own tree (`verify::hash`): as
//!   quick as mapping on ext4, half as long on tmpfs, for originals too, and a disk that fails is
//!   an error, not the end of the process. `benches/hash.rs` measures both, which is what `memmap2`
//!   is here for.
//! - A member of 10 GiB whose original has 260 bytes is restored in full all the same: that it can
//!   be restored is what is asked, and its own checksum stands at its end. Only hashing it ends
//!   early.
//! - Picks go by rank, not by size with the largest first, though that would even out the end: so a
//!   run that ends early has seen a random sample, and makes a statement. The end is evened out
//!   otherwise: a large original is read while its copy is restored, and both are hashed by all
//!   threads. Only where a disk spins does the order of the disk come first
//!   ([`plan::Plan::in_place_order`]).
//! - Archives are read by small readers of our own over `tar`'s and `rawzip`'s header parsers: one
//!   that lists a million entries in constant memory, goes on behind damage and never trusts a
//!   declared size was not to be had.

use std::ffi::OsString;

pub mod backup;
pub mod bench;
pub mod checklist;
pub mod cli;
pub mod exit;
pub mod facts;
mod lock;
pub mod output;
pub mod plan;
pub mod platform;
pub mod progress;
pub mod report;
pub mod stop;
mod threads;
pub mod verify;
pub mod words;

/// Does what the arguments say; the first is the program's name.
pub fn run(arguments: impl Iterator<Item = OsString>) -> exit::ExitCode {
    cli::run(arguments)
}
