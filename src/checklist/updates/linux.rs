//! Package managers on Linux: apt, dnf, zypper. Each is asked to simulate an update from its own
//! cached lists, so that nothing on the machine changes. The age of those lists is a separate
//! finding.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::machine::duration_words;
use super::{WHY, WHY_REBOOT, pending};
use jiff::civil::Date;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

const DAY: i64 = 86_400;
/// Lists older than this, in seconds, do not know all pending updates.
const LISTS_AGE: i64 = 7 * DAY;
const APT: [&str; 6] = ["apt-get", "-s", "--ignore-hold", "-o", "Debug::NoLocking=true", "dist-upgrade"];
const APT_LISTS: [&str; 5] =
    ["apt-get", "indextargets", "--format", "$(RELEASE)|$(SITE)|$(FILENAME)", "Created-By: Packages"];
const APT_HELD: [&str; 2] = ["apt-mark", "showhold"];
const DNF: [&str; 4] = ["dnf", "-q", "-C", "check-update"];
const DNF_SECURITY: [&str; 6] = ["dnf", "-q", "-C", "updateinfo", "list", "security"];
const ZYPPER: [&str; 5] = ["zypper", "--non-interactive", "--no-refresh", "--xmlout", "list-patches"];

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    let mut findings = if visit.exists("/etc/apt") {
        vec![apt(visit), held(visit), security_archive(visit)]
    } else if visit.exists("/etc/zypp") {
        vec![zypper(visit), lists_age(visit, "/var/cache/zypp/raw", "zypper refresh")]
    } else if visit.exists("/etc/dnf") || visit.exists("/etc/yum.conf") {
        vec![dnf(visit), lists_age(visit, "/var/cache/dnf", "dnf makecache")]
    } else {
        vec![Finding::could_not_check("Pending updates", "this machine uses neither apt, dnf nor zypper")]
    };
    findings.push(support_end(visit));
    findings.push(restart(visit));
    findings
}

