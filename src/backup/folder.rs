//! A folder tree as a backup.
/// A folder.
#[derive(Debug)]
pub struct Folder;
