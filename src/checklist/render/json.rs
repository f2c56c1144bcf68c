//! The fields are `schema`, `bkverify` (the version), `machine`, `system`, `taken` (UTC), `verdict`
//! (`pass`, `manual`, `warn`, `waived`, `could-not-check`, `fail`), `counts` by status, and
//! `checks`. Each check has `name`, `title`, `asks`, `status`, `seconds` and `findings` (`status`,
//! `title`, `step` by which it is ticked off, `evidence` with `source` and `text`, `why`, `fix` with
//! `advice` and `commands`).

use serde_json::{Map, Value, json};

use super::super::findings::{Record, Status};

/// The name and version of the schema.
pub const SCHEMA: &str = "bkverify-checklist/3";

/// The record as indented JSON with a final newline.
pub fn render(record: &Record) -> String {
    let counts: Map<String, Value> =
        Status::ALL.iter().map(|status| (status.word().to_owned(), json!(record.count(*status)))).collect();
    let checks: Vec<Value> = record.checks.iter().map(check).collect();
    let whole = json!({
        "schema": SCHEMA,
        "bkverify": env!("CARGO_PKG_VERSION"),
        "machine": record.machine,
        "system": record.system,
        "taken": record.taken,
        "verdict": record.verdict().word(),
        "counts": counts,
        "checks": checks,
    });
    format!("{whole:#}\n")
}

fn check(check: &super::super::Checked) -> Value {
    json!({
        "name": check.name,
        "title": check.title,
        "asks": check.asks,
        "status": check.status().word(),
        "seconds": (check.seconds * 1_000.0).round() / 1_000.0,
        "findings": check.findings,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn the_json_holds_verdict_counts_and_every_finding() {
        let value: Value = serde_json::from_str(&render(&sample())).unwrap();
        assert_eq!(value["schema"], SCHEMA);
        assert_eq!(value["verdict"], "fail");
        assert_eq!(value["counts"]["could-not-check"], 1);
        assert_eq!(value["checks"][0]["findings"][0]["fix"]["commands"][0][0], "fix");
        assert_eq!(value["checks"][0]["status"], "fail");
    }
}
