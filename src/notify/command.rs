//! Tells a program: the message as JSON on standard input, and the main facts in its environment.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::{Failure, Message};
use crate::cancel::CancelToken;
use crate::program::Call;

/// Starts the program and waits for its end.
pub(super) fn send(command: &[OsString], message: &Message, patience: Duration) -> Result<String, Failure> {
    let call = Call {
        environment: message.variables.iter().map(|(name, value)| (*name, value.into())).collect(),
        input: Some(message.json.clone().into_bytes()),
        leaves_others: true,
        ..Call::of(command.to_vec())
    };
    let output = call
        .run(Instant::now() + patience, &CancelToken::new())
        .map_err(|error| Failure::lasting(error.to_string()))?;
    if output.succeeded() {
        return Ok("it ended with exit code 0".to_owned());
    }
    Err(Failure::lasting(output.failure()))
}
