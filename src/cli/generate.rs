//! Man pages and shell completions, from the one clap definition, and the schemas and scripts that
//! ship.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::error::{Error, print};
use super::man;
use crate::bench::json;
use crate::checklist::powershell;
use crate::exit::ExitCode;
use crate::history;
use crate::report;

/// What can be generated.
#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Print the man page, or write all of them
    Man {
        /// Write the pages of all commands and topics into this folder instead
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the JSON Schema of the JSON report
    Schema {
        /// Whose report
        #[arg(value_enum, default_value_t = Form::Verify)]
        of: Form,
    },
    /// Print the PowerShell script that asks a Windows server what the checklist needs to know
    Probes,
}

/// What writes JSON that has a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Form {
    /// A verification
    Verify,
    /// A bench
    Bench,
    /// The history of runs
    History,
    /// The history of a file
    FileHistory,
    /// The coverage
    Coverage,
    /// The status
    Status,
}

/// Generates it.
pub fn run(what: &Generate, program: Command) -> Result<ExitCode, Error> {
    match what {
        Generate::Man { to: Some(folder) } => man_pages(folder, program)?,
        Generate::Man { to: None } => print(man::main_page(program).as_bytes())?,
        Generate::Completions { shell } => print(&completions(*shell, program))?,
        Generate::Schema { of } => print(schema(*of).as_bytes())?,
        Generate::Probes => print(powershell::all_probes().as_bytes())?,
    }
    Ok(ExitCode::Pass)
}

fn schema(of: Form) -> &'static str {
    match of {
        Form::Verify => report::SCHEMA,
        Form::Bench => json::SCHEMA,
        Form::History => history::runs::FORM.schema,
        Form::FileHistory => history::file::FORM.schema,
        Form::Coverage => history::coverage::FORM.schema,
        Form::Status => history::status::FORM.schema,
    }
}

fn man_pages(folder: &Path, program: Command) -> Result<(), Error> {
    let written = fs::create_dir_all(folder).and_then(|()| {
        man::pages(program).iter().try_for_each(|(name, page)| fs::write(folder.join(name), page))
    });
    written.map_err(|error| {
        let message = format!("cannot write the manual pages to {}", folder.display());
        Error::new(ExitCode::Unusable, message).because(error)
    })
}

fn completions(shell: Shell, mut program: Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, "bkverify", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use clap::CommandFactory;

    #[test]
    fn every_shell_has_completions_that_know_the_flags() {
        for &shell in Shell::value_variants() {
            let script = String::from_utf8(completions(shell, Arguments::command())).unwrap();
            assert!(script.contains("restore-to"), "{shell}");
        }
    }

    #[test]
    fn every_command_and_every_topic_gets_a_page_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        man_pages(&folder.path().join("man"), Arguments::command()).unwrap();
        let pages = ["bkverify.1", "bkverify-plan.1", "bkverify-checklist-done.1", "bkverify-sampling.7"];
        for page in pages {
            assert!(folder.path().join("man").join(page).is_file(), "{page}");
        }
    }
}
