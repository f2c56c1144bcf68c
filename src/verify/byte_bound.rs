//! What a sample of random bytes proves about the backup: the statement of the strategy `size`.
//!
//! In: how many of the bytes that were drawn are in files that could be compared, and how many of
//! these files are bad. Out: the largest share of the comparable bytes that can be in bad files, at
//! a chosen confidence.
//!
//! The bytes are drawn with replacement ([`size`](super::size)). So if a share p of the
//! comparable bytes is in bad files, the number of drawn bytes that are in bad files has the
//! binomial distribution: `P(X ≤ x) = Σ C(n, j) · p^j · (1 − p)^(n − j)` for j from 0 to x. The
//! bound is the exact one-sided one: the largest p with `P(X ≤ x | p) ≥ 1 − confidence` (C. J.
//! Clopper, E. S. Pearson, *Biometrika* 26, 1934). With x = 0 it is `1 − (1 − confidence)^(1/n)`. The
//! sum is the regularised incomplete beta function `I(1 − p; n − x, x + 1)`. No normal or Poisson
//! approximation is used.
//!
//! The share becomes a number of bytes by the largest number of bytes that comparable files can
//! have: all bytes of the population without those of the picks that could not be compared. This
//! makes the number larger than it need be, never smaller.

use statrs::function::beta::beta_reg;

use crate::words;

use super::arrivals::ArrivalCounts;

/// The statement: with `confidence`, at most `at_most_bad` of the comparable bytes are in bad
/// files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByteBound {
    /// The most bytes that comparable files can have.
    pub domain_at_most: u64,
    /// How many bytes were drawn that are in files that could be compared or were cut off.
    pub drawn: u64,
    /// How many of them are in bad files.
    pub bad: u64,
    /// How many of them are in files that were not decided or were cut off. They count as bad.
    pub unresolved: u64,
    /// Confidence, between 0 and 1.
    pub confidence: f64,
    /// Upper bound on the share of comparable bytes that are in bad files.
    pub at_most_bad_share: f64,
    /// The same in bytes.
    pub at_most_bad: u64,
    /// Whether every file that has bytes was judged. Then nothing is left to chance.
    pub is_whole: bool,
}

impl ByteBound {
    /// The statement that a run proves about a population of this many bytes. `None` if nothing was
    /// decided, or if the numbers contradict each other.
    pub fn of(bytes: u64, counts: &ArrivalCounts, confidence: f64) -> Option<Self> {
        let domain_at_most = bytes.checked_sub(counts.outside_bytes)?;
        let seen = counts.bad + counts.unresolved;
        if counts.comparable == counts.unresolved || domain_at_most == 0 || seen > counts.comparable {
            return None;
        }
        let confidence = confidence.clamp(0.0, 1.0);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let at_most_bad_share = if counts.is_everything {
            counts.bad_bytes as f64 / domain_at_most as f64
        } else {
            bound(counts.comparable, seen, confidence)
        };
        let at_most_bad =
            if counts.is_everything { counts.bad_bytes } else { share_of(domain_at_most, at_most_bad_share) };
        Some(Self {
            domain_at_most,
            drawn: counts.comparable,
            bad: counts.bad,
            unresolved: counts.unresolved,
            confidence,
            at_most_bad_share,
            at_most_bad,
            is_whole: counts.is_everything,
        })
    }

    /// Whether the statement rules out that a share of `tolerance` or more of the comparable bytes
    /// is in bad files.
    pub fn rules_out(&self, tolerance: f64) -> bool {
        // The same allowance for rounding as for the number of bytes that are drawn.
        self.at_most_bad_share <= tolerance * (1.0 + 1e-9)
    }

    /// The statement in words. `which` says which files it is about (`whose originals ...`).
    pub fn sentence(&self, which: &str) -> String {
        let all = words::bytes(self.domain_at_most);
        let bad = words::bytes(self.at_most_bad);
        if self.is_whole {
            let found = match (self.at_most_bad, self.unresolved) {
                (0, _) => "none is in a bad file".to_owned(),
                (_, 0) => format!("{bad} are in bad files"),
                _ => format!("{bad} are in files that are bad or could not be decided"),
            };
            return format!("All files {which} that are not empty were compared: of their {all}, {found}.");
        }
        format!(
            "With {} confidence, of the bytes that the backup holds of files {which}, at most {} are in bad files (about {bad} of up to {all}).",
            words::percent(self.confidence),
            words::percent_at_most(self.at_most_bad, self.domain_at_most),
        )
    }
}

/// The largest share for which `seen` or fewer of `drawn` are still as likely as `1 − confidence`,
/// rounded up.
#[expect(clippy::cast_precision_loss, reason = "at most a million are drawn")]
fn bound(drawn: u64, seen: u64, confidence: f64) -> f64 {
    if seen >= drawn {
        return 1.0;
    }
    let doubt = 1.0 - confidence;
    let (good, more) = ((drawn - seen) as f64, seen as f64 + 1.0);
    let (mut possible, mut impossible) = (seen as f64 / drawn as f64, 1.0_f64);
    for _ in 0..200 {
        let middle = f64::midpoint(possible, impossible);
        if middle <= possible || middle >= impossible {
            break;
        }
        if at_most(good, more, middle) >= doubt {
            possible = middle;
        } else {
            impossible = middle;
        }
    }
    impossible
}

