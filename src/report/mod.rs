//! Reports: a run for people, for programs and for test dashboards.
//!
//! In: the [`Plan`], and how the run ended. Out: the terminal summary, and the files that the plan
//! names. Both are made of one [`Model`], which is made once and holds everything that any of them
//! says, whether the run ended in an outcome or in an error.
//!
//! A renderer is a pure function from the model to bytes. It reads no plan, no clock and no file;
//! it judges nothing (what a run proves stands in the model); and it renders an error as it does an
//! outcome. A report never holds a secret, names never reach a terminal unescaped, and a report
//! file is either the old one or the whole new one.
//!
//! A new report is a file here and a line of [`RENDERERS`]: its flag, its key in the configuration,
//! its line of `bkverify plan` and `bkverify init` and the checks of where it is written follow.

mod completeness;
mod json;
mod junit;
mod make;
pub mod model;
#[cfg(test)]
pub(crate) mod samples;
mod statement;
pub mod terminal;
mod write;

pub use make::Failure;
pub use model::{Model, SCHEMA, SCHEMA_NAME};
pub use write::{Error, show_summary, write_files_with};

use crate::exit::ExitCode;
use crate::plan::Plan;

/// A kind of report file.
#[derive(Debug, Clone, Copy)]
pub struct Renderer {
    /// Its flag, and its key in the configuration: `json`.
    pub name: &'static str,
    /// What messages call it: `JSON report`.
    pub title: &'static str,
    /// The help of the flag.
    pub summary: &'static str,
    /// A file to write to, as an example in a configuration.
    pub example: &'static str,
    /// Makes the file.
    pub render: fn(&Model) -> Result<Vec<u8>, Error>,
}

/// Every kind of report file, in the order of the flags.
pub static RENDERERS: [Renderer; 2] = [json::RENDERER, junit::RENDERER];

/// Writes the report files that the plan asks for; the first error is returned.
pub fn write_files(plan: &Plan, model: &Model) -> Result<(), Error> {
    write_files_with(&RENDERERS, plan, model)
}

/// Writes the report files and then shows the summary; the first error is returned. A quiet plan
/// shows it only if the run did not pass.
pub fn write_all(plan: &Plan, model: &Model) -> Result<(), Error> {
    let written = write_files(plan, model);
    if plan.outputs.terminal.quiet && model.exit_code == ExitCode::Pass {
        return written;
    }
    written.and(show_summary(plan, model))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn renderers_have_names_of_their_own_and_say_what_they_write() {
        let names: BTreeSet<_> = RENDERERS.iter().map(|renderer| renderer.name).collect();
        assert_eq!(names.len(), RENDERERS.len());
        for renderer in &RENDERERS {
            assert!(renderer.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(!renderer.title.is_empty() && !renderer.summary.ends_with('.'));
        }
    }

    #[test]
    fn every_renderer_makes_something_of_every_way_to_end() {
        let plan = samples::plan();
        let outcomes = samples::all();
        let failure = samples::failure();
        let models = outcomes.iter().map(|outcome| Model::new(&plan, Ok(outcome)));
        for model in models.chain([Model::new(&plan, Err(&failure))]) {
            for renderer in &RENDERERS {
                let text = String::from_utf8((renderer.render)(&model).unwrap()).unwrap();
                assert!(text.ends_with('\n') && text.contains("bkverify"), "{}", renderer.name);
            }
            assert!(terminal::render(&model, &terminal::Look::default()).ends_with('\n'));
        }
    }
}
