//! Progress without a terminal: a plain line now and then.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::lock::lock;
use crate::verify::{Observer, PickRecord};
use crate::words;

use super::{Tally, verdict_line};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(30);

/// Writes lines, when something happens and a line is due: a run that makes no progress writes
/// none.
pub(super) struct Plain {
    out: Mutex<Box<dyn Write + Send>>,
    interval: Duration,
    begun: Instant,
    /// Milliseconds after `begun` at which the next line is due.
    due: AtomicU64,
    listed: AtomicU64,
    /// Milliseconds after `begun` at which verifying began.
    verify_began: AtomicU64,
    /// How many picks there are; `u64::MAX` if that is unknown.
    picks: AtomicU64,
    tally: Tally,
    verbose: u8,
}

impl Plain {
    pub(super) fn new(out: Box<dyn Write + Send>, verbose: u8) -> Self {
        Self::every(INTERVAL, out, verbose)
    }

    fn every(interval: Duration, out: Box<dyn Write + Send>, verbose: u8) -> Self {
        Self {
            out: Mutex::new(out),
            interval,
            begun: Instant::now(),
            due: AtomicU64::new(millis(interval)),
            listed: AtomicU64::new(0),
            verify_began: AtomicU64::new(0),
            picks: AtomicU64::new(u64::MAX),
            tally: Tally::default(),
            verbose,
        }
    }

    fn now(&self) -> u64 {
        millis(self.begun.elapsed())
    }

    /// Whether a line is due; true for one caller only.
    fn is_due(&self) -> bool {
        let (now, due) = (self.now(), self.due.load(Ordering::Relaxed));
        let next = now + millis(self.interval);
        now >= due && self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn write(&self, text: &str) {
        write_line(&mut **lock(&self.out), text);
    }

    fn verify_line(&self) -> String {
        let tally = &self.tally;
        let mut text = format!("verified {}", words::count(tally.files()));
        let picks = self.picks.load(Ordering::Relaxed);
        if picks != u64::MAX {
            text.push_str(&format!(" of {}", words::count(picks)));
        }
        let noun = if picks == u64::MAX && tally.files() == 1 { "file" } else { "files" };
        text.push_str(&format!(" {noun}, {}", words::bytes(tally.bytes())));
        let since = self.now().saturating_sub(self.verify_began.load(Ordering::Relaxed));
        if let Some(rate) = words::rate(tally.bytes(), Duration::from_millis(since)) {
            text.push_str(&format!(", {}/s", words::bytes(rate)));
        }
        if let Some(left) = time_left(tally.files(), picks, Duration::from_millis(since)) {
            text.push_str(&format!(", about {} left", words::duration(left)));
        }
        format!("{text}, {}", tally.failures())
    }
}

impl Observer for Plain {
    fn cataloged(&self, files: u64) {
        let listed = self.listed.fetch_add(files, Ordering::Relaxed) + files;
        if self.is_due() {
            self.write(&format!("listed {} so far", words::counted(listed, "file")));
        }
    }

    fn verify_starts(&self, picks: Option<u64>) {
        self.picks.store(picks.unwrap_or(u64::MAX), Ordering::Relaxed);
        self.verify_began.store(self.now(), Ordering::Relaxed);
    }

    fn wants_total(&self) -> bool {
        true
    }

    fn expects(&self, picks: u64) {
        self.picks.store(picks, Ordering::Relaxed);
    }

    fn judged(&self, pick: &PickRecord) {
        self.tally.add(pick);
        if self.verbose > 0 {
            self.write(&verdict_line(pick, self.verbose));
        }
        if self.is_due() {
            self.write(&self.verify_line());
        }
    }

    fn warn(&self, text: &str) {
        self.write(&format!("warning: {text}"));
    }
}

/// How long the rest takes at the rate of what is done, of a known number of picks.
fn time_left(done: u64, picks: u64, since: Duration) -> Option<Duration> {
    let left = picks.checked_sub(done).filter(|_| picks != u64::MAX && done > 0)?;
    let nanos = since.as_nanos() * u128::from(left) / u128::from(done);
    // Seconds are precise enough.
    Some(Duration::from_secs(u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX)))
}

/// Writes a line in one piece; a reader that has gone away is no reason to end.
pub(super) fn write_line(out: &mut dyn Write, text: &str) {
    let _ = out.write_all(format!("{text}\n").as_bytes());
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::super::pick;
    use super::*;
    use crate::verify::outcome::Population;
    use crate::verify::verdict::Verdict;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(interval: Duration, verbose: u8) -> Vec<String> {
        let shared = Shared::default();
        let plain = Plain::every(interval, Box::new(shared.clone()), verbose);
        plain.cataloged(1_200);
        plain.catalog_done(&Population::default());
        plain.verify_starts(Some(2));
        plain.judged(&pick(Verdict::Verified, 1 << 20, b"a\x1bb"));
        plain.judged(&pick(Verdict::Corrupt, 1 << 20, b"c"));
        plain.warn("the disk is slow");
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_short_run_shows_its_warnings_alone() {
        assert_eq!(lines_of(INTERVAL, 0), ["warning: the disk is slow"]);
    }

    #[test]
    fn a_long_run_shows_how_far_it_is() {
        let lines = lines_of(Duration::ZERO, 0);
        assert_eq!(lines[0], "listed 1,200 files so far");
        assert!(lines[1].starts_with("verified 1 of 2 files, 1.00 MiB") && lines[1].ends_with(", none bad"));
        assert!(lines[2].starts_with("verified 2 of 2 files, 2.00 MiB") && lines[2].ends_with(", 1 BAD"));
    }

    #[test]
    fn the_time_left_is_told_once_the_total_is_known() {
        let minute = Duration::from_secs(60);
        assert_eq!(time_left(100, 300, minute), Some(Duration::from_secs(120)));
        assert_eq!(time_left(0, 300, minute), None);
        assert_eq!(time_left(100, u64::MAX, minute), None);
        assert_eq!(time_left(301, 300, minute), None);
        let shared = Shared::default();
        let plain = Plain::every(Duration::ZERO, Box::new(shared.clone()), 0);
        plain.verify_starts(None);
        plain.judged(&pick(Verdict::Verified, 1, b"a"));
        plain.expects(9);
        plain.judged(&pick(Verdict::Verified, 1, b"b"));
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[0].starts_with("verified 1 files") || lines[0].starts_with("verified 1 file,"),
            "{text}"
        );
        assert!(!lines[0].contains("left") && lines[1].starts_with("verified 2 of 9 files"), "{text}");
        assert!(lines[1].contains(" left, none bad"), "{text}");
    }

    #[test]
    fn very_verbose_shows_sizes() {
        assert_eq!(verdict_line(&pick(Verdict::Verified, 1 << 20, b"a"), 2), "verified         a  1.00 MiB");
    }

    #[test]
    fn verbose_shows_every_verdict_and_escapes_names() {
        let lines = lines_of(INTERVAL, 1);
        assert_eq!(lines[..2], ["verified         a\\x1bb", "corrupt          c"]);
    }

    #[test]
    fn of_many_threads_one_writes_the_line() {
        let shared = Shared::default();
        let plain = Plain::every(Duration::from_millis(1), Box::new(shared.clone()), 0);
        std::thread::sleep(Duration::from_millis(5));
        let plain = Plain { interval: INTERVAL, ..plain };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1_000).for_each(|_| plain.judged(&pick(Verdict::Verified, 1, b"x"))));
            }
        });
        assert_eq!(shared.0.lock().unwrap().iter().filter(|&&byte| byte == b'\n').count(), 1);
        assert_eq!(plain.tally.files(), 8_000);
    }
}
