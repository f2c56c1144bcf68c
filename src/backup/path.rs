//! Paths: from the name that a backup stores to a relative path, and to text that is safe to print.

use std::borrow::Cow;
use std::path::Path;

use crate::platform;
use crate::words::is_invisible;

/// Why a stored name cannot be a path below a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// It has a `..` component. A careless program would write it outside of the target folder.
    #[error("its name leads out of the folder (\"..\")")]
    Parent,
    /// The name is empty, or only slashes and dots.
    #[error("its name is empty")]
    Empty,
    /// It has a NUL byte, which no file system can store.
    #[error("its name contains a NUL byte")]
    Nul,
}

/// Appends the relative form of a stored `name` to `out`: without leading slashes, `.` components
/// and doubled slashes.
///
/// After an error `out` holds a part of the name.
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

/// The relative form of a stored name, as in [`Entry::path`](super::Entry::path).
pub fn relative(name: &[u8]) -> Result<Vec<u8>, NameProblem> {
    let mut out = Vec::with_capacity(name.len());
    append_relative(&mut out, name)?;
    Ok(out)
}

/// A path as text that is safe in a terminal and in a report. Valid UTF-8 is copied; control
/// characters, the backslash, [invisible](is_invisible) characters and bytes that are not UTF-8
/// become `\xNN`, one for each byte. [`unescape`] reverses it.
pub fn escape(path: &[u8]) -> Cow<'_, str> {
    let plain = std::str::from_utf8(path).ok().filter(|text| text.chars().all(is_plain));
    plain.map_or_else(|| Cow::Owned(escape_bytes(path)), Cow::Borrowed)
}

/// A path of this machine as text, as converted by [`escape`].
pub fn path_text(path: &Path) -> String {
    escape(&platform::path_to_bytes(path)).into_owned()
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

/// Whether a character is harmless in a terminal or a report: not a control character, not the
/// backslash (it introduces our escapes), and not invisible.
fn is_plain(character: char) -> bool {
    match character {
        ' '..='~' => character != '\\',
        _ => !character.is_control() && !is_invisible(character),
    }
}

/// Converts text made by [`escape`] back to the path. An incomplete escape is copied as it is.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = rest.strip_prefix(b"\\x").and_then(|hex| hex.get(..2));
        // `from_str_radix` would accept a sign as part of the number.
        let code = code.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
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

    #[test]
    fn characters_that_cannot_be_seen_are_shown_as_their_bytes_and_come_back() {
        let seen = ["Gr\u{fc}\u{df}e", "\u{6587}", "e\u{301}", "\u{5d0}\u{628}", "\u{1f600}", "a b\u{a0}c"];
        for text in seen {
            assert_eq!(escape(text.as_bytes()), text);
        }
        for hidden in [
            '\u{61c}',
            '\u{ad}',
            '\u{34f}',
            '\u{115f}',
            '\u{17b4}',
            '\u{180e}',
            '\u{200b}',
            '\u{200e}',
            '\u{202e}',
            '\u{2028}',
            '\u{2066}',
            '\u{2064}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{1d173}',
            '\u{e0041}',
            '\u{85}',
        ] {
            let name = format!("a{hidden}b");
            let text = escape(name.as_bytes());
            assert!(text.is_ascii() && text.starts_with("a\\x"), "U+{:04x}: {text}", u32::from(hidden));
            assert_eq!(unescape(&text), name.as_bytes());
        }
    }

    #[test]
    fn an_unfinished_escape_stands_for_itself() {
        for text in ["\\x", "\\x4", "\\x+f", "\\xzz", "\\"] {
            assert_eq!(unescape(text), text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn no_text_of_a_name_contains_an_invisible_character(name in any::<String>()) {
            let text = escape(name.as_bytes());
            prop_assert!(!text.chars().any(|each| each.is_control() || is_invisible(each)));
            prop_assert_eq!(unescape(&text), name.as_bytes());
        }

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
