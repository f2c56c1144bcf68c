//! Lists of millions of items that never move.
//!
//! A `Vec` that grows needs room for its old and its new bytes at once, and then up to twice what
//! it contains. These lists grow by pieces of one size.

/// The bytes of a piece.
const PIECE: usize = 256 << 10;

/// A list that grows by pieces.
#[derive(Debug)]
pub(super) struct Pieces<T> {
    /// All are full except the last one.
    pieces: Vec<Vec<T>>,
}

impl<T> Pieces<T> {
    /// Items in a piece.
    const ITEMS: usize = PIECE / size_of::<T>();

    /// An empty list.
    pub fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < Self::ITEMS => last.push(item),
            _ => {
                let mut piece = Vec::with_capacity(Self::ITEMS);
                piece.push(item);
                self.pieces.push(piece);
            }
        }
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        let full = self.pieces.len().saturating_sub(1) * Self::ITEMS;
        full + self.pieces.last().map_or(0, Vec::len)
    }

    /// The item at `index`.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.pieces.get(index / Self::ITEMS)?.get(index % Self::ITEMS)
    }

    /// The item at `index`, to be changed.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.pieces.get_mut(index / Self::ITEMS)?.get_mut(index % Self::ITEMS)
    }

    /// All items, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// The index of the item whose key is `key`. The keys must ascend.
    pub fn find<K: Ord>(&self, key: &K, of: impl Fn(&T) -> K) -> Option<usize> {
        // The last piece that does not begin behind the key.
        let piece = self.pieces.partition_point(|piece| piece.first().is_some_and(|first| of(first) <= *key));
        let piece = piece.checked_sub(1)?;
        let at = self.pieces.get(piece)?.binary_search_by_key(key, of).ok()?;
        Some(piece * Self::ITEMS + at)
    }
}

/// Byte strings, one behind the other, each with a head of a fixed size.
#[derive(Debug)]
pub(super) struct Strings<const HEAD: usize> {
    /// Every piece holds whole strings.
    pieces: Vec<Vec<u8>>,
}

/// The number of bytes that the length of a string takes.
const LENGTH: usize = 2;

impl<const HEAD: usize> Strings<HEAD> {
    /// No strings.
    pub fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    /// Adds a string of at most 65,535 bytes, and returns its position. `None` if it is longer.
    pub fn push(&mut self, head: [u8; HEAD], string: &[u8]) -> Option<u64> {
        let length = u16::try_from(string.len()).ok()?;
        let needed = HEAD + LENGTH + string.len();
        if self.pieces.last().is_none_or(|last| last.len() + needed > PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let piece = self.pieces.len() - 1;
        let last = self.pieces.last_mut()?;
        let position = piece * PIECE + last.len();
        last.extend_from_slice(&head);
        last.extend_from_slice(&length.to_le_bytes());
        last.extend_from_slice(string);
        u64::try_from(position).ok()
    }

    /// The string at `position`.
    pub fn get(&self, position: u64) -> Option<([u8; HEAD], &[u8])> {
        let position = usize::try_from(position).ok()?;
        let (head, string, _) = Self::split(self.pieces.get(position / PIECE)?.get(position % PIECE..)?)?;
        Some((head, string))
    }

    /// All strings in their order: position, head, and the string itself.
    pub fn iter(&self) -> impl Iterator<Item = (u64, [u8; HEAD], &[u8])> {
        (0..).step_by(PIECE).zip(&self.pieces).flat_map(|(begin, piece)| {
            let mut rest = piece.as_slice();
            std::iter::from_fn(move || {
                let position = begin + (piece.len() - rest.len()) as u64;
                let (head, string, behind) = Self::split(rest)?;
                rest = behind;
                Some((position, head, string))
            })
        })
    }

    fn split(bytes: &[u8]) -> Option<([u8; HEAD], &[u8], &[u8])> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let (length, rest) = rest.split_first_chunk::<LENGTH>()?;
        let (string, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        Some((*head, string, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_by_index_and_by_key() {
        let mut list = Pieces::new();
        assert_eq!((list.len(), list.find(&0, |item: &u64| *item)), (0, None));
        let many = 3 * Pieces::<u64>::ITEMS as u64 + 5;
        (0..many).for_each(|number| list.push(2 * number));
        assert_eq!(list.len() as u64, many);
        assert!(list.iter().copied().eq((0..many).map(|number| 2 * number)));
        for index in (0..list.len()).step_by(997).chain([list.len() - 1]) {
            let item = *list.get(index).unwrap();
            assert_eq!((item, list.find(&item, |item| *item)), (2 * index as u64, Some(index)));
            assert_eq!(list.find(&(item + 1), |item| *item), None);
        }
        assert_eq!(list.get(list.len()), None);
    }

    #[test]
    fn strings_are_found_by_their_position() {
        let mut strings = Strings::<4>::new();
        let text = |number: u32| vec![b'x'; number as usize % 700];
        let positions: Vec<u64> =
            (0..3000).map(|number: u32| strings.push(number.to_le_bytes(), &text(number)).unwrap()).collect();
        for (number, position) in (0_u32..).zip(positions) {
            assert_eq!(strings.get(position).unwrap(), (number.to_le_bytes(), text(number).as_slice()));
        }
        for (number, (position, head, string)) in (0_u32..).zip(strings.iter()) {
            assert_eq!((u32::from_le_bytes(head), Some((head, string))), (number, strings.get(position)));
        }
        assert_eq!(strings.iter().count(), 3000);
        assert_eq!(strings.push([0; 4], &vec![0; 70_000]), None);
    }
}
