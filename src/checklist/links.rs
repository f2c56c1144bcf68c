//! The network links of a Linux machine with their kinds and addresses, as `ip` lists them. Two
//! checks look at them: adapters and addresses, and tunnels.

use serde::Deserialize;
use serde_json::Value;

use super::machine::Visit;

/// Lists every link with its details and its addresses.
pub(super) const COMMAND: [&str; 4] = ["ip", "-j", "-d", "addr"];
/// The same as one line, for evidence.
pub(super) const SOURCE: &str = "ip -j -d addr";

/// A link: an adapter, the loopback, a bridge, a tunnel.
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
    /// Assigned by DHCP or by a router.
    #[serde(default)]
    pub dynamic: bool,
    /// A privacy address of IPv6; it belongs to another address.
    #[serde(default)]
    pub temporary: bool,
}

impl Link {
    /// Whether the kernel gave it this flag: `UP`, `LOOPBACK`.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }

    /// What kind of virtual link it is; nothing for hardware.
    pub(super) fn kind(&self) -> Option<&str> {
        self.linkinfo.as_ref()?.info_kind.as_deref()
    }

    /// The type that its kind distinguishes: `tun` or `tap` of a `tun`.
    pub(super) fn subtype(&self) -> Option<&str> {
        self.linkinfo.as_ref()?.info_data.as_ref()?.kind.as_ref()?.as_str()
    }
}

/// All links. An empty list is an error: every machine has a loopback.
pub(super) fn links(visit: &Visit<'_>) -> Result<Vec<Link>, String> {
    let said = visit.ask(&COMMAND)?;
    let links: Vec<Link> = serde_json::from_str(&said)
        .map_err(|error| format!("`{SOURCE}` printed no list of links ({error})"))?;
    if links.is_empty() {
        return Err(format!("`{SOURCE}` listed no links, not even the loopback"));
    }
    Ok(links)
}
