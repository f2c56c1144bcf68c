//! bkverify proves that a backup restores.
//!
//! (the architecture in prose comes here)

pub mod backup;
pub mod exit;
pub mod plan;
pub mod platform;
pub mod progress;
pub mod report;
pub mod stop;
pub mod verify;
pub mod words;
