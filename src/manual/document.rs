//! A page as a list of blocks, so that the renderers for the terminal and for man pages do not need
//! to know Markdown.
//!
//! In: Markdown. Out: a [`Document`]. Only the Markdown that the pages use is supported: headings,
//! paragraphs, code, lists, tables, links. A test checks that no page uses anything else.

use pulldown_cmark::{Alignment, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{Topic, linked};

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The blocks, from top to bottom.
    pub blocks: Vec<Block>,
}

/// A part of a page that begins on its own line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading.
    Heading {
        /// 1 for the title, 2 for sections, 3 for everything below.
        level: u8,
        /// Its text.
        text: Vec<Span>,
    },
    /// A paragraph of text.
    Paragraph(Vec<Span>),
    /// Lines that are not wrapped, each ending in a line break.
    Code(String),
    /// A list.
    List {
        /// The number of the first item; `None` for bullets.
        first: Option<u64>,
        /// The items.
        items: Vec<Vec<Block>>,
    },
    /// A table.
    Table {
        /// For each column, whether it is aligned to the right.
        right: Vec<bool>,
        /// The cells of the first row.
        head: Vec<Vec<Span>>,
        /// The cells of the other rows.
        rows: Vec<Vec<Vec<Span>>>,
    },
}

/// A piece of text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// Plain text.
    Text(String),
    /// Something to type, or the output of a program.
    Code(String),
    /// Strong text.
    Strong(String),
    /// Emphasised text.
    Emphasis(String),
    /// A link to a page of the manual, by the page's name.
    Topic(&'static str),
    /// A link to something else.
    Link {
        /// The text of the link.
        text: String,
        /// The target of the link.
        to: String,
    },
}

impl Topic {
    /// Parses the page.
    pub fn document(&self) -> Document {
        Document::read(self.text)
    }
}

impl Document {
    /// Parses Markdown.
    pub fn read(text: &str) -> Self {
        let mut events = Parser::new_ext(text, Options::ENABLE_TABLES);
        Self { blocks: blocks(&mut events) }
    }
}

/// The blocks up to the end of the enclosing element. The end event is consumed.
fn blocks<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> Vec<Block> {
    let mut found = Vec::new();
    // In a list without blank lines between the items, the text of an item has no paragraph around
    // it.
    let mut bare = Vec::new();
    while let Some(event) = events.next() {
        let Some(event) = take_span(event, events, &mut bare) else { continue };
        if !bare.is_empty() {
            found.push(Block::Paragraph(std::mem::take(&mut bare)));
        }
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                found.push(Block::Heading { level: depth(level), text: spans(events) });
            }
            Event::Start(Tag::Paragraph) => found.push(Block::Paragraph(spans(events))),
            Event::Start(Tag::CodeBlock(_)) => found.push(Block::Code(text(events))),
            Event::Start(Tag::List(first)) => found.push(list(first, events)),
            Event::Start(Tag::Table(alignments)) => found.push(table(&alignments, events)),
            Event::End(_) => break,
            _ => {}
        }
    }
    found
}

fn depth(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        _ => 3,
    }
}

fn list<'a>(first: Option<u64>, events: &mut impl Iterator<Item = Event<'a>>) -> Block {
    let mut items = Vec::new();
    while let Some(Event::Start(Tag::Item)) = events.next() {
        items.push(blocks(events));
    }
    Block::List { first, items }
}

fn table<'a>(alignments: &[Alignment], events: &mut impl Iterator<Item = Event<'a>>) -> Block {
    let right = alignments.iter().map(|alignment| *alignment == Alignment::Right).collect();
    let mut rows = Vec::new();
    while let Some(Event::Start(Tag::TableHead | Tag::TableRow)) = events.next() {
        let mut cells = Vec::new();
        while let Some(Event::Start(Tag::TableCell)) = events.next() {
            cells.push(spans(events));
        }
        rows.push(cells);
    }
    let head = if rows.is_empty() { Vec::new() } else { rows.remove(0) };
    Block::Table { right, head, rows }
}

/// The text up to the end of the enclosing element. The end event is consumed.
fn spans<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> Vec<Span> {
    let mut found = Vec::new();
    while let Some(event) = events.next() {
        if take_span(event, events, &mut found).is_some() {
            break;
        }
    }
    found
}

