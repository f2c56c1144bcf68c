//! Windows probes: one PowerShell script for each, and one reader of what they print.
//!
//! A probe runs on this machine, on another one by PowerShell remoting, or it was run there by hand
//! and its output is read from a file. It prints lines of JSON: who it is and when, then one line
//! for each of its parts, at last that it has ended. So a part that hangs or is cut off hides
//! nothing of the others. A part that is missing is unknown, never empty.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::machine::{Visit, duration_words};

/// What every probe begins with.
const COMMON: &str = include_str!("scripts/common.ps1");

/// Every probe: its name, and its script.
pub const PROBES: [(&str, &str); 12] = [
    ("backup", include_str!("scripts/backup.ps1")),
    ("updates", include_str!("scripts/updates.ps1")),
    ("network", include_str!("scripts/network.ps1")),
    ("vpn", include_str!("scripts/vpn.ps1")),
    ("alerts", include_str!("scripts/alerts.ps1")),
    ("space", include_str!("scripts/space.ps1")),
    ("best-practices", include_str!("scripts/best_practices.ps1")),
    ("directory", include_str!("scripts/directory.ps1")),
    ("certificates", include_str!("scripts/certificates.ps1")),
    ("clock", include_str!("scripts/clock.ps1")),
    ("migration-tool", include_str!("scripts/migration_tool.ps1")),
    ("applications", include_str!("scripts/applications.ps1")),
];

