//! The backup of a run that names none: the newest image backup of this computer on the drives that
//! are attached to it.
//!
//! On Windows, `bkverify --restore-to D:\verify` is a complete command, if a Windows image backup of
//! this computer is on one of its drives. Nothing is chosen silently: a line says which backup it
//! is, and which originals it is compared with. A note in the report names each volume of the
//! backup that has no originals. If one had a drive letter, `--quiet` does not hide that.

use std::path::PathBuf;

use super::environment::Environment;
use super::error::{self, Error};
use super::settings::Settings;
use super::values::{Address, Source};
use crate::backup::NewestImage;
use crate::exit::ExitCode;
use crate::plan::Map;

/// Fills in the backup, and the originals if none are named. Returns what the report must say about
/// that. Does nothing for flags that name a backup, or that are not about a run.
///
/// # Errors
/// A drive cannot be searched, or its newest backup cannot be verified.
pub fn complete(
    settings: &mut Settings,
    is_quiet: bool,
    environment: &Environment,
) -> Result<Vec<String>, Error> {
    if settings.backup.is_some() || settings.restore_to.is_none() {
        return Ok(Vec::new());
    }
    let found = (environment.attached)();
    let found = found.map_err(|error| {
        let problem = "no backup was named, and the newest of this computer cannot be chosen";
        Error::new(ExitCode::Unusable, problem)
            .because(error)
            .hint("name the backup with --backup, or run this as administrator")
    })?;
    let Some(found) = found else { return Ok(Vec::new()) };
    let unsearched = found.unsearched.clone();
    let Completed { chosen, displaced, placeless } = fill_in(settings, found);
    if !is_quiet {
        error::tell(&chosen);
        placeless.iter().chain(&unsearched).for_each(|note| error::tell(note));
    }
    displaced.iter().for_each(|note| error::warn(note));
    Ok(displaced.into_iter().chain(placeless).chain(unsearched).collect())
}

/// What a person must know about a backup that was found.
struct Completed {
    /// Which it is, and what its originals are.
    chosen: String,
    /// A line for each volume whose drive letter the drive with the backup has now.
    displaced: Vec<String>,
    /// A line for each volume that had neither a letter nor a folder, such as that of the boot
    /// loader.
    placeless: Vec<String>,
}

