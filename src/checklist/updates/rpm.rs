//! dnf and zypper. Both are silent about a repository whose list they do not have, so the settings
//! say which repositories there are, and the lists of all must be there.

use super::super::findings::{Finding, Status};
use super::super::machine::Visit;
use super::super::phrases::are;
use super::{WHY, judge_age, pending};

/// Without plugins and exclusions: a package that is locked to a version still lacks its update.
const DNF: [&str; 6] =
    ["dnf", "-q", "-C", "--setopt=plugins=0", "--setopt=disable_excludes=all", "check-update"];
const DNF_SECURITY: [&str; 8] = [
    "dnf",
    "-q",
    "-C",
    "--setopt=plugins=0",
    "--setopt=disable_excludes=all",
    "updateinfo",
    "list",
    "security",
];
const ZYPPER: [&str; 5] = ["zypper", "--non-interactive", "--no-refresh", "--xmlout", "list-patches"];
const ZYPPER_PACKAGES: [&str; 5] =
    ["zypper", "--non-interactive", "--no-refresh", "--xmlout", "list-updates"];
/// How zypper says that no repository has patches. It is no error to it.
const NO_PATCHES: &str = "status=\"no-update-repositories\"";
/// Where packages are locked to their versions (dnf 4, dnf 5, zypper), and how the lines begin that
/// name them.
const LOCKS: [(&str, &str); 3] = [
    ("/etc/dnf/plugins/versionlock.list", ""),
    ("/etc/dnf/versionlock.toml", "name = "),
    ("/etc/zypp/locks", "solvable_name: "),
];

pub(super) fn dnf(visit: &Visit<'_>) -> Vec<Finding> {
    let settings = ["/etc/yum.repos.d", "/etc/distro.repos.d"];
    let all = repositories(visit, &settings, &["/var/cache/libdnf5", "/var/cache/dnf"]);
    vec![
        judge(&all, "dnf makecache", |all| dnf_updates(visit, all)),
        age(visit, &all, "dnf makecache"),
        locks(visit),
    ]
}

pub(super) fn zypper(visit: &Visit<'_>) -> Vec<Finding> {
    let all = repositories(visit, &["/etc/zypp/repos.d"], &["/var/cache/zypp/raw"]);
    vec![
        judge(&all, "zypper refresh", |all| zypper_updates(visit, all)),
        age(visit, &all, "zypper refresh"),
        locks(visit),
    ]
}

/// A repository that is in use.
struct Repository {
    name: String,
    /// Its list, if there is one.
    list: Option<String>,
    /// Whether the list says which updates are for security.
    has_advisories: bool,
}

/// The repositories that are in use: sections `[NAME]` of the files `*.repo`, without those with
/// `enabled=0`.
fn repositories(visit: &Visit<'_>, settings: &[&str], caches: &[&str]) -> Result<Vec<Repository>, String> {
    let mut names: Vec<(String, bool)> = Vec::new();
    for folder in settings {
        for file in visit.names(folder)?.iter().filter(|name| name.ends_with(".repo")) {
            let text = visit.read(&format!("{folder}/{file}"))?.unwrap_or_default();
            for line in text.lines().map(str::trim) {
                if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                    names.push((name.to_owned(), true));
                } else if let (Some((key, value)), Some(last)) = (line.split_once('='), names.last_mut())
                    && key.trim() == "enabled"
                {
                    last.1 = !["0", "false", "no", "off"].contains(&value.trim().to_lowercase().as_str());
                }
            }
        }
    }
    let mut found = Vec::new();
    for (name, _) in names.into_iter().filter(|(_, is_enabled)| *is_enabled) {
        let mut list = None;
        for cache in caches {
            // dnf appends 16 digits of a hash.
            let is_it = |folder: &&String| match folder.strip_prefix(&name).map(|rest| rest.strip_prefix('-'))
            {
                Some(None) => **folder == name,
                Some(Some(hash)) => hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
                None => false,
            };
            let place = |folder: &String| format!("{cache}/{folder}/repodata/repomd.xml");
            let places: Vec<String> = visit.names(cache)?.iter().filter(is_it).map(place).collect();
            list = list.or(places.into_iter().find(|place| visit.exists(place)));
        }
        let text = list.as_ref().map_or(Ok(None), |place| visit.read(place))?.unwrap_or_default();
        found.push(Repository { name, list, has_advisories: text.contains("\"updateinfo\"") });
    }
    if found.is_empty() {
        return Err(format!("no repository is enabled in {}", settings.join(", ")));
    }
    Ok(found)
}