/// The age of the package lists: that of the oldest repository's, by the time of its index.
fn lists_age(visit: &Visit<'_>, folder: &str, refresh: &str) -> Finding {
    let what = "How current the package lists are";
    let repositories = match visit.names(folder) {
        Ok(names) => names,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let index = |name: &String| format!("{folder}/{name}/repodata/repomd.xml");
    let ages = repositories.iter().filter_map(|name| Some((visit.age(&index(name))?, name)));
    let Some((age, name)) = ages.max() else {
        return Finding::could_not_check(what, format!("{folder} holds no list")).fix(refresh);
    };
    judge_age(&format!("The package lists of {name}"), age, &index(name), refresh)
}

fn judge_age(what: &str, age: i64, source: &str, refresh: &str) -> Finding {
    let title = format!("{what} are {} old", duration_words(age));
    if (-DAY..=LISTS_AGE).contains(&age) {
        return Finding::pass(title).seen(source, "its date");
    }
    let finding = Finding::warn(title).seen(source, "its date").why("Old lists lack the newest updates.");
    finding.fix(refresh).command(&refresh.split(' ').collect::<Vec<_>>())
}

/// What apt would install, held packages included: a package on hold still lacks its update.
fn apt(visit: &Visit<'_>) -> Finding {
    let what = "Pending updates";
    let missing = lists(visit).map(|lists| {
        let missing = lists.iter().filter(|list| !visit.exists(&list.file));
        missing.map(|list| format!("{} of {}", list.release, list.site)).collect::<Vec<_>>()
    });
    match missing {
        Err(problem) => return Finding::could_not_check(what, problem),
        Ok(missing) if !missing.is_empty() => {
            let problem =
                format!("apt has no list of {}: it was never read, or could not be", missing.join(", "));
            return Finding::could_not_check(what, problem)
                .seen(APT_LISTS.join(" "), missing.join("\n"))
                .fix("apt-get update, and read what it complains about");
        }
        Ok(_) => {}
    }
    match visit.ask(&APT).and_then(|said| parse_apt(&said)) {
        Ok((all, security)) => pending(&all, &security, &APT.join(" "), "apt-get dist-upgrade"),
        Err(problem) => Finding::could_not_check(what, problem),
    }
}

/// A list of packages that apt is configured to read.
struct AptList {
    release: String,
    site: String,
    file: String,
}

/// The lists of those sources that apt has read at least once.
fn lists(visit: &Visit<'_>) -> Result<Vec<AptList>, String> {
    let said = visit.ask(&APT_LISTS)?;
    let mut lists = Vec::new();
    for line in said.lines() {
        match line.split('|').collect::<Vec<_>>()[..] {
            [release, site, file] if file.starts_with('/') => {
                lists.push(AptList { release: release.into(), site: site.into(), file: file.into() });
            }
            _ => return Err(format!("apt-get named no list of packages: {line}")),
        }
    }
    if lists.is_empty() {
        return Err("apt has no list of packages: `apt-get update` never succeeded".to_owned());
    }
    Ok(lists)
}

/// Packages that a person has put on hold.
fn held(visit: &Visit<'_>) -> Finding {
    match visit.ask(&APT_HELD) {
        Err(problem) => Finding::could_not_check("Packages on hold", problem),
        Ok(said) if said.trim().is_empty() => {
            Finding::pass("No package is on hold").seen(APT_HELD.join(" "), "none")
        }
        Ok(said) => {
            let names: Vec<&str> = said.split_whitespace().collect();
            Finding::warn(format!("Packages on hold, which get no updates: {}", names.join(", ")))
                .seen(APT_HELD.join(" "), &said)
                .why(WHY)
                .fix(format!("apt-mark unhold {}", names.join(" ")))
        }
    }
}

/// Whether a security archive is among the sources, and how old its list is. The archive dates it,
/// so a failed update does not make it look new.
fn security_archive(visit: &Visit<'_>) -> Finding {
    let what = "The lists of the security archive";
    let lists = match lists(visit) {
        Ok(lists) => lists,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let source = APT_LISTS.join(" ");
    let is_security = |list: &&AptList| list.release.contains("security") || list.site.contains("security");
    let Some(list) = lists.iter().find(is_security) else {
        let sources: Vec<String> =
            lists.iter().map(|list| format!("{} {}", list.site, list.release)).collect();
        return Finding::fail("No security archive is among those that apt has read")
            .seen(source, sources.join("\n"))
            .why(WHY)
            .fix(
                "Add it to /etc/apt/sources.list if it is not there (RELEASE-security), then: apt-get update",
            );
    };
    let mark = format!("_dists_{}_", list.release.replace('/', "_"));
    let Some((archive, _)) = list.file.split_once(&mark) else {
        return Finding::could_not_check(what, format!("{} names no release", list.file));
    };
    let date = ["InRelease", "Release"].into_iter().find_map(|name| {
        let place = format!("{archive}{mark}{name}");
        let text = visit.read(&place).ok()??;
        let date = text.lines().find_map(|line| line.strip_prefix("Date: "))?.replace("UTC", "+0000");
        Some((rfc2822::parse(&date).ok()?.timestamp(), place))
    });
    match date {
        None => Finding::could_not_check(what, "apt has never read it")
            .fix("apt-get update")
            .seen(source, &list.file),
        Some((date, place)) => {
            let age = visit.settings().now.as_second() - date.as_second();
            judge_age(what, age, &place, "apt-get update").seen(source, &list.file)
        }
    }
}

/// Reads apt's simulation: `Inst NAME [OLD] (NEW ORIGIN:SUITE, ... [ARCH])`. The security archives
/// of Debian and Ubuntu have `security` in their name. If there are fewer lines than the summary
/// line announces, the output is cut short. What it would not upgrade counts as pending, too.
fn parse_apt(said: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let (announced, kept) =
        said.lines().find_map(announced_by_apt).ok_or("apt-get's simulation gives no count")?;
    let (mut all, mut security) = (Vec::new(), Vec::new());
    for line in said.lines().filter_map(|line| line.strip_prefix("Inst ")) {
        let (Some(name), Some((_, origin))) = (line.split_whitespace().next(), line.split_once('(')) else {
            return Err(format!("apt-get printed an unexpected line: {line}"));
        };
        let version = origin.split_whitespace().next().unwrap_or_default();
        let described = format!("{name} {version}");
        if origin.to_ascii_lowercase().contains("security") {
            security.push(described.clone());
        }
        all.push(described);
    }
    if all.len() != announced {
        return Err("apt-get's simulation is cut short".to_owned());
    }
    if kept > 0 {
        all.push(format!("{kept} more that apt keeps back"));
    }
    Ok((all, security))
}

/// What this summary line announces: `A upgraded, B newly installed, C to remove and D not
/// upgraded.` are A + B lines, and D packages that are kept back.
fn announced_by_apt(line: &str) -> Option<(usize, usize)> {
    let (upgraded, rest) = line.split_once(" upgraded, ")?;
    let (new, rest) = rest.split_once(" newly installed")?;
    let kept = rest.rsplit_once(" and ")?.1.strip_suffix(" not upgraded.")?;
    Some((upgraded.trim().parse::<usize>().ok()? + new.trim().parse::<usize>().ok()?, kept.parse().ok()?))
}

fn dnf(visit: &Visit<'_>) -> Finding {
    let what = "Pending updates";
    let all = match visit.run(&DNF) {
        // dnf exits with 100 if there are updates.
        Ok(output) if matches!(output.code, Some(0 | 100)) => parse_dnf(&output.stdout),
        Ok(output) => {
            return Finding::could_not_check(what, format!("`{}`: {}", DNF.join(" "), output.complaint()));
        }
        Err(error) => return Finding::could_not_check(what, error),
    };
    match visit.ask(&DNF_SECURITY) {
        Ok(said) => pending(&all, &parse_dnf_security(&said), "dnf check-update", "dnf upgrade"),
        Err(problem) => Finding::could_not_check(what, problem),
    }
}

/// Lines `NAME.ARCH  VERSION  REPOSITORY`, up to the list of obsoletes.
fn parse_dnf(said: &str) -> Vec<String> {
    let lines = said.lines().take_while(|line| !line.starts_with("Obsoleting"));
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|words| words.len() == 3).map(|words| format!("{} {}", words[0], words[1])).collect()
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

fn zypper(visit: &Visit<'_>) -> Finding {
    let what = "Pending updates";
    match visit.run(&ZYPPER) {
        // 100 means that updates are needed, 101 that security updates are needed.
        Ok(output) if matches!(output.code, Some(0 | 100 | 101)) => match parse_zypper(&output.stdout) {
            Ok((all, security)) => pending(&all, &security, "zypper list-patches", "zypper patch"),
            Err(problem) => Finding::could_not_check(what, problem),
        },
        Ok(output) => {
            Finding::could_not_check(what, format!("`{}`: {}", ZYPPER.join(" "), output.complaint()))
        }
        Err(error) => Finding::could_not_check(what, error),
    }
}

/// Reads zypper's XML: one `<update name="..." kind="patch" category="security"
/// severity="important" ...>` per patch, up to `</update-list>`.
fn parse_zypper(said: &str) -> Result<(Vec<String>, Vec<String>), String> {
    if !said.contains("</stream>") || !(said.contains("</update-list>") || said.contains("<update-list/>")) {
        return Err("zypper's list of patches is incomplete".to_owned());
    }
    let (mut all, mut security) = (Vec::new(), Vec::new());
    for tag in said.split("<update ").skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag)) {
        let value = |key: &str| {
            let start = tag.find(&format!("{key}=\""))? + key.len() + 2;
            tag[start..].split('"').next()
        };
        let Some(name) = value("name") else { return Err("zypper listed a patch without a name".to_owned()) };
        let described = format!("{name} ({})", value("severity").unwrap_or("unrated"));
        if value("category") == Some("security") {
            security.push(described.clone());
        }
        all.push(described);
    }
    Ok((all, security))
}

