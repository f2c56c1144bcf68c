//! The one integration binary: a module a subject.

mod cli;
mod cli_config;
mod pack;
#[cfg(unix)]
mod unix;
mod verify_corruption;
mod verify_originals;
mod world;
