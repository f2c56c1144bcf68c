//! Package managers on Linux: apt, dnf, zypper. Each is asked to simulate an update from its own
//! cached lists, so that nothing on the machine changes. The age of those lists is a separate
//! finding.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::machine::duration_words;
use super::{WHY_REBOOT, pending};

const DAY: i64 = 86_400;
/// Lists older than this, in seconds, do not know all pending updates.
const LISTS_AGE: i64 = 7 * DAY;
const APT: [&str; 5] = ["apt-get", "-s", "-o", "Debug::NoLocking=true", "dist-upgrade"];
const DNF: [&str; 4] = ["dnf", "-q", "-C", "check-update"];
const DNF_SECURITY: [&str; 6] = ["dnf", "-q", "-C", "updateinfo", "list", "security"];
const ZYPPER: [&str; 5] = ["zypper", "--non-interactive", "--no-refresh", "--xmlout", "list-patches"];

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    let mut findings = if visit.exists("/etc/apt") {
        vec![
            apt(visit),
            lists_age(visit, &["/var/lib/apt/lists", "/var/cache/apt/pkgcache.bin"], "apt-get update"),
        ]
    } else if visit.exists("/etc/zypp") {
        vec![zypper(visit), lists_age(visit, &["/var/cache/zypp/solv"], "zypper refresh")]
    } else if visit.exists("/etc/dnf") || visit.exists("/etc/yum.conf") {
        vec![dnf(visit), lists_age(visit, &["/var/cache/dnf", "/var/cache/libdnf5"], "dnf makecache")]
    } else {
        vec![Finding::could_not_check("Pending updates", "this machine uses neither apt, dnf nor zypper")]
    };
    findings.push(restart(visit));
    findings
}

/// The age of the package lists: the newest modification time of the given paths.
fn lists_age(visit: &Visit<'_>, places: &[&str], refresh: &str) -> Finding {
    let newest = places.iter().filter_map(|place| Some((visit.age(place)?, *place))).min();
    let Some((age, place)) = newest else {
        return Finding::could_not_check(
            "How current the package lists are",
            format!("{} does not exist", places[0]),
        )
        .fix(refresh);
    };
    let title = format!("The package lists were refreshed {} ago", duration_words(age));
    if age <= LISTS_AGE {
        return Finding::pass(title).seen(place, "by its modification time");
    }
    Finding::warn(title)
        .seen(place, "by its modification time")
        .why("Old lists lack the newest updates.")
        .fix(refresh)
        .command(&refresh.split(' ').collect::<Vec<_>>())
}

fn apt(visit: &Visit<'_>) -> Finding {
    match visit.ask(&APT) {
        Ok(said) => match parse_apt(&said) {
            Ok((all, security)) => {
                pending(&all, &security, "apt-get -s dist-upgrade", "apt-get dist-upgrade")
            }
            Err(problem) => Finding::could_not_check("Pending updates", problem),
        },
        Err(problem) => Finding::could_not_check("Pending updates", problem),
    }
}

/// Reads apt's simulation: `Inst NAME [OLD] (NEW ORIGIN:SUITE, ... [ARCH])`. The security archives
/// of Debian and Ubuntu have `security` in their name. If there are fewer lines than the summary
/// line announces, the output is cut short.
fn parse_apt(said: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let announced = said.lines().find_map(announced_by_apt).ok_or("apt-get's simulation gives no count")?;
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
    if all.len() == announced {
        Ok((all, security))
    } else {
        Err("apt-get's simulation is cut short".to_owned())
    }
}

