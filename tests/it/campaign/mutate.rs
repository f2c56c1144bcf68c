//! Damage to a file of bytes: what disks, cables and interrupted copies do, and what people do by
//! mistake.
//!
//! In: intact bytes, the structures in them, random numbers. Out: damaged bytes, and a description
//! of the damage.

use std::ops::Range;

use super::dice::Dice;
use super::layout::Part;
use crate::pack;

/// The percentage of damage that is aimed at a structure. The rest falls anywhere.
const AIMED: usize = 75;

/// The kinds of damage, by name.
const KINDS: [&str; 19] = [
    "flip a bit",
    "flip a bit",
    "flip a bit",
    "flip a bit",
    "flip bits",
    "zero a range",
    "zero blocks",
    "zero all from here",
    "random bytes over a range",
    "random blocks",
    "cut off",
    "append zeros",
    "append random bytes",
    "append an archive",
    "prepend",
    "delete a block",
    "insert a block",
    "duplicate a block",
    "swap blocks",
];

/// The damage that was done.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Its kind, for the figures.
    pub kind: &'static str,
    /// A description with positions and lengths.
    pub told: String,
}

/// Damages `bytes` once, and in one trial out of ten twice.
pub fn mutate(bytes: &mut Vec<u8>, parts: &[Part], dice: &mut Dice) -> Vec<Damage> {
    let mut done = vec![once(bytes, parts, dice)];
    if dice.percent(10) {
        done.push(once(bytes, parts, dice));
    }
    done
}

fn once(bytes: &mut Vec<u8>, parts: &[Part], dice: &mut Dice) -> Damage {
    let kind = *dice.pick(&KINDS);
    let (what, start) = aim(bytes.len(), parts, dice);
    let told = match kind {
        "flip a bit" => flip(bytes, start, dice),
        "flip bits" => {
            let far = dice.percent(50);
            let flips: Vec<_> = (0..dice.within(&(2..9)))
                .map(|_| {
                    let at = if far { aim(bytes.len(), parts, dice).1 } else { start + dice.below(64) };
                    flip(bytes, at, dice)
                })
                .collect();
            flips.join("; ")
        }
        "zero a range" | "zero blocks" | "zero all from here" => {
            let range = range(bytes.len(), start, kind, dice);
            bytes[range.clone()].fill(0);
            format!("{range:?}")
        }
        "random bytes over a range" | "random blocks" => {
            let range = range(bytes.len(), start, kind, dice);
            let noise = dice.bytes(range.len());
            bytes[range.clone()].copy_from_slice(&noise);
            format!("{range:?}")
        }
        "cut off" => {
            bytes.truncate(start);
            format!("at {start}")
        }
        "append zeros" => {
            let sizes = [1, 100, 512, 1024, 5000, 10_240, 65_536, 1 << 20, 3 << 20];
            let count = *dice.pick(&sizes);
            bytes.resize(bytes.len() + count, 0);
            format!("{count}")
        }
        "append random bytes" | "append an archive" | "prepend" => add(bytes, kind, dice),
        _ => blocks(bytes, kind, start, dice),
    };
    Damage { kind, told: format!("{kind} in {what}: {told}") }
}

/// A position to damage, and the structure that is there. All kinds of structures are equally
/// likely, however many there are of each.
fn aim(length: usize, parts: &[Part], dice: &mut Dice) -> (&'static str, usize) {
    if parts.is_empty() || !dice.percent(AIMED) {
        return ("any place", dice.below(length));
    }
    let mut kinds: Vec<_> = parts.iter().map(|(what, _)| *what).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kind = *dice.pick(&kinds);
    let those: Vec<_> = parts.iter().filter(|(what, _)| *what == kind).collect();
    let (what, range) = *dice.pick(&those);
    let start = if dice.percent(35) { range.start } else { dice.within(range) };
    // The first damage may have made the file shorter.
    (what, start.min(length.saturating_sub(1)))
}

fn flip(bytes: &mut [u8], at: usize, dice: &mut Dice) -> String {
    let bit = dice.below(8);
    match bytes.get_mut(at) {
        Some(byte) => {
            *byte ^= 1 << bit;
            format!("bit {bit} of byte {at}")
        }
        None => "nothing".to_owned(),
    }
}

/// A range that begins at `start`. It consists of whole blocks if the kind requires it.
fn range(length: usize, start: usize, kind: &str, dice: &mut Dice) -> Range<usize> {
    let (start, size) = match kind {
        "zero all from here" => (if dice.percent(50) { start / 512 * 512 } else { start }, length),
        _ if kind.ends_with("blocks") => (start / 512 * 512, 512 * *dice.pick(&[1, 1, 2, 3, 8, 20])),
        _ => (start, *dice.pick(&[1, 2, 4, 16, 100, 500, 3000])),
    };
    start..(start + size).min(length)
}

/// Adds something before or after the content.
fn add(bytes: &mut Vec<u8>, kind: &str, dice: &mut Dice) -> String {
    let (told, more) = match (kind, dice.below(3)) {
        ("append an archive", 0) => ("itself once more".to_owned(), bytes.clone()),
        ("append an archive", _) | ("prepend", 0) => {
            let format = *dice.pick(&pack::FORMATS[1..]);
            (format!("another {format}"), pack::archive(format, &pack::tree()))
        }
        ("prepend", 1) => ("zeros".to_owned(), vec![0; *dice.pick(&[1, 512, 10_240])]),
        _ => ("random bytes".to_owned(), {
            let length = *dice.pick(&[1, 100, 512, 5000, 500_000]);
            dice.bytes(length)
        }),
    };
    let told = format!("{told}, {} bytes", more.len());
    match kind {
        "prepend" => bytes.splice(0..0, more).for_each(drop),
        _ => bytes.extend(more),
    }
    told
}

/// Removes blocks, inserts blocks, or exchanges two.
fn blocks(bytes: &mut Vec<u8>, kind: &str, start: usize, dice: &mut Dice) -> String {
    let size = *dice.pick(&[512, 512, 1024, 4096]);
    let start = if dice.percent(80) { start / 512 * 512 } else { start };
    let block = start..(start + size).min(bytes.len());
    match kind {
        "delete a block" => {
            bytes.drain(block.clone());
            format!("{block:?}")
        }
        "insert a block" => {
            let (what, more) = match dice.below(2) {
                0 => ("zeros", vec![0; size]),
                _ => ("random bytes", dice.bytes(size)),
            };
            bytes.splice(start..start, more);
            format!("{size} bytes of {what} at {start}")
        }
        "duplicate a block" => {
            let copy = bytes[block.clone()].to_vec();
            bytes.splice(start..start, copy);
            format!("{block:?}")
        }
        _ => {
            let last = bytes.len() / size;
            let (one, other) = (start / size, dice.below(last));
            if one != other && one < last {
                let (low, high) = (one.min(other) * size, one.max(other) * size);
                let (head, tail) = bytes.split_at_mut(high);
                head[low..low + size].swap_with_slice(&mut tail[..size]);
            }
            format!("{one} and {other} of {size} bytes")
        }
    }
}