/// How long what a probe printed may be judged, in seconds.
const HOLDS: i64 = 86_400;

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
            all.probes.insert(probed.name.clone(), probed);
        }
        found.ok_or_else(|| "it holds no output of a probe".to_owned())
    }

    fn probe(&self, name: &str, now: Timestamp) -> Result<Probed, String> {
        let probed = self.probes.get(name).ok_or_else(|| format!("the probe {name} was not run there"))?;
        let age = now.as_second() - probed.taken.unwrap_or_default().as_second();
        if age > HOLDS {
            return Err(format!("the probe {name} ran {} ago; run it again", duration_words(age)));
        }
        if age < -HOLDS {
            return Err(format!("the probe {name} states a time in the future; correct that clock"));
        }
        Ok(probed.clone())
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

    /// Everything that went wrong.
    pub fn problems(&self) -> impl Iterator<Item = &ProbeProblem> {
        self.parts.iter().filter_map(|part| part.problem.as_ref())
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

/// Asks a probe, wherever it runs.
///
/// # Errors
/// Why nothing of it can be judged.
pub fn ask(visit: &Visit<'_>, name: &str) -> Result<Probed, String> {
    let call = match visit.probes() {
        Source::Here => "& $probe".to_owned(),
        // A quote in the name must not end the text.
        Source::Computer(computer) => {
            format!("Invoke-Command -ComputerName '{}' -ScriptBlock $probe", computer.replace('\'', "''"))
        }
        Source::File(recording) => return recording.probe(name, visit.settings().now),
    };
    let encoded = encode(&program(name, &call, "[Console]::Out.WriteLine([string]$_)"));
    let command = ["powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand", &encoded];
    let (output, problem) = visit.run_partly(&command);
    let problem = problem.map(|error| error.to_string()).or_else(|| complaint(&output.stderr));
    match parse(&output.stdout) {
        Ok(probed) => Ok(Probed { ending: problem, ..probed }),
        Err(_) if output.stdout.trim().is_empty() && problem.is_some() => Err(problem.unwrap_or_default()),
        Err(error) => Err(error),
    }
}

/// The program of a probe: `call` runs `$probe`, and `print` gets each of its lines.
fn program(name: &str, call: &str, print: &str) -> String {
    let script = PROBES.iter().find(|(probe, _)| *probe == name).map_or("", |(_, script)| script);
    // In Constrained Language Mode no method may be called, but the mode can be told.
    format!(
        "$probe = {{\n$probeName = '{name}'\n{COMMON}\n{script}\n'{{\"end\":true}}'\n}}\n\
         {call} | ForEach-Object {{ if (\"$_\" -like '{{\"mode\"*') {{ $_ }} else {{ {print} }} }}\n"
    )
}

/// All probes as one script, to be run on a server that this program does not run on. It writes
/// what they print beside itself.
pub fn all_probes() -> String {
    let mut text = format!(
        "# The probes of bkverify {}: they read this server, change nothing, and write what they found to a file.\n\
         # Run as administrator: powershell -ExecutionPolicy Bypass -File bkverify-probes.ps1\n\
         # Then, where bkverify runs: bkverify checklist --from bkverify-probes-SERVER.txt\n\
         $folder = Split-Path -Parent $MyInvocation.MyCommand.Path\n\
         $file = Join-Path $folder \"bkverify-probes-$env:COMPUTERNAME.txt\"\n\
         Set-Content -Path $file -Value '' -Encoding ASCII\n",
        env!("CARGO_PKG_VERSION")
    );
    for (name, _) in PROBES {
        text.push_str(&format!("\nWrite-Host 'asking {name}'\n"));
        text.push_str(&program(name, "& $probe", "Add-Content -Path $file -Value $_ -Encoding ASCII"));
    }
    text.push_str("\nWrite-Host \"written to $file\"\n");
    text
}

/// A script for `-EncodedCommand`: UTF-16LE in base64.
fn encode(script: &str) -> String {
    let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    STANDARD.encode(bytes)
}

/// The first line of what PowerShell printed on standard error. It prints errors as XML (CLIXML) if
/// nobody reads them on a console.
fn complaint(stderr: &str) -> Option<String> {
    let text = match stderr.split_once("#< CLIXML") {
        None => stderr.to_owned(),
        Some((before, xml)) => {
            let errors = xml.split("<S S=\"Error\">").skip(1).filter_map(|rest| rest.split("</S>").next());
            format!("{before}{}", errors.map(unescape).collect::<String>())
        }
    };
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// A text of CLIXML: entities of XML, and `_x000A_` for a UTF-16 unit that XML cannot hold.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("_x") {
        out.push_str(before);
        let code = after.get(..5).and_then(|code| code.strip_suffix('_'));
        match code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32) {
            Some(character) => {
                out.push(character);
                rest = &after[5..];
            }
            None => {
                out.push_str("_x");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    entities.into_iter().fold(out, |text, (entity, character)| text.replace(entity, character))
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
    let items = items.iter().filter_map(Value::as_object).map(|item| ProbedItem(item.clone())).collect();
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
    use super::super::Os;
    use super::super::machine::tests::recorded;
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
    fn what_hung_is_said_and_what_was_printed_before_is_kept() {
        let text = format!("!timeout {}", printed(&[("a", "", "")]).replace("{\"end\":true}\n", ""));
        let machine = recorded(Os::Windows, &[("powershell", &text)]);
        let probed = ask(&machine.visit(), "clock").unwrap();
        assert!(probed.whole("a", "n").is_ok());
        assert_eq!(
            probed.reason("b"),
            "the probe did not come to it: `powershell` did not answer in time and was ended"
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
    fn errors_are_read_from_the_xml_that_powershell_prints() {
        let xml = "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\
                   <Obj S=\"progress\" RefId=\"0\"><MS><PR N=\"Record\"><AV>Preparing</AV></PR></MS></Obj>\
                   <S S=\"Error\">[dc01] Connecting failed: &lt;x&gt; was_x_refused_x000D__x000A_</S>\
                   <S S=\"Error\">At line:1 char:1_x000D__x000A_</S></Objs>";
        assert_eq!(complaint(xml).as_deref(), Some("[dc01] Connecting failed: <x> was_x_refused"));
        assert_eq!(complaint("#< CLIXML\r\n<Objs></Objs>"), None);
        assert_eq!(complaint("plain\n").as_deref(), Some("plain"));
    }

    #[test]
    fn every_probe_fits_a_windows_command_line() {
        for (name, _) in PROBES {
            let call = format!("Invoke-Command -ComputerName '{}' -ScriptBlock $probe", "x".repeat(255));
            let encoded = encode(&program(name, &call, "[Console]::Out.WriteLine([string]$_)"));
            assert!(encoded.len() < 32_000, "{name}: {}", encoded.len());
        }
    }

    #[test]
    fn a_file_of_another_machine_is_read_by_probe_and_holds_for_a_day() {
        let one = printed(&[("a", "", "")]);
        let text = format!("{}{}", one.replace("\"x\"", "\"clock\""), one.replace("\"x\"", "\"vpn\""));
        let recording = Recording::parse(&text).unwrap();
        assert_eq!((recording.computer.as_str(), recording.windows.as_str()), ("DC01", "6.3.9600.0"));
        let at = |text: &str| text.parse().unwrap();
        assert!(recording.probe("vpn", at("2026-11-21T09:00:00Z")).is_ok());
        let old = recording.probe("vpn", at("2026-11-21T11:00:00Z")).unwrap_err();
        assert!(old.contains("ran 25 h ago"), "{old}");
        assert!(recording.probe("vpn", at("2026-11-18T09:00:00Z")).unwrap_err().contains("in the future"));
        let absent = recording.probe("alerts", at("2026-11-20T11:00:00Z")).unwrap_err();
        assert_eq!(absent, "the probe alerts was not run there");
    }

    #[test]
    fn a_file_about_two_machines_or_about_none_is_refused() {
        let one = printed(&[]);
        let two = format!("{one}{}", one.replace("DC01", "DC02"));
        assert!(Recording::parse(&two).unwrap_err().contains("DC01 and DC02"));
        assert!(Recording::parse("{}").is_err());
        assert!(Recording::parse(&one.replace("2026-11-20T10:00:00Z", "20.11.2026")).is_err());
    }
}
