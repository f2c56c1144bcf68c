//! The name of the user who runs this program, from the system's list of users.

/// The name of the user who runs this program, or `uid N` for a user without a name. `sudo_uid` is
/// the user who ran `sudo`. It counts only for root, because everybody else could claim to be
/// anybody.
pub fn user_name(sudo_uid: Option<u32>) -> String {
    let own = rustix::process::getuid().as_raw();
    let uid = sudo_uid.filter(|_| own == 0).unwrap_or(own);
    let user = uzers::get_user_by_uid(uid);
    user.map_or_else(|| format!("uid {uid}"), |user| user.name().to_string_lossy().into_owned())
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
