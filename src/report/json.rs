//! The report for programs: the model as JSON. [`model`](super::model) describes the form.

use super::model::Model;
use super::{Error, Renderer};

pub(super) const RENDERER: Renderer = Renderer {
    name: "json",
    title: "JSON report",
    summary: "Write the report as JSON to this file; - is standard output",
    example: "bkverify.json",
    begins: &[&["{", r#""schema""#, ":", r#""bkverify-report/"#]],
    render,
};

/// The report with indentation, ending in a line feed.
fn render(model: &Model) -> Result<Vec<u8>, Error> {
    let mut text = serde_json::to_vec_pretty(model)
        .map_err(|error| Error::Render { what: RENDERER.title, problem: error.to_string() })?;
    text.push(b'\n');
    Ok(text)
}
