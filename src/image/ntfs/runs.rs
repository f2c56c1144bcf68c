//! Run lists: which clusters of the volume hold which clusters of a value.
//!
//! In: the mapping pairs of an attribute. Out: [`Run`]s. The encoding is described in the
//! linux-ntfs documentation, concept "Data Runs": a byte with the lengths of two numbers, then the
//! number of clusters, then the signed distance from the run before. A run without a distance is
//! a hole. All sums are checked, and every cluster must be on the volume.

use super::attribute::NonResident;

/// The most runs of a value. Windows allows about 1.5 million, and about 6 million on volumes with
/// large records (Microsoft, "The four stages of NTFS file growth").
const MOST: usize = 8 << 20;

/// Clusters that lie one behind the other on the volume, or a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first cluster of the value that it holds.
    pub vcn: u64,
    /// The number of clusters, at least 1.
    pub length: u64,
    /// Where the first cluster is on the volume. `None`: a hole, which is read as zeros.
    pub lcn: Option<u64>,
}

impl Run {
    /// The cluster of the value that follows this run.
    pub fn end_vcn(&self) -> u64 {
        // The reader of run lists has checked this sum.
        self.vcn.saturating_add(self.length)
    }
}

/// The runs of a value, from its first cluster on without a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunList {
    /// Sorted; each begins where the one before ends.
    runs: Vec<Run>,
}

impl RunList {
    /// Appends the runs that one attribute describes. The volume has `clusters`. After an error,
    /// the list is unspecified.
    pub fn append(&mut self, part: &NonResident<'_>, clusters: u64) -> Result<(), RunError> {
        let end = self.end_vcn();
        if part.first_vcn != end {
            return Err(RunError::Gap { found: part.first_vcn, expected: end });
        }
        // One attribute has no more runs than its record has bytes.
        if self.runs.len() > MOST {
            return Err(RunError::TooMany);
        }
        decode(part.mapping, part.first_vcn, part.end_vcn, clusters, &mut self.runs)
    }

    /// The number of clusters that the list describes.
    pub fn end_vcn(&self) -> u64 {
        self.runs.last().map_or(0, Run::end_vcn)
    }

    /// The runs from the one that holds cluster `vcn` of the value on.
    pub fn from(&self, vcn: u64) -> &[Run] {
        let first = self.runs.partition_point(|run| run.end_vcn() <= vcn);
        self.runs.get(first..).unwrap_or_default()
    }

    /// All runs.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The first cluster of the volume that two runs claim, if there is one.
    pub fn overlap(&self) -> Option<u64> {
        let mut places: Vec<_> = self.runs.iter().filter_map(|run| Some((run.lcn?, run.length))).collect();
        places.sort_unstable();
        let pairs = places.iter().zip(places.iter().skip(1));
        let mut claimed_twice =
            pairs.filter(|((lcn, length), (next, _))| lcn.saturating_add(*length) > *next);
        claimed_twice.next().map(|(_, (next, _))| *next)
    }
}

/// Why a run list cannot be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The list ends in the middle of a run, or without its end marker.
    #[error("its run list is cut off")]
    Cut,
    /// A number that is longer than any number on a volume.
    #[error("its run list has a number of more than 8 bytes")]
    TooWide,
    /// A run of no clusters, or of more than can be counted.
    #[error("its run list has a run of an impossible length at cluster {0} of the value")]
    Length(u64),
    /// A run that is not on the volume.
    #[error("its run list leaves the volume at cluster {0} of the value")]
    OffVolume(u64),
    /// More runs than Windows allows.
    #[error("it has more than {MOST} runs, more than Windows allows")]
    TooMany,
    /// A part of the value is described by no attribute, or by two.
    #[error("its next part begins at cluster {found} of the value instead of {expected}")]
    Gap {
        /// Where the part begins.
        found: u64,
        /// Where the one before ends.
        expected: u64,
    },
    /// The list does not describe the clusters that the attribute states.
    #[error("its run list ends at cluster {found} of the value instead of {stated}")]
    End {
        /// Where the list ends.
        found: u64,
        /// Where the attribute says that it ends.
        stated: u64,
    },
}

