//! VPNs on Linux: tunnels that are up, programs that run, and what starts at the next boot.

use super::super::findings::Finding;
use super::super::links::{self, Link};
use super::super::machine::Visit;
use super::super::phrases::several;
use super::super::systemd::{WANTS, enabled_units, running_programs};
use super::WHY;

/// Programs (the first 15 characters, as the kernel stores them) and their products.
const PROGRAMS: [(&str, &str); 14] = [
    ("openvpn", "OpenVPN"),
    ("charon", "strongSwan"),
    ("charon-systemd", "strongSwan"),
    ("starter", "strongSwan"),
    ("pluto", "Libreswan"),
    ("pppd", "PPP"),
    ("pptpd", "PPTP"),
    ("xl2tpd", "L2TP"),
    ("openconnect", "OpenConnect"),
    ("ocserv", "OpenConnect server"),
    ("ocserv-main", "OpenConnect server"),
    ("tailscaled", "Tailscale"),
    ("zerotier-one", "ZeroTier"),
    ("wireguard-go", "WireGuard"),
];

/// The beginnings of the names of units.
const UNITS: [&str; 13] = [
    "wg-quick@",
    "openvpn",
    "strongswan",
    "ipsec",
    "pptpd",
    "xl2tpd",
    "ocserv",
    "openconnect",
    "tailscaled",
    "zerotier-one",
    "vpnc",
    "vpnserver",
    "softether",
];

/// Debian's unit that starts what `/etc/default/openvpn` names, and is enabled even where there is
/// nothing to start.
const DEBIAN_OPENVPN: &str = "openvpn.service";
const CONNECTIONS: [&str; 3] = [
    "/etc/NetworkManager/system-connections",
    "/run/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
];

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    let mut findings = vec![links(visit), programs(visit), units(visit)];
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
        return Finding::pass(format!("{what}: none")).seen(source, format!("none of {all}"));
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
/// machine, so it counts only if it has the name of a VPN.
fn tunnel_kind(link: &Link) -> Option<&str> {
    match (link.kind().unwrap_or_default(), link.subtype()) {
        (kind @ ("wireguard" | "ppp" | "vti" | "vti6" | "xfrm" | "l2tp" | "ovpn"), _) => Some(kind),
        ("tun", Some("tap")) => {
            ["tap", "vpn"].iter().any(|start| link.ifname.starts_with(start)).then_some("tap")
        }
        ("tun", _) => Some("tun"),
        _ => (link.link_type == "ppp").then_some("ppp"),
    }
}

fn programs(visit: &Visit<'_>) -> Finding {
    let found = running_programs(visit).map(|running| {
        let known = PROGRAMS.iter().filter(|(program, _)| running.iter().any(|name| name == program));
        let found = known.map(|(program, product)| format!("{product} ({program})"));
        (found.collect(), several(running.len(), "running program"))
    });
    let fix = "Stop and disable its service: `systemctl disable --now UNIT`.";
    judge("VPN programs that are running", found, "/proc/*/comm", fix)
}

fn units(visit: &Visit<'_>) -> Finding {
    let found = enabled_units(visit).and_then(|enabled| {
        // A template (`name@.service`) does not start anything by itself.
        let is_vpn = |unit: &&String| {
            UNITS.iter().any(|start| unit.starts_with(start))
                && !unit.contains("@.")
                && *unit != DEBIAN_OPENVPN
        };
        let mut found: Vec<String> = enabled.iter().filter(is_vpn).cloned().collect();
        if enabled.iter().any(|unit| unit == DEBIAN_OPENVPN) {
            found.extend(started_by_debian(visit)?);
        }
        found.extend(networkd_tunnels(visit)?);
        found.sort_unstable();
        found.dedup();
        Ok((found, several(enabled.len(), "enabled unit")))
    });
    let services: Vec<String> = found.iter().flat_map(|(found, _)| found.clone()).collect();
    let fix = format!("systemctl disable --now {}", services.join(" "));
    let mut finding = judge("VPN services that start at boot", found, WANTS, &fix);
    for unit in services.iter().filter(|unit| unit.ends_with(".service")) {
        finding = finding.command(&["systemctl", "disable", "--now", unit]);
    }
    finding
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

/// Tunnels that systemd-networkd makes at boot.
fn networkd_tunnels(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let folder = "/etc/systemd/network";
    for name in visit.names(folder)?.iter().filter(|name| name.ends_with(".netdev")) {
        let text = visit.read(&format!("{folder}/{name}"))?.unwrap_or_default();
        if text.lines().any(|line| line.trim().eq_ignore_ascii_case("Kind=wireguard")) {
            found.push(name.clone());
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