/// Until when the release gets updates: as the release itself says, or the distribution's own table
/// (`distro-info-data`), or a person.
fn support_end(visit: &Visit<'_>) -> Finding {
    let release = visit.read("/etc/os-release").ok().flatten().unwrap_or_default();
    let value = |key: &str| {
        let mut pairs = release.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(name, _)| *name == key).map_or("", |(_, value)| value.trim_matches('"'))
    };
    let table = format!("/usr/share/distro-info/{}.csv", value("ID"));
    let listed = || {
        let text = visit.read(&table).ok()??;
        let column = text.lines().next()?.split(',').position(|name| name == "eol")?;
        let is_here = |line: &&str| line.split(',').nth(2) == Some(value("VERSION_CODENAME"));
        text.lines().find(is_here)?.split(',').nth(column).map(str::to_owned)
    };
    let (source, end) = match value("SUPPORT_END") {
        "" => (table.as_str(), listed()),
        end => ("/etc/os-release", Some(end.to_owned())),
    };
    let name = value("PRETTY_NAME");
    let end = end.and_then(|end| end.parse::<Date>().ok()).and_then(|end| end.to_zoned(TimeZone::UTC).ok());
    let Some(end) = end else {
        return Finding::manual("release", format!("Look up until when {name} gets updates"))
            .seen("/etc/os-release", name)
            .why(WHY)
            .fix(
                "Look on the distribution's page of releases. Debian and Ubuntu: install distro-info-data.",
            );
    };
    let left = end.timestamp().as_second() - visit.settings().now.as_second();
    let title = |verb: &str| format!("The regular support of {name} {verb} on {}", end.date());
    match left {
        ..0 => Finding::warn(title("ended"))
            .why("It gets no updates any more, or only from a long-term team.")
            .fix(
                "Migrate to a release that is supported, or make sure that long-term support is configured.",
            ),
        _ => Finding::pass(title("ends")),
    }
    .seen(source, end.date().to_string())
}

