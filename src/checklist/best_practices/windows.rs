//! The Best Practices Analyzer: each result that does not comply, with its problem, impact and
//! resolution.

use jiff::Timestamp;

use super::super::findings::Finding;
use super::super::machine::{Visit, duration_words};
use super::super::phrases::several;
use super::super::powershell;
use super::super::probes::{Probed, ProbedItem};
use super::WHY;

/// The age in seconds at which a scan becomes stale.
const AGE: i64 = 30 * 86_400;

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    powershell::judged(visit, "best-practices", "The Best Practices Analyzer", |probed| {
        judge(probed, visit.settings().now)
    })
}

fn judge(probed: &Probed, now: Timestamp) -> Vec<Finding> {
    let is_told = |item: &&ProbedItem| {
        item.truth("excluded") != Some(true) && item.text("severity") != Some("Information")
    };
    let mut findings: Vec<Finding> = probed.all("result").filter(is_told).map(result).collect();
    let mut scanned = Vec::new();
    for model in probed.all("model") {
        let name = model.shown("id");
        match results(probed, model, now) {
            Ok(age) => scanned.push(format!("{name}: {} ago", duration_words(age))),
            Err(problem) => findings.push(
                Finding::could_not_check(&format!("The analysis of {name}"), problem).why(WHY).fix(format!(
                    "As administrator, in PowerShell: Invoke-BpaModel -Id {name}. Then check again."
                )),
            ),
        }
    }
    findings.push(models(probed, &scanned));
    findings.push(essentials(probed));
    findings
}

/// How long ago a model was scanned, in seconds, if its results were read and still count.
fn results(probed: &Probed, model: &ProbedItem, now: Timestamp) -> Result<i64, String> {
    let id = model.text("id").ok_or("Windows does not name it")?;
    probed.whole(&format!("results of {id}"), "result")?;
    let scanned = model.time("scanned").ok_or("it was not run, or Windows does not say when")?;
    let age = now.as_second() - scanned.as_second();
    match age {
        -86_400..=AGE => Ok(age),
        _ => Err(format!("it ran on {scanned:.0}, and covers nothing since")),
    }
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
fn models(probed: &Probed, scanned: &[String]) -> Finding {
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
        Ok(_) if scanned.is_empty() => {
            Finding::could_not_check(what, "of no model there is a recent analysis")
        }
        Ok(_) => Finding::pass(format!(
            "The analysis of {} is complete and recent; each problem is listed by itself",
            several(scanned.len(), "model")
        ))
        .seen(source, scanned.join("\n")),
    }
}

fn essentials(probed: &Probed) -> Finding {
    match (probed.whole("essentials", "result"), probed.missing("essentials")) {
        (Ok(results), _) if results.is_empty() => {
            Finding::could_not_check("Essentials' own analysis", "it was not run, or found nothing at all")
                .fix("As administrator, in PowerShell: Invoke-WssBpaScan. Then check again.")
        }
        (Ok(results), _) => {
            let title =
                "Essentials' own analysis was run (when, it does not say); each problem is listed by itself";
            Finding::pass(title).seen("Get-WssBpaScanResult", several(results.len(), "result"))
        }
        (_, Some(missing)) => {
            Finding::not_applicable("The module of Windows Server Essentials is not installed")
                .seen("Import-Module WssCmdlets", missing)
        }
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

    fn findings(recorded: &str) -> Vec<Finding> {
        judge(&parse(recorded).unwrap(), "2026-11-20T12:00:00Z".parse().unwrap())
    }

    fn statuses(recorded: &str) -> Vec<Status> {
        findings(recorded).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn every_result_is_a_finding_with_impact_and_resolution() {
        assert_eq!(statuses(RESULTS), [Fail, Warn, CouldNotCheck, Pass, NotApplicable]);
        let first = &findings(RESULTS)[0];
        assert!(first.why.as_deref().unwrap().contains("replication"));
        assert!(first.fix.as_ref().unwrap().advice.contains("second domain controller"));
    }

    #[test]
    fn a_result_without_its_documented_members_is_unknown_and_shown_whole() {
        let issue = r#"{"kind":"result","model":"Essentials","all":["IssueText: DNS"]}"#;
        let text = printed(&[("models", "", "missing"), ("essentials", issue, "")]);
        assert_eq!(statuses(&text), [CouldNotCheck, NotApplicable, Pass]);
        assert_eq!(findings(&text)[0].evidence[0].text, "IssueText: DNS");
        let german = RESULTS.replace("\"Error\"", "\"Fehler\"");
        assert_eq!(statuses(&german)[0], CouldNotCheck);
    }

    #[test]
    fn an_analysis_that_is_old_or_was_never_run_is_unknown() {
        for when in ["2026-09-01T03:00:00Z", "Never", "Nie", "2027-09-01T03:00:00Z", ""] {
            assert_eq!(statuses(&RESULTS.replace("2026-11-19T03:00:00Z", when))[2], CouldNotCheck, "{when}");
        }
        let text = printed(&[("models", "", "missing"), ("essentials", "", "")]);
        assert_eq!(statuses(&text), [NotApplicable, CouldNotCheck]);
        let fine = r#"{"kind":"result","severity":"Information","title":"x"}"#;
        let text = printed(&[("models", "", "missing"), ("essentials", fine, "")]);
        assert_eq!(statuses(&text), [NotApplicable, Pass]);
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
