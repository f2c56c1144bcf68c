//! The table of the line-of-business applications, as Markdown and as CSV, which people fill in by
//! hand.
//!
//! In: the two files as they are, what was written last, and what was found this time. Out: both
//! files, equal in content. A person may edit either or both: edits are merged against what was
//! written last, cell by cell, and where both files changed the same cell both texts are kept.
//! Nothing a person wrote is ever dropped: no row, no note, no column behind ours, no text around
//! the table. A file that cannot be understood is left alone, and is an error.
//!
//! The files: `applications.md`, `applications.csv`, and `applications.last.json` with what was
//! written last.

mod csv;
mod markdown;
mod merge;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::machine::read_text;
use crate::output;

pub use merge::{Discovered, update};

/// The published table's columns, and ours.
pub const HEADER: [&str; 4] =
    ["Application or general data folder name", "Path to data", "Notes", "Found by bkverify"];
const MARKDOWN: &str = "applications.md";
const CSV: &str = "applications.csv";
const LAST: &str = "applications.last.json";

/// One line of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The application, or the folder, by its name.
    pub name: String,
    /// Where its data lies; may be empty.
    pub path: String,
    /// What a person wrote.
    pub notes: String,
    /// What bkverify found; rewritten each time.
    pub found: String,
    /// Cells of columns that a person added.
    #[serde(default)]
    pub extra: Vec<String>,
}

/// The table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Names of columns that a person added behind ours.
    #[serde(default)]
    pub extra_header: Vec<String>,
    /// The lines in their order.
    pub rows: Vec<Row>,
}

/// Why the table cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A file is there, but is not the table.
    #[error("{} cannot be read as the table: {problem}; it was left alone. Repair it, or move it away", place.display())]
    NotTheTable {
        /// The file.
        place: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", place.display())]
    Write {
        /// The file.
        place: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The files of a table as they were read, with their merged content.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    document: markdown::Document,
    style: csv::Style,
    /// What was written last.
    pub last: Table,
    /// What the files say now, merged.
    pub table: Table,
}

impl Files {
    /// Reads the files in `folder`; an empty table where there are none.
    pub fn read(folder: &Path) -> Result<Self, TableError> {
        let text = |name: &str| -> Result<Option<String>, TableError> {
            let place = folder.join(name);
            let read = strict_text(&place).map_err(|problem| TableError::NotTheTable { place, problem })?;
            // A file that was emptied says nothing.
            Ok(read.filter(|text| !text.trim().is_empty()))
        };
        let wrong = |name: &str| {
            let place = folder.join(name);
            move |problem: String| TableError::NotTheTable { place, problem }
        };
        let document =
            text(MARKDOWN)?.map(|text| markdown::parse(&text)).transpose().map_err(wrong(MARKDOWN))?;
        let sheet = text(CSV)?.map(|text| csv::parse(&text)).transpose().map_err(wrong(CSV))?;
        let last = text(LAST)?.map(|text| serde_json::from_str::<Table>(&text)).transpose();
        let last = last.map_err(|error| wrong(LAST)(error.to_string()))?.unwrap_or_default();
        let table = merge::three_ways(
            &last,
            document.as_ref().map(|document| &document.table),
            sheet.as_ref().map(|(_, table)| table),
        );
        let style = sheet.map_or_else(csv::Style::default, |(style, _)| style);
        Ok(Self { folder: folder.to_owned(), document: document.unwrap_or_default(), style, last, table })
    }

    /// Writes the merged table to both files, each replaced as a whole, then remembers it as
    /// written last: a crash in between leaves files that still merge to the same.
    pub fn write(mut self) -> Result<(), TableError> {
        let failed = |place: &Path| {
            let place = place.to_owned();
            move |source| TableError::Write { place, source }
        };
        std::fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        self.document.table = self.table;
        let table = &self.document.table;
        let last = serde_json::to_string_pretty(table).map_err(|error| failed(&self.folder)(error.into()))?;
        let texts = [
            (MARKDOWN, markdown::render(&self.document)),
            (CSV, csv::render(&self.style, table)),
            (LAST, last),
        ];
        for (name, text) in texts {
            let place = self.folder.join(name);
            // An unchanged file is not touched: a person may have it open.
            if strict_text(&place).ok().flatten().as_deref() != Some(text.as_str()) {
                output::replace(&place, text.as_bytes()).map_err(failed(&place))?;
            }
        }
        Ok(())
    }

    /// Where the Markdown file lies.
    pub fn markdown_place(&self) -> PathBuf {
        self.folder.join(MARKDOWN)
    }
}

/// The text of a file, exactly: what is no UTF-8 is an error, for writing it back would destroy it.
fn strict_text(place: &Path) -> Result<Option<String>, String> {
    // Bounds the size, and refuses what is no regular file.
    if read_text(place)?.is_none() {
        return Ok(None);
    }
    match std::fs::read(place) {
        Ok(bytes) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| "it is not UTF-8; save it as \"CSV UTF-8\" or as UTF-8 text".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Row {
    /// What makes it the same row in both files: its path, or its name where it has none.
    fn key(&self) -> &str {
        if self.path.is_empty() { &self.name } else { &self.path }
    }

    /// Whether a person could tell them apart: everything but our own column.
    fn same_content(&self, other: &Self) -> bool {
        let filled = |row: &Self| row.extra.iter().filter(|cell| !cell.is_empty()).count();
        self.name == other.name
            && self.path == other.path
            && self.notes == other.notes
            && filled(self) == filled(other)
            && self.extra.iter().zip(&other.extra).all(|(a, b)| a == b)
    }

    /// A row from cells in the order of the columns.
    fn from_cells(cells: Vec<String>) -> Option<Self> {
        if cells.iter().all(String::is_empty) {
            return None;
        }
        let mut cells = cells.into_iter();
        let mut next = || cells.next().unwrap_or_default();
        let (name, path, notes, found) = (next(), next(), next(), next());
        let mut extra: Vec<String> = cells.collect();
        while extra.last().is_some_and(String::is_empty) {
            extra.pop();
        }
        Some(Self { name, path, notes, found, extra })
    }

    /// Its cells, filled up to `columns`.
    fn cells(&self, columns: usize) -> Vec<&str> {
        let mut cells = vec![self.name.as_str(), &self.path, &self.notes, &self.found];
        cells.extend(self.extra.iter().map(String::as_str));
        cells.resize(columns.max(cells.len()), "");
        cells
    }
}

impl Table {
    /// Number of columns of the widest line.
    fn columns(&self) -> usize {
        let widest = self.rows.iter().map(|row| row.extra.len()).max().unwrap_or(0);
        HEADER.len() + widest.max(self.extra_header.len())
    }
}

/// A cell as both files can hold it: one kind of line end, no blanks around. A backslash at the end
/// of a line gets a blank behind it, since in Markdown it would take the line end's meaning away.
fn tidy(cell: &str) -> String {
    let cell = cell.replace("\r\n", "\n").replace('\r', "\n").replace("\\\n", "\\ \n");
    cell.trim_matches([' ', '\t', '\n']).to_owned()
}

/// The columns behind ours, if the line is our header.
fn extra_header(cells: &[String]) -> Option<Vec<String>> {
    let ours = HEADER.iter().enumerate().all(|(index, name)| {
        cells.get(index).is_some_and(|cell| cell.trim_matches('*').eq_ignore_ascii_case(name))
    });
    ours.then(|| cells[HEADER.len()..].to_vec())
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
