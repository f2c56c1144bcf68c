//! Which files are verified, and what that proves. A strategy is an implementation of one small
//! trait and one entry in the registry.
//!
//! A strategy is a constant of the program. For each run it makes a value, a
//! [`Draw`](super::draw::Draw), which sees every file of the backup once and keeps what is drawn.
//! This value knows what the strategy cannot know: the seed, the number of files that were asked
//! for, and what earlier runs remember. The bound that follows from a draw stays with the strategy,
//! because it needs nothing but the [`Tally`], and tallies outlive a run: they are stored, read
//! again and merged.
//!
//! | strategy | how files are chosen | what the statement is about |
//! |---|---|---|
//! | `random` | each with the same chance ([`sample`](super::sample)) | files |
//! | `all` | all of them | files |
//! | `coverage` | half at random, half by when they were last judged ([`coverage`](super::coverage)) | files; only the random half counts |
//! | `size` | random bytes ([`size`]) | bytes |
//!
//! A bound holds only for the way in which its sample was drawn. So a strategy has no default for
//! it.

use crate::backup::Needs;
use crate::plan::{self, SampleSize};

use super::arrivals::{ArrivalCounts, Arrivals};
use super::assurance::Assurance;
use super::byte_bound::ByteBound;
use super::coverage::CoverageDraw;
use super::draw::{Begun, RandomDraw, Request};
use super::sample::SampleQuota;
use super::size::{self, SizeDraw};
use super::statement::Statement;
use super::tally::Tally;

/// How files are chosen.
pub trait Strategy: Sync {
    /// The name of the strategy, in settings and reports.
    fn name(&self) -> &'static str;

    /// What it chooses, in a few words, for help texts. `None` if no setting names the strategy.
    fn summary(&self) -> Option<&'static str>;

    /// What the listing must provide in addition to paths.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Whether every file is verified. Then nothing is drawn, and files are judged in the order in
    /// which the backup lists them.
    fn is_everything(&self) -> bool {
        false
    }

    /// Why no sample of this size can be drawn, if so: what is wrong, and what to ask for instead.
    fn refuses(&self, _size: SampleSize, _confidence: f64) -> Option<(String, &'static str)> {
        None
    }

    /// Whether a later session can go on with a draw that was not judged to its end.
    fn can_resume(&self) -> bool {
        true
    }

    /// Whether every file of an unchanged backup has its turn within a known number of runs.
    fn rotates(&self) -> bool {
        false
    }

    /// The draw of one run.
    fn draw(&self, request: &Request<'_>) -> Begun;

    /// Whether as much was judged as was asked for.
    fn is_enough(&self, tally: &Tally) -> bool;

    /// Whether a larger share of the picks than `share` proves nothing.
    fn is_undecided(&self, tally: &Tally, share: f64) -> bool {
        is_more_than(share, tally.picks.counts.undecided(), tally.picks.counts.looked_at())
    }

    /// What the picks prove; `None` if they prove nothing.
    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Statement>;
}

/// All strategies.
pub static STRATEGIES: [&dyn Strategy; 4] = [&Random, &Coverage, &Size, &All];

/// The strategy of a draw.
pub fn of(draw: &plan::Draw) -> &'static dyn Strategy {
    if draw.sample == SampleSize::All {
        return &All;
    }
    named(draw.strategy).unwrap_or(&Random)
}

/// The strategy of this name.
pub fn named(name: &str) -> Option<&'static dyn Strategy> {
    STRATEGIES.into_iter().find(|strategy| strategy.name() == name)
}

/// Every file has the same chance to be drawn.
#[derive(Debug)]
struct Random;

impl Strategy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn summary(&self) -> Option<&'static str> {
        Some("every file has the same chance")
    }

    fn draw(&self, request: &Request<'_>) -> Begun {
        let draw = RandomDraw::new(SampleQuota::new(request.size, request.confidence));
        Begun { draw: Box::new(draw), notes: Vec::new() }
    }

    fn is_enough(&self, tally: &Tally) -> bool {
        is_enough(tally)
    }

    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Statement> {
        simple_random(tally, confidence)
    }
}

