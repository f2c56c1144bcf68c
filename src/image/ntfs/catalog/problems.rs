//! What is wrong with the files of a volume, in lines for people: problems, after which files may
//! be lost, and notes on what is wrong but takes no file away.
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
    /// Whether two things contradict each other that Windows does not write at once, so that
    /// nothing need be lost.
    pub is_gap: bool,
}

/// A line whose path is still to be found.
#[derive(Debug)]
pub(super) struct Finding {
    pub problem: String,
    pub path: Option<Vec<u8>>,
    /// The record of the file or folder that it is about.
    pub record: Option<u32>,
    /// See [`Problem::is_gap`].
    pub is_gap: bool,
}

impl Finding {
    /// Adds a path of the record. A line about a file with several paths gets none of them: whoever
    /// leaves out one path would not be told of the others.
    fn add_path(&mut self, path: &[u8], has_others: bool) {
        if has_others {
            self.problem.push_str(&format!(" (one of its paths is {})", shown(path)));
        } else {
            self.path = Some(path.to_vec());
        }
    }
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
    fn line(&self, one: &str, many: &str, what: &str) -> Option<String> {
        let Self { count, example } = self;
        match count {
            0 => None,
            1 => Some(format!("1 {one} {what}: {example}")),
            _ => Some(format!("{count} {many} {what}, for example {example}")),
        }
    }
}

/// All that was found to be wrong with a volume.
#[derive(Debug, Default)]
pub(super) struct Findings {
    lines: Vec<Finding>,
    /// How many lines were not kept.
    more: u64,
    /// Whether one of these is more than a gap.
    more_is_loss: bool,
    /// Records in use that $MFT's $BITMAP says are free.
    pub used_but_free: Tally,
    /// Records that say that they are free, although $MFT's $BITMAP says that they are in use.
    pub free_but_used: Tally,
    /// Records of zeros that are in use by $MFT's $BITMAP.
    pub zero_but_used: Tally,
    /// Files with fewer names than their records count.
    pub fewer_names: Tally,
    /// Files that have no name. A crash may leave them, and no program finds them. If a folder
    /// names one of them, that is a problem: it has lost its name.
    pub nameless: Tally,
    /// Files in folders that are lost.
    pub lost: BTreeMap<Lost, Tally>,
}

impl Findings {
    /// Adds a line about no file in particular.
    pub fn general(&mut self, problem: String) {
        self.add(problem, None, None, false);
    }

    /// Adds a line about the file or folder with this record. Its path is added later.
    pub fn about(&mut self, record: u32, problem: String) {
        self.add(problem, None, Some(record), false);
    }

    /// The same, about a contradiction that Windows may leave for a while.
    pub fn doubt_about(&mut self, record: u32, problem: String) {
        self.add(problem, None, Some(record), true);
    }

    /// Adds a line about a path.
    pub fn at(&mut self, path: &[u8], problem: String) {
        self.add(problem, Some(path), None, false);
    }

    /// The same, about a contradiction that Windows may leave for a while.
    pub fn doubt_at(&mut self, path: &[u8], problem: String) {
        self.add(problem, Some(path), None, true);
    }

    fn add(&mut self, problem: String, path: Option<&[u8]>, record: Option<u32>, is_gap: bool) {
        if self.lines.len() < MOST {
            self.lines.push(Finding { problem, path: path.map(<[u8]>::to_vec), record, is_gap });
        } else {
            self.more += 1;
            self.more_is_loss |= !is_gap;
        }
    }

    /// Whether more lines are kept. If not, nobody needs to look for what they would say.
    pub fn has_room(&self) -> bool {
        self.lines.len() < MOST
    }

    /// Counts lines that nobody looked for.
    pub fn add_more(&mut self, more: u64) {
        self.more += more;
        self.more_is_loss = true;
    }

    /// The lines that were kept.
    pub fn lines_mut(&mut self) -> &mut [Finding] {
        &mut self.lines
    }

