//! Applications on Linux: packages that own services, folders that contain programs or data by
//! convention, and volumes of containers.

use std::collections::{BTreeMap, BTreeSet};

use super::super::machine::Visit;
use super::super::table::Discovered;
use super::Discovery;

const UNIT_FOLDERS: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];
const OWNERS: [&str; 3] = ["dpkg-query", "-S", "*/systemd/system/*.service"];
const PRIORITIES: [&str; 3] = ["dpkg-query", "-W", "-f=${Package}\\t${Priority}\\n"];

/// Where services keep their data, by the beginning of the unit's name.
const KNOWN: [(&str, &str); 26] = [
    ("postgresql", "/var/lib/postgresql"),
    ("postgresql", "/var/lib/pgsql"),
    ("mysql", "/var/lib/mysql"),
    ("mariadb", "/var/lib/mysql"),
    ("mongod", "/var/lib/mongodb"),
    ("mongod", "/var/lib/mongo"),
    ("redis", "/var/lib/redis"),
    ("valkey", "/var/lib/valkey"),
    ("slapd", "/var/lib/ldap"),
    ("smbd", "/var/lib/samba"),
    ("samba", "/var/lib/samba"),
    ("nginx", "/var/www"),
    ("apache2", "/var/www"),
    ("httpd", "/var/www"),
    ("dovecot", "/var/mail"),
    ("postfix", "/var/spool/postfix"),
    ("cups", "/var/spool/cups"),
    ("named", "/var/lib/bind"),
    ("influxdb", "/var/lib/influxdb"),
    ("grafana", "/var/lib/grafana"),
    ("elasticsearch", "/var/lib/elasticsearch"),
    ("jenkins", "/var/lib/jenkins"),
    ("gitlab", "/var/opt/gitlab"),
    ("gitea", "/var/lib/gitea"),
    ("nextcloud", "/var/lib/nextcloud"),
    ("nfs-server", "/srv"),
];

/// General data folders, for data that does not belong to a package.
const GENERAL: [(&str, &str); 7] = [
    ("Users' home folders", "/home"),
    ("The administrator's home folder", "/root"),
    ("System settings", "/etc"),
    ("Web sites", "/var/www"),
    ("Mail boxes", "/var/mail"),
    ("Users' scheduled jobs", "/var/spool/cron"),
    ("Programs installed by hand", "/usr/local"),
];

/// Folders in which every entry is an application.
const COLLECTIONS: [&str; 2] = ["/opt", "/srv"];

/// Volumes of containers: the folder that contains them, and the path of the data in each.
const VOLUMES: [(&str, &str, &str); 2] = [
    ("Docker volume", "/var/lib/docker/volumes", "_data"),
    ("Podman volume", "/var/lib/containers/storage/volumes", "_data"),
];

/// Packages of the system itself. Their services keep no data that a person would plan for.
const SYSTEM: &str = "systemd dbus udev cron cronie openssh-server sudo util-linux e2fsprogs initscripts rsyslog \
    procps lvm2 mdadm chrony ntp ntpsec policykit-1 polkitd polkit udisks2 network-manager \
    NetworkManager networkmanager wpasupplicant avahi-daemon bluez unattended-upgrades apt \
    packagekit smartmontools lynis plymouth man-db logrotate dracut firewalld selinux alsa-utils \
    apparmor";

pub(super) fn discover(visit: &Visit<'_>) -> Discovery {
    let mut problems = Vec::new();
    let mut found = Vec::new();
    match packages(visit) {
        Ok(packages) => {
            for (package, units) in &packages {
                let path = data_folder(visit, package, units).unwrap_or_default();
                found.push(Discovered { name: package.clone(), path });
            }
        }
        Err(problem) => problems.push(problem),
    }
    folders(visit, &mut found, &mut problems);
    // One row per path. The application's own name takes precedence over a general one.
    let mut seen = BTreeSet::new();
    found
        .retain(|item| seen.insert(if item.path.is_empty() { item.name.clone() } else { item.path.clone() }));
    Discovery { found, problems }
}

