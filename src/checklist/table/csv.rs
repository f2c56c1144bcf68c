//! The table as CSV (RFC 4180), in the form that spreadsheets read and write: with a byte order
//! mark, by which they recognise UTF-8, and with the separator that the person's spreadsheet uses.

use csv::{QuoteStyle, ReaderBuilder, Terminator, WriterBuilder};

use super::{HEADER, Row, Table, extra_header, tidy};

const MARK: char = '\u{feff}';

/// The dialect that a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CsvStyle {
    delimiter: u8,
}

impl Default for CsvStyle {
    fn default() -> Self {
        Self { delimiter: b',' }
    }
}

/// Reads a file, and the dialect that it is written in.
pub(super) fn parse(text: &str) -> Result<(CsvStyle, Table), String> {
    let text = text.trim_start_matches(MARK);
    for delimiter in [b',', b';', b'\t'] {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let mut lines = reader.records().map(|record| {
            let record = record.map_err(|error| error.to_string())?;
            Ok::<Vec<String>, String>(record.iter().map(tidy).collect())
        });
        let Some(Ok(header)) = lines.next() else { continue };
        let Some(mut extra_header) = extra_header(&header) else { continue };
        while extra_header.last().is_some_and(String::is_empty) {
            extra_header.pop();
        }
        let mut rows = Vec::new();
        for line in lines {
            rows.extend(Row::from_cells(line?));
        }
        return Ok((CsvStyle { delimiter }, Table { extra_header, rows }));
    }
    Err(format!("its first line is not \"{}\"", HEADER.join(",")))
}

/// The table as CSV.
pub(super) fn render(style: &CsvStyle, table: &Table) -> String {
    let columns = table.columns();
    let mut header: Vec<&str> = HEADER.to_vec();
    header.extend(table.extra_header.iter().map(String::as_str));
    header.resize(columns, "");
    let mut writer = WriterBuilder::new()
        .delimiter(style.delimiter)
        .quote_style(QuoteStyle::Necessary)
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    let mut lines = vec![header];
    lines.extend(table.rows.iter().map(|row| row.cells(columns)));
    for line in lines {
        // Writing to memory cannot fail, and every line has the same number of cells.
        let _ = writer.write_record(line);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    format!("{MARK}{}", String::from_utf8_lossy(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn semicolons_of_a_german_spreadsheet_are_read_and_kept() {
        let text = format!("{MARK}{}\r\nSQL;D:\\Data;\"a;b\"\"c\r\nd\";;mine\r\n", HEADER.join(";"));
        let (style, table) = parse(&text).unwrap();
        assert_eq!(style.delimiter, b';');
        assert_eq!(table.rows[0].notes, "a;b\"c\nd");
        assert_eq!(parse(&render(&style, &table)).unwrap(), (style, table));
    }

    #[test]
    fn a_csv_file_without_the_header_is_refused() {
        assert!(parse("a,b,c\n1,2,3\n").is_err());
    }

    proptest! {
        #[test]
        fn any_row_survives_writing_and_reading(cells in proptest::collection::vec("(\\PC|[,;\"\n\r ]){0,12}", 5)) {
            let cells: Vec<String> = cells.iter().map(|cell| tidy(cell)).collect();
            let rows: Vec<Row> = Row::from_cells(cells).into_iter().collect();
            let table = Table { extra_header: vec!["own".into()], rows };
            let (_, read) = parse(&render(&CsvStyle::default(), &table)).unwrap();
            prop_assert_eq!(read, table);
        }
    }
}
