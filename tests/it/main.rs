//! The one integration binary: a module a subject.

mod cli;
mod cli_config;
mod pack;
mod tidy;
#[cfg(unix)]
mod unix;
mod verify_corruption;
mod verify_draw;
mod verify_input;
#[cfg(unix)]
mod verify_kill;
mod verify_names;
mod verify_originals;
mod verify_pairing;
mod verify_reports;
#[cfg(unix)]
mod verify_stop;
mod world;
