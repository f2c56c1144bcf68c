//! The fields of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

/// A field without its escapes. The kernel writes blanks and backslashes as a backslash and three
/// octal digits.
pub(super) fn plain(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|_| byte == b'\\').and_then(|text| std::str::from_utf8(text).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => {
                out.push(code);
                rest = &tail[3..];
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_is_read_once() {
        assert_eq!(plain(b"/a\\040b\\134c\\134040"), b"/a b\\c\\040");
        assert_eq!(plain(b"\\09\\"), b"\\09\\");
    }
}
