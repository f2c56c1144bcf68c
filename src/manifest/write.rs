//! Writes a manifest of originals.
