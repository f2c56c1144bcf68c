//! Volumes that were made to cost time and memory, and disks with bad places.

use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::index_parts::Parts;
use super::tests::{VOLUME, record, record_of};
use super::{join, list, scan::Scan};
use crate::bytes::ReadAt;
use crate::image::ntfs::attribute::NonResident;
use crate::image::ntfs::extents::Extents;
use crate::image::ntfs::runs::Run;
use crate::image::ntfs::{FileReference, Volume, attribute_list};

/// The volume on a disk with bad places. It counts what is read of it.
#[derive(Debug, Default)]
struct Disk {
    bad: Range<u64>,
    reads: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
}

impl ReadAt for Disk {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.bad.start < offset + buffer.len() as u64 && offset < self.bad.end {
            self.failures.fetch_add(1, Ordering::Relaxed);
            return Err(io::Error::other("a bad place"));
        }
        let got = VOLUME.read_at(buffer, offset)?;
        self.bytes.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }

    fn len(&self) -> u64 {
        VOLUME.len()
    }
}

impl Disk {
    fn with_bad(bad: Range<usize>) -> (Arc<Self>, Volume) {
        let place = |at| u64::try_from(at).unwrap();
        let disk = Arc::new(Self { bad: place(bad.start)..place(bad.end), ..Self::default() });
        let volume = Volume::open(disk.clone()).unwrap();
        disk.reads.store(0, Ordering::Relaxed);
        disk.bytes.store(0, Ordering::Relaxed);
        (disk, volume)
    }
}

#[test]
fn a_bad_place_costs_one_record_and_few_reads() {
    let bad = record_of("links/target");
    let (disk, volume) = Disk::with_bad(bad.start..bad.start + 512);
    let mut files = 0;
    let listing = list(&volume, &|| false, &mut |_| {
        files += 1;
        ControlFlow::Continue(())
    });
    let problems = listing.unwrap().problems;
    assert!(
        problems[0]
            .problem
            .ends_with(" cannot be read: a bad place; the file that it belongs to may be lost"),
        "{problems:?}"
    );
    assert_eq!(files, 254 - 41, "all but the names of that record");
    assert!(disk.failures.load(Ordering::Relaxed) <= 4, "{disk:?}");
    assert!(disk.reads.load(Ordering::Relaxed) < volume.record_count() / 2, "{disk:?}");
}

#[test]
fn a_scan_of_bad_places_can_be_cancelled() {
    let (disk, volume) = Disk::with_bad(record(100).start..VOLUME.as_slice().len());
    let is_cancelled = || disk.failures.load(Ordering::Relaxed) >= 3;
    let listing = list(&volume, &is_cancelled, &mut |_| panic!("no file is listed")).unwrap();
    assert!(listing.is_stopped);
    assert!(disk.failures.load(Ordering::Relaxed) <= 4, "{disk:?}");
}

/// The first 256 KiB of the volume as the only part of a value.
const PART: NonResident<'static> = NonResident {
    first_vcn: 0,
    end_vcn: 256,
    allocated: 256 << 10,
    size: 256 << 10,
    initialized: 256 << 10,
    compression_unit: 0,
    mapping: &[0x12, 0, 1, 1, 0],
};

#[test]
fn attribute_lists_that_share_their_clusters_are_not_all_read() {
    let (disk, volume) = Disk::with_bad(0..0);
    let mut scan = Scan::of(&volume, &|| false).unwrap();
    let mut extents = Extents::new(volume.bytes().clone(), volume.geometry());
    extents.append(&PART).unwrap();
    let file = |record| FileReference { record, sequence: 1 };
    let lists = |scan: &mut Scan| {
        scan.lists_elsewhere =
            (0..10_000).map(|at| (file(at), extents.clone(), attribute_list::MAX_SIZE)).collect();
    };
    lists(&mut scan);
    let before = disk.bytes.load(Ordering::Relaxed);
    assert!(join::join(&volume, &mut scan, &|| false).is_continue());
    let read = disk.bytes.load(Ordering::Relaxed) - before;
    assert!(read < 4 * volume.record_count() * 1024, "{read}");
    let (problems, _) = scan.findings.into_lines();
    assert!(problems.iter().any(|line| line.problem.contains("longer than the $MFT needs")), "{problems:?}");

    let mut scan = Scan::of(&volume, &|| false).unwrap();
    lists(&mut scan);
    let before = disk.bytes.load(Ordering::Relaxed);
    assert!(join::join(&volume, &mut scan, &|| true).is_break());
    assert_eq!(disk.bytes.load(Ordering::Relaxed), before);
}

#[test]
fn folders_that_share_a_bitmap_do_not_read_it_again_and_again() {
    let (disk, volume) = Disk::with_bad(0..0);
    let folders = || {
        let mut parts = Parts::new(&volume);
        let run = Run { vcn: 0, length: 2000, lcn: Some(1) };
        for folder in 30..10_030 {
            parts.extents(folder, &[run]);
            parts.bits_elsewhere(folder, &[run], &NonResident { initialized: 1 << 20, ..PART });
        }
        parts
    };
    let mut parts = folders();
    let end = parts.entries(&volume, 1000, &|| false, &mut |_, _| {});
    assert!(end.is_continue());
    assert!(disk.bytes.load(Ordering::Relaxed) <= VOLUME.len() / 4096, "{disk:?}");
    assert!(parts.all_broken().len() > 9990, "{disk:?}");

    let before = disk.bytes.load(Ordering::Relaxed);
    assert!(folders().entries(&volume, 1000, &|| true, &mut |_, _| {}).is_break());
    assert_eq!(disk.bytes.load(Ordering::Relaxed), before);
}
