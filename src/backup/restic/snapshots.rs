//! The snapshots of a repository, and which of them is meant.
//!
//! `--snapshot` can narrow the choice: `host=web`, `path=/srv/data`, `tag=daily`, joined by commas,
//! and last an id or a time. Without that, it is the newest of those that fit.

use std::collections::BTreeSet;
use std::time::SystemTime;

use jiff::tz::TimeZone;
use rustic_core::Id;

use super::node::{Taken, id};
use super::repository::Unlocked;
use crate::backup::snapshot::{self, Snapshot};
use crate::platform::Timestamp;
use crate::words;

/// One snapshot.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) id: String,
    /// The hash of the list of what is at the top.
    pub(super) tree: Id,
    /// When it was begun, by which snapshots are chosen.
    begun: Option<Timestamp>,
    /// When nothing more was added to it.
    pub(super) complete: Option<Timestamp>,
    host: String,
    paths: Vec<String>,
    tags: Vec<String>,
}

/// What was chosen, and what a person should know of it.
type WithNotes<T> = (T, Vec<String>);

/// All snapshots of a repository.
#[derive(Debug)]
pub(super) struct Snapshots {
    all: Vec<Chosen>,
    /// Why others cannot be read.
    unreadable: Vec<String>,
}

impl Snapshots {
    /// Reads the files that describe them.
    pub(super) fn read(repository: &Unlocked) -> Result<Self, String> {
        let stray = |name: String| {
            let name = words::printable(&name).into_owned();
            format!("the folder snapshots holds a file called {name}, which is no snapshot by that name")
        };
        let unreadable = repository.stray_snapshots().into_iter().map(stray).collect();
        let mut found = Self { all: Vec::new(), unreadable };
        for id in repository.snapshots()? {
            match read(repository, &id) {
                Ok(snapshot) => found.all.push(snapshot),
                Err(problem) => found.unreadable.push(problem),
            }
        }
        Ok(found)
    }

    /// What a person can choose from.
    pub(super) fn names(&self) -> Vec<Snapshot> {
        self.all.iter().map(Chosen::name).collect()
    }

    /// The snapshot that a person means.
    pub(super) fn choose(self, asked: &str, this_host: Option<&str>) -> Result<WithNotes<Chosen>, String> {
        let (tests, asked) = Test::parse(asked)?;
        let names = self.fitting(&tests)?;
        let chosen = snapshot::choose(&names, asked, &TimeZone::system());
        let by_id = |chosen: &&Snapshot| chosen.id.as_ref().is_some_and(|id| id.starts_with(asked));
        if let Some(problem) = self.unreadable.first()
            && chosen.as_ref().ok().is_none_or(|chosen| !by_id(chosen))
        {
            return Err(may_be_meant(problem));
        }
        let id = chosen?.id.clone();
        self.check_host(id.as_deref(), asked, &tests, this_host)?;
        let notes = self.notes(&tests);
        let count = words::counted(self.all.len() as u64, "snapshot");
        let found = self.all.into_iter().find(|snapshot| Some(&snapshot.id) == id.as_ref());
        let found = found.ok_or_else(|| "it holds no snapshots".to_owned())?;
        let notes = notes.into_iter().chain(found.name().note_of_future(SystemTime::now().into()));
        let first = format!("{}, of {count} in the repository", found.sentence());
        Ok((found, std::iter::once(first).chain(notes).collect()))
    }

    /// The snapshots that a person means, the newest first, if several are meant (`all`, `last:7`).
    pub(super) fn choose_several(
        &self,
        asked: &str,
        this_host: Option<&str>,
    ) -> Result<Option<WithNotes<Vec<Chosen>>>, String> {
        let (tests, asked) = Test::parse(asked)?;
        let names = self.fitting(&tests)?;
        let Some(range) = snapshot::range(&names, asked)? else { return Ok(None) };
        if let Some(problem) = self.unreadable.first() {
            return Err(may_be_meant(problem));
        }
        let mut chosen = Vec::new();
        for Snapshot { id, .. } in &range.snapshots {
            self.check_host(id.as_deref(), asked, &tests, this_host)?;
            chosen.extend(self.all.iter().find(|snapshot| Some(&snapshot.id) == id.as_ref()).cloned());
        }
        let now = SystemTime::now().into();
        let future = range.snapshots.iter().filter_map(|snapshot| snapshot.note_of_future(now));
        let notes = std::iter::once(range.note()).chain(self.notes(&tests)).chain(future);
        Ok(Some((chosen, notes.collect())))
    }

