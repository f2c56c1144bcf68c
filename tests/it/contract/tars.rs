//! What only tar archives offer: checksums over the whole archive, and holes that take no space.

use std::io::Write;

#[cfg(unix)]
use bkverify::backup::Context;
use bkverify::backup::{Listing, Wanted};

use super::collect::{catalog, open, restore};
use super::fixtures;
use crate::pack;

/// The checksum that confirms an archive after it was listed to its end.
fn vouched_by(content: &[u8]) -> Option<&'static str> {
    let backup = open(fixtures::copy(content)).unwrap();
    assert_eq!(backup.vouched_by(), None, "nothing was read yet");
    assert!(matches!(catalog(&*backup).1, Listing::Whole));
    let vouched_by = backup.vouched_by();
    // A restore of every file also reads to the end.
    let fresh = open(fixtures::copy(content)).unwrap();
    restore(&*fresh, Wanted::Every(&|_| true));
    assert_eq!(fresh.vouched_by(), vouched_by);
    vouched_by
}

fn xz(content: &[u8], check: liblzma::stream::Check) -> Vec<u8> {
    let stream = liblzma::stream::Stream::new_easy_encoder(1, check).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8], has_checksum: bool) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(has_checksum).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_checksum_vouches_for_an_archive_if_it_covers_all_of_it_and_was_found_right() {
    use liblzma::stream::Check;
    let tar = pack::archive("tar", &pack::tree());
    assert_eq!(vouched_by(&tar), None);
    let by = |name: &str| Some(format!("the {name} checksum of the archive"));
    let vouched = |content: &[u8]| vouched_by(content).map(str::to_owned);
    assert_eq!(vouched(&pack::archive("tar.gz", &pack::tree())), by("gzip"));
    assert_eq!(vouched(&pack::archive("tar.bz2", &pack::tree())), by("bzip2"));
    for (check, is_one) in
        [(Check::Crc32, true), (Check::Crc64, true), (Check::Sha256, true), (Check::None, false)]
    {
        assert_eq!(vouched(&xz(&tar, check)), by("xz").filter(|_| is_one));
    }
    assert_eq!(vouched(&zstd(&tar, true)), by("zstd"));
    assert_eq!(vouched(&zstd(&tar, false)), None);
    let (one, other) = tar.split_at(5000);
    for (first, second) in [(true, true), (true, false), (false, true)] {
        let frames = [zstd(one, first), zstd(other, second)].concat();
        assert_eq!(vouched(&frames), by("zstd").filter(|_| first && second));
        let check = |is_one| if is_one { Check::Crc64 } else { Check::None };
        let streams = [xz(one, check(first)), xz(other, check(second))].concat();
        assert_eq!(vouched(&streams), by("xz").filter(|_| first && second));
    }
}

#[test]
fn nothing_vouches_for_an_archive_that_could_not_be_read_to_its_end() {
    for format in ["tar.gz", "tar.bz2", "tar.xz", "tar.zst"] {
        let members = [pack::tree(), vec![pack::Member::new("large", pack::noise(400_000, 1))]].concat();
        let content = match format {
            "tar.zst" => zstd(&pack::archive("tar", &members), true),
            _ => pack::archive(format, &members),
        };
        let mut changed = content.clone();
        // In the checksum at the end, or close to it.
        let path = content.len() - if format == "tar.xz" { 40 } else { 3 };
        changed[path] ^= 1;
        for bad in [&content[..content.len() - 1], &changed] {
            let backup = open(fixtures::copy(bad)).unwrap();
            assert!(matches!(catalog(&*backup).1, Listing::Damaged(_)), "{format}");
            assert_eq!(backup.vouched_by(), None, "{format}");
        }
    }
}

/// A sparse file of 4 TiB needs space only for its data. An example is `lastlog` on a machine with
/// large user numbers.
#[cfg(target_os = "linux")]
#[test]
fn a_sparse_file_larger_than_the_disk_is_restored() {
    use std::os::unix::fs::MetadataExt;
    struct Sizes(Vec<(u64, u64)>);
    impl bkverify::backup::RestoreSink for Sizes {
        fn deliver(
            &mut self,
            _: bkverify::backup::Entry<'_>,
            outcome: Result<bkverify::backup::Restored, bkverify::backup::RestoreError>,
        ) -> std::ops::ControlFlow<()> {
            let found = outcome.unwrap().file().metadata().unwrap();
            self.0.push((found.len(), found.blocks() * 512));
            std::ops::ControlFlow::Continue(())
        }

        fn lost(&mut self, damage: bkverify::backup::Damage) {
            panic!("{damage}");
        }
    }
    const SIZE: u64 = 1 << 42;
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("lastlog")).unwrap();
    file.set_len(SIZE).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"login", SIZE / 2).unwrap();
    std::fs::hard_link(folder.path().join("lastlog"), folder.path().join("another")).unwrap();
    let archive = tempfile::tempdir().unwrap();
    for format in ["gnu", "posix"] {
        let path = archive.path().join(format);
        let mut tar = std::process::Command::new("tar");
        tar.arg("-S").arg(format!("--format={format}")).arg("-cf").arg(&path).arg("-C").arg(folder.path());
        assert!(tar.arg(".").status().unwrap().success());
        for path in [&path, folder.path()] {
            let backup = open(path).unwrap();
            let (picks, _) = catalog(&*backup);
            let target = tempfile::tempdir().unwrap();
            let scratch = super::scratch(&target, &bkverify::cancel::CancelToken::new());
            let mut sizes = Sizes(Vec::new());
            backup.restore(Wanted::These(&picks), &scratch, &Context::default(), &mut sizes).unwrap();
            assert_eq!(sizes.0.len(), 2);
            assert!(sizes.0.iter().all(|&(size, blocks)| size == SIZE && blocks < 1 << 20), "{:?}", sizes.0);
        }
    }
}
