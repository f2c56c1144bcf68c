//! How a file says that bkverify wrote it, for which job, and that nobody has changed it since.
//!
//! The first lines are comments. One of them is a digest of all others, so that a file that was
//! edited by hand is recognised. Such a file, and one that never was ours, is left alone unless a
//! person says otherwise.

use jiff::Timestamp;

use super::times::When;

const FIRST: &str =
    "# Written by `bkverify schedule install`, which replaces it. A file that was edited is left alone.";
const DIGEST: &str = "# digest: ";

/// What the first lines of a file say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The job that it runs.
    pub job: String,
    /// When it runs it.
    pub at: When,
    /// When the file was written.
    pub installed: Timestamp,
}

/// Whose file it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// bkverify wrote it, and it is as it was written.
    Ours(Marker),
    /// bkverify wrote it, and somebody has changed it.
    Edited(Option<Marker>),
    /// Somebody else wrote it.
    Foreign,
}

/// The file: the marker, then `body`.
pub fn seal(marker: &Marker, body: &str) -> String {
    // Whole seconds: nobody needs more, and they are easier to read.
    let installed = Timestamp::from_second(marker.installed.as_second()).unwrap_or(marker.installed);
    let head = format!("{FIRST}\n# job: {}\n# at: {}\n# installed: {installed}\n", marker.job, marker.at);
    format!("{head}{DIGEST}{}\n{body}", digest(&format!("{head}{body}")))
}

/// Reads what [`seal`] has written.
pub fn owner(text: &str) -> Owner {
    if !text.starts_with(FIRST) {
        return Owner::Foreign;
    }
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let marker = || {
        let at = field("# at: ")?.parse().ok()?;
        let installed = field("# installed: ")?.parse().ok()?;
        Some(Marker { job: field("# job: ")?.to_owned(), at, installed })
    };
    let Some(line) = text.split_inclusive('\n').find(|line| line.starts_with(DIGEST)) else {
        return Owner::Edited(marker());
    };
    let said = line.trim_start_matches(DIGEST).trim_end();
    match marker() {
        Some(marker) if digest(&text.replacen(line, "", 1)) == said => Owner::Ours(marker),
        other => Owner::Edited(other),
    }
}

/// 128 bits in hexadecimal digits. It finds changes, not forgers: whoever may write these files
/// may run anything.
pub fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        let (at, installed) = ("Mon..Fri 02:30".parse().unwrap(), "2026-11-28T05:00:00Z".parse().unwrap());
        Marker { job: "nightly # 1".to_owned(), at, installed }
    }

    #[test]
    fn a_file_that_nobody_changed_is_ours() {
        let text = seal(&marker(), "[Timer]\nPersistent=true\n");
        assert_eq!(owner(&text), Owner::Ours(marker()));
        assert!(text.ends_with("\n[Timer]\nPersistent=true\n"), "{text}");
    }

    #[test]
    fn every_change_is_seen() {
        let text = seal(&marker(), "[Timer]\nPersistent=true\n");
        for at in FIRST.len()..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(matches!(owner(&changed), Owner::Edited(_)), "byte {at}: {changed}");
        }
        assert!(matches!(owner(&format!("{text}\n")), Owner::Edited(_)));
        assert!(matches!(owner(FIRST), Owner::Edited(None)));
    }

    #[test]
    fn a_file_of_somebody_else_is_foreign() {
        assert_eq!(owner(""), Owner::Foreign);
        assert_eq!(owner("[Timer]\nOnCalendar=daily\n"), Owner::Foreign);
        assert_eq!(owner(&format!("\n{}", seal(&marker(), ""))), Owner::Foreign);
    }
}
