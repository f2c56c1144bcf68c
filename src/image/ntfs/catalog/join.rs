//! Puts together what several records say about one file, and compares two statements of which
//! records belong together: attribute lists name them, and they name their base record.

use super::found::flags;
use super::parts_of_files::{Belongs, listed_records};
use super::pieces::Pieces;
use super::reparse_kind;
use super::scan::Scan;
use super::tree::short_number;
use crate::image::fields::u32_le;
use crate::image::ntfs::attribute_list;
use crate::image::ntfs::extents::Extents;

/// Completes a scan whose records were all read.
pub(super) fn join(scan: &mut Scan) {
    read_lists(scan);
    compare(scan);
    join_late(scan);
    read_tags(scan);
    find_links(scan);
}

/// Reads attribute lists that are in clusters, in the order of the disk.
fn read_lists(scan: &mut Scan) {
    let mut lists = std::mem::take(&mut scan.lists_elsewhere);
    lists.sort_by_key(|(_, extents, _)| extents.position());
    for (base, extents, size) in lists {
        let read = if size > attribute_list::MAX_SIZE {
            Err("has an attribute list that is longer than NTFS allows".to_owned())
        } else {
            read(&extents, size).and_then(|list| listed_records(base, &list, &mut scan.listed))
        };
        if let Err(what) = read {
            let problem = format!("{base} {what}; parts or names of the file may be lost");
            scan.findings.about(short_number(base), problem);
        }
    }
}

/// Reads the first bytes of a value. `size` was checked.
fn read(extents: &Extents, size: u64) -> Result<Vec<u8>, String> {
    let mut value = vec![0; usize::try_from(size).unwrap_or(0)];
    extents.read(&mut value, 0).map_err(|error| format!("has a value that cannot be read: {error}"))?;
    Ok(value)
}

/// Compares what attribute lists name with what records say about themselves.
fn compare(scan: &mut Scan) {
    let sorted = |list: &mut Pieces<Belongs>| {
        let mut list: Vec<_> = std::mem::replace(list, Pieces::new()).iter().copied().collect();
        list.sort_unstable();
        list.dedup();
        list
    };
    let listed = sorted(&mut scan.listed);
    let claims = sorted(&mut scan.claims);
    for Belongs { base, record } in missing_from(&claims, &listed) {
        let problem = format!(
            "{record} should be a part of {base}, but is not: parts or names of that file may be lost"
        );
        scan.findings.about(short_number(base), problem);
    }
    for Belongs { base, record } in missing_from(&listed, &claims) {
        let problem = format!(
            "{record} says that it is a part of {base}, which does not know of it: a file may be lost"
        );
        scan.findings.note(problem);
    }
}

/// What is in `of` and not in `list`. Both are sorted.
fn missing_from(list: &[Belongs], of: &[Belongs]) -> Vec<Belongs> {
    of.iter().filter(|item| list.binary_search(item).is_err()).copied().collect()
}

/// Adds what other records of files say to what their base records say.
fn join_late(scan: &mut Scan) {
    for (base, late) in std::mem::take(&mut scan.late) {
        let number = short_number(base);
        if let Some(file) = scan.files.find(&number, |file| file.number)
            && let Some(file) = scan.files.get_mut(file).filter(|file| file.sequence == base.sequence)
        {
            file.join(&late);
        } else if let Some(folder) = scan.folders.find(&number, |folder| folder.number)
            && let Some(folder) =
                scan.folders.get_mut(folder).filter(|folder| folder.sequence == base.sequence)
        {
            folder.has_index |= late.flags & flags::INDEX != 0;
        }
    }
}

/// Reads reparse tags that are in clusters, in the order of the disk.
fn read_tags(scan: &mut Scan) {
    let mut elsewhere = std::mem::take(&mut scan.tags_elsewhere);
    elsewhere.sort_by_key(|(_, extents)| extents.position());
    for (number, extents) in elsewhere {
        match read(&extents, 4).map(|value| u32_le(&value, 0)) {
            Ok(Some(tag)) => scan.tags.push((number, tag)),
            Ok(None) => {}
            Err(what) => {
                scan.findings
                    .about(number, format!("MFT record {number} {what}; it may be a link or a file"));
            }
        }
    }
    scan.tags.sort_unstable();
}

/// Marks folders that are links, and finds those that cannot be folders.
fn find_links(scan: &mut Scan) {
    for (number, tag) in &scan.tags {
        if reparse_kind::is_link(*tag)
            && let Some(folder) = scan.folders.find(number, |folder| folder.number)
            && let Some(folder) = scan.folders.get_mut(folder)
        {
            folder.is_link = true;
        }
    }
    for folder in scan.folders.iter().filter(|folder| !folder.has_index) {
        let number = folder.number;
        scan.findings.about(
            number,
            format!("MFT record {number} is a folder without an index: its files may be lost"),
        );
    }
}
