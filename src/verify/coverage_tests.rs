//! Checks the draw against a second, plain implementation and against another program, and the
//! promise against backups in which files come and go.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::backup::Entry;
use crate::plan::SampleSize;
use crate::verify::draw::Everything;
use crate::verify::memory::{LastJudged, PathKey, RunNumber};
use crate::verify::sample::Ranker;

/// What earlier runs remember, in memory.
#[derive(Default, Clone)]
struct Ledger(HashMap<Vec<u8>, RunNumber>);

impl LastJudged for Ledger {
    fn each(&self, each: &mut dyn FnMut(PathKey, RunNumber)) -> Result<(), String> {
        self.0.iter().for_each(|(path, &run)| each(PathKey::of(path), run));
        Ok(())
    }
}

/// Draws, from batches of this many entries.
fn draw(seed: &str, paths: &[Vec<u8>], size: SampleSize, remembered: &dyn LastJudged, batch: usize) -> Drawn {
    let mut size = size;
    loop {
        let request = Request { size, confidence: 0.95, seed, last_judged: Some(remembered) };
        let (draw, notes) = CoverageDraw::begin(&request);
        assert_eq!(notes, [""; 0]);
        let everything = Everything(Ranker::new(seed));
        for paths in paths.chunks(batch) {
            let entries: EntryBatch = paths.iter().map(|path| Entry::named(path)).collect();
            assert!(draw.take(&entries, &everything).is_continue());
        }
        if let Some(drawn) = Box::new(draw).finish() {
            return drawn;
        }
        // As the flow does.
        size = SampleSize::Count(SampleQuota::new(size, 0.95).wanted(paths.len() as u64));
    }
}

fn names(picks: &EntryBatch) -> Vec<Vec<u8>> {
    picks.iter().map(|entry| entry.path.to_vec()).collect()
}

/// The two halves of a run that judges `outside` files in the random half that cannot be compared.
fn halves(drawn: &Drawn, outside: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let wanted = usize::try_from(drawn.wanted).unwrap();
    let random: Vec<_> = names(&drawn.picks).into_iter().take(wanted + outside).collect();
    let beside = drawn.beside.as_ref().unwrap();
    let oldest = names(&beside.picks).into_iter().filter(|path| !random.contains(path));
    let oldest = oldest.take(usize::try_from(beside.wanted).unwrap()).collect();
    (random, oldest)
}

/// The definition in the module's documentation, literally.
fn redraw(seed: &str, paths: &[Vec<u8>], half: usize, outside: usize, ledger: &Ledger) -> [Vec<Vec<u8>>; 2] {
    let ranker = Ranker::new(seed);
    let mut by_rank = paths.to_vec();
    by_rank.sort_by_key(|path| (ranker.rank(path).order, path.clone()));
    let mut runs: Vec<RunNumber> = ledger.0.values().copied().collect();
    runs.sort_unstable();
    runs.dedup();
    let age = |path: &Vec<u8>| {
        ledger.0.get(path).map_or(0, |run| 1 + runs.iter().position(|other| other == run).unwrap())
    };
    let random: Vec<_> = by_rank.iter().take(half + outside).cloned().collect();
    let mut others: Vec<_> = by_rank.into_iter().filter(|path| !random.contains(path)).collect();
    others.sort_by_key(&age);
    others.truncate(half);
    [random, others]
}

fn path(number: usize) -> Vec<u8> {
    format!("folder-{}/file-{number}", number % 17).into_bytes()
}

