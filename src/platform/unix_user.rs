//! The name of the user who runs this program, from the system's list of users.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The name of the user who runs this program, or `uid N` for a user without a name. `sudo_uid` is
/// the user who ran `sudo`. It counts only for root, because everybody else could claim to be
/// anybody.
pub fn user_name(sudo_uid: Option<u32>) -> String {
    let own = rustix::process::getuid().as_raw();
    let uid = sudo_uid.filter(|_| own == 0).unwrap_or(own);
    let user = uzers::get_user_by_uid(uid);
    user.map_or_else(|| format!("uid {uid}"), |user| user.name().to_string_lossy().into_owned())
}

/// Whether this user manages the machine: root.
pub fn is_administrator() -> bool {
    rustix::process::geteuid().is_root()
}

/// How many names a file has.
pub fn hard_links(found: &std::fs::Metadata) -> u64 {
    found.nlink()
}

/// Whether what is at this path belongs to this user. What cannot be looked at counts as such.
pub fn is_mine(path: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    std::fs::metadata(path).map_or(true, |found| found.uid() == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_goes_by_the_name_of_another() {
        let own = rustix::process::getuid().as_raw();
        let other = user_name(Some(4_000_000_123));
        assert_eq!(other, if own == 0 { "uid 4000000123".to_owned() } else { user_name(None) });
    }
}
