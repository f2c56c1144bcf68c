//! `bkverify help`: the commands and topics, the help of a command, a page of the manual.
//!
//! In: the whole command line, the names behind `help`, the terminal. Out: text on standard output,
//! through a pager if a person reads it there.

use std::io::{self, Write};
use std::process::{Command as Process, Stdio};

use clap::{Args, Command};

use super::environment::Environment;
use super::error::{Error, nearest};
use crate::exit::ExitCode;
use crate::manual::terminal::{self, Look};
use crate::manual::{self, TOPICS, Topic};

/// Columns of a page that no terminal sets a width for.
const WIDTH: usize = 80;

/// Columns of the widest page: longer lines are hard to read.
const MAX_WIDTH: usize = 110;

/// What is asked for.
#[derive(Debug, Args)]
pub struct Help {
    /// A topic of the manual, or a command [default: list both]
    #[arg(value_name = "TOPIC|COMMAND")]
    names: Vec<String>,
}

/// Prints it.
pub fn run(asked: &Help, program: &Command, environment: &Environment) -> Result<ExitCode, Error> {
    let is_person = environment.stdout_is_terminal && !environment.dumb_terminal;
    let is_styled = environment.color(false);
    let width = terminal_size::terminal_size().filter(|_| environment.stdout_is_terminal);
    let width = width.map_or(WIDTH, |(width, _)| usize::from(width.0)).clamp(20, MAX_WIDTH);
    let text = text(program, &asked.names, Look { width, is_styled })?;
    if !is_person || !page(&text, &pager()) {
        print(&text)?;
    }
    Ok(ExitCode::Pass)
}

/// What there is to read under these names. Where a command and a topic have the same name, both.
fn text(program: &Command, names: &[String], look: Look) -> Result<String, Error> {
    let topic = match names {
        [name] => manual::find(name),
        _ => None,
    };
    let pages = [of_command(program, names, look), topic.map(|topic| of_topic(topic, look))];
    let pages: Vec<_> = pages.into_iter().flatten().collect();
    if pages.is_empty() { Err(unknown(program, names)) } else { Ok(pages.join("\n")) }
}

/// What the command of this path says of itself; without names, the program.
fn of_command(program: &Command, names: &[String], look: Look) -> Option<String> {
    names.iter().try_fold(program, |command, name| command.find_subcommand(name))?;
    let words = ["bkverify"].into_iter().chain(names.iter().map(String::as_str)).chain(["--help"]);
    let help = program.clone().try_get_matches_from(words).err()?.render();
    let help = if look.is_styled { help.ansi().to_string() } else { help.to_string() };
    Some(format!("{}\n", help.trim_end()))
}

fn of_topic(topic: &Topic, look: Look) -> String {
    terminal::render(&topic.document(), look)
}

fn unknown(program: &Command, names: &[String]) -> Error {
    let commands = program.get_subcommands().map(Command::get_name);
    let topics: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
    let asked = names.join(" ");
    let near = nearest(&asked, commands.chain(topics.iter().copied()));
    let near = near.map(|name| format!("did you mean `bkverify help {name}`?\n")).unwrap_or_default();
    Error::usage(format!("there is no topic and no command `{asked}`"))
        .hint(format!("{near}topics are {}\n`bkverify help` lists commands, too", topics.join(", ")))
}

/// The topics, for the program's own help.
pub fn topics() -> String {
    let mut text = "Topics of the manual (bkverify help TOPIC):\n".to_owned();
    for topic in TOPICS {
        text.push_str(&format!("  {:<16} {}\n", topic.name, topic.summary));
    }
    text
}

/// The person's pager with its arguments, else less. None if no pager is wanted.
fn pager() -> Vec<String> {
    let named = std::env::var("PAGER").unwrap_or_else(|_| "less".to_owned());
    named.split_whitespace().map(str::to_owned).collect()
}

/// Shows text through a pager; whether there was one.
fn page(text: &str, pager: &[String]) -> bool {
    let Some((program, arguments)) = pager.split_first() else { return false };
    let mut process = Process::new(program);
    process.args(arguments).stdin(Stdio::piped());
    // What git tells less, too: end at once if all fits on the screen, show colours, and leave the
    // text behind. The person's own settings come first.
    for (name, value) in [("LESS", "FRX"), ("LESSCHARSET", "utf-8")] {
        if std::env::var_os(name).is_none() {
            process.env(name, value);
        }
    }
    let Ok(mut child) = process.spawn() else { return false };
    // Ctrl-C is for the pager, which does not end by it. Were this process to end, the pager would
    // lose its terminal.
    let _ = ctrlc::set_handler(|| {});
    if let Some(mut input) = child.stdin.take() {
        // A pager that is left before the end has shown what the person wanted.
        let _ = input.write_all(text.as_bytes());
    }
    let _ = child.wait();
    true
}

/// Prints text, with styles as far as standard output takes them.
fn print(text: &str) -> Result<(), Error> {
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(ExitCode::Unusable, "cannot write to standard output").because(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use clap::CommandFactory;

    const PLAIN: Look = Look { width: 80, is_styled: false };

    fn shown(names: &str) -> Result<String, Error> {
        text(&Arguments::command(), &names.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), PLAIN)
    }

    #[test]
    fn without_a_name_topics_stand_beside_commands() {
        let text = shown("").unwrap();
        for topic in TOPICS {
            assert!(text.contains(&format!("  {:<16} {}", topic.name, topic.summary)), "{}", topic.name);
        }
        for command in Arguments::command().get_subcommands() {
            assert!(text.contains(&format!("\n  {}", command.get_name())), "{}", command.get_name());
        }
    }

    #[test]
    fn a_command_has_its_own_help_however_deep_it_is() {
        assert!(shown("plan").unwrap().contains("Usage: bkverify plan [OPTIONS]"));
        assert!(shown("checklist done").unwrap().contains("Usage: bkverify checklist done "));
        assert!(shown("generate man").unwrap().contains("--to <DIR>"));
    }

    #[test]
    fn a_name_that_is_both_shows_the_command_and_then_the_page() {
        let text = shown("bench").unwrap();
        let title = text.find("How long a verification takes, and why\n====").unwrap();
        assert!(text.find("Usage: bkverify bench").unwrap() < title);
    }

    #[test]
    fn an_unknown_name_is_a_usage_error_that_says_what_there_is() {
        let error = shown("sampeling").unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::Usage);
        let text = error.render(None);
        assert!(text.contains("no topic and no command `sampeling`"), "{text}");
        assert!(text.contains("did you mean `bkverify help sampling`?"), "{text}");
        assert!(TOPICS.iter().all(|topic| text.contains(topic.name)), "{text}");
        assert!(!shown("zzz").unwrap_err().render(None).contains("did you mean"));
        assert!(shown("plan zzz").is_err());
    }

    #[test]
    fn without_a_pager_the_caller_prints() {
        assert!(!page("x", &[]));
        assert!(!page("x", &["/no/such/pager".to_owned()]));
    }
}
