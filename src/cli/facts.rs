//! `bkverify facts`: what another machine needs to know of this one.

use std::path::{Path, PathBuf};

use clap::Args;

use super::error::{self, Error};
use super::local;
use crate::exit::ExitCode;
use crate::facts::{self, Facts};
use crate::report;

/// Flags of the facts.
#[derive(Debug, Args)]
pub struct FactsArgs {
    /// Write them as JSON to this file, or to standard output without a name or with -; the other
    /// machine reads them with `bkverify checklist clock --against FILE`
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Compare the clock with this NTP server and add the result, so that the other machine can
    /// compare exactly
    #[arg(long, value_name = "HOST")]
    ntp: Option<String>,
}

/// Prints the facts of this machine.
pub fn run(arguments: &FactsArgs) -> Result<ExitCode, Error> {
    let facts = facts::gather(local::machine_name(), local::system(), arguments.ntp.as_deref()).map_err(
        |problem| {
            Error::new(ExitCode::Unusable, problem)
                .hint("name an NTP server that this machine can reach, or leave --ntp out")
        },
    )?;
    if let Some(place) = &arguments.json {
        return write(&facts, place);
    }
    let ntp = facts
        .ntp
        .as_ref()
        .map_or_else(|| "not measured".to_owned(), |ntp| format!("{:+.3} s from {}", ntp.offset, ntp.server));
    let text = format!(
        "machine   {}\nsystem    {}\nbkverify  {}\nclock     {} (UTC {:.0})\ntime zone {}\nNTP       {ntp}\n",
        facts.name,
        facts.system,
        facts.bkverify,
        facts.local_time,
        facts.time,
        facts.zone.words(),
    );
    error::print(text.as_bytes())?;
    Ok(ExitCode::Pass)
}

fn write(facts: &Facts, place: &Path) -> Result<ExitCode, Error> {
    let failed = || Error::new(ExitCode::Unusable, format!("cannot write the facts to {}", place.display()));
    let text = serde_json::to_string_pretty(facts).map_err(|error| failed().because(error))?;
    let text = format!("{text}\n");
    if place == Path::new("-") {
        error::print(text.as_bytes())?;
    } else {
        report::replace(place, &text).map_err(|error| failed().because(error))?;
    }
    Ok(ExitCode::Pass)
}
