//! What a sample proves about the backup.
//!
//! In: how many files there are, how many picks could be compared, how many of those are bad. Out:
//! how many bad files there can be at most, at a chosen confidence; and the other way round, how
//! many files must be compared so that a good sample rules out a given share of bad files.
//!
//! The files are drawn without replacement, so the number of bad ones among `n` drawn from `N` with
//! `K` bad ones has the hypergeometric distribution
//!
//! ```text
//! P(X = j) = C(K, j) · C(N − K, n − j) / C(N, n)
//! ```
//!
//! The bound is the exact one-sided one: the largest `K` that does not make the sample, or a better
//! one, less likely than `1 − confidence`, that is `P(X ≤ x | K) > 1 − confidence`. It is the
//! Clopper–Pearson construction (C. J. Clopper, E. S. Pearson, *Biometrika* 26, 1934) for a finite
//! population (J. S. Buonaccorsi, *The American Statistician* 41, 1987); with no bad file in the
//! sample auditors know it as discovery sampling. No approximation by a binomial or normal
//! distribution takes part, so that it also holds for small backups and for samples that are a
//! large part of the whole.
//!
//! # The domain
//! The statement is about the files that can be compared: those whose originals are there, can be
//! read, and were not modified since the backup ([`comparable`](super::comparable)). Which files
//! these are is settled by times, whatever their copies hold. The picks among them are therefore a
//! simple random sample of them (W. G. Cochran, *Sampling Techniques*, 3rd ed. 1977, sections 2.12
//! and 2.13: domains of study). How many such files there are is not known. But `u` of the picks
//! are not among them, so there are at most `N − u`. The bound grows with the number of files, all
//! else equal, so the bound for `N − u` files holds for any smaller number: it is conservative.
//! Nothing is said about the other files.
//!
//! # Picks without an answer
//! A comparable pick that was not decided counts as bad in both arguments of the bound. So does
//! each pick that was under way when a limit ended the run: bad files may be the slow ones. The
//! bound then holds although the limit, not the plan, decided how many picks there are: the run
//! ends where the picks' times add up to the limit, and with the pick under way counted as bad no
//! ending is more favourable than the same number drawn by plan. `tests` hold all of this against
//! thousands of simulated backups.

use statrs::function::factorial::ln_factorial;

use crate::words;

use super::counts::Counts;

/// The statement: with `confidence`, at most `at_most_bad` of the comparable files are bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assurance {
    /// How many comparable files there are at most.
    pub domain_at_most: u64,
    /// Picks that could be compared, and those that were cut off.
    pub comparable: u64,
    /// Bad ones among them.
    pub bad: u64,
    /// Those among them that were not decided or cut off: they count as bad.
    pub unresolved: u64,
    /// Confidence, between 0 and 1.
    pub confidence: f64,
    /// Upper bound on bad files among the comparable ones.
    pub at_most_bad: u64,
}

impl Assurance {
    /// What was seen in a run proves. `files` is how many there are in all, `cut_off` how many
    /// picks may have been under way when the run was ended.
    pub fn of(files: u64, counts: &Counts, cut_off: u64, confidence: f64) -> Option<Self> {
        let domain = files.checked_sub(counts.outside())?;
        let cut_off = cut_off.min(domain.checked_sub(counts.comparable())?);
        let unresolved = counts.unresolved() + cut_off;
        // With no pick decided there is nothing to speak of.
        let is_empty = counts.comparable() == counts.unresolved();
        let comparable = counts.comparable() + cut_off;
        Self::new(domain, comparable, counts.comparable_bad(), unresolved, confidence).filter(|_| !is_empty)
    }

    /// What `bad` bad ones and `unresolved` open ones among `comparable` random files prove about
    /// at most `domain_at_most` files.
    ///
    /// Nothing where nothing was compared, or where the numbers contradict each other (more drawn
    /// than there are). `confidence` is held between 0 and 1.
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

    /// Whether every comparable file was compared, so that nothing is left to chance.
    pub fn is_whole(&self) -> bool {
        self.comparable == self.domain_at_most
    }

    /// Whether it rules out that `tolerance` (a share) of the comparable files or more are bad,
    /// however many of them there are.
    pub fn rules_out(&self, tolerance: f64) -> bool {
        let (drawn, seen) = (self.comparable, self.bad + self.unresolved);
        if self.is_whole() {
            return seen == 0 || seen < share_of(self.domain_at_most, tolerance);
        }
        rules_out_up_to(self.domain_at_most, tolerance, drawn, seen, self.confidence)
    }

