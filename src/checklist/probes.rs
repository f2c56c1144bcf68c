//! What probes print: lines of JSON.
//!
//! The first line says who it is and when, then there is one line for each part of the probe, at
//! last one that it has ended. So a part that hangs or is cut off hides nothing of the others. A
//! part that is missing is unknown, never empty.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Where probes run.
#[derive(Debug, Clone)]
pub enum Source {
    /// On this machine.
    Here,
    /// On the machine of this name, by PowerShell remoting.
    Computer(String),
    /// They were run before, and this is what they printed.
    File(Recording),
}

/// What the probes printed on another machine.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The machine's name.
    pub computer: String,
    /// The version of its Windows.
    pub windows: String,
    /// When the first probe ran, by that machine's clock.
    pub taken: Timestamp,
    /// What each probe printed, the newest run of each.
    probes: HashMap<String, Probed>,
}

/// What a probe printed.
#[derive(Debug, Clone, Default)]
pub struct Probed {
    name: String,
    computer: String,
    windows: String,
    taken: Option<Timestamp>,
    parts: Vec<Part>,
    /// Whether it came to its end.
    has_ended: bool,
    /// Why it did not, if that is known.
    ending: Option<String>,
}

/// What one part of a probe found.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    items: Vec<ProbedItem>,
    problem: Option<ProbeProblem>,
}

/// One object in a probe's output: names and texts.
#[derive(Debug, Clone, Default)]
pub struct ProbedItem(Map<String, Value>);

/// Why a part of a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeProblem {
    /// The part that failed.
    pub part: String,
    /// `missing` (this Windows does not have a command), `denied` or `failed`.
    pub kind: String,
    /// The message from Windows, in the machine's language.
    pub text: String,
}

impl Source {
    /// Whether the probes tell about another machine than this one.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Self::Here)
    }
}

impl Recording {
    /// Reads the output of one or more probes of one machine.
    ///
    /// # Errors
    /// Why the text is not the output of probes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut runs: Vec<Vec<&str>> = Vec::new();
        for line in text.lines() {
            if line.starts_with("{\"probe\":") || line.starts_with("{\"mode\":") {
                runs.push(Vec::new());
            }
            if let Some(run) = runs.last_mut() {
                run.push(line);
            }
        }
        let mut found: Option<Self> = None;
        for run in runs {
            let probed = parse(&run.join("\n"))?;
            let taken = probed.taken.ok_or_else(|| format!("the probe {} has no time", probed.name))?;
            let all = found.get_or_insert_with(|| Self {
                computer: probed.computer.clone(),
                windows: probed.windows.clone(),
                taken,
                probes: HashMap::new(),
            });
            if all.computer != probed.computer {
                return Err(format!("it is about two machines, {} and {}", all.computer, probed.computer));
            }
            all.taken = all.taken.min(taken);
            // The newest run counts, wherever it stands in the file.
            let is_older = |known: &Probed| known.taken > probed.taken;
            if !all.probes.get(&probed.name).is_some_and(is_older) {
                all.probes.insert(probed.name.clone(), probed);
            }
        }
        found.ok_or_else(|| "it holds no output of a probe".to_owned())
    }

    /// What a probe printed there, if it ran.
    pub fn newest(&self, probe: &str) -> Option<&Probed> {
        self.probes.get(probe)
    }
}

impl Probed {
    /// The items of one kind.
    pub fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a ProbedItem> {
        self.parts.iter().flat_map(|part| &part.items).filter(move |item| item.text("kind") == Some(kind))
    }

    /// The first item of one kind.
    pub fn first(&self, kind: &str) -> Option<&ProbedItem> {
        self.parts.iter().flat_map(|part| &part.items).find(|item| item.text("kind") == Some(kind))
    }