    /// Adds the paths of records. `paths` hands every path of the wanted records, which are sorted,
    /// to its second argument.
    pub fn add_paths(&mut self, paths: impl FnOnce(&[u32], &mut dyn FnMut(u32, &[u8]))) {
        let lines = self.lines.iter().filter(|line| line.path.is_none());
        let mut wanted: Vec<u32> = lines.filter_map(|line| line.record).collect();
        if wanted.is_empty() {
            return;
        }
        wanted.sort_unstable();
        let mut found: BTreeMap<u32, (Vec<u8>, bool)> = BTreeMap::new();
        paths(&wanted, &mut |record, path| {
            let first = found.entry(record);
            first.and_modify(|first| first.1 = true).or_insert_with(|| (path.to_vec(), false));
        });
        for line in self.lines.iter_mut().filter(|line| line.path.is_none()) {
            if let Some((path, has_others)) = line.record.and_then(|record| found.get(&record)) {
                line.add_path(path, *has_others);
            }
        }
    }

    /// All that is to be told: problems and notes.
    pub fn into_lines(self) -> (Vec<Problem>, Vec<String>) {
        let kept = self.lines.into_iter();
        let kept = kept.map(|Finding { problem, path, is_gap, .. }| Problem { problem, path, is_gap });
        let more = (self.more > 0)
            .then(|| format!("{} more problems of this volume are not listed: files may be lost", self.more));
        let more = more.map(|problem| Problem { problem, path: None, is_gap: !self.more_is_loss });
        let files = |tally: &Tally, what: &str| tally.line("file", "files", what);
        let records =
            |tally: &Tally, what: &str| tally.line("record of the $MFT", "records of the $MFT", what);
        let zeros =
            records(&self.zero_but_used, "in use by the $MFT's own $BITMAP, but zeros: files may be lost");
        let lost =
            self.lost.iter().map(|(lost, tally)| files(tally, &format!("cannot be listed, because {lost}")));
        let lines = zeros.into_iter().chain(lost.flatten());
        let lines = lines.map(|problem| Problem { problem, path: None, is_gap: false });
        let problems = kept.chain(more).chain(lines).collect();
        let notes = [
            records(&self.used_but_free, "in use, but free by the $MFT's own $BITMAP (chkdsk mends this)"),
            records(&self.free_but_used, "free, but in use by the $MFT's own $BITMAP (chkdsk mends this)"),
            files(&self.fewer_names, "with fewer names than the $MFT counts (chkdsk mends this)"),
            files(&self.nameless, "without a name, to which no folder leads (chkdsk mends this)"),
        ];
        (problems, notes.into_iter().flatten().collect())
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
        let (problems, _) = findings.into_lines();
        assert_eq!(problems.len(), 51);
        assert!(problems[50].problem.starts_with("13 more problems"), "{:?}", problems[50]);
    }

    #[test]
    fn a_line_about_a_file_with_several_paths_has_none_of_them() {
        let mut findings = Findings::default();
        findings.about(7, "one path".to_owned());
        findings.about(8, "two paths".to_owned());
        findings.about(9, "no path".to_owned());
        findings.at(b"told", "its own".to_owned());
        findings.add_paths(|wanted, each| {
            assert_eq!(wanted, [7, 8, 9]);
            each(8, b"a/first");
            each(7, b"b");
            each(8, b"c/second");
        });
        let (problems, _) = findings.into_lines();
        let lines: Vec<_> =
            problems.iter().map(|line| (line.problem.as_str(), line.path.as_deref())).collect();
        let expected = [
            ("one path", Some(&b"b"[..])),
            (r#"two paths (one of its paths is "a/first")"#, None),
            ("no path", None),
            ("its own", Some(b"told")),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_counted_makes_one_line_with_its_first_example() {
        let mut findings = Findings::default();
        assert!(findings.nameless.line("", "", "").is_none());
        for number in 7..10 {
            findings.nameless.add_record(number);
        }
        findings.lost.entry(Lost::Loop).or_default().add(|| shown(b"a\nb"));
        let (problems, notes) = findings.into_lines();
        assert_eq!(problems.len(), 1);
        assert_eq!(
            problems[0].problem,
            r#"1 file cannot be listed, because the folders contain each other: "a\nb""#
        );
        assert_eq!(
            notes,
            ["3 files without a name, to which no folder leads (chkdsk mends this), for example record 7"]
        );
    }

    #[test]
    fn the_line_that_stands_for_more_is_a_gap_only_if_all_of_them_are() {
        for is_loss in [false, true] {
            let mut findings = Findings::default();
            (0..=MOST).for_each(|_| findings.doubt_at(b"a", String::new()));
            if is_loss {
                findings.at(b"a", String::new());
            }
            let (problems, _) = findings.into_lines();
            assert_eq!((problems[0].is_gap, problems[MOST].is_gap), (true, !is_loss));
        }
    }
}
