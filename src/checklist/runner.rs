//! Runs checks side by side, each under its own time limit, so that a hung one holds nothing up.
//!
//! In: checks and a machine. Out: what each found, in the order asked for. A check that does not
//! come back, or breaks, is could-not-check; its thread is left behind and the others' findings
//! stand.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::check::Check;
use super::findings::{Checked, Finding};
use super::machine::{Machine, Visit};
use super::ticks::{self, Ticks};

/// What a check gets beyond its limit to end its programs and say so.
const GRACE: Duration = Duration::from_secs(2);

struct Running {
    check: &'static Check,
    started: Instant,
    limit: Duration,
    result: Receiver<(Vec<Finding>, Duration)>,
}

/// Runs `checks` at the same time. `timeout` replaces each check's own patience. Steps that a
/// person has ticked off count as done.
pub fn run(
    checks: &[&'static Check],
    machine: &Arc<Machine>,
    timeout: Option<Duration>,
    ticks: &Ticks,
) -> Vec<Checked> {
    let running: Vec<Running> = checks.iter().map(|&check| start(check, machine, timeout)).collect();
    let now = machine.settings.now;
    let finish = |running: Running| {
        let mut checked = finish(&running);
        ticks::apply(&mut checked, ticks, now);
        checked
    };
    running.into_iter().map(finish).collect()
}

fn start(check: &'static Check, machine: &Arc<Machine>, timeout: Option<Duration>) -> Running {
    let limit = timeout.unwrap_or_else(|| check.patience);
    let started = Instant::now();
    let (sender, result) = mpsc::channel();
    let machine = Arc::clone(machine);
    let work = move || {
        let findings = check.run(&Visit::new(&machine, started + limit));
        // Nobody listens any more where the limit has passed.
        let _ = sender.send((findings, started.elapsed()));
    };
    if thread::Builder::new().name(check.name.to_owned()).spawn(work.clone()).is_err() {
        // Where no thread can be had, one check comes after the other.
        work();
    }
    Running { check, started, limit, result }
}

fn finish(running: &Running) -> Checked {
    let Running { check, started, limit, result } = running;
    let left = (*started + *limit + GRACE).saturating_duration_since(Instant::now());
    let (mut findings, took) = result.recv_timeout(left).unwrap_or_else(|error| {
        let problem = match error {
            RecvTimeoutError::Timeout => format!("no answer within {} s", limit.as_secs_f64()),
            RecvTimeoutError::Disconnected => "the check itself broke; please report this".to_owned(),
        };
        let finding = Finding::could_not_check(check.title, problem).mend("Give it longer with --timeout.");
        (vec![finding], started.elapsed())
    });
    if findings.is_empty() {
        findings.push(Finding::could_not_check(check.title, "nothing was found out"));
    }
    // The worst first; otherwise as found.
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
        Check { name, title: name, asks: "", patience, linux: look, windows: look }
    }

    #[test]
    fn a_hung_and_a_broken_check_hold_nothing_up() {
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
        let checked = run(&[&HUNG, &BROKEN, &SILENT, &GOOD], &machine, limit, &Ticks::default());
        assert!(started.elapsed() < Duration::from_secs(10));
        let statuses: Vec<_> = checked.iter().map(|check| (check.name, check.status())).collect();
        let unknown = Status::CouldNotCheck;
        let expected = [("hung", unknown), ("broken", unknown), ("silent", unknown), ("good", Status::Pass)];
        assert_eq!(statuses, expected);
    }
}
