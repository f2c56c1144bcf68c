//! A configured job: what its newest report proves, and how old its backup is.

use jiff::Timestamp;

use crate::backup::{self, Context};
use crate::exit::ExitCode;
use crate::report::Model;

use super::super::machine::{BackupJob, duration_words, read_text};
use super::super::{Finding, Status};

const DAY: i64 = 86_400;
/// The age in seconds at which a proof becomes stale.
const PROOF_AGE: i64 = 7 * DAY;
/// A backup older than the first age gets a warning. One older than the second is not a base for a
/// migration. In seconds.
const BACKUP_AGE: (i64, i64) = (2 * DAY, 7 * DAY);
const WHY_PROOF: &str = "Only files that were restored and compared prove that the backup restores.";
const WHY_AGE: &str = "What was written since the backup is lost if the migration goes wrong.";

/// What the job's newest report proves.
pub(super) fn proof(job: &BackupJob, now: Timestamp) -> Finding {
    let what = format!("Whether the backup of {} restores", job.name);
    let Some(place) = &job.report else {
        return Finding::could_not_check(&what, "the job writes no JSON report")
            .why(WHY_PROOF)
            .fix("Add `json = \"FILE\"` to the job in bkverify.toml, and run it.");
    };
    let shown = place.display().to_string();
    let run = format!("bkverify --job {}", job.name);
    let report = match read_text(place) {
        Ok(Some(text)) => match Model::read(&text) {
            Ok(report) => report,
            Err(error) => return Finding::could_not_check(&what, format!("{shown}: {error}")).fix(run),
        },
        Ok(None) => {
            return Finding::fail(format!("The backup of {} was never verified", job.name))
                .seen(&shown, "no such file")
                .why(WHY_PROOF)
                .fix(run);
        }
        Err(problem) => return Finding::could_not_check(&what, format!("{shown}: {problem}")),
    };
    judge(job, &report, now).seen(&shown, evidence(&report))
}

fn evidence(report: &Model) -> String {
    let finished =
        report.finished.map_or_else(|| "at an unknown time".to_owned(), |time| format!("{time:.0}"));
    let result = report.exit_code.word();
    format!("{result}: {}\nfinished {finished}, of {}", report.headline, report.backup.place)
}

fn judge(job: &BackupJob, report: &Model, now: Timestamp) -> Finding {
    let name = &job.name;
    let finding = if job.backup.text() != report.backup.place {
        Finding::warn(format!(
            "The newest report of {name} is for a different backup: {}",
            report.backup.place
        ))
    } else {
        let age = report.finished.map(|finished| now.as_second() - finished.as_second());
        match (report.exit_code, age) {
            (ExitCode::Pass, _) if contradicts_its_pass(report) => {
                Finding::fail(format!("The newest report of {name} says \"pass\" and contradicts itself"))
            }
            (ExitCode::IntegrityFailure, _) => {
                Finding::fail(format!("The backup of {name} failed its verification"))
            }
            (ExitCode::Pass, None) => {
                Finding::warn(format!("The backup of {name} was verified at an unknown time"))
            }
            (ExitCode::Pass, Some(age)) if age < -DAY => {
                Finding::warn(format!("The newest report of {name} is dated in the future"))
            }
            (ExitCode::Pass, Some(age)) if age > PROOF_AGE => {
                Finding::warn(format!("The backup of {name} was last verified {} ago", duration_words(age)))
            }
            (ExitCode::Pass, Some(age)) => {
                return Finding::pass(format!(
                    "The backup of {name} was verified {} ago",
                    duration_words(age)
                ));
            }
            (other, _) => Finding::fail(format!(
                "The verification of {name} ended as \"{}\", which proves nothing",
                other.word()
            )),
        }
    };
    finding.why(WHY_PROOF).fix(format!("bkverify --job {name}"))
}

/// Whether a report that says "pass" also says why the run cannot have passed. No run writes that;
/// the file was damaged or edited.
fn contradicts_its_pass(report: &Model) -> bool {
    report.error.is_some()
        || report.incomplete.is_some()
        || !report.damage.is_empty()
        || report.counts.bad > 0
}

