//! VPNs on Linux: tunnels that are up, programs that run, and what starts at the next boot.

use super::super::findings::Finding;
use super::super::links::{self, Link};
use super::super::machine::Visit;
use super::super::phrases::several;
use super::super::systemd::{WANTS, enabled_units, running_programs};
use super::WHY;

/// Programs, by the first 15 characters of their names, as the kernel stores them.
const PROGRAMS: &str = "openvpn openvpn3-servic charon charon-systemd charon-nm starter pluto iked racoon \
    pppd pptpd pptp xl2tpd openconnect ocserv ocserv-main openfortivpn vpnc tailscaled zerotier-one \
    wireguard-go boringtun netbird nebula tincd edge supernode fastd warp-svc vpnagentd vpnserver vpnclient \
    vpnbridge sshuttle nordvpnd mullvad-daemon expressvpnd fctsched PanGPS snx netExtender";
/// The beginnings of the names of units.
const UNITS: &str = "wg-quick@ openvpn strongswan ipsec iked racoon pptpd xl2tpd ocserv openconnect \
    openfortivpn tailscaled zerotier-one vpnc vpnserver vpnclient vpnagentd softether netbird nebula tinc n2n \
    edge@ supernode fastd warp-svc sshuttle nordvpnd mullvad-daemon expressvpn forticlient pangps snx";
/// What names a VPN in the settings of the network and of programs that start others.
const WORDS: &str = "wireguard wg-quick openvpn openconnect openfortivpn vpnc tincd tailscale zerotier pppd";
/// Files with such settings, or folders of files.
const SETTINGS: [&str; 8] = [
    "/etc/netplan",
    "/etc/network/interfaces",
    "/etc/network/interfaces.d",
    "/etc/rc.local",
    "/etc/crontab",
    "/etc/cron.d",
    "/var/spool/cron/crontabs",
    "/var/spool/cron/tabs",
];
/// Kinds of links that are tunnels. Those that connect containers (`vxlan`, `geneve`) are not among
/// them.
const TUNNELS: &str = "wireguard ppp vti vti6 xfrm l2tp ovpn gre gretap ip6gre ip6gretap ipip ip6tnl sit";
/// Where systemd-networkd looks for links to make. netplan writes to the second.
const NETDEVS: [&str; 4] = [
    "/etc/systemd/network",
    "/run/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
];

/// Debian's unit that starts what `/etc/default/openvpn` names, and is enabled even where there is
/// nothing to start.
const DEBIAN_OPENVPN: &str = "openvpn.service";
/// The same for tinc, whose networks are instances of another unit.
const DEBIAN_TINC: &str = "tinc.service";
const CONNECTIONS: [&str; 3] = [
    "/etc/NetworkManager/system-connections",
    "/run/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
];

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    let mut findings = vec![links(visit), programs(visit), units(visit)];
    findings.extend(settings(visit));
    findings.extend(connections(visit));
    findings
}

