//! NTFS: opens a volume, lists it, and reads every stream, with bounds on each.
#![no_main]

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use bkverify::image::ntfs::{AttributeKind, File, Volume, catalog};
use bkverify_fuzz::Sparse;
use libfuzzer_sys::fuzz_target;

/// A stream may have any size, because holes cost nothing. So only its beginning is read.
const MAX_STREAM: u64 = 1 << 20;
const MAX_TOTAL: u64 = 16 << 20;
const MAX_FILES: u64 = 500;

fuzz_target!(|input: &[u8]| {
    let Some((_, image)) = Sparse::parse(input) else { return };
    let Ok(volume) = Volume::open(Arc::new(image)) else { return };
    let _ = volume.state();
    let mut listed = Vec::new();
    let mut most = 10_000;
    let _ = catalog::list(&volume, &|| false, &mut |file| {
        assert!(!file.path.is_empty());
        listed.push(file.reference);
        most -= 1;
        if most == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let mut left = MAX_TOTAL;
    for number in 0..volume.record_count().min(MAX_FILES) {
        let mut buffer = Vec::new();
        let Ok(record) = volume.record(number, &mut buffer) else { continue };
        let attributes = record.attributes().flatten();
        let streams = attributes.filter(|attribute| attribute.kind == AttributeKind::DATA);
        let names: Vec<Vec<u16>> = streams.map(|stream| stream.name.units().collect()).take(50).collect();
        if let Ok(file) = volume.file(record.base().unwrap_or(record.reference())) {
            names.iter().for_each(|name| read(&file, name, &mut left));
        }
    }
    for reference in listed.into_iter().take(100) {
        if let Ok(file) = volume.file(reference) {
            read(&file, &[], &mut left);
        }
    }
});

fn read(file: &File, name: &[u16], left: &mut u64) {
    let _ = file.reparse_point();
    let _ = file.values(AttributeKind::FILE_NAME);
    if let Ok(Some(stream)) = file.stream(name) {
        let length = stream.len();
        let most = length.min(MAX_STREAM).min(*left);
        let mut content = Vec::new();
        if stream.reader().take(most).read_to_end(&mut content).is_ok() {
            // The end of the bytes without an error is the end of the stream.
            assert_eq!(content.len() as u64, most);
        }
        *left -= content.len() as u64;
    }
}
