//! The Best Practices Analyzer: each result that does not comply, with its problem, impact and
//! resolution.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::phrases::several;
use super::super::powershell;
use super::super::probes::{Probed, ProbedItem};
use super::WHY;

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    powershell::judged(visit, "best-practices", "The Best Practices Analyzer", judge)
}

fn judge(probed: &Probed) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        probed.all("result").filter(|item| item.truth("excluded") != Some(true)).map(result).collect();
    let mut scanned = Vec::new();
    for model in probed.all("model").map(|item| item.shown("id")) {
        match probed.whole(&format!("scan of {model}"), "result") {
            Ok(_) => scanned.push(model),
            Err(problem) => {
                findings.push(Finding::could_not_check(&format!("The analysis of {model}"), problem));
            }
        }
    }
    findings.push(models(probed, &scanned));
    findings.push(essentials(probed));
    findings
}

fn result(item: &ProbedItem) -> Finding {
    let title =
        format!("{}: {}", item.shown("model"), item.text("title").unwrap_or("a result without a title"));
    // "Error" and "Warning" are names of enumeration values and are the same in every language.
    let finding = match item.text("severity") {
        Some("Error") => Finding::fail(title),
        Some("Warning") => Finding::warn(title),
        other => {
            Finding::could_not_check(&title, format!("an unknown severity: {}", other.unwrap_or("none")))
        }
    };
    let whole = item.list("all").join("\n");
    finding
        .seen("Get-BpaResult", item.text("problem").unwrap_or(&whole))
        .why(item.text("impact").unwrap_or(WHY))
        .fix(item.text("resolution").unwrap_or("Best Practices Analyzer in Server Manager shows the steps."))
}

/// Which models were analysed. A pass is only about those models, and only if there were any.
fn models(probed: &Probed, scanned: &[&str]) -> Finding {
    let what = "The Best Practices Analyzer";
    let source = "Get-BpaModel, Get-BpaResult";
    if let Some(missing) = probed.missing("models") {
        return Finding::not_applicable("This Windows has no Best Practices Analyzer").seen(source, missing);
    }
    match probed.whole("models", "model") {
        Err(problem) => Finding::could_not_check(what, problem),
        Ok(models) if models.is_empty() => {
            Finding::not_applicable("No installed role has rules for the Best Practices Analyzer")
                .seen(source, "none")
        }
        Ok(_) if scanned.is_empty() => Finding::could_not_check(what, "no model could be analysed"),
        Ok(_) => Finding::pass(format!(
            "The analysis of {} is complete; each problem is listed by itself",
            several(scanned.len(), "model")
        ))
        .seen(source, scanned.join("\n")),
    }
}

fn essentials(probed: &Probed) -> Finding {
    match (probed.whole("essentials", "result"), probed.missing("essentials")) {
        (Ok(_), _) => Finding::pass("Essentials' own analysis is complete; each problem is listed by itself")
            .seen("Get-WssBpaScanResult", "complete"),
        (_, Some(missing)) => Finding::not_applicable("This server is not Windows Server Essentials")
            .seen("Import-Module WssCmdlets", missing),
        (Err(problem), None) => Finding::could_not_check("Essentials' own analysis", problem),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Status::{self, CouldNotCheck, Fail, NotApplicable, Pass, Warn};
    use super::super::super::probes::parse;
    use super::super::super::probes::tests::printed;
    use super::*;

    const RESULTS: &str = include_str!("../../../tests/data/checklist/windows/bpa-results.txt");

    fn statuses(recorded: &str) -> Vec<Status> {
        judge(&parse(recorded).unwrap()).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn every_result_is_a_finding_with_impact_and_resolution() {
        assert_eq!(statuses(RESULTS), [Fail, Warn, CouldNotCheck, Pass, NotApplicable]);
        let first = &judge(&parse(RESULTS).unwrap())[0];
        assert!(first.why.as_deref().unwrap().contains("replication"));
        assert!(first.fix.as_ref().unwrap().advice.contains("second domain controller"));
    }

    #[test]
    fn a_result_without_its_documented_members_is_unknown_and_shown_whole() {
        let issue = r#"{"kind":"result","model":"Essentials","all":["IssueText: DNS"]}"#;
        let text = printed(&[("models", "", "missing"), ("essentials", issue, "")]);
        assert_eq!(statuses(&text), [CouldNotCheck, NotApplicable, Pass]);
        assert_eq!(judge(&parse(&text).unwrap())[0].evidence[0].text, "IssueText: DNS");
        let german = RESULTS.replace("\"Error\"", "\"Fehler\"");
        assert_eq!(statuses(&german)[0], CouldNotCheck);
    }

    #[test]
    fn scans_that_were_not_reached_are_unknown() {
        let lines: Vec<&str> = RESULTS.lines().take(2).collect();
        assert_eq!(statuses(&lines.join("\n")), [CouldNotCheck; 4]);
    }

    #[test]
    fn a_missing_analyser_is_not_applicable_but_one_that_fails_to_load_is_unknown() {
        let both = |kind| statuses(&printed(&[("models", "", kind), ("essentials", "", kind)]));
        assert_eq!(both("missing"), [NotApplicable; 2]);
        assert_eq!(both("failed"), [CouldNotCheck; 2]);
        assert_eq!(both("denied"), [CouldNotCheck; 2]);
        assert_eq!(statuses(&printed(&[])), [CouldNotCheck; 2]);
    }
}
