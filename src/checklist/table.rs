//! The table of the line-of-business applications: one CSV file, `applications.csv`, that people
//! fill in by hand or in a spreadsheet.
//!
//! Nothing that a person wrote is ever changed: no cell, no row, no added column, no order of rows
//! or columns. Only the column "Found by bkverify" is ours, and new applications are added at the
//! end. A file that cannot be understood is left alone and is an error.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use csv::{QuoteStyle, ReaderBuilder, Terminator, WriterBuilder};

use super::machine::{read_bytes, read_text};
use crate::output;

/// The columns of the published table, of the two things that the page asks of each application,
/// and of ours.
pub const HEADER: [&str; 6] = [
    "Application or general data folder name",
    "Path to data",
    "Notes",
    "What its vendor says",
    "Where its install media are",
    "Found by bkverify",
];
const NAME: usize = 0;
const PATH: usize = 1;
const NOTES: usize = 2;
/// The columns that a person fills in.
const BY_PERSON: [usize; 4] = [PATH, NOTES, 3, 4];
const FOUND: usize = 5;
const FILE: &str = "applications.csv";
/// Spreadsheets recognise UTF-8 by it.
const MARK: char = '\u{feff}';
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

impl Discovered {
    /// The same with a name that no spreadsheet takes for a formula: anybody who may make a folder
    /// in `/srv` chooses its name. Paths begin with `/` or a letter.
    fn without_formula(&self) -> Self {
        let name = self.name.trim_start_matches(['=', '+', '-', '@', '\t', '\r', ' ']);
        Self { name: if name.is_empty() { "?" } else { name }.to_owned(), path: self.path.clone() }
    }
}

