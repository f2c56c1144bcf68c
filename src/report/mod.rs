//! Reports: what people, programs and test dashboards are told about a run.
//!
//! In: the [`Plan`], and how the run ended. Out: the terminal summary, and the files that the plan
//! names. All of them are rendered from one [`Model`]. It is made once and holds everything that
//! any of them says, whether the run ended with an outcome or with an error.
//!
//! A renderer is a pure function from the model to bytes. It reads no plan, no clock and no file.
//! It judges nothing: what a run proves is already in the model. It renders an error as well as an
//! outcome. A report never contains a secret, names never reach a terminal unescaped, and a report
//! file has either its old content or all of its new content.
//!
//! To add a report, add a file here and a line to [`RENDERERS`]. Its flag, its key in the
//! configuration, its line in `bkverify plan` and `bkverify init`, and the checks of its path
//! follow from that. A report replaces its own older file in a folder of originals if its renderer
//! says how its files begin.

mod completeness;
mod json;
mod junit;
mod make;
pub mod model;
#[cfg(test)]
pub(crate) mod samples;
mod statement;
pub mod terminal;
pub mod variables;
mod write;

pub use make::Failure;
pub use model::{Model, SCHEMA, SCHEMA_NAME};
pub use statement::incomplete;
pub use write::{Error, show_summary, write_files_with};

use crate::exit::ExitCode;
use crate::output::Output;
use crate::plan::{Beginnings, Plan, ReportOutput};

/// A kind of report file.
#[derive(Debug, Clone, Copy)]
pub struct Renderer {
    /// The name of its flag and of its key in the configuration: `json`.
    pub name: &'static str,
    /// What messages call it: `JSON report`.
    pub title: &'static str,
    /// The help text of the flag.
    pub summary: &'static str,
    /// An example of a file to write to, for a configuration.
    pub example: &'static str,
    /// How its files begin, in any version. A report replaces a file in a folder of originals only
    /// if that begins like this. It must name the program, and no original may begin so by chance.
    pub begins: Beginnings,
    /// Makes the content of the file.
    pub render: fn(&Model) -> Result<Vec<u8>, Error>,
}

impl Renderer {
    /// A report of this kind that is written to `output`, for a plan.
    pub fn to(&self, output: Output) -> ReportOutput {
        ReportOutput { renderer: self.name, begins: self.begins, output }
    }
}

/// Every kind of report file, in the order of the flags.
pub static RENDERERS: &[Renderer] = &[json::RENDERER, junit::RENDERER];

/// Writes the report files that the plan asks for. Returns the first error.
pub fn write_files(plan: &Plan, model: &Model) -> Result<(), Error> {
    write_files_with(RENDERERS, plan, model)
}

/// Writes the report files, then shows the summary. Returns the first error. With a quiet plan, the
/// summary is shown only if the run did not pass.
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
    use crate::verify::target::begins_like;

    #[test]
    fn renderers_have_unique_names_and_say_what_they_write() {
        let names: BTreeSet<_> = RENDERERS.iter().map(|renderer| renderer.name).collect();
        assert_eq!(names.len(), RENDERERS.len());
        for renderer in RENDERERS {
            assert!(renderer.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(!renderer.title.is_empty() && !renderer.summary.ends_with('.'));
            let says_whose = |parts: &&[&str]| parts.iter().any(|part| part.contains("bkverify"));
            assert!(renderer.begins.iter().all(says_whose), "{}", renderer.name);
        }
    }

    #[test]
    fn every_renderer_renders_every_way_a_run_can_end() {
        let plan = samples::plan();
        let outcomes = samples::all();
        let failure = samples::failure();
        let models = outcomes.iter().map(|outcome| Model::new(&plan, Ok(outcome)));
        for model in models.chain([Model::new(&plan, Err(&failure))]) {
            for renderer in RENDERERS {
                let text = String::from_utf8((renderer.render)(&model).unwrap()).unwrap();
                assert!(text.ends_with('\n') && text.contains("bkverify"), "{}", renderer.name);
                assert!(begins_like(text.as_bytes(), renderer.begins), "{}: {text}", renderer.name);
            }
            assert!(terminal::render(&model, &terminal::SummaryStyle::default()).ends_with('\n'));
        }
    }
}
