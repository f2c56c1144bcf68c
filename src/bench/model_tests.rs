use super::*;
use proptest::prelude::*;

fn figure(place: &str, probe: Probe, threads: usize, per_second: f64) -> Figure {
    let block = (probe == Probe::SequentialRead).then_some(BIG_BLOCK);
    Figure { place: place.into(), probe, threads, block, amount: 1, seconds: 1.0, per_second }
}

fn facts(name: &str, device: u64) -> LocationFacts {
    LocationFacts {
        name: name.into(),
        files: 10_000,
        listed_whole: true,
        device: Some(device),
        sampled: 1000,
        mean_size: 1e6,
        variation: 1.0,
    }
}

/// A source that gets faster with up to 4 threads, a backup with the given rate at any number of
/// threads, and the other parts.
fn figures(backup_rate: f64) -> Vec<Figure> {
    let mut all = vec![
        figure("restore r", Probe::Write, 1, 1e9),
        figure("restore r", Probe::WriteThrough, 1, 5e7),
        figure("blake3", Probe::Hash, 1, 2e9),
    ];
    for (threads, rate) in [(1, 1e8), (2, 2e8), (4, 4e8), (8, 4.1e8), (16, 3e8)] {
        all.push(figure("source s", Probe::SequentialRead, threads, rate));
        all.push(figure("source s", Probe::Open, threads, rate / 1e4));
        all.push(figure("backup b", Probe::SequentialRead, threads, backup_rate));
    }
    all
}

