//! Man pages: section 1 from the clap definition, section 7 from the pages of the manual.
//!
//! In: the whole command line. Out: pages in roff with their file names. To what clap knows,
//! section 1 adds EXIT STATUS, EXAMPLES, FILES and ENVIRONMENT, which readers of man pages look
//! for.

use std::io;

use clap::Command;
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use super::history;
use super::ledger;
use super::notify;
use super::usage::{CONFIGURATION, EXAMPLES, Example, exit_codes};
use super::{checklist, schedule};
use crate::checklist::CHECKS;
use crate::history::status;
use crate::manual::{TOPICS, find, roff as page};

/// How `bkverify bench` ends.
pub const BENCH_EXIT_CODES: &[(i32, &str)] = &[
    (0, "measured"),
    (1, "a real run came upon a bad file"),
    (2, "usage or configuration error"),
    (3, "interrupted; what was measured is reported"),
    (4, "a place cannot be used"),
];

/// How a manifest of originals ends.
pub const MANIFEST_EXIT_CODES: &[(i32, &str)] = &[
    (0, "every file is in the manifest"),
    (2, "usage or configuration error; nothing was written"),
    (
        3,
        "files could not be read or were modified while they were read, and are not in the manifest; or interrupted",
    ),
    (4, "a folder or the manifest could not be used"),
];

/// How the commands end that verify and measure nothing.
const PLAIN_EXIT_CODES: &[(i32, &str)] = &[
    (0, "done"),
    (2, "usage or configuration error"),
    (4, "a file, a folder or standard output could not be used"),
];

/// Every page of the `program`: its file name, and its text.
pub fn pages(program: Command) -> Vec<(String, String)> {
    let mut found = Vec::new();
    of_commands(&commands(program), &mut found);
    found.extend(TOPICS.iter().map(|topic| (format!("bkverify-{}.7", topic.name), page::render(topic))));
    found
}

/// The page of the program itself.
pub fn main_page(program: Command) -> String {
    of_command(&commands(program))
}

/// The program with its commands, complete.
fn commands(mut program: Command) -> Command {
    program.build();
    program
}

fn of_commands(command: &Command, found: &mut Vec<(String, String)>) {
    for inner in command.get_subcommands() {
        of_commands(inner, found);
    }
    found.push((format!("{}.1", name(command)), of_command(command)));
}

/// Its name with those of the commands above it, such as `bkverify-checklist-done`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// Writes one section.
type Section<'a> = &'a dyn Fn(&mut dyn io::Write) -> io::Result<()>;

fn of_command(command: &Command) -> String {
    let name = name(command);
    let man = Man::new(command.clone())
        .date(page::NO_DATE)
        .source(concat!("bkverify ", env!("CARGO_PKG_VERSION")))
        .manual("bkverify manual");
    let mut start = Roff::new();
    page::left_aligned(&mut start);
    let sections: [Section<'_>; 6] = [
        &|out| man.render_title(out),
        &|out| start.to_writer(out),
        &|out| man.render_name_section(out),
        &|out| man.render_synopsis_section(out),
        &|out| man.render_description_section(out),
        &|out| man.render_options_section(out),
    ];
    let mut page: String = sections.iter().map(|section| rendered(section)).collect();
    if command.has_subcommands() {
        page.push_str(&rendered(&|out| man.render_subcommands_section(out)));
    }
    page.push_str(&own_sections(name).render());
    // Each section defines the apostrophe anew; once is enough.
    let preamble = Roff::new().render();
    format!("{preamble}{}", page.replace(&preamble, ""))
}