    /// The statement in words; `which` says which files it is about (`whose originals ...`).
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

/// The largest number of bad files that is not less likely than the doubt, where `seen` of `drawn`
/// ones are bad.
fn bound(population: u64, drawn: u64, seen: u64, confidence: f64) -> u64 {
    let doubt = ln_doubt(confidence);
    // Known to be possible: the bad ones seen. Known to be impossible: more than all that were not
    // seen good.
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

/// Whether `seen` bad ones of `drawn` rule out a share of `tolerance` or more, for every number of
/// files up to `files`.
///
/// Bad files are whole files. Of all numbers of files for which the share comes to the same number
/// of bad ones, the largest is the hardest to rule out; from step to step it becomes easier on the
/// whole, but not from each to the next, since the largest number is a rounded one. How it is
/// rounded repeats after at most [`STEPS`] steps for a tolerance with up to two decimals of a per
/// cent.
fn rules_out_up_to(files: u64, tolerance: f64, drawn: u64, seen: u64, confidence: f64) -> bool {
    let doubt = ln_doubt(confidence);
    let most = share_of(files, tolerance).max(1);
    (1..=most).rev().take(STEPS).map(|bad| (bad, largest_with(bad, tolerance).min(files))).all(
        |(bad, files)| {
            // Fewer files than were drawn there cannot be; that they hold so few bad ones was seen.
            let is_seen_not_to_be = files < drawn || bad > files - (drawn - seen);
            is_seen_not_to_be
                || (bad > seen && !exceeds(Draw { population: files, bad, drawn }.ln_at_most(seen), doubt))
        },
    )
}

const STEPS: usize = 10_000;

/// The largest number of files of which a share of `tolerance` is `bad` files.
fn largest_with(bad: u64, tolerance: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 files")]
    let files = bad as f64 / tolerance * (1.0 + ROUNDING);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let files = files.floor() as u64;
    files.max(bad)
}

/// [`sample_size`] for a domain of at most `files`, whose size is not known.
pub fn sample_size_up_to(files: u64, tolerance: f64, confidence: f64) -> u64 {
    let mut drawn = sample_size(files, tolerance, confidence);
    // The hardest smaller number asks for a few more at most.
    while drawn < files && !rules_out_up_to(files, tolerance, drawn, 0, confidence) {
        drawn += 1;
    }
    drawn
}

/// How many of `population` files must be checked and found good to rule out, with `confidence`,
/// that the share `tolerance` of them or more is bad; both between 0 and 1. Never more than the
/// population, nor than [`sample_size_limit`].
///
/// Bad files are whole files: of 1,050 files 1% or more means 11 or more. So the number grows with
/// the population, but for small steps down where the next whole file is reached.
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

/// [`sample_size`] for a population without end: the most it can ask for. `u64::MAX` where no
/// number suffices.
pub fn sample_size_limit(tolerance: f64, confidence: f64) -> u64 {
    if tolerance >= 1.0 {
        return 1;
    }
    let each_good = (-tolerance.clamp(0.0, 1.0)).ln_1p();
    let number = ln_doubt(confidence.clamp(0.0, 1.0)) / each_good;
    // The same tolerance against rounding as in `exceeds`: a hair above a whole number is that
    // number.
    let number = (number * (1.0 - ROUNDING)).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, as documented")]
    if number.is_nan() { u64::MAX } else { (number as u64).max(1) }
}

/// `share` of `whole`, rounded up to whole files; a product that is whole but for rounding stays
/// (0.07 × 100 is 7).
pub(super) fn share_of(whole: u64, share: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 files")]
    let product = whole as f64 * share.clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and `whole`")]
    let files = (product * (1.0 - ROUNDING)).ceil() as u64;
    files
}

/// Relative error that the floating-point numbers here stay far below, and that no honest
/// difference comes near.
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
    /// Logarithm of the probability that at most `seen` of the drawn files are bad. `seen` must be
    /// possible: `seen ≤ drawn`, `seen ≤ bad`, and enough good files for the rest.
    fn ln_at_most(self, seen: u64) -> f64 {
        // The sum of P(seen), P(seen − 1), …, in units of the first. Where the sum overflows,
        // `seen` lies far above the expectation and the whole is near 1: infinity compares right.
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
    /// The difference of logarithms of huge factorials would leave few correct digits for millions
    /// of files. So each factorial is split, `ln m! = m ln m − m + r(m)`. What the first parts add
    /// up to is the G statistic of the two-by-two table (drawn or not, bad or not), which is
    /// computed from the deviation `seen − expected` without cancellation; the rests are small.
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

/// `o ln(o / e) − (o − e)` for `o = expected + more`, both positive; its absolute error is about
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
        // Stirling's series; the first term that is left out is below 10^-17 here.
        _ => {
            let square = x * x;
            0.5 * (2.0 * std::f64::consts::PI * x).ln()
                + (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * square)) / square) / x
        }
    }
}

#[cfg(test)]
mod tests;