/// What `ask` finds, if the lists of all repositories are there.
fn judge(
    all: &Result<Vec<Repository>, String>,
    refresh: &str,
    ask: impl FnOnce(&[Repository]) -> Result<Finding, String>,
) -> Finding {
    let found = all.as_ref().map_err(Clone::clone).and_then(|all| {
        let missing: Vec<&str> =
            all.iter().filter(|one| one.list.is_none()).map(|one| one.name.as_str()).collect();
        if missing.is_empty() {
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            let mut finding = ask(all)?.seen("the repositories that are enabled", names.join("\n"));
            if finding.status == Status::Pass {
                // Whether the one with the updates is among them is for a person to see.
                finding.title = format!("{}, by the repository {}", finding.title, names.join(", "));
            }
            return Ok(finding);
        }
        Err(format!("there is no list of the repository {}", missing.join(", ")))
    });
    found.unwrap_or_else(|problem| Finding::could_not_check("Pending updates", problem).fix(refresh))
}

/// The age of the oldest list.
fn age(visit: &Visit<'_>, all: &Result<Vec<Repository>, String>, refresh: &str) -> Finding {
    let lists = all.iter().flatten().filter_map(|one| Some((visit.age(one.list.as_ref()?)?, one)));
    match lists.max_by_key(|(age, _)| *age) {
        Some((age, one)) => {
            let source = one.list.as_deref().unwrap_or_default();
            judge_age(&format!("The package lists of {}", one.name), age, source, refresh)
        }
        None => Finding::could_not_check("How current the package lists are", "there are none").fix(refresh),
    }
}

/// Packages that are locked to their versions. Their updates are pending nevertheless.
fn locks(visit: &Visit<'_>) -> Finding {
    let mut found = Vec::new();
    for (place, start) in LOCKS {
        let text = match visit.read(place) {
            Ok(text) => text.unwrap_or_default(),
            Err(problem) => return Finding::could_not_check("Packages that are locked", problem),
        };
        let names = text.lines().filter_map(|line| line.trim().strip_prefix(start));
        found.extend(names.filter(|name| !name.is_empty() && !name.starts_with('#')).map(str::to_owned));
    }
    let source = LOCKS.map(|(place, _)| place).join(", ");
    if found.is_empty() {
        return Finding::pass("No package is locked to its version").seen(source, "none");
    }
    Finding::warn(format!("{} locked, and may get no updates", are(found.len(), "package")))
        .seen(source, found.join("\n"))
        .why(WHY)
        .fix("`dnf versionlock delete NAME` or `zypper removelock NAME`")
}

fn dnf_updates(visit: &Visit<'_>, repositories: &[Repository]) -> Result<Finding, String> {
    let output = visit.run(&DNF).map_err(|error| error.to_string())?;
    let all = match output.code {
        // dnf exits with 100 if there are updates.
        Some(0 | 100) => parse_dnf(&output.stdout)?,
        _ => return Err(format!("`{}`: {}", DNF.join(" "), output.complaint())),
    };
    if (output.code == Some(100)) == all.is_empty() {
        return Err("dnf's list of updates and its exit code contradict each other".to_owned());
    }
    let security = parse_dnf_security(&visit.ask(&DNF_SECURITY)?);
    let named: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    let silent = |of: &String| repositories.iter().any(|one| one.name == *of && !one.has_advisories);
    let unknown = all.iter().filter(|(_, of)| silent(of)).count();
    if security.is_empty() && unknown > 0 {
        let what = format!("Whether {} for security", are(unknown, "pending update"));
        return Ok(Finding::could_not_check(&what, "their repository does not tell")
            .seen(DNF.join(" "), named.join("\n"))
            .why(WHY)
            .fix("dnf upgrade"));
    }
    Ok(pending(&named, &security, "dnf check-update", "dnf upgrade"))
}