/// The number of `Inst` lines that this summary line announces: `A upgraded, B newly installed, C
/// to remove and D not upgraded.` announces A + B.
fn announced_by_apt(line: &str) -> Option<usize> {
    let (upgraded, rest) = line.split_once(" upgraded, ")?;
    let new = rest.split_once(" newly installed")?.0;
    Some(upgraded.trim().parse::<usize>().ok()? + new.trim().parse::<usize>().ok()?)
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

#[cfg(test)]
mod tests {
    use super::super::super::machine::tests::recorded;
    use super::super::super::{Os, Status};
    use super::*;

    const APT_PENDING: &str = include_str!("../../../tests/data/checklist/linux/apt-pending.txt");
    const ZYPPER: &str = include_str!("../../../tests/data/checklist/linux/zypper-patches.xml");

    #[test]
    fn apt_lists_pending_updates_and_the_security_updates_among_them() {
        let (all, security) = parse_apt(APT_PENDING).unwrap();
        assert_eq!(all.len(), 4);
        assert_eq!(security, ["libgcrypt20 1.10.1-3+deb12u1", "zip 3.0-13+deb12u1"]);
        let none =
            "Reading package lists...\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n";
        assert_eq!(parse_apt(none), Ok((vec![], vec![])));
        assert!(parse_apt(&APT_PENDING[..300]).is_err(), "cut short");
        assert!(parse_apt("").is_err());
    }

    #[test]
    fn dnf_is_read_in_both_of_its_forms() {
        let all = parse_dnf("\nkernel.x86_64   5.14.0-503.el9   baseos\nObsoleting Packages\na.x 1 b\n");
        assert_eq!(all, ["kernel.x86_64 5.14.0-503.el9"]);
        let four = "RHSA-2024:1 Important/Sec. kernel-5.14.0-503.x86_64\nRHBA-2024:2 bugfix  x-1.x86_64\n";
        assert_eq!(parse_dnf_security(four), ["kernel-5.14.0-503.x86_64 (RHSA-2024:1, Important/Sec.)"]);
        let five =
            "Name Type Severity Package Issued\nFEDORA-1 security Moderate x-1.x86_64 2024-01-01 00:00:00\n";
        assert_eq!(parse_dnf_security(five), ["x-1.x86_64 (FEDORA-1, Moderate)"]);
    }

    #[test]
    fn zypper_counts_patches_by_category_and_a_cut_list_is_an_error() {
        let (all, security) = parse_zypper(ZYPPER).unwrap();
        assert_eq!((all.len(), security.len()), (2, 1));
        assert!(parse_zypper(&ZYPPER[..300]).is_err());
    }

    #[test]
    fn an_installed_kernel_newer_than_the_running_one_needs_a_restart() {
        let with = |running: &str| {
            let mut made = recorded(Os::Linux, &[]).file("/proc/sys/kernel/osrelease", running);
            for version in ["6.1.0-9-amd64", "6.1.0-10-amd64"] {
                made = made
                    .file(&format!("/boot/vmlinuz-{version}"), "")
                    .file(&format!("/lib/modules/{version}/x"), "");
            }
            restart(&made.visit())
        };
        assert_eq!(with("6.1.0-10-amd64\n").status, Status::Pass);
        assert_eq!(with("6.1.0-9-amd64\n").status, Status::Fail);
        assert_eq!(with("6.1.0-8-amd64\n").status, Status::Fail);
        let why = with("6.1.0-8-amd64\n").why.unwrap_or_default();
        assert!(why.starts_with("Until the restart"), "the reason is that of a restart: {why}");
        let outside = recorded(Os::Linux, &[]).file("/proc/sys/kernel/osrelease", "6.18");
        assert_eq!(restart(&outside.visit()).status, Status::NotApplicable);
        assert_eq!(restart(&outside.file("/run/reboot-required", "").visit()).status, Status::Fail);
    }

    #[test]
    fn a_locked_or_hung_package_manager_is_unknown() {
        for answer in ["!100 E: Could not open lock file", "!timeout", "garbage"] {
            let machine = recorded(Os::Linux, &[("apt-get", answer)]).file("/etc/apt/sources.list", "");
            assert_eq!(look(&machine.visit())[0].status, Status::CouldNotCheck, "{answer}");
        }
    }
}
