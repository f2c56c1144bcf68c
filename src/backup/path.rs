//! Names: from what a backup stores to a relative path, and to text that is safe to print.

use std::borrow::Cow;

/// Why a stored name is no path below a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// A `..` component: restored by a careless program, it would be written outside the target.
    #[error("its name leaves the folder (\"..\")")]
    Parent,
    /// Nothing is left of the name.
    #[error("its name is empty")]
    Empty,
    /// A NUL byte, which no file system can hold.
    #[error("its name holds a NUL byte")]
    Nul,
}

/// Appends the relative form of a stored `name` to `out`: leading slashes, `.` components and doubled slashes fall away.
///
/// On an error `out` holds a part of the name.
pub(super) fn append_relative(out: &mut Vec<u8>, name: &[u8]) -> Result<(), NameProblem> {
    if name.contains(&0) {
        return Err(NameProblem::Nul);
    }
    let start = out.len();
    for component in name.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(NameProblem::Parent),
            _ => {
                if out.len() > start {
                    out.push(b'/');
                }
                out.extend_from_slice(component);
            }
        }
    }
    if out.len() == start { Err(NameProblem::Empty) } else { Ok(()) }
}

/// The relative form of a stored name: what [`Entry::path`](super::Entry::path) holds for it.
pub fn relative(name: &[u8]) -> Result<Vec<u8>, NameProblem> {
    let mut out = Vec::with_capacity(name.len());
    append_relative(&mut out, name)?;
    Ok(out)
}

/// A path as text that is safe in a terminal and in a report, and can be turned back by [`unescape`]: valid UTF-8 stands
/// as it is; control characters, the backslash, bidirectional overrides and bytes that are no UTF-8 become `\xNN`
/// (one a byte).
pub fn escape(path: &[u8]) -> Cow<'_, str> {
    let plain = std::str::from_utf8(path).ok().filter(|text| text.chars().all(is_plain));
    plain.map_or_else(|| Cow::Owned(escape_bytes(path)), Cow::Borrowed)
}

fn escape_bytes(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    let hex = |out: &mut String, bytes: &[u8]| {
        for byte in bytes {
            out.push_str("\\x");
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
        }
    };
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_plain(character) {
                out.push(character);
            } else {
                hex(&mut out, character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        hex(&mut out, chunk.invalid());
    }
    out
}

/// Characters that can do no harm in a terminal: no controls, no backslash (it introduces our escapes), and none of the
/// invisible direction and format characters that make a name look like another (Unicode TR 36).
fn is_plain(character: char) -> bool {
    !(character.is_control()
        || matches!(character, '\\' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
}

/// Turns text made by [`escape`] back into the path. An unfinished escape stands for itself.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = rest.strip_prefix(b"\\x").and_then(|hex| hex.get(..2));
        let code = code.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let Some(code) = code {
            out.push(code);
            rest = &rest[4..];
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stored_names_of_every_format_become_the_same_relative_path() {
        for stored in [&b"a/b"[..], b"./a/b", b"/a/b", b"a//b", b"a/./b", b"a/b/"] {
            assert_eq!(relative(stored).unwrap(), b"a/b", "{}", escape(stored));
        }
    }

    #[test]
    fn names_that_leave_the_folder_or_cannot_exist_are_refused() {
        assert_eq!(relative(b"../x"), Err(NameProblem::Parent));
        assert_eq!(relative(b"a/../../x"), Err(NameProblem::Parent));
        assert_eq!(relative(b"./"), Err(NameProblem::Empty));
        assert_eq!(relative(b"a\0b"), Err(NameProblem::Nul));
    }

    #[test]
    fn terminal_controls_and_direction_overrides_never_print_as_themselves() {
        assert_eq!(escape(b"a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
        assert_eq!(escape("x\u{202e}gpj.exe".as_bytes()), "x\\xe2\\x80\\xaegpj.exe");
        assert_eq!(escape("Grüße/文.txt".as_bytes()), "Grüße/文.txt");
    }

    proptest! {
        #[test]
        fn every_name_survives_escape_and_back(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = escape(&name);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(unescape(&text), name);
        }

        #[test]
        fn a_relative_path_never_leaves_its_folder(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(path) = relative(&name) {
                for part in path.split(|&byte| byte == b'/') {
                    prop_assert!(!matches!(part, b"" | b"." | b".."));
                }
                prop_assert_eq!(relative(&path).unwrap(), path);
            }
        }
    }
}
