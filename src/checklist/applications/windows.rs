//! Applications on Windows: installed programs, their folders and services, databases, and shared
//! folders.

use super::super::machine::Visit;
use super::super::powershell::{self, Probed, ProbedItem};
use super::super::table::Discovered;
use super::Discovery;

pub(super) const SCRIPT: &str = include_str!("../scripts/applications.ps1");

/// Folders that belong to Windows itself.
const SYSTEM: [&str; 22] = [
    "Common Files",
    "Internet Explorer",
    "Microsoft",
    "ModifiableWindowsApps",
    "Package Cache",
    "Packages",
    "regid.1991-06.com.microsoft",
    "SoftwareDistribution",
    "ssh",
    "USOPrivate",
    "USOShared",
    "Windows Defender",
    "Windows Defender Advanced Threat Protection",
    "Windows Mail",
    "Windows Media Player",
    "Windows NT",
    "Windows Photo Viewer",
    "Windows Portable Devices",
    "Windows Security",
    "Windows Sidebar",
    "WindowsApps",
    "WindowsPowerShell",
];

pub(super) fn discover(visit: &Visit<'_>) -> Discovery {
    match powershell::ask(visit, SCRIPT) {
        Ok(probed) => gather(&probed),
        Err(problem) => Discovery { found: Vec::new(), problems: vec![problem] },
    }
}

fn gather(probed: &Probed) -> Discovery {
    let mut rows = Rows::default();
    for item in probed.part("database").chain(probed.part("share")) {
        rows.add(item.text("name"), item.text("path"));
    }
    let data: Vec<&ProbedItem> =
        probed.part("folder").filter(|item| item.truth("data") == Some(true)).collect();
    for program in probed.part("program") {
        let own = data.iter().find(|folder| belongs(program, folder)).and_then(|folder| folder.text("path"));
        rows.add(program.text("name"), own.or_else(|| program.text("folder")));
    }
    for folder in probed.part("folder") {
        rows.add(folder.text("name"), folder.text("path"));
    }
    for service in probed.part("service") {
        let folder = service.text("command").and_then(program_folder);
        // A service is not an application of its own if its program already has a row.
        if !folder.as_deref().is_some_and(|folder| rows.holds(folder)) {
            rows.add(service.text("title").or(service.text("name")), folder.as_deref());
        }
    }
    let missing_end = ["programs", "folders", "services", "databases", "shares"]
        .iter()
        .filter(|part| probed.first(part).is_none() && probed.problem(part).is_none())
        .map(|part| format!("the probe printed nothing about {part}"));
    let problems = probed.problems().iter().map(ToString::to_string).chain(missing_end).collect();
    Discovery { found: rows.0, problems }
}

/// Whether a folder in ProgramData belongs to a program: it has the program's or its publisher's
/// name.
fn belongs(program: &ProbedItem, folder: &ProbedItem) -> bool {
    let Some(folder) = folder.text("name").map(str::to_lowercase) else { return false };
    let begins = |text: Option<&str>| {
        text.map(str::to_lowercase).is_some_and(|text| {
            text == folder || text.strip_prefix(&folder).is_some_and(|rest| rest.starts_with([' ', ',', '.']))
        })
    };
    begins(program.text("name")) || begins(program.text("publisher"))
}

/// The folder of a service's program, from `"C:\Program Files\A\b.exe" -k x`, or without quotes
/// from everything up to `.exe`.
fn program_folder(command: &str) -> Option<String> {
    let program = match command.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => &command[..command.to_lowercase().find(".exe")? + 4],
    };
    program.rsplit_once('\\').map(|(folder, _)| folder.to_owned())
}

#[derive(Default)]
struct Rows(Vec<Discovered>);

impl Rows {
    /// Adds a row, unless its folder belongs to Windows or the row exists already.
    fn add(&mut self, name: Option<&str>, path: Option<&str>) {
        let Some(name) = name else { return };
        let path = path.map(|path| path.trim_matches('"').trim_end_matches('\\')).unwrap_or_default();
        let last = path.rsplit('\\').next().unwrap_or_default();
        if SYSTEM.iter().any(|system| system.eq_ignore_ascii_case(last) || system.eq_ignore_ascii_case(name))
        {
            return;
        }
        // A spreadsheet would treat such a name as a formula.
        let name = name.trim_start_matches(['=', '+', '-', '@']).trim();
        let same = |row: &Discovered| {
            if path.is_empty() {
                row.name.eq_ignore_ascii_case(name)
            } else {
                row.path.eq_ignore_ascii_case(path)
            }
        };
        if !self.0.iter().any(same) {
            self.0.push(Discovered { name: name.to_owned(), path: path.to_owned() });
        }
    }

    /// Whether a folder is that of a row, or is inside one.
    fn holds(&self, folder: &str) -> bool {
        let folder = folder.to_lowercase();
        let inside = |path: &str| {
            folder.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
        };
        self.0.iter().any(|row| !row.path.is_empty() && inside(&row.path.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::powershell::parse;
    use super::*;

    const RECORDED: &str = include_str!("../../../tests/data/checklist/windows/applications.json");

    #[test]
    fn programs_databases_shares_and_services_become_rows() {
        let discovery = gather(&parse(RECORDED).unwrap());
        let found: Vec<_> =
            discovery.found.iter().map(|item| (item.name.as_str(), item.path.as_str())).collect();
        let expected = [
            ("SQL Server MSSQLSERVER", "D:\\MSSQL\\MSSQL16.MSSQLSERVER\\MSSQL\\DATA"),
            ("Buchhaltung", "D:\\Freigaben\\Buchhaltung"),
            ("ERP Suite 12.4", "C:\\ProgramData\\ERP Suite"),
            ("7-Zip 23.01 (x64)", "C:\\Program Files\\7-Zip"),
            ("ERP Suite", "C:\\Program Files\\ERP Suite"),
            ("Time Recorder", "E:\\Apps\\Time"),
        ];
        assert_eq!(found, expected);
        assert!(discovery.problems.is_empty());
    }

    #[test]
    fn folders_of_services_are_read_with_and_without_quotes() {
        assert_eq!(program_folder("\"C:\\A B\\c.exe\" -x").as_deref(), Some("C:\\A B"));
        assert_eq!(program_folder("C:\\A B\\c.exe -k netsvcs").as_deref(), Some("C:\\A B"));
        assert_eq!(program_folder("weird"), None);
    }

    #[test]
    fn empty_and_denied_answers_are_reported_as_problems() {
        assert_eq!(gather(&parse("{\"items\":[],\"problems\":[]}").unwrap()).problems.len(), 5);
        let denied = r#"{"items":[],"problems":[{"part":"shares","kind":"denied","text":"x"}]}"#;
        assert!(gather(&parse(denied).unwrap()).problems[0].contains("run as administrator"));
    }
}
