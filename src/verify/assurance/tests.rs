use super::super::verdict::Verdict;
use super::*;
use proptest::prelude::*;

fn bound(population: u64, comparable: u64, bad: u64) -> u64 {
    Assurance::new(population, comparable, bad, 0, 0.95).unwrap().at_most_bad
}

#[test]
fn five_hundred_good_files_bound_the_bad_ones_as_the_tables_say() {
    assert_eq!(bound(1_000, 500, 0), 4);
    assert_eq!(bound(10_000, 500, 0), 58);
    assert_eq!(bound(100_000, 500, 0), 595);
}

#[test]
fn bounds_with_bad_files_are_those_of_exact_fractions() {
    // Computed with exact integer binomial coefficients.
    for (population, comparable, bad, at_most) in [
        (1_000, 500, 3, 12),
        (10_000, 120, 0, 245),
        (10_000, 500, 2, 123),
        (78_579, 500, 0, 467),
        (78_579, 500, 2, 983),
        (78_579, 5_000, 40, 811),
        (1_000_000, 1_000, 1, 4_733),
        (1_000_000, 300, 150, 548_984),
    ] {
        assert_eq!(bound(population, comparable, bad), at_most, "{bad} of {comparable} of {population}");
    }
}

#[test]
fn sample_sizes_are_those_of_the_tables() {
    for (population, size) in [(1_000, 258), (10_000, 294), (100_000, 298), (1_000_000, 299)] {
        assert_eq!(sample_size(population, 0.01, 0.95), size, "1% of {population}");
    }
    assert_eq!(sample_size(10_000, 0.001, 0.95), 2_588);
    assert_eq!(sample_size(100_000, 0.001, 0.95), 2_950);
    assert_eq!(sample_size_limit(0.01, 0.95), 299);
    assert_eq!(sample_size_limit(0.001, 0.95), 2_995);
}

#[test]
fn what_was_checked_wholly_is_known_exactly() {
    for bad in [0, 1, 7, 100] {
        assert_eq!(bound(100, 100, bad), bad);
    }
    assert_eq!(bound(10_000_000, 10_000_000, 3), 3);
}

#[test]
fn nothing_comparable_and_contradictions_prove_nothing() {
    assert_eq!(Assurance::new(100, 0, 0, 0, 0.95), None);
    assert_eq!(Assurance::new(0, 0, 0, 0, 0.95), None);
    assert_eq!(Assurance::new(10, 11, 0, 0, 0.95), None);
    assert_eq!(Assurance::new(10, 5, 4, 2, 0.95), None);
}

#[test]
fn certainty_bounds_by_what_was_not_seen_and_no_confidence_by_what_was() {
    assert_eq!(Assurance::new(100, 30, 2, 0, 1.0).unwrap().at_most_bad, 72);
    assert_eq!(Assurance::new(100, 30, 2, 0, 0.0).unwrap().at_most_bad, 2);
    assert_eq!(sample_size(100, 0.05, 1.0), 96);
    assert_eq!(sample_size(100, 0.0, 0.95), 95);
    assert_eq!(sample_size(0, 0.01, 0.95), 0);
    assert_eq!(sample_size(7, 1.0, 0.95), 1);
    assert_eq!(sample_size_limit(1.0, 1.0), 1);
    assert_eq!(sample_size_limit(0.0, 0.95), u64::MAX);
    assert_eq!(sample_size_limit(0.01, 1.0), u64::MAX);
}

#[test]
fn a_whole_number_of_files_is_not_rounded_past() {
    // In floating point, 0.07 × 100 is 7.000000000000001.
    assert_eq!(share_of(100, 0.07), 7);
    assert_eq!(share_of(1_050, 0.01), 11);
}

