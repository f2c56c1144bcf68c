//! Names in a manifest, made comparable with paths: without `.`, `..`, doubled slashes, and slashes
//! at the beginning.

use std::borrow::Cow;
use std::path::Path;

use crate::platform;
use crate::verify::memory::PathKey;

/// The components of a name, joined by `/`. Components `..` at the beginning are left out, because
/// the folder that a manifest is relative to is found by trying. `None` if nothing is left.
pub fn clean(name: &[u8]) -> Option<Vec<u8>> {
    let name = match std::str::from_utf8(name) {
        // On Windows, this turns backslashes into slashes.
        Ok(name) => platform::path_to_bytes(Path::new(name)),
        Err(_) => Cow::Borrowed(name),
    };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join(&b'/'))
}

/// By what the index knows a clean name. Where the system ignores case in names, so does this.
pub fn key(name: &[u8]) -> [u8; 16] {
    PathKey::of(&platform::name_key(name)).0.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cleaned_of_everything_that_says_where_it_starts() {
        for (name, cleaned) in [
            ("a/b", Some("a/b")),
            ("./a//b/", Some("a/b")),
            ("/srv/data/x", Some("srv/data/x")),
            ("../../a", Some("a")),
            ("a/../b/./c", Some("b/c")),
            ("...", Some("...")),
            ("", None),
            ("/", None),
            ("./..", None),
        ] {
            assert_eq!(clean(name.as_bytes()).as_deref(), cleaned.map(str::as_bytes), "{name}");
        }
        assert_eq!(clean(b"\xff/./x").as_deref(), Some(&b"\xff/x"[..]));
    }
}
