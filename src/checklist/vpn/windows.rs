//! VPNs on Windows: services of VPN programs, adapters of tunnels, the Remote Access role, and the
//! connections of Windows' own client.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::powershell;
use super::super::probes::{Probed, ProbedItem};
use super::WHY;

/// Services that keep a VPN up, by their names, or by how these begin before a `*`. OpenVPN's
/// `OpenVPNServiceInteractive` and WireGuard's `WireGuardManager` only serve a window, and are
/// none.
const SERVICES: &str = "RemoteAccess OpenVPNService OpenVPNServiceLegacy ovpnconnect agent_ovpnconnect \
    WireGuardTunnel$* Tailscale ZeroTierOneService NetBird Hamachi2Svc SEVPNSERVER SEVPNBRIDGE SEVPNCLIENT \
    vpnagent csc_vpnagent PanGPS FA_Scheduler SonicWall_NetExtender nordvpn-service CloudflareWARP MullvadVPN \
    RvControlSvc TracSrvWrapper dsAccessService scvpn ZSATunnel tinc.* iked ipsecd nebula edge ExpressVPNService \
    F5FltSrv ProtonVPN* sshuttle";
/// Drivers of tunnels, by the beginning of the name of their service.
const DRIVERS: &str = "tap ovpn-dco wintun wireguard tailscale zttap neo_ vpnva ftsvnic ft_vnic jnprva vna_ap csc_ pangpd mullvad";
/// The number of an adapter's device if no hardware is behind it. Most of them are tunnels.
const NO_HARDWARE: &str = "ROOT\\";
/// Drivers of Windows' own adapters without hardware, which are none: its virtual switch, its team,
/// its loopback.
const OWN_DRIVERS: &str = "vmsmp vmsnpxy ndisimplatformmp mslbfoprovider loop";

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    powershell::judged(visit, "vpn", "Virtual private networks", judge)
}

fn judge(probed: &Probed) -> Vec<Finding> {
    let mut findings = services(probed);
    findings.extend([tunnels(probed), server(probed), connections(probed), wizard()]);
    findings
}

/// One finding for each VPN service that runs or starts by itself, or one that there is none.
fn services(probed: &Probed) -> Vec<Finding> {
    let what = "VPN services";
    let all = match probed.whole("services", "service") {
        Ok(all) => all,
        Err(problem) => return vec![Finding::could_not_check(what, problem)],
    };
    // Every Windows has services.
    if all.iter().all(|service| service.text("name").is_none()) {
        return vec![Finding::could_not_check(what, "Windows listed no services")];
    }
    let is_vpn = |service: &ProbedItem| {
        let name = service.text("name").unwrap_or_default().to_lowercase();
        SERVICES.to_lowercase().split_whitespace().any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == known,
        })
    };
    let (mut findings, mut off) = (Vec::new(), Vec::new());
    for service in all.iter().filter(|service| is_vpn(service)) {
        let (name, state, start) = (service.shown("name"), service.shown("state"), service.shown("start"));
        let evidence = format!("{name}: state {state}, start mode {start}");
        if let ("Stopped", "Disabled" | "Manual") = (state, start) {
            off.push(evidence);
            continue;
        }
        let by_hand = match name {
            "RemoteAccess" => {
                "Routing and Remote Access console: right-click the server, Disable Routing and Remote Access. Or: "
            }
            _ => "",
        };
        findings.push(
            Finding::fail(format!("A VPN is on: service {name} ({})", service.shown("title")))
                .seen("Win32_Service", evidence)
                .why(WHY)
                .fix(format!(
                    "{by_hand}Set-Service -Name '{name}' -StartupType Disabled; Stop-Service -Name '{name}' -Force. \
                     It can be enabled again after the migration."
                ))
                .command(&["sc.exe", "config", name, "start=", "disabled"])
                .command(&["net.exe", "stop", name, "/y"]),
        );
    }
    if findings.is_empty() {
        let evidence = if off.is_empty() { "none is installed".to_owned() } else { off.join("\n") };
        findings.push(
            Finding::pass("No VPN service that bkverify knows runs or starts by itself")
                .seen("Win32_Service", evidence),
        );
    }
    findings
}

