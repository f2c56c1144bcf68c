//! `bkverify manifest`: writes a manifest of the originals, before a backup is made.
//!
//! In: flags, and the configuration for what they do not say. Out: the manifest, with the time at
//! which hashing began as its modification time, because that is the time it speaks for. A file that
//! exists is replaced only if that is asked for, or if it is an older manifest. Nothing is written
//! into a backup.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;

use super::environment::Environment;
use super::error::{self, Error};
use super::reports::{located, output_parser};
use super::resolve::{self, Originals};
use super::settings::Settings;
use super::signals;
use super::values::{Size, Source, Threads, When, map_parser};
use crate::backup::escape;
use crate::cancel::CancelToken;
use crate::exit::ExitCode;
use crate::manifest::write::{self, Done, Job, Root, WriteError};
use crate::manifest::{self, looks_like};
use crate::output::{Draft, Output};
use crate::plan::{Algorithm, Map, ReportOutput};
use crate::progress::HashingProgress;
use crate::verify::target::Protected;
use crate::verify::{self, Filter};
use crate::words;

/// Flags of `bkverify manifest`.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// Write to this file; - is standard output
    #[arg(long, short, value_name = "FILE", value_parser = output_parser(), default_value = "-")]
    output: Output,
    /// A folder of originals; may be repeated [default: those of the job]
    #[arg(long, value_name = "DIR")]
    source: Vec<Source>,
    /// A folder of originals, and how the paths of its files begin in the backup; may be repeated
    #[arg(long, value_name = "FROM=TO", value_parser = map_parser())]
    map: Vec<Map>,
    /// Only files that match this glob (gitignore rules); may be repeated
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Leave out files that match this glob (gitignore rules); may be repeated
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Leave out files smaller than this, such as 4KiB
    #[arg(long, value_name = "SIZE")]
    min_size: Option<Size>,
    /// Leave out files larger than this, such as 2GiB
    #[arg(long, value_name = "SIZE")]
    max_size: Option<Size>,
    /// Leave out files modified before this date, time or age, such as 2026-05-01 or 7d
    #[arg(long, value_name = "WHEN")]
    newer_than: Option<When>,
    /// Leave out files modified after this date, time or age
    #[arg(long, value_name = "WHEN")]
    older_than: Option<When>,
    /// Hash function: blake3 is checked by b3sum -c, sha256 by sha256sum -c [default: blake3]
    #[arg(long, value_name = "NAME")]
    hash: Option<Algorithm>,
    /// How many threads hash [default: by cores and disks]
    #[arg(long, value_name = "N")]
    threads: Option<Threads>,
    /// Use this job of the configuration
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Replace a file that is no manifest
    #[arg(long)]
    force: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

/// Hashes the originals and writes the manifest.
pub fn run(arguments: &ManifestArgs, environment: &Environment) -> Result<ExitCode, Error> {
    let output = located(&arguments.output, environment.base());
    let (quiet, force) = (arguments.quiet, arguments.force);
    let originals = resolve::originals(
        arguments.settings(),
        (arguments.job.as_deref(), arguments.config.as_deref()),
        environment,
    )?;
    check(&originals, &output, force)?;
    let filter = Filter::new(&originals.filters)?;
    let cancel = CancelToken::new();
    signals::install(&cancel)?;
    let began = rounded_down(SystemTime::now());
    let progress =
        HashingProgress::new(environment.stderr_is_terminal && !environment.dumb_terminal && !quiet);
    let draft =
        output.file().map(|place| Draft::begin(place, true).map_err(|error| cannot_write(place, error)));
    let draft = draft.transpose()?;
    let ours = output.file().zip(draft.as_ref());
    let ours = ours.map(|(place, draft)| [place.to_owned(), place.with_file_name(draft.temporary())]);
    let leave_out: Vec<_> = originals.leave_out.iter().cloned().chain(ours.into_iter().flatten()).collect();
    let job = Job {
        roots: &roots(&originals),
        filter: &filter,
        leave_out: &leave_out,
        algorithm: originals.engine.hash,
        threads: originals.engine.threads,
        cancel: &cancel,
    };
    let mut stdout = io::stdout();
    let mut file = draft.as_ref().map(Draft::file);
    let out: &mut (dyn Write + Send) = file.as_mut().map_or(&mut stdout as _, |file| file as _);
    let done = write::write(&job, out, &|bytes| progress.note(bytes))?;
    if done.files == 0 && done.left_out_count == 0 {
        return Err(nothing());
    }
    if let (Some(draft), Some(place)) = (draft, output.file()) {
        draft.finish(Some(began)).map_err(|error| cannot_write(place, error))?;
    }
    drop(progress);
    tell(&done, &output, quiet);
    Ok(if done.left_out_count > 0 { ExitCode::Incomplete } else { ExitCode::Pass })
}