/// `NAME.ARCH  VERSION  REPOSITORY`, up to the list of obsoletes: what is updated, and the
/// repository. dnf 4 breaks the line after a long name.
fn parse_dnf(said: &str) -> Result<Vec<(String, String)>, String> {
    let lines = said.lines().take_while(|line| !line.starts_with("Obsoleting"));
    let mut found = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    // A remark about the kernel that is running.
    for line in lines.filter(|line| !line.starts_with("Security: ")) {
        words.extend(line.split_whitespace());
        match words[..] {
            [name, version, repository] => {
                found.push((format!("{name} {version}"), repository.to_owned()));
                words.clear();
            }
            [_, _, _, _, ..] => return Err(format!("dnf printed an unexpected line: {line}")),
            _ => {}
        }
    }
    if words.is_empty() { Ok(found) } else { Err("dnf's list of updates is cut short".to_owned()) }
}

/// Lines `ADVISORY SEVERITY/Sec. PACKAGE` (dnf 4) or `ADVISORY security SEVERITY PACKAGE ...` (dnf
/// 5).
fn parse_dnf_security(said: &str) -> Vec<String> {
    let fields = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .filter_map(|words| match words[..] {
            [advisory, severity, package] if severity.ends_with("/Sec.") => {
                Some(format!("{package} ({advisory}, {severity})"))
            }
            [advisory, "security", severity, package, ..] => {
                Some(format!("{package} ({advisory}, {severity})"))
            }
            _ => None,
        })
        .collect()
}

/// Patches say which updates are for security. Not every repository has some, so the packages are
/// asked for as well.
fn zypper_updates(visit: &Visit<'_>, repositories: &[Repository]) -> Result<Finding, String> {
    let mut found = [Vec::new(), Vec::new()];
    let [all, security] = &mut found;
    let mut has_patches = true;
    for command in [ZYPPER, ZYPPER_PACKAGES] {
        let output = visit.run(&command).map_err(|error| error.to_string())?;
        // 100 means that updates are needed, 101 that security updates are needed.
        if !matches!(output.code, Some(0 | 100 | 101)) {
            return Err(format!("`{}`: {}", command.join(" "), output.complaint()));
        }
        parse_zypper(&output.stdout, all, security)?;
        has_patches &= !output.stdout.contains(NO_PATCHES);
    }
    if all.is_empty() && !has_patches {
        return Err("no repository that is enabled has patches, and no newer package is known".to_owned());
    }
    if security.is_empty() && !all.is_empty() && !repositories.iter().any(|one| one.has_advisories) {
        return Ok(Finding::could_not_check(
            &format!("Whether {} for security", are(all.len(), "pending update")),
            "no repository tells",
        )
        .seen("zypper list-updates", all.join("\n"))
        .why(WHY)
        .fix("zypper update"));
    }
    Ok(pending(all, security, "zypper list-patches, zypper list-updates", "zypper patch, then zypper update"))
}

/// Reads zypper's XML: one `<update name="..." kind="patch" category="security"
/// severity="important" ...>` per patch or package, up to `</update-list>`.
fn parse_zypper(said: &str, all: &mut Vec<String>, security: &mut Vec<String>) -> Result<(), String> {
    if !said.contains("</stream>") || !(said.contains("</update-list>") || said.contains("<update-list/>")) {
        return Err("zypper's list of updates is incomplete".to_owned());
    }
    for tag in said.split("<update ").skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag)) {
        let value = |key: &str| {
            let start = tag.find(&format!("{key}=\""))? + key.len() + 2;
            tag[start..].split('"').next()
        };
        let Some(name) = value("name") else {
            return Err("zypper listed an update without a name".to_owned());
        };
        let described = match value("kind") {
            Some("patch") => format!("patch {name} ({})", value("severity").unwrap_or("unrated")),
            _ => format!("package {name} {}", value("edition").unwrap_or_default()),
        };
        if value("category") == Some("security") {
            security.push(described.clone());
        }
        all.push(described);
    }
    Ok(())
}
