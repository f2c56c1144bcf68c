//! Windows probes: one PowerShell script each, and one way to read what it prints.
//!
//! A script collects into `$items` and `$problems` and prints `{"items": [...], "problems":
//! [...]}`. Windows PowerShell 5.1 has its ways with JSON, and the common beginning
//! (`scripts/common.ps1`) works around each: everything is text or a nested list, dates are ISO
//! 8601 in UTC, the outermost object keeps one-element lists from being unwrapped, and the depth is
//! 6. Output that is cut short, empty or no JSON is an error, never an empty result.

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
    items: Vec<Item>,
    problems: Vec<Problem>,
}

/// One object of a script's output: names and texts.
#[derive(Debug, Clone, Default)]
pub struct Item(Map<String, Value>);

/// A part of a script that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which part.
    pub part: String,
    /// `missing` (a command that this Windows does not have), `denied`, or `failed`.
    pub kind: String,
    /// What Windows says, in the machine's language.
    pub text: String,
}

impl Probed {
    /// The items of one part.
    pub fn part<'a>(&'a self, part: &'a str) -> impl Iterator<Item = &'a Item> {
        self.items.iter().filter(move |item| item.text("part") == Some(part))
    }

    /// The first item of one part.
    pub fn first(&self, part: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.text("part") == Some(part))
    }

    /// The problem that a part had.
    pub fn problem(&self, part: &str) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.part == part)
    }

    /// Why a part has no items, in words.
    pub fn reason(&self, part: &str) -> String {
        self.problem(part)
            .map_or_else(|| "the probe printed nothing about it".to_owned(), ToString::to_string)
    }

    /// Everything that went wrong.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Item {
    /// The text under `key`; nothing where it is missing, empty or no text.
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

    /// The truth under `key`, as PowerShell prints it in every language.
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

impl std::fmt::Display for Problem {
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

/// A script with the common beginning and end, as `-EncodedCommand` takes it: UTF-16LE in base64.
pub fn encode(script: &str) -> String {
    let whole = [COMMON, script, END].concat();
    let bytes: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
    STANDARD.encode(bytes)
}

/// Reads what a script printed.
pub fn parse(stdout: &str) -> Result<Probed, String> {
    // Modules may print greetings of their own before the one line that counts.
    let line = stdout.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let line = line.ok_or("powershell printed nothing")?;
    let value: Value =
        serde_json::from_str(line).map_err(|error| format!("powershell's answer is incomplete ({error})"))?;
    let list = |key: &str| value.get(key).and_then(Value::as_array);
    let (Some(items), Some(problems)) = (list("items"), list("problems")) else {
        return Err("powershell printed JSON without `items` and `problems`".to_owned());
    };
    let items = items.iter().filter_map(Value::as_object).map(|item| Item(item.clone())).collect();
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let problems = problems
        .iter()
        .map(|problem| Problem {
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
    fn a_greeting_before_the_answer_is_passed_over() {
        assert!(parse("WARNING: module loaded\n{\"items\":[],\"problems\":[]}\n\n").is_ok());
    }

    #[test]
    fn nothing_cut_short_and_garbage_are_errors() {
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