/// Packages that own services, with the names of their units.
fn packages(visit: &Visit<'_>) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut packages = if visit.exists("/var/lib/dpkg/status") {
        dpkg(visit)?
    } else if ["/var/lib/rpm", "/usr/lib/sysimage/rpm"].iter().any(|place| visit.exists(place)) {
        rpm(visit)?
    } else {
        return Err("this machine has neither dpkg's nor rpm's database".to_owned());
    };
    packages.retain(|package, _| {
        !SYSTEM.split(' ').any(|system| package == system) && !package.starts_with("systemd-")
    });
    Ok(packages)
}

fn dpkg(visit: &Visit<'_>) -> Result<BTreeMap<String, Vec<String>>, String> {
    // Its exit code is 1 if nothing matches.
    let owners = visit.run(&OWNERS).map_err(|error| error.to_string())?.stdout;
    let priorities = visit.ask(&PRIORITIES)?;
    let basic: BTreeSet<&str> = priorities
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(_, priority)| matches!(*priority, "required" | "important" | "standard"))
        .map(|(package, _)| package)
        .collect();
    let mut packages = parse_dpkg_owners(&owners);
    packages.retain(|package, _| !basic.contains(package.as_str()));
    Ok(packages)
}

/// Lines `PACKAGE[:ARCH][, PACKAGE...]: /path/UNIT.service`.
fn parse_dpkg_owners(said: &str) -> BTreeMap<String, Vec<String>> {
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in said.lines().filter(|line| !line.starts_with("diversion ")) {
        let Some((owners, path)) = line.split_once(": ") else { continue };
        let Some(unit) = path.rsplit('/').next().and_then(|file| file.strip_suffix(".service")) else {
            continue;
        };
        for owner in owners.split(", ") {
            let package = owner.split(':').next().unwrap_or(owner).to_owned();
            packages.entry(package).or_default().push(unit.trim_end_matches('@').to_owned());
        }
    }
    packages
}

fn rpm(visit: &Visit<'_>) -> Result<BTreeMap<String, Vec<String>>, String> {
    let folder = UNIT_FOLDERS[0];
    let units: Vec<String> =
        visit.names(folder)?.into_iter().filter(|name| name.ends_with(".service")).collect();
    let places: Vec<String> = units.iter().map(|unit| format!("{folder}/{unit}")).collect();
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Batches of a few hundred stay far below the limit of a command line.
    for (units, places) in units.chunks(200).zip(places.chunks(200)) {
        let mut command = vec!["rpm", "-qf", "--qf", "%{NAME}\\n"];
        command.extend(places.iter().map(String::as_str));
        // Its exit code is the number of files that no package owns.
        let said = visit.run(&command).map_err(|error| error.to_string())?.stdout;
        let owners: Vec<&str> = said.lines().collect();
        if owners.len() != units.len() {
            return Err(format!("rpm named {} owners for {} units", owners.len(), units.len()));
        }
        for (unit, owner) in units.iter().zip(owners).filter(|(_, owner)| !owner.contains(' ')) {
            let unit = unit.trim_end_matches(".service").trim_end_matches('@').to_owned();
            packages.entry(owner.to_owned()).or_default().push(unit);
        }
    }
    Ok(packages)
}

/// Where a package's services keep their data: from [`KNOWN`], from their units, or by convention
/// below `/var/lib`.
fn data_folder(visit: &Visit<'_>, package: &str, units: &[String]) -> Option<String> {
    let known = KNOWN.iter().filter(|(start, _)| units.iter().any(|unit| unit.starts_with(start)));
    let known = known.map(|(_, path)| (*path).to_owned());
    let stated = units.iter().filter_map(|unit| state_directory(visit, unit));
    let custom = units.iter().map(String::as_str).chain([package]).map(|name| format!("/var/lib/{name}"));
    let candidates: Vec<String> = known.chain(stated).chain(custom).collect();
    candidates.into_iter().find(|path| has_entries(visit, path))
}

/// `StateDirectory=NAME` in a unit file stands for `/var/lib/NAME`.
fn state_directory(visit: &Visit<'_>, unit: &str) -> Option<String> {
    let text = UNIT_FOLDERS
        .iter()
        .find_map(|folder| visit.read(&format!("{folder}/{unit}.service")).ok().flatten())?;
    let value = text.lines().find_map(|line| line.trim().strip_prefix("StateDirectory="))?;
    let first = value.split_whitespace().next()?;
    (!first.contains('%')).then(|| format!("/var/lib/{first}"))
}

