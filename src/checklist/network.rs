//! `network`: there is one network adapter, and its address is static.
//!
//! Clients lose a server whose address changes. A server with several adapters registers several
//! addresses under its name, so the destination may talk to the wrong one.

use super::check::{Check, PATIENCE};
use super::findings::Finding;
use super::links::{self, Link};
use super::machine::Visit;
use super::powershell::{self, Probed};
use super::systemd::running_programs;

const SCRIPT: &str = include_str!("scripts/network.ps1");
const WHY_STATIC: &str = "A migration writes the source server's address into DNS and into the destination's \
                          settings; an address that changes breaks both.";
const WHY_ONE: &str = "A server with several adapters registers several addresses of itself, and the destination may \
                       talk to the wrong one.";

/// An adapter that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Adapter {
    name: String,
    /// Each address with its prefix length, and whether DHCP or a router assigned it.
    addresses: Vec<(String, bool)>,
}

/// The check.
pub(super) static CHECK: Check = Check {
    name: "network",
    title: "Network adapters and addresses",
    asks: "The server has one network adapter, with a static address.",
    steps: &[],
    patience: PATIENCE,
    linux: look_linux,
    windows: look_windows,
};

fn look_linux(visit: &Visit<'_>) -> Vec<Finding> {
    match links::links(visit) {
        Ok(links) => judge(&linux_adapters(links), links::SOURCE, dhcp_clients(visit).as_deref()),
        Err(problem) => vec![Finding::could_not_check("The network adapters", problem)],
    }
}

fn look_windows(visit: &Visit<'_>) -> Vec<Finding> {
    match powershell::ask(visit, SCRIPT).and_then(|probed| windows_adapters(&probed)) {
        Ok(adapters) => judge(&adapters, "Get-NetAdapter, Get-NetIPAddress", None),
        Err(problem) => vec![Finding::could_not_check("The network adapters", problem)],
    }
}

fn judge(adapters: &[Adapter], source: &str, dhcp_client: Option<&str>) -> Vec<Finding> {
    let described: Vec<String> = adapters.iter().map(describe).collect();
    let used = adapters.len();
    let count = match used {
        0 => Finding::fail("No network adapter is up with an address")
            .why("Without a network the destination cannot reach this server.")
            .fix("Connect an adapter and give it a static address."),
        1 => Finding::pass(format!("One network adapter is in use: {}", adapters[0].name)),
        _ => Finding::warn(format!("{used} network adapters are in use; the checklist asks for one"))
            .why(WHY_ONE)
            .fix("Disable all but one for the migration (Windows: Disable-NetAdapter; Linux: ip link set NAME down)."),
    };
    let mut findings = vec![count.seen(source, described.join("\n"))];
    findings.extend(adapters.iter().map(|adapter| judge_addresses(adapter, source, dhcp_client)));
    findings
}

fn judge_addresses(adapter: &Adapter, source: &str, dhcp_client: Option<&str>) -> Finding {
    let assigned = |v6: bool| {
        let mut found = adapter.addresses.iter().filter(move |(address, _)| address.contains(':') == v6);
        found.find(|(_, dynamic)| *dynamic).map(|(address, _)| address.as_str())
    };
    let fix = "Windows: New-NetIPAddress -InterfaceAlias NAME -IPAddress ADDRESS -PrefixLength BITS \
                -DefaultGateway GATEWAY, and Set-DnsClientServerAddress. Linux: set it in the network configuration \
                (netplan, NetworkManager, /etc/network/interfaces).";
    let name = &adapter.name;
    if let Some(address) = assigned(false) {
        return Finding::fail(format!("{name} has an address from DHCP: {address}"))
            .seen(source, describe(adapter))
            .why(WHY_STATIC)
            .fix(fix);
    }
    if let Some(client) = dhcp_client {
        return Finding::warn(format!(
            "{name}'s address looks static, but a DHCP client is running: {client}"
        ))
        .seen(source, describe(adapter))
        .seen("/proc/*/comm", client)
        .why(WHY_STATIC)
        .fix("Make sure that the client does not serve this adapter, or stop it.");
    }
    if let Some(address) = assigned(true) {
        return Finding::warn(format!("{name} has an IPv6 address from its router: {address}"))
            .seen(source, describe(adapter))
            .why(WHY_STATIC)
            .fix(fix);
    }
    Finding::pass(format!("{name} has only static addresses")).seen(source, describe(adapter))
}

fn describe(adapter: &Adapter) -> String {
    let mut words: Vec<String> = Vec::new();
    for (address, dynamic) in &adapter.addresses {
        words.push(format!("{address} ({})", if *dynamic { "assigned" } else { "static" }));
    }
    format!("{}: {}", adapter.name, words.join(", "))
}

