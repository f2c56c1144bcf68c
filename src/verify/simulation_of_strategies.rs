//! Checks the statements of `size` and `coverage` against simulated backups, as
//! [`simulation`](super::simulation) does for `random`: the same classes of worlds, the real draws,
//! and the real bounds. For each strategy, a rule that looks right and is wrong is tried as well, to
//! show that these worlds can tell it from the right one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::arrivals::{AnsweringPick, ArrivalCounts, ArrivalLimit, Arrivals};
use super::assurance::Assurance;
use super::byte_bound::ByteBound;
use super::counts::Counts;
use super::coverage::CoverageDraw;
use super::draw::{Draw, Drawn, Everything, Request};
use super::memory::{LastJudged, PathKey, RunNumber};
use super::outcome::{Incomplete, Population};
use super::sample::Ranker;
use super::simulation::{CLASSES, Class, File, file, run};
use super::size::SizeDraw;
use super::tally::Tally;
use crate::backup::{Entry, EntryBatch};
use crate::plan::SampleSize;

const WORLDS: u64 = 150;

/// How many statements were false, and how many may be.
#[derive(Default)]
struct Score {
    made: u64,
    expected: f64,
    variance: f64,
    false_ones: u64,
    false_by_wrong_rule: u64,
}

impl Score {
    fn add(&mut self, confidence: f64, is_false: bool) {
        self.made += 1;
        self.expected += 1.0 - confidence;
        self.variance += confidence * (1.0 - confidence);
        self.false_ones += u64::from(is_false);
    }

    /// Four standard deviations above what the confidences allow.
    fn allowed(&self) -> f64 {
        self.expected + 4.0 * self.variance.sqrt()
    }
}

/// Plays every class of worlds. Returns the scores, after checking that no class has too many false
/// statements.
fn play(strategy: &str, world: impl Fn(&Class, &mut StdRng, &mut Score)) -> Vec<Score> {
    let (mut lines, mut failed, mut scores) = (String::new(), Vec::new(), Vec::new());
    for (number, class) in CLASSES.iter().enumerate() {
        let mut score = Score::default();
        let mut rng = StdRng::seed_from_u64(1_000 + number as u64);
        (0..WORLDS).for_each(|_| world(class, &mut rng, &mut score));
        lines.push_str(&format!(
            "{strategy:>24} {:<35}{:>10}{:>7}{:>9.0}{:>12}\n",
            class.name, score.made, score.false_ones, score.expected, score.false_by_wrong_rule
        ));
        if score.false_ones as f64 > score.allowed() || score.made < WORLDS / 3 {
            failed.push(class.name);
        }
        scores.push(score);
    }
    // Written to standard error directly, because the harness hides the output of tests that pass.
    let _ = std::io::stderr().write_all(lines.as_bytes());
    assert_eq!(failed, [""; 0], "{lines}");
    scores
}

fn path(number: usize) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn number(path: &[u8]) -> usize {
    std::str::from_utf8(path).unwrap().parse().unwrap()
}

fn draw(draw: Box<dyn Draw>, seed: &str, sizes: &[u64]) -> Drawn {
    let paths: Vec<_> = (0..sizes.len()).map(path).collect();
    let entry = |(path, &size): (&Vec<u8>, &u64)| {
        EntryBatch::from_iter([Entry { size: Some(size), ..Entry::named(path) }])
    };
    let mut entries = EntryBatch::new();
    for one in paths.iter().zip(sizes).map(entry) {
        entries.extend(one.iter());
    }
    assert!(draw.take(&entries, &Everything(Ranker::new(seed))).is_continue());
    draw.finish().unwrap()
}