/// Appends the runs of one attribute to `runs`. The attribute states that it describes the clusters
/// from `first_vcn` to `end_vcn` of a value, and the volume has `clusters`. A run that continues
/// the one before is joined with it.
pub fn decode(
    mapping: &[u8],
    first_vcn: u64,
    end_vcn: u64,
    clusters: u64,
    runs: &mut Vec<Run>,
) -> Result<(), RunError> {
    let mut rest = mapping;
    let mut vcn = first_vcn;
    let mut last_lcn = 0_i64;
    loop {
        let (sizes, after) = rest.split_first().ok_or(RunError::Cut)?;
        if *sizes == 0 {
            break;
        }
        let (length, after) = signed(after, sizes & 0x0F)?;
        let (distance, after) = signed(after, sizes >> 4)?;
        rest = after;
        let length = length.and_then(|length| u64::try_from(length).ok()).filter(|length| *length > 0);
        let length = length.ok_or(RunError::Length(vcn))?;
        let lcn = match distance {
            None => None,
            Some(distance) => {
                last_lcn = last_lcn.checked_add(distance).ok_or(RunError::OffVolume(vcn))?;
                let lcn = u64::try_from(last_lcn).map_err(|_| RunError::OffVolume(vcn))?;
                let fits = lcn.checked_add(length).is_some_and(|end| end <= clusters);
                if !fits {
                    return Err(RunError::OffVolume(vcn));
                }
                Some(lcn)
            }
        };
        push(runs, Run { vcn, length, lcn });
        vcn = vcn.checked_add(length).ok_or(RunError::Length(vcn))?;
        if vcn > end_vcn {
            return Err(RunError::End { found: vcn, stated: end_vcn });
        }
    }
    if vcn != end_vcn {
        return Err(RunError::End { found: vcn, stated: end_vcn });
    }
    Ok(())
}

/// Appends a run, or makes the last one longer if both lie one behind the other.
fn push(runs: &mut Vec<Run>, run: Run) {
    if let Some(last) = runs.last_mut()
        && last.end_vcn() == run.vcn
        && last.lcn.map(|lcn| lcn.saturating_add(last.length)) == run.lcn
    {
        last.length = last.length.saturating_add(run.length);
    } else {
        runs.push(run);
    }
}

