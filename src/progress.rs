//! What a person sees during a run, on standard error: bars on a terminal, a line every half minute
//! where there is none (so that a log shows life and a short run stays silent), or nothing.
//!
//! In: the news of [`Observer`], from many threads. Out: text whose names are escaped. It counts by
//! atomics; nothing is allocated per file unless every verdict is to be shown. It never writes to
//! standard output, and never fails: a run must not end because nobody reads its progress.

mod bars;
mod hashing;
mod plain;
mod waiting;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::backup::escape;
use crate::plan::Terminal;
use crate::verify::{Observer, PickRecord, Silent};
use crate::words;

pub use hashing::HashingProgress;
pub use waiting::Waiting;

/// What shows the progress of a run as the plan says.
pub fn for_plan(terminal: &Terminal) -> Box<dyn Observer> {
    let verbose = terminal.verbose;
    if terminal.quiet {
        Box::new(Silent)
    } else if terminal.bars {
        Box::new(bars::Bars::new(verbose))
    } else {
        Box::new(plain::Plain::new(Box::new(std::io::stderr()), verbose))
    }
}

/// What was judged so far.
#[derive(Debug, Default)]
struct Tally {
    files: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
}

impl Tally {
    /// Notes one more; true where it is a failure.
    fn add(&self, pick: &PickRecord) -> bool {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(pick.restored_size.unwrap_or(0), Ordering::Relaxed);
        let failed = pick.verdict.is_alarm();
        if failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        failed
    }

    fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn failures(&self) -> String {
        let failures = self.failures.load(Ordering::Relaxed);
        if failures == 0 { "none bad".to_owned() } else { format!("{} BAD", words::count(failures)) }
    }
}

/// One judged file as a line; if it is to be very `verbose`, with the size of the restored copy and
/// its hash, and the original's hash where that is another.
fn verdict_line(pick: &PickRecord, verbose: u8) -> String {
    let mut line = format!("{:<16} {}", pick.verdict.word(), escape(&pick.path));
    if verbose < 2 {
        return line;
    }
    if let Some(size) = pick.restored_size {
        line.push_str(&format!("  {}", words::bytes(size)));
    }
    if let Some(hashes) = &pick.hashes {
        line.push_str(&format!("  {}", hashes.restored));
        if let Some(original) = hashes.original.filter(|_| hashes.differ()) {
            line.push_str(&format!("  original {original}"));
        }
    }
    line
}

#[cfg(test)]
fn pick(verdict: crate::verify::verdict::Verdict, bytes: u64, path: &[u8]) -> PickRecord {
    PickRecord { restored_size: Some(bytes), ..PickRecord::new(path, verdict) }
}
