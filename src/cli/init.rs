//! `bkverify init`: writes a commented configuration with one job in it.
//!
//! In: flags, and a person's answers for what no flag says. Out: a new file. An existing one is
//! never overwritten unless that is asked for, and then only by a whole new one. The comments are
//! the help texts of the flags, so that the file explains itself in the words of `--help`.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::config::{Config, FILE_NAME};
use super::error::print;
use super::settings::{Settings, absolute};
use super::values::{Sample, map_parser};
use super::{Environment, Error};
use crate::backup::registry;
use crate::exit::ExitCode;
use crate::output;
use crate::plan::{DEFAULT_SAMPLE, Map, SampleSize};
use crate::platform::path_from_bytes;
use crate::report::RENDERERS;
use crate::words;

/// Flags of `bkverify init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The backup, of one of the registered formats.
    #[arg(long, value_name = "PATH", help = format!("The backup: {}", registry::in_words()))]
    pub backup: Option<PathBuf>,
    /// A folder that holds the originals; may be repeated
    #[arg(long, value_name = "DIR")]
    pub source: Vec<PathBuf>,
    /// Paths in the backup that begin with FROM have their originals in folder TO; may be repeated
    #[arg(long, value_name = "FROM=TO", value_parser = map_parser())]
    pub map: Vec<Map>,
    /// Restore below this folder, which must lie outside the backup and the originals
    #[arg(long, value_name = "DIR")]
    pub restore_to: Option<PathBuf>,
    /// Verify so many random files, such a share of them, or all [default: 500]
    #[arg(long, value_name = "N|P%|all")]
    pub sample: Option<Sample>,
    /// Name of the job
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub job: String,
    /// Write to this file
    #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
    pub output: PathBuf,
    /// Replace a file that is there already
    #[arg(long)]
    pub force: bool,
}

/// What the job will say, complete.
struct Job {
    backup: PathBuf,
    sources: Vec<PathBuf>,
    maps: Vec<Map>,
    restore_to: PathBuf,
    sample: SampleSize,
}

/// Asks, writes the file, and says what comes next.
pub fn run(init: &Init, environment: &Environment) -> Result<ExitCode, Error> {
    let place = absolute(&environment.current_dir, &init.output);
    if !init.force && place.symlink_metadata().is_ok() {
        return Err(exists(&place));
    }
    let job = if environment.stdin_is_terminal {
        let (mut input, mut output) = (io::stdin().lock(), io::stderr());
        Person { input: &mut input, output: &mut output }.complete(init)?
    } else {
        complete_without_asking(init)?
    };
    let text = render(&init.job, &job.based_on(&environment.current_dir))?;
    // Read back before it is written: a file that bkverify could not read must not come from
    // bkverify.
    Config::parse(place.clone(), &text)?;
    write(&place, &text, init.force)?;
    print(next_steps(&place, environment).as_bytes())?;
    Ok(ExitCode::Pass)
}

fn exists(place: &Path) -> Error {
    Error::usage(format!("{} already exists; not overwritten", place.display()))
        .hint("write another file with --output FILE, or replace this one with --force")
}

fn next_steps(place: &Path, environment: &Environment) -> String {
    let found = super::config::places(environment).iter().any(|known| known == place);
    let config = if found { String::new() } else { format!(" --config \"{}\"", place.display()) };
    format!(
        "wrote {}\nshow what it does:  bkverify plan{config}\nverify the backup:  bkverify{config}\n",
        place.display()
    )
}

fn complete_without_asking(init: &Init) -> Result<Job, Error> {
    let (Some(backup), Some(restore_to)) = (init.backup.clone(), init.restore_to.clone()) else {
        return Err(nobody_to_ask());
    };
    if init.source.is_empty() && init.map.is_empty() {
        return Err(nobody_to_ask());
    }
    let sample = init.sample.map_or(SampleSize::default(), |sample| sample.0);
    Ok(Job { backup, sources: init.source.clone(), maps: init.map.clone(), restore_to, sample })
}

