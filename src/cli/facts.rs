//! `bkverify facts`: what another machine needs to know of this one.

use clap::Args;

use super::error::{self, Error};
use super::local;
use super::reports::output_parser;
use crate::exit::ExitCode;
use crate::facts::{self, Facts};
use crate::output::Output;

/// Flags of the facts.
#[derive(Debug, Args)]
pub struct FactsArgs {
    /// Write them as JSON to this file, or to standard output without a name or with -; the other
    /// machine reads them with `bkverify checklist clock --against FILE`
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = output_parser())]
    json: Option<Output>,
    /// Compare the clock with this NTP server and add the result, so that the other machine can
    /// compare exactly
    #[arg(long, value_name = "HOST")]
    ntp: Option<String>,
}

/// Prints the facts of this machine.
pub fn run(arguments: &FactsArgs) -> Result<ExitCode, Error> {
    let mut facts = facts::gather(local::machine_name(), local::system(), arguments.ntp.as_deref()).map_err(
        |problem| {
            Error::new(ExitCode::Unusable, problem)
                .hint("name an NTP server that this machine can reach, or leave --ntp out")
        },
    )?;
    // Without them, the checklist says that it does not know them.
    facts.volumes = local::volumes().unwrap_or_default();
    if let Some(output) = &arguments.json {
        return write(&facts, output);
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

fn write(facts: &Facts, output: &Output) -> Result<ExitCode, Error> {
    let text = serde_json::to_string_pretty(facts)
        .map_err(|error| Error::new(ExitCode::Unusable, "cannot make the facts").because(error))?;
    error::deliver("the facts", output, format!("{text}\n").as_bytes())?;
    Ok(ExitCode::Pass)
}
