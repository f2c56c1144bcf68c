//! `bkverify plan`: what a run with these flags would do, and whether it could begin.
//!
//! In: flags, configuration. Out: a line for each setting that says something about the run, and
//! how many files there are. Nothing is restored and nothing is written; what a run would refuse is
//! refused here, with the same exit code.

use std::time::{Duration, Instant};

use super::environment::Environment;
use super::error::{self, Error};
use super::invocation::Verify;
use super::remember::in_originals;
use super::settings::Settings;
use super::{recheck, resolve, show};
use crate::backup::escape;
use crate::exit::ExitCode;
use crate::ledger::{self, Judged, Ledger};
use crate::plan::Plan;
use crate::verify;
use crate::verify::memory::LastJudged;
use crate::verify::strategy;
use crate::words;

/// Files are counted for so long.
const COUNT_FOR: Duration = Duration::from_secs(2);

/// Shows the plan, then whether a run could begin.
pub fn run(flags: Verify, environment: &Environment) -> Result<ExitCode, Error> {
    let is_recheck = flags.invocation.recheck;
    let mut plan = resolve::plan(flags, environment)?;
    if is_recheck && !recheck::narrow(&mut plan)? {
        error::print(recheck::NONE.as_bytes())?;
        return Ok(ExitCode::Pass);
    }
    let mut lines = lines(&plan);
    let judged = judged(&plan);
    let last_judged = judged.as_ref().ok().and_then(Option::as_ref).map(|judged| judged as &dyn LastJudged);
    let checked = verify::check(&plan).and_then(|()| verify::count(&plan, last_judged, COUNT_FOR));
    if let Ok(found) = &checked {
        lines.push(("files".to_owned(), files(found)));
        let turns = match (&judged, found.turns) {
            (Err(error), _) => Some(format!("not known: {}", error.in_full())),
            (Ok(_), Some(turns)) if found.whole => Some(turns_in_words(turns, &plan)),
            (Ok(Some(_)), None) => Some("not known: reading the ledger takes too long".to_owned()),
            _ => None,
        };
        lines.extend(turns.map(|turns| ("turns".to_owned(), turns)));
    }
    error::print(render(&lines, environment.columns.map(|_| environment.page_width())).as_bytes())?;
    checked?;
    Ok(ExitCode::Pass)
}

