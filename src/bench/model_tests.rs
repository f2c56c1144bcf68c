use super::*;
use proptest::prelude::*;

fn figure(place: &str, probe: Probe, threads: usize, per_second: f64) -> Figure {
    let block = (probe == Probe::SequentialRead).then_some(BIG_BLOCK);
    Figure { place: place.into(), probe, threads, block, amount: 1, seconds: 1.0, per_second }
}

fn facts(name: &str, device: u64) -> Facts {
    Facts {
        name: name.into(),
        files: 10_000,
        listed_whole: true,
        device: Some(device),
        sampled: 1000,
        mean_size: 1e6,
        variation: 1.0,
    }
}

/// A source that gains from threads up to 4, a backup of the given read rate at any, and the rest.
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
    let fit = Fit::through(&costs, None, &calibration);
    Basis { costs, calibration, fit, sequential, sizes: (1000, 1e6, 1.0), first_listing: 2.0 }
}

#[test]
fn the_fewest_threads_that_are_nearly_best_are_recommended() {
    with_setting(1e12, 2, |setting| assert_eq!(setting.recommend(&[16, 8, 4, 2, 1]), Some(4)));
    // Where the backup's disk is slow whatever one does, one thread is enough.
    with_setting(1e6, 2, |setting| assert_eq!(setting.recommend(&[1, 2, 4, 8, 16]), Some(1)));
    with_setting(1e12, 2, |setting| assert_eq!(setting.recommend(&[3]), None));
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
fn large_files_cost_what_the_restore_disk_really_writes() {
    with_setting(1e12, 2, |setting| {
        let rate = |mean_size| {
            let backup = Facts { mean_size, ..setting.backup.clone() };
            Setting { backup: &backup, ..setting.clone() }.write_rate(4)
        };
        assert_eq!((rate(1e6), rate(1e9)), (Some(1e9), Some(5e7)));
    });
}

#[test]
fn the_calibration_predicts_itself() {
    // 200 files of a megabyte: 2.02 s promised, 4.04 s real.
    let basis = basis(false);
    assert!((basis.fit.factor - 2.0).abs() < 1e-9);
    let again = basis.predict("200", 200);
    assert!((again.seconds - 4.79).abs() < 1e-9, "{again:?}");
    // The whole backup is listed while it is verified.
    let all = basis.predict("all", u64::MAX);
    assert_eq!(all.files, 10_000);
    assert!((all.seconds - 202.25).abs() < 1e-9, "{all:?}");
}

#[test]
fn two_runs_tell_the_start_from_the_work() {
    let costs = basis(false).costs;
    // 10.1 ms a file are promised; real are 20.2 ms, and 3 s to start.
    let fit = Fit::through(&costs, Some(&run(100, 5.02)), &run(1000, 23.2));
    assert!((fit.start - 3.0).abs() < 1e-9 && (fit.factor - 2.0).abs() < 1e-9, "{fit:?}");
    // Noise that would make one of them negative is no start.
    for short in [0.001, 30.0] {
        let fit = Fit::through(&costs, Some(&run(100, short)), &run(1000, 20.2));
        assert_eq!(fit.start, 0.0);
        assert!((fit.factor - 2.0).abs() < 1e-9, "{fit:?}");
    }
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
        basis.fit = Fit::through(&basis.costs, None, &basis.calibration);
        basis.sizes.2 = variation;
        let (few, many) = (basis.predict("x", one.min(other)), basis.predict("x", one.max(other)));
        for guess in [&few, &many] {
            prop_assert!(0.0 <= guess.low && guess.low <= guess.seconds && guess.seconds <= guess.high, "{:?}", guess);
            prop_assert!(guess.high.is_finite());
        }
        prop_assert!(few.seconds <= many.seconds);
    }
}
