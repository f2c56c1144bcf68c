//! What a run proves: a statement about files or about bytes. Which of them it is depends on how the
//! sample was drawn ([`strategy`](super::strategy)).

use super::assurance::Assurance;
use super::byte_bound::ByteBound;

/// What a run proves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statement {
    /// About files.
    Files(Assurance),
    /// About bytes.
    Bytes(ByteBound),
}

impl Statement {
    /// Whether the statement rules out that a share of `tolerance` or more is bad.
    pub fn rules_out(&self, tolerance: f64) -> bool {
        match self {
            Self::Files(found) => found.rules_out(tolerance),
            Self::Bytes(found) => found.rules_out(tolerance),
        }
    }

    /// The statement in words. `which` says which files it is about (`whose originals ...`).
    pub fn sentence(&self, which: &str) -> String {
        match self {
            Self::Files(found) => found.sentence(which),
            Self::Bytes(found) => found.sentence(which),
        }
    }
}
