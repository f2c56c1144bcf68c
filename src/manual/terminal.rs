//! A page as text for a terminal or for a pipe.
//!
//! In: a [`Document`], the width, and whether to use styles. Out: lines of at most that width,
//! except code, which is never wrapped. `textwrap` wraps the text, and `comfy-table` lays out the
//! tables.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use textwrap::{Options, WordSplitter, WrapAlgorithm};

use super::{Block, Document, Span};

/// Indentation of code.
const INDENT: &str = "    ";

/// How a page is shown.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The number of columns.
    pub width: usize,
    /// Whether to use bold and colours (ECMA-48).
    pub is_styled: bool,
}

impl Look {
    /// Text in a style. Each word is styled separately, because a pager resets styles at line ends.
    fn style(self, text: &str, style: &str) -> String {
        if !self.is_styled {
            return text.to_owned();
        }
        let words = text.split(' ');
        let words: Vec<_> = words.map(|word| format!("\u{1b}[{style}m{word}\u{1b}[0m")).collect();
        words.join(" ")
    }

    /// The text of spans on one line.
    fn spans(self, spans: &[Span]) -> String {
        let span = |span: &Span| match span {
            Span::Text(text) => text.clone(),
            Span::Code(code) if self.is_styled => self.style(code, "36"),
            Span::Code(code) => format!("`{code}`"),
            Span::Strong(text) => self.style(text, "1"),
            Span::Emphasis(text) => self.style(text, "3"),
            Span::Topic(name) if self.is_styled => self.style(&format!("bkverify help {name}"), "36"),
            Span::Topic(name) => format!("`bkverify help {name}`"),
            Span::Link { text, to } if to.contains("://") => format!("{text} ({to})"),
            Span::Link { text, .. } => text.clone(),
        };
        spans.iter().map(span).collect()
    }

    fn wrap(self, text: &str) -> Vec<String> {
        let options = Options::new(self.width)
            .word_splitter(WordSplitter::NoHyphenation)
            .wrap_algorithm(WrapAlgorithm::FirstFit);
        textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
    }

    /// Blocks as lines, with an empty line between blocks.
    fn blocks(self, blocks: &[Block]) -> Vec<String> {
        let mut lines = Vec::new();
        for block in blocks {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.extend(self.block(block));
        }
        lines
    }

    fn block(self, block: &Block) -> Vec<String> {
        match block {
            Block::Heading { level, text } => self.heading(*level, text),
            Block::Paragraph(text) => self.wrap(&self.spans(text)),
            Block::Code(code) => code.lines().map(|line| indented(INDENT, line)).collect(),
            Block::List { first, items } => self.list(*first, items),
            Block::Table { right, head, rows } => self.table(right, head, rows),
        }
    }

    fn heading(self, level: u8, text: &[Span]) -> Vec<String> {
        // A style inside a heading would end the style of the heading.
        let plain = Self { is_styled: false, ..self };
        let lines = plain.wrap(&plain.spans(text));
        if self.is_styled {
            let style = if level == 1 { "1;4" } else { "1" };
            return lines.iter().map(|line| format!("\u{1b}[{style}m{line}\u{1b}[0m")).collect();
        }
        let under = match level {
            1 => "=",
            2 => "-",
            _ => "~",
        };
        let longest = lines.iter().map(|line| textwrap::core::display_width(line)).max().unwrap_or(0);
        lines.into_iter().chain([under.repeat(longest)]).collect()
    }

    fn list(self, first: Option<u64>, items: &[Vec<Block>]) -> Vec<String> {
        let mut lines = Vec::new();
        for (item, number) in items.iter().zip(first.unwrap_or(0)..) {
            let mark = if first.is_some() { format!("{number}. ") } else { "- ".to_owned() };
            let inner = Self { width: self.width.saturating_sub(mark.len()).max(1), ..self };
            let next = " ".repeat(mark.len());
            for (index, line) in inner.blocks(item).iter().enumerate() {
                lines.push(indented(if index == 0 { &mark } else { &next }, line));
            }
        }
        lines
    }

    fn table(self, right: &[bool], head: &[Vec<Span>], rows: &[Vec<Vec<Span>>]) -> Vec<String> {
        // Styles would be counted as columns.
        let plain = Self { is_styled: false, ..self };
        let cells = |row: &[Vec<Span>]| row.iter().map(|cell| plain.spans(cell)).collect::<Vec<_>>();
        let mut table = Table::new();
        let below_head =
            |fill| presets::NOTHING.header_separator(LineStyle::none().fill(fill).junction(fill));
        table.load_style(below_head('-'));
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(self.width).unwrap_or(u16::MAX));
        table.set_header(cells(head));
        for row in rows {
            table.add_row(cells(row));
        }
        for (column, right) in table.column_iter_mut().zip(right) {
            if *right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        // Rows with several lines need a separator between them.
        if table.lines().count() > rows.len() + 2 {
            table.load_style(below_head('=').row_separator(LineStyle::none().fill('-').junction('-')));
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

fn indented(indent: &str, line: &str) -> String {
    format!("{indent}{line}").trim_end().to_owned()
}

/// The whole page. Each line ends in a line break.
pub fn render(document: &Document, look: Look) -> String {
    let mut text = look.blocks(&document.blocks).join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manual::TOPICS;
    use textwrap::core::display_width;

    fn shown(text: &str, width: usize, is_styled: bool) -> String {
        render(&Document::read(text), Look { width, is_styled })
    }

    #[test]
    fn text_is_wrapped_and_lists_are_indented() {
        let page =
            "# Title\n\nOne two three `four`.\n\n1. five six seven eight\n2. nine\n\n- ten\n\n    a  b\n";
        let expected = "Title\n=====\n\nOne two three\n`four`.\n\n1. five six\n   seven eight\n2. nine\n\n- ten\n\n    a  b\n";
        assert_eq!(shown(page, 15, false), expected.replace("- ten\n\n    a  b", "- ten\n\n  a  b"));
    }

    #[test]
    fn a_table_that_fits_has_no_lines_between_its_rows() {
        let table = "| a | number |\n|---|---:|\n| b | 1 |\n| c | 20 |\n";
        assert_eq!(shown(table, 40, false), " a   number\n------------\n b        1\n c       20\n");
    }

    #[test]
    fn a_table_that_is_too_wide_is_wrapped_and_has_lines() {
        let table = "| a | b |\n|---|---|\n| one two three | x |\n| four | y |\n";
        let expected =
            " a          b\n==============\n one two    x\n three\n--------------\n four       y\n";
        assert_eq!(shown(table, 14, false), expected);
    }

    #[test]
    fn only_code_is_wider_than_the_page() {
        for topic in TOPICS {
            for width in [60, 80, 110] {
                for is_styled in [false, true] {
                    let mut blocks = topic.document().blocks;
                    blocks.retain(|block| !matches!(block, Block::Code(_)));
                    let page = render(&Document { blocks }, Look { width, is_styled });
                    for line in page.lines() {
                        assert!(display_width(line) <= width, "{} at {width}: {line}", topic.name);
                    }
                }
            }
        }
    }

    #[test]
    fn a_pipe_gets_no_styles_and_a_terminal_gets_them_word_by_word() {
        for topic in TOPICS {
            assert!(!render(&topic.document(), Look { width: 80, is_styled: false }).contains('\u{1b}'));
        }
        let styled = shown("**a b** `c`", 80, true);
        assert_eq!(styled, "\u{1b}[1ma\u{1b}[0m \u{1b}[1mb\u{1b}[0m \u{1b}[36mc\u{1b}[0m\n");
    }
}