/// Verifies picks one by one on so many threads, until enough arrivals are in files that can be
/// compared, or the time is over. The time for a file grows with its size.
fn verify_bytes(
    files: &[File],
    sizes: &[u64],
    picks: &EntryBatch,
    arrivals: &Arrivals,
    threads: usize,
    until: u64,
) -> Tally {
    let (mut limit, mut tally, mut next) = (ArrivalLimit::new(arrivals), Tally::default(), 0);
    let mut busy: BinaryHeap<Reverse<(u64, Option<usize>)>> =
        (0..threads).map(|_| Reverse((0, None))).collect();
    let mut waiting = 0;
    while let Some(Reverse((clock, done))) = busy.pop() {
        if let Some(done) = done {
            if clock > until {
                tally.ended = Some(Incomplete::TimeLimit);
                continue;
            }
            let File { verdict, comparable, .. } = files[done];
            tally.picks.answering.push(AnsweringPick::new(&path(done), verdict, comparable));
            tally.picks.counts.add(verdict, comparable);
            if !comparable {
                limit.replace(&[PathKey::of(&path(done))]);
            }
        }
        for _ in 0..=std::mem::take(&mut waiting) {
            if next < limit.picks().min(picks.len()) && clock < until {
                let file = number(picks.get(next).path);
                next += 1;
                busy.push(Reverse((clock + files[file].time * (1 + sizes[file] / 50_000), Some(file))));
            } else {
                waiting += 1;
            }
        }
        tally.ended = tally.ended.or((clock >= until).then_some(Incomplete::TimeLimit));
    }
    tally.drawn = next as u64;
    tally
}

fn world_of_size(class: &Class, rng: &mut StdRng, score: &mut Score) {
    let rots = [0.0, 0.002, 0.01, 0.05, 0.2, 0.5];
    let rot = rots[rng.random_range(0..rots.len())];
    let count = rng.random_range(30..400);
    // Sizes over five orders of magnitude, and in some worlds one file of half of all bytes.
    let magnitudes = (0..count).map(|_| rng.random_range(0..5)).collect::<Vec<u32>>();
    let size = |magnitude| rng.random_range(10_u64.pow(magnitude)..10_u64.pow(magnitude + 1));
    let mut sizes: Vec<u64> = magnitudes.into_iter().map(size).collect();
    if rng.random_range(0..4) == 0 {
        sizes[0] = sizes.iter().sum();
    }
    // Rot in large files alone, in small files alone, or in both.
    let wanted_size = rng.random_range(0..3);
    let files: Vec<File> = sizes
        .iter()
        .map(|&size| {
            let is_large = size > 10_000;
            let here = match wanted_size {
                0 => rot,
                1 => {
                    if is_large {
                        rot
                    } else {
                        0.0
                    }
                }
                _ => {
                    if is_large {
                        0.0
                    } else {
                        rot
                    }
                }
            };
            file(class, here, rng)
        })
        .collect();
    let (wanted, threads) = (rng.random_range(10..300), rng.random_range(1..=8));
    let confidence = [0.8, 0.95, 0.99][rng.random_range(0..3)];
    let seed = rng.random::<u64>().to_string();
    let request = Request { size: SampleSize::Count(wanted), confidence, seed: &seed, last_judged: None };
    let Drawn { picks, arrivals, .. } = draw(Box::new(SizeDraw::new(&request)), &seed, &sizes);
    let arrivals = arrivals.unwrap();
    let until = (arrivals.first_files() * 15).saturating_mul(class.limit) / threads as u64;
    let mut tally = verify_bytes(&files, &sizes, &picks, &arrivals, threads, until);
    tally.population =
        Population { files: count, whole: true, bytes: Some(sizes.iter().sum()), ..Population::default() };
    let counted = arrivals.count(&tally.picks.answering, tally.drawn, true);
    let bad_bytes: u64 =
        files.iter().zip(&sizes).filter(|(file, _)| file.comparable && file.bad).map(|(_, size)| size).sum();
    if let Some(found) = ByteBound::of(sizes.iter().sum(), &counted, confidence) {
        score.add(confidence, found.at_most_bad < bad_bytes);
    }
    // The wrong rule, as in the other simulation: files that differ and were modified are left out,
    // files that are equal count, and the statement is about all bytes.
    let bad_bytes: u64 = files.iter().zip(&sizes).filter(|(file, _)| file.bad).map(|(_, size)| size).sum();
    for pick in &mut tally.picks.answering {
        pick.comparable = pick.verdict.is_decided();
    }
    let counted = arrivals.count(&tally.picks.answering, tally.drawn, true);
    let counted = ArrivalCounts { outside_bytes: 0, is_everything: false, ..counted };
    if let Some(found) = ByteBound::of(sizes.iter().sum(), &counted, confidence) {
        score.false_by_wrong_rule += u64::from(found.at_most_bad < bad_bytes);
    }
}

