//! Who knew hashes from before a run, and how they were used.

use serde::{Deserialize, Serialize};

use crate::words;

/// Who knows a hash from before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownBy {
    /// A manifest that the user named.
    Manifest,
    /// The ledger of earlier runs.
    Ledger,
    /// The repository itself, about what cannot be compared with an original.
    Repository,
}

impl KnownBy {
    /// Its name in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Ledger => "ledger",
            Self::Repository => "repository",
        }
    }

    /// Where the hash is from, in a sentence.
    pub fn named(self) -> &'static str {
        match self {
            Self::Manifest => "the manifest",
            Self::Ledger => "an earlier run",
            Self::Repository => "the repository",
        }
    }
}

/// How known hashes were used in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownCounts {
    /// Picks that are in the manifest.
    pub in_manifest: u64,
    /// Picks that are not.
    pub not_in_manifest: u64,
    /// Picks that are comparable only because a manifest knows them.
    pub by_manifest: u64,
    /// Picks that are comparable only because the ledger knows them.
    pub by_ledger: u64,
    /// Picks that are comparable only because the repository confirms them.
    #[serde(default)]
    pub by_repository: u64,
    /// Picks for which the manifest decides nothing because nothing shows that the backup was made
    /// after it.
    pub too_late: u64,
    /// Picks that equal their originals but not the hash that is known, and whose originals were
    /// touched since.
    pub unlike: u64,
}

impl KnownCounts {
    /// Adds the counts of others.
    pub fn merge(&mut self, others: &Self) {
        self.in_manifest += others.in_manifest;
        self.not_in_manifest += others.not_in_manifest;
        self.by_manifest += others.by_manifest;
        self.by_ledger += others.by_ledger;
        self.by_repository += others.by_repository;
        self.too_late += others.too_late;
        self.unlike += others.unlike;
    }

    /// What the user should know about it.
    pub fn notes(&self) -> Vec<String> {
        let picks = self.in_manifest + self.not_in_manifest;
        let lines = [
            (
                self.not_in_manifest,
                format!(
                    "of {1}, {0} not in the manifest",
                    if self.not_in_manifest == 1 {
                        "1 is".to_owned()
                    } else {
                        format!("{} are", words::count(self.not_in_manifest))
                    },
                    words::counted(picks, "pick")
                ),
            ),
            (
                self.too_late,
                format!(
                    "for {}, nothing shows that the backup was made after the manifest, so the manifest decides nothing there: \
                     make it before the backup, or say that nothing changed in between with --assume-unchanged",
                    words::counted(self.too_late, "pick")
                ),
            ),
            (
                self.unlike,
                format!(
                    "of {}, backup and original are equal, but not to the hash that is known; the original was touched since: \
                     if nobody changed {} and set the time back, both sides are wrong",
                    words::counted(self.unlike, "pick"),
                    if self.unlike == 1 { "it" } else { "them" }
                ),
            ),
        ];
        lines.into_iter().filter(|(number, _)| *number > 0).map(|(_, line)| line).collect()
    }
}
