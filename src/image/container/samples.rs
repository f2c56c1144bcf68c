//! Images that real programs made.
#[cfg(test)]
mod placeholder {}