/// The table, with all cells as they are in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    place: PathBuf,
    delimiter: u8,
    /// For each column of [`HEADER`], its place in the file.
    columns: [usize; HEADER.len()],
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads the table in `folder`. It is empty if there is no file.
    ///
    /// # Errors
    /// If the file is not the table.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let place = folder.join(FILE);
        let wrong = |problem: String| {
            format!(
                "{} cannot be read as the table: {problem}; it was left alone. Repair it, or move it away",
                place.display()
            )
        };
        let bytes = read_bytes(&place).map_err(&wrong)?.unwrap_or_default();
        // Text that is not UTF-8 is an error, because writing it back would destroy it.
        let text = String::from_utf8(bytes)
            .map_err(|_| wrong("it is not UTF-8; save it as \"CSV UTF-8\"".to_owned()))?;
        Self::parse(&text, place.clone()).map_err(wrong)
    }

    /// Reads the text of a file, with the separator of the person's spreadsheet.
    fn parse(text: &str, place: PathBuf) -> Result<Self, String> {
        let text = text.trim_start_matches(MARK);
        let mut table =
            Self { place, delimiter: b',', columns: [0; HEADER.len()], header: Vec::new(), rows: Vec::new() };
        if !text.trim().is_empty() {
            let first = text.lines().next().unwrap_or_default();
            let is_first = |delimiter: &&u8| {
                first.split(char::from(**delimiter)).any(|cell| cell.trim_matches('"') == HEADER[NAME])
            };
            table.delimiter = *b",;\t"
                .iter()
                .find(is_first)
                .ok_or_else(|| format!("its first line has no column \"{}\"", HEADER[NAME]))?;
            let reader = ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .delimiter(table.delimiter)
                .from_reader(text.as_bytes());
            for record in reader.into_records() {
                let record = record.map_err(|error| error.to_string())?;
                table.rows.push(record.iter().map(str::to_owned).collect());
            }
            table.header = table.rows.remove(0);
        }
        let widest = table.rows.iter().map(Vec::len).max().unwrap_or(0).max(table.header.len());
        table.header.resize(widest, String::new());
        for (column, name) in HEADER.iter().enumerate() {
            let known = table.header.iter().position(|cell| cell == name);
            table.columns[column] = known.unwrap_or(table.header.len());
            if known.is_none() {
                table.header.push((*name).to_owned());
            }
        }
        for row in &mut table.rows {
            row.resize(table.header.len(), String::new());
        }
        Ok(table)
    }

    /// Writes the file, unless it has this content already: a person may have it open.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot write {}: {error}", self.place.display());
        let text = self.render();
        if read_text(&self.place)
            .ok()
            .flatten()
            .is_some_and(|old| text.strip_prefix(MARK) == Some(old.trim_start_matches(MARK)))
        {
            return Ok(());
        }
        std::fs::create_dir_all(self.place.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        output::replace(&self.place, text.as_bytes()).map_err(failed)
    }

    fn render(&self) -> String {
        let mut writer = WriterBuilder::new()
            .delimiter(self.delimiter)
            .quote_style(QuoteStyle::Necessary)
            .terminator(Terminator::CRLF)
            .from_writer(Vec::new());
        for line in std::iter::once(&self.header).chain(&self.rows) {
            // Writing to memory cannot fail, and every line has the same number of cells.
            let _ = writer.write_record(line);
        }
        format!("{MARK}{}", String::from_utf8_lossy(&writer.into_inner().unwrap_or_default()))
    }

    /// The path of the file.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { columns: &self.columns, cells })
    }

    /// Adds what was found. `say` returns the text of our column for a path.
    pub fn update(&mut self, found: &[Discovered], today: &str, say: impl Fn(&str) -> String) {
        let found: Vec<Discovered> = found.iter().map(Discovered::without_formula).collect();
        let key =
            |item: &Discovered| if item.path.is_empty() { item.name.clone() } else { item.path.clone() };
        let here: HashSet<String> = found.iter().map(key).collect();
        let mut known = HashSet::new();
        for cells in &mut self.rows {
            let row = Row { columns: &self.columns, cells };
            let (said, ours) = (row.cell(FOUND), say(row.path()));
            let text = if here.contains(row.key()) {
                known.insert(row.key().to_owned());
                ours
            } else if said.starts_with(GONE) {
                said.to_owned()
            } else if said.is_empty() || said.starts_with(BY_HAND) {
                format!("{BY_HAND}; {ours}")
            } else {
                format!("{GONE} since {today}; {ours}")
            };
            cells[self.columns[FOUND]] = text;
        }
        for item in found.iter().filter(|item| known.insert(key(item))) {
            let mut cells = vec![String::new(); self.header.len()];
            cells[self.columns[NAME]].clone_from(&item.name);
            cells[self.columns[PATH]].clone_from(&item.path);
            cells[self.columns[FOUND]] = say(&item.path);
            self.rows.push(cells);
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    columns: &'a [usize; HEADER.len()],
    cells: &'a [String],
}

impl<'a> Row<'a> {
    fn cell(&self, column: usize) -> &'a str {
        self.cells[self.columns[column]].trim()
    }

    /// The name of the application or folder.
    pub fn name(&self) -> &'a str {
        self.cell(NAME)
    }

    /// The path of its data. Empty if it is not known, or if a dash says that there is none.
    pub fn path(&self) -> &'a str {
        Some(self.cell(PATH)).filter(|path| *path != "-").unwrap_or_default()
    }

    /// What a person noted.
    pub fn notes(&self) -> &'a str {
        self.cell(NOTES)
    }

    /// What identifies it: its path, or its name if it has no path.
    fn key(&self) -> &'a str {
        if self.path().is_empty() { self.name() } else { self.path() }
    }

    /// The columns that a person has still to fill in.
    pub fn open(&self) -> Vec<&'static str> {
        BY_PERSON
            .into_iter()
            .filter(|column| self.cell(*column).is_empty())
            .map(|column| HEADER[column])
            .collect()
    }

    /// The row in one line.
    pub fn line(&self) -> String {
        (0..HEADER.len())
            .map(|column| self.cell(column).replace(['\r', '\n'], " "))
            .collect::<Vec<_>>()
            .join(" | ")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(names: &[&str]) -> Vec<Discovered> {
        names
            .iter()
            .map(|name| Discovered { name: (*name).to_owned(), path: format!("/srv/{name}") })
            .collect()
    }

    /// One run of the check on the file in `folder`.
    fn run(folder: &Path, names: &[&str]) -> Vec<String> {
        let mut table = Table::read(folder).unwrap();
        table.update(&found(names), "2026-11-20", |path| format!("looked at {path}"));
        table.write().unwrap();
        table.rows().map(|row| row.line()).collect()
    }

    fn edit(folder: &Path, change: impl FnOnce(String) -> String) {
        let place = folder.join(FILE);
        std::fs::write(&place, change(std::fs::read_to_string(&place).unwrap())).unwrap();
    }

    #[test]
    fn new_rows_are_added_at_the_end_and_rows_of_removed_applications_keep_their_notes() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &["a", "b"]);
        edit(folder.path(), |text| {
            text.replace("/srv/a,,", "/srv/a,\"call\r\nAnn\",") + "Paper files,,in the cellar\r\n"
        });
        let lines = run(folder.path(), &["b", "c"]);
        let expected = [
            "a | /srv/a | call  Ann |  |  | gone since 2026-11-20; looked at /srv/a",
            "b | /srv/b |  |  |  | looked at /srv/b",
            "Paper files |  | in the cellar |  |  | written by hand; looked at",
            "c | /srv/c |  |  |  | looked at /srv/c",
        ];
        assert_eq!(lines, expected);
        assert_eq!(run(folder.path(), &["b", "c"]), expected, "another run changes nothing");
    }

    #[test]
    fn a_german_spreadsheet_with_columns_of_its_own_in_another_order_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("\u{feff}Mine;{};{}\r\n1;D:\\Data;SQL\r\n", HEADER[PATH], HEADER[NAME]);
        std::fs::write(folder.path().join(FILE), text).unwrap();
        run(folder.path(), &[]);
        let table = Table::read(folder.path()).unwrap();
        assert_eq!(
            (table.delimiter, table.header[0].as_str(), table.rows[0][0].as_str()),
            (b';', "Mine", "1")
        );
        let row = table.rows().next().unwrap();
        assert_eq!((row.name(), row.path(), row.open().len()), ("SQL", "D:\\Data", 3));
    }

    #[test]
    fn a_name_that_a_spreadsheet_would_run_is_defused() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let lines = run(folder.path(), &["=HYPERLINK(1)", "@SUM(1)", "-"]);
            let names: Vec<&str> = lines.iter().filter_map(|line| line.split(" | ").next()).collect();
            assert_eq!(names, ["HYPERLINK(1)", "SUM(1)", "?"]);
        }
    }

    #[test]
    fn a_file_that_is_not_the_table_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for content in [&b"a,b,c\n1,2,3\n"[..], b"\xff\xfe\0"] {
            std::fs::write(folder.path().join(FILE), content).unwrap();
            assert!(Table::read(folder.path()).is_err());
            assert_eq!(std::fs::read(folder.path().join(FILE)).unwrap(), content);
        }
    }

    proptest! {
        #[test]
        fn no_character_of_a_persons_cell_is_lost(cells in proptest::collection::vec("(\\PC|[,;\"\n\r\t ]){1,12}", 4)) {
            let mut table = Table::parse("", PathBuf::new()).unwrap();
            table.rows.push([vec!["x".to_owned()], cells, vec![String::new()]].concat());
            let read = Table::parse(&table.render(), PathBuf::new()).unwrap();
            prop_assert_eq!(&read, &table);
        }
    }
}
