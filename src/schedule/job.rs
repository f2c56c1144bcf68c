//! What a scheduler is told of a job: what to run, when, and what the job reads and writes.

use std::path::{Path, PathBuf};

use super::times::When;

/// A job that a scheduler runs.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name in the configuration.
    pub name: String,
    /// When it runs.
    pub at: When,
    /// The program, as an absolute path.
    pub program: PathBuf,
    /// The configuration, as an absolute path.
    pub config: PathBuf,
    /// What it reads, as far as these are paths of this machine: the backup, the originals, a
    /// manifest, files of secrets and of certificates.
    pub reads: Vec<PathBuf>,
    /// The folders that it writes to: the restore folder and those of the reports and metrics.
    pub writes: Vec<PathBuf>,
    /// The state folder, if it keeps any state.
    pub state: Option<PathBuf>,
    /// Whether a folder that it writes to belongs to somebody other than the user who runs it.
    pub writes_for_others: bool,
    /// Whether it talks to other machines: notifications, a backup on a server.
    pub network: bool,
    /// Whether it runs commands of the user, which may do anything: hooks, notifiers.
    pub commands: bool,
}

/// Why a job cannot be given to a scheduler, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Refused {
    /// What is wrong.
    pub problem: String,
    /// What to do next.
    pub hint: String,
}

impl Refused {
    pub(super) fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { problem: problem.into(), hint: hint.into() }
    }
}

impl Job {
    /// The command, word by word.
    ///
    /// # Errors
    /// A name or path that no scheduler could hold.
    pub fn command(&self) -> Result<Vec<String>, Refused> {
        check_name(&self.name)?;
        let words = [text(&self.program)?, "--config", text(&self.config)?, "--job", &self.name, "--quiet"];
        Ok(words.map(str::to_owned).into())
    }
}

/// Refuses names that would be taken for something else in a unit, a crontab or on a command line.
///
/// # Errors
/// The reason.
pub fn check_name(name: &str) -> Result<(), Refused> {
    let problem = if name.is_empty() {
        "is empty"
    } else if name.starts_with('-') {
        "begins with -, so it looks like a flag"
    } else if name.chars().any(char::is_control) {
        "has a control character in it"
    } else if name.trim() != name {
        "begins or ends with a space"
    } else if name.len() > 100 {
        "is longer than 100 bytes"
    } else {
        return Ok(());
    };
    Err(rename(name, problem))
}

/// A name that a scheduler cannot hold.
pub(super) fn rename(name: &str, problem: &str) -> Refused {
    Refused::new(
        format!("the job \"{}\" cannot be scheduled: its name {problem}", name.escape_debug()),
        "give the job another name in the configuration: [jobs.nightly]",
    )
}

/// A path as text on one line. Units and crontabs are text.
///
/// # Errors
/// The path is not Unicode, or has a line break in it.
pub fn text(path: &Path) -> Result<&str, Refused> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    text.ok_or_else(|| {
        Refused::new(
            format!("{} is not a name that a scheduler can hold", path.display().to_string().escape_debug()),
            "rename it, or schedule the job by hand",
        )
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A job of root that needs nothing special.
    pub fn job() -> Job {
        Job {
            name: "nightly".into(),
            at: "02:30".parse().unwrap(),
            program: "/usr/bin/bkverify".into(),
            config: "/etc/bkverify/bkverify.toml".into(),
            reads: vec!["/backup/data.tar.zst".into(), "/srv/data".into()],
            writes: vec!["/srv/verify".into()],
            state: Some("/var/lib/bkverify".into()),
            writes_for_others: false,
            network: false,
            commands: false,
        }
    }

    #[test]
    fn the_command_is_absolute_and_quiet() {
        let words = job().command().unwrap().join(" ");
        assert_eq!(words, "/usr/bin/bkverify --config /etc/bkverify/bkverify.toml --job nightly --quiet");
    }

    #[test]
    fn a_name_that_would_be_taken_for_something_else_is_refused_with_a_reason() {
        for (name, problem) in [
            ("", "its name is empty"),
            ("-x", "its name begins with -"),
            ("a\nb", "the job \"a\\nb\" cannot be scheduled: its name has a control character"),
            (" a", "begins or ends with a space"),
            (&"x".repeat(101), "longer than 100 bytes"),
        ] {
            let refused = Job { name: name.into(), ..job() }.command().unwrap_err();
            assert!(refused.problem.contains(problem), "{name:?}: {refused}");
            assert!(refused.hint.contains("[jobs.nightly]"));
        }
        let job = Job { program: "/opt/a\nb".into(), ..job() };
        assert!(job.command().unwrap_err().problem.contains("/opt/a\\nb is not a name"));
    }
}
