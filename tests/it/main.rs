//! The one integration binary: a module a subject.

mod cli;
mod cli_config;
mod world;
