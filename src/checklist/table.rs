//! The table of the line-of-business applications, as Markdown and as CSV. People fill it in by
//! hand.
//!
//! In: the two files as they are now, what was written last, and what was found this time. Out:
//! both files, with the same content. A person may edit either file or both. Edits are merged cell
//! by cell against what was written last, and if both files changed the same cell, both texts are
//! kept. Nothing that a person wrote is ever dropped: no row, no note, no added column, no text
//! around the table. A file that cannot be understood is left alone and is an error.
//!
//! The files are `applications.md`, `applications.csv`, and `applications.last.json` with what was
//! written last.

mod csv;
mod markdown;
mod merge;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::machine::read_text;
use crate::output;

pub use merge::{Discovered, update};

/// The columns of the published table, and one column of ours.
pub const HEADER: [&str; 4] =
    ["Application or general data folder name", "Path to data", "Notes", "Found by bkverify"];
const MARKDOWN: &str = "applications.md";
const CSV: &str = "applications.csv";
const LAST: &str = "applications.last.json";

/// One line of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The name of the application or folder.
    pub name: String,
    /// The path of its data; may be empty.
    pub path: String,
    /// Notes that a person wrote.
    pub notes: String,
    /// What bkverify found. Rewritten in every run.
    pub found: String,
    /// Cells in columns that a person added.
    #[serde(default)]
    pub extra: Vec<String>,
}

/// The table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Names of columns that a person added after ours.
    #[serde(default)]
    pub extra_header: Vec<String>,
    /// The rows, in their order.
    pub rows: Vec<Row>,
}

/// Why the table cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A file exists but is not the table.
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
    document: markdown::TableDocument,
    style: csv::CsvStyle,
    /// The table as it was written last.
    pub last: Table,
    /// The merged content of the files.
    pub table: Table,
}

impl Files {
    /// Reads the files in `folder`. The table is empty if there are none.
    pub fn read(folder: &Path) -> Result<Self, TableError> {
        let text = |name: &str| -> Result<Option<String>, TableError> {
            let place = folder.join(name);
            let read = strict_text(&place).map_err(|problem| TableError::NotTheTable { place, problem })?;
            // A file that was emptied counts as missing.
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
        let style = sheet.map_or_else(csv::CsvStyle::default, |(style, _)| style);
        Ok(Self { folder: folder.to_owned(), document: document.unwrap_or_default(), style, last, table })
    }

    /// Writes the merged table to both files, each replaced as a whole, and then stores it as
    /// written last. After a crash in between, the files still merge to the same content.
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
            // An unchanged file is not written, because a person may have it open.
            if strict_text(&place).ok().flatten().as_deref() != Some(text.as_str()) {
                output::replace(&place, text.as_bytes()).map_err(failed(&place))?;
            }
        }
        Ok(())
    }

    /// The path of the Markdown file.
    pub fn markdown_place(&self) -> PathBuf {
        self.folder.join(MARKDOWN)
    }
}

/// The exact text of a file. Text that is not UTF-8 is an error, because writing it back would
/// destroy it.
fn strict_text(place: &Path) -> Result<Option<String>, String> {
    // This limits the size and refuses anything but a regular file.
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
    /// What identifies a row in both files: its path, or its name if it has no path.
    fn key(&self) -> &str {
        if self.path.is_empty() { &self.name } else { &self.path }
    }

    /// Whether the rows are the same to a person: all cells except those in our column.
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

    /// The row's cells, padded to `columns` cells.
    fn cells(&self, columns: usize) -> Vec<&str> {
        let mut cells = vec![self.name.as_str(), &self.path, &self.notes, &self.found];
        cells.extend(self.extra.iter().map(String::as_str));
        cells.resize(columns.max(cells.len()), "");
        cells
    }
}

impl Table {
    /// The number of columns of the widest row.
    fn columns(&self) -> usize {
        let widest = self.rows.iter().map(|row| row.extra.len()).max().unwrap_or(0);
        HEADER.len() + widest.max(self.extra_header.len())
    }
}

/// A cell as both files can represent it: only line feeds, and no blanks around it. A backslash at
/// the end of a line gets a blank after it. Otherwise it would escape the line break in Markdown.
fn tidy(cell: &str) -> String {
    let cell = cell.replace("\r\n", "\n").replace('\r', "\n").replace("\\\n", "\\ \n");
    cell.trim_matches([' ', '\t', '\n']).to_owned()
}

/// The names of the columns after ours, if the line is our header.
fn extra_header(cells: &[String]) -> Option<Vec<String>> {
    let ours = HEADER.iter().enumerate().all(|(index, name)| {
        cells.get(index).is_some_and(|cell| cell.trim_matches('*').eq_ignore_ascii_case(name))
    });
    ours.then(|| cells[HEADER.len()..].to_vec())
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
