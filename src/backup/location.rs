//! The location of a backup: a path on this machine, or an address elsewhere.
//!
//! An address is `SCHEME:REST`, as in `sftp:host:/folder`. Only the schemes of registered formats
//! make addresses, so that a file whose name contains a colon remains a file. Nothing here connects
//! to anything.
//!
//! An address may contain a password (`scheme://user:password@host`). It is stored for the format
//! that connects, and is never printed: `Display` and `Debug` mask it.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::platform;
use crate::secret::Secret;

use super::command::Commands;
use super::path::escape;

/// Where a backup is, which of its snapshots to use, and where the secret that unlocks it comes
/// from.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Location(Arc<LocationParts>);

#[derive(Clone, PartialEq, Eq)]
struct LocationParts {
    kind: LocationKind,
    snapshot: Option<String>,
    volume: Option<String>,
    parents: Vec<PathBuf>,
    secret: Secret,
    variables: Vec<(&'static str, OsString)>,
    commands: Option<Commands>,
}

#[derive(Clone, PartialEq, Eq)]
enum LocationKind {
    Local(PathBuf),
    Address { scheme: String, rest: String },
}

/// Printed in place of a secret.
const MASK: &str = "***";

impl Location {
    /// A path on this machine.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self::of(LocationKind::Local(path.into()))
    }

    fn of(kind: LocationKind) -> Self {
        Self(Arc::new(LocationParts {
            kind,
            snapshot: None,
            volume: None,
            parents: Vec::new(),
            secret: Secret::None,
            variables: Vec::new(),
            commands: None,
        }))
    }

    /// Parses the user's text, given the known schemes. A relative path is resolved against `base`,
    /// without `.` components. A path that exists is never taken for an address. What has `//`
    /// behind its scheme is an address even if no format knows the scheme: it may contain a
    /// password, and only addresses are masked.
    pub fn parse(schemes: &[&str], text: &Path, base: &Path) -> Self {
        let path: PathBuf = base.join(text).components().collect();
        match text.to_str().and_then(split_scheme) {
            Some((scheme, rest))
                if (schemes.contains(&scheme) || rest.starts_with("//"))
                    && std::fs::symlink_metadata(&path).is_err() =>
            {
                Self::of(LocationKind::Address { scheme: scheme.to_owned(), rest: rest.to_owned() })
            }
            _ => Self::at(path),
        }
    }

