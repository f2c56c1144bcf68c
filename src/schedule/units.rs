//! Puts units where systemd looks for them, and asks systemd about them.

use std::fs;
use std::path::{Path, PathBuf};

use super::marker::{Owner, owner, seal};
use super::systemd::{Units, unit_name};
use super::systemd_state::{PROPERTIES, observe};
use super::{Error, Found, Job, Marker, Observed, Piece, Run, Scheduler, installed, may_touch, must, read};
use crate::output;

/// The units of the machine, or of a user.
pub struct Systemd<'a> {
    /// The folder of the units.
    pub folder: PathBuf,
    /// Whether they are the user's.
    pub user: bool,
    /// Runs `systemctl`.
    pub run: Run<'a>,
}

impl Systemd<'_> {
    fn systemctl<'b>(&self, words: &[&'b str]) -> Vec<&'b str> {
        // Times are printed in the zone of whoever asks.
        let mut command = vec!["env", "TZ=UTC", "systemctl"];
        if self.user {
            command.push("--user");
        }
        command.extend(words);
        command
    }

    /// The files of a job that exist, with their owners.
    fn existing(&self, job: &str) -> Result<Vec<(PathBuf, Owner)>, Error> {
        let name = unit_name(job)?;
        let mut found = Vec::new();
        for ending in ["timer", "service"] {
            let path = self.folder.join(format!("{name}.{ending}"));
            // A link is how systemd masks a unit: somebody turned it off.
            let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_symlink());
            if is_link {
                found.push((path, Owner::Foreign));
            } else if let Some(text) = read(&path)? {
                found.push((path, owner(&text)));
            }
        }
        Ok(found)
    }

    /// The job of a service. Its timer may be gone or masked: that is what has to be told.
    fn read_job(&self, service: &Path) -> Result<Option<Found>, Error> {
        let timer = service.with_extension("timer");
        let Some(service_text) = read(service)? else { return Ok(None) };
        let command = line(&service_text, "ExecStart=").replace("%%", "%").replace("$$", "$");
        let places = [service, &timer].map(|path| path.display().to_string());
        let Some(mut installed) = installed(owner(&service_text), "systemd", command, places.into()) else {
            return Ok(None);
        };
        let timer_owner = read(&timer)?.map(|text| owner(&text));
        installed.edited |= !matches!(timer_owner, Some(Owner::Ours(_)));
        let name = service.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (timer, service) = (format!("{name}.timer"), format!("{name}.service"));
        let show = self.systemctl(&["show", "--no-pager", PROPERTIES, &timer, &service]);
        let observed = match must(self.run, &show) {
            Ok(printed) => observe(&printed, &name),
            Err(error) => {
                Observed { records_runs: true, problems: vec![error.to_string()], ..Observed::default() }
            }
        };
        let program = first_word(&installed.command);
        Ok(Some(Found { installed, program, observed }))
    }
}

impl Scheduler for Systemd<'_> {
    fn pieces(&self, job: &Job, marker: &Marker) -> Result<Vec<Piece>, Error> {
        let name = unit_name(&job.name)?;
        let units = Units { job, user: self.user };
        let piece = |ending: &str, text: &str| Piece {
            place: self.folder.join(format!("{name}.{ending}")).display().to_string(),
            text: seal(marker, text),
        };
        Ok(vec![piece("service", &units.service()?), piece("timer", &units.timer()?)])
    }

    fn install(&self, job: &Job, marker: &Marker, force: bool) -> Result<Vec<String>, Error> {
        let pieces = self.pieces(job, marker)?;
        for (path, owner) in self.existing(&job.name)? {
            may_touch(&owner, &path.display().to_string(), force)?;
        }
        fs::create_dir_all(&self.folder).map_err(Error::file("make", &self.folder))?;
        let mut done = Vec::new();
        for piece in &pieces {
            let path = Path::new(&piece.place);
            // The mask, a link to /dev/null, would swallow what is written.
            if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_symlink()) {
                fs::remove_file(path).map_err(Error::file("remove", path))?;
            }
            output::replace(path, piece.text.as_bytes()).map_err(Error::file("write", path))?;
            done.push(format!("wrote {}", piece.place));
        }
        must(self.run, &self.systemctl(&["daemon-reload"]))?;
        let timer = format!("{}.timer", unit_name(&job.name)?);
        must(self.run, &self.systemctl(&["enable", &timer]))?;
        // A timer that runs already goes on with its old times, unless it is started anew.
        must(self.run, &self.systemctl(&["restart", &timer]))?;
        done.push(format!("enabled and started {timer}"));
        Ok(done)
    }

    fn removable(&self, job: &str, force: bool) -> Result<Vec<String>, Error> {
        let existing = self.existing(job)?;
        for (path, owner) in &existing {
            may_touch(owner, &path.display().to_string(), force)?;
        }
        Ok(existing.into_iter().map(|(path, _)| path.display().to_string()).collect())
    }

    fn remove(&self, job: &str, force: bool) -> Result<Vec<String>, Error> {
        let places = self.removable(job, force)?;
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let timer = format!("{}.timer", unit_name(job)?);
        let mut done = Vec::new();
        // Where systemd does not know the timer, or does not run, there is nothing to stop.
        if must(self.run, &self.systemctl(&["disable", "--now", &timer])).is_ok() {
            done.push(format!("stopped and disabled {timer}"));
        }
        for place in places {
            fs::remove_file(&place).map_err(Error::file("remove", &place))?;
            done.push(format!("removed {place}"));
        }
        must(self.run, &self.systemctl(&["daemon-reload"]))?;
        Ok(done)
    }

    fn find(&self) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        for service in files(&self.folder)? {
            let is_ours =
                service.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bkverify-"));
            if is_ours && service.extension().is_some_and(|ending| ending == "service") {
                found.extend(self.read_job(&service)?);
            }
        }
        Ok(found)
    }
}

/// The files of a folder that may not exist, sorted.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", folder)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry.map_err(Error::file("read", folder))?.path());
    }
    files.sort();
    Ok(files)
}

/// What follows a key.
fn line<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default()
}

/// The first word of a command, without its quotes.
fn first_word(command: &str) -> String {
    match command.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((word, _)) => word.replace("\\\\", "\\"),
        None => command.split(' ').next().unwrap_or_default().to_owned(),
    }
}
