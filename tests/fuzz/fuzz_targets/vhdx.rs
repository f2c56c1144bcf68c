//! VHDX, with its log: nothing makes the reader panic, or keeps it busy for long.
#![no_main]

use bkverify_fuzz::{Sparse, read_disk, seal_vhdx};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((options, mut file)) = Sparse::parse(input) else { return };
    if options & 1 == 1 {
        seal_vhdx(&mut file);
    }
    read_disk(file);
});
