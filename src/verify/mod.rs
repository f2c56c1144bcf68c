//! The flow.
pub mod assurance;
pub mod difference;
pub mod outcome;
pub mod progress;
pub mod verdict;