/// Adapters that are up and have a global address. Besides hardware these are bridges, bonds and
/// the like, which carry the server's address instead. Tunnels and container bridges do not count.
fn linux_adapters(links: Vec<Link>) -> Vec<Adapter> {
    let carries = |link: &Link| {
        let containers = ["docker", "virbr", "br-", "lxcbr", "lxdbr", "cni", "podman"];
        matches!(link.kind(), None | Some("bridge" | "bond" | "vlan" | "team"))
            && !containers.iter().any(|start| link.ifname.starts_with(start))
    };
    let is_used = |link: &Link| link.has("UP") && !link.has("LOOPBACK") && carries(link);
    links.into_iter().filter(is_used).filter_map(to_adapter).collect()
}

fn to_adapter(link: Link) -> Option<Adapter> {
    let global = link
        .addr_info
        .into_iter()
        .filter(|found| found.scope.as_deref() == Some("global") && !found.temporary);
    let addresses: Vec<(String, bool)> = global
        .filter_map(|found| Some((format!("{}/{}", found.local?, found.prefixlen?), found.dynamic)))
        .collect();
    (!addresses.is_empty()).then_some(Adapter { name: link.ifname, addresses })
}

/// The name of a running DHCP client. Such clients leave no trace in the kernel's list of
/// addresses.
fn dhcp_clients(visit: &Visit<'_>) -> Option<String> {
    let running = running_programs(visit).unwrap_or_default();
    running.into_iter().find(|name| matches!(name.as_str(), "dhclient" | "dhcpcd" | "udhcpc" | "pump"))
}

fn windows_adapters(probed: &Probed) -> Result<Vec<Adapter>, String> {
    if let Some(problem) = probed.problems().first() {
        return Err(problem.to_string());
    }
    let mut adapters: Vec<Adapter> = Vec::new();
    for item in probed.part("address") {
        let (Some(name), Some(address)) = (item.text("adapter"), item.text("address")) else {
            return Err("an address came without its adapter".to_owned());
        };
        let address = format!("{address}/{}", item.shown("prefix"));
        // `Manual` and `WellKnown` are static; `Dhcp` and `RouterAdvertisement` are assigned.
        let dynamic = matches!(item.text("origin"), Some("Dhcp" | "RouterAdvertisement"));
        match adapters.iter_mut().find(|adapter| adapter.name == name) {
            Some(adapter) => adapter.addresses.push((address, dynamic)),
            None => adapters.push(Adapter { name: name.to_owned(), addresses: vec![(address, dynamic)] }),
        }
    }
    if probed.part("adapter").next().is_none() {
        return Err("Windows listed no adapters at all".to_owned());
    }
    Ok(adapters)
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::recorded;
    use super::super::{Os, Status};
    use super::*;

    const STATIC: &str = include_str!("../../tests/data/checklist/linux/ip-addr-static.json");
    const DHCP: &str = include_str!("../../tests/data/checklist/linux/ip-addr-dhcp.json");
    const TWO: &str = include_str!("../../tests/data/checklist/windows/network-two-dhcp.json");
    const ONE: &str = include_str!("../../tests/data/checklist/windows/network-one.json");

    fn statuses(os: Os, program: &str, answer: &str) -> Vec<Status> {
        let machine = recorded(os, &[(program, answer)]);
        CHECK.run(&machine.visit()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn one_adapter_with_a_static_address_passes() {
        assert_eq!(statuses(Os::Linux, "ip", STATIC), [Status::Pass, Status::Pass]);
        assert_eq!(statuses(Os::Windows, "powershell", ONE), [Status::Pass, Status::Pass]);
    }

    #[test]
    fn addresses_from_dhcp_fail_and_a_second_adapter_warns() {
        assert_eq!(statuses(Os::Linux, "ip", DHCP), [Status::Pass, Status::Fail]);
        assert_eq!(statuses(Os::Windows, "powershell", TWO), [Status::Warn, Status::Fail, Status::Pass]);
    }

    #[test]
    fn a_running_dhcp_client_makes_a_static_address_a_warning() {
        let machine = recorded(Os::Linux, &[("ip", STATIC)]).file("/proc/9/comm", "dhclient\n");
        assert_eq!(CHECK.run(&machine.visit())[1].status, Status::Warn);
    }

    #[test]
    fn no_active_adapter_fails_but_a_missing_list_is_unknown() {
        let loopback = r#"[{"ifname":"lo","flags":["LOOPBACK","UP"],"addr_info":[]}]"#;
        assert_eq!(statuses(Os::Linux, "ip", loopback), [Status::Fail]);
        for garbage in ["[]", "", "Object \"x\" is unknown", "!timeout", "!1 no"] {
            assert_eq!(statuses(Os::Linux, "ip", garbage), [Status::CouldNotCheck], "{garbage}");
        }
        let missing =
            r#"{"items":[],"problems":[{"part":"adapters","kind":"missing","text":"Get-NetAdapter"}]}"#;
        assert_eq!(statuses(Os::Windows, "powershell", missing), [Status::CouldNotCheck]);
    }
}
