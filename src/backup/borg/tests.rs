//! Parsers of what borg prints, on what borg has printed (`fixtures/borg`).
