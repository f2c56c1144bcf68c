//! bkverify proves that a backup restores. It selects random files from a backup, restores them to
//! another place, and hashes each copy and its original to confirm that they are the same. Then it
//! states exactly what that proves about the whole backup.
//!
//! ```text
//! arguments + config ─▶ Plan ─▶ catalog ─▶ sample ─▶ restore ─▶ hash both ─▶ verdict ─▶ assurance ─▶ report
//! ```
//!
//! # The house
//! ```text
//!                                     cli
//!       ┌───────────┬───────────┬──────────┼───────────┬───────────┬───────────┐
//!   checklist     bench      ledger     progress   manifest     notify       hooks
//!       │           │           │          │           │           │           │
//!       │           │        history       │           │           │           │
//!       │           │           └──────────┼───────────┼─── report ┴───────────┘
//!       └───────────┴──────────────────────┼───────────┘       │
//!                                       verify ◀───────────────┘
//!                                          │
//!                                         plan
//!                                          │
//!                                        backup
//!                                          │
//!                                        image
//!                                          │
//!      schedule, words, facts, manual, output, program, secret, threads, http, bytes, lock, cancel, exit
//!                                          │
//!                                       platform
//! ```
//!
//! No room knows a room above it. `tests/it/house.rs` compares this table with what the files
//! import.
//!
//! | room | what it is | which rooms it knows |
//! |---|---|---|
//! | `lock` | locks that ignore poisoning | |
//! | `cancel` | the cancellation token: the request to end a run | |
//! | `exit` | the exit codes | |
//! | `threads` | starts threads, as many as the system allows | |
//! | `http` | how servers are talked to: what every request has in common | |
//! | `platform` | the only room that depends on the operating system | |
//! | `bytes` | the bytes of a container, wherever they are stored | `platform` |
//! | `image` | reads disk images: virtual disks, partitions, NTFS | `bytes`, `platform` |
//! | `words` | numbers, sizes, times and lists in English | `platform` |
//! | `manual` | the pages that `bkverify help` prints, also made into man pages | |
//! | `output` | standard output, or a file that is replaced as a whole | `platform` |
//! | `program` | runs programs with a deadline: the machine's own, and those that the user names | `cancel`, `lock`, `platform` |
//! | `secret` | passwords and tokens, from a file, a variable or a program | `cancel`, `platform`, `program` |
//! | `facts` | what another machine needs to know about this one | |
//! | `backup` | formats behind one small trait | `bytes`, `cancel`, `http`, `image`, `lock`, `platform`, `program`, `secret`, `threads`, `words` |
//! | `plan` | what a run will do: immutable and complete | `backup`, `output`, `platform`, `program`, `secret` |
//! | `verify` | the flow, with one file per stage | `backup`, `cancel`, `exit`, `lock`, `plan`, `platform`, `threads`, `words` |
//! | `progress` | what a person sees during a run | `backup`, `lock`, `plan`, `verify`, `words` |
//! | `report` | what people and programs are told after a run | `backup`, `exit`, `output`, `plan`, `platform`, `verify`, `words` |
//! | `manifest` | lists of the hashes of originals: reads and writes them | `backup`, `cancel`, `exit`, `lock`, `plan`, `platform`, `threads`, `verify`, `words` |
//! | `history` | what is asked about earlier runs, and how the answers look | `backup`, `exit`, `plan`, `report`, `verify`, `words` |
//! | `ledger` | what every run found and what is known of every file, in one SQLite file | `backup`, `exit`, `history`, `lock`, `plan`, `platform`, `report`, `verify`, `words` |
//! | `notify` | tells people and programs how a run ended | `cancel`, `exit`, `http`, `plan`, `program`, `report`, `secret`, `words` |
//! | `hooks` | programs that run before and after a run | `cancel`, `exit`, `output`, `plan`, `program`, `report`, `words` |
//! | `bench` | what a verification costs on these disks | `backup`, `cancel`, `exit`, `lock`, `output`, `plan`, `platform`, `threads`, `verify`, `words` |
//! | `checklist` | the other steps before a migration, each in a file or a folder | `backup`, `cancel`, `exit`, `facts`, `lock`, `output`, `plan`, `platform`, `program`, `report`, `verify`, `words` |
//! | `schedule` | what has a scheduler of the machine run a job, and tells whether it did | `exit`, `output`, `program` |
//! | `cli` | the only room that knows the command line, the configuration file and the environment | `backup`, `bench`, `cancel`, `checklist`, `exit`, `facts`, `history`, `hooks`, `ledger`, `lock`, `manifest`, `manual`, `notify`, `output`, `plan`, `platform`, `program`, `progress`, `report`, `schedule`, `secret`, `threads`, `verify`, `words` |
//!
//! The draw ([`verify::sample`]), the verdict ([`verify::verdict`]), the statement
//! ([`verify::assurance`]) and the outcome ([`verify::conclude`]) are pure functions. Each is
//! tested against a table, a simulation or an independent computation. `bkverify help contributing`
//! lists the files that a change touches.
//!
//! # What holds everywhere
//! 1. Originals and backups are opened read-only and never written. A run writes below the restore
//!    folder, into the state folder, and to the reports and metrics that it was given a file for.
//!    Apart from that, a command writes what it was asked for: a configuration, a manifest, an
//!    export, or the units, crontab or task of a scheduler. What borg stores about a repository
//!    goes to the restore folder, or to the system's folder for temporary files if a command has
//!    none. One exception: in a repository on a server, borg takes its own lock.
//! 2. Doubt is never "verified". Only bytes that were restored, read back and found equal count.
//!    Times decide whether a pick is in the statement, before its content is read
//!    ([`verify::comparable`]). A pick that cannot be compared is replaced from the reserve. A pick
//!    that stays undecided counts as bad in the statement. With too many of either, a run does not
//!    pass.
//! 3. One bad file does not hide another: findings are data, and a run goes on.
//! 4. A sample can be drawn again: seed, strategy, filters, and the number and digest of the
//!    population are in every report ([`verify::sample`] says how, byte by byte).
//! 5. Nothing that was restored outlives the run, unless a person asks for it. The next run
//!    recognises and removes what a killed run left.
//! 6. Memory grows with the sample, not with the backup. There are seven exceptions. The first
//!    listing of a tar, of a borg archive and of what a command lists keeps 8 bytes for each entry
//!    until it ends, to find names that occur twice; that of a tar also up to 16 for each link,
//!    device or pipe. What a program has listed is kept until the run ends: 10 to 20 bytes for each
//!    file, and at most 32 MiB. The strategy `coverage` keeps 4 MiB and 6 bytes for each file that
//!    the ledger remembers. A run that is resumed keeps 32 bytes for each file that it has judged.
//!    Listing a disk image keeps the name and 46 bytes for each file of one volume at a time. The
//!    index of a restic repository takes about 50 bytes for each piece, which is a small file or
//!    about 1 MiB of a large one, and a pick 32 bytes for each of its pieces. A run over several of
//!    its snapshots takes up to 80 bytes for each version of a file.
//!
//! Designs that look right at first but were rejected are in the manual: `src/manual/design.md`, or
//! `bkverify help design`.

use std::ffi::OsString;

pub mod backup;
pub mod bench;
pub mod bytes;
pub mod cancel;
pub mod checklist;
#[expect(clippy::disallowed_methods, reason = "the one room that reads the environment")]
pub mod cli;
pub mod exit;
pub mod facts;
pub mod history;
pub mod hooks;
mod http;
pub mod image;
pub mod ledger;
mod lock;
pub mod manifest;
pub mod manual;
pub mod notify;
pub mod output;
pub mod plan;
pub mod platform;
pub mod program;
pub mod progress;
pub mod report;
pub mod schedule;
pub mod secret;
mod threads;
pub mod verify;
pub mod words;

/// Runs the program with these arguments. The first one is the program's name.
pub fn run(arguments: impl Iterator<Item = OsString>) -> exit::ExitCode {
    cli::run(arguments)
}
