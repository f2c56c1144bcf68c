//! tar.