    /// The items of one kind in one part that was read to its end.
    ///
    /// # Errors
    /// Why the part was not read.
    pub fn whole<'a>(&'a self, part: &str, kind: &str) -> Result<Vec<&'a ProbedItem>, String> {
        match self.parts.iter().find(|found| found.name == part) {
            Some(Part { items, problem: None, .. }) => {
                Ok(items.iter().filter(|item| item.text("kind") == Some(kind)).collect())
            }
            _ => Err(self.reason(part)),
        }
    }

    /// The problem of one part, if it failed.
    pub fn problem(&self, part: &str) -> Option<&ProbeProblem> {
        self.parts.iter().find(|found| found.name == part)?.problem.as_ref()
    }

    /// The message of a part that failed because this Windows does not have the command.
    pub fn missing(&self, part: &str) -> Option<&str> {
        self.problem(part).filter(|problem| problem.kind == "missing").map(|problem| problem.text.as_str())
    }

    /// Why a part has no items, in words.
    pub fn reason(&self, part: &str) -> String {
        if let Some(problem) = self.problem(part) {
            return problem.to_string();
        }
        match &self.ending {
            _ if self.has_ended => "the probe printed nothing about it".to_owned(),
            Some(why) => format!("the probe did not come to it: {why}"),
            None => "the probe did not come to it: its output is cut short".to_owned(),
        }
    }

    /// The same, with the reason why the probe did not come to its end.
    #[must_use]
    pub fn ended_by(self, ending: Option<String>) -> Self {
        Self { ending, ..self }
    }

    /// The time of the machine's clock when the probe began.
    pub fn taken(&self) -> Option<Timestamp> {
        self.taken
    }
}

impl ProbedItem {
    /// The text under `key`; `None` if it is missing, empty or not text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The text under `key`, or a dash.
    pub fn shown(&self, key: &str) -> &str {
        self.text(key).unwrap_or("-")
    }

    /// The number under `key`.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.text(key)?.trim().parse().ok()
    }

    /// The boolean under `key`. PowerShell prints it in English in every language.
    pub fn truth(&self, key: &str) -> Option<bool> {
        match self.text(key)? {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }
    }

    /// The point in time under `key`.
    pub fn time(&self, key: &str) -> Option<Timestamp> {
        self.text(key)?.parse().ok()
    }

    /// The texts of the list under `key`; `None` if there is no list.
    pub fn listed(&self, key: &str) -> Option<Vec<&str>> {
        Some(self.0.get(key)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// The texts of the list under `key`; none if there is no list.
    pub fn list(&self, key: &str) -> Vec<&str> {
        self.listed(key).unwrap_or_default()
    }
}

impl std::fmt::Display for ProbeProblem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind.as_str() {
            "missing" => write!(out, "{} is not available on this Windows: {}", self.part, self.text),
            "denied" => write!(out, "{} may not be read; run as administrator: {}", self.part, self.text),
            _ => write!(out, "{} failed: {}", self.part, self.text),
        }
    }
}

/// Reads what one probe printed. Lines that are not the probe's, such as a greeting, are skipped.
///
/// # Errors
/// If it never began.
pub fn parse(printed: &str) -> Result<Probed, String> {
    let mut probed: Option<Probed> = None;
    for line in printed.lines() {
        let Ok(Value::Object(line)) = serde_json::from_str(line.trim()) else { continue };
        let line = ProbedItem(line);
        if let Some(mode) = line.text("mode") {
            return Err(format!(
                "PowerShell runs in {mode} mode there (AppLocker or App Control), where a probe cannot run; \
                 allow this script by its hash or signer, or do the step by hand"
            ));
        }
        if let Some(name) = line.text("probe") {
            let text = |key: &str| line.text(key).unwrap_or_default().to_owned();
            let (computer, windows, taken) = (text("computer"), text("windows"), line.time("taken"));
            probed = Some(Probed { name: name.to_owned(), computer, windows, taken, ..Probed::default() });
        } else if let Some(probed) = &mut probed {
            probed.has_ended |= line.0.get("end") == Some(&Value::Bool(true));
            probed.parts.extend(part(&line));
        }
    }
    match probed {
        Some(probed) => Ok(probed),
        None if printed.trim().is_empty() => Err("powershell printed nothing".to_owned()),
        None => {
            let first = printed.trim().lines().next().unwrap_or_default();
            Err(format!("powershell did not run the probe; it printed: {first}"))
        }
    }
}