/// When files were last judged, if that matters and is remembered. It is read for as long as files
/// are counted: a ledger that is locked or large makes nobody wait.
fn judged(plan: &Plan) -> Result<Option<Judged>, ledger::Error> {
    let deadline = Instant::now() + COUNT_FOR;
    let state = plan.outputs.state.as_deref().filter(|_| strategy::of(&plan.draw).rotates());
    let Some(state) = state else { return Ok(None) };
    let opened = Ledger::open_read_only_within(state, COUNT_FOR);
    match opened.and_then(|ledger| Judged::new(ledger, &plan.target)) {
        Ok(judged) => Ok(Some(judged.until(deadline))),
        Err(error) if error.problem == ledger::Problem::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

/// Within how many runs every file is judged, and when that is with one run a day.
fn turns_in_words(turns: verify::Turns, plan: &Plan) -> String {
    let by = |runs: u64| {
        let after = Duration::from_secs(runs.saturating_mul(24 * 60 * 60));
        let date = plan.started.checked_add(after).and_then(|date| words::moment(date.into()));
        let date = date
            .map_or_else(String::new, |date| format!("; with one a day by {}", date.strftime("%Y-%m-%d")));
        format!("{}{date}", words::counted(runs, "run"))
    };
    let never = match turns.never {
        0 => "every file was judged before".to_owned(),
        never => {
            let were = if never == 1 { "was" } else { "were" };
            let within = by(turns.never_within);
            format!("{} {were} never judged, and will be within {within}", words::counted(never, "file"))
        }
    };
    format!("{never}. Whatever was judged before, every file is judged within {}", by(turns.all_within))
}

/// Every line: a name and what it says.
fn lines(plan: &Plan) -> Vec<(String, String)> {
    let config = plan.origin.config.as_deref().map_or_else(|| "none".to_owned(), show::path);
    let mut lines = vec![("config".to_owned(), config)];
    lines.extend(plan.origin.job.iter().map(|job| ("job".to_owned(), show::text(job))));
    for setting in Settings::all() {
        lines.extend((setting.plan)(plan).into_iter().map(|value| (setting.name.clone(), value)));
    }
    let state = plan.outputs.state.as_deref();
    lines.extend(state.and_then(|state| in_originals(state, plan)).map(|note| ("note".to_owned(), note)));
    if let Some(first) = plan.draw.filters.only.first() {
        let count = words::counted(plan.draw.filters.only.len() as u64, "file");
        let bad = format!("{count} that was bad when last judged, such as {}", escape(first));
        lines.push(("recheck".to_owned(), bad));
    }
    lines.extend(around(plan));
    lines
}

/// What runs before and after, and who is told.
fn around(plan: &Plan) -> Vec<(String, String)> {
    let hooks = [("before", &plan.hooks.before), ("after", &plan.hooks.after)];
    let limit = show::duration(plan.hooks.time_limit);
    let hooks = hooks.into_iter().filter_map(|(name, hook)| {
        let hook = hook.as_ref()?;
        Some((name.to_owned(), format!("{}, for at most {limit}", show::text(&hook.to_string()))))
    });
    let notify = plan.notifiers.iter().map(|notifier| {
        let value = format!("{}: {}", notifier.when.name(), show::text(&notifier.to_string()));
        ("notify".to_owned(), value)
    });
    hooks.chain(notify).collect()
}

fn files(found: &verify::Counted) -> String {
    let files = words::counted(found.files, "file");
    let mut text = if found.whole {
        format!("{files} to choose from ({})", found.format)
    } else {
        let seconds = COUNT_FOR.as_secs();
        format!("not counted: listing the backup ({}) takes longer than {seconds} seconds", found.format)
    };
    if found.whole && found.filtered > 0 {
        text.push_str(&format!("; {} filtered out", words::count(found.filtered)));
    }
    if found.whole && found.unmapped > 0 {
        text.push_str(&format!("; {} without a source", words::count(found.unmapped)));
    }
    if found.damaged {
        text.push_str("; parts of the backup cannot be listed");
    }
    text
}

/// Names in one column, values in another; wrapped at the width of a terminal.
fn render(lines: &[(String, String)], width: Option<usize>) -> String {
    let column = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
    let mut page = String::new();
    for (name, value) in lines {
        let line = format!("{name:<column$}{value}");
        page.push_str(&width.map_or(line.clone(), |width| words::wrap(&line, width, column)));
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::config::Config;
    use super::*;

    fn plan(flags: &str) -> Plan {
        resolve::resolve(Verify::parse(flags), None, &Environment::for_tests()).unwrap()
    }

    fn shown(flags: &str) -> String {
        render(&lines(&plan(flags)), None)
    }

    #[test]
    fn every_setting_is_shown_when_it_is_said() {
        let said = |left_out: &[&str]| {
            let settings = Settings::all();
            let settings = settings.iter().filter(|setting| !left_out.contains(&setting.name.as_str()));
            let text: String =
                settings.map(|setting| format!("{} = {}\n", setting.name, setting.example)).collect();
            let config = Config::parse("/c/bkverify.toml".into(), &text, None).unwrap();
            let verify = Verify { settings: config.defaults, ..Verify::default() };
            lines(&resolve::resolve(verify, None, &Environment::for_tests()).unwrap())
        };
        // These answer the same question as another.
        let pages = [
            said(&["sample", "assume-unchanged", "resume"]),
            // Only a draw of strategy `random` can be resumed, and only without a manifest.
            said(&["tolerance", "backup-window", "strategy", "manifest"]),
        ];
        let names: BTreeSet<_> = pages.into_iter().flatten().map(|(name, _)| name).collect();
        for name in Settings::names() {
            assert!(names.contains(&name), "bkverify plan does not show {name}");
        }
    }

    #[test]
    fn a_small_plan_fits_a_few_lines() {
        let text = "\
config        none
backup        /b
source        /s
restore-to    /r
sample        500 random files
strategy      random: every file has the same chance
confidence    95%
max-undecided 20%
seed          0123456789abcdef
completeness  200 originals are looked up in the backup; a missing one is only a warning
backup-window 24h
hash          blake3
threads       32
cache         drop: cached pages are dropped first, so that the disks are read
keep          none: every restored file is removed
state         none: nothing is remembered
";
        assert_eq!(shown("--backup /b --source /s --restore-to /r"), text);
    }

    #[test]
    fn everything_that_was_said_is_shown() {
        let text = shown(
            "--backup /b --map home/a=/home/a --restore-to /r --tolerance 0.07% --confidence 99% --seed x\u{1b}y --max-undecided 5% --backup-window 8h \
             --completeness 7 --include *.c --exclude *.o --min-size 1023 --max-size 4KiB --newer-than 2026-05-01 \
             --older-than 1d --hash sha256 --threads 3 --cache use --keep all --state /v --budget 50GiB --time-limit 2h30m \
             --json - --junit /j",
        );
        for line in [
            "map           home/a has its originals in /home/a",
            "sample        as many random files as rule out that 0.07% or more are bad",
            "tolerance     0.07%",
            "seed          x\\x1by",
            "confidence    99%",
            "max-undecided 5%",
            "backup-window 8h",
            "completeness  7 originals are looked up in the backup",
            "include       *.c",
            "exclude       *.o",
            "min-size      1023 bytes",
            "max-size      4.00 KiB (4096 bytes)",
            "newer-than    2026-05-01T00:00:00Z",
            "older-than    2026-05-09T12:00:00Z",
            "hash          sha256",
            "threads       3",
            "keep          all: every restored file is kept",
            "budget        50.00 GiB (53687091200 bytes)",
            "time-limit    2h 30m",
            "state         /v",
            "json          standard output",
            "junit         /j",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn on_a_terminal_long_lines_are_wrapped_below_their_values() {
        let page = render(&[("cache".into(), "one two three".into()), ("x".into(), "y".into())], Some(15));
        assert_eq!(page, "cache one two\n      three\nx     y\n");
    }

    #[test]
    fn a_person_is_told_when_every_file_has_had_its_turn() {
        let plan = plan("--backup /b --source /s --restore-to /r --strategy coverage");
        let text = |never, never_within, all_within| {
            turns_in_words(verify::Turns { never, never_within, all_within }, &plan)
        };
        assert_eq!(
            text(3_211, 13, 40),
            "3,211 files were never judged, and will be within 13 runs; with one a day by 2026-05-23. Whatever was \
             judged before, every file is judged within 40 runs; with one a day by 2026-06-19"
        );
        assert!(
            text(0, 0, 1).starts_with("every file was judged before. Whatever was judged before, every file")
        );
        assert!(text(1, 1, u64::MAX).ends_with("runs"));
    }
}
