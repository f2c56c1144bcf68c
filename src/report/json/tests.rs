use super::*;
use crate::backup::unescape;
use crate::exit::ExitCode;
use crate::report::samples;
use serde_json::{Value, json};
use std::path::PathBuf;

fn report(plan: &Plan, outcome: &Outcome) -> Value {
    serde_json::from_str(&render(plan, outcome).unwrap()).unwrap()
}

fn failed(plan: &Plan, failure: &Failure) -> Value {
    serde_json::from_str(&render_failure(plan, failure).unwrap()).unwrap()
}

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
fn assert_valid(report: &Value) {
    let errors: Vec<String> =
        schema().iter_errors(report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn reports_of_every_kind_keep_to_the_shipped_schema() {
    for outcome in samples::all() {
        assert_valid(&report(&samples::plan(), &outcome));
    }
    let mut plan = samples::plan();
    for sample in [SampleSize::Share(0.05), SampleSize::All, SampleSize::Tolerance(0.01)] {
        plan.draw.sample = sample;
        plan.origin.config = Some(PathBuf::from("bkverify.toml"));
        assert_valid(&report(&plan, &samples::passed()));
    }
    for reason in [
        Incomplete::Interrupted,
        Incomplete::Budget,
        Incomplete::RestoreFolder,
        Incomplete::TooFewComparable,
        Incomplete::TooManyUndecided,
        Incomplete::ToleranceNotMet,
    ] {
        let outcome = Outcome { incomplete: Some(reason), ..samples::passed() };
        assert_valid(&report(&plan, &outcome));
    }
    for exit_code in [ExitCode::Usage, ExitCode::Unusable] {
        assert_valid(&failed(&plan, &Failure { exit_code, ..samples::failure() }));
    }
}

#[test]
fn the_schema_refuses_unknown_and_missing_fields_at_every_level() {
    let schema = schema();
    let mut whole = report(&samples::plan(), &samples::disaster());
    whole["error"] = failed(&samples::plan(), &samples::failure())["error"].clone();
    let mut places = Vec::new();
    objects(&whole, "", &mut places);
    assert!(places.len() > 12, "{places:?}");
    for place in places {
        let mut more = whole.clone();
        let object = more.pointer_mut(&place).unwrap().as_object_mut().unwrap();
        object.insert("surprise".to_owned(), json!(1));
        assert!(!schema.is_valid(&more), "an unknown field in {place:?}");
        let names: Vec<String> =
            whole.pointer(&place).unwrap().as_object().unwrap().keys().cloned().collect();
        for name in names {
            let mut less = whole.clone();
            less.pointer_mut(&place).unwrap().as_object_mut().unwrap().remove(&name);
            assert!(!schema.is_valid(&less), "{name} missing in {place:?}");
        }
    }
}

/// JSON pointers of all objects, of lists the first item only.
fn objects(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.push(place.to_owned());
            for (name, field) in fields {
                objects(field, &format!("{place}/{name}"), found);
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                objects(first, &format!("{place}/0"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_numbers_are_those_of_the_outcome() {
    let found = report(&samples::plan(), &samples::failed());
    assert_eq!(found["schema"], SCHEMA_NAME);
    assert_eq!((&found["exit_code"], &found["result"]), (&json!(1), &json!("fail")));
    assert_eq!(found["counts"]["restore-failed"], 1);
    assert_eq!(found["assurance"]["at_most_bad"], 123);
    assert_eq!(found["started"], "2026-07-01T10:00:00.25Z");
    assert_eq!(found["finished"], "2026-07-01T10:00:14.95Z");
    assert_eq!(found["plan"]["sample"], json!({"count": 500}));
    assert_eq!(found["plan"]["filters"]["newer_than"], "2026-07-01T02:00:00Z");
    assert_eq!(found["findings"][0]["difference"]["looks_like"], "zeroed");
    assert_eq!(report(&samples::plan(), &samples::empty())["assurance"], Value::Null);
}

#[test]
fn the_report_of_a_run_that_could_not_begin_says_so_and_claims_nothing() {
    let found = failed(&samples::plan(), &samples::failure());
    assert_eq!((&found["exit_code"], &found["result"]), (&json!(4), &json!("unusable")));
    assert_eq!(found["error"]["hint"], "check the path");
    assert_eq!(found["headline"], found["error"]["message"]);
    assert_eq!(found["finished"], "2026-07-01T10:00:00.27Z");
    assert_eq!(found["backup"]["place"], "/srv/backup/data.tar.gz");
    assert_eq!((&found["counts"]["comparable"], &found["population"]["whole"]), (&json!(0), &json!(false)));
}

#[test]
fn a_population_that_was_not_listed_to_its_end_is_said_to_be_a_part() {
    let found = report(&samples::plan(), &samples::interrupted());
    assert_eq!(found["population"]["whole"], false);
    assert_eq!(found["assurance"], Value::Null);
    assert_eq!(report(&samples::plan(), &samples::cut_short())["population"]["whole"], true);
}

#[test]
fn paths_of_any_bytes_come_back_from_the_report() {
    let outcome = samples::failed();
    let found = report(&samples::plan(), &outcome);
    for (part, finding) in found["findings"].as_array().unwrap().iter().zip(&outcome.findings) {
        assert_eq!(unescape(part["path"].as_str().unwrap()), finding.path);
    }
}
