//! The table in a Markdown document. The text before and after the table belongs to a person and
//! stays as it is.
//!
//! In a cell, `\|` is a bar, `<br>` is a line break, and `\<br>` is the literal text `<br>`.
//! Everything else stands for itself.

use super::{HEADER, Row, Table, extra_header, tidy};

const BREAK: &str = "<br>";
const INTRODUCTION: &str = "# Plan for line-of-business applications\n\n\
    Fill in the notes: what each application needs to move, and who does it. Your own rows and text, and columns \
    after the last,\nare kept. A note that begins with `no backup` says that nobody needs this data. The last column is \
    rewritten by bkverify.\n\n";

/// A document with the table in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableDocument {
    pub before: String,
    pub table: Table,
    pub after: String,
}

impl Default for TableDocument {
    fn default() -> Self {
        Self { before: INTRODUCTION.to_owned(), table: Table::default(), after: String::new() }
    }
}

/// Finds the table in a document.
pub(super) fn parse(text: &str) -> Result<TableDocument, String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let header = |index: usize| -> Option<Vec<String>> {
        let ruled = lines.get(index + 1).is_some_and(|line| is_rule(line));
        extra_header(&cells(lines[index])).filter(|_| ruled)
    };
    let found = (0..lines.len()).find_map(|index| Some((index, header(index)?)));
    let (start, extra_header) = found
        .ok_or_else(|| format!("no line reads \"| {} |\" above a line of dashes", HEADER.join(" | ")))?;
    let body = &lines[start + 2..];
    let end = body.iter().position(|line| !is_row(line)).unwrap_or(body.len());
    let rows = body[..end].iter().filter_map(|line| Row::from_cells(cells(line))).collect();
    let after = body[end..].concat();
    Ok(TableDocument { before: lines[..start].concat(), table: Table { extra_header, rows }, after })
}

fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.contains('-') && line.chars().all(|letter| matches!(letter, '|' | '-' | ':' | ' ' | '\t'))
}

/// Whether a line has a bar that separates cells.
fn is_row(line: &str) -> bool {
    split(line).len() > 1
}

/// The pieces between bars. A bar after a backslash belongs to the text.
fn split(line: &str) -> Vec<&str> {
    let bytes = line.as_bytes();
    let (mut pieces, mut start, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if bytes.get(at + 1) == Some(&b'|') => at += 1,
            b'|' => {
                pieces.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    pieces.push(&line[start..]);
    pieces
}

/// The cells of a line, without the empty pieces outside the outer bars.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    let mut pieces = split(line);
    if pieces.len() > 1 && pieces.first() == Some(&"") {
        pieces.remove(0);
    }
    if pieces.len() > 1 && pieces.last().is_some_and(|piece| piece.trim().is_empty()) {
        pieces.pop();
    }
    pieces.into_iter().map(|piece| tidy(&decode(piece))).collect()
}

fn decode(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len());
    let mut rest = cell;
    while let Some(letter) = rest.chars().next() {
        if let Some(tail) = rest.strip_prefix("\\|") {
            out.push('|');
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("\\<br>") {
            out.push_str(BREAK);
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix(BREAK) {
            out.push('\n');
            rest = tail;
        } else {
            out.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    out
}

fn encode(cell: &str) -> String {
    let cell = tidy(cell);
    let mut out = String::with_capacity(cell.len());
    let mut rest = cell.as_str();
    while let Some(letter) = rest.chars().next() {
        match letter {
            '|' => out.push_str("\\|"),
            '\n' => out.push_str(BREAK),
            '<' if rest.starts_with(BREAK) => out.push_str("\\<"),
            _ => out.push(letter),
        }
        rest = &rest[letter.len_utf8()..];
    }
    out
}

/// The document as Markdown.
pub(super) fn render(document: &TableDocument) -> String {
    let table = &document.table;
    let columns = table.columns();
    let mut out = document.before.clone();
    let mut header: Vec<&str> = HEADER.to_vec();
    header.extend(table.extra_header.iter().map(String::as_str));
    header.resize(columns, "");
    push_line(&mut out, &header);
    out.push_str(&"|---".repeat(columns));
    out.push_str("|\n");
    for row in &table.rows {
        push_line(&mut out, &row.cells(columns));
    }
    // Text after the table that looks like a row must not become one.
    if is_row(document.after.lines().next().unwrap_or_default()) {
        out.push('\n');
    }
    out.push_str(&document.after);
    out
}

fn push_line(out: &mut String, cells: &[&str]) {
    for cell in cells {
        out.push_str("| ");
        out.push_str(&encode(cell));
        out.push(' ');
    }
    out.push_str("|\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bars_line_breaks_and_backslashes_survive_writing_and_reading() {
        for text in ["a|b", "C:\\Data\\", "\\|", "\\\\|", "one\ntwo", "<br>", "\\<br>", "a\\ \nb", "\\"] {
            let row = Row { name: text.to_owned(), notes: text.to_owned(), ..Row::default() };
            let document = TableDocument {
                table: Table { rows: vec![row], ..Table::default() },
                ..TableDocument::default()
            };
            assert_eq!(parse(&render(&document)).unwrap(), document, "{text:?}");
        }
    }

    #[test]
    fn a_table_formatted_by_hand_is_read() {
        let text = "hello\r\n\r\nApplication or general data folder name|Path to data|Notes|Found by bkverify\r\n:--|--|--|--:\r\nSQL|D:\\Data|ask Ann\r\n| Mail\\|Web | | moved | | extra |\r\nbye\r\n";
        let document = parse(text).unwrap();
        assert_eq!((document.before.as_str(), document.after.as_str()), ("hello\r\n\r\n", "bye\r\n"));
        assert_eq!(document.table.rows[0].notes, "ask Ann");
        assert_eq!(
            (document.table.rows[1].name.as_str(), document.table.rows[1].extra.clone()),
            ("Mail|Web", vec!["extra".into()])
        );
    }

    #[test]
    fn a_document_without_the_table_is_refused() {
        assert!(parse("# my notes\n\n| a | b |\n|---|---|\n").is_err());
    }

    proptest! {
        #[test]
        fn any_cell_survives_writing_and_reading(cell in "(\\PC|[|\\\\<br>\n\r ]){0,24}") {
            let cell = tidy(&cell);
            prop_assert_eq!(tidy(&decode(&encode(&cell))), cell);
        }
    }
}
