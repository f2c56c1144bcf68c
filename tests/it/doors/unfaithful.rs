//! Formats that break their contract, as a foreign program may: what they leave out never passes.

use bkverify::backup::{
    Backup, CatalogSink, Context, Description, Entry, EntryBatch, Error, Listing, Needs, Reach, RestoreSink,
    Scratch, Wanted,
};
use bkverify::exit::ExitCode;
use bkverify::plan::SampleSize;
use bkverify::verify::outcome::Outcome;

use super::{CONTENT, described, names, verified, world};

const FILES: usize = 300;

/// A backup that lists all files, and restores fewer without a word.
struct Unfaithful {
    description: Description,
    reach: Reach,
    /// Restores no more than this many.
    most: usize,
    /// Restores no name that ends in this.
    never: Option<u8>,
}

impl Backup for Unfaithful {
    fn description(&self) -> &Description {
        &self.description
    }

    fn reach(&self) -> Reach {
        self.reach
    }

    fn catalog(&self, _: Needs, _: &Context, sink: &dyn CatalogSink) -> Result<Listing, Error> {
        let all: EntryBatch = names(FILES).iter().map(|name| Entry::named(name)).collect();
        Ok(if sink.take(&all).is_break() { Listing::Stopped } else { Listing::Whole })
    }

    fn restore(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        _: &Context,
        sink: &mut dyn RestoreSink,
    ) -> Result<(), Error> {
        let all = names(FILES);
        let entries: Vec<Entry<'_>> = match &wanted {
            Wanted::These(batch) => batch.iter().collect(),
            Wanted::Every(test) => {
                all.iter().map(|name| Entry::named(name)).filter(|one| test(one)).collect()
            }
        };
        let given = entries.into_iter().filter(|entry| entry.path.last() != self.never.as_ref());
        for entry in given.take(self.most) {
            let restored = scratch.restore(&mut &CONTENT[..], None, &mut Vec::new());
            if sink.deliver(entry, restored).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn outcome(sample: SampleSize, reach: Reach, most: usize, never: Option<u8>) -> Outcome {
    let backup = Unfaithful { description: described("unfaithful"), reach, most, never };
    verified(&world(FILES), &backup, sample, 2)
}

#[test]
fn files_that_a_format_never_delivers_are_damage_however_it_is_read() {
    for reach in [Reach::ORDERED, Reach::RANDOM] {
        for sample in [SampleSize::All, SampleSize::Count(100), SampleSize::Tolerance(0.05)] {
            assert_eq!(outcome(sample, reach, FILES, None).exit_code(), ExitCode::Pass);
            let found = outcome(sample, reach, FILES, Some(b'7'));
            assert_eq!(found.exit_code(), ExitCode::IntegrityFailure, "{sample:?} {reach:?}");
            assert!(!found.damage.is_empty());
        }
    }
}

#[test]
fn a_pass_that_ends_early_without_a_word_is_no_pass_of_the_front() {
    for sample in [SampleSize::All, SampleSize::Count(100)] {
        let found = outcome(sample, Reach::ORDERED, 10, None);
        assert_eq!(found.exit_code(), ExitCode::IntegrityFailure, "{sample:?}");
        assert_eq!(found.population.files, FILES as u64);
    }
}
