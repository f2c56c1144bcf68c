//! The header of a dynamic or differencing VHD ("Dynamic Disk Header Format"), with what it says of
//! the parent. There is only one copy of it.

use crate::bytes::ReadAt;
use crate::image::container::{Family, ParentLink, read_exact};
use crate::image::{Error, fields};

use super::footer::{EPOCH, checksum};

/// Bytes in a header.
pub(super) const LENGTH: usize = 1024;
const COOKIE: &[u8] = b"cxsparse";
const CHECKSUM_AT: usize = 36;
const LOCATORS_AT: usize = 576;
const LOCATORS: usize = 8;
/// Windows allows paths of 32,767 units of 16 bits.
const LONGEST_PATH: u32 = 1 << 16;

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) table_at: u64,
    pub(super) entries: u32,
    pub(super) block_size: u32,
    bytes: Box<[u8]>,
}

/// Reads the header at byte `at`.
pub(super) fn read(file: &dyn ReadAt, at: u64) -> Result<Header, Error> {
    let mut bytes = vec![0; LENGTH].into_boxed_slice();
    read_exact(file, &mut bytes, at, "the dynamic header of the VHD")?;
    let damaged =
        |why: String| Error::Damaged(format!("the dynamic header of the VHD at byte {at} is damaged: {why}"));
    if !bytes.starts_with(COOKIE) {
        return Err(damaged("it does not begin with \"cxsparse\"".to_owned()));
    }
    let number = |at| fields::u32_be(&bytes, at).unwrap_or_default();
    if number(CHECKSUM_AT) != checksum(&bytes, CHECKSUM_AT) {
        return Err(damaged("its checksum is wrong, and it has no copy; use another backup".to_owned()));
    }
    let version = number(24);
    if version >> 16 != 1 {
        return Err(Error::Unsupported(format!("the dynamic header of the VHD has version {version:#010x}")));
    }
    let block_size = number(32);
    if block_size < 512 || !block_size.is_power_of_two() {
        return Err(damaged(format!("blocks of {block_size} bytes are not allowed")));
    }
    let table_at = fields::u64_be(&bytes, 16).unwrap_or_default();
    Ok(Header { table_at, entries: number(28), block_size, bytes })
}

impl Header {
    /// What the header says of the parent. Locators that cannot be read only cost a hint, so they
    /// are notes.
    pub(super) fn parent(&self, file: &dyn ReadAt, notes: &mut Vec<String>) -> ParentLink {
        let mut paths: Vec<(usize, String)> = Vec::new();
        for index in 0..LOCATORS {
            match self.locator(file, LOCATORS_AT + 24 * index) {
                Ok(Some(path)) => paths.push(path),
                Ok(None) => {}
                Err(why) => notes.push(format!("Parent locator {} of the VHD is damaged: {why}.", index + 1)),
            }
        }
        paths.sort_by_key(|&(rank, _)| rank);
        let mut paths: Vec<String> = paths.into_iter().map(|(_, path)| path).collect();
        let name = utf16(self.bytes.get(64..LOCATORS_AT).unwrap_or_default(), u16::from_be_bytes);
        if !name.is_empty() && !paths.contains(&name) {
            paths.push(name);
        }
        let modified = fields::u32_be(&self.bytes, 56).map(|seconds| EPOCH + i64::from(seconds));
        ParentLink {
            family: Family::Vhd,
            paths,
            ids: fields::array(&self.bytes, 40).into_iter().collect(),
            modified,
        }
    }

    /// The path in a locator, and how good it is: a relative one first, because backups are moved.
    fn locator(&self, file: &dyn ReadAt, at: usize) -> Result<Option<(usize, String)>, String> {
        let code: [u8; 4] = fields::array(&self.bytes, at).unwrap_or_default();
        let rank = match &code {
            b"W2ru" => 0,
            b"W2ku" => 1,
            b"MacX" => 2,
            // Unused, a form that was given up ("Wi2r", "Wi2k"), or an alias of Mac OS ("Mac ").
            _ => return Ok(None),
        };
        let length = fields::u32_be(&self.bytes, at + 8).unwrap_or_default();
        let data_at = fields::u64_be(&self.bytes, at + 16).unwrap_or_default();
        let size = usize::try_from(length).ok().filter(|_| length <= LONGEST_PATH);
        let mut data = vec![0; size.ok_or_else(|| format!("a path of {length} bytes is too long"))?];
        read_exact(file, &mut data, data_at, "the path").map_err(|error| error.to_string())?;
        let path = match &code {
            b"MacX" => from_url(&data).ok_or("it is no file URL")?,
            _ => utf16(&data, u16::from_le_bytes),
        };
        Ok((!path.is_empty()).then_some((rank, path)))
    }
}

