//! How much of a file that was to be read from the disk is still in Linux' page cache (`cachestat`,
//! since Linux 6.5).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use rustix::param::page_size;

use super::Cached;

/// The number is the same on every architecture that Linux supported when the call was added,
/// except Alpha.
const SYS_CACHESTAT: libc::c_long = 451;

const UNTRIED: u8 = 0;
const TELLS: u8 = 1;
const SILENT: u8 = 2;

/// Adds up how much of one tree's files stayed in the cache.
#[derive(Debug, Default)]
pub struct CacheTally {
    bytes: AtomicU64,
    of: AtomicU64,
    /// Whether this file system gives true answers. Some have a cache of their own (ZFS, overlays)
    /// and always say that nothing is cached.
    tells: AtomicU8,
}

impl CacheTally {
    /// Asks about a file that the system was told to drop from the cache and that this process has
    /// not read since.
    pub fn note(&self, file: &File) {
        if self.tells.load(Ordering::Relaxed) == SILENT {
            return;
        }
        let size = file.metadata().map_or(0, |found| found.len());
        match resident(file) {
            Err(_) => self.tells.store(SILENT, Ordering::Relaxed),
            Ok(0) => self.prove(file, size),
            Ok(bytes) => {
                self.tells.store(TELLS, Ordering::Relaxed);
                self.bytes.fetch_add(bytes.min(size), Ordering::Relaxed);
            }
        }
        self.of.fetch_add(size, Ordering::Relaxed);
    }

    /// Checks an answer of "nothing is cached": reads a byte and asks again. A file system that
    /// still says "nothing" cannot be believed.
    fn prove(&self, file: &File, size: u64) {
        if size == 0 || self.tells.load(Ordering::Relaxed) != UNTRIED {
            return;
        }
        // A file that cannot be read tells nothing about the next one.
        if super::read_at(file, &mut [0], 0).is_ok_and(|got| got == 1) {
            let tells = resident(file).is_ok_and(|bytes| bytes > 0);
            self.tells.store(if tells { TELLS } else { SILENT }, Ordering::Relaxed);
        }
    }

    /// The sum; `None` if nothing was asked.
    pub fn sum(&self) -> Option<Cached> {
        let (bytes, of) = (self.bytes.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed));
        let is_known = self.tells.load(Ordering::Relaxed) != SILENT;
        (of > 0 || !is_known).then_some(Cached { bytes, of, is_known })
    }
}

/// `struct cachestat_range` of the kernel's `mman.h`. A length of 0 means up to the end.
#[repr(C)]
struct Range {
    offset: u64,
    length: u64,
}

/// `struct cachestat` of the kernel's `mman.h`.
#[derive(Default)]
#[repr(C)]
struct Pages {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Bytes of a file that are in memory, in whole pages. Kernels before 6.5 do not have the call, and
/// some answer only the file's owner.
fn resident(file: &File) -> io::Result<u64> {
    let (range, mut pages) = (Range { offset: 0, length: 0 }, Pages::default());
    // SAFETY: the descriptor is open as long as `file` is borrowed. Both structures have the
    // kernel's layout and live until the call returns. The call reads the first, fills the second
    // with integers and retains neither. The flags must be 0.
    let done =
        unsafe { libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut pages, 0_u32) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pages.cached.saturating_mul(page_size() as u64))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::path::Path;

    use super::super::Tree;

    /// What a tree says about a file of 64 KiB that was opened to be read from the disk and then
    /// read; `None` if this kernel does not tell.
    fn sum(folder: &Path, cold: bool) -> Option<super::Cached> {
        let mut file = std::fs::File::create(folder.join("file")).unwrap();
        file.write_all(&[7; 65536]).unwrap();
        if super::resident(&file).is_err() {
            return None;
        }
        let tree = Tree::open(folder, cold).unwrap();
        tree.open_file(b"file", false).unwrap().read_to_end(&mut Vec::new()).unwrap();
        tree.cached()
    }

    #[test]
    fn what_a_disk_in_memory_keeps_is_no_cold_read_and_what_a_disk_forgets_is_one() {
        let shared = Path::new("/dev/shm");
        let in_memory = rustix::fs::statfs(shared).is_ok_and(|found| found.f_type == 0x0102_1994);
        if let Some(folder) = in_memory.then(|| tempfile::tempdir_in(shared).unwrap())
            && let Some(sum) = sum(folder.path(), true)
        {
            assert_eq!((sum.bytes, sum.of, sum.is_known), (65536, 65536, true));
        }
        let here = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        if let Some(sum) = sum(here.path(), true).filter(|sum| sum.is_known) {
            assert_eq!((sum.bytes, sum.of), (0, 65536));
        }
        assert_eq!(sum(here.path(), false), None, "nothing was to be read from the disk");
    }
}
