//! Compares a member's long name with the short form in its own header.
//!
//! A long name has no checksum: it is stored in the data of an extension header (GNU `L`, pax
//! `path`). But the member's own header does have a checksum, and contains a short form of the same
//! name. Programs write these short forms:
//!
//! | program | GNU `L` | pax `path` |
//! |---|---|---|
//! | GNU tar, busybox, node-tar | the first 99 or 100 bytes | the first 99 or 100 bytes |
//! | bsdtar | the first 100 bytes | the same, or the middle cut out: `start/end` |
//! | Python | the first 100 bytes | the first 100, `?` for what is not ASCII |
//! | Go | the first 100 bytes without slashes at the end | the same, without what is not ASCII |
//! | 7-Zip | `@PathCut/_pc_crc32/` + CRC-32 of the folder + the file's name | the same |
//! | Archive::Tar (Perl) | the last 155 bytes of the folder, 100 of the name | |
//!
//! A long name that fits none of these is reported as damaged if a known program has written it, or
//! if it equals the short form in most positions. This cannot detect damage in a part of the name
//! that the short form lacks (after the first 100 bytes, for most programs). Such a file counts as
//! one whose original is gone, and its original as one that is missing in the backup
//! (`--completeness`).

/// The program that wrote an extension header, as far as the header's own name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Writer {
    /// An unknown program. A name is called damaged only if it is similar to the short form.
    #[default]
    Unknown,
    /// One of the programs above.
    Known,
    /// One of the programs above, which may cut out the middle of a name.
    Cutting,
}

impl Writer {
    /// Recognises the program by the name of an extension header, and by whether it is marked as
    /// GNU's.
    pub(super) fn of(header_name: &[u8], is_gnu: bool) -> Self {
        let holds = |part: &[u8]| header_name.windows(part.len()).any(|found| found == part);
        if holds(b"PaxHeader/") {
            Self::Cutting
        } else if holds(b"PaxHeader") || (is_gnu && header_name.starts_with(b"././@LongLink")) {
            Self::Known
        } else {
            Self::Unknown
        }
    }
}

/// Whether `long` and the short form in the member's own header can both be right.
pub(super) fn agree(long: &[u8], short: &[u8], writer: Writer) -> bool {
    let (long, short) = (bare(long), bare(short));
    if long.starts_with(short) || (writer == Writer::Unknown && holds(long, short)) {
        return true;
    }
    if let Some(rest) = short.strip_prefix(b"@PathCut/") {
        return fits_path_cut(long, rest);
    }
    if writer == Writer::Cutting && is_cut(long, short) {
        return true;
    }
    if !long.is_ascii() && std::str::from_utf8(long).is_ok() && is_without_unicode(long, short) {
        return true;
    }
    writer == Writer::Unknown && !is_similar(long, short)
}

/// The same for the real name of a sparse file. In the header, a folder `GNUSparseFile.NUMBER` is
/// inserted into it.
pub(super) fn agree_sparse(real: &[u8], short: &[u8], writer: Writer) -> bool {
    const MARK: &[u8] = b"GNUSparseFile.";
    let Some(at) = short.windows(MARK.len()).position(|found| found == MARK) else { return true };
    let rest = &short[at + MARK.len()..];
    let Some(slash) = rest.iter().position(|&byte| byte == b'/') else { return true };
    let whole = [&short[..at], &rest[slash + 1..]].concat();
    // For a name without a folder, programs write the folder `.`.
    let whole = whole.strip_prefix(b"./").filter(|_| !real.starts_with(b"./")).unwrap_or(&whole);
    agree(real, whole, writer)
}

/// The name without slashes at the end, which Go leaves out.
fn bare(mut name: &[u8]) -> &[u8] {
    while let Some(rest) = name.strip_suffix(b"/") {
        name = rest;
    }
    name
}

fn holds(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|found| found == part)
}

/// The forms of 7-Zip: `_pc_root/NAME`, or `_pc_crc32/` with the CRC-32 of the folder, and the
/// name. Other forms that it may write are not known, and are accepted.
fn fits_path_cut(long: &[u8], rest: &[u8]) -> bool {
    let slash = long.iter().rposition(|&byte| byte == b'/');
    let (folder, name) = slash.map_or((&b""[..], long), |at| (&long[..at], &long[at + 1..]));
    if let Some(stored) = rest.strip_prefix(b"_pc_root/") {
        return folder.is_empty() && name.starts_with(stored);
    }
    let Some((sum, stored)) = rest.strip_prefix(b"_pc_crc32/").and_then(|rest| rest.split_at_checked(8))
    else {
        return true;
    };
    let sum = std::str::from_utf8(sum).ok().and_then(|sum| u32::from_str_radix(sum, 16).ok());
    let Some(stored) = stored.strip_prefix(b"/") else { return true };
    sum.is_none_or(|sum| sum == rawzip::crc32(folder)) && name.starts_with(stored)
}

