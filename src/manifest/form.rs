//! The forms of a manifest, line by line.
//!
//! | made by | a line |
//! |---|---|
//! | `b3sum`, `sha256sum` | `HASH  NAME`; coreutils also writes `HASH *NAME` (a file read as binary) |
//! | the same with `--tag` | `BLAKE3 (NAME) = HASH`, `SHA256 (NAME) = HASH` |
//! | `hashdeep` | `SIZE,HASH,...,NAME` below a header that names the columns; only `sha256` is used |
//!
//! A line that begins with a backslash has `\n`, `\r` and `\\` in its name in the place of a line
//! feed, a carriage return and a backslash (GNU coreutils manual, "md5sum invocation"; b3sum does
//! the same). With `sha256sum --zero`, lines end with NUL and nothing is escaped. Empty lines and
//! lines that begin with `#` are no entries.

use std::borrow::Cow;

use crate::backup::escape;
use crate::plan::Algorithm;
use crate::verify::hash::Hash;

/// The digits of a hash of 256 bits.
const DIGITS: usize = 64;

/// An entry of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// The hash.
    pub hash: Hash,
    /// The name, as it was written, without escapes.
    pub name: Cow<'a, [u8]>,
}

/// What the lines so far say about the form of the file.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// Whether lines end with NUL, so that nothing is escaped.
    pub is_zero: bool,
    /// The hash, if a line says it.
    pub algorithm: Option<Algorithm>,
    /// The columns of hashdeep before the name: how many, and which one is sha256.
    columns: Option<Columns>,
    is_hashdeep: bool,
}

#[derive(Debug, Clone, Copy)]
struct Columns {
    before_name: usize,
    sha256: usize,
}

/// The first line of a file of hashdeep.
const HASHDEEP: &[u8] = b"%%%% HASHDEEP-";

impl Form {
    /// Reads a line, without its end. `None` if it is no entry.
    ///
    /// # Errors
    /// What is wrong with the line, in words.
    pub fn read<'a>(&mut self, line: &'a [u8]) -> Result<Option<Line<'a>>, String> {
        if line.starts_with(b"%%%%") {
            return self.header(line).map(|()| None);
        }
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(None);
        }
        if self.is_hashdeep {
            return self.of_hashdeep(line).map(Some);
        }
        let (line, is_escaped) = match line.strip_prefix(b"\\").filter(|_| !self.is_zero) {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        let (hash, name) = match tagged(line)? {
            Some((algorithm, name, hash)) => {
                if self.algorithm.is_some_and(|known| known != algorithm) {
                    return Err("another hash than in the lines before: a manifest has one".to_owned());
                }
                self.algorithm = Some(algorithm);
                (hash, name)
            }
            None => plain(line)?,
        };
        if name.is_empty() {
            return Err("the line has no path".to_owned());
        }
        let name = if is_escaped { Cow::Owned(unescaped(name)?) } else { Cow::Borrowed(name) };
        Ok(Some(Line { hash: parse_hash(hash)?, name }))
    }

    /// A line of hashdeep's header: the version, or the columns.
    fn header(&mut self, line: &[u8]) -> Result<(), String> {
        if line.starts_with(HASHDEEP) {
            self.is_hashdeep = true;
            self.algorithm = Some(Algorithm::Sha256);
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line[4..]).trim().to_owned();
        let columns: Vec<&str> = text.split(',').collect();
        let Some((&"filename", before)) = columns.split_last() else {
            return Err(format!("\"{}\" names no columns that end with filename", escape(text.as_bytes())));
        };
        let sha256 = before.iter().position(|&column| column == "sha256").ok_or_else(|| {
            format!("there is no column sha256, only {}: use hashdeep -c sha256", before.join(", "))
        })?;
        self.columns = Some(Columns { before_name: before.len(), sha256 });
        Ok(())
    }

    fn of_hashdeep<'a>(&self, line: &'a [u8]) -> Result<Line<'a>, String> {
        let Some(Columns { before_name, sha256 }) = self.columns else {
            return Err("no line before it names the columns".to_owned());
        };
        let mut columns = line.splitn(before_name + 1, |&byte| byte == b',');
        let hash = columns.nth(sha256).unwrap_or_default();
        let name = columns.nth(before_name - sha256 - 1);
        let name = name.filter(|name| !name.is_empty()).ok_or("the line has no path")?;
        Ok(Line { hash: parse_hash(hash)?, name: Cow::Borrowed(name) })
    }
}

