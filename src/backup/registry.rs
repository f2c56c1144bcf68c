//! All formats. To add one, write a file with a [`Format`] in it and add that to [`FORMATS`]. Help,
//! hints and tables then show it, and the contract suite demands a fixture of it.

use std::io;
use std::path::{Path, PathBuf};

use super::format::{BackupCandidate, Format};
use super::location::absolute_address;
use super::{Backup, Context, Error, Location, Snapshot, borg, command, folder, image, restic, tar, zip};

/// All formats, in the order in which they are tried: the first that recognises a backup opens it.
/// `folder` recognises every folder, so a format that recognises a folder by what it contains
/// stands before it.
///
/// An image may end in bytes that happen to be a zip archive, so images stand before `zip`.
pub static FORMATS: &[Format] = &[
    image::format::WINDOWS,
    borg::FORMAT,
    restic::FORMAT,
    command::FORMAT,
    folder::FORMAT,
    tar::GZIP,
    tar::BZIP2,
    tar::XZ,
    tar::ZSTD,
    tar::PLAIN,
    image::format::FILE,
    zip::FORMAT,
];

/// Opens the backup at `location`, whatever its name is. Nothing is written to it. Its access time
/// is left unchanged if the system allows it.
pub fn open(location: &Location, context: &Context) -> Result<Box<dyn Backup>, Error> {
    open_among(FORMATS, location, context)
}

fn open_among(formats: &[Format], location: &Location, context: &Context) -> Result<Box<dyn Backup>, Error> {
    let (candidate, format) = recognise(formats, location, context)?;
    if format.snapshots.is_none()
        && let Some(snapshot) = location.snapshot()
    {
        let problem = format!("{} has no snapshots: leave out --snapshot {snapshot}", format.kind);
        return Err(Error::NotABackup { location: location.clone(), problem });
    }
    if !format.has_volumes && (location.volume().is_some() || !location.parents().is_empty()) {
        let problem =
            format!("{} has no volumes and no parents: leave out --volume and --parent", format.kind);
        return Err(Error::NotABackup { location: location.clone(), problem });
    }
    (format.open)(&candidate, context)
}

/// The backups at `location` that can be opened by name. Empty if the location holds only one
/// backup.
pub fn snapshots(location: &Location, context: &Context) -> Result<Vec<Snapshot>, Error> {
    let (candidate, format) = recognise(FORMATS, location, context)?;
    match format.snapshots {
        Some(snapshots) => snapshots(&candidate, context),
        None => Ok(Vec::new()),
    }
}

/// Looks at a location, and finds its format by the scheme of an address, or by the content of a
/// file or folder.
fn recognise<'a>(
    formats: &'a [Format],
    location: &'a Location,
    context: &Context,
) -> Result<(BackupCandidate<'a>, &'a Format), Error> {
    let candidate = BackupCandidate::look(location, context.cold)?;
    let format = match location.address() {
        Some((scheme, _)) => {
            let format = formats.iter().find(|format| format.schemes.contains(&scheme));
            format.ok_or_else(|| no_such_address(location))?
        }
        None => {
            let format = formats.iter().find(|format| (format.recognise)(&candidate));
            format.ok_or_else(|| candidate.unrecognised())?
        }
    };
    Ok((candidate, format))
}

/// Parses the user's text: a path, or an address with the scheme of a known format
/// ([`Location::parse`]).
pub fn locate(text: &Path, base: &Path) -> Location {
    Location::parse(&schemes().collect::<Vec<_>>(), text, base)
}

/// The user's text, in which a path is absolute: the whole text, or the place of a repository in an
/// address.
pub fn absolute(text: &Path, base: &Path, absolute: impl Fn(&Path) -> PathBuf) -> PathBuf {
    let location = locate(text, base);
    let Some((scheme, _)) = location.address() else { return absolute(text) };
    let named = text.to_str().filter(|_| scheme != command::SCHEME);
    named.and_then(|text| absolute_address(text, absolute)).map_or_else(|| text.to_owned(), PathBuf::from)
}

