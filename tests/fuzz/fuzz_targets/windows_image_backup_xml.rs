//! The XML files beside the images of a Windows image backup.
#![no_main]

// The reader is private to the program, so its file is compiled into this target.
#[path = "../../../src/backup/image/specs.rs"]
#[allow(dead_code)]
mod specs;

// The reader calls these `crate::image` and `crate::backup::path::escape`.
use bkverify::image;
mod backup {
    pub mod path {
        pub use bkverify::backup::escape;
    }
}

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut volumes = specs::NamedVolumes::new();
    let _ = specs::read(input, &mut volumes);
    let mut letters = volumes.values().filter_map(|volume| volume.letter);
    assert!(letters.all(|letter| letter.is_ascii_uppercase()), "{volumes:?}");
});
