//! Disk images as backups.
mod guid;
mod specs;
mod windows_image_backup;
