//! The XML files beside the images of a Windows image backup.
#![no_main]

// The reader is private to the program, so its file is compiled into this target.
#[path = "../../../src/backup/image/specs.rs"]
#[allow(dead_code)]
mod specs;

// The reader calls this `crate::image`.
use bkverify::image;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut letters = specs::Letters::new();
    let _ = specs::read(input, &mut letters);
    assert!(letters.values().all(|letter| letter.is_ascii_uppercase()), "{letters:?}");
});
