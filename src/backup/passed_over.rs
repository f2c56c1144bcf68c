//! Counts what a listing passes over: links, devices, pipes, sockets and empty folders. They are
//! not compared with anything; the report states their number.

/// Counts them in an archive. A folder has a member of its own there, which comes before the
/// members in it.
#[derive(Debug, Default)]
pub(super) struct PassedOver {
    count: u64,
    /// The last folder, as long as no member in it has come.
    empty: Option<Vec<u8>>,
}

/// What a member of an archive is, as far as it matters for this count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PassedOverKind {
    /// A folder.
    Folder,
    /// A link, a device, a pipe or a socket.
    Special,
    /// Anything else.
    Other,
}

impl PassedOver {
    /// Counts the next member, given its name as stored.
    pub(super) fn see(&mut self, name: &[u8], what: PassedOverKind) {
        let bare = |name: &[u8]| name.strip_suffix(b"/").unwrap_or(name).len();
        if let Some(folder) = self.empty.take() {
            let rest = name.strip_prefix(folder.as_slice());
            self.count += u64::from(rest.is_none_or(|rest| !rest.starts_with(b"/")));
        }
        match what {
            PassedOverKind::Folder => self.empty = Some(name[..bare(name)].to_vec()),
            PassedOverKind::Special => self.count += 1,
            PassedOverKind::Other => {}
        }
    }

    /// The number of members passed over. Valid once the last member was seen.
    pub(super) fn count(&self) -> u64 {
        self.count + u64::from(self.empty.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(members: &[(&str, PassedOverKind)]) -> u64 {
        let mut passed_over = PassedOver::default();
        members.iter().for_each(|(name, what)| passed_over.see(name.as_bytes(), *what));
        passed_over.count()
    }

    #[test]
    fn links_and_folders_without_anything_in_them_are_counted() {
        let (folder, special, other) =
            (PassedOverKind::Folder, PassedOverKind::Special, PassedOverKind::Other);
        assert_eq!(count(&[("./", folder), ("./a/", folder), ("./a/x", other)]), 0);
        assert_eq!(count(&[("a", folder), ("ab", other), ("l", special), ("e/", folder)]), 3);
        assert_eq!(count(&[("a/", folder), ("a/l", special)]), 1);
        assert_eq!(count(&[]), 0);
    }
}
