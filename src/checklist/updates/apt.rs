//! apt: it is asked to simulate an upgrade from its own lists, which must be there, current, and
//! those of the security archive among them.

use jiff::fmt::rfc2822;

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::several;
use super::{WHY, judge_age, os_release, pending};

/// So that apt writes neither its caches nor a log of what it planned.
macro_rules! reading {
    ($program:literal $(, $word:literal)*) => {
        [$program, "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o",
         "Dir::Log::Planner=/dev/null", "-o", "Debug::NoLocking=true" $(, $word)*]
    };
}
const UPGRADE: [&str; 12] = reading!("apt-get", "-s", "--ignore-hold", "dist-upgrade");
const LISTS: [&str; 13] = reading!(
    "apt-get",
    "indextargets",
    "--format",
    "$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(LABEL)|$(SITE)|$(FILENAME)",
    "Created-By: Packages"
);
const POLICY: [&str; 10] = reading!("apt-cache", "policy");
const HELD: [&str; 2] = ["apt-mark", "showhold"];
const AUDIT: [&str; 2] = ["dpkg", "--audit"];
const FIX: &str = "apt-get dist-upgrade";
/// A package from a source of a lower priority never takes the place of one from a usual source.
const USUAL_PRIORITY: i64 = 500;

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    let lists = lists(visit);
    vec![updates(visit, &lists), held(visit), half_installed(visit), security_archive(visit, &lists)]
}

/// A list of packages that apt is configured to read.
struct List {
    release: String,
    codename: String,
    component: String,
    label: String,
    site: String,
    file: String,
}

impl List {
    /// Whether it is of updates for security: `bookworm-security` of Debian, `jammy-security` of
    /// Ubuntu. The site's name says nothing: anybody may have `security` in it.
    fn is_security(&self) -> bool {
        self.label == "Debian-Security" || self.release.ends_with("-security")
    }

    fn named(&self) -> String {
        format!("{} {} {}", self.site, self.release, self.component)
    }
}

/// The lists of those sources that apt has read at least once.
fn lists(visit: &Visit<'_>) -> Result<Vec<List>, String> {
    let said = visit.ask(&LISTS)?;
    let mut lists = Vec::new();
    for line in said.lines() {
        let fields: Vec<String> = line.split('|').map(str::to_owned).collect();
        let Ok([release, codename, component, label, site, file]) = <[String; 6]>::try_from(fields) else {
            return Err(format!("apt-get named no list of packages: {line}"));
        };
        if !file.starts_with('/') {
            return Err(format!("apt-get named no list of packages: {line}"));
        }
        lists.push(List { release, codename, component, label, site, file });
    }
    if lists.is_empty() {
        return Err("apt has no list of packages: `apt-get update` never succeeded".to_owned());
    }
    Ok(lists)
}

