//! Proves that reports can be added: a renderer is one file, such as this one, and one line in the
//! list.

use std::time::Duration;

use bkverify::cancel::CancelToken;
use bkverify::exit::ExitCode;
use bkverify::output::Output;
use bkverify::plan::{Plan, SampleSize};
use bkverify::report::{self, Error, Failure, Model, RENDERERS, Renderer};
use bkverify::verify::{self, Memory, Silent};

use crate::pack::tree;
use crate::world::World;

const RENDERER: Renderer = Renderer {
    name: "csv",
    title: "table of findings",
    summary: "Write the findings as a table to this file; - is standard output",
    example: "bkverify.csv",
    begins: &[&["bkverify verdict,path,reason\n"]],
    render,
};

/// A line that says what it is, one for each finding, and one for an error.
fn render(model: &Model) -> Result<Vec<u8>, Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let problem =
        |error: &dyn std::error::Error| Error::Render { what: RENDERER.title, problem: error.to_string() };
    table.write_record(["bkverify verdict", "path", "reason"]).map_err(|error| problem(&error))?;
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
    let mut plan = super::plan(world, "b", SampleSize::Count(12));
    let json = RENDERERS.iter().find(|renderer| renderer.name == "json").unwrap();
    plan.outputs.reports = [&RENDERER, json]
        .map(|renderer| renderer.to(Output::File(world.path(&format!("report.{}", renderer.name)))))
        .into();
    plan
}

/// The report of a run that could not begin.
fn failed(plan: &Plan) -> Model {
    let message = "it is gone".to_owned();
    Model::new(
        plan,
        Err(&Failure { exit_code: ExitCode::Unusable, message, hint: None, took: Duration::ZERO }),
    )
}

#[test]
fn a_renderer_is_a_file_and_a_line_and_renders_outcomes_and_errors() {
    // The line that is added to the list.
    let renderers = [RENDERERS, &[RENDERER]].concat();
    let mut stored = tree();
    stored[0].content[3] ^= 1;
    let world = World::new().originals(&tree()).backup("folder", &stored);
    let plan = plan(&world);
    let outcome = verify::run(&plan, Memory::default(), &CancelToken::new(), &Silent).unwrap();
    let model = Model::new(&plan, Ok(&outcome));
    report::write_files_with(&renderers, &plan, &model).unwrap();
    let table = world.read("report.csv");
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("\ncorrupt,docs/report.bin,"), "{table}");
    // The JSON report contains everything that the table needs.
    let read = Model::read(&world.read("report.json")).unwrap();
    assert_eq!(render(&read).unwrap(), table.as_bytes());

    let model = failed(&plan);
    report::write_files_with(&renderers, &plan, &model).unwrap();
    let table = world.read("report.csv");
    assert!(table.contains("\nunusable,") && table.ends_with("it is gone\n"), "{table}");
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

#[test]
fn a_report_of_any_renderer_replaces_its_own_older_file_among_the_originals_and_nothing_else() {
    let world = World::new().originals(&tree()).backup("folder", &tree());
    let mut plan = plan(&world);
    let place = world.path("s/report.csv");
    plan.outputs.reports = vec![RENDERER.to(Output::File(place.clone()))];
    let model = failed(&plan);
    // The first night, and the second.
    for _ in 0..2 {
        verify::check_reports(&plan).unwrap();
        report::write_files_with(&[RENDERER], &plan, &model).unwrap();
    }
    let json = RENDERERS.iter().find(|renderer| renderer.name == "json").unwrap();
    let json = (json.render)(&model).unwrap();
    for other in [&json[..], b"verdict,path,reason\n", b"bkverify verdict,path\n", b"precious", b""] {
        std::fs::write(&place, other).unwrap();
        let error = verify::check_reports(&plan).unwrap_err();
        assert_eq!(error.hint().unwrap(), "choose another path with --csv");
        assert!(report::write_files_with(&[RENDERER], &plan, &model).is_err());
        assert_eq!(std::fs::read(&place).unwrap(), other);
    }
}
