//! A differential campaign: a random mutation of a random format, extracted by the format's own
//! program as the judge.
//!
//! Each trial damages a backup that a real program made, lets that program restore it, and lets
//! bkverify verify it. Then: bkverify never exits 0 where the program loses or alters a file, and
//! never exits 1 where the program restores everything without a complaint. It never crashes,
//! hangs, writes to the backup or the originals, or leaves anything behind.
//!
//! By the environment:
//! - `BKVERIFY_CAMPAIGN_TRIALS`: how many (300).
//! - `BKVERIFY_CAMPAIGN_SEED`: a number that all chance follows from (1).
//! - `BKVERIFY_CAMPAIGN_TRIAL`: only the trial of this number, told in full.
//! - `BKVERIFY_CAMPAIGN_FORMAT`: only trials of formats with this in their name, such as `zip`.
//!
//! Figures: `cargo test --test it campaign -- --nocapture`. Backups on which a trial failed are
//! kept in `target/campaign`.

mod argued;
mod dice;
mod figures;
mod folder;
mod formats;
mod judge;
mod layout;
mod mutate;
mod rule;
mod tree;
mod trial;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use self::figures::Figures;
use self::trial::{Bench, Place};

/// Trials in CI.
const TRIALS: u64 = 300;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

#[test]
fn intact_backups_pass_and_their_programs_are_content() {
    let bench = Bench::new();
    let place = Place::new();
    for made in &bench.made {
        let trial = bench.intact(made, &place);
        assert!(trial.judged.is_content(), "{trial}");
        assert_eq!(trial.seen.heard.code, Some(0), "{trial}");
        assert!(trial.faults.is_empty(), "{trial}");
    }
}

#[test]
fn a_backup_passes_only_if_its_program_restores_it_and_fails_only_if_not() {
    let seed = number("BKVERIFY_CAMPAIGN_SEED").unwrap_or(1);
    let only = number("BKVERIFY_CAMPAIGN_TRIAL");
    let count = number("BKVERIFY_CAMPAIGN_TRIALS").unwrap_or(TRIALS);
    let format = std::env::var("BKVERIFY_CAMPAIGN_FORMAT").unwrap_or_default();
    let numbers = only.map_or(0..count, |only| only..only + 1);
    let bench = Bench::new();
    let (next, figures) = (AtomicU64::new(numbers.start), Mutex::new(Figures::new(seed, &bench)));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let place = Place::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        break;
                    }
                    let Some(trial) = bench.run(seed, number, &format, &place) else { continue };
                    if only.is_some() {
                        println!("{trial}");
                    }
                    figures.lock().unwrap().note(&trial, &place);
                }
            });
        }
    });
    bench.assert_untouched();
    let figures = figures.into_inner().unwrap();
    println!("{figures}");
    assert!(figures.failed.is_empty(), "the program was wrong in {} trials, see above", figures.failed.len());
}