/// Text in UTF-16 up to its end or the first NUL.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk()).map(|&pair| unit(pair));
    let units: Vec<u16> = units.take_while(|&unit| unit != 0).collect();
    String::from_utf16_lossy(&units)
}

/// The path of a file URL (RFC 2396), as Mac OS X wrote it.
fn from_url(url: &[u8]) -> Option<String> {
    let end = url.iter().position(|&byte| byte == 0).unwrap_or(url.len());
    let rest = url.get(..end)?.strip_prefix(b"file://")?;
    // A host, mostly "localhost" or nothing, ends at the first slash.
    let path = rest.get(rest.iter().position(|&byte| byte == b'/')?..)?;
    let mut decoded = Vec::with_capacity(path.len());
    let mut left = path;
    while let Some((&byte, next)) = left.split_first() {
        left = next;
        let escaped = next.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match escaped.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(value) if byte == b'%' => {
                decoded.push(value);
                left = next.get(2..).unwrap_or_default();
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of tests")]
mod tests {
    use super::*;
    use crate::image::container::testing;

    #[test]
    fn every_flipped_byte_of_a_header_is_an_error() {
        let good = testing::dynamic_header(1536, 3, 1 << 21);
        assert_eq!(read(&good, 0).unwrap().entries, 3);
        for at in 0..LENGTH {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            assert!(read(&bytes, 0).is_err(), "byte {at}");
        }
    }

    #[test]
    fn sizes_of_blocks_that_the_format_does_not_know_are_refused() {
        for size in [0, 1, 256, 513, 3 << 20, u32::MAX] {
            assert!(read(&testing::dynamic_header(1536, 3, size), 0).is_err(), "{size}");
        }
    }

    #[test]
    fn the_locators_of_windows_and_of_macintosh_are_read_best_first() {
        let mut file = testing::dynamic_header(1536, 1, 1 << 21);
        let mut add = |index: usize, code: &[u8; 4], data: &[u8]| {
            let at = file.len() as u64;
            file.extend_from_slice(data);
            let entry = LOCATORS_AT + 24 * index;
            file[entry..entry + 4].copy_from_slice(code);
            file[entry + 8..entry + 12].copy_from_slice(&(data.len() as u32).to_be_bytes());
            file[entry + 16..entry + 24].copy_from_slice(&at.to_be_bytes());
        };
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        add(0, b"MacX", b"file://localhost/Users/a%20b/parent.vhd\0");
        add(2, b"W2ku", &wide("D:\\vm\\parent.vhd"));
        add(5, b"W2ru", &wide(".\\parent.vhd\0"));
        add(6, b"Wi2k", b"D:\\old.vhd");
        for (index, unit) in "parent.vhd".encode_utf16().enumerate() {
            file[64 + 2 * index..66 + 2 * index].copy_from_slice(&unit.to_be_bytes());
        }
        testing::seal(&mut file[..LENGTH], CHECKSUM_AT);
        let mut notes = Vec::new();
        let link = read(&file, 0).unwrap().parent(&file, &mut notes);
        let expected = [".\\parent.vhd", "D:\\vm\\parent.vhd", "/Users/a b/parent.vhd", "parent.vhd"];
        assert_eq!(link.paths, expected);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn a_locator_that_points_nowhere_or_claims_gigabytes_is_a_note() {
        for (length, at) in [(u32::MAX, 0u64), (20, u64::MAX), (20, 5000)] {
            let mut file = testing::dynamic_header(1536, 1, 1 << 21);
            file[LOCATORS_AT..LOCATORS_AT + 4].copy_from_slice(b"W2ru");
            file[LOCATORS_AT + 8..LOCATORS_AT + 12].copy_from_slice(&length.to_be_bytes());
            file[LOCATORS_AT + 16..LOCATORS_AT + 24].copy_from_slice(&at.to_be_bytes());
            testing::seal(&mut file[..LENGTH], CHECKSUM_AT);
            let mut notes = Vec::new();
            let link = read(&file, 0).unwrap().parent(&file, &mut notes);
            assert_eq!((link.paths.len(), notes.len()), (0, 1), "{notes:?}");
        }
    }

    #[test]
    fn what_is_no_file_url_is_no_path() {
        assert_eq!(from_url(b"http://host/path"), None);
        assert_eq!(from_url(b"file://host"), None);
        assert_eq!(from_url(b"file:///a%2"), Some("/a%2".to_owned()));
        assert_eq!(from_url(b"file:///a%ff"), None);
    }
}
