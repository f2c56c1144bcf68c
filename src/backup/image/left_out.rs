//! Files of which Windows puts only the names into the image of a volume.
//!
//! In: the path of a file from the root of its volume. Out: whether its content is left out. Windows
//! does not copy the blocks of the page file, of the hibernation file, and of the stores of shadow
//! copies. Their originals cannot be read while Windows runs, either. So they are no files of the
//! backup.

/// What a person must know about them.
pub(super) const NOTE: &str = "pagefile.sys, swapfile.sys, hiberfil.sys and the stores of shadow copies are not verified: \
                               Windows leaves their content out of an image";

/// Files at the root of a volume.
const AT_THE_ROOT: [&str; 3] = ["pagefile.sys", "swapfile.sys", "hiberfil.sys"];

/// The folder that holds the stores of shadow copies.
const STORES: &str = "system volume information/";

/// What the name of every such store ends in.
const STORE: &str = "{3808876b-c176-4e48-b7ae-04046e6cc752}";

/// Whether the content of the file at this path is left out.
pub(super) fn is_left_out(path: &[u8]) -> bool {
    // Nearly all files are told apart by this, without a copy of their paths.
    let may_be = path.len() == AT_THE_ROOT[0].len() || path.starts_with(b"S") || path.starts_with(b"s");
    let Some(path) = std::str::from_utf8(path).ok().filter(|_| may_be) else { return false };
    let path = path.to_ascii_lowercase();
    AT_THE_ROOT.contains(&&*path)
        || path.strip_prefix(STORES).is_some_and(|name| !name.contains('/') && name.ends_with(STORE))
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
            assert!(is_left_out(path.as_bytes()), "{path}");
        }
        for path in [
            "Users/pagefile.sys",
            "pagefile.sys/x",
            "pagefile2.sys",
            "System Volume Information/tracking.log",
            "System Volume Information/x/{3808876b-c176-4e48-b7ae-04046e6cc752}",
            "Shares/{3808876b-c176-4e48-b7ae-04046e6cc752}",
            "",
        ] {
            assert!(!is_left_out(path.as_bytes()), "{path}");
        }
    }
}