/// Takes what was found.
fn fill_in(settings: &mut Settings, found: NewestImage) -> Completed {
    let NewestImage { folder, name, drives, mounted, displaced, placeless, .. } = found;
    let mut chosen =
        format!("no backup was named: verifying the newest of this computer, {name} in {}", folder.display());
    settings.backup = Some(Address(folder));
    if !settings.source.is_empty() || !settings.map.is_empty() {
        return Completed { chosen, displaced: Vec::new(), placeless: Vec::new() };
    }
    let folders = mounted.iter().map(|(_, folder)| folder);
    let names: Vec<_> = drives.iter().chain(folders).map(|place| place.display().to_string()).collect();
    if !names.is_empty() {
        chosen.push_str(&format!("; the originals are {}", names.join(", ")));
    }
    settings.source = drives.into_iter().map(Source).collect();
    let map = |(name, to): (String, PathBuf)| Map { from: name.into_bytes(), to };
    settings.map = mounted.into_iter().map(map).collect();
    let line = |name: String, why: &str| {
        format!(
            "volume {name} of the backup is not compared: {why}; to verify it, name all originals, with --map \"{name}=FOLDER\" \
             among them"
        )
    };
    let displaced =
        displaced.into_iter().map(|name| line(name, "the drive with the backup has its letter now"));
    let placeless =
        placeless.into_iter().map(|name| line(name, "it had neither a drive letter nor a folder"));
    Completed { chosen, displaced: displaced.collect(), placeless: placeless.collect() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::backup::{self, Location};
    use crate::cli::invocation::Verify;
    use crate::cli::resolve;

    fn found() -> NewestImage {
        NewestImage {
            folder: "/e/WindowsImageBackup/SERVER".into(),
            name: "Backup 2026-11-27 210005".to_owned(),
            drives: vec!["/c".into(), "/d".into()],
            mounted: vec![("Volume{1}".to_owned(), "/c/mount".into())],
            displaced: vec!["E".to_owned()],
            placeless: vec!["Volume{2}".to_owned()],
            unsearched: vec!["not searched".to_owned()],
        }
    }

    #[test]
    fn a_run_without_a_backup_takes_the_newest_image_and_its_drives_and_says_so() {
        let mut settings = Settings { restore_to: Some("/r".into()), ..Settings::default() };
        let Completed { chosen, displaced, placeless } = fill_in(&mut settings, found());
        assert_eq!(settings.backup, Some(Address("/e/WindowsImageBackup/SERVER".into())));
        assert_eq!(settings.source, [Source("/c".into()), Source("/d".into())]);
        let map = Map { from: b"Volume{1}".to_vec(), to: "/c/mount".into() };
        assert_eq!(settings.map, [map]);
        for word in ["Backup 2026-11-27 210005", "SERVER", "/c, /d, /c/mount"] {
            assert!(chosen.contains(word), "{chosen}");
        }
        for (lines, words) in [
            (displaced, ["volume E of the backup is not compared: the drive", "--map \"E=FOLDER\""]),
            (placeless, ["volume Volume{2} of", "neither a drive letter nor a folder"]),
        ] {
            assert!(lines.len() == 1 && words.iter().all(|word| lines[0].contains(word)), "{lines:?}");
        }
    }

    #[test]
    fn named_originals_stay_and_a_named_backup_does_too() {
        let source = vec![Source("/mine".into())];
        let mut settings =
            Settings { restore_to: Some("/r".into()), source: source.clone(), ..Settings::default() };
        let filled = fill_in(&mut settings, found());
        assert!(!filled.chosen.contains("originals"));
        assert!(filled.displaced.is_empty() && filled.placeless.is_empty());
        assert_eq!(settings.source, source);
        let environment = Environment { attached: || panic!("nobody asked"), ..Environment::for_tests() };
        let complete = |settings: &mut Settings, is_quiet, environment: &Environment| {
            complete(settings, is_quiet, environment).unwrap();
        };
        let named = Settings { backup: Some(Address("/b".into())), ..settings.clone() };
        let mut completed = named.clone();
        complete(&mut completed, true, &environment);
        assert_eq!(completed, named);
        let mut nothing = Settings::default();
        complete(&mut nothing, true, &environment);
        assert_eq!(nothing, Settings::default());
    }

    #[test]
    fn the_report_names_the_volumes_that_have_no_originals() {
        let environment = Environment { attached: || Ok(Some(found())), ..Environment::for_tests() };
        let flags = Verify::parse("--restore-to /r --quiet");
        let plan = resolve::plan(flags, &environment).unwrap();
        let notes = &plan.origin.notes;
        assert!(notes[0].starts_with("volume E ") && notes[1].starts_with("volume Volume{2} "), "{notes:?}");
        assert_eq!(notes[2..], ["not searched"]);
        let flags = Verify::parse("--restore-to /r --source /mine --quiet");
        assert_eq!(resolve::plan(flags, &environment).unwrap().origin.notes, ["not searched"]);
    }

    #[test]
    fn a_drive_that_cannot_be_searched_ends_the_run() {
        let attached = || {
            let (location, problem) = (Location::at(Path::new("E:")), "its newest backup failed".to_owned());
            Err(backup::Error::NotABackup { location, problem })
        };
        let environment = Environment { attached, ..Environment::for_tests() };
        let mut settings = Settings { restore_to: Some("/r".into()), ..Settings::default() };
        let error = complete(&mut settings, true, &environment).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::Unusable);
        let text = error.render(None);
        assert!(
            text.contains("E:") && text.contains("newest backup failed") && text.contains("--backup"),
            "{text}"
        );
    }
}
