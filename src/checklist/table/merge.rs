//! Merges what people wrote in the two files, and adds what was found.

use std::collections::{HashMap, HashSet};

use super::{Row, Table};

/// The beginning of our column in rows that a person wrote.
const BY_HAND: &str = "written by hand";
/// The beginning of our column in rows whose application no longer exists.
const GONE: &str = "gone";

/// An application or a data folder that was found on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Its name.
    pub name: String,
    /// The path of its data; empty if it is not known.
    pub path: String,
}

/// The key of a row, and its number among the rows with the same key.
type RowId<'a> = (&'a str, usize);

fn identify(table: &Table) -> Vec<(RowId<'_>, &Row)> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    table
        .rows
        .iter()
        .map(|row| {
            let count = seen.entry(row.key()).or_insert(0);
            *count += 1;
            ((row.key(), *count), row)
        })
        .collect()
}

/// Merges the edits that a person made in one file or in both, after `last` was written to both.
///
/// A row that is missing from one file was deleted there. It is removed, unless it was edited in
/// the other file. A cell that was changed in one file is changed. If both files changed it
/// differently, both texts are kept, one below the other.
pub(super) fn three_ways(last: &Table, markdown: Option<&Table>, csv: Option<&Table>) -> Table {
    let (ours, theirs) = match (markdown, csv) {
        (Some(markdown), Some(csv)) => (markdown, csv),
        (Some(only), None) | (None, Some(only)) => return only.clone(),
        (None, None) => return last.clone(),
    };
    let base: HashMap<RowId<'_>, &Row> = identify(last).into_iter().collect();
    let other: HashMap<RowId<'_>, &Row> = identify(theirs).into_iter().collect();
    let mut rows = Vec::new();
    let mut taken: HashSet<RowId<'_>> = HashSet::new();
    for (id, row) in identify(ours) {
        taken.insert(id);
        match (other.get(&id), base.get(&id)) {
            (Some(other), base) => rows.push(merge_row(base.copied(), row, other)),
            (None, Some(base)) if base.same_content(row) => {}
            (None, _) => rows.push(row.clone()),
        }
    }
    for (id, row) in identify(theirs).into_iter().filter(|(id, _)| !taken.contains(id)) {
        if !base.get(&id).is_some_and(|base| base.same_content(row)) {
            rows.push(row.clone());
        }
    }
    let extra_header = merge_cells(&last.extra_header, &ours.extra_header, &theirs.extra_header);
    Table { extra_header, rows }
}

fn merge_row(base: Option<&Row>, ours: &Row, theirs: &Row) -> Row {
    let empty = Row::default();
    let base = base.unwrap_or(&empty);
    Row {
        name: merge_cell(&base.name, &ours.name, &theirs.name),
        path: merge_cell(&base.path, &ours.path, &theirs.path),
        notes: merge_cell(&base.notes, &ours.notes, &theirs.notes),
        found: ours.found.clone(),
        extra: merge_cells(&base.extra, &ours.extra, &theirs.extra),
    }
}

fn merge_cells(base: &[String], ours: &[String], theirs: &[String]) -> Vec<String> {
    let cell = |cells: &[String], index: usize| cells.get(index).cloned().unwrap_or_default();
    let count = ours.len().max(theirs.len());
    let merged =
        (0..count).map(|index| merge_cell(&cell(base, index), &cell(ours, index), &cell(theirs, index)));
    let mut merged: Vec<String> = merged.collect();
    while merged.last().is_some_and(String::is_empty) {
        merged.pop();
    }
    merged
}

fn merge_cell(base: &str, ours: &str, theirs: &str) -> String {
    if ours == theirs || theirs == base {
        ours.to_owned()
    } else if ours == base {
        theirs.to_owned()
    } else {
        format!("{ours}\n{theirs}")
    }
}

/// Adds what was found to the table. Known rows keep their positions and new rows are added at the
/// end. Rows whose application no longer exists are marked with `today`. `say` returns the text of
/// our column for a path.
pub fn update(
    table: &mut Table,
    last: &Table,
    found: &[Discovered],
    today: &str,
    say: impl Fn(&str) -> String,
) {
    let mut known: HashSet<&str> = HashSet::new();
    let key = |item: &Discovered| if item.path.is_empty() { item.name.clone() } else { item.path.clone() };
    let found_keys: HashMap<String, &Discovered> = found.iter().map(|item| (key(item), item)).collect();
    let written: HashSet<&str> = last.rows.iter().filter(|row| is_ours(row)).map(Row::key).collect();
    for row in &mut table.rows {
        let text = say(&row.path);
        let here = found_keys.get_key_value(row.key());
        row.found = match here {
            Some((key, _)) => {
                known.insert(key.as_str());
                text
            }
            None if written.contains(row.key()) && row.found.starts_with(GONE) => row.found.clone(),
            None if written.contains(row.key()) => joined(&format!("{GONE} since {today}"), &text),
            None => joined(BY_HAND, &text),
        };
    }
    for item in found {
        let key = key(item);
        if let Some((stored, _)) = found_keys.get_key_value(&key)
            && known.insert(stored.as_str())
        {
            let found = say(&item.path);
            table.rows.push(Row {
                name: item.name.clone(),
                path: item.path.clone(),
                found,
                ..Row::default()
            });
        }
    }
}

fn is_ours(row: &Row) -> bool {
    !row.found.starts_with(BY_HAND)
}

fn joined(lead: &str, text: &str) -> String {
    if text.is_empty() { lead.to_owned() } else { format!("{lead}; {text}") }
}
