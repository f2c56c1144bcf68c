use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::backup::unescape;
use crate::exit::ExitCode;
use crate::plan::{Algorithm, Plan, SampleSize};
use crate::report::{Failure, RENDERERS, samples};
use crate::verify::counts::Counts;
use crate::verify::outcome::{Incomplete, Outcome};
use crate::verify::verdict::Verdict;

/// The JSON report, as text.
fn written(model: &Model) -> String {
    String::from_utf8((RENDERERS[0].render)(model).unwrap()).unwrap()
}

fn report(plan: &Plan, outcome: &Outcome) -> Value {
    serde_json::from_str(&written(&Model::new(plan, Ok(outcome)))).unwrap()
}

fn failed(plan: &Plan, failure: &Failure) -> Value {
    serde_json::from_str(&written(&Model::new(plan, Err(failure)))).unwrap()
}

/// One model for each way a run can end.
fn models() -> Vec<Model> {
    let mut plan = samples::plan();
    plan.origin.config = Some(PathBuf::from("bkverify.toml"));
    let mut models: Vec<Model> = samples::all().iter().map(|one| Model::new(&plan, Ok(one))).collect();
    models.push(Model::new(&plan, Err(&samples::failure())));
    models
}

#[test]
fn reports_equal_the_golden_files_byte_for_byte() {
    let models = models();
    for (name, model) in [("pass", &models[0]), ("fail", &models[1]), ("error", models.last().unwrap())] {
        let place = format!("{}/src/report/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let model = Model { version: "0.1.0".into(), platform: "linux-x86_64".into(), ..model.clone() };
        let golden = std::fs::read_to_string(&place).unwrap().replace("\r\n", "\n");
        assert_eq!(written(&model), golden, "differs from {place}");
    }
}

#[test]
fn a_report_is_read_back_as_it_was_written() {
    for model in models() {
        let text = written(&model);
        let read = Model::read(&text).unwrap();
        assert_eq!(read, model);
        assert_eq!(written(&read), text);
    }
}

#[test]
fn another_schema_is_refused_by_name_and_unknown_fields_are_skipped() {
    let text = written(&models()[0]);
    let other = text.replace("bkverify-report/2", "bkverify-report/9");
    let error = Model::read(&other).unwrap_err().to_string();
    assert_eq!(error, "its schema is `bkverify-report/9`, not `bkverify-report/2`");
    for wrong in ["", "{", "{}", "[]", "{\"schema\":\"bkverify-report/2\"}"] {
        let error = Model::read(wrong).unwrap_err().to_string();
        assert!(error.starts_with("it is not a report ("), "{error}");
    }
    let more = text.replacen("{", "{\"more\": [1, \"x\"],", 1);
    assert_eq!(Model::read(&more).unwrap(), models()[0]);
    // The result is stated twice: as a number and as a word.
    let torn = text.replace("\"result\": \"pass\"", "\"result\": \"fail\"");
    let error = Model::read(&torn).unwrap_err().to_string();
    assert!(error.contains("exit code 0 does not mean \"fail\""), "{error}");
}

/// `oldest-2.json` was written by the first version of bkverify that wrote `bkverify-report/2`.
/// Fields that came later have their defaults.
#[test]
fn a_report_of_the_oldest_form_with_this_schema_name_is_read() {
    let text = include_str!("../../../tests/data/report/oldest-2.json");
    let model = Model::read(text).unwrap();
    assert_eq!((model.exit_code, model.counts.bad), (ExitCode::IntegrityFailure, 1));
    assert_eq!((model.population.files, model.population.not_compared), (30, 0));
    let completeness = model.completeness.as_ref().unwrap();
    assert!(completeness.asked_for && completeness.doubtful.is_empty());
    assert_eq!((completeness.looked_up, completeness.too_young), (5, 0));
    assert_eq!(model.effort.cached_bytes, None);
    for renderer in RENDERERS {
        assert!((renderer.render)(&model).is_ok(), "{}", renderer.name);
    }
    assert_eq!(Model::read(&written(&model)).unwrap(), model);
}

/// Every word of an enum: serde lists them if it meets another.
fn words_of<T: serde::de::DeserializeOwned>() -> BTreeSet<String> {
    let error = serde_json::from_str::<T>("\"no-such-word\"").err().unwrap().to_string();
    error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

/// The words that the schema allows at this place, but for null.
fn words_in_schema(place: &str) -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let words = schema.pointer(place).and_then(Value::as_array).unwrap_or_else(|| panic!("{place}"));
    words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// If this fails after a verdict, a reason or a hash was added: it is missing in a list here, or in
/// the schema. A new verdict or reason also makes the form `/3`.
#[test]
fn verdicts_reasons_and_hashes_have_the_same_words_in_code_json_schema_and_reports() {
    let verdicts: BTreeSet<_> = Verdict::ALL.map(|verdict| verdict.word().to_owned()).into();
    assert_eq!(words_of::<Verdict>(), verdicts, "Verdict::ALL");
    let mut findings = words_in_schema("/properties/findings/items/properties/verdict/enum");
    findings.insert("verified".to_owned());
    assert_eq!(findings, verdicts, "findings");
    let reasons = samples::INCOMPLETE.map(|reason| json!(reason).as_str().unwrap().to_owned()).into();
    assert_eq!(words_of::<Incomplete>(), reasons, "samples::INCOMPLETE");
    assert_eq!(words_in_schema("/properties/incomplete/enum"), reasons, "incomplete");
    let hashes = Algorithm::ALL.iter().map(|hash| hash.name().to_owned()).collect();
    assert_eq!(words_in_schema("/$defs/hash/enum"), hashes, "hash");
}

#[test]
fn every_verdict_has_a_field_with_its_count() {
    let mut counts = Counts::default();
    for (index, verdict) in Verdict::ALL.into_iter().enumerate() {
        (0..=index).for_each(|number| counts.add(verdict, number % 2 == 0));
    }
    let part = CountsPart::new(&counts);
    let written = json!(part);
    for verdict in Verdict::ALL {
        assert_eq!(part.of(verdict), counts.of(verdict), "{verdict:?}");
        assert_eq!(written[verdict.word()], counts.of(verdict), "{verdict:?}");
    }
}

/// A reader that skipped a verdict could take a bad backup for a good one.
#[test]
fn an_unknown_verdict_or_reason_is_refused() {
    let mut failed = report(&samples::plan(), &samples::failed());
    failed["findings"][0]["verdict"] = json!("moved");
    let mut interrupted = report(&samples::plan(), &samples::interrupted());
    interrupted["incomplete"] = json!("bored");
    for (report, word) in [(failed, "moved"), (interrupted, "bored")] {
        let error = Model::read(&report.to_string()).unwrap_err().to_string();
        assert!(error.contains(&format!("unknown variant `{word}`")), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_path_number_and_share_survives_writing_and_reading(
        text in any::<String>(), path in any::<Vec<u8>>(), number: u64, share in 0.0..1.0_f64,
        seconds in 0_u64..1 << 40, nanos in 0_u32..1_000_000_000,
    ) {
        let mut plan = samples::plan();
        plan.origin.job = Some(text.clone());
        plan.draw.sample = SampleSize::Tolerance(share);
        plan.limits = crate::plan::Limits { budget: Some(number), time_limit: Some(Duration::new(seconds, nanos)), resume: false };
        plan.claims.confidence = share;
        let mut outcome = samples::failed();
        outcome.findings[0].path = path;
        outcome.findings[0].reason = text.clone();
        outcome.notes = vec![text];
        outcome.population.files = number;
        outcome.effort.total = Duration::new(seconds, nanos);
        let model = Model::new(&plan, Ok(&outcome));
        prop_assert_eq!(Model::read(&written(&model)).unwrap(), model);
    }
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
fn reports_of_every_kind_match_the_shipped_schema() {
    for outcome in samples::all() {
        assert_valid(&report(&samples::plan(), &outcome));
    }
    let mut plan = samples::plan();
    for sample in [SampleSize::Share(0.05), SampleSize::All, SampleSize::Tolerance(0.01)] {
        plan.draw.sample = sample;
        plan.origin.config = Some(PathBuf::from("bkverify.toml"));
        assert_valid(&report(&plan, &samples::passed()));
    }
    for reason in samples::INCOMPLETE {
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

/// JSON pointers of all objects. Of lists, only the first item is visited.
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
fn the_report_has_the_numbers_of_the_outcome() {
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
fn a_population_that_was_not_listed_to_its_end_is_not_reported_as_whole() {
    let found = report(&samples::plan(), &samples::interrupted());
    assert_eq!(found["population"]["whole"], false);
    assert_eq!(found["assurance"], Value::Null);
    assert_eq!(report(&samples::plan(), &samples::cut_short())["population"]["whole"], true);
}

#[test]
fn paths_with_any_bytes_can_be_recovered_from_the_report() {
    let outcome = samples::failed();
    let found = report(&samples::plan(), &outcome);
    for (part, finding) in found["findings"].as_array().unwrap().iter().zip(&outcome.findings) {
        assert_eq!(unescape(part["path"].as_str().unwrap()), finding.path);
    }
}