fn nobody_to_ask() -> Error {
    Error::usage("something is not said, and there is no terminal to ask on")
        .hint("say it with flags: bkverify init --backup PATH --source DIR --restore-to DIR [--sample N]")
}

/// The person at the terminal.
struct Person<'a> {
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
}

impl Person<'_> {
    /// Asks for all that no flag says.
    fn complete(mut self, init: &Init) -> Result<Job, Error> {
        let backup = match &init.backup {
            Some(backup) => backup.clone(),
            None => self.path(&format!("The backup ({})", registry::in_words()))?,
        };
        let mut sources = init.source.clone();
        if sources.is_empty() && init.map.is_empty() {
            sources.push(self.path("The folder that holds the originals")?);
            while let Some(more) = self.answer("One more such folder (empty if there is none)")? {
                sources.push(more.into());
            }
        }
        let restore_to = match &init.restore_to {
            Some(folder) => folder.clone(),
            None => self.path("The folder to restore to (outside of both)")?,
        };
        let sample = match init.sample {
            Some(sample) => sample.0,
            None => self.sample()?,
        };
        Ok(Job { backup, sources, maps: init.map.clone(), restore_to, sample })
    }

    fn path(&mut self, question: &str) -> Result<PathBuf, Error> {
        loop {
            if let Some(path) = self.answer(question)? {
                return Ok(path.into());
            }
        }
    }

    fn sample(&mut self) -> Result<SampleSize, Error> {
        let question = format!(
            "How many files to verify each time: a number, a share such as 5%, or all [{DEFAULT_SAMPLE}]"
        );
        loop {
            match self.answer(&question)? {
                None => return Ok(SampleSize::default()),
                Some(text) => match text.parse::<Sample>() {
                    Ok(sample) => return Ok(sample.0),
                    Err(problem) => self.say(&format!("{problem}\n"))?,
                },
            }
        }
    }

    /// One line, without the space around it; `None` if there is nothing in it.
    fn answer(&mut self, question: &str) -> Result<Option<String>, Error> {
        self.say(&format!("{question}: "))?;
        let mut line = String::new();
        let got = self.input.read_line(&mut line).map_err(|error| no_answer().because(error))?;
        if got == 0 {
            return Err(no_answer());
        }
        let line = line.trim();
        Ok((!line.is_empty()).then(|| line.to_owned()))
    }

    fn say(&mut self, text: &str) -> Result<(), Error> {
        let said = self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush());
        said.map_err(|error| no_answer().because(error))
    }
}

fn no_answer() -> Error {
    Error::usage("the questions ended without an answer; nothing was written")
}

impl Job {
    /// With paths that start at `folder`: the file's own folder may be another.
    fn based_on(mut self, folder: &Path) -> Self {
        let paths = [&mut self.backup, &mut self.restore_to].into_iter().chain(&mut self.sources);
        for path in paths.chain(self.maps.iter_mut().map(|map| &mut map.to)) {
            *path = absolute(folder, path);
        }
        self
    }

    /// The keys that are said, with their values in TOML.
    fn said(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let mut said = vec![("backup", quoted(&self.backup)?)];
        if !self.sources.is_empty() {
            said.push(("source", list(self.sources.iter().map(|path| quoted(path)))?));
        }
        if !self.maps.is_empty() {
            let text = |map: &Map| Ok(format!("{}={}", utf8(&path_from_bytes(&map.from))?, utf8(&map.to)?));
            said.push(("map", list(self.maps.iter().map(|map| text(map).map(string)))?));
        }
        said.push(("restore-to", quoted(&self.restore_to)?));
        said.push((
            "sample",
            match self.sample {
                SampleSize::Count(count) => count.to_string(),
                SampleSize::Share(share) => string(words::percent(share)),
                SampleSize::All | SampleSize::Tolerance(_) => string("all".to_owned()),
            },
        ));
        Ok(said)
    }
}

fn utf8(path: &Path) -> Result<&str, Error> {
    path.to_str().ok_or_else(|| {
        let message = format!("{} cannot stand in a configuration: it is not UTF-8", path.display());
        Error::usage(message).hint("name it on the command line of each run instead")
    })
}