    /// The same location with this snapshot.
    #[must_use]
    pub fn with_snapshot(self, snapshot: Option<String>) -> Self {
        Self(Arc::new(LocationParts { snapshot, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same location, of which only one volume is meant: by the letter of its drive, its number
    /// or its GUID.
    #[must_use]
    pub fn with_volume(self, volume: Option<String>) -> Self {
        Self(Arc::new(LocationParts { volume, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same location, whose differencing disks have their parents in these files.
    #[must_use]
    pub fn with_parents(self, parents: Vec<PathBuf>) -> Self {
        Self(Arc::new(LocationParts { parents, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same location, unlocked by `secret`.
    #[must_use]
    pub fn with_secret(self, secret: Secret) -> Self {
        Self(Arc::new(LocationParts { secret, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same location, for whose programs these environment variables are set.
    #[must_use]
    pub fn with_variables(self, variables: Vec<(&'static str, OsString)>) -> Self {
        Self(Arc::new(LocationParts { variables, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same location, whose files these commands list and restore.
    #[must_use]
    pub fn with_commands(self, commands: Option<Commands>) -> Self {
        Self(Arc::new(LocationParts { commands, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The path, if the backup is a file or folder that is named by its path.
    pub fn local(&self) -> Option<&Path> {
        match &self.0.kind {
            LocationKind::Local(path) => Some(path),
            LocationKind::Address { .. } => None,
        }
    }

    /// The file or folder on this machine that holds the backup, whether it is named by its path or
    /// by an address. Nothing may be written there.
    pub fn place(&self) -> Option<&Path> {
        match &self.0.kind {
            LocationKind::Local(path) => Some(path),
            LocationKind::Address { rest, .. } => {
                split_place(rest).map(|(place, _)| Path::new(place)).filter(|place| place.is_absolute())
            }
        }
    }

    /// The scheme and the rest of an address. The rest may contain a password: use it to connect,
    /// never print it.
    pub fn address(&self) -> Option<(&str, &str)> {
        match &self.0.kind {
            LocationKind::Local(_) => None,
            LocationKind::Address { scheme, rest } => Some((scheme, rest)),
        }
    }

    /// The snapshot to use, if the user named one.
    pub fn snapshot(&self) -> Option<&str> {
        self.0.snapshot.as_deref()
    }

    /// The volume to use, if the user named one.
    pub fn volume(&self) -> Option<&str> {
        self.0.volume.as_deref()
    }

    /// The files in which the parents of differencing disks are looked for first.
    pub fn parents(&self) -> &[PathBuf] {
        &self.0.parents
    }

    /// Where the secret that unlocks the backup comes from.
    pub fn secret(&self) -> &Secret {
        &self.0.secret
    }

    /// The environment variables that are set for the programs that open the backup.
    pub fn variables(&self) -> &[(&'static str, OsString)] {
        &self.0.variables
    }

    /// The commands that list and restore the files of the backup, if the user wrote such commands.
    pub fn commands(&self) -> Option<&Commands> {
        self.0.commands.as_ref()
    }

    /// The text for reports: the path as converted by [`escape`], or the address with its password
    /// masked.
    pub fn text(&self) -> String {
        escape(&self.to_bytes()).into_owned()
    }

    /// The bytes of the path, or the address with its password masked.
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        match &self.0.kind {
            LocationKind::Local(path) => platform::path_to_bytes(path),
            LocationKind::Address { .. } => Cow::Owned(self.to_string().into_bytes()),
        }
    }

    /// A prefix of the path that looks like a scheme but belongs to no known format. The user may
    /// have meant an address.
    pub fn unknown_scheme(&self) -> Option<&str> {
        self.local()?.components().find_map(|component| match component {
            Component::Normal(name) => name.to_str().and_then(split_scheme).map(|(scheme, _)| scheme),
            _ => None,
        })
    }
}

/// Splits an address into scheme and rest. A single letter is a Windows drive, not a scheme.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// What borg takes for a path on this machine, too.
const FILE: &str = "file://";

/// Splits what follows the scheme of an address into a path on this machine, with or without
/// `file://`, and what follows the path: `::` and the name of an archive (borg). `None` if it names
/// another place, such as `host:/path` or `s3:bucket`.
pub(super) fn split_place(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix(FILE).unwrap_or(rest);
    // `//host/path` behind an unknown scheme.
    if rest.starts_with("//") {
        return None;
    }
    let (place, archive) = rest.split_at(rest.find("::").unwrap_or(rest.len()));
    let is_drive = place.as_bytes().get(1) == Some(&b':') && place.as_bytes()[0].is_ascii_alphabetic();
    let before_slash = place.split(['/', '\\']).next().unwrap_or_default();
    let is_path = !place.is_empty() && (is_drive || !before_slash.contains(':'));
    is_path.then_some((place, archive))
}

/// The text of an address in which a path on this machine is replaced by what `absolute` makes of
/// it.
pub(super) fn absolute_address(text: &str, absolute: impl FnOnce(&Path) -> PathBuf) -> Option<OsString> {
    let (scheme, rest) = split_scheme(text)?;
    let (place, archive) = split_place(rest)?;
    let mut address = OsString::from(format!("{scheme}:"));
    address.push(absolute(Path::new(place)));
    address.push(archive);
    Some(address)
}

/// An address without its secrets: the password between `user:` and `@host`, and everything in a
/// query.
///
/// A password that contains a `/` should be escaped. If it is not, the text before the `/` looks
/// like a host with a port that is not a number. Then everything up to the last `@` is masked.
fn mask(rest: &str) -> Cow<'_, str> {
    let start = rest.find("//").map_or(0, |slashes| slashes + 2);
    let (before, after) = rest.split_at(start);
    let authority = &after[..after.find(['/', '?', '#']).unwrap_or(after.len())];
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let end = authority.rfind('@').or_else(|| {
        let (_, port) = authority.rsplit_once(':')?;
        after.rfind('@').filter(|_| !is_port(port))
    });
    let colon = end.and_then(|end| after[..end].find(':'));
    let mut shown = match colon.zip(end) {
        Some((colon, end)) => Cow::Owned(format!("{before}{}:{MASK}{}", &after[..colon], &after[end..])),
        None => Cow::Borrowed(rest),
    };
    if let Some(query) = shown.find('?') {
        shown = Cow::Owned(format!("{}?{MASK}", &shown[..query]));
    }
    shown
}

impl<P: Into<PathBuf>> From<P> for Location {
    fn from(path: P) -> Self {
        Self::at(path)
    }
}

impl Default for Location {
    fn default() -> Self {
        Self::at(PathBuf::new())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            LocationKind::Local(path) => write!(f, "{}", path.display())?,
            LocationKind::Address { scheme, rest } => write!(f, "{scheme}:{}", mask(rest))?,
        }
        self.0.snapshot.iter().try_for_each(|snapshot| write!(f, " (snapshot {snapshot})"))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self}, secret: {})", self.0.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [&str; 2] = ["sftp", "s3"];

    fn parse(text: &str) -> Location {
        Location::parse(&SCHEMES, Path::new(text), Path::new("/base"))
    }

    #[test]
    fn only_a_known_scheme_makes_an_address() {
        assert_eq!(parse("sftp:host:/folder").address(), Some(("sftp", "host:/folder")));
        assert_eq!(parse("s3:https://host/bucket").address(), Some(("s3", "https://host/bucket")));
        for path in ["data", "/data", "restic:/repo", "D:\\x", "D:x", "d:/x", "a b:c", ":x", "2024:x", ""] {
            assert_eq!(parse(path).local(), Some(&*Path::new("/base").join(path)), "{path}");
        }
    }

    #[test]
    fn an_address_of_an_unknown_scheme_shows_no_password() {
        let location = parse("ftp://user:hunter2@host/x");
        assert_eq!(location.local(), None);
        assert_eq!(location.text(), "ftp://user:***@host/x");
    }

    #[test]
    fn a_path_that_exists_is_no_address() {
        let base = tempfile::tempdir().unwrap();
        let parse = || Location::parse(&SCHEMES, Path::new("sftp:x"), base.path());
        assert!(parse().address().is_some());
        // Windows would create the stream `x` of a file `sftp` here.
        std::fs::write(base.path().join("sftp:x"), "").unwrap();
        assert_eq!(parse().local(), Some(&*base.path().join("sftp:x")));
    }

    #[test]
    fn the_place_of_an_address_is_its_path_on_this_machine() {
        for (rest, place) in [
            ("/srv/repo", Some("/srv/repo")),
            ("/srv/repo::first", Some("/srv/repo")),
            ("/srv/a:b", Some("/srv/a:b")),
            ("repo", Some("repo")),
            ("D:\\repo", Some("D:\\repo")),
            ("host:/srv/repo", None),
            ("file:///srv/repo", Some("/srv/repo")),
            ("file:///srv/repo::first", Some("/srv/repo")),
            ("file://folder/repo", Some("folder/repo")),
            ("file:/srv/repo", None),
            ("me@host:repo::first", None),
            ("ssh://me@host/repo", None),
            ("//me:pass@host/repo", None),
            ("::first", None),
            ("", None),
        ] {
            assert_eq!(split_place(rest).map(|(place, _)| place), place, "{rest}");
        }
        let absolute = |text| absolute_address(text, |path| Path::new("/base").join(path));
        let found = absolute("borg:repo::first").unwrap().into_string().unwrap();
        assert_eq!(found.replace('\\', "/"), "borg:/base/repo::first");
        let found = absolute("borg:file:///srv/repo::first").unwrap().into_string().unwrap();
        assert_eq!(found.replace('\\', "/"), "borg:/srv/repo::first");
        assert_eq!(absolute("borg:host:repo"), None);
    }

    #[test]
    fn a_path_that_may_have_been_meant_as_an_address_is_recognised() {
        assert_eq!(parse("restic:/repo").unknown_scheme(), Some("restic"));
        assert_eq!(parse("/repo/at 12:30").unknown_scheme(), None);
        assert_eq!(parse("D:x").unknown_scheme(), None);
    }

    #[test]
    fn no_password_is_printed() {
        for (address, shown) in [
            ("sftp://user:pass@host/x@y", "sftp://user:***@host/x@y"),
            ("sftp://user:pa:s@s@host:22/x", "sftp://user:***@host:22/x"),
            ("s3:https://key:pass@host/bucket?token=pass#1", "s3:https://key:***@host/bucket?***"),
            ("sftp:user:pass@host:/x", "sftp:user:***@host:/x"),
            ("sftp://user:pass/word@host/x", "sftp://user:***@host/x"),
            ("sftp://host:22/x@y", "sftp://host:22/x@y"),
            ("sftp://:pass@host", "sftp://:***@host"),
            ("sftp:user@host:/x", "sftp:user@host:/x"),
        ] {
            let location = parse(address);
            assert_eq!(location.to_string(), shown);
            assert_eq!(location.to_bytes(), shown.as_bytes());
            assert!(!format!("{location:?}").contains("pass"), "{location:?}");
        }
    }

    #[test]
    fn a_secret_says_where_it_comes_from_and_not_what_it_is() {
        let command = Secret::Command(vec!["get".into(), "hunter2".into()]);
        let location = parse("data").with_secret(command).with_snapshot(Some("latest".to_owned()));
        let shown = format!("{location:?}");
        assert!(shown.contains("the output of get") && shown.contains("snapshot latest"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
