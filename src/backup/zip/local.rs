//! Compares the local header and the data descriptor of an entry with its record in the directory.
//!
//! Restoring an entry needs only the directory. But other programs read other fields: some take the
//! method, the sizes or the flags from the local header, and those that read a stream have nothing
//! else. So a local header that contradicts the directory is damage, even if this program could
//! restore the entry without it.
//!
//! Some differences between the two are normal, because real programs write them: zeros in the
//! local header if a data descriptor follows (bit 3 of the flags), sizes in a zip64 field, the
//! level of compression, and whether an ASCII name is marked as UTF-8. Format: PKWARE APPNOTE.TXT
//! 6.3.10, sections 4.3.7, 4.3.9, 4.4 and 4.5.

use rawzip::extra_fields::{ExtraFieldId, ExtraFields};

use super::stored::Stored;

/// Length of a local header without name and extra field (APPNOTE 4.3.7).
pub(super) const LOCAL_HEADER: usize = 30;

/// The length of the longest data descriptor, which has a signature and sizes of 8 bytes.
pub(super) const DESCRIPTOR_MAX: usize = 24;

/// The first bytes of each local header.
pub(super) const SIGNATURE: &[u8] = b"PK\x03\x04";

/// Flags (APPNOTE 4.4.4).
pub(super) const ENCRYPTED: u16 = 1;
const DESCRIPTOR: u16 = 1 << 3;
const STRONGLY_ENCRYPTED: u16 = 1 << 6;
const UTF8: u16 = 1 << 11;
const MASKED: u16 = 1 << 13;

/// Bits 1 and 2: the level of compression, or how the end of the data is marked.
const EFFORT: u16 = 0b110;

/// Methods for which programs ignore [`EFFORT`]: imploding, deflate, Deflate64 and LZMA.
const EFFORT_METHODS: [u16; 4] = [6, 8, 9, 14];

/// In a field of 32 bits, this value means that the number is in the zip64 field.
const SEE_ZIP64: u32 = u32::MAX;

/// The newest version of the format that an entry can need, 6.3 (APPNOTE 4.4.3.2).
const VERSION_MAX: u16 = 63;

/// The newest version that plain entries need. Later versions added only methods and encryption.
const PLAIN_VERSION_MAX: u16 = 46;

/// A local header, as far as it was read.
pub(super) struct Local<'a> {
    /// The part of fixed length.
    fixed: &'a [u8; LOCAL_HEADER],
    name: &'a [u8],
    extra: &'a [u8],
}

