//! What is wrong with the files of a volume, in lines for people.
//!
//! A volume with a million damaged records must not make a million lines. What can only be counted
//! makes one line with an example. Of all other lines, only the first are kept, and one more says
//! how many there were.

use std::collections::BTreeMap;

use super::tree::Lost;

/// The number of lines that are kept.
const MOST: usize = 50;

/// Files that are lost or may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is lost, and why.
    pub problem: String,
    /// The path of what is lost, if it is known: a file, or a folder with everything in it. In
    /// WTF-8, joined by `/`. The root is the empty path.
    pub path: Option<Vec<u8>>,
}

/// A line whose path is still to be found.
#[derive(Debug)]
pub(super) struct Finding {
    pub problem: String,
    pub path: Option<Vec<u8>>,
    /// The record of the file or folder that it is about.
    pub record: Option<u32>,
}

/// Something that is only counted, with its first example.
#[derive(Debug, Default)]
pub(super) struct Tally {
    count: u64,
    example: String,
}

impl Tally {
    pub fn add(&mut self, example: impl FnOnce() -> String) {
        if self.count == 0 {
            self.example = example();
        }
        self.count += 1;
    }

    /// Adds a record of the $MFT.
    pub fn add_record(&mut self, number: u64) {
        self.add(|| format!("record {number}"));
    }

    /// The line, if there is anything to tell. `one` and `many` say what was counted, and `what`
    /// says what is wrong with it.
    fn line(&self, one: &str, many: &str, what: &str) -> Option<Problem> {
        let Self { count, example } = self;
        let problem = match count {
            0 => return None,
            1 => format!("1 {one} {what}: {example}"),
            _ => format!("{count} {many} {what}, for example {example}"),
        };
        Some(Problem { problem, path: None })
    }
}

/// All that was found to be wrong with a volume.
#[derive(Debug, Default)]
pub(super) struct Findings {
    lines: Vec<Finding>,
    /// How many lines were not kept.
    more: u64,
    /// Records in use that $MFT's $BITMAP says are free.
    pub used_but_free: Tally,
    /// Records that are not in use, although $MFT's $BITMAP says that they are.
    pub free_but_used: Tally,
    /// Files that have no name.
    pub nameless: Tally,
    /// Names of files whose base record is missing or damaged, in folders that are lost too.
    pub headless: Tally,
    /// Files in folders that are lost.
    pub lost: BTreeMap<Lost, Tally>,
}

impl Findings {
    /// Adds a line about no file in particular.
    pub fn note(&mut self, problem: String) {
        self.add(problem, None, None);
    }

    /// Adds a line about the file or folder with this record. Its path is added later.
    pub fn about(&mut self, record: u32, problem: String) {
        self.add(problem, None, Some(record));
    }

    /// Adds a line about a path.
    pub fn at(&mut self, path: &[u8], problem: String) {
        self.add(problem, Some(path), None);
    }

    fn add(&mut self, problem: String, path: Option<&[u8]>, record: Option<u32>) {
        if self.lines.len() < MOST {
            self.lines.push(Finding { problem, path: path.map(<[u8]>::to_vec), record });
        } else {
            self.more += 1;
        }
    }

    /// Whether more lines are kept. If not, nobody needs to look for what they would say.
    pub fn has_room(&self) -> bool {
        self.lines.len() < MOST
    }

    /// Counts lines that nobody looked for.
    pub fn add_more(&mut self, more: u64) {
        self.more += more;
    }

    /// The lines that were kept.
    pub fn lines_mut(&mut self) -> &mut [Finding] {
        &mut self.lines
    }

    /// All that is to be told.
    pub fn into_problems(self) -> Vec<Problem> {
        let kept = self.lines.into_iter().map(|line| Problem { problem: line.problem, path: line.path });
        let more = (self.more > 0).then(|| Problem {
            problem: format!("{} more problems of this volume are not listed: files may be lost", self.more),
            path: None,
        });
        let files = |tally: &Tally, what: &str| tally.line("file", "files", what);
        let records =
            |tally: &Tally, what: &str| tally.line("record of the $MFT", "records of the $MFT", what);
        let used = "that is in use is free by the $MFT's own $BITMAP";
        let free = "that is free is in use by the $MFT's own $BITMAP, so a file may be lost";
        let counted = [
            records(&self.used_but_free, used),
            records(&self.free_but_used, free),
            files(&self.nameless, "cannot be listed, without a name"),
            files(&self.headless, "cannot be listed, without a sound record and without a folder"),
        ];
        let lost =
            self.lost.iter().map(|(lost, tally)| files(tally, &format!("cannot be listed, because {lost}")));
        kept.chain(more).chain(counted.into_iter().flatten()).chain(lost.flatten()).collect()
    }
}

/// A name or path for people: in quotation marks, with control characters as escapes.
pub(super) fn shown(name: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_are_counted() {
        let mut findings = Findings::default();
        for number in 0..60 {
            findings.about(number, format!("line {number}"));
        }
        assert!(!findings.has_room());
        findings.add_more(3);
        let problems = findings.into_problems();
        assert_eq!(problems.len(), 51);
        assert!(problems[50].problem.starts_with("13 more problems"), "{:?}", problems[50]);
    }

    #[test]
    fn what_is_counted_makes_one_line_with_its_first_example() {
        let mut findings = Findings::default();
        assert!(findings.nameless.line("", "", "").is_none());
        for number in 7..10 {
            findings.nameless.add_record(number);
        }
        findings.lost.entry(Lost::Loop).or_default().add(|| shown(b"a\nb"));
        let texts: Vec<_> = findings.into_problems().into_iter().map(|problem| problem.problem).collect();
        assert_eq!(
            texts,
            [
                "3 files cannot be listed, without a name, for example record 7",
                r#"1 file cannot be listed, because the folders contain each other: "a\nb""#,
            ]
        );
    }
}
