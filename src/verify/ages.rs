//! When each file was last judged, in little memory: what [`coverage`](super::coverage) asks for
//! every file of the listing.
//!
//! A ledger may remember ten million files, and asking it for each of ten million listed ones would
//! take longer than listing them. So it is read once, front to back, into a table of 6 bytes a
//! file and 4 MiB:
//!
//! - The upper 20 bits of the key of a path ([`PathKey`]) choose one of 2^20 buckets. A fingerprint
//!   of 32 bits, made of the whole key and the seed, is kept in it.
//! - Of the number of the run, its place among the runs is kept: 1 for the oldest run that judged
//!   any of the files last. Files that were last judged by one of the newest runs beyond the first
//!   65,535 all count as judged by the same run.
//!
//! A ledger gives its files in the order of their keys, so the table is filled front to back. It
//! works in any order. The lookups come in no order at all, so what they cost is finding the page of
//! each place: the table is in large pages where the system has them.
//!
//! Two paths can have the same 52 bits. Among ten million remembered files this happens for about
//! two of a billion lookups. Such a file is then taken for one that was judged at another time, and
//! it may have to wait. The seed is in the fingerprint so that another run does not repeat it.

use std::collections::HashSet;

use memmap2::MmapMut;

use crate::platform;

use super::memory::{LastJudged, PathKey, RunNumber};

/// The tests make thousands of tables, of few files each.
const BUCKET_BITS: u32 = if cfg!(test) { 12 } else { 20 };
const BUCKETS: usize = 1 << BUCKET_BITS;

/// How long ago a file was last judged: 0 if never, otherwise the place of the run that judged it
/// last, from 1 for the oldest.
pub type Age = u16;

/// When each file was last judged.
#[derive(Debug)]
pub struct Ages {
    salt: [u64; 2],
    /// Where each bucket begins, and the end of the last.
    starts: Box<[u32]>,
    /// The memory of the slots; `None` if nothing is remembered.
    slots: Option<MmapMut>,
}

/// A fingerprint in 4 bytes, and the age in 2, side by side so that a lookup reads one place of the
/// memory.
type Slot = [u8; SLOT];
const SLOT: usize = 6;

/// Where a file is looked up.
#[derive(Debug, Clone, Copy)]
struct Sought {
    from: usize,
    to: usize,
    fingerprint: [u8; 4],
}

impl Ages {
    /// A table in which no file was judged.
    pub fn none() -> Self {
        Self { salt: [0; 2], starts: vec![0; BUCKETS + 1].into(), slots: None }
    }

    /// Reads everything that is remembered, twice: to count, and to fill.
    ///
    /// # Errors
    /// If the store cannot be read, or remembers more than 4 billion files. In words.
    pub fn read(remembered: &dyn LastJudged, seed: &str) -> Result<Self, String> {
        let hash = blake3::derive_key("bkverify 2026 ages v1", seed.as_bytes());
        let number = |from: usize| u64::from_le_bytes(std::array::from_fn(|at| hash[from + at]));
        let salt = [number(0), number(8)];

        let mut starts = vec![0_u32; BUCKETS + 1];
        let mut runs = Runs::default();
        let mut total = 0_u64;
        remembered.each(&mut |key, run| {
            let (bucket, _) = place(salt, key);
            starts[bucket + 1] = starts[bucket + 1].saturating_add(1);
            total += 1;
            runs.note(run);
        })?;
        let total =
            u32::try_from(total).map_err(|_| format!("it remembers {total} files, which is too many"))?;
        runs.sort();
        for bucket in 0..BUCKETS {
            starts[bucket + 1] += starts[bucket];
        }

        if total == 0 {
            return Ok(Self { salt, ..Self::none() });
        }
        let memory = platform::memory(total as usize * SLOT);
        let mut memory = memory.map_err(|error| format!("there is no memory for a table of it: {error}"))?;
        let (slots, _) = memory.as_chunks_mut::<SLOT>();
        // Each bucket is filled from its end, so that afterwards its end has become its beginning. If
        // the store has changed in between, an entry may be lost, and its file then counts as never
        // judged.
        remembered.each(&mut |key, run| {
            let (bucket, fingerprint) = place(salt, key);
            if let Some(at) = starts[bucket + 1].checked_sub(1) {
                starts[bucket + 1] = at;
                let ([a, b, c, d], [e, f]) = (fingerprint, runs.age(run).to_ne_bytes());
                slots[at as usize] = [a, b, c, d, e, f];
            }
        })?;
        starts.rotate_left(1);
        starts[BUCKETS] = total;
        Ok(Self { salt, starts: starts.into(), slots: Some(memory) })
    }

