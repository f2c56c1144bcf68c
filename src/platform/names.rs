//! Names that Windows cannot hold, and the names under which files are stored there instead. The
//! code is pure and is tested on every system.
//!
//! A backup made on Linux holds names like `con`, `12:30.log` or `notes.`. If Windows got them as
//! they are, they would open a device, write a hidden stream of another file, or lose their last
//! character. [`escape_for_windows`] gives each path a name that Windows can hold. Each byte that
//! Windows forbids becomes `%` and two hexadecimal digits (`12%3A30.log`), and a `%` that could be
//! read as the beginning of such an escape becomes `%25`. [`unescape`] reverses this, so two paths
//! never get the same name. The caller has to check whether two names differ only in case.

/// Whether Windows can hold `component`, a single name, as it is. Its length is not checked.
pub fn is_holdable(component: &[u8]) -> bool {
    std::str::from_utf8(component).is_ok_and(|name| !name.is_empty() && !name.bytes().any(is_forbidden))
        && !ends_badly(component)
        && !is_device(component)
}

/// Whether `component` names exactly one thing in a verbatim path (`\\\\?\\…`), where device names
/// and trailing dots have no special meaning: it contains no separator, stream, wildcard or control
/// character. Whether it can be encoded is not checked.
pub fn is_plain_when_verbatim(component: &[u8]) -> bool {
    !component.iter().any(|&byte| is_forbidden(byte))
}

/// The name under which Windows can hold `path` (components separated by `/`).
///
/// A component may become up to three times as long. The file system refuses components of more
/// than 255 characters.
pub fn escape_for_windows(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    for (index, component) in path.split(|&byte| byte == b'/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        escape_component(&mut out, component);
    }
    out
}

/// The path that [`escape_for_windows`] made `name` from.
pub fn unescape(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if let Some(code) = escaped_byte(rest) {
            out.push(code);
            rest = &rest[3..];
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    out
}

/// A form that is equal for all names that Windows takes for the same. As in NTFS, every character
/// is in upper case if that is a single character. Bytes that are not UTF-8 stay as they are.
pub fn fold_case(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            let mut upper = character.to_uppercase();
            let folded = upper.next().filter(|_| upper.next().is_none()).unwrap_or(character);
            out.extend_from_slice(folded.encode_utf8(&mut [0; 4]).as_bytes());
        }
        out.extend_from_slice(chunk.invalid());
    }
    out
}

fn escape_component(out: &mut String, component: &[u8]) {
    let device = is_device(component);
    let last = component.len().saturating_sub(1);
    let mut at = 0;
    for chunk in component.utf8_chunks() {
        for character in chunk.valid().chars() {
            let start = at;
            at += character.len_utf8();
            // One escaped character is enough: then the name is no longer a device's, or no longer
            // ends in a dot or space.
            let escaped = u8::try_from(character).is_ok_and(|byte| {
                is_forbidden(byte)
                    || (device && start == 0)
                    || (start == last && ends_badly(component))
                    || escaped_byte(&component[start..]).is_some()
            });
            if escaped { push_hex(out, character as u8) } else { out.push(character) }
        }
        for &byte in chunk.invalid() {
            push_hex(out, byte);
        }
        at += chunk.invalid().len();
    }
}

fn push_hex(out: &mut String, byte: u8) {
    out.push('%');
    for nibble in [byte >> 4, byte & 15] {
        out.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
    }
}

/// The byte that an escape at the beginning of `bytes` stands for; `None` if there is no escape.
fn escaped_byte(bytes: &[u8]) -> Option<u8> {
    let digits = bytes.strip_prefix(b"%")?.get(..2)?;
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(value(digits[0])? << 4 | value(digits[1])?)
}

/// Bytes that no Windows name may contain: separators, the colon of alternate streams, wildcards,
/// control characters.
fn is_forbidden(byte: u8) -> bool {
    byte < 0x20 || b"<>:\"/\\|?*".contains(&byte)
}

/// Most of Windows drops a trailing dot or space; `.` and `..` are not names at all.
fn ends_badly(component: &[u8]) -> bool {
    matches!(component.last(), Some(b'.' | b' '))
}

/// Names that open a device, whatever follows a dot: `NUL`, `con.txt`, `COM1 .log`, and those with
/// the digits ¹, ² and ³.
fn is_device(component: &[u8]) -> bool {
    let stem = component.split(|&byte| byte == b'.' || byte == b':').next().unwrap_or_default();
    let stem = stem.trim_ascii_end().to_ascii_lowercase();
    match &stem[..] {
        b"con" | b"prn" | b"aux" | b"nul" | b"conin$" | b"conout$" => true,
        [b'c', b'o', b'm', digit @ ..] | [b'l', b'p', b't', digit @ ..] => {
            matches!(digit, [b'0'..=b'9'] | [0xC2, 0xB9 | 0xB2 | 0xB3])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_windows_holds_stay_as_they_are() {
        for name in [
            "a/b.txt",
            "Grüße/文.txt",
            "100%",
            "5% off",
            "console.log",
            "com10",
            ".profile",
            "a b/..c",
            "%zz",
        ] {
            assert_eq!(escape_for_windows(name.as_bytes()), name);
            assert!(name.split('/').all(|part| is_holdable(part.as_bytes())), "{name}");
        }
    }

    #[test]
    fn names_that_windows_cannot_hold_are_escaped() {
        let table: [(&[u8], &str); 12] = [
            (b"log/12:30.log", "log/12%3A30.log"),
            (b"file:stream", "file%3Astream"),
            (b"con", "%63on"),
            (b"NUL.txt", "%4EUL.txt"),
            (b"x/COM1 .log", "x/%43OM1 .log"),
            ("lpt².x".as_bytes(), "%6Cpt².x"),
            (b"notes.", "notes%2E"),
            (b"notes..", "notes.%2E"),
            (b"trailing /x", "trailing%20/x"),
            (b"a\\b<c>|\"?*", "a%5Cb%3Cc%3E%7C%22%3F%2A"),
            (b"caf\xE9\n", "caf%E9%0A"),
            (b"100%25", "100%2525"),
        ];
        for (path, name) in table {
            assert_eq!(escape_for_windows(path), name);
            assert_eq!(unescape(name), path);
        }
    }

    #[test]
    fn names_that_differ_in_case_alone_fold_together() {
        assert_eq!(fold_case("Grüße/Ünder.TXT".as_bytes()), fold_case("GRÜßE/üNDER.txt".as_bytes()));
        assert_ne!(fold_case("Grüße".as_bytes()), fold_case("GRÜSSE".as_bytes()));
        assert_eq!(fold_case(b"caf\xE9"), b"CAF\xE9");
    }

    /// Paths in which the special cases are likely.
    fn paths() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"/".to_vec()),
            Just(b"%".to_vec()),
            Just(b"con".to_vec()),
            Just(b"Com3".to_vec()),
            "[0-9A-Fa-f]{1,2}".prop_map(String::into_bytes),
            "[. :a-c²ü]".prop_map(String::into_bytes),
            any::<u8>().prop_map(|byte| vec![byte]),
        ];
        proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_path_gets_a_name_that_windows_holds_and_that_leads_back(path in paths()) {
            let name = escape_for_windows(&path);
            prop_assert_eq!(unescape(&name), &path[..]);
            for (part, original) in name.split('/').zip(path.split(|&byte| byte == b'/')) {
                prop_assert!(original.is_empty() || is_holdable(part.as_bytes()), "{}", name);
            }
            prop_assert_eq!(name.split('/').count(), path.split(|&byte| byte == b'/').count());
        }
    }
}
