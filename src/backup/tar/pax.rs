//! Extended header records (POSIX.1-2017, pax, "pax Extended Header"): `LENGTH KEY=VALUE\n`, with
//! any bytes in the value.
//!
//! Records are split by their length and not by lines, because a value may contain a line feed, as
//! file names can.

use crate::platform::Timestamp;

/// What the records of one extended header say about the member that follows, as far as it matters
/// for restoring its content.
#[derive(Debug, Default, Clone)]
pub(super) struct Attributes {
    /// `path`, which replaces the name in the header.
    pub path: Vec<u8>,
    /// `linkpath`, which replaces the link target in the header.
    pub linkpath: Vec<u8>,
    /// `size`: the number of stored bytes, if the field in the header is too small.
    pub size: Option<u64>,
    /// `mtime`, with fractions of a second.
    pub mtime: Option<Timestamp>,
    /// Whether there was an extended header at all.
    pub present: bool,
    /// Whether `GNU.sparse.major` is 1: the map of segments is stored before the data.
    pub map_in_data: bool,
    /// `GNU.sparse.name`: the real name, if `path` is an invented one.
    pub sparse_name: Vec<u8>,
    /// `GNU.sparse.realsize` (1.0) or `GNU.sparse.size` (0.x): the size when restored.
    pub real_size: Option<u64>,
    /// The numbers of formats 0.0 (`GNU.sparse.offset`, `.numbytes`) and 0.1 (`GNU.sparse.map`):
    /// offset and length in turn.
    pub map: Vec<u64>,
}

impl Attributes {
    /// Removes everything, but keeps the allocated capacity.
    pub(super) fn clear(&mut self) {
        self.path.clear();
        self.linkpath.clear();
        self.sparse_name.clear();
        self.map.clear();
        (self.size, self.mtime, self.real_size) = (None, None, None);
        (self.present, self.map_in_data) = (false, false);
    }

    /// Adds what the records in `block` say. An error names the first record that is invalid.
    pub(super) fn read(&mut self, mut block: &[u8]) -> Result<(), String> {
        self.present = true;
        let whole = block.len();
        while !block.is_empty() {
            let done = whole - block.len();
            if block.iter().all(|&byte| byte == 0) {
                // Some programs fill up the last block with zeros beyond the size in the header.
                if done > 0 && whole.is_multiple_of(512) && block.len() < 512 {
                    break;
                }
                return Err(format!("an extended header has only zeros after its first {done} bytes"));
            }
            let (key, value, rest) =
                split_record(block).filter(|(key, ..)| !is_spoilt(key)).ok_or_else(|| {
                    format!(
                        "the extended header record {done} bytes after the start of its header is malformed"
                    )
                })?;
            self.take(key, value)?;
            block = rest;
        }
        Ok(())
    }

