//! recognise.
