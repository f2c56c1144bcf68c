//! What a sample proves about the backup.
//!
//! In: how many files there are, how many picks could be compared, and how many of those are bad.
//! Out: the largest number of bad files that there can be, at a chosen confidence. And the other
//! way round: how many files must be compared so that a good sample rules out a given share of bad
//! files.
//!
//! The files are drawn without replacement. So the number of bad ones among `n` files drawn from
//! `N`, of which `K` are bad, has the hypergeometric distribution
//!
//! ```text
//! P(X = j) = C(K, j) · C(N − K, n − j) / C(N, n)
//! ```
//!
//! The bound is the exact one-sided one: the largest `K` for which a sample this good or better is
//! still more likely than `1 − confidence`, that is `P(X ≤ x | K) > 1 − confidence`. It is the
//! Clopper–Pearson construction (C. J. Clopper, E. S. Pearson, *Biometrika* 26, 1934) for a finite
//! population (J. S. Buonaccorsi, *The American Statistician* 41, 1987). With no bad file in the
//! sample, auditors know it as discovery sampling. No binomial or normal approximation is used, so
//! the bound also holds for small backups and for samples that are a large part of the whole.
//!
//! # The domain
//! The statement is about the files that can be compared: their originals exist, can be read, and
//! were not modified since the backup ([`comparable`](super::comparable)). Times decide which files
//! these are, whatever their copies contain. The picks among them are therefore a simple random
//! sample of them (W. G. Cochran, *Sampling Techniques*, 3rd ed. 1977, sections 2.12 and 2.13:
//! domains of study). The number of such files is not known. But `u` of the picks are not among
//! them, so there are at most `N − u`. All else equal, the bound grows with the number of files. So
//! the bound for `N − u` files also holds for any smaller number: it is conservative. Nothing is
//! said about the other files.
//!
//! # Picks without an answer
//! A comparable pick that was not decided counts as bad in both arguments of the bound. So does
//! each pick that was being verified when a limit ended the run, because bad files may be the slow
//! ones. The bound then holds although the limit, and not the plan, decided how many picks there
//! are: the run ends where the times of the picks add up to the limit, and if the pick at that
//! point counts as bad, no such ending is more favourable than drawing the same number by plan.
//! `tests` check all of this against thousands of simulated backups.

use statrs::function::factorial::ln_factorial;

use crate::words;

use super::counts::Counts;

/// The statement: with `confidence`, at most `at_most_bad` of the comparable files are bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assurance {
    /// The most comparable files that there can be.
    pub domain_at_most: u64,
    /// Picks that could be compared, and picks that were cut off.
    pub comparable: u64,
    /// How many of them are bad.
    pub bad: u64,
    /// How many of them were not decided or were cut off. They count as bad.
    pub unresolved: u64,
    /// Confidence, between 0 and 1.
    pub confidence: f64,
    /// Upper bound on bad files among the comparable ones.
    pub at_most_bad: u64,
}

impl Assurance {
    /// The statement that a run proves. `files` is the number of files in the population. `cut_off`
    /// is the number of picks that may have been in progress when the run was ended.
    pub fn of(files: u64, counts: &Counts, cut_off: u64, confidence: f64) -> Option<Self> {
        let domain = files.checked_sub(counts.outside())?;
        let cut_off = cut_off.min(domain.checked_sub(counts.comparable())?);
        let unresolved = counts.unresolved() + cut_off;
        // If no pick was decided, there is nothing to state.
        let is_empty = counts.comparable() == counts.unresolved();
        let comparable = counts.comparable() + cut_off;
        Self::new(domain, comparable, counts.comparable_bad(), unresolved, confidence).filter(|_| !is_empty)
    }

    /// What is proved about at most `domain_at_most` files, if `bad` of `comparable` random files
    /// are bad and `unresolved` of them were not decided.
    ///
    /// `None` if nothing was compared, or if the numbers contradict each other (more drawn than
    /// there are). `confidence` is clamped to between 0 and 1.
    pub fn new(
        domain_at_most: u64,
        comparable: u64,
        bad: u64,
        unresolved: u64,
        confidence: f64,
    ) -> Option<Self> {
        let seen = bad.checked_add(unresolved)?;
        if comparable == 0 || comparable > domain_at_most || seen > comparable {
            return None;
        }
        let confidence = confidence.clamp(0.0, 1.0);
        let at_most_bad = bound(domain_at_most, comparable, seen, confidence);
        Some(Self { domain_at_most, comparable, bad, unresolved, confidence, at_most_bad })
    }

