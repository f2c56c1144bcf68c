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
use crate::checklist::probes::{Recording, Source as Probes};
use crate::checklist::{Against, BackupJob, Machine, Os};
use crate::facts::Facts;
use crate::output::Output;

/// What the checks look at, and for how long.
#[derive(Debug, Default, Args)]
pub(super) struct Look {
    /// Look at this Windows server instead, by PowerShell remoting
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "against"])]
    computer: Option<String>,
    /// Look at the Windows server whose probes wrote this file (`bkverify generate probes`)
    #[arg(long, value_name = "FILE", conflicts_with = "against")]
    from: Option<PathBuf>,
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
    /// Let no check take longer than this [default: 30s; 5m for backup, updates, best-practices,
    /// directory and applications]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Limit>,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Look {
    /// The machine with what the person specified. `here` becomes what is known of that machine.
    pub fn machine(&self, environment: &Environment, here: &mut Surroundings) -> Result<Machine, Error> {
        let config = config::load(self.config.as_deref(), environment)?;
        let folder = &environment.current_dir;
        let against = self.against.as_deref().map(|text| read_against(text, folder)).transpose()?;
        if let Some(Against::Facts { place, facts, .. }) = &against
            && (&facts.name, &facts.system) == (&here.name, &here.system)
        {
            return Err(Error::usage(format!("the facts in {place} are of {} itself", facts.name))
                .hint("write them on the destination: bkverify facts --json > facts.json"));
        }
        let jobs = config.as_ref().map(|config| jobs(config, environment)).transpose()?.unwrap_or_default();
        let table = self.table.as_ref().map(|folder| environment.base().absolute(folder));
        let probes = self.probes(folder)?;
        let os = if probes.is_remote() { Os::Windows } else { Os::current() };
        match &probes {
            Probes::Here => {}
            Probes::Computer(name) => {
                here.system = format!("Windows, asked from {}", here.name);
                here.look_at(name)?;
            }
            Probes::File(recording) => {
                here.system = format!("Windows {}, probed at {:.0}", recording.windows, recording.taken);
                here.look_at(&recording.computer)?;
            }
        }
        let mut machine = Machine::plain(os, Box::new(local::programs()), &environment.now);
        machine.probes = probes;
        machine.settings.table = table.unwrap_or_else(|| here.state.clone());
        machine.settings.ntp.clone_from(&self.ntp);
        machine.settings.against = against;
        machine.settings.jobs = jobs;
        Ok(machine)
    }

    /// Where the probes run.
    fn probes(&self, current_dir: &Path) -> Result<Probes, Error> {
        let Some(file) = &self.from else {
            return Ok(self.computer.clone().map_or(Probes::Here, Probes::Computer));
        };
        let place = current_dir.join(file);
        let unusable = |problem: &str| {
            Error::usage(format!("{} is no output of probes: {problem}", place.display())).hint(
                "write the script with `bkverify generate probes > bkverify-probes.ps1`, and run it on that server",
            )
        };
        let text = read_text(&place).map_err(|problem| unusable(&problem))?;
        let text = text.ok_or_else(|| unusable("there is no such file"))?;
        Recording::parse(&text).map(Probes::File).map_err(|problem| unusable(&problem))
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
        let has_originals = !settings.source.iter().any(Source::is_none);
        let claims = resolve::claims(&settings, has_originals);
        let Some(backup) = settings.backup else { continue };
        let backup = registry::locate(&backup.0, Path::new(""));
        let has_no_name = name.is_none();
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
            claims,
            manifest: settings.manifest,
            has_no_name,
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
    fn a_file_without_probes_is_refused_with_the_way_to_make_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x"), "{}").unwrap();
        for name in ["x", "absent"] {
            let look = Look { from: Some(name.into()), ..Look::default() };
            let error = look.probes(folder.path()).map(|_| ()).unwrap_err().render(None);
            assert!(error.contains("is no output of probes") && error.contains("generate probes"), "{error}");
        }
    }

    #[test]
    fn a_name_is_a_server_unless_it_looks_like_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read_against("dc01", folder.path()), Ok(Against::Server(_))));
        let error = read_against("facts.json", folder.path()).map(|_| ()).unwrap_err().render(None);
        assert!(error.contains("there is no file of facts at"), "{error}");
    }
}
