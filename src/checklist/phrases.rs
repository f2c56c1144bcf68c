//! Counts in titles with the right number: "1 update is", never "1 updates are".

use crate::words::counted;

/// `1 update is`, `3 updates are`.
pub(super) fn are(number: usize, noun: &str) -> String {
    format!("{} {}", several(number, noun), if number == 1 { "is" } else { "are" })
}

/// `1 service has`, `3 services have`.
pub(super) fn have(number: usize, noun: &str) -> String {
    format!("{} {}", several(number, noun), if number == 1 { "has" } else { "have" })
}

/// `1 update`, `3 updates`.
pub(super) fn several(number: usize, noun: &str) -> String {
    counted(number as u64, noun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_their_verb() {
        assert_eq!((are(1, "update"), are(2, "update")), ("1 update is".into(), "2 updates are".into()));
        assert_eq!((have(1, "disk"), have(0, "disk")), ("1 disk has".into(), "0 disks have".into()));
    }
}