fn rendered(section: Section<'_>) -> String {
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = section(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// What clap does not know of a command.
fn own_sections(name: &str) -> Roff {
    let mut page = Roff::new();
    if name == "bkverify-checklist" {
        page.control("SH", ["CHECKS"]);
        for check in CHECKS {
            entry(&mut page, check.name, check.title);
        }
    }
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit_status(name) {
        entry(&mut page, &code.to_string(), meaning);
    }
    page.control("SH", ["EXAMPLES"]);
    for (index, (purpose, lines)) in examples(name).iter().enumerate() {
        if index > 0 {
            page.control("PP", []);
        }
        page.text([roman(*purpose)]);
        page.control("PP", []);
        page.control("RS", ["4"]);
        page.control("nf", []);
        page.text([bold(lines.join("\n"))]);
        page.control("fi", []);
        page.control("RE", []);
    }
    let files = files(name);
    if !files.is_empty() {
        page.control("SH", ["FILES"]);
        for (place, what) in files {
            entry(&mut page, place, what);
        }
    }
    page.control("SH", ["ENVIRONMENT"]);
    for (variable, what) in environment(name) {
        entry(&mut page, variable, what);
    }
    see_also(&mut page, name);
    page
}

fn entry(page: &mut Roff, term: &str, text: &str) {
    page.control("TP", []);
    page.text([bold(term)]);
    page.text([roman(text)]);
}

fn see_also(page: &mut Roff, name: &str) {
    page.control("SH", ["SEE ALSO"]);
    let mut names: Vec<String> = Vec::new();
    if name != "bkverify" {
        names.push("bkverify(1)".to_owned());
    }
    let topic = name.strip_prefix("bkverify-").and_then(find);
    let topics =
        TOPICS.iter().filter(|other| name == "bkverify" || topic.is_some_and(|own| own.name == other.name));
    names.extend(topics.map(|topic| format!("bkverify-{}(7)", topic.name)));
    page.text([roman(names.join(", "))]);
}

/// The exit codes of a command.
pub fn exit_status(name: &str) -> Vec<(i32, &'static str)> {
    match name {
        "bkverify" => exit_codes(),
        "bkverify-bench" => BENCH_EXIT_CODES.to_vec(),
        "bkverify-manifest" => MANIFEST_EXIT_CODES.to_vec(),
        "bkverify-checklist" => checklist::EXIT_CODES.to_vec(),
        "bkverify-ledger-check" => ledger::CHECK_EXIT_CODES.to_vec(),
        "bkverify-history" | "bkverify-coverage" => history::EXIT_CODES.to_vec(),
        "bkverify-status" => status::EXIT_CODES.to_vec(),
        "bkverify-notify" | "bkverify-notify-test" => notify::EXIT_CODES.to_vec(),
        name if name.starts_with("bkverify-schedule") => schedule::EXIT_CODES.to_vec(),
        _ => PLAIN_EXIT_CODES.to_vec(),
    }
}

fn examples(name: &str) -> &'static [Example] {
    match name {
        "bkverify" => EXAMPLES,
        "bkverify-plan" => &[("What would the nightly run do?", &["bkverify plan --job nightly"])],
        "bkverify-init" => &[
            ("Ask for everything:", &["bkverify init"]),
            (
                "Ask for nothing:",
                &["bkverify init --backup /mnt/nas/home.tar.zst --source /home --restore-to /var/tmp/verify"],
            ),
        ],
        "bkverify-manifest" => &[
            (
                "Before the backup, and beside the files that it will hold:",
                &["bkverify manifest --source /home --output /home/home.b3"],
            ),
            (
                "For a job, in the form of sha256sum:",
                &["bkverify manifest --job nightly --hash sha256 --output /var/backups/SHA256SUMS"],
            ),
        ],
        "bkverify-bench" => &[
            ("The job of bkverify.toml:", &["bkverify bench"]),
            ("Only how fast folders are read:", &["bkverify bench --path /mnt/nas --path /home"]),
            (
                "Has anything become slower since April?",
                &["bkverify bench --json bench-may.json --compare bench-april.json"],
            ),
        ],
        "bkverify-checklist" => &[
            ("Everything, with a record to hand in:", &["bkverify checklist --html record.html"]),
            ("One check, against the destination server:", &["bkverify checklist clock --against dc01"]),
        ],
        "bkverify-checklist-done" => &[(
            "A step that a person did, which counts for two weeks:",
            &["bkverify checklist done migration-tool --note \"ran on sbs01, no errors\""],
        )],
        "bkverify-checklist-waive" => &[(
            "A failing finding that is no obstacle here:",
            &[
                "bkverify checklist waive vpn \"VPN services start at boot\" --reason \"the migration runs over it\"",
            ],
        )],
        "bkverify-facts" => &[(
            "Compare this machine's clock with that of another:",
            &["ssh dc01 bkverify facts --json | bkverify checklist clock --against -"],
        )],
        "bkverify-generate-man" => &[("All pages, into a folder:", &["bkverify generate man --to man"])],
        "bkverify-generate-completions" => {
            &[("For bash:", &["bkverify generate completions bash > bkverify.bash"])]
        }
        "bkverify-generate-probes" => &[(
            "The probes for a server on which bkverify does not run:",
            &["bkverify generate probes > bkverify-probes.ps1"],
        )],
        "bkverify-generate-schema" => &[("The bench's report:", &["bkverify generate schema bench"])],
        "bkverify-generate" => &[("All man pages, into a folder:", &["bkverify generate man --to man"])],
        "bkverify-help" => &[
            ("A page of the manual:", &["bkverify help sampling"]),
            ("The help of a command:", &["bkverify help plan"]),
        ],
        name => examples_of_every_night(name),
    }
}

/// Examples of the commands for what happens every night.
fn examples_of_every_night(name: &str) -> &'static [Example] {
    match name {
        "bkverify-notify" | "bkverify-notify-test" => {
            &[("Does everybody get the message?", &["bkverify notify test --job nightly"])]
        }
        "bkverify-schedule" | "bkverify-schedule-install" => &[
            ("Every night:", &["bkverify schedule install --job nightly --at 02:30"]),
            (
                "On working days; only show what would be written:",
                &["bkverify schedule install --job nightly --at \"Mon..Fri 02:30\" --dry-run"],
            ),
        ],
        "bkverify-schedule-show" => &[("Everything that is scheduled:", &["bkverify schedule show"])],
        "bkverify-schedule-status" => {
            &[("For a monitoring system:", &["bkverify schedule status --job nightly --json"])]
        }
        "bkverify-schedule-remove" => {
            &[("What would be removed?", &["bkverify schedule remove --job nightly --dry-run"])]
        }
        "bkverify-history" => &[
            ("The last runs of a job:", &["bkverify history --job nightly --last 14"]),
            ("Every run that judged a file:", &["bkverify history /home/ann/letter.txt"]),
            ("The report of run 41 again:", &["bkverify history --run 41"]),
        ],
        "bkverify-coverage" => &[
            ("As far as the ledger alone can tell:", &["bkverify coverage"]),
            ("Exactly, and by folder:", &["bkverify coverage --list --job nightly"]),
        ],
        "bkverify-status" => &[
            ("For Nagios and its kin:", &["bkverify status --job nightly --max-age 26h"]),
            ("For a script:", &["bkverify status --json"]),
        ],
        "bkverify-ledger" => &[("Is what runs remember whole?", &["bkverify ledger check"])],
        "bkverify-ledger-check" => &[
            ("The ledger of this machine or user:", &["bkverify ledger check"]),
            ("Another one:", &["bkverify ledger check --state /mnt/old/var/lib/bkverify"]),
        ],
        "bkverify-ledger-prune" => &[("Keep two years:", &["bkverify ledger prune --keep 2y"])],
        "bkverify-ledger-export" => &[
            ("Runs and files, as JSON Lines:", &["bkverify ledger export > ledger.jsonl"]),
            ("A table of files:", &["bkverify ledger export files --form csv --output files.csv"]),
        ],
        _ => &[],
    }
}