/// The finding for what was found of one kind, out of everything that was looked at.
fn judge(what: &str, found: Result<(Vec<String>, String), String>, source: &str, fix: &str) -> Finding {
    let (found, all) = match found {
        Ok(found) => found,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    if found.is_empty() {
        return Finding::pass(format!("{what}: none that is known")).seen(source, format!("none of {all}"));
    }
    let title = format!("{what}: {}", found.join(", "));
    Finding::fail(title).seen(source, found.join("\n")).why(WHY).fix(fix)
}

fn links(visit: &Visit<'_>) -> Finding {
    let found = links::links(visit).map(|links| {
        let up = links.iter().filter(|link| link.has("UP"));
        let named = |link: &Link| Some(format!("{} ({})", link.ifname, tunnel_kind(link)?));
        (up.filter_map(named).collect(), several(links.len(), "link"))
    });
    let fix = "Stop the service that made it (`wg-quick down NAME`, `systemctl stop openvpn@NAME`), or: `ip link set NAME down`.";
    judge("VPN links that are up", found, links::SOURCE, fix)
}

/// What kind of VPN a link is, if it is one. A tap link often is an Ethernet port of a virtual
/// machine, so it counts only if it has the name of a VPN or an address of its own.
fn tunnel_kind(link: &Link) -> Option<&str> {
    let has_address = link.addr_info.iter().any(|address| address.scope.as_deref() == Some("global"));
    match (link.kind().unwrap_or_default(), link.subtype()) {
        ("tun", Some("tap")) => {
            let is_named = ["tap", "vpn"].iter().any(|start| link.ifname.starts_with(start));
            (is_named || has_address).then_some("tap")
        }
        ("tun", _) => Some("tun"),
        (kind, _) if TUNNELS.split_whitespace().any(|known| known == kind) => Some(kind),
        _ => (link.link_type == "ppp").then_some("ppp"),
    }
}

fn programs(visit: &Visit<'_>) -> Finding {
    let found = running_programs(visit).map(|running| {
        let known = PROGRAMS.split_whitespace().filter(|program| running.iter().any(|name| name == program));
        (known.map(str::to_owned).collect(), several(running.len(), "running program"))
    });
    let fix = "Stop and disable its service: `systemctl disable --now UNIT`.";
    judge("VPN programs that are running", found, "/proc/*/comm", fix)
}

fn units(visit: &Visit<'_>) -> Finding {
    let what = "VPN services that start at boot";
    let [enabled, by_openvpn, netdevs] = match all_units(visit) {
        Ok(found) => found,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    // A template (`name@.service`) does not start anything by itself.
    let is_vpn = |unit: &&String| {
        UNITS.split_whitespace().any(|start| unit.starts_with(start))
            && !unit.contains("@.")
            && ![DEBIAN_OPENVPN, DEBIAN_TINC].contains(&unit.as_str())
    };
    let services: Vec<String> = enabled.iter().filter(is_vpn).cloned().collect();
    let mut advice = Vec::new();
    if !services.is_empty() {
        advice.push(format!("systemctl disable --now {}", services.join(" ")));
    }
    if !by_openvpn.is_empty() {
        advice.push(format!(
            "AUTOSTART=\"none\" in /etc/default/openvpn, then: systemctl stop {}",
            by_openvpn.join(" ")
        ));
    }
    if !netdevs.is_empty() {
        advice.push(format!("Move away {}, or what made it, then: networkctl reload", netdevs.join(", ")));
    }
    let mut found = [services.clone(), by_openvpn, netdevs].concat();
    found.sort_unstable();
    found.dedup();
    let all = several(enabled.len(), "enabled unit");
    let mut finding = judge(what, Ok((found, all)), WANTS, &advice.join(". "));
    for unit in services.iter().filter(|unit| unit.ends_with(".service")) {
        finding = finding.command(&["systemctl", "disable", "--now", unit]);
    }
    finding
}

/// The units that are enabled, the instances of OpenVPN that Debian's unit starts, and the tunnels
/// of systemd-networkd.
fn all_units(visit: &Visit<'_>) -> Result<[Vec<String>; 3], String> {
    let enabled = enabled_units(visit)?;
    let starts_openvpn = enabled.iter().any(|unit| unit == DEBIAN_OPENVPN);
    let by_openvpn = if starts_openvpn { started_by_debian(visit)? } else { Vec::new() };
    Ok([enabled, by_openvpn, networkd_tunnels(visit)?])
}

/// What else may start a VPN: the settings of netplan and ifupdown, `rc.local`, and cron. `None` if
/// there are no such files.
fn settings(visit: &Visit<'_>) -> Option<Finding> {
    let what = "Settings of the network or of cron that name a VPN";
    let (mut found, mut all) = (Vec::new(), 0);
    let mut read = || {
        for place in SETTINGS {
            let names = visit.names(place)?;
            let files = names.iter().map(|name| format!("{place}/{name}")).chain([place.to_owned()]);
            for file in files.filter(|file| visit.place(file).is_file()) {
                let text = visit.read(&file)?.unwrap_or_default();
                all += 1;
                found.extend(
                    text.lines()
                        .filter(|line| names_vpn(line))
                        .map(|line| format!("{file}: {}", line.trim())),
                );
            }
        }
        Ok(())
    };
    let was_read: Result<(), String> = read();
    let finding = match was_read {
        Err(problem) => Finding::could_not_check(what, problem).fix("Run as root."),
        Ok(()) if all == 0 => return None,
        Ok(()) if found.is_empty() => Finding::pass(format!("{what}: none that is known"))
            .seen(SETTINGS.join(", "), format!("none of {}", several(all, "file"))),
        Ok(()) => Finding::warn(format!("{what}: {}", found.join("; ")))
            .seen(SETTINGS.join(", "), found.join("\n"))
            .why(WHY)
            .fix("Comment the line out if it starts a VPN, and restart the network."),
    };
    Some(finding)
}

/// Whether a line of settings names a VPN: netplan's `tunnels:`, `inet tunnel` or `inet ppp` of
/// ifupdown, or a program.
fn names_vpn(line: &str) -> bool {
    let line = line.trim().to_lowercase();
    let is_tunnel = line == "tunnels:" || line.ends_with("inet tunnel") || line.ends_with("inet ppp");
    !line.starts_with('#') && (is_tunnel || WORDS.split_whitespace().any(|word| line.contains(word)))
}

/// The instances that Debian's `openvpn.service` starts: of `/etc/openvpn/NAME.conf`, those that
/// `AUTOSTART` names, or all.
fn started_by_debian(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    let settings = visit.read("/etc/default/openvpn")?.unwrap_or_default();
    let wanted = settings.lines().rev().find_map(|line| line.trim().strip_prefix("AUTOSTART="));
    let wanted: Vec<&str> = wanted.unwrap_or("all").trim_matches('"').split_whitespace().collect();
    let names = visit.names("/etc/openvpn")?;
    let names = names.iter().filter_map(|name| name.strip_suffix(".conf"));
    let starts = |name: &&str| wanted.iter().any(|wanted| wanted == name || *wanted == "all");
    Ok(names.filter(starts).map(|name| format!("openvpn@{name}.service")).collect())
}

/// Tunnels that systemd-networkd makes at boot: files `*.netdev` with `Kind=` a tunnel. The first
/// file of a name counts, and a link to `/dev/null` turns it off.
fn networkd_tunnels(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    let (mut seen, mut found) = (Vec::new(), Vec::new());
    for folder in NETDEVS {
        for name in visit.names(folder)?.into_iter().filter(|name| name.ends_with(".netdev")) {
            let place = format!("{folder}/{name}");
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            if visit.place(&place).read_link().is_ok_and(|target| target.as_os_str() == "/dev/null") {
                continue;
            }
            let text = visit.read(&place)?.unwrap_or_default();
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            let mut kinds =
                pairs.filter(|(key, _)| key.trim() == "Kind").map(|(_, kind)| kind.trim().to_lowercase());
            if kinds.any(|kind| kind == "tun" || TUNNELS.split_whitespace().any(|known| known == kind)) {
                found.push(place);
            }
        }
    }
    Ok(found)
}

/// Connections of NetworkManager that come up by themselves: of WireGuard, unless that is turned
/// off, and VPNs that another connection names as its second. `None` without connections.
fn connections(visit: &Visit<'_>) -> Option<Finding> {
    let mut all = Vec::new();
    let mut read = || {
        for folder in CONNECTIONS {
            for name in visit.names(folder)? {
                all.push(visit.read(&format!("{folder}/{name}"))?.unwrap_or_default());
            }
        }
        Ok(())
    };
    let was_read: Result<(), String> = read();
    if was_read.is_ok() && all.is_empty() {
        return None;
    }
    let value = |text: &str, key: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let seconds: String = all.iter().map(|text| value(text, "secondaries")).collect();
    let comes_up = |text: &&String| match value(text, "type").as_str() {
        "wireguard" => value(text, "autoconnect") != "false",
        "vpn" => seconds.contains(&value(text, "uuid")),
        _ => false,
    };
    let named = |text: &String| format!("{} ({})", value(text, "id"), value(text, "type"));
    let found = was_read
        .map(|()| (all.iter().filter(comes_up).map(named).collect(), several(all.len(), "connection")));
    let fix = "nmcli connection modify NAME connection.autoconnect no";
    Some(judge("VPN connections of NetworkManager that come up by themselves", found, CONNECTIONS[0], fix))
}