/// `P(X ≤ x)`, with `good` = n − x and `more` = x + 1.
fn at_most(good: f64, more: f64, share: f64) -> f64 {
    beta_reg(good, more, 1.0 - share)
}

/// `share` of `whole`, rounded up to whole bytes.
fn share_of(whole: u64, share: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "rounded up below")]
    let product = whole as f64 * share;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let bytes = product.ceil() as u64;
    bytes.min(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `P(X ≤ x)` by adding up the terms.
    fn naive(drawn: u64, seen: u64, share: f64) -> f64 {
        let mut term = (1.0 - share).powi(i32::try_from(drawn).unwrap());
        let mut sum = term;
        for bad in 0..seen {
            term *= (drawn - bad) as f64 / (bad + 1) as f64 * share / (1.0 - share);
            sum += term;
        }
        sum
    }

    #[test]
    fn the_bound_is_where_the_sum_of_the_binomial_terms_is_the_doubt() {
        for confidence in [0.8, 0.95, 0.99] {
            for (drawn, seen) in
                [(1, 0), (10, 0), (10, 3), (10, 9), (500, 0), (500, 1), (500, 17), (700, 350)]
            {
                let share = bound(drawn, seen, confidence);
                let chance = naive(drawn, seen, share);
                let error = (chance - (1.0 - confidence)).abs();
                assert!(error < 1e-9, "{seen} of {drawn} at {confidence}: {share}, {chance}");
            }
        }
    }

    #[test]
    fn known_bounds() {
        // Without a bad one: 1 − 0.05^(1/n). The rule of three says 0.6% for 500.
        assert!((bound(500, 0, 0.95) - (1.0 - 0.05_f64.powf(1.0 / 500.0))).abs() < 1e-12);
        // R: binom.test(3, 10, alternative = "less")$conf.int[2]
        assert!((bound(10, 3, 0.95) - 0.606_624_2).abs() < 1e-6);
        assert!((bound(10, 10, 0.95) - 1.0).abs() < f64::EPSILON);
        assert!((bound(1_000_000, 0, 0.95) - 2.995_727_8e-6).abs() < 1e-11);
    }

    fn counts() -> ArrivalCounts {
        ArrivalCounts {
            wanted: 500,
            comparable: 500,
            outside: 20,
            outside_bytes: 24 << 30,
            ..ArrivalCounts::default()
        }
    }

    #[test]
    fn the_statement_is_about_bytes_and_leaves_out_the_files_that_cannot_be_compared() {
        let found = ByteBound::of(224 << 30, &counts(), 0.95).unwrap();
        assert_eq!(found.domain_at_most, 200 << 30);
        assert_eq!(
            found.sentence("whose originals have not been modified since the backup"),
            "With 95% confidence, of the bytes that the backup holds of files whose originals have not been modified since the backup, at most \
             0.6% are in bad files (about 1.19 GiB of up to 200 GiB)."
        );
        assert!(found.rules_out(0.006) && !found.rules_out(0.0059));
    }

    #[test]
    fn a_tolerance_is_ruled_out_by_the_number_of_bytes_that_it_asks_for_and_not_by_one_less() {
        for tolerance in [0.5, 0.1, 0.01, 0.001, 0.0007] {
            for confidence in [0.8, 0.95, 0.99] {
                let drawn = super::super::assurance::sample_size_limit(tolerance, confidence);
                let of = |comparable| {
                    ByteBound::of(1 << 40, &ArrivalCounts { comparable, ..counts() }, confidence)
                };
                assert!(of(drawn).unwrap().rules_out(tolerance), "{tolerance} at {confidence}");
                let fewer = of(drawn - 1);
                assert!(
                    !fewer.is_some_and(|fewer| fewer.rules_out(tolerance)),
                    "{tolerance} at {confidence}"
                );
            }
        }
    }

    #[test]
    fn a_whole_backup_is_known_exactly() {
        let all = ArrivalCounts { is_everything: true, ..counts() };
        let sentence = |counts| ByteBound::of(224 << 30, &counts, 0.95).unwrap().sentence("that are there");
        let begin = "All files that are there that are not empty were compared: of their 200 GiB, ";
        assert_eq!(sentence(all), format!("{begin}none is in a bad file."));
        let bad = ArrivalCounts { bad: 3, bad_bytes: 1 << 30, ..all };
        assert_eq!(sentence(bad), format!("{begin}1.00 GiB are in bad files."));
    }

    #[test]
    fn nothing_is_stated_where_nothing_was_decided() {
        let none = ArrivalCounts { comparable: 0, ..counts() };
        let open = ArrivalCounts { comparable: 7, unresolved: 7, ..counts() };
        let torn = ArrivalCounts { outside_bytes: 225 << 30, ..counts() };
        for counts in [none, open, torn] {
            assert_eq!(ByteBound::of(224 << 30, &counts, 0.95), None, "{counts:?}");
        }
    }
}
