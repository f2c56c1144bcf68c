//! What was found that a person should see, in lists with headings.

use crate::report::Model;
use crate::report::model::FindingPart;
use crate::report::terminal::{unlike, why};

/// How many items a list has at most.
pub const LISTED: usize = 20;

/// A heading, the first items with their reasons, and how many there are.
pub struct Listed<'a> {
    /// The heading.
    pub title: &'static str,
    /// The first items, each with a reason, which may be empty.
    pub items: Vec<(&'a str, String)>,
    /// How many there are.
    pub total: u64,
}

/// What was found that a person should see.
pub fn listed(model: &Model) -> Vec<Listed<'_>> {
    let corrupt = |one: &FindingPart| one.verdict.is_alarm() && !one.verdict.is_bad();
    let missing = model.completeness.as_ref().map_or(&[][..], |found| &found.missing);
    let mut all = vec![
        findings(model, "Bad in the backup", model.total(|counts| counts.bad), &|one| one.verdict.is_bad()),
        findings(model, "Corrupt originals", model.total(|counts| counts.original_corrupt), &corrupt),
        findings(model, "Equal to their originals, but not to what was known", unlike(model), &|one| {
            one.unlike
        }),
        lines("Parts of the backup that cannot be listed", &model.damage),
        lines("Folders that this account may not list", &model.denied),
        lines("Originals that the backup does not contain", missing),
    ];
    all.retain(|list| list.total > 0);
    all
}

fn findings<'a>(
    model: &'a Model,
    title: &'static str,
    total: u64,
    which: &dyn Fn(&FindingPart) -> bool,
) -> Listed<'a> {
    let found = model.findings.iter().filter(|one| which(one)).take(LISTED);
    let items = found.map(|one| (one.path.as_str(), format!("{}: {}", one.word(), why(one))));
    Listed { title, items: items.collect(), total }
}

fn lines<'a>(title: &'static str, all: &'a [String]) -> Listed<'a> {
    let items = all.iter().take(LISTED).map(|line| (line.as_str(), String::new()));
    Listed { title, items: items.collect(), total: all.len() as u64 }
}