fn has_entries(visit: &Visit<'_>, path: &str) -> bool {
    // A folder that cannot be listed exists and may contain data.
    visit.names(path).map_or(true, |names| !names.is_empty())
}

/// Folders that contain applications or data by convention. What this user may not list is a
/// problem: applications may be hidden in it.
fn folders(visit: &Visit<'_>, found: &mut Vec<Discovered>, problems: &mut Vec<String>) {
    let mut names = |folder: &str| {
        visit.names(folder).unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        })
    };
    for collection in COLLECTIONS {
        let of = |name: String| Discovered { path: format!("{collection}/{name}"), name };
        found.extend(names(collection).into_iter().map(of));
    }
    for (kind, folder, data) in VOLUMES {
        for name in names(folder) {
            let path = format!("{folder}/{name}/{data}");
            if visit.exists(&path) {
                found.push(Discovered { name: format!("{kind} {name}"), path });
            }
        }
    }
    for (name, path) in GENERAL {
        if has_entries(visit, path) {
            found.push(Discovered { name: name.to_owned(), path: path.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Os;
    use super::super::super::machine::tests::recorded;
    use super::*;

    const OWNED: &str = include_str!("../../../tests/data/checklist/dpkg-owners.txt");
    const PRIORITY: &str = "openvpn\\toptional\\ncron\\timportant\\n";

    fn names(discovery: &Discovery) -> Vec<(&str, &str)> {
        discovery.found.iter().map(|item| (item.name.as_str(), item.path.as_str())).collect()
    }

    #[test]
    fn packages_that_own_services_are_found_with_their_data() {
        let priority = PRIORITY.replace("\\t", "\t").replace("\\n", "\n");
        let machine = recorded(Os::Linux, &[("dpkg-query -S", OWNED), ("dpkg-query -W", &priority)])
            .file("/var/lib/dpkg/status", "")
            .file("/var/lib/postgresql/15/main/PG_VERSION", "15")
            .file("/lib/systemd/system/redis-server.service", "[Service]\nStateDirectory=redis-own\n")
            .file("/var/lib/redis-own/dump.rdb", "x");
        let discovery = discover(&machine.visit());
        assert!(discovery.problems.is_empty(), "{:?}", discovery.problems);
        let found = names(&discovery);
        assert!(found.contains(&("postgresql-common", "/var/lib/postgresql")), "{found:?}");
        assert!(found.contains(&("redis-server", "/var/lib/redis-own")), "{found:?}");
        assert!(found.contains(&("openvpn", "")), "{found:?}");
        assert!(!found.iter().any(|(name, _)| matches!(*name, "cron" | "systemd" | "dbus")), "{found:?}");
    }

    #[test]
    fn conventional_folders_and_volumes_are_found_and_each_path_is_listed_once() {
        let machine = recorded(Os::Linux, &[("dpkg-query", "")])
            .file("/var/lib/dpkg/status", "")
            .file("/opt/erp/bin/erp", "")
            .file("/srv/share/x", "")
            .file("/var/lib/docker/volumes/db/_data/x", "")
            .file("/home/ann/x", "");
        let discovery = discover(&machine.visit());
        let expected = [
            ("erp", "/opt/erp"),
            ("share", "/srv/share"),
            ("Docker volume db", "/var/lib/docker/volumes/db/_data"),
            ("Users' home folders", "/home"),
        ];
        assert_eq!(names(&discovery), expected);
    }

    #[test]
    fn rpm_names_one_owner_for_each_unit() {
        let said = "nginx\nfile /usr/lib/systemd/system/own.service is not owned by any package\n";
        let machine = recorded(Os::Linux, &[("rpm -qf", said)])
            .file("/var/lib/rpm/rpmdb.sqlite", "")
            .file("/usr/lib/systemd/system/nginx.service", "")
            .file("/usr/lib/systemd/system/own.service", "")
            .file("/var/www/html/index.html", "");
        let discovery = discover(&machine.visit());
        assert_eq!(names(&discovery), [("nginx", "/var/www")]);
    }

    #[test]
    fn without_a_package_database_the_rest_is_still_found_and_the_problem_is_reported() {
        let machine = recorded(Os::Linux, &[]).file("/srv/a/x", "");
        let discovery = discover(&machine.visit());
        assert_eq!((discovery.found.len(), discovery.problems.len()), (1, 1));
    }
}
