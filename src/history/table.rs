//! Tables for terminals, and CSV.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use csv::{QuoteStyle, Terminator, WriterBuilder};

/// A column: what its head says, and whether its cells are numbers, which are aligned to the right.
pub(super) type Column = (&'static str, bool);

/// A table with a line below its head. Columns in which no row has anything are left out. No line
/// ends in spaces.
pub(super) fn render(columns: &[Column], rows: &[Vec<String>]) -> String {
    let is_used = |at: &usize| rows.iter().any(|row| !row[*at].is_empty());
    let used: Vec<_> = (0..columns.len()).filter(is_used).collect();
    let mut table = Table::new();
    let line = LineStyle::none().fill('-').junction('-');
    table.load_style(presets::NOTHING.header_separator(line));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(used.iter().map(|&at| columns[at].0));
    for row in rows {
        table.add_row(used.iter().map(|&at| row[at].as_str()));
    }
    for (column, &at) in table.column_iter_mut().zip(&used) {
        if columns[at].1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The same as CSV (RFC 4180), with all columns. A cell that a spreadsheet would take for a formula
/// gets an apostrophe before it: names in a backup can be chosen by anybody.
pub(super) fn csv(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .quote_style(QuoteStyle::Necessary)
        .from_writer(Vec::new());
    // Writing to memory cannot fail, and all rows are as long as the head.
    let _ = writer.write_record(head);
    for row in rows {
        let _ = writer.write_record(row.iter().map(|cell| harmless(cell)));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

/// The text of a value, or nothing.
pub(super) fn or_empty(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_and_empty_columns_left_out() {
        let rows =
            [vec!["a".to_owned(), String::new(), "10".into()], vec!["bcd".into(), String::new(), "9".into()]];
        let page = render(&[("name", false), ("gone", false), ("count", true)], &rows);
        assert_eq!(page, " name   count\n--------------\n a         10\n bcd        9\n");
    }

    #[test]
    fn a_name_that_is_a_formula_is_only_text_in_a_spreadsheet() {
        let rows = [vec!["=1+1".to_owned(), "a,\"b\"".to_owned()]];
        assert_eq!(csv(&["path", "x"], rows), "path,x\r\n'=1+1,\"a,\"\"b\"\"\"\r\n");
    }
}