#[test]
fn the_statement_about_bytes_is_true_as_often_as_it_says_in_every_class_of_worlds() {
    let scores = play("size", world_of_size);
    let edited = CLASSES.iter().position(|class| class.name == "edits where the rot is").unwrap();
    let edited = &scores[edited];
    assert!(edited.false_by_wrong_rule as f64 > edited.allowed(), "these worlds can tell a wrong rule");
}

/// When each file was last judged, by its number.
struct Nights(Vec<RunNumber>);

impl LastJudged for Nights {
    fn each(&self, each: &mut dyn FnMut(PathKey, RunNumber)) -> Result<(), String> {
        let judged = self.0.iter().enumerate().filter(|&(_, &run)| run > 0);
        judged.for_each(|(number, &run)| each(PathKey::of(&path(number)), run));
        Ok(())
    }
}

/// Nights of one backup. Rot comes to files that were judged lately, which is the worst for a rule
/// that trusts the files that were judged longest ago.
fn nights(class: &Class, rng: &mut StdRng, score: &mut Score) {
    let rots = [0.01, 0.05, 0.1, 0.2, 0.4];
    let rot = rots[rng.random_range(0..rots.len())];
    let count = rng.random_range(150..400);
    let mut nights = Nights((0..count).map(|_| rng.random_range(0..5)).collect());
    let confidence = [0.8, 0.95, 0.99][rng.random_range(0..3)];
    let asked = rng.random_range(60..160);
    let sizes = vec![1; count];
    for night in 5..7 {
        let files: Vec<File> = (0..count)
            .map(|number| file(class, if nights.0[number] >= 3 { rot } else { 0.0 }, rng))
            .collect();
        let seed = rng.random::<u64>().to_string();
        let request =
            Request { size: SampleSize::Count(asked), confidence, seed: &seed, last_judged: Some(&nights) };
        let (begun, _) = CoverageDraw::begin(&request);
        let drawn = draw(Box::new(begun), &seed, &sizes);
        let wanted = usize::try_from(drawn.wanted).unwrap();
        let threads = rng.random_range(1..=4);
        let until = (wanted as u64 * 10).saturating_mul(class.limit) / threads as u64;
        let by_rank: Vec<File> = drawn.picks.iter().map(|entry| files[number(entry.path)]).collect();
        let (counts, handed_out) = run(&by_rank, wanted, threads, until);
        let cut_off = super::tally::cut_off(handed_out, &counts, threads as u64);
        let bad = files.iter().filter(|file| file.comparable && file.bad).count() as u64;
        if let Some(found) = Assurance::of(count as u64, &counts, cut_off, confidence) {
            score.add(confidence, found.at_most_bad < bad);
        }
        // The wrong rule: both halves are taken for one random sample.
        let beside = drawn.beside.unwrap();
        let mut both: Counts = counts.clone();
        let others = beside.picks.iter().map(|entry| number(entry.path));
        let judged: Vec<_> = drawn
            .picks
            .iter()
            .take(usize::try_from(handed_out).unwrap())
            .map(|entry| number(entry.path))
            .collect();
        let others: Vec<_> = others.filter(|number| !judged.contains(number)).take(wanted).collect();
        others.iter().for_each(|&number| both.add(files[number].verdict, files[number].comparable));
        if let Some(found) = Assurance::of(count as u64, &both, cut_off, confidence) {
            score.false_by_wrong_rule += u64::from(found.at_most_bad < bad);
        }
        judged.into_iter().chain(others).for_each(|number| nights.0[number] = night);
    }
}

#[test]
fn the_statement_of_the_random_half_is_true_as_often_as_it_says_whatever_was_judged_before() {
    let scores = play("coverage", nights);
    let plain = &scores[0];
    assert!(plain.false_by_wrong_rule as f64 > plain.allowed(), "these worlds can tell a wrong rule");
}