/// Whether a command asks the ledger.
fn remembers(name: &str) -> bool {
    name.starts_with("bkverify-ledger")
        || ["bkverify-history", "bkverify-coverage", "bkverify-status"].contains(&name)
}

fn files(name: &str) -> Vec<(&'static str, &'static str)> {
    let config = [
        ("bkverify.toml, in the current folder", CONFIGURATION),
        ("~/.config/bkverify/bkverify.toml", "The user's configuration (Windows: %APPDATA%\\bkverify)."),
        ("/etc/bkverify/bkverify.toml", "The system's (Windows: %ProgramData%\\bkverify)."),
    ];
    let state = [(
        "/var/lib/bkverify, or ~/.local/state/bkverify",
        "The state folder: the ledger, steps that were ticked off, and the table of applications (Windows: \
        C:\\ProgramData\\bkverify; the ledger is in its folder state, or in %LOCALAPPDATA%\\bkverify).",
    )];
    match name {
        "bkverify-bench" | "bkverify-manifest" | "bkverify-notify-test" => config.to_vec(),
        "bkverify" | "bkverify-plan" | "bkverify-checklist" | "bkverify-checklist-waive" => {
            config.into_iter().chain(state).collect()
        }
        "bkverify-checklist-done" => state.to_vec(),
        name if remembers(name) => config.into_iter().chain(state).collect(),
        name if name.starts_with("bkverify-schedule") => vec![
            ("/etc/systemd/system/bkverify-JOB.service, .timer", "A job of the machine, run by systemd."),
            ("~/.config/systemd/user/bkverify-JOB.service, .timer", "A job of a user, run by systemd."),
            ("/etc/cron.d/bkverify-JOB", "A job of the machine, run by cron."),
        ],
        "bkverify-init" => {
            vec![("bkverify.toml", "What is written, in the current folder unless --output is given.")]
        }
        _ => Vec::new(),
    }
}