#[test]
fn large_populations_keep_their_digits() {
    // Checked on both sides of the bound with the product form of P(X = 0), which needs no
    // logarithm.
    for (population, drawn) in [(10_000_000, 500), (10_000_000, 100_000), (1 << 40, 5_000)] {
        let at_most = bound(population, drawn, 0);
        let none = |bad: u64| {
            (0..drawn).fold(1.0, |p, i| p * ((population - bad - i) as f64 / (population - i) as f64))
        };
        assert!(none(at_most) > 0.05 && none(at_most + 1) <= 0.05, "{population} {drawn}: {at_most}");
    }
}

#[test]
fn many_bad_files_in_a_large_sample_neither_overflow_nor_vanish() {
    let found = Assurance::new(10_000_000, 1_000_000, 400_000, 0, 0.95).unwrap();
    // A normal approximation, accurate to a hundred files here.
    let expected = 4_000_000.0 + 1.645 * 10.0 * (1e6_f64 * 0.4 * 0.6 * 0.9).sqrt();
    assert!((found.at_most_bad as f64 - expected).abs() < 200.0, "{} {expected}", found.at_most_bad);
}

#[test]
fn the_words_say_what_is_proven_and_no_more() {
    let say = |n, c, b, u| Assurance::new(n, c, b, u, 0.95).unwrap().sentence("that pass");
    let cases = [
        (
            (10_000, 500, 0, 0),
            "With 95% confidence, of the files that pass, at most 58 are bad (0.58% of up to 10,000).",
        ),
        ((20, 18, 0, 0), "With 95% confidence, of the files that pass, at most 1 is bad (5% of up to 20)."),
        ((1_000, 960, 0, 0), "With 95% confidence, of the files that pass, none is bad."),
        ((10_000, 10_000, 0, 0), "All 10,000 files that pass were compared: none is bad."),
        ((10_000, 10_000, 1, 0), "All 10,000 files that pass were compared: 1 is bad."),
        ((10_000, 10_000, 3, 0), "All 10,000 files that pass were compared: 3 are bad."),
        (
            (90, 90, 3, 2),
            "Of all 90 files that pass, 88 were compared, and 3 are bad; 2 could not be decided.",
        ),
        ((1, 1, 0, 0), "The only file that pass was compared: it is good."),
        ((4, 4, 0, 3), "Of all 4 files that pass, 1 was compared, and none is bad; 3 could not be decided."),
    ];
    for ((n, c, b, u), text) in cases {
        assert_eq!(say(n, c, b, u), text);
    }
}

#[test]
fn what_is_not_decided_counts_as_bad_and_what_cannot_be_compared_does_not_count() {
    let mut counts = Counts::default();
    (0..497).for_each(|_| counts.add(Verdict::Verified, true));
    counts.add(Verdict::Corrupt, true);
    counts.add(Verdict::Changed, true);
    (0..60).for_each(|_| counts.add(Verdict::Changed, false));
    counts.add(Verdict::Corrupt, false);
    let found = Assurance::of(10_000, &counts, 1, 0.95).unwrap();
    assert_eq!((found.domain_at_most, found.comparable), (9_939, 500));
    assert_eq!((found.bad, found.unresolved), (1, 2));
    assert_eq!(found.at_most_bad, bound(9_939, 500, 3));
    let mut open = Counts::default();
    open.add(Verdict::Changed, true);
    assert_eq!(Assurance::of(10, &open, 0, 0.95), None, "nothing was decided");
    assert_eq!(Assurance::of(10, &Counts::default(), 2, 0.95), None, "nothing was compared");
}

#[test]
fn a_tolerance_is_ruled_out_for_every_number_of_comparable_files() {
    for tolerance in [0.01, 0.013, 0.05, 0.07, 0.3, 0.45] {
        for confidence in [0.8, 0.9, 0.95, 0.99] {
            for files in [40, 107, 300, 1_000, 1_001, 1_099, 1_100] {
                let drawn = sample_size_up_to(files, tolerance, confidence);
                // By brute force: the largest sample size over all numbers of files.
                let hardest =
                    (1..=files).map(|domain| sample_size(domain, tolerance, confidence)).max().unwrap();
                assert_eq!(drawn, hardest, "{tolerance} {confidence} {files}");
                let found = |bad, drawn| Assurance::new(files, drawn, bad, 0, confidence).unwrap();
                assert!(found(0, drawn).rules_out(tolerance));
                assert!(drawn < 2 || drawn == files || !found(0, drawn - 1).rules_out(tolerance));
            }
        }
    }
    assert!(!Assurance::new(100, 100, 1, 0, 0.95).unwrap().rules_out(0.01));
    assert!(Assurance::new(200, 200, 1, 0, 0.95).unwrap().rules_out(0.01));
    assert!(Assurance::new(20, 20, 0, 0, 0.95).unwrap().rules_out(0.01));
}