fn with_setting<T>(backup_rate: f64, device: u64, see: impl FnOnce(Setting<'_>) -> T) -> T {
    let (figures, source, backup) = (figures(backup_rate), facts("source s", 1), facts("backup b", device));
    see(Setting {
        figures: &figures,
        sources: vec![&source],
        sequential: false,
        backup: &backup,
        restore: "restore r",
        hash: "blake3",
        cores: 2,
    })
}

fn run(files: u64, verify: f64) -> Run {
    let bytes = files * 1_000_000;
    Run {
        files,
        bytes,
        threads: 4,
        prepare: 0.25,
        catalog: 0.5,
        verify,
        population: 10_000,
        complete: true,
        bad: 0,
    }
}

fn basis(sequential: bool) -> Basis {
    let costs = Costs { parts: vec![("the source disk", Part { file: 1e-4, byte: 1e-8 })] };
    let calibration = run(200, 4.04);
    let fit = Fit::through(&costs, &calibration, None);
    let sizes = (1000, 1e6, 1.0);
    Basis { costs, calibration, fit, in_order: None, by_threads: 1.0, sequential, sizes, first_listing: 2.0 }
}

#[test]
fn the_usual_threads_are_recommended_unless_others_are_far_better() {
    let recommend = |backup_rate, candidates: &[usize], usual| {
        with_setting(backup_rate, 2, |setting| setting.recommend(candidates, usual))
    };
    // The source gives 1e8 with one thread, 2e8 with two, 4e8 with four, 3e8 with sixteen.
    let all = &[16, 8, 4, 2, 1];
    assert_eq!([2, 4, 8, 16].map(|usual| recommend(1e12, all, usual)), [4, 4, 8, 16].map(Some));
    assert_eq!(recommend(1e12, all, 1), Some(4));
    // If the backup's disk is slow with any number of threads, the usual number is fine.
    assert_eq!(recommend(1e6, all, 8), Some(8));
    // A number that was not measured is not recommended.
    assert_eq!((recommend(1e6, all, 5), recommend(1e12, &[3], 3)), (Some(1), None));
}

#[test]
fn the_dearest_part_is_the_bottleneck() {
    let dearest = |rate, device| {
        with_setting(rate, device, |setting| {
            let costs = setting.costs(4).unwrap();
            Basis { costs, ..basis(false) }.shares(500)[0].0.clone()
        })
    };
    assert_eq!(dearest(1e12, 2), "the source disk");
    assert_eq!(dearest(1e7, 2), "the backup disk");
    assert_eq!(dearest(1e12, 1), "the disk that originals and backup share");
    let costs = Costs { parts: vec![("the processor", Part { file: 0.0, byte: 1e-7 })] };
    assert_eq!(Basis { costs, ..basis(false) }.shares(500)[0].0, "the processor");
    let mut slow_to_list = basis(false);
    slow_to_list.calibration.catalog = 1e6;
    assert_eq!(slow_to_list.shares(500)[0].0, "listing");
}

#[test]
fn a_disk_that_is_shared_costs_what_both_sides_cost() {
    let seconds = |device| with_setting(4e8, device, |setting| setting.costs(4).unwrap().seconds(1.0, 1e6));
    assert!(seconds(1) > seconds(2) * 1.4);
}

#[test]
fn the_way_to_a_file_is_counted_except_in_one_pass() {
    let (source, backup) = (facts("source s", 1), facts("backup b", 2));
    let seek = |place| Figure { block: Some(SMALL_BLOCK), ..figure(place, Probe::RandomRead, 4, 409_600.0) };
    let figures = [figures(1e12), vec![seek("backup b"), seek("source s")]].concat();
    let cost = |sequential| {
        let (sources, restore, hash) = (vec![&source], "restore r", "blake3");
        let setting =
            Setting { figures: &figures, sources, backup: &backup, restore, hash, sequential, cores: 2 };
        setting.costs(4).unwrap().parts
    };
    let (at_random, in_one_pass) = (cost(false), cost(true));
    assert!((at_random[1].1.file - 0.01).abs() < 1e-9, "{at_random:?}");
    assert!(in_one_pass.iter().all(|(name, _)| *name != "the backup disk"), "{in_one_pass:?}");
    assert_eq!(in_one_pass[0], at_random[0]);
}

#[test]
fn the_calibration_predicts_itself() {
    // 200 files of a megabyte: 2.02 s estimated, 4.04 s real.
    let basis = basis(false);
    assert!((basis.fit.pace - 2.0).abs() < 1e-9);
    let again = basis.predict("200", 200);
    assert!((again.seconds - 4.79).abs() < 1e-9, "{again:?}");
    // The whole backup is listed while it is verified.
    let all = basis.predict("all", u64::MAX);
    assert_eq!(all.files, 10_000);
    assert!((all.seconds - 202.25).abs() < 1e-9, "{all:?}");
}

#[test]
fn a_longer_run_says_what_more_files_take() {
    let costs = basis(false).costs;
    // The estimate is 10.1 ms per file. Each of the first hundred really takes 50 ms, and each one
    // after them 20.2 ms.
    let (short, long) = (run(100, 5.0), run(1000, 5.0 + 900.0 * 0.0202));
    let fit = Fit::through(&costs, &short, Some(&long));
    assert!((fit.pace - 2.0).abs() < 1e-9, "{fit:?}");
    for (files, seconds) in [(0.0, 0.0), (50.0, 2.5), (100.0, 5.0), (1100.0, 25.2)] {
        assert!((fit.real(files * 0.0101) - seconds).abs() < 1e-9, "{files}");
    }
    // A longer run that took less time than the short one counts by its own pace.
    let fit = Fit::through(&costs, &run(100, 30.0), Some(&run(1000, 20.2)));
    assert!((fit.pace - 2.0).abs() < 1e-9, "{fit:?}");
    // Files that cost nothing by the figures take the time that the run took.
    let fit = Fit::through(&Costs::default(), &run(100, 5.0), None);
    assert_eq!((fit.real(0.0), fit.real(1.0)), (5.0, 5.0));
}

#[test]
fn all_files_take_what_they_take_in_order() {
    let in_order = Some(run(1000, 10.1));
    let basis = Basis { in_order, ..basis(false) };
    assert!((basis.predict("all", u64::MAX).seconds - 101.25).abs() < 1e-9);
    // A random sample of as many files does not overlap with the listing.
    assert!((basis.predict("100%", u64::MAX).seconds - 202.75).abs() < 1e-9);
}

#[test]
fn another_number_of_threads_scales_the_work_alone() {
    let basis = Basis { by_threads: 0.5, ..basis(false) };
    assert!((basis.predict("200", 200).seconds - (0.75 + 2.02)).abs() < 1e-9);
}

#[test]
fn an_archive_costs_its_pass_however_small_the_sample() {
    let basis = basis(true);
    assert!(basis.predict("1", 1).seconds > 4.79);
    assert_eq!(basis.shares(500)[0].0, "the source disk");
    assert_eq!(basis.shares(1)[0].0, "reading and unpacking the archive");
}

proptest! {
    #[test]
    fn ranges_hold_their_guess_and_more_files_take_longer(
        one in 1_u64..20_000, other in 1_u64..20_000, verify in 0.0..1e4_f64, variation in 0.0..50.0_f64,
        sequential in any::<bool>(),
    ) {
        let mut basis = basis(sequential);
        basis.calibration.verify = verify;
        basis.fit = Fit::through(&basis.costs, &basis.calibration, None);
        basis.sizes.2 = variation;
        let (few, many) = (basis.predict("x", one.min(other)), basis.predict("x", one.max(other)));
        for guess in [&few, &many] {
            prop_assert!(0.0 <= guess.low && guess.low <= guess.seconds && guess.seconds <= guess.high, "{:?}", guess);
            prop_assert!(guess.high.is_finite());
        }
        prop_assert!(few.seconds <= many.seconds);
    }
}
