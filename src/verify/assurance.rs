//! What a sample proves about the whole backup.
//!
//! In: how many files there are, how many were conclusively checked, how many of those are bad. Out: how many bad files the
//! whole can hold at most, at a chosen confidence; and the other way round, how many files must be checked so that a good
//! sample rules out a given share of bad files.
//!
//! The files are drawn without replacement, so the number of bad ones among `n` drawn from `N` with `K` bad ones
//! has the hypergeometric distribution
//!
//! ```text
//! P(X = j) = C(K, j) · C(N − K, n − j) / C(N, n)
//! ```
//!
//! The bound is the exact one-sided one: the largest `K` that does not make the sample, or a better one, less
//! likely than `1 − confidence`, that is `P(X ≤ x | K) > 1 − confidence`. It is the Clopper–Pearson construction
//! (C. J. Clopper, E. S. Pearson, *Biometrika* 26, 1934) for a finite population (J. S. Buonaccorsi, *The American
//! Statistician* 41, 1987); with no bad file in the sample auditors know it as discovery sampling. No approximation by a
//! binomial or normal distribution takes part, so that it also holds for small backups and for samples that are
//! a large part of the whole.
//!
//! The statement supposes that the conclusive picks are a random sample. A pick that proved nothing is never counted as
//! checked, and what it hides is not covered: reports name those picks.

use std::fmt;

use statrs::function::factorial::ln_factorial;

use crate::words;

/// The statement: with `confidence`, at most `at_most_bad` of `population` files are bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assurance {
    /// Files the statement is about.
    pub population: u64,
    /// Conclusive picks.
    pub conclusive: u64,
    /// Bad ones among them.
    pub bad: u64,
    /// Confidence, between 0 and 1.
    pub confidence: f64,
    /// Upper bound on bad files in the population.
    pub at_most_bad: u64,
}

impl Assurance {
    /// What `bad` bad ones among `conclusive` random files prove about all `population` files.
    ///
    /// Nothing where nothing was conclusive, or where the numbers contradict each other (more drawn than
    /// there are). `confidence` is held between 0 and 1.
    pub fn new(population: u64, conclusive: u64, bad: u64, confidence: f64) -> Option<Self> {
        if conclusive == 0 || conclusive > population || bad > conclusive {
            return None;
        }
        let confidence = confidence.clamp(0.0, 1.0);
        let doubt = ln_doubt(confidence);
        // Known to be possible: the bad ones seen. Known to be impossible: more than all that were not seen good.
        let (mut possible, mut impossible) = (bad, population - (conclusive - bad) + 1);
        while impossible - possible > 1 {
            let middle = possible + (impossible - possible) / 2;
            let draw = Draw { population, bad: middle, drawn: conclusive };
            if exceeds(draw.ln_at_most(bad), doubt) {
                possible = middle;
            } else {
                impossible = middle;
            }
        }
        Some(Self { population, conclusive, bad, confidence, at_most_bad: possible })
    }

    /// Whether every file was conclusively checked, so that nothing is left to chance.
    pub fn is_whole(&self) -> bool {
        self.conclusive == self.population
    }

    /// The statement in words; `place` says where the files are (`in this backup`).
    pub fn sentence(&self, place: &str) -> String {
        let all = words::count(self.population);
        let are = |number| if number == 1 { "is" } else { "are" };
        if self.is_whole() {
            return match (self.population, self.bad) {
                (1, bad) => {
                    format!(
                        "The only file {place} was checked: it is {}.",
                        if bad == 0 { "good" } else { "bad" }
                    )
                }
                (_, 0) => format!("All {all} files {place} were checked: none is bad."),
                (_, bad) => {
                    format!("All {all} files {place} were checked: {} {} bad.", words::count(bad), are(bad))
                }
            };
        }
        let confidence = words::percent(self.confidence);
        if self.at_most_bad == 0 {
            return format!("With {confidence} confidence none of the {all} files {place} is bad.");
        }
        format!(
            "With {confidence} confidence at most {} of {all} files {place} ({}) {} bad.",
            words::count(self.at_most_bad),
            words::percent_at_most(self.at_most_bad, self.population),
            are(self.at_most_bad),
        )
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.sentence("in this backup"))
    }
}

/// How many of `population` files must be checked and found good to rule out, with `confidence`, that the share
/// `tolerance` of them or more is bad; both between 0 and 1. Never more than the population, nor than
/// [`sample_size_limit`].
///
/// Bad files are whole files: of 1,050 files 1% or more means 11 or more. So the number grows with the population, but for
/// small steps down where the next whole file is reached.
pub fn sample_size(population: u64, tolerance: f64, confidence: f64) -> u64 {
    if population == 0 {
        return 0;
    }
    let bad = share_of(population, tolerance).clamp(1, population);
    let doubt = ln_doubt(confidence.clamp(0.0, 1.0));
    // One more than all good files is sure to hold a bad one.
    let (mut too_few, mut enough) = (0, population - bad + 1);
    while enough - too_few > 1 {
        let drawn = too_few + (enough - too_few) / 2;
        if exceeds(Draw { population, bad, drawn }.ln_at_most(0), doubt) {
            too_few = drawn;
        } else {
            enough = drawn;
        }
    }
    enough
}

