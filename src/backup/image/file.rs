//! The file of an image, and whether somebody is writing it.
//!
//! In: a path. Out: its bytes, and the answer whether the file has changed since it was opened. A
//! backup program works for hours, and what is read from its half-finished image would look like a
//! damaged backup. So such an image is refused:
//!
//! - Windows lets nobody read an image that is attached. Opening it fails with "in use".
//! - The size or the modification time changes between opening and reading.
//! - The image says itself that its writer has not finished (the log of a VHDX), and it was
//!   modified a short time ago. If that was long ago, the writer has crashed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::backup::path::path_text;
use crate::bytes::{FileBytes, ReadAt};
use crate::platform::{self, Kind, Stat, Timestamp};

/// What the user can do about an image that is being written.
pub(super) const WAIT: &str = "wait until the backup has finished, and run this again";

/// An image without the marks of a finished one counts as being written if it was modified within
/// this time.
const RECENTLY: Duration = Duration::from_secs(15 * 60);

/// An open image file.
#[derive(Debug)]
pub(super) struct ImageFile {
    path: PathBuf,
    file: File,
    stat: Stat,
}

impl ImageFile {
    /// Opens the file at `path` for reading; with `cold`, from the disk and not from memory.
    pub(super) fn open(path: &Path, cold: bool) -> io::Result<Self> {
        // A device or a pipe must not be opened: that could block, or do something.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Self::of(path, platform::open_to_read(path, cold)?)
    }

    /// The file that is open already.
    pub(super) fn of(path: &Path, file: File) -> io::Result<Self> {
        let stat = platform::stat(&file)?;
        if stat.kind != Kind::File {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Self { path: path.to_owned(), file, stat })
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> io::Result<Arc<dyn ReadAt>> {
        Ok(Arc::new(FileBytes::new(self.file.try_clone()?, self.stat.size)))
    }

    /// Its metadata when it was opened.
    pub(super) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the file, for messages.
    pub(super) fn name(&self) -> String {
        path_text(Path::new(self.path.file_name().unwrap_or(self.path.as_os_str())))
    }

    /// Whether somebody has written to it since it was opened. The text says so, and what to do.
    pub(super) fn changed(&self) -> Option<String> {
        self.compare(platform::stat(&self.file))
    }

    /// The same, with its metadata now.
    fn compare(&self, now: io::Result<Stat>) -> Option<String> {
        match now {
            Ok(now) if now.size == self.stat.size && now.mtime == self.stat.mtime => None,
            Ok(_) => Some(format!("{} was written to while it was read: {WAIT}", self.name())),
            Err(error) => Some(format!("{} is not there any more ({error}): run this again", self.name())),
        }
    }

    /// Whether it was modified so recently that whoever writes it may still be at work.
    pub(super) fn is_recent(&self) -> bool {
        is_recent(self.stat.mtime, SystemTime::now())
    }
}

/// Whether `modified` is within [`RECENTLY`] before `now`. A time in the future says nothing.
fn is_recent(modified: Timestamp, now: SystemTime) -> bool {
    let age = Timestamp::from(now).as_nanos() - modified.as_nanos();
    u128::try_from(age).is_ok_and(|age| age < RECENTLY.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_to_is_noticed() {
        let world = tempfile::tempdir().unwrap();
        let path = world.path().join("x.vhdx");
        std::fs::write(&path, "one").unwrap();
        let image = ImageFile::open(&path, false).unwrap();
        assert_eq!(image.changed(), None);
        std::fs::write(&path, "three").unwrap();
        let text = image.changed().unwrap();
        assert!(text.contains("x.vhdx") && text.contains("wait until"), "{text}");
    }

    /// A drive that was unplugged, or a share that is gone.
    #[test]
    fn a_file_whose_metadata_cannot_be_read_any_more_does_not_count_as_unchanged() {
        let world = tempfile::tempdir().unwrap();
        let path = world.path().join("x.vhdx");
        std::fs::write(&path, "one").unwrap();
        let image = ImageFile::open(&path, false).unwrap();
        let text = image.compare(Err(io::Error::other("unplugged"))).unwrap();
        assert!(text.contains("x.vhdx is not there any more (unplugged)"), "{text}");
    }

    #[test]
    fn only_a_time_shortly_before_now_is_recent() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000_000);
        let at = |seconds| Timestamp { seconds, nanos: 0 };
        assert!(is_recent(at(10_000_000), now) && is_recent(at(10_000_000 - 899), now));
        assert!(!is_recent(at(10_000_000 - 900), now) && !is_recent(at(10_000_001), now));
    }

    #[test]
    fn a_folder_is_no_image() {
        let world = tempfile::tempdir().unwrap();
        let error = ImageFile::open(world.path(), false).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}