fn quoted(path: &Path) -> Result<String, Error> {
    Ok(string(utf8(path)?.to_owned()))
}

fn string(text: String) -> String {
    toml::Value::String(text).to_string()
}

fn list(values: impl Iterator<Item = Result<String, Error>>) -> Result<String, Error> {
    Ok(format!("[{}]", values.collect::<Result<Vec<_>, _>>()?.join(", ")))
}

/// What a setting looks like that is only offered.
const EXAMPLES: &[(&str, &str)] = &[
    ("backup", "\"/mnt/backup\""),
    ("source", "[\"/home\", \"/srv\"]"),
    ("map", "[\"home=/home\"]"),
    ("restore-to", "\"/var/tmp/verify\""),
    ("sample", "500"),
    ("confidence", "\"99%\""),
    ("tolerance", "\"1%\""),
    ("max-undecided", "\"20%\""),
    ("seed", "\"audit 2026\""),
    ("completeness", "200"),
    ("include", "[\"*.db\"]"),
    ("exclude", "[\"*.tmp\", \"/var/cache/\"]"),
    ("min-size", "\"4KiB\""),
    ("max-size", "\"2GiB\""),
    ("newer-than", "\"30d\""),
    ("older-than", "\"1d\""),
    ("backup-window", "\"24h\""),
    ("assume-unchanged", "true"),
    ("hash", "\"sha256\""),
    ("threads", "8"),
    ("cache", "\"use\""),
    ("keep", "\"failures\""),
    ("budget", "\"50GiB\""),
    ("time-limit", "\"2h\""),
];

/// The same with the reports there are.
fn examples() -> Vec<(&'static str, String)> {
    let settings = EXAMPLES.iter().map(|&(name, example)| (name, example.to_owned()));
    let reports = RENDERERS.iter().map(|renderer| (renderer.name, format!("\"{}\"", renderer.example)));
    settings.chain(reports).collect()
}

const HEAD: &str = "\
# What bkverify verifies. Every key is the name of a flag: see bkverify --help.
#
# Keys at the top, before the first [jobs...], hold for every job. A job adds to them or changes them, and flags change
# both. Relative paths start at the folder of this file. With several jobs, choose one by --job NAME, or by this line:
# default-job = ";

fn render(name: &str, job: &Job) -> Result<String, Error> {
    let said = job.said()?;
    let mut text = format!("{HEAD}{}\n\n{}", string(name.to_owned()), header(name)?);
    for (name, value) in &said {
        text.push_str(&format!("# {}\n{name} = {value}\n\n", help_of(name)));
    }
    text.push_str("# What else a job can say: remove the # before a key to use it.\n");
    for (name, example) in examples().iter().filter(|(name, _)| !said.iter().any(|(said, _)| said == name)) {
        text.push_str(&format!("\n# {}\n# {name} = {example}\n", help_of(name)));
    }
    Ok(text)
}

/// The line `[jobs.NAME]`, with the quotes that the name needs.
fn header(name: &str) -> Result<String, Error> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(
            Error::usage("the name of a job is one line of text").hint("name it plainly: --job nightly")
        );
    }
    let nested = BTreeMap::from([("jobs", BTreeMap::from([(name, BTreeMap::<&str, &str>::new())]))]);
    toml::to_string(&nested)
        .map_err(|error| Error::usage(format!("no job can be named {name}")).because(error))
}

fn help_of(name: &str) -> String {
    let command = Settings::command();
    let flag = command.get_arguments().find(|flag| flag.get_long() == Some(name));
    flag.and_then(clap::Arg::get_help).map(ToString::to_string).unwrap_or_default()
}

/// Writes the whole file or none.
fn write(place: &Path, text: &str, force: bool) -> Result<(), Error> {
    let put = if force { output::replace } else { output::create };
    let written = put(place, text.as_bytes());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(place),
        _ => Error::new(ExitCode::Unusable, format!("cannot write {}", place.display())).because(error),
    })
}

#[cfg(test)]
#[path = "init_tests.rs"]
mod tests;
