//! Where the backup is, and how it is unlocked: from the settings, the configuration's commands,
//! and the variables that borg and restic know.
//!
//! In: settings and surroundings. Out: a [`Location`]. An existing set-up of borg or restic needs
//! no second one: `borg:` and `restic:` without a place mean the repository that their variables
//! name. What those variables say about passwords holds, too, unless a setting says otherwise. borg
//! inherits its variables; those of restic are read here, because restic's own program is not run.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::config::Config;
use super::environment::Environment;
use super::error::{Error, nearest};
use super::settings::Settings;
use super::values::Password;
use crate::backup::{Commands, Location, RESTIC_VARIABLES, registry};
use crate::secret::Secret;

const BORG: &str = "borg";
const RESTIC: &str = "restic";

/// The backup of these settings. An empty path if they name none.
pub fn location(
    settings: &Settings,
    config: Option<&Config>,
    environment: &Environment,
) -> Result<Location, Error> {
    let Some(address) = &settings.backup else { return Ok(Location::default()) };
    let said = registry::locate(&address.0, Path::new(""));
    let text = match said.address() {
        Some((scheme @ (BORG | RESTIC), rest)) if rest.is_empty() || rest.starts_with("::") => {
            complete(scheme, rest, environment)?
        }
        _ => address.0.clone(),
    };
    let location = registry::locate(&text, Path::new(""));
    let secret = match (&settings.password, location.address()) {
        (Some(Password::At(secret)), _) => secret.clone(),
        (Some(Password::Unusable), _) => return Err(Error::usage(Password::PROBLEM).hint(Password::HINT)),
        (None, Some((RESTIC, _))) => restic_password(environment),
        (None, _) => Secret::None,
    };
    let commands = commands(&location, config)?;
    let variables: Vec<(&'static str, OsString)> = match location.address() {
        Some((RESTIC, _)) => {
            let said = |&name| Some((name, variable(name, environment)?));
            RESTIC_VARIABLES.iter().filter_map(said).collect()
        }
        _ => borg_folders(environment),
    };
    Ok(location
        .with_snapshot(settings.snapshot.clone())
        .with_volume(settings.volume.clone())
        .with_parents(settings.parent.clone())
        .with_secret(secret)
        .with_variables(variables)
        .with_commands(commands))
}

/// The value of a variable that is set and not empty.
fn variable(name: &str, environment: &Environment) -> Option<OsString> {
    (environment.variable)(name).filter(|value| !value.is_empty())
}

/// The address of the repository that the program's own variables name.
fn complete(scheme: &str, rest: &str, environment: &Environment) -> Result<PathBuf, Error> {
    let place = match scheme {
        BORG => variable("BORG_REPO", environment),
        _ => variable("RESTIC_REPOSITORY", environment).map_or_else(
            || variable("RESTIC_REPOSITORY_FILE", environment).map(|file| first_line(&file)).transpose(),
            |place| Ok(Some(place)),
        )?,
    };
    let Some(place) = place else {
        let name = if scheme == BORG { "BORG_REPO" } else { "RESTIC_REPOSITORY" };
        return Err(Error::usage(format!(
            "{scheme}: names no repository, and the variable {name} is not set"
        ))
        .hint(format!("name one: --backup {scheme}:/srv/repository")));
    };
    let mut text = OsString::from(format!("{scheme}:"));
    text.push(place);
    text.push(rest);
    let base = environment.base();
    Ok(registry::absolute(Path::new(&text), base.folder, |path| base.absolute(path)))
}

fn first_line(file: &OsStr) -> Result<OsString, Error> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Error::usage(format!("cannot read RESTIC_REPOSITORY_FILE ({})", file.to_string_lossy()))
            .because(error)
    })?;
    Ok(text.lines().next().unwrap_or_default().trim().into())
}

/// Where restic's own variables say that the password is.
fn restic_password(environment: &Environment) -> Secret {
    let said = |name| variable(name, environment);
    if let Some(file) = said("RESTIC_PASSWORD_FILE") {
        return Secret::File(environment.base().absolute(Path::new(&file)));
    }
    if let Some(command) = said("RESTIC_PASSWORD_COMMAND") {
        return Secret::Command(words(&command.to_string_lossy()));
    }
    let name = "RESTIC_PASSWORD";
    said(name).map_or(Secret::None, |_| Secret::Env(name.to_owned()))
}

