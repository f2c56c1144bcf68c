//! The GUID of a volume, as Windows writes it in names of files and paths.

use std::fmt;

/// The GUID of a volume: 36 ASCII characters in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Guid([u8; 36]);

impl Guid {
    /// The GUID that `text` is, without braces: `9b9cfbc4-369e-11e9-a17c-806e6f6e6963`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 36] = text.as_bytes().try_into().ok()?;
        let is_plain = |(at, byte): (usize, &u8)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        bytes.iter().enumerate().all(is_plain).then(|| Self(bytes.map(|byte| byte.to_ascii_lowercase())))
    }

    /// The GUID in a volume's path: `\\?\Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}\`, with
    /// nothing behind it.
    pub(super) fn in_volume_path(path: &str) -> Option<Self> {
        let path = path.trim();
        let path = path.strip_suffix('\\').unwrap_or(path);
        let path = path.strip_suffix('}')?;
        let (before, guid) = path.split_once('{')?;
        let name = before.trim_start_matches(['\\', '?', '.']);
        Self::parse(guid).filter(|_| name.eq_ignore_ascii_case("volume"))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All of it is ASCII.
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_found_in_names_and_paths_and_nowhere_else() {
        let guid = Guid::parse("9B9CFBC4-369e-11e9-a17c-806e6f6e6963").unwrap();
        assert_eq!(guid.to_string(), "9b9cfbc4-369e-11e9-a17c-806e6f6e6963");
        for path in [
            r"\\?\Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}\",
            r"\\?\volume{9B9CFBC4-369E-11E9-A17C-806E6F6E6963}",
            r"Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}",
        ] {
            assert_eq!(Guid::in_volume_path(path), Some(guid), "{path}");
        }
        for other in [
            "",
            r"\\?\Volume{}\",
            r"\\?\Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}\Users",
            r"{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}",
            r"\\?\Volume{9b9cfbc4_369e-11e9-a17c-806e6f6e6963}\",
            r"\\?\Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e696g}\",
        ] {
            assert_eq!(Guid::in_volume_path(other), None, "{other}");
        }
    }
}