/// Whether a restart is due: because the distribution says so, or because a kernel newer than the
/// running one is installed.
fn restart(visit: &Visit<'_>) -> Finding {
    let mark = "/run/reboot-required";
    if visit.exists(mark) || visit.exists("/var/run/reboot-required") {
        let packages = visit.read("/run/reboot-required.pkgs").ok().flatten().unwrap_or_default();
        return due("A restart is required by installed updates").seen(mark, packages);
    }
    let running = match visit.read("/proc/sys/kernel/osrelease") {
        Ok(Some(release)) => release.trim().to_owned(),
        Ok(None) => {
            return Finding::could_not_check(
                "The running kernel",
                "/proc/sys/kernel/osrelease does not exist",
            );
        }
        Err(problem) => return Finding::could_not_check("The running kernel", problem),
    };
    let installed = match installed_kernels(visit) {
        Ok(installed) => installed,
        Err(problem) => return Finding::could_not_check("The installed kernels", problem),
    };
    let evidence = format!("running {running}, installed: {}", installed.join(", "));
    let source = "/proc/sys/kernel/osrelease, /boot, /lib/modules";
    match newest(&installed) {
        None => Finding::not_applicable(format!(
            "No kernel is installed here; {running} comes from outside (a container or a virtual machine)"
        )),
        Some(newest) if *newest == running => {
            Finding::pass(format!("The newest installed kernel is running ({running})"))
        }
        Some(_) if !installed.contains(&running) => {
            due(&format!("The running kernel {running} is not among those installed"))
        }
        Some(newest) => due(&format!("Kernel {running} is running, but {newest} is installed")),
    }
    .seen(source, evidence)
}

fn due(title: &str) -> Finding {
    Finding::fail(title).why(WHY_REBOOT).fix("Restart the server at a quiet time, before the migration.")
}

/// Versions of kernels that have both an image and modules.
fn installed_kernels(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    let images = visit.names("/boot")?;
    let modules = visit.names("/lib/modules")?;
    let images = images
        .iter()
        .filter_map(|name| name.strip_prefix("vmlinuz-").or_else(|| name.strip_prefix("vmlinux-")));
    Ok(images.filter(|version| modules.iter().any(|name| name == version)).map(str::to_owned).collect())
}

fn newest(versions: &[String]) -> Option<&String> {
    versions.iter().max_by_key(|version| version_key(version))
}

/// A key that compares versions: runs of digits as numbers, other runs as text.
fn version_key(version: &str) -> Vec<(u64, String)> {
    let mut key = Vec::new();
    let mut rest = version;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let text = tail.find(|letter: char| letter.is_ascii_digit()).unwrap_or(tail.len());
        key.push((number.parse().unwrap_or(0), tail[..text].to_owned()));
        rest = &tail[text..];
    }
    key
}