/// Half of the picks are those of [`Random`]. The others are the files that were judged longest
/// ago. They are not random, so they are counted beside the sample and are not in its bound.
#[derive(Debug)]
struct Coverage;

impl Strategy for Coverage {
    fn name(&self) -> &'static str {
        "coverage"
    }

    fn summary(&self) -> Option<&'static str> {
        Some("half at random, and half those that were verified longest ago, never verified ones first")
    }

    fn rotates(&self) -> bool {
        true
    }

    /// The next run begins with what was judged longest ago anyway.
    fn can_resume(&self) -> bool {
        false
    }

    fn draw(&self, request: &Request<'_>) -> Begun {
        let (draw, notes) = CoverageDraw::begin(request);
        Begun { draw: Box::new(draw), notes }
    }

    fn is_enough(&self, tally: &Tally) -> bool {
        let beside = tally.beside.unwrap_or_default();
        let judged = tally.picks.counts.looked_at() + tally.picks.beside.looked_at();
        // If the halves make up the whole, no file is left to replace those that cannot be
        // compared.
        let is_whole_asked = tally.wanted + beside.wanted >= tally.population.files;
        (is_whole_asked && judged >= tally.population.files.max(1)) || is_enough(tally)
    }

    /// The random half, as for any sample. In the other half, originals that were modified or
    /// deleted are to be expected, because files that were never judged are often young. What
    /// counts there are the files that could not be read or decided for other reasons: a full
    /// restore folder must not pass for a rotation.
    fn is_undecided(&self, tally: &Tally, share: f64) -> bool {
        let (counts, beside) = (&tally.picks.counts, &tally.picks.beside);
        let undecided = beside.unresolved() + beside.outside_of(super::verdict::Verdict::Unreadable);
        is_more_than(share, counts.undecided(), counts.looked_at())
            || is_more_than(share, undecided, beside.looked_at())
    }

    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Statement> {
        simple_random(tally, confidence)
    }
}

/// Every byte has the same chance to be drawn.
#[derive(Debug)]
struct Size;

impl Strategy for Size {
    fn name(&self) -> &'static str {
        "size"
    }

    fn summary(&self) -> Option<&'static str> {
        Some(
            "every byte has the same chance, so large files are chosen more often, and the statement is about bytes",
        )
    }

    fn needs(&self) -> Needs {
        Needs { size: true, mtime: false }
    }

    fn refuses(&self, size: SampleSize, confidence: f64) -> Option<(String, &'static str)> {
        size::refuses(size, confidence)
    }

    /// The bound needs to know what each file came to, in all sessions.
    fn can_resume(&self) -> bool {
        false
    }

    fn draw(&self, request: &Request<'_>) -> Begun {
        let draw = SizeDraw::new(request);
        Begun { draw: Box::new(draw), notes: Vec::new() }
    }

    fn is_enough(&self, tally: &Tally) -> bool {
        tally.arrivals.as_ref().is_some_and(|arrivals| {
            let counted = count(arrivals, tally);
            counted.is_everything || (counted.wanted > 0 && counted.comparable >= counted.wanted)
        })
    }

    /// Of the files, or of the bytes that were drawn: one large file is one pick, but it can be
    /// most of the backup.
    fn is_undecided(&self, tally: &Tally, share: f64) -> bool {
        let counts = &tally.picks.counts;
        let by_bytes = tally.arrivals.as_ref().is_some_and(|arrivals| {
            let counted = count(arrivals, tally);
            is_more_than(share, counted.outside + counted.unresolved, counted.comparable + counted.outside)
        });
        // A file without bytes is never drawn, and a copy that lost its content is such a file.
        let filled = tally.arrivals.as_ref().map_or(0, |arrivals| arrivals.filled);
        let files = tally.population.files;
        let is_empty = is_more_than(share, files.saturating_sub(filled), files);
        by_bytes || is_empty || is_more_than(share, counts.undecided(), counts.looked_at())
    }

    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Statement> {
        if !is_sample(tally) {
            return None;
        }
        let counted = count(tally.arrivals.as_ref()?, tally);
        ByteBound::of(tally.population.bytes?, &counted, confidence).map(Statement::Bytes)
    }
}

