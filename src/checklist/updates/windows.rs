//! Windows Update.

use super::super::findings::Finding;
use super::super::machine::Visit;
use super::super::powershell::{self, Probed, ProbedItem};
use super::{WHY_REBOOT, pending};

pub(super) const SCRIPT: &str = include_str!("../scripts/updates.ps1");
/// Categories by their identifiers, which are the same in every language: security, critical,
/// service packs, update rollups.
const URGENT: [&str; 4] = [
    "0fa1201d-4330-4fa8-8ae9-b877473b6441",
    "e6cf1350-c01b-414d-a61f-263d14d133b4",
    "68c5b0a3-d1a6-4553-ae49-01d3a7827828",
    "28bc880e-0592-4cbf-8f95-c79b17911d5f",
];
/// `orcSucceeded` of `OperationResultCode`.
const SUCCEEDED: i64 = 2;
/// Programs also use `PendingFileRenameOperations` to delete their temporary files. Alone it is a
/// hint, not a proof.
const WEAK_SIGN: &str = "PendingFileRenameOperations";

pub(super) fn look(visit: &Visit<'_>) -> Vec<Finding> {
    match powershell::ask(visit, SCRIPT) {
        Ok(probed) => vec![updates(&probed), restart(&probed)],
        Err(problem) => vec![Finding::could_not_check("Pending updates", problem)],
    }
}

fn updates(probed: &Probed) -> Finding {
    let what = "Pending updates";
    let Some(end) = probed.first("updates") else {
        return Finding::could_not_check(what, probed.reason("updates"))
            .fix("Check that the service wuauserv may run and that the update server answers.");
    };
    if end.number("code") != Some(SUCCEEDED) {
        let code = end.shown("code");
        return Finding::could_not_check(
            what,
            format!("Windows Update's search ended with code {code}, not 2 (succeeded)"),
        );
    }
    let described = |item: &ProbedItem| match item.text("severity") {
        Some(severity) => format!("{} ({severity})", item.shown("title")),
        None => item.shown("title").to_owned(),
    };
    // Optional updates, such as drivers, are for a person to choose.
    let wanted: Vec<&ProbedItem> =
        probed.part("update").filter(|item| item.truth("optional") != Some(true)).collect();
    let all: Vec<String> = wanted.iter().map(|item| described(item)).collect();
    let security: Vec<String> =
        wanted.iter().filter(|item| urgent(item)).map(|item| described(item)).collect();
    pending(
        &all,
        &security,
        "Microsoft.Update.Session",
        "Settings, Windows Update, Check for updates; or `usoclient StartInstall`",
    )
}

fn urgent(item: &ProbedItem) -> bool {
    let kinds = item.list("kinds");
    matches!(item.text("severity"), Some("Critical" | "Important"))
        || kinds.iter().any(|kind| URGENT.iter().any(|urgent| kind.eq_ignore_ascii_case(urgent)))
}

fn restart(probed: &Probed) -> Finding {
    let Some(item) = probed.first("restart") else {
        return Finding::could_not_check("Whether a restart is pending", probed.reason("restart"));
    };
    let signs = item.list("signs");
    let finding = match signs[..] {
        [] => return Finding::pass("No restart is pending").seen("registry", "no sign of it"),
        [WEAK_SIGN] => Finding::warn("A restart may be pending: files are waiting to be replaced"),
        _ => Finding::fail("A restart is pending"),
    };
    finding.seen("registry", signs.join("\n")).why(WHY_REBOOT).fix("Restart the server before the migration.")
}

#[cfg(test)]
mod tests {
    use super::super::super::Status;
    use super::super::super::powershell::parse;
    use super::*;

    fn statuses(recorded: &str) -> Vec<Status> {
        let probed = parse(recorded).unwrap();
        vec![updates(&probed).status, restart(&probed).status]
    }

    #[test]
    fn security_updates_and_a_pending_restart_fail_in_any_language() {
        let pending = include_str!("../../../tests/data/checklist/windows/updates-pending-german.json");
        assert_eq!(statuses(pending), [Status::Fail, Status::Fail]);
        let found = updates(&parse(pending).unwrap());
        assert_eq!(found.title, "1 security update is pending, 2 updates in all");
    }

    #[test]
    fn a_current_server_passes() {
        let none = r#"{"items":[{"part":"updates","code":"2"},{"part":"restart","signs":[]}],"problems":[]}"#;
        assert_eq!(statuses(none), [Status::Pass, Status::Pass]);
    }

    #[test]
    fn a_weak_sign_of_a_pending_restart_only_warns() {
        let weak = r#"{"items":[{"part":"updates","code":"2"},{"part":"restart","signs":["PendingFileRenameOperations"]}],"problems":[]}"#;
        assert_eq!(statuses(weak), [Status::Pass, Status::Warn]);
    }

    #[test]
    fn a_search_that_did_not_succeed_is_unknown() {
        let aborted = r#"{"items":[{"part":"updates","code":"5"}],"problems":[]}"#;
        assert_eq!(statuses(aborted), [Status::CouldNotCheck, Status::CouldNotCheck]);
        let failed = r#"{"items":[],"problems":[{"part":"updates","kind":"failed","text":"Ausnahme von HRESULT: 0x8024402C"}]}"#;
        assert_eq!(statuses(failed)[0], Status::CouldNotCheck);
    }
}
