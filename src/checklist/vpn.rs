//! `vpn`: virtual private networks are off on the source server.
//!
//! A VPN that starts by itself changes routes and names in the middle of a migration. A VPN server
//! assigns addresses that the destination will then want to use.

mod linux;
mod windows;

use super::check::{Check, PATIENCE};

const WHY: &str = "A VPN changes the server's routes and names while the destination copies from it, so that the two \
                   lose contact.";

/// The check.
pub(super) static CHECK: Check = Check {
    name: "vpn",
    title: "Virtual private networks",
    asks: "VPN is disabled on the source server.",
    steps: &["vpn-wizard"],
    patience: PATIENCE,
    linux: linux::look,
    windows: windows::look,
};
