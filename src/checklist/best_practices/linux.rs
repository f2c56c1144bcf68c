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
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// A run of all tests does more than 200 of them.
const MOST_TESTS: u32 = 100;
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
    // Lynis is not asked: even `lynis show version` replaces its report.
    let is_installed =
        ["/usr/sbin/lynis", "/usr/bin/lynis", "/usr/local/bin/lynis"].iter().any(|place| visit.exists(place));
    let finding = if is_installed {
        Finding::warn("Lynis is installed, but has not been run").command(&RUN)
    } else {
        Finding::could_not_check("The analysis", "there is no Lynis report, and Lynis is not installed").fix(
            "Install it (`apt-get install lynis`, `dnf install lynis`, `zypper install lynis`) and run `lynis audit system --quick`.",
        )
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
    // A run of some tests ends in the same way.
    let [group, category] = ["test_group", "test_category"].map(|key| value(key).unwrap_or("?"));
    let tests = value("lynis_tests_done").and_then(|count| count.parse::<u32>().ok());
    if (group, category) != ("all", "all") || tests.is_none_or(|tests| tests < MOST_TESTS) {
        let tests = tests.map_or_else(|| "?".to_owned(), |tests| tests.to_string());
        let problem = format!("it is of {tests} tests (group {group}, category {category}), not of all");
        return vec![Finding::could_not_check("The Lynis report", problem).fix(RUN.join(" "))];
    }
    let here = match visit.read(HOST_NAME) {
        Ok(name) => name.unwrap_or_default(),
        Err(problem) => return vec![Finding::could_not_check("The Lynis report", problem)],
    };
    let short = |name: &str| name.trim().split('.').next().unwrap_or_default().to_lowercase();
    let of = value("hostname").unwrap_or("?");
    if short(of) != short(&here) {
        let problem = format!("it is about {of}, not about {}", here.trim());
        return vec![Finding::could_not_check("The Lynis report", problem).fix(RUN.join(" "))];
    }
    let about = format!(
        "Lynis {}, run {}, hardening index {}",
        value("lynis_version").unwrap_or("?"),
        value("report_datetime_end").or(value("report_datetime_start")).unwrap_or("?"),
        value("hardening_index").unwrap_or("?")
    );
    vec![age(visit, value("report_datetime_start"), &about), quoted(report, &about)]
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

/// What Lynis says, without a grade: which of it matters to a migration is for a person to say.
fn quoted(report: &str, about: &str) -> Finding {
    let [warnings, suggestions] = ["warning[]", "suggestion[]"].map(|key| entries(report, key));
    if warnings.is_empty() && suggestions.is_empty() {
        return Finding::pass("Lynis gives neither warnings nor suggestions").seen(REPORT, about);
    }
    let (warned, suggested) = (several(warnings.len(), "warning"), several(suggestions.len(), "suggestion"));
    Finding::warn(format!("Lynis gives {warned} and {suggested}: {about}"))
        .seen(format!("{REPORT}: {warned}"), warnings.join("\n"))
        .seen(format!("{REPORT}: {suggested}"), suggestions.join("\n"))
        .why(WHY)
        .fix("`lynis show details TEST-ID` explains each; fix what matters to this server, then run Lynis again.")
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