/// How old the job's backup is.
pub(super) fn age(job: &BackupJob, now: Timestamp) -> Finding {
    let what = format!("How old the backup of {} is", job.name);
    let opened = match backup::open(&job.backup, &Context::default()) {
        Ok(opened) => opened,
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            return Finding::could_not_check(&what, format!("{error}{cause}"))
                .fix("Attach the backup, or correct its path in bkverify.toml.");
        }
    };
    let description = opened.description();
    let Some(taken) = description.taken else {
        return Finding::could_not_check(
            &what,
            format!("a {} backup does not say when it was taken", description.format),
        )
        .fix("Check in the backup program when it last ran.");
    };
    let age = now.as_second() - taken.at.seconds;
    let status = match age {
        _ if age < -DAY => Status::Warn,
        // The time of a folder only says when the folder itself was last changed. That may be long
        // before the last copy.
        _ if age > BACKUP_AGE.1 && !taken.how.is_final() => Status::Warn,
        _ if age > BACKUP_AGE.1 => Status::Fail,
        _ if age > BACKUP_AGE.0 => Status::Warn,
        _ => Status::Pass,
    };
    let title = if age < -DAY {
        format!("The backup of {} is dated in the future", job.name)
    } else {
        format!("The backup of {} was taken {} ago", job.name, duration_words(age))
    };
    let time =
        Timestamp::from_second(taken.at.seconds).map_or_else(|_| "?".to_owned(), |time| format!("{time:.0}"));
    let finding = Finding::new(status, title)
        .seen(job.backup.to_string(), format!("{}, taken {time}", description.format));
    if status == Status::Pass {
        finding
    } else {
        finding.why(WHY_AGE).fix("Run the backup program now, then verify again.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn now() -> Timestamp {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn proven(text: Option<&str>) -> Status {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("report.json");
        if let Some(text) = text {
            std::fs::write(&place, text).unwrap();
        }
        let job = BackupJob {
            name: "n".into(),
            backup: "/mnt/b".into(),
            report: Some(place),
            ..BackupJob::default()
        };
        proof(&job, now()).status
    }

    /// A report of this backup with an unknown field, as a later version may write it.
    fn report(result: &str, finished: &str) -> String {
        let mut model = Model::new(&samples::plan(), Ok(&samples::passed()));
        model.exit_code = ExitCode::ALL.into_iter().find(|code| code.word() == result).unwrap();
        model.finished = Some(finished.parse().unwrap());
        model.backup.place = "/mnt/b".to_owned();
        serde_json::to_string(&model).unwrap().replacen('{', r#"{"more":1,"#, 1)
    }

    #[test]
    fn only_a_recent_pass_of_this_backup_passes() {
        assert_eq!(proven(Some(&report("pass", "2026-11-20T02:00:00Z"))), Status::Pass);
        assert_eq!(proven(Some(&report("pass", "2026-11-01T02:00:00Z"))), Status::Warn);
        assert_eq!(proven(Some(&report("pass", "2027-11-01T02:00:00Z"))), Status::Warn);
        assert_eq!(proven(Some(&report("fail", "2026-11-20T02:00:00Z"))), Status::Fail);
        assert_eq!(proven(Some(&report("incomplete", "2026-11-20T02:00:00Z"))), Status::Fail);
        let other = report("pass", "2026-11-20T02:00:00Z").replace("/mnt/b", "/mnt/c");
        assert_eq!(proven(Some(&other)), Status::Warn);
    }

    #[test]
    fn a_pass_that_contradicts_itself_is_no_proof() {
        let pass = report("pass", "2026-11-20T02:00:00Z");
        for (claim, instead) in [
            (r#""incomplete":null"#, r#""incomplete":"budget""#),
            (r#""error":null"#, r#""error":{"message":"x","hint":null}"#),
            (r#""damage":[]"#, r#""damage":["x"]"#),
            (r#""bad":0,"undecided""#, r#""bad":5,"undecided""#),
        ] {
            let edited = pass.replace(claim, instead);
            assert_ne!(edited, pass, "{claim}");
            assert_eq!(proven(Some(&edited)), Status::Fail, "{instead}");
        }
    }

    #[test]
    fn no_report_fails_and_an_unreadable_one_is_unknown() {
        assert_eq!(proven(None), Status::Fail);
        assert_eq!(proven(Some("{\"schema\":")), Status::CouldNotCheck);
        let later = report("pass", "2026-11-20T02:00:00Z").replace("report/2", "report/9");
        assert_eq!(proven(Some(&later)), Status::CouldNotCheck);
        assert_eq!(proof(&BackupJob::default(), now()).status, Status::CouldNotCheck);
    }

    #[test]
    fn the_age_of_a_backup_is_read_from_the_backup_and_is_unknown_if_it_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("b.tar");
        let mut builder = tar::Builder::new(std::fs::File::create(&archive).unwrap());
        builder.append_data(&mut tar::Header::new_gnu(), "x", &b""[..]).unwrap();
        builder.into_inner().unwrap();
        let job = BackupJob { name: "n".into(), backup: archive.into(), ..BackupJob::default() };
        let today = Timestamp::now();
        assert_eq!(age(&job, today).status, Status::Pass);
        let in_days = |days: i64| Timestamp::from_second(today.as_second() + days * DAY).unwrap();
        assert_eq!(age(&job, in_days(3)).status, Status::Warn);
        assert_eq!(age(&job, in_days(8)).status, Status::Fail);
        assert_eq!(age(&job, in_days(-3)).status, Status::Warn);
        let gone = BackupJob { backup: folder.path().join("gone").into(), ..job };
        assert_eq!(age(&gone, today).status, Status::CouldNotCheck);
    }
}
