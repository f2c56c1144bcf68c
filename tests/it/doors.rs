//! Worked proofs that the doors are wide enough for what comes: each adds something of another kind,
//! in a file of its own, by way of what the program has already.

mod observer;
mod renderer;