/// [`sample_size`] for a population without end: the most it can ask for. `u64::MAX` where no number suffices.
pub fn sample_size_limit(tolerance: f64, confidence: f64) -> u64 {
    if tolerance >= 1.0 {
        return 1;
    }
    let each_good = (-tolerance.clamp(0.0, 1.0)).ln_1p();
    let number = ln_doubt(confidence.clamp(0.0, 1.0)) / each_good;
    // The same tolerance against rounding as in `exceeds`: a hair above a whole number is that number.
    let number = (number * (1.0 - ROUNDING)).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, as documented")]
    if number.is_nan() { u64::MAX } else { (number as u64).max(1) }
}

/// `share` of `whole`, rounded up to whole files; a product that is whole but for rounding stays (0.07 × 100 is 7).
pub(super) fn share_of(whole: u64, share: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 files")]
    let product = whole as f64 * share.clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and `whole`")]
    let files = (product * (1.0 - ROUNDING)).ceil() as u64;
    files
}

/// Relative error that the floating-point numbers here stay far below, and that no honest difference comes near.
const ROUNDING: f64 = 1e-11;

/// Logarithm of the probability of being wrong.
fn ln_doubt(confidence: f64) -> f64 {
    (-confidence).ln_1p()
}

/// Whether a probability exceeds the doubt, both as logarithms; equal but for rounding does not.
fn exceeds(ln_probability: f64, ln_doubt: f64) -> bool {
    ln_probability > ln_doubt + ROUNDING
}

/// Drawing `drawn` files without replacement from `population`, of which `bad` are bad.
#[derive(Debug, Clone, Copy)]
struct Draw {
    population: u64,
    bad: u64,
    drawn: u64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of files are exact below 2^53")]
impl Draw {
    /// Logarithm of the probability that at most `seen` of the drawn files are bad. `seen` must be possible:
    /// `seen ≤ drawn`, `seen ≤ bad`, and enough good files for the rest.
    fn ln_at_most(self, seen: u64) -> f64 {
        // The sum of P(seen), P(seen − 1), …, in units of the first. Where the sum overflows, `seen` lies far above
        // the expectation and the whole is near 1: infinity compares right.
        let (mut sum, mut term) = (1.0_f64, 1.0_f64);
        for j in (1..=seen).rev() {
            let Some(good_left) = (self.population - self.bad + j).checked_sub(self.drawn) else { break };
            let smaller = j as f64 * good_left as f64;
            let ratio = smaller / ((self.drawn - j + 1) as f64 * (self.bad - j + 1) as f64);
            term *= ratio;
            sum += term;
            if sum.is_infinite() || (ratio < 1.0 && term < sum * f64::EPSILON * (1.0 - ratio)) {
                break;
            }
        }
        self.ln_exactly(seen) + sum.ln()
    }

