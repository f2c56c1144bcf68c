//! Checks how arrivals are counted, and how many picks they need.

use proptest::prelude::*;

use super::*;
use crate::verify::tally::{PickTally, Tally};

fn path(number: usize) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// A sequence of arrivals in files of 10 bytes each.
fn arrivals(sequence: &[u32], wanted: u64) -> Arrivals {
    let files = 1 + *sequence.iter().max().unwrap();
    let file = |number: u32| ArrivedFile { key: PathKey::of(&path(number as usize)).halves(), size: 10 };
    Arrivals {
        wanted,
        sequence: sequence.to_vec(),
        files: (0..files).map(file).collect(),
        filled: u64::from(files) + 1,
    }
}

fn picks(picks: &[(usize, Verdict, bool)]) -> Vec<AnsweringPick> {
    let pick = |&(number, verdict, comparable): &(usize, Verdict, bool)| {
        AnsweringPick::new(&path(number), verdict, comparable)
    };
    picks.iter().map(pick).collect()
}

#[test]
fn a_file_answers_for_all_its_arrivals_and_one_that_cannot_be_compared_is_replaced() {
    let arrivals = arrivals(&[0, 1, 0, 2, 1, 3, 0, 3, 4], 4);
    let mut limit = ArrivalLimit::new(&arrivals);
    assert_eq!(limit.picks(), 3);
    limit.replace(&[PathKey::of(&path(1))]);
    assert_eq!(limit.picks(), 4);
    // Its later arrivals are replaced as well: those of file 0 and 3 come next.
    limit.replace(&[PathKey::of(&path(2)), PathKey::of(&path(1)), PathKey::of(b"another")]);
    assert_eq!(limit.picks(), 4);
    limit.replace(&[PathKey::of(&path(0))]);
    assert_eq!(limit.picks(), 5);

    let picks = [
        (0, Verdict::Verified, true),
        (1, Verdict::Changed, false),
        (2, Verdict::Corrupt, true),
        (3, Verdict::Verified, true),
    ];
    let counts = arrivals.count(&self::picks(&picks), 4, true);
    assert_eq!((counts.comparable, counts.bad, counts.outside, counts.unresolved), (4, 1, 2, 0));
    assert_eq!((counts.outside_bytes, counts.bad_bytes, counts.is_everything), (10, 10, false));
}

#[test]
fn what_was_being_verified_when_the_run_ended_counts_as_bad_and_what_was_not_begun_does_not_count() {
    let arrivals = arrivals(&[0, 1, 0, 2, 1, 3, 0, 3, 4], 9);
    // Files 0 to 2 were handed out, and 1 was not judged.
    let counts =
        arrivals.count(&picks(&[(0, Verdict::Verified, true), (2, Verdict::Verified, true)]), 3, true);
    assert_eq!((counts.comparable, counts.bad, counts.unresolved), (5, 0, 2));
}

proptest! {
    #[test]
    fn the_limit_is_the_shortest_beginning_with_enough_comparable_arrivals(
        numbers in proptest::collection::vec(0_u32..20, 1..200),
        wanted in 1_u64..50,
        outside in proptest::collection::vec(0_usize..20, 0..20),
    ) {
        // Files are numbered in the order of their first arrivals.
        let mut known = Vec::new();
        let mut sequence = Vec::new();
        for number in numbers {
            let at = known.iter().position(|&other| other == number).unwrap_or_else(|| {
                known.push(number);
                known.len() - 1
            });
            sequence.push(u32::try_from(at).unwrap());
        }
        let arrivals = arrivals(&sequence, wanted);
        let mut limit = ArrivalLimit::new(&arrivals);
        for (done, number) in outside.iter().enumerate() {
            limit.replace(&[PathKey::of(&path(*number))]);
            let (mut comparable, mut picks) = (0, 0);
            for &file in &sequence {
                if comparable == wanted {
                    break;
                }
                picks = picks.max(file as usize + 1);
                comparable += u64::from(!outside[..=done].contains(&(file as usize)));
            }
            prop_assert_eq!(limit.picks(), picks);
        }
    }
}

#[test]
fn arrivals_and_what_they_came_to_survive_json() {
    let arrivals = arrivals(&[0, 1, 0, 2], 4);
    let answering = picks(&[(0, Verdict::Verified, true)]);
    let picks = PickTally { answering, ..PickTally::default() };
    let tally = Tally { arrivals: Some(arrivals), picks, ..Tally::default() };
    let text = serde_json::to_string(&tally).unwrap();
    assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), tally);
}
