//! What people ask of the ledger: one question a file. Each opens the ledger read-only
//! ([`Ledger::open_read_only`](super::Ledger::open_read_only)).
