//! The Best Practices Analyzer: each result that does not comply, with its problem, impact and
//! resolution.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::several;
use super::super::powershell::{self, Probed, ProbedItem};
use super::WHY;

pub(super) const SCRIPT: &str = include_str!("../scripts/best_practices.ps1");

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    match powershell::ask(visit, SCRIPT) {
        Ok(probed) => judge(&probed),
        Err(problem) => vec![Finding::could_not_check("The Best Practices Analyzer", problem)],
    }
}

fn judge(probed: &Probed) -> Vec<Finding> {
    let mut findings: Vec<Finding> = probed.part("result").map(result).collect();
    let scanned: Vec<&str> = probed.part("scanned").map(|item| item.shown("model")).collect();
    for model in probed.part("model").map(|item| item.shown("id")).filter(|id| !scanned.contains(id)) {
        let part = format!("scan of {model}");
        findings.push(Finding::could_not_check(&format!("The analysis of {model}"), probed.reason(&part)));
    }
    findings.push(models(probed, &scanned));
    findings.push(essentials(probed));
    findings
}

fn result(item: &ProbedItem) -> Finding {
    let title = format!("{}: {}", item.shown("model"), item.shown("title"));
    // "Error" and "Warning" are names of enumeration values and are the same in every language.
    let finding = match item.text("severity") {
        Some("Error") => Finding::fail(title),
        Some("Warning") => Finding::warn(title),
        other => {
            Finding::could_not_check(&title, format!("an unknown severity: {}", other.unwrap_or("none")))
        }
    };
    finding
        .seen("Get-BpaResult", item.shown("problem"))
        .why(item.text("impact").unwrap_or(WHY))
        .fix(item.text("resolution").unwrap_or("Best Practices Analyzer in Server Manager shows the steps."))
}

/// Which models were analysed. A pass is only about those models, and only if there were any.
fn models(probed: &Probed, scanned: &[&str]) -> Finding {
    let what = "The Best Practices Analyzer";
    let source = "Get-BpaModel, Get-BpaResult";
    if probed.first("models").is_none() {
        return match probed.problem("models") {
            Some(missing) if missing.kind == "missing" => {
                Finding::not_applicable("This Windows has no Best Practices Analyzer")
                    .seen(source, &missing.text)
            }
            _ => Finding::could_not_check(what, probed.reason("models")),
        };
    }
    if probed.first("model").is_none() {
        return Finding::not_applicable("No installed role has rules for the Best Practices Analyzer")
            .seen(source, "none");
    }
    if scanned.is_empty() {
        return Finding::could_not_check(what, "no model could be analysed");
    }
    Finding::pass(format!(
        "The analysis of {} is complete; each problem is listed by itself",
        several(scanned.len(), "model")
    ))
    .seen(source, scanned.join("\n"))
}

fn essentials(probed: &Probed) -> Finding {
    if probed.first("essentials").is_some() {
        return Finding::pass("Essentials' own analysis is complete; each problem is listed by itself")
            .seen("Get-WssBpaScanResult", "complete");
    }
    match probed.problem("essentials") {
        Some(missing) if missing.kind == "missing" => {
            Finding::not_applicable("This server is not Windows Server Essentials")
                .seen("Invoke-WssBpaScan", &missing.text)
        }
        _ => Finding::could_not_check("Essentials' own analysis", probed.reason("essentials")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Status;
    use super::super::super::powershell::parse;
    use super::*;

    fn statuses(recorded: &str) -> Vec<Status> {
        judge(&parse(recorded).unwrap()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn every_result_is_a_finding_with_impact_and_resolution() {
        let recorded = include_str!("../../../tests/data/checklist/windows/bpa-results.json");
        let expected =
            [Status::Fail, Status::Warn, Status::CouldNotCheck, Status::Pass, Status::NotApplicable];
        assert_eq!(statuses(recorded), expected);
        let first = &judge(&parse(recorded).unwrap())[0];
        assert!(first.why.as_deref().unwrap().contains("replication"));
        assert!(first.fix.as_ref().unwrap().advice.contains("second domain controller"));
    }

    #[test]
    fn a_missing_analyser_is_not_applicable_and_a_denied_query_is_unknown() {
        let missing = r#"{"items":[],"problems":[{"part":"models","kind":"missing","text":"x"},{"part":"essentials","kind":"missing","text":"y"}]}"#;
        assert_eq!(statuses(missing), [Status::NotApplicable; 2]);
        assert_eq!(statuses(&missing.replace("missing", "denied")), [Status::CouldNotCheck; 2]);
        assert_eq!(statuses(r#"{"items":[],"problems":[]}"#), [Status::CouldNotCheck; 2]);
    }
}
