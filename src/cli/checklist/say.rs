//! What a person says about findings: `bkverify checklist done` and `bkverify checklist waive`.

use std::sync::Arc;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::super::environment::Environment;
use super::super::error::{self, Error, nearest};
use super::super::local::Surroundings;
use super::super::values::Limit;
use super::machine::Look;
use super::{known, unusable};
use crate::checklist::ticks::{TICK_HOLDS, Tick, Ticks, WAIVER_HOLDS};
use crate::checklist::{CHECKS, Finding, Status, runner};
use crate::exit::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Done {
    /// The step that was done, as the page names it
    #[arg(value_name = "STEP")]
    step: String,
    /// What was done, for the record
    #[arg(long, value_name = "TEXT")]
    note: String,
    /// How long it counts [default: 14d]
    #[arg(long, value_name = "TIME")]
    valid_for: Option<Limit>,
    /// The Windows server on which it was done, if it was not this machine
    #[arg(long, value_name = "NAME")]
    computer: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Waive {
    /// The check that found it; it is run again
    #[arg(value_name = "CHECK")]
    check: String,
    /// The beginning of the finding's title, or any part of it
    #[arg(value_name = "TITLE")]
    title: String,
    /// Why it is no obstacle to the migration, for the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How long it counts [default: 30d]
    #[arg(long, value_name = "TIME")]
    valid_for: Option<Limit>,
    #[command(flatten)]
    look: Look,
}

/// Ticks a step off.
pub(super) fn done(done: &Done, mut here: Surroundings, now: Timestamp) -> Result<ExitCode, Error> {
    let steps = || CHECKS.iter().flat_map(|check| check.steps.iter().copied());
    let Some(step) = steps().find(|step| *step == done.step) else {
        let hint = match nearest(&done.step, steps()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the steps are: {}", steps().collect::<Vec<_>>().join(", ")),
        };
        return Err(Error::usage(format!("there is no step \"{}\"", done.step)).hint(hint));
    };
    let note = said("note", &done.note, "write what was done: --note \"ran it on dc01, no errors\"")?;
    if let Some(computer) = &done.computer {
        here.look_at(computer)?;
    }
    let tick = Tick::new(step, note, &here.who, now, valid(done.valid_for, TICK_HOLDS)?);
    record(&here, &tick)
}

/// Waives the one finding of a check that fits.
pub(super) fn waive(
    waive: &Waive,
    environment: &Environment,
    mut here: Surroundings,
) -> Result<ExitCode, Error> {
    let check = known(&waive.check)?;
    let hint = "write why it is no obstacle: --reason \"the migration runs over this VPN\"";
    let reason = said("reason", &waive.reason, hint)?;
    let valid = valid(waive.valid_for, WAIVER_HOLDS)?;
    let machine = Arc::new(waive.look.machine(environment, &mut here)?);
    let limit = waive.look.timeout.map(|Limit(time)| time);
    let checked = runner::run(&[check], &machine, limit, &Ticks::default(), &mut |_| {});
    let may_be =
        |finding: &&Finding| matches!(finding.status, Status::Fail | Status::CouldNotCheck | Status::Warn);
    let all: Vec<&Finding> = checked.iter().flat_map(|check| &check.findings).filter(may_be).collect();
    let wanted = waive.title.to_lowercase();
    let fits = all.iter().filter(|finding| finding.title.to_lowercase().contains(&wanted));
    match fits.copied().collect::<Vec<_>>()[..] {
        [finding] => {
            let tick = Tick::new(check.name, reason, &here.who, machine.settings.now, valid);
            record(&here, &tick.waiving(finding))
        }
        [] => Err(refused(check.name, &format!("has nothing to waive called \"{}\"", waive.title), &all)),
        _ => Err(refused(check.name, &format!("has several findings called \"{}\"", waive.title), &all)),
    }
}

fn refused(check: &str, problem: &str, all: &[&Finding]) -> Error {
    let titles: Vec<String> = all.iter().map(|finding| format!("\"{}\"", finding.title)).collect();
    let hint = match titles[..] {
        [] => "only what fails, warns or could not be checked can be waived".to_owned(),
        _ => format!("it found: {}", titles.join("; ")),
    };
    Error::usage(format!("the check {check} {problem}")).hint(hint)
}

fn said<'a>(what: &str, text: &'a str, hint: &str) -> Result<&'a str, Error> {
    match text.trim() {
        "" => Err(Error::usage(format!("the {what} is empty")).hint(hint)),
        text => Ok(text),
    }
}

fn valid(given: Option<Limit>, otherwise: SignedDuration) -> Result<SignedDuration, Error> {
    let given = given.map(|Limit(time)| SignedDuration::try_from(time)).transpose();
    Ok(given.map_err(|_| Error::usage("--valid-for is too long"))?.unwrap_or(otherwise))
}

fn record(here: &Surroundings, tick: &Tick) -> Result<ExitCode, Error> {
    Ticks::record(&here.state, tick.clone()).map_err(|error| unusable(&error))?;
    let what = tick.waives.as_ref().map_or(&tick.name, |waived| &waived.title);
    error::print(format!("{what}: {}\n", tick.words()).as_bytes())?;
    Ok(ExitCode::Pass)
}
