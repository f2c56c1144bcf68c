//! How far this machine's clock is from the clock of an NTP server, measured by one SNTP exchange
//! (RFC 5905) with `rsntp`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use rsntp::{Config, SntpClient};

/// The longest time that a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);
const NTP_PORT: u16 = 123;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The server's clock minus this machine's clock, in seconds.
    pub offset: f64,
    /// The time of the round trip, in seconds. The offset is exact to half of it.
    pub delay: f64,
    /// The server's distance from a reference clock, in hops.
    pub stratum: u8,
}

/// Asks `server` (`host`, `host:port`, `[v6]:port`) for the time.
///
/// # Errors
/// Why there is no answer.
pub fn measure(server: &str) -> Result<Measured, String> {
    let address = resolve(server)?;
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let client = SntpClient::with_config(Config::default().bind_address(any).timeout(PATIENCE));
    let answer = client.synchronize(address).map_err(|error| format!("{server} gave no time: {error}"))?;
    Ok(Measured {
        offset: answer.clock_offset().as_secs_f64(),
        delay: answer.round_trip_delay().as_secs_f64(),
        stratum: answer.stratum(),
    })
}

fn resolve(server: &str) -> Result<SocketAddr, String> {
    let problem = |why: &dyn std::fmt::Display| format!("{server} cannot be resolved: {why}");
    let bare_v6 = server.parse::<Ipv6Addr>().is_ok();
    let has_port = !bare_v6 && !server.ends_with(']') && server.contains(':');
    let addresses = if has_port {
        server.to_socket_addrs()
    } else {
        (server.trim_matches(['[', ']']), NTP_PORT).to_socket_addrs()
    };
    let mut addresses: Vec<SocketAddr> = addresses.map_err(|error| problem(&error))?.collect();
    // Many networks resolve IPv6 names without routing them.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.first().copied().ok_or_else(|| problem(&"it has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_with_and_without_a_port() {
        assert_eq!(resolve("127.0.0.1").unwrap().to_string(), "127.0.0.1:123");
        assert_eq!(resolve("127.0.0.1:11123").unwrap().to_string(), "127.0.0.1:11123");
        assert_eq!(resolve("::1").unwrap().to_string(), "[::1]:123");
        assert_eq!(resolve("[::1]").unwrap().to_string(), "[::1]:123");
        assert_eq!(resolve("[::1]:99").unwrap().to_string(), "[::1]:99");
    }

    #[test]
    fn a_server_that_cannot_be_named_is_an_error_with_its_name() {
        assert!(resolve("127.0.0.1:port").unwrap_err().starts_with("127.0.0.1:port cannot be resolved"));
    }
}
