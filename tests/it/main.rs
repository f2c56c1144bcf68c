//! The one integration binary: a module a subject.

mod cli;
mod cli_config;
#[cfg(windows)]
mod windows;
mod windows_lists;
#[cfg(windows)]
mod windows_run;
mod world;
