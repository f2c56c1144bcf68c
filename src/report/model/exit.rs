//! The exit code in a report: a number and a word, which must agree.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::exit::ExitCode;

#[derive(Serialize, Deserialize)]
struct Both {
    exit_code: u8,
    result: String,
}

pub(super) fn serialize<S: Serializer>(code: &ExitCode, out: S) -> Result<S::Ok, S::Error> {
    Both { exit_code: *code as u8, result: code.word().to_owned() }.serialize(out)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<ExitCode, D::Error> {
    let Both { exit_code, result } = Both::deserialize(input)?;
    let known = ExitCode::ALL.into_iter().find(|code| *code as u8 == exit_code && code.word() == result);
    known.ok_or_else(|| D::Error::custom(format!("exit code {exit_code} does not mean \"{result}\"")))
}
