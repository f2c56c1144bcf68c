//! Files of which Windows puts only the names into the image of a volume.
//!
//! In: the files of the volumes, as they are listed. Out: those whose content is left out. Windows
//! does not copy the blocks of the page file, of the hibernation file, and of the stores of shadow
//! copies. Their originals cannot be read while Windows runs, either. So they are no files of the
//! backup, and a note names each of them.
//!
//! A user's file can have such a name, too. All that Windows makes consists of whole pages of
//! memory. What does not is a file like others.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::backup::path::escape;
use crate::image::Guid;
use crate::lock::lock;
use crate::words;

/// Files at the root of a volume.
const AT_THE_ROOT: [&str; 3] = ["pagefile.sys", "swapfile.sys", "hiberfil.sys"];

/// The folder that holds the stores of shadow copies.
const STORES: &str = "system volume information/";

/// What the name of every such store ends in. Before it, there is a GUID or nothing.
const STORE: &str = "{3808876b-c176-4e48-b7ae-04046e6cc752}";

/// Bytes in a page of memory.
const PAGE: u64 = 4096;

/// The most files that are left out. A volume has at most 512 shadow copies. Further files are
/// verified like others.
const MOST: usize = 10_000;

/// How many of them a note names.
const NAMED: usize = 10;

/// The files that were left out of the listings of a backup.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Their paths and sizes, by their paths in lower case.
    files: Mutex<BTreeMap<Vec<u8>, (String, u64)>>,
}

impl LeftOut {
    /// Whether the file at `path` of a volume is left out. If so, it is kept here. `prefix` is what
    /// the paths of the volume begin with.
    pub(super) fn takes(&self, prefix: &[u8], path: &[u8], size: u64) -> bool {
        if !is_named_so(path) || size == 0 || !size.is_multiple_of(PAGE) {
            return false;
        }
        let mut files = lock(&self.files);
        let path = [prefix, path].concat();
        let key = path.to_ascii_lowercase();
        if files.len() >= MOST && !files.contains_key(&key) {
            return false;
        }
        files.insert(key, (escape(&path).into_owned(), size));
        true
    }

    /// Whether the file at this path of the backup was left out.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        lock(&self.files).contains_key(&path.to_ascii_lowercase())
    }

    /// What a person must know about them.
    pub(super) fn note(&self) -> Option<String> {
        let files = lock(&self.files);
        let first = files.values().take(NAMED);
        let mut named: Vec<_> =
            first.map(|(path, size)| format!("{path} ({})", words::bytes(*size))).collect();
        let more = files.len().saturating_sub(NAMED) as u64;
        named.extend((more > 0).then(|| format!("and {} more", words::count(more))));
        (!files.is_empty()).then(|| {
            format!(
                "not verified, because Windows leaves the content of page files, hibernation files and stores of shadow copies \
                 out of an image: {}",
                named.join(", ")
            )
        })
    }
}

/// Whether the path is that of a file whose content Windows leaves out.
fn is_named_so(path: &[u8]) -> bool {
    // Nearly all files are told apart by this, without a copy of their paths.
    let may_be = path.len() == AT_THE_ROOT[0].len() || path.starts_with(b"S") || path.starts_with(b"s");
    let Some(path) = std::str::from_utf8(path).ok().filter(|_| may_be) else { return false };
    let path = path.to_ascii_lowercase();
    let is_store = |name: &str| {
        let guid = name.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        name.is_empty() || guid.and_then(Guid::parse).is_some()
    };
    AT_THE_ROOT.contains(&&*path)
        || path.strip_prefix(STORES).and_then(|name| name.strip_suffix(STORE)).is_some_and(is_store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_windows_leaves_out_is_left_out() {
        for path in [
            "pagefile.sys",
            "Swapfile.sys",
            "hiberfil.SYS",
            "System Volume Information/{3808876b-c176-4e48-b7ae-04046e6cc752}",
            "System Volume Information/{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}{3808876b-c176-4e48-b7ae-04046e6cc752}",
        ] {
            assert!(is_named_so(path.as_bytes()), "{path}");
        }
        for path in [
            "Users/pagefile.sys",
            "pagefile.sys/x",
            "pagefile2.sys",
            "System Volume Information/tracking.log",
            "System Volume Information/x/{3808876b-c176-4e48-b7ae-04046e6cc752}",
            "System Volume Information/mine{3808876b-c176-4e48-b7ae-04046e6cc752}",
            "System Volume Information/{mine}{3808876b-c176-4e48-b7ae-04046e6cc752}",
            "Shares/{3808876b-c176-4e48-b7ae-04046e6cc752}",
            "",
        ] {
            assert!(!is_named_so(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_file_that_does_not_consist_of_pages_is_a_users_file() {
        let all = LeftOut::default();
        for size in [0, 9, 4095, 4097] {
            assert!(!all.takes(b"D/", b"hiberfil.sys", size), "{size}");
        }
        assert_eq!((all.note(), all.has(b"D/hiberfil.sys")), (None, false));
    }

    #[test]
    fn what_was_left_out_is_named_with_its_size() {
        let all = LeftOut::default();
        assert!(all.takes(b"C/", b"pagefile.sys", 1 << 34) && all.takes(b"C/", b"pagefile.sys", 1 << 34));
        let note = all.note().unwrap();
        assert!(note.ends_with(&format!("image: C/pagefile.sys ({})", words::bytes(1 << 34))), "{note}");
        assert!(all.has(b"C/Pagefile.sys") && !all.has(b"D/pagefile.sys") && !all.has(b"C/swapfile.sys"));
        for number in 0..=NAMED {
            let prefix = format!("Volume{number}/");
            assert!(all.takes(prefix.as_bytes(), b"pagefile.sys", PAGE));
        }
        let note = all.note().unwrap();
        assert!(note.ends_with(", and 2 more"), "{note}");
    }
}