/// The words of a command line, in which quotes hold a word together.
fn words(line: &str) -> Vec<OsString> {
    let (mut words, mut word, mut quote): (Vec<OsString>, Option<String>, Option<char>) =
        (Vec::new(), None, None);
    for letter in line.chars() {
        match quote {
            Some(open) if open == letter => quote = None,
            None if letter == '"' || letter == '\'' => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            None if letter.is_whitespace() => words.extend(word.take().map(OsString::from)),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word.map(OsString::from));
    words
}

/// Where borg has its key files, and where it remembers repositories. It is told where the keys
/// are, because everything else that it stores goes to a folder that is removed after the run. What
/// it remembers is only read.
fn borg_folders(environment: &Environment) -> Vec<(&'static str, OsString)> {
    let said = |name| variable(name, environment).map(PathBuf::from);
    let below = |folder: PathBuf| folder.join(".config");
    let config = said("BORG_CONFIG_DIR").or_else(|| {
        let home = said("BORG_BASE_DIR").map(below).or_else(|| said("XDG_CONFIG_HOME"));
        home.or_else(|| environment.home.clone().map(below)).map(|folder| folder.join(BORG))
    });
    let folder = |name: &'static str, usual: &str| {
        let folder = said(name).or_else(|| config.as_ref().map(|config| config.join(usual)))?;
        folder.is_dir().then(|| (name, folder.into_os_string()))
    };
    [folder("BORG_KEYS_DIR", "keys"), folder("BORG_SECURITY_DIR", "security")].into_iter().flatten().collect()
}

/// The commands that an address `command:NAME` means.
fn commands(location: &Location, config: Option<&Config>) -> Result<Option<Commands>, Error> {
    let Some(("command", name)) = location.address() else { return Ok(None) };
    let there = config.map(|config| &config.commands);
    if let Some(commands) = there.and_then(|commands| commands.get(name)) {
        return Ok(Some(commands.clone()));
    }
    let hint = match there.and_then(|commands| nearest(name, commands.keys().map(String::as_str))) {
        Some(near) => format!("did you mean command:{near}?"),
        None => format!("write the table [commands.{name}] with list and restore: bkverify help command"),
    };
    let place =
        config.map_or_else(|| "no configuration".to_owned(), |config| config.place.display().to_string());
    Err(Error::usage(format!("the configuration has no commands called \"{name}\" ({place} was read)"))
        .hint(hint))
}

#[cfg(test)]
mod tests {
    use super::super::values::Address;
    use super::*;

    fn found(backup: &str, variable: fn(&str) -> Option<OsString>) -> Result<Location, Error> {
        let settings = Settings { backup: Some(Address(backup.into())), ..Settings::default() };
        location(&settings, None, &Environment { variable, ..Environment::for_tests() })
    }

    #[test]
    fn an_address_without_a_place_means_the_repository_of_the_variables() {
        let set = |name: &str| (name == "BORG_REPO").then(|| "repo".into());
        let there = found("borg:::first", set).unwrap();
        let (scheme, rest) = there.address().unwrap();
        assert_eq!((scheme, &*rest.replace('\\', "/")), (BORG, "/here/repo::first"));
        assert_eq!(found("borg:/other", set).unwrap().address(), Some((BORG, "/other")));
        let remote = |name: &str| (name == "BORG_REPO").then(|| "ssh://me@host/repo".into());
        assert_eq!(found("borg:", remote).unwrap().address(), Some((BORG, "ssh://me@host/repo")));
        let error = found("borg:", |_| None).unwrap_err().render(None);
        assert!(error.contains("BORG_REPO is not set") && error.contains("--backup borg:/srv"), "{error}");
    }

    #[test]
    fn a_command_that_the_configuration_does_not_have_is_refused() {
        let error = found("command:dar", |_| None).unwrap_err().render(None);
        assert!(error.contains("[commands.dar]"), "{error}");
    }

    #[test]
    fn the_words_of_a_command_may_be_quoted() {
        assert_eq!(words(r#"pass  "a b" c'd e'f '' "#), ["pass", "a b", "cd ef", ""]);
        assert!(words("  ").is_empty());
    }

    #[test]
    fn a_password_that_stands_in_the_settings_itself_is_refused_and_not_repeated() {
        let settings = Settings {
            backup: Some(Address("borg:/r".into())),
            password: Some(OsString::from("hunter2").into()),
            ..Settings::default()
        };
        let error = location(&settings, None, &Environment::for_tests()).unwrap_err().render(None);
        assert!(error.contains("file:PATH") && !error.contains("hunter2"), "{error}");
    }
}
