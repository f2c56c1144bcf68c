use super::super::figures::{LocationFacts, Probe, Run};
use super::*;

fn run(files: u64, verify: f64) -> Run {
    Run {
        files,
        bytes: 9,
        threads: 4,
        prepare: 0.0,
        catalog: 0.5,
        verify,
        population: 2000,
        complete: true,
        bad: 0,
    }
}

fn prediction(sample: &str, seconds: f64) -> Prediction {
    Prediction { sample: sample.into(), files: 500, seconds, low: seconds / 2.0, high: seconds * 2.0 }
}

/// A report in which no part is missing.
pub fn report() -> BenchReport {
    let figure = |place: &str, probe, threads, per_second| Figure {
        place: place.into(),
        probe,
        threads,
        block: (probe == Probe::SequentialRead).then_some(1 << 20),
        amount: 100,
        seconds: 0.5,
        per_second,
    };
    BenchReport {
        schema: "bkverify-bench/1".into(),
        bkverify: "0.1.0".into(),
        started: "2026-05-10T12:00:00Z".into(),
        interrupted: false,
        places: vec![LocationFacts {
            name: "backup /b".into(),
            files: 2000,
            listed_whole: true,
            device: Some(7),
            sampled: 100,
            mean_size: 2048.0,
            variation: 0.5,
        }],
        figures: vec![
            figure("backup /b", Probe::List, 8, 4000.0),
            figure("backup /b", Probe::SequentialRead, 1, 1048576.0),
            figure("backup /b", Probe::SequentialRead, 4, 2097152.0),
            figure("blake3", Probe::Hash, 1, 1e9),
        ],
        advice: Some(Advice {
            bottleneck: "the backup disk".into(),
            shares: vec![("the backup disk".into(), 3.0), ("listing".into(), 0.5)],
            threads: 4,
            calibration_factor: 1.25,
            calibration: run(200, 2.0),
            in_order: None,
            predictions: vec![prediction("500", 5.5), prediction("all", 90.0)],
        }),
        check: Some(PredictionCheck {
            predicted: prediction("300", 3.0),
            for_its_bytes: 3.5,
            real: run(300, 3.1),
        }),
        bad: 0,
        compared_with: None,
        slower: Vec::new(),
        notes: vec!["one thing".into()],
    }
}

#[test]
fn the_page_shows_figures_advice_and_check() {
    let expected = "\
bkverify 0.1.0 bench, 2026-05-10T12:00:00Z

backup /b  (2,000 files, 2.00 KiB each on average)
  list               8 threads              4,000 files/s  ########################
  read in order       1 thread  1.00 MiB       1.00 MiB/s  ############
  read in order      4 threads  1.00 MiB       2.00 MiB/s  ########################

blake3
  hash in memory      1 thread                  954 MiB/s  ########################

bottleneck   the backup disk
                 3.00 s for 500 files: the backup disk
                 0.50 s for 500 files: listing
recommended  --threads 4
expected     --sample 500      5.50 s  (2.75 s to 11.0 s; 500 files)
expected     --sample all  1 min 30 s  (45.0 s to 3 min 00 s; 500 files)
checked      3.60 s real for 300 files, 3.00 s predicted (1.50 s to 6.00 s): +20%, within its range
             (3.50 s for the 9 B that these files held)

note: one thing
";
    assert_eq!(page(&report(), 120), expected);
}

#[test]
fn a_wrong_prediction_a_bad_file_and_an_interruption_are_not_hidden() {
    let mut report = report();
    report.interrupted = true;
    report.check.as_mut().unwrap().real.verify = 60.0;
    report.bad = 2;
    report.advice.as_mut().unwrap().calibration_factor = 12.0;
    let page = page(&report, 120);
    for text in ["INTERRUPTED", "OUTSIDE its range", "came upon 2 bad", "took 12.0 times"] {
        assert!(page.contains(text), "{text}\n{page}");
    }
    assert_eq!(report.exit_code(), crate::exit::ExitCode::IntegrityFailure);
}

#[test]
fn a_check_that_was_quicker_than_predicted_is_no_praise() {
    let mut report = report();
    report.check.as_mut().unwrap().real.verify = 0.1;
    let page = page(&report, 120);
    assert!(page.contains("below its range\n") && !page.contains("OUTSIDE"), "{page}");
}

#[test]
fn what_became_slower_is_named_with_both_rates() {
    let mut report = report();
    report.compared_with = Some("2026-04-10T12:00:00Z".into());
    assert!(page(&report, 120).contains("Nothing is slower by more than 30% than on 2026-04-10T12:00:00Z."));
    report.slower = vec![Slower { now: report.figures[1].clone(), before: 4194304.0 }];
    let line = "  backup /b: read in order (1 thread, 1.00 MiB): 4.00 MiB/s then, 1.00 MiB/s now\n";
    assert!(page(&report, 120).contains(line), "{}", page(&report, 120));
}

#[test]
fn on_a_narrow_terminal_bars_are_short_and_words_stay_whole() {
    let mut report = report();
    report.bad = 2;
    report.check.as_mut().unwrap().real.verify = 60.0;
    report.notes.push("a note that goes on and on, ".repeat(9));
    for width in [64, 80, 100] {
        let page = page(&report, width);
        assert!(page.lines().all(|line| line.chars().count() <= width), "{width}:\n{page}");
        let words =
            |page: &str| page.split_whitespace().map(|word| word.replace('#', "")).collect::<Vec<_>>();
        assert_eq!(words(&page).concat(), words(&super::page(&report, 200)).concat());
    }
}