    /// Whether this header and an earlier one cannot both belong to the same member.
    pub(super) fn contradicts(&self, earlier: &Self) -> bool {
        let differ = |one: &[u8], other: &[u8]| !one.is_empty() && !other.is_empty() && one != other;
        differ(&self.path, &earlier.path)
            || differ(&self.sparse_name, &earlier.sparse_name)
            || matches!((self.size, earlier.size), (Some(one), Some(other)) if one != other)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let bad =
            || format!("the extended header record {} has no valid number", String::from_utf8_lossy(key));
        match key {
            b"path" => replace(&mut self.path, value),
            b"linkpath" => replace(&mut self.linkpath, value),
            // An empty value removes the value of an earlier header.
            b"size" | b"mtime" if value.is_empty() => {}
            b"size" => self.size = Some(number(value).ok_or_else(bad)?),
            // If the value is invalid, the time in the member's header is used, which has whole
            // seconds.
            b"mtime" => self.mtime = time(value),
            b"GNU.sparse.major" => self.map_in_data = number(value).ok_or_else(bad)? == 1,
            b"GNU.sparse.name" => replace(&mut self.sparse_name, value),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => {
                self.real_size = Some(number(value).ok_or_else(bad)?);
            }
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.map.push(number(value).ok_or_else(bad)?),
            b"GNU.sparse.map" => {
                self.map.clear();
                for text in value.split(|&byte| byte == b',') {
                    self.map.push(number(text).ok_or_else(bad)?);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The keywords of POSIX, and those of GNU tar that matter for what is restored. Two keywords here
/// may differ in only one byte (`atime` and `mtime`); neither counts as a damaged form of the
/// other.
const KEYWORDS: [&[u8]; 21] = [
    b"path",
    b"linkpath",
    b"size",
    b"mtime",
    b"atime",
    b"ctime",
    b"uid",
    b"gid",
    b"uname",
    b"gname",
    b"charset",
    b"hdrcharset",
    b"comment",
    b"GNU.sparse.major",
    b"GNU.sparse.minor",
    b"GNU.sparse.name",
    b"GNU.sparse.realsize",
    b"GNU.sparse.size",
    b"GNU.sparse.offset",
    b"GNU.sparse.numbytes",
    b"GNU.sparse.map",
];

/// Whether a keyword looks like a damaged form of a known one. Its record would be ignored, and a
/// shorter name be used. Such a keyword differs from a known one in one byte, or consists of a
/// known one and part of its value. Vendors' own keywords have other forms (`SCHILY.xattr.user.x`).
fn is_spoilt(key: &[u8]) -> bool {
    if KEYWORDS.contains(&key) {
        return false;
    }
    let is_near = |known: &[u8]| {
        known.len() == key.len() && known.iter().zip(key).filter(|(one, other)| one != other).count() == 1
    };
    // In `path=a/b` with a damaged first equals sign, the keyword extends to an equals sign in the
    // name.
    let decides = |known: &[u8]| KEYWORDS[..4].contains(&known) || known.starts_with(b"GNU.");
    let vendor = key.split(|&byte| byte == b'.').next().unwrap_or_default();
    let is_word =
        vendor.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' '));
    KEYWORDS.iter().any(|known| is_near(known))
        || KEYWORDS.iter().any(|known| decides(known) && key.starts_with(known))
        || vendor.is_empty()
        || !is_word
}

fn replace(buffer: &mut Vec<u8>, value: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(value);
}

/// The key and the value of the first record, and the rest.
fn split_record(block: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = block.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(number(&block[..space])?).ok()?;
    let (record, rest) = block.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// Parses a decimal number that has only digits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Parses seconds since 1970 with an optional sign and fraction. Digits beyond nanoseconds are
/// ignored.
fn time(text: &[u8]) -> Option<Timestamp> {
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
    let mut parts = digits.splitn(2, |&byte| byte == b'.');
    let seconds = i128::from(number(parts.next()?)?);
    let mut nanos = 0;
    let mut unit: i128 = 100_000_000;
    for &digit in parts.next().unwrap_or_default() {
        if !digit.is_ascii_digit() {
            return None;
        }
        nanos += i128::from(digit - b'0') * unit;
        unit /= 10;
    }
    let whole = seconds * 1_000_000_000 + nanos;
    Some(Timestamp::from_nanos(if negative { -whole } else { whole }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = key.len() + value.len() + 3;
        let length =
            (1..).map(|digits| rest + digits).find(|length| rest + length.to_string().len() == *length);
        [length.unwrap().to_string().as_bytes(), b" ", key.as_bytes(), b"=", value, b"\n"].concat()
    }

    #[test]
    fn values_may_hold_line_feeds_equals_signs_and_any_byte() {
        let path = b"a\n13 path=evil\n\xff";
        let mut attributes = Attributes::default();
        attributes
            .read(&[record("path", path), record("comment", b"x=y"), record("size", b"17")].concat())
            .unwrap();
        assert_eq!(attributes.path, path);
        assert_eq!(attributes.size, Some(17));
    }

    #[test]
    fn times_keep_their_nanoseconds_on_both_sides_of_1970() {
        assert_eq!(time(b"12.5"), Some(Timestamp { seconds: 12, nanos: 500_000_000 }));
        assert_eq!(
            time(b"1700000000.1234567899"),
            Some(Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 })
        );
        assert_eq!(time(b"-1.25"), Some(Timestamp { seconds: -2, nanos: 750_000_000 }));
        assert_eq!(time(b"7"), Some(Timestamp { seconds: 7, nanos: 0 }));
        assert_eq!(time(b"1e9"), None);
    }

    #[test]
    fn malformed_records_are_errors() {
        for block in [&b"5 a=b\n"[..], b"x", b"99 path=a\n", b"0 \n", b"10 size=1x\n", b"8 nothing\n"] {
            assert!(Attributes::default().read(block).is_err(), "{}", String::from_utf8_lossy(block));
        }
    }

    #[test]
    fn zeros_instead_of_records_are_an_error_but_not_as_filling_of_the_last_block() {
        let read = |block: &[u8]| Attributes::default().read(block);
        assert!(read(&[0; 30]).is_err() && read(&[0; 512]).is_err());
        let mut block = record("path", b"a/b");
        block.resize(60, 0);
        assert!(read(&block).is_err());
        block.resize(512, 0);
        assert!(read(&block).is_ok());
        block.resize(1024, 0);
        assert!(read(&block).is_err());
    }

    #[test]
    fn any_flipped_bit_in_a_keyword_or_around_it_is_noticed() {
        for key in ["path", "size", "linkpath", "GNU.sparse.name", "GNU.sparse.realsize"] {
            let value = if key.contains("size") { "1234" } else { "some folder/a=b.txt" };
            let good = record(key, value.as_bytes());
            assert!(Attributes::default().read(&good).is_ok());
            let equals = good.iter().position(|&byte| byte == b'=').unwrap();
            for (at, bit) in (0..=equals).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(Attributes::default().read(&bad).is_err(), "{}", String::from_utf8_lossy(&bad));
            }
        }
    }

    #[test]
    fn keywords_of_other_programs_are_passed_over() {
        for key in [
            "SCHILY.xattr.user.mime type",
            "LIBARCHIVE.creationtime",
            "atime",
            "hdrcharset",
            "RHT.security.selinux",
            "foo",
        ] {
            assert!(Attributes::default().read(&record(key, b"x")).is_ok(), "{key}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(block in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Attributes::default().read(&block);
        }

        #[test]
        fn every_path_survives(path in proptest::collection::vec(any::<u8>(), 1..300)) {
            let mut attributes = Attributes::default();
            prop_assert!(attributes.read(&record("path", &path)).is_ok());
            prop_assert_eq!(attributes.path, path);
        }
    }
}
