//! The least that verifying files by restoring them can cost: one thread that opens, reads, writes,
//! hashes and unlinks, and does nothing else. It draws no sample, gives no verdict, does not care
//! whether an original has changed, shows no progress, and would leave its files behind if it were
//! killed.
//!
//!     cargo bench --bench floor -- BACKUP ORIGINAL SCRATCH
//!
//! `peers.sh` measures its processor time beside bkverify's.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use bkverify::platform;
use walkdir::WalkDir;

fn main() -> io::Result<()> {
    let places: Vec<_> = std::env::args_os().skip(1).filter(|argument| argument != "--bench").collect();
    let [backup, original, scratch] = places.as_slice() else {
        // Run by `cargo bench` without data, so there is nothing to measure.
        println!("floor: name a backup, its original and a scratch folder to measure");
        return Ok(());
    };
    let (backup, original) = (Path::new(backup), Path::new(original));
    let restored = Path::new(scratch).join("floor");
    let mut buffer = vec![0; 64 << 20];
    let mut files = 0_u64;
    for entry in WalkDir::new(backup) {
        let entry = entry?;
        if !entry.file_type().is_file() {
            continue;
        }
        let below = entry.path().strip_prefix(backup).map_err(io::Error::other)?;
        let mut copy = File::options().read(true).write(true).create_new(true).open(&restored)?;
        copy.write_all(read(&File::open(entry.path())?, &mut buffer)?)?;
        let one = blake3::hash(read(&copy, &mut buffer)?);
        let other = blake3::hash(read(&File::open(original.join(below))?, &mut buffer)?);
        fs::remove_file(&restored)?;
        if one != other {
            return Err(io::Error::other(format!("{} differs", below.display())));
        }
        files += 1;
    }
    println!("{files} files are the same");
    Ok(())
}

/// The content of a small file, by one call: a read that does not fill the buffer has reached the
/// end.
fn read<'a>(file: &File, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let got = platform::read_at(file, buffer, 0)?;
    if got == buffer.len() {
        return Err(io::Error::other("a file is too large for this loop"));
    }
    Ok(&buffer[..got])
}