    /// Logarithm of the probability that exactly `seen` of the drawn files are bad.
    ///
    /// The difference of logarithms of huge factorials would leave few correct digits for millions of files. So each
    /// factorial is split, `ln m! = m ln m − m + r(m)`. What the first parts add up to is the G statistic of the
    /// two-by-two table (drawn or not, bad or not), which is computed from the deviation `seen − expected` without
    /// cancellation; the rests are small. This is the saddle-point form of C. Loader, *Fast and accurate computation
    /// of binomial probabilities* (2000), written for the hypergeometric distribution.
    fn ln_exactly(self, seen: u64) -> f64 {
        let Self { population, bad, drawn } = self;
        let (good, rest) = (population - bad, population - drawn);
        let others = good - (drawn - seen);
        let cells =
            [(seen, bad, drawn), (drawn - seen, good, drawn), (bad - seen, bad, rest), (others, good, rest)];
        let all = population as f64;
        // Exact while the products stay below 2^127.
        let deviation =
            (i128::from(seen) * i128::from(population) - i128::from(bad) * i128::from(drawn)) as f64 / all;
        let mut divergence = 0.0;
        for (index, (cell, row, column)) in cells.into_iter().enumerate() {
            let expected = row as f64 * column as f64 / all;
            let more = if index == 0 || index == 3 { deviation } else { -deviation };
            divergence += if cell == 0 { expected } else { divergence_of(expected, more) };
        }
        let margins: f64 = [bad, good, drawn, rest].into_iter().map(stirling_rest).sum();
        let inner: f64 = cells.into_iter().map(|(cell, ..)| stirling_rest(cell)).sum();
        margins - inner - stirling_rest(population) - divergence
    }
}

/// `o ln(o / e) − (o − e)` for `o = expected + more`, both positive; its absolute error is about `more` times the
/// rounding of a float.
fn divergence_of(expected: f64, more: f64) -> f64 {
    let relative = more / expected;
    expected * ((1.0 + relative) * relative.ln_1p() - relative)
}

/// `ln m! − (m ln m − m)`.
fn stirling_rest(m: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of files are exact below 2^53")]
    let x = m as f64;
    match m {
        0 => 0.0,
        1..=100 => ln_factorial(m) - x * x.ln() + x,
        // Stirling's series; the first term that is left out is below 10^-17 here.
        _ => {
            let square = x * x;
            0.5 * (2.0 * std::f64::consts::PI * x).ln()
                + (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * square)) / square) / x
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bound(population: u64, conclusive: u64, bad: u64) -> u64 {
        Assurance::new(population, conclusive, bad, 0.95).unwrap().at_most_bad
    }

    #[test]
    fn five_hundred_good_files_bound_the_bad_ones_as_the_tables_say() {
        assert_eq!(bound(1_000, 500, 0), 4);
        assert_eq!(bound(10_000, 500, 0), 58);
        assert_eq!(bound(100_000, 500, 0), 595);
    }

    #[test]
    fn bounds_with_bad_files_are_those_of_exact_fractions() {
        // Computed with whole-number binomial coefficients of arbitrary length.
        for (population, conclusive, bad, at_most) in [
            (1_000, 500, 3, 12),
            (10_000, 120, 0, 245),
            (10_000, 500, 2, 123),
            (78_579, 500, 0, 467),
            (78_579, 500, 2, 983),
            (78_579, 5_000, 40, 811),
            (1_000_000, 1_000, 1, 4_733),
            (1_000_000, 300, 150, 548_984),
        ] {
            assert_eq!(bound(population, conclusive, bad), at_most, "{bad} of {conclusive} of {population}");
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
    fn nothing_conclusive_and_contradictions_prove_nothing() {
        assert_eq!(Assurance::new(100, 0, 0, 0.95), None);
        assert_eq!(Assurance::new(0, 0, 0, 0.95), None);
        assert_eq!(Assurance::new(10, 11, 0, 0.95), None);
        assert_eq!(Assurance::new(10, 5, 6, 0.95), None);
    }

    #[test]
    fn certainty_bounds_by_what_was_not_seen_and_no_confidence_by_what_was() {
        assert_eq!(Assurance::new(100, 30, 2, 1.0).unwrap().at_most_bad, 72);
        assert_eq!(Assurance::new(100, 30, 2, 0.0).unwrap().at_most_bad, 2);
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
        // 0.07 × 100 is 7.000000000000001 as floats.
        assert_eq!(share_of(100, 0.07), 7);
        assert_eq!(share_of(1_050, 0.01), 11);
    }

    #[test]
    fn large_populations_keep_their_digits() {
        // The product form of P(X = 0), which needs no logarithm, decides on both sides of the bound.
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
        let found = Assurance::new(10_000_000, 1_000_000, 400_000, 0.95).unwrap();
        // A normal approximation, good to a hundred files here.
        let expected = 4_000_000.0 + 1.645 * 10.0 * (1e6_f64 * 0.4 * 0.6 * 0.9).sqrt();
        assert!((found.at_most_bad as f64 - expected).abs() < 200.0, "{} {expected}", found.at_most_bad);
    }

    #[test]
    fn the_words_say_what_is_proven_and_no_more() {
        let say = |n, c, b| Assurance::new(n, c, b, 0.95).unwrap().to_string();
        let cases = [
            (
                (10_000, 500, 0),
                "With 95% confidence at most 58 of 10,000 files in this backup (0.58%) are bad.",
            ),
            ((20, 18, 0), "With 95% confidence at most 1 of 20 files in this backup (5%) is bad."),
            ((1_000, 960, 0), "With 95% confidence none of the 1,000 files in this backup is bad."),
            ((10_000, 10_000, 0), "All 10,000 files in this backup were checked: none is bad."),
            ((10_000, 10_000, 1), "All 10,000 files in this backup were checked: 1 is bad."),
            ((10_000, 10_000, 3), "All 10,000 files in this backup were checked: 3 are bad."),
            ((1, 1, 0), "The only file in this backup was checked: it is good."),
        ];
        for ((n, c, b), text) in cases {
            assert_eq!(say(n, c, b), text);
        }
    }

    /// Binomial coefficient in whole numbers.
    fn choose(n: u64, k: u64) -> u128 {
        if k > n { 0 } else { (0..u128::from(k)).fold(1, |c, i| c * (u128::from(n) - i) / (i + 1)) }
    }

    /// Whether P(X ≤ x | K) > 1 − confidence, in whole numbers.
    fn possible(n_all: u64, bad: u64, drawn: u64, seen: u64, per_mille: u64) -> bool {
        let ways: u128 =
            (0..=seen).map(|j| choose(bad, j) * choose(n_all - bad, drawn.saturating_sub(j))).sum();
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
            let found = Assurance::new(population, drawn, seen, per_mille as f64 / 1000.0).unwrap();
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
}
