//! Writes reports, each as a whole or not at all.

use std::io;

use crate::backup::path_text;
use crate::output;
use crate::plan::{Plan, ReportOutput};
use crate::verify;

use super::model::Model;
use super::{Renderer, terminal};

/// Why a report could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or stream could not be written.
    #[error("cannot write the {what} to {place}; the verification itself is done")]
    Write {
        /// Which report.
        what: &'static str,
        /// The path, or the name of the stream.
        place: String,
        /// What the system says.
        source: io::Error,
    },
    /// The renderer failed.
    #[error("cannot make the {what}: {problem}")]
    Render {
        /// Which report.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The plan names a report that no renderer makes.
    #[error("there is no report \"{0}\"")]
    Unknown(String),
}

/// Writes the report files that the plan asks for, with these renderers. If one report fails, the
/// others are still written. Returns the first error.
pub fn write_files_with(renderers: &[Renderer], plan: &Plan, model: &Model) -> Result<(), Error> {
    let mut result = Ok(());
    for wanted in &plan.outputs.reports {
        let renderer = renderers.iter().find(|renderer| renderer.name == wanted.renderer);
        let written = match renderer {
            Some(renderer) => write(renderer, plan, model, wanted),
            None => Err(Error::Unknown(wanted.renderer.to_owned())),
        };
        result = result.and(written);
    }
    result
}

/// Renders one report and writes it. The path is checked again: since the run began, somebody may
/// have put an original there, and it must not be overwritten.
fn write(renderer: &Renderer, plan: &Plan, model: &Model, report: &ReportOutput) -> Result<(), Error> {
    let content = (renderer.render)(model)?;
    let output = &report.output;
    let written =
        verify::check_report(plan, report).map_err(io::Error::other).and_then(|()| output.write(&content));
    let failed = |source| Error::Write { what: renderer.title, place: output.to_string(), source };
    written.map_err(failed)
}

/// Shows the summary on standard output, or on standard error if a report is written to standard
/// output. A reader that closed the pipe is not an error.
pub fn show_summary(plan: &Plan, model: &Model) -> Result<(), Error> {
    let terminal = &plan.outputs.terminal;
    let json = plan.outputs.reports.iter().find(|report| report.renderer == "json");
    let mut style = terminal::SummaryStyle {
        width: terminal::width(terminal.columns),
        color: terminal.color,
        quiet: terminal.quiet,
        ..Default::default()
    };
    if let Some(file) = json.and_then(|report| report.output.file()) {
        style.see = path_text(file);
    }
    let stdout_taken = plan.outputs.takes_stdout();
    let stream = if stdout_taken { "standard error" } else { "standard output" };
    output::show(terminal::render(model, &style).as_bytes(), stdout_taken).map_err(|source| Error::Write {
        what: "summary",
        place: stream.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::{RENDERERS, samples};
    use super::*;
    use crate::output::Output;

    fn to(renderer: &'static str, path: &Path) -> ReportOutput {
        ReportOutput { renderer, begins: &[], output: Output::File(path.to_owned()) }
    }

    #[test]
    fn a_report_that_cannot_be_written_does_not_stop_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = samples::plan();
        let model = Model::new(&plan, Ok(&samples::passed()));
        let [json, xml] = ["missing/report.json", "report.xml"].map(|name| folder.path().join(name));
        plan.outputs.reports = vec![to("json", &json), to("junit", &xml)];
        let error = write_files_with(RENDERERS, &plan, &model).unwrap_err().to_string();
        assert!(error.contains("the JSON report to") && error.contains("missing"), "{error}");
        assert!(fs::read_to_string(&xml).unwrap().contains("<testsuites"));
        let json = folder.path().join("report.json");
        plan.outputs.reports[0] = to("json", &json);
        write_files_with(RENDERERS, &plan, &model).unwrap();
        assert_eq!(Model::read(&fs::read_to_string(&json).unwrap()).unwrap(), model);
    }

    #[test]
    fn a_report_without_a_renderer_is_an_error() {
        let mut plan = samples::plan();
        let model = Model::new(&plan, Ok(&samples::passed()));
        plan.outputs.reports = vec![to("parchment", Path::new("/nowhere"))];
        let error = write_files_with(RENDERERS, &plan, &model).unwrap_err();
        assert_eq!(error.to_string(), "there is no report \"parchment\"");
    }
}