#[test]
fn another_program_draws_the_same_two_halves() {
    let expected = include_str!("../../fixtures/draws/expected.txt");
    let line = |name: &str| -> Vec<Vec<u8>> {
        let line = expected.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(|number| path(number.parse().unwrap())).collect()
    };
    let paths: Vec<_> = (0..400).map(path).collect();
    let judged = (0..400).filter(|number| number % 29 != 0);
    let ledger = Ledger(judged.map(|number| (path(number), 1000 + number as u64 % 5)).collect());
    let (random, oldest) = halves(&draw("autumn", &paths, SampleSize::Count(30), &ledger, 64), 0);
    assert_eq!((random, oldest), (line("random"), line("oldest")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn both_halves_are_what_sorting_everything_gives(
        seed in ".{0,4}",
        ages in proptest::collection::vec(0_u64..6, 1..2000),
        asked in prop_oneof![
            (1_u64..300).prop_map(SampleSize::Count),
            (0.001..0.6).prop_map(SampleSize::Share),
            Just(SampleSize::Tolerance(0.05)),
        ],
        outside in 0_usize..5,
        batch in 1_usize..500,
    ) {
        let paths: Vec<_> = (0..ages.len()).map(path).collect();
        let judged = ages.iter().enumerate().filter(|&(_, &age)| age > 0);
        let ledger = Ledger(judged.map(|(number, &age)| (path(number), age * 77)).collect());
        let drawn = draw(&seed, &paths, asked, &ledger, batch);
        let files = paths.len() as u64;
        let half = match asked {
            SampleSize::Tolerance(_) => SampleQuota::new(asked, 0.95).wanted(files),
            _ => SampleQuota::new(asked, 0.95).wanted(files).div_ceil(2),
        };
        prop_assert_eq!(drawn.wanted, half);
        let [random, oldest] = redraw(&seed, &paths, usize::try_from(half).unwrap(), outside, &ledger);
        prop_assert_eq!(halves(&drawn, outside), (random, oldest));
    }
}

#[test]
fn without_memory_a_run_says_that_nothing_rotates_and_takes_the_next_files_by_rank() {
    let request = Request { size: SampleSize::Count(30), confidence: 0.95, seed: "s", last_judged: None };
    let (draw, notes) = CoverageDraw::begin(&request);
    assert!(notes[0].contains("nothing is remembered"), "{notes:?}");
    let paths: Vec<_> = (0..400).map(path).collect();
    let entries: EntryBatch = paths.iter().map(|path| Entry::named(path)).collect();
    assert!(draw.take(&entries, &Everything(Ranker::new("s"))).is_continue());
    let (random, oldest) = halves(&Box::new(draw).finish().unwrap(), 0);
    let [all, _] = redraw("s", &paths, 30, 0, &Ledger::default());
    assert_eq!([random, oldest].concat(), all);
}

#[test]
fn a_ledger_that_cannot_be_read_is_told_and_the_run_counts() {
    struct Broken;
    impl LastJudged for Broken {
        fn each(&self, _: &mut dyn FnMut(PathKey, RunNumber)) -> Result<(), String> {
            Err("the disk is gone".to_owned())
        }
    }
    let size = SampleSize::Count(30);
    let request = Request { size, confidence: 0.95, seed: "s", last_judged: Some(&Broken) };
    let (_, notes) = CoverageDraw::begin(&request);
    assert!(notes[0].ends_with("the ledger cannot be read: the disk is gone"), "{notes:?}");
}

/// What happens between two runs.
#[derive(Debug, Clone)]
struct Night {
    arrive: usize,
    leave: usize,
    /// How many picks of the random half cannot be compared. They are judged, and replaced.
    outside: usize,
}

fn night() -> impl Strategy<Value = Night> {
    (0_usize..4, 0_usize..4, 0_usize..3).prop_map(|(arrive, leave, outside)| Night { arrive, leave, outside })
}

/// Runs every night, and checks for every file of every window of nights that it was judged as soon
/// as the promise says.
fn check_promise(
    files: usize,
    asked: SampleSize,
    nights: &[Night],
    before: &[u64],
) -> Result<(), TestCaseError> {
    let mut present: Vec<usize> = (0..files).collect();
    let mut next = files;
    let ledger = before.iter().enumerate().filter(|&(number, &run)| run > 0 && number < files);
    let mut ledger = Ledger(ledger.map(|(number, &run)| (path(number), run)).collect());
    // For each file: for how many runs in a row it has been there without being judged, and the
    // files that the backup has held since then.
    let mut waiting: BTreeMap<usize, (u64, HashSet<usize>)> = BTreeMap::new();
    for (number, night) in nights.iter().enumerate() {
        for _ in 0..night.leave.min(present.len().saturating_sub(1)) {
            let gone = present.remove((number * 7919) % present.len());
            waiting.remove(&gone);
        }
        present.extend(next..next + night.arrive);
        next += night.arrive;
        let paths: Vec<_> = present.iter().copied().map(path).collect();
        let seed = format!("night {number}");
        let drawn = draw(&seed, &paths, asked, &ledger, 100);
        let half = drawn.wanted;
        let n = SampleQuota::new(asked, 0.95).wanted(paths.len() as u64);
        prop_assert!(2 * half >= n);
        let (random, oldest) = halves(&drawn, night.outside);
        let judged: HashSet<_> = random.into_iter().chain(oldest).collect();
        let run = 1_000 + number as u64;
        ledger.0.extend(judged.iter().map(|path| (path.clone(), run)));
        for &file in &present {
            if judged.contains(&path(file)) {
                waiting.remove(&file);
                continue;
            }
            let (runs, held) = waiting.entry(file).or_default();
            *runs += 1;
            held.extend(&present);
            // Only with a fixed number, half is the same in all runs of a window.
            if let SampleSize::Count(_) = asked {
                let within = runs_for(held.len() as u64, half);
                prop_assert!(*runs < within, "file {} waits for {} runs of {}", file, runs, within);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_file_is_judged_within_the_promised_number_of_runs_though_files_come_and_go(
        files in 1_usize..120,
        asked in 1_u64..25,
        nights in proptest::collection::vec(night(), 1..40),
        before in proptest::collection::vec(0_u64..5, 0..120),
    ) {
        check_promise(files, SampleSize::Count(asked), &nights, &before)?;
    }
}

/// The promise as the manual has it: an unchanged backup of N files, and n files a run.
#[test]
fn an_unchanged_backup_is_judged_as_a_whole_within_the_promised_number_of_runs() {
    for (files, asked) in [
        (10, SampleSize::Count(5)),
        (100, SampleSize::Count(5)),
        (101, SampleSize::Count(7)),
        (64, SampleSize::Count(1)),
        (7, SampleSize::Count(500)),
        (200, SampleSize::Share(0.05)),
        (199, SampleSize::Share(0.07)),
    ] {
        let paths: Vec<_> = (0..files).map(path).collect();
        let n = SampleQuota::new(asked, 0.95).wanted(files as u64);
        // ⌈N / (n / 2)⌉
        let promised = (2 * files as u64).div_ceil(n);
        let mut ledger = Ledger::default();
        for run in 1..=promised {
            let drawn = draw(&format!("run {run}"), &paths, asked, &ledger, 100);
            let (random, oldest) = halves(&drawn, 0);
            ledger.0.extend(random.into_iter().chain(oldest).map(|path| (path, run)));
        }
        assert_eq!(ledger.0.len(), files, "{files} files, {asked:?}");
        // And once more from there, although now nothing is new.
        let before = ledger.clone();
        for run in promised + 1..=2 * promised {
            let (random, oldest) = halves(&draw(&format!("run {run}"), &paths, asked, &ledger, 100), 0);
            ledger.0.extend(random.into_iter().chain(oldest).map(|path| (path, run)));
        }
        assert!(ledger.0.iter().all(|(path, run)| *run > before.0[path]), "{files} files, {asked:?}");
    }
}
