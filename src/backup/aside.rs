//! What a listing passes over: links, devices, pipes, sockets and empty folders. They are not
//! compared with anything, so they are counted, for the report to say so.

/// Counts them in an archive, whose folders have members of their own, before what is in them.
#[derive(Debug, Default)]
pub(super) struct Aside {
    count: u64,
    /// The folder that was met last, as long as nothing in it was met.
    empty: Option<Vec<u8>>,
}

/// What an archive's member is, as far as that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A folder.
    Folder,
    /// A link, a device, a pipe or a socket.
    Special,
    /// Any other.
    Other,
}

impl Aside {
    /// Takes note of the next member, by its name as stored.
    pub(super) fn see(&mut self, name: &[u8], what: What) {
        let bare = |name: &[u8]| name.strip_suffix(b"/").unwrap_or(name).len();
        if let Some(folder) = self.empty.take() {
            let rest = name.strip_prefix(folder.as_slice());
            self.count += u64::from(rest.is_none_or(|rest| !rest.starts_with(b"/")));
        }
        match what {
            What::Folder => self.empty = Some(name[..bare(name)].to_vec()),
            What::Special => self.count += 1,
            What::Other => {}
        }
    }

    /// How many there were, once the last member was seen.
    pub(super) fn count(&self) -> u64 {
        self.count + u64::from(self.empty.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(members: &[(&str, What)]) -> u64 {
        let mut aside = Aside::default();
        members.iter().for_each(|(name, what)| aside.see(name.as_bytes(), *what));
        aside.count()
    }

    #[test]
    fn links_and_folders_without_anything_in_them_are_counted() {
        let (folder, special, other) = (What::Folder, What::Special, What::Other);
        assert_eq!(count(&[("./", folder), ("./a/", folder), ("./a/x", other)]), 0);
        assert_eq!(count(&[("a", folder), ("ab", other), ("l", special), ("e/", folder)]), 3);
        assert_eq!(count(&[("a/", folder), ("a/l", special)]), 1);
        assert_eq!(count(&[]), 0);
    }
}
