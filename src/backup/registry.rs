//! All formats. To add one, write its file with a [`Format`] in it, and name that here; the tests
//! and the contract suite then run on it, and help, hints and tables show it.

use std::path::Path;

use super::format::{Candidate, Format, Snapshot};
use super::{Backup, Context, Error, Location, folder, tar, zip};

/// All formats, in the order in which they are tried.
pub static FORMATS: [Format; 7] =
    [folder::FORMAT, tar::GZIP, tar::BZIP2, tar::XZ, tar::ZSTD, tar::PLAIN, zip::FORMAT];

/// Opens the backup at `location`, whatever its name is. Nothing is written to it, and its access
/// time is left alone where the system allows.
pub fn open(location: &Location, context: &Context) -> Result<Box<dyn Backup>, Error> {
    let candidate = Candidate::look(location, context.cold)?;
    let format = format_of(&candidate)?;
    if format.snapshots.is_none()
        && let Some(snapshot) = location.snapshot()
    {
        let problem = format!("{} holds no snapshots, such as {snapshot}", format.kind);
        return Err(Error::NotABackup { location: location.clone(), problem });
    }
    (format.open)(&candidate, context)
}

/// The backups at `location` that can be opened by name; none where it holds but one.
pub fn snapshots(location: &Location, context: &Context) -> Result<Vec<Snapshot>, Error> {
    let candidate = Candidate::look(location, context.cold)?;
    match format_of(&candidate)?.snapshots {
        Some(snapshots) => snapshots(&candidate, context),
        None => Ok(Vec::new()),
    }
}

/// By the scheme of an address, or by the content of a file or a folder.
fn format_of(candidate: &Candidate<'_>) -> Result<&'static Format, Error> {
    let format = match candidate.location().address() {
        Some((scheme, _)) => FORMATS.iter().find(|format| format.schemes.contains(&scheme)),
        None => FORMATS.iter().find(|format| (format.recognise)(candidate)),
    };
    format.ok_or_else(|| candidate.unrecognised())
}

/// Reads what a person wrote: a path, or an address with the scheme of a format
/// ([`Location::parse`]).
pub fn locate(text: &Path, base: &Path) -> Location {
    Location::parse(&schemes().collect::<Vec<_>>(), text, base)
}

/// The schemes of all formats.
pub fn schemes() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().flat_map(|format| format.schemes.iter().copied())
}

/// What a backup can be, for a sentence: `a folder, a tar archive or a zip archive`.
pub fn in_words() -> String {
    let mut kinds: Vec<_> = FORMATS.iter().map(|format| format.kind).collect();
    kinds.dedup();
    match kinds.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => kinds.concat(),
    }
}

/// The formats as rows of a table in Markdown, with name and summary.
pub fn table() -> String {
    FORMATS.iter().map(|format| format!("| {} | {} |\n", format.name, format.summary)).collect()
}

/// What to say to somebody whose backup was not found, and who may have meant an address.
pub fn address_hint(location: &Location) -> Option<String> {
    let scheme = location.unknown_scheme()?;
    let known = schemes().map(|scheme| format!("{scheme}:")).collect::<Vec<_>>().join(", ");
    Some(if known.is_empty() {
        format!(
            "if {scheme}: was to begin an address: bkverify opens no addresses; it verifies {}",
            in_words()
        )
    } else {
        format!("if {scheme}: was to begin an address: bkverify knows those that begin with {known}")
    })
}