    /// How long ago the file at this path was last judged.
    pub fn of_path(&self, path: &[u8]) -> Age {
        if self.is_empty() { 0 } else { self.of(PathKey::of(path)) }
    }

    /// How long ago the file with this key was last judged.
    pub fn of(&self, key: PathKey) -> Age {
        self.find(self.sought(key))
    }

    /// How long ago each of the files at these paths was last judged.
    ///
    /// Every lookup waits for two places of the memory. Each step is a loop of its own, in which
    /// the processor waits for many of them at once.
    pub fn of_all<'a>(&self, paths: impl Iterator<Item = &'a [u8]>) -> Vec<Age> {
        let keys: Vec<PathKey> = paths.map(PathKey::of).collect();
        let sought: Vec<Sought> = keys.into_iter().map(|key| self.sought(key)).collect();
        let slots = self.slots();
        let touch = |at: usize| slots.get(at).map_or(0, |slot| slot[0]);
        let touched =
            sought.iter().fold(0, |sum, sought| sum ^ touch(sought.from) ^ touch(sought.to.max(1) - 1));
        std::hint::black_box(touched);
        sought.into_iter().map(|sought| self.find(sought)).collect()
    }

    fn sought(&self, key: PathKey) -> Sought {
        let (bucket, fingerprint) = place(self.salt, key);
        Sought { from: self.starts[bucket] as usize, to: self.starts[bucket + 1] as usize, fingerprint }
    }

    fn find(&self, Sought { from, to, fingerprint }: Sought) -> Age {
        let slots = self.slots().get(from..to).unwrap_or_default();
        let found = slots.iter().find(|[a, b, c, d, ..]| [*a, *b, *c, *d] == fingerprint);
        found.map_or(0, |&[.., upper, lower]| Age::from_ne_bytes([upper, lower]))
    }

    fn slots(&self) -> &[Slot] {
        self.slots.as_ref().map_or(&[], |memory| memory.as_chunks().0)
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.slots.is_none()
    }
}

/// The bucket and the fingerprint of a key. For the fingerprint, the two salted halves of the key
/// are multiplied, so that all bits of the key and the salt decide about each of its bits.
fn place(salt: [u64; 2], key: PathKey) -> (usize, [u8; 4]) {
    let [upper, lower] = key.halves();
    let bucket = (upper >> (64 - BUCKET_BITS)) as usize;
    let [upper, lower] = PathKey(u128::from(upper ^ salt[0]) * u128::from(lower ^ salt[1])).halves();
    (bucket, (((upper ^ lower) >> 32) as u32).to_be_bytes())
}

/// The runs that judged a file last.
#[derive(Debug)]
struct Runs {
    noted: HashSet<RunNumber>,
    sorted: Vec<RunNumber>,
    /// Runs that were met lately and their ages, by the lower bits of their numbers. Nearly all
    /// files are found here, without a search.
    recent: Box<[(RunNumber, Age)]>,
}

const RECENT: usize = 1 << 10;

impl Default for Runs {
    fn default() -> Self {
        Self { noted: HashSet::new(), sorted: Vec::new(), recent: vec![(0, 0); RECENT].into() }
    }
}

impl Runs {
    /// The place in `recent` that is this run's.
    #[expect(clippy::cast_possible_truncation, reason = "the lower bits are wanted")]
    fn recent(&mut self, run: RunNumber) -> &mut (RunNumber, Age) {
        &mut self.recent[run as usize % RECENT]
    }

    /// Notes a run. An age of 1 in `recent` says that it was noted.
    fn note(&mut self, run: RunNumber) {
        let recent = self.recent(run);
        if *recent != (run, 1) {
            *recent = (run, 1);
            self.noted.insert(run);
        }
    }

