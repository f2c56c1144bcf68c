//! cron: a line for each job, in a file of its own in `/etc/cron.d` or in the user's crontab.
//!
//! cron makes up for no missed run, delays none, and records none.

use super::job::{Job, Refused, check_name, rename};
use super::marker::{Marker, Owner, owner, seal};

/// The longest command that cron takes (`MAX_COMMAND` of Vixie cron is 1000).
const LONGEST: usize = 990;

/// The name of the file in `/etc/cron.d`.
///
/// # Errors
/// A name that cron would pass over without a word.
pub fn file_name(job: &str) -> Result<String, Refused> {
    check_name(job)?;
    let is_read = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !job.bytes().all(is_read) {
        return Err(rename(
            job,
            "has other characters than letters, digits, - and _: cron would ignore the file",
        ));
    }
    Ok(format!("bkverify-{job}"))
}

/// The table: the marker and one line. Tables in `/etc/cron.d` name the user; a crontab does not.
///
/// # Errors
/// A command that cron could not hold.
pub fn table(job: &Job, marker: &Marker, user: Option<&str>) -> Result<String, Refused> {
    let words: Vec<_> = job.command()?.iter().map(|word| quoted(word)).collect();
    let command = words.join(" ");
    if command.contains('\\') {
        // Crons do not agree on what a backslash before a backslash means.
        return Err(Refused::new(
            format!("the command has a backslash in it, which cron cannot hold: {command}"),
            "rename the file or the job",
        ));
    }
    let user = user.map(|user| format!("{user} ")).unwrap_or_default();
    let command = format!("{user}nice -n 19 {}", command.replace('%', "\\%"));
    if command.len() > LONGEST {
        return Err(Refused::new(
            format!("the command has {} bytes, and cron takes {LONGEST}", command.len()),
            "move the program or the configuration to a shorter path",
        ));
    }
    Ok(seal(marker, &format!("{} {command}\n", job.at.cron())))
}

/// The command in a table.
pub fn command(table: &str, has_user: bool) -> String {
    let line = table.lines().rfind(|line| !line.starts_with('#') && !line.trim().is_empty());
    let fields = if has_user { 6 } else { 5 };
    let command = line.unwrap_or_default().splitn(fields + 1, ' ').nth(fields).unwrap_or_default();
    command.replace("\\%", "%")
}

/// A word for the shell. Single quotes hold everything but themselves.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}

/// The block of a job in a crontab: its first and its last line.
fn fence(job: &str) -> (String, String) {
    (format!("# BEGIN bkverify {job}\n"), format!("# END bkverify {job}\n"))
}

/// A crontab without the block of a job, and whose block it was.
pub fn without(crontab: &str, job: &str) -> (String, Option<Owner>) {
    let (begin, end) = fence(job);
    let found = at_line(crontab, &begin).and_then(|start| {
        let inner = start + begin.len();
        at_line(&crontab[inner..], &end).map(|length| (start, inner, inner + length))
    });
    let Some((start, inner, stop)) = found else { return (crontab.to_owned(), None) };
    let rest = format!("{}{}", &crontab[..start], &crontab[stop + end.len()..]);
    (rest, Some(owner(&crontab[inner..stop])))
}

/// A crontab with the block of a job at its end.
pub fn with(crontab: &str, job: &str, table: &str) -> String {
    let (begin, end) = fence(job);
    let gap = if crontab.is_empty() || crontab.ends_with('\n') { "" } else { "\n" };
    format!("{crontab}{gap}{begin}{table}{end}")
}

/// The tables of all jobs in a crontab.
pub fn blocks(crontab: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = crontab;
    while let Some((_, after)) = rest.split_once("# BEGIN bkverify ") {
        let Some((job, inner)) = after.split_once('\n') else { break };
        let Some(end) = at_line(inner, &fence(job).1) else { break };
        found.push(&inner[..end]);
        rest = &inner[end..];
    }
    found
}

/// Where a line begins.
fn at_line(text: &str, line: &str) -> Option<usize> {
    text.match_indices(line).map(|(at, _)| at).find(|&at| at == 0 || text.as_bytes()[at - 1] == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::job::tests::job;

    fn marker(job: &Job) -> Marker {
        Marker { job: job.name.clone(), at: job.at, installed: "2026-11-28T05:00:00Z".parse().unwrap() }
    }

    #[test]
    fn a_table_holds_one_line_in_which_nothing_means_anything_else() {
        let mut job = job();
        job.config = "/etc/it's 100% $HOME/bkverify.toml".into();
        let table = table(&job, &marker(&job), Some("root")).unwrap();
        let line = r#"30 2 * * * root nice -n 19 /usr/bin/bkverify --config '/etc/it'"'"'s 100\% $HOME/bkverify.toml' --job nightly --quiet"#;
        assert_eq!(table.lines().last(), Some(line));
        assert!(table.ends_with('\n'), "cron ignores a last line without an end");
        assert_eq!(owner(&table), Owner::Ours(marker(&job)));
        assert!(command(&table, true).starts_with("nice -n 19 /usr/bin/bkverify --config '/etc/it"));
    }

    #[test]
    fn what_cron_cannot_hold_is_refused() {
        for name in ["a.b", "a b", "ü"] {
            assert!(file_name(name).unwrap_err().problem.contains("cron would ignore the file"), "{name}");
        }
        let mut job = job();
        job.config = "/etc/a\\b".into();
        assert!(table(&job, &marker(&job), None).unwrap_err().problem.contains("backslash"));
        job.config = format!("/{}", "x".repeat(1000)).into();
        assert!(table(&job, &marker(&job), None).unwrap_err().problem.contains("cron takes 990"));
    }

    #[test]
    fn a_crontab_keeps_every_other_line() {
        let job = job();
        let table = table(&job, &marker(&job), None).unwrap();
        for before in [
            "",
            "# mine\n0 1 * * * true\n",
            "no end of line",
            "# BEGIN bkverify other\nx\n# END bkverify other\n",
        ] {
            let both = with(before, "nightly", &table);
            let (after, owner) = without(&both, "nightly");
            assert_eq!(after.trim_end(), before.trim_end());
            assert_eq!(owner, Some(Owner::Ours(marker(&job))));
            assert_eq!(without(before, "nightly"), (before.to_owned(), None));
            assert!(blocks(&both).contains(&&*table));
        }
        let edited = with("", "nightly", &table).replace("30 2", "31 2");
        assert!(matches!(without(&edited, "nightly").1, Some(Owner::Edited(Some(_)))));
        // A block whose end is gone is not cut out.
        let torn = with("", "nightly", &table).replace("# END bkverify nightly\n", "0 1 * * * true\n");
        assert_eq!(without(&torn, "nightly"), (torn.clone(), None));
    }
}
