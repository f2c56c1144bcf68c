//! `alerts`: there are no critical errors in the journals or on the disks.

mod disks;
mod journal;
mod windows;

pub(super) use windows::{Events, events};

use super::check::{Check, PATIENCE};
use super::findings::Finding;
use super::machine::Visit;

const WHY: &str = "What is broken before the migration stays broken after it, or fails during it.";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "alerts",
    title: "Alerts, disks and failed services",
    asks: "The alert viewer shows no critical errors.",
    steps: &[],
    patience: PATIENCE,
    linux: look_linux,
    windows: windows::look,
};

fn look_linux(visit: &Visit<'_>) -> Vec<Finding> {
    let mut findings = journal::look(visit);
    findings.extend(disks::look(visit));
    findings
}

/// Groups lines that differ only in numbers, with the number of lines in each group. The largest
/// groups come first.
fn grouped<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut groups: Vec<(String, usize, &str)> = Vec::new();
    for line in lines {
        let shape: String = line.chars().filter(|letter| !letter.is_ascii_digit()).collect();
        match groups.iter_mut().find(|(known, _, _)| *known == shape) {
            Some((_, count, _)) => *count += 1,
            None => groups.push((shape, 1, line)),
        }
    }
    groups.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    let worded = |(_, count, line): &(String, usize, &str)| {
        if *count == 1 { (*line).to_owned() } else { format!("{count} times: {line}") }
    };
    groups.iter().map(worded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_only_in_numbers_are_one_group() {
        let lines = ["a", "error at 12", "error at 345", "error at 6"];
        assert_eq!(grouped(lines.into_iter()), ["3 times: error at 12", "a"]);
    }
}
