//! A configured job: what its newest report proves, and how old its backup is.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;

use crate::backup::{self, Context, Description, path_text};
use crate::exit::ExitCode;
use crate::report::Model;
use crate::report::model::{FiltersPart, SizePart};
use crate::words;

use super::super::machine::{BackupJob, duration_words, read_text};
use super::super::{Finding, Status};
use super::unchanged;

const DAY: i64 = 86_400;
/// The age in seconds at which a proof becomes stale.
const PROOF_AGE: i64 = 7 * DAY;
/// A backup older than the first age gets a warning. One older than the second is not a base for a
/// migration. In seconds.
const BACKUP_AGE: (i64, i64) = (2 * DAY, 7 * DAY);
/// A run that does not rule out that this share of the files is bad proves little.
const MOST_BAD: f64 = 0.05;
/// So does a run that is less sure than this.
const LEAST_SURE: f64 = 0.95;
/// How far a time may lie in the future, in seconds, because clocks differ.
const AHEAD: i64 = 300;
const WHY_PROOF: &str = "Only files that were restored and compared prove that the backup restores.";
const WHY_AGE: &str = "What was written since the backup is lost if the migration goes wrong.";

/// What the job's newest report proves about the backup as it is now, and how old the backup is.
pub(super) fn look(job: &BackupJob, now: Timestamp, deadline: Instant) -> Vec<Finding> {
    let backup = backup::open(&job.backup, &Context::default()).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    });
    let description = backup.as_ref().map(|backup| backup.description()).map_err(String::as_str);
    vec![proof(job, description, now, deadline), age(job, description, now)]
}

fn proof(job: &BackupJob, backup: Result<&Description, &str>, now: Timestamp, deadline: Instant) -> Finding {
    let what = format!("Whether the backup of {} restores", job.name);
    let Some(place) = &job.report else {
        return Finding::could_not_check(&what, "the job writes no JSON report")
            .why(WHY_PROOF)
            .fix("Add `json = \"FILE\"` to the job in bkverify.toml, and run it.");
    };
    let shown = place.display().to_string();
    let run = job.command();
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
    let change = backup.map_err(str::to_owned).and_then(|backup| unchanged::since(&report, backup, deadline));
    let finding = judge(job, &report, change, now).seen(&shown, evidence(&report));
    if finding.status == Status::Pass { finding } else { finding.why(WHY_PROOF).fix(run) }
}

fn evidence(report: &Model) -> String {
    let finished =
        report.finished.map_or_else(|| "at an unknown time".to_owned(), |time| format!("{time:.0}"));
    let taken =
        report.backup.taken.map_or_else(|| "at an unknown time".to_owned(), |time| format!("{time:.0}"));
    let result = report.exit_code.word();
    let sentence = report.assurance.as_ref().and_then(|found| found.sentence.as_deref()).unwrap_or_default();
    let place = &report.backup.place;
    format!("{result}: {}\nfinished {finished}, of {place}, taken {taken}\n{sentence}", report.headline)
}

/// Every reason for which a report is no proof, and a pass if there is none.
fn judge(job: &BackupJob, report: &Model, change: Result<Option<String>, String>, now: Timestamp) -> Finding {
    let name = &job.name;
    let unknown =
        |problem: &str| Finding::could_not_check(&format!("Whether the backup of {name} restores"), problem);
    if job.backup.text() != report.backup.place {
        let place = &report.backup.place;
        return Finding::fail(format!("The newest report of {name} is for a different backup: {place}"));
    }
    match report.exit_code {
        ExitCode::Pass => {}
        ExitCode::IntegrityFailure => {
            return Finding::fail(format!("The backup of {name} failed its verification"));
        }
        other => {
            let word = other.word();
            return Finding::fail(format!(
                "The verification of {name} ended as \"{word}\", which proves nothing"
            ));
        }
    }
    let Some(finished) = report.finished else {
        return unknown("its newest report does not say when the run ended");
    };
    let age = now.as_second() - finished.as_second();
    if age < -AHEAD {
        return unknown("its newest report is dated in the future; correct the clock");
    }
    let ago = duration_words(age);
    match change {
        Err(problem) => {
            return unknown(&format!(
                "it was verified {ago} ago, and nothing tells whether it has changed since: {problem}"
            ));
        }
        Ok(Some(change)) => {
            let title = format!("The backup of {name} was replaced or changed after it was verified");
            return Finding::fail(format!("{title}, {ago} ago: {change}"));
        }
        Ok(None) => {}
    }
    if let Some(weakness) = weaker_than_asked(job, report) {
        return Finding::fail(format!(
            "The newest run of {name} proves less than the job asks for: {weakness}"
        ));
    }
    if age > PROOF_AGE {
        return Finding::warn(format!("The backup of {name} was last verified {ago} ago"));
    }
    judge_claim(name, report, &ago)
}

