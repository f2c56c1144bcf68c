//! The report as JSON, and the comparison of two of them: pure.

use crate::plan::Beginnings;

use super::figures::{BenchReport, Figure, Slower};

/// The flag that says where the report goes.
pub const FLAG: &str = "json";

/// How reports begin, in any version.
pub const BEGINS: Beginnings = &[&["{", r#""schema""#, ":", r#""bkverify-bench/"#]];

/// Name and version of the form. Fields may be added under the same version, none changes its
/// meaning.
pub const SCHEMA_NAME: &str = "bkverify-bench/1";

/// The JSON Schema of the form. It refuses unknown fields: who validates takes that of the version
/// that wrote the report.
pub const SCHEMA: &str = include_str!("schema.json");

/// A figure below this share of its old value has become slower; less may be chance.
pub const SLOWER: f64 = 0.7;

/// The report as text.
pub fn render(report: &BenchReport) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}

/// Reads what [`render`] wrote; the error says what is wrong with it.
pub fn parse(text: &str) -> Result<BenchReport, String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    match value["schema"].as_str() {
        Some(SCHEMA_NAME) => serde_json::from_value(value).map_err(|error| error.to_string()),
        Some(other) => Err(format!("it is a \"{other}\", not a \"{SCHEMA_NAME}\"")),
        None => Err(format!("it does not say that it is a \"{SCHEMA_NAME}\"")),
    }
}

/// Notes in `now` what has become slower since `old`, and what could not be compared.
pub fn compare(now: &mut BenchReport, old: &BenchReport) {
    let is_same = |one: &Figure, other: &Figure| {
        (&one.place, one.probe, one.threads, one.block)
            == (&other.place, other.probe, other.threads, other.block)
    };
    let mut unmatched = 0;
    for figure in &now.figures {
        match old.figures.iter().find(|before| is_same(before, figure)) {
            None => unmatched += 1,
            Some(before) if figure.per_second < before.per_second * SLOWER => {
                now.slower.push(Slower { now: figure.clone(), before: before.per_second });
            }
            Some(_) => {}
        }
    }
    if unmatched > 0 {
        let all = now.figures.len();
        now.notes
            .push(format!("{unmatched} of {all} figures were not measured in the older bench: not compared"));
    }
    now.compared_with = Some(old.started.clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Probe;
    use crate::bench::render::tests::report;
    use crate::verify::target::begins_like;

    #[test]
    fn what_is_written_can_be_read_again() {
        let report = report();
        let text = render(&report).unwrap();
        assert!(begins_like(text.as_bytes(), BEGINS), "{text}");
        assert_eq!(parse(&text), Ok(report));
    }

    #[test]
    fn another_form_is_refused_by_name() {
        assert!(parse("{").unwrap_err().starts_with("it is no JSON"));
        assert_eq!(parse("{}").unwrap_err(), "it does not say that it is a \"bkverify-bench/1\"");
        let other = "{\"schema\": \"bkverify-bench/2\"}";
        assert_eq!(parse(other).unwrap_err(), "it is a \"bkverify-bench/2\", not a \"bkverify-bench/1\"");
    }

    #[test]
    fn only_what_lost_more_than_three_tenths_is_slower() {
        for (share, is_slower) in [(1.5, false), (1.0, false), (0.71, false), (0.69, true), (0.01, true)] {
            let (old, mut now) = (report(), report());
            now.figures[0].per_second = old.figures[0].per_second * share;
            compare(&mut now, &old);
            assert_eq!(now.slower.len(), usize::from(is_slower), "{share}");
        }
    }

    #[test]
    fn figures_are_compared_with_their_like_alone() {
        let (old, mut now) = (report(), report());
        now.figures[0] = Figure { threads: 99, per_second: 1.0, ..now.figures[0].clone() };
        now.figures[1] = Figure { probe: Probe::WriteThrough, per_second: 1.0, ..now.figures[1].clone() };
        compare(&mut now, &old);
        assert_eq!(now.slower, []);
        assert!(now.notes.iter().any(|note| note.starts_with("2 of ")), "{:?}", now.notes);
    }
}
