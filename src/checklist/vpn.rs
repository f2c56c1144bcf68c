//! `vpn`: virtual private networks are off on the source server.
//!
//! A VPN that starts by itself changes routes and names in the middle of a migration; a VPN server
//! hands out addresses that the destination will then claim.

mod linux;
mod windows;

use super::{Check, Finding, Visit};

const WHY: &str = "A VPN changes routes and names of the server while the destination copies from it, so that the two \
                   lose each other.";

/// The check.
#[derive(Debug)]
pub(super) struct Vpn;

impl Check for Vpn {
    fn name(&self) -> &'static str {
        "vpn"
    }

    fn title(&self) -> &'static str {
        "Virtual private networks"
    }

    fn asks(&self) -> &'static str {
        "VPN is disabled on the source server."
    }

    fn linux(&self, visit: &Visit<'_>) -> Vec<Finding> {
        linux::look(visit)
    }

    fn windows(&self, visit: &Visit<'_>) -> Vec<Finding> {
        windows::look(visit)
    }
}
