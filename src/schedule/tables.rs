//! Puts lines where cron looks for them.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::cron::{blocks, command, file_name, table, with, without};
use super::marker::{Owner, owner};
use super::units::files;
use super::{Error, Found, Job, Marker, Observed, Piece, Run, Scheduler, installed, may_touch, must, read};
use crate::output;

/// The name by which the user's own table goes.
const CRONTAB: &str = "the crontab of this user";

/// The tables of the machine: one file for each job.
pub struct CronFiles {
    /// `/etc/cron.d`.
    pub folder: PathBuf,
}

impl CronFiles {
    fn path(&self, job: &str) -> Result<PathBuf, Error> {
        Ok(self.folder.join(file_name(job)?))
    }
}

impl Scheduler for CronFiles {
    fn pieces(&self, job: &Job, marker: &Marker) -> Result<Vec<Piece>, Error> {
        let place = self.path(&job.name)?.display().to_string();
        Ok(vec![Piece { place, text: table(job, marker, Some("root"))? }])
    }

    fn install(&self, job: &Job, marker: &Marker, force: bool) -> Result<Vec<String>, Error> {
        self.removable(&job.name, force)?;
        let mut done = Vec::new();
        for Piece { place, text } in self.pieces(job, marker)? {
            output::replace(place.as_ref(), text.as_bytes()).map_err(Error::file("write", &place))?;
            done.push(format!("wrote {place}; cron reads it within a minute"));
        }
        Ok(done)
    }

    fn removable(&self, job: &str, force: bool) -> Result<Vec<String>, Error> {
        let path = self.path(job)?;
        let Some(text) = read(&path)? else { return Ok(Vec::new()) };
        let place = path.display().to_string();
        may_touch(&owner(&text), &place, force)?;
        Ok(vec![place])
    }

    fn remove(&self, job: &str, force: bool) -> Result<Vec<String>, Error> {
        let mut done = Vec::new();
        for place in self.removable(job, force)? {
            fs::remove_file(&place).map_err(Error::file("remove", &place))?;
            done.push(format!("removed {place}"));
        }
        Ok(done)
    }

    fn find(&self) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        for path in files(&self.folder)? {
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bkverify-"))
                && let Some(text) = read(&path)?
            {
                found.extend(of_table(&text, path.display().to_string(), true));
            }
        }
        Ok(found)
    }
}

/// The table of a user, which only `crontab` may change.
pub struct Crontab<'a> {
    /// Runs `crontab`.
    pub run: Run<'a>,
}

impl Crontab<'_> {
    fn read(&self) -> Result<String, Error> {
        let list = ["crontab", "-l"];
        let ran =
            (self.run)(&list).map_err(|complaint| Error::Program { command: list.join(" "), complaint })?;
        // A user who has none yet. Every cron says it with these words.
        if !ran.succeeded() && ran.stderr.to_lowercase().contains("no crontab") {
            return Ok(String::new());
        }
        must(&|_| Ok(ran.clone()), &list)
    }

    /// Reads the table in order to write it again. What is not UTF-8 was replaced while it was read,
    /// and the lines of others must stay as they are, byte for byte.
    fn read_to_change(&self) -> Result<String, Error> {
        let text = self.read()?;
        match text.lines().position(|line| line.contains(char::REPLACEMENT_CHARACTER)) {
            None => Ok(text),
            Some(before) => Err(Error::NotText { place: CRONTAB.to_owned(), line: before + 1 }),
        }
    }

    fn write(&self, text: &str) -> Result<(), Error> {
        let place = "a temporary file";
        let mut file = tempfile::NamedTempFile::new().map_err(Error::file("make", place))?;
        file.write_all(text.as_bytes()).map_err(Error::file("write", place))?;
        let path = file.path().to_string_lossy().into_owned();
        must(self.run, &["crontab", &path]).map(drop)
    }
}

impl Scheduler for Crontab<'_> {
    fn pieces(&self, job: &Job, marker: &Marker) -> Result<Vec<Piece>, Error> {
        Ok(vec![Piece { place: CRONTAB.to_owned(), text: with("", &job.name, &table(job, marker, None)?) }])
    }

    fn install(&self, job: &Job, marker: &Marker, force: bool) -> Result<Vec<String>, Error> {
        let table = table(job, marker, None)?;
        let (rest, owner) = without(&self.read_to_change()?, &job.name);
        owner.map_or(Ok(()), |owner| may_touch(&owner, CRONTAB, force))?;
        self.write(&with(&rest, &job.name, &table))?;
        Ok(vec![format!("wrote the line of {} to {CRONTAB}", job.name)])
    }

    fn removable(&self, job: &str, force: bool) -> Result<Vec<String>, Error> {
        let (_, owner) = without(&self.read_to_change()?, job);
        let Some(owner) = owner else { return Ok(Vec::new()) };
        may_touch(&owner, CRONTAB, force)?;
        Ok(vec![format!("the line of {job} in {CRONTAB}")])
    }

    fn remove(&self, job: &str, force: bool) -> Result<Vec<String>, Error> {
        let places = self.removable(job, force)?;
        if !places.is_empty() {
            self.write(&without(&self.read_to_change()?, job).0)?;
        }
        Ok(places.into_iter().map(|place| format!("removed {place}")).collect())
    }

    fn find(&self) -> Result<Vec<Found>, Error> {
        let crontab = self.read()?;
        Ok(blocks(&crontab)
            .into_iter()
            .filter_map(|text| of_table(text, CRONTAB.to_owned(), false))
            .collect())
    }
}

fn of_table(text: &str, place: String, has_user: bool) -> Option<Found> {
    let owner: Owner = owner(text);
    let command = command(text, has_user);
    // Our own lines begin with `nice -n 19`.
    let rest = command.strip_prefix("nice -n 19 ").unwrap_or(&command);
    let program = match rest.strip_prefix('\'').and_then(|rest| rest.split_once('\'')) {
        Some((word, _)) => word.to_owned(),
        None => rest.split(' ').next().unwrap_or_default().to_owned(),
    };
    let installed = installed(owner, "cron", command, vec![place])?;
    Some(Found { installed, program, observed: Observed::default() })
}
