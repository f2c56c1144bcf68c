//! What several checks ask systemd.

use super::machine::Visit;

/// The units that start at boot. They are read from the unit files, so systemd need not be running.
pub(super) fn enabled_units(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    let command = [
        "systemctl",
        "--root=/",
        "list-unit-files",
        "--state=enabled",
        "--plain",
        "--no-legend",
        "--no-pager",
    ];
    let listing = visit.ask(&command)?;
    Ok(listing.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// The names of the running programs, from `/proc/PID/comm`.
pub(super) fn running_programs(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    let pids =
        visit.names("/proc")?.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    // A process may end while it is being read.
    let mut names: Vec<String> =
        pids.filter_map(|pid| visit.read(&format!("/proc/{pid}/comm")).ok().flatten()).collect();
    if names.is_empty() {
        return Err("/proc lists no processes".to_owned());
    }
    for name in &mut names {
        name.truncate(name.trim_end().len());
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
