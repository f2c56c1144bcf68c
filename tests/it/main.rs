//! The one integration binary: a module a subject.

// A helper that cannot set up its part of a test may end it, like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cli;
mod cli_config;
mod contract;
#[cfg(windows)]
mod windows;
mod windows_lists;
#[cfg(windows)]
mod windows_run;
mod world;
