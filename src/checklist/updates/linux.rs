//! Updates on Linux: apt, dnf or zypper is asked what it would update by its own lists, which are
//! not refreshed. How old these are is a separate finding. So are the end of the release's support,
//! and a restart that is due.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::{WHY, WHY_REBOOT, apt, os_release, rpm};
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    let mut findings = if visit.exists("/etc/apt") {
        apt::look(visit)
    } else if visit.exists("/etc/zypp") {
        rpm::zypper(visit)
    } else if visit.exists("/etc/dnf") || visit.exists("/etc/yum.conf") {
        rpm::dnf(visit)
    } else {
        vec![Finding::could_not_check("Pending updates", "this machine uses neither apt, dnf nor zypper")]
    };
    findings.push(support_end(visit));
    findings.push(restart(visit));
    findings
}

/// Until when the release gets updates: as the release itself says, or the distribution's own table
/// (`distro-info-data`), or a person.
fn support_end(visit: &Visit<'_>) -> Finding {
    let release = os_release(visit);
    let value = |key: &str| release.get(key).map_or("", String::as_str);
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

/// Whether a restart is due: because the distribution says so, or because a newer kernel than the
/// running one is installed. Libraries that running programs still use in their old version are
/// not looked for.
fn restart(visit: &Visit<'_>) -> Finding {
    let marks = ["/run/reboot-required", "/var/run/reboot-required", "/run/reboot-needed"];
    if let Some(mark) = marks.into_iter().find(|mark| visit.exists(mark)) {
        let packages = visit.read("/run/reboot-required.pkgs").ok().flatten().unwrap_or_default();
        return due("A restart is required by installed updates").seen(mark, packages);
    }
    kernel(visit).unwrap_or_else(|problem| Finding::could_not_check("The running kernel", problem))
}

fn kernel(visit: &Visit<'_>) -> Result<Finding, String> {
    let place = "/proc/sys/kernel/osrelease";
    let running = visit.read(place)?.ok_or_else(|| format!("{place} does not exist"))?;
    let running = running.trim();
    let installed = installed_kernels(visit)?;
    let source = "/proc/sys/kernel/osrelease, /boot, /lib/modules";
    let evidence = format!("running {running}, installed: {}", installed.join(", "));
    let of_its_flavour = installed.iter().filter(|version| flavour(version) == flavour(running));
    let finding = match of_its_flavour.max_by_key(|version| version_key(version)) {
        None if installed.is_empty() && visit.names("/lib/modules")?.is_empty() => {
            Finding::not_applicable(format!(
                "No kernel is installed here; {running} comes from outside (a container or a virtual machine)"
            ))
        }
        None if installed.is_empty() => {
            return Err("its image is not where bkverify looks for it; compare `uname -r` by hand".to_owned());
        }
        Some(newest) if *newest != running && installed.iter().any(|version| version == running) => {
            due(&format!("Kernel {running} is running, but {newest} is installed"))
        }
        Some(newest) if *newest == running => match rebuilt(visit, running)? {
            Some(version) => {
                due(&format!("Another build of the kernel {running} is installed than runs: {version}"))
            }
            None => Finding::pass(format!("The newest installed kernel is running ({running})")),
        },
        _ => due(&format!("The running kernel {running} is not among those installed")),
    };
    Ok(finding.seen(source, evidence))
}

/// The version of the installed package of the running kernel, if another build of it runs. Debian
/// keeps the kernel's name over updates, and writes the package's version into the kernel.
fn rebuilt(visit: &Visit<'_>, running: &str) -> Result<Option<String>, String> {
    let built = visit.read("/proc/version")?.unwrap_or_default();
    let Some((_, built)) = built.split_once(" Debian ") else { return Ok(None) };
    let built = built.split_whitespace().next().unwrap_or_default();
    let package = format!("linux-image-{running}");
    let version = visit.ask(&["dpkg-query", "-W", "-f", "${Version}", &package])?;
    Ok((version.trim() != built).then(|| version.trim().to_owned()))
}

fn due(title: &str) -> Finding {
    Finding::fail(title).why(WHY_REBOOT).fix("Restart the server at a quiet time, before the migration.")
}

/// Versions of kernels that have both an image and modules.
fn installed_kernels(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    let images = visit.names("/boot")?;
    let modules = visit.names("/lib/modules")?;
    let is_here = |version: &String| {
        ["vmlinuz", "vmlinux"].iter().any(|kind| images.contains(&format!("{kind}-{version}")))
    };
    Ok(modules.into_iter().filter(is_here).collect())
}

/// What a kernel is built for, such as `cloud-amd64`: the parts of its name that are no number. A
/// newer kernel for something else does not replace it.
fn flavour(version: &str) -> Vec<&str> {
    version.split('-').filter(|part| !part.starts_with(|letter: char| letter.is_ascii_digit())).collect()
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
    use super::super::super::Os;
    use super::super::super::Status::{self, CouldNotCheck, Fail, NotApplicable, Pass};
    use super::super::super::machine::tests::recorded;
    use super::*;

    /// Whether a restart is due on a machine where this kernel runs, with these files, and with
    /// this version of the running kernel's package.
    fn with(running: &str, files: &[&str], package: &str) -> Status {
        let mut machine = recorded(Os::Linux, &[("dpkg-query -W", package)])
            .file("/proc/sys/kernel/osrelease", running)
            .file("/proc/version", "Linux version x (gcc) #1 SMP Debian 6.1.140-1 (2025-05-22)");
        for file in files {
            machine = machine.file(file, "");
        }
        restart(&machine.visit()).status
    }

    const HERE: [&str; 2] = ["/boot/vmlinuz-6.1.0-37-amd64", "/lib/modules/6.1.0-37-amd64/x"];

    #[test]
    fn a_newer_kernel_of_the_same_flavour_asks_for_a_restart() {
        let also = |files: [&'static str; 2]| with("6.1.0-37-amd64", &[HERE, files].concat(), "6.1.140-1");
        assert_eq!(with("6.1.0-37-amd64", &HERE, "6.1.140-1"), Pass);
        assert_eq!(also(["/boot/vmlinuz-6.1.0-40-amd64", "/lib/modules/6.1.0-40-amd64/x"]), Fail);
        assert_eq!(also(["/boot/vmlinuz-6.1.0-40-rt-amd64", "/lib/modules/6.1.0-40-rt-amd64/x"]), Pass);
        assert_eq!(also(["/boot/vmlinuz-6.1.0-9-amd64", "/lib/modules/6.1.0-9-amd64/x"]), Pass, "older");
        assert_eq!(with("6.1.0-36-amd64", &HERE, "6.1.140-1"), Fail, "it is gone");
    }

    #[test]
    fn another_build_of_the_running_kernel_and_the_mark_of_suse_ask_for_a_restart() {
        assert_eq!(with("6.1.0-37-amd64", &HERE, "6.1.147-1"), Fail);
        assert_eq!(with("6.1.0-37-amd64", &HERE, "!1 no packages found"), CouldNotCheck);
        assert_eq!(with("6.1.0-37-amd64", &[HERE[0], HERE[1], "/run/reboot-needed"], "6.1.140-1"), Fail);
    }

    #[test]
    fn a_kernel_in_another_place_is_unknown_and_none_at_all_is_a_container() {
        assert_eq!(with("9.9.9", &["/lib/modules/9.9.9/vmlinuz"], ""), CouldNotCheck);
        assert_eq!(with("9.9.9", &[], ""), NotApplicable);
    }
}
