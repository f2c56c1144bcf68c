//! The one integration binary: a module a subject.

#[cfg(windows)]
mod windows;
mod windows_lists;