    /// Ends the noting. From now on, `recent` has ages.
    fn sort(&mut self) {
        self.sorted = std::mem::take(&mut self.noted).into_iter().collect();
        self.sorted.sort_unstable();
        self.recent.fill((0, 0));
    }

    fn age(&mut self, run: RunNumber) -> Age {
        let recent = *self.recent(run);
        if recent.0 == run && recent.1 > 0 {
            return recent.1;
        }
        let older = self.sorted.partition_point(|&other| other < run);
        let age = Age::try_from(older + 1).unwrap_or(Age::MAX);
        *self.recent(run) = (run, age);
        age
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A ledger in memory.
    struct Ledger(Vec<(PathKey, RunNumber)>);

    impl LastJudged for Ledger {
        fn each(&self, each: &mut dyn FnMut(PathKey, RunNumber)) -> Result<(), String> {
            self.0.iter().for_each(|&(key, run)| each(key, run));
            Ok(())
        }
    }

    fn key(number: u64) -> PathKey {
        PathKey::of(&number.to_le_bytes())
    }

    #[test]
    fn every_file_has_the_place_of_the_run_that_judged_it_last() {
        // Runs have large numbers with gaps, and come in any order.
        let run = |number: u64| 1_000_000_007 * (1 + number * 7 % 13);
        let ledger = Ledger((0..50_000).map(|number| (key(number), run(number))).collect());
        for seed in ["", "a", "b"] {
            let ages = Ages::read(&ledger, seed).unwrap();
            for number in 0..50_000 {
                let expected = u16::try_from(run(number) / 1_000_000_007).unwrap();
                assert_eq!(ages.of(key(number)), expected, "{number}");
            }
            assert!((50_000..150_000).all(|number| ages.of(key(number)) == 0));
        }
    }

    #[test]
    fn the_newest_runs_beyond_the_first_65_535_count_as_one() {
        let ledger = Ledger((1..=70_000).map(|number| (key(number), number)).collect());
        let ages = Ages::read(&ledger, "s").unwrap();
        assert_eq!([1, 2, 65_534].map(|number| ages.of(key(number))), [1, 2, 65_534]);
        assert_eq!([65_535, 65_536, 70_000].map(|number| ages.of(key(number))), [Age::MAX; 3]);
    }

    #[test]
    fn paths_that_are_taken_for_one_another_are_not_in_another_run() {
        // Of so many keys, some share the upper half of their fingerprints under one salt.
        let keys: Vec<_> = (0..1 << 16).map(key).collect();
        let half = |salt, key| place(salt, key).1[..2].to_vec();
        let same = |salt, at: usize| half(salt, keys[at]) == half(salt, keys[at + 1]);
        let all: Vec<_> = (0..keys.len() - 1).filter(|&at| same([1, 2], at)).collect();
        let again = all.iter().filter(|&&at| same([3, 4], at)).count();
        assert_eq!(again, 0, "of {}", all.len());
    }

    /// A store that another program writes to between the two readings.
    struct Shifting(AtomicU64);

    impl LastJudged for Shifting {
        fn each(&self, each: &mut dyn FnMut(PathKey, RunNumber)) -> Result<(), String> {
            let from = self.0.fetch_add(500, Ordering::Relaxed);
            (from..from + 3_000).for_each(|number| each(key(number), number));
            Ok(())
        }
    }

    #[test]
    fn a_store_that_changes_while_it_is_read_breaks_nothing() {
        let ages = Ages::read(&Shifting(AtomicU64::new(0)), "s").unwrap();
        // What is lost counts as never judged, so it is judged sooner.
        let known = (500..3_000).filter(|&number| ages.of(key(number)) > 0).count();
        assert!(known > 1_800, "{known}");
    }

    #[test]
    fn a_store_that_cannot_be_read_is_an_error_and_no_memory() {
        struct Broken;
        impl LastJudged for Broken {
            fn each(&self, _: &mut dyn FnMut(PathKey, RunNumber)) -> Result<(), String> {
                Err("the disk is gone".to_owned())
            }
        }
        assert_eq!(Ages::read(&Broken, "s").unwrap_err(), "the disk is gone");
        assert_eq!(Ages::none().of(key(1)), 0);
    }
}