    /// Whether every comparable file was compared. Then nothing is left to chance.
    pub fn is_whole(&self) -> bool {
        self.comparable == self.domain_at_most
    }

    /// Whether the statement rules out that a share of `tolerance` or more of the comparable files
    /// is bad, however many comparable files there are.
    pub fn rules_out(&self, tolerance: f64) -> bool {
        let (drawn, seen) = (self.comparable, self.bad + self.unresolved);
        if self.is_whole() {
            return seen == 0 || seen < share_of(self.domain_at_most, tolerance);
        }
        rules_out_up_to(self.domain_at_most, tolerance, drawn, seen, self.confidence)
    }

    /// The statement in words. `which` says which files it is about (`whose originals ...`).
    pub fn sentence(&self, which: &str) -> String {
        let all = words::count(self.domain_at_most);
        let are = |number| if number == 1 { "is" } else { "are" };
        if self.is_whole() {
            if self.unresolved > 0 {
                let decided = self.comparable - self.unresolved;
                return format!(
                    "Of all {all} files {which}, {} {} compared, and {} bad; {} could not be decided.",
                    words::count(decided),
                    if decided == 1 { "was" } else { "were" },
                    match self.bad {
                        0 => "none is".to_owned(),
                        bad => format!("{} {}", words::count(bad), are(bad)),
                    },
                    words::count(self.unresolved),
                );
            }
            return match (self.domain_at_most, self.bad) {
                (1, bad) => {
                    let is = if bad == 0 { "good" } else { "bad" };
                    format!("The only file {which} was compared: it is {is}.")
                }
                (_, 0) => format!("All {all} files {which} were compared: none is bad."),
                (_, bad) => {
                    let bad_ones = words::count(bad);
                    format!("All {all} files {which} were compared: {bad_ones} {} bad.", are(bad))
                }
            };
        }
        let confidence = words::percent(self.confidence);
        if self.at_most_bad == 0 {
            return format!("With {confidence} confidence, of the files {which}, none is bad.");
        }
        format!(
            "With {confidence} confidence, of the files {which}, at most {} {} bad ({} of up to {all}).",
            words::count(self.at_most_bad),
            are(self.at_most_bad),
            words::percent_at_most(self.at_most_bad, self.domain_at_most),
        )
    }
}

/// The largest number of bad files for which `seen` bad ones among `drawn` are more likely than `1
/// − confidence`.
fn bound(population: u64, drawn: u64, seen: u64, confidence: f64) -> u64 {
    let doubt = ln_doubt(confidence);
    // There are at least as many bad files as were seen, and at most all those that were not seen
    // to be good.
    let (mut possible, mut impossible) = (seen, population - (drawn - seen) + 1);
    while impossible - possible > 1 {
        let middle = possible + (impossible - possible) / 2;
        if exceeds(Draw { population, bad: middle, drawn }.ln_at_most(seen), doubt) {
            possible = middle;
        } else {
            impossible = middle;
        }
    }
    possible
}

/// Whether `seen` bad files among `drawn` rule out a share of `tolerance` or more, for every number
/// of files up to `files`.
///
/// Bad files are whole files, so many numbers of files have the same number of bad ones at this
/// share. The largest of these numbers is the hardest to rule out. With fewer bad files it becomes
/// easier on the whole, but not at every step, because the largest number is rounded. For a
/// tolerance with up to two decimals of a per cent, the rounding repeats after at most [`STEPS`]
/// steps.
fn rules_out_up_to(files: u64, tolerance: f64, drawn: u64, seen: u64, confidence: f64) -> bool {
    let doubt = ln_doubt(confidence);
    let most = share_of(files, tolerance).max(1);
    (1..=most).rev().take(STEPS).map(|bad| (bad, largest_with(bad, tolerance).min(files))).all(
        |(bad, files)| {
            // There cannot be fewer files than were drawn, and there cannot be more bad files than
            // were not seen to be good.
            let is_seen_not_to_be = files < drawn || bad > files - (drawn - seen);
            is_seen_not_to_be
                || (bad > seen && !exceeds(Draw { population: files, bad, drawn }.ln_at_most(seen), doubt))
        },
    )
}

