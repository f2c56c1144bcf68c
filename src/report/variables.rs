//! What programs that a run starts are told about it: environment variables.

use super::model::{Model, PlanPart};

/// What is known before a run: the job, the backup (without secrets) and the restore folder.
pub fn of_plan(plan: &PlanPart) -> Vec<(&'static str, String)> {
    // The name of a job may hold what no variable can: a zero byte.
    vec![
        ("BKVERIFY_JOB", one_line(plan.job.as_deref().unwrap_or_default())),
        ("BKVERIFY_BACKUP", plan.backup.clone()),
        ("BKVERIFY_RESTORE_TO", plan.restore_to.clone()),
    ]
}

/// What is known after a run. `report` is the JSON report, if one was written to a file.
pub fn of_run(model: &Model, report: Option<&str>) -> Vec<(&'static str, String)> {
    let mut variables = of_plan(&model.plan);
    variables.extend([
        ("BKVERIFY_EXIT_CODE", (model.exit_code as u8).to_string()),
        ("BKVERIFY_RESULT", model.exit_code.word().to_owned()),
        ("BKVERIFY_HEADLINE", one_line(&model.headline)),
        ("BKVERIFY_VERIFIED", model.total(|counts| counts.verified).to_string()),
        ("BKVERIFY_BAD", model.total(|counts| counts.bad).to_string()),
        ("BKVERIFY_REPORT", report.unwrap_or_default().to_owned()),
    ]);
    variables
}

/// The same text without control characters: some shells and programs take them for commands.
fn one_line(text: &str) -> String {
    crate::words::printable(text).into_owned()
}
