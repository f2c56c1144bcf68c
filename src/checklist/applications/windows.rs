//! Applications on Windows: installed programs, their folders and services, databases, and shared
//! folders.

use super::super::machine::Visit;
use super::super::powershell;
use super::super::probes::{Probed, ProbedItem};
use super::super::table::Discovered;
use super::Discovery;

/// Folders that belong to Windows itself.
const SYSTEM: &str = "Common Files|Edge|EdgeCore|EdgeUpdate|EdgeWebView|Internet Explorer|Microsoft|\
    ModifiableWindowsApps|Package Cache|Packages|regid.1991-06.com.microsoft|SoftwareDistribution|\
    ssh|USOPrivate|USOShared|Windows Defender|Windows Defender Advanced Threat Protection|\
    Windows Mail|Windows Media Player|Windows NT|Windows Photo Viewer|Windows Portable Devices|\
    Windows Security|Windows Sidebar|WindowsApps|WindowsPowerShell";

pub(super) fn discover(visit: &Visit<'_>) -> Discovery {
    match powershell::ask(visit, "applications") {
        Ok(probed) => gather(&probed),
        Err(problem) => Discovery { found: Vec::new(), problems: vec![problem] },
    }
}

fn gather(probed: &Probed) -> Discovery {
    let mut rows = Rows::default();
    for item in probed.all("database").chain(probed.all("share")) {
        rows.add(item.text("name"), item.text("path"));
    }
    for item in probed.all("add-in") {
        let whole = item.list("all").join("; ");
        rows.add(Some(&format!("Add-in of Essentials: {}", item.text("name").unwrap_or(&whole))), None);
    }
    let data: Vec<&ProbedItem> =
        probed.all("folder").filter(|item| item.truth("data") == Some(true)).collect();
    for program in probed.all("program") {
        let own = data.iter().find(|folder| belongs(program, folder)).and_then(|folder| folder.text("path"));
        rows.add(program.text("name"), own.or_else(|| program.text("folder")));
    }
    for folder in probed.all("folder").filter(|folder| !is_of_windows(folder.shown("name"))) {
        rows.add(folder.text("name"), folder.text("path"));
    }
    for service in probed.all("service") {
        let folder = service.text("command").and_then(program_folder);
        let last = folder.as_deref().and_then(|folder| folder.rsplit('\\').next()).unwrap_or_default();
        if is_of_windows(last) {
            continue;
        }
        // A service is not an application of its own if its program already has a row.
        if !folder.as_deref().is_some_and(|folder| rows.holds(folder)) {
            rows.add(service.text("title").or(service.text("name")), folder.as_deref());
        }
    }
    // Add-ins exist on Essentials only.
    let is_absent = |part: &str| part == "add-ins" && probed.missing(part).is_some();
    let problems = ["programs", "folders", "services", "databases", "shares", "add-ins"]
        .into_iter()
        .filter(|part| !is_absent(part))
        .filter_map(|part| probed.whole(part, "").err().map(|problem| format!("{part}: {problem}")));
    Discovery { found: rows.0, problems: problems.collect() }
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

/// Whether a folder of this name is one of Windows itself. A share of this name is not.
fn is_of_windows(folder: &str) -> bool {
    SYSTEM.split('|').any(|system| system.eq_ignore_ascii_case(folder))
}

#[derive(Default)]
struct Rows(Vec<Discovered>);

impl Rows {
    /// Adds a row, unless it exists already.
    fn add(&mut self, name: Option<&str>, path: Option<&str>) {
        let Some(name) = name else { return };
        let path = path.map(|path| path.trim_matches('"').trim_end_matches('\\')).unwrap_or_default();
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
    use super::super::super::probes::parse;
    use super::super::super::probes::tests::printed;
    use super::*;

    const RECORDED: &str = include_str!("../../../tests/data/checklist/windows/applications.txt");

    #[test]
    fn programs_databases_shares_and_services_become_rows() {
        let discovery = gather(&parse(RECORDED).unwrap());
        let found: Vec<_> =
            discovery.found.iter().map(|item| (item.name.as_str(), item.path.as_str())).collect();
        let expected = [
            ("SQL Server MSSQLSERVER (16.0.1000.6)", "D:\\MSSQL\\MSSQL16.MSSQLSERVER\\MSSQL\\DATA"),
            ("Exchange Server (15.1.2507)", "D:\\Exchange\\Mailbox"),
            ("Buchhaltung", "D:\\Freigaben\\Buchhaltung"),
            ("Add-in of Essentials: Backup to Cloud", ""),
            ("ERP Suite 12.4", "C:\\ProgramData\\ERP Suite"),
            ("7-Zip 23.01 (x64)", "C:\\Program Files\\7-Zip"),
            ("ERP Suite", "C:\\Program Files\\ERP Suite"),
            ("Exchange Server", "C:\\Program Files\\Microsoft\\Exchange Server"),
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
        assert_eq!(gather(&parse(&printed(&[])).unwrap()).problems.len(), 6);
        assert_eq!(gather(&parse(RECORDED.lines().next().unwrap()).unwrap()).problems.len(), 6);
        let denied = gather(&parse(&printed(&[("programs", "", "denied")])).unwrap());
        assert!(denied.problems[0].contains("run as administrator"));
        assert_eq!(gather(&parse(&printed(&[("add-ins", "", "missing")])).unwrap()).problems.len(), 5);
        assert_eq!(gather(&parse(&printed(&[("add-ins", "", "failed")])).unwrap()).problems.len(), 6);
    }
}
