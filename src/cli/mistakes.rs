//! What a person probably meant whose command line clap refuses: words that other programs use, and
//! a folder without the flag that belongs before it.
//!
//! In: clap's error. Out: an error that names the right command, or nothing where clap's own says
//! it best.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::error::Error;

const VERIFY: &str = "bkverify --backup PATH --source DIR --restore-to DIR";

/// The error for a mistake that is known.
pub fn explain(error: &clap::Error) -> Option<Error> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => word(context(ContextKind::InvalidSubcommand)?),
        ErrorKind::UnknownArgument => match context(ContextKind::InvalidArg)? {
            "--dry-run" | "-n" => Some(
                Error::usage("there is no flag --dry-run")
                    .hint("bkverify plan shows what a run with the same flags would do"),
            ),
            flag if flag.starts_with('-') => None,
            path => word(path),
        },
        _ => None,
    }
}

fn word(word: &str) -> Option<Error> {
    let no_command = || Error::usage(format!("there is no command \"{word}\""));
    let hint = match word {
        "verify" | "run" | "test" => format!("bkverify verifies without a command: {VERIFY}"),
        "check" => format!(
            "bkverify verifies without a command: {VERIFY}\nbkverify checklist looks at the rest of a server"
        ),
        "restore" => format!(
            "bkverify restores files only to compare them: {VERIFY} --keep all\n\
             to get files back, use the program that made the backup"
        ),
        "dry-run" | "dryrun" => "bkverify plan shows what a run with the same flags would do".to_owned(),
        path if looks_like_a_path(path) => {
            let quoted = if path.contains(' ') { format!("\"{path}\"") } else { path.to_owned() };
            return Some(Error::usage(format!("\"{path}\" has no flag before it")).hint(format!(
                "for a folder of originals: --source {quoted}\nfor a backup: --backup {quoted}"
            )));
        }
        _ => return None,
    };
    Some(no_command().hint(hint))
}

/// Whether a word was meant as a path: no command looks like this.
fn looks_like_a_path(word: &str) -> bool {
    word.contains(['/', '\\', '.', ':', '~']) || std::path::Path::new(word).exists()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::Arguments;

    fn explained(words: &str) -> Option<String> {
        let words = std::iter::once("bkverify").chain(words.split_whitespace());
        explain(&Arguments::try_parse_from(words).unwrap_err()).map(|error| error.render(None))
    }

    #[track_caller]
    fn points_to(words: &str, hint: &str) {
        let text = explained(words).unwrap_or_else(|| panic!("{words}: not explained"));
        assert!(text.contains(hint), "{words}: {text}");
    }

    #[test]
    fn a_path_without_a_flag_is_pointed_to_its_flag() {
        points_to("--backup B data/", "--source data/");
        points_to("/srv/data", "--source /srv/data");
        points_to("plan --backup B ./x", "--source ./x");
        points_to("C:\\Users", "--source C:\\Users");
    }

    #[test]
    fn the_words_of_other_programs_are_pointed_to_the_right_command() {
        for words in ["verify", "check", "test", "verify --backup B", "check --backup B --source S"] {
            points_to(words, "bkverify verifies without a command: bkverify --backup");
        }
        points_to("check", "bkverify checklist");
        points_to("restore", "restores files only to compare them");
        for words in ["--dry-run", "-n", "--backup B --dry-run", "dry-run"] {
            points_to(words, "bkverify plan");
        }
    }

    #[test]
    fn other_mistakes_are_left_to_clap() {
        for words in ["--no-such-flag", "pln", "--sample 0", "plan --quiet --verbose"] {
            assert_eq!(explained(words), None, "{words}");
        }
    }
}
