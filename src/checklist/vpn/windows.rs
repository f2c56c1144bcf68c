//! VPNs on Windows: Routing and Remote Access, and the VPN connections of users.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::powershell::{self, Probed};
use super::WHY;

pub(super) const SCRIPT: &str = include_str!("../scripts/vpn.ps1");

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    match powershell::ask(visit, SCRIPT) {
        Ok(probed) => vec![service(&probed), server(&probed), connections(&probed)],
        Err(problem) => vec![Finding::could_not_check("Virtual private networks", problem)],
    }
}

fn service(probed: &Probed) -> Finding {
    let Some(item) = probed.first("service") else {
        return Finding::could_not_check("The service Routing and Remote Access", probed.reason("service"));
    };
    let (state, start) = (item.shown("state"), item.shown("start"));
    let evidence = format!("state {state}, start mode {start}");
    match (state, start) {
        ("Absent", _) => Finding::pass("Routing and Remote Access is not installed"),
        ("Stopped", "Disabled" | "Manual") => Finding::pass("Routing and Remote Access is stopped"),
        (_, _) => Finding::fail(format!("Routing and Remote Access is on ({evidence})"))
            .why(WHY)
            .fix("Routing and Remote Access console: right-click the server, Disable Routing and Remote Access. Or: \
                   Set-Service RemoteAccess -StartupType Disabled; Stop-Service RemoteAccess")
            .command(&["sc", "config", "RemoteAccess", "start=", "disabled"])
            .command(&["net", "stop", "RemoteAccess", "/y"]),
    }
    .seen("Win32_Service RemoteAccess", evidence)
}

/// `Get-RemoteAccess` comes with the role. If the command is missing, there is no such server.
fn server(probed: &Probed) -> Finding {
    let what = "The Remote Access role";
    let Some(item) = probed.first("server") else {
        return match probed.problem("server") {
            Some(missing) if missing.kind == "missing" => {
                Finding::pass("The Remote Access role is not installed")
                    .seen("Get-RemoteAccess", &missing.text)
            }
            _ => Finding::could_not_check(what, probed.reason("server")),
        };
    };
    let parts = [("VPN", "vpn"), ("site-to-site VPN", "sites"), ("DirectAccess", "direct")];
    let evidence: Vec<String> =
        parts.iter().map(|(name, key)| format!("{name}: {}", item.shown(key))).collect();
    if parts.iter().any(|(_, key)| item.text(key).is_none()) {
        return Finding::could_not_check(what, "Get-RemoteAccess did not say what is installed");
    }
    let on: Vec<&str> = parts
        .iter()
        .filter(|(_, key)| item.text(key) != Some("Uninstalled"))
        .map(|(name, _)| *name)
        .collect();
    let finding = if on.is_empty() {
        Finding::pass("The Remote Access role serves no VPN")
    } else {
        Finding::fail(format!("The Remote Access role serves {}", on.join(", ")))
            .why(WHY)
            .fix("Uninstall-RemoteAccess, or Remove Configuration Settings in the Remote Access Management console.")
    };
    finding.seen("Get-RemoteAccess", evidence.join("\n"))
}

fn connections(probed: &Probed) -> Finding {
    if probed.first("connections").is_none() {
        return match probed.problem("connections") {
            Some(missing) if missing.kind == "missing" => {
                Finding::not_applicable("This Windows has no VPN client commands")
                    .seen("Get-VpnConnection", &missing.text)
            }
            _ => Finding::could_not_check("VPN connections", probed.reason("connections")),
        };
    }
    let source = "Get-VpnConnection";
    let all: Vec<String> = probed
        .part("connection")
        .map(|item| format!("{} to {}: {}", item.shown("name"), item.shown("server"), item.shown("state")))
        .collect();
    let up: Vec<&str> = probed
        .part("connection")
        .filter(|item| item.text("state") != Some("Disconnected"))
        .map(|item| item.shown("name"))
        .collect();
    if !up.is_empty() {
        return Finding::fail(format!("VPN connections are up: {}", up.join(", ")))
            .seen(source, all.join("\n"))
            .why(WHY)
            .fix("rasdial NAME /disconnect");
    }
    if all.is_empty() {
        return Finding::pass("No VPN connection is set up").seen(source, "none");
    }
    Finding::pass("No VPN connection is up").seen(source, all.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::super::super::machine::tests::recorded;
    use super::super::super::{Os, Status};
    use super::*;

    fn statuses(recording: &str) -> Vec<Status> {
        let machine = recorded(Os::Windows, &[("powershell", recording)]);
        look(&machine.visit()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_server_without_remote_access_passes() {
        let quiet = include_str!("../../../tests/data/checklist/windows/vpn-none.json");
        assert_eq!(statuses(quiet), [Status::Pass; 3]);
    }

    #[test]
    fn a_vpn_server_and_a_connection_that_is_up_fail() {
        let server = include_str!("../../../tests/data/checklist/windows/vpn-server-german.json");
        assert_eq!(statuses(server), [Status::Fail; 3]);
    }

    #[test]
    fn denied_queries_are_unknown() {
        let denied =
            r#"{"items":[],"problems":[{"part":"server","kind":"denied","text":"Zugriff verweigert"}]}"#;
        assert_eq!(statuses(denied), [Status::CouldNotCheck; 3]);
        assert_eq!(statuses("!timeout"), [Status::CouldNotCheck]);
        assert_eq!(statuses(r#"{"items":[{"part":"server"#), [Status::CouldNotCheck]);
    }
}
