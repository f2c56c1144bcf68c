//! The keys `before`, `after` and `hook-time-limit` of the configuration: programs that run before
//! and after a job. There are no flags for them: what runs as root stands in a file that root
//! wrote.

use std::time::Duration;

use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::error::Error;
use super::fields;
use super::layer::Layer;
use super::paths::Base;
use super::source::Source;
use super::values::Limit;
use super::written;
use crate::plan::{Hook, Hooks};

/// The keys that this file reads.
pub const KEYS: &[&str] = &[BEFORE, AFTER, TIME_LIMIT];
const BEFORE: &str = "before";
const AFTER: &str = "after";
const TIME_LIMIT: &str = "hook-time-limit";

/// What one layer of the configuration says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HookSettings {
    before: Option<Hook>,
    after: Option<Hook>,
    time_limit: Option<Duration>,
}

impl HookSettings {
    /// Reads these keys, each with its value.
    pub fn read<'a>(
        source: &Source<'a>,
        entries: Vec<(Spanned<DeString<'a>>, Spanned<DeValue<'a>>)>,
        base: Base<'_>,
    ) -> Result<Self, Error> {
        let mut found = Self::default();
        for (key, value) in entries {
            match key.get_ref().as_ref() {
                BEFORE => found.before = Some(fields::command_line(source, value, base)?),
                AFTER => found.after = Some(fields::command_line(source, value, base)?),
                _ => {
                    let span = value.span();
                    let limit: Result<Option<Limit>, _> = written::parsed(value.into_deserializer());
                    let limit = limit.map_err(|error| source.wrong_at(&span, &error))?;
                    found.time_limit = limit.map(|limit| limit.0);
                }
            }
        }
        Ok(found)
    }

    /// What a plan says.
    pub fn resolve(self) -> Hooks {
        let usual = Hooks::default();
        let time_limit = self.time_limit.unwrap_or(usual.time_limit);
        Hooks { before: self.before, after: self.after, time_limit }
    }
}

impl Layer for HookSettings {
    fn over(self, lower: Self) -> Self {
        Self {
            before: self.before.or(lower.before),
            after: self.after.or(lower.after),
            time_limit: self.time_limit.or(lower.time_limit),
        }
    }

    /// The paths were made absolute when they were read.
    fn locate(&mut self, _: Base<'_>) {}
}
