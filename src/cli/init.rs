//! `bkverify init`: writes a commented configuration with one job in it.
//!
//! In: flags, and a person's answers for what no flag says. Out: a new file. An existing one is
//! never overwritten unless that is asked for, and then only by a whole new one. What a run would
//! refuse is not written: a person is asked again, a wrong flag ends the command with the exit code
//! of a run. The comments are the help texts of the flags, so that the file explains itself in the
//! words of `--help`.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::config::{Config, FILE_NAME};
use super::environment::Environment;
use super::error::{Error, print};
use super::invocation::{Invocation, Verify};
use super::layer::Value;
use super::paths::Base;
use super::resolve;
use super::settings::{Setting, Settings};
use super::values::{Address, Sample, map_parser};
use crate::backup::{Location, registry};
use crate::exit::ExitCode;
use crate::output::Output;
use crate::plan::{Beginnings, DEFAULT_SAMPLE, Map, ReportOutput, SampleSize, Target};
use crate::platform::path_from_bytes;
use crate::verify::target::Protected;
use crate::{output, verify, words};

/// Flags of `bkverify init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The backup, of one of the registered formats.
    #[arg(long, value_name = "PATH", help = format!("The backup: {}", registry::in_words()))]
    pub backup: Option<PathBuf>,
    /// A folder that holds the originals; may be repeated
    #[arg(long, value_name = "DIR")]
    pub source: Vec<PathBuf>,
    /// Files whose path in the backup begins with FROM have their originals in folder TO; may be
    /// repeated
    #[arg(long, value_name = "FROM=TO", value_parser = map_parser())]
    pub map: Vec<Map>,
    /// Restore below this folder, which must be outside the backup and the originals
    #[arg(long, value_name = "DIR")]
    pub restore_to: Option<PathBuf>,
    /// How many random files to verify: a number, a percentage, or all [default: 500]
    #[arg(long, value_name = "N|P%|all")]
    pub sample: Option<Sample>,
    /// Name of the job
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub job: String,
    /// Write to this file
    #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
    pub output: PathBuf,
    /// Replace a file that already exists
    #[arg(long)]
    pub force: bool,
}

/// How the files that this command writes begin.
const BEGINS: Beginnings = &[&["# What bkverify verifies."]];

/// What is wrong with an answer, by what a run would say.
type Check<'a> = dyn Fn(&Path) -> Result<(), verify::Error> + 'a;

/// What the job will say, complete.
#[derive(Debug)]
struct Job {
    backup: PathBuf,
    sources: Vec<PathBuf>,
    maps: Vec<Map>,
    restore_to: PathBuf,
    sample: SampleSize,
}

/// Asks, writes the file, and says what comes next.
pub fn run(init: &Init, environment: &Environment) -> Result<ExitCode, Error> {
    let base = environment.base();
    let place = base.absolute(&init.output);
    if !init.force && place.symlink_metadata().is_ok() {
        return Err(exists(&place));
    }
    let job = if environment.stdin_is_terminal {
        let (mut input, mut output) = (io::stdin().lock(), io::stderr());
        Person { input: &mut input, output: &mut output, base }.complete(init)?
    } else {
        complete_without_asking(init, base)?
    };
    let text = render(&init.job, &job)?;
    // Read back before it is written: a file that bkverify could not read, or a job that it would
    // refuse, must not come from bkverify.
    let config = Config::parse(place.clone(), &text, environment.home.as_deref())?;
    let invocation = Invocation { job: Some(init.job.clone()), ..Invocation::default() };
    let flags = Verify { invocation, ..Verify::default() };
    let plan = resolve::resolve(flags, Some(&config), environment)?;
    verify::check(&plan)?;
    // With --force, a slip of the pen would replace the very backup that the file is about.
    let written = ReportOutput { renderer: "output", begins: BEGINS, output: Output::File(place.clone()) };
    Protected::of(&plan.target).check_report(&written)?;
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

fn complete_without_asking(init: &Init, base: Base<'_>) -> Result<Job, Error> {
    let (Some(backup), Some(restore_to)) = (init.backup.clone(), init.restore_to.clone()) else {
        return Err(nobody_to_ask());
    };
    if init.source.is_empty() && init.map.is_empty() {
        return Err(nobody_to_ask());
    }
    let sample = init.sample.map_or(SampleSize::default(), |sample| sample.0);
    let job = Job { backup, sources: init.source.clone(), maps: init.map.clone(), restore_to, sample };
    Ok(job.located(base))
}

fn nobody_to_ask() -> Error {
    Error::usage("something is missing, and there is no terminal to ask on")
        .hint("use flags: bkverify init --backup PATH --source DIR --restore-to DIR [--sample N]")
}

/// The person at the terminal.
struct Person<'a> {
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
    base: Base<'a>,
}

