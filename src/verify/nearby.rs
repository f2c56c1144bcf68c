//! Many originals are gone: were they deleted, or were they looked for in the wrong folder?
//!
//! In: the findings. Out: one example, with its path in the backup, the path at which its original
//! was expected, and the most similar name there. A wrong `--map`, or names in another encoding,
//! are then obvious to a person.

use std::path::PathBuf;

use crate::backup::{escape, path_text};
use crate::platform::Kind;
use crate::words;

use super::counts::Counts;
use super::pairing::{OriginalPath, Pairing};
use super::record::PickRecord;
use super::verdict::Verdict;

/// The least number of deleted originals that gives a note.
const DELETED_MIN: u64 = 3;

/// The most names of a folder that are compared.
const NAMES_MAX: usize = 100_000;

/// The least similarity (Jaro–Winkler, 0 to 1) at which one name may be meant by the other.
const ALIKE: f64 = 0.5;

/// A note with an example, if more than a few picks have no original: at least three, and more than
/// one in twenty.
pub fn note(counts: &Counts, findings: &[PickRecord], pairing: &Pairing) -> Option<String> {
    let deleted = counts.of(Verdict::Deleted);
    let picks = counts.looked_at();
    if pairing.has_no_originals() || deleted < DELETED_MIN || deleted * 20 <= picks {
        return None;
    }
    let example = findings.iter().find(|finding| finding.verdict == Verdict::Deleted)?;
    let mut text = format!("{} of {} have no original", words::count(deleted), words::counted(picks, "pick"));
    if let Some(place) = pairing.original_paths(&example.path).next() {
        let shown = |place: PathBuf| path_text(&place);
        let place_shown = shown(place.display());
        text.push_str(&format!(": {}, for example, was looked for at {place_shown}", escape(&example.path)));
        if let Some(near) = nearest(&place) {
            let near = OriginalPath { root: place.root, path: &near };
            text.push_str(&format!("; the most similar path there is {}", shown(near.display())));
        }
    }
    text.push_str("; if they were not deleted, --source or --map names the wrong folder, or names are spelled differently there");
    Some(text)
}

/// The existing path that is most similar to a path that does not exist. In the last folder of the
/// path that exists, it is the name most similar to the next component.
fn nearest(place: &OriginalPath<'_>) -> Option<Vec<u8>> {
    let tree = &place.root.tree;
    let is_folder = |path: &[u8]| tree.stat(path).is_ok_and(|stat| stat.kind == Kind::Folder);
    let mut folder = place.path;
    let mut name;
    loop {
        let end = folder.iter().rposition(|&byte| byte == b'/');
        (folder, name) = end.map_or((&b""[..], folder), |end| (&folder[..end], &folder[end + 1..]));
        if folder.is_empty() || is_folder(folder) {
            break;
        }
    }
    let mut names = Vec::new();
    tree.list(folder, false, &mut Vec::new(), &mut |found| {
        if names.len() < NAMES_MAX {
            names.push(found.name.to_vec());
        }
    })
    .ok()?;
    let near = most_alike(name, &names)?;
    Some(if folder.is_empty() { near.to_vec() } else { [folder, b"/", near].concat() })
}

/// The name that is most similar to the one that was looked for. Of equally similar ones, the first
/// in alphabetical order.
fn most_alike<'a>(name: &[u8], names: &'a [Vec<u8>]) -> Option<&'a [u8]> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).to_lowercase();
    let name = text(name);
    let rated = names.iter().map(|other| (strsim::jaro_winkler(&name, &text(other)), other));
    let rated = rated.filter(|(alike, _)| *alike >= ALIKE);
    let best = rated.max_by(|(one, name), (other, than)| one.total_cmp(other).then_with(|| than.cmp(name)));
    best.map(|(_, name)| name.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Folder;
    use crate::cancel::CancelToken;
    use crate::plan::Map;

    #[test]
    fn the_most_alike_name_is_found_in_any_encoding_and_case() {
        let names: Vec<Vec<u8>> = [&b"Reports"[..], b"r\xe9sum\xe9.doc", b"zzz"].map(<[u8]>::to_vec).into();
        assert_eq!(most_alike("r\u{e9}sum\u{e9}.doc".as_bytes(), &names), Some(&b"r\xe9sum\xe9.doc"[..]));
        assert_eq!(most_alike(b"report", &names), Some(&b"Reports"[..]));
        assert_eq!(most_alike(b"qqqq", &names), None);
    }

    fn deleted(path: &[u8]) -> PickRecord {
        PickRecord::new(path, Verdict::Deleted)
    }

    #[test]
    fn many_that_are_gone_show_an_example_of_both_sides_and_few_do_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("Photos/2023")).unwrap();
        std::fs::write(dir.path().join("Photos/2023/a"), "x").unwrap();
        let backup = Folder::open(dir.path(), false).unwrap();
        let maps = [Map { from: Vec::new(), to: dir.path().to_owned() }];
        let pairing = Pairing::new(&backup, &[], &maps, false, None, &CancelToken::new()).unwrap();
        let findings = [deleted(b"photo/2023/a")];
        let counts = |deleted, verified| {
            let mut counts = Counts::default();
            (0..deleted).for_each(|_| counts.add(Verdict::Deleted, false));
            (0..verified).for_each(|_| counts.add(Verdict::Verified, true));
            counts
        };
        let text = note(&counts(3, 50), &findings, &pairing).unwrap();
        assert!(text.starts_with("3 of 53 picks have no original: photo/2023/a, for example,"), "{text}");
        // Windows' own paths have backslashes, which are shown as slashes.
        let near = dir.path().join("Photos").to_str().unwrap().replace('\\', "/");
        assert!(text.contains(&near), "{text}");
        assert_eq!(note(&counts(2, 5), &findings, &pairing), None);
        assert_eq!(note(&counts(5, 95), &findings, &pairing), None);
    }
}