/// What the sample of a run that passed so long ago proves.
fn judge_claim(name: &str, report: &Model, ago: &str) -> Finding {
    let Some(claim) = &report.assurance else {
        return Finding::fail(format!(
            "The newest run of {name} could compare no file, which proves nothing"
        ));
    };
    let of = if claim.domain == "comparable-bytes" {
        "the bytes of its comparable files"
    } else {
        "its comparable files"
    };
    let sure = words::percent(claim.confidence);
    let bad = words::percent(claim.at_most_bad_share);
    if claim.at_most_bad_share > MOST_BAD || claim.confidence < LEAST_SURE {
        return Finding::could_not_check(
            &format!("Whether the backup of {name} restores"),
            format!("the run proves little: with {sure} confidence, up to {bad} of {of} may be bad"),
        );
    }
    let (compared, drawn) = (report.counts.comparable, report.counts.drawn);
    if compared < drawn / 2 {
        return Finding::warn(format!(
            "The run of {name} could compare only {compared} of {}; it proves nothing of files like the others",
            words::counted(drawn, "file")
        ));
    }
    Finding::pass(format!(
        "The backup of {name} was verified {ago} ago, and no change is seen since: with {sure} confidence, \
         at most {bad} of {of} are bad"
    ))
}

/// How the run looked at less than the job, as it is configured now, asks for.
fn weaker_than_asked(job: &BackupJob, report: &Model) -> Option<String> {
    let (ran, asked) = (&report.plan, SizePart::from(job.sample));
    let is_enough = match (ran.sample, asked) {
        (SizePart::All(_), _) => true,
        (SizePart::Count(ran), SizePart::Count(asked)) => ran >= asked,
        (SizePart::Share(ran), SizePart::Share(asked)) => ran >= asked,
        (SizePart::Tolerance(ran), SizePart::Tolerance(asked)) => ran <= asked,
        (ran, asked) => ran == asked,
    };
    let texts = |paths: &[PathBuf]| paths.iter().map(|path| path_text(path)).collect::<Vec<_>>();
    let maps = job.maps.iter().map(|map| path_text(&map.to));
    let claims = &job.claims;
    let (filters, wanted) = (&ran.filters, FiltersPart::new(&job.filters));
    if !filters.only.is_empty() {
        Some("it looked only at files that were bad before".to_owned())
    } else if !is_enough {
        Some("its sample is smaller".to_owned())
    } else if (&filters.include, &filters.exclude, filters.min_size, filters.max_size)
        != (&wanted.include, &wanted.exclude, wanted.min_size, wanted.max_size)
    {
        Some("its filters are different".to_owned())
    } else if ran.sources != texts(&job.sources)
        || !ran.maps.iter().map(|map| &map.to).eq(&maps.collect::<Vec<_>>())
        || ran.manifest != job.manifest.as_deref().map(path_text)
    {
        Some("it compared with other originals".to_owned())
    } else if ran.confidence < claims.confidence {
        Some("its confidence is smaller".to_owned())
    } else if ran.max_undecided > claims.max_undecided {
        Some("it let more files be undecided".to_owned())
    } else if ran.assume_unchanged && !claims.assume_unchanged {
        Some("it took for granted that no original has changed".to_owned())
    } else {
        None
    }
}

