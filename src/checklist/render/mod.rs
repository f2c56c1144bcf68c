//! The record as a terminal page, as JSON, and as a document to hand in.

pub mod json;
pub mod page;
pub mod terminal;

use super::findings::{Record, Status};

/// The statuses that a summary counts, worst first, with the words for a person.
const SUMMARY: [(Status, &str); 7] = [
    (Status::Fail, "failed"),
    (Status::CouldNotCheck, "could not be checked"),
    (Status::Warn, "with a warning"),
    (Status::Manual, "to do by hand"),
    (Status::Waived, "waived"),
    (Status::Pass, "passed"),
    (Status::NotApplicable, "not applicable"),
];

/// `3 failed, 1 could not be checked, 12 passed`.
fn summary(record: &Record) -> String {
    let counted = SUMMARY.iter().map(|(status, word)| (record.count(*status), word));
    let words: Vec<String> =
        counted.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if words.is_empty() { "nothing was checked".to_owned() } else { words.join(", ") }
}

/// The verdict on the whole record, in one sentence.
fn verdict(record: &Record) -> &'static str {
    match record.verdict() {
        Status::Fail => "NOT READY: something fails",
        Status::CouldNotCheck => "UNDECIDED: something could not be checked",
        Status::Waived => "NOTHING ELSE FAILS: what fails was waived by a person",
        Status::Warn | Status::Manual if record.count(Status::Manual) > 0 => {
            "NOTHING FAILS, but some steps are left to a person"
        }
        Status::Warn => "NOTHING FAILS, but there are warnings",
        _ => "NOTHING FAILS",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::findings::{Checked, Finding};
    use super::*;

    /// A record with one finding of every status, with text that is hostile to each format.
    pub(crate) fn sample() -> Record {
        let hostile = "a|b <script>alert(1)</script> {style} `x` [l](u) *b* \\| C:\\Data\\";
        let findings = vec![
            Finding::fail("Broken & <b>bold</b>")
                .seen("cmd | x", hostile)
                .why("it \"matters\"")
                .command(&["fix", "it"]),
            Finding::could_not_check("Unknown", "no program"),
            Finding::warn("Odd"),
            Finding::manual("sample-step", "By hand").fix("click"),
            Finding::pass("Fine").seen("file", "line 1\nline 2"),
            Finding::not_applicable("None"),
            Finding::new(Status::Waived, "Accepted"),
        ];
        let check = Checked {
            name: "sample",
            title: "A sample",
            asks: "Everything is asked.",
            findings,
            seconds: 0.25,
        };
        Record {
            machine: "host<1>".into(),
            system: "Linux".into(),
            taken: "2026-11-20T12:00:00Z".parse().unwrap(),
            checks: vec![check],
        }
    }

    #[test]
    fn the_summary_counts_every_status_and_an_empty_record_says_so() {
        let words = "1 failed, 1 could not be checked, 1 with a warning, 1 to do by hand, 1 waived, 1 passed, 1 not applicable";
        assert_eq!(summary(&sample()), words);
        let empty = Record { checks: Vec::new(), ..sample() };
        assert_eq!(summary(&empty), "nothing was checked");
    }
}
