//! The flags of a verification, for the commands that verify or show what a verification would do.

use std::path::PathBuf;

use clap::Args;

use super::settings::Settings;

/// Flags of a verification.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Verify {
    /// What a configuration can hold, too.
    #[command(flatten)]
    pub settings: Settings,
    /// What belongs to one run: on the command line only.
    #[command(flatten)]
    pub invocation: Invocation,
}

/// What says which files are verified.
const OTHER_FILES: [&str; 11] = [
    "sample",
    "tolerance",
    "strategy",
    "seed",
    "include",
    "exclude",
    "min_size",
    "max_size",
    "newer_than",
    "older_than",
    "resume",
];

/// What belongs to one run and not into a configuration.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "General")]
pub struct Invocation {
    /// Use this job of the configuration
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,
    /// Read this configuration instead of the first that is found
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Verify the files again that were bad when they were last verified, and no others
    #[arg(long, conflicts_with_all = OTHER_FILES)]
    pub recheck: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print a line for every file; given twice (-vv), with its size and hashes
    #[arg(long, short, action = clap::ArgAction::Count, value_parser = clap::value_parser!(u8).range(..=2))]
    pub verbose: u8,
}

#[cfg(test)]
impl Verify {
    /// Reads flags, separated by spaces.
    #[track_caller]
    pub fn parse(flags: &str) -> Self {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            verify: Verify,
        }
        let words = std::iter::once("bkverify").chain(flags.split_whitespace());
        <Only as clap::Parser>::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).verify
    }
}