fn age(job: &BackupJob, backup: Result<&Description, &str>, now: Timestamp) -> Finding {
    let what = format!("How old the backup of {} is", job.name);
    let description = match backup {
        Ok(description) => description,
        Err(problem) => {
            return Finding::could_not_check(&what, problem)
                .fix("Attach the backup, or correct its path in bkverify.toml.");
        }
    };
    let Some(taken) = description.taken else {
        return Finding::could_not_check(
            &what,
            format!("a {} backup does not say when it was taken", description.format),
        )
        .fix("Check in the backup program when it last ran.");
    };
    let age = now.as_second() - taken.at.seconds;
    let status = match age {
        _ if age < -AHEAD => Status::CouldNotCheck,
        // The time of a folder only says when the folder itself was last changed. That may be long
        // before the last copy.
        _ if age > BACKUP_AGE.1 && !taken.how.is_final() => Status::Warn,
        _ if age > BACKUP_AGE.1 => Status::Fail,
        _ if age > BACKUP_AGE.0 => Status::Warn,
        _ => Status::Pass,
    };
    let title = if age < -AHEAD {
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
    use crate::checklist::Status;
    use crate::plan::SampleSize;
    use crate::report::samples;

    /// A job of an archive that was made now, and its report of a passed run an hour later.
    struct World {
        folder: tempfile::TempDir,
        job: BackupJob,
        report: Model,
        now: Timestamp,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let archive = folder.path().join("b.tar");
            archive_of("x", &archive);
            let mut report = Model::new(&samples::plan(), Ok(&samples::passed()));
            let opened = backup::open(&archive.clone().into(), &Context::default()).unwrap();
            let now = Timestamp::now();
            report.backup.id.clone_from(&opened.description().id);
            report.backup.taken =
                Some(Timestamp::from_second(opened.description().taken.unwrap().at.seconds).unwrap());
            report.finished = Some(Timestamp::from_second(now.as_second() - 60).unwrap());
            let job = BackupJob {
                name: "n".into(),
                report: Some(folder.path().join("report.json")),
                sample: SampleSize::Count(1),
                ..BackupJob::default()
            };
            let mut world = Self { folder, job, report, now };
            world.job.backup = archive.into();
            world.report.backup.place = world.job.backup.text();
            world.report.plan.sources.clear();
            world.report.plan.maps.clear();
            world.report.plan.filters = FiltersPart::default();
            world.report.plan.sample = SizePart::Count(500);
            world.report.plan.manifest = None;
            world.report.plan.confidence = world.job.claims.confidence;
            world.report.plan.max_undecided = world.job.claims.max_undecided;
            world.report.plan.assume_unchanged = false;
            world.report.assurance.as_mut().unwrap().at_most_bad_share = 0.01;
            world
        }

        fn proof(&self) -> Finding {
            std::fs::write(self.job.report.as_ref().unwrap(), serde_json::to_string(&self.report).unwrap())
                .unwrap();
            look(&self.job, self.now, soon()).remove(0)
        }

        /// The status after a change of the report or the job.
        fn after(change: impl FnOnce(&mut Self)) -> Status {
            let mut world = Self::new();
            change(&mut world);
            world.proof().status
        }
    }

    fn archive_of(name: &str, place: &std::path::Path) {
        let mut builder = tar::Builder::new(std::fs::File::create(place).unwrap());
        builder.append_data(&mut tar::Header::new_gnu(), name, &b""[..]).unwrap();
        builder.into_inner().unwrap();
    }

    fn soon() -> Instant {
        Instant::now() + std::time::Duration::from_secs(60)
    }

    fn days(time: Timestamp, days: i64) -> Timestamp {
        Timestamp::from_second(time.as_second() + days * DAY).unwrap()
    }

    #[test]
    fn only_a_recent_pass_of_this_backup_passes() {
        let proof = World::new().proof();
        assert_eq!(
            proof.title,
            "The backup of n was verified 60 s ago, and no change is seen since: with 95% confidence, at most 1% of its \
             comparable files are bad"
        );
        use Status::{CouldNotCheck, Fail, Warn};
        assert_eq!(World::after(|world| world.now = days(world.now, 8)), Warn);
        assert_eq!(World::after(|world| world.now = days(world.now, -1)), CouldNotCheck);
        assert_eq!(World::after(|world| world.report.finished = None), CouldNotCheck);
        assert_eq!(World::after(|world| world.report.exit_code = ExitCode::IntegrityFailure), Fail);
        assert_eq!(World::after(|world| world.report.exit_code = ExitCode::Incomplete), Fail);
        assert_eq!(World::after(|world| world.report.backup.place = "/mnt/c".into()), Fail);
        assert_eq!(World::after(|world| world.report.schema = "bkverify-report/9".into()), CouldNotCheck);
        let never = BackupJob { report: Some("/no/such/report".into()), ..World::new().job };
        assert_eq!(look(&never, Timestamp::now(), soon())[0].status, Fail);
    }

    #[test]
    fn a_backup_that_was_replaced_after_its_verification_is_not_proven() {
        let overwritten = World::after(|world| {
            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
            archive_of("y", &world.folder.path().join("b.tar"));
            let file = std::fs::File::options().write(true).open(world.folder.path().join("b.tar")).unwrap();
            file.set_modified(later).unwrap();
        });
        assert_eq!(overwritten, Status::Fail);
        assert_eq!(World::after(|world| world.report.backup.id = Some("other".into())), Status::Fail);
        assert_eq!(World::after(|world| world.report.backup.id = None), Status::CouldNotCheck);
        assert_eq!(
            World::after(|world| std::fs::remove_file(world.folder.path().join("b.tar")).unwrap()),
            Status::CouldNotCheck
        );
    }

    /// The status of a folder with two files in a folder after a change, and the change in words.
    fn folder_after(change: impl FnOnce(&mut World, &std::path::Path)) -> (Status, String) {
        let mut world = World::new();
        let folder = world.folder.path().join("copy");
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        for name in ["a", "b"] {
            std::fs::write(folder.join("deep").join(name), "x").unwrap();
        }
        let tree = crate::platform::Tree::open(&folder, false).unwrap();
        let written = ["deep/b", "deep", ""].map(|path| tree.stat(path.as_bytes()).unwrap().changed.unwrap());
        let began = written.into_iter().max().unwrap();
        world.report.started = Some(words::moment(began).unwrap());
        world.job.backup = folder.clone().into();
        let opened = backup::open(&world.job.backup, &Context::default()).unwrap();
        world.report.backup.place = world.job.backup.text();
        world.report.backup.id = None;
        world.report.backup.taken = opened.description().taken_at().and_then(words::moment);
        (world.report.population.files, world.report.population.filtered) = (1, 1);
        world.report.population.unmapped = 0;
        // The clock of a file system may tick only every 10 ms.
        std::thread::sleep(std::time::Duration::from_millis(30));
        change(&mut world, &folder);
        let proof = world.proof();
        (proof.status, proof.title)
    }

    #[test]
    fn a_folder_that_was_written_or_lost_deep_inside_after_its_verification_is_not_proven() {
        let (status, title) = folder_after(|_, _| {});
        assert_eq!(status, Status::Pass, "{title}");
        let (status, title) = folder_after(|_, folder| std::fs::write(folder.join("deep/b"), "y").unwrap());
        assert_eq!(status, Status::Fail);
        assert!(title.ends_with("1 entry was written since the run began, such as deep/b"), "{title}");
        let (status, title) = folder_after(|_, folder| std::fs::remove_file(folder.join("deep/b")).unwrap());
        assert_eq!(status, Status::Fail);
        assert!(title.ends_with("it has 1 file, and had 2"), "{title}");
        // Of two disks that are attached in turn, the other.
        let (status, title) = folder_after(|world, _| world.report.backup.taken = Some(days(world.now, -1)));
        assert!(status == Status::Fail && title.contains("it was taken at"), "{title}");
        assert_eq!(folder_after(|world, _| world.report.started = None).0, Status::CouldNotCheck);
    }

    #[test]
    fn a_run_that_looked_at_less_than_the_job_asks_for_is_not_its_proof() {
        let fails = |change: fn(&mut World)| assert_eq!(World::after(change), Status::Fail);
        fails(|world| world.job.sample = SampleSize::Count(501));
        fails(|world| world.job.sample = SampleSize::All);
        fails(|world| world.report.plan.filters.exclude = vec!["mail".into()]);
        fails(|world| world.report.plan.filters.only = vec!["x".into()]);
        fails(|world| world.report.plan.sources = vec!["/elsewhere".into()]);
        fails(|world| world.report.plan.manifest = Some("/elsewhere".into()));
        fails(|world| world.report.plan.confidence = 0.5);
        fails(|world| world.report.plan.max_undecided = 1.0);
        fails(|world| world.report.plan.assume_unchanged = true);
        fails(|world| world.report.assurance = None);
    }

    #[test]
    fn a_run_that_proves_little_is_no_proof_even_if_no_more_was_asked_for() {
        let claims = |bad: f64, confidence: f64| {
            World::after(|world| {
                let claim = world.report.assurance.as_mut().unwrap();
                (claim.at_most_bad_share, claim.confidence) = (bad, confidence);
            })
        };
        assert_eq!(claims(0.95, 0.95), Status::CouldNotCheck, "as after --sample 1");
        assert_eq!(claims(0.0, 0.5), Status::CouldNotCheck, "as with --confidence 50%");
        assert_eq!(claims(0.04, 0.99), Status::Pass);
        let few = |world: &mut World| (world.report.counts.comparable, world.report.counts.drawn) = (3, 300);
        assert_eq!(World::after(few), Status::Warn);
    }

    #[test]
    fn the_age_of_a_backup_is_read_from_the_backup_and_is_unknown_if_it_is_missing() {
        let world = World::new();
        let age = |now| look(&world.job, now, soon())[1].status;
        assert_eq!(age(world.now), Status::Pass);
        assert_eq!(age(days(world.now, 3)), Status::Warn);
        assert_eq!(age(days(world.now, 8)), Status::Fail);
        assert_eq!(age(days(world.now, -1)), Status::CouldNotCheck);
        let gone = BackupJob { backup: world.folder.path().join("gone").into(), ..world.job.clone() };
        assert_eq!(look(&gone, world.now, soon())[1].status, Status::CouldNotCheck);
    }
}
