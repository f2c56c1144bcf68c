//! The one integration binary: a module a subject.

// Clippy knows that tests may unwrap, but not that what stands beside them is a part of them.
#![allow(clippy::unwrap_used)]

mod cli;
mod cli_config;
#[cfg(windows)]
mod windows;
mod windows_lists;
#[cfg(windows)]
mod windows_run;
mod world;
