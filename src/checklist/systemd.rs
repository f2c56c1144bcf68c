//! What several checks ask systemd, or read of it.

use super::machine::Visit;

/// Where links say which units start: those of the administrator, of packages, and of generators,
/// which make units from other programs' settings at boot.
const FOLDERS: [&str; 6] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator",
    "/run/systemd/generator.late",
];
/// [`FOLDERS`] for evidence.
pub(super) const WANTS: &str = "/etc/systemd/system/*.wants, and those of packages and generators";

/// The units that other units start, instances (`wg-quick@wg0.service`) included: `systemctl
/// list-unit-files` does not show those. Masked units are left out. An empty list is an error,
/// because every system has some.
pub(super) fn enabled_units(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    let mut units = Vec::new();
    for folder in FOLDERS {
        let names = visit.names(folder)?;
        for wants in names.iter().filter(|name| name.ends_with(".wants") || name.ends_with(".requires")) {
            units.extend(visit.names(&format!("{folder}/{wants}"))?);
        }
    }
    let is_masked = |unit: &String| {
        let link = visit.place(&format!("{}/{unit}", FOLDERS[0])).read_link();
        link.is_ok_and(|target| target.as_os_str() == "/dev/null")
    };
    units.retain(|unit| !is_masked(unit));
    units.sort_unstable();
    units.dedup();
    if units.is_empty() {
        return Err("no unit of systemd is enabled at all".to_owned());
    }
    Ok(units)
}

/// The names of the running programs, from `/proc/PID/comm`.
pub(super) fn running_programs(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    // With `hidepid`, a user sees only programs of his own.
    if !visit.read("/proc/1/comm").is_ok_and(|name| name.is_some()) {
        return Err("this user may not see every program that is running; run as root".to_owned());
    }
    let pids =
        visit.names("/proc")?.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    // A process may end while it is being read.
    let mut names: Vec<String> =
        pids.filter_map(|pid| visit.read(&format!("/proc/{pid}/comm")).ok().flatten()).collect();
    for name in &mut names {
        name.truncate(name.trim_end().len());
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
