//! What the checklist and the facts need to know of this machine and this person, read once.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::Error;
use crate::checklist::machine::read_text;
use crate::checklist::{Machine, Os, Visit, space};
use crate::exit::ExitCode;
use crate::facts::Volume;
use crate::platform;
use crate::program::{Installed, Programs};
use etcetera::BaseStrategy;
use jiff::Zoned;

/// The machine, the person, and where bkverify remembers things.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The machine's name.
    pub name: String,
    /// Its operating system, with version.
    pub system: String,
    /// `person@machine`.
    pub who: String,
    /// The state folder; it exists and can be written.
    pub state: PathBuf,
}

impl Surroundings {
    /// Reads them all.
    pub fn read() -> Result<Self, Error> {
        let name = machine_name();
        let sudo_uid = said("SUDO_UID").and_then(|uid| uid.parse().ok());
        let who = format!("{}@{name}", platform::user_name(sudo_uid));
        Ok(Self { system: system(), who, state: state_folder()?, name })
    }

    /// Turns to the machine of this name, which has a state folder of its own: what was done there
    /// was not done here.
    pub fn look_at(&mut self, computer: &str) -> Result<(), Error> {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
        if computer.is_empty() || computer.starts_with('.') || !computer.chars().all(is_name) {
            return Err(Error::usage(format!("\"{computer}\" is no name of a computer"))
                .hint("a name has letters, digits, dots and hyphens, such as dc01.contoso.com"));
        }
        computer.clone_into(&mut self.name);
        // `DC01` and `dc01` are one machine. `dc01.contoso.com` may be one of another customer.
        self.state = self.state.join("computers").join(computer.to_lowercase());
        Ok(())
    }
}

fn said(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.trim().is_empty())
}

/// The programs that probes run: those of the caller's search path, and on Linux of the folders of
/// administration programs, too, which an ordinary user's path lacks.
pub fn programs() -> Installed {
    let given = std::env::var_os("PATH").unwrap_or_default();
    if Os::current() == Os::Windows {
        return Installed { search_path: given };
    }
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    let joined = std::env::join_paths(std::env::split_paths(&given).chain(sbin));
    Installed { search_path: joined.unwrap_or(given) }
}

/// What is used and free on this machine's disks.
pub fn volumes() -> Result<Vec<Volume>, String> {
    let machine = Machine::plain(Os::current(), Box::new(programs()), &Zoned::now());
    space::volumes(&Visit::new(&machine, Instant::now() + Duration::from_secs(20)))
}

/// The name that the machine gives itself.
pub fn machine_name() -> String {
    let linux = read_text(Path::new("/proc/sys/kernel/hostname")).ok().flatten();
    let name = linux.or_else(|| said("COMPUTERNAME")).or_else(|| said("HOSTNAME"));
    name.map_or_else(|| "this machine".to_owned(), |name| name.trim().to_owned())
}

/// The operating system with its version, as it calls itself.
pub fn system() -> String {
    let file = |path: &str| read_text(Path::new(path)).ok().flatten();
    if std::env::consts::OS == "windows" {
        let soon = Instant::now() + Duration::from_secs(10);
        let version =
            programs().run(&["cmd", "/c", "ver"], soon).map(|output| output.stdout.trim().to_owned());
        return version.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "Windows".to_owned());
    }
    let release = file("/etc/os-release").unwrap_or_default();
    let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let pretty = pretty.map_or(std::env::consts::OS, |name| name.trim_matches('"'));
    match file("/proc/sys/kernel/osrelease") {
        Some(kernel) => format!("{pretty}, kernel {}", kernel.trim()),
        None => pretty.to_owned(),
    }
}

/// `BKVERIFY_STATE_DIR`, else the machine's state folder where it can be written, else the user's.
fn state_folder() -> Result<PathBuf, Error> {
    // `none` is for runs, which can do without a folder. The checklist has ticks to keep.
    let named = std::env::var_os("BKVERIFY_STATE_DIR").filter(|value| !value.is_empty() && value != "none");
    if let Some(named) = named {
        let named = PathBuf::from(named);
        return match try_folder(&named) {
            Ok(()) => Ok(named),
            Err(error) => Err(refused(&named).because(error)),
        };
    }
    let user = etcetera::choose_base_strategy().ok();
    let user = user.map(|folders| folders.state_dir().unwrap_or_else(|| folders.data_dir()).join("bkverify"));
    let places: Vec<PathBuf> = platform::system_state_dir().into_iter().chain(user).collect();
    if let Some(usable) = places.iter().find(|place| try_folder(place).is_ok()) {
        return Ok(usable.clone());
    }
    Err(refused(places.last().map_or(Path::new("(no home folder)"), PathBuf::as_path)))
}

fn refused(place: &Path) -> Error {
    Error::new(ExitCode::Unusable, format!("cannot write to the state folder {}", place.display()))
        .hint("name another with the environment variable BKVERIFY_STATE_DIR")
}

fn try_folder(place: &Path) -> io::Result<()> {
    platform::create_private_dir_at(place)?;
    tempfile::tempfile_in(place).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_computer_has_a_state_folder_of_its_own_whatever_its_name_is_written_like() {
        let here = Surroundings {
            name: "a".into(),
            system: "b".into(),
            who: "c".into(),
            state: PathBuf::from("/state"),
        };
        for (name, folder) in [("DC01", "dc01"), ("dc01.Contoso.com", "dc01.contoso.com")] {
            let mut there = here.clone();
            there.look_at(name).unwrap();
            let state = PathBuf::from("/state/computers").join(folder);
            assert_eq!((there.name.as_str(), there.state), (name, state));
        }
        for name in ["", "..", ".", "a/b", "x' ; y", "ä"] {
            assert!(here.clone().look_at(name).is_err(), "{name}");
        }
    }

    #[test]
    fn machine_and_system_have_names() {
        assert!(!machine_name().is_empty());
        assert!(!system().is_empty());
    }
}
