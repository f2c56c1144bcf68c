//! Partition tables: nothing makes the reader panic, and what reaches beyond the disk is said.
#![no_main]

use bkverify::bytes::ReadAt;
use bkverify::image::partition::partitions;
use bkverify_fuzz::{Sparse, seal_gpt};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((options, mut disk)) = Sparse::parse(input) else { return };
    if options & 1 == 1 {
        seal_gpt(&mut disk, if options & 2 == 0 { 512 } else { 4096 });
    }
    for size in [None, Some(512), Some(4096)] {
        let Ok(found) = partitions(&disk, size) else { continue };
        let mut is_beyond = false;
        for partition in &found.partitions {
            let bytes = partition.bytes(&disk);
            assert!(bytes.len() <= partition.length);
            is_beyond |= bytes.len() < partition.length;
        }
        assert!(!is_beyond || !found.damage.is_empty(), "{found:?}");
    }
});
