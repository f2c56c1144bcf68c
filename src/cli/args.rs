//! The command line: the one definition from which parsing, help, man page and completions come.
//!
//! In: arguments. Out: [`Arguments`], syntactically right and nothing more. No default values stand
//! here: a flag that was not given must let the configuration speak (see
//! [`resolve`](super::resolve)).

use clap::{ColorChoice, Parser, Subcommand};

use super::bench::BenchArgs;
use super::checklist::ChecklistArgs;
use super::coverage::CoverageArgs;
use super::facts::FactsArgs;
use super::generate::Generate;
use super::help::{self, Help};
use super::history::HistoryArgs;
use super::init::Init;
use super::invocation::Verify;
use super::ledger::LedgerCommand;
use super::manifest::ManifestArgs;
use super::notify::Notify;
use super::schedule::ScheduleArgs;
use super::status::StatusArgs;
use super::usage::{CONFIGURATION, EXAMPLES, exit_codes};

/// Proves that a backup restores
///
/// Picks random files from a backup, restores them to another place, compares them with the
/// originals, and says what that proves about the whole backup. Originals and backups are only
/// read.
#[derive(Debug, Parser)]
#[command(name = "bkverify", version, max_term_width = 110)]
#[command(disable_help_subcommand = true, after_help = after_help())]
pub struct Arguments {
    /// What to do other than verify.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The main job, which needs no subcommand.
    #[command(flatten)]
    pub verify: Verify,
    /// When to use colour [default: auto; NO_COLOR is honoured]
    #[arg(long, value_name = "WHEN", global = true, help_heading = "General")]
    pub color: Option<ColorChoice>,
}

/// Everything that is not the main job.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a run with these flags would do, without doing it
    Plan(Box<Verify>),
    /// Write a commented bkverify.toml; asks for what the flags do not say
    Init(Box<Init>),
    /// Write the hashes of the originals to a file, before a backup is made
    Manifest(Box<ManifestArgs>),
    /// Measure these disks: what a verification will take, what holds it up, and which --threads
    /// suits it
    Bench(Box<BenchArgs>),
    /// Look at the rest of what must be true of a server before it is migrated
    Checklist(Box<ChecklistArgs>),
    /// Have the machine's scheduler run a job, and see whether it did
    Schedule(ScheduleArgs),
    /// Print what another machine needs to know of this one, to compare clocks and time zones
    Facts(FactsArgs),
    /// Check, prune or export what runs remember
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Show earlier runs, the report of one of them, or every judgment of one file
    History(Box<HistoryArgs>),
    /// Show how much of a backup was verified how recently
    Coverage(Box<CoverageArgs>),
    /// Say in one line whether all is well, for monitoring
    Status(Box<StatusArgs>),
    /// Try out who is told how a run ended
    #[command(subcommand)]
    Notify(Notify),
    /// Print manual pages, shell completions or the report's schema
    #[command(subcommand)]
    Generate(Generate),
    /// Print a page of the manual, or the help of a command
    Help(Help),
}

fn after_help() -> String {
    let mut text = help::topics();
    text.push_str("\nExit codes:\n");
    for (code, meaning) in exit_codes() {
        text.push_str(&format!("  {code:<4} {meaning}\n"));
    }
    text.push_str("\nExamples:\n");
    for (purpose, lines) in EXAMPLES {
        text.push_str(&format!("  {purpose}\n"));
        for line in *lines {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text.push_str(&format!("\nConfiguration:\n  {CONFIGURATION}"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ExitCode;
    use clap::CommandFactory;

    fn every_command(command: &clap::Command, see: &mut dyn FnMut(&clap::Command)) {
        see(command);
        for inner in command.get_subcommands() {
            every_command(inner, see);
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_and_every_command_has_help() {
        let mut command = Arguments::command();
        command.build();
        every_command(&command, &mut |command| {
            if command.get_name() != "help" {
                assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            }
            for argument in command.get_arguments() {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "{} of {} has no help", argument.get_id(), command.get_name());
                assert!(!help.ends_with('.'), "{}: help lines have no full stop", argument.get_id());
            }
        });
    }

    #[test]
    fn every_flag_of_the_main_job_stands_below_a_heading() {
        for argument in Arguments::command().get_arguments() {
            assert!(argument.get_help_heading().is_some(), "{}", argument.get_id());
        }
    }

    #[test]
    fn help_names_every_exit_code() {
        let help = Arguments::command().render_help().to_string();
        for code in ExitCode::ALL {
            assert!(
                help.contains(&format!("  {:<4} {}", code as u8, &code.meaning()[..20])),
                "{code:?}:\n{help}"
            );
        }
        assert!(help.contains("  130  stopped at once"));
    }

    #[test]
    fn every_example_of_the_help_parses() {
        for line in EXAMPLES.iter().flat_map(|(_, lines)| *lines) {
            let words = line.split_whitespace();
            if let Err(error) = Arguments::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
    }
}
