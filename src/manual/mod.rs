//! The manual: pages in Markdown, one for each topic.
//!
//! In: nothing, because the pages are part of the program. Out: a page as text for a terminal, or
//! as a man page of section 7. [`document`] parses the Markdown for both.

pub mod document;
pub mod roff;
pub mod terminal;

pub use document::{Block, Document, Span};

/// One page of the manual.
#[derive(Debug)]
pub struct Topic {
    /// The name for `bkverify help`, and the name of the file.
    pub name: &'static str,
    /// What the page is about, in a few words.
    pub summary: &'static str,
    /// The page in Markdown.
    pub text: &'static str,
}

macro_rules! topics {
    ($($name:literal: $summary:literal,)*) => {
        /// Every page, in the order in which a newcomer would read them.
        pub static TOPICS: &[Topic] = &[$(Topic {
            name: $name,
            summary: $summary,
            text: include_str!(concat!($name, ".md")),
        }),*];
    };
}

topics! {
    "getting-started": "a first verification, step by step",
    "nightly": "configuration, jobs, schedulers and limits",
    "history": "earlier runs, coverage, status and metrics",
    "notify": "who is told how a run ended, hooks, and secrets",
    "formats": "which backups are read, and how originals are found",
    "images": "Windows image backups and disk images, without mounting them",
    "borg": "repositories of borg, archives and passphrases",
    "restic": "repositories of restic, snapshots and passwords",
    "snapshots": "several snapshots in one run",
    "command": "backups of any other program, by two commands of it",
    "command-examples": "these commands for duplicity, Bacula, rclone and others",
    "sampling": "the draw, the verdicts, and what a run proves",
    "manifest": "which side of a difference is wrong, and servers that are gone",
    "reports": "summary, JSON, JUnit and monitoring",
    "bench": "how long a verification of your volume takes, and why",
    "speed": "measured beside other programs",
    "checklist": "what else a migration needs",
    "checklist-page": "what answers each of its sentences",
    "windows": "installing, scheduling and open files on Windows",
    "security": "what is written where, privileges, hostile archives",
    "design": "how it is built, and which designs were rejected",
    "contributing": "tests, benches, and where additions go",
}

/// The page of this name.
pub fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// The name of the page that a link leads to, such as `formats` for `formats.md` or
/// `src/manual/formats.md#formats`.
pub fn linked(link: &str) -> Option<&'static str> {
    let file = link.split('#').next()?.rsplit('/').next()?;
    find(file.strip_suffix(".md")?).map(|topic| topic.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_found_by_its_name_and_by_links() {
        assert_eq!(find("formats").map(|topic| topic.name), Some("formats"));
        assert!(find("Formats").is_none());
        assert_eq!(linked("src/manual/formats.md#formats"), Some("formats"));
        assert_eq!(linked("../../benches/README.md"), None);
        assert_eq!(linked("https://example.org"), None);
    }

    #[test]
    fn every_page_begins_with_a_title_and_a_paragraph() {
        for topic in TOPICS {
            let blocks = topic.document().blocks;
            assert!(matches!(blocks[0], Block::Heading { level: 1, .. }), "{}", topic.name);
            assert!(matches!(blocks[1], Block::Paragraph(_)), "{}", topic.name);
        }
    }
}
