//! The Task Scheduler of Windows: a task as XML, by the schema of
//! `http://schemas.microsoft.com/windows/2004/02/mit/task`.
//!
//! The task scheduler stores the XML in a form of its own. So a task is recognised by what it does:
//! its description ends with a digest of its command, arguments and trigger.

use jiff::civil::{Date, Time, Weekday};

use super::job::{Job, Refused, rename};
use super::marker::{Marker, Owner, digest};
use super::times::{DAY_NAMES, When};

/// The folder of our tasks.
pub const FOLDER: &str = "\\bkverify\\";

const FIRST: &str = "Written by bkverify schedule install";

/// Who a task runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The system: it may read everything, and needs nobody to be logged on.
    System,
    /// A user, whether logged on or not, without a stored password. Shares on other machines are
    /// out of reach for such a task.
    User(String),
}

/// The name of the task.
///
/// # Errors
/// A name that no task can have.
pub fn task_name(job: &str) -> Result<String, Refused> {
    super::job::check_name(job)?;
    if job.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|']) || job.ends_with('.') {
        return Err(rename(job, "has a character in it that the name of a task cannot have"));
    }
    Ok(format!("{FOLDER}{job}"))
}

/// The task, for which `first` is the first day. It must not have been due before it is made, or
/// the task scheduler would make up for that at once. Before the XML is given to
/// `schtasks /Create /XML`, it has to be written as UTF-16 ([`utf16`]).
///
/// # Errors
/// A name or a path that cannot stand in it.
pub fn xml(job: &Job, marker: &Marker, principal: &Principal, first: Date) -> Result<String, Refused> {
    task_name(&job.name)?;
    let words = job.command()?;
    if words[0].encode_utf16().count() > 260 {
        return Err(Refused::new(
            format!("{} is too long for a task: at most 260 characters", words[0]),
            "move bkverify.exe to a shorter path, such as C:\\Program Files\\bkverify",
        ));
    }
    let arguments = words[1..].iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let start = format!("{first}T{}:00", job.at.time());
    let schedule = schedule(job.at);
    let seal = seal(&words[0], &arguments, &start, &schedule);
    let description = format!(
        "{FIRST}. job: {}; at: {}; installed: {}; digest: {seal}",
        job.name, marker.at, marker.installed
    );
    let (user, logon) = match principal {
        // S-1-5-18 is the system in every language; it has no way to log on.
        Principal::System => ("S-1-5-18".to_owned(), String::new()),
        Principal::User(user) => (user.clone(), "\n      <LogonType>S4U</LogonType>".to_owned()),
    };
    Ok(format!(
        r#"<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.3" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Source>bkverify</Source>
    <Description>{description}</Description>
  </RegistrationInfo>
  <Triggers>
    <CalendarTrigger>
      <Enabled>true</Enabled>
      <StartBoundary>{start}</StartBoundary>
      <RandomDelay>PT10M</RandomDelay>
      {schedule}
    </CalendarTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>{logon}
      <RunLevel>HighestAvailable</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <ExecutionTimeLimit>P3D</ExecutionTimeLimit>
    <Priority>9</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"#,
        description = escaped(&description),
        user = escaped(&user),
        command = escaped(&words[0]),
        arguments = escaped(&arguments),
    ))
}

fn schedule(at: When) -> String {
    if at.is_daily() {
        return "<ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>".to_owned();
    }
    let days: String = at.days().map(|day| format!("<{}/>", DAY_NAMES[day])).collect();
    format!(
        "<ScheduleByWeek><WeeksInterval>1</WeeksInterval><DaysOfWeek>{days}</DaysOfWeek></ScheduleByWeek>"
    )
}

/// The digest of what a task does, however the task scheduler writes it down.
fn seal(command: &str, arguments: &str, start: &str, schedule: &str) -> String {
    let at = when(start, schedule).map(|at| at.to_string()).unwrap_or_default();
    digest(&[command, arguments, &at].join("\n"))
}

/// What was read of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Whose task it is.
    pub owner: Owner,
    /// The command with its arguments.
    pub command: String,
    /// The program.
    pub program: String,
    /// Whether both the task and its trigger are enabled.
    pub enabled: bool,
}

/// Reads a task as the task scheduler prints it.
pub fn read(xml: &str) -> Read {
    let field = |name: &str| element(xml, name).map(unescaped).unwrap_or_default();
    let (program, arguments) = (field("Command"), field("Arguments"));
    let description = field("Description");
    let marker = || {
        let after = |name: &str| description.split_once(name).map(|(_, rest)| rest);
        let (job, _) = after("job: ")?.rsplit_once("; at: ")?;
        let (_, rest) = description.rsplit_once("; at: ")?;
        let (at, rest) = rest.split_once("; installed: ")?;
        let (installed, said) = rest.split_once("; digest: ")?;
        let marker = Marker { job: job.to_owned(), at: at.parse().ok()?, installed: installed.parse().ok()? };
        Some((marker, said.to_owned()))
    };
    let own = seal(&program, &arguments, &field("StartBoundary"), xml);
    let owner = match marker() {
        _ if !description.starts_with(FIRST) => Owner::Foreign,
        Some((marker, said)) if said == own => Owner::Ours(marker),
        other => Owner::Edited(other.map(|(marker, _)| marker)),
    };
    // Once below the trigger, once below the settings. It is `true` where it is not written.
    let enabled = !xml.contains("<Enabled>false</Enabled>");
    Read { owner, command: format!("{program} {arguments}"), program, enabled }
}

