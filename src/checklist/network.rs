//! `network`: there is one network adapter, and its address is static.
//!
//! Clients lose a server whose address changes. A server with several adapters registers several
//! addresses under its name, so the destination may talk to the wrong one.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::check::{Check, PATIENCE};
use super::findings::Finding;
use super::links::{self, Link};
use super::machine::Visit;
use super::powershell;
use super::probes::Probed;
use super::systemd::running_programs;

const WHY_STATIC: &str = "A migration writes the source server's address into DNS and into the destination's \
                          settings; an address that changes breaks both.";
const WHY_ONE: &str = "A server with several adapters registers several addresses of itself, and the destination may \
                       talk to the wrong one.";

/// Where systemd-networkd, dhclient and NetworkManager keep leases.
const LEASES: [&str; 4] =
    ["/run/systemd/netif/leases", "/var/lib/dhcp", "/var/lib/dhclient", "/var/lib/NetworkManager"];

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
    let adapters = links::links(visit).and_then(|links| Ok(linux_adapters(links, &leases(visit)?)));
    match adapters.and_then(|adapters| Ok((adapters, dhcp_client(visit)?))) {
        Ok((adapters, client)) => judge(&adapters, links::SOURCE, client.as_deref()),
        Err(problem) => vec![Finding::could_not_check("The network adapters", problem).fix("Run as root.")],
    }
}

fn look_windows(visit: &Visit<'_>) -> Vec<Finding> {
    match powershell::ask(visit, "network").and_then(|probed| windows_adapters(&probed)) {
        Ok(adapters) => judge(&adapters, "Win32_NetworkAdapterConfiguration", None),
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
/// the like, which carry the server's address instead, and the ports of containers. Tunnels and
/// the bridges of container programs do not count.
fn linux_adapters(links: Vec<Link>, leases: &[String]) -> Vec<Adapter> {
    let is_of_containers = |name: &str| {
        // Docker names a bridge `br-` and 12 hexadecimal digits.
        let docker =
            name.strip_prefix("br-").is_some_and(|id| id.len() == 12 && u64::from_str_radix(id, 16).is_ok());
        let starts = ["docker", "virbr", "lxcbr", "lxdbr", "incusbr", "cni", "podman"];
        docker || starts.iter().any(|start| name.starts_with(start))
    };
    let kinds = [
        "bridge",
        "bond",
        "vlan",
        "team",
        "veth",
        "macvlan",
        "ipvlan",
        "openvswitch",
        "dummy",
        "vrf",
        "ipoib",
    ];
    let carries =
        |link: &Link| link.kind().is_none_or(|kind| kinds.contains(&kind)) && !is_of_containers(&link.ifname);
    // Hardware without a cable is not in use. A bridge may have no ports yet.
    let has_carrier = |link: &Link| link.kind().is_some() || link.has("LOWER_UP");
    let is_used = |link: &Link| link.has("UP") && !link.has("LOOPBACK") && carries(link) && has_carrier(link);
    links.into_iter().filter(is_used).filter_map(|link| to_adapter(link, leases)).collect()
}

fn to_adapter(link: Link, leases: &[String]) -> Option<Adapter> {
    let global = link
        .addr_info
        .into_iter()
        .filter(|found| found.scope.as_deref() == Some("global") && !found.temporary);
    let addresses: Vec<(String, bool)> = global
        .filter_map(|found| {
            let local = found.local?;
            let dynamic = found.dynamic || leases.contains(&local);
            Some((format!("{local}/{}", found.prefixlen?), dynamic))
        })
        .collect();
    (!addresses.is_empty()).then_some(Adapter { name: link.ifname, addresses })
}

/// The addresses that DHCP clients have noted as leased. The kernel shows the address of a lease
/// without end as a static one.
fn leases(visit: &Visit<'_>) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for folder in LEASES {
        for name in visit.names(folder)? {
            // networkd names a file by the number of its link. `timestamps` and the like hold none.
            if name.contains("lease") || folder.ends_with("leases") {
                let text = visit.read(&format!("{folder}/{name}"))?.unwrap_or_default();
                all.extend(leased(&text, visit.settings().now));
            }
        }
    }
    Ok(all)
}

/// The addresses of the leases in a file that have not ended: `ADDRESS=` of networkd and
/// NetworkManager; `fixed-address` and `expire` of dhclient, which keeps leases of years ago.
fn leased(text: &str, now: Timestamp) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(|line| line.trim().trim_end_matches(';')) {
        if let Some(address) = line.strip_prefix("ADDRESS=").or_else(|| line.strip_prefix("fixed-address ")) {
            found.push(address.to_owned());
        } else if let Some(("expire", end)) = line.split_once(' ') {
            let end = end.split_once(' ').map_or("", |(_, end)| end);
            let end =
                DateTime::strptime("%Y/%m/%d %H:%M:%S", end).and_then(|end| end.to_zoned(TimeZone::UTC));
            if end.is_ok_and(|end| end.timestamp() < now) {
                found.pop();
            }
        }
    }
    found
}