fn tunnels(probed: &Probed) -> Finding {
    let what = "Adapters of tunnels";
    let adapters = match probed.whole("adapters", "adapter") {
        Ok(adapters) => adapters,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let line = |item: &&ProbedItem| {
        format!("{} ({}, driver {})", item.shown("name"), item.shown("about"), item.shown("driver"))
    };
    let lines: Vec<String> = adapters.iter().map(line).collect();
    let has_driver = |item: &ProbedItem, known: &str| {
        let driver = item.shown("driver").to_lowercase();
        known.split_whitespace().any(|known| driver.starts_with(known))
    };
    let up: Vec<String> = adapters.iter().filter(|item| has_driver(item, DRIVERS)).map(line).collect();
    let is_soft = |item: &&&ProbedItem| {
        item.shown("device").to_uppercase().starts_with(NO_HARDWARE) && !has_driver(item, OWN_DRIVERS)
    };
    let soft: Vec<String> = adapters.iter().filter(is_soft).map(line).collect();
    let is_bare = |item: &&&ProbedItem| item.text("driver").is_none() || item.text("device").is_none();
    let finding = if !up.is_empty() {
        Finding::fail(format!("A tunnel is up: {}", up.join(", ")))
            .why(WHY)
            .fix("Disconnect it in its own program.")
    } else if let Some(item) = adapters.iter().find(is_bare) {
        let problem = format!("Windows does not name the driver and device of {}", item.shown("name"));
        Finding::could_not_check(what, problem)
    } else if !soft.is_empty() {
        Finding::warn(format!("Adapters without hardware are connected: {}", soft.join(", ")))
            .why(WHY)
            .fix("If one belongs to a VPN, disconnect it in its own program.")
    } else {
        Finding::pass("No adapter of a VPN program that bkverify knows is connected")
    };
    finding.seen("Win32_NetworkAdapter", lines.join("\n"))
}

/// `Get-RemoteAccess` comes with the tools of the role, which may be missing although the role is
/// there. Then the service alone tells.
fn server(probed: &Probed) -> Finding {
    let what = "The Remote Access role";
    if let Some(missing) = probed.missing("server") {
        return Finding::not_applicable("The tools of the Remote Access role are not installed")
            .seen("Import-Module RemoteAccess", missing);
    }
    let Some(item) = probed.first("server") else {
        return Finding::could_not_check(what, probed.reason("server"));
    };
    let parts = [("VPN", "vpn"), ("site-to-site VPN", "sites"), ("DirectAccess", "direct")];
    let evidence: Vec<String> =
        parts.iter().map(|(name, key)| format!("{name}: {}", item.shown(key))).collect();
    let is = |key: &str, state: &str| item.text(key) == Some(state);
    let on: Vec<&str> = parts.iter().filter(|(_, key)| is(key, "Installed")).map(|(name, _)| *name).collect();
    let finding = if !on.is_empty() {
        Finding::fail(format!("The Remote Access role serves {}", on.join(", ")))
            .why(WHY)
            .fix("Uninstall-RemoteAccess, or Remove Configuration Settings in the Remote Access Management console.")
    } else if parts.iter().all(|(_, key)| is(key, "Uninstalled")) {
        Finding::pass("The Remote Access role serves no VPN")
    } else {
        Finding::could_not_check(what, "Get-RemoteAccess did not say what is installed")
    };
    finding.seen("Get-RemoteAccess", evidence.join("\n"))
}

fn connections(probed: &Probed) -> Finding {
    let source = "Get-VpnConnection";
    let what = "VPN connections";
    if let Some(missing) = probed.missing("connections") {
        return Finding::could_not_check(what, "this Windows has no command that lists them")
            .seen("Import-Module VpnClient", missing)
            .fix("Open Network Connections (`ncpa.cpl`), and disconnect every VPN there.");
    }
    let connections = match probed.whole("connections", "connection") {
        Ok(connections) => connections,
        Err(problem) => return Finding::could_not_check(what, problem),
    };
    let line = |item: &&ProbedItem| {
        format!("{} to {}: {}", item.shown("name"), item.shown("server"), item.shown("state"))
    };
    let all: Vec<String> = connections.iter().map(line).collect();
    let with = |state: &str| -> Vec<&str> {
        let found = connections.iter().filter(|item| item.text("state") == Some(state));
        found.map(|item| item.shown("name")).collect()
    };
    let (up, down) = (with("Connected"), with("Disconnected"));
    let finding = if !up.is_empty() {
        Finding::fail(format!("VPN connections are up: {}", up.join(", ")))
            .why(WHY)
            .fix("rasdial NAME /disconnect")
    } else if down.len() < connections.len() {
        Finding::could_not_check(what, "Windows does not say of every connection whether it is up")
    } else {
        return Finding::pass("No VPN connection of Windows is up")
            .seen(source, if all.is_empty() { "none is set up".to_owned() } else { all.join("\n") });
    };
    finding.seen(source, all.join("\n"))
}

/// Essentials and Small Business Server set their VPN up with a wizard of their own. Only that
/// wizard also takes back what it set up beside the service.
fn wizard() -> Finding {
    Finding::manual(
        "vpn-wizard",
        "On Essentials or Small Business Server: turn the VPN off in its own wizard",
    )
    .why("The wizard also takes back the rules and certificates that it set up, which no command shows.")
    .fix(
        "Essentials: Dashboard, Settings, Anywhere Access, Configure, and clear Virtual Private Network. \
             Small Business Server: Console, Network, Connectivity, Virtual Private Network, Configure. \
             Elsewhere there is nothing to do: tick it off.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::Status::{self, CouldNotCheck, Fail, Manual, NotApplicable, Pass};
    use super::super::super::probes::parse;
    use super::super::super::probes::tests::printed;
    use super::*;

    fn statuses(recording: &str) -> Vec<Status> {
        judge(&parse(recording).unwrap()).iter().map(|finding| finding.status).collect()
    }

    fn service(name: &str, state: &str, start: &str) -> Finding {
        let item = format!(r#"{{"kind":"service","name":"{name}","state":"{state}","start":"{start}"}}"#);
        services(&parse(&printed(&[("services", &item, "")])).unwrap()).remove(0)
    }

    #[test]
    fn a_server_without_vpns_passes_and_leaves_the_wizard_to_a_person() {
        let quiet = include_str!("../../../tests/data/checklist/windows/vpn-none.txt");
        assert_eq!(statuses(quiet), [Pass, Pass, NotApplicable, Pass, Manual]);
    }

    #[test]
    fn a_vpn_server_a_tunnel_and_a_connection_that_is_up_fail() {
        let server = include_str!("../../../tests/data/checklist/windows/vpn-server-german.txt");
        assert_eq!(statuses(server), [Fail, Fail, Fail, Fail, Fail, Manual]);
    }

    #[test]
    fn services_of_vpn_programs_fail_if_they_run_or_start_by_themselves() {
        for name in
            ["OpenVPNService", "WireGuardTunnel$office", "tailscale", "RemoteAccess", "tinc.hq", "MullvadVPN"]
        {
            assert_eq!(service(name, "Running", "Manual").status, Fail, "{name}");
            assert_eq!(service(name, "Stopped", "Auto").status, Fail, "{name}");
            assert_eq!(service(name, "Stopped", "Disabled").status, Pass, "{name}");
            assert_eq!(service(name, "Gestoppt", "Deaktiviert").status, Fail, "{name}: not understood");
        }
        for name in ["OpenVPNServiceInteractive", "WireGuardManager", "Spooler"] {
            assert_eq!(service(name, "Running", "Auto").status, Pass, "{name}");
        }
        let commands = service("RemoteAccess", "Running", "Auto").fix.unwrap().commands;
        assert_eq!(commands[0].join(" "), "sc.exe config RemoteAccess start= disabled");
    }

    #[test]
    fn a_connected_adapter_without_hardware_is_told() {
        let with = |driver: &str, device: &str| {
            let item = format!(
                r#"{{"kind":"adapter","name":"x","about":"y","driver":"{driver}","device":"{device}"}}"#
            );
            tunnels(&parse(&printed(&[("adapters", &item, "")])).unwrap()).status
        };
        assert_eq!(with("e1iexpress", "PCI\\\\VEN_8086"), Pass);
        assert_eq!(with("vpnva", "ROOT\\\\NET\\\\0000"), Fail);
        assert_eq!(with("somevpn", "ROOT\\\\NET\\\\0000"), super::super::super::Status::Warn);
        assert_eq!(with("VMSMP", "ROOT\\\\VMS_MP\\\\0000"), Pass, "Hyper-V's switch");
        assert_eq!(with("somevpn", ""), CouldNotCheck);
    }

    #[test]
    fn a_module_that_fails_to_load_is_unknown_and_server_2008_r2_is_asked_by_hand() {
        let with =
            |kind| statuses(&printed(&[("server", "", kind), ("connections", "", kind)]))[2..4].to_vec();
        assert_eq!(with("failed"), [CouldNotCheck, CouldNotCheck]);
        assert_eq!(with("denied"), [CouldNotCheck, CouldNotCheck]);
        assert_eq!(with("missing"), [NotApplicable, CouldNotCheck]);
    }
}