/// The days and the time of a calendar trigger.
fn when(start: &str, xml: &str) -> Option<When> {
    let (date, time) = start.split_once('T')?;
    let _: Date = date.parse().ok()?;
    let time: Time = time.get(..8)?.parse().ok()?;
    let has = |day: &str| ["/>", " />", ">"].iter().any(|end| xml.contains(&format!("<{day}{end}")));
    let all = xml.contains("<ScheduleByDay>");
    let days = (0..7_i8).filter(|&day| all || usize::try_from(day).is_ok_and(|day| has(DAY_NAMES[day])));
    Some(When::of(days.filter_map(|day| Weekday::from_monday_zero_offset(day).ok()), time))
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

/// A word of a command line, as `CommandLineToArgvW` reads it.
fn quoted(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '"']) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    let mut backslashes = 0;
    for letter in word.chars() {
        match letter {
            '\\' => backslashes += 1,
            '"' => {
                // Backslashes before a quote count twice, and the quote needs one of its own.
                out.push_str(&"\\".repeat(backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        out.push(letter);
    }
    out.push_str(&"\\".repeat(backslashes));
    out + "\""
}

/// The file that `schtasks` reads: UTF-16 with a byte order mark.
pub fn utf16(xml: &str) -> Vec<u8> {
    let text = xml.replace('\n', "\r\n");
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::job::tests::job;

    fn marker(job: &Job) -> Marker {
        Marker { job: job.name.clone(), at: job.at, installed: "2026-11-28T05:00:00Z".parse().unwrap() }
    }

    fn windows_job(at: &str) -> Job {
        Job {
            name: "Büro & \"Archiv\" nightly".replace('"', "'"),
            at: at.parse().unwrap(),
            program: r"C:\Program Files\bkverify\bkverify.exe".into(),
            config: r"C:\ProgramData\bkverify\bkverify.toml".into(),
            ..job()
        }
    }

    #[test]
    fn a_task_is_recognised_however_the_task_scheduler_writes_it_down() {
        for at in ["02:30", "Mon..Fri 02:30", "Sat,Sun 23:05"] {
            let job = windows_job(at);
            let xml = xml(&job, &marker(&job), &Principal::System, jiff::civil::date(2026, 1, 1)).unwrap();
            let read = read(&xml);
            assert_eq!(read.owner, Owner::Ours(marker(&job)));
            assert!(read.enabled);
            assert_eq!(
                read.command,
                r#"C:\Program Files\bkverify\bkverify.exe --config C:\ProgramData\bkverify\bkverify.toml --job "Büro & 'Archiv' nightly" --quiet"#
            );
            // What the task scheduler does: elements in another order, an end tag of its own, a date.
            let stored = xml.replace("<Monday/>", "<Monday />").replace("2026-01-01T", "2026-11-28T");
            let stored = stored.replace("<Enabled>true</Enabled>\n", "\n");
            assert_eq!(super::read(&stored).owner, Owner::Ours(marker(&job)));
        }
    }

    #[test]
    fn a_task_that_somebody_changed_is_left_alone() {
        let job = windows_job("Mon,Tue 02:30");
        let xml = xml(&job, &marker(&job), &Principal::System, jiff::civil::date(2026, 1, 1)).unwrap();
        for (from, to) in
            [(" --quiet", ""), ("T02:30", "T03:30"), ("<Tuesday/>", ""), ("bkverify.exe", "x.exe")]
        {
            let changed = xml.replace(from, to);
            assert_ne!(changed, xml);
            assert!(matches!(read(&changed).owner, Owner::Edited(Some(_))), "{from}");
        }
        assert_eq!(read(&xml.replace(FIRST, "By hand")).owner, Owner::Foreign);
        assert!(!read(&xml.replace("<Enabled>true", "<Enabled>false")).enabled);
    }

    #[test]
    fn names_that_a_task_cannot_have_are_refused() {
        for name in ["a/b", "a\\b", "a:b", "x?", "x."] {
            let error = task_name(name).unwrap_err();
            assert!(error.problem.contains("cannot have"), "{error}");
        }
        assert_eq!(task_name("nightly").unwrap(), "\\bkverify\\nightly");
    }

    #[test]
    fn words_are_quoted_as_windows_reads_them() {
        for (word, expected) in [
            ("plain", "plain"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            (r"C:\a b\", "\"C:\\a b\\\\\""),
            ("say \"x\"", r#""say \"x\"""#),
            (r#"a\"b"#, r#""a\\\"b""#),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn the_file_for_schtasks_is_utf_16_with_a_mark() {
        assert_eq!(utf16("ü\n"), [0xff, 0xfe, 0xfc, 0, 0x0d, 0, 0x0a, 0]);
    }
}
