//! Suggests `exclude` lines for originals that are missing from the backup, for a user who wants
//! them to be left out.
//!
//! A line names a whole folder only if several of its files are missing and none was found in the
//! backup, because it must not exclude what is backed up. It is a suggestion: only the user knows
//! what should have been backed up.

use std::collections::BTreeSet;

/// The most lines that are suggested.
const LINES_MAX: usize = 5;

/// Gitignore globs that match all or most of `missing` and nothing of `found`. The paths are those
/// that the originals have, or should have, in the backup.
pub fn lines(missing: &[&[u8]], found: &[&[u8]]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left: BTreeSet<&[u8]> = missing.iter().copied().collect();
    while let Some(ending) = common_ending(&left, found) {
        lines.push(format!("*{}", String::from_utf8_lossy(ending)));
        left.retain(|path| ending_of(path) != Some(ending));
    }
    while let Some(&first) = left.first()
        && lines.len() < LINES_MAX
    {
        let folders =
            first.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(end, _)| &first[..=end]);
        let mut folders = folders.filter(|folder| !found.iter().any(|path| path.starts_with(folder)));
        let whole =
            folders.find(|folder| left.iter().filter(|path| path.starts_with(folder)).nth(1).is_some());
        match whole {
            Some(folder) => {
                lines.push(format!("{}**", literal(folder)));
                left.retain(|path| !path.starts_with(folder));
            }
            None => {
                lines.push(literal(first));
                left.remove(first);
            }
        }
    }
    lines
}

/// At least this many files with the same ending must be missing before a line names the ending.
const OF_A_KIND: usize = 3;

/// An ending that several missing files in different folders share, and no file that was found:
/// `.tmp`.
fn common_ending<'a>(missing: &BTreeSet<&'a [u8]>, found: &[&[u8]]) -> Option<&'a [u8]> {
    let with = |ending: &[u8]| {
        missing.iter().filter(move |path| ending_of(path) == Some(ending)).copied().collect::<Vec<_>>()
    };
    let folder = |path: &[u8]| path.iter().rposition(|&byte| byte == b'/').map(|end| path[..end].to_vec());
    missing.iter().filter_map(|path| ending_of(path)).find(|ending| {
        let alike = with(ending);
        alike.len() >= OF_A_KIND
            && alike.iter().any(|path| folder(path) != folder(alike[0]))
            && !found.iter().any(|path| ending_of(path) == Some(ending))
    })
}

/// The last dot of a name and what follows it, if that is a short word.
fn ending_of(path: &[u8]) -> Option<&[u8]> {
    let name = path.rsplit(|&byte| byte == b'/').next()?;
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0)?;
    let ending = &name[dot..];
    ((2..=8).contains(&ending.len()) && ending[1..].iter().all(u8::is_ascii_alphanumeric)).then_some(ending)
}

/// A glob that matches this path from the root. Characters that cannot be written in a line of text
/// become `?`, which matches any character.
fn literal(path: &[u8]) -> String {
    // A glob without a slash before its end matches in any folder, and `#` and `!` have a meaning
    // at the beginning.
    let is_bound = path.contains(&b'/');
    let mut glob = String::new();
    if !is_bound || path.starts_with(b"#") || path.starts_with(b"!") {
        glob.push('/');
    }
    for chunk in path.utf8_chunks() {
        for each in chunk.valid().chars() {
            match each {
                '*' | '?' | '[' | ']' | '{' | '}' => glob.extend(['[', each, ']']),
                '\\' | '"' | '\'' => glob.push('?'),
                _ if each.is_control() => glob.push('?'),
                _ => glob.push(each),
            }
        }
        chunk.invalid().iter().for_each(|_| glob.push('?'));
    }
    if glob.ends_with(' ') {
        glob.pop();
        glob.push('?');
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Filters;
    use crate::verify::Filter;

    fn lines_of(missing: &[&'static str], found: &[&'static str]) -> Vec<String> {
        let bytes = |paths: &[&'static str]| paths.iter().map(|path| path.as_bytes()).collect::<Vec<_>>();
        lines(&bytes(missing), &bytes(found))
    }

    #[test]
    fn a_folder_of_which_nothing_is_backed_up_is_one_line() {
        assert_eq!(lines_of(&["cache/a/1", "cache/b/2", "cache/3"], &["docs/x"]), ["cache/**"]);
        assert_eq!(lines_of(&["a/cache/1", "a/cache/2"], &["a/x"]), ["a/cache/**"]);
    }

    #[test]
    fn a_kind_of_file_of_which_nothing_is_backed_up_is_one_line() {
        assert_eq!(lines_of(&["a/1.tmp", "b/2.tmp", "c/d/3.tmp"], &["a/x"]), ["*.tmp"]);
        assert_eq!(lines_of(&["a/1.tmp", "b/2.tmp", "c/3.tmp"], &["x.tmp"]).len(), 3);
        assert_eq!(lines_of(&["a/1.tmp", "a/2.tmp", "a/3.tmp"], &["x"]), ["a/**"]);
    }

    #[test]
    fn a_folder_of_which_something_is_backed_up_is_never_left_out_as_a_whole() {
        assert_eq!(lines_of(&["docs/1", "docs/2"], &["docs/3"]), ["docs/1", "docs/2"]);
        assert_eq!(lines_of(&["one"], &[]), ["/one"]);
    }

    #[test]
    fn a_line_matches_the_names_that_it_was_made_for_and_no_others() {
        let names = ["a b/[x]*?", "#top", "!top", "end ", "q\"uote\\", "{a,b}", "d/é\u{7}"];
        // Where backslashes separate folders, no name contains one.
        let can_be = |name: &&str| std::path::MAIN_SEPARATOR == '/' || !name.contains('\\');
        for name in names.into_iter().filter(can_be) {
            let exclude = lines_of(&[name], &[]);
            let filter = Filter::new(&Filters { exclude: exclude.clone(), ..Filters::default() }).unwrap();
            assert!(!filter.includes_path(name.as_bytes()), "{name} {exclude:?}");
            assert!(filter.includes_path(format!("z/{name}").as_bytes()), "{name} {exclude:?}");
            assert!(filter.includes_path(b"other"), "{name} {exclude:?}");
        }
        let filter = |glob: &str| {
            Filter::new(&Filters { exclude: vec![glob.to_owned()], ..Filters::default() }).unwrap()
        };
        // Only Unix has names that are not valid text.
        if std::path::MAIN_SEPARATOR == '/' {
            assert!(!filter(&literal(b"d/\xe9x")).includes_path(b"d/\xe9x"));
        }
    }
}
