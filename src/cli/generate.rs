//! The manual page and shell completions, from the one clap definition, and the schemas that ship.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::Error;
use super::args::Arguments;
use super::error::print;
use crate::bench::json;
use crate::exit::ExitCode;
use crate::report;

/// What can be generated.
#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Print the manual page, or write one for each command
    Man {
        /// Write the page of every command into this folder instead
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
}

/// What writes JSON that has a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Form {
    /// A verification
    Verify,
    /// A bench
    Bench,
}

/// Generates it.
pub fn run(what: &Generate) -> Result<ExitCode, Error> {
    match what {
        Generate::Man { to: Some(folder) } => man_pages(folder)?,
        Generate::Man { to: None } => print(&man_page()?)?,
        Generate::Completions { shell } => print(&completions(*shell))?,
        Generate::Schema { of: Form::Verify } => print(report::SCHEMA.as_bytes())?,
        Generate::Schema { of: Form::Bench } => print(json::SCHEMA.as_bytes())?,
    }
    Ok(ExitCode::Pass)
}

fn man_page() -> Result<Vec<u8>, Error> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(Arguments::command()).render(&mut page);
    rendered.map_err(|error| Error::new(ExitCode::Unusable, "cannot make the manual page").because(error))?;
    Ok(page)
}

fn man_pages(folder: &Path) -> Result<(), Error> {
    let written =
        std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
    written.map_err(|error| {
        let message = format!("cannot write the manual pages to {}", folder.display());
        Error::new(ExitCode::Unusable, message).because(error)
    })
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "bkverify", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings::Settings;

    #[test]
    fn the_manual_page_names_every_flag_and_the_exit_codes() {
        let page = String::from_utf8(man_page().unwrap()).unwrap().replace("\\-", "-");
        for name in Settings::names() {
            assert!(page.contains(&format!("--{name}")), "{name}");
        }
        assert!(page.contains("Exit codes:"), "{page}");
    }

    #[test]
    fn every_shell_has_completions_that_know_the_flags() {
        for &shell in Shell::value_variants() {
            let script = String::from_utf8(completions(shell)).unwrap();
            assert!(script.contains("restore-to"), "{shell}");
        }
    }

    #[test]
    fn every_command_gets_a_page_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        man_pages(&folder.path().join("man1")).unwrap();
        for page in ["bkverify.1", "bkverify-plan.1", "bkverify-init.1"] {
            assert!(folder.path().join("man1").join(page).is_file(), "{page}");
        }
    }
}