/// `HASH  NAME` or `HASH *NAME`: hash and name.
fn plain(line: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (hash, rest) = line.split_at(end);
    if hash.len() < 8 {
        return Err(format!("it does not begin with a hash: \"{}\"", shown(line)));
    }
    match rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *")) {
        Some(name) => Ok((hash, name)),
        None if rest.trim_ascii().is_empty() => Err("the line has no path".to_owned()),
        None if rest[0] == b' ' => Err("there must be two spaces between the hash and the path".to_owned()),
        None => Err(format!("the hash has a letter that is no hexadecimal digit: \"{}\"", shown(line))),
    }
}

type Tagged<'a> = (Algorithm, &'a [u8], &'a [u8]);

/// `BLAKE3 (NAME) = HASH`: algorithm, name and hash. `None` if the line is of another form.
fn tagged(line: &[u8]) -> Result<Option<Tagged<'_>>, String> {
    let Some(open) = line.windows(2).position(|two| two == b" (") else { return Ok(None) };
    let word = &line[..open];
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/');
    let is_tag = !word.is_empty() && word.len() < 20 && word.iter().all(is_word);
    let Some(close) = line.windows(4).rposition(|four| four == b") = ").filter(|_| is_tag) else {
        return Ok(None);
    };
    let algorithm = match word {
        b"BLAKE3" => Algorithm::Blake3,
        b"SHA256" => Algorithm::Sha256,
        other => return Err(format!("{} hashes cannot be used, only BLAKE3 and SHA256", shown(other))),
    };
    let name = line.get(open + 2..close).unwrap_or_default();
    Ok(Some((algorithm, name, &line[close + 4..])))
}

fn parse_hash(digits: &[u8]) -> Result<Hash, String> {
    if let Some(wrong) = digits.iter().find(|byte| !byte.is_ascii_hexdigit()) {
        return Err(format!("the hash has a letter that is no hexadecimal digit: \"{}\"", shown(&[*wrong])));
    }
    let kind = match digits.len() {
        DIGITS => "",
        32 => " (MD5?)",
        40 => " (SHA-1?)",
        128 => " (SHA-512?)",
        _ => "",
    };
    if digits.len() != DIGITS {
        return Err(format!("the hash has {} digits{kind}, not {DIGITS}", digits.len()));
    }
    let value = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    };
    Ok(Hash::of_bytes(std::array::from_fn(|at| value(digits[2 * at]) << 4 | value(digits[2 * at + 1]))))
}

fn unescaped(name: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'\\') => b'\\',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                _ => {
                    return Err("the path has a backslash that is followed by none of \\, n and r".to_owned());
                }
            },
            byte => byte,
        });
    }
    Ok(out)
}

/// The line for a file in the form that `b3sum` and `sha256sum` write and check.
pub fn line(hash: Hash, name: &[u8]) -> Vec<u8> {
    let is_escaped = name.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'\r'));
    let mut line = Vec::with_capacity(DIGITS + name.len() + 4);
    if is_escaped {
        line.push(b'\\');
    }
    line.extend(hash.to_string().as_bytes());
    line.extend(b"  ");
    for &byte in name {
        match byte {
            b'\\' => line.extend(b"\\\\"),
            b'\n' => line.extend(b"\\n"),
            b'\r' => line.extend(b"\\r"),
            byte => line.push(byte),
        }
    }
    line.push(b'\n');
    line
}

/// The beginning of a line, for a message.
fn shown(line: &[u8]) -> String {
    let (start, more) = if line.len() > 40 { (&line[..40], "...") } else { (line, "") };
    format!("{}{more}", escape(start))
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
