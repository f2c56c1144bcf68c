//! `--fix`: shows the commands that would fix what was found, asks, and runs them.

use std::io;

use super::super::error::{self, Error};
use crate::checklist::findings::plain;
use crate::checklist::fix::{self, Fixed, Proposal};
use crate::checklist::render::terminal::{self, Page};
use crate::checklist::{Machine, Record};

/// Proposes what can be fixed by commands, and runs what the person agrees to. Whether anything
/// was run.
pub(super) fn fix(record: &Record, machine: &Machine, yes: bool, page: Page) -> Result<bool, Error> {
    let proposals = fix::proposals(record);
    error::print(terminal::render(record, page).as_bytes())?;
    if proposals.is_empty() {
        error::print(b"None of this can be fixed by a command.\n\n")?;
        return Ok(false);
    }
    let mut any = false;
    for proposal in &proposals {
        error::print(describe(proposal).as_bytes())?;
        if !yes && !agreed()? {
            error::print(b"  left as it is\n\n")?;
            continue;
        }
        any = true;
        let ended = match fix::apply(proposal, machine.programs.as_ref()) {
            Fixed::Done => "  done\n\n".to_owned(),
            Fixed::Failed(problem) => {
                format!("  failed: {}\n\n", plain(&problem))
            }
        };
        error::print(ended.as_bytes())?;
    }
    if any {
        error::print(b"Checking again:\n\n")?;
    }
    Ok(any)
}

fn describe(proposal: &Proposal) -> String {
    let mut text = format!("To fix \"{}\" ({}), this will run:\n", proposal.title, proposal.check);
    for command in &proposal.commands {
        text.push_str(&format!("    {}\n", plain(&command.join(" "))));
    }
    text
}

/// Only a clear yes is one; the end of the input is a no.
fn agreed() -> Result<bool, Error> {
    error::print(b"  Run it? [y/N] ")?;
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|error| {
        Error::usage("cannot read the answer").because(error).hint("use --yes to agree in advance")
    })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}
