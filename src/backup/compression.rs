//! Compressed streams, recognised by their first bytes.
