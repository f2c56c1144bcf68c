//! What a repository stores about files and snapshots, as far as it is needed here.
//!
//! Only a few fields are read. So a restic that is newer than this program, and stores more, is no
//! problem. A kind of file that is not known is passed over like a device.

use std::borrow::Cow;

use rustic_core::Id;
use serde::Deserialize;

use crate::platform::Timestamp;

/// The files and folders in one folder.
#[derive(Debug, Deserialize)]
pub(super) struct Tree<'a> {
    /// Absent in a folder without files, in some versions.
    #[serde(borrow)]
    pub(super) nodes: Option<Vec<Node<'a>>>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Node<'a> {
    /// Its name, escaped.
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    /// Left out if it is 0.
    #[serde(default)]
    pub(super) size: u64,
    #[serde(borrow)]
    mtime: Option<Cow<'a, str>>,
    /// The hashes of the pieces of a file.
    #[serde(borrow)]
    pub(super) content: Option<Vec<Cow<'a, str>>>,
    /// The hash of the list of what is in a folder.
    #[serde(borrow)]
    pub(super) subtree: Option<Cow<'a, str>>,
}

impl Node<'_> {
    /// When it was last modified.
    pub(super) fn mtime(&self) -> Option<Timestamp> {
        time(self.mtime.as_deref()?)
    }
}

/// One snapshot.
#[derive(Debug, Deserialize)]
pub(super) struct Taken<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    /// The hash of the list of what is at the top.
    #[serde(borrow)]
    pub(super) tree: Cow<'a, str>,
    #[serde(default)]
    pub(super) paths: Vec<String>,
    #[serde(default)]
    pub(super) hostname: String,
    #[serde(default)]
    pub(super) tags: Option<Vec<String>>,
    #[serde(borrow)]
    summary: Option<Summary<'a>>,
}

/// Stored since restic 0.17.
#[derive(Debug, Deserialize)]
struct Summary<'a> {
    #[serde(borrow)]
    backup_end: Option<Cow<'a, str>>,
}

impl Taken<'_> {
    /// When it was begun.
    pub(super) fn begun(&self) -> Option<Timestamp> {
        time(&self.time)
    }

    /// When it was complete, or else when it was begun.
    pub(super) fn complete(&self) -> Option<Timestamp> {
        let end = self.summary.as_ref().and_then(|summary| summary.backup_end.as_deref()).and_then(time);
        end.or_else(|| self.begun())
    }
}

fn time(text: &str) -> Option<Timestamp> {
    Some(Timestamp::from_nanos(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()))
}

/// The bytes of a hash that is written in hexadecimal digits.
pub(super) fn hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// The same as the library's type.
pub(super) fn id(text: &str) -> Option<Id> {
    hash(text).map(Id::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_restic_stores_is_read_and_what_is_unknown_is_passed_over() {
        let tree = r#"{"nodes":[
            {"name":"a\\xff","type":"file","mode":420,"mtime":"2026-11-24T10:20:30.123456789+01:00",
             "atime":"x","uid":0,"inode":5,"size":3,"links":1,"generic_attributes":{"x":1},
             "content":["2ef8decbd2a17d9bfb1b35cfbdcd368175ea86d05dd93a4751fdacbe5213e611"]},
            {"name":"odd","type":"irregular","mtime":"0001-01-01T00:00:00Z","content":null},
            {"name":"empty","type":"file","mtime":"no time","content":null}]}"#;
        let tree: Tree<'_> = serde_json::from_str(tree).unwrap();
        let nodes = tree.nodes.unwrap();
        assert_eq!((&*nodes[0].name, nodes[0].size), (r"a\xff", 3));
        assert_eq!(nodes[0].mtime().unwrap().as_nanos(), 1_795_512_030_123_456_789);
        assert!(hash(&nodes[0].content.as_ref().unwrap()[0]).is_some_and(|hash| hash[..2] == [0x2e, 0xf8]));
        assert_eq!(nodes[1].kind, "irregular");
        assert_eq!((nodes[2].mtime(), nodes[2].size), (None, 0));
        assert!(serde_json::from_str::<Tree<'_>>(r#"{"nodes":null}"#).unwrap().nodes.is_none());
        for text in ["", "2ef8", &"+f".repeat(32), &"\u{e9}".repeat(32)] {
            assert_eq!(hash(text), None, "{text}");
        }
    }

    #[test]
    fn a_snapshot_is_complete_when_the_backup_has_ended_if_that_is_known() {
        let old = r#"{"time":"2022-01-02T03:04:05.5+01:00","tree":"ab","paths":["/srv"],"hostname":"web","tags":null}"#;
        let old: Taken<'_> = serde_json::from_str(old).unwrap();
        assert_eq!(old.complete(), old.begun());
        let new = r#"{"time":"2025-01-02T03:04:05Z","tree":"ab","paths":[],
            "summary":{"backup_start":"2025-01-02T03:04:05Z","backup_end":"2025-01-02T03:05:05Z","files_new":1}}"#;
        let new: Taken<'_> = serde_json::from_str(new).unwrap();
        assert_eq!(new.complete().unwrap().seconds - new.begun().unwrap().seconds, 60);
    }
}
