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
//! - [`manual`]: the pages that `bkverify help` prints, and that become man pages.
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
//! Designs that look right at first and were rejected are in the manual: `src/manual/design.md`, or
//! `bkverify help design`.

use std::ffi::OsString;

pub mod backup;
pub mod bench;
pub mod checklist;
pub mod cli;
pub mod exit;
pub mod facts;
pub mod manual;
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
