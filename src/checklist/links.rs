//! The network links of a Linux machine with their kinds and addresses, as `ip` lists them. Two
//! checks need them: `network` for adapters and addresses, `vpn` for tunnels.

use serde::Deserialize;
use serde_json::Value;

use super::machine::Visit;

/// Lists all links with their details and addresses.
pub(super) const COMMAND: [&str; 4] = ["ip", "-j", "-d", "addr"];
/// [`COMMAND`] as one line, for evidence.
pub(super) const SOURCE: &str = "ip -j -d addr";

/// A link: an adapter, the loopback device, a bridge or a tunnel.
#[derive(Debug, Deserialize)]
pub(super) struct Link {
    pub ifname: String,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    pub link_type: String,
    #[serde(default)]
    linkinfo: Option<Info>,
    #[serde(default)]
    pub addr_info: Vec<Address>,
}

#[derive(Debug, Deserialize)]
struct Info {
    info_kind: Option<String>,
    #[serde(default)]
    info_data: Option<Data>,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(rename = "type")]
    kind: Option<Value>,
}

/// One address of a link.
#[derive(Debug, Deserialize)]
pub(super) struct Address {
    pub local: Option<String>,
    pub prefixlen: Option<u8>,
    pub scope: Option<String>,
    /// Whether DHCP or a router assigned it.
    #[serde(default)]
    pub dynamic: bool,
    /// Whether it is an IPv6 privacy address, which is derived from another address.
    #[serde(default)]
    pub temporary: bool,
}

impl Link {
    /// Whether the kernel has set this flag: `UP`, `LOOPBACK`.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }

    /// The kind of virtual link; `None` for hardware.
    pub(super) fn kind(&self) -> Option<&str> {
        self.linkinfo.as_ref()?.info_kind.as_deref()
    }

    /// The type within its kind: `tun` or `tap` for a `tun`.
    pub(super) fn subtype(&self) -> Option<&str> {
        self.linkinfo.as_ref()?.info_data.as_ref()?.kind.as_ref()?.as_str()
    }
}

/// All links. An empty list is an error, because every machine has a loopback device.
pub(super) fn links(visit: &Visit<'_>) -> Result<Vec<Link>, String> {
    let said = visit.ask(&COMMAND)?;
    let links: Vec<Link> = serde_json::from_str(&said)
        .map_err(|error| format!("`{SOURCE}` printed no list of links ({error})"))?;
    if links.is_empty() {
        return Err(format!("`{SOURCE}` listed no links, not even the loopback"));
    }
    Ok(links)
}
