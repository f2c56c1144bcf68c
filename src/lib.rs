//! bkverify proves that a backup restores: it picks random files from a backup, restores them to
//! another place, confirms that each is the same as the original by hashing both, and says exactly
//! what that proves about the whole backup.
//!
//! ```text
//! arguments + config ─▶ Plan ─▶ catalog ─▶ sample ─▶ restore ─▶ hash both ─▶ verdict ─▶ assurance ─▶ report
//! ```
//!
//! # The house
//! ```text
//!                                cli
//!                 ┌──────────┬────┴─────┬───────────┐
//!             checklist    bench     report     progress
//!                 └──────────┴────┬─────┴───────────┘
//!                              verify
//!                                 │
//!                               plan
//!                                 │
//!                              backup
//!                                 │
//!            words, facts, manual, output, threads, lock, cancel, exit
//!                                 │
//!                             platform
//! ```
//!
//! Nobody knows a room above its own. `tests/it/house.rs` compares this table with what the files
//! import.
//!
//! | room | what it is | which rooms it knows |
//! |---|---|---|
//! | `lock` | locking, without the question of poison | |
//! | `cancel` | the cancellation token: the request to end a run | |
//! | `exit` | the exit codes | |
//! | `threads` | threads, as many as can be had | |
//! | `platform` | the only room that asks which operating system this is | |
//! | `words` | numbers, sizes, times and lists in English | `platform` |
//! | `manual` | the pages that `bkverify help` prints, also made into man pages | |
//! | `output` | standard output, or a file that is replaced as a whole | `platform` |
//! | `facts` | what another machine needs to know of this one | |
//! | `backup` | formats behind one small trait | `cancel`, `lock`, `platform`, `threads`, `words` |
//! | `plan` | what a run will do: immutable and complete | `backup`, `output`, `platform` |
//! | `verify` | the flow, a file a stage | `backup`, `cancel`, `exit`, `plan`, `platform`, `threads`, `words` |
//! | `progress` | what a person sees while a run goes on | `backup`, `plan`, `verify`, `words` |
//! | `report` | what people and programs are told afterwards | `backup`, `exit`, `output`, `plan`, `platform`, `verify`, `words` |
//! | `bench` | what a verification costs on these disks | `backup`, `cancel`, `exit`, `plan`, `platform`, `threads`, `verify`, `words` |
//! | `checklist` | the other steps before a migration, a check a file | `backup`, `cancel`, `exit`, `facts`, `output`, `plan`, `platform`, `report`, `verify`, `words` |
//! | `cli` | the only room that knows the command line, the configuration file and the environment | `backup`, `bench`, `cancel`, `checklist`, `exit`, `facts`, `manual`, `output`, `plan`, `platform`, `progress`, `report`, `threads`, `verify`, `words` |
//!
//! The draw ([`verify::sample`]), the verdict ([`verify::verdict`]), the statement
//! ([`verify::assurance`]) and the outcome ([`verify::conclude`]) are pure functions; a table, a
//! simulation or a recomputation holds each. `bkverify help contributing` lists
//! the files that a change touches.
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
pub mod cancel;
pub mod checklist;
pub mod cli;
pub mod exit;
pub mod facts;
mod lock;
pub mod manual;
pub mod output;
pub mod plan;
pub mod platform;
pub mod progress;
pub mod report;
mod threads;
pub mod verify;
pub mod words;

/// Does what the arguments say; the first is the program's name.
pub fn run(arguments: impl Iterator<Item = OsString>) -> exit::ExitCode {
    cli::run(arguments)
}
