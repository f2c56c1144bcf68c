//! Memory for large tables that are read at random places.

use std::io;

use memmap2::MmapMut;

/// So many bytes of memory, all zero. Linux is asked to use large pages for it, where there are
/// any: then a table of some 60 MiB has few enough pages for the processor to know where all of them
/// are, and finding something in it takes a third of the time.
///
/// # Errors
/// If there is not so much memory.
pub fn memory(bytes: usize) -> io::Result<MmapMut> {
    let memory = MmapMut::map_anon(bytes)?;
    // A system without large pages refuses this, and small pages are as good, only slower.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    Ok(memory)
}
