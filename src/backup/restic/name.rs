//! The names of files, as restic stores them: bytes that JSON or a terminal cannot show are escaped
//! as in a string of the language Go.

/// The bytes of a stored name. `None` if it is not escaped as restic does it.
pub(super) fn unescape(stored: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(stored.len());
    let mut rest = stored;
    while let Some((before, escape)) = rest.split_once('\\') {
        name.extend_from_slice(before.as_bytes());
        let mut letters = escape.chars();
        rest = match letters.next()? {
            'x' => byte(&mut name, escape, 16, 1..3)?,
            'u' => character(&mut name, escape, 1..5)?,
            'U' => character(&mut name, escape, 1..9)?,
            '0'..='7' => byte(&mut name, escape, 8, 0..3)?,
            letter => {
                name.push(control(letter)?);
                letters.as_str()
            }
        };
    }
    name.extend_from_slice(rest.as_bytes());
    Some(name)
}

/// What a letter behind a backslash stands for.
fn control(letter: char) -> Option<u8> {
    Some(match letter {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' | '"' | '\'' | '`' => u8::try_from(letter).ok()?,
        _ => return None,
    })
}

/// Adds the byte whose digits are at `digits`. Returns what follows them.
fn byte<'a>(
    name: &mut Vec<u8>,
    escape: &'a str,
    radix: u32,
    digits: std::ops::Range<usize>,
) -> Option<&'a str> {
    let rest = escape.get(digits.end..)?;
    name.push(u8::try_from(number(escape.get(digits)?, radix)?).ok()?);
    Some(rest)
}

/// Adds the character whose hexadecimal digits are at `digits`. Returns what follows them.
fn character<'a>(name: &mut Vec<u8>, escape: &'a str, digits: std::ops::Range<usize>) -> Option<&'a str> {
    let rest = escape.get(digits.end..)?;
    let found = char::from_u32(number(escape.get(digits)?, 16)?)?;
    name.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes());
    Some(rest)
}

fn number(digits: &str, radix: u32) -> Option<u32> {
    // `from_str_radix` would accept a sign as part of the number.
    let is_number = digits.chars().all(|digit| digit.is_digit(radix));
    is_number.then(|| u32::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_becomes_the_bytes_it_stands_for() {
        for (stored, name) in [
            ("plain", &b"plain"[..]),
            ("\u{fc}\u{1f4af}", "\u{fc}\u{1f4af}".as_bytes()),
            (r"\xff\xFEx", b"\xff\xfex"),
            (r"a\nb\tc\\d", b"a\nb\tc\\d"),
            (r"\a\b\f\v\r", b"\x07\x08\x0c\x0b\r"),
            (r#"\"\'\`"#, b"\"'`"),
            (r"\u00df\u200e", "\u{df}\u{200e}".as_bytes()),
            (r"\U0001f4af!", "\u{1f4af}!".as_bytes()),
            (r"\101", b"A"),
            ("", b""),
        ] {
            assert_eq!(unescape(stored).as_deref(), Some(name), "{stored}");
        }
    }

    #[test]
    fn what_restic_never_writes_is_refused() {
        for stored in
            ["\\", r"\x", r"\x4", r"\x+4", r"\xg0", r"\q", r"\ud800", r"\U00110000", r"\u\u{fc}00", r"\777"]
        {
            assert_eq!(unescape(stored), None, "{stored}");
        }
    }
}
