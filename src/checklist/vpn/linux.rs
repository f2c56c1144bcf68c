//! VPNs on Linux: tunnel links, running programs, and units that start at boot.

use super::super::findings::Finding;
use super::super::links::{self, Link};
use super::super::machine::Visit;
use super::super::phrases::several;
use super::super::systemd::{enabled_units, running_programs};
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

/// The beginnings of unit names and their products.
const UNITS: [(&str, &str); 12] = [
    ("wg-quick@", "WireGuard"),
    ("openvpn", "OpenVPN"),
    ("strongswan", "strongSwan"),
    ("ipsec", "IPsec"),
    ("pptpd", "PPTP"),
    ("xl2tpd", "L2TP"),
    ("ocserv", "OpenConnect server"),
    ("openconnect", "OpenConnect"),
    ("tailscaled", "Tailscale"),
    ("zerotier-one", "ZeroTier"),
    ("vpnc", "vpnc"),
    ("softether", "SoftEther"),
];

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    vec![links(visit), programs(visit), units(visit)]
}

/// Tunnels that are up.
fn links(visit: &Visit<'_>) -> Finding {
    let what = "Tunnels that are up";
    let links = match links::links(visit) {
        Ok(links) => links,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let up = links.iter().filter(|link| link.has("UP"));
    let tunnels: Vec<(&str, String)> =
        up.filter_map(|link| Some((link.ifname.as_str(), tunnel_kind(link)?))).collect();
    let source = links::SOURCE;
    if tunnels.is_empty() {
        return Finding::pass("No VPN link is up")
            .seen(source, format!("no tunnel among {}", several(links.len(), "link")));
    }
    let names: Vec<String> = tunnels.iter().map(|(name, kind)| format!("{name} ({kind})")).collect();
    let commands: Vec<String> = tunnels.iter().map(|(name, _)| format!("ip link set {name} down")).collect();
    Finding::fail(format!("VPN links are up: {}", names.join(", ")))
        .seen(source, names.join("\n"))
        .why(WHY)
        .fix(format!(
            "Stop the service that made them (`wg-quick down NAME`, `systemctl stop openvpn@NAME`), or: {}",
            commands.join("; ")
        ))
}

/// What kind of VPN a link is, if it is one. A tap link often is an Ethernet port of a virtual
/// machine, so it counts only if it has the name of a VPN.
fn tunnel_kind(link: &Link) -> Option<String> {
    let kind = link.kind().unwrap_or_default();
    match (kind, link.subtype()) {
        ("wireguard" | "ppp" | "vti" | "vti6" | "xfrm" | "l2tp" | "ovpn", _) => Some(kind.to_owned()),
        ("tun", Some("tap")) => {
            ["tap", "vpn"].iter().any(|start| link.ifname.starts_with(start)).then(|| "tap".to_owned())
        }
        ("tun", _) => Some("tun".to_owned()),
        _ => (link.link_type == "ppp").then(|| "ppp".to_owned()),
    }
}

/// VPN programs that are running.
fn programs(visit: &Visit<'_>) -> Finding {
    let running = match running_programs(visit) {
        Ok(running) => running,
        Err(problem) => return Finding::could_not_check("VPN programs that run", problem),
    };
    let known =
        |name: &String| PROGRAMS.iter().find(|(program, _)| program == name).map(|(_, product)| *product);
    let found: Vec<(&String, &str)> = running.iter().filter_map(|name| Some((name, known(name)?))).collect();
    let source = "/proc/*/comm";
    if found.is_empty() {
        return Finding::pass("No VPN program is running")
            .seen(source, format!("none of {}", several(running.len(), "running program")));
    }
    let names: Vec<String> = found.iter().map(|(name, product)| format!("{product} ({name})")).collect();
    Finding::fail(format!("VPN programs are running: {}", names.join(", ")))
        .seen(source, names.join("\n"))
        .why(WHY)
        .fix("Stop and disable their services: `systemctl disable --now UNIT`.")
}

/// VPN services that start at the next boot.
fn units(visit: &Visit<'_>) -> Finding {
    let source = "systemctl list-unit-files --state=enabled";
    let enabled = match enabled_units(visit) {
        Ok(enabled) => enabled,
        Err(problem) => return Finding::could_not_check("VPN services that start at boot", problem),
    };
    if enabled.is_empty() {
        return Finding::could_not_check(
            "VPN services that start at boot",
            "systemctl listed no enabled units at all",
        );
    }
    // A template (`name@.service`) does not start anything by itself.
    let real = |unit: &&String| !unit.contains("@.");
    let is_vpn = |unit: &&String| UNITS.iter().any(|(start, _)| unit.starts_with(start));
    let found: Vec<&String> = enabled.iter().filter(real).filter(is_vpn).collect();
    if found.is_empty() {
        return Finding::pass("No VPN service starts at boot")
            .seen(source, format!("none of {}", several(enabled.len(), "enabled unit")));
    }
    let names: Vec<&str> = found.iter().map(|unit| unit.as_str()).collect();
    let mut finding = Finding::fail(format!("VPN services start at boot: {}", names.join(", ")))
        .seen(source, names.join("\n"))
        .why(WHY)
        .fix(format!("systemctl disable --now {}", names.join(" ")));
    for unit in &names {
        finding = finding.command(&["systemctl", "disable", "--now", unit]);
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::super::super::machine::tests::{TestMachine, recorded};
    use super::super::super::{Os, Status};
    use super::*;

    const PLAIN: &str = include_str!("../../../tests/data/checklist/linux/ip-link-plain.json");
    const TUN: &str = include_str!("../../../tests/data/checklist/linux/ip-link-tun-up.json");
    const WIREGUARD: &str = include_str!("../../../tests/data/checklist/linux/ip-link-wireguard.json");
    const UNITS: &str = "chrony.service enabled enabled\nopenvpn@.service enabled enabled\n";

    fn machine(links: &str, units: &str, program: &str) -> TestMachine {
        recorded(Os::Linux, &[("ip -j -d addr", links), ("systemctl", units)]).file("/proc/1/comm", program)
    }

    fn statuses(machine: &TestMachine) -> Vec<Status> {
        look(&machine.visit()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_machine_without_a_vpn_passes_even_with_an_enabled_template_unit() {
        assert_eq!(statuses(&machine(PLAIN, UNITS, "init\n")), [Status::Pass; 3]);
    }

    #[test]
    fn tunnels_programs_and_units_each_fail() {
        let units = "wg-quick@wg0.service enabled enabled\n";
        assert_eq!(statuses(&machine(TUN, units, "openvpn\n")), [Status::Fail; 3]);
        assert_eq!(statuses(&machine(WIREGUARD, UNITS, "init\n"))[0], Status::Fail);
    }

    #[test]
    fn a_tap_port_of_a_virtual_machine_is_not_a_vpn() {
        let port = r#"[{"ifname":"vnet0","flags":["UP"],"linkinfo":{"info_kind":"tun","info_data":{"type":"tap"}}}]"#;
        assert_eq!(statuses(&machine(port, UNITS, "init\n"))[0], Status::Pass);
        assert_eq!(statuses(&machine(&port.replace("vnet0", "tap0"), UNITS, "init\n"))[0], Status::Fail);
    }

    #[test]
    fn links_programs_and_units_that_cannot_be_listed_are_unknown() {
        assert_eq!(statuses(&recorded(Os::Linux, &[])), [Status::CouldNotCheck; 3]);
        assert_eq!(statuses(&machine("[", "", "x\n"))[0], Status::CouldNotCheck);
        assert_eq!(statuses(&machine("!denied", "!timeout", "x\n"))[2], Status::CouldNotCheck);
    }

    #[test]
    fn enabled_units_can_be_disabled_by_fix() {
        let found = units(&machine(PLAIN, "openvpn@office.service enabled enabled\n", "x\n").visit());
        assert_eq!(
            found.fix.unwrap().commands,
            [["systemctl", "disable", "--now", "openvpn@office.service"]]
        );
    }
}
