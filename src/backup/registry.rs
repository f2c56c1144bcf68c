//! All formats.
use super::{Backup, Error, Folder};
use std::path::Path;
/// Opens.
pub fn open(place: &Path, cold: bool) -> Result<Box<dyn Backup>, Error> {
    Ok(Box::new(Folder::open(place, cold)?))
}