    /// What a person can choose from with these tests.
    fn fitting(&self, tests: &[Test<'_>]) -> Result<Vec<Snapshot>, String> {
        let passes = |snapshot: &&Chosen| tests.iter().all(|test| test.passes(snapshot));
        let names: Vec<_> = self.all.iter().filter(passes).map(Chosen::name).collect();
        if names.is_empty() && !self.all.is_empty() {
            return Err(format!("no snapshot fits that; {}", self.kinds()));
        }
        Ok(names)
    }

    /// Refuses another host's snapshot if this machine has some, and nobody has said which is
    /// meant.
    fn check_host(
        &self,
        id: Option<&str>,
        asked: &str,
        tests: &[Test<'_>],
        this_host: Option<&str>,
    ) -> Result<(), String> {
        let chosen = self.all.iter().find(|snapshot| Some(snapshot.id.as_str()) == id);
        let is_named = |snapshot: &Chosen| snapshot.id.starts_with(asked) || snapshot.name == asked;
        let says_host = tests.iter().any(|test| matches!(test, Test::Host(_)));
        let (Some(chosen), Some(this_host), false) = (chosen, this_host, says_host) else { return Ok(()) };
        let has_own = self.all.iter().any(|snapshot| snapshot.host == this_host);
        if !has_own || chosen.host == this_host || is_named(chosen) {
            return Ok(());
        }
        let other = words::printable(&chosen.host);
        Err(format!(
            "the newest snapshot that fits is of the host {other}, and the repository has some of this machine ({this_host}), \
             too: say which with --snapshot host={this_host} or --snapshot host={other}"
        ))
    }

    /// What the repository holds snapshots of.
    fn kinds(&self) -> String {
        let of = |snapshot: &Chosen| format!("host={},path={}", snapshot.host, snapshot.paths.join(" "));
        let kinds: BTreeSet<_> = self.all.iter().map(of).collect();
        let shown: Vec<_> = kinds.iter().take(5).map(|kind| words::printable(kind)).collect();
        format!("there are {}", shown.join("; "))
    }

    /// What a person may not expect: that the newest of all is not that of the machine in mind.
    fn notes(&self, tests: &[Test<'_>]) -> Vec<String> {
        let kinds: BTreeSet<_> = self.all.iter().map(|snapshot| (&snapshot.host, &snapshot.paths)).collect();
        let is_narrowed = tests.iter().any(|test| !matches!(test, Test::Tag(_)));
        if kinds.len() < 2 || is_narrowed {
            return Vec::new();
        }
        vec![format!("the repository holds snapshots of several hosts or paths; {}", self.kinds())]
    }
}

/// The error about a snapshot that cannot be read.
fn may_be_meant(problem: &str) -> String {
    format!(
        "{problem}, and it may be the one that is meant: run restic check, or name another with --snapshot ID"
    )
}

fn read(repository: &Unlocked, file: &Id) -> Result<Chosen, String> {
    let content = repository.snapshot(file)?;
    let unclear = || format!("the snapshot {file} cannot be understood");
    let taken: Taken<'_> = serde_json::from_slice(&content).map_err(|_| unclear())?;
    Ok(Chosen {
        name: file.to_string(),
        id: file.to_hex().to_string(),
        tree: id(&taken.tree).ok_or_else(unclear)?,
        begun: taken.begun(),
        complete: taken.complete(),
        host: taken.hostname,
        paths: taken.paths,
        tags: taken.tags.unwrap_or_default(),
    })
}

impl Chosen {
    fn name(&self) -> Snapshot {
        Snapshot { name: self.name.clone(), id: Some(self.id.clone()), taken: self.begun }
    }

    fn sentence(&self) -> String {
        let of = format!("{}: {}", self.host, self.paths.join(" "));
        format!("the snapshot {} of {}{}", self.name, words::printable(&of), self.name().taken_at())
    }
}

/// What a snapshot must fit.
enum Test<'a> {
    Host(&'a str),
    Path(&'a str),
    Tag(&'a str),
}

impl<'a> Test<'a> {
    /// Splits what a person has asked for into tests, and the id or time.
    fn parse(asked: &'a str) -> Result<(Vec<Self>, &'a str), String> {
        let (mut tests, mut last) = (Vec::new(), "latest");
        for part in asked.split(',') {
            match part.split_once('=') {
                Some(("host", host)) => tests.push(Self::Host(host)),
                Some(("path", path)) => tests.push(Self::Path(path)),
                Some(("tag", tag)) => tests.push(Self::Tag(tag)),
                Some((other, _)) => {
                    return Err(format!(
                        "--snapshot knows host=, path= and tag=, but not {}=",
                        words::printable(other)
                    ));
                }
                None => last = part,
            }
        }
        Ok((tests, last))
    }

    fn passes(&self, snapshot: &Chosen) -> bool {
        match self {
            Self::Host(host) => snapshot.host == *host,
            Self::Path(path) => snapshot.paths.iter().any(|stored| stored == path),
            Self::Tag(tag) => snapshot.tags.iter().any(|stored| stored == tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshots(unreadable: &[&str]) -> Snapshots {
        let one = |(name, host, path, tag, seconds): (&str, &str, &str, &str, i64)| Chosen {
            name: name.to_owned(),
            id: name.repeat(8),
            tree: Id::default(),
            begun: Some(Timestamp { seconds, nanos: 0 }),
            complete: None,
            host: host.to_owned(),
            paths: vec![path.to_owned()],
            tags: vec![tag.to_owned()],
        };
        let all = [
            ("aaaa0001", "web", "/srv", "daily", 1),
            ("aaaa0002", "web", "/etc", "weekly", 2),
            ("bbbb0003", "db", "/srv", "daily", 3),
        ];
        let unreadable = unreadable.iter().map(|&problem| problem.to_owned()).collect();
        Snapshots { all: all.into_iter().map(one).collect(), unreadable }
    }

    fn chosen(asked: &str) -> Result<String, String> {
        snapshots(&[]).choose(asked, None).map(|(chosen, _)| chosen.name)
    }

    #[test]
    fn the_newest_that_fits_is_chosen() {
        for (asked, name) in [
            ("latest", "bbbb0003"),
            ("host=web", "aaaa0002"),
            ("host=web,path=/srv", "aaaa0001"),
            ("tag=daily,latest", "bbbb0003"),
            ("tag=daily,1970-01-01T00:00:02Z", "aaaa0001"),
            ("aaaa0001", "aaaa0001"),
        ] {
            assert_eq!(chosen(asked).as_deref(), Ok(name), "{asked}");
        }
        for (asked, words) in [
            ("host=mail", "host=db,path=/srv; host=web,path=/etc; host=web,path=/srv"),
            ("hots=web", "not hots="),
            ("host=db,aaaa0001", "it has no snapshot aaaa0001"),
        ] {
            let error = chosen(asked).unwrap_err();
            assert!(error.contains(words), "{asked}: {error}");
        }
    }

    #[test]
    fn a_repository_of_several_hosts_says_so_unless_one_was_named() {
        let notes = |asked| snapshots(&[]).choose(asked, None).unwrap().1;
        assert!(notes("latest").iter().any(|note| note.contains("several hosts")), "{:?}", notes("latest"));
        assert!(notes("tag=daily").iter().any(|note| note.contains("several hosts")));
        let named = notes("host=web");
        assert_eq!(
            named,
            [
                "the snapshot aaaa0002 of web: /etc, taken at 1970-01-01T00:00:02Z, of 3 snapshots in the repository"
            ]
        );
    }

    #[test]
    fn another_hosts_snapshot_is_refused_where_this_machine_has_some_unless_it_is_named() {
        let chosen = |asked, host| snapshots(&[]).choose(asked, Some(host)).map(|(chosen, _)| chosen.name);
        let error = chosen("latest", "web").unwrap_err();
        assert!(error.contains("--snapshot host=web or --snapshot host=db"), "{error}");
        for (asked, host, name) in [
            ("latest", "db", "bbbb0003"),
            ("latest", "verifier", "bbbb0003"),
            ("host=db", "web", "bbbb0003"),
            ("bbbb0003", "web", "bbbb0003"),
            ("path=/etc", "web", "aaaa0002"),
        ] {
            assert_eq!(chosen(asked, host).as_deref(), Ok(name), "{asked} {host}");
        }
    }

    #[test]
    fn a_snapshot_from_the_future_is_remarked() {
        let mut future = snapshots(&[]);
        future.all[0].begun = Some(Timestamp { seconds: 4_000_000_000, nanos: 0 });
        let notes = future.choose("latest", None).unwrap().1;
        assert!(notes.iter().any(|note| note.contains("in the future")), "{notes:?}");
    }

    #[test]
    fn what_cannot_be_read_may_be_what_was_meant_unless_an_id_was_named() {
        let damaged = || snapshots(&["the snapshot cccc0004 is damaged"]);
        for asked in ["latest", "host=web", "2030-01-01", "cccc0004"] {
            let error = damaged().choose(asked, None).unwrap_err();
            assert!(error.contains("cccc0004 is damaged, and it may be the one"), "{asked}: {error}");
        }
        assert_eq!(damaged().choose("aaaa0001", None).unwrap().0.name, "aaaa0001");
    }
}
