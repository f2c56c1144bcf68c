//! What a person says about findings: `bkverify checklist done` and `bkverify checklist waive`.

use std::sync::Arc;

use clap::Args;
use jiff::SignedDuration;

use super::super::environment::Environment;
use super::super::error::{self, Error, nearest};
use super::super::local::Surroundings;
use super::super::values::Limit;
use super::machine::Look;
use super::{known, unusable};
use crate::checklist::ticks::{LONGEST, TICK_HOLDS, Tick, Ticks, WAIVER_HOLDS};
use crate::checklist::{CHECKS, Check, Finding, Status, runner};
use crate::exit::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Done {
    /// The step that was done, as the page names it; its check is run again
    #[arg(value_name = "STEP")]
    step: String,
    /// What was done, for the record
    #[arg(long, value_name = "TEXT")]
    note: String,
    /// How long it counts [default: 14d]
    #[arg(long, value_name = "TIME")]
    valid_for: Option<Limit>,
    #[command(flatten)]
    look: Look,
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

/// Ticks a step off, as it is now.
pub(super) fn done(done: &Done, environment: &Environment, here: Surroundings) -> Result<ExitCode, Error> {
    let steps = || CHECKS.iter().flat_map(|check| check.steps.iter().map(|step| (*check, *step)));
    let Some((check, step)) = steps().find(|(_, step)| *step == done.step) else {
        let hint = match nearest(&done.step, steps().map(|(_, step)| step)) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                let all: Vec<&str> = steps().map(|(_, step)| step).collect();
                format!("the steps are: {}", all.join(", "))
            }
        };
        return Err(Error::usage(format!("there is no step \"{}\"", done.step)).hint(hint));
    };
    let note = said("note", &done.note, "write what was done: --note \"ran it on dc01, no errors\"")?;
    let valid = valid(done.valid_for, TICK_HOLDS)?;
    let is_it = |finding: &Finding| finding.status == Status::Manual && finding.step == Some(step);
    say(check, (&done.look, is_it), environment, here, (step, note, valid))
}

/// Waives the one finding of a check that fits.
pub(super) fn waive(waive: &Waive, environment: &Environment, here: Surroundings) -> Result<ExitCode, Error> {
    let check = known(&waive.check)?;
    let hint = "write why it is no obstacle: --reason \"the migration runs over this VPN\"";
    let reason = said("reason", &waive.reason, hint)?;
    let valid = valid(waive.valid_for, WAIVER_HOLDS)?;
    let wanted = waive.title.to_lowercase();
    let is_it = |finding: &Finding| may_be_waived(finding) && finding.title.to_lowercase().contains(&wanted);
    say(check, (&waive.look, is_it), environment, here, (&waive.title, reason, valid))
}

fn may_be_waived(finding: &Finding) -> bool {
    matches!(finding.status, Status::Fail | Status::CouldNotCheck | Status::Warn)
}

/// Runs the check, and records what the person says about the one finding that is meant, as it is
/// now: later it may be another.
fn say(
    check: &'static Check,
    (look, is_it): (&Look, impl Fn(&Finding) -> bool),
    environment: &Environment,
    mut here: Surroundings,
    (called, text, valid): (&str, &str, SignedDuration),
) -> Result<ExitCode, Error> {
    let machine = Arc::new(look.machine(environment, &mut here)?);
    let limit = look.timeout.map(|Limit(time)| time);
    let checked = runner::run(&[check], &machine, limit, &Ticks::default(), &mut |_| {});
    let all: Vec<&Finding> = checked.iter().flat_map(|check| &check.findings).collect();
    let problem = match all.iter().filter(|finding| is_it(finding)).collect::<Vec<_>>()[..] {
        [finding] => {
            let tick = Tick::new(check.name, finding, (&here.who, text), machine.settings.now, valid);
            Ticks::record(&here.state, tick.clone()).map_err(unusable)?;
            error::print(format!("{}: {}\n", tick.title, tick.words()).as_bytes())?;
            return Ok(ExitCode::Pass);
        }
        [] => format!("the check {} finds nothing to tick off or waive called \"{called}\"", check.name),
        _ => format!("the check {} has several findings called \"{called}\"", check.name),
    };
    let open = all.iter().filter(|finding| may_be_waived(finding) || finding.status == Status::Manual);
    let titles: Vec<String> = open.map(|finding| format!("\"{}\"", finding.title)).collect();
    let hint = match titles[..] {
        [] => "a manual step can be ticked off; what fails, warns or could not be checked can be waived"
            .to_owned(),
        _ => format!("it found: {}", titles.join("; ")),
    };
    Err(Error::usage(problem).hint(hint))
}

fn said<'a>(what: &str, text: &'a str, hint: &str) -> Result<&'a str, Error> {
    match text.trim() {
        "" => Err(Error::usage(format!("the {what} is empty")).hint(hint)),
        text => Ok(text),
    }
}

fn valid(given: Option<Limit>, otherwise: SignedDuration) -> Result<SignedDuration, Error> {
    let Some(Limit(time)) = given else { return Ok(otherwise) };
    let time = SignedDuration::try_from(time).ok().filter(|time| *time <= LONGEST);
    time.ok_or_else(|| Error::usage("--valid-for is longer than a year"))
}