impl<'a> Local<'a> {
    /// Parses the bytes of a local header. `None` if they do not begin with its signature. Name and
    /// extra field may be incomplete.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_first_chunk::<LOCAL_HEADER>()?;
        let local = Self { fixed, name: b"", extra: b"" };
        let (name, rest) = rest.split_at(usize::from(local.u16(26)).min(rest.len()));
        let extra = &rest[..usize::from(local.u16(28)).min(rest.len())];
        fixed.starts_with(SIGNATURE).then_some(Self { name, extra, ..local })
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.fixed[at], self.fixed[at + 1]])
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }

    /// Its length in bytes, with name and extra field.
    pub(super) fn length(&self) -> u64 {
        (LOCAL_HEADER + usize::from(self.u16(26)) + usize::from(self.u16(28))) as u64
    }

    /// The name, as far as it was read.
    pub(super) fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Whether name and extra field were read completely.
    fn is_whole(&self) -> bool {
        self.length() == (LOCAL_HEADER + self.name.len() + self.extra.len()) as u64
    }

    fn flags(&self) -> u16 {
        self.u16(6)
    }

    /// Whether a data descriptor follows the data, according to this header.
    pub(super) fn has_descriptor(&self) -> bool {
        self.flags() & DESCRIPTOR != 0
    }

    /// The uncompressed and the compressed size, from the zip64 field if they are stored there.
    fn sizes(&self) -> [u64; 2] {
        let mut zip64 = ExtraFields::new(self.extra)
            .find(|(id, _)| *id == ExtraFieldId::ZIP64)
            .map_or(&[][..], |(_, field)| field);
        [self.u32(22), self.u32(18)].map(|short| match zip64.split_first_chunk::<8>() {
            Some((long, rest)) if short == SEE_ZIP64 => {
                zip64 = rest;
                u64::from_le_bytes(*long)
            }
            _ => u64::from(short),
        })
    }

    /// What contradicts `stored`, the directory's record of the entry at `path`, in words.
    pub(super) fn contradiction(&self, stored: &Stored, path: &[u8]) -> Option<String> {
        let (method, flags) = (self.u16(8), self.flags());
        if let Some(differing) = self.differing_flags(stored) {
            return Some(disagree("flags", flags & differing, stored.flags & differing));
        }
        // If the directory is encrypted, the fields of the local header are masked.
        if flags & MASKED != 0 {
            return None;
        }
        if method != stored.method {
            return Some(disagree("method", method, stored.method));
        }
        if let Some(wrong) = wrong_version(self.u16(4), method, flags) {
            return Some(format!("its local header {wrong}"));
        }
        if !self.is_whole() {
            return None;
        }
        if names_disagree(self.name, path, stored.name) {
            let problem = "its two headers in the archive give it different names: one of them is damaged";
            return Some(problem.to_owned());
        }
        if extra_is_broken(self.extra) {
            let problem =
                "the extra field of its local header is cut off in the middle: the header is damaged";
            return Some(problem.to_owned());
        }
        self.differing_numbers(stored)
    }

    /// The flags that differ in a way that matters.
    fn differing_flags(&self, stored: &Stored) -> Option<u16> {
        let mut differing = self.flags() ^ stored.flags;
        if EFFORT_METHODS.contains(&stored.method) {
            differing &= !EFFORT;
        }
        // A name that is only ASCII is the same in UTF-8.
        if self.name.is_ascii() {
            differing &= !UTF8;
        }
        // Some programs do not set the flag for a descriptor in the directory. No program depends
        // on it there, and the descriptor is looked for here anyway.
        if self.has_descriptor() {
            differing &= !DESCRIPTOR;
        }
        (differing != 0).then_some(differing)
    }

    fn differing_numbers(&self, stored: &Stored) -> Option<String> {
        let [size, compressed] = self.sizes();
        let is_later = |number: u64| self.has_descriptor() && matches!(number, 0 | 0xffff_ffff);
        for (what, local, directory) in
            [("size", size, stored.size), ("compressed size", compressed, stored.compressed)]
        {
            if local != directory && !is_later(local) {
                return Some(disagree(what, local, directory));
            }
        }
        let crc = self.u32(14);
        let is_wrong =
            crc != stored.crc && !is_later(u64::from(crc)) && stored.flags & STRONGLY_ENCRYPTED == 0;
        is_wrong.then(|| disagree("CRC-32", format!("{crc:08x}"), format!("{:08x}", stored.crc)))
    }

    /// What is wrong with the data descriptor. `behind` are the bytes after the data.
    pub(super) fn wrong_descriptor(&self, stored: &Stored, behind: &[u8]) -> Option<&'static str> {
        if !self.has_descriptor() || (self.flags() | stored.flags) & (MASKED | STRONGLY_ENCRYPTED) != 0 {
            return None;
        }
        // Some programs set the flag in both headers, but fill in the local one and write no
        // descriptor.
        let is_none = stored.flags & DESCRIPTOR != 0
            && self.sizes() == [stored.size, stored.compressed]
            && self.u32(14) == stored.crc
            && (behind.starts_with(SIGNATURE) || behind.starts_with(b"PK\x01\x02"));
        let is_right = is_none || descriptor_length(behind, stored).is_some();
        (!is_right).then_some(
            "the sizes and the CRC-32 after its data are not those in the directory: one of them is damaged",
        )
    }
}

/// The message for two numbers that should be equal and are not.
fn disagree<T: std::fmt::Display>(what: &str, local: T, directory: T) -> String {
    format!("its local header says {what} {local}, the directory {directory}: one of them is damaged")
}

