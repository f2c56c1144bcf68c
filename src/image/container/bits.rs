//! Bitmaps of sectors: which of two places a sector is in.

/// Which bit of a byte stands for the first of its eight sectors.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// The most significant one, as in VHD.
    HighFirst,
    /// The least significant one, as in VHDX.
    LowFirst,
}

/// The value of bit `first`, and how many bits from there on have the same value: at least one, and
/// at most `most`. `None` if the bitmap ends before `first`.
pub(super) fn run(bitmap: &[u8], first: usize, most: u64, order: Order) -> Option<(bool, u64)> {
    let rest = bitmap.get(first / 8..)?;
    let low_first = |byte: u8| match order {
        Order::HighFirst => byte.reverse_bits(),
        Order::LowFirst => byte,
    };
    let value = low_first(*rest.first()?) >> (first % 8) & 1 == 1;
    let mut skipped = u32::try_from(first % 8).ok()?;
    let mut length = 0;
    for &byte in rest {
        // Where the value differs, a bit is now set.
        let differs = if value { !low_first(byte) } else { low_first(byte) } >> skipped;
        let left = 8 - skipped;
        let same = differs.trailing_zeros().min(left);
        length += u64::from(same);
        if same < left || length >= most {
            break;
        }
        skipped = 0;
    }
    Some((value, length.min(most).max(1)))
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit(bitmap: &[u8], at: usize, order: Order) -> bool {
        match order {
            Order::HighFirst => bitmap[at / 8] & (0x80 >> (at % 8)) != 0,
            Order::LowFirst => bitmap[at / 8] & (1 << (at % 8)) != 0,
        }
    }

    #[test]
    fn a_run_ends_where_the_value_changes() {
        assert_eq!(run(&[0b1110_0000], 0, 100, Order::HighFirst), Some((true, 3)));
        assert_eq!(run(&[0b1110_0000], 0, 100, Order::LowFirst), Some((false, 5)));
        assert_eq!(run(&[0xff, 0xff, 0x7f], 4, 100, Order::HighFirst), Some((true, 12)));
        assert_eq!(run(&[0xff], 8, 1, Order::LowFirst), None);
    }

    proptest! {
        #[test]
        fn a_run_is_what_looking_at_each_bit_finds(
            bitmap in prop::collection::vec(prop::sample::select(vec![0u8, 0xff, 0xf0, 0x01, 0x80, 0x5a]), 1..40),
            at in 0usize..300,
            most in 1u64..400,
            high in any::<bool>(),
        ) {
            let order = if high { Order::HighFirst } else { Order::LowFirst };
            let end = bitmap.len() * 8;
            let expected = (at < end).then(|| {
                let value = bit(&bitmap, at, order);
                let length = (at..end).take_while(|&each| bit(&bitmap, each, order) == value).count() as u64;
                (value, length.min(most))
            });
            prop_assert_eq!(run(&bitmap, at, most, order), expected);
        }
    }
}