/// One part. `None` if the line is something else, or is not as a part should be.
fn part(line: &ProbedItem) -> Option<Part> {
    let name = line.text("part")?.to_owned();
    let items = line.0.get("items").and_then(Value::as_array)?;
    // An item that is none makes the part unknown, and not shorter.
    let items: Option<Vec<_>> =
        items.iter().map(|item| Some(ProbedItem(item.as_object()?.clone()))).collect();
    let items = items?;
    let problem = match line.0.get("problem")? {
        Value::Null => None,
        Value::Object(found) => {
            let found = ProbedItem(found.clone());
            let text = |key: &str| found.text(key).unwrap_or_default().to_owned();
            Some(ProbeProblem { part: name.clone(), kind: text("kind"), text: text("text") })
        }
        _ => return None,
    };
    Some(Part { name, items, problem })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const BEGIN: &str = r#"{"probe":"x","computer":"DC01","taken":"2026-11-20T10:00:00Z","windows":"6.3.9600.0","powershell":"4.0"}"#;

    /// What a probe prints that came to its end. Each part is its name, its items as JSON, and the
    /// kind of its problem, or nothing.
    pub fn printed(parts: &[(&str, &str, &str)]) -> String {
        let mut text = format!("{BEGIN}\n");
        for (name, items, kind) in parts {
            let problem = match *kind {
                "" => "null".to_owned(),
                kind => format!(r#"{{"kind":"{kind}","text":"what Windows said"}}"#),
            };
            text.push_str(&format!("{{\"part\":\"{name}\",\"items\":[{items}],\"problem\":{problem}}}\n"));
        }
        text + "{\"end\":true}\n"
    }

    #[test]
    fn the_parts_of_a_probe_are_read_and_a_greeting_is_skipped() {
        let text = printed(&[("a", r#"{"kind":"n","n":"5","t":"True"}"#, ""), ("b", "", "denied")]);
        let probed = parse(&format!("WARNING: module loaded\r\n{text}")).unwrap();
        let items = probed.whole("a", "n").unwrap();
        assert_eq!(
            (items[0].number("n"), items[0].truth("t"), items[0].text("x")),
            (Some(5), Some(true), None)
        );
        assert!(probed.reason("b").contains("run as administrator"));
        assert_eq!(probed.reason("c"), "the probe printed nothing about it");
    }

    #[test]
    fn a_part_that_was_not_reached_or_is_cut_short_is_unknown_and_the_others_stand() {
        let text = printed(&[("a", "", ""), ("b", r#"{"kind":"n"}"#, "")]);
        let end = text.find("\"problem\":null}\n{\"end\"").unwrap();
        let probed = parse(&text[..end]).unwrap();
        assert!(probed.whole("a", "n").unwrap().is_empty());
        assert_eq!(
            probed.whole("b", "n").unwrap_err(),
            "the probe did not come to it: its output is cut short"
        );
    }

    #[test]
    fn constrained_language_mode_is_named() {
        let error = parse("{\"mode\":\"ConstrainedLanguage\"}\r\n").unwrap_err();
        assert!(error.contains("ConstrainedLanguage") && error.contains("by hand"), "{error}");
    }

    #[test]
    fn no_output_and_foreign_output_are_errors() {
        assert_eq!(parse("").unwrap_err(), "powershell printed nothing");
        let german = "Das System kann den Pfad nicht finden.";
        assert!(parse(german).unwrap_err().ends_with(german));
        assert!(parse("{\"items\":[],\"problems\":[]}").is_err());
    }

    #[test]
    fn a_file_about_two_machines_or_about_none_is_refused() {
        let one = printed(&[]);
        let two = format!("{one}{}", one.replace("DC01", "DC02"));
        assert!(Recording::parse(&two).unwrap_err().contains("DC01 and DC02"));
        assert!(Recording::parse("{}").is_err());
        assert!(Recording::parse(&one.replace("2026-11-20T10:00:00Z", "20.11.2026")).is_err());
    }

    #[test]
    fn the_newest_run_of_a_probe_counts_wherever_it_stands() {
        let new = printed(&[("a", r#"{"kind":"new"}"#, "")]);
        let old = printed(&[("a", r#"{"kind":"old"}"#, "")]).replace("2026-11-20T10", "2026-11-20T09");
        for text in [format!("{old}{new}"), format!("{new}{old}")] {
            let recording = Recording::parse(&text).unwrap();
            assert!(recording.newest("x").unwrap().first("new").is_some());
        }
    }

    #[test]
    fn a_part_with_an_item_that_is_none_is_unknown() {
        let probed = parse(&printed(&[("a", r#"{"kind":"n"},5"#, "")])).unwrap();
        assert!(probed.whole("a", "n").is_err());
    }
}