impl Person<'_> {
    /// Asks for all that no flag says. A wrong answer is asked for again; a wrong flag is an error.
    fn complete(mut self, init: &Init) -> Result<Job, Error> {
        let sample = init.sample.map_or(SampleSize::default(), |sample| sample.0);
        let mut job = Job {
            backup: init.backup.clone().unwrap_or_default(),
            sources: init.source.clone(),
            maps: init.map.clone(),
            restore_to: init.restore_to.clone().unwrap_or_default(),
            sample,
        }
        .located(self.base);
        if init.backup.is_some() {
            verify::check_backup(&job.location())?;
        } else {
            let question = format!("The backup ({})", registry::in_words());
            job.backup = self.path(&question, &|place| verify::check_backup(&Location::at(place)))?;
        }
        let backup = job.location();
        let check = |place: &Path| verify::check_originals(place, &backup);
        if job.sources.is_empty() && job.maps.is_empty() {
            job.sources.push(self.path("The folder that holds the originals", &check)?);
            let question = "Another folder of originals (press Enter if there is none)";
            while let Some(more) = self.path_or_none(question, &check)? {
                job.sources.push(more);
            }
        }
        job.target().originals().try_for_each(check)?;
        if init.restore_to.is_some() {
            verify::check_restore_folder(&job.target())?;
        } else {
            let question = "The folder to restore to, outside the backup and the originals";
            let target = job.target();
            let check = |place: &Path| {
                verify::check_restore_folder(&Target { restore_to: place.to_owned(), ..target.clone() })
            };
            job.restore_to = self.path(question, &check)?;
        }
        if init.sample.is_none() {
            job.sample = self.sample()?;
        }
        Ok(job)
    }

    /// A path that passes the check, asked for until there is one.
    fn path(&mut self, question: &str, check: &Check<'_>) -> Result<PathBuf, Error> {
        loop {
            if let Some(path) = self.path_or_none(question, check)? {
                return Ok(path);
            }
        }
    }

    /// The same; nothing if the answer is empty.
    fn path_or_none(&mut self, question: &str, check: &Check<'_>) -> Result<Option<PathBuf>, Error> {
        while let Some(answer) = self.answer(question)? {
            let path = self.base.absolute(Path::new(&answer));
            match check(&path) {
                Ok(()) => return Ok(Some(path)),
                Err(problem) => self.say(&format!("{}\n", Error::from(problem).message()))?,
            }
        }
        Ok(None)
    }

    fn sample(&mut self) -> Result<SampleSize, Error> {
        let question = format!(
            "How many files to verify each time: a number, a percentage such as 5%, or all [{DEFAULT_SAMPLE}]"
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
    /// With absolute paths: the folder of the file may be another than that of the command line.
    fn located(mut self, base: Base<'_>) -> Self {
        let mut backup = Address(self.backup);
        backup.locate(base);
        self.backup = backup.0;
        let paths = [&mut self.restore_to].into_iter().chain(&mut self.sources);
        for path in paths.chain(self.maps.iter_mut().map(|map| &mut map.to)) {
            *path = base.absolute(path);
        }
        self
    }

    fn location(&self) -> Location {
        registry::locate(&self.backup, Path::new(""))
    }

    fn target(&self) -> Target {
        Target {
            backup: self.location(),
            sources: self.sources.clone(),
            maps: self.maps.clone(),
            restore_to: self.restore_to.clone(),
        }
    }

    /// The keys that the job sets, with their values in TOML.
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

const HEAD: &str = "\
# What bkverify verifies. Every key is the name of a flag: see bkverify --help.
#
# Keys at the top, before the first [jobs...], hold for every job. A job adds to them or changes them, and flags change
# both. Relative paths start at the folder of this file; ~ is your home folder. With several jobs, choose one with
# --job NAME, or with this line:
# default-job = ";

fn render(name: &str, job: &Job) -> Result<String, Error> {
    let said = job.said()?;
    let mut text = format!("{HEAD}{}\n\n{}", string(name.to_owned()), header(name)?);
    for (name, value) in &said {
        text.push_str(&format!("# {}\n{name} = {value}\n\n", help_of(name)));
    }
    text.push_str("# What else a job can set: remove the # before a key to use it.\n");
    for setting in Settings::all() {
        if !said.iter().any(|(said, _)| *said == setting.name) {
            text.push_str(&format!("\n# {}\n# {} = {}\n", setting.help(), setting.name, setting.example));
        }
    }
    text.push_str(&around(header(name)?.trim().trim_matches(['[', ']'])));
    Ok(text)
}

/// What has no flags: hooks and notifications, for the job with this table.
fn around(table: &str) -> String {
    format!(
        "
# Run something before and after: a list is a program with its arguments, a text is a line for the shell
# before = [\"mount\", \"/mnt/backup\"]
# after = \"umount /mnt/backup\"
# hook-time-limit = \"10m\"

# Tell somebody how the run ended: see bkverify help notify. These tables stand below all other keys of the job
# [{table}.notify]
# when = \"on-failure\"
# [[{table}.notify.email]]
# to = [\"ops@example.org\"]
# from = \"bkverify@example.org\"
# server = \"mail.example.org\"
# user = \"bkverify\"
# password = {{ file = \"mail-password\" }}
# [[{table}.notify.webhook]]
# form = \"healthchecks\"
# url = {{ file = \"ping-url\" }}
"
    )
}

/// The line `[jobs.NAME]`, with the quotes that the name needs.
fn header(name: &str) -> Result<String, Error> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(
            Error::usage("the name of a job must be one line of text").hint("for example: --job nightly")
        );
    }
    let nested = BTreeMap::from([("jobs", BTreeMap::from([(name, BTreeMap::<&str, &str>::new())]))]);
    toml::to_string(&nested)
        .map_err(|error| Error::usage(format!("no job can be named {name}")).because(error))
}

fn help_of(name: &str) -> String {
    Settings::all().iter().find(|setting| setting.name == name).map(Setting::help).unwrap_or_default()
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
