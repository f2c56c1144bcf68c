//! Windows probes: one PowerShell script for each, and one parser for what they print.
//!
//! A script collects `$items` and `$problems` and prints `{"items": [...], "problems": [...]}`. The
//! JSON of Windows PowerShell 5.1 has several quirks, and the common beginning
//! (`scripts/common.ps1`) works around each of them. Everything is text or a nested list. Dates are
//! ISO 8601 in UTC. The outermost object prevents lists with one element from being unwrapped. The
//! depth is 6. Output that is cut short, empty or not JSON is an error, never an empty result.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::machine::Visit;

/// What every script begins and ends with.
const COMMON: &str = include_str!("scripts/common.ps1");
const END: &str = "\nShow-Result\n";

/// What a script printed.
#[derive(Debug, Clone, Default)]
pub struct Probed {
    items: Vec<ProbedItem>,
    problems: Vec<ProbeProblem>,
}

/// One object in a script's output: names and texts.
#[derive(Debug, Clone, Default)]
pub struct ProbedItem(Map<String, Value>);

/// A part of a script that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeProblem {
    /// The part that failed.
    pub part: String,
    /// `missing` (this Windows does not have a command), `denied` or `failed`.
    pub kind: String,
    /// The message from Windows, in the machine's language.
    pub text: String,
}

impl Probed {
    /// The items of one part.
    pub fn part<'a>(&'a self, part: &'a str) -> impl Iterator<Item = &'a ProbedItem> {
        self.items.iter().filter(move |item| item.text("part") == Some(part))
    }

    /// The first item of one part.
    pub fn first(&self, part: &str) -> Option<&ProbedItem> {
        self.items.iter().find(|item| item.text("part") == Some(part))
    }

    /// The problem of one part, if it failed.
    pub fn problem(&self, part: &str) -> Option<&ProbeProblem> {
        self.problems.iter().find(|problem| problem.part == part)
    }

    /// Why a part has no items, in words.
    pub fn reason(&self, part: &str) -> String {
        self.problem(part)
            .map_or_else(|| "the probe printed nothing about it".to_owned(), ToString::to_string)
    }

    /// Everything that went wrong.
    pub fn problems(&self) -> &[ProbeProblem] {
        &self.problems
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

    /// The texts of the list under `key`.
    pub fn list(&self, key: &str) -> Vec<&str> {
        let list = self.0.get(key).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
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

/// Runs a script, and reads what it prints.
pub fn ask(visit: &Visit<'_>, script: &str) -> Result<Probed, String> {
    let encoded = encode(script);
    let command = ["powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand", &encoded];
    let output = visit.run(&command).map_err(|error| error.to_string())?;
    if !output.succeeded() && output.stdout.trim().is_empty() {
        return Err(format!("powershell: {}", output.complaint()));
    }
    parse(&output.stdout)
}

/// A script with the common beginning and end, encoded for `-EncodedCommand`: UTF-16LE in base64.
pub fn encode(script: &str) -> String {
    let whole = [COMMON, script, END].concat();
    let bytes: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
    STANDARD.encode(bytes)
}

/// Reads what a script printed.
pub fn parse(stdout: &str) -> Result<Probed, String> {
    // Modules may print greetings before the line with the result.
    let line = stdout.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let line = line.ok_or("powershell printed nothing")?;
    let value: Value =
        serde_json::from_str(line).map_err(|error| format!("powershell's answer is incomplete ({error})"))?;
    let list = |key: &str| value.get(key).and_then(Value::as_array);
    let (Some(items), Some(problems)) = (list("items"), list("problems")) else {
        return Err("powershell printed JSON without `items` and `problems`".to_owned());
    };
    let items = items.iter().filter_map(Value::as_object).map(|item| ProbedItem(item.clone())).collect();
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let problems = problems
        .iter()
        .map(|problem| ProbeProblem {
            part: text(problem, "part"),
            kind: text(problem, "kind"),
            text: text(problem, "text"),
        })
        .collect();
    Ok(Probed { items, problems })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_empty_and_single_answers_are_read() {
        let probed =
            parse("{\"items\":[{\"part\":\"a\",\"n\":\"5\",\"t\":\"True\"}],\"problems\":[]}\r\n").unwrap();
        let item = probed.first("a").unwrap();
        assert_eq!((item.number("n"), item.truth("t"), item.text("x")), (Some(5), Some(true), None));
        assert_eq!(parse("{\"items\":[],\"problems\":[]}").unwrap().part("a").count(), 0);
    }

    #[test]
    fn a_greeting_before_the_answer_is_skipped() {
        assert!(parse("WARNING: module loaded\n{\"items\":[],\"problems\":[]}\n\n").is_ok());
    }

    #[test]
    fn empty_truncated_and_garbage_answers_are_errors() {
        assert_eq!(parse("").unwrap_err(), "powershell printed nothing");
        assert!(parse("{\"items\":[{\"part\":\"a\"").unwrap_err().contains("answer is incomplete"));
        assert!(
            parse("Das System kann den Pfad nicht finden.").unwrap_err().contains("answer is incomplete")
        );
        assert!(parse("{\"items\":{}}").unwrap_err().contains("without `items`"));
    }

    #[test]
    fn every_script_fits_a_windows_command_line() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/checklist/scripts");
        for script in std::fs::read_dir(folder).unwrap() {
            let place = script.unwrap().path();
            let encoded = encode(&std::fs::read_to_string(&place).unwrap());
            assert!(encoded.len() < 32_000, "{}: {}", place.display(), encoded.len());
        }
    }

    #[test]
    fn scripts_are_encoded_as_utf16_in_base64() {
        let decoded = STANDARD.decode(encode("ü")).unwrap();
        let units: Vec<u16> = decoded.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        assert!(String::from_utf16(&units).unwrap().contains("\u{fc}\nShow-Result"));
    }
}