/// What the arrivals came to.
fn count(arrivals: &Arrivals, tally: &Tally) -> ArrivalCounts {
    arrivals.count(&tally.picks.answering, tally.drawn, tally.population.whole)
}

/// Every file is verified. A run that ends early has seen the beginning of the backup, which is not
/// a random sample. [`Tally::in_order`] records this, and there is no bound then.
#[derive(Debug)]
struct All;

impl Strategy for All {
    fn name(&self) -> &'static str {
        "all"
    }

    /// It is asked for as a sample of all files.
    fn summary(&self) -> Option<&'static str> {
        None
    }

    fn is_everything(&self) -> bool {
        true
    }

    /// Only a plan that contradicts itself asks for this. A random draw of all files is the same.
    fn draw(&self, request: &Request<'_>) -> Begun {
        Random.draw(request)
    }

    fn is_enough(&self, tally: &Tally) -> bool {
        is_enough(tally)
    }

    fn bound(&self, tally: &Tally, confidence: f64) -> Option<Statement> {
        simple_random(tally, confidence)
    }
}

/// Whether as many picks could be compared as were asked for. If every file was asked for, no file
/// is left to replace those that cannot be compared, so it is enough that all were judged.
fn is_enough(tally: &Tally) -> bool {
    let files = tally.population.files.max(1);
    let counts = &tally.picks.counts;
    let is_everything = tally.population.whole && counts.looked_at() >= files;
    if tally.wanted >= files { is_everything } else { counts.comparable() >= tally.wanted.max(1) }
}

/// Whether what was judged is a random sample.
///
/// A run over all files, or over an archive that is read front to back, has not seen a random
/// sample if it ends early: it has seen the beginning. Nor is anything proved about a population
/// that was not listed to its end.
fn is_sample(tally: &Tally) -> bool {
    let is_cut = tally.ended.is_some() && tally.drawn > tally.picks.counts.looked_at();
    let is_partial = tally.is_merged && tally.ended.is_some() && (is_cut || !is_enough(tally));
    tally.population.whole && !(tally.in_order && is_cut) && !is_partial
}

/// The bound of a simple random sample, if there is one.
///
/// Picks in progress when the run was ended count as comparable and bad, because the file that
/// keeps a disk busy may be the bad one.
fn simple_random(tally: &Tally, confidence: f64) -> Option<Statement> {
    if !is_sample(tally) {
        return None;
    }
    let cut_off = tally.cut_off();
    Assurance::of(tally.population.files, &tally.picks.counts, cut_off, confidence).map(Statement::Files)
}

/// Whether `part` is a larger share of `whole` than `share`.
#[expect(clippy::cast_precision_loss, reason = "counts of files are exact below 2^53")]
fn is_more_than(share: f64, part: u64, whole: u64) -> bool {
    part as f64 > share * whole as f64 + 1e-9
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::{DEFAULT_STRATEGY, Filters};

    #[test]
    fn strategies_have_names_of_their_own_and_the_default_is_one_of_them() {
        let names: BTreeSet<_> = STRATEGIES.iter().map(|strategy| strategy.name()).collect();
        assert_eq!(names.len(), STRATEGIES.len());
        assert!(named(DEFAULT_STRATEGY).is_some_and(|strategy| strategy.summary().is_some()));
        for strategy in STRATEGIES {
            assert_eq!(named(strategy.name()).map(Strategy::name), Some(strategy.name()));
        }
    }

    #[test]
    fn a_draw_of_all_files_is_all_of_them_and_every_other_is_what_its_name_says() {
        let of = |strategy, sample| {
            let (seed, filters) = (String::new(), Filters::default());
            of(&plan::Draw { strategy, sample, seed, seed_is_given: true, filters }).name()
        };
        for size in [SampleSize::Count(1), SampleSize::Share(0.5), SampleSize::Tolerance(0.01)] {
            for name in ["random", "coverage", "size"] {
                assert_eq!(of(name, size), name);
            }
        }
        assert_eq!(of("random", SampleSize::All), "all");
    }
}