const STEPS: usize = 10_000;

/// The largest number of files for which a share of `tolerance` means `bad` files.
fn largest_with(bad: u64, tolerance: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 files")]
    let files = bad as f64 / tolerance * (1.0 + ROUNDING);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let files = files.floor() as u64;
    files.max(bad)
}

/// [`sample_size`] for at most `files` comparable files, whose exact number is not known.
pub fn sample_size_up_to(files: u64, tolerance: f64, confidence: f64) -> u64 {
    let mut drawn = sample_size(files, tolerance, confidence);
    // The hardest smaller number needs only a few more.
    while drawn < files && !rules_out_up_to(files, tolerance, drawn, 0, confidence) {
        drawn += 1;
    }
    drawn
}

/// How many of `population` files must be checked and found good to rule out, with `confidence`,
/// that a share of `tolerance` or more of them is bad. Both are between 0 and 1. The result is at
/// most the population and at most [`sample_size_limit`].
///
/// Bad files are whole files: 1% or more of 1,050 files means 11 or more. So the result grows with
/// the population, except for small steps down where that number of bad files goes up by one.
pub fn sample_size(population: u64, tolerance: f64, confidence: f64) -> u64 {
    if population == 0 {
        return 0;
    }
    let bad = share_of(population, tolerance).clamp(1, population);
    let doubt = ln_doubt(confidence.clamp(0.0, 1.0));
    // All good files and one more are sure to contain a bad one.
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

/// [`sample_size`] for an infinite population, which is the most that it can be. `u64::MAX` if no
/// number is enough.
pub fn sample_size_limit(tolerance: f64, confidence: f64) -> u64 {
    if tolerance >= 1.0 {
        return 1;
    }
    let each_good = (-tolerance.clamp(0.0, 1.0)).ln_1p();
    let number = ln_doubt(confidence.clamp(0.0, 1.0)) / each_good;
    // The same allowance for rounding as in `exceeds`: a hair above a whole number is that number.
    let number = (number * (1.0 - ROUNDING)).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, as documented")]
    if number.is_nan() { u64::MAX } else { (number as u64).max(1) }
}

/// `share` of `whole`, rounded up to whole files. A product that is whole except for rounding
/// errors is not rounded up (0.07 × 100 is 7).
pub(super) fn share_of(whole: u64, share: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 files")]
    let product = whole as f64 * share.clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and `whole`")]
    let files = (product * (1.0 - ROUNDING)).ceil() as u64;
    files
}

/// A relative error that the rounding here stays far below, and that any real difference exceeds.
const ROUNDING: f64 = 1e-11;

/// The logarithm of the probability of being wrong.
fn ln_doubt(confidence: f64) -> f64 {
    (-confidence).ln_1p()
}

/// Whether a probability exceeds the doubt, both as logarithms. Equal except for rounding is "no".
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
    /// The logarithm of the probability that at most `seen` of the drawn files are bad. `seen` must
    /// be possible: `seen ≤ drawn`, `seen ≤ bad`, and enough good files for the rest.
    fn ln_at_most(self, seen: u64) -> f64 {
        // The sum of P(seen), P(seen − 1), …, in units of the first term. If it overflows, `seen`
        // is far above the expectation and the probability is near 1. Infinity then compares
        // correctly.
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

    /// The logarithm of the probability that exactly `seen` of the drawn files are bad.
    ///
    /// For millions of files, the difference between logarithms of huge factorials would have few
    /// correct digits. So each factorial is split: `ln m! = m ln m − m + r(m)`. The first parts add
    /// up to the G statistic of the two-by-two table (drawn or not, bad or not). It is computed
    /// from the deviation `seen − expected` without cancellation. The remainders `r` are small.
    /// This is the saddle-point form of C. Loader, *Fast and accurate computation of binomial
    /// probabilities* (2000), written for the hypergeometric distribution.
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

/// `o ln(o / e) − (o − e)` for `o = expected + more`, both positive. The absolute error is about
/// `more` times the rounding of a float.
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
        // Stirling's series. The first omitted term is below 10^-17 here.
        _ => {
            let square = x * x;
            0.5 * (2.0 * std::f64::consts::PI * x).ln()
                + (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * square)) / square) / x
        }
    }
}

#[cfg(test)]
mod tests;