/// The length of the data descriptor at the start of `bytes`, if it matches `stored`. It may have a
/// signature, and its sizes may have 4 or 8 bytes: programs do not agree on when.
pub(super) fn descriptor_length(bytes: &[u8], stored: &Stored) -> Option<usize> {
    let crc = stored.crc.to_le_bytes();
    let long = [&crc[..], &stored.compressed.to_le_bytes(), &stored.size.to_le_bytes()].concat();
    // Programs that do not support zip64 write the lower half of a size.
    let short = [&crc[..], &stored.compressed.to_le_bytes()[..4], &stored.size.to_le_bytes()[..4]].concat();
    let signed = bytes.strip_prefix(b"PK\x07\x08");
    let fits = |bytes: Option<&[u8]>, body: &[u8]| bytes.is_some_and(|bytes| bytes.starts_with(body));
    [(signed, &long, 4), (signed, &short, 4), (Some(bytes), &long, 0), (Some(bytes), &short, 0)]
        .into_iter()
        .find(|(bytes, body, _)| fits(*bytes, body))
        .map(|(_, body, signature)| body.len() + signature)
}

/// What is wrong with the version "needed to extract" of an entry. Programs refuse a version that
/// is newer than they know, so they cannot restore an entry with a number that is too large. All
/// programs ignore a number that is too small. In old archives, the upper byte is the number of a
/// system, which no program reads.
pub(super) fn wrong_version(needed: u16, method: u16, flags: u16) -> Option<String> {
    let version = needed & 0xff;
    let is_plain = matches!(method, 0 | 8) && flags & (ENCRYPTED | STRONGLY_ENCRYPTED) == 0;
    let newest = if is_plain { PLAIN_VERSION_MAX } else { VERSION_MAX };
    (version > newest).then(|| {
        format!("says that version {}.{} of the format is needed to restore it", version / 10, version % 10)
    })
}

/// Whether an extra field is cut off in the middle. Up to three bytes at its end are padding in
/// aligned archives.
pub(super) fn extra_is_broken(extra: &[u8]) -> bool {
    let mut fields = ExtraFields::new(extra);
    fields.by_ref().for_each(drop);
    fields.remaining_bytes().len() > 3
}

/// Whether the name in the entry's own header differs from the one in the directory, from which
/// `path` was made. The names in the directory have no checksum: without this comparison, a file
/// whose name is damaged there would count as one whose original is gone.
///
/// `stored` is the length of the name in the directory. A local name of another length is another
/// spelling (of the Unicode field) and is not compared, unless its path is as long as `path`.
fn names_disagree(local: &[u8], path: &[u8], stored: u16) -> bool {
    let spelled = |name: &[u8]| crate::backup::relative(name).unwrap_or_default();
    let slashed = || local.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect::<Vec<u8>>();
    let name = spelled(local);
    let is_comparable = local.len() == usize::from(stored) || name.len() == path.len();
    is_comparable && name != path && spelled(&slashed()) != path
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Stored =
        Stored { header: 0, compressed: 5, size: 7, crc: 0x1122_3344, method: 8, flags: DESCRIPTOR, name: 1 };

    #[test]
    fn a_descriptor_is_wrong_in_each_of_its_four_forms_and_by_its_content_alone() {
        let crc = 0x1122_3344_u32.to_le_bytes();
        let short = [&crc[..], &5u32.to_le_bytes(), &7u32.to_le_bytes()].concat();
        let long = [&crc[..], &5u64.to_le_bytes(), &7u64.to_le_bytes()].concat();
        let signed = |body: &[u8]| [b"PK\x07\x08", body].concat();
        assert_eq!(descriptor_length(&short, &STORED), Some(12));
        assert_eq!(descriptor_length(&long, &STORED), Some(20));
        assert_eq!(descriptor_length(&signed(&short), &STORED), Some(16));
        assert_eq!(descriptor_length(&signed(&long), &STORED), Some(24));
        assert_eq!(descriptor_length(&short[..11], &STORED), None);
        assert_eq!(descriptor_length(&signed(&short), &Stored { size: 8, ..STORED }), None);
    }

    #[test]
    fn versions_that_programs_write_are_right_and_those_that_programs_refuse_are_wrong() {
        for needed in [0, 10, 11, 20, 21, 45, 46, 0x0314] {
            assert_eq!(wrong_version(needed, 8, 0), None, "{needed}");
        }
        for needed in [50, 51, 52, 61, 62, 63] {
            assert_eq!(wrong_version(needed, 93, 0), None, "{needed}");
            assert_eq!(wrong_version(needed, 8, ENCRYPTED), None, "{needed}");
            assert!(wrong_version(needed, 8, 0).is_some(), "{needed}");
        }
        assert!(wrong_version(84, 93, 0).is_some());
    }
}