/// Whether `short` consists of the start of `long` and, after a slash, the start of the last
/// component of `long`.
fn is_cut(long: &[u8], short: &[u8]) -> bool {
    let split = |name: &[u8]| name.iter().rposition(|&byte| byte == b'/');
    let (Some(middle), Some(last)) = (split(short), split(long)) else { return false };
    long.starts_with(&short[..middle]) && long[last + 1..].starts_with(&short[middle + 1..])
}

/// Whether `short` is the start of `long` with only its ASCII characters. If `short` has characters
/// that are not Unicode (a code page), or others than the known programs write, only the part
/// before the first such character is compared.
fn is_without_unicode(long: &[u8], short: &[u8]) -> bool {
    if !short.is_ascii() && is_unicode(short) {
        return false;
    }
    let plain: Vec<u8> = long.iter().copied().filter(u8::is_ascii).collect();
    // One `?` for each character: bytes that continue a character are left out.
    let marked: Vec<u8> = long
        .iter()
        .filter(|&&byte| byte & 0xc0 != 0x80)
        .map(|&byte| if byte.is_ascii() { byte } else { b'?' })
        .collect();
    if short.is_ascii() && (marked.starts_with(short) || plain.starts_with(short)) {
        return true;
    }
    let is_marked = short.is_ascii() && short.contains(&b'?');
    let before = long.iter().position(|byte| !byte.is_ascii()).unwrap_or(long.len()).min(short.len());
    !is_marked && long[..before] == short[..before]
}

/// Whether this is UTF-8, even if it is cut off in the middle of a character.
fn is_unicode(name: &[u8]) -> bool {
    std::str::from_utf8(name).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// Whether two names are equal in more than half of their positions, so that one may be a damaged
/// form of the other.
fn is_similar(long: &[u8], short: &[u8]) -> bool {
    let equal = long.iter().zip(short).filter(|(long, short)| long == short).count();
    equal * 2 > short.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &[u8] =
        b"./projects/2023/annual report/drafts of the second quarter/attachments and notes/minutes of the \
        meeting on the third floor.txt";

    #[test]
    fn the_short_forms_that_programs_write_agree() {
        let known = |long: &str, short: &str| agree(long.as_bytes(), short.as_bytes(), Writer::Known);
        let long = std::str::from_utf8(LONG).unwrap();
        assert!(known(long, &long[..100]) && known(long, &long[..99]));
        assert!(agree(LONG, &LONG[LONG.len() - 90..], Writer::Unknown), "Archive::Tar");
        assert!(known("ünï/dätei.txt", "?n?/d?tei.txt") && known("ünï/dätei.txt", "n/dtei.txt"));
        assert!(known("äöü/x", "/x") && known("日本/", ""));
        assert!(!known(&format!("{}/bb", "b".repeat(149)), "@PathCut/_pc_crc32/1769A4C4/bb"));
        assert!(known(&format!("{}/bb", "b".repeat(150)), "@PathCut/_pc_crc32/1769A4C4/bb"));
        assert!(known(&"defg".repeat(40), &format!("@PathCut/_pc_root/{}", "defg".repeat(20))));
        let cut = format!("{}/minutes of the meeting", &long[..60]);
        assert!(agree(LONG, cut.as_bytes(), Writer::Cutting) && !known(long, &cut));
    }

    #[test]
    fn names_in_a_code_page_are_compared_as_far_as_they_are_ascii() {
        assert!(agree("docs/Übung.txt".as_bytes(), b"docs/\xdcbung.txt", Writer::Known));
        assert!(agree("docs/Übung.txt".as_bytes(), b"docs/Uebung.txt", Writer::Known));
        assert!(!agree("dogs/Übung.txt".as_bytes(), b"docs/\xdcbung.txt", Writer::Known));
    }

    #[test]
    fn a_flipped_bit_where_the_short_form_shows_it_does_not_agree() {
        for (at, writer) in (2..100)
            .flat_map(|at| [Writer::Known, Writer::Cutting, Writer::Unknown].map(|writer| (at, writer)))
        {
            for bit in 0..8 {
                let mut long = LONG.to_vec();
                long[at] ^= 1 << bit;
                assert!(!agree(&long, &LONG[..100], writer), "{at} {bit} {writer:?}");
            }
        }
    }

    #[test]
    fn an_unrelated_short_name_from_an_unknown_program_is_accepted() {
        assert!(agree(LONG, b"made-up-1234", Writer::Unknown));
        assert!(!agree(LONG, b"made-up-1234", Writer::Known));
    }

    #[test]
    fn the_inserted_folder_in_the_name_of_a_sparse_file_is_ignored() {
        let agree = |real: &[u8], short: &[u8]| agree_sparse(real, short, Writer::Known);
        assert!(agree(b"disks/image.raw", b"./disks/GNUSparseFile.4711/image.raw"));
        assert!(agree(b"image.raw", b"./GNUSparseFile.0/image.raw"));
        assert!(!agree(b"disks/imaee.raw", b"./disks/GNUSparseFile.4711/image.raw"));
        assert!(agree(b"disks/image.raw", b"./disks/GNUSparseFi"));
    }
}
