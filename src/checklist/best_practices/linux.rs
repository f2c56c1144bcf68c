//! Lynis: reads its report file, which has lines `key=value` and `key[]=value`.

use jiff::civil::DateTime;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::machine::duration_words;
use super::super::phrases::several;
use super::WHY;

const REPORT: &str = "/var/log/lynis-report.dat";
/// The age in seconds at which a report becomes stale.
const AGE: i64 = 30 * 86_400;
const RUN: [&str; 5] = ["lynis", "audit", "system", "--quick", "--no-colors"];

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    let what = "The Lynis report";
    match visit.read(REPORT) {
        Ok(Some(report)) => judge(visit, &report),
        Ok(None) => vec![not_run(visit)],
        Err(problem) => {
            vec![Finding::could_not_check(what, problem).fix("Run as root: only root may read the report.")]
        }
    }
}

fn not_run(visit: &Visit<'_>) -> Finding {
    let finding = match visit.run(&["lynis", "show", "version"]) {
        Ok(output) if output.succeeded() => {
            let version = output.stdout.trim().to_owned();
            Finding::warn("Lynis is installed, but has not been run")
                .seen("lynis show version", version)
                .command(&RUN)
        }
        Ok(output) => Finding::could_not_check("Lynis", output.complaint()),
        Err(error) if error.is_missing() => Finding::could_not_check(
            "The analysis",
            "there is no Lynis report, and Lynis is not installed",
        )
        .fix(
            "Install it (`apt-get install lynis`, `dnf install lynis`, `zypper install lynis`) and run \
                       `lynis audit system --quick`.",
        ),
        Err(error) => Finding::could_not_check("Lynis", error),
    };
    finding.seen(REPORT, "no such file").why(WHY)
}

fn judge(visit: &Visit<'_>, report: &str) -> Vec<Finding> {
    let value = |key: &str| {
        let mut pairs = report.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value.trim())
    };
    // The last line that a complete run writes.
    if value("finish") != Some("true") {
        return vec![
            Finding::could_not_check("The Lynis report", format!("{REPORT} is incomplete"))
                .fix(RUN.join(" ")),
        ];
    }
    let about = format!(
        "Lynis {}, run {}, hardening index {}",
        value("lynis_version").unwrap_or("?"),
        value("report_datetime_end").or(value("report_datetime_start")).unwrap_or("?"),
        value("hardening_index").unwrap_or("?")
    );
    vec![
        age(visit, value("report_datetime_start"), &about),
        warnings(report, &about),
        suggestions(report, &about),
    ]
}

/// How old the report is. Lynis writes the local time of its machine.
fn age(visit: &Visit<'_>, started: Option<&str>, about: &str) -> Finding {
    let time = started.and_then(|text| DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok());
    let Some(time) = time.and_then(|time| time.to_zoned(visit.settings().zone.clone()).ok()) else {
        return Finding::could_not_check("How old the Lynis report is", "it does not say when it was made");
    };
    let age = visit.settings().now.as_second() - time.timestamp().as_second();
    let title = format!("The Lynis report is {} old", duration_words(age));
    if (-86_400..=AGE).contains(&age) {
        return Finding::pass(title).seen(REPORT, about);
    }
    Finding::warn(title).seen(REPORT, about).why("It does not cover what has changed since.").command(&RUN)
}

fn warnings(report: &str, about: &str) -> Finding {
    let found = entries(report, "warning[]");
    if found.is_empty() {
        return Finding::pass("Lynis gives no warnings").seen(REPORT, about);
    }
    Finding::fail(format!("Lynis gives {}", several(found.len(), "warning")))
        .seen(REPORT, found.join("\n"))
        .why(WHY)
        .fix("`lynis show details TEST-ID` explains each; fix them, then run Lynis again.")
}

fn suggestions(report: &str, about: &str) -> Finding {
    let found = entries(report, "suggestion[]");
    if found.is_empty() {
        return Finding::pass("Lynis suggests no improvements").seen(REPORT, about);
    }
    Finding::warn(format!("Lynis suggests {}", several(found.len(), "improvement")))
        .seen(REPORT, found.join("\n"))
        .why(WHY)
        .fix("Go through them, and apply what suits this server; none of them prevents a migration.")
}

/// Entries `key=TEST-ID|text|details|solution|`, worded as `TEST-ID: text (details)`.
fn entries(report: &str, key: &str) -> Vec<String> {
    let values = report.lines().filter_map(|line| line.split_once('=')).filter(|(name, _)| *name == key);
    let worded = values.map(|(_, value)| {
        let mut parts = value.split('|').map(str::trim);
        let (id, text) = (parts.next().unwrap_or("?"), parts.next().unwrap_or("?"));
        let details: Vec<&str> = parts.filter(|part| !part.is_empty() && *part != "-").collect();
        if details.is_empty() {
            format!("{id}: {text}")
        } else {
            format!("{id}: {text} ({})", details.join("; "))
        }
    });
    worded.collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::machine::tests::recorded;
    use super::super::super::{Os, Status};
    use super::*;

    const REPORTED: &str = include_str!("../../../tests/data/checklist/linux/lynis-report.dat");

    fn statuses(report: &str) -> Vec<Status> {
        let machine = recorded(Os::Linux, &[]).file(REPORT, report);
        let machine = machine.with(|settings| settings.now = "2026-11-25T00:00:00Z".parse().unwrap());
        look(&machine.visit()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_report_with_warnings_fails_and_suggestions_alone_warn() {
        assert_eq!(statuses(REPORTED), [Status::Pass, Status::Fail, Status::Warn]);
        let calm: String = REPORTED
            .lines()
            .filter(|line| !line.starts_with("warning[]"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(statuses(&calm), [Status::Pass, Status::Pass, Status::Warn]);
    }

    #[test]
    fn an_old_report_warns_and_an_unfinished_one_is_unknown() {
        assert_eq!(statuses(&REPORTED.replace("2026-11-23", "2026-01-23"))[0], Status::Warn);
        assert_eq!(statuses(&REPORTED[..300]), [Status::CouldNotCheck]);
        assert_eq!(statuses(&REPORTED.replace("report_datetime_start", "x"))[0], Status::CouldNotCheck);
    }

    #[test]
    fn without_lynis_the_fix_says_to_install_it() {
        let bare = recorded(Os::Linux, &[]);
        let found = &look(&bare.visit())[0];
        assert_eq!(found.status, Status::CouldNotCheck);
        assert!(found.fix.as_ref().unwrap().advice.contains("apt-get install lynis"));
        let idle = recorded(Os::Linux, &[("lynis", "3.0.8\n")]);
        assert_eq!(look(&idle.visit())[0].status, Status::Warn);
    }
}
