//! A differential campaign: each trial applies a random mutation to a backup in a random format,
//! and the format's own program is the judge.
//!
//! Each trial damages a backup that a real program made, lets that program restore it, and lets
//! bkverify verify it. bkverify must never exit with 0 if the program loses or alters a file, and
//! never with 1 if the program restores everything without a complaint. It must not crash, hang,
//! write to the backup or the originals, or leave anything behind.
//!
//! Environment variables:
//! - `BKVERIFY_CAMPAIGN_TRIALS`: the number of trials (300).
//! - `BKVERIFY_CAMPAIGN_SEED`: the number that all random choices follow from (1).
//! - `BKVERIFY_CAMPAIGN_TRIAL`: runs only the trial with this number and prints all about it.
//! - `BKVERIFY_CAMPAIGN_FORMAT`: runs only trials of formats with this in their name, such as
//!   `zip`.
//!
//! To see the figures: `cargo test --test it campaign -- --nocapture`. Backups on which a trial
//! failed are kept in `target/campaign`.

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
use self::trial::{CampaignBackups, TrialFolders};

/// The number of trials in CI.
const TRIALS: u64 = 300;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

#[test]
fn intact_backups_pass_and_their_programs_do_not_complain() {
    let bench = CampaignBackups::new();
    let place = TrialFolders::new();
    for made in &bench.made {
        let trial = bench.intact(made, &place);
        assert!(trial.judged.is_content(), "{trial}");
        assert_eq!(trial.seen.heard.code, Some(0), "{trial}");
        assert!(trial.faults.is_empty(), "{trial}");
    }
}

#[test]
fn a_damaged_backup_passes_only_if_its_program_restores_it_and_fails_only_if_not() {
    let seed = number("BKVERIFY_CAMPAIGN_SEED").unwrap_or(1);
    let only = number("BKVERIFY_CAMPAIGN_TRIAL");
    let count = number("BKVERIFY_CAMPAIGN_TRIALS").unwrap_or(TRIALS);
    let format = std::env::var("BKVERIFY_CAMPAIGN_FORMAT").unwrap_or_default();
    let numbers = only.map_or(0..count, |only| only..only + 1);
    let bench = CampaignBackups::new();
    let (next, figures) = (AtomicU64::new(numbers.start), Mutex::new(Figures::new(seed, &bench)));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let place = TrialFolders::new();
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
