//! Runs checks in parallel, each with its own time limit, so that a check that hangs does not block
//! the others.
//!
//! In: checks, a machine, and a callback that watches. Out: what each check found, in the order
//! that was asked for. A check that does not return in time or that panics is could-not-check. Its
//! thread is left behind, and the findings of the others stand.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::check::Check;
use super::findings::{Checked, Finding};
use super::machine::{Machine, Visit};
use super::ticks::{self, Ticks};

/// Extra time that a check gets beyond its limit, to end its programs and say so.
const GRACE: Duration = Duration::from_secs(2);

/// A check that was started.
struct Started {
    check: &'static Check,
    at: Instant,
    limit: Duration,
    /// What it found, and after which time; set once it has ended or was given up.
    ended: Option<(Vec<Finding>, Duration)>,
}

/// Runs `checks` in parallel. `timeout` replaces each check's own patience. Steps that a person has
/// ticked off count as done. `watch` gets the names of the running checks each time that they
/// change.
pub fn run(
    checks: &[&'static Check],
    machine: &Arc<Machine>,
    timeout: Option<Duration>,
    ticks: &Ticks,
    watch: &mut dyn FnMut(&[&str]),
) -> Vec<Checked> {
    let (sender, ends) = mpsc::channel();
    let mut all: Vec<Started> = Vec::new();
    for (number, &check) in checks.iter().enumerate() {
        all.push(start(number, check, machine, timeout, &sender));
    }
    loop {
        let waiting = all.iter().filter(|started| started.ended.is_none());
        let Some(next) = waiting.clone().map(Started::end).min() else { break };
        watch(&waiting.map(|started| started.check.name).collect::<Vec<_>>());
        match ends.recv_timeout(next.saturating_duration_since(Instant::now())) {
            // A check that was given up stays given up, even if it returns now.
            Ok((number, ended)) => {
                all[number].ended.get_or_insert(ended);
            }
            Err(_) => {
                let now = Instant::now();
                for late in all.iter_mut().filter(|started| started.ended.is_none() && started.end() <= now) {
                    let problem = format!("no answer within {} s", late.limit.as_secs_f64());
                    let finding = Finding::could_not_check(late.check.title, problem);
                    late.ended =
                        Some((vec![finding.fix("Allow more time with --timeout.")], late.at.elapsed()));
                }
            }
        }
    }
    let now = machine.settings.now;
    let finish = |started: Started| {
        let mut checked = finish(started);
        ticks::apply(&mut checked, ticks, now);
        checked
    };
    all.into_iter().map(finish).collect()
}

impl Started {
    /// When the check is given up.
    fn end(&self) -> Instant {
        self.at + self.limit + GRACE
    }
}

fn start(
    number: usize,
    check: &'static Check,
    machine: &Arc<Machine>,
    timeout: Option<Duration>,
    sender: &Sender<(usize, (Vec<Finding>, Duration))>,
) -> Started {
    let limit = timeout.unwrap_or(check.patience);
    let at = Instant::now();
    let (machine, to) = (Arc::clone(machine), sender.clone());
    let work = move || {
        let look = AssertUnwindSafe(|| check.run(&Visit::new(&machine, at + limit)));
        let broke =
            |_| vec![Finding::could_not_check(check.title, "the check itself broke; please report this")];
        let findings = catch_unwind(look).unwrap_or_else(broke);
        // If the limit has passed, nobody is receiving any more.
        let _ = to.send((number, (findings, at.elapsed())));
    };
    if thread::Builder::new().name(check.name.to_owned()).spawn(work.clone()).is_err() {
        // If no thread can be started, the checks run one after the other.
        work();
    }
    Started { check, at, limit, ended: None }
}

fn finish(started: Started) -> Checked {
    let Started { check, at, ended, .. } = started;
    let (mut findings, took) = ended.unwrap_or_else(|| (Vec::new(), at.elapsed()));
    if findings.is_empty() {
        findings.push(Finding::could_not_check(check.title, "the check reported nothing"));
    }
    // The worst findings first, otherwise in the order in which they were found.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.status));
    let seconds = took.as_secs_f64();
    Checked { name: check.name, title: check.title, asks: check.asks, findings, seconds }
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::recorded;
    use super::super::{Os, Status};
    use super::*;

    const fn fake(name: &'static str, look: fn(&Visit<'_>) -> Vec<Finding>) -> Check {
        let patience = Duration::from_secs(30);
        Check { name, title: name, asks: "", steps: &[], patience, linux: look, windows: look }
    }

    #[test]
    fn a_check_that_hangs_or_panics_does_not_block_the_others() {
        static HUNG: Check = fake("hung", |_| {
            thread::sleep(Duration::from_secs(30));
            Vec::new()
        });
        static BROKEN: Check = fake("broken", |_| panic!("as planned"));
        static SILENT: Check = fake("silent", |_| Vec::new());
        static GOOD: Check = fake("good", |_| vec![Finding::pass("fine")]);
        let made = recorded(Os::Linux, &[]);
        let machine = Arc::new(made.machine);
        let started = Instant::now();
        let limit = Some(Duration::from_millis(100));
        let mut seen: Vec<String> = Vec::new();
        let watch = &mut |names: &[&str]| seen.push(names.join(" "));
        let checked = run(&[&HUNG, &BROKEN, &SILENT, &GOOD], &machine, limit, &Ticks::default(), watch);
        assert!(started.elapsed() < Duration::from_secs(10));
        let statuses: Vec<_> = checked.iter().map(|check| (check.name, check.status())).collect();
        let unknown = Status::CouldNotCheck;
        let expected = [("hung", unknown), ("broken", unknown), ("silent", unknown), ("good", Status::Pass)];
        assert_eq!(statuses, expected);
        // At first all checks were running, and at last only the one that hangs.
        assert_eq!(seen.first().map(String::as_str), Some("hung broken silent good"));
        assert_eq!(seen.last().map(String::as_str), Some("hung"));
    }
}