fn environment(name: &str) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    if name == "bkverify-help" {
        found.push((
            "PAGER",
            "Shows pages on a terminal, with its arguments; less if it is not set, none if empty.",
        ));
        found.push(("LESS, LESSCHARSET", "Set to FRX and utf-8 for the pager if they are not set."));
    }
    if name.starts_with("bkverify-checklist")
        || remembers(name)
        || ["bkverify", "bkverify-plan"].contains(&name)
    {
        found
            .push(("BKVERIFY_STATE_DIR", "The state folder, instead of the one below FILES; none for none."));
        found.push(("STATE_DIRECTORY", "The same, as systemd sets it for a service."));
        found.push(("XDG_STATE_HOME", "Instead of ~/.local/state."));
    }
    if name == "bkverify" || name.starts_with("bkverify-notify") {
        found.push(("ALL_PROXY, HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "The proxy for webhooks."));
    }
    if !files(name).is_empty() {
        found.push(("XDG_CONFIG_HOME", "Instead of ~/.config."));
    }
    found.push(("NO_COLOR", "If set and not empty, nothing is coloured."));
    found.push(("TERM", "If it is dumb, nothing is coloured and nothing moves."));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use crate::cli::settings::Settings;
    use clap::CommandFactory;
    use clap::Parser;

    /// Every name of section 1, without its `.1`.
    fn names() -> Vec<String> {
        let names = pages(Arguments::command())
            .into_iter()
            .filter_map(|(name, _)| Some(name.strip_suffix(".1")?.to_owned()));
        names.collect()
    }

    #[test]
    fn the_manual_page_names_every_flag_and_the_exit_codes() {
        let page = main_page(Arguments::command()).replace("\\-", "-");
        for name in Settings::names() {
            assert!(page.contains(&format!("--{name}")), "{name}");
        }
        for (code, meaning) in exit_codes() {
            assert!(page.contains(&format!("\\fB{code}\\fR\n{meaning}\n")), "{code}: {page}");
        }
    }

    #[test]
    fn every_command_has_the_sections_that_readers_look_for() {
        for (name, page) in pages(Arguments::command()).iter().filter(|(name, _)| name.ends_with(".1")) {
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "\"EXIT STATUS\"", "EXAMPLES", "ENVIRONMENT"] {
                assert_eq!(page.matches(&format!("\n.SH {section}\n")).count(), 1, "{section} in {name}");
            }
            assert!(!page.contains("EXTRA"), "{name}");
            assert_eq!(page.matches(".TH ").count(), 1, "{name}");
        }
        assert!(main_page(Arguments::command()).contains("\n.SH FILES\n"));
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        for name in names() {
            assert!(!examples(&name).is_empty(), "{name}");
            for line in examples(&name).iter().flat_map(|(_, lines)| *lines) {
                for words in crate::cli::manual_tests::command_lines(line) {
                    let parsed = Arguments::try_parse_from(&words);
                    assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
                }
            }
        }
    }
}