/// The binomial coefficient, in integers.
fn choose(n: u64, k: u64) -> u128 {
    if k > n { 0 } else { (0..u128::from(k)).fold(1, |c, i| c * (u128::from(n) - i) / (i + 1)) }
}

/// Whether P(X ≤ x | K) > 1 − confidence, computed in integers.
fn possible(n_all: u64, bad: u64, drawn: u64, seen: u64, per_mille: u64) -> bool {
    let ways: u128 = (0..=seen).map(|j| choose(bad, j) * choose(n_all - bad, drawn.saturating_sub(j))).sum();
    ways * 1000 > choose(n_all, drawn) * u128::from(1000 - per_mille)
}

proptest! {
    #[test]
    fn the_bound_is_that_of_whole_number_arithmetic(
        population in 1_u64..60, drawn in 1_u64..60, seen in 0_u64..60, per_mille in 1_u64..1000,
    ) {
        let drawn = drawn.min(population);
        let seen = seen.min(drawn);
        let exact = (seen..=population - (drawn - seen))
            .filter(|&bad| possible(population, bad, drawn, seen, per_mille))
            .max();
        let found = Assurance::new(population, drawn, seen, 0, per_mille as f64 / 1000.0).unwrap();
        prop_assert_eq!(Some(found.at_most_bad), exact);
    }

    #[test]
    fn the_sample_size_is_that_of_whole_number_arithmetic(
        population in 1_u64..60, percent in 1_u64..100, per_mille in 1_u64..1000,
    ) {
        let bad = (population * percent).div_ceil(100);
        let exact = (1..=population).find(|&drawn| !possible(population, bad, drawn, 0, per_mille));
        let found = sample_size(population, percent as f64 / 100.0, per_mille as f64 / 1000.0);
        prop_assert_eq!(Some(found), exact);
    }

    #[test]
    fn more_checking_proves_more_and_a_larger_backup_less(
        population in 2_u64..5_000_000, drawn in 1_u64..20_000, seen in 0_u64..50,
    ) {
        let drawn = drawn.min(population - 1);
        let seen = seen.min(drawn);
        let here = bound(population, drawn, seen);
        prop_assert!(bound(population, drawn + 1, seen) <= here);
        prop_assert!(bound(population + 1, drawn, seen) >= here);
        prop_assert!(bound(population, drawn, (seen + 1).min(drawn)) >= here);
    }

    #[test]
    fn sample_sizes_grow_with_the_population_up_to_the_limit(hundreds in 1_u64..100_000, percent in 1_u64..20) {
        let share = percent as f64 / 100.0;
        let here = sample_size(hundreds * 100, share, 0.95);
        prop_assert!(here <= sample_size((hundreds + 1) * 100, share, 0.95));
        prop_assert!(here <= sample_size_limit(share, 0.95));
        prop_assert!(sample_size(hundreds * 100 + 1, share, 0.95) <= sample_size_limit(share, 0.95));
    }

    #[test]
    fn a_good_sample_of_that_size_keeps_the_promise(population in 1_u64..1_000_000, percent in 1_u64..50) {
        let share = percent as f64 / 100.0;
        let drawn = sample_size(population, share, 0.95);
        let bad = bound(population, drawn, 0);
        prop_assert!(bad * 100 < population * percent, "{} of {}", bad, population);
    }
}
