//! Proves that reports can be added: a renderer is one file, such as this one, and one line in the
//! list.

use std::time::{Duration, SystemTime};

use bkverify::cancel::CancelToken;
use bkverify::exit::ExitCode;
use bkverify::output::Output;
use bkverify::plan::{CachePolicy, Plan, ReportOutput, SampleSize, Target};
use bkverify::report::{self, Error, Failure, Model, RENDERERS, Renderer};
use bkverify::verify::{self, Silent};

use crate::pack::tree;
use crate::world::World;

const RENDERER: Renderer = Renderer {
    name: "csv",
    title: "table of findings",
    summary: "Write the findings as a table to this file; - is standard output",
    example: "bkverify.csv",
    render,
};

/// One line for each finding, and one for an error.
fn render(model: &Model) -> Result<Vec<u8>, Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let problem =
        |error: &dyn std::error::Error| Error::Render { what: RENDERER.title, problem: error.to_string() };
    for finding in &model.findings {
        let line = [finding.verdict.word(), &finding.path, &finding.reason];
        table.write_record(line).map_err(|error| problem(&error))?;
    }
    if let Some(error) = &model.error {
        table
            .write_record([model.exit_code.word(), &model.backup.place, &error.message])
            .map_err(|error| problem(&error))?;
    }
    table.into_inner().map_err(|error| problem(&error))
}

/// A plan for this world that asks for the table and for JSON.
fn plan(world: &World) -> Plan {
    let target = Target {
        backup: world.path("b").into(),
        sources: vec![world.path("s")],
        maps: Vec::new(),
        restore_to: world.path("r"),
    };
    let mut plan = Plan::new(target, "seed".to_owned(), SystemTime::now());
    plan.draw.sample = SampleSize::Count(12);
    plan.engine.cache = CachePolicy::Use;
    plan.outputs.reports = ["csv", "json"]
        .map(|name| ReportOutput {
            renderer: name,
            output: Output::File(world.path(&format!("report.{name}"))),
        })
        .into();
    plan
}

#[test]
fn a_renderer_is_a_file_and_a_line_and_renders_outcomes_and_errors() {
    // The line that is added to the list.
    let renderers = [&RENDERERS[..], &[RENDERER]].concat();
    let mut stored = tree();
    stored[0].content[3] ^= 1;
    let world = World::new().originals(&tree()).backup("folder", &stored);
    let plan = plan(&world);
    let outcome = verify::run(&plan, &CancelToken::new(), &Silent).unwrap();
    let model = Model::new(&plan, Ok(&outcome));
    report::write_files_with(&renderers, &plan, &model).unwrap();
    let table = world.read("report.csv");
    assert_eq!(table.lines().count(), 1, "{table}");
    assert!(table.starts_with("corrupt,docs/report.bin,"), "{table}");
    // The JSON report contains everything that the table needs.
    let read = Model::read(&world.read("report.json")).unwrap();
    assert_eq!(render(&read).unwrap(), table.as_bytes());

    let failure = Failure {
        exit_code: ExitCode::Unusable,
        message: "it is gone".to_owned(),
        hint: None,
        took: Duration::ZERO,
    };
    let model = Model::new(&plan, Err(&failure));
    report::write_files_with(&renderers, &plan, &model).unwrap();
    assert!(
        world.read("report.csv").starts_with("unusable,")
            && world.read("report.csv").ends_with("it is gone\n")
    );
}

#[test]
fn no_renderer_writes_its_report_over_a_backup_or_an_original() {
    let world = World::new().originals(&tree()).backup("folder", &tree());
    for path in ["b/report.csv", "s/docs/report.bin"] {
        let mut plan = plan(&world);
        plan.outputs.reports[0].output = Output::File(world.path(path));
        assert!(verify::check_reports(&plan).is_err(), "{path}");
    }
}