/// The schemes of all formats.
pub fn schemes() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().flat_map(|format| format.schemes.iter().copied())
}

/// Makes sure that some format opens addresses of this scheme. Paths are judged by their content,
/// when they are opened.
pub fn check_scheme(location: &Location) -> Result<(), Error> {
    match unknown_address(location) {
        None => Ok(()),
        Some(_) => Err(no_such_address(location)),
    }
}

fn no_such_address(location: &Location) -> Error {
    let source = io::Error::new(io::ErrorKind::NotFound, "no format opens such an address");
    Error::Open { location: location.clone(), source }
}

/// The scheme of an address that no format opens.
fn unknown_address(location: &Location) -> Option<&str> {
    location.address().map(|(scheme, _)| scheme).filter(|scheme| !schemes().any(|known| known == *scheme))
}

/// All kinds of backup, for a sentence: `a folder, a tar archive or a zip archive`.
pub fn in_words() -> String {
    let mut kinds: Vec<_> = FORMATS.iter().map(|format| format.kind).collect();
    kinds.dedup();
    match kinds.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => kinds.concat(),
    }
}

/// The rows of a Markdown table of all formats, with their names and summaries.
pub fn table() -> String {
    FORMATS.iter().map(|format| format!("| {} | {} |\n", format.name, format.summary)).collect()
}

/// A hint for users whose backup was not found because they may have meant an address.
pub fn address_hint(location: &Location) -> Option<String> {
    let scheme = location.unknown_scheme().or_else(|| unknown_address(location))?;
    let known = schemes().map(|scheme| format!("{scheme}:")).collect::<Vec<_>>().join(", ");
    Some(if known.is_empty() {
        format!(
            "if {scheme}: was meant as the scheme of an address: bkverify cannot open addresses; it verifies {}",
            in_words()
        )
    } else {
        format!(
            "if {scheme}: was meant as the scheme of an address: bkverify knows only addresses that begin with {known}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Folder;

    /// A worked proof that a format is a constant in a file of its own and a line of the list: one
    /// that opens addresses, and one that recognises a folder by a file in it.
    const NEAR: Format = Format {
        name: "near",
        kind: "a repository next door",
        summary: "what another folder holds, by its address",
        schemes: &["near"],
        recognise: |candidate| {
            candidate.location().local().is_some_and(|path| path.join("near-repository").exists())
        },
        open: |candidate, _| {
            let location = candidate.location();
            let folder = location.address().map(|(_, folder)| Path::new(folder)).or(location.local());
            Ok(Box::new(Folder::open(folder.unwrap(), false)?))
        },
        snapshots: None,
        has_volumes: false,
    };

    #[test]
    fn a_format_is_a_constant_and_a_line_and_opens_by_its_scheme_and_by_what_it_recognises() {
        let world = tempfile::tempdir().unwrap();
        std::fs::write(world.path().join("near-repository"), "").unwrap();
        // The line that is added, before `folder`, which recognises every folder.
        let formats: Vec<Format> =
            [NEAR].into_iter().chain([folder::FORMAT, tar::PLAIN, zip::FORMAT]).collect();
        let address = format!("near:{}", world.path().display());
        let address = Location::parse(NEAR.schemes, Path::new(&address), world.path());
        for location in [address, Location::at(world.path())] {
            let (_, found) = recognise(&formats, &location, &Context::default()).unwrap();
            assert_eq!(found.name, "near", "{location}");
            open_among(&formats, &location, &Context::default()).unwrap();
        }
        let other = tempfile::tempdir().unwrap();
        let other = Location::at(other.path());
        let (_, found) = recognise(&formats, &other, &Context::default()).unwrap();
        assert_eq!(found.name, "folder");
        let unknown = Location::parse(&["far"], Path::new("far:x"), world.path());
        let error = open_among(&formats, &unknown, &Context::default()).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Open { .. }), "{error}");
    }
}
