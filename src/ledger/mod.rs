//! The ledger: what every run found, and what is known of every file, in one SQLite file in the
//! state folder.
//!
//! In: the events of a run ([`Recorder`] is an observer) and its report. Out: what later runs ask
//! of the files ([`Known`], [`Judged`]), and what people ask (`ask`). All SQL of the program stays
//! in this room. [`schema`] describes the tables.
//!
//! A ledger that cannot be used never stops a verification and never changes its result. Each
//! failure becomes one [`Error`], which says what is wrong, where, and what to do next. A file that
//! is not a ledger, or one of a newer version, is never written to, and no ledger is ever replaced
//! or removed.

pub mod ask;
mod check;
mod error;
mod export;
mod judged;
mod known;
mod last;
mod left;
mod lock;
mod migrate;
mod open;
pub mod picks;
mod prune;
mod recorder;
mod resumed;
mod row;
mod run;
pub mod schema;
mod target;
mod times;
mod writer;

pub use check::{Checked, check};
pub use error::{Error, Problem};
pub use export::{ExportError, Exported, Form, export};
pub use judged::Judged;
pub use known::Known;
pub use last::{last_report, never_good, standing_alarms};
pub use left::have_left;
pub use lock::{Holder, Locked, RunLock};
pub use open::{FILE_NAME, Ledger, refuse_shared};
pub use prune::{Pruned, prune};
pub use recorder::{Recorder, Unrecorded};
pub use resumed::{Resumable, resumable};
pub use run::Start;
pub use target::fingerprint;

#[cfg(test)]
mod tests;