/// The name of a running DHCP client. Such clients leave no trace in the kernel's list of
/// addresses.
fn dhcp_client(visit: &Visit<'_>) -> Result<Option<String>, String> {
    let is_client = |name: &String| matches!(name.as_str(), "dhclient" | "dhcpcd" | "udhcpc" | "pump");
    Ok(running_programs(visit)?.into_iter().find(is_client))
}

/// Adapters with TCP/IP. An address of version 4 is from DHCP if its adapter asks DHCP. How an
/// address of version 6 was assigned is known from Server 2012 on.
fn windows_adapters(probed: &Probed) -> Result<Vec<Adapter>, String> {
    let origins = match probed.whole("origins", "origin") {
        Ok(origins) => origins,
        Err(_) if probed.missing("origins").is_some() => Vec::new(),
        Err(problem) => return Err(problem),
    };
    let mut adapters: Vec<Adapter> = Vec::new();
    for item in probed.whole("adapters", "adapter")? {
        let name = item.text("name").ok_or("Windows does not name an adapter")?.to_owned();
        let dhcp =
            item.truth("dhcp").ok_or_else(|| format!("Windows does not say whether {name} asks DHCP"))?;
        let all = item.listed("addresses").ok_or_else(|| format!("Windows lists no addresses of {name}"))?;
        let masks = item.listed("masks").filter(|masks| masks.len() == all.len());
        let masks = masks.ok_or_else(|| format!("Windows lists no mask for each address of {name}"))?;
        let mut addresses = Vec::new();
        for (address, mask) in all.into_iter().zip(masks) {
            let origin = origins.iter().find(|origin| origin.text("address") == Some(address));
            let is = |key: &str, value: &str| origin.is_some_and(|origin| origin.text(key) == Some(value));
            let is_local = address.to_lowercase().starts_with("fe80:") || address.starts_with("169.254.");
            if address.is_empty() || is_local || is("suffix", "Random") {
                continue;
            }
            let is_v6 = address.contains(':');
            if is_v6 && origin.is_none_or(|origin| origin.text("prefix").is_none()) {
                return Err(format!("this Windows does not tell how {address} was assigned"));
            }
            let assigned =
                if is_v6 { is("prefix", "RouterAdvertisement") || is("prefix", "Dhcp") } else { dhcp };
            addresses.push((format!("{address}/{mask}"), assigned));
        }
        if !addresses.is_empty() {
            adapters.push(Adapter { name, addresses });
        }
    }
    Ok(adapters)
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::recorded;
    use super::super::probes::tests::printed;
    use super::super::{Os, Status};
    use super::*;

    const TWO: &str = include_str!("../../tests/data/checklist/windows/network-two-dhcp.txt");
    const ONE: &str = include_str!("../../tests/data/checklist/windows/network-one.txt");

    fn statuses(os: Os, program: &str, answer: &str) -> Vec<Status> {
        let machine = recorded(os, &[(program, answer)]).file("/proc/1/comm", "init");
        CHECK.run(&machine.visit()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn one_adapter_with_a_static_address_passes() {
        assert_eq!(statuses(Os::Windows, "powershell", ONE), [Status::Pass, Status::Pass]);
    }

    #[test]
    fn addresses_from_dhcp_fail_and_a_second_adapter_warns() {
        assert_eq!(statuses(Os::Windows, "powershell", TWO), [Status::Warn, Status::Fail, Status::Pass]);
    }

    #[test]
    fn no_active_adapter_fails_but_a_missing_list_is_unknown() {
        let loopback = r#"[{"ifname":"lo","flags":["LOOPBACK","UP"],"addr_info":[]}]"#;
        assert_eq!(statuses(Os::Linux, "ip", loopback), [Status::Fail]);
        for garbage in ["[]", "", "Object \"x\" is unknown", "!timeout", "!1 no"] {
            assert_eq!(statuses(Os::Linux, "ip", garbage), [Status::CouldNotCheck], "{garbage}");
        }
        for kind in ["missing", "denied", "failed"] {
            let text = printed(&[("adapters", "", kind), ("origins", "", "")]);
            assert_eq!(statuses(Os::Windows, "powershell", &text), [Status::CouldNotCheck], "{kind}");
        }
    }

    #[test]
    fn adapters_of_windows_whose_masks_or_origins_are_unknown_are_unknown() {
        let short = TWO.replace("\"masks\":[\"255.255.255.0\"]", "\"masks\":[]");
        assert_eq!(statuses(Os::Windows, "powershell", &short), [Status::CouldNotCheck]);
        let unknown = ONE.replace("fe80::", "2001:db8::");
        let unknown = unknown.replace("\"prefix\":\"WellKnown\"", "\"prefix\":\"\"");
        assert_eq!(statuses(Os::Windows, "powershell", &unknown), [Status::CouldNotCheck]);
        let server_2008 =
            ONE.replace("\"problem\":null", "\"problem\":{\"kind\":\"missing\",\"text\":\"x\"}");
        let server_2008 =
            server_2008.replacen("\"problem\":{\"kind\":\"missing\",\"text\":\"x\"}", "\"problem\":null", 1);
        assert_eq!(statuses(Os::Windows, "powershell", &server_2008), [Status::Pass, Status::Pass]);
    }

    /// What is found where an adapter has the address that a lease of dhclient names.
    fn with_lease(end: &str) -> Status {
        let link = r#"[{"ifname":"eth0","flags":["UP","LOWER_UP"],"addr_info":[{"local":"192.0.2.7","prefixlen":24,"scope":"global"}]}]"#;
        let lease = format!(
            "lease {{\n  fixed-address 192.0.2.7;\n  option routers 192.0.2.1;\n  expire {end};\n}}\n"
        );
        let made = recorded(Os::Linux, &[("ip", link)]).file("/proc/1/comm", "init");
        CHECK.run(&made.file("/var/lib/dhcp/dhclient.leases", &lease).visit())[1].status
    }

    #[test]
    fn a_lease_that_ended_years_ago_says_nothing_of_a_static_address() {
        assert_eq!(with_lease("4 2024/05/02 10:00:00"), Status::Pass);
        assert_eq!(with_lease("4 2094/12/16 20:14:32"), Status::Fail);
        assert_eq!(with_lease("never"), Status::Fail);
    }

    #[test]
    fn an_adapter_without_a_cable_is_not_in_use_and_hidden_programs_are_unknown() {
        let link = r#"[{"ifname":"eth0","flags":["NO-CARRIER","UP"],"addr_info":[{"local":"192.0.2.7","prefixlen":24,"scope":"global"}]}]"#;
        assert_eq!(statuses(Os::Linux, "ip", link), [Status::Fail]);
        let hidden = recorded(Os::Linux, &[("ip", link)]);
        assert_eq!(CHECK.run(&hidden.visit())[0].status, Status::CouldNotCheck);
    }
}