/// Adds the text that an event begins to the end of `spans`. Returns the event if it is not text.
fn take_span<'a>(
    event: Event<'a>,
    events: &mut impl Iterator<Item = Event<'a>>,
    spans: &mut Vec<Span>,
) -> Option<Event<'a>> {
    match event {
        Event::Text(text) => push_text(spans, &text),
        Event::SoftBreak | Event::HardBreak => push_text(spans, " "),
        Event::Code(code) => spans.push(Span::Code(code.into_string())),
        Event::Start(Tag::Strong) => spans.push(Span::Strong(text(events))),
        Event::Start(Tag::Emphasis) => spans.push(Span::Emphasis(text(events))),
        Event::Start(Tag::Link { dest_url, .. }) => {
            let text = text(events);
            spans.push(match linked(&dest_url) {
                Some(name) => Span::Topic(name),
                None => Span::Link { text, to: dest_url.into_string() },
            });
        }
        other => return Some(other),
    }
    None
}

/// Adds text to the end. The parser splits text at characters that might have had a meaning.
fn push_text(spans: &mut Vec<Span>, text: &str) {
    match spans.last_mut() {
        Some(Span::Text(last)) => last.push_str(text),
        _ => spans.push(Span::Text(text.to_owned())),
    }
}

/// The text without styles up to the end of the enclosing element. The end event is consumed.
fn text<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> String {
    let mut found = String::new();
    for event in events {
        match event {
            Event::Text(text) | Event::Code(text) => found.push_str(&text),
            Event::SoftBreak | Event::HardBreak => found.push(' '),
            Event::End(TagEnd::CodeBlock | TagEnd::Strong | TagEnd::Emphasis | TagEnd::Link) => break,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manual::TOPICS;

    fn plain(text: &str) -> Vec<Span> {
        vec![Span::Text(text.to_owned())]
    }

    #[test]
    fn blocks_keep_their_order_and_lines_of_a_paragraph_are_joined() {
        let read = Document::read("# A\n\nb\nc\n\n    d\n     e\n\n1. f\n2. g\n   - h\n\n## I\n");
        let item = |blocks: Vec<Block>| blocks;
        let nested = Block::List { first: None, items: vec![vec![Block::Paragraph(plain("h"))]] };
        let expected = [
            Block::Heading { level: 1, text: plain("A") },
            Block::Paragraph(plain("b c")),
            Block::Code("d\n e\n".to_owned()),
            Block::List {
                first: Some(1),
                items: vec![
                    item(vec![Block::Paragraph(plain("f"))]),
                    item(vec![Block::Paragraph(plain("g")), nested]),
                ],
            },
            Block::Heading { level: 2, text: plain("I") },
        ];
        assert_eq!(read.blocks, expected);
    }

    #[test]
    fn spans_keep_their_style_and_links_to_pages_become_topics() {
        let read = Document::read("a `b` **c** *d* [e](formats.md#x) [f](https://g)");
        let spans = vec![
            Span::Text("a ".into()),
            Span::Code("b".into()),
            Span::Text(" ".into()),
            Span::Strong("c".into()),
            Span::Text(" ".into()),
            Span::Emphasis("d".into()),
            Span::Text(" ".into()),
            Span::Topic("formats"),
            Span::Text(" ".into()),
            Span::Link { text: "f".into(), to: "https://g".into() },
        ];
        assert_eq!(read.blocks, [Block::Paragraph(spans)]);
    }

    #[test]
    fn a_table_has_a_head_and_rows() {
        let read = Document::read("| a | b |\n|---|---:|\n| c | `d` |\n");
        let table = Block::Table {
            right: vec![false, true],
            head: vec![plain("a"), plain("b")],
            rows: vec![vec![plain("c"), vec![Span::Code("d".into())]]],
        };
        assert_eq!(read.blocks, [table]);
    }

    #[test]
    fn no_page_uses_unsupported_markdown() {
        for topic in TOPICS {
            for event in Parser::new_ext(topic.text, Options::all()) {
                let is_known = match &event {
                    Event::Start(tag) => matches!(
                        tag,
                        Tag::Heading { level: HeadingLevel::H1 | HeadingLevel::H2 | HeadingLevel::H3, .. }
                            | Tag::Paragraph
                            | Tag::CodeBlock(_)
                            | Tag::List(_)
                            | Tag::Item
                            | Tag::Table(_)
                            | Tag::TableHead
                            | Tag::TableRow
                            | Tag::TableCell
                            | Tag::Strong
                            | Tag::Emphasis
                            | Tag::Link { .. }
                    ),
                    Event::End(_) | Event::Text(_) | Event::Code(_) | Event::SoftBreak => true,
                    _ => false,
                };
                assert!(is_known, "{}: {event:?}", topic.name);
            }
        }
    }
}
