//! Recognising tar archives, plain or compressed, and opening them.

use std::io::BufReader;

use super::{Tar, is_header};
use crate::backup::compression::{Compression, NEEDS_MEMORY, is_out_of_memory};
use crate::backup::format::{BackupCandidate, Format};
use crate::backup::{Backup, Context, Description, Error, Location, zip};
use crate::bytes::{FileBytes, ReadAt, SequentialReader, is_all_zero};
use crate::platform::{self, Stat};

/// The name of all these formats in a sentence.
const KIND: &str = "a tar archive";

/// Compressed by gzip.
pub const GZIP: Format = Format {
    name: "tar.gz",
    kind: KIND,
    summary: "tar compressed by gzip or pigz",
    schemes: &[],
    recognise: |candidate| is_compressed_by(candidate, Compression::Gzip),
    open: |candidate, _| open_compressed(candidate, Compression::Gzip),
    snapshots: None,
    has_volumes: false,
};

/// Compressed by bzip2.
pub const BZIP2: Format = Format {
    name: "tar.bz2",
    kind: KIND,
    summary: "tar compressed by bzip2",
    schemes: &[],
    recognise: |candidate| is_compressed_by(candidate, Compression::Bzip2),
    open: |candidate, _| open_compressed(candidate, Compression::Bzip2),
    snapshots: None,
    has_volumes: false,
};

/// Compressed by xz.
pub const XZ: Format = Format {
    name: "tar.xz",
    kind: KIND,
    summary: "tar compressed by xz",
    schemes: &[],
    recognise: |candidate| is_compressed_by(candidate, Compression::Xz),
    open: |candidate, _| open_compressed(candidate, Compression::Xz),
    snapshots: None,
    has_volumes: false,
};

/// Compressed by zstd.
pub const ZSTD: Format = Format {
    name: "tar.zst",
    kind: KIND,
    summary: "tar compressed by zstd",
    schemes: &[],
    recognise: |candidate| is_compressed_by(candidate, Compression::Zstd),
    open: |candidate, _| open_compressed(candidate, Compression::Zstd),
    snapshots: None,
    has_volumes: false,
};

/// Not compressed.
pub const PLAIN: Format = Format {
    name: "tar",
    kind: KIND,
    summary: "tar: v7, ustar, GNU and pax, sparse files and hard links included, names of any bytes",
    schemes: &[],
    recognise: is_plain,
    open: open_plain,
    snapshots: None,
    has_volumes: false,
};

fn name(compression: Option<Compression>) -> &'static str {
    match compression {
        None => PLAIN.name,
        Some(Compression::Gzip) => GZIP.name,
        Some(Compression::Bzip2) => BZIP2.name,
        Some(Compression::Xz) => XZ.name,
        Some(Compression::Zstd) => ZSTD.name,
    }
}

/// One second. Only pax headers have finer times.
const TIME_RESOLUTION_NS: u64 = 1_000_000_000;

fn open(
    candidate: &BackupCandidate<'_>,
    (bytes, stat): (Box<FileBytes>, Stat),
    compression: Option<Compression>,
) -> Box<dyn Backup> {
    let of = (candidate.location(), &stat, candidate.first());
    let description = Description::of_archive(name(compression), of, TIME_RESOLUTION_NS);
    Box::new(Tar::new(description, bytes, compression))
}

/// An archive that consists only of empty blocks is accepted up to this size in bytes. GNU tar
/// writes 10,240.
const EMPTY_TAR_MAX: u64 = 1 << 20;

fn is_plain(candidate: &BackupCandidate<'_>) -> bool {
    let (Some(block), Some((_, stat))) = (candidate.first_block(), candidate.file()) else {
        return false;
    };
    let may_be_empty = (1024..=EMPTY_TAR_MAX).contains(&stat.size) && stat.size % 512 == 0;
    is_header(block) || (may_be_empty && candidate.bytes().is_ok_and(|(bytes, _)| is_all_zero(&*bytes, 0)))
}

fn open_plain(candidate: &BackupCandidate<'_>, _: &Context) -> Result<Box<dyn Backup>, Error> {
    let (bytes, stat) = candidate.bytes()?;
    if zip::is_end(&*bytes) {
        let problem =
            "it begins as a tar archive and ends as a zip archive: two archives were joined; split them, \
            and verify each"
                .to_owned();
        return Err(Error::NotABackup { location: candidate.location().clone(), problem });
    }
    Ok(open(candidate, (bytes, stat), None))
}

fn is_compressed_by(candidate: &BackupCandidate<'_>, compression: Compression) -> bool {
    candidate.file().is_some() && Compression::recognise(candidate.first()) == Some(compression)
}

fn open_compressed(
    candidate: &BackupCandidate<'_>,
    compression: Compression,
) -> Result<Box<dyn Backup>, Error> {
    let (bytes, stat) = candidate.bytes()?;
    check_holds_tar(candidate.location(), &*bytes, compression)?;
    Ok(open(candidate, (bytes, stat), Some(compression)))
}

/// Decompresses the first block. An error unless a tar archive begins there, even one without
/// members.
fn check_holds_tar(location: &Location, bytes: &dyn ReadAt, compression: Compression) -> Result<(), Error> {
    let name = compression.name();
    let mut first = [0; 1024];
    let compressed = BufReader::new(SequentialReader::new(bytes));
    let read = compression.decoder(compressed).and_then(|mut decoder| {
        platform::read_full(&mut decoder, &mut first[..512]).and_then(|got| {
            // Two empty blocks tell an empty archive from chance. After a header, the second block
            // is not read: it may be behind damage, which the listing reports.
            Ok(got
                + if got == 512 && first[..512] == [0; 512] {
                    platform::read_full(&mut decoder, &mut first[512..])?
                } else {
                    0
                })
        })
    });
    let not_a_backup = |problem| Err(Error::NotABackup { location: location.clone(), problem });
    match read {
        Ok(0) => {
            not_a_backup(format!("it is {name}-compressed, but it is empty: check the job that makes it"))
        }
        Ok(1024) if first == [0; 1024] => Ok(()),
        Ok(512) if first.first_chunk().is_some_and(is_header) => Ok(()),
        Ok(_) => not_a_backup(format!(
            "it is a single {name}-compressed file, not a tar archive; decompress it into a folder, and verify that folder"
        )),
        Err(error) if is_out_of_memory(&error) => not_a_backup(NEEDS_MEMORY.to_owned()),
        Err(error) => Err(Error::Damaged {
            location: location.clone(),
            format: name,
            problem: format!(
                "not even its first bytes can be decompressed ({error}); copy it again from where it was made"
            ),
        }),
    }
}