/// What apt would install, held packages included: a package on hold still lacks its update.
fn updates(visit: &Visit<'_>, lists: &Result<Vec<List>, String>) -> Finding {
    let what = "Pending updates";
    let lists = match lists {
        Ok(lists) => lists,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let missing: Vec<String> =
        lists.iter().filter(|list| !visit.exists(&list.file)).map(List::named).collect();
    if !missing.is_empty() {
        let problem =
            format!("apt has no list of {}: it was never read, or could not be", missing.join(", "));
        return Finding::could_not_check(what, problem)
            .seen(LISTS.join(" "), missing.join("\n"))
            .fix("apt-get update, and read what it complains about");
    }
    let (mut all, mut security, kept) = match visit.ask(&UPGRADE).and_then(|said| parse(&said)) {
        Ok(found) => found,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    if !kept.is_empty() {
        let command: Vec<&str> = POLICY.into_iter().chain(kept.iter().map(String::as_str)).collect();
        match visit.ask(&command).and_then(|said| of_security(&said, &kept)) {
            Ok(found) => security.extend(found.iter().map(|name| format!("{name} (kept back)"))),
            Err(problem) => {
                let what = format!("{} that apt keeps back", several(kept.len(), "package"));
                return Finding::could_not_check(&what, problem).seen(UPGRADE.join(" "), kept.join("\n"));
            }
        }
        all.extend(kept.iter().map(|name| format!("{name} (kept back)")));
    }
    pending(&all, &security, &UPGRADE.join(" "), FIX)
}

/// What apt's simulation would install, which of that are security updates, and what it keeps back.
type Simulated = (Vec<String>, Vec<String>, Vec<String>);

/// Reads apt's simulation: `Inst NAME [OLD] (NEW ORIGIN:SUITE, ... [ARCH])`. The security archives
/// of Debian and Ubuntu have `security` in their name. If there are fewer lines or names than the
/// summary line announces, the output is cut short.
fn parse(said: &str) -> Result<Simulated, String> {
    let (announced, left) = said.lines().find_map(announced).ok_or("apt-get's simulation gives no count")?;
    let (mut all, mut security) = (Vec::new(), Vec::new());
    for line in said.lines().filter_map(|line| line.strip_prefix("Inst ")) {
        let (Some(name), Some((_, origin))) = (line.split_whitespace().next(), line.split_once('(')) else {
            return Err(format!("apt-get printed an unexpected line: {line}"));
        };
        let described = format!("{name} {}", origin.split_whitespace().next().unwrap_or_default());
        if origin.to_ascii_lowercase().contains("security") {
            security.push(described.clone());
        }
        all.push(described);
    }
    // `The following packages have been kept back:`, and `... deferred due to phasing:`.
    let is_head = |line: &str| line.ends_with("kept back:") || line.ends_with("phasing:");
    let mut kept: Vec<String> = Vec::new();
    let mut is_kept = false;
    for line in said.lines() {
        if line.starts_with(' ') && is_kept {
            kept.extend(line.split_whitespace().map(str::to_owned));
        } else {
            is_kept = is_head(line);
        }
    }
    kept.sort_unstable();
    kept.dedup();
    if all.len() != announced || kept.len() != left {
        return Err("apt-get's simulation is cut short".to_owned());
    }
    Ok((all, security, kept))
}

/// What this summary line announces: `A upgraded, B newly installed, C to remove and D not
/// upgraded.` are A + B lines, and D packages that are kept back.
fn announced(line: &str) -> Option<(usize, usize)> {
    let (upgraded, rest) = line.split_once(" upgraded, ")?;
    let (new, rest) = rest.split_once(" newly installed")?;
    let kept = rest.rsplit_once(" and ")?.1.strip_suffix(" not upgraded.")?;
    Some((upgraded.trim().parse::<usize>().ok()? + new.trim().parse::<usize>().ok()?, kept.parse().ok()?))
}

/// Those of the packages of which a security archive has a version above the installed one. `***`
/// marks that one in `apt-cache policy NAME...`, which lists the newest first.
fn of_security<'a>(said: &str, names: &'a [String]) -> Result<Vec<&'a String>, String> {
    let mut found = Vec::new();
    for name in names {
        let mut lines = said.lines().skip_while(|line| line.strip_suffix(':') != Some(name)).skip(1);
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.starts_with(' ')).collect();
        let newer = block.iter().position(|line| line.starts_with(" ***"));
        let newer = newer.and_then(|end| block.get(..end));
        let newer = newer.ok_or_else(|| format!("apt-cache tells no installed version of {name}"))?;
        if newer.iter().any(|line| line.contains("-security/")) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Packages that a person has put on hold.
fn held(visit: &Visit<'_>) -> Finding {
    let what = "Packages on hold";
    let said = match visit.run(&HELD) {
        Ok(output) if output.succeeded() && output.stderr.trim().is_empty() => output.stdout,
        Ok(output) => return Finding::could_not_check(what, output.complaint()),
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let names: Vec<&str> = said.split_whitespace().collect();
    if names.is_empty() {
        return Finding::pass("No package is on hold").seen(HELD.join(" "), "none");
    }
    Finding::warn(format!("Packages on hold, which get no updates: {}", names.join(", ")))
        .seen(HELD.join(" "), &said)
        .why(WHY)
        .fix(format!("apt-mark unhold {}", names.join(" ")))
}

/// Packages whose installation was interrupted or failed. `dpkg --audit` prints nothing else.
fn half_installed(visit: &Visit<'_>) -> Finding {
    match visit.ask(&AUDIT) {
        Err(problem) => Finding::could_not_check("Packages that are installed only in part", problem),
        Ok(said) if said.trim().is_empty() => {
            Finding::pass("Every package is installed completely").seen(AUDIT.join(" "), "nothing")
        }
        Ok(said) => Finding::fail("Packages are installed only in part")
            .seen(AUDIT.join(" "), &said)
            .why("Their programs may be old, broken or not set up, and apt installs no updates before that is mended.")
            .fix("dpkg --configure -a, then apt-get -f install"),
    }
}

/// Whether the security archive of this release is among the sources, how old its list is, and
/// whether apt may install from it. The archive dates the list, so a failed update does not make it
/// look new.
fn security_archive(visit: &Visit<'_>, lists: &Result<Vec<List>, String>) -> Finding {
    let what = "The lists of the security archive";
    let lists = match lists {
        Ok(lists) => lists,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let source = LISTS.join(" ");
    let release = os_release(visit);
    // A derivative names the release of Debian or Ubuntu that it is made of.
    let keys = ["VERSION_CODENAME", "UBUNTU_CODENAME", "DEBIAN_CODENAME"];
    let codenames: Vec<&str> = keys.iter().filter_map(|key| release.get(*key)).map(String::as_str).collect();
    let is_it = |list: &&List| {
        let codename = list.codename.split(['-', '/']).next().unwrap_or_default();
        list.is_security() && list.component == "main" && codenames.contains(&codename)
    };
    let Some(list) = lists.iter().find(is_it) else {
        let sources: Vec<String> = lists.iter().map(List::named).collect();
        let title = format!("No list of the security archive (main) of {} was read", codenames.join(", "));
        return Finding::fail(title).seen(source, sources.join("\n")).why(WHY).fix(
            "Add it to /etc/apt/sources.list if it is not there (RELEASE-security main), then: apt-get update",
        );
    };
    match visit.ask(&POLICY).and_then(|said| priority(&said, list)) {
        Err(problem) => return Finding::could_not_check(what, problem),
        Ok(low @ ..USUAL_PRIORITY) => {
            return Finding::fail(format!(
                "apt may not update from the security archive: its priority is {low}"
            ))
            .seen(POLICY.join(" "), list.named())
            .why(WHY)
            .fix("Remove the pin from /etc/apt/preferences.d, then: apt-get dist-upgrade");
        }
        Ok(_) => {}
    }
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

/// The priority of a list: `500 http://deb.debian.org/debian bookworm/main amd64 Packages`.
fn priority(said: &str, list: &List) -> Result<i64, String> {
    let suite = format!("{}/{}", list.release, list.component);
    let found = said.lines().find_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [priority, site, place, ..] if site == list.site && place == suite => priority.parse().ok(),
        _ => None,
    });
    found.ok_or_else(|| format!("apt-cache tells no priority of {}", list.named()))
}
