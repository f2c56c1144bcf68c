//! Checks the draw against a second, plain implementation and against another program.

use proptest::prelude::*;

use super::*;
use crate::verify::draw::Everything;
use crate::verify::sample::Ranker;

fn path(number: usize) -> Vec<u8> {
    format!("folder-{}/file-{number}", number % 17).into_bytes()
}

fn draw(seed: &str, files: &[(Vec<u8>, u64)], wanted: u64, batch: usize) -> (EntryBatch, Arrivals) {
    let request = Request { size: SampleSize::Count(wanted), confidence: 0.95, seed, last_judged: None };
    let draw = SizeDraw::new(&request);
    let everything = Everything(Ranker::new(seed));
    for files in files.chunks(batch) {
        let entries: EntryBatch = files.iter().map(entry_of).collect();
        assert!(draw.take(&entries, &everything).is_continue());
    }
    let drawn = Box::new(draw).finish().unwrap();
    (drawn.picks, drawn.arrivals.unwrap())
}

fn entry_of((path, size): &(Vec<u8>, u64)) -> Entry<'_> {
    Entry { size: Some(*size), ..Entry::named(path) }
}

/// The paths of the arrivals, in order.
fn sequence(picks: &EntryBatch, arrivals: &Arrivals) -> Vec<Vec<u8>> {
    arrivals.sequence.iter().map(|&number| picks.get(number as usize).path.to_vec()).collect()
}

/// The definition in the module's documentation, literally: compute many arrivals of every file,
/// sort them all, take the first.
fn redraw(seed: &str, files: &[(Vec<u8>, u64)], count: usize) -> Vec<Vec<u8>> {
    let mut derive = blake3::Hasher::new_derive_key("bkverify 2026 size v1");
    derive.update(seed.as_bytes());
    let key: [u8; 32] = *derive.finalize().as_bytes();
    let mut all: Vec<(f64, u64, Vec<u8>)> = Vec::new();
    for (path, size) in files.iter().filter(|(_, size)| *size > 0) {
        let mut time = 0.0;
        for number in 0..count as u64 {
            let text = [path.as_slice(), &number.to_be_bytes()].concat();
            let hash = blake3::keyed_hash(&key, &text).to_hex().to_string();
            let bits = u64::from_str_radix(&hash[..16], 16).unwrap();
            let uniform = ((bits / 4096) as f64 + 0.5) / 2.0_f64.powi(52);
            time += -libm::log(uniform) / *size as f64;
            all.push((time, number, path.clone()));
        }
    }
    all.sort_by(|one, other| one.partial_cmp(other).unwrap());
    all.into_iter().take(count).map(|(_, _, path)| path).collect()
}

#[test]
fn another_program_draws_the_same_bytes() {
    let expected = include_str!("../../fixtures/draws/expected.txt");
    let line = expected.lines().find_map(|line| line.strip_prefix("arrivals")).unwrap();
    let line: Vec<_> = line.split_whitespace().map(|number| path(number.parse().unwrap())).collect();
    let size = |number: u64| {
        let size = number * number * 7919 % 100_003 * if number % 50 == 3 { 1000 } else { 1 };
        if number.is_multiple_of(9) { 0 } else { size }
    };
    let files: Vec<_> = (0..400).map(|number| (path(number), size(number as u64))).collect();
    let (picks, arrivals) = draw("autumn", &files, 100, 64);
    assert_eq!(sequence(&picks, &arrivals)[..120], line);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_first_arrivals_are_what_sorting_everything_gives_in_any_order_of_listing(
        seed in ".{0,4}",
        sizes in proptest::collection::vec(prop_oneof![Just(0_u64), 1_u64..100, 1_u64..1 << 40], 1..60),
        wanted in 1_u64..40,
        batch in 1_usize..30,
    ) {
        let mut files: Vec<_> = sizes.iter().enumerate().map(|(number, &size)| (path(number), size)).collect();
        let count = usize::try_from(wanted).unwrap();
        let expected = redraw(&seed, &files, count);
        for _ in 0..2 {
            let (picks, arrivals) = draw(&seed, &files, wanted, batch);
            let drawn = sequence(&picks, &arrivals);
            prop_assert_eq!(&drawn[..count.min(drawn.len())], &expected[..]);
            prop_assert_eq!(arrivals.filled, sizes.iter().filter(|&&size| size > 0).count() as u64);
            files.reverse();
        }
    }
}

#[test]
fn one_file_with_all_bytes_has_all_arrivals_and_the_draw_ends() {
    let (picks, arrivals) = draw("s", &[(path(1), u64::MAX), (path(2), 0)], 500, 10);
    assert_eq!((picks.len(), arrivals.first_files(), arrivals.filled), (1, 1, 1));
    assert_eq!(arrivals.sequence.len(), 500 + 125 + 1000);
    let (picks, arrivals) = draw("s", &[(path(1), 0)], 500, 10);
    assert!(picks.is_empty() && arrivals.is_empty() && arrivals.sequence.is_empty());
}

#[test]
fn files_are_drawn_as_often_as_their_sizes_say() {
    // 1:2:7, over many seeds.
    let files = [(path(1), 1_000_000), (path(2), 2_000_000), (path(3), 7_000_000)];
    let mut seen = [0_u32; 3];
    for seed in 0..400 {
        let (picks, arrivals) = draw(&seed.to_string(), &files, 10, 10);
        for path in sequence(&picks, &arrivals).into_iter().take(10) {
            seen[files.iter().position(|(other, _)| *other == path).unwrap()] += 1;
        }
    }
    // 4,000 draws; six standard deviations.
    for (seen, share) in seen.into_iter().zip([0.1_f64, 0.2, 0.7]) {
        let (expected, deviation) = (4_000.0 * share, (4_000.0 * share * (1.0 - share)).sqrt());
        assert!((f64::from(seen) - expected).abs() < 6.0 * deviation, "{seen} instead of {expected}");
    }
}

#[test]
fn what_cannot_be_asked_for_is_refused_with_a_hint() {
    let refused = |size| refuses(size, 0.95).map(|(problem, _)| problem);
    assert_eq!(refused(SampleSize::Count(ARRIVALS_MAX)), None);
    assert_eq!(refused(SampleSize::Tolerance(0.01)), None);
    assert!(refused(SampleSize::Count(u64::MAX)).unwrap().contains("draws at most 1000000"));
    assert!(refused(SampleSize::Tolerance(1e-9)).unwrap().contains("draws at most"));
    assert!(refused(SampleSize::Share(0.05)).unwrap().contains("not a percentage of the files"));
}
