//! A page as a man page of section 7.
//!
//! In: a topic. Out: `bkverify-TOPIC.7`, in roff with the macros of man(7). Tables are laid out
//! here as text of fixed width, because tbl(1) is not installed everywhere.

use roff::{Inline, Roff, bold, italic, roman};

use super::terminal::{self, Look};
use super::{Block, Document, Span, TOPICS, Topic};

/// Columns for a table: what man leaves of an 80-column terminal, with indentation.
const TABLE_WIDTH: usize = 66;

/// Takes the place of the date in a man page. The builder would leave out an empty date, and the
/// version would then take its place.
pub const NO_DATE: &str = " ";

/// The man page of a topic.
pub fn render(topic: &Topic) -> String {
    let mut page = Roff::new();
    let title = format!("bkverify-{}", topic.name);
    let version = concat!("bkverify ", env!("CARGO_PKG_VERSION"));
    page.control("TH", [title.as_str(), "7", NO_DATE, version, "bkverify manual"]);
    left_aligned(&mut page);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("{title} - {}", topic.summary))]);
    page.control("SH", ["DESCRIPTION"]);
    blocks(&mut page, &topic.document().blocks);
    page.control("SH", ["SEE ALSO"]);
    page.text(see_also(topic.name));
    page.render()
}

/// Turns off hyphenation and justification, because names of commands and flags must not be
/// hyphenated.
pub fn left_aligned(page: &mut Roff) {
    page.control("nh", []);
    page.control("ad", ["l"]);
}

/// The program's own page and all other topics.
fn see_also(name: &str) -> Vec<Inline> {
    let mut spans = vec![bold("bkverify"), roman("(1)")];
    for other in TOPICS.iter().filter(|other| other.name != name) {
        spans.extend([roman(", "), bold(format!("bkverify-{}", other.name)), roman("(7)")]);
    }
    spans
}

fn blocks(page: &mut Roff, blocks: &[Block]) {
    let mut after_heading = true;
    for block in blocks {
        let is_heading = matches!(block, Block::Heading { .. });
        if !is_heading && !after_heading && !matches!(block, Block::List { .. }) {
            page.control("PP", []);
        }
        after_heading = is_heading;
        match block {
            // The title repeats what is in NAME.
            Block::Heading { level: 1, .. } => {}
            Block::Heading { level: 2, text } => heading(page, "SH", &bare(text).to_uppercase()),
            Block::Heading { text, .. } => heading(page, "SS", &bare(text)),
            Block::Paragraph(text) => {
                page.text(spans(text));
            }
            Block::Code(code) => verbatim(page, code.trim_end()),
            Block::List { first, items } => list(page, *first, items),
            Block::Table { .. } => {
                let document = Document { blocks: vec![block.clone()] };
                let look = Look { width: TABLE_WIDTH, is_styled: false };
                verbatim(page, terminal::render(&document, look).trim_end());
            }
        }
    }
}

fn heading(page: &mut Roff, macro_name: &str, text: &str) {
    page.control(macro_name, [text.replace('"', "").as_str()]);
}

/// Shows lines unchanged, but indented.
fn verbatim(page: &mut Roff, text: &str) {
    page.control("RS", ["4"]);
    page.control("nf", []);
    page.text([roman(text)]);
    page.control("fi", []);
    page.control("RE", []);
}

fn list(page: &mut Roff, first: Option<u64>, items: &[Vec<Block>]) {
    for (item, number) in items.iter().zip(first.unwrap_or(0)..) {
        let mark = if first.is_some() { format!("{number}.") } else { "-".to_owned() };
        page.control("IP", [mark.as_str(), "4"]);
        if let Some((Block::Paragraph(text), rest)) = item.split_first() {
            page.text(spans(text));
            blocks(page, rest);
        } else {
            blocks(page, item);
        }
    }
}

fn spans(spans: &[Span]) -> Vec<Inline> {
    let span = |span: &Span| match span {
        Span::Text(text) => vec![roman(text)],
        Span::Code(text) | Span::Strong(text) => vec![bold(text)],
        Span::Emphasis(text) => vec![italic(text)],
        Span::Topic(name) => vec![bold(format!("bkverify-{name}")), roman("(7)")],
        Span::Link { text, to } if to.contains("://") => vec![roman(format!("{text} ({to})"))],
        Span::Link { text, .. } => vec![roman(text)],
    };
    spans.iter().flat_map(span).collect()
}

/// The text without styles.
fn bare(spans: &[Span]) -> String {
    let span = |span: &Span| match span {
        Span::Text(text) | Span::Code(text) | Span::Strong(text) | Span::Emphasis(text) => text.clone(),
        Span::Topic(name) => (*name).to_owned(),
        Span::Link { text, .. } => text.clone(),
    };
    spans.iter().map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_title_a_name_and_what_to_see_also() {
        for topic in TOPICS {
            let page = render(topic);
            let version = env!("CARGO_PKG_VERSION");
            let title = format!(".TH bkverify-{} 7 \" \" \"bkverify {version}\"", topic.name);
            assert!(page.contains(&title), "{page}");
            assert!(page.contains(".SH NAME\nbkverify\\-"), "{page}");
            assert!(page.contains(".SH \"SEE ALSO\"\n\\fBbkverify\\fR(1), "), "{page}");
        }
    }

    #[test]
    fn text_that_looks_like_roff_commands_is_escaped() {
        let text = "# T\n\nIn `C:\\n`:\n\n    .ci/test -x\n    'a\n";
        let topic = Topic { name: "x", summary: "y", text };
        let page = render(&topic);
        assert!(page.contains(".SH DESCRIPTION\nIn \\fBC:\\\\n\\fR:\n"), "{page}");
        assert!(page.contains(".nf\n\\&.ci/test \\-x\n"), "{page}");
        assert!(!page.contains("\n'a"), "{page}");
    }
}
