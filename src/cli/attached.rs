//! The backup of a run that names none: the newest image backup of this computer on the drives that
//! are attached to it.
//!
//! On Windows, `bkverify --restore-to D:\verify` is a complete command, if a Windows image backup of
//! this computer is on one of its drives. Nothing is chosen silently: a line says which backup it
//! is, and which originals it is compared with.

use super::environment::Environment;
use super::error;
use super::settings::Settings;
use super::values::{Address, Source};
use crate::backup::NewestImage;

/// Fills in the backup, and the originals if none are named. Does nothing for flags that name a
/// backup, or that are not about a run.
pub fn complete(settings: &mut Settings, is_quiet: bool, environment: &Environment) {
    if settings.backup.is_some() || settings.restore_to.is_none() {
        return;
    }
    let Some(found) = (environment.attached)() else { return };
    let chosen = fill_in(settings, found);
    if !is_quiet {
        error::tell(&chosen);
    }
}

/// Takes what was found. Returns the line that says so.
fn fill_in(settings: &mut Settings, found: NewestImage) -> String {
    let NewestImage { folder, name, drives } = found;
    let mut chosen =
        format!("no backup was named: verifying the newest of this computer, {name} in {}", folder.display());
    settings.backup = Some(Address(folder));
    if settings.source.is_empty() && settings.map.is_empty() {
        let names: Vec<_> = drives.iter().map(|drive| drive.display().to_string()).collect();
        if !names.is_empty() {
            chosen.push_str(&format!("; the originals are {}", names.join(", ")));
        }
        settings.source = drives.into_iter().map(Source).collect();
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> NewestImage {
        NewestImage {
            folder: "/e/WindowsImageBackup/SERVER".into(),
            name: "Backup 2026-11-27 210005".to_owned(),
            drives: vec!["/c".into(), "/d".into()],
        }
    }

    #[test]
    fn a_run_without_a_backup_takes_the_newest_image_and_its_drives_and_says_so() {
        let mut settings = Settings { restore_to: Some("/r".into()), ..Settings::default() };
        let chosen = fill_in(&mut settings, found());
        assert_eq!(settings.backup, Some(Address("/e/WindowsImageBackup/SERVER".into())));
        assert_eq!(settings.source, [Source("/c".into()), Source("/d".into())]);
        for word in ["Backup 2026-11-27 210005", "SERVER", "/c, /d"] {
            assert!(chosen.contains(word), "{chosen}");
        }
    }

    #[test]
    fn named_originals_stay_and_a_named_backup_does_too() {
        let source = vec![Source("/mine".into())];
        let mut settings =
            Settings { restore_to: Some("/r".into()), source: source.clone(), ..Settings::default() };
        assert!(!fill_in(&mut settings, found()).contains("originals"));
        assert_eq!(settings.source, source);
        let environment = Environment { attached: || panic!("nobody asked"), ..Environment::for_tests() };
        let named = Settings { backup: Some(Address("/b".into())), ..settings.clone() };
        let mut completed = named.clone();
        complete(&mut completed, true, &environment);
        assert_eq!(completed, named);
        let mut nothing = Settings::default();
        complete(&mut nothing, true, &environment);
        assert_eq!(nothing, Settings::default());
    }
}