/// A signed little-endian number of `size` bytes, and the bytes behind it. `None` if `size` is 0.
fn signed(bytes: &[u8], size: u8) -> Result<(Option<i64>, &[u8]), RunError> {
    let size = usize::from(size);
    if size == 0 {
        return Ok((None, bytes));
    }
    let (number, rest) = bytes.split_at_checked(size).ok_or(RunError::Cut)?;
    let is_negative = number.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = if is_negative { [0xFF; 8] } else { [0; 8] };
    // A header can ask for up to 15 bytes. No number on a volume has more than 8.
    whole.get_mut(..size).ok_or(RunError::TooWide)?.copy_from_slice(number);
    Ok((Some(i64::from_le_bytes(whole)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLUSTERS: u64 = 1 << 40;

    /// Writes runs as mapping pairs, with `wider` bytes more than each number needs.
    fn encode(runs: &[(u64, Option<u64>)], wider: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut last = 0_i64;
        for (length, lcn) in runs {
            let length = trimmed(i64::try_from(*length).unwrap(), wider);
            let distance = lcn.map_or_else(Vec::new, |lcn| {
                let lcn = i64::try_from(lcn).unwrap();
                trimmed(lcn - std::mem::replace(&mut last, lcn), wider)
            });
            out.push(u8::try_from(distance.len() << 4 | length.len()).unwrap());
            out.extend([length, distance].concat());
        }
        out.push(0);
        out
    }

    fn trimmed(number: i64, wider: usize) -> Vec<u8> {
        let bytes = number.to_le_bytes();
        let is_enough = |size: &usize| {
            let shift = 64 - 8 * size;
            number << shift >> shift == number
        };
        let size = (1..=8).find(is_enough).unwrap();
        bytes[..(size + wider).min(8)].to_vec()
    }

    fn decode_whole(mapping: &[u8], end_vcn: u64) -> Result<Vec<Run>, RunError> {
        let mut runs = Vec::new();
        decode(mapping, 0, end_vcn, CLUSTERS, &mut runs).map(|()| runs)
    }

    #[test]
    fn the_example_of_the_documentation_is_read() {
        // 0x30 clusters at 0x60, 0x10 more at 0x160, then 0x10 as a hole.
        let mapping = [0x21, 0x30, 0x60, 0x00, 0x21, 0x10, 0x00, 0x01, 0x01, 0x10, 0x00];
        let run = |vcn, length, lcn| Run { vcn, length, lcn };
        let expected = [run(0, 0x30, Some(0x60)), run(0x30, 0x10, Some(0x160)), run(0x40, 0x10, None)];
        assert_eq!(decode_whole(&mapping, 0x50).unwrap(), expected);
    }

    #[test]
    fn run_lists_that_cannot_be_are_refused() {
        let cases: [(&[u8], RunError); 10] = [
            (&[], RunError::Cut),
            (&[0x11, 5], RunError::Cut),
            (&[0x11, 5, 1], RunError::Cut),
            (&[0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], RunError::TooWide),
            (&[0x11, 0, 1, 0], RunError::Length(0)),
            (&[0x10, 1, 0], RunError::Length(0)),
            (&[0x11, 0xFB, 1, 0], RunError::Length(0)),
            (&[0x11, 5, 0xFF, 0], RunError::OffVolume(0)),
            (&[0x11, 5, 1, 0], RunError::End { found: 5, stated: 9 }),
            (&[0x11, 10, 1, 0], RunError::End { found: 10, stated: 9 }),
        ];
        for (mapping, error) in cases {
            assert_eq!(decode_whole(mapping, 9), Err(error), "{mapping:?}");
        }
        let far = encode(&[(5, Some(CLUSTERS - 4))], 0);
        assert_eq!(decode_whole(&far, 5), Err(RunError::OffVolume(0)));
        let last = encode(&[(4, Some(CLUSTERS - 4))], 0);
        assert!(decode_whole(&last, 4).is_ok());
    }

    #[test]
    fn a_cluster_that_two_runs_claim_is_found() {
        let part = |mapping: &[u8], end_vcn| {
            let mut list = RunList::default();
            let (first_vcn, allocated, size, initialized, compression_unit) = (0, 0, 0, 0, 0);
            let part =
                NonResident { first_vcn, end_vcn, allocated, size, initialized, compression_unit, mapping };
            list.append(&part, CLUSTERS).unwrap();
            list.overlap()
        };
        assert_eq!(part(&encode(&[(5, Some(100)), (5, Some(50)), (1, Some(105))], 0), 11), None);
        assert_eq!(part(&encode(&[(5, Some(100)), (5, None), (5, Some(96))], 0), 15), Some(100));
    }

    #[test]
    fn a_value_cannot_have_more_runs_than_windows_allows() {
        // Holes and clusters in turn, as many as fit into a large record.
        let mapping = [[0x01, 1, 0x11, 1, 2].repeat(800), vec![0]].concat();
        let mut list = RunList::default();
        let mut attributes: u64 = 0;
        let error = loop {
            let (first_vcn, end_vcn) = (1600 * attributes, 1600 * (attributes + 1));
            let (allocated, size, initialized, compression_unit) = (0, 0, 0, 0);
            let part = NonResident {
                first_vcn,
                end_vcn,
                allocated,
                size,
                initialized,
                compression_unit,
                mapping: &mapping,
            };
            match list.append(&part, CLUSTERS) {
                Ok(()) => attributes += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, RunError::TooMany);
        assert!(list.runs().len() < MOST + 1700, "{}", list.runs().len());
    }

    proptest! {
        #[test]
        fn run_lists_are_read_as_they_were_written(
            runs in proptest::collection::vec((1_u64..1 << 30, proptest::option::of(0_u64..1 << 39)), 0..50),
            wider in 0_usize..4,
        ) {
            let end = runs.iter().map(|(length, _)| length).sum();
            let decoded = decode_whole(&encode(&runs, wider), end).unwrap();
            let place = |runs: &[Run], vcn: u64| {
                let run = runs.iter().find(|run| vcn < run.end_vcn()).unwrap();
                run.lcn.map(|lcn| lcn + (vcn - run.vcn))
            };
            let mut vcn = 0;
            for (length, lcn) in runs {
                prop_assert_eq!(place(&decoded, vcn), lcn);
                prop_assert_eq!(place(&decoded, vcn + length - 1), lcn.map(|lcn| lcn + length - 1));
                vcn += length;
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            mapping in proptest::collection::vec(any::<u8>(), 0..100),
            first in any::<u64>(),
            end in any::<u64>(),
        ) {
            let _ = decode(&mapping, first, end, CLUSTERS, &mut Vec::new());
        }
    }
}
