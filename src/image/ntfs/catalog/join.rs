//! Puts together what several records say about one file, and compares two statements of which
//! records belong together: attribute lists name them, and they name their base record.

use std::ops::ControlFlow;

use super::found::flags;
use super::parts_of_files::{Belongs, listed_records};
use super::pieces::Pieces;
use super::scan::Scan;
use super::tree::{FIRST_USER, short_number};
use crate::image::ntfs::extents::Extents;
use crate::image::ntfs::reparse::{self, ReparsePoint};
use crate::image::ntfs::{Volume, attribute_list};

/// Completes a scan whose records were all read.
pub(super) fn join(volume: &Volume, scan: &mut Scan, is_cancelled: &dyn Fn() -> bool) -> ControlFlow<()> {
    read_lists(volume, scan, is_cancelled)?;
    compare(scan);
    join_extensions(scan);
    read_tags(scan, is_cancelled)?;
    find_links(scan);
    count_missing_names(scan);
    ControlFlow::Continue(())
}

/// Reads attribute lists that are in clusters, in the order of the disk.
///
/// An entry of a list takes at most twice the bytes of the attribute that it stands for, and all
/// attributes are in the $MFT. So lists that are longer together share their clusters, and reading
/// all of them would take time without end.
fn read_lists(volume: &Volume, scan: &mut Scan, is_cancelled: &dyn Fn() -> bool) -> ControlFlow<()> {
    let mut left = volume.record_count().saturating_mul(u64::from(volume.geometry().record_size) * 2);
    let mut lists = std::mem::take(&mut scan.lists_elsewhere);
    lists.sort_by_key(|(_, extents, _)| extents.position());
    for (base, extents, size) in lists {
        if is_cancelled() {
            return ControlFlow::Break(());
        }
        let read = if size > attribute_list::MAX_SIZE {
            Err("has an attribute list that is longer than NTFS allows".to_owned())
        } else if size > left {
            Err("has an attribute list, and all lists together are longer than the $MFT needs".to_owned())
        } else {
            left -= size;
            read(&extents, size).and_then(|list| listed_records(base, &list, &mut scan.listed))
        };
        if let Err(what) = read {
            scan.findings.general(format!("{base} {what}; parts or names of the file may be lost"));
        }
    }
    ControlFlow::Continue(())
}

/// Reads a value. `size` was checked.
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
        scan.findings.general(problem);
    }
    for Belongs { base, record } in missing_from(&listed, &claims) {
        let problem = format!(
            "{record} says that it is a part of {base}, which does not know of it: a file may be lost"
        );
        scan.findings.general(problem);
    }
}

/// What is in `of` and not in `list`. Both are sorted.
fn missing_from(list: &[Belongs], of: &[Belongs]) -> Vec<Belongs> {
    of.iter().filter(|item| list.binary_search(item).is_err()).copied().collect()
}

/// Adds what other records of files say to what their base records say.
fn join_extensions(scan: &mut Scan) {
    for (base, found) in std::mem::take(&mut scan.extensions) {
        let number = short_number(base);
        if let Some(file) = scan.files.find(&number, |file| file.number)
            && let Some(file) = scan.files.get_mut(file).filter(|file| file.sequence == base.sequence)
        {
            file.join(&found);
        } else if let Some(folder) = scan.folders.find(&number, |folder| folder.number)
            && let Some(folder) =
                scan.folders.get_mut(folder).filter(|folder| folder.sequence == base.sequence)
        {
            folder.has_index |= found.flags & flags::INDEX != 0;
        }
    }
}

/// Reads reparse points that are in clusters, in the order of the disk.
fn read_tags(scan: &mut Scan, is_cancelled: &dyn Fn() -> bool) -> ControlFlow<()> {
    let mut elsewhere = std::mem::take(&mut scan.tags_elsewhere);
    elsewhere.sort_by_key(|(_, extents, _)| extents.position());
    for (number, extents, size) in elsewhere {
        if is_cancelled() {
            return ControlFlow::Break(());
        }
        let point = if size > ReparsePoint::MAX_SIZE {
            Err("has a reparse point that is longer than Windows allows".to_owned())
        } else {
            read(&extents, size)
                .and_then(|value| ReparsePoint::parse(&value).ok_or("has a damaged reparse point".to_owned()))
        };
        match point {
            Ok(point) => scan.tags.push((number, point.tag)),
            Err(what) => {
                scan.findings
                    .about(number, format!("MFT record {number} {what}; it may be a link or a file"));
            }
        }
    }
    scan.tags.sort_unstable();
    ControlFlow::Continue(())
}

/// Counts files that have fewer names than their records count. Short names count. Windows calls
/// a difference a minor error, which chkdsk corrects without telling, and some versions of Linux
/// have made such: so it alone is not damage. A name that is lost, and not deleted, is still in the
/// index of its folder, and found there.
fn count_missing_names(scan: &mut Scan) {
    let missing = std::mem::take(&mut scan.missing_names);
    let numbers = missing.into_iter().filter(|(number, missing)| *number >= FIRST_USER && *missing > 0);
    let mut numbers: Vec<_> = numbers.map(|(number, _)| number).collect();
    numbers.sort_unstable();
    numbers.into_iter().for_each(|number| scan.findings.fewer_names.add_record(number.into()));
}

/// Marks folders that are links, and finds those that cannot be folders.
fn find_links(scan: &mut Scan) {
    for (number, tag) in &scan.tags {
        if reparse::is_link(*tag)
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
