//! The one integration binary: a module a subject.

mod cli;
mod cli_config;
mod pack;
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
#[cfg(unix)]
mod verify_stop;
mod world;