impl ManifestArgs {
    fn settings(&self) -> Settings {
        Settings {
            source: self.source.clone(),
            map: self.map.clone(),
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            min_size: self.min_size,
            max_size: self.max_size,
            newer_than: self.newer_than,
            older_than: self.older_than,
            hash: self.hash,
            threads: self.threads,
            ..Settings::default()
        }
    }
}

fn roots(originals: &Originals) -> Vec<Root> {
    let sources = originals.sources.iter().map(|folder| Root { folder: folder.clone(), prefix: Vec::new() });
    let maps = originals.maps.iter().map(|map| Root { folder: map.to.clone(), prefix: map.from.clone() });
    sources.chain(maps).collect()
}

/// Makes sure that writing the manifest destroys nothing.
fn check(originals: &Originals, output: &Output, force: bool) -> Result<(), Error> {
    for root in roots(originals) {
        verify::check_originals(&root.folder, &originals.backup)?;
    }
    let Some(place) = output.file() else { return Ok(()) };
    let is_there = place.symlink_metadata().is_ok();
    let is_manifest = is_there && looks_like(place);
    if is_there && !is_manifest && !force {
        return Err(Error::usage(format!(
            "{} already exists and is no manifest; not overwritten",
            place.display()
        ))
        .hint("write another file with --output FILE, or replace this one with --force"));
    }
    // A manifest may be among the originals, so that it gets into the backup. Anything else there is
    // an original.
    let folders = roots(originals);
    let protected = Protected {
        backup: originals.backup.place(),
        originals: if is_manifest {
            Vec::new()
        } else {
            folders.iter().map(|root| root.folder.as_path()).collect()
        },
    };
    let report = ReportOutput { renderer: "output", begins: &[], output: output.clone() };
    Ok(protected.check_report(&report)?)
}

/// The time rounded down to what every file system and archive can hold. A manifest may speak for an
/// earlier time, but never for a later one.
fn rounded_down(time: SystemTime) -> SystemTime {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds - seconds % 2)
}

fn tell(done: &Done, output: &Output, quiet: bool) {
    if !quiet {
        let text = format!(
            "{} ({}) hashed into {output}\n",
            words::counted(done.files, "file"),
            words::bytes(done.bytes)
        );
        // Where nobody reads it, nothing is lost.
        let _ = io::stderr().write_all(text.as_bytes());
    }
    for line in &done.left_out {
        error::warn(&format!("not in the manifest: {}", escape(line.as_bytes())));
    }
    let more = done.left_out_count - done.left_out.len() as u64;
    if more > 0 {
        error::warn(&format!("and {} more are not in the manifest", words::count(more)));
    }
}

fn nothing() -> Error {
    Error::usage("no file is left for the manifest")
        .hint("loosen the filters, or name other folders with --source")
}

fn cannot_write(place: &Path, error: io::Error) -> Error {
    Error::new(ExitCode::Unusable, format!("cannot write {}", place.display()))
        .because(error)
        .hint("choose another file with --output FILE")
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        let (code, hint) = match &error {
            WriteError::Interrupted => (ExitCode::Incomplete, None),
            WriteError::Originals { .. } => {
                (ExitCode::Unusable, Some("check the path, and that you may read it".to_owned()))
            }
            WriteError::Output(_) => (
                ExitCode::Unusable,
                Some("free some space, or choose another file with --output FILE".to_owned()),
            ),
        };
        Self::from_stage(code, &error, hint)
    }
}

impl From<manifest::Error> for Error {
    fn from(error: manifest::Error) -> Self {
        Self::from_stage(error.exit_code(), &error, error.hint())
    }
}
