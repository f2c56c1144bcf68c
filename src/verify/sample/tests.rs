//! Checks draws against a second, plain implementation.

use super::*;
use proptest::prelude::*;

/// The definition in the module's documentation, literally: hash everything, sort everything, take
/// the first n.
fn redraw(seed: &str, paths: &[Vec<u8>]) -> (Vec<Vec<u8>>, String) {
    let mut derive = blake3::Hasher::new_derive_key("bkverify 2026 sample v1");
    derive.update(seed.as_bytes());
    let key: [u8; 32] = *derive.finalize().as_bytes();
    let hash = |path: &[u8]| {
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher.update(path);
        hasher.finalize().to_hex().to_string()
    };
    let mut ranked: Vec<(String, Vec<u8>)> =
        paths.iter().map(|path| (hash(path)[..32].to_owned(), path.clone())).collect();
    ranked.sort();
    let sum =
        |sum: u128, path: &Vec<u8>| sum.wrapping_add(u128::from_str_radix(&hash(path)[32..], 16).unwrap());
    let digest = format!("{:032x}", paths.iter().fold(0, sum));
    (ranked.into_iter().map(|(_, path)| path).collect(), digest)
}

fn draw(seed: &str, paths: &[Vec<u8>], size: SampleSize) -> DrawnSample {
    let ranker = Ranker::new(seed);
    let mut bottom = BottomK::new(SampleQuota::new(size, 0.95));
    for path in paths {
        let rank = ranker.rank(path);
        let dropped = rank.order > bottom.threshold();
        bottom.count(1, rank.digest, if dropped { rank.order } else { u128::MAX });
        if !dropped {
            bottom.offer(rank.order, &Entry::named(path));
        }
    }
    bottom.finish().unwrap()
}

fn paths(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("folder-{}/file-{number}", number % 17).into_bytes()).collect()
}

fn names(draw: &DrawnSample) -> Vec<Vec<u8>> {
    draw.picks.iter().map(|entry| entry.path.to_vec()).collect()
}

#[test]
fn a_draw_is_what_sorting_the_whole_population_gives() {
    let paths = paths(20_000);
    let (expected, digest) = redraw("2026-11", &paths);
    for size in [SampleSize::Count(500), SampleSize::Share(0.05), SampleSize::Tolerance(0.01)] {
        let drawn = draw("2026-11", &paths, size);
        assert_eq!(format!("{:032x}", drawn.digest), digest);
        assert_eq!(drawn.files, 20_000);
        let names = names(&drawn);
        assert!(names.len() as u64 > drawn.wanted, "there is a reserve");
        assert_eq!(names, expected[..names.len()], "{size:?}");
    }
}

#[test]
fn the_first_ranks_of_a_seed_are_fixed_for_all_time() {
    let rank = Ranker::new("bkverify").rank(b"home/anna/letter.txt");
    assert_eq!(format!("{:032x} {:032x}", rank.order, rank.digest), KNOWN);
}

/// Computed with `b3sum`: `printf bkverify | b3sum --derive-key 'bkverify 2026 sample v1' --raw`
/// gives the key for `b3sum --keyed`.
const KNOWN: &str = "c4db12e85ed1fc04302a1d395cc1c058 154661f52a714ae7314563ed2f62c0e8";

#[test]
fn shares_round_up_and_never_to_nothing() {
    let wanted = |share, files| SampleQuota::new(SampleSize::Share(share), 0.95).wanted(files);
    assert_eq!(wanted(0.05, 1), 1);
    assert_eq!(wanted(0.07, 100), 7);
    assert_eq!(wanted(0.001, 1_001), 2);
    assert_eq!(wanted(1.0, 12_345), 12_345);
}

#[test]
fn more_than_there_is_draws_everything() {
    let drawn = draw("s", &paths(30), SampleSize::Count(500));
    assert_eq!((drawn.wanted, drawn.picks.len()), (30, 30));
}

#[test]
fn the_largest_number_that_can_be_asked_for_draws_everything() {
    let drawn = draw("s", &paths(30), SampleSize::Count(u64::MAX));
    assert_eq!((drawn.wanted, drawn.picks.len()), (30, 30));
    assert_eq!(draw("s", &paths(30), SampleSize::Tolerance(f64::MIN_POSITIVE)).picks.len(), 30);
}

proptest! {
    #[test]
    fn the_order_of_listing_does_not_matter(seed in ".{0,8}", mut numbers in proptest::collection::hash_set(any::<u32>(), 1..3000), n in 1u64..400) {
        let list: Vec<Vec<u8>> = numbers.drain().map(|number| number.to_string().into_bytes()).collect();
        let mut reversed = list.clone();
        reversed.sort();
        let (one, other) = (draw(&seed, &list, SampleSize::Count(n)), draw(&seed, &reversed, SampleSize::Count(n)));
        let take = usize::try_from(one.wanted).unwrap();
        prop_assert_eq!(&names(&one)[..take], &names(&other)[..take]);
        prop_assert_eq!(one.digest, other.digest);
    }
}

/// In floating point, 0.28 × 10⁸ is 28,000,000.000000004: beyond a fixed tolerance for rounding,
/// but within the relative one.
#[test]
fn a_share_is_rounded_as_a_tolerance_is() {
    let wanted = |share, files| SampleQuota::new(SampleSize::Share(share), 0.95).wanted(files);
    assert_eq!(wanted(0.28, 100_000_000), 28_000_000);
    assert_eq!(wanted(0.29, 1_000_000_000), 290_000_000);
}
