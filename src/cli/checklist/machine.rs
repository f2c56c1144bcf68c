//! The machine that the checklist looks at: what flags and configuration say about it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;

use super::super::config::{self, Config};
use super::super::environment::Environment;
use super::super::error::Error;
use super::super::local::{self, Surroundings};
use super::super::resolve;
use super::super::values::{Limit, Source};
use crate::backup::registry;
use crate::checklist::machine::read_text;
use crate::checklist::{Against, BackupJob, Machine, Os};
use crate::facts::Facts;
use crate::output::Output;

/// What the checks look at, and for how long.
#[derive(Debug, Args)]
pub(super) struct Look {
    /// Compare the clock with this destination: a server that answers NTP, a file of facts, or -
    /// for facts on standard input
    #[arg(long, value_name = "HOST|FILE|-")]
    against: Option<String>,
    /// Compare the clock with this NTP server instead of the configured ones
    #[arg(long, value_name = "HOST")]
    ntp: Option<String>,
    /// Keep the applications table in this folder [default: the state folder]
    #[arg(long, value_name = "DIR")]
    table: Option<PathBuf>,
    /// Let no check take longer than this [default: 30s; 5m for updates, best-practices and
    /// applications]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Limit>,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Look {
    /// The machine with what the person specified.
    pub fn machine(&self, environment: &Environment, here: &Surroundings) -> Result<Machine, Error> {
        let config = config::load(self.config.as_deref(), environment)?;
        let folder = &environment.current_dir;
        let against = self.against.as_deref().map(|text| read_against(text, folder)).transpose()?;
        let jobs = config.as_ref().map(|config| jobs(config, environment)).transpose()?.unwrap_or_default();
        let table = self.table.as_ref().map(|folder| environment.base().absolute(folder));
        let mut machine = Machine::plain(Os::current(), Box::new(local::programs()), &environment.now);
        machine.settings.table = table.unwrap_or_else(|| here.state.clone());
        machine.settings.ntp.clone_from(&self.ntp);
        machine.settings.against = against;
        machine.settings.jobs = jobs;
        Ok(machine)
    }
}

/// Every configured job; without named jobs the top of the file is the one job, if it names a
/// backup.
fn jobs(config: &Config, environment: &Environment) -> Result<Vec<BackupJob>, Error> {
    let names: Vec<Option<&str>> = if config.jobs.is_empty() {
        vec![None]
    } else {
        config.jobs.keys().map(|name| Some(name.as_str())).collect()
    };
    let mut jobs = Vec::new();
    for name in names {
        let (name, settings) = config.choose(name)?;
        let filters = resolve::filters(&settings, environment)?;
        let sample = resolve::sample_size(&settings);
        let Some(backup) = settings.backup else { continue };
        let backup = registry::locate(&backup.0, Path::new(""));
        let name = name.unwrap_or_else(|| "the configured job".to_owned());
        let report = settings.reports.of("json").and_then(Output::file).map(Path::to_owned);
        jobs.push(BackupJob {
            name,
            backup,
            sources: Source::folders(settings.source),
            maps: settings.map,
            report,
            sample,
            filters,
        });
    }
    Ok(jobs)
}

/// A file of facts if there is one of this name, standard input for `-`, else a server.
fn read_against(text: &str, current_dir: &Path) -> Result<Against, Error> {
    let facts = |json: &str, place: String, under_way: Option<f64>| {
        let facts = Facts::parse(json, &place).map_err(|error| Error::usage(error.to_string()))?;
        Ok(Against::Facts { place, facts: Box::new(facts), under_way, read: Timestamp::now() })
    };
    if text == "-" {
        let started = Instant::now();
        let mut json = String::new();
        let read = io::stdin().lock().take(1 << 20).read_to_string(&mut json);
        read.map_err(|error| Error::usage("cannot read facts from standard input").because(error))?;
        return facts(&json, "standard input".to_owned(), Some(started.elapsed().as_secs_f64()));
    }
    let file = current_dir.join(text);
    match read_text(&file) {
        Ok(Some(json)) => facts(&json, text.to_owned(), None),
        Ok(None) if !text.ends_with(".json") && !text.contains(['/', '\\']) => {
            Ok(Against::Server(text.to_owned()))
        }
        Ok(None) => Err(Error::usage(format!("there is no file of facts at {}", file.display()))
            .hint("write one on the destination: bkverify facts --json > facts.json")),
        Err(problem) => Err(Error::usage(format!("cannot read the facts {}: {problem}", file.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_with_a_backup_is_looked_at() {
        let text = "json = 'r.json'\n[jobs.a]\nbackup = 'b'\nsource = 's'\n[jobs.b]\nsource = 's'\n";
        let config = Config::parse(PathBuf::from("/c/bkverify.toml"), text, None).unwrap();
        let jobs = jobs(&config, &Environment::for_tests()).unwrap();
        assert_eq!(jobs.len(), 1);
        assert_eq!((jobs[0].name.as_str(), jobs[0].backup.local()), ("a", Some(Path::new("/c/b"))));
        assert_eq!(jobs[0].report.as_deref(), Some(Path::new("/c/r.json")));
    }

    #[test]
    fn a_name_is_a_server_unless_it_looks_like_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read_against("dc01", folder.path()), Ok(Against::Server(_))));
        let error = read_against("facts.json", folder.path()).map(|_| ()).unwrap_err().render(None);
        assert!(error.contains("there is no file of facts at"), "{error}");
    }
}
